/* engine/journal: what was acknowledged is read back, in order, also after damage and restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/index_int.h"
#include "engine/journal/journal_int.h"
#include "sys/fault.h"

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

/* ---- groups ---- */

static void values_of_every_width_come_back(void **state) {
    (void)state;
    static const size_t sizes[] = {0,    1,    55,   63,     64,      500,           8100,
                                   8190, 8191, 8192, 100000, 1 << 19, (1 << 20) - 1, 1 << 20};
    static char text[1 << 20];
    memset(text, 'v', sizeof text);
    struct sb_journal *j = open_journal(NULL);
    struct sb_journal_group g;
    int done = 0;
    sb_journal_group_init(&g);
    g.done = mark_done;
    g.user = &done;
    for (size_t i = 0; i < SB_COUNT(sizes); i++) { /* jumps both ways: each guess is wrong once */
        size_t k = i % 2 ? SB_COUNT(sizes) - i : i;
        struct sb_str key = k % 3 ? sb_str_make(text, k) : (struct sb_str){0};
        assert_int_equal(
            sb_journal_group_add(&g, 1000 - (int64_t)i, key, sb_str_make(text, sizes[k])), SB_OK);
    }
    assert_true(g.base_ts_ms == 1000 && g.max_ts_ms == 1000);
    sb_journal_submit(j, &g);
    assert_true(sb_journal_wait(j, &g, 10 * SB_SEC));
    struct sb_journal_reader *r = open_reader();
    struct sb_journal_record rec;
    for (size_t i = 0; i < SB_COUNT(sizes); i++) {
        size_t k = i % 2 ? SB_COUNT(sizes) - i : i;
        assert_int_equal(sb_journal_next(r, &rec), SB_OK);
        assert_int_equal(rec.value.n, sizes[k]);
        assert_memory_equal(rec.value.p, text, sizes[k]);
        assert_int_equal(rec.key.n, k % 3 ? k : 0);
        assert_true(!rec.key.p == !(k % 3));
        assert_true(rec.ts_ms == 1000 - (int64_t)i);
    }
    sb_journal_reader_close(r);
    sb_journal_close(j);
    sb_journal_group_fini(&g);
}

/* Sizes around each width of a record's length, so that a header widens it and does not. */
static void write_out(struct sb_journal *j, struct sb_journal_group *g) {
    sb_journal_submit(j, g);
    assert_true(sb_journal_wait(j, g, 10 * SB_SEC));
    assert_int_equal(g->err, SB_OK);
    sb_journal_group_reset(g);
}

static void headers_of_records_come_back_also_from_packed_segments(void **state) {
    (void)state;
    static char text[1 << 16];
    memset(text, 'h', sizeof text);
    struct sb_journal *j =
        open_journal(&(struct sb_journal_opts){.segment_bytes = 1 << 20, .seal_compress = true});
    struct sb_journal_group g;
    int done = 0;
    sb_journal_group_init(&g);
    g.done = mark_done;
    g.user = &done;
    enum { N = 400 };
    for (size_t i = 0; i < N; i++) {
        if (i % 40 == 0) write_out(j, &g);
        struct sb_str name = SB_STR("answer"), value = sb_str_make(text, i * 37 % 17000);
        char *p = sb_journal_group_begin(&g, 1000, (struct sb_str){0}, i,
                                         sb_journal_header_bound(name, value));
        assert_non_null(p);
        memset(p, 'v', i);
        sb_journal_group_end(&g, i);
        if (i % 4 != 3) sb_journal_group_header(&g, name, value);
    }
    write_out(j, &g);
    sb_journal_close(j); /* packs what is full */
    struct sb_journal_reader *r = open_reader();
    struct sb_journal_record rec;
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(sb_journal_next(r, &rec), SB_OK);
        assert_int_equal(rec.value.n, i);
        struct sb_str value = sb_journal_record_header(&rec, SB_STR("answer"));
        assert_true(!value.p == (i % 4 == 3));
        assert_int_equal(value.n, i % 4 == 3 ? 0 : i * 37 % 17000);
        if (value.n) assert_memory_equal(value.p, text, value.n);
        assert_null(sb_journal_record_header(&rec, SB_STR("other")).p);
    }
    assert_int_equal(sb_journal_next(r, &rec), SB_E_END);
    sb_journal_reader_close(r);
    sb_journal_group_fini(&g);
}

