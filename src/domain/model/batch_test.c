/* domain/model: signatures, cells and batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/json.h"
#include "domain/model/batch.h"
#include "domain/model/enforce.h"
#include "domain/model/model.h"

#define IRIS                                                                                       \
    "[{\"type\":\"double\",\"name\":\"a\"},{\"type\":\"long\",\"name\":\"b\"},"                    \
    "{\"type\":\"string\",\"name\":\"c\",\"required\":false}]"
#define ONE(type) "[{\"type\":\"" type "\",\"name\":\"x\",\"required\":true}]"
#define OPT(type) "[{\"type\":\"" type "\",\"name\":\"x\",\"required\":false}]"
#define TENSOR(dtype, shape)                                                                       \
    "[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"" dtype "\",\"shape\":" shape "}}]"

/* A batch as rows of JSON objects or arrays (positions); tensor rows when `whole`. */
struct load {
    struct sb_arena arena;
    struct sb_errctx ctx;
    struct sb_signature *sig;
    struct sb_batch_builder b;
    struct sb_batch batch;
};

static sb_err load_rows(struct load *l, struct sb_json_reader *r, bool whole, size_t *rows) {
    enum sb_json_type t;
    bool more;
    SB_TRY(sb_json_enter_array(r));
    for (;; (*rows)++) {
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) return SB_OK;
        SB_TRY(sb_json_peek(r, &t));
        if (whole) {
            SB_TRY(sb_batch_set_cell(&l->b, 0, *rows, r));
        } else if (t == SB_JSON_OBJECT) {
            SB_TRY(sb_json_enter_object(r));
            for (struct sb_str key;;) {
                SB_TRY(sb_json_next_key(r, &key, &more));
                if (!more) break;
                SB_TRY(sb_batch_set_cell(&l->b, sb_batch_column(&l->b, key), *rows, r));
            }
        } else {
            SB_TRY(sb_json_enter_array(r));
            for (size_t i = 0;; i++) {
                SB_TRY(sb_json_next_item(r, &more));
                if (!more) break;
                SB_TRY(sb_batch_set_cell(&l->b, sb_batch_column_at(&l->b, i), *rows, r));
            }
        }
    }
}

static sb_err load(struct load *l, const char *signature, const char *rows, bool whole,
                   bool complete) {
    *l = (struct load){0};
    sb_arena_init(&l->arena, 1 << 20);
    SB_TRY(sb_signature_parse(&l->sig, sb_str_of(signature), SB_STR(""), SB_STR(""), &l->ctx));
    SB_TRY(sb_batch_begin(&l->b, &(struct sb_batch_opts){.signature = l->sig,
                                                         .arena = &l->arena,
                                                         .ctx = &l->ctx,
                                                         .tokens = true,
                                                         .rows_complete = complete}));
    struct sb_json_reader r;
    sb_json_reader_init(&r, sb_str_of(rows), &l->arena, &l->ctx);
    size_t n = 0;
    SB_TRY(load_rows(l, &r, whole, &n));
    SB_TRY(sb_json_finish(&r));
    return sb_batch_finish(&l->b, n, &l->batch);
}

static void unload(struct load *l) {
    sb_signature_free(l->sig);
    sb_arena_fini(&l->arena);
}

/* "name=[cells] ..." */
static void show(struct sb_buf *b, const struct sb_batch *batch) {
    for (size_t c = 0; c < batch->ncols; c++) {
        if (c) sb_buf_addc(b, ' ');
        sb_buf_adds(b, batch->cols[c].name);
        sb_buf_addz(b, batch->cols[c].absent ? "=absent[" : "=[");
        for (size_t r = 0; r < batch->nrows; r++) {
            if (r) sb_buf_addc(b, ',');
            sb_column_add_json(b, &batch->cols[c], r);
        }
        sb_buf_addc(b, ']');
    }
}

