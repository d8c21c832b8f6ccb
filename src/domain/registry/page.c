/* Page tokens: base64 of {"offset": n}. Opaque to clients, but a client may page on across a switch
 * between sibyl and a real server, so the form is MLflow's. */
#include "codec/json.h"
#include "domain/registry/store_int.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct sb_str encode(struct sb_arena *a, struct sb_str in) {
    char *out = sb_arena_alloc(a, (in.n + 2) / 3 * 4 + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)(uint8_t)in.p[i] << 16;
        if (left > 1) v |= (uint32_t)(uint8_t)in.p[i + 1] << 8;
        if (left > 2) v |= (uint8_t)in.p[i + 2];
        out[n++] = alphabet[v >> 18];
        out[n++] = alphabet[(v >> 12) & 63];
        out[n++] = left > 1 ? alphabet[(v >> 6) & 63] : '=';
        out[n++] = left > 2 ? alphabet[v & 63] : '=';
    }
    out[n] = '\0';
    return sb_str_make(out, n);
}

static bool decode(struct sb_arena *a, struct sb_str in, struct sb_str *out) {
    if (in.n == 0 || in.n % 4 != 0 || in.n > 64 << 10) return false;
    char *to = sb_arena_alloc(a, in.n / 4 * 3 + 1);
    size_t n = 0, pad = 0;
    uint32_t v = 0;
    for (size_t i = 0; i < in.n; i++) {
        const char *at = in.p[i] ? strchr(alphabet, in.p[i]) : NULL;
        if (in.p[i] == '=' && i + 2 >= in.n)
            pad++;
        else if (!at || pad)
            return false;
        v = v << 6 | (at ? (uint32_t)(at - alphabet) : 0);
        if (i % 4 != 3) continue;
        to[n++] = (char)(v >> 16);
        to[n++] = (char)(v >> 8);
        to[n++] = (char)v;
        v = 0;
    }
    to[n -= pad] = '\0';
    *out = sb_str_make(to, n);
    return true;
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

struct sb_str sb_page_encode(struct sb_arena *a, struct sb_str json) {
    return encode(a, json);
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

struct sb_str sb_page_make(struct sb_arena *a, int64_t offset) {
    return encode(a, sb_str_of(sb_arena_printf(a, "{\"offset\": %lld}", (long long)offset)));
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
