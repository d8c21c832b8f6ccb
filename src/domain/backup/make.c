/* Making a backup; the order is explained in backup.h. */
#include <stdio.h>

#include "base/mem.h"
#include "codec/utf8.h"
#include "domain/backup/copy_int.h"
#include "domain/backup/stage_int.h"
#include "engine/journal/journal.h"
#include "engine/sql/sql.h"

struct make {
    const struct sb_backup_opts *o;
    char *stage;
    struct sb_copier copier;
    struct sb_backup_writer manifest;
    struct sb_backup_result r;
    const char *topic; /* being copied: "data/journal/predictions" */
};

/* ---- one file ---- */

static sb_err note(struct make *m, const char *path, struct sb_backup_file *f,
                   struct sb_errctx *ctx) {
    struct sb_str s = sb_str_of(path);
    if (!sb_utf8_valid(s) || !sb_backup_path_ok(s))
        return sb_fail(ctx, SB_E_UNSUPPORTED,
                       "%s: a name that a backup cannot hold (not UTF-8, or too deep): rename or "
                       "remove it",
                       path);
    f->path = path;
    sb_backup_writer_file(&m->manifest, f);
    return SB_OK;
}

/* A second name for the same bytes. What the file system does not allow (another device, another
 * owner, too many names) is no failure: the file is copied. */
static bool link_file(struct make *m, const char *from, const char *to) {
    if (sb_file_link(from, to, NULL) != SB_OK) return false;
    m->r.linked++;
    return true;
}

/* from -> STAGE/path. A file that is gone meanwhile is passed over: it was deleted. One that is
 * replaced meanwhile is the old or the new one, whole: what is read is what was linked or opened.
 */
static sb_err add_file(struct make *m, const char *from, const char *path, bool immutable,
                       struct sb_errctx *ctx) {
    struct sb_file f;
    struct sb_backup_file entry;
    int64_t size = 0;
    char *to = sb_backup_join(m->stage, path);
    bool linked = immutable && link_file(m, from, to);
    sb_err err = sb_file_open(&f, linked ? to : from, SB_OPEN_READ | SB_OPEN_NOFOLLOW, NULL);
    if (!err) {
        err = sb_file_size(&f, &size, ctx);
        if (!err) err = sb_copier_run(&m->copier, &f, size, linked ? NULL : to, &entry, ctx);
        if (!err) err = note(m, path, &entry, ctx);
        sb_file_close(&f);
    } else if (err == SB_E_MISSING && !linked) {
        err = SB_OK;
    } else {
        sb_fail(ctx, err, "%s: %s", from, sb_err_text(err));
    }
    sb_free(to);
    return err;
}

/* STAGE/path was made by somebody else: its checksum, and a sync. */
static sb_err add_made(struct make *m, const char *path, struct sb_errctx *ctx) {
    struct sb_file f;
    struct sb_backup_file entry;
    int64_t size = 0;
    char *from = sb_backup_join(m->stage, path);
    sb_err err = sb_file_open(&f, from, SB_OPEN_WRITE, ctx);
    if (!err) {
        err = sb_file_sync(&f, ctx);
        if (!err) err = sb_file_size(&f, &size, ctx);
        if (!err) err = sb_copier_run(&m->copier, &f, size, NULL, &entry, ctx);
        if (!err) err = note(m, path, &entry, ctx);
        sb_file_close(&f);
    }
    sb_free(from);
    return err;
}

/* ---- folders ---- */

static sb_err add_tree(struct make *m, const char *from, const char *path,
                       const struct sb_backup_part *part, int depth, struct sb_errctx *ctx);

static sb_err add_entry(struct make *m, const char *from, const char *path,
                        const struct sb_backup_part *part, int depth, struct sb_errctx *ctx) {
    struct sb_file_stat st;
    sb_err err = sb_file_stat(from, &st, NULL);
    if (err == SB_E_MISSING) return SB_OK;
    if (err) return sb_fail(ctx, err, "%s: %s", from, sb_err_text(err));
    if (st.is_dir) return add_tree(m, from, path, part, depth, ctx);
    if (st.is_file) return add_file(m, from, path, part->kind == SB_BACKUP_IMMUTABLE, ctx);
    m->r.left_out++;
    return SB_OK;
}

