#include "app/instance.h"

#include <stdio.h>

#include "app/datadir.h"
#include "codec/json.h"
#include "sys/file.h"

enum { FILE_MAX = 1 << 16 };

const char *sb_instance_path(struct sb_arena *a, const char *data, const char *role) {
    return sb_arena_printf(a, "%s/" SB_DATADIR_RUN "/%s.json", data, role);
}

const char *sb_instance_url_of(struct sb_arena *a, const char *host, uint16_t port) {
    if (strcmp(host, "0.0.0.0") == 0) host = "127.0.0.1";
    if (strcmp(host, "::") == 0) host = "::1";
    return sb_arena_printf(a, strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host,
                           (unsigned)port);
}

sb_err sb_instance_write(const char *path, const char *role, int pid,
                         const struct sb_instance_url *urls, size_t n, struct sb_errctx *ctx) {
    struct sb_buf b;
    sb_buf_init(&b, FILE_MAX);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "pid", pid);
    sb_json_str(&w, "role", sb_str_of(role));
    sb_json_bool(&w, "ready", true);
    sb_json_obj(&w, "urls");
    for (size_t i = 0; i < n; i++) sb_json_str(&w, urls[i].what, sb_str_of(urls[i].url));
    sb_json_end(&w);
    sb_json_end(&w);
    sb_buf_addc(&b, '\n');
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_file_replace(path, b.p, b.n, ctx);
    sb_buf_fini(&b);
    return err;
}

bool sb_instance_read(struct sb_arena *a, const char *path, int64_t *pid, const char *what,
                      const char **url) {
    struct sb_buf b;
    struct sb_arena tmp;
    struct sb_json *doc;
    struct sb_str text = {0};
    sb_buf_init(&b, FILE_MAX);
    sb_arena_init(&tmp, 1 << 20);
    bool ok = sb_file_exists(path) && sb_file_read_all(path, &b, NULL) == SB_OK &&
              sb_json_parse(&doc, sb_buf_view(&b), &tmp, NULL) == SB_OK &&
              sb_json_get_i64(doc, "pid", pid);
    if (ok && url) {
        ok = sb_json_get_str(sb_json_get(doc, "urls"), what, &text) && text.n;
        if (ok) *url = sb_arena_printf(a, "%.*s", SB_ARG(text));
    }
    sb_arena_fini(&tmp);
    sb_buf_fini(&b);
    return ok;
}

const char *sb_instance_serving_url(struct sb_arena *a, const struct sb_config *c) {
    const char *url;
    int64_t pid = 0;
    if (sb_instance_read(a, sb_instance_path(a, c->data, "serving"), &pid, "serving", &url))
        return url;
    return sb_instance_url_of(a, c->serving_listen.host, c->serving_listen.port);
}
