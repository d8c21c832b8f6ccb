/* Filters and order_by items of every search: the first byte says which. What is accepted becomes
 * SQL with exactly as many places as values, and no byte of a value in it. */
#include <stdint.h>

#include "domain/registry/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_sql(enum sb_filter_for what, const struct sb_filter *f) {
    static const struct sb_dataset_filter datasets[] = {{{"iris", 4}, {"d1", 2}},
                                                        {{"wine", 4}, {0}}};
    for (size_t k = 0; k <= 2; k++) {
        struct sb_query q;
        sb_query_init(&q);
        sb_filter_sql(&q, what, f, datasets, what == SB_FOR_LOGGED_MODELS ? k : 0);
        size_t places = 0;
        for (size_t i = 0; i < q.sql.n; i++) {
            places += q.sql.p[i] == '?';
            SB_ASSERT(q.sql.p[i] >= ' ' && q.sql.p[i] <= '~' && q.sql.p[i] != '"');
        }
        SB_ASSERT(sb_buf_err(&q.sql) == SB_OK && places == q.n);
        sb_query_fini(&q);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    enum sb_filter_for what = (enum sb_filter_for)(data[0] % SB_FOR_COUNT);
    struct sb_str text = {(const char *)data + 1, n - 1};
    struct sb_arena arena;
    sb_arena_init(&arena, 64 << 20);
    struct sb_registry_call c = {.arena = &arena};
    struct sb_filter *f = sb_arena_alloc(&arena, sizeof *f);
    sb_err err = sb_filter_parse(&c, what, text, f);
    if (err)
        SB_ASSERT(c.error.code == SB_MLFLOW_INVALID_PARAMETER_VALUE && c.error.message.n > 0);
    else
        check_sql(what, f);
    struct sb_orders orders;
    struct sb_str items[] = {text, {"name", 4}};
    if (sb_order_parse(&c, what, items, 2, &orders) == SB_OK) SB_ASSERT(orders.n == 2);
    sb_arena_fini(&arena);
    return 0;
}
