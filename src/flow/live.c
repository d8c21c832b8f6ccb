#include "flow/live.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "domain/event/event.h"
#include "flow/versions.h"
#include "sys/file.h"

static const char *const role_keys[SB_ORDER_ROLES] = {"primary", "shadow"};

static const char *text_or_empty(const char *s) {
    return s ? s : "";
}

sb_err sb_live_of(struct sb_live **out, const struct sb_watcher_opts *o, const char *route,
                  int role, const struct sb_place *p, const struct sb_wish *w,
                  struct sb_errctx *ctx) {
    struct sb_buf head;
    struct sb_privacy *privacy;
    *out = NULL;
    if (!p) return SB_OK;
    SB_TRY(sb_privacy_new(&privacy, w->privacy, p->model->signature, o->privacy_key, ctx));
    sb_buf_init(&head, 1 << 16);
    enum sb_role r = role == SB_ORDER_SHADOW ? SB_ROLE_SHADOW : SB_ROLE_PRIMARY;
    sb_event_head_write(&head, &(struct sb_event_source_info){
                                   .route = sb_str_of(route),
                                   .role = sb_str_of(sb_role_name(r)),
                                   .model = sb_str_of(p->name),
                                   .version = sb_str_of(p->version),
                                   .alias = sb_str_of(text_or_empty(w->alias)),
                                   .run_id = sb_str_of(p->run_id),
                                   .artifact_sha256 = sb_str_of(p->sha256),
                               });
    /* folders are kept relative to the models folder, so that a data folder can be moved */
    *out = sb_live_new(sb_model_ref(p->model),
                       &(struct sb_live_opts){.role = r,
                                              .route = route,
                                              .alias = w->alias,
                                              .policy = text_or_empty(w->policy),
                                              .dir = p->dir + strlen(o->models_dir) + 1,
                                              .key = p->id,
                                              .event_head = sb_buf_view(&head),
                                              .privacy = privacy,
                                              .privacy_rules = w->privacy,
                                              .metrics = o->metrics,
                                              .outcome_names = o->outcome_names});
    sb_buf_fini(&head);
    return SB_OK;
}

/* ---- writing ---- */

void sb_live_file_init(struct sb_live_file *f, const struct sb_watcher_opts *o) {
    *f = (struct sb_live_file){.o = o};
    sb_mutex_init(&f->lock);
}

void sb_live_file_fini(struct sb_live_file *f) {
    sb_mutex_fini(&f->lock);
}

static void write_role(struct sb_json_writer *j, int role, const struct sb_live *l) {
    if (!l) return;
    sb_json_obj(j, role_keys[role]);
    sb_json_str(j, "model", sb_str_of(l->model->info.name));
    sb_json_str(j, "version", sb_str_of(l->model->info.version));
    sb_json_str(j, "dir", sb_str_of(l->dir));
    sb_json_str(j, "key", sb_str_of(l->key));
    sb_json_str(j, "alias", sb_str_of(l->alias));
    sb_json_str(j, "policy", sb_str_of(l->policy));
    if (l->privacy_rules[0]) sb_json_str(j, "privacy", sb_str_of(l->privacy_rules));
    sb_json_end(j);
}

static void write_file(const struct sb_watcher_opts *o) {
    struct sb_routes *routes = sb_route_table_get(o->routes);
    struct sb_buf b;
    sb_buf_init(&b, 16 << 20);
    struct sb_json_writer j = {.b = &b};
    sb_json_obj(&j, NULL);
    sb_json_int(&j, "format", 1);
    sb_json_arr(&j, "models");
    for (size_t i = 0; i < routes->n; i++) {
        const struct sb_route *r = &routes->routes[i];
        if (!r->primary) continue;
        sb_json_obj(&j, NULL);
        sb_json_str(&j, "name", sb_str_of(r->name));
        write_role(&j, SB_ORDER_PRIMARY, r->primary);
        write_role(&j, SB_ORDER_SHADOW, r->shadow);
        sb_json_end(&j);
    }
    sb_json_end(&j);
    sb_json_end(&j);
    char path[4096];
    snprintf(path, sizeof path, "%s/live.json", o->models_dir);
    struct sb_errctx ctx = {0};
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_file_replace(path, b.p, b.n, &ctx);
    if (err)
        SB_LOG(SB_LOG_WARN, "watcher", "live.json not written", SB_KE(&ctx, err),
               SB_KS("next", "the next start asks the registry first"));
    sb_buf_fini(&b);
    sb_routes_unref(routes);
}

/* One writer at a time, and what is written last is the newest. */
void sb_live_file_save(struct sb_live_file *f) {
    sb_mutex_lock(&f->lock);
    f->again = true;
    bool write = !f->writing;
    f->writing = true;
    while (write && f->again) {
        f->again = false;
        sb_mutex_unlock(&f->lock);
        write_file(f->o);
        sb_mutex_lock(&f->lock);
    }
    if (write) f->writing = false;
    sb_mutex_unlock(&f->lock);
}

/* ---- reading ---- */

const struct sb_json *sb_live_file_read(const struct sb_watcher_opts *o, struct sb_arena *a) {
    struct sb_json *root;
    struct sb_errctx ctx = {0};
    char *path = sb_arena_printf(a, "%s/live.json", o->models_dir);
    if (!sb_file_exists(path)) return NULL;
    sb_err err = sb_versions_read_json(path, a, &root, &ctx);
    if (!err) return sb_json_get(root, "models");
    SB_LOG(SB_LOG_WARN, "watcher", "live.json cannot be read", SB_KS("file", path),
           SB_KE(&ctx, err), SB_KS("next", "the registry is asked what is live"));
    return NULL;
}

static bool read_role(const struct sb_watcher_opts *o, struct sb_arena *a, const struct sb_json *j,
                      struct sb_str route, struct sb_wish *w) {
    struct sb_str dir = {0}, key = {0}, alias = {0}, policy = {0};
    *w = (struct sb_wish){.model = route};
    if (!j || !sb_json_get_str(j, "dir", &dir) || !sb_json_get_str(j, "key", &key) || !dir.n)
        return false;
    sb_json_get_str(j, "model", &w->model);
    sb_json_get_str(j, "version", &w->version.version);
    sb_json_get_str(j, "alias", &alias);
    sb_json_get_str(j, "policy", &policy);
    sb_json_get_str(j, "privacy", &w->privacy);
    sb_versions_read_id(key, &key, &w->environment);
    w->key = sb_arena_dup(a, key).p;
    w->dir = sb_arena_printf(a, "%s/%.*s", o->models_dir, SB_ARG(dir));
    w->alias = alias.n ? sb_arena_dup(a, alias).p : NULL;
    w->policy = sb_arena_dup(a, policy).p;
    return true;
}

struct sb_order *sb_live_order(const struct sb_watcher_opts *o, struct sb_arena *a,
                               const struct sb_json *route, bool *at_once) {
    struct sb_order *order = sb_order_new();
    struct sb_str name = {0};
    bool any = sb_json_get_str(route, "name", &name) && name.n;
    *at_once = true;
    for (int role = 0; any && role < SB_ORDER_ROLES; role++) {
        struct sb_wish w;
        if (read_role(o, a, sb_json_get(route, role_keys[role]), name, &w)) {
            sb_order_set(order, role, &w);
            *at_once = *at_once && sb_file_exists(sb_arena_printf(a, "%s/model.img", w.dir));
        } else if (role == SB_ORDER_PRIMARY) {
            any = false;
        }
    }
    if (any) {
        sb_order_seal(order);
        return order;
    }
    sb_order_free(order);
    return NULL;
}
