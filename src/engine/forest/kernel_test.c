/* engine/forest: every kernel, with every set of instructions that this machine has, against the
 * plain evaluator, bit for bit; and the choice between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/forest/fixture_test.h"
#include "engine/forest/kernel_int.h"

enum { IMAGE_MAX = 256 << 20, ROWS = 577, MANY_TREES = 150 };

static const size_t row_counts[] = {1,   7,   8,   9,   15,  16,  17,  63,  64,  65,  128,
                                    129, 191, 192, 255, 256, 257, 511, 512, 513, ROWS},
                    few_counts[] = {1, 65, 513}; /* of forests that take long */

struct shape {
    const char *name;
    uint32_t ntrees, leaves, depth; /* most of a tree; the first tree has just that many leaves */
    uint32_t nfeatures;
    uint32_t distinct; /* thresholds per feature; 0: any number */
    uint32_t ngroups;
    bool vectors; /* leaves of ngroups values */
    enum sb_forest_compare compare;
    bool f32;
    uint32_t nsets;
    unsigned fits; /* kernels that must take it (with AVX-512, where they need instructions) */
};

enum {
    P = 1 << SB_FOREST_PLAIN,
    C = 1 << SB_FOREST_CODED,
    L = 1 << SB_FOREST_LANES,
    B = 1 << SB_FOREST_BITS,
};

/* Number i of a feature's thresholds. Different thresholds stay so as floats, but for some odd
 * ones, which are left out when the number counts. */
static double threshold(const struct shape *s, struct sb_rng *r, uint32_t feature) {
    if (s->distinct) {
        uint32_t i = (uint32_t)(sb_rng_next(r) % s->distinct);
        return (i * 37 % 1021 - 500.0) * 0.125 + feature;
    }
    uint64_t k = sb_rng_next(r) % 60;
    if (k == SB_COUNT(odd)) return NAN;
    return k < SB_COUNT(odd) ? odd[k] : (double)(sb_rng_next(r) % 160) / 40 - 2;
}

static void split(const struct shape *s, struct sb_rng *r, struct sb_forest_ir_node *n,
                  uint32_t next) {
    uint32_t swap = (uint32_t)(sb_rng_next(r) & 1);
    n->feature = (uint32_t)(sb_rng_next(r) % s->nfeatures);
    n->threshold = threshold(s, r, n->feature);
    n->default_left = sb_rng_next(r) & 1;
    if (s->nsets && sb_rng_next(r) % 3 == 0) {
        n->test = sb_rng_next(r) & 1 ? SB_FOREST_SET_LEFT : SB_FOREST_SET_RIGHT;
        n->set = (uint32_t)(sb_rng_next(r) % s->nsets);
    }
    n->left = (int32_t)(next + swap);
    n->right = (int32_t)(next + !swap);
}

/* Splits leaves picked at random (or the newest: a chain) until there are enough. */
static void grow(struct sb_arena *a, struct sb_rng *r, const struct shape *s, uint32_t leaves,
                 uint32_t width, struct sb_forest_ir_tree *t) {
    uint32_t cap = 2 * leaves - 1, count = 1;
    bool chain = sb_rng_next(r) % 5 == 0;
    struct sb_forest_ir_node *n = sb_arena_zalloc(a, cap * sizeof *n);
    uint32_t *level = sb_arena_zalloc(a, cap * sizeof *level);
    double *v = sb_arena_zalloc(a, (size_t)cap * width * sizeof *v);
    n[0].left = n[0].right = -1;
    for (uint32_t tries = 0; count < cap && tries < 64 * leaves; tries++) {
        uint32_t i = chain && tries < 4 * leaves ? count - 1 - (uint32_t)(sb_rng_next(r) % 2)
                                                 : (uint32_t)(sb_rng_next(r) % count);
        if (i >= count || n[i].left >= 0 || level[i] >= s->depth) continue;
        split(s, r, &n[i], count);
        for (uint32_t c = count; c < count + 2; c++) {
            n[c].left = n[c].right = -1;
            level[c] = level[i] + 1;
        }
        count += 2;
    }
    for (uint32_t i = 0; i < count * width; i++) v[i] = uniform(r) * 2 - 1;
    *t = (struct sb_forest_ir_tree){.nodes = n, .n = count, .values = v};
}

