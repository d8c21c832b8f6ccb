/* Inside api/search: a request on its way through the pool, and the indexes it names. */
#ifndef SB_API_SEARCH_API_INT_H
#define SB_API_SEARCH_API_INT_H

#include "api/search/search_int.h"
#include "base/thread.h"
#include "loop/pool.h"

enum {
    ES_PARAMS_MAX = 64,
    ES_TARGETS_MAX = 16,
    ES_PITS_MAX = 100, /* open at a time */
    ES_MSEARCH_MAX = 200,
};

struct call;
struct es_pit;

struct sb_search_api {
    struct sb_search_api_opts o;
    struct sb_pool *pool;
    struct sb_mutex lock; /* of running, pits, and what they hold */
    struct call *running;
    struct es_pit *pits;
    unsigned npits;
    bool draining;
    char uuid[33]; /* of the cluster */
};

/* One request. Lives in an arena of its own: the request's belongs to the loop. */
struct call {
    struct sb_job job;
    struct call *prev, *next; /* of running */
    struct sb_search_api *api;
    struct sb_http_req *req;
    sb_err (*run)(struct call *c);
    struct sb_arena arena;
    struct es_params params;
    struct es_error error;
    int status;
    const char *content_type; /* NULL: JSON */
    struct sb_buf body;
    struct sb_json_writer w;
    int64_t begin_ns, deadline_ns;
    atomic_bool cancel;
};

/* What a request looks at in one index. */
struct target {
    struct sb_index *index;
    struct sb_column_snapshot *snap;
    bool borrowed; /* of a PIT */
    struct es_fields fields;
};
struct targets {
    struct target list[ES_TARGETS_MAX];
    size_t n;
    struct es_pit *pit; /* whose snapshots they are; or NULL */
};

/* targets.c */
/* The indexes that an expression names ("a,b*,-c", "_all", "" = all), with snapshots. */
SB_MUST_CHECK sb_err targets_find(struct call *c, struct sb_str expression, bool ignore_missing,
                                  struct targets *out);
/* The same, of the path's first parameter and the URL's ignore_unavailable. */
SB_MUST_CHECK sb_err targets_of_path(struct call *c, struct targets *out);
SB_MUST_CHECK sb_err targets_of_pit(struct call *c, struct sb_str id, struct targets *out);
/* borrowed: somebody else releases the snapshot. */
void target_add(struct call *c, struct targets *t, struct sb_index *ix,
                struct sb_column_snapshot *snap, bool borrowed);
void targets_release(struct call *c, struct targets *t);
struct es_parse parse_of(struct call *c, struct sb_arena *a, const struct target *t);
/* The request's body as JSON; *out NULL when it is empty. */
SB_MUST_CHECK sb_err body_of(struct call *c, const struct sb_json **out);
SB_MUST_CHECK sb_err parse_text(struct call *c, struct sb_arena *a, struct sb_str text,
                                struct sb_json **out);
void write_shards(struct sb_json_writer *w, size_t n);

/* run.c: one search, its answer as an object's members. */
SB_MUST_CHECK sb_err search_run(struct call *c, struct sb_arena *a, const struct targets *t,
                                const struct sb_json *body, const struct es_params *params);
SB_MUST_CHECK sb_err run_search(struct call *c);
SB_MUST_CHECK sb_err run_msearch(struct call *c);
SB_MUST_CHECK sb_err run_count(struct call *c);

/* pit.c */
SB_MUST_CHECK sb_err run_pit_open(struct call *c);
SB_MUST_CHECK sb_err run_pit_close(struct call *c);
void pit_unref(struct sb_search_api *a, struct es_pit *p);
void pits_free(struct sb_search_api *a);

/* docs.c */
SB_MUST_CHECK sb_err run_doc(struct call *c);
SB_MUST_CHECK sb_err run_source(struct call *c);
SB_MUST_CHECK sb_err run_mget(struct call *c);

/* mapping.c */
SB_MUST_CHECK sb_err run_mapping(struct call *c);
SB_MUST_CHECK sb_err run_settings(struct call *c);
SB_MUST_CHECK sb_err run_index(struct call *c);
SB_MUST_CHECK sb_err run_field_caps(struct call *c);
SB_MUST_CHECK sb_err run_resolve(struct call *c);
SB_MUST_CHECK sb_err run_aliases(struct call *c);

/* info.c */
SB_MUST_CHECK sb_err run_root(struct call *c);
SB_MUST_CHECK sb_err run_health(struct call *c);
SB_MUST_CHECK sb_err run_nodes(struct call *c);
SB_MUST_CHECK sb_err run_license(struct call *c);
SB_MUST_CHECK sb_err run_stats(struct call *c);
SB_MUST_CHECK sb_err run_refresh(struct call *c);
SB_MUST_CHECK sb_err run_refused(struct call *c);

/* cat.c */
SB_MUST_CHECK sb_err run_cat_indices(struct call *c);
SB_MUST_CHECK sb_err run_cat_health(struct call *c);
SB_MUST_CHECK sb_err run_cat_count(struct call *c);

#define ES_VERSION "8.18.0"
#define ES_CLUSTER "sibyl"

#endif
