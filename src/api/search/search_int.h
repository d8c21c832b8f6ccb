/* Inside api/search: from a request's JSON to the engine's search, and from its result to JSON.
 *
 * A failure is recorded once, in the call's struct es_error, with Elasticsearch's own type and
 * status; functions that parse return SB_OK or SB_E_INVALID. */
#ifndef SB_API_SEARCH_SEARCH_INT_H
#define SB_API_SEARCH_SEARCH_INT_H

#include "api/search/date.h"
#include "api/search/search.h"
#include "codec/json.h"
#include "engine/column/search.h"

/* ---- errors (error.c) ---- */

struct es_error {
    int status;          /* 0 = none */
    const char *type;    /* "parsing_exception" */
    struct sb_str index; /* that it is about, or empty */
    char reason[512];
};
/* The first one stays. Returns SB_E_INVALID. */
sb_err es_fail(struct es_error *e, int status, const char *type, const char *fmt, ...)
    SB_PRINTF(4, 5);
/* 400 of the two common types. */
sb_err es_fail_parse(struct es_error *e, const char *fmt, ...) SB_PRINTF(2, 3);
sb_err es_fail_argument(struct es_error *e, const char *fmt, ...) SB_PRINTF(2, 3);
/* A failure of the layers below. */
sb_err es_fail_engine(struct es_error *e, sb_err err, const struct sb_errctx *ctx);
/* {"error": {...}, "status": N} without and with the outer object. */
void es_error_write(struct sb_json_writer *w, const struct es_error *e);

/* ---- fields (fields.c) ---- */

/* What an index's fields are called. A KEYWORD column X is two fields: X, a text of words, and
 * X.keyword, the value itself. */
struct es_fields {
    const struct sb_column_field *list;
    size_t n;
    struct sb_str index; /* the index's name: _index */
};

struct es_field {
    int at; /* in list; -1: there is no such field */
    enum sb_column_type type;
    bool words;         /* asked for as text */
    struct sb_str name; /* as it was asked for */
};
struct es_field es_field_find(const struct es_fields *f, struct sb_str name);
/* "text", "keyword", "long", ... */
const char *es_field_type_name(struct es_field f);
/* Names with '*' in them: true when name matches. */
bool es_name_matches(struct sb_str pattern, struct sb_str name);

/* ---- parsing ---- */

struct es_parse {
    struct sb_arena *arena;
    const struct es_fields *fields;
    struct es_error *error;
    int64_t now_ms;
    unsigned depth;   /* of queries in each other now */
    unsigned clauses; /* so far, of the whole request */
    unsigned aggs;    /* the same */
};

/* query.c */
SB_MUST_CHECK sb_err es_query_parse(struct es_parse *p, const struct sb_json *v,
                                    const struct sb_query **out);
struct sb_query *es_query_new(struct es_parse *p, enum sb_query_kind kind);
/* Counts n clauses; fails over the limit. */
SB_MUST_CHECK sb_err es_clauses_add(struct es_parse *p, size_t n);
/* One level deeper; each success is undone by p->depth--. */
SB_MUST_CHECK sb_err es_depth_enter(struct es_parse *p);

/* leaf.c: the queries on one field, by its type. */
struct es_leaf {
    struct sb_str text;         /* the value as text */
    const struct sb_json *json; /* or as JSON; NULL: text only */
    bool lenient;               /* a value that does not fit matches nothing, instead of an error */
    bool all;                   /* all words, not any */
    bool ignore_case;
};
/* Equality on exact fields; on words those of the text. */
SB_MUST_CHECK sb_err es_leaf_term(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                                  const struct sb_query **out);
SB_MUST_CHECK sb_err es_leaf_words(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                                   enum sb_query_words words, const struct sb_query **out);
enum es_pattern { ES_PREFIX, ES_WILDCARD, ES_REGEXP };
SB_MUST_CHECK sb_err es_leaf_pattern(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                                     enum es_pattern kind, const struct sb_query **out);
SB_MUST_CHECK sb_err es_leaf_exists(struct es_parse *p, struct sb_str name,
                                    const struct sb_query **out);
SB_MUST_CHECK sb_err es_leaf_ids(struct es_parse *p, const struct sb_str *ids, size_t n,
                                 const struct sb_query **out);
