#include "app/demo.h"

#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/thread.h"
#include "codec/json.h"
#include "engine/fetch/fetch.h"
#include "sys/file.h"

#define MODEL "iris"
static const char ARTIFACTS[] = "/api/2.0/mlflow-artifacts/artifacts/samples/";

/* Versions are made in this order, so they are 1 and 2. */
static const struct {
    const char *folder, *alias, *description;
} samples[] = {
    {"iris-forest", "production", "Random forest of 60 trees (sample model)"},
    {"iris-boosted", "shadow", "XGBoost classifier of 40 rounds (sample model)"},
};

struct sb_demo {
    struct sb_fetch *registry, *serving;
    char *samples_dir;
    int per_second;
    struct sb_rng rng;
    struct sb_thread thread;
    _Atomic bool stop;
};

/* ---- sample models ---- */

static sb_err call(struct sb_demo *d, const char *method, const char *target, struct sb_str body,
                   const char *content_type, int *status) {
    return sb_fetch_call(
        d->registry,
        &(struct sb_fetch_request){
            .method = method, .target = target, .body = body, .content_type = content_type},
        status, NULL, NULL);
}

/* POST of a JSON object of strings: key, value, ..., NULL. SB_E_UNAVAILABLE unless it is answered
 * 200. */
static sb_err post(struct sb_demo *d, const char *target, const char *const *pairs) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    for (; pairs[0]; pairs += 2) sb_json_str(&w, pairs[0], sb_str_of(pairs[1]));
    sb_json_end(&w);
    int status = 0;
    sb_err err = call(d, "POST", target, sb_buf_view(&b), NULL, &status);
    sb_buf_fini(&b);
    return err ? err : status == 200 ? SB_OK : SB_E_UNAVAILABLE;
}

static sb_err upload_file(struct sb_demo *d, const char *folder, const char *name) {
    char path[4096], target[512];
    struct sb_buf b;
    int status = 0;
    snprintf(path, sizeof path, "%s/%s/%s", d->samples_dir, folder, name);
    snprintf(target, sizeof target, "%s%s/%s", ARTIFACTS, folder, name);
    sb_buf_init(&b, 64 << 20);
    struct sb_errctx ctx = {0};
    sb_err err = sb_file_read_all(path, &b, &ctx);
    if (err) SB_LOG(SB_LOG_ERROR, "demo", "sample model not readable", SB_KE(&ctx, err));
    if (!err) err = call(d, "PUT", target, sb_buf_view(&b), "application/octet-stream", &status);
    sb_buf_fini(&b);
    return err ? err : status == 200 ? SB_OK : SB_E_UNAVAILABLE;
}

static sb_err upload(struct sb_demo *d, const char *folder) {
    char path[4096];
    struct sb_dir_names names;
    snprintf(path, sizeof path, "%s/%s", d->samples_dir, folder);
    SB_TRY(sb_dir_list(path, &names, NULL));
    sb_err err = SB_OK;
    for (size_t i = 0; i < names.n && !err; i++) err = upload_file(d, folder, names.name[i]);
    sb_dir_names_fini(&names);
    return err;
}

static sb_err register_version(struct sb_demo *d, size_t i) {
    char source[256], version[8];
    SB_TRY(upload(d, samples[i].folder));
    snprintf(source, sizeof source, "mlflow-artifacts:/samples/%s", samples[i].folder);
    snprintf(version, sizeof version, "%zu", i + 1);
    SB_TRY(post(d, "/api/2.0/mlflow/model-versions/create",
                (const char *[]){"name", MODEL, "source", source, "description",
                                 samples[i].description, NULL}));
    return post(
        d, "/api/2.0/mlflow/registered-models/alias",
        (const char *[]){"name", MODEL, "alias", samples[i].alias, "version", version, NULL});
}

/* SB_OK when the models are there, new or from an earlier run. */
static sb_err register_samples(struct sb_demo *d) {
    int status = 0;
    SB_TRY(call(d, "GET", "/api/2.0/mlflow/registered-models/get?name=" MODEL, (struct sb_str){0},
                NULL, &status));
    if (status == 200) return SB_OK;
    SB_TRY(post(d, "/api/2.0/mlflow/registered-models/create",
                (const char *[]){"name", MODEL, "description",
                                 "Species of iris flowers: the sample model of sibyl demo", NULL}));
    for (size_t i = 0; i < SB_COUNT(samples); i++) SB_TRY(register_version(d, i));
    SB_LOG(SB_LOG_INFO, "demo", "sample models registered", SB_KS("model", MODEL));
    return SB_OK;
}