static bool left_out(const struct sb_backup_part *part, const char *name, int depth) {
    return depth == 0 && part->leave && sb_str_starts(sb_str_of(name), sb_str_of(part->leave));
}

static sb_err add_tree(struct make *m, const char *from, const char *path,
                       const struct sb_backup_part *part, int depth, struct sb_errctx *ctx) {
    struct sb_dir_names names;
    if (depth > SB_BACKUP_DEPTH_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "%s: folders nested too deep", from);
    sb_err err = sb_dir_list(from, &names, NULL);
    if (err == SB_E_MISSING) return SB_OK;
    if (err) return sb_fail(ctx, err, "%s: %s", from, sb_err_text(err));
    char *to = sb_backup_join(m->stage, path);
    err = sb_dir_make_all(to, ctx);
    for (size_t i = 0; i < names.n && !err; i++) {
        if (left_out(part, names.name[i], depth)) continue;
        char *f = sb_backup_join(from, names.name[i]), *p = sb_backup_join(path, names.name[i]);
        err = add_entry(m, f, p, part, depth + 1, ctx);
        sb_free(f);
        sb_free(p);
    }
    if (!err) err = sb_dir_sync(to, ctx);
    sb_free(to);
    sb_dir_names_fini(&names);
    return err;
}

/* ---- databases ---- */

static sb_err add_database(struct make *m, const char *from, const char *path,
                           struct sb_errctx *ctx) {
    struct sb_sql *db;
    char *to = sb_backup_join(m->stage, path);
    sb_err err = sb_sql_open(&db, from, SB_SQL_READ, ctx);
    if (!err) {
        err = sb_sql_copy(db, to, ctx);
        sb_sql_close(db);
    }
    sb_free(to);
    return err ? err : add_made(m, path, ctx);
}

/* name-wal, name-shm, name-journal: part of the database, and so of its copy. */
static bool beside_database(struct sb_str name) {
    static const char *const ends[] = {".db-wal", ".db-shm", ".db-journal"};
    for (size_t i = 0; i < SB_COUNT(ends); i++)
        if (sb_str_ends(name, sb_str_of(ends[i]))) return true;
    return false;
}

static sb_err add_databases(struct make *m, const char *from, const char *path,
                            const struct sb_backup_part *part, struct sb_errctx *ctx) {
    struct sb_dir_names names = {0};
    char *to = sb_backup_join(m->stage, path);
    sb_err err = sb_dir_list(from, &names, ctx);
    if (!err) err = sb_dir_make_all(to, ctx);
    for (size_t i = 0; !err && i < names.n; i++) {
        struct sb_str name = sb_str_of(names.name[i]);
        if (beside_database(name)) continue;
        char *f = sb_backup_join(from, name.p), *p = sb_backup_join(path, name.p);
        err = sb_str_ends(name, SB_STR(".db")) ? add_database(m, f, p, ctx)
                                               : add_entry(m, f, p, part, 1, ctx);
        sb_free(f);
        sb_free(p);
    }
    if (!err) err = sb_dir_sync(to, ctx);
    sb_dir_names_fini(&names);
    sb_free(to);
    return err;
}

/* ---- the journal ---- */

static sb_err topic_copy(void *arg, const struct sb_file *from, const char *name, int64_t bytes,
                         struct sb_errctx *ctx) {
    struct make *m = arg;
    struct sb_backup_file entry;
    char *path = sb_backup_join(m->topic, name), *to = sb_backup_join(m->stage, path);
    bool later_changed = strcmp(name, "checkpoint") == 0; /* told by topic_made */
    sb_err err = sb_copier_run(&m->copier, from, bytes, to, &entry, ctx);
    if (!err && !later_changed) err = note(m, path, &entry, ctx);
    sb_free(to);
    sb_free(path);
    return err;
}

