/* CSV (RFC 4180) by libcsv, row by row: fields split by commas, quoted by ", rows ended by LF, CR
 * or both. Empty lines are skipped. A quote inside an unquoted field, text behind a closing quote
 * and a quote that is never closed are errors, not guesses. Any thread. */
#ifndef SB_CODEC_CSV_H
#define SB_CODEC_CSV_H

#include "base/arena.h"
#include "base/err.h"

/* One row; fields is valid during the call, the texts live in the arena. An error ends the reading
 * and is what sb_csv_read returns. */
typedef sb_err sb_csv_row_fn(void *arg, const struct sb_str *fields, size_t n);

/* A byte order mark is skipped; anything that is not UTF-8 is refused. SB_E_INVALID with the byte's
 * position, SB_E_LIMIT for more than max_fields in a row or over the arena's maximum. */
SB_MUST_CHECK sb_err sb_csv_read(struct sb_str text, size_t max_fields, struct sb_arena *arena,
                                 sb_csv_row_fn *row, void *arg, struct sb_errctx *ctx);

#endif
