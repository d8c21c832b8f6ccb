/* Checks of `sibyl doctor` around the processes: ports, what runs, and what models need. */
#include <stdio.h>

#include "app/client.h"
#include "app/datadir.h"
#include "app/doctor_int.h"
#include "app/home.h"
#include "app/instance.h"
#include "app/text.h"
#include "base/clock.h"
#include "base/random.h"
#include "domain/native/native.h"
#include "loop/listen.h"
#include "sys/child.h"
#include "sys/file.h"
#include "sys/host.h"

#define ANSWER_NS (5 * SB_SEC)
#define PYTHON_NS (60 * SB_SEC)

enum { TREE_MAX = 64 << 20, ANSWER_MAX = 16 << 20, FILES_MAX = 64 };

/* ---- ports ---- */

/* The URL under which a role of this data folder says it serves; NULL when it does not run. */
static const char *url_of(struct sb_doctor *d, const char *role, const char *what) {
    const char *url = NULL;
    int64_t pid = 0;
    const char *path = sb_instance_path(d->arena, d->config->data, role);
    if (!d->running || !sb_instance_read(d->arena, path, &pid, what, &url)) return NULL;
    return url;
}

static void check_port(struct sb_doctor *d, struct sb_finding *f, const char *role,
                       const char *what, const struct sb_addr *a) {
    struct sb_errctx ctx = {0};
    uint16_t port = a->port;
    const char *own = url_of(d, role, what);
    if (own) {
        sb_finding_set(f, SB_FINDING_OK, "this platform serves %s", own);
    } else if (!port) {
        sb_finding_set(f, SB_FINDING_OK, "any free one");
    } else {
        sb_err err = sb_listen_check(a->host, &port, &ctx);
        if (err)
            sb_finding_set(f, SB_FINDING_BROKEN, "%s", sb_errctx_text(&ctx, err));
        else
            sb_finding_set(f, SB_FINDING_OK, "%u is free", (unsigned)port);
    }
}

void sb_check_port_serving(struct sb_doctor *d, struct sb_finding *f) {
    check_port(d, f, "serving", "serving", &d->config->serving_listen);
}
void sb_check_port_registry(struct sb_doctor *d, struct sb_finding *f) {
    check_port(d, f, "platform", "registry", &d->config->registry_listen);
}
void sb_check_port_dashboard(struct sb_doctor *d, struct sb_finding *f) {
    check_port(d, f, "platform", "dashboard", &d->config->dashboard_listen);
}

void sb_check_port_search(struct sb_doctor *d, struct sb_finding *f) {
    check_port(d, f, "platform", "search", &d->config->search_listen);
}

/* ---- what runs ---- */

static sb_err ask(const char *url, int *status, struct sb_buf *answer, struct sb_errctx *ctx) {
    struct sb_fetch *fetch;
    struct sb_fetch_request r = {
        .target = "/health", .timeout_ns = ANSWER_NS, .max_bytes = ANSWER_MAX};
    SB_TRY(sb_fetch_new(&fetch, url, ctx));
    sb_err err = sb_fetch_call(fetch, &r, status, answer, ctx);
    sb_fetch_free(fetch);
    return err;
}

/* What serving says of itself. */
static void add_health(struct sb_finding *f, struct sb_str answer) {
    struct sb_arena a;
    struct sb_json *doc = NULL;
    sb_arena_init(&a, TREE_MAX);
    if (sb_json_parse(&doc, answer, &a, NULL) != SB_OK) doc = NULL;
    struct sb_str status = sb_client_text(doc, "status"), reason = sb_client_text(doc, "reason");
    struct sb_str registry = sb_client_text(sb_json_get(doc, "registry"), "state");
    if (sb_str_is(status, "unavailable"))
        f->state = SB_FINDING_BROKEN;
    else if (sb_str_is(status, "degraded") || sb_str_is(registry, "unreachable"))
        f->state = SB_FINDING_WARNING;
    if (status.n) sb_buf_addf(&f->text, ", %.*s", SB_ARG(status));
    if (reason.n) sb_buf_addf(&f->text, ": %.*s", SB_ARG(reason));
    if (registry.n) sb_buf_addf(&f->text, ", registry %.*s", SB_ARG(registry));
    sb_arena_fini(&a);
}

