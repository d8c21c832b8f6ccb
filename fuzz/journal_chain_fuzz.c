/* The chain file: whatever its bytes are, it is refused or it is whole. */
#include <stddef.h>
#include <stdint.h>

#include "engine/journal/chain_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_chain c;
    struct sb_errctx ctx = {0};
    if (sb_chain_parse(&c, data, size, &ctx) == SB_OK) {
        for (size_t i = 0; i < c.n; i++) SB_ASSERT(c.record[i].next >= c.record[i].base);
        sb_chain_trim(&c, c.n ? c.record[0].base + 1 : 1);
        sb_chain_fini(&c);
    }
    return 0;
}
