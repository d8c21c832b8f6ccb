/* Aggregations: {"name": {"kind": {...}, "aggs": {...}, "meta": {...}}} by a table of kinds.
 * Children are read before their parent, whose order may name them. */
#include <math.h>

#include "api/search/interval.h"
#include "api/search/search_int.h"

enum { AGGS_MAX = 1000, PERCENTS_MAX = 1000, TOP_HITS_MAX = 100, TOP_METRICS_MAX = 10 };

/* One aggregation on its way. */
struct job {
    struct es_parse *p;
    struct es_agg *es;
    struct sb_agg *agg;
    struct sb_str name;
    const struct kind *kind;
    const struct sb_json *body, *missing, *script;
    struct sb_str field, format, time_zone;
};
struct kind {
    const char *name;
    enum sb_agg_kind engine;
    enum es_agg_form form;
    sb_err (*parse)(struct job *j);
    bool buckets; /* may have children */
};

static int cut(struct sb_str s) {
    return s.n < 100 ? (int)s.n : 100;
}

static sb_err refuse(struct job *j, const char *what) {
    return es_fail_argument(j->p->error, "[%s] aggregation [%.*s]: %s", j->kind->name, cut(j->name),
                            j->name.p, what);
}

static void *array(struct job *j, size_t n, size_t size) {
    return sb_arena_try_array(j->p->arena, n + 1, size);
}

/* The options that most kinds share; own rows stand before them. */
enum { COMMON = 6, OWN_MAX = 16 };
static sb_err read_options(struct job *j, const struct es_option *own, size_t n) {
    struct es_option rows[OWN_MAX + COMMON] = {{NULL, 0, NULL}};
    const struct sb_json *value_type = NULL;
    SB_ASSERT(n <= OWN_MAX);
    if (n) memcpy(rows, own, n * sizeof *own);
    rows[n++] = (struct es_option){"field", ES_OPT_STR, &j->field};
    rows[n++] = (struct es_option){"missing", ES_OPT_JSON, &j->missing};
    rows[n++] = (struct es_option){"format", ES_OPT_STR, &j->format};
    rows[n++] = (struct es_option){"script", ES_OPT_JSON, &j->script};
    rows[n++] = (struct es_option){"value_type", ES_OPT_JSON, &value_type};
    rows[n] = (struct es_option){NULL, 0, NULL};
    SB_TRY(es_options_read(j->p->error, j->kind->name, j->body, rows));
    if (j->script) return refuse(j, "[script] is not supported");
    return SB_OK;
}

enum accepts { NUMBERS = 1, DATES = 2, KEYWORDS = 4, ANY = NUMBERS | DATES | KEYWORDS };

static sb_err check_type(struct job *j, struct es_field f, unsigned accepts) {
    if (f.at < 0) return SB_OK;
    if (f.words)
        return es_fail_argument(
            j->p->error,
            "Fielddata is disabled on [%.*s]: text fields are not aggregatable. "
            "Use [%.*s.keyword] instead",
            cut(f.name), f.name.p, cut(f.name), f.name.p);
    unsigned is = f.type == SB_COLUMN_KEYWORD ? KEYWORDS
                  : f.type == SB_COLUMN_DATE  ? DATES
                                              : NUMBERS;
    if (is & accepts) return SB_OK;
    return es_fail_argument(j->p->error,
                            "Field [%.*s] of type [%s] is not supported for aggregation [%s]",
                            cut(f.name), f.name.p, es_field_type_name(f), j->kind->name);
}

/* The field and what stands for a missing value. */
static sb_err use_field(struct job *j, unsigned accepts) {
    struct sb_errctx ctx = {0};
    if (!j->field.n) return refuse(j, "[field] is required");
    struct es_field f = es_field_find(j->p->fields, j->field);
    j->es->field = f;
    j->agg->field = f.at;
    j->es->format = j->format;
    SB_TRY(check_type(j, f, accepts));
    if (f.type == SB_COLUMN_DATE && es_date_format_check(j->format, &ctx) != SB_OK)
        return refuse(j, ctx.msg);
    if (f.at >= 0 && f.type != SB_COLUMN_DATE && j->format.n)
        return refuse(j, "[format] is supported on dates only");
    if (!j->missing) return SB_OK;
    bool never;
    if (f.at < 0) { /* of a type that its value tells */
        bool number = j->missing->type == SB_JSON_NUMBER;
        j->es->field.type = f.type = number ? SB_COLUMN_DOUBLE : SB_COLUMN_KEYWORD;
    }
    SB_TRY(es_value_of(j->p, f, j->missing, (struct sb_str){0}, &j->agg->missing, &never));
    if (never) return refuse(j, "[missing] does not fit the field's type");
    j->agg->has_missing = true;
    return SB_OK;
}

