/* Parquet by a Python process with pyarrow (python/sibyl_parquet.py): one for the whole program,
 * started by the first body, stopped again after some minutes without one. It reads one body after
 * another into tensors of the Open Inference Protocol: JSON, and raw tensors behind it.
 *
 * A body that takes longer than its deadline, or kills the process, costs the process; the next one
 * starts another. */
#ifndef SB_DOMAIN_WORKER_PARQUET_H
#define SB_DOMAIN_WORKER_PARQUET_H

#include "base/err.h"
#include "base/str.h"
#include "domain/worker/process.h"
#include "loop/loop.h"

struct sb_parquet;

/* Strings are borrowed. */
struct sb_parquet_opts {
    struct sb_loop *loop; /* owns the process; runs until after sb_parquet_free */
    const char *python, *script;
    int64_t memory;           /* bytes it may use (RLIMIT_DATA); 0 = no limit */
    int64_t start_timeout_ns; /* 0 = 120 s */
};

/* One body, the caller's until done() has been entered. */
struct sb_parquet_job {
    struct sb_str body;   /* borrowed */
    bool matrix;          /* all columns as one tensor of doubles */
    int64_t deadline_ns;  /* sb_mono_ns */
    struct sb_loop *loop; /* where done() runs */
    void (*done)(struct sb_parquet_job *j);
    void *user;

    /* valid in done() */
    sb_err err; /* SB_E_INVALID: no Parquet, or types that nothing takes; SB_E_LIMIT; SB_E_TIMEOUT;
                   SB_E_BUSY; SB_E_UNAVAILABLE: the process died of it; SB_E_UNSUPPORTED: there is
                   no Python with pyarrow, the message says what to do */
    struct sb_errctx ctx;
    struct sb_str json, raw;     /* views of frame */
    struct sb_frame_body *frame; /* one reference, the caller's; NULL when err */

    struct sb_task task;         /* parquet.c's */
    struct sb_parquet *owner;    /* the same */
    struct sb_parquet_job *next; /* the same */
    bool again;                  /* the same */
};

struct sb_parquet *sb_parquet_new(const struct sb_parquet_opts *o);
/* Ends the process and waits for that, at most two seconds. Never on its loop; no job may be left
 * whose done() matters. NULL is fine. */
void sb_parquet_free(struct sb_parquet *p);

/* Any thread. */
void sb_parquet_read(struct sb_parquet *p, struct sb_parquet_job *j);

#endif
