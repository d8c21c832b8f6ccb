#include "domain/route/rules.h"

#include <stdlib.h>

#include "codec/json.h"
#include "codec/yaml.h"
#include "domain/route/privacy.h"

/* ---- names of versions ---- */

static bool is_number(struct sb_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    return s.n > 0 && s.n <= 10;
}

/* MLflow takes stages in any case. */
static bool is_stage(struct sb_str s) {
    static const char *const stages[] = {"Production", "Staging", "Archived", "None"};
    for (size_t i = 0; i < SB_COUNT(stages); i++)
        if (sb_str_ieq(s, sb_str_of(stages[i]))) return true;
    return false;
}

static enum sb_model_uri_kind kind_of(struct sb_str which) {
    if (is_number(which)) return SB_MODEL_URI_VERSION;
    if (sb_str_ieq(which, SB_STR("latest"))) return SB_MODEL_URI_LATEST;
    return is_stage(which) ? SB_MODEL_URI_STAGE : SB_MODEL_URI_NONE;
}

sb_err sb_model_uri_parse(struct sb_model_uri *out, struct sb_str text, struct sb_errctx *ctx) {
    struct sb_str rest = text;
    struct sb_model_uri u = {.text = text};
    if (!sb_str_starts(text, SB_STR("models:/")))
        return sb_fail(ctx, SB_E_INVALID, "\"%.*s\" does not begin with models:/",
                       SB_ARG(sb_str_sub(text, 0, 100)));
    rest = sb_str_sub(rest, 8, rest.n);
    /* neither a model's name nor an alias may hold a slash; a name may hold an @ */
    ptrdiff_t slash = sb_str_find(rest, '/'), at = sb_str_rfind(rest, '@');
    ptrdiff_t cut = slash >= 0 ? slash : at;
    if (cut > 0) {
        u.name = sb_str_sub(rest, 0, (size_t)cut);
        u.which = sb_str_sub(rest, (size_t)cut + 1, rest.n);
        u.kind = slash >= 0 ? kind_of(u.which) : u.which.n ? SB_MODEL_URI_ALIAS : SB_MODEL_URI_NONE;
    }
    if (u.kind == SB_MODEL_URI_NONE)
        return sb_fail(ctx, SB_E_INVALID,
                       "\"%.*s\" names no version: models:/NAME/VERSION, models:/NAME@ALIAS, "
                       "models:/NAME/latest or models:/NAME/STAGE",
                       SB_ARG(sb_str_sub(text, 0, 100)));
    *out = u;
    return SB_OK;
}

enum sb_environment sb_environment_of(struct sb_str text) {
    if (sb_str_is(text, "current")) return SB_ENVIRONMENT_CURRENT;
    return sb_str_is(text, "model") ? SB_ENVIRONMENT_MODEL : SB_ENVIRONMENT_UNSET;
}

/* ---- rules ---- */

/* Kept as JSON, once it is known to be right. */
static sb_err read_privacy(struct sb_route_rule *r, const struct sb_json *v, struct sb_arena *a,
                           struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    struct sb_buf b;
    struct sb_str merged;
    if (v->type != SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "routes: %.60s: privacy must be a mapping of features",
                       r->name);
    sb_buf_init(&b, SB_ROUTE_RULES_TEXT_MAX);
    sb_json_add_tree(&b, v);
    r->privacy = sb_arena_dup(a, sb_buf_view(&b));
    sb_err err = sb_buf_err(&b);
    sb_buf_fini(&b);
    if (!err) err = sb_privacy_merge(&r->privacy, 1, a, &merged, &why);
    if (err) return sb_fail(ctx, err, "routes: %.60s: %.160s", r->name, sb_errctx_text(&why, err));
    return SB_OK;
}

static sb_err read_key(struct sb_route_rule *r, const struct sb_json *v, struct sb_arena *a,
                       struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    bool primary = sb_str_is(v->key, "primary");
    if (sb_str_is(v->key, "privacy")) return read_privacy(r, v, a, ctx);
    if (v->type != SB_JSON_STRING)
        return sb_fail(ctx, SB_E_INVALID, "routes: %.60s: %.*s must be text", r->name,
                       SB_ARG(sb_str_sub(v->key, 0, 40)));
    if (primary || sb_str_is(v->key, "shadow")) {
        struct sb_model_uri *to = primary ? &r->primary : &r->shadow;
        sb_err err = sb_model_uri_parse(to, sb_arena_dup(a, v->s), &why);
        if (err)
            return sb_fail(ctx, err, "routes: %.60s: %.*s: %s", r->name, SB_ARG(v->key), why.msg);
        return SB_OK;
    }
    if (!sb_str_is(v->key, "environment"))
        return sb_fail(ctx, SB_E_INVALID,
                       "routes: %.60s: there is no key \"%.*s\"; primary, shadow, environment "
                       "and privacy are known",
                       r->name, SB_ARG(sb_str_sub(v->key, 0, 40)));
    r->environment = sb_environment_of(v->s);
    if (r->environment == SB_ENVIRONMENT_UNSET)
        return sb_fail(ctx, SB_E_INVALID, "routes: %.60s: environment must be current or model",
                       r->name);
    return SB_OK;
}

static sb_err read_rule(struct sb_route_rule *r, const struct sb_json *o, struct sb_arena *a,
                        struct sb_errctx *ctx) {
    struct sb_str name = sb_arena_dup(a, o->key);
    if (!name.n || name.n > 256 || memchr(name.p, 0, name.n) || sb_str_find(name, '/') >= 0)
        return sb_fail(ctx, SB_E_INVALID,
                       "routes: \"%.*s\": a name has 1 to 256 bytes and no slash",
                       SB_ARG(sb_str_sub(name, 0, 60)));
    r->name = name.p;
    if (o->type != SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "routes: %.60s must be a mapping", r->name);
    for (const struct sb_json *v = o->child; v; v = v->next) SB_TRY(read_key(r, v, a, ctx));
    return SB_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct sb_route_rule *)a)->name, ((const struct sb_route_rule *)b)->name);
}

sb_err sb_route_rules_parse(struct sb_route_rules *out, struct sb_str text, struct sb_arena *a,
                            struct sb_errctx *ctx) {
    struct sb_json *root;
    if (text.n > SB_ROUTE_RULES_TEXT_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "routes: more than %d bytes", SB_ROUTE_RULES_TEXT_MAX);
    SB_TRY(sb_yaml_parse(&root, text, a, ctx));
    struct sb_route_rules found = {0};
    if (root->type != SB_JSON_NULL && root->type != SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "routes: must be a mapping of routes");
    if (root->n > SB_ROUTE_RULES_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "routes: more than %d", SB_ROUTE_RULES_MAX);
    struct sb_route_rule *rule = sb_arena_zalloc(a, (root->n + 1) * sizeof *rule);
    for (const struct sb_json *o = root->child; o; o = o->next)
        SB_TRY(read_rule(&rule[found.n++], o, a, ctx));
    qsort(rule, found.n, sizeof *rule, by_name);
    found.rule = rule;
    *out = found;
    return SB_OK;
}

const struct sb_route_rule *sb_route_rules_find(const struct sb_route_rules *r,
                                                struct sb_str name) {
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = sb_str_cmp(sb_str_of(r->rule[mid].name), name);
        if (c == 0) return &r->rule[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
