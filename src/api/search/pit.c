/* Points in time: snapshots kept under a name that cannot be guessed, until closed or not used for
 * as long as their keep_alive says. */
#include <stdio.h>

#include "api/search/api_int.h"
#include "api/search/interval.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/hex.h"

enum { KEEP_MAX_S = 3600 };

struct es_pit {
    struct es_pit *next;
    char id[65];
    unsigned refs; /* the table's one, and those of requests; under the api's lock */
    int64_t expires_ns, keep_ns;
    size_t n;
    struct {
        struct sb_index *index;
        struct sb_column_snapshot *snap;
    } list[ES_TARGETS_MAX];
};

static void pit_free(struct es_pit *p) {
    for (size_t i = 0; i < p->n; i++) sb_column_snapshot_release(p->list[i].snap);
    sb_free(p);
}

void pit_unref(struct sb_search_api *a, struct es_pit *p) {
    sb_mutex_lock(&a->lock);
    bool last = --p->refs == 0;
    sb_mutex_unlock(&a->lock);
    if (last) pit_free(p);
}

/* Takes those out of the table that nobody used for too long, or the one of that id, or all. The
 * list of those to unref. */
static struct es_pit *take_out(struct sb_search_api *a, struct sb_str id, bool all) {
    struct es_pit *out = NULL, **at = &a->pits;
    int64_t now = sb_mono_ns();
    sb_mutex_lock(&a->lock);
    while (*at) {
        struct es_pit *p = *at;
        if (!all && p->expires_ns > now && !sb_str_is(id, p->id)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = out;
        out = p;
        a->npits--;
    }
    sb_mutex_unlock(&a->lock);
    return out;
}

static size_t drop(struct sb_search_api *a, struct es_pit *list, struct sb_str id) {
    size_t found = 0;
    for (struct es_pit *next; list; list = next) {
        next = list->next;
        found += sb_str_is(id, list->id);
        pit_unref(a, list);
    }
    return found;
}

void pits_free(struct sb_search_api *a) {
    drop(a, take_out(a, (struct sb_str){0}, true), (struct sb_str){0});
}

static sb_err keep_alive_of(struct call *c, int64_t *ns) {
    struct sb_str text = {0};
    int64_t ms;
    if (!es_param_get(&c->params, "keep_alive", &text))
        return es_fail_argument(&c->error, "[keep_alive] is required");
    if (!es_span_parse(text, &ms) || ms < 1 || ms > KEEP_MAX_S * 1000LL)
        return es_fail_argument(&c->error, "[keep_alive] must be a span of time, at most 1h");
    *ns = ms * SB_MS;
    return SB_OK;
}

sb_err run_pit_open(struct call *c) {
    struct sb_search_api *a = c->api;
    struct targets t;
    int64_t keep;
    uint8_t random[32];
    SB_TRY(keep_alive_of(c, &keep));
    SB_TRY(targets_of_path(c, &t));
    struct es_pit *p = sb_calloc(1, sizeof *p);
    sb_random_bytes(random, sizeof random);
    sb_hex_encode(p->id, random, sizeof random);
    p->refs = 1;
    p->keep_ns = keep;
    p->expires_ns = sb_mono_ns() + keep;
    for (; p->n < t.n; p->n++) {
        p->list[p->n].index = t.list[p->n].index;
        p->list[p->n].snap = t.list[p->n].snap; /* theirs now */
    }
    drop(a, take_out(a, (struct sb_str){0}, false), (struct sb_str){0});
    sb_mutex_lock(&a->lock);
    bool full = a->npits >= ES_PITS_MAX;
    if (!full) {
        p->next = a->pits;
        a->pits = p;
        a->npits++;
    }
    sb_mutex_unlock(&a->lock);
    sb_json_obj(&c->w, NULL);
    sb_json_str(&c->w, "id", sb_str_of(sb_arena_printf(&c->arena, "%s", p->id)));
    write_shards(&c->w, t.n);
    sb_json_end(&c->w);
    if (!full) return SB_OK;
    pit_free(p);
    return es_fail(&c->error, 429, "es_rejected_execution_exception",
                   "Trying to create too many points in time: at most %d are open at a time",
                   ES_PITS_MAX);
}

sb_err targets_of_pit(struct call *c, struct sb_str id, struct targets *out) {
    struct sb_search_api *a = c->api;
    struct es_pit *found = NULL;
    drop(a, take_out(a, (struct sb_str){0}, false), (struct sb_str){0});
    sb_mutex_lock(&a->lock);
    for (struct es_pit *p = a->pits; p && !found; p = p->next)
        if (sb_str_is(id, p->id)) found = p;
    if (found) {
        found->refs++;
        found->expires_ns = sb_mono_ns() + found->keep_ns;
    }
    sb_mutex_unlock(&a->lock);
    if (!found)
        return es_fail(&c->error, 404, "search_context_missing_exception",
                       "No search context found for id [%.*s]", id.n < 64 ? (int)id.n : 64, id.p);
    out->n = 0;
    out->pit = found;
    for (size_t i = 0; i < found->n; i++)
        target_add(c, out, found->list[i].index, found->list[i].snap, true);
    return SB_OK;
}

sb_err run_pit_close(struct call *c) {
    const struct sb_json *body;
    struct sb_str id = {0};
    SB_TRY(body_of(c, &body));
    if (!body || !sb_json_get_str(body, "id", &id) || !id.n)
        return es_fail_argument(&c->error, "[id] of the point in time is required");
    size_t found = drop(c->api, take_out(c->api, id, false), id);
    c->status = found ? 200 : 404;
    sb_json_obj(&c->w, NULL);
    sb_json_bool(&c->w, "succeeded", found > 0);
    sb_json_int(&c->w, "num_freed", (int64_t)found);
    sb_json_end(&c->w);
    return SB_OK;
}
