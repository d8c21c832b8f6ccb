#include "domain/native/program_int.h"

#include <math.h>

#include "base/mem.h"

sb_err program_columns(struct program *p, struct columns *c, uint32_t n) {
    struct column *v = sb_arena_try_array(p->j->arena, (size_t)n + 1, sizeof *v);
    if (!v) return native_nomem(p->j);
    c->v = v;
    c->n = c->cap = n;
    return SB_OK;
}

/* ---- float32 ---- */

void program_common_type(struct program *p, struct columns *c, struct sb_columnprog_op *op) {
    struct sb_columnprog_ir *ir = p->ir;
    uint8_t *seen = sb_arena_try_array(p->j->arena, ir->nsources + 1, 1);
    bool never = c->n == 0;
    op->f32 = ir->lists.n;
    op->nf32 = 0;
    if (!seen) ir->failed = true;
    for (uint32_t i = 0; i < c->n && !never && !ir->failed; i++) {
        const struct column *col = &c->v[i];
        if (col->nf32 == 0) never = true;
        for (uint32_t k = 0; k < col->nf32 && !ir->failed; k++) {
            uint32_t source = ((const uint32_t *)ir->lists.p)[col->f32 + k];
            if (seen[source]) continue;
            seen[source] = 1;
            sb_columnprog_list_add(ir, &source, 1);
            op->nf32++;
        }
    }
    if (never || ir->failed) op->f32 = op->nf32 = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        c->v[i].f32 = op->f32;
        c->v[i].nf32 = op->nf32;
    }
}

/* ---- conversions ---- */

/* Columns [from, to) of one kind into registers or cells from dst on. */
static void move_run(struct program *p, const struct columns *c, uint32_t from, uint32_t to,
                     uint32_t dst, enum column_kind target, uint32_t load_flags) {
    static const enum sb_columnprog_code codes[2][3] = {
        {SB_OP_LOAD, SB_OP_COPY, SB_OP_NUMBERS}, {SB_OP_CELLS, SB_OP_TO_CELLS, SB_OP_COPY_CELLS}};
    struct sb_columnprog_op op = {.code = codes[target == COLUMN_CELL][c->v[from].kind],
                                  .dst = dst + from,
                                  .n = to - from,
                                  .a = p->ir->lists.n};
    if (op.code == SB_OP_LOAD) op.flags = load_flags;
    for (uint32_t i = from; i < to; i++) sb_columnprog_list_add(p->ir, &c->v[i].at, 1);
    sb_columnprog_op_add(p->ir, &op);
}

static bool in_row(const struct columns *c, enum column_kind kind) {
    for (uint32_t i = 0; i < c->n; i++)
        if (c->v[i].kind != kind || c->v[i].at != c->v[0].at + i) return false;
    return true;
}

static sb_err convert(struct program *p, struct columns *c, enum column_kind target,
                      uint32_t load_flags) {
    uint32_t dst = target == COLUMN_REG ? p->ir->nregs : p->ir->ncells;
    for (uint32_t i = 0; i < c->n; i++) {
        if (target == COLUMN_REG)
            sb_columnprog_regs(p->ir, 1, c->v[i].origin);
        else
            sb_columnprog_cells(p->ir, 1, c->v[i].origin);
    }
    for (uint32_t from = 0, to; from < c->n; from = to) {
        for (to = from + 1; to < c->n && c->v[to].kind == c->v[from].kind; to++) {
        }
        move_run(p, c, from, to, dst, target, load_flags);
    }
    for (uint32_t i = 0; i < c->n; i++) {
        struct column *col = &c->v[i];
        if (col->kind == COLUMN_RAW) p->ir->required[col->at] = 1;
        if (col->kind == COLUMN_CELL) col->nf32 = 0;
        col->finite = target == COLUMN_REG && (col->kind == COLUMN_RAW || col->finite);
        col->kind = target;
        col->at = dst + i;
    }
    return p->ir->failed ? native_nomem(p->j) : SB_OK;
}

static bool all_raw(const struct columns *c) {
    for (uint32_t i = 0; i < c->n; i++)
        if (c->v[i].kind != COLUMN_RAW) return false;
    return true;
}

sb_err program_numbers(struct program *p, struct columns *c, unsigned refuse) {
    bool finite = true;
    if (!in_row(c, COLUMN_REG)) SB_TRY(convert(p, c, COLUMN_REG, all_raw(c) ? refuse : 0));
    for (uint32_t i = 0; i < c->n; i++) finite = finite && c->v[i].finite;
    if (finite || c->n == 0) return SB_OK;
    struct sb_columnprog_op check = {.code = SB_OP_CHECK, .dst = c->v[0].at, .n = c->n};
    program_common_type(p, c, &check);
    sb_columnprog_op_add(p->ir, &check);
    for (uint32_t i = 0; i < c->n; i++) c->v[i].finite = true;
    return SB_OK;
}

