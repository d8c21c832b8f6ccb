/* A search over all segments of a snapshot, block by block. */
#include "base/clock.h"
#include "engine/column/search_int.h"

enum { MEMORY_DEFAULT = 256 << 20 };

static void work_init(struct sb_work *w, const struct sb_column_snapshot *snap, size_t memory,
                      struct sb_errctx *ctx) {
    if (!memory) memory = MEMORY_DEFAULT;
    *w = (struct sb_work){.snap = snap, .ctx = ctx};
    sb_arena_init(&w->arena, memory);
    sb_arena_init(&w->plan, memory);
}

static void work_fini(struct sb_work *w) {
    sb_arena_fini(&w->arena);
    sb_arena_fini(&w->plan);
}

/* ---- blocks ---- */

/* The documents of one block that match. */
struct block {
    uint32_t first, n; /* documents of the block */
    enum sb_some some;
    uint64_t bits[SB_BLOCK_WORDS];
};

static uint32_t count_bits(const struct block *b) {
    uint32_t n = 0;
    if (b->some == SB_SOME_NONE) return 0;
    if (b->some == SB_SOME_ALL) return b->n;
    for (uint32_t i = 0; i < (b->n + 63) / 64; i++) n += (uint32_t)__builtin_popcountll(b->bits[i]);
    return n;
}

static uint32_t docs_of(const struct block *b, uint32_t *doc) {
    uint32_t n = 0;
    if (b->some == SB_SOME_ALL) {
        sb_kernel_count(b->first, b->n, doc);
        return b->n;
    }
    for (uint32_t i = 0; i < (b->n + 63) / 64; i++)
        for (uint64_t w = b->bits[i]; w; w &= w - 1)
            doc[n++] = b->first + i * 64 + (uint32_t)__builtin_ctzll(w);
    return n;
}

/* ---- one search ---- */

struct search {
    struct sb_work w;
    const struct sb_search *q;
    struct sb_topk_spec spec;
    struct sb_topk top;
    struct sb_topk_scan *scan;
    struct sb_aggs *aggs;
    uint64_t total;
    uint32_t doc[SB_COLUMN_BLOCK];
};

static const uint32_t no_groups[SB_COLUMN_BLOCK];
static const struct sb_sort newest_first = {.by = SB_SORT_OFFSET, .descending = true};

static sb_err take_hits(struct search *s, const struct block *b, uint32_t n, bool last_first) {
    if (!sb_topk_block_may(s->scan, &s->top, b->first)) return SB_OK;
    for (uint32_t i = 0; i < n; i++)
        SB_TRY(sb_topk_add(&s->top, s->scan, &s->w, s->doc[last_first ? n - 1 - i : i]));
    return SB_OK;
}

static sb_err search_block(struct search *s, const struct block *b, bool last_first) {
    uint32_t n = count_bits(b);
    s->total += n;
    if (!n || (!s->spec.k && !s->aggs)) return SB_OK;
    docs_of(b, s->doc);
    if (s->aggs) {
        struct sb_rows rows = {.doc = s->doc, .group = no_groups, .n = n, .one = true};
        rows.run = s->doc[n - 1] - s->doc[0] + 1 == n;
        SB_TRY(sb_aggs_rows(s->aggs, &rows));
    }
    return s->spec.k ? take_hits(s, b, n, last_first) : SB_OK;
}

/* Nothing that is left can change the result. */
static bool enough(const struct search *s, const struct sb_column_segment *g) {
    if (s->aggs || s->total <= s->q->track_total) return false;
    if (s->top.n < s->spec.k) return false;
    return !s->spec.k || (s->spec.sort[0].by == SB_SORT_OFFSET && s->spec.sort[0].descending && g);
}

