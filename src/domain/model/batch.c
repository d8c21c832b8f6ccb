/* Columns share one row capacity, which doubles; the arena keeps the outgrown arrays until the
 * request ends, so the sum is at most twice what is needed. Per column, `rows` counts the leading
 * rows that have a value: a gap before the row now set is filled as missing, a row already set is a
 * name given twice. */
#include "domain/model/batch.h"

#include <math.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"
#include "domain/model/enforce.h"

struct sb_batch_fill {
    size_t rows;
    bool seen;     /* has had a cell at all */
    bool untyped;  /* inferred, and only nulls so far */
    bool required; /* by the signature */
    const struct sb_field *field;
    size_t *element_row; /* by_element: row + 1 in which each value was set last */
    size_t elements;     /* by_element: values of the row now filled */
};

/* ---- failures ---- */

static sb_err fail_cell(struct sb_batch_builder *b, size_t col, size_t row,
                        const struct sb_json_reader *r, sb_err err, const char *what,
                        const struct sb_cell *c) {
    b->bad_column = b->cols[col].name;
    b->bad_row = (int64_t)row;
    char text[48] = "";
    if (c) {
        struct sb_str whole = c->token.n ? c->token : c->text, t = sb_str_sub(whole, 0, 40);
        while (t.n && t.n < whole.n && ((uint8_t)whole.p[t.n] & 0xc0) == 0x80) t.n--;
        memcpy(text, t.n ? t.p : "", t.n);
    }
    return sb_fail_at(b->opts.ctx, err, r ? r->p - r->begin : -1, "%s (row %zu%s%s)", what, row,
                      c ? ": " : "", text);
}

static sb_err fail_cast(struct sb_batch_builder *b, size_t col, size_t row,
                        const struct sb_json_reader *r, const struct sb_cell *c, enum sb_cast why) {
    if (why == SB_CAST_NOMEM) return fail_cell(b, col, row, r, SB_E_LIMIT, "batch too large", NULL);
    struct sb_str name = sb_str_sub(b->cols[col].name, 0, 80);
    enum sb_dtype t = b->cols[col].type;
    char what[SB_ERRMSG_MAX];
    struct sb_errctx text = {0};
    if (why == SB_CAST_UNSAFE)
        sb_fail(&text, SB_E_INVALID,
                "Incompatible input types for column %.*s. Can not safely convert %s to %s",
                SB_ARG(name), sb_cell_numpy(c), sb_dtype_numpy(t));
    else
        sb_fail(&text, SB_E_INVALID, "Failed to convert column %.*s to type '%s'", SB_ARG(name),
                sb_dtype_numpy(t));
    memcpy(what, text.msg, sizeof what);
    return fail_cell(b, col, row, r, SB_E_INVALID, what, c);
}

static sb_err fail_memory(struct sb_batch_builder *b) {
    return sb_fail(b->opts.ctx, SB_E_LIMIT, "the rows take more memory than one request may");
}

/* ---- set-up ---- */

static bool grow_array(struct sb_arena *a, void **p, size_t old, size_t cap, size_t size) {
    void *to = sb_arena_try_array(a, cap, size);
    if (!to) return false;
    if (*p) memcpy(to, *p, old * size);
    *p = to;
    return true;
}

/* Arrays of one column for cap rows, keeping the first `old` ones. */
static bool column_resize(struct sb_batch_builder *b, struct sb_column *c, size_t old, size_t cap) {
    size_t size;
    struct sb_arena *a = b->opts.arena;
    if (!sb_mul_ok(sb_dtype_size(c->type), c->width, &size)) return false;
    if (!grow_array(a, &c->data, old, cap, size)) return false;
    void *null = c->null, *tokens = c->tokens;
    if (null && !grow_array(a, &null, old, cap, 1)) return false;
    if (b->opts.tokens && !grow_array(a, &tokens, old, cap, sizeof *c->tokens)) return false;
    c->null = null;
    c->tokens = tokens;
    return true;
}

static struct sb_str position_name(struct sb_arena *a, size_t i) {
    return sb_str_of(sb_arena_printf(a, "%zu", i));
}

