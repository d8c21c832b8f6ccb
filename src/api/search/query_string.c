/* query_string: Lucene's classic syntax, by recursive descent with counted depth.
 *
 *     query  := (conj? mods? clause)*           conj: AND && OR ||    mods: + - ! NOT
 *     clause := (field ':')? (range | regexp | phrase | term | '(' query ')') ('^' boost)?
 *
 * AND and OR have no precedence: as in Lucene each is a mark on the clauses on both its sides, that
 * they must match; without such marks clauses may match. */
#include <stdio.h>

#include "api/search/search_int.h"

enum occur { SHOULD, MUST, MUST_NOT };
enum conj { CONJ_NONE, CONJ_AND, CONJ_OR };

struct clause {
    const struct sb_query *query;
    enum occur occur;
};
struct clauses {
    struct clause *list;
    size_t n, cap;
};

/* The fields that texts are looked for in. */
struct scope {
    const struct es_field *list;
    size_t n;
    bool lenient, every;
};

struct parser {
    struct es_parse *p;
    const struct es_query_string *q;
    struct sb_str s;
    size_t at;
};

static sb_err failed(struct parser *x, const char *why) {
    return es_fail(x->p->error, 400, "query_shard_exception",
                   "Failed to parse query [%.*s]: %s at character %zu",
                   x->s.n < 200 ? (int)x->s.n : 200, x->s.n ? x->s.p : "", why, x->at);
}

/* ---- characters ---- */

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
static char at(const struct parser *x, size_t i) {
    return x->at + i < x->s.n ? x->s.p[x->at + i] : '\0';
}
static bool ended(const struct parser *x) {
    return x->at >= x->s.n;
}
static void skip_space(struct parser *x) {
    while (!ended(x) && is_space(at(x, 0))) x->at++;
}
static bool accept(struct parser *x, const char *text) {
    if (!sb_str_starts(sb_str_sub(x->s, x->at, x->s.n), sb_str_of(text))) return false;
    x->at += strlen(text);
    return true;
}
/* An operator word stands alone. */
static bool accept_word(struct parser *x, const char *word) {
    size_t n = strlen(word);
    char after = at(x, n);
    if (after && !is_space(after) && !strchr("()+-!\"", after)) return false;
    return accept(x, word);
}
/* Ends a term when it is not escaped. */
static bool ends_term(char c) {
    return is_space(c) || c == '\0' || strchr("!():^[]\"{}~/", c) != NULL;
}

/* A term, still with its escapes; empty when none starts here. */
static sb_err raw_term(struct parser *x, struct sb_str *out) {
    size_t from = x->at;
    while (!ended(x) && !ends_term(at(x, 0))) {
        if (at(x, 0) == '\\' && ++x->at >= x->s.n) return failed(x, "a \\ escapes nothing");
        x->at++;
    }
    *out = sb_str_sub(x->s, from, x->at - from);
    return SB_OK;
}

static struct sb_str unescape(struct es_parse *p, struct sb_str s) {
    if (sb_str_find(s, '\\') < 0) return s;
    char *to = sb_arena_alloc(p->arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n) i++;
        to[n++] = s.p[i];
    }
    return sb_str_make(to, n);
}

/* An unescaped * or ? before end. */
static bool has_wildcard(struct sb_str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '*' || s.p[i] == '?')
            return true;
    }
    return false;
}

/* ---- fields ---- */

/* All fields that hold what people write, or those of a name, which may be a pattern. */
static sb_err scope_of(struct parser *x, struct sb_str name, bool every, struct scope *out) {
    struct es_parse *p = x->p;
    bool pattern = every || has_wildcard(name);
    struct sb_str plain = unescape(p, name);
    struct es_field *list =
        sb_arena_try_array(p->arena, pattern ? p->fields->n + 1 : 1, sizeof *list);
    if (!list) return failed(x, "too many fields");
    *out = (struct scope){.list = list, .lenient = x->q->lenient, .every = every};
    if (!pattern) {
        list[out->n++] = es_field_find(p->fields, plain);
        return SB_OK;
    }
    if (!x->q->has_lenient) out->lenient = true;
    for (size_t i = 0; i < p->fields->n; i++) {
        struct sb_str have = p->fields->list[i].name;
        bool meta = sb_str_starts(have, SB_STR("_"));
        if (every ? !meta : es_name_matches(plain, have))
            list[out->n++] = es_field_find(p->fields, have);
    }
    return SB_OK;
}