/* The first trees use every threshold of every feature, so that `distinct` is exact. */
static void use_all(struct sb_arena *a, const struct shape *s, struct sb_forest_ir *ir) {
    static const struct sb_forest_ir_node leaf = {.left = -1, .right = -1};
    uint32_t t = 0;
    for (uint32_t f = 0; f < s->nfeatures; f++)
        for (uint32_t i = 0; i < s->distinct && t < s->ntrees; i++, t++) {
            struct sb_forest_ir_node *n = sb_arena_zalloc(a, 3 * sizeof *n);
            n[0] = (struct sb_forest_ir_node){.threshold = (i * 37 % 1021 - 500.0) * 0.125 + f,
                                              .left = 1,
                                              .right = 2,
                                              .feature = f};
            n[1] = n[2] = leaf;
            double *v = sb_arena_zalloc(a, (size_t)3 * ir->width * sizeof *v);
            for (uint32_t k = 0; k < 3 * ir->width; k++) v[k] = i * 0.01 + k;
            ir->trees[t] = (struct sb_forest_ir_tree){
                .nodes = n, .n = 3, .group = ir->trees[t].group, .values = v};
        }
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
    make_sets(a, r, s->nsets, 8, ir);
    for (uint32_t t = 0; t < s->ntrees; t++) {
        uint32_t leaves = t ? 1 + (uint32_t)(sb_rng_next(r) % s->leaves) : s->leaves;
        grow(a, r, s, leaves, ir->width, &ir->trees[t]);
        ir->trees[t].group = s->vectors ? 0 : (uint32_t)(sb_rng_next(r) % s->ngroups);
    }
    if (s->distinct) use_all(a, s, ir);
}

struct forest {
    struct sb_arena arena;
    struct sb_forest_ir ir;
    struct sb_image_writer w;
    struct sb_forest f;
};

static void open_forest(struct forest *t, struct sb_rng *r, const struct shape *s) {
    struct sb_str file;
    struct sb_image img;
    struct sb_errctx ctx = {0};
    sb_arena_init(&t->arena, SIZE_MAX);
    make_ir(&t->arena, r, s, &t->ir);
    sb_image_writer_init(&t->w, IMAGE_MAX);
    if (sb_forest_compile(&t->w, &t->ir, &ctx) != SB_OK || sb_image_finish(&t->w, &file) != SB_OK ||
        sb_image_open(&img, file, &ctx) != SB_OK || sb_forest_open(&t->f, &img, &ctx) != SB_OK)
        fail_msg("%s: %s", s->name, ctx.msg);
}

static void close_forest(struct forest *t) {
    sb_forest_close(&t->f);
    sb_image_writer_fini(&t->w);
    sb_arena_fini(&t->arena);
}

/* ROWS rows in the forest's type; floats where the library compares floats. */
static void *make_rows(const struct forest *t, struct sb_rng *r, bool nan_allowed) {
    size_t n = (size_t)ROWS * t->f.nfeatures;
    double *x = sb_calloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        x[i] = some_value(r, &t->ir);
        if (isnan(x[i]) && !nan_allowed) x[i] = 0.25;
        if (t->ir.compare != SB_FOREST_LE64) x[i] = (double)(float)x[i];
    }
    if (t->f.wide) return x;
    float *narrow = sb_calloc(n, sizeof *narrow);
    for (size_t i = 0; i < n; i++) narrow[i] = (float)x[i];
    sb_free(x);
    return narrow;
}

