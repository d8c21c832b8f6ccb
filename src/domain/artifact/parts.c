/* Uploads in parts. An upload is a folder .sibyl-upload/parts-ID (docs/formats/artifacts.md):
 *
 *     info    path and number of parts
 *     data    all parts but the last, each at its place: they have one size
 *     last    the last part, whose place is known only when another part is there
 *     N-SIZE-CRC   an empty file: part N is in data or last, whole and synced
 *
 * So ending an upload costs a copy of the last part, a sync and a rename, whatever its size; and
 * everything that was answered with success is found again after a crash. The table in memory is
 * read from the folders at start. A part belongs to its writer while it is busy; an upload that is
 * given up while parts are being written goes with the last writer. */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/hex.h"
#include "domain/artifact/files_int.h"
#include "domain/artifact/parts_format.h"

#define PREFIX "parts-"

enum {
    FOLDER = sizeof PREFIX + SB_ARTIFACT_UPLOAD_ID, /* with NUL */
    INFO_MAX = 16 << 10,
    COPY = 256 << 10,
};

struct part {
    int64_t size;
    uint32_t crc;
    bool there, busy;
};

struct upload {
    char id[SB_ARTIFACT_UPLOAD_ID + 1];
    char *path;
    size_t n;
    int64_t part_size; /* of all parts but the last; 0 = not known yet */
    int64_t touched_ms;
    int writers;
    bool ending, gone;
    struct sb_file dir;
    struct part *part;
};

/* ---- names ---- */

static void folder_of(const char *id, char to[FOLDER]) {
    snprintf(to, FOLDER, PREFIX "%s", id);
}

static void mark_of(size_t part, const struct part *p, char to[SB_PARTS_MARK]) {
    struct sb_parts_mark m = {(int64_t)part + 1, p->size, p->crc};
    sb_parts_mark_write(&m, to);
}

static void etag_of(const struct part *p, char to[SB_ARTIFACT_ETAG_MAX]) {
    snprintf(to, SB_ARTIFACT_ETAG_MAX, "%08x-%llx", p->crc, (unsigned long long)p->size);
}

/* ---- the table ---- */

void parts_init(struct files *f) {
    sb_mutex_init(&f->lock);
}

static void upload_free(struct upload *u) {
    if (!u) return;
    sb_file_close(&u->dir);
    sb_free(u->part);
    sb_free(u->path);
    sb_free(u);
}

void parts_fini(struct files *f) {
    for (size_t i = 0; i < SB_ARTIFACT_UPLOADS_MAX; i++) upload_free(f->uploads[i]);
    sb_mutex_fini(&f->lock);
}

static struct upload *upload_new(const char *id, struct sb_str path, size_t parts) {
    struct upload *u = sb_calloc(1, sizeof *u);
    snprintf(u->id, sizeof u->id, "%s", id);
    u->path = sb_strndup(path.p, path.n);
    u->n = parts;
    u->part = sb_calloc(parts, sizeof *u->part);
    u->dir = SB_FILE_NONE;
    u->touched_ms = sb_wall_ms();
    return u;
}

static struct upload **slot_of(struct files *f, const struct upload *u) {
    for (size_t i = 0; i < SB_ARTIFACT_UPLOADS_MAX; i++)
        if (f->uploads[i] == u) return &f->uploads[i];
    return NULL;
}

static struct upload *find(struct files *f, struct sb_str id) {
    for (size_t i = 0; i < SB_ARTIFACT_UPLOADS_MAX; i++)
        if (f->uploads[i] && sb_str_is(id, f->uploads[i]->id)) return f->uploads[i];
    return NULL;
}

static sb_err unknown(struct sb_errctx *ctx) {
    return sb_fail(ctx, SB_E_MISSING, "No such multipart upload");
}

