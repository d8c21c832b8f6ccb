/* Inside of aggregations. A node is one aggregation of the request; its groups are all its buckets
 * under all groups of its parent, numbered as they are met. Groups of a parent without buckets (the
 * request itself) are the one group 0. */
#ifndef SB_ENGINE_COLUMN_AGG_INT_H
#define SB_ENGINE_COLUMN_AGG_INT_H

#include "engine/column/calendar_int.h"
#include "engine/column/pattern_int.h"
#include "engine/column/search_int.h"

#define SB_NO_GROUP (UINT32_MAX - 1)

/* ---- groups: (group of the parent, key) -> number ---- */

struct sb_groups {
    struct sb_work *w;
    struct sb_str name;
    uint32_t n;
    uint32_t *parent;
    uint64_t *key;
    uint64_t *count;
    uint32_t *stamp; /* the last document counted, + 1: several values count a document once */
    size_t parent_cap, key_cap, count_cap, stamp_cap;
    uint32_t *table; /* hash of (parent, key): number + 1 */
    size_t table_size;
    /* A cache of the table for keys that have a small code: slot[parent * stride + code] is number
     * + 1, 0 = look in the table, SB_NO_GROUP + 1 = this code makes no group. */
    uint32_t *slot;
    size_t slot_cap, stride, rows;
};
SB_MUST_CHECK sb_err sb_groups_find(struct sb_groups *g, uint32_t parent, uint64_t key,
                                    uint32_t *out);
/* Room for this many parents and codes; false: there are too many, look in the table. */
SB_MUST_CHECK sb_err sb_groups_slots(struct sb_groups *g, size_t parents, size_t codes, bool *ok);
/* Codes mean something else from now on. */
void sb_groups_forget_slots(struct sb_groups *g);

/* Distinct strings with numbers. */
struct sb_strings {
    struct sb_work *w;
    struct sb_str name;
    struct sb_str *at;
    size_t cap;
    uint32_t n;
    uint32_t *table;
    size_t table_size;
};
SB_MUST_CHECK sb_err sb_strings_add(struct sb_strings *s, struct sb_str text, uint32_t *out);

/* ---- sketches ---- */

/* Quantiles: counts of values by sign, exponent and first seven bits of the fraction. A value is
 * known to half the width of its cell, at most 1/256 of it; the same cells as HdrHistogram's, and
 * DDSketch's with linear interpolation (Masson, Rim, Lee, VLDB 2019). Values below 2^-1022 are less
 * exact. One for all groups of a node: a cell's page is found by group and exponent. */
struct sb_quantiles {
    struct sb_work *w;
    struct sb_str name;
    uint32_t first, npages; /* exponents that occur; pages a group may have */
    uint32_t **page;        /* [group * npages + exponent - first]; NULL: no value there */
    size_t page_cap;
    uint32_t *spare; /* pages to take */
    size_t nspare;
};
/* All values that will come lie between low and high (low > high: none will come). */
void sb_quantiles_init(struct sb_quantiles *q, struct sb_work *w, struct sb_str name, double low,
                       double high);
SB_MUST_CHECK sb_err sb_quantiles_room(struct sb_quantiles *q, size_t groups);
SB_MUST_CHECK sb_err sb_quantiles_add(struct sb_quantiles *q, const uint32_t *group,
                                      const double *v, uint32_t n);
/* Between the two values around rank percent / 100 * (count - 1), as numpy and DuckDB's
 * quantile_cont do. count > 0; min and max are the exact ones. */
double sb_quantiles_get(const struct sb_quantiles *q, uint32_t group, uint64_t count, double min,
                        double max, double percent);

/* Distinct hashes: a set up to 10,000 of them, then registers (HyperLogLog with 2^16, Ertl's
 * estimator: "New cardinality estimation algorithms for HyperLogLog sketches", 2017). */
struct sb_distinct {
    uint64_t *set;
    uint32_t n, cap;
    uint8_t *registers;
};
SB_MUST_CHECK sb_err sb_distinct_add(struct sb_distinct *d, struct sb_work *w, struct sb_str name,
                                     uint64_t hash);
uint64_t sb_distinct_get(const struct sb_distinct *d);

/* ---- numbers of one group ---- */

