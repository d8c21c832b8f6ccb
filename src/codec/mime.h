/* Content types by file name, as Python's mimetypes has them for what registries hold. */
#ifndef SB_CODEC_MIME_H
#define SB_CODEC_MIME_H

#include "base/str.h"

/* Of the last extension, case ignored; "application/octet-stream" when unknown. Constant string. */
const char *sb_mime_of(struct sb_str file_name);

#endif
