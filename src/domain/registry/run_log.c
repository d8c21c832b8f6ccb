/* Logging into runs: metrics, params, tags, batches, the legacy model record.
 *
 * The identity of a metric point is (run, key, timestamp, step, value, is_nan): logging it again
 * changes nothing. The latest of a key is the greatest (step, timestamp, value). */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "codec/json.h"
#include "domain/registry/check_int.h"
#include "domain/registry/tracking_int.h"

/* ---- metrics ---- */

/* SQL has no NaN (it would read as NULL) and MLflow keeps infinities as the largest doubles. */
static double stored(double value) {
    if (isnan(value)) return 0;
    if (isinf(value)) return value > 0 ? DBL_MAX : -DBL_MAX;
    return value;
}

static sb_err put_metric(struct sb_tx *tx, struct sb_str run_id, const struct sb_metric *m) {
    struct sb_sql_value value = sb_sql_double(stored(m->value));
    struct sb_sql_value nan = sb_sql_int(isnan(m->value));
    SB_TRY(sb_sql_run(tx->db,
                      "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, "
                      "is_nan) VALUES (?, ?, ?, ?, ?, ?)",
                      sb_sql_text(m->key), value, sb_sql_int(m->timestamp), sb_sql_text(run_id),
                      sb_sql_int(m->step), nan));
    if (sb_sql_changes(tx->db) == 0) return SB_OK;
    return sb_sql_run(tx->db,
                      "INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) "
                      "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = "
                      "excluded.value, timestamp = excluded.timestamp, step = excluded.step, "
                      "is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, "
                      "excluded.value) > (step, timestamp, value)",
                      sb_sql_text(m->key), value, sb_sql_int(m->timestamp), sb_sql_text(run_id),
                      sb_sql_int(m->step), nan);
}

/* The copy that belongs to a logged model. */
static sb_err put_model_metric(struct sb_tx *tx, const struct sb_run_info *run,
                               const struct sb_metric *m) {
    if (!m->model_id.n) return SB_OK;
    bool found;
    int64_t one;
    struct sb_sql_value id = sb_sql_text(m->model_id);
    SB_TRY(sb_tx_one_int(tx, &one, &found, SB_STR("SELECT 1 FROM logged_models WHERE model_id = ?"),
                         &id, 1));
    if (!found)
        return sb_call_missing(tx->c, "Logged model with ID '%.*s' not found.",
                               SB_ARG(m->model_id));
    return sb_sql_run(
        tx->db,
        "INSERT OR IGNORE INTO logged_model_metrics (model_id, metric_name, metric_timestamp_ms, "
        "metric_step, metric_value, experiment_id, run_id, dataset_uuid, dataset_name, "
        "dataset_digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT dataset_uuid FROM datasets "
        "WHERE experiment_id = ?6 AND name = ?8 AND digest = ?9), ?8, ?9)",
        sb_sql_text(m->model_id), sb_sql_text(m->key), sb_sql_int(m->timestamp),
        sb_sql_int(m->step), sb_sql_double(stored(m->value)), sb_sql_int(run->experiment_id),
        sb_sql_text(run->run_id), m->dataset_name.n ? sb_sql_text(m->dataset_name) : sb_sql_null(),
        m->dataset_digest.n ? sb_sql_text(m->dataset_digest) : sb_sql_null());
}

static sb_err put_metrics(struct sb_tx *tx, const struct sb_run_info *run,
                          const struct sb_metric *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        SB_TRY(put_metric(tx, run->run_id, &v[i]));
        SB_TRY(put_model_metric(tx, run, &v[i]));
    }
    return SB_OK;
}

/* ---- params ---- */

static sb_err put_param(struct sb_tx *tx, struct sb_str run_id, struct sb_tag p) {
    SB_TRY(sb_sql_run(tx->db,
                      "INSERT OR IGNORE INTO params (run_uuid, key, value) VALUES (?, ?, ?)",
                      sb_sql_text(run_id), sb_sql_text(p.key), sb_sql_text(p.value)));
    if (sb_sql_changes(tx->db)) return SB_OK;
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st, "SELECT value FROM params WHERE run_uuid = ? AND key = ?",
                        sb_sql_text(run_id), sb_sql_text(p.key)));
    struct sb_str old = sb_sql_next(st) ? sb_tx_text(tx, st, 0) : (struct sb_str){0};
    SB_TRY(sb_sql_end(st));
    if (sb_str_eq(old, p.value)) return SB_OK;
    return sb_call_invalid(tx->c,
                           "Changing param values is not allowed. Param with key='%.*s' was "
                           "already logged with value='%.*s' for run ID='%.*s'. Attempted logging "
                           "new value '%.*s'.",
                           SB_ARG(p.key), SB_ARG(old), SB_ARG(run_id), SB_ARG(p.value));
}

