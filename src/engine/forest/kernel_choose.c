/* Which kernel serves how many rows: timed once per model, kept in its image. */
#include <stdio.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/forest/kernel_int.h"

enum {
    ROWS = 512,
    WALK_ROWS = 64,           /* a walk's time per row no longer falls from here */
    ROW_BYTES_MAX = 64 << 10, /* of a row, for timing; wider ones go by rule */
    PASS_NS = 500 * 1000,
    BUDGET_NS = 3 * 1000 * 1000, /* after which no further pass begins */
    PASSES_MAX = 7,
    SECTION_BYTES = 4 + 8 * SB_FOREST_CLASSES,
    NS_MAX = 1000 * 1000 * 1000,
};

/* A layout takes memory and time at opening: it has to be this much faster than the plain walk. */
static const double worth = 0.95;

static const size_t class_rows[SB_FOREST_CLASSES] = {1, 8, 64, 512};

enum sb_forest_cpu sb_forest_cpu_here(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi"))
        return SB_FOREST_AVX512;
    if (__builtin_cpu_supports("avx2")) return SB_FOREST_AVX2;
#endif
    return SB_FOREST_PORTABLE;
}

/* ---- timing ---- */

/* Rows that part at every threshold alike: each value is one of its feature's thresholds. */
static void *make_rows(const struct sb_forest *f) {
    const struct layout_codes *c = &f->layouts->codes;
    const size_t size = f->wide ? sizeof(double) : sizeof(float);
    char *rows = sb_try_alloc(ROWS * f->nfeatures * size);
    struct sb_rng rng;
    if (!rows) return NULL;
    memset(rows, 0, ROWS * f->nfeatures * size);
    sb_rng_seed(&rng, 1);
    for (uint32_t i = 0; i < c->ncolumns; i++) {
        const struct layout_column *col = &c->columns[i];
        uint32_t room = col->set ? 32 * col->n + 1 : c->used[col->table] + 1u;
        for (size_t r = 0; r < ROWS; r++) {
            size_t at = r * f->nfeatures + col->feature;
            size_t pick = sb_rng_next(&rng) % room,
                   entry = (size_t)col->table * TABLE + PIVOTS + pick;
            if (f->wide)
                ((double *)(void *)rows)[at] = col->set ? (double)pick : c->wide[entry];
            else
                ((float *)(void *)rows)[at] = c->narrow[entry];
        }
    }
    return rows;
}

/* Nanoseconds of `calls` calls with n rows each; by the thread's CPU time (the process's moves in
 * ticks under the converter's limits), since other programs may want the core meanwhile. */
static int64_t time_calls(const struct sb_forest *f, enum sb_forest_kernel k,
                          enum sb_forest_cpu cpu, const char *rows, size_t n, size_t calls,
                          double *out) {
    const int64_t start = sb_thread_cpu_ns();
    for (size_t i = 0; i < calls; i++)
        kernel_sum(f, k, cpu, rows + i * n % ROWS * kernel_row_bytes(f), n, false, out);
    return sb_thread_cpu_ns() - start;
}

/* Nanoseconds per row: the best of some passes, which are as many and as long as the first, single
 * call lets expect. */
static uint32_t time_kernel(const struct sb_forest *f, enum sb_forest_kernel k,
                            enum sb_forest_cpu cpu, const char *rows, size_t n, double *out) {
    int64_t best = time_calls(f, k, cpu, rows, n, 1, out), left = BUDGET_NS;
    size_t calls = (size_t)(PASS_NS / (best + 1)) + 1;
    if (calls > ROWS / n) calls = ROWS / n;
    for (int i = 0; i < PASSES_MAX && left > 0; i++) {
        int64_t took = time_calls(f, k, cpu, rows, n, calls, out);
        left -= took;
        if (took / (int64_t)calls < best) best = took / (int64_t)calls;
    }
    best /= (int64_t)n;
    return best > NS_MAX ? NS_MAX : (uint32_t)best;
}

static void time_all(const struct sb_forest *f, const char *rows, double *out,
                     struct sb_forest_choice *c) {
    uint32_t ns[SB_FOREST_KERNEL_COUNT] = {0};
    for (unsigned i = 0; i < SB_FOREST_CLASSES; i++)
        for (int k = 0; k < SB_FOREST_KERNEL_COUNT; k++) {
            if (!kernel_fits(f, (enum sb_forest_kernel)k, c->cpu)) continue;
            if (class_rows[i] <= WALK_ROWS || k == SB_FOREST_BITS)
                ns[k] = time_kernel(f, (enum sb_forest_kernel)k, c->cpu, rows, class_rows[i], out);
            double limit = c->kernel[i] == SB_FOREST_PLAIN ? worth * c->ns[i] : c->ns[i];
            if (k != SB_FOREST_PLAIN && !(ns[k] < limit)) continue;
            c->kernel[i] = (enum sb_forest_kernel)k;
            c->ns[i] = ns[k];
        }
}

/* ---- by rule ---- */