static const struct batch_case {
    const char *name, *signature, *rows;
    const char *want; /* columns */
    sb_err err;
    const char *msg; /* part of the message */
} CASES[] = {
    {"columns come in the signature's order", IRIS, "[{\"b\":2,\"a\":1.5,\"c\":\"x\"}]",
     "a=[1.5] b=[2] c=[\"x\"]", 0, NULL},
    {"extra names are ignored", IRIS, "[{\"z\":[1,{}],\"a\":1,\"b\":2}]",
     "a=[1.0] b=[2] c=absent[null]", 0, NULL},
    {"an optional input may be missing in some rows", IRIS,
     "[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4,\"c\":\"k\"}]", "a=[1.0,3.0] b=[2,4] c=[null,\"k\"]", 0,
     NULL},
    {"a double missing in one row becomes NaN", IRIS, "[{\"a\":1,\"b\":2},{\"b\":4}]",
     "a=[1.0,null] b=[2,4] c=absent[null,null]", 0, NULL},
    {"an integer missing in one row is refused", IRIS, "[{\"a\":1,\"b\":2},{\"a\":4}]", NULL,
     SB_E_INVALID, "'b' is required"},
    {"missing inputs are listed with the extra ones", IRIS, "[{\"q\":1,\"c\":\"x\"}]", NULL,
     SB_E_INVALID, "Model is missing inputs ['a', 'b']. Note that there were extra inputs: ['q']"},
    {"a name given twice in one row", IRIS, "[{\"a\":1,\"a\":2,\"b\":3}]", NULL, SB_E_INVALID,
     "twice"},
    {"long takes an integral double", ONE("long"), "[{\"x\":1e3},{\"x\":2.0}]", "x=[1000,2]", 0,
     NULL},
    {"long keeps digits beyond 2^53", ONE("long"), "[{\"x\":9223372036854775807}]",
     "x=[9223372036854775807]", 0, NULL},
    {"long refuses a fraction", ONE("long"), "[{\"x\":1},{\"x\":1.7}]", NULL, SB_E_INVALID,
     "Incompatible input types for column x. Can not safely convert float64 to int64 (row 1: "
     "1.7)"},
    {"long refuses 2^63", ONE("long"), "[{\"x\":9223372036854775808}]", NULL, SB_E_INVALID,
     "Can not safely"},
    {"long refuses null", ONE("long"), "[{\"x\":null}]", NULL, SB_E_INVALID,
     "Failed to convert column x to type 'int64' (row 0: null)"},
    {"optional long takes null", OPT("long"), "[{\"x\":null}]", "x=[null]", 0, NULL},
    {"integer refuses what does not fit 32 bits", ONE("integer"), "[{\"x\":2147483648}]", NULL,
     SB_E_INVALID, "int64 to int32"},
    {"integer takes digits in a string", ONE("integer"), "[{\"x\":\" -7 \"}]", "x=[-7]", 0, NULL},
    {"double takes a number in a string", ONE("double"),
     "[{\"x\":\"1.5\"},{\"x\":true},{\"x\":null}]", "x=[1.5,1.0,null]", 0, NULL},
    {"double refuses other text", ONE("double"), "[{\"x\":\"abc\"}]", NULL, SB_E_INVALID,
     "Failed to convert column x to type 'float64' (row 0: \"abc\")"},
    {"double refuses a list", ONE("double"), "[{\"x\":[1]}]", NULL, SB_E_INVALID, "[1]"},
    {"float is rounded", ONE("float"), "[{\"x\":0.1}]", "x=[0.1]", 0, NULL},
    {"float refuses overflow", ONE("float"), "[{\"x\":1e39}]", NULL, SB_E_INVALID, "float32"},
    {"boolean takes 0 and 1", ONE("boolean"), "[{\"x\":0},{\"x\":1},{\"x\":true}]",
     "x=[false,true,true]", 0, NULL},
    {"boolean refuses 2", ONE("boolean"), "[{\"x\":2}]", NULL, SB_E_INVALID, "int64 to bool"},
    {"boolean refuses text", ONE("boolean"), "[{\"x\":\"false\"}]", NULL, SB_E_INVALID,
     "object to bool"},
    {"string takes numbers as their text", ONE("string"), "[{\"x\":1.50},{\"x\":\"\\u00e9\"}]",
     "x=[\"1.50\",\"\xc3\xa9\"]", 0, NULL},
    {"datetime takes ISO 8601", ONE("datetime"),
     "[{\"x\":\"2024-02-29T12:30:01.5\"},{\"x\":\"1969-12-31\"},{\"x\":1500000000}]",
     "x=[\"2024-02-29T12:30:01.5\",\"1969-12-31T00:00:00\",\"1970-01-01T00:00:01.5\"]", 0, NULL},
    {"datetime converts zones to UTC", ONE("datetime"),
     "[{\"x\":\"2024-01-01T00:30:00+01:00\"},{\"x\":\"2024-01-01 00:30Z\"}]",
     "x=[\"2023-12-31T23:30:00\",\"2024-01-01T00:30:00\"]", 0, NULL},
    {"datetime refuses a day that is none", ONE("datetime"), "[{\"x\":\"2023-02-29\"}]", NULL,
     SB_E_INVALID, "datetime64[ns]"},
    {"binary is base64", ONE("binary"), "[{\"x\":\"AAEC/w==\"},{\"x\":\"\"},{\"x\":\"AAE=\"}]",
     "x=[\"AAEC/w==\",\"\",\"AAE=\"]", 0, NULL},
    {"binary refuses a cut group", ONE("binary"), "[{\"x\":\"AAEC/\"}]", NULL, SB_E_INVALID, "|S0"},
    {"a single named input takes a position", ONE("double"), "[[1],[2]]", "x=[1.0,2.0]", 0, NULL},
    {"named inputs take no positions", IRIS, "[[1,2,\"x\"]]", NULL, SB_E_INVALID,
     "extra inputs: ['0', '1', '2']"},
    {"unnamed inputs take positions", "[{\"type\":\"double\"},{\"type\":\"long\"}]", "[[1,2,3]]",
     "0=[1.0] 1=[2]", 0, NULL},
    {"unnamed inputs take names by order", "[{\"type\":\"double\"},{\"type\":\"long\"}]",
     "[{\"p\":1,\"q\":2},{\"q\":4,\"p\":3}]", "0=[1.0,3.0] 1=[2,4]", 0, NULL},
    {"too few unnamed inputs", "[{\"type\":\"double\"},{\"type\":\"long\"}]", "[[1]]", NULL,
     SB_E_INVALID, "declares 2 inputs  but the provided value only has 1 inputs"},
    {"inferred columns", "", "[{\"n\":1,\"s\":\"t\",\"f\":false,\"o\":{\"k\":[1, 2]}}]",
     "n=[1.0] s=[\"t\"] f=[false] o=[{\"k\":[1, 2]}]", 0, NULL},
    {"inferred columns that come later", "", "[{\"n\":1},{\"m\":\"x\",\"n\":null}]",
     "n=[1.0,null] m=[null,\"x\"]", 0, NULL},
    {"an inferred column takes its type from the first value", "", "[{\"n\":null},{\"n\":\"x\"}]",
     "n=[null,\"x\"]", 0, NULL},
    {"an inferred column keeps its type", "", "[{\"n\":1},{\"n\":\"x\"}]", NULL, SB_E_INVALID,
     "column n has values of type double and string (row 1: \"x\")"},
    {"inferred positions", "", "[[1,\"a\"],[2,\"b\"]]", "0=[1.0,2.0] 1=[\"a\",\"b\"]", 0, NULL},
    {"a tensor from a frame's names", TENSOR("float32", "[-1,2]"),
     "[{\"p\":1,\"q\":2},{\"q\":4,\"p\":3}]", "0=[[1.0,2.0],[3.0,4.0]]", 0, NULL},
    {"a tensor from a frame's positions", TENSOR("float64", "[-1,2]"), "[[1,2],[3,4]]",
     "0=[[1.0,2.0],[3.0,4.0]]", 0, NULL},
    {"a tensor row too short", TENSOR("float64", "[-1,2]"), "[[1,2],[3]]", NULL, SB_E_INVALID,
     "Shape of input 0 does not match expected shape (-1, 2) (row 1)"},
    {"a tensor row too short in between", TENSOR("float64", "[-1,2]"), "[[1],[3,4]]", NULL,
     SB_E_INVALID, "(row 0)"},
    {"a tensor row too long", TENSOR("float64", "[-1,2]"), "[[1,2,3]]", NULL, SB_E_INVALID,
     "Shape of input"},
    {"an array is checked by its items",
     "[{\"type\":\"array\",\"items\":{\"type\":\"long\"},\"name\":\"x\"}]",
     "[{\"x\":[1,2]},{\"x\":[1,\"a\"]}]", NULL, SB_E_INVALID,
     "Failed to enforce schema of column x: Failed to enforce schema of data of type str with "
     "dtype `long` (row 1)"},
    {"an array keeps its text",
     "[{\"type\":\"array\",\"items\":{\"type\":\"double\"},"
     "\"name\":\"x\"}]",
     "[{\"x\":[1, 2.50]},{\"x\":[]}]", "x=[[1, 2.50],[]]", 0, NULL},
    {"an object misses a property",
     "[{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"string\"},\"q\":{\"type\":\"long\","
     "\"required\":false}},\"name\":\"x\"}]",
     "[{\"x\":{\"p\":\"s\"}},{\"x\":{\"q\":1}}]", NULL, SB_E_INVALID,
     "Missing required properties: {'p'}"},
    {"an object has an unknown property",
     "[{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"string\"}},\"name\":\"x\"}]",
     "[{\"x\":{\"p\":\"s\",\"r\":1}}]", NULL, SB_E_INVALID, "Invalid properties"},
    {"a map is checked by its values",
     "[{\"type\":\"map\",\"values\":{\"type\":\"boolean\"},\"name\":\"x\"}]",
     "[{\"x\":{\"k\":true}},{\"x\":{\"k\":1}}]", NULL, SB_E_INVALID, "(row 1)"},
    {"any takes null", "[{\"type\":\"any\",\"name\":\"x\"}]", "[{\"x\":null},{\"x\":[{}]}]",
     "x=[null,[{}]]", 0, NULL},
    {"broken JSON carries its position", IRIS, "[{\"a\":1,}]", NULL, SB_E_SYNTAX, ""},
};

