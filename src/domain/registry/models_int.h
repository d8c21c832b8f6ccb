/* What the files of the model registry share. */
#ifndef SB_DOMAIN_REGISTRY_MODELS_INT_H
#define SB_DOMAIN_REGISTRY_MODELS_INT_H

#include "domain/registry/models.h"
#include "domain/registry/store_int.h"

#define SB_PROMPT_TAG "mlflow.prompt.is_prompt"

#define SB_VERSION_COLUMNS                                                                         \
    "v.name, v.version, v.creation_time, v.last_updated_time, v.user_id, v.description, "          \
    "v.source, v.run_id, v.run_link, v.status, v.status_message, v.current_stage, "                \
    "v.storage_location, v.rowid"

/* Rows of model_versions being read; their tags come in a second statement, found by rowid. */
struct sb_version_rows {
    struct sb_vec rows; /* struct sb_model_version */
    struct sb_vec ids;  /* struct sb_str: the rowid as text */
};
void sb_version_read(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_version_rows *rows);
/* The first n of them with their tags. */
SB_MUST_CHECK sb_err sb_version_rows_load(struct sb_tx *tx, const struct sb_version_rows *rows,
                                          size_t n, struct sb_model_version **out);

/* Not deleted ones only. Without tags and aliases; _whole: with both. */
SB_MUST_CHECK sb_err sb_version_load(struct sb_tx *tx, struct sb_str name, int64_t version,
                                     struct sb_model_version *out);
SB_MUST_CHECK sb_err sb_version_load_whole(struct sb_tx *tx, struct sb_str name, int64_t version,
                                           struct sb_model_version *out);

/* RESOURCE_DOES_NOT_EXIST when there is no such model. */
SB_MUST_CHECK sb_err sb_model_must_exist(struct sb_tx *tx, struct sb_str name);
SB_MUST_CHECK sb_err sb_model_is_prompt(struct sb_tx *tx, struct sb_str name, bool *out);
SB_MUST_CHECK sb_err sb_model_touch(struct sb_tx *tx, struct sb_str name);
/* Fills latest_versions, tags and aliases of n models whose name is set. */
SB_MUST_CHECK sb_err sb_model_load_children(struct sb_tx *tx, struct sb_registered_model *v,
                                            size_t n);
SB_MUST_CHECK sb_err sb_model_load(struct sb_tx *tx, struct sb_str name,
                                   struct sb_registered_model *out);
#define SB_MODEL_COLUMNS "m.name, m.creation_time, m.last_updated_time, m.description"
void sb_model_read(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_registered_model *out);

/* The version an alias points at; *found = false when there is no such alias. */
SB_MUST_CHECK sb_err sb_alias_version(struct sb_tx *tx, struct sb_str name, struct sb_str alias,
                                      bool *found, int64_t *version);

/* Where a model version's source leads (version_source.c). */
struct sb_source {
    struct sb_str source;           /* to be stored: aliases and stages made numbers */
    struct sb_str storage_location; /* of the files */
    struct sb_str run_id, model_id; /* given, or of what the source names; may be absent */
};
SB_MUST_CHECK sb_err sb_source_resolve(struct sb_tx *tx, const struct sb_version_new *in,
                                       struct sb_source *out);

bool sb_tags_say_prompt(struct sb_tags tags);

#endif
