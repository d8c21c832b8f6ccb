/* MANIFEST of a backup: what is written is read back, and any other text is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "domain/backup/manifest.h"

#define A_SHA "2eb1127c132dcc8b6c76ec1c7b2ee04d2fe4f1dcabd520d062558baeb7c0aa7e"

static const struct sb_backup_head head = {
    .created_ms = 1795520402755, .sibyl = "0.1.0", .node = "a \"node\"", .data_version = 1};

static void write_sample(struct sb_buf *out) {
    struct sb_backup_writer w;
    static const struct sb_backup_file files[] = {
        {"data/registry/mlflow.db", 946176, A_SHA},
        {"data/artifacts/0/Größe \"x\"\n.txt", 0, A_SHA},
        {"config.yaml", 12, A_SHA},
    };
    sb_backup_writer_init(&w, &head);
    for (size_t i = 0; i < SB_COUNT(files); i++) sb_backup_writer_file(&w, &files[i]);
    assert_int_equal(sb_backup_writer_end(&w, 5, 105), SB_OK);
    sb_buf_adds(out, sb_buf_view(&w.text));
    sb_backup_writer_fini(&w);
}

static sb_err parse(struct sb_str text, struct sb_backup_manifest *m, struct sb_arena *a,
                    struct sb_errctx *ctx) {
    sb_arena_init(a, 1 << 20);
    *ctx = (struct sb_errctx){0};
    return sb_backup_manifest_parse(m, text, a, ctx);
}

static void what_is_written_is_read_back_in_order(void **state) {
    (void)state;
    struct sb_buf b;
    struct sb_backup_manifest m;
    struct sb_arena a;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    write_sample(&b);
    assert_int_equal(parse(sb_buf_view(&b), &m, &a, &ctx), SB_OK);
    assert_true(m.head.created_ms == head.created_ms && m.head.data_version == 1);
    assert_string_equal(m.head.node, head.node);
    assert_true(m.n == 3 && m.bytes == 946188 && m.first_offset == 5 && m.next_offset == 105);
    assert_string_equal(m.file[0].path, "config.yaml");
    assert_string_equal(m.file[1].path, "data/artifacts/0/Größe \"x\"\n.txt");
    assert_string_equal(m.file[2].path, "data/registry/mlflow.db");
    assert_string_equal(m.file[2].sha256, A_SHA);
    sb_arena_fini(&a);
    sb_buf_fini(&b);
}

static void any_flipped_bit_is_refused(void **state) {
    (void)state;
    struct sb_buf b;
    struct sb_backup_manifest m;
    struct sb_arena a;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    write_sample(&b);
    for (size_t i = 0; i < b.n * 8; i++) {
        b.p[i / 8] ^= (char)(1 << i % 8);
        sb_err err = parse(sb_buf_view(&b), &m, &a, &ctx);
        if (err != SB_E_CORRUPT && err != SB_E_VERSION) fail_msg("bit %zu: %d", i, err);
        sb_arena_fini(&a);
        b.p[i / 8] ^= (char)(1 << i % 8);
    }
    sb_buf_fini(&b);
}

static void any_cut_and_any_tail_is_refused(void **state) {
    (void)state;
    struct sb_buf b;
    struct sb_backup_manifest m;
    struct sb_arena a;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    write_sample(&b);
    size_t n = b.n;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(parse(sb_str_make(b.p, i), &m, &a, &ctx), SB_E_CORRUPT);
        sb_arena_fini(&a);
    }
    sb_buf_addz(&b, "{\"end\":true}\n");
    assert_int_equal(parse(sb_buf_view(&b), &m, &a, &ctx), SB_E_CORRUPT);
    sb_arena_fini(&a);
    sb_buf_fini(&b);
}

/* A whole manifest around one file's line. */
static void wrap(struct sb_buf *out, const struct sb_backup_file *f, int n) {
    struct sb_backup_writer w;
    sb_backup_writer_init(&w, &head);
    for (int i = 0; i < n; i++) sb_backup_writer_file(&w, f);
    assert_int_equal(sb_backup_writer_end(&w, 0, 0), SB_OK);
    sb_buf_adds(out, sb_buf_view(&w.text));
    sb_backup_writer_fini(&w);
}

