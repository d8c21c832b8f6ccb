#include "flow/registry_client.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/sha256.h"
#include "codec/url.h"
#include "engine/fetch/fetch.h"
#include "sys/file.h"

/* What one version's folder may be. */
enum { FILES_MAX = 10000, DEPTH_MAX = 16, MODELS_MAX = 10000 };
static const int64_t BYTES_MAX = INT64_C(64) << 30;
static const int64_t FILE_TIMEOUT_NS = 3600 * SB_SEC;

struct sb_registry_client {
    struct sb_fetch *fetch;
    bool answered;
};

sb_err sb_registry_client_new(struct sb_registry_client **out, const char *url,
                              struct sb_errctx *ctx) {
    struct sb_fetch *fetch;
    SB_TRY(sb_fetch_new(&fetch, url, ctx));
    *out = sb_calloc(1, sizeof **out);
    (*out)->fetch = fetch;
    return SB_OK;
}

void sb_registry_client_free(struct sb_registry_client *c) {
    if (!c) return;
    sb_fetch_free(c->fetch);
    sb_free(c);
}

void sb_registry_client_stop(struct sb_registry_client *c) {
    sb_fetch_stop(c->fetch);
}

bool sb_registry_answered(const struct sb_registry_client *c) {
    return c->answered;
}

/* ---- calls ---- */

static sb_err call(struct sb_registry_client *c, const struct sb_fetch_request *req, int *status,
                   struct sb_buf *response, struct sb_errctx *ctx) {
    sb_err err = sb_fetch_call(c->fetch, req, status, response, ctx);
    c->answered = !err;
    return err;
}

/* The error that a registry's answer stands for: its own message where it has one. */
static sb_err remote_error(struct sb_registry_client *c, struct sb_arena *a, int status,
                           struct sb_str body, struct sb_errctx *ctx) {
    struct sb_json *o;
    struct sb_str message = SB_STR("no message");
    if (sb_json_parse(&o, body, a, NULL) == SB_OK) sb_json_get_str(o, "message", &message);
    sb_err code = status == 404 ? SB_E_MISSING : status >= 500 ? SB_E_UNAVAILABLE : SB_E_INVALID;
    return sb_fail(ctx, code, "registry %s answered %d: %.*s", sb_fetch_base_url(c->fetch), status,
                   SB_ARG(sb_str_sub(message, 0, 120)));
}

/* GET target as a JSON object in the arena. */
static sb_err get_json(struct sb_registry_client *c, struct sb_arena *a, const char *target,
                       int64_t timeout_ns, struct sb_json **out, struct sb_errctx *ctx) {
    struct sb_buf b;
    int status = 0;
    sb_buf_init(&b, 64 << 20);
    sb_err err = call(c,
                      &(struct sb_fetch_request){
                          .target = target, .timeout_ns = timeout_ns, .max_bytes = 64 << 20},
                      &status, &b, ctx);
    if (!err) {
        struct sb_str body = sb_arena_dup(a, sb_buf_view(&b));
        if (!body.p)
            err = sb_fail(ctx, SB_E_LIMIT, "answer too large: %s", target);
        else if (status != 200)
            err = remote_error(c, a, status, body, ctx);
        else
            err = sb_json_parse(out, body, a, ctx);
    }
    sb_buf_fini(&b);
    return err;
}

/* "path?a=1&b=2" with encoded values; NULL ends the pairs. */
static char *target_of(struct sb_arena *a, const char *path, const char *k1, struct sb_str v1,
                       const char *k2, struct sb_str v2) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    sb_buf_addz(&b, path);
    if (k1) {
        sb_buf_addf(&b, "?%s=", k1);
        sb_url_encode(&b, v1);
    }
    if (k2) {
        sb_buf_addf(&b, "&%s=", k2);
        sb_url_encode(&b, v2);
    }
    struct sb_str copy = sb_arena_dup(a, sb_str_of(sb_buf_cstr(&b)));
    sb_buf_fini(&b);
    return (char *)(uintptr_t)copy.p;
}

static struct sb_str tag_of(const struct sb_json *o, const char *key) {
    const struct sb_json *tags = sb_json_get(o, "tags");
    struct sb_str k = {0}, v = {0};
    for (const struct sb_json *t = tags ? tags->child : NULL; t; t = t->next)
        if (sb_json_get_str(t, "key", &k) && sb_str_is(k, key) && sb_json_get_str(t, "value", &v))
            return v;
    return v;
}

