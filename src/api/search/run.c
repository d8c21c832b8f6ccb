/* Searches: parsed for each index by its own fields, run there, and answered as one. */
#include "api/search/api_int.h"
#include "base/clock.h"

/* One index's part of a search. */
struct part {
    const struct target *target;
    struct es_search es;
    struct sb_search_result result;
    struct sb_index_texts *texts;
    size_t next; /* hit to be shown */
};

static struct sb_search engine_search(struct call *c, const struct es_search *es,
                                      const struct sb_query *all) {
    struct sb_search q = {
        .query = es->query ? es->query : all,
        .aggs = es->aggs.engine,
        .naggs = es->aggs.n,
        .sort = es->hits.sorts.engine,
        .nsort = es->hits.sorts.nengine,
        .from = (uint32_t)es->from,
        .size = (uint32_t)es->size,
        .after = es->after,
        .after_has = es->after_has,
        .track_total = es->track_none  ? 0
                       : es->track_all ? UINT64_MAX
                                       : (uint64_t)es->track_total,
        .deadline_ns = c->deadline_ns,
        .cpu_ns = c->api->o.cpu_ns,
        .cancel = &c->cancel,
        .memory_max = c->api->o.memory_max,
    };
    if (es->timeout_ms && c->begin_ns + es->timeout_ms * SB_MS < q.deadline_ns)
        q.deadline_ns = c->begin_ns + es->timeout_ms * SB_MS;
    return q;
}

static sb_err part_parse(struct call *c, struct sb_arena *a, struct part *p,
                         const struct sb_json *body, const struct es_params *params) {
    struct es_parse parse = parse_of(c, a, p->target);
    es_search_init(&p->es);
    if (body) SB_TRY(es_search_parse(&parse, body, &p->es));
    return es_search_parse_url(&parse, params, &p->es);
}

/* several: hits are cut out of all parts together, later. */
static sb_err part_run(struct call *c, struct sb_arena *a, struct part *p, bool several) {
    static const struct sb_query all = {.kind = SB_QUERY_ALL, .field = -1};
    struct sb_errctx ctx = {0};
    struct sb_search q = engine_search(c, &p->es, &all);
    if (several) {
        q.size += q.from;
        q.from = 0;
    }
    sb_err err = sb_search_run(p->target->snap, &q, a, &p->result, &ctx);
    return err ? es_fail_engine(&c->error, err, &ctx) : SB_OK;
}

/* ---- the hits of several indexes in one order ---- */

static int compare_values(const struct sb_search_value *a, const struct sb_search_value *b) {
    if (a->type == SB_COLUMN_KEYWORD || b->type == SB_COLUMN_KEYWORD) {
        if (a->type != b->type) return a->type == SB_COLUMN_KEYWORD ? 1 : -1;
        return sb_str_cmp(a->s, b->s);
    }
    if (a->type == SB_COLUMN_DOUBLE || b->type == SB_COLUMN_DOUBLE) {
        double x = a->type == SB_COLUMN_DOUBLE ? a->f : (double)a->i;
        double y = b->type == SB_COLUMN_DOUBLE ? b->f : (double)b->i;
        return (x > y) - (x < y);
    }
    return (a->i > b->i) - (a->i < b->i);
}

/* Whether a's next hit stands before b's; on a tie the index that comes first. */
static bool stands_before(const struct part *a, const struct part *b) {
    const struct es_sorts *s = &a->es.hits.sorts;
    const struct sb_search_hit *x = &a->result.hits[a->next], *y = &b->result.hits[b->next];
    for (size_t i = 0; i < s->nengine; i++) {
        int order = 0;
        if (x->has[i] != y->has[i])
            order = x->has[i] == s->engine[i].missing_first ? 1 : -1;
        else if (x->has[i] && s->engine[i].by == SB_SORT_FIELD)
            order = compare_values(&x->sort[i], &y->sort[i]) * (s->engine[i].descending ? -1 : 1);
        if (order) return order < 0;
    }
    return true;
}

static struct part *next_part(struct part *parts, size_t n) {
    struct part *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].next >= parts[i].result.nhits) continue;
        if (!best || !stands_before(best, &parts[i])) best = &parts[i];
    }
    return best;
}

/* ---- the answer ---- */

