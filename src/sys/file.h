/* Files and folders: every storage call of the program is made here.
 *
 * All calls go on after EINTR and short reads and writes, pass the fault hook (sys/fault.h) and
 * report failures as "PATH: what: strerror". Opened files are close-on-exec. A failed fsync or
 * fdatasync must not be repeated: the kernel may have dropped the pages and then says "done"
 * falsely; what was written since the last success is to be taken as lost.
 *
 * A struct sb_file belongs to its opener; pread and pwrite on it may run in several threads. */
#ifndef SB_SYS_FILE_H
#define SB_SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct sb_file {
    int fd;     /* -1 = not open */
    char *path; /* as given to open; for messages and traces */
};
#define SB_FILE_NONE ((struct sb_file){.fd = -1})

enum {
    SB_OPEN_READ = 0,
    SB_OPEN_WRITE = 1,     /* read and write */
    SB_OPEN_CREATE = 2,    /* mode 0640 */
    SB_OPEN_EXCL = 4,      /* with CREATE: SB_E_EXISTS when it is there */
    SB_OPEN_TRUNC = 8,     /* with WRITE: empty */
    SB_OPEN_DIRECT = 16,   /* past the page cache; SB_E_UNSUPPORTED where there is no O_DIRECT */
    SB_OPEN_DIR = 32,      /* a folder */
    SB_OPEN_NOFOLLOW = 64, /* SB_E_DENIED when the last part is a symlink */
};

SB_MUST_CHECK sb_err sb_file_open(struct sb_file *out, const char *path, unsigned flags,
                                  struct sb_errctx *ctx);
/* rel below the open folder dir: no absolute path, no "..", no symlink, no magic link on the way
 * (openat2 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS): SB_E_DENIED. out->path is dir's path + rel. */
SB_MUST_CHECK sb_err sb_file_open_beneath(struct sb_file *out, const struct sb_file *dir,
                                          const char *rel, unsigned flags, struct sb_errctx *ctx);
/* Nothing happens when it is not open. Errors of close are not durability: sync before. */
void sb_file_close(struct sb_file *f);

/* Reads until n bytes or the end of the file; *got says how many. */
SB_MUST_CHECK sb_err sb_file_pread(const struct sb_file *f, void *to, size_t n, int64_t off,
                                   size_t *got, struct sb_errctx *ctx);
/* All n bytes or an error (then any prefix of them may be written). */
SB_MUST_CHECK sb_err sb_file_pwrite(const struct sb_file *f, const void *from, size_t n,
                                    int64_t off, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_file_datasync(const struct sb_file *f, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_file_sync(const struct sb_file *f, struct sb_errctx *ctx);
/* Tells the kernel that these bytes will not be read again soon: large copies leave the page cache
 * to others. Only a hint; what is not synced yet stays. */
void sb_file_forget(const struct sb_file *f, int64_t off, int64_t n);
SB_MUST_CHECK sb_err sb_file_truncate(const struct sb_file *f, int64_t size, struct sb_errctx *ctx);
/* Reserves blocks for [0, size) and makes the file that long; SB_E_NOSPACE. Where the file system
 * has no fallocate it only sets the length. */
SB_MUST_CHECK sb_err sb_file_allocate(const struct sb_file *f, int64_t size, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_file_size(const struct sb_file *f, int64_t *size, struct sb_errctx *ctx);

struct sb_file_stat {
    int64_t size, mtime_ms;
    bool is_dir, is_file, is_link; /* of the name itself: symlinks are not followed */
    uint64_t device;               /* of the file system it lies on */
    uint32_t owner;                /* user id */
};
SB_MUST_CHECK sb_err sb_file_stat(const char *path, struct sb_file_stat *out,
                                  struct sb_errctx *ctx);
/* SB_OK or SB_E_MISSING mostly; false also when it cannot be told. */
bool sb_file_exists(const char *path);

SB_MUST_CHECK sb_err sb_file_rename(const char *from, const char *to, struct sb_errctx *ctx);
/* A second name for the same file; SB_E_EXISTS when `to` is there. */
SB_MUST_CHECK sb_err sb_file_link(const char *from, const char *to, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_file_unlink(const char *path, struct sb_errctx *ctx);

/* The whole file into to (appended); SB_E_LIMIT when that passes to's maximum. */
SB_MUST_CHECK sb_err sb_file_read_all(const char *path, struct sb_buf *to, struct sb_errctx *ctx);
/* Replaces or creates path so that after any crash it holds the old or the new bytes whole: writes
 * path.tmp, fsync, rename, fsync of the folder. */
SB_MUST_CHECK sb_err sb_file_replace(const char *path, const void *bytes, size_t n,
                                     struct sb_errctx *ctx);

/* ---- folders ---- */

/* SB_E_EXISTS when it is there. */
SB_MUST_CHECK sb_err sb_dir_make(const char *path, struct sb_errctx *ctx);
/* With parents; durable (each new folder's parent is synced); fine when it is there. */
SB_MUST_CHECK sb_err sb_dir_make_all(const char *path, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_dir_remove(const char *path, struct sb_errctx *ctx);
/* Makes creations, renames and removals in the folder durable. */
SB_MUST_CHECK sb_err sb_dir_sync(const char *path, struct sb_errctx *ctx);
/* Syncs the folder that holds path. */
SB_MUST_CHECK sb_err sb_dir_sync_parent(const char *path, struct sb_errctx *ctx);

struct sb_dir_names {
    char **name; /* sorted; without "." and ".." */
    size_t n;
};
SB_MUST_CHECK sb_err sb_dir_list(const char *path, struct sb_dir_names *out, struct sb_errctx *ctx);
void sb_dir_names_fini(struct sb_dir_names *l);
/* The folder and everything in it; does not follow symlinks. Fine when it is missing. At most 64
 * levels. */
SB_MUST_CHECK sb_err sb_dir_remove_all(const char *path, struct sb_errctx *ctx);

/* Free bytes for this user on the file system of path. */
SB_MUST_CHECK sb_err sb_dir_free_bytes(const char *path, int64_t *out, struct sb_errctx *ctx);

#endif
