/* Python environments made from models' requirements, each once, kept on disk by the digest of what
 * is in it. Inside flow/ only; any thread.
 *
 *     DIR/ID/           bin/python and the packages, as python/sibyl_environment.py makes them
 *     DIR/ID/sibyl.json what was asked for
 *     DIR/ID/used       its time: when the environment was last known to be in use
 *     DIR/.tmp-ID/      being made: becomes DIR/ID by one rename
 *     DIR/.gone-ID/     being removed: what a crash left, and what nobody used for the time kept;
 *                       looked for at start only, when nothing is in use
 *
 * A few threads make them. */
#ifndef SB_FLOW_ENVIRONMENTS_H
#define SB_FLOW_ENVIRONMENTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "flow/requirements.h"

struct sb_environments;

enum { SB_ENVIRONMENT_ID = 17 }; /* 16 hex digits and NUL */

/* Strings are borrowed for the life of the object. */
struct sb_environments_opts {
    const char *dir;          /* made when needed */
    const char *python;       /* tried first; else pythonX.Y in PATH */
    const char *script;       /* python/sibyl_environment.py */
    int64_t keep_ms;          /* unused for longer: removed; 0 = never */
    const _Atomic bool *stop; /* once true, calls do not wait for an interpreter any more */
    /* An environment was finished, or its progress has something new (at most twice a second). On
     * a thread of the object, which holds no lock. */
    void (*changed)(void *arg, const char *id, bool finished);
    void *arg;
};

SB_MUST_CHECK sb_err sb_environments_new(struct sb_environments **out,
                                         const struct sb_environments_opts *o,
                                         struct sb_errctx *ctx);
/* Ends builds under way. */
void sb_environments_free(struct sb_environments *e); /* NULL is fine */

/* The environment for some requirements. SB_OK: *python (the caller's, sb_free) is its interpreter.
 * SB_E_BUSY: it is being made, `changed` will tell.
 * Anything else is why it cannot be had, a failed build with pip's own words; some time later the
 * next call tries again. id is set except when there is no interpreter of the version. */
SB_MUST_CHECK sb_err sb_environments_get(struct sb_environments *e, const struct sb_requirements *r,
                                         char id[SB_ENVIRONMENT_ID], char **python,
                                         struct sb_errctx *ctx);

/* Whether it is being made, and then how far that is, for people; out may be NULL. */
bool sb_environments_progress(struct sb_environments *e, const char *id, struct sb_buf *out);

#endif
