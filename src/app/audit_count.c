#include "app/audit_count.h"

#include <stdio.h>

#include "app/client.h"
#include "app/datadir.h"
#include "base/clock.h"
#include "codec/time.h"
#include "sys/file.h"

enum {
    BODY_MAX = 1 << 20,
    TREE_MAX = 512 << 20,
    WINDOW_HOURS = 168, /* asked for at once: the API bounds the buckets of an answer */
    IDS_MAX = 512,      /* asked for at once */
};

#define PATIENCE_NS (15 * SB_SEC) /* for an index that does not get on any more */
#define LOOK_NS     (100 * SB_MS)

void sb_audit_count_init(struct sb_audit_count *c, struct sb_config *config) {
    *c = (struct sb_audit_count){.config = config, .before_ms = sb_wall_ms()};
    sb_tally_init(&c->tally);
}

void sb_audit_count_fini(struct sb_audit_count *c) {
    if (c->source.ops) sb_event_source_close(&c->source);
    sb_search_client_fini(&c->search);
    sb_tally_fini(&c->tally);
}

bool sb_audit_group_counts(const struct sb_tally_group *g) {
    return g->journalled || g->indexed || g->lost;
}

bool sb_audit_group_equal(const struct sb_audit_count *c, const struct sb_tally_group *g) {
    return !g->lost && (c->journal_only || g->journalled == g->indexed);
}

bool sb_audit_count_equal(const struct sb_audit_count *c) {
    for (size_t i = 0; i < c->tally.n; i++)
        if (!sb_audit_group_equal(c, c->tally.group[i])) return false;
    return true;
}

/* ---- the journal ---- */

/* What is there now, from where the reading before ended. */
static sb_err read_journal(struct sb_audit_count *c) {
    struct sb_event_record r;
    int64_t first, next;
    sb_err err;
    SB_TRY(c->source.ops->range(c->source.self, &first, &next));
    while ((err = c->source.ops->next(c->source.self, &r)) == SB_OK) {
        sb_tally_add(&c->tally, r.json, c->before_ms);
        if (c->progress && r.offset % 100000 == 0 && next > first)
            fprintf(stderr, "\rjournal: %lld %% ",
                    (long long)((r.offset - first) * 100 / (next - first)));
        if (r.offset + 1 >= next) break;
    }
    if (c->progress) fprintf(stderr, "\r%30s\r", "");
    return err == SB_E_END ? SB_OK : err;
}

static sb_err open_journal(struct sb_audit_count *c, struct sb_errctx *ctx) {
    const char *dir = sb_datadir_path(&c->config->arena, c->config->data, SB_DATADIR_PREDICTIONS);
    int64_t first, next;
    if (!sb_file_exists(dir))
        return sb_fail(ctx, SB_E_MISSING, "no events in %s: name the data folder with --data",
                       c->config->data);
    SB_TRY(sb_event_source_journal(&c->source, dir, ctx));
    SB_TRY(c->source.ops->range(c->source.self, &first, &next));
    c->tally.whole = first == 0;
    return c->source.ops->seek(c->source.self, first);
}

/* ---- the index ---- */

/* One terms aggregation around what `inner` names. */
static void open_terms(struct sb_json_writer *w, const char *name, const char *field) {
    sb_json_obj(w, "aggs");
    sb_json_obj(w, name);
    sb_json_obj(w, "terms");
    sb_json_str(w, "field", sb_str_of(field));
    sb_json_str(w, "missing", SB_STR("-"));
    sb_json_int(w, "size", 1000);
    sb_json_end(w);
}

static void write_range(struct sb_json_writer *w, int64_t from_ms, int64_t to_ms) {
    sb_json_obj(w, "range");
    sb_json_obj(w, "@timestamp");
    sb_json_str(w, "format", SB_STR("epoch_millis"));
    sb_json_int(w, "gte", from_ms);
    sb_json_int(w, "lt", to_ms);
    sb_json_end(w);
    sb_json_end(w);
}

