/* Admission by queue time.
 *
 * Requests of routes with SB_HTTP_ADMIT are handled as they come while an iteration of the loop is
 * short. Once one has taken a slice (a 25th of the target), requests wait in a queue that the end
 * of each iteration works off, a slice at a time; so between slices the loop reads on, and what it
 * cannot do in time it refuses at once: a request that would wait longer than the target, by the
 * time that what waits before it takes at the rate of late. A queue bounded by time instead of
 * length keeps answers useful under any load: what is taken in is answered soon, the rest is told
 * within a slice or two. */
#include "base/clock.h"
#include "engine/http/http_int.h"

enum { HEAD_WEIGHT = 256, LOOK_EVERY = 16 };

static int64_t slice_of(const struct http_shard *s) {
    return s->server->o.queue_target_ns / 25;
}

/* What a request counts for: bytes, as the work of one grows with its rows. */
static uint64_t weight(const struct http_request *r) {
    return r->pub.body.n + HEAD_WEIGHT;
}

static bool takes(const struct http_shard *s, uint64_t weight, int64_t ns) {
    return (double)weight * s->queue.ns_each >= (double)ns;
}

static bool is_full(const struct http_shard *s) {
    int64_t target = s->server->o.queue_target_ns;
    return target && takes(s, s->queue.weight, target);
}

/* Whether this iteration has taken its slice; the clock is asked now and then. */
static bool slice_is_over(struct http_shard *s) {
    struct http_queue *q = &s->queue;
    int64_t now = sb_loop_now(s->loop);
    if (q->iteration != now) {
        q->iteration = now;
        q->spent = q->calls = 0;
        q->over = false;
    }
    if (q->over) return true;
    q->over = takes(s, q->spent, slice_of(s));
    if (++q->calls % LOOK_EVERY == 0 && sb_mono_ns() - now >= slice_of(s)) q->over = true;
    return q->over;
}

static bool has_room(const struct http_shard *s) {
    const struct sb_http_opts *o = &s->server->o;
    return !o->has_room || o->has_room(o->app);
}

bool http_admit(struct http_shard *s) {
    return !is_full(s);
}

bool http_defer(struct http_request *r) {
    struct http_shard *s = r->conn->shard;
    struct http_queue *q = &s->queue;
    if (!(r->pub.route->flags & SB_HTTP_ADMIT) || !s->server->o.queue_target_ns) return false;
    if (!q->first && !slice_is_over(s) && has_room(s)) {
        q->spent += weight(r);
        q->worked += weight(r);
        return false;
    }
    if (is_full(s)) { /* many heads can be admitted before the first of their bodies is whole */
        http_refuse_busy(r);
        return true;
    }
    r->owes = true; /* stays when its client goes */
    r->queued = NULL;
    *(q->first ? &q->last->queued : &q->first) = r;
    q->last = r;
    q->weight += weight(r);
    return true;
}

static void call_next(struct http_shard *s) {
    struct http_queue *q = &s->queue;
    struct http_request *r = q->first;
    q->first = r->queued;
    q->weight -= weight(r);
    if (!r->in_fifo) { /* its client has gone */
        r->owes = false;
        http_request_release(r);
        return;
    }
    q->worked += weight(r);
    http_request_call(r);
}

/* The rate of late: time over what was done in it, with all that comes with it. While requests wait
 * that is the time from one end of an iteration to another, as the loop or its handlers' pools are
 * the bottleneck then; else that of the iteration. */
static void learn(struct http_queue *q, int64_t since, int64_t now) {
    if (q->worked && now - since >= SB_MS / 2) {
        double each = (double)(now - since) / (double)q->worked;
        if (!q->ns_each) q->ns_each = each;
        if (each > 2 * q->ns_each) each = 2 * q->ns_each; /* the machine stood still for a moment */
        q->ns_each += (each - q->ns_each) / 8;
        q->worked = 0;
        q->busy_since = now;
    }
    if (!q->first) {
        q->worked = 0;
        q->busy_since = 0;
    } else if (!q->busy_since) {
        q->busy_since = now;
    }
}

static void on_tick(void *arg) {
    struct http_shard *s = arg;
    struct http_queue *q = &s->queue;
    if (!q->first && !q->worked) return;
    int64_t now = sb_mono_ns(), since = q->busy_since ? q->busy_since : sb_loop_now(s->loop);
    bool room = true;
    for (int64_t end = now + slice_of(s); q->first && now < end; now = sb_mono_ns()) {
        room = has_room(s);
        if (!room) break;
        call_next(s);
    }
    learn(q, since, now);
    sb_loop_set_busy(s->loop, q->first != NULL);
    if (!q->first) return;
    if (room)
        sb_loop_again(s->loop);
    else
        sb_timer_start(&s->queue_timer, s->loop, SB_MS, 0);
}

static void on_timer(struct sb_timer *t) {
    SB_UNUSED(t); /* the tick that follows looks for room again */
}

void http_queue_init(struct http_shard *s) {
    s->tick = (struct sb_loop_tick){.fn = on_tick, .arg = s};
    s->queue_timer.fn = on_timer;
    if (s->server->o.queue_target_ns) sb_loop_on_tick(s->loop, &s->tick);
}
