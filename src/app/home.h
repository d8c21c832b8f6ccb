/* The program's own files that are not in the binary: python/ and share/. */
#ifndef SB_APP_HOME_H
#define SB_APP_HOME_H

#include "app/config.h"

/* Path of a file like "python/sibyl_worker.py": below the setting `home`, else beside the binary
 * (build/release/sibyl of a source tree, or PREFIX/bin/sibyl with PREFIX/share/sibyl). Falls back
 * to the first of these places, so that the failure to open it names a path. */
const char *sb_home_path(struct sb_arena *a, const struct sb_config *c, const char *file);

#endif
