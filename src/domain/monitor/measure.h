/* From metrics as they are every few seconds to the number of a rule: what a window needs of each
 * matching series is kept in memory, and no more.
 *
 * A track belongs to one source of a rule and is used by one thread. Counters that start over count
 * on; a series that appears while its track runs counts from 0. A window that is longer than the
 * track has run is as long as that. */
#ifndef SB_DOMAIN_MONITOR_MEASURE_H
#define SB_DOMAIN_MONITOR_MEASURE_H

#include "domain/monitor/rule.h"

enum { SB_MONITOR_SERIES_MAX = 12000 /* of one source, buckets counted */ };

/* One line of Prometheus' exposition: a histogram is NAME_bucket{le}, NAME_sum, NAME_count. */
struct sb_monitor_sample {
    struct sb_str metric;
    const struct sb_monitor_pair *labels;
    size_t nlabels;
    double value;
};
struct sb_monitor_samples {
    const struct sb_monitor_sample *sample;
    size_t n;
};

/* What a source, or a rule, amounts to. */
struct sb_monitor_value {
    bool has; /* false: no data */
    double value;
    double count;                         /* observations behind it; infinite where none count */
    const struct sb_monitor_pair *labels; /* of the series it is of, when it is of one */
    size_t nlabels;
};

struct sb_monitor_track;

/* The rule must outlive the track; per: of its second source. */
struct sb_monitor_track *sb_monitor_track_new(const struct sb_monitor_rule *rule, bool per);
void sb_monitor_track_free(struct sb_monitor_track *t);

/* The metrics at now_ms. SB_E_LIMIT: more series match than SB_MONITOR_SERIES_MAX. */
SB_MUST_CHECK sb_err sb_monitor_track_add(struct sb_monitor_track *t,
                                          const struct sb_monitor_samples *s, int64_t now_ms,
                                          struct sb_errctx *ctx);
/* As of the last add. Labels live in the arena. */
void sb_monitor_track_get(struct sb_monitor_track *t, struct sb_arena *a,
                          struct sb_monitor_value *out);

/* The rule's number from those of its sources (per is not looked at without divided_by): the
 * division, and at_least. Dividing by 0 is no data. */
struct sb_monitor_value sb_monitor_combine(const struct sb_monitor_rule *rule,
                                           const struct sb_monitor_value *of,
                                           const struct sb_monitor_value *per);

/* Prometheus' text exposition into samples; all memory is the arena's. Lines that are no samples
 * are left out. SB_E_LIMIT: too much for the arena. */
SB_MUST_CHECK sb_err sb_monitor_exposition(struct sb_str text, struct sb_arena *a,
                                           struct sb_monitor_samples *out, struct sb_errctx *ctx);

#endif
