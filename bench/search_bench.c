/* The event index under the questions that dashboards ask. Run by bench/search.py.
 *
 *     search_bench build FOLDER DOCUMENTS   an index in FOLDER/index, and the same rows as CSV for
 *                                           the peer in FOLDER/events.csv
 *     search_bench run FOLDER REPEATS       {"NAME": {"ms": of CPU, the least of REPEATS,
 * "buckets": ..., "docs": ...}, ...}: buckets and documents of the lowest level, to compare with
 * the peer's */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/time.h"
#include "engine/column/search.h"

enum { USERS = 5000, DAYS = 30 };
static const int64_t first_ms = 1795000000000;
static const struct sb_column_opts opts = {.time_field = "@timestamp", .id_field = "event_id"};

static void die(const char *what, const struct sb_errctx *ctx) {
    fprintf(stderr, "%s: %s\n", what, ctx ? ctx->msg : "");
    exit(1);
}

/* ---- the rows ---- */

struct row {
    int64_t ms;
    const char *version, *role, *class, *status;
    int user, total_us;
    double duration;
};

static double unit(struct sb_rng *r) {
    return (double)(sb_rng_next(r) >> 11) / 9007199254740992.0;
}

static struct row make_row(struct sb_rng *r, int64_t i, int64_t n) {
    static const char *const versions[] = {"1", "2", "3", "4", "5", "6"};
    static const char *const classes[] = {"setosa", "versicolor", "virginica"};
    struct row x = {.ms = first_ms + (int64_t)((double)i / (double)n * DAYS * 86400e3)};
    double u = unit(r);
    x.version = versions[(int)(u * u * 6)];
    x.role = unit(r) < 0.2 ? "shadow" : "primary";
    x.class = classes[(int)(unit(r) * 3)];
    x.status = unit(r) < 0.01 ? "error" : "ok";
    x.user = (int)(u * u * u * USERS);
    u = unit(r);
    x.duration = 0.0002 + 0.001 * u + 0.02 * u * u * u * u * u * u * u * u;
    x.total_us = (int)(x.duration * 1e6) + (int)(unit(r) * 100);
    return x;
}

static void build(const char *folder, int64_t n) {
    char path[4096], text[512], when[SB_TIME_TEXT + 1];
    struct sb_errctx ctx = {0};
    struct sb_column_index *ix;
    struct sb_rng rng;
    snprintf(path, sizeof path, "%s/events.csv", folder);
    FILE *csv = fopen(path, "w");
    if (!csv) die(path, NULL);
    snprintf(path, sizeof path, "%s/index", folder);
    if (sb_column_open(&ix, path, &opts, &ctx)) die(path, &ctx);
    sb_rng_seed(&rng, 1);
    fprintf(csv, "ts,version,role,class,status,user,total_us,duration\n");
    for (int64_t i = 0; i < n; i++) {
        struct row x = make_row(&rng, i, n);
        when[sb_time_format_ms(when, x.ms)] = 0;
        int len =
            snprintf(text, sizeof text,
                     "{\"@timestamp\":\"%s\",\"model_version\":\"%s\",\"role\":\"%s\","
                     "\"prediction\":{\"class\":\"%s\"},\"status\":\"%s\",\"user\":\"u%d\","
                     "\"latency\":{\"total_us\":%d},\"duration\":%.6f}",
                     when, x.version, x.role, x.class, x.status, x.user, x.total_us, x.duration);
        if (sb_column_add(ix, i, x.ms, sb_str_make(text, (size_t)len))) die("add", NULL);
        if (i % 100000 == 99999 && sb_column_refresh(ix, i + 1)) die("refresh", NULL);
        fprintf(csv, "%s,%s,%s,%s,%s,u%d,%d,%.6f\n", when, x.version, x.role, x.class, x.status,
                x.user, x.total_us, x.duration);
    }
    if (sb_column_refresh(ix, n) || sb_column_flush(ix, &ctx)) die("flush", &ctx);
    sb_column_close(ix);
    if (fclose(csv)) die("events.csv", NULL);
}

/* ---- the questions ---- */

enum { TIME, VERSION, ROLE, CLASS, STATUS, USER, TOTAL, DURATION, NFIELDS };
static const char *const names[NFIELDS] = {"@timestamp",       "model_version", "role",
                                           "prediction.class", "status",        "user",
                                           "latency.total_us", "duration"};
static int field[NFIELDS];

static const double percents[] = {50, 95, 99};
static const double hour = 3600e3, day = 86400e3;

#define TERMS(f, n) .kind = SB_AGG_TERMS, .field = field[f], .size = (n), .min_doc_count = 1
#define EVERY(ms)                                                                                  \
    .kind = SB_AGG_DATE_HISTOGRAM, .field = field[TIME], .interval = (ms), .min_doc_count = 1
#define METRIC(k, f) .kind = SB_AGG_##k, .field = field[f]
#define PERCENTILES(f)                                                                             \
    .kind = SB_AGG_PERCENTILES, .field = field[f], .percents = percents, .npercents = 3
#define UNDER(...)                                                                                 \
    .children = (struct sb_agg[]){__VA_ARGS__},                                                    \
    .nchildren = sizeof((struct sb_agg[]){__VA_ARGS__}) / sizeof(struct sb_agg)

static uint64_t lowest_buckets, lowest_docs;