/* The journal entered a second segment of the same offset, and the first group was lost; and a
 * segment whose size was not one of whole blocks could not be made. */
static void a_group_may_be_larger_than_an_empty_segment(void **state) {
    (void)state;
    const struct sb_journal_opts o = {.segment_bytes = 8001, .seal_compress = true};
    for (int restart = 0; restart < 3; restart++) {
        struct sb_journal *j = open_journal(&o);
        int64_t from = restart * 400;
        assert_int_equal(append(j, from, from + 200, NULL), SB_OK); /* one group of some 50 KB */
        assert_int_equal(append(j, from + 200, from + 201, NULL), SB_OK);
        assert_int_equal(append(j, from + 201, from + 400, NULL), SB_OK);
        sb_journal_close(j);
        struct sb_journal_reader *r = open_reader();
        struct sb_journal_record rec;
        for (int64_t i = 0; i < from + 400; i++) {
            sb_err err = sb_journal_next(r, &rec);
            if (err) fail_msg("start %d, record %d: %s", restart, (int)i, sb_err_name(err));
            assert_record(&rec, i, i);
        }
        assert_int_equal(sb_journal_next(r, &rec), SB_E_END);
        sb_journal_reader_close(r);
    }
}

static void a_value_or_group_over_the_limit_is_refused(void **state) {
    (void)state;
    static char text[(1 << 20) + 1];
    struct sb_journal_group g;
    sb_journal_group_init(&g);
    assert_int_equal(sb_journal_group_add(&g, 0, SB_STR("k"), sb_str_make(text, sizeof text)),
                     SB_E_LIMIT);
    assert_int_equal(g.count, 0);
    int n = 0;
    while (sb_journal_group_add(&g, 0, SB_STR("k"), sb_str_make(text, 1 << 20)) == SB_OK) n++;
    assert_int_equal(n, 7); /* of 1 MiB each into 8 MiB with their frames */
    assert_int_equal(sb_journal_group_add(&g, 0, SB_STR("k"), SB_STR("small still fits")), SB_OK);
    sb_journal_group_fini(&g);
}

enum { MANY = 40 };

static void groups_of_many_loops_become_one_batch(void **state) {
    (void)state;
    struct sb_journal *j = open_journal(NULL);
    static struct sb_journal_group g[MANY];
    int done[MANY] = {0};
    sb_mutex_lock(&j->m); /* so that they wait together */
    uint64_t before = j->st.syncs;
    sb_mutex_unlock(&j->m);
    for (int i = 0; i < MANY; i++) {
        sb_journal_group_init(&g[i]);
        g[i].done = mark_done;
        g[i].user = &done[i];
        for (int k = 0; k <= i % 3; k++) {
            char value[32];
            int n = snprintf(value, sizeof value, "%d.%d", i, k);
            assert_int_equal(sb_journal_group_add(&g[i], ts_of(i % 2 ? -i : i * 1000), SB_STR("k"),
                                                  sb_str_make(value, (size_t)n)),
                             SB_OK);
        }
    }
    for (int i = 0; i < MANY; i++) sb_journal_submit(j, &g[i]);
    for (int i = 0; i < MANY; i++) assert_true(sb_journal_wait(j, &g[i], 10 * SB_SEC));
    struct sb_journal_stats st;
    sb_journal_stats_get(j, &st);
    assert_true(st.syncs - before < MANY);
    struct sb_journal_reader *r = open_reader();
    struct sb_journal_record rec;
    for (int i = 0; i < MANY; i++) {
        for (int k = 0; k <= i % 3; k++) {
            char want[32];
            snprintf(want, sizeof want, "%d.%d", i, k);
            assert_int_equal(sb_journal_next(r, &rec), SB_OK);
            assert_true(sb_str_is(rec.value, want));
            assert_true(rec.offset == g[i].base_offset + k);
            assert_true(rec.ts_ms == ts_of(i % 2 ? -i : i * 1000));
        }
        sb_journal_group_fini(&g[i]);
    }
    assert_int_equal(sb_journal_next(r, &rec), SB_E_END);
    sb_journal_reader_close(r);
    sb_journal_close(j);
}

