#include "app/stream.h"

#include "app/datadir.h"
#include "app/instance.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/mem.h"
#include "flow/history.h"

struct sb_stream {
    struct sb_metrics *metrics;
    struct sb_indexes *indexes;
    struct sb_indexer *indexer;
    struct sb_admin *admin;
    struct sb_history *history;
};

static void update(void *arg) {
    struct sb_stream *s = arg;
    sb_metrics_update_process(s->metrics);
    sb_indexer_update_metrics(s->indexer);
}

static sb_err start(struct sb_stream *s, const struct sb_config *c, struct sb_arena *a,
                    struct sb_errctx *ctx) {
    SB_TRY(sb_indexes_open(&s->indexes, c->data, ctx));
    struct sb_indexer_opts indexer = {.indexes = s->indexes, .metrics = s->metrics};
    SB_TRY(sb_indexer_start(&s->indexer, &indexer, ctx));
    s->admin = sb_admin_new(&(struct sb_admin_opts){
        .indexer = s->indexer, .metrics = s->metrics, .update = update, .update_arg = s});
    struct sb_history_opts history = {
        .dir = sb_datadir_path(a, c->data, SB_DATADIR_METRICS),
        .serving_url = sb_instance_url_of(a, c->serving_listen.host, c->serving_listen.port),
        .retain_bytes = c->metrics_retain_size,
        .retain_ms = c->metrics_retain_time / SB_MS,
        .metrics = s->metrics,
        .update = update,
        .update_arg = s,
        .predictions_dir = sb_datadir_path(a, c->data, SB_DATADIR_PREDICTIONS),
        .predictions_retain_bytes = c->journal_retain_size};
    return sb_history_start(&s->history, &history, ctx);
}

sb_err sb_stream_start(struct sb_stream **out, const struct sb_config *c, struct sb_arena *a,
                       struct sb_metrics *metrics, struct sb_errctx *ctx) {
    struct sb_stream *s = sb_calloc(1, sizeof *s);
    s->metrics = metrics;
    sb_series_set(sb_metrics_get(metrics, SB_METRIC_BUILD_INFO, &SB_STR(SB_VERSION)), 1);
    sb_err err = start(s, c, a, ctx);
    if (err)
        sb_stream_stop(s);
    else
        *out = s;
    return err;
}

void sb_stream_stop(struct sb_stream *s) {
    if (!s) return;
    sb_history_stop(s->history);
    sb_admin_free(s->admin);
    sb_indexer_stop(s->indexer);
    sb_indexes_close(s->indexes);
    sb_free(s);
}

struct sb_indexes *sb_stream_indexes(struct sb_stream *s) {
    return s->indexes;
}

struct sb_admin *sb_stream_admin(struct sb_stream *s) {
    return s->admin;
}
