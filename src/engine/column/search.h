/* Searching a snapshot of a column index: which documents match, in which order, and what they add
 * up to. The caller builds a `struct sb_search` in an arena from what the snapshot's fields are
 * called; the wire's forms (Elasticsearch's) are not known here.
 *
 * Semantics are Elasticsearch's where a wire rule exists: a document matches when one of its values
 * does; a field that no document has matches nothing; string order is by bytes. */
#ifndef SB_ENGINE_COLUMN_SEARCH_H
#define SB_ENGINE_COLUMN_SEARCH_H

#include <stdatomic.h>

#include "base/arena.h"
#include "engine/column/column.h"

enum {
    SB_SEARCH_BUCKETS_MAX = 65536, /* of a whole request */
    SB_SEARCH_DEPTH_MAX = 20,      /* of queries in each other, and of aggregations */
    SB_SEARCH_CLAUSES_MAX = 1024,  /* of a whole query */
    SB_SEARCH_WINDOW_MAX = 10000,  /* from + size */
    SB_SEARCH_PATTERN_MAX = 1000,  /* bytes of a pattern */
};

/* A value in the type of its field: LONG, DATE, BOOL in i, DOUBLE in f, KEYWORD in s. */
struct sb_search_value {
    enum sb_column_type type;
    int64_t i;
    double f;
    struct sb_str s;
};

/* ---- queries ---- */

enum sb_query_kind {
    SB_QUERY_ALL,
    SB_QUERY_NONE,
    SB_QUERY_TERMS,    /* one of values */
    SB_QUERY_RANGE,    /* between low and high */
    SB_QUERY_EXISTS,   /* has a value */
    SB_QUERY_IDS,      /* the document's name is one of values (KEYWORD; LONG: its offset) */
    SB_QUERY_PREFIX,   /* KEYWORD: starts with text */
    SB_QUERY_WILDCARD, /* KEYWORD: ? one character, * any number, \ escapes */
    SB_QUERY_REGEXP,   /* KEYWORD: Lucene's syntax, whole value; time linear in the value */
    SB_QUERY_WORDS,    /* KEYWORD: words of text in the value, as Elasticsearch's standard analyzer
                          cuts and lowers them */
    SB_QUERY_BOOL,
};

enum sb_query_words { SB_WORDS_ANY, SB_WORDS_ALL, SB_WORDS_PHRASE, SB_WORDS_PHRASE_PREFIX };

struct sb_query {
    enum sb_query_kind kind;
    int field; /* of the snapshot; -1: no document has it */
    const struct sb_search_value *values;
    size_t nvalues;
    bool has_low, has_high, low_open, high_open; /* open: the bound itself is outside */
    struct sb_search_value low, high;
    struct sb_str text;
    enum sb_query_words words;
    bool ignore_case; /* ASCII and simple Unicode folding; TERMS, PREFIX, WILDCARD, REGEXP */
    /* BOOL: all of must, none of must_not, at least min_should of should. */
    const struct sb_query *const *must, *const *must_not, *const *should;
    size_t nmust, nmust_not, nshould, min_should;
};

/* ---- aggregations ---- */

enum sb_agg_kind {
    /* buckets */
    SB_AGG_TERMS,
    SB_AGG_HISTOGRAM,      /* floor((v - offset) / interval) * interval + offset */
    SB_AGG_DATE_HISTOGRAM, /* ms; or calendar */
    SB_AGG_RANGE,          /* from <= v < to each; numbers and dates */
    SB_AGG_FILTERS,
    SB_AGG_MISSING,
    /* numbers */
    SB_AGG_AVG,
    SB_AGG_SUM,
    SB_AGG_MIN,
    SB_AGG_MAX,
    SB_AGG_STATS,
    SB_AGG_EXTENDED_STATS,
    SB_AGG_VALUE_COUNT, /* values of any type */
    SB_AGG_CARDINALITY, /* exact up to 10,000 distinct values, then within 2 % (HyperLogLog) */
    SB_AGG_PERCENTILES, /* relative error at most SB_AGG_QUANTILE_ERROR */
    /* documents */
    SB_AGG_TOP_HITS,
};
#define SB_AGG_QUANTILE_ERROR 0.005

enum sb_agg_calendar {
    SB_CALENDAR_NONE, /* interval is used */
    SB_CALENDAR_MINUTE,
    SB_CALENDAR_HOUR,
    SB_CALENDAR_DAY,
    SB_CALENDAR_WEEK, /* from Monday */
    SB_CALENDAR_MONTH,
    SB_CALENDAR_QUARTER,
    SB_CALENDAR_YEAR,
};

enum sb_agg_order_by { SB_AGG_BY_COUNT, SB_AGG_BY_KEY, SB_AGG_BY_METRIC };
/* One criterion of a TERMS or histogram order; ties are broken by key, ascending. */
struct sb_agg_order {
    enum sb_agg_order_by by;
    bool descending;
    size_t child;  /* BY_METRIC: which of children, a number */
    double number; /* of PERCENTILES: the percent; */
    int part;      /* of STATS, EXTENDED_STATS: enum sb_agg_part; else 0 */
};
enum sb_agg_part {
    SB_PART_VALUE,
    SB_PART_COUNT,
    SB_PART_MIN,
    SB_PART_MAX,
    SB_PART_AVG,
    SB_PART_SUM,
    SB_PART_SUM_OF_SQUARES,
    SB_PART_VARIANCE,
    SB_PART_STD_DEVIATION,
};

