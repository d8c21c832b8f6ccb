/* Crash tests of the journal that run in one process:
 *
 *   journal_crash power N SEED DIR    N states that a power cut may leave are recovered and
 * compared journal_crash faults DIR          every storage call fails once, in five ways
 *   journal_crash forever DIR         every storage call fails, and all after it
 *   journal_crash revert DIR          each fdatasync fails once, its pages go back, the next
 * "succeeds" journal_crash flips DIR           every single bit of a 64 KiB segment is turned
 *
 * DIR is on tmpfs best. Prints one line with counts; exit code 1 and the reason when a promise is
 * broken. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/journal/segment_int.h"
#include "model.h"
#include "sys/file.h"
#include "workload.h"

static char live[256], after[256];

static void broken(const char *what, size_t a, size_t b) {
    printf("broken: %s (%zu, %zu)\n", what, a, b);
    exit(1);
}

/* ---- power ---- */

static void on_ack(void *self, int64_t number, int64_t offset) {
    trace_ack(self, number, offset);
}

static void count_ack(void *self, int64_t number, int64_t offset) {
    struct workload *w = self;
    w->acked_offset[number] = offset;
    w->acked++;
}

/* Recovers the state in `after` and checks it; then the journal must still work. */
static void check_state(struct workload *w, bool use, size_t end, size_t k) {
    struct sb_journal_opts o = workload_opts();
    struct sb_journal *j;
    struct sb_errctx ctx = {0};
    if (!workload_check(w, after, NULL, NULL)) broken("read without recovery: call, state", end, k);
    if (sb_journal_open(&j, after, &o, &ctx) != SB_OK) {
        printf("%s\n", ctx.msg);
        broken("recovery failed: call, state", end, k);
    }
    if (!workload_check(w, after, NULL, NULL)) broken("recovered: call, state", end, k);
    if (use && workload_group(w, j, 3) != SB_OK) broken("no append: call, state", end, k);
    sb_journal_close(j);
    if (!workload_check(w, after, NULL, NULL)) broken("reopened: call, state", end, k);
}

static int power(size_t states, uint64_t seed) {
    struct workload *w = sb_alloc(sizeof *w), *at = sb_alloc(sizeof *at);
    struct sb_rng rng;
    struct trace *t = trace_new(live);
    workload_init(w);
    w->on_ack = on_ack;
    w->self = t;
    fresh_dir(live);
    sb_sys_fault_hook(trace_hook(t));
    workload_script(w, live);
    sb_sys_fault_hook(NULL);
    if (w->failed || w->acked != w->sent || w->acked < 100)
        broken("the script itself", (size_t)w->acked, 0);
    size_t calls = trace_length(t), distinct = 0;
    uint64_t *seen = sb_calloc(states * 2, sizeof *seen);
    size_t k = 0; /* tried: where nothing is unsynced, many are the same */
    sb_rng_seed(&rng, seed);
    for (; distinct < states && k < 4 * states; k++) {
        size_t end = 1 + (k * 7919 + (size_t)(sb_rng_next(&rng) % 3)) % calls;
        uint64_t hash = trace_state(t, end, &rng, after) * 0x9e3779b97f4a7c15;
        hash = (hash + end) | 1;
        size_t slot = hash % (states * 2);
        while (seen[slot] && seen[slot] != hash) slot = (slot + 1) % (states * 2);
        if (seen[slot]) continue;
        seen[slot] = hash;
        distinct++;
        workload_init(at);
        at->sent = w->sent;
        trace_acks(t, end, count_ack, at);
        check_state(at, distinct % 4 == 0, end, k);
    }
    if (distinct < states) broken("too few distinct states", distinct, states);
    printf("power: %zu states made, %zu distinct ones checked, of %zu calls, %lld records, seed "
           "%llu: 0 lost, 0 "
           "doubled\n",
           k, distinct, calls, (long long)w->acked, (unsigned long long)seed);
    sb_free(seen);
    sb_free(w);
    sb_free(at);
    trace_free(t);
    return 0;
}

/* ---- faults ---- */

struct plan {
    _Atomic size_t seen;
    size_t at, until; /* calls [at, until) fail */
    int err;          /* 0: cut short */
};

