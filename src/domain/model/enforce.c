#include "domain/model/enforce.h"

#include <float.h>
#include <math.h>

#include "base/clock.h"
#include "base/limits.h"

/* ---- reading ---- */

static sb_err read_raw_string(struct sb_json_reader *r, struct sb_cell *out) {
    const char *from = r->p;
    SB_TRY(sb_json_read_string(r, &out->text));
    out->token = sb_str_trim(sb_str_make(from, (size_t)(r->p - from)));
    return SB_OK;
}

sb_err sb_cell_read(struct sb_json_reader *r, struct sb_cell *out) {
    SB_TRY(sb_json_peek(r, &out->type));
    out->bytes = false;
    out->numpy = NULL;
    bool b;
    switch (out->type) {
    case SB_JSON_NUMBER:
        SB_TRY(sb_json_read_double(r, &out->number, &out->token));
        out->text = out->token;
        return SB_OK;
    case SB_JSON_STRING: return read_raw_string(r, out);
    case SB_JSON_NULL: out->token = out->text = SB_STR("null"); return sb_json_read_null(r);
    case SB_JSON_FALSE:
    case SB_JSON_TRUE:
        SB_TRY(sb_json_read_bool(r, &b));
        out->number = b;
        out->token = out->text = b ? SB_STR("true") : SB_STR("false");
        return SB_OK;
    case SB_JSON_ARRAY:
    case SB_JSON_OBJECT: out->text = (struct sb_str){0}; return sb_json_skip(r, &out->token);
    }
    return SB_E_BUG;
}

/* ---- text of tables ---- */

static bool quote(struct sb_cell *c, struct sb_arena *a) {
    struct sb_buf b;
    sb_buf_init(&b, SB_LIMIT_HTTP_BODY * 8);
    sb_json_add_string(&b, c->text);
    c->token = sb_buf_err(&b) ? (struct sb_str){0} : sb_arena_dup(a, sb_buf_view(&b));
    sb_buf_fini(&b);
    return c->token.p != NULL;
}

static bool is_numeric(enum sb_dtype t) {
    return t == SB_DTYPE_INT32 || t == SB_DTYPE_INT64 || t == SB_DTYPE_FLOAT32 ||
           t == SB_DTYPE_FLOAT64;
}

bool sb_cell_of_text(struct sb_cell *out, struct sb_str text, enum sb_dtype t, struct sb_arena *a) {
    double d;
    *out = (struct sb_cell){.type = SB_JSON_STRING, .text = text};
    bool yes = sb_str_ieq(text, SB_STR("true"));
    if (t == SB_DTYPE_BOOL && (yes || sb_str_ieq(text, SB_STR("false")))) {
        out->type = yes ? SB_JSON_TRUE : SB_JSON_FALSE;
        out->number = yes;
        out->token = yes ? SB_STR("true") : SB_STR("false");
        return true;
    }
    bool number = is_numeric(t) && sb_double_parse(text, &d);
    if (number) out->token = text;
    return number || quote(out, a);
}

/* ---- names ---- */

static bool is_integer_text(struct sb_str s) {
    int64_t v;
    return sb_str_to_i64(s, &v);
}

const char *sb_cell_numpy(const struct sb_cell *c) {
    if (c->numpy) return c->numpy;
    switch (c->type) {
    case SB_JSON_NUMBER: return is_integer_text(c->text) ? "int64" : "float64";
    case SB_JSON_TRUE:
    case SB_JSON_FALSE: return "bool";
    case SB_JSON_NULL: return "NoneType";
    case SB_JSON_STRING:
    case SB_JSON_ARRAY:
    case SB_JSON_OBJECT: break;
    }
    return "object";
}

