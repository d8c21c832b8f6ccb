/* Making, verifying, restoring: whole or not at all, whatever is damaged and whenever it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "domain/backup/backup.h"
#include "engine/journal/journal.h"
#include "engine/sql/sql.h"
#include "sys/fault.h"
#include "sys/lock.h"

static const struct sb_backup_part parts[] = {
    {"VERSION", SB_BACKUP_COPY, NULL},
    {"registry", SB_BACKUP_DATABASES, NULL},
    {"artifacts", SB_BACKUP_IMMUTABLE, ".upload"},
    {"journal", SB_BACKUP_TOPICS, NULL},
    {"run", SB_BACKUP_LEAVE, NULL},
    {"lock", SB_BACKUP_LEAVE, NULL},
    {NULL, SB_BACKUP_LEAVE, NULL},
};

static char root[64], data[80], made[100], again[100];

static char *in(const char *dir, const char *name) {
    static char path[4][300];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text) {
    char dir[300];
    snprintf(dir, sizeof dir, "%s/%s", data, name);
    *strrchr(dir, '/') = 0;
    assert_int_equal(sb_dir_make_all(dir, NULL), SB_OK);
    assert_int_equal(sb_file_replace(in(data, name), text, strlen(text), NULL), SB_OK);
}

static void ignore(struct sb_journal_group *g) {
    (void)g;
}

static void write_events(int n) {
    struct sb_journal *j;
    struct sb_journal_opts o = {.segment_bytes = 1 << 20};
    struct sb_journal_group g;
    assert_int_equal(sb_dir_make_all(in(data, "journal/predictions"), NULL), SB_OK);
    assert_int_equal(sb_journal_open(&j, in(data, "journal/predictions"), &o, NULL), SB_OK);
    sb_journal_group_init(&g);
    g.done = ignore;
    for (int i = 0; i < n; i++)
        assert_int_equal(
            sb_journal_group_add(&g, 1795520402755, sb_str_make(NULL, 0), SB_STR("{\"a\":1}")),
            SB_OK);
    sb_journal_submit(j, &g);
    assert_true(sb_journal_wait(j, &g, 10 * SB_SEC));
    sb_journal_group_fini(&g);
    sb_journal_close(j);
}

static void write_database(void) {
    struct sb_sql *db;
    assert_int_equal(sb_dir_make_all(in(data, "registry"), NULL), SB_OK);
    assert_int_equal(sb_sql_open(&db, in(data, "registry/mlflow.db"), SB_SQL_CREATE, NULL), SB_OK);
    assert_int_equal(sb_sql_wal(db), SB_OK);
    assert_int_equal(sb_sql_script(db, "CREATE TABLE t (k)"), SB_OK);
    sb_sql_close(db);
}

static int set_up(void **state) {
    (void)state;
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    snprintf(root, sizeof root, "/tmp/backup_test.XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(data, sizeof data, "%s/data", root);
    snprintf(made, sizeof made, "%s/made", root);
    snprintf(again, sizeof again, "%s/again", root);
    put("VERSION", "sibyl-data 1\n");
    put("lock", "1 sibyl\n");
    put("artifacts/0/run/model/MLmodel", "flavors: {}\n");
    put("artifacts/0/run/model/empty", "");
    put("artifacts/.upload/0", "half");
    put("run/serving.json", "{}");
    put("later/part", "of a later program\n");
    write_database();
    write_events(3);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    sb_sys_fault_hook(NULL);
    return sb_dir_remove_all(root, NULL) == SB_OK ? 0 : -1;
}

static sb_err make(struct sb_backup_result *r, struct sb_errctx *ctx) {
    struct sb_backup_opts o = {
        .data = data,
        .path = made,
        .parts = parts,
        .head = {.created_ms = 1795520402755, .sibyl = "1", .node = "n", .data_version = 1}};
    return sb_backup_make(&o, r, ctx);
}

static void assert_made(void) {
    struct sb_backup_result r;
    struct sb_errctx ctx = {0};
    sb_err err = make(&r, &ctx);
    if (err) fail_msg("%s", ctx.msg);
}

static sb_err restore(struct sb_errctx *ctx) {
    struct sb_backup_result r;
    return sb_backup_restore(made, again, 1, NULL, &r, ctx);
}

static void a_backup_holds_what_belongs_and_restores(void **state) {
    (void)state;
    struct sb_backup_result r = {0};
    struct sb_errctx ctx = {0};
    assert_int_equal(make(&r, &ctx), SB_OK);
    assert_true(r.files == 9 && r.linked == 2 && r.first_offset == 0 && r.next_offset == 3);
    static const char *const there[] = {"VERSION", "registry/mlflow.db",
                                        "artifacts/0/run/model/MLmodel",
                                        "artifacts/0/run/model/empty", "later/part"};
    static const char *const left[] = {"run", "artifacts/.upload", "registry/mlflow.db-wal"};
    assert_int_equal(restore(&ctx), SB_OK);
    for (size_t i = 0; i < SB_COUNT(there); i++) assert_true(sb_file_exists(in(again, there[i])));
    for (size_t i = 0; i < SB_COUNT(left); i++) assert_false(sb_file_exists(in(again, left[i])));
    assert_false(sb_file_exists(in(made, "lock")));
    struct sb_journal *j;
    struct sb_journal_opts o = {0};
    struct sb_journal_stats st;
    assert_int_equal(sb_journal_open(&j, in(again, "journal/predictions"), &o, NULL), SB_OK);
    sb_journal_stats_get(j, &st);
    assert_true(st.first_offset == 0 && st.next_offset == 3);
    sb_journal_close(j);
    struct sb_sql *db;
    assert_int_equal(sb_sql_open(&db, in(again, "registry/mlflow.db"), SB_SQL_READ, NULL), SB_OK);
    assert_int_equal(sb_sql_check(db, NULL), SB_OK);
    sb_sql_close(db);
}

static void a_later_write_to_the_data_folder_does_not_reach_the_backup(void **state) {
    (void)state;
    struct sb_backup_result r;
    assert_made();
    put("artifacts/0/run/model/MLmodel", "another one\n"); /* replaced, as uploads are */
    write_events(5);
    assert_int_equal(sb_backup_verify(made, 1, NULL, &r, NULL), SB_OK);
    assert_true(r.next_offset == 3);
}

