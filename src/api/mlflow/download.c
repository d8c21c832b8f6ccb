/* Artifact downloads and removals. A file is read in pieces on the pool "files", each written to
 * the connection before the next is read, so that a transfer holds one piece whatever its size. A
 * part of a file (Range) and "not changed" (If-None-Match) are answered as RFC 9110 has them; the
 * bytes are never recoded, so that ranges of one entity tag fit together. */
#include "api/mlflow/mlflow_int.h"
#include "api/mlflow/range.h"
#include "base/mem.h"
#include "domain/artifact/path.h"

struct transfer {
    struct sb_job job;
    struct call *call;
    const struct sb_artifact_ops *ops;
    void *reader; /* NULL once closed */
    char *piece;
    size_t got;
    int64_t left; /* bytes still to be read */
    struct sb_artifact_info info;
    struct sb_str tag; /* with its quotes */
    enum range_kind range;
    int64_t begin, end; /* what is asked for of the file */
    bool same;          /* the client has it already */
    struct sb_str path;
    sb_err err;
    bool busy, cancel;
};

/* ---- what is asked for: one function per route, on a pool thread ---- */

sb_err artifact_path(struct call *c, struct sb_str root_uri, struct sb_str path,
                     struct sb_str *out) {
    struct sb_str root, clean;
    sb_err err = sb_artifact_path_of_uri(root_uri, &c->arena, &root, &c->ctx);
    if (!err) err = sb_artifact_path_clean(path, &c->arena, &clean, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    *out = sb_artifact_path_join(&c->arena, root, clean);
    return SB_OK;
}

static sb_err query_required(struct call *c, const char *name, struct sb_str *out) {
    return sb_http_query_get(c->req, name, out) && out->n ? SB_OK : call_missing(c, name);
}

static sb_err find_by_path(struct call *c, struct sb_str *out) {
    sb_err err = sb_artifact_path_clean(c->req->params[0], &c->arena, out, &c->ctx);
    return err ? call_fail_ctx(c, err) : SB_OK;
}

static sb_err find_of_run(struct call *c, struct sb_str *out) {
    struct sb_str run, path;
    struct sb_run_info info;
    if (!sb_http_query_get(c->req, "run_id", &run)) SB_TRY(query_required(c, "run_uuid", &run));
    SB_TRY(query_required(c, "path", &path));
    SB_TRY(sb_registry_run_info(&c->reg, run, &info));
    return artifact_path(c, info.artifact_uri, path, out);
}

static sb_err find_of_version(struct call *c, struct sb_str *out) {
    struct sb_str name, version, path, uri;
    SB_TRY(query_required(c, "name", &name));
    SB_TRY(query_required(c, "version", &version));
    SB_TRY(query_required(c, "path", &path));
    SB_TRY(sb_registry_version_download_uri(&c->reg, name, version, &uri));
    return artifact_path(c, uri, path, out);
}

static sb_err find_of_model(struct call *c, struct sb_str *out) {
    struct sb_str path;
    struct sb_logged_model m;
    SB_TRY(query_required(c, "artifact_file_path", &path));
    SB_TRY(sb_registry_logged_model_get(&c->reg, c->req->params[0], false, &m));
    return artifact_path(c, m.artifact_uri, path, out);
}

static sb_err find(struct call *c, struct sb_str *out) {
    sb_http_handler *h = c->req->route->handler;
    if (h == handle_run_artifact) return find_of_run(c, out);
    if (h == handle_version_artifact) return find_of_version(c, out);
    if (h == handle_model_artifact) return find_of_model(c, out);
    return find_by_path(c, out);
}

/* ---- reading ---- */

static void close_reader(struct transfer *t) {
    if (t->reader) t->ops->close(t->reader);
    t->reader = NULL;
}

static void read_piece(struct transfer *t) {
    size_t want = t->left < SB_ARTIFACT_PIECE ? (size_t)t->left : SB_ARTIFACT_PIECE;
    t->err = t->ops->read(t->reader, t->piece, want, &t->got, &t->call->ctx);
    if (!t->err && t->got < want) t->err = SB_E_CORRUPT; /* cut while it was read */
    t->left -= (int64_t)t->got;
    if (t->err || !t->left) close_reader(t);
}

static void read_work(struct sb_job *j) {
    struct transfer *t = SB_CONTAINER(j, struct transfer, job);
    if (t->cancel)
        close_reader(t);
    else
        read_piece(t);
}

static bool names_tag(struct sb_str list, struct sb_str tag) {
    struct sb_str item;
    while (sb_str_split(&list, ',', &item)) {
        item = sb_str_trim(item);
        if (sb_str_starts(item, SB_STR("W/"))) item = sb_str_sub(item, 2, item.n);
        if (sb_str_is(item, "*") || sb_str_eq(item, tag)) return true;
    }
    return false;
}

/* What of the file is to be sent. If-Range with anything but our tag asks for the whole file. */
static void choose_bytes(struct transfer *t) {
    const struct sb_http_req *r = t->call->req;
    struct sb_str if_range = sb_http_get_header(r, "If-Range");
    t->tag = sb_str_of(sb_arena_printf(&t->call->arena, "\"%s\"", t->info.etag));
    t->same = names_tag(sb_http_get_header(r, "If-None-Match"), t->tag);
    t->end = t->info.size;
    if (r->method == SB_HTTP_GET && (!if_range.p || sb_str_eq(sb_str_trim(if_range), t->tag)))
        t->range = range_parse(sb_http_get_header(r, "Range"), t->info.size, &t->begin, &t->end);
}

static void open_work(struct sb_job *j) {
    struct transfer *t = SB_CONTAINER(j, struct transfer, job);
    struct call *c = t->call;
    t->err = find(c, &t->path);
    if (t->err) return;
    t->err = t->ops->open(c->api->files.self, t->path, &t->reader, &t->info, &c->ctx);
    if (t->err) {
        call_fail_ctx(c, t->err);
        return;
    }
    choose_bytes(t);
    t->left = t->end - t->begin;
    if (t->same || t->range == RANGE_UNSATISFIABLE || c->req->method == SB_HTTP_HEAD) {
        close_reader(t);
        return;
    }
    t->ops->seek(t->reader, t->begin);
    t->piece = sb_alloc(t->left < SB_ARTIFACT_PIECE ? (size_t)t->left + 1 : SB_ARTIFACT_PIECE);
    read_piece(t);
    if (t->err) call_fail_ctx(c, t->err);
}

static void transfer_end(struct transfer *t) {
    sb_free(t->piece);
    call_done(t->call); /* the transfer itself is in the call's arena */
}

static void stream_finish(struct transfer *t, bool ok) {
    struct sb_http_req *r = t->call->req;
    transfer_end(t);
    sb_http_stream_end(r, ok);
}

static void next_piece(struct transfer *t) {
    t->busy = true;
    if (sb_pool_submit(t->call->api->transfers, &t->job)) {
        close_reader(t);
        stream_finish(t, false);
    }
}

static void send_piece(struct transfer *t) {
    sb_err err = sb_http_stream_write(t->call->req, t->piece, t->got);
    if (!t->reader) {
        stream_finish(t, err != SB_E_CLOSED);
    } else if (err == SB_E_CLOSED) {
        t->cancel = true;
        next_piece(t);
    } else if (err == SB_OK) {
        next_piece(t);
    } /* SB_E_BUSY: on_drain goes on */
}

static void read_done(struct sb_job *j) {
    struct transfer *t = SB_CONTAINER(j, struct transfer, job);
    t->busy = false;
    if (t->cancel || t->err)
        stream_finish(t, false);
    else
        send_piece(t);
}

static void on_drain(struct sb_http_req *r) {
    struct transfer *t = r->user;
    if (!t->busy && t->reader) next_piece(t);
}

/* ---- headers ---- */

static const char *content_type(struct sb_str name) {
    /* mlflow/utils/mime_type_utils.py: these are shown as text */
    static const char *const text[] = {
        "txt",  "log", "err",  "cfg",        "conf",  "cnf",     "cf",       "ini", "prop",
        "yaml", "yml", "xml",  "json",       "js",    "py",      "py3",      "csv", "tsv",
        "md",   "rst", "toml", "properties", "hocon", "MLmodel", "MLproject"};
    static const char *const other[][2] = {
        {"html", "text/html"},      {"htm", "text/html"},       {"css", "text/css"},
        {"png", "image/png"},       {"jpg", "image/jpeg"},      {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},       {"svg", "image/svg+xml"},   {"webp", "image/webp"},
        {"pdf", "application/pdf"}, {"zip", "application/zip"}, {"tar", "application/x-tar"},
        {"gz", "application/gzip"}, {"mp4", "video/mp4"},       {"mp3", "audio/mpeg"},
        {"wav", "audio/x-wav"},
    };
    ptrdiff_t dot = sb_str_rfind(name, '.');
    struct sb_str ext = dot > 0 ? sb_str_sub(name, (size_t)dot + 1, name.n) : name;
    for (size_t i = 0; i < SB_COUNT(text); i++)
        if (sb_str_is(ext, text[i])) return "text/plain";
    for (size_t i = 0; i < SB_COUNT(other); i++)
        if (sb_str_is(ext, other[i][0])) return other[i][1];
    return "application/octet-stream";
}

static bool attr_char(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && strchr("!#$&+-.^_`|~", c));
}