static int planned(void *self, struct sb_sys_op *op) {
    struct plan *p = self;
    size_t k = p->seen++;
    if (k < p->at || k >= p->until) return 0;
    if (!p->err && op->len > 1) op->len /= 2;
    return p->err;
}

static size_t run_planned(struct workload *w, struct plan *p) {
    struct sb_sys_hook hook = {planned, p};
    workload_init(w);
    w->hurry = p->until == SIZE_MAX;
    fresh_dir(live);
    sb_sys_fault_hook(&hook);
    workload_script(w, live);
    sb_sys_fault_hook(NULL);
    return p->seen;
}

static int faults(bool forever) {
    static const struct {
        const char *name;
        int err;
        bool harmless;
    } kinds[] = {
        {"EIO", EIO, false},    {"ENOSPC", ENOSPC, false}, {"EMFILE", EMFILE, false},
        {"EINTR", EINTR, true}, {"short", 0, true},
    };
    struct workload *w = sb_alloc(sizeof *w);
    struct plan none = {.at = SIZE_MAX, .until = SIZE_MAX};
    size_t calls = run_planned(w, &none), runs = 0;
    int64_t all = w->acked;
    if (w->failed) broken("the script itself", 0, 0);
    for (size_t e = 0; e < SB_COUNT(kinds); e++) {
        if (forever && kinds[e].harmless) continue; /* an EINTR for ever is no fault of a disk */
        for (size_t k = 0; k < calls; k++, runs++) {
            struct plan p = {.at = k, .until = forever ? SIZE_MAX : k + 1, .err = kinds[e].err};
            run_planned(w, &p);
            if (kinds[e].harmless && (w->failed || w->acked != all))
                broken(kinds[e].name, k, (size_t)w->failed);
            /* one ENOSPC fails at most what waits; the rest of an opened journal goes on */
            if (kinds[e].err == ENOSPC && !forever && w->failed > 1)
                broken("does not resume", k, (size_t)w->failed);
            if (!workload_check(w, live, NULL, NULL)) broken(kinds[e].name, k, 0);
            struct sb_journal_opts o = workload_opts();
            struct sb_journal *j;
            if (sb_journal_open(&j, live, &o, NULL) != SB_OK)
                broken("no start after", k, (size_t)kinds[e].err);
            if (!workload_check(w, live, NULL, NULL) || workload_group(w, j, 2) != SB_OK)
                broken(kinds[e].name, k, 1);
            sb_journal_close(j);
            if (!workload_check(w, live, NULL, NULL)) broken(kinds[e].name, k, 2);
        }
    }
    printf("faults: %zu calls, %zu runs%s: 0 lost, 0 doubled, no crash\n", calls, runs,
           forever ? ", failing for ever" : "");
    sb_free(w);
    return 0;
}

/* ---- revert ---- */

/* What Linux does after a failed writeback: the pages count as clean, the old bytes come back, the
 * next sync says "done". */
struct reverting {
    size_t seen, at;
    char path[512];
    char *sure; /* the active file as of its last good sync */
    size_t sure_n;
};

static void load(struct reverting *r, const char *path) {
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    int fd = open(path, O_RDONLY);
    char *p;
    ssize_t n = 0;
    while (fd >= 0 && (p = sb_buf_reserve(&b, 65536)) && (n = read(fd, p, 65536)) > 0)
        sb_buf_commit(&b, (size_t)n);
    if (fd >= 0) close(fd);
    sb_free(r->sure);
    snprintf(r->path, sizeof r->path, "%s", path);
    r->sure = sb_buf_take(&b, &r->sure_n);
}

static int reverting(void *self, struct sb_sys_op *op) {
    struct reverting *r = self;
    if (op->kind == SB_SYS_PWRITE && strstr(op->path, ".log") && strcmp(op->path, r->path))
        load(r, op->path); /* a new active segment: as it is before its first write */
    if (op->kind != SB_SYS_FDATASYNC || strcmp(op->path, r->path)) return 0;
    if (r->seen++ != r->at) {
        load(r, op->path);
        return 0;
    }
    int fd = open(r->path, O_WRONLY);
    if (fd < 0 || pwrite(fd, r->sure, r->sure_n, 0) != (ssize_t)r->sure_n) exit(2);
    close(fd);
    return EIO;
}

