/* Requirements of models: a row per text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/requirements.h"

#define BASE "mlflow-skinny==3.1.0\nnumpy\npandas\n"

static const struct {
    const char *what, *text;
    const char *lines; /* NULL = refused */
    const char *file, *says;
} rows[] = {
    {"nothing", "", BASE, "", NULL},
    {"as MLflow writes it", "mlflow==3.1.0\nnumpy==2.1\npandas==2.2\n",
     "mlflow==3.1.0\nnumpy==2.1\npandas==2.2\n", "", NULL},
    {"comments and blanks", "# all\n  six==1.16 # old\r\n\n", "six==1.16\n" BASE, "", NULL},
    {"another spelling", "MLflow_Skinny\nNumPy>=1\nPANDAS[x]\n",
     "MLflow_Skinny\nNumPy>=1\nPANDAS[x]\n", "", NULL},
    {"a package that only begins so", "numpydoc\nmlflow-export-import\n",
     "numpydoc\nmlflow-export-import\n" BASE, "", NULL},
    {"markers", "tomli; python_version < '3.11'\n", "tomli; python_version < '3.11'\n" BASE, "",
     NULL},
    {"constraints", "-c constraints.txt\nsix\n", "six\n" BASE, "constraints.txt", NULL},
    {"constraints spelt out", "--constraint=c.txt\n", BASE, "c.txt", NULL},
    {"an index", "--index-url http://x/simple\n", NULL, NULL, "line 1: \"--index-url"},
    {"a second constraint", "-c a\n-c b\n", NULL, NULL, "line 2"},
    {"an address", "six\npkg @ https://x/pkg.whl\n", NULL, NULL, "line 2: \"pkg @"},
    {"a repository", "git+https://x/y.git\n", NULL, NULL, "names an address"},
    {"a path", "./wheels/x.whl\n", NULL, NULL, "names a path"},
    {"a line that goes on", "six \\\n  ==1\n", NULL, NULL, "go on"},
    {"another file", "-r more.txt\n", NULL, NULL, "no option but -c"},
    {"a control character", "si\x01x\n", NULL, NULL, "control"},
};

static void lines_are_taken_or_refused_by_name(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_errctx ctx = {0};
        struct sb_str file;
        const char *lines = NULL;
        sb_arena_init(&a, 1 << 20);
        print_message("%s\n", rows[i].what);
        sb_err err = sb_requirements_parse(sb_str_of(rows[i].text), SB_STR("3.1.0"), &a, &lines,
                                           &file, &ctx);
        assert_int_equal(err, rows[i].lines ? SB_OK : SB_E_UNSUPPORTED);
        if (err && !strstr(ctx.msg, rows[i].says)) fail_msg("says: %s", ctx.msg);
        if (!err) {
            assert_string_equal(lines, rows[i].lines);
            assert_true(sb_str_is(file, rows[i].file));
        }
        sb_arena_fini(&a);
    }
}

static void too_much_is_refused(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_str file;
    const char *lines;
    static char text[SB_REQUIREMENTS_BYTES_MAX + 1];
    sb_arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 2 ? '\n' : 'a';
    assert_int_equal(
        sb_requirements_parse(sb_str_make(text, sizeof text), SB_STR("3"), &a, &lines, &file, NULL),
        SB_E_LIMIT);
    size_t most = 2 * (size_t)SB_REQUIREMENTS_MAX;
    assert_int_equal(
        sb_requirements_parse(sb_str_make(text, most), SB_STR("3"), &a, &lines, &file, NULL),
        SB_OK);
    assert_int_equal(
        sb_requirements_parse(sb_str_make(text, most + 2), SB_STR("3"), &a, &lines, &file, NULL),
        SB_E_LIMIT);
    sb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_or_refused_by_name),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
