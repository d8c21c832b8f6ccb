/* The spare thread: every job comes back, in order, and none is lost at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "loop/spare.h"

enum { JOBS = 2000, GIVERS = 3 };

struct counted {
    struct sb_spare_job job;
    int number, seen;
};

static void see(struct sb_spare_job *j) {
    SB_CONTAINER(j, struct counted, job)->seen++;
}

struct giver {
    struct sb_spare *spare;
    struct sb_spare_list done;
    struct counted jobs[JOBS];
    struct sb_thread thread;
};
static struct giver givers[GIVERS];

static void give(void *arg) {
    struct giver *g = arg;
    for (int i = 0; i < JOBS; i++) {
        g->jobs[i] = (struct counted){.job = {.work = see, .done = &g->done}, .number = i};
        sb_spare_submit(g->spare, &g->jobs[i].job);
    }
}

static void all_come_back_in_order(void **state) {
    (void)state;
    struct sb_spare *s;
    assert_int_equal(sb_spare_new(&s, "spare"), SB_OK);
    for (int k = 0; k < GIVERS; k++) {
        givers[k].spare = s;
        assert_int_equal(sb_thread_start(&givers[k].thread, "giver", give, &givers[k]), SB_OK);
    }
    for (int k = 0; k < GIVERS; k++) {
        int next = 0;
        while (next < JOBS) {
            for (struct sb_spare_job *j = sb_spare_take(&givers[k].done); j; j = j->next) {
                struct counted *c = SB_CONTAINER(j, struct counted, job);
                assert_int_equal(c->number, next++);
                assert_true(c->seen == 1 && j->worked);
            }
            sb_sleep_ns(SB_MS);
        }
        sb_thread_join(&givers[k].thread);
    }
    sb_spare_free(s);
}

static _Atomic bool gate;

static void wait_at_gate(struct sb_spare_job *j) {
    (void)j;
    while (!gate) sb_sleep_ns(SB_MS);
}

static void open_gate(void *arg) {
    (void)arg;
    sb_sleep_ns(20 * SB_MS);
    gate = true;
}

static void what_was_not_begun_comes_back_as_it_was(void **state) {
    (void)state;
    struct sb_spare *s;
    struct sb_spare_list done = {NULL};
    struct sb_thread t;
    struct counted first = {.job = {.work = wait_at_gate, .done = &done}};
    struct counted second = {.job = {.work = see, .done = &done}};
    assert_int_equal(sb_spare_new(&s, "spare"), SB_OK);
    sb_spare_submit(s, &first.job);
    sb_spare_submit(s, &second.job);
    assert_int_equal(sb_thread_start(&t, "gate", open_gate, NULL), SB_OK);
    sb_spare_free(s);
    sb_thread_join(&t);
    struct sb_spare_job *j = sb_spare_take(&done);
    size_t n = 0;
    for (; j; j = j->next) n++;
    assert_int_equal(n, 2);
    assert_int_equal(second.seen, second.job.worked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_back_in_order),
        cmocka_unit_test(what_was_not_begun_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