static sb_err check_params_unique(struct sb_registry_call *c, struct sb_tags params) {
    for (size_t i = 0; i < params.n; i++)
        for (size_t k = 0; k < i; k++)
            if (sb_str_eq(params.v[i].key, params.v[k].key))
                return sb_call_invalid(c,
                                       "Duplicate parameter keys have been submitted: ['%.*s']. "
                                       "Please ensure the request contains only one param value "
                                       "per param key.",
                                       SB_ARG(params.v[i].key));
    return SB_OK;
}

/* ---- tags ---- */

/* The tag mlflow.runName and the run's name are one. */
static sb_err put_tag(struct sb_tx *tx, struct sb_str run_id, struct sb_tag t) {
    if (sb_str_is(t.key, "mlflow.runName")) {
        if (t.value.n == 0) return SB_OK;
        SB_TRY(sb_sql_run(tx->db, "UPDATE runs SET name = ? WHERE run_uuid = ?",
                          sb_sql_text(t.value), sb_sql_text(run_id)));
    }
    return sb_run_put_tag(tx, run_id, t.key, t.value);
}

/* ---- a batch; single values are batches of one ---- */

struct batch {
    struct sb_str run_id;
    const struct sb_metric *metrics;
    size_t metrics_n;
    struct sb_tags params, tags;
};

static sb_err write_in(struct sb_tx *tx, const struct batch *b) {
    struct sb_run_info run;
    SB_TRY(sb_run_load_active(tx, b->run_id, &run));
    for (size_t i = 0; i < b->params.n; i++) SB_TRY(put_param(tx, b->run_id, b->params.v[i]));
    SB_TRY(put_metrics(tx, &run, b->metrics, b->metrics_n));
    for (size_t i = 0; i < b->tags.n; i++) SB_TRY(put_tag(tx, b->run_id, b->tags.v[i]));
    return SB_OK;
}

static sb_err write_batch(struct sb_registry_call *c, const struct batch *b) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, write_in(&tx, b));
}

sb_err sb_registry_metric_log(struct sb_registry_call *c, struct sb_str run_id,
                              const struct sb_metric *m) {
    SB_TRY(sb_check_metric(c, m, ""));
    return write_batch(c, &(struct batch){.run_id = run_id, .metrics = m, .metrics_n = 1});
}

sb_err sb_registry_param_log(struct sb_registry_call *c, struct sb_str run_id, struct sb_str key,
                             struct sb_str value) {
    struct sb_tag p = {key, value};
    SB_TRY(sb_check_param(c, &p, ""));
    return write_batch(c, &(struct batch){.run_id = run_id, .params = {&p, 1}});
}

sb_err sb_registry_run_tag_set(struct sb_registry_call *c, struct sb_str run_id, struct sb_str key,
                               struct sb_str value) {
    struct sb_tag t = {key, value};
    SB_TRY(sb_check_run_tag(c, &t, ""));
    return write_batch(c, &(struct batch){.run_id = run_id, .tags = {&t, 1}});
}

static sb_err check_count(struct sb_registry_call *c, const char *what, size_t limit, size_t n) {
    if (n <= limit) return SB_OK;
    return sb_call_invalid(c,
                           "A batch logging request can contain at most %zu %s. Got %zu %s. Please "
                           "split up %s across multiple requests and try again.",
                           limit, what, n, what, what);
}

static sb_err check_counts(struct sb_registry_call *c, const struct batch *b) {
    SB_TRY(check_count(c, "metrics", MAX_BATCH_METRICS, b->metrics_n));
    SB_TRY(check_count(c, "params", MAX_BATCH_PARAMS, b->params.n));
    SB_TRY(check_count(c, "tags", MAX_BATCH_TAGS, b->tags.n));
    return check_count(c, "metrics, params, and tags", MAX_BATCH_TOTAL,
                       b->metrics_n + b->params.n + b->tags.n);
}

static struct sb_tags copy_tags(struct sb_arena *a, struct sb_tags t) {
    struct sb_tag *v = sb_arena_alloc(a, (t.n + 1) * sizeof *v);
    if (t.n) memcpy(v, t.v, t.n * sizeof *v);
    return (struct sb_tags){v, t.n};
}

sb_err sb_registry_batch_log(struct sb_registry_call *c, struct sb_str run_id,
                             const struct sb_metric *metrics, size_t metrics_n,
                             struct sb_tags params, struct sb_tags tags) {
    struct batch b = {run_id, metrics, metrics_n, params, tags};
    SB_TRY(sb_check_run_id(c, run_id));
    SB_TRY(check_counts(c, &b));
    b.params = copy_tags(c->arena, params);
    b.tags = copy_tags(c->arena, tags);
    char path[40];
    for (size_t i = 0; i < metrics_n; i++) {
        snprintf(path, sizeof path, "metrics[%zu]", i);
        SB_TRY(sb_check_metric(c, &metrics[i], path));
    }
    for (size_t i = 0; i < params.n; i++) {
        snprintf(path, sizeof path, "params[%zu]", i);
        SB_TRY(sb_check_param(c, &b.params.v[i], path));
    }
    for (size_t i = 0; i < tags.n; i++) {
        snprintf(path, sizeof path, "tags[%zu]", i);
        SB_TRY(sb_check_run_tag(c, &b.tags.v[i], path));
    }
    SB_TRY(check_params_unique(c, b.params));
    return write_batch(c, &b);
}

