/* engine/forest: the image's container, its loader, and the kernels against the plain evaluator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "engine/forest/forest.h"
#include "engine/forest/ir.h"

enum { IMAGE_MAX = 64 << 20 };

struct shape {
    const char *name;
    uint32_t ntrees, nfeatures, ngroups;
    uint32_t depth; /* most */
    bool strict, f32, wide;
};

static double uniform(struct sb_rng *r) {
    return (double)(sb_rng_next(r) >> 11) / 9007199254740992.0;
}

static const double odd[] = {0.0,  -0.0,      5e-324,    1e-45,  -1e-45,  1e-39,
                             1e39, -1e39,     INFINITY,  3.4e38, -3.4e38, 1.1754943508222875e-38,
                             0.1,  16777217., -INFINITY, 1e-320};

static double some_threshold(struct sb_rng *r) {
    uint64_t k = sb_rng_next(r) % 40;
    return k < SB_COUNT(odd) ? odd[k] : uniform(r) * 4 - 2;
}

/* A random tree; children are numbered in an order of their own, not breadth-first. */
static void grow(struct sb_arena *a, struct sb_rng *r, const struct shape *s, uint32_t width,
                 struct sb_forest_ir_tree *t) {
    uint32_t cap = 1;
    for (uint32_t d = 0; d < s->depth && cap < 4000; d++) cap = 2 * cap + 1;
    struct sb_forest_ir_node *n = sb_arena_zalloc(a, cap * sizeof *n);
    uint32_t *level = sb_arena_zalloc(a, cap * sizeof *level);
    double *v = sb_arena_zalloc(a, (size_t)cap * width * sizeof *v);
    uint32_t count = 1;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < width; k++) v[i * width + k] = uniform(r) * 2 - 1;
        n[i].left = n[i].right = -1;
        if (level[i] >= s->depth || count + 2 > cap || (i && sb_rng_next(r) % 8 == 0)) continue;
        n[i].threshold = some_threshold(r);
        n[i].feature = (uint32_t)(sb_rng_next(r) % s->nfeatures);
        n[i].default_left = sb_rng_next(r) & 1;
        uint32_t swap = (uint32_t)(sb_rng_next(r) & 1);
        n[i].left = (int32_t)(count + swap);
        n[i].right = (int32_t)(count + !swap);
        level[count] = level[count + 1] = level[i] + 1;
        count += 2;
    }
    *t = (struct sb_forest_ir_tree){.nodes = n, .n = count, .values = v};
}

static void make_ir(struct sb_arena *a, struct sb_rng *r, const struct shape *s,
                    struct sb_forest_ir *ir) {
    *ir = (struct sb_forest_ir){.nfeatures = s->nfeatures,
                                .ntrees = s->ntrees,
                                .strict = s->strict,
                                .f32 = s->f32,
                                .ngroups = s->ngroups,
                                .width = s->wide ? s->ngroups : 1};
    ir->trees = sb_arena_zalloc(a, (s->ntrees + 1) * sizeof *ir->trees);
    double *base = sb_arena_zalloc(a, s->ngroups * sizeof *base);
    for (uint32_t g = 0; g < s->ngroups; g++) base[g] = (double)(float)(uniform(r) - 0.5);
    ir->base = base;
    for (uint32_t t = 0; t < s->ntrees; t++) {
        grow(a, r, s, ir->width, &ir->trees[t]);
        ir->trees[t].group = s->wide ? 0 : t % s->ngroups;
    }
}

/* Thresholds, their float neighbours, odd values, NaN. */
static float some_value(struct sb_rng *r, const struct sb_forest_ir *ir) {
    uint64_t k = sb_rng_next(r) % 12;
    if (k == 0) return NAN;
    if (k < 3 || ir->ntrees == 0) return (float)odd[sb_rng_next(r) % SB_COUNT(odd)];
    const struct sb_forest_ir_tree *t = &ir->trees[sb_rng_next(r) % ir->ntrees];
    float at = (float)t->nodes[sb_rng_next(r) % t->n].threshold;
    if (k < 5) return at;
    if (k < 7) return nextafterf(at, INFINITY);
    if (k < 9) return nextafterf(at, -INFINITY);
    return (float)(uniform(r) * 4 - 2);
}

