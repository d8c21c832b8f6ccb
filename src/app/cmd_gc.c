/* sibyl gc: what was deleted goes for good, rows and files. The work is done where the registry
 * lives: by the platform, asked over HTTP, or here when none runs on the data folder. */
#include <stdio.h>

#include "api/mlflow/mlflow.h"
#include "codec/age.h"
#include "app/client.h"
#include "app/commands.h"
#include "app/datadir.h"
#include "app/instance.h"
#include "app/text.h"
#include "sys/file.h"

enum {
    ARENA_MAX = 256 << 20,
    ANSWER_MAX = 256 << 20,
    TEXT_MAX = 16 << 20,
};

#define CALL_NS (110 * SB_SEC) /* a run's rows are removed in one piece */

const struct sb_option sb_gc_options[] = {
    {"older-than", 0, "TIME",
     "Only what was deleted longer ago than this: 30d, 12h, 1d6h30m (d, h, m, s, in this order)."},
    {"run-ids", 0, "IDS", "Only these runs, separated by commas."},
    {"logged-model-ids", 0, "IDS", "Only these logged models."},
    {"experiment-ids", 0, "IDS", "Only these experiments, with their runs and logged models."},
    {"dry-run", 0, NULL, "Name what would go; remove nothing."},
    {"force", 0, NULL, "Remove also what holds the files of a registered model version."},
    {"json", 0, NULL, "Say what was done as JSON, one line for each object."},
    {NULL, 0, NULL, NULL},
};

/* ---- the registry, near or far ---- */

struct registry {
    struct sb_fetch *fetch; /* of the running platform, or */
    struct sb_mlflow_api *api;
    struct sb_lock lock;
    bool locked;
};

static void registry_close(struct registry *r) {
    sb_fetch_free(r->fetch);
    sb_mlflow_api_free(r->api);
    if (r->locked) sb_lock_release(&r->lock);
}

/* Without a platform: the folder is ours meanwhile. */
static enum sb_exit open_here(struct registry *r, struct sb_config *c) {
    struct sb_errctx ctx = {0};
    struct sb_mlflow_api_opts o = {
        .db_path = sb_datadir_path(&c->arena, c->data, SB_DATADIR_REGISTRY),
        .artifact_dir = sb_datadir_path(&c->arena, c->data, SB_DATADIR_ARTIFACTS)};
    if (!sb_file_exists(o.db_path)) {
        sb_cli_error("%s: there is no registry in this data folder (--data)", c->data);
        return SB_EXIT_FAILED;
    }
    sb_err err = sb_datadir_take(&r->lock, c->data, &ctx);
    r->locked = !err;
    if (!err) err = sb_mlflow_api_new(&r->api, &o, &ctx);
    if (!err) return SB_EXIT_OK;
    sb_cli_error("%s", sb_errctx_text(&ctx, err));
    return err == SB_E_LOCKED ? SB_EXIT_BUSY : SB_EXIT_FAILED;
}

static enum sb_exit registry_open(struct registry *r, struct sb_config *c) {
    struct sb_errctx ctx = {0};
    const char *url;
    int64_t pid;
    int status;
    if (!c->registry_is_ours) {
        sb_cli_error("the registry is another server, %s: run `mlflow gc` there", c->registry_url);
        return SB_EXIT_USAGE;
    }
    if (!sb_instance_read(&c->arena, sb_instance_path(&c->arena, c->data, "platform"), &pid,
                          "registry", &url))
        return open_here(r, c);
    sb_err err = sb_fetch_new(&r->fetch, url, &ctx);
    struct sb_fetch_request health = {.target = "/health"};
    if (!err) err = sb_fetch_call(r->fetch, &health, &status, NULL, &ctx);
    if (!err) return SB_EXIT_OK;
    sb_fetch_free(r->fetch); /* the state file of one that has ended */
    r->fetch = NULL;
    return open_here(r, c);
}

