/* JSON: the reader, the tree and the writer agree on any text, and what is written reads back. */
#include <stdint.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The pull reader by hand, to a depth that needs no stack of its own. */
static sb_err walk(struct sb_json_reader *r, int depth) {
    enum sb_json_type type;
    struct sb_str s;
    double d;
    bool b, more;
    SB_TRY(sb_json_peek(r, &type));
    if (depth > 20) return sb_json_skip(r, &s);
    switch (type) {
    case SB_JSON_NULL: return sb_json_read_null(r);
    case SB_JSON_FALSE:
    case SB_JSON_TRUE: return sb_json_read_bool(r, &b);
    case SB_JSON_NUMBER: return sb_json_read_double(r, &d, &s);
    case SB_JSON_STRING:
        SB_TRY(sb_json_read_string(r, &s));
        SB_ASSERT(sb_utf8_valid(s));
        return SB_OK;
    case SB_JSON_ARRAY:
        SB_TRY(sb_json_enter_array(r));
        for (;;) {
            SB_TRY(sb_json_next_item(r, &more));
            if (!more) return SB_OK;
            SB_TRY(walk(r, depth + 1));
        }
    default:
        SB_TRY(sb_json_enter_object(r));
        for (;;) {
            SB_TRY(sb_json_next_key(r, &s, &more));
            if (!more) return SB_OK;
            SB_ASSERT(sb_utf8_valid(s));
            SB_TRY(walk(r, depth + 1));
        }
    }
}

static void read_back(struct sb_arena *a, const struct sb_json *v) {
    struct sb_buf once, twice;
    struct sb_json *again;
    sb_buf_init(&once, 16 << 20);
    sb_buf_init(&twice, 16 << 20);
    sb_json_add_tree(&once, v);
    SB_ASSERT(sb_buf_err(&once) == SB_OK);
    SB_ASSERT(sb_json_parse(&again, sb_buf_view(&once), a, NULL) == SB_OK);
    sb_json_add_tree(&twice, again);
    SB_ASSERT(sb_str_eq(sb_buf_view(&once), sb_buf_view(&twice)));
    if (v->type == SB_JSON_OBJECT && v->child) {
        struct sb_str s;
        int64_t i;
        double d;
        bool b;
        char *key = sb_strndup(v->child->key.p, v->child->key.n);
        (void)sb_json_get_str(v, key, &s);
        (void)sb_json_get_i64(v, key, &i);
        (void)sb_json_get_double(v, key, &d);
        (void)sb_json_get_bool(v, key, &b);
        sb_free(key);
    }
    sb_buf_fini(&once);
    sb_buf_fini(&twice);
}

/* The input as a string from elsewhere: whatever it is, what is written is JSON. */
static void as_string(struct sb_arena *a, struct sb_str text) {
    struct sb_buf b;
    struct sb_json *v;
    sb_buf_init(&b, 16 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_key(&w, text);
    sb_json_str(&w, NULL, text);
    sb_json_int(&w, "", (int64_t)text.n);
    sb_json_end(&w);
    sb_err err = sb_json_parse(&v, sb_buf_view(&b), a, NULL);
    SB_ASSERT(err == SB_OK || text.n == 0 || text.n > 100000); /* "" twice, or over the limit */
    if (!err && sb_utf8_valid(text)) SB_ASSERT(sb_str_eq(v->child->s, text));
    sb_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_str text = {(const char *)data, n};
    struct sb_arena a;
    struct sb_json_reader r;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 256 << 20);
    struct sb_json *v;
    sb_err tree = sb_json_parse(&v, text, &a, &ctx);
    if (tree) SB_ASSERT(ctx.code == tree && ctx.pos >= 0 && ctx.pos <= (int64_t)n && ctx.msg[0]);

    sb_json_reader_init(&r, text, &a, NULL);
    sb_err pulled = walk(&r, 0);
    if (!pulled) pulled = sb_json_finish(&r);
    sb_json_reader_init(&r, text, NULL, NULL);
    sb_err skipped = sb_json_skip(&r, NULL);
    if (!skipped) skipped = sb_json_finish(&r);
    if (!tree) {
        SB_ASSERT(!pulled && !skipped);
        read_back(&a, v);
    }
    sb_json_reader_init(&r, text, &a, NULL);
    r.nonfinite = true;
    if (!sb_json_parse_with(&v, &r)) read_back(&a, v);
    as_string(&a, text);
    sb_arena_fini(&a);
    return 0;
}
