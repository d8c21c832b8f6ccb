/* Counting predictions so that three books can be compared: what was numbered by serving
 * (answered), what the journal holds, and what the index finds; per route, model, version and hour.
 *
 * Every event that goes into the journal gets the next number of its life (a run of the serving
 * process): docs/formats/event.md, `seq`. A number that is missing although later ones are there
 * was given out and its record is lost. What was in flight when a process was killed leaves such
 * gaps too, but only among the last numbers of its life: nobody had an answer to these, and they
 * are not counted. Used by one thread. */
#ifndef SB_DOMAIN_AUDIT_TALLY_H
#define SB_DOMAIN_AUDIT_TALLY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"

enum {
    SB_TALLY_HOUR_MS = 3600 * 1000,
    SB_TALLY_IN_FLIGHT_MS = 1000, /* before the last event of a life: gaps there are no losses.
                                     An event waits milliseconds for its group */
};

struct sb_tally_group {
    struct sb_str route, model, version; /* "-": none */
    int64_t hour_ms;
    int64_t journalled, indexed;
    int64_t lost; /* numbers missing just before an event of this group */
};

/* Numbers [from, to) of a life that are missing. */
struct sb_tally_gap {
    uint64_t life, from, to;
    struct sb_tally_group *group;
};

struct sb_tally {
    struct sb_arena arena;
    struct sb_map by_key; /* -> group */
    struct sb_tally_group **group;
    size_t n, cap;
    struct sb_tally_life *life; /* ascending */
    size_t nlives, lives_cap;
    bool whole; /* in: the journal still has its first event, so that the first life's beginning
                   can be missed */
    int64_t skipped; /* documents that are no events with these fields */
};
void sb_tally_init(struct sb_tally *t);
void sb_tally_fini(struct sb_tally *t);

/* A document of topic predictions, if its time is before `before_ms`; its number counts anyway.
 * Any text may come. */
void sb_tally_add(struct sb_tally *t, struct sb_str json, int64_t before_ms);
/* The group of such a document, made when it is new; hour_ms is rounded down. */
struct sb_tally_group *sb_tally_group(struct sb_tally *t, struct sb_str route, struct sb_str model,
                                      struct sb_str version, int64_t wall_ms);
/* Before the index is counted again. */
void sb_tally_index_reset(struct sb_tally *t);

/* Once all is added: sets `lost` of the groups and returns the gaps, in the arena. */
size_t sb_tally_gaps(struct sb_tally *t, struct sb_tally_gap **out);
/* Groups by route, model, version, hour. */
void sb_tally_sort(struct sb_tally *t);

#endif
