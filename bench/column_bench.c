/* Ingest of the event index: documents as docs/formats/event.md has them, about 900 bytes each, all
 * ids different, read and indexed on one thread with a refresh every `refresh` documents. Making
 * the documents is not counted.
 *
 *     column_bench FOLDER DOCUMENTS [REFRESH]
 *     ->  {"documents": ..., "document_bytes": ..., "documents_per_second": ..., (by the wall
 * clock) "documents_per_cpu_second": ..., "disk_bytes_per_document": ..., "longest_call_ms": ...,
 *          "anonymous_bytes": ..., (the most, without the generator's buffer)
 *          "open_ms": ...} (of the finished index) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/time.h"
#include "codec/uuid.h"
#include "engine/column/column.h"

enum { CHUNK = 4096 };

static struct sb_rng rng;
static struct sb_uuid7_gen ids;

static double unit(void) {
    return (double)(sb_rng_next(&rng) >> 11) / 9007199254740992.0;
}

static int write_document(char *to, size_t room, int64_t i) {
    static const char *const classes[] = {"setosa", "versicolor", "virginica"};
    char id[SB_UUID_TEXT], request[SB_UUID_TEXT], when[SB_TIME_TEXT];
    int64_t ms = 1795509115000 + i / 5;
    double p = unit(), q = unit() * (1 - p);
    sb_uuid7(&ids, ms, id);
    sb_uuid4(&rng, request);
    when[sb_time_format_ms(when, ms)] = 0;
    return snprintf(
        to, room,
        "{\"@timestamp\":\"%s\",\"event_id\":\"%s\",\"request_id\":\"%s\",\"row\":0,\"node\":\"web-"
        "1\","
        "\"seq\":%lld,\"traceparent\":\"00-%016llx%016llx-%016llx-01\",\"route\":\"iris\","
        "\"role\":\"%s\",\"model\":\"iris\",\"model_version\":\"%d\",\"model_alias\":"
        "\"production\","
        "\"run_id\":\"d6c2a94cbb0c4b6a8f8c3c5b9b2f1d10\",\"artifact_sha256\":"
        "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\","
        "\"input\":{\"sepal length (cm)\":%.1f,\"sepal width (cm)\":%.1f,\"petal length "
        "(cm)\":%.1f,"
        "\"petal width (cm)\":%.1f},\"prediction\":{\"class\":\"%s\"},\"class_probabilities_map\":{"
        "\"setosa\":%.17g,\"versicolor\":%.17g,\"virginica\":%.17g},\"status\":\"%s\","
        "\"duration\":%.6f,\"latency\":{\"queue_us\":%d,\"compute_us\":%d,\"total_us\":%d},"
        "\"principal\":\"anonymous\",\"user\":\"user-%d\",\"session\":\"s-%d\",\"client\":"
        "\"10.0.%d.%d\",\"tags\":{\"team\":\"team-%d\"}}",
        when, id, request, (long long)i, (unsigned long long)sb_rng_next(&rng),
        (unsigned long long)sb_rng_next(&rng), (unsigned long long)sb_rng_next(&rng),
        unit() < 0.2 ? "shadow" : "primary", (int)(i / 400000) + 1, 4 + unit() * 4, 2 + unit() * 3,
        1 + unit() * 6, unit() * 2.5, classes[sb_rng_next(&rng) % 3], p, q, 1 - p - q,
        unit() < 0.01 ? "error" : "ok", unit() * 0.002, (int)(unit() * 200), (int)(unit() * 900),
        (int)(unit() * 2000), (int)(unit() * 5000), (int)(unit() * 50000), (int)(unit() * 4),
        (int)(unit() * 250), (int)(unit() * 20));
}

/* RssAnon of this process. */
static int64_t anonymous_bytes(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long long kb = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "RssAnon:", 8) == 0) kb = strtoll(line + 8, NULL, 10);
    }
    if (f) fclose(f);
    return kb * 1024;
}

struct totals {
    int64_t wall, cpu, longest, anonymous, bytes;
};

static void die(const char *what, sb_err err, const struct sb_errctx *ctx) {
    fprintf(stderr, "%s: %s\n", what, sb_errctx_text(ctx, err));
    exit(1);
}

