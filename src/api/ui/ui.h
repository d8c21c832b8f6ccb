/* The dashboard on port 3000: its pages, and the other roles' APIs at the same origin. */
#ifndef SB_API_UI_UI_H
#define SB_API_UI_UI_H

#include "base/err.h"
#include "engine/http/http.h"

struct sb_ui;

/* Borrowed. */
struct sb_ui_opts {
    const char *serving_url;
    const char *registry_url;
    const char *search_url; /* for links and copied commands */
};

/* Starts the threads that ask the other roles. */
SB_MUST_CHECK sb_err sb_ui_new(struct sb_ui **out, const struct sb_ui_opts *o,
                               struct sb_errctx *ctx);
void sb_ui_free(struct sb_ui *u);

/* Table for sb_http_listen, whose app is the struct sb_ui. */
extern const struct sb_http_route sb_ui_routes[];

#endif
