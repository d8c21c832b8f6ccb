/* What is told to the world about an alert that fired, from then until everybody knows that it is
 * over: its text for webhooks (Alertmanager's form, version "4") and for Alertmanager's own API v2,
 * and what it looks like in the file that outlives a restart. Pure. */
#ifndef SB_DOMAIN_MONITOR_NOTICE_H
#define SB_DOMAIN_MONITOR_NOTICE_H

#include "domain/monitor/state.h"

enum sb_monitor_destination {
    SB_MONITOR_WEBHOOK,
    SB_MONITOR_ALERTMANAGER,
    SB_MONITOR_DESTINATIONS /* how many */
};
extern const char *const sb_monitor_destination_names[];

enum sb_monitor_told { SB_MONITOR_UNTOLD, SB_MONITOR_TOLD_FIRING, SB_MONITOR_TOLD_RESOLVED };

/* Strings are its own. */
struct sb_monitor_notice {
    char *rule, *summary;
    char *labels, *annotations; /* JSON objects of texts; alertname and severity are labels */
    int64_t starts_ms, ends_ms; /* ends_ms 0: it fires */
    bool muted;                 /* a silence holds */
    enum sb_monitor_told told[SB_MONITOR_DESTINATIONS];
    struct sb_monitor_notice *next;
};

struct sb_monitor_notice *sb_monitor_notice_new(const struct sb_monitor_rule *rule,
                                                const struct sb_monitor_value *v, int64_t now_ms);
void sb_monitor_notice_free(struct sb_monitor_notice *n);

/* What a destination should be told next; UNTOLD = nothing. A silence keeps back what it has not
 * heard of; the end of what it did hear of goes out. */
enum sb_monitor_told sb_monitor_notice_due(const struct sb_monitor_notice *n,
                                           enum sb_monitor_destination to);
/* Nothing is left to say. */
bool sb_monitor_notice_done(const struct sb_monitor_notice *n,
                            const bool wanted[SB_MONITOR_DESTINATIONS]);

/* url: of a page about alerts, may be empty. */
void sb_monitor_notice_webhook(const struct sb_monitor_notice *n, struct sb_str url,
                               struct sb_buf *out);
/* An element of the list that POST /api/v2/alerts takes. lasts_ms: Alertmanager takes it as over
 * when it hears no more of it for so long. */
void sb_monitor_notice_alertmanager(const struct sb_monitor_notice *n, struct sb_str url,
                                    int64_t now_ms, int64_t lasts_ms, struct sb_buf *out);

/* ---- the file ---- */

struct sb_monitor_kept {
    char *rule;
    char digest[17]; /* of the rule's definition */
    struct sb_monitor_alert alert;
    struct sb_monitor_kept *next;
};
/* Lists are heap memory of the caller's. */
struct sb_monitor_memory {
    struct sb_monitor_kept *alerts;
    struct sb_monitor_notice *notices;
};
void sb_monitor_digest(const struct sb_monitor_rule *rule, char to[17]);
void sb_monitor_memory_write(const struct sb_monitor_memory *m, struct sb_buf *out);
SB_MUST_CHECK sb_err sb_monitor_memory_parse(struct sb_monitor_memory *out, struct sb_str json,
                                             struct sb_errctx *ctx);
void sb_monitor_memory_fini(struct sb_monitor_memory *m);

#endif
