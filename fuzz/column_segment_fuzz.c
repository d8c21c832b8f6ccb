/* Files of a column index: a segment as it is and with all checksums made right, read to the last
 * value and merged with itself into another file, which must hold the same; and a manifest. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "engine/column/column_int.h"

enum { HEADER = 48, ROW = 56, SEGMENT = 1, COPY = 2 };

static char dir[64];
static struct sb_column_fields fields;

static void remove_dir(void) {
    sb_err ignored = sb_dir_remove_all(dir, NULL);
    SB_UNUSED(ignored);
}

static void set_up(void) {
    static const struct {
        const char *name;
        enum sb_column_type type;
    } known[] = {
        {"@timestamp", SB_COLUMN_DATE},  {"_ignored", SB_COLUMN_KEYWORD},
        {"event_id", SB_COLUMN_KEYWORD}, {"k", SB_COLUMN_KEYWORD},
        {"ks", SB_COLUMN_KEYWORD},       {"l", SB_COLUMN_LONG},
        {"w", SB_COLUMN_LONG},           {"d", SB_COLUMN_DOUBLE},
        {"b", SB_COLUMN_BOOL},           {"t", SB_COLUMN_DATE},
        {"g", SB_COLUMN_DOUBLE},         {"ds", SB_COLUMN_DOUBLE},
        {"ls", SB_COLUMN_LONG},
    };
    snprintf(dir, sizeof dir, "/dev/shm/sibyl-fuzz-%d", (int)getpid());
    atexit(remove_dir);
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    SB_ASSERT(sb_dir_make_all(dir, NULL) == SB_OK);
    sb_column_fields_init(&fields, NULL);
    for (size_t i = 0; i < SB_COUNT(known); i++)
        SB_ASSERT(sb_column_fields_make(&fields, sb_str_of(known[i].name), known[i].type) >= 0);
}

/* A sum over every value, by document. */
static uint64_t walk(const struct sb_column_segment *g, uint32_t from, uint32_t to) {
    uint64_t sum = 0;
    for (uint32_t f = 0; f < g->ncolumns; f++) {
        const struct sb_column *c = g->columns[f];
        for (uint32_t doc = from; c && doc < to; doc++) {
            uint32_t v = c->starts ? c->starts[doc] : doc;
            uint32_t end = c->starts ? c->starts[doc + 1] : doc + sb_column_has(c, doc);
            for (; v < end; v++) {
                uint64_t x = sb_column_raw(c, v);
                if (c->type == SB_COLUMN_KEYWORD) {
                    struct sb_str s = sb_column_term(c, (uint32_t)x);
                    x = XXH3_64bits(s.p, s.n);
                } else if (c->type != SB_COLUMN_DOUBLE) {
                    x = (uint64_t)sb_column_i64(c, v);
                }
                sum = sum * 31 + x + f;
            }
        }
    }
    return sum;
}

static void check_copy(struct sb_column_part *p) {
    struct sb_column_part *copy, *again;
    SB_ASSERT(sb_column_merge(&copy, NULL, 0, &p, 1, &fields, 0, NULL) == SB_OK);
    struct sb_column_part *both[] = {p, copy};
    uint32_t docs = p->view.docs;
    SB_ASSERT(walk(&copy->view, 0, docs) == walk(&p->view, 0, docs));
    sb_column_part_unref(copy);
    both[1] = p;
    struct sb_column_part *twice;
    SB_ASSERT(sb_column_merge(&twice, NULL, 0, both, 2, &fields, 0, NULL) == SB_OK);
    SB_ASSERT(walk(&twice->view, 0, docs) == walk(&p->view, 0, docs));
    SB_ASSERT(walk(&twice->view, docs, 2 * docs) == walk(&p->view, 0, docs));
    sb_column_part_unref(twice);
    SB_ASSERT(sb_column_merge(&copy, dir, COPY, &p, 1, &fields, 0, NULL) == SB_OK);
    sb_column_part_unref(copy);
    SB_ASSERT(sb_column_part_open(&again, dir, COPY, &fields, 0, NULL) == SB_OK);
    SB_ASSERT(walk(&again->view, 0, docs) == walk(&p->view, 0, docs));
    sb_column_part_unref(again);
}

static void load(const void *bytes, size_t n) {
    struct sb_column_part *p;
    char *path = sb_column_part_path(dir, SEGMENT);
    SB_ASSERT(sb_file_replace(path, bytes, n, NULL) == SB_OK);
    if (sb_column_part_open(&p, dir, SEGMENT, &fields, 0, NULL) == SB_OK) {
        /* a small file may claim many documents only when it has values for them */
        SB_ASSERT(p->view.docs <= n);
        check_copy(p);
        sb_column_part_unref(p);
    }
    sb_free(path);
}

/* Length and checksums, where rows point inside the file. */
static void mend(char *p, size_t n) {
    uint32_t columns, head;
    uint64_t length = n, zero = 0, sum;
    size_t at = HEADER;
    memcpy(&columns, p + 12, sizeof columns);
    memcpy(&head, p + 20, sizeof head);
    memcpy(p + 24, &length, sizeof length);
    for (uint32_t i = 0; i < columns && at + ROW <= n; i++) {
        uint64_t from, len;
        uint16_t name;
        memcpy(&from, p + at, sizeof from);
        memcpy(&len, p + at + 8, sizeof len);
        memcpy(&name, p + at + 52, sizeof name);
        if (from <= n && len <= n - from) {
            sum = XXH3_64bits(p + from, len);
            memcpy(p + at + 16, &sum, sizeof sum);
        }
        at += ROW + (size_t)name;
    }
    if (head > n) return;
    memcpy(p + 32, &zero, sizeof zero);
    sum = XXH3_64bits(p, head);
    memcpy(p + 32, &sum, sizeof sum);
}

static void load_manifest(const uint8_t *data, size_t n) {
    struct sb_column_fields f;
    struct sb_column_manifest m = {0};
    char *copy = sb_alloc(n);
    memcpy(copy, data, n);
    if (n >= 8) {
        uint64_t sum = XXH3_64bits(copy, n - 8);
        memcpy(copy + n - 8, &sum, sizeof sum);
    }
    sb_column_fields_init(&f, NULL);
    if (sb_column_manifest_parse(&m, &f, copy, n, NULL) == SB_OK) {
        struct sb_column_fields again;
        struct sb_column_manifest back = {0};
        sb_column_fields_init(&again, NULL);
        SB_ASSERT(sb_column_manifest_write(&m, &f, dir, NULL) == SB_OK);
        SB_ASSERT(sb_column_manifest_read(&back, &again, dir, NULL) == SB_OK);
        SB_ASSERT(back.nrows == m.nrows && again.n == f.n);
        SB_ASSERT(sb_column_ranges_equal(&back.seen, &m.seen));
        sb_column_fields_fini(&again);
        sb_column_manifest_fini(&back);
        sb_column_manifest_fini(&m);
    }
    sb_column_fields_fini(&f);
    sb_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (!dir[0]) set_up();
    if (n > 256 << 10) return 0;
    if (n >= 8 && memcmp(data, "SBCOLIX\n", 8) == 0) {
        load_manifest(data, n);
        return 0;
    }
    load(data, n);
    if (n < HEADER) return 0;
    char *copy = sb_alloc(n);
    memcpy(copy, data, n);
    mend(copy, n);
    load(copy, n);
    sb_free(copy);
    return 0;
}
