/* Where MLflow's pages are: asked of the interpreter itself, because only it knows its path. mlflow
 * is looked up, not imported: that takes a twentieth of a second instead of several. */
#include "api/mlflow_ui/mlflow_ui_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "sys/child.h"

#define PROBE_NS (5 * SB_SEC)
enum { ANSWER_MAX = 16 << 10 };

/* The current folder is on the path of `python -c`, and a folder there may be called mlflow too. */
static const char question[] =
    "import importlib.metadata as m, importlib.util as u, json, os, sys\n"
    "sys.path[:] = [p for p in sys.path if p]\n"
    "s = u.find_spec('mlflow')\n"
    "d = list(s.submodule_search_locations or []) if s else []\n"
    "v = ''\n"
    "try:\n"
    "    v = m.version('mlflow')\n"
    "except m.PackageNotFoundError:\n"
    "    pass\n"
    "json.dump({'build': os.path.join(d[0], 'server', 'js', 'build') if d else None,\n"
    "           'version': v}, sys.stdout)\n";

static sb_err ask(const char *python, struct sb_arena *a, struct sb_json **out,
                  struct sb_errctx *ctx) {
    const char *argv[] = {python, "-c", question, NULL};
    struct sb_child_end end;
    struct sb_buf answer;
    sb_buf_init(&answer, ANSWER_MAX);
    sb_err err = sb_child_run(argv, PROBE_NS, &answer, &end, ctx);
    if (!err && end.timed_out)
        err = sb_fail(ctx, SB_E_TIMEOUT, "%s did not answer within %d s", python,
                      (int)(PROBE_NS / SB_SEC));
    if (!err && end.status != 0)
        err = sb_fail(ctx, SB_E_INVALID, "%s ended with status %d", python, end.status);
    if (!err) err = sb_json_parse(out, sb_arena_dup(a, sb_buf_view(&answer)), a, ctx);
    sb_buf_fini(&answer);
    return err;
}

static sb_err open_build(struct sb_file *dir, const char *path, struct sb_errctx *ctx) {
    struct sb_file d, index;
    SB_TRY(sb_file_open(&d, path, SB_OPEN_READ | SB_OPEN_DIR, ctx));
    sb_err err = sb_file_open_beneath(&index, &d, "index.html", SB_OPEN_READ, ctx);
    if (err) {
        sb_file_close(&d);
        return err;
    }
    sb_file_close(&index);
    *dir = d;
    return SB_OK;
}

static sb_err find(struct sb_mlflow_ui *u, struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_json *answer;
    struct sb_str build = {0}, version = {0};
    SB_TRY(ask(u->python, a, &answer, ctx));
    if (!sb_json_get_str(answer, "build", &build) || !build.n)
        return sb_fail(ctx, SB_E_MISSING, "mlflow is not installed there");
    if (!sb_json_get_str(answer, "version", &version) || !version.n) version = SB_STR("unknown");
    const char *path = sb_arena_printf(a, "%.*s", SB_ARG(build));
    SB_TRY(open_build(&u->dir, path, ctx));
    SB_LOG(SB_LOG_INFO, "registry", "MLflow's pages are shown", SB_KV("mlflow", version),
           SB_KS("folder", path));
    return SB_OK;
}

void probe_work(struct sb_job *j) {
    struct sb_mlflow_ui *u = SB_CONTAINER(j, struct sb_mlflow_ui, probe);
    struct sb_errctx ctx = {0};
    struct sb_arena a;
    sb_arena_init(&a, 1 << 20);
    sb_err err = find(u, &a, &ctx);
    if (err)
        SB_LOG(SB_LOG_INFO, "registry", "the dashboard's are shown", SB_KS("python", u->python),
               SB_KE(&ctx, err),
               SB_KS("next", "for MLflow's pages set --python to an interpreter that has mlflow"));
    sb_arena_fini(&a);
}
