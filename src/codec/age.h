#ifndef SB_CODEC_AGE_H
#define SB_CODEC_AGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Spans of time as people write them: "1d2h3m4s", each part at most once and in this order,
 * fractions allowed (as `mlflow gc --older-than` has it); ms. */
bool sb_age_parse(struct sb_str text, int64_t *ms);

#endif
