/* What a power cut may leave of a run, from the trace of its storage calls.
 *
 * Of each file the bytes of its last sync are certain; of what was written since, any subset of
 * 512-byte sectors may have reached the disk, sizes may be old or new, and where a file grew
 * without a sync there may be zeros or garbage. Of each folder the names of its last sync are
 * certain; of later creations, renames and removals any may have got lost. */
#ifndef SB_TESTS_CRASH_MODEL_H
#define SB_TESTS_CRASH_MODEL_H

#include "base/random.h"
#include "sys/fault.h"

struct trace;

/* Records every storage call below `root` while the hook is set. */
struct trace *trace_new(const char *root);
void trace_free(struct trace *t);
const struct sb_sys_hook *trace_hook(struct trace *t);
/* An acknowledgement, at this point of the trace. Any thread. */
void trace_ack(struct trace *t, int64_t number, int64_t offset);

size_t trace_length(const struct trace *t);
/* The acknowledgements before position `end`, in order. */
void trace_acks(const struct trace *t, size_t end,
                void (*each)(void *self, int64_t number, int64_t offset), void *self);

/* Writes one possible state after a power cut at position `end` into folder `to` (emptied first).
 * Returns a hash of the state. */
uint64_t trace_state(const struct trace *t, size_t end, struct sb_rng *rng, const char *to);

#endif
