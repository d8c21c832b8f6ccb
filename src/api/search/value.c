/* Values of requests in the type of their field. */
#include "api/search/date.h"
#include "api/search/search_int.h"

static int cut(struct sb_str s) {
    return s.n < 100 ? (int)s.n : 100;
}

static sb_err no_number(struct es_parse *p, struct es_field f, struct sb_str text) {
    return es_fail(p->error, 400, "number_format_exception",
                   "failed to create query: field [%.*s]: For input string: \"%.*s\"", cut(f.name),
                   f.name.p, cut(text), text.n ? text.p : "");
}

static sb_err long_of(struct es_parse *p, struct es_field f, struct sb_str text,
                      struct sb_search_value *out, bool *never) {
    double d;
    if (sb_str_to_i64(text, &out->i)) return SB_OK;
    if (!sb_double_parse(text, &d) || d - d != 0) return no_number(p, f, text);
    *never = !(d > -9e18 && d < 9e18) || (double)(int64_t)d != d;
    if (!*never) out->i = (int64_t)d;
    return SB_OK;
}

static sb_err date_of(struct es_parse *p, struct es_field f, struct sb_str text,
                      struct sb_search_value *out) {
    struct es_date o = {.now_ms = p->now_ms};
    struct sb_errctx ctx = {0};
    if (es_date_parse(&o, text, &out->i, &ctx) == SB_OK) return SB_OK;
    return es_fail_parse(p->error, "field [%.*s]: %s", cut(f.name), f.name.p, ctx.msg);
}

sb_err es_value_of(struct es_parse *p, struct es_field f, const struct sb_json *v,
                   struct sb_str text, struct sb_search_value *out, bool *never) {
    *never = false;
    *out = (struct sb_search_value){.type = f.type};
    if (v && !es_json_text(v, &text))
        return es_fail_parse(p->error, "field [%.*s]: a string, number or boolean is expected",
                             cut(f.name), f.name.p);
    switch (f.type) {
    case SB_COLUMN_LONG: return long_of(p, f, text, out, never);
    case SB_COLUMN_DATE: return date_of(p, f, text, out);
    case SB_COLUMN_DOUBLE:
        if (!sb_double_parse(text, &out->f) || out->f - out->f != 0) return no_number(p, f, text);
        return SB_OK;
    case SB_COLUMN_BOOL:
        out->i = sb_str_is(text, "true");
        if (out->i || sb_str_is(text, "false") || text.n == 0) return SB_OK;
        return es_fail_argument(
            p->error,
            "field [%.*s]: Can't parse boolean value [%.*s], expected [true] or "
            "[false]",
            cut(f.name), f.name.p, cut(text), text.p);
    default: out->s = text; return SB_OK;
    }
}
