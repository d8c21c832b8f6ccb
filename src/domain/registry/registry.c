/* The store: connections, transactions, failures. One connection writes; a few read, each seeing a
 * snapshot (WAL), so that reads never wait for a write's fsync. */
#include "domain/registry/registry.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/thread.h"
#include "domain/registry/schema.h"
#include "domain/registry/store_int.h"

#define READ_MAX_NS (30 * SB_SEC) /* one search must not hold a connection for ever */

enum {
    READERS_MAX = 16,
    MESSAGE_MAX = 20000, /* characters: messages quote values of up to 8,000 */
};

struct sb_registry {
    char *root;
    const struct sb_clock *clock;
    void (*on_change)(void *user, enum sb_registry_change what, struct sb_str model);
    void *user;
    struct sb_sql *writer, *readers[READERS_MAX];
    int readers_n;

    struct sb_mutex lock; /* guards what follows */
    struct sb_cond freed;
    bool writer_busy, reader_busy[READERS_MAX];
};

static const struct {
    const char *name;
    int status;
    sb_err err;
} errors[] = {
    [SB_MLFLOW_INTERNAL_ERROR] = {"INTERNAL_ERROR", 500, SB_E_BUG},
    [SB_MLFLOW_TEMPORARILY_UNAVAILABLE] = {"TEMPORARILY_UNAVAILABLE", 503, SB_E_UNAVAILABLE},
    [SB_MLFLOW_BAD_REQUEST] = {"BAD_REQUEST", 400, SB_E_INVALID},
    [SB_MLFLOW_INVALID_PARAMETER_VALUE] = {"INVALID_PARAMETER_VALUE", 400, SB_E_INVALID},
    [SB_MLFLOW_INVALID_STATE] = {"INVALID_STATE", 500, SB_E_STATE},
    [SB_MLFLOW_RESOURCE_ALREADY_EXISTS] = {"RESOURCE_ALREADY_EXISTS", 400, SB_E_EXISTS},
    [SB_MLFLOW_RESOURCE_DOES_NOT_EXIST] = {"RESOURCE_DOES_NOT_EXIST", 404, SB_E_MISSING},
    [SB_MLFLOW_RESOURCE_CONFLICT] = {"RESOURCE_CONFLICT", 409, SB_E_CONFLICT},
    [SB_MLFLOW_PERMISSION_DENIED] = {"PERMISSION_DENIED", 403, SB_E_DENIED},
    [SB_MLFLOW_ENDPOINT_NOT_FOUND] = {"ENDPOINT_NOT_FOUND", 404, SB_E_MISSING},
    [SB_MLFLOW_NOT_IMPLEMENTED] = {"NOT_IMPLEMENTED", 501, SB_E_UNSUPPORTED},
};
_Static_assert(SB_COUNT(errors) == SB_MLFLOW_ERROR_COUNT, "a row per MLflow error");

const char *sb_mlflow_error_name(enum sb_mlflow_error e) {
    return errors[e].name;
}

int sb_mlflow_error_status(enum sb_mlflow_error e) {
    return errors[e].status;
}

sb_err sb_call_fail(struct sb_registry_call *c, enum sb_mlflow_error code, const char *fmt, ...) {
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    va_list ap;
    va_start(ap, fmt);
    sb_buf_vaddf(&b, fmt, ap);
    va_end(ap);
    c->error.code = code;
    struct sb_str cut = sb_text_cut(sb_buf_view(&b), MESSAGE_MAX);
    c->error.message = sb_str_of(sb_arena_printf(c->arena, "%.*s", SB_ARG(cut)));
    sb_buf_fini(&b);
    return errors[code].err;
}

/* ---- open and close ---- */

static sb_err open_all(struct sb_registry *r, const struct sb_registry_options *opt,
                       struct sb_errctx *ctx) {
    SB_TRY(sb_sql_open(&r->writer, opt->path, SB_SQL_CREATE, ctx));
    SB_TRY(sb_schema_prepare(r->writer, opt->path, r->root,
                             r->clock->wall_ns(r->clock->self) / SB_MS, ctx));
    /* Only now, when the file is known to be ours to change. */
    sb_err err = sb_sql_wal(r->writer);
    if (err)
        return sb_fail(ctx, err, "%s: %s", opt->path, sb_errctx_text(sb_sql_error(r->writer), err));
    int n = opt->readers ? opt->readers : 2;
    SB_ASSERT(n > 0 && n <= READERS_MAX);
    for (; r->readers_n < n; r->readers_n++)
        SB_TRY(sb_sql_open(&r->readers[r->readers_n], opt->path, SB_SQL_READ, ctx));
    return SB_OK;
}

