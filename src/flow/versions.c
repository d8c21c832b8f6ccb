#include "flow/versions.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/sha256.h"
#include "codec/url.h"
#include "flow/loader.h"
#include "sys/file.h"

enum {
    KEEP_VERSIONS = 4,
    NAME_KEPT = 200, /* bytes of a folder's name; file systems take 255 */
};

static char *dup_str(struct sb_str s) {
    return sb_strndup(s.p, s.n);
}

/* Identity of a version, 16 hex digits. */
char *sb_versions_key(struct sb_arena *a, struct sb_str name, const struct sb_remote_version *v) {
    char *text = sb_arena_printf(a, "%.*s\n%.*s\n%.*s\n%lld", SB_ARG(name), SB_ARG(v->version),
                                 SB_ARG(v->source), (long long)v->created_ms);
    struct sb_sha256 h;
    char hex[65];
    sb_sha256_init(&h);
    sb_sha256_add(&h, text, strlen(text));
    sb_sha256_hex(&h, hex);
    return sb_arena_printf(a, "%.16s", hex);
}

/* The folder of a model's versions: its name percent-encoded, cut and made unique by a digest where
 * that is too long for a file name. */
static char *model_dir(struct sb_versions *s, struct sb_arena *a, struct sb_str name) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 12);
    if (sb_str_starts(name, SB_STR("."))) { /* our own files begin with a dot */
        SB_BUF_LIT(&b, "%2E");
        name = sb_str_sub(name, 1, name.n);
    }
    sb_url_encode(&b, name);
    if (b.n > NAME_KEPT) {
        struct sb_sha256 h;
        char hex[65];
        sb_sha256_init(&h);
        sb_sha256_add(&h, b.p, b.n);
        sb_sha256_hex(&h, hex);
        b.n = NAME_KEPT - 17;
        sb_buf_addf(&b, "~%.16s", hex);
    }
    char *dir = sb_arena_printf(a, "%s/%s", s->load.o->models_dir, sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return dir;
}

/* ---- fetching ---- */

sb_err sb_versions_read_json(const char *path, struct sb_arena *a, struct sb_json **out,
                             struct sb_errctx *ctx) {
    struct sb_buf b;
    sb_buf_init(&b, 16 << 20);
    sb_err err = sb_file_read_all(path, &b, ctx);
    struct sb_str text = {0};
    if (!err) text = sb_arena_dup(a, sb_buf_view(&b));
    sb_buf_fini(&b);
    if (err) return err;
    return sb_json_parse(out, text, a, ctx);
}

static sb_err write_meta(const char *dir, struct sb_str name, const struct sb_remote_version *v,
                         struct sb_str sha256, struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "name", name);
    sb_json_str(&w, "version", v->version);
    sb_json_str(&w, "run_id", v->run_id);
    sb_json_str(&w, "model_id", v->model_id);
    sb_json_str(&w, "sha256", sha256);
    sb_json_end(&w);
    sb_err err = sb_file_replace(sb_arena_printf(a, "%s/meta.json", dir), b.p, b.n, ctx);
    sb_buf_fini(&b);
    return err;
}

static void remove_folder(const char *path) {
    sb_err ignored = sb_dir_remove_all(path, NULL);
    SB_UNUSED(ignored);
}

/* Downloads into a temporary folder that becomes dir by one rename. */
static sb_err download(struct sb_versions *s, struct sb_arena *a, struct sb_str name,
                       const struct sb_remote_version *v, const char *dir, struct sb_errctx *ctx) {
    uint64_t r;
    sb_random_bytes(&r, sizeof r);
    char *tmp = sb_arena_printf(a, "%s/.tmp-%016llx", s->load.o->models_dir, (unsigned long long)r);
    char *artifact = sb_arena_printf(a, "%s/artifact", tmp);
    struct sb_str sha256;
    sb_err err = sb_dir_make_all(artifact, ctx);
    if (!err) err = sb_registry_download(s->client, a, name, v->version, artifact, &sha256, ctx);
    if (!err) err = write_meta(tmp, name, v, sha256, a, ctx);
    if (!err) err = sb_dir_make_all(model_dir(s, a, name), ctx);
    if (!err) err = sb_file_rename(tmp, dir, ctx);
    if (!err) err = sb_dir_sync_parent(dir, ctx);
    if (err) remove_folder(tmp);
    return err;
}

