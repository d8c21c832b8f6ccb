/* Answers in the JSON form of MLflow's proto2 messages: snake_case, what is not set left out,
 * int64 as numbers, NaN and infinities as strings. */
#include <math.h>
#include <stdio.h>

#include "api/mlflow/mlflow_int.h"

void put_opt_str(struct sb_json_writer *w, const char *key, struct sb_str s) {
    if (s.p) sb_json_str(w, key, s);
}

void put_text(struct sb_json_writer *w, const char *key, struct sb_str s) {
    if (s.n) sb_json_str(w, key, s);
}

void put_id(struct sb_json_writer *w, const char *key, int64_t id) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)id);
    sb_json_str(w, key, sb_str_of(text));
}

void put_opt_int(struct sb_json_writer *w, const char *key, struct sb_opt_i64 v) {
    if (v.has) sb_json_int(w, key, v.v);
}

void put_double(struct sb_json_writer *w, const char *key, double v) {
    if (isnan(v))
        sb_json_str(w, key, SB_STR("NaN"));
    else if (isinf(v))
        sb_json_str(w, key, v > 0 ? SB_STR("Infinity") : SB_STR("-Infinity"));
    else
        sb_json_double(w, key, v);
}

void put_tags(struct sb_json_writer *w, const char *key, struct sb_tags t) {
    if (!t.n) return;
    sb_json_arr(w, key);
    for (size_t i = 0; i < t.n; i++) {
        sb_json_obj(w, NULL);
        sb_json_str(w, "key", t.v[i].key);
        put_opt_str(w, "value", t.v[i].value);
        sb_json_end(w);
    }
    sb_json_end(w);
}

void put_metrics(struct sb_json_writer *w, const char *key, const struct sb_metrics *m) {
    if (!m->n) return;
    sb_json_arr(w, key);
    for (size_t i = 0; i < m->n; i++) {
        const struct sb_metric *v = &m->v[i];
        sb_json_obj(w, NULL);
        sb_json_str(w, "key", v->key);
        put_double(w, "value", v->value);
        sb_json_int(w, "timestamp", v->timestamp);
        sb_json_int(w, "step", v->step);
        put_text(w, "dataset_name", v->dataset_name);
        put_text(w, "dataset_digest", v->dataset_digest);
        put_text(w, "model_id", v->model_id);
        put_text(w, "run_id", v->run_id);
        sb_json_end(w);
    }
    sb_json_end(w);
}

static struct sb_str stage(bool deleted) {
    return deleted ? SB_STR("deleted") : SB_STR("active");
}

void put_experiment(struct sb_json_writer *w, const char *key, const struct sb_experiment *e) {
    sb_json_obj(w, key);
    put_id(w, "experiment_id", e->id);
    sb_json_str(w, "name", e->name);
    put_opt_str(w, "artifact_location", e->artifact_location);
    sb_json_str(w, "lifecycle_stage", stage(e->deleted));
    put_opt_int(w, "last_update_time", e->last_update_time);
    put_opt_int(w, "creation_time", e->creation_time);
    put_tags(w, "tags", e->tags);
    sb_json_str(w, "workspace", SB_STR("default"));
    sb_json_end(w);
}

void put_run_info(struct sb_json_writer *w, const char *key, const struct sb_run_info *i) {
    sb_json_obj(w, key);
    sb_json_str(w, "run_uuid", i->run_id);
    put_id(w, "experiment_id", i->experiment_id);
    put_opt_str(w, "run_name", i->name);
    put_opt_str(w, "user_id", i->user_id);
    sb_json_str(w, "status", sb_str_of(sb_run_status_name(i->status)));
    put_opt_int(w, "start_time", i->start_time);
    if (i->end_time.has && i->end_time.v) sb_json_int(w, "end_time", i->end_time.v);
    put_text(w, "artifact_uri", i->artifact_uri);
    sb_json_str(w, "lifecycle_stage", stage(i->deleted));
    sb_json_str(w, "run_id", i->run_id);
    sb_json_end(w);
}

static void put_datasets(struct sb_json_writer *w, const struct sb_dataset_inputs *d) {
    if (!d->n) return;
    sb_json_arr(w, "dataset_inputs");
    for (size_t i = 0; i < d->n; i++) {
        const struct sb_dataset *s = &d->v[i].dataset;
        sb_json_obj(w, NULL);
        put_tags(w, "tags", d->v[i].tags);
        sb_json_obj(w, "dataset");
        sb_json_str(w, "name", s->name);
        sb_json_str(w, "digest", s->digest);
        sb_json_str(w, "source_type", s->source_type);
        sb_json_str(w, "source", s->source);
        put_text(w, "schema", s->schema);
        put_text(w, "profile", s->profile);
        sb_json_end(w);
        sb_json_end(w);
    }
    sb_json_end(w);
}

static void put_links(struct sb_json_writer *w, const char *key, const struct sb_model_links *l,
                      bool step) {
    if (!l->n) return;
    sb_json_arr(w, key);
    for (size_t i = 0; i < l->n; i++) {
        sb_json_obj(w, NULL);
        sb_json_str(w, "model_id", l->v[i].model_id);
        if (step) sb_json_int(w, "step", l->v[i].step);
        sb_json_end(w);
    }
    sb_json_end(w);
}

