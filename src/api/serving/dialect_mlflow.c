/* MLflow's scoring protocol (POST /invocations): exactly one of four forms, plus optional params.
 *
 *     dataframe_split    {"columns": [..], "data": [[..], ..], "index": [..]}
 *     dataframe_records  [{column: value}, ..]
 *     instances          [row, ..], a row being a value, a list or an object
 *     inputs             {column: [values]} or [rows]
 *
 * Answer: {"predictions": [...]}: one list of values when the model has one output, else one object
 * a row. Errors: {"error_code", "message"} as mlflow.pyfunc.scoring_server gives them. */
#include "api/serving/serving_int.h"

enum form { FORM_SPLIT, FORM_RECORDS, FORM_INSTANCES, FORM_INPUTS, FORM_COUNT };
_Static_assert(SB_FORM_FRAMES == (1 << FORM_SPLIT | 1 << FORM_RECORDS), "bits are places");
_Static_assert(SB_FORM_INSTANCES == 1 << FORM_INSTANCES, "bits are places");
_Static_assert(SB_FORM_INPUTS == 1 << FORM_INPUTS, "bits are places");
static const char *const form_names[FORM_COUNT] = {"dataframe_split", "dataframe_records",
                                                   "instances", "inputs"};

/* The members of the body that matter, as text of their own. */
struct body {
    struct sb_str form[FORM_COUNT], params;
};

static struct sb_json_reader sub_reader(struct call *c, struct sb_str text) {
    struct sb_json_reader r;
    sb_json_reader_init(&r, text, c->r->arena, &c->ctx);
    r.nonfinite = true;
    r.begin = c->r->body.p; /* positions are the body's */
    return r;
}

static const char *forms_text(unsigned allowed) {
    return allowed & SB_FORM_FRAMES ? "one of dataframe_split, dataframe_records, instances, inputs"
                                    : "instances or inputs";
}

static sb_err split_body(struct call *c, unsigned allowed, struct body *b) {
    struct sb_json_reader r = sub_reader(c, c->r->body);
    enum sb_json_type type;
    SB_TRY(sb_json_peek(&r, &type));
    if (type != SB_JSON_OBJECT)
        return sb_fail(&c->ctx, SB_E_INVALID, "The request body must be a JSON object with %s.",
                       forms_text(allowed));
    SB_TRY(sb_json_enter_object(&r));
    for (;;) {
        struct sb_str key, raw;
        bool more;
        SB_TRY(sb_json_next_key(&r, &key, &more));
        if (!more) break;
        SB_TRY(sb_json_skip(&r, &raw));
        for (size_t f = 0; f < FORM_COUNT; f++) {
            if (allowed & 1u << f && sb_str_is(key, form_names[f])) b->form[f] = raw;
        }
        if (allowed & SB_FORM_FRAMES && sb_str_is(key, "params")) b->params = raw;
    }
    return sb_json_finish(&r);
}

/* ---- pieces shared by the forms ---- */

/* Where positions alone say what is what, a row must have them all. */
static sb_err check_width(struct call *c, const struct sb_batch_builder *b, size_t row,
                          size_t have) {
    size_t want = b->by_element ? b->cols[0].width : b->ncols;
    if (b->infer || have == want) return SB_OK;
    c->row = (int64_t)row;
    return sb_fail(&c->ctx, SB_E_INVALID, "row %zu has %zu values, the model has %zu columns", row,
                   have, want);
}

/* A list of values by position, or a single value (then it is column 0). A tensor takes its whole
 * row as one cell. */
static sb_err positional_row(struct call *c, struct sb_batch_builder *b, size_t row,
                             struct sb_json_reader *r) {
    enum sb_json_type type;
    SB_TRY(sb_json_peek(r, &type));
    const struct sb_signature *s = c->live->model->signature;
    if (type != SB_JSON_ARRAY || (s->tensor && s->ninputs))
        return sb_batch_set_cell(b, sb_batch_column_at(b, 0), row, r);
    SB_TRY(sb_json_enter_array(r));
    for (size_t col = 0;; col++) {
        bool more;
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) return b->opts.positions ? check_width(c, b, row, col) : SB_OK;
        SB_TRY(sb_batch_set_cell(b, sb_batch_column_at(b, col), row, r));
    }
}

static sb_err rows_of(struct call *c, struct sb_batch_builder *b, struct sb_json_reader *r,
                      size_t *nrows) {
    SB_TRY(sb_json_enter_array(r));
    for (size_t row = 0;; row++) {
        bool more;
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) {
            *nrows = row;
            return SB_OK;
        }
        enum sb_json_type type;
        SB_TRY(sb_json_peek(r, &type));
        if (type == SB_JSON_OBJECT)
            SB_TRY(sb_decode_object_row(b, row, r));
        else
            SB_TRY(positional_row(c, b, row, r));
    }
}