static sb_err search_segment(struct search *s, const struct sb_column_segment *g, bool backwards) {
    struct sb_filter *f;
    sb_arena_reset(&s->w.plan);
    SB_TRY(sb_filter_new(&f, &s->w, g, s->q->query));
    enum sb_some whole = sb_filter_whole(f);
    if (whole == SB_SOME_NONE) return SB_OK;
    if (whole == SB_SOME_ALL && !s->aggs && !s->spec.k) {
        s->total += g->docs;
        return SB_OK;
    }
    SB_TRY(sb_topk_scan_new(&s->scan, &s->w, &s->spec, g));
    if (s->aggs) SB_TRY(sb_aggs_segment(s->aggs, g));
    uint32_t nblocks = (g->docs + SB_COLUMN_BLOCK - 1) / SB_COLUMN_BLOCK;
    for (uint32_t i = 0; i < nblocks; i++) {
        struct block b;
        b.first = (backwards ? nblocks - 1 - i : i) * SB_COLUMN_BLOCK;
        b.n = g->docs - b.first < SB_COLUMN_BLOCK ? g->docs - b.first : SB_COLUMN_BLOCK;
        b.some = whole == SB_SOME_ALL ? whole : sb_filter_block(f, b.first, b.n, b.bits);
        if (i % 8 == 0) SB_TRY(sb_work_check(&s->w));
        SB_TRY(search_block(s, &b, backwards));
        if (backwards && enough(s, g)) break;
    }
    return s->aggs ? sb_aggs_segment_end(s->aggs) : SB_OK;
}

/* Documents come in the order of the topic; an order that wants the newest first finds them sooner
 * from the end. */
static bool from_the_end(const struct search *s) {
    const struct sb_sort *k = &s->spec.sort[0];
    if (!s->spec.nsort || !k->descending) return false;
    return k->by == SB_SORT_OFFSET || k->field == sb_column_time_field(s->w.snap);
}

static sb_err search_all(struct search *s) {
    bool backwards = from_the_end(s);
    size_t n = sb_column_segment_count(s->w.snap);
    for (size_t i = 0; i < n; i++) {
        const struct sb_column_segment *g =
            sb_column_segment_at(s->w.snap, backwards ? n - 1 - i : i);
        SB_TRY(sb_work_check(&s->w));
        SB_TRY(search_segment(s, g, backwards));
        if (enough(s, backwards ? g : NULL)) break;
    }
    return SB_OK;
}

static sb_err search_check(struct search *s) {
    if ((uint64_t)s->q->from + s->q->size > SB_SEARCH_WINDOW_MAX)
        return sb_fail(s->w.ctx, SB_E_LIMIT, "from + size is more than %d", SB_SEARCH_WINDOW_MAX);
    SB_TRY(sb_query_check(&s->w, s->q->query));
    return s->q->naggs ? sb_aggs_new(&s->aggs, &s->w, s->q->aggs, s->q->naggs) : SB_OK;
}

static sb_err search_result(struct search *s, struct sb_search_result *out) {
    struct sb_search_result r = {.total = s->total};
    if (r.total > s->q->track_total) {
        r.total = s->q->track_total;
        r.total_is_lower_bound = true;
    }
    SB_TRY(sb_topk_finish(&s->top, &s->w, s->q->from, &r.hits, &r.nhits));
    if (s->aggs) SB_TRY(sb_aggs_finish(s->aggs, &r.aggs));
    *out = r;
    return SB_OK;
}

sb_err sb_search_run(const struct sb_column_snapshot *snap, const struct sb_search *q,
                     struct sb_arena *arena, struct sb_search_result *out, struct sb_errctx *ctx) {
    struct search *s;
    struct sb_work w;
    work_init(&w, snap, q->memory_max, ctx);
    s = sb_arena_zalloc(&w.arena, sizeof *s);
    s->w = w;
    s->w.out = arena;
    s->w.deadline_ns = q->deadline_ns;
    if (q->cpu_ns) s->w.cpu_end_ns = sb_thread_cpu_ns() + q->cpu_ns;
    s->w.cancel = q->cancel;
    s->q = q;
    s->spec = (struct sb_topk_spec){.sort = q->nsort ? q->sort : &newest_first,
                                    .nsort = q->nsort ? q->nsort : 1,
                                    .k = q->size ? q->from + q->size : 0,
                                    .after = q->after,
                                    .after_has = q->after_has};
    s->top.spec = &s->spec;
    sb_err err = search_check(s);
    if (!err) err = search_all(s);
    if (!err) err = search_result(s, out);
    w = s->w;
    work_fini(&w);
    return err;
}