struct sender {
    struct sb_journal *j;
    struct sb_thread t;
    int64_t sum; /* of base offsets */
};

static void send_many(void *arg) {
    struct sender *s = arg;
    for (int i = 0; i < 100; i++) {
        struct sb_journal_group g;
        int done = 0;
        sb_journal_group_init(&g);
        g.done = mark_done;
        g.user = &done;
        if (sb_journal_group_add(&g, 1, SB_STR("k"), SB_STR("v")) != SB_OK) abort();
        sb_journal_submit(s->j, &g);
        while (!sb_journal_wait(s->j, &g, SB_MS)) {
        }
        if (g.err || !__atomic_load_n(&done, __ATOMIC_ACQUIRE)) abort();
        s->sum += g.base_offset;
        sb_journal_group_fini(&g);
    }
}

static void threads_share_offsets_without_gap(void **state) {
    (void)state;
    struct sb_journal_opts o = {.segment_bytes = 8192, .seal_compress = true};
    struct sender s[4] = {{0}};
    struct sb_journal *j = open_journal(&o);
    for (size_t i = 0; i < SB_COUNT(s); i++) {
        s[i].j = j;
        assert_int_equal(sb_thread_start(&s[i].t, "sender", send_many, &s[i]), SB_OK);
    }
    struct sb_journal_reader *r = open_reader(); /* beside the writers */
    struct sb_journal_record rec;
    for (int64_t want = 0; want < 400;) {
        sb_err err = sb_journal_next(r, &rec);
        if (err == SB_E_END) continue;
        assert_int_equal(err, SB_OK);
        assert_true(rec.offset == want);
        want++;
    }
    sb_journal_reader_close(r);
    int64_t sum = 0;
    for (size_t i = 0; i < SB_COUNT(s); i++) {
        sb_thread_join(&s[i].t);
        sum += s[i].sum;
    }
    assert_true(sum == 399 * 400 / 2);
    sb_journal_close(j);
}

/* ---- segments: rolling, packing, seeking, retention ---- */

/* Waits until the keeper has looked after all full segments. */
static struct sb_journal_stats settled(struct sb_journal *j) {
    for (;;) {
        bool kept = true;
        sb_mutex_lock(&j->k.m);
        for (size_t i = 0; i + 1 < j->k.n; i++) kept = kept && j->k.seg[i].kept;
        sb_mutex_unlock(&j->k.m);
        if (kept) break;
        sb_sleep_ns(SB_MS);
    }
    struct sb_journal_stats st;
    sb_journal_stats_get(j, &st);
    return st;
}

static void packing_keeps_every_record_and_saves_space(void **state) {
    (void)state;
    struct sb_journal_opts o = {.segment_bytes = 64 << 10};
    struct sb_journal *j = open_journal(&o);
    for (int64_t i = 0; i < 2000; i += 5) assert_int_equal(append(j, i, i + 5, NULL), SB_OK);
    struct sb_journal_stats plain = settled(j);
    assert_true(plain.segments > 5);
    sb_journal_close(j);
    assert_holds(2000);
    o.seal_compress = true;
    char chain[80]; /* full segments of a program that knew neither packing nor the chain */
    snprintf(chain, sizeof chain, "%s/chain", dir);
    assert_int_equal(sb_file_unlink(chain, NULL), SB_OK);
    j = open_journal(&o);
    struct sb_journal_reader *r = open_reader(); /* holds a segment open while it is replaced */
    struct sb_journal_record rec;
    assert_int_equal(sb_journal_next(r, &rec), SB_OK);
    struct sb_journal_stats packed = settled(j);
    assert_true(packed.disk_bytes < plain.disk_bytes / 2);
    for (int64_t i = 1; i < 2000; i++) {
        assert_int_equal(sb_journal_next(r, &rec), SB_OK);
        assert_record(&rec, i, i);
    }
    sb_journal_reader_close(r);
    sb_journal_close(j);
    assert_holds(2000);
}

