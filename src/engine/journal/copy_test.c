/* sb_journal_copy: what was durable when it began is in the copy, and the copy is a whole topic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/journal/journal.h"
#include "engine/journal/segment_int.h"
#include "sys/file.h"

enum { RECORDS = 50 };

static char root[64], from[80], to[80];

static int make_dirs(void **state) {
    (void)state;
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    snprintf(root, sizeof root, "/tmp/copy_test.XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(from, sizeof from, "%s/from", root);
    snprintf(to, sizeof to, "%s/to", root);
    return sb_dir_make(to, NULL) == SB_OK ? 0 : -1;
}

static int drop_dirs(void **state) {
    (void)state;
    return sb_dir_remove_all(root, NULL) == SB_OK ? 0 : -1;
}

static void ignore(struct sb_journal_group *g) {
    (void)g;
}

static void append(struct sb_journal *j, int n, size_t size) {
    struct sb_journal_group g;
    char *value = sb_calloc(1, size);
    sb_journal_group_init(&g);
    g.done = ignore;
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < size; k++) value[k] = (char)(random() & 0xff); /* packs badly */
        assert_int_equal(
            sb_journal_group_add(&g, 1700000000000, sb_str_make(NULL, 0), sb_str_make(value, size)),
            SB_OK);
    }
    sb_journal_submit(j, &g);
    assert_true(sb_journal_wait(j, &g, 10 * SB_SEC));
    assert_int_equal(g.err, SB_OK);
    sb_journal_group_fini(&g);
    sb_free(value);
}

static struct sb_journal *open_topic(const char *dir) {
    struct sb_journal_opts o = {.segment_bytes = 1 << 20};
    struct sb_journal *j;
    struct sb_errctx ctx = {0};
    sb_err err = sb_journal_open(&j, dir, &o, &ctx);
    if (err) print_error("%s\n", ctx.msg);
    assert_int_equal(err, SB_OK);
    return j;
}

/* Hooks of a copy: the plain way, and what the writer does meanwhile. */
struct hooks {
    struct sb_journal *writer; /* appends before each file; NULL = it rests */
    int files, made;
};

static sb_err copy_plain(void *arg, const struct sb_file *f, const char *name, int64_t bytes,
                         struct sb_errctx *ctx) {
    struct hooks *h = arg;
    char path[200], *data = sb_calloc(1, (size_t)bytes + 1);
    size_t got = 0;
    struct sb_file out;
    h->files++;
    if (h->writer) append(h->writer, 3, 1000);
    snprintf(path, sizeof path, "%s/%s", to, name);
    sb_err err = sb_file_pread(f, data, (size_t)bytes, 0, &got, ctx);
    if (!err) err = sb_file_open(&out, path, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_EXCL, ctx);
    if (!err) {
        err = sb_file_pwrite(&out, data, got, 0, ctx);
        sb_file_close(&out);
    }
    sb_free(data);
    return err;
}

static sb_err note_made(void *arg, const char *name, struct sb_errctx *ctx) {
    struct hooks *h = arg;
    char path[200];
    (void)ctx;
    h->made++;
    snprintf(path, sizeof path, "%s/%s", to, name);
    assert_true(sb_file_exists(path));
    return SB_OK;
}

static struct sb_journal_copy copy_topic(struct hooks *h) {
    struct sb_journal_copy c = {.copy = copy_plain, .made = note_made, .arg = h};
    struct sb_errctx ctx = {0};
    sb_err err = sb_journal_copy(&c, from, to, &ctx);
    if (err) print_error("%s\n", sb_errctx_text(&ctx, err));
    assert_int_equal(err, SB_OK);
    return c;
}

static int64_t count(const char *dir, int64_t *next) {
    struct sb_journal_reader *r;
    struct sb_journal_record rec;
    int64_t n = 0, first;
    assert_int_equal(sb_journal_reader_open(&r, dir, NULL), SB_OK);
    while (sb_journal_next(r, &rec) == SB_OK) n++;
    assert_int_equal(sb_journal_skipped(r), 0);
    assert_int_equal(sb_journal_range(r, &first, next), SB_OK);
    sb_journal_reader_close(r);
    return n;
}

static void assert_goes_on_at(int64_t next) {
    struct sb_journal *j = open_topic(to);
    struct sb_journal_stats st;
    sb_journal_stats_get(j, &st);
    assert_true(st.next_offset == next);
    assert_int_equal(st.quarantined, 0);
    assert_int_equal(st.truncated_bytes, 0);
    append(j, 1, 10);
    sb_journal_close(j);
    int64_t end;
    count(to, &end);
    assert_true(end == next + 1);
}

