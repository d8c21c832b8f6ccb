/* The pickle machine and what reads its values: any bytes as a pickle; every value that comes out
 * is looked at; and the same bytes as a scikit-learn model, which, when it is one, is compiled,
 * loaded and evaluated. */
#include <stdint.h>

#include "engine/pickle/pickle.h"
#include "model_fuzz.h"

static void look(const struct sb_pv *v, struct sb_arena *a, int *budget) {
    int64_t i;
    double d;
    struct sb_str s;
    if (--*budget < 0) return;
    (void)sb_pv_to_i64(v, &i);
    (void)sb_pv_to_double(v, &d);
    (void)sb_pv_to_str(v, a, &s);
    (void)sb_pv_get(v, "tree_");
    switch (v->type) {
    case SB_PV_LIST:
    case SB_PV_TUPLE:
    case SB_PV_SET:
    case SB_PV_DICT:
        for (uint32_t k = 0; k<v->seq.n && * budget> 0; k++) look(v->seq.v[k], a, budget);
        break;
    case SB_PV_OBJECT:
        if (v->object->args) look(v->object->args, a, budget);
        if (v->object->state) look(v->object->state, a, budget);
        break;
    case SB_PV_ARRAY:
        if (!v->array->dtype) break;
        for (size_t k = 0; k < v->array->count && k < 100; k++) {
            (void)sb_np_get_i64(v->array, k, &i);
            (void)sb_np_get_double(v->array, k, &d);
            (void)sb_np_get_str(v->array, k, a, &s);
        }
        break;
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct sb_pickle_class classes[] = {{"shop", "Item"}};
    const struct sb_pickle_options opt = {.classes = classes, .nclasses = SB_COUNT(classes)};
    struct sb_str file = sb_str_make((const char *)data, size);
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    const struct sb_pv *v = NULL;
    struct native_spec spec = {0};
    struct native_job job = {.out = &spec, .arena = &a};
    int budget = 2000;
    sb_arena_init(&a, sb_pickle_memory_max(size));
    if (sb_pickle_read(&v, file, &opt, &a, &ctx) == SB_OK) look(v, &a, &budget);
    sb_arena_reset(&a);
    if (native_sklearn_read(&job, file) == SB_OK) fuzz_spec(&spec);
    sb_arena_fini(&a);
    return 0;
}
