/* engine/forest: the image's container, its loader, and the kernels against the plain evaluator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "engine/forest/fixture_test.h"
#include "engine/forest/forest.h"

enum { IMAGE_MAX = 64 << 20 };

struct shape {
    const char *name;
    uint32_t ntrees, nfeatures, ngroups;
    uint32_t depth; /* most */
    enum sb_forest_compare compare;
    bool f32, vectors; /* vectors: leaves of ngroups values */
    uint32_t nsets;    /* 0: no categories */
};

#define LEAF                                                                                       \
    { .left = -1, .right = -1 }
/* An inner node on feature f. */
#define SPLIT(t, l, r, f)                                                                          \
    { .threshold = (t), .left = (l), .right = (r), .feature = (f) }

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
        if (s->nsets && sb_rng_next(r) % 3 == 0) {
            n[i].test = sb_rng_next(r) & 1 ? SB_FOREST_SET_LEFT : SB_FOREST_SET_RIGHT;
            n[i].set = (uint32_t)(sb_rng_next(r) % s->nsets);
        }
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
                                .compare = s->compare,
                                .f32 = s->f32,
                                .ngroups = s->ngroups,
                                .width = s->vectors ? s->ngroups : 1};
    ir->trees = sb_arena_zalloc(a, (s->ntrees + 1) * sizeof *ir->trees);
    make_base(a, r, ir);
    make_sets(a, r, s->nsets, 3, ir);
    for (uint32_t t = 0; t < s->ntrees; t++) {
        grow(a, r, s, ir->width, &ir->trees[t]);
        ir->trees[t].group = s->vectors ? 0 : t % s->ngroups;
    }
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
    const size_t n = nrows * s->nfeatures;
    float *x = sb_calloc(n + 1, sizeof *x);
    double *wide = sb_calloc(n + 1, sizeof *wide);
    double *got = sb_calloc(nrows * s->ngroups + 1, sizeof *got);
    double *want = sb_calloc(s->ngroups, sizeof *want);
    for (size_t i = 0; i < n; i++) {
        wide[i] = some_value(r, ir);
        if (isnan(wide[i]) && !nan_allowed) wide[i] = 1;
        x[i] = (float)wide[i];
        if (ir->compare != SB_FOREST_LE64) wide[i] = (double)x[i];
    }
    assert_int_equal(f.wide, sb_forest_ir_wide(ir));
    sb_forest_sum(&f, f.wide ? (void *)wide : (void *)x, nrows, nan_allowed, got);
    for (size_t i = 0; i < nrows; i++) {
        size_t at = i * s->nfeatures;
        sb_forest_ir_sum(ir, f.wide ? (void *)(wide + at) : (void *)(x + at), want);
        if (memcmp(want, got + i * s->ngroups, s->ngroups * sizeof *want) != 0)
            fail_msg("%s: row %zu of %zu differs: %a, not %a", s->name, i, nrows,
                     got[i * s->ngroups], want[0]);
    }
    sb_forest_close(&f);
    sb_image_writer_fini(&w);
    sb_free(x);
    sb_free(wide);
    sb_free(got);
    sb_free(want);
}

#define SKL SB_FOREST_LE32
#define XGB SB_FOREST_LT32
#define LGB SB_FOREST_LE64

