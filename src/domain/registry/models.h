/* Registered models, their versions, aliases, stages and tags. Thread and error rules: registry.h.
 * Rules and messages are those of MLflow 3.17.2 (mlflow/store/model_registry/sqlalchemy_store.py).
 *
 * Prompts (tag mlflow.prompt.is_prompt = "true") live in the same tables and stay out of searches
 * that do not ask for them. */
#ifndef SB_DOMAIN_REGISTRY_MODELS_H
#define SB_DOMAIN_REGISTRY_MODELS_H

#include "domain/registry/registry.h"

struct sb_model_version {
    struct sb_str name;
    int64_t version; /* a decimal string on the wire */
    struct sb_opt_i64 creation_time, last_updated_time;
    struct sb_str user_id, description, source, run_id, run_link, status, status_message;
    struct sb_str stage;            /* "None", "Staging", "Production", "Archived" */
    struct sb_str storage_location; /* where the files are; absent = source */
    struct sb_tags tags;            /* by key */
    const struct sb_str *aliases;   /* none in search results */
    size_t aliases_n;
    struct sb_str model_id; /* of a source models:/m-...; may be absent */
};
struct sb_model_versions {
    struct sb_model_version *v;
    size_t n;
    struct sb_str next_page_token;
};

struct sb_alias {
    struct sb_str alias;
    int64_t version;
};
struct sb_registered_model {
    struct sb_str name, description;
    struct sb_opt_i64 creation_time, last_updated_time;
    struct sb_model_version *latest_versions; /* the newest of each stage */
    size_t latest_versions_n;
    struct sb_tags tags;      /* by key */
    struct sb_alias *aliases; /* by alias */
    size_t aliases_n;
};
struct sb_registered_models {
    struct sb_registered_model *v;
    size_t n;
    struct sb_str next_page_token;
};

SB_MUST_CHECK sb_err sb_registry_model_create(struct sb_registry_call *c, struct sb_str name,
                                              struct sb_str description, struct sb_tags tags,
                                              struct sb_registered_model *out);
SB_MUST_CHECK sb_err sb_registry_model_get(struct sb_registry_call *c, struct sb_str name,
                                           struct sb_registered_model *out);
SB_MUST_CHECK sb_err sb_registry_model_update(struct sb_registry_call *c, struct sb_str name,
                                              struct sb_str description,
                                              struct sb_registered_model *out);
SB_MUST_CHECK sb_err sb_registry_model_rename(struct sb_registry_call *c, struct sb_str name,
                                              struct sb_str new_name,
                                              struct sb_registered_model *out);
/* With all its versions; their numbers start again. */
SB_MUST_CHECK sb_err sb_registry_model_delete(struct sb_registry_call *c, struct sb_str name);
/* max_results: default 100, at most 1000. */
SB_MUST_CHECK sb_err sb_registry_model_search(struct sb_registry_call *c, const struct sb_search *q,
                                              struct sb_registered_models *out);
/* The newest version of each of the stages (any case); of every stage when stages_n is 0. */
SB_MUST_CHECK sb_err sb_registry_model_latest(struct sb_registry_call *c, struct sb_str name,
                                              const struct sb_str *stages, size_t stages_n,
                                              struct sb_model_versions *out);
SB_MUST_CHECK sb_err sb_registry_model_tag_set(struct sb_registry_call *c, struct sb_str name,
                                               struct sb_str key, struct sb_str value);
SB_MUST_CHECK sb_err sb_registry_model_tag_delete(struct sb_registry_call *c, struct sb_str name,
                                                  struct sb_str key);
/* Moves the alias when it exists. */
SB_MUST_CHECK sb_err sb_registry_alias_set(struct sb_registry_call *c, struct sb_str name,
                                           struct sb_str alias, struct sb_str version);
SB_MUST_CHECK sb_err sb_registry_alias_delete(struct sb_registry_call *c, struct sb_str name,
                                              struct sb_str alias);
SB_MUST_CHECK sb_err sb_registry_alias_get(struct sb_registry_call *c, struct sb_str name,
                                           struct sb_str alias, struct sb_model_version *out);

struct sb_version_new {
    struct sb_str name, source;
    struct sb_str run_id, run_link, description, model_id; /* may be absent */
    struct sb_tags tags;
};
/* Checks the source (source_check.h), resolves "models:/..." to where its files are, and adds the
 * registration to the logged model's tag mlflow.modelVersions. READY at once. */
SB_MUST_CHECK sb_err sb_registry_version_create(struct sb_registry_call *c,
                                                const struct sb_version_new *in,
                                                struct sb_model_version *out);
SB_MUST_CHECK sb_err sb_registry_version_get(struct sb_registry_call *c, struct sb_str name,
                                             struct sb_str version, struct sb_model_version *out);
SB_MUST_CHECK sb_err sb_registry_version_update(struct sb_registry_call *c, struct sb_str name,
                                                struct sb_str version, struct sb_str description,
                                                struct sb_model_version *out);
SB_MUST_CHECK sb_err sb_registry_version_delete(struct sb_registry_call *c, struct sb_str name,
                                                struct sb_str version);
SB_MUST_CHECK sb_err sb_registry_version_stage(struct sb_registry_call *c, struct sb_str name,
                                               struct sb_str version, struct sb_str stage,
                                               bool archive_existing, struct sb_model_version *out);
SB_MUST_CHECK sb_err sb_registry_version_download_uri(struct sb_registry_call *c,
                                                      struct sb_str name, struct sb_str version,
                                                      struct sb_str *uri);
/* max_results: default 10000, at most 200000. */
SB_MUST_CHECK sb_err sb_registry_version_search(struct sb_registry_call *c,
                                                const struct sb_search *q,
                                                struct sb_model_versions *out);
SB_MUST_CHECK sb_err sb_registry_version_tag_set(struct sb_registry_call *c, struct sb_str name,
                                                 struct sb_str version, struct sb_str key,
                                                 struct sb_str value);
SB_MUST_CHECK sb_err sb_registry_version_tag_delete(struct sb_registry_call *c, struct sb_str name,
                                                    struct sb_str version, struct sb_str key);

#endif
