/* The back-end "python": a pool of worker processes per model version, each with the model loaded
 * by MLflow in an interpreter of the operator's choice (python/sibyl_worker.py).
 *
 * Rows that wait while all workers are busy go as one call when their columns agree (no timer:
 * nothing waits for company). When a merged call fails in the model, its requests are repeated one
 * by one, so no caller gets another's error; so predict of a model should not depend on how often
 * it is called. A worker that ends fails only the requests it held (SB_E_UNAVAILABLE) and is
 * restarted with back-off; one that is still busy when the last deadline of its call has passed is
 * killed (SB_E_TIMEOUT). What the model prints goes to the log line by line.
 *
 * Errors of a prediction: SB_E_INVALID, the input does not fit (MLflow's enforcement, ValueError,
 * TypeError, KeyError); SB_E_BUG, the model raised something else or answered nonsense;
 * SB_E_UNAVAILABLE, the worker died or ran out of memory, or none is running; SB_E_TIMEOUT;
 * SB_E_BUSY, the queue is full. */
#ifndef SB_DOMAIN_WORKER_WORKER_H
#define SB_DOMAIN_WORKER_WORKER_H

#include "domain/model/model.h"
#include "loop/loop.h"

struct sb_worker_opts {
    const char *script;       /* path of sibyl_worker.py */
    const char *python;       /* NULL = "python3" */
    const char *environment;  /* name of the environment for describe; NULL = "current" */
    struct sb_loop *loop;     /* owns the pool; outlives the model. Its thread must go on running:
                                 workers     die with it (PR_SET_PDEATHSIG) */
    int workers;              /* 0 = 1 */
    int threads;              /* OpenMP and BLAS threads of each; 0 = 1 */
    int64_t memory;           /* bytes of private memory each may use (RLIMIT_DATA); 0 = no limit */
    int64_t start_timeout_ns; /* 0 = 120 s */
    size_t max_rows;          /* of a merged call; 0 = 256 */
    size_t max_bytes;         /* of a merged call; 0 = 4 MiB */
    size_t queue_requests;    /* waiting; 0 = 1024 */
    size_t queue_rows;        /* waiting; 0 = 200000 */
    bool validate;            /* the first worker predicts the model's input example before ready */
    const _Atomic bool *stop; /* sb_worker_model_load gives up once it is true; NULL = never */
};

/* One opening, the caller's until ready() has been entered. */
struct sb_worker_open {
    void (*ready)(struct sb_worker_open *o);
    struct sb_loop *reply; /* where ready runs; NULL = on the pool's loop */
    void *user;

    /* valid in ready() */
    sb_err err; /* SB_E_INVALID: loading or the example failed, ctx has Python's last line;
                   SB_E_TIMEOUT; SB_E_MISSING: no such interpreter; SB_E_UNAVAILABLE: it died */
    struct sb_errctx ctx;
    struct sb_model *model; /* one reference, the caller's; NULL when err */

    /* the pool's */
    void *pool; /* on its loop: NULL once it is open, or has failed */
    struct sb_loop *loop;
    struct sb_task task, cancel;
};

/* Starts the workers of a model directory and calls ready when the first has loaded it. Takes over
 * signature (NULL is fine) and the strings of info, also on failure; info->class_name is filled in
 * when it is NULL. Everything else is copied. Any thread. */
void sb_worker_model_open(struct sb_worker_open *o, const char *model_dir,
                          const struct sb_worker_opts *opts, struct sb_signature *signature,
                          const struct sb_model_info *info);

/* The same for a thread that may block (never a loop's). */
SB_MUST_CHECK sb_err sb_worker_model_load(struct sb_model **out, const char *model_dir,
                                          const struct sb_worker_opts *opts,
                                          struct sb_signature *signature,
                                          const struct sb_model_info *info, struct sb_errctx *ctx);

/* Pools whose processes have not all ended yet, of the whole program: a clean stop frees its
 * models, waits for 0 and then stops the loop. Any thread. */
int sb_worker_pools_alive(void);

#endif
