/* Doubles: eight bytes as a bit pattern, written and read back; any text read as strtod does. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void bits(const uint8_t *data) {
    double v, ours = 0;
    float f;
    char text[40];
    memcpy(&v, data, sizeof v);
    memcpy(&f, data, sizeof f);
    if (isfinite(v)) {
        size_t len = sb_double_format(text, v);
        SB_ASSERT(len <= 32 && sb_double_parse(sb_str_make(text, len), &ours));
        text[len] = 0;
        SB_ASSERT(memcmp(&v, &ours, sizeof v) == 0);
        ours = strtod(text, NULL);
        SB_ASSERT(memcmp(&v, &ours, sizeof v) == 0);
    }
    if (isfinite(f)) {
        size_t len = sb_float_format(text, f);
        SB_ASSERT(len <= 32);
        text[len] = 0;
        float back = strtof(text, NULL);
        SB_ASSERT(memcmp(&f, &back, sizeof f) == 0);
    }
}

static void text(const uint8_t *data, size_t n) {
    char z[2048];
    if (n >= sizeof z) return;
    memcpy(z, data, n);
    z[n] = 0;
    double v, want;
    if (!sb_double_parse(sb_str_make((const char *)data, n), &v)) return;
    char *end;
    want = strtod(z, &end);
    SB_ASSERT(*end == 0 && memcmp(&v, &want, sizeof v) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 8) bits(data);
    text(data, n);
    return 0;
}
