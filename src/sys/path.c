#include "sys/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/fault.h"

#define CALL(e, op, call)                                                                          \
    do {                                                                                           \
        (e) = sb_sys_fault(op);                                                                    \
        if (!(e) && (call) < 0) (e) = errno;                                                       \
    } while ((e) == EINTR)

/* The whole path, for messages and traces; cut when it is too long, which the kernel refuses
 * anyway. */
static const char *whole(char to[PATH_MAX], const struct sb_file *dir, const char *name) {
    size_t n = strlen(dir->path), k = strlen(name);
    if (n > PATH_MAX / 2) n = PATH_MAX / 2;
    if (k > PATH_MAX / 2 - 2) k = PATH_MAX / 2 - 2;
    memcpy(to, dir->path, n);
    to[n] = '/';
    memcpy(to + n + 1, name, k);
    to[n + 1 + k] = '\0';
    return to;
}

static sb_err failed(struct sb_errctx *ctx, int e, const char *path, const char *what) {
    if (e == EISDIR || e == ENOTEMPTY)
        return sb_fail(ctx, SB_E_STATE, "%s: %s: a folder has that name", path, what);
    if (e == ENAMETOOLONG) return sb_fail(ctx, SB_E_INVALID, "name too long");
    return sb_fail_errno(ctx, e, "%s: %s", path, what);
}

bool sb_path_name_ok(struct sb_str name) {
    if (!name.n || name.n > NAME_MAX || sb_str_is(name, ".") || sb_str_is(name, "..")) return false;
    return sb_str_find(name, '/') < 0 && sb_str_find(name, '\0') < 0;
}

sb_err sb_path_make_dir(const struct sb_file *dir, const char *name, struct sb_errctx *ctx) {
    char buf[PATH_MAX];
    const char *path = whole(buf, dir, name);
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_MKDIR, .path = path, .fd = -1};
    CALL(e, &op, mkdirat(dir->fd, name, 0750));
    return e ? failed(ctx, e, path, "make folder") : SB_OK;
}

sb_err sb_path_rename(const struct sb_file *from_dir, const char *from,
                      const struct sb_file *to_dir, const char *to, struct sb_errctx *ctx) {
    char a[PATH_MAX], b[PATH_MAX];
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_RENAME,
                           .path = whole(a, from_dir, from),
                           .path2 = whole(b, to_dir, to),
                           .fd = -1};
    CALL(e, &op, renameat(from_dir->fd, from, to_dir->fd, to));
    return e ? failed(ctx, e, b, "rename") : SB_OK;
}

sb_err sb_path_unlink(const struct sb_file *dir, const char *name, struct sb_errctx *ctx) {
    char buf[PATH_MAX];
    const char *path = whole(buf, dir, name);
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_UNLINK, .path = path, .fd = -1};
    CALL(e, &op, unlinkat(dir->fd, name, 0));
    return e ? failed(ctx, e, path, "remove") : SB_OK;
}

sb_err sb_path_stat(const struct sb_file *dir, const char *name, struct sb_file_stat *out,
                    struct sb_errctx *ctx) {
    char buf[PATH_MAX];
    const char *path = whole(buf, dir, name);
    int e;
    struct stat st;
    struct sb_sys_op op = {.kind = SB_SYS_STAT, .path = path, .fd = -1};
    CALL(e, &op, fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW));
    if (e) return failed(ctx, e, path, "stat");
    *out = (struct sb_file_stat){
        .size = st.st_size,
        .mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st.st_mode),
        .is_file = S_ISREG(st.st_mode),
        .is_link = S_ISLNK(st.st_mode),
    };
    return SB_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

sb_err sb_path_list(const struct sb_file *dir, struct sb_dir_names *out, struct sb_errctx *ctx) {
    int e, fd = -1;
    struct sb_sys_op op = {.kind = SB_SYS_READDIR, .path = dir->path, .fd = -1};
    /* a descriptor of its own: closedir closes it, and the reading position is not shared */
    CALL(e, &op, fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (e) return failed(ctx, e, dir->path, "list");
    DIR *d = fdopendir(fd);
    if (!d) {
        e = errno;
        close(fd);
        return failed(ctx, e, dir->path, "list");
    }
    struct sb_dir_names l = {0};
    size_t cap = 0;
    errno = 0;
    for (struct dirent *en; (en = readdir(d)); errno = 0) {
        if (!strcmp(en->d_name, ".") || !strcmp(en->d_name, "..")) continue;
        if (l.n == cap) l.name = sb_realloc(l.name, (cap = cap ? cap * 2 : 16) * sizeof *l.name);
        l.name[l.n++] = sb_strdup(en->d_name);
    }
    e = errno;
    closedir(d);
    if (e) {
        sb_dir_names_fini(&l);
        return failed(ctx, e, dir->path, "list");
    }
    if (l.n) qsort(l.name, l.n, sizeof *l.name, by_name);
    *out = l;
    return SB_OK;
}

sb_err sb_path_sync(const struct sb_file *dir, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_SYNCDIR, .path = dir->path, .fd = dir->fd};
    do e = sb_sys_fault(&op);
    while (e == EINTR);
    if (!e && fsync(dir->fd) < 0) e = errno;
    return e ? failed(ctx, e, dir->path, "sync") : SB_OK;
}
