/* Fields as Elasticsearch's dynamic mapping would call them. */
#include "api/search/search_int.h"

static int find(const struct es_fields *f, struct sb_str name) {
    for (size_t i = 0; i < f->n; i++)
        if (sb_str_eq(f->list[i].name, name)) return (int)i;
    return -1;
}

struct es_field es_field_find(const struct es_fields *f, struct sb_str name) {
    static const struct sb_str sub = {".keyword", 8};
    struct es_field out = {.at = find(f, name), .type = SB_COLUMN_KEYWORD, .name = name};
    if (out.at >= 0) {
        out.type = f->list[out.at].type;
        out.words = out.type == SB_COLUMN_KEYWORD && !sb_str_starts(name, SB_STR("_"));
        return out;
    }
    if (!sb_str_ends(name, sub)) return out;
    int at = find(f, sb_str_sub(name, 0, name.n - sub.n));
    if (at >= 0 && f->list[at].type == SB_COLUMN_KEYWORD) out.at = at;
    return out;
}

const char *es_field_type_name(struct es_field f) {
    static const char *const names[] = {[SB_COLUMN_KEYWORD] = "keyword",
                                        [SB_COLUMN_LONG] = "long",
                                        [SB_COLUMN_DOUBLE] = "double",
                                        [SB_COLUMN_BOOL] = "boolean",
                                        [SB_COLUMN_DATE] = "date"};
    return f.words ? "text" : names[f.type];
}

/* The last '*' is the only place that a mismatch goes back to: time is at most the product of the
 * lengths. */
bool es_name_matches(struct sb_str pattern, struct sb_str name) {
    size_t p = 0, n = 0, star = SIZE_MAX, mark = 0;
    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = n;
        } else if (p < pattern.n && pattern.p[p] == name.p[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') p++;
    return p == pattern.n;
}
