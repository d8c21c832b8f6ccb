#include "codec/time.h"

#include "base/clock.h"

enum { DAYS_PER_ERA = 146097 }; /* 400 years */

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* Years start in March here, so that the leap day is the last of its year; days before month m
 * (0 = March) are (153 m + 2) / 5. */
int64_t sb_days_from_date(int64_t year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400), in_era = y - era * 400;
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t in_year = (153 * m + 2) / 5 + day - 1;
    int64_t days = in_era * 365 + in_era / 4 - in_era / 100 + in_year;
    return era * DAYS_PER_ERA + days - 719468; /* days from 0000-03-01 to 1970-01-01 */
}

void sb_date_from_days(int64_t days, int64_t *year, int *month, int *day) {
    days += 719468;
    int64_t era = floor_div(days, DAYS_PER_ERA), left = days - era * DAYS_PER_ERA;
    int64_t in_era = (left - left / 1460 + left / 36524 - left / 146096) / 365;
    int64_t in_year = left - (365 * in_era + in_era / 4 - in_era / 100);
    int m = (int)((5 * in_year + 2) / 153);
    *day = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = m < 10 ? m + 3 : m - 9;
    *year = in_era + era * 400 + (*month <= 2);
}

int sb_days_in_month(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* ---- writing ---- */

static char *put(char *to, int64_t v, int digits) {
    for (int i = digits - 1; i >= 0; i--, v /= 10) to[i] = (char)('0' + v % 10);
    return to + digits;
}

/* "2026-11-24T08:31:55" */
static char *put_seconds(char *p, int64_t s, char between) {
    int64_t days = floor_div(s, 86400), year, left = s - days * 86400;
    int month, day;
    sb_date_from_days(days, &year, &month, &day);
    p = put(p, year, 4);
    *p++ = '-';
    p = put(p, month, 2);
    *p++ = '-';
    p = put(p, day, 2);
    *p++ = between;
    p = put(p, left / 3600, 2);
    *p++ = ':';
    p = put(p, left / 60 % 60, 2);
    *p++ = ':';
    return put(p, left % 60, 2);
}

size_t sb_time_format_ms(char *to, int64_t ms) {
    const int64_t first = INT64_C(-62167219200000), last = INT64_C(253402300799999);
    if (ms < first) ms = first;
    if (ms > last) ms = last;
    int64_t s = floor_div(ms, 1000);
    char *p = put_seconds(to, s, 'T');
    *p++ = '.';
    p = put(p, ms - s * 1000, 3);
    *p++ = 'Z';
    return (size_t)(p - to);
}

size_t sb_time_format_us(char *to, int64_t ns) {
    int64_t s = floor_div(ns, SB_SEC);
    char *p = put_seconds(to, s, ' ');
    *p++ = '.';
    p = put(p, (ns - s * SB_SEC) / 1000, 6);
    return (size_t)(p - to);
}

size_t sb_time_format_ns(char *to, int64_t ns) {
    int64_t s = floor_div(ns, SB_SEC);
    char *p = put_seconds(to, s, 'T');
    if (ns != s * SB_SEC) {
        *p++ = '.';
        p = put(p, ns - s * SB_SEC, 9);
        while (p[-1] == '0') p--;
    }
    *p++ = 'Z';
    return (size_t)(p - to);
}

/* ---- reading ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Exactly `digits` digits off the front of s. */
static bool take_number(struct sb_str *s, size_t digits, int *out) {
    int v = 0;
    if (s->n < digits) return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(s->p[i])) return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *s = sb_str_sub(*s, digits, s->n);
    *out = v;
    return true;
}

static bool take_char(struct sb_str *s, char c) {
    if (!s->n || s->p[0] != c) return false;
    *s = sb_str_sub(*s, 1, s->n);
    return true;
}

static bool take_fraction(struct sb_str *s, int *ns) {
    int digits = 0, v = 0;
    for (; s->n && is_digit(s->p[0]); digits++) {
        if (digits < 9) v = v * 10 + (s->p[0] - '0');
        *s = sb_str_sub(*s, 1, s->n);
    }
    for (int i = digits; i < 9; i++) v *= 10;
    *ns = v;
    return digits > 0;
}

/* Z, +hh:mm, +hhmm, +hh or nothing; takes all of s. */
static bool take_zone(struct sb_str *s, int *seconds) {
    *seconds = 0;
    if (!s->n || take_char(s, 'Z') || take_char(s, 'z')) return s->n == 0;
    bool neg = s->p[0] == '-';
    int h, m = 0;
    if (!(take_char(s, '+') || take_char(s, '-')) || !take_number(s, 2, &h)) return false;
    if (s->n) {
        (void)take_char(s, ':');
        if (!take_number(s, 2, &m)) return false;
    }
    *seconds = (h * 3600 + m * 60) * (neg ? -1 : 1);
    return s->n == 0 && h < 24 && m < 60;
}

static bool take_date(struct sb_str *s, int64_t *days) {
    int year, month, day;
    if (!take_number(s, 4, &year) || !take_char(s, '-') || !take_number(s, 2, &month) ||
        !take_char(s, '-') || !take_number(s, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > sb_days_in_month(year, month)) return false;
    *days = sb_days_from_date(year, month, day);
    return true;
}

/* hh:mm, then :ss and a fraction or not. */
static bool take_clock(struct sb_str *s, int *seconds, int *ns) {
    int h, m, sec = 0;
    if (!take_number(s, 2, &h) || !take_char(s, ':') || !take_number(s, 2, &m)) return false;
    if (take_char(s, ':')) {
        if (!take_number(s, 2, &sec)) return false;
        if (take_char(s, '.') && !take_fraction(s, ns)) return false;
    }
    *seconds = h * 3600 + m * 60 + sec;
    return h < 24 && m < 60 && (sec < 60 || (sec == 60 && m == 59));
}

bool sb_time_parse(struct sb_str s, int64_t *ns) {
    int64_t days, out;
    int seconds = 0, frac = 0, zone = 0;
    if (!take_date(&s, &days)) return false;
    if (s.n) {
        if (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' ')) return false;
        if (!take_clock(&s, &seconds, &frac) || !take_zone(&s, &zone)) return false;
    }
    int64_t t = days * 86400 + seconds - zone;
    if (t < 0 && frac) { /* towards 0, so that the smallest stamp does not overflow on the way */
        t++;
        frac -= (int)SB_SEC;
    }
    if (__builtin_mul_overflow(t, SB_SEC, &out) || __builtin_add_overflow(out, frac, &out))
        return false;
    *ns = out;
    return true;
}