static void read_version(const struct sb_json *o, struct sb_remote_version *v) {
    *v = (struct sb_remote_version){0};
    sb_json_get_str(o, "version", &v->version);
    sb_json_get_str(o, "current_stage", &v->stage);
    sb_json_get_str(o, "status", &v->status);
    sb_json_get_str(o, "run_id", &v->run_id);
    sb_json_get_str(o, "model_id", &v->model_id);
    sb_json_get_str(o, "source", &v->source);
    sb_json_get_i64(o, "creation_timestamp", &v->created_ms);
    v->privacy = tag_of(o, "sibyl.privacy");
}

static void read_model(const struct sb_json *o, struct sb_arena *a, struct sb_remote_model *m) {
    *m = (struct sb_remote_model){0};
    sb_json_get_str(o, "name", &m->name);
    sb_json_get_i64(o, "creation_timestamp", &m->created_ms);
    sb_json_get_i64(o, "last_updated_timestamp", &m->updated_ms);
    m->environment = tag_of(o, "sibyl.environment");
    m->privacy = tag_of(o, "sibyl.privacy");
    const struct sb_json *latest = sb_json_get(o, "latest_versions");
    const struct sb_json *aliases = sb_json_get(o, "aliases");
    if (latest && latest->n) {
        m->latest = sb_arena_alloc(a, latest->n * sizeof *m->latest);
        for (struct sb_json *v = latest->child; v; v = v->next)
            read_version(v, &m->latest[m->nlatest++]);
    }
    if (aliases && aliases->n) {
        m->aliases = sb_arena_alloc(a, aliases->n * sizeof *m->aliases);
        for (struct sb_json *v = aliases->child; v; v = v->next) {
            struct sb_remote_alias *to = &m->aliases[m->naliases++];
            *to = (struct sb_remote_alias){0};
            sb_json_get_str(v, "alias", &to->alias);
            sb_json_get_str(v, "version", &to->version);
        }
    }
}

sb_err sb_registry_models(struct sb_registry_client *c, struct sb_arena *a,
                          struct sb_remote_model **out, size_t *n, struct sb_errctx *ctx) {
    struct sb_remote_model *models = sb_arena_alloc(a, MODELS_MAX * sizeof *models);
    struct sb_str page = {0};
    *n = 0;
    do {
        struct sb_json *o;
        SB_TRY(get_json(c, a,
                        target_of(a, "/api/2.0/mlflow/registered-models/search", "max_results",
                                  SB_STR("1000"), page.n ? "page_token" : NULL, page),
                        0, &o, ctx));
        const struct sb_json *list = sb_json_get(o, "registered_models");
        for (struct sb_json *m = list ? list->child : NULL; m; m = m->next) {
            if (*n == MODELS_MAX)
                return sb_fail(ctx, SB_E_LIMIT, "more than %d registered models", MODELS_MAX);
            read_model(m, a, &models[*n]);
            if (models[*n].name.n) (*n)++;
        }
        page = (struct sb_str){0};
        sb_json_get_str(o, "next_page_token", &page);
    } while (page.n);
    *out = models;
    return SB_OK;
}

sb_err sb_registry_version(struct sb_registry_client *c, struct sb_arena *a, struct sb_str name,
                           struct sb_str version, struct sb_remote_version *out,
                           struct sb_errctx *ctx) {
    struct sb_json *o;
    SB_TRY(get_json(
        c, a, target_of(a, "/api/2.0/mlflow/model-versions/get", "name", name, "version", version),
        0, &o, ctx));
    const struct sb_json *v = sb_json_get(o, "model_version");
    if (!v) return sb_fail(ctx, SB_E_INVALID, "registry: an answer without model_version");
    read_version(v, out);
    return SB_OK;
}

/* A filter's string literal. The grammar has no escapes: NULL when the name has both quotes. */
static char *name_filter(struct sb_arena *a, struct sb_str name) {
    char q = sb_str_find(name, '\'') < 0 ? '\'' : '"';
    if (sb_str_find(name, q) >= 0) return NULL;
    return sb_arena_printf(a, "name=%c%.*s%c", q, SB_ARG(name), q);
}

