/* Timers: a binary heap of pointers to embedded timers; the earliest one decides when the loop's
 * single uv_timer fires. Stopping the earliest leaves the uv_timer armed: it fires for nothing
 * once, which is cheaper than re-arming it on every stop. */
#include <stddef.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_int.h"

static void put(struct sb_timers *ts, uint32_t slot, struct sb_timer *t) {
    ts->heap[slot] = t;
    t->slot = slot;
}

static void sift_up(struct sb_timers *ts, uint32_t slot) {
    struct sb_timer *t = ts->heap[slot];
    while (slot > 0 && ts->heap[(slot - 1) / 2]->due > t->due) {
        put(ts, slot, ts->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    put(ts, slot, t);
}

static void sift_down(struct sb_timers *ts, uint32_t slot) {
    struct sb_timer *t = ts->heap[slot];
    for (;;) {
        uint32_t kid = 2 * slot + 1;
        if (kid >= ts->n) break;
        if (kid + 1 < ts->n && ts->heap[kid + 1]->due < ts->heap[kid]->due) kid++;
        if (ts->heap[kid]->due >= t->due) break;
        put(ts, slot, ts->heap[kid]);
        slot = kid;
    }
    put(ts, slot, t);
}

static void heap_remove(struct sb_timers *ts, struct sb_timer *t) {
    uint32_t slot = t->slot;
    SB_ASSERT(slot < ts->n && ts->heap[slot] == t);
    struct sb_timer *last = ts->heap[--ts->n];
    if (last == t) return;
    put(ts, slot, last);
    sift_down(ts, slot);
    sift_up(ts, last->slot);
}

static void heap_insert(struct sb_timers *ts, struct sb_timer *t) {
    if (ts->n == ts->cap) {
        ts->cap = ts->cap ? 2 * ts->cap : 64;
        ts->heap = sb_realloc(ts->heap, ts->cap * sizeof ts->heap[0]);
    }
    put(ts, ts->n, t);
    sift_up(ts, ts->n++);
}

static void on_uv_timer(uv_timer_t *h);

static void arm(struct sb_timers *ts, int64_t now) {
    if (!ts->n) return;
    int64_t due = ts->heap[0]->due;
    if (ts->armed && ts->armed <= due) return;
    int64_t ms = due > now ? (due - now + SB_MS - 1) / SB_MS : 0;
    ts->armed = due;
    uv_timer_start(&ts->uv, on_uv_timer, (uint64_t)ms, 0);
}

static void on_uv_timer(uv_timer_t *h) {
    struct sb_loop *l = h->data;
    struct sb_timers *ts = &l->timers;
    int64_t now = sb_mono_ns();
    ts->armed = 0;
    while (ts->n && ts->heap[0]->due <= now) {
        struct sb_timer *t = ts->heap[0];
        if (t->every) { /* from now on, not from due: a stalled loop does not fire a burst */
            t->due = now + t->every;
            sift_down(ts, 0);
        } else {
            heap_remove(ts, t);
            t->due = 0;
        }
        t->fn(t);
    }
    arm(ts, now);
}

void sb_timer_start(struct sb_timer *t, struct sb_loop *l, int64_t after_ns, int64_t every_ns) {
    if (t->due) heap_remove(&t->loop->timers, t);
    int64_t now = sb_mono_ns();
    t->loop = l;
    t->every = every_ns;
    t->due = now + (after_ns > 0 ? after_ns : 0);
    if (t->every > 0 && t->every < SB_MS) t->every = SB_MS;
    heap_insert(&l->timers, t);
    arm(&l->timers, now);
}

void sb_timer_stop(struct sb_timer *t) {
    if (!t->due) return;
    heap_remove(&t->loop->timers, t);
    t->due = 0;
}

sb_err sb_timers_init(struct sb_loop *l) {
    l->timers.uv.data = l;
    return uv_timer_init(&l->uv, &l->timers.uv) == 0 ? SB_OK : SB_E_NOMEM;
}

void sb_timers_fini(struct sb_loop *l) {
    sb_free(l->timers.heap);
}
