#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
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
    char etag[SB_ARTIFACT_ETAG_MAX];
    return f->store.ops->commit(w, etag, NULL);
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

/* ---- removal in two steps ---- */

static void test_set_aside(void **state) {
    struct folder *f = *state;
    const struct sb_artifact_ops *ops = f->store.ops;
    char text[32];
    uint64_t ticket = 0;
    assert_int_equal(put(f, "run/artifacts/a", "one"), SB_OK);
    assert_int_equal(ops->set_aside(f->store.self, SB_STR("none/x"), &ticket, NULL), SB_OK);
    assert_int_equal(ticket, 0);
    assert_int_equal(ops->set_aside(f->store.self, SB_STR("run"), &ticket, NULL), SB_OK);
    assert_int_not_equal(ticket, 0);
    assert_int_equal(get(f, "run/artifacts/a", text, sizeof text), SB_E_MISSING);
    assert_int_equal(ops->put_back(f->store.self, ticket, SB_STR("run"), NULL), SB_OK);
    assert_int_equal(get(f, "run/artifacts/a", text, sizeof text), SB_OK);
    assert_string_equal(text, "one");
    assert_int_equal(ops->set_aside(f->store.self, SB_STR("run"), &ticket, NULL), SB_OK);
    assert_int_equal(ops->discard(f->store.self, ticket, NULL), SB_OK);
    assert_int_equal(list(f, "").n, 0);
    assert_int_equal(ops->set_aside(f->store.self, SB_STR(""), &ticket, NULL), SB_E_INVALID);
}

/* ---- uploads in parts ---- */

#define ID (SB_ARTIFACT_UPLOAD_ID + 1)

struct etags {
    char v[3][SB_ARTIFACT_ETAG_MAX];
};

static void begin(struct folder *f, const char *path, int64_t n, char id[ID]) {
    assert_int_equal(f->store.ops->parts_begin(f->store.self, sb_str_of(path), n, id, NULL), SB_OK);
}

static sb_err part(struct folder *f, const char *id, int64_t number, const char *text,
                   struct etags *e) {
    void *w;
    sb_err err = f->store.ops->part_create(f->store.self, sb_str_of(id), number,
                                           (int64_t)strlen(text), &w, NULL);
    if (err) return err;
    err = f->store.ops->write(w, text, strlen(text), NULL);
    if (!err) return f->store.ops->commit(w, e->v[number - 1], NULL);
    f->store.ops->abort(w);
    return err;
}

static sb_err end(struct folder *f, const char *id, const char *path, const struct etags *e,
                  size_t n) {
    struct sb_artifact_part parts[3];
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct sb_artifact_part){(int64_t)i + 1, sb_str_of(e->v[i])};
    return f->store.ops->parts_end(f->store.self, sb_str_of(id), sb_str_of(path), parts, n, NULL);
}

static void reopen(struct folder *f) {
    f->store.ops->free(f->store.self);
    assert_int_equal(sb_artifact_files_open(&f->store, f->path, NULL), SB_OK);
}

static size_t uploads_left(struct folder *f) {
    char name[128];
    struct sb_dir_names left;
    snprintf(name, sizeof name, "%s/%s", f->path, SB_ARTIFACT_UPLOAD_DIR);
    assert_int_equal(sb_dir_list(name, &left, NULL), SB_OK);
    size_t n = left.n;
    sb_dir_names_fini(&left);
    return n;
}

