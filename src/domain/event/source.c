#include "domain/event/source.h"

#include "base/mem.h"
#include "codec/uuid.h"
#include "engine/journal/journal.h"

struct journal_source {
    struct sb_journal_reader *reader;
    char *dir;
};

static sb_err src_seek(void *self, int64_t offset) {
    return sb_journal_seek(((struct journal_source *)self)->reader, offset);
}

static sb_err src_seek_time(void *self, int64_t wall_ms) {
    return sb_journal_seek_time(((struct journal_source *)self)->reader, wall_ms);
}

static sb_err src_seek_end(void *self) {
    return sb_journal_seek_end(((struct journal_source *)self)->reader);
}

static sb_err src_next(void *self, struct sb_event_record *out) {
    struct sb_journal_record r;
    SB_TRY(sb_journal_next(((struct journal_source *)self)->reader, &r));
    *out = (struct sb_event_record){r.offset, r.ts_ms, r.value};
    return SB_OK;
}

static sb_err src_range(void *self, int64_t *first, int64_t *next) {
    return sb_journal_range(((struct journal_source *)self)->reader, first, next);
}

static sb_err src_cursor_load(void *self, const char *reader, int64_t *offset) {
    return sb_journal_cursor_load(((struct journal_source *)self)->dir, reader, offset);
}

static sb_err src_cursor_save(void *self, const char *reader, int64_t offset) {
    return sb_journal_cursor_save(((struct journal_source *)self)->dir, reader, offset);
}

static void src_close(void *self) {
    struct journal_source *s = self;
    sb_journal_reader_close(s->reader);
    sb_free(s->dir);
    sb_free(s);
}

static const struct sb_event_source_ops journal_ops = {
    "journal", src_seek,        src_seek_time,   src_seek_end, src_next,
    src_range, src_cursor_load, src_cursor_save, src_close,
};

sb_err sb_event_source_journal(struct sb_event_source *out, const char *dir,
                               struct sb_errctx *ctx) {
    struct sb_journal_reader *reader;
    SB_TRY(sb_journal_reader_open(&reader, dir, ctx));
    struct journal_source *s = sb_alloc(sizeof *s);
    *s = (struct journal_source){reader, sb_strdup(dir)};
    *out = (struct sb_event_source){&journal_ops, s};
    return SB_OK;
}

void sb_event_source_close(struct sb_event_source *s) {
    if (s->ops) s->ops->close(s->self);
    *s = (struct sb_event_source){0};
}

/* An event's id is made when its request arrives, its record is written when its group is: between
 * the two lies at most a request's deadline, and clocks may step a little. */
enum { LOOK_BEFORE_MS = 2000, LOOK_AFTER_MS = 120000 };

sb_err sb_event_find(struct sb_event_source *s, struct sb_str event_id, struct sb_arena *arena,
                     struct sb_str *json, struct sb_errctx *ctx) {
    int64_t ms;
    if (!sb_uuid7_time_ms(event_id, &ms))
        return sb_fail(ctx, SB_E_INVALID,
                       "%.*s is not an event id (a UUIDv7 such as "
                       "019a8c2e-5d3f-7c41-9a0b-1f2e3d4c5b6a)",
                       SB_ARG(event_id));
    SB_TRY(s->ops->seek_time(s->self, ms - LOOK_BEFORE_MS));
    char quoted[64];
    size_t n = sizeof "\"event_id\":\"" - 1;
    memcpy(quoted, "\"event_id\":\"", n);
    memcpy(quoted + n, event_id.p, event_id.n);
    struct sb_str needle = {quoted, n + event_id.n};
    struct sb_event_record r;
    sb_err err;
    while ((err = s->ops->next(s->self, &r)) == SB_OK && r.wall_ms <= ms + LOOK_AFTER_MS) {
        /* the id stands at a fixed place, right after @timestamp */
        if (!sb_str_contains(sb_str_sub(r.json, 0, 128), needle)) continue;
        *json = sb_arena_dup(arena, r.json);
        return json->p ? SB_OK : SB_E_LIMIT;
    }
    if (err != SB_OK && err != SB_E_END) return err;
    return sb_fail(ctx, SB_E_MISSING,
                   "no event %.*s in the journal (it may be older than what is kept)",
                   SB_ARG(event_id));
}
