/* The converter as a process of its own: what parses a file from outside never shares an address
 * space with predictions, and has no rights to lose. */
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "domain/native/native.h"
#include "domain/native/spec.h"
#include "sys/child.h"
#include "sys/sandbox.h"

#include <stdio.h>

enum {
    ANSWER_MAX = 64 << 10,
    WALL_SECONDS = 2 * SB_NATIVE_CONVERT_SECONDS, /* a busy machine gives less than a core */
};
static const uint64_t address_space = UINT64_C(8) << 30;

/* ---- in the child ---- */

static sb_err convert(const char *model_dir, const char *image_path, struct sb_native_report *rep,
                      struct sb_errctx *ctx) {
    const struct sb_sandbox box = {.address_space = address_space,
                                   .cpu_seconds = SB_NATIVE_CONVERT_SECONDS,
                                   .file_bytes = SB_NATIVE_FILE_MAX,
                                   .open_files = SB_NATIVE_OPEN_FILES,
                                   .readable = model_dir};
    struct sb_file dir, image;
    SB_TRY(native_convert_open(&dir, &image, model_dir, image_path, ctx));
    sb_err err = sb_sandbox_enter(&box, ctx);
    if (!err) err = native_convert(&dir, &image, rep, ctx);
    sb_file_close(&image);
    sb_file_close(&dir);
    return err;
}

int sb_native_convert_main(int argc, char **argv) {
    struct sb_native_report rep = {0};
    struct sb_errctx ctx = {0};
    struct sb_buf b;
    if (argc != 3) {
        fputs("usage: sibyl convert MODEL_DIR IMAGE\n", stderr);
        return 2;
    }
    sb_err err = convert(argv[1], argv[2], &rep, &ctx);
    sb_buf_init(&b, ANSWER_MAX);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "error", sb_str_of(sb_err_name(err)));
    if (err) sb_json_str(&w, "message", sb_str_of(sb_errctx_text(&ctx, err)));
    sb_json_int(&w, "pos", err ? ctx.pos : -1);
    sb_json_bool(&w, "native", rep.native);
    sb_json_str(&w, "flavor", sb_str_of(rep.flavor));
    sb_json_str(&w, "class", sb_str_of(rep.class_name));
    sb_json_str(&w, "reason", sb_str_of(rep.reason));
    sb_json_int(&w, "trees", (int64_t)rep.trees);
    sb_json_int(&w, "nodes", (int64_t)rep.nodes);
    sb_json_int(&w, "image_bytes", (int64_t)rep.image_bytes);
    sb_json_end(&w);
    sb_buf_addc(&b, '\n');
    bool written = sb_buf_err(&b) == SB_OK && fwrite(b.p, 1, b.n, stdout) == b.n;
    if (fflush(stdout) != 0) written = false;
    sb_buf_fini(&b);
    return err || !written ? 1 : 0;
}

/* ---- in the parent ---- */

static sb_err how_it_ended(const struct sb_child_end *end, struct sb_errctx *ctx) {
    if (end->timed_out)
        return sb_fail(ctx, SB_E_LIMIT, "the converter took longer than %d s", WALL_SECONDS);
    if (end->signal)
        return sb_fail(ctx, SB_E_CORRUPT, "the converter was ended by signal %d%s", end->signal,
                       end->signal == 24   ? " (CPU limit)"
                       : end->signal == 31 ? " (forbidden system call)"
                                           : "");
    return sb_fail(ctx, SB_E_CORRUPT, "the converter ended with status %d and no answer",
                   end->status);
}

static void copy_text(const struct sb_json *o, const char *key, char *to, size_t cap) {
    struct sb_str s = {0};
    (void)sb_json_get_str(o, key, &s);
    size_t n = s.n < cap ? s.n : cap - 1;
    memcpy(to, s.n ? s.p : "", n);
    to[n] = 0;
}

static sb_err code_of(const struct sb_json *o) {
    struct sb_str name = {0};
    (void)sb_json_get_str(o, "error", &name);
    for (int e = 0; e < SB_E_COUNT; e++)
        if (sb_str_is(name, sb_err_name((sb_err)e))) return (sb_err)e;
    return SB_E_CORRUPT;
}

static sb_err read_answer(struct sb_str text, struct sb_native_report *out, struct sb_errctx *ctx) {
    struct sb_arena a;
    struct sb_json *o = NULL;
    struct sb_native_report rep = {0};
    struct sb_errctx own = {0};
    int64_t trees = 0, nodes = 0, bytes = 0, pos = -1;
    sb_arena_init(&a, 1 << 20);
    sb_err err = sb_json_parse(&o, text, &a, &own);
    if (err) {
        err = sb_fail(ctx, SB_E_CORRUPT, "the converter's answer: %s", sb_errctx_text(&own, err));
        goto out;
    }
    err = code_of(o);
    if (err) {
        char message[SB_ERRMSG_MAX];
        copy_text(o, "message", message, sizeof message);
        (void)sb_json_get_i64(o, "pos", &pos);
        err = sb_fail_at(ctx, err, pos, "%s", message);
        goto out;
    }
    (void)sb_json_get_bool(o, "native", &rep.native);
    (void)sb_json_get_i64(o, "trees", &trees);
    (void)sb_json_get_i64(o, "nodes", &nodes);
    (void)sb_json_get_i64(o, "image_bytes", &bytes);
    rep.trees = (uint64_t)trees;
    rep.nodes = (uint64_t)nodes;
    rep.image_bytes = (uint64_t)bytes;
    copy_text(o, "flavor", rep.flavor, sizeof rep.flavor);
    copy_text(o, "class", rep.class_name, sizeof rep.class_name);
    copy_text(o, "reason", rep.reason, sizeof rep.reason);
    *out = rep;
out:
    sb_arena_fini(&a);
    return err;
}

sb_err sb_native_convert_child(const char *program, const char *model_dir, const char *image_path,
                               struct sb_native_report *out, struct sb_errctx *ctx) {
    const char *const argv[] = {program, "convert", model_dir, image_path, NULL};
    struct sb_child_end end = {0};
    struct sb_buf b;
    sb_buf_init(&b, ANSWER_MAX);
    sb_err err = sb_child_run(argv, WALL_SECONDS * SB_SEC, &b, &end, ctx);
    if (!err && (b.n == 0 || end.signal || end.timed_out)) err = how_it_ended(&end, ctx);
    if (!err) err = read_answer(sb_str_trim(sb_buf_view(&b)), out, ctx);
    sb_buf_fini(&b);
    return err;
}
