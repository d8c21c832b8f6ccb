/* A row as JSON: the pieces that its event and its answer share, each written once. */
#include "api/serving/serving_int.h"

static struct sb_str piece(const struct sb_buf *b) {
    return b->err ? (struct sb_str){0} : sb_buf_view(b);
}

static struct sb_str write_input(struct sb_buf *b, const struct sb_live *live,
                                 const struct sb_batch *in, size_t row) {
    bool declared = live && in->ncols == live->ninputs;
    for (size_t i = 0; i < in->ncols; i++) {
        const struct sb_column *col = &in->cols[i];
        sb_buf_addc(b, i ? ',' : '{');
        if (declared) {
            sb_buf_adds(b, live->input_keys[i]);
        } else {
            sb_json_add_string(b, col->name);
            sb_buf_addc(b, ':');
        }
        if (col->tokens && col->tokens[row].n)
            sb_buf_adds(b, col->tokens[row]);
        else
            sb_column_add_json(b, col, row);
    }
    if (in->ncols) sb_buf_addc(b, '}');
    return piece(b);
}

static struct sb_str write_prediction(struct sb_buf *b, const struct sb_result *out, size_t row) {
    for (size_t i = 0; i < out->noutputs; i++) {
        sb_buf_addc(b, i ? ',' : '{');
        sb_json_add_string(b, out->outputs[i].name);
        sb_buf_addc(b, ':');
        sb_column_add_json(b, &out->outputs[i], row);
    }
    if (out->noutputs) sb_buf_addc(b, '}');
    return piece(b);
}

static struct sb_str write_probabilities(struct sb_buf *b, const struct sb_result *out,
                                         size_t row) {
    for (size_t i = 0; i < out->nclasses; i++) {
        sb_buf_addc(b, i ? ',' : '{');
        sb_json_add_string(b, out->classes[i]);
        sb_buf_addc(b, ':');
        sb_json_add_double(b, out->proba[row * out->nclasses + i]);
    }
    if (out->nclasses) sb_buf_addc(b, '}');
    return piece(b);
}

struct row_json sb_row_json(struct lane *l, const struct sb_live *live, const struct sb_batch *in,
                            const struct sb_result *out, size_t row) {
    struct row_json j = {0};
    sb_buf_reset(&l->input);
    sb_buf_reset(&l->prediction);
    sb_buf_reset(&l->probabilities);
    if (in->nrows) j.input = write_input(&l->input, live, in, row);
    if (out) {
        j.prediction = write_prediction(&l->prediction, out, row);
        j.probabilities = write_probabilities(&l->probabilities, out, row);
    }
    return j;
}

void sb_row_into_event(struct row_json *j, struct sb_event *e) {
    j->event_id = sb_str_make(e->id, SB_UUID_TEXT - 1);
    e->input_json = j->input;
    e->prediction_json = j->prediction;
    e->probabilities_json = j->probabilities;
}