static void add_range(struct transfer *t) {
    struct sb_http_req *r = t->call->req;
    const char *range;
    if (t->range == RANGE_UNSATISFIABLE)
        range = sb_arena_printf(&t->call->arena, "bytes */%lld", (long long)t->info.size);
    else
        range = sb_arena_printf(&t->call->arena, "bytes %lld-%lld/%lld", (long long)t->begin,
                                (long long)t->end - 1, (long long)t->info.size);
    sb_http_add_header(r, "Content-Range", sb_str_of(range));
}

/* Attachment always: a browser must not show an artifact as a page of this server. The name as
 * RFC 6266: a token, or an ASCII stand-in and the percent-encoded name. */
static void add_headers(struct sb_http_req *r, struct sb_str name) {
    struct sb_buf b;
    bool token = name.n > 0;
    for (size_t i = 0; i < name.n; i++) token = token && attr_char(name.p[i]);
    sb_buf_init(&b, 4096);
    if (token) {
        sb_buf_addf(&b, "attachment; filename=%.*s", SB_ARG(name));
    } else {
        SB_BUF_LIT(&b, "attachment; filename=\"");
        for (size_t i = 0; i < name.n; i++) {
            char c = name.p[i];
            sb_buf_addc(&b, c >= 32 && c < 127 && c != '"' && c != '\\' ? c : '_');
        }
        SB_BUF_LIT(&b, "\"; filename*=UTF-8''");
        for (size_t i = 0; i < name.n; i++) {
            if (attr_char(name.p[i]))
                sb_buf_addc(&b, name.p[i]);
            else
                sb_buf_addf(&b, "%%%02X", (unsigned char)name.p[i]);
        }
    }
    sb_http_add_header(r, "Content-Disposition", sb_buf_view(&b));
    sb_http_add_header(r, "X-Content-Type-Options", SB_STR("nosniff"));
    sb_buf_fini(&b);
}