/* Without the lock: nobody else knows u any more. */
static sb_err upload_remove(struct files *f, struct upload *u, struct sb_errctx *ctx) {
    char name[FOLDER];
    folder_of(u->id, name);
    upload_free(u);
    return files_purge(f, name, ctx);
}

/* Gives up an upload nobody has touched for long; one at a call is enough to stay bounded. */
static void sweep(struct files *f) {
    struct upload *old = NULL;
    int64_t before = sb_wall_ms() - SB_ARTIFACT_UPLOAD_IDLE_MS;
    sb_mutex_lock(&f->lock);
    for (size_t i = 0; i < SB_ARTIFACT_UPLOADS_MAX && !old; i++) {
        struct upload *u = f->uploads[i];
        if (!u || u->writers || u->ending || u->touched_ms > before) continue;
        old = u;
        f->uploads[i] = NULL;
    }
    sb_mutex_unlock(&f->lock);
    if (!old) return;
    sb_err ignored = upload_remove(f, old, NULL);
    SB_UNUSED(ignored); /* the next start removes it */
}

/* ---- taking up after a start ---- */

static struct upload *read_info(const struct files *f, const char *name) {
    struct sb_buf text;
    struct sb_arena a;
    struct sb_str path;
    struct upload *u = NULL;
    int64_t parts;
    char at[4096];
    sb_buf_init(&text, INFO_MAX);
    sb_arena_init(&a, 8 * INFO_MAX);
    snprintf(at, sizeof at, "%s/%s/info", f->upload.path, name);
    if (sb_file_read_all(at, &text, NULL) == SB_OK &&
        sb_parts_info_read(sb_buf_view(&text), &a, &path, &parts))
        u = upload_new(name + strlen(PREFIX), path, (size_t)parts);
    sb_arena_fini(&a);
    sb_buf_fini(&text);
    return u;
}

static bool file_holds(const struct upload *u, const char *name, int64_t bytes) {
    struct sb_file_stat st;
    return sb_path_stat(&u->dir, name, &st, NULL) == SB_OK && st.is_file && st.size >= bytes;
}

/* The marks, and that the files hold what they say. */
static bool read_marks(struct upload *u) {
    struct sb_dir_names names;
    int64_t end = 0;
    bool ok = true;
    if (sb_path_list(&u->dir, &names, NULL) != SB_OK) return false;
    for (size_t i = 0; ok && i < names.n; i++) {
        struct sb_parts_mark m;
        if (!sb_parts_mark_read(sb_str_of(names.name[i]), &m)) continue;
        ok = m.number <= (int64_t)u->n;
        if (!ok) break;
        u->part[m.number - 1] = (struct part){.size = m.size, .crc = m.crc, .there = true};
        if (m.number == (int64_t)u->n) {
            ok = file_holds(u, "last", m.size);
        } else {
            ok = m.size > 0 && (!u->part_size || u->part_size == m.size);
            u->part_size = m.size;
            if (m.number > end) end = m.number;
        }
    }
    sb_dir_names_fini(&names);
    return ok && (!end || file_holds(u, "data", end * u->part_size));
}

bool parts_take_up(struct files *f, const char *name) {
    struct sb_file_stat st;
    struct upload **slot = slot_of(f, NULL);
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strlen(name) != FOLDER - 1 || !slot)
        return false;
    if (sb_path_stat(&f->upload, name, &st, NULL) || !st.is_dir ||
        st.mtime_ms + SB_ARTIFACT_UPLOAD_IDLE_MS < sb_wall_ms())
        return false;
    struct upload *u = read_info(f, name);
    if (!u) return false;
    u->touched_ms = st.mtime_ms;
    if (sb_file_open_beneath(&u->dir, &f->upload, name, SB_OPEN_DIR, NULL) || !read_marks(u)) {
        upload_free(u);
        return false;
    }
    *slot = u;
    return true;
}

/* ---- begin ---- */

