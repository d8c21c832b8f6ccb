/* Columns on their way through a pipeline, while it is read: what each transformer gets and gives,
 * and the instructions that do it. */
#ifndef SB_DOMAIN_NATIVE_PROGRAM_INT_H
#define SB_DOMAIN_NATIVE_PROGRAM_INT_H

#include "domain/native/spec.h"
#include "engine/columnprog/ir.h"

enum {
    NATIVE_NESTING_MAX = 16,   /* pipelines in column transformers in pipelines ... */
    NATIVE_STEPS_MAX = 100000, /* of all of them; one object may be a step many times */
};

enum column_kind {
    COLUMN_RAW, /* the request's own, untouched: at = source */
    COLUMN_REG, /* numbers: at = register */
    COLUMN_CELL /* objects: at = cell */
};

struct column {
    uint32_t at;
    uint32_t origin; /* the source it comes from */
    /* float32 when the sources lists[f32 ... f32 + nf32) of the program all are; nf32 = 0: never */
    uint32_t f32, nf32;
    uint8_t kind; /* enum column_kind */
    bool finite;  /* REG: cannot be infinite */
};

/* What flows between two steps. */
struct columns {
    struct column *v;
    uint32_t n, cap; /* cap: room at v, when it was grown */
    bool frame;      /* a data frame: every column has a type of its own */
    bool sparse;     /* a scipy matrix */
};

struct program {
    struct native_job *j;
    struct sb_columnprog_ir *ir;
    int depth;
    uint32_t steps; /* read so far */
    bool boosting;  /* HistGradientBoosting's own preprocessor: its check_array is known */
};

/* A fitted transformer. read gets its version in p->j->version, and appends what it does; out may
 * be *in. */
struct native_transformer {
    const char *module, *name, *old_module;
    const char *doc; /* which options are native */
    sb_err (*read)(struct program *p, const struct sb_pv *obj, struct columns *c);
};
/* Each ends with a row without a name. */
extern const struct native_transformer native_scalers[], native_encoders[], native_composers[];

/* Runs obj's transform on the columns: a transformer of the tables, None or 'passthrough'. */
SB_MUST_CHECK sb_err program_step(struct program *p, const struct sb_pv *obj, struct columns *c);

/* Turns the columns into registers that follow one another, which the caller may change in place;
 * the first is c->v[0].at. Infinity among them is refused, as scikit-learn's validation does.
 * refuse: SB_LOAD_NO_...: what columns that come from the request may not all be. */
SB_MUST_CHECK sb_err program_numbers(struct program *p, struct columns *c, unsigned refuse);
/* The same into cells. */
SB_MUST_CHECK sb_err program_objects(struct program *p, struct columns *c);
/* float32 when all columns are: sets op's list, and gives it to all columns. */
void program_common_type(struct program *p, struct columns *c, struct sb_columnprog_op *op);
/* n columns, all zero. */
SB_MUST_CHECK sb_err program_columns(struct program *p, struct columns *c, uint32_t n);

/* Attributes of fitted objects, checked. */
/* obj[key] as exactly n finite-or-not doubles in the arena. */
SB_MUST_CHECK sb_err program_doubles(struct program *p, const struct sb_pv *obj, const char *key,
                                     uint32_t n, double **out);
/* A bool; absent or no bool: otherwise. */
bool program_flag(const struct sb_pv *obj, const char *key, bool otherwise);
/* An element of an array, or a scalar, as a cell. false: it is nothing that a cell can be. */
bool program_cell(struct program *p, const struct sb_pv *v, struct sb_columnprog_cell *out);
bool program_item(struct program *p, const struct sb_np_array *a, size_t i,
                  struct sb_columnprog_cell *out);

/* How many columns a fitted transformer or estimator takes; 0 when it does not say. */
uint32_t program_width(const struct sb_pv *obj);

/* Finishes a program whose result is c, for a predictor of c->n inputs. */
SB_MUST_CHECK sb_err program_finish(struct program *p, struct columns *c);

#endif