/* ---- order ---- */

static const struct {
    const char *name;
    enum sb_agg_part part;
} parts[] = {{"count", SB_PART_COUNT},
             {"min", SB_PART_MIN},
             {"max", SB_PART_MAX},
             {"avg", SB_PART_AVG},
             {"sum", SB_PART_SUM},
             {"sum_of_squares", SB_PART_SUM_OF_SQUARES},
             {"variance", SB_PART_VARIANCE},
             {"variance_population", SB_PART_VARIANCE},
             {"std_deviation", SB_PART_STD_DEVIATION},
             {"std_deviation_population", SB_PART_STD_DEVIATION}};

static bool order_part(const struct sb_agg *child, struct sb_str part, struct sb_agg_order *o) {
    switch (child->kind) {
    case SB_AGG_PERCENTILES:
        if (!sb_double_parse(part, &o->number)) return false;
        for (size_t i = 0; i < child->npercents; i++)
            if (child->percents[i] == o->number) return true;
        return false;
    case SB_AGG_STATS:
    case SB_AGG_EXTENDED_STATS:
        for (size_t i = 0; i < SB_COUNT(parts); i++)
            if (sb_str_is(part, parts[i].name)) {
                o->part = (int)parts[i].part;
                return child->kind == SB_AGG_EXTENDED_STATS || o->part < SB_PART_SUM_OF_SQUARES;
            }
        return false;
    case SB_AGG_AVG:
    case SB_AGG_SUM:
    case SB_AGG_MIN:
    case SB_AGG_MAX:
    case SB_AGG_VALUE_COUNT:
    case SB_AGG_CARDINALITY: return !part.n || sb_str_is(part, "value");
    default: return false;
    }
}

/* "name", "name.part", "name[part]" */
static bool order_path(const struct sb_agg *agg, struct sb_str path, struct sb_agg_order *o) {
    for (size_t i = 0; i < agg->nchildren; i++) {
        struct sb_str name = agg->children[i].name, part = {0};
        if (!sb_str_starts(path, name)) continue;
        struct sb_str rest = sb_str_sub(path, name.n, path.n);
        if (rest.n > 2 && rest.p[0] == '[' && rest.p[rest.n - 1] == ']')
            part = sb_str_sub(rest, 1, rest.n - 2);
        else if (rest.n > 1 && rest.p[0] == '.')
            part = sb_str_sub(rest, 1, rest.n);
        else if (rest.n)
            continue;
        o->by = SB_AGG_BY_METRIC;
        o->child = i;
        if (order_part(&agg->children[i], part, o)) return true;
    }
    return false;
}

static sb_err one_order(struct job *j, const struct sb_json *m, struct sb_agg_order *o) {
    struct sb_str way = {0};
    *o = (struct sb_agg_order){0};
    if (!es_json_text(m, &way) ||
        (!sb_str_ieq(way, SB_STR("asc")) && !sb_str_ieq(way, SB_STR("desc"))))
        return es_fail_parse(j->p->error, "[order] of [%.*s] must be asc or desc", cut(j->name),
                             j->name.p);
    o->descending = sb_str_ieq(way, SB_STR("desc"));
    if (sb_str_is(m->key, "_key") || sb_str_is(m->key, "_term") || sb_str_is(m->key, "_time"))
        o->by = SB_AGG_BY_KEY;
    else if (sb_str_is(m->key, "_count"))
        o->by = SB_AGG_BY_COUNT;
    else if (!order_path(j->agg, m->key, o))
        return es_fail_argument(j->p->error,
                                "Invalid aggregation order path [%.*s]: it names no metric in "
                                "[%.*s]",
                                cut(m->key), m->key.p, cut(j->name), j->name.p);
    return SB_OK;
}

static sb_err parse_order(struct job *j, const struct sb_json *v) {
    size_t most = !v ? 0 : v->type == SB_JSON_ARRAY ? v->n : 1, n = 0;
    struct sb_agg_order *list = array(j, most, sizeof *list);
    if (!list) return refuse(j, "[order] is too long");
    const struct sb_json *item = v && v->type == SB_JSON_ARRAY ? v->child : v;
    for (; n < most; item = item->next) {
        if (item->type != SB_JSON_OBJECT || item->n != 1)
            return refuse(j, "[order] must be objects of one name each");
        SB_TRY(one_order(j, item->child, &list[n++]));
    }
    j->agg->order = list;
    j->agg->norder = n;
    return SB_OK;
}

