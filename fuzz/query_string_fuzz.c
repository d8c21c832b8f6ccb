/* query_string and simple_query_string: the first byte chooses operator, leniency and form. */
#include <stdint.h>

#include "api/search/search_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct sb_column_field list[] = {
    {{"@timestamp", 10}, SB_COLUMN_DATE}, {{"model", 5}, SB_COLUMN_KEYWORD},
    {{"n", 1}, SB_COLUMN_LONG},           {{"input.x", 7}, SB_COLUMN_DOUBLE},
    {{"ok", 2}, SB_COLUMN_BOOL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    static const struct sb_str names[] = {{"model", 5}, {"in*^2", 5}};
    struct sb_arena arena;
    struct es_error error = {0};
    struct es_fields fields = {list, SB_COUNT(list), {"predictions", 11}};
    struct es_parse p = {
        .arena = &arena, .fields = &fields, .error = &error, .now_ms = INT64_C(1795508400000)};
    struct es_query_string q = {.text = sb_str_make((const char *)data + 1, n - 1),
                                .and = data[0] & 1,
                                .lenient = data[0] & 2,
                                .has_lenient = data[0] & 4,
                                .simple = data[0] & 8};
    const struct sb_query *out = NULL;
    if (data[0] & 16) {
        q.fields = names;
        q.nfields = SB_COUNT(names);
    }
    sb_arena_init(&arena, 64 << 20);
    sb_err err = es_query_string_parse(&p, &q, &out);
    SB_ASSERT(err ? error.status == 400 && error.reason[0] : out != NULL && !error.status);
    SB_ASSERT(err || p.clauses <= SB_SEARCH_CLAUSES_MAX);
    sb_arena_fini(&arena);
    return 0;
}