static sb_err open_ir(struct sb_image_writer *w, const struct sb_forest_ir *ir, struct sb_forest *f,
                      struct sb_errctx *ctx) {
    struct sb_str file;
    struct sb_image img;
    sb_image_writer_init(w, IMAGE_MAX);
    SB_TRY(sb_forest_compile(w, ir, ctx));
    SB_TRY(sb_image_finish(w, &file));
    SB_TRY(sb_image_open(&img, file, ctx));
    return sb_forest_open(f, &img, ctx);
}

static void compare(const struct shape *s, const struct sb_forest_ir *ir, struct sb_rng *r,
                    size_t nrows, bool nan_allowed) {
    struct sb_image_writer w;
    struct sb_forest f = {0};
    struct sb_errctx ctx = {0};
    if (open_ir(&w, ir, &f, &ctx) != SB_OK) fail_msg("%s: %s", s->name, ctx.msg);
    float *x = sb_calloc(nrows * s->nfeatures + 1, sizeof *x);
    double *got = sb_calloc(nrows * s->ngroups + 1, sizeof *got);
    double *want = sb_calloc(s->ngroups, sizeof *want);
    for (size_t i = 0; i < nrows * s->nfeatures; i++) {
        x[i] = some_value(r, ir);
        if (isnan(x[i]) && !nan_allowed) x[i] = 1;
    }
    sb_forest_sum(&f, x, nrows, nan_allowed, got);
    for (size_t i = 0; i < nrows; i++) {
        sb_forest_ir_sum(ir, x + i * s->nfeatures, want);
        if (memcmp(want, got + i * s->ngroups, s->ngroups * sizeof *want) != 0)
            fail_msg("%s: row %zu of %zu differs: %a, not %a", s->name, i, nrows,
                     got[i * s->ngroups], want[0]);
    }
    sb_forest_close(&f);
    sb_image_writer_fini(&w);
    sb_free(x);
    sb_free(got);
    sb_free(want);
}

static void kernels_equal_the_plain_evaluator(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {"no trees", 0, 2, 3, 0, true, true, false},
        {"one leaf", 1, 1, 1, 0, false, false, false},
        {"one feature", 5, 1, 1, 6, false, false, false},
        {"seven trees", 7, 3, 1, 5, true, true, false},
        {"eight trees", 8, 3, 1, 5, true, true, false},
        {"nine trees", 9, 3, 1, 5, true, true, false},
        {"three groups", 30, 5, 3, 4, true, true, false},
        {"doubles", 17, 5, 1, 7, false, false, false},
        {"wide leaves", 17, 5, 4, 7, false, false, true},
        {"two classes", 33, 300, 2, 9, false, false, true},
        {"wide float", 10, 4, 5, 5, true, true, true},
        {"deep", 12, 6, 1, 40, false, false, false},
        {"many groups", 40, 4, 400, 3, true, true, false},
    };
    static const size_t rows[] = {1, 2, 7, 8, 9, 15, 16, 127, 128, 129, 300};
    struct sb_rng r;
    sb_rng_seed(&r, 42);
    for (size_t i = 0; i < SB_COUNT(shapes); i++) {
        struct sb_arena a;
        struct sb_forest_ir ir;
        sb_arena_init(&a, SIZE_MAX);
        make_ir(&a, &r, &shapes[i], &ir);
        for (size_t k = 0; k < SB_COUNT(rows); k++) {
            compare(&shapes[i], &ir, &r, rows[k], true);
            compare(&shapes[i], &ir, &r, rows[k], false);
        }
        sb_arena_fini(&a);
    }
}

static void thresholds_decide_like_the_original(void **state) {
    (void)state;
    struct sb_rng r;
    sb_rng_seed(&r, 7);
    for (int strict = 0; strict < 2; strict++) {
        for (size_t i = 0; i < 2000; i++) {
            double t = i < SB_COUNT(odd) ? odd[i] : some_threshold(&r);
            struct sb_forest_ir_node n[3] = {
                {t, 1, 2, 0, false}, {0, -1, -1, 0, 0}, {0, -1, -1, 0, 0}};
            const double v[3] = {0, 1, 2}, base = 0;
            struct sb_forest_ir_tree tree = {.nodes = n, .n = 3, .values = v};
            struct sb_forest_ir ir = {.nfeatures = 1,
                                      .ntrees = 1,
                                      .trees = &tree,
                                      .strict = strict,
                                      .f32 = strict,
                                      .width = 1,
                                      .ngroups = 1,
                                      .base = &base};
            struct shape s = {.name = "stump", .nfeatures = 1, .ngroups = 1};
            compare(&s, &ir, &r, 64, true);
        }
    }
}