static sb_err open_files(struct sb_versions *s, struct sb_arena *a,
                         const struct sb_version_files *how, struct sb_place *to,
                         struct sb_errctx *ctx) {
    struct sb_json *meta;
    struct sb_version_files f = *how;
    const char *dir = f.dir;
    struct sb_model *model;
    SB_TRY(sb_versions_read_json(sb_arena_printf(a, "%s/meta.json", dir), a, &meta, ctx));
    sb_json_get_str(meta, "name", &f.name);
    sb_json_get_str(meta, "version", &f.version);
    sb_json_get_str(meta, "run_id", &f.run_id);
    sb_json_get_str(meta, "model_id", &f.model_id);
    sb_json_get_str(meta, "sha256", &f.sha256);
    SB_TRY(sb_loader_load(&s->load, &f, &model, ctx));
    sb_shelf_fill(to, &(struct sb_place){.name = dup_str(f.name),
                                         .version = dup_str(f.version),
                                         .dir = sb_strdup(dir),
                                         .sha256 = dup_str(f.sha256),
                                         .run_id = dup_str(f.run_id),
                                         .model_id = dup_str(f.model_id),
                                         .model = model});
    return SB_OK;
}

/* Whether a version's folder is no longer what was fetched. */
static bool is_damaged(struct sb_arena *a, const char *dir, struct sb_str name,
                       struct sb_str version) {
    struct sb_json *meta;
    struct sb_str sha256, said = {0}, of = {0}, its = {0};
    if (sb_versions_read_json(sb_arena_printf(a, "%s/meta.json", dir), a, &meta, NULL) ||
        sb_registry_digest(a, sb_arena_printf(a, "%s/artifact", dir), &sha256, NULL))
        return true;
    sb_json_get_str(meta, "sha256", &said);
    sb_json_get_str(meta, "name", &of);
    sb_json_get_str(meta, "version", &its);
    return !sb_str_eq(said, sha256) || !sb_str_eq(of, name) || !sb_str_eq(its, version);
}

/* Fetches into dir, which is not there. */
static sb_err fetch(struct sb_versions *s, struct sb_arena *a, struct sb_str name,
                    const struct sb_remote_version *v, const char *dir, struct sb_errctx *ctx) {
    SB_LOG(SB_LOG_INFO, "watcher", "fetching", SB_KV("model", name), SB_KV("version", v->version));
    return download(s, a, name, v, dir, ctx);
}

/* A damaged folder makes way for a new one; it comes back when that cannot be had. */
static sb_err fetch_again(struct sb_versions *s, struct sb_arena *a, struct sb_str name,
                          const struct sb_remote_version *v, const char *dir,
                          struct sb_errctx *ctx) {
    uint64_t r;
    sb_random_bytes(&r, sizeof r);
    char *aside =
        sb_arena_printf(a, "%s/.tmp-%016llx", s->load.o->models_dir, (unsigned long long)r);
    SB_LOG(SB_LOG_WARN, "watcher", "the copy of a version is damaged", SB_KS("folder", dir),
           SB_KE(ctx, SB_E_CORRUPT), SB_KS("next", "fetching it again"));
    sb_errctx_reset(ctx);
    SB_TRY(sb_file_rename(dir, aside, ctx));
    sb_err err = fetch(s, a, name, v, dir, ctx);
    if (!err) {
        remove_folder(aside);
        return SB_OK;
    }
    sb_err back = sb_file_rename(aside, dir, NULL);
    SB_UNUSED(back); /* what stays aside goes at the next start */
    return err;
}

