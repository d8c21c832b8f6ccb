/* The query DSL: {"kind": {...}} by a table of kinds. Depth is counted, and so are clauses. */
#include "api/search/search_int.h"

struct kind {
    const char *name;
    sb_err (*parse)(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                    const struct sb_query **out);
    int variant;
};

static int cut(struct sb_str s) {
    return s.n < 100 ? (int)s.n : 100;
}

/* ---- {"field": value} and {"field": {options}} ---- */

/* The one field of a query's body. `options` is its value. */
static sb_err one_field(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                        const struct sb_json **field) {
    if (v->type != SB_JSON_OBJECT)
        return es_fail_parse(p->error, "[%s] query malformed, no start_object after query name",
                             k->name);
    *field = NULL;
    for (const struct sb_json *m = v->child; m; m = m->next) {
        if (sb_str_is(m->key, "boost") || sb_str_is(m->key, "_name")) continue;
        if (*field)
            return es_fail_parse(p->error,
                                 "[%s] query doesn't support multiple fields, found [%.*s] and "
                                 "[%.*s]",
                                 k->name, cut((*field)->key), (*field)->key.p, cut(m->key),
                                 m->key.p);
        *field = m;
    }
    if (!*field) return es_fail_parse(p->error, "[%s] query: no field is named", k->name);
    return SB_OK;
}

/* What most queries on a field may say about it; unset parts keep their values. */
struct said {
    const struct sb_json *value;
    struct sb_str op, minimum, fuzziness;
    bool ignore_case, lenient;
    int64_t slop;
};

static sb_err read_said(struct es_parse *p, const struct kind *k, const struct sb_json *field,
                        const char *value_name, struct said *s) {
    struct sb_str ignored_text = {0};
    const struct sb_json *ignored = NULL, *query = NULL;
    if (field->type != SB_JSON_OBJECT) {
        s->value = field;
        return SB_OK;
    }
    const struct es_option rows[] = {
        {"value", ES_OPT_JSON, &s->value},
        {"query", ES_OPT_JSON, &query},
        {value_name, ES_OPT_JSON, &s->value},
        {"operator", ES_OPT_STR, &s->op},
        {"minimum_should_match", ES_OPT_STR, &s->minimum},
        {"fuzziness", ES_OPT_STR, &s->fuzziness},
        {"case_insensitive", ES_OPT_BOOL, &s->ignore_case},
        {"lenient", ES_OPT_BOOL, &s->lenient},
        {"slop", ES_OPT_INT, &s->slop},
        {"boost", ES_OPT_JSON, &ignored},
        {"_name", ES_OPT_JSON, &ignored},
        {"rewrite", ES_OPT_STR, &ignored_text},
        {"zero_terms_query", ES_OPT_STR, &ignored_text},
        {"auto_generate_synonyms_phrase_query", ES_OPT_JSON, &ignored},
        {"max_expansions", ES_OPT_JSON, &ignored},
        {"prefix_length", ES_OPT_JSON, &ignored},
        {"max_determinized_states", ES_OPT_JSON, &ignored},
        {NULL, 0, NULL},
    };
    SB_TRY(es_options_read(p->error, k->name, field, rows));
    if (query) s->value = query;
    if (!s->value)
        return es_fail_parse(p->error, "[%s] query: no value for [%.*s]", k->name, cut(field->key),
                             field->key.p);
    if (s->slop) return es_fail_argument(p->error, "[%s] query: [slop] is not supported", k->name);
    if (s->minimum.n && !sb_str_is(s->minimum, "1") && !sb_str_is(s->minimum, "100%"))
        return es_fail_argument(p->error, "[%s] query: [minimum_should_match] is not supported",
                                k->name);
    if (s->fuzziness.n && !sb_str_is(s->fuzziness, "0"))
        return es_fail_argument(p->error, "[%s] query: [fuzziness] is not supported", k->name);
    return SB_OK;
}

