/* Documents of a column index, one a line: none is refused, each has a time, and the segments that
 * come of them are as a file's are checked to be. */
#include "base/log.h"
#include "engine/column/column_int.h"

static void assert_sound(const struct sb_column_part *p) {
    for (uint32_t i = 0; i < p->ncolumns; i++) {
        const struct sb_column *c = &p->columns[i];
        struct sb_column_shape shape = {
            .type = c->type,
            .width = c->width,
            .multi = c->starts != NULL,
            .docs = p->view.docs,
            .nvalues = c->nvalues,
            .npresent = c->npresent,
            .nterms = c->terms.n,
            .text = c->terms.n ? c->terms.at[c->terms.n] : 0,
            .base = c->base,
        };
        SB_ASSERT(c->npresent > 0);
        SB_ASSERT(sb_column_check(c, &shape, NULL) == SB_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const skip[] = {"skip", NULL};
    struct sb_column_fields f;
    struct sb_column_reader r;
    struct sb_column_memtable m;
    struct sb_column_part *parts[3] = {NULL};
    uint32_t nparts = 0;
    struct sb_str rest = sb_str_make((const char *)data, n), line;
    if (!n || n > 64 << 10) return 0;
    sb_column_fields_init(&f, skip);
    int time = sb_column_fields_make(&f, SB_STR("t"), SB_COLUMN_DATE);
    int ignored = sb_column_fields_make(&f, SB_STR("_ignored"), SB_COLUMN_KEYWORD);
    sb_column_reader_init(&r, &f, time, ignored);
    sb_column_memtable_init(&m);
    int64_t offset = 0;
    while (sb_str_split(&rest, '\n', &line)) {
        sb_column_reader_read(&r, offset, line);
        SB_ASSERT(r.n > 0);
        sb_column_memtable_add(&m, offset, r.values, r.n, &f);
        offset++;
        if (offset % 3 == 0 && nparts < 2) parts[nparts++] = sb_column_memtable_seal(&m, &f, time);
    }
    if (m.docs) parts[nparts++] = sb_column_memtable_seal(&m, &f, time);
    struct sb_column_part *all;
    SB_ASSERT(sb_column_merge(&all, NULL, 0, parts, nparts, &f, time, NULL) == SB_OK);
    SB_ASSERT(all->view.docs == (uint32_t)offset);
    assert_sound(all);
    sb_column_part_unref(all);
    for (uint32_t i = 0; i < nparts; i++) {
        assert_sound(parts[i]);
        sb_column_part_unref(parts[i]);
    }
    sb_column_memtable_fini(&m);
    sb_column_reader_fini(&r);
    sb_column_fields_fini(&f);
    return 0;
}
