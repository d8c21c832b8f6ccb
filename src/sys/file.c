#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/fault.h"

/* Runs `call` until it is not interrupted; errno in e, 0 when it succeeded. The hook may interrupt
 * too: an injected EINTR is seen once and the call made again. */
#define CALL(e, op, call)                                                                          \
    do {                                                                                           \
        (e) = sb_sys_fault(op);                                                                    \
        if (!(e) && (call) < 0) (e) = errno;                                                       \
    } while ((e) == EINTR)

static sb_err failed(struct sb_errctx *ctx, int e, const char *path, const char *what) {
    return sb_fail_errno(ctx, e, "%s: %s", path, what);
}

/* ---- open ---- */

static int os_flags(unsigned flags) {
    int f = O_CLOEXEC | (flags & SB_OPEN_WRITE ? O_RDWR : O_RDONLY);
    if (flags & SB_OPEN_CREATE) f |= O_CREAT;
    if (flags & SB_OPEN_EXCL) f |= O_EXCL;
    if (flags & SB_OPEN_TRUNC) f |= O_TRUNC;
    if (flags & SB_OPEN_DIRECT) f |= O_DIRECT;
    if (flags & SB_OPEN_DIR) f |= O_DIRECTORY;
    if (flags & SB_OPEN_NOFOLLOW) f |= O_NOFOLLOW;
    return f;
}

static sb_err open_failed(struct sb_errctx *ctx, int e, unsigned flags, const char *path) {
    if (e == EINVAL && flags & SB_OPEN_DIRECT)
        return sb_fail(ctx, SB_E_UNSUPPORTED, "%s: this file system has no O_DIRECT", path);
    if (e == ENOTDIR) return sb_fail(ctx, SB_E_MISSING, "%s: not a folder on the way", path);
    return failed(ctx, e, path, "open");
}

sb_err sb_file_open(struct sb_file *out, const char *path, unsigned flags, struct sb_errctx *ctx) {
    int e, fd = -1;
    struct sb_sys_op op = {.kind = SB_SYS_OPEN, .path = path, .fd = -1, .arg = flags};
    CALL(e, &op, fd = open(path, os_flags(flags), 0640));
    if (e) return open_failed(ctx, e, flags, path);
    *out = (struct sb_file){fd, sb_strdup(path)};
    return SB_OK;
}

sb_err sb_file_open_beneath(struct sb_file *out, const struct sb_file *dir, const char *rel,
                            unsigned flags, struct sb_errctx *ctx) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir->path, rel) >= (int)sizeof path)
        return sb_fail(ctx, SB_E_LIMIT, "path too long");
    struct open_how how = {
        .flags = (uint64_t)os_flags(flags),
        .mode = flags & SB_OPEN_CREATE ? 0640 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int e;
    long fd = -1;
    struct sb_sys_op op = {.kind = SB_SYS_OPEN, .path = path, .fd = -1, .arg = flags};
    /* EAGAIN: a rename raced with the walk and the kernel could not prove the path stays below */
    do {
        CALL(e, &op, fd = syscall(SYS_openat2, dir->fd, rel, &how, sizeof how));
    } while (e == EAGAIN);
    if (e) return open_failed(ctx, e, flags, path);
    *out = (struct sb_file){(int)fd, sb_strdup(path)};
    return SB_OK;
}

void sb_file_close(struct sb_file *f) {
    if (f->fd < 0) return;
    close(f->fd);
    sb_free(f->path);
    *f = SB_FILE_NONE;
}

/* ---- bytes ---- */

sb_err sb_file_pread(const struct sb_file *f, void *to, size_t n, int64_t off, size_t *got,
                     struct sb_errctx *ctx) {
    size_t have = 0;
    while (have < n) {
        int e;
        ssize_t k = 0;
        struct sb_sys_op op = {.kind = SB_SYS_PREAD,
                               .path = f->path,
                               .fd = f->fd,
                               .len = n - have,
                               .off = off + (int64_t)have};
        CALL(e, &op, k = pread(f->fd, (char *)to + have, op.len, op.off));
        if (e) return failed(ctx, e, f->path, "read");
        if (k == 0) break;
        have += (size_t)k;
    }
    *got = have;
    return SB_OK;
}

