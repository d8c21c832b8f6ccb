/* Group commit seen from a loop.
 *
 * Events of one loop iteration go into one group, which is submitted at the iteration's end. The
 * loop then waits for the sync, but never longer than WAIT_NS: on a fast disk the next iteration
 * finds many requests and groups stay large (measured: half the CPU per request of running ahead);
 * on a slow disk the loop goes on, and groups grow because at most IN_FLIGHT_MAX are submitted at a
 * time.
 *
 * Who completes a commit is settled by one atomic: the commit thread sets DONE as the last thing it
 * does with it; the loop, when it stops waiting, sets AWAY. Whoever comes second acts: the loop
 * completes at once, the commit thread posts. */
#include "api/serving/serving_int.h"
#include "base/clock.h"
#include "base/mem.h"

enum { IN_FLIGHT_MAX = 2 };
static const int64_t WAIT_NS = SB_MS;
static const int64_t GATHER_NS = 200 * SB_US, GATHER_BUSY_NS = 2 * SB_MS;
enum { GATHER_ROWS = 512 };
static const size_t IN_FLIGHT_BYTES_MAX = 64 << 20;

enum { CLAIM_WAITING, CLAIM_AWAY, CLAIM_DONE };

static void submit(struct lane *l, int claim);

/* Commit thread. */
static void on_group_done(struct sb_journal_group *g) {
    struct commit *c = SB_CONTAINER(g, struct commit, group);
    struct sb_loop *loop = c->lane->loop;
    if (__atomic_exchange_n((int *)&c->claim, CLAIM_DONE, __ATOMIC_ACQ_REL) == CLAIM_AWAY)
        sb_loop_post(loop, &c->task);
}

/* Calls grow cold while they wait; each is fetched while the one before it is answered. */
static SB_INLINE void fetch_call(const struct wait *w) {
    if (!w) return;
    for (size_t i = 0; i < 4; i++) __builtin_prefetch((const char *)w + 64 * i);
}

static void complete(struct commit *c) {
    struct lane *l = c->lane;
    sb_err err = c->group.err;
    l->in_flight--;
    l->in_flight_bytes -= c->bytes;
    struct wait *w = c->first;
    c->first = NULL;
    while (w) {
        struct wait *next = w->next;
        struct call *call = w->call;
        fetch_call(next);
        if (err && !call->commit_err) call->commit_err = err;
        call->durable_ns = c->group.durable_ns;
        if (call->key && call->key->in == c) {
            call->key->in = NULL;
            call->key->offset = c->group.base_offset + call->key->index;
        }
        if (--call->waits == 0) sb_call_committed(call); /* w may be gone now */
        w = next;
    }
    sb_journal_group_reset(&c->group);
    c->next = l->free;
    l->free = c;
}

static void on_posted(struct sb_task *t) {
    struct commit *c = SB_CONTAINER(t, struct commit, task);
    struct lane *l = c->lane;
    complete(c);
    if (l->open && l->in_flight < IN_FLIGHT_MAX) submit(l, CLAIM_WAITING);
}

static struct commit *open_commit(struct lane *l) {
    if (l->open) return l->open;
    struct commit *c = l->free;
    if (c) {
        l->free = c->next;
    } else {
        c = sb_calloc(1, sizeof *c);
        sb_journal_group_init(&c->group);
        c->lane = l;
        c->group.done = on_group_done;
        c->task.fn = on_posted;
    }
    c->bytes = 0;
    c->seen = 0;
    c->opened_ns = 0;
    c->first = NULL;
    c->last = &c->first;
    c->next = NULL;
    return l->open = c;
}

