/* Opening an index: the manifest, the segments it names, and what to do with damage. A file that
 * the manifest does not name is left over from a crash and removed; a segment that is damaged is
 * moved to quarantine and its offsets become a hole. */
#include <stdio.h>

#include "base/log.h"
#include "engine/column/store_int.h"

static char *join(const char *dir, const char *name) {
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = sb_alloc(n);
    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

/* ---- quarantine ---- */

static sb_err move_away(struct sb_column_index *ix, const char *name, struct sb_errctx *ctx) {
    SB_TRY(sb_dir_make_all(ix->quarantine, ctx));
    char *from = join(ix->dir, name), *to = join(ix->quarantine, name);
    sb_err err = sb_file_rename(from, to, ctx);
    sb_free(from);
    sb_free(to);
    if (err == SB_E_MISSING) return SB_OK; /* nothing is left to keep */
    if (!err) err = sb_dir_sync(ix->quarantine, ctx);
    if (!err) err = sb_dir_sync(ix->dir, ctx);
    return err;
}

static bool is_segment(const char *name) {
    return sb_str_ends(sb_str_of(name), SB_STR(".seg"));
}

/* All segments and the manifest. */
static sb_err quarantine_all(struct sb_column_index *ix, struct sb_errctx *ctx) {
    struct sb_dir_names l;
    SB_TRY(sb_dir_list(ix->dir, &l, ctx));
    sb_err err = SB_OK;
    for (size_t i = 0; i < l.n && !err; i++) {
        if (!is_segment(l.name[i])) continue;
        err = move_away(ix, l.name[i], ctx);
        ix->quarantined++;
    }
    if (!err) err = move_away(ix, "index", ctx);
    sb_dir_names_fini(&l);
    return err;
}

/* ---- segments ---- */

static bool named(const struct sb_column_manifest *m, const char *name) {
    char own[32];
    for (uint32_t i = 0; i < m->nrows; i++) {
        snprintf(own, sizeof own, "%016llx.seg", (unsigned long long)m->rows[i].id);
        if (strcmp(own, name) == 0) return true;
    }
    return false;
}

/* Removes what a crash left over. */
static sb_err remove_strays(struct sb_column_index *ix, const struct sb_column_manifest *m,
                            struct sb_errctx *ctx) {
    struct sb_dir_names l;
    SB_TRY(sb_dir_list(ix->dir, &l, ctx));
    sb_err err = SB_OK;
    for (size_t i = 0; i < l.n && !err; i++) {
        bool stray = is_segment(l.name[i]) ? !named(m, l.name[i])
                                           : sb_str_ends(sb_str_of(l.name[i]), SB_STR(".tmp"));
        if (!stray) continue;
        char *path = join(ix->dir, l.name[i]);
        err = sb_file_unlink(path, ctx);
        sb_free(path);
    }
    sb_dir_names_fini(&l);
    return err;
}

static sb_err open_part(struct sb_column_index *ix, const struct sb_column_manifest_row *row,
                        struct sb_column_part **out, struct sb_errctx *ctx) {
    struct sb_column_part *p;
    SB_TRY(sb_column_part_open(&p, ix->dir, row->id, &ix->fields, ix->time_field, ctx));
    if (p->sum != row->sum || p->view.first_offset != row->first ||
        p->view.next_offset != row->next) {
        sb_column_part_unref(p);
        return sb_fail(ctx, SB_E_CORRUPT, "a segment that is not the one of the index's table");
    }
    *out = p;
    return SB_OK;
}

static sb_err quarantine_one(struct sb_column_index *ix, const struct sb_column_manifest_row *row,
                             const struct sb_errctx *why, struct sb_errctx *ctx) {
    char name[32];
    snprintf(name, sizeof name, "%016llx.seg", (unsigned long long)row->id);
    SB_LOG(SB_LOG_ERROR, "column", "segment quarantined", SB_KS("dir", ix->dir),
           SB_KS("segment", name), SB_KI("first_offset", row->first),
           SB_KI("next_offset", row->next), SB_KE(why, why->code),
           SB_KS("next", "its documents are indexed again from the journal"));
    sb_column_ranges_remove(&ix->seen, row->first, row->next);
    ix->quarantined++;
    ix->dirty = true;
    return move_away(ix, name, ctx);
}

static sb_err open_parts(struct sb_column_index *ix, const struct sb_column_manifest *m,
                         struct sb_errctx *ctx) {
    for (uint32_t i = 0; i < m->nrows; i++) {
        struct sb_errctx why = {0};
        struct sb_column_part *p;
        sb_err err = open_part(ix, &m->rows[i], &p, &why);
        if (!err) {
            sb_column_parts_insert(&ix->files, ix->files.n, p);
        } else if (err == SB_E_CORRUPT || err == SB_E_VERSION || err == SB_E_MISSING) {
            SB_TRY(quarantine_one(ix, &m->rows[i], &why, ctx));
        } else {
            return sb_fail(ctx, err, "%s", sb_errctx_text(&why, err));
        }
    }
    return SB_OK;
}

/* ---- the manifest ---- */

/* The fields every index has. */
static sb_err own_fields(struct sb_column_index *ix, const struct sb_column_opts *o) {
    struct sb_column_fields *f = &ix->fields;
    ix->time_field = sb_column_fields_make(f, sb_str_of(o->time_field), SB_COLUMN_DATE);
    ix->ignored_field = sb_column_fields_make(f, SB_STR("_ignored"), SB_COLUMN_KEYWORD);
    ix->id_field =
        o->id_field ? sb_column_fields_make(f, sb_str_of(o->id_field), SB_COLUMN_KEYWORD) : -1;
    if (ix->time_field < 0 || f->at[ix->time_field].type != SB_COLUMN_DATE ||
        ix->ignored_field < 0 || f->at[ix->ignored_field].type != SB_COLUMN_KEYWORD)
        return SB_E_CORRUPT;
    if (o->id_field && (ix->id_field < 0 || f->at[ix->id_field].type != SB_COLUMN_KEYWORD))
        return SB_E_CORRUPT;
    return SB_OK;
}

static sb_err read_manifest(struct sb_column_index *ix, struct sb_column_manifest *m,
                            const struct sb_column_opts *o, struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    sb_err err = sb_column_manifest_read(m, &ix->fields, ix->dir, &why);
    bool missing = err == SB_E_MISSING;
    if (!err) err = own_fields(ix, o);
    if (!err) return SB_OK;
    if (!missing && err != SB_E_CORRUPT && err != SB_E_VERSION)
        return sb_fail(ctx, err, "%s", sb_errctx_text(&why, err));
    if (!missing) {
        SB_LOG(SB_LOG_ERROR, "column", "index quarantined", SB_KS("dir", ix->dir), SB_KE(&why, err),
               SB_KS("next", "it is built again from the journal"));
        SB_TRY(quarantine_all(ix, ctx));
    }
    /* from nothing */
    sb_column_manifest_fini(m);
    m->next_id = 1;
    ix->dirty = true;
    const char *const *skip = ix->fields.skip;
    sb_column_fields_fini(&ix->fields);
    sb_column_fields_init(&ix->fields, skip);
    err = own_fields(ix, o);
    SB_ASSERT(err == SB_OK);
    return SB_OK;
}

static sb_err load(struct sb_column_index *ix, const struct sb_column_opts *o,
                   struct sb_errctx *ctx) {
    struct sb_column_manifest m = {0};
    sb_err err = read_manifest(ix, &m, o, ctx);
    if (!err) {
        ix->next_id = m.next_id;
        sb_column_ranges_copy(&ix->seen, &m.seen);
        err = remove_strays(ix, &m, ctx);
    }
    if (!err) err = open_parts(ix, &m, ctx);
    sb_column_manifest_fini(&m);
    ix->tail = sb_column_ranges_end(&ix->seen);
    if (!err && ix->dirty) err = sb_column_commit(ix, ctx);
    return err;
}

static sb_err check_opts(const struct sb_column_opts *o, struct sb_errctx *ctx) {
    bool ok = o->time_field && *o->time_field && strlen(o->time_field) <= SB_COLUMN_NAME_MAX &&
              strcmp(o->time_field, "_ignored") != 0;
    if (ok && o->id_field)
        ok = *o->id_field && strlen(o->id_field) <= SB_COLUMN_NAME_MAX &&
             strcmp(o->id_field, "_ignored") != 0 && strcmp(o->id_field, o->time_field) != 0;
    return ok ? SB_OK : sb_fail(ctx, SB_E_INVALID, "names of the time and id fields");
}

sb_err sb_column_open(struct sb_column_index **out, const char *dir, const struct sb_column_opts *o,
                      struct sb_errctx *ctx) {
    SB_TRY(check_opts(o, ctx));
    SB_TRY(sb_dir_make_all(dir, ctx));
    struct sb_lock lock;
    char *lock_path = join(dir, "lock");
    sb_err err = sb_lock_take(&lock, lock_path, ctx);
    sb_free(lock_path);
    if (err) return err;
    struct sb_column_index *ix = sb_calloc(1, sizeof *ix);
    ix->lock = lock;
    ix->dir = sb_strdup(dir);
    ix->quarantine = join(dir, "quarantine");
    ix->segment_docs = o->segment_docs ? o->segment_docs : SB_COLUMN_SEGMENT_DOCS;
    if (ix->segment_docs > SB_COLUMN_SEGMENT_DOCS_MAX)
        ix->segment_docs = SB_COLUMN_SEGMENT_DOCS_MAX;
    sb_mutex_init(&ix->mutex);
    sb_column_fields_init(&ix->fields, o->skip);
    sb_column_memtable_init(&ix->table);
    err = load(ix, o, ctx);
    sb_column_reader_init(&ix->reader, &ix->fields, ix->time_field, ix->ignored_field);
    if (err) {
        sb_column_close(ix);
        return err;
    }
    sb_column_publish(ix);
    *out = ix;
    return SB_OK;
}

void sb_column_close(struct sb_column_index *ix) {
    if (!ix) return;
    sb_column_snapshot_release(ix->current);
    sb_column_parts_fini(&ix->files);
    sb_column_parts_fini(&ix->memory);
    sb_column_parts_fini(&ix->dead);
    sb_column_memtable_fini(&ix->table);
    sb_column_reader_fini(&ix->reader);
    sb_column_fields_fini(&ix->fields);
    sb_column_ranges_fini(&ix->seen);
    sb_mutex_fini(&ix->mutex);
    sb_lock_release(&ix->lock);
    sb_free(ix->dir);
    sb_free(ix->quarantine);
    sb_free(ix);
}
