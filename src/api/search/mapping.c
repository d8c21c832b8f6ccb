/* What indexes look like: mappings, settings, field capabilities. */
#include <stdlib.h>

#include "api/search/api_int.h"

enum { NEST_MAX = 20 };

/* ---- mappings: fields sorted by path, as objects in each other ---- */

/* '.' is before all other bytes, so that an object's fields follow each other. */
static int compare_paths(const void *x, const void *y) {
    struct sb_str a = ((const struct sb_column_field *)x)->name,
                  b = ((const struct sb_column_field *)y)->name;
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        unsigned char p = (unsigned char)a.p[i], q = (unsigned char)b.p[i];
        if (p == q) continue;
        if (p == '.' || q == '.') return p == '.' ? -1 : 1;
        return p < q ? -1 : 1;
    }
    return (a.n > b.n) - (a.n < b.n);
}

static void write_type(struct sb_json_writer *w, const struct es_fields *f, struct sb_str name) {
    struct es_field field = es_field_find(f, name);
    sb_json_str(w, "type", sb_str_of(es_field_type_name(field)));
    if (!field.words) return;
    sb_json_obj(w, "fields");
    sb_json_obj(w, "keyword");
    sb_json_str(w, "type", SB_STR("keyword"));
    sb_json_int(w, "ignore_above", SB_COLUMN_KEYWORD_MAX);
    sb_json_end(w);
    sb_json_end(w);
}

/* The part of name behind `from` up to the next dot; from NEST_MAX levels on all of it. */
static struct sb_str step_of(struct sb_str name, size_t from, unsigned depth) {
    struct sb_str rest = sb_str_sub(name, from, name.n);
    ptrdiff_t dot = depth < NEST_MAX ? sb_str_find(rest, '.') : -1;
    return dot <= 0 ? rest : sb_str_sub(rest, 0, (size_t)dot);
}

/* Fields [*at, n) that share their first `from` bytes. Depth is at most NEST_MAX. */
static void write_properties(struct sb_json_writer *w, const struct es_fields *f,
                             const struct sb_column_field *list, size_t n, size_t *at, size_t from,
                             unsigned depth) {
    struct sb_str above = from ? sb_str_sub(list[*at].name, 0, from) : (struct sb_str){0};
    sb_json_obj(w, "properties");
    while (*at < n && sb_str_starts(list[*at].name, above)) {
        struct sb_str name = list[*at].name, step = step_of(name, from, depth);
        struct sb_str path = sb_str_sub(name, 0, from + step.n);
        if (depth == 0 && sb_str_starts(name, SB_STR("_"))) { /* _ignored is no mapped field */
            (*at)++;
            continue;
        }
        sb_json_key(w, step);
        sb_json_obj(w, NULL);
        if (path.n == name.n) {
            write_type(w, f, name);
            (*at)++;
        }
        bool below = *at < n && list[*at].name.n > path.n + 1 &&
                     sb_str_starts(list[*at].name, path) && list[*at].name.p[path.n] == '.';
        if (below && depth < NEST_MAX) write_properties(w, f, list, n, at, path.n + 1, depth + 1);
        sb_json_end(w);
    }
    sb_json_end(w);
}

static void write_mappings(struct call *c, const struct target *t) {
    size_t n = t->fields.n, at = 0;
    struct sb_column_field *list = sb_arena_alloc(&c->arena, (n + 1) * sizeof *list);
    if (n) memcpy(list, t->fields.list, n * sizeof *list);
    qsort(list, n, sizeof *list, compare_paths);
    sb_json_obj(&c->w, "mappings");
    if (n) write_properties(&c->w, &t->fields, list, n, &at, 0, 0);
    sb_json_end(&c->w);
}