sb_err sb_batch_begin(struct sb_batch_builder *b, const struct sb_batch_opts *opts) {
    *b = (struct sb_batch_builder){.opts = *opts, .bad_row = -1};
    const struct sb_signature *s = opts->signature;
    if (!b->opts.max_rows) b->opts.max_rows = SB_LIMIT_PREDICT_ROWS;
    b->cap_rows = opts->rows_hint ? opts->rows_hint : 1;
    if (b->cap_rows > b->opts.max_rows) b->cap_rows = b->opts.max_rows;
    b->infer = !s || !s->ninputs;
    b->cap_cols = b->infer ? 8 : s->ninputs;
    b->cols = sb_arena_try_array(opts->arena, b->cap_cols, sizeof *b->cols);
    b->fill = sb_arena_try_array(opts->arena, b->cap_cols, sizeof *b->fill);
    if (!b->cols || !b->fill) return fail_memory(b);
    if (b->infer) return SB_OK;
    b->ncols = s->ninputs;
    for (size_t i = 0; i < b->ncols; i++) {
        const struct sb_field *f = &s->inputs[i];
        b->fill[i] = (struct sb_batch_fill){.required = f->required, .field = f};
        b->cols[i] = (struct sb_column){
            .name = f->name ? sb_str_of(f->name) : position_name(opts->arena, i),
            .type = f->type,
            .width = f->width < 0 ? 1 : (size_t)f->width,
        };
        if (!column_resize(b, &b->cols[i], 0, b->cap_rows)) return fail_memory(b);
    }
    b->by_element = s->tensor && !s->named && s->inputs[0].ndims == 1 && s->inputs[0].width > 0 &&
                    s->inputs[0].type != SB_DTYPE_JSON;
    return SB_OK;
}

/* ---- names ---- */

/* Names met so far, when the signature does not index them: open addressing, at most half full. */
static size_t name_slot(const struct sb_batch_builder *b, struct sb_str name) {
    size_t at = sb_hash(name.p, name.n) & (b->cap_slots - 1);
    while (b->slots[at] && !sb_str_eq(b->names[b->slots[at] - 1], name))
        at = (at + 1) & (b->cap_slots - 1);
    return at;
}

static bool names_grow(struct sb_batch_builder *b) {
    size_t cap = b->cap_slots ? b->cap_slots * 2 : 16;
    uint32_t *slots = sb_arena_try_array(b->opts.arena, cap, sizeof *slots);
    void *names = b->names;
    if (!slots || !grow_array(b->opts.arena, &names, b->nnames, cap / 2, sizeof *b->names))
        return false;
    b->names = names;
    b->slots = slots;
    b->cap_slots = cap;
    for (size_t i = 0; i < b->nnames; i++) slots[name_slot(b, b->names[i])] = (uint32_t)i + 1;
    return true;
}

/* Index of a name, new ones at the end; -1 when there are `max` already. */
static ptrdiff_t name_index(struct sb_batch_builder *b, struct sb_str name, size_t max) {
    if (b->next < b->nnames && sb_str_eq(b->names[b->next], name)) return (ptrdiff_t)b->next;
    if (b->nnames * 2 >= b->cap_slots && !names_grow(b)) return -1;
    size_t at = name_slot(b, name);
    if (b->slots[at]) return (ptrdiff_t)b->slots[at] - 1;
    if (b->nnames >= max) return -1;
    b->names[b->nnames++] = name;
    b->slots[at] = (uint32_t)b->nnames;
    return (ptrdiff_t)b->nnames - 1;
}

static bool add_column(struct sb_batch_builder *b, struct sb_str name) {
    if (b->ncols == b->cap_cols) {
        void *cols = b->cols, *fill = b->fill;
        size_t cap = b->cap_cols * 2;
        if (!grow_array(b->opts.arena, &cols, b->ncols, cap, sizeof *b->cols) ||
            !grow_array(b->opts.arena, &fill, b->ncols, cap, sizeof *b->fill))
            return false;
        b->cols = cols;
        b->fill = fill;
        b->cap_cols = cap;
    }
    struct sb_column *c = &b->cols[b->ncols];
    *c = (struct sb_column){.name = name, .type = SB_DTYPE_FLOAT64, .width = 1};
    b->fill[b->ncols] = (struct sb_batch_fill){.untyped = true};
    if (!column_resize(b, c, 0, b->cap_rows)) return false;
    b->ncols++;
    return true;
}

static ptrdiff_t skip_extra(struct sb_batch_builder *b, struct sb_str name) {
    for (size_t i = 0; i < b->nextra; i++)
        if (sb_str_eq(b->extra[i], name)) return SB_BATCH_SKIP;
    if (b->nextra < SB_BATCH_EXTRA_NAMES) b->extra[b->nextra++] = name;
    return SB_BATCH_SKIP;
}

