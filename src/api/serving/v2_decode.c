/* An infer request into the columns of a batch.
 *
 * Once its tensors are known (v2_request.c), the data of one after another is read straight into
 * the batch. Three layouts are understood:
 *
 *     a tensor per column       shape [n] or [n, 1], named as the column
 *     one tensor for all        shape [n, k], whatever its name: columns in the signature's order
 *     a tensor for a tensor     shape [n, ...] as the signature declares it */
#include <math.h>
#include <stdio.h>

#include "api/serving/v2.h"

/* ---- into the batch ---- */

struct fill {
    struct call *c;
    struct sb_batch_builder *b;
    const struct v2_tensor *t;
    struct sb_str json;   /* whole text that its data is part of */
    ptrdiff_t column;     /* that takes the tensor, when positions is NULL */
    ptrdiff_t *positions; /* per element of a row: its column */
    enum sb_dtype type;   /* of column */
    size_t per_row, at;   /* elements of a row; elements done */
    bool odd;             /* the row has an infinite element */
    struct sb_buf *text;  /* rows whose inner shape the signature leaves open: their JSON */
};

static sb_err say_element(struct fill *f, sb_err err, const struct sb_errctx *why) {
    f->c->row = (int64_t)(f->at / f->per_row);
    f->c->field = f->t->name;
    return sb_fail(&f->c->ctx, err, "input '%.*s', element %zu (row %zu) %s",
                   SB_ARG(sb_str_sub(f->t->name, 0, 60)), f->at, f->at / f->per_row,
                   sb_errctx_text(why, err));
}

/* One value of a row whose shape the signature leaves open: such rows are JSON, nested as the
 * request's shape says. */
static sb_err add_nested(struct fill *f, const struct sb_cell *cell) {
    size_t at = f->at % f->per_row, size = 1;
    if (!at) sb_buf_reset(f->text);
    if (at) sb_buf_addc(f->text, ',');
    for (int d = f->t->ndims - 1; d > 0; d--) {
        size *= f->t->dims[d];
        if (at % size == 0) sb_buf_addc(f->text, '[');
    }
    if (cell->token.n)
        sb_buf_adds(f->text, cell->token);
    else if (cell->text.n)
        sb_json_add_string(f->text, cell->text);
    else
        sb_json_add_double(f->text, cell->number);
    size = 1;
    for (int d = f->t->ndims - 1; d > 0; d--) {
        size *= f->t->dims[d];
        if ((at + 1) % size == 0) sb_buf_addc(f->text, ']');
    }
    if (at + 1 < f->per_row) return SB_OK;
    struct sb_cell whole = {.type = f->t->ndims > 1 ? SB_JSON_ARRAY : cell->type};
    whole.token = sb_buf_err(f->text) ? (struct sb_str){0}
                                      : sb_arena_dup(f->c->r->arena, sb_buf_view(f->text));
    if (!whole.token.p)
        return sb_fail(&f->c->ctx, SB_E_LIMIT, "the rows take more memory than one request may");
    return sb_batch_set_value(f->b, f->column, f->at / f->per_row, 0, &whole);
}

static enum sb_dtype type_at(const struct fill *f) {
    return f->positions ? sb_batch_column_type(f->b, f->positions[f->at % f->per_row]) : f->type;
}

