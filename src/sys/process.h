/* What the kernel knows of this process, from /proc/self. Any thread. */
#ifndef SB_SYS_PROCESS_H
#define SB_SYS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sb_process_usage {
    int64_t rss_bytes; /* resident set */
    int64_t open_fds;
    int64_t start_wall_ns; /* start of the process, wall clock */
};

/* Values that cannot be read are 0. */
void sb_process_usage_get(struct sb_process_usage *out);

/* For a child process, once at its start: shows name (at most 15 characters) in ps, and arranges
 * that SIGTERM comes when the thread that spawned it ends. false when `parent` is no longer its
 * parent: nobody waits for it, it should end. */
bool sb_process_be_child(const char *name, int64_t parent);

/* As many open files as the system lets this process have. */
void sb_process_raise_fd_limit(void);

/* From now on others go first: a tenth of their CPU time when there is not enough, last in the
 * disk's queue (where its scheduler knows priorities). It still gets on when they never rest. */
void sb_process_go_last(void);
/* Whether a file descriptor is a terminal, that is, whether a person reads along. */
bool sb_process_is_terminal(int fd);

/* Cores that this process may run on, at least 1. */
int sb_process_cores(void);
/* User and system time of another process; 0 when it is not there. */
int64_t sb_process_cpu_ns(int pid);

/* Path of this program's file; "" when it cannot be told. n >= 2. */
void sb_process_path(char *to, size_t n);
/* What kind of processor the kernel runs on: "x86_64". */
void sb_process_machine(char *to, size_t n);
/* Name of this machine, "localhost" when it has none. */
void sb_process_host_name(char *to, size_t n);

#endif
