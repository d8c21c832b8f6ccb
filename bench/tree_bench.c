/* One tree model through sibyl's forest or through a peer's C interface, same rows, one thread.
 *
 *     tree_bench KIND X.bin FEATURES WANT ARGUMENTS...
 *         sibyl        MODEL_DIR IMAGE          converts first
 *         xgboost      LIBRARY MODEL            XGBoosterPredictFromDense
 *         lightgbm     LIBRARY MODEL            PredictForMatSingleRowFast, PredictForMat
 *         onnxruntime  LIBRARY MODEL OUTPUT     Run
 *         tl2cgen      LIBRARY float|double     predict, row by row
 *         lleaves      LIBRARY                  forest_root
 *
 * X.bin: rows of floats; WANT: their predictions by the library that trained the model, as doubles.
 * First prints a line of JSON: {"rows", "equal": rows with the same bits, "difference": the
 * largest, "detail"}. Then each line "N" of its input is answered by the median nanoseconds per row
 * over a tenth of a second of calls with N rows. Rows vary: repeating one would train the branch
 * predictor. Double models get double rows, made beforehand. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "domain/native/native.h"
#include "engine/forest/kernel.h"
#include "sys/mmap.h"

enum { WINDOW = 40, SECONDS_TENTH = 100 * 1000 * 1000, SAMPLES = 100000 };

struct bench {
    size_t nrows, nfeatures;
    float *x;
    double *wide, *got, *want;
    char **args;
    char detail[200];
    void *lib;
    /* Fills got[first, first + n). */
    void (*predict)(struct bench *b, size_t first, size_t n);
    void *own;
};

static void die(const char *what, const char *why) {
    fprintf(stderr, "tree_bench: %s: %s\n", what, why);
    exit(1);
}

static void *symbol(struct bench *b, const char *name) {
    void *p = dlsym(b->lib, name);
    if (!p) die(name, "no such symbol");
    return p;
}

static void open_library(struct bench *b) {
    b->lib = dlopen(b->args[0], RTLD_NOW | RTLD_LOCAL);
    if (!b->lib) die(b->args[0], dlerror());
}

/* ---- sibyl ---- */

struct ours {
    struct sb_mmap map;
    struct sb_forest f;
    char *rows; /* a copy, which prepare may change */
    double *sums;
};

static void predict_ours(struct bench *b, size_t first, size_t n) {
    struct ours *o = b->own;
    size_t size = o->f.wide ? sizeof(double) : sizeof(float), bytes = n * b->nfeatures * size;
    const char *from = o->f.wide ? (const char *)b->wide : (const char *)b->x;
    memcpy(o->rows, from + first * b->nfeatures * size, bytes);
    bool nan = sb_forest_prepare(&o->f, o->rows, n);
    sb_forest_sum(&o->f, o->rows, n, nan, b->got + first);
    (void)sb_forest_finish(&o->f, n, b->got + first);
}

static void open_ours(struct bench *b) {
    struct sb_errctx ctx = {0};
    struct sb_native_report report;
    struct ours *o = b->own = sb_calloc(1, sizeof *o);
    struct sb_file file = SB_FILE_NONE;
    struct sb_image img;
    struct sb_forest_choice choice;
    int64_t begin = sb_mono_ns();
    sb_err err = sb_native_convert(b->args[0], b->args[1], &report, &ctx);
    int64_t converted = sb_mono_ns();
    if (!err && !report.native) die(b->args[0], report.reason);
    if (!err) err = sb_file_open(&file, b->args[1], SB_OPEN_READ, &ctx);
    if (!err) err = sb_mmap_open(&o->map, &file, 0, false, &ctx);
    if (!err) err = sb_image_open(&img, sb_str_make(o->map.p, o->map.n), &ctx);
    if (!err) err = sb_forest_open(&o->f, &img, &ctx);
    if (err) die(b->args[0], sb_errctx_text(&ctx, err));
    bool timed = sb_forest_choice_read(img.section[SB_IMAGE_KERNELS], &choice);
    sb_forest_layout(&o->f, timed ? &choice : NULL);
    int64_t opened = sb_mono_ns();
    sb_file_close(&file);
    if (o->f.ngroups != 1) die(b->args[0], "more than one value per row");
    o->rows = sb_alloc(b->nrows * b->nfeatures * sizeof(double));
    b->predict = predict_ours;
    snprintf(b->detail, sizeof b->detail, "%s; %s; converted in %lld ms, opened in %lld ms",
             sb_forest_kernel_name(&o->f, 1), sb_forest_kernel_name(&o->f, 1000),
             (long long)(converted - begin) / 1000000, (long long)(opened - converted) / 1000000);
}

