/* Logged models from their rows. */
#ifndef SB_DOMAIN_REGISTRY_LOGGED_LOAD_INT_H
#define SB_DOMAIN_REGISTRY_LOGGED_LOAD_INT_H

#include "domain/registry/store_int.h"
#include "domain/registry/tracking.h"

#define SB_LOGGED_COLUMNS                                                                          \
    "l.model_id, l.experiment_id, l.name, l.artifact_location, l.creation_timestamp_ms, "          \
    "l.last_updated_timestamp_ms, l.status, l.lifecycle_stage, l.model_type, l.source_run_id, "    \
    "l.status_message"

void sb_logged_read(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_logged_model *out);
SB_MUST_CHECK sb_err sb_logged_load_children(struct sb_tx *tx, struct sb_logged_model *v, size_t n);
/* With params, tags, metrics and registrations. */
SB_MUST_CHECK sb_err sb_logged_model_load_whole(struct sb_tx *tx, struct sb_str model_id,
                                                bool allow_deleted, struct sb_logged_model *out);
/* The tag's text into m->registrations; a text that is none of ours gives none. Entries of the same
 * name and version are one, whether the version is a number or a string (clients write both). */
void sb_registrations_parse(struct sb_arena *a, struct sb_str text, struct sb_logged_model *m);

#endif
