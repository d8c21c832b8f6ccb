/* sibyl models, sibyl predict: serving's own API from the command line. */
#include <stdio.h>

#include "app/commands.h"
#include "app/instance.h"
#include "codec/json.h"
#include "codec/url.h"
#include "engine/fetch/fetch.h"

enum { ANSWER_MAX = 64 << 20, REQUEST_MAX = 64 << 20, TEXT_MAX = 1 << 20 };

const struct sb_option sb_models_options[] = {
    {"json", 0, NULL, "The whole answer of GET /models."},
    {NULL, 0, NULL, NULL},
};

/* One call to serving; complains when there was no answer. */
static enum sb_exit call(struct sb_cli *cli, const struct sb_fetch_request *request, int *status,
                         struct sb_buf *answer) {
    struct sb_errctx ctx = {0};
    struct sb_fetch *f;
    const char *url = sb_instance_serving_url(&cli->config.arena, &cli->config);
    sb_buf_init(answer, ANSWER_MAX);
    sb_err err = sb_fetch_new(&f, url, &ctx);
    if (!err) {
        err = sb_fetch_call(f, request, status, answer, &ctx);
        sb_fetch_free(f);
    }
    if (!err) return SB_EXIT_OK;
    sb_cli_error("%s; is `sibyl up` running on this data folder (--data)?",
                 sb_errctx_text(&ctx, err));
    return SB_EXIT_FAILED;
}

static enum sb_exit print_answer(int status, const struct sb_buf *answer) {
    FILE *to = status == 200 ? stdout : stderr;
    if (status != 200) sb_cli_error("serving answered %d", status);
    fprintf(to, "%.*s\n", SB_ARG(sb_buf_view(answer)));
    return status == 200 ? SB_EXIT_OK : SB_EXIT_FAILED;
}

/* ---- models ---- */

static struct sb_str member(const struct sb_json *o, const char *key) {
    struct sb_str s = {0};
    if (sb_json_get(o, key) && !sb_json_get_str(o, key, &s)) s = (struct sb_str){0};
    return s;
}

static void add_version(struct sb_buf *out, const char *role, const struct sb_json *live) {
    double bytes = 0;
    struct sb_str why = member(live, "why"), class_name = member(live, "class");
    if (!live) return;
    sb_buf_addf(out, "  %-8s version %.*s  %.*s  (%.*s)", role, SB_ARG(member(live, "version")),
                SB_ARG(member(live, "backend")), SB_ARG(member(live, "policy")));
    if (class_name.n) sb_buf_addf(out, "  %.*s", SB_ARG(class_name));
    if (sb_json_get(live, "memory_bytes") && sb_json_get_double(live, "memory_bytes", &bytes))
        sb_buf_addf(out, bytes < 1e6 ? "  %.0f kB" : "  %.1f MB",
                    bytes < 1e6 ? bytes / 1e3 : bytes / 1e6);
    sb_buf_addc(out, '\n');
    if (why.n) sb_buf_addf(out, "           %.*s\n", SB_ARG(why));
}

static void add_model(struct sb_buf *out, const struct sb_json *m) {
    struct sb_str failure = member(m, "failure"), no_shadow = member(m, "shadow_failure");
    struct sb_str pending = member(m, "pending");
    sb_buf_addf(out, "%.*s\n", SB_ARG(member(m, "name")));
    if (!sb_json_get(m, "live")) sb_buf_addz(out, "  no version is live\n");
    add_version(out, "live", sb_json_get(m, "live"));
    add_version(out, "shadow", sb_json_get(m, "shadow"));
    if (failure.n)
        sb_buf_addf(out, "  failed   version %.*s\n           %.*s\n",
                    SB_ARG(member(m, "failed_version")), SB_ARG(failure));
    if (no_shadow.n)
        sb_buf_addf(out, "  shadow   not started\n           %.*s\n", SB_ARG(no_shadow));
    if (pending.n)
        sb_buf_addf(out, "  pending  version %.*s\n           %.*s\n",
                    SB_ARG(member(m, "pending_version")), SB_ARG(pending));
}

static enum sb_exit print_models(const struct sb_buf *answer) {
    struct sb_arena a;
    struct sb_json *doc;
    struct sb_buf out;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, ANSWER_MAX);
    sb_buf_init(&out, TEXT_MAX);
    sb_err err = sb_json_parse(&doc, sb_buf_view(answer), &a, &ctx);
    const struct sb_json *models = err ? NULL : sb_json_get(doc, "models");
    if (err) {
        sb_cli_error("serving's answer: %s", sb_errctx_text(&ctx, err));
    } else if (!models || !models->child) {
        puts("No model is registered. Register one with MLflow (examples/quickstart.ipynb): it is "
             "live at once.");
    } else {
        for (const struct sb_json *m = models->child; m; m = m->next) add_model(&out, m);
        fputs(sb_buf_cstr(&out), stdout);
    }
    sb_buf_fini(&out);
    sb_arena_fini(&a);
    return err ? SB_EXIT_FAILED : SB_EXIT_OK;
}

enum sb_exit sb_models_run(struct sb_cli *cli) {
    struct sb_buf answer;
    int status = 0;
    enum sb_exit rc = call(cli, &(struct sb_fetch_request){.target = "/models"}, &status, &answer);
    if (!rc && (status != 200 || sb_cli_option(cli, "json")))
        rc = print_answer(status, &answer);
    else if (!rc)
        rc = print_models(&answer);
    sb_buf_fini(&answer);
    return rc;
}

/* ---- predict ---- */

static bool read_input(struct sb_buf *b) {
    char piece[65536];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0) sb_buf_add(b, piece, n);
    return !ferror(stdin) && sb_buf_err(b) == SB_OK;
}

enum sb_exit sb_predict_run(struct sb_cli *cli) {
    struct sb_buf body, target, answer;
    int status = 0;
    sb_buf_init(&body, REQUEST_MAX);
    sb_buf_init(&target, 4096);
    if (cli->nwords > 1)
        sb_buf_addz(&body, cli->words[1]);
    else if (!read_input(&body)) {
        sb_cli_error("cannot read the request from standard input (at most 64 MiB)");
        sb_buf_fini(&body);
        return SB_EXIT_FAILED;
    }
    SB_BUF_LIT(&target, "/models/");
    sb_url_encode(&target, sb_str_of(cli->words[0]));
    SB_BUF_LIT(&target, "/predict");
    struct sb_fetch_request request = {
        .method = "POST", .target = sb_buf_cstr(&target), .body = sb_buf_view(&body)};
    enum sb_exit rc = call(cli, &request, &status, &answer);
    if (!rc) rc = print_answer(status, &answer);
    sb_buf_fini(&answer);
    sb_buf_fini(&target);
    sb_buf_fini(&body);
    return rc;
}
