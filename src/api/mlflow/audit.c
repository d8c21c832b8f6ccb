/* What is written down of calls that change what models are live. The calls run on the one thread
 * of the pool "sqlw", so what is read before a change is what the change meets. An entry follows
 * the commit: a crash between the two loses the entry, never makes one up. */
#include "api/mlflow/mlflow_int.h"

#include "base/log.h"
#include "codec/base64.h"

enum { USER_MAX = 128 };

/* The name in "Basic dXNlcjpwYXNz"; .p NULL when there is none. */
static struct sb_str basic_user(struct call *c) {
    struct sb_str v = sb_http_get_header(c->req, "Authorization"), name = {0}, all;
    if (!sb_str_ieq(sb_str_sub(v, 0, 6), SB_STR("Basic "))) return name;
    v = sb_str_trim(sb_str_sub(v, 6, v.n));
    size_t n;
    uint8_t *text = sb_arena_alloc(&c->arena, sb_base64_room(v.n) + 1);
    if (!sb_base64_decode(v, text, &n)) return name;
    all = sb_str_make((const char *)text, n);
    if (!sb_str_split(&all, ':', &name) || !name.n) return (struct sb_str){0};
    return name;
}

static struct sb_str actor_of(struct call *c) {
    struct sb_str user = sb_http_get_header(c->req, "X-User-Id");
    if (!user.n) user = basic_user(c);
    return sb_str_sub(user, 0, USER_MAX);
}

/* Forgets what a look that found nothing said. */
static void forget_error(struct call *c) {
    c->reg.error = (struct sb_registry_error){0};
}

static bool records(const struct call *c) {
    return c->api->audit != NULL;
}

static struct sb_str number_text(struct call *c, int64_t n) {
    return sb_str_of(sb_arena_printf(&c->arena, "%lld", (long long)n));
}

struct sb_str audit_alias_version(struct call *c, struct sb_str name, struct sb_str alias) {
    struct sb_model_version v;
    if (!records(c)) return (struct sb_str){0};
    if (sb_registry_alias_get(&c->reg, name, alias, &v) == SB_OK) return number_text(c, v.version);
    forget_error(c);
    return (struct sb_str){0};
}

struct sb_str audit_version_stage(struct call *c, struct sb_str name, struct sb_str version) {
    struct sb_model_version v;
    if (!records(c)) return (struct sb_str){0};
    if (sb_registry_version_get(&c->reg, name, version, &v) == SB_OK) return v.stage;
    forget_error(c);
    return (struct sb_str){0};
}

struct sb_str audit_run_user(struct call *c, struct sb_str run_id) {
    struct sb_run run;
    if (!records(c) || !run_id.n) return (struct sb_str){0};
    if (sb_registry_run_get(&c->reg, run_id, &run) == SB_OK) return run.info.user_id;
    forget_error(c);
    return (struct sb_str){0};
}

void audit_note(struct call *c, const struct audit_note *n) {
    struct sb_buf detail;
    if (!records(c)) return;
    sb_buf_init(&detail, 1 << 16);
    struct sb_json_writer w = {.b = &detail};
    sb_json_obj(&w, NULL);
    put_opt_str(&w, "alias", n->alias);
    put_opt_str(&w, "version", n->version);
    put_opt_str(&w, "stage", n->stage);
    put_opt_str(&w, "run_id", n->run_id);
    if (n->archived_others) sb_json_bool(&w, "archived_others", true);
    sb_json_end(&w);
    struct sb_audit_entry e = {.kind = sb_str_of(n->kind),
                               .actor = actor_of(c),
                               .object = n->model,
                               .from = n->from,
                               .to = n->to};
    if (!e.actor.n) e.actor = n->user;
    if (detail.n > 2) e.detail_json = sb_buf_view(&detail);
    sb_err err = sb_buf_err(&detail);
    if (!err) err = sb_audit_add(c->api->audit, &e);
    if (err)
        SB_LOG(SB_LOG_WARN, "audit", "no entry", SB_KS("kind", n->kind), SB_KV("model", n->model),
               SB_KE(NULL, err));
    sb_buf_fini(&detail);
}
