/* One connection to an SQLite database: prepared statements kept by their text, values bound by
 * type, transactions. Values never become part of a statement's text.
 *
 * A connection is used by one thread at a time and every call may block (file locks, fsync), so it
 * lives on a pool thread, never on a loop. Keep a small set: one writer, a few readers.
 *
 * Errors: functions return sb_err; the text of the first failure since sb_sql_error_reset stays in
 * the connection (sb_sql_error). SB_E_EXISTS is a uniqueness conflict, SB_E_CONFLICT any other
 * broken constraint, SB_E_BUSY a lock that did not come within busy_timeout. */
#ifndef SB_ENGINE_SQL_SQL_H
#define SB_ENGINE_SQL_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct sb_sql;
struct sb_sql_stmt;

/* Of the library that is linked: "3.40.1". */
const char *sb_sql_version(void);

enum sb_sql_mode {
    SB_SQL_READ,   /* the file exists; writing fails */
    SB_SQL_WRITE,  /* the file exists */
    SB_SQL_CREATE, /* made when absent */
};

/* Sets: synchronous=FULL, foreign_keys=ON, busy_timeout 20 s, LIKE case-sensitive. Changes nothing
 * in an existing file. A file that is no SQLite database: SB_E_CORRUPT. */
SB_MUST_CHECK sb_err sb_sql_open(struct sb_sql **out, const char *path, enum sb_sql_mode mode,
                                 struct sb_errctx *ctx);
/* Turns the file to WAL for good: readers then never wait for a writer. Outside a transaction. */
SB_MUST_CHECK sb_err sb_sql_wal(struct sb_sql *db);
/* One snapshot of the database as the new file `path`, complete in that one file, checked, not yet
 * synced. Writers of the source go on meanwhile. SB_E_CORRUPT: the source is damaged. */
SB_MUST_CHECK sb_err sb_sql_copy(struct sb_sql *db, const char *path, struct sb_errctx *ctx);
/* Looks at every page; SB_E_CORRUPT says what is wrong. A deadline ends it with SB_E_TIMEOUT. */
SB_MUST_CHECK sb_err sb_sql_check(struct sb_sql *db, struct sb_errctx *ctx);
/* All statements have ended. NULL is fine. */
void sb_sql_close(struct sb_sql *db);

/* ---- values ---- */

struct sb_sql_value {
    enum { SB_SQL_NULL, SB_SQL_INT, SB_SQL_DOUBLE, SB_SQL_TEXT } type;
    union {
        int64_t i;
        double d;
        struct sb_str s; /* borrowed until the statement ends */
    };
};
static inline struct sb_sql_value sb_sql_int(int64_t i) {
    return (struct sb_sql_value){.type = SB_SQL_INT, .i = i};
}
static inline struct sb_sql_value sb_sql_double(double d) {
    return (struct sb_sql_value){.type = SB_SQL_DOUBLE, .d = d};
}
static inline struct sb_sql_value sb_sql_null(void) {
    return (struct sb_sql_value){.type = SB_SQL_NULL, .i = 0};
}
/* s.p == NULL binds NULL. */
static inline struct sb_sql_value sb_sql_text(struct sb_str s) {
    if (!s.p) return sb_sql_null();
    return (struct sb_sql_value){.type = SB_SQL_TEXT, .s = s};
}

/* ---- statements ----
 *     SB_TRY(sb_sql_query(db, &st, "SELECT a FROM t WHERE b = ?", sb_sql_int(3)));
 *     while (sb_sql_next(st)) use(sb_sql_col_int(st, 0));
 *     SB_TRY(sb_sql_end(st)); */

SB_MUST_CHECK sb_err sb_sql_query_values(struct sb_sql *db, struct sb_sql_stmt **out,
                                         struct sb_str sql, const struct sb_sql_value *values,
                                         size_t n);
#define SB_SQL_VALUES(...)                                                                         \
    (struct sb_sql_value[]){__VA_ARGS__},                                                          \
        sizeof((struct sb_sql_value[]){__VA_ARGS__}) / sizeof(struct sb_sql_value)
#define sb_sql_query(db, out, sql, ...)                                                            \
    sb_sql_query_values((db), (out), SB_STR(sql), SB_SQL_VALUES(__VA_ARGS__))

/* true = there is a row. A failure ends the rows and comes out of sb_sql_end. */
bool sb_sql_next(struct sb_sql_stmt *st);
/* Gives the statement back; must be called once for each query that returned SB_OK. */
SB_MUST_CHECK sb_err sb_sql_end(struct sb_sql_stmt *st);

/* Columns of the current row; a text view is valid until the next sb_sql_next or sb_sql_end. NULL:
 * {NULL, 0}, 0 and 0.0. */
struct sb_str sb_sql_col_text(struct sb_sql_stmt *st, int i);
int64_t sb_sql_col_int(struct sb_sql_stmt *st, int i);
double sb_sql_col_double(struct sb_sql_stmt *st, int i);
bool sb_sql_col_is_null(struct sb_sql_stmt *st, int i);

/* A whole statement whose rows, if any, do not matter. */
SB_MUST_CHECK sb_err sb_sql_run_values(struct sb_sql *db, struct sb_str sql,
                                       const struct sb_sql_value *values, size_t n);
#define sb_sql_run(db, sql, ...) sb_sql_run_values((db), SB_STR(sql), SB_SQL_VALUES(__VA_ARGS__))

/* A script of many statements without values (schema). NUL-terminated. */
SB_MUST_CHECK sb_err sb_sql_script(struct sb_sql *db, const char *sql);

/* Rows changed by the last statement; rowid of the last insert. */
int64_t sb_sql_changes(struct sb_sql *db);
int64_t sb_sql_last_id(struct sb_sql *db);

/* Statements end with SB_E_TIMEOUT once sb_mono_ns() passes deadline; 0 = never. Stays until set
 * again. */
void sb_sql_deadline_set(struct sb_sql *db, int64_t deadline_ns);

/* ---- transactions ---- */

/* A writer takes the write lock at once (BEGIN IMMEDIATE), so that it cannot fail half-way; a
 * reader sees one snapshot. */
SB_MUST_CHECK sb_err sb_sql_begin(struct sb_sql *db, bool write);
/* On disk when it returns SB_OK. After a failure nothing of the transaction is kept. */
SB_MUST_CHECK sb_err sb_sql_commit(struct sb_sql *db);
/* Does nothing outside a transaction. */
void sb_sql_rollback(struct sb_sql *db);

/* ---- errors ---- */

const struct sb_errctx *sb_sql_error(const struct sb_sql *db);
void sb_sql_error_reset(struct sb_sql *db);

#endif