static int revert(void) {
    struct workload *w = sb_alloc(sizeof *w);
    size_t runs = 0;
    for (size_t at = 0;; at++, runs++) {
        struct reverting r = {.at = at};
        struct sb_sys_hook hook = {reverting, &r};
        workload_init(w);
        fresh_dir(live);
        struct sb_journal_opts o = workload_opts();
        struct sb_journal *j;
        if (sb_journal_open(&j, live, &o, NULL) != SB_OK) broken("open", at, 0);
        sb_sys_fault_hook(&hook);
        bool failed = false;
        for (int i = 0; i < 30; i++) {
            sb_err err = workload_group(w, j, 1 + i % 4);
            if (failed && err != SB_E_IO) broken("acknowledged after a failed sync", at, (size_t)i);
            failed = failed || err;
        }
        if (failed != sb_journal_dead(j)) broken("not dead", at, 0);
        sb_journal_close(j);
        sb_sys_fault_hook(NULL);
        sb_free(r.sure);
        if (!failed) break; /* there were fewer syncs */
        if (sb_journal_open(&j, live, &o, NULL) != SB_OK) broken("reopen", at, 0);
        if (!workload_check(w, live, NULL, NULL)) broken("after a failed sync", at, 0);
        sb_journal_close(j);
    }
    if (runs < 25) broken("too few syncs", runs, 0);
    printf("revert: %zu failed syncs: nothing acknowledged after one, 0 lost\n", runs);
    sb_free(w);
    return 0;
}

/* ---- flips ---- */

struct found {
    const uint8_t *clean; /* the undamaged segment */
    const uint8_t *now;
    size_t hit; /* byte with the turned bit */
    int batches;
    bool wrong;
};

static sb_err on_batch(void *self, int64_t pos, struct sb_batch *b, struct sb_errctx *ctx) {
    struct found *f = self;
    (void)ctx;
    f->batches++;
    /* only the leader epoch (bytes 12-15) may differ: no reader looks at it */
    bool holds_hit = f->hit >= (size_t)pos && f->hit < (size_t)pos + b->size;
    if (holds_hit && (f->hit - (size_t)pos < 12 || f->hit - (size_t)pos > 15)) f->wrong = true;
    if (memcmp(f->clean + pos, f->now + pos, 12) ||
        memcmp(f->clean + pos + 16, f->now + pos + 16, b->size - 16))
        f->wrong = true;
    return SB_OK;
}

static int walk(struct found *f, size_t n) {
    struct sb_segment_view v;
    struct sb_segment_walk w = {.limit = INT64_MAX, .on_batch = on_batch, .self = f};
    f->batches = 0;
    f->wrong = false;
    sb_segment_view_memory(&v, f->now, n);
    if (sb_segment_walk(&v, &w, NULL) != SB_OK) f->wrong = true;
    return f->batches;
}

static int64_t first_hit, last_hit; /* the records that share a batch with the turned bit */
static bool was_hit(void *self, int64_t number) {
    (void)self;
    return number >= first_hit && number <= last_hit;
}

/* The same through recovery and a reader, files and all. */
static void flip_on_disk(struct workload *w, const char *segment, size_t bit) {
    int fd = open(segment, O_RDWR);
    uint8_t c;
    off_t at = (off_t)(bit / 8);
    if (fd < 0 || pread(fd, &c, 1, at) != 1) exit(2);
    c ^= (uint8_t)(1 << bit % 8);
    if (pwrite(fd, &c, 1, at) != 1) exit(2);
    close(fd);
    struct sb_journal_opts o = {.segment_bytes = 64 << 10};
    struct sb_journal *j;
    if (!workload_check(w, after, was_hit, NULL)) broken("reader: bit", bit, 0);
    if (sb_journal_open(&j, after, &o, NULL) != SB_OK) broken("open: bit", bit, 0);
    if (!workload_check(w, after, was_hit, NULL)) broken("recovered: bit", bit, 0);
    sb_journal_close(j);
}

struct place {
    int64_t pos, size, base, count;
};
static struct place places[1024];
static size_t place_n;
static sb_err note_place(void *self, int64_t pos, struct sb_batch *b, struct sb_errctx *ctx) {
    (void)self, (void)ctx;
    places[place_n++] = (struct place){pos, (int64_t)b->size, b->base, b->count};
    return SB_OK;
}

