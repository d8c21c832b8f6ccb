/* Inside domain/monitor only. */
#ifndef SB_DOMAIN_MONITOR_RULE_INT_H
#define SB_DOMAIN_MONITOR_RULE_INT_H

#include "domain/monitor/rule.h"

/* A document of at most SB_MONITOR_TEXT_MAX bytes; messages begin with the file's name. */
SB_MUST_CHECK sb_err sb_monitor_yaml(struct sb_json **out, struct sb_str text, const char *file,
                                     struct sb_arena *a, struct sb_errctx *ctx);

/* The rows of the table of keys. */
void sb_monitor_keys_docs(struct sb_buf *out);

#endif