/* ---- buckets ---- */

static sb_err pattern_of(struct job *j, const char *what, const struct sb_json *v,
                         struct sb_str *out) {
    struct sb_buf b;
    if (!v) return SB_OK;
    if (j->es->field.at >= 0 && j->es->field.type != SB_COLUMN_KEYWORD)
        return es_fail_argument(j->p->error, "[terms] aggregation: [%s] needs a keyword field",
                                what);
    if (v->type == SB_JSON_STRING) {
        *out = v->s;
        return SB_OK;
    }
    if (v->type != SB_JSON_ARRAY)
        return es_fail_argument(j->p->error,
                                "[terms] aggregation: this form of [%s] is not "
                                "supported",
                                what);
    sb_buf_init(&b, SB_SEARCH_BODY_MAX);
    for (const struct sb_json *m = v->child; m; m = m->next) {
        struct sb_str s;
        if (m != v->child) sb_buf_addc(&b, '|');
        if (!es_json_text(m, &s)) s = SB_STR("");
        for (size_t i = 0; i < s.n; i++) {
            if (s.p[i] && strchr(".?+*|{}[]()\"\\#@&<>~^$-", s.p[i])) sb_buf_addc(&b, '\\');
            sb_buf_addc(&b, s.p[i]);
        }
    }
    *out = sb_arena_dup(j->p->arena, sb_buf_view(&b));
    sb_buf_fini(&b);
    if (!out->p || out->n > SB_SEARCH_PATTERN_MAX)
        return es_fail_argument(j->p->error, "[terms] aggregation: [%s] is too long", what);
    return SB_OK;
}

static sb_err parse_terms(struct job *j) {
    int64_t size = 10, least = 1, shard_size = 0, shard_min = 0;
    bool show = false;
    const struct sb_json *order = NULL, *include = NULL, *exclude = NULL, *ignored = NULL;
    const struct es_option own[] = {
        {"size", ES_OPT_INT, &size},
        {"min_doc_count", ES_OPT_INT, &least},
        {"order", ES_OPT_JSON, &order},
        {"include", ES_OPT_JSON, &include},
        {"exclude", ES_OPT_JSON, &exclude},
        {"shard_size", ES_OPT_INT, &shard_size},
        {"shard_min_doc_count", ES_OPT_INT, &shard_min},
        {"show_term_doc_count_error", ES_OPT_BOOL, &show},
        {"execution_hint", ES_OPT_JSON, &ignored},
        {"collect_mode", ES_OPT_JSON, &ignored},
    };
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    SB_TRY(use_field(j, ANY));
    if (size < 1) return refuse(j, "[size] must be greater than 0");
    if (least < 0) return refuse(j, "[min_doc_count] must not be negative");
    /* what is larger than the limit of buckets means all */
    j->agg->size = size > SB_SEARCH_BUCKETS_MAX ? SB_SEARCH_BUCKETS_MAX + 1 : (uint32_t)size;
    j->agg->min_doc_count = (uint64_t)least;
    SB_TRY(pattern_of(j, "include", include, &j->agg->include));
    SB_TRY(pattern_of(j, "exclude", exclude, &j->agg->exclude));
    return parse_order(j, order);
}

static sb_err use_zone(struct job *j) {
    if (!j->time_zone.n) return SB_OK;
    if (!es_zone_find(j->p->arena, j->time_zone, &j->es->zone))
        return refuse(j, "[time_zone] is not known");
    j->agg->time_zone = j->time_zone;
    return SB_OK;
}

static sb_err one_bound(struct job *j, const struct sb_json *v, bool date, double *out) {
    struct sb_str text;
    struct es_date o = {.now_ms = j->p->now_ms, .format = j->format, .zone = j->es->zone};
    struct sb_errctx ctx = {0};
    int64_t ms;
    if (v->type == SB_JSON_NUMBER && isfinite(v->d)) {
        *out = v->d;
        return SB_OK;
    }
    if (!date || v->type != SB_JSON_STRING) return refuse(j, "a bound must be a number");
    text = v->s;
    if (es_date_parse(&o, text, &ms, &ctx) != SB_OK) return refuse(j, ctx.msg);
    *out = (double)ms;
    return SB_OK;
}

