#include "codec/hex.h"

void sb_hex_encode(char *to, const void *p, size_t n) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = p;
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = digits[from[i] >> 4];
        to[2 * i + 1] = digits[from[i] & 15];
    }
}

int sb_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sb_hex_decode(struct sb_str s, uint8_t *to) {
    if (s.n % 2) return false;
    for (size_t i = 0; i < s.n; i += 2) {
        int high = sb_hex_digit(s.p[i]), low = sb_hex_digit(s.p[i + 1]);
        if (high < 0 || low < 0) return false;
        *to++ = (uint8_t)(high << 4 | low);
    }
    return true;
}
