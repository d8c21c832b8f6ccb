#include "flow/environments.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "codec/sha256.h"
#include "loop/proc.h"
#include "sys/child.h"
#include "sys/file.h"

enum { BUILDERS = 2, SAID_LINES = 8, LINE_KEPT = 160 };

static const int64_t BUILD_NS = 1800 * SB_SEC;
static const int64_t ASK_NS = 20 * SB_SEC;    /* an interpreter its version */
static const int64_t AGAIN_NS = 30 * SB_SEC;  /* after a failure: the earliest next build */
static const int64_t TELL_NS = 500 * SB_MS;   /* progress: at most so often */
static const int64_t MARK_NS = 3600 * SB_SEC; /* what is in use is marked so */

enum state { QUEUED, MAKING, READY, FAILED };

struct environment {
    char id[SB_ENVIRONMENT_ID];
    char *interpreter, *lines, *constraints;
    enum state state;
    int64_t failed_at, began_ns, told_ns;
    char why[SB_ERRMSG_MAX];
    char progress[LINE_KEPT];
};

struct interpreter {
    char *command;
    char *version; /* "3.11"; "" = it cannot be run */
    char *exact;   /* version and place, part of an environment's identity */
};

struct sb_environments {
    struct sb_environments_opts o;
    struct sb_mutex lock;
    struct sb_cond work;
    struct sb_map all;          /* id -> struct environment */
    struct sb_map interpreters; /* command -> struct interpreter that runs */
    _Atomic bool stop;
    struct sb_thread builders[BUILDERS];
};

/* ---- interpreters ---- */

static void interpreter_free(void *p) {
    struct interpreter *i = p;
    sb_free(i->command);
    sb_free(i->version);
    sb_free(i->exact);
    sb_free(i);
}

static struct interpreter *ask_interpreter(struct sb_environments *e, const char *command) {
    static const char *const script = "import sys; print('%d.%d' % sys.version_info[:2]); "
                                      "print(sys.version.split()[0], sys.base_prefix)";
    const char *const argv[] = {command, "-I", "-c", script, NULL};
    struct sb_child_end end = {0};
    struct sb_buf out;
    sb_buf_init(&out, 8192);
    sb_err err = sb_child_run_with(
        &(struct sb_child_opts){
            .argv = argv, .timeout_ns = ASK_NS, .stop = e->o.stop, .group = true},
        &out, &end, NULL);
    struct sb_str rest = sb_buf_view(&out), version = {0}, exact = {0};
    bool told = !err && end.status == 0 && sb_str_split(&rest, '\n', &version) &&
                sb_str_split(&rest, '\n', &exact);
    struct interpreter *i = sb_calloc(1, sizeof *i);
    i->command = sb_strdup(command);
    i->version = told ? sb_strndup(version.p, version.n) : sb_strdup("");
    i->exact = told ? sb_strndup(exact.p, exact.n) : sb_strdup("");
    sb_buf_fini(&out);
    return i;
}

/* One of that version, or any for ""; NULL when the command is none. It is remembered. */
static const struct interpreter *interpreter_of(struct sb_environments *e, const char *command,
                                                const char *version) {
    sb_mutex_lock(&e->lock);
    struct interpreter *i = sb_map_get(&e->interpreters, sb_str_of(command)), *known = NULL;
    sb_mutex_unlock(&e->lock);
    if (!i) {
        i = ask_interpreter(e, command);
        sb_mutex_lock(&e->lock);
        known = sb_map_get(&e->interpreters, sb_str_of(command)); /* another thread asked too */
        if (!known && i->version[0]) sb_map_put(&e->interpreters, sb_str_of(command), i);
        bool keep = !known && i->version[0];
        sb_mutex_unlock(&e->lock);
        if (!keep) {
            interpreter_free(i);
            i = known;
        }
    }
    return i && (!version[0] || strcmp(i->version, version) == 0) ? i : NULL;
}

