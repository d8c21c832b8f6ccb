/* YAML: bounded, and what it gives is a tree that JSON can hold. */
#include <math.h>
#include <stdint.h>

#include "codec/json.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_arena a;
    struct sb_json *v, *again;
    struct sb_buf b;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 256 << 20);
    sb_buf_init(&b, 64 << 20);
    sb_err err = sb_yaml_parse(&v, sb_str_make((const char *)data, n), &a, &ctx);
    if (err) {
        SB_ASSERT(ctx.code == err && ctx.pos >= 0 && ctx.msg[0]);
    } else {
        sb_json_add_tree(&b, v);
        SB_ASSERT(sb_buf_err(&b) == SB_OK);
        struct sb_json_reader r;
        sb_json_reader_init(&r, sb_buf_view(&b), &a, NULL);
        r.number_max = 1 << 30;
        SB_ASSERT(sb_json_parse_with(&again, &r) == SB_OK);
    }
    sb_buf_fini(&b);
    sb_arena_fini(&a);
    return 0;
}