static sb_err write_info(const struct upload *u, struct sb_errctx *ctx) {
    struct sb_buf b;
    char at[4096];
    sb_buf_init(&b, INFO_MAX);
    sb_parts_info_write(&b, sb_str_of(u->path), (int64_t)u->n);
    snprintf(at, sizeof at, "%s/info", u->dir.path);
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_file_replace(at, b.p, b.n, ctx);
    sb_buf_fini(&b);
    return err;
}

static sb_err make_folder(struct files *f, struct upload *u, struct sb_errctx *ctx) {
    char name[FOLDER];
    struct sb_file data;
    folder_of(u->id, name);
    SB_TRY(sb_path_make_dir(&f->upload, name, ctx));
    SB_TRY(sb_file_open_beneath(&u->dir, &f->upload, name, SB_OPEN_DIR, ctx));
    SB_TRY(sb_file_open_beneath(&data, &u->dir, "data", SB_OPEN_WRITE | SB_OPEN_CREATE, ctx));
    sb_file_close(&data);
    SB_TRY(write_info(u, ctx));
    return sb_path_sync(&f->upload, ctx);
}

sb_err parts_begin(void *self, struct sb_str path, int64_t parts,
                   char id[SB_ARTIFACT_UPLOAD_ID + 1], struct sb_errctx *ctx) {
    struct files *f = self;
    uint8_t random[SB_ARTIFACT_UPLOAD_ID / 2];
    if (!path.n) return sb_fail(ctx, SB_E_INVALID, "Invalid path: it names no file");
    if (parts < 1 || parts > SB_ARTIFACT_PARTS_MAX)
        return sb_fail(ctx, SB_E_INVALID, "num_parts must be 1 to %d", SB_ARTIFACT_PARTS_MAX);
    sweep(f);
    sb_random_bytes(random, sizeof random);
    sb_hex_encode(id, random, sizeof random);
    id[SB_ARTIFACT_UPLOAD_ID] = '\0';
    struct upload *u = upload_new(id, path, (size_t)parts);
    sb_err err = make_folder(f, u, ctx);
    if (!err) {
        sb_mutex_lock(&f->lock);
        struct upload **slot = slot_of(f, NULL);
        if (slot) *slot = u;
        sb_mutex_unlock(&f->lock);
        if (slot) return SB_OK;
        err = sb_fail(ctx, SB_E_BUSY, "%d multipart uploads are open: end or abort some",
                      SB_ARTIFACT_UPLOADS_MAX);
    }
    sb_err ignored = upload_remove(f, u, NULL);
    SB_UNUSED(ignored); /* the next start removes it */
    return err;
}

/* ---- a part ---- */

static bool is_last(const struct upload *u, size_t part) {
    return part + 1 == u->n;
}

/* The size that another part in front of the last has given to all of them; 0 = none yet. */
static int64_t known_size(const struct upload *u, size_t but) {
    for (size_t i = 0; i + 1 < u->n; i++)
        if (i != but && (u->part[i].there || u->part[i].busy)) return u->part_size;
    return 0;
}

/* With the lock: makes the part w's; *old is what it held before. */
static sb_err claim(struct upload *u, int64_t number, int64_t size, struct writer *w,
                    struct part *old, struct sb_errctx *ctx) {
    if (!u) return unknown(ctx);
    if (number < 1 || number > (int64_t)u->n)
        return sb_fail(ctx, SB_E_INVALID, "part_number must be 1 to %zu", u->n);
    size_t part = (size_t)number - 1;
    bool last = is_last(u, part);
    if (size < (last ? 0 : 1) || size > INT64_MAX / SB_ARTIFACT_PARTS_MAX)
        return sb_fail(ctx, SB_E_INVALID, "a part of this size is not possible");
    if (u->ending || u->part[part].busy)
        return sb_fail(ctx, SB_E_BUSY, "the part is being written, or the upload is being ended");
    int64_t known = known_size(u, part);
    if (!last && known && known != size)
        return sb_fail(ctx, SB_E_INVALID,
                       "all parts but the last must have one size: %lld bytes, not %lld",
                       (long long)known, (long long)size);
    if (!last) u->part_size = size;
    *old = u->part[part];
    u->part[part] = (struct part){.size = size, .busy = true};
    u->writers++;
    w->upload = u;
    w->part = part;
    w->begin = w->at = last ? 0 : size * (int64_t)part;
    w->end = w->begin + size;
    return SB_OK;
}