static sb_err default_scope(struct parser *x, struct scope *out) {
    const struct es_query_string *q = x->q;
    if (!q->nfields) return scope_of(x, (struct sb_str){0}, true, out);
    struct es_field *all = NULL;
    size_t n = 0;
    *out = (struct scope){.lenient = q->lenient};
    for (size_t i = 0; i < q->nfields; i++) {
        struct sb_str name = q->fields[i];
        ptrdiff_t boost = sb_str_rfind(name, '^');
        struct scope one;
        if (boost > 0) name = sb_str_sub(name, 0, (size_t)boost);
        SB_TRY(scope_of(x, name, sb_str_is(name, "*"), &one));
        SB_TRY(es_clauses_add(x->p, 1));
        struct es_field *more = sb_arena_try_array(x->p->arena, n + one.n + 1, sizeof *more);
        if (!more) return failed(x, "too many fields");
        if (n) memcpy(more, all, n * sizeof *more);
        memcpy(more + n, one.list, one.n * sizeof *more);
        all = more;
        n += one.n;
        out->lenient |= one.lenient;
    }
    out->list = all;
    out->n = n;
    return SB_OK;
}

/* ---- leaves, in each field of a scope ---- */

enum leaf_kind {
    LEAF_TERM,
    LEAF_PHRASE,
    LEAF_PHRASE_PREFIX,
    LEAF_PREFIX,
    LEAF_WILDCARD,
    LEAF_REGEXP,
    LEAF_RANGE
};
struct leaf {
    enum leaf_kind kind;
    struct sb_str text;
    struct es_range range;
};

static sb_err leaf_in(struct parser *x, const struct scope *s, const struct leaf *l,
                      struct es_field f, const struct sb_query **out) {
    struct es_leaf v = {.text = l->text, .lenient = s->lenient, .all = x->q->and };
    switch (l->kind) {
    case LEAF_RANGE: {
        struct es_range r = l->range;
        r.lenient = s->lenient;
        r.time_zone = x->q->time_zone;
        return es_leaf_range(x->p, f, &r, out);
    }
    case LEAF_PREFIX: return es_leaf_pattern(x->p, f, &v, ES_PREFIX, out);
    case LEAF_WILDCARD: return es_leaf_pattern(x->p, f, &v, ES_WILDCARD, out);
    case LEAF_REGEXP: return es_leaf_pattern(x->p, f, &v, ES_REGEXP, out);
    case LEAF_PHRASE:
        if (f.words) return es_leaf_words(x->p, f, &v, SB_WORDS_PHRASE, out);
        return es_leaf_term(x->p, f, &v, out);
    case LEAF_PHRASE_PREFIX:
        if (f.words) return es_leaf_words(x->p, f, &v, SB_WORDS_PHRASE_PREFIX, out);
        return es_leaf_pattern(x->p, f, &v, ES_PREFIX, out);
    default:
        if (f.words) return es_leaf_words(x->p, f, &v, v.all ? SB_WORDS_ALL : SB_WORDS_ANY, out);
        return es_leaf_term(x->p, f, &v, out);
    }
}

static sb_err leaf_everywhere(struct parser *x, const struct scope *s, const struct leaf *l,
                              const struct sb_query **out) {
    const struct sb_query **list = sb_arena_try_array(x->p->arena, s->n + 1, sizeof *list);
    size_t n = 0;
    if (!list) return failed(x, "too many fields");
    for (size_t i = 0; i < s->n; i++) {
        SB_TRY(leaf_in(x, s, l, s->list[i], &list[n]));
        n += list[n]->kind != SB_QUERY_NONE;
    }
    if (n > 1 || !s->n) SB_TRY(es_clauses_add(x->p, 1));
    *out = es_any_of(x->p, list, n);
    return SB_OK;
}

