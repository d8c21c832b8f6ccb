/* One prediction, from its request to its durable event and its reply:
 *
 *   handler ─▶ route ─▶ dialect decodes into columns ─▶ model ─▶ one event per row into the lane's
 *   commit group (commit.c) ─▶ group durable ─▶ reply
 *
 * Everything a request needs lives in its arena. What fails on the way becomes an event too, and
 * its reply waits for that event like any other. */
#include "api/serving/serving_int.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/trace.h"

static void finish(struct call *c, sb_err err);

/* ---- what a failure means to the client and in the event ---- */

static int status_of(sb_err err) {
    switch (err) {
    case SB_OK: return 200;
    case SB_E_LIMIT: return 413;
    case SB_E_UNSUPPORTED: return 415;
    case SB_E_TIMEOUT: return 504;
    default: break;
    }
    switch (sb_err_class(err)) {
    case SB_CLASS_CALLER: return 400;
    case SB_CLASS_MISSING: return 404;
    case SB_CLASS_TRANSIENT: return 503;
    default: return 500;
    }
}

/* What the client is told. MLflow's scoring server answers 400 to any exception of the model. */
static int reply_status(const struct call *c, sb_err err) {
    if (c->key && c->key->mismatch) return 422;
    return err == SB_E_BUG && c->dialect == &sb_dialect_mlflow ? 400 : status_of(err);
}

static enum sb_event_status event_status_of(sb_err err) {
    switch (err) {
    case SB_OK: return SB_EVENT_OK;
    case SB_E_TIMEOUT: return SB_EVENT_TIMEOUT;
    case SB_E_BUSY:
    case SB_E_NOSPACE: return SB_EVENT_REJECTED;
    default: return status_of(err) < 500 ? SB_EVENT_INVALID : SB_EVENT_ERROR;
    }
}

/* ---- the request's own words ---- */

bool sb_request_id_ok(struct sb_str s) {
    if (s.n == 0 || s.n > SB_LIMIT_ID_BYTES) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~') return false;
    }
    return true;
}

static bool header_is(const struct sb_http_header *h, struct sb_str name) {
    return sb_str_ieq(h->name, name);
}

static struct sb_str bounded(struct sb_str s) {
    return sb_str_sub(s, 0, 256);
}

static void add_tag(struct call *c, const struct sb_http_header *h, size_t prefix) {
    enum { TAGS_MAX = 16 };
    if (c->event.ntags == TAGS_MAX) return;
    if (!c->tags) c->event.tags = c->tags = sb_arena_alloc(c->r->arena, TAGS_MAX * sizeof *c->tags);
    c->tags[c->event.ntags++] =
        (struct sb_event_tag){sb_str_sub(h->name, prefix, h->name.n), bounded(h->value)};
}

/* The prediction is a span of its own in the caller's trace. */
static void continue_trace(struct call *c, struct sb_str in) {
    char *own = sb_arena_alloc(c->r->arena, SB_TRACEPARENT);
    uint64_t span = sb_rng_next(&c->lane->spans) | 1;
    if (sb_traceparent_continue(in, span, own, &c->event.parent_id))
        c->event.traceparent = sb_str_make(own, SB_TRACEPARENT);
}