struct sb_agg_range {
    struct sb_str key; /* given by the caller */
    bool has_from, has_to;
    double from, to;
};

struct sb_sort;

struct sb_agg {
    struct sb_str name; /* the caller's */
    enum sb_agg_kind kind;
    int field; /* -1: no document has it */
    bool has_missing;
    struct sb_search_value missing; /* stands for a document without a value */
    const struct sb_agg *children;
    size_t nchildren;

    uint32_t size;          /* TERMS; TOP_HITS */
    uint32_t from;          /* TOP_HITS */
    uint64_t min_doc_count; /* TERMS, histograms; 0 fills gaps of a histogram, and on KEYWORD adds
                               terms of documents that do not match */
    const struct sb_agg_order *order;
    size_t norder;
    struct sb_str include, exclude; /* TERMS on KEYWORD: regular expressions, or empty */

    double interval, offset; /* HISTOGRAM; DATE_HISTOGRAM: ms */
    enum sb_agg_calendar calendar;
    struct sb_str time_zone; /* DATE_HISTOGRAM: "+02:00" or an IANA name; empty = UTC */
    bool has_bounds, hard_bounds;
    double bounds_min, bounds_max;

    const struct sb_agg_range *ranges;
    size_t nranges;
    const struct sb_query *const *filters; /* FILTERS: one a bucket */
    size_t nfilters;
    bool other_bucket; /* FILTERS: a last bucket of what matches none */

    const double *percents;
    size_t npercents;
    double sigma; /* EXTENDED_STATS: 2 when 0 */

    const struct sb_sort *sort; /* TOP_HITS */
    size_t nsort;
};

struct sb_agg_result;

struct sb_agg_bucket {
    struct sb_search_value key; /* TERMS, histograms */
    uint64_t doc_count;
    struct sb_agg_result *children; /* one per child, in its order */
};

struct sb_search_hit {
    int64_t offset; /* of the topic */
    struct sb_str id;
    /* one per sort key, of the field's type; the key's missing flag is in has */
    struct sb_search_value *sort;
    bool *has;
};

struct sb_agg_result {
    const struct sb_agg *agg;
    struct sb_agg_bucket *buckets; /* RANGE, FILTERS: in the caller's order; MISSING: one */
    size_t nbuckets;
    uint64_t other_docs; /* TERMS: documents in buckets that were cut off */
    uint64_t count;      /* numbers: values; 0 = avg, min, max are null */
    double sum, sum_of_squares, min, max;
    double *quantiles; /* PERCENTILES: one a percent; NaN when there was no value */
    uint64_t cardinality;
    struct sb_search_hit *hits; /* TOP_HITS */
    size_t nhits;
    uint64_t total;
};

/* ---- the search ---- */

enum sb_sort_by { SB_SORT_FIELD, SB_SORT_OFFSET /* order of the topic */ };
struct sb_sort {
    enum sb_sort_by by;
    int field; /* -1: all documents have none */
    bool descending;
    bool missing_first;
    bool use_max; /* several values: the largest sorts; else the smallest */
};

struct sb_search {
    const struct sb_query *query;
    const struct sb_agg *aggs;
    size_t naggs;
    const struct sb_sort *sort; /* none: newest first, by offset */
    size_t nsort;
    uint32_t from, size;
    const struct sb_search_value *after; /* search_after: one per sort key, or NULL */
    const bool *after_has;               /* false: that key was missing */
    uint64_t track_total;                /* count exactly up to this; UINT64_MAX = all */

    /* limits */
    int64_t deadline_ns;       /* sb_mono_ns; 0 = none. SB_E_TIMEOUT */
    int64_t cpu_ns;            /* that the thread may spend on it; 0 = any. SB_E_TIMEOUT */
    const atomic_bool *cancel; /* or NULL. SB_E_CLOSED */
    size_t memory_max;         /* bytes of working memory; 0 = 256 MiB. SB_E_LIMIT */
};

struct sb_search_result {
    uint64_t total;
    bool total_is_lower_bound;
    struct sb_search_hit *hits;
    size_t nhits;
    struct sb_agg_result *aggs; /* one per aggregation, in its order */
};

/* Runs it on the calling thread; the result lives in the arena. SB_E_LIMIT: more buckets or memory
 * than allowed (ctx names the aggregation). SB_E_SYNTAX: a pattern that is no regular expression,
 * or an unknown time zone. */
SB_MUST_CHECK sb_err sb_search_run(const struct sb_column_snapshot *s, const struct sb_search *q,
                                   struct sb_arena *arena, struct sb_search_result *out,
                                   struct sb_errctx *ctx);

/* How many documents match; stops counting at `most`. */
SB_MUST_CHECK sb_err sb_search_count(const struct sb_column_snapshot *s, const struct sb_query *q,
                                     uint64_t most, uint64_t *out, struct sb_errctx *ctx);

/* Up to n offsets >= from of documents that match, ascending: for exports and rewriting. */
SB_MUST_CHECK sb_err sb_search_offsets(const struct sb_column_snapshot *s, const struct sb_query *q,
                                       int64_t from, int64_t *offsets, size_t n, size_t *found,
                                       struct sb_errctx *ctx);

#endif
