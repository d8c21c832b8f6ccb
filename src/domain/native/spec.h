/* What a reader makes of a model: the spec, which the converter writes as an image and the back-end
 * serves. And how readers are found: by the class of the object that a file holds.
 *
 * Adding a class takes a file with a family of readers and one row in readers.c:
 *
 *     static sb_err read_thing(struct native_job *j, const struct native_reader *me,
 *                              const struct sb_pv *obj) {
 *         ... sb_pv_get(obj, "estimators_") ... fills j->out, memory from j->arena
 *     }
 *     static const struct native_reader readers[] = {{.module = "sklearn.x._y", .name = "Thing",
 *                                                     .output = "value", .read = read_thing}, {0}};
 *     const struct native_family native_thing_family = {readers, parts};
 *
 * A pipeline reads its last step through the same table, so a class that is read alone is read at
 * the end of a pipeline too. A model format of its own (not a pickled object) is a row of
 * native_formats. Readers run in the converter, on hostile bytes: nothing they meet may be trusted,
 * and all they allocate is the arena's, which is bounded by the file's length. */
#ifndef SB_DOMAIN_NATIVE_SPEC_H
#define SB_DOMAIN_NATIVE_SPEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "domain/model/mlmodel.h"
#include "domain/native/native.h"
#include "engine/columnprog/ir.h"
#include "engine/forest/ir.h"
#include "engine/linear/linear.h"
#include "engine/pickle/pickle.h"
#include "sys/file.h"

/* ---- the spec ---- */

/* What predict answers. "Sums" are what the predictor adds up, "values" what its post transform
 * makes of them (probabilities, say). */
enum native_answer {
    NATIVE_VALUE,       /* the values */
    NATIVE_ARGMAX,      /* label of the largest value, first wins */
    NATIVE_THRESHOLD,   /* one value: the second label when it is above 0.5 */
    NATIVE_ARGMAX_SUM,  /* label of the largest sum, first wins */
    NATIVE_SUM_ABOVE_0, /* one sum: the second label when it is > 0 */
    NATIVE_SUM_FROM_0,  /* one sum: the second label when it is >= 0 */
    NATIVE_ANSWER_COUNT
};

enum native_label { NATIVE_INT, NATIVE_STR, NATIVE_BOOL, NATIVE_FLOAT, NATIVE_LABEL_COUNT };

/* The image's META section. A reader of an estimator sets what concerns the estimator; that also
 * holds at the end of a pipeline, which then puts its own features in their place. */
struct native_meta {
    struct sb_str library, version, class_name; /* native_object_read sets them */
    uint32_t nfeatures;                         /* the request's columns */
    struct sb_str *features;                    /* nfeatures names, or NULL */
    bool positional; /* columns are taken in their order whatever their names (LightGBM) */
    bool allow_nan, allow_inf; /* what the predictor takes; inf: also what overflows float32 */
    bool f32;                  /* values are float: "float" in a signature */
    enum native_answer answer;
    /* Values are class probabilities: one per class, or one, of the second of two classes (the
     * first's is 1 - p, in float when f32). */
    bool proba;
    enum native_label label;
    uint32_t nclasses;
    struct sb_str *classes; /* as text: decimal, Python's repr of floats, True and False */
};

enum native_predictor { NATIVE_FOREST, NATIVE_LINEAR };

struct native_spec {
    struct native_meta meta;
    /* What turns the request's columns into the predictor's inputs; NULL: they are the inputs
     * (forests only). Readers of estimators leave it alone. */
    const struct sb_columnprog_ir *columns;
    enum native_predictor predictor; /* which of the next two is set */
    struct sb_forest_ir ir;
    struct sb_linear linear;
};

/* The META section's JSON. */
void native_meta_write(struct sb_buf *b, const struct native_meta *m);
/* Checked; strings are the arena's. */
SB_MUST_CHECK sb_err native_meta_read(struct native_meta *m, struct sb_str json,
                                      struct sb_arena *arena, struct sb_errctx *ctx);

/* ---- readers of objects ---- */

/* One conversion. */
struct native_job {
    struct native_spec *out;
    struct sb_arena *arena; /* everything out points to is the arena's, or the file's */
    struct sb_errctx *ctx;
    const struct sb_pv *object; /* being read: errors name its class and place; NULL = none yet */
    int version; /* of scikit-learn, of the object being read: 109 = 1.9, 24 = 0.24; 0 = none */
    int nesting; /* pipelines around that object */
    bool sparse; /* its pipeline gives it a scipy matrix, where some classes check less or more */
};

struct native_reader {
    const char *module, *name; /* as today's library spells them: "sklearn.tree._classes" */
    const char *old_module;    /* as before scikit-learn 0.22, or NULL */
    const char *formats;       /* for the docs: files it is read from */
    const char *output;        /* for the docs: what predict answers */
    /* Fills j->out, whose meta has library, version and class name already; j->version is the
     * object's, between 1 and 109 for scikit-learn's own. SB_E_UNSUPPORTED with the reason (see
     * native_for_worker) when this instance is for a worker, SB_E_CORRUPT when it is damaged. NULL
     * when the class is read from its library's own files only. */
    sb_err (*read)(struct native_job *j, const struct native_reader *me, const struct sb_pv *obj);
    const void *kind; /* the reader's own: what tells this row from its others */
};

