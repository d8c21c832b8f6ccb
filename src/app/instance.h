/* run/ROLE.json in the data folder: which process serves what where, written by a role once it
 * answers requests, read by the supervisor and by other commands. */
#ifndef SB_APP_INSTANCE_H
#define SB_APP_INSTANCE_H

#include "app/config.h"

struct sb_instance_url {
    const char *what, *url; /* "serving", "http://127.0.0.1:8000" */
};

const char *sb_instance_path(struct sb_arena *a, const char *data, const char *role);

SB_MUST_CHECK sb_err sb_instance_write(const char *path, const char *role, int pid,
                                       const struct sb_instance_url *urls, size_t n,
                                       struct sb_errctx *ctx);

/* false when the file is not there or not whole. url is of `what` and lives in the arena; it may be
 * NULL when the caller does not ask. */
bool sb_instance_read(struct sb_arena *a, const char *path, int64_t *pid, const char *what,
                      const char **url);

/* Where this data folder's process serves `what`; when nothing runs, where it would. */
const char *sb_instance_serving_url(struct sb_arena *a, const struct sb_config *c);

/* The URL of a listener on that port, as this machine reaches it. */
const char *sb_instance_url_of(struct sb_arena *a, const char *host, uint16_t port);

#endif
