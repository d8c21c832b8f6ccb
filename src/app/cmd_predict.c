/* sibyl predict NAME [JSON | @FILE | -] */
#include <stdio.h>

#include "app/client.h"
#include "app/commands.h"
#include "codec/url.h"
#include "sys/file.h"
#include "sys/process.h"

enum { REQUEST_MAX = 64 << 20, HEADERS_MAX = 64, STDIN = 0 };

const struct sb_option sb_predict_options[] = {
    {"header", 'H', "NAME=VALUE", "A further header of the request; may be repeated."},
    {"request-id", 0, "ID", "The request's own id (X-Request-ID), kept in its events."},
    {"user", 0, "USER", "Who it is for (X-User-Id), kept in its events."},
    {"tag", 0, "NAME=VALUE", "A tag (X-Tag-NAME), kept in its events; may be repeated."},
    {"content-type", 0, "TYPE", "Of the request (default application/json)."},
    SB_CLIENT_URL_OPTION,
    {NULL, 0, NULL, NULL},
};

/* ---- the body ---- */

static sb_err read_stdin(struct sb_buf *b, struct sb_errctx *ctx) {
    char piece[65536];
    size_t n;
    if (sb_process_is_terminal(STDIN))
        fputs("Reading the request from the terminal; Ctrl-D ends it.\n", stderr);
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0) sb_buf_add(b, piece, n);
    if (ferror(stdin)) return sb_fail(ctx, SB_E_IO, "standard input cannot be read");
    return sb_buf_err(b);
}

static sb_err read_body(const struct sb_cli *cli, struct sb_buf *b, struct sb_errctx *ctx) {
    const char *word = cli->nwords > 1 ? cli->words[1] : "-";
    if (strcmp(word, "-") == 0) return read_stdin(b, ctx);
    if (word[0] == '@') return sb_file_read_all(word + 1, b, ctx);
    sb_buf_addz(b, word);
    return sb_buf_err(b);
}

/* ---- headers ---- */

static bool is_token(struct sb_str s) { /* RFC 9110 section 5.6.2 */
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word && (!c || !strchr(marks, c))) return false;
    }
    return s.n > 0;
}

static bool is_value(struct sb_str s) {
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) return false;
    return true;
}

struct headers {
    struct sb_arena *arena;
    const char *v[HEADERS_MAX + 1];
    size_t n;
};

static enum sb_exit add_header(struct headers *h, const char *flag, const char *prefix,
                               struct sb_str name, struct sb_str value) {
    if (!is_token(name) || !is_value(value)) {
        sb_cli_error("--%s: \"%.*s\" = \"%.*s\" cannot be a header: no name, or control characters",
                     flag, SB_ARG(name), SB_ARG(value));
        return SB_EXIT_USAGE;
    }
    if (h->n == HEADERS_MAX) {
        sb_cli_error("--%s: at most %d headers and tags", flag, HEADERS_MAX);
        return SB_EXIT_USAGE;
    }
    /* curl leaves a header with nothing behind the colon out; a semicolon instead keeps it */
    h->v[h->n++] = sb_arena_printf(h->arena, value.n ? "%s%.*s: %.*s" : "%s%.*s;%.*s", prefix,
                                   SB_ARG(name), SB_ARG(value));
    return SB_EXIT_OK;
}

/* Each NAME=VALUE of an option. */
static enum sb_exit add_pairs(struct headers *h, const struct sb_cli *cli, const char *flag,
                              const char *prefix) {
    const char *given;
    for (size_t at = 0; (given = sb_cli_option_next(cli, flag, &at));) {
        struct sb_str rest = sb_str_of(given), name;
        sb_str_split(&rest, '=', &name);
        if (!rest.p) {
            sb_cli_error("--%s \"%s\": write it as NAME=VALUE", flag, given);
            return SB_EXIT_USAGE;
        }
        enum sb_exit rc = add_header(h, flag, prefix, name, rest);
        if (rc) return rc;
    }
    return SB_EXIT_OK;
}

static enum sb_exit add_named(struct headers *h, const struct sb_cli *cli, const char *flag,
                              const char *name) {
    const char *value = sb_cli_option(cli, flag);
    return value ? add_header(h, flag, "", sb_str_of(name), sb_str_of(value)) : SB_EXIT_OK;
}

static enum sb_exit read_headers(struct headers *h, const struct sb_cli *cli) {
    enum sb_exit rc = add_named(h, cli, "request-id", "X-Request-ID");
    if (!rc) rc = add_named(h, cli, "user", "X-User-Id");
    if (!rc) rc = add_pairs(h, cli, "tag", "X-Tag-");
    if (!rc) rc = add_pairs(h, cli, "header", "");
    return rc;
}

/* ---- the call ---- */

static enum sb_exit print_answer(int status, struct sb_str answer) {
    if (status == 200) {
        sb_client_print_json(answer);
        return SB_EXIT_OK;
    }
    sb_cli_error("serving answered %d: %.*s", status, SB_ARG(answer));
    if (status == 404) sb_cli_error("`sibyl models` lists what can be asked");
    return SB_EXIT_FAILED;
}

static enum sb_exit ask(struct sb_cli *cli, const struct headers *h, struct sb_str body) {
    struct sb_buf target, answer;
    const char *type = sb_cli_option(cli, "content-type");
    int status = 0;
    sb_buf_init(&target, 4096);
    SB_BUF_LIT(&target, "/models/");
    sb_url_encode(&target, sb_str_of(cli->words[0]));
    SB_BUF_LIT(&target, "/predict");
    struct sb_fetch_request r = {.method = "POST",
                                 .target = sb_buf_cstr(&target),
                                 .body = body.p ? body : SB_STR(""),
                                 .content_type = type,
                                 .headers = h->v};
    bool ok = sb_client_call(cli, &r, &status, &answer);
    enum sb_exit rc = ok ? print_answer(status, sb_str_trim(sb_buf_view(&answer))) : SB_EXIT_FAILED;
    sb_buf_fini(&answer);
    sb_buf_fini(&target);
    return rc;
}

enum sb_exit sb_predict_run(struct sb_cli *cli) {
    struct headers h = {.arena = &cli->config.arena};
    struct sb_errctx ctx = {0};
    struct sb_buf body;
    const char *type = sb_cli_option(cli, "content-type");
    if (type && !is_value(sb_str_of(type))) {
        sb_cli_error("--content-type: control characters cannot be sent");
        return SB_EXIT_USAGE;
    }
    enum sb_exit rc = read_headers(&h, cli);
    if (rc) return rc;
    sb_buf_init(&body, REQUEST_MAX);
    sb_err err = read_body(cli, &body, &ctx);
    if (err) {
        sb_cli_error("the request: %s (at most 64 MiB)", sb_errctx_text(&ctx, err));
        rc = SB_EXIT_FAILED;
    } else {
        rc = ask(cli, &h, sb_buf_view(&body));
    }
    sb_buf_fini(&body);
    return rc;
}
