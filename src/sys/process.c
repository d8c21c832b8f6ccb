#include "sys/process.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static int64_t resident(void) {
    long long size, rss = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fscanf(f, "%lld %lld", &size, &rss) != 2) rss = 0;
    fclose(f);
    return (int64_t)rss * sysconf(_SC_PAGESIZE);
}

static int64_t count_fds(void) {
    DIR *d = opendir("/proc/self/fd");
    if (!d) return 0;
    int64_t n = 0;
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n - 1; /* without the one just opened */
}

/* Field 22 of /proc/self/stat: start in clock ticks since boot; the command name may hold spaces.
 */
static int64_t started(void) {
    char line[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f) return 0;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = 0;
    char *p = strrchr(line, ')');
    unsigned long long ticks = 0;
    for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
    if (!p || sscanf(p, "%llu", &ticks) != 1) return 0;
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    int64_t since_boot = (int64_t)boot.tv_sec * SB_SEC + boot.tv_nsec;
    return sb_wall_ns() - since_boot + (int64_t)ticks * (SB_SEC / sysconf(_SC_CLK_TCK));
}

void sb_process_usage_get(struct sb_process_usage *out) {
    static _Atomic int64_t start;
    if (!start) start = started();
    *out = (struct sb_process_usage){resident(), count_fds(), start};
}

bool sb_process_be_child(const char *name, int64_t parent) {
    prctl(PR_SET_NAME, name);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return getppid() == parent; /* it may have ended before the line above */
}

void sb_process_raise_fd_limit(void) {
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0) return;
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
}

void sb_process_go_last(void) {
    enum { WHO_PROCESS = 1, BEST_EFFORT = 2, CLASS_SHIFT = 13, LAST = 7 }; /* linux/ioprio.h */
    setpriority(PRIO_PROCESS, 0, 10);
    syscall(SYS_ioprio_set, WHO_PROCESS, 0, BEST_EFFORT << CLASS_SHIFT | LAST);
}

bool sb_process_is_terminal(int fd) {
    return isatty(fd) == 1;
}

int sb_process_cores(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}

/* Fields 14 and 15 of /proc/PID/stat, in clock ticks; the command name before may hold spaces. */
int64_t sb_process_cpu_ns(int pid) {
    char path[32], line[1024];
    unsigned long long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = 0;
    char *p = strrchr(line, ')');
    for (int field = 2; p && field < 14; field++) p = strchr(p + 1, ' ');
    if (!p || sscanf(p, "%llu %llu", &user, &kernel) != 2) return 0;
    return (int64_t)(user + kernel) * (SB_SEC / sysconf(_SC_CLK_TCK));
}

void sb_process_path(char *to, size_t n) {
    ssize_t got = readlink("/proc/self/exe", to, n - 1);
    to[got > 0 ? got : 0] = 0;
}

void sb_process_machine(char *to, size_t n) {
    struct utsname u;
    snprintf(to, n, "%s", uname(&u) == 0 ? u.machine : "?");
}

void sb_process_host_name(char *to, size_t n) {
    if (gethostname(to, n) != 0 || !to[0]) snprintf(to, n, "localhost");
    to[n - 1] = 0;
}
