/* Where a new model version's files are. A source is checked before anything is made of it
 * (source_check.h); "models:/..." is followed to the files of a logged model or another version. */
#include "domain/registry/check_int.h"
#include "domain/registry/models_int.h"
#include "domain/registry/source_check.h"
#include "domain/registry/source_int.h"
#include "domain/registry/tracking_int.h"

static sb_err refuse(struct sb_tx *tx, struct sb_str source, const char *why) {
    return sb_call_invalid(tx->c, "Invalid model version source: '%.*s'. %s", SB_ARG(source), why);
}

#define MUST_IDENTIFY(id)                                                                          \
    "The " id " request parameter must identify the resource that contains the source."

/* ---- models:/... ---- */

/* models:/m-ID, models:/name/version, /stage, /latest, models:/name@alias */
struct model_uri {
    struct sb_str model_id, name, suffix, alias;
};

static bool parse_model_uri(struct sb_str path, struct model_uri *out) {
    *out = (struct model_uri){0};
    if (!sb_str_starts(path, SB_STR("/"))) return false;
    struct sb_str rest = sb_str_sub(path, 1, path.n);
    ptrdiff_t slash = sb_str_find(rest, '/'), at = sb_str_rfind(rest, '@');
    if (slash >= 0) {
        out->name = sb_str_sub(rest, 0, (size_t)slash);
        out->suffix = sb_str_sub(rest, (size_t)slash + 1, rest.n);
        return sb_str_trim(out->name).n && sb_str_trim(out->suffix).n &&
               sb_str_find(out->suffix, '/') < 0;
    }
    if (at >= 0) {
        out->name = sb_str_sub(rest, 0, (size_t)at);
        out->alias = sb_str_sub(rest, (size_t)at + 1, rest.n);
        return out->name.n && sb_str_trim(out->alias).n;
    }
    out->model_id = rest;
    return sb_str_trim(rest).n > 0;
}

static sb_err newest_in_stage(struct sb_tx *tx, struct sb_str name, struct sb_str stage,
                              bool *found, int64_t *version) {
    struct sb_sql_value v[] = {sb_sql_text(name), sb_sql_text(stage)};
    return sb_tx_one_int(tx, version, found,
                         SB_STR("SELECT version FROM model_versions WHERE workspace = 'default' "
                                "AND name = ? AND current_stage = ? ORDER BY version DESC LIMIT "
                                "1"),
                         v, 2);
}

static sb_err find_version(struct sb_tx *tx, const struct model_uri *u, struct sb_str source,
                           int64_t *version) {
    bool found = true;
    struct sb_str stage;
    if (u->alias.n)
        SB_TRY(sb_alias_version(tx, u->name, u->alias, &found, version));
    else if (sb_str_to_i64(u->suffix, version))
        return SB_OK;
    else if (sb_str_ieq(u->suffix, SB_STR("latest")))
        SB_TRY(sb_alias_version(tx, u->name, u->suffix, &found, version));
    else {
        SB_TRY(sb_check_stage(tx->c, u->suffix, &stage));
        SB_TRY(newest_in_stage(tx, u->name, stage, &found, version));
    }
    return found ? SB_OK : refuse(tx, source, "It names no version.");
}

static bool differs(struct sb_str given, struct sb_str known) {
    return given.p && !sb_str_eq(given, known.p ? known : SB_STR(""));
}

static sb_err follow_version(struct sb_tx *tx, const struct sb_version_new *in,
                             const struct model_uri *u, struct sb_source *out) {
    bool prompt;
    int64_t version;
    struct sb_model_version v;
    SB_TRY(sb_model_must_exist(tx, u->name));
    SB_TRY(sb_model_is_prompt(tx, u->name, &prompt));
    if (prompt)
        return refuse(tx, in->source, "Prompt versions cannot be used as model version sources.");
    SB_TRY(find_version(tx, u, in->source, &version));
    SB_TRY(sb_version_load(tx, u->name, version, &v));
    if (differs(in->run_id, v.run_id) || differs(in->model_id, v.model_id))
        return refuse(tx, in->source,
                      "The run_id and model_id request parameters must match the referenced model "
                      "version.");
    out->source = sb_str_of(
        sb_arena_printf(tx->arena, "models:/%.*s/%lld", SB_ARG(u->name), (long long)version));
    out->storage_location = v.storage_location.n ? v.storage_location : v.source;
    out->run_id = v.run_id;
    out->model_id = v.model_id;
    return SB_OK;
}