static sb_err choose_interpreter(struct sb_environments *e, const char *version,
                                 const struct interpreter **out, struct sb_errctx *ctx) {
    char name[32];
    snprintf(name, sizeof name, "python%.20s", version);
    *out = interpreter_of(e, e->o.python, version);
    if (!*out && version[0]) *out = interpreter_of(e, name, version);
    if (*out) return SB_OK;
    if (!version[0])
        return sb_fail(ctx, SB_E_MISSING, "its environment needs Python, and %.100s does not run",
                       e->o.python);
    return sb_fail(ctx, SB_E_MISSING,
                   "its environment needs Python %.20s, and neither %.80s nor %s is one: install "
                   "it, or choose the environment `current`",
                   version, e->o.python, name);
}

/* ---- the folder ---- */

static void path_of(const struct sb_environments *e, const char *prefix, const char *id,
                    const char *file, char to[4096]) {
    snprintf(to, 4096, "%s/%s%s%s%s", e->o.dir, prefix, id, file[0] ? "/" : "", file);
}

static void mark_used(struct sb_environments *e, const char *id) {
    char path[4096];
    path_of(e, "", id, "used", path);
    sb_err ignored = sb_file_replace(path, "", 0, NULL); /* it only goes sooner */
    SB_UNUSED(ignored);
}

static bool is_on_disk(const struct sb_environments *e, const char *id) {
    char path[4096];
    path_of(e, "", id, "sibyl.json", path);
    return sb_file_exists(path);
}

static sb_err write_text(const char *path, const char *text, struct sb_errctx *ctx) {
    return sb_file_replace(path, text, strlen(text), ctx);
}

static sb_err write_what(const struct environment *v, const char *path, struct sb_errctx *ctx) {
    struct sb_buf b;
    struct sb_json_writer w = {.b = &b};
    sb_buf_init(&b, 1 << 20);
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "format", 1);
    sb_json_str(&w, "interpreter", sb_str_of(v->interpreter));
    sb_json_str(&w, "requirements", sb_str_of(v->lines));
    sb_json_str(&w, "constraints", sb_str_of(v->constraints));
    sb_json_int(&w, "made_ms", sb_wall_ms());
    sb_json_end(&w);
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_file_replace(path, b.p, b.n, ctx);
    sb_buf_fini(&b);
    return err;
}

/* ---- building ---- */

struct build {
    struct sb_environments *e;
    struct environment *v;
    size_t said; /* lines, the last of which are kept */
    char last[SAID_LINES][LINE_KEPT];
};

static void on_line(void *arg, struct sb_str line) {
    struct build *b = arg;
    struct environment *v = b->v;
    line = sb_str_trim(line);
    if (!line.n) return;
    snprintf(b->last[b->said++ % SAID_LINES], LINE_KEPT, "%.*s", SB_ARG(line));
    int64_t now = sb_mono_ns();
    sb_mutex_lock(&b->e->lock);
    snprintf(v->progress, sizeof v->progress, "%.*s", SB_ARG(line));
    bool tell = now - v->told_ns >= TELL_NS;
    if (tell) v->told_ns = now;
    sb_mutex_unlock(&b->e->lock);
    if (tell) b->e->o.changed(b->e->o.arg, v->id, false);
}

/* pip's own words: its lines that begin with ERROR, else the last ones. */
static void why_it_failed(const struct build *b, struct sb_buf *out) {
    size_t first = b->said > SAID_LINES ? b->said - SAID_LINES : 0;
    for (size_t i = first; i < b->said; i++) {
        struct sb_str line = sb_str_of(b->last[i % SAID_LINES]);
        if (!sb_str_starts(line, SB_STR("ERROR:"))) continue;
        if (out->n) SB_BUF_LIT(out, "; ");
        sb_buf_adds(out, sb_str_trim(sb_str_sub(line, 6, line.n)));
    }
    if (out->n) return;
    for (size_t i = b->said > 3 ? b->said - 3 : 0; i < b->said; i++) {
        if (out->n) SB_BUF_LIT(out, "; ");
        sb_buf_addz(out, b->last[i % SAID_LINES]);
    }
}

