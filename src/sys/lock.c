#include "sys/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/fault.h"

enum { TEXT = 256 };

/* "PID COMMAND\n" of this process, zero bytes after it. */
static void own_text(char text[TEXT]) {
    memset(text, 0, TEXT);
    int n = snprintf(text, TEXT, "%ld ", (long)getpid());
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t k = fd < 0 ? 0 : read(fd, text + n, TEXT - 2 - (size_t)n);
    if (fd >= 0) close(fd);
    if (k < 0) k = 0;
    for (ssize_t i = n; i < n + k; i++)
        if ((unsigned char)text[i] < ' ') text[i] = ' ';
    for (k += n; k > 0 && text[k - 1] == ' '; k--) text[k - 1] = 0;
    text[k] = '\n';
}

/* The holder writes its name just after it got the lock: for a moment the file is empty or still
 * names one that is gone. */
static void holder_text(const struct sb_file *f, char text[TEXT]) {
    for (int i = 0; i < 100; i++, sb_sleep_ns(SB_MS)) {
        size_t got = 0;
        if (sb_file_pread(f, text, TEXT - 1, 0, &got, NULL) != SB_OK) got = 0;
        text[got] = 0;
        text[strcspn(text, "\n")] = 0;
        long pid = 0;
        if (sscanf(text, "%ld", &pid) == 1 && pid > 0 &&
            (kill((pid_t)pid, 0) == 0 || errno == EPERM))
            return;
    }
    if (!text[0]) snprintf(text, TEXT, "?");
}

static int set(int fd, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &l);
}

/* Whether the path still names this very file: a holder may have removed or renamed it before it
 * let go, and then the lock guards nothing any more. */
static bool still_named(const struct sb_file *f, const char *path) {
    struct stat ours, there;
    return fstat(f->fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

sb_err sb_lock_take(struct sb_lock *out, const char *path, struct sb_errctx *ctx) {
    struct sb_file f;
    SB_TRY(sb_file_open(&f, path, SB_OPEN_WRITE | SB_OPEN_CREATE, ctx));
    int e;
    struct sb_sys_op op = {.kind = SB_SYS_LOCK, .path = path, .fd = f.fd};
    do {
        e = sb_sys_fault(&op);
        if (!e && set(f.fd, F_WRLCK) < 0) e = errno;
    } while (e == EINTR);
    char text[TEXT];
    sb_err err = SB_OK;
    if (e == EAGAIN || e == EACCES) {
        holder_text(&f, text);
        char *command = strchr(text, ' ');
        if (command) *command++ = 0;
        err = sb_fail(ctx, SB_E_LOCKED, "%s is held by process %s (%s)", path, text,
                      command ? command : "?");
    } else if (e) {
        err = sb_fail_errno(ctx, e, "%s: lock", path);
    } else if (!still_named(&f, path)) {
        err = sb_fail(ctx, SB_E_LOCKED, "%s was removed by its last holder just now", path);
    } else {
        own_text(text);
        err = sb_file_pwrite(&f, text, TEXT, 0, ctx);
    }
    if (err) {
        sb_file_close(&f);
        return err;
    }
    out->file = f;
    return SB_OK;
}

void sb_lock_release(struct sb_lock *l) {
    sb_file_close(&l->file); /* the lock goes with the description */
}

bool sb_lock_held(const struct sb_file *f) {
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
    return fcntl(f->fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}
