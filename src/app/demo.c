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
static const char ARTIFACTS[] = "/api/2.0/mlflow-artifacts/artifacts/";

/* Versions are made in this order, so they are 1 and 2. */
static const struct {
    const char *folder, *alias, *description;
} samples[] = {
    {"iris-forest", "production", "Random forest of 100 trees (sample model)"},
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

/* One call; the answer's body (may be NULL) as a tree in the arena. SB_E_UNAVAILABLE unless it is
 * 200. */
static sb_err call(struct sb_demo *d, struct sb_arena *a, const char *method, const char *target,
                   struct sb_str body, const char *content_type, struct sb_json **out) {
    struct sb_buf answer;
    int status = 0;
    sb_buf_init(&answer, 1 << 20);
    sb_err err = sb_fetch_call(
        d->registry,
        &(struct sb_fetch_request){
            .method = method, .target = target, .body = body, .content_type = content_type},
        &status, &answer, NULL);
    if (!err && status != 200) err = SB_E_UNAVAILABLE;
    if (!err && out) err = sb_json_parse(out, sb_arena_dup(a, sb_buf_view(&answer)), a, NULL);
    sb_buf_fini(&answer);
    return err;
}

/* POST of a JSON object of strings: key, value, ..., NULL. */
static sb_err post(struct sb_demo *d, struct sb_arena *a, const char *target,
                   const char *const *pairs, struct sb_json **out) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    for (; pairs[0]; pairs += 2) sb_json_str(&w, pairs[0], sb_str_of(pairs[1]));
    sb_json_end(&w);
    sb_err err = call(d, a, "POST", target, sb_buf_view(&b), NULL, out);
    sb_buf_fini(&b);
    return err;
}

static sb_err upload_file(struct sb_demo *d, struct sb_arena *a, const char *path,
                          const char *target) {
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    struct sb_errctx ctx = {0};
    sb_err err = sb_file_read_all(path, &b, &ctx);
    if (err) SB_LOG(SB_LOG_ERROR, "demo", "sample model not readable", SB_KE(&ctx, err));
    if (!err) err = call(d, a, "PUT", target, sb_buf_view(&b), "application/octet-stream", NULL);
    sb_buf_fini(&b);
    return err;
}

/* The folder's files below an artifact path of the registry's proxy. */
static sb_err upload(struct sb_demo *d, struct sb_arena *a, const char *folder, const char *to) {
    struct sb_dir_names names;
    char *dir = sb_arena_printf(a, "%s/%s", d->samples_dir, folder);
    SB_TRY(sb_dir_list(dir, &names, NULL));
    sb_err err = SB_OK;
    for (size_t i = 0; i < names.n && !err; i++)
        err = upload_file(d, a, sb_arena_printf(a, "%s/%s", dir, names.name[i]),
                          sb_arena_printf(a, "%s%s/%s", ARTIFACTS, to, names.name[i]));
    sb_dir_names_fini(&names);
    return err;
}

/* As a client does it: a run, its artifacts, a version whose source is the run's. */
static sb_err register_version(struct sb_demo *d, struct sb_arena *a, size_t i) {
    struct sb_json *o;
    struct sb_str run_id = {0}, uri = {0};
    const struct sb_str scheme = SB_STR("mlflow-artifacts:/");
    SB_TRY(post(d, a, "/api/2.0/mlflow/runs/create",
                (const char *[]){"experiment_id", "0", "run_name", samples[i].folder, NULL}, &o));
    const struct sb_json *info = sb_json_get(sb_json_get(o, "run"), "info");
    if (!sb_json_get_str(info, "run_id", &run_id) || !sb_json_get_str(info, "artifact_uri", &uri) ||
        !sb_str_starts(uri, scheme))
        return SB_E_UNSUPPORTED;
    char *source = sb_arena_printf(a, "%.*s/model", SB_ARG(uri));
    SB_TRY(upload(d, a, samples[i].folder, source + scheme.n));
    SB_TRY(
        post(d, a, "/api/2.0/mlflow/model-versions/create",
             (const char *[]){"name", MODEL, "source", source, "run_id", sb_arena_dup(a, run_id).p,
                              "description", samples[i].description, NULL},
             NULL));
    return post(d, a, "/api/2.0/mlflow/registered-models/alias",
                (const char *[]){"name", MODEL, "alias", samples[i].alias, "version",
                                 sb_arena_printf(a, "%zu", i + 1), NULL},
                NULL);
}

/* SB_OK when the models are there, new or from an earlier run. */
static sb_err register_samples(struct sb_demo *d, struct sb_arena *a) {
    sb_err err = call(d, a, "GET", "/api/2.0/mlflow/registered-models/get?name=" MODEL,
                      (struct sb_str){0}, NULL, NULL);
    if (!err) return SB_OK;
    SB_TRY(post(d, a, "/api/2.0/mlflow/registered-models/create",
                (const char *[]){"name", MODEL, "description",
                                 "Species of iris flowers: the sample model of sibyl demo", NULL},
                NULL));
    for (size_t i = 0; i < SB_COUNT(samples); i++) SB_TRY(register_version(d, a, i));
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

/* Traffic begins once somebody can answer it. */
static bool is_live(struct sb_demo *d) {
    struct sb_buf b;
    int status = 0;
    sb_buf_init(&b, 1 << 20);
    sb_err err = sb_fetch_call(d->serving, &(struct sb_fetch_request){.target = "/models"}, &status,
                               &b, NULL);
    bool live =
        !err && sb_str_contains(sb_buf_view(&b), SB_STR("\"name\":\"" MODEL "\",\"live\":"));
    sb_buf_fini(&b);
    return live;
}

static void run(void *arg) {
    struct sb_demo *d = arg;
    struct sb_arena a;
    sb_arena_init(&a, 16 << 20);
    while (!d->stop && register_samples(d, &a) != SB_OK) {
        sb_arena_reset(&a);
        pause_for(d, SB_SEC);
    }
    sb_arena_fini(&a);
    while (!d->stop && !is_live(d)) pause_for(d, SB_SEC / 10);
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
