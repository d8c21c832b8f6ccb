/* loop/: posting, ticks, timers, signals, pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/thread.h"
#include "loop/loop_int.h"
#include "loop/pool.h"

/* ---- posting ---- */
enum { POSTERS = 3, POSTS = 2000 };

struct numbered {
    struct sb_task task;
    int from, i;
};
static struct {
    struct sb_loop *loop;
    int last[POSTERS], seen, disorder;
} posts;

static void count_post(struct sb_task *t) {
    struct numbered *m = SB_CONTAINER(t, struct numbered, task);
    if (m->i != posts.last[m->from] + 1) posts.disorder++;
    posts.last[m->from] = m->i;
    sb_free(m);
    if (++posts.seen == POSTERS * POSTS) sb_loop_stop(posts.loop);
}

static void post_many(void *arg) {
    for (int i = 1; i <= POSTS; i++) {
        struct numbered *m = sb_calloc(1, sizeof *m);
        *m = (struct numbered){{count_post, NULL}, (int)(intptr_t)arg, i};
        sb_loop_post(posts.loop, &m->task);
    }
}

static void posts_of_a_thread_run_once_and_in_order(void **state) {
    (void)state;
    struct sb_thread threads[POSTERS] = {0};
    assert_int_equal(sb_loop_new(&posts.loop, "test"), SB_OK);
    for (intptr_t i = 0; i < POSTERS; i++)
        assert_int_equal(sb_thread_start(&threads[i], "poster", post_many, (void *)i), SB_OK);
    sb_loop_run(posts.loop);
    for (int i = 0; i < POSTERS; i++) sb_thread_join(&threads[i]);
    assert_int_equal(posts.seen, POSTERS * POSTS);
    assert_int_equal(posts.disorder, 0);
    sb_loop_free(posts.loop);
}

struct reposted {
    struct sb_task task;
    struct sb_loop *loop;
    int left;
};
static void post_again(struct sb_task *t) {
    struct reposted *r = SB_CONTAINER(t, struct reposted, task);
    if (--r->left)
        sb_loop_post(r->loop, t);
    else
        sb_loop_stop(r->loop);
}
static void a_task_may_post_itself_again(void **state) {
    (void)state;
    struct reposted r = {{post_again, NULL}, NULL, 1000};
    assert_int_equal(sb_loop_new(&r.loop, "test"), SB_OK);
    sb_loop_post(r.loop, &r.task);
    assert_int_equal(sb_loop_start(r.loop), SB_OK);
    sb_loop_join(r.loop);
    assert_int_equal(r.left, 0);
    sb_loop_free(r.loop);
}

static void posts_before_the_stop_still_run(void **state) {
    (void)state;
    struct reposted r = {{post_again, NULL}, NULL, 1};
    assert_int_equal(sb_loop_new(&r.loop, "test"), SB_OK);
    sb_loop_stop(r.loop);
    sb_loop_post(r.loop, &r.task);
    sb_loop_run(r.loop);
    assert_int_equal(r.left, 0);
    sb_loop_free(r.loop);
}

/* ---- ticks and lag ---- */
struct ticking {
    struct sb_loop *loop;
    struct sb_loop_tick tick;
    struct reposted task;
    int ticks;
    int64_t lag;
};
static void count_tick(void *arg) {
    struct ticking *t = arg;
    if (++t->ticks == 1) sb_sleep_ns(20 * SB_MS);
    t->lag = sb_loop_lag(t->loop) > t->lag ? sb_loop_lag(t->loop) : t->lag;
}
static void ticks_run_each_iteration_and_a_slow_one_shows_as_lag(void **state) {
    (void)state;
    struct ticking t = {0};
    assert_int_equal(sb_loop_new(&t.loop, "test"), SB_OK);
    t.task = (struct reposted){{post_again, NULL}, t.loop, 5};
    t.tick = (struct sb_loop_tick){count_tick, &t, NULL};
    sb_loop_on_tick(t.loop, &t.tick);
    sb_loop_post(t.loop, &t.task.task);
    sb_loop_run(t.loop);
    assert_true(t.ticks >= 5);
    assert_true(t.lag >= 19 * SB_MS);
    sb_loop_free(t.loop);
}