/* One pass over the headers; the length tells most of them apart. */
static void read_headers(struct call *c) {
    struct sb_event_request *e = &c->event;
    struct sb_str ce_id = {0};
    for (size_t i = 0; i < c->r->nheaders; i++) {
        const struct sb_http_header *h = &c->r->headers[i];
        switch (h->name.n) {
        case 5:
            if (header_is(h, SB_STR("ce-id"))) ce_id = h->value;
            break;
        case 9:
            if (header_is(h, SB_STR("x-user-id"))) e->user = bounded(h->value);
            break;
        case 11:
            if (header_is(h, SB_STR("traceparent"))) continue_trace(c, h->value);
            break;
        case 12:
            if (header_is(h, SB_STR("x-request-id"))) e->request_id = h->value;
            if (header_is(h, SB_STR("x-session-id"))) e->session = bounded(h->value);
            if (header_is(h, SB_STR("content-type"))) c->content_type = h->value;
            break;
        case 15:
            if (header_is(h, SB_STR("idempotency-key"))) c->idempotency_key = h->value;
            break;
        default: break;
        }
        if (h->name.n > 6 && sb_str_ieq(sb_str_sub(h->name, 0, 6), SB_STR("x-tag-")))
            add_tag(c, h, 6);
    }
    if (!sb_request_id_ok(e->request_id)) e->request_id = ce_id;
    if (!sb_request_id_ok(e->request_id)) {
        sb_uuid7(&c->lane->ids, c->wall_ms, c->request_id);
        e->request_id = sb_str_make(c->request_id, SB_UUID_TEXT - 1);
    }
    ptrdiff_t colon = sb_str_rfind(c->r->peer, ':');
    e->client = colon < 0 ? c->r->peer : sb_str_sub(c->r->peer, 0, (size_t)colon);
    e->principal = SB_STR("anonymous");
}

/* ---- route ---- */

/* Head of events that met no live version: just the route that was asked for. */
static struct sb_str route_head(struct call *c, struct sb_str route) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    sb_event_head_write(&b,
                        &(struct sb_event_source_info){.route = route, .role = SB_STR("primary")});
    struct sb_str head = sb_arena_dup(c->r->arena, sb_buf_view(&b));
    sb_buf_fini(&b);
    return head;
}

/* Only the live version answers; a path that names another one gets no answer of this one. */
static sb_err check_version(struct call *c, const struct sb_route *route) {
    struct sb_str live = sb_str_of(route->primary->model->info.version);
    if (c->r->nparams < 2 || sb_str_eq(c->r->params[1], live)) return SB_OK;
    c->event.head = route_head(c, sb_str_of(route->name));
    return sb_fail(&c->ctx, SB_E_MISSING, "version %.*s of %s is not live: version %s is",
                   SB_ARG(sb_str_sub(c->r->params[1], 0, 40)), route->name, live.p);
}

static sb_err find_route(struct call *c, struct sb_str name) {
    struct sb_serving *s = c->lane->s;
    const struct sb_routes *routes = sb_route_cache_get(&c->lane->cache, s->o.routes);
    const struct sb_route *route = NULL;
    if (name.p) {
        route = sb_routes_find(routes, name);
    } else if (s->o.default_route[0]) {
        name = sb_str_of(s->o.default_route);
        route = sb_routes_find(routes, name);
    } else if (routes->n == 1) {
        route = &routes->routes[0];
        name = sb_str_of(route->name);
    } else if (routes->n == 0) {
        return sb_fail(
            &c->ctx, SB_E_MISSING,
            "no model is live yet: register one with the MLflow client and it is served");
    } else {
        return sb_fail(&c->ctx, SB_E_MISSING,
                       "there are %zu models: POST /models/NAME/..., or set serving.default_model",
                       routes->n);
    }
    if (!route || !route->primary) c->event.head = route_head(c, bounded(name));
    if (!route)
        return sb_fail(&c->ctx, SB_E_MISSING, "no model named %.*s (GET /models lists them)",
                       SB_ARG(bounded(name)));
    if (!route->primary)
        return sb_fail(&c->ctx, SB_E_UNAVAILABLE, "no version of %s is live: %s", route->name,
                       route->failure ? route->failure : "it is still loading");
    SB_TRY(check_version(c, route));
    c->live = sb_live_ref(route->primary);
    if (route->shadow) c->shadow = sb_live_ref(route->shadow);
    c->event.head = sb_str_of(c->live->event_head);
    return SB_OK;
}

/* ---- compute ---- */

static void on_predicted(struct sb_predict *p) {
    struct call *c = p->user;
    if (p->err) c->ctx = p->ctx;
    finish(c, p->err || !c->dialect->settle ? p->err : c->dialect->settle(c));
}

