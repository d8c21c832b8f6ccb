/* `sibyl up`: takes the data folder, starts the processes, restarts what dies, stops all of it. */
#ifndef SB_APP_SUPERVISOR_H
#define SB_APP_SUPERVISOR_H

#include <stdint.h>

#include "app/cli.h"

enum sb_exit sb_supervisor_run(struct sb_cli *cli);

/* Hooks of `sibyl demo`: called once on the supervisor's loop thread when everything is ready for
 * the first time, and before the children are asked to stop. */
struct sb_supervisor_hooks {
    void (*ready)(void *arg, const struct sb_config *c);
    void (*stopping)(void *arg);
    void *arg;
};
enum sb_exit sb_supervisor_run_with(struct sb_cli *cli, const struct sb_supervisor_hooks *hooks);

/* How long to wait before the next start of a child that ran for ran_ns; before is the last such
 * wait (0 = none). Doubles from 200 ms to 30 s, starts over once a run lasted 30 s. */
int64_t sb_supervisor_backoff(int64_t before, int64_t ran_ns);

#endif
