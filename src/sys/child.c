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

static int spawn(pid_t *pid, const char *const *argv, int out) {
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
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0) rc = posix_spawn_file_actions_adddup2(&files, out, 1);
    if (rc == 0) rc = posix_spawnp(pid, argv[0], &files, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Reads until the end of the pipe; false when the deadline or the buffer's maximum came first. */
static bool drain(int fd, int64_t deadline, struct sb_buf *out, bool *timed_out) {
    for (;;) {
        int64_t left = deadline - sb_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0) break;
        int n = poll(&p, 1, (int)(left / SB_MS) + 1);
        if (n < 0 && errno != EINTR) return false;
        if (n <= 0) continue;
        char *to = sb_buf_reserve(out, 4096);
        if (!to) return false;
        ssize_t got = read(fd, to, 4096);
        if (got == 0) return true;
        if (got > 0)
            sb_buf_commit(out, (size_t)got);
        else if (errno != EINTR && errno != EAGAIN)
            return false;
    }
    *timed_out = true;
    return false;
}

sb_err sb_child_run(const char *const *argv, int64_t timeout_ns, struct sb_buf *out,
                    struct sb_child_end *end, struct sb_errctx *ctx) {
    int pipes[2];
    pid_t pid;
    if (pipe2(pipes, O_CLOEXEC) != 0) return sb_fail_errno(ctx, errno, "pipe");
    int rc = spawn(&pid, argv, pipes[1]);
    close(pipes[1]);
    if (rc != 0) {
        close(pipes[0]);
        return sb_fail_errno(ctx, rc, "%s", argv[0]);
    }
    struct sb_child_end e = {.status = -1};
    if (!drain(pipes[0], sb_mono_ns() + timeout_ns, out, &e.timed_out)) kill(pid, SIGKILL);
    close(pipes[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return sb_fail_errno(ctx, errno, "waitpid");
    if (WIFEXITED(status)) e.status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) e.signal = WTERMSIG(status);
    *end = e;
    return sb_buf_err(out);
}
