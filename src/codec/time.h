/* Dates and times as text, UTC, proleptic Gregorian calendar. Stamps are int64_t since 1970: ns, or
 * ms where the name says so. Any thread. */
#ifndef SB_CODEC_TIME_H
#define SB_CODEC_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { SB_TIME_TEXT = 40 }; /* room for any of these; none writes a NUL */

/* "2026-11-24T08:31:55.123Z" (RFC 3339), 24 characters; returns that. Years 0 to 9999: a stamp
 * outside becomes the nearest one inside. */
size_t sb_time_format_ms(char *to, int64_t wall_ms);
/* As MLflow's database and datetime columns: "2026-11-24 08:31:55.123456". */
size_t sb_time_format_us(char *to, int64_t ns);
/* "2026-11-24T08:31:55.123456789Z", the fraction without trailing zeros, none when it is 0. */
size_t sb_time_format_ns(char *to, int64_t ns);

/* RFC 3339 and the common forms of ISO 8601: date, then optionally 'T' or a space and hh:mm,
 * optionally :ss, a fraction (digits behind the ninth are cut), and Z, +hh:mm, +hhmm or +hh (UTC
 * without one). A leap second counts as the next second's start. false when s is anything else or
 * outside int64_t ns (years 1678 to 2262). */
bool sb_time_parse(struct sb_str s, int64_t *ns);

/* Days since 1970-01-01 of a date, and back. month 1..12, day 1..31; years as astronomers count. */
int64_t sb_days_from_date(int64_t year, int month, int day);
void sb_date_from_days(int64_t days, int64_t *year, int *month, int *day);
int sb_days_in_month(int64_t year, int month);

#endif
