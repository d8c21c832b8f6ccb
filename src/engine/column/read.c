/* JSON documents to values. Nothing of a document counts before its text was read to the end: a
 * text that breaks off leaves only `_ignored`. */
#include "codec/json.h"
#include "codec/time.h"
#include "codec/utf8.h"
#include "engine/column/column_int.h"

void sb_column_reader_init(struct sb_column_reader *r, struct sb_column_fields *f, int time_field,
                           int ignored_field) {
    *r = (struct sb_column_reader){
        .fields = f,
        .time_field = time_field,
        .ignored_field = ignored_field,
    };
    sb_arena_init(&r->arena, 4 * (size_t)SB_COLUMN_DOCUMENT_MAX);
}

void sb_column_reader_fini(struct sb_column_reader *r) {
    sb_arena_fini(&r->arena);
    sb_free(r->values);
    r->values = NULL;
}

static struct sb_column_value *push(struct sb_column_reader *r, int field,
                                    enum sb_column_type type) {
    if (SB_UNLIKELY(r->n == r->cap)) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->values = sb_realloc(r->values, r->cap * sizeof *r->values);
    }
    struct sb_column_value *v = &r->values[r->n++];
    v->field = (uint32_t)field;
    v->type = type;
    return v;
}

/* At most SB_COLUMN_KEYWORD_MAX bytes, no character cut in two. */
static struct sb_str cut(struct sb_str s) {
    if (SB_LIKELY(s.n <= SB_COLUMN_KEYWORD_MAX)) return s;
    size_t n = SB_COLUMN_KEYWORD_MAX;
    while (n && ((unsigned char)s.p[n] & 0xC0) == 0x80) n--;
    return sb_str_make(s.p, n);
}

static void ignore(struct sb_column_reader *r, struct sb_str name) {
    r->ignored++;
    if (r->nignored++ < SB_COLUMN_IGNORED_MAX)
        push(r, r->ignored_field, SB_COLUMN_KEYWORD)->s = cut(name);
}

static void ignore_node(struct sb_column_reader *r, int32_t node) {
    ignore(r, r->fields->nodes[node].path);
}

static enum sb_column_type type_of(const struct sb_column_reader *r, int field) {
    return r->fields->at[field].type;
}

/* ---- scalars ---- */

/* A token without fraction and exponent that fits. */
static bool integer_of(struct sb_str token, int64_t *out) {
    const char *p = token.p, *end = p + token.n;
    bool neg = *p == '-';
    if (neg) p++;
    if (end - p > 18) return sb_str_to_i64(token, out);
    int64_t v = 0;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > 9) return false;
        v = v * 10 + (int64_t)digit;
    }
    *out = neg ? -v : v;
    return true;
}

static void take_number(struct sb_column_reader *r, int32_t node, double d, struct sb_str token) {
    int64_t i = 0;
    bool integer = integer_of(token, &i);
    int field = sb_column_fields_of(r->fields, node, integer ? SB_COLUMN_LONG : SB_COLUMN_DOUBLE);
    if (field < 0) {
        ignore_node(r, node);
        return;
    }
    switch (type_of(r, field)) {
    case SB_COLUMN_LONG:
        if (integer) {
            push(r, field, SB_COLUMN_LONG)->i = i;
            return;
        }
        sb_column_fields_promote(r->fields, field);
        push(r, field, SB_COLUMN_DOUBLE)->d = d;
        return;
    case SB_COLUMN_DOUBLE: push(r, field, SB_COLUMN_DOUBLE)->d = d; return;
    case SB_COLUMN_KEYWORD: push(r, field, SB_COLUMN_KEYWORD)->s = cut(token); return;
    case SB_COLUMN_DATE:
        if (integer) {
            push(r, field, SB_COLUMN_DATE)->i = i;
            return;
        }
        break;
    case SB_COLUMN_BOOL: break;
    }
    ignore_node(r, node);
}