static void batches_follow_the_rules(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(CASES); i++) {
        const struct batch_case *c = &CASES[i];
        struct load l;
        sb_err err = load(&l, c->signature, c->rows, false, false);
        if (err != c->err) fail_msg("%s: got %s (%s)", c->name, sb_err_name(err), l.ctx.msg);
        if (err) {
            if (!strstr(l.ctx.msg, c->msg)) fail_msg("%s: message is: %s", c->name, l.ctx.msg);
        } else {
            struct sb_buf b;
            sb_buf_init(&b, 4096);
            show(&b, &l.batch);
            if (strcmp(sb_buf_cstr(&b), c->want) != 0)
                fail_msg("%s: got %s", c->name, sb_buf_cstr(&b));
            sb_buf_fini(&b);
        }
        unload(&l);
    }
}

static void whole_tensor_rows_have_the_declared_shape(void **state) {
    (void)state;
    static const struct {
        const char *name, *signature, *rows, *want;
    } T[] = {
        {"two inner dims", TENSOR("float32", "[-1,2,2]"), "[[[1,2],[3,4]],[[5,6],[7,8]]]",
         "0=[[1.0,2.0,3.0,4.0],[5.0,6.0,7.0,8.0]]"},
        {"no inner dim", TENSOR("int64", "[-1]"), "[1,2,3]", "0=[1,2,3]"},
        {"ragged rows stay JSON", TENSOR("float64", "[-1,-1]"), "[[1,2],[3]]", "0=[[1,2],[3]]"},
        {"an inner dim too long", TENSOR("float32", "[-1,2,2]"), "[[[1,2,3],[3,4]]]", NULL},
        {"an inner dim too short", TENSOR("float32", "[-1,2,2]"), "[[[1],[3,4]]]", NULL},
        {"a scalar where an array belongs", TENSOR("float32", "[-1,1]"), "[1]", NULL},
        {"an array where a scalar belongs", TENSOR("float32", "[-1]"), "[[1]]", NULL},
        {"a batch dim that is fixed", TENSOR("float32", "[2,1]"), "[[1],[2],[3]]", NULL},
    };
    for (size_t i = 0; i < SB_COUNT(T); i++) {
        struct load l;
        sb_err err = load(&l, T[i].signature, T[i].rows, true, false);
        if (!T[i].want) {
            if (err != SB_E_INVALID) fail_msg("%s: got %s", T[i].name, sb_err_name(err));
        } else {
            if (err) fail_msg("%s: %s", T[i].name, l.ctx.msg);
            struct sb_buf b;
            sb_buf_init(&b, 4096);
            show(&b, &l.batch);
            if (strcmp(sb_buf_cstr(&b), T[i].want) != 0)
                fail_msg("%s: got %s", T[i].name, sb_buf_cstr(&b));
            assert_true(l.batch.tensor);
            sb_buf_fini(&b);
        }
        unload(&l);
    }
}