static void copy_file(const char *from, const char *to) {
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    if (sb_file_read_all(from, &b, NULL) != SB_OK) exit(2);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, b.p, b.n) != (ssize_t)b.n) exit(2);
    close(fd);
    sb_buf_fini(&b);
}

static int flips(void) {
    struct workload *w = sb_alloc(sizeof *w);
    workload_init(w);
    fresh_dir(live);
    struct sb_journal_opts o = {.segment_bytes = 64 << 10};
    struct sb_journal *j;
    if (sb_journal_open(&j, live, &o, NULL) != SB_OK) broken("open", 0, 0);
    struct sb_journal_stats st;
    for (st.segments = 1; st.segments == 1; sb_journal_stats_get(j, &st))
        if (workload_group(w, j, 2 + (int)(w->sent % 3)) != SB_OK) broken("append", 0, 0);
    sb_journal_close(j);

    char segment[512], path[512];
    snprintf(segment, sizeof segment, "%s/%020d.log", live, 0);
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    if (sb_file_read_all(segment, &b, NULL) != SB_OK) broken("read", 0, 0);
    struct sb_segment_view v;
    struct sb_segment_walk pw = {.limit = INT64_MAX, .on_batch = note_place};
    sb_segment_view_memory(&v, b.p, b.n);
    if (sb_segment_walk(&v, &pw, NULL) != SB_OK || place_n < 20) broken("places", place_n, 0);

    uint8_t *now = sb_alloc(b.n);
    memcpy(now, b.p, b.n);
    struct found f = {(const uint8_t *)b.p, now, SIZE_MAX, 0, false};
    int all = walk(&f, b.n);
    size_t bits = b.n * 8, whole = 0, on_disk = 0;
    for (size_t bit = 0, at = 0; bit < bits; bit++) {
        f.hit = bit / 8;
        while (at < place_n && (int64_t)f.hit >= places[at].pos + places[at].size) at++;
        now[f.hit] ^= (uint8_t)(1 << bit % 8);
        int n = walk(&f, b.n);
        now[f.hit] ^= (uint8_t)(1 << bit % 8);
        if (f.wrong) broken("a damaged batch was taken: bit", bit, 0);
        bool in_batch = at < place_n && (int64_t)f.hit >= places[at].pos;
        if (n < all - in_batch)
            broken("undamaged batches not served: bit, batches", bit, (size_t)n);
        whole += n == all;
        if (bit % 409 != 0) continue;
        first_hit = in_batch ? places[at].base : -1;
        last_hit = in_batch ? places[at].base + places[at].count - 1 : -2;
        fresh_dir(after);
        struct sb_dir_names names;
        if (sb_dir_list(live, &names, NULL) != SB_OK) exit(2);
        for (size_t i = 0; i < names.n; i++) {
            char to[512];
            snprintf(path, sizeof path, "%s/%s", live, names.name[i]);
            snprintf(to, sizeof to, "%s/%s", after, names.name[i]);
            /* without checkpoint and mark every byte is looked at again */
            if (!strcmp(names.name[i], "checkpoint") ||
                (on_disk % 2 && !strcmp(names.name[i], "mark")))
                continue;
            copy_file(path, to);
        }
        sb_dir_names_fini(&names);
        snprintf(path, sizeof path, "%s/%020d.log", after, 0);
        flip_on_disk(w, path, bit);
        on_disk++;
    }
    printf("flips: %zu bits of a %zu byte segment with %d batches: all detected or harmless (%zu), "
           "the other batches "
           "served; %zu of them through recovery\n",
           bits, b.n, all, whole, on_disk);
    sb_free(now);
    sb_buf_fini(&b);
    sb_free(w);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *dir = argv[argc - 1];
    if (argc < 3) {
        fprintf(stderr,
                "usage: journal_crash power N SEED DIR | faults|forever|revert|flips DIR\n");
        return 2;
    }
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    snprintf(live, sizeof live, "%s/live", dir);
    snprintf(after, sizeof after, "%s/after", dir);
    if (!strcmp(what, "power") && argc == 5)
        return power(strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (!strcmp(what, "faults")) return faults(false);
    if (!strcmp(what, "forever")) return faults(true);
    if (!strcmp(what, "revert")) return revert();
    if (!strcmp(what, "flips")) return flips();
    fprintf(stderr, "unknown: %s\n", what);
    return 2;
}