static void kernels_equal_the_plain_evaluator(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {"no trees", 0, 2, 3, 0, XGB, true, false, 0},
        {"one leaf", 1, 1, 1, 0, SKL, false, false, 0},
        {"one feature", 5, 1, 1, 6, SKL, false, false, 0},
        {"seven trees", 7, 3, 1, 5, XGB, true, false, 0},
        {"eight trees", 8, 3, 1, 5, XGB, true, false, 0},
        {"nine trees", 9, 3, 1, 5, XGB, true, false, 0},
        {"three groups", 30, 5, 3, 4, XGB, true, false, 0},
        {"doubles", 17, 5, 1, 7, SKL, false, false, 0},
        {"wide leaves", 17, 5, 4, 7, SKL, false, true, 0},
        {"two classes", 33, 300, 2, 9, SKL, false, true, 0},
        {"wide float", 10, 4, 5, 5, XGB, true, true, 0},
        {"deep", 12, 6, 1, 40, SKL, false, false, 0},
        {"many groups", 40, 4, 400, 3, XGB, true, false, 0},
        {"double thresholds", 21, 5, 1, 8, LGB, false, false, 0},
        {"double thresholds, one leaf", 3, 5, 1, 0, LGB, false, false, 0},
        {"double thresholds, groups", 21, 5, 3, 8, LGB, false, false, 0},
        {"double thresholds, wide leaves", 9, 5, 3, 30, LGB, false, true, 0},
        {"categories", 21, 5, 1, 8, LGB, false, false, 9},
        {"float categories", 21, 5, 2, 8, XGB, true, false, 9},
        {"float categories, wide leaves", 21, 5, 2, 8, XGB, true, true, 3},
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
    for (int how = SB_FOREST_LE32; how <= SB_FOREST_LE64; how++) {
        for (size_t i = 0; i < 2000; i++) {
            double t = i < SB_COUNT(odd) ? odd[i] : some_threshold(&r);
            struct sb_forest_ir_node n[3] = {{.threshold = t, .left = 1, .right = 2}, LEAF, LEAF};
            const double v[3] = {0, 1, 2}, base = 0;
            struct sb_forest_ir_tree tree = {.nodes = n, .n = 3, .values = v};
            struct sb_forest_ir ir = {.nfeatures = 1,
                                      .ntrees = 1,
                                      .trees = &tree,
                                      .compare = (enum sb_forest_compare)how,
                                      .f32 = how == SB_FOREST_LT32,
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
    const struct sb_forest_ir_node leaf = LEAF;
    const struct {
        const char *name;
        struct sb_forest_ir_node nodes[3];
        uint32_t n, nfeatures;
        sb_err err;
    } rows[] = {
        {"child out of range", {SPLIT(0, 1, 9, 0), leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"only one child", {SPLIT(0, 1, -1, 0), leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"its own child", {SPLIT(0, 0, 1, 0), leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"a child reached twice", {SPLIT(0, 1, 1, 0), leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"a cycle", {SPLIT(0, 1, 2, 0), SPLIT(0, 0, 2, 0), leaf}, 3, 1, SB_E_CORRUPT},
        {"feature out of range", {SPLIT(0, 1, 2, 1), leaf, leaf}, 3, 1, SB_E_CORRUPT},
        {"no such set",
         {{.set = 0, .left = 1, .right = 2, .test = SB_FOREST_SET_LEFT}, leaf, leaf},
         3,
         1,
         SB_E_CORRUPT},
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
    static const struct shape s = {"small", 3, 2, 2, 3, SB_FOREST_LE32, false, true, 0};
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
    static const struct sb_forest_ir_node a[] =
        {{.threshold = 0.1, .left = 2, .right = 1, .feature = 1, .default_left = true},
         SPLIT(-3, 3, 4, 0),
         LEAF,
         LEAF,
         LEAF},
                                          b[] = {LEAF};
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

/* And in tests/golden/model-image-2: everything that version 2 added. */
static void golden_ir_2(struct sb_forest_ir *ir) {
    static const struct sb_forest_ir_node a[] = {
        {.threshold = 0.1, .left = 1, .right = 2, .feature = 1, .default_left = true},
        {.set = 1, .left = 3, .right = 4, .test = SB_FOREST_SET_RIGHT},
        LEAF,
        LEAF,
        LEAF};
    static const double values[] = {0, 0, 1, 2, 4}, base[1] = {0.5};
    static const uint32_t few[] = {1U << 3}, many[] = {1U << 0 | 1U << 31, 1U << 1};
    static struct sb_forest_ir_set sets[] = {{few, 1}, {many, 2}};
    static const uint8_t rules[2] = {SB_FOREST_FRACTION_IS_0, SB_FOREST_ZERO_MISSING};
    static struct sb_forest_ir_tree tree = {.nodes = a, .n = 5, .values = values};
    *ir = (struct sb_forest_ir){
        .nfeatures = 2,
        .ntrees = 1,
        .trees = &tree,
        .sets = sets,
        .nsets = 2,
        .compare = SB_FOREST_LE64,
        .width = 1,
        .ngroups = 1,
        .base = base,
        .divisor = 2,
        .post = SB_FOREST_LOGISTIC64,
        .post_param = {0.5},
        .input = {.tiny_is_zero = true, .has_missing = true, .missing = -1, .rules = rules}};
}

static void open_golden(struct sb_forest *f, const char *path, struct sb_str *file) {
    static char bytes[8192];
    FILE *in = fopen(path, "rb");
    if (!in) fail_msg("run from the top of the source tree");
    size_t n = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    struct sb_image img;
    struct sb_errctx ctx = {0};
    *file = sb_str_make(bytes, n);
    if (sb_image_open(&img, *file, &ctx) != SB_OK || sb_forest_open(f, &img, &ctx) != SB_OK)
        fail_msg("%s: %s", path, ctx.msg);
}

static void image_of_version_1_still_opens(void **state) {
    (void)state;
    struct sb_forest f;
    struct sb_str file;
    open_golden(&f, "tests/golden/model-image-1/forest.img", &file);
    const float rows[] = {0, 0.1f, 0, 0.05f, -3, 1, -2, NAN};
    const double want[4][3] = {
        {0.1 + 0.5, 0.2 + 0.25, 0.3 + 0.125}, /* 0.1f is above 0.1 */
        {1.5, 2.25, 3.125},
        {4.5, 5.25, 6.125},
        {1.5, 2.25, 3.125},
    };
    double got[12];
    struct sb_forest_ir ir;
    golden_ir(&ir);
    sb_forest_sum(&f, rows, 4, true, got);
    assert_memory_equal(got, want, sizeof got);
    for (int i = 0; i < 4; i++) {
        sb_forest_ir_sum(&ir, rows + 2 * i, got);
        assert_memory_equal(got, want[i], sizeof want[i]);
    }
    /* the mean over two trees */
    double half[3] = {1, 2, 5};
    assert_int_equal(sb_forest_finish(&f, 1, half), 3);
    assert_true(half[0] == 0.5 && half[1] == 1 && half[2] == 2.5);
    sb_forest_close(&f);
}

static void image_of_version_2_opens_and_is_still_written(void **state) {
    (void)state;
    struct sb_forest f;
    struct sb_forest_ir ir;
    struct sb_image_writer w;
    struct sb_str file, again;
    golden_ir_2(&ir);
    sb_image_writer_init(&w, IMAGE_MAX);
    assert_int_equal(sb_forest_compile(&w, &ir, NULL), SB_OK);
    assert_int_equal(sb_image_finish(&w, &again), SB_OK);
    open_golden(&f, "tests/golden/model-image-2/forest.img", &file);
    /* categories 0, 31 and 33 go right, to 4; feature 1 above 0.1 to 1; -1 and 0 are missing */
    double rows[] = {0, 0.05, -0.5, 0.05, 33.9, 0.1, 32, -3, 64, 0, 7, 0.2, -1, -1};
    const double want[] = {4.5, 4.5, 4.5, 2.5, 2.5, 1.5, 4.5};
    double got[7];
    assert_true(sb_forest_prepare(&f, rows, 7));
    assert_true(isnan(rows[9]) && isnan(rows[12]) && rows[2] == 0);
    sb_forest_sum(&f, rows, 7, true, got);
    assert_memory_equal(got, want, sizeof got);
    assert_int_equal(sb_forest_finish(&f, 7, got), 1);
    assert_true(got[0] == 1 / (1 + exp(-0.5 * (4.5 / 2))));
    sb_forest_close(&f);
    assert_int_equal(again.n, file.n);
    assert_memory_equal(again.p, file.p, file.n);
    sb_image_writer_fini(&w);
}

static void wide_forest(struct sb_arena *a, struct sb_image_writer *w, struct sb_str *file) {
    struct sb_forest_ir ir;
    (void)a;
    golden_ir_2(&ir);
    sb_image_writer_init(w, IMAGE_MAX);
    assert_int_equal(sb_forest_compile(w, &ir, NULL), SB_OK);
    assert_int_equal(sb_image_finish(w, file), SB_OK);
}

/* Changes a field behind the checksums' back: the loader must still not believe it. */
static void
expect_lie_found(void (*make)(struct sb_arena *, struct sb_image_writer *, struct sb_str *),
                 const char *name, enum sb_image_section section, size_t offset, uint32_t value) {
    struct sb_arena a;
    struct sb_image_writer w;
    struct sb_str file;
    struct sb_image img;
    struct sb_forest f;
    sb_arena_init(&a, SIZE_MAX);
    make(&a, &w, &file);
    assert_int_equal(sb_image_open(&img, file, NULL), SB_OK);
    size_t at = (size_t)(img.section[section].p - file.p) + offset;
    memcpy(w.out.p + at, &value, 4);
    sb_err err = sb_forest_open(&f, &img, NULL);
    if (err != SB_E_CORRUPT) fail_msg("%s: %s", name, sb_err_name(err));
    sb_image_writer_fini(&w);
    sb_arena_fini(&a);
}

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
        {"flags", SB_IMAGE_FOREST, 28, 16},
        {"no divisor", SB_IMAGE_FOREST, 32 + 16 + 4, 0},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        expect_lie_found(small_forest, rows[i].name, rows[i].section, rows[i].offset,
                         rows[i].value);
}

static void lies_in_wide_nodes_are_found(void **state) {
    (void)state;
    const struct {
        const char *name;
        enum sb_image_section section;
        size_t offset;
        uint32_t value;
    } rows[] = {
        {"narrow", SB_IMAGE_FOREST, 28, 0},
        {"feature", SB_IMAGE_NODES, 8, 2},
        {"unknown flag", SB_IMAGE_NODES, 8, UINT32_C(1) << 28},
        {"a threshold of others", SB_IMAGE_NODES, 8, SB_FOREST_WIDE_OTHERS},
        {"set behind the end", SB_IMAGE_NODES, 16, 4},
        {"set over the end", SB_IMAGE_NODES, 20, 3},
        {"huge set", SB_IMAGE_NODES, 20, UINT32_MAX},
        {"left child", SB_IMAGE_NODES, 12, 3},
        {"leaf that is not one", SB_IMAGE_NODES, 32 + 8, 0},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        expect_lie_found(wide_forest, rows[i].name, rows[i].section, rows[i].offset, rows[i].value);
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
        {SB_FOREST_SIGMOID, {0, 200, -200}, {0.5, 1, 0x1.8p-128}, 3},
        {SB_FOREST_EXP, {0, 1, 0}, {1, 0x1.5bf0a8p+1, 1}, 3},
        {SB_FOREST_ARGMAX, {1, 3, 3}, {1, 3, 3}, 1},
        {SB_FOREST_HINGE, {0, 0.5, -1}, {0, 1, 0}, 3},
        {SB_FOREST_SOFTMAX, {0, 0, 0}, {0x1.555556p-2, 0x1.555556p-2, 0x1.555556p-2}, 3},
        {SB_FOREST_LOGISTIC64, {0, 1e3, -1e3}, {0.5, 1, 0}, 3},
        {SB_FOREST_EXP64, {0, -1e3, 1e3}, {1, 0, INFINITY}, 3},
        {SB_FOREST_SOFTMAX64, {1, 1, -1e3}, {0.5, 0.5, 0}, 3},
        {SB_FOREST_SOFTMAX_PAIR, {-1e3, 1, 1}, {0, 0.5, 0.5}, 3},
        {SB_FOREST_ISOLATION, {0, 2, 1e3}, {0, 1, 1}, 3}, /* a = 2, b = -0.5 */
        {SB_FOREST_SIGN_SQUARE, {-3, 0, 2}, {-9, 0, 4}, 3},
        {SB_FOREST_LOG1P_EXP, {-1e3, 0, 1}, {0, 0x1.62e42fefa39efp-1, 0x1.5031eafefb049p+0}, 3},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_forest f = {
            .ngroups = 3, .ntrees = 4, .divisor = 1, .post_param = {2, -0.5}, .post = rows[i].post};
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

static void sums_are_in_numpys_order(void **state) {
    (void)state;
    /* hex floats from numpy 2.4: np.sum(1 / np.arange(1, n + 1)) */
    const struct {
        size_t n;
        double sum;
    } rows[] = {{0, 0},
                {1, 0x1.0000000000000p+0},
                {7, 0x1.4be2be2be2be2p+1},
                {8, 0x1.5be2be2be2be2p+1},
                {9, 0x1.6a1ba1ba1ba1bp+1},
                {17, 0x1.b84341cecee4cp+1},
                {128, 0x1.5bb8ae9541ca7p+2},
                {129, 0x1.5c37b09149ba9p+2},
                {300, 0x1.92172a3e6965ap+2}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        double v[300];
        for (size_t k = 0; k < rows[i].n; k++) v[k] = 1.0 / (double)(k + 1);
        double got = sb_forest_numpy_sum(v, rows[i].n);
        if (got != rows[i].sum) fail_msg("%zu: %a, not %a", rows[i].n, got, rows[i].sum);
    }
}

/* What each rule makes of a value, for rows of float and of double. */
static void inputs_are_prepared_as_the_libraries_do(void **state) {
    (void)state;
    const uint8_t zero[1] = {SB_FOREST_ZERO_MISSING}, fraction[1] = {SB_FOREST_FRACTION_IS_0};
    const struct {
        const char *name;
        struct sb_forest_input in;
        double x, want; /* NAN: becomes missing */
    } rows[] = {
        {"no rule", {0}, 1e-36, 1e-36},
        {"tiny", {.tiny_is_zero = true}, 1e-36, 0},
        {"tiny and negative", {.tiny_is_zero = true}, -1e-36, 0},
        {"as large as tiny gets", {.tiny_is_zero = true}, (double)1e-35f, 0},
        {"not tiny", {.tiny_is_zero = true}, 1.0001e-35, 1.0001e-35},
        {"NaN is not tiny", {.tiny_is_zero = true}, NAN, NAN},
        {"zero is missing", {.rules = zero}, -0.0, NAN},
        {"tiny is missing", {.rules = zero}, 1e-36, NAN},
        {"one is not", {.rules = zero}, 1, 1},
        {"a value that is missing", {.has_missing = true, .missing = -999}, -999, NAN},
        {"another value", {.has_missing = true, .missing = -999}, 999, 999},
        {"a fraction", {.rules = fraction}, -0.5, 0},
        {"a category", {.rules = fraction}, 3.5, 3.5},
        {"no category", {.rules = fraction}, -1, -1},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_forest f = {.nfeatures = 1, .wide = true, .input = rows[i].in};
        double x = rows[i].x;
        float narrow = (float)x;
        bool made = isnan(rows[i].want) && !isnan(rows[i].x);
        if (sb_forest_prepare(&f, &x, 1) != made || memcmp(&x, &rows[i].want, sizeof x) != 0)
            if (!(isnan(x) && isnan(rows[i].want))) fail_msg("%s: %a", rows[i].name, x);
        f.wide = false;
        assert_int_equal(sb_forest_prepare(&f, &narrow, 1), made);
        if (narrow != (float)rows[i].want && !(isnan(narrow) && isnan(rows[i].want)))
            fail_msg("%s: float %a", rows[i].name, (double)narrow);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_equal_the_plain_evaluator),
        cmocka_unit_test(thresholds_decide_like_the_original),
        cmocka_unit_test(broken_ensembles_do_not_compile),
        cmocka_unit_test(a_chain_may_be_deep_but_not_endless),
        cmocka_unit_test(image_of_version_1_still_opens),
        cmocka_unit_test(image_of_version_2_opens_and_is_still_written),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_truncation_is_found),
        cmocka_unit_test(lies_under_good_checksums_are_found),
        cmocka_unit_test(lies_in_wide_nodes_are_found),
        cmocka_unit_test(transforms_are_the_libraries),
        cmocka_unit_test(sums_are_in_numpys_order),
        cmocka_unit_test(inputs_are_prepared_as_the_libraries_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
