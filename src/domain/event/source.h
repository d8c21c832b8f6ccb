/* Where events come from: the seam between readers (tail clients, index, sinks) and the journal or,
 * on another machine, a Kafka topic. A source is used by one thread. */
#ifndef SB_DOMAIN_EVENT_SOURCE_H
#define SB_DOMAIN_EVENT_SOURCE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct sb_event_record {
    int64_t offset, wall_ms;
    struct sb_str json; /* the document; valid until the next call on the source */
};

struct sb_event_source_ops {
    const char *name; /* "journal" */
    sb_err (*seek)(void *self, int64_t offset);
    sb_err (*seek_time)(void *self, int64_t wall_ms);
    sb_err (*seek_end)(void *self);
    /* SB_E_END: none yet; ask again later. */
    sb_err (*next)(void *self, struct sb_event_record *out);
    /* Oldest kept offset, and one past the newest durable one. */
    sb_err (*range)(void *self, int64_t *first, int64_t *next);
    /* Durable position of a named reader; SB_E_MISSING when it has none yet. */
    sb_err (*cursor_load)(void *self, const char *reader, int64_t *offset);
    sb_err (*cursor_save)(void *self, const char *reader, int64_t offset);
    void (*close)(void *self);
};

struct sb_event_source {
    const struct sb_event_source_ops *ops;
    void *self;
};

/* The journal topic in folder dir. */
SB_MUST_CHECK sb_err sb_event_source_journal(struct sb_event_source *out, const char *dir,
                                             struct sb_errctx *ctx);
void sb_event_source_close(struct sb_event_source *s);

/* The event of that id: the id's own time (UUIDv7) says where to look. The document is copied into
 * the arena. SB_E_INVALID: not an event id; SB_E_MISSING: no such event, or no longer kept. */
SB_MUST_CHECK sb_err sb_event_find(struct sb_event_source *s, struct sb_str event_id,
                                   struct sb_arena *arena, struct sb_str *json,
                                   struct sb_errctx *ctx);

#endif