static sb_err open_or_fetch(struct sb_versions *s, struct sb_arena *a, const struct sb_wish *w,
                            const struct sb_signature *rows_of, struct sb_place *to,
                            struct sb_errctx *ctx) {
    const struct sb_remote_version *v = &w->version;
    const char *dir = w->dir;
    if (!dir)
        dir =
            sb_arena_printf(a, "%s/%.*s-%s", model_dir(s, a, w->model), SB_ARG(v->version), w->key);
    struct sb_version_files how = {.dir = dir, .environment = w->environment, .rows_of = rows_of};
    if (w->dir) return open_files(s, a, &how, to, ctx);
    if (sb_file_exists(dir)) {
        sb_err err = open_files(s, a, &how, to, ctx);
        if (!err || err == SB_E_BUSY || !is_damaged(a, dir, w->model, v->version)) return err;
        SB_TRY(fetch_again(s, a, w->model, v, dir, ctx));
    } else {
        SB_TRY(fetch(s, a, w->model, v, dir, ctx));
    }
    how.fresh = true;
    return open_files(s, a, &how, to, ctx);
}

static const char own_mark[] = "+model";

const char *sb_versions_id(struct sb_arena *a, const char *key, enum sb_environment e) {
    return sb_arena_printf(a, "%s%s", key, e == SB_ENVIRONMENT_MODEL ? own_mark : "");
}

void sb_versions_read_id(struct sb_str id, struct sb_str *key, enum sb_environment *e) {
    bool own = sb_str_ends(id, sb_str_of(own_mark));
    *e = own ? SB_ENVIRONMENT_MODEL : SB_ENVIRONMENT_CURRENT;
    *key = sb_str_sub(id, 0, own ? id.n - strlen(own_mark) : id.n);
}

sb_err sb_versions_obtain(struct sb_versions *s, struct sb_arena *a, const struct sb_wish *w,
                          const struct sb_signature *rows_of, struct sb_place **out,
                          struct sb_errctx *ctx) {
    bool fresh;
    const char *id = sb_versions_id(a, w->key, w->environment);
    struct sb_place *p = sb_shelf_take(s->shelf, id, w->key, &fresh);
    sb_err err = fresh ? open_or_fetch(s, a, w, rows_of, p, ctx) : SB_OK;
    if (!err && rows_of) err = sb_loader_check_rows(p->model->signature, rows_of, ctx);
    if (err) {
        sb_place_unref(p);
        return err;
    }
    *out = p;
    return SB_OK;
}

/* ---- tidying up: what cannot be removed now is tried again next time ---- */

/* The key at the end of a folder's name. */
static struct sb_str key_of(const char *folder) {
    struct sb_str s = sb_str_of(folder);
    return sb_str_sub(s, (size_t)(sb_str_rfind(s, '-') + 1), s.n);
}

/* The folder that was fetched longest ago and is not in use; counts those that could go. */
static char *oldest_unused(struct sb_versions *s, struct sb_arena *a, const char *dir,
                           const struct sb_dir_names *names, size_t *unused) {
    char *oldest = NULL;
    int64_t oldest_ms = 0;
    *unused = 0;
    for (size_t i = 0; i < names->n; i++) {
        struct sb_file_stat st;
        char *path = sb_arena_printf(a, "%s/%s", dir, names->name[i]);
        if (sb_shelf_uses(s->shelf, key_of(names->name[i])) || sb_file_stat(path, &st, NULL))
            continue;
        (*unused)++;
        if (oldest && st.mtime_ms >= oldest_ms) continue;
        oldest = path;
        oldest_ms = st.mtime_ms;
    }
    return oldest;
}

void sb_versions_prune(struct sb_versions *s, struct sb_arena *a, struct sb_str name) {
    char *dir = model_dir(s, a, name);
    struct sb_dir_names names;
    size_t unused;
    if (sb_dir_list(dir, &names, NULL) != SB_OK) return;
    char *oldest = oldest_unused(s, a, dir, &names, &unused);
    if (unused > KEEP_VERSIONS) remove_folder(oldest); /* one a swap is enough: one came in */
    sb_dir_names_fini(&names);
}

void sb_versions_clean(const char *models_dir) {
    struct sb_dir_names names;
    if (sb_dir_list(models_dir, &names, NULL) != SB_OK) return;
    for (size_t i = 0; i < names.n; i++) {
        char path[4096];
        if (!sb_str_starts(sb_str_of(names.name[i]), SB_STR(".tmp-"))) continue;
        snprintf(path, sizeof path, "%s/%s", models_dir, names.name[i]);
        remove_folder(path);
    }
    sb_dir_names_fini(&names);
}
