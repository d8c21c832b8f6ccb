/* The shipped rules: share/alerts.yaml as a part of the program. */
#include "alert_defaults.h"
#include "domain/monitor/rule_int.h"

sb_err sb_monitor_defaults(struct sb_monitor_rules *out, struct sb_arena *a,
                           struct sb_errctx *ctx) {
    struct sb_str text = {(const char *)sb_alert_defaults, sizeof sb_alert_defaults - 1};
    return sb_monitor_rules_parse(out, text, "share/alerts.yaml", a, ctx);
}

void sb_monitor_docs(struct sb_buf *out) {
    sb_buf_addz(out, "A file of rules is a mapping with one key, `rules`: a list of rules, each a "
                     "mapping of these keys. ALERTS.md\nsays what becomes of them.\n\n");
    sb_monitor_keys_docs(out);
    sb_buf_addz(out, "\n## Shipped rules\n\n```yaml\n");
    sb_buf_add(out, sb_alert_defaults, sizeof sb_alert_defaults - 1);
    sb_buf_addz(out, "```\n");
}
