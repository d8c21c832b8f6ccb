#include "engine/columnprog/ir.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/columnprog/columnprog_int.h"

void sb_columnprog_ir_init(struct sb_columnprog_ir *ir, struct sb_arena *arena, uint32_t nsources) {
    *ir = (struct sb_columnprog_ir){.arena = arena, .nsources = nsources};
    ir->required = sb_arena_try_array(arena, nsources + 1, 1);
    if (!ir->required || nsources > SB_COLUMNPROG_COLUMNS_MAX) ir->failed = true;
}

/* Room for n more items of that size; the first's index. */
static uint32_t grow(struct sb_columnprog_ir *ir, struct sb_columnprog_list *l, const void *v,
                     uint32_t n, size_t size) {
    if (ir->failed || n > INT32_MAX - l->n) {
        ir->failed = true;
        return 0;
    }
    if (l->n + n > l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 16;
        while (cap < l->n + n) cap *= 2;
        void *p = sb_arena_try_array(ir->arena, cap, size);
        if (!p) {
            ir->failed = true;
            return 0;
        }
        if (l->n) memcpy(p, l->p, l->n * size);
        l->p = p;
        l->cap = cap;
    }
    if (n) memcpy((char *)l->p + l->n * size, v, n * size);
    l->n += n;
    return l->n - n;
}

static uint32_t add_origin(struct sb_columnprog_ir *ir, struct sb_columnprog_list *l,
                           uint32_t *count, uint32_t n, uint32_t origin) {
    if (n > SB_COLUMNPROG_COLUMNS_MAX - *count) ir->failed = true;
    for (uint32_t i = 0; i < n && !ir->failed; i++) grow(ir, l, &origin, 1, sizeof origin);
    if (ir->failed) return 0;
    *count += n;
    return *count - n;
}

uint32_t sb_columnprog_regs(struct sb_columnprog_ir *ir, uint32_t n, uint32_t origin) {
    return add_origin(ir, &ir->reg_origins, &ir->nregs, n, origin);
}

uint32_t sb_columnprog_cells(struct sb_columnprog_ir *ir, uint32_t n, uint32_t origin) {
    return add_origin(ir, &ir->cell_origins, &ir->ncells, n, origin);
}

uint32_t sb_columnprog_list_add(struct sb_columnprog_ir *ir, const uint32_t *v, uint32_t n) {
    return grow(ir, &ir->lists, v, n, sizeof *v);
}

uint32_t sb_columnprog_numbers_add(struct sb_columnprog_ir *ir, const double *v, uint32_t n) {
    return grow(ir, &ir->numbers, v, n, sizeof *v);
}

static uint32_t add_text(struct sb_columnprog_ir *ir, struct sb_str s) {
    if (s.n > INT32_MAX) ir->failed = true;
    grow(ir, &ir->bytes, s.p, (uint32_t)s.n, 1);
    return grow(ir, &ir->ends, &ir->bytes.n, 1, sizeof ir->bytes.n);
}

static struct sb_str text_at(const struct sb_columnprog_ir *ir, uint32_t i) {
    const uint32_t *ends = ir->ends.p;
    uint32_t from = i ? ends[i - 1] : 0;
    return sb_str_make((const char *)ir->bytes.p + from, ends[i] - from);
}

uint32_t sb_columnprog_constant_add(struct sb_columnprog_ir *ir,
                                    const struct sb_columnprog_cell *c) {
    uint32_t pair[2] = {c->tag, 0};
    if (c->tag == SB_CELL_NUMBER) pair[1] = sb_columnprog_numbers_add(ir, &c->d, 1);
    if (c->tag == SB_CELL_TEXT) pair[1] = add_text(ir, c->s);
    return grow(ir, &ir->constants, pair, 1, sizeof pair);
}

void sb_columnprog_op_add(struct sb_columnprog_ir *ir, const struct sb_columnprog_op *op) {
    if (ir->ops.n >= SB_COLUMNPROG_OPS_MAX) ir->failed = true;
    grow(ir, &ir->ops, op, 1, sizeof *op);
}

/* ---- encoders ---- */

static int by_number(const void *a, const void *b, void *categories) {
    const struct sb_columnprog_category *v = categories;
    double x = v[*(const uint32_t *)a].cell.d, y = v[*(const uint32_t *)b].cell.d;
    return (x > y) - (x < y);
}

static bool is_nan_cell(const struct sb_columnprog_cell *c) {
    return c->tag == SB_CELL_NUMBER && isnan(c->d);
}

