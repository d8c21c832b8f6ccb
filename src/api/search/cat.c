/* _cat: rows of named columns, as aligned text or as JSON. */
#include "api/search/api_int.h"
#include "base/clock.h"

enum { COLUMNS_MAX = 16 };

struct column {
    const char *name, *alias;
    bool right;
};
struct table {
    const struct column *columns;
    size_t ncolumns;
    struct sb_str *cells; /* rows one after another */
    size_t nrows;
};

static sb_err choose(struct call *c, const struct table *t, size_t *chosen, size_t *n) {
    struct sb_str list = {0}, part;
    *n = 0;
    if (!es_param_get(&c->params, "h", &list) || !list.n) {
        for (size_t i = 0; i < t->ncolumns; i++) chosen[(*n)++] = i;
        return SB_OK;
    }
    while (sb_str_split(&list, ',', &part)) {
        size_t i = 0;
        while (i < t->ncolumns && !sb_str_is(part, t->columns[i].name) &&
               !sb_str_is(part, t->columns[i].alias))
            i++;
        if (i == t->ncolumns || *n == COLUMNS_MAX)
            return es_fail_argument(&c->error, "[h]: there is no column [%.*s]",
                                    part.n < 100 ? (int)part.n : 100, part.n ? part.p : "");
        chosen[(*n)++] = i;
    }
    return SB_OK;
}

