/* Inside of a search: its working memory, the rows that walk through aggregations, and the kernels
 * that read columns. A search runs on one thread.
 *
 * Documents are worked on in blocks of SB_COLUMN_BLOCK. A filter makes a bitmap of a block; the
 * documents in it become rows: pairs of a document and the group (bucket of the parent) it is in.
 * Each aggregation turns rows into sums by group, or into rows of its own buckets. */
#ifndef SB_ENGINE_COLUMN_SEARCH_INT_H
#define SB_ENGINE_COLUMN_SEARCH_INT_H

#include "engine/column/search.h"
#include "engine/column/segment.h"

enum { SB_BLOCK_WORDS = SB_COLUMN_BLOCK / 64 };

/* ---- working memory ---- */

struct sb_work {
    const struct sb_column_snapshot *snap;
    struct sb_arena arena; /* lives as long as the search */
    struct sb_arena plan;  /* of one segment */
    struct sb_arena *out;  /* results; the caller's */
    int64_t deadline_ns;
    int64_t cpu_end_ns; /* of the thread's CPU time; 0 = none */
    const atomic_bool *cancel;
    struct sb_errctx *ctx;
};

/* Makes *array (NULL at first) hold at least `need` elements; new ones are zero. */
SB_MUST_CHECK sb_err sb_work_grow(struct sb_work *w, void *array, size_t *cap, size_t need,
                                  size_t size, struct sb_str name);
/* Zeroed; SB_E_LIMIT that names the aggregation. */
SB_MUST_CHECK sb_err sb_work_array(struct sb_work *w, void *array, size_t n, size_t size,
                                   struct sb_str name);
/* TIMEOUT or CLOSED when it is time to stop; asked between blocks. */
SB_MUST_CHECK sb_err sb_work_check(struct sb_work *w);

/* ---- rows ---- */

struct sb_rows {
    const uint32_t *doc;   /* of the segment, ascending */
    const uint32_t *group; /* of each */
    uint32_t n;            /* at most SB_COLUMN_BLOCK */
    bool run;              /* documents follow each other without a gap */
    bool one;              /* all in one group */
};

/* The values of rows, in pieces: with several values a document there are more of them than rows.
 */
enum sb_take_as { SB_TAKE_I64, SB_TAKE_F64, SB_TAKE_CODE /* KEYWORD: ordinal */ };
struct sb_take {
    struct sb_rows rows;  /* one per value */
    const int64_t *i;     /* SB_TAKE_I64 */
    const double *f;      /* SB_TAKE_F64 */
    const uint32_t *code; /* SB_TAKE_CODE; terms.n stands for `missing` */
    bool multi;           /* a document may come several times */
    /* internal */
    const struct sb_column *column;
    const struct sb_search_value *missing;
    enum sb_take_as as;
    const struct sb_rows *from;
    uint32_t next, next_value;
    uint32_t *doc, *group, *at;
    void *buffer;
};
SB_MUST_CHECK sb_err sb_take_init(struct sb_take *t, struct sb_work *w, enum sb_take_as as,
                                  const struct sb_search_value *missing, struct sb_str name);
/* column may be NULL: no document has a value. */
void sb_take_begin(struct sb_take *t, const struct sb_column *column, const struct sb_rows *rows);
bool sb_take_next(struct sb_take *t);
/* How values of a field of this type are taken. */
enum sb_take_as sb_take_type(enum sb_column_type type);

static inline uint32_t sb_column_first(const struct sb_column *c, uint32_t doc) {
    return c->starts ? c->starts[doc] : doc;
}
static inline bool sb_column_has_any(const struct sb_column *c, uint32_t doc) {
    return c->starts ? c->starts[doc + 1] > c->starts[doc] : sb_column_has(c, doc);
}
/* Position of a string among the terms: the first that is >= s. */
uint32_t sb_terms_lower(const struct sb_column *c, struct sb_str s);

/* ---- kernels: n values from position `at`; bitmaps are padded with zeros to whole words ---- */

/* value - low <= span, on values as stored */
void sb_kernel_range(const struct sb_column *c, uint32_t at, uint32_t n, uint64_t low,
                     uint64_t span, uint64_t *bits);