/* ---- XGBoost ---- */

struct xgboost {
    void *booster;
    int (*predict)(void *, const char *, const char *, void *, const uint64_t **, uint64_t *,
                   const float **);
};

static void predict_xgboost(struct bench *b, size_t first, size_t n) {
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"strict_shape\":false,\"cache_id\":0,"
                                 "\"missing\":NaN}";
    struct xgboost *x = b->own;
    char array[200];
    const uint64_t *shape;
    uint64_t dim;
    const float *out;
    snprintf(array, sizeof array,
             "{\"data\":[%llu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
             (unsigned long long)(uintptr_t)(b->x + first * b->nfeatures), n, b->nfeatures);
    if (x->predict(x->booster, array, config, NULL, &shape, &dim, &out)) die("xgboost", "predict");
    for (size_t i = 0; i < n; i++) b->got[first + i] = (double)out[i];
}

static void open_xgboost(struct bench *b) {
    struct xgboost *x = b->own = sb_calloc(1, sizeof *x);
    open_library(b);
    int (*create)(void *, uint64_t, void **) = symbol(b, "XGBoosterCreate");
    int (*set)(void *, const char *, const char *) = symbol(b, "XGBoosterSetParam");
    int (*load)(void *, const char *) = symbol(b, "XGBoosterLoadModel");
    x->predict = symbol(b, "XGBoosterPredictFromDense");
    if (create(NULL, 0, &x->booster) || set(x->booster, "nthread", "1") ||
        load(x->booster, b->args[1]) || set(x->booster, "nthread", "1"))
        die(b->args[1], "XGBoost does not load it");
    b->predict = predict_xgboost;
}

/* ---- LightGBM ---- */

struct lightgbm {
    void *booster, *fast;
    int (*one)(void *, const void *, int64_t *, double *);
    int (*many)(void *, const void *, int, int32_t, int32_t, int, int, int, int, const char *,
                int64_t *, double *);
};

static void predict_lightgbm(struct bench *b, size_t first, size_t n) {
    struct lightgbm *l = b->own;
    const double *x = b->wide + first * b->nfeatures;
    int64_t len;
    if (n == 1 ? l->one(l->fast, x, &len, b->got + first)
               : l->many(l->booster, x, 1, (int32_t)n, (int32_t)b->nfeatures, 1, 0, 0, -1,
                         "num_threads=1", &len, b->got + first))
        die("lightgbm", "predict");
}

static void open_lightgbm(struct bench *b) {
    struct lightgbm *l = b->own = sb_calloc(1, sizeof *l);
    int iterations;
    open_library(b);
    int (*load)(const char *, int *, void **) = symbol(b, "LGBM_BoosterCreateFromModelfile");
    int (*init)(void *, int, int, int, int, int32_t, const char *, void **) =
        symbol(b, "LGBM_BoosterPredictForMatSingleRowFastInit");
    l->one = symbol(b, "LGBM_BoosterPredictForMatSingleRowFast");
    l->many = symbol(b, "LGBM_BoosterPredictForMat");
    if (load(b->args[1], &iterations, &l->booster) ||
        init(l->booster, 0, 0, -1, 1, (int32_t)b->nfeatures, "num_threads=1", &l->fast))
        die(b->args[1], "LightGBM does not load it");
    b->predict = predict_lightgbm;
}

/* ---- ONNX Runtime: its table of functions (onnxruntime_c_api.h, version 17), by index ---- */

enum {
    ORT_MESSAGE = 2,
    ORT_ENV = 3,
    ORT_SESSION = 7,
    ORT_RUN = 9,
    ORT_OPTIONS = 10,
    ORT_INTRA_THREADS = 24,
    ORT_INTER_THREADS = 25,
    ORT_TENSOR = 49,
    ORT_CPU_MEMORY = 69,
    ORT_RELEASE_VALUE = 96,
    ORT_FLOAT = 1,
};

