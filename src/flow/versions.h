/* Versions on this machine's disk: fetched from the registry, opened, pruned. Inside flow/ only; a
 * struct sb_versions is one thread's, several may work in one folder.
 *
 *   MODELS/MODEL/VERSION-KEY/...   one version (loader.h). MODEL is the percent-encoded name; KEY
 * is a digest of name, version, source and creation time, since version numbers are used again
 * after a model was deleted MODELS/.tmp-*                  downloads in progress; removed at start
 */
#ifndef SB_FLOW_VERSIONS_H
#define SB_FLOW_VERSIONS_H

#include "codec/json.h"
#include "domain/model/model.h"
#include "flow/loader.h"
#include "flow/order.h"
#include "flow/registry_client.h"
#include "flow/shelf.h"
#include "flow/watcher.h"

struct sb_versions {
    struct sb_load_context load;
    struct sb_registry_client *client;
    struct sb_shelf *shelf;
};

/* Identity of a version: 16 hex digits, in the arena. */
char *sb_versions_key(struct sb_arena *a, struct sb_str name, const struct sb_remote_version *v);

/* How it is loaded is part of a place's identity: the key, and whether workers have an environment
 * of their own. */
const char *sb_versions_id(struct sb_arena *a, const char *key, enum sb_environment e);
void sb_versions_read_id(struct sb_str id, struct sb_str *key, enum sb_environment *e);

/* The loaded version of a wish: shared when it is loaded already, else opened, else fetched first.
 * rows_of: it must take the rows of that signature; NULL = no matter. SB_E_BUSY: its environment is
 * being made. */
SB_MUST_CHECK sb_err sb_versions_obtain(struct sb_versions *s, struct sb_arena *a,
                                        const struct sb_wish *w, const struct sb_signature *rows_of,
                                        struct sb_place **out, struct sb_errctx *ctx);

/* Removes old folders of a model, except the newest few and those in use. */
void sb_versions_prune(struct sb_versions *s, struct sb_arena *a, struct sb_str name);
/* Removes downloads that a crash left behind. */
void sb_versions_clean(const char *models_dir);

/* A JSON file of the models folder, in the arena. */
SB_MUST_CHECK sb_err sb_versions_read_json(const char *path, struct sb_arena *a,
                                           struct sb_json **out, struct sb_errctx *ctx);

#endif
