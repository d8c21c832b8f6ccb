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
    /* thousands of syncs: not on a disk that others use too */
    snprintf(dir, sizeof dir, "/dev/shm/column_test.XXXXXX");
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
    {"a key without a name is ignored",
     {"{\"\":1,\"a\":{\"\":2}}"},
     "0 @timestamp=1000ms _ignored=\"\" a.=2\n"},
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

/* ---- limits ---- */

static void limits_are_ignored_by_name_not_failed(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL);
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    for (int i = 0; i < 1200; i++) {
        sb_buf_reset(&b);
        sb_buf_addf(&b, "{\"f%d\":%d,\"f0\":1}", i, i);
        add(ix, i, sb_buf_cstr(&b));
    }
    assert_int_equal(sb_column_refresh(ix, 0), SB_OK);
    struct sb_column_snapshot *s = sb_column_snapshot_take(ix);
    assert_int_equal(sb_column_field_count(s), SB_COLUMN_FIELDS_MAX);
    assert_true(sb_column_field_find(s, SB_STR("f996")) >= 0); /* with the three of each index */
    assert_true(sb_column_field_find(s, SB_STR("f997")) < 0);
    sb_column_snapshot_release(s);
    struct sb_column_stats stats;
    sb_column_stats_get(ix, &stats);
    assert_int_equal(stats.ignored, 1200 - 997);
    sb_column_close(ix);
    sb_buf_fini(&b);
}

static void a_deep_or_long_document_is_bounded(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL);
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    for (int i = 0; i < SB_COLUMN_DEPTH_MAX; i++) SB_BUF_LIT(&b, "{\"a\":");
    SB_BUF_LIT(&b, "{\"a\":1}");
    for (int i = 0; i < SB_COLUMN_DEPTH_MAX; i++) sb_buf_addc(&b, '}');
    add(ix, 0, sb_buf_cstr(&b));
    sb_buf_reset(&b);
    SB_BUF_LIT(&b, "{\"s\":\"");
    for (int i = 0; i < 5000; i++) SB_BUF_LIT(&b, "\xc3\xa9");
    SB_BUF_LIT(&b, "\"}");
    add(ix, 1, sb_buf_cstr(&b));
    sb_buf_reset(&b);
    SB_BUF_LIT(&b, "{\"a\":1");
    while (b.n <= SB_COLUMN_DOCUMENT_MAX) sb_buf_addc(&b, ' ');
    sb_buf_addc(&b, '}');
    add(ix, 2, sb_buf_cstr(&b));
    assert_int_equal(sb_column_refresh(ix, 0), SB_OK);
    struct sb_column_snapshot *s = sb_column_snapshot_take(ix);
    int f = sb_column_field_find(s, SB_STR("s"));
    const struct sb_column *c = sb_column_of(sb_column_segment_at(s, 0), f);
    assert_int_equal(sb_column_term(c, 0).n, SB_COLUMN_KEYWORD_MAX - 1); /* no half character */
    c = sb_column_of(sb_column_segment_at(s, 0), sb_column_field_find(s, SB_STR("_ignored")));
    assert_int_equal(c->npresent, 2);
    assert_true(sb_str_is(sb_column_term(c, 0), "_source"));
    assert_int_equal(sb_column_term(c, 1).n, 2 * SB_COLUMN_DEPTH_MAX - 1);
    sb_column_snapshot_release(s);
    sb_column_close(ix);
    sb_buf_fini(&b);
}

static void an_offset_is_added_once(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL);
    int64_t first, next;
    sb_column_missing(ix, 7, &first, &next);
    assert_true(first == 7 && next == INT64_MAX);
    add(ix, 5, "{}");
    assert_int_equal(sb_column_add(ix, 5, 0, SB_STR("{}")), SB_E_EXISTS);
    assert_int_equal(sb_column_add(ix, 3, 0, SB_STR("{}")), SB_E_EXISTS);
    assert_int_equal(sb_column_add(ix, -1, 0, SB_STR("{}")), SB_E_INVALID);
    assert_int_equal(sb_column_add(ix, INT64_MAX, 0, SB_STR("{}")), SB_E_INVALID);
    assert_int_equal(sb_column_refresh(ix, 20), SB_OK);
    assert_int_equal(sb_column_add(ix, 19, 0, SB_STR("{}")), SB_E_EXISTS);
    sb_column_missing(ix, 0, &first, &next);
    assert_true(first == 20 && next == INT64_MAX);
    flush(ix);
    sb_column_close(ix);
    ix = open_index(NULL);
    sb_column_missing(ix, 0, &first, &next);
    assert_true(first == 20 && next == INT64_MAX);
    assert_int_equal(sb_column_fill_begin(ix, 5, 6), SB_E_INVALID);
    assert_int_equal(sb_column_fill_begin(ix, 20, 30), SB_E_INVALID);
    sb_column_close(ix);
}

static void one_process_writes(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL), *other;
    assert_int_equal(sb_column_open(&other, dir, &plain_opts, NULL), SB_E_LOCKED);
    sb_column_close(ix);
    static const struct sb_column_opts bad[] = {
        {.time_field = ""}, {.time_field = "t", .id_field = "t"}, {.time_field = "_ignored"}};
    for (size_t i = 0; i < SB_COUNT(bad); i++)
        assert_int_equal(sb_column_open(&other, dir, &bad[i], NULL), SB_E_INVALID);
}

/* ---- ranges and the choice of what to merge ---- */