/* ---- damage ---- */

static const char *const files[] = {"MANIFEST",
                                    "data/VERSION",
                                    "data/registry/mlflow.db",
                                    "data/artifacts/0/run/model/MLmodel",
                                    "data/journal/predictions/00000000000000000000.log",
                                    "data/journal/predictions/mark",
                                    "data/journal/predictions/checkpoint",
                                    "data/journal/predictions/format"};

static void assert_refused(const char *what, const char *file) {
    struct sb_errctx ctx = {0};
    sb_err err = restore(&ctx);
    if (err != SB_E_CORRUPT && err != SB_E_VERSION && err != SB_E_MISSING)
        fail_msg("%s of %s: %d", what, file, err);
    if (sb_file_exists(again)) fail_msg("%s of %s: something was restored", what, file);
    assert_false(sb_file_exists(in(root, "again.restoring")));
}

static void damage(const char *file, int64_t at, int64_t cut, const char *what) {
    struct sb_file f;
    char byte;
    size_t got;
    int64_t size;
    assert_int_equal(sb_file_open(&f, in(made, file), SB_OPEN_WRITE, NULL), SB_OK);
    assert_int_equal(sb_file_size(&f, &size, NULL), SB_OK);
    if (cut) assert_int_equal(sb_file_truncate(&f, size + cut, NULL), SB_OK);
    if (at >= 0) {
        assert_int_equal(sb_file_pread(&f, &byte, 1, at % size, &got, NULL), SB_OK);
        byte ^= 0x10;
        assert_int_equal(sb_file_pwrite(&f, &byte, 1, at % size, NULL), SB_OK);
    }
    sb_file_close(&f);
    assert_refused(what, file);
}

