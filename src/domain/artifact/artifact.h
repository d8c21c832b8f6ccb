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
    SB_ARTIFACT_ETAG_MAX = 48,         /* an entity tag without its quotes, and NUL */
    SB_ARTIFACT_PARTS_MAX = 10 * 1000, /* parts of one upload (as S3 has it) */
    SB_ARTIFACT_UPLOADS_MAX = 64,      /* uploads in parts that are open at once */
    SB_ARTIFACT_UPLOAD_ID = 32,        /* characters */
};

#define SB_ARTIFACT_UPLOAD_IDLE_MS (INT64_C(24) * 3600 * 1000) /* then it is given up */

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
    int64_t size;
    char etag[SB_ARTIFACT_ETAG_MAX]; /* changes when the file is replaced */
};

/* One part of an upload, as its sender names it at the end. */
struct sb_artifact_part {
    int64_t number;     /* from 1 */
    struct sb_str etag; /* what the part's commit gave */
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
    /* The next read begins there; at <= size. */
    void (*seek)(void *reader, int64_t at);
    void (*close)(void *reader);
    /* Folders on the way are made at commit. SB_E_INVALID for the root itself. */
    sb_err (*create)(void *self, struct sb_str path, void **writer, struct sb_errctx *ctx);
    sb_err (*write)(void *writer, const void *p, size_t n, struct sb_errctx *ctx);
    /* Whole, durable and visible at once, in place of what the path held; SB_E_STATE when that is a
     * folder, or when a part of the path is a file. Frees the writer, also when it fails. etag is
     * of a part (see below), else "". */
    sb_err (*commit)(void *writer, char etag[SB_ARTIFACT_ETAG_MAX], struct sb_errctx *ctx);
    void (*abort)(void *writer);
    /* A file, or a folder with all it holds; fine when missing. */
    sb_err (*remove)(void *self, struct sb_str path, struct sb_errctx *ctx);

    /* Removal in two steps: out of its place at once, under a ticket (0: nothing was there); then
     * back to it, or really removed. What a crash leaves aside goes at the next start. */
    sb_err (*set_aside)(void *self, struct sb_str path, uint64_t *ticket, struct sb_errctx *ctx);
    sb_err (*put_back)(void *self, uint64_t ticket, struct sb_str path, struct sb_errctx *ctx);
    sb_err (*discard)(void *self, uint64_t ticket, struct sb_errctx *ctx);

    /* Uploads in parts; NULL where a store has none. All parts but the last have one size. What is
     * committed survives a crash; an upload that is idle for SB_ARTIFACT_UPLOAD_IDLE_MS goes.
     *
     * parts is 1..SB_ARTIFACT_PARTS_MAX; SB_E_BUSY when SB_ARTIFACT_UPLOADS_MAX are open. */
    sb_err (*parts_begin)(void *self, struct sb_str path, int64_t parts,
                          char id[SB_ARTIFACT_UPLOAD_ID + 1], struct sb_errctx *ctx);
    /* A writer for exactly size bytes; the same part again replaces it. SB_E_MISSING: no such
     * upload. SB_E_INVALID: no such part, or not the size of the others. SB_E_BUSY: it is being
     * written, or the upload is being ended. */
    sb_err (*part_create)(void *self, struct sb_str id, int64_t number, int64_t size, void **writer,
                          struct sb_errctx *ctx);
    /* The file at path, from all parts, which must be the ones named; commit's errors, and those of
     * part_create. After a failure it can be tried again. */
    sb_err (*parts_end)(void *self, struct sb_str id, struct sb_str path,
                        const struct sb_artifact_part *parts, size_t n, struct sb_errctx *ctx);
    /* Fine when there is no such upload. */
    sb_err (*parts_abort)(void *self, struct sb_str id, struct sb_errctx *ctx);
    void (*free)(void *self);
};

struct sb_artifact_store {
    const struct sb_artifact_ops *ops;
    void *self;
};

/* Files below the folder root, which is made when missing. What an upload cut short by a crash left
 * behind is removed; uploads in parts go on (docs/formats/artifacts.md). One process at a time may
 * have it open for writing (the data folder's lock sees to that). */
SB_MUST_CHECK sb_err sb_artifact_files_open(struct sb_artifact_store *out, const char *root,
                                            struct sb_errctx *ctx);

#endif
