/* engine/sql: statements, values, transactions, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/sql/sql.h"

struct fixture {
    char dir[64], path[96];
    struct sb_sql *db;
};

static int set_up_db(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/sibyl-sql-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/t.db", f->dir);
    assert_int_equal(sb_sql_open(&f->db, f->path, SB_SQL_CREATE, NULL), SB_OK);
    assert_int_equal(sb_sql_wal(f->db), SB_OK);
    assert_int_equal(sb_sql_script(f->db, "CREATE TABLE t (k TEXT PRIMARY KEY, v, n NOT NULL);"
                                          "CREATE TABLE c (k TEXT REFERENCES t (k))"),
                     SB_OK);
    *state = f;
    return 0;
}

static int tear_down_db(void **state) {
    struct fixture *f = *state;
    sb_sql_close(f->db);
    char name[128];
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", f->path, ends[i]);
        unlink(name);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static void values_come_back_as_bound(void **state) {
    struct fixture *f = *state;
    struct sb_sql_stmt *st;
    assert_int_equal(sb_sql_run(f->db, "INSERT INTO t VALUES (?, ?, ?)",
                                sb_sql_text(SB_STR("a\0b")), sb_sql_double(-1.5),
                                sb_sql_int(INT64_MIN)),
                     SB_OK);
    assert_int_equal(sb_sql_changes(f->db), 1);
    assert_int_equal(
        sb_sql_query(f->db, &st, "SELECT k, v, n, NULL, '' FROM t WHERE v < ?", sb_sql_int(0)),
        SB_OK);
    assert_true(sb_sql_next(st));
    assert_int_equal(sb_sql_col_text(st, 0).n, 3);
    assert_true(sb_sql_col_double(st, 1) == -1.5);
    assert_true(sb_sql_col_int(st, 2) == INT64_MIN);
    assert_null(sb_sql_col_text(st, 3).p);
    assert_true(sb_sql_col_is_null(st, 3));
    assert_non_null(sb_sql_col_text(st, 4).p);
    assert_false(sb_sql_next(st));
    assert_int_equal(sb_sql_end(st), SB_OK);
}

static void the_same_text_may_run_twice_at_once(void **state) {
    struct fixture *f = *state;
    struct sb_sql_stmt *a, *b;
    assert_int_equal(sb_sql_query(f->db, &a, "SELECT ? UNION ALL SELECT 2", sb_sql_int(1)), SB_OK);
    assert_int_equal(sb_sql_query(f->db, &b, "SELECT ? UNION ALL SELECT 2", sb_sql_int(7)), SB_OK);
    assert_true(sb_sql_next(a) && sb_sql_next(b));
    assert_int_equal(sb_sql_col_int(a, 0), 1);
    assert_int_equal(sb_sql_col_int(b, 0), 7);
    assert_int_equal(sb_sql_end(b), SB_OK);
    assert_true(sb_sql_next(a));
    assert_int_equal(sb_sql_end(a), SB_OK);
}

static void more_texts_than_the_cache_holds(void **state) {
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 400; i++) {
            char text[40];
            int n = snprintf(text, sizeof text, "SELECT %d + ?", i);
            struct sb_sql_value one = sb_sql_int(1);
            struct sb_sql_stmt *st;
            assert_int_equal(sb_sql_query_values(f->db, &st, sb_str_make(text, (size_t)n), &one, 1),
                             SB_OK);
            assert_true(sb_sql_next(st));
            assert_int_equal(sb_sql_col_int(st, 0), i + 1);
            assert_int_equal(sb_sql_end(st), SB_OK);
        }
}

static void constraints_have_their_own_codes(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *name, *sql;
        sb_err err;
    } rows[] = {
        {"first row", "INSERT INTO t VALUES ('x', 1, 1)", SB_OK},
        {"same key", "INSERT INTO t VALUES ('x', 1, 1)", SB_E_EXISTS},
        {"not null", "INSERT INTO t VALUES ('y', 1, NULL)", SB_E_CONFLICT},
        {"foreign key", "INSERT INTO c VALUES ('nobody')", SB_E_CONFLICT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_sql_error_reset(f->db);
        sb_err err = sb_sql_run_values(f->db, sb_str_of(rows[i].sql), NULL, 0);
        if (err != rows[i].err) fail_msg("%s: %s", rows[i].name, sb_err_name(err));
        assert_int_equal(sb_sql_error(f->db)->code, rows[i].err);
    }
}

static int64_t count(struct sb_sql *db) {
    struct sb_sql_stmt *st;
    assert_int_equal(sb_sql_query(db, &st, "SELECT count(*) FROM t"), SB_OK);
    assert_true(sb_sql_next(st));
    int64_t n = sb_sql_col_int(st, 0);
    assert_int_equal(sb_sql_end(st), SB_OK);
    return n;
}

static void readers_see_committed_rows_only(void **state) {
    struct fixture *f = *state;
    struct sb_sql *reader;
    assert_int_equal(sb_sql_open(&reader, f->path, SB_SQL_READ, NULL), SB_OK);
    assert_int_equal(sb_sql_begin(f->db, true), SB_OK);
    assert_int_equal(sb_sql_run(f->db, "INSERT INTO t VALUES ('r', 1, 1)"), SB_OK);
    assert_int_equal(count(reader), 0);
    sb_sql_rollback(f->db);
    assert_int_equal(count(f->db), 0);
    assert_int_equal(sb_sql_begin(f->db, true), SB_OK);
    assert_int_equal(sb_sql_run(f->db, "INSERT INTO t VALUES ('r', 1, 1)"), SB_OK);
    assert_int_equal(sb_sql_commit(f->db), SB_OK);
    sb_sql_rollback(f->db);
    assert_int_equal(count(reader), 1);
    assert_int_equal(sb_sql_run(reader, "DELETE FROM t"), SB_E_DENIED);
    sb_sql_close(reader);
}

static void like_is_case_sensitive(void **state) {
    struct fixture *f = *state;
    struct sb_sql_stmt *st;
    assert_int_equal(sb_sql_query(f->db, &st, "SELECT 'ABC' LIKE 'a%', 'abc' LIKE 'a%'"), SB_OK);
    assert_true(sb_sql_next(st));
    assert_int_equal(sb_sql_col_int(st, 0), 0);
    assert_int_equal(sb_sql_col_int(st, 1), 1);
    assert_int_equal(sb_sql_end(st), SB_OK);
}

static void a_deadline_ends_a_statement(void **state) {
    struct fixture *f = *state;
    static const char endless[] = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                                  " SELECT count(*) FROM n";
    sb_sql_deadline_set(f->db, sb_mono_ns() + 20 * SB_MS);
    assert_int_equal(sb_sql_run_values(f->db, sb_str_of(endless), NULL, 0), SB_E_TIMEOUT);
    sb_sql_deadline_set(f->db, 0);
    assert_int_equal(count(f->db), 0);
}

static void a_file_that_is_no_database_is_refused(void **state) {
    struct fixture *f = *state;
    char name[128];
    snprintf(name, sizeof name, "%s/not.db", f->dir);
    FILE *file = fopen(name, "w");
    for (int i = 0; i < 300; i++) fputs("this is not a database\n", file);
    fclose(file);
    struct sb_sql *db = NULL;
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    assert_int_equal(sb_sql_open(&db, name, SB_SQL_WRITE, &ctx), SB_E_CORRUPT);
    assert_non_null(strstr(ctx.msg, "not.db"));
    unlink(name);
    sb_errctx_reset(&ctx);
    assert_int_equal(sb_sql_open(&db, name, SB_SQL_READ, &ctx), SB_E_MISSING);
}

static void a_copy_is_one_snapshot_in_one_file(void **state) {
    struct fixture *f = *state;
    char name[128], wal[140];
    struct sb_sql *copy;
    snprintf(name, sizeof name, "%s/copy.db", f->dir);
    snprintf(wal, sizeof wal, "%s-wal", name);
    assert_int_equal(sb_sql_run(f->db, "INSERT INTO t VALUES (?, 1, 1)", sb_sql_text(SB_STR("x"))),
                     SB_OK);
    assert_int_equal(sb_sql_begin(f->db, true), SB_OK); /* a writer in the middle of its work */
    assert_int_equal(sb_sql_run(f->db, "INSERT INTO t VALUES (?, 1, 1)", sb_sql_text(SB_STR("y"))),
                     SB_OK);
    struct sb_sql *reader;
    assert_int_equal(sb_sql_open(&reader, f->path, SB_SQL_READ, NULL), SB_OK);
    assert_int_equal(sb_sql_copy(reader, name, NULL), SB_OK);
    sb_sql_close(reader);
    assert_int_equal(sb_sql_commit(f->db), SB_OK);
    assert_int_equal(access(wal, F_OK), -1);
    assert_int_equal(sb_sql_open(&copy, name, SB_SQL_READ, NULL), SB_OK);
    assert_int_equal(count(copy), 1);
    sb_sql_close(copy);
    assert_int_equal(access(wal, F_OK), -1);
    unlink(name);
}

