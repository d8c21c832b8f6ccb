/* Artifact uploads, of whole files and of parts. Bytes gather in one buffer on the loop while the
 * pool "files" writes another; when the first is full too, the connection is not read until the
 * pool is done. So an upload holds two pieces whatever its size.
 *
 * An upload that cannot succeed (a refused path, a full disk) is read to its end before the error
 * is answered: clients send the whole body first and would see a broken connection instead. */
#include "api/mlflow/mlflow_int.h"
#include "base/mem.h"
#include "domain/artifact/path.h"

struct upload {
    struct sb_job job;
    struct call *call;
    const struct sb_artifact_ops *ops;
    void *writer; /* NULL before the first piece and after the last */
    struct sb_str path;
    int64_t part; /* of an upload in parts; 0 = a whole file */
    char etag[SB_ARTIFACT_ETAG_MAX];
    struct sb_buf fill, out; /* the loop's, the pool's */
    sb_err err;              /* of writing */
    sb_err end_err;          /* how the body ended */
    bool ended, last, busy, paused;
};

static sb_err open_writer(struct upload *u) {
    struct call *c = u->call;
    void *store = c->api->files.self;
    if (!u->part) return u->ops->create(store, u->path, &u->writer, &c->ctx);
    return u->ops->part_create(store, c->req->params[0], u->part, c->req->content_length,
                               &u->writer, &c->ctx);
}

static void upload_work(struct sb_job *j) {
    struct upload *u = SB_CONTAINER(j, struct upload, job);
    struct call *c = u->call;
    if (!u->err && !u->writer) u->err = open_writer(u);
    if (!u->err && u->out.n) u->err = u->ops->write(u->writer, u->out.p, u->out.n, &c->ctx);
    if (!u->writer) return;
    if (u->err || (u->last && u->end_err)) {
        u->ops->abort(u->writer);
        u->writer = NULL;
    } else if (u->last) {
        u->err = u->ops->commit(u->writer, u->etag, &c->ctx);
        u->writer = NULL;
    }
}

static void upload_reply(struct upload *u) {
    struct call *c = u->call;
    struct sb_http_req *r = c->req;
    if (u->err) {
        if (!c->reg.error.message.p) call_fail_ctx(c, u->err);
        reply_error(r, c->reg.error.code, c->reg.error.message);
    } else if (u->end_err) {
        reply_error(r, SB_MLFLOW_BAD_REQUEST, SB_STR("The body did not come whole."));
    } else {
        if (u->etag[0])
            sb_http_add_header(r, "ETag", sb_str_of(sb_arena_printf(&c->arena, "\"%s\"", u->etag)));
        sb_http_reply(r, 200, NULL, SB_STR("{}"));
    }
    sb_buf_fini(&u->fill);
    sb_buf_fini(&u->out);
    call_done(c);
}

/* Gives what has gathered to the pool; nothing when it still works. */
static void upload_kick(struct upload *u) {
    if (u->busy) return;
    if (u->err) {
        sb_buf_reset(&u->fill);
        if (u->ended) upload_reply(u);
        return;
    }
    if (!u->ended && u->fill.n < SB_ARTIFACT_PIECE / 2) return;
    struct sb_buf full = u->fill;
    sb_buf_reset(&u->out);
    u->fill = u->out;
    u->out = full;
    u->last = u->ended;
    u->busy = true;
    sb_err err = sb_pool_submit(u->call->api->transfers, &u->job);
    if (!err) return;
    u->busy = false;
    u->err = err;
    if (u->writer) u->ops->abort(u->writer);
    u->writer = NULL;
    if (u->ended) upload_reply(u);
}

static void upload_done(struct sb_job *j) {
    struct upload *u = SB_CONTAINER(j, struct upload, job);
    u->busy = false;
    if (u->last) {
        upload_reply(u);
        return;
    }
    bool resume = u->paused;
    u->paused = false;
    struct sb_http_req *r = u->call->req;
    upload_kick(u);
    if (resume && !u->ended) sb_http_body_resume(r);
}

