/* Whatever comes in as an artifact path: what passes the check is canonical, stays below the root,
 * and is not changed by joining or by being taken for a URI's path. */
#include <stddef.h>
#include <stdint.h>

#include "domain/artifact/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    struct sb_str in = {(const char *)data, n}, out, rest, part;
    sb_arena_init(&a, 1 << 20);
    if (sb_artifact_path_clean(in, &a, &out, &ctx) == SB_OK) {
        rest = out;
        SB_ASSERT(out.p[out.n] == '\0' && sb_str_find(out, '\0') < 0);
        SB_ASSERT(!out.n || (out.p[0] != '/' && out.p[out.n - 1] != '/'));
        SB_ASSERT(sb_str_find(out, '\\') < 0 && sb_str_find(out, '#') < 0);
        while (out.n && sb_str_split(&rest, '/', &part))
            SB_ASSERT(part.n && part.n <= 255 && !sb_str_is(part, ".") && !sb_str_is(part, ".."));
    } else {
        SB_ASSERT(ctx.msg[0]);
    }
    if (sb_artifact_path_of_uri(in, &a, &out, NULL) == SB_OK)
        SB_ASSERT(!sb_str_contains(out, SB_STR("/../")));
    sb_arena_fini(&a);
    return 0;
}
