/* A date text is read into parts (year ... millisecond, zone), of which trailing ones may be
 * missing; parts become a stamp by filling the missing ones with their first or last value. Date
 * math then moves the stamp unit by unit, in local time. */
#include "api/search/date.h"

#include <stdio.h>

#include "codec/json.h"
#include "codec/time.h"

enum { DAY_MS = 86400000, HOUR_MS = 3600000, MINUTE_MS = 60000 };
#define MS_MIN (INT64_C(-62167219200000)) /* 0000-01-01 */
#define MS_MAX (INT64_C(253402300799999)) /* 9999-12-31T23:59:59.999 */

enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, MILLI, PARTS };
struct parts {
    int v[PARTS];
    int n; /* how many are given */
    bool has_zone;
    struct es_zone zone;
};

/* ---- reading ---- */

struct reader {
    struct sb_str s;
    size_t at;
};

static char peek(const struct reader *r) {
    return r->at < r->s.n ? r->s.p[r->at] : '\0';
}

static bool accept(struct reader *r, char c) {
    if (r->at >= r->s.n || r->s.p[r->at] != c) return false;
    r->at++;
    return true;
}

/* least to most digits. */
static bool digits(struct reader *r, size_t least, size_t most, int *out) {
    size_t n = 0;
    int v = 0;
    for (; n < most && peek(r) >= '0' && peek(r) <= '9'; n++) v = v * 10 + (r->s.p[r->at++] - '0');
    *out = v;
    return n >= least;
}

/* A fraction of a second; what is behind milliseconds is cut. */
static bool fraction(struct reader *r, int *ms) {
    int n = 0, v = 0;
    for (; n < 9 && peek(r) >= '0' && peek(r) <= '9'; n++, r->at++)
        if (n < 3) v = v * 10 + (r->s.p[r->at] - '0');
    for (int i = n; i < 3; i++) v *= 10;
    *ms = v;
    return n > 0;
}

static bool zone_of(struct reader *r, struct es_zone *z) {
    int h, m = 0;
    *z = (struct es_zone){0};
    if (accept(r, 'Z')) return true;
    bool minus = peek(r) == '-';
    if (!accept(r, '+') && !accept(r, '-')) return false;
    if (!digits(r, 2, 2, &h) || h > 18) return false;
    if (accept(r, ':') || (peek(r) >= '0' && peek(r) <= '9'))
        if (!digits(r, 2, 2, &m) || m > 59) return false;
    int64_t ms = h * (int64_t)HOUR_MS + m * (int64_t)MINUTE_MS;
    z->fixed_ms = minus ? -ms : ms;
    return true;
}

bool es_zone_find(struct sb_arena *a, struct sb_str name, struct es_zone *out) {
    struct sb_zone *rules = sb_arena_zalloc(a, sizeof *rules);
    if (sb_zone_open(rules, a, name, NULL) != SB_OK) return false;
    *out = (struct es_zone){.rules = rules};
    return true;
}

static bool valid(const struct parts *p) {
    static const int least[PARTS] = {0, 1, 1, 0, 0, 0, 0};
    static const int most[PARTS] = {9999, 12, 31, 23, 59, 59, 999};
    for (int i = 0; i < p->n; i++)
        if (p->v[i] < least[i] || p->v[i] > most[i]) return false;
    return p->n <= DAY || p->v[DAY] <= sb_days_in_month(p->v[YEAR], p->v[MONTH]);
}

/* yyyy[-MM[-dd[THH[:mm[:ss[.SSS]]]]]][zone]; a space may stand for the T. */
static bool read_iso(struct sb_str s, struct parts *p) {
    struct reader r = {s, 0};
    static const char before[PARTS] = {0, '-', '-', 'T', ':', ':', '.'};
    p->n = 0;
    if (!digits(&r, 4, 4, &p->v[YEAR])) return false;
    for (p->n = 1; p->n < PARTS; p->n++) {
        bool here = accept(&r, before[p->n]) || (p->n == HOUR && accept(&r, ' ')) ||
                    (p->n == MILLI && accept(&r, ','));
        if (!here) break;
        if (p->n == HOUR && r.at == s.n) break; /* "2026-11-24T" */
        if (p->n == MILLI ? !fraction(&r, &p->v[MILLI]) : !digits(&r, 2, 2, &p->v[p->n]))
            return false;
    }
    if (r.at < s.n) {
        if (p->n <= HOUR || !zone_of(&r, &p->zone)) return false;
        p->has_zone = true;
    }
    return r.at == s.n && valid(p);
}

