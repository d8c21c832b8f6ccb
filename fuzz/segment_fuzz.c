/* A topic folder whose only segment is the input: read as it lies, opened by a writer (which
 * recovers it), appended to, and read again. What the first reader saw must still be there, and the
 * new record behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/journal/index_int.h"
#include "engine/journal/journal.h"
#include "engine/journal/state_int.h"
#include "sys/file.h"

static char dir[64];

static void remove_dir(void) {
    sb_err ignored = sb_dir_remove_all(dir, NULL);
    SB_UNUSED(ignored);
}

static void set_up(void) {
    snprintf(dir, sizeof dir, "/dev/shm/sibyl-fuzz-%d", (int)getpid());
    atexit(remove_dir);
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
}

/* Number of records, and whether the last one has this value. */
static int64_t read_all(const char *last) {
    struct sb_journal_reader *r;
    struct sb_journal_record rec;
    int64_t n = 0, offset = -1;
    bool matches = false;
    if (sb_journal_reader_open(&r, dir, NULL) != SB_OK) return -1;
    while (sb_journal_next(r, &rec) == SB_OK) {
        SB_ASSERT(rec.offset > offset);
        offset = rec.offset;
        n++;
        matches = last && sb_str_is(rec.value, last);
    }
    SB_ASSERT(!last || matches);
    sb_journal_reader_close(r);
    return n;
}

static void on_done(struct sb_journal_group *g) {
    SB_UNUSED(g);
}

/* false: the folder was refused. */
static bool append_one(const char *value) {
    struct sb_journal *j;
    struct sb_journal_group g;
    if (sb_journal_open(&j, dir, &(struct sb_journal_opts){.segment_bytes = 64 << 10}, NULL) !=
        SB_OK)
        return false;
    sb_journal_group_init(&g);
    g.done = on_done;
    SB_ASSERT(sb_journal_group_add(&g, 1, (struct sb_str){0}, sb_str_of(value)) == SB_OK);
    sb_journal_submit(j, &g);
    while (!sb_journal_wait(j, &g, INT64_C(1000000000))) continue;
    bool ok = g.err == SB_OK;
    sb_journal_close(j);
    sb_journal_group_fini(&g);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (!dir[0]) set_up();
    if (n > 256 << 10) return 0;
    struct sb_index x;
    if (sb_index_parse(&x, data, n) == SB_OK) sb_index_fini(&x);
    remove_dir();
    char path[128];
    snprintf(path, sizeof path, "%s/%020d.log", dir, 0);
    SB_ASSERT(sb_dir_make(dir, NULL) == SB_OK);
    SB_ASSERT(sb_format_write(dir, NULL) == SB_OK);
    SB_ASSERT(sb_file_replace(path, data, n, NULL) == SB_OK);
    int64_t before = read_all(NULL);
    if (append_one("the new one"))
        SB_ASSERT(read_all("the new one") == (before > 0 ? before : 0) + 1);
    return 0;
}
