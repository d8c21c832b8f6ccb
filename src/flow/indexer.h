/* Keeps the indexes equal to their topics: one thread per index follows the topic through the event
 * source, so that a document is searchable within a second of being durable, fills what is missing
 * (a quarantined segment, a range that was rewritten), drops what the topic no longer keeps, and
 * builds an index anew beside the one that answers.
 *
 * A reader like any other: it has no say in a prediction, runs at a lower priority, and its lag is
 * the only thing that grows when it does not get on. */
#ifndef SB_FLOW_INDEXER_H
#define SB_FLOW_INDEXER_H

#include "base/buf.h"
#include "codec/json.h"
#include "domain/index/index.h"
#include "domain/metric/metric.h"

struct sb_indexer;

struct sb_indexer_opts {
    struct sb_indexes *indexes; /* borrowed, as is the next */
    struct sb_metrics *metrics; /* NULL = none */
};

/* Starts the threads. Topics that are not there yet are waited for. */
SB_MUST_CHECK sb_err sb_indexer_start(struct sb_indexer **out, const struct sb_indexer_opts *o,
                                      struct sb_errctx *ctx);
/* Flushes, stops, joins. A rebuild that runs is given up. NULL is fine. */
void sb_indexer_stop(struct sb_indexer *x);

/* ---- any thread ---- */

/* Asks for a rebuild; one that runs already is that one. SB_E_MISSING: no index of that name. */
SB_MUST_CHECK sb_err sb_indexer_rebuild(struct sb_indexer *x, struct sb_str name,
                                        struct sb_errctx *ctx);
enum sb_indexer_state {
    SB_INDEXER_WAITING,     /* the topic is not there */
    SB_INDEXER_CATCHING_UP, /* more than a moment behind */
    SB_INDEXER_CURRENT,
    SB_INDEXER_FAILED, /* tries again by itself */
};
extern const char *const sb_indexer_state_names[];

struct sb_indexer_status {
    const char *name;
    enum sb_indexer_state state;
    int64_t first, next;       /* of the topic */
    int64_t lag;               /* events not searchable yet, holes too */
    int64_t holes;             /* of them, those before the end */
    int64_t added;             /* documents since the start, rebuilds too */
    double per_second;         /* of late */
    bool rebuilding;           /* also: asked for and about to begin */
    int64_t rebuilt;           /* events looked at, of next - first */
    uint64_t rebuilds;         /* that were completed since the start */
    char error[SB_ERRMSG_MAX]; /* of FAILED, and of the last rebuild when that failed */
    struct sb_column_stats column;
};
size_t sb_indexer_count(const struct sb_indexer *x);
void sb_indexer_status_get(struct sb_indexer *x, size_t i, struct sb_indexer_status *out);

/* "indexes": [{name, state, lag, documents, ...}] as a member of the object being written. */
void sb_indexer_write(struct sb_indexer *x, struct sb_json_writer *w);
/* Sets the metrics of all indexes. */
void sb_indexer_update_metrics(struct sb_indexer *x);

#endif