static void tokens_are_the_requests_own_text(void **state) {
    (void)state;
    struct load l;
    assert_int_equal(load(&l, IRIS,
                          "[{\"a\": 1.50 ,\"b\":\"7\",\"c\" : \"q\\n\"},{\"b\":2,\"a\":1E2}]",
                          false, false),
                     SB_OK);
    assert_true(sb_str_is(l.batch.cols[0].tokens[0], "1.50"));
    assert_true(sb_str_is(l.batch.cols[0].tokens[1], "1E2"));
    assert_true(sb_str_is(l.batch.cols[1].tokens[0], "\"7\""));
    assert_true(sb_str_is(l.batch.cols[2].tokens[0], "\"q\\n\""));
    assert_null(l.batch.cols[2].tokens[1].p);
    unload(&l);
}

static void errors_name_the_field_and_row(void **state) {
    (void)state;
    struct load l;
    assert_int_equal(load(&l, IRIS, "[{\"a\":1,\"b\":2},{\"a\":\"no\",\"b\":2}]", false, false),
                     SB_E_INVALID);
    assert_true(sb_str_is(l.b.bad_column, "a"));
    assert_int_equal(l.b.bad_row, 1);
    assert_true(l.ctx.pos > 0);
    unload(&l);
    assert_int_equal(load(&l, IRIS, "[{\"a\":1,\"b\":2},{\"b\":2}]", false, true), SB_E_INVALID);
    assert_true(sb_str_is(l.b.bad_column, "a"));
    assert_int_equal(l.b.bad_row, 1);
    unload(&l);
}

