/* Backups of a data folder, also of one in use: docs/formats/backup.md.
 *
 * Order makes it consistent. First a snapshot of each database, then the files that it names (they
 * are uploaded before they are named, and never changed), the journal last: so each artifact that
 * the backup's registry knows is there, and all events that were acknowledged before it began.
 *
 * All or nothing: a backup grows under the name PATH.partial and a restored folder under
 * DIR.restoring, both locked while they are worked on; the last step is a rename. Whatever ends the
 * work leaves the name it was to have untouched, and the next run clears the leftover.
 *
 * Everything blocks. One thread. */
#ifndef SB_DOMAIN_BACKUP_BACKUP_H
#define SB_DOMAIN_BACKUP_BACKUP_H

#include <stdbool.h>

#include "domain/backup/manifest.h"

enum sb_backup_kind {
    SB_BACKUP_COPY,      /* files as they are */
    SB_BACKUP_IMMUTABLE, /* files that are only ever replaced whole: a second name for the same file
                            where the file system allows it */
    SB_BACKUP_DATABASES, /* a folder with SQLite databases, *.db */
    SB_BACKUP_TOPICS,    /* a folder whose folders are topics of the journal */
    SB_BACKUP_LEAVE,     /* worth nothing elsewhere */
};

/* What the data folder holds, in the order in which it is copied. Names at the top that no row has
 * are copied after the last row but the journal's. */
struct sb_backup_part {
    const char *name; /* of a file or folder at the top of the data folder */
    enum sb_backup_kind kind;
    const char *leave; /* names directly below it that begin so are left out; NULL = none */
};

/* What is done now, for people. total is 0 when it is not known. */
struct sb_backup_progress {
    void (*say)(void *arg, const char *doing, int64_t done, int64_t total);
    void *arg;
};

struct sb_backup_opts {
    const char *data; /* the data folder */
    const char *path; /* the backup to be: must not be there, or be an empty folder */
    const struct sb_backup_part *parts; /* ends with a row whose name is NULL */
    const char *config_file;            /* a file to keep with it as config.yaml; NULL = none */
    struct sb_backup_head head;
    int64_t bytes_per_second; /* read at most; 0 = as fast as it goes */
    struct sb_backup_progress progress;
};

struct sb_backup_result {
    int64_t files, bytes, linked; /* linked: of the files, second names */
    int64_t left_out;             /* symlinks, sockets and the like */
    int64_t first_offset, next_offset;
    int64_t created_ms;
    bool has_config;
};

/* SB_E_EXISTS: the name is taken. SB_E_LOCKED: another backup is being made there. */
SB_MUST_CHECK sb_err sb_backup_make(const struct sb_backup_opts *o, struct sb_backup_result *out,
                                    struct sb_errctx *ctx);

/* Reads all of it. SB_E_CORRUPT names the first file that is not as it was; SB_E_VERSION;
 * SB_E_MISSING: no backup there. */
SB_MUST_CHECK sb_err sb_backup_verify(const char *path, int64_t data_version_max,
                                      const struct sb_backup_progress *progress,
                                      struct sb_backup_result *out, struct sb_errctx *ctx);

/* Verifies, then makes the data folder `data`, which must not be there or be empty: SB_E_EXISTS
 * otherwise, SB_E_LOCKED when a process uses it. Nothing is written before all is verified. */
SB_MUST_CHECK sb_err sb_backup_restore(const char *path, const char *data, int64_t data_version_max,
                                       const struct sb_backup_progress *progress,
                                       struct sb_backup_result *out, struct sb_errctx *ctx);

#endif
