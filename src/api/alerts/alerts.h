/* /api/alerts on the dashboard's port: rules with their state, changes to them, silences,
 * destinations, history. JSON forms: docs/ALERTS.md. State changes need POST, PUT or DELETE and
 * JSON; Host and Origin are checked by engine/http. */
#ifndef SB_API_ALERTS_ALERTS_H
#define SB_API_ALERTS_ALERTS_H

#include "engine/http/http.h"

/* Table for sb_http_listen whose app is the struct sb_alerts (flow/alerts.h): opts.apps. */
extern const struct sb_http_route sb_alerts_routes[];

#endif