/* route > model > version > hour, each a bucket list named "x". */
static void write_counts(struct sb_buf *b, int64_t from_ms, int64_t to_ms) {
    struct sb_json_writer w = {.b = b};
    sb_buf_reset(b);
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "size", 0);
    sb_json_obj(&w, "query");
    write_range(&w, from_ms, to_ms);
    sb_json_end(&w);
    open_terms(&w, "x", "route.keyword");
    open_terms(&w, "x", "model.keyword");
    open_terms(&w, "x", "model_version.keyword");
    sb_json_obj(&w, "aggs");
    sb_json_obj(&w, "x");
    sb_json_obj(&w, "date_histogram");
    sb_json_str(&w, "field", SB_STR("@timestamp"));
    sb_json_str(&w, "fixed_interval", SB_STR("1h"));
    sb_json_int(&w, "min_doc_count", 1);
    for (int i = 0; i < 3 + 3 * 2 + 1; i++) sb_json_end(&w);
}

static const struct sb_json *buckets_of(const struct sb_json *o) {
    const struct sb_json *b = sb_json_get(sb_json_get(o, "x"), "buckets");
    return b ? b->child : NULL;
}

/* Adds an answer's counts to the groups. */
static void take_counts(struct sb_audit_count *c, const struct sb_json *doc) {
    const struct sb_json *aggs = sb_json_get(doc, "aggregations");
    for (const struct sb_json *r = buckets_of(aggs); r; r = r->next)
        for (const struct sb_json *m = buckets_of(r); m; m = m->next)
            for (const struct sb_json *v = buckets_of(m); v; v = v->next)
                for (const struct sb_json *h = buckets_of(v); h; h = h->next) {
                    int64_t hour = 0, n = 0;
                    if (!sb_json_get_i64(h, "key", &hour) || !sb_json_get_i64(h, "doc_count", &n))
                        continue;
                    sb_tally_group(&c->tally, sb_client_text(r, "key"), sb_client_text(m, "key"),
                                   sb_client_text(v, "key"), hour)
                        ->indexed += n;
                }
}

static sb_err ask_index(struct sb_audit_count *c, struct sb_errctx *ctx) {
    int64_t first = c->before_ms, window = (int64_t)WINDOW_HOURS * SB_TALLY_HOUR_MS;
    struct sb_buf body;
    sb_err err = SB_OK;
    sb_tally_index_reset(&c->tally);
    for (size_t i = 0; i < c->tally.n; i++)
        if (c->tally.group[i]->hour_ms < first) first = c->tally.group[i]->hour_ms;
    sb_buf_init(&body, BODY_MAX);
    for (int64_t at = first; at < c->before_ms && !err; at += window) {
        struct sb_arena a;
        const struct sb_json *doc;
        int64_t to = at + window < c->before_ms ? at + window : c->before_ms;
        sb_arena_init(&a, TREE_MAX);
        write_counts(&body, at, to);
        err = sb_search_client_call(&c->search, c->config, "POST", "/predictions/_search",
                                    sb_buf_view(&body), &a, &doc, ctx);
        if (!err) take_counts(c, doc);
        sb_arena_fini(&a);
    }
    sb_buf_fini(&body);
    return err;
}

static void add_up(struct sb_audit_count *c) {
    c->journalled = c->indexed = c->lost = 0;
    c->ngaps = sb_tally_gaps(&c->tally, &c->gap);
    for (size_t i = 0; i < c->tally.n; i++) {
        c->journalled += c->tally.group[i]->journalled;
        c->indexed += c->tally.group[i]->indexed;
        c->lost += c->tally.group[i]->lost;
    }
}

static bool index_equal(const struct sb_audit_count *c) {
    for (size_t i = 0; i < c->tally.n; i++)
        if (c->tally.group[i]->journalled != c->tally.group[i]->indexed) return false;
    return true;
}

/* ---- which events the index lacks ---- */

struct lookup {
    struct sb_audit_count *c;
    struct sb_arena arena;
    struct sb_str id[IDS_MAX];
    size_t n;
};

static sb_err count_ids(struct lookup *l, size_t from, size_t to, int64_t *found,
                        struct sb_errctx *ctx) {
    struct sb_arena a;
    struct sb_buf body;
    const struct sb_json *doc;
    sb_arena_init(&a, TREE_MAX);
    sb_buf_init(&body, BODY_MAX);
    struct sb_json_writer w = {.b = &body};
    sb_json_obj(&w, NULL);
    sb_json_obj(&w, "query");
    sb_json_obj(&w, "ids");
    sb_json_arr(&w, "values");
    for (size_t i = from; i < to; i++) sb_json_str(&w, NULL, l->id[i]);
    for (int i = 0; i < 4; i++) sb_json_end(&w);
    sb_err err = sb_search_client_call(&l->c->search, l->c->config, "POST", "/predictions/_count",
                                       sb_buf_view(&body), &a, &doc, ctx);
    if (!err && !sb_json_get_i64(doc, "count", found)) err = SB_E_STATE;
    sb_buf_fini(&body);
    sb_arena_fini(&a);
    return err;
}

