/* LightGBM's text: what is read, what is refused and where, what goes to a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "domain/native/spec.h"

/* Feature b: above 0.5 to the right; feature a: category 1 or 33 to the left. */
static const char model[] = "tree\n"
                            "version=v4\n"
                            "num_class=1\n"
                            "num_tree_per_iteration=1\n"
                            "max_feature_idx=1\n"
                            "objective=regression\n"
                            "feature_names=a b\n"
                            "tree_sizes=300\n"
                            "\n"
                            "Tree=0\n"
                            "num_leaves=3\n"
                            "num_cat=1\n"
                            "split_feature=1 0\n"
                            "threshold=0.5 0\n"
                            "decision_type=10 1\n"
                            "left_child=-1 -2\n"
                            "right_child=1 -3\n"
                            "leaf_value=-1 1e1 inf\n"
                            "cat_boundaries=0 2\n"
                            "cat_threshold=2 2\n"
                            "is_linear=0\n"
                            "shrinkage=1\n"
                            "\n"
                            "\n"
                            "end of trees\n"
                            "\n"
                            "pandas_categorical:null\n";

/* The model with the first `find` replaced; `find` empty: as it is. Freed by the caller. */
static char *changed(const char *find, const char *replace) {
    const char *at = strstr(model, find);
    if (!at) fail_msg("\"%s\" is not in the model", find);
    size_t before = (size_t)(at - model), n = sizeof model + strlen(replace);
    char *out = sb_alloc(n);
    (void)snprintf(out, n, "%.*s%s%s", (int)before, model, replace, at + strlen(find));
    return out;
}

static sb_err read(const char *text, struct sb_arena *a, struct native_spec *spec,
                   struct sb_errctx *ctx) {
    *spec = (struct native_spec){0};
    struct native_job j = {.out = spec, .arena = a, .ctx = ctx};
    return native_lightgbm_read(&j, sb_str_of(text));
}

static void a_text_becomes_an_ensemble(void **state) {
    (void)state;
    struct native_spec spec;
    struct sb_errctx ctx = {0};
    struct sb_arena a;
    sb_arena_init(&a, 1 << 20);
    if (read(model, &a, &spec, &ctx) != SB_OK) fail_msg("%s", ctx.msg);
    assert_true(sb_str_is(spec.meta.class_name, "lightgbm.basic.Booster"));
    assert_true(sb_str_is(spec.meta.features[1], "b"));
    assert_true(spec.meta.positional && spec.meta.allow_nan && spec.meta.allow_inf);
    assert_int_equal(spec.ir.ntrees, 1);
    const struct {
        double a, b, sum;
    } rows[] = {
        {1, 0.5, -1}, /* equal goes left */
        {1, nextafter(0.5, 1), 10},
        {33.9, 1, 10},
        {0, 1, INFINITY},
        {64, 1, INFINITY},
        {-1, 1, INFINITY},
        {NAN, 1, INFINITY},
        {1, NAN, -1}, /* default left */
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        double x[2] = {rows[i].a, rows[i].b}, sum;
        sb_forest_ir_sum(&spec.ir, x, &sum);
        if (sum != rows[i].sum) fail_msg("row %zu: %g, not %g", i, sum, rows[i].sum);
    }
    /* a category between -1 and 0 is 0 */
    assert_int_equal(spec.ir.input.rules[0], SB_FOREST_FRACTION_IS_0);
    assert_int_equal(spec.ir.input.rules[1], 0);
    sb_arena_fini(&a);
}

static void missing_types_are_read(void **state) {
    (void)state;
    const struct {
        const char *decision, *threshold;
        bool nan_left, zero_missing;
    } rows[] = {
        {"10 1", "0.5 0", true, false},  {"8 1", "0.5 0", false, false},
        {"2 1", "0.5 0", true, false}, /* none: NaN is 0.0 */
        {"2 1", "-0.5 0", false, false}, {"6 1", "0.5 0", true, true},
        {"4 1", "0.5 0", false, true},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct native_spec spec;
        struct sb_arena a;
        char line[64];
        (void)snprintf(line, sizeof line, "threshold=%s\ndecision_type=%s\n", rows[i].threshold,
                       rows[i].decision);
        char *text = changed("threshold=0.5 0\ndecision_type=10 1\n", line);
        sb_arena_init(&a, 1 << 20);
        assert_int_equal(read(text, &a, &spec, NULL), SB_OK);
        assert_int_equal(spec.ir.trees[0].nodes[0].default_left, rows[i].nan_left);
        assert_int_equal(spec.ir.input.rules[1] == SB_FOREST_ZERO_MISSING, rows[i].zero_missing);
        sb_arena_fini(&a);
        sb_free(text);
    }
}

