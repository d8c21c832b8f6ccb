#include "sys/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/str.h"

/* linux/magic.h, statfs(2) */
static const struct {
    long magic;
    const char *name;
    bool memory, network, layer;
} types[] = {
    {0xef53, "ext4", false, false, false},       {0x58465342, "xfs", false, false, false},
    {0x9123683e, "btrfs", false, false, false},  {0x2fc12fc1, "zfs", false, false, false},
    {0xf2f52010, "f2fs", false, false, false},   {0x01021994, "tmpfs", true, false, false},
    {0x858458f6, "ramfs", true, false, false},   {0x6969, "nfs", false, true, false},
    {0xff534d42, "cifs", false, true, false},    {0xfe534d42, "smb2", false, true, false},
    {0x01021997, "9p", false, true, false},      {0x65735546, "fuse", false, true, false},
    {0x794c7630, "overlay", false, false, true}, {0x73717368, "squashfs", false, false, false},
};

sb_err sb_host_fs_get(const char *path, struct sb_host_fs *out, struct sb_errctx *ctx) {
    struct statfs st;
    struct statvfs v;
    if (statfs(path, &st) != 0 || statvfs(path, &v) != 0)
        return sb_fail_errno(ctx, errno, "%s: statfs", path);
    *out = (struct sb_host_fs){.type = "unknown",
                               .read_only = (v.f_flag & ST_RDONLY) != 0,
                               .free_bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize,
                               .free_files = v.f_files ? (int64_t)v.f_favail : -1};
    for (size_t i = 0; i < SB_COUNT(types); i++) {
        if (((unsigned long)st.f_type & 0xffffffff) != (unsigned long)types[i].magic) continue;
        out->type = types[i].name;
        out->memory = types[i].memory;
        out->network = types[i].network;
        out->layer = types[i].layer;
    }
    return SB_OK;
}

bool sb_host_may_write(const char *path) {
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

bool sb_host_find_program(const char *name, char *to, size_t n) {
    const char *path = getenv("PATH");
    struct sb_str rest = sb_str_of(path ? path : "/usr/bin:/bin"), dir;
    if (strchr(name, '/')) return snprintf(to, n, "%s", name) < (int)n && access(to, X_OK) == 0;
    while (sb_str_split(&rest, ':', &dir))
        if (snprintf(to, n, "%.*s/%s", SB_ARG(dir), name) < (int)n && access(to, X_OK) == 0)
            return true;
    return false;
}

uint32_t sb_host_user(void) {
    return geteuid();
}

bool sb_host_clock_synchronised(void) {
    struct timex t = {0};
    return adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC);
}

/* A number at the start of a file ("max" is none), or the fallback. */
static int64_t number_in(const char *path, int64_t fallback) {
    long long n;
    FILE *f = fopen(path, "re");
    if (!f) return fallback;
    if (fscanf(f, "%lld", &n) != 1) n = fallback;
    fclose(f);
    return n;
}

static int64_t meminfo_available(void) {
    char line[128];
    long long kb = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lld kB", &kb) == 1) break;
    fclose(f);
    return (int64_t)kb * 1024;
}

int64_t sb_host_memory_available(void) {
    int64_t machine = meminfo_available();
    /* version 2, as a container sees its own group */
    int64_t limit = number_in("/sys/fs/cgroup/memory.max", -1);
    int64_t used = number_in("/sys/fs/cgroup/memory.current", 0);
    if (limit < 0 || limit - used >= machine) return machine;
    return limit > used ? limit - used : 1;
}

int64_t sb_host_open_files_max(void) {
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0) return 0;
    return l.rlim_max == RLIM_INFINITY ? INT64_MAX : (int64_t)l.rlim_max;
}