static void a_damaged_database_is_not_copied_as_if_whole(void **state) {
    struct fixture *f = *state;
    char name[128], bad[128];
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    snprintf(bad, sizeof bad, "%s/bad.db", f->dir);
    snprintf(name, sizeof name, "%s/copy.db", f->dir);
    for (int i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(
            sb_sql_run(f->db, "INSERT INTO t VALUES (?, 1, 1)", sb_sql_text(sb_str_of(key))),
            SB_OK);
    }
    assert_int_equal(sb_sql_copy(f->db, bad, NULL), SB_OK);
    FILE *file = fopen(bad, "r+");
    for (long page = 4096; page < 16384; page += 4096) {
        fseek(file, page, SEEK_SET);
        for (int i = 0; i < 64; i++) fputc(0xa5, file);
    }
    fclose(file);
    struct sb_sql *db;
    assert_int_equal(sb_sql_open(&db, bad, SB_SQL_READ, NULL), SB_OK);
    assert_int_equal(sb_sql_copy(db, name, &ctx), SB_E_CORRUPT);
    sb_sql_close(db);
    unlink(name);
    unlink(bad);
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up_db, tear_down_db)
    const struct CMUnitTest tests[] = {
        T(values_come_back_as_bound),          T(the_same_text_may_run_twice_at_once),
        T(more_texts_than_the_cache_holds),    T(constraints_have_their_own_codes),
        T(readers_see_committed_rows_only),    T(like_is_case_sensitive),
        T(a_deadline_ends_a_statement),        T(a_file_that_is_no_database_is_refused),
        T(a_copy_is_one_snapshot_in_one_file), T(a_damaged_database_is_not_copied_as_if_whole),
    };
    return cmocka_run_group_tests_name("engine/sql", tests, NULL, NULL);
}
