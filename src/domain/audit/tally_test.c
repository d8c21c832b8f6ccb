/* domain/audit: numbers that are missing are found, and what was in flight at a kill is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "codec/time.h"
#include "domain/audit/tally.h"
#include "domain/event/event.h"

static const int64_t day = INT64_C(1700000000000);

static void add(struct sb_tally *t, const char *version, uint64_t life, uint64_t k, int64_t ms) {
    char text[300], at[SB_TIME_TEXT];
    size_t n = sb_time_format_ms(at, day + ms);
    snprintf(text, sizeof text,
             "{\"@timestamp\":\"%.*s\",\"seq\":%llu,\"route\":\"iris\",\"model\":\"iris\","
             "\"model_version\":\"%s\",\"input\":{\"seq\":7},\"duration\":0.001}",
             (int)n, at, (unsigned long long)(sb_event_seq_first(life) + k), version);
    sb_tally_add(t, sb_str_of(text), INT64_MAX);
}

struct row {
    const char *name;
    const char *given; /* "life:number@ms ..." in the order of the journal */
    bool whole;
    size_t gaps;
    uint64_t life, from, to; /* of the first gap */
};

static const struct row rows[] = {
    {"in order", "1:0@0 1:1@1 1:2@9000", true, 0, 0, 0, 0},
    {"out of order", "1:2@0 1:0@0 1:3@1 1:1@1 1:4@9000", true, 0, 0, 0, 0},
    {"one lost", "1:0@0 1:2@1 1:3@9000", true, 1, 1, 1, 2},
    {"the first lost", "1:2@0 1:3@9000", true, 1, 1, 0, 2},
    {"the beginning is no longer kept", "1:2@0 1:3@9000", false, 0, 0, 0, 0},
    {"a later life's first is missed also then", "1:7@0 2:1@1 2:2@9000", false, 1, 2, 0, 1},
    {"in flight at the kill", "1:0@0 1:1@9000 1:4@9001 2:0@9500", true, 0, 0, 0, 0},
    {"lives told in any order", "2:0@0 1:0@0 1:2@5 1:3@9000", true, 1, 1, 1, 2},
    {"told twice", "1:0@0 1:1@0 1:1@0 1:2@9000", true, 0, 0, 0, 0},
    {"before lives were numbered", "0:5@0 0:9@9000", true, 0, 0, 0, 0},
};

static void test_gaps(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct sb_tally t;
        struct sb_tally_gap *gap;
        struct sb_str rest = sb_str_of(r->given), one;
        sb_tally_init(&t);
        t.whole = r->whole;
        while (sb_str_split(&rest, ' ', &one)) {
            unsigned long long life, k;
            long long ms;
            assert_int_equal(sscanf(one.p, "%llu:%llu@%lld", &life, &k, &ms), 3);
            add(&t, "1", life, k, ms);
        }
        size_t n = sb_tally_gaps(&t, &gap);
        if (n != r->gaps) print_error("%s: %zu gaps\n", r->name, n);
        assert_int_equal(n, r->gaps);
        if (n) {
            assert_true(gap[0].life == r->life && gap[0].from == r->from && gap[0].to == r->to);
            assert_true(gap[0].group->lost == (int64_t)(r->to - r->from));
        }
        sb_tally_fini(&t);
    }
}

static void test_groups_are_per_version_and_hour(void **state) {
    (void)state;
    struct sb_tally t;
    sb_tally_init(&t);
    add(&t, "10", 1, 0, 0);
    add(&t, "9", 1, 1, 0);
    add(&t, "10", 1, 2, SB_TALLY_HOUR_MS);
    add(&t, "10", 1, 3, 1);
    sb_tally_sort(&t);
    assert_int_equal(t.n, 3);
    assert_true(sb_str_is(t.group[0]->version, "9"));
    assert_int_equal(t.group[1]->journalled, 2);
    assert_int_equal(t.group[2]->journalled, 1);
    assert_true(t.group[2]->hour_ms - t.group[1]->hour_ms == SB_TALLY_HOUR_MS);
    assert_true(sb_tally_group(&t, SB_STR("iris"), SB_STR("iris"), SB_STR("9"), day) == t.group[0]);
    sb_tally_fini(&t);
}

static void test_other_texts_are_passed_over(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "{", "[1]", "{\"seq\":1}", "{\"@timestamp\":7}", "{\"@timestamp\":\"yesterday\"}"};
    struct sb_tally t;
    sb_tally_init(&t);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        sb_tally_add(&t, sb_str_of(bad[i]), INT64_MAX);
    assert_true(t.skipped == sizeof bad / sizeof bad[0] && t.n == 0);
    sb_tally_fini(&t);
}

static void test_events_after_the_moment_are_not_counted(void **state) {
    (void)state;
    struct sb_tally t;
    sb_tally_init(&t);
    sb_tally_add(&t, SB_STR("{\"@timestamp\":\"2026-01-01T00:00:00.500Z\"}"), 1767225600500);
    assert_true(t.n == 1 && t.group[0]->journalled == 0);
    sb_tally_add(&t, SB_STR("{\"@timestamp\":\"2026-01-01T00:00:00.499Z\"}"), 1767225600500);
    assert_true(t.n == 1 && t.group[0]->journalled == 1);
    assert_true(sb_str_is(t.group[0]->model, "-"));
    sb_tally_fini(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_groups_are_per_version_and_hour),
        cmocka_unit_test(test_other_texts_are_passed_over),
        cmocka_unit_test(test_events_after_the_moment_are_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
