/* Reading a backup: verifying it, and making a data folder of it. */
#include <stdio.h>

#include "base/mem.h"
#include "domain/backup/copy_int.h"
#include "domain/backup/stage_int.h"
#include "sys/path.h"

#define RESERVE_BYTES (INT64_C(64) << 20) /* of free space, beyond what is restored */

struct read {
    struct sb_file root; /* the backup's folder */
    struct sb_arena arena;
    struct sb_buf text;
    struct sb_backup_manifest manifest;
    struct sb_copier copier;
};

static void close_backup(struct read *r) {
    sb_copier_fini(&r->copier);
    sb_file_close(&r->root);
    sb_buf_fini(&r->text);
    sb_arena_fini(&r->arena);
}

static sb_err read_manifest(struct read *r, const char *path, struct sb_errctx *ctx) {
    char *name = sb_backup_join(path, SB_BACKUP_MANIFEST);
    struct sb_errctx why = {0};
    sb_err err = sb_file_read_all(name, &r->text, &why);
    sb_free(name);
    if (err == SB_E_MISSING)
        return sb_fail(ctx, err, "%s is not a backup: it has no " SB_BACKUP_MANIFEST, path);
    if (!err) err = sb_backup_manifest_parse(&r->manifest, sb_buf_view(&r->text), &r->arena, &why);
    return err ? sb_fail(ctx, err, "%s: %s", path, sb_errctx_text(&why, err)) : SB_OK;
}

static sb_err open_backup(struct read *r, const char *path, int64_t data_version_max,
                          const struct sb_backup_progress *progress, struct sb_errctx *ctx) {
    *r = (struct read){.root = SB_FILE_NONE};
    sb_arena_init(&r->arena, (size_t)4 * SB_BACKUP_MANIFEST_MAX);
    sb_buf_init(&r->text, SB_BACKUP_MANIFEST_MAX);
    sb_copier_init(&r->copier, progress, 0);
    struct sb_errctx why = {0};
    sb_err err = sb_file_open(&r->root, path, SB_OPEN_DIR, &why);
    if (err == SB_E_MISSING)
        sb_fail(ctx, err, "there is no backup at %s", path);
    else if (err)
        sb_fail(ctx, err, "%s", sb_errctx_text(&why, err));
    if (!err) err = read_manifest(r, path, ctx);
    if (!err && r->manifest.head.data_version > data_version_max)
        err = sb_fail(ctx, SB_E_VERSION,
                      "%s holds a data folder of format %lld, this program knows %lld: use sibyl "
                      "%s or newer",
                      path, (long long)r->manifest.head.data_version, (long long)data_version_max,
                      r->manifest.head.sibyl);
    if (err) close_backup(r);
    return err;
}

/* Reads one file of the backup and compares; writes it to `to` unless that is NULL. */
static sb_err read_file(struct read *r, const struct sb_backup_file *f, const char *to,
                        struct sb_errctx *ctx) {
    struct sb_file from;
    struct sb_backup_file is;
    struct sb_errctx why = {0};
    int64_t size = 0;
    sb_err err =
        sb_file_open_beneath(&from, &r->root, f->path, SB_OPEN_READ | SB_OPEN_NOFOLLOW, &why);
    if (err == SB_E_MISSING || err == SB_E_DENIED)
        return sb_fail(ctx, SB_E_CORRUPT, "%s/%s is missing or no file: the backup is damaged",
                       r->root.path, f->path);
    if (err) return sb_fail(ctx, err, "%s", sb_errctx_text(&why, err));
    err = sb_file_size(&from, &size, ctx);
    if (!err && size != f->size)
        err = sb_fail(ctx, SB_E_CORRUPT,
                      "%s: %lld bytes long, was %lld: the backup is damaged, nothing was restored",
                      from.path, (long long)size, (long long)f->size);
    if (!err) err = sb_copier_run(&r->copier, &from, size, to, &is, ctx);
    if (!err && (is.size != f->size || strcmp(is.sha256, f->sha256) != 0))
        err =
            sb_fail(ctx, SB_E_CORRUPT,
                    "%s: its bytes have changed since it was made: the backup is damaged, nothing "
                    "was restored",
                    from.path);
    sb_file_close(&from);
    return err;
}

static sb_err verify_files(struct read *r, struct sb_errctx *ctx) {
    r->copier.doing = "verifying";
    r->copier.total = r->manifest.bytes;
    for (size_t i = 0; i < r->manifest.n; i++)
        SB_TRY(read_file(r, &r->manifest.file[i], NULL, ctx));
    return SB_OK;
}

static struct sb_backup_result result_of(const struct sb_backup_manifest *m) {
    struct sb_backup_result out = {.files = (int64_t)m->n,
                                   .bytes = m->bytes,
                                   .first_offset = m->first_offset,
                                   .next_offset = m->next_offset,
                                   .created_ms = m->head.created_ms};
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->file[i].path, "config.yaml") == 0) out.has_config = true;
    return out;
}