struct es_bound {
    const struct sb_json *json; /* NULL: text, or no bound */
    struct sb_str text;         /* .p NULL: no bound */
    bool open;
};
struct es_range {
    struct es_bound low, high;
    struct sb_str format, time_zone; /* of dates; may be empty */
    bool lenient;
};
SB_MUST_CHECK sb_err es_leaf_range(struct es_parse *p, struct es_field f, const struct es_range *r,
                                   const struct sb_query **out);
/* One of several, all of several: arrays in the arena. */
const struct sb_query *es_any_of(struct es_parse *p, const struct sb_query **list, size_t n);

/* value.c: a value in the type of its field. *never: nothing can be equal to it (1.5 on a LONG). */
SB_MUST_CHECK sb_err es_value_of(struct es_parse *p, struct es_field f, const struct sb_json *v,
                                 struct sb_str text, struct sb_search_value *out, bool *never);

/* query_string.c: Lucene's classic syntax. */
struct es_query_string {
    struct sb_str text;
    const struct sb_str *fields; /* names or patterns, maybe with ^boost; none: all fields */
    size_t nfields;
    bool and; /* default operator */
    bool lenient, has_lenient;
    struct sb_str time_zone; /* of dates; may be empty */
    bool simple;             /* simple_query_string: never fails on syntax */
};
SB_MUST_CHECK sb_err es_query_string_parse(struct es_parse *p, const struct es_query_string *q,
                                           const struct sb_query **out);

/* ---- what a search asks for besides its query ---- */

enum es_sort_by { ES_SORT_FIELD, ES_SORT_DOC, ES_SORT_SCORE };
struct es_sort {
    enum es_sort_by by;
    struct es_field field;
    struct sb_str format; /* of dates; empty = milliseconds */
};
/* What the caller sees, and what the engine sorts by: the same without scores, which are all equal.
 */
struct es_sorts {
    struct es_sort *list;
    struct sb_sort *engine;
    size_t n, nengine;
};

struct es_source {
    bool off;
    const struct sb_str *includes, *excludes;
    size_t nincludes, nexcludes;
};
struct es_doc_field {
    struct sb_str name; /* or pattern */
    struct sb_str format;
};
struct es_doc_fields {
    struct es_doc_field *list;
    size_t n;
};
struct es_word {
    struct sb_str text; /* lower case */
    bool prefix;
};
struct es_highlight {
    struct sb_str pre, post;
    const struct sb_str *fields; /* names or patterns */
    size_t nfields;
    const struct es_word *words;
    size_t nwords;
};

/* How hits are shown: of a search, or of top_hits. */
struct es_hits {
    struct es_sorts sorts;
    struct es_source source;
    struct es_doc_fields fields, docvalues;
    const struct es_highlight *highlight; /* or NULL */
    bool version, seq_no;
};

enum es_agg_form {
    ES_AGG_BUCKETS, /* a list, or an object when keyed */
    ES_AGG_SINGLE,  /* the first bucket alone: filter, missing */
    ES_AGG_VALUE,
    ES_AGG_STATS,
    ES_AGG_PERCENTILES,
    ES_AGG_TOP_HITS,
    ES_AGG_TOP_METRICS,
};
/* An aggregation as it was asked for; agg is what the engine does, children in the same order. */
struct es_agg {
    const struct sb_agg *agg;
    const char *kind; /* "date_histogram" */
    enum es_agg_form form;
    struct es_field field;
    struct sb_str format; /* of keys and values; empty = none given */
    struct es_zone zone;
    bool keyed;
    const struct sb_json *meta;
    const struct es_agg *children;
    const struct sb_str *keys;  /* filters: their names; top_metrics: the metrics' */
    const struct es_hits *hits; /* top_hits, top_metrics */
    size_t nsorts;              /* top_metrics: sort values before the metrics */
};
struct es_aggs {
    const struct es_agg *list;
    const struct sb_agg *engine;
    size_t n;
};
/* agg.c. v is the object of "aggs", or NULL. */
SB_MUST_CHECK sb_err es_aggs_parse(struct es_parse *p, const struct sb_json *v,
                                   struct es_aggs *out);

/* hits_parse.c */
SB_MUST_CHECK sb_err es_sorts_parse(struct es_parse *p, const struct sb_json *v,
                                    struct es_sorts *out);
SB_MUST_CHECK sb_err es_sorts_add(struct es_parse *p, struct es_sorts *s, const struct es_sort *one,
                                  const struct sb_sort *engine);
