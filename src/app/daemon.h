/* What the long-running child processes have in common: a main loop, signals, the file that says
 * "ready", and draining.
 *
 * A role is one const struct of functions. sb_daemon_run calls start; when that worked the role is
 * serving, and run/NAME.json in the data folder says so. SIGTERM, the end of the supervisor, or the
 * role itself (sb_daemon_fail) start the drain: no new connections, what is in flight is answered,
 * at most SB_DRAIN_NS. Then stop, and the process ends.
 *
 * Everything but sb_daemon_fail runs on the process's main thread. */
#ifndef SB_APP_DAEMON_H
#define SB_APP_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "app/cli.h"
#include "app/instance.h"
#include "base/clock.h"
#include "loop/loop.h"

/* The supervisor kills what is still there 10 s after it asked; this leaves time to close files. */
#define SB_DRAIN_NS (8 * SB_SEC)

enum { SB_DAEMON_URLS_MAX = 4 };

struct sb_daemon {
    const struct sb_daemon_ops *ops;
    const struct sb_config *config;
    struct sb_arena *arena; /* lives as long as the process */
    struct sb_loop *main;   /* control loop of the process: timers, signals, child processes */
    void *self;             /* the role's own; set by start */

    /* by sb_daemon_serves */
    struct sb_instance_url urls[SB_DAEMON_URLS_MAX];
    size_t nurls;

    bool draining;
    int64_t drain_until;
    enum sb_exit exit;
    struct sb_timer timer;
    struct sb_task fail_task;
    const char *_Atomic fail_reason;
};

struct sb_daemon_ops {
    const char *name; /* "serving" */
    /* Opens and starts everything. On failure it has undone all of it. */
    sb_err (*start)(struct sb_daemon *d, struct sb_errctx *ctx);
    /* Accept nothing new. */
    void (*drain)(struct sb_daemon *d);
    /* Requests not answered yet. */
    int (*in_flight)(struct sb_daemon *d);
    /* Ends threads, closes everything. */
    void (*stop)(struct sb_daemon *d);
};

enum sb_exit sb_daemon_run(struct sb_cli *cli, const struct sb_daemon_ops *ops);

/* Any thread: this process can no longer do its work; drain and exit with SB_EXIT_FAILED. reason is
 * a constant string. */
void sb_daemon_fail(struct sb_daemon *d, const char *reason);

/* For start: what is served where, for run/NAME.json. what is a constant. */
void sb_daemon_serves(struct sb_daemon *d, const char *what, const char *host, uint16_t port);

extern const struct sb_daemon_ops sb_role_serving, sb_role_platform;

#endif