static void damaged_texts_are_refused_at_their_byte(void **state) {
    (void)state;
    const struct {
        const char *find, *replace, *says;
    } rows[] = {
        {"tree\n", "wood\n", "it does not begin with \"tree\""},
        {"num_class=1", "num_class=99999999", "num_class"},
        {"num_tree_per_iteration=1", "num_tree_per_iteration=2", "num_class of another objective"},
        {"max_feature_idx=1", "max_feature_idx=-1", "max_feature_idx"},
        {"max_feature_idx=1", "max_feature_idx=1000000", "max_feature_idx"},
        {"feature_names=a b", "feature_names=a", "feature_names"},
        {"feature_names=a b", "feature_names=a b c", "feature_names"},
        {"tree_sizes=300", "tree_sizes=300 300", "number of trees"},
        {"num_leaves=3", "num_leaves=2147483647", "num_leaves"},
        {"num_leaves=3", "num_leaves=0", "num_leaves"},
        {"num_leaves=3", "num_leaves=2", "leaf_value"},
        {"num_cat=1", "num_cat=3", "num_cat"},
        {"num_cat=1", "num_cat=0", "set of categories"},
        {"split_feature=1 0", "split_feature=1 2", "split_feature"},
        {"split_feature=1 0", "split_feature=1", "split_feature"},
        {"threshold=0.5 0", "threshold=0.5 0x0", "threshold"},
        {"threshold=0.5 0", "threshold=0.5 7", "set of categories"},
        {"decision_type=10 1", "decision_type=10 1 1", "decision_type"},
        {"left_child=-1 -2", "left_child=-1 -4", "left_child"},
        {"right_child=1 -3", "right_child=2 -3", "right_child"},
        {"leaf_value=-1 1e1 inf", "leaf_value=-1  inf", "leaf_value"},
        {"cat_boundaries=0 2", "cat_boundaries=1 2", "cat_boundaries"},
        {"cat_boundaries=0 2", "cat_boundaries=0 4000000000", "cat_boundaries"},
        {"cat_boundaries=0 2", "cat_boundaries=0 2000000000", "cat_threshold"},
        {"cat_threshold=2 2", "cat_threshold=2 4294967296", "cat_threshold"},
        {"is_linear=0", "is_linear=2", "is_linear"},
        {"end of trees", "trees end", "a tree is expected"},
        {"end of trees\n\npandas_categorical:null\n", "", "text ends before \"end of trees\""},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct native_spec spec;
        struct sb_errctx ctx = {0};
        struct sb_arena a;
        char *text = changed(rows[i].find, rows[i].replace);
        sb_arena_init(&a, 1 << 20);
        sb_err err = read(text, &a, &spec, &ctx);
        if (err != SB_E_CORRUPT || !strstr(ctx.msg, rows[i].says) || !strstr(ctx.msg, "(byte "))
            fail_msg("%s: %s %s", rows[i].replace, sb_err_name(err), ctx.msg);
        assert_true(ctx.pos >= 0 && ctx.pos <= (int64_t)strlen(text));
        sb_arena_fini(&a);
        sb_free(text);
    }
}

static void what_is_not_native_goes_to_a_worker(void **state) {
    (void)state;
    const struct {
        const char *find, *replace, *says;
    } rows[] = {
        {"version=v4", "version=v5", "version v5"},
        {"objective=regression", "objective=of_its_own", "objective of_its_own"},
        {"objective=regression", "objective=huber sqrt", "square root"},
        {"is_linear=0", "is_linear=1", "linear trees"},
        {"pandas_categorical:null", "pandas_categorical:[[\"x\"]]", "categories of pandas"},
        {"split_feature=1 0", "split_feature=1 1", "in two ways"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct native_spec spec;
        struct sb_errctx ctx = {0};
        struct sb_arena a;
        char *text = changed(rows[i].find, rows[i].replace);
        sb_arena_init(&a, 1 << 20);
        sb_err err = read(text, &a, &spec, &ctx);
        if (err != SB_E_UNSUPPORTED || !strstr(ctx.msg, rows[i].says))
            fail_msg("%s: %s %s", rows[i].replace, sb_err_name(err), ctx.msg);
        sb_arena_fini(&a);
        sb_free(text);
    }
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    const size_t end = (size_t)(strstr(model, "end of trees") - model) + strlen("end of trees");
    for (size_t n = 0; n < end; n++) {
        struct native_spec spec;
        struct sb_arena a;
        char *text = sb_calloc(n + 1, 1);
        memcpy(text, model, n);
        sb_arena_init(&a, 1 << 20);
        if (read(text, &a, &spec, NULL) == SB_OK) fail_msg("%zu bytes are a model", n);
        sb_arena_fini(&a);
        sb_free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_an_ensemble),
        cmocka_unit_test(missing_types_are_read),
        cmocka_unit_test(damaged_texts_are_refused_at_their_byte),
        cmocka_unit_test(what_is_not_native_goes_to_a_worker),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests_name("lightgbm", tests, NULL, NULL);
}
