/* The Range header of a GET (RFC 9110 section 14.2), one range of bytes. */
#ifndef SB_API_MLFLOW_RANGE_H
#define SB_API_MLFLOW_RANGE_H

#include <stdint.h>

#include "base/str.h"

enum range_kind {
    RANGE_NONE,          /* absent, malformed, another unit, or several: the whole is answered */
    RANGE_SOME,          /* 206 */
    RANGE_UNSATISFIABLE, /* 416 */
};

/* value .p may be NULL. Of a file of size bytes: [*begin, *end), only written for RANGE_SOME, where
 * 0 <= *begin < *end <= size. */
enum range_kind range_parse(struct sb_str value, int64_t size, int64_t *begin, int64_t *end);

#endif