static sb_err parse_term(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                         const struct sb_query **out) {
    const struct sb_json *field;
    struct said s = {0};
    SB_TRY(one_field(p, k, v, &field));
    SB_TRY(read_said(p, k, field, "term", &s));
    struct es_leaf l = {.json = s.value, .ignore_case = s.ignore_case};
    return es_leaf_term(p, es_field_find(p->fields, field->key), &l, out);
}

static sb_err parse_pattern(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                            const struct sb_query **out) {
    const struct sb_json *field;
    struct said s = {0};
    SB_TRY(one_field(p, k, v, &field));
    SB_TRY(read_said(p, k, field, k->name, &s));
    struct es_leaf l = {.json = s.value, .ignore_case = s.ignore_case};
    return es_leaf_pattern(p, es_field_find(p->fields, field->key), &l, (enum es_pattern)k->variant,
                           out);
}

/* ---- terms ---- */

static sb_err terms_of_words(struct es_parse *p, struct es_field f, const struct sb_json *list,
                             const struct sb_query **out) {
    const struct sb_query **each = sb_arena_try_array(p->arena, list->n + 1, sizeof *each);
    size_t n = 0;
    if (!each) return es_fail_argument(p->error, "[terms] query: too many values");
    for (const struct sb_json *v = list->child; v; v = v->next) {
        struct es_leaf l = {.json = v};
        SB_TRY(es_leaf_term(p, f, &l, &each[n++]));
    }
    *out = es_any_of(p, each, n);
    return SB_OK;
}

static sb_err terms_exact(struct es_parse *p, struct es_field f, const struct sb_json *list,
                          const struct sb_query **out) {
    struct sb_search_value *values = sb_arena_try_array(p->arena, list->n + 1, sizeof *values);
    struct sb_query *q = es_query_new(p, f.at < 0 ? SB_QUERY_NONE : SB_QUERY_TERMS);
    SB_TRY(es_clauses_add(p, 1));
    if (!values) return es_fail_argument(p->error, "[terms] query: too many values");
    for (const struct sb_json *v = list->child; v; v = v->next) {
        bool never;
        SB_TRY(es_value_of(p, f, v, (struct sb_str){0}, &values[q->nvalues], &never));
        q->nvalues += !never;
    }
    q->field = f.at;
    q->values = values;
    if (!q->nvalues) q->kind = SB_QUERY_NONE;
    *out = q;
    return SB_OK;
}

static sb_err parse_terms(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                          const struct sb_query **out) {
    enum { TERMS_MAX = 65536 };
    const struct sb_json *field;
    SB_TRY(one_field(p, k, v, &field));
    if (field->type != SB_JSON_ARRAY)
        return es_fail_parse(p->error, "[terms] query: [%.*s] must be an array", cut(field->key),
                             field->key.p);
    if (field->n > TERMS_MAX)
        return es_fail_argument(p->error,
                                "The number of terms [%zu] used in the Terms Query request has "
                                "exceeded the allowed maximum of [%d]",
                                field->n, TERMS_MAX);
    struct es_field f = es_field_find(p->fields, field->key);
    bool apart =
        f.words || sb_str_starts(f.name, SB_STR("_")) || (f.at >= 0 && f.type == SB_COLUMN_DATE);
    return apart ? terms_of_words(p, f, field, out) : terms_exact(p, f, field, out);
}

/* ---- match ---- */

enum { MATCH = 100, MATCH_PHRASE, MATCH_PHRASE_PREFIX };

static sb_err match_one(struct es_parse *p, struct es_field f, const struct es_leaf *l, int variant,
                        const struct sb_query **out) {
    if (!f.words) {
        if (variant == MATCH_PHRASE_PREFIX && f.at >= 0 && f.type == SB_COLUMN_KEYWORD)
            return es_leaf_pattern(p, f, l, ES_PREFIX, out);
        return es_leaf_term(p, f, l, out);
    }
    switch (variant) {
    case MATCH_PHRASE: return es_leaf_words(p, f, l, SB_WORDS_PHRASE, out);
    case MATCH_PHRASE_PREFIX: return es_leaf_words(p, f, l, SB_WORDS_PHRASE_PREFIX, out);
    default: return es_leaf_words(p, f, l, l->all ? SB_WORDS_ALL : SB_WORDS_ANY, out);
    }
}

