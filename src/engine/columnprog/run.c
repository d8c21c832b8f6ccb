#include <math.h>

#include "base/mem.h"
#include "engine/columnprog/columnprog_int.h"

struct state {
    struct sb_columnprog_run *r;
    const struct sb_columnprog *p;
    double *work;
    struct sb_columnprog_cell *cells; /* cell c of row i: cells[i * ncells + c] */
    size_t first, n;
};

static sb_err refuse(struct state *s, size_t row, uint32_t source, const char *what,
                     struct sb_columnprog_cell value) {
    s->r->bad_row = s->first + row;
    s->r->bad_source = source;
    s->r->what = what;
    s->r->value = value;
    return SB_E_INVALID;
}

static struct sb_columnprog_cell number(double d) {
    return (struct sb_columnprog_cell){.tag = SB_CELL_NUMBER, .d = d};
}

static double *reg(const struct state *s, size_t row, uint32_t r) {
    return s->work + row * s->p->nregs + r;
}

static struct sb_columnprog_cell *cell(const struct state *s, size_t row, uint32_t c) {
    return s->cells + row * s->p->ncells + c;
}

static uint32_t cell_origin(const struct state *s, uint32_t c) {
    return s->p->origins[s->p->nregs + c];
}

/* The values of the instruction are float32. */
static bool is_f32(const struct state *s, const struct sb_columnprog_op *op) {
    if (!s->r->any_f32 || op->nf32 == 0) return false;
    for (uint32_t i = 0; i < op->nf32; i++)
        if (s->r->sources[s->p->lists[op->f32 + i]].type != SB_COLUMNPROG_FLOAT32) return false;
    return true;
}

static double rounded(double v, bool f32) {
    return f32 ? (double)(float)v : v;
}

/* ---- loading ---- */

static bool number_at(const struct sb_columnprog_source *c, size_t row, double *out) {
    size_t i = row * c->stride;
    switch (c->type) {
    case SB_COLUMNPROG_BOOL: *out = ((const uint8_t *)c->data)[i]; return true;
    case SB_COLUMNPROG_INT32: *out = ((const int32_t *)c->data)[i]; return true;
    case SB_COLUMNPROG_INT64: *out = (double)((const int64_t *)c->data)[i]; return true;
    case SB_COLUMNPROG_FLOAT32: *out = (double)((const float *)c->data)[i]; return true;
    case SB_COLUMNPROG_FLOAT64: *out = ((const double *)c->data)[i]; return true;
    default: return false;
    }
}

static bool is_null(const struct sb_columnprog_source *c, size_t row) {
    return c->null && c->null[row];
}

/* The cell as pandas and numpy would have it in an array of objects. */
static bool cell_at(const struct sb_columnprog_source *c, size_t row,
                    struct sb_columnprog_cell *out) {
    *out = number(NAN);
    if (c->type == SB_COLUMNPROG_OTHER) return false;
    if (is_null(c, row)) {
        bool none =
            c->type == SB_COLUMNPROG_BOOL || (c->type == SB_COLUMNPROG_TEXT && !c->any_text);
        if (none) out->tag = SB_CELL_NONE;
        return true;
    }
    if (c->type == SB_COLUMNPROG_TEXT) {
        out->tag = SB_CELL_TEXT;
        out->s = ((const struct sb_str *)c->data)[row * c->stride];
        return true;
    }
    out->boolean = c->type == SB_COLUMNPROG_BOOL && !c->null;
    return number_at(c, row, &out->d);
}

static struct sb_columnprog_cell shown(const struct sb_columnprog_source *c, size_t row) {
    struct sb_columnprog_cell v;
    (void)cell_at(c, row, &v);
    return v;
}

static bool is_bool(const struct sb_columnprog_source *c) {
    return c->type == SB_COLUMNPROG_BOOL && !c->null;
}

static bool is_whole(const struct sb_columnprog_source *c) {
    bool integer = c->type == SB_COLUMNPROG_INT32 || c->type == SB_COLUMNPROG_INT64;
    return is_bool(c) || (integer && !c->null);
}

