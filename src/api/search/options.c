/* Reading JSON objects member by member, strictly. */
#include "api/search/search_int.h"

bool es_json_text(const struct sb_json *v, struct sb_str *out) {
    if (!v) return false;
    switch (v->type) {
    case SB_JSON_STRING:
    case SB_JSON_NUMBER: *out = v->s; return true;
    case SB_JSON_TRUE: *out = SB_STR("true"); return true;
    case SB_JSON_FALSE: *out = SB_STR("false"); return true;
    default: return false;
    }
}

bool es_json_bool(const struct sb_json *v, bool *out) {
    struct sb_str text;
    if (!es_json_text(v, &text)) return false;
    if (sb_str_is(text, "true"))
        *out = true;
    else if (sb_str_is(text, "false"))
        *out = false;
    else
        return false;
    return true;
}

static bool read_int(const struct sb_json *v, int64_t *out) {
    if (v->type == SB_JSON_NUMBER && v->is_int) {
        *out = v->i;
        return true;
    }
    if (v->type == SB_JSON_STRING) return sb_str_to_i64(v->s, out);
    if (v->type != SB_JSON_NUMBER || !(v->d > -9e15 && v->d < 9e15)) return false;
    *out = (int64_t)v->d; /* 10.0, and 1e3 */
    return (double)*out == v->d;
}

static bool read_double(const struct sb_json *v, double *out) {
    if (v->type == SB_JSON_NUMBER)
        *out = v->d;
    else if (v->type != SB_JSON_STRING || !sb_double_parse(v->s, out))
        return false;
    return *out - *out == 0; /* finite */
}

static bool read_option(const struct sb_json *v, const struct es_option *row) {
    switch (row->type) {
    case ES_OPT_STR: return es_json_text(v, row->to);
    case ES_OPT_INT: return read_int(v, row->to);
    case ES_OPT_DOUBLE: return read_double(v, row->to);
    case ES_OPT_BOOL: return es_json_bool(v, row->to);
    case ES_OPT_JSON: *(const struct sb_json **)row->to = v; return true;
    default: return true;
    }
}

static int shown(struct sb_str s) {
    return s.n < 100 ? (int)s.n : 100;
}

sb_err es_options_read(struct es_error *e, const char *what, const struct sb_json *o,
                       const struct es_option *rows) {
    static const char *const types[] = {"a string", "an integer", "a finite number", "a boolean"};
    if (o->type != SB_JSON_OBJECT) return es_fail_parse(e, "%s: an object is expected", what);
    for (const struct sb_json *m = o->child; m; m = m->next) {
        const struct es_option *row = rows;
        while (row->name && !sb_str_is(m->key, row->name)) row++;
        if (!row->name)
            return es_fail(e, 400, "x_content_parse_exception", "%s does not support [%.*s]", what,
                           shown(m->key), m->key.p);
        if (m->type == SB_JSON_NULL) continue;
        if (!read_option(m, row))
            return es_fail(e, 400, "x_content_parse_exception", "%s: [%s] must be %s", what,
                           row->name, types[row->type]);
    }
    return SB_OK;
}

sb_err es_json_names(struct es_parse *p, const char *what, const struct sb_json *v,
                     const struct sb_str **out, size_t *n) {
    const struct sb_json *item = v->type == SB_JSON_ARRAY ? v->child : v;
    size_t count = v->type == SB_JSON_ARRAY ? v->n : 1, i = 0;
    struct sb_str *list = sb_arena_try_array(p->arena, count + 1, sizeof *list);
    if (!list) return es_fail_argument(p->error, "%s: too many names", what);
    for (; i < count; i++, item = item->next)
        if (!es_json_text(item, &list[i]))
            return es_fail_parse(p->error, "%s: a string or an array of strings is expected", what);
    *out = list;
    *n = count;
    return SB_OK;
}

bool es_param_get(const struct es_params *p, const char *name, struct sb_str *value) {
    for (size_t i = 0; i < p->n; i++)
        if (sb_str_is(p->list[i].name, name)) {
            *value = p->list[i].value.p ? p->list[i].value : SB_STR("");
            return true;
        }
    return false;
}

bool es_param_on(const struct es_params *p, const char *name) {
    struct sb_str value;
    return es_param_get(p, name, &value) && !sb_str_is(value, "false");
}