/* claim AWAY: does not wait, completes by a post. */
static void submit(struct lane *l, int claim) {
    struct commit *c = l->open;
    l->open = NULL;
    l->in_flight++;
    c->claim = claim;
    sb_journal_submit(l->s->o.journal, &c->group);
    if (claim == CLAIM_AWAY) return;
    sb_journal_wait(l->s->o.journal, &c->group, WAIT_NS);
    int seen = CLAIM_WAITING;
    if (!__atomic_compare_exchange_n((int *)&c->claim, &seen, CLAIM_AWAY, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        complete(c);
}

/* While requests keep arriving the group keeps growing: it goes once an iteration brought nothing
 * new, it is large, or it has waited GATHER_NS. Clients answered by the last group send their next
 * requests over a few iterations, and one sync for all of them is cheaper than several. On a busy
 * loop requests wait for longer than that anyway, and its time is scarce: groups grow larger. */
static void on_tick(void *arg) {
    struct lane *l = arg;
    struct commit *c = l->open;
    if (!c || l->in_flight >= IN_FLIGHT_MAX) return;
    bool grew = c->group.count != c->seen, busy = sb_loop_busy(l->loop);
    if (!c->opened_ns) c->opened_ns = sb_mono_ns();
    int64_t gather = busy ? GATHER_BUSY_NS : GATHER_NS;
    if ((grew || busy) && c->group.count < GATHER_ROWS && sb_mono_ns() - c->opened_ns < gather) {
        c->seen = c->group.count;
        if (!busy) sb_loop_again(l->loop);
        return;
    }
    sb_shadow_record_some(l);
    submit(l, busy ? CLAIM_AWAY : CLAIM_WAITING); /* busy: no time to wait either */
}

static void add_wait(struct commit *c, struct call *call) {
    struct wait *w = call->wait.call ? sb_arena_alloc(call->r->arena, sizeof *w) : &call->wait;
    *w = (struct wait){call, NULL};
    *c->last = w;
    c->last = &w->next;
    call->waits++;
}

void sb_lane_begin_whole(struct lane *l, struct call *call) {
    if (l->open && l->open->group.count) submit(l, CLAIM_AWAY);
    call->key->in = open_commit(l);
}

void sb_lane_withdraw(struct lane *l, struct call *call) {
    struct commit *c = l->open;
    SB_ASSERT(c && c == call->key->in);
    l->in_flight_bytes -= c->bytes;
    if (c->first) {
        call->waits--;
        call->wait.call = NULL;
    }
    sb_journal_group_reset(&c->group);
    c->next = l->free;
    l->free = c;
    l->open = NULL;
    call->key->in = NULL;
}

size_t sb_lane_record(struct lane *l, struct call *call, struct sb_event *e,
                      const struct sb_event_request *r, struct sb_str answer) {
    struct sb_str node = sb_str_of(l->s->o.node);
    size_t bound = sb_event_size_bound(e, r, node), headers = 0;
    if (l->in_flight_bytes > IN_FLIGHT_BYTES_MAX || bound > SB_LIMIT_EVENT_BYTES) return 0;
    if (answer.n) headers = sb_journal_header_bound(sb_answer_header_name, answer);
    struct commit *c = open_commit(l);
    char *to = sb_journal_group_begin(&c->group, e->wall_ms, (struct sb_str){0}, bound, headers);
    if (!to) { /* full: this one goes first; no replies from here, a call is being written */
        if (call && call->key && call->key->in == c) return 0;
        submit(l, CLAIM_AWAY);
        c = open_commit(l);
        to = sb_journal_group_begin(&c->group, e->wall_ms, (struct sb_str){0}, bound, headers);
        if (!to) return 0;
    }
    e->seq = sb_next_seq(l->s); /* of what goes into a group only: a gap is a record that is lost */
    size_t event = sb_event_write(to, e, r, node), n = event;
    sb_journal_group_end(&c->group, n);
    if (answer.n) {
        sb_journal_group_header(&c->group, sb_answer_header_name, answer);
        call->key->in = c;
        call->key->index = c->group.count - 1;
        n += answer.n;
    }
    c->bytes += n;
    l->in_flight_bytes += n;
    /* one wait per call and group */
    bool waits = call && !call->refused;
    if (waits && !(c->first && SB_CONTAINER(c->last, struct wait, next)->call == call))
        add_wait(c, call);
    return event;
}

static void on_refresh(struct sb_timer *t) {
    struct lane *l = SB_CONTAINER(t, struct lane, refresh);
    sb_route_cache_get(&l->cache, l->s->o.routes);
}

void sb_lane_init(struct lane *l, struct sb_serving *s, struct sb_loop *loop) {
    *l = (struct lane){.s = s, .loop = loop};
    sb_uuid7_gen_init(&l->ids);
    sb_rng_init(&l->spans);
    sb_buf_init(&l->reply, SB_LIMIT_HTTP_BODY * 8);
    sb_buf_init(&l->input, SB_LIMIT_EVENT_BYTES);
    sb_buf_init(&l->prediction, SB_LIMIT_EVENT_BYTES);
    sb_buf_init(&l->probabilities, SB_LIMIT_EVENT_BYTES);
    sb_buf_init(&l->answer, SB_IDEMPOTENCY_ANSWER_MAX);
    l->tick = (struct sb_loop_tick){on_tick, l, NULL};
    sb_loop_on_tick(loop, &l->tick);
    l->refresh.fn = on_refresh;
    sb_timer_start(&l->refresh, loop, SB_SEC, SB_SEC);
}

static void free_commit(struct commit *c) {
    sb_journal_group_fini(&c->group);
    sb_free(c);
}

void sb_lane_fini(struct lane *l) {
    sb_shadow_drop(l);
    if (l->open) free_commit(l->open);
    for (struct commit *c = l->free, *next; c; c = next) {
        next = c->next;
        free_commit(c);
    }
    sb_route_cache_release(&l->cache);
    sb_buf_fini(&l->reply);
    sb_buf_fini(&l->input);
    sb_buf_fini(&l->prediction);
    sb_buf_fini(&l->probabilities);
    sb_buf_fini(&l->answer);
}
