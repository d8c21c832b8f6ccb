#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "domain/artifact/artifact.h"
#include "domain/artifact/path.h"
#include "sys/fault.h"
#include "sys/file.h"

/* ---- paths ---- */

static void test_clean(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct sb_str in;
        sb_err err;
        const char *out;
    } rows[] = {
        {"the root", SB_STR(""), SB_OK, ""},
        {"a plain path", SB_STR("1/run/artifacts/model/MLmodel"), SB_OK,
         "1/run/artifacts/model/MLmodel"},
        {"empty and . parts go", SB_STR("a//b/./c/"), SB_OK, "a/b/c"},
        {"three dots are a name", SB_STR("a/.../b"), SB_OK, "a/.../b"},
        {"names that begin with dots", SB_STR("..a/b.."), SB_OK, "..a/b.."},
        {"encoded once", SB_STR("a%20b"), SB_OK, "a b"},
        {"plus stays plus", SB_STR("a+b&c=d;e,f"), SB_OK, "a+b&c=d;e,f"},
        {"the double decode of MLflow", SB_STR("pct%41.txt"), SB_OK, "pctA.txt"},
        {"a lone percent", SB_STR("100%"), SB_OK, "100%"},
        {"a percent before no hex", SB_STR("%zz%4"), SB_OK, "%zz%4"},
        {"not ASCII",
         SB_STR("gr\xc3\xbc\xc3\x9f"
                "e/%C3%BC"),
         SB_OK,
         "gr\xc3\xbc\xc3\x9f"
         "e/\xc3\xbc"},
        {"control characters become text", SB_STR("a\nb%0Ac%7f"), SB_OK, "a%0ab%0ac%7f"},
        {"a colon later", SB_STR("a:b"), SB_OK, "a:b"},
        {"our folder deeper down", SB_STR("a/.sibyl-upload"), SB_OK, "a/.sibyl-upload"},
        {"..", SB_STR(".."), SB_E_DENIED, NULL},
        {".. in the middle", SB_STR("a/../b"), SB_E_DENIED, NULL},
        {".. at the end", SB_STR("a/.."), SB_E_DENIED, NULL},
        {"encoded ..", SB_STR("%2e%2e/x"), SB_E_DENIED, NULL},
        {"twice encoded ..", SB_STR("%252e%252e/x"), SB_E_DENIED, NULL},
        {"five times encoded ..", SB_STR("%25252525252e./x"), SB_E_DENIED, NULL},
        {"encoded too often", SB_STR("%252525252525252525252525x"), SB_E_DENIED, NULL},
        {"encoded slash before ..", SB_STR("a%2f..%2fb"), SB_E_DENIED, NULL},
        {"mixed encodings", SB_STR("%2e%252e%2fx"), SB_E_DENIED, NULL},
        {"absolute", SB_STR("/etc/passwd"), SB_E_DENIED, NULL},
        {"absolute, encoded", SB_STR("%252fetc"), SB_E_DENIED, NULL},
        {"fragment", SB_STR("a#b"), SB_E_DENIED, NULL},
        {"fragment, encoded", SB_STR("a%2523b"), SB_E_DENIED, NULL},
        {"backslash", SB_STR("a\\b"), SB_E_DENIED, NULL},
        {"UNC, encoded", SB_STR("%5c%5chost"), SB_E_DENIED, NULL},
        {"drive", SB_STR("c:"), SB_E_DENIED, NULL},
        {"drive and path", SB_STR("C:/x"), SB_E_DENIED, NULL},
        {"NUL", SB_STR("a\0b"), SB_E_DENIED, NULL},
        {"NUL, encoded", SB_STR("a%2500"), SB_E_DENIED, NULL},
        {"file URI", SB_STR("File:x"), SB_E_DENIED, NULL},
        {"our upload folder", SB_STR(".sibyl-upload/1"), SB_E_DENIED, NULL},
        {"our upload folder behind a .", SB_STR("./%2esibyl-upload"), SB_E_DENIED, NULL},
        {"not UTF-8", SB_STR("a\xff"), SB_E_INVALID, NULL},
        {"overlong dot", SB_STR("\xc0\xae\xc0\xae/x"), SB_E_INVALID, NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_errctx ctx = {0};
        struct sb_str out = {0};
        sb_arena_init(&a, 1 << 20);
        sb_err err = sb_artifact_path_clean(rows[i].in, &a, &out, &ctx);
        if (err != rows[i].err || (!err && !sb_str_is(out, rows[i].out)))
            fail_msg("%s: %s '%.*s'", rows[i].name, sb_err_name(err), SB_ARG(out));
        if (err) assert_true(ctx.msg[0]);
        sb_arena_fini(&a);
    }
}

