#include "workload.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sys/file.h"

void workload_init(struct workload *w) {
    memset(w, 0, sizeof *w);
    for (int i = 0; i < WORKLOAD_MAX; i++) w->acked_offset[i] = -1;
}

struct sb_journal_opts workload_opts(void) {
    return (struct sb_journal_opts){.segment_bytes = 16 << 10, .seal_compress = true};
}

void fresh_dir(const char *dir) {
    if (sb_dir_remove_all(dir, NULL) != SB_OK || sb_dir_make_all(dir, NULL) != SB_OK) {
        fprintf(stderr, "cannot make %s\n", dir);
        exit(2);
    }
}

/* Runs on the commit thread before the waiter goes on. */
static void done(struct sb_journal_group *g) {
    struct workload *w = g->user;
    int64_t first = w->sent - g->count;
    for (uint32_t i = 0; i < g->count && g->err == SB_OK; i++) {
        w->acked_offset[first + i] = g->base_offset + i;
        w->acked++;
        if (w->on_ack) w->on_ack(w->self, first + i, g->base_offset + i);
    }
}

sb_err workload_group(struct workload *w, struct sb_journal *j, int n) {
    struct sb_journal_group g;
    sb_journal_group_init(&g);
    g.done = done;
    g.user = w;
    for (int i = 0; i < n && w->sent < WORKLOAD_MAX; i++) {
        char value[1600];
        int k = snprintf(value, sizeof value, "%lld ", (long long)w->sent);
        size_t len = (size_t)k + (size_t)(w->sent * 131 % 1100);
        for (size_t c = (size_t)k; c < len; c++)
            value[c] = (char)('a' + (w->sent * 7 + (int64_t)c * c) % 26);
        if (sb_journal_group_add(&g, 1700000000000 + w->sent, (struct sb_str){0},
                                 sb_str_make(value, len)) != SB_OK)
            abort();
        w->sent++;
    }
    sb_journal_submit(j, &g);
    if (!sb_journal_wait(j, &g, 60 * SB_SEC)) {
        fprintf(stderr, "a group was never answered\n");
        exit(1);
    }
    sb_err err = g.err;
    /* a new segment is tried again after 100 ms; once is enough to see that it resumes */
    if (err == SB_E_NOSPACE && !w->failed && !w->hurry) sb_sleep_ns(120 * SB_MS);
    if (err) w->failed++;
    sb_journal_group_fini(&g);
    return err;
}

void workload_script(struct workload *w, const char *dir) {
    for (int round = 0; round < 2; round++) {
        struct sb_journal_opts o = workload_opts();
        struct sb_journal *j;
        if (sb_journal_open(&j, dir, &o, NULL) != SB_OK) return;
        for (int i = 0; i < 25; i++) {
            sb_err err = workload_group(w, j, 1 + i % 5);
            (void)err; /* counted */
        }
        sb_journal_close(j);
    }
}

bool workload_check(const struct workload *w, const char *dir,
                    bool (*without)(void *self, int64_t number), void *self) {
    static bool found[WORKLOAD_MAX];
    memset(found, 0, sizeof found);
    struct sb_journal_reader *r;
    struct sb_errctx ctx = {0};
    sb_err err = sb_journal_reader_open(&r, dir, &ctx);
    if (err == SB_E_MISSING && w->acked == 0) return true;
    if (err) {
        printf("reader: %s\n", ctx.msg);
        return false;
    }
    bool ok = true;
    struct sb_journal_record rec;
    int64_t last = -1, last_offset = -1;
    while (ok && (err = sb_journal_next(r, &rec)) == SB_OK) {
        char text[32] = {0};
        memcpy(text, rec.value.p, rec.value.n < 20 ? rec.value.n : 20);
        int64_t number = strtoll(text, NULL, 10);
        ok = false;
        if (number < 0 || number >= w->sent)
            printf("record %lld was never sent\n", (long long)number);
        else if (number <= last)
            printf("record %lld twice or out of order\n", (long long)number);
        else if (rec.offset <= last_offset)
            printf("offset %lld goes back\n", (long long)rec.offset);
        else if (w->acked_offset[number] >= 0 && w->acked_offset[number] != rec.offset)
            printf("record %lld was acknowledged at %lld and is at %lld\n", (long long)number,
                   (long long)w->acked_offset[number], (long long)rec.offset);
        else
            ok = found[number] = true;
        last = number;
        last_offset = rec.offset;
    }
    if (ok && err != SB_E_END) {
        printf("reader ended with %s\n", sb_err_name(err));
        ok = false;
    }
    for (int64_t i = 0; ok && i < w->sent; i++) {
        if (w->acked_offset[i] < 0 || found[i] || (without && without(self, i))) continue;
        printf("record %lld was acknowledged at %lld and is lost\n", (long long)i,
               (long long)w->acked_offset[i]);
        ok = false;
    }
    sb_journal_reader_close(r);
    return ok;
}
