/* Makes or lists a registry's database, for tests/api/test_registry.py.
 *
 *     registry_tool fill DB     a run with everything, a logged model, a registered model with
 * alias registry_tool list DB     one line per run and per registered model, as the store reads
 * them */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "domain/registry/models.h"
#include "domain/registry/tracking.h"

#define S(z) sb_str_of(z)

static sb_err log_things(struct sb_registry_call *c, struct sb_str run) {
    struct sb_metric metrics[] = {
        {.key = S("loss"), .value = 0.5, .timestamp = 1, .step = 3},
        {.key = S("odd"), .value = (double)NAN, .timestamp = 1},
        {.key = S("big"), .value = (double)INFINITY, .timestamp = 1},
    };
    struct sb_tag param = {S("lr"), S("0.1")}, tag = {S("team"), S("blue")};
    struct sb_tag context = {S("mlflow.data.context"), S("training")};
    struct sb_dataset_input in = {.dataset = {S("iris"), S("d1"), S("local"), S("{}"), {0}, {0}},
                                  .tags = {&context, 1}};
    SB_TRY(sb_registry_batch_log(c, run, metrics, SB_COUNT(metrics), (struct sb_tags){&param, 1},
                                 (struct sb_tags){&tag, 1}));
    return sb_registry_inputs_log(c, run, (struct sb_dataset_inputs){&in, 1},
                                  (struct sb_model_links){0});
}

static sb_err register_model(struct sb_registry_call *c, struct sb_str run) {
    struct sb_logged_model m;
    struct sb_logged_model_new new_model = {
        .experiment_id = S("0"), .name = S("forest"), .source_run_id = run};
    SB_TRY(sb_registry_logged_model_create(c, &new_model, &m));
    SB_TRY(sb_registry_logged_model_finalize(c, m.model_id, SB_LOGGED_MODEL_READY, &m));
    struct sb_model_link link = {m.model_id, 0};
    SB_TRY(sb_registry_outputs_log(c, run, (struct sb_model_links){&link, 1}));
    struct sb_registered_model r;
    struct sb_tag tag = {S("team"), S("blue")};
    SB_TRY(sb_registry_model_create(c, S("iris"), S("flowers"), (struct sb_tags){&tag, 1}, &r));
    struct sb_model_version v;
    struct sb_version_new new_version = {
        .name = S("iris"),
        .source = S(sb_arena_printf(c->arena, "models:/%s", m.model_id.p)),
        .model_id = m.model_id,
        .tags = {&tag, 1}};
    SB_TRY(sb_registry_version_create(c, &new_version, &v));
    return sb_registry_alias_set(c, S("iris"), S("production"), S("1"));
}

static sb_err fill(struct sb_registry_call *c) {
    struct sb_run run;
    struct sb_run_info info;
    struct sb_run_new in = {.experiment_id = S("0"), .name = S("ours")};
    SB_TRY(sb_registry_run_create(c, &in, &run));
    SB_TRY(log_things(c, run.info.run_id));
    SB_TRY(register_model(c, run.info.run_id));
    return sb_registry_run_update(c, run.info.run_id, SB_RUN_FINISHED, SB_SOME(9),
                                  (struct sb_str){0}, &info);
}

static sb_err list(struct sb_registry_call *c) {
    struct sb_str zero = S("0");
    struct sb_search all = {0};
    struct sb_runs runs;
    SB_TRY(sb_registry_run_search(c, &zero, 1, &all, SB_VIEW_ALL, &runs));
    for (size_t i = 0; i < runs.n; i++) {
        const struct sb_run *r = &runs.v[i];
        printf("run %s %s metrics=%zu params=%zu tags=%zu datasets=%zu outputs=%zu\n",
               r->info.name.p, sb_run_status_name(r->info.status), r->metrics.n, r->params.n,
               r->tags.n, r->dataset_inputs.n, r->model_outputs.n);
    }
    struct sb_registered_models models;
    SB_TRY(sb_registry_model_search(c, &all, &models));
    for (size_t i = 0; i < models.n; i++) {
        const struct sb_registered_model *m = &models.v[i];
        printf("model %s", m->name.p);
        for (size_t k = 0; k < m->aliases_n; k++)
            printf(" %s=%" PRId64, m->aliases[k].alias.p, m->aliases[k].version);
        printf("\n");
    }
    return SB_OK;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct sb_registry_options opt = {.path = argv[2]};
    struct sb_registry *r;
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    if (sb_registry_open(&r, &opt, &ctx)) {
        fprintf(stderr, "%s\n", ctx.msg);
        return 1;
    }
    struct sb_arena arena;
    sb_arena_init(&arena, 64 << 20);
    struct sb_registry_call c = {.reg = r, .arena = &arena};
    sb_err err = sb_str_is(S(argv[1]), "fill") ? fill(&c) : list(&c);
    if (err) fprintf(stderr, "%s\n", c.error.message.p);
    sb_registry_close(r);
    sb_arena_fini(&arena);
    return err ? 1 : 0;
}
