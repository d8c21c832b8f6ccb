/* Regular expressions by derivatives.
 *
 * The derivative of an expression by a character matches what may follow that character
 * (Brzozowski, "Derivatives of Regular Expressions", JACM 1964). So an expression is its own
 * automaton: states are expressions, made when a string first leads to them, and complement and
 * intersection cost no more than alternatives. Equal expressions are one node (they are interned),
 * alternatives are sorted sets, and a sequence is spread over the alternatives before it
 * (Antimirov, "Partial derivatives", TCS 1996): that keeps the states few. Characters that no part
 * of the pattern tells apart are one class. Each step of a string is one look-up once its state is
 * known; all states together are bounded by STATE_BYTES. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/column/pattern_int.h"

enum {
    DEPTH_MAX = 100, /* of parentheses */
    REPEAT_MAX = 1000 /* in {n,m} */,
    STATE_BYTES = 16 << 20,
    INFINITE = UINT16_MAX,
    INTERVAL_DIGITS = 10,
    LAST_CHAR = 0x10ffff,
};

enum op { OP_FREE, OP_EMPTY, OP_END, OP_SET, OP_CAT, OP_ALT, OP_AND, OP_NOT, OP_REPEAT };
enum { NODE_EMPTY = 1, NODE_END = 2 }; /* matches nothing; matches the empty string */

struct node {
    uint8_t op;
    bool nullable;
    uint16_t min, max; /* REPEAT */
    uint32_t a, b;     /* parts; SET: which set */
    const uint32_t *list;
    uint32_t n;     /* ALT, AND */
    uint32_t *next; /* by class; 0 = not known */
};

struct range {
    uint32_t from, to;
};
struct set {
    struct range *ranges;
    uint32_t n, cap;
    bool negated;
    uint8_t *classes; /* a byte each */
};

struct sb_pattern {
    struct sb_arena *a;
    size_t used; /* of STATE_BYTES */
    bool full, ignore_case;
    struct node *nodes;
    uint32_t n, cap;
    uint32_t *table; /* interned nodes, by hash */
    uint32_t table_size;
    struct set *sets;
    uint32_t nsets, sets_cap;
    uint32_t *starts; /* first character of each class, ascending */
    uint32_t nclasses;
    uint16_t ascii[128];
    uint32_t root, any; /* any: every string */
};

/* ---- nodes ---- */

static void *take(struct sb_pattern *p, size_t n) {
    if (p->used + n > STATE_BYTES) {
        p->full = true;
        return NULL;
    }
    void *m = sb_arena_try_array(p->a, n, 1);
    if (!m) p->full = true;
    p->used += n;
    return m;
}

static void *grow(struct sb_pattern *p, const void *old, uint32_t *cap, size_t size) {
    uint32_t n = *cap ? *cap * 2 : 16;
    void *m = take(p, n * size);
    if (!m) return NULL;
    if (*cap) memcpy(m, old, *cap * size);
    *cap = n;
    return m;
}

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t hash(const struct node *x) {
    uint64_t h = mix(x->op, (uint64_t)x->min << 16 | x->max);
    h = mix(mix(h, x->a), x->b);
    for (uint32_t i = 0; i < x->n; i++) h = mix(h, x->list[i]);
    return h;
}

static bool same(const struct node *x, const struct node *y) {
    return x->op == y->op && x->min == y->min && x->max == y->max && x->a == y->a && x->b == y->b &&
           x->n == y->n && (!x->n || !memcmp(x->list, y->list, x->n * sizeof *x->list));
}

static bool rehash(struct sb_pattern *p) {
    uint32_t size = p->table_size ? p->table_size * 2 : 64;
    uint32_t *t = take(p, size * sizeof *t);
    if (!t) return false;
    for (uint32_t i = 1; i < p->n; i++) {
        uint32_t at = (uint32_t)hash(&p->nodes[i]) & (size - 1);
        while (t[at]) at = (at + 1) & (size - 1);
        t[at] = i;
    }
    p->table = t;
    p->table_size = size;
    return true;
}