static void seeking_lands_on_the_record(void **state) {
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        struct sb_journal_opts o = {.segment_bytes = 256 << 10, .seal_compress = packed};
        struct sb_journal *j = open_journal(&o);
        struct sb_journal_record rec;
        int64_t first, next;
        for (int64_t i = 0; i < 3000; i += 10) assert_int_equal(append(j, i, i + 10, NULL), SB_OK);
        settled(j);
        struct sb_journal_reader *r = open_reader();
        assert_int_equal(sb_journal_range(r, &first, &next), SB_OK);
        assert_true(first == 0 && next == 3000);
        for (int64_t i = 0; i < next; i += 97) {
            assert_int_equal(sb_journal_seek(r, i), SB_OK);
            assert_int_equal(sb_journal_next(r, &rec), SB_OK);
            assert_record(&rec, i, i);
            for (int64_t d = -9; d <= 0; d += 9) { /* between two records, and just on one */
                assert_int_equal(sb_journal_seek_time(r, ts_of(i) + d), SB_OK);
                assert_int_equal(sb_journal_next(r, &rec), SB_OK);
                assert_record(&rec, i, i);
            }
        }
        assert_int_equal(sb_journal_seek(r, -5), SB_OK);
        assert_int_equal(sb_journal_next(r, &rec), SB_OK);
        assert_true(rec.offset == 0);
        assert_int_equal(sb_journal_seek_time(r, INT64_MAX), SB_OK);
        assert_int_equal(sb_journal_next(r, &rec), SB_E_END);
        assert_int_equal(sb_journal_seek_end(r), SB_OK);
        assert_int_equal(sb_journal_next(r, &rec), SB_E_END);
        assert_int_equal(append(j, next, next + 1, NULL), SB_OK);
        assert_int_equal(sb_journal_next(r, &rec), SB_OK);
        assert_record(&rec, next, next);
        sb_journal_reader_close(r);
        sb_journal_close(j);
        assert_int_equal(sb_dir_remove_all(dir, NULL), SB_OK);
        assert_int_equal(sb_dir_make(dir, NULL), SB_OK);
    }
}

static void retention_by_size_takes_the_oldest(void **state) {
    (void)state;
    struct sb_journal_opts o = {.segment_bytes = 32 << 10, .retain_bytes = 100 << 10};
    struct sb_journal *j = open_journal(&o);
    struct sb_journal_stats st;
    struct sb_journal_reader *r = open_reader();
    struct sb_journal_record rec;
    for (int64_t i = 0; i < 2000; i += 10) assert_int_equal(append(j, i, i + 10, NULL), SB_OK);
    assert_int_equal(sb_journal_next(r, &rec), SB_OK); /* 0, if it was quick */
    int64_t at = rec.offset;
    do {
        st = settled(j);
        sb_keeper_ask(j); /* wakes it */
        sb_sleep_ns(SB_MS);
    } while (st.segments > 5);
    assert_true(st.first_offset > 1000 && st.disk_bytes < 200 << 10);
    int64_t got = 1;
    for (; sb_journal_next(r, &rec) == SB_OK; got++) {
        assert_true(rec.offset > at);
        at = rec.offset;
        assert_record(&rec, at, at);
    }
    assert_true(at == 1999);
    st = settled(j); /* again: the keeper may have taken one more meanwhile */
    assert_true(got + sb_journal_skipped(r) >= 2000 - st.first_offset);
    sb_journal_reader_close(r);
    sb_journal_close(j);
}