sb_err part_create(void *self, struct sb_str id, int64_t number, int64_t size, void **writer,
                   struct sb_errctx *ctx) {
    struct files *f = self;
    struct writer *w = sb_calloc(1, sizeof *w);
    struct part old;
    char mark[SB_PARTS_MARK];
    w->files = f;
    w->file = SB_FILE_NONE;
    sb_mutex_lock(&f->lock);
    sb_err err = claim(find(f, id), number, size, w, &old, ctx);
    sb_mutex_unlock(&f->lock);
    if (err) {
        files_writer_free(w);
        return err;
    }
    if (old.there) { /* before the first byte is overwritten */
        mark_of(w->part, &old, mark);
        err = sb_path_unlink(&w->upload->dir, mark, ctx);
        if (!err) err = sb_path_sync(&w->upload->dir, ctx);
    }
    bool last = is_last(w->upload, w->part);
    if (!err)
        err =
            sb_file_open_beneath(&w->file, &w->upload->dir, last ? "last" : "data",
                                 SB_OPEN_WRITE | SB_OPEN_CREATE | (last ? SB_OPEN_TRUNC : 0), ctx);
    if (err)
        parts_writer_end(w, NULL);
    else
        *writer = w;
    return err;
}

void parts_writer_end(struct writer *w, const char *etag) {
    struct files *f = w->files;
    struct upload *u = w->upload;
    sb_mutex_lock(&f->lock);
    u->part[w->part].busy = false;
    u->part[w->part].there = etag != NULL;
    u->part[w->part].crc = w->crc;
    u->touched_ms = sb_wall_ms();
    bool last_one = --u->writers == 0 && u->gone;
    sb_mutex_unlock(&f->lock);
    files_writer_free(w);
    if (!last_one) return;
    sb_err ignored = upload_remove(f, u, NULL);
    SB_UNUSED(ignored); /* the next start removes it */
}

sb_err parts_writer_commit(struct writer *w, char etag[SB_ARTIFACT_ETAG_MAX],
                           struct sb_errctx *ctx) {
    const struct sb_file *dir = &w->upload->dir;
    struct part done = {.size = w->end - w->begin, .crc = w->crc};
    struct sb_file file;
    char mark[SB_PARTS_MARK];
    sb_err err = SB_OK;
    if (w->at != w->end) err = sb_fail(ctx, SB_E_INVALID, "the part is shorter than announced");
    if (!err) err = sb_file_datasync(&w->file, ctx);
    mark_of(w->part, &done, mark);
    if (!err) err = sb_file_open_beneath(&file, dir, mark, SB_OPEN_WRITE | SB_OPEN_CREATE, ctx);
    if (!err) {
        sb_file_close(&file);
        err = sb_path_sync(dir, ctx);
    }
    etag_of(&done, etag);
    parts_writer_end(w, err ? NULL : etag);
    return err;
}

/* ---- end ---- */

static struct sb_str unquoted(struct sb_str etag) {
    bool quoted = etag.n > 1 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"';
    return quoted ? sb_str_sub(etag, 1, etag.n - 2) : etag;
}

