/* What an unfinished upload left on disk: a mark or an info that is read is within its limits, and
 * comes out of a round trip as it was. The first byte chooses. */
#include "base/err.h"
#include "domain/artifact/artifact.h"
#include "domain/artifact/parts_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void mark(struct sb_str in) {
    struct sb_parts_mark a, b;
    char text[SB_PARTS_MARK];
    if (!sb_parts_mark_read(in, &a)) return;
    SB_ASSERT(a.number > 0 && a.size >= 0);
    sb_parts_mark_write(&a, text);
    SB_ASSERT(sb_parts_mark_read(sb_str_of(text), &b));
    SB_ASSERT(a.number == b.number && a.size == b.size && a.crc == b.crc);
}

static void info(struct sb_str in) {
    struct sb_arena arena;
    struct sb_buf text;
    struct sb_str path, again;
    int64_t parts, parts_again;
    sb_arena_init(&arena, 16 << 20);
    sb_buf_init(&text, 1 << 20);
    if (sb_parts_info_read(in, &arena, &path, &parts)) {
        SB_ASSERT(path.n && parts > 0 && parts <= SB_ARTIFACT_PARTS_MAX);
        sb_parts_info_write(&text, path, parts);
        SB_ASSERT(sb_parts_info_read(sb_buf_view(&text), &arena, &again, &parts_again));
        SB_ASSERT(sb_str_eq(path, again) && parts == parts_again);
    }
    sb_buf_fini(&text);
    sb_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (!n) return 0;
    struct sb_str in = {(const char *)data + 1, n - 1};
    if (data[0] & 1)
        mark(in);
    else
        info(in);
    return 0;
}
