/* filter_path and pretty: the finished answer is read again and written in another shape.
 *
 * Patterns are followed together, as the set of places that a path has reached in them; so time is
 * the size of the answer times that of the patterns, also for "**.**.**". */
#include "api/search/search_int.h"

enum {
    PATTERNS_MAX = 32,
    STEPS_MAX = 32, /* of a pattern; bits of a state */
    DEPTH_MAX = 1000,
};

struct pattern {
    struct sb_str steps[STEPS_MAX];
    size_t n;
    bool exclude;
};
struct patterns {
    struct pattern list[PATTERNS_MAX];
    size_t n, includes;
};
/* Bit i of a pattern: its first i steps are behind us. */
struct states {
    uint64_t bits[PATTERNS_MAX];
};

static bool is_any_depth(struct sb_str step) {
    return sb_str_is(step, "**");
}

/* "**" may also stand for nothing. */
static uint64_t settle(const struct pattern *p, uint64_t bits) {
    for (size_t i = 0; i < p->n; i++)
        if ((bits & 1ULL << i) && is_any_depth(p->steps[i])) bits |= 1ULL << (i + 1);
    return bits;
}

static struct states step_into(const struct patterns *all, const struct states *from,
                               struct sb_str key) {
    struct states to = {{0}};
    for (size_t k = 0; k < all->n; k++) {
        const struct pattern *p = &all->list[k];
        uint64_t bits = 0;
        for (size_t i = 0; i < p->n; i++) {
            if (!(from->bits[k] & 1ULL << i)) continue;
            if (is_any_depth(p->steps[i]))
                bits |= 1ULL << i;
            else if (es_name_matches(p->steps[i], key))
                bits |= 1ULL << (i + 1);
        }
        to.bits[k] = settle(p, bits);
    }
    return to;
}

static bool reached(const struct patterns *all, const struct states *s, bool exclude) {
    for (size_t k = 0; k < all->n; k++)
        if (all->list[k].exclude == exclude && (s->bits[k] & 1ULL << all->list[k].n)) return true;
    return false;
}

/* Takes out of v what is not wanted; whether anything is left. Depth is that of the answer, which
 * its reader has bounded. */
static bool filter(const struct patterns *all, struct sb_json *v, const struct states *at,
                   bool inside) {
    if (v->type < SB_JSON_ARRAY) return inside;
    struct sb_json **tail = &v->child;
    for (struct sb_json *m = v->child; m; m = m->next) {
        struct states s = v->type == SB_JSON_OBJECT ? step_into(all, at, m->key) : *at;
        bool in = inside || (v->type == SB_JSON_OBJECT && reached(all, &s, false));
        bool keep =
            !(v->type == SB_JSON_OBJECT && reached(all, &s, true)) && filter(all, m, &s, in);
        if (!keep) {
            v->n--;
            continue;
        }
        *tail = m;
        tail = &m->next;
    }
    *tail = NULL;
    return v->n > 0 || inside;
}

static sb_err read_patterns(struct sb_str text, struct patterns *out, struct es_error *e) {
    struct sb_str one, step;
    *out = (struct patterns){.n = 0};
    while (sb_str_split(&text, ',', &one)) {
        one = sb_str_trim(one);
        if (!one.n) continue;
        if (out->n == PATTERNS_MAX)
            return es_fail_argument(e, "[filter_path]: at most %d patterns", PATTERNS_MAX);
        struct pattern *p = &out->list[out->n++];
        p->exclude = one.p[0] == '-';
        if (p->exclude) one = sb_str_sub(one, 1, one.n);
        out->includes += !p->exclude;
        while (sb_str_split(&one, '.', &step)) {
            if (p->n == STEPS_MAX)
                return es_fail_argument(e, "[filter_path]: at most %d steps", STEPS_MAX);
            p->steps[p->n++] = step;
        }
    }
    return SB_OK;
}

static void indent(struct sb_buf *b, size_t depth) {
    sb_buf_addc(b, '\n');
    for (size_t i = 0; i < depth; i++) SB_BUF_LIT(b, "  ");
}

/* Depth: see filter. */
static void add_pretty(struct sb_buf *b, const struct sb_json *v, size_t depth) {
    bool object = v->type == SB_JSON_OBJECT;
    if (v->type < SB_JSON_ARRAY || !v->child) {
        sb_json_add_tree(b, v);
        return;
    }
    sb_buf_addc(b, object ? '{' : '[');
    for (const struct sb_json *m = v->child; m; m = m->next) {
        indent(b, depth + 1);
        if (object) {
            sb_json_add_string(b, m->key);
            SB_BUF_LIT(b, " : ");
        }
        add_pretty(b, m, depth + 1);
        if (m->next) sb_buf_addc(b, ',');
    }
    indent(b, depth);
    sb_buf_addc(b, object ? '}' : ']');
}

sb_err es_shape(struct sb_buf *body, struct sb_str filter_path, bool pretty, struct es_error *e) {
    struct sb_arena a;
    struct sb_json_reader r;
    struct sb_json *v;
    struct patterns all;
    struct states start = {{0}};
    struct sb_buf out;
    SB_TRY(read_patterns(filter_path, &all, e));
    sb_arena_init(&a, 512 << 20);
    sb_json_reader_init(&r, sb_buf_view(body), &a, NULL);
    r.max_depth = DEPTH_MAX;
    r.number_max = 1 << 16;
    r.string_max = SB_LIMIT_EVENT_BYTES * 8;
    r.nonfinite = true;
    sb_err err = sb_json_parse_with(&v, &r);
    if (err) {
        sb_arena_fini(&a);
        return es_fail(e, 500, "exception", "the answer is too large to be shaped");
    }
    for (size_t k = 0; k < all.n; k++) start.bits[k] = settle(&all.list[k], 1);
    sb_buf_init(&out, body->max);
    bool any = !all.n || filter(&all, v, &start, all.includes == 0);
    if (!any)
        SB_BUF_LIT(&out, "{}");
    else if (pretty)
        add_pretty(&out, v, 0);
    else
        sb_json_add_tree(&out, v);
    if (pretty) sb_buf_addc(&out, '\n');
    sb_arena_fini(&a);
    sb_buf_fini(body);
    *body = out;
    return SB_OK;
}
