/* What is kept of alerts besides the user's own file: the rules made on the page, switches of rules
 * from elsewhere, and silences. docs/formats/alerts.md. Pure; any thread. */
#ifndef SB_DOMAIN_MONITOR_STORE_H
#define SB_DOMAIN_MONITOR_STORE_H

#include "domain/monitor/rule.h"

enum { SB_MONITOR_SILENCES_MAX = 500 };

struct sb_monitor_switch {
    struct sb_str name; /* of a rule from anywhere */
    bool on;
};

/* A rule is silenced when its name is `rule` (empty: any) and it has all the labels; severity and
 * alertname count as labels. */
struct sb_monitor_silence {
    struct sb_str id, rule;
    const struct sb_monitor_pair *labels;
    size_t nlabels;
    int64_t created_ms, until_ms;
    struct sb_str by, why;
};

struct sb_monitor_store {
    struct sb_monitor_rules rules;
    const struct sb_monitor_switch *switches; /* each name once */
    size_t nswitches;
    const struct sb_monitor_silence *silences;
    size_t nsilences;
};

/* All memory is the arena's. */
SB_MUST_CHECK sb_err sb_monitor_store_parse(struct sb_monitor_store *out, struct sb_str text,
                                            const char *file, struct sb_arena *a,
                                            struct sb_errctx *ctx);
void sb_monitor_store_write(const struct sb_monitor_store *s, struct sb_buf *out);

/* From the API: {rule, labels, for, why, by}; id and created_ms are set from the arguments. */
SB_MUST_CHECK sb_err sb_monitor_silence_read(struct sb_monitor_silence *out,
                                             const struct sb_json *tree, const char *id,
                                             int64_t now_ms, struct sb_arena *a, struct sb_str *key,
                                             struct sb_errctx *ctx);

bool sb_monitor_silence_matches(const struct sb_monitor_silence *s,
                                const struct sb_monitor_rule *rule);

#endif
