/* sys/sandbox and sys/child: what a process behind them can still do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/child.h"
#include "sys/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { ALLOWED, REFUSED, KILLED };

/* Each returns whether it worked. */
static bool do_socket(void) {
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}
static bool do_fork(void) {
    return fork() >= 0;
}
static bool do_exec(void) {
    execl("/bin/true", "true", (char *)NULL);
    return false;
}
static bool do_executable_memory(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
}
static bool do_read_below(void) {
    return open("/usr/share/doc", O_RDONLY | O_DIRECTORY) >= 0;
}
static bool do_read_elsewhere(void) {
    return open("/etc/passwd", O_RDONLY) >= 0;
}
static bool do_write_elsewhere(void) {
    return open("/tmp/sandbox-test", O_WRONLY | O_CREAT, 0600) >= 0;
}
static bool do_much_memory(void) {
    return mmap(NULL, (size_t)2 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}
static bool do_dump_core(void) {
    struct rlimit l;
    return getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max != 0;
}
static bool do_memory(void) {
    return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool do_print(void) {
    return isatty(1) >= 0 && puts("") >= 0 && fflush(stdout) == 0;
}

static int in_sandbox(bool (*fn)(void)) {
    const struct sb_sandbox box = {.address_space = (uint64_t)1 << 30,
                                   .cpu_seconds = 5,
                                   .file_bytes = 1 << 20,
                                   .open_files = 16,
                                   .readable = "/usr/share"};
    pid_t pid = fork();
    if (pid == 0) {
        if (sb_sandbox_enter(&box, NULL) != SB_OK) _exit(99);
        _exit(fn() ? ALLOWED : REFUSED);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGSYS ? KILLED : 98;
    return WEXITSTATUS(status);
}

static void only_reading_and_computing_is_left(void **state) {
    (void)state;
    const struct {
        const char *name;
        bool (*fn)(void);
        int want;
    } rows[] = {
        {"a socket", do_socket, KILLED},
        {"a new process", do_fork, KILLED},
        {"another program", do_exec, KILLED},
        {"executable memory", do_executable_memory, KILLED},
        {"reading below the folder", do_read_below, ALLOWED},
        {"reading elsewhere", do_read_elsewhere, REFUSED},
        {"writing elsewhere", do_write_elsewhere, REFUSED},
        {"more memory than allowed", do_much_memory, REFUSED},
        {"memory", do_memory, ALLOWED},
        {"printing", do_print, ALLOWED},
    };
    for (size_t i = 0; i < SB_COUNT(rows) && !SANITIZED; i++) {
        int got = in_sandbox(rows[i].fn);
        if (got != rows[i].want) fail_msg("%s: %d, not %d", rows[i].name, got, rows[i].want);
    }
}

static void limits_hold_without_the_filter(void **state) {
    (void)state;
    const struct sb_sandbox box = {.address_space = (uint64_t)1 << 40,
                                   .cpu_seconds = 5,
                                   .file_bytes = 1 << 20,
                                   .open_files = 8};
    pid_t pid = fork();
    if (pid == 0) {
        if (sb_sandbox_limits(&box, NULL) != SB_OK) _exit(99);
        int fd = 0;
        while (fd >= 0 && fd < 100) fd = dup(0);
        _exit(fd < 0 && errno == EMFILE && !do_dump_core() ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_child_is_run_to_its_end(void **state) {
    (void)state;
    const struct {
        const char *name, *script;
        int64_t timeout;
        sb_err err;
        const char *out;
        int status, signal;
        bool timed_out;
    } rows[] = {
        {"prints and ends", "echo hi; exit 3", 10 * SB_SEC, SB_OK, "hi\n", 3, 0, false},
        {"has no input", "cat; echo end", 10 * SB_SEC, SB_OK, "end\n", 0, 0, false},
        {"is ended by a signal", "kill -9 $$", 10 * SB_SEC, SB_OK, "", -1, 9, false},
        {"takes too long", "echo a; exec sleep 20", 300 * SB_MS, SB_OK, "a\n", -1, 9, true},
        {"prints too much", "exec yes", 10 * SB_SEC, SB_E_LIMIT, NULL, 0, 0, false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        const char *const argv[] = {"/bin/sh", "-c", rows[i].script, NULL};
        struct sb_child_end end = {0};
        struct sb_buf out;
        sb_buf_init(&out, 8192);
        sb_err err = sb_child_run(argv, rows[i].timeout, &out, &end, NULL);
        if (err != rows[i].err) fail_msg("%s: %s", rows[i].name, sb_err_name(err));
        if (!err && (strcmp(sb_buf_cstr(&out), rows[i].out) != 0 || end.status != rows[i].status ||
                     end.signal != rows[i].signal || end.timed_out != rows[i].timed_out))
            fail_msg("%s: \"%s\", status %d, signal %d", rows[i].name, sb_buf_cstr(&out),
                     end.status, end.signal);
        sb_buf_fini(&out);
    }
}

static void a_program_that_is_missing_is_an_error(void **state) {
    (void)state;
    const char *const argv[] = {"/no/such/program", NULL};
    struct sb_child_end end;
    struct sb_buf out;
    sb_buf_init(&out, 100);
    assert_int_equal(sb_child_run(argv, SB_SEC, &out, &end, NULL), SB_E_MISSING);
    sb_buf_fini(&out);
}

struct heard {
    struct sb_buf lines;
    _Atomic bool stop;
};

static void hear(void *arg, struct sb_str line) {
    struct heard *h = arg;
    sb_buf_adds(&h->lines, line);
    sb_buf_addc(&h->lines, '|');
    h->stop = h->stop || sb_str_is(line, "stop me");
}

static void a_child_is_heard_line_by_line_and_ended_with_its_own_children(void **state) {
    (void)state;
    const struct {
        const char *name, *script, *lines;
        sb_err err;
    } rows[] = {
        {"both outputs", "echo a; echo b >&2; printf c", "a|b|c|", SB_OK},
        {"an empty line and carriage returns", "printf 'a\\n\\n1%%\\r2%%\\n'", "a||1%|2%|", SB_OK},
        {"stopped", "echo stop me; sleep 20; echo no", "stop me|", SB_E_CLOSED},
        {"a long line is cut", "head -c 5000 /dev/zero | tr '\\0' x", NULL, SB_OK},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        const char *const argv[] = {"sh", "-c", rows[i].script, NULL};
        struct heard h = {.stop = false};
        struct sb_child_end end = {0};
        sb_buf_init(&h.lines, 8192);
        struct sb_child_opts o = {.argv = argv,
                                  .timeout_ns = 10 * SB_SEC,
                                  .stop = &h.stop,
                                  .group = true,
                                  .errors_too = true,
                                  .on_line = hear,
                                  .arg = &h};
        sb_err err = sb_child_run_with(&o, NULL, &end, NULL);
        if (err != rows[i].err) fail_msg("%s: %s", rows[i].name, sb_err_name(err));
        if (rows[i].lines && strcmp(sb_buf_cstr(&h.lines), rows[i].lines) != 0)
            fail_msg("%s: \"%s\"", rows[i].name, sb_buf_cstr(&h.lines));
        if (!rows[i].lines) assert_int_equal(h.lines.n, 1001);
        sb_buf_fini(&h.lines);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_reading_and_computing_is_left),
        cmocka_unit_test(limits_hold_without_the_filter),
        cmocka_unit_test(a_child_is_run_to_its_end),
        cmocka_unit_test(a_child_is_heard_line_by_line_and_ended_with_its_own_children),
        cmocka_unit_test(a_program_that_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
