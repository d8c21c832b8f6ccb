/* What was done to the platform, by whom and when: the journal topic `audit`, written by the
 * process `platform`. Entries are events of their own: @timestamp, event_id (UUIDv7), kind, actor,
 * object, from, to, message, detail{} (docs/formats/audit.md). */
#ifndef SB_DOMAIN_AUDIT_AUDIT_H
#define SB_DOMAIN_AUDIT_AUDIT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct sb_audit;

struct sb_audit_entry {
    struct sb_str kind;        /* NOUN.VERB: "alias.set", "version.stage", "alert.firing",
                                  "alert.resolved"; docs/formats/audit.md has them all */
    struct sb_str actor;       /* who asked: the MLflow user or "sibyl"; empty = unknown */
    struct sb_str object;      /* what it was done to: "iris", a rule's name */
    struct sb_str from, to;    /* before and after, as a person reads it; may be empty */
    struct sb_str message;     /* one sentence; may be empty */
    struct sb_str detail_json; /* an object, or empty */
};

/* Opens (creating, recovering) the topic in folder dir. One per process. */
SB_MUST_CHECK sb_err sb_audit_open(struct sb_audit **out, const char *dir, struct sb_errctx *ctx);
/* Waits until what was added is durable. */
void sb_audit_close(struct sb_audit *a);

/* Any thread; a may be NULL (nothing is recorded: unit tests, the API alone). Queues the entry and
 * returns; it is durable within milliseconds. SB_E_BUSY: more than 10,000 wait. A failure of the
 * disk is logged once and shown by sb_audit_failed. */
sb_err sb_audit_add(struct sb_audit *a, const struct sb_audit_entry *e);
bool sb_audit_failed(const struct sb_audit *a);

#endif