static void ranges_are_sets(void **state) {
    (void)state;
    struct sb_rng rng;
    sb_rng_seed(&rng, 7);
    struct sb_column_ranges r = {0};
    bool in[40] = {false};
    for (int i = 0; i < 4000; i++) {
        int a = (int)(sb_rng_next(&rng) % 40), b = (int)(sb_rng_next(&rng) % 41);
        bool put = sb_rng_next(&rng) % 2;
        (put ? sb_column_ranges_add : sb_column_ranges_remove)(&r, a, b);
        for (int k = a; k < b; k++) in[k] = put;
        int64_t first, next;
        sb_column_ranges_gap(&r, a, &first, &next);
        int want = a;
        while (want < 40 && in[want]) want++;
        int end = want;
        while (end < 40 && !in[end]) end++;
        assert_true(first == want && (end == 40 ? next == INT64_MAX : next == end));
        bool all = true;
        for (int k = a; k < b; k++) all &= in[k];
        assert_true(sb_column_ranges_cover(&r, a, b) == all);
        for (size_t k = 1; k < r.n; k++) assert_true(r.at[k - 1].next < r.at[k].first);
    }
    sb_column_ranges_fini(&r);
}

static const struct {
    const char *name;
    uint32_t docs[12], n, max;
    uint32_t apart;        /* that one does not follow the one before; 0: all do */
    uint32_t first, count; /* count 0: nothing to merge */
} picks[] = {
    {"eight small ones", {1, 1, 1, 1, 1, 1, 1, 1}, 8, 100, 0, 0, 8},
    {"seven wait", {1, 1, 1, 1, 1, 1, 1}, 7, 100, 0, 0, 0},
    {"the smallest first", {50, 1, 1, 1, 1, 1, 1, 1, 1, 50}, 10, 1000, 0, 1, 8},
    {"small ones between larger ones", {9, 1, 9, 1, 9, 1, 9, 1}, 8, 1000, 0, 0, 8},
    {"not over a hole", {1, 1, 1, 1, 1, 1, 1, 1}, 8, 100, 4, 0, 0},
    {"what fits when that is half", {40, 40, 40, 40}, 4, 100, 0, 0, 2},
    {"full ones stay", {100, 100, 100, 100, 100, 100, 100, 100}, 8, 100, 0, 0, 0},
    {"none", {0}, 0, 100, 0, 0, 0},
};

static void merges_are_of_one_size_and_bounded(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(picks); i++) {
        bool joined[12];
        for (uint32_t k = 0; k < 12; k++) joined[k] = !picks[i].apart || k != picks[i].apart;
        uint32_t first = 0, count = 0;
        bool found =
            sb_column_merge_pick(picks[i].docs, joined, picks[i].n, picks[i].max, &first, &count);
        if (found != (picks[i].count > 0) || first != picks[i].first || count != picks[i].count)
            fail_msg("%s: %u of %u", picks[i].name, first, count);
    }
}

/* ---- against a plain list ---- */

enum { FIELDS = 12, VALUES = 3, DOCS_MAX = 6000 };
static const struct {
    const char *name;
    enum sb_column_type type;
} schema[FIELDS] = {
    {"unique", SB_COLUMN_KEYWORD}, {"few", SB_COLUMN_KEYWORD}, {"random", SB_COLUMN_KEYWORD},
    {"tags", SB_COLUMN_KEYWORD},   {"small", SB_COLUMN_LONG},  {"wide", SB_COLUMN_LONG},
    {"many", SB_COLUMN_LONG},      {"real", SB_COLUMN_DOUBLE}, {"reals", SB_COLUMN_DOUBLE},
    {"grows", SB_COLUMN_DOUBLE},   {"flag", SB_COLUMN_BOOL},   {"when", SB_COLUMN_DATE},
};

struct value {
    int64_t i;
    double d;
    char s[24];
};
struct doc {
    int64_t offset;
    uint8_t n[FIELDS];
    struct value v[FIELDS][VALUES];
};

struct world {
    struct sb_rng rng;
    struct doc *docs;
    int n;
    int64_t tail, durable; /* the next offset; what a restart must still have */
    int64_t floor;         /* dropped below */
};

static uint64_t below(struct world *w, uint64_t n) {
    return sb_rng_next(&w->rng) % n;
}

static void random_value(struct world *w, int f, const struct doc *d, struct value *v) {
    static const int64_t wide[] = {INT64_MIN, INT64_MAX, -1, 1 << 20};
    int64_t r = (int64_t)below(w, 1000000);
    switch (schema[f].type) {
    case SB_COLUMN_KEYWORD:
        if (f == 0) snprintf(v->s, sizeof v->s, "u%08lld", (long long)d->offset);
        if (f == 1) snprintf(v->s, sizeof v->s, "%s", r % 3 ? "ok" : r % 2 ? "" : "error");
        if (f == 2) snprintf(v->s, sizeof v->s, "%06lld", (long long)r);
        if (f == 3) snprintf(v->s, sizeof v->s, "tag%lld", (long long)(r % 20));
        break;
    case SB_COLUMN_LONG: v->i = f == 5 && r % 10 == 0 ? wide[r / 10 % 4] : r % 200 - 100; break;
    case SB_COLUMN_DOUBLE:
        /* integers in the first documents: the field is LONG there */
        v->d = f == 9 && d->offset < 500 ? (double)(r % 1000) : (double)r / 8 + 0.0625;
        break;
    case SB_COLUMN_BOOL: v->i = r % 2; break;
    case SB_COLUMN_DATE: v->i = r * 1234567; break;
    }
}

static int compare(const void *a, const void *b) {
    const struct value *x = a, *y = b;
    if (x->i != y->i) return x->i < y->i ? -1 : 1;
    if (x->d < y->d || x->d > y->d) return x->d < y->d ? -1 : 1;
    return strcmp(x->s, y->s);
}