static sb_err ask_far(struct registry *r, const char *path, struct sb_str body,
                      struct sb_arena *arena, struct sb_json **out, struct sb_str *why) {
    struct sb_errctx ctx = {0};
    struct sb_buf answer;
    int status = 0;
    struct sb_fetch_request q = {.method = "POST",
                                 .target = path,
                                 .body = body,
                                 .timeout_ns = CALL_NS,
                                 .max_bytes = ANSWER_MAX};
    sb_buf_init(&answer, ANSWER_MAX);
    sb_err err = sb_fetch_call(r->fetch, &q, &status, &answer, &ctx);
    if (!err) err = sb_json_parse(out, sb_arena_dup(arena, sb_buf_view(&answer)), arena, &ctx);
    sb_buf_fini(&answer);
    if (err) {
        *why = sb_str_of(sb_arena_printf(arena, "%s", sb_errctx_text(&ctx, err)));
        return err;
    }
    if (status == 200) return SB_OK;
    if (!sb_json_get(*out, "message") || !sb_json_get_str(*out, "message", why))
        *why = sb_str_of(sb_arena_printf(arena, "the registry answered %d", status));
    return SB_E_INVALID;
}

/* One call of the registry's own routes; *out and *why in the arena. */
static sb_err ask(struct registry *r, const char *path, struct sb_str body, struct sb_arena *arena,
                  struct sb_json **out, struct sb_str *why) {
    if (r->fetch) return ask_far(r, path, body, arena, out, why);
    struct sb_http_req request = {.app = r->api};
    struct sb_registry_error error;
    struct sb_json *args;
    SB_TRY(sb_json_parse(&args, body, arena, NULL));
    sb_err err = sb_mlflow_api_call(&request, path, args, arena, out, &error);
    if (err) *why = error.message;
    return err;
}

/* ---- what to remove ---- */

static void put_ids(struct sb_json_writer *w, const char *key, const char *ids) {
    struct sb_str rest = sb_str_of(ids), id;
    if (!ids) return;
    sb_json_arr(w, key);
    while (sb_str_split(&rest, ',', &id))
        if (sb_str_trim(id).n) sb_json_str(w, NULL, sb_str_trim(id));
    sb_json_end(w);
}

static enum sb_exit write_select(struct sb_cli *cli, struct sb_buf *body) {
    static const char *const lists[][2] = {{"run-ids", "run_ids"},
                                           {"logged-model-ids", "logged_model_ids"},
                                           {"experiment-ids", "experiment_ids"}};
    const char *age = sb_cli_option(cli, "older-than");
    int64_t ms = 0;
    if (age && !sb_age_parse(sb_str_of(age), &ms)) {
        sb_cli_error("--older-than %s is no time: write it as 30d, 12h or 1d6h30m", age);
        return SB_EXIT_USAGE;
    }
    struct sb_json_writer w = {.b = body};
    sb_json_obj(&w, NULL);
    if (age) sb_json_int(&w, "older_than_ms", ms);
    for (size_t i = 0; i < SB_COUNT(lists); i++) {
        const char *ids = sb_cli_option(cli, lists[i][0]);
        struct sb_str text = sb_str_of(ids);
        if (ids && !sb_str_trim(text).n) {
            sb_cli_error("--%s names none", lists[i][0]);
            return SB_EXIT_USAGE;
        }
        put_ids(&w, lists[i][1], ids);
    }
    sb_json_end(&w);
    return SB_EXIT_OK;
}

/* ---- doing it ---- */

struct work {
    struct sb_cli *cli;
    struct registry *registry;
    bool dry, json;
    size_t removed, kept, failed;
};

static const char *kind_text(struct sb_str kind) {
    if (sb_str_is(kind, "logged_model")) return "Logged model";
    return sb_str_is(kind, "experiment") ? "Experiment" : "Run";
}