static void test_parts_become_one_file(void **state) {
    struct folder *f = *state;
    static const struct {
        const char *name, *order; /* of the part numbers */
        const char *part[3], *whole;
        bool restart; /* after each part */
    } rows[] = {
        {"one part", "1", {"whole"}, "whole", false},
        {"one empty part", "1", {""}, "", false},
        {"in order", "123", {"first", "other", "xyz"}, "firstotherxyz", false},
        {"the last one first", "312", {"first", "other", "xyz"}, "firstotherxyz", false},
        {"sent again", "1232311", {"first", "other", "xyz"}, "firstotherxyz", false},
        {"restarts in between", "132", {"first", "other", "xyz"}, "firstotherxyz", true},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char id[ID], got[32];
        struct etags e;
        size_t n = rows[i].part[1] ? 3 : 1;
        begin(f, "d/big.bin", (int64_t)n, id);
        for (const char *o = rows[i].order; *o; o++) {
            sb_err err = part(f, id, *o - '0', rows[i].part[*o - '1'], &e);
            if (err) fail_msg("%s: part %c: %s", rows[i].name, *o, sb_err_name(err));
            if (rows[i].restart) reopen(f);
        }
        assert_int_equal(get(f, "d/big.bin", got, sizeof got), SB_E_MISSING);
        assert_int_equal(end(f, id, "d/big.bin", &e, n), SB_OK);
        assert_int_equal(get(f, "d/big.bin", got, sizeof got), SB_OK);
        assert_string_equal(got, rows[i].whole);
        assert_int_equal(uploads_left(f), 0);
        assert_int_equal(f->store.ops->remove(f->store.self, SB_STR("d"), NULL), SB_OK);
    }
}

static void test_wrong_parts_are_refused(void **state) {
    struct folder *f = *state;
    const struct sb_artifact_ops *ops = f->store.ops;
    char id[ID], other[ID];
    struct etags e = {0}, wrong;
    void *w;
    assert_int_equal(ops->parts_begin(f->store.self, SB_STR("x"), 0, id, NULL), SB_E_INVALID);
    assert_int_equal(
        ops->parts_begin(f->store.self, SB_STR("x"), SB_ARTIFACT_PARTS_MAX + 1, id, NULL),
        SB_E_INVALID);
    assert_int_equal(ops->parts_begin(f->store.self, SB_STR(""), 1, id, NULL), SB_E_INVALID);
    begin(f, "d/x", SB_ARTIFACT_PARTS_MAX, other);
    begin(f, "d/x", 3, id);
    assert_int_equal(part(f, "0123", 1, "a", &e), SB_E_MISSING);
    assert_int_equal(part(f, "../../../../etc/passwd/0123456789ab", 1, "a", &e), SB_E_MISSING);
    assert_int_equal(ops->part_create(f->store.self, sb_str_of(id), 0, 1, &w, NULL), SB_E_INVALID);
    assert_int_equal(ops->part_create(f->store.self, sb_str_of(id), 4, 1, &w, NULL), SB_E_INVALID);
    assert_int_equal(ops->part_create(f->store.self, sb_str_of(id), 1, 0, &w, NULL), SB_E_INVALID);
    assert_int_equal(ops->part_create(f->store.self, sb_str_of(id), 1, INT64_MAX, &w, NULL),
                     SB_E_INVALID);
    assert_int_equal(part(f, id, 1, "four", &e), SB_OK);
    assert_int_equal(part(f, id, 2, "fives", &e), SB_E_INVALID); /* not the size of the first */
    assert_int_equal(part(f, id, 1, "fives", &e), SB_OK);        /* the only one may change it */
    assert_int_equal(part(f, id, 2, "other", &e), SB_OK);
    assert_int_equal(end(f, id, "d/x", &e, 3), SB_E_INVALID); /* one is missing */
    assert_int_equal(part(f, id, 3, "z", &e), SB_OK);
    assert_int_equal(end(f, id, "d/y", &e, 3), SB_E_INVALID);
    assert_int_equal(end(f, id, "d/x", &e, 2), SB_E_INVALID);
    wrong = e;
    memcpy(wrong.v[1], e.v[0], sizeof wrong.v[1]);
    assert_int_equal(end(f, id, "d/x", &wrong, 3), SB_E_INVALID);
    assert_int_equal(end(f, id, "d/x", &e, 3), SB_OK);
    assert_int_equal(end(f, id, "d/x", &e, 3), SB_E_MISSING);
    assert_int_equal(uploads_left(f), 1);
    assert_int_equal(ops->parts_abort(f->store.self, sb_str_of(other), NULL), SB_OK);
    assert_int_equal(ops->parts_abort(f->store.self, sb_str_of(other), NULL), SB_OK);
    assert_int_equal(uploads_left(f), 0);
}

