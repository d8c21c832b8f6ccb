/* Drives one model's Python workers from the command line, for tests/api/test_worker.py.
 *
 *     worker_tool [--python P] [--workers N] [--memory BYTES] [--start-timeout-ms N]
 *                 [--max-rows N] [--queue N] [--validate] SCRIPT MODEL_DIR
 *
 * First line out: {"open": ...}. Then per line of input one line of output:
 *     {"requests": [{"rows": [{...}], "params": {...}, "timeout_ms": N}, ...]}
 *         all at once -> {"answers": [{"err": ..., "outputs": {...}, "proba": ...}, ...]}
 *     {"describe": true} -> the pool's describe()
 *
 *     worker_tool --decode
 *
 * No worker: per line of input, a signature's inputs, a tab and a list of rows, one line of output:
 * {"values": {name: [...]}} or {"err": ..., "msg": ...}. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "domain/model/batch.h"
#include "domain/model/mlmodel.h"
#include "domain/worker/worker.h"
#include "sys/file.h"

struct request {
    struct sb_task task;
    struct sb_predict p;
    struct sb_arena arena;
    struct sb_batch batch;
    struct sb_errctx ctx;
    struct group *group;
    struct sb_model *model;
};

struct group {
    struct sb_mutex m;
    struct sb_cond c;
    size_t left;
};

static void on_done(struct sb_predict *p) {
    struct request *r = p->user;
    struct group *g = r->group;
    sb_mutex_lock(&g->m);
    g->left--;
    sb_cond_signal(&g->c);
    sb_mutex_unlock(&g->m);
}

static void run(struct sb_task *t) {
    struct request *r = SB_CONTAINER(t, struct request, task);
    sb_model_predict(r->model, &r->p);
}

static sb_err set_row(struct sb_batch_builder *b, struct sb_json_reader *r, size_t n) {
    bool more;
    SB_TRY(sb_json_enter_object(r));
    for (struct sb_str key;;) {
        SB_TRY(sb_json_next_key(r, &key, &more));
        if (!more) return SB_OK;
        SB_TRY(sb_batch_set_cell(b, sb_batch_column(b, key), n, r));
    }
}

static sb_err read_rows(struct request *r, const struct sb_json *rows) {
    struct sb_batch_builder b;
    SB_TRY(sb_batch_begin(&b, &(struct sb_batch_opts){.signature = r->model->signature,
                                                      .arena = &r->arena,
                                                      .ctx = &r->ctx}));
    size_t n = 0;
    for (const struct sb_json *row = rows->child; row; row = row->next, n++) {
        struct sb_buf text;
        sb_buf_init(&text, 64 << 20);
        sb_json_add_tree(&text, row);
        struct sb_str copy = sb_arena_dup(&r->arena, sb_buf_view(&text));
        sb_buf_fini(&text);
        struct sb_json_reader rd;
        sb_json_reader_init(&rd, copy, &r->arena, &r->ctx);
        if (row->type != SB_JSON_OBJECT) {
            SB_TRY(sb_batch_set_cell(&b, 0, n, &rd));
            continue;
        }
        SB_TRY(set_row(&b, &rd, n));
    }
    return sb_batch_finish(&b, n, &r->batch);
}

static void prepare(struct request *r, const struct sb_json *doc, struct sb_model *m,
                    struct sb_loop *loop, struct group *g) {
    sb_arena_init(&r->arena, (size_t)1 << 30);
    r->model = m;
    r->group = g;
    r->task.fn = run;
    int64_t timeout_ms = 20000;
    sb_json_get_i64(doc, "timeout_ms", &timeout_ms);
    sb_err err = read_rows(r, sb_json_get(doc, "rows"));
    const struct sb_json *params = sb_json_get(doc, "params");
    if (params) {
        struct sb_buf text;
        sb_buf_init(&text, 1 << 20);
        sb_json_add_tree(&text, params);
        r->batch.params = sb_arena_dup(&r->arena, sb_buf_view(&text));
        sb_buf_fini(&text);
    }
    r->p = (struct sb_predict){.in = &r->batch,
                               .arena = &r->arena,
                               .loop = loop,
                               .deadline_ns = sb_mono_ns() + timeout_ms * SB_MS,
                               .done = on_done,
                               .user = r};
    if (err) {
        r->p.err = err;
        r->p.ctx = r->ctx;
    }
}

static void show_answer(struct sb_json_writer *w, const struct request *r) {
    const struct sb_result *o = &r->p.out;
    sb_json_obj(w, NULL);
    sb_json_str(w, "err", sb_str_of(sb_err_name(r->p.err)));
    sb_json_str(w, "msg", sb_str_of(r->p.ctx.msg));
    sb_json_int(w, "queue_ns", r->p.queue_ns);
    sb_json_int(w, "compute_ns", r->p.compute_ns);
    if (!r->p.err) {
        struct sb_buf cell;
        sb_buf_init(&cell, 64 << 20);
        sb_json_obj(w, "outputs");
        for (size_t i = 0; i < o->noutputs; i++) {
            sb_json_key(w, o->outputs[i].name);
            sb_json_arr(w, NULL);
            for (size_t k = 0; k < o->nrows; k++) {
                sb_buf_reset(&cell);
                sb_column_add_json(&cell, &o->outputs[i], k);
                sb_json_raw(w, NULL, sb_buf_view(&cell));
            }
            sb_json_end(w);
        }
        sb_json_end(w);
        sb_buf_fini(&cell);
        sb_json_arr(w, "classes");
        for (size_t i = 0; i < o->nclasses; i++) sb_json_str(w, NULL, o->classes[i]);
        sb_json_end(w);
        sb_json_arr(w, "proba");
        for (size_t k = 0; k < o->nrows * o->nclasses; k++) sb_json_double(w, NULL, o->proba[k]);
        sb_json_end(w);
    }
    sb_json_end(w);
}

static void run_group(const struct sb_json *list, struct sb_model *m, struct sb_loop *loop,
                      struct sb_buf *out) {
    struct group g = {.left = 0};
    sb_mutex_init(&g.m);
    sb_cond_init(&g.c);
    struct request *r = sb_calloc(list->n ? list->n : 1, sizeof *r);
    size_t n = 0;
    for (const struct sb_json *x = list->child; x; x = x->next) prepare(&r[n++], x, m, loop, &g);
    for (size_t i = 0; i < n; i++) g.left += r[i].p.err == SB_OK;
    for (size_t i = 0; i < n; i++)
        if (r[i].p.err == SB_OK) sb_loop_post(loop, &r[i].task);
    sb_mutex_lock(&g.m);
    while (g.left) sb_cond_wait(&g.c, &g.m);
    sb_mutex_unlock(&g.m);
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_arr(&w, "answers");
    for (size_t i = 0; i < n; i++) show_answer(&w, &r[i]);
    sb_json_end(&w);
    sb_json_end(&w);
    for (size_t i = 0; i < n; i++) sb_arena_fini(&r[i].arena);
    sb_free(r);
    sb_cond_fini(&g.c);
    sb_mutex_fini(&g.m);
}

static void serve(struct sb_model *m, struct sb_loop *loop) {
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct sb_arena a;
        sb_arena_init(&a, (size_t)1 << 30);
        struct sb_json *doc;
        struct sb_errctx ctx = {0};
        struct sb_buf out;
        sb_buf_init(&out, (size_t)1 << 30);
        if (sb_json_parse(&doc, sb_str_make(line, (size_t)n), &a, &ctx) != SB_OK)
            sb_buf_addf(&out, "{\"bad\":\"%s\"}", ctx.msg);
        else if (sb_json_get(doc, "describe"))
            m->ops->describe(m->self, &out);
        else
            run_group(sb_json_get(doc, "requests"), m, loop, &out);
        puts(sb_buf_cstr(&out));
        fflush(stdout);
        sb_buf_fini(&out);
        sb_arena_fini(&a);
    }
    free(line);
}

static sb_err decode_rows(struct sb_str inputs, struct sb_str rows, struct sb_arena *a,
                          struct sb_signature **s, struct sb_batch *out, struct sb_errctx *ctx) {
    struct sb_batch_builder b;
    struct sb_json_reader r;
    bool more;
    size_t n = 0;
    SB_TRY(sb_signature_parse(s, inputs, SB_STR(""), SB_STR(""), ctx));
    SB_TRY(sb_batch_begin(&b, &(struct sb_batch_opts){.signature = *s, .arena = a, .ctx = ctx}));
    sb_json_reader_init(&r, rows, a, ctx);
    r.nonfinite = true;
    SB_TRY(sb_json_enter_array(&r));
    for (;; n++) {
        SB_TRY(sb_json_next_item(&r, &more));
        if (!more) break;
        SB_TRY(set_row(&b, &r, n));
    }
    SB_TRY(sb_json_finish(&r));
    return sb_batch_finish(&b, n, out);
}

static void show_batch(struct sb_json_writer *w, const struct sb_batch *batch) {
    struct sb_buf cell;
    sb_buf_init(&cell, 1 << 20);
    sb_json_obj(w, "values");
    for (size_t i = 0; i < batch->ncols; i++) {
        if (batch->cols[i].absent) continue;
        sb_json_key(w, batch->cols[i].name);
        sb_json_arr(w, NULL);
        for (size_t k = 0; k < batch->nrows; k++) {
            sb_buf_reset(&cell);
            sb_column_add_json(&cell, &batch->cols[i], k);
            sb_json_raw(w, NULL, sb_buf_view(&cell));
        }
        sb_json_end(w);
    }
    sb_json_end(w);
    sb_buf_fini(&cell);
}

static int decode(void) {
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct sb_str rows = sb_str_trim(sb_str_make(line, (size_t)n)), inputs;
        struct sb_arena a;
        struct sb_signature *s = NULL;
        struct sb_batch batch;
        struct sb_errctx ctx = {0};
        struct sb_buf out;
        struct sb_json_writer w = {.b = &out};
        sb_arena_init(&a, 1 << 24);
        sb_buf_init(&out, 1 << 24);
        sb_str_split(&rows, '\t', &inputs);
        sb_err err = decode_rows(inputs, rows, &a, &s, &batch, &ctx);
        sb_json_obj(&w, NULL);
        if (err) {
            sb_json_str(&w, "err", sb_str_of(sb_err_name(err)));
            sb_json_str(&w, "msg", sb_str_of(ctx.msg));
        } else {
            show_batch(&w, &batch);
        }
        sb_json_end(&w);
        puts(sb_buf_cstr(&out));
        sb_buf_fini(&out);
        sb_arena_fini(&a);
        sb_signature_free(s);
    }
    free(line);
    return 0;
}

static int64_t number(const char *s) {
    int64_t v = 0;
    if (!sb_str_to_i64(sb_str_of(s), &v)) exit(2);
    return v;
}

static sb_err open_model(struct sb_model **m, const char *dir, const struct sb_worker_opts *o,
                         struct sb_errctx *ctx) {
    char path[4096];
    snprintf(path, sizeof path, "%s/MLmodel", dir);
    struct sb_buf text;
    sb_buf_init(&text, SB_MLMODEL_TEXT_MAX);
    struct sb_mlmodel *ml = NULL;
    sb_err err = sb_file_read_all(path, &text, ctx);
    if (!err) err = sb_mlmodel_parse(&ml, sb_buf_view(&text), ctx);
    sb_buf_fini(&text);
    if (err) return err;
    struct sb_model_info info = {.name = sb_strdup("tested"), .version = sb_strdup("1")};
    err = sb_worker_model_load(m, dir, o, sb_mlmodel_take_signature(ml), &info, ctx);
    sb_mlmodel_free(ml);
    return err;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    struct sb_worker_opts o = {0};
    int i = 1;
    if (argc == 2 && strcmp(argv[1], "--decode") == 0) return decode();
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--validate") == 0) {
            o.validate = true;
            continue;
        }
        if (i + 1 == argc) return 2;
        const char *name = argv[i], *v = argv[++i];
        if (strcmp(name, "--python") == 0) o.python = v;
        if (strcmp(name, "--workers") == 0) o.workers = (int)number(v);
        if (strcmp(name, "--memory") == 0) o.memory = number(v);
        if (strcmp(name, "--start-timeout-ms") == 0) o.start_timeout_ns = number(v) * SB_MS;
        if (strcmp(name, "--max-rows") == 0) o.max_rows = (size_t)number(v);
        if (strcmp(name, "--queue") == 0) o.queue_requests = (size_t)number(v);
    }
    if (argc - i != 2) return 2;
    o.script = argv[i];
    struct sb_loop *workers, *requests;
    if (sb_loop_new(&workers, "worker") || sb_loop_new(&requests, "requests") ||
        sb_loop_start(workers) || sb_loop_start(requests))
        return 2;
    o.loop = workers;
    struct sb_errctx ctx = {0};
    struct sb_model *m = NULL;
    sb_err err = open_model(&m, argv[i + 1], &o, &ctx);
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "open", sb_str_of(sb_err_name(err)));
    sb_json_str(&w, "msg", sb_str_of(ctx.msg));
    if (m && m->info.class_name) sb_json_str(&w, "class_name", sb_str_of(m->info.class_name));
    sb_json_end(&w);
    puts(sb_buf_cstr(&b));
    fflush(stdout);
    sb_buf_fini(&b);
    if (!err) serve(m, requests);
    sb_model_unref(m);
    while (sb_worker_pools_alive()) sb_sleep_ns(2 * SB_MS);
    sb_loop_stop(requests);
    sb_loop_stop(workers);
    sb_loop_join(requests);
    sb_loop_join(workers);
    sb_loop_free(requests);
    sb_loop_free(workers);
    return err ? 1 : 0;
}
