/* Dates as Elasticsearch reads and writes them: ISO forms, epoch numbers, patterns of java.time,
 * and date math ("now-1d/d", "2026-11-24||+1M"). Any thread. */
#ifndef SB_API_SEARCH_DATE_H
#define SB_API_SEARCH_DATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/column/zone.h"

/* A zone's distance from UTC: fixed, or by rules. Zeroed = UTC. */
struct es_zone {
    int64_t fixed_ms;
    const struct sb_zone *rules; /* NULL: fixed */
};
/* "+02:00", "Z", "Europe/Berlin"; the rules live in the arena. false: not known. */
bool es_zone_find(struct sb_arena *a, struct sb_str name, struct es_zone *out);

struct es_date {
    int64_t now_ms;
    struct sb_str format; /* alternatives joined by "||"; empty = ISO forms and epoch_millis */
    struct es_zone zone;  /* of texts that name none, and of rounding */
    /* Parts that are missing, and what "/d" rounds away, become their last millisecond instead of
     * their first: the bounds of gt and lte. */
    bool round_up;
};

/* SB_E_SYNTAX with a message that quotes the text; SB_E_LIMIT outside the years 0 to 9999. */
SB_MUST_CHECK sb_err es_date_parse(const struct es_date *o, struct sb_str text, int64_t *ms,
                                   struct sb_errctx *ctx);

/* Whether a format is known: SB_E_UNSUPPORTED with a message that names the part that is not. */
SB_MUST_CHECK sb_err es_date_format_check(struct sb_str format, struct sb_errctx *ctx);
/* By the first of the alternatives; empty = "2026-11-24T08:31:55.123Z". The format is known. */
void es_date_add(struct sb_buf *b, int64_t ms, struct sb_str format, struct es_zone zone);

#endif