static ptrdiff_t find_column(struct sb_batch_builder *b, struct sb_str name) {
    const struct sb_signature *s = b->opts.signature;
    if (b->overflow) return SB_BATCH_SKIP;
    if (b->infer) {
        ptrdiff_t at = name_index(b, name, SB_LIMIT_PREDICT_FEATURES);
        if (at < 0 || ((size_t)at == b->ncols && !add_column(b, name))) {
            b->overflow = true;
            return SB_BATCH_SKIP;
        }
        return at;
    }
    if (s->named) {
        if (sb_str_eq(b->cols[b->next].name, name)) return (ptrdiff_t)b->next;
        ptrdiff_t at = sb_signature_find(s, name);
        return at < 0 ? skip_extra(b, name) : at;
    }
    /* unnamed inputs take a frame's columns in the order of its first row */
    ptrdiff_t at = name_index(b, name, b->by_element ? b->cols[0].width : b->ncols);
    if (at < 0) return skip_extra(b, name);
    return b->by_element ? at + (ptrdiff_t)b->ncols : at;
}

ptrdiff_t sb_batch_column(struct sb_batch_builder *b, struct sb_str name) {
    ptrdiff_t at = find_column(b, name);
    if (at >= 0) {
        size_t n = b->by_element ? b->cols[0].width : b->ncols;
        b->next = (size_t)at + 1 - (b->by_element ? b->ncols : 0);
        if (b->next >= n) b->next = 0;
    }
    return at;
}

ptrdiff_t sb_batch_column_at(struct sb_batch_builder *b, size_t position) {
    const struct sb_signature *s = b->opts.signature;
    if (b->infer) {
        if (position < b->ncols) return (ptrdiff_t)position;
        return sb_batch_column(b, position_name(b->opts.arena, position));
    }
    if (b->by_element && position < b->cols[0].width) return (ptrdiff_t)(b->ncols + position);
    if (!b->by_element && position < b->ncols && (!s->named || b->ncols == 1 || b->opts.positions))
        return (ptrdiff_t)position;
    if (b->nextra == SB_BATCH_EXTRA_NAMES) return SB_BATCH_SKIP;
    return skip_extra(b, position_name(b->opts.arena, position));
}

/* ---- cells ---- */

static bool mark_null(struct sb_batch_builder *b, struct sb_column *c, size_t row) {
    if (!c->null) {
        c->null = sb_arena_try_array(b->opts.arena, b->cap_rows, 1);
        if (!c->null) return false;
    }
    c->null[row] = 1;
    return true;
}

/* Rows [from, to) of a column as missing. */
static sb_err fill_missing(struct sb_batch_builder *b, size_t col, size_t from, size_t to) {
    struct sb_column *c = &b->cols[col];
    const struct sb_batch_fill *f = &b->fill[col];
    bool has_nan = c->type == SB_DTYPE_FLOAT32 || c->type == SB_DTYPE_FLOAT64;
    bool has_none = has_nan || c->type == SB_DTYPE_STRING || c->type == SB_DTYPE_DATETIME;
    for (size_t row = from; row < to; row++) {
        if (f->field && f->required && (!has_none || b->opts.rows_complete)) {
            b->bad_column = c->name;
            b->bad_row = (int64_t)row;
            return sb_fail(b->opts.ctx, SB_E_INVALID,
                           "The input column '%.*s' is required by the model signature but missing "
                           "from the input data (row %zu).",
                           SB_ARG(sb_str_sub(c->name, 0, 80)), row);
        }
        if (!mark_null(b, c, row)) return fail_memory(b);
        for (size_t i = 0; i < c->width; i++) {
            if (c->type == SB_DTYPE_FLOAT64) c->f64[row * c->width + i] = NAN;
            if (c->type == SB_DTYPE_FLOAT32) c->f32[row * c->width + i] = NAN;
            if (c->type == SB_DTYPE_JSON) c->s[row] = SB_STR("null");
        }
    }
    return SB_OK;
}