static void note_longest(struct totals *t, int64_t from) {
    int64_t took = sb_mono_ns() - from;
    if (took > t->longest) t->longest = took;
}

/* The documents lie one behind the other in text; ends[i]: where each stops. */
static void add_chunk(struct sb_column_index *ix, const char *text, const size_t *ends, int64_t at,
                      int n, int64_t refresh, struct totals *t) {
    int64_t wall = sb_mono_ns(), cpu = sb_thread_cpu_ns();
    for (int k = 0; k < n; k++) {
        size_t from = k ? ends[k - 1] : 0;
        int64_t start = sb_mono_ns();
        sb_err err = sb_column_add(ix, at + k, 0, sb_str_make(text + from, ends[k] - from));
        if (!err && (at + k + 1) % refresh == 0) err = sb_column_refresh(ix, at + k + 1);
        if (err) die("add", err, NULL);
        note_longest(t, start);
    }
    t->cpu += sb_thread_cpu_ns() - cpu;
    t->wall += sb_mono_ns() - wall;
    t->bytes += (int64_t)ends[n - 1];
    int64_t anonymous = anonymous_bytes();
    if (anonymous > t->anonymous) t->anonymous = anonymous;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: column_bench FOLDER DOCUMENTS [REFRESH]\n"), 2;
    int64_t total = strtoll(argv[2], NULL, 10);
    int64_t refresh = argc > 3 ? strtoll(argv[3], NULL, 10) : 100000;
    if (total < 1 || refresh < 1) return fprintf(stderr, "counts are 1 and more\n"), 2;
    static const char *const skip[] = {"traceparent", NULL};
    struct sb_column_opts opts = {.time_field = "@timestamp", .id_field = "event_id", .skip = skip};
    struct sb_column_index *ix;
    struct sb_errctx ctx = {0};
    struct totals t = {0};
    const size_t room = 2048;
    char *text = sb_alloc(CHUNK * room);
    static size_t ends[CHUNK];
    memset(text, 1, CHUNK * room);
    sb_rng_seed(&rng, 1);
    sb_uuid7_gen_init(&ids);
    sb_err err = sb_column_open(&ix, argv[1], &opts, &ctx);
    if (err) die("open", err, &ctx);
    int64_t idle = anonymous_bytes();
    for (int64_t at = 0; at < total; at += CHUNK) {
        int n = total - at < CHUNK ? (int)(total - at) : CHUNK;
        size_t end = 0;
        for (int k = 0; k < n; k++) {
            end += (size_t)write_document(text + end, room, at + k);
            ends[k] = end;
        }
        add_chunk(ix, text, ends, at, n, refresh, &t);
    }
    int64_t wall = sb_mono_ns(), cpu = sb_thread_cpu_ns();
    err = sb_column_flush(ix, &ctx);
    if (err) die("flush", err, &ctx);
    note_longest(&t, wall);
    t.cpu += sb_thread_cpu_ns() - cpu;
    t.wall += sb_mono_ns() - wall;
    struct sb_column_stats s;
    sb_column_stats_get(ix, &s);
    sb_column_close(ix);
    wall = sb_mono_ns();
    err = sb_column_open(&ix, argv[1], &opts, &ctx);
    if (err) die("open again", err, &ctx);
    double open_ms = (double)(sb_mono_ns() - wall) / SB_MS;
    sb_column_close(ix);
    sb_free(text);
    printf("{\"documents\": %lld, \"document_bytes\": %.0f, \"documents_per_second\": %.0f, "
           "\"documents_per_cpu_second\": %.0f, \"disk_bytes_per_document\": %.1f, "
           "\"longest_call_ms\": %.1f, \"anonymous_bytes\": %lld, \"open_ms\": %.1f}\n",
           (long long)total, (double)t.bytes / (double)total,
           (double)total / ((double)t.wall / SB_SEC), (double)total / ((double)t.cpu / SB_SEC),
           (double)s.disk_bytes / (double)total, (double)t.longest / SB_MS,
           (long long)(t.anonymous - idle), open_ms);
    return 0;
}