static sb_err read_operator(struct es_parse *p, const struct kind *k, struct sb_str text,
                            bool *all) {
    *all = sb_str_ieq(text, SB_STR("and"));
    if (*all || !text.n || sb_str_ieq(text, SB_STR("or"))) return SB_OK;
    return es_fail_argument(p->error, "[%s] query: operator [%.*s] is neither and nor or", k->name,
                            cut(text), text.p);
}

static sb_err parse_match(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                          const struct sb_query **out) {
    const struct sb_json *field;
    struct said s = {0};
    SB_TRY(one_field(p, k, v, &field));
    SB_TRY(read_said(p, k, field, "query", &s));
    struct es_leaf l = {.json = s.value, .lenient = s.lenient};
    SB_TRY(read_operator(p, k, s.op, &l.all));
    if (sb_str_is(s.minimum, "100%")) l.all = true;
    return match_one(p, es_field_find(p->fields, field->key), &l, k->variant, out);
}

/* Fields that a name or pattern (with ^boost) stands for: texts as words. */
static sb_err add_fields(struct es_parse *p, struct sb_str name, struct es_field *to, size_t *n) {
    ptrdiff_t boost = sb_str_rfind(name, '^');
    if (boost > 0) name = sb_str_sub(name, 0, (size_t)boost);
    if (sb_str_find(name, '*') < 0) {
        to[(*n)++] = es_field_find(p->fields, name);
        return SB_OK;
    }
    for (size_t i = 0; i < p->fields->n; i++)
        if (es_name_matches(name, p->fields->list[i].name))
            to[(*n)++] = es_field_find(p->fields, p->fields->list[i].name);
    return SB_OK;
}

static sb_err parse_multi_match(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                                const struct sb_query **out) {
    struct sb_str type = {0}, op = {0};
    const struct sb_json *query = NULL, *fields = NULL, *ignored = NULL;
    struct es_leaf l = {.lenient = false};
    const struct es_option rows[] = {{"query", ES_OPT_JSON, &query},
                                     {"fields", ES_OPT_JSON, &fields},
                                     {"type", ES_OPT_STR, &type},
                                     {"operator", ES_OPT_STR, &op},
                                     {"lenient", ES_OPT_BOOL, &l.lenient},
                                     {"boost", ES_OPT_JSON, &ignored},
                                     {"tie_breaker", ES_OPT_JSON, &ignored},
                                     {"_name", ES_OPT_JSON, &ignored},
                                     {NULL, 0, NULL}};
    static const struct {
        const char *name;
        int variant;
    } types[] = {{"best_fields", MATCH},
                 {"most_fields", MATCH},
                 {"phrase", MATCH_PHRASE},
                 {"phrase_prefix", MATCH_PHRASE_PREFIX}};
    SB_TRY(es_options_read(p->error, "[multi_match] query", v, rows));
    int variant = type.n ? 0 : MATCH;
    for (size_t i = 0; i < SB_COUNT(types); i++)
        if (sb_str_is(type, types[i].name)) variant = types[i].variant;
    if (!variant)
        return es_fail_argument(p->error, "[multi_match] query: type [%.*s] is not supported",
                                cut(type), type.p);
    if (!query) return es_fail_parse(p->error, "No text specified for multi_match query");
    SB_TRY(read_operator(p, k, op, &l.all));
    l.json = query;
    const struct sb_str every = SB_STR("*"), *names = &every;
    size_t nnames = 1, n = 0;
    if (fields)
        SB_TRY(es_json_names(p, "[multi_match] query: [fields]", fields, &names, &nnames));
    else
        l.lenient = true;
    if (nnames > SB_SEARCH_CLAUSES_MAX)
        return es_fail_argument(p->error, "[multi_match] query: too many fields");
    size_t most = nnames * (p->fields->n + 1);
    struct es_field *list = sb_arena_try_array(p->arena, most, sizeof *list);
    const struct sb_query **each = sb_arena_try_array(p->arena, most, sizeof *each);
    if (!list || !each) return es_fail_argument(p->error, "[multi_match] query: too many fields");
    for (size_t i = 0; i < nnames; i++) {
        if (sb_str_find(names[i], '*') >= 0) l.lenient = true;
        SB_TRY(add_fields(p, names[i], list, &n));
    }
    for (size_t i = 0; i < n; i++) SB_TRY(match_one(p, list[i], &l, variant, &each[i]));
    *out = es_any_of(p, each, n);
    return SB_OK;
}