static void write_total(struct sb_json_writer *w, const struct part *parts, size_t n) {
    const struct es_search *es = &parts[0].es;
    uint64_t total = 0;
    bool more = false;
    if (es->track_none) return;
    for (size_t i = 0; i < n; i++) {
        total += parts[i].result.total;
        more |= parts[i].result.total_is_lower_bound;
    }
    if (!es->track_all && total > (uint64_t)es->track_total) {
        total = (uint64_t)es->track_total;
        more = true;
    }
    if (es->int_total) {
        sb_json_int(w, "total", (int64_t)total);
        return;
    }
    sb_json_obj(w, "total");
    sb_json_int(w, "value", (int64_t)total);
    sb_json_str(w, "relation", more ? SB_STR("gte") : SB_STR("eq"));
    sb_json_end(w);
}

static sb_err write_hits(struct call *c, struct part *parts, size_t n) {
    struct sb_json_writer *w = &c->w;
    struct sb_arena scratch;
    const struct es_search *es = &parts[0].es;
    bool several = n > 1, scored = !es->hits.sorts.n && es->size > 0;
    int64_t skip = several ? es->from : 0, left = es->size;
    sb_err err = SB_OK;
    sb_json_obj(w, "hits");
    write_total(w, parts, n);
    if (scored && parts[0].result.nhits)
        sb_json_double(w, "max_score", 1);
    else
        sb_json_null(w, "max_score");
    sb_json_arr(w, "hits");
    sb_arena_init(&scratch, 64 << 20);
    for (struct part *p; left > 0 && !err && (p = next_part(parts, n));) {
        const struct sb_search_hit *hit = &p->result.hits[p->next++];
        struct es_view v = {&p->target->fields, p->texts, &scratch};
        if (skip-- > 0) continue;
        es_hit_write(w, &v, &p->es.hits, hit);
        left--;
        if (atomic_load(&c->cancel)) err = es_fail_engine(&c->error, SB_E_CLOSED, NULL);
        if (sb_mono_ns() > c->deadline_ns) err = es_fail_engine(&c->error, SB_E_TIMEOUT, NULL);
        if (sb_buf_err(w->b)) break; /* said at the end */
    }
    sb_arena_fini(&scratch);
    sb_json_end(w);
    sb_json_end(w);
    return err;
}

static void write_aggs(struct call *c, struct part *p) {
    struct sb_arena scratch;
    struct es_view v = {&p->target->fields, p->texts, &scratch};
    if (!p->es.aggs.n) return;
    sb_arena_init(&scratch, 64 << 20);
    sb_json_obj(&c->w, "aggregations");
    es_aggs_write(&c->w, &v, p->es.aggs.list, p->result.aggs, p->es.aggs.n, p->es.typed_keys);
    sb_json_end(&c->w);
    sb_arena_fini(&scratch);
}

static sb_err write_answer(struct call *c, struct part *parts, size_t n, struct sb_str pit) {
    int64_t took = (sb_mono_ns() - c->begin_ns) / SB_MS;
    if (pit.n) sb_json_str(&c->w, "pit_id", pit);
    sb_json_int(&c->w, "took", took);
    sb_json_bool(&c->w, "timed_out", false);
    write_shards(&c->w, n);
    SB_TRY(write_hits(c, parts, n));
    write_aggs(c, &parts[0]);
    return SB_OK;
}

static void write_nothing(struct call *c) {
    sb_json_int(&c->w, "took", 0);
    sb_json_bool(&c->w, "timed_out", false);
    write_shards(&c->w, 0);
    sb_json_obj(&c->w, "hits");
    sb_json_obj(&c->w, "total");
    sb_json_int(&c->w, "value", 0);
    sb_json_str(&c->w, "relation", SB_STR("eq"));
    sb_json_end(&c->w);
    sb_json_null(&c->w, "max_score");
    sb_json_arr(&c->w, "hits");
    sb_json_end(&c->w);
    sb_json_end(&c->w);
}

/* Empty indexes add nothing, but one is needed to answer. */
static size_t parts_of(const struct targets *t, struct part *parts) {
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (sb_column_docs(t->list[i].snap) > 0) parts[n++] = (struct part){.target = &t->list[i]};
    if (!n && t->n) parts[n++] = (struct part){.target = &t->list[0]};
    return n;
}

