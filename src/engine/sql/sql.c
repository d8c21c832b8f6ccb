/* SQLite behind one wrapper. Prepared statements are kept by text: a fixed number, the one unused
 * longest goes first. A statement that is running is not in the cache's reach: asking for the same
 * text again prepares a second one. */
#include "engine/sql/sql.h"

#include <sqlite3.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum { CACHE_MAX = 160, BUSY_MS = 20000, DEADLINE_OPS = 20000 /* about a millisecond */ };

struct sb_sql_stmt {
    struct sb_sql *db;
    sqlite3_stmt *st;
    uint64_t used; /* db->tick of the last use */
    bool busy, cached;
    sb_err err;
};

struct sb_sql {
    sqlite3 *h;
    struct sb_map cache; /* text -> struct sb_sql_stmt */
    uint64_t tick;
    struct sb_errctx error;
    int64_t deadline_ns;
};

const char *sb_sql_version(void) {
    return sqlite3_libversion();
}

static sb_err code_of(int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return SB_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SB_E_BUSY;
    case SQLITE_FULL: return SB_E_NOSPACE;
    case SQLITE_INTERRUPT: return SB_E_TIMEOUT;
    case SQLITE_NOMEM: return SB_E_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return SB_E_CORRUPT;
    case SQLITE_IOERR: return SB_E_IO;
    case SQLITE_CANTOPEN: return SB_E_MISSING;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return SB_E_DENIED;
    case SQLITE_TOOBIG: return SB_E_LIMIT;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ? SB_E_EXISTS
                                                                                    : SB_E_CONFLICT;
    default: return SB_E_BUG;
    }
}

static sb_err failed(struct sb_sql *db, int rc) {
    return sb_fail(&db->error, code_of(rc), "%s", sqlite3_errmsg(db->h));
}

static void stmt_free(void *p) {
    struct sb_sql_stmt *st = p;
    sqlite3_finalize(st->st);
    sb_free(st);
}

static sb_err prepare(struct sb_sql *db, struct sb_str sql, struct sb_sql_stmt **out) {
    sqlite3_stmt *raw = NULL;
    int rc = sqlite3_prepare_v3(db->h, sql.p, (int)sql.n, SQLITE_PREPARE_PERSISTENT, &raw, NULL);
    if (rc != SQLITE_OK) return failed(db, rc);
    SB_ASSERT(raw != NULL);
    struct sb_sql_stmt *st = sb_calloc(1, sizeof *st);
    st->db = db;
    st->st = raw;
    *out = st;
    return SB_OK;
}

static void cache_evict(struct sb_sql *db) {
    struct sb_sql_stmt *oldest = NULL;
    struct sb_str text = {0};
    struct sb_map_slot *slot;
    for (size_t at = 0; (slot = sb_map_next(&db->cache, &at));) {
        struct sb_sql_stmt *st = slot->value;
        if (st->busy || (oldest && oldest->used <= st->used)) continue;
        oldest = st;
        text = slot->key;
    }
    if (!oldest) return;
    sb_map_del(&db->cache, text);
    stmt_free(oldest);
}

static sb_err acquire(struct sb_sql *db, struct sb_str sql, struct sb_sql_stmt **out) {
    struct sb_sql_stmt *st = sb_map_get(&db->cache, sql);
    if (!st || st->busy) {
        bool keep = !st;
        SB_TRY(prepare(db, sql, &st));
        if (keep) {
            if (db->cache.n >= CACHE_MAX) cache_evict(db);
            sb_map_put(&db->cache, sql, st);
            st->cached = true;
        }
    }
    st->busy = true;
    st->used = ++db->tick;
    st->err = SB_OK;
    *out = st;
    return SB_OK;
}