/* The one node that equals x; its list is copied. NODE_EMPTY when memory is out (p->full). */
static uint32_t intern(struct sb_pattern *p, struct node x) {
    if ((p->n + 1) * 2 > p->table_size && !rehash(p)) return NODE_EMPTY;
    uint32_t at = (uint32_t)hash(&x) & (p->table_size - 1);
    for (; p->table[at]; at = (at + 1) & (p->table_size - 1))
        if (same(&p->nodes[p->table[at]], &x)) return p->table[at];
    if (p->n == p->cap) {
        struct node *m = grow(p, p->nodes, &p->cap, sizeof *m);
        if (!m) return NODE_EMPTY;
        p->nodes = m;
    }
    if (x.n) {
        uint32_t *list = take(p, x.n * sizeof *list);
        if (!list) return NODE_EMPTY;
        memcpy(list, x.list, x.n * sizeof *list);
        x.list = list;
    }
    p->nodes[p->n] = x;
    p->table[at] = p->n;
    return p->n++;
}

static bool nullable(const struct sb_pattern *p, uint32_t x) {
    return p->nodes[x].nullable;
}

static uint32_t make_repeat(struct sb_pattern *p, uint32_t a, uint32_t min, uint32_t max) {
    if (max == 0 || a == NODE_END) return NODE_END;
    if (a == NODE_EMPTY) return min ? NODE_EMPTY : NODE_END;
    if (min == 1 && max == 1) return a;
    const struct node *x = &p->nodes[a];
    if (x->op == OP_REPEAT && x->min == 0 && x->max == INFINITE) return a;
    return intern(p, (struct node){.op = OP_REPEAT,
                                   .a = a,
                                   .min = (uint16_t)min,
                                   .max = (uint16_t)max,
                                   .nullable = min == 0 || x->nullable});
}

static uint32_t make_not(struct sb_pattern *p, uint32_t a) {
    if (p->nodes[a].op == OP_NOT) return p->nodes[a].a;
    if (a == NODE_EMPTY) return p->any;
    if (a == p->any) return NODE_EMPTY;
    return intern(p, (struct node){.op = OP_NOT, .a = a, .nullable = !nullable(p, a)});
}

static int cmp_id(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A growing set of nodes on its way into ALT or AND. */
struct bag {
    uint32_t *v, n, cap;
};

static void bag_put(struct sb_pattern *p, struct bag *b, uint32_t x) {
    if (b->n == b->cap) {
        uint32_t *m = grow(p, b->v, &b->cap, sizeof *m);
        if (!m) return;
        b->v = m;
    }
    b->v[b->n++] = x;
}

static void bag_add(struct sb_pattern *p, struct bag *b, enum op op, uint32_t x) {
    const struct node *m = &p->nodes[x];
    if (m->op != op) {
        bag_put(p, b, x);
        return;
    }
    const uint32_t *list = m->list;
    for (uint32_t i = 0, n = m->n; i < n; i++) bag_put(p, b, list[i]);
}

/* ALT or AND of a bag: `none` takes everything with it, `unit` changes nothing. */
static uint32_t make_set(struct sb_pattern *p, enum op op, struct bag *b) {
    uint32_t none = op == OP_ALT ? p->any : NODE_EMPTY, unit = op == OP_ALT ? NODE_EMPTY : p->any;
    uint32_t n = 0;
    bool null = op == OP_AND;
    if (p->full) return NODE_EMPTY;
    if (b->n > 1) qsort(b->v, b->n, sizeof *b->v, cmp_id);
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t x = b->v[i];
        if (x == none) return none;
        if (x == unit || (n && b->v[n - 1] == x)) continue;
        b->v[n++] = x;
        null = op == OP_ALT ? null || nullable(p, x) : null && nullable(p, x);
    }
    if (n == 0) return unit;
    if (n == 1) return b->v[0];
    return intern(p, (struct node){.op = (uint8_t)op, .list = b->v, .n = n, .nullable = null});
}