/* "Run X removed", or the same as JSON; key and why may be absent. */
static void say(const struct work *w, const struct sb_json *item, const char *outcome,
                const char *key, struct sb_str why) {
    struct sb_str kind = sb_client_text(item, "kind"), id = sb_client_text(item, "id");
    struct sb_buf b;
    sb_buf_init(&b, TEXT_MAX);
    if (w->json) {
        struct sb_json_writer j = {.b = &b};
        sb_json_obj(&j, NULL);
        sb_json_str(&j, "kind", kind);
        sb_json_str(&j, "id", id);
        sb_json_str(&j, "outcome", sb_str_of(outcome));
        if (why.n) sb_json_str(&j, key, why);
        sb_json_end(&j);
        sb_client_print_json(sb_buf_view(&b));
    } else {
        sb_buf_addf(&b, "%s ", kind_text(kind));
        sb_text_add(&b, id);
        sb_buf_addf(&b, " %s", outcome);
        if (why.n) sb_buf_addz(&b, ": ");
        sb_text_add(&b, why);
        printf("%s\n", sb_buf_cstr(&b));
    }
    sb_buf_fini(&b);
}

static void remove_one(struct work *w, const struct sb_json *item) {
    struct sb_arena arena;
    struct sb_buf body;
    struct sb_json *out = NULL;
    struct sb_str why = {0};
    bool removed = false;
    sb_arena_init(&arena, ARENA_MAX);
    sb_buf_init(&body, 1 << 20);
    struct sb_json_writer j = {.b = &body};
    sb_json_obj(&j, NULL);
    sb_json_str(&j, "kind", sb_client_text(item, "kind"));
    sb_json_str(&j, "id", sb_client_text(item, "id"));
    sb_json_bool(&j, "force", sb_cli_option(w->cli, "force") != NULL);
    sb_json_end(&j);
    sb_err err = ask(w->registry, "/api/sibyl/1/gc/remove", sb_buf_view(&body), &arena, &out, &why);
    if (err) {
        w->failed++;
        say(w, item, "failed", "error", why.n ? why : sb_str_of(sb_err_text(err)));
    } else if (sb_json_get_bool(out, "removed", &removed) && removed) {
        struct sb_str left = sb_client_text(out, "files_left");
        w->removed++;
        say(w, item, left.n ? "removed, but not its files" : "removed", "files_left", left);
    } else {
        w->kept++;
        say(w, item, "kept", "why", sb_client_text(out, "why_kept"));
    }
    fflush(stdout);
    sb_buf_fini(&body);
    sb_arena_fini(&arena);
}

static enum sb_exit remove_all(struct work *w, const struct sb_json *plan) {
    const struct sb_json *items = sb_json_get(plan, "items");
    for (const struct sb_json *i = items ? items->child : NULL; i; i = i->next) {
        if (w->dry)
            say(w, i, "would be removed", NULL, (struct sb_str){0});
        else
            remove_one(w, i);
    }
    if (!w->json && !w->dry)
        printf("%zu removed, %zu kept, %zu failed\n", w->removed, w->kept, w->failed);
    return w->failed ? SB_EXIT_FAILED : SB_EXIT_OK;
}

enum sb_exit sb_gc_run(struct sb_cli *cli) {
    struct registry r = {0};
    struct sb_buf body;
    struct sb_arena arena;
    struct sb_json *plan;
    struct sb_str why = {0};
    struct work w = {.cli = cli,
                     .registry = &r,
                     .dry = sb_cli_option(cli, "dry-run") != NULL,
                     .json = sb_cli_option(cli, "json") != NULL};
    sb_arena_init(&arena, ARENA_MAX);
    sb_buf_init(&body, TEXT_MAX);
    enum sb_exit rc = write_select(cli, &body);
    if (!rc) rc = registry_open(&r, &cli->config);
    if (!rc) {
        sb_err err = ask(&r, "/api/sibyl/1/gc/plan", sb_buf_view(&body), &arena, &plan, &why);
        if (err) {
            sb_cli_error("%.*s", SB_ARG(why.n ? why : sb_str_of(sb_err_text(err))));
            rc = SB_EXIT_FAILED;
        } else {
            rc = remove_all(&w, plan);
        }
    }
    registry_close(&r);
    sb_buf_fini(&body);
    sb_arena_fini(&arena);
    return rc;
}