static const struct {
    const char *name, *path;
    bool ok;
} paths[] = {
    {"a file of the data folder", "data/VERSION", true},
    {"dots in names", "data/..a/.b/c..", true},
    {"the settings", "config.yaml", true},
    {"up and out", "data/../../etc/passwd", false},
    {"up at the end", "data/a/..", false},
    {"absolute", "/etc/passwd", false},
    {"another place", "etc/passwd", false},
    {"the manifest itself", "MANIFEST", false},
    {"an empty part", "data//a", false},
    {"a folder", "data/a/", false},
    {"only the prefix", "data/", false},
    {"this folder", "data/./a", false},
    {"nothing", "", false},
};

static void only_paths_below_data_are_taken(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(paths); i++) {
        struct sb_buf b;
        struct sb_backup_manifest m;
        struct sb_arena a;
        struct sb_errctx ctx;
        struct sb_backup_file f = {paths[i].path, 1, A_SHA};
        sb_buf_init(&b, 1 << 20);
        wrap(&b, &f, 1);
        sb_err err = parse(sb_buf_view(&b), &m, &a, &ctx);
        if ((err == SB_OK) != paths[i].ok) fail_msg("%s: %d %s", paths[i].name, err, ctx.msg);
        if (!paths[i].ok) assert_true(ctx.pos == 2);
        sb_arena_fini(&a);
        sb_buf_fini(&b);
    }
}

static void a_path_has_a_longest_and_a_deepest(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    sb_buf_addz(&b, "data");
    for (int i = 1; i < SB_BACKUP_DEPTH_MAX; i++) sb_buf_addz(&b, "/d");
    assert_true(sb_backup_path_ok(sb_buf_view(&b)));
    sb_buf_addz(&b, "/d");
    assert_false(sb_backup_path_ok(sb_buf_view(&b)));
    sb_buf_reset(&b);
    sb_buf_addz(&b, "data/");
    while (b.n < SB_BACKUP_PATH_MAX) sb_buf_addc(&b, b.n % 200 ? 'a' : '/');
    assert_true(sb_backup_path_ok(sb_buf_view(&b)));
    sb_buf_addc(&b, 'a');
    assert_false(sb_backup_path_ok(sb_buf_view(&b)));
    sb_buf_fini(&b);
}

static void a_file_named_twice_is_refused(void **state) {
    (void)state;
    struct sb_buf b;
    struct sb_backup_manifest m;
    struct sb_arena a;
    struct sb_errctx ctx;
    struct sb_backup_file f = {"data/VERSION", 13, A_SHA};
    sb_buf_init(&b, 1 << 20);
    wrap(&b, &f, 2);
    assert_int_equal(parse(sb_buf_view(&b), &m, &a, &ctx), SB_E_CORRUPT);
    assert_non_null(strstr(ctx.msg, "twice"));
    sb_arena_fini(&a);
    sb_buf_fini(&b);
}

static const struct {
    const char *name, *text;
    sb_err err;
} texts[] = {
    {"a newer format, also when the rest is strange",
     "{\"format\":\"sibyl-backup\",\"version\":2,\"what\":[1]}\nstrange\n", SB_E_VERSION},
    {"another program's file", "{\"format\":\"tar\",\"version\":1}\n{\"end\":true}\n",
     SB_E_CORRUPT},
    {"no JSON", "hello\n", SB_E_CORRUPT},
    {"version 0", "{\"format\":\"sibyl-backup\",\"version\":0}\n", SB_E_CORRUPT},
    {"a version that is no whole number", "{\"format\":\"sibyl-backup\",\"version\":1.5}\n",
     SB_E_CORRUPT},
    {"nothing", "", SB_E_CORRUPT},
    {"one empty line", "\n", SB_E_CORRUPT},
};

static void other_texts_are_refused_with_the_right_code(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(texts); i++) {
        struct sb_backup_manifest m;
        struct sb_arena a;
        struct sb_errctx ctx;
        sb_err err = parse(sb_str_of(texts[i].text), &m, &a, &ctx);
        if (err != texts[i].err) fail_msg("%s: %d %s", texts[i].name, err, ctx.msg);
        sb_arena_fini(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back_in_order),
        cmocka_unit_test(any_flipped_bit_is_refused),
        cmocka_unit_test(any_cut_and_any_tail_is_refused),
        cmocka_unit_test(only_paths_below_data_are_taken),
        cmocka_unit_test(a_path_has_a_longest_and_a_deepest),
        cmocka_unit_test(a_file_named_twice_is_refused),
        cmocka_unit_test(other_texts_are_refused_with_the_right_code),
    };
    return cmocka_run_group_tests_name("domain/backup/manifest", tests, NULL, NULL);
}
