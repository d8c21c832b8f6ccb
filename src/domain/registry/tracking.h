/* Experiments, runs, datasets, logged models. Thread and error rules: registry.h. Limits, names and
 * messages are those of MLflow 3.17.2 (mlflow/store/tracking/sqlalchemy_store.py,
 * utils/validation.py, utils/search_utils.py).
 *
 * Ids come as the wire's text and are validated here. Required fields that are absent are the
 * caller's business (api/mlflow answers "Missing value for required parameter"); here an absent
 * name or id is just an invalid one. */
#ifndef SB_DOMAIN_REGISTRY_TRACKING_H
#define SB_DOMAIN_REGISTRY_TRACKING_H

#include "domain/registry/registry.h"

/* ---- experiments ---- */

struct sb_experiment {
    int64_t id; /* a decimal string on the wire */
    struct sb_str name, artifact_location;
    bool deleted; /* lifecycle_stage "deleted", else "active" */
    struct sb_opt_i64 creation_time, last_update_time;
    struct sb_tags tags; /* by key */
};
struct sb_experiments {
    struct sb_experiment *v;
    size_t n;
    struct sb_str next_page_token; /* absent on the last page */
};

/* artifact_location absent or empty: <default root>/<id>. */
SB_MUST_CHECK sb_err sb_registry_experiment_create(struct sb_registry_call *c, struct sb_str name,
                                                   struct sb_str artifact_location,
                                                   struct sb_tags tags, int64_t *id);
/* Deleted ones too. */
SB_MUST_CHECK sb_err sb_registry_experiment_get(struct sb_registry_call *c, struct sb_str id,
                                                struct sb_experiment *out);
SB_MUST_CHECK sb_err sb_registry_experiment_by_name(struct sb_registry_call *c, struct sb_str name,
                                                    struct sb_experiment *out);
SB_MUST_CHECK sb_err sb_registry_experiment_search(struct sb_registry_call *c,
                                                   const struct sb_search *q, enum sb_view view,
                                                   struct sb_experiments *out);
SB_MUST_CHECK sb_err sb_registry_experiment_rename(struct sb_registry_call *c, struct sb_str id,
                                                   struct sb_str new_name);
/* Marks it and its runs deleted; restore undoes both. */
SB_MUST_CHECK sb_err sb_registry_experiment_delete(struct sb_registry_call *c, struct sb_str id);
SB_MUST_CHECK sb_err sb_registry_experiment_restore(struct sb_registry_call *c, struct sb_str id);
SB_MUST_CHECK sb_err sb_registry_experiment_tag_set(struct sb_registry_call *c, struct sb_str id,
                                                    struct sb_str key, struct sb_str value);
SB_MUST_CHECK sb_err sb_registry_experiment_tag_delete(struct sb_registry_call *c, struct sb_str id,
                                                       struct sb_str key);

/* ---- runs ---- */

enum sb_run_status {
    SB_RUN_RUNNING = 1, /* numbers of mlflow.proto RunStatus */
    SB_RUN_SCHEDULED,
    SB_RUN_FINISHED,
    SB_RUN_FAILED,
    SB_RUN_KILLED,
};
/* "RUNNING"; false when the name is none. */
const char *sb_run_status_name(enum sb_run_status s);
bool sb_run_status_parse(struct sb_str name, enum sb_run_status *out);

/* value may be NaN or infinite; infinities come back as +-1.7976931348623157e308 (MLflow stores
 * them so). dataset_*, model_id and run_id are absent where there is none. */
struct sb_metric {
    struct sb_str key;
    double value;
    int64_t timestamp, step;
    struct sb_str dataset_name, dataset_digest, model_id, run_id;
};
struct sb_metrics {
    struct sb_metric *v;
    size_t n;
    struct sb_str next_page_token;
};

struct sb_dataset {
    struct sb_str name, digest, source_type, source;
    struct sb_str schema, profile; /* may be absent */
};
struct sb_dataset_input {
    struct sb_dataset dataset;
    struct sb_tags tags;
};
struct sb_dataset_inputs {
    struct sb_dataset_input *v;
    size_t n;
};
struct sb_model_link { /* step is of outputs only */
    struct sb_str model_id;
    int64_t step;
};
struct sb_model_links {
    struct sb_model_link *v;
    size_t n;
};