static void test_clean_limits(void **state) {
    (void)state;
    char text[SB_ARTIFACT_PATH_MAX + 2];
    struct sb_arena a;
    struct sb_str out;
    sb_arena_init(&a, 1 << 20);
    memset(text, 'x', sizeof text);
    assert_int_equal(sb_artifact_path_clean(sb_str_make(text, 255), &a, &out, NULL), SB_OK);
    assert_int_equal(sb_artifact_path_clean(sb_str_make(text, 256), &a, &out, NULL), SB_E_LIMIT);
    memset(text, '\n', 86); /* three characters each once they are text */
    assert_int_equal(sb_artifact_path_clean(sb_str_make(text, 85), &a, &out, NULL), SB_OK);
    assert_int_equal(sb_artifact_path_clean(sb_str_make(text, 86), &a, &out, NULL), SB_E_LIMIT);
    memset(text, 'x', sizeof text);
    for (size_t i = 1; i < sizeof text; i += 2) text[i] = '/';
    size_t deep = 2 * SB_ARTIFACT_PATH_DEPTH;
    assert_int_equal(sb_artifact_path_clean(sb_str_make(text, deep), &a, &out, NULL), SB_OK);
    assert_int_equal(sb_artifact_path_clean(sb_str_make(text, deep + 1), &a, &out, NULL),
                     SB_E_LIMIT);
    memset(text, '/', sizeof text);
    text[0] = 'x';
    struct sb_str longest = sb_str_make(text, SB_ARTIFACT_PATH_MAX);
    assert_int_equal(sb_artifact_path_clean(longest, &a, &out, NULL), SB_OK);
    longest.n++;
    assert_int_equal(sb_artifact_path_clean(longest, &a, &out, NULL), SB_E_LIMIT);
    sb_arena_fini(&a);
}