/* {column: [values], ..}; all of one length. A lone value counts as a list of one. */
static sb_err columns_of(struct call *c, struct sb_batch_builder *b, struct sb_json_reader *r,
                         size_t *nrows) {
    bool first = true;
    SB_TRY(sb_json_enter_object(r));
    for (;;) {
        struct sb_str key;
        bool more;
        SB_TRY(sb_json_next_key(r, &key, &more));
        if (!more) return SB_OK;
        ptrdiff_t col = sb_batch_column(b, key);
        enum sb_json_type type;
        SB_TRY(sb_json_peek(r, &type));
        size_t n = 0;
        if (type != SB_JSON_ARRAY) {
            SB_TRY(sb_batch_set_cell(b, col, n++, r));
        } else {
            SB_TRY(sb_json_enter_array(r));
            for (bool item = true;; n++) {
                SB_TRY(sb_json_next_item(r, &item));
                if (!item) break;
                SB_TRY(sb_batch_set_cell(b, col, n, r));
            }
        }
        if (!first && n != *nrows) {
            c->field = key;
            return sb_fail(&c->ctx, SB_E_INVALID,
                           "The length of values for column %.*s is %zu, others have %zu",
                           SB_ARG(key), n, *nrows);
        }
        first = false;
        *nrows = n;
    }
}

/* ---- dataframe_split ---- */

struct split {
    struct sb_str columns, data;
};

static sb_err split_members(struct call *c, struct sb_str text, struct split *s) {
    struct sb_json_reader r = sub_reader(c, text);
    SB_TRY(sb_json_enter_object(&r));
    for (;;) {
        struct sb_str key, raw;
        bool more;
        SB_TRY(sb_json_next_key(&r, &key, &more));
        if (!more) break;
        SB_TRY(sb_json_skip(&r, &raw));
        if (sb_str_is(key, "columns"))
            s->columns = raw;
        else if (sb_str_is(key, "data"))
            s->data = raw;
        else if (!sb_str_is(key, "index"))
            return sb_fail(&c->ctx, SB_E_INVALID,
                           "dataframe_split has columns, data and index; %.*s is none of them",
                           SB_ARG(key));
    }
    if (!s->data.p) return sb_fail(&c->ctx, SB_E_INVALID, "dataframe_split has no data");
    return SB_OK;
}

/* Maps positions of data rows to columns of the batch. */
static sb_err split_columns(struct call *c, struct sb_batch_builder *b, struct sb_str text,
                            ptrdiff_t **map, size_t *n) {
    struct sb_json_reader r = sub_reader(c, text);
    *map = sb_arena_alloc(c->r->arena, SB_LIMIT_PREDICT_FEATURES * sizeof **map);
    SB_TRY(sb_json_enter_array(&r));
    for (*n = 0;; (*n)++) {
        bool more;
        SB_TRY(sb_json_next_item(&r, &more));
        if (!more) return SB_OK;
        if (*n == SB_LIMIT_PREDICT_FEATURES)
            return sb_fail(&c->ctx, SB_E_LIMIT, "more than %d columns", SB_LIMIT_PREDICT_FEATURES);
        enum sb_json_type type;
        struct sb_str name;
        SB_TRY(sb_json_peek(&r, &type));
        if (type == SB_JSON_STRING)
            SB_TRY(sb_json_read_string(&r, &name));
        else
            SB_TRY(sb_json_skip(&r, &name)); /* pandas names columns 0, 1, .. */
        (*map)[*n] = sb_batch_column(b, name);
    }
}

static sb_err split_rows(struct call *c, struct sb_batch_builder *b, const struct split *s,
                         size_t *nrows) {
    struct sb_json_reader r = sub_reader(c, s->data);
    if (!s->columns.p) return rows_of(c, b, &r, nrows);
    ptrdiff_t *map;
    size_t ncols;
    SB_TRY(split_columns(c, b, s->columns, &map, &ncols));
    SB_TRY(sb_json_enter_array(&r));
    for (size_t row = 0;; row++) {
        bool more;
        SB_TRY(sb_json_next_item(&r, &more));
        if (!more) {
            *nrows = row;
            return SB_OK;
        }
        SB_TRY(sb_json_enter_array(&r));
        size_t col = 0;
        for (;; col++) {
            SB_TRY(sb_json_next_item(&r, &more));
            if (!more) break;
            if (col < ncols)
                SB_TRY(sb_batch_set_cell(b, map[col], row, &r));
            else
                break;
        }
        if (col != ncols || more) {
            c->row = (int64_t)row;
            return sb_fail(&c->ctx, SB_E_INVALID, "%zu columns passed, row %zu of data has %s",
                           ncols, row, more ? "more" : "fewer");
        }
    }
}

/* ---- the whole ---- */

