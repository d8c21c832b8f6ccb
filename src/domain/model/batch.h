/* From a request's JSON into columns: MLflow's cast and enforcement of signatures, applied cell by
 * cell while the text is read, so that no document tree is built.
 *
 *     struct sb_batch_builder b;
 *     SB_TRY(sb_batch_begin(&b, &(struct sb_batch_opts){.signature = s, .arena = a, .ctx = ctx}));
 *     for each row, for each member: SB_TRY(sb_batch_set_cell(&b, sb_batch_column(&b, key), row,
 * r)) SB_TRY(sb_batch_finish(&b, nrows, &batch));
 *
 * With a signature its inputs are the columns, in its order, whatever order the request has; names
 * it does not know are skipped. Without one, columns are made as they are met: a number makes a
 * double column, a string a string column, true and false a boolean one, arrays and objects keep
 * their JSON. Cells may come row by row or column by column, but the rows of one column only
 * forwards.
 *
 * What a cell may be, by the declared type (facts: mlflow/utils/proto_json_utils.py casts with
 * astype first, mlflow/models/utils.py then enforces; where astype would silently change the value
 * (1.7 to long, null to boolean, wrap-around) the cell is refused with enforcement's own message):
 *   boolean   true, false, 0, 1
 *   integer, long   numbers without a fraction in range, true/false, digits in a string
 *   float, double   numbers, true/false, a number in a string (also nan, inf); null is NaN
 *   string    strings; numbers and booleans as their own text; null is missing
 *   datetime  ISO 8601 strings (a zone is converted to UTC), integers as ns since 1970; null,
 *             "" and NaT are missing
 *   binary    base64
 *   array, object, map, any   JSON checked against the declared type
 *   tensors   nested arrays of exactly the declared shape
 *
 * Memory: only the arena. Strings without escapes are views of the request's text, which must
 * outlive the batch. One thread. */
#ifndef SB_DOMAIN_MODEL_BATCH_H
#define SB_DOMAIN_MODEL_BATCH_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/model/columns.h"
#include "domain/model/signature.h"

struct sb_json_reader;

struct sb_batch_opts {
    const struct sb_signature *signature; /* NULL or without inputs: columns are inferred */
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    size_t rows_hint;   /* 0 = 1 */
    size_t max_rows;    /* 0 = SB_LIMIT_PREDICT_ROWS */
    bool tokens;        /* keep each cell's own text in sb_column.tokens, for the event */
    bool rows_complete; /* a required input must be in every row, not just in one (as frames do,
                           where the others become NaN) */
    bool positions;     /* named inputs may come by position too, in the signature's order */
};

enum {
    SB_BATCH_SKIP = -1,       /* sb_batch_column: not an input; set_cell reads past the value */
    SB_BATCH_EXTRA_NAMES = 4, /* kept for the message about missing inputs */
};

struct sb_batch_builder {
    struct sb_batch_opts opts;
    struct sb_column *cols;
    struct sb_batch_fill *fill; /* per column: rows set so far and the like */
    size_t ncols, cap_cols;
    size_t cap_rows;
    size_t next;     /* column expected next */
    bool infer;      /* no signature: columns are made as met */
    bool by_element; /* an unnamed tensor of one inner dim, filled value by value from a frame */
    bool overflow;   /* more columns than may be */
    struct sb_str *names; /* in order of meeting, when the signature has none */
    uint32_t *slots;      /* their index */
    size_t nnames, cap_slots;
    struct sb_str extra[SB_BATCH_EXTRA_NAMES];
    size_t nextra;
    /* after an error: which field, and which row (-1: the whole request) */
    struct sb_str bad_column;
    int64_t bad_row;
};

SB_MUST_CHECK sb_err sb_batch_begin(struct sb_batch_builder *b, const struct sb_batch_opts *opts);

/* The column of a name; SB_BATCH_SKIP when it is not an input. The order of the previous row is
 * tried first. Over SB_LIMIT_PREDICT_FEATURES inferred ones: SB_BATCH_SKIP, and finish fails. The
 * name must outlive the batch when columns are inferred. */
ptrdiff_t sb_batch_column(struct sb_batch_builder *b, struct sb_str name);
/* The column of a value that has only a position in its row (a frame without column names); named
 * inputs have no positions (MLflow names such columns 0, 1, ...), except a single one and with
 * opts.positions. Whole rows
 * of an unnamed tensor (nested arrays) go to column 0 itself. */
ptrdiff_t sb_batch_column_at(struct sb_batch_builder *b, size_t position);

/* Reads the next value into a cell. Errors: SB_E_INVALID (with bad_column, bad_row, and the
 * position in ctx), SB_E_LIMIT, SB_E_SYNTAX. */
SB_MUST_CHECK sb_err sb_batch_set_cell(struct sb_batch_builder *b, ptrdiff_t column, size_t row,
                                       struct sb_json_reader *r);

/* The same for a value that is no JSON text: a field of a table, an element of a tensor. A column
 * of width w takes w calls a row, with at = 0 .. w - 1 in order, any other one with at = 0. What c
 * points to must outlive the batch. SB_E_INVALID, SB_E_LIMIT. */
struct sb_cell;
SB_MUST_CHECK sb_err sb_batch_set_value(struct sb_batch_builder *b, ptrdiff_t column, size_t row,
                                        size_t at, const struct sb_cell *c);
/* Type of that column as far as known; SB_DTYPE_STRING of one that is to be inferred. */
enum sb_dtype sb_batch_column_type(const struct sb_batch_builder *b, ptrdiff_t column);

/* nrows: rows the request has (also those without any cell). Checks required inputs and fills what
 * is missing: NaN, or null where the type has no NaN. */
SB_MUST_CHECK sb_err sb_batch_finish(struct sb_batch_builder *b, size_t nrows,
                                     struct sb_batch *out);

#endif