static void test_uri(void **state) {
    (void)state;
    static const struct {
        const char *uri;
        sb_err err;
        const char *out;
    } rows[] = {
        {"mlflow-artifacts:/1/run/artifacts", SB_OK, "1/run/artifacts"},
        {"mlflow-artifacts:1/x", SB_OK, "1/x"},
        {"mlflow-artifacts://host:5000/1/x", SB_OK, "1/x"},
        {"MLFLOW-ARTIFACTS:/", SB_OK, ""},
        {"mlflow-artifacts://host", SB_OK, ""},
        {"http://h:5000/api/2.0/mlflow-artifacts/artifacts/1/x", SB_OK, "1/x"},
        {"https://h/api/2.0/mlflow-artifacts/artifacts", SB_OK, ""},
        {"https://h/other/1/x", SB_E_UNSUPPORTED, NULL},
        {"s3://bucket/x", SB_E_UNSUPPORTED, NULL},
        {"file:///etc", SB_E_UNSUPPORTED, NULL},
        {"/etc", SB_E_UNSUPPORTED, NULL},
        {"", SB_E_UNSUPPORTED, NULL},
        {"mlflow-artifacts:/1/../x", SB_E_DENIED, NULL},
        {"mlflow-artifacts:/a#b", SB_E_DENIED, NULL},
        {"mlflow-artifacts:/%252e%252e", SB_E_DENIED, NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_str out = {0};
        sb_arena_init(&a, 1 << 20);
        sb_err err = sb_artifact_path_of_uri(sb_str_of(rows[i].uri), &a, &out, NULL);
        if (err != rows[i].err || (!err && !sb_str_is(out, rows[i].out)))
            fail_msg("%s: %s '%.*s'", rows[i].uri, sb_err_name(err), SB_ARG(out));
        sb_arena_fini(&a);
    }
}

static void test_join_and_base(void **state) {
    (void)state;
    struct sb_arena a;
    sb_arena_init(&a, 1 << 20);
    assert_true(sb_str_is(sb_artifact_path_join(&a, SB_STR("a"), SB_STR("b/c")), "a/b/c"));
    assert_true(sb_str_is(sb_artifact_path_join(&a, SB_STR(""), SB_STR("b")), "b"));
    assert_true(sb_str_is(sb_artifact_path_join(&a, SB_STR("a"), SB_STR("")), "a"));
    assert_true(sb_str_is(sb_artifact_path_base(SB_STR("a/b.c")), "b.c"));
    assert_true(sb_str_is(sb_artifact_path_base(SB_STR("b")), "b"));
    sb_arena_fini(&a);
}

/* ---- the folder ---- */

struct folder {
    char path[64];
    struct sb_artifact_store store;
    struct sb_arena arena;
};

static int setup(void **state) {
    struct folder *f = sb_calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/artifact-test-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    sb_arena_init(&f->arena, 1 << 20);
    assert_int_equal(sb_artifact_files_open(&f->store, f->path, NULL), SB_OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct folder *f = *state;
    f->store.ops->free(f->store.self);
    assert_int_equal(sb_dir_remove_all(f->path, NULL), SB_OK);
    sb_arena_fini(&f->arena);
    sb_free(f);
    return 0;
}

static sb_err put(struct folder *f, const char *path, const char *text) {
    void *w;
    sb_err err = f->store.ops->create(f->store.self, sb_str_of(path), &w, NULL);
    if (err) return err;
    err = f->store.ops->write(w, text, strlen(text), NULL);
    if (err) {
        f->store.ops->abort(w);
        return err;
    }
    return f->store.ops->commit(w, NULL);
}

static sb_err get(struct folder *f, const char *path, char *to, size_t max) {
    void *r;
    struct sb_artifact_info info;
    size_t got;
    sb_err err = f->store.ops->open(f->store.self, sb_str_of(path), &r, &info, NULL);
    if (err) return err;
    err = f->store.ops->read(r, to, max - 1, &got, NULL);
    f->store.ops->close(r);
    if (err) return err;
    assert_int_equal(info.size, got);
    to[got] = '\0';
    return SB_OK;
}

static struct sb_artifact_list list(struct folder *f, const char *path) {
    struct sb_artifact_list l;
    assert_int_equal(f->store.ops->list(f->store.self, sb_str_of(path), &f->arena, &l, NULL),
                     SB_OK);
    return l;
}

static void test_write_read_list_remove(void **state) {
    struct folder *f = *state;
    char text[32];
    assert_int_equal(put(f, "a/b/c.txt", "one"), SB_OK);
    assert_int_equal(put(f, "a/b/c.txt", "second"), SB_OK);
    assert_int_equal(put(f, "a/empty", ""), SB_OK);
    assert_int_equal(get(f, "a/b/c.txt", text, sizeof text), SB_OK);
    assert_string_equal(text, "second");
    assert_int_equal(get(f, "a/empty", text, sizeof text), SB_OK);
    assert_string_equal(text, "");
    struct sb_artifact_list l = list(f, "a");
    assert_int_equal(l.n, 2);
    assert_true(l.v[0].is_dir && sb_str_is(l.v[0].name, "b"));
    assert_true(!l.v[1].is_dir && sb_str_is(l.v[1].name, "empty") && l.v[1].size == 0);
    assert_int_equal(list(f, "").n, 1); /* not the upload folder */
    assert_int_equal(list(f, "a/empty").n, 0);
    assert_int_equal(list(f, "missing").n, 0);
    assert_int_equal(f->store.ops->remove(f->store.self, SB_STR("a/b"), NULL), SB_OK);
    assert_int_equal(f->store.ops->remove(f->store.self, SB_STR("a/b"), NULL), SB_OK);
    assert_int_equal(f->store.ops->remove(f->store.self, SB_STR("x/y"), NULL), SB_OK);
    assert_int_equal(f->store.ops->remove(f->store.self, SB_STR(""), NULL), SB_E_INVALID);
    assert_int_equal(list(f, "a").n, 1);
}

static void test_wrong_kinds(void **state) {
    struct folder *f = *state;
    char text[32];
    assert_int_equal(put(f, "d/file", "x"), SB_OK);
    assert_int_equal(put(f, "d/file/below", "y"), SB_E_STATE);
    assert_int_equal(put(f, "d", "y"), SB_E_STATE);
    assert_int_equal(put(f, "", "y"), SB_E_INVALID);
    assert_int_equal(get(f, "d", text, sizeof text), SB_E_STATE);
    assert_int_equal(get(f, "", text, sizeof text), SB_E_STATE);
    assert_int_equal(get(f, "d/file/below", text, sizeof text), SB_E_MISSING);
    assert_int_equal(get(f, "none", text, sizeof text), SB_E_MISSING);
    assert_int_equal(get(f, "d/file", text, sizeof text), SB_OK);
    assert_string_equal(text, "x");
}

static void test_links_are_not_followed(void **state) {
    struct folder *f = *state;
    char name[128], text[32];
    assert_int_equal(put(f, "d/file", "x"), SB_OK);
    snprintf(name, sizeof name, "%s/d/etc", f->path);
    assert_int_equal(symlink("/etc", name), 0);
    snprintf(name, sizeof name, "%s/d/near", f->path);
    assert_int_equal(symlink("file", name), 0);
    assert_int_equal(get(f, "d/etc/passwd", text, sizeof text), SB_E_MISSING);
    assert_int_equal(get(f, "d/near", text, sizeof text), SB_E_MISSING);
    assert_int_equal(put(f, "d/etc/x", "y"), SB_E_STATE);
    assert_int_equal(list(f, "d/etc").n, 0);
    assert_int_equal(list(f, "d").n, 1);
    assert_int_equal(put(f, "d/near", "y"), SB_OK); /* takes the link's place */
    assert_int_equal(get(f, "d/file", text, sizeof text), SB_OK);
    assert_string_equal(text, "x");
}

static void test_a_reader_keeps_what_it_opened(void **state) {
    struct folder *f = *state;
    void *r;
    struct sb_artifact_info info;
    char text[8] = {0};
    size_t got;
    assert_int_equal(put(f, "x", "before"), SB_OK);
    assert_int_equal(f->store.ops->open(f->store.self, SB_STR("x"), &r, &info, NULL), SB_OK);
    assert_int_equal(put(f, "x", "after!"), SB_OK);
    assert_int_equal(f->store.ops->read(r, text, 6, &got, NULL), SB_OK);
    assert_string_equal(text, "before");
    f->store.ops->close(r);
}

static void test_leftovers_go_at_open(void **state) {
    struct folder *f = *state;
    char name[128];
    struct sb_dir_names left;
    struct sb_artifact_store again;
    snprintf(name, sizeof name, "%s/%s", f->path, SB_ARTIFACT_UPLOAD_DIR);
    void *w;
    assert_int_equal(f->store.ops->create(f->store.self, SB_STR("x"), &w, NULL), SB_OK);
    assert_int_equal(sb_artifact_files_open(&again, f->path, NULL), SB_OK);
    assert_int_equal(sb_dir_list(name, &left, NULL), SB_OK);
    assert_int_equal(left.n, 0);
    sb_dir_names_fini(&left);
    again.ops->free(again.self);
    f->store.ops->abort(w);
}

/* Another upload makes the same folder just before the call number `at` of this one. */
struct rival {
    const char *folder;
    int calls, at;
    bool made;
};

static int rival_call(void *self, struct sb_sys_op *op) {
    struct rival *x = self;
    SB_UNUSED(op);
    if (x->calls++ == x->at) x->made = mkdir(x->folder, 0750) == 0;
    return 0;
}

/* Two uploads into one new folder: one was refused with "is not a folder". */
static void test_a_folder_may_appear_at_any_moment(void **state) {
    struct folder *f = *state;
    char name[128];
    bool made = true;
    for (int at = 0; made; at++) {
        snprintf(name, sizeof name, "%s/new%d", f->path, at);
        struct rival x = {name, 0, at, false};
        struct sb_sys_hook hook = {rival_call, &x};
        char path[32];
        snprintf(path, sizeof path, "new%d/x", at);
        sb_sys_fault_hook(&hook);
        sb_err err = put(f, path, "text");
        sb_sys_fault_hook(NULL);
        if (err) fail_msg("made before call %d: %s", at, sb_err_name(err));
        made = x.made;
        assert_true(made || at > 5);
    }
}

/* Fails the call number `at` with ENOSPC; counts all. */
struct failing {
    int calls, at;
};

static int fail_call(void *self, struct sb_sys_op *op) {
    struct failing *x = self;
    if (op->kind == SB_SYS_UNLINK || op->kind == SB_SYS_STAT) return 0;
    return x->calls++ == x->at ? 28 /* ENOSPC */ : 0;
}

static void test_every_storage_call_may_fail(void **state) {
    struct folder *f = *state;
    char text[32];
    int failed = 0;
    assert_int_equal(put(f, "d/x", "old"), SB_OK);
    for (int at = 0;; at++) {
        struct failing x = {0, at};
        struct sb_sys_hook hook = {fail_call, &x};
        sb_sys_fault_hook(&hook);
        sb_err err = put(f, "d/x", "new");
        sb_sys_fault_hook(NULL);
        assert_int_equal(get(f, "d/x", text, sizeof text), SB_OK);
        if (!err) {
            assert_string_equal(text, "new");
            break;
        }
        failed++;
        /* only the very last call, the sync of the folder, comes after the change of names */
        assert_true(!strcmp(text, "old") || !strcmp(text, "new"));
        if (!strcmp(text, "new")) assert_int_equal(put(f, "d/x", "old"), SB_OK);
    }
    assert_true(failed >= 5);
    assert_int_equal(list(f, "d").n, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_clean_limits),
        cmocka_unit_test(test_uri),
        cmocka_unit_test(test_join_and_base),
        cmocka_unit_test_setup_teardown(test_write_read_list_remove, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_keeps_what_it_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_go_at_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_may_appear_at_any_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_storage_call_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