static sb_err run_script(struct build *b, const char *dir, const char *requirements,
                         const char *constraints, struct sb_errctx *ctx) {
    char parent[24];
    struct sb_child_end end = {0};
    snprintf(parent, sizeof parent, "%d", sb_proc_self_pid());
    const char *const argv[] = {b->v->interpreter,
                                b->e->o.script,
                                "--into",
                                dir,
                                "--requirements",
                                requirements,
                                "--constraints",
                                constraints,
                                "--parent",
                                parent,
                                NULL};
    SB_TRY(sb_child_run_with(&(struct sb_child_opts){.argv = argv,
                                                     .timeout_ns = BUILD_NS,
                                                     .stop = &b->e->stop,
                                                     .group = true,
                                                     .errors_too = true,
                                                     .on_line = on_line,
                                                     .arg = b},
                             NULL, &end, ctx));
    if (end.status == 0) return SB_OK;
    if (end.timed_out)
        return sb_fail(ctx, SB_E_TIMEOUT, "its environment was not made within %lld minutes",
                       (long long)(BUILD_NS / SB_SEC / 60));
    struct sb_buf why;
    sb_buf_init(&why, 4096);
    why_it_failed(b, &why);
    sb_err err = sb_fail(ctx, SB_E_UNAVAILABLE, "its environment could not be made: %.*s",
                         SB_ARG(sb_buf_view(&why)));
    sb_buf_fini(&why);
    return err;
}

/* Everything happens in the temporary folder, whose last file is sibyl.json. */
static sb_err make(struct build *b, struct sb_errctx *ctx) {
    char tmp[4096], dir[4096], requirements[4096], constraints[4096], what[4096];
    path_of(b->e, ".tmp-", b->v->id, "", tmp);
    path_of(b->e, ".tmp-", b->v->id, "requirements.txt", requirements);
    path_of(b->e, ".tmp-", b->v->id, "constraints.txt", constraints);
    path_of(b->e, ".tmp-", b->v->id, "sibyl.json", what);
    path_of(b->e, "", b->v->id, "", dir);
    sb_err err = sb_dir_remove_all(tmp, ctx);
    if (!err) err = sb_dir_make_all(tmp, ctx);
    if (!err) err = write_text(requirements, b->v->lines, ctx);
    if (!err) err = write_text(constraints, b->v->constraints, ctx);
    if (!err) err = run_script(b, tmp, requirements, constraints, ctx);
    if (!err) err = write_what(b->v, what, ctx);
    if (!err) err = sb_dir_remove_all(dir, ctx); /* what lay there has no sibyl.json */
    if (!err) err = sb_file_rename(tmp, dir, ctx);
    if (!err) err = sb_dir_sync_parent(dir, ctx);
    if (err) {
        sb_err ignored = sb_dir_remove_all(tmp, NULL); /* else it goes at the next start */
        SB_UNUSED(ignored);
    }
    return err;
}

static void build(struct sb_environments *e, struct environment *v) {
    struct build b = {.e = e, .v = v};
    struct sb_errctx ctx = {0};
    int64_t begin = sb_mono_ns();
    SB_LOG(SB_LOG_INFO, "environment", "making", SB_KS("id", v->id),
           SB_KS("python", v->interpreter));
    sb_err err = make(&b, &ctx);
    int64_t ms = (sb_mono_ns() - begin) / SB_MS;
    if (!err) mark_used(e, v->id);
    if (!err)
        SB_LOG(SB_LOG_INFO, "environment", "made", SB_KS("id", v->id), SB_KI("ms", ms));
    else if (err != SB_E_CLOSED)
        SB_LOG(SB_LOG_ERROR, "environment", "not made", SB_KS("id", v->id), SB_KI("ms", ms),
               SB_KE(&ctx, err), SB_KS("last_line", v->progress));
    sb_mutex_lock(&e->lock);
    v->state = err ? FAILED : READY;
    v->failed_at = sb_mono_ns();
    snprintf(v->why, sizeof v->why, "%s", err ? sb_errctx_text(&ctx, err) : "");
    sb_mutex_unlock(&e->lock);
    e->o.changed(e->o.arg, v->id, true);
}

static struct environment *next_queued(struct sb_environments *e) {
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(&e->all, &at));) {
        struct environment *v = s->value;
        if (v->state == QUEUED) return v;
    }
    return NULL;
}

