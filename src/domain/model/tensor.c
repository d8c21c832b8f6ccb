#include "domain/model/tensor.h"

#include <float.h>
#include <math.h>

#include "codec/utf8.h"

static const struct {
    const char *name, *numpy;
    size_t size;
    int digits, exp_min; /* floating: bits of the significand, least exponent of a normal one */
    double max;          /* largest finite value, or of an integer */
    double min;          /* of an integer */
} TYPES[SB_TENSOR_TYPE_COUNT] = {
    [SB_TENSOR_BOOL] = {"BOOL", "bool", 1, 0, 0, 1, 0},
    [SB_TENSOR_UINT8] = {"UINT8", "uint8", 1, 0, 0, UINT8_MAX, 0},
    [SB_TENSOR_UINT16] = {"UINT16", "uint16", 2, 0, 0, UINT16_MAX, 0},
    [SB_TENSOR_UINT32] = {"UINT32", "uint32", 4, 0, 0, UINT32_MAX, 0},
    [SB_TENSOR_UINT64] = {"UINT64", "uint64", 8, 0, 0, 0x1p64, 0},
    [SB_TENSOR_INT8] = {"INT8", "int8", 1, 0, 0, INT8_MAX, INT8_MIN},
    [SB_TENSOR_INT16] = {"INT16", "int16", 2, 0, 0, INT16_MAX, INT16_MIN},
    [SB_TENSOR_INT32] = {"INT32", "int32", 4, 0, 0, INT32_MAX, INT32_MIN},
    [SB_TENSOR_INT64] = {"INT64", "int64", 8, 0, 0, 0x1p63, -0x1p63},
    [SB_TENSOR_FP16] = {"FP16", "float16", 2, 11, -14, 65504, 0},
    [SB_TENSOR_BF16] = {"BF16", "bfloat16", 2, 8, -126, 0x1.fep127, 0},
    [SB_TENSOR_FP32] = {"FP32", "float32", 4, FLT_MANT_DIG, FLT_MIN_EXP - 1, FLT_MAX, 0},
    [SB_TENSOR_FP64] = {"FP64", "float64", 8, DBL_MANT_DIG, DBL_MIN_EXP - 1, DBL_MAX, 0},
    [SB_TENSOR_BYTES] = {"BYTES", "object", 0, 0, 0, 0, 0},
};

const char *sb_tensor_type_name(enum sb_tensor_type t) {
    return TYPES[t].name;
}

bool sb_tensor_type_parse(struct sb_str name, enum sb_tensor_type *out) {
    for (int t = 0; t < SB_TENSOR_TYPE_COUNT; t++)
        if (sb_str_is(name, TYPES[t].name)) {
            *out = (enum sb_tensor_type)t;
            return true;
        }
    return false;
}

size_t sb_tensor_type_size(enum sb_tensor_type t) {
    return TYPES[t].size;
}

enum sb_tensor_type sb_tensor_type_of(enum sb_dtype t) {
    switch (t) {
    case SB_DTYPE_BOOL: return SB_TENSOR_BOOL;
    case SB_DTYPE_INT32: return SB_TENSOR_INT32;
    case SB_DTYPE_INT64: return SB_TENSOR_INT64;
    case SB_DTYPE_FLOAT32: return SB_TENSOR_FP32;
    case SB_DTYPE_FLOAT64: return SB_TENSOR_FP64;
    case SB_DTYPE_STRING:
    case SB_DTYPE_BINARY:
    case SB_DTYPE_DATETIME:
    case SB_DTYPE_JSON:
    case SB_DTYPE_COUNT: break;
    }
    return SB_TENSOR_BYTES;
}

/* ---- text elements ---- */

/* JSON columns have their values as JSON text inside a BYTES element. */
static sb_err json_inside(struct sb_cell *c, struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_json_reader r;
    struct sb_errctx why = {0};
    sb_json_reader_init(&r, c->text, a, &why);
    sb_err err = sb_cell_read(&r, c);
    if (!err) err = sb_json_finish(&r);
    if (!err) return SB_OK;
    return sb_fail(ctx, err == SB_E_LIMIT ? err : SB_E_INVALID, "is not JSON text: %.120s",
                   sb_errctx_text(&why, err));
}

