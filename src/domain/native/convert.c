/* From a model directory to an image: which reader, if any, and why not. */
#include <stdio.h>

#include "base/mem.h"
#include "domain/model/mlmodel.h"
#include "domain/native/native.h"
#include "domain/native/spec.h"
#include "engine/forest/kernel.h"
#include "engine/pickle/pickle.h"
#include "sys/mmap.h"

struct job {
    const struct sb_file *dir;
    struct sb_mlmodel *mlmodel;
    struct sb_mmap file;
    struct sb_arena arena;
    struct native_spec spec;
    struct sb_errctx *ctx;
};

static sb_err for_worker(struct sb_errctx *ctx, const char *what, struct sb_str name) {
    name = sb_str_sub(name, 0, 100);
    (void)sb_fail(ctx, SB_E_UNSUPPORTED, "%s%s%.*s is served by a Python worker", what,
                  name.n ? " " : "", SB_ARG(name));
    return SB_E_UNSUPPORTED;
}

static sb_err map_beneath(struct job *j, const char *rel, struct sb_mmap *out) {
    struct sb_file f = SB_FILE_NONE;
    int64_t size = 0;
    SB_TRY(sb_file_open_beneath(&f, j->dir, rel, SB_OPEN_READ, j->ctx));
    sb_err err = sb_file_size(&f, &size, j->ctx);
    if (!err && size > SB_NATIVE_FILE_MAX)
        err = sb_fail(j->ctx, SB_E_LIMIT, "%s has %lld bytes, native models at most %d", rel,
                      (long long)size, SB_NATIVE_FILE_MAX);
    if (!err) err = sb_mmap_open(out, &f, 0, false, j->ctx);
    sb_file_close(&f);
    return err;
}

static sb_err read_mlmodel(struct job *j) {
    struct sb_mmap m = {0};
    SB_TRY(map_beneath(j, "MLmodel", &m));
    sb_err err = sb_mlmodel_parse(&j->mlmodel, sb_str_make(m.p, m.n), j->ctx);
    sb_mmap_close(&m);
    return err;
}

/* Maps the model's file and gives the arena its bound. */
static sb_err open_model(struct job *j, struct sb_str path, struct sb_str *bytes) {
    char rel[SB_MLMODEL_PATH_MAX + 1];
    if (path.n == 0 || path.n > SB_MLMODEL_PATH_MAX)
        return for_worker(j->ctx, "a model without a file of its own", SB_STR(""));
    memcpy(rel, path.p, path.n);
    rel[path.n] = 0;
    SB_TRY(map_beneath(j, rel, &j->file));
    *bytes = sb_str_make(j->file.p, j->file.n);
    j->arena.max = sb_pickle_memory_max(j->file.n);
    return SB_OK;
}

static sb_err read_model(struct job *j) {
    const struct sb_mlmodel_pyfunc *p = &j->mlmodel->pyfunc;
    struct native_job reading = {.out = &j->spec, .arena = &j->arena, .ctx = j->ctx};
    struct sb_str bytes;
    if (!p->present)
        return for_worker(j->ctx, "a model without the python_function flavor", SB_STR(""));
    for (const struct native_format *f = native_formats; f->loader; f++) {
        if (!sb_str_is(p->loader_module, f->loader)) continue;
        SB_TRY(open_model(j, p->path, &bytes));
        return f->read(&reading, j->mlmodel, bytes);
    }
    return for_worker(j->ctx, "a model loaded by", p->loader_module);
}

sb_err native_spec_write(struct sb_image_writer *w, const struct native_spec *spec,
                         struct sb_str *file, struct sb_errctx *ctx) {
    sb_image_begin(w, SB_IMAGE_META);
    native_meta_write(&w->out, &spec->meta);
    if (spec->columns) SB_TRY(sb_columnprog_write(w, spec->columns, ctx));
    if (spec->predictor == NATIVE_LINEAR)
        sb_linear_write(w, &spec->linear);
    else
        SB_TRY(sb_forest_compile(w, &spec->ir, ctx));
    return sb_image_finish(w, file);
}

