/* What an upload in parts keeps on disk, as text (docs/formats/artifacts.md). Pure functions. */
#ifndef SB_DOMAIN_ARTIFACT_PARTS_FORMAT_H
#define SB_DOMAIN_ARTIFACT_PARTS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { SB_PARTS_MARK = 48 }; /* room for a mark's name, and NUL */

struct sb_parts_mark {
    int64_t number; /* from 1 */
    int64_t size;
    uint32_t crc;
};
/* "12-989680-0badf00d"; false when name is anything else. */
bool sb_parts_mark_read(struct sb_str name, struct sb_parts_mark *out);
void sb_parts_mark_write(const struct sb_parts_mark *m, char to[SB_PARTS_MARK]);

/* The file `info`. path, not empty, is in the arena; parts is 1..SB_ARTIFACT_PARTS_MAX. */
bool sb_parts_info_read(struct sb_str text, struct sb_arena *arena, struct sb_str *path,
                        int64_t *parts);
void sb_parts_info_write(struct sb_buf *to, struct sb_str path, int64_t parts);

#endif