const char *sb_dtype_numpy(enum sb_dtype t) {
    static const char *const NAMES[SB_DTYPE_COUNT] = {
        [SB_DTYPE_BOOL] = "bool",       [SB_DTYPE_INT32] = "int32",
        [SB_DTYPE_INT64] = "int64",     [SB_DTYPE_FLOAT32] = "float32",
        [SB_DTYPE_FLOAT64] = "float64", [SB_DTYPE_STRING] = "<U0",
        [SB_DTYPE_BINARY] = "|S0",      [SB_DTYPE_DATETIME] = "datetime64[ns]",
        [SB_DTYPE_JSON] = "object",
    };
    return NAMES[t];
}

/* ---- numbers ---- */

/* ".5", "1.", "007" have no form of JSON's, but the same digits: written as it wants them. */
static bool loose_double(struct sb_str s, double *out) {
    enum { ROOM = 1024 };
    char to[ROOM];
    size_t n = 0, i = 0;
    if (s.n + 2 > ROOM) return false;
    while (i + 1 < s.n && s.p[i] == '0' && s.p[i + 1] >= '0' && s.p[i + 1] <= '9') i++;
    if (s.n - i >= 2 && s.p[i] == '.' && s.p[i + 1] >= '0' && s.p[i + 1] <= '9') to[n++] = '0';
    for (; i < s.n; i++) {
        bool bare = s.p[i] == '.' && n && (i + 1 == s.n || s.p[i + 1] < '0' || s.p[i + 1] > '9');
        if (!bare) to[n++] = s.p[i];
        if (bare && i + 1 < s.n && (s.p[i + 1] | 0x20) != 'e') return false;
    }
    return n && sb_double_parse(sb_str_make(to, n), out);
}

bool sb_text_to_double(struct sb_str s, double *out) {
    s = sb_str_trim(s);
    bool minus = s.n && s.p[0] == '-';
    struct sb_str body = s.n && (minus || s.p[0] == '+') ? sb_str_sub(s, 1, s.n - 1) : s;
    if (sb_str_ieq(body, SB_STR("nan")))
        *out = NAN;
    else if (sb_str_ieq(body, SB_STR("inf")) || sb_str_ieq(body, SB_STR("infinity")))
        *out = minus ? -INFINITY : INFINITY;
    else if (body.n && body.n <= 1000 && body.p[0] != '-' && body.p[0] != '+' &&
             (sb_double_parse(body, out) || loose_double(body, out)))
        *out = minus ? -*out : *out;
    else
        return false;
    return true;
}

static enum sb_cast cast_double(const struct sb_cell *c, double *to) {
    switch (c->type) {
    case SB_JSON_NUMBER:
    case SB_JSON_TRUE:
    case SB_JSON_FALSE: *to = c->number; return SB_CAST_OK;
    case SB_JSON_NULL: *to = NAN; return SB_CAST_NULL;
    case SB_JSON_STRING: return sb_text_to_double(c->text, to) ? SB_CAST_OK : SB_CAST_FAILED;
    case SB_JSON_ARRAY:
    case SB_JSON_OBJECT: break;
    }
    return SB_CAST_FAILED;
}

static enum sb_cast cast_float(const struct sb_cell *c, float *to) {
    double d;
    enum sb_cast k = cast_double(c, &d);
    if (k == SB_CAST_FAILED) return k;
    float f = (float)d;
    if (isinf(f) && !isinf(d)) return SB_CAST_UNSAFE;
    *to = f;
    return k;
}

static enum sb_cast cast_int(const struct sb_cell *c, int64_t min, int64_t max, int64_t *to) {
    int64_t v = 0;
    switch (c->type) {
    case SB_JSON_TRUE:
    case SB_JSON_FALSE: *to = c->number != 0; return SB_CAST_OK;
    case SB_JSON_NULL: *to = 0; return SB_CAST_NULL;
    case SB_JSON_STRING:
        if (!sb_str_to_i64(sb_str_trim(c->text), &v)) return SB_CAST_FAILED;
        break;
    case SB_JSON_NUMBER:
        if (sb_str_to_i64(c->text, &v)) break;
        /* 1.0 and 1e3 are integers too; 2^63 is not */
        if (!(c->number >= -0x1p63 && c->number < 0x1p63) || floor(c->number) != c->number)
            return SB_CAST_UNSAFE;
        v = (int64_t)c->number;
        break;
    case SB_JSON_ARRAY:
    case SB_JSON_OBJECT: return SB_CAST_FAILED;
    }
    if (v < min || v > max) return SB_CAST_UNSAFE;
    *to = v;
    return SB_CAST_OK;
}

