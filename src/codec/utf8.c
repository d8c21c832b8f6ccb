#include "codec/utf8.h"

int sb_utf8_step(const char *text, const char *end) {
    const uint8_t *p = (const uint8_t *)text;
    size_t left = (size_t)(end - text);
    uint8_t c = p[0];
    if (c < 0x80) return 1;
    if (c < 0xC2 || c > 0xF4) return -1;
    /* the second byte's range is narrower after E0, ED, F0 and F4 */
    uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    uint8_t high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (left < 2 || p[1] < low || p[1] > high) return -1;
    if (c < 0xE0) return 2;
    if (left < 3 || (p[2] & 0xC0) != 0x80) return -2;
    if (c < 0xF0) return 3;
    if (left < 4 || (p[3] & 0xC0) != 0x80) return -3;
    return 4;
}

ptrdiff_t sb_utf8_check(struct sb_str s) {
    const char *p = s.p, *end = s.n ? s.p + s.n : s.p;
    while (p < end) {
        uint64_t x;
        while (end - p >= 8 && (memcpy(&x, p, 8), !(x & UINT64_C(0x8080808080808080)))) p += 8;
        if (p == end) break;
        int n = sb_utf8_step(p, end);
        if (n < 0) return p - s.p;
        p += n;
    }
    return -1;
}

size_t sb_utf8_put(char to[4], uint32_t c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}
