/* Queries on one field, by what the field is: words of a text, an exact value, a number, a date. */
#include <math.h>
#include <stdio.h>

#include "api/search/date.h"
#include "api/search/search_int.h"

struct sb_query *es_query_new(struct es_parse *p, enum sb_query_kind kind) {
    struct sb_query *q = sb_arena_zalloc(p->arena, sizeof *q);
    q->kind = kind;
    q->field = -1;
    return q;
}

sb_err es_clauses_add(struct es_parse *p, size_t n) {
    if (n <= SB_SEARCH_CLAUSES_MAX && (p->clauses += (unsigned)n) <= SB_SEARCH_CLAUSES_MAX)
        return SB_OK;
    return es_fail(p->error, 400, "too_many_nested_clauses",
                   "Query contains too many clauses; maxClauseCount is set to %d",
                   SB_SEARCH_CLAUSES_MAX);
}

sb_err es_depth_enter(struct es_parse *p) {
    if (++p->depth <= SB_SEARCH_DEPTH_MAX) return SB_OK;
    return es_fail_argument(p->error, "The query is nested more than %d levels deep",
                            SB_SEARCH_DEPTH_MAX);
}

/* A leaf on a field that may not be there. */
static struct sb_query *on_field(struct es_parse *p, struct es_field f, enum sb_query_kind kind) {
    struct sb_query *q = es_query_new(p, f.at < 0 ? SB_QUERY_NONE : kind);
    q->field = f.at;
    return q;
}

const struct sb_query *es_any_of(struct es_parse *p, const struct sb_query **list, size_t n) {
    if (n == 1) return list[0];
    struct sb_query *q = es_query_new(p, n ? SB_QUERY_BOOL : SB_QUERY_NONE);
    q->should = list;
    q->nshould = n;
    q->min_should = n ? 1 : 0;
    return q;
}

/* Fields that are no column. */
static bool is_id(struct es_field f) {
    return sb_str_is(f.name, "_id");
}

static const struct sb_query *on_index(struct es_parse *p, struct sb_str pattern) {
    return es_query_new(p,
                        es_name_matches(pattern, p->fields->index) ? SB_QUERY_ALL : SB_QUERY_NONE);
}

sb_err es_leaf_ids(struct es_parse *p, const struct sb_str *ids, size_t n,
                   const struct sb_query **out) {
    SB_TRY(es_clauses_add(p, 1));
    struct sb_search_value *values = sb_arena_try_array(p->arena, n + 1, sizeof *values);
    if (!values) return es_fail_argument(p->error, "too many ids");
    for (size_t i = 0; i < n; i++) {
        values[i] = (struct sb_search_value){.type = SB_COLUMN_KEYWORD, .s = ids[i]};
        if (ids[i].n > 512)
            return es_fail_argument(p->error, "an id is too long: %zu bytes, at most 512",
                                    ids[i].n);
    }
    struct sb_query *q = es_query_new(p, SB_QUERY_IDS);
    q->values = values;
    q->nvalues = n;
    *out = q;
    return SB_OK;
}

/* A failure that lenient queries do not have: the value matches nothing. */
static sb_err forgive(struct es_parse *p, const struct es_leaf *l, sb_err err,
                      const struct sb_query **out) {
    if (!err || !l->lenient) return err;
    *p->error = (struct es_error){0};
    *out = es_query_new(p, SB_QUERY_NONE);
    return SB_OK;
}

/* A date without a time is the whole day: what a term means there. */
static sb_err date_term(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                        const struct sb_query **out) {
    struct es_range r = {.low = {.text = l->text}, .high = {.text = l->text}};
    if (l->json && !es_json_text(l->json, &r.low.text))
        return es_fail_parse(p->error, "field [%.*s]: a date is expected",
                             f.name.n < 100 ? (int)f.name.n : 100, f.name.p);
    r.high.text = r.low.text;
    return es_leaf_range(p, f, &r, out);
}

