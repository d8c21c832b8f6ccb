#include "codec/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void sb_base64_add(struct sb_buf *b, struct sb_str s) {
    char *to = sb_buf_reserve(b, (s.n + 2) / 3 * 4);
    if (!to) return;
    char *from = to;
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)(uint8_t)s.p[i] << 16;
        if (left > 1) v |= (uint32_t)(uint8_t)s.p[i + 1] << 8;
        if (left > 2) v |= (uint8_t)s.p[i + 2];
        *to++ = alphabet[v >> 18];
        *to++ = alphabet[v >> 12 & 63];
        *to++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[v & 63] : '=';
    }
    sb_buf_commit(b, (size_t)(to - from));
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool sb_base64_decode(struct sb_str s, uint8_t *to, size_t *n) {
    if (s.n % 4) return false;
    uint8_t *from = to;
    for (size_t i = 0; i < s.n; i += 4) {
        unsigned pad = 0;
        if (i + 4 == s.n) pad = s.p[i + 3] != '=' ? 0 : s.p[i + 2] != '=' ? 1 : 2;
        uint32_t v = 0;
        for (unsigned k = 0; k < 4; k++) {
            int six = k < 4 - pad ? value_of(s.p[i + k]) : 0;
            if (six < 0) return false;
            v = v << 6 | (uint32_t)six;
        }
        if ((pad == 1 && (v & 0xFF)) || (pad == 2 && (v & 0xFFFF))) return false;
        *to++ = (uint8_t)(v >> 16);
        if (pad < 2) *to++ = (uint8_t)(v >> 8);
        if (pad < 1) *to++ = (uint8_t)v;
    }
    *n = (size_t)(to - from);
    return true;
}
