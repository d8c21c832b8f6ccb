/* `sibyl gc`: registry rows and artifact files of what was deleted, removed for good, one object a
 * call. */
#include "api/mlflow/mlflow_int.h"
#include "domain/artifact/path.h"
#include "domain/registry/gc.h"

RPC(gc_plan, READS, {"run_ids", F_STRS, 0}, {"logged_model_ids", F_STRS, 0},
    {"experiment_ids", F_STRS, 0}, {"older_than_ms", F_INT, 0}, ) {
    const struct value *ids[] = {
        [SB_GC_RUN] = arg(c, "run_ids"),
        [SB_GC_LOGGED_MODEL] = arg(c, "logged_model_ids"),
        [SB_GC_EXPERIMENT] = arg(c, "experiment_ids"),
    };
    struct sb_gc_select s = {.older_than_ms = arg_int(c, "older_than_ms").v};
    struct sb_gc_items items;
    if (s.older_than_ms < 0)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "older_than_ms must not be negative");
    for (size_t k = 0; k < SB_COUNT(ids); k++) {
        s.ids[k] = ids[k]->list;
        s.ids_n[k] = ids[k]->has ? ids[k]->n : 0;
    }
    SB_TRY(sb_registry_gc_plan(&c->reg, &s, &items));
    sb_json_arr(&c->w, "items");
    for (size_t i = 0; i < items.n; i++) {
        sb_json_obj(&c->w, NULL);
        sb_json_str(&c->w, "kind", sb_str_of(sb_gc_kind_name(items.v[i].kind)));
        sb_json_str(&c->w, "id", items.v[i].id);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
    return SB_OK;
}

struct aside {
    struct call *call;
    struct sb_str path;
    uint64_t ticket;
};

/* A URI that is damaged or names the root of the store is as little ours as one of S3. */
static sb_err set_aside(void *user, struct sb_str uri, struct sb_errctx *ctx) {
    struct aside *x = user;
    const struct sb_artifact_store *files = &x->call->api->files;
    if (sb_artifact_path_of_uri(uri, &x->call->arena, &x->path, NULL) || !x->path.n)
        return SB_E_UNSUPPORTED;
    return files->ops->set_aside(files->self, x->path, &x->ticket, ctx);
}

static void put_back(void *user) {
    struct aside *x = user;
    const struct sb_artifact_store *files = &x->call->api->files;
    if (!x->ticket) return;
    sb_err err = files->ops->put_back(files->self, x->ticket, x->path, &x->call->ctx);
    if (err) call_fail_ctx(x->call, err);
}

static void discard(void *user) {
    struct aside *x = user;
    const struct sb_artifact_store *files = &x->call->api->files;
    if (!x->ticket) return;
    sb_err ignored = files->ops->discard(files->self, x->ticket, NULL);
    SB_UNUSED(ignored); /* out of everybody's sight already; the next start removes it */
}

RPC(gc_remove, FILES, {"kind", F_STR, F_REQUIRED}, {"id", F_STR, F_REQUIRED},
    {"force", F_BOOL, 0}, ) {
    struct aside aside = {.call = c};
    struct sb_gc_files files = {&aside, set_aside, put_back, discard};
    struct sb_gc_item item = {.id = arg_str(c, "id")};
    struct sb_gc_outcome out;
    if (!sb_gc_kind_parse(arg_str(c, "kind"), &item.kind))
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "kind must be run, logged_model or experiment");
    SB_TRY(sb_registry_gc_remove(&c->reg, &item, arg(c, "force")->b, &files, &out));
    sb_json_bool(&c->w, "removed", out.removed);
    put_text(&c->w, "why_kept", out.why_kept);
    put_text(&c->w, "files_left", out.files_left);
    return SB_OK;
}
