/* Bodies of MLflow's scoring protocol and of KServe's version 1. */
#include <stdint.h>

#include "dialect_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct dialect *const dialects[] = {&sb_dialect_mlflow, &sb_dialect_v1};
    for (size_t i = 0; i < SB_COUNT(dialects); i++) {
        struct dialect_fuzz f;
        if (!dialect_fuzz_init(&f, dialects[i], data, size)) return 0;
        dialect_fuzz_check(&f, dialects[i]->decode(&f.call));
        dialect_fuzz_fini(&f);
    }
    return 0;
}
