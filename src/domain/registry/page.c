/* Page tokens: base64 of {"offset": n}. Opaque to clients, but a client may page on across a switch
 * between sibyl and a real server, so the form is MLflow's. */
#include "codec/base64.h"
#include "codec/json.h"
#include "domain/registry/store_int.h"

enum { TOKEN_MAX = 64 << 10 };

static bool decode(struct sb_arena *a, struct sb_str in, struct sb_str *out) {
    if (in.n == 0 || in.n > TOKEN_MAX) return false;
    uint8_t *to = sb_arena_alloc(a, sb_base64_room(in.n) + 1);
    if (!sb_base64_decode(in, to, &out->n)) return false;
    out->p = (const char *)to;
    return true;
}

struct sb_str sb_page_encode(struct sb_arena *a, struct sb_str json) {
    struct sb_buf b;
    sb_buf_init(&b, 4 << 20);
    sb_base64_add(&b, json);
    struct sb_str text = sb_str_of(sb_arena_printf(a, "%s", sb_buf_cstr(&b)));
    sb_buf_fini(&b);
    return text;
}

sb_err sb_page_decode(struct sb_registry_call *c, struct sb_str token, struct sb_json **out) {
    struct sb_str text;
    if (!decode(c->arena, token, &text))
        return sb_call_invalid(c, "Invalid page token, could not base64-decode");
    if (sb_json_parse(out, text, c->arena, NULL) || (*out)->type != SB_JSON_OBJECT)
        return sb_call_invalid(c, "Invalid page token, decoded value=%s",
                               sb_text_json(c->arena, text));
    return SB_OK;
}

sb_err sb_page_offset(struct sb_registry_call *c, const struct sb_json *token, int64_t *offset) {
    const struct sb_json *v = sb_json_get(token, "offset");
    int64_t n = 0;
    bool ok = v && v->type == SB_JSON_NUMBER && v->is_int;
    if (ok)
        n = v->i;
    else if (v && v->type == SB_JSON_STRING)
        ok = sb_str_to_i64(v->s, &n);
    if (!ok || n < 0) return sb_call_invalid(c, "Invalid page token, it has no offset");
    *offset = n;
    return SB_OK;
}

sb_err sb_page_parse(struct sb_registry_call *c, struct sb_str token, int64_t *offset) {
    *offset = 0;
    if (token.n == 0) return SB_OK;
    struct sb_json *tree;
    SB_TRY(sb_page_decode(c, token, &tree));
    return sb_page_offset(c, tree, offset);
}

bool sb_page_cut(size_t *n, int64_t limit) {
    if (*n <= (size_t)limit) return false;
    *n = (size_t)limit;
    return true;
}

struct sb_str sb_page_make(struct sb_arena *a, int64_t offset) {
    return sb_page_encode(a,
                          sb_str_of(sb_arena_printf(a, "{\"offset\": %lld}", (long long)offset)));
}

sb_err sb_page_size(struct sb_registry_call *c, struct sb_opt_i64 asked, int64_t fallback,
                    int64_t max, int64_t *out) {
    int64_t n = asked.has ? asked.v : fallback;
    if (n < 1)
        return sb_call_invalid(
            c,
            "Invalid value %lld for parameter 'max_results' supplied. It must be "
            "a positive integer",
            (long long)n);
    if (n > max)
        return sb_call_invalid(
            c,
            "Invalid value %lld for parameter 'max_results' supplied. It must be "
            "at most %lld",
            (long long)n, (long long)max);
    *out = n;
    return SB_OK;
}
