/* sibyl events tail [-f] [--json] [-n N] | events show ID | events search QUERY (cmd_search.c) */
#include <stdio.h>

#include "app/cmd_events_int.h"
#include "app/commands.h"
#include "app/datadir.h"
#include "app/text.h"
#include "base/clock.h"
#include "codec/json.h"
#include "domain/event/source.h"

enum { TAIL_DEFAULT = 20, TAIL_MAX = 1000000, TEXT_MAX = 1 << 16, DOCUMENT_MAX = 64 << 20 };

#define FOLLOW_NS (50 * SB_MS)

const struct sb_option sb_events_options[] = {
    {"follow", 'f', NULL, "tail: go on with new events as they become durable, until Ctrl-C."},
    {"json", 0, NULL, "tail, search: the whole documents, one a line."},
    {"lines", 'n', "N", "tail: start with the newest N events (default 20)."},
    {"from", 0, "N", "search: leave out the first N hits."},
    {"size", 0, "N", "search: at most N hits (default 20; with --from at most 10000)."},
    {"sort", 0, "FIELD[:asc]", "search: by this field, largest first (default @timestamp)."},
    {"columns", 0, "FIELDS", "search: only these, separated by commas, as a table with tabs."},
    {"index", 0, "NAME", "search: predictions (default), metrics or audit."},
    {NULL, 0, NULL, NULL},
};

static enum sb_exit complain(const struct sb_errctx *ctx, sb_err err) {
    sb_cli_error("%s", sb_errctx_text(ctx, err));
    return SB_EXIT_FAILED;
}

static sb_err open_source(struct sb_cli *cli, struct sb_event_source *out, struct sb_errctx *ctx) {
    struct sb_arena *a = &cli->config.arena;
    const char *dir = sb_datadir_path(a, cli->config.data, SB_DATADIR_PREDICTIONS);
    if (!sb_file_exists(dir))
        return sb_fail(ctx, SB_E_MISSING, "no events in %s: name the data folder with --data",
                       cli->config.data);
    return sb_event_source_journal(out, dir, ctx);
}

/* ---- one line for people ---- */

static void add_member(struct sb_buf *out, const struct sb_json *e, const char *key,
                       const char *absent) {
    struct sb_str s = {0};
    if (sb_json_get(e, key) && sb_json_get_str(e, key, &s) && s.n)
        sb_text_add(out, s);
    else
        sb_buf_addz(out, absent);
}

static void add_value(struct sb_buf *out, const struct sb_json *v) {
    struct sb_buf json;
    if (v->type == SB_JSON_STRING) {
        sb_text_add(out, v->s);
        return;
    }
    sb_buf_init(&json, TEXT_MAX);
    sb_json_add_tree(&json, v);
    sb_text_add(out, sb_buf_view(&json));
    sb_buf_fini(&json);
}

/* {"species":"setosa","p":0.5} -> species=setosa p=0.5 */
static void add_pairs(struct sb_buf *out, const struct sb_json *o) {
    for (const struct sb_json *v = o ? o->child : NULL; v; v = v->next) {
        sb_buf_addc(out, ' ');
        sb_text_add(out, v->key);
        sb_buf_addc(out, '=');
        add_value(out, v);
    }
}

static void add_line(struct sb_buf *out, const struct sb_json *e) {
    double seconds = 0;
    struct sb_str error = {0};
    add_member(out, e, "@timestamp", "?");
    sb_buf_addz(out, "  ");
    add_member(out, e, "event_id", "?");
    sb_buf_addz(out, "  ");
    add_member(out, e, "model", "-");
    sb_buf_addz(out, " ");
    add_member(out, e, "model_version", "-");
    sb_buf_addz(out, "  ");
    add_member(out, e, "role", "-");
    sb_buf_addz(out, "  ");
    add_member(out, e, "status", "?");
    if (sb_json_get(e, "duration") && sb_json_get_double(e, "duration", &seconds))
        sb_buf_addf(out, "  %.2f ms", seconds * 1e3);
    sb_buf_addz(out, " ");
    add_pairs(out, sb_json_get(e, "prediction"));
    if (sb_json_get(e, "error") && sb_json_get_str(e, "error", &error)) {
        sb_buf_addc(out, ' ');
        sb_text_add(out, error);
    }
}