static struct doc *random_doc(struct world *w) {
    struct doc *d = &w->docs[w->n++];
    memset(d, 0, sizeof *d);
    w->tail += (int64_t)(below(w, 8) == 0 ? below(w, 5) : 0);
    d->offset = w->tail++;
    for (int f = 0; f < FIELDS; f++) {
        bool several = f == 3 || f == 6 || f == 8;
        d->n[f] = (uint8_t)(several ? below(w, VALUES + 1) : f < 2 ? 1 : below(w, 10) > 0);
        for (int k = 0; k < d->n[f]; k++) random_value(w, f, d, &d->v[f][k]);
    }
    return d;
}

static void write_value(struct sb_buf *b, int f, const struct value *v) {
    if (schema[f].type == SB_COLUMN_KEYWORD) {
        sb_buf_addf(b, "\"%s\"", v->s);
    } else if (schema[f].type == SB_COLUMN_DOUBLE) {
        sb_buf_addf(b, "%.17g", v->d);
    } else if (schema[f].type == SB_COLUMN_BOOL) {
        sb_buf_addz(b, v->i ? "true" : "false");
    } else if (schema[f].type == SB_COLUMN_DATE) {
        char text[SB_TIME_TEXT];
        sb_buf_addf(b, "\"%.*s\"", (int)sb_time_format_ms(text, v->i), text);
    } else {
        sb_buf_addi(b, v->i);
    }
}

/* The document's JSON; its values are sorted, as columns have them, after that. */
static void write_doc(struct sb_buf *b, struct doc *d) {
    sb_buf_reset(b);
    sb_buf_addf(b, "{\"event_id\":\"e%lld\"", (long long)d->offset);
    for (int f = 0; f < FIELDS; f++) {
        if (!d->n[f]) continue;
        sb_buf_addf(b, ",\"%s\":%s", schema[f].name, d->n[f] > 1 ? "[" : "");
        for (int k = 0; k < d->n[f]; k++) {
            if (k) sb_buf_addc(b, ',');
            write_value(b, f, &d->v[f][k]);
        }
        if (d->n[f] > 1) sb_buf_addc(b, ']');
        qsort(d->v[f], d->n[f], sizeof d->v[f][0], compare);
        int n = 0;
        for (int k = 0; k < d->n[f]; k++) {
            bool again = k && schema[f].type == SB_COLUMN_KEYWORD &&
                         compare(&d->v[f][k], &d->v[f][k - 1]) == 0;
            if (!again) d->v[f][n++] = d->v[f][k];
        }
        d->n[f] = (uint8_t)n;
    }
    sb_buf_addc(b, '}');
}

static void assert_value(const struct sb_column *c, enum sb_column_type type, uint32_t i,
                         const struct value *v, const char *name) {
    bool same;
    if (type == SB_COLUMN_KEYWORD) {
        same = sb_str_is(sb_column_term(c, (uint32_t)sb_column_raw(c, i)), v->s);
    } else if (type == SB_COLUMN_DOUBLE) {
        double got = sb_column_f64(c, i);
        same = memcmp(&got, &v->d, sizeof got) == 0;
    } else {
        same = sb_column_i64(c, i) == v->i;
    }
    if (!same) fail_msg("%s", name);
}

static void assert_doc(const struct sb_column_snapshot *s, const struct sb_column_segment *g,
                       uint32_t at, const struct doc *d) {
    assert_true(sb_column_i64(g->offsets, at) == d->offset);
    const struct sb_column *t = sb_column_of(g, sb_column_time_field(s));
    assert_true(sb_column_i64(t, at) == 5000 + d->offset);
    for (int f = 0; f < FIELDS; f++) {
        const struct sb_column *c =
            sb_column_of(g, sb_column_field_find(s, sb_str_of(schema[f].name)));
        bool has = c && sb_column_has(c, at);
        assert_int_equal(has, d->n[f] > 0);
        if (!has) continue;
        uint32_t from = c->starts ? c->starts[at] : at, to = c->starts ? c->starts[at + 1] : at + 1;
        assert_int_equal(to - from, d->n[f]);
        for (uint32_t i = from; i < to; i++)
            assert_value(c, schema[f].type, i, &d->v[f][i - from], schema[f].name);
    }
}

/* The check of opening, on what is in memory too. */
static void assert_sound(const struct sb_column_snapshot *s, const struct sb_column_segment *g) {
    for (size_t f = 0; f < sb_column_field_count(s); f++) {
        const struct sb_column *c = sb_column_of(g, (int)f);
        if (!c) continue;
        bool text = c->type == SB_COLUMN_KEYWORD;
        struct sb_column_shape shape = {
            .type = c->type,
            .width = c->width,
            .multi = c->starts != NULL,
            .docs = g->docs,
            .nvalues = c->nvalues,
            .npresent = c->npresent,
            .nterms = c->terms.n,
            .text = text ? c->terms.at[c->terms.n] : 0,
            .base = c->base,
        };
        assert_true(c->npresent > 0);
        assert_int_equal(sb_column_check(c, &shape, NULL), SB_OK);
    }
}

