/* The pull reader: one pass over the text, nothing allocated but strings that have escapes. */
#include "codec/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "codec/json_int.h"
#include "codec/utf8.h"

void sb_json_reader_init(struct sb_json_reader *r, struct sb_str text, struct sb_arena *arena,
                         struct sb_errctx *ctx) {
    const char *p = text.n ? text.p : "";
    *r = (struct sb_json_reader){.p = p, .begin = p, .end = p + text.n, .arena = arena, .ctx = ctx};
}

static uint32_t max_depth(const struct sb_json_reader *r) {
    uint32_t d = r->max_depth ? r->max_depth : SB_LIMIT_JSON_DEPTH;
    return d < SB_JSON_DEPTH_CAP ? d : SB_JSON_DEPTH_CAP;
}
static size_t string_max(const struct sb_json_reader *r) {
    return r->string_max ? r->string_max : SB_LIMIT_JSON_STRING;
}

/* ---- errors ---- */

sb_err sb_json_fail(struct sb_json_reader *r, sb_err code, const char *at, const char *fmt, ...) {
    if (r->err) return r->err;
    char msg[SB_ERRMSG_MAX - 32];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    int64_t pos = at - r->begin;
    r->err = sb_fail_at(r->ctx, code, pos, "%s at byte %lld", msg, (long long)pos);
    r->p = r->end;
    return r->err;
}

/* What stands at p, for a message. */
struct found {
    char text[24];
};
static struct found found(const struct sb_json_reader *r, const char *p) {
    struct found f;
    if (p >= r->end) {
        snprintf(f.text, sizeof f.text, "the end of the text");
    } else if (r->end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        snprintf(f.text, sizeof f.text, "a byte order mark");
    } else if (*p > ' ' && *p < 0x7F) {
        snprintf(f.text, sizeof f.text, "'%c'", *p);
    } else {
        snprintf(f.text, sizeof f.text, "byte 0x%02x", (unsigned)(unsigned char)*p);
    }
    return f;
}

static const char *const type_names[] = {
    [SB_JSON_NULL] = "null",        [SB_JSON_FALSE] = "a boolean", [SB_JSON_TRUE] = "a boolean",
    [SB_JSON_NUMBER] = "a number",  [SB_JSON_STRING] = "a string", [SB_JSON_ARRAY] = "an array",
    [SB_JSON_OBJECT] = "an object",
};

/* ---- tokens ---- */

