/* A row as JSON: the pieces that its event and its answer share, each written once. */
#include "api/serving/serving_int.h"

static struct sb_str piece(const struct sb_buf *b) {
    return b->err ? (struct sb_str){0} : sb_buf_view(b);
}

static void write_key(struct sb_buf *b, const struct sb_live *live, const struct sb_batch *in,
                      size_t i) {
    if (live && in->ncols == live->ninputs) {
        sb_buf_adds(b, live->input_keys[i]);
    } else {
        sb_json_add_string(b, in->cols[i].name);
        sb_buf_addc(b, ':');
    }
}

static void write_value(struct sb_buf *b, const struct sb_column *col, size_t row) {
    if (col->tokens && col->tokens[row].n)
        sb_buf_adds(b, col->tokens[row]);
    else
        sb_column_add_json(b, col, row);
}

static struct sb_str write_input(struct sb_buf *b, const struct sb_live *live,
                                 const struct sb_batch *in, size_t row) {
    for (size_t i = 0; i < in->ncols; i++) {
        sb_buf_addc(b, i ? ',' : '{');
        write_key(b, live, in, i);
        write_value(b, &in->cols[i], row);
    }
    if (in->ncols) sb_buf_addc(b, '}');
    return piece(b);
}

/* The same for a version with rules of privacy. */
static struct sb_str write_private(struct sb_buf *b, const struct sb_live *live,
                                   const struct sb_batch *in, size_t row) {
    const struct sb_privacy *p = live->privacy;
    bool declared = in->ncols == live->ninputs;
    sb_buf_addc(b, '{');
    for (size_t i = 0; i < in->ncols; i++) {
        const struct sb_column *col = &in->cols[i];
        enum sb_privacy_action action =
            declared ? sb_privacy_of_input(p, i) : sb_privacy_of_name(p, col->name);
        if (action == SB_PRIVACY_DROP) continue;
        if (b->n > 1) sb_buf_addc(b, ',');
        write_key(b, live, in, i);
        if (action == SB_PRIVACY_KEEP)
            write_value(b, col, row);
        else
            sb_privacy_add(b, p, action, col, row);
    }
    sb_buf_addc(b, '}');
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
    j.withhold = live && live->privacy;
    if (in->nrows && j.withhold)
        j.input = write_private(&l->input, live, in, row);
    else if (in->nrows)
        j.input = write_input(&l->input, live, in, row);
    if (out) {
        j.prediction = write_prediction(&l->prediction, out, row);
        j.probabilities = write_probabilities(&l->probabilities, out, row);
    }
    return j;
}

void sb_row_into_event(struct row_json *j, struct sb_event *e) {
    if (j->withhold && e->error.n) e->error = SB_STR("withheld: the model has private features");
    j->event_id = sb_str_make(e->id, SB_UUID_TEXT - 1);
    e->input_json = j->input;
    e->prediction_json = j->prediction;
    e->probabilities_json = j->probabilities;
}
