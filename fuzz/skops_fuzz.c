/* skops archives: zip, .npy headers and the tree of schema.json, read as a scikit-learn model. */
#include <stdint.h>

#include "engine/pickle/npy.h"
#include "engine/pickle/pickle.h"
#include "model_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_str file = sb_str_make((const char *)data, size);
    struct native_spec spec = {0};
    struct sb_errctx ctx = {0};
    struct sb_arena a;
    struct sb_pv *v = NULL;
    struct native_job job = {.out = &spec, .arena = &a, .ctx = &ctx};
    sb_arena_init(&a, sb_pickle_memory_max(size));
    if (native_sklearn_read(&job, file) == SB_OK) fuzz_spec(&spec);
    /* a lone .npy file mutates better than one under a CRC */
    if (sb_npy_read(&v, file, &a, NULL) == SB_OK && v->array->count) {
        double d;
        struct sb_str s;
        (void)sb_np_get_double(v->array, v->array->count - 1, &d);
        (void)sb_np_get_str(v->array, 0, &a, &s);
    }
    sb_arena_fini(&a);
    return 0;
}
