/* Elasticsearch's REST protocol, as its clients of 7.14 to 9 and Grafana's data source speak it,
 * over the program's own indexes: reading only, since they are derived from the journal. What is
 * supported: docs/SEARCH.md; what is not is refused by name. Claims to be version 8.18.
 *
 * The routes stand on a port of their own (9200) and below /api/search of the dashboard's, by
 * sb_http_opts.prefixes; the app of the table is the struct sb_search_api both times.
 *
 * Threads: handlers run on the loops, searches on the pool "search". */
#ifndef SB_API_SEARCH_SEARCH_H
#define SB_API_SEARCH_SEARCH_H

#include "domain/index/index.h"
#include "engine/http/http.h"

enum {
    SB_SEARCH_BODY_MAX = 1 << 20, /* what a server for these routes should take as body_max */
};

struct sb_search_api;

struct sb_search_api_opts {
    struct sb_indexes *indexes; /* borrowed; outlives the api */
    int threads;                /* of searches at a time; 0 = 2 */
    int64_t timeout_ns;         /* of one request's searches; 0 = 30 s */
    int64_t cpu_ns;             /* of one search, on its thread; 0 = 2 s */
    size_t memory_max;          /* bytes of one search's working memory; 0 = 256 MiB */
};

SB_MUST_CHECK sb_err sb_search_api_new(struct sb_search_api **out,
                                       const struct sb_search_api_opts *o, struct sb_errctx *ctx);
/* Any thread: searches that run are cut short with an error. Call it when the server starts to
 * drain. */
void sb_search_api_drain(struct sb_search_api *a);
/* After the loops have stopped. Searches still running are ended and waited for. */
void sb_search_api_free(struct sb_search_api *a);

/* Table for sb_http_listen, ended by a row without pattern. */
extern const struct sb_http_route sb_search_routes[];

/* {"error": {...}, "status": N}: as sb_http_opts.error_body. */
void sb_search_http_error(const struct sb_http_req *r, struct sb_buf *out, int status,
                          const char *message);

#endif
