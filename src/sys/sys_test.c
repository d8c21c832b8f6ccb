/* sys/: files, folders, the lock, and that every storage call passes the fault hook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/fault.h"
#include "sys/file.h"
#include "sys/lock.h"
#include "sys/mmap.h"

static char root[64];

static const char *at(const char *name) {
    static char path[4][128];
    static int turn;
    char *p = path[turn++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", root, name);
    return p;
}

static int make_root(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/sys_test.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state) {
    (void)state;
    sb_sys_fault_hook(NULL);
    return sb_dir_remove_all(root, NULL) == SB_OK ? 0 : -1;
}

/* Fails calls of one kind with an errno, or cuts them to one byte; counts what it saw. */
struct plan {
    enum sb_sys_kind kind;
    int err, times;
    size_t cut;
    int seen[SB_SYS_KIND_COUNT];
};

static int planned(void *self, struct sb_sys_op *op) {
    struct plan *p = self;
    p->seen[op->kind]++;
    if (op->kind != p->kind) return 0;
    if (p->cut && op->len > p->cut) op->len = p->cut;
    return p->times-- > 0 ? p->err : 0;
}

static void assert_content(const char *path, const char *want) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    assert_int_equal(sb_file_read_all(path, &b, NULL), SB_OK);
    assert_string_equal(sb_buf_cstr(&b), want);
    sb_buf_fini(&b);
}

static void replace_keeps_the_old_file_when_any_call_fails(void **state) {
    (void)state;
    static const enum sb_sys_kind before_rename[] = {SB_SYS_OPEN, SB_SYS_PWRITE, SB_SYS_FSYNC,
                                                     SB_SYS_RENAME};
    const char *path = at("replace");
    assert_int_equal(sb_file_replace(path, "old", 3, NULL), SB_OK);
    for (size_t i = 0; i < SB_COUNT(before_rename); i++) {
        struct plan p = {.kind = before_rename[i], .err = EIO, .times = 1};
        struct sb_sys_hook hook = {planned, &p};
        struct sb_errctx ctx = {0};
        sb_sys_fault_hook(&hook);
        sb_err err = sb_file_replace(path, "new", 3, &ctx);
        sb_sys_fault_hook(NULL);
        assert_int_equal(err, SB_E_IO);
        assert_non_null(strstr(ctx.msg, "replace"));
        assert_content(path, "old");
        assert_false(sb_file_exists(at("replace.tmp")));
    }
    assert_int_equal(sb_file_replace(path, "new", 3, NULL), SB_OK);
    assert_content(path, "new");
}

static void interrupted_and_short_calls_are_finished(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct plan plan;
    } rows[] = {
        {"short writes", {.kind = SB_SYS_PWRITE, .cut = 1}},
        {"interrupted writes", {.kind = SB_SYS_PWRITE, .err = EINTR, .times = 3}},
        {"interrupted open", {.kind = SB_SYS_OPEN, .err = EINTR, .times = 2}},
        {"interrupted fsync", {.kind = SB_SYS_FSYNC, .err = EINTR, .times = 2}},
        {"interrupted folder sync", {.kind = SB_SYS_SYNCDIR, .err = EINTR, .times = 2}},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct plan p = rows[i].plan;
        struct sb_sys_hook hook = {planned, &p};
        sb_sys_fault_hook(&hook);
        assert_int_equal(sb_file_replace(at("whole"), "0123456789", 10, NULL), SB_OK);
        sb_sys_fault_hook(NULL);
        assert_content(at("whole"), "0123456789");
    }
    struct plan p = {.kind = SB_SYS_PREAD, .cut = 3};
    struct sb_sys_hook hook = {planned, &p};
    sb_sys_fault_hook(&hook);
    assert_content(at("whole"), "0123456789");
    sb_sys_fault_hook(NULL);
    assert_true(p.seen[SB_SYS_PREAD] > 3);
}

static void a_full_disk_has_its_own_code(void **state) {
    (void)state;
    struct plan p = {.kind = SB_SYS_PWRITE, .err = ENOSPC, .times = 1};
    struct sb_sys_hook hook = {planned, &p};
    sb_sys_fault_hook(&hook);
    assert_int_equal(sb_file_replace(at("full"), "x", 1, NULL), SB_E_NOSPACE);
    sb_sys_fault_hook(NULL);
}

static void read_all_stops_at_the_limit(void **state) {
    (void)state;
    assert_int_equal(sb_file_replace(at("ten"), "0123456789", 10, NULL), SB_OK);
    for (size_t max = 8; max <= 12; max++) {
        struct sb_buf b;
        sb_buf_init(&b, max);
        assert_int_equal(sb_file_read_all(at("ten"), &b, NULL), max < 10 ? SB_E_LIMIT : SB_OK);
        if (max >= 10) assert_int_equal(b.n, 10);
        sb_buf_fini(&b);
    }
}

