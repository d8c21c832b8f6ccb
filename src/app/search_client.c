#include "app/search_client.h"

#include "app/client.h"
#include "app/instance.h"

enum { ANSWER_MAX = 256 << 20 };

static const char *search_url(struct sb_config *c) {
    const char *url;
    int64_t pid;
    if (sb_instance_read(&c->arena, sb_instance_path(&c->arena, c->data, "platform"), &pid,
                         "search", &url))
        return url;
    return sb_instance_url_of(&c->arena, c->search_listen.host, c->search_listen.port);
}

void sb_search_client_fini(struct sb_search_client *s) {
    if (s->fetch) sb_fetch_free(s->fetch);
    s->fetch = NULL;
}

/* Elasticsearch's reason of an error. */
static struct sb_str reason_of(const struct sb_json *doc) {
    const struct sb_json *error = sb_json_get(doc, "error");
    const struct sb_json *roots = sb_json_get(error, "root_cause");
    struct sb_str root = roots ? sb_client_text(roots->child, "reason") : (struct sb_str){0};
    return root.n ? root : sb_client_text(error, "reason");
}

static sb_err judge(int status, const char *target, const struct sb_json *doc,
                    struct sb_errctx *ctx) {
    if (status >= 200 && status < 300) return SB_OK;
    struct sb_str reason = reason_of(doc);
    sb_err err = status == 400 ? SB_E_INVALID : status == 404 ? SB_E_MISSING : SB_E_STATE;
    if (err == SB_E_INVALID && reason.n) return sb_fail(ctx, err, "%.*s", SB_ARG(reason));
    return sb_fail(ctx, err, "the search API answered %d to %s: %.*s", status, target,
                   SB_ARG(reason));
}

sb_err sb_search_client_call(struct sb_search_client *s, struct sb_config *c, const char *method,
                             const char *target, struct sb_str body, struct sb_arena *arena,
                             const struct sb_json **out, struct sb_errctx *ctx) {
    struct sb_buf answer;
    struct sb_json *doc = NULL;
    int status = 0;
    struct sb_fetch_request r = {
        .method = method, .target = target, .body = body, .max_bytes = ANSWER_MAX};
    if (!s->fetch) SB_TRY(sb_fetch_new(&s->fetch, search_url(c), ctx));
    sb_buf_init(&answer, ANSWER_MAX);
    sb_err err = sb_fetch_call(s->fetch, &r, &status, &answer, ctx);
    struct sb_str text = err ? (struct sb_str){0} : sb_arena_dup(arena, sb_buf_view(&answer));
    sb_buf_fini(&answer);
    if (err) return err;
    struct sb_json_reader reader;
    sb_json_reader_init(&reader, text, arena, NULL);
    reader.string_max = ANSWER_MAX;
    if (!text.p || sb_json_parse_with(&doc, &reader) != SB_OK)
        return sb_fail(ctx, SB_E_STATE, "the search API answered %d to %s, and no JSON", status,
                       target);
    SB_TRY(judge(status, target, doc, ctx));
    *out = doc;
    return SB_OK;
}