/* ---- range ---- */

/* from/to with include_lower/include_upper are the older names. */
static sb_err parse_range(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                          const struct sb_query **out) {
    const struct sb_json *field, *gt = NULL, *gte = NULL, *lt = NULL, *lte = NULL, *from = NULL,
                                 *to = NULL, *ignored = NULL;
    struct es_range r = {0};
    struct sb_str relation = {0};
    bool lower = true, upper = true;
    const struct es_option rows[] = {
        {"gt", ES_OPT_JSON, &gt},
        {"gte", ES_OPT_JSON, &gte},
        {"lt", ES_OPT_JSON, &lt},
        {"lte", ES_OPT_JSON, &lte},
        {"from", ES_OPT_JSON, &from},
        {"to", ES_OPT_JSON, &to},
        {"include_lower", ES_OPT_BOOL, &lower},
        {"include_upper", ES_OPT_BOOL, &upper},
        {"format", ES_OPT_STR, &r.format},
        {"time_zone", ES_OPT_STR, &r.time_zone},
        {"relation", ES_OPT_STR, &relation},
        {"boost", ES_OPT_JSON, &ignored},
        {"_name", ES_OPT_JSON, &ignored},
        {NULL, 0, NULL},
    };
    SB_TRY(one_field(p, k, v, &field));
    SB_TRY(es_options_read(p->error, "[range] query", field, rows));
    if ((gt && gte) || (lt && lte))
        return es_fail_parse(p->error, "[range] query: two bounds on one side of [%.*s]",
                             cut(field->key), field->key.p);
    r.low.json = gt ? gt : gte ? gte : from;
    r.low.open = gt ? true : gte ? false : !lower;
    r.high.json = lt ? lt : lte ? lte : to;
    r.high.open = lt ? true : lte ? false : !upper;
    return es_leaf_range(p, es_field_find(p->fields, field->key), &r, out);
}

/* ---- the rest ---- */

static sb_err parse_constant(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                             const struct sb_query **out) {
    const struct sb_json *ignored = NULL;
    const struct es_option rows[] = {
        {"boost", ES_OPT_JSON, &ignored}, {"_name", ES_OPT_JSON, &ignored}, {NULL, 0, NULL}};
    SB_TRY(es_options_read(p->error, k->name, v, rows));
    *out = es_query_new(p, (enum sb_query_kind)k->variant);
    return es_clauses_add(p, 1);
}

static sb_err parse_exists(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                           const struct sb_query **out) {
    struct sb_str field = {0};
    const struct sb_json *ignored = NULL;
    const struct es_option rows[] = {{"field", ES_OPT_STR, &field},
                                     {"boost", ES_OPT_JSON, &ignored},
                                     {"_name", ES_OPT_JSON, &ignored},
                                     {NULL, 0, NULL}};
    SB_TRY(es_options_read(p->error, "[exists] query", v, rows));
    if (!field.n) return es_fail_parse(p->error, "[%s] must be provided with a [field]", k->name);
    return es_leaf_exists(p, field, out);
}

static sb_err parse_ids(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                        const struct sb_query **out) {
    const struct sb_json *values = NULL, *ignored = NULL;
    const struct es_option rows[] = {{"values", ES_OPT_JSON, &values},
                                     {"boost", ES_OPT_JSON, &ignored},
                                     {"_name", ES_OPT_JSON, &ignored},
                                     {NULL, 0, NULL}};
    const struct sb_str *ids;
    size_t n;
    SB_TRY(es_options_read(p->error, "[ids] query", v, rows));
    if (!values)
        return es_fail_parse(p->error, "[%s] requires values but was not provided", k->name);
    SB_TRY(es_json_names(p, "[ids] query: [values]", values, &ids, &n));
    return es_leaf_ids(p, ids, n, out);
}

