/* Before and after the trees: what a library does to inputs and to sums. */
#include "engine/forest/forest.h"

#include <math.h>

/* XGBoost 1.6 and later, src/common/math.h: Sigmoid. */
static float sigmoid(float x) {
    float e = -x < 88.7f ? -x : 88.7f;
    float denominator = expf(e) + 1.0f + 1e-16f;
    return 1.0f / denominator;
}

/* src/common/math.h: Softmax; the sum is a double. */
static void softmax(double *v, uint32_t n) {
    float max = (float)v[0];
    for (uint32_t i = 1; i < n; i++) max = fmaxf((float)v[i], max);
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        v[i] = (double)expf((float)v[i] - max);
        sum += v[i];
    }
    for (uint32_t i = 0; i < n; i++) v[i] = (double)((float)v[i] / (float)sum);
}

static double argmax(const double *v, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (v[i] > v[best]) best = i;
    return best;
}

double sb_forest_numpy_sum(const double *v, size_t n) {
    if (n < 8) {
        double s = 0;
        for (size_t i = 0; i < n; i++) s += v[i];
        return s;
    }
    if (n > 128) {
        size_t half = n / 2;
        half -= half % 8;
        return sb_forest_numpy_sum(v, half) + sb_forest_numpy_sum(v + half, n - half);
    }
    double s[8];
    size_t i;
    for (i = 0; i < 8; i++) s[i] = v[i];
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) s[k] += v[i + k];
    double sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (; i < n; i++) sum += v[i];
    return sum;
}

static double sum_in_order(const double *v, size_t n) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += v[i];
    return s;
}

static void softmax64(double *v, uint32_t n, double (*sum)(const double *, size_t)) {
    double max = v[0];
    for (uint32_t i = 1; i < n; i++) max = v[i] > max ? v[i] : max;
    for (uint32_t i = 0; i < n; i++) v[i] = exp(v[i] - max);
    double total = sum(v, n);
    for (uint32_t i = 0; i < n; i++) v[i] /= total;
}

/* The transforms of one value, in double. */
static double scalar64(const struct sb_forest *f, double x) {
    const double a = f->post_param[0], b = f->post_param[1];
    switch (f->post) {
    case SB_FOREST_LOGISTIC64: return 1.0 / (1.0 + exp(-a * x));
    case SB_FOREST_EXP64: return exp(x);
    case SB_FOREST_SIGN_SQUARE: return (double)((x > 0) - (x < 0)) * x * x;
    case SB_FOREST_LOG1P_EXP: return log1p(exp(x));
    case SB_FOREST_ISOLATION: return -exp2(-x / a) - b >= 0 ? 1.0 : 0.0;
    default: return x;
    }
}

/* And in float. */
static float scalar32(enum sb_forest_post post, float x) {
    switch (post) {
    case SB_FOREST_SIGMOID: return sigmoid(x);
    case SB_FOREST_EXP: return expf(x);
    case SB_FOREST_HINGE: return x > 0.0f ? 1.0f : 0.0f;
    default: return x;
    }
}

/* The transforms over a row's groups. */
static void over_groups(enum sb_forest_post post, double *v, uint32_t n) {
    switch (post) {
    case SB_FOREST_SOFTMAX64: softmax64(v, n, sum_in_order); return;
    case SB_FOREST_SOFTMAX_PAIR: softmax64(v, n, sb_forest_numpy_sum); return;
    default: softmax(v, n); return;
    }
}

size_t sb_forest_finish(const struct sb_forest *f, size_t nrows, double *out) {
    const size_t n = nrows * f->ngroups;
    for (size_t i = 0; f->divisor != 1 && i < n; i++) out[i] /= f->divisor;
    switch (f->post) {
    case SB_FOREST_IDENTITY:
    case SB_FOREST_MEAN:
    case SB_FOREST_POST_COUNT: break;
    case SB_FOREST_SOFTMAX:
    case SB_FOREST_SOFTMAX64:
    case SB_FOREST_SOFTMAX_PAIR:
        for (size_t r = 0; r < nrows; r++) over_groups(f->post, out + r * f->ngroups, f->ngroups);
        break;
    case SB_FOREST_ARGMAX:
        for (size_t r = 0; r < nrows; r++) out[r] = argmax(out + r * f->ngroups, f->ngroups);
        return 1;
    case SB_FOREST_SIGMOID:
    case SB_FOREST_EXP:
    case SB_FOREST_HINGE:
        for (size_t i = 0; i < n; i++) out[i] = (double)scalar32(f->post, (float)out[i]);
        break;
    default:
        for (size_t i = 0; i < n; i++) out[i] = scalar64(f, out[i]);
        break;
    }
    return f->ngroups;
}

/* ---- before the trees ---- */

static bool is_tiny(double x) {
    const double tiny = (double)1e-35f;
    return fabs(x) <= tiny;
}

static double prepared(const struct sb_forest *f, double x, uint8_t rules) {
    if (f->input.has_missing && x == f->input.missing) return NAN;
    if (f->input.tiny_is_zero && is_tiny(x)) x = 0.0;
    if (rules & SB_FOREST_ZERO_MISSING && is_tiny(x)) return NAN;
    if (rules & SB_FOREST_FRACTION_IS_0 && x > -1 && x < 0) return 0.0;
    return x;
}

bool sb_forest_prepare(const struct sb_forest *f, void *rows, size_t nrows) {
    bool made_nan = false;
    if (!f->input.has_missing && !f->input.tiny_is_zero && !f->input.rules) return false;
    if (f->wide && !f->input.has_missing && !f->input.rules) { /* the usual LightGBM model */
        double *x = rows;
        for (size_t i = 0; i < nrows * f->nfeatures; i++) x[i] = is_tiny(x[i]) ? 0.0 : x[i];
        return false;
    }
    for (size_t r = 0; r < nrows; r++)
        for (uint32_t k = 0; k < f->nfeatures; k++) {
            size_t i = r * f->nfeatures + k;
            double x = f->wide ? ((double *)rows)[i] : (double)((float *)rows)[i];
            double v = prepared(f, x, f->input.rules ? f->input.rules[k] : 0);
            if (isnan(v) && !isnan(x)) made_nan = true;
            if (f->wide)
                ((double *)rows)[i] = v;
            else
                ((float *)rows)[i] = (float)v;
        }
    return made_nan;
}