static sb_err tag_delete_in(struct sb_tx *tx, struct sb_str run_id, struct sb_str key) {
    struct sb_run_info run;
    SB_TRY(sb_run_load_active(tx, run_id, &run));
    SB_TRY(sb_sql_run(tx->db, "DELETE FROM tags WHERE run_uuid = ? AND key = ?",
                      sb_sql_text(run_id), sb_sql_text(key)));
    if (sb_sql_changes(tx->db)) return SB_OK;
    return sb_call_missing(tx->c, "No tag with name: %.*s in run with id %.*s", SB_ARG(key),
                           SB_ARG(run_id));
}

sb_err sb_registry_run_tag_delete(struct sb_registry_call *c, struct sb_str run_id,
                                  struct sb_str key) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_delete_in(&tx, run_id, key));
}

/* ---- the legacy model record ---- */

static void add_flavors(struct sb_json_writer *w, const struct sb_json *flavors) {
    sb_json_obj(w, "flavors");
    for (const struct sb_json *f = flavors ? flavors->child : NULL; f; f = f->next) {
        sb_json_key(w, f->key);
        if (f->type != SB_JSON_OBJECT) {
            sb_json_add_tree(w->b, f);
            w->comma = true;
            continue;
        }
        sb_json_obj(w, NULL);
        for (const struct sb_json *m = f->child; m; m = m->next) {
            if (sb_str_is(m->key, "config")) continue;
            sb_json_key(w, m->key);
            sb_json_add_tree(w->b, m);
            w->comma = true;
        }
        sb_json_end(w);
    }
    sb_json_end(w);
}

/* The fields of a model that its run's history keeps. */
static void add_record(struct sb_json_writer *w, const struct sb_json *model) {
    static const char *const kept[] = {"run_id", "artifact_path", "utc_time_created", "model_uuid"};
    sb_json_obj(w, NULL);
    for (size_t i = 0; i < SB_COUNT(kept); i++) {
        const struct sb_json *v = sb_json_get(model, kept[i]);
        if (!v) continue;
        sb_json_key(w, sb_str_of(kept[i]));
        sb_json_add_tree(w->b, v);
        w->comma = true;
    }
    add_flavors(w, sb_json_get(model, "flavors"));
    sb_json_end(w);
}

static sb_err load_history(struct sb_tx *tx, struct sb_str run_id, struct sb_json **out) {
    struct sb_sql_stmt *st;
    *out = NULL;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT value FROM tags WHERE run_uuid = ? AND key = "
                        "'mlflow.log-model.history'",
                        sb_sql_text(run_id)));
    struct sb_str old = sb_sql_next(st) ? sb_tx_text(tx, st, 0) : (struct sb_str){0};
    SB_TRY(sb_sql_end(st));
    if (!old.n) return SB_OK;
    if (sb_json_parse(out, old, tx->arena, NULL) || (*out)->type != SB_JSON_ARRAY)
        return sb_call_fail(tx->c, SB_MLFLOW_INVALID_STATE,
                            "Tag mlflow.log-model.history of run %.*s is not a JSON list.",
                            SB_ARG(run_id));
    return SB_OK;
}

static sb_err record_in(struct sb_tx *tx, struct sb_str run_id, const struct sb_json *model) {
    struct sb_run_info run;
    struct sb_json *history;
    SB_TRY(sb_run_load_active(tx, run_id, &run));
    SB_TRY(load_history(tx, run_id, &history));
    struct sb_buf b;
    sb_buf_init(&b, 8 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_arr(&w, NULL);
    for (const struct sb_json *old = history ? history->child : NULL; old; old = old->next) {
        if (w.comma) sb_buf_addc(&b, ',');
        sb_json_add_tree(&b, old);
        w.comma = true;
    }
    add_record(&w, model);
    sb_json_end(&w);
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_run_put_tag(tx, run_id, SB_STR("mlflow.log-model.history"), sb_buf_view(&b));
    sb_buf_fini(&b);
    return err;
}

sb_err sb_registry_run_model_record(struct sb_registry_call *c, struct sb_str run_id,
                                    struct sb_str model_json) {
    static const char *const needed[] = {"artifact_path", "flavors", "utc_time_created", "run_id"};
    struct sb_json *model;
    if (sb_json_parse(&model, model_json, c->arena, NULL))
        return sb_call_invalid(c, "Malformed model info. \n %.*s \n is not a valid JSON.",
                               SB_ARG(model_json));
    for (size_t i = 0; i < SB_COUNT(needed); i++)
        if (!sb_json_get(model, needed[i]))
            return sb_call_invalid(c, "Model json is missing mandatory fields: {'%s'}", needed[i]);
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, record_in(&tx, run_id, model));
}
