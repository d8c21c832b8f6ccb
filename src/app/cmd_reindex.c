/* sibyl reindex: builds indexes anew from the journal. The running platform does it while the old
 * ones answer; without one it is done here. */
#include <stdio.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/datadir.h"
#include "app/instance.h"
#include "app/text.h"
#include "base/clock.h"
#include "flow/indexer.h"
#include "sys/process.h"

enum { ANSWER_MAX = 16 << 20, STDERR = 2 };

#define LOOK_NS (100 * SB_MS)
#define CALL_NS (10 * SB_SEC)

const struct sb_option sb_reindex_options[] = {
    {"index", 0, "NAME", "Only this one: predictions, metrics or audit."},
    SB_CLIENT_JSON_OPTION,
    {NULL, 0, NULL, NULL},
};

/* ---- the indexer, near or far ---- */

struct indexers {
    struct sb_fetch *fetch; /* of the running platform, or */
    struct sb_lock lock;
    bool locked;
    struct sb_indexes *indexes;
    struct sb_indexer *indexer;
};

static void indexers_close(struct indexers *x) {
    sb_fetch_free(x->fetch);
    sb_indexer_stop(x->indexer);
    sb_indexes_close(x->indexes);
    if (x->locked) sb_lock_release(&x->lock);
}

static enum sb_exit complain(const struct sb_errctx *ctx, sb_err err) {
    sb_cli_error("%s", sb_errctx_text(ctx, err));
    return err == SB_E_LOCKED ? SB_EXIT_BUSY : SB_EXIT_FAILED;
}

static enum sb_exit open_here(struct indexers *x, const struct sb_config *c) {
    struct sb_errctx ctx = {0};
    sb_err err = sb_datadir_look(c->data, &ctx);
    if (err == SB_E_MISSING) {
        sb_cli_error("%s is not there: name the data folder with --data", c->data);
        return SB_EXIT_FAILED;
    }
    if (!err) err = sb_datadir_take(&x->lock, c->data, &ctx);
    x->locked = !err;
    if (!err) err = sb_indexes_open(&x->indexes, c->data, &ctx);
    struct sb_indexer_opts o = {.indexes = x->indexes};
    if (!err) err = sb_indexer_start(&x->indexer, &o, &ctx);
    return err ? complain(&ctx, err) : SB_EXIT_OK;
}

static enum sb_exit indexers_open(struct indexers *x, struct sb_config *c) {
    struct sb_fetch_request health = {.target = "/health", .timeout_ns = CALL_NS};
    const char *url, *path = sb_instance_path(&c->arena, c->data, "platform");
    int64_t pid;
    int status;
    if (!sb_instance_read(&c->arena, path, &pid, "dashboard", &url)) return open_here(x, c);
    sb_err err = sb_fetch_new(&x->fetch, url, NULL);
    if (!err) err = sb_fetch_call(x->fetch, &health, &status, NULL, NULL);
    if (!err) return SB_EXIT_OK;
    sb_fetch_free(x->fetch); /* the state file of one that has ended */
    x->fetch = NULL;
    return open_here(x, c);
}

/* The list of indexes, from GET /api/indexes; text and tree in the arena. */
static sb_err look(struct indexers *x, struct sb_arena *a, struct sb_json **list,
                   struct sb_errctx *ctx) {
    struct sb_fetch_request r = {.target = "/api/indexes", .timeout_ns = CALL_NS};
    struct sb_buf b;
    int status = 200;
    sb_err err = SB_OK;
    sb_buf_init(&b, ANSWER_MAX);
    if (x->fetch) {
        err = sb_fetch_call(x->fetch, &r, &status, &b, ctx);
    } else {
        struct sb_json_writer w = {.b = &b};
        sb_json_obj(&w, NULL);
        sb_indexer_write(x->indexer, &w);
        sb_json_end(&w);
    }
    if (!err && status != 200)
        err =
            sb_fail(ctx, SB_E_UNAVAILABLE, "the platform answered %d to GET /api/indexes", status);
    if (!err) err = sb_json_parse(list, sb_arena_dup(a, sb_buf_view(&b)), a, ctx);
    sb_buf_fini(&b);
    if (!err) *list = sb_json_get(*list, "indexes");
    return err;
}