/* Makes room for the row and fills the gap before it. */
static sb_err reach_row(struct sb_batch_builder *b, size_t col, size_t row) {
    if (row >= b->cap_rows) {
        if (row >= b->opts.max_rows)
            return sb_fail(b->opts.ctx, SB_E_LIMIT, "more than %zu rows in one request",
                           b->opts.max_rows);
        size_t cap = b->cap_rows;
        while (cap <= row) cap *= 2;
        if (cap > b->opts.max_rows) cap = b->opts.max_rows;
        for (size_t i = 0; i < b->ncols; i++)
            if (!column_resize(b, &b->cols[i], b->cap_rows, cap)) return fail_memory(b);
        b->cap_rows = cap;
    }
    struct sb_batch_fill *f = &b->fill[col];
    if (row < f->rows)
        return fail_cell(b, col, row, NULL, SB_E_INVALID, "the column is given twice", NULL);
    if (row > f->rows) SB_TRY(fill_missing(b, col, f->rows, row));
    f->rows = row + 1;
    f->seen = true;
    return SB_OK;
}

static void *cell_at(struct sb_column *c, size_t i) {
    return (char *)c->data + i * sb_dtype_size(c->type);
}

/* A null where the signature wants a value: allowed where the type has a missing value of its own
 * (as a data frame has), or the input is optional. */
static bool null_allowed(const struct sb_batch_fill *f, enum sb_dtype t) {
    if (!f->field || !f->required || f->field->spec) return true; /* a spec was checked already */
    return t == SB_DTYPE_FLOAT32 || t == SB_DTYPE_FLOAT64 || t == SB_DTYPE_STRING ||
           t == SB_DTYPE_DATETIME;
}

static sb_err check_nested(struct sb_batch_builder *b, size_t col, size_t row,
                           const struct sb_json_reader *r, struct sb_str token) {
    const struct sb_field *f = b->fill[col].field;
    if (!f || !f->spec) return SB_OK;
    struct sb_json_reader inner;
    struct sb_errctx ctx = {0};
    struct sb_json *v;
    sb_json_reader_init(&inner, token, b->opts.arena, &ctx);
    inner.nonfinite = r && r->nonfinite;
    sb_err err = sb_json_parse_with(&v, &inner);
    if (!err) err = sb_enforce_nested(f->spec, f->required, v, &ctx);
    if (!err) return SB_OK;
    struct sb_errctx text = {0};
    sb_fail(&text, err, "Failed to enforce schema of column %.*s: %s",
            SB_ARG(sb_str_sub(b->cols[col].name, 0, 60)), sb_errctx_text(&ctx, err));
    return fail_cell(b, col, row, r, err, text.msg, NULL);
}

/* An inferred column takes the type of its first value that is not null. */
static sb_err infer_type(struct sb_batch_builder *b, size_t col, size_t row,
                         const struct sb_json_reader *r, const struct sb_cell *c) {
    struct sb_batch_fill *f = &b->fill[col];
    struct sb_column *column = &b->cols[col];
    if (f->field || c->type == SB_JSON_NULL) return SB_OK;
    enum sb_dtype t = c->type == SB_JSON_NUMBER                             ? SB_DTYPE_FLOAT64
                      : c->type == SB_JSON_STRING                           ? SB_DTYPE_STRING
                      : c->type == SB_JSON_TRUE || c->type == SB_JSON_FALSE ? SB_DTYPE_BOOL
                                                                            : SB_DTYPE_JSON;
    if (!f->untyped && t != column->type && column->type != SB_DTYPE_JSON) {
        struct sb_errctx text = {0};
        sb_fail(&text, SB_E_INVALID, "column %.*s has values of type %s and %s",
                SB_ARG(sb_str_sub(column->name, 0, 80)), sb_dtype_name(column->type),
                sb_dtype_name(t));
        return fail_cell(b, col, row, r, SB_E_INVALID, text.msg, c);
    }
    if (f->untyped && t != column->type) {
        column->type = t;
        if (!grow_array(b->opts.arena, &column->data, 0, b->cap_rows, sb_dtype_size(t)))
            return fail_memory(b);
        for (size_t i = 0; i < row && t == SB_DTYPE_JSON; i++) column->s[i] = SB_STR("null");
    }
    f->untyped = false;
    return SB_OK;
}

