/* Copying files with their checksums, at a bounded rate and without filling the disk's queue: what
 * is written is synced every few MB, so that the fdatasync of a prediction next door never waits
 * for a large copy. */
#ifndef SB_DOMAIN_BACKUP_COPY_INT_H
#define SB_DOMAIN_BACKUP_COPY_INT_H

#include "domain/backup/backup.h"
#include "sys/file.h"

struct sb_copier {
    int64_t rate, started; /* bytes a second, 0 = none; sb_mono_ns */
    int64_t done, total;   /* bytes */
    struct sb_backup_progress progress;
    const char *doing;
    char *piece;
};
void sb_copier_init(struct sb_copier *c, const struct sb_backup_progress *p, int64_t rate);
void sb_copier_fini(struct sb_copier *c);

/* Reads the first bytes of from (fewer when it is shorter), writes them to the new file `to` unless
 * that is NULL, synced. size and sha256 of out are set. */
SB_MUST_CHECK sb_err sb_copier_run(struct sb_copier *c, const struct sb_file *from, int64_t bytes,
                                   const char *to, struct sb_backup_file *out,
                                   struct sb_errctx *ctx);

#endif
