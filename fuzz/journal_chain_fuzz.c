/* The chain file: whatever its bytes are, it is refused, or it is whole and written as it was. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/journal/chain_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const struct sb_chain *c) {
    struct sb_buf b;
    struct sb_chain again;
    sb_buf_init(&b, SB_CHAIN_BYTES_MAX);
    SB_ASSERT(sb_chain_write(c, &b, NULL) == SB_OK);
    SB_ASSERT(sb_chain_parse(&again, b.p, b.n, NULL) == SB_OK && again.n == c->n);
    const uint8_t *links[] = {again.record[c->n - 1].link, c->record[c->n - 1].link};
    SB_ASSERT(memcmp(links[0], links[1], SB_CHAIN_HASH) == 0); /* of everything */
    sb_chain_fini(&again);
    sb_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_chain c;
    struct sb_errctx ctx = {0};
    if (sb_chain_parse(&c, data, size, &ctx) != SB_OK) return 0;
    for (size_t i = 0; i < c.n; i++) SB_ASSERT(c.record[i].next >= c.record[i].base);
    if (c.n) same_again(&c);
    sb_chain_trim(&c, c.n ? c.record[0].base + 1 : 1);
    struct sb_chain_record more = {.kind = SB_CHAIN_SEALED, .base = 1 << 20, .next = 1 << 21};
    if (!c.n) sb_chain_add(&c, &more);
    sb_chain_fini(&c);
    return 0;
}