sb_err program_objects(struct program *p, struct columns *c) {
    return in_row(c, COLUMN_CELL) ? SB_OK : convert(p, c, COLUMN_CELL, 0);
}

sb_err program_finish(struct program *p, struct columns *c) {
    struct sb_columnprog_ir *ir = p->ir;
    if (c->n == 0) return native_damaged(p->j, "a pipeline that leaves no columns");
    /* whether infinity is refused is the predictor's to say */
    if (!in_row(c, COLUMN_REG)) SB_TRY(convert(p, c, COLUMN_REG, SB_LOAD_INFINITY));
    ir->out = c->v[0].at;
    ir->nout = c->n;
    return ir->failed ? native_nomem(p->j) : SB_OK;
}

/* ---- attributes ---- */

bool program_flag(const struct sb_pv *obj, const char *key, bool otherwise) {
    const struct sb_pv *v = sb_pv_get(obj, key);
    int64_t i;
    return v && sb_pv_to_i64(v, &i) ? i != 0 : otherwise;
}

sb_err program_doubles(struct program *p, const struct sb_pv *obj, const char *key, uint32_t n,
                       double **out) {
    const struct sb_pv *v = sb_pv_get(obj, key);
    if (!v || v->type != SB_PV_ARRAY || !v->array->dtype || v->array->ndim != 1 ||
        v->array->count != n)
        return native_damaged(p->j, key);
    *out = sb_arena_try_array(p->j->arena, (size_t)n + 1, sizeof **out);
    if (!*out) return native_nomem(p->j);
    for (uint32_t i = 0; i < n; i++)
        if (!sb_np_get_double(v->array, i, &(*out)[i])) return native_damaged(p->j, key);
    return SB_OK;
}

static bool whole_cell(int64_t i, struct sb_columnprog_cell *out) {
    const int64_t max = INT64_C(1) << 53; /* beyond it doubles are not exact */
    if (i > max || i < -max) return false;
    out->d = (double)i;
    return true;
}

bool program_item(struct program *p, const struct sb_np_array *a, size_t i,
                  struct sb_columnprog_cell *out) {
    *out = (struct sb_columnprog_cell){.tag = SB_CELL_NUMBER};
    int64_t whole;
    switch (a->dtype->kind) {
    case 'O': return program_cell(p, a->objects->seq.v[i], out);
    case 'U': out->tag = SB_CELL_TEXT; return sb_np_get_str(a, i, p->j->arena, &out->s);
    case 'f': return sb_np_get_double(a, i, &out->d);
    default: return sb_np_get_i64(a, i, &whole) && whole_cell(whole, out);
    }
}

bool program_cell(struct program *p, const struct sb_pv *v, struct sb_columnprog_cell *out) {
    *out = (struct sb_columnprog_cell){.tag = SB_CELL_NUMBER};
    if (!v) return false;
    switch (v->type) {
    case SB_PV_NONE: out->tag = SB_CELL_NONE; return true;
    case SB_PV_BOOL: out->d = v->b; return true;
    case SB_PV_INT: return whole_cell(v->i, out);
    case SB_PV_FLOAT: out->d = v->d; return true;
    case SB_PV_STR:
        out->tag = SB_CELL_TEXT;
        out->s = v->s;
        return true;
    case SB_PV_ARRAY:
        return v->array->dtype && v->array->dtype->kind != 'O' && v->array->count == 1 &&
               program_item(p, v->array, 0, out);
    default: return false;
    }
}

uint32_t program_width(const struct sb_pv *obj) {
    static const char *const arrays[] = {"scale_", "mean_", "center_", "statistics_", NULL};
    int64_t n;
    if ((sb_pv_to_i64(sb_pv_get(obj, "n_features_in_"), &n) ||
         sb_pv_to_i64(sb_pv_get(obj, "_n_features"), &n) ||
         sb_pv_to_i64(sb_pv_get(obj, "n_features_"), &n)) &&
        n > 0 && n <= SB_FOREST_FEATURES_MAX)
        return (uint32_t)n;
    for (const char *const *key = arrays; *key; key++) {
        const struct sb_pv *v = sb_pv_get(obj, *key);
        if (v && v->type == SB_PV_ARRAY && v->array->ndim == 1 &&
            v->array->count <= SB_FOREST_FEATURES_MAX)
            return (uint32_t)v->array->count;
    }
    const struct sb_pv *list = sb_pv_get(obj, "categories_");
    return list && list->type == SB_PV_LIST ? list->seq.n : 0;
}
