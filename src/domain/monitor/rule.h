/* Alert rules: what is measured, when it is too much, and what is said then.
 *
 *     rules:
 *       - name: latency p99
 *         metric: sibyl_prediction_duration_seconds
 *         where: {role: primary}
 *         stat: p99
 *         window: 5m
 *         above: 0.25
 *         clear: 0.2
 *         for: 1m
 *
 * YAML and JSON give the same tree, so one reader serves files and the API. Keys are the table in
 * rule.c; docs/ALERT-RULES.md is made from it. Pure; any thread. */
#ifndef SB_DOMAIN_MONITOR_RULE_H
#define SB_DOMAIN_MONITOR_RULE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "codec/json.h"

enum {
    SB_MONITOR_RULES_MAX = 500,
    SB_MONITOR_TEXT_MAX = 1 << 20, /* bytes of a file of rules */
    SB_MONITOR_NAME_MAX = 100,
    SB_MONITOR_STRING_MAX = 2000, /* summary, query, values of labels and annotations */
    SB_MONITOR_PAIRS_MAX = 32,    /* labels, annotations, label matchers, values of one */
};
#define SB_MONITOR_WINDOW_MIN (10 * SB_SEC)
#define SB_MONITOR_WINDOW_MAX (24 * 3600 * SB_SEC)

enum sb_monitor_kind { SB_MONITOR_METRIC, SB_MONITOR_EVENTS };

enum sb_monitor_stat {
    SB_MONITOR_VALUE,       /* metric: as it is now */
    SB_MONITOR_RATE,        /* counter: per second over the window */
    SB_MONITOR_INCREASE,    /* counter: over the window */
    SB_MONITOR_COUNT,       /* events */
    SB_MONITOR_CARDINALITY, /* events: different values of a field */
    SB_MONITOR_SUM,         /* events: of a field */
    SB_MONITOR_AVG,         /* gauge over the window, or a field of events; so are the next */
    SB_MONITOR_MIN,
    SB_MONITOR_MAX,
    SB_MONITOR_QUANTILE, /* histogram over the window, or a field of events */
};

enum sb_monitor_across { /* how the series of a metric become one number */
                         SB_MONITOR_ACROSS_SUM,
                         SB_MONITOR_ACROSS_MAX,
                         SB_MONITOR_ACROSS_MIN,
                         SB_MONITOR_ACROSS_AVG,
};

enum sb_monitor_no_data { SB_MONITOR_NO_DATA_OK, SB_MONITOR_NO_DATA_KEEP, SB_MONITOR_NO_DATA_FIRE };

enum sb_monitor_severity { SB_MONITOR_INFO, SB_MONITOR_WARNING, SB_MONITOR_CRITICAL };
extern const char *const sb_monitor_severity_names[];

/* A series matches when its label has one of the values; negated: none of them. A label that a
 * series has not is the empty text. */
struct sb_monitor_match {
    struct sb_str label;
    const struct sb_str *values;
    size_t n;
    bool negated;
};

struct sb_monitor_source {
    enum sb_monitor_kind kind;
    struct sb_str metric; /* its name */
    const struct sb_monitor_match *matches;
    size_t nmatches;
    struct sb_str query, index, field; /* events: query_string; "predictions"; may be empty */
    enum sb_monitor_stat stat;
    double quantile; /* 0.99 */
};

struct sb_monitor_pair {
    struct sb_str key, value;
};

struct sb_monitor_rule {
    struct sb_str name;
    bool enabled;
    enum sb_monitor_severity severity;
    struct sb_str summary; /* may be empty */
    struct sb_monitor_source of, per;
    bool has_per; /* the number is of / per */
    int64_t window_ns;
    enum sb_monitor_across across;
    double at_least; /* observations in the window; fewer = no data */
    bool above;      /* beyond is > threshold; else < */
    double threshold, clear;
    int64_t for_ns;
    enum sb_monitor_no_data no_data;
    const struct sb_monitor_pair *labels, *annotations;
    size_t nlabels, nannotations;
    struct sb_str definition; /* the keys that were given, as a JSON object */
};

/* Where a tree came from, for messages: "alerts.yaml" (positions are lines then), or NULL for JSON
 * from the API. */
struct sb_monitor_origin {
    const char *file;
};

/* One rule from its mapping; all memory is the arena's (strings are copied). The message of an
 * error names file, line, rule and key and says what would do; pos is the line, or -1. *key is set
 * to the key that is wrong, empty when it is none. key may be NULL. */
SB_MUST_CHECK sb_err sb_monitor_rule_read(struct sb_monitor_rule *out, const struct sb_json *tree,
                                          const struct sb_monitor_origin *from, struct sb_arena *a,
                                          struct sb_str *key, struct sb_errctx *ctx);

/* A list of them, sorted by name, each name once. */
struct sb_monitor_rules {
    const struct sb_monitor_rule *rule;
    size_t n;
};
/* A file: {rules: [RULE, ...]}, YAML or JSON; empty text has no rules. */
SB_MUST_CHECK sb_err sb_monitor_rules_parse(struct sb_monitor_rules *out, struct sb_str text,
                                            const char *file, struct sb_arena *a,
                                            struct sb_errctx *ctx);
/* The list of a tree, for files that hold more than rules. */
SB_MUST_CHECK sb_err sb_monitor_rules_read(struct sb_monitor_rules *out, const struct sb_json *list,
                                           const struct sb_monitor_origin *from, struct sb_arena *a,
                                           struct sb_errctx *ctx);
/* NULL = there is none. */
const struct sb_monitor_rule *sb_monitor_rules_find(const struct sb_monitor_rules *r,
                                                    struct sb_str name);

/* The rules that come with the program. */
SB_MUST_CHECK sb_err sb_monitor_defaults(struct sb_monitor_rules *out, struct sb_arena *a,
                                         struct sb_errctx *ctx);

/* The unit of the number, as far as the rule tells: "s", "bytes", "ratio", "/s", "". */
const char *sb_monitor_rule_unit(const struct sb_monitor_rule *r);

/* The rule as an element of the list `rules:` of a file, each line indented by two blanks. */
void sb_monitor_rule_write_yaml(const struct sb_monitor_rule *r, struct sb_buf *out);

/* The table of keys and the shipped rules, as Markdown. */
void sb_monitor_docs(struct sb_buf *out);

#endif
