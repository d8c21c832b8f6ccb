/* The body of _search, and the parameters of its URL. */
#include "api/search/interval.h"
#include "api/search/search_int.h"

enum { SIZE_USUAL = 10, TRACK_USUAL = 10000 };

static int cut(struct sb_str s) {
    return s.n < 100 ? (int)s.n : 100;
}

void es_search_init(struct es_search *s) {
    *s = (struct es_search){.size = SIZE_USUAL, .track_total = TRACK_USUAL};
}

static sb_err parse_track(struct es_parse *p, const struct sb_json *v, struct es_search *s) {
    bool b;
    int64_t n;
    if (es_json_bool(v, &b)) {
        s->track_all = b;
        s->track_none = !b;
        return SB_OK;
    }
    struct sb_str text = {0};
    es_json_text(v, &text);
    if (!sb_str_to_i64(text, &n) || n < -1)
        return es_fail_argument(p->error,
                                "[track_total_hits] must be a boolean or a positive number");
    s->track_none = n == 0;
    s->track_all = n == -1;
    s->track_total = n;
    return SB_OK;
}

static sb_err parse_timeout(struct es_parse *p, struct sb_str text, struct es_search *s) {
    if (!text.n || sb_str_is(text, "-1")) return SB_OK;
    if (!es_span_parse(text, &s->timeout_ms) || s->timeout_ms < 0)
        return es_fail_argument(p->error, "[timeout]: [%.*s] is no span of time", cut(text),
                                text.p);
    if (!s->timeout_ms) s->timeout_ms = 1;
    return SB_OK;
}

/* One value per sort key; what scores say is not looked at, as all are equal. */
static sb_err parse_after(struct es_parse *p, const struct sb_json *v, struct es_search *s) {
    const struct es_sorts *sorts = &s->hits.sorts;
    if (v->type != SB_JSON_ARRAY) return es_fail_parse(p->error, "[search_after] must be an array");
    if (!sorts->n)
        return es_fail_argument(p->error, "Sort must contain at least one field when using "
                                          "search_after.");
    if (v->n != sorts->n)
        return es_fail_argument(p->error, "search_after has %zu value(s) but sort has %zu.", v->n,
                                sorts->n);
    s->after = sb_arena_zalloc(p->arena, (sorts->n + 1) * sizeof *s->after);
    s->after_has = sb_arena_zalloc(p->arena, sorts->n + 1);
    const struct sb_json *m = v->child;
    size_t at = 0;
    for (size_t i = 0; i < sorts->n; i++, m = m->next) {
        const struct es_sort *sort = &sorts->list[i];
        bool never;
        if (sort->by == ES_SORT_SCORE) continue;
        s->after_has[at] = m->type != SB_JSON_NULL;
        struct sb_search_value *to = &s->after[at++];
        struct sb_str text = {0};
        if (m->type == SB_JSON_NULL) continue;
        if (sort->by == ES_SORT_DOC) {
            to->type = SB_COLUMN_LONG;
            if (!es_json_text(m, &text) || !sb_str_to_i64(text, &to->i))
                return es_fail_argument(p->error, "[search_after]: a whole number is expected for "
                                                  "_doc");
            continue;
        }
        if (sort->field.type == SB_COLUMN_DATE && m->type == SB_JSON_STRING) {
            struct es_date d = {.now_ms = p->now_ms, .format = sort->format};
            struct sb_errctx ctx = {0};
            to->type = SB_COLUMN_DATE;
            if (es_date_parse(&d, m->s, &to->i, &ctx) == SB_OK) continue;
        }
        SB_TRY(es_value_of(p, sort->field, m, text, to, &never));
        if (never) return es_fail_argument(p->error, "[search_after]: a value does not fit");
    }
    return SB_OK;
}

static sb_err check_window(struct es_parse *p, const struct es_search *s) {
    if (s->from < 0 || s->size < 0)
        return es_fail_argument(p->error, "[%s] parameter cannot be negative",
                                s->from < 0 ? "from" : "size");
    if (s->from > SB_SEARCH_WINDOW_MAX || s->size > SB_SEARCH_WINDOW_MAX ||
        s->from + s->size > SB_SEARCH_WINDOW_MAX)
        return es_fail_argument(p->error,
                                "Result window is too large, from + size must be less than or "
                                "equal to: [%d]. Page with search_after instead",
                                SB_SEARCH_WINDOW_MAX);
    if (s->after && s->from > 0)
        return es_fail_argument(p->error,
                                "`from` parameter must be set to 0 when `search_after` is used.");
    return SB_OK;
}

/* What the body may hold; parts that depend on others are read after all are known. */
struct body {
    const struct sb_json *query, *aggs, *aggregations, *sort, *source, *fields, *docvalues, *after,
        *track, *highlight, *pit, *script_fields, *runtime, *stored, *post_filter, *ignored;
    struct sb_str timeout;
    bool explain, profile;
    double min_score;
};

