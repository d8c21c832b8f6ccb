/* A table as Parquet: a Python process reads it (domain/worker/parquet.h) into the tensors of an
 * infer request, which then take the same way as those of a client. So it also serves native
 * models, and the loop never sees the format. */
#include "api/serving/v2.h"
#include "domain/worker/parquet.h"

static void on_read(struct sb_parquet_job *j) {
    struct call *c = j->user;
    sb_err err = j->err;
    if (err) c->ctx = j->ctx;
    if (!err && !c->refused) err = sb_v2_decode_table(c, j->json, j->raw);
    sb_call_decoded(c, err);
}

sb_err sb_parquet_begin(struct call *c) {
    struct sb_parquet *p = c->lane->s->o.parquet;
    const struct sb_signature *s = c->live->model->signature;
    if (!p) return sb_fail(&c->ctx, SB_E_UNSUPPORTED, "Parquet is not read here: send CSV or JSON");
    struct sb_parquet_job *j = sb_arena_zalloc(c->r->arena, sizeof *j);
    *j = (struct sb_parquet_job){
        .body = c->r->body,
        .matrix = s->tensor && !s->named,
        .deadline_ns = c->r->deadline_ns,
        .loop = c->r->loop,
        .done = on_read,
        .user = c,
    };
    c->parquet = j;
    sb_parquet_read(p, j);
    return SB_OK;
}

void sb_parquet_release(struct call *c) {
    if (c->parquet) sb_frame_body_unref(c->parquet->frame);
}