/* The index holds the list's documents but for those in holes, whose number is returned. */
static int assert_world(struct world *w, struct sb_column_index *ix) {
    struct sb_column_snapshot *s = sb_column_snapshot_take(ix);
    size_t seg = 0;
    uint32_t at = 0;
    int holes = 0;
    for (int i = 0; i < w->n; i++) {
        if (w->docs[i].offset < w->floor) continue;
        int64_t first, next;
        sb_column_missing(ix, w->docs[i].offset, &first, &next);
        if (first == w->docs[i].offset) {
            holes++;
            continue;
        }
        assert_true(seg < sb_column_segment_count(s));
        const struct sb_column_segment *g = sb_column_segment_at(s, seg);
        if (at == 0) assert_sound(s, g);
        assert_doc(s, g, at, &w->docs[i]);
        if (++at < g->docs) continue;
        at = 0;
        seg++;
    }
    assert_true(seg == sb_column_segment_count(s) && at == 0);
    sb_column_snapshot_release(s);
    return holes;
}

static void world_add(struct world *w, struct sb_column_index *ix, struct sb_buf *b, int n) {
    while (n-- > 0 && w->n < DOCS_MAX) {
        struct doc *d = random_doc(w);
        write_doc(b, d);
        assert_int_equal(sb_column_add(ix, d->offset, 5000 + d->offset, sb_buf_view(b)), SB_OK);
    }
}

/* All holes below the end. */
static void world_fill(struct world *w, struct sb_column_index *ix, struct sb_buf *b) {
    int64_t first, next;
    for (sb_column_missing(ix, 0, &first, &next); next != INT64_MAX;
         sb_column_missing(ix, next, &first, &next)) {
        assert_int_equal(sb_column_fill_begin(ix, first, next), SB_OK);
        assert_int_equal(sb_column_refresh(ix, 0), SB_E_STATE);
        for (int i = 0; i < w->n; i++) {
            struct doc *d = &w->docs[i];
            if (d->offset < first || d->offset >= next || d->offset < w->floor) continue;
            write_doc(b, d);
            assert_int_equal(sb_column_add(ix, d->offset, 5000 + d->offset, sb_buf_view(b)), SB_OK);
            assert_int_equal(sb_column_add(ix, d->offset, 0, SB_STR("{}")), SB_E_EXISTS);
        }
        assert_int_equal(sb_column_add(ix, next, 0, SB_STR("{}")), SB_E_EXISTS);
        assert_int_equal(sb_column_fill_end(ix, NULL), SB_OK);
    }
}

/* A restart without a flush: what was not durable is forgotten on both sides. */
static struct sb_column_index *world_reopen(struct world *w, struct sb_column_index *ix,
                                            const struct sb_column_opts *o) {
    sb_column_close(ix);
    ix = open_index(o);
    struct sb_column_stats stats;
    sb_column_stats_get(ix, &stats);
    int64_t end = sb_column_ranges_end(&ix->seen);
    assert_true(end >= w->durable && end <= w->tail);
    while (w->n && w->docs[w->n - 1].offset >= end) w->n--;
    w->tail = end;
    return ix;
}

/* The first segment goes away with what is below x; so does all of the list that it held. */
static void world_drop(struct world *w, struct sb_column_index *ix) {
    int64_t x = w->floor + (int64_t)below(w, 300);
    assert_int_equal(sb_column_drop_below(ix, x, NULL), SB_OK);
    assert_int_equal(sb_column_refresh(ix, 0), SB_OK);
    struct sb_column_snapshot *s = sb_column_snapshot_take(ix);
    if (sb_column_segment_count(s)) {
        const struct sb_column_segment *g = sb_column_segment_at(s, 0);
        assert_true(g->next_offset > x || g->first_offset >= w->durable);
        if (g->first_offset > w->floor) w->floor = x < g->first_offset ? x : g->first_offset;
        while (w->floor < g->first_offset) {
            int64_t first, next;
            sb_column_missing(ix, w->floor, &first, &next);
            if (first == w->floor) break;  /* a hole, not dropped */
            for (int i = 0; i < w->n; i++) /* what is gone was below x */
                assert_true(w->docs[i].offset != w->floor || w->floor < x);
            w->floor++;
        }
    }
    sb_column_snapshot_release(s);
}

static void random_histories_equal_a_plain_list(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        assert_int_equal(sb_dir_remove_all(dir, NULL), SB_OK);
        struct sb_column_opts o = plain_opts;
        o.segment_docs = seed % 2 ? 64 : 1000;
        struct world w = {.docs = sb_calloc(DOCS_MAX, sizeof *w.docs)};
        sb_rng_seed(&w.rng, seed);
        struct sb_column_index *ix = open_index(&o);
        struct sb_column_snapshot *held = sb_column_snapshot_take(ix);
        uint64_t held_docs = 0;
        for (int step = 0; step < 250; step++) {
            world_add(&w, ix, &b, (int)below(&w, below(&w, 10) ? 20 : 200));
            switch (below(&w, 12)) {
            case 0:
            case 1:
                flush(ix);
                w.durable = w.tail;
                break;
            case 2: ix = world_reopen(&w, ix, &o); break;
            case 3:
                world_fill(&w, ix, &b);
                assert_int_equal(sb_column_refresh(ix, 0), SB_OK);
                assert_int_equal(assert_world(&w, ix), 0);
                break;
            case 4: {
                int64_t from = (int64_t)below(&w, (uint64_t)w.tail + 1);
                assert_int_equal(sb_column_forget(ix, from, from + 3, NULL), SB_OK);
                w.durable = sb_column_ranges_end(&ix->seen);
                if (w.durable < w.tail) ix = world_reopen(&w, ix, &o);
                break;
            }
            case 5:
                if (below(&w, 4) == 0) world_drop(&w, ix);
                break;
            default: assert_int_equal(sb_column_refresh(ix, 0), SB_OK); break;
            }
            if (below(&w, 8) == 0) {
                assert_int_equal(sb_column_refresh(ix, w.tail), SB_OK);
                (void)assert_world(&w, ix);
                assert_true(sb_column_docs(held) == held_docs);
                for (size_t i = 0; i < sb_column_segment_count(held); i++)
                    assert_sound(held, sb_column_segment_at(held, i));
                sb_column_snapshot_release(held);
                held = sb_column_snapshot_take(ix);
                held_docs = sb_column_docs(held);
            }
        }
        sb_column_snapshot_release(held);
        sb_column_close(ix);
        sb_free(w.docs);
    }
    sb_buf_fini(&b);
}