static enum sb_cast cast_bool(const struct sb_cell *c, uint8_t *to) {
    switch (c->type) {
    case SB_JSON_TRUE:
    case SB_JSON_FALSE:
    case SB_JSON_NUMBER:
        if (c->number != 0 && c->number != 1) return SB_CAST_UNSAFE;
        *to = c->number != 0;
        return SB_CAST_OK;
    case SB_JSON_NULL: *to = 0; return SB_CAST_NULL;
    case SB_JSON_STRING:
    case SB_JSON_ARRAY:
    case SB_JSON_OBJECT: break;
    }
    return SB_CAST_UNSAFE;
}

/* ---- text ---- */

static int base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Both alphabets of RFC 4648; line breaks are skipped as Python's decodebytes does. */
static enum sb_cast cast_binary(struct sb_str s, struct sb_str *to, struct sb_arena *a) {
    char *out = sb_arena_try(a, s.n / 4 * 3 + 3);
    if (!out) return SB_CAST_NOMEM;
    uint32_t acc = 0;
    size_t digits = 0, pad = 0, n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (c == '\n' || c == '\r') continue;
        if (c == '=') {
            pad++;
            continue;
        }
        int d = base64_digit(c);
        if (d < 0 || pad) return SB_CAST_FAILED;
        acc = acc << 6 | (uint32_t)d;
        if (++digits % 4 == 0) {
            out[n++] = (char)(acc >> 16);
            out[n++] = (char)(acc >> 8);
            out[n++] = (char)acc;
        }
    }
    size_t rest = digits % 4;
    if (rest == 1 || pad != (4 - rest) % 4) return SB_CAST_FAILED;
    if (rest >= 2) out[n++] = (char)(rest == 2 ? acc >> 4 : acc >> 10);
    if (rest == 3) out[n++] = (char)(acc >> 2);
    *to = sb_str_make(out, n);
    return SB_CAST_OK;
}

/* ISO 8601: date, then optionally a time with up to nine decimals, then optionally a zone. */
struct iso {
    struct sb_str s;
    bool bad;
};

static int iso_digits(struct iso *p, size_t n) {
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (i >= p->s.n || p->s.p[i] < '0' || p->s.p[i] > '9') {
            p->bad = true;
            return 0;
        }
        v = v * 10 + (p->s.p[i] - '0');
    }
    p->s = sb_str_sub(p->s, n, p->s.n - n);
    return v;
}

static bool iso_take(struct iso *p, const char *any) {
    if (!p->s.n || !strchr(any, p->s.p[0]) || !p->s.p[0]) return false;
    p->s = sb_str_sub(p->s, 1, p->s.n - 1);
    return true;
}

static int64_t iso_fraction(struct iso *p) {
    int64_t v = 0, scale = 100000000;
    size_t digits = 0;
    for (; p->s.n && p->s.p[0] >= '0' && p->s.p[0] <= '9'; digits++) {
        v += (p->s.p[0] - '0') * scale;
        scale /= 10;
        p->s = sb_str_sub(p->s, 1, p->s.n - 1);
    }
    if (!digits || digits > 9) p->bad = true;
    return v;
}