static sb_err exact_term(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                         const struct sb_query **out) {
    struct sb_search_value *v = sb_arena_zalloc(p->arena, sizeof *v);
    bool never;
    SB_TRY(es_value_of(p, f, l->json, l->text, v, &never));
    struct sb_query *q = on_field(p, f, never ? SB_QUERY_NONE : SB_QUERY_TERMS);
    q->values = v;
    q->nvalues = !never;
    q->ignore_case = l->ignore_case;
    *out = q;
    return SB_OK;
}

sb_err es_leaf_words(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                     enum sb_query_words words, const struct sb_query **out) {
    SB_TRY(es_clauses_add(p, 1));
    struct sb_query *q = on_field(p, f, SB_QUERY_WORDS);
    q->text = l->text;
    if (l->json && !es_json_text(l->json, &q->text))
        return es_fail_parse(p->error, "field [%.*s]: a string, number or boolean is expected",
                             f.name.n < 100 ? (int)f.name.n : 100, f.name.p);
    q->words = words;
    *out = q;
    return SB_OK;
}

sb_err es_leaf_term(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                    const struct sb_query **out) {
    struct sb_str text = l->text;
    if (l->json) es_json_text(l->json, &text);
    if (is_id(f)) return es_leaf_ids(p, &text, 1, out);
    if (sb_str_is(f.name, "_index")) {
        *out = on_index(p, text);
        return es_clauses_add(p, 1);
    }
    if (f.words) return es_leaf_words(p, f, l, SB_WORDS_PHRASE, out);
    if (f.at >= 0 && f.type == SB_COLUMN_DATE) return forgive(p, l, date_term(p, f, l, out), out);
    SB_TRY(es_clauses_add(p, 1));
    return forgive(p, l, exact_term(p, f, l, out), out);
}

/* ---- patterns ---- */

static void add_escaped(struct sb_buf *b, struct sb_str wildcard) {
    for (size_t i = 0; i < wildcard.n; i++) {
        char c = wildcard.p[i];
        if (c == '*') {
            SB_BUF_LIT(b, ".*");
        } else if (c == '?') {
            sb_buf_addc(b, '.');
        } else {
            if (c == '\\' && i + 1 < wildcard.n) c = wildcard.p[++i];
            if (strchr(".?+*|{}[]()\"\\#@&<>~^$-", c) && c) sb_buf_addc(b, '\\');
            sb_buf_addc(b, c);
        }
    }
}

/* A pattern on a text is one on a word of it: what stands before and after the match is nothing, or
 * ends with what is between words. */
static sb_err word_pattern(struct es_parse *p, struct es_field f, struct sb_str pattern,
                           bool wildcard, struct sb_str *out) {
    struct sb_buf b;
    sb_buf_init(&b, SB_SEARCH_PATTERN_MAX);
    SB_BUF_LIT(&b, "(.*[ -/:-@\\[-^`{-~])?(");
    if (wildcard)
        add_escaped(&b, pattern);
    else
        sb_buf_adds(&b, pattern);
    SB_BUF_LIT(&b, ")([ -/:-@\\[-^`{-~].*)?");
    sb_err err = sb_buf_err(&b);
    if (!err) *out = sb_arena_dup(p->arena, sb_buf_view(&b));
    sb_buf_fini(&b);
    if (!err && out->p) return SB_OK;
    return es_fail_argument(
        p->error,
        "field [%.*s]: the pattern is too long for a text; [%.*s.keyword] takes "
        "%d bytes",
        f.name.n < 100 ? (int)f.name.n : 100, f.name.p, f.name.n < 100 ? (int)f.name.n : 100,
        f.name.p, SB_SEARCH_PATTERN_MAX);
}