static void a_topic_at_rest_is_copied_whole_and_goes_on(void **state) {
    (void)state;
    struct sb_journal *j = open_topic(from);
    for (int i = 0; i < 5; i++) append(j, RECORDS, 10000); /* several segments */
    sb_journal_close(j);
    assert_int_equal(sb_journal_cursor_save(from, "reader", 17), SB_OK);
    struct hooks h = {0};
    struct sb_journal_copy c = copy_topic(&h);
    int64_t next, cursor;
    assert_true(c.first == 0 && c.next == 5 * RECORDS);
    assert_true(h.made >= 3 && h.files >= 4); /* a fourth when the chain had begun */
    struct sb_journal_verify v = {0};
    assert_int_equal(sb_journal_verify(&v, to, NULL), SB_OK);
    assert_string_equal(v.why, "");
    assert_true(count(to, &next) == 5 * RECORDS && next == 5 * RECORDS);
    assert_int_equal(sb_journal_cursor_load(to, "reader", &cursor), SB_OK);
    assert_true(cursor == 17);
    assert_goes_on_at(5 * RECORDS);
}

static void what_is_written_meanwhile_leaves_no_half_batch(void **state) {
    (void)state;
    struct sb_journal *j = open_topic(from);
    for (int i = 0; i < 5; i++) append(j, RECORDS, 10000);
    struct hooks h = {.writer = j};
    struct sb_journal_copy c = copy_topic(&h);
    sb_journal_close(j);
    int64_t next;
    assert_true(c.next >= 5 * RECORDS);
    assert_true(count(to, &next) == c.next && next == c.next);
    assert_goes_on_at(c.next);
}

static void an_empty_topic_is_copied(void **state) {
    (void)state;
    sb_journal_close(open_topic(from));
    struct hooks h = {0};
    struct sb_journal_copy c = copy_topic(&h);
    assert_true(c.first == 0 && c.next == 0);
    assert_goes_on_at(0);
}

static void offsets_are_not_used_again_when_nothing_is_left(void **state) {
    (void)state;
    struct sb_journal *j = open_topic(from);
    append(j, RECORDS, 100);
    sb_journal_close(j);
    char *path = sb_segment_path(from, 0, ".log");
    assert_int_equal(sb_file_unlink(path, NULL), SB_OK);
    sb_free(path);
    struct hooks h = {0};
    struct sb_journal_copy c = copy_topic(&h);
    assert_true(c.first == RECORDS && c.next == RECORDS);
    assert_goes_on_at(RECORDS);
}

static void a_missing_segment_in_the_middle_is_no_silent_gap(void **state) {
    (void)state;
    struct sb_journal *j = open_topic(from);
    for (int i = 0; i < 5; i++) append(j, RECORDS, 10000);
    sb_journal_close(j);
    int64_t *base;
    size_t n;
    assert_int_equal(sb_segment_list(from, &base, &n, NULL), SB_OK);
    assert_true(n >= 3);
    char *path = sb_segment_path(from, base[1], ".log");
    assert_int_equal(sb_file_unlink(path, NULL), SB_OK);
    sb_free(path);
    struct hooks h = {0};
    struct sb_journal_copy c = copy_topic(&h); /* as it is: readers of the copy see the same gap */
    struct sb_journal_reader *r;
    struct sb_journal_record rec;
    int64_t seen = 0;
    assert_int_equal(sb_journal_reader_open(&r, to, NULL), SB_OK);
    while (sb_journal_next(r, &rec) == SB_OK) seen++;
    assert_true(sb_journal_skipped(r) == base[2] - base[1]);
    assert_true(seen == c.next - (base[2] - base[1]));
    sb_journal_reader_close(r);
    sb_free(base);
}

static void another_format_is_refused(void **state) {
    (void)state;
    sb_journal_close(open_topic(from));
    char path[100];
    snprintf(path, sizeof path, "%s/format", from);
    assert_int_equal(sb_file_unlink(path, NULL), SB_OK);
    struct hooks h = {0};
    struct sb_journal_copy c = {.copy = copy_plain, .made = note_made, .arg = &h};
    assert_int_equal(sb_journal_copy(&c, from, to, NULL), SB_E_MISSING);
    assert_int_equal(h.files, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dirs, drop_dirs)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_topic_at_rest_is_copied_whole_and_goes_on),
        CASE(what_is_written_meanwhile_leaves_no_half_batch),
        CASE(an_empty_topic_is_copied),
        CASE(offsets_are_not_used_again_when_nothing_is_left),
        CASE(a_missing_segment_in_the_middle_is_no_silent_gap),
        CASE(another_format_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