static sb_err exists_anywhere(struct parser *x, const struct scope *s,
                              const struct sb_query **out) {
    const struct sb_query **list = sb_arena_try_array(x->p->arena, s->n + 1, sizeof *list);
    if (!list) return failed(x, "too many fields");
    if (s->every) {
        *out = es_query_new(x->p, SB_QUERY_ALL);
        return es_clauses_add(x->p, 1);
    }
    for (size_t i = 0; i < s->n; i++) SB_TRY(es_leaf_exists(x->p, s->list[i].name, &list[i]));
    *out = es_any_of(x->p, list, s->n);
    return SB_OK;
}

/* ---- clauses ---- */

static sb_err parse_query(struct parser *x, const struct scope *s, bool nested,
                          const struct sb_query **out);

/* A text in quotes, from behind the opening one. */
static sb_err quoted(struct parser *x, struct sb_str *out) {
    size_t from = x->at;
    while (!ended(x) && at(x, 0) != '"') x->at += at(x, 0) == '\\' ? 2 : 1;
    if (ended(x)) return failed(x, "a quote is not closed");
    *out = unescape(x->p, sb_str_sub(x->s, from, x->at - from));
    x->at++;
    return SB_OK;
}

/* ~2 behind a term or phrase, ^1.5 behind anything. */
static sb_err suffixes(struct parser *x, const char *what) {
    for (;;) {
        size_t from = x->at + 1;
        char c = at(x, 0);
        if (c != '~' && c != '^') return SB_OK;
        x->at++;
        while ((at(x, 0) >= '0' && at(x, 0) <= '9') || at(x, 0) == '.') x->at++;
        struct sb_str number = sb_str_sub(x->s, from, x->at - from);
        double v = 1;
        if (number.n && !sb_double_parse(number, &v)) return failed(x, "a number is expected");
        if (c == '^' && !number.n) return failed(x, "^ needs a number");
        if (c == '~' && v != 0)
            return es_fail_argument(x->p->error, "[query_string] query: %s (~) is not supported",
                                    what);
    }
}

static sb_err range_end(struct parser *x, struct es_bound *b) {
    skip_space(x);
    if (accept(x, "\"")) return quoted(x, &b->text);
    size_t from = x->at;
    while (!ended(x) && !is_space(at(x, 0)) && at(x, 0) != ']' && at(x, 0) != '}')
        x->at += at(x, 0) == '\\' ? 2 : 1;
    if (x->at > x->s.n) x->at = x->s.n;
    struct sb_str text = sb_str_sub(x->s, from, x->at - from);
    if (!text.n) return failed(x, "a range has no bound");
    if (!sb_str_is(text, "*")) b->text = unescape(x->p, text);
    return SB_OK;
}

/* [a TO b}, from behind its bracket. */
static sb_err parse_range(struct parser *x, const struct scope *s, bool open,
                          const struct sb_query **out) {
    struct leaf l = {.kind = LEAF_RANGE, .range.low.open = open};
    SB_TRY(range_end(x, &l.range.low));
    skip_space(x);
    if (!accept_word(x, "TO")) return failed(x, "TO is expected in a range");
    SB_TRY(range_end(x, &l.range.high));
    skip_space(x);
    l.range.high.open = at(x, 0) == '}';
    if (!accept(x, "]") && !accept(x, "}")) return failed(x, "a range is not closed");
    return leaf_everywhere(x, s, &l, out);
}

/* >=10 and the like, from behind the operator. */
static sb_err parse_compared(struct parser *x, const struct scope *s, bool low, bool open,
                             const struct sb_query **out) {
    struct leaf l = {.kind = LEAF_RANGE};
    struct es_bound *b = low ? &l.range.low : &l.range.high;
    struct sb_str text;
    skip_space(x);
    b->open = open;
    if (accept(x, "\"")) {
        SB_TRY(quoted(x, &b->text));
    } else {
        SB_TRY(raw_term(x, &text));
        /* the time of a date: its colons and rounding belong to it */
        size_t from = (size_t)(text.p - x->s.p);
        while (!ended(x) && (at(x, 0) == ':' || at(x, 0) == '/')) {
            x->at++;
            SB_TRY(raw_term(x, &text));
        }
        b->text = unescape(x->p, sb_str_sub(x->s, from, x->at - from));
    }
    if (!b->text.n) return failed(x, "a comparison has no value");
    SB_TRY(suffixes(x, "~ behind a comparison"));
    return leaf_everywhere(x, s, &l, out);
}