static void take_bool(struct sb_column_reader *r, int32_t node, bool v) {
    int field = sb_column_fields_of(r->fields, node, SB_COLUMN_BOOL);
    if (field >= 0 && type_of(r, field) == SB_COLUMN_BOOL) {
        push(r, field, SB_COLUMN_BOOL)->i = v;
    } else if (field >= 0 && type_of(r, field) == SB_COLUMN_KEYWORD) {
        push(r, field, SB_COLUMN_KEYWORD)->s = v ? SB_STR("true") : SB_STR("false");
    } else {
        ignore_node(r, node);
    }
}

static bool digits(const char *p, int n) {
    bool ok = true;
    for (int i = 0; i < n; i++) ok &= p[i] >= '0' && p[i] <= '9';
    return ok;
}

/* "2026-11-24T08:31:55.123Z", whose day is mostly that of the last one. */
static bool parse_plain_time(struct sb_column_reader *r, struct sb_str s, int64_t *ms) {
    const char *p = s.p;
    if (s.n != 24 || memcmp(p, r->date, 10) != 0 || p[10] != 'T' || p[13] != ':' || p[16] != ':' ||
        p[19] != '.' || p[23] != 'Z')
        return false;
    if (!digits(p + 11, 2) || !digits(p + 14, 2) || !digits(p + 17, 2) || !digits(p + 20, 3))
        return false;
    int h = (p[11] - '0') * 10 + p[12] - '0', m = (p[14] - '0') * 10 + p[15] - '0',
        sec = (p[17] - '0') * 10 + p[18] - '0';
    if (h > 23 || m > 59 || sec > 59) return false;
    *ms = r->date_ms + ((h * 60 + m) * 60 + sec) * INT64_C(1000) + (p[20] - '0') * 100 +
          (p[21] - '0') * 10 + p[22] - '0';
    return true;
}

static bool parse_time(struct sb_column_reader *r, struct sb_str s, int64_t *ms) {
    int64_t ns;
    if (parse_plain_time(r, s, ms)) return true;
    if (!sb_time_parse(s, &ns)) return false;
    *ms = ns / 1000000 - (ns % 1000000 < 0);
    int64_t day;
    if (sb_time_parse(sb_str_sub(s, 0, 10), &day)) {
        memcpy(r->date, s.p, 10);
        r->date_ms = day / 1000000;
    }
    return true;
}

/* A new field is a DATE only when day, time and zone are all there. */
static bool looks_like_time(struct sb_str s) {
    return s.n >= 20 && s.n <= SB_TIME_TEXT && digits(s.p, 4) && s.p[4] == '-' && s.p[7] == '-' &&
           (s.p[10] == 'T' || s.p[10] == 't' || s.p[10] == ' ') && s.p[13] == ':' &&
           s.p[16] == ':' &&
           (s.p[s.n - 1] == 'Z' || s.p[s.n - 1] == 'z' || s.p[s.n - 6] == '+' ||
            s.p[s.n - 6] == '-');
}

static void take_string(struct sb_column_reader *r, int32_t node, struct sb_str s) {
    int64_t ms;
    int field = r->fields->nodes[node].field;
    if (SB_UNLIKELY(field < 0)) {
        bool date = looks_like_time(s) && parse_time(r, s, &ms);
        field = sb_column_fields_of(r->fields, node, date ? SB_COLUMN_DATE : SB_COLUMN_KEYWORD);
    }
    if (field >= 0 && type_of(r, field) == SB_COLUMN_KEYWORD) {
        push(r, field, SB_COLUMN_KEYWORD)->s = cut(s);
    } else if (field >= 0 && type_of(r, field) == SB_COLUMN_DATE && parse_time(r, s, &ms)) {
        push(r, field, SB_COLUMN_DATE)->i = ms;
    } else {
        ignore_node(r, node);
    }
}

/* ---- documents ---- */

static sb_err read_value(struct sb_column_reader *r, struct sb_json_reader *j, int32_t node,
                         uint32_t depth);

