/* The history of metrics: every few seconds the metrics of serving and of this process become
 * documents of topic `metrics` (flow/points.h), which is searched like any other. What they say of
 * cost and capacity becomes metrics too (flow/capacity.h).
 *
 * One thread, at a lower priority. What cannot be written (no space) is left out and counted; a
 * disk that failed is tried again once a minute. */
#ifndef SB_FLOW_HISTORY_H
#define SB_FLOW_HISTORY_H

#include "base/err.h"
#include "domain/metric/metric.h"

struct sb_history;

/* Strings are copied, the rest is borrowed. */
struct sb_history_opts {
    const char *dir;         /* of topic metrics; this process is its only writer */
    const char *serving_url; /* asked for /metrics */
    int64_t retain_bytes, retain_ms;
    struct sb_metrics *metrics; /* of this process */
    /* Sets those gauges of metrics that are looked up when they are shown. Any thread. */
    void (*update)(void *arg);
    void *update_arg;
    int64_t every_ns; /* 0 = 5 s */
    /* of topic predictions, for what is left of its disk */
    const char *predictions_dir;
    int64_t predictions_retain_bytes; /* 0 = the disk is the limit */
};

SB_MUST_CHECK sb_err sb_history_start(struct sb_history **out, const struct sb_history_opts *o,
                                      struct sb_errctx *ctx);
/* NULL is fine. */
void sb_history_stop(struct sb_history *h);

#endif
