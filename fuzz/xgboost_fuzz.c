/* XGBoost's documents in UBJSON and JSON, as a Booster and as a classifier. */
#include <stdint.h>

#include "engine/pickle/pickle.h"
#include "model_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct sb_str classes[] = {SB_STR(""), SB_STR("xgboost.sklearn.XGBClassifier"),
                                            SB_STR("xgboost.sklearn.XGBRanker")};
    for (size_t i = 0; i < SB_COUNT(classes); i++) {
        struct native_spec spec = {0};
        struct sb_errctx ctx = {0};
        struct sb_arena a;
        sb_arena_init(&a, sb_pickle_memory_max(size));
        struct native_job job = {.out = &spec, .arena = &a, .ctx = &ctx};
        if (native_xgboost_read(&job, sb_str_make((const char *)data, size), classes[i]) == SB_OK)
            fuzz_spec(&spec);
        sb_arena_fini(&a);
    }
    return 0;
}
