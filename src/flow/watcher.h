/* The registry watcher: keeps the route table equal to what the registry, and the routes of the
 * configuration, say is live.
 *
 * Its thread looks at the registry after each change (one call for a thousand models; more only for
 * models that changed) and gives orders; loaders carry them out, a few at once: download the
 * version, checksum, convert or start workers, validate with its input example, warm, then publish
 * by one pointer swap. A version that cannot be loaded leaves the old one live and its reason in
 * the route table and the log. What is live is kept on disk, so serving starts and answers with the
 * registry down. */
#ifndef SB_FLOW_WATCHER_H
#define SB_FLOW_WATCHER_H

#include "base/buf.h"
#include "base/err.h"
#include "domain/metric/metric.h"
#include "domain/route/route.h"
#include "domain/route/rules.h"
#include "loop/loop.h"

struct sb_watcher;

/* Borrowed; must outlive the watcher. */
struct sb_watcher_opts {
    const char *registry_url; /* "http://127.0.0.1:5000" */
    const char *models_dir;   /* folder for downloads and images; made when missing */
    const char *program;      /* this program, which converts models in a child of its own */
    const char *program_version;
    const char *python;                       /* interpreter of workers */
    const char *worker_script;                /* python/sibyl_worker.py */
    const char *environments_dir;             /* folder for environments of models */
    const char *environment_script;           /* python/sibyl_environment.py */
    int64_t environment_keep_ms;              /* unused for longer: removed; 0 = never */
    int workers;                              /* per model; 0 = models that need them are refused */
    int64_t worker_memory;                    /* bytes each may use; 0 = no limit */
    int64_t worker_start_ns;                  /* limit on loading a model; 0 = the pool's default */
    size_t worker_max_rows, worker_max_bytes; /* of a merged call; 0 = the pool's default */
    struct sb_loop *worker_loop;              /* loop that owns the worker pools */
    struct sb_route_rules rules;              /* routes of the configuration */
    struct sb_str privacy_key;                /* of features that are recorded as hmac */
    enum sb_environment environment;          /* of workers, where nothing narrower decides */
    struct sb_route_table *routes;
    struct sb_metrics *metrics;
    const char *const *outcome_names; /* sb_serving_outcomes */
};

/* Publishes what was live last time (from disk), then starts the thread. Returns before Python
 * workers of those versions are up. */
SB_MUST_CHECK sb_err sb_watcher_start(struct sb_watcher **out, const struct sb_watcher_opts *o,
                                      struct sb_errctx *ctx);
/* Stops and joins its threads: downloads and starting workers are given up, a conversion is waited
 * for. */
void sb_watcher_stop(struct sb_watcher *w);

/* {"url":..,"state":"connected"|"unreachable","since_ms":..,"error":..} for /health. Any thread. */
void sb_watcher_describe(void *watcher, struct sb_buf *out);

#endif
