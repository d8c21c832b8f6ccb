/* engine/column: what was added is read back through segments, after any refresh, flush, merge,
 * crash or damage. */
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
#include "base/random.h"
#include "codec/json.h"
#include "codec/time.h"
#include "engine/column/store_int.h"
#include "sys/fault.h"

static char dir[64];
static const char *const skip[] = {"skipped", "in.skipped", NULL};
static const struct sb_column_opts plain_opts = {
    .time_field = "@timestamp",
    .id_field = "event_id",
    .skip = skip,
};

static int make_dir(void **state) {
    (void)state;
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    snprintf(dir, sizeof dir, "/tmp/column_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state) {
    (void)state;
    return sb_dir_remove_all(dir, NULL) == SB_OK ? 0 : -1;
}

static struct sb_column_index *open_index(const struct sb_column_opts *o) {
    struct sb_column_index *ix;
    struct sb_errctx ctx = {0};
    sb_err err = sb_column_open(&ix, dir, o ? o : &plain_opts, &ctx);
    if (err) print_error("%s\n", ctx.msg);
    assert_int_equal(err, SB_OK);
    return ix;
}

static void add(struct sb_column_index *ix, int64_t offset, const char *json) {
    assert_int_equal(sb_column_add(ix, offset, 1000 + offset, sb_str_of(json)), SB_OK);
}

static void flush(struct sb_column_index *ix) {
    struct sb_errctx ctx = {0};
    sb_err err = sb_column_flush(ix, &ctx);
    if (err) print_error("%s\n", ctx.msg);
    assert_int_equal(err, SB_OK);
}

/* ---- what a snapshot holds, as text ---- */

static void print_value(struct sb_buf *b, const struct sb_column *c, enum sb_column_type field,
                        uint32_t i) {
    if (c->type == SB_COLUMN_KEYWORD) {
        sb_json_add_string(b, sb_column_term(c, (uint32_t)sb_column_raw(c, i)));
    } else if (field == SB_COLUMN_DOUBLE) {
        sb_json_add_double(b, sb_column_f64(c, i));
    } else if (field == SB_COLUMN_BOOL) {
        sb_buf_addz(b, sb_column_i64(c, i) ? "true" : "false");
    } else {
        sb_buf_addi(b, sb_column_i64(c, i));
        if (field == SB_COLUMN_DATE) sb_buf_addz(b, "ms");
    }
}

static void print_document(struct sb_buf *b, const struct sb_column_snapshot *s,
                           const struct sb_column_segment *g, uint32_t doc) {
    sb_buf_addi(b, sb_column_i64(g->offsets, doc));
    for (size_t f = 0; f < sb_column_field_count(s); f++) {
        const struct sb_column *c = sb_column_of(g, (int)f);
        if (!c || !sb_column_has(c, doc)) continue;
        sb_buf_addf(b, " %.*s=", SB_ARG(sb_column_field_at(s, f)->name));
        uint32_t from = c->starts ? c->starts[doc] : doc;
        uint32_t to = c->starts ? c->starts[doc + 1] : doc + 1;
        for (uint32_t i = from; i < to; i++) {
            if (i > from) sb_buf_addc(b, ',');
            print_value(b, c, sb_column_field_at(s, f)->type, i);
        }
    }
    sb_buf_addc(b, '\n');
}

/* All documents, a line each: offset and fields in the order of the table. */
static char *contents(struct sb_column_index *ix) {
    struct sb_column_snapshot *s = sb_column_snapshot_take(ix);
    struct sb_buf b;
    uint64_t docs = 0;
    int64_t end = -1;
    sb_buf_init(&b, 1 << 30);
    for (size_t i = 0; i < sb_column_segment_count(s); i++) {
        const struct sb_column_segment *g = sb_column_segment_at(s, i);
        assert_true(g->first_offset >= end && g->next_offset > g->first_offset);
        end = g->next_offset;
        docs += g->docs;
        for (uint32_t doc = 0; doc < g->docs; doc++) print_document(&b, s, g, doc);
    }
    assert_true(docs == sb_column_docs(s));
    sb_column_snapshot_release(s);
    size_t n;
    return sb_buf_take(&b, &n);
}

static void assert_contents(struct sb_column_index *ix, const char *want) {
    char *got = contents(ix);
    assert_string_equal(got ? got : "", want);
    sb_free(got);
}

/* ---- mapping ---- */

/* Documents from offset 0 on and what they become; each row also after a flush and a new opening.
 */
static const struct {
    const char *name;
    const char *docs[4];
    const char *want;
} mappings[] = {
    {"types follow the first value",
     {"{\"i\":1,\"d\":1.5,\"b\":true,\"s\":\"x\",\"t\":\"2026-11-24T08:31:55.123Z\"}"},
     "0 @timestamp=1000ms i=1 d=1.5 b=true s=\"x\" t=1795509115123ms\n"},
    {"the time field orders, the document's own or the record's",
     {"{\"@timestamp\":\"1970-01-01T00:00:05Z\"}", "{\"@timestamp\":\"yesterday\"}"},
     "0 @timestamp=5000ms\n1 @timestamp=1001ms _ignored=\"@timestamp\"\n"},
    {"paths are joined, also over arrays of objects",
     {"{\"a\":{\"b\":{\"c\":1}},\"a.b.c\":0,\"o\":[{\"x\":2},{\"x\":1}]}"},
     "0 @timestamp=1000ms a.b.c=0,1 o.x=1,2\n"},
    {"values of a document ascend, a keyword's each once",
     {"{\"s\":[\"b\",\"a\",\"b\"],\"n\":[3,1,[3]]}"},
     "0 @timestamp=1000ms s=\"a\",\"b\" n=1,3,3\n"},
    {"null and empty containers are no value",
     {"{\"n\":null,\"a\":[],\"o\":{},\"x\":1}"},
     "0 @timestamp=1000ms x=1\n"},
    {"a long field becomes double",
     {"{\"v\":1}", "{\"v\":2.5}", "{\"v\":3}"},
     "0 @timestamp=1000ms v=1.0\n1 @timestamp=1001ms v=2.5\n2 @timestamp=1002ms v=3.0\n"},
    {"a long field becomes double within a document",
     {"{\"v\":[1,2.5]}"},
     "0 @timestamp=1000ms v=1.0,2.5\n"},
    {"integers of 64 bits stay exact, larger ones are double",
     {"{\"v\":9223372036854775807,\"w\":9223372036854775808}", "{\"v\":-9223372036854775808}"},
     "0 @timestamp=1000ms v=9223372036854775807 w=9.223372036854776e18\n"
     "1 @timestamp=1001ms v=-9223372036854775808\n"},
    {"a value that does not fit is named",
     {"{\"v\":1,\"b\":true,\"d\":\"2026-11-24T08:31:55Z\"}", "{\"v\":\"x\",\"b\":1,\"d\":\"x\"}"},
     "0 @timestamp=1000ms v=1 b=true d=1795509115000ms\n"
     "1 @timestamp=1001ms _ignored=\"b\",\"d\",\"v\"\n"},
    {"keywords take numbers and booleans as they are written",
     {"{\"s\":\"x\"}", "{\"s\":[1.50,true]}"},
     "0 @timestamp=1000ms s=\"x\"\n1 @timestamp=1001ms s=\"1.50\",\"true\"\n"},
    {"dates take milliseconds and days",
     {"{\"d\":\"1970-01-01T00:00:01+00:00\"}", "{\"d\":[2000,\"1970-01-02\",1.5]}"},
     "0 @timestamp=1000ms d=1000ms\n"
     "1 @timestamp=1001ms _ignored=\"d\" d=2000ms,86400000ms\n"},
    {"a day alone is a keyword",
     {"{\"d\":\"2026-11-24\"}"},
     "0 @timestamp=1000ms d=\"2026-11-24\"\n"},
    {"skipped names are no columns",
     {"{\"skipped\":{\"a\":1},\"in\":{\"skipped\":1,\"x\":2},\"_ignored\":\"me\"}"},
     "0 @timestamp=1000ms in.x=2\n"},
    {"what is no object is named, and nothing of it counts",
     {"{\"a\":1,\"b\":", "[1]", "", "{\"c\":1}"},
     "0 @timestamp=1000ms _ignored=\"_source\"\n1 @timestamp=1001ms _ignored=\"_source\"\n"
     "2 @timestamp=1002ms _ignored=\"_source\"\n3 @timestamp=1003ms c=1\n"},
    {"escapes are decoded",
     {"{\"a\\u0041\":\"\\u00e9\\n\"}"},
     "0 @timestamp=1000ms aA=\"\xc3\xa9\\n\"\n"},
    {"a key without a name is ignored", {"{\"\":1,\"a\":{\"\":2}}"}, "0 @timestamp=1000ms _ignored=\"\" a.=2\n"},
};

static void a_document_becomes_columns(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(mappings); i++) {
        print_message("  %s\n", mappings[i].name);
        assert_int_equal(sb_dir_remove_all(dir, NULL), SB_OK);
        struct sb_column_index *ix = open_index(NULL);
        for (int d = 0; d < 4 && mappings[i].docs[d]; d++) add(ix, d, mappings[i].docs[d]);
        assert_contents(ix, "");
        assert_int_equal(sb_column_refresh(ix, 0), SB_OK);
        assert_contents(ix, mappings[i].want);
        flush(ix);
        assert_contents(ix, mappings[i].want);
        sb_column_close(ix);
        ix = open_index(NULL);
        assert_contents(ix, mappings[i].want);
        sb_column_close(ix);
    }
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
    const struct CMUnitTest tests[] = {
        CASE(a_document_becomes_columns),
    };
    return cmocka_run_group_tests_name("column", tests, NULL, NULL);
}
