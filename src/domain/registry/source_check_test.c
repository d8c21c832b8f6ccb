/* Paths and URIs that attacked MLflow, and ones that must keep working. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain/registry/source_check.h"
#include "domain/registry/source_int.h"

/* A literal with its length, so that NUL can be in it. */
#define L(lit)                                                                                     \
    { lit, sizeof(lit) - 1 }

static void uris(void **state) {
    (void)state;
    static const struct {
        struct sb_str uri;
        bool ok;
        const char *why;
    } rows[] = {
        {L("mlflow-artifacts:/1/abc/artifacts"), true, NULL},
        {L("s3://bucket/a b/\xc3\xa9+&=;,c"), true, NULL},
        {L("/data/model"), true, NULL},
        {L("dbfs:/a..b/..c/d.."), true, NULL},
        {L("s3://b/100%"), true, NULL},
        {L("s3://b/pct%41.txt"), true, NULL},
        {L(""), false, "is empty"},
        {L(".."), false, "relative part"},
        {L("../x"), false, "relative part"},
        {L("a/../b"), false, "relative part"},
        {L("a/./b"), false, "relative part"},
        {L("file:.."), false, "relative part"},
        {L("s3:../x"), false, "relative part"},
        {L("mlflow-artifacts://host:1/../../etc"), false, "relative part"},
        {L("s3://b/%2e%2e/x"), false, "relative part"},
        {L("s3://b/%2E%2e/x"), false, "relative part"},
        {L("s3://b/.%2e/x"), false, "relative part"},
        {L("s3://b/%252e%252e/x"), false, "relative part"},
        {L("s3://b/%25252e%25252e/x"), false, "relative part"},
        {L("s3://b/%2525252525252e%2e/x"), false, "relative part"},
        {L("s3://b/..%2fx"), false, "relative part"},
        {L("s3://b/..%252fx"), false, "relative part"},
        {L("s3://b/%2e%2e%2f%2e%2e"), false, "relative part"},
        {L("http://h/api/2.0/mlflow-artifacts/artifacts/..%2F..%2F"), false, "relative part"},
        {L("s3://b/x#/etc/passwd"), false, "has a '#'"},
        {L("s3://b/x%23/etc"), false, "has a '#'"},
        {L("s3://b/x%2523/etc"), false, "has a '#'"},
        {L("http:///#/../../etc"), false, "has a '#'"},
        {L("s3://b/x?/../etc"), false, "has a '?'"},
        {L("s3://b/x%3f"), false, "has a '?'"},
        {L("mlflow-artifacts:/x\0y"), false, "control character"},
        {L("mlflow-artifacts:/x%00y"), false, "control character"},
        {L("mlflow-artifacts:/x%2500y"), false, "control character"},
        {L("a\nb"), false, "control character"},
        {L("a%0d%0ab"), false, "control character"},
        {L("a\\..\\b"), false, "backslash"},
        {L("..\\x"), false, "backslash"},
        {L("s3://b/..%5c..%5cx"), false, "backslash"},
        {L("\\\\server\\share"), false, "backslash"},
    };
    struct sb_arena arena;
    sb_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_errctx ctx;
        sb_errctx_reset(&ctx);
        sb_err err = sb_source_check_uri(rows[i].uri, &arena, &ctx);
        if (err != (rows[i].ok ? SB_OK : SB_E_DENIED))
            fail_msg("%s: %s", rows[i].uri.p, err ? ctx.msg : "accepted");
        if (err && !strstr(ctx.msg, rows[i].why)) fail_msg("%s: %s", rows[i].uri.p, ctx.msg);
    }
    sb_arena_fini(&arena);
}

