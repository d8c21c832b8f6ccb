/* Bodies that are tables in a format of their own, whatever dialect the route answers in: told by
 * their Content-Type. All else is the dialect's JSON. */
#include "api/serving/serving_int.h"

/* decode: at once; begin: sb_call_decoded follows. */
struct format {
    const char *type;
    sb_err (*decode)(struct call *c);
    sb_err (*begin)(struct call *c);
};
static const struct format FORMATS[] = {
    {"text/csv", sb_decode_csv, NULL},
    {"application/vnd.apache.parquet", NULL, sb_parquet_begin},
    {"application/x-parquet", NULL, sb_parquet_begin},
};

/* RFC 9110 section 8.3: parameters behind semicolons. Only those that change nothing are taken. */
static sb_err check_parameters(struct call *c, struct sb_str rest) {
    struct sb_str part;
    while (sb_str_split(&rest, ';', &part)) {
        part = sb_str_trim(part);
        if (!part.n || sb_str_ieq(part, SB_STR("charset=utf-8")) ||
            sb_str_ieq(part, SB_STR("charset=\"utf-8\"")) ||
            sb_str_ieq(part, SB_STR("header=present")))
            continue;
        return sb_fail(&c->ctx, SB_E_UNSUPPORTED,
                       "Content-Type may say charset=utf-8 and header=present, not %.*s",
                       SB_ARG(sb_str_sub(part, 0, 80)));
    }
    return SB_OK;
}

static const struct format *format_of(struct sb_str type) {
    for (size_t i = 0; i < SB_COUNT(FORMATS); i++)
        if (sb_str_ieq(type, sb_str_of(FORMATS[i].type))) return &FORMATS[i];
    return NULL;
}

sb_err sb_decode_body(struct call *c, bool *later) {
    *later = false;
    if (SB_LIKELY(!c->dialect->tables || !c->content_type.n)) return c->dialect->decode(c);
    struct sb_str rest = c->content_type, type;
    sb_str_split(&rest, ';', &type);
    const struct format *f = format_of(sb_str_trim(type));
    if (!f) return c->dialect->decode(c);
    SB_TRY(check_parameters(c, rest));
    if (f->decode) return f->decode(c);
    SB_TRY(f->begin(c));
    *later = true;
    return SB_OK;
}
