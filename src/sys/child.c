#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

enum { LOOK_MS = 50, PIECE = 4096, LINE_MAX_BYTES = 1000 };

static int spawn(pid_t *pid, const struct sb_child_opts *o, int out) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0) return ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    posix_spawnattr_setflags(&attr, (short)(o->group ? flags | POSIX_SPAWN_SETSID : flags));
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0) rc = posix_spawn_file_actions_adddup2(&files, out, 1);
    if (rc == 0 && o->errors_too) rc = posix_spawn_file_actions_adddup2(&files, out, 2);
    if (rc == 0) rc = posix_spawnp(pid, o->argv[0], &files, &attr, (char *const *)o->argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* ---- what it prints ---- */

struct output {
    const struct sb_child_opts *o;
    struct sb_buf *out; /* NULL with on_line */
    size_t n;
    char line[LINE_MAX_BYTES];
};

static void end_line(struct output *w) {
    w->o->on_line(w->o->arg, sb_str_make(w->line, w->n));
    w->n = 0;
}

static bool take(struct output *w, const char *p, size_t n) {
    if (!w->o->on_line) {
        sb_buf_add(w->out, p, n);
        return sb_buf_err(w->out) == SB_OK;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' || p[i] == '\r')
            end_line(w);
        else if (w->n < sizeof w->line)
            w->line[w->n++] = p[i];
    }
    return true;
}

enum drained { DRAINED, DRAINED_FULL, DRAINED_LATE, DRAINED_STOPPED, DRAINED_FAILED };

/* Reads until the end of the pipe, or something that ends the child. */
static enum drained drain(int fd, struct output *w) {
    int64_t deadline = sb_mono_ns() + w->o->timeout_ns;
    for (char piece[PIECE];;) {
        int64_t left = deadline - sb_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0) return DRAINED_LATE;
        if (w->o->stop && *w->o->stop) return DRAINED_STOPPED;
        int64_t ms = left / SB_MS + 1;
        int n = poll(&p, 1, (int)(w->o->stop && ms > LOOK_MS ? LOOK_MS : ms));
        if (n < 0 && errno != EINTR) return DRAINED_FAILED;
        if (n <= 0) continue;
        ssize_t got = read(fd, piece, sizeof piece);
        if (got == 0) return DRAINED;
        if (got > 0 && !take(w, piece, (size_t)got)) return DRAINED_FULL;
        if (got < 0 && errno != EINTR && errno != EAGAIN) return DRAINED_FAILED;
    }
}

sb_err sb_child_run_with(const struct sb_child_opts *o, struct sb_buf *out,
                         struct sb_child_end *end, struct sb_errctx *ctx) {
    int pipes[2];
    pid_t pid;
    if (pipe2(pipes, O_CLOEXEC) != 0) return sb_fail_errno(ctx, errno, "pipe");
    int rc = spawn(&pid, o, pipes[1]);
    close(pipes[1]);
    if (rc != 0) {
        close(pipes[0]);
        return sb_fail_errno(ctx, rc, "%s", o->argv[0]);
    }
    struct output w = {.o = o, .out = out};
    enum drained how = drain(pipes[0], &w);
    if (o->on_line && w.n) end_line(&w);
    if (how != DRAINED) kill(o->group ? -pid : pid, SIGKILL);
    close(pipes[0]);
    struct sb_child_end e = {.status = -1, .timed_out = how == DRAINED_LATE};
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return sb_fail_errno(ctx, errno, "waitpid");
    if (WIFEXITED(status)) e.status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) e.signal = WTERMSIG(status);
    *end = e;
    if (how == DRAINED_STOPPED) return sb_fail(ctx, SB_E_CLOSED, "%s was stopped", o->argv[0]);
    return out ? sb_buf_err(out) : SB_OK;
}

sb_err sb_child_run(const char *const *argv, int64_t timeout_ns, struct sb_buf *out,
                    struct sb_child_end *end, struct sb_errctx *ctx) {
    return sb_child_run_with(&(struct sb_child_opts){.argv = argv, .timeout_ns = timeout_ns}, out,
                             end, ctx);
}
