/* Time zones by offset or name, for buckets of time and for dates in requests. */
#ifndef SB_ENGINE_COLUMN_ZONE_H
#define SB_ENGINE_COLUMN_ZONE_H

#include "base/arena.h"
#include "base/err.h"

/* A time zone: a fixed offset, or what the system's TZif file (RFC 8536) says. Lives in an arena.
 */
struct sb_zone {
    int32_t fixed_s;
    uint32_t n;            /* changes; 0: fixed_s always */
    const int64_t *at_s;   /* when, ascending */
    const int32_t *offset; /* n + 1: before the first, then from each on */
    struct sb_str rule;    /* POSIX TZ string for what comes after the last change; may be empty */
};
/* "", "Z", "UTC", "+02:00", "-0330", or an IANA name ("Europe/Berlin"). SB_E_SYNTAX: none of these.
 */
SB_MUST_CHECK sb_err sb_zone_open(struct sb_zone *out, struct sb_arena *a, struct sb_str name,
                                  struct sb_errctx *ctx);
/* Offset from UTC in ms at a time, and the span [*from, *until) in which it holds. */
int64_t sb_zone_offset(const struct sb_zone *z, int64_t ms, int64_t *from, int64_t *until);

#endif