static void beneath_refuses_every_way_out(void **state) {
    (void)state;
    assert_int_equal(sb_dir_make_all(at("jail/in/deep"), NULL), SB_OK);
    assert_int_equal(sb_file_replace(at("jail/in/f"), "ok", 2, NULL), SB_OK);
    assert_int_equal(sb_file_replace(at("secret"), "no", 2, NULL), SB_OK);
    assert_int_equal(symlink("../secret", at("jail/out")), 0);
    assert_int_equal(symlink("in", at("jail/inside")), 0);
    struct sb_file dir, f;
    assert_int_equal(sb_file_open(&dir, at("jail"), SB_OPEN_DIR, NULL), SB_OK);
    static const struct {
        const char *rel;
        sb_err err;
    } rows[] = {
        {"in/f", SB_OK},
        {"in/../in/f", SB_OK}, /* stays below */
        {"../secret", SB_E_DENIED},
        {"in/../../secret", SB_E_DENIED},
        {"/etc/passwd", SB_E_DENIED},
        {"out", SB_E_DENIED},
        {"inside/f", SB_E_DENIED}, /* a symlink, even one that stays below */
        {"in/none", SB_E_MISSING},
        {"in/f/x", SB_E_MISSING},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        sb_err err = sb_file_open_beneath(&f, &dir, rows[i].rel, SB_OPEN_READ, NULL);
        if (err != rows[i].err) print_error("%s\n", rows[i].rel);
        assert_int_equal(err, rows[i].err);
        if (!err) sb_file_close(&f);
    }
    assert_int_equal(
        sb_file_open_beneath(&f, &dir, "../made", SB_OPEN_WRITE | SB_OPEN_CREATE, NULL),
        SB_E_DENIED);
    assert_false(sb_file_exists(at("made")));
    sb_file_close(&dir);
}

static void make_all_syncs_each_new_parent(void **state) {
    (void)state;
    struct plan p = {.kind = SB_SYS_KIND_COUNT};
    struct sb_sys_hook hook = {planned, &p};
    sb_sys_fault_hook(&hook);
    assert_int_equal(sb_dir_make_all(at("a/b/c/"), NULL), SB_OK);
    sb_sys_fault_hook(NULL);
    assert_int_equal(p.seen[SB_SYS_MKDIR], 3);
    assert_int_equal(p.seen[SB_SYS_SYNCDIR], 3);
    assert_int_equal(sb_dir_make_all(at("a/b"), NULL), SB_OK);
    assert_int_equal(sb_dir_make(at("a/b"), NULL), SB_E_EXISTS);
}

static void list_is_sorted_and_remove_all_spares_link_targets(void **state) {
    (void)state;
    assert_int_equal(sb_dir_make_all(at("tree/sub"), NULL), SB_OK);
    assert_int_equal(sb_file_replace(at("tree/b"), "", 0, NULL), SB_OK);
    assert_int_equal(sb_file_replace(at("tree/a"), "", 0, NULL), SB_OK);
    assert_int_equal(sb_file_replace(at("kept"), "k", 1, NULL), SB_OK);
    assert_int_equal(symlink("../../kept", at("tree/sub/link")), 0);
    struct sb_dir_names l;
    assert_int_equal(sb_dir_list(at("tree"), &l, NULL), SB_OK);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.name[0], "a");
    assert_string_equal(l.name[2], "sub");
    sb_dir_names_fini(&l);
    assert_int_equal(sb_dir_remove_all(at("tree"), NULL), SB_OK);
    assert_int_equal(sb_dir_remove_all(at("tree"), NULL), SB_OK);
    assert_content(at("kept"), "k");
}

static void the_lock_names_its_holder_and_ends_with_it(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sb_lock l;
        sb_err err = sb_lock_take(&l, at("lock"), NULL);
        if (write(ready[1], &err, sizeof err) < 0) _exit(1);
        pause();
        _exit(0);
    }
    sb_err err;
    assert_int_equal(read(ready[0], &err, sizeof err), sizeof err);
    assert_int_equal(err, SB_OK);
    struct sb_lock l;
    struct sb_errctx ctx = {0};
    assert_int_equal(sb_lock_take(&l, at("lock"), &ctx), SB_E_LOCKED);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d (", (int)child);
    assert_non_null(strstr(ctx.msg, pid));
    assert_non_null(strstr(ctx.msg, "sys_test"));
    struct sb_file f;
    assert_int_equal(sb_file_open(&f, at("lock"), SB_OPEN_READ, NULL), SB_OK);
    assert_true(sb_lock_held(&f));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_false(sb_lock_held(&f));
    assert_int_equal(sb_lock_take(&l, at("lock"), NULL), SB_OK);
    assert_true(sb_lock_held(&f));
    sb_lock_release(&l);
    assert_false(sb_lock_held(&f));
    sb_file_close(&f);
    close(ready[0]);
    close(ready[1]);
}

static void a_shared_map_changes_the_file(void **state) {
    (void)state;
    assert_int_equal(sb_file_replace(at("map"), "abcd", 4, NULL), SB_OK);
    struct sb_file f;
    struct sb_mmap m;
    assert_int_equal(sb_file_open(&f, at("map"), SB_OPEN_WRITE, NULL), SB_OK);
    assert_int_equal(sb_mmap_open(&m, &f, 5, true, NULL), SB_E_CORRUPT);
    assert_int_equal(sb_mmap_open(&m, &f, 0, true, NULL), SB_OK);
    ((char *)m.p)[1] = 'X';
    sb_mmap_close(&m);
    sb_file_close(&f);
    assert_content(at("map"), "aXcd");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace_keeps_the_old_file_when_any_call_fails),
        cmocka_unit_test(interrupted_and_short_calls_are_finished),
        cmocka_unit_test(a_full_disk_has_its_own_code),
        cmocka_unit_test(read_all_stops_at_the_limit),
        cmocka_unit_test(beneath_refuses_every_way_out),
        cmocka_unit_test(make_all_syncs_each_new_parent),
        cmocka_unit_test(list_is_sorted_and_remove_all_spares_link_targets),
        cmocka_unit_test(the_lock_names_its_holder_and_ends_with_it),
        cmocka_unit_test(a_shared_map_changes_the_file),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
