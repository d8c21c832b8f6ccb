/* Numpy's .npy files (format 1.0 to 3.0): a header that is a Python literal, then the data. The
 * literal is parsed, never evaluated; object arrays (pickled) are refused. */
#ifndef SB_ENGINE_PICKLE_NPY_H
#define SB_ENGINE_PICKLE_NPY_H

#include "engine/pickle/value.h"

enum { SB_NPY_HEADER_MAX = 64 << 10 };

/* An ARRAY value whose data is a view of file. Errors: SB_E_CORRUPT, SB_E_UNSUPPORTED, SB_E_LIMIT.
 */
SB_MUST_CHECK sb_err sb_npy_read(struct sb_pv **out, struct sb_str file, struct sb_arena *arena,
                                 struct sb_errctx *ctx);

/* A Python literal of strings, whole numbers, True, False, None, tuples, lists and dicts. */
SB_MUST_CHECK sb_err sb_py_literal(struct sb_pv **out, struct sb_str text, struct sb_arena *arena,
                                   struct sb_errctx *ctx);

#endif