/* The run of one letter at the start of a pattern. */
static size_t run_of(struct sb_str pattern) {
    size_t n = 1;
    while (n < pattern.n && pattern.p[n] == pattern.p[0]) n++;
    return n;
}

static int part_of(char letter) {
    switch (letter) {
    case 'y':
    case 'u': return YEAR;
    case 'M': return MONTH;
    case 'd': return DAY;
    case 'H': return HOUR;
    case 'm': return MINUTE;
    case 's': return SECOND;
    case 'S': return MILLI;
    default: return -1;
    }
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A quoted text at the start of a pattern ("''" is a quote); its length with the quotes, or 0. */
static size_t quoted(struct sb_str pattern, struct sb_str *text) {
    ptrdiff_t end = sb_str_find(sb_str_sub(pattern, 1, pattern.n), '\'');
    if (end < 0) return 0;
    *text = end == 0 ? sb_str_sub(pattern, 0, 1) : sb_str_sub(pattern, 1, (size_t)end);
    return (size_t)end + 2;
}

static bool read_part(struct reader *r, struct parts *p, char letter, size_t run) {
    int part = part_of(letter);
    if (part < 0) {
        p->has_zone = zone_of(r, &p->zone);
        return p->has_zone;
    }
    if (part >= p->n) p->n = part + 1;
    if (part == MILLI) return fraction(r, &p->v[MILLI]);
    if (part == YEAR) return digits(r, run == 2 ? 2 : 4, run == 2 ? 2 : 4, &p->v[YEAR]);
    return digits(r, run == 1 ? 1 : 2, 2, &p->v[part]);
}

static bool read_pattern(struct sb_str pattern, struct sb_str s, struct parts *p) {
    struct reader r = {s, 0};
    static const int first[PARTS] = {1970, 1, 1, 0, 0, 0, 0};
    memcpy(p->v, first, sizeof first);
    p->n = 0;
    while (pattern.n) {
        size_t used = 1;
        struct sb_str text = sb_str_sub(pattern, 0, 1);
        if (is_letter(pattern.p[0])) {
            used = run_of(pattern);
            if (!read_part(&r, p, pattern.p[0], used)) return false;
            if (pattern.p[0] == 'y' && used == 2) p->v[YEAR] += 2000;
            text.n = 0;
        } else if (pattern.p[0] == '\'') {
            used = quoted(pattern, &text);
        }
        for (size_t i = 0; i < text.n; i++)
            if (!accept(&r, text.p[i])) return false;
        pattern = sb_str_sub(pattern, used, pattern.n);
    }
    return r.at == s.n && valid(p);
}

/* ---- stamps ---- */

static int64_t offset_at(struct es_zone z, int64_t utc_ms) {
    int64_t from, until;
    return z.rules ? sb_zone_offset(z.rules, utc_ms, &from, &until) : z.fixed_ms;
}

static int64_t to_utc(struct es_zone z, int64_t local_ms) {
    int64_t guess = local_ms - offset_at(z, local_ms);
    return local_ms - offset_at(z, guess);
}

static int64_t local_of(const struct parts *p, bool round_up) {
    int v[PARTS] = {1970, 1, 1, 0, 0, 0, 0};
    static const int last[PARTS] = {9999, 12, 31, 23, 59, 59, 999};
    for (int i = 0; i < PARTS; i++) {
        if (i < p->n)
            v[i] = p->v[i];
        else if (round_up)
            v[i] = i == DAY ? sb_days_in_month(v[YEAR], v[MONTH]) : last[i];
    }
    int64_t days = sb_days_from_date(v[YEAR], v[MONTH], v[DAY]);
    return days * DAY_MS + v[HOUR] * (int64_t)HOUR_MS + v[MINUTE] * (int64_t)MINUTE_MS +
           v[SECOND] * (int64_t)1000 + v[MILLI];
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static void parts_of(int64_t local_ms, struct parts *p) {
    int64_t days = floor_div(local_ms, DAY_MS), rest = local_ms - days * DAY_MS, year;
    sb_date_from_days(days, &year, &p->v[MONTH], &p->v[DAY]);
    p->v[YEAR] = (int)year;
    p->v[HOUR] = (int)(rest / HOUR_MS);
    p->v[MINUTE] = (int)(rest / MINUTE_MS % 60);
    p->v[SECOND] = (int)(rest / 1000 % 60);
    p->v[MILLI] = (int)(rest % 1000);
    p->n = PARTS;
}

/* ---- names of formats ---- */

enum form { FORM_ISO, FORM_MILLIS, FORM_SECONDS, FORM_PATTERN };
static const struct named {
    const char *name;
    enum form form;
    const char *pattern; /* how it is written; FORM_ISO: NULL = with milliseconds and zone */
} named[] = {
    {"strict_date_optional_time", FORM_ISO, NULL},
    {"date_optional_time", FORM_ISO, NULL},
    {"strict_date_optional_time_nanos", FORM_ISO, NULL},
    {"iso8601", FORM_ISO, NULL},
    {"strict_date_time", FORM_ISO, NULL},
    {"date_time", FORM_ISO, NULL},
    {"epoch_millis", FORM_MILLIS, NULL},
    {"epoch_second", FORM_SECONDS, NULL},
    {"strict_date", FORM_PATTERN, "yyyy-MM-dd"},
    {"date", FORM_PATTERN, "yyyy-MM-dd"},
    {"strict_year_month_day", FORM_PATTERN, "yyyy-MM-dd"},
    {"year_month_day", FORM_PATTERN, "yyyy-MM-dd"},
    {"strict_year_month", FORM_PATTERN, "yyyy-MM"},
    {"year_month", FORM_PATTERN, "yyyy-MM"},
    {"strict_year", FORM_PATTERN, "yyyy"},
    {"year", FORM_PATTERN, "yyyy"},
    {"strict_hour_minute", FORM_PATTERN, "HH:mm"},
    {"hour_minute", FORM_PATTERN, "HH:mm"},
    {"strict_hour_minute_second", FORM_PATTERN, "HH:mm:ss"},
    {"hour_minute_second", FORM_PATTERN, "HH:mm:ss"},
    {"strict_date_time_no_millis", FORM_PATTERN, "yyyy-MM-dd'T'HH:mm:ssXXX"},
    {"date_time_no_millis", FORM_PATTERN, "yyyy-MM-dd'T'HH:mm:ssXXX"},
    {"strict_date_hour_minute_second", FORM_PATTERN, "yyyy-MM-dd'T'HH:mm:ss"},
    {"date_hour_minute_second", FORM_PATTERN, "yyyy-MM-dd'T'HH:mm:ss"},
    {"basic_date", FORM_PATTERN, "yyyyMMdd"},
};

static struct named form_of(struct sb_str format, struct sb_str *pattern) {
    *pattern = format;
    for (size_t i = 0; i < SB_COUNT(named); i++)
        if (sb_str_is(format, named[i].name)) {
            if (named[i].pattern) *pattern = sb_str_of(named[i].pattern);
            return named[i];
        }
    return (struct named){.form = FORM_PATTERN};
}

/* Takes one alternative off the front. */
static bool next_format(struct sb_str *rest, struct sb_str *one) {
    if (!rest->p) return false;
    *one = *rest;
    for (size_t i = 0; i + 1 < rest->n; i++)
        if (rest->p[i] == '|' && rest->p[i + 1] == '|') {
            *one = sb_str_sub(*rest, 0, i);
            *rest = sb_str_sub(*rest, i + 2, rest->n);
            return true;
        }
    rest->p = NULL;
    return true;
}

static bool check_pattern(struct sb_str pattern) {
    struct sb_str text;
    if (!pattern.n) return false;
    while (pattern.n) {
        size_t used = 1;
        char c = pattern.p[0];
        if (is_letter(c)) {
            used = run_of(pattern);
            size_t most = part_of(c) == YEAR ? 4 : part_of(c) == MILLI ? 9 : 2;
            bool zone = c == 'X' || c == 'x' || c == 'Z';
            if (zone ? used > 5 : part_of(c) < 0 || used > most) return false;
            if (part_of(c) == YEAR && used != 2 && used != 4) return false;
        } else if (c == '\'') {
            used = quoted(pattern, &text);
            if (!used) return false;
        }
        pattern = sb_str_sub(pattern, used, pattern.n);
    }
    return true;
}

sb_err es_date_format_check(struct sb_str format, struct sb_errctx *ctx) {
    struct sb_str one, pattern;
    if (!format.n) return SB_OK;
    while (next_format(&format, &one))
        if (form_of(one, &pattern).form == FORM_PATTERN && !check_pattern(pattern))
            return sb_fail(ctx, SB_E_UNSUPPORTED, "date format [%.*s] is not supported",
                           one.n < 100 ? (int)one.n : 100, one.n ? one.p : "");
    return SB_OK;
}

/* ---- a text without math ---- */

static bool read_epoch(struct sb_str s, int64_t unit_ms, int64_t *ms) {
    int64_t v;
    double d;
    if (sb_str_to_i64(s, &v)) return !__builtin_mul_overflow(v, unit_ms, ms);
    if (!sb_double_parse(s, &d)) return false; /* "1700000000123.5" */
    d *= (double)unit_ms;
    if (!(d > -9e15 && d < 9e15)) return false;
    *ms = (int64_t)d;
    return true;
}

static bool read_as(const struct es_date *o, struct sb_str format, struct sb_str s, int64_t *ms) {
    struct parts p = {0};
    struct sb_str pattern;
    struct named form = form_of(format, &pattern);
    if (form.form == FORM_MILLIS) return read_epoch(s, 1, ms);
    if (form.form == FORM_SECONDS) return read_epoch(s, 1000, ms);
    if (form.form == FORM_ISO ? !read_iso(s, &p) : !read_pattern(pattern, s, &p)) return false;
    *ms = to_utc(p.has_zone ? p.zone : o->zone, local_of(&p, o->round_up));
    return true;
}

static sb_err read_date(const struct es_date *o, struct sb_str s, int64_t *ms,
                        struct sb_errctx *ctx) {
    static const char usual[] = "strict_date_optional_time||epoch_millis";
    struct sb_str rest = o->format.n ? o->format : sb_str_of(usual), one;
    while (next_format(&rest, &one)) {
        if (!read_as(o, one, s, ms)) continue;
        if (*ms >= MS_MIN && *ms <= MS_MAX) return SB_OK;
        return sb_fail(ctx, SB_E_LIMIT, "date [%.*s] is outside the years 0 to 9999",
                       s.n < 60 ? (int)s.n : 60, s.p);
    }
    return sb_fail(ctx, SB_E_SYNTAX, "failed to parse date field [%.*s] with format [%.*s]",
                   s.n < 60 ? (int)s.n : 60, s.n ? s.p : "",
                   o->format.n < 80 ? (int)o->format.n : 80, o->format.n ? o->format.p : usual);
}

/* ---- math ---- */

/* Local time moved by n units; false when it leaves the calendar. */
static bool add_units(int64_t *local, int64_t n, char unit) {
    int64_t each = unit == 'w'   ? 7 * (int64_t)DAY_MS
                   : unit == 'd' ? DAY_MS
                   : unit == 'm' ? MINUTE_MS
                   : unit == 's' ? 1000
                                 : HOUR_MS;
    if (unit != 'y' && unit != 'M') {
        int64_t by;
        return !__builtin_mul_overflow(n, each, &by) && !__builtin_add_overflow(*local, by, local);
    }
    struct parts p;
    if (n > 120000 || n < -120000) return false;
    parts_of(*local, &p);
    int64_t months = p.v[YEAR] * (int64_t)12 + p.v[MONTH] - 1 + n * (unit == 'y' ? 12 : 1);
    if (months < 0 || months >= 120000) return false;
    p.v[YEAR] = (int)(months / 12);
    p.v[MONTH] = (int)(months % 12) + 1;
    int most = sb_days_in_month(p.v[YEAR], p.v[MONTH]);
    if (p.v[DAY] > most) p.v[DAY] = most;
    *local = local_of(&p, false);
    return true;
}

/* Down to the start of the unit, or up to its last millisecond. */
static bool round_to(int64_t *local, char unit, bool up) {
    static const char units[] = "yMdHms";
    struct parts p;
    if (unit == 'w') {
        int64_t days = floor_div(*local, DAY_MS);
        days -= ((days + 3) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        *local = days * DAY_MS + (up ? 7 * (int64_t)DAY_MS - 1 : 0);
        return true;
    }
    parts_of(*local, &p);
    if (unit == 'h') unit = 'H';
    p.n = (int)(strchr(units, unit) - units) + 1;
    *local = local_of(&p, up);
    return true;
}

static sb_err math_failed(struct sb_str text, struct sb_errctx *ctx) {
    return sb_fail(ctx, SB_E_SYNTAX, "date math [%.*s] is not understood, or leaves the calendar",
                   text.n < 100 ? (int)text.n : 100, text.p);
}

static sb_err do_math(const struct es_date *o, struct sb_str math, int64_t *ms,
                      struct sb_errctx *ctx) {
    struct reader r = {math, 0};
    int64_t local = *ms + offset_at(o->zone, *ms);
    while (r.at < math.n) {
        char op = math.p[r.at++];
        int n = 1;
        if (op != '+' && op != '-' && op != '/') return math_failed(math, ctx);
        bool counted = peek(&r) >= '0' && peek(&r) <= '9';
        if (counted && (op == '/' || !digits(&r, 1, 9, &n))) return math_failed(math, ctx);
        char unit = peek(&r);
        if (!unit || !strchr("yMwdhHms", unit)) return math_failed(math, ctx);
        r.at++;
        bool ok = op == '/' ? round_to(&local, unit, o->round_up)
                            : add_units(&local, op == '-' ? -(int64_t)n : n, unit);
        if (!ok || local < MS_MIN || local > MS_MAX) return math_failed(math, ctx);
    }
    *ms = to_utc(o->zone, local);
    return SB_OK;
}

sb_err es_date_parse(const struct es_date *o, struct sb_str text, int64_t *ms,
                     struct sb_errctx *ctx) {
    struct sb_str date = text, math = {0};
    int64_t at = o->now_ms;
    if (sb_str_starts(text, SB_STR("now"))) {
        math = sb_str_sub(text, 3, text.n);
    } else {
        for (size_t i = 0; i + 1 < text.n && !math.p; i++)
            if (text.p[i] == '|' && text.p[i + 1] == '|') {
                date = sb_str_sub(text, 0, i);
                math = sb_str_sub(text, i + 2, text.n);
            }
        struct es_date base = *o; /* what math moves is a moment */
        if (math.n) base.round_up = false;
        SB_TRY(read_date(&base, date, &at, ctx));
    }
    SB_TRY(do_math(o, math, &at, ctx));
    *ms = at;
    return SB_OK;
}

/* ---- writing ---- */

static void add_zone(struct sb_buf *b, int64_t offset_ms, const char *between) {
    if (offset_ms == 0) {
        sb_buf_addc(b, 'Z');
        return;
    }
    int64_t minutes = (offset_ms < 0 ? -offset_ms : offset_ms) / MINUTE_MS;
    sb_buf_addf(b, "%c%02d%s%02d", offset_ms < 0 ? '-' : '+', (int)(minutes / 60), between,
                (int)(minutes % 60));
}

static void add_part(struct sb_buf *b, const struct parts *p, char letter, size_t run,
                     int64_t offset_ms) {
    int part = part_of(letter);
    if (part < 0) {
        add_zone(b, offset_ms, run == 3 || run == 5 ? ":" : "");
    } else if (part == MILLI) {
        char text[16];
        sb_buf_addf(b, "%.*s", (int)(run < 9 ? run : 9),
                    (snprintf(text, sizeof text, "%03d000000", p->v[MILLI]), text));
    } else {
        int v = part == YEAR && run == 2 ? p->v[YEAR] % 100 : p->v[part];
        sb_buf_addf(b, "%0*d", (int)run, v);
    }
}

static void add_pattern(struct sb_buf *b, const struct parts *p, struct sb_str pattern,
                        int64_t offset_ms) {
    while (pattern.n) {
        size_t used = 1;
        struct sb_str text = sb_str_sub(pattern, 0, 1);
        if (is_letter(pattern.p[0])) {
            used = run_of(pattern);
            add_part(b, p, pattern.p[0], used, offset_ms);
            text.n = 0;
        } else if (pattern.p[0] == '\'') {
            used = quoted(pattern, &text);
        }
        sb_buf_adds(b, text);
        pattern = sb_str_sub(pattern, used, pattern.n);
    }
}

void es_date_add(struct sb_buf *b, int64_t ms, struct sb_str format, struct es_zone zone) {
    struct sb_str one = {0}, pattern = {0};
    struct named form = {.form = FORM_ISO};
    if (format.n && next_format(&format, &one)) form = form_of(one, &pattern);
    if (form.form == FORM_MILLIS) {
        sb_buf_addi(b, ms);
        return;
    }
    if (form.form == FORM_SECONDS) {
        sb_buf_addi(b, floor_div(ms, 1000));
        return;
    }
    if (ms < MS_MIN || ms > MS_MAX) ms = ms < MS_MIN ? MS_MIN : MS_MAX;
    struct parts p;
    int64_t offset = offset_at(zone, ms);
    parts_of(ms + offset, &p);
    if (form.form == FORM_PATTERN)
        add_pattern(b, &p, pattern, offset);
    else
        add_pattern(b, &p, SB_STR("yyyy-MM-dd'T'HH:mm:ss.SSSXXX"), offset);
}
