#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/mlflow/range.h"
#include "base/err.h"

static void ranges(void **state) {
    static const struct {
        const char *value; /* NULL: no header */
        int64_t size;
        enum range_kind kind;
        int64_t begin, end;
    } rows[] = {
        {NULL, 10, RANGE_NONE, 0, 0},
        {"bytes=0-0", 10, RANGE_SOME, 0, 1},
        {"bytes=0-9", 10, RANGE_SOME, 0, 10},
        {"bytes=3-5", 10, RANGE_SOME, 3, 6},
        {"bytes=3-", 10, RANGE_SOME, 3, 10},
        {"BYTES=3-99", 10, RANGE_SOME, 3, 10},
        {"bytes= 3-4 ", 10, RANGE_SOME, 3, 5},
        {"bytes=-4", 10, RANGE_SOME, 6, 10},
        {"bytes=-99", 10, RANGE_SOME, 0, 10},
        {"bytes=9-99999999999999999999999", 10, RANGE_SOME, 9, 10},
        {"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999-", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=5-3", 10, RANGE_NONE, 0, 0},
        {"bytes=0-1,4-5", 10, RANGE_NONE, 0, 0},
        {"bytes=a-b", 10, RANGE_NONE, 0, 0},
        {"bytes=+1-2", 10, RANGE_NONE, 0, 0},
        {"bytes=--2", 10, RANGE_NONE, 0, 0},
        {"bytes=1", 10, RANGE_NONE, 0, 0},
        {"bytes=-", 10, RANGE_NONE, 0, 0},
        {"bytes", 10, RANGE_NONE, 0, 0},
        {"items=0-1", 10, RANGE_NONE, 0, 0},
        {"", 10, RANGE_NONE, 0, 0},
    };
    SB_UNUSED(state);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        int64_t begin = 0, end = 0;
        enum range_kind k = range_parse(sb_str_of(rows[i].value), rows[i].size, &begin, &end);
        if (k != rows[i].kind || begin != rows[i].begin || end != rows[i].end)
            fail_msg("%s: %d [%lld, %lld)", rows[i].value ? rows[i].value : "none", k,
                     (long long)begin, (long long)end);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
