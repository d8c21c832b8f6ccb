#include "engine/journal/chain_int.h"

#include "base/mem.h"
#include "codec/crc32c.h"

enum {
    HEADER = 64,
    RECORD = 256,
    LINKED = 220, /* bytes of a record that its link covers */
    RECORDS_MAX = SB_CHAIN_RECORDS_MAX,
};
static const char chain_magic[8] = "SBCHAN1";

void sb_chain_fini(struct sb_chain *c) {
    sb_free(c->record);
    *c = (struct sb_chain){0};
}

static struct sb_chain_record *push(struct sb_chain *c) {
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->record = sb_realloc(c->record, c->cap * sizeof *c->record);
    }
    return &c->record[c->n++];
}

/* The part that the link covers. */
static void record_put(const struct sb_chain_record *r, uint8_t to[LINKED]) {
    const int64_t words[] = {r->base, r->next, r->bytes, r->wall_ms};
    memset(to, 0, LINKED);
    memcpy(to, &r->kind, 4); /* little-endian hosts only, see base/cursor.h */
    memcpy(to + 8, words, sizeof words);
    memcpy(to + 40, r->sha, SB_CHAIN_HASH);
    memcpy(to + 72, r->before, SB_CHAIN_HASH);
    memcpy(to + 104, r->reason, SB_CHAIN_REASON);
}

static void link_of(const uint8_t before[SB_CHAIN_HASH], const struct sb_chain_record *r,
                    uint8_t to[SB_CHAIN_HASH]) {
    uint8_t part[LINKED];
    struct sb_sha256 h;
    record_put(r, part);
    sb_sha256_init(&h);
    sb_sha256_add(&h, before, SB_CHAIN_HASH);
    sb_sha256_add(&h, part, sizeof part);
    sb_sha256_final(&h, to);
}

static const uint8_t *last_link(const struct sb_chain *c) {
    return c->n ? c->record[c->n - 1].link : c->start;
}

void sb_chain_add(struct sb_chain *c, const struct sb_chain_record *r) {
    struct sb_chain_record linked = *r;
    link_of(last_link(c), &linked, linked.link);
    *push(c) = linked;
}

const struct sb_chain_record *sb_chain_find(const struct sb_chain *c, int64_t base) {
    for (size_t i = c->n; base >= c->first && i-- > 0;)
        if (c->record[i].base == base) return &c->record[i];
    return NULL;
}

void sb_chain_trim(struct sb_chain *c, int64_t base) {
    size_t n = 0;
    if (base > c->first) c->first = base;
    while (n < c->n && c->record[n].base < c->first) n++;
    if (!n) return;
    memcpy(c->start, c->record[n - 1].link, SB_CHAIN_HASH);
    c->n -= n;
    memmove(c->record, c->record + n, c->n * sizeof *c->record);
}

/* ---- the file ---- */

static void record_get(struct sb_cursor *c, struct sb_chain_record *r) {
    r->kind = sb_cursor_le32(c);
    sb_cursor_le32(c);
    r->base = (int64_t)sb_cursor_le64(c);
    r->next = (int64_t)sb_cursor_le64(c);
    r->bytes = (int64_t)sb_cursor_le64(c);
    r->wall_ms = (int64_t)sb_cursor_le64(c);
    memcpy(r->sha, sb_cursor_take(c, SB_CHAIN_HASH), SB_CHAIN_HASH);
    memcpy(r->before, sb_cursor_take(c, SB_CHAIN_HASH), SB_CHAIN_HASH);
    memcpy(r->reason, sb_cursor_take(c, SB_CHAIN_REASON), SB_CHAIN_REASON);
    memcpy(r->link, sb_cursor_take(c, SB_CHAIN_HASH), SB_CHAIN_HASH);
}

/* A record whose checksum and link hold. */
static bool record_ok(const struct sb_chain *c, const uint8_t *p, struct sb_chain_record *r) {
    struct sb_cursor in = sb_cursor_of(p, RECORD);
    uint8_t link[SB_CHAIN_HASH];
    record_get(&in, r);
    if (sb_cursor_le32(&in) != sb_crc32c(0, p, RECORD - 4)) return false;
    if (r->kind != SB_CHAIN_SEALED && r->kind != SB_CHAIN_REWRITTEN) return false;
    link_of(last_link(c), r, link);
    return !memcmp(link, r->link, SB_CHAIN_HASH) && r->base >= 0 && r->next >= r->base;
}

sb_err sb_chain_parse(struct sb_chain *out, const void *p, size_t n, struct sb_errctx *ctx) {
    const uint8_t *bytes = p;
    struct sb_chain c = {0};
    if (n < HEADER || memcmp(bytes, chain_magic, sizeof chain_magic))
        return sb_fail(ctx, SB_E_CORRUPT, "the chain's head is damaged");
    struct sb_cursor crc = sb_cursor_of(bytes + HEADER - 4, 4);
    if (sb_cursor_le32(&crc) != sb_crc32c(0, bytes, HEADER - 4))
        return sb_fail(ctx, SB_E_CORRUPT, "the chain's head is damaged");
    struct sb_cursor in = sb_cursor_of(bytes + sizeof chain_magic, HEADER - sizeof chain_magic);
    uint64_t count = sb_cursor_le64(&in);
    memcpy(c.start, sb_cursor_take(&in, SB_CHAIN_HASH), SB_CHAIN_HASH);
    c.first = (int64_t)sb_cursor_le64(&in);
    if (count > RECORDS_MAX || n != HEADER + count * RECORD)
        return sb_fail(ctx, SB_E_CORRUPT, "the chain has lost or gained records");
    for (uint64_t i = 0; i < count; i++) {
        struct sb_chain_record r;
        if (!record_ok(&c, bytes + HEADER + i * RECORD, &r)) {
            sb_chain_fini(&c);
            return sb_fail(ctx, SB_E_CORRUPT, "record %llu of the chain was changed",
                           (unsigned long long)i);
        }
        *push(&c) = r;
    }
    *out = c;
    return SB_OK;
}

sb_err sb_chain_write(const struct sb_chain *c, struct sb_buf *b, struct sb_errctx *ctx) {
    uint8_t part[RECORD];
    uint64_t count = c->n;
    if (count > RECORDS_MAX) return sb_fail(ctx, SB_E_LIMIT, "the chain has too many records");
    memset(part, 0, HEADER);
    memcpy(part, chain_magic, sizeof chain_magic);
    memcpy(part + 8, &count, 8);
    memcpy(part + 16, c->start, SB_CHAIN_HASH);
    memcpy(part + 48, &c->first, 8);
    uint32_t crc = sb_crc32c(0, part, HEADER - 4);
    memcpy(part + HEADER - 4, &crc, 4);
    sb_buf_add(b, part, HEADER);
    for (size_t i = 0; i < c->n; i++) {
        record_put(&c->record[i], part);
        memcpy(part + LINKED, c->record[i].link, SB_CHAIN_HASH);
        crc = sb_crc32c(0, part, RECORD - 4);
        memcpy(part + RECORD - 4, &crc, 4);
        sb_buf_add(b, part, RECORD);
    }
    return sb_buf_err(b);
}
