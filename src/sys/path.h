/* Names inside an open folder. A name is one part, without '/', so nothing here can leave the
 * folder, and no call follows a symlink; the folder itself comes from sb_file_open_beneath. The
 * storage calls behave as those of sys/file.h (fault hook, EINTR, messages). */
#ifndef SB_SYS_PATH_H
#define SB_SYS_PATH_H

#include "sys/file.h"

/* A part that may be used as a name: not empty, not "." or "..", no '/' or NUL, at most 255 bytes.
 */
bool sb_path_name_ok(struct sb_str name);

/* SB_E_EXISTS when there is something of that name. */
SB_MUST_CHECK sb_err sb_path_make_dir(const struct sb_file *dir, const char *name,
                                      struct sb_errctx *ctx);
/* Replaces a file of the new name; SB_E_STATE when a folder has it. */
SB_MUST_CHECK sb_err sb_path_rename(const struct sb_file *from_dir, const char *from,
                                    const struct sb_file *to_dir, const char *to,
                                    struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_path_unlink(const struct sb_file *dir, const char *name,
                                    struct sb_errctx *ctx);
/* Of the name itself. */
SB_MUST_CHECK sb_err sb_path_stat(const struct sb_file *dir, const char *name,
                                  struct sb_file_stat *out, struct sb_errctx *ctx);
/* As sb_dir_list, of a folder that is open. */
SB_MUST_CHECK sb_err sb_path_list(const struct sb_file *dir, struct sb_dir_names *out,
                                  struct sb_errctx *ctx);
/* Makes changes of names in the folder durable. */
SB_MUST_CHECK sb_err sb_path_sync(const struct sb_file *dir, struct sb_errctx *ctx);

#endif