static int bind(sqlite3_stmt *st, int at, const struct sb_sql_value *v) {
    switch (v->type) {
    case SB_SQL_INT: return sqlite3_bind_int64(st, at, v->i);
    case SB_SQL_DOUBLE: return sqlite3_bind_double(st, at, v->d);
    case SB_SQL_TEXT:
        return sqlite3_bind_text64(st, at, v->s.n ? v->s.p : "", v->s.n, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case SB_SQL_NULL: break;
    }
    return sqlite3_bind_null(st, at);
}

sb_err sb_sql_query_values(struct sb_sql *db, struct sb_sql_stmt **out, struct sb_str sql,
                           const struct sb_sql_value *values, size_t n) {
    struct sb_sql_stmt *st;
    SB_TRY(acquire(db, sql, &st));
    SB_ASSERT((size_t)sqlite3_bind_parameter_count(st->st) == n);
    for (size_t i = 0; i < n; i++) {
        int rc = bind(st->st, (int)i + 1, &values[i]);
        if (rc == SQLITE_OK) continue;
        st->err = failed(db, rc);
        return sb_sql_end(st);
    }
    *out = st;
    return SB_OK;
}

bool sb_sql_next(struct sb_sql_stmt *st) {
    if (st->err) return false;
    int rc = sqlite3_step(st->st);
    if (rc == SQLITE_ROW) return true;
    if (rc != SQLITE_DONE) st->err = failed(st->db, rc);
    return false;
}

sb_err sb_sql_end(struct sb_sql_stmt *st) {
    sb_err err = st->err;
    sqlite3_reset(st->st);
    sqlite3_clear_bindings(st->st);
    st->busy = false;
    if (!st->cached) stmt_free(st);
    return err;
}

struct sb_str sb_sql_col_text(struct sb_sql_stmt *st, int i) {
    const char *p = (const char *)sqlite3_column_text(st->st, i);
    return (struct sb_str){p, p ? (size_t)sqlite3_column_bytes(st->st, i) : 0};
}

int64_t sb_sql_col_int(struct sb_sql_stmt *st, int i) {
    return sqlite3_column_int64(st->st, i);
}

double sb_sql_col_double(struct sb_sql_stmt *st, int i) {
    return sqlite3_column_double(st->st, i);
}

bool sb_sql_col_is_null(struct sb_sql_stmt *st, int i) {
    return sqlite3_column_type(st->st, i) == SQLITE_NULL;
}

sb_err sb_sql_run_values(struct sb_sql *db, struct sb_str sql, const struct sb_sql_value *values,
                         size_t n) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query_values(db, &st, sql, values, n));
    while (sb_sql_next(st)) {
    }
    return sb_sql_end(st);
}

sb_err sb_sql_script(struct sb_sql *db, const char *sql) {
    int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SB_OK : failed(db, rc);
}

static int deadline_passed(void *user) {
    const struct sb_sql *db = user;
    return sb_mono_ns() > db->deadline_ns;
}

void sb_sql_deadline_set(struct sb_sql *db, int64_t deadline_ns) {
    db->deadline_ns = deadline_ns;
    sqlite3_progress_handler(db->h, DEADLINE_OPS, deadline_ns ? deadline_passed : NULL, db);
}

int64_t sb_sql_changes(struct sb_sql *db) {
    return sqlite3_changes64(db->h);
}

int64_t sb_sql_last_id(struct sb_sql *db) {
    return sqlite3_last_insert_rowid(db->h);
}

sb_err sb_sql_begin(struct sb_sql *db, bool write) {
    if (write) return sb_sql_run(db, "BEGIN IMMEDIATE");
    return sb_sql_run(db, "BEGIN");
}

sb_err sb_sql_commit(struct sb_sql *db) {
    sb_err err = sb_sql_run(db, "COMMIT");
    if (err) sb_sql_rollback(db);
    return err;
}

void sb_sql_rollback(struct sb_sql *db) {
    if (sqlite3_get_autocommit(db->h)) return;
    /* A rollback that fails leaves the transaction to the next call's BEGIN, which says so. */
    sb_err err = sb_sql_run(db, "ROLLBACK");
    SB_UNUSED(err);
}

const struct sb_errctx *sb_sql_error(const struct sb_sql *db) {
    return &db->error;
}