struct onnxruntime {
    void **api;
    void *session, *memory;
    const char *output;
    float *out;
};

static void ort_check(void **api, void *status, const char *what) {
    if (status) die(what, ((const char *(*)(void *))api[ORT_MESSAGE])(status));
}

static void *ort_tensor(struct onnxruntime *o, float *data, size_t rows, size_t cols) {
    const int64_t shape[2] = {(int64_t)rows, (int64_t)cols};
    void *value;
    void *(*make)(void *, void *, size_t, const int64_t *, size_t, int, void **) =
        o->api[ORT_TENSOR];
    ort_check(o->api,
              make(o->memory, data, rows * cols * sizeof *data, shape, 2, ORT_FLOAT, &value),
              "tensor");
    return value;
}

static void predict_onnxruntime(struct bench *b, size_t first, size_t n) {
    struct onnxruntime *o = b->own;
    static const char *const input = "X";
    void *x = ort_tensor(o, b->x + first * b->nfeatures, n, b->nfeatures);
    void *y = ort_tensor(o, o->out, n, 1);
    void *(*run)(void *, void *, const char *const *, void **, size_t, const char *const *, size_t,
                 void **) = o->api[ORT_RUN];
    void (*release)(void *) = o->api[ORT_RELEASE_VALUE];
    ort_check(o->api, run(o->session, NULL, &input, &x, 1, &o->output, 1, &y), "run");
    release(x);
    release(y);
    for (size_t i = 0; i < n; i++) b->got[first + i] = (double)o->out[i];
}

static void open_onnxruntime(struct bench *b) {
    struct onnxruntime *o = b->own = sb_calloc(1, sizeof *o);
    void *env, *options;
    open_library(b);
    const struct {
        void **(*api)(uint32_t);
        const char *(*version)(void);
    } *base = ((const void *(*)(void))symbol(b, "OrtGetApiBase"))();
    void **a = o->api = base->api(17);
    ort_check(a, ((void *(*)(int, const char *, void **))a[ORT_ENV])(3, "bench", &env), "env");
    ort_check(a, ((void *(*)(void **))a[ORT_OPTIONS])(&options), "options");
    ort_check(a, ((void *(*)(void *, int))a[ORT_INTRA_THREADS])(options, 1), "threads");
    ort_check(a, ((void *(*)(void *, int))a[ORT_INTER_THREADS])(options, 1), "threads");
    ort_check(a,
              ((void *(*)(void *, const char *, void *, void **))a[ORT_SESSION])(
                  env, b->args[1], options, &o->session),
              b->args[1]);
    ort_check(a, ((void *(*)(int, int, void **))a[ORT_CPU_MEMORY])(0, 0, &o->memory), "memory");
    o->output = b->args[2];
    o->out = sb_calloc(b->nrows, sizeof *o->out);
    b->predict = predict_onnxruntime;
}

/* ---- compiled models ---- */

union entry32 {
    int missing;
    float value;
};
union entry64 {
    int missing;
    double value;
};

struct compiled {
    void *call; /* tl2cgen's predict, which adds to its result; lleaves' forest_root */
    bool wide;
};

static void predict_tl2cgen(struct bench *b, size_t first, size_t n) {
    const struct compiled *c = b->own;
    union entry32 narrow[256];
    union entry64 wide[256];
    for (size_t r = first; r < first + n; r++) {
        if (c->wide) {
            double sum = 0;
            for (size_t f = 0; f < b->nfeatures; f++) wide[f].value = b->wide[r * b->nfeatures + f];
            ((void (*)(union entry64 *, int, double *))c->call)(wide, 0, &sum);
            b->got[r] = sum;
        } else {
            float sum = 0;
            for (size_t f = 0; f < b->nfeatures; f++) narrow[f].value = b->x[r * b->nfeatures + f];
            ((void (*)(union entry32 *, int, float *))c->call)(narrow, 0, &sum);
            b->got[r] = (double)sum;
        }
    }
}

static void predict_lleaves(struct bench *b, size_t first, size_t n) {
    const struct compiled *c = b->own;
    ((void (*)(double *, double *, int, int))c->call)(b->wide + first * b->nfeatures,
                                                      b->got + first, 0, (int)n);
}