static void compute(struct call *c) {
    bool on_loop = sb_computes_inline(c->live->model, &c->batch);
    if (!on_loop) sb_arena_init(&c->own, SIZE_MAX);
    c->predict = (struct sb_predict){
        .in = &c->batch,
        .arena = on_loop ? c->r->arena : &c->own,
        .loop = c->r->loop,
        .deadline_ns = c->r->deadline_ns,
        .done = on_predicted,
        .user = c,
    };
    sb_err err =
        sb_compute(&c->computation, c->lane->s->o.compute, c->live->model, &c->predict, on_loop);
    if (err)
        finish(c,
               sb_fail(&c->ctx, err, "too many large batches wait; try again, or send fewer rows"));
}

/* ---- events and answer ---- */

static struct sb_event event_of(struct call *c, sb_err err, size_t row) {
    struct sb_event e = {
        .wall_ms = c->wall_ms,
        .row = (uint32_t)row,
        .status = event_status_of(err),
        .http_status = reply_status(c, err),
        .queue_ns = c->predict.queue_ns,
        .compute_ns = c->predict.compute_ns,
        .total_ns = sb_mono_ns() - c->r->received_ns,
    };
    sb_uuid7(&c->lane->ids, c->wall_ms, e.id);
    if (!c->first_event_id[0]) memcpy(c->first_event_id, e.id, sizeof e.id);
    if (err) e.error = sb_str_of(sb_errctx_text(&c->ctx, err));
    return e;
}

/* One event per row; on success also the answer. A request with a key is recorded as a whole or not
 * at all, its answer with its last event. SB_E_BUSY, SB_E_LIMIT: an event could not be taken in. */
static sb_err record_rows(struct call *c, sb_err err) {
    struct lane *l = c->lane;
    size_t nrows = c->batch.nrows ? c->batch.nrows : 1;
    bool whole = c->key && c->key->claimed && nrows > 1;
    bool understood = !err || c->batch.nrows; /* else the error is about c->row */
    if (whole) sb_lane_begin_whole(l, c);
    if (!err) c->dialect->begin(&l->reply, c);
    for (size_t row = 0; row < nrows; row++) {
        struct sb_event e = event_of(c, err, understood || c->row < 0 ? row : (size_t)c->row);
        struct row_json j = sb_row_json(l, c->live, &c->batch, err ? NULL : &c->predict.out, row);
        struct sb_str answer = {0};
        bool last = row + 1 == nrows, fits = true;
        sb_row_into_event(&j, &e);
        if (!err) c->dialect->row(&l->reply, c, row, &j);
        if (!err && last) c->dialect->end(&l->reply, c);
        if (last && c->key && !sb_buf_err(&l->reply)) fits = sb_call_key_answer(c, &answer);
        size_t n = fits ? sb_lane_record(l, c, &e, &c->event, answer) : 0;
        c->event_bytes += n;
        if (n) {
            if (answer.n) c->key->answered = true;
            continue;
        }
        if (whole) {
            sb_lane_withdraw(l, c);
            c->event_bytes = 0;
        }
        return whole || !fits ? SB_E_LIMIT : SB_E_BUSY;
    }
    return SB_OK;
}

static void count(struct call *c, sb_err err) {
    struct sb_series **series = c->live ? c->live->outcomes : c->lane->s->unrouted;
    sb_series_add(series[event_status_of(err)], (int64_t)(c->batch.nrows ? c->batch.nrows : 1));
    if (c->live) sb_series_add(c->live->event_bytes, (int64_t)c->event_bytes);
}

static void set_error_reply(struct call *c, sb_err err) {
    c->status = reply_status(c, err);
    c->reply_type = NULL;
    c->reply_header = (struct sb_http_header){0};
    sb_buf_reset(&c->lane->reply);
    c->dialect->error(&c->lane->reply, c, c->status, err, sb_errctx_text(&c->ctx, err));
}

