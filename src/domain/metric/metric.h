/* Metrics in Prometheus' model: counters, gauges, histograms with few, bounded labels.
 *
 * The table below names every metric of the program; docs/METRICS.md is made from it. A series is
 * looked up once (when a version goes live, when a server starts) and then updated without locks
 * from any thread. Each metric holds at most SB_METRIC_SERIES_MAX series; label sets beyond that
 * share one series whose label values are "other", so a client cannot grow the exposition.
 *
 * Text format: Prometheus exposition 0.0.4. */
#ifndef SB_DOMAIN_METRIC_METRIC_H
#define SB_DOMAIN_METRIC_METRIC_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum { SB_METRIC_LABELS_MAX = 4, SB_METRIC_SERIES_MAX = 500 };

enum sb_metric_type { SB_COUNTER, SB_GAUGE, SB_HISTOGRAM };

/* id, name, type, unit scale, label names, help. Counters and gauges hold integers; scale says how
 * many of them make one of the exposed unit (1e9: nanoseconds shown as seconds). */
#define SB_METRIC_TABLE(X)                                                                         \
    X(BUILD_INFO, "sibyl_build_info", SB_GAUGE, 1, ("version"), "Always 1; the version that runs") \
    X(PREDICTIONS, "sibyl_predictions_total", SB_COUNTER, 1,                                       \
      ("model", "version", "role", "status"), "Rows answered, by outcome")                         \
    X(PREDICT_SECONDS, "sibyl_prediction_duration_seconds", SB_HISTOGRAM, 1e9,                     \
      ("model", "version", "role"), "Request received to event durable, per request")              \
    X(COMPUTE_SECONDS, "sibyl_prediction_compute_seconds", SB_HISTOGRAM, 1e9,                      \
      ("model", "version", "role"), "Time in the model itself, per request")                       \
    X(SHADOW_SHED, "sibyl_shadow_shed_rows_total", SB_COUNTER, 1, (),                              \
      "Rows that a shadow left out so as not to slow predictions down")                            \
    X(KEYED, "sibyl_idempotent_requests_total", SB_COUNTER, 1, ("result"),                         \
      "Requests whose Idempotency-Key was met before: replayed, conflict, mismatch")               \
    X(MODEL_LIVE, "sibyl_model_live", SB_GAUGE, 1, ("model", "version", "role", "backend"),        \
      "1 while this version is live on its route")                                                 \
    X(MODEL_MEMORY, "sibyl_model_memory_bytes", SB_GAUGE, 1, ("model", "version"),                 \
      "Memory of a version: image, or its workers")                                                \
    X(MODEL_LOADS, "sibyl_model_loads_total", SB_COUNTER, 1, ("model", "result"),                  \
      "Versions loaded, or that could not be")                                                     \
    X(HTTP_REQUESTS, "sibyl_http_requests_total", SB_COUNTER, 1,                                   \
      ("server", "handler", "method", "status"), "Requests answered; status is 2xx, 4xx, 5xx")     \
    X(HTTP_SECONDS, "sibyl_http_request_duration_seconds", SB_HISTOGRAM, 1e9,                      \
      ("server", "handler"), "Request received to answer handed to the kernel")                    \
    X(HTTP_OPEN, "sibyl_http_connections", SB_GAUGE, 1, ("server"), "Open connections")            \
    X(HTTP_REFUSED, "sibyl_http_refused_total", SB_COUNTER, 1, ("server", "reason"),               \
      "Requests refused before a handler saw them")                                                \
    X(JOURNAL_RECORDS, "sibyl_journal_records_total", SB_COUNTER, 1, ("topic"),                    \
      "Events made durable")                                                                       \
    X(JOURNAL_BYTES, "sibyl_journal_bytes_total", SB_COUNTER, 1, ("topic"),                        \
      "Bytes of events made durable")                                                              \
    X(JOURNAL_SYNCS, "sibyl_journal_syncs_total", SB_COUNTER, 1, ("topic"),                        \
      "fdatasync calls: one per group of events")                                                  \
    X(JOURNAL_SYNC_SECONDS, "sibyl_journal_sync_seconds_total", SB_COUNTER, 1e9, ("topic"),        \
      "Time spent in them")                                                                        \
    X(JOURNAL_DISK, "sibyl_journal_disk_bytes", SB_GAUGE, 1, ("topic"), "Bytes on disk")           \
    X(JOURNAL_NEXT, "sibyl_journal_next_offset", SB_GAUGE, 1, ("topic"),                           \
      "Offset that the next event gets")                                                           \
    X(JOURNAL_QUARANTINED, "sibyl_journal_quarantined_total", SB_COUNTER, 1, ("topic"),            \
      "Damaged ranges set aside")                                                                  \
    X(JOURNAL_WRITABLE, "sibyl_journal_writable", SB_GAUGE, 1, ("topic"),                          \
      "0 while no event can be made durable: no space, or a failed disk")                          \
    X(ALERTS, "sibyl_alerts", SB_GAUGE, 1, ("state"),                                              \
      "Alert rules that are firing, pending, or could not be evaluated (error)")                   \
    X(ALERT_DELIVERIES, "sibyl_alert_deliveries_total", SB_COUNTER, 1, ("destination", "result"),  \
      "Calls that told a destination of alerts: ok, failed")                                       \
    X(EVENT_BYTES, "sibyl_event_bytes_total", SB_COUNTER, 1, ("model", "version", "role"),         \
      "Bytes of a version's events")                                                               \
    X(MODEL_CPU, "sibyl_model_cpu_seconds_total", SB_COUNTER, 1e9, ("model", "version"),           \
      "User and system time of a version's worker processes")                                      \
    X(WORKER_RESTARTS, "sibyl_worker_restarts_total", SB_COUNTER, 1, ("model", "version"),         \
      "Worker processes of a version that ended unasked and were started again")                   \
    X(CORES, "sibyl_cores", SB_GAUGE, 1, (), "Cores that the process may use")                     \
    X(COST_CPU, "sibyl_cost_cpu_seconds_per_1000", SB_GAUGE, 1e9, ("model", "version"),            \
      "CPU time of 1,000 predictions of a version: model, workers, and its share of the rest")     \
    X(COST_BYTES, "sibyl_cost_bytes_per_1000", SB_GAUGE, 1, ("model", "version"),                  \
      "Bytes of events of 1,000 predictions of a version, before compression")                     \
    X(CAPACITY_BUSY, "sibyl_capacity_busy_ratio", SB_GAUGE, 1e6, (),                               \
      "Part of the cores' time that serving and its workers use, over the last minute")            \
    X(CAPACITY_HEADROOM, "sibyl_capacity_headroom_ratio", SB_GAUGE, 1e6, (), "What is left of it") \
    X(CAPACITY_RATE, "sibyl_capacity_rows_per_second", SB_GAUGE, 1e3, (),                          \
      "Rows answered a second, shadows too, over the last minute")                                 \
    X(CAPACITY_LIMIT, "sibyl_capacity_rows_per_second_limit", SB_GAUGE, 1e3, (),                   \
      "How many it would be with all cores busy, at the cost they have now")                       \
    X(JOURNAL_DAYS, "sibyl_journal_days_until_full", SB_GAUGE, 1e3, (),                            \
      "Until predictions fill their part of the disk, as fast as they come now and before "        \
      "compression; at most 36500")                                                                \
    X(HISTORY_DROPPED, "sibyl_history_dropped_total", SB_COUNTER, 1, (),                           \
      "Documents of metrics that could not be written")                                            \
    X(INDEX_DOCS, "sibyl_index_documents", SB_GAUGE, 1, ("index"),                                 \
      "Documents that can be searched")                                                            \
    X(INDEX_LAG, "sibyl_index_lag_events", SB_GAUGE, 1, ("index"),                                 \
      "Events of the topic that cannot be searched yet")                                           \
    X(INDEX_ADDED, "sibyl_index_added_total", SB_COUNTER, 1, ("index"),                            \
      "Documents added, those of rebuilds too")                                                    \
    X(INDEX_DISK, "sibyl_index_disk_bytes", SB_GAUGE, 1, ("index"), "Bytes on disk")               \
    X(INDEX_MEMORY, "sibyl_index_memory_bytes", SB_GAUGE, 1, ("index"),                            \
      "Memory of what is not on disk yet")                                                         \
    X(INDEX_SEGMENTS, "sibyl_index_segments", SB_GAUGE, 1, ("index"), "Files of columns")          \
    X(INDEX_QUARANTINED, "sibyl_index_quarantined_total", SB_COUNTER, 1, ("index"),                \
      "Damaged segments set aside and built again")                                                \
    X(INDEX_FAILED, "sibyl_index_failed", SB_GAUGE, 1, ("index"),                                  \
      "1 while the topic cannot be followed; it is tried again each second")                       \
    X(INDEX_REBUILD, "sibyl_index_rebuild_ratio", SB_GAUGE, 1e6, ("index"),                        \
      "How much of a rebuild is done; 1 while there is none")                                      \
    X(PROCESS_CPU, "process_cpu_seconds_total", SB_COUNTER, 1e9, (), "User and system time")       \
    X(PROCESS_RSS, "process_resident_memory_bytes", SB_GAUGE, 1, (), "Resident memory")            \
    X(PROCESS_FDS, "process_open_fds", SB_GAUGE, 1, (), "Open file descriptors")                   \
    X(PROCESS_START, "process_start_time_seconds", SB_GAUGE, 1e9, (), "Start, since 1970")

