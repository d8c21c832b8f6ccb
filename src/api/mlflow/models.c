/* Registered models, versions, aliases. */
#include "api/mlflow/mlflow_int.h"

#define NAME                                                                                       \
    { "name", F_STR, F_REQUIRED }
#define VERSION                                                                                    \
    { "version", F_STR, F_REQUIRED }

/* What is absent is "" to the handlers of MLflow (proto2 default), and stored so. */
static struct sb_str or_empty(const struct call *c, const char *name) {
    struct sb_str v = arg_str(c, name);
    return v.p ? v : SB_STR("");
}

static sb_err put_model(struct call *c, const struct sb_registered_model *m) {
    put_registered(&c->w, "registered_model", m);
    return SB_OK;
}

static sb_err put_one_version(struct call *c, const struct sb_model_version *v) {
    put_version(&c->w, "model_version", v);
    return SB_OK;
}

static void put_versions(struct call *c, const struct sb_model_versions *found) {
    if (found->n) {
        sb_json_arr(&c->w, "model_versions");
        for (size_t i = 0; i < found->n; i++) put_version(&c->w, NULL, &found->v[i]);
        sb_json_end(&c->w);
    }
    put_text(&c->w, "next_page_token", found->next_page_token);
}

/* ---- registered models ---- */

RPC(model_create, WRITES, NAME, {"tags", F_OBJECTS, 0}, {"description", F_STR, 0}, ) {
    struct sb_tags tags;
    struct sb_registered_model m;
    SB_TRY(arg_tags(c, "tags", &tags));
    SB_TRY(sb_registry_model_create(&c->reg, arg_str(c, "name"), or_empty(c, "description"), tags,
                                    &m));
    return put_model(c, &m);
}

RPC(model_get, READS, NAME, ) {
    struct sb_registered_model m;
    SB_TRY(sb_registry_model_get(&c->reg, arg_str(c, "name"), &m));
    return put_model(c, &m);
}

RPC(model_update, WRITES, NAME, {"description", F_STR, 0}, ) {
    struct sb_registered_model m;
    SB_TRY(sb_registry_model_update(&c->reg, arg_str(c, "name"), or_empty(c, "description"), &m));
    return put_model(c, &m);
}

RPC(model_rename, WRITES, NAME, {"new_name", F_STR, F_REQUIRED}, ) {
    struct sb_registered_model m;
    SB_TRY(sb_registry_model_rename(&c->reg, arg_str(c, "name"), arg_str(c, "new_name"), &m));
    audit_note(c, &(struct audit_note){.kind = "model.rename",
                                       .model = arg_str(c, "new_name"),
                                       .from = arg_str(c, "name"),
                                       .to = arg_str(c, "new_name")});
    return put_model(c, &m);
}

RPC(model_delete, WRITES, NAME, ) {
    SB_TRY(sb_registry_model_delete(&c->reg, arg_str(c, "name")));
    audit_note(c, &(struct audit_note){.kind = "model.delete", .model = arg_str(c, "name")});
    return SB_OK;
}

RPC(model_search, READS, {"filter", F_STR, 0}, {"max_results", F_INT, 0}, {"order_by", F_STRS, 0},
    {"page_token", F_STR, 0}, ) {
    struct sb_search q;
    struct sb_registered_models found;
    SB_TRY(check_max(c, 1000));
    arg_search(c, &q);
    SB_TRY(sb_registry_model_search(&c->reg, &q, &found));
    if (found.n) {
        sb_json_arr(&c->w, "registered_models");
        for (size_t i = 0; i < found.n; i++) put_registered(&c->w, NULL, &found.v[i]);
        sb_json_end(&c->w);
    }
    put_text(&c->w, "next_page_token", found.next_page_token);
    return SB_OK;
}

RPC(model_latest, READS, NAME, {"stages", F_STRS, 0}, ) {
    const struct value *stages = arg(c, "stages");
    struct sb_model_versions found;
    SB_TRY(sb_registry_model_latest(&c->reg, arg_str(c, "name"), stages->list, stages->n, &found));
    put_versions(c, &found);
    return SB_OK;
}

RPC(model_tag_set, WRITES, NAME, {"key", F_STR, F_REQUIRED}, {"value", F_STR, 0}, ) {
    return sb_registry_model_tag_set(&c->reg, arg_str(c, "name"), arg_str(c, "key"),
                                     or_empty(c, "value"));
}

RPC(model_tag_delete, WRITES, NAME, {"key", F_STR, F_REQUIRED}, ) {
    return sb_registry_model_tag_delete(&c->reg, arg_str(c, "name"), arg_str(c, "key"));
}

RPC(alias_set, WRITES, NAME, {"alias", F_STR, F_REQUIRED}, VERSION, ) {
    struct audit_note n = {.kind = "alias.set",
                           .model = arg_str(c, "name"),
                           .to = arg_str(c, "version"),
                           .alias = arg_str(c, "alias"),
                           .version = arg_str(c, "version")};
    n.from = audit_alias_version(c, n.model, n.alias);
    SB_TRY(sb_registry_alias_set(&c->reg, n.model, n.alias, n.version));
    audit_note(c, &n);
    return SB_OK;
}

