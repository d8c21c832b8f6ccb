/* One JSON value as a value of a declared type: the rules of batch.h, without a batch around them.
 * One thread. */
#ifndef SB_DOMAIN_MODEL_ENFORCE_H
#define SB_DOMAIN_MODEL_ENFORCE_H

#include "codec/json.h"
#include "domain/model/columns.h"

/* A scalar or a container as it stood in the text. */
struct sb_cell {
    enum sb_json_type type;
    struct sb_str token; /* its own JSON text */
    struct sb_str text;  /* a string's value, a number's token */
    double number;
};

/* Takes the next value off the reader. */
SB_MUST_CHECK sb_err sb_cell_read(struct sb_json_reader *r, struct sb_cell *out);

enum sb_cast {
    SB_CAST_OK,
    SB_CAST_NULL,   /* null: *to holds NaN or zero, and the cell is missing */
    SB_CAST_UNSAFE, /* the value would change */
    SB_CAST_FAILED, /* the text is no value of that type */
    SB_CAST_NOMEM,  /* over the arena's maximum */
};

/* Stores the cell as type t at `to` (sb_dtype_size(t) bytes). JSON (nested) types keep the token.
 */
SB_MUST_CHECK enum sb_cast sb_cell_cast(const struct sb_cell *c, enum sb_dtype t, void *to,
                                        struct sb_arena *a);

/* numpy's names, as MLflow's messages have them: of the type a JSON cell has by itself, and of a
 * declared type. */
const char *sb_cell_numpy(const struct sb_cell *c);
const char *sb_dtype_numpy(enum sb_dtype t);

/* Checks a value against a nested type spec (array, object, map, any, scalars). Messages follow
 * MLflow's _enforce_array, _enforce_object, _enforce_map. SB_E_INVALID. */
SB_MUST_CHECK sb_err sb_enforce_nested(const struct sb_json *spec, bool required,
                                       const struct sb_json *value, struct sb_errctx *ctx);

#endif
