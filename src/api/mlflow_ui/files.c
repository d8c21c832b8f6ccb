/* The files of MLflow's pages, and the way to the dashboard's where there are none.
 *
 * A file is read whole and answered whole: the largest of a build has some megabytes. Its ETag is
 * of its bytes, so a browser that asks again gets 304 until another mlflow is installed. */
#include <stdio.h>

#include "api/mlflow/mlflow.h"
#include "api/mlflow_ui/mlflow_ui_int.h"
#include "base/mem.h"
#include "codec/crc32c.h"
#include "codec/mime.h"

enum { FILE_MAX = 64 << 20 };

/* Four weeks, as MLflow's server says: the names of the files change with their bytes. */
#define CACHE_STATIC "public, max-age=2419200"
#define CACHE_INDEX  "no-cache"

/* MLflow's pages evaluate templates of their charts, and show a run's HTML artifacts in sandboxed
 * frames that inherit this, so scripts are not restricted; what leaves the browser is. */
#define MLFLOW_CSP                                                                                 \
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "     \
    "frame-ancestors 'self'"

struct reading {
    struct sb_job job;
    struct sb_http_req *req;
    struct sb_mlflow_ui *ui;
    const char *path; /* below the build's folder */
    bool index, elsewhere;
    char *bytes;
    size_t n;
    sb_err err;
};

/* ---- on the pool ---- */

static sb_err read_open(struct reading *d, const struct sb_file *f) {
    int64_t size;
    SB_TRY(sb_file_size(f, &size, NULL));
    if (size > FILE_MAX) return SB_E_LIMIT;
    d->bytes = sb_try_alloc((size_t)size + 1);
    if (!d->bytes) return SB_E_NOMEM;
    return sb_file_pread(f, d->bytes, (size_t)size, 0, &d->n, NULL); /* a folder cannot be read */
}

static void read_work(struct sb_job *j) {
    struct reading *d = SB_CONTAINER(j, struct reading, job);
    struct sb_file f;
    if (d->ui->dir.fd < 0) {
        d->elsewhere = d->index;
        d->err = d->elsewhere ? SB_OK : SB_E_MISSING;
        return;
    }
    d->err = sb_file_open_beneath(&f, &d->ui->dir, d->path, SB_OPEN_READ, NULL);
    if (d->err) return;
    d->err = read_open(d, &f);
    sb_file_close(&f);
}

/* ---- on the loop ---- */

static void not_found(struct sb_http_req *r) {
    struct sb_buf b;
    sb_buf_init(&b, 4096);
    sb_mlflow_error_body(&b, 404, "there is no such file");
    sb_http_reply(r, 404, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

static void reply_file(struct sb_http_req *r, const char *name, bool index, struct sb_str bytes,
                       const char *csp) {
    char etag[40], type[80];
    const char *mime = sb_mime_of(sb_str_of(name));
    snprintf(etag, sizeof etag, "\"%08x-%zx\"", sb_crc32c(0, bytes.p, bytes.n), bytes.n);
    snprintf(type, sizeof type, "%s%s", mime,
             strncmp(mime, "text/", 5) == 0 ? "; charset=utf-8" : "");
    sb_http_add_header(r, "ETag", sb_str_of(etag));
    sb_http_add_header(r, "Cache-Control", sb_str_of(index ? CACHE_INDEX : CACHE_STATIC));
    sb_http_add_header(r, "X-Content-Type-Options", SB_STR("nosniff"));
    sb_http_add_header(r, "X-Frame-Options", SB_STR("SAMEORIGIN"));
    sb_http_add_header(r, "Referrer-Policy", SB_STR("same-origin"));
    if (csp) sb_http_add_header(r, "Content-Security-Policy", sb_str_of(csp));
    if (sb_http_is_known(r, etag))
        sb_http_reply(r, 304, type, (struct sb_str){0});
    else
        sb_http_reply(r, 200, type, bytes);
}

static void reply_elsewhere(struct sb_http_req *r, const char *url) {
    sb_http_add_header(r, "Location", sb_str_of(url));
    sb_http_reply(r, 302, "text/plain; charset=utf-8",
                  SB_STR("The pages are on the dashboard's port.\n"));
}

static void read_done(struct sb_job *j) {
    struct reading *d = SB_CONTAINER(j, struct reading, job);
    bool html = d->index || sb_str_ends(sb_str_of(d->path), SB_STR(".html"));
    if (d->err)
        not_found(d->req);
    else if (d->elsewhere)
        reply_elsewhere(d->req, d->ui->models_url);
    else
        reply_file(d->req, d->path, d->index, sb_str_make(d->bytes, d->n),
                   html ? MLFLOW_CSP : NULL);
    sb_free(d->bytes);
    sb_free(d);
}

static void serve(struct sb_http_req *r, const char *path, bool index) {
    struct reading *d = sb_calloc(1, sizeof *d);
    struct sb_buf b;
    d->req = r;
    d->ui = sb_mlflow_api_user(r->app);
    d->path = path;
    d->index = index;
    d->job = (struct sb_job){.work = read_work, .done = read_done, .loop = r->loop};
    if (!sb_pool_submit(d->ui->pool, &d->job)) return;
    sb_free(d);
    sb_buf_init(&b, 4096);
    sb_mlflow_error_body(&b, 503, "too busy, try again");
    sb_http_add_header(r, "Retry-After", SB_STR("1"));
    sb_http_reply(r, 503, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

void handle_index(struct sb_http_req *r) {
    serve(r, "index.html", true);
}

void handle_static(struct sb_http_req *r) {
    struct sb_str path = r->params[0];
    if (!path.n || memchr(path.p, 0, path.n)) {
        not_found(r);
        return;
    }
    serve(r, sb_arena_printf(r->arena, "%.*s", SB_ARG(path)), false);
}