static void the_retention_clock_does_not_jump(void **state) {
    (void)state;
    const int64_t hour = 3600 * 1000, year = 365 * 24 * hour, t0 = 1700000000000;
    struct sb_retain_clock c;
    sb_retain_start(&c, t0, 0, t0);
    sb_retain_tick(&c, hour, t0 + hour);
    assert_true(c.now_ms == t0 + hour);
    sb_retain_tick(&c, 2 * hour, t0 + 10 * year); /* ten years ahead */
    assert_true(c.now_ms == t0 + 2 * hour);
    sb_retain_tick(&c, 3 * hour, t0 + 3 * hour); /* and back */
    assert_true(c.now_ms == t0 + 3 * hour);
    sb_retain_tick(&c, 4 * hour, 0); /* 1970 */
    assert_true(c.now_ms == t0 + 4 * hour);
    for (int64_t s = 1; s < 2000; s++) /* a strobe of two states */
        sb_retain_tick(&c, 4 * hour + s * 60000, s % 2 ? t0 + year : t0);
    assert_true(c.now_ms == t0 + 4 * hour + 1999 * 60000);
    /* after the machine stood still for a month the right time is taken over, but only after a day
     */
    sb_retain_start(&c, t0, 0, t0 + 30 * 24 * hour);
    sb_retain_tick(&c, 23 * hour, t0 + 30 * 24 * hour + 23 * hour);
    assert_true(c.now_ms == t0 + 23 * hour);
    sb_retain_tick(&c, 24 * hour, t0 + 31 * 24 * hour);
    assert_true(c.now_ms == t0 + 31 * 24 * hour);
}

struct stepped {
    _Atomic int64_t mono_ns, wall_ns;
};
static int64_t stepped_mono(void *self) {
    return ((struct stepped *)self)->mono_ns;
}
static int64_t stepped_wall(void *self) {
    return ((struct stepped *)self)->wall_ns;
}

static void retention_by_age_needs_time_that_passed(void **state) {
    (void)state;
    struct stepped time = {0, ts_of(0) * SB_MS};
    struct sb_clock clock = {stepped_mono, stepped_wall, &time};
    struct sb_journal_opts o = {
        .segment_bytes = 32 << 10, .retain_ms = 3600 * 1000, .clock = &clock};
    struct sb_journal *j = open_journal(&o);
    for (int64_t i = 0; i < 500; i += 10) assert_int_equal(append(j, i, i + 10, NULL), SB_OK);
    struct sb_journal_stats st = settled(j);
    uint64_t all = st.segments;
    assert_true(all > 3);
    time.wall_ns += 10 * 365 * 24 * 3600 * SB_SEC; /* jumps */
    for (int i = 0; i < 20; i++) {
        sb_keeper_ask(j);
        sb_cond_signal(&j->k.wake);
        sb_sleep_ns(SB_MS);
    }
    sb_journal_stats_get(j, &st);
    assert_true(st.segments >= all && st.first_offset == 0);
    time.mono_ns += 2 * 3600 * SB_SEC; /* passes */
    do {
        sb_cond_signal(&j->k.wake);
        sb_sleep_ns(SB_MS);
        sb_journal_stats_get(j, &st);
    } while (st.segments > 1);
    sb_journal_close(j);
}

/* ---- damage ---- */

static void change_file(const char *name, int64_t at, const void *bytes, size_t n) {
    char *path = sb_journal_path(dir, name);
    struct sb_file f;
    assert_int_equal(sb_file_open(&f, path, SB_OPEN_WRITE, NULL), SB_OK);
    assert_int_equal(sb_file_pwrite(&f, bytes, n, at, NULL), SB_OK);
    sb_file_close(&f);
    sb_free(path);
}

