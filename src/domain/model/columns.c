#include "domain/model/columns.h"

#include <math.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"

static const struct {
    const char *name;
    size_t size;
} TYPES[SB_DTYPE_COUNT] = {
    [SB_DTYPE_BOOL] = {"boolean", sizeof(uint8_t)},
    [SB_DTYPE_INT32] = {"integer", sizeof(int32_t)},
    [SB_DTYPE_INT64] = {"long", sizeof(int64_t)},
    [SB_DTYPE_FLOAT32] = {"float", sizeof(float)},
    [SB_DTYPE_FLOAT64] = {"double", sizeof(double)},
    [SB_DTYPE_STRING] = {"string", sizeof(struct sb_str)},
    [SB_DTYPE_BINARY] = {"binary", sizeof(struct sb_str)},
    [SB_DTYPE_DATETIME] = {"datetime", sizeof(int64_t)},
    [SB_DTYPE_JSON] = {"any", sizeof(struct sb_str)},
};

size_t sb_dtype_size(enum sb_dtype t) {
    return TYPES[t].size;
}

const char *sb_dtype_name(enum sb_dtype t) {
    return TYPES[t].name;
}

bool sb_dtype_parse(struct sb_str name, enum sb_dtype *out) {
    for (int t = 0; t < SB_DTYPE_COUNT; t++)
        if (sb_str_is(name, TYPES[t].name)) {
            *out = (enum sb_dtype)t;
            return true;
        }
    return false;
}

bool sb_column_init(struct sb_column *c, struct sb_arena *a, struct sb_str name, enum sb_dtype t,
                    size_t nrows, size_t width) {
    size_t count;
    if (!sb_mul_ok(nrows, width, &count)) return false;
    void *data = sb_arena_try_array(a, count ? count : 1, sb_dtype_size(t));
    if (!data) return false;
    *c = (struct sb_column){.name = name, .type = t, .width = width, .data = data};
    return true;
}

static void add_base64(struct sb_buf *b, struct sb_str s) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    sb_buf_addc(b, '"');
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)(uint8_t)s.p[i] << 16;
        if (left > 1) v |= (uint32_t)(uint8_t)s.p[i + 1] << 8;
        if (left > 2) v |= (uint8_t)s.p[i + 2];
        char four[4] = {DIGITS[v >> 18], DIGITS[v >> 12 & 63], '=', '='};
        if (left > 1) four[2] = DIGITS[v >> 6 & 63];
        if (left > 2) four[3] = DIGITS[v & 63];
        sb_buf_add(b, four, sizeof four);
    }
    sb_buf_addc(b, '"');
}

/* ISO 8601 without a zone, as pandas writes naive timestamps; only as many digits as there are. */
static void add_datetime(struct sb_buf *b, int64_t ns) {
    int64_t sec = ns / SB_SEC, frac = ns % SB_SEC;
    if (frac < 0) {
        frac += SB_SEC;
        sec--;
    }
    time_t t = (time_t)sec;
    struct tm tm;
    if (!gmtime_r(&t, &tm)) {
        SB_BUF_LIT(b, "null");
        return;
    }
    sb_buf_addf(b, "\"%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (frac) {
        int digits = 9;
        while (frac % 10 == 0) {
            frac /= 10;
            digits--;
        }
        sb_buf_addf(b, ".%0*lld", digits, (long long)frac);
    }
    sb_buf_addc(b, '"');
}

void sb_column_add_value(struct sb_buf *b, const struct sb_column *c, size_t i) {
    switch (c->type) {
    case SB_DTYPE_BOOL: sb_buf_addz(b, c->b[i] ? "true" : "false"); break;
    case SB_DTYPE_INT32: sb_buf_addi(b, c->i32[i]); break;
    case SB_DTYPE_INT64: sb_buf_addi(b, c->i64[i]); break;
    case SB_DTYPE_FLOAT32: sb_json_add_float(b, c->f32[i]); break;
    case SB_DTYPE_FLOAT64: sb_json_add_double(b, c->f64[i]); break;
    case SB_DTYPE_STRING: sb_json_add_string(b, c->s[i]); break;
    case SB_DTYPE_BINARY: add_base64(b, c->s[i]); break;
    case SB_DTYPE_DATETIME: add_datetime(b, c->i64[i]); break;
    case SB_DTYPE_JSON: sb_buf_adds(b, c->s[i]); break;
    case SB_DTYPE_COUNT: break;
    }
}

void sb_column_add_json(struct sb_buf *b, const struct sb_column *c, size_t row) {
    if (c->null && c->null[row]) {
        SB_BUF_LIT(b, "null");
        return;
    }
    if (c->width == 1) {
        sb_column_add_value(b, c, row);
        return;
    }
    sb_buf_addc(b, '[');
    for (size_t i = 0; i < c->width; i++) {
        if (i) sb_buf_addc(b, ',');
        sb_column_add_value(b, c, row * c->width + i);
    }
    sb_buf_addc(b, ']');
}
