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

size_t sb_forest_finish(const struct sb_forest *f, size_t nrows, double *out) {
    size_t n = nrows * f->ngroups;
    switch (f->post) {
    case SB_FOREST_IDENTITY:
    case SB_FOREST_POST_COUNT: break;
    case SB_FOREST_MEAN:
        for (size_t i = 0; i < n; i++) out[i] /= (double)f->ntrees;
        break;
    case SB_FOREST_SIGMOID:
        for (size_t i = 0; i < n; i++) out[i] = (double)sigmoid((float)out[i]);
        break;
    case SB_FOREST_EXP:
        for (size_t i = 0; i < n; i++) out[i] = (double)expf((float)out[i]);
        break;
    case SB_FOREST_SOFTMAX:
        for (size_t r = 0; r < nrows; r++) softmax(out + r * f->ngroups, f->ngroups);
        break;
    case SB_FOREST_ARGMAX:
        for (size_t r = 0; r < nrows; r++) out[r] = argmax(out + r * f->ngroups, f->ngroups);
        return 1;
    case SB_FOREST_HINGE:
        for (size_t i = 0; i < n; i++) out[i] = (float)out[i] > 0.0f ? 1.0 : 0.0;
        break;
    }
    return f->ngroups;
}
