/* The filter and order_by languages of MLflow's searches, and their SQL.
 *
 *     filter  = clause {AND clause}
 *     clause  = name op value | name [NOT] IN (text {, text}) | name IS [NOT] NULL
 *     name    = [entity "."] key        metrics.loss, tags."mlflow.user", params.`a b`, run_id
 *     op      = = != < <= > >= LIKE ILIKE
 *     value   = number | 'text' | "text"
 *     order   = name [ASC | DESC]
 *
 * Keywords in any case. No OR, no NOT before a clause, no parentheses around clauses, so nothing
 * nests and nothing recurses. A quoted text ends at the next same quote that is neither doubled nor
 * after a backslash, and both stay part of the text, as in MLflow (whose parser is sqlparse).
 * Values are bound to the statement, never written into it. What each search knows about is one
 * table in filter_table.c. */
#ifndef SB_DOMAIN_REGISTRY_FILTER_H
#define SB_DOMAIN_REGISTRY_FILTER_H

#include "base/buf.h"
#include "domain/registry/registry.h"
#include "domain/registry/tracking.h"
#include "engine/sql/sql.h"

enum {
    SB_FILTER_TEXT_MAX = 32 << 10, /* bytes; below SQLite's limit for LIKE patterns (50,000) */
    SB_FILTER_CLAUSES_MAX = 60,    /* each becomes a subquery or a join; SQLite joins 64 tables */
    SB_FILTER_LIST_MAX = 1000,
    SB_FILTER_ORDER_MAX = 30,
    SB_QUERY_VALUES_MAX = 32000, /* SQLITE_MAX_VARIABLE_NUMBER is 32766 by default */
};

enum sb_filter_for {
    SB_FOR_RUNS,
    SB_FOR_EXPERIMENTS,
    SB_FOR_LOGGED_MODELS,
    SB_FOR_MODELS,
    SB_FOR_VERSIONS,
    SB_FOR_COUNT
};

enum sb_filter_entity {
    SB_ENTITY_ATTRIBUTE,
    SB_ENTITY_METRIC,
    SB_ENTITY_PARAM,
    SB_ENTITY_TAG,
    SB_ENTITY_DATASET,
    SB_ENTITY_COUNT
};

enum sb_filter_op {
    SB_OP_EQ,
    SB_OP_NE,
    SB_OP_LT,
    SB_OP_LE,
    SB_OP_GT,
    SB_OP_GE,
    SB_OP_LIKE,
    SB_OP_ILIKE,
    SB_OP_IN,
    SB_OP_NOT_IN,
    SB_OP_IS_NULL,
    SB_OP_IS_NOT_NULL,
    SB_OP_COUNT
};
const char *sb_filter_op_name(enum sb_filter_op op);

enum sb_attribute_type {
    SB_ATTRIBUTE_TEXT,
    SB_ATTRIBUTE_NUMBER,        /* integers and fractions */
    SB_ATTRIBUTE_INTEGER,       /* no fractions; a quoted integer is fine */
    SB_ATTRIBUTE_EXPERIMENT_ID, /* quoted on the wire, an integer in the table */
    SB_ATTRIBUTE_MODEL_STATUS,  /* its name on the wire, a number in the table */
    SB_ATTRIBUTE_RUN_NAME,      /* the tag mlflow.runName */
};
struct sb_filter_attribute {
    const char *name;   /* on the wire */
    const char *column; /* SQL */
    enum sb_attribute_type type;
    bool list;   /* IN and NOT IN */
    bool filter; /* may be filtered by */
    bool order;  /* may be ordered by */
};

struct sb_filter_clause {
    enum sb_filter_entity entity;
    struct sb_str key;
    const struct sb_filter_attribute *attribute; /* of an ATTRIBUTE or DATASET */
    enum sb_filter_op op;
    struct sb_sql_value *values; /* in the arena; none for IS NULL */
    size_t values_n;
};
struct sb_filter {
    struct sb_filter_clause v[SB_FILTER_CLAUSES_MAX];
    size_t n;
};

/* An absent, empty or blank text is no clause. Failures are MLflow's INVALID_PARAMETER_VALUE. Uses
 * of c: its arena and error only. */
SB_MUST_CHECK sb_err sb_filter_parse(struct sb_registry_call *c, enum sb_filter_for what,
                                     struct sb_str text, struct sb_filter *out);

struct sb_order {
    enum sb_filter_entity entity;
    struct sb_str key;
    const struct sb_filter_attribute *attribute;
    bool descending;
};
struct sb_orders {
    struct sb_order v[SB_FILTER_ORDER_MAX];
    size_t n;
};
/* Duplicates are refused. */
SB_MUST_CHECK sb_err sb_order_parse(struct sb_registry_call *c, enum sb_filter_for what,
                                    const struct sb_str *items, size_t n, struct sb_orders *out);
bool sb_order_has(const struct sb_orders *orders, const char *column);

/* ---- SQL ---- */

struct sb_tx;

/* A statement in the making: text and the values of its `?` in order. */
struct sb_query {
    struct sb_buf sql;
    struct sb_sql_value *values; /* heap */
    size_t n, cap;
};
void sb_query_init(struct sb_query *q);
void sb_query_fini(struct sb_query *q);
void sb_query_add(struct sb_query *q, struct sb_sql_value v);
/* " LIMIT ? OFFSET ?" for one row more than a page, which sb_page_cut then takes off. */
void sb_query_page(struct sb_query *q, int64_t limit, int64_t offset);
/* Runs it, row by row, and ends q; refuses one with more values than SQLite binds. */
SB_MUST_CHECK sb_err sb_query_run(struct sb_tx *tx, struct sb_query *q,
                                  void (*row)(struct sb_tx *, struct sb_sql_stmt *, void *user),
                                  void *user);
/* " AND ..." for each clause. Tables go by the aliases of filter_table.c. datasets: metrics of
 * logged models count only when logged on one of these (none: on any). */
void sb_filter_sql(struct sb_query *q, enum sb_filter_for what, const struct sb_filter *f,
                   const struct sb_dataset_filter *datasets, size_t datasets_n);
/* "(dataset_name = ? AND ...) OR (...)" over logged_model_metrics x, in parentheses. */
void sb_filter_datasets_sql(struct sb_query *q, const struct sb_dataset_filter *datasets, size_t n);

/* ---- the table ---- */

struct sb_filter_table {
    const char *const *entities[SB_ENTITY_COUNT]; /* words for each, NULL-ended; NULL: not known */
    const struct sb_filter_attribute *attributes; /* NULL-named end */
    /* FROM and WHERE of the rows of an entity, up to its key: "params x WHERE x.run_uuid =
     * r.run_uuid AND x.key = ?" */
    const char *rows[SB_ENTITY_COUNT];
    const char *value[SB_ENTITY_COUNT]; /* the column compared */
    bool null_tests;                    /* IS [NOT] NULL of tags and params */
    bool lists;                         /* IN and NOT IN of tags and params */
    const char *valid;                  /* a sentence with the entity words, for messages */
};
extern const struct sb_filter_table sb_filter_tables[SB_FOR_COUNT];
extern const struct sb_filter_attribute sb_filter_dataset_attributes[];

#endif
