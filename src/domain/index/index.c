#include "domain/index/index.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "sys/file.h"

/* Every topic that can be searched. */
static const struct topic {
    const char *name;
    struct sb_column_opts opts;
} topics[] = {
    {"predictions", {.time_field = "@timestamp", .id_field = "event_id"}},
    {"metrics", {.time_field = "@timestamp"}},
    {"audit", {.time_field = "@timestamp", .id_field = "event_id"}},
};
enum { TOPICS = SB_COUNT(topics) };

struct index {
    struct sb_index pub;
    const struct sb_column_opts *opts;
    char *dir, *topic_dir;
    struct sb_mutex lock; /* between a snapshot being taken and pub.column being closed */
    int64_t generation;
    struct sb_column_index *fresh; /* generation + 1, being rebuilt */
};

struct sb_indexes {
    struct index item[TOPICS];
};

static struct index *of(const struct sb_index *ix) {
    return SB_CONTAINER((uintptr_t)ix, struct index,
                        pub); /* none is const: see struct sb_indexes */
}

static char *join(const char *dir, const char *format_name, int64_t number) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    sb_buf_addf(&b, "%s/%s", dir, format_name);
    if (number) sb_buf_addi(&b, number);
    return sb_buf_take(&b, NULL);
}

static char *generation_dir(const struct index *x, int64_t generation) {
    return join(x->dir, "", generation);
}

/* ---- which generation ---- */

/* 0: none is named. */
static int64_t read_current(const struct index *x) {
    struct sb_buf b;
    int64_t n = 0;
    char *path = join(x->dir, "current", 0);
    sb_buf_init(&b, 64);
    bool ok = sb_file_read_all(path, &b, NULL) == SB_OK &&
              sb_str_to_i64(sb_str_trim(sb_buf_view(&b)), &n) && n > 0 && n < INT64_MAX;
    sb_buf_fini(&b);
    sb_free(path);
    return ok ? n : 0;
}

static sb_err write_current(const struct index *x, int64_t generation, struct sb_errctx *ctx) {
    struct sb_buf b;
    char *path = join(x->dir, "current", 0);
    sb_buf_init(&b, 64);
    sb_buf_addi(&b, generation);
    sb_buf_addc(&b, '\n');
    sb_err err = sb_file_replace(path, b.p, b.n, ctx);
    sb_buf_fini(&b);
    sb_free(path);
    return err;
}

static void remove_generation(const struct index *x, int64_t generation) {
    struct sb_errctx ctx = {0};
    char *dir = generation_dir(x, generation);
    sb_err err = sb_dir_remove_all(dir, &ctx);
    if (err)
        SB_LOG(SB_LOG_WARN, "index", "an old index could not be deleted", SB_KS("dir", dir),
               SB_KE(&ctx, err));
    sb_free(dir);
}

/* Generations that are not the current one: a rebuild or a deletion that was interrupted. Nothing
 * else in the folder is touched. */
static sb_err remove_others(const struct index *x, int64_t *newest, struct sb_errctx *ctx) {
    struct sb_dir_names names;
    SB_TRY(sb_dir_list(x->dir, &names, ctx));
    for (size_t i = 0; i < names.n; i++) {
        int64_t n = 0;
        if (!sb_str_to_i64(sb_str_of(names.name[i]), &n) || n <= 0) continue;
        if (n > *newest) *newest = n;
        if (n != x->generation) remove_generation(x, n);
    }
    sb_dir_names_fini(&names);
    return SB_OK;
}

static sb_err settle_generation(struct index *x, struct sb_errctx *ctx) {
    int64_t newest = 0;
    x->generation = read_current(x);
    SB_TRY(remove_others(x, &newest, ctx));
    if (x->generation) return SB_OK;
    x->generation = newest + 1;
    return write_current(x, x->generation, ctx);
}

static sb_err open_column(struct index *x, int64_t generation, struct sb_column_index **out,
                          struct sb_errctx *ctx) {
    char *dir = generation_dir(x, generation);
    sb_err err = sb_dir_make_all(dir, ctx);
    if (!err) err = sb_column_open(out, dir, x->opts, ctx);
    sb_free(dir);
    return err;
}

/* ---- open, close ---- */

