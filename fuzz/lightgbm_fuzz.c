/* LightGBM's text. */
#include <stdint.h>

#include "engine/pickle/pickle.h"
#include "model_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct native_spec spec = {0};
    struct sb_errctx ctx = {0};
    struct sb_arena a;
    sb_arena_init(&a, sb_pickle_memory_max(size));
    struct native_job job = {.out = &spec, .arena = &a, .ctx = &ctx};
    if (native_lightgbm_read(&job, sb_str_make((const char *)data, size)) == SB_OK)
        fuzz_spec(&spec);
    sb_arena_fini(&a);
    return 0;
}