void put_run(struct sb_json_writer *w, const char *key, const struct sb_run *r) {
    sb_json_obj(w, key);
    put_run_info(w, "info", &r->info);
    sb_json_obj(w, "data");
    put_metrics(w, "metrics", &r->metrics);
    put_tags(w, "params", r->params);
    put_tags(w, "tags", r->tags);
    sb_json_end(w);
    sb_json_obj(w, "inputs");
    put_datasets(w, &r->dataset_inputs);
    put_links(w, "model_inputs", &r->model_inputs, false);
    sb_json_end(w);
    sb_json_obj(w, "outputs");
    put_links(w, "model_outputs", &r->model_outputs, true);
    sb_json_end(w);
    sb_json_end(w);
}

void put_logged_model(struct sb_json_writer *w, const char *key, const struct sb_logged_model *m) {
    sb_json_obj(w, key);
    sb_json_obj(w, "info");
    sb_json_str(w, "model_id", m->model_id);
    put_id(w, "experiment_id", m->experiment_id);
    sb_json_str(w, "name", m->name);
    sb_json_int(w, "creation_timestamp_ms", m->creation_time);
    sb_json_int(w, "last_updated_timestamp_ms", m->last_updated_time);
    sb_json_str(w, "artifact_uri", m->artifact_uri);
    sb_json_str(w, "status", sb_str_of(sb_logged_model_status_name(m->status)));
    put_opt_str(w, "model_type", m->model_type);
    put_opt_str(w, "source_run_id", m->source_run_id);
    put_text(w, "status_message", m->status_message);
    put_tags(w, "tags", m->tags);
    sb_json_end(w);
    sb_json_obj(w, "data");
    put_tags(w, "params", m->params);
    put_metrics(w, "metrics", &m->metrics);
    sb_json_end(w);
    sb_json_end(w);
}

void put_version(struct sb_json_writer *w, const char *key, const struct sb_model_version *v) {
    sb_json_obj(w, key);
    sb_json_str(w, "name", v->name);
    put_id(w, "version", v->version);
    put_opt_int(w, "creation_timestamp", v->creation_time);
    put_opt_int(w, "last_updated_timestamp", v->last_updated_time);
    put_opt_str(w, "user_id", v->user_id);
    put_opt_str(w, "current_stage", v->stage);
    put_opt_str(w, "description", v->description);
    put_opt_str(w, "source", v->source);
    put_opt_str(w, "run_id", v->run_id);
    put_opt_str(w, "status", v->status);
    put_text(w, "status_message", v->status_message);
    put_tags(w, "tags", v->tags);
    put_opt_str(w, "run_link", v->run_link);
    if (v->aliases_n) {
        sb_json_arr(w, "aliases");
        for (size_t i = 0; i < v->aliases_n; i++) sb_json_str(w, NULL, v->aliases[i]);
        sb_json_end(w);
    }
    put_text(w, "model_id", v->model_id);
    sb_json_end(w);
}

void put_registered(struct sb_json_writer *w, const char *key,
                    const struct sb_registered_model *m) {
    sb_json_obj(w, key);
    sb_json_str(w, "name", m->name);
    put_opt_int(w, "creation_timestamp", m->creation_time);
    put_opt_int(w, "last_updated_timestamp", m->last_updated_time);
    put_text(w, "description", m->description);
    if (m->latest_versions_n) {
        sb_json_arr(w, "latest_versions");
        for (size_t i = 0; i < m->latest_versions_n; i++)
            put_version(w, NULL, &m->latest_versions[i]);
        sb_json_end(w);
    }
    put_tags(w, "tags", m->tags);
    if (m->aliases_n) {
        sb_json_arr(w, "aliases");
        for (size_t i = 0; i < m->aliases_n; i++) {
            sb_json_obj(w, NULL);
            sb_json_str(w, "alias", m->aliases[i].alias);
            put_id(w, "version", m->aliases[i].version);
            sb_json_end(w);
        }
        sb_json_end(w);
    }
    sb_json_end(w);
}

void put_files(struct sb_json_writer *w, struct sb_str prefix, const struct sb_artifact_list *l) {
    if (!l->n) return;
    sb_json_arr(w, "files");
    for (size_t i = 0; i < l->n; i++) {
        const struct sb_artifact_entry *e = &l->v[i];
        sb_json_obj(w, NULL);
        if (prefix.n) {
            struct sb_buf path;
            sb_buf_init(&path, 1 << 16);
            sb_buf_adds(&path, prefix);
            sb_buf_addc(&path, '/');
            sb_buf_adds(&path, e->name);
            sb_json_str(w, "path", sb_buf_view(&path));
            sb_buf_fini(&path);
        } else {
            sb_json_str(w, "path", e->name);
        }
        sb_json_bool(w, "is_dir", e->is_dir);
        if (e->size) sb_json_int(w, "file_size", e->size);
        sb_json_end(w);
    }
    sb_json_end(w);
}
