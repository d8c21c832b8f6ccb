/* Inside api/serving: a prediction from its request to its durable event, and what loops own. */
#ifndef SB_API_SERVING_SERVING_INT_H
#define SB_API_SERVING_SERVING_INT_H

#include "api/serving/idempotency.h"
#include "api/serving/serving.h"
#include "base/random.h"
#include "codec/json.h"
#include "codec/uuid.h"
#include "domain/event/event.h"
#include "domain/model/batch.h"
#include "loop/spare.h"

struct call;

/* The pieces of one row that its event and its answer share. */
struct row_json {
    struct sb_str event_id, input, prediction, probabilities; /* empty = there is none */
    bool withhold; /* errors may tell values that are not to be recorded */
};
struct lane;
/* rows.c: one row's pieces, in the lane's scratch until the next call. live NULL: no version met;
 * in without rows: the request was not understood; out NULL: no answer. */
struct row_json sb_row_json(struct lane *l, const struct sb_live *live, const struct sb_batch *in,
                            const struct sb_result *out, size_t row);
/* Gives the event its pieces, and the row its event's id. */
void sb_row_into_event(struct row_json *j, struct sb_event *e);

/* A request format: how a body becomes columns, and how an answer or an error is written. */
struct dialect {
    const char *name; /* "rows", "mlflow", "v1", "v2" */
    bool tables;      /* bodies may also be tables, by Content-Type (body.c) */
    /* Fills c->batch from c->r->body. On failure c->ctx says what and where. */
    sb_err (*decode)(struct call *c);
    /* Whether the answer is one that was asked for; NULL = any is. */
    sb_err (*settle)(struct call *c);
    /* Write the answer's head, one piece per row, and its tail. */
    void (*begin)(struct sb_buf *out, struct call *c);
    void (*row)(struct sb_buf *out, const struct call *c, size_t row, const struct row_json *j);
    void (*end)(struct sb_buf *out, const struct call *c);
    /* Writes an error body; c->field and c->row say what it is about. */
    void (*error)(struct sb_buf *out, const struct call *c, int status, sb_err code,
                  const char *message);
};
extern const struct dialect sb_dialect_rows, sb_dialect_mlflow, sb_dialect_v1, sb_dialect_v2;

/* body.c: by the dialect, or by the format that Content-Type names. *later: not yet done, and
 * sb_call_decoded follows. SB_E_UNSUPPORTED: 415. */
SB_MUST_CHECK sb_err sb_decode_body(struct call *c, bool *later);
SB_MUST_CHECK sb_err sb_decode_csv(struct call *c);
SB_MUST_CHECK sb_err sb_parquet_begin(struct call *c);
void sb_parquet_release(struct call *c);
/* predict.c: what was still to be decoded is, or could not be. */
void sb_call_decoded(struct call *c, sb_err err);

/* Reads one object of features into a row: shared by the dialects that have such objects. */
SB_MUST_CHECK sb_err sb_decode_object_row(struct sb_batch_builder *b, size_t row,
                                          struct sb_json_reader *r);

/* Forms that a JSON body may have its rows in (dialect_mlflow.c), and the answer to them.
 * positions: lists are rows in the order of the model's columns, named or not. */
enum { SB_FORM_FRAMES = 3, SB_FORM_INSTANCES = 4, SB_FORM_INPUTS = 8 };
SB_MUST_CHECK sb_err sb_decode_forms(struct call *c, unsigned allowed, bool positions);
void sb_predictions_begin(struct sb_buf *out, struct call *c);
void sb_predictions_row(struct sb_buf *out, const struct call *c, size_t row,
                        const struct row_json *j);
void sb_predictions_end(struct sb_buf *out, const struct call *c);
/* {"error": "message"}: the inference protocols' errors (dialect_v2.c). */
void sb_error_member(struct sb_buf *out, const struct call *c, int status, sb_err code,
                     const char *message);

/* A prediction on its way through the compute pool (compute.c). */
struct computation {
    struct sb_job job;
    struct sb_model *model;
    struct sb_predict *predict;
    void (*done)(struct sb_predict *p);
};
/* Whether the rows are few enough for the loop itself. */
bool sb_computes_inline(const struct sb_model *m, const struct sb_batch *in);
/* p->done runs on p->loop, maybe before this returns; c is storage until then. SB_E_BUSY: the
 * pool's queue is full, and done will not run. */