static sb_err check_types(struct state *s, const struct sb_columnprog_op *op) {
    bool bools = op->n > 0, whole = bools;
    for (uint32_t k = 0; k < op->n; k++) {
        const struct sb_columnprog_source *c = &s->r->sources[s->p->lists[op->a + k]];
        bools = bools && is_bool(c);
        whole = whole && is_whole(c);
    }
    if (!(bools && op->flags & SB_LOAD_NO_BOOLS) && !(whole && op->flags & SB_LOAD_NO_INTEGERS))
        return SB_OK;
    uint32_t source = s->p->lists[op->a];
    return refuse(s, 0, source,
                  bools ? "a number is expected, not a bool"
                        : "a number that may have a fraction is expected",
                  shown(&s->r->sources[source], s->first));
}

static sb_err load(struct state *s, const struct sb_columnprog_op *op) {
    if (op->flags & (SB_LOAD_NO_BOOLS | SB_LOAD_NO_INTEGERS)) SB_TRY(check_types(s, op));
    for (uint32_t k = 0; k < op->n; k++) {
        uint32_t source = s->p->lists[op->a + k];
        const struct sb_columnprog_source *c = &s->r->sources[source];
        for (size_t i = 0; i < s->n; i++) {
            double v = NAN;
            if (!is_null(c, s->first + i) && !number_at(c, s->first + i, &v))
                return refuse(s, i, source, "a number is expected", shown(c, s->first + i));
            if (isinf(v) && !(op->flags & SB_LOAD_INFINITY))
                return refuse(s, i, source, "infinity", number(v));
            *reg(s, i, op->dst + k) = v;
        }
    }
    return SB_OK;
}

static sb_err load_cells(struct state *s, const struct sb_columnprog_op *op) {
    for (uint32_t k = 0; k < op->n; k++) {
        uint32_t source = s->p->lists[op->a + k];
        const struct sb_columnprog_source *c = &s->r->sources[source];
        for (size_t i = 0; i < s->n; i++)
            if (!cell_at(c, s->first + i, cell(s, i, op->dst + k)))
                return refuse(s, i, source, "a number or text is expected", number(NAN));
    }
    return SB_OK;
}

/* ---- moving ---- */

static void copy(struct state *s, const struct sb_columnprog_op *op) {
    for (size_t i = 0; i < s->n; i++)
        for (uint32_t k = 0; k < op->n; k++)
            *reg(s, i, op->dst + k) = *reg(s, i, s->p->lists[op->a + k]);
}

static void copy_cells(struct state *s, const struct sb_columnprog_op *op) {
    for (size_t i = 0; i < s->n; i++)
        for (uint32_t k = 0; k < op->n; k++)
            *cell(s, i, op->dst + k) = *cell(s, i, s->p->lists[op->a + k]);
}

static void to_cells(struct state *s, const struct sb_columnprog_op *op) {
    for (size_t i = 0; i < s->n; i++)
        for (uint32_t k = 0; k < op->n; k++)
            *cell(s, i, op->dst + k) = number(*reg(s, i, s->p->lists[op->a + k]));
}

static sb_err to_numbers(struct state *s, const struct sb_columnprog_op *op) {
    for (size_t i = 0; i < s->n; i++) {
        for (uint32_t k = 0; k < op->n; k++) {
            uint32_t from = s->p->lists[op->a + k];
            const struct sb_columnprog_cell *c = cell(s, i, from);
            if (c->tag == SB_CELL_TEXT)
                return refuse(s, i, cell_origin(s, from), "a number is expected", *c);
            *reg(s, i, op->dst + k) = c->tag == SB_CELL_NUMBER ? c->d : NAN;
        }
    }
    return SB_OK;
}

static sb_err check(struct state *s, const struct sb_columnprog_op *op) {
    bool no_nan = op->flags & 1, f32 = is_f32(s, op);
    for (size_t i = 0; i < s->n; i++) {
        for (uint32_t k = 0; k < op->n; k++) {
            double v = rounded(*reg(s, i, op->dst + k), f32);
            if (isinf(v))
                return refuse(s, i, s->p->origins[op->dst + k], "infinity or a value too large",
                              number(v));
            if (no_nan && isnan(v))
                return refuse(s, i, s->p->origins[op->dst + k],
                              "missing value or NaN, which this model does not accept", number(v));
        }
    }
    return SB_OK;
}

/* ---- arithmetic ---- */

