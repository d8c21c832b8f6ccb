/* For this folder's tests: an index's fields, and queries as text. */
#ifndef SB_API_SEARCH_FIXTURE_TEST_H
#define SB_API_SEARCH_FIXTURE_TEST_H

#include <stdio.h>

#include "api/search/search_int.h"

static const struct sb_column_field fixture_list[] = {
    {{"@timestamp", 10}, SB_COLUMN_DATE}, {{"model", 5}, SB_COLUMN_KEYWORD},
    {{"n", 1}, SB_COLUMN_LONG},           {{"input.x", 7}, SB_COLUMN_DOUBLE},
    {{"ok", 2}, SB_COLUMN_BOOL},
};
static const struct es_fields fixture_fields = {
    fixture_list, SB_COUNT(fixture_list), {"predictions", 11}};
#define FIXTURE_NOW INT64_C(1795508400000) /* 2026-11-24T08:20:00Z, a Tuesday */

struct fixture {
    struct sb_arena arena;
    struct es_error error;
    struct es_parse parse;
    struct sb_buf text;
};

static inline void fixture_init(struct fixture *f) {
    *f = (struct fixture){.parse = {.fields = &fixture_fields, .now_ms = FIXTURE_NOW}};
    sb_arena_init(&f->arena, 64 << 20);
    sb_buf_init(&f->text, 1 << 20);
    f->parse.arena = &f->arena;
    f->parse.error = &f->error;
}
static inline void fixture_fini(struct fixture *f) {
    sb_arena_fini(&f->arena);
    sb_buf_fini(&f->text);
}
static inline struct sb_json *fixture_json(struct fixture *f, const char *text) {
    struct sb_json *v = NULL;
    struct sb_json_reader r;
    sb_json_reader_init(&r, sb_str_of(text), &f->arena, NULL);
    r.max_depth = 200;
    return sb_json_parse_with(&v, &r) == SB_OK ? v : NULL;
}

static inline void fixture_value(struct sb_buf *b, const struct sb_search_value *v) {
    if (v->type == SB_COLUMN_KEYWORD)
        sb_buf_addf(b, "'%.*s'", SB_ARG(v->s));
    else if (v->type == SB_COLUMN_DOUBLE)
        sb_buf_addf(b, "%g", v->f);
    else
        sb_buf_addi(b, v->i);
}
static inline void fixture_query(struct sb_buf *b, const struct sb_query *q);
static inline void fixture_list_of(struct sb_buf *b, const char *mark,
                                   const struct sb_query *const *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        sb_buf_addf(b, " %s", mark);
        fixture_query(b, list[i]);
    }
}
/* Depth is that of the query. */
static inline void fixture_query(struct sb_buf *b, const struct sb_query *q) {
    static const char *const kinds[] = {"all",    "none",     "terms",  "range", "exists", "ids",
                                        "prefix", "wildcard", "regexp", "words", "bool"};
    static const char *const words[] = {"any", "all", "phrase", "phrase_prefix"};
    sb_buf_addf(b, "(%s", kinds[q->kind]);
    if (q->field >= 0) sb_buf_addf(b, " %.*s", SB_ARG(fixture_list[q->field].name));
    for (size_t i = 0; i < q->nvalues; i++) {
        sb_buf_addc(b, ' ');
        fixture_value(b, &q->values[i]);
    }
    if (q->has_low) {
        sb_buf_addz(b, q->low_open ? " >" : " >=");
        fixture_value(b, &q->low);
    }
    if (q->has_high) {
        sb_buf_addz(b, q->high_open ? " <" : " <=");
        fixture_value(b, &q->high);
    }
    if (q->kind == SB_QUERY_WORDS) sb_buf_addf(b, " %s", words[q->words]);
    if (q->text.n) sb_buf_addf(b, " '%.*s'", SB_ARG(q->text));
    if (q->ignore_case) sb_buf_addz(b, " i");
    fixture_list_of(b, "+", q->must, q->nmust);
    fixture_list_of(b, "-", q->must_not, q->nmust_not);
    fixture_list_of(b, "?", q->should, q->nshould);
    if (q->min_should) sb_buf_addf(b, " min%zu", q->min_should);
    sb_buf_addc(b, ')');
}
/* The query as text, or "status type" of its failure. */
static inline const char *fixture_text(struct fixture *f, sb_err err, const struct sb_query *q) {
    sb_buf_reset(&f->text);
    if (err)
        sb_buf_addf(&f->text, "%d %s", f->error.status, f->error.type);
    else
        fixture_query(&f->text, q);
    return sb_buf_cstr(&f->text);
}

#endif
