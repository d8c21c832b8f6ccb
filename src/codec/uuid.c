#include "codec/uuid.h"

#include "codec/hex.h"

/* Bytes of the two halves, with version and variant set, as 8-4-4-4-12 digits. */
static void write_text(char to[SB_UUID_TEXT], uint64_t high, uint64_t low, unsigned version) {
    high = (high & ~UINT64_C(0xF000)) | (uint64_t)version << 12;
    low = (low & (UINT64_MAX >> 2)) | UINT64_C(1) << 63;
    uint64_t bytes[2] = {__builtin_bswap64(high), __builtin_bswap64(low)};
    char hex[32];
    sb_hex_encode(hex, bytes, 16);
    char *p = to;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) *p++ = '-';
        *p++ = hex[i];
    }
    *p = 0;
}

void sb_uuid4(struct sb_rng *rng, char to[SB_UUID_TEXT]) {
    uint64_t high = sb_rng_next(rng), low = sb_rng_next(rng);
    write_text(to, high, low, 4);
}

void sb_uuid7_gen_init(struct sb_uuid7_gen *g) {
    *g = (struct sb_uuid7_gen){.ms = INT64_MIN};
    sb_rng_init(&g->rng);
}

void sb_uuid7(struct sb_uuid7_gen *g, int64_t wall_ms, char to[SB_UUID_TEXT]) {
    enum { STEP_BACK_MS = 10000, LOW_BITS = 62 };
    if (wall_ms > g->ms || wall_ms < g->ms - STEP_BACK_MS) {
        g->ms = wall_ms;
        g->high = sb_rng_next(&g->rng) & 0x7FF; /* upper half free: room to count */
        g->low = sb_rng_next(&g->rng) >> 2;
    } else {
        g->low += 1 + (sb_rng_next(&g->rng) >> 32);
        g->high += g->low >> LOW_BITS;
        g->low &= UINT64_MAX >> 2;
        if (g->high > 0xFFF) { /* counted out: borrow from the next millisecond */
            g->ms++;
            g->high &= 0x7FF;
        }
    }
    write_text(to, (uint64_t)g->ms << 16 | g->high, g->low, 7);
}

bool sb_uuid_parse(struct sb_str s, uint8_t to[16]) {
    if (s.n != SB_UUID_TEXT - 1) return false;
    char hex[32];
    int n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (s.p[i] == '-')) return false;
        if (!dash) hex[n++] = s.p[i];
    }
    return sb_hex_decode(sb_str_make(hex, 32), to);
}

bool sb_uuid7_time_ms(struct sb_str s, int64_t *ms) {
    uint8_t b[16];
    if (!sb_uuid_parse(s, b) || b[6] >> 4 != 7 || b[8] >> 6 != 2) return false;
    uint64_t v = 0;
    for (int i = 0; i < 6; i++) v = v << 8 | b[i];
    *ms = (int64_t)v;
    return true;
}