/* ---- storage that fails ---- */

struct faults {
    int at; /* the call that fails, from 0 */
    int calls;
    int err;
    bool stay; /* all behind it fail too: as after kill -9 */
    int torn;  /* bytes that a failing write leaves behind */
};

static int fault(void *self, struct sb_sys_op *op) {
    struct faults *f = self;
    int n = f->calls++;
    if (n < f->at || (n > f->at && !f->stay)) return 0;
    if (n == f->at && op->kind == SB_SYS_PWRITE && f->torn) {
        ssize_t ignored = pwrite(op->fd, op->data, op->len < 100 ? op->len : 100, op->off);
        SB_UNUSED(ignored);
    }
    return f->err;
}

enum { STORY = 150 };

/* Documents [from, to) of the list, and a flush; again after a failure when there is no crash. */
static bool story_add(struct world *w, struct sb_column_index *ix, int from, int to, bool again) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    bool ok = true;
    for (int i = from; i < to && ok; i++) {
        struct doc *d = &w->docs[i];
        write_doc(&b, d);
        for (int tries = 0; tries < 2; tries++) {
            sb_err err = sb_column_add(ix, d->offset, 5000 + d->offset, sb_buf_view(&b));
            ok = err == SB_OK;
            if (ok || !again) break;
        }
    }
    sb_buf_fini(&b);
    if (ok && sb_column_flush(ix, NULL) != SB_OK) ok = again && sb_column_flush(ix, NULL) == SB_OK;
    return ok;
}

/* Adds, merges, forgets and fills. *done: how many documents were acknowledged as durable. */
static bool story(struct world *w, struct sb_column_index *ix, int *done, bool again) {
    for (int i = 0; i < STORY; i += 15) {
        if (!story_add(w, ix, i, i + 15, again)) return false;
        *done = i + 15;
    }
    int64_t at = w->docs[40].offset, first, next;
    sb_err err = sb_column_forget(ix, at, at + 1, NULL);
    if (err && (!again || sb_column_forget(ix, at, at + 1, NULL) != SB_OK)) return false;
    for (int tries = 0; tries < 2; tries++) {
        sb_column_missing(ix, 0, &first, &next);
        if (next == INT64_MAX) return true;
        if (sb_column_fill_begin(ix, first, next) != SB_OK) continue;
        struct sb_buf b;
        sb_buf_init(&b, 1 << 20);
        for (int i = 0; i < STORY; i++) {
            struct doc *d = &w->docs[i];
            if (d->offset < first || d->offset >= next) continue;
            write_doc(&b, d);
            err = sb_column_add(ix, d->offset, 5000 + d->offset, sb_buf_view(&b));
            if (err && again) err = sb_column_add(ix, d->offset, 5000 + d->offset, sb_buf_view(&b));
            if (err) break;
        }
        sb_buf_fini(&b);
        if (sb_column_fill_end(ix, NULL) == SB_OK && !err) return true;
        if (!again) return false;
    }
    sb_column_missing(ix, 0, &first, &next);
    return next == INT64_MAX && sb_column_flush(ix, NULL) == SB_OK;
}

static void make_story(struct world *w) {
    *w = (struct world){.docs = sb_calloc(STORY, sizeof *w->docs)};
    sb_rng_seed(&w->rng, 99);
    while (w->n < STORY) (void)random_doc(w);
}

static const struct {
    const char *name;
    int err;
    bool stay;
    int torn;
} fault_kinds[] = {
    {"one call fails", EIO, false, 0},
    {"one call finds the disk full", ENOSPC, false, 1},
    {"the process ends at a call", EIO, true, 1},
};

/* One run with its fault; false when the story ended before the fault came. */
static bool run_story(struct world *w, int kind, int at) {
    struct sb_column_opts o = plain_opts;
    struct faults f = {at, 0, fault_kinds[kind].err, fault_kinds[kind].stay,
                       fault_kinds[kind].torn};
    struct sb_sys_hook hook = {fault, &f};
    struct sb_column_index *ix = NULL;
    int done = 0;
    o.segment_docs = 40;
    assert_int_equal(sb_dir_remove_all(dir, NULL), SB_OK);
    sb_sys_fault_hook(&hook);
    bool again = !f.stay, whole = false;
    sb_err err = sb_column_open(&ix, dir, &o, NULL);
    if (err && again) err = sb_column_open(&ix, dir, &o, NULL);
    if (!err) {
        whole = story(w, ix, &done, again);
        sb_column_close(ix);
    }
    sb_sys_fault_hook(NULL);
    bool reached = f.calls > at;
    if (again && !whole) fail_msg("%s: call %d was not got over", fault_kinds[kind].name, at);
    ix = open_index(&o);
    struct sb_column_stats stats;
    sb_column_stats_get(ix, &stats);
    if (stats.quarantined) fail_msg("%s: call %d left damage", fault_kinds[kind].name, at);
    int64_t first, next;
    sb_column_missing(ix, 0, &first, &next);
    if (whole && next != INT64_MAX) fail_msg("call %d left a hole", at);
    /* without the hole of forget, all that was acknowledged is there */
    int64_t end = sb_column_ranges_end(&ix->seen);
    w->n = STORY;
    while (w->n && w->docs[w->n - 1].offset >= end) w->n--;
    assert_true(w->n >= done);
    (void)assert_world(w, ix);
    sb_column_close(ix);
    w->n = STORY;
    struct sb_dir_names l;
    assert_int_equal(sb_dir_list(dir, &l, NULL), SB_OK);
    size_t files = 0;
    for (size_t i = 0; i < l.n; i++) files += sb_str_ends(sb_str_of(l.name[i]), SB_STR(".seg"));
    assert_int_equal(files, stats.segments); /* nothing is left lying about */
    sb_dir_names_fini(&l);
    return reached;
}

