/* What the parts of the folder back-end share. */
#ifndef SB_DOMAIN_ARTIFACT_FILES_INT_H
#define SB_DOMAIN_ARTIFACT_FILES_INT_H

#include <stdatomic.h>

#include "base/thread.h"
#include "domain/artifact/artifact.h"
#include "domain/artifact/path.h"
#include "sys/path.h"

enum { FILES_NAME = 24 }; /* room for a name in the upload folder */

struct upload;

struct files {
    struct sb_file root, upload;
    _Atomic uint64_t next; /* names in the upload folder; 0 is none */
    struct sb_mutex lock;  /* guards the uploads and what they hold */
    struct upload *uploads[SB_ARTIFACT_UPLOADS_MAX];
};

/* A file being written: one of its own that is renamed to path, or a part of an upload. */
struct writer {
    struct files *files;
    struct sb_file file;
    int64_t at;
    char name[FILES_NAME];
    char *path;

    struct upload *upload; /* NULL: no part */
    size_t part;           /* index */
    int64_t begin, end;    /* where it lies in the file */
    uint32_t crc;
};

void files_name(uint64_t number, char to[FILES_NAME]);
void files_writer_free(struct writer *w);
/* Moves from/name to its place, durably. SB_E_STATE as commit. */
SB_MUST_CHECK sb_err files_place(struct files *f, const struct sb_file *from, const char *name,
                                 struct sb_str path, struct sb_errctx *ctx);
/* Removes what has that name in the upload folder. */
SB_MUST_CHECK sb_err files_purge(struct files *f, const char *name, struct sb_errctx *ctx);

/* ---- parts.c ---- */

void parts_init(struct files *f);
void parts_fini(struct files *f);
/* At start: false when name is no upload that can go on. */
bool parts_take_up(struct files *f, const char *name);
sb_err parts_begin(void *self, struct sb_str path, int64_t parts,
                   char id[SB_ARTIFACT_UPLOAD_ID + 1], struct sb_errctx *ctx);
sb_err part_create(void *self, struct sb_str id, int64_t number, int64_t size, void **writer,
                   struct sb_errctx *ctx);
sb_err parts_end(void *self, struct sb_str id, struct sb_str path,
                 const struct sb_artifact_part *parts, size_t n, struct sb_errctx *ctx);
sb_err parts_abort(void *self, struct sb_str id, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err parts_writer_commit(struct writer *w, char etag[SB_ARTIFACT_ETAG_MAX],
                                         struct sb_errctx *ctx);
/* Gives the part back; etag NULL: it was not written whole. */
void parts_writer_end(struct writer *w, const char *etag);

#endif
