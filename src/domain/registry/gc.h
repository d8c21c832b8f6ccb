/* Removal for good of runs, logged models and experiments that were deleted (MLflow's `mlflow gc`):
 * their rows and their artifact files.
 *
 * A plan names what is to go; each item is then removed by a call of its own, which looks again, so
 * that a plan may be old, may be carried out in pieces, and can be repeated after a crash. An item
 * that was restored meanwhile stays. Thread and error rules: registry.h. */
#ifndef SB_DOMAIN_REGISTRY_GC_H
#define SB_DOMAIN_REGISTRY_GC_H

#include "domain/registry/registry.h"

enum sb_gc_kind { SB_GC_RUN, SB_GC_LOGGED_MODEL, SB_GC_EXPERIMENT };
/* "run", "logged_model", "experiment"; false when the name is none. */
const char *sb_gc_kind_name(enum sb_gc_kind k);
bool sb_gc_kind_parse(struct sb_str name, enum sb_gc_kind *out);

/* Without ids: everything deleted. With ids of any kind: these only, and each must be there, be
 * deleted and be old enough (INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST). An experiment takes
 * its runs and logged models with it. */
struct sb_gc_select {
    const struct sb_str *ids[3]; /* by kind */
    size_t ids_n[3];
    int64_t older_than_ms; /* since the deletion; 0 = any age */
};

struct sb_gc_item {
    enum sb_gc_kind kind;
    struct sb_str id;
};
struct sb_gc_items {
    struct sb_gc_item *v; /* in the order to remove them: experiments last */
    size_t n;
};
SB_MUST_CHECK sb_err sb_registry_gc_plan(struct sb_registry_call *c, const struct sb_gc_select *s,
                                         struct sb_gc_items *out);

/* The artifact files of an item, as gc needs them: taken out of their place at once and reversibly,
 * while the database is locked; really removed only when the rows are gone. */
struct sb_gc_files {
    void *user;
    /* SB_E_UNSUPPORTED: files at that URI are not ours to remove. Nothing there is fine. */
    sb_err (*set_aside)(void *user, struct sb_str artifact_uri, struct sb_errctx *ctx);
    /* The rows stay after all: back to their place. */
    void (*put_back)(void *user);
    /* The rows are gone. */
    void (*discard)(void *user);
};

struct sb_gc_outcome {
    bool removed;
    struct sb_str why_kept;   /* when it was not: for people */
    struct sb_str files_left; /* URI of files that are not ours to remove; may be absent */
};

/* One item. Kept, with the reason: what is not deleted (any more; a logged model may go with a
 * deleted experiment); what holds the files of a registered model version, unless force; an
 * experiment that still has runs or logged models. Missing: removed. When the process dies in
 * between, the files may be gone while the rows still say deleted: the next removal ends it. */
SB_MUST_CHECK sb_err sb_registry_gc_remove(struct sb_registry_call *c,
                                           const struct sb_gc_item *item, bool force,
                                           const struct sb_gc_files *files,
                                           struct sb_gc_outcome *out);

#endif
