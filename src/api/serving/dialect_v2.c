/* The Open Inference Protocol, version 2: POST /v2/models/NAME[/versions/V]/infer.
 *
 *     {"id": "7", "inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP64", "data": [1, 2]}]}
 *  -> {"model_name": "iris", "model_version": "3", "id": "7", "outputs": [{"name": "species",
 *      "datatype": "BYTES", "shape": [2, 1], "data": ["setosa", "setosa"]}]}
 *
 * Each output is a tensor [rows, width]; a model with class probabilities has one more. Outputs
 * asked for as binary data follow the JSON, whose length a header then says. */
#include <stdio.h>

#include "api/serving/v2.h"

struct sb_str sb_v2_field_name(const struct sb_field *f, size_t i, char *tmp) {
    if (f->name) return sb_str_of(f->name);
    return sb_str_make(tmp, (size_t)snprintf(tmp, 24, "%zu", i));
}

static sb_err decode(struct call *c) {
    c->form = sb_arena_zalloc(c->r->arena, sizeof(struct v2_request));
    return sb_v2_decode(c);
}

/* ---- outputs ---- */

static size_t output_count(const struct sb_result *out) {
    return out->noutputs + (out->nclasses > 0);
}

static struct sb_column output_at(const struct sb_result *out, size_t i) {
    if (i < out->noutputs) return out->outputs[i];
    return (struct sb_column){.name = SB_STR(SB_V2_PROBABILITIES),
                              .type = SB_DTYPE_FLOAT64,
                              .width = out->nclasses,
                              .f64 = out->proba};
}

static bool find_output(const struct sb_result *out, struct sb_str name, struct sb_column *col) {
    for (size_t i = 0; i < output_count(out); i++) {
        *col = output_at(out, i);
        if (sb_str_eq(col->name, name)) return true;
    }
    return false;
}

static sb_err settle(struct call *c) {
    const struct v2_request *q = c->form;
    const struct sb_result *out = &c->predict.out;
    struct sb_column col;
    for (size_t i = 0; i < q->nwanted; i++) {
        if (find_output(out, q->wanted[i].name, &col)) continue;
        struct sb_buf names;
        sb_buf_init(&names, 1 << 16);
        for (size_t k = 0; k < output_count(out) && names.n < 120; k++)
            sb_buf_addf(&names, "%s%.*s", k ? ", " : "",
                        SB_ARG(sb_str_sub(output_at(out, k).name, 0, 60)));
        sb_err err = sb_fail(&c->ctx, SB_E_INVALID, "the model has no output '%.*s'; it has %s",
                             SB_ARG(sb_str_sub(q->wanted[i].name, 0, 60)), sb_buf_cstr(&names));
        sb_buf_fini(&names);
        return err;
    }
    return SB_OK;
}

/* ---- the answer ---- */

static void add_classes(struct sb_json_writer *w, const struct sb_result *out) {
    struct sb_buf list;
    sb_buf_init(&list, SB_LIMIT_HTTP_BODY);
    for (size_t i = 0; i < out->nclasses; i++) {
        sb_buf_addc(&list, i ? ',' : '[');
        sb_json_add_string(&list, out->classes[i]);
    }
    sb_buf_addc(&list, ']');
    if (!sb_buf_err(&list)) sb_json_str(w, "classes", sb_buf_view(&list));
    sb_buf_fini(&list);
}

static void add_data(struct sb_json_writer *w, const struct sb_column *col, size_t nrows) {
    sb_json_arr(w, "data");
    for (size_t row = 0; row < nrows; row++) {
        if (row) sb_buf_addc(w->b, ',');
        sb_tensor_add_json(w->b, col, row);
    }
    sb_json_end(w);
}

static void add_output(struct sb_json_writer *w, const struct call *c, const struct sb_column *col,
                       bool binary, struct sb_buf *raw) {
    const struct sb_result *out = &c->predict.out;
    size_t nrows = c->batch.nrows, before = raw->n;
    for (size_t row = 0; row < nrows && binary; row++) sb_tensor_add_raw(raw, col, row);
    sb_json_obj(w, NULL);
    sb_json_str(w, "name", col->name);
    sb_json_str(w, "datatype", sb_str_of(sb_tensor_type_name(sb_tensor_type_of(col->type))));
    sb_json_arr(w, "shape");
    sb_json_int(w, NULL, (int64_t)nrows);
    sb_json_int(w, NULL, (int64_t)col->width);
    sb_json_end(w);
    bool classes = out->nclasses && col->f64 == out->proba;
    if (binary || classes) {
        sb_json_obj(w, "parameters");
        if (classes) add_classes(w, out);
        if (binary) sb_json_int(w, "binary_data_size", (int64_t)(raw->n - before));
        sb_json_end(w);
    }
    if (!binary) add_data(w, col, nrows);
    sb_json_end(w);
}

static void add_outputs(struct sb_json_writer *w, const struct call *c, struct sb_buf *raw) {
    const struct v2_request *q = c->form;
    const struct sb_result *out = &c->predict.out;
    struct sb_column col;
    sb_json_arr(w, "outputs");
    for (size_t i = 0; i < q->nwanted; i++) {
        const struct v2_wanted *want = &q->wanted[i];
        if (find_output(out, want->name, &col)) /* settle() has seen to it */
            add_output(w, c, &col, want->says ? want->binary : q->binary, raw);
    }
    for (size_t i = 0; i < output_count(out) && !q->selects; i++) {
        col = output_at(out, i);
        add_output(w, c, &col, q->binary, raw);
    }
    sb_json_end(w);
}

static void begin(struct sb_buf *out, struct call *c) {
    const struct v2_request *q = c->form;
    struct sb_buf raw;
    sb_buf_init(&raw, out->max);
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "model_name", sb_str_of(c->live->model->info.name));
    sb_json_str(&w, "model_version", sb_str_of(c->live->model->info.version));
    if (q->id.n) sb_json_str(&w, "id", q->id);
    add_outputs(&w, c, &raw);
    sb_json_end(&w);
    if (raw.n || raw.err) {
        c->reply_type = "application/octet-stream";
        c->reply_header =
            (struct sb_http_header){SB_STR("Inference-Header-Content-Length"),
                                    sb_str_of(sb_arena_printf(c->r->arena, "%zu", out->n))};
        sb_buf_adds(out, sb_buf_view(&raw));
        if (raw.err && !out->err) out->err = raw.err;
    }
    sb_buf_fini(&raw);
}

static void row(struct sb_buf *out, const struct call *c, size_t at, const struct row_json *j) {
    SB_UNUSED(out), SB_UNUSED(c), SB_UNUSED(at), SB_UNUSED(j); /* tensors have no rows */
}

static void end(struct sb_buf *out, const struct call *c) {
    SB_UNUSED(out), SB_UNUSED(c);
}

void sb_error_member(struct sb_buf *out, const struct call *c, int status, sb_err code,
                     const char *message) {
    SB_UNUSED(c), SB_UNUSED(status), SB_UNUSED(code);
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "error", sb_str_of(message));
    sb_json_end(&w);
}

const struct dialect sb_dialect_v2 = {.name = "v2",
                                      .decode = decode,
                                      .settle = settle,
                                      .begin = begin,
                                      .row = row,
                                      .end = end,
                                      .error = sb_error_member};
