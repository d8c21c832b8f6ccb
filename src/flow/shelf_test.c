/* Loaded versions are shared: who loads, who waits, when one goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "flow/shelf.h"

static int freed;

static void model_free(void *self) {
    (void)self;
    freed++;
}

static struct sb_place loaded(void) {
    static const struct sb_model_ops ops = {.name = "test", .free = model_free};
    struct sb_model_info info = {0};
    return (struct sb_place){.version = sb_strdup("1"),
                             .model = sb_model_new(&ops, NULL, sb_signature_new(), &info)};
}

static void a_version_is_loaded_once_and_goes_with_its_last_user(void **state) {
    (void)state;
    struct sb_shelf *s = sb_shelf_new();
    bool fresh;
    freed = 0;
    struct sb_place *a = sb_shelf_take(s, "k1+model", "k1", &fresh);
    assert_true(fresh);
    assert_true(sb_shelf_uses(s, SB_STR("k1"))); /* also while it is being loaded */
    struct sb_place with = loaded();
    sb_shelf_fill(a, &with);
    struct sb_place *b = sb_shelf_take(s, "k1+model", "k1", &fresh);
    assert_false(fresh);
    assert_ptr_equal(a, b);
    struct sb_place *other = sb_shelf_take(s, "k1", "k1", &fresh);
    assert_true(fresh && other != a);
    sb_place_unref(other); /* given up */
    sb_place_unref(a);
    assert_int_equal(freed, 0);
    assert_true(sb_shelf_uses(s, SB_STR("k1")));
    sb_place_unref(b);
    assert_int_equal(freed, 1);
    assert_false(sb_shelf_uses(s, SB_STR("k1")));
    sb_shelf_free(s);
}

struct second {
    struct sb_shelf *shelf;
    struct sb_place *place;
    bool fresh;
    _Atomic bool began, done;
};

static void take_second(void *arg) {
    struct second *x = arg;
    x->began = true;
    x->place = sb_shelf_take(x->shelf, "k", "k", &x->fresh);
    x->done = true;
}

/* give_up: the first loader fails. */
static void second_comes(bool give_up) {
    struct second x = {.shelf = sb_shelf_new()};
    struct sb_thread t;
    bool fresh;
    struct sb_place *first = sb_shelf_take(x.shelf, "k", "k", &fresh);
    assert_true(fresh);
    assert_int_equal(sb_thread_start(&t, "second", take_second, &x), SB_OK);
    while (!x.began) sb_sleep_ns(SB_MS);
    assert_false(x.done);
    struct sb_place with;
    if (!give_up) {
        with = loaded();
        sb_shelf_fill(first, &with);
    } else {
        sb_place_unref(first);
    }
    sb_thread_join(&t);
    assert_int_equal(x.fresh, give_up); /* the next tries it itself */
    if (!give_up) {
        assert_ptr_equal(x.place, first);
        sb_place_unref(first);
    }
    sb_place_unref(x.place);
    sb_shelf_free(x.shelf);
}

static void who_comes_second_waits_for_the_first(void **state) {
    (void)state;
    second_comes(false);
}

static void who_comes_second_loads_when_the_first_fails(void **state) {
    (void)state;
    second_comes(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_loaded_once_and_goes_with_its_last_user),
        cmocka_unit_test(who_comes_second_waits_for_the_first),
        cmocka_unit_test(who_comes_second_loads_when_the_first_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