static sb_err open_one(struct index *x, const struct topic *t, const char *data,
                       struct sb_errctx *ctx) {
    char *folder = join(data, "index", 0), *journal = join(data, "journal", 0);
    x->opts = &t->opts;
    x->dir = join(folder, t->name, 0);
    x->topic_dir = join(journal, t->name, 0);
    x->pub = (struct sb_index){.name = t->name, .topic_dir = x->topic_dir};
    sb_free(folder);
    sb_free(journal);
    SB_TRY(sb_dir_make_all(x->dir, ctx));
    SB_TRY(settle_generation(x, ctx));
    return open_column(x, x->generation, &x->pub.column, ctx);
}

sb_err sb_indexes_open(struct sb_indexes **out, const char *data_dir, struct sb_errctx *ctx) {
    struct sb_indexes *x = sb_calloc(1, sizeof *x);
    sb_err err = SB_OK;
    for (size_t i = 0; i < TOPICS; i++) sb_mutex_init(&x->item[i].lock);
    for (size_t i = 0; i < TOPICS && !err; i++)
        err = open_one(&x->item[i], &topics[i], data_dir, ctx);
    if (err)
        sb_indexes_close(x);
    else
        *out = x;
    return err;
}

void sb_indexes_close(struct sb_indexes *x) {
    if (!x) return;
    for (size_t i = 0; i < TOPICS; i++) {
        struct index *one = &x->item[i];
        sb_index_rebuild_drop(&one->pub);
        if (one->pub.column) sb_column_close(one->pub.column);
        sb_free(one->dir);
        sb_free(one->topic_dir);
        sb_mutex_fini(&one->lock);
    }
    sb_free(x);
}

size_t sb_indexes_count(const struct sb_indexes *x) {
    return SB_COUNT(x->item);
}

struct sb_index *sb_indexes_at(struct sb_indexes *x, size_t i) {
    return &x->item[i].pub;
}

struct sb_index *sb_indexes_find(struct sb_indexes *x, struct sb_str name) {
    for (size_t i = 0; i < TOPICS; i++)
        if (sb_str_is(name, x->item[i].pub.name)) return &x->item[i].pub;
    return NULL;
}

struct sb_column_snapshot *sb_index_snapshot(struct sb_index *ix) {
    struct index *x = of(ix);
    sb_mutex_lock(&x->lock);
    struct sb_column_snapshot *s = sb_column_snapshot_take(ix->column);
    sb_mutex_unlock(&x->lock);
    return s;
}

void sb_index_stats(struct sb_index *ix, struct sb_column_stats *out) {
    struct index *x = of(ix);
    sb_mutex_lock(&x->lock);
    sb_column_stats_get(ix->column, out);
    sb_mutex_unlock(&x->lock);
}

/* ---- rebuilding ---- */

bool sb_index_intact(const struct sb_index *ix) {
    const struct index *x = of(ix);
    char *dir = generation_dir(x, x->generation);
    bool there = sb_file_exists(dir);
    sb_free(dir);
    return there;
}

sb_err sb_index_rebuild_begin(struct sb_index *ix, struct sb_column_index **fresh,
                              struct sb_errctx *ctx) {
    struct index *x = of(ix);
    SB_ASSERT(!x->fresh);
    remove_generation(x, x->generation + 1);
    SB_TRY(open_column(x, x->generation + 1, &x->fresh, ctx));
    *fresh = x->fresh;
    return SB_OK;
}

sb_err sb_index_rebuild_end(struct sb_index *ix, struct sb_errctx *ctx) {
    struct index *x = of(ix);
    SB_TRY(write_current(x, x->generation + 1, ctx));
    sb_mutex_lock(&x->lock);
    struct sb_column_index *old = ix->column;
    ix->column = x->fresh;
    x->fresh = NULL;
    sb_mutex_unlock(&x->lock);
    sb_column_close(old);
    remove_generation(x, x->generation++);
    return SB_OK;
}

void sb_index_rebuild_drop(struct sb_index *ix) {
    struct index *x = of(ix);
    if (!x->fresh) return;
    sb_column_close(x->fresh);
    x->fresh = NULL;
    remove_generation(x, x->generation + 1);
}