static void check_health(struct sb_doctor *d, struct sb_finding *f, const char *role,
                         const char *what, bool describes) {
    struct sb_errctx ctx = {0};
    struct sb_buf answer;
    int status = 0;
    const char *url = url_of(d, role, what);
    if (!d->running) {
        sb_finding_set(f, SB_FINDING_OK, "not running");
        return;
    }
    if (!url) {
        sb_finding_set(f, SB_FINDING_BROKEN, "its process does not answer requests yet, or ended");
        return;
    }
    sb_buf_init(&answer, ANSWER_MAX);
    sb_err err = ask(url, &status, &answer, &ctx);
    if (err) {
        sb_finding_set(f, SB_FINDING_BROKEN, "%s", sb_errctx_text(&ctx, err));
    } else {
        bool good = status == 200 || (describes && status == 503);
        sb_finding_set(f, good ? SB_FINDING_OK : SB_FINDING_BROKEN, "%s answers %d", url, status);
        if (describes && good) add_health(f, sb_buf_view(&answer));
    }
    sb_buf_fini(&answer);
}

void sb_check_health_serving(struct sb_doctor *d, struct sb_finding *f) {
    check_health(d, f, "serving", "serving", true);
}
void sb_check_health_registry(struct sb_doctor *d, struct sb_finding *f) {
    check_health(d, f, "platform", "registry", false);
}
void sb_check_health_dashboard(struct sb_doctor *d, struct sb_finding *f) {
    check_health(d, f, "platform", "dashboard", false);
}

/* One index of the dashboard's /health. */
static void add_index(struct sb_finding *f, const struct sb_json *o) {
    static const int64_t much = 100000; /* events that wait: a busy minute */
    struct sb_str name = sb_client_text(o, "name"), error = sb_client_text(o, "error");
    int64_t documents = 0, lag = 0;
    bool failed = sb_str_is(sb_client_text(o, "state"), "failed");
    if (!sb_json_get_i64(o, "documents", &documents) || !sb_json_get_i64(o, "lag", &lag)) return;
    if (failed)
        f->state = SB_FINDING_BROKEN;
    else if (lag > much && f->state == SB_FINDING_OK)
        f->state = SB_FINDING_WARNING;
    sb_buf_addf(&f->text, "%s%.*s: %lld documents", f->text.n ? ", " : "", SB_ARG(name),
                (long long)documents);
    if (lag) sb_buf_addf(&f->text, " and %lld events that wait", (long long)lag);
    if (failed) sb_buf_addf(&f->text, " (%.*s)", SB_ARG(error));
}

void sb_check_indexes(struct sb_doctor *d, struct sb_finding *f) {
    struct sb_buf answer;
    struct sb_arena a;
    struct sb_json *doc;
    int status = 0;
    const char *url = url_of(d, "platform", "dashboard");
    if (!url) {
        sb_finding_set(f, SB_FINDING_OK, "not running");
        return;
    }
    sb_buf_init(&answer, ANSWER_MAX);
    sb_arena_init(&a, TREE_MAX);
    const struct sb_json *list = NULL;
    if (ask(url, &status, &answer, NULL) == SB_OK &&
        sb_json_parse(&doc, sb_buf_view(&answer), &a, NULL) == SB_OK)
        list = sb_json_get(doc, "indexes");
    if (!list) sb_finding_set(f, SB_FINDING_BROKEN, "platform does not say how they are");
    for (const struct sb_json *o = list ? list->child : NULL; o; o = o->next) add_index(f, o);
    sb_arena_fini(&a);
    sb_buf_fini(&answer);
}