static void forget(const char *name) {
    char *path = sb_journal_path(dir, name);
    assert_int_equal(sb_file_unlink(path, NULL), SB_OK);
    sb_free(path);
}

static void damage_in_the_middle_is_kept_aside_and_passed(void **state) {
    (void)state;
    struct sb_journal *j = open_journal(NULL);
    for (int64_t i = 0; i < 30; i += 3) assert_int_equal(append(j, i, i + 3, NULL), SB_OK);
    int64_t pos = j->pos;
    sb_journal_close(j);
    change_file("00000000000000000000.log", pos / 2, "\xde\xad\xbe\xef", 4);
    forget("checkpoint"); /* so that all is looked at */
    j = open_journal(NULL);
    struct sb_journal_stats st;
    sb_journal_stats_get(j, &st);
    assert_int_equal(st.quarantined, 1);
    assert_true(st.next_offset == 30 && st.truncated_bytes == 0);
    struct sb_journal_reader *r = open_reader();
    struct sb_journal_record rec;
    int64_t n = 0, last = -1;
    for (; sb_journal_next(r, &rec) == SB_OK; n++) {
        assert_record(&rec, rec.offset, rec.offset);
        assert_true(rec.offset > last);
        last = rec.offset;
    }
    assert_true(n == 27 && last == 29 && sb_journal_skipped(r) == 3);
    sb_journal_reader_close(r);
    sb_journal_close(j);
    j = open_journal(NULL); /* is not counted twice */
    sb_journal_stats_get(j, &st);
    assert_int_equal(st.quarantined, 1);
    sb_journal_close(j);
}

static void a_torn_last_write_is_removed(void **state) {
    (void)state;
    struct sb_journal *j = open_journal(NULL);
    assert_int_equal(append(j, 0, 5, NULL), SB_OK);
    int64_t pos = j->pos;
    sb_journal_close(j);
    char torn[300];
    memset(torn, 'x', sizeof torn);
    change_file("00000000000000000000.log", pos + 40, torn,
                sizeof torn); /* its first part is lost */
    forget("checkpoint");
    j = open_journal(NULL);
    struct sb_journal_stats st;
    sb_journal_stats_get(j, &st);
    assert_true(st.truncated_bytes == 340 && st.quarantined == 0 && st.next_offset == 5);
    assert_int_equal(append(j, 5, 6, NULL), SB_OK);
    sb_journal_close(j);
    assert_holds(6);
}

static void damage_of_the_newest_batch_gives_no_offset_out_twice(void **state) {
    (void)state;
    struct sb_journal *j = open_journal(NULL);
    assert_int_equal(append(j, 0, 5, NULL), SB_OK);
    int64_t pos = j->pos;
    assert_int_equal(append(j, 5, 8, NULL), SB_OK);
    sb_journal_close(j);
    forget("checkpoint"); /* the mark still says that 8 were durable */
    change_file("00000000000000000000.log", pos + 70, "\0\0\0\0", 4);
    j = open_journal(NULL);
    int64_t base;
    assert_int_equal(append(j, 8, 9, &base), SB_OK);
    assert_true(base == 8);
    struct sb_journal_stats st;
    sb_journal_stats_get(j, &st);
    assert_int_equal(st.quarantined, 1);
    struct sb_journal_reader *r = open_reader();
    struct sb_journal_record rec;
    for (int64_t i = 0; i < 9; i = i == 4 ? 8 : i + 1) {
        assert_int_equal(sb_journal_next(r, &rec), SB_OK);
        assert_record(&rec, i, i);
    }
    assert_int_equal(sb_journal_next(r, &rec), SB_E_END);
    assert_int_equal(sb_journal_skipped(r), 3);
    sb_journal_reader_close(r);
    sb_journal_close(j);
}

