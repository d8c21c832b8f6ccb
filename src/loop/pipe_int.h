/* The inside of a pipe, for loop/proc.c. */
#ifndef SB_LOOP_PIPE_INT_H
#define SB_LOOP_PIPE_INT_H

#include <uv.h>

#include "loop/pipe.h"

struct sb_pipe {
    uv_pipe_t uv;
    struct sb_loop *loop;
    sb_pipe_read_fn *on_read;
    void *arg;
    char *buf;
    bool closed;
};

sb_err sb_pipe_start(struct sb_pipe *p);

#endif
