/* Buckets of time.
 *
 * Units below a day are cut in the offset that holds at the moment, so that the hour that comes
 * twice in autumn is two buckets; days and longer begin at the first moment that has their local
 * date and time, which in spring may be the end of a gap. */
#include "engine/column/calendar_int.h"

#include "base/cursor.h"
#include "codec/time.h"
#include "sys/file.h"

static const int64_t SECOND = 1000, MINUTE = 60 * 1000, HOUR = 3600 * 1000, DAY = 86400 * 1000;

/* Times beyond this (year 270000) stand for "always". */
#define FAR (INT64_C(1) << 53)

/* ---- POSIX TZ strings, as RFC 8536 section 3.3 has them in a footer ---- */

struct posix_rule {
    char kind; /* M, J or 0 */
    int month, week, day;
    int32_t time_s;
};
struct posix_zone {
    int32_t standard_s, summer_s;
    bool has_summer;
    struct posix_rule begin, end; /* of summer */
};

struct text {
    const char *p, *end;
    bool bad;
};

static bool text_match(struct text *t, char c) {
    if (t->p == t->end || *t->p != c) return false;
    t->p++;
    return true;
}

static int text_number(struct text *t) {
    int v = 0, n = 0;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9' && n++ < 4) v = v * 10 + (*t->p++ - '0');
    if (!n) t->bad = true;
    return v;
}

static void text_name(struct text *t) {
    if (text_match(t, '<')) {
        while (t->p < t->end && *t->p != '>') t->p++;
        if (!text_match(t, '>')) t->bad = true;
        return;
    }
    while (t->p < t->end && ((*t->p | 32) >= 'a' && (*t->p | 32) <= 'z')) t->p++;
}

/* [+-]hh[:mm[:ss]] */
static int32_t text_time(struct text *t) {
    int sign = text_match(t, '-') ? -1 : 1;
    if (sign > 0) text_match(t, '+');
    int32_t s = text_number(t) * 3600;
    if (text_match(t, ':')) s += text_number(t) * 60;
    if (text_match(t, ':')) s += text_number(t);
    return sign * s;
}

static void text_rule(struct text *t, struct posix_rule *r) {
    if (!text_match(t, ',')) t->bad = true;
    r->kind = '0';
    r->time_s = 2 * 3600;
    if (text_match(t, 'M')) {
        r->kind = 'M';
        r->month = text_number(t);
        t->bad |= !text_match(t, '.');
        r->week = text_number(t);
        t->bad |= !text_match(t, '.');
        r->day = text_number(t);
        t->bad |= r->month < 1 || r->month > 12 || r->week < 1 || r->week > 5 || r->day > 6;
    } else {
        if (text_match(t, 'J')) r->kind = 'J';
        r->day = text_number(t);
    }
    if (text_match(t, '/')) r->time_s = text_time(t);
}

static bool posix_parse(struct sb_str rule, struct posix_zone *z) {
    struct text t = {rule.p, rule.p + rule.n, false};
    *z = (struct posix_zone){0};
    text_name(&t);
    z->standard_s = -text_time(&t);
    if (t.p == t.end) return !t.bad;
    z->has_summer = true;
    text_name(&t);
    z->summer_s = t.p < t.end && *t.p != ',' ? -text_time(&t) : z->standard_s + 3600;
    text_rule(&t, &z->begin);
    text_rule(&t, &z->end);
    return !t.bad && t.p == t.end;
}