static sb_err run_parts(struct call *c, struct sb_arena *a, struct part *parts, size_t n,
                        const struct sb_json *body, const struct es_params *params) {
    struct sb_errctx ctx = {0};
    for (size_t i = 0; i < n; i++) SB_TRY(part_parse(c, a, &parts[i], body, params));
    if (n > 1 && parts[0].es.aggs.n)
        return es_fail_argument(&c->error, "[aggs] over more than one index that has documents are "
                                           "not supported: name one index");
    for (size_t i = 0; i < n; i++) {
        SB_TRY(part_run(c, a, &parts[i], n > 1));
        sb_err err = sb_index_texts_open(&parts[i].texts, parts[i].target->index, &ctx);
        if (err && err != SB_E_MISSING) return es_fail_engine(&c->error, err, &ctx);
    }
    return write_answer(c, parts, n, parts[0].es.pit);
}

sb_err search_run(struct call *c, struct sb_arena *a, const struct targets *t,
                  const struct sb_json *body, const struct es_params *params) {
    struct part parts[ES_TARGETS_MAX] = {{0}};
    size_t n = parts_of(t, parts);
    if (!n) {
        write_nothing(c);
        return SB_OK;
    }
    sb_err err = run_parts(c, a, parts, n, body, params);
    for (size_t i = 0; i < n; i++) sb_index_texts_close(parts[i].texts);
    return err;
}

/* ---- routes ---- */

static struct sb_str pit_of(const struct sb_json *body) {
    struct sb_str id = {0};
    const struct sb_json *pit = body ? sb_json_get(body, "pit") : NULL;
    if (pit && !sb_json_get_str(pit, "id", &id)) id = (struct sb_str){0};
    return id;
}

sb_err run_search(struct call *c) {
    const struct sb_json *body;
    struct targets t;
    SB_TRY(body_of(c, &body));
    struct sb_str pit = pit_of(body);
    if (pit.n && c->req->nparams)
        return es_fail_argument(&c->error, "[indices] cannot be used with point in time");
    SB_TRY(pit.n ? targets_of_pit(c, pit, &t) : targets_of_path(c, &t));
    sb_json_obj(&c->w, NULL);
    sb_err err = search_run(c, &c->arena, &t, body, &c->params);
    sb_json_end(&c->w);
    targets_release(c, &t);
    return err;
}

struct line {
    struct sb_str index;
    bool ignore_missing;
};

static sb_err read_header(struct call *c, struct sb_arena *a, struct sb_str text,
                          struct line *out) {
    struct sb_json *v;
    struct sb_str ignored = {0};
    const struct sb_json *index = NULL, *anything = NULL;
    const struct es_option rows[] = {{"index", ES_OPT_JSON, &index},
                                     {"ignore_unavailable", ES_OPT_BOOL, &out->ignore_missing},
                                     {"search_type", ES_OPT_STR, &ignored},
                                     {"preference", ES_OPT_STR, &ignored},
                                     {"routing", ES_OPT_STR, &ignored},
                                     {"expand_wildcards", ES_OPT_JSON, &anything},
                                     {"allow_no_indices", ES_OPT_JSON, &anything},
                                     {"ignore_throttled", ES_OPT_JSON, &anything},
                                     {"request_cache", ES_OPT_JSON, &anything},
                                     {"allow_partial_search_results", ES_OPT_JSON, &anything},
                                     {"ccs_minimize_roundtrips", ES_OPT_JSON, &anything},
                                     {"max_concurrent_shard_requests", ES_OPT_JSON, &anything},
                                     {NULL, 0, NULL}};
    if (!sb_str_trim(text).n) return SB_OK;
    SB_TRY(parse_text(c, a, text, &v));
    SB_TRY(es_options_read(&c->error, "a header of _msearch", v, rows));
    if (!index) return SB_OK;
    struct es_parse p = {.arena = a, .error = &c->error};
    const struct sb_str *names;
    size_t n;
    SB_TRY(es_json_names(&p, "[index]", index, &names, &n));
    struct sb_buf b;
    sb_buf_init(&b, SB_SEARCH_BODY_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i) sb_buf_addc(&b, ',');
        sb_buf_adds(&b, names[i]);
    }
    out->index = sb_arena_dup(a, sb_buf_view(&b));
    sb_buf_fini(&b);
    return SB_OK;
}

