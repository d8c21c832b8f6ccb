/* Byte streams to child processes: one end of a socket pair whose other end the child has.
 *
 * SIGPIPE must be ignored in the process. Thread rule: the loop's own thread. */
#ifndef SB_LOOP_PIPE_H
#define SB_LOOP_PIPE_H

#include "base/str.h"
#include "loop/loop.h"

struct sb_pipe;

/* bytes is valid during the call; bytes.p == NULL: the other side has closed (or the pipe broke),
 * nothing follows. Closing the pipe in it is fine. */
typedef void sb_pipe_read_fn(struct sb_pipe *p, void *arg, struct sb_str bytes);

/* Passed to sb_proc_spawn, which connects it; reading starts then. */
SB_MUST_CHECK sb_err sb_pipe_new(struct sb_pipe **out, struct sb_loop *l, sb_pipe_read_fn *on_read,
                                 void *arg);
/* Takes over bytes (sb_free). A broken pipe is told by on_read; bytes are dropped then. */
void sb_pipe_write(struct sb_pipe *p, char *bytes, size_t n);
/* Bytes taken by write and not yet by the kernel. */
size_t sb_pipe_unsent(const struct sb_pipe *p);
/* No callback follows; memory is freed when the loop lets go of it. NULL is fine. */
void sb_pipe_close(struct sb_pipe *p);

#endif
