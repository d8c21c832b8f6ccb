/* MLflow's rules for names, values and sizes (mlflow/utils/validation.py), with its messages. Each
 * returns SB_OK or fills c->error with INVALID_PARAMETER_VALUE. Lengths are characters. */
#ifndef SB_DOMAIN_REGISTRY_CHECK_INT_H
#define SB_DOMAIN_REGISTRY_CHECK_INT_H

#include "domain/registry/tracking.h"

enum {
    MAX_KEY = 250, /* of metrics, params and tags */
    MAX_PARAM_VALUE = 6000,
    MAX_TAG_VALUE = 8000,
    MAX_EXPERIMENT_NAME = 500,
    MAX_EXPERIMENT_TAG_VALUE = 20000,
    MAX_REGISTRY_TAG_VALUE = 100000,
    MAX_ALIAS = 255,
    MAX_MODEL_NAME = 256, /* column widths, which SQLite itself does not hold to */
    MAX_DESCRIPTION = 5000,
    MAX_LOCATION = 500,
    MAX_BATCH_METRICS = 1000,
    MAX_BATCH_PARAMS = 100,
    MAX_BATCH_TAGS = 100,
    MAX_BATCH_TOTAL = 1000,
};

/* Name of a metric, param or tag; path names it in the message ("metrics[3].name"). */
SB_MUST_CHECK sb_err sb_check_key(struct sb_registry_call *c, struct sb_str key, const char *path);
SB_MUST_CHECK sb_err sb_check_length(struct sb_registry_call *c, const char *what, size_t limit,
                                     struct sb_str value);
/* path is "" for a single one, else "metrics[3]". */
SB_MUST_CHECK sb_err sb_check_metric(struct sb_registry_call *c, const struct sb_metric *m,
                                     const char *path);
/* Values that are too long are cut, as MLflow does by default. An absent value is "". */
SB_MUST_CHECK sb_err sb_check_param(struct sb_registry_call *c, struct sb_tag *param,
                                    const char *path);
SB_MUST_CHECK sb_err sb_check_run_tag(struct sb_registry_call *c, struct sb_tag *tag,
                                      const char *path);
SB_MUST_CHECK sb_err sb_check_experiment_tag(struct sb_registry_call *c, struct sb_tag tag);
SB_MUST_CHECK sb_err sb_check_registry_tag(struct sb_registry_call *c, struct sb_tag tag);

SB_MUST_CHECK sb_err sb_check_experiment_name(struct sb_registry_call *c, struct sb_str name);
/* An absent or empty id is the default experiment, 0. */
SB_MUST_CHECK sb_err sb_check_experiment_id(struct sb_registry_call *c, struct sb_str id,
                                            int64_t *out);
SB_MUST_CHECK sb_err sb_check_run_id(struct sb_registry_call *c, struct sb_str id);
SB_MUST_CHECK sb_err sb_check_logged_model_name(struct sb_registry_call *c, struct sb_str name);
SB_MUST_CHECK sb_err sb_check_dataset_input(struct sb_registry_call *c,
                                            const struct sb_dataset_input *in);

/* field is "name" or "new_name" (only for the message that it is missing). */
SB_MUST_CHECK sb_err sb_check_model_name(struct sb_registry_call *c, struct sb_str name,
                                         const char *field);
SB_MUST_CHECK sb_err sb_check_version(struct sb_registry_call *c, struct sb_str version,
                                      int64_t *out);
/* reserved: also refuse "latest" and v<digits> (when one is set). */
SB_MUST_CHECK sb_err sb_check_alias(struct sb_registry_call *c, struct sb_str alias, bool reserved);
/* "Production" for any case of it. */
SB_MUST_CHECK sb_err sb_check_stage(struct sb_registry_call *c, struct sb_str stage,
                                    struct sb_str *out);

#endif
