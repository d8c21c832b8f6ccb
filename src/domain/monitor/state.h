/* The state of an alert, and what is said about it.
 *
 *     ok ──beyond──▶ pending ──for──▶ firing ──back at `clear`──▶ ok
 *      ▲────back───────┘
 *
 * Time is passed in: wall clock, ms. Pure; a struct is used by one thread. */
#ifndef SB_DOMAIN_MONITOR_STATE_H
#define SB_DOMAIN_MONITOR_STATE_H

#include "domain/monitor/measure.h"

enum sb_monitor_state { SB_MONITOR_STATE_OK, SB_MONITOR_STATE_PENDING, SB_MONITOR_STATE_FIRING };
/* "ok", "pending", "firing" */
extern const char *const sb_monitor_state_names[];

/* Not looked at for longer than this (the program was down), a pending alert begins anew: nobody
 * knows what was in between. */
enum { SB_MONITOR_GAP_MS = 60000 };

struct sb_monitor_alert {
    enum sb_monitor_state state;
    int64_t since_ms;              /* in this state */
    int64_t seen_ms;               /* last evaluated */
    int64_t fired_ms, resolved_ms; /* the last time; 0 = never */
};

enum sb_monitor_change {
    SB_MONITOR_SAME,
    SB_MONITOR_STARTED,  /* ok -> pending */
    SB_MONITOR_CALMED,   /* pending -> ok */
    SB_MONITOR_FIRED,    /* -> firing */
    SB_MONITOR_RESOLVED, /* firing -> ok */
};

/* One evaluation. v NULL: it failed, the state is kept. */
enum sb_monitor_change sb_monitor_alert_step(struct sb_monitor_alert *al,
                                             const struct sb_monitor_rule *rule,
                                             const struct sb_monitor_value *v, int64_t now_ms);
/* The rule is gone, disabled or another one now. */
enum sb_monitor_change sb_monitor_alert_end(struct sb_monitor_alert *al, int64_t now_ms);

/* A number for people, by sb_monitor_rule_unit: "312 ms", "4.2 %", "1.5 GB", "0.25". */
void sb_monitor_number(struct sb_buf *out, double v, const char *unit);
/* The rule's summary with what is in braces filled in; a sentence of our own when it has none. */
void sb_monitor_summary(const struct sb_monitor_rule *rule, const struct sb_monitor_value *v,
                        struct sb_buf *out);

#endif
