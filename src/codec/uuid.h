/* UUIDs, RFC 9562: version 4 (random) and 7 (time-ordered), as 36 characters of lower-case text. */
#ifndef SB_CODEC_UUID_H
#define SB_CODEC_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "base/str.h"

enum { SB_UUID_TEXT = 37 }; /* with its NUL */

void sb_uuid4(struct sb_rng *rng, char to[SB_UUID_TEXT]);

/* Source of version 7 ids that only grow: within a millisecond, and while the clock steps back by
 * less than 10 s, the 74 random bits count up (RFC 9562 section 6.2, method 2). Owned by one
 * thread. */
struct sb_uuid7_gen {
    struct sb_rng rng;
    int64_t ms;         /* of the last id */
    uint64_t high, low; /* its 12 and 62 bits behind the time */
};
void sb_uuid7_gen_init(struct sb_uuid7_gen *g);
void sb_uuid7(struct sb_uuid7_gen *g, int64_t wall_ms, char to[SB_UUID_TEXT]);

/* Time that a version 7 id carries; false when s is none. */
bool sb_uuid7_time_ms(struct sb_str s, int64_t *ms);
/* 16 bytes of any UUID in its 36-character form, either case; false when s is anything else. */
bool sb_uuid_parse(struct sb_str s, uint8_t to[16]);

#endif