struct sb_run_info {
    struct sb_str run_id, name, user_id, artifact_uri;
    int64_t experiment_id;
    enum sb_run_status status;
    struct sb_opt_i64 start_time, end_time;
    bool deleted;
};
struct sb_run {
    struct sb_run_info info;
    struct sb_metrics metrics; /* the latest of each key */
    struct sb_tags params, tags;
    struct sb_dataset_inputs dataset_inputs;
    struct sb_model_links model_inputs, model_outputs;
};
struct sb_runs {
    struct sb_run *v;
    size_t n;
    struct sb_str next_page_token;
};

struct sb_run_new {
    struct sb_str experiment_id;
    struct sb_str user_id, name; /* may be absent; a name is made up then */
    struct sb_opt_i64 start_time;
    struct sb_tags tags;
};
SB_MUST_CHECK sb_err sb_registry_run_create(struct sb_registry_call *c, const struct sb_run_new *in,
                                            struct sb_run *out);
/* Deleted ones too. */
SB_MUST_CHECK sb_err sb_registry_run_get(struct sb_registry_call *c, struct sb_str run_id,
                                         struct sb_run *out);
/* Only the info part, for artifact paths: one indexed read. */
SB_MUST_CHECK sb_err sb_registry_run_info(struct sb_registry_call *c, struct sb_str run_id,
                                          struct sb_run_info *out);
/* status 0, end_time absent, name absent or empty: left as they are. */
SB_MUST_CHECK sb_err sb_registry_run_update(struct sb_registry_call *c, struct sb_str run_id,
                                            enum sb_run_status status, struct sb_opt_i64 end_time,
                                            struct sb_str name, struct sb_run_info *out);
SB_MUST_CHECK sb_err sb_registry_run_delete(struct sb_registry_call *c, struct sb_str run_id);
SB_MUST_CHECK sb_err sb_registry_run_restore(struct sb_registry_call *c, struct sb_str run_id);

SB_MUST_CHECK sb_err sb_registry_metric_log(struct sb_registry_call *c, struct sb_str run_id,
                                            const struct sb_metric *m);
SB_MUST_CHECK sb_err sb_registry_param_log(struct sb_registry_call *c, struct sb_str run_id,
                                           struct sb_str key, struct sb_str value);
SB_MUST_CHECK sb_err sb_registry_run_tag_set(struct sb_registry_call *c, struct sb_str run_id,
                                             struct sb_str key, struct sb_str value);
SB_MUST_CHECK sb_err sb_registry_run_tag_delete(struct sb_registry_call *c, struct sb_str run_id,
                                                struct sb_str key);
/* <= 1000 metrics, 100 params, 100 tags, 1000 in all; one transaction. */
SB_MUST_CHECK sb_err sb_registry_batch_log(struct sb_registry_call *c, struct sb_str run_id,
                                           const struct sb_metric *metrics, size_t metrics_n,
                                           struct sb_tags params, struct sb_tags tags);
/* The 2.x clients' record: one JSON object (its text), appended to tag mlflow.log-model.history. */
SB_MUST_CHECK sb_err sb_registry_run_model_record(struct sb_registry_call *c, struct sb_str run_id,
                                                  struct sb_str model_json);
SB_MUST_CHECK sb_err sb_registry_inputs_log(struct sb_registry_call *c, struct sb_str run_id,
                                            struct sb_dataset_inputs datasets,
                                            struct sb_model_links models);
SB_MUST_CHECK sb_err sb_registry_outputs_log(struct sb_registry_call *c, struct sb_str run_id,
                                             struct sb_model_links models);

SB_MUST_CHECK sb_err sb_registry_run_search(struct sb_registry_call *c,
                                            const struct sb_str *experiment_ids,
                                            size_t experiment_ids_n, const struct sb_search *q,
                                            enum sb_view view, struct sb_runs *out);

/* Ordered by (timestamp, step, value). max_results absent: all. */
SB_MUST_CHECK sb_err sb_registry_metric_history(struct sb_registry_call *c, struct sb_str run_id,
                                                struct sb_str key, struct sb_opt_i64 max_results,
                                                struct sb_str page_token, struct sb_metrics *out);
/* Up to 100 runs in their order, up to max_results (<= 25000) rows; run_id is set. */
SB_MUST_CHECK sb_err sb_registry_metric_history_bulk(struct sb_registry_call *c,
                                                     const struct sb_str *run_ids, size_t run_ids_n,
                                                     struct sb_str key, int64_t max_results,
                                                     struct sb_metrics *out);