static inline const char *skip_ws(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* The type that a value starting at p has; -1 = none starts so. */
static int type_at(const struct sb_json_reader *r, const char *p) {
    if (p >= r->end) return -1;
    switch (*p) {
    case '"': return SB_JSON_STRING;
    case '{': return SB_JSON_OBJECT;
    case '[': return SB_JSON_ARRAY;
    case 't': return SB_JSON_TRUE;
    case 'f': return SB_JSON_FALSE;
    case 'n': return SB_JSON_NULL;
    case 'N':
    case 'I': return r->nonfinite ? SB_JSON_NUMBER : -1;
    default: return *p == '-' || (*p >= '0' && *p <= '9') ? SB_JSON_NUMBER : -1;
    }
}

static sb_err no_value(struct sb_json_reader *r, const char *p) {
    return sb_json_fail(r, SB_E_SYNTAX, p, "expected a value, found %s", found(r, p).text);
}

static sb_err wrong_type(struct sb_json_reader *r, const char *p, enum sb_json_type want) {
    int t = type_at(r, p);
    if (t < 0) return no_value(r, p);
    return sb_json_fail(r, SB_E_INVALID, p, "expected %s, found %s", type_names[want],
                        type_names[t]);
}

sb_err sb_json_peek(struct sb_json_reader *r, enum sb_json_type *out) {
    if (r->err) return r->err;
    r->p = skip_ws(r->p, r->end);
    int t = type_at(r, r->p);
    if (t < 0) return no_value(r, r->p);
    *out = (enum sb_json_type)t;
    return SB_OK;
}

/* The word, whose first letter stands at p already. */
static sb_err literal(struct sb_json_reader *r, const char *p, const char *word) {
    const char *w = word;
    while (*w && p < r->end && *p == *w) {
        p++;
        w++;
    }
    if (*w)
        return sb_json_fail(r, SB_E_SYNTAX, p, "expected '%s', found %s", word, found(r, p).text);
    r->p = p;
    return SB_OK;
}

sb_err sb_json_read_null(struct sb_json_reader *r) {
    if (r->err) return r->err;
    const char *p = skip_ws(r->p, r->end);
    if (type_at(r, p) != SB_JSON_NULL) return wrong_type(r, p, SB_JSON_NULL);
    return literal(r, p, "null");
}

sb_err sb_json_read_bool(struct sb_json_reader *r, bool *out) {
    if (r->err) return r->err;
    const char *p = skip_ws(r->p, r->end);
    int t = type_at(r, p);
    if (t != SB_JSON_TRUE && t != SB_JSON_FALSE) return wrong_type(r, p, SB_JSON_TRUE);
    SB_TRY(literal(r, p, t == SB_JSON_TRUE ? "true" : "false"));
    *out = t == SB_JSON_TRUE;
    return SB_OK;
}

/* ---- numbers ---- */

static sb_err nonfinite(struct sb_json_reader *r, const char *p, double *d, struct sb_str *token) {
    const char *from = p;
    bool neg = *p == '-';
    if (neg) p++;
    bool nan = *p == 'N';
    SB_TRY(literal(r, p, nan ? "NaN" : "Infinity"));
    *d = nan ? (double)NAN : neg ? -HUGE_VAL : HUGE_VAL;
    *token = sb_str_make(from, (size_t)(r->p - from));
    return SB_OK;
}

/* The grammar only, without the value. */
static sb_err number_token(struct sb_json_reader *r, const char *p, struct sb_number *n,
                           const char **end) {
    const char *bad, *why;
    *end = sb_number_scan(p, r->end, n, &bad, &why);
    if (SB_UNLIKELY(!*end))
        return sb_json_fail(r, SB_E_SYNTAX, bad, "%s, found %s", why, found(r, bad).text);
    uint32_t max = r->number_max ? r->number_max : SB_LIMIT_JSON_NUMBER;
    if (SB_UNLIKELY(*end - p > (ptrdiff_t)max))
        return sb_json_fail(r, SB_E_LIMIT, p, "number longer than %u characters", max);
    return SB_OK;
}

static bool is_nonfinite(const struct sb_json_reader *r, const char *p) {
    return r->nonfinite && (*p == 'N' || *p == 'I' || (*p == '-' && p + 1 < r->end && p[1] == 'I'));
}

sb_err sb_json_number(struct sb_json_reader *r, struct sb_number *n, double *d,
                      struct sb_str *token) {
    if (r->err) return r->err;
    const char *p = skip_ws(r->p, r->end), *end;
    if (SB_UNLIKELY(type_at(r, p) != SB_JSON_NUMBER)) return wrong_type(r, p, SB_JSON_NUMBER);
    if (SB_UNLIKELY(is_nonfinite(r, p))) return nonfinite(r, p, d, token);
    SB_TRY(number_token(r, p, n, &end));
    double v = sb_number_double(n, end);
    if (SB_UNLIKELY(isinf(v))) return sb_json_fail(r, SB_E_INVALID, p, "number out of range");
    *d = v;
    *token = sb_str_make(p, (size_t)(end - p));
    r->p = end;
    return SB_OK;
}

sb_err sb_json_read_double(struct sb_json_reader *r, double *out, struct sb_str *token) {
    struct sb_number n;
    struct sb_str text;
    SB_TRY(sb_json_number(r, &n, out, &text));
    if (token) *token = text;
    return SB_OK;
}

/* ---- strings ---- */

/* The first byte at or after p that is not plain: a quote, backslash, control character, or not
 * ASCII. Eight bytes at a time; a borrow can only raise false alarms above the first true one. */
static inline const char *plain_run(const char *p, const char *end) {
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

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits after \u at p; -1 when the first that is none is left in *bad. */
static int32_t hex4(const struct sb_json_reader *r, const char *p, const char **bad) {
    int32_t v = 0;
    for (int i = 0; i < 4; i++, p++) {
        int d = p < r->end ? hex_digit(*p) : -1;
        if (d < 0) {
            *bad = p;
            return -1;
        }
        v = v << 4 | d;
    }
    return v;
}

static sb_err unicode_escape(struct sb_json_reader *r, const char **at, char to[4], size_t *n) {
    const char *p = *at, *bad;
    int32_t c = hex4(r, p + 2, &bad);
    if (c >= 0xDC00 && c <= 0xDFFF)
        return sb_json_fail(r, SB_E_SYNTAX, p, "lone surrogate \\u%04x", (unsigned)c);
    if (c >= 0xD800 && c <= 0xDBFF) {
        int32_t low = -1;
        if (r->end - p >= 8 && p[6] == '\\' && p[7] == 'u') low = hex4(r, p + 8, &bad);
        if (low < 0xDC00 || low > 0xDFFF)
            return sb_json_fail(r, SB_E_SYNTAX, p, "lone surrogate \\u%04x", (unsigned)c);
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    if (c < 0)
        return sb_json_fail(r, SB_E_SYNTAX, bad, "expected 4 hex digits after \\u, found %s",
                            found(r, bad).text);
    *n = sb_utf8_put(to, (uint32_t)c);
    *at = p + 6;
    return SB_OK;
}

/* One escape, *at on its backslash, into to; *at moves past it. */
static sb_err escape(struct sb_json_reader *r, const char **at, char to[4], size_t *n) {
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *p = *at + 1;
    if (p < r->end && *p == 'u') return unicode_escape(r, at, to, n);
    const char *hit = p < r->end && *p ? strchr(from, *p) : NULL;
    if (!hit)
        return sb_json_fail(r, SB_E_SYNTAX, p, "unknown escape, found %s after a backslash",
                            found(r, p).text);
    to[0] = into[hit - from];
    *n = 1;
    *at = p + 1;
    return SB_OK;
}

/* Room for the decoded string: as many bytes as it has up to its closing quote. */
static sb_err escaped_room(struct sb_json_reader *r, const char *start, const char *p, char **to) {
    while (p < r->end && *p != '"') p += *p == '\\' ? 2 : 1;
    if (p > r->end) p = r->end;
    size_t n = (size_t)(p - start);
    if (n > string_max(r))
        return sb_json_fail(r, SB_E_LIMIT, start - 1, "string longer than %zu bytes",
                            string_max(r));
    *to = r->arena ? sb_arena_try(r->arena, n) : NULL;
    return *to ? SB_OK : sb_json_fail(r, SB_E_LIMIT, start - 1, "no memory for this string");
}

/* The string whose quote stands at open. out may be NULL: checked, not decoded. */
static sb_err string_at(struct sb_json_reader *r, const char *open, struct sb_str *out) {
    const char *start = open + 1, *p = start, *run = start;
    char *to = NULL;
    size_t n = 0;
    for (;;) {
        p = plain_run(p, r->end);
        if (SB_UNLIKELY(p == r->end))
            return sb_json_fail(r, SB_E_SYNTAX, p, "string without a closing quote");
        if (SB_LIKELY(*p == '"')) break;
        if (*p & '\x80') {
            int step = sb_utf8_step(p, r->end);
            if (step < 0) return sb_json_fail(r, SB_E_SYNTAX, p, "invalid UTF-8");
            p += step;
            continue;
        }
        if (*p != '\\')
            return sb_json_fail(r, SB_E_SYNTAX, p, "control character 0x%02x in a string",
                                (unsigned)*p);
        if (out && !to) SB_TRY(escaped_room(r, start, p, &to));
        char piece[4];
        size_t len = 0, plain = (size_t)(p - run);
        SB_TRY(escape(r, &p, piece, &len));
        if (to) {
            memcpy(to + n, run, plain);
            memcpy(to + n + plain, piece, len);
            n += plain + len;
        }
        run = p;
    }
    if (SB_UNLIKELY((size_t)(p - start) > string_max(r)))
        return sb_json_fail(r, SB_E_LIMIT, open, "string longer than %zu bytes", string_max(r));
    r->p = p + 1;
    if (!out) return SB_OK;
    if (to) {
        memcpy(to + n, run, (size_t)(p - run));
        *out = sb_str_make(to, n + (size_t)(p - run));
    } else {
        *out = sb_str_make(start, (size_t)(p - start));
    }
    return SB_OK;
}

sb_err sb_json_read_string(struct sb_json_reader *r, struct sb_str *out) {
    if (r->err) return r->err;
    const char *p = skip_ws(r->p, r->end);
    if (SB_UNLIKELY(p == r->end || *p != '"')) return wrong_type(r, p, SB_JSON_STRING);
    return string_at(r, p, out);
}

/* ---- containers ---- */

static sb_err enter(struct sb_json_reader *r, char open, enum sb_json_type type) {
    if (r->err) return r->err;
    const char *p = skip_ws(r->p, r->end);
    if (SB_UNLIKELY(p == r->end || *p != open)) return wrong_type(r, p, type);
    if (SB_UNLIKELY(r->depth >= max_depth(r)))
        return sb_json_fail(r, SB_E_LIMIT, p, "nested deeper than %u levels", max_depth(r));
    r->depth++;
    r->first = true;
    r->p = p + 1;
    return SB_OK;
}

sb_err sb_json_enter_object(struct sb_json_reader *r) {
    return enter(r, '{', SB_JSON_OBJECT);
}
sb_err sb_json_enter_array(struct sb_json_reader *r) {
    return enter(r, '[', SB_JSON_ARRAY);
}

/* Past the comma before an element (there is none before the first), or out of the container. */
static sb_err advance(struct sb_json_reader *r, char close, bool *more) {
    if (r->err) return r->err;
    const char *p = skip_ws(r->p, r->end);
    bool first = r->first;
    r->first = false;
    if (p < r->end && *p == close) {
        r->depth--;
        r->p = p + 1;
        *more = false;
        return SB_OK;
    }
    if (!first) {
        if (SB_UNLIKELY(p == r->end || *p != ','))
            return sb_json_fail(r, SB_E_SYNTAX, p, "expected ',' or '%c', found %s", close,
                                found(r, p).text);
        p = skip_ws(p + 1, r->end);
        if (SB_UNLIKELY(p < r->end && *p == close))
            return sb_json_fail(r, SB_E_SYNTAX, p, "expected another element after ','");
    }
    r->p = p;
    *more = true;
    return SB_OK;
}

sb_err sb_json_next_key_at(struct sb_json_reader *r, struct sb_str *key, const char **at,
                           bool *more) {
    SB_TRY(advance(r, '}', more));
    if (!*more) return SB_OK;
    const char *p = r->p;
    if (SB_UNLIKELY(p == r->end || *p != '"'))
        return sb_json_fail(r, SB_E_SYNTAX, p, "expected a key in quotes, found %s",
                            found(r, p).text);
    *at = p;
    SB_TRY(string_at(r, p, key));
    p = skip_ws(r->p, r->end);
    if (SB_UNLIKELY(p == r->end || *p != ':'))
        return sb_json_fail(r, SB_E_SYNTAX, p, "expected ':' after a key, found %s",
                            found(r, p).text);
    r->p = p + 1;
    return SB_OK;
}

sb_err sb_json_next_key(struct sb_json_reader *r, struct sb_str *key, bool *more) {
    const char *at;
    return sb_json_next_key_at(r, key, &at, more);
}

sb_err sb_json_next_item(struct sb_json_reader *r, bool *more) {
    return advance(r, ']', more);
}

/* ---- skipping ---- */

static sb_err skip_number(struct sb_json_reader *r, const char *p) {
    struct sb_number n;
    double d;
    struct sb_str token;
    if (is_nonfinite(r, p)) return nonfinite(r, p, &d, &token);
    return number_token(r, p, &n, &r->p);
}

/* A scalar, or the opening bracket of a container. */
static sb_err skip_start(struct sb_json_reader *r, int type) {
    const char *p = r->p;
    switch (type) {
    case SB_JSON_NULL: return literal(r, p, "null");
    case SB_JSON_FALSE: return literal(r, p, "false");
    case SB_JSON_TRUE: return literal(r, p, "true");
    case SB_JSON_NUMBER: return skip_number(r, p);
    case SB_JSON_STRING: return string_at(r, p, NULL);
    case SB_JSON_ARRAY: return sb_json_enter_array(r);
    default: return sb_json_enter_object(r);
    }
}

sb_err sb_json_skip(struct sb_json_reader *r, struct sb_str *raw) {
    bool object[SB_JSON_DEPTH_CAP + 1]; /* by depth: is that level an object */
    enum sb_json_type type;
    SB_TRY(sb_json_peek(r, &type));
    const char *from = r->p;
    uint32_t base = r->depth;
    for (;;) {
        SB_TRY(sb_json_peek(r, &type));
        SB_TRY(skip_start(r, (int)type));
        if (type >= SB_JSON_ARRAY) object[r->depth] = type == SB_JSON_OBJECT;
        bool more = false;
        while (r->depth > base && !more) {
            if (object[r->depth]) {
                SB_TRY(sb_json_next_key(r, NULL, &more));
            } else {
                SB_TRY(sb_json_next_item(r, &more));
            }
        }
        if (!more) break;
    }
    if (raw) *raw = sb_str_make(from, (size_t)(r->p - from));
    return SB_OK;
}

sb_err sb_json_finish(struct sb_json_reader *r) {
    if (r->err) return r->err;
    r->p = skip_ws(r->p, r->end);
    if (r->p == r->end) return SB_OK;
    return sb_json_fail(r, SB_E_SYNTAX, r->p, "expected the end of the text, found %s",
                        found(r, r->p).text);
}
