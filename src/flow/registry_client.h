/* The model registry as serving knows it: a URL and MLflow's REST API, ours or a real server's.
 *
 * Blocking; a client is one thread's: the watcher's, and each loader's own. Results live in the
 * arena given. */
#ifndef SB_FLOW_REGISTRY_CLIENT_H
#define SB_FLOW_REGISTRY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct sb_registry_client;

SB_MUST_CHECK sb_err sb_registry_client_new(struct sb_registry_client **out, const char *url,
                                            struct sb_errctx *ctx);
void sb_registry_client_free(struct sb_registry_client *c);

struct sb_remote_alias {
    struct sb_str alias, version;
};

struct sb_remote_version {
    struct sb_str privacy; /* its tag sibyl.privacy */
    struct sb_str version, stage, status, run_id, model_id, source;
    int64_t created_ms;
};

struct sb_remote_model {
    struct sb_str name;
    struct sb_str environment; /* its tag sibyl.environment */
    struct sb_str privacy;     /* its tag sibyl.privacy */
    int64_t created_ms, updated_ms;
    size_t nlatest, naliases;
    struct sb_remote_version *latest; /* newest version of each stage, whatever its status */
    struct sb_remote_alias *aliases;
};

/* Whether the last call got an answer of the registry, whatever it said: a failure then concerns
 * what was asked for, not the registry as a whole. */
bool sb_registry_answered(const struct sb_registry_client *c);

/* All registered models, with latest versions and aliases. */
SB_MUST_CHECK sb_err sb_registry_models(struct sb_registry_client *c, struct sb_arena *a,
                                        struct sb_remote_model **out, size_t *n,
                                        struct sb_errctx *ctx);
/* One version; SB_E_MISSING when it does not exist. */
SB_MUST_CHECK sb_err sb_registry_version(struct sb_registry_client *c, struct sb_arena *a,
                                         struct sb_str name, struct sb_str version,
                                         struct sb_remote_version *out, struct sb_errctx *ctx);

/* The newest versions of a model (at most 100), newest first. MLflow's filters cannot name a model
 * with both kinds of quote: then those of the listing. */
SB_MUST_CHECK sb_err sb_registry_versions(struct sb_registry_client *c, struct sb_arena *a,
                                          const struct sb_remote_model *m,
                                          struct sb_remote_version **out, size_t *n,
                                          struct sb_errctx *ctx);

/* Waits until the registry says that something changed after *since (which moves on), or for at
 * most wait_ns. *changed is then true or false. SB_E_UNSUPPORTED: this registry cannot push (a real
 * MLflow server): the caller polls. */
SB_MUST_CHECK sb_err sb_registry_wait(struct sb_registry_client *c, int64_t *since, int64_t wait_ns,
                                      bool *changed, struct sb_errctx *ctx);

/* Downloads the version's whole artifact folder into the existing empty folder dir. Bounded: files,
 * depth and bytes (SB_E_LIMIT). *sha256 (64 hex digits, in the arena) is over the sorted list of
 * "path size sha256-of-content" lines. */
SB_MUST_CHECK sb_err sb_registry_download(struct sb_registry_client *c, struct sb_arena *a,
                                          struct sb_str name, struct sb_str version,
                                          const char *dir, struct sb_str *sha256,
                                          struct sb_errctx *ctx);

/* The same digest of a folder that was downloaded before. */
SB_MUST_CHECK sb_err sb_registry_digest(struct sb_arena *a, const char *dir, struct sb_str *sha256,
                                        struct sb_errctx *ctx);

/* Makes a wait or transfer in progress end with SB_E_CLOSED. Any thread. */
void sb_registry_client_stop(struct sb_registry_client *c);

#endif
