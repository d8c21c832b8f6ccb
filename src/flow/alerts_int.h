/* Inside flow/alerts*.c only. */
#ifndef SB_FLOW_ALERTS_INT_H
#define SB_FLOW_ALERTS_INT_H

#include <stdatomic.h>

#include "base/thread.h"
#include "domain/monitor/notice.h"
#include "domain/monitor/store.h"
#include "engine/fetch/fetch.h"
#include "flow/alerts.h"

enum sb_alert_origin { SB_ALERT_DEFAULT, SB_ALERT_FILE, SB_ALERT_STORED, SB_ALERT_ORIGINS };

enum { SB_ALERT_RECENT = 120 }; /* values kept for the page: 10 minutes */

/* A rule in force with all that is known about it. */
struct sb_alert_entry {
    struct sb_monitor_rule rule; /* memory: the set's that it came from */
    enum sb_alert_origin origin;
    int replaces; /* enum sb_alert_origin of the rule that it stands before, or -1 */
    bool enabled; /* the rule's own, or by a switch */
    bool silenced;
    char digest[17];
    struct sb_monitor_alert alert;
    struct sb_monitor_track *track[2]; /* of metric sources */
    struct sb_arena arena;             /* of value's labels */
    struct sb_monitor_value value;
    char *error; /* of the last evaluation, or NULL */
    struct {
        int64_t ms;
        double v; /* NaN: no data */
    } recent[SB_ALERT_RECENT];
    size_t nrecent; /* ever; the ring is indexed modulo SB_ALERT_RECENT */
};

/* Rules of one origin and their memory. */
struct sb_alert_set {
    struct sb_arena arena;
    struct sb_monitor_rules rules;
};

/* ---- delivery: alerts_send.c ---- */

struct sb_alert_destination {
    char *url;   /* with its secrets: never logged */
    char *shown; /* without */
    struct sb_fetch *fetch;
    struct sb_series *sent_ok, *sent_failed;
    /* under the lock of struct sb_alert_sender */
    int64_t sent, failed, last_sent_ms;
    int64_t retry_mono; /* not before; 0 = at once */
    int64_t next_mono;  /* Alertmanager: when all is sent again */
    int failures;       /* in a row */
    char *error;
};

/* The list of notices lies between the two threads: the owner adds and ends, the sender tells. */
struct sb_alert_sender {
    struct sb_mutex lock;
    struct sb_cond wake;
    bool stop;
    struct sb_monitor_notice *notices;
    bool changed; /* since the state file was written */
    const char *page_url;
    struct sb_alert_destination to[SB_MONITOR_DESTINATIONS];
    bool wanted[SB_MONITOR_DESTINATIONS];
    struct sb_thread thread;
};

SB_MUST_CHECK sb_err sb_alert_sender_init(struct sb_alert_sender *s, const struct sb_alerts_opts *o,
                                          struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_alert_sender_start(struct sb_alert_sender *s, struct sb_errctx *ctx);
void sb_alert_sender_fini(struct sb_alert_sender *s);
/* There is something to tell. */
void sb_alert_sender_wake(struct sb_alert_sender *s);
/* Elements of "destinations". */
void sb_alert_sender_write(struct sb_alert_sender *s, struct sb_json_writer *w);
/* The JSON answer of a test. SB_E_MISSING: there is no such destination. */
SB_MUST_CHECK sb_err sb_alert_sender_test(struct sb_alert_sender *s, struct sb_str name,
                                          struct sb_buf *out, struct sb_errctx *ctx);

/* ---- the owner ---- */

struct sb_alert_message {
    sb_alerts_fn *fn;
    struct sb_alerts_call *call;
    sb_err err;
    bool done;
    struct sb_alert_message *next;
};

struct sb_alerts {
    struct sb_alerts_opts o;
    struct sb_thread thread;
    struct sb_alert_sender sender;

    /* the owner thread's */
    struct sb_alert_set sets[SB_ALERT_ORIGINS];
    struct sb_monitor_store store; /* memory: that of the set STORED */
    struct sb_alert_entry **entries;
    size_t n;
    struct sb_monitor_memory memory; /* of the last run, until the rules are there */
    char *file_error, *store_error, *metrics_error;
    int64_t file_mtime_ms, file_size, file_loaded_ms;
    bool file_there;
    int64_t evaluated_ms;
    int events_failed; /* in this evaluation */
    bool state_changed;
    const char *state_path, *store_path;
    struct sb_arena arena; /* of paths */

    struct sb_mutex lock; /* for what follows */
    struct sb_cond wake, answered;
    bool stop;
    struct sb_alert_message *inbox;
    struct sb_buf overview;
};

/* alerts_rules.c: sets into entries */
void sb_alerts_load(struct sb_alerts *a);
/* Looks whether the user's file changed. */
void sb_alerts_reload_file(struct sb_alerts *a);
struct sb_alert_entry *sb_alerts_find(struct sb_alerts *a, struct sb_str name);
void sb_alerts_unload(struct sb_alerts *a);
/* Replaces what is stored, on disk first. */
SB_MUST_CHECK sb_err sb_alerts_store_save(struct sb_alerts *a, const struct sb_monitor_store *s,
                                          struct sb_errctx *ctx);
/* Entries' silenced flags, and silences that are over. */
void sb_alerts_apply_silences(struct sb_alerts *a, int64_t now_ms);

/* alerts_eval.c */
void sb_alerts_evaluate(struct sb_alerts *a);
/* One rule's number from scratch, for checks: no history, so rates have no data. */
SB_MUST_CHECK sb_err sb_alerts_try(struct sb_alerts *a, const struct sb_monitor_rule *rule,
                                   struct sb_arena *arena, struct sb_monitor_value *out,
                                   struct sb_errctx *ctx);
/* The rule of the entry goes: its alert ends. */
void sb_alerts_entry_end(struct sb_alerts *a, struct sb_alert_entry *e, const char *why);
/* Puts an entry into topic audit. */
void sb_alerts_record(struct sb_alerts *a, const char *kind, struct sb_str actor,
                      struct sb_str object, const char *from, const char *to, struct sb_str message,
                      struct sb_str detail);

/* alerts_view.c */
void sb_alerts_write_status(const struct sb_alert_entry *e, bool whole, struct sb_json_writer *w);
void sb_alerts_write_silence(struct sb_alerts *a, const struct sb_monitor_silence *s,
                             struct sb_json_writer *w);
/* Renders the overview anew. */
void sb_alerts_show(struct sb_alerts *a);

#endif
