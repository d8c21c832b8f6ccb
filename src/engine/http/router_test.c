/* The router: which route a path takes, parameters, allowed methods, bad tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine/http/router.h"

static void nothing(struct sb_http_req *r) {
    (void)r;
}
#define ROUTE(method, pattern, doc)                                                                \
    { SB_HTTP_##method, pattern, SB_SCOPE_PUBLIC, 0, nothing, doc }
#define END                                                                                        \
    { .pattern = NULL }

static const struct sb_http_route FIRST[] = {
    ROUTE(GET, "/", "root"),
    ROUTE(POST, "/predict", "predict"),
    ROUTE(POST, "/models/{name}/predict", "model"),
    ROUTE(GET, "/models/{name}", "get model"),
    ROUTE(DELETE, "/models/{name}", "delete model"),
    ROUTE(GET, "/models/all", "all"),
    ROUTE(GET, "/models/all/fast/x", "fast"),
    ROUTE(GET, "/models/{name}/{what}/y", "what"),
    ROUTE(POST, "/models/{name}:explain", "explain"),
    ROUTE(POST, "/models/{name}:scan/{what}", "scan"),
    END,
};
static const struct sb_http_route SECOND[] = {
    ROUTE(GET, "/files/{path*}", "files"),
    ROUTE(PUT, "/files/{path*}", "put files"),
    ROUTE(GET, "/files/index", "index"),
    ROUTE(HEAD, "/models/all", "head all"),
    END,
};
static const struct sb_http_route *const TABLES[] = {FIRST, SECOND, NULL};

static void paths_take_their_routes(void **state) {
    (void)state;
    static const struct {
        enum sb_http_method method;
        const char *path, *doc, *params; /* doc NULL: 404, "" 405 */
    } rows[] = {
        {SB_HTTP_GET, "/", "root", ""},
        {SB_HTTP_HEAD, "/", "root", ""},
        {SB_HTTP_POST, "/predict", "predict", ""},
        {SB_HTTP_POST, "/predict/", NULL, ""},
        {SB_HTTP_POST, "//predict", NULL, ""},
        {SB_HTTP_POST, "predict", NULL, ""},
        {SB_HTTP_POST, "", NULL, ""},
        {SB_HTTP_POST, "/models/a/predict", "model", "a|"},
        {SB_HTTP_POST, "/models/a%2Fb/predict", "model", "a%2Fb|"},
        {SB_HTTP_POST, "/models//predict", NULL, ""},
        {SB_HTTP_GET, "/models/all", "all", ""},
        {SB_HTTP_HEAD, "/models/all", "head all", ""},
        {SB_HTTP_GET, "/models/allx", "get model", "allx|"},
        {SB_HTTP_POST, "/models/a:explain", "explain", "a|"},
        {SB_HTTP_POST, "/models/a:b:explain", "explain", "a:b|"},
        {SB_HTTP_POST, "/models/:explain", "", ""},
        {SB_HTTP_POST, "/models/a:explai", "", ""},
        {SB_HTTP_POST, "/models/a:scan/x", "scan", "a|x|"},
        {SB_HTTP_POST, "/models/a:scan/predict", "scan", "a|predict|"},
        {SB_HTTP_POST, "/models/a:explain/predict", "model", "a:explain|"},
        {SB_HTTP_GET, "/models/a:explain", "", ""},
        {SB_HTTP_GET, "/models/all/fast/x", "fast", ""},
        {SB_HTTP_GET, "/models/all/fast/y", "what", "all|fast|"},
        {SB_HTTP_GET, "/models/all/slow/y", "what", "all|slow|"},
        {SB_HTTP_GET, "/models/all/fast", NULL, ""},
        {SB_HTTP_DELETE, "/models/all", "", ""},
        {SB_HTTP_GET, "/models/a/predict", "", ""},
        {SB_HTTP_GET, "/files/a/b//c", "files", "a/b//c|"},
        {SB_HTTP_GET, "/files/", "files", "|"},
        {SB_HTTP_GET, "/files", NULL, ""},
        {SB_HTTP_GET, "/files/index", "index", ""},
        {SB_HTTP_GET, "/files/index/x", "files", "index/x|"},
        {SB_HTTP_GET, "/files/../x", "files", "../x|"},
        {SB_HTTP_OPTIONS, "*", NULL, ""},
    };
    struct sb_http_router *r;
    assert_int_equal(sb_http_router_new(&r, TABLES, NULL, NULL), SB_OK);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_http_match m;
        char params[100] = "";
        size_t at = 0;
        bool found = sb_http_router_find(r, rows[i].method, sb_str_of(rows[i].path), &m);
        if (found != (rows[i].doc != NULL)) fail_msg("%s: found %d", rows[i].path, found);
        if (!found) continue;
        if (!m.route != !rows[i].doc[0]) fail_msg("%s: route %d", rows[i].path, m.route != NULL);
        if (!m.route) continue;
        assert_string_equal(m.route->doc, rows[i].doc);
        for (size_t k = 0; k < m.nparams; k++)
            at += (size_t)snprintf(params + at, sizeof params - at, "%.*s|", SB_ARG(m.params[k]));
        assert_string_equal(params, rows[i].params);
    }
    sb_http_router_free(r);
}