/* The events of a request with a key did not fit together: one that says so. */
static sb_err record_too_large(struct call *c) {
    sb_errctx_reset(&c->ctx);
    sb_err err = sb_fail(&c->ctx, SB_E_LIMIT,
                         "with an Idempotency-Key the events and the answer of a request are kept "
                         "together, up to some 8 MiB: send fewer rows");
    c->batch.nrows = 0;
    c->row = -1;
    c->first_event_id[0] = '\0';
    set_error_reply(c, err);
    return record_rows(c, err) ? SB_E_BUSY : err;
}

/* The model has answered, or something failed before: events, then the reply waits for them. */
static void finish(struct call *c, sb_err err) {
    if (c->refused) { /* the deadline's own event and answer are out */
        c->waits = 1;
        sb_call_committed(c);
        return;
    }
    c->waits = 1; /* ours, so that no commit completes the call while it is being written */
    sb_buf_reset(&c->lane->reply);
    c->status = 200;
    if (err) set_error_reply(c, err);
    sb_err taken = record_rows(c, err);
    if (taken == SB_E_LIMIT) taken = err = record_too_large(c);
    if (!err && !taken && sb_buf_err(&c->lane->reply)) {
        err = sb_fail(&c->ctx, SB_E_LIMIT, "the answer is too large: send fewer rows");
        set_error_reply(c, err); /* its rows are recorded as answered: the client only has to ask
                                    for fewer */
    }
    if (taken == SB_E_BUSY) {
        sb_errctx_reset(&c->ctx);
        err =
            sb_fail(&c->ctx, SB_E_BUSY, "too many events wait for the disk; try again in a second");
        set_error_reply(c, err);
    }
    count(c, err);
    char *copy = sb_arena_alloc(c->r->arena, c->lane->reply.n + 1);
    if (c->lane->reply.n) memcpy(copy, c->lane->reply.p, c->lane->reply.n);
    c->reply = sb_str_make(copy, c->lane->reply.n);
    if (--c->waits == 0) sb_call_committed(c);
}

static void not_durable(struct call *c) {
    sb_errctx_reset(&c->ctx);
    sb_err err = c->commit_err == SB_E_NOSPACE ? SB_E_NOSPACE : SB_E_UNAVAILABLE;
    if (err == SB_E_NOSPACE)
        sb_fail(
            &c->ctx, err,
            "the disk of the journal is full: nothing is answered that cannot be recorded; free "
            "some space and it goes on by itself");
    else
        sb_fail(&c->ctx, err,
                "the journal cannot be written (%s): this process stops and recovers; try again",
                sb_err_text(c->commit_err));
    set_error_reply(c, err);
    c->reply = sb_buf_view(&c->lane->reply);
}

void sb_call_committed(struct call *c) {
    struct sb_http_req *r = c->r;
    sb_call_key_settle(c);
    if (c->commit_err) not_durable(c);
    if (c->live) {
        int64_t end_ns = c->durable_ns ? c->durable_ns : sb_mono_ns();
        sb_series_observe(c->live->predict_seconds, end_ns - r->received_ns);
        if (c->predict.compute_ns)
            sb_series_observe(c->live->compute_seconds, c->predict.compute_ns);
        sb_http_add_header(r, "X-Model-Version", sb_str_of(c->live->model->info.version));
    }
    sb_http_add_header(r, "X-Request-ID", c->event.request_id);
    if (c->event.traceparent.n) sb_http_add_header(r, "traceparent", c->event.traceparent);
    if (c->first_event_id[0] && !c->commit_err)
        sb_http_add_header(r, "X-Event-ID", sb_str_make(c->first_event_id, SB_UUID_TEXT - 1));
    if (c->reply_header.name.p)
        sb_http_add_header(r, c->reply_header.name.p, c->reply_header.value);
    if (c->status == 503) sb_http_add_header(r, "Retry-After", SB_STR("1"));
    bool answered = c->status == 200 && !c->refused;
    struct shadow *shadow = answered && c->shadow ? sb_shadow_prepare(c, c->shadow) : NULL;
    sb_live_unref(c->live);
    sb_live_unref(c->shadow);
    sb_parquet_release(c);
    sb_arena_fini(&c->own);
    sb_http_reply(r, c->status, c->reply_type, c->reply); /* c's memory goes with it */
    if (shadow) sb_shadow_run(shadow);
}

