/* Versions on this machine's disk: fetched from the registry, opened, pruned. Inside flow/ only;
 * the watcher's thread.
 *
 *   MODELS/MODEL/VERSION-KEY/...   one version (loader.h). MODEL is the percent-encoded name; KEY
 * is a digest of name, version, source and creation time, since version numbers are used again
 * after a model was deleted MODELS/.tmp-*                  downloads in progress; removed at start
 */
#ifndef SB_FLOW_VERSIONS_H
#define SB_FLOW_VERSIONS_H

#include "codec/json.h"
#include "domain/model/model.h"
#include "flow/registry_client.h"
#include "flow/watcher.h"

struct sb_versions {
    const struct sb_watcher_opts *o;
    struct sb_registry_client *client;
};

/* An opened version: identity, folder, model (referenced). Zero = none. */
struct sb_place {
    char *version, *key, *dir, *sha256, *run_id, *model_id;
    struct sb_model *model;
};
void sb_place_fini(struct sb_place *p);
/* Shares the model. */
struct sb_place sb_place_copy(const struct sb_place *p);

/* Identity of a version: 16 hex digits, in the arena. */
char *sb_versions_key(struct sb_arena *a, struct sb_str name, const struct sb_remote_version *v);

/* Fetches what is not on disk yet, then opens it. */
SB_MUST_CHECK sb_err sb_versions_obtain(struct sb_versions *s, struct sb_arena *a,
                                        struct sb_str name, const struct sb_remote_version *v,
                                        const char *key, struct sb_place *out,
                                        struct sb_errctx *ctx);
/* Opens a folder that an earlier run fetched. */
SB_MUST_CHECK sb_err sb_versions_open(struct sb_versions *s, struct sb_arena *a, const char *dir,
                                      const char *key, struct sb_place *out, struct sb_errctx *ctx);

/* Removes old folders of a model, except the newest few and the n in use. */
void sb_versions_prune(struct sb_versions *s, struct sb_arena *a, struct sb_str name,
                       const struct sb_place *used, size_t n);
/* Removes downloads that a crash left behind. */
void sb_versions_clean(struct sb_versions *s);

/* A JSON file of the models folder, in the arena. */
SB_MUST_CHECK sb_err sb_versions_read_json(const char *path, struct sb_arena *a,
                                           struct sb_json **out, struct sb_errctx *ctx);

#endif