/* One kernel for all row counts; sums past the last row stay untouched. */
static void check_kernel(const struct shape *s, const struct forest *t, enum sb_forest_kernel k,
                         enum sb_forest_cpu cpu, const void *rows, bool has_nan,
                         const double *want) {
    const double untouched = 0x1.23456789abcdep+77;
    const bool many = s->ntrees > MANY_TREES;
    const size_t *counts = many ? few_counts : row_counts;
    double *got = sb_calloc((size_t)ROWS * s->ngroups + 1, sizeof *got);
    for (size_t i = 0; i < (many ? SB_COUNT(few_counts) : SB_COUNT(row_counts)); i++) {
        const size_t n = counts[i] * s->ngroups;
        memset(got, 0x55, n * sizeof *got);
        got[n] = untouched;
        kernel_sum(&t->f, k, cpu, rows, counts[i], has_nan, got);
        for (size_t at = 0; at < n; at++)
            if (memcmp(&got[at], &want[at], sizeof *got) != 0)
                fail_msg("%s: kernel %d, cpu %d, %zu rows%s: sum %zu is %a, not %a", s->name, k,
                         cpu, counts[i], has_nan ? " with NaN" : "", at, got[at], want[at]);
        if (got[n] != untouched) fail_msg("%s: kernel %d wrote too far", s->name, k);
    }
    sb_free(got);
}

static void check_forest(const struct shape *s, const struct forest *t, struct sb_rng *r) {
    const size_t size = t->f.wide ? sizeof(double) : sizeof(float);
    double *want = sb_calloc((size_t)ROWS * s->ngroups, sizeof *want);
    for (int has_nan = 0; has_nan < 2; has_nan++) {
        void *rows = make_rows(t, r, has_nan);
        for (size_t i = 0; i < ROWS; i++)
            sb_forest_ir_sum(&t->ir, (const char *)rows + i * s->nfeatures * size,
                             want + i * s->ngroups);
        for (int cpu = 0; cpu <= (int)sb_forest_cpu_here(); cpu++)
            for (int k = cpu ? SB_FOREST_LANES : 0; k < SB_FOREST_KERNEL_COUNT; k++)
                if (kernel_fits(&t->f, (enum sb_forest_kernel)k, (enum sb_forest_cpu)cpu))
                    check_kernel(s, t, (enum sb_forest_kernel)k, (enum sb_forest_cpu)cpu, rows,
                                 has_nan, want);
        sb_free(rows);
    }
    sb_free(want);
}

static void check_shape(const struct shape *s, struct sb_rng *r) {
    struct forest t;
    unsigned fits = 0;
    open_forest(&t, r, s);
    t.f.layouts = layouts_new(&t.f, ~0u);
    for (int k = 0; k < SB_FOREST_KERNEL_COUNT; k++)
        if (kernel_fits(&t.f, (enum sb_forest_kernel)k, SB_FOREST_AVX512)) fits |= 1u << k;
    if (fits != s->fits) fail_msg("%s: kernels %#x fit, not %#x", s->name, fits, s->fits);
    check_forest(s, &t, r);
    close_forest(&t);
}

#define LE32 SB_FOREST_LE32
#define LT32 SB_FOREST_LT32
#define LE64 SB_FOREST_LE64

