/* How hits are ordered and shown: sort, _source, fields, highlight. */
#include "api/search/search_int.h"

enum { SORTS_MAX = 32, NAMES_MAX = 1000, WORDS_MAX = 1024 };

static int cut(struct sb_str s) {
    return s.n < 100 ? (int)s.n : 100;
}

/* ---- sort ---- */

sb_err es_sorts_add(struct es_parse *p, struct es_sorts *s, const struct es_sort *one,
                    const struct sb_sort *engine) {
    if (!s->list) {
        s->list = sb_arena_alloc(p->arena, 2 * SORTS_MAX * sizeof *s->list);
        s->engine = sb_arena_alloc(p->arena, 2 * SORTS_MAX * sizeof *s->engine);
    }
    if (s->n >= 2 * SORTS_MAX) return es_fail_argument(p->error, "too many sort keys");
    s->list[s->n++] = *one;
    if (engine) s->engine[s->nengine++] = *engine;
    return SB_OK;
}

struct sort_said {
    struct sb_str order, missing, mode, unmapped, format;
};

static sb_err sort_on_field(struct es_parse *p, struct sb_str name, const struct sort_said *said,
                            bool descending, struct es_sorts *to) {
    struct es_sort one = {.field = es_field_find(p->fields, name), .format = said->format};
    struct sb_sort engine = {.by = SB_SORT_FIELD,
                             .field = one.field.at,
                             .descending = descending,
                             .use_max = descending};
    struct sb_errctx ctx = {0};
    if (sb_str_is(name, "_id")) /* the name of a document is its place in the topic's order */
        return es_fail_argument(p->error,
                                "Fielddata access on the _id field is disallowed: sort by "
                                "[event_id.keyword] or [_doc]");
    if (one.field.at < 0 && !said->unmapped.n)
        return es_fail(p->error, 400, "query_shard_exception",
                       "No mapping found for [%.*s] in order to sort on", cut(name), name.p);
    if (one.field.words)
        return es_fail_argument(p->error,
                                "Fielddata is disabled on [%.*s]: text fields cannot be sorted on. "
                                "Use [%.*s.keyword] instead",
                                cut(name), name.p, cut(name), name.p);
    if (sb_str_is(said->missing, "_first"))
        engine.missing_first = true;
    else if (said->missing.n && !sb_str_is(said->missing, "_last"))
        return es_fail_argument(p->error, "[sort] on [%.*s]: [missing] must be _first or _last",
                                cut(name), name.p);
    if (sb_str_is(said->mode, "min") || sb_str_is(said->mode, "max"))
        engine.use_max = sb_str_is(said->mode, "max");
    else if (said->mode.n)
        return es_fail_argument(p->error, "[sort] on [%.*s]: [mode] [%.*s] is not supported",
                                cut(name), name.p, cut(said->mode), said->mode.p);
    if (one.field.type == SB_COLUMN_DATE && es_date_format_check(said->format, &ctx) != SB_OK)
        return es_fail_argument(p->error, "[sort] on [%.*s]: %s", cut(name), name.p, ctx.msg);
    return es_sorts_add(p, to, &one, &engine);
}

static sb_err add_sort(struct es_parse *p, struct sb_str name, const struct sort_said *said,
                       struct es_sorts *to) {
    bool score = sb_str_is(name, "_score");
    bool descending = said->order.n ? sb_str_ieq(said->order, SB_STR("desc")) : score;
    if (said->order.n && !descending && !sb_str_ieq(said->order, SB_STR("asc")))
        return es_fail_argument(p->error, "[sort] on [%.*s]: order must be asc or desc", cut(name),
                                name.p);
    if (to->n >= SORTS_MAX) return es_fail_argument(p->error, "[sort]: at most %d keys", SORTS_MAX);
    if (score) return es_sorts_add(p, to, &(struct es_sort){.by = ES_SORT_SCORE}, NULL);
    if (sb_str_is(name, "_doc") || sb_str_is(name, "_shard_doc"))
        return es_sorts_add(p, to, &(struct es_sort){.by = ES_SORT_DOC},
                            &(struct sb_sort){.by = SB_SORT_OFFSET, .descending = descending});
    return sort_on_field(p, name, said, descending, to);
}

