/* Rows of a request, column by column: what dialects decode into and models predict from. */
#ifndef SB_DOMAIN_MODEL_COLUMNS_H
#define SB_DOMAIN_MODEL_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* Names as in MLflow signatures: boolean integer long float double string binary datetime, any. */
enum sb_dtype {
    SB_DTYPE_BOOL,     /* uint8_t 0 or 1 */
    SB_DTYPE_INT32,    /* "integer" */
    SB_DTYPE_INT64,    /* "long" */
    SB_DTYPE_FLOAT32,  /* "float" */
    SB_DTYPE_FLOAT64,  /* "double" */
    SB_DTYPE_STRING,   /* struct sb_str, UTF-8 */
    SB_DTYPE_BINARY,   /* struct sb_str, bytes (base64 in JSON) */
    SB_DTYPE_DATETIME, /* int64_t, ns since 1970 UTC */
    SB_DTYPE_JSON,     /* struct sb_str: a JSON value's own text (array, object, map, any) */
    SB_DTYPE_COUNT
};

/* One feature or output. data holds nrows * width values of the type's C type, row-major. */
struct sb_column {
    struct sb_str name;
    enum sb_dtype type;
    size_t width; /* values per row; 1 unless a tensor's inner dimensions say otherwise */
    union {
        void *data;
        uint8_t *b;
        int32_t *i32;
        int64_t *i64;
        float *f32;
        double *f64;
        struct sb_str *s;
    };
    uint8_t *null;         /* nrows bytes, 1 = null/missing (a float's value is NaN then too); NULL
                              = none is */
    bool absent;           /* an optional input that the request does not have: all null */
    struct sb_str *tokens; /* nrows: each cell as the request wrote it (JSON text), for the event; a
                              cell without one has .p NULL; NULL = not kept */
};

struct sb_batch {
    size_t nrows, ncols;
    struct sb_column *cols;
    bool tensor; /* the caller's signature is a tensor: hand over as an array, not a frame */
    struct sb_str params; /* MLflow "params" as JSON text, or empty */
};

/* What a model answered. All memory is the arena's of the struct sb_predict it belongs to. */
struct sb_result {
    size_t nrows;
    size_t noutputs;
    struct sb_column *outputs; /* predictions by output name */
    size_t nclasses;           /* 0 = the model has no class probabilities */
    struct sb_str *classes;    /* nclasses labels as text */
    double *proba;             /* nrows * nclasses, row-major */
};

size_t sb_dtype_size(enum sb_dtype t);
const char *sb_dtype_name(enum sb_dtype t);
/* false when the name is none of MLflow's. */
bool sb_dtype_parse(struct sb_str name, enum sb_dtype *out);

/* A zeroed column of that shape in the arena; false when over the arena's maximum. */
bool sb_column_init(struct sb_column *c, struct sb_arena *a, struct sb_str name, enum sb_dtype t,
                    size_t nrows, size_t width);
/* One cell as JSON text (null, numbers, strings, arrays when width > 1). */
struct sb_buf;
void sb_column_add_json(struct sb_buf *b, const struct sb_column *c, size_t row);
/* Value i of all rows' values, which must not be missing. */
void sb_column_add_value(struct sb_buf *b, const struct sb_column *c, size_t i);

#endif
