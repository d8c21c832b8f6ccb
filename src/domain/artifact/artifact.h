/* Where artifact files are kept: the seam, and its back-end on a folder.
 *
 * Paths given to a store are canonical (artifact/path.h). Every call blocks: pool threads only. A
 * store may be used by many threads at once; a reader or writer by one at a time. */
#ifndef SB_DOMAIN_ARTIFACT_ARTIFACT_H
#define SB_DOMAIN_ARTIFACT_ARTIFACT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    SB_ARTIFACT_PIECE = 256 << 10,     /* bytes in memory per transfer and direction */
    SB_ARTIFACT_LIST_MAX = 100 * 1000, /* entries of one folder */
};

struct sb_artifact_entry {
    struct sb_str name; /* one part; NUL-terminated */
    bool is_dir;
    int64_t size; /* of a file */
};
struct sb_artifact_list {
    struct sb_artifact_entry *v; /* by name */
    size_t n;
};

struct sb_artifact_info {
    int64_t size, mtime_ms;
};

struct sb_artifact_ops {
    const char *name;
    /* One level. A path that is a file, or missing, is an empty list (as MLflow's is). */
    sb_err (*list)(void *self, struct sb_str path, struct sb_arena *a, struct sb_artifact_list *out,
                   struct sb_errctx *ctx);
    /* SB_E_MISSING, SB_E_STATE (a folder). The reader sees the file as it was when opened. */
    sb_err (*open)(void *self, struct sb_str path, void **reader, struct sb_artifact_info *info,
                   struct sb_errctx *ctx);
    /* The next n bytes; fewer only at the end. */
    sb_err (*read)(void *reader, void *to, size_t n, size_t *got, struct sb_errctx *ctx);
    void (*close)(void *reader);
    /* Folders on the way are made at commit. SB_E_INVALID for the root itself. */
    sb_err (*create)(void *self, struct sb_str path, void **writer, struct sb_errctx *ctx);
    sb_err (*write)(void *writer, const void *p, size_t n, struct sb_errctx *ctx);
    /* Whole, durable and visible at once, in place of what the path held; SB_E_STATE when that is a
     * folder, or when a part of the path is a file. Frees the writer, also when it fails. */
    sb_err (*commit)(void *writer, struct sb_errctx *ctx);
    void (*abort)(void *writer);
    /* A file, or a folder with all it holds; fine when missing. */
    sb_err (*remove)(void *self, struct sb_str path, struct sb_errctx *ctx);
    void (*free)(void *self);
};

struct sb_artifact_store {
    const struct sb_artifact_ops *ops;
    void *self;
};

/* Files below the folder root, which is made when missing. What an upload cut short by a crash left
 * behind is removed. One process at a time may have it open for writing (the data folder's lock
 * sees to that). */
SB_MUST_CHECK sb_err sb_artifact_files_open(struct sb_artifact_store *out, const char *root,
                                            struct sb_errctx *ctx);

#endif