static void write_settings(struct call *c, const struct target *t) {
    static const struct {
        const char *key, *value;
    } rows[] = {{"number_of_shards", "1"},
                {"number_of_replicas", "0"},
                {"refresh_interval", "1s"},
                {"creation_date", "0"}};
    sb_json_obj(&c->w, "settings");
    sb_json_obj(&c->w, "index");
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        sb_json_str(&c->w, rows[i].key, sb_str_of(rows[i].value));
    sb_json_str(&c->w, "provided_name", t->fields.index);
    sb_json_str(&c->w, "uuid", t->fields.index);
    sb_json_obj(&c->w, "blocks");
    sb_json_str(&c->w, "write", SB_STR("true"));
    sb_json_end(&c->w);
    sb_json_obj(&c->w, "version");
    sb_json_str(&c->w, "created", SB_STR("8525000"));
    sb_json_end(&c->w);
    sb_json_end(&c->w);
    sb_json_end(&c->w);
}

enum parts { MAPPINGS = 1, SETTINGS = 2, ALIASES = 4 };

static sb_err write_indexes(struct call *c, unsigned parts) {
    struct targets t;
    SB_TRY(targets_of_path(c, &t));
    sb_json_obj(&c->w, NULL);
    for (size_t i = 0; i < t.n; i++) {
        sb_json_key(&c->w, t.list[i].fields.index);
        sb_json_obj(&c->w, NULL);
        if (parts & ALIASES) {
            sb_json_obj(&c->w, "aliases");
            sb_json_end(&c->w);
        }
        if (parts & MAPPINGS) write_mappings(c, &t.list[i]);
        if (parts & SETTINGS) write_settings(c, &t.list[i]);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
    targets_release(c, &t);
    return SB_OK;
}

sb_err run_mapping(struct call *c) {
    return write_indexes(c, MAPPINGS);
}
sb_err run_settings(struct call *c) {
    return write_indexes(c, SETTINGS);
}
sb_err run_index(struct call *c) {
    return write_indexes(c, ALIASES | MAPPINGS | SETTINGS);
}
sb_err run_aliases(struct call *c) {
    return write_indexes(c, ALIASES);
}

/* ---- _field_caps ---- */

struct cap {
    struct sb_str name;
    const char *type;
    unsigned targets; /* a bit each */
};
struct caps {
    struct cap *list;
    size_t n;
};

static bool wanted(const struct sb_str *patterns, size_t n, struct sb_str name) {
    for (size_t i = 0; i < n; i++)
        if (es_name_matches(patterns[i], name)) return true;
    return n == 0;
}

static void add_cap(struct caps *to, struct sb_str name, const char *type, size_t target) {
    to->list[to->n++] = (struct cap){name, type, 1u << target};
}

static int compare_caps(const void *x, const void *y) {
    const struct cap *a = x, *b = y;
    int order = sb_str_cmp(a->name, b->name);
    return order ? order : strcmp(a->type, b->type);
}

static void collect_caps(struct call *c, const struct targets *t, const struct sb_str *patterns,
                         size_t n, struct caps *to) {
    static const char *const meta[] = {"_id", "_index", "_source"};
    for (size_t i = 0; i < t->n; i++) {
        const struct es_fields *f = &t->list[i].fields;
        for (size_t k = 0; k < SB_COUNT(meta); k++)
            if (wanted(patterns, n, sb_str_of(meta[k])))
                add_cap(to, sb_str_of(meta[k]), meta[k], i);
        for (size_t k = 0; k < f->n; k++) {
            struct sb_str name = f->list[k].name;
            struct es_field field = es_field_find(f, name);
            if (wanted(patterns, n, name)) add_cap(to, name, es_field_type_name(field), i);
            if (!field.words) continue;
            struct sb_str sub = sb_str_of(sb_arena_printf(&c->arena, "%.*s.keyword", SB_ARG(name)));
            if (wanted(patterns, n, sub)) add_cap(to, sub, "keyword", i);
        }
    }
    qsort(to->list, to->n, sizeof *to->list, compare_caps);
}

static void write_cap(struct call *c, const struct targets *t, const struct cap *cap,
                      bool conflict) {
    bool meta = cap->type[0] == '_';
    sb_json_obj(&c->w, cap->type);
    sb_json_str(&c->w, "type", sb_str_of(cap->type));
    sb_json_bool(&c->w, "metadata_field", meta);
    sb_json_bool(&c->w, "searchable", strcmp(cap->type, "_source") != 0);
    sb_json_bool(&c->w, "aggregatable", !meta && strcmp(cap->type, "text") != 0);
    if (conflict) {
        sb_json_arr(&c->w, "indices");
        for (size_t i = 0; i < t->n; i++)
            if (cap->targets & 1u << i) sb_json_str(&c->w, NULL, t->list[i].fields.index);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
}

static void write_caps(struct call *c, const struct targets *t, struct caps *caps) {
    sb_json_obj(&c->w, "fields");
    for (size_t i = 0, end; i < caps->n; i = end) {
        size_t types = 0;
        for (end = i; end < caps->n && sb_str_eq(caps->list[end].name, caps->list[i].name); end++) {
            struct cap *last = types ? &caps->list[i + types - 1] : NULL;
            if (last && strcmp(last->type, caps->list[end].type) == 0)
                last->targets |= caps->list[end].targets;
            else
                caps->list[i + types++] = caps->list[end];
        }
        sb_json_key(&c->w, caps->list[i].name);
        sb_json_obj(&c->w, NULL);
        for (size_t k = 0; k < types; k++) write_cap(c, t, &caps->list[i + k], types > 1);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
}

sb_err run_field_caps(struct call *c) {
    const struct sb_json *body, *fields = NULL, *ignored = NULL;
    struct sb_str text = {0}, part;
    struct targets t;
    const struct sb_str *patterns = NULL;
    size_t n = 0;
    const struct es_option rows[] = {
        {"fields", ES_OPT_JSON, &fields}, {"index_filter", ES_OPT_JSON, &ignored}, {NULL, 0, NULL}};
    SB_TRY(body_of(c, &body));
    if (body) SB_TRY(es_options_read(&c->error, "_field_caps", body, rows));
    SB_TRY(targets_of_path(c, &t));
    struct es_parse p = {.arena = &c->arena, .error = &c->error};
    sb_err err = fields ? es_json_names(&p, "[fields]", fields, &patterns, &n) : SB_OK;
    if (!fields && es_param_get(&c->params, "fields", &text)) {
        struct sb_str *list = sb_arena_alloc(&c->arena, (text.n + 2) * sizeof *list);
        while (sb_str_split(&text, ',', &part)) list[n++] = part;
        patterns = list;
    }
    if (n > 200) err = es_fail_argument(&c->error, "[fields]: at most 200 names");
    if (!err) {
        size_t most = 3 * t.n;
        for (size_t i = 0; i < t.n; i++) most += 2 * t.list[i].fields.n;
        struct caps caps = {.list = sb_arena_alloc(&c->arena, (most + 1) * sizeof *caps.list)};
        collect_caps(c, &t, patterns, n, &caps);
        sb_json_obj(&c->w, NULL);
        sb_json_arr(&c->w, "indices");
        for (size_t i = 0; i < t.n; i++) sb_json_str(&c->w, NULL, t.list[i].fields.index);
        sb_json_end(&c->w);
        write_caps(c, &t, &caps);
        sb_json_end(&c->w);
    }
    targets_release(c, &t);
    return err;
}

sb_err run_resolve(struct call *c) {
    struct targets t;
    SB_TRY(targets_of_path(c, &t));
    sb_json_obj(&c->w, NULL);
    sb_json_arr(&c->w, "indices");
    for (size_t i = 0; i < t.n; i++) {
        sb_json_obj(&c->w, NULL);
        sb_json_str(&c->w, "name", t.list[i].fields.index);
        sb_json_arr(&c->w, "attributes");
        sb_json_str(&c->w, NULL, SB_STR("open"));
        sb_json_end(&c->w);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
    sb_json_arr(&c->w, "aliases");
    sb_json_end(&c->w);
    sb_json_arr(&c->w, "data_streams");
    sb_json_end(&c->w);
    sb_json_end(&c->w);
    targets_release(c, &t);
    return SB_OK;
}
