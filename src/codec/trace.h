/* The traceparent header of W3C Trace Context (https://www.w3.org/TR/trace-context/ §3.2):
 * version-trace-parent-flags in lower-case hex,
 * "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01". */
#ifndef SB_CODEC_TRACE_H
#define SB_CODEC_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { SB_TRACEPARENT = 55 }; /* bytes of version 00 */

/* A span of our own (span is not 0) in the caller's trace: to gets version 00 with the caller's
 * trace and flags, *parent the caller's span, a view of in. False, and nothing is written, when in
 * is malformed or of the forbidden version ff; later versions are read as far as 00 goes. */
bool sb_traceparent_continue(struct sb_str in, uint64_t span, char to[SB_TRACEPARENT],
                             struct sb_str *parent);

#endif
