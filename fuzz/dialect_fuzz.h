/* A prediction request without a server, for the targets of dialects: its first line names a
 * signature ("3") and may give the length of a binary request's JSON ("3,120"); the body follows.
 */
#ifndef SB_FUZZ_DIALECT_FUZZ_H
#define SB_FUZZ_DIALECT_FUZZ_H

#include <math.h>

#include "api/serving/serving_int.h"
#include "base/mem.h"

struct dialect_fuzz {
    struct sb_arena arena;
    struct sb_model model;
    struct sb_live live;
    struct lane lane;
    struct sb_http_header header;
    struct sb_http_req req;
    struct call call;
};

static const char *const FUZZ_SIGNATURES[] = {
    "",
    "[{\"type\":\"double\",\"name\":\"a\"},{\"type\":\"double\",\"name\":\"b\"},"
    "{\"type\":\"double\",\"name\":\"c\"}]",
    "[{\"type\":\"boolean\",\"name\":\"b\"},{\"type\":\"integer\",\"name\":\"i\"},"
    "{\"type\":\"long\",\"name\":\"l\"},{\"type\":\"float\",\"name\":\"f\"},"
    "{\"type\":\"double\",\"name\":\"do\",\"required\":false},"
    "{\"type\":\"string\",\"name\":\"s\"},{\"type\":\"binary\",\"name\":\"bi\"},"
    "{\"type\":\"datetime\",\"name\":\"d\"},"
    "{\"type\":\"array\",\"items\":{\"type\":\"long\"},\"name\":\"ar\",\"required\":false}]",
    "[{\"type\":\"double\"},{\"type\":\"string\"}]",
    "[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"float32\",\"shape\":[-1,2,3]},"
    "\"name\":\"g\"}]",
    "[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"float64\",\"shape\":[-1,3]}}]",
    "[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"str\",\"shape\":[-1,-1,2]}}]",
};

/* False: no such request. */
static inline bool dialect_fuzz_init(struct dialect_fuzz *f, const struct dialect *d,
                                     const uint8_t *data, size_t size) {
    struct sb_str body = {(const char *)data, size}, line, index;
    uint64_t at;
    memset(f, 0, sizeof *f);
    if (!size || !sb_str_split(&body, '\n', &line) || !body.p) return false;
    sb_str_split(&line, ',', &index);
    if (!sb_str_to_u64(index, &at) || at >= SB_COUNT(FUZZ_SIGNATURES)) return false;
    if (sb_signature_parse(&f->model.signature, sb_str_of(FUZZ_SIGNATURES[at]), SB_STR(""),
                           SB_STR(""), NULL) != SB_OK)
        return false;
    sb_arena_init(&f->arena, 32 << 20);
    f->model.info.name = f->model.info.version = (char *)(uintptr_t) "1";
    f->live.model = &f->model;
    f->req.arena = &f->arena;
    f->req.body = body;
    f->header = (struct sb_http_header){SB_STR("Inference-Header-Content-Length"), line};
    f->req.headers = &f->header;
    f->req.nheaders = line.p != NULL;
    f->call.r = &f->req;
    f->call.live = &f->live;
    f->call.lane = &f->lane;
    f->call.dialect = d;
    f->call.row = -1;
    return true;
}

/* What an event shows is JSON, whatever the request's was. */
static inline void dialect_fuzz_check_token(struct dialect_fuzz *f, struct sb_str token) {
    struct sb_json_reader r;
    struct sb_errctx ctx = {0};
    struct sb_str raw;
    if (!token.n) return;
    sb_json_reader_init(&r, token, &f->arena, &ctx);
    r.max_depth = 1024;
    sb_err err = sb_json_skip(&r, &raw);
    if (!err) err = sb_json_finish(&r);
    SB_ASSERT(err != SB_E_SYNTAX && err != SB_E_INVALID);
}

/* After decoding: an error has words, and every cell can be written for its event. */
static inline void dialect_fuzz_check(struct dialect_fuzz *f, sb_err err) {
    const struct sb_batch *in = &f->call.batch;
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    if (err) {
        SB_ASSERT(f->call.ctx.msg[0] != 0);
        f->call.dialect->error(&b, &f->call, 400, err, f->call.ctx.msg);
    } else {
        SB_ASSERT(in->nrows > 0);
    }
    for (size_t i = 0; i < in->ncols && !err; i++)
        for (size_t row = 0; row < in->nrows && row < 1000; row++) {
            if (in->cols[i].tokens) dialect_fuzz_check_token(f, in->cols[i].tokens[row]);
            sb_column_add_json(&b, &in->cols[i], row);
        }
    sb_buf_fini(&b);
}

static inline void dialect_fuzz_fini(struct dialect_fuzz *f) {
    sb_arena_fini(&f->arena);
    sb_signature_free(f->model.signature);
}

#endif
