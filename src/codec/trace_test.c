#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/trace.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static void traces_go_on_or_are_left_alone(void **state) {
    (void)state;
    static const struct {
        const char *name, *in, *flags; /* NULL: malformed */
    } rows[] = {
        {"sampled", "00-" TRACE "-" SPAN "-01", "01"},
        {"not sampled", "00-" TRACE "-" SPAN "-00", "00"},
        {"flags of later", "00-" TRACE "-" SPAN "-ff", "ff"},
        {"a later version", "01-" TRACE "-" SPAN "-01", "01"},
        {"a later version with more", "cc-" TRACE "-" SPAN "-01-what-the-future-brings", "01"},
        {"nothing", "", NULL},
        {"cut short", "00-" TRACE "-" SPAN "-0", NULL},
        {"more behind version 00", "00-" TRACE "-" SPAN "-01-x", NULL},
        {"a digit more", "00-" TRACE "-" SPAN "-010", NULL},
        {"a later version with a digit more", "01-" TRACE "-" SPAN "-010", NULL},
        {"the forbidden version", "ff-" TRACE "-" SPAN "-01", NULL},
        {"a version that is no number", "0x-" TRACE "-" SPAN "-01", NULL},
        {"upper case", "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", NULL},
        {"a trace of zeros", "00-00000000000000000000000000000000-" SPAN "-01", NULL},
        {"a span of zeros", "00-" TRACE "-0000000000000000-01", NULL},
        {"flags that are no number", "00-" TRACE "-" SPAN "-0g", NULL},
        {"other separators", "00_" TRACE "_" SPAN "_01", NULL},
        {"zeros everywhere", "0000000000000000000000000000000000000000000000000000000", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char to[SB_TRACEPARENT + 1] = {0};
        struct sb_str parent = {0};
        bool ok = sb_traceparent_continue(sb_str_of(rows[i].in), 0x0123456789abcdef, to, &parent);
        if (ok != (rows[i].flags != NULL)) fail_msg("%s: %d", rows[i].name, ok);
        if (!ok) continue;
        assert_memory_equal(to, "00-" TRACE "-0123456789abcdef-", SB_TRACEPARENT - 2);
        assert_string_equal(to + SB_TRACEPARENT - 2, rows[i].flags);
        assert_true(sb_str_is(parent, SPAN));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(traces_go_on_or_are_left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
