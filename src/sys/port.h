/* Who uses a TCP port, from /proc. Any thread. */
#ifndef SB_SYS_PORT_H
#define SB_SYS_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "nginx (pid 812)" for the process that listens on this port; false when it cannot be found
 * (another user's process). */
bool sb_port_holder(uint16_t port, char *out, size_t n);

#endif