void sb_sql_error_reset(struct sb_sql *db) {
    sb_errctx_reset(&db->error);
}

static sb_err set_up(struct sb_sql *db) {
    sqlite3_extended_result_codes(db->h, 1);
    sqlite3_busy_timeout(db->h, BUSY_MS);
    /* The schema comes from a file that others may have written: no functions with side effects
     * from it. */
    sqlite3_db_config(db->h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return sb_sql_script(db, "PRAGMA synchronous = FULL;"
                             "PRAGMA foreign_keys = ON;"
                             "PRAGMA case_sensitive_like = ON;"
                             "SELECT count(*) FROM sqlite_master");
}

sb_err sb_sql_wal(struct sb_sql *db) {
    return sb_sql_script(db, "PRAGMA journal_mode = WAL");
}

sb_err sb_sql_check(struct sb_sql *db, struct sb_errctx *ctx) {
    struct sb_sql_stmt *st;
    sb_sql_error_reset(db);
    sb_err err = sb_sql_query(db, &st, "PRAGMA quick_check(1)");
    if (!err) {
        bool any = sb_sql_next(st);
        struct sb_str said = any ? sb_sql_col_text(st, 0) : SB_STR("no answer");
        if (any ? !sb_str_is(said, "ok") : !st->err)
            st->err = sb_fail(&db->error, SB_E_CORRUPT, "%.*s", SB_ARG(said));
        err = sb_sql_end(st);
    }
    return err ? sb_fail(ctx, err, "%s", sb_errctx_text(&db->error, err)) : SB_OK;
}

/* The copy keeps the source's header, which may say WAL: with a rollback journal it is one file. */
static sb_err finish_copy(const char *path, struct sb_errctx *ctx) {
    struct sb_sql *db;
    SB_TRY(sb_sql_open(&db, path, SB_SQL_WRITE, ctx));
    sb_err err = sb_sql_script(db, "PRAGMA journal_mode = DELETE");
    if (err) sb_fail(ctx, err, "%s: %s", path, sb_errctx_text(&db->error, err));
    if (!err) err = sb_sql_check(db, ctx);
    sb_sql_close(db);
    return err;
}

sb_err sb_sql_copy(struct sb_sql *db, const char *path, struct sb_errctx *ctx) {
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", db->h, "main") : NULL;
    if (b) {
        int step = sqlite3_backup_step(b, -1); /* in one go: one snapshot */
        rc = sqlite3_backup_finish(b);
        if (rc == SQLITE_OK && step != SQLITE_DONE) rc = step; /* finish passes over a busy one */
    } else {
        rc = sqlite3_errcode(to);
    }
    sb_err err = code_of(rc);
    if (err) sb_fail(ctx, err, "%s: copy of the database: %s", path, sqlite3_errmsg(to));
    sqlite3_close_v2(to);
    return err ? err : finish_copy(path, ctx);
}

sb_err sb_sql_open(struct sb_sql **out, const char *path, enum sb_sql_mode mode,
                   struct sb_errctx *ctx) {
    static const int flags[] = {
        [SB_SQL_READ] = SQLITE_OPEN_READONLY,
        [SB_SQL_WRITE] = SQLITE_OPEN_READWRITE,
        [SB_SQL_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
    };
    struct sb_sql *db = sb_calloc(1, sizeof *db);
    sb_map_init(&db->cache);
    sb_errctx_reset(&db->error);
    int rc = sqlite3_open_v2(path, &db->h, flags[mode] | SQLITE_OPEN_NOMUTEX, NULL);
    sb_err err = rc == SQLITE_OK ? set_up(db) : failed(db, rc);
    if (err) {
        sb_fail(ctx, err, "%s: %s", path, sb_errctx_text(&db->error, err));
        sb_sql_close(db);
        return err;
    }
    *out = db;
    return SB_OK;
}

void sb_sql_close(struct sb_sql *db) {
    if (!db) return;
    sb_map_fini(&db->cache, stmt_free);
    sqlite3_close_v2(db->h);
    sb_free(db);
}
