/* Alerts: rules from the program, a file and the page are evaluated every few seconds; what fires
 * is recorded, shown and delivered.
 *
 * One thread owns rules and states; everything else asks it by a message and waits for the answer
 * (so none of these calls belongs on a loop, except sb_alerts_overview). A second thread delivers:
 * what a destination should know and what it has been told are kept on disk, so an outage there or
 * a restart here loses nothing and repeats nothing.
 *
 *     DIR/rules.yaml   rules made on the page, switches, silences (domain/monitor/store.h)
 *     DIR/state.json   states, and what was told to whom (domain/monitor/notice.h) */
#ifndef SB_FLOW_ALERTS_H
#define SB_FLOW_ALERTS_H

#include "domain/audit/audit.h"
#include "domain/metric/metric.h"
#include "domain/monitor/measure.h"

struct sb_alerts;

/* What rules look at. Both are called by the owner thread only. */
struct sb_alert_inputs {
    void *self;
    /* All metrics now; memory is the arena's. A failure keeps the states of rules on metrics. */
    sb_err (*metrics)(void *self, struct sb_arena *a, struct sb_monitor_samples *out,
                      struct sb_errctx *ctx);
    /* An event query over [from_ms, to_ms): its stat, and in count how many events matched.
     * SB_E_SYNTAX, SB_E_INVALID: the query or the field is wrong. */
    sb_err (*events)(void *self, const struct sb_monitor_source *s, int64_t from_ms, int64_t to_ms,
                     struct sb_monitor_value *out, struct sb_errctx *ctx);
};

/* Borrowed for the life of the object. */
struct sb_alerts_opts {
    const char *dir;              /* made when missing */
    const char *file;             /* the user's rules */
    bool file_required;           /* it was named: missing is an error that is shown */
    const char *webhook_url;      /* "" = none; the only place where destinations come from */
    const char *alertmanager_url; /* "" = none; "http://host:9093" */
    const char *page_url;         /* for links in what is sent; may be "" */
    struct sb_alert_inputs inputs;
    /* Where changes are recorded: topic audit. Any thread; NULL = nowhere. */
    void (*record)(void *arg, const struct sb_audit_entry *e);
    void *record_arg;
    struct sb_metrics *metrics; /* NULL = not counted */
    int64_t every_ns;           /* 0 = 5 s */
};

SB_MUST_CHECK sb_err sb_alerts_start(struct sb_alerts **out, const struct sb_alerts_opts *o,
                                     struct sb_errctx *ctx);
void sb_alerts_stop(struct sb_alerts *a);

/* Any thread, never waits: the JSON of GET /api/alerts as of the last evaluation or change. */
void sb_alerts_overview(struct sb_alerts *a, struct sb_buf *out);

/* Who asks for a change, for the record; may be empty. The names of what follows are those of
 * docs/ALERTS.md; out gets the JSON of the answer. *key is the rule's key that is wrong, in the
 * arena. Errors: SB_E_MISSING, SB_E_EXISTS, SB_E_INVALID, SB_E_STATE (not one that is stored),
 * SB_E_CLOSED (the program ends). */
struct sb_alerts_call {
    struct sb_str name; /* of a rule, silence or destination */
    struct sb_str body; /* JSON */
    struct sb_str actor;
    struct sb_arena *arena;
    struct sb_buf *out;
    struct sb_str key;
    struct sb_errctx *ctx;
};
typedef sb_err sb_alerts_fn(struct sb_alerts *a, struct sb_alerts_call *c);
sb_alerts_fn sb_alerts_rule_get;
sb_alerts_fn sb_alerts_rule_create;
sb_alerts_fn sb_alerts_rule_put;
sb_alerts_fn sb_alerts_rule_delete;
sb_alerts_fn sb_alerts_rule_enable;
sb_alerts_fn sb_alerts_rule_disable;
sb_alerts_fn sb_alerts_rule_check;
sb_alerts_fn sb_alerts_silence;
sb_alerts_fn sb_alerts_unsilence;
/* Sends a test alert; waits for the destination, at most 10 s. */
sb_alerts_fn sb_alerts_destination_test;

#endif