static void damage_of_any_kind_in_any_file_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(files); i++) {
        static const int64_t places[] = {0, 11, 2999};
        for (size_t k = 0; k < SB_COUNT(places); k++) {
            assert_made();
            damage(files[i], places[k], 0, "a flipped bit");
            assert_int_equal(sb_dir_remove_all(made, NULL), SB_OK);
        }
        assert_made();
        damage(files[i], -1, -1, "a cut");
        assert_int_equal(sb_dir_remove_all(made, NULL), SB_OK);
        assert_made();
        damage(files[i], -1, 1, "a longer file");
        assert_int_equal(sb_dir_remove_all(made, NULL), SB_OK);
        assert_made();
        assert_int_equal(sb_file_unlink(in(made, files[i]), NULL), SB_OK);
        assert_refused("a missing file", files[i]);
        assert_int_equal(symlink("/etc/hostname", in(made, files[i])), 0);
        assert_refused("a link in its place", files[i]);
        assert_int_equal(sb_dir_remove_all(made, NULL), SB_OK);
        /* the artifacts' bytes are shared with the data folder: as they were, for the next round */
        put("artifacts/0/run/model/MLmodel", "flavors: {}\n");
    }
}

static void a_newer_data_format_is_refused(void **state) {
    (void)state;
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    assert_made();
    assert_int_equal(sb_backup_restore(made, again, 0, NULL, &r, &ctx), SB_E_VERSION);
    assert_false(sb_file_exists(again));
}

/* ---- what is in the way ---- */

static void a_taken_name_is_left_alone(void **state) {
    (void)state;
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    assert_made();
    assert_int_equal(sb_dir_make(again, NULL), SB_OK);
    assert_int_equal(sb_file_replace(in(again, "mine"), "x", 1, NULL), SB_OK);
    assert_int_equal(restore(&ctx), SB_E_EXISTS);
    assert_true(sb_file_exists(in(again, "mine")));
    assert_int_equal(make(&r, NULL), SB_E_EXISTS); /* the backup that is there */
    assert_int_equal(sb_backup_verify(made, 1, NULL, &r, NULL), SB_OK);
    assert_int_equal(sb_file_unlink(in(again, "mine"), NULL), SB_OK);
    assert_int_equal(restore(&ctx), SB_OK); /* an empty folder is no obstacle */
}

static void a_folder_in_use_is_refused_as_such(void **state) {
    (void)state;
    struct sb_errctx ctx = {0};
    struct sb_lock lock;
    assert_made();
    assert_int_equal(sb_dir_make(again, NULL), SB_OK);
    assert_int_equal(sb_lock_take(&lock, in(again, "lock"), NULL), SB_OK);
    assert_int_equal(restore(&ctx), SB_E_LOCKED);
    sb_lock_release(&lock);
}

static void two_at_once_for_one_name_do_not_mix(void **state) {
    (void)state;
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    struct sb_lock lock;
    char *stage = in(root, "made.partial");
    assert_int_equal(sb_dir_make(stage, NULL), SB_OK);
    assert_int_equal(sb_lock_take(&lock, in(stage, "lock"), NULL), SB_OK);
    assert_int_equal(make(&r, &ctx), SB_E_LOCKED);
    sb_lock_release(&lock);
    assert_int_equal(make(&r, &ctx), SB_OK); /* a leftover is cleared */
    assert_false(sb_file_exists(in(root, "made.partial")));
}

static void a_backup_in_the_data_folder_is_refused(void **state) {
    (void)state;
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    snprintf(made, sizeof made, "%s/backup", data);
    assert_int_equal(make(&r, &ctx), SB_E_INVALID);
    snprintf(made, sizeof made, "%s/.", root);
    assert_int_equal(make(&r, &ctx), SB_E_INVALID);
}

