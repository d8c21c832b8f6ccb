/* What stands before a predictor in a pipeline, as a flat program over columns: from a request's
 * columns of numbers and text to the rows of a dense matrix of doubles.
 *
 * The program works on a block of rows at a time in two kinds of registers, each a column of the
 * block: numbers (doubles; register r of row i is at work[i * nregs + r]) and cells (a number, a
 * text or Python's None: what an object array holds). Instructions work on ranges of registers, in
 * place, so that one instruction scales all numeric columns. Nothing is allocated while it runs.
 *
 * float32: where all columns that a transformer sees are float32, scikit-learn computes in float32.
 * The operations here run in double and are rounded to float after each, which gives the same bits
 * (double holds more than twice a float's digits and 2).
 *
 * A program is a view of a mapped image, which outlives it; immutable; any thread. */
#ifndef SB_ENGINE_COLUMNPROG_COLUMNPROG_H
#define SB_ENGINE_COLUMNPROG_COLUMNPROG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/image/image.h"

enum {
    SB_COLUMNPROG_COLUMNS_MAX = 1 << 20, /* sources, registers, cells */
    SB_COLUMNPROG_OPS_MAX = 1 << 20,
    SB_COLUMNPROG_BLOCK_MAX = 64, /* rows */

};

/* ---- the request ---- */

enum sb_columnprog_type {
    SB_COLUMNPROG_BOOL, /* uint8_t */
    SB_COLUMNPROG_INT32,
    SB_COLUMNPROG_INT64,
    SB_COLUMNPROG_FLOAT32,
    SB_COLUMNPROG_FLOAT64,
    SB_COLUMNPROG_TEXT,  /* struct sb_str */
    SB_COLUMNPROG_OTHER, /* refused where it is used */
};

/* One column; value i of row r is data[r * stride]. */
struct sb_columnprog_source {
    enum sb_columnprog_type type;
    const void *data;
    size_t stride;       /* in values */
    const uint8_t *null; /* 1 = missing; NULL = none is */
    /* Text: whether the column holds any text. pandas makes missing values NaN in a column that
     * does, and leaves them None in one that does not. */
    bool any_text;
};

/* ---- cells ---- */

enum sb_columnprog_tag { SB_CELL_NUMBER, SB_CELL_TEXT, SB_CELL_NONE, SB_CELL_TAG_COUNT };
struct sb_columnprog_cell {
    enum sb_columnprog_tag tag;
    bool boolean; /* a number that was a bool in an array of bools */
    double d;
    struct sb_str s;
};

/* ---- the program ---- */

/* n registers from dst on, unless said otherwise; NONE is UINT32_MAX. */
enum sb_columnprog_code {
    SB_OP_LOAD,          /* from sources lists[a + i]; flags: SB_LOAD_... */
    SB_OP_CELLS,         /* cells from sources lists[a + i] */
    SB_OP_COPY,          /* from registers lists[a + i] */
    SB_OP_COPY_CELLS,    /* from cells lists[a + i] */
    SB_OP_NUMBERS,       /* from cells lists[a + i]: None is NaN, text is refused */
    SB_OP_TO_CELLS,      /* cells from registers lists[a + i] */
    SB_OP_CHECK,         /* infinity is refused; flags & 1: NaN too */
    SB_OP_STANDARD,      /* (x - numbers[a + i]) / numbers[b + i]; either may be NONE; flags & 1:
                            parameters are rounded to float where x is */
    SB_OP_MINMAX,        /* x * numbers[a + i] + numbers[b + i] */
    SB_OP_MULTIPLY,      /* x * numbers[a + i] */
    SB_OP_CLIP,          /* into numbers[a], numbers[a + 1] */
    SB_OP_FILL,          /* numbers[a + i] where x is numbers[b] (which may be NaN); flags:
                            SB_FILL_NOT_NONE */
    SB_OP_MISSING,       /* 1 where register lists[a + i] is numbers[b], else 0 */
    SB_OP_FILL_CELLS,    /* constants[a + i] where the cell is constants[b]; flags & 1: NaN is
                            refused */
    SB_OP_MISSING_CELLS, /* 1 where cell lists[a + i] is constants[b], else 0 */
    SB_OP_ENCODE, /* encoder a's codes of register b, or by flags of source b (1), cell b (2) */
    SB_OP_COUNT
};