/* Days from 1970 of a date of the Gregorian calendar (Hinnant's days_from_civil). */
static int64_t days_of(int64_t y, int m, int d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static int month_days(int y, int m) {
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : DAYS[m - 1];
}

static int64_t iso_zone_seconds(struct iso *p) {
    if (iso_take(p, "Zz") || !p->s.n) return 0;
    bool minus = p->s.p[0] == '-';
    if (!iso_take(p, "+-")) {
        p->bad = true;
        return 0;
    }
    int hours = iso_digits(p, 2), minutes = 0;
    iso_take(p, ":");
    if (p->s.n) minutes = iso_digits(p, 2);
    if (hours > 23 || minutes > 59) p->bad = true;
    return (minus ? -1 : 1) * (hours * 3600 + minutes * 60);
}

static enum sb_cast cast_iso(struct sb_str text, int64_t *to) {
    struct iso p = {.s = sb_str_trim(text)};
    int y = iso_digits(&p, 4);
    if (!iso_take(&p, "-")) return SB_CAST_FAILED;
    int mon = iso_digits(&p, 2);
    if (!iso_take(&p, "-")) return SB_CAST_FAILED;
    int day = iso_digits(&p, 2), h = 0, min = 0, s = 0;
    int64_t frac = 0;
    if (iso_take(&p, "Tt ")) {
        h = iso_digits(&p, 2);
        if (iso_take(&p, ":")) min = iso_digits(&p, 2);
        if (iso_take(&p, ":")) s = iso_digits(&p, 2);
        if (iso_take(&p, ".,")) frac = iso_fraction(&p);
    }
    int64_t zone = iso_zone_seconds(&p);
    if (p.bad || p.s.n || mon < 1 || mon > 12 || day < 1 || day > month_days(y, mon) || h > 23 ||
        min > 59 || s > 59)
        return SB_CAST_FAILED;
    int64_t sec = days_of(y, mon, day) * 86400 + h * 3600 + min * 60 + s - zone, ns;
    if (__builtin_mul_overflow(sec, SB_SEC, &ns) || __builtin_add_overflow(ns, frac, &ns))
        return SB_CAST_FAILED; /* outside 1677-2262, as in pandas */
    *to = ns;
    return SB_CAST_OK;
}

static enum sb_cast cast_datetime(const struct sb_cell *c, int64_t *to) {
    struct sb_str t = sb_str_trim(c->text);
    bool none = c->type == SB_JSON_STRING &&
                (!t.n || sb_str_ieq(t, SB_STR("nat")) || sb_str_ieq(t, SB_STR("nan")));
    if (none || (c->type == SB_JSON_NUMBER && isnan(c->number))) {
        *to = 0;
        return SB_CAST_NULL;
    }
    if (c->type == SB_JSON_STRING) return cast_iso(t, to);
    if (c->type != SB_JSON_NUMBER && c->type != SB_JSON_NULL) return SB_CAST_FAILED;
    return cast_int(c, INT64_MIN, INT64_MAX, to);
}

static enum sb_cast cast_text(const struct sb_cell *c, struct sb_str *to) {
    *to = c->text;
    if (c->type == SB_JSON_ARRAY || c->type == SB_JSON_OBJECT) return SB_CAST_FAILED;
    bool none = c->type == SB_JSON_NULL || (c->type == SB_JSON_NUMBER && isnan(c->number));
    return none ? SB_CAST_NULL : SB_CAST_OK;
}

enum sb_cast sb_cell_cast(const struct sb_cell *c, enum sb_dtype t, void *to, struct sb_arena *a) {
    int64_t v = 0;
    enum sb_cast k;
    switch (t) {
    case SB_DTYPE_FLOAT64: return cast_double(c, to);
    case SB_DTYPE_FLOAT32: return cast_float(c, to);
    case SB_DTYPE_INT64: return cast_int(c, INT64_MIN, INT64_MAX, to);
    case SB_DTYPE_INT32:
        k = cast_int(c, INT32_MIN, INT32_MAX, &v);
        *(int32_t *)to = (int32_t)v;
        return k;
    case SB_DTYPE_BOOL: return cast_bool(c, to);
    case SB_DTYPE_STRING: return cast_text(c, to);
    case SB_DTYPE_DATETIME: return cast_datetime(c, to);
    case SB_DTYPE_BINARY:
        *(struct sb_str *)to = (struct sb_str){0};
        if (c->type == SB_JSON_NULL) return SB_CAST_NULL;
        if (c->bytes) {
            *(struct sb_str *)to = c->text;
            return SB_CAST_OK;
        }
        return c->type == SB_JSON_STRING ? cast_binary(c->text, to, a) : SB_CAST_FAILED;
    case SB_DTYPE_JSON:
        *(struct sb_str *)to = c->token;
        return c->type == SB_JSON_NULL ? SB_CAST_NULL : SB_CAST_OK;
    case SB_DTYPE_COUNT: break;
    }
    return SB_CAST_FAILED;
}

/* ---- nested types ---- */

static const char *python_type(const struct sb_json *v) {
    switch (v->type) {
    case SB_JSON_NULL: return "NoneType";
    case SB_JSON_TRUE:
    case SB_JSON_FALSE: return "bool";
    case SB_JSON_NUMBER: return v->is_int ? "int" : "float";
    case SB_JSON_STRING: return "str";
    case SB_JSON_ARRAY: return "list";
    case SB_JSON_OBJECT: break;
    }
    return "dict";
}

static bool is_empty(const struct sb_json *v, enum sb_json_type container) {
    return v->type == SB_JSON_NULL || (v->type == container && !v->child);
}

static bool is_any(const struct sb_json *spec) {
    struct sb_str type = {0};
    return spec && sb_json_get_str(spec, "type", &type) && sb_str_is(type, "any");
}

static sb_err check(const struct sb_json *spec, bool required, const struct sb_json *v, int depth,
                    struct sb_errctx *ctx);

static sb_err check_array(const struct sb_json *spec, bool required, const struct sb_json *v,
                          int depth, struct sb_errctx *ctx) {
    const struct sb_json *items = sb_json_get(spec, "items");
    if ((!required || is_any(items)) && is_empty(v, SB_JSON_ARRAY)) return SB_OK;
    if (v->type != SB_JSON_ARRAY)
        return sb_fail(ctx, SB_E_INVALID, "Expected data to be list or numpy array, got %s",
                       python_type(v));
    for (const struct sb_json *x = v->child; x && items; x = x->next)
        SB_TRY(check(items, required, x, depth, ctx));
    return SB_OK;
}

static const struct sb_json *member(const struct sb_json *o, struct sb_str key) {
    for (const struct sb_json *m = o ? o->child : NULL; m; m = m->next)
        if (sb_str_eq(m->key, key)) return m;
    return NULL;
}

static sb_err check_missing(const struct sb_json *props, const struct sb_json *v,
                            struct sb_errctx *ctx) {
    for (const struct sb_json *p = props ? props->child : NULL; p; p = p->next) {
        bool needed = true;
        sb_json_get_bool(p, "required", &needed);
        if (needed && !member(v, p->key))
            return sb_fail(ctx, SB_E_INVALID, "Missing required properties: {'%.*s'}",
                           SB_ARG(p->key));
    }
    return SB_OK;
}

static sb_err check_object(const struct sb_json *spec, bool required, const struct sb_json *v,
                           int depth, struct sb_errctx *ctx) {
    if (!required && is_empty(v, SB_JSON_OBJECT)) return SB_OK;
    if (v->type != SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "Expected data to be dictionary, got %s", python_type(v));
    const struct sb_json *props = sb_json_get(spec, "properties");
    /* More members than properties: one is invalid, and looking for missing ones would cost the
     * product of both. */
    if (!props || v->n <= props->n) SB_TRY(check_missing(props, v, ctx));
    for (const struct sb_json *m = v->child; m; m = m->next) {
        const struct sb_json *p = member(props, m->key);
        if (!p)
            return sb_fail(ctx, SB_E_INVALID,
                           "Invalid properties not defined in the schema found: {'%.*s'}",
                           SB_ARG(m->key));
        bool needed = true;
        sb_json_get_bool(p, "required", &needed);
        struct sb_errctx inner = {0};
        sb_err err = check(p, needed, m, depth, &inner);
        if (err)
            return sb_fail(ctx, err, "Failed to enforce schema for key `%.*s`. %s", SB_ARG(m->key),
                           inner.msg);
    }
    return SB_OK;
}

static sb_err check_map(const struct sb_json *spec, bool required, const struct sb_json *v,
                        int depth, struct sb_errctx *ctx) {
    const struct sb_json *values = sb_json_get(spec, "values");
    if ((!required || is_any(values)) && is_empty(v, SB_JSON_OBJECT)) return SB_OK;
    if (v->type != SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "Expected data to be a dict, got %s", python_type(v));
    for (const struct sb_json *m = v->child; m && values; m = m->next)
        SB_TRY(check(values, required, m, depth, ctx));
    return SB_OK;
}

/* Scalars inside nested values keep their JSON: only the kind is checked, and the range of
 * integers. */
static bool scalar_fits(enum sb_dtype t, const struct sb_json *v) {
    switch (t) {
    case SB_DTYPE_BOOL: return v->type == SB_JSON_TRUE || v->type == SB_JSON_FALSE;
    case SB_DTYPE_INT32:
        return v->type == SB_JSON_NUMBER && v->is_int && v->i >= INT32_MIN && v->i <= INT32_MAX;
    case SB_DTYPE_INT64: return v->type == SB_JSON_NUMBER && v->is_int;
    case SB_DTYPE_FLOAT32:
        return v->type == SB_JSON_NUMBER && (fabs(v->d) <= FLT_MAX || !isfinite(v->d));
    case SB_DTYPE_FLOAT64: return v->type == SB_JSON_NUMBER;
    case SB_DTYPE_STRING:
    case SB_DTYPE_BINARY:
    case SB_DTYPE_DATETIME: return v->type == SB_JSON_STRING;
    case SB_DTYPE_JSON: return true;
    case SB_DTYPE_COUNT: break;
    }
    return false;
}

static sb_err check(const struct sb_json *spec, bool required, const struct sb_json *v, int depth,
                    struct sb_errctx *ctx) {
    if (depth >= SB_LIMIT_JSON_DEPTH)
        return sb_fail(ctx, SB_E_LIMIT, "nested deeper than %d", SB_LIMIT_JSON_DEPTH);
    struct sb_str type = {0};
    sb_json_get_str(spec, "type", &type);
    if (sb_str_is(type, "array")) return check_array(spec, required, v, depth + 1, ctx);
    if (sb_str_is(type, "object")) return check_object(spec, required, v, depth + 1, ctx);
    if (sb_str_is(type, "map")) return check_map(spec, required, v, depth + 1, ctx);
    enum sb_dtype t;
    if (!sb_dtype_parse(type, &t) || t == SB_DTYPE_JSON) return SB_OK;
    if (!required && v->type == SB_JSON_NULL) return SB_OK;
    if (v->type == SB_JSON_NULL || v->type == SB_JSON_ARRAY || v->type == SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "Expected data to be scalar, got %s", python_type(v));
    if (!scalar_fits(t, v))
        return sb_fail(ctx, SB_E_INVALID,
                       "Failed to enforce schema of data of type %s with dtype `%s`",
                       python_type(v), sb_dtype_name(t));
    return SB_OK;
}

sb_err sb_enforce_nested(const struct sb_json *spec, bool required, const struct sb_json *value,
                         struct sb_errctx *ctx) {
    return check(spec, required, value, 0, ctx);
}
