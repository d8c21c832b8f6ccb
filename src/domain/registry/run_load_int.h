/* Runs from their rows. */
#ifndef SB_DOMAIN_REGISTRY_RUN_LOAD_INT_H
#define SB_DOMAIN_REGISTRY_RUN_LOAD_INT_H

#include "domain/registry/store_int.h"
#include "domain/registry/tracking.h"

#define SB_RUN_COLUMNS                                                                             \
    "r.run_uuid, r.name, r.user_id, r.status, r.start_time, r.end_time, r.lifecycle_stage, "       \
    "r.artifact_uri, r.experiment_id"

/* The current row, whose first columns are SB_RUN_COLUMNS. */
void sb_run_read_info(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_run_info *out);
/* Fills everything but info of n runs: a fixed number of statements per 256 of them. */
SB_MUST_CHECK sb_err sb_run_load_children(struct sb_tx *tx, struct sb_run *v, size_t n);
SB_MUST_CHECK sb_err sb_run_load(struct sb_tx *tx, struct sb_str run_id, struct sb_run *out);
/* A stored value: NaN is 0 with a flag. */
double sb_metric_value(struct sb_sql_stmt *st, int value_column, int is_nan_column);

#endif