static sb_err parse_bounds(struct job *j, const struct sb_json *extended,
                           const struct sb_json *hard, bool date) {
    const struct sb_json *v = hard ? hard : extended, *min = NULL, *max = NULL;
    const struct es_option rows[] = {
        {"min", ES_OPT_JSON, &min}, {"max", ES_OPT_JSON, &max}, {NULL, 0, NULL}};
    if (!v) return SB_OK;
    if (extended && hard) return refuse(j, "[extended_bounds] together with [hard_bounds]");
    SB_TRY(es_options_read(j->p->error, hard ? "hard_bounds" : "extended_bounds", v, rows));
    if (!min || !max) return refuse(j, "bounds need [min] and [max]");
    SB_TRY(one_bound(j, min, date, &j->agg->bounds_min));
    SB_TRY(one_bound(j, max, date, &j->agg->bounds_max));
    if (j->agg->bounds_min > j->agg->bounds_max)
        return refuse(j, "[min] of the bounds is greater than [max]");
    j->agg->has_bounds = true;
    j->agg->hard_bounds = hard != NULL;
    return SB_OK;
}

static sb_err parse_histogram(struct job *j) {
    double interval = 0, offset = 0;
    int64_t least = 0;
    const struct sb_json *order = NULL, *extended = NULL, *hard = NULL;
    const struct es_option own[] = {
        {"interval", ES_OPT_DOUBLE, &interval},      {"offset", ES_OPT_DOUBLE, &offset},
        {"min_doc_count", ES_OPT_INT, &least},       {"order", ES_OPT_JSON, &order},
        {"extended_bounds", ES_OPT_JSON, &extended}, {"hard_bounds", ES_OPT_JSON, &hard},
        {"keyed", ES_OPT_BOOL, &j->es->keyed},
    };
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    SB_TRY(use_field(j, NUMBERS | DATES));
    if (!(interval >= 1e-12))
        return refuse(j, "[interval] must be a positive number, at least 1e-12");
    if (least < 0) return refuse(j, "[min_doc_count] must not be negative");
    j->agg->interval = interval;
    j->agg->offset = offset;
    j->agg->min_doc_count = (uint64_t)least;
    SB_TRY(parse_bounds(j, extended, hard, false));
    return parse_order(j, order);
}

static sb_err parse_interval(struct job *j, struct sb_str fixed, struct sb_str calendar,
                             struct sb_str either) {
    int64_t ms;
    if (either.n) {
        if (fixed.n || calendar.n) return refuse(j, "[interval] together with another interval");
        if (es_calendar_parse(either, &j->agg->calendar)) return SB_OK;
        fixed = either;
    }
    if (!fixed.n == !calendar.n)
        return refuse(j, "one of [fixed_interval] and [calendar_interval] is required");
    if (calendar.n) {
        if (es_calendar_parse(calendar, &j->agg->calendar)) return SB_OK;
        return es_fail_argument(j->p->error,
                                "The supplied interval [%.*s] could not be parsed as a calendar "
                                "interval.",
                                cut(calendar), calendar.p);
    }
    if (!es_span_parse(fixed, &ms) || ms < 1)
        return es_fail_argument(
            j->p->error,
            "failed to parse setting [date_histogram.fixed_interval] with value "
            "[%.*s] as a time value",
            cut(fixed), fixed.p);
    j->agg->interval = (double)ms;
    return SB_OK;
}

static sb_err parse_date_histogram(struct job *j) {
    struct sb_str fixed = {0}, calendar = {0}, either = {0}, offset = {0};
    int64_t least = 0, offset_ms = 0;
    const struct sb_json *order = NULL, *extended = NULL, *hard = NULL;
    const struct es_option own[] = {
        {"fixed_interval", ES_OPT_STR, &fixed},      {"calendar_interval", ES_OPT_STR, &calendar},
        {"interval", ES_OPT_STR, &either},           {"offset", ES_OPT_STR, &offset},
        {"min_doc_count", ES_OPT_INT, &least},       {"order", ES_OPT_JSON, &order},
        {"extended_bounds", ES_OPT_JSON, &extended}, {"hard_bounds", ES_OPT_JSON, &hard},
        {"keyed", ES_OPT_BOOL, &j->es->keyed},       {"time_zone", ES_OPT_STR, &j->time_zone},
    };
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    SB_TRY(use_field(j, DATES));
    SB_TRY(use_zone(j));
    SB_TRY(parse_interval(j, fixed, calendar, either));
    if (least < 0) return refuse(j, "[min_doc_count] must not be negative");
    j->agg->min_doc_count = (uint64_t)least;
    if (offset.n && !sb_str_to_i64(offset, &offset_ms) && !es_span_parse(offset, &offset_ms))
        return refuse(j, "[offset] is no span of time");
    j->agg->offset = (double)offset_ms;
    SB_TRY(parse_bounds(j, extended, hard, true));
    return parse_order(j, order);
}

