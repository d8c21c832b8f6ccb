/* Cells that did not come as JSON: text of tables, and the numbers that text may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "domain/model/batch.h"
#include "domain/model/enforce.h"

static void numbers_as_python_reads_them(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"1", 1},
        {" 1.5\t", 1.5},
        {"+2", 2},
        {"-0.0", -0.0},
        {".5", 0.5},
        {"-.5", -0.5},
        {"5.", 5},
        {"5.e1", 50},
        {"1E-3", 0.001},
        {"007", 7},
        {"00", 0},
        {"000.25", 0.25},
        {"nan", NAN},
        {"-NaN", NAN},
        {"INF", INFINITY},
        {"-infinity", -INFINITY},
        {"1e400", INFINITY},
        {"0.1234567890123456789", 0.1234567890123456789},
    };
    static const char *const bad[] = {"",    " ",    ".",       "-",   "+-1", "--1",
                                      "1_0", "0x10", "1e",      "e1",  "1 2", "1.2.3",
                                      ".e1", "5.x",  "infinit", "1,5", "-.",  "+"};
    for (size_t i = 0; i < SB_COUNT(good); i++) {
        double d = 42;
        if (!sb_text_to_double(sb_str_of(good[i].text), &d)) fail_msg("'%s'", good[i].text);
        bool same = isnan(good[i].value) ? isnan(d) : d == good[i].value;
        if (!same || signbit(d) != signbit(good[i].value)) {
            if (!isnan(d)) fail_msg("'%s': %.17g", good[i].text, d);
        }
    }
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        double d;
        if (sb_text_to_double(sb_str_of(bad[i]), &d)) fail_msg("'%s' is %.17g", bad[i], d);
    }
    char many[1200];
    memset(many, '1', sizeof many);
    double d;
    assert_false(sb_text_to_double(sb_str_make(many, sizeof many), &d)); /* over the limit */
    memset(many, '0', sizeof many);
    assert_true(sb_text_to_double(sb_str_make(many, 1000), &d));
}

static void fields_of_tables(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum sb_dtype t;
        enum sb_json_type type;
        const char *token;
    } rows[] = {
        {"5.10", SB_DTYPE_FLOAT64, SB_JSON_STRING, "5.10"},
        {".5", SB_DTYPE_FLOAT64, SB_JSON_STRING, "\".5\""},
        {"5.10", SB_DTYPE_STRING, SB_JSON_STRING, "\"5.10\""},
        {"wide", SB_DTYPE_INT64, SB_JSON_STRING, "\"wide\""},
        {"TRUE", SB_DTYPE_BOOL, SB_JSON_TRUE, "true"},
        {"false", SB_DTYPE_BOOL, SB_JSON_FALSE, "false"},
        {"1", SB_DTYPE_BOOL, SB_JSON_STRING, "\"1\""},
        {"true", SB_DTYPE_STRING, SB_JSON_STRING, "\"true\""},
        {"a\"b", SB_DTYPE_STRING, SB_JSON_STRING, "\"a\\\"b\""},
    };
    struct sb_arena a;
    sb_arena_init(&a, 1 << 16);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_cell c;
        assert_true(sb_cell_of_text(&c, sb_str_of(rows[i].text), rows[i].t, &a));
        if (c.type != rows[i].type || !sb_str_is(c.token, rows[i].token))
            fail_msg("%s: type %d, token %.*s", rows[i].text, c.type, SB_ARG(c.token));
    }
    sb_arena_fini(&a);
}

/* ---- values into a batch ---- */

struct load {
    struct sb_arena arena;
    struct sb_errctx ctx;
    struct sb_signature *signature;
    struct sb_batch_builder b;
    struct sb_batch batch;
};

static void begin(struct load *l, const char *signature) {
    *l = (struct load){0};
    sb_arena_init(&l->arena, 1 << 20);
    assert_int_equal(
        sb_signature_parse(&l->signature, sb_str_of(signature), SB_STR(""), SB_STR(""), &l->ctx),
        SB_OK);
    assert_int_equal(sb_batch_begin(&l->b, &(struct sb_batch_opts){.signature = l->signature,
                                                                   .arena = &l->arena,
                                                                   .ctx = &l->ctx,
                                                                   .tokens = true,
                                                                   .positions = true}),
                     SB_OK);
}

static void end(struct load *l) {
    sb_signature_free(l->signature);
    sb_arena_fini(&l->arena);
}

static struct sb_cell number(double v) {
    return (struct sb_cell){.type = SB_JSON_NUMBER, .number = v, .numpy = "float64"};
}

static void values_fill_columns_by_position(void **state) {
    (void)state;
    struct load l;
    begin(&l, "[{\"type\":\"double\",\"name\":\"a\"},{\"type\":\"long\",\"name\":\"b\"}]");
    for (size_t row = 0; row < 3; row++)
        for (size_t i = 0; i < 2; i++) {
            struct sb_cell c = number((double)(row * 10 + i));
            ptrdiff_t at = sb_batch_column_at(&l.b, i);
            assert_int_equal(sb_batch_set_value(&l.b, at, row, 0, &c), SB_OK);
        }
    assert_int_equal(sb_batch_finish(&l.b, 3, &l.batch), SB_OK);
    assert_true(l.batch.cols[0].f64[2] == 20);
    assert_int_equal(l.batch.cols[1].i64[2], 21);
    assert_int_equal(l.batch.cols[1].tokens[2].n, 0); /* the column's value says it */
    end(&l);
}

static void a_value_that_would_change_names_both_types(void **state) {
    (void)state;
    struct load l;
    begin(&l, "[{\"type\":\"long\",\"name\":\"b\"}]");
    struct sb_cell c = number(1.5);
    assert_int_equal(sb_batch_set_value(&l.b, 0, 0, 0, &c), SB_E_INVALID);
    assert_non_null(strstr(l.ctx.msg, "column b. Can not safely convert float64 to int64"));
    assert_int_equal(l.b.bad_row, 0);
    end(&l);
}

static void values_of_a_tensor_come_in_order(void **state) {
    (void)state;
    struct load l;
    begin(&l, "[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"float64\",\"shape\":[-1,2,2]},"
              "\"name\":\"g\"}]");
    for (size_t row = 0; row < 2; row++)
        for (size_t at = 0; at < 4; at++) {
            struct sb_cell c = number((double)(row * 4 + at));
            assert_int_equal(sb_batch_set_value(&l.b, 0, row, at, &c), SB_OK);
        }
    assert_int_equal(sb_batch_finish(&l.b, 2, &l.batch), SB_OK);
    for (int i = 0; i < 8; i++) assert_true(l.batch.cols[0].f64[i] == i);
    end(&l);
}

static void an_unknown_column_takes_nothing(void **state) {
    (void)state;
    struct load l;
    begin(&l, "[{\"type\":\"double\",\"name\":\"a\"}]");
    struct sb_cell c = number(1);
    assert_int_equal(sb_batch_set_value(&l.b, SB_BATCH_SKIP, 0, 0, &c), SB_OK);
    assert_int_equal(sb_batch_finish(&l.b, 1, &l.batch), SB_E_INVALID);
    end(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_python_reads_them),
        cmocka_unit_test(fields_of_tables),
        cmocka_unit_test(values_fill_columns_by_position),
        cmocka_unit_test(a_value_that_would_change_names_both_types),
        cmocka_unit_test(values_of_a_tensor_come_in_order),
        cmocka_unit_test(an_unknown_column_takes_nothing),
    };
    return cmocka_run_group_tests_name("enforce", tests, NULL, NULL);
}