static sb_err check_pattern(struct es_parse *p, struct es_field f, struct sb_str text) {
    int shown = f.name.n < 100 ? (int)f.name.n : 100;
    if (text.n > SB_SEARCH_PATTERN_MAX)
        return es_fail_argument(p->error,
                                "field [%.*s]: the pattern is %zu bytes long, at most %d are "
                                "allowed",
                                shown, f.name.p, text.n, SB_SEARCH_PATTERN_MAX);
    if (f.at >= 0 && f.type != SB_COLUMN_KEYWORD)
        return es_fail(p->error, 400, "query_shard_exception",
                       "Can only use prefix, wildcard and regexp queries on text and keyword "
                       "fields - not on [%.*s] which is of type [%s]",
                       shown, f.name.p, es_field_type_name(f));
    return SB_OK;
}

sb_err es_leaf_pattern(struct es_parse *p, struct es_field f, const struct es_leaf *l,
                       enum es_pattern kind, const struct sb_query **out) {
    struct sb_str text = l->text;
    static const enum sb_query_kind kinds[] = {SB_QUERY_PREFIX, SB_QUERY_WILDCARD, SB_QUERY_REGEXP};
    SB_TRY(es_clauses_add(p, 1));
    if (l->json && !es_json_text(l->json, &text))
        return es_fail_parse(p->error, "field [%.*s]: a pattern is expected",
                             f.name.n < 100 ? (int)f.name.n : 100, f.name.p);
    if (sb_str_is(f.name, "_index") && kind != ES_REGEXP) {
        *out = on_index(p, kind == ES_PREFIX
                               ? sb_str_of(sb_arena_printf(p->arena, "%.*s*", SB_ARG(text)))
                               : text);
        return SB_OK;
    }
    sb_err err = check_pattern(p, f, text);
    if (err) return forgive(p, l, err, out);
    struct sb_query *q = on_field(p, f, kinds[kind]);
    q->text = text;
    q->ignore_case = l->ignore_case || f.words;
    *out = q;
    if (!f.words || kind == ES_PREFIX) {
        if (f.words && q->kind == SB_QUERY_PREFIX) {
            q->kind = SB_QUERY_WORDS;
            q->words = SB_WORDS_PHRASE_PREFIX;
        }
        return SB_OK;
    }
    if (q->kind != SB_QUERY_NONE) q->kind = SB_QUERY_REGEXP;
    return word_pattern(p, f, text, kind == ES_WILDCARD, &q->text);
}

/* ---- exists ---- */

static const struct sb_query *exists_at(struct es_parse *p, int at) {
    struct sb_query *q = es_query_new(p, SB_QUERY_EXISTS);
    q->field = at;
    return q;
}

/* A name may be that of an object ("input"), or a pattern: then any field below it will do. */
sb_err es_leaf_exists(struct es_parse *p, struct sb_str name, const struct sb_query **out) {
    struct es_field f = es_field_find(p->fields, name);
    SB_TRY(es_clauses_add(p, 1));
    if (f.at >= 0 || sb_str_is(name, "_id") || sb_str_is(name, "_index") ||
        sb_str_is(name, "_source")) {
        *out = f.at >= 0 ? exists_at(p, f.at) : es_query_new(p, SB_QUERY_ALL);
        return SB_OK;
    }
    const struct sb_query **list = sb_arena_try_array(p->arena, p->fields->n + 1, sizeof *list);
    size_t n = 0;
    if (!list) return es_fail_argument(p->error, "too many fields");
    for (size_t i = 0; i < p->fields->n; i++) {
        struct sb_str have = p->fields->list[i].name;
        bool below = have.n > name.n && sb_str_starts(have, name) && have.p[name.n] == '.';
        if (below || (sb_str_find(name, '*') >= 0 && es_name_matches(name, have)))
            list[n++] = exists_at(p, (int)i);
    }
    SB_TRY(es_clauses_add(p, n));
    *out = es_any_of(p, list, n);
    return SB_OK;
}

/* ---- ranges ---- */

struct range_job {
    struct es_parse *p;
    struct es_field f;
    const struct es_range *r;
    struct es_zone zone;
};