/* ---- what the compiler refuses ---- */

static void broken_ensembles_do_not_compile(void **state) {
    (void)state;
    const struct sb_forest_ir_node leaf = {0, -1, -1, 0, false};
    const struct {
        const char *name;
        struct sb_forest_ir_node nodes[3];
        uint32_t n, nfeatures;
        sb_err err;
    } rows[] = {
        {"child out of range", {{0, 1, 9, 0, 0}, leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"only one child", {{0, 1, -1, 0, 0}, leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"its own child", {{0, 0, 1, 0, 0}, leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"a child reached twice", {{0, 1, 1, 0, 0}, leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"a cycle", {{0, 1, 2, 0, 0}, {0, 0, 2, 0, 0}, leaf}, 3, 1, SB_E_CORRUPT},
        {"feature out of range", {{0, 1, 2, 1, 0}, leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"no nodes", {leaf, leaf, leaf}, 0, 1, SB_E_CORRUPT},
        {"no features", {leaf, leaf, leaf}, 1, 0, SB_E_UNSUPPORTED},
        {"nodes nobody reaches are dropped", {leaf, leaf, leaf}, 3, 1, SB_OK},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        const double v[3] = {1, 2, 3}, base = 0;
        struct sb_forest_ir_tree tree = {.nodes = rows[i].nodes, .n = rows[i].n, .values = v};
        struct sb_forest_ir ir = {.nfeatures = rows[i].nfeatures,
                                  .ntrees = 1,
                                  .trees = &tree,
                                  .width = 1,
                                  .ngroups = 1,
                                  .base = &base};
        struct sb_image_writer w;
        struct sb_errctx ctx = {0};
        sb_image_writer_init(&w, IMAGE_MAX);
        sb_err err = sb_forest_compile(&w, &ir, &ctx);
        if (err != rows[i].err) fail_msg("%s: %s", rows[i].name, sb_err_name(err));
        sb_image_writer_fini(&w);
    }
}

static void a_chain_may_be_deep_but_not_endless(void **state) {
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        uint32_t steps = SB_FOREST_DEPTH_MAX + (uint32_t)extra, n = 2 * steps + 1;
        struct sb_forest_ir_node *nodes = sb_calloc(n, sizeof *nodes);
        double *v = sb_calloc(n, sizeof *v), base = 0;
        for (uint32_t i = 0; i < n; i++) {
            bool inner = i % 2 == 0 && i + 2 < n;
            nodes[i].left = inner ? (int32_t)i + 1 : -1;
            nodes[i].right = inner ? (int32_t)i + 2 : -1;
        }
        struct sb_forest_ir_tree tree = {.nodes = nodes, .n = n, .values = v};
        struct sb_forest_ir ir = {
            .nfeatures = 1, .ntrees = 1, .trees = &tree, .width = 1, .ngroups = 1, .base = &base};
        struct sb_image_writer w;
        sb_image_writer_init(&w, IMAGE_MAX);
        assert_int_equal(sb_forest_compile(&w, &ir, NULL), extra ? SB_E_CORRUPT : SB_OK);
        sb_image_writer_fini(&w);
        sb_free(nodes);
        sb_free(v);
    }
}

/* ---- the loader ---- */

static void small_forest(struct sb_arena *a, struct sb_image_writer *w, struct sb_str *file) {
    static const struct shape s = {"small", 3, 2, 2, 3, false, false, true};
    struct sb_rng r;
    struct sb_forest_ir ir;
    sb_rng_seed(&r, 3);
    make_ir(a, &r, &s, &ir);
    sb_image_writer_init(w, IMAGE_MAX);
    assert_int_equal(sb_forest_compile(w, &ir, NULL), SB_OK);
    assert_int_equal(sb_image_finish(w, file), SB_OK);
}

static void every_flipped_bit_is_found(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_image_writer w;
    struct sb_str file;
    sb_arena_init(&a, SIZE_MAX);
    small_forest(&a, &w, &file);
    char *copy = sb_alloc(file.n);
    for (size_t i = 0; i < file.n; i++) {
        struct sb_image img;
        memcpy(copy, file.p, file.n);
        copy[i] = (char)(copy[i] ^ (1 << i % 8));
        /* padding is outside every checksum, and nothing reads it */
        bool padding = false;
        assert_int_equal(sb_image_open(&img, file, NULL), SB_OK);
        if (i >= SB_IMAGE_HEADER + SB_IMAGE_ENTRY * SB_IMAGE_SECTIONS_MAX) {
            padding = true;
            for (int k = 0; k < SB_IMAGE_SECTIONS_MAX; k++) {
                struct sb_str s = img.section[k];
                if (s.p && file.p + i >= s.p && file.p + i < s.p + s.n) padding = false;
            }
        }
        sb_err err = sb_image_open(&img, sb_str_make(copy, file.n), NULL);
        if ((err == SB_OK) != padding) fail_msg("byte %zu: %s", i, sb_err_name(err));
    }
    sb_free(copy);
    sb_image_writer_fini(&w);
    sb_arena_fini(&a);
}

static void every_truncation_is_found(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_image_writer w;
    struct sb_str file;
    sb_arena_init(&a, SIZE_MAX);
    small_forest(&a, &w, &file);
    for (size_t n = 0; n < file.n; n++) {
        struct sb_image img;
        if (sb_image_open(&img, sb_str_make(file.p, n), NULL) == SB_OK) fail_msg("%zu bytes", n);
    }
    sb_image_writer_fini(&w);
    sb_arena_fini(&a);
}

/* The ensemble in tests/golden/model-image-1/forest.img. */
static void golden_ir(struct sb_forest_ir *ir) {
    static const struct sb_forest_ir_node a[] = {{0.1, 2, 1, 1, true},
                                                 {-3, 3, 4, 0, false},
                                                 {0, -1, -1, 0, false},
                                                 {0, -1, -1, 0, false},
                                                 {0, -1, -1, 0, false}},
                                          b[] = {{0, -1, -1, 0, false}};
    static const double values_a[] = {0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0.1, 0.2, 0.3},
                        values_b[] = {0.5, 0.25, 0.125}, base[3] = {0};
    static struct sb_forest_ir_tree trees[] = {{.nodes = a, .n = 5, .values = values_a},
                                               {.nodes = b, .n = 1, .values = values_b}};
    *ir = (struct sb_forest_ir){.nfeatures = 2,
                                .ntrees = 2,
                                .trees = trees,
                                .width = 3,
                                .ngroups = 3,
                                .base = base,
                                .post = SB_FOREST_MEAN};
}

static void image_of_version_1_still_opens(void **state) {
    (void)state;
    static char bytes[8192];
    FILE *file = fopen("tests/golden/model-image-1/forest.img", "rb");
    if (!file) fail_msg("run from the top of the source tree");
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    struct sb_image img;
    struct sb_forest f;
    struct sb_errctx ctx = {0};
    if (sb_image_open(&img, sb_str_make(bytes, n), &ctx) != SB_OK ||
        sb_forest_open(&f, &img, &ctx) != SB_OK)
        fail_msg("%s", ctx.msg);
    const float rows[] = {0, 0.1f, 0, 0.05f, -3, 1, -2, NAN};
    const double want[4][3] = {
        {0.1 + 0.5, 0.2 + 0.25, 0.3 + 0.125}, /* 0.1f is above 0.1 */
        {1.5, 2.25, 3.125},
        {4.5, 5.25, 6.125},
        {1.5, 2.25, 3.125},
    };
    double got[12];
    sb_forest_sum(&f, rows, 4, true, got);
    assert_memory_equal(got, want, sizeof got);
    sb_forest_close(&f);
    /* and this version still writes it */
    struct sb_forest_ir ir;
    struct sb_image_writer w;
    struct sb_str again;
    golden_ir(&ir);
    sb_image_writer_init(&w, IMAGE_MAX);
    assert_int_equal(sb_forest_compile(&w, &ir, NULL), SB_OK);
    assert_int_equal(sb_image_finish(&w, &again), SB_OK);
    assert_int_equal(again.n, n);
    assert_memory_equal(again.p, bytes, n);
    sb_image_writer_fini(&w);
}

/* Changes a field behind the checksums' back: the loader must still not believe it. */
static void lies_under_good_checksums_are_found(void **state) {
    (void)state;
    const struct {
        const char *name;
        enum sb_image_section section;
        size_t offset;
        uint32_t value;
    } rows[] = {
        {"features", SB_IMAGE_FOREST, 0, 0},
        {"more features than bits", SB_IMAGE_FOREST, 0, 1 << 19},
        {"trees", SB_IMAGE_FOREST, 4, 4},
        {"groups", SB_IMAGE_FOREST, 8, 3},
        {"width", SB_IMAGE_FOREST, 12, 7},
        {"bits", SB_IMAGE_FOREST, 16, 32},
        {"fewer bits", SB_IMAGE_FOREST, 16, 1},
        {"type", SB_IMAGE_FOREST, 20, 2},
        {"transform", SB_IMAGE_FOREST, 24, SB_FOREST_POST_COUNT},
        {"root", SB_IMAGE_TREES, 0, 1},
        {"count", SB_IMAGE_TREES, 4, 1 << 30},
        {"no nodes", SB_IMAGE_TREES, 4, 0},
        {"depth", SB_IMAGE_TREES, 8, 1},
        {"group", SB_IMAGE_TREES, 12, 2},
        {"left child of the root", SB_IMAGE_NODES, 4, 3},
        {"root becomes a leaf", SB_IMAGE_NODES, 4, UINT32_C(1) << 31},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_image_writer w;
        struct sb_str file;
        struct sb_image img;
        struct sb_forest f;
        sb_arena_init(&a, SIZE_MAX);
        small_forest(&a, &w, &file);
        assert_int_equal(sb_image_open(&img, file, NULL), SB_OK);
        size_t at = (size_t)(img.section[rows[i].section].p - file.p) + rows[i].offset;
        memcpy(w.out.p + at, &rows[i].value, 4);
        sb_err err = sb_forest_open(&f, &img, NULL);
        if (err != SB_E_CORRUPT) fail_msg("%s: %s", rows[i].name, sb_err_name(err));
        sb_image_writer_fini(&w);
        sb_arena_fini(&a);
    }
}

/* ---- transforms ---- */

static void transforms_are_the_libraries(void **state) {
    (void)state;
    /* hex floats from XGBoost 3.2 (margins) and numpy */
    const struct {
        enum sb_forest_post post;
        double in[3], out[3];
        size_t left;
    } rows[] = {
        {SB_FOREST_IDENTITY, {1, 2, 3}, {1, 2, 3}, 3},
        {SB_FOREST_MEAN, {1, 2, 4}, {0.25, 0.5, 1}, 3},
        {SB_FOREST_SIGMOID, {0, 200, -200}, {0.5, 1, 0x1.8p-128}, 3},
        {SB_FOREST_EXP, {0, 1, 0}, {1, 0x1.5bf0a8p+1, 1}, 3},
        {SB_FOREST_ARGMAX, {1, 3, 3}, {1, 3, 3}, 1},
        {SB_FOREST_HINGE, {0, 0.5, -1}, {0, 1, 0}, 3},
        {SB_FOREST_SOFTMAX, {0, 0, 0}, {0x1.555556p-2, 0x1.555556p-2, 0x1.555556p-2}, 3},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_forest f = {.ngroups = 3, .ntrees = 4, .post = rows[i].post};
        double v[3];
        memcpy(v, rows[i].in, sizeof v);
        assert_int_equal(sb_forest_finish(&f, 1, v), rows[i].left);
        for (size_t k = 0; k < rows[i].left; k++) {
            if (rows[i].post == SB_FOREST_SIGMOID && k == 2)
                assert_true(v[k] > 0 && v[k] < 1e-38); /* clamped, not zero */
            else if (v[k] != rows[i].out[k])
                fail_msg("transform %d: %a, not %a", (int)rows[i].post, v[k], rows[i].out[k]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_equal_the_plain_evaluator),
        cmocka_unit_test(thresholds_decide_like_the_original),
        cmocka_unit_test(broken_ensembles_do_not_compile),
        cmocka_unit_test(a_chain_may_be_deep_but_not_endless),
        cmocka_unit_test(image_of_version_1_still_opens),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_truncation_is_found),
        cmocka_unit_test(lies_under_good_checksums_are_found),
        cmocka_unit_test(transforms_are_the_libraries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
