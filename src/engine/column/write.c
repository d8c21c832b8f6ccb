/* The writing side: documents into the memtable, sealed segments in memory, files, and the manifest
 * that makes them count.
 *
 * A file that left the index is removed only when a manifest without it is durable, and only when
 * the last snapshot with it is released; a file that the manifest does not name yet does not count.
 * So the folder is consistent at any moment, and a call that failed may be made again. */
#include "base/log.h"
#include "engine/column/store_int.h"

static bool filling(const struct sb_column_index *ix) {
    return ix->hole.first < ix->hole.next;
}

static uint32_t memory_docs(const struct sb_column_index *ix) {
    uint32_t n = ix->table.docs;
    for (uint32_t i = 0; i < ix->memory.n; i++) n += ix->memory.at[i]->view.docs;
    return n;
}

static uint64_t memory_bytes(const struct sb_column_index *ix) {
    uint64_t n = ix->table.bytes;
    for (uint32_t i = 0; i < ix->memory.n; i++) n += ix->memory.at[i]->bytes;
    return n;
}

/* ---- the manifest ---- */

/* The first offset that only memory has; INT64_MAX: none. */
static int64_t first_volatile(const struct sb_column_index *ix) {
    if (ix->memory.n) return ix->memory.at[0]->view.first_offset;
    return ix->table.docs ? ix->table.offsets[0] : INT64_MAX;
}

sb_err sb_column_commit(struct sb_column_index *ix, struct sb_errctx *ctx) {
    struct sb_column_manifest m = {.next_id = ix->next_id, .nrows = ix->files.n};
    sb_column_ranges_copy(&m.seen, &ix->seen);
    sb_column_ranges_remove(&m.seen, first_volatile(ix), INT64_MAX);
    m.rows = sb_calloc(m.nrows, sizeof *m.rows);
    for (uint32_t i = 0; i < m.nrows; i++) {
        const struct sb_column_part *p = ix->files.at[i];
        m.rows[i] = (struct sb_column_manifest_row){p->id, p->sum, p->view.first_offset,
                                                    p->view.next_offset};
    }
    ix->dirty = true; /* until the very end */
    sb_err err = sb_dir_sync(ix->dir, ctx);
    if (!err) err = sb_column_manifest_write(&m, &ix->fields, ix->dir, ctx);
    sb_column_manifest_fini(&m);
    if (err) return err;
    for (uint32_t i = 0; i < ix->dead.n; i++) ix->dead.at[i]->doomed = true;
    sb_column_parts_remove(&ix->dead, 0, ix->dead.n, NULL);
    ix->dirty = false;
    return SB_OK;
}

/* ---- from the memtable to files ---- */

static void merge_memory(struct sb_column_index *ix, uint32_t first, uint32_t n) {
    struct sb_column_part *p;
    sb_err err =
        sb_column_merge(&p, NULL, 0, ix->memory.at + first, n, &ix->fields, ix->time_field, NULL);
    SB_ASSERT(err == SB_OK); /* in memory nothing fails */
    sb_column_parts_remove(&ix->memory, first, n, NULL);
    sb_column_parts_insert(&ix->memory, first, p);
}

/* Which neighbours of l to merge; false: none. */
static bool pick(const struct sb_column_index *ix, const struct sb_column_parts *l, uint32_t max,
                 uint32_t *first, uint32_t *n) {
    if (l->n < 2) return false;
    uint32_t *docs = sb_alloc(l->n * sizeof *docs);
    bool *joined = sb_alloc(l->n * sizeof *joined);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct sb_column_segment *v = &l->at[i]->view;
        docs[i] = v->docs;
        /* never over a hole, which would then be filled inside of a segment */
        joined[i] =
            i && sb_column_ranges_cover(&ix->seen, l->at[i - 1]->view.next_offset, v->first_offset);
    }
    bool found = sb_column_merge_pick(docs, joined, l->n, max, first, n);
    sb_free(docs);
    sb_free(joined);
    return found;
}

/* All offsets below tail were seen. */
static void see(struct sb_column_index *ix) {
    int64_t end = sb_column_ranges_end(&ix->seen);
    if (end >= ix->tail) return;
    sb_column_ranges_add(&ix->seen, end, ix->tail);
    ix->dirty = true;
}