static void standard(struct state *s, const struct sb_columnprog_op *op) {
    const double *mean = op->a == NO_INDEX ? NULL : s->p->numbers + op->a;
    const double *scale = op->b == NO_INDEX ? NULL : s->p->numbers + op->b;
    bool f32 = is_f32(s, op), params = f32 && (op->flags & 1);
    for (size_t i = 0; i < s->n; i++) {
        double *x = reg(s, i, op->dst);
        if (f32) {
            for (uint32_t k = 0; k < op->n; k++) {
                if (mean) x[k] = rounded(x[k] - rounded(mean[k], params), true);
                if (scale) x[k] = rounded(x[k] / rounded(scale[k], params), true);
            }
        } else if (mean && scale) {
            for (uint32_t k = 0; k < op->n; k++) x[k] = (x[k] - mean[k]) / scale[k];
        } else if (mean) {
            for (uint32_t k = 0; k < op->n; k++) x[k] -= mean[k];
        } else if (scale) {
            for (uint32_t k = 0; k < op->n; k++) x[k] /= scale[k];
        }
    }
}

static void minmax(struct state *s, const struct sb_columnprog_op *op) {
    const double *a = s->p->numbers + op->a, *b = s->p->numbers + op->b;
    bool f32 = is_f32(s, op);
    for (size_t i = 0; i < s->n; i++) {
        double *x = reg(s, i, op->dst);
        for (uint32_t k = 0; k < op->n; k++) x[k] = rounded(rounded(x[k] * a[k], f32) + b[k], f32);
    }
}

static void multiply(struct state *s, const struct sb_columnprog_op *op) {
    const double *a = s->p->numbers + op->a;
    bool f32 = is_f32(s, op);
    for (size_t i = 0; i < s->n; i++) {
        double *x = reg(s, i, op->dst);
        for (uint32_t k = 0; k < op->n; k++) x[k] = rounded(x[k] * a[k], f32);
    }
}

/* numpy's clip: NaN stays. */
static void clip(struct state *s, const struct sb_columnprog_op *op) {
    bool f32 = is_f32(s, op);
    double lo = rounded(s->p->numbers[op->a], f32), hi = rounded(s->p->numbers[op->a + 1], f32);
    for (size_t i = 0; i < s->n; i++) {
        double *x = reg(s, i, op->dst);
        for (uint32_t k = 0; k < op->n; k++) {
            if (x[k] < lo) x[k] = lo;
            if (x[k] > hi) x[k] = hi;
        }
    }
}

/* ---- missing values ---- */

