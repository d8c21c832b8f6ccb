/* engine/columnprog: what each instruction does, what is refused where, and damaged programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/mem.h"
#include "engine/columnprog/ir.h"

enum { SOURCES_MAX = 4, ROWS_MAX = 200 };

/* A program while it is built, then its image, then a run. */
struct fixture {
    struct sb_arena a;
    struct sb_columnprog_ir ir;
    struct sb_image_writer w;
    struct sb_image img;
    struct sb_columnprog p;
    struct sb_columnprog_source sources[SOURCES_MAX];
    struct sb_columnprog_run run;
};

static void begin(struct fixture *f, uint32_t nsources) {
    memset(f, 0, sizeof *f);
    sb_arena_init(&f->a, 16 << 20);
    sb_columnprog_ir_init(&f->ir, &f->a, nsources);
    memset(f->ir.required, 1, nsources);
}

static void finish(struct fixture *f, uint32_t out, uint32_t nout) {
    struct sb_str file;
    struct sb_errctx ctx = {0};
    f->ir.out = out;
    f->ir.nout = nout;
    sb_image_writer_init(&f->w, 16 << 20);
    assert_int_equal(sb_columnprog_write(&f->w, &f->ir, NULL), SB_OK);
    assert_int_equal(sb_image_finish(&f->w, &file), SB_OK);
    assert_int_equal(sb_image_open(&f->img, file, NULL), SB_OK);
    if (sb_columnprog_open(&f->p, &f->img, &ctx) != SB_OK) fail_msg("%s", ctx.msg);
    f->run = (struct sb_columnprog_run){.p = &f->p, .sources = f->sources};
    f->run.work = sb_arena_try_array(&f->a, (size_t)f->p.block * f->p.nregs + 1, sizeof(double));
    f->run.cells =
        sb_arena_try_array(&f->a, (size_t)f->p.block * f->p.ncells + 1, sizeof *f->run.cells);
    assert_non_null(f->run.work);
    assert_non_null(f->run.cells);
}

static void end(struct fixture *f) {
    sb_image_writer_fini(&f->w);
    sb_arena_fini(&f->a);
}

static void add(struct fixture *f, struct sb_columnprog_op op) {
    sb_columnprog_op_add(&f->ir, &op);
}

static uint32_t list(struct fixture *f, uint32_t v) {
    return sb_columnprog_list_add(&f->ir, &v, 1);
}

static uint32_t numbers(struct fixture *f, double a, double b) {
    return sb_columnprog_numbers_add(&f->ir, (const double[]){a, b}, 2);
}

/* Loads source 0 into register 0. */
static void load(struct fixture *f) {
    assert_int_equal(sb_columnprog_regs(&f->ir, 1, 0), 0);
    add(f, (struct sb_columnprog_op){.code = SB_OP_LOAD, .n = 1, .a = list(f, 0)});
}

static struct sb_columnprog_source doubles(const double *v) {
    return (struct sb_columnprog_source){
        .type = SB_COLUMNPROG_FLOAT64, .data = v, .stride = 1, .any_text = false};
}

static struct sb_columnprog_source words(const struct sb_str *v, const uint8_t *null, bool any) {
    return (struct sb_columnprog_source){
        .type = SB_COLUMNPROG_TEXT, .data = v, .stride = 1, .null = null, .any_text = any};
}

/* The only output of row 0 of a run that has to succeed. */
static double one(struct fixture *f) {
    assert_int_equal(sb_columnprog_rows(&f->run, 0, 1), SB_OK);
    return f->run.work[f->p.out];
}

/* ---- arithmetic ---- */

