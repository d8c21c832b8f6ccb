/* A journal on the command line, for tests:
 *
 *   journal_tool append DIR [OPTIONS]   one record per line of standard input (the line is its
 * value); prints "ack LINE OFFSET" or "fail LINE CODE" for each
 *       --segment-bytes N --retain-bytes N --retain-ms N --compress --group N (lines per group)
 *   journal_tool dump DIR               "OFFSET TS VALUE" for each record, then "skipped N"
 *   journal_tool stats DIR              opens it as writer (recovers) and prints its numbers
 *   journal_tool hold DIR               opens it, prints "open" and waits for the end of its input
 *
 * With SIBYL_KILL_AT=N in the environment the process kills itself, as kill -9 would, at its N-th
 * storage call (from 0), before the call is made. SIBYL_COUNT=FILE writes how many there were. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/journal/journal.h"
#include "sys/fault.h"

static _Atomic long calls;
static long kill_at = -1;

static int count_call(void *self, struct sb_sys_op *op) {
    (void)self, (void)op;
    if (calls++ == kill_at) {
        kill(getpid(), SIGKILL);
        pause();
    }
    return 0;
}

static int die(const struct sb_errctx *ctx, sb_err err) {
    fprintf(stderr, "%s: %s\n", sb_err_name(err), sb_errctx_text(ctx, err));
    return 1;
}

static void answered(struct sb_journal_group *g) {
    (void)g; /* the main thread waits for it */
}

struct options {
    struct sb_journal_opts journal;
    int group;
};

static bool parse(struct options *o, int argc, char **argv) {
    *o = (struct options){.group = 1};
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--compress")) {
            o->journal.seal_compress = true;
            continue;
        }
        if (i + 1 == argc) return false;
        long long v = strtoll(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--segment-bytes"))
            o->journal.segment_bytes = (uint32_t)v;
        else if (!strcmp(argv[i], "--retain-bytes"))
            o->journal.retain_bytes = v;
        else if (!strcmp(argv[i], "--retain-ms"))
            o->journal.retain_ms = v;
        else if (!strcmp(argv[i], "--group"))
            o->group = (int)v;
        else
            return false;
        i++;
    }
    return true;
}

/* Answers are written at once: what the reader of the pipe has seen was acknowledged. */
static void submit(struct sb_journal *j, struct sb_journal_group *g, char **line, int n) {
    if (!n) return;
    sb_journal_submit(j, g);
    while (!sb_journal_wait(j, g, SB_SEC)) {
    }
    for (int i = 0; i < n; i++) {
        if (g->err)
            printf("fail %s %s\n", line[i], sb_err_name(g->err));
        else
            printf("ack %s %lld\n", line[i], (long long)g->base_offset + i);
        free(line[i]);
    }
    fflush(stdout);
    sb_journal_group_reset(g);
}

static int append(const char *dir, const struct options *o) {
    struct sb_journal *j;
    struct sb_errctx ctx = {0};
    sb_err err = sb_journal_open(&j, dir, &o->journal, &ctx);
    if (err) return die(&ctx, err);
    struct sb_journal_group g;
    sb_journal_group_init(&g);
    g.done = answered;
    char *text = NULL, *lines[1000];
    size_t cap = 0;
    int n = 0;
    for (ssize_t k; (k = getline(&text, &cap, stdin)) > 0;) {
        if (text[k - 1] == '\n') text[--k] = 0;
        if (sb_journal_group_add(&g, sb_wall_ms(), (struct sb_str){0},
                                 sb_str_make(text, (size_t)k)))
            return die(NULL, SB_E_LIMIT);
        char *id = strdup(text);
        id[strcspn(id, " ")] = 0;
        lines[n++] = id;
        if (n < o->group && n < 1000) continue;
        submit(j, &g, lines, n);
        n = 0;
    }
    submit(j, &g, lines, n);
    free(text);
    sb_journal_close(j);
    sb_journal_group_fini(&g);
    return 0;
}

static int dump(const char *dir) {
    struct sb_journal_reader *r;
    struct sb_errctx ctx = {0};
    sb_err err = sb_journal_reader_open(&r, dir, &ctx);
    if (err) return die(&ctx, err);
    struct sb_journal_record rec;
    while ((err = sb_journal_next(r, &rec)) == SB_OK)
        printf("%lld %lld %.*s\n", (long long)rec.offset, (long long)rec.ts_ms, SB_ARG(rec.value));
    printf("skipped %lld\n", (long long)sb_journal_skipped(r));
    sb_journal_reader_close(r);
    return err == SB_E_END ? 0 : die(NULL, err);
}

static int open_and(const char *dir, bool wait) {
    struct sb_journal *j;
    struct sb_errctx ctx = {0};
    int64_t start = sb_mono_ns();
    sb_err err = sb_journal_open(&j, dir, NULL, &ctx);
    if (err) return die(&ctx, err);
    int64_t took = sb_mono_ns() - start;
    struct sb_journal_stats st;
    sb_journal_stats_get(j, &st);
    if (wait) {
        printf("open\n");
        fflush(stdout);
        while (getchar() != EOF) {
        }
    } else {
        printf("open_us %lld first %lld next %lld segments %llu bytes %llu quarantined %llu "
               "truncated %llu\n",
               (long long)(took / SB_US), (long long)st.first_offset, (long long)st.next_offset,
               (unsigned long long)st.segments, (unsigned long long)st.disk_bytes,
               (unsigned long long)st.quarantined, (unsigned long long)st.truncated_bytes);
    }
    sb_journal_close(j);
    return 0;
}

int main(int argc, char **argv) {
    struct options o;
    struct sb_sys_hook hook = {count_call, NULL};
    const char *at = getenv("SIBYL_KILL_AT"), *count = getenv("SIBYL_COUNT");
    if (at) kill_at = strtol(at, NULL, 10);
    if (at || count) sb_sys_fault_hook(&hook);
    int rc = 2;
    if (argc >= 3 && !strcmp(argv[1], "append") && parse(&o, argc - 3, argv + 3))
        rc = append(argv[2], &o);
    else if (argc == 3 && !strcmp(argv[1], "dump"))
        rc = dump(argv[2]);
    else if (argc == 3 && !strcmp(argv[1], "stats"))
        rc = open_and(argv[2], false);
    else if (argc == 3 && !strcmp(argv[1], "hold"))
        rc = open_and(argv[2], true);
    else
        fprintf(stderr, "usage: journal_tool append|dump|stats|hold DIR [OPTIONS]\n");
    FILE *f = count ? fopen(count, "w") : NULL;
    if (f) {
        fprintf(f, "%ld\n", calls);
        fclose(f);
    }
    return rc;
}
