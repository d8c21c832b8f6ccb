/* What the pages may do is the policy below: scripts and styles only from this server, no inline
 * ones, and no text that becomes markup (Trusted Types without any policy), so that names and
 * values from events can only ever be shown. Files are asked for again each time; their ETag is of
 * their bytes. */
#include "api/ui/files.h"

#include <stdio.h>

#include "codec/crc32c.h"
#include "codec/mime.h"
#include "web_dashboard.h"

#define CSP                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "  \
    "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "                        \
    "require-trusted-types-for 'script'; trusted-types 'none'"

static bool file_of(struct sb_str path, struct sb_str *bytes) {
    for (size_t i = 0; sb_web_dashboard[i].path; i++) {
        if (!sb_str_is(path, sb_web_dashboard[i].path)) continue;
        *bytes = sb_str_make((const char *)sb_web_dashboard[i].bytes, sb_web_dashboard[i].n);
        return true;
    }
    return false;
}

static void reply_file(struct sb_http_req *r, const char *path) {
    struct sb_str bytes;
    if (!file_of(sb_str_of(path), &bytes)) {
        sb_http_reply(r, 404, NULL, SB_STR("{\"error\":\"there is no such page\"}"));
        return;
    }
    char etag[40], type[80];
    snprintf(etag, sizeof etag, "\"%08x-%zx\"", sb_crc32c(0, bytes.p, bytes.n), bytes.n);
    snprintf(type, sizeof type, "%s; charset=utf-8", sb_mime_of(sb_str_of(path)));
    sb_http_add_header(r, "ETag", sb_str_of(etag));
    sb_http_add_header(r, "Cache-Control", SB_STR("no-cache"));
    sb_http_add_header(r, "Content-Security-Policy", SB_STR(CSP));
    sb_http_add_header(r, "Referrer-Policy", SB_STR("same-origin"));
    sb_http_add_header(r, "X-Content-Type-Options", SB_STR("nosniff"));
    if (sb_http_is_known(r, etag))
        sb_http_reply(r, 304, type, (struct sb_str){0});
    else
        sb_http_reply(r, 200, type, bytes);
}

void sb_ui_page(struct sb_http_req *r) {
    struct sb_str name = r->nparams ? r->params[0] : SB_STR("overview"), script;
    const char *path = sb_arena_printf(r->arena, "pages/%.*s.js", (int)name.n, name.p);
    reply_file(r, file_of(sb_str_of(path), &script) ? "index.html" : "");
}

void sb_ui_static(struct sb_http_req *r) {
    reply_file(r, sb_arena_printf(r->arena, "%.*s", (int)r->params[0].n, r->params[0].p));
}
