/* A model's requirements.txt: what is taken is lines that pip can only read as requirements. */
#include <stdbool.h>
#include <stdint.h>

#include "flow/requirements.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    struct sb_str text = {(const char *)data, size}, file, line;
    const char *lines = NULL;
    sb_arena_init(&a, 1 << 20);
    bool constrains = sb_requirements_parse_constraints(text, &a, &lines, NULL) == SB_OK;
    if (sb_requirements_parse(text, SB_STR("3.1.0"), &a, &lines, &file, &ctx) == SB_OK) {
        struct sb_str rest = sb_str_of(lines);
        size_t n = 0;
        while (sb_str_split(&rest, '\n', &line)) {
            if (!line.n) continue;
            n++;
            SB_ASSERT(line.p[0] != '-' && line.p[line.n - 1] != '\\');
            SB_ASSERT(sb_str_find(line, '/') < 0 && sb_str_find(line, '@') < 0);
        }
        SB_ASSERT(n > 0 && n <= (size_t)SB_REQUIREMENTS_MAX + 3);
    } else {
        SB_ASSERT(ctx.msg[0] != 0 && !constrains);
    }
    sb_arena_fini(&a);
    return 0;
}