static void kernels_give_the_bits_of_the_plain_evaluator(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {"no trees", 0, 1, 1, 2, 0, 3, 0, LT32, 1, 0, P | C | B},
        {"one leaf", 1, 1, 1, 1, 0, 1, 0, LE32, 0, 0, P | C | L | B},
        {"two leaves", 3, 2, 2, 2, 0, 1, 0, LE32, 0, 0, P | C | L | B},
        {"8 leaves", 70, 8, 3, 4, 0, 1, 0, LT32, 1, 0, P | C | L | B},
        {"9 leaves", 64, 9, 5, 4, 0, 1, 0, LT32, 1, 0, P | C | L | B},
        {"16 leaves", 65, 16, 8, 17, 0, 1, 0, LE64, 0, 0, P | C | L | B},
        {"31 leaves, deep", 130, 31, 40, 30, 0, 1, 0, LT32, 1, 0, P | C | L | B},
        {"32 leaves", 63, 32, 5, 30, 0, 1, 0, LE32, 0, 0, P | C | L | B},
        {"33 leaves", 64, 33, 40, 12, 0, 1, 0, LE64, 0, 0, P | C | L | B},
        {"64 leaves", 100, 64, 6, 30, 0, 1, 0, LT32, 1, 0, P | C | L | B},
        {"65 leaves", 9, 65, 40, 8, 0, 1, 0, LE32, 0, 0, P | C | B},
        {"255 leaves", 12, 255, 20, 8, 0, 1, 0, LT32, 1, 0, P | C | B},
        {"256 leaves", 7, 256, 8, 30, 0, 1, 0, LE64, 0, 0, P | C | B},
        {"256 leaves, float", 7, 256, 40, 30, 0, 2, 0, LT32, 1, 0, P | C | B},
        {"257 leaves", 5, 257, 40, 8, 0, 1, 0, LE32, 0, 0, P | C},
        {"3000 leaves", 5, 3000, 40, 8, 0, 1, 0, LE64, 0, 0, P | C},
        {"33000 leaves", 1, 33000, 40, 8, 0, 1, 0, LE64, 0, 0, P},
        {"1000 trees", 1000, 6, 3, 10, 0, 1, 0, LT32, 1, 0, P | C | L | B},
        {"254 thresholds", 540, 16, 8, 2, 254, 1, 0, LT32, 1, 0, P | C | L | B},
        {"254 thresholds, double", 540, 16, 8, 2, 254, 1, 0, LE64, 0, 0, P | C | L | B},
        {"255 thresholds", 540, 16, 8, 2, 255, 1, 0, LT32, 1, 0, P},
        {"256 thresholds", 540, 16, 8, 2, 256, 1, 0, LE64, 0, 0, P},
        {"15 thresholds", 100, 16, 8, 3, 15, 1, 0, LE64, 0, 0, P | C | L | B},
        {"16 thresholds", 100, 16, 8, 3, 16, 1, 0, LE64, 0, 0, P | C | L | B},
        {"31 thresholds", 140, 16, 8, 3, 31, 1, 0, LT32, 1, 0, P | C | L | B},
        {"32 thresholds", 140, 16, 8, 3, 32, 1, 0, LT32, 1, 0, P | C | L | B},
        {"seven classes", 70, 31, 9, 12, 0, 7, 0, LT32, 1, 0, P | C | L | B},
        {"vector leaves", 40, 20, 9, 5, 0, 3, 1, LE32, 0, 0, P | C | L | B},
        {"vector leaves, float", 40, 50, 9, 5, 0, 5, 1, LT32, 1, 0, P | C | L | B},
        {"vectors of 9", 20, 200, 12, 5, 0, 9, 1, LE32, 0, 0, P | C | B},
        {"64 groups of doubles", 90, 8, 4, 4, 0, 64, 0, LE64, 0, 0, P | C | L | B},
        {"65 groups of doubles", 90, 8, 4, 4, 0, 65, 0, LE64, 0, 0, P | C},
        {"128 groups of floats", 90, 8, 4, 4, 0, 128, 0, LT32, 1, 0, P | C | B},
        {"400 groups", 40, 8, 4, 4, 0, 400, 0, LT32, 1, 0, P | C},
        {"100 features", 300, 31, 12, 100, 0, 1, 0, LT32, 1, 0, P | C | B},
        {"300 features", 300, 31, 12, 300, 0, 1, 0, LE64, 0, 0, P | B},
        {"2000 features", 300, 31, 12, 2000, 0, 1, 0, LT32, 1, 0, P},
        {"categories", 50, 31, 12, 3, 0, 1, 0, LE64, 0, 4, P | C | L | B},
        {"categories, float sums", 50, 60, 12, 5, 0, 2, 0, LT32, 1, 9, P | C | B},
    };
    struct sb_rng r;
    sb_rng_seed(&r, 11);
    for (size_t i = 0; i < SB_COUNT(shapes); i++) check_shape(&shapes[i], &r);
}

