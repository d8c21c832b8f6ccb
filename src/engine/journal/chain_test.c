/* The hash chain: any change of what is sealed shows, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/journal_int.h"

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    snprintf(dir, sizeof dir, "/tmp/chain_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state) {
    (void)state;
    return sb_dir_remove_all(dir, NULL) == SB_OK ? 0 : -1;
}

static void ignore_done(struct sb_journal_group *g) {
    (void)g;
}

static void append(struct sb_journal *j, int n) {
    char value[1000];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < n; i++) {
        struct sb_journal_group g;
        sb_journal_group_init(&g);
        g.done = ignore_done;
        snprintf(value, sizeof value, "%d of %d", i, n);
        assert_int_equal(sb_journal_group_add(&g, 1700000000000 + i, SB_STR("k"),
                                              sb_str_make(value, sizeof value)),
                         SB_OK);
        sb_journal_submit(j, &g);
        assert_true(sb_journal_wait(j, &g, 10 * SB_SEC));
        assert_int_equal(g.err, SB_OK);
        sb_journal_group_fini(&g);
    }
}

/* Waits until the chain holds all full segments. */
static void settle(struct sb_journal *j) {
    for (int i = 0; i < 5000; i++) {
        sb_mutex_lock(&j->k.m);
        size_t left = 0;
        for (size_t k = 0; k + 1 < j->k.n; k++) left += !j->k.seg[k].chained;
        sb_mutex_unlock(&j->k.m);
        if (!left) return;
        sb_sleep_ns(2 * SB_MS);
    }
    fail_msg("the chain does not get complete");
}

static struct sb_journal *open_topic(int64_t retain_bytes, bool pack) {
    struct sb_journal_opts o = {
        .segment_bytes = 16 << 10, .retain_bytes = retain_bytes, .seal_compress = pack};
    struct sb_journal *j;
    assert_int_equal(sb_journal_open(&j, dir, &o, NULL), SB_OK);
    return j;
}

static void fill(int64_t retain_bytes, bool pack) {
    struct sb_journal *j = open_topic(retain_bytes, pack);
    append(j, 100);
    settle(j);
    sb_journal_close(j);
}

static struct sb_journal_verify verify(void) {
    struct sb_journal_verify v = {0};
    struct sb_errctx ctx = {0};
    sb_err err = sb_journal_verify(&v, dir, &ctx);
    if (err) print_error("%s\n", ctx.msg);
    assert_int_equal(err, SB_OK);
    return v;
}

/* First offsets of the segments. */
static size_t segments(int64_t out[64]) {
    int64_t *bases;
    size_t n;
    assert_int_equal(sb_segment_list(dir, &bases, &n, NULL), SB_OK);
    assert_true(n < 64);
    memcpy(out, bases, n * sizeof *out);
    sb_free(bases);
    return n;
}

static void flip(const char *path, int64_t at) {
    struct sb_file f;
    char c;
    size_t got;
    assert_int_equal(sb_file_open(&f, path, SB_OPEN_WRITE, NULL), SB_OK);
    assert_int_equal(sb_file_pread(&f, &c, 1, at, &got, NULL), SB_OK);
    assert_int_equal(got, 1);
    c ^= 4;
    assert_int_equal(sb_file_pwrite(&f, &c, 1, at, NULL), SB_OK);
    sb_file_close(&f);
}

static void untouched_segments_verify(void **state) {
    (void)state;
    for (int pack = 0; pack < 2; pack++) {
        fill(0, pack);
        struct sb_journal_verify v = verify();
        assert_string_equal(v.why, "");
        assert_true(v.chained >= 5 && v.unchained == 1 && !v.differ && v.bytes > 0);
        assert_int_equal(strlen(v.link), 64);
        assert_int_equal(sb_dir_remove_all(dir, NULL), SB_OK);
    }
}

static void a_flipped_bit_names_its_segment(void **state) {
    (void)state;
    int64_t base[64];
    fill(0, true);
    size_t n = segments(base);
    assert_true(n > 4);
    char *path = sb_segment_path(dir, base[2], ".log");
    flip(path, 200);
    sb_free(path);
    struct sb_journal_verify v = verify();
    assert_true(v.differ == 1 && v.first == base[2]);
    assert_non_null(strstr(v.why, "was changed"));
}

static void swapped_segments_are_seen(void **state) {
    (void)state;
    int64_t base[64];
    fill(0, false);
    segments(base);
    char *a = sb_segment_path(dir, base[1], ".log"), *b = sb_segment_path(dir, base[2], ".log");
    char *tmp = sb_journal_path(dir, "between");
    assert_int_equal(sb_file_rename(a, tmp, NULL), SB_OK);
    assert_int_equal(sb_file_rename(b, a, NULL), SB_OK);
    assert_int_equal(sb_file_rename(tmp, b, NULL), SB_OK);
    sb_free(a);
    sb_free(b);
    sb_free(tmp);
    struct sb_journal_verify v = verify();
    assert_true(v.differ == 2 && v.first == base[1]);
}

