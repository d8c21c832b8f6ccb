#include "codec/url.h"

#include "codec/hex.h"
#include "codec/utf8.h"

sb_err sb_url_decode(struct sb_str *out, struct sb_str in, bool plus, struct sb_arena *arena,
                     struct sb_errctx *ctx) {
    struct sb_str s = in;
    if (sb_str_find(in, '%') >= 0 || (plus && sb_str_find(in, '+') >= 0)) {
        char *to = sb_arena_try(arena, in.n);
        if (!to) return sb_fail(ctx, SB_E_LIMIT, "no memory for %zu bytes of a URL", in.n);
        s = sb_str_make(to, 0);
        for (size_t i = 0; i < in.n; i++) {
            char c = in.p[i];
            if (c == '%') {
                int high = i + 2 < in.n ? sb_hex_digit(in.p[i + 1]) : -1;
                int low = high >= 0 ? sb_hex_digit(in.p[i + 2]) : -1;
                if (low < 0)
                    return sb_fail_at(ctx, SB_E_INVALID, (int64_t)i,
                                      "'%%' without two hex digits in a URL at byte %zu", i);
                if (!high && !low)
                    return sb_fail_at(ctx, SB_E_INVALID, (int64_t)i, "%%00 in a URL at byte %zu",
                                      i);
                c = (char)(high << 4 | low);
                i += 2;
            } else if (c == '+' && plus) {
                c = ' ';
            }
            to[s.n++] = c;
        }
    }
    if (!sb_utf8_valid(s))
        return sb_fail_at(ctx, SB_E_INVALID, 0, "a URL's text is not UTF-8 after decoding");
    *out = s;
    return SB_OK;
}

bool sb_url_query_next(struct sb_str *rest, struct sb_str *name, struct sb_str *value) {
    struct sb_str part;
    while (sb_str_split(rest, '&', &part)) {
        if (!part.n) continue;
        *value = part;
        if (!sb_str_split(value, '=', name)) continue;
        if (!value->p) *value = sb_str_make(part.p + part.n, 0);
        return true;
    }
    return false;
}

sb_err sb_url_query_get(struct sb_str *out, struct sb_str query, const char *name,
                        struct sb_arena *arena, struct sb_errctx *ctx) {
    struct sb_str rest = query, raw, value, key;
    while (sb_url_query_next(&rest, &raw, &value)) {
        SB_TRY(sb_url_decode(&key, raw, true, arena, ctx));
        if (sb_str_is(key, name)) return sb_url_decode(out, value, true, arena, ctx);
    }
    return SB_E_MISSING;
}

static void encode(struct sb_buf *b, struct sb_str s, char kept) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~' || c == kept;
        if (plain) {
            sb_buf_addc(b, c);
        } else {
            char text[3] = {'%', digits[(uint8_t)c >> 4], digits[(uint8_t)c & 15]};
            sb_buf_add(b, text, 3);
        }
    }
}

void sb_url_encode(struct sb_buf *b, struct sb_str s) {
    encode(b, s, '-');
}
void sb_url_encode_path(struct sb_buf *b, struct sb_str s) {
    encode(b, s, '/');
}