sb_err sb_registry_versions(struct sb_registry_client *c, struct sb_arena *a,
                            const struct sb_remote_model *m, struct sb_remote_version **out,
                            size_t *n, struct sb_errctx *ctx) {
    struct sb_json *o;
    char *filter = name_filter(a, m->name);
    if (!filter) {
        *out = m->latest;
        *n = m->nlatest;
        return SB_OK;
    }
    SB_TRY(get_json(c, a,
                    target_of(a,
                              "/api/2.0/mlflow/model-versions/"
                              "search?max_results=100&order_by=version_number%20DESC",
                              NULL, (struct sb_str){0}, "filter", sb_str_of(filter)),
                    0, &o, ctx));
    const struct sb_json *list = sb_json_get(o, "model_versions");
    *n = 0;
    *out = sb_arena_alloc(a, (list ? list->n : 0) * sizeof **out);
    for (struct sb_json *v = list ? list->child : NULL; v; v = v->next)
        read_version(v, &(*out)[(*n)++]);
    return SB_OK;
}

sb_err sb_registry_wait(struct sb_registry_client *c, int64_t *since, int64_t wait_ns,
                        bool *changed, struct sb_errctx *ctx) {
    struct sb_arena a;
    sb_arena_init(&a, 1 << 20);
    struct sb_json *o;
    char *target = sb_arena_printf(&a, "/api/sibyl/1/changes?since=%lld&timeout_ms=%lld",
                                   (long long)*since, (long long)(wait_ns / SB_MS));
    int64_t next = *since;
    sb_err err = get_json(c, &a, target, wait_ns + 5 * SB_SEC, &o, ctx);
    if (!err && !sb_json_get_i64(o, "next", &next))
        err = sb_fail(ctx, SB_E_INVALID, "registry: an answer to /changes without next");
    if (!err) {
        *changed = next != *since;
        *since = next;
    }
    sb_arena_fini(&a);
    return err == SB_E_MISSING || err == SB_E_INVALID ? SB_E_UNSUPPORTED : err;
}

/* ---- download ---- */

struct remote_file {
    char *path; /* relative to the version's folder */
    int64_t size;
    char sha256[65];
};

struct download {
    struct sb_registry_client *c;
    struct sb_arena *a;
    struct sb_errctx *ctx;
    struct sb_str
        root; /* artifact path of the folder on the registry's proxy, without slashes at ends */
    const char *dir;
    struct remote_file *files;
    size_t n;
    int64_t bytes;
};

/* One name of a listing: becomes a file name here. */
static bool safe_name(struct sb_str s) {
    if (!s.n || s.n > 255 || sb_str_is(s, ".") || sb_str_is(s, "..")) return false;
    return sb_str_find(s, '/') < 0 && !memchr(s.p, 0, s.n);
}

static sb_err list_folder(struct download *d, const char *rel, int depth) {
    if (depth > DEPTH_MAX)
        return sb_fail(d->ctx, SB_E_LIMIT, "%s: folders nested over %d deep", rel, DEPTH_MAX);
    struct sb_json *o;
    char *path = sb_arena_printf(d->a, "%.*s%s%s", SB_ARG(d->root), rel[0] ? "/" : "", rel);
    SB_TRY(get_json(d->c, d->a,
                    target_of(d->a, "/api/2.0/mlflow-artifacts/artifacts", "path", sb_str_of(path),
                              NULL, (struct sb_str){0}),
                    0, &o, d->ctx));
    const struct sb_json *files = sb_json_get(o, "files");
    for (struct sb_json *f = files ? files->child : NULL; f; f = f->next) {
        struct sb_str name = {0};
        bool is_dir = false;
        int64_t size = 0;
        sb_json_get_str(f, "path", &name);
        sb_json_get_bool(f, "is_dir", &is_dir);
        sb_json_get_i64(f, "file_size", &size);
        if (!safe_name(name))
            return sb_fail(d->ctx, SB_E_DENIED, "artifact name %.*s is refused", SB_ARG(name));
        char *child = sb_arena_printf(d->a, "%s%s%.*s", rel, rel[0] ? "/" : "", SB_ARG(name));
        if (is_dir) {
            SB_TRY(list_folder(d, child, depth + 1));
            continue;
        }
        if (d->n == FILES_MAX)
            return sb_fail(d->ctx, SB_E_LIMIT, "more than %d files in one model", FILES_MAX);
        d->files[d->n++] = (struct remote_file){.path = child, .size = size};
    }
    return SB_OK;
}

struct sink {
    struct sb_file file;
    struct sb_sha256 hash;
    int64_t off;
    struct download *d;
};

