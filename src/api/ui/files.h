/* The dashboard's files, embedded at build from web/dashboard/. */
#ifndef SB_API_UI_FILES_H
#define SB_API_UI_FILES_H

#include "engine/http/http.h"

/* GET / and /{page}: the shell, when pages/{page}.js is one of the files; else 404. */
void sb_ui_page(struct sb_http_req *r);
/* GET /static/{path*} */
void sb_ui_static(struct sb_http_req *r);

#endif