static void a_removed_segment_is_missed(void **state) {
    (void)state;
    int64_t base[64];
    for (int i = 0; i < 2; i++) { /* the oldest one too: that was not retention */
        fill(0, true);
        segments(base);
        char *path = sb_segment_path(dir, base[2 * i], ".log");
        assert_int_equal(sb_file_unlink(path, NULL), SB_OK);
        sb_free(path);
        struct sb_journal_verify v = verify();
        assert_true(v.differ == 1 && v.first == base[2 * i]);
        assert_non_null(strstr(v.why, "is missing"));
        assert_int_equal(sb_dir_remove_all(dir, NULL), SB_OK);
    }
}

static void retention_is_no_difference(void **state) {
    (void)state;
    fill(0, false);
    struct sb_journal *j = open_topic(40 << 10, false);
    struct sb_journal_stats st;
    for (int i = 0; i < 5000; i++) {
        sb_journal_stats_get(j, &st);
        if (st.first_offset > 0 && st.segments < 5) break;
        sb_sleep_ns(2 * SB_MS);
    }
    sb_journal_close(j);
    struct sb_journal_verify v = verify();
    assert_string_equal(v.why, "");
    assert_true(st.first_offset > 0 && v.chained > 0);
    fill(40 << 10, false); /* it goes on from there */
    assert_string_equal(verify().why, "");
}

static void it_goes_on_after_a_restart(void **state) {
    (void)state;
    fill(0, true);
    struct sb_journal_verify before = verify();
    fill(0, true);
    struct sb_journal_verify v = verify();
    assert_string_equal(v.why, "");
    assert_true(v.chained > before.chained);
}

static void a_topic_without_a_chain_gets_one(void **state) {
    (void)state;
    fill(0, true);
    char *path = sb_journal_path(dir, "chain");
    assert_int_equal(sb_file_unlink(path, NULL), SB_OK);
    sb_free(path);
    struct sb_journal_verify v = verify();
    assert_string_equal(v.why, "");
    assert_true(v.chained == 0 && v.unchained > 4);
    struct sb_journal *j = open_topic(0, true);
    settle(j);
    sb_journal_close(j);
    assert_true(verify().chained > 4);
}

static void every_bit_of_the_chain_is_guarded(void **state) {
    (void)state;
    struct sb_chain c = {0}, again;
    struct sb_chain_record r = {.kind = SB_CHAIN_SEALED, .next = 10, .bytes = 99};
    sb_chain_add(&c, &r);
    r = (struct sb_chain_record){.kind = SB_CHAIN_SEALED, .base = 10, .next = 20, .bytes = 7};
    sb_chain_add(&c, &r);
    assert_int_equal(sb_chain_save(&c, dir, NULL), SB_OK);
    sb_chain_fini(&c);
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    char *path = sb_journal_path(dir, "chain");
    assert_int_equal(sb_file_read_all(path, &b, NULL), SB_OK);
    sb_free(path);
    assert_int_equal(sb_chain_parse(&again, b.p, b.n, NULL), SB_OK);
    assert_int_equal(again.n, 2);
    sb_chain_fini(&again);
    for (size_t i = 0; i < b.n * 8; i++) {
        b.p[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(sb_chain_parse(&again, b.p, b.n, NULL), SB_E_CORRUPT);
        b.p[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(sb_chain_parse(&again, b.p, n, NULL), SB_E_CORRUPT);
    sb_buf_fini(&b);
}

static void a_damaged_chain_is_told_and_begun_anew(void **state) {
    (void)state;
    fill(0, true);
    char *path = sb_journal_path(dir, "chain");
    flip(path, 300);
    sb_free(path);
    struct sb_journal_verify v = verify();
    assert_non_null(strstr(v.why, "record 0 of the chain"));
    fill(0, true);
    v = verify();
    assert_non_null(strstr(v.why, "begun anew"));
    assert_true(v.chained > 4 && v.differ == 0);
}

static void nothing_is_entered_while_somebody_rewrites(void **state) {
    (void)state;
    struct sb_lock lock;
    struct sb_journal *j = open_topic(0, true);
    assert_int_equal(sb_chain_lock(&lock, dir, NULL), SB_OK);
    append(j, 100);
    assert_true(verify().chained == 0);
    sb_lock_release(&lock);
    sb_journal_close(j);
    j = open_topic(0, true);
    settle(j);
    sb_journal_close(j);
    assert_true(verify().chained > 4);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
    const struct CMUnitTest tests[] = {
        T(untouched_segments_verify),
        T(a_flipped_bit_names_its_segment),
        T(swapped_segments_are_seen),
        T(a_removed_segment_is_missed),
        T(retention_is_no_difference),
        T(it_goes_on_after_a_restart),
        T(a_topic_without_a_chain_gets_one),
        T(every_bit_of_the_chain_is_guarded),
        T(a_damaged_chain_is_told_and_begun_anew),
        T(nothing_is_entered_while_somebody_rewrites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
