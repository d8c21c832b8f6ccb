/* Tables as text. */
#include <stdint.h>

#include "dialect_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dialect_fuzz f;
    if (!dialect_fuzz_init(&f, &sb_dialect_rows, data, size)) return 0;
    f.call.content_type = SB_STR("text/csv; charset=utf-8");
    bool later;
    dialect_fuzz_check(&f, sb_decode_body(&f.call, &later));
    dialect_fuzz_fini(&f);
    return 0;
}