RPC(alias_delete, WRITES, NAME, {"alias", F_STR, F_REQUIRED}, ) {
    struct audit_note n = {
        .kind = "alias.delete", .model = arg_str(c, "name"), .alias = arg_str(c, "alias")};
    n.from = audit_alias_version(c, n.model, n.alias);
    SB_TRY(sb_registry_alias_delete(&c->reg, n.model, n.alias));
    if (n.from.n) audit_note(c, &n); /* the call succeeds without one too */
    return SB_OK;
}

RPC(alias_get, READS, NAME, {"alias", F_STR, F_REQUIRED}, ) {
    struct sb_model_version v;
    SB_TRY(sb_registry_alias_get(&c->reg, arg_str(c, "name"), arg_str(c, "alias"), &v));
    return put_one_version(c, &v);
}

/* ---- versions ---- */

RPC(version_create, WRITES, NAME, {"source", F_STR, F_REQUIRED}, {"run_id", F_STR, 0},
    {"tags", F_OBJECTS, 0}, {"run_link", F_STR, 0}, {"description", F_STR, 0},
    {"model_id", F_STR, 0}, ) {
    struct sb_version_new in = {
        .name = arg_str(c, "name"),
        .source = arg_str(c, "source"),
        .run_id = arg_str(c, "run_id"),
        .run_link = or_empty(c, "run_link"),
        .description = or_empty(c, "description"),
        .model_id = arg_str(c, "model_id"),
    };
    struct sb_model_version v;
    SB_TRY(arg_tags(c, "tags", &in.tags));
    SB_TRY(sb_registry_version_create(&c->reg, &in, &v));
    struct sb_str number = sb_str_of(sb_arena_printf(&c->arena, "%lld", (long long)v.version));
    audit_note(c, &(struct audit_note){.kind = "version.create",
                                       .model = in.name,
                                       .to = number,
                                       .version = number,
                                       .run_id = in.run_id,
                                       .user = audit_run_user(c, in.run_id)});
    return put_one_version(c, &v);
}

RPC(version_get, READS, NAME, VERSION, ) {
    struct sb_model_version v;
    SB_TRY(sb_registry_version_get(&c->reg, arg_str(c, "name"), arg_str(c, "version"), &v));
    return put_one_version(c, &v);
}

RPC(version_update, WRITES, NAME, VERSION, {"description", F_STR, 0}, ) {
    struct sb_model_version v;
    SB_TRY(sb_registry_version_update(&c->reg, arg_str(c, "name"), arg_str(c, "version"),
                                      arg_str(c, "description"), &v));
    return put_one_version(c, &v);
}

RPC(version_delete, WRITES, NAME, VERSION, ) {
    struct audit_note n = {.kind = "version.delete",
                           .model = arg_str(c, "name"),
                           .from = arg_str(c, "version"),
                           .version = arg_str(c, "version")};
    n.stage = audit_version_stage(c, n.model, n.version);
    SB_TRY(sb_registry_version_delete(&c->reg, n.model, n.version));
    audit_note(c, &n);
    return SB_OK;
}

RPC(version_search, READS, {"filter", F_STR, 0}, {"max_results", F_INT, 0}, {"order_by", F_STRS, 0},
    {"page_token", F_STR, 0}, ) {
    struct sb_search q;
    struct sb_model_versions found;
    SB_TRY(check_max(c, 200000));
    arg_search(c, &q);
    SB_TRY(sb_registry_version_search(&c->reg, &q, &found));
    put_versions(c, &found);
    return SB_OK;
}

RPC(version_uri, READS, NAME, VERSION, ) {
    struct sb_str uri;
    SB_TRY(
        sb_registry_version_download_uri(&c->reg, arg_str(c, "name"), arg_str(c, "version"), &uri));
    sb_json_str(&c->w, "artifact_uri", uri);
    return SB_OK;
}

RPC(version_stage, WRITES, NAME, VERSION, {"stage", F_STR, F_REQUIRED},
    {"archive_existing_versions", F_BOOL, 0}, ) {
    struct sb_model_version v;
    struct audit_note n = {.kind = "version.stage",
                           .model = arg_str(c, "name"),
                           .version = arg_str(c, "version"),
                           .archived_others = arg(c, "archive_existing_versions")->b};
    n.from = audit_version_stage(c, n.model, n.version);
    SB_TRY(sb_registry_version_stage(&c->reg, n.model, n.version, arg_str(c, "stage"),
                                     n.archived_others, &v));
    n.to = v.stage;
    audit_note(c, &n);
    return put_one_version(c, &v);
}

RPC(version_tag_set, WRITES, NAME, VERSION, {"key", F_STR, F_REQUIRED}, {"value", F_STR, 0}, ) {
    return sb_registry_version_tag_set(&c->reg, arg_str(c, "name"), arg_str(c, "version"),
                                       arg_str(c, "key"), or_empty(c, "value"));
}

RPC(version_tag_delete, WRITES, NAME, VERSION, {"key", F_STR, F_REQUIRED}, ) {
    return sb_registry_version_tag_delete(&c->reg, arg_str(c, "name"), arg_str(c, "version"),
                                          arg_str(c, "key"));
}