static bool has_members(const struct sb_json *v) {
    return v && v->n > 0;
}

static sb_err refuse_parts(struct es_parse *p, const struct body *b) {
    if (has_members(b->script_fields))
        return es_fail_argument(p->error, "[script_fields] is not supported");
    if (has_members(b->runtime))
        return es_fail_argument(p->error, "[runtime_mappings] is not supported");
    if (b->explain) return es_fail_argument(p->error, "[explain] is not supported");
    if (b->profile) return es_fail_argument(p->error, "[profile] is not supported");
    if (b->aggs && b->aggregations)
        return es_fail_parse(p->error, "[aggs] together with [aggregations]");
    return SB_OK;
}

static sb_err parse_stored(struct es_parse *p, const struct sb_json *v, struct es_search *s) {
    const struct sb_str *names;
    size_t n;
    SB_TRY(es_json_names(p, "[stored_fields]", v, &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (sb_str_is(names[i], "_none_"))
            s->hits.source.off = true;
        else if (!sb_str_is(names[i], "*") && !sb_str_is(names[i], "_source"))
            return es_fail_argument(p->error, "[stored_fields]: [%.*s] is not supported",
                                    cut(names[i]), names[i].p);
    }
    return SB_OK;
}

static sb_err parse_pit(struct es_parse *p, const struct sb_json *v, struct es_search *s) {
    struct sb_str keep = {0};
    const struct es_option rows[] = {
        {"id", ES_OPT_STR, &s->pit}, {"keep_alive", ES_OPT_STR, &keep}, {NULL, 0, NULL}};
    SB_TRY(es_options_read(p->error, "[pit]", v, rows));
    if (!s->pit.n) return es_fail_parse(p->error, "[pit]: [id] is required");
    return SB_OK;
}

sb_err es_search_parse(struct es_parse *p, const struct sb_json *v, struct es_search *s) {
    struct body b = {0};
    const struct es_option rows[] = {
        {"query", ES_OPT_JSON, &b.query},
        {"aggs", ES_OPT_JSON, &b.aggs},
        {"aggregations", ES_OPT_JSON, &b.aggregations},
        {"from", ES_OPT_INT, &s->from},
        {"size", ES_OPT_INT, &s->size},
        {"sort", ES_OPT_JSON, &b.sort},
        {"_source", ES_OPT_JSON, &b.source},
        {"fields", ES_OPT_JSON, &b.fields},
        {"docvalue_fields", ES_OPT_JSON, &b.docvalues},
        {"stored_fields", ES_OPT_JSON, &b.stored},
        {"script_fields", ES_OPT_JSON, &b.script_fields},
        {"runtime_mappings", ES_OPT_JSON, &b.runtime},
        {"search_after", ES_OPT_JSON, &b.after},
        {"track_total_hits", ES_OPT_JSON, &b.track},
        {"track_scores", ES_OPT_JSON, &b.ignored},
        {"timeout", ES_OPT_STR, &b.timeout},
        {"highlight", ES_OPT_JSON, &b.highlight},
        {"pit", ES_OPT_JSON, &b.pit},
        {"version", ES_OPT_BOOL, &s->hits.version},
        {"seq_no_primary_term", ES_OPT_BOOL, &s->hits.seq_no},
        {"explain", ES_OPT_BOOL, &b.explain},
        {"profile", ES_OPT_BOOL, &b.profile},
        {"stats", ES_OPT_JSON, &b.ignored},
        {NULL, 0, NULL},
    };
    SB_TRY(es_options_read(p->error, "a search", v, rows));
    SB_TRY(refuse_parts(p, &b));
    if (b.query) SB_TRY(es_query_parse(p, b.query, &s->query));
    SB_TRY(es_aggs_parse(p, b.aggs ? b.aggs : b.aggregations, &s->aggs));
    if (b.sort) SB_TRY(es_sorts_parse(p, b.sort, &s->hits.sorts));
    if (b.stored) SB_TRY(parse_stored(p, b.stored, s));
    if (b.source) SB_TRY(es_source_parse(p, b.source, &s->hits.source));
    if (b.fields) SB_TRY(es_doc_fields_parse(p, "fields", b.fields, &s->hits.fields));
    if (b.docvalues)
        SB_TRY(es_doc_fields_parse(p, "docvalue_fields", b.docvalues, &s->hits.docvalues));
    if (b.track) SB_TRY(parse_track(p, b.track, s));
    if (b.pit) {
        static const struct sb_sort tie = {.by = SB_SORT_OFFSET};
        SB_TRY(parse_pit(p, b.pit, s));
        if (s->hits.sorts.n) /* as Elasticsearch does: so that pages have no gaps */
            SB_TRY(es_sorts_add(p, &s->hits.sorts, &(struct es_sort){.by = ES_SORT_DOC}, &tie));
    }
    if (b.after) SB_TRY(parse_after(p, b.after, s));
    SB_TRY(parse_timeout(p, b.timeout, s));
    if (b.highlight) SB_TRY(es_highlight_parse(p, b.highlight, s->query, &s->hits.highlight));
    return check_window(p, s);
}

/* ---- parameters of the URL ---- */

struct url {
    struct es_query_string q;
    struct sb_str sort, source, includes, excludes, track, timeout, fields, df, op, lenient;
    int64_t from, size;
    bool has_from, has_size;
};

/* "a,b" as a JSON array of strings. */
static const struct sb_json *split(struct es_parse *p, struct sb_str list) {
    struct sb_json *array = sb_arena_zalloc(p->arena, sizeof *array), **tail = &array->child;
    struct sb_str part;
    array->type = SB_JSON_ARRAY;
    while (sb_str_split(&list, ',', &part)) {
        struct sb_json *one = sb_arena_zalloc(p->arena, sizeof *one);
        one->type = SB_JSON_STRING;
        one->s = part;
        *tail = one;
        tail = &one->next;
        array->n++;
    }
    return array;
}

static const struct sb_json *text_json(struct es_parse *p, struct sb_str s) {
    struct sb_json *v = sb_arena_zalloc(p->arena, sizeof *v);
    v->type = SB_JSON_STRING;
    v->s = s;
    return v;
}

static sb_err apply_query(struct es_parse *p, struct url *u, struct es_search *s) {
    if (!u->q.text.p) return SB_OK;
    u->q.and = sb_str_ieq(u->op, SB_STR("and"));
    u->q.has_lenient = u->lenient.p != NULL;
    u->q.lenient = u->q.has_lenient && !sb_str_is(u->lenient, "false");
    if (u->df.n) {
        u->q.fields = &u->df;
        u->q.nfields = 1;
    }
    return es_query_string_parse(p, &u->q, &s->query);
}

static sb_err apply_url(struct es_parse *p, struct url *u, struct es_search *s) {
    SB_TRY(apply_query(p, u, s));
    if (u->has_from) s->from = u->from;
    if (u->has_size) s->size = u->size;
    if (u->sort.p) {
        s->hits.sorts = (struct es_sorts){0};
        SB_TRY(es_sorts_parse(p, split(p, u->sort), &s->hits.sorts));
    }
    if (sb_str_is(u->source, "true") || sb_str_is(u->source, "false"))
        s->hits.source.off = sb_str_is(u->source, "false");
    else if (u->source.p)
        SB_TRY(es_source_parse(p, split(p, u->source), &s->hits.source));
    if (u->includes.p) SB_TRY(es_source_parse(p, split(p, u->includes), &s->hits.source));
    if (u->excludes.p)
        SB_TRY(es_json_names(p, "[_source_excludes]", split(p, u->excludes),
                             &s->hits.source.excludes, &s->hits.source.nexcludes));
    if (u->fields.p)
        SB_TRY(es_doc_fields_parse(p, "docvalue_fields", split(p, u->fields), &s->hits.docvalues));
    if (u->track.p) SB_TRY(parse_track(p, text_json(p, u->track), s));
    SB_TRY(parse_timeout(p, u->timeout, s));
    return check_window(p, s);
}

sb_err es_search_parse_url(struct es_parse *p, const struct es_params *params,
                           struct es_search *s) {
    struct url u = {0};
    struct sb_str from = {0}, size = {0};
    const struct {
        const char *name;
        struct sb_str *to;
    } rows[] = {{"q", &u.q.text},
                {"df", &u.df},
                {"default_operator", &u.op},
                {"lenient", &u.lenient},
                {"sort", &u.sort},
                {"_source", &u.source},
                {"_source_includes", &u.includes},
                {"_source_excludes", &u.excludes},
                {"docvalue_fields", &u.fields},
                {"track_total_hits", &u.track},
                {"timeout", &u.timeout},
                {"from", &from},
                {"size", &size}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) es_param_get(params, rows[i].name, rows[i].to);
    u.has_from = from.p != NULL;
    u.has_size = size.p != NULL;
    if ((u.has_from && !sb_str_to_i64(from, &u.from)) ||
        (u.has_size && !sb_str_to_i64(size, &u.size)))
        return es_fail_argument(p->error, "[from] and [size] must be whole numbers");
    s->int_total = es_param_on(params, "rest_total_hits_as_int");
    s->typed_keys = es_param_on(params, "typed_keys");
    return apply_url(p, &u, s);
}