/* Local second of a rule in a year. */
static int64_t rule_at(const struct posix_rule *r, int64_t year) {
    int64_t day = sb_days_from_date(year, 1, 1);
    if (r->kind == 'M') {
        day = sb_days_from_date(year, r->month, 1);
        int64_t weekday = ((day + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        day += (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
        if (day >= sb_days_from_date(year, r->month, 1) + sb_days_in_month(year, r->month))
            day -= 7;
    } else if (r->kind == 'J') {
        day += r->day - 1 + (r->day >= 60 && sb_days_in_month(year, 2) == 29);
    } else {
        day += r->day;
    }
    return day * 86400 + r->time_s;
}

/* Offset at second s by the rule; changes of the years around give the span. */
static int32_t posix_offset(const struct posix_zone *z, int64_t s, int64_t *from, int64_t *until) {
    int64_t year;
    int month, day;
    if (!z->has_summer) return z->standard_s;
    sb_date_from_days(s / 86400 - (s % 86400 < 0), &year, &month, &day);
    int64_t best = INT64_MIN;
    int32_t offset = z->standard_s;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        int64_t change[2] = {rule_at(&z->begin, y) - z->standard_s,
                             rule_at(&z->end, y) - z->summer_s};
        for (int i = 0; i < 2; i++) {
            if (change[i] <= s && change[i] > best) {
                best = change[i];
                offset = i ? z->standard_s : z->summer_s;
            }
            if (change[i] > s && change[i] < *until) *until = change[i];
        }
    }
    if (best > *from) *from = best;
    return offset;
}

/* ---- zones ---- */

int64_t sb_zone_offset(const struct sb_zone *z, int64_t ms, int64_t *from, int64_t *until) {
    int64_t s = ms / SECOND - (ms % SECOND < 0), lo_s = -FAR, hi_s = FAR;
    int32_t offset = z->fixed_s;
    if (z->n) {
        uint32_t lo = 0, hi = z->n; /* changes at or before s */
        while (lo < hi) {
            uint32_t mid = lo + (hi - lo) / 2;
            if (z->at_s[mid] <= s)
                lo = mid + 1;
            else
                hi = mid;
        }
        offset = z->offset[lo];
        if (lo) lo_s = z->at_s[lo - 1];
        if (lo < z->n) hi_s = z->at_s[lo];
    }
    struct posix_zone posix;
    if (hi_s == FAR && z->rule.n && posix_parse(z->rule, &posix))
        offset = posix_offset(&posix, s, &lo_s, &hi_s);
    *from = lo_s == -FAR ? -FAR : lo_s * SECOND;
    *until = hi_s == FAR ? FAR : hi_s * SECOND;
    return offset * SECOND;
}

/* +hh, +hh:mm, +hhmm */
static bool parse_offset(struct sb_str s, int32_t *out) {
    int d[4] = {0}, n = 0;
    if (s.n < 2 || (s.p[0] != '+' && s.p[0] != '-')) return false;
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == ':' && i == 3 && s.n == 6) continue;
        if (s.p[i] < '0' || s.p[i] > '9' || n == 4) return false;
        d[n++] = s.p[i] - '0';
    }
    if (n == 1) {
        d[1] = d[0];
        d[0] = 0;
    } else if (n == 3) {
        return false;
    }
    int hours = d[0] * 10 + d[1], minutes = d[2] * 10 + d[3];
    if (hours > 18 || minutes > 59) return false;
    *out = (hours * 3600 + minutes * 60) * (s.p[0] == '-' ? -1 : 1);
    return true;
}

static bool name_is_plain(struct sb_str s) {
    if (!s.n || s.n > 64 || s.p[0] == '/' || s.p[0] == '.') return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && !(c && strchr("+-_/", c))) return false;
    }
    return true;
}

struct tzif_head {
    uint32_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
    uint8_t version;
};

static struct tzif_head read_head(struct sb_cursor *c) {
    struct tzif_head h = {0};
    const uint8_t *magic = sb_cursor_take(c, 4);
    if (magic && memcmp(magic, "TZif", 4)) sb_cursor_fail(c, SB_E_CORRUPT);
    h.version = sb_cursor_u8(c);
    sb_cursor_take(c, 15);
    h.isutcnt = sb_cursor_be32(c);
    h.isstdcnt = sb_cursor_be32(c);
    h.leapcnt = sb_cursor_be32(c);
    h.timecnt = sb_cursor_be32(c);
    h.typecnt = sb_cursor_be32(c);
    h.charcnt = sb_cursor_be32(c);
    return h;
}

/* The second block of a version 2+ file: times of 8 bytes, then the footer. */
static bool read_tzif(struct sb_zone *z, struct sb_arena *a, struct sb_str file) {
    struct sb_cursor c = sb_cursor_of(file.p, file.n);
    struct tzif_head h = read_head(&c);
    if (h.version < '2') return false;
    sb_cursor_take(&c, (size_t)h.timecnt * 5 + (size_t)h.typecnt * 6 + h.charcnt +
                           (size_t)h.leapcnt * 8 + h.isstdcnt + h.isutcnt);
    h = read_head(&c);
    const uint8_t *times = sb_cursor_take(&c, (size_t)h.timecnt * 8);
    const uint8_t *types = sb_cursor_take(&c, h.timecnt);
    const uint8_t *infos = sb_cursor_take(&c, (size_t)h.typecnt * 6);
    sb_cursor_take(&c, h.charcnt + (size_t)h.leapcnt * 12 + h.isstdcnt + h.isutcnt);
    if (c.err || !h.typecnt) return false;
    int64_t *at = sb_arena_try_array(a, h.timecnt + 1, sizeof *at);
    int32_t *offset = sb_arena_try_array(a, h.timecnt + 1, sizeof *offset);
    if (!at || !offset) return false;
    struct sb_cursor tc = sb_cursor_of(times, (size_t)h.timecnt * 8);
    for (uint32_t i = 0; i <= h.timecnt; i++) {
        uint32_t type = i ? types[i - 1] : 0;
        if (type >= h.typecnt) return false;
        struct sb_cursor ic = sb_cursor_of(infos + 6 * type, 6);
        offset[i] = (int32_t)sb_cursor_be32(&ic);
        if (i) at[i - 1] = (int64_t)sb_cursor_be64(&tc);
        if (i > 1 && at[i - 1] <= at[i - 2]) return false;
    }
    *z = (struct sb_zone){
        .fixed_s = offset[h.timecnt], .n = h.timecnt, .at_s = at, .offset = offset};
    struct sb_str foot = sb_str_trim(sb_cursor_str(&c, sb_cursor_left(&c)));
    z->rule = sb_arena_dup(a, foot);
    return z->rule.p != NULL;
}

