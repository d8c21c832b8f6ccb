/* One JSON value as a value of a declared type: the rules of batch.h, without a batch around them.
 * One thread. */
#ifndef SB_DOMAIN_MODEL_ENFORCE_H
#define SB_DOMAIN_MODEL_ENFORCE_H

#include "codec/json.h"
#include "domain/model/columns.h"

/* A scalar or a container as it stood in the request: JSON text, or a value of another form that is
 * told in JSON's terms (text of a CSV field: a string; an element of a binary tensor: a number). */
struct sb_cell {
    enum sb_json_type type;
    struct sb_str token; /* its own JSON text, for the event; empty = the column's value says it */
    struct sb_str text;  /* a string's value, a number's token; empty = `number` is the value */
    double number;
    bool bytes;        /* a string that is bytes themselves, not base64 */
    const char *numpy; /* name of its type where the form declares one, else NULL */
};

/* Takes the next value off the reader. */
SB_MUST_CHECK sb_err sb_cell_read(struct sb_json_reader *r, struct sb_cell *out);
/* A field of a text table for a column of type t: numbers and true/false (any case, as pandas reads
 * them) keep their text as their token, all else is a string. text must outlive the batch; false:
 * over the arena's maximum. */
bool sb_cell_of_text(struct sb_cell *out, struct sb_str text, enum sb_dtype t, struct sb_arena *a);

/* A number as Python's float() takes it, as far as tables and JSON strings have them: spaces
 * around, a sign, nan, inf, infinity in any case, ".5", "1.", leading zeros. */
bool sb_text_to_double(struct sb_str s, double *out);

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
