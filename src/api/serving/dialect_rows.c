/* The plain dialect of POST /predict: one object of features, or a list of them.
 *
 *     {"sepal_length": 5.1, ...}  ->  {"prediction": {"species": "setosa"}, "probabilities": {...},
 *                                      "model": "iris", "model_version": "3", "event_id": "..."}
 *     [{...}, {...}]              ->  {"predictions": [{"prediction": ..., "event_id": ...}, ...],
 *                                      "model": "iris", "model_version": "3"} */
#include "api/serving/serving_int.h"

sb_err sb_decode_object_row(struct sb_batch_builder *b, size_t row, struct sb_json_reader *r) {
    SB_TRY(sb_json_enter_object(r));
    for (;;) {
        struct sb_str key;
        bool more;
        SB_TRY(sb_json_next_key(r, &key, &more));
        if (!more) return SB_OK;
        SB_TRY(sb_batch_set_cell(b, sb_batch_column(b, key), row, r));
    }
}

static sb_err decode_list(struct call *c, struct sb_batch_builder *b, struct sb_json_reader *r,
                          size_t *nrows) {
    SB_TRY(sb_json_enter_array(r));
    for (size_t row = 0;; row++) {
        bool more;
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) {
            *nrows = row;
            return row ? SB_OK : sb_fail(&c->ctx, SB_E_INVALID, "the list of rows is empty");
        }
        SB_TRY(sb_decode_object_row(b, row, r));
    }
}

static sb_err decode_body(struct call *c, struct sb_batch_builder *b) {
    struct sb_json_reader r;
    sb_json_reader_init(&r, c->r->body, c->r->arena, &c->ctx);
    enum sb_json_type type;
    SB_TRY(sb_json_peek(&r, &type));
    size_t nrows = 1;
    c->single = type == SB_JSON_OBJECT;
    if (c->single)
        SB_TRY(sb_decode_object_row(b, 0, &r));
    else if (type == SB_JSON_ARRAY)
        SB_TRY(decode_list(c, b, &r, &nrows));
    else
        return sb_fail_at(&c->ctx, SB_E_INVALID, 0,
                          "the body is neither an object of features nor a list of such objects");
    SB_TRY(sb_json_finish(&r));
    return sb_batch_finish(b, nrows, &c->batch);
}

static sb_err decode(struct call *c) {
    struct sb_batch_builder b;
    sb_err err = sb_batch_begin(&b, &(struct sb_batch_opts){
                                        .signature = c->live->model->signature,
                                        .arena = c->r->arena,
                                        .ctx = &c->ctx,
                                        .tokens = true,
                                        .rows_complete = true,
                                    });
    if (!err) err = decode_body(c, &b);
    if (err) {
        c->field = b.bad_column;
        c->row = b.bad_row;
    }
    return err;
}

static void add_model(struct sb_buf *out, const struct call *c) {
    SB_BUF_LIT(out, ",\"model\":");
    sb_json_add_string(out, sb_str_of(c->live->model->info.name));
    SB_BUF_LIT(out, ",\"model_version\":");
    sb_json_add_string(out, sb_str_of(c->live->model->info.version));
}

static void begin(struct sb_buf *out, struct call *c) {
    if (!c->single) SB_BUF_LIT(out, "{\"predictions\":[");
}

static void row(struct sb_buf *out, const struct call *c, size_t at, const struct row_json *j) {
    if (at) sb_buf_addc(out, ',');
    SB_BUF_LIT(out, "{\"prediction\":");
    sb_buf_adds(out, j->prediction.n ? j->prediction : SB_STR("{}"));
    if (j->probabilities.n) {
        SB_BUF_LIT(out, ",\"probabilities\":");
        sb_buf_adds(out, j->probabilities);
    }
    if (c->single) add_model(out, c);
    SB_BUF_LIT(out, ",\"event_id\":\"");
    sb_buf_adds(out, j->event_id);
    SB_BUF_LIT(out, "\"}");
}

static void end(struct sb_buf *out, const struct call *c) {
    if (c->single) return;
    sb_buf_addc(out, ']');
    add_model(out, c);
    sb_buf_addc(out, '}');
}

static void error(struct sb_buf *out, const struct call *c, int status, sb_err code,
                  const char *message) {
    SB_UNUSED(status);
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_obj(&w, "error");
    sb_json_str(&w, "code", sb_str_of(sb_err_name(code)));
    sb_json_str(&w, "message", sb_str_of(message));
    if (c->field.n) sb_json_str(&w, "field", c->field);
    if (c->row >= 0) sb_json_int(&w, "row", c->row);
    if (c->ctx.pos >= 0 && code == SB_E_SYNTAX) sb_json_int(&w, "position", c->ctx.pos);
    sb_json_end(&w);
    sb_json_end(&w);
}

const struct dialect sb_dialect_rows = {.name = "rows",
                                        .tables = true,
                                        .decode = decode,
                                        .begin = begin,
                                        .row = row,
                                        .end = end,
                                        .error = error};
