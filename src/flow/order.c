#include "flow/order.h"

#include "base/mem.h"

struct sb_order *sb_order_new(void) {
    struct sb_order *o = sb_calloc(1, sizeof *o);
    sb_arena_init(&o->arena, 1 << 20);
    return o;
}

void sb_order_free(struct sb_order *o) {
    if (!o) return;
    sb_arena_fini(&o->arena);
    sb_free(o);
}

static const char *copy(struct sb_order *o, const char *text) {
    return text ? sb_arena_printf(&o->arena, "%s", text) : NULL;
}

void sb_order_set(struct sb_order *o, int role, const struct sb_wish *w) {
    struct sb_arena *a = &o->arena;
    o->wish[role] = (struct sb_wish){
        .model = sb_arena_dup(a, w->model),
        .version = {.version = sb_arena_dup(a, w->version.version),
                    .stage = sb_arena_dup(a, w->version.stage),
                    .status = sb_arena_dup(a, w->version.status),
                    .run_id = sb_arena_dup(a, w->version.run_id),
                    .model_id = sb_arena_dup(a, w->version.model_id),
                    .source = sb_arena_dup(a, w->version.source),
                    .created_ms = w->version.created_ms},
        .alias = copy(o, w->alias),
        .policy = copy(o, w->policy),
        .key = copy(o, w->key),
        .dir = copy(o, w->dir),
        .absent = copy(o, w->absent),
        .environment = w->environment,
        .privacy = sb_arena_dup(a, w->privacy),
    };
}

static const char *text_or_empty(const char *s) {
    return s ? s : "";
}

void sb_order_seal(struct sb_order *o) {
    const char *text = "";
    for (int role = 0; role < SB_ORDER_ROLES; role++) {
        const struct sb_wish *w = &o->wish[role];
        text = sb_arena_printf(&o->arena, "%s%s %s %s %s %d %.*s\n", text, text_or_empty(w->key),
                               text_or_empty(w->alias), text_or_empty(w->policy),
                               text_or_empty(w->absent), (int)w->environment, SB_ARG(w->privacy));
    }
    o->text = text;
}
