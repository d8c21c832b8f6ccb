#include "domain/registry/schema.h"

#include <stdio.h>

#include "domain/registry/registry.h"
#include "mlflow_schema.h"

const char sb_registry_schema_head[] = "dc11669786a5";
const char sb_registry_mlflow_version[] = "3.17.2";

static sb_err count(struct sb_sql *db, struct sb_str sql, int64_t *out) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query_values(db, &st, sql, NULL, 0));
    int64_t n = sb_sql_next(st) ? sb_sql_col_int(st, 0) : 0;
    SB_TRY(sb_sql_end(st));
    *out = n;
    return SB_OK;
}

static sb_err check_head(struct sb_sql *db, const char *path, struct sb_errctx *ctx) {
    int64_t n;
    SB_TRY(count(db,
                 SB_STR("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN "
                        "('alembic_version', 'experiments', 'registered_models')"),
                 &n));
    if (n != 3) return sb_fail(ctx, SB_E_CORRUPT, "%s: not a database of MLflow", path);
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(db, &st, "SELECT version_num FROM alembic_version"));
    char head[40] = "none";
    bool ours = false;
    if (sb_sql_next(st)) {
        struct sb_str v = sb_sql_col_text(st, 0);
        ours = sb_str_is(v, sb_registry_schema_head);
        snprintf(head, sizeof head, "%.*s", SB_ARG(v));
    }
    SB_TRY(sb_sql_end(st));
    if (ours) return SB_OK;
    return sb_fail(ctx, SB_E_VERSION,
                   "schema revision is %s, needed is %s; with mlflow %s run: mlflow db upgrade "
                   "sqlite:///%s",
                   head, sb_registry_schema_head, sb_registry_mlflow_version, path);
}

static sb_err refuse_workspaces(struct sb_sql *db, const char *path, struct sb_errctx *ctx) {
    int64_t n;
    SB_TRY(count(db,
                 SB_STR("SELECT (SELECT count(*) FROM experiments WHERE workspace <> 'default') +"
                        " (SELECT count(*) FROM registered_models WHERE workspace <> 'default')"),
                 &n));
    if (n == 0) return SB_OK;
    return sb_fail(ctx, SB_E_UNSUPPORTED, "%s: has workspaces other than 'default'", path);
}

static sb_err add_default_experiment(struct sb_sql *db, const char *root, int64_t now) {
    char location[512];
    size_t n = strlen(root);
    snprintf(location, sizeof location, "%s%s0", root, n && root[n - 1] == '/' ? "" : "/");
    return sb_sql_run(db,
                      "INSERT OR IGNORE INTO experiments (experiment_id, name, artifact_location,"
                      " lifecycle_stage, creation_time, last_update_time, workspace)"
                      " VALUES (0, 'Default', ?, 'active', ?, ?, 'default')",
                      sb_sql_text(sb_str_of(location)), sb_sql_int(now), sb_sql_int(now));
}

static sb_err prepare_in(struct sb_sql *db, const char *path, const char *root, int64_t now,
                         struct sb_errctx *ctx) {
    int64_t objects;
    SB_TRY(count(db, SB_STR("SELECT count(*) FROM sqlite_master"), &objects));
    if (objects == 0)
        SB_TRY(sb_sql_script(db, (const char *)sb_mlflow_schema_sql));
    else
        SB_TRY(check_head(db, path, ctx));
    SB_TRY(refuse_workspaces(db, path, ctx));
    return add_default_experiment(db, root, now);
}

sb_err sb_schema_prepare(struct sb_sql *db, const char *path, const char *artifact_root,
                         int64_t now_ms, struct sb_errctx *ctx) {
    sb_err err = sb_sql_begin(db, true);
    if (!err) err = prepare_in(db, path, artifact_root, now_ms, ctx);
    if (!err) err = sb_sql_commit(db);
    if (!err) return SB_OK;
    sb_sql_rollback(db);
    /* A refusal has its own text already; sb_fail keeps the first. */
    return sb_fail(ctx, err, "%s: %s", path, sb_errctx_text(sb_sql_error(db), err));
}