static void small_files_may_be_lost_or_damaged(void **state) {
    (void)state;
    static const char *const names[] = {"mark", "checkpoint", "format", "lock"};
    struct sb_journal_opts o = {.segment_bytes = 16 << 10};
    int64_t n = 0;
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        for (int damaged = 0; damaged < 2; damaged++) {
            struct sb_journal *j = open_journal(&o);
            for (int k = 0; k < 20; k++, n += 3) assert_int_equal(append(j, n, n + 3, NULL), SB_OK);
            sb_journal_close(j);
            char junk[64];
            memset(junk, 0x5a, sizeof junk);
            if (damaged)
                change_file(names[i], 0, junk, sizeof junk);
            else
                forget(names[i]);
            if (strcmp(names[i], "format") || damaged) assert_holds(n);
            j = open_journal(&o);
            assert_int_equal(append(j, n, n + 1, NULL), SB_OK);
            n++;
            sb_journal_close(j);
            assert_holds(n);
        }
    }
}

static void every_bit_of_an_index_is_guarded(void **state) {
    (void)state;
    struct sb_index x = {.base = 7, .segment_bytes = 300000}, y;
    for (int64_t pos = 0; pos < 300000; pos += 30000) {
        struct sb_batch b = {.base = 7 + pos / 1000, .count = 30, .max_ts = pos, .size = 30000};
        sb_index_add(&x, pos, &b);
    }
    assert_int_equal(x.n, 4);
    assert_true(x.next == 307 && x.max_ts == 270000);
    assert_int_equal(sb_index_save(&x, dir, NULL), SB_OK);
    assert_int_equal(sb_index_load(&y, dir, 7, 300001), SB_E_CORRUPT); /* of another file */
    assert_int_equal(sb_index_load(&y, dir, 8, 300000), SB_E_MISSING);
    assert_int_equal(sb_index_load(&y, dir, 7, 300000), SB_OK);
    int64_t at;
    assert_true(sb_index_pos(&y, 6, &at) == 0 && at == 7);
    assert_true(sb_index_pos(&y, 96, &at) == 0 && at == 7);
    assert_true(sb_index_pos(&y, 97, &at) == 90000 && at == 97);
    assert_true(sb_index_pos(&y, 1000, &at) == 270000 && at == 277);
    sb_index_fini(&y);
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    char *path = sb_segment_path(dir, 7, ".idx");
    assert_int_equal(sb_file_read_all(path, &b, NULL), SB_OK);
    for (size_t bit = 0; bit < b.n * 8; bit++) {
        b.p[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(sb_index_parse(&y, b.p, b.n), SB_E_CORRUPT);
        b.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < b.n; n++) assert_int_equal(sb_index_parse(&y, b.p, n), SB_E_CORRUPT);
    sb_free(path);
    sb_buf_fini(&b);
    sb_index_fini(&x);
}

/* ---- the disk ---- */

struct fault {
    _Atomic int err; /* of every pwrite, fdatasync and fallocate while it is set */
    enum sb_sys_kind kind;
};

static int fault_call(void *self, struct sb_sys_op *op) {
    struct fault *f = self;
    return op->kind == f->kind ? f->err : 0;
}

static void a_full_disk_refuses_and_resumes_by_itself(void **state) {
    (void)state;
    static const enum sb_sys_kind kinds[] = {SB_SYS_PWRITE, SB_SYS_FALLOCATE};
    struct sb_journal_opts o = {.segment_bytes = 8 << 10};
    int64_t n = 0;
    for (size_t k = 0; k < SB_COUNT(kinds); k++) {
        struct fault f = {0, kinds[k]};
        struct sb_sys_hook hook = {fault_call, &f};
        struct sb_journal *j = open_journal(&o);
        sb_sys_fault_hook(&hook);
        struct sb_journal_stats st;
        f.err = ENOSPC;
        sb_err err = SB_OK;
        while (!err) { /* new segments fail at the next roll, writes at once */
            err = append(j, n, n + 1, NULL);
            if (!err) n++;
        }
        assert_int_equal(err, SB_E_NOSPACE);
        sb_journal_stats_get(j, &st);
        assert_true(st.nospace_since_ms > 0 && !sb_journal_dead(j));
        f.err = 0;
        int64_t deadline = sb_mono_ns() + 5 * SB_SEC;
        while (append(j, n, n + 1, NULL) != SB_OK) assert_true(sb_mono_ns() < deadline);
        n++;
        sb_journal_stats_get(j, &st);
        assert_true(st.nospace_since_ms == 0);
        sb_journal_close(j);
        sb_sys_fault_hook(NULL);
        assert_holds(n);
    }
}

static void a_failed_sync_ends_it_until_the_next_open(void **state) {
    (void)state;
    struct fault f = {0, SB_SYS_FDATASYNC};
    struct sb_sys_hook hook = {fault_call, &f};
    struct sb_journal *j = open_journal(NULL);
    assert_int_equal(append(j, 0, 2, NULL), SB_OK);
    sb_sys_fault_hook(&hook);
    f.err = EIO;
    assert_int_equal(append(j, 2, 3, NULL), SB_E_IO);
    f.err = 0; /* the kernel would say "done" now */
    assert_true(sb_journal_dead(j));
    assert_int_equal(append(j, 3, 4, NULL), SB_E_IO);
    sb_sys_fault_hook(NULL);
    sb_journal_close(j);
    j = open_journal(NULL);
    assert_true(j->next_offset == 2 || j->next_offset == 3); /* unanswered: once or not at all */
    sb_journal_close(j);
}

/* ---- cursors ---- */

static void cursors_are_durable_and_checked(void **state) {
    (void)state;
    int64_t at = -1;
    assert_int_equal(sb_journal_cursor_load(dir, "index", &at), SB_E_MISSING);
    assert_int_equal(sb_journal_cursor_save(dir, "index", 12345678901), SB_OK);
    assert_int_equal(sb_journal_cursor_load(dir, "index", &at), SB_OK);
    assert_true(at == 12345678901);
    static const char *const bad[] = {
        "",
        "..",
        ".hidden",
        "a/b",
        "a b",
        "0123456789012345678901234567890123456789012345678901234567890"
        "1234"};
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        assert_int_equal(sb_journal_cursor_save(dir, bad[i], 1), SB_E_INVALID);
        assert_int_equal(sb_journal_cursor_load(dir, bad[i], &at), SB_E_INVALID);
    }
    for (int64_t bit = 0; bit < 160; bit++) {
        char c, *path = sb_journal_path(dir, "cursors/index");
        struct sb_buf b;
        sb_buf_init(&b, 100);
        assert_int_equal(sb_file_read_all(path, &b, NULL), SB_OK);
        c = (char)(b.p[bit / 8] ^ (1 << bit % 8));
        change_file("cursors/index", bit / 8, &c, 1);
        assert_int_equal(sb_journal_cursor_load(dir, "index", &at), SB_E_CORRUPT);
        change_file("cursors/index", bit / 8, &b.p[bit / 8], 1);
        sb_buf_fini(&b);
        sb_free(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_come_back_in_order_over_restarts, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(an_empty_group_is_fine, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(values_of_every_width_come_back, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(headers_of_records_come_back_also_from_packed_segments,
                                        make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_group_may_be_larger_than_an_empty_segment, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_value_or_group_over_the_limit_is_refused, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(groups_of_many_loops_become_one_batch, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(threads_share_offsets_without_gap, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(packing_keeps_every_record_and_saves_space, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(seeking_lands_on_the_record, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(retention_by_size_takes_the_oldest, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(the_retention_clock_does_not_jump, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(retention_by_age_needs_time_that_passed, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(damage_in_the_middle_is_kept_aside_and_passed, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_torn_last_write_is_removed, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(damage_of_the_newest_batch_gives_no_offset_out_twice,
                                        make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(small_files_may_be_lost_or_damaged, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(every_bit_of_an_index_is_guarded, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_and_resumes_by_itself, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_failed_sync_ends_it_until_the_next_open, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(cursors_are_durable_and_checked, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