static sb_err decode_form(struct call *c, struct sb_batch_builder *b, enum form form,
                          struct sb_str text, size_t *nrows) {
    if (form == FORM_SPLIT) {
        struct split s = {0};
        SB_TRY(split_members(c, text, &s));
        return split_rows(c, b, &s, nrows);
    }
    struct sb_json_reader r = sub_reader(c, text);
    enum sb_json_type type;
    SB_TRY(sb_json_peek(&r, &type));
    if (form == FORM_INPUTS && type == SB_JSON_OBJECT) return columns_of(c, b, &r, nrows);
    if (type == SB_JSON_ARRAY) return rows_of(c, b, &r, nrows);
    if (form != FORM_INPUTS)
        return sb_fail(&c->ctx, SB_E_INVALID, "%s is not a list", form_names[form]);
    *nrows = 1;
    return sb_batch_set_cell(b, sb_batch_column_at(b, 0), 0, &r);
}

static sb_err choose(struct call *c, unsigned allowed, const struct body *b, enum form *form) {
    int found = 0;
    for (int f = 0; f < FORM_COUNT; f++) {
        if (!b->form[f].p) continue;
        *form = (enum form)f;
        found++;
    }
    if (found == 1) return SB_OK;
    return sb_fail(
        &c->ctx, SB_E_INVALID,
        "The input must be a JSON dictionary with exactly one of the input fields %s; it "
        "has %d of them.",
        allowed & SB_FORM_FRAMES ? "dataframe_split, dataframe_records, instances, inputs"
                                 : "instances, inputs",
        found);
}

sb_err sb_decode_forms(struct call *c, unsigned allowed, bool positions) {
    struct body body = {0};
    enum form form = FORM_SPLIT;
    SB_TRY(split_body(c, allowed, &body));
    SB_TRY(choose(c, allowed, &body, &form));
    struct sb_batch_builder b;
    size_t nrows = 0;
    sb_err err = sb_batch_begin(&b, &(struct sb_batch_opts){
                                        .signature = c->live->model->signature,
                                        .arena = c->r->arena,
                                        .ctx = &c->ctx,
                                        .tokens = true,
                                        .positions = positions,
                                    });
    if (!err) err = decode_form(c, &b, form, body.form[form], &nrows);
    if (!err && !nrows)
        err = sb_fail(&c->ctx, SB_E_INVALID, "There are no rows in %s.", form_names[form]);
    if (!err) err = sb_batch_finish(&b, nrows, &c->batch);
    if (!err) c->batch.params = body.params;
    if (err && !c->field.n) c->field = b.bad_column;
    if (err && c->row < 0) c->row = b.bad_row;
    return err;
}

static sb_err decode(struct call *c) {
    return sb_decode_forms(c, SB_FORM_FRAMES | SB_FORM_INSTANCES | SB_FORM_INPUTS, false);
}

void sb_predictions_begin(struct sb_buf *out, struct call *c) {
    SB_UNUSED(c);
    SB_BUF_LIT(out, "{\"predictions\":[");
}

void sb_predictions_row(struct sb_buf *out, const struct call *c, size_t at,
                        const struct row_json *j) {
    if (at) sb_buf_addc(out, ',');
    if (c->predict.out.noutputs == 1)
        sb_column_add_json(out, &c->predict.out.outputs[0], at);
    else
        sb_buf_adds(out, j->prediction.n ? j->prediction : SB_STR("{}"));
}

void sb_predictions_end(struct sb_buf *out, const struct call *c) {
    SB_UNUSED(c);
    SB_BUF_LIT(out, "]}");
}

static const char *error_code(int status) {
    switch (status) {
    case 404: return "RESOURCE_DOES_NOT_EXIST";
    case 503: return "TEMPORARILY_UNAVAILABLE";
    case 504: return "DEADLINE_EXCEEDED";
    default: return status < 500 ? "BAD_REQUEST" : "INTERNAL_ERROR";
    }
}

static void error(struct sb_buf *out, const struct call *c, int status, sb_err code,
                  const char *message) {
    struct sb_json_writer w = {.b = out};
    bool schema = status == 400 && code == SB_E_INVALID && c->field.n;
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "error_code",
                sb_str_of(schema ? "INVALID_PARAMETER_VALUE" : error_code(status)));
    sb_json_str(&w, "message", sb_str_of(message));
    if (schema) sb_json_str(&w, "error_class", SB_STR("SCHEMA_ENFORCEMENT_FAILED"));
    if (c->field.n) sb_json_str(&w, "field", c->field);
    if (c->row >= 0) sb_json_int(&w, "row", c->row);
    sb_json_end(&w);
}

const struct dialect sb_dialect_mlflow = {.name = "mlflow",
                                          .tables = true,
                                          .decode = decode,
                                          .begin = sb_predictions_begin,
                                          .row = sb_predictions_row,
                                          .end = sb_predictions_end,
                                          .error = error};