/* Columns write their rows for events by themselves, but have no JSON for infinities. */
static sb_err note_infinities(struct fill *f, size_t row) {
    struct sb_column *c = &f->b->cols[f->column];
    struct sb_buf text;
    sb_buf_init(&text, SB_LIMIT_HTTP_BODY * 8);
    for (size_t i = row * c->width; i < (row + 1) * c->width; i++) {
        double v = c->type == SB_DTYPE_FLOAT32 ? (double)c->f32[i] : c->f64[i];
        sb_buf_addc(&text, i == row * c->width ? '[' : ',');
        if (isinf(v))
            sb_buf_addz(&text, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
        else
            sb_column_add_value(&text, c, i);
    }
    sb_buf_addc(&text, ']');
    if (!sb_buf_err(&text)) c->tokens[row] = sb_arena_dup(f->c->r->arena, sb_buf_view(&text));
    sb_buf_fini(&text);
    if (c->tokens[row].p) return SB_OK;
    return sb_fail(&f->c->ctx, SB_E_LIMIT, "the rows take more memory than one request may");
}

/* A value of a row that lies in one column. */
static sb_err place_in_row(struct fill *f, size_t row, size_t at, const struct sb_cell *cell) {
    SB_TRY(sb_batch_set_value(f->b, f->column, row, at, cell));
    if (f->per_row == 1 || (f->type != SB_DTYPE_FLOAT32 && f->type != SB_DTYPE_FLOAT64))
        return SB_OK;
    double v = 0;
    if (cell->type == SB_JSON_NUMBER) v = cell->number;
    if (cell->type == SB_JSON_STRING && !sb_text_to_double(cell->text, &v)) v = 0;
    f->odd = (at && f->odd) || isinf(v);
    return f->odd && at + 1 == f->per_row ? note_infinities(f, row) : SB_OK;
}

static sb_err place(struct fill *f, const struct sb_cell *cell) {
    size_t row = f->at / f->per_row, at = f->at % f->per_row;
    sb_err err = f->text        ? add_nested(f, cell)
                 : f->positions ? sb_batch_set_value(f->b, f->positions[at], row, 0, cell)
                                : place_in_row(f, row, at, cell);
    f->at++;
    return err;
}

static sb_err fill_raw(struct fill *f) {
    struct sb_cursor from = sb_cursor_of(f->t->data.p, f->t->data.n);
    while (f->at < f->t->count) {
        struct sb_cell cell;
        struct sb_errctx why = {0};
        sb_err err = sb_tensor_take(&from, f->t->type, type_at(f), f->c->r->arena, &cell, &why);
        if (err) return say_element(f, err, &why);
        SB_TRY(place(f, &cell));
    }
    if (sb_cursor_left(&from)) return sb_v2_bad(f->c, f->t, "has bytes behind its last element");
    return SB_OK;
}

static sb_err read_element(struct fill *f, struct sb_json_reader *r) {
    struct sb_cell cell;
    struct sb_errctx why = {0};
    sb_err err = sb_tensor_read(r, f->t->type, type_at(f), &cell, &why);
    if (err == SB_E_INVALID) return say_element(f, err, &why);
    if (err) return err;
    return place(f, &cell);
}

/* Lists of dims[0], each of lists of dims[1], and so on; no deeper than a shape is. */
static sb_err read_nested(struct fill *f, struct sb_json_reader *r, const size_t *dims, int ndims) {
    SB_TRY(sb_json_enter_array(r));
    for (size_t i = 0;; i++) {
        bool more;
        enum sb_json_type type;
        SB_TRY(sb_json_next_item(r, &more));
        if (more ? i == dims[0] : i < dims[0])
            return sb_v2_bad(f->c, f->t, "has other data than its shape says");
        if (!more) return SB_OK;
        SB_TRY(sb_json_peek(r, &type));
        if ((type == SB_JSON_ARRAY) != (ndims > 1))
            return sb_v2_bad(f->c, f->t, "has data nested in another way than its shape says");
        SB_TRY(ndims > 1 ? read_nested(f, r, dims + 1, ndims - 1) : read_element(f, r));
    }
}

static sb_err fill_json(struct fill *f) {
    struct sb_json_reader r;
    struct sb_str inside = f->t->data;
    sb_json_reader_init(&r, f->t->data, f->c->r->arena, &f->c->ctx);
    r.nonfinite = true;
    r.begin = f->json.p; /* positions are the whole's */
    inside = sb_str_trim(sb_str_sub(inside, 1, inside.n));
    bool nested = inside.n && inside.p[0] == '[';
    return nested ? read_nested(f, &r, f->t->dims, f->t->ndims)
                  : read_nested(f, &r, &f->t->count, 1);
}

/* ---- which column, which shape ---- */

static sb_err fail_shape(struct call *c, const struct v2_tensor *t, const char *wanted) {
    struct sb_buf have;
    sb_buf_init(&have, 512);
    for (int i = 0; i < t->ndims; i++) sb_buf_addf(&have, "%s%zu", i ? ", " : "", t->dims[i]);
    c->field = t->name;
    sb_err err = sb_fail(&c->ctx, SB_E_INVALID, "input '%.*s' has shape [%s], the model wants %s",
                         SB_ARG(sb_str_sub(t->name, 0, 60)), sb_buf_cstr(&have), wanted);
    sb_buf_fini(&have);
    return err;
}

/* A column of a frame: [n], or [n, 1]. */
static sb_err as_column(struct fill *f, ptrdiff_t column) {
    if (f->t->count != f->t->dims[0]) return fail_shape(f->c, f->t, "[rows, 1] for a column");
    f->column = column;
    return SB_OK;
}

/* [n, dims...] of a tensor that the signature declares. */
static sb_err as_tensor(struct fill *f, size_t column) {
    const struct sb_field *field = &f->c->live->model->signature->inputs[column];
    bool fits = f->t->ndims == field->ndims + 1;
    for (int i = 0; fits && i < field->ndims; i++)
        fits = field->dims[i] < 0 || (size_t)field->dims[i] == f->t->dims[i + 1];
    if (!fits) {
        char wanted[SB_TENSOR_DIMS_MAX * 21 + 16];
        int n = snprintf(wanted, sizeof wanted, "[rows");
        for (int i = 0; i < field->ndims; i++)
            n += snprintf(wanted + n, sizeof wanted - (size_t)n, ", %lld",
                          (long long)field->dims[i]);
        snprintf(wanted + n, sizeof wanted - (size_t)n, "]");
        return fail_shape(f->c, f->t, wanted);
    }
    f->column = (ptrdiff_t)column;
    f->per_row = f->t->count / f->t->dims[0];
    return SB_OK;
}

/* [n, k] for all columns, in the signature's order. */
static sb_err as_matrix(struct fill *f, size_t k) {
    char wanted[48];
    const struct v2_tensor *t = f->t;
    size_t have = t->ndims == 1 && k == 1 ? 1 : t->ndims == 2 ? t->dims[1] : 0;
    snprintf(wanted, sizeof wanted, "[rows, %zu]", k);
    if (have == 0 || (k && have != k)) return fail_shape(f->c, t, k ? wanted : "[rows, columns]");
    if (have > SB_LIMIT_PREDICT_FEATURES)
        return sb_fail(&f->c->ctx, SB_E_LIMIT, "more than %d columns", SB_LIMIT_PREDICT_FEATURES);
    f->per_row = have;
    f->positions = sb_arena_alloc(f->c->r->arena, have * sizeof *f->positions);
    for (size_t i = 0; i < have; i++) f->positions[i] = sb_batch_column_at(f->b, i);
    return SB_OK;
}

static sb_err fail_unknown(struct call *c, const struct v2_tensor *t) {
    const struct sb_signature *s = c->live->model->signature;
    struct sb_buf names;
    char tmp[24];
    sb_buf_init(&names, 4096);
    for (size_t i = 0; i < s->ninputs && names.n < 120; i++) {
        struct sb_str name = sb_v2_field_name(&s->inputs[i], i, tmp);
        sb_buf_addf(&names, "%s%.*s", i ? ", " : "", SB_ARG(sb_str_sub(name, 0, 60)));
    }
    c->field = t->name;
    sb_err err = sb_fail(&c->ctx, SB_E_INVALID, "the model has no input '%.*s'; it has %s",
                         SB_ARG(sb_str_sub(t->name, 0, 60)), sb_buf_cstr(&names));
    sb_buf_fini(&names);
    return err;
}

/* A column of a table, if the model has it. */
static sb_err choose_column(struct fill *f) {
    ptrdiff_t at = sb_batch_column(f->b, f->t->name);
    return f->b->by_element ? fail_unknown(f->c, f->t) : as_column(f, at);
}

/* Where the tensor goes; alone: it is the only one. */
static sb_err choose(struct fill *f, bool alone) {
    const struct sb_signature *s = f->c->live->model->signature;
    if (!s->ninputs) {
        bool matrix = alone && f->t->ndims == 2 && f->t->dims[1] > 1;
        return matrix ? as_matrix(f, 0) : as_column(f, sb_batch_column(f->b, f->t->name));
    }
    ptrdiff_t at = s->named ? sb_signature_find(s, f->t->name) : -1;
    if (s->tensor) {
        if (at < 0 && !(alone && s->ninputs == 1)) return fail_unknown(f->c, f->t);
        return as_tensor(f, at < 0 ? 0 : (size_t)at);
    }
    if (at >= 0) return as_column(f, at);
    if (alone) return as_matrix(f, s->ninputs);
    if (s->named) return fail_unknown(f->c, f->t);
    at = sb_batch_column(f->b, f->t->name);
    return at >= 0 ? as_column(f, at) : fail_unknown(f->c, f->t);
}

static sb_err fill_tensor(struct call *c, struct sb_batch_builder *b, const struct v2_tensors *ts,
                          const struct v2_tensor *t, struct sb_buf *text) {
    struct fill f = {.c = c, .b = b, .t = t, .json = ts->text, .per_row = 1};
    bool column = ts->table && (t->ndims == 1 || !b->by_element);
    SB_TRY(column ? choose_column(&f) : choose(&f, ts->n == 1));
    f.type = sb_batch_column_type(b, f.column);
    bool open = c->live->model->signature->tensor && f.type == SB_DTYPE_JSON;
    if (open) {
        f.text = text;
        f.type = SB_DTYPE_STRING; /* elements as they are */
    }
    return t->raw ? fill_raw(&f) : fill_json(&f);
}

static sb_err fill_batch(struct call *c, const struct v2_tensors *ts) {
    struct sb_batch_builder b;
    struct sb_buf text;
    size_t nrows = ts->all[0].dims[0];
    sb_buf_init(&text, SB_LIMIT_HTTP_BODY * 8);
    sb_err err = SB_OK;
    for (size_t i = 1; i < ts->n && !err; i++) {
        if (ts->all[i].dims[0] != nrows)
            err = sb_v2_bad(c, &ts->all[i], "has another number of rows than the first input");
    }
    if (!err && nrows > SB_LIMIT_PREDICT_ROWS)
        err =
            sb_fail(&c->ctx, SB_E_LIMIT, "more than %d rows in one request", SB_LIMIT_PREDICT_ROWS);
    if (!err)
        err = sb_batch_begin(&b, &(struct sb_batch_opts){
                                     .signature = c->live->model->signature,
                                     .arena = c->r->arena,
                                     .ctx = &c->ctx,
                                     .rows_hint = nrows,
                                     .tokens = true,
                                     .positions = true,
                                 });
    if (err) goto out;
    for (size_t i = 0; i < ts->n && !err; i++) err = fill_tensor(c, &b, ts, &ts->all[i], &text);
    if (!err) err = sb_batch_finish(&b, nrows, &c->batch);
    if (err && !c->field.n) c->field = b.bad_column;
    if (err && c->row < 0) c->row = b.bad_row;
out:
    sb_buf_fini(&text);
    return err;
}

/* ---- the whole ---- */

/* Splits the body at the announced length of its JSON. */
static sb_err split(struct call *c, struct sb_str *json, struct sb_str *raw) {
    struct sb_str body = c->r->body;
    struct sb_str length = sb_http_get_header(c->r, "Inference-Header-Content-Length");
    uint64_t n = body.n;
    if (length.p && (!sb_str_to_u64(length, &n) || n > body.n))
        return sb_fail(&c->ctx, SB_E_INVALID,
                       "Inference-Header-Content-Length is %.*s, the body has %zu bytes",
                       SB_ARG(sb_str_sub(length, 0, 40)), body.n);
    *json = sb_str_sub(body, 0, (size_t)n);
    *raw = sb_str_sub(body, (size_t)n, body.n);
    return SB_OK;
}

sb_err sb_v2_decode_table(struct call *c, struct sb_str json, struct sb_str raw) {
    struct v2_request q = {0};
    struct v2_tensors ts = {.text = json, .table = true};
    SB_TRY(sb_v2_request_read(c, json, &q, &ts));
    SB_TRY(sb_v2_raw_share(c, raw, &ts));
    return fill_batch(c, &ts);
}

sb_err sb_v2_decode(struct call *c) {
    struct v2_request *q = c->form;
    struct v2_tensors ts = {0};
    struct sb_str json, raw;
    SB_TRY(split(c, &json, &raw));
    ts.text = json;
    sb_err err = sb_v2_request_read(c, json, q, &ts);
    if (sb_request_id_ok(q->id)) c->event.request_id = q->id;
    SB_TRY(err);
    SB_TRY(sb_v2_raw_share(c, raw, &ts));
    return fill_batch(c, &ts);
}
