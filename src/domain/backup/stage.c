#include "domain/backup/stage_int.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* ---- paths ---- */

static char *concat(const char *a, const char *b, const char *c) {
    size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
    char *out = sb_alloc(n);
    snprintf(out, n, "%s%s%s", a, b, c);
    return out;
}

char *sb_backup_join(const char *dir, const char *name) {
    return concat(dir, "/", name);
}

char *sb_backup_suffix(const char *path, const char *suffix) {
    return concat(path, suffix, "");
}

sb_err sb_backup_target(const char *given, char **path, struct sb_errctx *ctx) {
    struct sb_str s = sb_str_of(given);
    while (s.n && s.p[s.n - 1] == '/') s.n--;
    struct sb_str base = sb_str_sub(s, (size_t)(sb_str_rfind(s, '/') + 1), s.n);
    if (!base.n || sb_str_is(base, ".") || sb_str_is(base, ".."))
        return sb_fail(ctx, SB_E_INVALID, "\"%s\": name the folder that is to be made", given);
    *path = sb_strndup(s.p, s.n);
    return SB_OK;
}

/* The folder as the kernel knows it; false when it is not there. */
static bool real(const char *path, char to[PATH_MAX]) {
    return realpath(path, to) != NULL;
}

static bool real_parent(const char *path, char to[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    if (!slash) return real(".", to);
    char *parent = sb_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    bool is = real(parent, to);
    sb_free(parent);
    return is;
}

sb_err sb_backup_target_outside(const char *path, const char *dir, struct sb_errctx *ctx) {
    char in[PATH_MAX], data[PATH_MAX];
    if (!real_parent(path, in) || !real(dir, data)) return SB_OK;
    size_t n = strlen(data);
    if (strncmp(in, data, n) != 0 || (in[n] != '/' && in[n] != 0)) return SB_OK;
    return sb_fail(ctx, SB_E_INVALID, "%s lies in the data folder %s: name a place outside of it",
                   path, dir);
}

/* ---- the folder ---- */

/* Everything in it but the lock. */
static sb_err clear(const char *stage, struct sb_errctx *ctx) {
    struct sb_dir_names names;
    SB_TRY(sb_dir_list(stage, &names, ctx));
    sb_err err = SB_OK;
    for (size_t i = 0; i < names.n && !err; i++) {
        if (strcmp(names.name[i], "lock") == 0) continue;
        char *path = sb_backup_join(stage, names.name[i]);
        err = sb_dir_remove_all(path, ctx);
        sb_free(path);
    }
    sb_dir_names_fini(&names);
    return err;
}

sb_err sb_backup_stage_open(const char *stage, struct sb_lock *lock, struct sb_errctx *ctx) {
    char *path = sb_backup_join(stage, "lock");
    sb_err err = sb_dir_make_all(stage, ctx);
    if (!err) err = sb_lock_take(lock, path, ctx);
    if (!err && (err = clear(stage, ctx)) != SB_OK) sb_lock_release(lock);
    sb_free(path);
    return err;
}

void sb_backup_stage_drop(const char *stage, struct sb_lock *lock) {
    sb_err gone = sb_dir_remove_all(stage, NULL); /* else the next run does it */
    SB_UNUSED(gone);
    sb_lock_release(lock);
}

sb_err sb_backup_stage_name(const char *stage, const char *path, struct sb_errctx *ctx) {
    SB_TRY(sb_dir_sync(stage, ctx));
    SB_TRY(sb_file_rename(stage, path, ctx));
    return sb_dir_sync_parent(path, ctx);
}

sb_err sb_backup_target_check(const char *path, struct sb_errctx *ctx) {
    struct sb_file_stat st;
    struct sb_dir_names names = {0};
    sb_err err = sb_file_stat(path, &st, NULL);
    if (err == SB_E_MISSING) return SB_OK;
    if (err) return sb_fail(ctx, err, "%s: %s", path, sb_err_text(err));
    if (!st.is_dir) return sb_fail(ctx, SB_E_EXISTS, "%s is there already and no folder", path);
    SB_TRY(sb_dir_list(path, &names, ctx));
    if (names.n) err = sb_fail(ctx, SB_E_EXISTS, "%s is there already and not empty", path);
    sb_dir_names_fini(&names);
    return err;
}
