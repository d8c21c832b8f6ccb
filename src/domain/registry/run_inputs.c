/* Datasets and logged models as inputs and outputs of runs: edges in table inputs. */
#include "domain/registry/check_int.h"
#include "domain/registry/tracking_int.h"

enum { MAX_DATASETS = 1000 };

/* The dataset's id; made when the experiment has none of that name and digest. */
static sb_err put_dataset(struct sb_tx *tx, int64_t experiment_id, const struct sb_dataset *d,
                          struct sb_str *out) {
    struct sb_str id = sb_text_uuid(tx->arena, "");
    SB_TRY(sb_sql_run(tx->db,
                      "INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, "
                      "dataset_source_type, dataset_source, dataset_schema, dataset_profile) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                      sb_sql_text(id), sb_sql_int(experiment_id), sb_sql_text(d->name),
                      sb_sql_text(d->digest), sb_sql_text(d->source_type), sb_sql_text(d->source),
                      sb_sql_text(d->schema), sb_sql_text(d->profile)));
    *out = id;
    if (sb_sql_changes(tx->db)) return SB_OK;
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? "
                        "AND digest = ?",
                        sb_sql_int(experiment_id), sb_sql_text(d->name), sb_sql_text(d->digest)));
    if (sb_sql_next(st)) *out = sb_tx_text(tx, st, 0);
    return sb_sql_end(st);
}

/* A second logging of a dataset to a run changes nothing, its tags included. */
static sb_err put_dataset_input(struct sb_tx *tx, const struct sb_run_info *run,
                                const struct sb_dataset_input *in) {
    struct sb_str dataset, input = sb_text_uuid(tx->arena, "");
    SB_TRY(put_dataset(tx, run->experiment_id, &in->dataset, &dataset));
    SB_TRY(sb_sql_run(tx->db,
                      "INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, "
                      "destination_type, destination_id) VALUES (?, 'DATASET', ?, 'RUN', ?)",
                      sb_sql_text(input), sb_sql_text(dataset), sb_sql_text(run->run_id)));
    if (sb_sql_changes(tx->db) == 0) return SB_OK;
    for (size_t i = 0; i < in->tags.n; i++)
        SB_TRY(sb_sql_run(tx->db,
                          "INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?) ON "
                          "CONFLICT DO UPDATE SET value = excluded.value",
                          sb_sql_text(input), sb_sql_text(in->tags.v[i].key),
                          sb_sql_text(in->tags.v[i].value)));
    return SB_OK;
}

static sb_err put_link(struct sb_tx *tx, struct sb_str run_id, const struct sb_model_link *l,
                       bool output) {
    return sb_sql_run(tx->db,
                      "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, "
                      "destination_id, step) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                      "step = excluded.step",
                      sb_sql_text(sb_text_uuid(tx->arena, "")),
                      sb_sql_text(output ? SB_STR("RUN_OUTPUT") : SB_STR("RUN_INPUT")),
                      sb_sql_text(run_id),
                      sb_sql_text(output ? SB_STR("MODEL_OUTPUT") : SB_STR("MODEL_INPUT")),
                      sb_sql_text(l->model_id), sb_sql_int(output ? l->step : 0));
}

static sb_err check_links(struct sb_registry_call *c, struct sb_model_links models) {
    for (size_t i = 0; i < models.n; i++) {
        if (models.v[i].model_id.n == 0)
            return sb_call_invalid(
                c, "Missing value for required parameter 'models[%zu].model_id'.", i);
        SB_TRY(sb_check_length(c, "model_id", 36, models.v[i].model_id));
    }
    return SB_OK;
}

static sb_err inputs_in(struct sb_tx *tx, struct sb_str run_id, struct sb_dataset_inputs datasets,
                        struct sb_model_links models) {
    struct sb_run_info run;
    SB_TRY(sb_run_load_active(tx, run_id, &run));
    for (size_t i = 0; i < datasets.n; i++) SB_TRY(put_dataset_input(tx, &run, &datasets.v[i]));
    for (size_t i = 0; i < models.n; i++) SB_TRY(put_link(tx, run_id, &models.v[i], false));
    return SB_OK;
}

sb_err sb_registry_inputs_log(struct sb_registry_call *c, struct sb_str run_id,
                              struct sb_dataset_inputs datasets, struct sb_model_links models) {
    SB_TRY(sb_check_run_id(c, run_id));
    if (datasets.n > MAX_DATASETS)
        return sb_call_invalid(c, "At most %d datasets in one request.", MAX_DATASETS);
    for (size_t i = 0; i < datasets.n; i++) SB_TRY(sb_check_dataset_input(c, &datasets.v[i]));
    SB_TRY(check_links(c, models));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, inputs_in(&tx, run_id, datasets, models));
}

static sb_err outputs_in(struct sb_tx *tx, struct sb_str run_id, struct sb_model_links models) {
    struct sb_run_info run;
    SB_TRY(sb_run_load_active(tx, run_id, &run));
    for (size_t i = 0; i < models.n; i++) SB_TRY(put_link(tx, run_id, &models.v[i], true));
    return SB_OK;
}

sb_err sb_registry_outputs_log(struct sb_registry_call *c, struct sb_str run_id,
                               struct sb_model_links models) {
    SB_TRY(check_links(c, models));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, outputs_in(&tx, run_id, models));
}

/* ---- datasets of experiments, for the UI ---- */

static void summary_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct sb_vec *rows = user;
    if (rows->n >= MAX_DATASETS) return;
    struct sb_dataset_summary *s = sb_vec_push(tx, rows, sizeof *s);
    if (!s) return;
    s->experiment_id = sb_sql_col_int(st, 0);
    s->name = sb_tx_text(tx, st, 1);
    s->digest = sb_tx_text(tx, st, 2);
    s->context = sb_tx_text(tx, st, 3);
}

sb_err sb_registry_dataset_search(struct sb_registry_call *c, const struct sb_str *experiment_ids,
                                  size_t n, struct sb_dataset_summaries *out) {
    int64_t ignored;
    if (n == 0)
        return sb_call_invalid(c,
                               "SearchDatasets request must specify at least one experiment_id.");
    if (n > 20)
        return sb_call_invalid(c,
                               "SearchDatasets request cannot specify more than 20 experiment_ids. "
                               "Received %zu experiment_ids.",
                               n);
    for (size_t i = 0; i < n; i++) SB_TRY(sb_check_experiment_id(c, experiment_ids[i], &ignored));
    struct sb_tx tx;
    struct sb_vec rows = {0};
    SB_TRY(sb_tx_begin(&tx, c, false));
    sb_err err = sb_tx_each(&tx,
                            "SELECT DISTINCT d.experiment_id, d.name, d.digest, t.value FROM "
                            "datasets d JOIN inputs i ON i.source_type = 'DATASET' AND i.source_id "
                            "= d.dataset_uuid LEFT JOIN input_tags t ON t.input_uuid = "
                            "i.input_uuid AND t.name = 'mlflow.data.context' WHERE "
                            "d.experiment_id IN (%s) ORDER BY d.rowid DESC LIMIT 1000",
                            experiment_ids, n, summary_row, &rows);
    SB_TRY(sb_tx_end(&tx, err));
    *out = (struct sb_dataset_summaries){.v = (void *)rows.p, .n = rows.n};
    return SB_OK;
}