SB_MUST_CHECK sb_err es_source_parse(struct es_parse *p, const struct sb_json *v,
                                     struct es_source *out);
SB_MUST_CHECK sb_err es_doc_fields_parse(struct es_parse *p, const char *what,
                                         const struct sb_json *v, struct es_doc_fields *out);
SB_MUST_CHECK sb_err es_highlight_parse(struct es_parse *p, const struct sb_json *v,
                                        const struct sb_query *query,
                                        const struct es_highlight **out);

/* Parameters of a URL, decoded. */
struct es_params {
    struct es_param {
        struct sb_str name, value;
    } * list;
    size_t n;
};
/* false when there is none of that name. */
bool es_param_get(const struct es_params *p, const char *name, struct sb_str *value);
/* Given and not "false". */
bool es_param_on(const struct es_params *p, const char *name);

/* body.c: the body of _search, whole. */
struct es_search {
    const struct sb_query *query; /* NULL: all */
    struct es_aggs aggs;
    struct es_hits hits;
    int64_t from, size;
    struct sb_search_value *after; /* one per engine sort; NULL: from the start */
    bool *after_has;
    bool track_all, track_none;
    int64_t track_total;
    int64_t timeout_ms;         /* 0: none of its own */
    struct sb_str pit;          /* id; empty: none */
    bool int_total, typed_keys; /* by parameters of the URL */
};
/* An es_search with the usual values. */
void es_search_init(struct es_search *s);
SB_MUST_CHECK sb_err es_search_parse(struct es_parse *p, const struct sb_json *v,
                                     struct es_search *out);
/* What the URL's parameters say: q, sort, size, _source, ... They win over the body. */
SB_MUST_CHECK sb_err es_search_parse_url(struct es_parse *p, const struct es_params *params,
                                         struct es_search *out);

/* ---- answers ---- */

/* What is needed to show a hit. */
struct es_view {
    const struct es_fields *fields;
    struct sb_index_texts *texts; /* NULL: without sources */
    struct sb_arena *scratch;     /* reset for each hit */
};
/* hits_write.c. scored: without a sort each hit has the score 1. */
void es_hit_write(struct sb_json_writer *w, const struct es_view *v, const struct es_hits *h,
                  const struct sb_search_hit *hit);
/* The hit's _source as h wants it, of the document's text; false when the text is gone. */
bool es_source_write(struct sb_json_writer *w, const struct es_view *v, const struct es_source *s,
                     struct sb_str text);
/* The value of a sort key or bucket. */
void es_value_write(struct sb_json_writer *w, const char *key, const struct sb_search_value *v,
                    struct sb_str format);
/* agg_write.c: members of "aggregations". typed: names are "kind#name". */
void es_aggs_write(struct sb_json_writer *w, const struct es_view *v, const struct es_agg *list,
                   const struct sb_agg_result *results, size_t n, bool typed);
/* shape.c: only what filter_path names ("hits.hits._id,aggregations.*,-took", ** any depth), and
 * indented when pretty. */
SB_MUST_CHECK sb_err es_shape(struct sb_buf *body, struct sb_str filter_path, bool pretty,
                              struct es_error *e);

/* ---- JSON helpers (options.c) ---- */

/* Members of an object by name, strictly: a name that no row has is an error that names it. */
enum es_option_type {
    ES_OPT_STR,
    ES_OPT_INT,
    ES_OPT_DOUBLE,
    ES_OPT_BOOL,
    ES_OPT_JSON,
    ES_OPT_IGNORED
};
struct es_option {
    const char *name;
    enum es_option_type type;
    void *to; /* struct sb_str, int64_t, double, bool, const struct sb_json * */
};
/* what: "[range] query", for messages. A row without name ends the table. */
SB_MUST_CHECK sb_err es_options_read(struct es_error *e, const char *what, const struct sb_json *o,
                                     const struct es_option *rows);
/* A string, number or bool as text; false for others. */
bool es_json_text(const struct sb_json *v, struct sb_str *out);
bool es_json_bool(const struct sb_json *v, bool *out);
/* One string or an array of them. */
SB_MUST_CHECK sb_err es_json_names(struct es_parse *p, const char *what, const struct sb_json *v,
                                   const struct sb_str **out, size_t *n);

#endif
