/* What the live page shows, kept up to date by one thread that follows the journal. */
#ifndef SB_API_UI_FEED_H
#define SB_API_UI_FEED_H

#include "base/buf.h"
#include "base/err.h"

struct sb_feed;

SB_MUST_CHECK sb_err sb_feed_new(struct sb_feed **out, const char *journal_dir,
                                 const char *serving_url, struct sb_errctx *ctx);
void sb_feed_free(struct sb_feed *f);

/* {"now_ms", "seconds": [{"t", "n", "errors", "p50_us", "p95_us", "p99_us"}, ...], "events":
 * [newest first], "serving": /health or null}. Any thread. */
void sb_feed_write(struct sb_feed *f, struct sb_buf *out);

#endif