/* "field", {"field": "desc"}, {"field": {...}, ...} */
static sb_err parse_sort(struct es_parse *p, const struct sb_json *v, struct es_sorts *to) {
    struct sort_said said = {0};
    if (v->type == SB_JSON_STRING) {
        ptrdiff_t colon = sb_str_rfind(v->s, ':');
        struct sb_str name = colon < 0 ? v->s : sb_str_sub(v->s, 0, (size_t)colon);
        if (colon >= 0) said.order = sb_str_sub(v->s, (size_t)colon + 1, v->s.n);
        return add_sort(p, name, &said, to);
    }
    if (v->type != SB_JSON_OBJECT)
        return es_fail_parse(p->error, "[sort] must be names, objects, or an array of them");
    for (const struct sb_json *m = v->child; m; m = m->next) {
        said = (struct sort_said){0};
        const struct sb_json *ignored = NULL;
        const struct es_option rows[] = {{"order", ES_OPT_STR, &said.order},
                                         {"missing", ES_OPT_STR, &said.missing},
                                         {"mode", ES_OPT_STR, &said.mode},
                                         {"unmapped_type", ES_OPT_STR, &said.unmapped},
                                         {"format", ES_OPT_STR, &said.format},
                                         {"numeric_type", ES_OPT_JSON, &ignored},
                                         {"ignore_unmapped", ES_OPT_JSON, &ignored},
                                         {NULL, 0, NULL}};
        if (m->type == SB_JSON_STRING)
            said.order = m->s;
        else
            SB_TRY(es_options_read(p->error, "[sort]", m, rows));
        SB_TRY(add_sort(p, m->key, &said, to));
    }
    return SB_OK;
}

sb_err es_sorts_parse(struct es_parse *p, const struct sb_json *v, struct es_sorts *out) {
    if (v->type != SB_JSON_ARRAY) return parse_sort(p, v, out);
    for (const struct sb_json *m = v->child; m; m = m->next) SB_TRY(parse_sort(p, m, out));
    return SB_OK;
}

/* ---- _source ---- */

static sb_err source_names(struct es_parse *p, const struct sb_json *v, const struct sb_str **list,
                           size_t *n) {
    SB_TRY(es_json_names(p, "[_source]", v, list, n));
    if (*n > NAMES_MAX) return es_fail_argument(p->error, "[_source]: too many names");
    return SB_OK;
}

sb_err es_source_parse(struct es_parse *p, const struct sb_json *v, struct es_source *out) {
    if (v->type == SB_JSON_TRUE || v->type == SB_JSON_FALSE) {
        out->off = v->type == SB_JSON_FALSE;
        return SB_OK;
    }
    if (v->type != SB_JSON_OBJECT) return source_names(p, v, &out->includes, &out->nincludes);
    const struct sb_json *in = NULL, *ex = NULL;
    const struct es_option rows[] = {{"includes", ES_OPT_JSON, &in},
                                     {"include", ES_OPT_JSON, &in},
                                     {"excludes", ES_OPT_JSON, &ex},
                                     {"exclude", ES_OPT_JSON, &ex},
                                     {NULL, 0, NULL}};
    SB_TRY(es_options_read(p->error, "[_source]", v, rows));
    if (in) SB_TRY(source_names(p, in, &out->includes, &out->nincludes));
    if (ex) SB_TRY(source_names(p, ex, &out->excludes, &out->nexcludes));
    return SB_OK;
}

/* ---- fields, docvalue_fields ---- */

sb_err es_doc_fields_parse(struct es_parse *p, const char *what, const struct sb_json *v,
                           struct es_doc_fields *out) {
    if (v->type != SB_JSON_ARRAY) return es_fail_parse(p->error, "[%s] must be an array", what);
    if (v->n > NAMES_MAX) return es_fail_argument(p->error, "[%s]: too many names", what);
    out->list = sb_arena_alloc(p->arena, (v->n + 1) * sizeof *out->list);
    for (const struct sb_json *m = v->child; m; m = m->next) {
        struct es_doc_field *f = &out->list[out->n++];
        struct sb_errctx ctx = {0};
        *f = (struct es_doc_field){0};
        bool unmapped = false;
        const struct es_option rows[] = {{"field", ES_OPT_STR, &f->name},
                                         {"format", ES_OPT_STR, &f->format},
                                         {"include_unmapped", ES_OPT_BOOL, &unmapped},
                                         {NULL, 0, NULL}};
        if (m->type == SB_JSON_STRING)
            f->name = m->s;
        else
            SB_TRY(es_options_read(p->error, what, m, rows));
        if (!f->name.n) return es_fail_parse(p->error, "[%s]: a field has no name", what);
        if (sb_str_is(f->format, "use_field_mapping")) f->format = (struct sb_str){0};
        struct es_field known = es_field_find(p->fields, f->name);
        if (f->format.n && (known.at < 0 || known.type == SB_COLUMN_DATE) &&
            es_date_format_check(f->format, &ctx) != SB_OK)
            return es_fail_argument(p->error, "[%s]: %s", what, ctx.msg);
    }
    return SB_OK;
}

