/* The shadow version of a route predicts the same rows after the reply has left. It never costs a
 * prediction anything but a copy of the rows and their events: it has a budget of its own per loop,
 * is shed first (and counted) when that is used up or events already wait for the disk, and
 * computes on the spare thread (loop/spare.h), which only gets what nobody else wants, or in its
 * workers.
 *
 * What is computed lies there until the lane next sends a group of events to the disk anyway, so
 * that predictions do not wait for a sync of the shadow's own; a lane that has none to send looks
 * after LOOK_NS. Its events carry role=shadow and the primary's request_id and row. */
#include "api/serving/serving_int.h"
#include "base/clock.h"
#include "base/mem.h"

enum { IN_FLIGHT_MAX = 64, RECORD_MAX = 16 }; /* of one loop; at once */
static const int64_t LOOK_NS = 20 * SB_MS;
static const size_t ROWS_BYTES_MAX = 8 << 20;

struct shadow {
    struct sb_arena arena; /* holds everything of it, itself included */
    struct lane *lane;
    struct sb_live *live;
    struct sb_batch batch;
    struct sb_event_request event;
    int64_t wall_ms, begun_ns;
    struct sb_predict predict;
    struct sb_spare_job job;
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
                             .status = status,
                             .queue_ns = p->queue_ns,
                             .compute_ns = p->compute_ns,
                             .total_ns = sb_mono_ns() - s->begun_ns};
        if (p->err) e.error = sb_str_of(sb_errctx_text(&p->ctx, p->err));
        sb_uuid7(&s->lane->ids, s->wall_ms, e.id);
        struct row_json j = sb_row_json(s->lane, s->live, &s->batch, out, row);
        sb_row_into_event(&j, &e);
        size_t n = sb_lane_record(s->lane, NULL, &e, &s->event, (struct sb_str){0});
        sb_series_add(s->live->event_bytes, (int64_t)n);
        if (!n) {
            sb_series_add(s->lane->s->shadow_shed, (int64_t)(s->batch.nrows - row));
            return;
        }
    }
    sb_series_add(s->live->outcomes[status], (int64_t)s->batch.nrows);
    sb_series_observe(s->live->compute_seconds, p->compute_ns);
}

/* In the shadow's own workers: on the loop, when they have answered. */
static void on_answered(struct sb_predict *p) {
    struct shadow *s = p->user;
    record(s);
    shadow_free(s);
}

/* On the spare thread: the loop finds it in its list. */
static void on_computed(struct sb_predict *p) {
    SB_UNUSED(p);
}

static void work(struct sb_spare_job *j) {
    struct shadow *s = SB_CONTAINER(j, struct shadow, job);
    sb_model_predict(s->live->model, &s->predict);
}

static void look_later(struct lane *l);

static void on_look(struct sb_timer *t) {
    struct lane *l = SB_CONTAINER(t, struct lane, shadow_timer);
    l->shadow_looks = false;
    if (!l->open) sb_shadow_record_some(l);
    if (l->shadows) look_later(l);
}

static void look_later(struct lane *l) {
    if (l->shadow_looks) return;
    l->shadow_looks = true;
    l->shadow_timer.fn = on_look;
    sb_timer_start(&l->shadow_timer, l->loop, LOOK_NS, 0);
}

void sb_shadow_record_some(struct lane *l) {
    struct sb_spare_job **end = &l->shadows_due;
    if (!l->shadows) return;
    while (*end) end = &(*end)->next;
    *end = sb_spare_take(&l->shadows_done);
    for (int n = 0; n < RECORD_MAX && l->shadows_due; n++) {
        struct shadow *s = SB_CONTAINER(l->shadows_due, struct shadow, job);
        l->shadows_due = s->job.next;
        record(s);
        shadow_free(s);
    }
}

static void free_all(struct sb_spare_job *j) {
    while (j) {
        struct shadow *s = SB_CONTAINER(j, struct shadow, job);
        j = j->next;
        shadow_free(s);
    }
}

void sb_shadow_drop(struct lane *l) {
    free_all(l->shadows_due);
    l->shadows_due = NULL;
    free_all(sb_spare_take(&l->shadows_done));
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
    bool computes = s->live->model->ops->inline_rows > 0; /* and has no processes for it */
    s->begun_ns = sb_mono_ns();
    s->predict = (struct sb_predict){.in = &s->batch,
                                     .arena = &s->arena,
                                     .loop = s->lane->loop,
                                     .deadline_ns = s->begun_ns + TIMEOUT_NS,
                                     .done = computes ? on_computed : on_answered,
                                     .user = s};
    if (!computes) {
        sb_model_predict(s->live->model, &s->predict); /* s may be gone now */
        return;
    }
    s->job = (struct sb_spare_job){.work = work, .done = &s->lane->shadows_done};
    look_later(s->lane);
    sb_spare_submit(s->lane->s->spare, &s->job);
}
