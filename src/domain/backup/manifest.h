/* MANIFEST of a backup, docs/formats/backup.md: what belongs to it, and the checksum of each file.
 *
 * One JSON object a line: the head, a line per file, the events' range, the end with the checksum
 * of all lines before it. So it can be written as the files are copied, and any change of any byte
 * is found. It comes from outside: paths are checked here, once, for everybody who uses them. */
#ifndef SB_DOMAIN_BACKUP_MANIFEST_H
#define SB_DOMAIN_BACKUP_MANIFEST_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/sha256.h"

#define SB_BACKUP_MANIFEST "MANIFEST"

enum {
    SB_BACKUP_VERSION = 1,
    SB_BACKUP_MANIFEST_MAX = 512 << 20, /* bytes: about three million files */
    SB_BACKUP_PATH_MAX = 4095,          /* bytes of a path */
    SB_BACKUP_DEPTH_MAX = 64,           /* parts of a path */
};

struct sb_backup_head {
    int64_t created_ms;       /* wall clock */
    const char *sibyl, *node; /* program's version, machine's name */
    int64_t data_version;     /* of the data folder's format */
};

struct sb_backup_file {
    const char *path; /* "data/registry/mlflow.db": relative, canonical */
    int64_t size;
    char sha256[SB_SHA256_TEXT];
};

struct sb_backup_manifest {
    struct sb_backup_head head;
    struct sb_backup_file *file; /* ascending by path */
    size_t n;
    int64_t bytes;                     /* of all files */
    int64_t first_offset, next_offset; /* events that the backup holds */
};

/* Parts that may be used as names, joined by single '/', below "data/" or the name "config.yaml".
 */
bool sb_backup_path_ok(struct sb_str path);

/* Strings live in the arena. SB_E_VERSION: a newer format, said before anything else is looked at.
 * SB_E_CORRUPT: damaged or cut; pos is the line. */
SB_MUST_CHECK sb_err sb_backup_manifest_parse(struct sb_backup_manifest *out, struct sb_str text,
                                              struct sb_arena *a, struct sb_errctx *ctx);

/* Writing: head, then files, then end. The text grows in memory. */
struct sb_backup_writer {
    struct sb_buf text;
    int64_t files, bytes;
};
void sb_backup_writer_init(struct sb_backup_writer *w, const struct sb_backup_head *head);
void sb_backup_writer_file(struct sb_backup_writer *w, const struct sb_backup_file *f);
/* The finished text is w->text. */
SB_MUST_CHECK sb_err sb_backup_writer_end(struct sb_backup_writer *w, int64_t first_offset,
                                          int64_t next_offset);
void sb_backup_writer_fini(struct sb_backup_writer *w);

#endif
