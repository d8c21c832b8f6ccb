#include "loop/proc.h"

#include <stddef.h>
#include <uv.h>

#include "base/mem.h"
#include "loop/pipe_int.h"

extern char **environ;

struct sb_proc {
    uv_process_t uv;
    void (*on_exit)(struct sb_proc *p, void *arg, int64_t status, int signal);
    void *arg;
    bool group;
};

static void on_closed(uv_handle_t *h) {
    sb_free(SB_CONTAINER((uv_process_t *)h, struct sb_proc, uv));
}

static void on_exit_cb(uv_process_t *h, int64_t status, int signal) {
    struct sb_proc *p = SB_CONTAINER(h, struct sb_proc, uv);
    if (p->group) uv_kill(-h->pid, SIGKILL); /* what it leaves behind */
    p->on_exit(p, p->arg, status, signal);
    uv_close((uv_handle_t *)h, on_closed);
}

static bool same_name(const char *a, const char *b) {
    const char *end = strchr(a, '=');
    size_t n = end ? (size_t)(end - a) + 1 : strlen(a) + 1;
    return strncmp(a, b, n) == 0;
}

/* Ours, with what `add` says instead or besides. The strings stay where they are. */
static const char **merge_env(const char *const *add) {
    size_t ours = 0, more = 0, n = 0;
    while (environ[ours]) ours++;
    while (add && add[more]) more++;
    const char **env = sb_calloc(ours + more + 1, sizeof *env);
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        for (size_t k = 0; k < more && !replaced; k++) replaced = same_name(add[k], environ[i]);
        if (!replaced) env[n++] = environ[i];
    }
    for (size_t k = 0; k < more; k++) env[n++] = add[k];
    return env;
}

sb_err sb_proc_spawn(struct sb_proc **out, struct sb_loop *l, const struct sb_proc_opts *o,
                     struct sb_errctx *ctx) {
    struct sb_proc *p = sb_calloc(1, sizeof *p);
    p->on_exit = o->on_exit;
    p->arg = o->arg;
    p->group = o->group;
    uv_stdio_container_t fds[SB_PROC_FDS];
    int nfds = 3;
    for (int i = 0; i < SB_PROC_FDS; i++) {
        fds[i].flags = UV_IGNORE;
        if (!o->fds[i] && o->share_output && (i == 1 || i == 2)) {
            fds[i].flags = UV_INHERIT_FD;
            fds[i].data.fd = i;
        }
        if (!o->fds[i]) continue;
        fds[i].flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE;
        fds[i].data.stream = (uv_stream_t *)&o->fds[i]->uv;
        nfds = i + 1 > nfds ? i + 1 : nfds;
    }
    const char **env = merge_env(o->env);
    uv_process_options_t uo = {
        .exit_cb = on_exit_cb,
        .flags = o->group ? UV_PROCESS_DETACHED : 0,
        .file = o->file ? o->file : o->argv[0],
        .args = (char **)(uintptr_t)o->argv,
        .env = (char **)(uintptr_t)env,
        .cwd = o->cwd,
        .stdio_count = nfds,
        .stdio = fds,
    };
    int rc = uv_spawn(sb_loop_uv(l), &p->uv, &uo);
    sb_free(env);
    if (rc != 0) {
        uv_close((uv_handle_t *)&p->uv, on_closed);
        return sb_fail_errno(ctx, -rc, "cannot start %s", o->argv[0]);
    }
    for (int i = 0; i < SB_PROC_FDS; i++) {
        /* A pipe that cannot be read says so when the child has gone. */
        if (o->fds[i] && sb_pipe_start(o->fds[i]) != SB_OK) uv_process_kill(&p->uv, SIGKILL);
    }
    *out = p;
    return SB_OK;
}

int sb_proc_pid(const struct sb_proc *p) {
    return uv_process_get_pid(&p->uv);
}

void sb_proc_kill(struct sb_proc *p, int signal) {
    if (p->group)
        uv_kill(-p->uv.pid, signal);
    else
        uv_process_kill(&p->uv, signal);
}

int sb_proc_self_pid(void) {
    return (int)uv_os_getpid();
}
