/* The comparison behind `sibyl audit`: the journal is read, the index asked, and what was answered
 * while that went on waited for. */
#ifndef SB_APP_AUDIT_COUNT_H
#define SB_APP_AUDIT_COUNT_H

#include "app/search_client.h"
#include "domain/audit/tally.h"
#include "domain/event/source.h"

enum { SB_AUDIT_MISSING_MAX = 100 }; /* event ids that are listed */

struct sb_audit_count {
    struct sb_config *config;
    bool journal_only, progress;
    int64_t before_ms; /* events that were taken up before are compared */
    struct sb_tally tally;
    struct sb_event_source source;
    struct sb_search_client search;
    /* results */
    int64_t journalled, indexed, lost;
    struct sb_tally_gap *gap;
    size_t ngaps;
    struct sb_str missing[SB_AUDIT_MISSING_MAX]; /* ids of events that the index lacks */
    size_t nmissing;
};
void sb_audit_count_init(struct sb_audit_count *c, struct sb_config *config);
void sb_audit_count_fini(struct sb_audit_count *c);
SB_MUST_CHECK sb_err sb_audit_count_run(struct sb_audit_count *c, struct sb_errctx *ctx);

/* Whether there is anything to say of the group. */
bool sb_audit_group_counts(const struct sb_tally_group *g);
bool sb_audit_group_equal(const struct sb_audit_count *c, const struct sb_tally_group *g);
bool sb_audit_count_equal(const struct sb_audit_count *c);

#endif
