/* From metrics as they are every few seconds to the documents of topic `metrics`
 * (docs/formats/metrics.md): one per series, with what happened since the last look. Series in
 * which nothing happens are written once a minute. Pure; one thread. */
#ifndef SB_FLOW_POINTS_H
#define SB_FLOW_POINTS_H

#include "domain/metric/metric.h"
#include "domain/monitor/measure.h"

enum { SB_POINTS_SERIES_MAX = 20000 }; /* remembered; further ones are left out */

struct sb_points;
struct sb_points *sb_points_new(void);
void sb_points_free(struct sb_points *p);

/* A document, valid during the call. */
typedef void sb_point_fn(void *arg, struct sb_str json);

/* Takes the samples of a process at now_ms and calls emit for each document. Counters that start
 * over count from 0, and so do series that appear after the first look at a process. */
void sb_points_take(struct sb_points *p, const char *process, const struct sb_monitor_samples *s,
                    int64_t now_ms, sb_point_fn *emit, void *arg);

/* The q-quantile of observations in a histogram's buckets (not cumulative, the last one is open),
 * straight between a bucket's bounds as Prometheus' histogram_quantile; NaN when there is none.
 * bounds has n - 1 members. */
double sb_points_quantile(const double *bounds, const double *buckets, size_t n, double q);

#endif