/* ---- the program and its interpreter ---- */

void sb_check_program_files(struct sb_doctor *d, struct sb_finding *f) {
    static const char *const files[] = {"python/sibyl_worker.py", "python/sibyl_doctor.py",
                                        "share/samples"};
    for (size_t i = 0; i < SB_COUNT(files); i++) {
        const char *path = sb_home_path(d->arena, d->config, files[i]);
        if (sb_file_exists(path)) continue;
        sb_finding_set(f, SB_FINDING_BROKEN, "%s is missing", path);
        return;
    }
    sb_finding_set(f, SB_FINDING_OK, "there");
}

/* requirements.txt of the versions that are kept and were not converted: those run in workers. */
static void find_requirements(struct sb_doctor *d, const char **files, size_t max) {
    struct sb_dir_names models, versions;
    size_t n = 0;
    const char *root = sb_datadir_path(d->arena, d->config->data, SB_DATADIR_MODELS);
    if (!d->has_data || sb_dir_list(root, &models, NULL)) return;
    for (size_t i = 0; i < models.n; i++) {
        const char *model = sb_arena_printf(d->arena, "%s/%s", root, models.name[i]);
        if (models.name[i][0] == '.' || sb_dir_list(model, &versions, NULL)) continue;
        for (size_t k = 0; k < versions.n && n < max; k++) {
            const char *dir = sb_arena_printf(d->arena, "%s/%s", model, versions.name[k]);
            const char *file = sb_arena_printf(d->arena, "%s/artifact/requirements.txt", dir);
            bool native = sb_file_exists(sb_arena_printf(d->arena, "%s/model.img", dir));
            if (!native && sb_file_exists(file)) files[n++] = file;
        }
        sb_dir_names_fini(&versions);
    }
    sb_dir_names_fini(&models);
}

/* Asks the interpreter once for both checks. */
static void ask_python(struct sb_doctor *d) {
    char program[4096];
    const char *argv[3 + FILES_MAX] = {program,
                                       sb_home_path(d->arena, d->config, "python/sibyl_doctor.py")};
    struct sb_child_end end = {0};
    struct sb_errctx ctx = {0};
    struct sb_buf out;
    struct sb_json *doc = NULL;
    if (d->asked_python) return;
    d->asked_python = true;
    if (!sb_host_find_program(d->config->python, program, sizeof program)) {
        d->python_error = "there is no such program";
        return;
    }
    find_requirements(d, argv + 2, FILES_MAX);
    sb_buf_init(&out, ANSWER_MAX);
    sb_err err = sb_child_run(argv, PYTHON_NS, &out, &end, &ctx);
    struct sb_str text = sb_arena_dup(d->arena, sb_buf_view(&out));
    sb_buf_fini(&out);
    if (err)
        d->python_error = sb_arena_printf(d->arena, "%s", sb_errctx_text(&ctx, err));
    else if (end.timed_out)
        d->python_error = "it did not answer within a minute";
    else if (end.status != 0 || sb_json_parse(&doc, text, d->arena, NULL) != SB_OK)
        d->python_error = sb_arena_printf(d->arena, "it ended with status %d", end.status);
    else
        d->python = doc;
}

void sb_check_python(struct sb_doctor *d, struct sb_finding *f) {
    if (!d->config->worker_processes) {
        sb_finding_set(f, SB_FINDING_OK, "not used (worker.processes is 0)");
        return;
    }
    ask_python(d);
    struct sb_str version = sb_client_text(d->python, "python"),
                  mlflow = sb_client_text(d->python, "mlflow"),
                  error = sb_client_text(d->python, "error");
    if (d->python_error)
        sb_finding_set(f, SB_FINDING_BROKEN, "%s: %s", d->config->python, d->python_error);
    else if (error.n)
        sb_finding_set(f, SB_FINDING_BROKEN, "%s (Python %.*s) cannot import mlflow: %.*s",
                       d->config->python, SB_ARG(version), SB_ARG(error));
    else
        sb_finding_set(f, SB_FINDING_OK, "%s, Python %.*s with mlflow %.*s", d->config->python,
                       SB_ARG(version), SB_ARG(mlflow));
}