static sb_err parse_filter_only(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                                const struct sb_query **out) {
    const struct sb_json *filter = NULL, *ignored = NULL;
    const struct es_option rows[] = {{"filter", ES_OPT_JSON, &filter},
                                     {"boost", ES_OPT_JSON, &ignored},
                                     {"_name", ES_OPT_JSON, &ignored},
                                     {NULL, 0, NULL}};
    SB_TRY(es_options_read(p->error, "[constant_score] query", v, rows));
    if (!filter) return es_fail_parse(p->error, "[%s] requires a 'filter' element", k->name);
    return es_query_parse(p, filter, out);
}

/* ---- bool ---- */

struct clauses {
    const struct sb_query **list;
    size_t n;
};

static sb_err parse_clauses(struct es_parse *p, const struct sb_json *v, struct clauses *to) {
    size_t count = !v ? 0 : v->type == SB_JSON_ARRAY ? v->n : 1;
    if (!count) return SB_OK;
    const struct sb_json *item = v->type == SB_JSON_ARRAY ? v->child : v;
    const struct sb_query **all = sb_arena_try_array(p->arena, to->n + count, sizeof *all);
    if (!all) return es_fail_argument(p->error, "[bool] query: too many clauses");
    for (size_t i = 0; i < to->n; i++) all[i] = to->list[i];
    to->list = all;
    for (; item; item = v->type == SB_JSON_ARRAY ? item->next : NULL)
        SB_TRY(es_query_parse(p, item, &all[to->n++]));
    return SB_OK;
}

/* "2", "-1", "75%", "-25%" of n clauses. */
static sb_err minimum_of(struct es_parse *p, struct sb_str text, size_t n, size_t *out) {
    bool percent = text.n && text.p[text.n - 1] == '%';
    int64_t v;
    if (!sb_str_to_i64(percent ? sb_str_sub(text, 0, text.n - 1) : text, &v) || v > 1000000 ||
        v < -1000000)
        return es_fail_argument(p->error,
                                "[bool] query: [minimum_should_match] [%.*s] is not supported",
                                cut(text), text.n ? text.p : "");
    if (percent) v = v * (int64_t)n / 100;
    if (v < 0) v += (int64_t)n;
    *out = v < 0 ? 0 : (size_t)v;
    return SB_OK;
}

static sb_err parse_bool(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                         const struct sb_query **out) {
    const struct sb_json *must = NULL, *filter = NULL, *should = NULL, *must_not = NULL,
                         *ignored = NULL;
    struct sb_str minimum = {0};
    const struct es_option rows[] = {{"must", ES_OPT_JSON, &must},
                                     {"filter", ES_OPT_JSON, &filter},
                                     {"should", ES_OPT_JSON, &should},
                                     {"must_not", ES_OPT_JSON, &must_not},
                                     {"mustNot", ES_OPT_JSON, &must_not},
                                     {"minimum_should_match", ES_OPT_STR, &minimum},
                                     {"boost", ES_OPT_JSON, &ignored},
                                     {"_name", ES_OPT_JSON, &ignored},
                                     {NULL, 0, NULL}};
    struct clauses all = {0}, none = {0}, some = {0};
    SB_UNUSED(k);
    SB_TRY(es_options_read(p->error, "[bool] query", v, rows));
    SB_TRY(es_clauses_add(p, 1));
    SB_TRY(parse_clauses(p, must, &all));
    SB_TRY(parse_clauses(p, filter, &all));
    SB_TRY(parse_clauses(p, should, &some));
    SB_TRY(parse_clauses(p, must_not, &none));
    struct sb_query *q = es_query_new(p, SB_QUERY_BOOL);
    q->must = all.list;
    q->nmust = all.n;
    q->should = some.list;
    q->nshould = some.n;
    q->must_not = none.list;
    q->nmust_not = none.n;
    q->min_should = some.n && !all.n ? 1 : 0;
    if (minimum.n) SB_TRY(minimum_of(p, minimum, some.n, &q->min_should));
    *out = q;
    return SB_OK;
}

