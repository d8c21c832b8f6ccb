#include "domain/audit/tally.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/time.h"
#include "domain/event/event.h"

enum { TEXT_MAX = 4096 };

/* Numbers [from, to) that are there. */
struct run {
    uint64_t from, to;
    struct sb_tally_group *group; /* of the event `from` */
    int64_t from_ms;              /* when that was written */
};

struct sb_tally_life {
    uint64_t life;
    struct run *run; /* ascending, apart from each other */
    size_t n, cap;
    int64_t last_ms;
};

void sb_tally_init(struct sb_tally *t) {
    *t = (struct sb_tally){0};
    sb_arena_init(&t->arena, SIZE_MAX);
    sb_map_init(&t->by_key);
}

void sb_tally_fini(struct sb_tally *t) {
    for (size_t i = 0; i < t->nlives; i++) sb_free(t->life[i].run);
    sb_free(t->life);
    sb_free(t->group);
    sb_map_fini(&t->by_key, NULL);
    sb_arena_fini(&t->arena);
}

/* ---- groups ---- */

static struct sb_str or_dash(struct sb_str s) {
    return s.n ? sb_str_sub(s, 0, 512) : SB_STR("-");
}

struct sb_tally_group *sb_tally_group(struct sb_tally *t, struct sb_str route, struct sb_str model,
                                      struct sb_str version, int64_t wall_ms) {
    int64_t hour = wall_ms - (wall_ms % SB_TALLY_HOUR_MS + SB_TALLY_HOUR_MS) % SB_TALLY_HOUR_MS;
    struct sb_str part[] = {or_dash(route), or_dash(model), or_dash(version)};
    struct sb_buf key;
    sb_buf_init(&key, TEXT_MAX);
    for (size_t i = 0; i < SB_COUNT(part); i++) {
        sb_buf_adds(&key, part[i]);
        sb_buf_addc(&key, 0);
    }
    sb_buf_addi(&key, hour);
    struct sb_tally_group *g = sb_map_get(&t->by_key, sb_buf_view(&key));
    if (!g) {
        g = sb_arena_zalloc(&t->arena, sizeof *g);
        *g = (struct sb_tally_group){.route = sb_arena_dup(&t->arena, part[0]),
                                     .model = sb_arena_dup(&t->arena, part[1]),
                                     .version = sb_arena_dup(&t->arena, part[2]),
                                     .hour_ms = hour};
        sb_map_put(&t->by_key, sb_buf_view(&key), g);
        if (t->n == t->cap) {
            t->cap = t->cap ? t->cap * 2 : 64;
            t->group = sb_realloc(t->group, t->cap * sizeof(struct sb_tally_group *));
        }
        t->group[t->n++] = g;
    }
    sb_buf_fini(&key);
    return g;
}

void sb_tally_index_reset(struct sb_tally *t) {
    for (size_t i = 0; i < t->n; i++) t->group[i]->indexed = 0;
}

static int by_name(const void *x, const void *y) {
    const struct sb_tally_group *a = *(struct sb_tally_group *const *)x,
                                *b = *(struct sb_tally_group *const *)y;
    int d = sb_str_cmp(a->route, b->route);
    if (!d) d = sb_str_cmp(a->model, b->model);
    if (!d && a->version.n != b->version.n) d = a->version.n < b->version.n ? -1 : 1; /* 9, 10 */
    if (!d) d = sb_str_cmp(a->version, b->version);
    if (!d) d = a->hour_ms < b->hour_ms ? -1 : a->hour_ms > b->hour_ms;
    return d;
}

void sb_tally_sort(struct sb_tally *t) {
    if (t->n) qsort(t->group, t->n, sizeof(struct sb_tally_group *), by_name);
}

/* ---- numbers ---- */

static struct sb_tally_life *life_of(struct sb_tally *t, uint64_t life) {
    size_t i = t->nlives;
    while (i && t->life[i - 1].life > life) i--;
    if (i && t->life[i - 1].life == life) return &t->life[i - 1];
    if (t->nlives == t->lives_cap) {
        t->lives_cap = t->lives_cap ? t->lives_cap * 2 : 16;
        t->life = sb_realloc(t->life, t->lives_cap * sizeof *t->life);
    }
    memmove(t->life + i + 1, t->life + i, (t->nlives++ - i) * sizeof *t->life);
    t->life[i] = (struct sb_tally_life){.life = life};
    return &t->life[i];
}