static struct sb_str range_key(struct job *j, const struct sb_agg_range *r, bool date) {
    struct sb_buf b;
    const struct {
        bool has;
        double v;
    } ends[] = {{r->has_from, r->from}, {r->has_to, r->to}};
    sb_buf_init(&b, 512);
    for (size_t i = 0; i < 2; i++) {
        if (i) sb_buf_addc(&b, '-');
        if (!ends[i].has) {
            sb_buf_addc(&b, '*');
        } else if (date) {
            es_date_add(&b, (int64_t)ends[i].v, j->format, j->es->zone);
        } else {
            size_t before = b.n;
            sb_json_add_double(&b, ends[i].v);
            struct sb_str text = sb_str_sub(sb_buf_view(&b), before, b.n);
            if (sb_str_find(text, '.') < 0 && sb_str_find(text, 'e') < 0) SB_BUF_LIT(&b, ".0");
        }
    }
    struct sb_str key = sb_arena_dup(j->p->arena, sb_buf_view(&b));
    sb_buf_fini(&b);
    return key;
}

static sb_err parse_ranges(struct job *j) {
    bool date = strcmp(j->kind->name, "date_range") == 0;
    const struct sb_json *ranges = NULL;
    const struct es_option own[] = {{"ranges", ES_OPT_JSON, &ranges},
                                    {"keyed", ES_OPT_BOOL, &j->es->keyed},
                                    {"time_zone", ES_OPT_STR, &j->time_zone}};
    size_t n = 0;
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    SB_TRY(use_field(j, date ? DATES : NUMBERS | DATES));
    SB_TRY(use_zone(j));
    if (!ranges || ranges->type != SB_JSON_ARRAY || !ranges->n)
        return refuse(j, "[ranges] must be an array that is not empty");
    if (ranges->n > SB_SEARCH_CLAUSES_MAX) return refuse(j, "too many [ranges]");
    struct sb_agg_range *list = array(j, ranges->n, sizeof *list);
    if (!list) return refuse(j, "too many [ranges]");
    for (const struct sb_json *v = ranges->child; v; v = v->next) {
        struct sb_agg_range *r = &list[n++];
        const struct sb_json *from = NULL, *to = NULL;
        const struct es_option rows[] = {{"key", ES_OPT_STR, &r->key},
                                         {"from", ES_OPT_JSON, &from},
                                         {"to", ES_OPT_JSON, &to},
                                         {NULL, 0, NULL}};
        SB_TRY(es_options_read(j->p->error, "[ranges]", v, rows));
        r->has_from = from != NULL;
        r->has_to = to != NULL;
        if (from) SB_TRY(one_bound(j, from, date, &r->from));
        if (to) SB_TRY(one_bound(j, to, date, &r->to));
        if (!r->key.n) r->key = range_key(j, r, date);
    }
    j->agg->ranges = list;
    j->agg->nranges = n;
    return SB_OK;
}

static sb_err parse_filters(struct job *j) {
    const struct sb_json *filters = NULL;
    struct sb_str other_key = SB_STR("_other_"), given = {0};
    bool keyed = true;
    const struct es_option own[] = {{"filters", ES_OPT_JSON, &filters},
                                    {"other_bucket", ES_OPT_BOOL, &j->agg->other_bucket},
                                    {"other_bucket_key", ES_OPT_STR, &given},
                                    {"keyed", ES_OPT_BOOL, &keyed}};
    size_t n = 0;
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    if (!filters || filters->type < SB_JSON_ARRAY || !filters->n)
        return refuse(j, "[filters] must be an object or array that is not empty");
    SB_TRY(es_clauses_add(j->p, filters->n));
    const struct sb_query **list = array(j, filters->n, sizeof *list);
    struct sb_str *keys = array(j, filters->n + 1, sizeof *keys);
    if (!list || !keys) return refuse(j, "too many [filters]");
    for (const struct sb_json *v = filters->child; v; v = v->next, n++) {
        keys[n] = v->key;
        SB_TRY(es_query_parse(j->p, v, &list[n]));
    }
    if (given.n) {
        other_key = given;
        j->agg->other_bucket = true;
    }
    keys[n] = other_key;
    j->es->keyed = filters->type == SB_JSON_OBJECT && keyed;
    j->es->keys = keys;
    j->agg->filters = list;
    j->agg->nfilters = n;
    return SB_OK;
}

