/* Buckets of time: fixed and calendar intervals in a time zone. Times are ms since 1970. */
#ifndef SB_ENGINE_COLUMN_CALENDAR_INT_H
#define SB_ENGINE_COLUMN_CALENDAR_INT_H

#include "engine/column/search.h"
#include "engine/column/zone.h"

struct sb_rounding {
    enum sb_agg_calendar calendar;
    int64_t interval; /* ms; CALENDAR_NONE */
    int64_t offset;   /* ms, shifts all buckets */
    struct sb_zone zone;
};
/* The bucket [*start, *next) that holds ms. */
void sb_rounding_span(const struct sb_rounding *r, int64_t ms, int64_t *start, int64_t *next);

#endif