/* Appends which kernels are the fastest for a forest: timed on the file as far as it is written. */
static sb_err add_choice(struct sb_image_writer *w, struct sb_str *file, struct sb_errctx *ctx) {
    struct sb_image img;
    struct sb_forest f;
    struct sb_forest_choice choice;
    SB_TRY(sb_image_open(&img, *file, ctx));
    SB_TRY(sb_forest_open(&f, &img, ctx));
    sb_forest_time(&f, &choice);
    sb_forest_close(&f);
    sb_forest_choice_write(w, &choice);
    return sb_image_finish(w, file);
}

static sb_err write_image(struct job *j, const struct sb_file *image,
                          struct sb_native_report *out) {
    struct sb_image_writer w;
    struct sb_str file = {0};
    sb_image_writer_init(&w, SB_NATIVE_FILE_MAX);
    sb_err err = native_spec_write(&w, &j->spec, &file, j->ctx);
    if (!err && j->spec.predictor == NATIVE_FOREST) err = add_choice(&w, &file, j->ctx);
    if (!err) err = sb_file_pwrite(image, file.p, file.n, 0, j->ctx);
    if (!err) err = sb_file_sync(image, j->ctx);
    if (!err) out->image_bytes = file.n;
    sb_image_writer_fini(&w);
    return err;
}

static void copy(char *to, size_t cap, struct sb_str s) {
    size_t n = s.n < cap ? s.n : cap - 1;
    memcpy(to, s.n ? s.p : "", n);
    to[n] = 0;
}

static void report(const struct job *j, struct sb_native_report *out) {
    if (j->mlmodel) copy(out->flavor, sizeof out->flavor, sb_mlmodel_main_flavor(j->mlmodel));
    copy(out->class_name, sizeof out->class_name, j->spec.meta.class_name);
    out->trees = j->spec.ir.ntrees;
    for (uint32_t t = 0; t < j->spec.ir.ntrees; t++) out->nodes += j->spec.ir.trees[t].n;
}

/* The readers of formats know nothing of workers. */
static void give_reason(struct sb_native_report *rep, struct sb_str why) {
    bool said = sb_str_contains(why, SB_STR("Python worker"));
    (void)snprintf(rep->reason, sizeof rep->reason, "%.*s%s", SB_ARG(why),
                   said ? "" : "; a Python worker serves it");
}

sb_err native_convert(const struct sb_file *dir, const struct sb_file *image,
                      struct sb_native_report *out, struct sb_errctx *ctx) {
    struct sb_errctx own = {0};
    struct job j = {.dir = dir, .ctx = ctx ? ctx : &own};
    struct sb_native_report rep = {0};
    sb_arena_init(&j.arena, 0);
    sb_err err = read_mlmodel(&j);
    if (!err) err = read_model(&j);
    if (!err) err = write_image(&j, image, &rep);
    if (!err) {
        rep.native = true;
        report(&j, &rep);
    } else if (err == SB_E_UNSUPPORTED) {
        if (j.mlmodel) copy(rep.flavor, sizeof rep.flavor, sb_mlmodel_main_flavor(j.mlmodel));
        give_reason(&rep, sb_str_of(sb_errctx_text(j.ctx, err)));
        sb_errctx_reset(j.ctx);
        err = SB_OK;
    }
    if (!err) *out = rep;
    sb_mmap_close(&j.file);
    sb_arena_fini(&j.arena);
    sb_mlmodel_free(j.mlmodel);
    return err;
}

sb_err native_convert_open(struct sb_file *dir, struct sb_file *image, const char *model_dir,
                           const char *image_path, struct sb_errctx *ctx) {
    const unsigned flags = SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_TRUNC;
    *image = SB_FILE_NONE;
    SB_TRY(sb_file_open(dir, model_dir, SB_OPEN_DIR, ctx));
    sb_err err = sb_file_open(image, image_path, flags, ctx);
    if (err) sb_file_close(dir);
    return err;
}

sb_err sb_native_convert(const char *model_dir, const char *image_path,
                         struct sb_native_report *out, struct sb_errctx *ctx) {
    struct sb_file dir, image;
    SB_TRY(native_convert_open(&dir, &image, model_dir, image_path, ctx));
    sb_err err = native_convert(&dir, &image, out, ctx);
    sb_file_close(&image);
    sb_file_close(&dir);
    return err;
}