static sb_err parse_filter(struct job *j) {
    const struct sb_query **list = array(j, 1, sizeof *list);
    j->agg->filters = list;
    j->agg->nfilters = 1;
    return es_query_parse(j->p, j->body, &list[0]);
}

static sb_err parse_missing(struct job *j) {
    SB_TRY(read_options(j, NULL, 0));
    return use_field(j, ANY);
}

/* ---- numbers ---- */

static sb_err parse_number(struct job *j) {
    SB_TRY(read_options(j, NULL, 0));
    return use_field(j, NUMBERS | DATES);
}

static sb_err parse_any(struct job *j) {
    int64_t precision = 0;
    const struct sb_json *ignored = NULL;
    const struct es_option own[] = {{"precision_threshold", ES_OPT_INT, &precision},
                                    {"execution_hint", ES_OPT_JSON, &ignored},
                                    {"rehash", ES_OPT_JSON, &ignored}};
    SB_TRY(read_options(j, own, j->agg->kind == SB_AGG_CARDINALITY ? SB_COUNT(own) : 0));
    if (precision < 0) return refuse(j, "[precision_threshold] must not be negative");
    return use_field(j, ANY);
}

static sb_err parse_extended(struct job *j) {
    const struct es_option own[] = {{"sigma", ES_OPT_DOUBLE, &j->agg->sigma}};
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    if (j->agg->sigma < 0) return refuse(j, "[sigma] must not be negative");
    return use_field(j, NUMBERS | DATES);
}

static sb_err parse_percentiles(struct job *j) {
    static const double usual[] = {1, 5, 25, 50, 75, 95, 99};
    const struct sb_json *percents = NULL, *ignored = NULL;
    const struct es_option own[] = {{"percents", ES_OPT_JSON, &percents},
                                    {"keyed", ES_OPT_BOOL, &j->es->keyed},
                                    {"tdigest", ES_OPT_JSON, &ignored},
                                    {"hdr", ES_OPT_JSON, &ignored}};
    j->es->keyed = true;
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    SB_TRY(use_field(j, NUMBERS | DATES));
    j->agg->percents = usual;
    j->agg->npercents = SB_COUNT(usual);
    if (!percents) return SB_OK;
    bool single = percents->type == SB_JSON_NUMBER || percents->type == SB_JSON_STRING;
    size_t count = single ? 1 : percents->n, n = 0;
    if ((!single && percents->type != SB_JSON_ARRAY) || !count)
        return refuse(j, "[percents] must be an array that is not empty");
    if (count > PERCENTS_MAX) return refuse(j, "too many [percents]: at most 1000");
    double *list = array(j, count, sizeof *list);
    if (!list) return refuse(j, "too many [percents]");
    for (const struct sb_json *v = single ? percents : percents->child; n < count; v = v->next) {
        struct sb_str text;
        if (!es_json_text(v, &text) || !sb_double_parse(text, &list[n]) ||
            !(list[n] >= 0 && list[n] <= 100))
            return refuse(j, "each of [percents] must be a number from 0 to 100");
        n++;
    }
    j->agg->percents = list;
    j->agg->npercents = n;
    return SB_OK;
}

/* ---- documents ---- */

static sb_err parse_top_hits(struct job *j) {
    int64_t size = 3, from = 0;
    const struct sb_json *sort = NULL, *source = NULL, *fields = NULL, *docvalues = NULL,
                         *script_fields = NULL, *ignored = NULL;
    struct es_hits *h = sb_arena_zalloc(j->p->arena, sizeof *h);
    const struct es_option own[] = {{"size", ES_OPT_INT, &size},
                                    {"from", ES_OPT_INT, &from},
                                    {"sort", ES_OPT_JSON, &sort},
                                    {"_source", ES_OPT_JSON, &source},
                                    {"fields", ES_OPT_JSON, &fields},
                                    {"docvalue_fields", ES_OPT_JSON, &docvalues},
                                    {"script_fields", ES_OPT_JSON, &script_fields},
                                    {"version", ES_OPT_BOOL, &h->version},
                                    {"seq_no_primary_term", ES_OPT_BOOL, &h->seq_no},
                                    {"track_scores", ES_OPT_JSON, &ignored}};
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    if (size < 0 || from < 0 || from > TOP_HITS_MAX || size > TOP_HITS_MAX ||
        from + size > TOP_HITS_MAX)
        return refuse(j, "[from] + [size] must be at most 100");
    if (script_fields && script_fields->n) return refuse(j, "[script_fields] is not supported");
    if (sort) SB_TRY(es_sorts_parse(j->p, sort, &h->sorts));
    if (source) SB_TRY(es_source_parse(j->p, source, &h->source));
    if (fields) SB_TRY(es_doc_fields_parse(j->p, "fields", fields, &h->fields));
    if (docvalues) SB_TRY(es_doc_fields_parse(j->p, "docvalue_fields", docvalues, &h->docvalues));
    j->es->hits = h;
    j->agg->size = (uint32_t)size;
    j->agg->from = (uint32_t)from;
    j->agg->sort = h->sorts.engine;
    j->agg->nsort = h->sorts.nengine;
    return SB_OK;
}

