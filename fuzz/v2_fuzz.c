/* Open Inference Protocol: decodes a request; its rows, as a model would answer them, go back. */
#include <stdint.h>

#include "api/serving/v2.h"
#include "dialect_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input's own columns and two classes as the answer. */
static void answer(struct dialect_fuzz *f) {
    struct call *c = &f->call;
    struct sb_str classes[] = {SB_STR("no"), SB_STR("y\"es")};
    double *proba = sb_arena_try_array(&f->arena, c->batch.nrows * 2, sizeof *proba);
    if (!proba) return;
    c->predict.out = (struct sb_result){.nrows = c->batch.nrows,
                                        .noutputs = c->batch.ncols,
                                        .outputs = c->batch.cols,
                                        .nclasses = 2,
                                        .classes = classes,
                                        .proba = proba};
    struct sb_buf out;
    sb_buf_init(&out, 64 << 20);
    if (sb_dialect_v2.settle(c) == SB_OK) {
        sb_dialect_v2.begin(&out, c);
        sb_dialect_v2.end(&out, c);
        if (!out.err && !c->reply_type) {
            struct sb_json *tree;
            struct sb_errctx ctx = {0};
            sb_err err = sb_json_parse(&tree, sb_buf_view(&out), &f->arena, &ctx);
            SB_ASSERT(err != SB_E_SYNTAX);
        }
    } else {
        SB_ASSERT(c->ctx.msg[0] != 0);
    }
    sb_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dialect_fuzz f;
    if (!dialect_fuzz_init(&f, &sb_dialect_v2, data, size)) return 0;
    sb_err err = sb_dialect_v2.decode(&f.call);
    dialect_fuzz_check(&f, err);
    if (!err) answer(&f);
    dialect_fuzz_fini(&f);
    return 0;
}
