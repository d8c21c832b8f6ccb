/* The part of `platform` that follows the journal: indexes with their indexer, the history of
 * metrics, and what is said of both. */
#ifndef SB_APP_STREAM_H
#define SB_APP_STREAM_H

#include "api/admin/admin.h"
#include "app/config.h"
#include "domain/index/index.h"
#include "domain/metric/metric.h"

struct sb_stream;

/* Config, arena and metrics are borrowed. */
SB_MUST_CHECK sb_err sb_stream_start(struct sb_stream **out, const struct sb_config *c,
                                     struct sb_arena *a, struct sb_metrics *metrics,
                                     struct sb_errctx *ctx);
/* After the loops have stopped, and after all that searches. NULL is fine. */
void sb_stream_stop(struct sb_stream *s);

struct sb_indexes *sb_stream_indexes(struct sb_stream *s);
struct sb_admin *sb_stream_admin(struct sb_stream *s);

#endif