#define NATIVE_PICKLES "pickle, cloudpickle, skops"

struct native_family {
    const struct native_reader *readers; /* ends with a row without a name */
    /* Further classes that the objects consist of (trees, losses): the pickle machine lets them
     * pass as records. Ends with a row without a name; NULL = none. */
    const struct sb_pickle_class *parts;
};
extern const struct native_family native_tree_family, native_boosting_family,
    native_isolation_family, native_lightgbm_family, native_xgboost_family;

extern const struct native_family native_pipeline_family, native_linear_family;

/* All families; ends with NULL. */
extern const struct native_family *const native_families[];

/* Classes that a worker serves, with the reason; ends with a row without a name. */
extern const struct sb_pickle_refusal native_worker_classes[];

/* The row of an object's class; NULL when no family has it (or obj is no object). */
const struct native_reader *native_reader_find(const struct sb_pv *obj);

/* Reads an object through the table, with its version. */
SB_MUST_CHECK sb_err native_object_read(struct native_job *j, const struct sb_pv *obj);

/* ---- what readers share ---- */

/* Fails with SB_E_CORRUPT "damaged scikit-learn model: WHAT". */
sb_err native_damaged(struct native_job *j, const char *what);
/* Fails with SB_E_LIMIT. */
sb_err native_nomem(struct native_job *j);
/* Fails with SB_E_UNSUPPORTED "WHAT is served by a Python worker". */
sb_err native_for_worker(struct native_job *j, const char *fmt, ...) SB_PRINTF(2, 3);

/* j->version from the object's _sklearn_version; own: it is a class of scikit-learn, whose version
 * must be one that this reads (else for a worker). */
SB_MUST_CHECK sb_err native_version_read(struct native_job *j, const struct sb_pv *obj, bool own);
/* meta's features: n of them, with the names of feature_names_in_ if there are any. */
SB_MUST_CHECK sb_err native_names_read(struct native_job *j, const struct sb_pv *obj, uint32_t n);
/* The same with the number from n_features_in_ (n_features_ before 0.24) and feature_names_in_. */
SB_MUST_CHECK sb_err native_features_read(struct native_job *j, const struct sb_pv *obj);
/* Sets j->out->columns to the program that passes doubles on. */
SB_MUST_CHECK sb_err native_identity_program(struct native_job *j);
/* meta's label type and classes from classes_. */
SB_MUST_CHECK sb_err native_classes_read(struct native_job *j, const struct sb_pv *obj);
/* obj[key] is a str that is one of names (ends with NULL). */
bool native_attribute_in(const struct sb_pv *obj, const char *key, const char *const *names);

/* ---- readers of files ---- */

/* A format is what MLflow's loader_module says. file: the bytes of the model's file, which outlive
 * j. */
struct native_format {
    const char *loader;
    sb_err (*read)(struct native_job *j, const struct sb_mlmodel *m, struct sb_str file);
};
extern const struct native_format native_formats[]; /* ends with a row without a loader */

/* Pickle or skops; refuses a predict_fn other than predict. */
SB_MUST_CHECK sb_err native_sklearn_format(struct native_job *j, const struct sb_mlmodel *m,
                                           struct sb_str file);
SB_MUST_CHECK sb_err native_xgboost_format(struct native_job *j, const struct sb_mlmodel *m,
                                           struct sb_str file);

SB_MUST_CHECK sb_err native_lightgbm_format(struct native_job *j, const struct sb_mlmodel *m,
                                            struct sb_str file);

/* A pickle or a skops archive, told apart by its first bytes. */
SB_MUST_CHECK sb_err native_sklearn_read(struct native_job *j, struct sb_str file);
/* The text of a Booster. */
SB_MUST_CHECK sb_err native_lightgbm_read(struct native_job *j, struct sb_str text);
/* UBJSON or JSON. class_name: one of XGBoost's scikit-learn classes (its full name), empty for a
 * Booster. */
SB_MUST_CHECK sb_err native_xgboost_read(struct native_job *j, struct sb_str file,
                                         struct sb_str class_name);

/* ---- the converter ---- */

/* Its two halves: opening what it needs, which the sandbox forbids later, and the conversion. */
SB_MUST_CHECK sb_err native_convert_open(struct sb_file *dir, struct sb_file *image,
                                         const char *model_dir, const char *image_path,
                                         struct sb_errctx *ctx);
SB_MUST_CHECK sb_err native_convert(const struct sb_file *dir, const struct sb_file *image,
                                    struct sb_native_report *out, struct sb_errctx *ctx);
/* Appends the spec's sections and closes the file. */
SB_MUST_CHECK sb_err native_spec_write(struct sb_image_writer *w, const struct native_spec *spec,
                                       struct sb_str *file, struct sb_errctx *ctx);

#endif
