#include "flow/loader.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/sha256.h"
#include "domain/model/batch.h"
#include "domain/model/mlmodel.h"
#include "domain/native/native.h"
#include "domain/worker/worker.h"
#include "flow/registry_client.h"
#include "sys/file.h"

struct loading {
    struct sb_load_context *c;
    const struct sb_watcher_opts *o;
    const struct sb_version_files *f;
    struct sb_errctx *ctx;
    struct sb_mlmodel *mlmodel;
    char mlmodel_sha256[SB_SHA256_TEXT];
    char artifact[4096], image[4096];
};

static char *dup_str(struct sb_str s) {
    return sb_strndup(s.p, s.n);
}

static struct sb_model_info make_info(const struct loading *l, struct sb_str flavor,
                                      const char *class_name, const char *why) {
    return (struct sb_model_info){
        .name = dup_str(l->f->name),
        .version = dup_str(l->f->version),
        .run_id = dup_str(l->f->run_id),
        .model_id = dup_str(l->f->model_id),
        .artifact_sha256 = dup_str(l->f->sha256),
        .flavor = dup_str(flavor),
        .class_name = sb_strdup(class_name),
        .why = sb_strdup(why),
        .loaded_ms = sb_wall_ms(),
    };
}

/* ---- the model's own files ---- */

static sb_err read_file(const char *dir, struct sb_str name, size_t max, struct sb_buf *out,
                        struct sb_errctx *ctx) {
    char path[8192];
    snprintf(path, sizeof path, "%s/%.*s", dir, SB_ARG(name));
    sb_buf_init(out, max);
    return sb_file_read_all(path, out, ctx);
}

static sb_err read_mlmodel(struct loading *l) {
    struct sb_buf text;
    sb_err err = read_file(l->artifact, SB_STR("MLmodel"), SB_MLMODEL_TEXT_MAX, &text, l->ctx);
    sb_mlmodel_free(l->mlmodel);
    l->mlmodel = NULL;
    if (!err) err = sb_mlmodel_parse(&l->mlmodel, sb_buf_view(&text), l->ctx);
    struct sb_sha256 h;
    sb_sha256_init(&h);
    sb_sha256_add(&h, text.p, text.n);
    sb_sha256_hex(&h, l->mlmodel_sha256);
    sb_buf_fini(&text);
    return err;
}

/* Examples of the inputs, for documentation and the first call. A model without them is fine. */
static void read_examples(struct loading *l) {
    enum { EXAMPLE_MAX = 16 << 20 };
    struct sb_str path = l->mlmodel->example.artifact_path;
    struct sb_buf text;
    if (!path.n || !sb_mlmodel_path_ok(path)) return;
    if (read_file(l->artifact, path, EXAMPLE_MAX, &text, NULL) == SB_OK)
        sb_signature_set_examples(l->mlmodel->signature, sb_buf_view(&text));
    sb_buf_fini(&text);
}

/* ---- native ---- */

/* Native back-ends call this before predict returns: the result is looked at after that. */
static void on_warm(struct sb_predict *p) {
    SB_UNUSED(p);
}

/* The first call: touches every page and shows that the model answers. A made-up row may be one
 * that the model refuses; its own example may not. */
static sb_err warm(struct sb_model *m, struct sb_errctx *ctx) {
    const struct sb_signature *s = m->signature;
    struct sb_arena a;
    struct sb_batch_builder b;
    struct sb_batch batch;
    bool examples = s->ninputs > 0;
    sb_arena_init(&a, 64 << 20);
    sb_err err =
        sb_batch_begin(&b, &(struct sb_batch_opts){.signature = s, .arena = &a, .ctx = ctx});
    for (size_t i = 0; !err && i < s->ninputs; i++) {
        struct sb_json_reader r;
        const char *example = s->inputs[i].example_json;
        examples = examples && example;
        sb_json_reader_init(&r, sb_str_of(example ? example : "0"), &a, ctx);
        err = sb_batch_set_cell(&b, (ptrdiff_t)i, 0, &r);
    }
    if (!err) err = sb_batch_finish(&b, 1, &batch);
    if (!err) {
        struct sb_predict p = {.in = &batch, .arena = &a, .done = on_warm};
        sb_model_predict(m, &p);
        err = p.err;
        if (err) sb_fail(ctx, err, "the model refuses its own input example: %.120s", p.ctx.msg);
    }
    sb_arena_fini(&a);
    if (err && !examples) {
        sb_errctx_reset(ctx);
        err = SB_OK;
    }
    return err;
}