sb_err sb_registry_open(struct sb_registry **out, const struct sb_registry_options *opt,
                        struct sb_errctx *ctx) {
    struct sb_registry *r = sb_calloc(1, sizeof *r);
    r->root =
        sb_strdup(opt->default_artifact_root ? opt->default_artifact_root : "mlflow-artifacts:/");
    r->clock = opt->clock ? opt->clock : &sb_clock_real;
    r->on_change = opt->on_change;
    r->user = opt->user;
    sb_mutex_init(&r->lock);
    sb_cond_init(&r->freed);
    sb_err err = open_all(r, opt, ctx);
    if (err) {
        sb_registry_close(r);
        return err;
    }
    *out = r;
    return SB_OK;
}

void sb_registry_close(struct sb_registry *r) {
    if (!r) return;
    for (int i = 0; i < r->readers_n; i++) sb_sql_close(r->readers[i]);
    sb_sql_close(r->writer);
    sb_mutex_fini(&r->lock);
    sb_cond_fini(&r->freed);
    sb_free(r->root);
    sb_free(r);
}

/* ---- leases ---- */

static int free_reader(const struct sb_registry *r) {
    for (int i = 0; i < r->readers_n; i++)
        if (!r->reader_busy[i]) return i;
    return -1;
}

static void lease(struct sb_tx *tx, bool write) {
    struct sb_registry *r = tx->reg;
    sb_mutex_lock(&r->lock);
    if (write) {
        while (r->writer_busy) sb_cond_wait(&r->freed, &r->lock);
        r->writer_busy = true;
        tx->reader = -1;
    } else {
        while ((tx->reader = free_reader(r)) < 0) sb_cond_wait(&r->freed, &r->lock);
        r->reader_busy[tx->reader] = true;
    }
    sb_mutex_unlock(&r->lock);
    tx->db = write ? r->writer : r->readers[tx->reader];
}

static void give_back(struct sb_tx *tx) {
    struct sb_registry *r = tx->reg;
    sb_mutex_lock(&r->lock);
    if (tx->reader < 0)
        r->writer_busy = false;
    else
        r->reader_busy[tx->reader] = false;
    sb_mutex_unlock(&r->lock);
    sb_cond_broadcast(&r->freed);
}

/* ---- transactions ---- */

/* A failure of the database itself, in MLflow's words: what may pass is 503, so that clients try
 * again; the rest is 500. */
static sb_err fill_error(struct sb_tx *tx, sb_err err) {
    const char *text = sb_errctx_text(sb_sql_error(tx->db), err);
    if (err == SB_E_LIMIT)
        return sb_call_invalid(tx->c, "The answer is too large: ask for fewer results.");
    if (sb_err_class(err) == SB_CLASS_TRANSIENT)
        return sb_call_fail(tx->c, SB_MLFLOW_TEMPORARILY_UNAVAILABLE, "Database: %s", text);
    sb_call_fail(tx->c, SB_MLFLOW_INTERNAL_ERROR, "Database: %s", text);
    return err;
}

sb_err sb_tx_begin(struct sb_tx *tx, struct sb_registry_call *c, bool write) {
    *tx = (struct sb_tx){.reg = c->reg, .c = c, .arena = c->arena};
    c->error.message = (struct sb_str){0};
    tx->now = tx->reg->clock->wall_ns(tx->reg->clock->self) / SB_MS;
    lease(tx, write);
    sb_sql_error_reset(tx->db);
    if (!write) sb_sql_deadline_set(tx->db, sb_mono_ns() + READ_MAX_NS);
    sb_err err = sb_sql_begin(tx->db, write);
    if (!err) return SB_OK;
    err = fill_error(tx, err);
    give_back(tx);
    return err;
}

sb_err sb_tx_end(struct sb_tx *tx, sb_err err) {
    if (!err) err = tx->err;
    if (!err) err = sb_sql_commit(tx->db);
    if (err) {
        sb_sql_rollback(tx->db);
        if (!tx->c->error.message.p) err = fill_error(tx, err);
    }
    give_back(tx);
    if (!err && tx->reg->on_change)
        for (size_t i = 0; i < tx->changes_n; i++)
            tx->reg->on_change(tx->reg->user, tx->changes[i].what, tx->changes[i].model);
    return err;
}

void sb_tx_changed(struct sb_tx *tx, enum sb_registry_change what, struct sb_str model) {
    SB_ASSERT(tx->changes_n < TX_CHANGES_MAX);
    tx->changes[tx->changes_n].what = what;
    tx->changes[tx->changes_n++].model = model;
}

void sb_tx_tag_changed(struct sb_tx *tx, struct sb_str model, struct sb_str key) {
    if (sb_str_starts(key, SB_STR("sibyl."))) sb_tx_changed(tx, SB_REGISTRY_TAG_CHANGED, model);
}

const char *sb_tx_artifact_root(const struct sb_tx *tx) {
    return tx->reg->root;
}