static sb_err put(struct sb_batch_builder *b, size_t col, size_t row, size_t at,
                  const struct sb_json_reader *r, const struct sb_cell *c) {
    struct sb_column *column = &b->cols[col];
    enum sb_cast k = sb_cell_cast(c, column->type, cell_at(column, at), b->opts.arena);
    if (k == SB_CAST_OK) return SB_OK;
    if (k != SB_CAST_NULL) return fail_cast(b, col, row, r, c, k);
    if (!null_allowed(&b->fill[col], column->type))
        return fail_cast(b, col, row, r, c, SB_CAST_FAILED);
    if (column->width == 1 && !mark_null(b, column, row)) return fail_memory(b);
    return SB_OK;
}

/* ---- tokens ---- */

/* Length of NaN, Infinity or -Infinity at the start of s, and what an event has for it. */
static size_t nonfinite_at(struct sb_str s, struct sb_str *strict) {
    static const struct {
        struct sb_str word, strict;
    } words[] = {{{"NaN", 3}, {"null", 4}},
                 {{"Infinity", 8}, {"\"Infinity\"", 10}},
                 {{"-Infinity", 9}, {"\"-Infinity\"", 11}}};
    for (size_t i = 0; i < SB_COUNT(words); i++) {
        if (!sb_str_starts(s, words[i].word)) continue;
        *strict = words[i].strict;
        return words[i].word.n;
    }
    return 0;
}

/* A token that reads as JSON where the reader took more than that: events are strict. False: over
 * the arena's maximum. */
static bool keep_token(struct sb_batch_builder *b, size_t col, size_t row,
                       const struct sb_json_reader *r, struct sb_str token) {
    b->cols[col].tokens[row] = token;
    if (!r || !r->nonfinite || !token.n) return true;
    if (!memchr(token.p, 'N', token.n) && !memchr(token.p, 'I', token.n)) return true;
    struct sb_buf to;
    bool inside = false; /* a string */
    sb_buf_init(&to, 4 * token.n);
    for (size_t i = 0; i < token.n;) {
        struct sb_str strict, rest = sb_str_sub(token, i, token.n);
        size_t n = inside ? 0 : nonfinite_at(rest, &strict);
        if (!n) {
            n = inside && rest.p[0] == '\\' ? 2 : 1;
            if (rest.p[0] == '"') inside = !inside;
            strict = sb_str_sub(rest, 0, n);
        }
        sb_buf_adds(&to, strict);
        i += n;
    }
    b->cols[col].tokens[row] = sb_arena_dup(b->opts.arena, sb_buf_view(&to));
    sb_buf_fini(&to);
    return b->cols[col].tokens[row].p != NULL;
}

/* r may be NULL. */
static sb_err set_plain(struct sb_batch_builder *b, size_t col, size_t row,
                        const struct sb_json_reader *r, const struct sb_cell *c) {
    SB_TRY(infer_type(b, col, row, r, c));
    struct sb_column *column = &b->cols[col];
    if (b->opts.tokens && !keep_token(b, col, row, r, c->token)) return fail_memory(b);
    if (column->type == SB_DTYPE_JSON) SB_TRY(check_nested(b, col, row, r, c->token));
    return put(b, col, row, row, r, c);
}

/* ---- tensors ---- */

static sb_err fail_shape(struct sb_batch_builder *b, size_t col, size_t row,
                         const struct sb_json_reader *r) {
    const struct sb_field *f = b->fill[col].field;
    struct sb_buf shape;
    sb_buf_init(&shape, 200);
    sb_buf_addf(&shape, "(%lld", (long long)f->rows);
    for (int i = 0; i < f->ndims; i++) sb_buf_addf(&shape, ", %lld", (long long)f->dims[i]);
    sb_buf_addz(&shape, f->ndims ? ")" : ",)");
    struct sb_errctx text = {0};
    sb_fail(&text, SB_E_INVALID, "Shape of input %.*s does not match expected shape %s",
            SB_ARG(sb_str_sub(b->cols[col].name, 0, 60)), sb_buf_cstr(&shape));
    sb_buf_fini(&shape);
    return fail_cell(b, col, row, r, SB_E_INVALID, text.msg, NULL);
}