/* The numbers among the categories, sorted, then their codes. */
static void add_numbers(struct sb_columnprog_ir *ir, struct sb_columnprog_encoder *e,
                        struct sb_columnprog_category *v, uint32_t n) {
    uint32_t *sorted = sb_arena_try_array(ir->arena, (size_t)n + 1, sizeof *sorted);
    if (!sorted) {
        ir->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (v[i].cell.tag == SB_CELL_NUMBER && !isnan(v[i].cell.d)) sorted[e->nnumbers++] = i;
    qsort_r(sorted, e->nnumbers, sizeof *sorted, by_number, v);
    e->numbers = sb_columnprog_numbers_add(ir, NULL, 0);
    for (uint32_t i = 0; i < e->nnumbers; i++)
        sb_columnprog_numbers_add(ir, &v[sorted[i]].cell.d, 1);
    for (uint32_t i = 0; i < e->nnumbers; i++) sb_columnprog_numbers_add(ir, &v[sorted[i]].code, 1);
}

static void add_texts(struct sb_columnprog_ir *ir, struct sb_columnprog_encoder *e,
                      const struct sb_columnprog_categories *c) {
    e->first_text = ir->ends.n;
    e->codes = ir->numbers.n;
    for (uint32_t i = 0; i < c->n; i++) e->ntexts += c->v[i].cell.tag == SB_CELL_TEXT;
    if (e->ntexts == 0 || ir->failed) return;
    e->nslots = 4;
    while (e->nslots < 2 * e->ntexts) e->nslots *= 2;
    uint32_t *slots = sb_arena_try_array(ir->arena, e->nslots, sizeof *slots), k = 0;
    if (!slots) {
        ir->failed = true;
        return;
    }
    for (uint32_t i = 0; i < c->n && !ir->failed; i++) {
        if (c->v[i].cell.tag != SB_CELL_TEXT) continue;
        uint32_t at = text_hash(c->v[i].cell.s) & (e->nslots - 1);
        while (slots[at] && !sb_str_eq(text_at(ir, e->first_text + slots[at] - 1), c->v[i].cell.s))
            at = (at + 1) & (e->nslots - 1);
        if (slots[at]) continue; /* given twice: the first stays */
        add_text(ir, c->v[i].cell.s);
        sb_columnprog_numbers_add(ir, &c->v[i].code, 1);
        slots[at] = ++k;
    }
    e->ntexts = k;
    e->slots = sb_columnprog_list_add(ir, slots, e->nslots);
}

uint32_t sb_columnprog_encoder_add(struct sb_columnprog_ir *ir,
                                   const struct sb_columnprog_categories *c) {
    struct sb_columnprog_encoder e = {
        .onehot = c->onehot, .unknown = c->unknown, .integers = c->integers};
    double special[3] = {0, 0, c->unknown_code};
    for (uint32_t i = 0; i < c->n; i++) {
        bool nan = is_nan_cell(&c->v[i].cell), none = c->v[i].cell.tag == SB_CELL_NONE;
        if (nan) e.has_nan = 1, special[0] = c->v[i].code;
        if (none) e.has_none = 1, special[1] = c->v[i].code;
    }
    if (c->objects) e.objects = c->n && c->v[0].cell.tag != SB_CELL_NUMBER ? 3 : 1;
    add_numbers(ir, &e, c->v, c->n);
    add_texts(ir, &e, c);
    e.special = sb_columnprog_numbers_add(ir, special, 3);
    return grow(ir, &ir->encoders, &e, 1, sizeof e);
}

/* ---- the section ---- */

static void put_list(struct sb_image_writer *w, const struct sb_columnprog_list *l, size_t size) {
    sb_buf_add(&w->out, l->p, l->n * size);
}

sb_err sb_columnprog_write(struct sb_image_writer *w, const struct sb_columnprog_ir *built,
                           struct sb_errctx *ctx) {
    struct sb_columnprog_ir ir = *built;
    uint32_t required = ir.lists.n;
    for (uint32_t i = 0; i < ir.nsources && !ir.failed; i++)
        sb_columnprog_list_add(&ir, &(uint32_t){ir.required[i]}, 1);
    if (ir.failed)
        return sb_fail(ctx, SB_E_LIMIT,
                       "the pipeline needs more memory than a file of its size "
                       "may, or has too many columns");
    const uint32_t head[HEAD_COUNT] = {
        [HEAD_SOURCES] = ir.nsources,    [HEAD_REGS] = ir.nregs,
        [HEAD_CELLS] = ir.ncells,        [HEAD_OUT] = ir.out,
        [HEAD_NOUT] = ir.nout,           [HEAD_OPS] = ir.ops.n,
        [HEAD_LISTS] = ir.lists.n,       [HEAD_NUMBERS] = ir.numbers.n,
        [HEAD_ENCODERS] = ir.encoders.n, [HEAD_CONSTANTS] = ir.constants.n,
        [HEAD_TEXTS] = ir.ends.n,        [HEAD_BYTES] = ir.bytes.n,
        [HEAD_REQUIRED] = required,      [HEAD_EXTRA] = ir.extra,
    };
    sb_image_begin(w, SB_IMAGE_PROGRAM);
    sb_buf_add(&w->out, head, sizeof head);
    put_list(w, &ir.numbers, sizeof(double));
    put_list(w, &ir.ops, sizeof(struct sb_columnprog_op));
    put_list(w, &ir.encoders, sizeof(struct sb_columnprog_encoder));
    put_list(w, &ir.lists, sizeof(uint32_t));
    put_list(w, &ir.reg_origins, sizeof(uint32_t));
    put_list(w, &ir.cell_origins, sizeof(uint32_t));
    put_list(w, &ir.constants, 2 * sizeof(uint32_t));
    put_list(w, &ir.ends, sizeof(uint32_t));
    put_list(w, &ir.bytes, 1);
    return sb_buf_err(&w->out);
}
