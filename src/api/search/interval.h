/* Spans of time as aggregations and options say them. */
#ifndef SB_API_SEARCH_INTERVAL_H
#define SB_API_SEARCH_INTERVAL_H

#include "engine/column/search.h"

/* "30s", "1500ms", "-2h", "1d": ms. false for anything else, or what does not fit. */
bool es_span_parse(struct sb_str text, int64_t *ms);
/* "1d", "day", "month", "1q". false for anything else. */
bool es_calendar_parse(struct sb_str text, enum sb_agg_calendar *out);

#endif