static void a_failing_call_costs_nothing_that_was_durable(void **state) {
    (void)state;
    struct world w;
    make_story(&w);
    for (size_t kind = 0; kind < SB_COUNT(fault_kinds); kind++) {
        int at = 0;
        while (run_story(&w, (int)kind, at)) at += at < 60 ? 1 : 7;
        assert_true(at > 100);
    }
    sb_free(w.docs);
}

/* What a power cut could undo: writes to segments, names in the folder, the manifest's new name. */
struct order {
    int unsynced, names, renamed; /* since the last sync that covers them */
    int manifests, removed;
    const char *wrong;
};

static int watch_order(void *self, struct sb_sys_op *op) {
    struct order *o = self;
    struct sb_str path = sb_str_of(op->path);
    bool segment = sb_str_ends(path, SB_STR(".seg"));
    switch (op->kind) {
    case SB_SYS_OPEN: o->names += segment && (op->arg & SB_OPEN_CREATE); break;
    case SB_SYS_PWRITE:
    case SB_SYS_FTRUNCATE: o->unsynced += segment; break;
    case SB_SYS_FSYNC:
        if (segment) o->unsynced = 0; /* one is written at a time */
        break;
    case SB_SYS_SYNCDIR: o->names = o->renamed = 0; break;
    case SB_SYS_RENAME:
        if (!sb_str_ends(sb_str_of(op->path2), SB_STR("/index"))) break;
        if (o->unsynced) o->wrong = "the manifest names a file that is not synced";
        if (o->names) o->wrong = "the manifest names a file whose name is not synced";
        o->renamed = 1;
        o->manifests++;
        break;
    case SB_SYS_UNLINK:
        if (segment && o->renamed)
            o->wrong = "a file goes before the manifest without it is synced";
        o->removed += segment;
        break;
    default: break;
    }
    return 0;
}

static void only_what_is_durable_is_named(void **state) {
    (void)state;
    struct world w;
    struct order order = {0};
    struct sb_sys_hook hook = {watch_order, &order};
    struct sb_column_opts o = plain_opts;
    int done = 0;
    make_story(&w);
    o.segment_docs = 40;
    struct sb_column_index *ix = open_index(&o);
    sb_sys_fault_hook(&hook);
    bool whole = story(&w, ix, &done, false);
    assert_int_equal(sb_column_drop_below(ix, w.docs[60].offset, NULL), SB_OK);
    sb_sys_fault_hook(NULL);
    sb_column_close(ix);
    sb_free(w.docs);
    assert_true(whole && order.manifests > 10 && order.removed > 5);
    if (order.wrong) fail_msg("%s", order.wrong);
}

/* ---- damage ---- */

static void damage_becomes_a_hole_that_is_filled_again(void **state) {
    (void)state;
    struct world w;
    struct sb_buf b;
    make_story(&w);
    sb_buf_init(&b, 1 << 20);
    struct sb_column_opts o = plain_opts;
    o.segment_docs = 20;
    struct sb_column_index *ix = open_index(&o);
    assert_true(story_add(&w, ix, 0, STORY, false));
    uint64_t all = ix->files.n;
    w.durable = w.tail;
    for (int round = 0; round < 40; round++) {
        struct sb_column_part *p = ix->files.at[below(&w, ix->files.n)];
        const struct sb_column *c = &p->columns[below(&w, p->ncolumns)];
        char *path = sb_strdup(p->path);
        /* in the header's page, or in a column's values */
        long at = (long)below(&w, 4096);
        if (round % 2)
            at = (const char *)c->values - (const char *)p->map.p +
                 (long)below(&w, (uint64_t)c->nvalues * c->width);
        sb_column_close(ix);
        FILE *file = fopen(path, "r+b");
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ (1 << below(&w, 8)), file);
        fclose(file);
        ix = open_index(&o);
        struct sb_column_stats stats;
        sb_column_stats_get(ix, &stats);
        /* a byte behind the header belongs to nothing */
        assert_true(stats.quarantined == 1 || (round % 2 == 0 && stats.quarantined == 0));
        assert_true(stats.segments + stats.quarantined == all || stats.segments == all);
        int holes = assert_world(&w, ix);
        assert_true((holes > 0) == (stats.quarantined == 1));
        world_fill(&w, ix, &b);
        /* the last segment leaves no hole but an earlier end */
        int64_t end = sb_column_ranges_end(&ix->seen);
        for (int i = 0; i < w.n; i++) {
            if (w.docs[i].offset < end) continue;
            write_doc(&b, &w.docs[i]);
            assert_int_equal(
                sb_column_add(ix, w.docs[i].offset, 5000 + w.docs[i].offset, sb_buf_view(&b)),
                SB_OK);
        }
        flush(ix);
        assert_int_equal(sb_column_refresh(ix, 0), SB_OK);
        assert_int_equal(assert_world(&w, ix), 0);
        all = ix->files.n;
        sb_free(path);
    }
    sb_column_close(ix);
    sb_buf_fini(&b);
    sb_free(w.docs);
}