/* The metrics are read back as further sort keys of the hits. */
static sb_err parse_top_metrics(struct job *j) {
    int64_t size = 1;
    const struct sb_json *sort = NULL, *metrics = NULL;
    struct es_hits *h = sb_arena_zalloc(j->p->arena, sizeof *h);
    const struct es_option own[] = {{"size", ES_OPT_INT, &size},
                                    {"sort", ES_OPT_JSON, &sort},
                                    {"metrics", ES_OPT_JSON, &metrics}};
    SB_TRY(read_options(j, own, SB_COUNT(own)));
    if (size < 1 || size > TOP_METRICS_MAX) return refuse(j, "[size] must be from 1 to 10");
    if (!sort) return refuse(j, "[sort] is required");
    if (!metrics || (metrics->type == SB_JSON_ARRAY && !metrics->n))
        return refuse(j, "[metrics] is required");
    SB_TRY(es_sorts_parse(j->p, sort, &h->sorts));
    j->es->nsorts = h->sorts.n;
    size_t count = metrics->type == SB_JSON_ARRAY ? metrics->n : 1, n = 0;
    struct sb_str *keys = array(j, count, sizeof *keys);
    if (!keys || count > 32) return refuse(j, "too many [metrics]: at most 32");
    for (const struct sb_json *v = metrics->type == SB_JSON_ARRAY ? metrics->child : metrics;
         n < count; v = v->next) {
        const struct es_option rows[] = {{"field", ES_OPT_STR, &keys[n]}, {NULL, 0, NULL}};
        SB_TRY(es_options_read(j->p->error, "[metrics]", v, rows));
        struct es_sort one = {.field = es_field_find(j->p->fields, keys[n++])};
        SB_TRY(check_type(j, one.field, ANY));
        struct sb_sort engine = {.by = SB_SORT_FIELD, .field = one.field.at};
        SB_TRY(es_sorts_add(j->p, &h->sorts, &one, &engine));
    }
    j->es->hits = h;
    j->es->keys = keys;
    j->agg->size = (uint32_t)size;
    j->agg->sort = h->sorts.engine;
    j->agg->nsort = h->sorts.nengine;
    return SB_OK;
}

static const struct kind kinds[] = {
    {"terms", SB_AGG_TERMS, ES_AGG_BUCKETS, parse_terms, true},
    {"histogram", SB_AGG_HISTOGRAM, ES_AGG_BUCKETS, parse_histogram, true},
    {"date_histogram", SB_AGG_DATE_HISTOGRAM, ES_AGG_BUCKETS, parse_date_histogram, true},
    {"range", SB_AGG_RANGE, ES_AGG_BUCKETS, parse_ranges, true},
    {"date_range", SB_AGG_RANGE, ES_AGG_BUCKETS, parse_ranges, true},
    {"filters", SB_AGG_FILTERS, ES_AGG_BUCKETS, parse_filters, true},
    {"filter", SB_AGG_FILTERS, ES_AGG_SINGLE, parse_filter, true},
    {"missing", SB_AGG_MISSING, ES_AGG_SINGLE, parse_missing, true},
    {"avg", SB_AGG_AVG, ES_AGG_VALUE, parse_number, false},
    {"sum", SB_AGG_SUM, ES_AGG_VALUE, parse_number, false},
    {"min", SB_AGG_MIN, ES_AGG_VALUE, parse_number, false},
    {"max", SB_AGG_MAX, ES_AGG_VALUE, parse_number, false},
    {"stats", SB_AGG_STATS, ES_AGG_STATS, parse_number, false},
    {"extended_stats", SB_AGG_EXTENDED_STATS, ES_AGG_STATS, parse_extended, false},
    {"value_count", SB_AGG_VALUE_COUNT, ES_AGG_VALUE, parse_any, false},
    {"cardinality", SB_AGG_CARDINALITY, ES_AGG_VALUE, parse_any, false},
    {"percentiles", SB_AGG_PERCENTILES, ES_AGG_PERCENTILES, parse_percentiles, false},
    {"top_hits", SB_AGG_TOP_HITS, ES_AGG_TOP_HITS, parse_top_hits, false},
    {"top_metrics", SB_AGG_TOP_HITS, ES_AGG_TOP_METRICS, parse_top_metrics, false},
};

