/* domain/audit: what was done is on disk, in order, as one document each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "domain/audit/audit.h"
#include "engine/journal/journal.h"

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/audit_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state) {
    (void)state;
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -r %s", dir);
    return system(cmd);
}

static struct sb_audit *open_audit(void) {
    struct sb_audit *a;
    struct sb_errctx ctx = {0};
    assert_int_equal(sb_audit_open(&a, dir, &ctx), SB_OK);
    return a;
}

/* The documents of the topic, one a line. */
static void read_all(struct sb_buf *to, int *n) {
    struct sb_journal_reader *r;
    struct sb_journal_record rec;
    assert_int_equal(sb_journal_reader_open(&r, dir, NULL), SB_OK);
    assert_int_equal(sb_journal_seek(r, 0), SB_OK);
    *n = 0;
    sb_buf_init(to, 64 << 20);
    while (sb_journal_next(r, &rec) == SB_OK) {
        sb_buf_adds(to, rec.value);
        sb_buf_addc(to, '\n');
        ++*n;
    }
    sb_journal_reader_close(r);
}

static void test_entry_is_kept_with_all_its_fields(void **state) {
    (void)state;
    struct sb_audit *a = open_audit();
    struct sb_audit_entry e = {.kind = SB_STR("alias.set"),
                               .actor = SB_STR("ada"),
                               .object = SB_STR("iris"),
                               .from = SB_STR("1"),
                               .to = SB_STR("2"),
                               .message = SB_STR("a \"quoted\"\nline"),
                               .detail_json = SB_STR("{\"alias\":\"production\"}")};
    assert_int_equal(sb_audit_add(a, &e), SB_OK);
    assert_false(sb_audit_failed(a));
    sb_audit_close(a);
    struct sb_buf all;
    int n;
    read_all(&all, &n);
    assert_int_equal(n, 1);
    struct sb_arena arena;
    struct sb_json *doc;
    struct sb_str s;
    sb_arena_init(&arena, 1 << 20);
    assert_int_equal(sb_json_parse(&doc, sb_str_trim(sb_buf_view(&all)), &arena, NULL), SB_OK);
    static const char *const want[][2] = {{"kind", "alias.set"}, {"actor", "ada"},
                                          {"object", "iris"},    {"from", "1"},
                                          {"to", "2"},           {"message", "a \"quoted\"\nline"}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_true(sb_json_get_str(doc, want[i][0], &s));
        assert_true(sb_str_is(s, want[i][1]));
    }
    assert_true(sb_json_get_str(sb_json_get(doc, "detail"), "alias", &s));
    assert_true(sb_str_is(s, "production"));
    assert_true(sb_json_get_str(doc, "@timestamp", &s) && s.n == 24);
    assert_true(sb_json_get_str(doc, "event_id", &s) && s.n == 36);
    sb_arena_fini(&arena);
    sb_buf_fini(&all);
}

static void test_empty_fields_are_left_out(void **state) {
    (void)state;
    struct sb_audit *a = open_audit();
    struct sb_audit_entry e = {.kind = SB_STR("model.delete"), .object = SB_STR("iris")};
    assert_int_equal(sb_audit_add(a, &e), SB_OK);
    sb_audit_close(a);
    struct sb_buf all;
    int n;
    read_all(&all, &n);
    static const char *const absent[] = {"actor", "from", "\"to\"", "message", "detail"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_false(sb_str_contains(sb_buf_view(&all), sb_str_of(absent[i])));
    sb_buf_fini(&all);
}

static void test_broken_detail_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"[1]", "{\"a\":", "{} {}", "7", "{\"a\":1}}"};
    struct sb_audit *a = open_audit();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sb_audit_entry e = {.kind = SB_STR("x.y"), .detail_json = sb_str_of(bad[i])};
        assert_int_not_equal(sb_audit_add(a, &e), SB_OK);
    }
    sb_audit_close(a);
    struct sb_buf all;
    int n;
    read_all(&all, &n);
    assert_int_equal(n, 0);
    sb_buf_fini(&all);
}

static void test_entry_over_the_limit_leaves_the_others(void **state) {
    (void)state;
    struct sb_audit *a = open_audit();
    char *big = sb_calloc(1, SB_LIMIT_EVENT_BYTES);
    memset(big, 'x', SB_LIMIT_EVENT_BYTES);
    struct sb_audit_entry e = {.kind = SB_STR("x.y"),
                               .message = sb_str_make(big, SB_LIMIT_EVENT_BYTES)};
    assert_int_equal(sb_audit_add(a, &e), SB_E_LIMIT);
    e.message = SB_STR("small");
    assert_int_equal(sb_audit_add(a, &e), SB_OK);
    sb_audit_close(a);
    struct sb_buf all;
    int n;
    read_all(&all, &n);
    assert_int_equal(n, 1);
    sb_buf_fini(&all);
    sb_free(big);
}

enum { THREADS = 4, EACH = 500 };

static void add_many(void *arg) {
    struct sb_audit_entry e = {.kind = SB_STR("x.y")};
    for (int i = 0; i < EACH; i++) assert_int_equal(sb_audit_add(arg, &e), SB_OK);
}

static void test_many_threads_lose_nothing(void **state) {
    (void)state;
    struct sb_audit *a = open_audit();
    struct sb_thread t[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(sb_thread_start(&t[i], "adder", add_many, a), SB_OK);
    for (int i = 0; i < THREADS; i++) sb_thread_join(&t[i]);
    sb_audit_close(a);
    struct sb_buf all;
    int n;
    read_all(&all, &n);
    assert_int_equal(n, THREADS * EACH);
    sb_buf_fini(&all);
}

static void test_without_an_audit_nothing_happens(void **state) {
    (void)state;
    struct sb_audit_entry e = {.kind = SB_STR("x.y")};
    assert_int_equal(sb_audit_add(NULL, &e), SB_OK);
    assert_false(sb_audit_failed(NULL));
    sb_audit_close(NULL);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
    const struct CMUnitTest tests[] = {
        T(test_entry_is_kept_with_all_its_fields), T(test_empty_fields_are_left_out),
        T(test_broken_detail_is_refused),          T(test_entry_over_the_limit_leaves_the_others),
        T(test_many_threads_lose_nothing),         T(test_without_an_audit_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