static void a_damaged_table_quarantines_all(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL);
    add(ix, 0, "{\"a\":1}");
    flush(ix);
    sb_column_close(ix);
    char path[128];
    snprintf(path, sizeof path, "%s/index", dir);
    assert_int_equal(sb_file_replace(path, "SBCOLIX\nnot a table at all", 26, NULL), SB_OK);
    ix = open_index(NULL);
    struct sb_column_stats stats;
    sb_column_stats_get(ix, &stats);
    assert_int_equal(stats.quarantined, 1);
    assert_int_equal(stats.docs, 0);
    add(ix, 0, "{\"a\":\"x\"}");
    flush(ix);
    assert_contents(ix, "0 @timestamp=1000ms a=\"x\"\n");
    sb_column_close(ix);
    snprintf(path, sizeof path, "%s/quarantine", dir);
    struct sb_dir_names l;
    assert_int_equal(sb_dir_list(path, &l, NULL), SB_OK);
    assert_int_equal(l.n, 2); /* the table and its segment */
    sb_dir_names_fini(&l);
}

static void a_removed_segment_is_a_hole(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL);
    add(ix, 3, "{\"a\":1}");
    flush(ix);
    add(ix, 8, "{\"a\":2}");
    flush(ix);
    assert_int_equal(sb_file_unlink(ix->files.at[0]->path, NULL), SB_OK);
    sb_column_close(ix);
    ix = open_index(NULL);
    assert_contents(ix, "8 @timestamp=1008ms a=2\n");
    int64_t first, next;
    sb_column_missing(ix, 0, &first, &next);
    assert_true(first == 3 && next == 4);
    assert_int_equal(sb_column_fill_begin(ix, 3, 4), SB_OK);
    assert_int_equal(sb_column_fill_end(ix, NULL), SB_OK); /* the topic lost it too */
    sb_column_missing(ix, 0, &first, &next);
    assert_true(first == 9 && next == INT64_MAX);
    sb_column_close(ix);
}

/* ---- snapshots ---- */

static void files_live_as_long_as_their_snapshots(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL);
    char *path = NULL;
    struct sb_column_snapshot *held = NULL;
    for (int i = 0; i < 8; i++) {
        add(ix, i, "{\"a\":1}");
        flush(ix);
        if (held) continue;
        held = sb_column_snapshot_take(ix);
        path = sb_strdup(ix->files.at[0]->path);
    }
    assert_int_equal(ix->files.n, 1); /* merged */
    assert_true(sb_file_exists(path));
    assert_int_equal(sb_column_docs(held), 1);
    sb_column_close(ix);
    const struct sb_column_segment *g = sb_column_segment_at(held, 0);
    int f = sb_column_field_find(held, SB_STR("a"));
    assert_true(sb_column_i64(sb_column_of(g, f), 0) == 1);
    assert_true(sb_str_is(sb_column_field_at(held, (size_t)f)->name, "a"));
    sb_column_snapshot_release(held);
    assert_false(sb_file_exists(path));
    sb_free(path);
}

struct reading {
    struct sb_column_index *ix;
    _Atomic bool stop;
    _Atomic uint64_t rounds;
};

/* Every snapshot is whole: as many documents as values, and never fewer than before. */
static void read_snapshots(void *arg) {
    struct reading *r = arg;
    uint64_t before = 0;
    while (!r->stop) {
        struct sb_column_snapshot *s = sb_column_snapshot_take(r->ix);
        int f = sb_column_field_find(s, SB_STR("n"));
        uint64_t docs = 0;
        int64_t last = -1;
        for (size_t i = 0; i < sb_column_segment_count(s); i++) {
            const struct sb_column_segment *g = sb_column_segment_at(s, i);
            const struct sb_column *c = sb_column_of(g, f);
            for (uint32_t d = 0; d < g->docs; d++) {
                SB_ASSERT(sb_column_i64(g->offsets, d) > last);
                last = sb_column_i64(g->offsets, d);
                SB_ASSERT(sb_column_i64(c, d) == last * 3);
            }
            docs += g->docs;
        }
        SB_ASSERT(docs == sb_column_docs(s) && docs >= before);
        before = docs;
        struct sb_column_stats stats;
        sb_column_stats_get(r->ix, &stats);
        SB_ASSERT(stats.docs >= docs);
        sb_column_snapshot_release(s);
        r->rounds++;
    }
}

static void snapshots_are_whole_while_it_is_written(void **state) {
    (void)state;
    struct sb_column_opts o = plain_opts;
    o.segment_docs = 500;
    struct reading r = {.ix = open_index(&o)};
    struct sb_thread t[2] = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(sb_thread_start(&t[i], "reader", read_snapshots, &r), SB_OK);
    for (int i = 0; i < 4000 || r.rounds < 20; i++) {
        char doc[64];
        snprintf(doc, sizeof doc, "{\"n\":%d,\"s\":\"%d\"}", i * 3, i % 7);
        add(r.ix, i, doc);
        if (i % 10 == 0) assert_int_equal(sb_column_refresh(r.ix, 0), SB_OK);
        if (i % 90 == 0) flush(r.ix);
    }
    r.stop = true;
    for (int i = 0; i < 2; i++) sb_thread_join(&t[i]);
    sb_column_close(r.ix);
}

/* ---- the format ---- */