/* Halves the list until single ids are left. */
static sb_err find_ids(struct lookup *l, size_t from, size_t to, int depth, struct sb_errctx *ctx) {
    struct sb_audit_count *c = l->c;
    int64_t found = 0;
    if (from == to || c->nmissing == SB_AUDIT_MISSING_MAX || depth > 16) return SB_OK;
    SB_TRY(count_ids(l, from, to, &found, ctx));
    if (found >= (int64_t)(to - from)) return SB_OK;
    if (to - from == 1) {
        c->missing[c->nmissing++] = sb_arena_dup(&c->tally.arena, l->id[from]);
        return SB_OK;
    }
    size_t mid = from + (to - from) / 2;
    SB_TRY(find_ids(l, from, mid, depth + 1, ctx));
    return find_ids(l, mid, to, depth + 1, ctx);
}

/* The event belongs to a group in which the index finds fewer. */
static bool suspect(struct sb_audit_count *c, const struct sb_json *e) {
    int64_t ns;
    if (!sb_time_parse(sb_client_text(e, "@timestamp"), &ns) || ns / SB_MS >= c->before_ms)
        return false;
    const struct sb_tally_group *g =
        sb_tally_group(&c->tally, sb_client_text(e, "route"), sb_client_text(e, "model"),
                       sb_client_text(e, "model_version"), ns / SB_MS);
    return g->indexed < g->journalled;
}

static sb_err list_missing(struct sb_audit_count *c, struct sb_errctx *ctx) {
    struct lookup l = {.c = c};
    struct sb_event_record r;
    struct sb_arena doc;
    sb_err err, asked = SB_OK;
    SB_TRY(c->source.ops->seek(c->source.self, 0));
    sb_arena_init(&l.arena, TREE_MAX);
    sb_arena_init(&doc, TREE_MAX);
    while (!asked && c->nmissing < SB_AUDIT_MISSING_MAX &&
           (err = c->source.ops->next(c->source.self, &r)) == SB_OK) {
        struct sb_json *e;
        sb_arena_reset(&doc);
        if (sb_json_parse(&e, r.json, &doc, NULL) != SB_OK || !suspect(c, e)) continue;
        l.id[l.n++] = sb_arena_dup(&l.arena, sb_client_text(e, "event_id"));
        if (l.n < IDS_MAX) continue;
        asked = find_ids(&l, 0, l.n, 0, ctx);
        sb_arena_reset(&l.arena);
        l.n = 0;
    }
    if (!asked) asked = find_ids(&l, 0, l.n, 0, ctx);
    sb_arena_fini(&l.arena);
    sb_arena_fini(&doc);
    return asked;
}

/* ---- all of it ---- */

/* An index is some moments behind, or being built anew: as long as it gets on, it is waited for. */
static sb_err compare(struct sb_audit_count *c, struct sb_errctx *ctx) {
    int64_t last = -1, until = 0;
    for (;;) {
        SB_TRY(ask_index(c, ctx));
        add_up(c);
        if (index_equal(c)) return SB_OK;
        int64_t now = sb_mono_ns();
        if (c->indexed != last) until = now + PATIENCE_NS;
        if (now > until) return list_missing(c, ctx);
        last = c->indexed;
        if (c->progress)
            fprintf(stderr, "\rindex: %lld of %lld ", (long long)c->indexed,
                    (long long)c->journalled);
        sb_sleep_ns(LOOK_NS);
        SB_TRY(read_journal(c));
    }
}

sb_err sb_audit_count_run(struct sb_audit_count *c, struct sb_errctx *ctx) {
    SB_TRY(open_journal(c, ctx));
    SB_TRY(read_journal(c));
    sb_err err = SB_OK;
    if (c->journal_only)
        add_up(c);
    else
        err = compare(c, ctx);
    sb_tally_sort(&c->tally);
    return err;
}
