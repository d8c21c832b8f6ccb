/* app/datadir: taking, refusing and re-taking a data folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "app/cli.h"
#include "app/datadir.h"

const struct sb_command sb_commands[] = {{.name = NULL}};

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sibyl-datadir-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    return sb_dir_remove_all(dir, NULL) == SB_OK ? 0 : -1;
}

static void put(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(sb_file_replace(path, text, strlen(text), NULL), SB_OK);
}

static bool has(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return sb_file_exists(path);
}

static void a_new_folder_gets_its_version_and_parts(void **state) {
    (void)state;
    struct sb_lock lock;
    char below[128];
    snprintf(below, sizeof below, "%s/new/data", dir);
    assert_int_equal(sb_datadir_take(&lock, below, NULL), SB_OK);
    assert_true(has("new/data/VERSION") && has("new/data/journal/predictions") &&
                has("new/data/registry") && has("new/data/artifacts") && has("new/data/models") &&
                has("new/data/run"));
    sb_lock_release(&lock);
    assert_int_equal(sb_datadir_take(&lock, below, NULL), SB_OK);
    sb_lock_release(&lock);
}

static void the_folder_of_release_one_is_taken(void **state) {
    (void)state;
    struct sb_lock lock;
    struct sb_buf golden;
    sb_buf_init(&golden, 1000);
    assert_int_equal(sb_file_read_all("tests/golden/data-folder-1/VERSION", &golden, NULL), SB_OK);
    put("VERSION", sb_buf_cstr(&golden));
    put("something", "from a later release of the same format");
    assert_int_equal(sb_datadir_take(&lock, dir, NULL), SB_OK);
    sb_lock_release(&lock);
    sb_buf_fini(&golden);
}

static void a_second_owner_is_refused_and_told_the_first(void **state) {
    (void)state;
    struct sb_lock lock, second;
    struct sb_errctx ctx = {0};
    char pid[32];
    assert_int_equal(sb_datadir_take(&lock, dir, NULL), SB_OK);
    assert_int_equal(sb_datadir_take(&second, dir, &ctx), SB_E_LOCKED);
    FILE *self = fopen("/proc/self/stat", "r");
    assert_non_null(self);
    assert_int_equal(fscanf(self, "%20s", pid), 1);
    fclose(self);
    assert_non_null(strstr(ctx.msg, pid));
    assert_non_null(strstr(ctx.msg, "--data"));
    sb_lock_release(&lock);
}

static void what_is_not_ours_is_left_alone(void **state) {
    (void)state;
    static const struct {
        const char *file, *text;
        sb_err err;
        const char *message;
    } rows[] = {
        {"notes.txt", "hello", SB_E_DENIED, "not a data folder of sibyl (it holds \"notes.txt\")"},
        {"VERSION", "sibyl-data 2\n", SB_E_VERSION, "has format 2"},
        {"VERSION", "PG 15\n", SB_E_CORRUPT, "does not say"},
        {"VERSION", "", SB_E_CORRUPT, "does not say"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_lock lock;
        struct sb_errctx ctx = {0};
        if (i) assert_int_equal(remove_dir(NULL) + make_dir(NULL), 0);
        put(rows[i].file, rows[i].text);
        assert_int_equal(sb_datadir_take(&lock, dir, &ctx), rows[i].err);
        assert_non_null(strstr(ctx.msg, rows[i].message));
        assert_false(has("journal"));
        if (i == 0) assert_false(has("lock"));
    }
}

static void an_interrupted_first_start_is_continued(void **state) {
    (void)state;
    struct sb_lock lock;
    put("lock", "");
    put("VERSION.tmp", "sib");
    assert_int_equal(sb_datadir_take(&lock, dir, NULL), SB_OK);
    sb_lock_release(&lock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_folder_gets_its_version_and_parts, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(the_folder_of_release_one_is_taken, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_second_owner_is_refused_and_told_the_first, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(what_is_not_ours_is_left_alone, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(an_interrupted_first_start_is_continued, make_dir,
                                        remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