#define GOLDEN "tests/golden/column-segment-1/"
static const char *const golden_files[] = {"index", "0000000000000001.seg", "0000000000000002.seg"};
static const char *const golden_docs[] = {
    "{\"k\":\"b\",\"ks\":[\"x\",\"y\"],\"l\":-5,\"w\":5000000000,\"d\":0.5,\"b\":true,"
    "\"t\":\"2026-11-24T08:31:55.123Z\",\"g\":1}",
    "{\"k\":\"a\",\"l\":300,\"w\":1,\"ds\":[2.5,-1.5,2.5],\"b\":false,\"g\":2}",
    "not JSON",
    "{\"k\":\"\xc3\xa9\",\"l\":70000,\"ls\":[],\"g\":2.5,\"b\":1}",
    "{\"event_id\":\"last\",\"ls\":[3,1],\"g\":-0.0}",
};
static const char golden_contents[] =
    "10 @timestamp=1010ms k=\"b\" ks=\"x\",\"y\" l=-5 w=5000000000 d=0.5 b=true t=1795509115123ms "
    "g=1.0\n"
    "11 @timestamp=1011ms k=\"a\" l=300 w=1 b=false g=2.0 ds=-1.5,2.5,2.5\n"
    "12 @timestamp=1012ms _ignored=\"_source\"\n"
    "13 @timestamp=1013ms _ignored=\"b\" k=\"\xc3\xa9\" l=70000 g=2.5\n"
    "14 @timestamp=1014ms event_id=\"last\" g=-0.0 ls=1,3\n";

static void copy_golden(void) {
    for (size_t i = 0; i < SB_COUNT(golden_files); i++) {
        char from[128], to[128];
        struct sb_buf b;
        sb_buf_init(&b, 1 << 20);
        snprintf(from, sizeof from, GOLDEN "%s", golden_files[i]);
        snprintf(to, sizeof to, "%s/%s", dir, golden_files[i]);
        assert_int_equal(sb_file_read_all(from, &b, NULL), SB_OK);
        assert_int_equal(sb_file_replace(to, b.p, b.n, NULL), SB_OK);
        sb_buf_fini(&b);
    }
}

static void the_golden_index_of_version_1_is_read(void **state) {
    (void)state;
    copy_golden();
    struct sb_column_index *ix = open_index(NULL);
    struct sb_column_stats stats;
    sb_column_stats_get(ix, &stats);
    assert_int_equal(stats.quarantined, 0);
    assert_int_equal(stats.segments, 2);
    assert_true(stats.next == 20 && stats.first_ms == 1010 && stats.last_ms == 1014);
    assert_contents(ix, golden_contents);
    sb_column_close(ix);
}

static void the_golden_index_is_written_again_byte_for_byte(void **state) {
    (void)state;
    struct sb_column_index *ix = open_index(NULL);
    for (int i = 0; i < 5; i++) {
        add(ix, 10 + i, golden_docs[i]);
        if (i == 1) flush(ix);
    }
    assert_int_equal(sb_column_refresh(ix, 20), SB_OK);
    flush(ix);
    sb_column_close(ix);
    for (size_t i = 0; i < SB_COUNT(golden_files); i++) {
        char path[128];
        struct sb_buf want, got;
        sb_buf_init(&want, 1 << 20);
        sb_buf_init(&got, 1 << 20);
        snprintf(path, sizeof path, GOLDEN "%s", golden_files[i]);
        assert_int_equal(sb_file_read_all(path, &want, NULL), SB_OK);
        snprintf(path, sizeof path, "%s/%s", dir, golden_files[i]);
        assert_int_equal(sb_file_read_all(path, &got, NULL), SB_OK);
        assert_true(sb_str_eq(sb_buf_view(&want), sb_buf_view(&got)));
        sb_buf_fini(&want);
        sb_buf_fini(&got);
    }
}

static void a_newer_version_is_refused(void **state) {
    (void)state;
    copy_golden();
    char path[128];
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    snprintf(path, sizeof path, "%s/%s", dir, golden_files[1]);
    assert_int_equal(sb_file_read_all(path, &b, NULL), SB_OK);
    b.p[8] = 2;
    assert_int_equal(sb_file_replace(path, b.p, b.n, NULL), SB_OK);
    sb_buf_fini(&b);
    struct sb_column_fields f;
    struct sb_column_part *p;
    sb_column_fields_init(&f, NULL);
    assert_int_equal(sb_column_part_open(&p, dir, 1, &f, 0, NULL), SB_E_VERSION);
    sb_column_fields_fini(&f);
    struct sb_column_index *ix = open_index(NULL);
    assert_int_equal(ix->quarantined, 1);
    sb_column_close(ix);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
    const struct CMUnitTest tests[] = {
        CASE(a_document_becomes_columns),
        CASE(limits_are_ignored_by_name_not_failed),
        CASE(a_deep_or_long_document_is_bounded),
        CASE(an_offset_is_added_once),
        CASE(one_process_writes),
        cmocka_unit_test(ranges_are_sets),
        cmocka_unit_test(merges_are_of_one_size_and_bounded),
        CASE(random_histories_equal_a_plain_list),
        CASE(a_failing_call_costs_nothing_that_was_durable),
        CASE(only_what_is_durable_is_named),
        CASE(damage_becomes_a_hole_that_is_filled_again),
        CASE(a_damaged_table_quarantines_all),
        CASE(a_removed_segment_is_a_hole),
        CASE(files_live_as_long_as_their_snapshots),
        CASE(snapshots_are_whole_while_it_is_written),
        CASE(the_golden_index_of_version_1_is_read),
        CASE(the_golden_index_is_written_again_byte_for_byte),
        CASE(a_newer_version_is_refused),
    };
    return cmocka_run_group_tests_name("column", tests, NULL, NULL);
}
