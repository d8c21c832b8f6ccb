/* registered-models/search and model-versions/search. Prompts share the tables: rows tagged as such
 * stay out unless the filter asks for them. */
#include "domain/registry/check_int.h"
#include "domain/registry/filter.h"
#include "domain/registry/models_int.h"

struct query {
    struct sb_filter *filter;
    struct sb_orders orders;
    bool prompts;
    int64_t limit, offset;
};

static bool is_prompt_clause(const struct sb_filter_clause *c) {
    return c->entity == SB_ENTITY_TAG && sb_str_is(c->key, SB_PROMPT_TAG);
}

/* The first clause about the prompt tag decides. When it does not ask for prompts, such clauses are
 * dropped, because rows of models lack the tag: they match by the anti-join instead. */
static bool take_prompt_clauses(struct sb_filter *f) {
    bool prompts = false, decided = false;
    for (size_t i = 0; i < f->n && !decided; i++) {
        const struct sb_filter_clause *c = &f->v[i];
        if (!is_prompt_clause(c)) continue;
        decided = true;
        struct sb_str v = c->values_n ? c->values[0].s : (struct sb_str){0};
        prompts = (c->op == SB_OP_EQ && sb_str_ieq(v, SB_STR("true"))) ||
                  (c->op == SB_OP_NE && sb_str_ieq(v, SB_STR("false")));
    }
    if (prompts) return true;
    size_t kept = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!is_prompt_clause(&f->v[i])) f->v[kept++] = f->v[i];
    f->n = kept;
    return false;
}

static sb_err prepare(struct sb_registry_call *c, enum sb_filter_for what,
                      const struct sb_search *s, struct query *x) {
    x->filter = sb_arena_alloc(c->arena, sizeof *x->filter);
    x->offset = 0;
    SB_TRY(sb_filter_parse(c, what, s->filter, x->filter));
    SB_TRY(sb_order_parse(c, what, s->order_by, s->order_by_n, &x->orders));
    SB_TRY(sb_page_parse(c, s->page_token, &x->offset));
    x->prompts = take_prompt_clauses(x->filter);
    return SB_OK;
}

static void add_tail(struct sb_query *q, const struct query *x, const char *ties) {
    sb_buf_addz(&q->sql, " ORDER BY ");
    for (size_t i = 0; i < x->orders.n; i++)
        sb_buf_addf(&q->sql, "%s %s, ", x->orders.v[i].attribute->column,
                    x->orders.v[i].descending ? "DESC" : "ASC");
    sb_buf_addz(&q->sql, ties);
    sb_query_page(q, x->limit, x->offset);
}

/* ---- models ---- */

static void compose_models(struct sb_query *q, const struct query *x) {
    sb_buf_addz(&q->sql, "SELECT " SB_MODEL_COLUMNS " FROM registered_models m WHERE m.workspace = "
                         "'default'");
    if (!x->prompts)
        sb_buf_addz(&q->sql, " AND NOT EXISTS (SELECT 1 FROM registered_model_tags p WHERE "
                             "p.workspace = 'default' AND p.name = m.name AND p.key = "
                             "'" SB_PROMPT_TAG "' AND p.value = 'true')");
    sb_filter_sql(q, SB_FOR_MODELS, x->filter, NULL, 0);
    add_tail(q, x, "m.name ASC");
}

static void found_model(struct sb_tx *tx, struct sb_sql_stmt *st, void *rows) {
    struct sb_registered_model *m = sb_vec_push(tx, rows, sizeof *m);
    if (m) sb_model_read(tx, st, m);
}

static sb_err search_models_in(struct sb_tx *tx, const struct query *x,
                               struct sb_registered_models *out) {
    struct sb_vec rows = {0};
    struct sb_query q;
    sb_query_init(&q);
    compose_models(&q, x);
    SB_TRY(sb_query_run(tx, &q, found_model, &rows));
    *out = (struct sb_registered_models){.v = (void *)rows.p, .n = rows.n};
    if (sb_page_cut(&out->n, x->limit))
        out->next_page_token = sb_page_make(tx->arena, x->offset + x->limit);
    return sb_model_load_children(tx, out->v, out->n);
}

sb_err sb_registry_model_search(struct sb_registry_call *c, const struct sb_search *s,
                                struct sb_registered_models *out) {
    struct query x;
    SB_TRY(sb_page_size(c, s->max_results, 100, 1000, &x.limit));
    SB_TRY(prepare(c, SB_FOR_MODELS, s, &x));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, search_models_in(&tx, &x, out));
}

/* ---- versions ---- */

static void compose_versions(struct sb_query *q, const struct query *x) {
    sb_buf_addz(&q->sql,
                "SELECT " SB_VERSION_COLUMNS " FROM model_versions v WHERE v.workspace = 'default' "
                "AND v.current_stage <> 'Deleted_Internal'");
    if (!x->prompts)
        sb_buf_addz(&q->sql, " AND NOT EXISTS (SELECT 1 FROM model_version_tags p WHERE "
                             "p.workspace = 'default' AND p.name = v.name AND p.key = "
                             "'" SB_PROMPT_TAG "' AND p.value = 'true')");
    sb_filter_sql(q, SB_FOR_VERSIONS, x->filter, NULL, 0);
    add_tail(q, x,
             x->orders.n ? "v.name ASC, v.version DESC"
                         : "v.last_updated_time DESC, v.name ASC, v.version DESC");
}

static void found_version(struct sb_tx *tx, struct sb_sql_stmt *st, void *rows) {
    sb_version_read(tx, st, rows);
}

static sb_err search_versions_in(struct sb_tx *tx, const struct query *x,
                                 struct sb_model_versions *out) {
    struct sb_version_rows rows = {0};
    struct sb_query q;
    sb_query_init(&q);
    compose_versions(&q, x);
    SB_TRY(sb_query_run(tx, &q, found_version, &rows));
    *out = (struct sb_model_versions){.n = rows.rows.n};
    if (sb_page_cut(&out->n, x->limit))
        out->next_page_token = sb_page_make(tx->arena, x->offset + x->limit);
    return sb_version_rows_load(tx, &rows, out->n, &out->v);
}

sb_err sb_registry_version_search(struct sb_registry_call *c, const struct sb_search *s,
                                  struct sb_model_versions *out) {
    struct query x;
    SB_TRY(sb_page_size(c, s->max_results, 10000, 200000, &x.limit));
    SB_TRY(prepare(c, SB_FOR_VERSIONS, s, &x));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, search_versions_in(&tx, &x, out));
}