/* ---- sample traffic ---- */

/* About normal: the sum of four uniform numbers. */
static double noise(struct sb_demo *d, double sigma) {
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += (double)(sb_rng_next(&d->rng) >> 11) / 9007199254740992.0;
    return (sum - 2) * sigma * 1.732;
}

/* One flower of a random species; petals grow by up to a centimetre over the drift's period. */
static void write_flower(struct sb_demo *d, struct sb_buf *b) {
    static const double mean[3][4] = {
        {5.01, 3.43, 1.46, 0.25}, {5.94, 2.77, 4.26, 1.33}, {6.59, 2.97, 5.55, 2.03}};
    static const double sigma[4] = {0.5, 0.33, 0.4, 0.2};
    static const char *const names[4] = {"sepal_length", "sepal_width", "petal_length",
                                         "petal_width"};
    const double period_s = 900;
    double phase = (double)sb_mono_ns() / 1e9 / period_s * 2 * M_PI;
    double drift = 0.5 * (1 - cos(phase));
    size_t species = sb_rng_next(&d->rng) % 3;
    sb_buf_reset(b);
    for (size_t i = 0; i < 4; i++) {
        double v = mean[species][i] + noise(d, sigma[i]) + (i == 2 ? drift : 0);
        sb_buf_addf(b, "%s\"%s\":%.1f", i ? "," : "{", names[i], v < 0.1 ? 0.1 : v);
    }
    sb_buf_addc(b, '}');
}

static sb_err send_one(struct sb_demo *d, struct sb_buf *b) {
    int status;
    write_flower(d, b);
    return sb_fetch_call(d->serving,
                         &(struct sb_fetch_request){.target = "/models/" MODEL "/predict",
                                                    .body = sb_buf_view(b),
                                                    .timeout_ns = 5 * SB_SEC},
                         &status, NULL, NULL);
}

static void pause_for(struct sb_demo *d, int64_t ns) {
    for (int64_t until = sb_mono_ns() + ns; !d->stop && sb_mono_ns() < until;)
        sb_sleep_ns(ns < 50 * SB_MS ? ns : 50 * SB_MS);
}

static void run(void *arg) {
    struct sb_demo *d = arg;
    while (!d->stop && register_samples(d) != SB_OK) pause_for(d, SB_SEC);
    struct sb_buf b;
    sb_buf_init(&b, 4096);
    int64_t gap = SB_SEC / d->per_second;
    for (int64_t due = sb_mono_ns(); !d->stop; due += gap) {
        if (send_one(d, &b) != SB_OK) pause_for(d, SB_SEC); /* serving is away: it comes back */
        int64_t now = sb_mono_ns();
        if (due < now - SB_SEC) due = now; /* no burst after a pause */
        if (due > now) pause_for(d, due - now);
    }
    sb_buf_fini(&b);
}

/* ---- life ---- */

static void demo_free(struct sb_demo *d) {
    sb_fetch_free(d->registry);
    sb_fetch_free(d->serving);
    sb_free(d->samples_dir);
    sb_free(d);
}

sb_err sb_demo_start(struct sb_demo **out, const struct sb_demo_opts *o, struct sb_errctx *ctx) {
    struct sb_demo *d = sb_calloc(1, sizeof *d);
    d->samples_dir = sb_strdup(o->samples_dir);
    d->per_second = o->per_second;
    sb_rng_init(&d->rng);
    sb_err err = sb_fetch_new(&d->registry, o->registry_url, ctx);
    if (!err) err = sb_fetch_new(&d->serving, o->serving_url, ctx);
    if (!err && (err = sb_thread_start(&d->thread, "demo", run, d)))
        sb_fail(ctx, err, "the demo's thread could not be started");
    if (err)
        demo_free(d);
    else
        *out = d;
    return err;
}

void sb_demo_stop(struct sb_demo *d) {
    if (!d) return;
    d->stop = true;
    sb_fetch_stop(d->registry);
    sb_fetch_stop(d->serving);
    sb_thread_join(&d->thread);
    demo_free(d);
}