/* Events come nearly in order, so the place is looked for from the end. */
static void add_number(struct sb_tally_life *l, uint64_t k, struct sb_tally_group *g, int64_t ms) {
    size_t i = l->n;
    if (ms > l->last_ms) l->last_ms = ms;
    while (i && l->run[i - 1].from > k) i--;
    struct run *before = i ? &l->run[i - 1] : NULL, *after = i < l->n ? &l->run[i] : NULL;
    if (before && k < before->to) return; /* told twice: a damaged mark let a life begin again */
    bool joins_before = before && before->to == k, joins_after = after && after->from == k + 1;
    if (joins_before) before->to++;
    if (joins_before && joins_after) {
        before->to = after->to;
        memmove(after, after + 1, (--l->n - i) * sizeof *after);
    } else if (joins_after) {
        after->from = k;
        after->group = g;
        after->from_ms = ms;
    } else if (!joins_before) {
        if (l->n == l->cap) {
            l->cap = l->cap ? l->cap * 2 : 4;
            l->run = sb_realloc(l->run, l->cap * sizeof *l->run);
        }
        memmove(l->run + i + 1, l->run + i, (l->n++ - i) * sizeof *l->run);
        l->run[i] = (struct run){k, k + 1, g, ms};
    }
}

size_t sb_tally_gaps(struct sb_tally *t, struct sb_tally_gap **out) {
    size_t n = 0, most = 0;
    for (size_t i = 0; i < t->n; i++) t->group[i]->lost = 0;
    for (size_t i = 0; i < t->nlives; i++) most += t->life[i].n;
    struct sb_tally_gap *gap = sb_arena_alloc(&t->arena, (most + 1) * sizeof *gap);
    for (size_t i = 0; i < t->nlives; i++) {
        const struct sb_tally_life *l = &t->life[i];
        for (size_t k = 0; k < l->n; k++) {
            const struct run *r = &l->run[k];
            uint64_t from = k ? r[-1].to : 0;
            bool known = k || i || t->whole, over = r->from_ms < l->last_ms - SB_TALLY_IN_FLIGHT_MS;
            if (from == r->from || !known || !over) continue;
            gap[n++] = (struct sb_tally_gap){l->life, from, r->from, r->group};
            r->group->lost += (int64_t)(r->from - from);
        }
    }
    *out = gap;
    return n;
}

/* ---- documents ---- */

struct fields {
    struct sb_str at, route, model, version;
    double seq, duration;
    struct sb_str seq_token;
};

static sb_err read_fields(struct sb_json_reader *r, struct fields *f) {
    struct sb_str key, raw;
    SB_TRY(sb_json_enter_object(r));
    for (bool more;;) {
        SB_TRY(sb_json_next_key(r, &key, &more));
        if (!more) return SB_OK;
        struct sb_str *text = sb_str_is(key, "@timestamp")      ? &f->at
                              : sb_str_is(key, "route")         ? &f->route
                              : sb_str_is(key, "model")         ? &f->model
                              : sb_str_is(key, "model_version") ? &f->version
                                                                : NULL;
        if (text)
            SB_TRY(sb_json_read_string(r, text));
        else if (sb_str_is(key, "seq"))
            SB_TRY(sb_json_read_double(r, &f->seq, &f->seq_token));
        else if (sb_str_is(key, "duration"))
            SB_TRY(sb_json_read_double(r, &f->duration, NULL));
        else
            SB_TRY(sb_json_skip(r, &raw));
    }
}

void sb_tally_add(struct sb_tally *t, struct sb_str json, int64_t before_ms) {
    struct sb_json_reader r;
    struct sb_arena arena;
    struct fields f = {.seq = -1};
    int64_t ns;
    sb_arena_init(&arena, 4 * SB_LIMIT_EVENT_BYTES);
    sb_json_reader_init(&r, json, &arena, NULL);
    if (read_fields(&r, &f) != SB_OK || !sb_time_parse(f.at, &ns)) {
        t->skipped++;
        sb_arena_fini(&arena);
        return;
    }
    int64_t ms = ns / 1000000;
    struct sb_tally_group *g = sb_tally_group(t, f.route, f.model, f.version, ms);
    uint64_t seq;
    if (ms < before_ms) g->journalled++;
    if (f.seq_token.n && sb_str_to_u64(f.seq_token, &seq)) {
        uint64_t life = seq >> SB_EVENT_SEQ_BITS;
        int64_t written =
            ms + (f.duration > 0 && f.duration < 1e6 ? (int64_t)(f.duration * 1e3) : 0);
        /* programs before the numbering of lives began at 0 each time */
        if (life) add_number(life_of(t, life), seq - (life << SB_EVENT_SEQ_BITS), g, written);
    }
    sb_arena_fini(&arena);
}
