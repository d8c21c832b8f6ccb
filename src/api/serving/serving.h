/* The serving API on port 8000: predictions in several dialects, health, metrics, OpenAPI.
 *
 * A prediction's reply leaves after its event is durable (DESIGN of the journal: one group per loop
 * iteration). Errors, rejects and timeouts of predictions are events too. */
#ifndef SB_API_SERVING_SERVING_H
#define SB_API_SERVING_SERVING_H

#include "base/err.h"
#include "domain/metric/metric.h"
#include "domain/route/route.h"
#include "engine/http/http.h"
#include "engine/journal/journal.h"
#include "loop/pool.h"

struct sb_serving;
struct sb_parquet;

/* Everything is borrowed and must outlive the struct sb_serving. */
struct sb_serving_opts {
    struct sb_loop *const *loops;
    size_t nloops;
    struct sb_journal *journal; /* topic predictions */
    const char *journal_dir;
    uint64_t seq_first; /* number of the first event of this process: sb_event_seq_first */
    int64_t idempotency_window_ms; /* 0: Idempotency-Key is not looked at */
    struct sb_route_table *routes;
    struct sb_metrics *metrics;
    struct sb_pool *compute;    /* for batches too large for a loop */
    struct sb_parquet *parquet; /* NULL: bodies of Parquet are a 415 */
    const char *default_route;  /* for POST /predict; "" = the only route there is */
    const char *node;           /* name of this process's machine in events */
    const char *durability;     /* "fsync" */
    const char *version;        /* of the program */
    /* JSON object about the watcher's connection to the registry, for /health. May be NULL. */
    void (*describe_registry)(void *arg, struct sb_buf *out);
    void *describe_arg;
};

/* Before the loops run. */
SB_MUST_CHECK sb_err sb_serving_new(struct sb_serving **out, const struct sb_serving_opts *o,
                                    struct sb_errctx *ctx);
/* After the loops have stopped. */
void sb_serving_free(struct sb_serving *s);

/* Tables for sb_http_listen, whose app is the struct sb_serving. */
extern const struct sb_http_route sb_serving_routes[];

/* Hooks for struct sb_http_opts. */
void sb_serving_on_done(void *app, const struct sb_http_req *r, int status, int64_t duration_ns);
void sb_serving_on_refused(void *app, const struct sb_http_req *r, int status);
/* For has_room of the server's options: whether the compute pool would begin more at once. */
bool sb_serving_has_room(void *app);
void sb_serving_error_body(const struct sb_http_req *r, struct sb_buf *out, int status,
                           const char *message);

/* Names of outcomes for sb_live_new, in the order of enum sb_event_status. */
extern const char *const sb_serving_outcomes[SB_OUTCOMES];

/* The HTTP server's own counters, shown in /metrics. Call before it serves; s outlives nothing. */
void sb_serving_set_server(struct sb_serving *s, const struct sb_http_server *http);

#endif
