/* What a reader makes of a model file: the ensemble in normal form and what its library does around
 * it. Between the readers, the converter and the back-end of this folder. */
#ifndef SB_DOMAIN_NATIVE_SPEC_H
#define SB_DOMAIN_NATIVE_SPEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "domain/native/native.h"
#include "engine/forest/ir.h"
#include "sys/file.h"

enum native_answer {
    NATIVE_VALUE,     /* the ensemble's values */
    NATIVE_ARGMAX,    /* label of the largest value, first wins */
    NATIVE_THRESHOLD, /* one value: the second label when it is above 0.5 */
    NATIVE_ANSWER_COUNT
};

enum native_label { NATIVE_INT, NATIVE_STR, NATIVE_BOOL, NATIVE_FLOAT, NATIVE_LABEL_COUNT };

struct native_meta {
    struct sb_str library, version, class_name;
    uint32_t nfeatures;
    struct sb_str *features;   /* nfeatures names, or NULL */
    bool allow_nan, allow_inf; /* inf: also what overflows float32 */
    bool f32;                  /* values are float: "float" in a signature */
    enum native_answer answer;
    bool proba; /* values are class probabilities (for THRESHOLD: of the second class) */
    enum native_label label;
    uint32_t nclasses;
    struct sb_str *classes; /* as text: decimal, Python's repr of floats, True and False */
};

struct native_spec {
    struct native_meta meta;
    struct sb_forest_ir ir;
};

/* The META section's JSON. */
void native_meta_write(struct sb_buf *b, const struct native_meta *m);
/* Checked; strings are the arena's. */
SB_MUST_CHECK sb_err native_meta_read(struct native_meta *m, struct sb_str json,
                                      struct sb_arena *arena, struct sb_errctx *ctx);

/* file: the bytes of a pickle or a skops archive; everything the spec points to is the arena's or
 * file's. SB_E_UNSUPPORTED with the reason in ctx when a worker has to serve it. */
SB_MUST_CHECK sb_err native_sklearn_read(struct native_spec *out, struct sb_str file, bool skops,
                                         struct sb_arena *arena, struct sb_errctx *ctx);
/* file: UBJSON or JSON. wrapper: the class is one of XGBoost's scikit-learn classes (its full
 * name), empty for a Booster. */
SB_MUST_CHECK sb_err native_xgboost_read(struct native_spec *out, struct sb_str file,
                                         struct sb_str class_name, struct sb_arena *arena,
                                         struct sb_errctx *ctx);

/* The converter's two halves: opening what it needs, which the sandbox forbids later, and the
 * conversion. */
SB_MUST_CHECK sb_err native_convert_open(struct sb_file *dir, struct sb_file *image,
                                         const char *model_dir, const char *image_path,
                                         struct sb_errctx *ctx);
SB_MUST_CHECK sb_err native_convert(const struct sb_file *dir, const struct sb_file *image,
                                    struct sb_native_report *out, struct sb_errctx *ctx);

#endif