/* Reads the nested arrays of one row; at most SB_TENSOR_DIMS_MAX deep, as the shape is. */
static sb_err set_tensor(struct sb_batch_builder *b, size_t col, size_t row, int dim, size_t *at,
                         struct sb_json_reader *r) {
    const struct sb_field *f = b->fill[col].field;
    enum sb_json_type t;
    SB_TRY(sb_json_peek(r, &t));
    if ((t == SB_JSON_ARRAY) != (dim < f->ndims)) return fail_shape(b, col, row, r);
    if (dim == f->ndims) {
        struct sb_cell c;
        SB_TRY(sb_cell_read(r, &c));
        return put(b, col, row, (*at)++, r, &c);
    }
    int64_t n = 0;
    SB_TRY(sb_json_enter_array(r));
    for (bool more;; n++) {
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) break;
        if (n >= f->dims[dim]) return fail_shape(b, col, row, r);
        SB_TRY(set_tensor(b, col, row, dim + 1, at, r));
    }
    return n == f->dims[dim] ? SB_OK : fail_shape(b, col, row, r);
}

/* Value `e` of a row of the only tensor. r may be NULL. */
static sb_err set_element(struct sb_batch_builder *b, size_t e, size_t row,
                          const struct sb_json_reader *r, const struct sb_cell *cell) {
    struct sb_batch_fill *f = &b->fill[0];
    struct sb_column *c = &b->cols[0];
    if (!f->element_row) {
        f->element_row = sb_arena_try_array(b->opts.arena, c->width, sizeof *f->element_row);
        if (!f->element_row) return fail_memory(b);
    }
    if (row + 1 != f->rows) {
        if (f->rows && f->elements < c->width) return fail_shape(b, 0, f->rows - 1, r);
        SB_TRY(reach_row(b, 0, row));
        f->elements = 0;
    }
    if (f->element_row[e] == row + 1)
        return fail_cell(b, 0, row, r, SB_E_INVALID, "the column is given twice", NULL);
    f->element_row[e] = row + 1;
    f->elements++;
    return put(b, 0, row, row * c->width + e, r, cell);
}

sb_err sb_batch_set_cell(struct sb_batch_builder *b, ptrdiff_t column, size_t row,
                         struct sb_json_reader *r) {
    if (column < 0) {
        struct sb_str raw;
        return sb_json_skip(r, &raw);
    }
    size_t col = (size_t)column;
    struct sb_cell cell;
    if (col >= b->ncols) {
        SB_TRY(sb_cell_read(r, &cell));
        return set_element(b, col - b->ncols, row, r, &cell);
    }
    SB_TRY(reach_row(b, col, row));
    struct sb_column *c = &b->cols[col];
    const struct sb_field *f = b->fill[col].field;
    if (f && f->ndims > 0 && c->type != SB_DTYPE_JSON) {
        size_t at = row * c->width;
        const char *from = r->p;
        SB_TRY(set_tensor(b, col, row, 0, &at, r));
        struct sb_str token = sb_str_trim(sb_str_make(from, (size_t)(r->p - from)));
        return !b->opts.tokens || keep_token(b, col, row, r, token) ? SB_OK : fail_memory(b);
    }
    enum sb_json_type t;
    SB_TRY(sb_json_peek(r, &t));
    if (SB_LIKELY(t == SB_JSON_NUMBER && c->type == SB_DTYPE_FLOAT64 && !b->fill[col].untyped)) {
        struct sb_str token;
        SB_TRY(sb_json_read_double(r, &c->f64[row], &token));
        if (!b->opts.tokens) return SB_OK;
        if (SB_LIKELY(isfinite(c->f64[row])))
            c->tokens[row] = token;
        else if (!keep_token(b, col, row, r, token))
            return fail_memory(b);
        return SB_OK;
    }
    SB_TRY(sb_cell_read(r, &cell));
    return set_plain(b, col, row, r, &cell);
}

enum sb_dtype sb_batch_column_type(const struct sb_batch_builder *b, ptrdiff_t column) {
    size_t col = (size_t)column >= b->ncols ? 0 : (size_t)column;
    return column < 0 || b->infer ? SB_DTYPE_STRING : b->cols[col].type;
}

sb_err sb_batch_set_value(struct sb_batch_builder *b, ptrdiff_t column, size_t row, size_t at,
                          const struct sb_cell *c) {
    if (column < 0) return SB_OK;
    size_t col = (size_t)column;
    if (col >= b->ncols) return set_element(b, col - b->ncols, row, NULL, c);
    if (at == 0) SB_TRY(reach_row(b, col, row));
    struct sb_column *column_at = &b->cols[col];
    SB_ASSERT(at < column_at->width);
    const struct sb_field *f = b->fill[col].field;
    if (f && f->ndims > 0 && column_at->type != SB_DTYPE_JSON)
        return put(b, col, row, row * column_at->width + at, NULL, c);
    return set_plain(b, col, row, NULL, c);
}