static sb_err parse_regexp(struct parser *x, const struct scope *s, const struct sb_query **out) {
    struct sb_buf b;
    struct leaf l = {.kind = LEAF_REGEXP};
    sb_buf_init(&b, SB_SEARCH_BODY_MAX);
    while (!ended(x) && at(x, 0) != '/') { /* \/ is a slash, other escapes are the pattern's */
        if (at(x, 0) == '\\' && at(x, 1) == '/')
            x->at++;
        else if (at(x, 0) == '\\' && at(x, 1))
            sb_buf_addc(&b, x->s.p[x->at++]);
        sb_buf_addc(&b, x->s.p[x->at++]);
    }
    l.text = sb_arena_dup(x->p->arena, sb_buf_view(&b));
    sb_buf_fini(&b);
    if (!accept(x, "/")) return failed(x, "a regular expression is not closed");
    if (!l.text.p) return failed(x, "a regular expression is too long");
    return leaf_everywhere(x, s, &l, out);
}

static sb_err parse_term(struct parser *x, const struct scope *s, struct sb_str raw,
                         const struct sb_query **out) {
    struct leaf l = {.kind = LEAF_TERM};
    SB_TRY(suffixes(x, "fuzzy search"));
    if (sb_str_is(raw, "*")) return exists_anywhere(x, s, out);
    if (!has_wildcard(raw)) {
        l.text = unescape(x->p, raw);
        return leaf_everywhere(x, s, &l, out);
    }
    struct sb_str stem = sb_str_sub(raw, 0, raw.n - 1);
    bool prefix =
        raw.p[raw.n - 1] == '*' && !has_wildcard(stem) && !(stem.n && stem.p[stem.n - 1] == '\\');
    l.kind = prefix ? LEAF_PREFIX : LEAF_WILDCARD;
    l.text = prefix ? unescape(x->p, stem) : raw;
    return leaf_everywhere(x, s, &l, out);
}

static sb_err parse_group(struct parser *x, const struct scope *s, const struct sb_query **out) {
    SB_TRY(es_depth_enter(x->p));
    SB_TRY(parse_query(x, s, true, out));
    x->p->depth--;
    if (!accept(x, ")")) return failed(x, "a parenthesis is not closed");
    return suffixes(x, "~ behind a group");
}

/* What stands behind a field's name, or without one. */
static sb_err parse_value(struct parser *x, const struct scope *s, bool named,
                          const struct sb_query **out) {
    if (accept(x, "(")) return parse_group(x, s, out);
    if (accept(x, "[") || accept(x, "{")) {
        SB_TRY(parse_range(x, s, x->s.p[x->at - 1] == '{', out));
        return suffixes(x, "~ behind a range");
    }
    if (accept(x, "/")) {
        SB_TRY(parse_regexp(x, s, out));
        return suffixes(x, "~ behind a regular expression");
    }
    if (accept(x, "\"")) {
        struct leaf l = {.kind = LEAF_PHRASE};
        SB_TRY(quoted(x, &l.text));
        SB_TRY(suffixes(x, "phrase slop"));
        return leaf_everywhere(x, s, &l, out);
    }
    if (named) {
        static const struct {
            const char *text;
            bool low, open;
        } ops[] = {
            {">=", true, false}, {"<=", false, false}, {">", true, true}, {"<", false, true}};
        for (size_t i = 0; i < SB_COUNT(ops); i++)
            if (accept(x, ops[i].text)) return parse_compared(x, s, ops[i].low, ops[i].open, out);
    }
    struct sb_str raw;
    SB_TRY(raw_term(x, &raw));
    if (!raw.n) return failed(x, "a term is expected");
    return parse_term(x, s, raw, out);
}