/* ---- highlight ---- */

static bool word_char(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c & 0x80);
}

static void add_words(struct es_parse *p, struct sb_str text, bool prefix, struct es_word *to,
                      size_t *n) {
    char *lower = sb_arena_alloc(p->arena, text.n + 1);
    for (size_t i = 0; i < text.n; i++)
        lower[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + 32) : text.p[i];
    for (size_t i = 0; i < text.n;) {
        size_t from = i;
        while (i < text.n && word_char(lower[i])) i++;
        if (i > from && *n < WORDS_MAX)
            to[(*n)++] =
                (struct es_word){sb_str_make(lower + from, i - from), prefix && i == text.n};
        if (i == from) i++;
    }
}

/* The words that a query looks for: not those that it excludes. Depth is the query's own. */
static void words_of(struct es_parse *p, const struct sb_query *q, struct es_word *to, size_t *n) {
    switch (q->kind) {
    case SB_QUERY_WORDS: add_words(p, q->text, q->words == SB_WORDS_PHRASE_PREFIX, to, n); return;
    case SB_QUERY_PREFIX: add_words(p, q->text, true, to, n); return;
    case SB_QUERY_TERMS:
        for (size_t i = 0; i < q->nvalues; i++)
            if (q->values[i].type == SB_COLUMN_KEYWORD) add_words(p, q->values[i].s, false, to, n);
        return;
    case SB_QUERY_BOOL:
        for (size_t i = 0; i < q->nmust; i++) words_of(p, q->must[i], to, n);
        for (size_t i = 0; i < q->nshould; i++) words_of(p, q->should[i], to, n);
        return;
    default: return;
    }
}

static sb_err first_tag(struct es_parse *p, const struct sb_json *v, struct sb_str *out) {
    const struct sb_str *list;
    size_t n;
    SB_TRY(es_json_names(p, "[highlight] tags", v, &list, &n));
    if (n) *out = list[0];
    return SB_OK;
}

static sb_err highlight_fields(struct es_parse *p, const struct sb_json *v,
                               struct es_highlight *h) {
    bool array = v->type == SB_JSON_ARRAY;
    if (v->type < SB_JSON_ARRAY || v->n > NAMES_MAX)
        return es_fail_parse(p->error, "[highlight]: [fields] must be an object");
    struct sb_str *list = sb_arena_alloc(p->arena, (v->n + 1) * sizeof *list);
    for (const struct sb_json *m = v->child; m; m = m->next) {
        const struct sb_json *one = array ? m->child : m;
        if (m->type != SB_JSON_OBJECT || !one)
            return es_fail_parse(p->error, "[highlight]: a field must be an object");
        list[h->nfields++] = one->key;
    }
    h->fields = list;
    return SB_OK;
}

sb_err es_highlight_parse(struct es_parse *p, const struct sb_json *v, const struct sb_query *query,
                          const struct es_highlight **out) {
    struct es_highlight *h = sb_arena_zalloc(p->arena, sizeof *h);
    const struct sb_json *fields = NULL, *pre = NULL, *post = NULL, *ignored = NULL;
    int64_t size = 0, fragments = 0;
    const struct es_option rows[] = {{"fields", ES_OPT_JSON, &fields},
                                     {"pre_tags", ES_OPT_JSON, &pre},
                                     {"post_tags", ES_OPT_JSON, &post},
                                     {"fragment_size", ES_OPT_INT, &size},
                                     {"number_of_fragments", ES_OPT_INT, &fragments},
                                     {"require_field_match", ES_OPT_JSON, &ignored},
                                     {NULL, 0, NULL}};
    h->pre = SB_STR("<em>");
    h->post = SB_STR("</em>");
    SB_TRY(es_options_read(p->error, "[highlight]", v, rows));
    if (!fields) return es_fail_parse(p->error, "[highlight] needs [fields]");
    SB_TRY(highlight_fields(p, fields, h));
    if (pre) SB_TRY(first_tag(p, pre, &h->pre));
    if (post) SB_TRY(first_tag(p, post, &h->post));
    struct es_word *words = sb_arena_alloc(p->arena, WORDS_MAX * sizeof *words);
    if (query) words_of(p, query, words, &h->nwords);
    h->words = words;
    *out = h;
    return SB_OK;
}