static void open_tl2cgen(struct bench *b) {
    struct compiled *c = b->own = sb_calloc(1, sizeof *c);
    open_library(b);
    c->call = symbol(b, "predict");
    c->wide = strcmp(b->args[1], "double") == 0;
    if (b->nfeatures > 256) die("tl2cgen", "too many features");
    b->predict = predict_tl2cgen;
}

static void open_lleaves(struct bench *b) {
    struct compiled *c = b->own = sb_calloc(1, sizeof *c);
    open_library(b);
    c->call = symbol(b, "forest_root");
    b->predict = predict_lleaves;
}

/* ---- measuring ---- */

static void *read_file(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) die(path, "cannot be read");
    long n = ftell(f);
    rewind(f);
    char *p = sb_alloc((size_t)n + 1);
    if (n < 0 || fread(p, 1, (size_t)n, f) != (size_t)n) die(path, "cannot be read");
    fclose(f);
    *bytes = (size_t)n;
    return p;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Calls with n rows each; single rows in windows, so that the clock costs nothing. */
static double median_ns(struct bench *b, size_t n, double *samples) {
    size_t window = n == 1 ? WINDOW : 1, count = 0, at = 0;
    int64_t begin = sb_mono_ns(), now = begin;
    while (now - begin < SECONDS_TENTH && count < SAMPLES) {
        int64_t start = now;
        for (size_t i = 0; i < window; i++) {
            if (at + n > b->nrows) at = 0;
            b->predict(b, at, n);
            at += n;
        }
        now = sb_mono_ns();
        samples[count++] = (double)(now - start) / (double)(window * n);
    }
    qsort(samples, count, sizeof *samples, by_value);
    return samples[count / 2];
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int args;
        void (*open)(struct bench *);
    } kinds[] = {
        {"sibyl", 2, open_ours},        {"xgboost", 2, open_xgboost},
        {"lightgbm", 2, open_lightgbm}, {"onnxruntime", 3, open_onnxruntime},
        {"tl2cgen", 2, open_tl2cgen},   {"lleaves", 1, open_lleaves},
    };
    struct bench b = {.args = argv + 5};
    size_t bytes, equal = 0, i, kind = 0;
    double difference = 0;
    while (argc > 5 && kind < SB_COUNT(kinds) && strcmp(argv[1], kinds[kind].name) != 0) kind++;
    if (argc < 6 || kind == SB_COUNT(kinds) || argc != 5 + kinds[kind].args)
        return fprintf(stderr, "usage: tree_bench KIND X.bin FEATURES WANT ARGUMENTS...\n"), 2;
    b.nfeatures = strtoul(argv[3], NULL, 10);
    b.x = read_file(argv[2], &bytes);
    b.nrows = bytes / sizeof *b.x / b.nfeatures;
    b.want = read_file(argv[4], &bytes);
    if (!b.nrows || bytes != b.nrows * sizeof *b.want) die(argv[4], "not as many as rows");
    b.wide = sb_calloc(b.nrows * b.nfeatures, sizeof *b.wide);
    b.got = sb_calloc(b.nrows, sizeof *b.got);
    for (i = 0; i < b.nrows * b.nfeatures; i++) b.wide[i] = (double)b.x[i];
    kinds[kind].open(&b);
    b.predict(&b, 0, b.nrows);
    for (i = 0; i < b.nrows; i++) {
        equal += memcmp(&b.got[i], &b.want[i], sizeof *b.got) == 0;
        difference = fmax(difference, fabs(b.got[i] - b.want[i]));
    }
    printf("{\"rows\": %zu, \"equal\": %zu, \"difference\": %.3g, \"detail\": \"%s\"}\n", b.nrows,
           equal, difference, b.detail);
    double *samples = sb_calloc(SAMPLES, sizeof *samples);
    for (char line[32]; fflush(stdout) == 0 && fgets(line, sizeof line, stdin);) {
        size_t n = strtoul(line, NULL, 10);
        if (n == 0 || n > b.nrows) die(line, "not a number of rows");
        printf("%.3f\n", median_ns(&b, n, samples));
    }
    fflush(stdout);
    _Exit(0); /* some peers' libraries do not survive their own destructors */
}