static sb_err parse_clause(struct parser *x, const struct scope *s, const struct sb_query **out) {
    size_t from = x->at;
    struct sb_str name;
    SB_TRY(raw_term(x, &name));
    if (!name.n || at(x, 0) != ':') {
        x->at = from;
        return parse_value(x, s, false, out);
    }
    x->at++;
    skip_space(x);
    if (sb_str_is(name, "_exists_")) {
        struct sb_str field;
        bool in_quotes = accept(x, "\"");
        SB_TRY(in_quotes ? quoted(x, &field) : raw_term(x, &field));
        if (!field.n) return failed(x, "_exists_ names no field");
        return es_leaf_exists(x->p, in_quotes ? field : unescape(x->p, field), out);
    }
    struct scope own;
    SB_TRY(scope_of(x, name, sb_str_is(name, "*"), &own));
    if (at(x, 0) == '*' && (ends_term(at(x, 1)))) {
        x->at++;
        if (own.every) return exists_anywhere(x, &own, out);
        return es_leaf_exists(x->p, unescape(x->p, name), out);
    }
    return parse_value(x, &own, true, out);
}

static sb_err add_clause(struct parser *x, struct clauses *c, struct clause one) {
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 8;
        struct clause *list = sb_arena_try_array(x->p->arena, cap, sizeof *list);
        if (!list) return failed(x, "too many clauses");
        if (c->n) memcpy(list, c->list, c->n * sizeof *list);
        c->list = list;
        c->cap = cap;
    }
    c->list[c->n++] = one;
    return SB_OK;
}

/* Lucene's QueryParserBase.addClause. */
static void mark(const struct parser *x, struct clauses *c, enum conj conj, enum occur mod,
                 struct clause *one) {
    struct clause *before = c->n ? &c->list[c->n - 1] : NULL;
    if (before && before->occur != MUST_NOT) {
        if (conj == CONJ_AND) before->occur = MUST;
        if (conj == CONJ_OR && x->q->and) before->occur = SHOULD;
    }
    one->occur = mod;
    if (mod == MUST_NOT) return;
    if (x->q->and) {
        one->occur = conj == CONJ_OR && mod != MUST ? SHOULD : MUST;
    } else if (conj == CONJ_AND) {
        one->occur = MUST;
    }
}

static size_t pick(struct parser *x, const struct clauses *c, enum occur occur,
                   const struct sb_query *const **out) {
    const struct sb_query **list = sb_arena_alloc(x->p->arena, (c->n + 1) * sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->list[i].occur == occur) list[n++] = c->list[i].query;
    *out = list;
    return n;
}

static const struct sb_query *joined(struct parser *x, const struct clauses *c) {
    if (c->n == 1 && c->list[0].occur != MUST_NOT) return c->list[0].query;
    struct sb_query *q = es_query_new(x->p, SB_QUERY_BOOL);
    q->nmust = pick(x, c, MUST, &q->must);
    q->nmust_not = pick(x, c, MUST_NOT, &q->must_not);
    q->nshould = pick(x, c, SHOULD, &q->should);
    q->min_should = q->nshould && !q->nmust ? 1 : 0;
    return q;
}

static enum conj read_conj(struct parser *x) {
    if (accept_word(x, "AND") || accept(x, "&&")) return CONJ_AND;
    if (accept_word(x, "OR") || accept(x, "||")) return CONJ_OR;
    return CONJ_NONE;
}

static enum occur read_mod(struct parser *x) {
    enum occur mod = SHOULD;
    if (accept(x, "+"))
        mod = MUST;
    else if (accept(x, "-") || accept(x, "!") || accept_word(x, "NOT"))
        mod = MUST_NOT;
    skip_space(x);
    return mod;
}

