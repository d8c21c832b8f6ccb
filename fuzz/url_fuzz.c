/* URL text: decoding never grows it, and encoding is undone by decoding. */
#include <stdint.h>

#include "codec/url.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_str in = {(const char *)data, n}, out, back, name, value, rest = in;
    struct sb_arena a;
    struct sb_buf b;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 64 << 20);
    sb_buf_init(&b, 64 << 20);
    for (int plus = 0; plus < 2; plus++) {
        sb_errctx_reset(&ctx);
        sb_err err = sb_url_decode(&out, in, plus, &a, &ctx);
        if (err) {
            SB_ASSERT(err == SB_E_INVALID && ctx.pos >= 0 && ctx.pos <= (int64_t)n);
            continue;
        }
        SB_ASSERT(out.n <= n && sb_utf8_valid(out));
        sb_buf_reset(&b);
        if (plus) {
            sb_url_encode(&b, out);
        } else {
            sb_url_encode_path(&b, out);
        }
        SB_ASSERT(sb_url_decode(&back, sb_buf_view(&b), plus, &a, NULL) == SB_OK ||
                  sb_str_find(out, 0) >= 0); /* a raw NUL encodes as %00, which is refused */
        if (sb_str_find(out, 0) < 0) SB_ASSERT(sb_str_eq(back, out));
    }
    size_t total = 0;
    while (sb_url_query_next(&rest, &name, &value)) total += name.n + value.n;
    SB_ASSERT(total <= n);
    (void)!sb_url_query_get(&out, in, "a", &a, NULL);
    sb_buf_fini(&b);
    sb_arena_fini(&a);
    return 0;
}