static sb_err open_native(struct loading *l, const struct sb_native_report *report,
                          struct sb_model **out) {
    char why[SB_ERRMSG_MAX];
    snprintf(why, sizeof why, "%s is computed natively: %llu trees",
             report->class_name[0] ? report->class_name : report->flavor,
             (unsigned long long)report->trees);
    struct sb_model_info info = make_info(l, sb_str_of(report->flavor), report->class_name, why);
    struct sb_signature *signature = sb_mlmodel_take_signature(l->mlmodel);
    sb_err err = sb_native_open(out, l->image, signature, &info, l->ctx);
    if (err) {
        sb_model_info_fini(&info);
        sb_signature_free(signature);
        return err;
    }
    err = warm(*out, l->ctx);
    if (err) {
        sb_model_unref(*out);
        *out = NULL;
    }
    return err;
}

/* ---- workers ---- */

/* The interpreter of the model's own environment; *python is the caller's. */
static sb_err own_environment(struct loading *l, char **python) {
    struct sb_arena a;
    struct sb_requirements r;
    sb_arena_init(&a, 1 << 20);
    sb_err err = sb_requirements_read(&r, l->artifact, l->mlmodel, &a, l->ctx);
    if (!err) err = sb_environments_get(l->c->environments, &r, l->c->waits_for, python, l->ctx);
    sb_arena_fini(&a);
    return err;
}

static sb_err open_worker(struct loading *l, const char *class_name, const char *why,
                          struct sb_model **out) {
    if (l->o->workers == 0)
        return sb_fail(l->ctx, SB_E_DENIED,
                       "it would run its own code in a Python worker (%s), and worker.processes 0 "
                       "allows none",
                       why);
    char *python = NULL;
    bool own = l->f->environment == SB_ENVIRONMENT_MODEL;
    if (own) SB_TRY(own_environment(l, &python));
    struct sb_str flavor = sb_mlmodel_main_flavor(l->mlmodel);
    struct sb_model_info info = make_info(l, flavor, class_name, why);
    if (!class_name[0]) {
        sb_free(info.class_name);
        info.class_name = NULL; /* the worker finds out */
    }
    sb_err err = sb_worker_model_load(out, l->artifact,
                                      &(struct sb_worker_opts){
                                          .script = l->o->worker_script,
                                          .python = own ? python : l->o->python,
                                          .environment = own ? l->c->waits_for : NULL,
                                          .loop = l->o->worker_loop,
                                          .workers = l->o->workers,
                                          .memory = l->o->worker_memory,
                                          .start_timeout_ns = l->o->worker_start_ns,
                                          .max_rows = l->o->worker_max_rows,
                                          .max_bytes = l->o->worker_max_bytes,
                                          .validate = true,
                                          .stop = l->c->stop,
                                      },
                                      sb_mlmodel_take_signature(l->mlmodel), &info, l->ctx);
    sb_free(python);
    return err;
}

/* ---- the whole ---- */

sb_err sb_loader_check_rows(const struct sb_signature *s, const struct sb_signature *rows_of,
                            struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    if (sb_signature_takes(s, rows_of, &why) == SB_OK) return SB_OK;
    return sb_fail(ctx, SB_E_UNSUPPORTED, "it does not take the primary's rows: %s", why.msg);
}

/* What the conversion came to is kept in report.json: the next start opens the image, or goes to
 * the workers, at once. Another version of the program may know more classes, so it asks anew; so
 * does an MLmodel that is not the one it was made with. */
