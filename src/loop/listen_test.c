/* Listening sockets: one port for several, nobody else's, and who holds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/listen.h"

static void several_sockets_share_a_port_that_nobody_else_gets(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0"};
    for (size_t h = 0; h < 2; h++) {
        int fds[3], more[1];
        uint16_t port = 0, other = 0;
        struct sb_errctx ctx = {0};
        char pid[32];
        assert_int_equal(sb_listen_tcp(hosts[h], 0, fds, 3, &port, &ctx), SB_OK);
        assert_true(port > 0);
        for (int i = 0; i < 3; i++) assert_int_equal(listen(fds[i], 5), 0);
        assert_int_equal(sb_listen_tcp(hosts[h], port, more, 1, &other, &ctx), SB_E_LOCKED);
        snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
        assert_non_null(strstr(ctx.msg, pid));
        assert_non_null(strstr(ctx.msg, "--port-offset"));
        assert_int_equal(sb_listen_check(hosts[h], &port, NULL), SB_E_LOCKED);
        for (int i = 0; i < 3; i++) close(fds[i]);
        assert_int_equal(sb_listen_check(hosts[h], &port, NULL), SB_OK);
    }
}

static void an_address_that_is_not_ours_is_refused(void **state) {
    (void)state;
    int fd;
    uint16_t port;
    struct sb_errctx ctx = {0};
    assert_int_equal(sb_listen_tcp("localhost", 0, &fd, 1, &port, &ctx), SB_E_INVALID);
    assert_non_null(strstr(ctx.msg, "localhost"));
    assert_int_not_equal(sb_listen_tcp("192.0.2.1", 0, &fd, 1, &port, NULL), SB_OK);
    port = 0;
    assert_int_equal(sb_listen_check("127.0.0.1", &port, NULL), SB_OK);
    assert_true(port > 0); /* a free one */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_sockets_share_a_port_that_nobody_else_gets),
        cmocka_unit_test(an_address_that_is_not_ours_is_refused),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