SB_MUST_CHECK sb_err sb_compute(struct computation *c, struct sb_pool *pool, struct sb_model *m,
                                struct sb_predict *p, bool on_loop);

/* A call with an Idempotency-Key (keyed.c). */
struct call_key {
    struct sb_keyed keyed;
    struct call *call;
    bool claimed;      /* to be kept or released */
    bool mismatch;     /* the key was used for another request: 422 */
    bool answered;     /* the record of the last event has the answer */
    struct commit *in; /* the one commit that holds all its events, until it is complete */
    uint32_t index;    /* of the record with the answer in it */
    int64_t offset;    /* of that record, once it is durable */
    struct sb_job job; /* reading a stored answer */
    struct sb_answer stored;
    sb_err err;
};
/* answered: nothing more is to be done with the call. */
SB_MUST_CHECK sb_err sb_call_key_claim(struct call *c, bool *answered);
/* The answer as it is stored with the call's last event, in the lane's scratch; empty when this one
 * is not stored. False: too large to be. */
bool sb_call_key_answer(struct call *c, struct sb_str *out);
/* All events are durable, or the call failed. */
void sb_call_key_settle(struct call *c);

/* A call among those that wait for one commit. */
struct wait {
    struct call *call;
    struct wait *next;
};

/* One prediction request. Lives in the request's arena. */
struct call {
    /* what is touched again when its events are durable: memory that has grown cold by then, so it
     * stands together */
    struct wait wait; /* for the first commit; call NULL = not used yet */
    struct sb_http_req *r;
    struct lane *lane;
    struct sb_live *live;   /* referenced; NULL when there is none */
    struct sb_live *shadow; /* the same */
    struct call_key *key;   /* NULL without an Idempotency-Key */
    int status;             /* of the reply that waits for its events */
    unsigned waits;         /* commits that hold events of this call */
    sb_err commit_err;
    bool refused; /* the server has answered by itself (deadline) */
    bool single;  /* the body was one object, not a list */
    int64_t durable_ns;
    struct sb_str reply;
    const char *reply_type;             /* its content type; NULL = JSON. Set by the dialect */
    struct sb_http_header reply_header; /* one that the dialect adds; name.p NULL = none */
    struct sb_event_request event;
    char request_id[SB_UUID_TEXT], first_event_id[SB_UUID_TEXT];
    struct sb_predict predict;
    struct sb_arena own; /* result of a model that answers from another thread: the request's
                            arena stays the loop's, which may answer a deadline meanwhile */

    const struct dialect *dialect;
    struct sb_batch batch;
    struct sb_str content_type;
    struct sb_parquet_job *parquet; /* NULL: the body is none */
    void *form;                     /* the dialect's own */
    struct computation computation;
    struct sb_errctx ctx;
    struct sb_str field;       /* that the error is about, or empty */
    int64_t row;               /* that the error is about, or -1 */
    size_t event_bytes;        /* of its events */
    struct sb_event_tag *tags; /* of event */
    int64_t wall_ms;
    struct sb_str idempotency_key; /* of the header */
};

/* Events that become durable together, and the calls that wait for them. */
struct commit {
    struct sb_journal_group group;
    struct lane *lane;
    struct wait *first, **last;
    size_t bytes;      /* of its events */
    uint32_t seen;     /* events in it at the last tick */
    int64_t opened_ns; /* of its first tick; 0 = none yet */
    struct sb_task task;
    _Atomic int claim; /* who completes it: see commit.c */
    struct commit *next;
};

/* What one loop owns. */
struct lane {
    struct sb_serving *s;
    struct sb_loop *loop;
    struct sb_route_cache cache;
    struct sb_uuid7_gen ids;
    struct sb_rng spans; /* ids of spans in callers' traces */
    /* scratch of the call being written */
    struct sb_buf reply, input, prediction, probabilities, answer;
    struct commit *open;               /* being filled; NULL when empty */
    struct commit *free;               /* for reuse */
    unsigned in_flight;                /* submitted, not yet completed */
    size_t in_flight_bytes;            /* of the events in them and in `open` */
    unsigned shadows;                  /* at work, or not recorded yet */
    struct sb_spare_list shadows_done; /* computed */
    struct sb_spare_job *shadows_due;  /* taken from there, oldest first */
    struct sb_timer shadow_timer;
    bool shadow_looks; /* the timer runs */
    struct sb_loop_tick tick;
    struct sb_timer refresh; /* lets go of old snapshots while idle */
};

