#include "loop/pipe.h"

#include "base/mem.h"
#include "loop/pipe_int.h"

enum { READ_SIZE = 64 << 10 };

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
    SB_UNUSED(suggested);
    struct sb_pipe *p = h->data;
    if (!p->buf) p->buf = sb_alloc(READ_SIZE);
    *buf = uv_buf_init(p->buf, READ_SIZE);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
    struct sb_pipe *p = s->data;
    if (n == 0) return;
    if (n < 0) {
        uv_read_stop(s);
        p->on_read(p, p->arg, (struct sb_str){0});
        return;
    }
    p->on_read(p, p->arg, sb_str_make(buf->base, (size_t)n));
}

sb_err sb_pipe_new(struct sb_pipe **out, struct sb_loop *l, sb_pipe_read_fn *fn, void *arg) {
    struct sb_pipe *p = sb_calloc(1, sizeof *p);
    if (uv_pipe_init(sb_loop_uv(l), &p->uv, 0) != 0) {
        sb_free(p);
        return SB_E_NOMEM;
    }
    p->uv.data = p;
    p->loop = l;
    p->on_read = fn;
    p->arg = arg;
    *out = p;
    return SB_OK;
}

sb_err sb_pipe_start(struct sb_pipe *p) {
    return uv_read_start((uv_stream_t *)&p->uv, on_alloc, on_read) == 0 ? SB_OK : SB_E_IO;
}

struct write_req {
    uv_write_t uv;
    char *bytes;
};

static void on_written(uv_write_t *req, int status) {
    SB_UNUSED(status);
    struct write_req *w = SB_CONTAINER(req, struct write_req, uv);
    sb_free(w->bytes);
    sb_free(w);
}

void sb_pipe_write(struct sb_pipe *p, char *bytes, size_t n) {
    uv_buf_t buf = uv_buf_init(bytes, 0);
    buf.len = n;
    struct write_req *w = sb_calloc(1, sizeof *w);
    w->bytes = bytes;
    if (p->closed || uv_write(&w->uv, (uv_stream_t *)&p->uv, &buf, 1, on_written) != 0)
        on_written(&w->uv, UV_EPIPE);
}

size_t sb_pipe_unsent(const struct sb_pipe *p) {
    return uv_stream_get_write_queue_size((const uv_stream_t *)&p->uv);
}

static void on_closed(uv_handle_t *h) {
    struct sb_pipe *p = h->data;
    sb_free(p->buf);
    sb_free(p);
}

void sb_pipe_close(struct sb_pipe *p) {
    if (!p || p->closed) return;
    p->closed = true;
    if (uv_is_closing((uv_handle_t *)&p->uv)) { /* the loop has ended and closed it */
        if (!sb_loop_running(p->loop)) on_closed((uv_handle_t *)&p->uv);
        return;
    }
    uv_close((uv_handle_t *)&p->uv, on_closed);
}