static bool same_number(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

/* The register holds None, as far as flags care. */
static bool is_none(const struct state *s, const struct sb_columnprog_op *op, size_t i,
                    uint32_t r) {
    const struct sb_columnprog_source *c = &s->r->sources[s->p->origins[r]];
    return op->flags & SB_FILL_NOT_NONE && c->type == SB_COLUMNPROG_BOOL &&
           is_null(c, s->first + i);
}

static void fill(struct state *s, const struct sb_columnprog_op *op) {
    const double *to = s->p->numbers + op->a;
    double missing = s->p->numbers[op->b];
    bool f32 = is_f32(s, op);
    for (size_t i = 0; i < s->n; i++) {
        double *x = reg(s, i, op->dst);
        for (uint32_t k = 0; k < op->n; k++)
            if (same_number(x[k], missing) && !is_none(s, op, i, op->dst + k))
                x[k] = rounded(to[k], f32);
    }
}

static void missing(struct state *s, const struct sb_columnprog_op *op) {
    double what = s->p->numbers[op->b];
    for (size_t i = 0; i < s->n; i++) {
        for (uint32_t k = 0; k < op->n; k++) {
            uint32_t from = s->p->lists[op->a + k];
            *reg(s, i, op->dst + k) =
                same_number(*reg(s, i, from), what) && !is_none(s, op, i, from);
        }
    }
}

static struct sb_str text_at(const struct sb_columnprog *p, uint32_t i) {
    uint32_t from = i ? p->ends[i - 1] : 0;
    return sb_str_make(p->bytes.p + from, p->ends[i] - from);
}

static struct sb_columnprog_cell constant(const struct sb_columnprog *p, uint32_t i) {
    uint32_t tag = p->constants[2 * i], at = p->constants[2 * i + 1];
    struct sb_columnprog_cell c = {.tag = (enum sb_columnprog_tag)tag};
    if (tag == SB_CELL_NUMBER) c.d = p->numbers[at];
    if (tag == SB_CELL_TEXT) c.s = text_at(p, at);
    return c;
}

static bool same_cell(const struct sb_columnprog_cell *a, const struct sb_columnprog_cell *b) {
    if (a->tag != b->tag) return false;
    if (a->tag == SB_CELL_NUMBER) return same_number(a->d, b->d);
    return a->tag == SB_CELL_NONE || sb_str_eq(a->s, b->s);
}

static sb_err fill_cells(struct state *s, const struct sb_columnprog_op *op) {
    struct sb_columnprog_cell what = constant(s->p, op->b);
    bool no_nan = op->flags & 1;
    for (uint32_t k = 0; k < op->n; k++) {
        struct sb_columnprog_cell to = constant(s->p, op->a + k);
        for (size_t i = 0; i < s->n; i++) {
            struct sb_columnprog_cell *c = cell(s, i, op->dst + k);
            if (no_nan && c->tag == SB_CELL_NUMBER && isnan(c->d))
                return refuse(s, i, cell_origin(s, op->dst + k), "missing value or NaN", *c);
            if (same_cell(c, &what)) *c = to;
        }
    }
    return SB_OK;
}

static void missing_cells(struct state *s, const struct sb_columnprog_op *op) {
    struct sb_columnprog_cell what = constant(s->p, op->b);
    for (size_t i = 0; i < s->n; i++)
        for (uint32_t k = 0; k < op->n; k++)
            *reg(s, i, op->dst + k) = same_cell(cell(s, i, s->p->lists[op->a + k]), &what);
}

/* ---- categories ---- */

static bool find_text(const struct sb_columnprog *p, const struct sb_columnprog_encoder *e,
                      struct sb_str text, double *code) {
    if (e->nslots == 0) return false;
    const uint32_t *slots = p->lists + e->slots;
    for (uint32_t at = text_hash(text) & (e->nslots - 1); slots[at];
         at = (at + 1) & (e->nslots - 1)) {
        if (!sb_str_eq(text_at(p, e->first_text + slots[at] - 1), text)) continue;
        *code = p->numbers[e->codes + slots[at] - 1];
        return true;
    }
    return false;
}

static bool find_number(const struct sb_columnprog *p, const struct sb_columnprog_encoder *e,
                        double v, double *code) {
    const double *sorted = p->numbers + e->numbers;
    if (isnan(v)) {
        *code = p->numbers[e->special];
        return e->has_nan;
    }
    if (e->integers && (v > 0x1p53 || v < -0x1p53)) return false;
    uint32_t lo = 0, hi = e->nnumbers;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (sorted[mid] < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == e->nnumbers || sorted[lo] != v) return false;
    *code = sorted[e->nnumbers + lo];
    return true;
}

static bool find(const struct sb_columnprog *p, const struct sb_columnprog_encoder *e,
                 const struct sb_columnprog_cell *c, double *code) {
    switch (c->tag) {
    case SB_CELL_TEXT: return find_text(p, e, c->s, code);
    case SB_CELL_NUMBER: return find_number(p, e, c->d, code);
    default: *code = p->numbers[e->special + 1]; return e->has_none;
    }
}

/* Combinations that numpy itself refuses: an array of numbers or of bools against categories that
 * are an object array. */
static const char *refused(const struct sb_columnprog_encoder *e, uint32_t from,
                           const struct sb_columnprog_source *source) {
    if (!e->objects) return NULL;
    bool numeric = from == 0;
    if (from == 1)
        numeric = source->type != SB_COLUMNPROG_TEXT && source->type != SB_COLUMNPROG_BOOL &&
                  source->type != SB_COLUMNPROG_OTHER;
    return numeric ? "text is expected: the model's categories are not numbers" : NULL;
}

/* Row i's value: from a register, a source or a cell. */
static sb_err encoded_value(struct state *s, const struct sb_columnprog_op *op, size_t i,
                            struct sb_columnprog_cell *v, uint32_t *origin) {
    if (op->flags == 2) {
        *v = *cell(s, i, op->b);
        *origin = cell_origin(s, op->b);
        return SB_OK;
    }
    if (op->flags == 1) {
        const struct sb_columnprog_source *c = &s->r->sources[op->b];
        *origin = op->b;
        if (!cell_at(c, s->first + i, v))
            return refuse(s, i, op->b, "a number or text is expected", *v);
        /* categories are compared as whole numbers where both sides are */
        if (c->type == SB_COLUMNPROG_INT64 && v->tag == SB_CELL_NUMBER && !isnan(v->d) &&
            s->p->encoders[op->a].integers &&
            (int64_t)fmax(fmin(v->d, 0x1p62), -0x1p62) !=
                ((const int64_t *)c->data)[(s->first + i) * c->stride])
            v->d = INFINITY;
        else if (v->tag == SB_CELL_NUMBER && isinf(v->d))
            return refuse(s, i, op->b, "infinity", *v);
        return SB_OK;
    }
    *origin = s->p->origins[op->b];
    *v = number(*reg(s, i, op->b));
    return isinf(v->d) ? refuse(s, i, *origin, "infinity or a value too large", *v) : SB_OK;
}

static void put_code(struct state *s, const struct sb_columnprog_op *op, bool onehot, size_t i,
                     double code) {
    double *x = reg(s, i, op->dst);
    if (!onehot)
        *x = code;
    else if (code >= 0)
        x[(size_t)code] = 1;
}

static sb_err encode(struct state *s, const struct sb_columnprog_op *op) {
    const struct sb_columnprog_encoder *e = &s->p->encoders[op->a];
    const char *wrong = refused(e, op->flags, op->flags == 1 ? &s->r->sources[op->b] : NULL);
    for (size_t i = 0; i < s->n; i++) {
        struct sb_columnprog_cell v;
        uint32_t origin;
        double code = -1;
        SB_TRY(encoded_value(s, op, i, &v, &origin));
        if (wrong) return refuse(s, i, origin, wrong, v);
        if (e->onehot) memset(reg(s, i, op->dst), 0, op->n * sizeof(double));
        if (!find(s->p, e, &v, &code)) {
            /* an unknown bool is replaced by the first category, and text does not fit bools */
            bool misfit = v.boolean && (e->objects & 2);
            if (e->unknown == SB_UNKNOWN_REFUSED || misfit)
                return refuse(s, i, origin, "unknown category", v);
            code = e->unknown == SB_UNKNOWN_CODE ? s->p->numbers[e->special + 2] : -1;
        }
        put_code(s, op, e->onehot, i, code);
    }
    return SB_OK;
}

/* ---- all ---- */

static sb_err step(struct state *s, const struct sb_columnprog_op *op) {
    switch ((enum sb_columnprog_code)op->code) {
    case SB_OP_LOAD: return load(s, op);
    case SB_OP_CELLS: return load_cells(s, op);
    case SB_OP_COPY: copy(s, op); break;
    case SB_OP_COPY_CELLS: copy_cells(s, op); break;
    case SB_OP_NUMBERS: return to_numbers(s, op);
    case SB_OP_TO_CELLS: to_cells(s, op); break;
    case SB_OP_CHECK: return check(s, op);
    case SB_OP_STANDARD: standard(s, op); break;
    case SB_OP_MINMAX: minmax(s, op); break;
    case SB_OP_MULTIPLY: multiply(s, op); break;
    case SB_OP_CLIP: clip(s, op); break;
    case SB_OP_FILL: fill(s, op); break;
    case SB_OP_MISSING: missing(s, op); break;
    case SB_OP_FILL_CELLS: return fill_cells(s, op);
    case SB_OP_MISSING_CELLS: missing_cells(s, op); break;
    case SB_OP_ENCODE: return encode(s, op);
    case SB_OP_COUNT: break;
    }
    return SB_OK;
}

sb_err sb_columnprog_rows(struct sb_columnprog_run *r, size_t first, size_t n) {
    struct state s = {
        .r = r, .p = r->p, .work = r->work, .cells = r->cells, .first = first, .n = n};
    for (uint32_t i = 0; i < r->p->nops; i++) SB_TRY(step(&s, &r->p->ops[i]));
    return SB_OK;
}
