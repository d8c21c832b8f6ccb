#include "api/search/interval.h"

bool es_span_parse(struct sb_str text, int64_t *ms) {
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t from = text.n && (text.p[0] == '-' || text.p[0] == '+'), n = from;
    int64_t v;
    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9') n++;
    if (!sb_str_to_i64(sb_str_sub(text, from, n - from), &v)) return false;
    struct sb_str unit = sb_str_sub(text, n, text.n);
    for (size_t i = 0; i < SB_COUNT(units); i++)
        if (sb_str_is(unit, units[i].unit)) {
            if (text.p[0] == '-') v = -v;
            return !__builtin_mul_overflow(v, units[i].ms, ms);
        }
    return false;
}

bool es_calendar_parse(struct sb_str text, enum sb_agg_calendar *out) {
    static const struct {
        const char *name;
        enum sb_agg_calendar calendar;
    } names[] = {{"1m", SB_CALENDAR_MINUTE},  {"minute", SB_CALENDAR_MINUTE},
                 {"1h", SB_CALENDAR_HOUR},    {"hour", SB_CALENDAR_HOUR},
                 {"1d", SB_CALENDAR_DAY},     {"day", SB_CALENDAR_DAY},
                 {"1w", SB_CALENDAR_WEEK},    {"week", SB_CALENDAR_WEEK},
                 {"1M", SB_CALENDAR_MONTH},   {"month", SB_CALENDAR_MONTH},
                 {"1q", SB_CALENDAR_QUARTER}, {"quarter", SB_CALENDAR_QUARTER},
                 {"1y", SB_CALENDAR_YEAR},    {"year", SB_CALENDAR_YEAR}};
    for (size_t i = 0; i < SB_COUNT(names); i++)
        if (sb_str_is(text, names[i].name)) {
            *out = names[i].calendar;
            return true;
        }
    return false;
}
