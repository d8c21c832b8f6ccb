/* Artifact files in a folder. Each path is walked by openat2 beneath the root's descriptor without
 * following symlinks, so that neither a path nor a link somebody planted leads out of it.
 *
 * A file is written as .sibyl-upload/N, fsynced, and renamed to its place; the folder is fsynced
 * before the upload is answered. Removal renames the tree into .sibyl-upload first: it is gone at
 * once, however large it is. */
#include <stdio.h>

#include "base/mem.h"
#include "codec/crc32c.h"
#include "domain/artifact/files_int.h"

struct reader {
    struct sb_file file;
    int64_t at;
};

/* The folder at path; the root's own when it is "". */
static sb_err open_dir(struct files *f, const char *path, struct sb_file *out,
                       struct sb_errctx *ctx) {
    return sb_file_open_beneath(out, &f->root, *path ? path : ".", SB_OPEN_DIR, ctx);
}

static sb_err files_list(void *self, struct sb_str path, struct sb_arena *a,
                         struct sb_artifact_list *out, struct sb_errctx *ctx) {
    struct files *f = self;
    struct sb_file dir;
    struct sb_artifact_list l = {0};
    sb_err err = open_dir(f, path.n ? path.p : "", &dir, NULL);
    if (err == SB_E_MISSING || err == SB_E_DENIED) {
        *out = l;
        return SB_OK;
    }
    if (err) return sb_fail(ctx, err, "cannot list the artifacts");
    struct sb_dir_names names;
    err = sb_path_list(&dir, &names, ctx);
    if (err) goto out;
    if (names.n > SB_ARTIFACT_LIST_MAX)
        err = sb_fail(ctx, SB_E_LIMIT, "the folder has more than %d entries", SB_ARTIFACT_LIST_MAX);
    else if (names.n && !(l.v = sb_arena_try_array(a, names.n, sizeof *l.v)))
        err = sb_fail(ctx, SB_E_LIMIT, "the folder is too large to list");
    for (size_t i = 0; i < names.n && !err; i++) {
        struct sb_file_stat st;
        if (sb_path_stat(&dir, names.name[i], &st, NULL)) continue; /* removed meanwhile */
        if (!st.is_dir && !st.is_file) continue;
        if (!path.n && !strcmp(names.name[i], SB_ARTIFACT_UPLOAD_DIR)) continue;
        struct sb_str name = sb_arena_dup(a, sb_str_of(names.name[i]));
        if (!name.p) err = sb_fail(ctx, SB_E_LIMIT, "the folder is too large to list");
        l.v[l.n++] = (struct sb_artifact_entry){name, st.is_dir, st.is_dir ? 0 : st.size};
    }
    sb_dir_names_fini(&names);
    if (!err) *out = l;
out:
    sb_file_close(&dir);
    return err;
}

/* path -> its folder, opened, and the name in it. */
static sb_err open_parent(struct files *f, const char *path, struct sb_file *dir, const char **name,
                          struct sb_errctx *ctx) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    char *parent = slash ? sb_strndup(path, (size_t)(slash - path)) : sb_strdup("");
    sb_err err = open_dir(f, parent, dir, ctx);
    sb_free(parent);
    return err;
}

static sb_err files_open(void *self, struct sb_str path, void **reader,
                         struct sb_artifact_info *info, struct sb_errctx *ctx) {
    struct files *f = self;
    if (!path.n) return sb_fail(ctx, SB_E_STATE, "Artifact path refers to a directory");
    struct sb_file dir, file;
    const char *name;
    struct sb_file_stat st;
    if (open_parent(f, path.p, &dir, &name, NULL)) goto missing;
    sb_err err = sb_path_stat(&dir, name, &st, NULL);
    sb_file_close(&dir);
    if (err) goto missing;
    if (st.is_dir)
        return sb_fail(ctx, SB_E_STATE, "Artifact path refers to a directory, not a file: '%.*s'",
                       SB_ARG(path));
    if (!st.is_file) goto missing; /* a symlink or a device: not ours */
    err = sb_file_open_beneath(&file, &f->root, path.p, SB_OPEN_READ | SB_OPEN_NOFOLLOW, NULL);
    if (err == SB_E_MISSING || err == SB_E_DENIED) goto missing;
    if (err) return sb_fail(ctx, err, "cannot read the artifact '%.*s'", SB_ARG(path));
    err = sb_file_size(&file, &st.size, ctx);
    if (err) {
        sb_file_close(&file);
        return err;
    }
    struct reader *r = sb_calloc(1, sizeof *r);
    r->file = file;
    *info = (struct sb_artifact_info){.size = st.size};
    snprintf(info->etag, sizeof info->etag, "%llx-%llx", (unsigned long long)st.mtime_ms,
             (unsigned long long)st.size);
    *reader = r;
    return SB_OK;
missing:
    return sb_fail(ctx, SB_E_MISSING, "No such artifact: '%.*s'", SB_ARG(path));
}