static sb_err parse_query(struct parser *x, const struct scope *s, bool nested,
                          const struct sb_query **out) {
    struct clauses c = {0};
    for (skip_space(x); !ended(x) && !(nested && at(x, 0) == ')'); skip_space(x)) {
        enum conj conj = read_conj(x);
        if (conj && !c.n) return failed(x, "an operator stands at the beginning");
        skip_space(x);
        enum occur mod = read_mod(x);
        struct clause one = {0};
        if (ended(x)) return failed(x, "an operator stands at the end");
        SB_TRY(parse_clause(x, s, &one.query));
        mark(x, &c, conj, mod, &one);
        SB_TRY(add_clause(x, &c, one));
    }
    if (!c.n && nested) return failed(x, "nothing stands between parentheses");
    SB_TRY(es_clauses_add(x->p, 1));
    *out = c.n ? joined(x, &c) : es_query_new(x->p, SB_QUERY_NONE);
    return SB_OK;
}

/* ---- simple_query_string: + | - " * ( ) and nothing else; no text is an error ---- */

static bool simple_word_ends(char c) {
    return is_space(c) || (c && strchr("+|\"()", c));
}

static sb_err simple_leaf(struct parser *x, const struct scope *s, const struct sb_query **out) {
    struct leaf l = {.kind = LEAF_TERM};
    if (accept(x, "\"")) {
        ptrdiff_t end = sb_str_find(sb_str_sub(x->s, x->at, x->s.n), '"');
        size_t n = end < 0 ? x->s.n - x->at : (size_t)end;
        l.kind = LEAF_PHRASE;
        l.text = sb_str_sub(x->s, x->at, n);
        x->at += n + (end >= 0);
        return leaf_everywhere(x, s, &l, out);
    }
    size_t from = x->at;
    while (!ended(x) && !simple_word_ends(at(x, 0))) x->at++;
    l.text = sb_str_sub(x->s, from, x->at - from);
    if (sb_str_is(l.text, "*")) return exists_anywhere(x, s, out);
    if (l.text.n > 1 && l.text.p[l.text.n - 1] == '*') {
        l.kind = LEAF_PREFIX;
        l.text.n--;
    }
    return leaf_everywhere(x, s, &l, out);
}

static sb_err simple_query(struct parser *x, const struct scope *s, bool nested,
                           const struct sb_query **out) {
    struct clauses c = {0};
    enum occur joint = x->q->and ? MUST : SHOULD;
    SB_TRY(es_depth_enter(x->p));
    for (;;) {
        skip_space(x);
        if (ended(x) || (nested && accept(x, ")"))) break;
        if (accept(x, "+") || accept(x, "|")) {
            bool all = x->s.p[x->at - 1] == '+';
            enum occur want = all ? MUST : SHOULD;
            if (want != joint && c.n > 1) { /* what stands before is one operand */
                struct clause left = {joined(x, &c), want};
                c.n = 0;
                SB_TRY(es_depth_enter(x->p));
                SB_TRY(add_clause(x, &c, left));
            }
            if (c.n && c.list[c.n - 1].occur != MUST_NOT) c.list[c.n - 1].occur = want;
            joint = want;
            continue;
        }
        if (accept(x, ")")) continue;
        struct clause one = {.occur = joint};
        if (accept(x, "-")) one.occur = MUST_NOT;
        if (accept(x, "("))
            SB_TRY(simple_query(x, s, true, &one.query));
        else
            SB_TRY(simple_leaf(x, s, &one.query));
        SB_TRY(add_clause(x, &c, one));
    }
    x->p->depth--;
    SB_TRY(es_clauses_add(x->p, 1));
    *out = c.n ? joined(x, &c) : es_query_new(x->p, SB_QUERY_NONE);
    return SB_OK;
}

sb_err es_query_string_parse(struct es_parse *p, const struct es_query_string *q,
                             const struct sb_query **out) {
    struct parser x = {.p = p, .q = q, .s = q->text};
    struct scope s;
    SB_TRY(default_scope(&x, &s));
    if (q->simple) {
        unsigned depth = p->depth;
        struct es_query_string lenient = *q;
        lenient.lenient = lenient.has_lenient = true;
        x.q = &lenient;
        s.lenient = true;
        sb_err err = simple_query(&x, &s, false, out);
        p->depth = depth;
        return err;
    }
    return parse_query(&x, &s, false, out);
}