sb_err sb_file_pwrite(const struct sb_file *f, const void *from, size_t n, int64_t off,
                      struct sb_errctx *ctx) {
    size_t done = 0;
    while (done < n) {
        int e;
        ssize_t k = 0;
        struct sb_sys_op op = {.kind = SB_SYS_PWRITE,
                               .path = f->path,
                               .fd = f->fd,
                               .data = (const char *)from + done,
                               .len = n - done,
                               .off = off + (int64_t)done};
        CALL(e, &op, k = pwrite(f->fd, op.data, op.len, op.off));
        if (e) return failed(ctx, e, f->path, "write");
        if (k == 0) return failed(ctx, EIO, f->path, "write took nothing");
        done += (size_t)k;
    }
    return SB_OK;
}

/* A sync is never made twice, not even after a real EINTR: the first may have eaten the error. Only
 * an interruption before the call (which the hook stands for) is gone through. */
static sb_err sync_fd(const struct sb_file *f, enum sb_sys_kind kind, int (*call)(int),
                      struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = kind, .path = f->path, .fd = f->fd};
    do e = sb_sys_fault(&op);
    while (e == EINTR);
    if (!e && call(f->fd) < 0) e = errno;
    return e ? failed(ctx, e, f->path, "sync") : SB_OK;
}

sb_err sb_file_datasync(const struct sb_file *f, struct sb_errctx *ctx) {
    return sync_fd(f, SB_SYS_FDATASYNC, fdatasync, ctx);
}

sb_err sb_file_sync(const struct sb_file *f, struct sb_errctx *ctx) {
    return sync_fd(f, SB_SYS_FSYNC, fsync, ctx);
}

void sb_file_forget(const struct sb_file *f, int64_t off, int64_t n) {
    int e = posix_fadvise(f->fd, off, n, POSIX_FADV_DONTNEED);
    SB_UNUSED(e);
}

sb_err sb_file_truncate(const struct sb_file *f, int64_t size, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_FTRUNCATE, .path = f->path, .fd = f->fd, .arg = size};
    CALL(e, &op, ftruncate(f->fd, size));
    return e ? failed(ctx, e, f->path, "truncate") : SB_OK;
}

sb_err sb_file_allocate(const struct sb_file *f, int64_t size, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_FALLOCATE, .path = f->path, .fd = f->fd, .arg = size};
    CALL(e, &op, fallocate(f->fd, 0, 0, size));
    if (e == EOPNOTSUPP) return sb_file_truncate(f, size, ctx);
    return e ? failed(ctx, e, f->path, "allocate") : SB_OK;
}

sb_err sb_file_size(const struct sb_file *f, int64_t *size, struct sb_errctx *ctx) {
    int e;
    struct stat st;
    struct sb_sys_op op = {.kind = SB_SYS_STAT, .path = f->path, .fd = f->fd};
    CALL(e, &op, fstat(f->fd, &st));
    if (e) return failed(ctx, e, f->path, "stat");
    *size = st.st_size;
    return SB_OK;
}

/* ---- names ---- */

sb_err sb_file_stat(const char *path, struct sb_file_stat *out, struct sb_errctx *ctx) {
    int e;
    struct stat st;
    struct sb_sys_op op = {.kind = SB_SYS_STAT, .path = path, .fd = -1};
    CALL(e, &op, lstat(path, &st));
    if (e) return failed(ctx, e == ENOTDIR ? ENOENT : e, path, "stat");
    *out = (struct sb_file_stat){
        .size = st.st_size,
        .mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st.st_mode),
        .is_file = S_ISREG(st.st_mode),
        .is_link = S_ISLNK(st.st_mode),
        .device = st.st_dev,
        .owner = st.st_uid,
    };
    return SB_OK;
}