static uint32_t make_two(struct sb_pattern *p, enum op op, uint32_t a, uint32_t b) {
    struct bag bag = {0};
    bag_add(p, &bag, op, a);
    bag_add(p, &bag, op, b);
    return make_set(p, op, &bag);
}

static uint32_t make_cat(struct sb_pattern *p, uint32_t a, uint32_t b) {
    if (a == NODE_EMPTY || b == NODE_EMPTY) return NODE_EMPTY;
    if (a == NODE_END) return b;
    if (b == NODE_END) return a;
    /* ((x y) z) = (x (y z)): without recursion, the parts are put on from the right */
    struct bag parts = {0};
    for (; p->nodes[a].op == OP_CAT; a = p->nodes[a].b) bag_put(p, &parts, p->nodes[a].a);
    bag_put(p, &parts, a);
    if (p->full) return NODE_EMPTY;
    for (uint32_t i = parts.n; i-- > 0;)
        b = intern(p, (struct node){.op = OP_CAT,
                                    .a = parts.v[i],
                                    .b = b,
                                    .nullable = nullable(p, parts.v[i]) && nullable(p, b)});
    return b;
}

/* ---- derivatives ---- */

static uint32_t derive(struct sb_pattern *p, uint32_t x, uint32_t class, int depth);

static uint32_t derive_list(struct sb_pattern *p, const struct node *x, uint32_t class, int depth) {
    struct bag bag = {0};
    for (uint32_t i = 0; i < x->n; i++)
        bag_add(p, &bag, (enum op)x->op, derive(p, x->list[i], class, depth));
    return make_set(p, (enum op)x->op, &bag);
}

/* Each alternative of a, then b. */
static void bag_add_cat(struct sb_pattern *p, struct bag *bag, uint32_t a, uint32_t b) {
    const struct node *m = &p->nodes[a];
    if (m->op != OP_ALT) {
        bag_add(p, bag, OP_ALT, make_cat(p, a, b));
        return;
    }
    const uint32_t *list = m->list;
    for (uint32_t i = 0, n = m->n; i < n; i++) bag_add(p, bag, OP_ALT, make_cat(p, list[i], b));
}

static uint32_t derive_cat(struct sb_pattern *p, uint32_t x, uint32_t class, int depth) {
    struct bag bag = {0};
    /* down the sequence as long as its parts may be empty */
    for (;;) {
        struct node m = p->nodes[x];
        if (m.op != OP_CAT) {
            bag_add(p, &bag, OP_ALT, derive(p, x, class, depth));
            break;
        }
        bag_add_cat(p, &bag, derive(p, m.a, class, depth), m.b);
        if (!nullable(p, m.a)) break;
        x = m.b;
    }
    return make_set(p, OP_ALT, &bag);
}

static uint32_t derive_repeat(struct sb_pattern *p, struct node x, uint32_t class, int depth) {
    uint32_t min = x.min ? x.min - 1u : 0, max = x.max == INFINITE ? INFINITE : x.max - 1u;
    uint32_t rest = make_repeat(p, x.a, min, max);
    struct bag bag = {0};
    bag_add_cat(p, &bag, derive(p, x.a, class, depth), rest);
    return make_set(p, OP_ALT, &bag);
}