static sb_err one_of_many(struct call *c, struct sb_arena *a, struct sb_str header,
                          struct sb_str text) {
    struct line line = {.index = c->req->nparams ? c->req->params[0] : SB_STR("")};
    struct sb_json *body;
    struct targets t;
    SB_TRY(read_header(c, a, header, &line));
    SB_TRY(parse_text(c, a, text, &body));
    struct sb_str pit = pit_of(body);
    SB_TRY(pit.n ? targets_of_pit(c, pit, &t)
                 : targets_find(c, line.index, line.ignore_missing, &t));
    sb_err err = search_run(c, a, &t, body, &c->params);
    targets_release(c, &t);
    return err;
}

/* A search's own failure is its own answer; what it had written is taken back. */
static sb_err msearch_one(struct call *c, struct sb_str header, struct sb_str text) {
    struct sb_arena a;
    struct sb_json_writer before = c->w;
    size_t n = c->body.n;
    int64_t begin = c->begin_ns;
    sb_arena_init(&a, 256 << 20);
    c->begin_ns = sb_mono_ns();
    sb_json_obj(&c->w, NULL);
    sb_err err = one_of_many(c, &a, header, text);
    if (err && atomic_load(&c->cancel)) {
        sb_arena_fini(&a);
        return err;
    }
    if (err && !sb_buf_err(&c->body)) {
        c->w = before;
        c->body.n = n;
        sb_json_obj(&c->w, NULL);
        es_error_write(&c->w, &c->error);
        c->error = (struct es_error){0};
    } else {
        sb_json_int(&c->w, "status", 200);
    }
    sb_json_end(&c->w);
    sb_arena_fini(&a);
    c->begin_ns = begin;
    return SB_OK;
}

sb_err run_msearch(struct call *c) {
    struct sb_str rest = c->req->body, header, text;
    size_t n = 0;
    if (!sb_str_trim(rest).n) return es_fail_parse(&c->error, "request body is required");
    sb_json_obj(&c->w, NULL);
    sb_json_arr(&c->w, "responses");
    while (sb_str_split(&rest, '\n', &header)) {
        if (!rest.p && !sb_str_trim(header).n) break; /* behind the last line's end */
        if (!sb_str_split(&rest, '\n', &text) || !sb_str_trim(text).n)
            return es_fail_parse(&c->error, "the last header of _msearch has no body");
        if (++n > ES_MSEARCH_MAX)
            return es_fail_argument(&c->error, "_msearch: at most %d searches", ES_MSEARCH_MAX);
        SB_TRY(msearch_one(c, header, text));
        if (sb_buf_err(&c->body)) return SB_OK; /* said by the caller */
    }
    sb_json_end(&c->w);
    sb_json_int(&c->w, "took", (sb_mono_ns() - c->begin_ns) / SB_MS);
    sb_json_end(&c->w);
    return SB_OK;
}

/* ---- _count ---- */

static sb_err count_one(struct call *c, const struct target *t, const struct sb_json *body,
                        uint64_t *count) {
    struct es_parse p = parse_of(c, &c->arena, t);
    struct es_search es;
    const struct sb_json *query = NULL;
    static const struct sb_query all = {.kind = SB_QUERY_ALL, .field = -1};
    const struct es_option rows[] = {{"query", ES_OPT_JSON, &query}, {NULL, 0, NULL}};
    struct sb_errctx ctx = {0};
    struct sb_search_result result;
    es_search_init(&es);
    if (body) SB_TRY(es_options_read(&c->error, "_count", body, rows));
    if (query) SB_TRY(es_query_parse(&p, query, &es.query));
    SB_TRY(es_search_parse_url(&p, &c->params, &es));
    es.size = es.from = 0;
    es.track_all = true;
    struct sb_search q = engine_search(c, &es, &all);
    sb_err err = sb_search_run(t->snap, &q, &c->arena, &result, &ctx);
    if (err) return es_fail_engine(&c->error, err, &ctx);
    *count += result.total;
    return SB_OK;
}

sb_err run_count(struct call *c) {
    const struct sb_json *body;
    struct targets t;
    uint64_t count = 0;
    SB_TRY(body_of(c, &body));
    SB_TRY(targets_of_path(c, &t));
    sb_err err = SB_OK;
    for (size_t i = 0; i < t.n && !err; i++) err = count_one(c, &t.list[i], body, &count);
    sb_json_obj(&c->w, NULL);
    sb_json_int(&c->w, "count", (int64_t)count);
    write_shards(&c->w, t.n);
    sb_json_end(&c->w);
    targets_release(c, &t);
    return err;
}