/* A key that gets no node: its value is passed over. */
static void ignore_key(struct sb_column_reader *r, int32_t parent, struct sb_str key) {
    struct sb_str above = r->fields->nodes[parent].path;
    ignore(r, sb_str_of(sb_arena_printf(&r->arena, "%.*s%s%.*s", SB_ARG(above),
                                        parent > 0 ? "." : "", SB_ARG(cut(key)))));
}

static sb_err read_object(struct sb_column_reader *r, struct sb_json_reader *j, int32_t parent,
                          uint32_t depth) {
    int32_t before = SB_COLUMN_NODE_NONE;
    SB_TRY(sb_json_enter_object(j));
    for (;;) {
        struct sb_str key;
        bool more;
        SB_TRY(sb_json_next_key(j, &key, &more));
        if (!more) return SB_OK;
        int32_t node = sb_column_fields_node(r->fields, parent, before, key);
        if (SB_UNLIKELY(node < 0)) {
            ignore_key(r, parent, key);
            SB_TRY(sb_json_skip(j, NULL));
            continue;
        }
        before = node;
        SB_TRY(read_value(r, j, node, depth));
    }
}

static sb_err read_array(struct sb_column_reader *r, struct sb_json_reader *j, int32_t node,
                         uint32_t depth) {
    SB_TRY(sb_json_enter_array(j));
    for (;;) {
        bool more;
        SB_TRY(sb_json_next_item(j, &more));
        if (!more) return SB_OK;
        SB_TRY(read_value(r, j, node, depth));
    }
}

/* depth: objects around the value; arrays add to the reader's own limit only. */
static sb_err read_value(struct sb_column_reader *r, struct sb_json_reader *j, int32_t node,
                         uint32_t depth) {
    enum sb_json_type type;
    if (SB_UNLIKELY(r->fields->nodes[node].skip)) return sb_json_skip(j, NULL);
    SB_TRY(sb_json_peek(j, &type));
    switch (type) {
    case SB_JSON_STRING: {
        struct sb_str s;
        SB_TRY(sb_json_read_string(j, &s));
        take_string(r, node, s);
        return SB_OK;
    }
    case SB_JSON_NUMBER: {
        double d;
        struct sb_str token;
        SB_TRY(sb_json_read_double(j, &d, &token));
        take_number(r, node, d, token);
        return SB_OK;
    }
    case SB_JSON_TRUE:
    case SB_JSON_FALSE: {
        bool v;
        SB_TRY(sb_json_read_bool(j, &v));
        take_bool(r, node, v);
        return SB_OK;
    }
    case SB_JSON_ARRAY: return read_array(r, j, node, depth);
    case SB_JSON_OBJECT:
        if (depth == SB_COLUMN_DEPTH_MAX) {
            ignore_node(r, node);
            return sb_json_skip(j, NULL);
        }
        return read_object(r, j, node, depth + 1);
    default: return sb_json_read_null(j);
    }
}

static sb_err read_document(struct sb_column_reader *r, struct sb_str json) {
    struct sb_json_reader j;
    if (json.n > SB_COLUMN_DOCUMENT_MAX) return SB_E_LIMIT;
    sb_json_reader_init(&j, json, &r->arena, NULL);
    SB_TRY(read_object(r, &j, 0, 1));
    return sb_json_finish(&j);
}

void sb_column_reader_read(struct sb_column_reader *r, int64_t ts_ms, struct sb_str json) {
    uint64_t ignored = r->ignored;
    sb_arena_reset(&r->arena);
    r->n = 0;
    r->nignored = 0;
    if (read_document(r, json) != SB_OK) {
        r->n = 0;
        r->nignored = 0;
        r->ignored = ignored;
        ignore(r, SB_STR("_source"));
    }
    for (size_t i = 0; i < r->n; i++) {
        if (r->values[i].field == (uint32_t)r->time_field) return;
    }
    push(r, r->time_field, SB_COLUMN_DATE)->i = ts_ms;
}