struct sb_number {
    union {
        __int128 sum_i;
        struct {
            double sum, carry;
        };
    };
    uint64_t count;
    union {
        int64_t min_i;
        double min;
    };
    union {
        int64_t max_i;
        double max;
    };
    double squares, squares_carry;
};

/* ---- nodes ---- */

struct sb_node;
struct sb_node_ops {
    const char *name;
    sb_err (*segment)(struct sb_node *n);     /* a new one begins, or NULL */
    sb_err (*segment_end)(struct sb_node *n); /* or NULL */
    sb_err (*rows)(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups);
    /* Leaves: the result of a group; SB_NO_GROUP = of no documents. NULL: it has buckets. */
    sb_err (*result)(struct sb_node *n, uint32_t group, struct sb_agg_result *out);
};

struct sb_span {
    int64_t start, next;
    uint32_t code;
};

struct sb_node {
    const struct sb_node_ops *ops;
    const struct sb_agg *agg;
    struct sb_work *w;
    struct sb_node *kids;
    size_t nkids;
    const struct sb_column_segment *segment;
    const struct sb_column *column; /* of the field, or NULL */
    enum sb_column_type type;       /* of the field */
    struct sb_take take;

    /* numbers */
    struct sb_number *numbers;
    size_t numbers_cap, numbers_n; /* n of them are initialized */
    bool ints;                     /* summed as integers */
    struct sb_quantiles quantiles;

    /* CARDINALITY */
    struct sb_distinct *distinct;
    size_t distinct_cap;
    uint64_t *hashes; /* KEYWORD: of each ordinal; 0 = not yet */
    size_t hashes_cap;
    uint64_t *seen; /* KEYWORD: bit per group and ordinal of this segment */
    size_t seen_cap, seen_groups;
    uint64_t hash_seed;

    /* TOP_HITS */
    struct sb_topk_spec top_spec;
    struct sb_topk_scan *top_scan;
    struct sb_topk *tops;
    size_t tops_cap;

    /* buckets that are found: TERMS, histograms */
    struct sb_groups groups;
    struct sb_strings strings; /* TERMS on KEYWORD */
    uint32_t *ordinal_string;  /* of this segment: number + 1, 0 = not yet */
    size_t ordinal_string_cap;
    struct sb_pattern *include, *exclude;
    uint32_t *bucket; /* of each row of a block */
    double first_index;
    uint64_t nindexes; /* HISTOGRAM: of all values; 0 = too many for codes */
    struct sb_rounding rounding;
    struct sb_span *spans; /* ascending */
    size_t spans_cap;
    uint32_t nspans, last_span;

    /* buckets that are given: RANGE, FILTERS, MISSING */
    uint32_t fixed; /* how many; 0: buckets are found */
    uint64_t *fixed_count;
    size_t fixed_cap, fixed_parents;
    struct sb_filter **filters;

    uint32_t *row_doc, *row_group; /* rows for the kids */

    /* results */
    uint32_t *by_parent, *parent_start; /* groups in order of their parents */
    uint32_t nparents;
    bool all_strings; /* sb_node_all_strings was called */
};

struct sb_aggs {
    struct sb_work *w;
    struct sb_node root; /* its kids are the request's aggregations */
    uint64_t nbuckets;   /* of the result */
};

/* agg_metric.c, agg_bucket.c: NULL when the kind is another file's. */
const struct sb_node_ops *sb_node_metric_ops(const struct sb_agg *a);
const struct sb_node_ops *sb_node_bucket_ops(const struct sb_agg *a, enum sb_column_type type);
SB_MUST_CHECK sb_err sb_node_metric_init(struct sb_node *n);
SB_MUST_CHECK sb_err sb_node_bucket_init(struct sb_node *n);
/* TERMS on KEYWORD: the strings of documents that did not match, too. */
SB_MUST_CHECK sb_err sb_node_all_strings(struct sb_node *n);
/* Rows of the node's own groups go to its kids. */
SB_MUST_CHECK sb_err sb_node_kids(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups);
/* A metric of a group as one number, for orders; NaN when it has no value. */
double sb_node_value(struct sb_node *n, uint32_t group, const struct sb_agg_order *order);
/* The smallest and largest value of the node's field in all segments; false: there is none. */
bool sb_node_bounds(const struct sb_node *n, double *low, double *high);

#endif