static void what_is_no_data_folder_or_no_backup_is_said_so(void **state) {
    (void)state;
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    assert_int_equal(restore(&ctx), SB_E_MISSING);
    assert_int_equal(sb_dir_make(made, NULL), SB_OK);
    sb_errctx_reset(&ctx);
    assert_int_equal(restore(&ctx), SB_E_MISSING);
    assert_non_null(strstr(ctx.msg, "MANIFEST"));
    assert_int_equal(sb_file_unlink(in(data, "VERSION"), NULL), SB_OK);
    assert_int_equal(make(&r, NULL), SB_E_MISSING);
}

/* ---- every storage call fails once, and once it fails for ever ---- */

struct fault {
    int64_t at, seen;
    bool for_ever;
};

static int fail_one(void *self, struct sb_sys_op *op) {
    struct fault *f = self;
    int64_t n = f->seen++;
    bool read_only = op->kind == SB_SYS_STAT || op->kind == SB_SYS_LOCK;
    if (read_only) return 0;
    return n == f->at || (f->for_ever && n > f->at) ? EIO : 0;
}

/* Whatever call fails, the name holds a whole backup or nothing. Returns how many calls there are.
 */
static void fail_each_call(bool for_ever, sb_err (*run)(void), const char *result,
                           void (*check)(void)) {
    for (int64_t at = 0;; at++) {
        struct fault f = {.at = at, .for_ever = for_ever};
        struct sb_sys_hook hook = {fail_one, &f};
        sb_sys_fault_hook(&hook);
        sb_err err = run();
        sb_sys_fault_hook(NULL);
        if (sb_file_exists(result))
            check();
        else if (!err)
            fail_msg("call %lld: said done, and nothing is there", (long long)at);
        assert_int_equal(sb_dir_remove_all(result, NULL), SB_OK);
        if (f.seen <= at) {
            assert_true(at > 20);
            break;
        }
    }
}

static sb_err run_make(void) {
    struct sb_backup_result r;
    return make(&r, NULL);
}
static void check_backup(void) {
    struct sb_backup_result r;
    assert_int_equal(sb_backup_verify(made, 1, NULL, &r, NULL), SB_OK);
    assert_int_equal(r.files, 9);
}
static sb_err run_restore(void) {
    return restore(NULL);
}
static void check_restored(void) {
    assert_true(sb_file_exists(in(again, "VERSION")));
    assert_true(sb_file_exists(in(again, "later/part")));
    assert_true(sb_file_exists(in(again, "journal/predictions/mark")));
}

static void a_failing_disk_leaves_no_half_backup(void **state) {
    (void)state;
    fail_each_call(false, run_make, made, check_backup);
    fail_each_call(true, run_make, made, check_backup);
}

static void a_failing_disk_leaves_no_half_data_folder(void **state) {
    (void)state;
    assert_made();
    fail_each_call(false, run_restore, again, check_restored);
    fail_each_call(true, run_restore, again, check_restored);
}

static void the_golden_backup_of_version_1_still_restores(void **state) {
    (void)state;
    struct sb_backup_result r;
    struct sb_errctx ctx = {0};
    sb_err err = sb_backup_restore("tests/golden/backup-1", again, 1, NULL, &r, &ctx);
    if (err) fail_msg("%s", ctx.msg);
    assert_true(r.files == 10 && r.next_offset == 3 && r.has_config);
    check_restored();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_backup_holds_what_belongs_and_restores),
        CASE(a_later_write_to_the_data_folder_does_not_reach_the_backup),
        CASE(damage_of_any_kind_in_any_file_is_refused),
        CASE(a_newer_data_format_is_refused),
        CASE(a_taken_name_is_left_alone),
        CASE(a_folder_in_use_is_refused_as_such),
        CASE(two_at_once_for_one_name_do_not_mix),
        CASE(a_backup_in_the_data_folder_is_refused),
        CASE(what_is_no_data_folder_or_no_backup_is_said_so),
        CASE(a_failing_disk_leaves_no_half_backup),
        CASE(a_failing_disk_leaves_no_half_data_folder),
        CASE(the_golden_backup_of_version_1_still_restores),
    };
    return cmocka_run_group_tests_name("domain/backup", tests, NULL, NULL);
}