static sb_err follow_logged_model(struct sb_tx *tx, const struct sb_version_new *in,
                                  const struct model_uri *u, struct sb_source *out) {
    struct sb_logged_model m;
    if (in->model_id.n && !sb_str_eq(in->model_id, u->model_id))
        return refuse(tx, in->source, MUST_IDENTIFY("model_id"));
    SB_TRY(sb_logged_model_load(tx, u->model_id, false, &m));
    out->storage_location = m.artifact_uri;
    out->model_id = m.model_id;
    if (!out->run_id.n) out->run_id = m.source_run_id;
    return SB_OK;
}

/* ---- everything else must lie in the artifacts of the run or logged model it names ---- */

static sb_err load_root(struct sb_tx *tx, const struct sb_version_new *in, struct sb_source *out,
                        struct sb_str *root) {
    *root = (struct sb_str){0};
    if (in->model_id.n) {
        struct sb_logged_model m;
        if (sb_logged_model_load(tx, in->model_id, false, &m))
            return refuse(tx, in->source, MUST_IDENTIFY("model_id"));
        *root = m.artifact_uri;
        if (!out->run_id.n) out->run_id = m.source_run_id;
    } else if (in->run_id.n) {
        struct sb_run_info run;
        if (sb_run_load_info(tx, in->run_id, &run))
            return refuse(tx, in->source, MUST_IDENTIFY("run_id"));
        *root = run.artifact_uri;
    }
    return SB_OK;
}

static sb_err check_runs_uri(struct sb_tx *tx, const struct sb_version_new *in,
                             const struct sb_uri_parts *u) {
    struct sb_str rest = u->path, id;
    while (rest.n && rest.p[0] == '/') rest = sb_str_sub(rest, 1, rest.n);
    bool named = sb_str_split(&rest, '/', &id) && id.n && u->authority.n == 0;
    if (!named || in->model_id.n || !sb_str_eq(id, in->run_id))
        return refuse(tx, in->source, MUST_IDENTIFY("run_id"));
    return SB_OK;
}

static sb_err check_place(struct sb_tx *tx, const struct sb_version_new *in,
                          const struct sb_uri_parts *u, struct sb_source *out) {
    bool held = sb_source_is_local(in->source) || sb_source_is_proxied(in->source);
    if (sb_str_ieq(u->scheme, SB_STR("runs"))) SB_TRY(check_runs_uri(tx, in, u));
    struct sb_str root = {0};
    if (held || in->model_id.n) SB_TRY(load_root(tx, in, out, &root));
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    if (sb_source_check_version(in->source, root, tx->arena, &ctx) == SB_OK) return SB_OK;
    return refuse(tx, in->source,
                  sb_arena_printf(tx->arena,
                                  "It %s. To use a local path or one held by this server as a "
                                  "model version source, the run_id or model_id request parameter "
                                  "has to be specified and the path has to be contained within "
                                  "its artifact directory.",
                                  ctx.msg));
}

static sb_err check_prompt(struct sb_tx *tx, struct sb_str source) {
    if (sb_str_is(source, "dummy-source") || sb_str_is(source, "prompt-template")) return SB_OK;
    return sb_call_invalid(tx->c,
                           "Invalid prompt source: '%.*s'. Prompt sources must use an MLflow "
                           "placeholder.",
                           SB_ARG(source));
}

sb_err sb_source_resolve(struct sb_tx *tx, const struct sb_version_new *in, struct sb_source *out) {
    *out = (struct sb_source){in->source, in->source, in->run_id, in->model_id};
    if (sb_tags_say_prompt(in->tags)) return check_prompt(tx, in->source);
    struct sb_uri_parts u = sb_uri_parts_of(in->source);
    if (!sb_str_ieq(u.scheme, SB_STR("models"))) return check_place(tx, in, &u, out);
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    struct model_uri m;
    if (sb_source_check_uri(in->source, tx->arena, &ctx))
        return refuse(tx, in->source, sb_arena_printf(tx->arena, "It %s.", ctx.msg));
    if (u.authority.n || !parse_model_uri(u.path, &m))
        return refuse(tx, in->source, MUST_IDENTIFY("model_id"));
    return m.model_id.n ? follow_logged_model(tx, in, &m, out) : follow_version(tx, in, &m, out);
}
