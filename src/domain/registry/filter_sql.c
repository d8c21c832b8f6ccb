/* Filters as SQL: a clause about a column compares it; one about metrics, params, tags or datasets
 * is an EXISTS over their rows, each reached by its index. */
#include "domain/registry/filter.h"

#include "base/mem.h"
#include "domain/registry/store_int.h"

void sb_query_init(struct sb_query *q) {
    *q = (struct sb_query){0};
    sb_buf_init(&q->sql, 1 << 20);
}

void sb_query_fini(struct sb_query *q) {
    sb_buf_fini(&q->sql);
    sb_free(q->values);
}

void sb_query_add(struct sb_query *q, struct sb_sql_value v) {
    if (q->n == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 32;
        q->values = sb_realloc(q->values, q->cap * sizeof *q->values);
    }
    q->values[q->n++] = v;
}

void sb_query_page(struct sb_query *q, int64_t limit, int64_t offset) {
    sb_buf_addz(&q->sql, " LIMIT ? OFFSET ?");
    sb_query_add(q, sb_sql_int(limit + 1));
    sb_query_add(q, sb_sql_int(offset));
}

static sb_err run(struct sb_tx *tx, const struct sb_query *q,
                  void (*row)(struct sb_tx *, struct sb_sql_stmt *, void *), void *user) {
    struct sb_sql_stmt *st;
    if (sb_buf_err(&q->sql) || q->n > SB_QUERY_VALUES_MAX)
        return sb_call_invalid(tx->c, "A search can have at most %d values.", SB_QUERY_VALUES_MAX);
    SB_TRY(sb_sql_query_values(tx->db, &st, sb_buf_view(&q->sql), q->values, q->n));
    while (sb_sql_next(st)) row(tx, st, user);
    SB_TRY(sb_sql_end(st));
    return tx->err;
}

sb_err sb_query_run(struct sb_tx *tx, struct sb_query *q,
                    void (*row)(struct sb_tx *, struct sb_sql_stmt *, void *), void *user) {
    sb_err err = run(tx, q, row, user);
    sb_query_fini(q);
    return err;
}

/* column OP ? */
static void add_comparison(struct sb_query *q, const char *column,
                           const struct sb_filter_clause *c) {
    if (c->op == SB_OP_ILIKE) {
        sb_buf_addf(&q->sql, "lower(%s) LIKE lower(?)", column);
    } else if (c->op == SB_OP_IN || c->op == SB_OP_NOT_IN) {
        sb_buf_addf(&q->sql, "%s %s (", column, sb_filter_op_name(c->op));
        for (size_t i = 0; i < c->values_n; i++) sb_buf_addz(&q->sql, i ? ",?" : "?");
        sb_buf_addc(&q->sql, ')');
    } else {
        sb_buf_addf(&q->sql, "%s %s ?", column, sb_filter_op_name(c->op));
    }
    for (size_t i = 0; i < c->values_n; i++) sb_query_add(q, c->values[i]);
}

void sb_filter_datasets_sql(struct sb_query *q, const struct sb_dataset_filter *datasets,
                            size_t n) {
    sb_buf_addc(&q->sql, '(');
    for (size_t i = 0; i < n; i++) {
        sb_buf_addz(&q->sql, i ? " OR (x.dataset_name = ?" : "(x.dataset_name = ?");
        sb_query_add(q, sb_sql_text(datasets[i].name));
        if (datasets[i].digest.n) {
            sb_buf_addz(&q->sql, " AND x.dataset_digest = ?");
            sb_query_add(q, sb_sql_text(datasets[i].digest));
        }
        sb_buf_addc(&q->sql, ')');
    }
    sb_buf_addc(&q->sql, ')');
}

static void add_dataset(struct sb_query *q, const struct sb_filter_clause *c) {
    sb_buf_addz(&q->sql, "EXISTS (SELECT 1 FROM inputs i JOIN datasets d ON d.dataset_uuid = "
                         "i.source_id");
    if (strcmp(c->attribute->column, "t.value") == 0)
        sb_buf_addz(&q->sql, " JOIN input_tags t ON t.input_uuid = i.input_uuid AND t.name = "
                             "'mlflow.data.context'");
    sb_buf_addz(&q->sql,
                " WHERE i.destination_type = 'RUN' AND i.destination_id = r.run_uuid AND ");
    add_comparison(q, c->attribute->column, c);
    sb_buf_addc(&q->sql, ')');
}

/* A NaN metric is stored as 0 with a flag: it is unlike every number, and in no other relation. */
static void add_run_metric(struct sb_query *q, const struct sb_filter_clause *c) {
    sb_buf_addc(&q->sql, '(');
    add_comparison(q, "x.value", c);
    sb_buf_addz(&q->sql, c->op == SB_OP_NE ? " OR x.is_nan = 1)" : " AND x.is_nan = 0)");
}

static void add_rows(struct sb_query *q, enum sb_filter_for what, const struct sb_filter_clause *c,
                     const struct sb_dataset_filter *datasets, size_t datasets_n) {
    const struct sb_filter_table *t = &sb_filter_tables[what];
    if (c->op == SB_OP_IS_NULL) sb_buf_addz(&q->sql, "NOT ");
    sb_buf_addf(&q->sql, "EXISTS (SELECT 1 FROM %s", t->rows[c->entity]);
    sb_query_add(q, sb_sql_text(c->key));
    if (c->values_n) {
        sb_buf_addz(&q->sql, " AND ");
        if (what == SB_FOR_RUNS && c->entity == SB_ENTITY_METRIC)
            add_run_metric(q, c);
        else
            add_comparison(q, t->value[c->entity], c);
    }
    if (c->entity == SB_ENTITY_METRIC && datasets_n) {
        sb_buf_addz(&q->sql, " AND ");
        sb_filter_datasets_sql(q, datasets, datasets_n);
    }
    sb_buf_addc(&q->sql, ')');
}

void sb_filter_sql(struct sb_query *q, enum sb_filter_for what, const struct sb_filter *f,
                   const struct sb_dataset_filter *datasets, size_t datasets_n) {
    for (size_t i = 0; i < f->n; i++) {
        const struct sb_filter_clause *c = &f->v[i];
        sb_buf_addz(&q->sql, " AND ");
        if (c->entity == SB_ENTITY_DATASET) {
            add_dataset(q, c);
        } else if (c->entity != SB_ENTITY_ATTRIBUTE) {
            add_rows(q, what, c, datasets, datasets_n);
        } else if (c->attribute->type == SB_ATTRIBUTE_RUN_NAME) {
            /* Old runs have their name in the tag only. */
            sb_buf_addz(&q->sql, "EXISTS (SELECT 1 FROM tags x WHERE x.run_uuid = r.run_uuid AND "
                                 "x.key = 'mlflow.runName' AND ");
            add_comparison(q, "x.value", c);
            sb_buf_addc(&q->sql, ')');
        } else {
            add_comparison(q, c->attribute->column, c);
        }
    }
}