sb_err sb_zone_open(struct sb_zone *out, struct sb_arena *a, struct sb_str name,
                    struct sb_errctx *ctx) {
    struct sb_zone z = {0};
    struct sb_buf file;
    if (!name.n || sb_str_ieq(name, SB_STR("Z")) || sb_str_ieq(name, SB_STR("UTC")) ||
        parse_offset(name, &z.fixed_s)) {
        *out = z;
        return SB_OK;
    }
    bool ok = name_is_plain(name);
    sb_buf_init(&file, 1 << 20);
    if (ok) {
        const char *path = sb_arena_printf(a, "/usr/share/zoneinfo/%.*s", SB_ARG(name));
        ok = sb_file_read_all(path, &file, NULL) == SB_OK && read_tzif(&z, a, sb_buf_view(&file));
    }
    sb_buf_fini(&file);
    if (!ok) return sb_fail(ctx, SB_E_SYNTAX, "unknown time zone [%.*s]", SB_ARG(name));
    *out = z;
    return SB_OK;
}

/* ---- rounding ---- */

static int64_t floor_to(int64_t v, int64_t unit) {
    int64_t q = v / unit;
    return (q - (v % unit < 0)) * unit;
}

/* Local start of the unit (a day or longer) that holds the local time, and of the next one. */
static void calendar_span(enum sb_agg_calendar unit, int64_t local, int64_t *start, int64_t *next) {
    int64_t days = floor_to(local, DAY) / DAY, year, first;
    int month, day, months;
    if (unit == SB_CALENDAR_DAY || unit == SB_CALENDAR_WEEK) {
        int64_t n = unit == SB_CALENDAR_DAY ? 1 : 7;
        first = n == 1 ? days : floor_to(days + 3, 7) - 3; /* 1970-01-01 was a Thursday */
        *start = first * DAY;
        *next = (first + n) * DAY;
        return;
    }
    sb_date_from_days(days, &year, &month, &day);
    months = unit == SB_CALENDAR_MONTH ? 1 : unit == SB_CALENDAR_QUARTER ? 3 : 12;
    month = (month - 1) / months * months + 1;
    *start = sb_days_from_date(year, month, 1) * DAY;
    month += months;
    *next = sb_days_from_date(year + (month > 12), month > 12 ? month - 12 : month, 1) * DAY;
}

/* The first moment whose local time is `local` or, in a gap, later. */
static int64_t to_utc(const struct sb_zone *z, int64_t local) {
    int64_t from, until, t;
    int64_t before = sb_zone_offset(z, local - DAY, &from, &until);
    t = local - before;
    if (sb_zone_offset(z, t, &from, &until) == before) return t;
    int64_t after = sb_zone_offset(z, local + DAY, &from, &until);
    t = local - after;
    if (sb_zone_offset(z, t, &from, &until) == after) return t;
    sb_zone_offset(z, local + DAY, &from, &until);
    return from;
}

void sb_rounding_span(const struct sb_rounding *r, int64_t ms, int64_t *start, int64_t *next) {
    int64_t unit = r->interval, from, until, t = ms - r->offset;
    if (t < -FAR) t = -FAR;
    if (t > FAR) t = FAR;
    if (r->calendar == SB_CALENDAR_MINUTE) unit = MINUTE;
    if (r->calendar == SB_CALENDAR_HOUR) unit = HOUR;
    bool longer = r->calendar > SB_CALENDAR_HOUR;
    int64_t shift = sb_zone_offset(&r->zone, t, &from, &until);
    bool steady = from == -FAR && until == FAR;
    if (longer) {
        calendar_span(r->calendar, t + shift, start, next);
    } else {
        *start = floor_to(t + shift, unit);
        *next = *start + unit;
    }
    if (steady || (!longer && unit < DAY)) {
        *start -= shift;
        *next -= shift;
        if (*start < from) *start = from;
        if (*next > until) *next = until;
    } else {
        *start = to_utc(&r->zone, *start);
        *next = to_utc(&r->zone, *next);
    }
    *start += r->offset;
    *next += r->offset;
}