/* ---- counting and listing ---- */

/* Calls fn with each block that has documents; fn says *stop. */
struct visit {
    sb_err (*fn)(struct visit *v, const struct sb_column_segment *g, const struct block *b,
                 bool *stop);
    int64_t from; /* offsets below it are not wanted; INT64_MIN = all */
    uint64_t most, count;
    int64_t *offsets;
};

static sb_err visit_segment(struct visit *v, struct sb_work *w, const struct sb_column_segment *g,
                            const struct sb_query *q, bool *stop) {
    struct sb_filter *f;
    sb_arena_reset(&w->plan);
    SB_TRY(sb_filter_new(&f, w, g, q));
    enum sb_some whole = sb_filter_whole(f);
    if (whole == SB_SOME_NONE) return SB_OK;
    for (uint32_t first = 0; first < g->docs && !*stop; first += SB_COLUMN_BLOCK) {
        struct block b;
        b.first = first;
        b.n = g->docs - first < SB_COLUMN_BLOCK ? g->docs - first : SB_COLUMN_BLOCK;
        if (sb_column_i64(g->offsets, first + b.n - 1) < v->from) continue;
        b.some = whole == SB_SOME_ALL ? whole : sb_filter_block(f, first, b.n, b.bits);
        if (b.some != SB_SOME_NONE) SB_TRY(v->fn(v, g, &b, stop));
    }
    return SB_OK;
}

static sb_err visit_all(struct visit *v, const struct sb_column_snapshot *snap,
                        const struct sb_query *q, struct sb_errctx *ctx) {
    struct sb_work w;
    work_init(&w, snap, 0, ctx);
    bool stop = false;
    sb_err err = sb_query_check(&w, q);
    for (size_t i = 0; !err && !stop && i < sb_column_segment_count(snap); i++) {
        const struct sb_column_segment *g = sb_column_segment_at(snap, i);
        if (g->next_offset > v->from) err = visit_segment(v, &w, g, q, &stop);
    }
    work_fini(&w);
    return err;
}

static sb_err count_block(struct visit *v, const struct sb_column_segment *g, const struct block *b,
                          bool *stop) {
    SB_UNUSED(g);
    v->count += count_bits(b);
    if (v->count >= v->most) {
        v->count = v->most;
        *stop = true;
    }
    return SB_OK;
}

sb_err sb_search_count(const struct sb_column_snapshot *s, const struct sb_query *q, uint64_t most,
                       uint64_t *out, struct sb_errctx *ctx) {
    struct visit v = {.fn = count_block, .from = INT64_MIN, .most = most};
    SB_TRY(visit_all(&v, s, q, ctx));
    *out = v.count;
    return SB_OK;
}

static sb_err offsets_block(struct visit *v, const struct sb_column_segment *g,
                            const struct block *b, bool *stop) {
    uint32_t doc[SB_COLUMN_BLOCK], n = docs_of(b, doc);
    for (uint32_t i = 0; i < n && v->count < v->most; i++) {
        int64_t offset = sb_column_i64(g->offsets, doc[i]);
        if (offset >= v->from) v->offsets[v->count++] = offset;
    }
    *stop = v->count == v->most;
    return SB_OK;
}

sb_err sb_search_offsets(const struct sb_column_snapshot *s, const struct sb_query *q, int64_t from,
                         int64_t *offsets, size_t n, size_t *found, struct sb_errctx *ctx) {
    struct visit v = {.fn = offsets_block, .from = from, .most = n, .offsets = offsets};
    if (n) SB_TRY(visit_all(&v, s, q, ctx));
    *found = v.count;
    return SB_OK;
}