static void many_rows_grow_the_columns(void **state) {
    (void)state;
    struct sb_buf doc;
    sb_buf_init(&doc, 1 << 20);
    sb_buf_addc(&doc, '[');
    for (int i = 0; i < 3000; i++) sb_buf_addf(&doc, "%s{\"a\":%d,\"b\":%d}", i ? "," : "", i, -i);
    sb_buf_addc(&doc, ']');
    struct load l;
    assert_int_equal(load(&l, IRIS, sb_buf_cstr(&doc), false, false), SB_OK);
    assert_int_equal(l.batch.nrows, 3000);
    for (int i = 0; i < 3000; i++) {
        assert_true(l.batch.cols[0].f64[i] == i);
        assert_int_equal(l.batch.cols[1].i64[i], -i);
    }
    unload(&l);
    sb_buf_fini(&doc);
}

static void limits_hold(void **state) {
    (void)state;
    struct sb_arena a;
    sb_arena_init(&a, 1 << 20);
    struct sb_errctx ctx = {0};
    struct sb_batch_builder b;
    struct sb_batch_opts o = {.arena = &a, .ctx = &ctx, .max_rows = 2};
    struct sb_json_reader r;
    sb_json_reader_init(&r, SB_STR("1 "), &a, &ctx);
    assert_int_equal(sb_batch_begin(&b, &o), SB_OK);
    ptrdiff_t col = sb_batch_column(&b, SB_STR("x"));
    assert_int_equal(sb_batch_set_cell(&b, col, 1, &r), SB_OK);
    sb_json_reader_init(&r, SB_STR("1 "), &a, &ctx);
    assert_int_equal(sb_batch_set_cell(&b, col, 2, &r), SB_E_LIMIT);
    sb_arena_fini(&a);

    sb_arena_init(&a, 64 << 20);
    sb_errctx_reset(&ctx);
    assert_int_equal(sb_batch_begin(&b, &(struct sb_batch_opts){.arena = &a, .ctx = &ctx}), SB_OK);
    for (int i = 0; i < SB_LIMIT_PREDICT_FEATURES; i++)
        assert_int_equal(sb_batch_column(&b, sb_str_of(sb_arena_printf(&a, "c%d", i))), i);
    assert_int_equal(sb_batch_column(&b, SB_STR("c7")), 7);
    assert_int_equal(sb_batch_column(&b, SB_STR("more")), SB_BATCH_SKIP);
    struct sb_batch out;
    assert_int_equal(sb_batch_finish(&b, 1, &out), SB_E_LIMIT);
    sb_arena_fini(&a);
}

