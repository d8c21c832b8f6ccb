#include "loop/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/port.h"

static sb_err parse_address(const char *host, uint16_t port, struct sockaddr_storage *out,
                            socklen_t *len, struct sb_errctx *ctx) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *len = sizeof *v4;
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *len = sizeof *v6;
    } else {
        return sb_fail(ctx, SB_E_INVALID, "%s is not an IP address to listen on", host);
    }
    return SB_OK;
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0) return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

static sb_err in_use(const char *host, uint16_t port, struct sb_errctx *ctx) {
    char holder[128];
    bool known = sb_port_holder(port, holder, sizeof holder);
    return sb_fail(
        ctx, SB_E_LOCKED, "port %u on %s is in use by %s: stop it, or start with --port-offset N",
        (unsigned)port, host, known ? holder : "a process that cannot be seen from here");
}

/* The first socket binds without SO_REUSEPORT, which fails when anybody else has the port, also a
 * sharing one; the option is set afterwards, for the sockets that follow. */
static sb_err bind_one(const char *host, uint16_t port, bool first, int *out,
                       struct sb_errctx *ctx) {
    struct sockaddr_storage a;
    socklen_t len;
    int on = 1;
    SB_TRY(parse_address(host, port, &a, &len, ctx));
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return sb_fail_errno(ctx, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!first) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, len) != 0) {
        int e = errno;
        close(fd);
        if (e == EADDRINUSE) return in_use(host, port, ctx);
        return sb_fail_errno(ctx, e, "cannot listen on %s port %u", host, (unsigned)port);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    *out = fd;
    return SB_OK;
}

sb_err sb_listen_tcp(const char *host, uint16_t port, int *fds, size_t n, uint16_t *bound,
                     struct sb_errctx *ctx) {
    for (size_t i = 0; i < n; i++) {
        sb_err err = bind_one(host, port, i == 0, &fds[i], ctx);
        if (err) {
            while (i-- > 0) close(fds[i]);
            return err;
        }
        port = port_of(fds[i]);
    }
    *bound = port;
    return SB_OK;
}

sb_err sb_listen_check(const char *host, uint16_t *port, struct sb_errctx *ctx) {
    int fd;
    SB_TRY(bind_one(host, *port, true, &fd, ctx));
    *port = port_of(fd);
    close(fd);
    return SB_OK;
}
