/* Where a prediction is computed: on the loop when that is short, on the compute pool when it is
 * not, or by a back-end that has threads or processes of its own. Its done() runs on the loop in
 * each case. */
#include "api/serving/serving_int.h"
#include "base/clock.h"

/* So much work waits that the pool's threads never run dry between two looks of a loop. */
#define ROOM_NS (4 * SB_MS)

bool sb_serving_has_room(void *app) {
    struct sb_serving *s = app;
    return sb_pool_wait_ns(s->o.compute) < ROOM_NS;
}

static void still_on_pool(struct sb_predict *p) {
    SB_UNUSED(p); /* the job's done() goes on */
}

static void work(struct sb_job *j) {
    struct computation *c = SB_CONTAINER(j, struct computation, job);
    sb_model_predict(c->model, c->predict);
}

static void done(struct sb_job *j) {
    struct computation *c = SB_CONTAINER(j, struct computation, job);
    c->done(c->predict); /* c may be gone now */
}

bool sb_computes_inline(const struct sb_model *m, const struct sb_batch *in) {
    return m->ops->inline_rows && in->nrows <= m->ops->inline_rows;
}

sb_err sb_compute(struct computation *c, struct sb_pool *pool, struct sb_model *m,
                  struct sb_predict *p, bool on_loop) {
    if (on_loop || !m->ops->inline_rows) {
        sb_model_predict(m, p);
        return SB_OK;
    }
    *c = (struct computation){
        {.work = work, .done = done, .loop = p->loop, .size = (uint32_t)p->in->nrows},
        m,
        p,
        p->done};
    p->done = still_on_pool;
    return sb_pool_submit(pool, &c->job);
}
