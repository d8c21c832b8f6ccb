#include "sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

sb_err sb_sandbox_limits(const struct sb_sandbox *s, struct sb_errctx *ctx) {
    const struct {
        int what;
        uint64_t value;
        const char *name;
    } limits[] = {
        {RLIMIT_CORE, 0, "core"},
        {RLIMIT_CPU, s->cpu_seconds, "cpu"},
        {RLIMIT_FSIZE, s->file_bytes, "fsize"},
        {RLIMIT_NOFILE, s->open_files, "nofile"},
        {RLIMIT_AS, s->address_space, "as"},
    };
    for (size_t i = 0; i < SB_COUNT(limits); i++) {
        if (limits[i].what == RLIMIT_AS && SANITIZED) continue;
        struct rlimit l = {limits[i].value, limits[i].value};
        /* a lower hard limit that is there already is as good */
        struct rlimit now;
        if (getrlimit((__rlimit_resource_t)limits[i].what, &now) == 0 && now.rlim_max < l.rlim_max)
            l.rlim_cur = l.rlim_max = now.rlim_max;
        if (setrlimit((__rlimit_resource_t)limits[i].what, &l) != 0)
            return sb_fail_errno(ctx, errno, "setrlimit %s", limits[i].name);
    }
    return SB_OK;
}

/* Everything about files is handled, and only reading below the folder is allowed back. */
static sb_err landlock(const char *folder, struct sb_errctx *ctx) {
    struct landlock_ruleset_attr attr = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM};
    long rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (rules < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) return SB_OK;
    if (rules < 0) return sb_fail_errno(ctx, errno, "landlock");
    struct landlock_path_beneath_attr below = {
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
        .parent_fd = open(folder, O_PATH | O_CLOEXEC | O_DIRECTORY)};
    sb_err err = SB_OK;
    if (below.parent_fd < 0)
        err = sb_fail_errno(ctx, errno, "%s", folder);
    else if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) != 0 ||
             syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        err = sb_fail_errno(ctx, errno, "landlock");
    if (below.parent_fd >= 0) close(below.parent_fd);
    close((int)rules);
    return err;
}

/* What reading files, computing and writing to open files takes; also what abort() takes. */
static const int calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(fcntl),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
};

static sb_err filter(struct sb_errctx *ctx) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f) return sb_fail(ctx, SB_E_NOMEM, "seccomp: out of memory");
    int rc = 0;
    for (size_t i = 0; i < SB_COUNT(calls) && rc == 0; i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
    /* memory, but never executable */
    const int memory[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    for (size_t i = 0; i < SB_COUNT(memory) && rc == 0; i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, memory[i], 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* stdio asks whether it prints to a terminal */
    const struct scmp_arg_cmp tcgets = {.arg = 1, .op = SCMP_CMP_EQ, .datum_a = TCGETS};
    if (rc == 0) rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, tcgets);
    if (rc == 0) rc = seccomp_load(f);
    seccomp_release(f);
    return rc == 0 ? SB_OK : sb_fail_errno(ctx, -rc, "seccomp");
}

sb_err sb_sandbox_enter(const struct sb_sandbox *s, struct sb_errctx *ctx) {
    SB_TRY(sb_sandbox_limits(s, ctx));
    if (SANITIZED) return SB_OK;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return sb_fail_errno(ctx, errno, "no_new_privs");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return sb_fail_errno(ctx, errno, "dumpable");
    SB_TRY(landlock(s->readable, ctx));
    return filter(ctx);
}
