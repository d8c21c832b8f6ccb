/* engine/journal: what was acknowledged is read back, in order, also after damage and restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/journal/journal_int.h"
#include "engine/journal/index_int.h"

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    snprintf(dir, sizeof dir, "/tmp/journal_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state) {
    (void)state;
    return sb_dir_remove_all(dir, NULL) == SB_OK ? 0 : -1;
}

static void mark_done(struct sb_journal_group *g) {
    __atomic_store_n((int *)g->user, 1, __ATOMIC_RELEASE);
}

static struct sb_journal *open_journal(const struct sb_journal_opts *o) {
    struct sb_journal *j;
    struct sb_errctx ctx = {0};
    sb_err err = sb_journal_open(&j, dir, o, &ctx);
    if (err) print_error("%s\n", ctx.msg);
    assert_int_equal(err, SB_OK);
    return j;
}

static int64_t ts_of(int64_t i) {
    return 1700000000000 + i * 10;
}

/* Records i of [from, to): key "k<i>", value "<i>:" and i*7 % 500 letters. One group. */
static sb_err append(struct sb_journal *j, int64_t from, int64_t to, int64_t *base) {
    struct sb_journal_group g;
    int done = 0;
    sb_journal_group_init(&g);
    g.done = mark_done;
    g.user = &done;
    for (int64_t i = from; i < to; i++) {
        char key[32], value[600];
        int k = snprintf(key, sizeof key, "k%lld", (long long)i);
        int n = snprintf(value, sizeof value, "%lld:", (long long)i);
        memset(value + n, 'a' + (int)(i % 26), (size_t)(i * 7 % 500));
        assert_int_equal(sb_journal_group_add(&g, ts_of(i), sb_str_make(key, (size_t)k),
                                              sb_str_make(value, (size_t)(n + i * 7 % 500))),
                         SB_OK);
    }
    sb_journal_submit(j, &g);
    assert_true(sb_journal_wait(j, &g, 10 * SB_SEC));
    assert_int_equal(__atomic_load_n(&done, __ATOMIC_ACQUIRE), 1);
    sb_err err = g.err;
    if (base) *base = g.base_offset;
    sb_journal_group_fini(&g);
    return err;
}

static void assert_record(const struct sb_journal_record *r, int64_t offset, int64_t i) {
    char want[32];
    int n = snprintf(want, sizeof want, "%lld:", (long long)i);
    assert_true(r->offset == offset);
    assert_true(r->ts_ms == ts_of(i));
    assert_int_equal(r->value.n, n + i * 7 % 500);
    assert_memory_equal(r->value.p, want, (size_t)n);
    snprintf(want, sizeof want, "k%lld", (long long)i);
    assert_true(sb_str_is(r->key, want));
}

static struct sb_journal_reader *open_reader(void) {
    struct sb_journal_reader *r;
    assert_int_equal(sb_journal_reader_open(&r, dir, NULL), SB_OK);
    return r;
}

/* The journal holds exactly records i = offset for [0, n). */
static void assert_holds(int64_t n) {
    struct sb_journal_reader *r = open_reader();
    struct sb_journal_record rec;
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(sb_journal_next(r, &rec), SB_OK);
        assert_record(&rec, i, i);
    }
    assert_int_equal(sb_journal_next(r, &rec), SB_E_END);
    assert_int_equal(sb_journal_skipped(r), 0);
    int64_t first, next;
    assert_int_equal(sb_journal_range(r, &first, &next), SB_OK);
    assert_true(first == 0 && next == n);
    sb_journal_reader_close(r);
}

static void groups_come_back_in_order_over_restarts(void **state) {
    (void)state;
    int64_t n = 0;
    for (int round = 0; round < 4; round++) {
        struct sb_journal *j = open_journal(NULL);
        for (int k = 0; k < 10; k++) {
            int64_t base;
            assert_int_equal(append(j, n, n + 1 + k, &base), SB_OK);
            assert_true(base == n);
            n += 1 + k;
        }
        assert_holds(n);
        sb_journal_close(j);
        assert_holds(n);
    }
}

static void an_empty_group_is_fine(void **state) {
    (void)state;
    struct sb_journal *j = open_journal(NULL);
    int64_t base;
    assert_int_equal(append(j, 0, 3, NULL), SB_OK);
    assert_int_equal(append(j, 0, 0, &base), SB_OK);
    assert_true(base == 3);
    sb_journal_close(j);
    assert_holds(3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_come_back_in_order_over_restarts, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(an_empty_group_is_fine, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