static void on_body(struct sb_http_req *r, const char *p, size_t n) {
    struct upload *u = r->user;
    if (u->busy || !u->err) sb_buf_add(&u->fill, p, n); /* err is the pool's while it is busy */
    upload_kick(u);
    if (u->busy && u->fill.n >= SB_ARTIFACT_PIECE && !u->paused) {
        u->paused = true;
        sb_http_body_pause(r);
    }
}

static void on_end(struct sb_http_req *r, sb_err err) {
    struct upload *u = r->user;
    u->ended = true;
    u->end_err = err ? err : sb_buf_err(&u->fill);
    upload_kick(u);
}

static struct upload *upload_new(struct sb_http_req *r) {
    struct call *c = call_new(r);
    struct upload *u = sb_arena_zalloc(&c->arena, sizeof *u);
    u->call = c;
    u->ops = c->api->files.ops;
    u->job = (struct sb_job){.work = upload_work, .done = upload_done, .loop = r->loop};
    sb_buf_init(&u->fill, 4 * SB_ARTIFACT_PIECE);
    sb_buf_init(&u->out, 4 * SB_ARTIFACT_PIECE);
    r->user = u;
    r->on_body = on_body;
    r->on_end = on_end;
    return u;
}

void handle_artifact_put(struct sb_http_req *r) {
    struct upload *u = upload_new(r);
    struct call *c = u->call;
    u->err = sb_artifact_path_clean(r->params[0], &c->arena, &u->path, &c->ctx);
    if (u->err) call_fail_ctx(c, u->err);
}

void handle_part_put(struct sb_http_req *r) {
    struct upload *u = upload_new(r);
    bool ok = sb_str_to_i64(r->params[1], &u->part) && u->part > 0 && r->content_length >= 0;
    if (ok) return;
    u->err = call_fail(u->call, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                       "A part needs its number, from 1, and a Content-Length.");
}

/* ---- small files of a run, from MLflow's own pages: the body comes whole ---- */

enum { RUN_UPLOAD_MAX = 10 << 20 };

static sb_err run_upload_path(struct call *c, struct sb_str *out) {
    struct sb_str run, path, clean;
    struct sb_run_info info;
    if (!sb_http_query_get(c->req, "run_uuid", &run) || !run.n)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE, "Request must specify run_uuid.");
    if (!sb_http_query_get(c->req, "path", &path) || !path.n)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE, "Request must specify path.");
    sb_err err = sb_artifact_path_clean(path, &c->arena, &clean, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    if (c->req->body.n > RUN_UPLOAD_MAX)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "Artifact size is too large. Max size is 10MB.");
    if (!c->req->body.n)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE, "Request must specify data.");
    SB_TRY(sb_registry_run_info(&c->reg, run, &info));
    return artifact_path(c, info.artifact_uri, clean, out);
}

static sb_err write_whole(struct call *c, struct sb_str path) {
    const struct sb_artifact_ops *ops = c->api->files.ops;
    char etag[SB_ARTIFACT_ETAG_MAX];
    void *writer;
    SB_TRY(ops->create(c->api->files.self, path, &writer, &c->ctx));
    sb_err err = ops->write(writer, c->req->body.p, c->req->body.n, &c->ctx);
    if (!err) return ops->commit(writer, etag, &c->ctx);
    ops->abort(writer);
    return err;
}

static void run_upload_work(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call, job);
    struct sb_str path;
    c->err = run_upload_path(c, &path);
    if (c->err) return;
    c->err = write_whole(c, path);
    if (c->err) call_fail_ctx(c, c->err);
}

void handle_run_upload(struct sb_http_req *r) {
    struct call *c = call_new(r);
    call_submit(c, c->api->transfers, run_upload_work, call_done_empty);
}
