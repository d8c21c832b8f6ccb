#include "codec/json.h"

#include <math.h>

#include "codec/json_int.h"
#include "codec/utf8.h"

/* ---- strings ---- */

/* The first byte that cannot be copied as it is: a quote, backslash, control character, or not
 * ASCII. As in the reader, eight at a time. */
static const char *copyable(const char *p, const char *end) {
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        uint64_t quote = (x ^ ones * '"') - ones, slash = (x ^ ones * '\\') - ones;
        uint64_t hit = (quote | slash | (x - ones * 0x20) | x) & high;
        if (hit) return p + (__builtin_ctzll(hit) >> 3);
        p += 8;
    }
    while (p < end && (signed char)*p >= 0x20 && *p != '"' && *p != '\\') p++;
    return p;
}

static void add_escape(struct sb_buf *b, char c) {
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char text[6] = {'\\', c, '0', '0', hex[c >> 4 & 0xF], hex[c & 0xF]};
    if (c == '"' || c == '\\') {
        sb_buf_add(b, text, 2);
    } else if (letters[(unsigned char)c]) {
        text[1] = letters[(unsigned char)c];
        sb_buf_add(b, text, 2);
    } else {
        text[1] = 'u';
        sb_buf_add(b, text, 6);
    }
}

void sb_json_add_string(struct sb_buf *b, struct sb_str s) {
    const char *p = s.n ? s.p : "", *end = p + s.n, *run = p;
    sb_buf_reserve(b, s.n + 2);
    sb_buf_addc(b, '"');
    for (;;) {
        p = copyable(p, end);
        if (p == end) break;
        int step = sb_utf8_step(p, end);
        if (step > 1) { /* well-formed: stays in the run */
            p += step;
            continue;
        }
        sb_buf_add(b, run, (size_t)(p - run));
        if (step == 1) {
            add_escape(b, *p);
            p++;
        } else {
            SB_BUF_LIT(b, "\xEF\xBF\xBD");
            p += -step;
        }
        run = p;
    }
    sb_buf_add(b, run, (size_t)(p - run));
    sb_buf_addc(b, '"');
}

/* ---- numbers ---- */

void sb_json_add_double(struct sb_buf *b, double v) {
    char *to = sb_buf_reserve(b, 32);
    if (!to) return;
    if (isfinite(v)) {
        sb_buf_commit(b, sb_double_format(to, v));
    } else {
        SB_BUF_LIT(b, "null");
    }
}

void sb_json_add_float(struct sb_buf *b, float v) {
    char *to = sb_buf_reserve(b, 32);
    if (!to) return;
    if (isfinite(v)) {
        sb_buf_commit(b, sb_float_format(to, v));
    } else {
        SB_BUF_LIT(b, "null");
    }
}

/* ---- trees ---- */

/* A number as it was read; one that code made (no text) from its value. */
static void add_number(struct sb_buf *b, const struct sb_json *v) {
    if (!v->is_int && !isfinite(v->d)) {
        SB_BUF_LIT(b, "null");
    } else if (v->s.n) {
        sb_buf_adds(b, v->s);
    } else if (v->is_int) {
        sb_buf_addi(b, v->i);
    } else {
        sb_json_add_double(b, v->d);
    }
}

/* A scalar, or the opening bracket of a container. */
static void add_start(struct sb_buf *b, const struct sb_json *v) {
    switch (v->type) {
    case SB_JSON_NULL: SB_BUF_LIT(b, "null"); break;
    case SB_JSON_FALSE: SB_BUF_LIT(b, "false"); break;
    case SB_JSON_TRUE: SB_BUF_LIT(b, "true"); break;
    case SB_JSON_NUMBER: add_number(b, v); break;
    case SB_JSON_STRING: sb_json_add_string(b, v->s); break;
    case SB_JSON_ARRAY: sb_buf_addc(b, '['); break;
    case SB_JSON_OBJECT: sb_buf_addc(b, '{'); break;
    }
}

void sb_json_add_tree(struct sb_buf *b, const struct sb_json *v) {
    const struct sb_json *open[SB_JSON_DEPTH_CAP];
    size_t depth = 0;
    for (;;) {
        add_start(b, v);
        const struct sb_json *next = NULL;
        if (v->type >= SB_JSON_ARRAY) {
            if (depth == SB_JSON_DEPTH_CAP) { /* deeper than any reader builds */
                b->err = b->err ? b->err : SB_E_LIMIT;
                return;
            }
            open[depth++] = v;
            next = v->child;
        } else if (depth) {
            next = v->next;
            if (next) sb_buf_addc(b, ',');
        }
        while (!next && depth) {
            v = open[--depth];
            sb_buf_addc(b, v->type == SB_JSON_OBJECT ? '}' : ']');
            next = depth ? v->next : NULL;
            if (next) sb_buf_addc(b, ',');
        }
        if (!depth) return;
        v = next;
        if (open[depth - 1]->type == SB_JSON_OBJECT) {
            sb_json_add_string(b, v->key);
            sb_buf_addc(b, ':');
        }
    }
}

/* ---- structured writer ---- */

/* What stands before a value. */
static void before(struct sb_json_writer *w, const char *key) {
    if (w->comma) sb_buf_addc(w->b, ',');
    w->comma = true;
    if (!key) return;
    sb_buf_addc(w->b, '"');
    sb_buf_addz(w->b, key);
    SB_BUF_LIT(w->b, "\":");
}

static void open_level(struct sb_json_writer *w, const char *key, bool object) {
    before(w, key);
    SB_ASSERT(w->depth < 64);
    uint64_t bit = UINT64_C(1) << w->depth++;
    w->closers = object ? w->closers | bit : w->closers & ~bit;
    sb_buf_addc(w->b, object ? '{' : '[');
    w->comma = false;
}

void sb_json_obj(struct sb_json_writer *w, const char *key) {
    open_level(w, key, true);
}
void sb_json_arr(struct sb_json_writer *w, const char *key) {
    open_level(w, key, false);
}

void sb_json_end(struct sb_json_writer *w) {
    SB_ASSERT(w->depth > 0);
    w->depth--;
    sb_buf_addc(w->b, w->closers >> w->depth & 1 ? '}' : ']');
    w->comma = true;
}

void sb_json_key(struct sb_json_writer *w, struct sb_str key) {
    if (w->comma) sb_buf_addc(w->b, ',');
    sb_json_add_string(w->b, key);
    sb_buf_addc(w->b, ':');
    w->comma = false;
}

void sb_json_str(struct sb_json_writer *w, const char *key, struct sb_str v) {
    before(w, key);
    sb_json_add_string(w->b, v);
}
void sb_json_int(struct sb_json_writer *w, const char *key, int64_t v) {
    before(w, key);
    sb_buf_addi(w->b, v);
}
void sb_json_double(struct sb_json_writer *w, const char *key, double v) {
    before(w, key);
    sb_json_add_double(w->b, v);
}
void sb_json_bool(struct sb_json_writer *w, const char *key, bool v) {
    before(w, key);
    sb_buf_addz(w->b, v ? "true" : "false");
}
void sb_json_null(struct sb_json_writer *w, const char *key) {
    before(w, key);
    SB_BUF_LIT(w->b, "null");
}
void sb_json_raw(struct sb_json_writer *w, const char *key, struct sb_str v) {
    before(w, key);
    sb_buf_adds(w->b, v);
}