static const struct kind *kind_of(struct sb_str name) {
    for (size_t i = 0; i < SB_COUNT(kinds); i++)
        if (sb_str_is(name, kinds[i].name)) return &kinds[i];
    return NULL;
}

static sb_err parse_agg(struct es_parse *p, const struct sb_json *v, struct es_agg *es,
                        struct sb_agg *agg) {
    const struct sb_json *children = NULL, *body = NULL;
    struct job j = {.p = p, .es = es, .agg = agg, .name = v->key};
    if (++p->aggs > AGGS_MAX)
        return es_fail_argument(p->error, "too many aggregations: at most %d", AGGS_MAX);
    if (!v->key.n || sb_str_find(v->key, '[') >= 0 || sb_str_find(v->key, ']') >= 0 ||
        sb_str_find(v->key, '>') >= 0)
        return es_fail_argument(
            p->error,
            "Invalid aggregation name [%.*s]: it may not be empty or contain [, "
            "] or >",
            cut(v->key), v->key.p);
    if (v->type != SB_JSON_OBJECT)
        return es_fail_parse(p->error, "aggregation [%.*s] must be an object", cut(v->key),
                             v->key.p);
    for (const struct sb_json *m = v->child; m; m = m->next) {
        if (sb_str_is(m->key, "aggs") || sb_str_is(m->key, "aggregations")) {
            children = m;
        } else if (sb_str_is(m->key, "meta")) {
            es->meta = m;
        } else if (body) {
            return es_fail_parse(p->error,
                                 "Found two aggregation type definitions in [%.*s]: [%.*s] and "
                                 "[%.*s]",
                                 cut(v->key), v->key.p, cut(body->key), body->key.p, cut(m->key),
                                 m->key.p);
        } else {
            body = m;
        }
    }
    if (!body)
        return es_fail_parse(p->error, "Missing definition for aggregation [%.*s]", cut(v->key),
                             v->key.p);
    j.kind = kind_of(body->key);
    if (!j.kind)
        return es_fail_parse(p->error, "Unknown aggregation type [%.*s]: it is not supported",
                             cut(body->key), body->key.p);
    if (children && children->n && !j.kind->buckets)
        return es_fail_argument(p->error,
                                "Aggregator [%.*s] of type [%s] cannot accept sub-aggregations",
                                cut(v->key), v->key.p, j.kind->name);
    *agg = (struct sb_agg){.name = v->key, .kind = j.kind->engine, .field = -1};
    es->agg = agg;
    es->kind = j.kind->name;
    es->form = j.kind->form;
    es->field.at = -1;
    if (children) {
        struct es_aggs list;
        SB_TRY(es_depth_enter(p));
        SB_TRY(es_aggs_parse(p, children, &list));
        p->depth--;
        agg->children = list.engine;
        agg->nchildren = list.n;
        es->children = list.list;
    }
    j.body = body;
    return j.kind->parse(&j);
}

sb_err es_aggs_parse(struct es_parse *p, const struct sb_json *v, struct es_aggs *out) {
    size_t n = 0;
    *out = (struct es_aggs){0};
    if (!v) return SB_OK;
    if (v->type != SB_JSON_OBJECT)
        return es_fail_parse(p->error, "[aggs] must be an object of aggregations by name");
    struct es_agg *list = sb_arena_try_array(p->arena, v->n + 1, sizeof *list);
    struct sb_agg *engine = sb_arena_try_array(p->arena, v->n + 1, sizeof *engine);
    if (!list || !engine) return es_fail_argument(p->error, "too many aggregations");
    for (const struct sb_json *m = v->child; m; m = m->next, n++)
        SB_TRY(parse_agg(p, m, &list[n], &engine[n]));
    *out = (struct es_aggs){.list = list, .engine = engine, .n = n};
    return SB_OK;
}