static void paths(void **state) {
    (void)state;
    static const struct {
        struct sb_str path;
        bool ok;
    } rows[] = {
        {L("model/MLmodel"), true},
        {L("a b/+&=;,\xc3\xa9"), true},
        {L("..a/b.."), true},
        {L("ab:c/d"), true},
        {L("a:b/c"), false},
        {L("/etc/passwd"), false},
        {L("%2fetc"), false},
        {L("%252fetc"), false},
        {L("C:/x"), false},
        {L("c:x"), false},
        {L("a:.."), false},
        {L("a/../b"), false},
        {L("%2e%2e/b"), false},
        {L("x#y"), false},
        {L("x\0y"), false},
        {L("a\\b"), false},
        {L(""), false},
        {L("ab:.."), false},
        {L("file:../x"), false},
    };
    struct sb_arena arena;
    sb_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        if ((sb_source_check_path(rows[i].path, &arena, NULL) == SB_OK) != rows[i].ok)
            fail_msg("%s", rows[i].path.p);
    sb_arena_fini(&arena);
}

static void sources_of_versions(void **state) {
    (void)state;
    static const struct {
        const char *source, *root;
        bool ok;
    } rows[] = {
        {"/r/1/artifacts/model", "/r/1/artifacts", true},
        {"file:///r/1/artifacts/model", "/r/1/artifacts", true},
        {"file:/r/1/artifacts", "file:///r/1/artifacts/", true},
        {"FILE:///r/1/artifacts", "/r/1/artifacts", true},
        {"//r/1//artifacts/x", "/r/1/artifacts", false},
        {"/r//1///artifacts/x", "/r/1/artifacts", true},
        {"/r/1/artifacts2", "/r/1/artifacts", false},
        {"/r/1", "/r/1/artifacts", false},
        {"/r/1/artifacts", "/", false},
        {"/r/1/artifacts", NULL, false},
        {"r/1/artifacts", "/r/1/artifacts", false},
        {"file://other/r/1/artifacts", "/r/1/artifacts", false},
        {"file%3A///r/1/artifacts", "/r/1/artifacts", false},
        {"%66ile:///r/1/artifacts", "/r/1/artifacts", false},
        {"/r/1/artifacts/%2e%2e/x", "/r/1/artifacts", false},
        {"/r/1/artifacts/m", "mlflow-artifacts:/r/1/artifacts", false},
        {"mlflow-artifacts:/1/a/artifacts/m", "mlflow-artifacts:/1/a/artifacts", true},
        {"MLFLOW-ARTIFACTS:/1/a/artifacts/m", "mlflow-artifacts:/1/a/artifacts", true},
        {"mlflow-artifacts:/1/b/artifacts/m", "mlflow-artifacts:/1/a/artifacts", false},
        {"mlflow-artifacts:/1/%61/artifacts/m", "mlflow-artifacts:/1/a/artifacts", true},
        {"mlflow-artifacts://h/1/a/artifacts", "mlflow-artifacts:/1/a/artifacts", false},
        {"mlflow-artifacts%3A/1/b", "mlflow-artifacts:/1/a", false},
        {"http://h/api/2.0/mlflow-artifacts/artifacts/1/b", "mlflow-artifacts:/1/a", false},
        {"http://h/p//api//2.0/mlflow-artifacts/artifacts/1", "mlflow-artifacts:/1", false},
        {"https://h/api/api/2.0/mlflow-artifacts/artifacts/1", "mlflow-artifacts:/1", false},
        {"http://h/api/2.0/%6dlflow-artifacts/artifacts/1", "mlflow-artifacts:/1", false},
        {"http://h/models/x", NULL, true},
        {"s3://b/x", NULL, true},
        {"s3://b/../x", NULL, false},
        {"C:/models", NULL, false},
    };
    struct sb_arena arena;
    sb_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        if ((sb_source_check_version(sb_str_of(rows[i].source), sb_str_of(rows[i].root), &arena,
                                     NULL) == SB_OK) != rows[i].ok)
            fail_msg("%s in %s", rows[i].source, rows[i].root ? rows[i].root : "nothing");
    sb_arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris),
        cmocka_unit_test(paths),
        cmocka_unit_test(sources_of_versions),
    };
    return cmocka_run_group_tests_name("domain/registry source_check", tests, NULL, NULL);
}
