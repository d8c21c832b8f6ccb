/* Zip archives in memory (skops, npz), read through libzip and never extracted to a disk.
 *
 * Refused when opened: more than SB_ZIP_ENTRIES_MAX entries, two of the same name, names that are
 * absolute or hold "..", encryption, methods other than stored and deflate, and sizes that no
 * honest archive of this length has (SB_ZIP_RATIO_MAX to 1). Not thread-safe per archive. */
#ifndef SB_ENGINE_ZIP_ZIP_H
#define SB_ENGINE_ZIP_ZIP_H

#include "base/arena.h"
#include "base/err.h"

enum {
    SB_ZIP_ENTRIES_MAX = 100000,
    SB_ZIP_RATIO_MAX = 200,       /* all entries together against the archive */
    SB_ZIP_RATIO_FLOOR = 1 << 20, /* bytes that every archive may come to */
};

struct sb_zip;

/* bytes stay the caller's and outlive the archive. Errors: SB_E_CORRUPT, SB_E_UNSUPPORTED,
 * SB_E_LIMIT. */
SB_MUST_CHECK sb_err sb_zip_open(struct sb_zip **out, struct sb_str bytes, struct sb_errctx *ctx);
void sb_zip_close(struct sb_zip *z); /* NULL is fine */

/* A whole entry into the arena, CRC checked. Reading an entry again gives the same bytes. Errors
 * also: SB_E_MISSING. */
SB_MUST_CHECK sb_err sb_zip_read(struct sb_zip *z, struct sb_str name, struct sb_arena *arena,
                                 struct sb_str *out, struct sb_errctx *ctx);

#endif
