#include "engine/linear/linear.h"

#include <math.h>
#include <string.h>

#include "base/cursor.h"

enum { HEAD = 4 * 4 };

static sb_err damaged(struct sb_errctx *ctx) {
    (void)sb_fail(ctx, SB_E_CORRUPT, "damaged model image: linear section");
    return SB_E_CORRUPT;
}

sb_err sb_linear_open(struct sb_linear *out, const struct sb_image *img, struct sb_errctx *ctx) {
    struct sb_str s = img->section[SB_IMAGE_LINEAR];
    struct sb_linear l = {0};
    *out = l;
    if (!s.p) return SB_OK;
    struct sb_cursor c = sb_cursor_of(s.p, s.n);
    l.nfeatures = sb_cursor_le32(&c);
    l.noutputs = sb_cursor_le32(&c);
    uint32_t post = sb_cursor_le32(&c);
    (void)sb_cursor_le32(&c);
    if (c.err || l.nfeatures == 0 || l.nfeatures > SB_LINEAR_FEATURES_MAX || l.noutputs == 0 ||
        l.noutputs > SB_LINEAR_OUTPUTS_MAX || post >= SB_LINEAR_POST_COUNT)
        return damaged(ctx);
    l.post = (enum sb_linear_post)post;
    if ((l.post == SB_LINEAR_EXPIT || l.post == SB_LINEAR_PAIR) && l.noutputs != 1)
        return damaged(ctx);
    l.coef = (const double *)(const void *)sb_cursor_take(&c, (size_t)l.nfeatures * l.noutputs *
                                                                  sizeof *l.coef);
    l.intercept = (const double *)(const void *)sb_cursor_take(&c, l.noutputs * sizeof *l.coef);
    if (c.err || sb_cursor_left(&c)) return damaged(ctx);
    *out = l;
    return SB_OK;
}

void sb_linear_write(struct sb_image_writer *w, const struct sb_linear *l) {
    const uint32_t head[] = {l->nfeatures, l->noutputs, l->post, 0};
    _Static_assert(sizeof head == HEAD, "coefficients start aligned");
    sb_image_begin(w, SB_IMAGE_LINEAR);
    sb_buf_add(&w->out, head, sizeof head);
    sb_buf_add(&w->out, l->coef, (size_t)l->nfeatures * l->noutputs * sizeof *l->coef);
    sb_buf_add(&w->out, l->intercept, l->noutputs * sizeof *l->intercept);
}

void sb_linear_sum(const struct sb_linear *l, const double *row, double *out) {
    for (uint32_t k = 0; k < l->noutputs; k++) {
        const double *w = l->coef + (size_t)k * l->nfeatures;
        double sum = 0;
        for (uint32_t i = 0; i < l->nfeatures; i++) sum += row[i] * w[i];
        out[k] = sum + l->intercept[k];
    }
}

uint32_t sb_linear_width(const struct sb_linear *l) {
    return l->post == SB_LINEAR_PAIR ? 2 : l->noutputs;
}

/* ---- links ---- */

static double expit(double x) {
    return 1 / (1 + exp(-x));
}

static void divide(double *v, uint32_t n, double sum) {
    for (uint32_t i = 0; i < n; i++) v[i] /= sum;
}

static void softmax(double *v, uint32_t n) {
    double max = v[0], sum = 0;
    for (uint32_t i = 1; i < n; i++) max = v[i] > max || isnan(v[i]) ? v[i] : max;
    for (uint32_t i = 0; i < n; i++) {
        v[i] = exp(v[i] - max);
        sum += v[i];
    }
    divide(v, n, sum);
}

/* Over their sum, or alike when that is nothing. */
static void normalise(double *v, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += v[i];
    if (sum == 0) {
        for (uint32_t i = 0; i < n; i++) v[i] = 1;
        sum = n;
    }
    divide(v, n, sum);
}

static void finish_row(const struct sb_linear *l, const double *scores, double *out) {
    uint32_t n = l->noutputs;
    if (out != scores) memcpy(out, scores, n * sizeof *out);
    switch (l->post) {
    case SB_LINEAR_EXPIT: out[0] = expit(out[0]); break;
    case SB_LINEAR_SOFTMAX: softmax(out, n); break;
    case SB_LINEAR_PAIR:
        out[1] = out[0];
        out[0] = -out[0];
        softmax(out, 2);
        break;
    case SB_LINEAR_OVR:
        for (uint32_t i = 0; i < n; i++) out[i] = expit(out[i]);
        normalise(out, n);
        break;
    case SB_LINEAR_HUBER:
        for (uint32_t i = 0; i < n; i++) out[i] = (fmax(fmin(out[i], 1), -1) + 1) / 2;
        if (n > 1) normalise(out, n);
        break;
    case SB_LINEAR_EXP:
        for (uint32_t i = 0; i < n; i++) out[i] = exp(out[i]);
        break;
    default: break;
    }
}

void sb_linear_finish(const struct sb_linear *l, size_t nrows, const double *scores, double *out) {
    uint32_t width = sb_linear_width(l);
    for (size_t r = 0; r < nrows; r++) finish_row(l, scores + r * l->noutputs, out + r * width);
}
