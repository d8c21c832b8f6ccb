/* What each search can filter and order by. Aliases of the tables searched: r runs, e experiments,
 * l logged_models, m registered_models, v model_versions; x the rows of a clause. */
#include "domain/registry/filter.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define TEXT   SB_ATTRIBUTE_TEXT
#define NUMBER SB_ATTRIBUTE_NUMBER
#define WHOLE  SB_ATTRIBUTE_INTEGER

static const struct sb_filter_attribute run_attributes[] = {
    {"run_id", "r.run_uuid", TEXT, .list = true, .filter = true, .order = true},
    {"run_name", "r.name", SB_ATTRIBUTE_RUN_NAME, .filter = true, .order = true},
    {"run name", "r.name", SB_ATTRIBUTE_RUN_NAME, .filter = true},
    {"Run name", "r.name", SB_ATTRIBUTE_RUN_NAME, .filter = true},
    {"Run Name", "r.name", SB_ATTRIBUTE_RUN_NAME, .filter = true},
    {"user_id", "r.user_id", TEXT, .filter = true, .order = true},
    {"status", "r.status", TEXT, .filter = true, .order = true},
    {"artifact_uri", "r.artifact_uri", TEXT, .filter = true, .order = true},
    {"start_time", "r.start_time", NUMBER, .filter = true, .order = true},
    {"created", "r.start_time", NUMBER, .filter = true, .order = true},
    {"Created", "r.start_time", NUMBER, .filter = true, .order = true},
    {"end_time", "r.end_time", NUMBER, .filter = true, .order = true},
    {0},
};

const struct sb_filter_attribute sb_filter_dataset_attributes[] = {
    {"name", "d.name", TEXT, .list = true, .filter = true},
    {"digest", "d.digest", TEXT, .list = true, .filter = true},
    {"context", "t.value", TEXT, .list = true, .filter = true},
    {0},
};

static const struct sb_filter_attribute experiment_attributes[] = {
    {"name", "e.name", TEXT, .filter = true, .order = true},
    {"experiment_id", "e.experiment_id", SB_ATTRIBUTE_EXPERIMENT_ID, .list = true, .filter = true,
     .order = true},
    {"creation_time", "e.creation_time", WHOLE, .filter = true, .order = true},
    {"last_update_time", "e.last_update_time", WHOLE, .filter = true, .order = true},
    {0},
};

static const struct sb_filter_attribute logged_model_attributes[] = {
    {"name", "l.name", TEXT, .list = true, .filter = true, .order = true},
    {"model_id", "l.model_id", TEXT, .list = true, .filter = true, .order = true},
    {"model_type", "l.model_type", TEXT, .list = true, .filter = true, .order = true},
    {"status", "l.status", SB_ATTRIBUTE_MODEL_STATUS, .list = true, .filter = true, .order = true},
    {"source_run_id", "l.source_run_id", TEXT, .list = true, .filter = true, .order = true},
    {"creation_time", "l.creation_timestamp_ms", NUMBER, .filter = true, .order = true},
    {"creation_timestamp", "l.creation_timestamp_ms", NUMBER, .filter = true, .order = true},
    {"creation_timestamp_ms", "l.creation_timestamp_ms", NUMBER, .filter = true, .order = true},
    {"last_updated_time", "l.last_updated_timestamp_ms", NUMBER, .filter = true, .order = true},
    {"last_updated_timestamp", "l.last_updated_timestamp_ms", NUMBER, .filter = true,
     .order = true},
    {"last_updated_timestamp_ms", "l.last_updated_timestamp_ms", NUMBER, .filter = true,
     .order = true},
    {0},
};

static const struct sb_filter_attribute model_attributes[] = {
    {"name", "m.name", TEXT, .list = true, .filter = true, .order = true},
    {"timestamp", "m.last_updated_time", WHOLE, .order = true},
    {"last_updated_timestamp", "m.last_updated_time", WHOLE, .order = true},
    {0},
};

static const struct sb_filter_attribute version_attributes[] = {
    {"name", "v.name", TEXT, .list = true, .filter = true, .order = true},
    {"version_number", "v.version", WHOLE, .filter = true, .order = true},
    {"run_id", "v.run_id", TEXT, .list = true, .filter = true},
    {"source_path", "v.source", TEXT, .filter = true},
    {"creation_timestamp", "v.creation_time", WHOLE, .order = true},
    {"last_updated_timestamp", "v.last_updated_time", WHOLE, .order = true},
    {0},
};