sb_err sb_backup_verify(const char *path, int64_t data_version_max,
                        const struct sb_backup_progress *progress, struct sb_backup_result *out,
                        struct sb_errctx *ctx) {
    struct read r;
    SB_TRY(open_backup(&r, path, data_version_max, progress, ctx));
    sb_err err = verify_files(&r, ctx);
    if (!err) *out = result_of(&r.manifest);
    close_backup(&r);
    return err;
}

/* ---- restoring ---- */

/* "data/a/b" -> STAGE/a/b. The manifest is sorted, so a folder's files follow each other: *dir is
 * the folder made last, synced when it is left. */
static sb_err enter_dir(char **dir, const char *to, struct sb_errctx *ctx) {
    size_t n = (size_t)(strrchr(to, '/') - to);
    if (*dir && strlen(*dir) == n && strncmp(*dir, to, n) == 0) return SB_OK;
    if (*dir) SB_TRY(sb_dir_sync(*dir, ctx));
    sb_free(*dir);
    *dir = sb_strndup(to, n);
    return sb_dir_make_all(*dir, ctx);
}

static sb_err write_files(struct read *r, const char *stage, struct sb_errctx *ctx) {
    static const char prefix[] = "data/";
    char *dir = NULL;
    sb_err err = SB_OK;
    r->copier.doing = "restoring";
    r->copier.done = 0;
    for (size_t i = 0; i < r->manifest.n && !err; i++) {
        const struct sb_backup_file *f = &r->manifest.file[i];
        if (strncmp(f->path, prefix, sizeof prefix - 1) != 0) continue; /* the settings */
        char *to = sb_backup_join(stage, f->path + sizeof prefix - 1);
        err = enter_dir(&dir, to, ctx);
        if (!err) err = read_file(r, f, to, ctx);
        sb_free(to);
    }
    if (!err && dir) err = sb_dir_sync(dir, ctx);
    sb_free(dir);
    return err;
}

/* A folder that is the root of a mount cannot be renamed to. */
static sb_err check_mount(const char *data, struct sb_errctx *ctx) {
    struct sb_file_stat here, above;
    char *parent = sb_backup_join(data, "..");
    bool mount = sb_file_stat(data, &here, NULL) == SB_OK &&
                 sb_file_stat(parent, &above, NULL) == SB_OK && here.device != above.device;
    sb_free(parent);
    return mount ? sb_fail(ctx, SB_E_UNSUPPORTED,
                           "%s is the root of a file system: restore into a folder below it", data)
                 : SB_OK;
}

/* Says more than "not empty" when the folder is a running platform's. */
static sb_err check_unused(const char *data, struct sb_errctx *ctx) {
    struct sb_file f;
    char *path = sb_backup_join(data, "lock");
    bool held = sb_file_open(&f, path, SB_OPEN_READ, NULL) == SB_OK;
    sb_free(path);
    if (!held) return SB_OK;
    held = sb_lock_held(&f);
    sb_file_close(&f);
    return held ? sb_fail(ctx, SB_E_LOCKED,
                          "%s is in use: stop that sibyl, or restore into another folder", data)
                : SB_OK;
}

static sb_err check_space(const char *stage, int64_t bytes, struct sb_errctx *ctx) {
    int64_t has = 0;
    SB_TRY(sb_dir_free_bytes(stage, &has, ctx));
    if (has - bytes >= RESERVE_BYTES) return SB_OK;
    return sb_fail(ctx, SB_E_NOSPACE, "%s: %lld MiB are free and %lld MiB are needed", stage,
                   (long long)(has >> 20), (long long)((bytes + RESERVE_BYTES) >> 20));
}

static sb_err restore_files(struct read *r, const char *data, struct sb_errctx *ctx) {
    struct sb_lock lock;
    char *stage = sb_backup_suffix(data, ".restoring");
    sb_err err = sb_backup_stage_open(stage, &lock, ctx);
    if (!err) {
        err = check_space(stage, r->manifest.bytes, ctx);
        if (!err) err = write_files(r, stage, ctx);
        if (!err) err = sb_backup_stage_name(stage, data, ctx);
        if (err)
            sb_backup_stage_drop(stage, &lock);
        else
            sb_lock_release(&lock); /* the data folder's own from now on */
    }
    sb_free(stage);
    return err;
}

sb_err sb_backup_restore(const char *path, const char *data, int64_t data_version_max,
                         const struct sb_backup_progress *progress, struct sb_backup_result *out,
                         struct sb_errctx *ctx) {
    struct read r;
    char *target;
    SB_TRY(sb_backup_target(data, &target, ctx));
    sb_err err = check_unused(target, ctx);
    if (!err) err = sb_backup_target_check(target, ctx);
    if (!err) err = check_mount(target, ctx);
    if (!err) err = open_backup(&r, path, data_version_max, progress, ctx);
    if (!err) {
        err = verify_files(&r, ctx);
        if (!err) err = restore_files(&r, target, ctx);
        if (!err) *out = result_of(&r.manifest);
        close_backup(&r);
    }
    sb_free(target);
    return err;
}