/* ---- signatures ---- */

static void signatures_are_read_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *inputs, *params;
        sb_err err;
    } T[] = {
        {"none at all", "", "null", SB_OK},
        {"columns", IRIS, "[{\"name\":\"p\",\"type\":\"long\",\"default\":1,\"shape\":null}]",
         SB_OK},
        {"not JSON", "[{]", "", SB_E_SYNTAX},
        {"not a list", "{}", "", SB_E_INVALID},
        {"no type", "[{\"name\":\"x\"}]", "", SB_E_INVALID},
        {"unknown type", ONE("decimal"), "", SB_E_UNSUPPORTED},
        {"unknown dtype", TENSOR("complex128", "[-1]"), "", SB_E_UNSUPPORTED},
        {"bad dim", TENSOR("float32", "[-1,-2]"), "", SB_E_INVALID},
        {"too many dims", TENSOR("float32", "[-1,1,1,1,1,1,1,1,1,1]"), "", SB_E_INVALID},
        {"a row too wide", TENSOR("float32", "[-1,65536,65536]"), "", SB_E_LIMIT},
        {"a name twice", "[{\"type\":\"long\",\"name\":\"x\"},{\"type\":\"long\",\"name\":\"x\"}]",
         "", SB_E_INVALID},
        {"named and unnamed", "[{\"type\":\"long\",\"name\":\"x\"},{\"type\":\"long\"}]", "",
         SB_E_INVALID},
        {"tensor and column",
         "[{\"type\":\"long\"},{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"int64\","
         "\"shape\":[-1]}}]",
         "", SB_E_INVALID},
        {"params not a list", "", "{}", SB_E_INVALID},
    };
    for (size_t i = 0; i < SB_COUNT(T); i++) {
        struct sb_signature *s = NULL;
        struct sb_errctx ctx = {0};
        sb_err err = sb_signature_parse(&s, sb_str_of(T[i].inputs), SB_STR(""),
                                        sb_str_of(T[i].params), &ctx);
        if (err != T[i].err) fail_msg("%s: got %s (%s)", T[i].name, sb_err_name(err), ctx.msg);
        if (err && !ctx.msg[0]) fail_msg("%s: no message", T[i].name);
        sb_signature_free(s);
    }
}