/* ---- query_string ---- */

enum { FULL, SIMPLE };

static sb_err parse_query_string(struct es_parse *p, const struct kind *k, const struct sb_json *v,
                                 const struct sb_query **out) {
    struct es_query_string q = {.simple = k->variant == SIMPLE};
    struct sb_str op = {0}, field = {0}, ignored_text = {0}, query = {0};
    const struct sb_json *fields = NULL, *ignored = NULL, *lenient = NULL, *text = NULL;
    bool wildcards = true;
    const struct es_option rows[] = {
        {"query", ES_OPT_JSON, &text},
        {"default_field", ES_OPT_STR, &field},
        {"fields", ES_OPT_JSON, &fields},
        {"default_operator", ES_OPT_STR, &op},
        {"analyze_wildcard", ES_OPT_BOOL, &wildcards},
        {"allow_leading_wildcard", ES_OPT_JSON, &ignored},
        {"lenient", ES_OPT_JSON, &lenient},
        {"boost", ES_OPT_JSON, &ignored},
        {"_name", ES_OPT_JSON, &ignored},
        {"time_zone", ES_OPT_STR, &q.time_zone},
        {"flags", ES_OPT_STR, &ignored_text},
        {"type", ES_OPT_STR, &ignored_text},
        {"analyzer", ES_OPT_STR, &ignored_text},
        {"rewrite", ES_OPT_STR, &ignored_text},
        {NULL, 0, NULL},
    };
    SB_TRY(es_options_read(p->error, k->name, v, rows));
    if (!es_json_text(text, &query))
        return es_fail_parse(p->error, "[%s] must be provided with a [query]", k->name);
    q.text = query;
    SB_TRY(read_operator(p, k, op, &q.and));
    if (lenient) {
        q.has_lenient = true;
        if (!es_json_bool(lenient, &q.lenient))
            return es_fail_parse(p->error, "[%s] query: [lenient] must be a boolean", k->name);
    }
    if (fields) {
        SB_TRY(es_json_names(p, "[query_string] query: [fields]", fields, &q.fields, &q.nfields));
    } else if (field.n && !sb_str_is(field, "*")) {
        struct sb_str *one = sb_arena_alloc(p->arena, sizeof *one);
        *one = field;
        q.fields = one;
        q.nfields = 1;
    }
    return es_query_string_parse(p, &q, out);
}

static const struct kind kinds[] = {
    {"match_all", parse_constant, SB_QUERY_ALL},
    {"match_none", parse_constant, SB_QUERY_NONE},
    {"bool", parse_bool, 0},
    {"term", parse_term, 0},
    {"terms", parse_terms, 0},
    {"range", parse_range, 0},
    {"exists", parse_exists, 0},
    {"prefix", parse_pattern, ES_PREFIX},
    {"wildcard", parse_pattern, ES_WILDCARD},
    {"regexp", parse_pattern, ES_REGEXP},
    {"ids", parse_ids, 0},
    {"match", parse_match, MATCH},
    {"match_phrase", parse_match, MATCH_PHRASE},
    {"match_phrase_prefix", parse_match, MATCH_PHRASE_PREFIX},
    {"multi_match", parse_multi_match, 0},
    {"constant_score", parse_filter_only, 0},
    {"query_string", parse_query_string, FULL},
    {"simple_query_string", parse_query_string, SIMPLE},
};

sb_err es_query_parse(struct es_parse *p, const struct sb_json *v, const struct sb_query **out) {
    if (v->type != SB_JSON_OBJECT || v->n != 1)
        return es_fail_parse(p->error, "a query must be an object with the one name of its kind");
    const struct sb_json *body = v->child;
    SB_TRY(es_depth_enter(p));
    for (size_t i = 0; i < SB_COUNT(kinds); i++) {
        if (!sb_str_is(body->key, kinds[i].name)) continue;
        sb_err err = kinds[i].parse(p, &kinds[i], body, out);
        p->depth--;
        return err;
    }
    return es_fail_parse(p->error, "unknown query [%.*s]", cut(body->key), body->key.p);
}