static void numbers_are_scaled_one_operation_at_a_time(void **state) {
    (void)state;
    const struct {
        const char *name;
        enum sb_columnprog_code code;
        double a, b, x, want;
    } rows[] = {
        {"two roundings", SB_OP_STANDARD, 0.1, 0.3, 0.7, (0.7 - 0.1) / 0.3},
        {"NaN stays", SB_OP_STANDARD, 1, 2, NAN, NAN},
        {"times, then plus", SB_OP_MINMAX, 0.1, 0.2, 0.3, 0.3 * 0.1 + 0.2},
        {"times", SB_OP_MULTIPLY, 1 / 3.0, 0, 0.7, 0.7 * (1 / 3.0)},
        {"clipped below", SB_OP_CLIP, -1, 1, -7, -1},
        {"clipped above", SB_OP_CLIP, -1, 1, 7, 1},
        {"inside", SB_OP_CLIP, -1, 1, 0.5, 0.5},
        {"no number is clipped", SB_OP_CLIP, -1, 1, NAN, NAN},
        {"missing is filled", SB_OP_FILL, 5, NAN, NAN, 5},
        {"what is there stays", SB_OP_FILL, 5, NAN, 4, 4},
        {"a number means missing", SB_OP_FILL, 5, -1, -1, 5},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct fixture f;
        begin(&f, 1);
        load(&f);
        uint32_t at = numbers(&f, rows[i].a, rows[i].b);
        uint32_t b = rows[i].code == SB_OP_CLIP || rows[i].code == SB_OP_MULTIPLY ? 0 : at + 1;
        add(&f, (struct sb_columnprog_op){.code = rows[i].code, .n = 1, .a = at, .b = b});
        finish(&f, 0, 1);
        f.sources[0] = doubles(&rows[i].x);
        double got = one(&f);
        if (got != rows[i].want && !(isnan(got) && isnan(rows[i].want)))
            fail_msg("%s: %a", rows[i].name, got);
        end(&f);
    }
}

static void null_among_bools_is_none(void **state) {
    (void)state;
    static const uint8_t bools[] = {1, 0}, null[] = {0, 1};
    for (uint32_t flags = 0; flags <= SB_FILL_NOT_NONE; flags++) {
        struct fixture f;
        begin(&f, 1);
        load(&f);
        sb_columnprog_regs(&f.ir, 1, 0);
        uint32_t at = numbers(&f, 5, NAN);
        add(&f, (struct sb_columnprog_op){.code = SB_OP_MISSING,
                                          .flags = flags,
                                          .dst = 1,
                                          .n = 1,
                                          .a = list(&f, 0),
                                          .b = at + 1});
        add(&f, (struct sb_columnprog_op){
                    .code = SB_OP_FILL, .flags = flags, .n = 1, .a = at, .b = at + 1});
        finish(&f, 0, 2);
        f.sources[0] = (struct sb_columnprog_source){SB_COLUMNPROG_BOOL, bools, 1, null, false};
        assert_int_equal(sb_columnprog_rows(&f.run, 0, 2), SB_OK);
        assert_true(f.run.work[0] == 1 && f.run.work[1] == 0);
        assert_true(flags ? isnan(f.run.work[2]) : f.run.work[2] == 5);
        assert_true(f.run.work[3] == (flags ? 0 : 1));
        end(&f);
    }
}

static void float32_columns_are_rounded_after_each_operation(void **state) {
    (void)state;
    const float x32 = 0.7f;
    const double x64 = (double)x32;
    for (int parameters = 0; parameters < 2; parameters++) {
        struct fixture f;
        begin(&f, 1);
        load(&f);
        uint32_t at = numbers(&f, 0.1, 0.3), source = list(&f, 0);
        add(&f, (struct sb_columnprog_op){.code = SB_OP_STANDARD,
                                          .flags = (uint32_t)parameters,
                                          .n = 1,
                                          .a = at,
                                          .b = at + 1,
                                          .f32 = source,
                                          .nf32 = 1});
        finish(&f, 0, 1);
        f.sources[0] = (struct sb_columnprog_source){SB_COLUMNPROG_FLOAT32, &x32, 1, NULL, false};
        f.run.any_f32 = true;
        float minus = parameters ? x32 - 0.1f : (float)(x64 - 0.1);
        float want = parameters ? minus / 0.3f : (float)((double)minus / 0.3);
        assert_true(one(&f) == (double)want);
        /* the same program on doubles */
        f.sources[0] = doubles(&x64);
        f.run.any_f32 = false;
        assert_true(one(&f) == (x64 - 0.1) / 0.3);
        end(&f);
    }
}