/* ---- timers ---- */
enum { TIMERS = 300 };
static struct {
    struct sb_loop *loop;
    struct sb_timer t[TIMERS];
    int64_t due[TIMERS], last_due;
    int fired, early, disorder;
} many;

static void timer_fired(struct sb_timer *t) {
    int64_t due = many.due[t - many.t];
    if (sb_mono_ns() < due) many.early++;
    if (due < many.last_due) many.disorder++;
    many.last_due = due;
    many.fired++;
}
static void end_loop(struct sb_timer *t) {
    sb_loop_stop(t->loop);
}

static void timers_fire_in_order_and_stopped_ones_never(void **state) {
    (void)state;
    struct sb_rng rng;
    struct sb_timer end = {.fn = end_loop};
    sb_rng_seed(&rng, 1);
    assert_int_equal(sb_loop_new(&many.loop, "test"), SB_OK);
    for (int i = 0; i < TIMERS; i++) {
        many.t[i].fn = timer_fired;
        sb_timer_start(&many.t[i], many.loop, (int64_t)(sb_rng_next(&rng) % 50) * SB_MS, 0);
    }
    for (int i = 0; i < TIMERS; i += 3) /* moved */
        sb_timer_start(&many.t[i], many.loop, (int64_t)(sb_rng_next(&rng) % 50) * SB_MS, 0);
    for (int i = 1; i < TIMERS; i += 3) sb_timer_stop(&many.t[i]);
    for (int i = 0; i < TIMERS; i++) many.due[i] = many.t[i].due;
    sb_timer_start(&end, many.loop, 80 * SB_MS, 0);
    sb_loop_run(many.loop);
    assert_int_equal(many.fired, TIMERS / 3 * 2);
    assert_int_equal(many.early, 0);
    assert_int_equal(many.disorder, 0);
    sb_timer_stop(&end); /* not armed: nothing happens */
    sb_loop_free(many.loop);
}

static int repeats;
static void repeat_fired(struct sb_timer *t) {
    if (++repeats == 5) {
        sb_timer_stop(t);
        sb_loop_stop(t->loop);
    }
}
static void a_repeating_timer_repeats_until_stopped(void **state) {
    (void)state;
    struct sb_loop *l;
    struct sb_timer t = {.fn = repeat_fired};
    assert_int_equal(sb_loop_new(&l, "test"), SB_OK);
    int64_t begin = sb_mono_ns();
    sb_timer_start(&t, l, 2 * SB_MS, 3 * SB_MS);
    sb_loop_run(l);
    assert_int_equal(repeats, 5);
    assert_true(sb_mono_ns() - begin >= 14 * SB_MS);
    assert_int_equal(t.due, 0);
    sb_loop_free(l);
}

static void stop_on_signal(void *arg, int signum) {
    assert_int_equal(signum, SIGUSR1);
    sb_loop_stop(arg);
}
static void signals_arrive_on_the_loop(void **state) {
    (void)state;
    struct sb_loop *l;
    assert_int_equal(sb_loop_new(&l, "test"), SB_OK);
    assert_int_equal(sb_loop_on_signal(l, SIGUSR1, stop_on_signal, l), SB_OK);
    assert_int_equal(sb_loop_on_signal(l, SIGKILL, stop_on_signal, l), SB_E_INVALID);
    kill(getpid(), SIGUSR1);
    sb_loop_run(l);
    sb_loop_free(l);
}

/* ---- pools ---- */
enum { JOBS = 500 };
static struct {
    struct sb_loop *loop;
    struct sb_job jobs[JOBS];
    _Atomic int worked;
    int done;
} pooled;
static _Atomic int gate;

