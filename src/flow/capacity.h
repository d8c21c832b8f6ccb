/* What predictions cost and how many more there is room for, from serving's metrics as they are
 * every few seconds; the answers become metrics (sibyl_cost_*, sibyl_capacity_*,
 * sibyl_journal_days_until_full).
 *
 * - Cost of a version: CPU time of its model, of its worker processes, and its share, by requests,
 *   of what serving spends on everything else (HTTP, JSON, journal); and bytes of its events.
 * - Busy: the share of the cores' time that serving and its workers use. What is left is headroom;
 *   rows a second divided by busy is what the machine could answer if nothing but the rate changed.
 * - Days: what is left of the journal's budget (the setting, else the disk) by the bytes that are
 *   written, before compression.
 *
 * All are of the last minute or so (each look weighs 10 % less than the next), growth of the
 * journal of the last ten. Pure but for one look at the disk; one thread. */
#ifndef SB_FLOW_CAPACITY_H
#define SB_FLOW_CAPACITY_H

#include "domain/metric/metric.h"
#include "domain/monitor/measure.h"

struct sb_capacity;

/* Borrowed. */
struct sb_capacity_opts {
    struct sb_metrics *metrics; /* where the answers go */
    const char *dir;            /* of topic predictions */
    int64_t retain_bytes;       /* its budget; 0 = the disk */
};
struct sb_capacity *sb_capacity_new(const struct sb_capacity_opts *o);
void sb_capacity_free(struct sb_capacity *c);

/* Serving's metrics at now_ms. */
void sb_capacity_take(struct sb_capacity *c, const struct sb_monitor_samples *s, int64_t now_ms);

#endif
