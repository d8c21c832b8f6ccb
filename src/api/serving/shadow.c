/* The shadow version of a route predicts the same rows after the reply has left. It never costs a
 * prediction anything but a copy of the rows: it has a budget of its own per loop, is shed first
 * (and counted) when that is used up or events already wait for the disk, and computes on the pool.
 * Its events carry role=shadow and the primary's request_id and row. */
#include "api/serving/serving_int.h"
#include "base/clock.h"
#include "base/mem.h"

enum { IN_FLIGHT_MAX = 64 }; /* of one loop */
static const size_t ROWS_BYTES_MAX = 8 << 20;

struct shadow {
    struct sb_arena arena; /* holds everything of it, itself included */
    struct lane *lane;
    struct sb_live *live;
    struct sb_batch batch;
    struct sb_event_request event;
    int64_t wall_ms, begun_ns;
    struct sb_predict predict;
    struct computation computation;
};

/* ---- a copy that outlives the request ---- */

static bool copy_strings(struct sb_arena *a, struct sb_str **to, const struct sb_str *from,
                         size_t n) {
    *to = sb_arena_try_array(a, n, sizeof **to);
    for (size_t i = 0; *to && i < n; i++) {
        if (from[i].p && !((*to)[i] = sb_arena_dup(a, from[i])).p) return false;
    }
    return *to != NULL;
}

static bool holds_strings(enum sb_dtype t) {
    return t == SB_DTYPE_STRING || t == SB_DTYPE_BINARY || t == SB_DTYPE_JSON;
}

static bool copy_column(struct sb_arena *a, struct sb_column *to, const struct sb_column *from,
                        size_t nrows) {
    size_t values = nrows * from->width, bytes = values * sb_dtype_size(from->type);
    *to = *from;
    to->name = sb_arena_dup(a, from->name);
    if (holds_strings(from->type)) {
        if (!copy_strings(a, &to->s, from->s, values)) return false;
    } else {
        if (!(to->data = sb_arena_try(a, bytes))) return false;
        memcpy(to->data, from->data, bytes);
    }
    if (from->null) {
        if (!(to->null = sb_arena_try(a, nrows))) return false;
        memcpy(to->null, from->null, nrows);
    }
    return !from->tokens || copy_strings(a, &to->tokens, from->tokens, nrows);
}

static bool copy_batch(struct sb_arena *a, struct sb_batch *to, const struct sb_batch *from) {
    *to = *from;
    to->params = sb_arena_dup(a, from->params);
    to->cols = sb_arena_try_array(a, from->ncols, sizeof *to->cols);
    if (!to->cols) return false;
    for (size_t i = 0; i < from->ncols; i++) {
        if (!copy_column(a, &to->cols[i], &from->cols[i], from->nrows)) return false;
    }
    return true;
}

static void copy_event(struct shadow *s, const struct sb_event_request *from) {
    struct sb_arena *a = &s->arena;
    struct sb_event_tag *tags = sb_arena_alloc(a, from->ntags * sizeof *tags);
    for (size_t i = 0; i < from->ntags; i++)
        tags[i] = (struct sb_event_tag){sb_arena_dup(a, from->tags[i].name),
                                        sb_arena_dup(a, from->tags[i].value)};
    s->event = (struct sb_event_request){
        .request_id = sb_arena_dup(a, from->request_id),
        .traceparent = sb_arena_dup(a, from->traceparent),
        .parent_id = sb_arena_dup(a, from->parent_id),
        .principal = sb_arena_dup(a, from->principal),
        .user = sb_arena_dup(a, from->user),
        .session = sb_arena_dup(a, from->session),
        .client = sb_arena_dup(a, from->client),
        .tags = tags,
        .ntags = from->ntags,
        .head = sb_str_of(s->live->event_head),
    };
}

/* ---- computing ---- */

static void shadow_free(struct shadow *s) {
    struct sb_arena arena = s->arena;
    s->lane->shadows--;
    sb_live_unref(s->live);
    sb_arena_fini(&arena);
}

static void record(struct shadow *s) {
    struct sb_predict *p = &s->predict;
    const struct sb_result *out = p->err ? NULL : &p->out;
    enum sb_event_status status = p->err ? SB_EVENT_ERROR : SB_EVENT_OK;
    for (size_t row = 0; row < s->batch.nrows; row++) {
        struct sb_event e = {.wall_ms = s->wall_ms,
                             .row = (uint32_t)row,
                             .seq = sb_next_seq(s->lane->s),
                             .status = status,
                             .queue_ns = p->queue_ns,
                             .compute_ns = p->compute_ns,
                             .total_ns = sb_mono_ns() - s->begun_ns};
        if (p->err) e.error = sb_str_of(sb_errctx_text(&p->ctx, p->err));
        sb_uuid7(&s->lane->ids, s->wall_ms, e.id);
        struct row_json j = sb_row_json(s->lane, s->live, &s->batch, out, row);
        sb_row_into_event(&j, &e);
        if (!sb_lane_record(s->lane, NULL, &e, &s->event, (struct sb_str){0})) {
            sb_series_add(s->lane->s->shadow_shed, (int64_t)(s->batch.nrows - row));
            return;
        }
    }
    sb_series_add(s->live->outcomes[status], (int64_t)s->batch.nrows);
    sb_series_observe(s->live->compute_seconds, p->compute_ns);
}

static void on_predicted(struct sb_predict *p) {
    struct shadow *s = p->user;
    record(s);
    shadow_free(s);
}

/* Never on the loop, however few the rows are. */
static void compute(struct shadow *s, int64_t timeout_ns) {
    s->predict = (struct sb_predict){.in = &s->batch,
                                     .arena = &s->arena,
                                     .loop = s->lane->loop,
                                     .deadline_ns = sb_mono_ns() + timeout_ns,
                                     .done = on_predicted,
                                     .user = s};
    if (sb_compute(&s->computation, s->lane->s->o.compute, s->live->model, &s->predict, false) ==
        SB_OK)
        return; /* s may be gone already */
    sb_series_add(s->lane->s->shadow_shed, (int64_t)s->batch.nrows);
    shadow_free(s);
}

/* ---- the two steps around the reply ---- */

struct shadow *sb_shadow_prepare(const struct call *c, struct sb_live *live) {
    struct lane *l = c->lane;
    struct sb_arena arena;
    sb_arena_init(&arena, ROWS_BYTES_MAX);
    if (l->shadows >= IN_FLIGHT_MAX || l->open || l->in_flight > 1) goto shed;
    struct shadow *s = sb_arena_zalloc(&arena, sizeof *s);
    if (!copy_batch(&arena, &s->batch, &c->batch)) goto shed;
    s->arena = arena;
    s->arena.max = SIZE_MAX;
    s->lane = l;
    s->live = sb_live_ref(live);
    s->wall_ms = c->wall_ms;
    copy_event(s, &c->event);
    l->shadows++;
    return s;
shed:
    sb_series_add(l->s->shadow_shed, (int64_t)c->batch.nrows);
    sb_arena_fini(&arena);
    return NULL;
}

void sb_shadow_run(struct shadow *s) {
    static const int64_t TIMEOUT_NS = 30 * SB_SEC;
    s->begun_ns = sb_mono_ns();
    compute(s, TIMEOUT_NS);
}