#define TAG_WORDS WORDS("tag", "tags")

const struct sb_filter_table sb_filter_tables[SB_FOR_COUNT] = {
    [SB_FOR_RUNS] =
        {
            .entities = {[SB_ENTITY_ATTRIBUTE] = WORDS("attribute", "attributes", "attr", "run"),
                         [SB_ENTITY_METRIC] = WORDS("metric", "metrics"),
                         [SB_ENTITY_PARAM] = WORDS("parameter", "parameters", "param", "params"),
                         [SB_ENTITY_TAG] = TAG_WORDS,
                         [SB_ENTITY_DATASET] = WORDS("dataset", "datasets")},
            .attributes = run_attributes,
            .rows = {[SB_ENTITY_METRIC] = "latest_metrics x WHERE x.run_uuid = r.run_uuid AND "
                                          "x.key = ?",
                     [SB_ENTITY_PARAM] = "params x WHERE x.run_uuid = r.run_uuid AND x.key = ?",
                     [SB_ENTITY_TAG] = "tags x WHERE x.run_uuid = r.run_uuid AND x.key = ?"},
            .value = {[SB_ENTITY_METRIC] = "x.value",
                      [SB_ENTITY_PARAM] = "x.value",
                      [SB_ENTITY_TAG] = "x.value"},
            .null_tests = true,
            .valid = "Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
        },
    [SB_FOR_EXPERIMENTS] =
        {
            .entities = {[SB_ENTITY_ATTRIBUTE] = WORDS("attribute"), [SB_ENTITY_TAG] = TAG_WORDS},
            .attributes = experiment_attributes,
            .rows = {[SB_ENTITY_TAG] = "experiment_tags x WHERE x.experiment_id = e.experiment_id "
                                       "AND x.key = ?"},
            .value = {[SB_ENTITY_TAG] = "x.value"},
            .null_tests = true,
            .valid = "Valid entity types are ('attribute', 'tag', 'tags')",
        },
    [SB_FOR_LOGGED_MODELS] =
        {
            .entities = {[SB_ENTITY_ATTRIBUTE] = WORDS("attributes"),
                         [SB_ENTITY_METRIC] = WORDS("metrics"),
                         [SB_ENTITY_PARAM] = WORDS("params"),
                         [SB_ENTITY_TAG] = WORDS("tags")},
            .attributes = logged_model_attributes,
            .rows = {[SB_ENTITY_METRIC] = "logged_model_metrics x WHERE x.model_id = l.model_id "
                                          "AND x.metric_name = ?",
                     [SB_ENTITY_PARAM] = "logged_model_params x WHERE x.model_id = l.model_id AND "
                                         "x.param_key = ?",
                     [SB_ENTITY_TAG] = "logged_model_tags x WHERE x.model_id = l.model_id AND "
                                       "x.tag_key = ?"},
            .value = {[SB_ENTITY_METRIC] = "x.metric_value",
                      [SB_ENTITY_PARAM] = "x.param_value",
                      [SB_ENTITY_TAG] = "x.tag_value"},
            .lists = true,
            .valid = "Expected one of ['attributes', 'metrics', 'params', 'tags']",
        },
    [SB_FOR_MODELS] =
        {
            .entities = {[SB_ENTITY_ATTRIBUTE] = WORDS("attribute"), [SB_ENTITY_TAG] = TAG_WORDS},
            .attributes = model_attributes,
            .rows = {[SB_ENTITY_TAG] = "registered_model_tags x WHERE x.workspace = 'default' AND "
                                       "x.name = m.name AND x.key = ?"},
            .value = {[SB_ENTITY_TAG] = "x.value"},
            .valid = "Valid entity types are ('attribute', 'tag', 'tags')",
        },
    [SB_FOR_VERSIONS] =
        {
            .entities = {[SB_ENTITY_ATTRIBUTE] = WORDS("attribute"), [SB_ENTITY_TAG] = TAG_WORDS},
            .attributes = version_attributes,
            .rows = {[SB_ENTITY_TAG] = "model_version_tags x WHERE x.workspace = 'default' AND "
                                       "x.name = v.name AND x.version = v.version AND x.key = ?"},
            .value = {[SB_ENTITY_TAG] = "x.value"},
            .valid = "Valid entity types are ('attribute', 'tag', 'tags')",
        },
};
