/* A registry in a temporary folder, with a clock that tests step. For test programs. */
#ifndef SB_DOMAIN_REGISTRY_FIXTURE_TEST_H
#define SB_DOMAIN_REGISTRY_FIXTURE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "domain/registry/models.h"
#include "domain/registry/registry.h"
#include "domain/registry/tracking.h"

struct change {
    enum sb_registry_change what;
    char model[32];
};
struct fixture {
    char dir[64], path[96];
    int64_t now_ns;
    struct sb_clock clock;
    struct sb_arena arena;
    struct sb_registry_options opt;
    struct sb_registry *reg;
    struct sb_registry_call c;
    struct change changes[32];
    size_t changes_n;
};

static inline int64_t fixture_now(void *self) {
    struct fixture *f = self;
    return f->now_ns;
}

static inline void fixture_changed(void *user, enum sb_registry_change what, struct sb_str model) {
    struct fixture *f = user;
    assert_true(f->changes_n < 32);
    f->changes[f->changes_n].what = what;
    snprintf(f->changes[f->changes_n++].model, 32, "%.*s", SB_ARG(model));
}

static inline int fixture_set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/sibyl-registry-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/mlflow.db", f->dir);
    f->now_ns = INT64_C(1700000000000) * SB_MS;
    f->clock = (struct sb_clock){fixture_now, fixture_now, f};
    sb_arena_init(&f->arena, 256 << 20);
    f->opt = (struct sb_registry_options){
        .path = f->path, .clock = &f->clock, .on_change = fixture_changed, .user = f};
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    if (sb_registry_open(&f->reg, &f->opt, &ctx)) fail_msg("%s", ctx.msg);
    f->c = (struct sb_registry_call){.reg = f->reg, .arena = &f->arena};
    *state = f;
    return 0;
}

static inline int fixture_tear_down(void **state) {
    struct fixture *f = *state;
    sb_registry_close(f->reg);
    sb_arena_fini(&f->arena);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", f->path, ends[i]);
        unlink(name);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static inline void fixture_tick(struct fixture *f) {
    f->now_ns += SB_MS;
}

#define S(z) sb_str_of(z)
#define OK(call)                                                                                   \
    do {                                                                                           \
        sb_err err_ = (call);                                                                      \
        if (err_) fail_msg("%s: %s", #call, f->c.error.message.p);                                 \
    } while (0)
/* The call fails with this MLflow error and a message that has this text. */
#define FAILS(call, mlflow_code, text)                                                             \
    do {                                                                                           \
        if ((call) == SB_OK) fail_msg("%s: no error", #call);                                      \
        if (f->c.error.code != SB_MLFLOW_##mlflow_code || !strstr(f->c.error.message.p, (text)))   \
            fail_msg("%s: %s: %s", #call, sb_mlflow_error_name(f->c.error.code),                   \
                     f->c.error.message.p);                                                        \
    } while (0)
#define IS(str, z) assert_string_equal((str).p, (z))

static inline struct sb_str fixture_run(struct fixture *f, const char *experiment,
                                        const char *name) {
    struct sb_run run;
    struct sb_run_new in = {.experiment_id = S(experiment), .name = S(name), .user_id = S("ann")};
    in.start_time = SB_SOME(f->now_ns / SB_MS);
    OK(sb_registry_run_create(&f->c, &in, &run));
    fixture_tick(f);
    return run.info.run_id;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_set_up, fixture_tear_down)

#endif
