/* Which models take each other's rows: a row per pair of signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain/model/signature.h"

#define X     "{\"type\":\"double\",\"name\":\"x\",\"required\":true}"
#define Y     "{\"type\":\"string\",\"name\":\"y\",\"required\":true}"
#define X_OPT "{\"type\":\"double\",\"name\":\"x\",\"required\":false}"
#define X_INT "{\"type\":\"long\",\"name\":\"x\",\"required\":true}"
#define TENSOR(dtype, shape)                                                                       \
    "[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"" dtype "\",\"shape\":" shape "}}]"

static const struct {
    const char *what, *ours, *read_for;
    const char *says; /* NULL = it takes them */
} rows[] = {
    {"the same inputs", "[" X "," Y "]", "[" X "," Y "]", NULL},
    {"no inputs: any rows", "", "[" X "]", NULL},
    {"rows of a model without inputs", "[" X "]", "", "1 inputs and not 0"},
    {"fewer inputs", "[" X "]", "[" X "," Y "]", "1 inputs and not 2"},
    {"another order", "[" Y "," X "]", "[" X "," Y "]", "input 1 is \"y\" and not \"x\""},
    {"another type", "[" X_INT "]", "[" X "]", "input \"x\" is long and not double"},
    {"a required input may be missing", "[" X "]", "[" X_OPT "]", "required and not optional"},
    {"an optional input is always there", "[" X_OPT "]", "[" X "]", NULL},
    {"unnamed for named", "[{\"type\":\"double\"}]", "[" X "]", "input 1 is \"(unnamed)\""},
    {"the same tensor", TENSOR("float64", "[-1,4]"), TENSOR("float64", "[-1,4]"), NULL},
    {"a tensor of another shape", TENSOR("float64", "[-1,4]"), TENSOR("float64", "[-1,5]"),
     "of the same shape"},
    {"a tensor of another type", TENSOR("float32", "[-1,4]"), TENSOR("float64", "[-1,4]"),
     "float and not double"},
    {"columns for a tensor", "[{\"type\":\"double\"}]", TENSOR("float64", "[-1,1]"), "columns"},
};

static void a_shadow_takes_its_primarys_rows_or_says_why_not(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_signature *ours, *read_for;
        struct sb_errctx ctx = {0};
        print_message("%s\n", rows[i].what);
        assert_int_equal(
            sb_signature_parse(&ours, sb_str_of(rows[i].ours), SB_STR(""), SB_STR(""), &ctx),
            SB_OK);
        assert_int_equal(sb_signature_parse(&read_for, sb_str_of(rows[i].read_for), SB_STR(""),
                                            SB_STR(""), &ctx),
                         SB_OK);
        sb_err err = sb_signature_takes(ours, read_for, &ctx);
        assert_int_equal(err, rows[i].says ? SB_E_INVALID : SB_OK);
        if (rows[i].says && !strstr(ctx.msg, rows[i].says)) fail_msg("says: %s", ctx.msg);
        sb_signature_free(ours);
        sb_signature_free(read_for);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shadow_takes_its_primarys_rows_or_says_why_not)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