static sb_err ask(struct indexers *x, struct sb_str name, struct sb_errctx *ctx) {
    if (!x->fetch) return sb_indexer_rebuild(x->indexer, name, ctx);
    char target[128];
    int status = 0;
    snprintf(target, sizeof target, "/api/indexes/%.*s/rebuild", SB_ARG(name));
    struct sb_fetch_request r = {.method = "POST", .target = target, .timeout_ns = CALL_NS};
    SB_TRY(sb_fetch_call(x->fetch, &r, &status, NULL, ctx));
    return status == 202 ? SB_OK
                         : sb_fail(ctx, SB_E_UNAVAILABLE, "the platform answered %d to POST %s",
                                   status, target);
}

/* ---- one index ---- */

static int64_t number(const struct sb_json *o, const char *key) {
    int64_t n = 0;
    return sb_json_get_i64(o, key, &n) ? n : 0;
}

static const struct sb_json *find(const struct sb_json *list, struct sb_str name) {
    for (const struct sb_json *o = list ? list->child : NULL; o; o = o->next)
        if (sb_str_eq(sb_client_text(o, "name"), name)) return o;
    return NULL;
}

static void show_progress(struct sb_str name, const struct sb_json *o) {
    if (!sb_process_is_terminal(STDERR)) return;
    int64_t total = number(o, "rebuild_total"), done = number(o, "rebuilt");
    fprintf(stderr, "\r\033[K%.*s: %lld of %lld", SB_ARG(name), (long long)done, (long long)total);
    fflush(stderr);
}

static void print_rebuilt(struct sb_cli *cli, const struct sb_json *o, int64_t ns) {
    struct sb_str name = sb_client_text(o, "name");
    int64_t docs = number(o, "documents");
    struct sb_buf b;
    if (sb_process_is_terminal(STDERR)) fprintf(stderr, "\r\033[K");
    sb_buf_init(&b, 4096);
    if (sb_cli_option(cli, "json")) {
        struct sb_json_writer w = {.b = &b};
        sb_json_obj(&w, NULL);
        sb_json_str(&w, "index", name);
        sb_json_int(&w, "documents", docs);
        sb_json_int(&w, "ms", ns / SB_MS);
        sb_json_end(&w);
        sb_buf_addc(&b, '\n');
    } else {
        sb_buf_addf(&b, "%.*s: %lld documents in %.1f s\n", SB_ARG(name), (long long)docs,
                    (double)ns / SB_SEC);
    }
    sb_text_print(&b);
    sb_buf_fini(&b);
}

/* Rebuilt once more than before; given up when it is not being rebuilt any longer. */
static sb_err wait_for(struct sb_cli *cli, struct indexers *x, struct sb_str name, int64_t before,
                       struct sb_errctx *ctx) {
    int64_t began = sb_mono_ns();
    struct sb_arena a;
    sb_err err = SB_OK;
    bool rebuilding = true;
    sb_arena_init(&a, ANSWER_MAX);
    while (!err && rebuilding) {
        struct sb_json *list;
        sb_sleep_ns(LOOK_NS);
        sb_arena_reset(&a);
        err = look(x, &a, &list, ctx);
        const struct sb_json *o = err ? NULL : find(list, name);
        if (err || !sb_json_get_bool(o, "rebuilding", &rebuilding)) break;
        if (rebuilding)
            show_progress(name, o);
        else if (number(o, "rebuilds") > before)
            print_rebuilt(cli, o, sb_mono_ns() - began);
        else
            err = sb_fail(ctx, SB_E_UNAVAILABLE, "%.*s was not rebuilt: %.*s", SB_ARG(name),
                          SB_ARG(sb_client_text(o, "error").n ? sb_client_text(o, "error")
                                                              : SB_STR("the platform restarted")));
    }
    sb_arena_fini(&a);
    return err;
}

enum sb_exit sb_reindex_run(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct indexers x = {0};
    struct sb_arena a;
    struct sb_json *list;
    const char *only = sb_cli_option(cli, "index");
    sb_arena_init(&a, ANSWER_MAX);
    enum sb_exit rc = indexers_open(&x, &cli->config);
    sb_err err = rc ? SB_OK : look(&x, &a, &list, &ctx);
    if (!rc && !err && only && !find(list, sb_str_of(only))) {
        sb_cli_error("--index \"%s\": there is no such index (predictions, metrics, audit)", only);
        rc = SB_EXIT_USAGE;
    }
    for (const struct sb_json *o = rc || err ? NULL : list->child; o && !err; o = o->next) {
        struct sb_str name = sb_client_text(o, "name");
        if (only && !sb_str_is(name, only)) continue;
        err = ask(&x, name, &ctx);
        if (!err) err = wait_for(cli, &x, name, number(o, "rebuilds"), &ctx);
    }
    if (err) rc = complain(&ctx, err);
    indexers_close(&x);
    sb_arena_fini(&a);
    return rc;
}