static sb_err on_piece(void *arg, const char *p, size_t n) {
    struct sink *s = arg;
    s->d->bytes += (int64_t)n;
    if (s->d->bytes > BYTES_MAX)
        return sb_fail(s->d->ctx, SB_E_LIMIT, "the model is larger than %lld bytes",
                       (long long)BYTES_MAX);
    SB_TRY(sb_file_pwrite(&s->file, p, n, s->off, s->d->ctx));
    sb_sha256_add(&s->hash, p, n);
    s->off += (int64_t)n;
    return SB_OK;
}

/* Path segments encoded one by one, slashes kept. */
static char *artifact_target(struct download *d, const char *rel) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    sb_buf_addz(&b, "/api/2.0/mlflow-artifacts/artifacts");
    char *whole = sb_arena_printf(d->a, "%.*s/%s", SB_ARG(d->root), rel);
    sb_buf_addc(&b, '/');
    sb_url_encode_path(&b, sb_str_of(whole));
    char *target = sb_arena_printf(d->a, "%s", sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return target;
}

static sb_err make_parent(struct download *d, const char *path) {
    struct sb_str s = sb_str_of(path);
    ptrdiff_t slash = sb_str_rfind(s, '/');
    char *parent = sb_arena_printf(d->a, "%.*s", (int)slash, path);
    return sb_dir_make_all(parent, d->ctx);
}

static sb_err fetch_file(struct download *d, struct remote_file *f) {
    struct sink s = {.d = d};
    char *path = sb_arena_printf(d->a, "%s/%s", d->dir, f->path);
    SB_TRY(make_parent(d, path));
    SB_TRY(sb_file_open(&s.file, path, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_EXCL, d->ctx));
    sb_sha256_init(&s.hash);
    int status = 0;
    struct sb_buf error;
    sb_buf_init(&error, 1 << 20);
    sb_err err = call(d->c,
                      &(struct sb_fetch_request){.target = artifact_target(d, f->path),
                                                 .timeout_ns = FILE_TIMEOUT_NS,
                                                 .max_bytes = SIZE_MAX,
                                                 .sink = on_piece,
                                                 .sink_arg = &s},
                      &status, &error, d->ctx);
    if (!err && status != 200) err = remote_error(d->c, d->a, status, sb_buf_view(&error), d->ctx);
    if (!err) err = sb_file_sync(&s.file, d->ctx);
    sb_sha256_hex(&s.hash, f->sha256);
    f->size = s.off;
    sb_file_close(&s.file);
    sb_buf_fini(&error);
    return err;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct remote_file *)a)->path, ((const struct remote_file *)b)->path);
}

/* Digest of the whole folder, independent of the order the registry lists it in. */
static struct sb_str digest(struct download *d) {
    struct sb_sha256 h;
    qsort(d->files, d->n, sizeof *d->files, by_path);
    sb_sha256_init(&h);
    for (size_t i = 0; i < d->n; i++) {
        char *line = sb_arena_printf(d->a, "%s %lld %s\n", d->files[i].path,
                                     (long long)d->files[i].size, d->files[i].sha256);
        sb_sha256_add(&h, line, strlen(line));
    }
    char *hex = sb_arena_alloc(d->a, 65);
    sb_sha256_hex(&h, hex);
    return sb_str_make(hex, 64);
}

/* ---- what was downloaded before ---- */

static sb_err hash_file(struct remote_file *f, const char *path, struct sb_errctx *ctx) {
    struct sb_sha256 h;
    struct sb_file file;
    char piece[16384];
    SB_TRY(sb_file_open(&file, path, SB_OPEN_READ | SB_OPEN_NOFOLLOW, ctx));
    sb_sha256_init(&h);
    size_t got = sizeof piece;
    sb_err err = SB_OK;
    for (f->size = 0; !err && got == sizeof piece; f->size += (int64_t)got) {
        err = sb_file_pread(&file, piece, sizeof piece, f->size, &got, ctx);
        if (!err) sb_sha256_add(&h, piece, got);
    }
    sb_sha256_hex(&h, f->sha256);
    sb_file_close(&file);
    return err;
}