void sb_kernel_range_f64(const double *v, uint32_t n, double low, double high, uint64_t *bits);
/* table[value], for columns whose values are at most 4 bytes wide */
void sb_kernel_table(const struct sb_column *c, uint32_t at, uint32_t n, const uint8_t *table,
                     uint64_t *bits);
void sb_kernel_i64(const struct sb_column *c, uint32_t at, uint32_t n, int64_t *to);
void sb_kernel_f64(const struct sb_column *c, uint32_t at, uint32_t n, double *to);
void sb_kernel_code(const struct sb_column *c, uint32_t at, uint32_t n, uint32_t *to);
void sb_kernel_minmax_f64(const double *v, uint32_t n, double *min, double *max);
void sb_kernel_minmax_i64(const int64_t *v, uint32_t n, int64_t *min, int64_t *max);
/* Sum without carry of its error: for a block. */
double sb_kernel_sum_f64(const double *v, uint32_t n);
/* floor((v - offset) / interval) */
void sb_kernel_floor_f64(const double *v, uint32_t n, double offset, double interval, double *to);
/* from, from + 1, ... */
void sb_kernel_count(uint32_t from, uint32_t n, uint32_t *to);

/* ---- filters ---- */

enum sb_some { SB_SOME_NONE, SB_SOME_ALL, SB_SOME };

struct sb_filter;
/* Depth, number of clauses, patterns: so that an empty index refuses what a full one does. */
SB_MUST_CHECK sb_err sb_query_check(struct sb_work *w, const struct sb_query *q);
/* The plan of a query over one segment; lives in w->plan. */
SB_MUST_CHECK sb_err sb_filter_new(struct sb_filter **out, struct sb_work *w,
                                   const struct sb_column_segment *g, const struct sb_query *q);
/* What is known before looking at any document. */
enum sb_some sb_filter_whole(const struct sb_filter *f);
/* The block of n documents from `first` (a multiple of SB_COLUMN_BLOCK). bits are set in any case.
 */
enum sb_some sb_filter_block(const struct sb_filter *f, uint32_t first, uint32_t n, uint64_t *bits);

/* ---- order of documents ---- */

struct sb_topk_spec {
    const struct sb_sort *sort;
    size_t nsort;
    uint32_t k;
    const struct sb_search_value *after;
    const bool *after_has;
};
struct sb_topk {
    const struct sb_topk_spec *spec;
    uint32_t n;
    size_t cap;
    struct sb_topk_entry *entries; /* a heap, the last in order at its top */
};
struct sb_topk_scan; /* of one segment */
SB_MUST_CHECK sb_err sb_topk_scan_new(struct sb_topk_scan **out, struct sb_work *w,
                                      const struct sb_topk_spec *spec,
                                      const struct sb_column_segment *g);
/* Could any document of this block enter? */
bool sb_topk_block_may(const struct sb_topk_scan *s, const struct sb_topk *t, uint32_t first);
SB_MUST_CHECK sb_err sb_topk_add(struct sb_topk *t, struct sb_topk_scan *s, struct sb_work *w,
                                 uint32_t doc);
/* Sorted, without the first `from`. */
SB_MUST_CHECK sb_err sb_topk_finish(struct sb_topk *t, struct sb_work *w, uint32_t from,
                                    struct sb_search_hit **hits, size_t *nhits);

/* ---- aggregations ---- */

struct sb_aggs;
SB_MUST_CHECK sb_err sb_aggs_new(struct sb_aggs **out, struct sb_work *w, const struct sb_agg *aggs,
                                 size_t n);
SB_MUST_CHECK sb_err sb_aggs_segment(struct sb_aggs *a, const struct sb_column_segment *g);
SB_MUST_CHECK sb_err sb_aggs_rows(struct sb_aggs *a, const struct sb_rows *rows);
SB_MUST_CHECK sb_err sb_aggs_segment_end(struct sb_aggs *a);
SB_MUST_CHECK sb_err sb_aggs_finish(struct sb_aggs *a, struct sb_agg_result **out);

#endif
