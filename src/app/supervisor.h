/* `sibyl up`: takes the data folder, starts the processes, restarts what dies, stops all of it. */
#ifndef SB_APP_SUPERVISOR_H
#define SB_APP_SUPERVISOR_H

#include <stdint.h>

#include "app/cli.h"

struct sb_supervisor_urls {
    const char *serving, *registry, *dashboard, *search; /* valid while the supervisor runs */
};

/* For `sibyl demo`. Both run on the supervisor's loop thread: ready once, when everything answers
 * for the first time; stopping before the children are asked to stop (only after ready). */
struct sb_supervisor_hooks {
    void (*ready)(void *arg, const struct sb_config *c, const struct sb_supervisor_urls *urls);
    void (*stopping)(void *arg);
    void *arg;
    const char *model;   /* that is there then: "iris" */
    const char *example; /* a request that works then: "/models/iris/predict -d '{...}'" */
};

/* Until SIGTERM, SIGINT or SIGHUP. hooks may be NULL. */
enum sb_exit sb_supervisor_run(struct sb_cli *cli, const struct sb_supervisor_hooks *hooks);

/* How long to wait before the next start of a child that ran for ran_ns; before is the last such
 * wait (0 = none). Doubles from 200 ms to 30 s, starts over once a run lasted 30 s. */
int64_t sb_supervisor_backoff(int64_t before, int64_t ran_ns);

#endif