static void inputs_are_found_by_name(void **state) {
    (void)state;
    struct sb_signature *s = sb_signature_new();
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        sb_signature_add_input(s, sb_str_of(name), SB_DTYPE_FLOAT64);
    }
    assert_int_equal(sb_signature_seal(s, NULL), SB_OK);
    assert_int_equal(sb_signature_find(s, SB_STR("f0")), 0);
    assert_int_equal(sb_signature_find(s, SB_STR("f299")), 299);
    assert_int_equal(sb_signature_find(s, SB_STR("f300")), -1);
    assert_int_equal(sb_signature_find(s, SB_STR("")), -1);
    sb_signature_free(s);
}

static void examples_reach_their_inputs(void **state) {
    (void)state;
    static const struct {
        const char *name, *inputs, *example, *want;
    } T[] = {
        {"split", IRIS, "{\"columns\":[\"b\",\"a\"],\"data\":[[2,1.50],[3,4]]}", "1.50|2|-|"},
        {"list", "[{\"type\":\"double\"},{\"type\":\"long\"}]", "[[1,2],[3,4]]", "1|2|"},
        {"tensor", TENSOR("float32", "[-1,2]"), "[[1,2],[3,4]]", "[1,2]|"},
        {"named tensors",
         "[{\"type\":\"tensor\",\"name\":\"t\",\"tensor-spec\":{\"dtype\":\"int64\",\"shape\":[-1]}"
         "}]",
         "{\"t\":[5,6]}", "5|"},
        {"broken", IRIS, "{\"columns\":[", "-|-|-|"},
    };
    for (size_t i = 0; i < SB_COUNT(T); i++) {
        struct sb_signature *s = NULL;
        assert_int_equal(
            sb_signature_parse(&s, sb_str_of(T[i].inputs), SB_STR(""), SB_STR(""), NULL), SB_OK);
        sb_signature_set_examples(s, sb_str_of(T[i].example));
        struct sb_buf b;
        sb_buf_init(&b, 1000);
        for (size_t k = 0; k < s->ninputs; k++)
            sb_buf_addf(&b, "%s|", s->inputs[k].example_json ? s->inputs[k].example_json : "-");
        if (strcmp(sb_buf_cstr(&b), T[i].want) != 0)
            fail_msg("%s: got %s", T[i].name, sb_buf_cstr(&b));
        sb_buf_fini(&b);
        sb_signature_free(s);
    }
}

/* ---- the shared handle ---- */

static void count_free(void *self) {
    ++*(int *)self;
}

static void a_model_is_freed_with_its_last_reference(void **state) {
    (void)state;
    static const struct sb_model_ops OPS = {.name = "test", .free = count_free};
    int freed = 0;
    struct sb_model_info info = {.name = sb_strdup("m"), .version = sb_strdup("1")};
    struct sb_model *m = sb_model_new(&OPS, &freed, NULL, &info);
    assert_non_null(m->signature);
    sb_model_unref(sb_model_ref(m));
    assert_int_equal(freed, 0);
    sb_model_unref(m);
    assert_int_equal(freed, 1);
    sb_model_unref(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_follow_the_rules),
        cmocka_unit_test(whole_tensor_rows_have_the_declared_shape),
        cmocka_unit_test(tokens_are_the_requests_own_text),
        cmocka_unit_test(errors_name_the_field_and_row),
        cmocka_unit_test(many_rows_grow_the_columns),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(signatures_are_read_or_refused),
        cmocka_unit_test(inputs_are_found_by_name),
        cmocka_unit_test(examples_reach_their_inputs),
        cmocka_unit_test(a_model_is_freed_with_its_last_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
