#include "app/datadir.h"

#include <stdio.h>

#include "base/buf.h"
#include "domain/artifact/path.h"

static const char version_prefix[] = "sibyl-data ";

static const char *const folders[] = {
    SB_DATADIR_PREDICTIONS, "registry", SB_DATADIR_ARTIFACTS, SB_DATADIR_MODELS, SB_DATADIR_RUN,
};

const struct sb_backup_part sb_datadir_parts[] = {
    {"VERSION", SB_BACKUP_COPY, NULL},
    {"registry", SB_BACKUP_DATABASES, NULL},
    {"artifacts", SB_BACKUP_IMMUTABLE, SB_ARTIFACT_UPLOAD_DIR},
    {"models", SB_BACKUP_COPY, ".tmp-"},
    {"environments", SB_BACKUP_LEAVE, NULL},   /* made again when a model needs them */
    {SB_DATADIR_INDEX, SB_BACKUP_LEAVE, NULL}, /* made again from the journal */
    {"journal", SB_BACKUP_TOPICS, NULL},
    {SB_DATADIR_ALERTS, SB_BACKUP_COPY, NULL},
    {SB_DATADIR_ALERT_RULES, SB_BACKUP_COPY, NULL},
    {"run", SB_BACKUP_LEAVE, NULL},
    {"lock", SB_BACKUP_LEAVE, NULL},
    {NULL, SB_BACKUP_LEAVE, NULL},
};

const char *sb_datadir_path(struct sb_arena *a, const char *dir, const char *part) {
    return sb_arena_printf(a, "%s/%s", dir, part);
}

/* A folder without VERSION may hold nothing but a lock (left by a start that was interrupted). */
static sb_err check_is_ours(const char *dir, const char *version, struct sb_errctx *ctx) {
    struct sb_dir_names names;
    if (sb_file_exists(version)) return SB_OK;
    SB_TRY(sb_dir_list(dir, &names, ctx));
    const char *foreign = NULL;
    for (size_t i = 0; i < names.n && !foreign; i++)
        if (strcmp(names.name[i], "lock") && strcmp(names.name[i], "VERSION.tmp"))
            foreign = names.name[i];
    sb_err err = SB_OK;
    if (foreign)
        err =
            sb_fail(ctx, SB_E_DENIED,
                    "%s is not a data folder of sibyl (it holds \"%.40s\"): name an empty or a new "
                    "folder with --data",
                    dir, foreign);
    sb_dir_names_fini(&names);
    return err;
}

static sb_err check_version(const char *path, struct sb_errctx *ctx) {
    struct sb_buf b;
    uint64_t v = 0;
    sb_buf_init(&b, 4096);
    sb_err err = sb_file_read_all(path, &b, ctx);
    struct sb_str text = sb_str_trim(sb_buf_view(&b));
    struct sb_str prefix = sb_str_of(version_prefix);
    if (!err &&
        (!sb_str_starts(text, prefix) || !sb_str_to_u64(sb_str_sub(text, prefix.n, text.n), &v)))
        err = sb_fail(ctx, SB_E_CORRUPT, "%s does not say \"%s%d\"", path, version_prefix,
                      SB_DATADIR_VERSION);
    if (!err && v != SB_DATADIR_VERSION)
        err = sb_fail(ctx, SB_E_VERSION,
                      "%s: this data folder has format %llu, this program knows format %d: use the "
                      "newer program, or another folder with --data",
                      path, (unsigned long long)v, SB_DATADIR_VERSION);
    sb_buf_fini(&b);
    return err;
}

static sb_err write_version(const char *path, struct sb_errctx *ctx) {
    char text[64];
    int n = snprintf(text, sizeof text, "%s%d\n", version_prefix, SB_DATADIR_VERSION);
    return sb_file_replace(path, text, (size_t)n, ctx);
}

static sb_err prepare(struct sb_arena *a, const char *dir, const char *version,
                      struct sb_errctx *ctx) {
    if (sb_file_exists(version))
        SB_TRY(check_version(version, ctx));
    else
        SB_TRY(write_version(version, ctx));
    for (size_t i = 0; i < SB_COUNT(folders); i++)
        SB_TRY(sb_dir_make_all(sb_datadir_path(a, dir, folders[i]), ctx));
    return SB_OK;
}

static sb_err take_lock(struct sb_lock *lock, const char *path, struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    sb_err err = sb_lock_take(lock, path, &why);
    if (err == SB_E_LOCKED)
        return sb_fail(ctx, err, "%s: stop it, or name another folder with --data", why.msg);
    return err ? sb_fail(ctx, err, "%s", sb_errctx_text(&why, err)) : SB_OK;
}

sb_err sb_datadir_take(struct sb_lock *lock, const char *dir, struct sb_errctx *ctx) {
    struct sb_arena a;
    sb_arena_init(&a, 1 << 16);
    const char *version = sb_datadir_path(&a, dir, "VERSION");
    sb_err err = sb_dir_make_all(dir, ctx);
    if (!err) err = check_is_ours(dir, version, ctx);
    if (!err) err = take_lock(lock, sb_datadir_path(&a, dir, "lock"), ctx);
    if (!err && (err = prepare(&a, dir, version, ctx))) sb_lock_release(lock);
    sb_arena_fini(&a);
    return err;
}

sb_err sb_datadir_look(const char *dir, struct sb_errctx *ctx) {
    struct sb_arena a;
    struct sb_file_stat st;
    sb_err err = sb_file_stat(dir, &st, NULL);
    if (err) return sb_fail(ctx, err, "%s: %s", dir, sb_err_text(err));
    sb_arena_init(&a, 1 << 16);
    const char *version = sb_datadir_path(&a, dir, "VERSION");
    err = check_is_ours(dir, version, ctx);
    if (!err && sb_file_exists(version)) err = check_version(version, ctx);
    sb_arena_fini(&a);
    return err;
}