static void rows_do_not_depend_on_their_block(void **state) {
    (void)state;
    static double x[ROWS_MAX];
    struct fixture f;
    begin(&f, 1);
    load(&f);
    uint32_t at = numbers(&f, 0.1, 0.3);
    add(&f, (struct sb_columnprog_op){.code = SB_OP_STANDARD, .n = 1, .a = at, .b = at + 1});
    finish(&f, 0, 1);
    for (size_t i = 0; i < ROWS_MAX; i++) x[i] = (double)i * 0.7;
    f.sources[0] = doubles(x);
    for (size_t first = 0; first < ROWS_MAX; first += f.p.block) {
        size_t n = ROWS_MAX - first < f.p.block ? ROWS_MAX - first : f.p.block;
        assert_int_equal(sb_columnprog_rows(&f.run, first, n), SB_OK);
        for (size_t i = 0; i < n; i++)
            assert_true(f.run.work[i * f.p.nregs] == (x[first + i] - 0.1) / 0.3);
    }
    end(&f);
}

/* ---- categories ---- */

static const struct sb_columnprog_cell red = {.tag = SB_CELL_TEXT, .s = {"red", 3}};
static const struct sb_columnprog_cell blue = {.tag = SB_CELL_TEXT, .s = {"blue", 4}};
static const struct sb_columnprog_cell nan_cell = {.tag = SB_CELL_NUMBER, .d = NAN};
static const struct sb_columnprog_cell none = {.tag = SB_CELL_NONE};

/* An ordinal encoder of source 0 into register 0. */
static void encoder(struct fixture *f, struct sb_columnprog_category *v, uint32_t n, bool objects,
                    enum sb_columnprog_unknown unknown) {
    const struct sb_columnprog_categories c = {.v = v,
                                               .n = n,
                                               .objects = objects,
                                               .integers = !objects,
                                               .unknown = unknown,
                                               .unknown_code = -7};
    begin(f, 1);
    assert_int_equal(sb_columnprog_regs(&f->ir, 1, 0), 0);
    uint32_t at = sb_columnprog_encoder_add(&f->ir, &c);
    add(f, (struct sb_columnprog_op){.code = SB_OP_ENCODE, .flags = 1, .n = 1, .a = at});
    finish(f, 0, 1);
}

static void text_is_found_or_unknown(void **state) {
    (void)state;
    struct sb_columnprog_category v[] = {{red, 1}, {blue, 2}, {red, 9}, {nan_cell, 3}};
    const struct {
        const char *name;
        struct sb_str value;
        bool null, any_text;
        double want;
    } rows[] = {
        {"the first of two alike", SB_STR("red"), false, true, 1},
        {"another", SB_STR("blue"), false, true, 2},
        {"unknown", SB_STR("green"), false, true, -7},
        {"empty", SB_STR(""), false, true, -7},
        {"case counts", SB_STR("Red"), false, true, -7},
        {"null beside text is NaN", SB_STR(""), true, true, 3},
        {"null without any text is None, which is unknown", SB_STR(""), true, false, -7},
    };
    struct fixture f;
    encoder(&f, v, SB_COUNT(v), true, SB_UNKNOWN_CODE);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        uint8_t null = rows[i].null;
        f.sources[0] = words(&rows[i].value, &null, rows[i].any_text);
        if (one(&f) != rows[i].want) fail_msg("%s: %g", rows[i].name, f.run.work[0]);
    }
    end(&f);
}