static sb_err topic_made(void *arg, const char *name, struct sb_errctx *ctx) {
    struct make *m = arg;
    char *path = sb_backup_join(m->topic, name);
    sb_err err = add_made(m, path, ctx);
    sb_free(path);
    return err;
}

static sb_err add_topic(struct make *m, const char *from, const char *path, struct sb_errctx *ctx) {
    struct sb_journal_copy c = {.copy = topic_copy, .made = topic_made, .arg = m};
    char *to = sb_backup_join(m->stage, path), *format = sb_backup_join(from, "format");
    bool begun = sb_file_exists(format); /* else no writer has opened it yet */
    m->topic = path;
    sb_err err = begun ? sb_dir_make_all(to, ctx) : SB_OK;
    if (!err && begun) err = sb_journal_copy(&c, from, to, ctx);
    if (!err && begun) err = sb_dir_sync(to, ctx);
    if (!err && begun && sb_str_ends(sb_str_of(path), SB_STR("/predictions"))) {
        m->r.first_offset = c.first;
        m->r.next_offset = c.next;
    }
    sb_free(to);
    sb_free(format);
    return err;
}

static sb_err add_topics(struct make *m, const char *from, const char *path,
                         struct sb_errctx *ctx) {
    struct sb_dir_names names = {0};
    sb_err err = sb_dir_list(from, &names, ctx);
    for (size_t i = 0; !err && i < names.n; i++) {
        struct sb_file_stat st;
        char *f = sb_backup_join(from, names.name[i]), *p = sb_backup_join(path, names.name[i]);
        if (sb_file_stat(f, &st, NULL) == SB_OK && st.is_dir) err = add_topic(m, f, p, ctx);
        sb_free(f);
        sb_free(p);
    }
    sb_dir_names_fini(&names);
    return err;
}

/* ---- all of it ---- */

static sb_err add_part(struct make *m, const struct sb_backup_part *part, struct sb_errctx *ctx) {
    char *from = sb_backup_join(m->o->data, part->name), *path = sb_backup_join("data", part->name);
    sb_err err = SB_OK;
    m->copier.doing = part->name;
    if (sb_file_exists(from)) switch (part->kind) {
        case SB_BACKUP_COPY:
        case SB_BACKUP_IMMUTABLE: err = add_entry(m, from, path, part, 0, ctx); break;
        case SB_BACKUP_DATABASES: err = add_databases(m, from, path, part, ctx); break;
        case SB_BACKUP_TOPICS: err = add_topics(m, from, path, ctx); break;
        case SB_BACKUP_LEAVE: break;
        }
    sb_free(from);
    sb_free(path);
    return err;
}

static bool has_row(const struct sb_backup_part *parts, const char *name) {
    for (; parts->name; parts++)
        if (strcmp(parts->name, name) == 0) return true;
    return false;
}

static sb_err add_others(struct make *m, struct sb_errctx *ctx) {
    struct sb_dir_names names;
    SB_TRY(sb_dir_list(m->o->data, &names, ctx));
    sb_err err = SB_OK;
    for (size_t i = 0; !err && i < names.n; i++) {
        struct sb_backup_part part = {.name = names.name[i], .kind = SB_BACKUP_COPY};
        if (!has_row(m->o->parts, part.name)) err = add_part(m, &part, ctx);
    }
    sb_dir_names_fini(&names);
    return err;
}