static void allowed_methods_are_those_of_the_path(void **state) {
    (void)state;
    struct sb_http_router *r;
    struct sb_http_match m;
    assert_int_equal(sb_http_router_new(&r, TABLES, NULL, NULL), SB_OK);
    assert_true(sb_http_router_find(r, SB_HTTP_PUT, SB_STR("/models/a"), &m));
    assert_null(m.route);
    assert_int_equal(m.allowed, 1 << SB_HTTP_GET | 1 << SB_HTTP_HEAD | 1 << SB_HTTP_DELETE);
    sb_http_router_free(r);
}

static void bad_tables_are_a_bug_by_name(void **state) {
    (void)state;
    static const struct sb_http_route bad[][3] = {
        {ROUTE(GET, "/a/{x}", ""), ROUTE(GET, "/a/{y}", ""), END},
        {ROUTE(GET, "/a/{x*}/b", ""), END},
        {ROUTE(GET, "a", ""), END},
        {ROUTE(GET, "/{a}/{b}/{c}/{d}/{e}", ""), END},
        {ROUTE(GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", ""), END},
    };
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        struct sb_http_router *r;
        struct sb_errctx ctx = {0};
        const struct sb_http_route *const tables[] = {bad[i], NULL};
        assert_int_equal(sb_http_router_new(&r, tables, NULL, &ctx), SB_E_BUG);
        size_t last = bad[i][1].pattern ? 1 : 0;
        assert_non_null(strstr(ctx.msg, bad[i][last].pattern));
    }
}

static void a_route_knows_its_table(void **state) {
    (void)state;
    static const struct sb_http_route first[] = {ROUTE(GET, "/a", ""), ROUTE(POST, "/b", ""), END},
                                      second[] = {ROUTE(GET, "/b", ""), END};
    const struct sb_http_route *const tables[] = {first, second, NULL};
    static const struct {
        enum sb_http_method method;
        const char *path;
        size_t table;
    } rows[] = {{SB_HTTP_GET, "/a", 0},
                {SB_HTTP_POST, "/b", 0},
                {SB_HTTP_GET, "/b", 1},
                {SB_HTTP_HEAD, "/b", 1}};
    struct sb_http_router *r;
    assert_int_equal(sb_http_router_new(&r, tables, NULL, NULL), SB_OK);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_http_match m;
        assert_true(sb_http_router_find(r, rows[i].method, sb_str_of(rows[i].path), &m));
        assert_int_equal(m.table, rows[i].table);
    }
    sb_http_router_free(r);
}

static void a_table_is_found_below_its_prefix_only(void **state) {
    (void)state;
    static const struct sb_http_route one[] = {ROUTE(GET, "/", "root"), ROUTE(GET, "/{x}/y", "y"),
                                               END};
    const struct sb_http_route *const tables[] = {one, one, NULL};
    static const char *const prefixes[] = {NULL, "/api/search"};
    static const struct {
        const char *path;
        int table; /* -1: none */
    } rows[] = {{"/", 0},      {"/api/search/", 1}, {"/api/search/a/y", 1}, {"/a/y", 0},
                {"/api/y", 0}, {"/api/search", -1}, {"/api/search/a", -1}};
    struct sb_http_router *r;
    assert_int_equal(sb_http_router_new(&r, tables, prefixes, NULL), SB_OK);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_http_match m;
        bool found = sb_http_router_find(r, SB_HTTP_GET, sb_str_of(rows[i].path), &m);
        if (found != (rows[i].table >= 0)) fail_msg("%s: found %d", rows[i].path, found);
        if (found) assert_int_equal(m.table, rows[i].table);
    }
    sb_http_router_free(r);
    static const char *const bad[] = {"api", NULL};
    assert_int_equal(sb_http_router_new(&r, tables, bad, NULL), SB_E_BUG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_take_their_routes),
        cmocka_unit_test(allowed_methods_are_those_of_the_path),
        cmocka_unit_test(bad_tables_are_a_bug_by_name),
        cmocka_unit_test(a_route_knows_its_table),
        cmocka_unit_test(a_table_is_found_below_its_prefix_only),
    };
    return cmocka_run_group_tests_name("http_router", tests, NULL, NULL);
}