static void numbers_are_found_by_value(void **state) {
    (void)state;
    struct sb_columnprog_category v[] = {
        {{.d = 5}, 0}, {{.d = -1}, 1}, {{.d = 9007199254740992.0}, 2}};
    struct fixture f;
    encoder(&f, v, SB_COUNT(v), false, SB_UNKNOWN_CODE);
    const struct {
        int64_t x;
        double want;
    } rows[] = {{5, 0}, {-1, 1}, {0, -7}, {INT64_C(1) << 53, 2}, {(INT64_C(1) << 53) + 1, -7}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        f.sources[0] =
            (struct sb_columnprog_source){SB_COLUMNPROG_INT64, &rows[i].x, 1, NULL, false};
        if (one(&f) != rows[i].want) fail_msg("%lld", (long long)rows[i].x);
    }
    const double half = 4.5, five = 5;
    f.sources[0] = doubles(&half);
    assert_true(one(&f) == -7);
    f.sources[0] = doubles(&five);
    assert_true(one(&f) == 0);
    end(&f);
}

static void one_hot_sets_one_column_or_none(void **state) {
    (void)state;
    struct sb_columnprog_category v[] = {{red, 0}, {blue, 1}, {none, -1}};
    const struct sb_columnprog_categories c = {.v = v,
                                               .n = 3,
                                               .onehot = true,
                                               .objects = true,
                                               .unknown = SB_UNKNOWN_NOTHING,
                                               .unknown_code = -1};
    const struct {
        struct sb_str value;
        bool null;
        double want[2];
    } rows[] = {{SB_STR("red"), false, {1, 0}},
                {SB_STR("blue"), false, {0, 1}},
                {SB_STR("dropped"), true, {0, 0}},
                {SB_STR("unknown"), false, {0, 0}}};
    struct fixture f;
    begin(&f, 1);
    sb_columnprog_regs(&f.ir, 2, 0);
    uint32_t at = sb_columnprog_encoder_add(&f.ir, &c);
    add(&f, (struct sb_columnprog_op){.code = SB_OP_ENCODE, .flags = 1, .n = 2, .a = at});
    finish(&f, 0, 2);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        uint8_t null = rows[i].null;
        f.sources[0] = words(&rows[i].value, &null, false);
        (void)one(&f);
        assert_true(f.run.work[0] == rows[i].want[0] && f.run.work[1] == rows[i].want[1]);
    }
    end(&f);
}

/* ---- cells ---- */

static void cells_keep_what_objects_are(void **state) {
    (void)state;
    const struct sb_str text[] = {SB_STR("?"), SB_STR("kept"), SB_STR("")};
    const uint8_t null[] = {0, 0, 1};
    const struct sb_columnprog_cell question = {.tag = SB_CELL_TEXT, .s = {"?", 1}};
    struct sb_columnprog_category v[] = {
        {blue, 1}, {{.tag = SB_CELL_TEXT, .s = {"kept", 4}}, 2}, {nan_cell, 3}};
    const struct sb_columnprog_categories c = {
        .v = v, .n = 3, .objects = true, .unknown = SB_UNKNOWN_REFUSED};
    struct fixture f;
    begin(&f, 1);
    sb_columnprog_cells(&f.ir, 1, 0);
    sb_columnprog_regs(&f.ir, 2, 0);
    add(&f, (struct sb_columnprog_op){.code = SB_OP_CELLS, .n = 1, .a = list(&f, 0)});
    uint32_t what = sb_columnprog_constant_add(&f.ir, &question);
    uint32_t with = sb_columnprog_constant_add(&f.ir, &blue);
    add(&f, (struct sb_columnprog_op){
                .code = SB_OP_MISSING_CELLS, .dst = 1, .n = 1, .a = list(&f, 0), .b = what});
    add(&f, (struct sb_columnprog_op){.code = SB_OP_FILL_CELLS, .n = 1, .a = with, .b = what});
    uint32_t at = sb_columnprog_encoder_add(&f.ir, &c);
    add(&f, (struct sb_columnprog_op){.code = SB_OP_ENCODE, .flags = 2, .n = 1, .a = at});
    finish(&f, 0, 2);
    f.sources[0] = words(text, null, true);
    assert_int_equal(sb_columnprog_rows(&f.run, 0, 3), SB_OK);
    const double want[] = {1, 1, 2, 0, 3, 0};
    assert_memory_equal(f.run.work, want, sizeof want);
    end(&f);
}