/* Sampled: about max_results (1..2500) steps of [start_step, end_step] shared by all runs. */
SB_MUST_CHECK sb_err sb_registry_metric_history_interval(
    struct sb_registry_call *c, const struct sb_str *run_ids, size_t run_ids_n, struct sb_str key,
    struct sb_opt_i64 start_step, struct sb_opt_i64 end_step, int64_t max_results,
    struct sb_metrics *out);

struct sb_dataset_summary {
    int64_t experiment_id;
    struct sb_str name, digest;
    struct sb_str context; /* tag mlflow.data.context; may be absent */
};
struct sb_dataset_summaries {
    struct sb_dataset_summary *v;
    size_t n;
};
/* Newest 1000 of these experiments (<= 20 ids). */
SB_MUST_CHECK sb_err sb_registry_dataset_search(struct sb_registry_call *c,
                                                const struct sb_str *experiment_ids, size_t n,
                                                struct sb_dataset_summaries *out);

/* ---- logged models (MLflow 3) ---- */

enum sb_logged_model_status {
    /* stored numbers; names LOGGED_MODEL_PENDING ... on the wire */
    SB_LOGGED_MODEL_UNSPECIFIED, /* what a real server stores for a status it does not know */
    SB_LOGGED_MODEL_PENDING,
    SB_LOGGED_MODEL_READY,
    SB_LOGGED_MODEL_UPLOAD_FAILED,
};
const char *sb_logged_model_status_name(enum sb_logged_model_status s);
bool sb_logged_model_status_parse(struct sb_str name, enum sb_logged_model_status *out);

struct sb_registration { /* from tag mlflow.modelVersions, duplicates dropped */
    struct sb_str name, version;
};
struct sb_logged_model {
    struct sb_str model_id, name, artifact_uri, model_type, source_run_id, status_message;
    int64_t experiment_id, creation_time, last_updated_time;
    enum sb_logged_model_status status;
    bool deleted;
    struct sb_tags tags, params;
    struct sb_metrics metrics;
    struct sb_registration *registrations;
    size_t registrations_n;
};
struct sb_logged_models {
    struct sb_logged_model *v;
    size_t n;
    struct sb_str next_page_token;
};
struct sb_logged_model_new {
    struct sb_str experiment_id;
    struct sb_str name, model_type, source_run_id; /* may be absent; a name is made up then */
    struct sb_tags tags, params;
};
SB_MUST_CHECK sb_err sb_registry_logged_model_create(struct sb_registry_call *c,
                                                     const struct sb_logged_model_new *in,
                                                     struct sb_logged_model *out);
SB_MUST_CHECK sb_err sb_registry_logged_model_get(struct sb_registry_call *c,
                                                  struct sb_str model_id, bool allow_deleted,
                                                  struct sb_logged_model *out);
SB_MUST_CHECK sb_err sb_registry_logged_model_finalize(struct sb_registry_call *c,
                                                       struct sb_str model_id,
                                                       enum sb_logged_model_status status,
                                                       struct sb_logged_model *out);
SB_MUST_CHECK sb_err sb_registry_logged_model_delete(struct sb_registry_call *c,
                                                     struct sb_str model_id);
SB_MUST_CHECK sb_err sb_registry_logged_model_params_log(struct sb_registry_call *c,
                                                         struct sb_str model_id,
                                                         struct sb_tags params);
SB_MUST_CHECK sb_err sb_registry_logged_model_tags_set(struct sb_registry_call *c,
                                                       struct sb_str model_id, struct sb_tags tags);
SB_MUST_CHECK sb_err sb_registry_logged_model_tag_delete(struct sb_registry_call *c,
                                                         struct sb_str model_id, struct sb_str key);

struct sb_dataset_filter {
    struct sb_str name, digest; /* digest may be absent */
};
struct sb_model_order { /* one item of order_by; this search has objects, not strings */
    struct sb_str field_name;
    bool descending;
    struct sb_str dataset_name, dataset_digest; /* may be absent */
};
struct sb_logged_model_search {
    const struct sb_str *experiment_ids;
    size_t experiment_ids_n;
    struct sb_str filter;
    const struct sb_dataset_filter *datasets;
    size_t datasets_n;
    const struct sb_model_order *order_by;
    size_t order_by_n;
    struct sb_opt_i64 max_results;
    struct sb_str page_token;
};
SB_MUST_CHECK sb_err sb_registry_logged_model_search(struct sb_registry_call *c,
                                                     const struct sb_logged_model_search *q,
                                                     struct sb_logged_models *out);

#endif