/* The memtable becomes a segment in memory, and small ones a larger one: not the largest, so that
 * memory never holds much twice. */
static void seal(struct sb_column_index *ix) {
    if (!ix->table.docs) return;
    if (!filling(ix)) see(ix);
    struct sb_column_part *p = sb_column_memtable_seal(&ix->table, &ix->fields, ix->time_field);
    sb_column_parts_insert(&ix->memory, ix->memory.n, p);
    uint32_t first, n;
    while (!filling(ix) && pick(ix, &ix->memory, ix->segment_docs / 4, &first, &n))
        merge_memory(ix, first, n);
}

/* All that is in memory becomes one file, not yet named by the manifest. */
static sb_err write_memory(struct sb_column_index *ix, struct sb_errctx *ctx) {
    seal(ix);
    if (!ix->memory.n) return SB_OK;
    struct sb_column_part *p;
    SB_TRY(sb_column_merge(&p, ix->dir, ix->next_id, ix->memory.at, ix->memory.n, &ix->fields,
                           ix->time_field, ctx));
    ix->next_id++;
    uint32_t at = ix->files.n;
    while (at && ix->files.at[at - 1]->view.first_offset > p->view.first_offset) at--;
    sb_column_parts_insert(&ix->files, at, p);
    sb_column_parts_remove(&ix->memory, 0, ix->memory.n, NULL);
    ix->dirty = true;
    return SB_OK;
}

/* When memory holds a whole segment. */
static sb_err make_room(struct sb_column_index *ix) {
    if (memory_docs(ix) < ix->segment_docs && memory_bytes(ix) < SB_COLUMN_MEMORY_BYTES)
        return SB_OK;
    struct sb_errctx ctx = {0};
    sb_err err = write_memory(ix, &ctx);
    if (!err && !filling(ix)) {
        see(ix);
        err = sb_column_commit(ix, &ctx);
        sb_column_publish(ix);
    }
    if (err)
        SB_LOG(SB_LOG_ERROR, "column", "segment not written", SB_KS("dir", ix->dir),
               SB_KE(&ctx, err), SB_KS("next", "the document is to be added again"));
    return err;
}

/* ---- adding ---- */

static sb_err check_offset(const struct sb_column_index *ix, int64_t offset) {
    int64_t low = filling(ix) ? ix->hole_at : ix->tail;
    if (offset >= low && offset < (filling(ix) ? ix->hole.next : INT64_MAX)) return SB_OK;
    if (offset < 0 || offset == INT64_MAX) return SB_E_INVALID;
    bool known = sb_column_ranges_cover(&ix->seen, offset, offset + 1) ||
                 (filling(ix) ? offset >= ix->hole.first && offset < low
                              : offset >= sb_column_ranges_end(&ix->seen));
    return known ? SB_E_EXISTS : SB_E_INVALID;
}

sb_err sb_column_add(struct sb_column_index *ix, int64_t offset, int64_t ts_ms,
                     struct sb_str json) {
    SB_TRY(check_offset(ix, offset));
    SB_TRY(make_room(ix));
    sb_column_reader_read(&ix->reader, ts_ms, json);
    sb_column_memtable_add(&ix->table, offset, ix->reader.values, ix->reader.n, &ix->fields);
    *(filling(ix) ? &ix->hole_at : &ix->tail) = offset + 1;
    if (ix->table.docs >= SB_COLUMN_MEMTABLE_DOCS || ix->table.docs >= ix->segment_docs ||
        ix->table.bytes >= SB_COLUMN_MEMTABLE_BYTES)
        seal(ix);
    return SB_OK;
}

sb_err sb_column_refresh(struct sb_column_index *ix, int64_t next) {
    if (filling(ix)) return SB_E_STATE;
    if (next > ix->tail) ix->tail = next;
    seal(ix);
    see(ix);
    sb_column_publish(ix);
    return SB_OK;
}