bool sb_file_exists(const char *path) {
    struct sb_file_stat st;
    return sb_file_stat(path, &st, NULL) == SB_OK;
}

sb_err sb_file_rename(const char *from, const char *to, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_RENAME, .path = from, .path2 = to, .fd = -1};
    CALL(e, &op, rename(from, to));
    return e ? failed(ctx, e, to, "rename to this name") : SB_OK;
}

sb_err sb_file_link(const char *from, const char *to, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_LINK, .path = from, .path2 = to, .fd = -1};
    CALL(e, &op, link(from, to));
    return e ? failed(ctx, e, to, "link to this name") : SB_OK;
}

sb_err sb_file_unlink(const char *path, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_UNLINK, .path = path, .fd = -1};
    CALL(e, &op, unlink(path));
    return e ? failed(ctx, e, path, "remove") : SB_OK;
}

/* ---- whole files ---- */

sb_err sb_file_read_all(const char *path, struct sb_buf *to, struct sb_errctx *ctx) {
    struct sb_file f;
    SB_TRY(sb_file_open(&f, path, SB_OPEN_READ, ctx));
    sb_err err = SB_OK;
    for (int64_t off = 0;;) {
        enum { STEP = 64 << 10 };
        size_t room = to->max - to->n < STEP ? to->max - to->n + 1 : STEP;
        char over, *p = room <= to->max - to->n ? sb_buf_reserve(to, room) : NULL;
        size_t got;
        if (!p && to->n < to->max) { /* the last part before the maximum */
            room = to->max - to->n;
            p = sb_buf_reserve(to, room);
        }
        if (!p && to->n == to->max) { /* full: anything more? */
            room = 1;
            p = &over;
        }
        if (!p) {
            err = sb_fail(ctx, SB_E_NOMEM, "%s: out of memory", path);
            break;
        }
        err = sb_file_pread(&f, p, room, off, &got, ctx);
        if (err || got == 0) break;
        if (p == &over) {
            err = sb_fail(ctx, SB_E_LIMIT, "%s: longer than %zu bytes", path, to->max);
            break;
        }
        sb_buf_commit(to, got);
        off += (int64_t)got;
    }
    sb_file_close(&f);
    return err;
}

sb_err sb_file_replace(const char *path, const void *bytes, size_t n, struct sb_errctx *ctx) {
    char tmp[PATH_MAX];
    if (snprintf(tmp, sizeof tmp, "%s.tmp", path) >= (int)sizeof tmp)
        return sb_fail(ctx, SB_E_LIMIT, "path too long");
    struct sb_file f;
    SB_TRY(sb_file_open(&f, tmp, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_TRUNC, ctx));
    sb_err err = sb_file_pwrite(&f, bytes, n, 0, ctx);
    if (!err) err = sb_file_sync(&f, ctx);
    sb_file_close(&f);
    if (!err) err = sb_file_rename(tmp, path, ctx);
    if (err) {
        sb_err gone = sb_file_unlink(tmp, NULL); /* best effort: the next replace truncates it */
        SB_UNUSED(gone);
        return err;
    }
    return sb_dir_sync_parent(path, ctx);
}

/* ---- folders ---- */

sb_err sb_dir_make(const char *path, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_MKDIR, .path = path, .fd = -1};
    CALL(e, &op, mkdir(path, 0750));
    return e ? failed(ctx, e, path, "make folder") : SB_OK;
}

sb_err sb_dir_make_all(const char *path, struct sb_errctx *ctx) {
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) return sb_fail(ctx, SB_E_LIMIT, "path too long");
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && i < n) continue;
        if (path[i - 1] == '/') continue;
        memcpy(part, path, i);
        part[i] = 0;
        struct sb_file_stat st;
        if (sb_file_stat(part, &st, NULL) == SB_OK) continue;
        sb_err err = sb_dir_make(part, NULL);
        if (err == SB_E_EXISTS) continue;
        if (err) return sb_fail(ctx, err, "%s: make folder: %s", part, sb_err_text(err));
        SB_TRY(sb_dir_sync_parent(part, ctx));
    }
    return SB_OK;
}