/* ---- the end ---- */

static void add_names(struct sb_buf *m, const struct sb_str *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        sb_buf_addf(m, "%s'%.*s'", i ? ", " : "", SB_ARG(sb_str_sub(names[i], 0, 40)));
}

static sb_err fail_missing(struct sb_batch_builder *b) {
    struct sb_buf m;
    size_t listed = 0;
    sb_buf_init(&m, 4096);
    sb_buf_addz(&m, "Model is missing inputs [");
    for (size_t i = 0; i < b->ncols; i++) {
        if (b->fill[i].seen || !b->fill[i].required) continue;
        if (!listed) b->bad_column = b->cols[i].name;
        if (listed++ < 16) {
            if (listed > 1) sb_buf_addz(&m, ", ");
            add_names(&m, &b->cols[i].name, 1);
        }
    }
    if (listed > 16) sb_buf_addf(&m, " and %zu more", listed - 16);
    sb_buf_addz(&m, "].");
    if (b->nextra) {
        sb_buf_addz(&m, " Note that there were extra inputs: [");
        add_names(&m, b->extra, b->nextra);
        sb_buf_addz(&m, "]");
    }
    sb_err err = sb_fail(b->opts.ctx, SB_E_INVALID, "%s", sb_buf_cstr(&m));
    sb_buf_fini(&m);
    return err;
}

static sb_err fail_count(struct sb_batch_builder *b) {
    size_t have = 0;
    for (size_t i = 0; i < b->ncols; i++) have += b->fill[i].seen;
    return sb_fail(
        b->opts.ctx, SB_E_INVALID,
        "Model inference is missing inputs. The model signature declares %zu inputs  but "
        "the provided value only has %zu inputs. Note: the inputs were not named in the "
        "signature so we can only verify their count.",
        b->ncols, have);
}

static sb_err check_rows(struct sb_batch_builder *b, size_t nrows) {
    const struct sb_signature *s = b->opts.signature;
    for (size_t i = 0; i < b->ncols; i++) {
        const struct sb_field *f = b->fill[i].field;
        if (b->fill[i].rows > nrows)
            return fail_cell(b, i, nrows, NULL, SB_E_INVALID, "the columns differ in length", NULL);
        if (f && f->ndims + 1 > 0 && s->tensor && f->rows >= 0 && (size_t)f->rows != nrows)
            return sb_fail(b->opts.ctx, SB_E_INVALID,
                           "Shape of input %.*s has %zu rows where the model expects %lld",
                           SB_ARG(sb_str_sub(b->cols[i].name, 0, 60)), nrows, (long long)f->rows);
    }
    if (b->by_element && b->fill[0].element_row &&
        (b->fill[0].elements < b->cols[0].width || b->nextra))
        return fail_shape(b, 0, b->fill[0].rows - 1, NULL);
    return SB_OK;
}

sb_err sb_batch_finish(struct sb_batch_builder *b, size_t nrows, struct sb_batch *out) {
    const struct sb_signature *s = b->opts.signature;
    if (b->overflow)
        return sb_fail(b->opts.ctx, SB_E_LIMIT, "more than %d columns, or too large a request",
                       SB_LIMIT_PREDICT_FEATURES);
    if (nrows > b->opts.max_rows)
        return sb_fail(b->opts.ctx, SB_E_LIMIT, "more than %zu rows in one request",
                       b->opts.max_rows);
    for (size_t i = 0; i < b->ncols; i++)
        if (!b->fill[i].seen && b->fill[i].required)
            return s->named ? fail_missing(b) : fail_count(b);
    SB_TRY(check_rows(b, nrows));
    if (nrows > b->cap_rows) {
        for (size_t i = 0; i < b->ncols; i++)
            if (!column_resize(b, &b->cols[i], b->cap_rows, nrows)) return fail_memory(b);
        b->cap_rows = nrows;
    }
    for (size_t i = 0; i < b->ncols; i++) {
        b->cols[i].absent = !b->fill[i].seen;
        SB_TRY(fill_missing(b, i, b->fill[i].rows, nrows));
    }
    *out = (struct sb_batch){
        .nrows = nrows, .ncols = b->ncols, .cols = b->cols, .tensor = s && s->tensor};
    return SB_OK;
}