static void open_done(struct sb_job *j) {
    struct transfer *t = SB_CONTAINER(j, struct transfer, job);
    struct sb_http_req *r = t->call->req;
    if (t->err) {
        reply_error(r, t->call->reg.error.code, t->call->reg.error.message);
        transfer_end(t);
        return;
    }
    struct sb_str name = sb_artifact_path_base(t->path);
    sb_http_add_header(r, "ETag", t->tag);
    sb_http_add_header(r, "Accept-Ranges", SB_STR("bytes"));
    if (!t->same && t->range != RANGE_NONE) add_range(t);
    if (t->same || t->range == RANGE_UNSATISFIABLE) {
        if (t->same)
            sb_http_reply(r, 304, NULL, SB_STR(""));
        else
            sb_http_reply(r, 416, "text/plain", SB_STR("The range is beyond the file."));
        transfer_end(t);
        return;
    }
    add_headers(r, name);
    t->job.work = read_work;
    t->job.done = read_done;
    t->busy = false;
    r->user = t;
    r->on_drain = on_drain;
    sb_http_stream_begin(r, t->range == RANGE_SOME ? 206 : 200, content_type(name),
                         t->end - t->begin);
    if (r->method == SB_HTTP_HEAD)
        stream_finish(t, true);
    else
        send_piece(t);
}

static void download(struct sb_http_req *r) {
    struct call *c = call_new(r);
    struct transfer *t = sb_arena_zalloc(&c->arena, sizeof *t);
    t->call = c;
    t->ops = c->api->files.ops;
    t->job = (struct sb_job){.work = open_work, .done = open_done, .loop = r->loop};
    if (!sb_pool_submit(c->api->transfers, &t->job)) return;
    reply_error(r, SB_MLFLOW_TEMPORARILY_UNAVAILABLE, SB_STR("The server is too busy: try again."));
    transfer_end(t);
}

void handle_artifact_get(struct sb_http_req *r) {
    download(r);
}
void handle_run_artifact(struct sb_http_req *r) {
    download(r);
}
void handle_version_artifact(struct sb_http_req *r) {
    download(r);
}
void handle_model_artifact(struct sb_http_req *r) {
    download(r);
}

/* ---- removal ---- */

static void delete_work(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call, job);
    struct sb_str path;
    c->err = find_by_path(c, &path);
    if (c->err) return;
    c->err = c->api->files.ops->remove(c->api->files.self, path, &c->ctx);
    if (c->err) call_fail_ctx(c, c->err);
}

void handle_artifact_delete(struct sb_http_req *r) {
    struct call *c = call_new(r);
    call_submit(c, c->api->transfers, delete_work, call_done_empty);
}