static uint32_t derive(struct sb_pattern *p, uint32_t x, uint32_t class, int depth) {
    if (p->nodes[x].next && p->nodes[x].next[class]) return p->nodes[x].next[class];
    if (depth > 4 * DEPTH_MAX) p->full = true;
    if (p->full) return NODE_EMPTY;
    if (!p->nodes[x].next) {
        uint32_t *next = take(p, p->nclasses * sizeof *next);
        if (!next) return NODE_EMPTY;
        p->nodes[x].next = next;
    }
    struct node m = p->nodes[x];
    uint32_t to = NODE_EMPTY;
    switch (m.op) {
    case OP_SET: to = p->sets[m.a].classes[class] ? NODE_END : NODE_EMPTY; break;
    case OP_CAT: to = derive_cat(p, x, class, depth + 1); break;
    case OP_ALT:
    case OP_AND: to = derive_list(p, &m, class, depth + 1); break;
    case OP_NOT: to = make_not(p, derive(p, m.a, class, depth + 1)); break;
    case OP_REPEAT: to = derive_repeat(p, m, class, depth + 1); break;
    default: break;
    }
    if (p->full) return NODE_EMPTY;
    m.next[class] = to;
    return to;
}

static uint32_t class_of(const struct sb_pattern *p, uint32_t c) {
    uint32_t lo = 0, hi = p->nclasses;
    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        if (p->starts[mid] <= c)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

sb_err sb_pattern_match(struct sb_pattern *p, struct sb_str s, bool *out) {
    const char *at = s.p, *end = s.n ? s.p + s.n : s.p;
    uint32_t state = p->root;
    while (at < end && state != NODE_EMPTY && state != p->any) {
        uint32_t c = (uint8_t)*at;
        uint32_t class = c < 128 ? (at++, p->ascii[c]) : class_of(p, sb_text_next(&at, end));
        const uint32_t *next = p->nodes[state].next;
        state = next && next[class] ? next[class] : derive(p, state, class, 0);
        if (p->full) return SB_E_LIMIT;
    }
    *out = nullable(p, state);
    return SB_OK;
}

/* ---- sets of characters ---- */

static uint32_t set_new(struct sb_pattern *p) {
    if (p->nsets == p->sets_cap) {
        struct set *m = grow(p, p->sets, &p->sets_cap, sizeof *m);
        if (!m) return 0;
        p->sets = m;
    }
    p->sets[p->nsets] = (struct set){0};
    return p->nsets++;
}

static void set_add(struct sb_pattern *p, uint32_t set, uint32_t from, uint32_t to) {
    struct set *s = &p->sets[set];
    if (p->full) return;
    if (s->n == s->cap) {
        struct range *m = grow(p, s->ranges, &s->cap, sizeof *m);
        if (!m) return;
        s->ranges = m;
    }
    s->ranges[s->n++] = (struct range){from, to};
}

/* With the other case where that is wanted; long ranges hold both cases of what they hold. */
static void set_add_cased(struct sb_pattern *p, uint32_t set, uint32_t from, uint32_t to) {
    set_add(p, set, from, to);
    if (!p->ignore_case || to - from > 255) return;
    for (uint32_t c = from; c <= to; c++)
        if (sb_text_swap(c) != c) set_add(p, set, sb_text_swap(c), sb_text_swap(c));
}

static uint32_t node_of_set(struct sb_pattern *p, uint32_t set) {
    return p->full ? NODE_EMPTY : intern(p, (struct node){.op = OP_SET, .a = set});
}

static uint32_t node_of_char(struct sb_pattern *p, uint32_t c) {
    /* the same character again is the same set */
    for (uint32_t i = 0; i < p->nsets; i++)
        if (p->sets[i].n == 1 && !p->sets[i].negated && p->sets[i].ranges[0].from == c &&
            p->sets[i].ranges[0].to == c)
            return node_of_set(p, i);
    uint32_t set = set_new(p);
    set_add_cased(p, set, c, c);
    return node_of_set(p, set);
}

static bool in_set(const struct set *s, uint32_t c) {
    bool in = false;
    for (uint32_t i = 0; i < s->n; i++) in |= c >= s->ranges[i].from && c <= s->ranges[i].to;
    return in != s->negated;
}

/* Cuts all characters where any set begins or ends. */
static bool make_classes(struct sb_pattern *p) {
    uint32_t n = 1;
    for (uint32_t i = 0; i < p->nsets; i++) n += 2 * p->sets[i].n;
    if (p->full || !(p->starts = take(p, n * sizeof *p->starts))) return false;
    n = 0;
    p->starts[n++] = 0;
    for (uint32_t i = 0; i < p->nsets; i++)
        for (uint32_t k = 0; k < p->sets[i].n; k++) {
            p->starts[n++] = p->sets[i].ranges[k].from;
            p->starts[n++] = p->sets[i].ranges[k].to + 1;
        }
    qsort(p->starts, n, sizeof *p->starts, cmp_id);
    for (uint32_t i = 0; i < n; i++)
        if (!i || p->starts[i] != p->starts[i - 1]) p->starts[p->nclasses++] = p->starts[i];
    for (uint32_t i = 0; i < p->nsets; i++) {
        if (!(p->sets[i].classes = take(p, p->nclasses))) return false;
        for (uint32_t k = 0; k < p->nclasses; k++)
            p->sets[i].classes[k] = in_set(&p->sets[i], p->starts[k]);
    }
    for (uint32_t c = 0; c < 128; c++) p->ascii[c] = (uint16_t)class_of(p, c);
    return true;
}

/* ---- parsing, by Lucene's grammar: union of intersections of sequences of repeats ---- */

struct parser {
    struct sb_pattern *p;
    const char *begin, *at, *end;
    int depth;
    struct sb_errctx *ctx;
    sb_err err;
};

static uint32_t wrong(struct parser *r, sb_err code, const char *what) {
    if (!r->err)
        r->err = sb_fail_at(r->ctx, code, r->at - r->begin,
                            "regular expression: %s at position %td", what, r->at - r->begin);
    r->at = r->end;
    return NODE_EMPTY;
}

static bool more(const struct parser *r) {
    return r->at < r->end;
}
static bool peek(const struct parser *r, char c) {
    return more(r) && *r->at == c;
}
static bool match(struct parser *r, char c) {
    if (!peek(r, c)) return false;
    r->at++;
    return true;
}

static uint32_t parse_union(struct parser *r);

static bool number(struct parser *r, uint64_t *out, int *digits) {
    const char *from = r->at;
    uint64_t v = 0;
    while (more(r) && *r->at >= '0' && *r->at <= '9' && r->at - from < INTERVAL_DIGITS)
        v = v * 10 + (uint64_t)(*r->at++ - '0');
    *out = v;
    *digits = (int)(r->at - from);
    return *digits > 0;
}

/* \d \w \s and their complements; false: c is no such letter. */
static bool set_add_class(struct sb_pattern *p, uint32_t set, char c) {
    static const struct {
        char letter;
        struct range ranges[4];
    } classes[] = {
        {'d', {{'0', '9'}}},
        {'D', {{0, '0' - 1}, {'9' + 1, LAST_CHAR}}},
        {'s', {{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}}},
        {'S', {{0, 8}, {11, 12}, {14, 31}, {33, LAST_CHAR}}},
        {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
        {'W', {{0, '0' - 1}, {'9' + 1, 'A' - 1}, {'Z' + 1, '_' - 1}, {'`', '`'}}},
    };
    for (size_t i = 0; i < SB_COUNT(classes); i++) {
        if (classes[i].letter != c) continue;
        for (int k = 0; k < 4; k++)
            if (classes[i].ranges[k].to)
                set_add(p, set, classes[i].ranges[k].from, classes[i].ranges[k].to);
        if (c == 'W') set_add(p, set, 'z' + 1, LAST_CHAR);
        return true;
    }
    return false;
}

static uint32_t parse_char(struct parser *r) {
    match(r, '\\');
    if (!more(r)) {
        wrong(r, SB_E_SYNTAX, "unexpected end");
        return 0;
    }
    return sb_text_next(&r->at, r->end);
}

/* Behind "[". */
static uint32_t parse_class(struct parser *r) {
    uint32_t set = set_new(r->p);
    bool negated = match(r, '^');
    do {
        if (r->end - r->at > 1 && *r->at == '\\' && set_add_class(r->p, set, r->at[1])) {
            r->at += 2;
            continue;
        }
        uint32_t from = parse_char(r), to = from;
        if (match(r, '-')) {
            if (peek(r, ']'))
                set_add(r->p, set, '-', '-');
            else
                to = parse_char(r);
        }
        if (to < from) return wrong(r, SB_E_SYNTAX, "a range that ends before it begins");
        set_add_cased(r->p, set, from, to);
    } while (more(r) && !peek(r, ']') && !r->p->full);
    if (!match(r, ']')) return wrong(r, SB_E_SYNTAX, "expected ']'");
    if (!r->p->full) r->p->sets[set].negated = negated;
    return node_of_set(r->p, set);
}

static uint32_t any_char(struct sb_pattern *p) {
    return p->nodes[p->any].a;
}

static uint32_t digits_between(struct sb_pattern *p, char from, char to) {
    uint32_t set = set_new(p);
    set_add(p, set, (uint32_t)from, (uint32_t)to);
    return node_of_set(p, set);
}

/* Strings of n digits from lo on (up = true), or up to lo. */
static uint32_t digits_beyond(struct sb_pattern *p, const char *lo, int n, bool up) {
    uint32_t x = NODE_END, digit = digits_between(p, '0', '9');
    for (int i = n - 1; i >= 0; i--) {
        uint32_t rest = make_repeat(p, digit, (uint32_t)(n - 1 - i), (uint32_t)(n - 1 - i));
        uint32_t same_digit = make_cat(p, node_of_char(p, (uint32_t)lo[i]), x);
        bool others = up ? lo[i] < '9' : lo[i] > '0';
        if (others) {
            uint32_t other = up ? digits_between(p, (char)(lo[i] + 1), '9')
                                : digits_between(p, '0', (char)(lo[i] - 1));
            x = make_two(p, OP_ALT, same_digit, make_cat(p, other, rest));
        } else {
            x = same_digit;
        }
    }
    return x;
}

/* Behind "<": n-m>, numbers between; with leading zeros as long as both, when these have one
 * length. */
static uint32_t parse_interval(struct parser *r) {
    uint64_t lo, hi;
    int lo_digits, hi_digits;
    if (!number(r, &lo, &lo_digits) || !match(r, '-') || !number(r, &hi, &hi_digits) ||
        !match(r, '>'))
        return wrong(r, SB_E_SYNTAX, "expected <number-number>");
    if (lo > hi) {
        uint64_t swap = lo;
        lo = hi;
        hi = swap;
    }
    bool fixed = lo_digits == hi_digits;
    char from[24], to[24];
    uint32_t x = NODE_EMPTY;
    int width = hi_digits > lo_digits ? hi_digits : lo_digits;
    for (int n = fixed ? width : 1; n <= width; n++) {
        uint64_t top = 1;
        for (int i = 0; i < n; i++) top *= 10;
        if (lo >= top) continue;
        uint64_t first = !fixed && n > 1 && lo < top / 10 ? top / 10 : lo;
        uint64_t last = hi < top ? hi : top - 1;
        if (first > last) continue;
        snprintf(from, sizeof from, "%0*llu", n, (unsigned long long)first);
        snprintf(to, sizeof to, "%0*llu", n, (unsigned long long)last);
        uint32_t between = make_two(r->p, OP_AND, digits_beyond(r->p, from, n, true),
                                    digits_beyond(r->p, to, n, false));
        x = make_two(r->p, OP_ALT, x, between);
    }
    if (fixed) return x;
    return make_cat(r->p, make_repeat(r->p, node_of_char(r->p, '0'), 0, INFINITE), x);
}

static uint32_t parse_string(struct parser *r) {
    const char *from = r->at;
    while (more(r) && *r->at != '"') r->at++;
    const char *at = from, *to = r->at;
    if (!match(r, '"')) return wrong(r, SB_E_SYNTAX, "expected '\"'");
    uint32_t x = NODE_END;
    while (at < to) x = make_cat(r->p, x, node_of_char(r->p, sb_text_next(&at, to)));
    return x;
}

static uint32_t parse_group(struct parser *r) {
    if (match(r, ')')) return NODE_END;
    if (++r->depth > DEPTH_MAX) return wrong(r, SB_E_LIMIT, "too many parentheses");
    uint32_t x = parse_union(r);
    r->depth--;
    if (!match(r, ')')) return wrong(r, SB_E_SYNTAX, "expected ')'");
    return x;
}

static uint32_t parse_simple(struct parser *r) {
    if (match(r, '[')) return parse_class(r);
    if (match(r, '.')) return any_char(r->p);
    if (match(r, '#')) return NODE_EMPTY;
    if (match(r, '@')) return r->p->any;
    if (match(r, '"')) return parse_string(r);
    if (match(r, '(')) return parse_group(r);
    if (match(r, '<')) return parse_interval(r);
    if (r->end - r->at > 1 && *r->at == '\\' && strchr("dDsSwW", r->at[1])) {
        uint32_t set = set_new(r->p);
        set_add_class(r->p, set, r->at[1]);
        r->at += 2;
        return node_of_set(r->p, set);
    }
    return node_of_char(r->p, parse_char(r));
}

static uint32_t parse_complement(struct parser *r) {
    bool odd = false;
    while (match(r, '~')) odd = !odd;
    uint32_t x = parse_simple(r);
    return odd ? make_not(r->p, x) : x;
}

/* Behind "{". */
static uint32_t parse_counts(struct parser *r, uint32_t x) {
    uint64_t min, max;
    int digits;
    if (!number(r, &min, &digits)) return wrong(r, SB_E_SYNTAX, "expected a number");
    max = min;
    if (match(r, ',') && !number(r, &max, &digits)) max = INFINITE;
    if (!match(r, '}')) return wrong(r, SB_E_SYNTAX, "expected '}'");
    if (min > REPEAT_MAX || (max > REPEAT_MAX && max != INFINITE))
        return wrong(r, SB_E_LIMIT, "more than 1000 repeats");
    if (max < min) return wrong(r, SB_E_SYNTAX, "a repeat whose most is below its least");
    return make_repeat(r->p, x, (uint32_t)min, (uint32_t)max);
}

static uint32_t parse_repeat(struct parser *r) {
    uint32_t x = parse_complement(r);
    for (;;) {
        if (match(r, '?'))
            x = make_repeat(r->p, x, 0, 1);
        else if (match(r, '*'))
            x = make_repeat(r->p, x, 0, INFINITE);
        else if (match(r, '+'))
            x = make_repeat(r->p, x, 1, INFINITE);
        else if (match(r, '{'))
            x = parse_counts(r, x);
        else
            return x;
    }
}

static uint32_t parse_sequence(struct parser *r) {
    struct bag parts = {0};
    do bag_put(r->p, &parts, parse_repeat(r));
    while (more(r) && !strchr(")|&", *r->at) && !r->p->full);
    uint32_t x = NODE_END;
    for (uint32_t i = parts.n; i-- > 0;) x = make_cat(r->p, parts.v[i], x);
    return x;
}

static uint32_t parse_inter(struct parser *r) {
    uint32_t x = parse_sequence(r);
    while (match(r, '&')) x = make_two(r->p, OP_AND, x, parse_sequence(r));
    return x;
}

static uint32_t parse_union(struct parser *r) {
    uint32_t x = parse_inter(r);
    while (match(r, '|')) x = make_two(r->p, OP_ALT, x, parse_inter(r));
    return x;
}

/* ---- making patterns ---- */

static sb_err begin(struct sb_pattern **out, struct sb_arena *a, bool ignore_case,
                    struct sb_errctx *ctx) {
    struct sb_pattern *p = sb_arena_try_array(a, 1, sizeof *p);
    if (!p) return sb_fail(ctx, SB_E_LIMIT, "the query needs too much memory");
    p->a = a;
    p->ignore_case = ignore_case;
    p->n = 1; /* node 0 is none */
    p->nodes = grow(p, NULL, &p->cap, sizeof *p->nodes);
    if (!p->nodes) return sb_fail(ctx, SB_E_LIMIT, "the query needs too much memory");
    intern(p, (struct node){.op = OP_EMPTY});
    intern(p, (struct node){.op = OP_END, .nullable = true});
    uint32_t set = set_new(p);
    set_add(p, set, 0, LAST_CHAR);
    p->any = make_repeat(p, node_of_set(p, set), 0, INFINITE);
    *out = p;
    return SB_OK;
}

static sb_err finish(struct sb_pattern *p, uint32_t root, struct sb_errctx *ctx) {
    p->root = root;
    if (p->full || !make_classes(p)) return sb_fail(ctx, SB_E_LIMIT, "the pattern is too large");
    return SB_OK;
}

sb_err sb_pattern_regexp(struct sb_pattern **out, struct sb_arena *a, struct sb_str text,
                         bool ignore_case, struct sb_errctx *ctx) {
    struct sb_pattern *p;
    SB_TRY(begin(&p, a, ignore_case, ctx));
    const char *at = text.n ? text.p : "";
    struct parser r = {.p = p, .begin = at, .at = at, .end = at + text.n, .ctx = ctx};
    uint32_t root = text.n ? parse_union(&r) : NODE_END;
    if (!r.err && more(&r)) wrong(&r, SB_E_SYNTAX, p->full ? "too large" : "unexpected ')'");
    if (r.err) return r.err;
    SB_TRY(finish(p, root, ctx));
    *out = p;
    return SB_OK;
}

sb_err sb_pattern_wildcard(struct sb_pattern **out, struct sb_arena *a, struct sb_str text,
                           bool ignore_case, struct sb_errctx *ctx) {
    struct sb_pattern *p;
    struct bag parts = {0};
    SB_TRY(begin(&p, a, ignore_case, ctx));
    const char *at = text.p, *end = text.n ? at + text.n : at;
    while (at < end) {
        uint32_t c = sb_text_next(&at, end);
        if (c == '*')
            bag_put(p, &parts, p->any);
        else if (c == '?')
            bag_put(p, &parts, any_char(p));
        else
            bag_put(p, &parts, node_of_char(p, c == '\\' && at < end ? sb_text_next(&at, end) : c));
    }
    uint32_t root = NODE_END;
    for (uint32_t i = parts.n; i-- > 0;)
        root = parts.v[i] == p->any && root == p->any ? root : make_cat(p, parts.v[i], root);
    SB_TRY(finish(p, root, ctx));
    *out = p;
    return SB_OK;
}

sb_err sb_pattern_text(struct sb_pattern **out, struct sb_arena *a, struct sb_str text, bool whole,
                       struct sb_errctx *ctx) {
    struct sb_pattern *p;
    struct bag parts = {0};
    SB_TRY(begin(&p, a, true, ctx));
    const char *at = text.p, *end = text.n ? at + text.n : at;
    while (at < end) bag_put(p, &parts, node_of_char(p, sb_text_next(&at, end)));
    uint32_t root = whole ? NODE_END : p->any;
    for (uint32_t i = parts.n; i-- > 0;) root = make_cat(p, parts.v[i], root);
    SB_TRY(finish(p, root, ctx));
    *out = p;
    return SB_OK;
}