static void work(struct sb_job *j) {
    SB_UNUSED(j);
    pooled.worked++;
}
static void done(struct sb_job *j) {
    SB_UNUSED(j);
    if (++pooled.done == JOBS) sb_loop_stop(pooled.loop);
}
static void every_job_works_once_and_is_done_on_its_loop(void **state) {
    (void)state;
    struct sb_pool *p;
    assert_int_equal(sb_loop_new(&pooled.loop, "test"), SB_OK);
    assert_int_equal(sb_pool_new(&p, "pool", 3, JOBS), SB_OK);
    for (int i = 0; i < JOBS; i++) {
        pooled.jobs[i] = (struct sb_job){.work = work, .done = done, .loop = pooled.loop};
        assert_int_equal(sb_pool_submit(p, &pooled.jobs[i]), SB_OK);
    }
    sb_loop_run(pooled.loop);
    assert_int_equal(pooled.worked, JOBS);
    assert_int_equal(pooled.done, JOBS);
    sb_pool_free(p);
    sb_loop_free(pooled.loop);
}

static void wait_for_gate(struct sb_job *j) {
    SB_UNUSED(j);
    while (!gate) sb_sleep_ns(SB_MS);
}
static void a_full_pool_says_busy_and_free_finishes_the_queue(void **state) {
    (void)state;
    struct sb_pool *p;
    struct sb_job jobs[5];
    for (int i = 0; i < 5; i++) jobs[i] = (struct sb_job){.work = i ? work : wait_for_gate};
    int before = pooled.worked;
    assert_int_equal(sb_pool_new(&p, "small", 1, 3), SB_OK);
    assert_int_equal(sb_pool_submit(p, &jobs[0]), SB_OK);
    while (sb_pool_queued(p)) sb_sleep_ns(SB_MS); /* taken, so the thread is busy */
    for (int i = 1; i < 4; i++) assert_int_equal(sb_pool_submit(p, &jobs[i]), SB_OK);
    assert_int_equal(sb_pool_submit(p, &jobs[4]), SB_E_BUSY);
    assert_int_equal(sb_pool_queued(p), 3);
    gate = 1;
    sb_pool_free(p);
    assert_int_equal(pooled.worked - before, 3);
}

static void sleep_a_little(struct sb_job *j) {
    SB_UNUSED(j);
    sb_sleep_ns(10 * SB_MS);
}

static void a_pool_tells_how_long_a_job_would_wait(void **state) {
    SB_UNUSED(state);
    struct sb_pool *p;
    struct sb_job jobs[6] = {0};
    assert_int_equal(sb_pool_new(&p, "slow", 1, 50), SB_OK);
    assert_int_equal(sb_pool_wait_ns(p), 0);
    for (size_t i = 0; i < SB_COUNT(jobs); i++) jobs[i].work = sleep_a_little;
    jobs[5].size = 10;
    for (size_t i = 0; i < 2; i++) assert_int_equal(sb_pool_submit(p, &jobs[i]), SB_OK);
    while (sb_pool_queued(p))
        sb_sleep_ns(SB_MS); /* the second is taken: the first's time is known */
    for (size_t i = 2; i < SB_COUNT(jobs); i++)
        assert_int_equal(sb_pool_submit(p, &jobs[i]), SB_OK);
    assert_in_range(sb_pool_wait_ns(p), 100 * SB_MS, 10 * SB_SEC); /* the last is as ten */
    sb_pool_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_a_thread_run_once_and_in_order),
        cmocka_unit_test(a_task_may_post_itself_again),
        cmocka_unit_test(posts_before_the_stop_still_run),
        cmocka_unit_test(ticks_run_each_iteration_and_a_slow_one_shows_as_lag),
        cmocka_unit_test(timers_fire_in_order_and_stopped_ones_never),
        cmocka_unit_test(a_repeating_timer_repeats_until_stopped),
        cmocka_unit_test(signals_arrive_on_the_loop),
        cmocka_unit_test(every_job_works_once_and_is_done_on_its_loop),
        cmocka_unit_test(a_full_pool_says_busy_and_free_finishes_the_queue),
        cmocka_unit_test(a_pool_tells_how_long_a_job_would_wait),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
