/* What alert rules look at, by the protocols of the systems that these roles stand in for: metrics
 * as Prometheus scrapes them, events as Elasticsearch is asked. So rules work the same with the
 * real ones. */
#ifndef SB_APP_ALERT_INPUTS_H
#define SB_APP_ALERT_INPUTS_H

#include "flow/alerts.h"

struct sb_alert_sources;

/* serving_url/metrics gets the label process="serving"; own (or NULL), this process's metrics, the
 * label process="platform". search_url speaks Elasticsearch's protocol. Borrowed. */
SB_MUST_CHECK sb_err sb_alert_sources_new(struct sb_alert_sources **out, const char *serving_url,
                                          const char *search_url, struct sb_metrics *own,
                                          struct sb_errctx *ctx);
/* NULL is fine. */
void sb_alert_sources_free(struct sb_alert_sources *s);
/* Any thread: calls in progress end. */
void sb_alert_sources_stop(struct sb_alert_sources *s);

struct sb_alert_inputs sb_alert_sources_inputs(struct sb_alert_sources *s);

#endif