enum { SB_STATUS_CLASSES = 6, SB_ROUTES_MAX = 64 };

struct sb_serving {
    struct sb_serving_opts o;
    struct lane *lanes;
    _Atomic uint64_t seq;
    const struct sb_http_server *http;
    int64_t started_ms;
    struct sb_series *shadow_shed;
    struct sb_spare *spare;                              /* computes shadows */
    struct sb_idempotency *idempotency;                  /* NULL: keys are not looked at */
    struct sb_series *replayed, *conflicts, *mismatched; /* requests with a key */
    struct sb_series *unrouted[SB_OUTCOMES];             /* of predictions that met no model */
    struct {                                             /* by place in sb_serving_routes */
        struct sb_series *by_class[SB_STATUS_CLASSES], *seconds;
    } requests[SB_ROUTES_MAX];
};

/* Numbers events in the order they are written. Any thread. */
static inline uint64_t sb_next_seq(struct sb_serving *s) {
    return __atomic_fetch_add((uint64_t *)&s->seq, 1, __ATOMIC_RELAXED);
}

struct lane *sb_lane_of(struct sb_serving *s, const struct sb_loop *loop);

/* commit.c: numbers and adds an event; c (may be NULL) waits for it. The event's bytes; 0 when the
 * lane has too much in flight or the event is over the limits. answer: stored with it, when not
 * empty. */
size_t sb_lane_record(struct lane *l, struct call *c, struct sb_event *e,
                      const struct sb_event_request *r, struct sb_str answer);
/* For a call whose events must become durable together or not at all: the next ones go into a group
 * of their own, which is not left when it is full (sb_lane_record is 0) ... */
void sb_lane_begin_whole(struct lane *l, struct call *c);
/* ... but can be taken back. */
void sb_lane_withdraw(struct lane *l, struct call *c);
void sb_lane_init(struct lane *l, struct sb_serving *s, struct sb_loop *loop);
void sb_lane_fini(struct lane *l);

/* shadow.c: before the reply, copies what the shadow needs (NULL: shed); after it, starts it. */
struct shadow *sb_shadow_prepare(const struct call *c, struct sb_live *live);
void sb_shadow_run(struct shadow *s);
/* Records some of what is computed; the lane is about to send a group, or has none open. */
void sb_shadow_record_some(struct lane *l);
/* At the end, after the loop: forgets what is not recorded. */
void sb_shadow_drop(struct lane *l);

/* predict.c: the call's last event is durable, or could not be made so. */
void sb_call_committed(struct call *c);

/* predict.c: whether a request id from outside is taken as it is. */
bool sb_request_id_ok(struct sb_str id);

/* health.c: the journal can be written, and no route is without a version; else *why is set. */
bool sb_serving_is_ready(struct sb_serving *s, const struct sb_loop *loop, const char **why);

/* Handlers of other files. */
void sb_serving_health(struct sb_http_req *r);
void sb_serving_ready(struct sb_http_req *r);
void sb_serving_metrics(struct sb_http_req *r);
void sb_serving_openapi(struct sb_http_req *r);
void sb_serving_docs(struct sb_http_req *r);
void sb_serving_models(struct sb_http_req *r);
void sb_serving_predict_default(struct sb_http_req *r);
void sb_serving_predict(struct sb_http_req *r);
void sb_serving_invocations_default(struct sb_http_req *r);
void sb_serving_invocations(struct sb_http_req *r);
void sb_serving_v1_models(struct sb_http_req *r);
void sb_serving_v1_predict(struct sb_http_req *r);
void sb_serving_v2_server(struct sb_http_req *r);
void sb_serving_v2_live(struct sb_http_req *r);
void sb_serving_v2_ready(struct sb_http_req *r);
void sb_serving_v2_index(struct sb_http_req *r);
void sb_serving_v2_models(struct sb_http_req *r);
void sb_serving_v2_model(struct sb_http_req *r);
void sb_serving_v2_infer(struct sb_http_req *r);
void sb_serving_model_ready(struct sb_http_req *r); /* of both versions */

#endif