/* LOAD: refuses columns that are all bool; that are all bool or integer; takes infinity. */
enum { SB_LOAD_NO_BOOLS = 1, SB_LOAD_NO_INTEGERS = 2, SB_LOAD_INFINITY = 4 };
/* FILL and MISSING of registers just loaded: null in a column of bools is not missing (pandas has
 * None there, which is not NaN). */
enum { SB_FILL_NOT_NONE = 1 };

struct sb_columnprog_op {
    uint32_t code, flags;
    uint32_t dst, n;
    uint32_t a, b;
    /* the result is float32 when sources lists[f32 ...f32 + nf32) all are (and nf32 > 0) */
    uint32_t f32, nf32;
};

enum sb_columnprog_unknown {
    SB_UNKNOWN_REFUSED,
    SB_UNKNOWN_NOTHING, /* one-hot: no column */
    SB_UNKNOWN_CODE,    /* `code` */
    SB_UNKNOWN_COUNT
};

/* Categories of one column and their codes. One-hot: the code is the column that becomes 1 of the n
 * from dst on, or -1: none does. Else the code is the value. */
struct sb_columnprog_encoder {
    uint32_t onehot;
    uint32_t unknown; /* enum sb_columnprog_unknown */
    uint32_t objects; /* categories are an object array: bits 1, and 2 when the first is not a
                         number; arrays of numbers are refused then, as numpy does */
    uint32_t numbers; /* index of nnumbers sorted categories, their codes follow them */
    uint32_t nnumbers;
    uint32_t slots; /* lists[slots ... slots + nslots): open addressing by hash, a power of
                       two; text index + 1 or 0 */
    uint32_t nslots;
    uint32_t codes; /* numbers[codes + k]: code of text number first_text + k */
    uint32_t first_text, ntexts;
    uint32_t has_nan, has_none;
    uint32_t special;  /* numbers[special ...+3): codes of NaN, of None, of unknown ones */
    uint32_t integers; /* categories are integers: whole numbers beyond 2^53 are unknown */
};

struct sb_columnprog {
    uint32_t nsources, nregs, ncells;
    uint32_t out, nout; /* registers that are the result */
    uint32_t block;     /* rows at once */
    uint32_t nops, nlists, nnumbers, nencoders, nconstants, ntexts;
    uint32_t required; /* index in lists of nsources flags: 1 = the column has to be there */
    bool extra;        /* further columns are ignored */
    const double *numbers;
    const struct sb_columnprog_op *ops;
    const struct sb_columnprog_encoder *encoders;
    const uint32_t *lists;
    const uint32_t *origins;   /* per register: the source it comes from; then per cell */
    const uint32_t *constants; /* per constant: tag, index in numbers or texts */
    const uint32_t *ends;      /* per text: where it ends in bytes */
    struct sb_str bytes;
};

/* Checks every index, length and table before anything is used. SB_E_CORRUPT. An image without a
 * program: nops, nout and nsources are 0. */
SB_MUST_CHECK sb_err sb_columnprog_open(struct sb_columnprog *out, const struct sb_image *img,
                                        struct sb_errctx *ctx);

/* true: the source is used, so the request must have it. */
static inline bool sb_columnprog_needs(const struct sb_columnprog *p, uint32_t source) {
    return p->lists[p->required + source] != 0;
}

/* ---- running ---- */

struct sb_columnprog_run {
    const struct sb_columnprog *p;
    const struct sb_columnprog_source
        *sources;                     /* p->nsources; those not needed are not looked at */
    double *work;                     /* p->block * p->nregs */
    struct sb_columnprog_cell *cells; /* p->block * p->ncells */
    bool any_f32;                     /* some source is float32 */
    /* after SB_E_INVALID: where, and what is wrong there */
    size_t bad_row;
    uint32_t bad_source;
    const char *what;
    struct sb_columnprog_cell value;
};

/* Rows [first, first + n), n at most p->block; the result of row i is the p->nout doubles at
 * work + i * nregs + out. Fails with SB_E_INVALID. */
SB_MUST_CHECK sb_err sb_columnprog_rows(struct sb_columnprog_run *r, size_t first, size_t n);

#endif
