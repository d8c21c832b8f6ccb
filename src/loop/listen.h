/* Listening TCP sockets, one per loop on the same port. */
#ifndef SB_LOOP_LISTEN_H
#define SB_LOOP_LISTEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Binds n sockets to host (an IP literal) and port (0 = any free one, the same for all) with
 * SO_REUSEPORT, so that the kernel spreads connections over them. They are not listening yet; the
 * caller owns them. The port is exclusively this process's: another one on it, sharing or not,
 * makes this fail with SB_E_LOCKED and a message that names the holder and what to type. */
SB_MUST_CHECK sb_err sb_listen_tcp(const char *host, uint16_t port, int *fds, size_t n,
                                   uint16_t *bound, struct sb_errctx *ctx);

/* The same check and message without keeping the port. A port of 0 becomes one that is free now. */
SB_MUST_CHECK sb_err sb_listen_check(const char *host, uint16_t *port, struct sb_errctx *ctx);

#endif