static bool read_report(const struct loading *l, struct sb_native_report *report) {
    struct sb_buf text;
    struct sb_arena a;
    struct sb_json *o;
    struct sb_str program = {0}, mlmodel = {0}, flavor = {0}, class_name = {0}, reason = {0};
    int64_t trees = 0;
    bool ok = false;
    sb_arena_init(&a, 1 << 20);
    if (read_file(l->f->dir, SB_STR("report.json"), 1 << 16, &text, NULL) == SB_OK &&
        sb_json_parse(&o, sb_buf_view(&text), &a, NULL) == SB_OK) {
        ok = sb_json_get_bool(o, "native", &report->native) &&
             sb_json_get_str(o, "program", &program) && sb_json_get_str(o, "flavor", &flavor) &&
             sb_json_get_str(o, "class", &class_name) && sb_json_get_str(o, "reason", &reason) &&
             sb_json_get_i64(o, "trees", &trees) && sb_json_get_str(o, "mlmodel", &mlmodel) &&
             sb_str_is(program, l->o->program_version) && sb_str_is(mlmodel, l->mlmodel_sha256);
    }
    snprintf(report->flavor, sizeof report->flavor, "%.*s", SB_ARG(flavor));
    snprintf(report->class_name, sizeof report->class_name, "%.*s", SB_ARG(class_name));
    snprintf(report->reason, sizeof report->reason, "%.*s", SB_ARG(reason));
    report->trees = (uint64_t)trees;
    sb_arena_fini(&a);
    sb_buf_fini(&text);
    return ok;
}

static sb_err write_report(const struct loading *l, const struct sb_native_report *report) {
    char path[4200];
    struct sb_buf b;
    struct sb_json_writer w = {.b = &b};
    snprintf(path, sizeof path, "%s/report.json", l->f->dir);
    sb_buf_init(&b, 1 << 16);
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "program", sb_str_of(l->o->program_version));
    sb_json_str(&w, "mlmodel", sb_str_of(l->mlmodel_sha256));
    sb_json_bool(&w, "native", report->native);
    sb_json_str(&w, "flavor", sb_str_of(report->flavor));
    sb_json_str(&w, "class", sb_str_of(report->class_name));
    sb_json_str(&w, "reason", sb_str_of(report->reason));
    sb_json_int(&w, "trees", (int64_t)report->trees);
    sb_json_end(&w);
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_file_replace(path, b.p, b.n, l->ctx);
    sb_buf_fini(&b);
    return err;
}

/* Files that have lain here since another start are used only when they are still what was fetched;
 * an image has a checksum of its own. */
static sb_err check_files(struct loading *l) {
    if (l->f->fresh) return SB_OK;
    struct sb_arena a;
    struct sb_str sha256;
    sb_arena_init(&a, 64 << 20);
    sb_err err = sb_registry_digest(&a, l->artifact, &sha256, l->ctx);
    if (!err && !sb_str_eq(sha256, l->f->sha256))
        err = sb_fail(l->ctx, SB_E_CORRUPT, "%s: its files are not those that were fetched",
                      l->artifact);
    sb_arena_fini(&a);
    return err;
}

static sb_err convert(struct loading *l, struct sb_native_report *report) {
    *report = (struct sb_native_report){0};
    SB_TRY(sb_native_convert_child(l->o->program, l->artifact, l->image, report, l->ctx));
    if (!report->native) SB_TRY(sb_file_unlink(l->image, l->ctx)); /* empty; it would look native */
    return write_report(l, report);
}

static sb_err load(struct loading *l, struct sb_model **out) {
    struct sb_native_report report = {0};
    SB_TRY(read_mlmodel(l));
    /* before a worker is started in vain */
    if (l->f->rows_of) SB_TRY(sb_loader_check_rows(l->mlmodel->signature, l->f->rows_of, l->ctx));
    read_examples(l);
    bool known = read_report(l, &report) && (!report.native || sb_file_exists(l->image));
    if (!known || !report.native) SB_TRY(check_files(l));
    if (!known) SB_TRY(convert(l, &report));
    if (!report.native) return open_worker(l, report.class_name, report.reason, out);
    sb_err err = open_native(l, &report, out);
    if (!err || !known) return err;
    sb_errctx_reset(l->ctx); /* the image is damaged or of another format: anew from the files */
    SB_TRY(check_files(l));
    SB_TRY(read_mlmodel(l));
    read_examples(l);
    SB_TRY(convert(l, &report));
    return report.native ? open_native(l, &report, out)
                         : open_worker(l, report.class_name, report.reason, out);
}

sb_err sb_loader_load(struct sb_load_context *c, const struct sb_version_files *f,
                      struct sb_model **out, struct sb_errctx *ctx) {
    struct loading l = {.c = c, .o = c->o, .f = f, .ctx = ctx};
    snprintf(l.artifact, sizeof l.artifact, "%s/artifact", f->dir);
    snprintf(l.image, sizeof l.image, "%s/model.img", f->dir);
    sb_err err = load(&l, out);
    sb_mlmodel_free(l.mlmodel);
    return err;
}
