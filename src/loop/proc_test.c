/* loop/: child processes and their pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "base/buf.h"
#include "base/mem.h"
#include "loop/proc.h"

struct child {
    struct sb_loop *loop;
    struct sb_proc *proc;
    struct sb_pipe *pipes[3];
    struct sb_buf out[3];
    int open; /* pipes at whose end we are not yet, and the process */
    int64_t status;
    int signal;
};

static void one_less(struct child *c) {
    if (--c->open == 0) sb_loop_stop(c->loop);
}

static void on_read(struct sb_pipe *p, void *arg, struct sb_str bytes) {
    struct child *c = arg;
    for (int i = 0; i < 3; i++) {
        if (c->pipes[i] != p) continue;
        if (bytes.p) {
            sb_buf_adds(&c->out[i], bytes);
        } else {
            sb_pipe_close(p);
            c->pipes[i] = NULL;
            one_less(c);
        }
    }
}

static void on_exit_fn(struct sb_proc *p, void *arg, int64_t status, int sig) {
    struct child *c = arg;
    assert_ptr_equal(p, c->proc);
    c->status = status;
    c->signal = sig;
    one_less(c);
}

static sb_err start(struct child *c, const char *const *argv, const char *const *env, bool group,
                    struct sb_errctx *ctx) {
    *c = (struct child){.open = 4};
    assert_int_equal(sb_loop_new(&c->loop, "test"), SB_OK);
    struct sb_proc_opts o = {
        .argv = argv, .env = env, .group = group, .on_exit = on_exit_fn, .arg = c};
    for (int i = 0; i < 3; i++) {
        sb_buf_init(&c->out[i], 1 << 20);
        assert_int_equal(sb_pipe_new(&c->pipes[i], c->loop, on_read, c), SB_OK);
        o.fds[i] = c->pipes[i];
    }
    return sb_proc_spawn(&c->proc, c->loop, &o, ctx);
}

static void finish(struct child *c) {
    for (int i = 0; i < 3; i++) {
        sb_pipe_close(c->pipes[i]);
        sb_buf_fini(&c->out[i]);
    }
    sb_loop_run(c->loop);
    sb_loop_free(c->loop);
}

static void a_child_speaks_through_its_pipes(void **state) {
    (void)state;
    struct child c;
    const char *const argv[] = {"sh", "-c", "read x; echo \"got $x $SB_T\"; echo oops >&2; exit 3",
                                NULL};
    const char *const env[] = {"SB_T=t1", NULL};
    assert_int_equal(start(&c, argv, env, false, NULL), SB_OK);
    assert_true(sb_proc_pid(c.proc) > 0);
    sb_pipe_write(c.pipes[0], sb_strdup("hello\n"), 6);
    sb_loop_run(c.loop);
    assert_string_equal(sb_buf_cstr(&c.out[1]), "got hello t1\n");
    assert_string_equal(sb_buf_cstr(&c.out[2]), "oops\n");
    assert_int_equal(c.status, 3);
    assert_int_equal(c.signal, 0);
    finish(&c);
}

static void killing_a_group_reaches_grandchildren(void **state) {
    (void)state;
    struct child c;
    /* The grandchild holds the pipes: their end comes only when it is gone too. */
    const char *const argv[] = {"sh", "-c", "sleep 60 & echo up; wait", NULL};
    assert_int_equal(start(&c, argv, NULL, true, NULL), SB_OK);
    sb_proc_kill(c.proc, SIGKILL);
    sb_loop_run(c.loop);
    assert_int_equal(c.signal, SIGKILL);
    finish(&c);
}

static void a_pipe_may_be_closed_after_its_loop_ended(void **state) {
    (void)state;
    struct sb_loop *l;
    struct sb_pipe *p;
    assert_int_equal(sb_loop_new(&l, "test"), SB_OK);
    assert_int_equal(sb_pipe_new(&p, l, on_read, NULL), SB_OK);
    sb_loop_stop(l);
    sb_loop_run(l);
    sb_pipe_close(p);
    sb_loop_free(l);
}

static void a_missing_program_is_named(void **state) {
    (void)state;
    struct child c;
    struct sb_errctx ctx = {0};
    const char *const argv[] = {"/no/such/program", NULL};
    assert_int_equal(start(&c, argv, NULL, false, &ctx), SB_E_MISSING);
    assert_non_null(strstr(ctx.msg, "/no/such/program"));
    sb_loop_stop(c.loop);
    finish(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_speaks_through_its_pipes),
        cmocka_unit_test(killing_a_group_reaches_grandchildren),
        cmocka_unit_test(a_missing_program_is_named),
        cmocka_unit_test(a_pipe_may_be_closed_after_its_loop_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
