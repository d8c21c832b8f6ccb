/* The sources of settings after the defaults, and what holds between settings. */
#include "app/config.h"

#include <stdio.h>

#include "app/instance.h"
#include "codec/yaml.h"
#include "sys/process.h"

/* ---- environment ---- */

/* Python's names for levels are upper case: LOG_LEVEL=INFO */
static const char *lower_case(struct sb_arena *a, const char *text) {
    char *copy = sb_arena_printf(a, "%s", text);
    for (char *p = copy; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + 32);
    return copy;
}

sb_err sb_config_env(struct sb_config *c, const struct sb_setting *s,
                     const char *(*get)(const char *name), struct sb_errctx *ctx) {
    char own[64], origin[80];
    sb_setting_env(s, own);
    const char *names[1 + SB_COUNT(s->env)] = {own, s->env[0], s->env[1], s->env[2]};
    for (size_t i = 0; i < SB_COUNT(names) && names[i]; i++) {
        const char *value = get(names[i]);
        if (!value || !*value) continue;
        if (s->type == SB_SETTING_CHOICE) value = lower_case(&c->arena, value);
        snprintf(origin, sizeof origin, "env %s", names[i]);
        return sb_config_set(c, s, value, SB_SOURCE_ENV, origin, ctx);
    }
    return SB_OK;
}

/* ---- YAML file ---- */

/* A scalar, or a list of scalars joined by commas, as text; NULL when it is neither. */
static const char *yaml_text(struct sb_arena *a, const struct sb_json *v) {
    switch (v->type) {
    case SB_JSON_FALSE: return "false";
    case SB_JSON_TRUE: return "true";
    case SB_JSON_STRING: return sb_arena_dup(a, v->s).p;
    case SB_JSON_NUMBER:
        if (v->s.n) return sb_arena_dup(a, v->s).p;
        return v->is_int ? sb_arena_printf(a, "%lld", (long long)v->i) : NULL;
    case SB_JSON_ARRAY: {
        const char *all = "";
        for (const struct sb_json *e = v->child; e; e = e->next) {
            if (e->type != SB_JSON_STRING) return NULL;
            all = sb_arena_printf(a, "%s%s%.*s", all, all[0] ? "," : "", SB_ARG(e->s));
        }
        return all;
    }
    case SB_JSON_NULL:
    case SB_JSON_OBJECT: return NULL;
    }
    return NULL;
}

/* A mapping as JSON text; NULL when it is something else. */
static const char *yaml_mapping(struct sb_arena *a, const struct sb_json *v) {
    if (v->type != SB_JSON_OBJECT) return NULL;
    struct sb_buf b;
    sb_buf_init(&b, SB_ROUTE_RULES_TEXT_MAX + 1);
    sb_json_add_tree(&b, v);
    const char *text = sb_buf_err(&b) ? NULL : sb_arena_dup(a, sb_buf_view(&b)).p;
    sb_buf_fini(&b);
    return text;
}

static bool is_group(const char *key) {
    size_t n = strlen(key);
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        if (strncmp(s->key, key, n) == 0 && s->key[n] == '.') return true;
    return false;
}

static sb_err unknown_key(const char *key, const char *file, struct sb_errctx *ctx) {
    const char *names[SB_COUNT(((struct sb_config *)0)->source)];
    size_t n = 0;
    for (const struct sb_setting *s = sb_settings; s->key; s++) names[n++] = s->key;
    names[n] = NULL;
    const char *near = sb_nearest(sb_str_of(key), names);
    if (near)
        return sb_fail(ctx, SB_E_INVALID, "%s: there is no setting \"%s\"; is \"%s\" meant?", file,
                       key, near);
    return sb_fail(ctx, SB_E_INVALID,
                   "%s: there is no setting \"%s\"; `sibyl up --help` lists them", file, key);
}

/* Members of an object; prefix is "" at the top and "serving." within a group. */
static sb_err yaml_members(struct sb_config *c, const struct sb_json *o, const char *prefix,
                           const char *file, struct sb_errctx *ctx) {
    for (const struct sb_json *v = o->child; v; v = v->next) {
        const char *key = sb_arena_printf(&c->arena, "%s%.*s", prefix, SB_ARG(v->key));
        if (!prefix[0] && v->type == SB_JSON_OBJECT && is_group(key)) {
            SB_TRY(yaml_members(c, v, sb_arena_printf(&c->arena, "%s.", key), file, ctx));
            continue;
        }
        const struct sb_setting *s = sb_setting_of_key(sb_str_of(key));
        if (!s) return unknown_key(key, file, ctx);
        const char *text =
            s->type == SB_SETTING_ROUTES ? yaml_mapping(&c->arena, v) : yaml_text(&c->arena, v);
        if (!text)
            return sb_fail(ctx, SB_E_INVALID, "%s: %s has no value, or one of another kind", file,
                           key);
        SB_TRY(sb_config_set(c, s, text, SB_SOURCE_FILE, file, ctx));
    }
    return SB_OK;
}

sb_err sb_config_yaml(struct sb_config *c, struct sb_str text, const char *file,
                      struct sb_errctx *ctx) {
    struct sb_json *root;
    struct sb_errctx why = {0};
    sb_err err = sb_yaml_parse(&root, text, &c->arena, &why);
    if (err) return sb_fail(ctx, err, "%s: %s", file, sb_errctx_text(&why, err));
    if (root->type == SB_JSON_NULL) return SB_OK;
    if (root->type != SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "%s: must be a mapping of settings", file);
    return yaml_members(c, root, "", file, ctx);
}