/* ---- handlers ---- */

static struct call *call_new(struct sb_http_req *r, const struct dialect *d) {
    struct call *c = sb_arena_zalloc(r->arena, sizeof *c);
    c->r = r;
    c->dialect = d;
    c->lane = sb_lane_of(r->app, r->loop);
    c->wall_ms = sb_wall_ms();
    c->row = -1;
    r->user = c;
    read_headers(c);
    return c;
}

static void say_not_json(struct call *c) {
    struct sb_errctx why = c->ctx;
    sb_errctx_reset(&c->ctx);
    sb_fail_at(&c->ctx, why.code, why.pos, "the body is not JSON: %.200s", why.msg);
}

void sb_call_decoded(struct call *c, sb_err err) {
    if (err == SB_E_SYNTAX) say_not_json(c);
    if (err || c->refused)
        finish(c, err);
    else
        compute(c);
}

static void predict(struct sb_http_req *r, struct sb_str route, const struct dialect *d) {
    struct call *c = call_new(r, d);
    bool answered = false;
    sb_err err = sb_call_key_claim(c, &answered);
    if (answered) return;
    if (err)
        c->event.head = route_head(c, bounded(route));
    else
        err = find_route(c, route);
    if (!err && sb_journal_dead(c->lane->s->o.journal))
        err = sb_fail(&c->ctx, SB_E_UNAVAILABLE,
                      "the journal's disk failed; this process is restarting");
    bool later = false;
    if (!err) err = sb_decode_body(c, &later);
    if (!later) sb_call_decoded(c, err);
}

void sb_serving_predict(struct sb_http_req *r) {
    predict(r, r->params[0], &sb_dialect_rows);
}

void sb_serving_predict_default(struct sb_http_req *r) {
    predict(r, (struct sb_str){0}, &sb_dialect_rows);
}

void sb_serving_invocations(struct sb_http_req *r) {
    predict(r, r->params[0], &sb_dialect_mlflow);
}

void sb_serving_invocations_default(struct sb_http_req *r) {
    predict(r, (struct sb_str){0}, &sb_dialect_mlflow);
}

void sb_serving_v1_predict(struct sb_http_req *r) {
    predict(r, r->params[0], &sb_dialect_v1);
}

void sb_serving_v2_infer(struct sb_http_req *r) {
    predict(r, r->params[0], &sb_dialect_v2);
}

/* The server has answered by itself: refused by admission, or the deadline passed (maybe before the
 * body was whole, so that there is no call yet). The event is all that is left to do. */
void sb_serving_on_refused(void *app, const struct sb_http_req *request, int status) {
    SB_UNUSED(app);
    struct sb_http_req *r = (struct sb_http_req *)(uintptr_t)request;
    if (!r->route || !(r->route->flags & SB_HTTP_ADMIT)) return;
    struct call *c = r->user;
    if (!c) {
        c = call_new(r, &sb_dialect_rows);
        c->event.head = route_head(c, r->nparams ? bounded(r->params[0]) : (struct sb_str){0});
    }
    if (c->waits || c->refused) return; /* its event is on its way already */
    c->refused = true;
    struct sb_errctx ctx = {0};
    sb_err err = status == 504 ? sb_fail(&ctx, SB_E_TIMEOUT, "no answer before the deadline")
                               : sb_fail(&ctx, SB_E_BUSY, "refused: too many requests wait");
    struct sb_event e = event_of(c, err, 0);
    e.http_status = status;
    e.error = sb_str_of(ctx.msg);
    struct row_json j = sb_row_json(c->lane, c->live, &c->batch, NULL, 0);
    sb_row_into_event(&j, &e);
    c->event_bytes = sb_lane_record(c->lane, NULL, &e, &c->event, (struct sb_str){0});
    if (c->event_bytes) count(c, err);
}