/* With the lock: the parts named are all there are, and as they were answered. */
static sb_err check_parts(const struct upload *u, const struct sb_artifact_part *parts, size_t n,
                          struct sb_errctx *ctx) {
    if (n != u->n)
        return sb_fail(ctx, SB_E_INVALID, "the upload has %zu parts, %zu are named", u->n, n);
    for (size_t i = 0; i < n; i++) {
        char etag[SB_ARTIFACT_ETAG_MAX];
        const struct part *p = &u->part[i];
        if (parts[i].number != (int64_t)i + 1)
            return sb_fail(ctx, SB_E_INVALID, "the parts must be named in order, from 1");
        etag_of(p, etag);
        if (!p->there || !sb_str_is(unquoted(parts[i].etag), etag))
            return sb_fail(ctx, SB_E_INVALID, "part %zu was not uploaded, or is another one",
                           i + 1);
    }
    return SB_OK;
}

static sb_err copy_last(const struct upload *u, const struct sb_file *data, struct sb_errctx *ctx) {
    struct sb_file last;
    int64_t size = u->part[u->n - 1].size, to = u->part_size * (int64_t)(u->n - 1);
    SB_TRY(sb_file_open_beneath(&last, &u->dir, "last", SB_OPEN_READ, ctx));
    char *piece = sb_alloc(COPY);
    sb_err err = SB_OK;
    for (int64_t at = 0; at < size && !err;) {
        size_t want = size - at < COPY ? (size_t)(size - at) : COPY, got;
        err = sb_file_pread(&last, piece, want, at, &got, ctx);
        if (!err && got < want) err = sb_fail(ctx, SB_E_CORRUPT, "the last part was cut");
        if (!err) err = sb_file_pwrite(data, piece, want, to + at, ctx);
        at += (int64_t)want;
    }
    sb_free(piece);
    sb_file_close(&last);
    return err;
}

static sb_err join(struct files *f, const struct upload *u, struct sb_errctx *ctx) {
    struct sb_file data;
    if (u->n == 1) return files_place(f, &u->dir, "last", sb_str_of(u->path), ctx);
    SB_TRY(sb_file_open_beneath(&data, &u->dir, "data", SB_OPEN_WRITE, ctx));
    sb_err err = copy_last(u, &data, ctx);
    if (!err) err = sb_file_sync(&data, ctx);
    sb_file_close(&data);
    return err ? err : files_place(f, &u->dir, "data", sb_str_of(u->path), ctx);
}

sb_err parts_end(void *self, struct sb_str id, struct sb_str path,
                 const struct sb_artifact_part *parts, size_t n, struct sb_errctx *ctx) {
    struct files *f = self;
    sb_err err = SB_OK;
    sb_mutex_lock(&f->lock);
    struct upload *u = find(f, id);
    if (!u)
        err = unknown(ctx);
    else if (!sb_str_is(path, u->path))
        err = sb_fail(ctx, SB_E_INVALID, "the upload is of another path");
    else if (u->writers || u->ending)
        err = sb_fail(ctx, SB_E_BUSY, "parts of the upload are still being written");
    else
        err = check_parts(u, parts, n, ctx);
    if (!err) u->ending = true;
    sb_mutex_unlock(&f->lock);
    if (err) return err;
    err = join(f, u, ctx);
    sb_mutex_lock(&f->lock);
    u->ending = false;
    if (!err) *slot_of(f, u) = NULL;
    sb_mutex_unlock(&f->lock);
    if (err) return err;
    sb_err ignored = upload_remove(f, u, NULL);
    SB_UNUSED(ignored); /* the file is in its place; the next start removes the rest */
    return SB_OK;
}

sb_err parts_abort(void *self, struct sb_str id, struct sb_errctx *ctx) {
    struct files *f = self;
    bool busy = false, writing = false;
    sb_mutex_lock(&f->lock);
    struct upload *u = find(f, id);
    if (u) {
        busy = u->ending;
        writing = u->writers > 0;
        if (!busy) *slot_of(f, u) = NULL;
        u->gone = !busy;
    }
    sb_mutex_unlock(&f->lock);
    if (busy) return sb_fail(ctx, SB_E_BUSY, "the upload is being ended");
    return u && !writing ? upload_remove(f, u, ctx) : SB_OK;
}