/* Shapes that nobody thought of. */
static void random_shapes_too(void **state) {
    (void)state;
    static const uint32_t leaves[] = {1, 2, 31, 32, 33, 64, 65, 128, 255, 256, 257};
    struct sb_rng r;
    sb_rng_seed(&r, 77);
    for (int i = 0; i < 40; i++) {
        struct shape s = {.name = "random",
                          .ntrees = 1 + (uint32_t)(sb_rng_next(&r) % 90),
                          .leaves = leaves[sb_rng_next(&r) % SB_COUNT(leaves)],
                          .depth = (uint32_t)(sb_rng_next(&r) % 41),
                          .nfeatures = 1 + (uint32_t)(sb_rng_next(&r) % 70),
                          .ngroups = 1 + (uint32_t)(sb_rng_next(&r) % 4),
                          .vectors = sb_rng_next(&r) % 3 == 0,
                          .compare = (enum sb_forest_compare)(sb_rng_next(&r) % 3),
                          .f32 = sb_rng_next(&r) & 1,
                          .nsets = sb_rng_next(&r) % 4 == 0 ? 10 : 0};
        struct forest t;
        open_forest(&t, &r, &s);
        t.f.layouts = layouts_new(&t.f, ~0u);
        check_forest(&s, &t, &r);
        close_forest(&t);
    }
}

/* ---- the choice ---- */

static const struct shape small = {"small", 70, 31, 9, 6, 0, 2, 0, LT32, 1, 0, P | C | L | B};

static void a_timed_choice_fits_and_goes_through_an_image(void **state) {
    (void)state;
    struct sb_rng r;
    struct forest t;
    struct sb_forest_choice c, again;
    sb_rng_seed(&r, 5);
    open_forest(&t, &r, &small);
    sb_forest_time(&t.f, &c);
    assert_null(t.f.layouts);
    assert_int_equal(c.cpu, sb_forest_cpu_here());
    for (int i = 0; i < SB_FOREST_CLASSES; i++) assert_true(c.ns[i] > 0);
    struct sb_image_writer w;
    struct sb_str file;
    struct sb_image img;
    sb_image_writer_init(&w, IMAGE_MAX);
    sb_forest_choice_write(&w, &c);
    assert_int_equal(sb_image_finish(&w, &file), SB_OK);
    assert_int_equal(sb_image_open(&img, file, NULL), SB_OK);
    assert_true(sb_forest_choice_read(img.section[SB_IMAGE_KERNELS], &again));
    assert_memory_equal(&again, &c, sizeof c);
    sb_forest_layout(&t.f, &again);
    for (int i = 0; i < SB_FOREST_CLASSES && t.f.layouts; i++)
        assert_int_equal(t.f.layouts->choice.kernel[i], c.kernel[i]);
    check_forest(&small, &t, &r);
    sb_image_writer_fini(&w);
    close_forest(&t);
}