static sb_err files_read(void *reader, void *to, size_t n, size_t *got, struct sb_errctx *ctx) {
    struct reader *r = reader;
    SB_TRY(sb_file_pread(&r->file, to, n, r->at, got, ctx));
    r->at += (int64_t)*got;
    return SB_OK;
}

static void files_seek(void *reader, int64_t at) {
    struct reader *r = reader;
    r->at = at;
}

static void files_close(void *reader) {
    struct reader *r = reader;
    sb_file_close(&r->file);
    sb_free(r);
}

static sb_err files_create(void *self, struct sb_str path, void **writer, struct sb_errctx *ctx) {
    struct files *f = self;
    if (!path.n) return sb_fail(ctx, SB_E_INVALID, "Invalid path: it names no file");
    struct writer *w = sb_calloc(1, sizeof *w);
    w->files = f;
    files_name(f->next++, w->name);
    sb_err err = sb_file_open_beneath(&w->file, &f->upload, w->name,
                                      SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_EXCL, ctx);
    if (err) {
        sb_free(w);
        return err;
    }
    w->path = sb_strndup(path.p, path.n);
    *writer = w;
    return SB_OK;
}

static sb_err files_write(void *writer, const void *p, size_t n, struct sb_errctx *ctx) {
    struct writer *w = writer;
    if (w->upload) {
        if ((int64_t)n > w->end - w->at)
            return sb_fail(ctx, SB_E_INVALID, "the part is longer than announced");
        w->crc = sb_crc32c(w->crc, p, n);
    }
    SB_TRY(sb_file_pwrite(&w->file, p, n, w->at, ctx));
    w->at += (int64_t)n;
    return SB_OK;
}

/* The folder `name` of dir, made (durably) when missing. Two uploads may make it at once, so that
 * it can appear between any two calls here: making what exists is no error, and the last opening
 * says whether it is a folder. */
static sb_err enter_dir(const struct sb_file *dir, const char *name, struct sb_file *out,
                        struct sb_errctx *ctx) {
    sb_err err = sb_file_open_beneath(out, dir, name, SB_OPEN_DIR, NULL);
    if (err == SB_E_MISSING) {
        err = sb_path_make_dir(dir, name, ctx);
        if (err == SB_E_EXISTS) err = SB_OK;
        SB_TRY(err);
        SB_TRY(sb_path_sync(dir, ctx));
        err = sb_file_open_beneath(out, dir, name, SB_OPEN_DIR, NULL);
    }
    if (err == SB_E_MISSING || err == SB_E_DENIED)
        return sb_fail(ctx, SB_E_STATE, "Invalid path: '%s' is not a folder", name);
    return err ? sb_fail(ctx, err, "cannot open the folder '%s'", name) : SB_OK;
}

void files_name(uint64_t number, char to[FILES_NAME]) {
    snprintf(to, FILES_NAME, "%llu", (unsigned long long)number);
}

/* Opens the folder that path will be in, making what is missing; path is cut into parts. */
static sb_err make_parent(struct files *f, char *path, struct sb_file *out, char **name,
                          struct sb_errctx *ctx) {
    struct sb_file dir;
    SB_TRY(open_dir(f, "", &dir, ctx));
    char *at = path;
    for (char *slash; (slash = strchr(at, '/')); at = slash + 1) {
        *slash = '\0';
        struct sb_file next;
        sb_err err = enter_dir(&dir, at, &next, ctx);
        sb_file_close(&dir);
        SB_TRY(err);
        dir = next;
    }
    *out = dir;
    *name = at;
    return SB_OK;
}

void files_writer_free(struct writer *w) {
    sb_file_close(&w->file);
    sb_free(w->path);
    sb_free(w);
}

static void files_abort(void *writer) {
    struct writer *w = writer;
    if (w->upload) {
        parts_writer_end(w, NULL);
        return;
    }
    sb_err ignored = sb_path_unlink(&w->files->upload, w->name, NULL);
    SB_UNUSED(ignored); /* the next start removes it */
    files_writer_free(w);
}

sb_err files_place(struct files *f, const struct sb_file *from, const char *name,
                   struct sb_str path, struct sb_errctx *ctx) {
    struct sb_file dir = SB_FILE_NONE;
    char *cut = sb_strndup(path.p, path.n), *to;
    sb_err err = make_parent(f, cut, &dir, &to, ctx);
    if (!err) err = sb_path_rename(from, name, &dir, to, NULL);
    if (err == SB_E_STATE) sb_fail(ctx, err, "Invalid path: a folder has that name");
    if (!err) err = sb_path_sync(&dir, ctx);
    sb_file_close(&dir);
    sb_free(cut);
    return err;
}