static sb_err hash_folder(struct download *d, const char *rel, int depth) {
    struct sb_dir_names names;
    if (depth > DEPTH_MAX) return sb_fail(d->ctx, SB_E_LIMIT, "%s: nested too deep", rel);
    SB_TRY(sb_dir_list(sb_arena_printf(d->a, "%s/%s", d->dir, rel), &names, d->ctx));
    sb_err err = SB_OK;
    for (size_t i = 0; !err && i < names.n; i++) {
        struct sb_file_stat st;
        char *child = sb_arena_printf(d->a, "%s%s%s", rel, rel[0] ? "/" : "", names.name[i]);
        char *path = sb_arena_printf(d->a, "%s/%s", d->dir, child);
        err = sb_file_stat(path, &st, d->ctx);
        if (!err && st.is_dir) {
            err = hash_folder(d, child, depth + 1);
        } else if (!err && d->n == FILES_MAX) {
            err = sb_fail(d->ctx, SB_E_LIMIT, "more than %d files in one model", FILES_MAX);
        } else if (!err) {
            d->files[d->n] = (struct remote_file){.path = child};
            err = hash_file(&d->files[d->n++], path, d->ctx);
        }
    }
    sb_dir_names_fini(&names);
    return err;
}

sb_err sb_registry_digest(struct sb_arena *a, const char *dir, struct sb_str *sha256,
                          struct sb_errctx *ctx) {
    struct download d = {.a = a, .ctx = ctx, .dir = dir};
    d.files = sb_arena_alloc(a, FILES_MAX * sizeof *d.files);
    SB_TRY(hash_folder(&d, "", 0));
    *sha256 = digest(&d);
    return SB_OK;
}

/* ---- download of a version ---- */

/* The path on the registry's artifact proxy that a version's URI stands for. */
static sb_err proxy_root(struct download *d, struct sb_str uri) {
    static const char *const marks[] = {"mlflow-artifacts:", "/api/2.0/mlflow-artifacts/artifacts"};
    struct sb_str rest = {0};
    if (sb_str_starts(uri, sb_str_of(marks[0]))) {
        rest = sb_str_sub(uri, strlen(marks[0]), uri.n);
        if (sb_str_starts(rest, SB_STR("//"))) { /* mlflow-artifacts://host:port/path */
            rest = sb_str_sub(rest, 2, rest.n);
            ptrdiff_t slash = sb_str_find(rest, '/');
            rest = slash < 0 ? (struct sb_str){"", 0} : sb_str_sub(rest, (size_t)slash, rest.n);
        }
    } else if (sb_str_starts(uri, SB_STR("http")) && sb_str_contains(uri, sb_str_of(marks[1]))) {
        const char *at = memmem(uri.p, uri.n, marks[1], strlen(marks[1]));
        rest = sb_str_sub(uri, (size_t)(at - uri.p) + strlen(marks[1]), uri.n);
    }
    if (!rest.p)
        return sb_fail(d->ctx, SB_E_UNSUPPORTED,
                       "artifacts at %.*s are not behind the registry's proxy: serve them with "
                       "`mlflow server --serve-artifacts`",
                       SB_ARG(uri));
    while (rest.n && rest.p[0] == '/') rest = sb_str_sub(rest, 1, rest.n);
    while (rest.n && rest.p[rest.n - 1] == '/') rest.n--;
    d->root = rest;
    return SB_OK;
}

sb_err sb_registry_download(struct sb_registry_client *c, struct sb_arena *a, struct sb_str name,
                            struct sb_str version, const char *dir, struct sb_str *sha256,
                            struct sb_errctx *ctx) {
    struct download d = {.c = c, .a = a, .ctx = ctx, .dir = dir};
    struct sb_json *o;
    struct sb_str uri = {0};
    SB_TRY(get_json(c, a,
                    target_of(a, "/api/2.0/mlflow/model-versions/get-download-uri", "name", name,
                              "version", version),
                    0, &o, ctx));
    sb_json_get_str(o, "artifact_uri", &uri);
    SB_TRY(proxy_root(&d, uri));
    d.files = sb_arena_alloc(a, FILES_MAX * sizeof *d.files);
    SB_TRY(list_folder(&d, "", 0));
    if (!d.n)
        return sb_fail(ctx, SB_E_MISSING, "version %.*s of %.*s has no artifacts at %.*s",
                       SB_ARG(version), SB_ARG(name), SB_ARG(uri));
    for (size_t i = 0; i < d.n; i++) SB_TRY(fetch_file(&d, &d.files[i]));
    *sha256 = digest(&d);
    return SB_OK;
}