static sb_err date_bound(const struct range_job *j, struct sb_str text, bool up, int64_t *ms) {
    struct es_date o = {
        .now_ms = j->p->now_ms, .format = j->r->format, .zone = j->zone, .round_up = up};
    struct sb_errctx ctx = {0};
    if (es_date_parse(&o, text, ms, &ctx) == SB_OK) return SB_OK;
    return es_fail_parse(j->p->error, "field [%.*s]: %s",
                         j->f.name.n < 100 ? (int)j->f.name.n : 100, j->f.name.p, ctx.msg);
}

/* Whole numbers on both sides of a fraction: "> 1.5" is ">= 2". */
static sb_err long_bound(const struct range_job *j, struct sb_str text, bool low, bool *open,
                         int64_t *out) {
    double d;
    if (sb_str_to_i64(text, out)) return SB_OK;
    if (!sb_double_parse(text, &d) || isnan(d))
        return es_fail(j->p->error, 400, "number_format_exception",
                       "failed to create query: field [%.*s]: For input string: \"%.*s\"",
                       j->f.name.n < 100 ? (int)j->f.name.n : 100, j->f.name.p,
                       text.n < 100 ? (int)text.n : 100, text.n ? text.p : "");
    double whole = low ? ceil(d) : floor(d);
    if (whole != d) *open = false;
    *out = whole >= 9223372036854775807.0    ? INT64_MAX
           : whole <= -9223372036854775808.0 ? INT64_MIN
                                             : (int64_t)whole;
    if ((whole >= 9223372036854775807.0 && low) || (whole <= -9223372036854775808.0 && !low))
        *open = true;
    return SB_OK;
}

static sb_err bound_of(const struct range_job *j, const struct es_bound *b, bool low, bool *has,
                       bool *open, struct sb_search_value *v) {
    struct sb_str text = b->text;
    if (b->json && b->json->type != SB_JSON_NULL && !es_json_text(b->json, &text))
        return es_fail_parse(j->p->error, "[range] query: a bound of field [%.*s] is no value",
                             j->f.name.n < 100 ? (int)j->f.name.n : 100, j->f.name.p);
    *has = text.p != NULL;
    *open = b->open;
    if (!*has) return SB_OK;
    *v = (struct sb_search_value){.type = j->f.type};
    bool never;
    switch (j->f.type) {
    case SB_COLUMN_DATE: return date_bound(j, text, low == b->open, &v->i);
    case SB_COLUMN_LONG: return long_bound(j, text, low, open, &v->i);
    default: return es_value_of(j->p, j->f, NULL, text, v, &never);
    }
}

sb_err es_leaf_range(struct es_parse *p, struct es_field f, const struct es_range *r,
                     const struct sb_query **out) {
    struct range_job j = {.p = p, .f = f, .r = r};
    struct sb_errctx ctx = {0};
    struct es_leaf lenient = {.lenient = r->lenient};
    SB_TRY(es_clauses_add(p, 1));
    if (es_date_format_check(r->format, &ctx) != SB_OK)
        return es_fail_argument(p->error, "[range] query: %s", ctx.msg);
    if (r->time_zone.n && !es_zone_find(p->arena, r->time_zone, &j.zone))
        return es_fail_argument(p->error, "[range] query: unknown time zone [%.*s]",
                                r->time_zone.n < 100 ? (int)r->time_zone.n : 100, r->time_zone.p);
    struct sb_query *q = on_field(p, f, SB_QUERY_RANGE);
    *out = q;
    if (q->kind == SB_QUERY_NONE) return SB_OK;
    sb_err err = bound_of(&j, &r->low, true, &q->has_low, &q->low_open, &q->low);
    if (!err) err = bound_of(&j, &r->high, false, &q->has_high, &q->high_open, &q->high);
    if (err) return forgive(p, &lenient, err, out);
    if (!q->has_low && !q->has_high) q->kind = SB_QUERY_EXISTS;
    return SB_OK;
}
