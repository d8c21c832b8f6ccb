#include "app/client.h"

#include <stdio.h>

#include "app/instance.h"
#include "app/text.h"

enum { ANSWER_MAX = 64 << 20 };

bool sb_client_call(struct sb_cli *cli, const struct sb_fetch_request *request, int *status,
                    struct sb_buf *answer) {
    struct sb_errctx ctx = {0};
    struct sb_fetch *f;
    struct sb_fetch_request r = *request;
    const char *url = sb_cli_option(cli, "url");
    bool remote = url != NULL;
    if (!remote) url = sb_instance_serving_url(&cli->config.arena, &cli->config);
    r.max_bytes = ANSWER_MAX;
    sb_buf_init(answer, ANSWER_MAX);
    sb_err err = sb_fetch_new(&f, url, &ctx);
    if (!err) {
        err = sb_fetch_call(f, &r, status, answer, &ctx);
        sb_fetch_free(f);
    }
    if (!err) return true;
    sb_cli_error(remote ? "%s; does serving listen there (--url)?"
                        : "%s; is `sibyl up` running on this data folder (--data)?",
                 sb_errctx_text(&ctx, err));
    return false;
}

const struct sb_json *sb_client_get(struct sb_cli *cli, const char *target, int status, int status2,
                                    struct sb_arena *arena) {
    struct sb_fetch_request r = {.target = target};
    struct sb_buf answer;
    struct sb_json *doc = NULL;
    struct sb_errctx ctx = {0};
    int got = 0;
    bool ok = sb_client_call(cli, &r, &got, &answer);
    if (ok && got != status && got != status2) {
        sb_cli_error("serving answered %d to GET %s: %.*s", got, target,
                     SB_ARG(sb_str_sub(sb_buf_view(&answer), 0, 500)));
        ok = false;
    }
    if (ok) {
        struct sb_str text = sb_arena_dup(arena, sb_buf_view(&answer));
        sb_err err = text.p ? sb_json_parse(&doc, text, arena, &ctx) : SB_E_LIMIT;
        if (err) {
            sb_cli_error("serving's answer to GET %s: %s", target, sb_errctx_text(&ctx, err));
            doc = NULL;
        }
    }
    sb_buf_fini(&answer);
    return doc;
}

void sb_client_print_json(struct sb_str json) {
    struct sb_buf out;
    sb_buf_init(&out, 8 * json.n + 16);
    sb_text_add_json(&out, json);
    if (!sb_str_ends(json, SB_STR("\n"))) sb_buf_addc(&out, '\n');
    sb_text_print(&out);
    sb_buf_fini(&out);
}

struct sb_str sb_client_text(const struct sb_json *o, const char *key) {
    struct sb_str s = {0};
    if (sb_json_get(o, key) && !sb_json_get_str(o, key, &s)) s = (struct sb_str){0};
    return s;
}
