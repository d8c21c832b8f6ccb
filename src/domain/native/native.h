/* Models that sibyl computes itself: trees, linear models and pipelines (docs/NATIVE-MODELS.md).
 *
 * A converter reads the model's own files (it can execute nothing) and writes a model image; the
 * image is mapped by whoever serves it. What is not native is said so in a sentence, and a Python
 * worker serves it. */
#ifndef SB_DOMAIN_NATIVE_NATIVE_H
#define SB_DOMAIN_NATIVE_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "domain/model/model.h"

/* What a conversion came to. */
struct sb_native_report {
    bool native;          /* the image was written */
    char flavor[32];      /* "sklearn", "xgboost" */
    char class_name[160]; /* "sklearn.ensemble._forest.RandomForestClassifier"; may be empty */
    char reason[SB_ERRMSG_MAX]; /* not native: why, in a sentence */
    uint64_t trees, nodes, image_bytes;
};

enum {
    SB_NATIVE_FILE_MAX = 2047 << 20, /* bytes of a model file */
    SB_NATIVE_CONVERT_SECONDS = 120, /* of CPU in the converter */
    SB_NATIVE_OPEN_FILES = 32,
};

/* Converts in this process: for the converter child and for tests. model_dir holds an MLmodel.
 * SB_OK with native = false when the model is for a worker; errors are damaged files (SB_E_CORRUPT,
 * SB_E_SYNTAX), limits and storage. Blocking. */
SB_MUST_CHECK sb_err sb_native_convert(const char *model_dir, const char *image_path,
                                       struct sb_native_report *out, struct sb_errctx *ctx);

/* The same in a child of its own under resource limits and a system call filter: `program convert
 * MODEL_DIR IMAGE`. A crash, a timeout or running out of memory there is an error here. Blocking:
 * for a pool thread. */
SB_MUST_CHECK sb_err sb_native_convert_child(const char *program, const char *model_dir,
                                             const char *image_path, struct sb_native_report *out,
                                             struct sb_errctx *ctx);

/* Which classes are native, which are not and why, as Markdown. */
void sb_native_docs(struct sb_buf *out);

/* The child's main: argv = {"convert", MODEL_DIR, IMAGE}. Prints one JSON object. Returns the exit
 * status: 0 also when the model is not native. */
int sb_native_convert_main(int argc, char **argv);

/* Opens an image for serving. signature (from MLmodel; NULL or not present = inferred from the
 * model's own feature names, or f0, f1 ...) and info's strings are taken over on success only.
 * Checks the whole image first. */
SB_MUST_CHECK sb_err sb_native_open(struct sb_model **out, const char *image_path,
                                    struct sb_signature *signature,
                                    const struct sb_model_info *info, struct sb_errctx *ctx);

#endif
