/* Long polls on "something in the registry moved". The number is bumped on a pool thread after a
 * commit; each loop that has waiters is told by one task, so that a burst of changes wakes it once.
 */
#include <stdatomic.h>

#include "api/mlflow/mlflow_int.h"
#include "base/clock.h"
#include "base/mem.h"

enum { WAIT_DEFAULT_MS = 25000, WAIT_MAX_MS = 60000 };

struct waiter {
    struct sb_http_req *req;
    struct hub *hub;
    struct sb_timer timer;
    struct waiter *next, **self;
};

static void answer(struct sb_http_req *r, int64_t next) {
    char *text = sb_arena_printf(r->arena, "{\"next\": %lld}", (long long)next);
    sb_http_add_header(r, "Cache-Control", SB_STR("no-store"));
    sb_http_reply(r, 200, NULL, sb_str_of(text));
}

static void waiter_end(struct waiter *w) {
    struct sb_http_req *r = w->req;
    int64_t now = w->hub->api->changes;
    sb_timer_stop(&w->timer);
    *w->self = w->next;
    if (w->next) w->next->self = w->self;
    answer(r, now);
}

static void hub_wake(struct sb_task *t) {
    struct hub *h = SB_CONTAINER(t, struct hub, task);
    h->posted = false; /* before looking: a later bump posts again */
    while (h->waiters) waiter_end(h->waiters);
}

static void tell(struct sb_mlflow_api *a) {
    for (size_t i = 0; i < a->nhubs; i++)
        if (!atomic_exchange(&a->hubs[i].posted, true))
            sb_loop_post(a->hubs[i].loop, &a->hubs[i].task);
}

void changes_bump(struct sb_mlflow_api *a) {
    atomic_fetch_add(&a->changes, 1);
    tell(a);
}

void sb_mlflow_api_drain(struct sb_mlflow_api *a) {
    a->draining = true;
    tell(a);
}

void hubs_init(struct sb_mlflow_api *a, struct sb_loop *const *loops, size_t n) {
    a->hubs = sb_calloc(n + 1, sizeof *a->hubs);
    a->nhubs = n;
    for (size_t i = 0; i < n; i++) {
        a->hubs[i].api = a;
        a->hubs[i].loop = loops[i];
        a->hubs[i].task.fn = hub_wake;
    }
}

static void on_timer(struct sb_timer *t) {
    waiter_end(SB_CONTAINER(t, struct waiter, timer));
}

static bool query_int(const struct sb_http_req *r, const char *name, int64_t fallback,
                      int64_t *out) {
    struct sb_str text;
    *out = fallback;
    return !sb_http_query_get(r, name, &text) || (sb_str_to_i64(text, out) && *out >= 0);
}

void handle_changes(struct sb_http_req *r) {
    struct sb_mlflow_api *a = r->app;
    struct hub *h = NULL;
    int64_t since, wait_ms;
    if (!query_int(r, "since", 0, &since) ||
        !query_int(r, "timeout_ms", WAIT_DEFAULT_MS, &wait_ms)) {
        reply_error(r, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                    SB_STR("'since' and 'timeout_ms' must be numbers from 0 on"));
        return;
    }
    for (size_t i = 0; i < a->nhubs; i++)
        if (a->hubs[i].loop == r->loop) h = &a->hubs[i];
    int64_t now = a->changes;
    if (!h || since != now || wait_ms == 0 || a->draining) {
        answer(r, now);
        return;
    }
    struct waiter *w = sb_arena_zalloc(r->arena, sizeof *w);
    w->req = r;
    w->hub = h;
    w->timer.fn = on_timer;
    w->next = h->waiters;
    w->self = &h->waiters;
    if (w->next) w->next->self = &w->next;
    h->waiters = w;
    sb_timer_start(&w->timer, r->loop, (wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS) * SB_MS, 0);
    /* a bump between the first look and here posted before we stood in the list */
    if (a->changes != now || a->draining) waiter_end(w);
}