/* The event shows text as a JSON string, which a text column writes by itself. */
static sb_err text_cell(struct sb_cell *c, enum sb_dtype column, struct sb_arena *a,
                        struct sb_errctx *ctx) {
    if (column == SB_DTYPE_BINARY) {
        c->bytes = true;
        return SB_OK;
    }
    if (!sb_utf8_valid(c->text)) return sb_fail(ctx, SB_E_INVALID, "is not UTF-8");
    if (column == SB_DTYPE_JSON) return json_inside(c, a, ctx);
    if (column == SB_DTYPE_STRING || sb_cell_of_text(c, c->text, SB_DTYPE_STRING, a)) return SB_OK;
    return sb_fail(ctx, SB_E_LIMIT, "takes more memory than one request may");
}

/* ---- numbers ---- */

/* Integers that a double cannot hold, and those for text columns, have text. */
static sb_err int_cell(struct sb_cell *c, enum sb_dtype column, bool negative, uint64_t magnitude,
                       struct sb_arena *a, struct sb_errctx *ctx) {
    c->number = negative ? -(double)magnitude : (double)magnitude;
    bool exact = magnitude <= 1ull << DBL_MANT_DIG;
    if (exact && column != SB_DTYPE_STRING && column != SB_DTYPE_JSON) return SB_OK;
    char text[24], *p = text + sizeof text;
    do *--p = (char)('0' + magnitude % 10);
    while (magnitude /= 10);
    if (negative) *--p = '-';
    c->text = sb_arena_dup(a, sb_str_make(p, (size_t)(text + sizeof text - p)));
    if (!c->text.p) return sb_fail(ctx, SB_E_LIMIT, "takes more memory than one request may");
    if (column != SB_DTYPE_INT64) c->token = c->text;
    return SB_OK;
}

static sb_err signed_cell(struct sb_cell *c, enum sb_dtype column, int64_t v, struct sb_arena *a,
                          struct sb_errctx *ctx) {
    return int_cell(c, column, v < 0, v < 0 ? -(uint64_t)v : (uint64_t)v, a, ctx);
}

/* What is not finite has no JSON number: the event shows null for NaN, strings for infinities. */
static sb_err float_cell(struct sb_cell *c, enum sb_dtype column, double v, struct sb_arena *a,
                         struct sb_errctx *ctx) {
    c->number = v;
    if (isnan(v))
        c->token = SB_STR("null");
    else if (isinf(v))
        c->token = v < 0 ? SB_STR("\"-Infinity\"") : SB_STR("\"Infinity\"");
    if (isinf(v)) c->text = v < 0 ? SB_STR("-Infinity") : SB_STR("Infinity");
    if ((column != SB_DTYPE_STRING && column != SB_DTYPE_JSON) || !isfinite(v)) return SB_OK;
    char text[40];
    c->text = c->token = sb_arena_dup(a, sb_str_make(text, sb_double_format(text, v)));
    return c->text.p ? SB_OK : sb_fail(ctx, SB_E_LIMIT, "takes more memory than one request may");
}

static double half_value(uint16_t h) {
    int exp = h >> 10 & 31, frac = h & 1023;
    double v = exp == 31 ? (frac ? NAN : INFINITY)
               : exp     ? ldexp(1024 + frac, exp - 25)
                         : ldexp(frac, -24);
    return h >> 15 ? -v : v;
}

