/* engine/zip: archives made here byte by byte, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <zlib.h>

#include "base/buf.h"
#include "engine/zip/zip.h"

/* One stored entry, and the lies about it. */
struct entry {
    const char *name, *bytes;
    uint32_t size_lie; /* 0 = none */
    uint32_t crc_lie;
    uint16_t flags, method;
};

static void le(struct sb_buf *b, uint64_t v, int n) {
    for (int i = 0; i < n; i++) sb_buf_addc(b, (char)(v >> (8 * i)));
}

static void head(struct sb_buf *b, const struct entry *e) {
    uint32_t n = (uint32_t)strlen(e->bytes);
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)e->bytes, n) ^ e->crc_lie;
    le(b, 20, 2);
    le(b, e->flags, 2);
    le(b, e->method, 2);
    le(b, 0, 4);
    le(b, crc, 4);
    le(b, n, 4);
    le(b, e->size_lie ? e->size_lie : n, 4);
    le(b, strlen(e->name), 2);
    le(b, 0, 2);
}

static void make(struct sb_buf *b, const struct entry *e, size_t n) {
    size_t at[4], directory;
    sb_buf_init(b, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        at[i] = b->n;
        le(b, 0x04034b50, 4);
        head(b, &e[i]);
        sb_buf_addz(b, e[i].name);
        sb_buf_addz(b, e[i].bytes);
    }
    directory = b->n;
    for (size_t i = 0; i < n; i++) {
        le(b, 0x02014b50, 4);
        le(b, 20, 2);
        head(b, &e[i]);
        le(b, 0, 6);
        le(b, 0, 4);
        le(b, at[i], 4);
        sb_buf_addz(b, e[i].name);
    }
    size_t end = b->n;
    le(b, 0x06054b50, 4);
    le(b, 0, 4);
    le(b, n, 2);
    le(b, n, 2);
    le(b, end - directory, 4);
    le(b, directory, 4);
    le(b, 0, 2);
}

static void archives(void **state) {
    (void)state;
    const struct {
        const char *name;
        struct entry e[2];
        size_t n;
        sb_err open, read;
    } rows[] = {
        {"two entries", {{"a", "one", 0, 0, 0, 0}, {"b/c", "two", 0, 0, 0, 0}}, 2, SB_OK, SB_OK},
        {"an empty one", {{"a", "", 0, 0, 0, 0}}, 1, SB_OK, SB_OK},
        {"a wrong CRC", {{"a", "one", 0, 1, 0, 0}}, 1, SB_OK, SB_E_CORRUPT},
        {"a larger size", {{"a", "one", 9, 0, 0, 0}}, 1, SB_OK, SB_E_CORRUPT},
        {"a bomb", {{"a", "one", 0x7fffffff, 0, 0, 0}}, 1, SB_E_LIMIT, SB_OK},
        {"the same name twice",
         {{"a", "1", 0, 0, 0, 0}, {"a", "2", 0, 0, 0, 0}},
         2,
         SB_E_CORRUPT,
         SB_OK},
        {"a name that climbs", {{"../a", "1", 0, 0, 0, 0}}, 1, SB_E_CORRUPT, SB_OK},
        {"an absolute name", {{"/a", "1", 0, 0, 0, 0}}, 1, SB_E_CORRUPT, SB_OK},
        {"a backslash", {{"b\\a", "1", 0, 0, 0, 0}}, 1, SB_E_CORRUPT, SB_OK},
        {"encryption", {{"a", "one", 0, 0, 1, 0}}, 1, SB_E_UNSUPPORTED, SB_OK},
        {"bzip2", {{"a", "one", 0, 0, 0, 12}}, 1, SB_E_UNSUPPORTED, SB_OK},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_buf b;
        struct sb_arena a;
        struct sb_zip *z = NULL;
        struct sb_errctx ctx = {0};
        struct sb_str s;
        make(&b, rows[i].e, rows[i].n);
        sb_arena_init(&a, 1 << 20);
        sb_err err = sb_zip_open(&z, sb_buf_view(&b), &ctx);
        if (err != rows[i].open) fail_msg("%s: open: %s", rows[i].name, ctx.msg);
        for (size_t k = 0; !err && k < rows[i].n; k++) {
            sb_err got = sb_zip_read(z, sb_str_of(rows[i].e[k].name), &a, &s, NULL);
            if (got != rows[i].read) fail_msg("%s: read: %s", rows[i].name, sb_err_name(got));
            if (!got) assert_true(sb_str_is(s, rows[i].e[k].bytes));
        }
        if (!err) assert_int_equal(sb_zip_read(z, SB_STR("none"), &a, &s, NULL), SB_E_MISSING);
        sb_zip_close(err ? NULL : z);
        sb_arena_fini(&a);
        sb_buf_fini(&b);
    }
}

static void an_entry_is_read_once_and_stays_in_bounds(void **state) {
    (void)state;
    const struct entry e = {"a", "0123456789", 0, 0, 0, 0};
    struct sb_buf b;
    struct sb_arena a;
    struct sb_zip *z = NULL;
    struct sb_str first, second;
    make(&b, &e, 1);
    sb_arena_init(&a, 4);
    assert_int_equal(sb_zip_open(&z, sb_buf_view(&b), NULL), SB_OK);
    assert_int_equal(sb_zip_read(z, SB_STR("a"), &a, &first, NULL), SB_E_LIMIT);
    a.max = 4096;
    assert_int_equal(sb_zip_read(z, SB_STR("a"), &a, &first, NULL), SB_OK);
    assert_int_equal(sb_zip_read(z, SB_STR("a"), &a, &second, NULL), SB_OK);
    assert_ptr_equal(first.p, second.p);
    sb_zip_close(z);
    sb_arena_fini(&a);
    sb_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives),
        cmocka_unit_test(an_entry_is_read_once_and_stays_in_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