/* ---- what holds between settings ---- */

static bool is_loopback(const struct sb_addr *a) {
    return strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0;
}

static const char *own_url(struct sb_config *c) {
    return sb_instance_url_of(&c->arena, c->registry_listen.host, c->registry_listen.port);
}

/* Also when the shell of somebody who uses our registry names it: MLFLOW_TRACKING_URI. */
static bool is_own_registry(struct sb_config *c) {
    if (c->registry_url[0] == 0) return true;
    struct sb_str url = sb_str_of(c->registry_url);
    if (sb_str_ends(url, SB_STR("/"))) url.n--;
    const char *named =
        sb_arena_printf(&c->arena, "http://localhost:%u", (unsigned)c->registry_listen.port);
    return sb_str_is(url, own_url(c)) || sb_str_is(url, named);
}

static sb_err add_offset(struct sb_addr *a, const char *key, int64_t offset,
                         struct sb_errctx *ctx) {
    if (a->port == 0) return SB_OK;
    if (a->port + offset > 65535)
        return sb_fail(
            ctx, SB_E_INVALID,
            "%s = \"%s\": with port_offset %lld that is port %lld, and 65535 is the last", key,
            a->text, (long long)offset, (long long)(a->port + offset));
    a->port = (uint16_t)(a->port + offset);
    return SB_OK;
}

static sb_err check_listeners(const struct sb_config *c, struct sb_addr *const *addrs,
                              const char *const *keys, size_t n, struct sb_errctx *ctx) {
    for (size_t i = 0; i < n; i++) {
        if (!is_loopback(addrs[i]) && !c->insecure_no_auth)
            return sb_fail(ctx, SB_E_DENIED,
                           "%s = \"%s\": other machines could reach it and nothing asks who is "
                           "calling; listen on 127.0.0.1, or allow it with --insecure-no-auth",
                           keys[i], addrs[i]->text);
        for (size_t k = 0; k < i; k++)
            if (addrs[i]->port && addrs[i]->port == addrs[k]->port)
                return sb_fail(ctx, SB_E_INVALID, "%s and %s are both on port %u", keys[k], keys[i],
                               (unsigned)addrs[i]->port);
    }
    return SB_OK;
}

sb_err sb_config_finish(struct sb_config *c, struct sb_errctx *ctx) {
    struct sb_addr *addrs[] = {&c->serving_listen, &c->registry_listen, &c->dashboard_listen,
                               &c->search_listen};
    static const char *const keys[] = {"serving.listen", "registry.listen", "dashboard.listen",
                                       "search.listen"};
    for (size_t i = 0; i < SB_COUNT(addrs); i++)
        SB_TRY(add_offset(addrs[i], keys[i], c->port_offset, ctx));
    SB_TRY(check_listeners(c, addrs, keys, SB_COUNT(addrs), ctx));
    c->registry_is_ours = is_own_registry(c);
    if (c->registry_is_ours) c->registry_url = own_url(c);
    if (c->serving_threads == 0)
        c->serving_threads = sb_process_cores() > 64 ? 64 : sb_process_cores();
    return SB_OK;
}

static void fix(struct sb_config *c, const char *key, const char *text) {
    ptrdiff_t row = sb_setting_of_key(sb_str_of(key)) - sb_settings;
    c->text[row] = text;
    c->source[row] = SB_SOURCE_FLAG;
}

static void fix_addr(struct sb_config *c, const char *key, const struct sb_addr *a) {
    bool six = strchr(a->host, ':') != NULL;
    fix(c, key, sb_arena_printf(&c->arena, six ? "[%s]:%u" : "%s:%u", a->host, (unsigned)a->port));
}

void sb_config_fix_ports(struct sb_config *c) {
    fix_addr(c, "serving.listen", &c->serving_listen);
    fix_addr(c, "registry.listen", &c->registry_listen);
    fix_addr(c, "dashboard.listen", &c->dashboard_listen);
    fix_addr(c, "search.listen", &c->search_listen);
    fix(c, "port_offset", "0");
}

const char *const *sb_config_flags(struct sb_config *c, size_t *n) {
    struct sb_arena *a = &c->arena;
    const char **out = sb_arena_zalloc(a, (sb_setting_count() + 1) * sizeof *out);
    *n = 0;
    for (const struct sb_setting *s = sb_settings; s->key; s++) {
        char flag[64];
        if (c->source[s - sb_settings] == SB_SOURCE_DEFAULT) continue;
        if (s->type == SB_SETTING_SECRET_URL) continue;
        sb_setting_flag(s, flag);
        out[(*n)++] = sb_arena_printf(a, "--%s=%s", flag, c->text[s - sb_settings]);
    }
    return out;
}

const char *const *sb_config_secrets(struct sb_config *c, bool needed) {
    struct sb_arena *a = &c->arena;
    const char **out = sb_arena_zalloc(a, (sb_setting_count() + 1) * sizeof *out);
    size_t n = 0;
    for (const struct sb_setting *s = sb_settings; s->key; s++) {
        char name[64];
        if (s->type != SB_SETTING_SECRET_URL) continue;
        sb_setting_env(s, name);
        out[n++] = sb_arena_printf(a, "%s=%s", name, needed ? c->text[s - sb_settings] : "");
    }
    return out;
}