static void test_a_part_has_one_writer(void **state) {
    struct folder *f = *state;
    const struct sb_artifact_ops *ops = f->store.ops;
    char id[ID], etag[SB_ARTIFACT_ETAG_MAX];
    struct etags e;
    void *w, *second;
    begin(f, "x", 2, id);
    struct sb_str s = sb_str_of(id);
    assert_int_equal(ops->part_create(f->store.self, s, 1, 4, &w, NULL), SB_OK);
    assert_int_equal(ops->part_create(f->store.self, s, 1, 4, &second, NULL), SB_E_BUSY);
    assert_int_equal(end(f, id, "x", &e, 2), SB_E_BUSY);
    assert_int_equal(ops->write(w, "abcde", 5, NULL), SB_E_INVALID); /* would hurt the next part */
    assert_int_equal(ops->write(w, "abc", 3, NULL), SB_OK);
    assert_int_equal(ops->commit(w, etag, NULL), SB_E_INVALID); /* too short */
    assert_int_equal(part(f, id, 1, "longer than before", &e), SB_OK);
    assert_int_equal(ops->part_create(f->store.self, s, 2, 1, &w, NULL), SB_OK);
    assert_int_equal(ops->parts_abort(f->store.self, s, NULL), SB_OK);
    assert_int_equal(uploads_left(f), 1); /* its writer has it still */
    ops->abort(w);
    assert_int_equal(uploads_left(f), 0);
}

static void test_uploads_are_bounded(void **state) {
    struct folder *f = *state;
    char id[ID];
    for (int i = 0; i < SB_ARTIFACT_UPLOADS_MAX; i++) begin(f, "x", 1, id);
    assert_int_equal(f->store.ops->parts_begin(f->store.self, SB_STR("x"), 1, id, NULL), SB_E_BUSY);
    assert_int_equal(uploads_left(f), SB_ARTIFACT_UPLOADS_MAX);
    reopen(f);
    assert_int_equal(f->store.ops->parts_begin(f->store.self, SB_STR("x"), 1, id, NULL), SB_E_BUSY);
}

static void age(struct folder *f, const char *id, int64_t ms) {
    char name[160];
    snprintf(name, sizeof name, "%s/%s/parts-%s", f->path, SB_ARTIFACT_UPLOAD_DIR, id);
    struct timespec t[2] = {{.tv_sec = (sb_wall_ms() - ms) / 1000}, {0}};
    t[1] = t[0];
    assert_int_equal(utimensat(AT_FDCWD, name, t, 0), 0);
}

static void test_idle_uploads_go(void **state) {
    struct folder *f = *state;
    char old[ID], young[ID];
    struct etags e;
    begin(f, "x", 1, old);
    begin(f, "y", 1, young);
    age(f, old, SB_ARTIFACT_UPLOAD_IDLE_MS + 60000);
    age(f, young, SB_ARTIFACT_UPLOAD_IDLE_MS - 60000);
    reopen(f);
    assert_int_equal(uploads_left(f), 1);
    assert_int_equal(part(f, old, 1, "a", &e), SB_E_MISSING);
    assert_int_equal(part(f, young, 1, "a", &e), SB_OK);
    assert_int_equal(end(f, young, "y", &e, 1), SB_OK);

    /* also while the program runs: the next upload sees to it */
    begin(f, "x", 1, old);
    age(f, old, SB_ARTIFACT_UPLOAD_IDLE_MS - 100);
    reopen(f);
    do {
        begin(f, "y", 1, young);
        assert_int_equal(f->store.ops->parts_abort(f->store.self, sb_str_of(young), NULL), SB_OK);
    } while (uploads_left(f));
}

/* A crash at any storage call of the last step: the file is there whole, or the step can be
 * repeated. */