static sb_err files_commit(void *writer, char etag[SB_ARTIFACT_ETAG_MAX], struct sb_errctx *ctx) {
    struct writer *w = writer;
    if (w->upload) return parts_writer_commit(w, etag, ctx);
    *etag = '\0';
    sb_err err = sb_file_sync(&w->file, ctx);
    if (!err) err = files_place(w->files, &w->files->upload, w->name, sb_str_of(w->path), ctx);
    if (err)
        files_abort(w);
    else
        files_writer_free(w);
    return err;
}

/* ---- removal ---- */

sb_err files_purge(struct files *f, const char *name, struct sb_errctx *ctx) {
    size_t n = strlen(f->upload.path) + strlen(name) + 2;
    char *path = sb_alloc(n);
    snprintf(path, n, "%s/%s", f->upload.path, name);
    sb_err err = sb_dir_remove_all(path, ctx);
    sb_free(path);
    return err;
}

static sb_err files_set_aside(void *self, struct sb_str path, uint64_t *ticket,
                              struct sb_errctx *ctx) {
    struct files *f = self;
    if (!path.n) return sb_fail(ctx, SB_E_INVALID, "Invalid path: it names no artifact");
    struct sb_file dir;
    const char *name;
    char moved[FILES_NAME];
    *ticket = 0;
    sb_err err = open_parent(f, path.p, &dir, &name, NULL);
    if (err == SB_E_MISSING || err == SB_E_DENIED) return SB_OK;
    if (err) return sb_fail(ctx, err, "cannot remove the artifact '%.*s'", SB_ARG(path));
    uint64_t number = f->next++;
    files_name(number, moved);
    err = sb_path_rename(&dir, name, &f->upload, moved, ctx);
    if (!err) err = sb_path_sync(&dir, ctx);
    sb_file_close(&dir);
    if (err == SB_E_MISSING) return SB_OK;
    if (!err) *ticket = number;
    return err;
}

static sb_err files_put_back(void *self, uint64_t ticket, struct sb_str path,
                             struct sb_errctx *ctx) {
    struct files *f = self;
    char name[FILES_NAME];
    files_name(ticket, name);
    return files_place(f, &f->upload, name, path, ctx);
}

static sb_err files_discard(void *self, uint64_t ticket, struct sb_errctx *ctx) {
    char name[FILES_NAME];
    files_name(ticket, name);
    return files_purge(self, name, ctx);
}

static sb_err files_remove(void *self, struct sb_str path, struct sb_errctx *ctx) {
    uint64_t ticket;
    SB_TRY(files_set_aside(self, path, &ticket, ctx));
    return ticket ? files_discard(self, ticket, ctx) : SB_OK;
}

static void files_free(void *self) {
    struct files *f = self;
    if (!f) return;
    parts_fini(f);
    sb_file_close(&f->upload);
    sb_file_close(&f->root);
    sb_free(f);
}

static const struct sb_artifact_ops files_ops = {
    .name = "files",
    .list = files_list,
    .open = files_open,
    .read = files_read,
    .seek = files_seek,
    .close = files_close,
    .create = files_create,
    .write = files_write,
    .commit = files_commit,
    .abort = files_abort,
    .remove = files_remove,
    .set_aside = files_set_aside,
    .put_back = files_put_back,
    .discard = files_discard,
    .parts_begin = parts_begin,
    .part_create = part_create,
    .parts_end = parts_end,
    .parts_abort = parts_abort,
    .free = files_free,
};

sb_err sb_artifact_files_open(struct sb_artifact_store *out, const char *root,
                              struct sb_errctx *ctx) {
    struct files *f = sb_calloc(1, sizeof *f);
    f->root = f->upload = SB_FILE_NONE;
    f->next = 1;
    parts_init(f);
    sb_err err = sb_dir_make_all(root, ctx);
    if (!err) err = sb_file_open(&f->root, root, SB_OPEN_DIR, ctx);
    if (!err) err = enter_dir(&f->root, SB_ARTIFACT_UPLOAD_DIR, &f->upload, ctx);
    struct sb_dir_names left = {0};
    if (!err) err = sb_path_list(&f->upload, &left, ctx);
    for (size_t i = 0; i < left.n && !err; i++)
        if (!parts_take_up(f, left.name[i])) err = files_purge(f, left.name[i], ctx);
    sb_dir_names_fini(&left);
    if (err) {
        files_free(f);
        return err;
    }
    *out = (struct sb_artifact_store){&files_ops, f};
    return SB_OK;
}