/* ---- what is left over, and what nobody used ---- */

static bool is_old(const struct sb_environments *e, const char *id) {
    struct sb_file_stat st;
    char path[4096];
    if (!e->o.keep_ms) return false;
    path_of(e, "", id, "used", path);
    if (sb_file_stat(path, &st, NULL)) {
        path_of(e, "", id, "", path);
        if (sb_file_stat(path, &st, NULL)) return false;
    }
    return sb_wall_ms() - st.mtime_ms > e->o.keep_ms;
}

/* At start, before anything is asked for: out of sight by a rename, which is quick. */
static void set_aside(struct sb_environments *e) {
    struct sb_dir_names names;
    if (sb_dir_list(e->o.dir, &names, NULL) != SB_OK) return;
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.name[i];
        char from[4096], to[4096];
        bool left = sb_str_starts(sb_str_of(name), SB_STR(".tmp-"));
        if (sb_str_starts(sb_str_of(name), SB_STR(".gone-")) || (!left && !is_old(e, name)))
            continue;
        if (!left)
            SB_LOG(SB_LOG_INFO, "environment", "removed", SB_KS("id", name),
                   SB_KS("why", "nothing used it for longer than worker.environment_keep"));
        path_of(e, "", name, "", from);
        path_of(e, ".gone-", name, "", to);
        sb_err ignored = sb_file_rename(from, to, NULL); /* tried again at the next start */
        SB_UNUSED(ignored);
    }
    sb_dir_names_fini(&names);
}

/* Large folders: on a builder's time. */
static void remove_gone(struct sb_environments *e) {
    struct sb_dir_names names;
    if (sb_dir_list(e->o.dir, &names, NULL) != SB_OK) return;
    for (size_t i = 0; i < names.n && !e->stop; i++) {
        char path[4096];
        if (!sb_str_starts(sb_str_of(names.name[i]), SB_STR(".gone-"))) continue;
        path_of(e, "", names.name[i], "", path);
        sb_err ignored = sb_dir_remove_all(path, NULL);
        SB_UNUSED(ignored);
    }
    sb_dir_names_fini(&names);
}

/* Those asked for in this run. */
static void mark_all_used(struct sb_environments *e) {
    char ids[64][SB_ENVIRONMENT_ID];
    size_t n = 0, at = 0;
    sb_mutex_lock(&e->lock);
    for (struct sb_map_slot *s; n < SB_COUNT(ids) && (s = sb_map_next(&e->all, &at));) {
        const struct environment *v = s->value;
        if (v->state == READY) memcpy(ids[n++], v->id, sizeof v->id);
    }
    sb_mutex_unlock(&e->lock);
    for (size_t i = 0; i < n; i++) mark_used(e, ids[i]);
}

/* ---- threads ---- */

static void builder_main(void *arg) {
    struct sb_environments *e = arg;
    remove_gone(e);
    sb_mutex_lock(&e->lock);
    while (!e->stop) {
        struct environment *v = next_queued(e);
        if (v) {
            v->state = MAKING;
            sb_mutex_unlock(&e->lock);
            build(e, v);
        } else {
            bool woken = sb_cond_wait_until(&e->work, &e->lock, sb_mono_ns() + MARK_NS);
            sb_mutex_unlock(&e->lock);
            if (!woken) mark_all_used(e);
        }
        sb_mutex_lock(&e->lock);
    }
    sb_mutex_unlock(&e->lock);
}

/* ---- for loaders ---- */

static void make_id(const struct interpreter *i, const struct sb_requirements *r,
                    char id[SB_ENVIRONMENT_ID]) {
    struct sb_sha256 h;
    char hex[SB_SHA256_TEXT];
    const char *parts[] = {"environment 1", i->exact, r->lines, r->constraints};
    sb_sha256_init(&h);
    for (size_t k = 0; k < SB_COUNT(parts); k++) sb_sha256_add(&h, parts[k], strlen(parts[k]) + 1);
    sb_sha256_hex(&h, hex);
    snprintf(id, SB_ENVIRONMENT_ID, "%.16s", hex);
}

