#include "base/buf.h"

#include <stdio.h>

#include "base/mem.h"

void sb_buf_init(struct sb_buf *b, size_t max) {
    *b = (struct sb_buf){.max = max};
}

void sb_buf_fini(struct sb_buf *b) {
    sb_free(b->p);
    *b = (struct sb_buf){.max = b->max};
}

void sb_buf_reset(struct sb_buf *b) {
    b->n = 0;
    b->err = SB_OK;
}

char *sb_buf_reserve_slow(struct sb_buf *b, size_t n) {
    if (b->err) return NULL;
    size_t need;
    if (!sb_add_ok(b->n, n, &need) || need > b->max) {
        b->err = SB_E_LIMIT;
        return NULL;
    }
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : b->max < 256 ? b->max : 256;
        while (cap < need) cap = cap > b->max / 2 ? b->max : cap * 2;
        char *p = sb_try_realloc(b->p, cap);
        if (!p) {
            b->err = SB_E_NOMEM;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->n;
}

void sb_buf_addz(struct sb_buf *b, const char *z) {
    sb_buf_add(b, z, strlen(z));
}

void sb_buf_addu(struct sb_buf *b, uint64_t v) {
    char tmp[20], *end = tmp + sizeof tmp, *p = end;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    sb_buf_add(b, p, (size_t)(end - p));
}

void sb_buf_addi(struct sb_buf *b, int64_t v) {
    if (v < 0) sb_buf_addc(b, '-');
    sb_buf_addu(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void sb_buf_vaddf(struct sb_buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    char tmp[256];
    int n = vsnprintf(tmp, sizeof tmp, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof tmp) {
        sb_buf_add(b, tmp, (size_t)n);
    } else if (n >= 0) {
        char *to = sb_buf_reserve(b, (size_t)n + 1);
        if (to) {
            vsnprintf(to, (size_t)n + 1, fmt, again);
            b->n += (size_t)n;
        }
    }
    va_end(again);
}

void sb_buf_addf(struct sb_buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    sb_buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void sb_buf_consume(struct sb_buf *b, size_t n) {
    SB_ASSERT(n <= b->n);
    if (n && b->n > n) memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

sb_err sb_buf_err(const struct sb_buf *b) {
    return b->err;
}

const char *sb_buf_cstr(struct sb_buf *b) {
    char *end = sb_buf_reserve(b, 1);
    if (!end) return "";
    *end = 0;
    return b->p;
}

char *sb_buf_take(struct sb_buf *b, size_t *n) {
    char *end = sb_realloc(b->p, b->n + 1);
    end[b->n] = 0;
    if (n) *n = b->n;
    *b = (struct sb_buf){.max = b->max};
    return end;
}