static void walk(const struct sb_agg_result *r, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < r[i].nbuckets; b++) {
            bool low = true;
            for (size_t c = 0; c < r[i].agg->nchildren; c++)
                low &= r[i].agg->children[c].nchildren == 0 &&
                       r[i].agg->children[c].kind > SB_AGG_MISSING;
            if (low) {
                lowest_buckets++;
                lowest_docs += r[i].buckets[b].doc_count;
            } else {
                walk(r[i].buckets[b].children, r[i].agg->nchildren);
            }
        }
}

static void ask(const struct sb_column_snapshot *s, const char *name, const struct sb_query *q,
                const struct sb_agg *agg, int repeats) {
    static bool comma;
    struct sb_search search = {.query = q, .aggs = agg, .naggs = 1, .track_total = UINT64_MAX};
    double best = 1e9;
    for (int i = 0; i < repeats; i++) {
        struct sb_arena a;
        struct sb_search_result r;
        struct sb_errctx ctx = {0};
        sb_arena_init(&a, 64 << 20);
        int64_t from = sb_thread_cpu_ns();
        if (sb_search_run(s, &search, &a, &r, &ctx)) die(name, &ctx);
        double ms = (double)(sb_thread_cpu_ns() - from) / 1e6;
        best = ms < best ? ms : best;
        lowest_buckets = lowest_docs = 0;
        walk(r.aggs, 1);
        sb_arena_fini(&a);
    }
    printf("%s\"%s\": {\"ms\": %.3f, \"buckets\": %llu, \"docs\": %llu}", comma ? ",\n" : "", name,
           best, (unsigned long long)lowest_buckets, (unsigned long long)lowest_docs);
    comma = true;
}

static struct sb_query is(int f, const char *value) {
    struct sb_search_value *v = sb_calloc(1, sizeof *v);
    *v = (struct sb_search_value){.type = SB_COLUMN_KEYWORD, .s = sb_str_of(value)};
    return (struct sb_query){.kind = SB_QUERY_TERMS, .field = field[f], .values = v, .nvalues = 1};
}

static void run(const char *folder, int repeats) {
    char path[4096];
    struct sb_errctx ctx = {0};
    struct sb_column_index *ix;
    snprintf(path, sizeof path, "%s/index", folder);
    if (sb_column_open(&ix, path, &opts, &ctx)) die(path, &ctx);
    struct sb_column_snapshot *s = sb_column_snapshot_take(ix);
    for (int f = 0; f < NFIELDS; f++) field[f] = sb_column_field_find(s, sb_str_of(names[f]));
    struct sb_query all = {.kind = SB_QUERY_ALL}, error = is(STATUS, "error");
    struct sb_query primary = is(ROLE, "primary"), shadow = is(ROLE, "shadow");
    const struct sb_query *roles[] = {&primary, &shadow};
    struct sb_query middle = {
        .kind = SB_QUERY_RANGE,
        .field = field[TIME],
        .has_low = true,
        .has_high = true,
        .high_open = true,
        .low = {.type = SB_COLUMN_DATE, .i = first_ms + DAYS * 86400000ll / 4},
        .high = {.type = SB_COLUMN_DATE, .i = first_ms + DAYS * 86400000ll * 3 / 4}};

    printf("{");
    ask(s, "traffic", &all, &(struct sb_agg){EVERY(hour), UNDER({TERMS(VERSION, 10)})}, repeats);
    ask(s, "latency", &all, &(struct sb_agg){EVERY(hour), UNDER({PERCENTILES(DURATION)})}, repeats);
    ask(s, "classes", &all,
        &(struct sb_agg){TERMS(CLASS, 10), UNDER({EVERY(day), UNDER({METRIC(AVG, DURATION)})})},
        repeats);
    ask(s, "errors", &error, &(struct sb_agg){EVERY(hour), UNDER({TERMS(VERSION, 10)})}, repeats);
    ask(s, "users", &all, &(struct sb_agg){TERMS(USER, 10), UNDER({METRIC(AVG, DURATION)})},
        repeats);
    ask(s, "versions", &all,
        &(struct sb_agg){TERMS(VERSION, 10),
                         UNDER({METRIC(STATS, TOTAL)}, {METRIC(CARDINALITY, USER)})},
        repeats);
    ask(s, "shape", &middle,
        &(struct sb_agg){.kind = SB_AGG_HISTOGRAM,
                         .field = field[DURATION],
                         .interval = 0.0005,
                         .min_doc_count = 1},
        repeats);
    ask(s, "compare", &all,
        &(struct sb_agg){.kind = SB_AGG_FILTERS,
                         .field = -1,
                         .filters = roles,
                         .nfilters = 2,
                         UNDER({TERMS(CLASS, 10), UNDER({PERCENTILES(DURATION)})})},
        repeats);
    printf("}\n");
    sb_column_snapshot_release(s);
    sb_column_close(ix);
}

int main(int argc, char **argv) {
    if (argc != 4 || strtoll(argv[3], NULL, 10) < 1)
        return fprintf(stderr, "usage: search_bench build|run FOLDER NUMBER\n"), 2;
    if (!strcmp(argv[1], "build"))
        build(argv[2], strtoll(argv[3], NULL, 10));
    else
        run(argv[2], (int)strtoll(argv[3], NULL, 10));
    return 0;
}
