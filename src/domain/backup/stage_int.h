/* The folder that is worked in until a rename gives it its name; and paths, which are on the heap:
 * the caller frees them with sb_free. */
#ifndef SB_DOMAIN_BACKUP_STAGE_INT_H
#define SB_DOMAIN_BACKUP_STAGE_INT_H

#include "base/err.h"
#include "sys/lock.h"

char *sb_backup_join(const char *dir, const char *name);
char *sb_backup_suffix(const char *path, const char *suffix);

/* The name that a backup or data folder is to get, without '/' at its end. SB_E_INVALID: nothing
 * that can be renamed to ("/", ".", ".."). */
SB_MUST_CHECK sb_err sb_backup_target(const char *given, char **path, struct sb_errctx *ctx);
/* SB_E_INVALID when path lies in the folder dir. */
SB_MUST_CHECK sb_err sb_backup_target_outside(const char *path, const char *dir,
                                              struct sb_errctx *ctx);
/* Makes the folder `stage` anew, locked; what an earlier run left there goes. */
SB_MUST_CHECK sb_err sb_backup_stage_open(const char *stage, struct sb_lock *lock,
                                          struct sb_errctx *ctx);
/* Removes it after a failure. */
void sb_backup_stage_drop(const char *stage, struct sb_lock *lock);
/* Gives it its name, durably; an empty folder of that name is replaced. */
SB_MUST_CHECK sb_err sb_backup_stage_name(const char *stage, const char *path,
                                          struct sb_errctx *ctx);

/* SB_OK when path is missing or an empty folder; SB_E_EXISTS otherwise. */
SB_MUST_CHECK sb_err sb_backup_target_check(const char *path, struct sb_errctx *ctx);

#endif