static void write_json(struct call *c, const struct table *t, const size_t *chosen, size_t n) {
    sb_json_arr(&c->w, NULL);
    for (size_t r = 0; r < t->nrows; r++) {
        sb_json_obj(&c->w, NULL);
        for (size_t k = 0; k < n; k++)
            sb_json_str(&c->w, t->columns[chosen[k]].name, t->cells[r * t->ncolumns + chosen[k]]);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
}

static void write_cell(struct sb_buf *b, struct sb_str text, size_t width, bool right, bool last) {
    size_t fill = width > text.n ? width - text.n : 0;
    for (size_t i = 0; right && i < fill; i++) sb_buf_addc(b, ' ');
    sb_buf_adds(b, text);
    for (size_t i = 0; !right && !last && i < fill; i++) sb_buf_addc(b, ' ');
    sb_buf_addc(b, last ? '\n' : ' ');
}

static void write_text(struct call *c, const struct table *t, const size_t *chosen, size_t n) {
    bool head = es_param_on(&c->params, "v");
    size_t width[COLUMNS_MAX];
    for (size_t k = 0; k < n; k++) {
        width[k] = head ? strlen(t->columns[chosen[k]].name) : 0;
        for (size_t r = 0; r < t->nrows; r++) {
            size_t cell = t->cells[r * t->ncolumns + chosen[k]].n;
            if (cell > width[k]) width[k] = cell;
        }
    }
    for (size_t k = 0; head && k < n; k++) {
        const struct column *col = &t->columns[chosen[k]];
        write_cell(&c->body, sb_str_of(col->name), width[k], col->right, k + 1 == n);
    }
    for (size_t r = 0; r < t->nrows; r++)
        for (size_t k = 0; k < n; k++)
            write_cell(&c->body, t->cells[r * t->ncolumns + chosen[k]], width[k],
                       t->columns[chosen[k]].right, k + 1 == n);
    c->content_type = "text/plain; charset=UTF-8";
}

static sb_err write_table(struct call *c, const struct table *t) {
    size_t chosen[COLUMNS_MAX], n;
    struct sb_str format = {0};
    struct sb_str accept = sb_http_get_header(c->req, "Accept");
    SB_TRY(choose(c, t, chosen, &n));
    es_param_get(&c->params, "format", &format);
    bool json = sb_str_is(format, "json") || (!format.n && sb_str_find(accept, '/') > 0 &&
                                              sb_str_contains(accept, SB_STR("json")));
    if (format.n && !json && !sb_str_is(format, "text"))
        return es_fail_argument(&c->error, "[format]: json and text are supported");
    if (json)
        write_json(c, t, chosen, n);
    else
        write_text(c, t, chosen, n);
    return SB_OK;
}

static struct sb_str number(struct call *c, uint64_t v) {
    return sb_str_of(sb_arena_printf(&c->arena, "%llu", (unsigned long long)v));
}

/* "12.3kb": as Elasticsearch shows sizes. */
static struct sb_str size_text(struct call *c, uint64_t bytes) {
    static const char *const units[] = {"b", "kb", "mb", "gb", "tb", "pb"};
    double v = (double)bytes;
    size_t u = 0;
    struct sb_str unit = {0};
    if (es_param_get(&c->params, "bytes", &unit) && sb_str_is(unit, "b")) return number(c, bytes);
    while (v >= 1024 && u + 1 < SB_COUNT(units)) {
        v /= 1024;
        u++;
    }
    return sb_str_of(sb_arena_printf(&c->arena, u ? "%.1f%s" : "%.0f%s", v, units[u]));
}

sb_err run_cat_indices(struct call *c) {
    static const struct column columns[] = {{"health", "h", false},
                                            {"status", "s", false},
                                            {"index", "i", false},
                                            {"uuid", "id", false},
                                            {"pri", "p", true},
                                            {"rep", "r", true},
                                            {"docs.count", "dc", true},
                                            {"docs.deleted", "dd", true},
                                            {"store.size", "ss", true},
                                            {"pri.store.size", "pri.store.size", true},
                                            {"dataset.size", "dataset.size", true}};
    enum { N = SB_COUNT(columns) };
    struct targets t;
    SB_TRY(targets_of_path(c, &t));
    struct table table = {columns, N,
                          sb_arena_alloc(&c->arena, (t.n * N + 1) * sizeof(struct sb_str)), t.n};
    for (size_t i = 0; i < t.n; i++) {
        struct sb_column_stats s;
        sb_index_stats(t.list[i].index, &s);
        struct sb_str name = t.list[i].fields.index, size = size_text(c, s.disk_bytes);
        const struct sb_str row[N] = {
            SB_STR("green"),   SB_STR("open"), name, name, SB_STR("1"), SB_STR("0"),
            number(c, s.docs), SB_STR("0"),    size, size, size};
        memcpy(table.cells + i * N, row, sizeof row);
    }
    sb_err err = write_table(c, &table);
    targets_release(c, &t);
    return err;
}

/* epoch and the time of day: the first columns of both tables below. */
static void now_cells(struct call *c, struct sb_str *cells) {
    int64_t s = sb_wall_ms() / 1000;
    int day = (int)(s % 86400);
    cells[0] = number(c, (uint64_t)s);
    cells[1] = sb_str_of(
        sb_arena_printf(&c->arena, "%02d:%02d:%02d", day / 3600, day / 60 % 60, day % 60));
}

sb_err run_cat_count(struct call *c) {
    static const struct column columns[] = {
        {"epoch", "t", false}, {"timestamp", "ts", false}, {"count", "dc", false}};
    struct sb_str cells[SB_COUNT(columns)];
    struct targets t;
    uint64_t docs = 0;
    SB_TRY(targets_of_path(c, &t));
    for (size_t i = 0; i < t.n; i++) docs += sb_column_docs(t.list[i].snap);
    targets_release(c, &t);
    now_cells(c, cells);
    cells[2] = number(c, docs);
    return write_table(c, &(struct table){columns, SB_COUNT(columns), cells, 1});
}

sb_err run_cat_health(struct call *c) {
    static const struct column columns[] = {{"epoch", "t", false},
                                            {"timestamp", "ts", false},
                                            {"cluster", "cl", false},
                                            {"status", "st", false},
                                            {"node.total", "nt", true},
                                            {"node.data", "nd", true},
                                            {"shards", "sh", true},
                                            {"pri", "p", true},
                                            {"relo", "r", true},
                                            {"init", "i", true},
                                            {"unassign", "u", true},
                                            {"unassign.pri", "up", true},
                                            {"pending_tasks", "pt", true},
                                            {"max_task_wait_time", "mtwt", true},
                                            {"active_shards_percent", "asp", true}};
    struct sb_str shards = number(c, sb_indexes_count(c->api->o.indexes));
    struct sb_str cells[SB_COUNT(columns)] = {
        {0},         {0},         SB_STR(ES_CLUSTER), SB_STR("green"), SB_STR("1"), SB_STR("1"),
        shards,      shards,      SB_STR("0"),        SB_STR("0"),     SB_STR("0"), SB_STR("0"),
        SB_STR("0"), SB_STR("-"), SB_STR("100.0%")};
    now_cells(c, cells);
    return write_table(c, &(struct table){columns, SB_COUNT(columns), cells, 1});
}
