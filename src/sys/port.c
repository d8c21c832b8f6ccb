#include "sys/port.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Inode of a listening socket on that port in /proc/net/tcp or tcp6: lines of
 * "sl local_address rem_address st ... uid timeout inode", state 0A = LISTEN (proc(5)). */
static unsigned long listening_inode(const char *table, uint16_t port) {
    char line[512];
    unsigned long inode = 0;
    FILE *f = fopen(table, "re");
    if (!f) return 0;
    while (!inode && fgets(line, sizeof line, f)) {
        unsigned local = 0, state = 0;
        unsigned long found = 0;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
                   &local, &state, &found) == 3 &&
            local == port && state == 0x0a)
            inode = found;
    }
    fclose(f);
    return inode;
}

static bool process_has_socket(const char *pid, unsigned long inode) {
    char path[300], want[40], link[64];
    snprintf(want, sizeof want, "socket:[%lu]", inode);
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *d = opendir(path);
    bool found = false;
    if (!d) return false;
    for (struct dirent *e; !found && (e = readdir(d));) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
        if (n <= 0) continue;
        link[n] = 0;
        found = strcmp(link, want) == 0;
    }
    closedir(d);
    return found;
}

static void command_of(const char *pid, char *out, size_t n) {
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *f = fopen(path, "re");
    out[0] = 0;
    if (!f) return;
    if (fgets(out, (int)n, f)) out[strcspn(out, "\n")] = 0;
    fclose(f);
}

bool sb_port_holder(uint16_t port, char *out, size_t n) {
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (!inode) inode = listening_inode("/proc/net/tcp6", port);
    DIR *d = inode ? opendir("/proc") : NULL;
    bool found = false;
    if (!d) return false;
    for (struct dirent *e; !found && (e = readdir(d));) {
        char command[64];
        if (!isdigit((unsigned char)e->d_name[0]) || !process_has_socket(e->d_name, inode))
            continue;
        command_of(e->d_name, command, sizeof command);
        snprintf(out, n, "%s (pid %s)", command, e->d_name);
        found = true;
    }
    closedir(d);
    return found;
}
