/* Journal throughput: 900-byte records in groups of 128 KiB from one producer, two groups in
 * flight.
 *
 * Opened as serving opens it.
 *
 *     journal_bench FOLDER BYTES   ->  {"bytes_per_second": ..., "syncs": ...} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/journal/journal.h"

enum { RECORD = 900, GROUP = 4 << 20, IN_FLIGHT = 3 };

static struct sb_mutex lock;
static struct sb_cond freed;
static struct sb_journal_group *spare[IN_FLIGHT];
static int nspare;

static void on_done(struct sb_journal_group *g) {
    if (g->err) {
        fprintf(stderr, "append failed: %s\n", sb_err_text(g->err));
        exit(1);
    }
    sb_mutex_lock(&lock);
    spare[nspare++] = g;
    sb_cond_signal(&freed);
    sb_mutex_unlock(&lock);
}

static struct sb_journal_group *take(void) {
    sb_mutex_lock(&lock);
    while (!nspare) sb_cond_wait(&freed, &lock);
    struct sb_journal_group *g = spare[--nspare];
    sb_mutex_unlock(&lock);
    sb_journal_group_reset(g);
    return g;
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: journal_bench FOLDER BYTES\n"), 2;
    int64_t total = strtoll(argv[2], NULL, 10), sent = 0;
    static char record[RECORD];
    struct sb_journal *j;
    struct sb_errctx ctx = {0};
    memset(record, 'x', sizeof record);
    sb_mutex_init(&lock);
    sb_cond_init(&freed);
    if (sb_journal_open(&j, argv[1],
                        &(struct sb_journal_opts){.seal_compress = true, .seal_when_calm = true},
                        &ctx))
        return fprintf(stderr, "%s\n", ctx.msg), 1;
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct sb_journal_group *g = sb_calloc(1, sizeof *g);
        sb_journal_group_init(g);
        g->done = on_done;
        spare[nspare++] = g;
    }
    sb_sleep_ns(300 * SB_MS); /* the segments made ahead at start are not part of the rate */
    int64_t begin = sb_mono_ns();
    while (sent < total) {
        struct sb_journal_group *g = take();
        for (int n = 0; n < GROUP; n += RECORD, sent += RECORD) {
            if (sb_journal_group_add(g, sb_wall_ms(), (struct sb_str){0},
                                     sb_str_make(record, RECORD)))
                return 1;
        }
        sb_journal_submit(j, g);
    }
    for (int i = 0; i < IN_FLIGHT; i++) take();
    double seconds = (double)(sb_mono_ns() - begin) / 1e9;
    struct sb_journal_stats s;
    sb_journal_stats_get(j, &s);
    printf("{\"bytes_per_second\": %.0f, \"syncs\": %llu}\n", (double)sent / seconds,
           (unsigned long long)s.syncs);
    sb_journal_close(j);
    return 0;
}