sb_err sb_dir_remove(const char *path, struct sb_errctx *ctx) {
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_RMDIR, .path = path, .fd = -1};
    CALL(e, &op, rmdir(path));
    return e ? failed(ctx, e, path, "remove folder") : SB_OK;
}

sb_err sb_dir_sync(const char *path, struct sb_errctx *ctx) {
    struct sb_file d;
    SB_TRY(sb_file_open(&d, path, SB_OPEN_DIR, ctx));
    sb_err err = sync_fd(&d, SB_SYS_SYNCDIR, fsync, ctx);
    sb_file_close(&d);
    return err;
}

sb_err sb_dir_sync_parent(const char *path, struct sb_errctx *ctx) {
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof dir) return sb_fail(ctx, SB_E_LIMIT, "path too long");
    memcpy(dir, path, n);
    dir[n] = 0;
    return sb_dir_sync(n ? dir : slash ? "/" : ".", ctx);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

sb_err sb_dir_list(const char *path, struct sb_dir_names *out, struct sb_errctx *ctx) {
    int e;
    DIR *d = NULL;
    struct sb_sys_op op = {.kind = SB_SYS_READDIR, .path = path, .fd = -1};
    CALL(e, &op, (d = opendir(path)) ? 0 : -1);
    if (e) return failed(ctx, e, path, "list");
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
        return failed(ctx, e, path, "list");
    }
    if (l.n) qsort(l.name, l.n, sizeof *l.name, by_name);
    *out = l;
    return SB_OK;
}

void sb_dir_names_fini(struct sb_dir_names *l) {
    for (size_t i = 0; i < l->n; i++) sb_free(l->name[i]);
    sb_free(l->name);
    *l = (struct sb_dir_names){0};
}

static sb_err remove_tree(const char *path, int depth, struct sb_errctx *ctx) {
    if (depth > 64) return sb_fail(ctx, SB_E_LIMIT, "%s: folders nested too deep", path);
    struct sb_dir_names l;
    SB_TRY(sb_dir_list(path, &l, ctx));
    sb_err err = SB_OK;
    char *child = sb_alloc(PATH_MAX);
    for (size_t i = 0; i < l.n && !err; i++) {
        struct sb_file_stat st;
        if (snprintf(child, PATH_MAX, "%s/%s", path, l.name[i]) >= PATH_MAX)
            err = sb_fail(ctx, SB_E_LIMIT, "%s: path too long", path);
        else if (!(err = sb_file_stat(child, &st, ctx)))
            err = st.is_dir ? remove_tree(child, depth + 1, ctx) : sb_file_unlink(child, ctx);
    }
    sb_free(child);
    sb_dir_names_fini(&l);
    return err ? err : sb_dir_remove(path, ctx);
}

sb_err sb_dir_remove_all(const char *path, struct sb_errctx *ctx) {
    struct sb_file_stat st;
    sb_err err = sb_file_stat(path, &st, NULL);
    if (err == SB_E_MISSING) return SB_OK;
    if (err) return sb_fail(ctx, err, "%s: %s", path, sb_err_text(err));
    return st.is_dir ? remove_tree(path, 0, ctx) : sb_file_unlink(path, ctx);
}

sb_err sb_dir_free_bytes(const char *path, int64_t *out, struct sb_errctx *ctx) {
    int e;
    struct statvfs st;
    struct sb_sys_op op = {.kind = SB_SYS_STAT, .path = path, .fd = -1};
    CALL(e, &op, statvfs(path, &st));
    if (e) return failed(ctx, e, path, "statvfs");
    *out = (int64_t)(st.f_bavail * st.f_frsize);
    return SB_OK;
}
