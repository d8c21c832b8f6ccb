#include "app/daemon.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "loop/proc.h"
#include "sys/process.h"

#define POLL_NS (5 * SB_MS)

void sb_daemon_serves(struct sb_daemon *d, const char *what, const char *host, uint16_t port) {
    SB_ASSERT(d->nurls < SB_COUNT(d->urls));
    const char *url = sb_instance_url_of(d->arena, host, port);
    d->urls[d->nurls++] = (struct sb_instance_url){what, url};
}

/* ---- the drain ---- */

/* With the loop its signal handlers go; asked to stop a second time (a terminal's Ctrl-C and the
 * supervisor both ask), the process must not die of it on its last steps. */
static void end_loop(struct sb_daemon *d) {
    sigset_t asked;
    sigemptyset(&asked);
    sigaddset(&asked, SIGTERM);
    sigaddset(&asked, SIGINT);
    sigprocmask(SIG_BLOCK, &asked, NULL);
    sb_loop_stop(d->main);
}

static void on_poll(struct sb_timer *t) {
    struct sb_daemon *d = SB_CONTAINER(t, struct sb_daemon, timer);
    int left = d->ops->in_flight(d);
    if (left > 0 && sb_mono_ns() < d->drain_until) return;
    if (left > 0)
        SB_LOG(SB_LOG_WARN, d->ops->name, "requests were still running at the end of the drain",
               SB_KI("requests", left));
    sb_timer_stop(t);
    end_loop(d);
}

static void begin_drain(struct sb_daemon *d, const char *why) {
    if (d->draining) return;
    d->draining = true;
    d->drain_until = sb_mono_ns() + SB_DRAIN_NS;
    SB_LOG(SB_LOG_INFO, d->ops->name, "draining", SB_KS("reason", why),
           SB_KI("in_flight", d->ops->in_flight(d)));
    d->ops->drain(d);
    d->timer.fn = on_poll;
    sb_timer_start(&d->timer, d->main, POLL_NS, POLL_NS);
}

static void on_signal(void *arg, int signum) {
    SB_UNUSED(signum);
    begin_drain(arg, "asked to stop");
}

/* A terminal's Ctrl-C reaches the whole group: the supervisor decides, and sends SIGTERM. */
static void on_interrupt(void *arg, int signum) {
    SB_UNUSED(arg);
    SB_UNUSED(signum);
}

static void on_fail(struct sb_task *t) {
    struct sb_daemon *d = SB_CONTAINER(t, struct sb_daemon, fail_task);
    d->exit = SB_EXIT_FAILED;
    SB_LOG(SB_LOG_ERROR, d->ops->name, "cannot go on", SB_KS("reason", d->fail_reason));
    begin_drain(d, d->fail_reason);
}

void sb_daemon_fail(struct sb_daemon *d, const char *reason) {
    const char *none = NULL;
    if (!atomic_compare_exchange_strong(&d->fail_reason, &none, reason)) return;
    d->fail_task.fn = on_fail;
    sb_loop_post(d->main, &d->fail_task);
}

/* ---- running ---- */

static sb_err start(struct sb_daemon *d, struct sb_errctx *ctx) {
    SB_TRY(sb_loop_new(&d->main, d->ops->name));
    SB_TRY(sb_loop_on_signal(d->main, SIGTERM, on_signal, d));
    SB_TRY(sb_loop_on_signal(d->main, SIGINT, on_interrupt, d));
    SB_TRY(d->ops->start(d, ctx));
    const char *path = sb_instance_path(d->arena, d->config->data, d->ops->name);
    sb_err err = sb_instance_write(path, d->ops->name, sb_proc_self_pid(), d->urls, d->nurls, ctx);
    if (err) d->ops->stop(d);
    return err;
}

enum sb_exit sb_daemon_run(struct sb_cli *cli, const struct sb_daemon_ops *ops) {
    struct sb_errctx ctx = {0};
    struct sb_daemon d = {.ops = ops, .config = &cli->config, .arena = &cli->config.arena};
    int64_t parent = 0;
    if (!sb_str_to_i64(sb_str_of(cli->words[0]), &parent)) return SB_EXIT_USAGE;
    if (!sb_process_be_child(sb_arena_printf(d.arena, "sibyl-%s", ops->name), parent))
        return SB_EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a client that hangs up is an error of its write */
    sb_process_raise_fd_limit();
    int64_t began = sb_mono_ns();
    sb_err err = start(&d, &ctx);
    if (err) {
        SB_LOG(SB_LOG_ERROR, ops->name, "start failed", SB_KE(&ctx, err));
        d.exit = err == SB_E_LOCKED ? SB_EXIT_BUSY : SB_EXIT_FAILED;
    } else {
        SB_LOG(SB_LOG_INFO, ops->name, "ready", SB_KI("ms", (sb_mono_ns() - began) / SB_MS));
        sb_loop_run(d.main);
        ops->stop(&d);
        SB_LOG(SB_LOG_INFO, ops->name, "stopped");
    }
    sb_loop_free(d.main);
    return d.exit;
}
