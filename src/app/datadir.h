/* The data folder: everything an instance keeps. Layout and format: docs/formats/data-folder.md. */
#ifndef SB_APP_DATADIR_H
#define SB_APP_DATADIR_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/backup/backup.h"
#include "sys/lock.h"

enum { SB_DATADIR_VERSION = 1 };

#define SB_DATADIR_PREDICTIONS  "journal/predictions"
#define SB_DATADIR_METRICS      "journal/metrics"
#define SB_DATADIR_INDEX        "index"
#define SB_DATADIR_AUDIT        "journal/audit"
#define SB_DATADIR_REGISTRY     "registry/mlflow.db"
#define SB_DATADIR_ARTIFACTS    "artifacts"
#define SB_DATADIR_MODELS       "models"
#define SB_DATADIR_ENVIRONMENTS "environments"
#define SB_DATADIR_RUN          "run"
#define SB_DATADIR_ALERTS       "alerts"
#define SB_DATADIR_ALERT_RULES  "alerts.yaml"

/* Takes the folder for this process, making it when it is missing. SB_E_LOCKED names the holder.
 * SB_E_VERSION: written by another version of the format. SB_E_DENIED: a folder with other things
 * in it; nothing was touched. */
SB_MUST_CHECK sb_err sb_datadir_take(struct sb_lock *lock, const char *dir, struct sb_errctx *ctx);

/* Only looks: SB_OK for a folder that sb_datadir_take would take if nobody held it, SB_E_MISSING
 * when there is none yet; else its errors. */
SB_MUST_CHECK sb_err sb_datadir_look(const char *dir, struct sb_errctx *ctx);

/* What of it belongs into a backup, and how: for sb_backup_make. */
extern const struct sb_backup_part sb_datadir_parts[];

/* "DIR/PART" */
const char *sb_datadir_path(struct sb_arena *a, const char *dir, const char *part);

#endif