static void test_ending_may_fail_anywhere(void **state) {
    struct folder *f = *state;
    char text[32];
    int failed = 0;
    for (int at = 0;; at++) {
        char id[ID];
        struct etags e;
        begin(f, "d/x", 2, id);
        assert_int_equal(part(f, id, 1, "abcd", &e), SB_OK);
        assert_int_equal(part(f, id, 2, "ef", &e), SB_OK);
        struct failing x = {0, at};
        struct sb_sys_hook hook = {fail_call, &x};
        sb_sys_fault_hook(&hook);
        sb_err err = end(f, id, "d/x", &e, 2);
        sb_sys_fault_hook(NULL);
        reopen(f);
        bool there = get(f, "d/x", text, sizeof text) == SB_OK;
        if (there) assert_string_equal(text, "abcdef");
        assert_true(err || there);
        if (!there) assert_int_equal(end(f, id, "d/x", &e, 2), SB_OK);
        assert_int_equal(uploads_left(f), 0);
        assert_int_equal(f->store.ops->remove(f->store.self, SB_STR("d"), NULL), SB_OK);
        if (x.calls <= at) break;
        failed += err != SB_OK;
    }
    assert_true(failed >= 6);
}

static void copy_file(const char *from, const char *to) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    assert_int_equal(sb_file_read_all(from, &b, NULL), SB_OK);
    assert_int_equal(sb_file_replace(to, b.p, b.n, NULL), SB_OK);
    sb_buf_fini(&b);
}

#define GOLDEN    "tests/golden/artifact-upload-1/"
#define GOLDEN_ID "00112233445566778899aabbccddeeff"

/* An upload that an earlier version left half done: all its parts but the second. What does not fit
 * together is no upload. */
static void test_a_stored_upload_goes_on(void **state) {
    struct folder *f = *state;
    static const char *const files[] = {"info", "data", "last", "1-4-92c80a31", "3-2-f56fb241"};
    static const struct {
        const char *name, *change, *text; /* a file with another content; NULL: without it */
        bool goes_on;
    } rows[] = {
        {"as it was stored", "other", "", true},
        {"without info", "info", NULL, false},
        {"info is no JSON", "info", "{", false},
        {"info names no path", "info", "{\"path\":\"\",\"parts\":3}", false},
        {"info names too many parts", "info", "{\"path\":\"x\",\"parts\":10001}", false},
        {"info names fewer parts", "info", "{\"path\":\"x\",\"parts\":2}", false},
        {"without the parts", "data", NULL, false},
        {"parts cut short", "data", "abc", false},
        {"without the last part", "last", NULL, false},
        {"parts of two sizes", "2-5-00000000", "", false},
        {"a mark of a part behind the last", "4-4-00000000", "", false},
        {"no mark", "0-4-00000000", "", true},
        {"a mark without size", "2--0", "", true},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char folder[160], from[96], to[220], text[32];
        struct etags e = {{"92c80a31-4", "", "f56fb241-2"}};
        snprintf(folder, sizeof folder, "%s/%s/parts-" GOLDEN_ID, f->path, SB_ARTIFACT_UPLOAD_DIR);
        assert_int_equal(sb_dir_make_all(folder, NULL), SB_OK);
        for (size_t k = 0; k < SB_COUNT(files); k++) {
            snprintf(from, sizeof from, GOLDEN "%s", files[k]);
            snprintf(to, sizeof to, "%s/%s", folder, files[k]);
            if (strcmp(files[k], rows[i].change) != 0) copy_file(from, to);
        }
        snprintf(to, sizeof to, "%s/%s", folder, rows[i].change);
        if (rows[i].text)
            assert_int_equal(sb_file_replace(to, rows[i].text, strlen(rows[i].text), NULL), SB_OK);
        reopen(f);
        if (uploads_left(f) != (rows[i].goes_on ? 1 : 0)) fail_msg("%s", rows[i].name);
        if (!rows[i].goes_on) continue;
        assert_int_equal(part(f, GOLDEN_ID, 2, "efgh", &e), SB_OK);
        assert_int_equal(end(f, GOLDEN_ID, "1/run/artifacts/big.bin", &e, 3), SB_OK);
        assert_int_equal(get(f, "1/run/artifacts/big.bin", text, sizeof text), SB_OK);
        assert_string_equal(text, "abcdefghij");
    }
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
        cmocka_unit_test_setup_teardown(test_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_become_one_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_parts_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_part_has_one_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uploads_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_uploads_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ending_may_fail_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stored_upload_goes_on, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