/* Small files to larger ones. */
static sb_err merge_files(struct sb_column_index *ix, struct sb_errctx *ctx) {
    uint32_t first, n;
    while (pick(ix, &ix->files, ix->segment_docs, &first, &n)) {
        uint64_t bytes = 0;
        for (uint32_t i = first; i < first + n; i++) bytes += ix->files.at[i]->bytes;
        if (bytes > SB_COLUMN_MERGE_BYTES) return SB_OK;
        struct sb_column_part *p;
        SB_TRY(sb_column_merge(&p, ix->dir, ix->next_id, ix->files.at + first, n, &ix->fields,
                               ix->time_field, ctx));
        ix->next_id++;
        sb_column_parts_remove(&ix->files, first, n, &ix->dead);
        sb_column_parts_insert(&ix->files, first, p);
        SB_TRY(sb_column_commit(ix, ctx));
    }
    return SB_OK;
}

sb_err sb_column_flush(struct sb_column_index *ix, struct sb_errctx *ctx) {
    if (filling(ix)) return sb_fail(ctx, SB_E_STATE, "a hole is being filled");
    sb_err err = write_memory(ix, ctx);
    see(ix);
    if (!err && ix->dirty) err = sb_column_commit(ix, ctx);
    if (!err) err = merge_files(ix, ctx);
    sb_column_publish(ix);
    return err;
}

/* ---- holes ---- */

void sb_column_missing(struct sb_column_index *ix, int64_t from, int64_t *first, int64_t *next) {
    sb_column_ranges_gap(&ix->seen, from < 0 ? 0 : from, first, next);
}

/* Takes all files with an offset in [first, next) out of the index; false: there is none. */
static bool take_out(struct sb_column_index *ix, int64_t first, int64_t next) {
    bool any = false;
    for (uint32_t i = ix->files.n; i-- > 0;) {
        const struct sb_column_segment *v = &ix->files.at[i]->view;
        if (v->next_offset <= first || v->first_offset >= next) continue;
        sb_column_ranges_remove(&ix->seen, v->first_offset, v->next_offset);
        sb_column_parts_remove(&ix->files, i, 1, &ix->dead);
        any = true;
    }
    return any;
}

sb_err sb_column_fill_begin(struct sb_column_index *ix, int64_t first, int64_t next) {
    if (filling(ix)) return SB_E_STATE;
    SB_TRY(sb_column_flush(ix, NULL));
    int64_t gap, gap_end;
    sb_column_missing(ix, first, &gap, &gap_end);
    if (first < 0 || first >= next || gap != first || gap_end < next || gap_end == INT64_MAX)
        return SB_E_INVALID;
    ix->hole = (struct sb_column_range){first, next};
    ix->hole_at = first;
    return SB_OK;
}

sb_err sb_column_fill_end(struct sb_column_index *ix, struct sb_errctx *ctx) {
    if (!filling(ix)) return sb_fail(ctx, SB_E_STATE, "no hole is being filled");
    struct sb_column_range hole = ix->hole;
    sb_err err = write_memory(ix, ctx);
    ix->hole = (struct sb_column_range){0};
    if (!err) {
        sb_column_ranges_add(&ix->seen, hole.first, hole.next);
        err = sb_column_commit(ix, ctx);
    }
    if (err) {
        /* given up: the hole stays */
        sb_column_parts_remove(&ix->memory, 0, ix->memory.n, NULL);
        (void)take_out(ix, hole.first, hole.next);
        sb_column_ranges_remove(&ix->seen, hole.first, hole.next);
        return err;
    }
    sb_column_publish(ix);
    return SB_OK;
}

sb_err sb_column_drop_below(struct sb_column_index *ix, int64_t first, struct sb_errctx *ctx) {
    if (filling(ix)) return sb_fail(ctx, SB_E_STATE, "a hole is being filled");
    uint32_t n = 0;
    while (n < ix->files.n && ix->files.at[n]->view.next_offset <= first) n++;
    if (!n) return SB_OK;
    sb_column_parts_remove(&ix->files, 0, n, &ix->dead);
    sb_err err = sb_column_commit(ix, ctx);
    sb_column_publish(ix);
    return err;
}

sb_err sb_column_forget(struct sb_column_index *ix, int64_t first, int64_t next,
                        struct sb_errctx *ctx) {
    SB_TRY(sb_column_flush(ix, ctx));
    if (!take_out(ix, first, next)) return SB_OK;
    sb_err err = sb_column_commit(ix, ctx);
    sb_column_publish(ix);
    return err;
}