static enum sb_forest_kernel first_that_fits(const struct sb_forest *f, enum sb_forest_cpu cpu,
                                             const enum sb_forest_kernel *list) {
    while (*list != SB_FOREST_PLAIN && !kernel_fits(f, *list, cpu)) list++;
    return *list;
}

/* Without vector instructions, bits is slower than a walk for large trees. */
static void by_rule(const struct sb_forest *f, struct sb_forest_choice *c) {
    static const enum sb_forest_kernel few[] = {SB_FOREST_LANES, SB_FOREST_CODED, SB_FOREST_PLAIN},
                                       many[] = {SB_FOREST_BITS, SB_FOREST_CODED, SB_FOREST_PLAIN};
    *c = (struct sb_forest_choice){.cpu = sb_forest_cpu_here()};
    for (unsigned i = 0; i < SB_FOREST_CLASSES; i++) {
        bool bits = class_rows[i] >= 64 && c->cpu != SB_FOREST_PORTABLE;
        c->kernel[i] = first_that_fits(f, c->cpu, bits ? many : few);
    }
}

/* ---- layouts of a choice ---- */

static unsigned kernels_of(const struct sb_forest_choice *c) {
    unsigned set = 0;
    for (unsigned i = 0; i < SB_FOREST_CLASSES; i++) set |= 1u << c->kernel[i];
    return set & ~(1u << SB_FOREST_PLAIN);
}

static void drop_layouts(struct sb_forest *f) {
    sb_forest_layouts_free(f->layouts);
    f->layouts = NULL;
}

void sb_forest_time(const struct sb_forest *f, struct sb_forest_choice *out) {
    struct sb_forest copy = *f;
    struct sb_forest_choice c = {.cpu = sb_forest_cpu_here()};
    copy.layouts = layouts_new(f, ~0u);
    if (copy.layouts && f->nfeatures > ROW_BYTES_MAX / sizeof(double)) {
        by_rule(&copy, &c);
    } else if (copy.layouts) {
        void *rows = make_rows(&copy);
        double *sums = sb_try_alloc(ROWS * f->ngroups * sizeof *sums);
        if (rows && sums) time_all(&copy, rows, sums, &c);
        sb_free(rows);
        sb_free(sums);
    }
    drop_layouts(&copy);
    *out = c;
}

void sb_forest_layout(struct sb_forest *f, const struct sb_forest_choice *c) {
    struct sb_forest_choice rule;
    SB_ASSERT(!f->layouts);
    if (!c) {
        f->layouts = layouts_new(f, ~0u);
        if (!f->layouts) return;
        by_rule(f, &rule);
        drop_layouts(f);
        c = &rule;
    }
    if (!kernels_of(c)) return;
    f->layouts = layouts_new(f, kernels_of(c));
    if (!f->layouts) return;
    struct sb_forest_choice *mine = &f->layouts->choice;
    *mine = *c;
    for (unsigned i = 0; i < SB_FOREST_CLASSES; i++)
        if (!kernel_fits(f, mine->kernel[i], mine->cpu)) mine->kernel[i] = SB_FOREST_PLAIN;
    if (!kernels_of(mine)) drop_layouts(f);
}

/* ---- the section ---- */

static void put_u32(struct sb_buf *b, uint32_t v) {
    sb_buf_add(b, &v, sizeof v);
}

void sb_forest_choice_write(struct sb_image_writer *w, const struct sb_forest_choice *c) {
    sb_image_begin(w, SB_IMAGE_KERNELS);
    put_u32(&w->out, c->cpu);
    for (unsigned i = 0; i < SB_FOREST_CLASSES; i++) {
        put_u32(&w->out, c->kernel[i]);
        put_u32(&w->out, c->ns[i]);
    }
}

bool sb_forest_choice_read(struct sb_str section, struct sb_forest_choice *c) {
    struct sb_cursor cur = sb_cursor_of(section.p, section.n);
    struct sb_forest_choice read = {.cpu = sb_forest_cpu_here()};
    if (section.n != SECTION_BYTES || sb_cursor_le32(&cur) != read.cpu) return false;
    for (unsigned i = 0; i < SB_FOREST_CLASSES; i++) {
        uint32_t kernel = sb_cursor_le32(&cur);
        if (kernel >= SB_FOREST_KERNEL_COUNT) return false;
        read.kernel[i] = (enum sb_forest_kernel)kernel;
        read.ns[i] = sb_cursor_le32(&cur);
    }
    *c = read;
    return true;
}

/* ---- for people ---- */

size_t sb_forest_layouts_memory(const struct sb_forest *f) {
    return f->layouts ? f->layouts->memory : 0;
}

const char *sb_forest_kernel_name(const struct sb_forest *f, size_t nrows) {
    static const char *const names[SB_FOREST_KERNEL_COUNT][SB_FOREST_CPU_COUNT] = {
        {"plain", "plain", "plain"},
        {"coded", "coded", "coded"},
        {"lanes", "lanes avx2", "lanes avx512"},
        {"bits", "bits avx2", "bits avx512"}};
    if (!f->layouts) return names[SB_FOREST_PLAIN][0];
    const struct sb_forest_choice *c = &f->layouts->choice;
    return names[c->kernel[kernel_class(nrows)]][c->cpu];
}
