/* Searches, on an index with a field of each type: bodies with query DSL, aggregations, sort and
 * the rest; or, behind a '?', the parameters of a URL. What is refused says why; what is taken
 * keeps the engine's limits. */
#include <stdint.h>

#include "api/search/search_int.h"
#include "codec/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct sb_column_field list[] = {
    {{"@timestamp", 10}, SB_COLUMN_DATE}, {{"model", 5}, SB_COLUMN_KEYWORD},
    {{"n", 1}, SB_COLUMN_LONG},           {{"input.x", 7}, SB_COLUMN_DOUBLE},
    {{"ok", 2}, SB_COLUMN_BOOL},          {{"_ignored", 8}, SB_COLUMN_KEYWORD},
};

/* How deep it is; every part is one that the engine knows. */
static unsigned check(const struct sb_query *q) {
    unsigned deepest = 0;
    SB_ASSERT(q && q->kind <= SB_QUERY_BOOL && q->field < (int)SB_COUNT(list));
    const struct {
        const struct sb_query *const *list;
        size_t n;
    } parts[] = {{q->must, q->nmust}, {q->must_not, q->nmust_not}, {q->should, q->nshould}};
    for (size_t k = 0; k < SB_COUNT(parts); k++)
        for (size_t i = 0; i < parts[k].n; i++) {
            unsigned depth = check(parts[k].list[i]);
            if (depth > deepest) deepest = depth;
        }
    SB_ASSERT(deepest < 64);
    return deepest + 1;
}

static sb_err parse_url(struct es_parse *p, struct sb_str query, struct es_search *s) {
    enum { MOST = 64 };
    struct es_params params = {.list = sb_arena_alloc(p->arena, MOST * sizeof(struct es_param))};
    struct sb_str name, value;
    while (params.n < MOST && sb_url_query_next(&query, &name, &value))
        params.list[params.n++] = (struct es_param){name, value};
    return es_search_parse_url(p, &params, s);
}

static sb_err parse_body(struct es_parse *p, struct sb_str text, struct es_search *s) {
    struct sb_json *v;
    struct sb_json_reader r;
    sb_json_reader_init(&r, text, p->arena, NULL);
    r.max_depth = 200;
    if (sb_json_parse_with(&v, &r) == SB_OK) return es_search_parse(p, v, s);
    return es_fail_parse(p->error, "no JSON");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_arena arena;
    struct es_error error = {0};
    struct es_fields fields = {list, SB_COUNT(list), {"predictions", 11}};
    struct es_parse p = {
        .arena = &arena, .fields = &fields, .error = &error, .now_ms = INT64_C(1795508400000)};
    struct sb_str text = sb_str_make((const char *)data, n);
    struct es_search s;
    sb_arena_init(&arena, 64 << 20);
    es_search_init(&s);
    bool url = n > 0 && data[0] == '?';
    sb_err err = url ? parse_url(&p, sb_str_sub(text, 1, n), &s) : parse_body(&p, text, &s);
    if (err) {
        SB_ASSERT(error.status >= 400 && error.reason[0]);
    } else {
        SB_ASSERT(!error.status && s.from + s.size <= SB_SEARCH_WINDOW_MAX);
        if (s.query) check(s.query);
    }
    sb_arena_fini(&arena);
    return 0;
}