static void a_choice_that_is_nonsense_is_not_read(void **state) {
    (void)state;
    const uint32_t here = sb_forest_cpu_here();
    const struct {
        const char *name;
        uint32_t words[9];
        size_t bytes;
        bool ok;
    } rows[] = {
        {"plain", {here, 0, 10, 0, 10, 0, 10, 0, 10}, 36, true},
        {"absent", {0}, 0, false},
        {"short", {here}, 32, false},
        {"another machine's", {here ^ 1, 0, 10, 0, 10, 0, 10, 0, 10}, 36, false},
        {"no such kernel", {here, 0, 10, SB_FOREST_KERNEL_COUNT, 10}, 36, false},
        {"no such kernel at all", {here, UINT32_MAX}, 36, false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_forest_choice c;
        struct sb_str s = sb_str_make((const char *)rows[i].words, rows[i].bytes);
        if (sb_forest_choice_read(s, &c) != rows[i].ok) fail_msg("%s", rows[i].name);
    }
}

static void kernels_that_do_not_fit_are_replaced(void **state) {
    (void)state;
    static const struct shape large = {"300 leaves", 3, 300, 12, 4, 0, 2, 0, LE64, 0, 0, P | C};
    const struct sb_forest_choice c = {
        .cpu = sb_forest_cpu_here(),
        .kernel = {SB_FOREST_LANES, SB_FOREST_CODED, SB_FOREST_BITS, SB_FOREST_BITS}};
    struct sb_rng r;
    struct forest t;
    sb_rng_seed(&r, 6);
    open_forest(&t, &r, &large);
    sb_forest_layout(&t.f, &c);
    assert_non_null(t.f.layouts);
    assert_string_equal(sb_forest_kernel_name(&t.f, 1), "plain");
    assert_string_equal(sb_forest_kernel_name(&t.f, 7), "plain");
    assert_string_equal(sb_forest_kernel_name(&t.f, 8), "coded");
    assert_string_equal(sb_forest_kernel_name(&t.f, 64), "plain");
    assert_string_equal(sb_forest_kernel_name(&t.f, 100000), "plain");
    assert_true(sb_forest_layouts_memory(&t.f) > 0);
    check_forest(&large, &t, &r);
    close_forest(&t);
}

/* What has no codes keeps the plain walk, and no memory. */
static void a_forest_of_many_thresholds_stays_plain(void **state) {
    (void)state;
    static const struct shape exact = {"300 thresholds", 900, 2, 1, 2, 300, 1, 0, LE32, 0, 0, P};
    struct sb_rng r;
    struct forest t;
    struct sb_forest_choice c;
    sb_rng_seed(&r, 8);
    open_forest(&t, &r, &exact);
    sb_forest_time(&t.f, &c);
    for (int i = 0; i < SB_FOREST_CLASSES; i++) assert_int_equal(c.kernel[i], SB_FOREST_PLAIN);
    sb_forest_layout(&t.f, &c);
    assert_null(t.f.layouts);
    sb_forest_layout(&t.f, NULL);
    assert_null(t.f.layouts);
    assert_int_equal(sb_forest_layouts_memory(&t.f), 0);
    assert_string_equal(sb_forest_kernel_name(&t.f, 1), "plain");
    close_forest(&t);
}

/* 64 trees of which one is large would fill slots with nothing. */
static void mostly_empty_slots_are_declined(void **state) {
    (void)state;
    struct sb_forest_ir_tree trees[640];
    static const struct sb_forest_ir_node leaf = {.left = -1, .right = -1};
    struct sb_forest_ir_node chain[127];
    static const double values[127];
    for (int i = 0; i < 127; i++) {
        bool inner = i % 2 == 0 && i < 126;
        chain[i] = (struct sb_forest_ir_node){
            .threshold = i, .left = inner ? i + 1 : -1, .right = inner ? i + 2 : -1};
    }
    for (int t = 0; t < 640; t++)
        trees[t] = (struct sb_forest_ir_tree){
            .nodes = t % 64 ? &leaf : chain, .n = t % 64 ? 1 : 127, .values = values};
    const double base = 0;
    struct forest t = {.ir = {.nfeatures = 1,
                              .ntrees = 640,
                              .trees = trees,
                              .width = 1,
                              .ngroups = 1,
                              .base = &base}};
    struct sb_str file;
    struct sb_image img;
    sb_image_writer_init(&t.w, IMAGE_MAX);
    assert_int_equal(sb_forest_compile(&t.w, &t.ir, NULL), SB_OK);
    assert_int_equal(sb_image_finish(&t.w, &file), SB_OK);
    assert_int_equal(sb_image_open(&img, file, NULL), SB_OK);
    assert_int_equal(sb_forest_open(&t.f, &img, NULL), SB_OK);
    t.f.layouts = layouts_new(&t.f, ~0u);
    assert_true(kernel_fits(&t.f, SB_FOREST_BITS, SB_FOREST_AVX512));
    assert_false(kernel_fits(&t.f, SB_FOREST_LANES, SB_FOREST_AVX512));
    sb_forest_close(&t.f);
    sb_image_writer_fini(&t.w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_give_the_bits_of_the_plain_evaluator),
        cmocka_unit_test(random_shapes_too),
        cmocka_unit_test(a_timed_choice_fits_and_goes_through_an_image),
        cmocka_unit_test(a_choice_that_is_nonsense_is_not_read),
        cmocka_unit_test(kernels_that_do_not_fit_are_replaced),
        cmocka_unit_test(a_forest_of_many_thresholds_stays_plain),
        cmocka_unit_test(mostly_empty_slots_are_declined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