static void text_among_numbers_is_refused(void **state) {
    (void)state;
    const struct sb_str text[] = {SB_STR("a"), SB_STR("b")};
    const uint8_t null[] = {1, 0};
    struct fixture f;
    begin(&f, 1);
    sb_columnprog_cells(&f.ir, 1, 0);
    sb_columnprog_regs(&f.ir, 1, 0);
    add(&f, (struct sb_columnprog_op){.code = SB_OP_CELLS, .n = 1, .a = list(&f, 0)});
    add(&f, (struct sb_columnprog_op){.code = SB_OP_NUMBERS, .n = 1, .a = list(&f, 0)});
    finish(&f, 0, 1);
    f.sources[0] = words(text, null, true);
    assert_true(isnan(one(&f)));
    assert_int_equal(sb_columnprog_rows(&f.run, 0, 2), SB_E_INVALID);
    assert_int_equal(f.run.bad_row, 1);
    assert_true(sb_str_is(f.run.value.s, "b"));
    end(&f);
}

/* ---- refusals ---- */

static void what_is_refused_names_row_and_source(void **state) {
    (void)state;
    static const double inf[] = {1, INFINITY}, nan[] = {1, NAN}, fine[] = {1, 2};
    static const uint8_t bools[] = {1, 0}, second[] = {0, 1};
    static const int64_t whole[] = {1, 2};
    static const struct sb_str text[] = {{"1", 1}, {"2", 1}};
    const struct {
        const char *name;
        enum sb_columnprog_code code;
        uint32_t flags;
        enum sb_columnprog_type type;
        const void *data;
        const uint8_t *null;
        size_t row;
        const char *what; /* NULL: accepted */
    } rows[] = {
        {"infinity", SB_OP_LOAD, 0, SB_COLUMNPROG_FLOAT64, inf, NULL, 1, "infinity"},
        {"NaN passes", SB_OP_LOAD, 0, SB_COLUMNPROG_FLOAT64, nan, NULL, 0, NULL},
        {"text", SB_OP_LOAD, 0, SB_COLUMNPROG_TEXT, text, NULL, 0, "a number"},
        {"another type", SB_OP_LOAD, 0, SB_COLUMNPROG_OTHER, text, NULL, 0, "a number"},
        {"null is no number of any type", SB_OP_LOAD, 0, SB_COLUMNPROG_TEXT, text, second, 0,
         "a number"},
        {"bools alone", SB_OP_LOAD, SB_LOAD_NO_BOOLS, SB_COLUMNPROG_BOOL, bools, NULL, 0, "bool"},
        {"bools with holes are objects", SB_OP_LOAD, SB_LOAD_NO_BOOLS, SB_COLUMNPROG_BOOL, bools,
         second, 0, NULL},
        {"infinity where it is taken", SB_OP_LOAD, SB_LOAD_INFINITY, SB_COLUMNPROG_FLOAT64, inf,
         NULL, 0, NULL},
        {"whole numbers", SB_OP_LOAD, SB_LOAD_NO_INTEGERS, SB_COLUMNPROG_INT64, whole, NULL, 0,
         "fraction"},
        {"fractions", SB_OP_LOAD, SB_LOAD_NO_INTEGERS, SB_COLUMNPROG_FLOAT64, fine, NULL, 0, NULL},
        {"NaN where none may be", SB_OP_CHECK, 1, SB_COLUMNPROG_FLOAT64, nan, NULL, 1, "NaN"},
        {"a check without it", SB_OP_CHECK, 0, SB_COLUMNPROG_FLOAT64, nan, NULL, 0, NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct fixture f;
        begin(&f, 1);
        load(&f);
        if (rows[i].code == SB_OP_LOAD)
            ((struct sb_columnprog_op *)f.ir.ops.p)->flags = rows[i].flags;
        else
            add(&f,
                (struct sb_columnprog_op){.code = rows[i].code, .flags = rows[i].flags, .n = 1});
        finish(&f, 0, 1);
        f.sources[0] =
            (struct sb_columnprog_source){rows[i].type, rows[i].data, 1, rows[i].null, false};
        sb_err err = sb_columnprog_rows(&f.run, 0, 2);
        if (err != (rows[i].what ? SB_E_INVALID : SB_OK)) fail_msg("%s", rows[i].name);
        if (err && (f.run.bad_row != rows[i].row || f.run.bad_source != 0 ||
                    !strstr(f.run.what, rows[i].what)))
            fail_msg("%s: row %zu: %s", rows[i].name, f.run.bad_row, f.run.what);
        end(&f);
    }
}

static void an_unknown_category_may_be_refused(void **state) {
    (void)state;
    struct sb_columnprog_category v[] = {{red, 0}};
    const struct sb_str green = SB_STR("green");
    const double number = 1;
    const uint8_t yes = 1;
    struct fixture f;
    encoder(&f, v, 1, true, SB_UNKNOWN_REFUSED);
    f.sources[0] = words(&green, NULL, true);
    assert_int_equal(sb_columnprog_rows(&f.run, 0, 1), SB_E_INVALID);
    assert_string_equal(f.run.what, "unknown category");
    f.sources[0] = doubles(&number); /* an array of numbers against words: numpy fails */
    assert_int_equal(sb_columnprog_rows(&f.run, 0, 1), SB_E_INVALID);
    end(&f);
    /* also where unknown ones are allowed, and for bools too */
    encoder(&f, v, 1, true, SB_UNKNOWN_CODE);
    f.sources[0] = doubles(&number);
    assert_int_equal(sb_columnprog_rows(&f.run, 0, 1), SB_E_INVALID);
    f.sources[0] = (struct sb_columnprog_source){SB_COLUMNPROG_BOOL, &yes, 1, NULL, false};
    assert_int_equal(sb_columnprog_rows(&f.run, 0, 1), SB_E_INVALID);
    end(&f);
}

/* ---- damage ---- */

/* A program with every kind of table: two sources, cells, an encoder, constants. */
static void everything(struct fixture *f) {
    struct sb_columnprog_category v[] = {
        {red, 0}, {blue, 1}, {nan_cell, -1}, {{.d = 4}, 1}, {{.d = 2}, 0}};
    const struct sb_columnprog_categories c = {.v = v,
                                               .n = 5,
                                               .onehot = true,
                                               .objects = true,
                                               .unknown = SB_UNKNOWN_NOTHING,
                                               .unknown_code = -1};
    begin(f, 2);
    load(f);
    sb_columnprog_regs(&f->ir, 3, 1);
    sb_columnprog_cells(&f->ir, 2, 1);
    uint32_t at = numbers(f, 0.5, 2), source = list(f, 0);
    add(f, (struct sb_columnprog_op){
               .code = SB_OP_STANDARD, .n = 1, .a = at, .b = at + 1, .f32 = source, .nf32 = 1});
    add(f, (struct sb_columnprog_op){.code = SB_OP_CELLS, .n = 1, .a = list(f, 1)});
    add(f, (struct sb_columnprog_op){.code = SB_OP_COPY_CELLS, .dst = 1, .n = 1, .a = list(f, 0)});
    uint32_t what = sb_columnprog_constant_add(&f->ir, &red);
    uint32_t with = sb_columnprog_constant_add(&f->ir, &blue);
    add(f, (struct sb_columnprog_op){
               .code = SB_OP_FILL_CELLS, .dst = 1, .n = 1, .a = with, .b = what});
    add(f, (struct sb_columnprog_op){
               .code = SB_OP_MISSING_CELLS, .dst = 3, .n = 1, .a = list(f, 0), .b = what});
    uint32_t e = sb_columnprog_encoder_add(&f->ir, &c);
    add(f, (struct sb_columnprog_op){
               .code = SB_OP_ENCODE, .flags = 2, .dst = 1, .n = 2, .a = e, .b = 1});
    finish(f, 0, 4);
}

/* No word of the section can be replaced by one that makes the run leave its tables: whatever still
 * opens must run. (The sanitizers see the rest.) */
static void a_damaged_program_does_not_open_or_runs(void **state) {
    (void)state;
    static const uint32_t evil[] = {0, 1, 2, 3, 7, 0x7fffffff, 0x80000000, UINT32_MAX};
    static const double x[] = {1, 2};
    static const struct sb_str text[] = {{"red", 3}, {"x", 1}};
    struct fixture f;
    everything(&f);
    struct sb_str whole = f.img.section[SB_IMAGE_PROGRAM];
    char *copy = sb_arena_zalloc(&f.a, whole.n);
    struct sb_image img = {0};
    size_t refused = 0;
    img.section[SB_IMAGE_PROGRAM] = sb_str_make(copy, whole.n);
    for (size_t at = 0; at + 4 <= whole.n; at += 4) {
        for (size_t k = 0; k < SB_COUNT(evil); k++) {
            struct sb_columnprog p;
            memcpy(copy, whole.p, whole.n);
            memcpy(copy + at, &evil[k], 4);
            if (sb_columnprog_open(&p, &img, NULL) != SB_OK) {
                refused++;
                continue;
            }
            struct sb_columnprog_source sources[8];
            for (uint32_t i = 0; i < SB_COUNT(sources); i++)
                sources[i] = i == 1 ? words(text, NULL, true) : doubles(x);
            struct sb_columnprog_run run = {.p = &p, .sources = sources};
            assert_true(p.nsources <= SB_COUNT(sources));
            run.work = sb_calloc((size_t)p.nregs + 1, sizeof *run.work);
            run.cells = sb_calloc((size_t)p.ncells + 1, sizeof *run.cells);
            sb_err ran = sb_columnprog_rows(&run, 0, 1);
            assert_true(ran == SB_OK || ran == SB_E_INVALID);
            sb_free(run.work);
            sb_free(run.cells);
        }
    }
    assert_true(refused > whole.n / 4); /* more than one in eight */
    for (size_t n = 0; n < whole.n; n++) {
        struct sb_columnprog p;
        img.section[SB_IMAGE_PROGRAM] = sb_str_make(whole.p, n);
        assert_int_equal(sb_columnprog_open(&p, &img, NULL), SB_E_CORRUPT);
    }
    end(&f);
}

static void an_image_without_a_program_has_none(void **state) {
    (void)state;
    struct sb_image img = {0};
    struct sb_columnprog p;
    assert_int_equal(sb_columnprog_open(&p, &img, NULL), SB_OK);
    assert_int_equal(p.nops, 0);
}

static void too_large_programs_are_not_written(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_columnprog_ir ir;
    struct sb_image_writer w;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 1 << 16);
    sb_image_writer_init(&w, 1 << 20);
    sb_columnprog_ir_init(&ir, &a, 1);
    for (int i = 0; i < 100000; i++) (void)sb_columnprog_numbers_add(&ir, (double[]){1}, 1);
    assert_int_equal(sb_columnprog_write(&w, &ir, &ctx), SB_E_LIMIT);
    sb_image_writer_fini(&w);
    sb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_scaled_one_operation_at_a_time),
        cmocka_unit_test(null_among_bools_is_none),
        cmocka_unit_test(float32_columns_are_rounded_after_each_operation),
        cmocka_unit_test(rows_do_not_depend_on_their_block),
        cmocka_unit_test(text_is_found_or_unknown),
        cmocka_unit_test(numbers_are_found_by_value),
        cmocka_unit_test(one_hot_sets_one_column_or_none),
        cmocka_unit_test(cells_keep_what_objects_are),
        cmocka_unit_test(text_among_numbers_is_refused),
        cmocka_unit_test(what_is_refused_names_row_and_source),
        cmocka_unit_test(an_unknown_category_may_be_refused),
        cmocka_unit_test(a_damaged_program_does_not_open_or_runs),
        cmocka_unit_test(an_image_without_a_program_has_none),
        cmocka_unit_test(too_large_programs_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