static void print_document(struct sb_str json) {
    struct sb_buf out;
    sb_buf_init(&out, 8 * json.n + 16);
    sb_text_add_json(&out, json);
    sb_buf_addc(&out, '\n');
    sb_text_print(&out);
    sb_buf_fini(&out);
}

void sb_event_print(struct sb_str json, bool whole) {
    struct sb_arena a;
    struct sb_json *doc;
    struct sb_buf line;
    if (whole) {
        print_document(json);
        return;
    }
    sb_arena_init(&a, DOCUMENT_MAX);
    sb_buf_init(&line, TEXT_MAX);
    if (sb_json_parse(&doc, json, &a, NULL) == SB_OK)
        add_line(&line, doc);
    else
        sb_text_add(&line, json);
    sb_buf_addc(&line, '\n');
    sb_text_print(&line);
    sb_buf_fini(&line);
    sb_arena_fini(&a);
}

/* ---- tail ---- */

/* The newest n events there are now. */
static sb_err print_last(struct sb_event_source *s, int64_t n, bool whole) {
    struct sb_event_record r;
    int64_t first, next;
    SB_TRY(s->ops->range(s->self, &first, &next));
    SB_TRY(s->ops->seek(s->self, next - n > first ? next - n : first));
    sb_err err = n ? SB_OK : SB_E_END;
    while (!err && (err = s->ops->next(s->self, &r)) == SB_OK) {
        sb_event_print(r.json, whole);
        if (r.offset + 1 >= next) break;
    }
    return err == SB_E_END ? SB_OK : err;
}

static sb_err print_new(struct sb_event_source *s, bool whole) {
    struct sb_event_record r;
    sb_err err;
    while ((err = s->ops->next(s->self, &r)) == SB_OK) sb_event_print(r.json, whole);
    return err == SB_E_END ? SB_OK : err;
}

static enum sb_exit tail(struct sb_cli *cli, struct sb_event_source *s) {
    int64_t n = TAIL_DEFAULT;
    bool whole = sb_cli_option(cli, "json") != NULL, follow = sb_cli_option(cli, "follow") != NULL;
    if (!sb_cli_number(cli, "lines", 0, TAIL_MAX, &n)) return SB_EXIT_USAGE;
    sb_err err = print_last(s, n, whole);
    while (!err && follow && fflush(stdout) == 0) {
        sb_sleep_ns(FOLLOW_NS);
        err = print_new(s, whole);
    }
    return err ? complain(NULL, err) : SB_EXIT_OK;
}

/* ---- show ---- */

static enum sb_exit show(struct sb_cli *cli, struct sb_event_source *s) {
    struct sb_errctx ctx = {0};
    struct sb_arena a;
    struct sb_str json;
    sb_arena_init(&a, DOCUMENT_MAX);
    sb_err err = sb_event_find(s, sb_str_of(cli->words[1]), &a, &json, &ctx);
    if (!err) print_document(json);
    sb_arena_fini(&a);
    return err ? complain(&ctx, err) : SB_EXIT_OK;
}

enum sb_exit sb_events_run(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct sb_event_source source;
    bool is_tail = strcmp(cli->words[0], "tail") == 0 && cli->nwords == 1;
    bool is_show = strcmp(cli->words[0], "show") == 0 && cli->nwords == 2;
    if (strcmp(cli->words[0], "search") == 0 && cli->nwords == 2) return sb_events_search(cli);
    if (!is_tail && !is_show) {
        sb_cli_error(
            "usage: sibyl events tail [-f] [--json] [-n N], sibyl events show ID, or sibyl events "
            "search QUERY");
        return SB_EXIT_USAGE;
    }
    sb_err err = open_source(cli, &source, &ctx);
    if (err) return complain(&ctx, err);
    enum sb_exit rc = is_tail ? tail(cli, &source) : show(cli, &source);
    sb_event_source_close(&source);
    return rc;
}