static struct environment *environment_new(const char *id, const struct interpreter *i,
                                           const struct sb_requirements *r) {
    struct environment *v = sb_calloc(1, sizeof *v);
    memcpy(v->id, id, sizeof v->id);
    v->interpreter = sb_strdup(i->command);
    v->lines = sb_strdup(r->lines);
    v->constraints = sb_strdup(r->constraints);
    return v;
}

static void queue(struct sb_environments *e, struct environment *v) {
    v->state = QUEUED;
    v->began_ns = sb_mono_ns();
    snprintf(v->progress, sizeof v->progress, "waiting for its turn");
    sb_cond_signal(&e->work);
}

sb_err sb_environments_get(struct sb_environments *e, const struct sb_requirements *r,
                           char id[SB_ENVIRONMENT_ID], char **python, struct sb_errctx *ctx) {
    const struct interpreter *i;
    SB_TRY(choose_interpreter(e, r->python, &i, ctx));
    make_id(i, r, id);
    bool there = is_on_disk(e, id);
    sb_err err = SB_OK;
    sb_mutex_lock(&e->lock);
    struct environment *v = sb_map_get(&e->all, sb_str_of(id));
    if (!v) {
        v = environment_new(id, i, r);
        sb_map_put(&e->all, sb_str_of(id), v);
        v->state = READY;
        if (!there) queue(e, v);
    } else if ((v->state == READY && !there) ||
               (v->state == FAILED && sb_mono_ns() - v->failed_at > AGAIN_NS)) {
        queue(e, v);
    }
    if (v->state == FAILED) err = sb_fail(ctx, SB_E_UNAVAILABLE, "%s", v->why);
    if (v->state == QUEUED || v->state == MAKING)
        err = sb_fail(ctx, SB_E_BUSY, "its environment %s is being made", id);
    sb_mutex_unlock(&e->lock);
    if (err) return err;
    mark_used(e, id);
    char path[4096];
    path_of(e, "", id, "bin/python", path);
    *python = sb_strdup(path);
    return SB_OK;
}

bool sb_environments_progress(struct sb_environments *e, const char *id, struct sb_buf *out) {
    sb_mutex_lock(&e->lock);
    struct environment *v = sb_map_get(&e->all, sb_str_of(id));
    bool making = v && (v->state == QUEUED || v->state == MAKING);
    if (making && out)
        sb_buf_addf(out, "environment %s is being made, %lld s: %s", id,
                    (long long)((sb_mono_ns() - v->began_ns) / SB_SEC), v->progress);
    sb_mutex_unlock(&e->lock);
    return making;
}

/* ---- start and stop ---- */

sb_err sb_environments_new(struct sb_environments **out, const struct sb_environments_opts *o,
                           struct sb_errctx *ctx) {
    struct sb_environments *e = sb_calloc(1, sizeof *e);
    e->o = *o;
    sb_map_init(&e->all);
    sb_map_init(&e->interpreters);
    sb_mutex_init(&e->lock);
    sb_cond_init(&e->work);
    set_aside(e);
    for (int i = 0; i < BUILDERS; i++) {
        sb_err err = sb_thread_start(&e->builders[i], "environment", builder_main, e);
        if (err) {
            sb_environments_free(e);
            return sb_fail(ctx, err, "the threads for environments could not be started");
        }
    }
    *out = e;
    return SB_OK;
}

static void environment_free(void *p) {
    struct environment *v = p;
    sb_free(v->interpreter);
    sb_free(v->lines);
    sb_free(v->constraints);
    sb_free(v);
}

void sb_environments_free(struct sb_environments *e) {
    if (!e) return;
    sb_mutex_lock(&e->lock);
    e->stop = true;
    sb_cond_broadcast(&e->work);
    sb_mutex_unlock(&e->lock);
    for (int i = 0; i < BUILDERS; i++) sb_thread_join(&e->builders[i]);
    mark_all_used(e);
    sb_map_fini(&e->all, environment_free);
    sb_map_fini(&e->interpreters, interpreter_free);
    sb_cond_fini(&e->work);
    sb_mutex_fini(&e->lock);
    sb_free(e);
}