static sb_err add_all(struct make *m, struct sb_errctx *ctx) {
    const struct sb_backup_part *p;
    char *data = sb_backup_join(m->stage, "data");
    sb_err err = sb_dir_make_all(data, ctx);
    sb_free(data);
    if (err) return err;
    for (p = m->o->parts; p->name; p++)
        if (p->kind != SB_BACKUP_TOPICS) SB_TRY(add_part(m, p, ctx));
    SB_TRY(add_others(m, ctx));
    for (p = m->o->parts; p->name; p++)
        if (p->kind == SB_BACKUP_TOPICS) SB_TRY(add_part(m, p, ctx));
    if (!m->o->config_file) return SB_OK;
    m->r.has_config = true;
    return add_file(m, m->o->config_file, "config.yaml", false, ctx);
}

/* The manifest comes last: a folder without it is no backup. */
static sb_err write_manifest(struct make *m, struct sb_errctx *ctx) {
    char *data = sb_backup_join(m->stage, "data");
    sb_err err = sb_dir_sync(data, ctx);
    sb_free(data);
    if (err) return err;
    err = sb_backup_writer_end(&m->manifest, m->r.first_offset, m->r.next_offset);
    if (err) return sb_fail(ctx, err, "too many files for one backup");
    char *path = sb_backup_join(m->stage, SB_BACKUP_MANIFEST);
    err = sb_file_replace(path, m->manifest.text.p, m->manifest.text.n, ctx);
    sb_free(path);
    return err;
}

static int64_t size_of(const char *path, int depth) {
    struct sb_file_stat st;
    struct sb_dir_names names;
    if (sb_file_stat(path, &st, NULL) != SB_OK) return 0;
    if (st.is_file) return st.size;
    if (!st.is_dir || depth > SB_BACKUP_DEPTH_MAX || sb_dir_list(path, &names, NULL)) return 0;
    int64_t bytes = 0;
    for (size_t i = 0; i < names.n; i++) {
        char *p = sb_backup_join(path, names.name[i]);
        bytes += size_of(p, depth + 1);
        sb_free(p);
    }
    sb_dir_names_fini(&names);
    return bytes;
}

static sb_err fill(struct make *m, struct sb_errctx *ctx) {
    struct sb_backup_head head = m->o->head;
    m->r.created_ms = head.created_ms;
    m->copier.total = size_of(m->o->data, 0);
    sb_backup_writer_init(&m->manifest, &head);
    sb_err err = add_all(m, ctx);
    if (!err) err = write_manifest(m, ctx);
    m->r.files = m->manifest.files;
    m->r.bytes = m->manifest.bytes;
    sb_backup_writer_fini(&m->manifest);
    return err;
}

static sb_err check_source(const char *data, struct sb_errctx *ctx) {
    char *version = sb_backup_join(data, "VERSION");
    bool is = sb_file_exists(version);
    sb_free(version);
    return is ? SB_OK
              : sb_fail(ctx, SB_E_MISSING, "%s is not a data folder of sibyl: name it with --data",
                        data);
}

sb_err sb_backup_make(const struct sb_backup_opts *o, struct sb_backup_result *out,
                      struct sb_errctx *ctx) {
    struct make m = {.o = o};
    struct sb_lock lock;
    char *path;
    SB_TRY(check_source(o->data, ctx));
    SB_TRY(sb_backup_target(o->path, &path, ctx));
    m.stage = sb_backup_suffix(path, ".partial");
    sb_err err = sb_backup_target_check(path, ctx);
    if (!err) err = sb_backup_target_outside(path, o->data, ctx);
    if (!err) err = sb_backup_stage_open(m.stage, &lock, ctx);
    if (err) goto out;
    sb_copier_init(&m.copier, &o->progress, o->bytes_per_second);
    err = fill(&m, ctx);
    sb_copier_fini(&m.copier);
    if (!err) {
        char *held = sb_backup_join(m.stage, "lock");
        err = sb_file_unlink(held, ctx);
        sb_free(held);
    }
    if (!err) err = sb_backup_stage_name(m.stage, path, ctx);
    if (err)
        sb_backup_stage_drop(m.stage, &lock);
    else
        sb_lock_release(&lock);
    if (!err) *out = m.r;
out:
    sb_free(m.stage);
    sb_free(path);
    return err;
}