enum sb_metric_id {
#define X(id, ...) SB_METRIC_##id,
    SB_METRIC_TABLE(X)
#undef X
        SB_METRIC_COUNT
};

struct sb_metric_desc {
    const char *name;
    enum sb_metric_type type;
    double scale;
    const char *labels[SB_METRIC_LABELS_MAX];
    const char *help;
};
extern const struct sb_metric_desc sb_metric_table[SB_METRIC_COUNT];

/* Upper bounds of histogram buckets in nanoseconds, 50 us to 60 s. */
enum { SB_HISTOGRAM_BUCKETS = 19 };
extern const int64_t sb_histogram_bounds[SB_HISTOGRAM_BUCKETS];

struct sb_metrics; /* all series of a process */
struct sb_series;  /* one of them; lives as long as its struct sb_metrics */

struct sb_metrics *sb_metrics_new(void);
void sb_metrics_free(struct sb_metrics *m);

/* The series with these label values (as many as the metric has labels), made at its first use. */
struct sb_series *sb_metrics_get(struct sb_metrics *m, enum sb_metric_id id,
                                 const struct sb_str *values);

void sb_series_add(struct sb_series *s, int64_t n);      /* counter */
void sb_series_set(struct sb_series *s, int64_t v);      /* gauge, or a counter kept elsewhere */
void sb_series_observe(struct sb_series *s, int64_t ns); /* histogram */
int64_t sb_series_value(const struct sb_series *s);

/* Sets all series of a gauge to 0, before the ones that hold now are set. */
void sb_metrics_clear(struct sb_metrics *m, enum sb_metric_id id);

/* The whole exposition. */
void sb_metrics_write(struct sb_metrics *m, struct sb_buf *out);

/* Refreshes the process_* gauges from /proc/self. */
void sb_metrics_update_process(struct sb_metrics *m);

#endif
