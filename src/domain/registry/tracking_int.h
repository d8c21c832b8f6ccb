/* What the files of tracking share. */
#ifndef SB_DOMAIN_REGISTRY_TRACKING_INT_H
#define SB_DOMAIN_REGISTRY_TRACKING_INT_H

#include "domain/registry/store_int.h"
#include "domain/registry/tracking.h"

/* Without tags. RESOURCE_DOES_NOT_EXIST; _active: also INVALID_PARAMETER_VALUE when deleted. */
SB_MUST_CHECK sb_err sb_experiment_load(struct sb_tx *tx, int64_t id, struct sb_experiment *out);
SB_MUST_CHECK sb_err sb_experiment_load_active(struct sb_tx *tx, int64_t id,
                                               struct sb_experiment *out);

SB_MUST_CHECK sb_err sb_run_load_info(struct sb_tx *tx, struct sb_str run_id,
                                      struct sb_run_info *out);
/* The gate of every write to a run: it exists and is not deleted. */
SB_MUST_CHECK sb_err sb_run_load_active(struct sb_tx *tx, struct sb_str run_id,
                                        struct sb_run_info *out);
SB_MUST_CHECK sb_err sb_run_put_tag(struct sb_tx *tx, struct sb_str run_id, struct sb_str key,
                                    struct sb_str value);

SB_MUST_CHECK sb_err sb_logged_model_load(struct sb_tx *tx, struct sb_str model_id,
                                          bool allow_deleted, struct sb_logged_model *out);
/* Adds {name, version} to the model's tag mlflow.modelVersions unless it is there. */
SB_MUST_CHECK sb_err sb_logged_model_add_registration(struct sb_tx *tx, struct sb_str model_id,
                                                      struct sb_str name, int64_t version);

#endif