static float float_value(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double double_value(uint64_t bits) {
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

sb_err sb_tensor_take(struct sb_cursor *from, enum sb_tensor_type t, enum sb_dtype column,
                      struct sb_arena *a, struct sb_cell *out, struct sb_errctx *ctx) {
    struct sb_cell c = {.type = SB_JSON_NUMBER, .numpy = TYPES[t].numpy};
    sb_err err = SB_OK;
    switch (t) {
    case SB_TENSOR_BOOL:
        c.number = sb_cursor_u8(from) != 0;
        c.type = c.number != 0 ? SB_JSON_TRUE : SB_JSON_FALSE;
        c.token = c.text = c.number != 0 ? SB_STR("true") : SB_STR("false");
        break;
    case SB_TENSOR_UINT8: c.number = sb_cursor_u8(from); break;
    case SB_TENSOR_INT8: c.number = (int8_t)sb_cursor_u8(from); break;
    case SB_TENSOR_UINT16: err = int_cell(&c, column, false, sb_cursor_le16(from), a, ctx); break;
    case SB_TENSOR_UINT32: err = int_cell(&c, column, false, sb_cursor_le32(from), a, ctx); break;
    case SB_TENSOR_UINT64: err = int_cell(&c, column, false, sb_cursor_le64(from), a, ctx); break;
    case SB_TENSOR_INT16:
        err = signed_cell(&c, column, (int16_t)sb_cursor_le16(from), a, ctx);
        break;
    case SB_TENSOR_INT32:
        err = signed_cell(&c, column, (int32_t)sb_cursor_le32(from), a, ctx);
        break;
    case SB_TENSOR_INT64:
        err = signed_cell(&c, column, (int64_t)sb_cursor_le64(from), a, ctx);
        break;
    case SB_TENSOR_FP16:
        err = float_cell(&c, column, half_value(sb_cursor_le16(from)), a, ctx);
        break;
    case SB_TENSOR_BF16:
        err = float_cell(&c, column, float_value((uint32_t)sb_cursor_le16(from) << 16), a, ctx);
        break;
    case SB_TENSOR_FP32:
        err = float_cell(&c, column, float_value(sb_cursor_le32(from)), a, ctx);
        break;
    case SB_TENSOR_FP64:
        err = float_cell(&c, column, double_value(sb_cursor_le64(from)), a, ctx);
        break;
    case SB_TENSOR_BYTES:
        c.type = SB_JSON_STRING;
        c.text = sb_cursor_str(from, sb_cursor_le32(from));
        if (!from->err) err = text_cell(&c, column, a, ctx);
        break;
    case SB_TENSOR_TYPE_COUNT: break;
    }
    if (from->err) return sb_fail(ctx, SB_E_INVALID, "is cut off: its bytes end here");
    if (!err) *out = c;
    return err;
}

/* ---- JSON ---- */

/* Nearest value that the type holds, ties to even; false over its range. */
static bool round_to(enum sb_tensor_type t, double *v) {
    if (t == SB_TENSOR_FP64 || !isfinite(*v) || *v == 0) return true;
    int e = ilogb(*v);
    if (e < TYPES[t].exp_min) e = TYPES[t].exp_min;
    double step = ldexp(1, e - (TYPES[t].digits - 1));
    double r = nearbyint(*v / step) * step;
    if (fabs(r) > TYPES[t].max) return false;
    *v = r;
    return true;
}

static bool same_in(enum sb_dtype column, double a, double b) {
    return a == b || (column == SB_DTYPE_FLOAT32 && (float)a == (float)b);
}

static bool int_fits(enum sb_tensor_type t, const struct sb_cell *c) {
    int64_t i;
    uint64_t u;
    if (t == SB_TENSOR_INT64 && sb_str_to_i64(c->text, &i)) return true;
    if (t == SB_TENSOR_UINT64 && sb_str_to_u64(c->text, &u)) return true;
    bool wide = TYPES[t].size == 8; /* its max is one too many */
    return floor(c->number) == c->number && c->number >= TYPES[t].min &&
           (wide ? c->number < TYPES[t].max : c->number <= TYPES[t].max);
}

static bool number_cell(enum sb_tensor_type t, enum sb_dtype column, struct sb_cell *c) {
    if (!isfinite(c->number)) { /* NaN and Infinity without quotes, as Python writes them */
        if (!TYPES[t].digits) return false;
        c->token = isnan(c->number) ? SB_STR("null")
                   : c->number < 0  ? SB_STR("\"-Infinity\"")
                                    : SB_STR("\"Infinity\"");
        return true;
    }
    if (t == SB_TENSOR_BOOL) {
        if (c->number != 0 && c->number != 1) return false;
        c->type = c->number != 0 ? SB_JSON_TRUE : SB_JSON_FALSE;
        return true;
    }
    if (!TYPES[t].digits) return TYPES[t].size && int_fits(t, c);
    double v = c->number;
    if (!round_to(t, &v)) return false;
    if (!same_in(column, v, c->number)) c->token = c->text = (struct sb_str){0};
    c->number = v;
    return true;
}

static bool element(enum sb_tensor_type t, enum sb_dtype column, struct sb_cell *c) {
    double d;
    switch (c->type) {
    case SB_JSON_NULL: return true;
    case SB_JSON_FALSE:
    case SB_JSON_TRUE: return t == SB_TENSOR_BOOL;
    case SB_JSON_NUMBER: return number_cell(t, column, c);
    case SB_JSON_STRING:
        if (t == SB_TENSOR_BYTES) return true;
        return TYPES[t].digits && sb_text_to_double(c->text, &d) && !isfinite(d);
    case SB_JSON_ARRAY:
    case SB_JSON_OBJECT: break;
    }
    return false;
}

sb_err sb_tensor_read(struct sb_json_reader *r, enum sb_tensor_type t, enum sb_dtype column,
                      struct sb_cell *out, struct sb_errctx *ctx) {
    SB_TRY(sb_cell_read(r, out));
    if (!element(t, column, out))
        return sb_fail(ctx, SB_E_INVALID, "is no %s: %.*s", TYPES[t].name,
                       SB_ARG(sb_str_sub(out->token, 0, 40)));
    out->numpy = TYPES[t].numpy;
    if (t != SB_TENSOR_BYTES || column != SB_DTYPE_JSON || out->type != SB_JSON_STRING)
        return SB_OK;
    return json_inside(out, r->arena, ctx);
}

/* ---- answers ---- */

static bool is_null(const struct sb_column *c, size_t row) {
    return c->null && c->null[row];
}

void sb_tensor_add_json(struct sb_buf *b, const struct sb_column *c, size_t row) {
    for (size_t i = 0; i < c->width; i++) {
        if (i) sb_buf_addc(b, ',');
        if (is_null(c, row))
            SB_BUF_LIT(b, "null");
        else if (c->type == SB_DTYPE_JSON)
            sb_json_add_string(b, c->s[row * c->width + i]);
        else
            sb_column_add_value(b, c, row * c->width + i);
    }
}

static void add_le32(struct sb_buf *b, size_t n) {
    uint8_t le[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};
    sb_buf_add(b, le, sizeof le);
}

static void add_bytes(struct sb_buf *b, struct sb_str s) {
    add_le32(b, s.n);
    sb_buf_adds(b, s);
}

/* Dates go as their ISO text, without JSON's quotes. */
static void add_datetime(struct sb_buf *b, const struct sb_column *c, size_t i) {
    struct sb_buf text;
    sb_buf_init(&text, 64);
    sb_column_add_value(&text, c, i);
    add_bytes(b, sb_str_sub(sb_buf_view(&text), 1, text.n > 2 ? text.n - 2 : 0));
    sb_buf_fini(&text);
}

void sb_tensor_add_raw(struct sb_buf *b, const struct sb_column *c, size_t row) {
    size_t size = TYPES[sb_tensor_type_of(c->type)].size;
    if (size) { /* the host is little-endian too, see base/cursor.h */
        sb_buf_add(b, (const char *)c->data + row * c->width * size, c->width * size);
        return;
    }
    for (size_t i = 0; i < c->width; i++) {
        if (is_null(c, row))
            add_le32(b, 0);
        else if (c->type == SB_DTYPE_DATETIME)
            add_datetime(b, c, row * c->width + i);
        else
            add_bytes(b, c->s[row * c->width + i]);
    }
}
