/* A loaded model version, whatever computes it: the seam between routes and back-ends.
 *
 * Immutable after loading and shared by reference count: requests in flight keep the old version
 * alive while a route already answers with the new one. */
#ifndef SB_DOMAIN_MODEL_MODEL_H
#define SB_DOMAIN_MODEL_MODEL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/thread.h"
#include "domain/model/columns.h"
#include "domain/model/signature.h"
#include "loop/loop.h"

struct sb_model;

/* One call to a model. The caller owns it until done(). */
struct sb_predict {
    /* set by the caller */
    const struct sb_batch *in;
    struct sb_arena *arena; /* for the result */
    struct sb_loop *loop;   /* where done() runs; predict is called on it */
    int64_t deadline_ns;    /* sb_mono_ns */
    void (*done)(struct sb_predict *p);
    void *user;

    /* valid in done() */
    sb_err err; /* CALLER class: the input is wrong (400). TIMEOUT, BUSY, UNAVAILABLE: 503/504. */
    struct sb_errctx ctx;
    struct sb_result out;
    int64_t queue_ns, compute_ns;

    struct sb_predict *next; /* the back-end's, while it waits */
    void *backend;           /* the back-end's */
};

struct sb_model_ops {
    const char *name; /* "native", "python" */
    /* Calls p->done exactly once: before it returns (native), or later on p->loop (python). */
    void (*predict)(void *self, struct sb_predict *p);
    /* Rows the back-end is happy to take inline on a loop; more should go to the compute pool. 0 =
     * it is never inline. */
    size_t inline_rows;
    /* Memory the version holds: bytes of images and of its workers now. */
    size_t (*memory)(void *self);
    /* CPU time of processes of its own, as far as they run; NULL = it has none. */
    int64_t (*cpu_ns)(void *self);
    /* How often one of them ended unasked and was started again; NULL = it has none. */
    int64_t (*restarts)(void *self);
    /* One JSON object about its state (workers, layout chosen), for /health and `sibyl models`. */
    void (*describe)(void *self, struct sb_buf *out);
    /* Last reference is gone; any thread. */
    void (*free)(void *self);
};

/* Where it comes from; strings are the model's. */
struct sb_model_info {
    char *name, *version, *run_id, *model_id;
    char *artifact_sha256; /* over the artifact's files, see flow/fetch */
    char *flavor;          /* "sklearn", "xgboost", "python_function" ... */
    char *class_name;      /* "sklearn.ensemble._forest.RandomForestClassifier" when known */
    char *why;             /* why it went to this back-end, in a sentence */
    int64_t loaded_ms;     /* wall clock */
    size_t nclasses;       /* that it gives probabilities of, as known at loading; 0 = none */
};

void sb_model_info_fini(struct sb_model_info *i);

struct sb_model {
    struct sb_refs refs;
    const struct sb_model_ops *ops;
    void *self;
    struct sb_signature *signature; /* never NULL: inferred from the model when MLmodel has none */
    struct sb_model_info info;
};

/* Takes over self, signature and the strings of info. refs = 1. */
struct sb_model *sb_model_new(const struct sb_model_ops *ops, void *self,
                              struct sb_signature *signature, const struct sb_model_info *info);
static inline struct sb_model *sb_model_ref(struct sb_model *m) {
    sb_refs_get(&m->refs);
    return m;
}
void sb_model_unref(struct sb_model *m); /* NULL is fine */

static inline void sb_model_predict(struct sb_model *m, struct sb_predict *p) {
    m->ops->predict(m->self, p);
}

#endif