void sb_check_packages(struct sb_doctor *d, struct sb_finding *f) {
    if (!d->config->worker_processes || strcmp(d->config->worker_environment, "model") == 0) {
        sb_finding_set(f, SB_FINDING_OK, "%s",
                       d->config->worker_processes ? "each model has an environment of its own"
                                                   : "not used (worker.processes is 0)");
        return;
    }
    ask_python(d);
    if (!d->python) {
        sb_finding_set(f, SB_FINDING_WARNING, "not checked: the interpreter did not answer");
        return;
    }
    const struct sb_json *missing = sb_json_get(d->python, "missing");
    if (!missing || !missing->child) {
        sb_finding_set(f, SB_FINDING_OK, "the models that run in Python have what they ask for");
        return;
    }
    f->state = SB_FINDING_WARNING;
    const char *sep = "";
    for (const struct sb_json *m = missing->child; m; m = m->next, sep = "; ") {
        struct sb_str has = sb_client_text(m, "has");
        sb_buf_addf(&f->text, "%s%.*s %.*s is asked for and %s%.*s", sep,
                    SB_ARG(sb_client_text(m, "package")), SB_ARG(sb_client_text(m, "wants")),
                    has.n ? "there is " : "it is not there", SB_ARG(has));
    }
}

void sb_check_converter(struct sb_doctor *d, struct sb_finding *f) {
    struct sb_native_report report = {0};
    struct sb_errctx ctx = {0};
    uint64_t random;
    sb_random_bytes(&random, sizeof random);
    const char *sample = sb_home_path(d->arena, d->config, "share/samples/iris-forest");
    const char *dir =
        sb_arena_printf(d->arena, "/tmp/sibyl-doctor-%016llx", (unsigned long long)random);
    const char *image = sb_arena_printf(d->arena, "%s/image", dir);
    sb_err err = sb_dir_make(dir, &ctx);
    if (!err) err = sb_native_convert_child("/proc/self/exe", sample, image, &report, &ctx);
    sb_err gone = sb_dir_remove_all(dir, NULL);
    SB_UNUSED(gone);
    if (err)
        sb_finding_set(f, SB_FINDING_BROKEN, "the sample model: %s", sb_errctx_text(&ctx, err));
    else if (!report.native)
        sb_finding_set(f, SB_FINDING_BROKEN, "the sample model was not converted: %s",
                       report.reason);
    else
        sb_finding_set(f, SB_FINDING_OK, "works: the sample model has %llu trees",
                       (unsigned long long)report.trees);
}

/* ---- limits ---- */

void sb_check_open_files(struct sb_doctor *d, struct sb_finding *f) {
    enum { FEW = 256, SOME = 4096 };
    int64_t max = sb_host_open_files_max();
    SB_UNUSED(d);
    enum sb_finding_state state = max < FEW    ? SB_FINDING_BROKEN
                                  : max < SOME ? SB_FINDING_WARNING
                                               : SB_FINDING_OK;
    if (max == INT64_MAX)
        sb_finding_set(f, state, "no limit");
    else
        sb_finding_set(f, state, "at most %lld", (long long)max);
}

void sb_check_memory(struct sb_doctor *d, struct sb_finding *f) {
    static const int64_t little = INT64_C(64) << 20, some = INT64_C(512) << 20;
    int64_t n = sb_host_memory_available();
    SB_UNUSED(d);
    if (!n) {
        sb_finding_set(f, SB_FINDING_OK, "not known");
        return;
    }
    f->state = n < little ? SB_FINDING_BROKEN : n < some ? SB_FINDING_WARNING : SB_FINDING_OK;
    sb_text_add_bytes(&f->text, n);
    sb_buf_addz(&f->text, " available");
}
