/* sibyl events search QUERY: through the running platform's search API. */
#include <stdio.h>

#include "app/client.h"
#include "app/cmd_events_int.h"
#include "app/instance.h"
#include "app/text.h"

enum { SIZE_DEFAULT = 20, WINDOW_MAX = 10000, BODY_MAX = 1 << 20, TREE_MAX = 256 << 20 };

static const char *search_url(struct sb_cli *cli) {
    struct sb_config *c = &cli->config;
    const char *url;
    int64_t pid;
    if (sb_instance_read(&c->arena, sb_instance_path(&c->arena, c->data, "platform"), &pid,
                         "search", &url))
        return url;
    return sb_instance_url_of(&c->arena, c->search_listen.host, c->search_listen.port);
}

/* ---- the request ---- */

/* "field", "field:asc" or "field:desc". */
static void write_sort(struct sb_json_writer *w, struct sb_str sort) {
    ptrdiff_t colon = sb_str_rfind(sort, ':');
    struct sb_str order = SB_STR("desc"), field = sort;
    if (colon >= 0) {
        order = sb_str_sub(sort, (size_t)colon + 1, sort.n);
        field = sb_str_sub(sort, 0, (size_t)colon);
    }
    sb_json_arr(w, "sort");
    sb_json_obj(w, NULL);
    sb_json_key(w, field);
    sb_json_str(w, NULL, order);
    sb_json_end(w);
    sb_json_end(w);
}

static bool write_request(struct sb_cli *cli, struct sb_buf *b) {
    int64_t from = 0, size = SIZE_DEFAULT;
    const char *sort = sb_cli_option(cli, "sort");
    if (!sb_cli_number(cli, "from", 0, WINDOW_MAX, &from)) return false;
    if (!sb_cli_number(cli, "size", 0, WINDOW_MAX, &size)) return false;
    struct sb_json_writer w = {.b = b};
    sb_json_obj(&w, NULL);
    sb_json_obj(&w, "query");
    sb_json_obj(&w, "query_string");
    sb_json_str(&w, "query", sb_str_of(cli->words[1]));
    sb_json_end(&w);
    sb_json_end(&w);
    sb_json_int(&w, "from", from);
    sb_json_int(&w, "size", size);
    sb_json_bool(&w, "track_total_hits", true);
    write_sort(&w, sb_str_of(sort ? sort : "@timestamp"));
    sb_json_end(&w);
    return true;
}

/* ---- the answer ---- */

/* The value at a path of keys joined by '.'; a key may hold dots itself. NULL: none. */
static const struct sb_json *at_path(const struct sb_json *o, struct sb_str path, int depth) {
    if (!path.n) return o;
    for (const struct sb_json *v = o && depth < 20 ? o->child : NULL; v; v = v->next) {
        if (!sb_str_starts(path, v->key) || !v->key.n) continue;
        struct sb_str rest = sb_str_sub(path, v->key.n, path.n);
        if (rest.n && rest.p[0] != '.') continue;
        const struct sb_json *found =
            at_path(v, rest.n ? sb_str_sub(rest, 1, rest.n) : rest, depth + 1);
        if (found) return found;
    }
    return NULL;
}

static void add_cell(struct sb_buf *line, const struct sb_json *v) {
    struct sb_buf json;
    if (!v) {
        sb_buf_addc(line, '-');
    } else if (v->type == SB_JSON_STRING) {
        sb_text_add(line, v->s);
    } else {
        sb_buf_init(&json, BODY_MAX);
        sb_json_add_tree(&json, v);
        sb_text_add(line, sb_buf_view(&json));
        sb_buf_fini(&json);
    }
}

/* Columns separated by tabs, under their names. */
static void print_columns(const struct sb_json *hits, const char *columns) {
    struct sb_buf b;
    struct sb_str rest, one;
    sb_buf_init(&b, TREE_MAX);
    rest = sb_str_of(columns);
    for (const char *sep = ""; sb_str_split(&rest, ',', &one); sep = "\t") {
        sb_buf_addz(&b, sep);
        sb_text_add(&b, one);
    }
    sb_buf_addc(&b, '\n');
    for (const struct sb_json *h = hits->child; h; h = h->next) {
        rest = sb_str_of(columns);
        for (const char *sep = ""; sb_str_split(&rest, ',', &one); sep = "\t") {
            sb_buf_addz(&b, sep);
            add_cell(&b, at_path(sb_json_get(h, "_source"), one, 0));
        }
        sb_buf_addc(&b, '\n');
    }
    sb_text_print(&b);
    sb_buf_fini(&b);
}

static void print_hits(struct sb_cli *cli, const struct sb_json *hits) {
    bool whole = sb_cli_option(cli, "json") != NULL;
    for (const struct sb_json *h = hits->child; h; h = h->next) {
        struct sb_buf json;
        sb_buf_init(&json, TREE_MAX);
        const struct sb_json *source = sb_json_get(h, "_source");
        if (source) sb_json_add_tree(&json, source);
        sb_event_print(sb_buf_view(&json), whole);
        sb_buf_fini(&json);
    }
}

static void say_total(const struct sb_json *hits, const struct sb_json *list) {
    int64_t total = 0;
    struct sb_str relation = {0};
    const struct sb_json *t = sb_json_get(hits, "total");
    if (!sb_json_get_i64(t, "value", &total) || !sb_json_get_str(t, "relation", &relation)) return;
    fprintf(stderr, "%zu of %s%lld\n", list->n, sb_str_is(relation, "gte") ? "at least " : "",
            (long long)total);
}

/* Elasticsearch's reason of an error. */
static struct sb_str reason_of(const struct sb_json *doc) {
    const struct sb_json *error = sb_json_get(doc, "error");
    struct sb_str reason = sb_client_text(error, "reason");
    const struct sb_json *roots = sb_json_get(error, "root_cause");
    if (roots && roots->child && sb_client_text(roots->child, "reason").n)
        reason = sb_client_text(roots->child, "reason");
    return reason;
}

static enum sb_exit show(struct sb_cli *cli, int status, struct sb_str answer, struct sb_arena *a) {
    struct sb_json *doc;
    const char *columns = sb_cli_option(cli, "columns");
    if (sb_json_parse(&doc, answer, a, NULL) != SB_OK) {
        sb_cli_error("the search API answered %d, and no JSON", status);
        return SB_EXIT_FAILED;
    }
    const struct sb_json *hits = sb_json_get(doc, "hits"), *list = sb_json_get(hits, "hits");
    if (status != 200 || !list) {
        struct sb_str reason = reason_of(doc);
        sb_cli_error("the search API answered %d: %.*s", status, SB_ARG(reason));
        return status == 400 ? SB_EXIT_USAGE : SB_EXIT_FAILED;
    }
    if (columns)
        print_columns(list, columns);
    else
        print_hits(cli, list);
    say_total(hits, list);
    return SB_EXIT_OK;
}

static sb_err call(struct sb_cli *cli, struct sb_str body, int *status, struct sb_buf *answer,
                   struct sb_errctx *ctx) {
    const char *index = sb_cli_option(cli, "index");
    char target[128];
    struct sb_fetch *f;
    if (index &&
        (strlen(index) > 64 || strspn(index, "abcdefghijklmnopqrstuvwxyz_-*,") != strlen(index)))
        return sb_fail(ctx, SB_E_INVALID, "--index \"%.64s\": there is no such index", index);
    snprintf(target, sizeof target, "/%s/_search", index ? index : "predictions");
    struct sb_fetch_request r = {
        .method = "POST", .target = target, .body = body, .max_bytes = TREE_MAX};
    SB_TRY(sb_fetch_new(&f, search_url(cli), ctx));
    sb_err err = sb_fetch_call(f, &r, status, answer, ctx);
    sb_fetch_free(f);
    return err;
}

enum sb_exit sb_events_search(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct sb_buf body, answer;
    struct sb_arena a;
    int status = 0;
    enum sb_exit rc = SB_EXIT_USAGE;
    sb_buf_init(&body, BODY_MAX);
    sb_buf_init(&answer, TREE_MAX);
    sb_arena_init(&a, TREE_MAX);
    if (write_request(cli, &body)) {
        sb_err err = call(cli, sb_buf_view(&body), &status, &answer, &ctx);
        if (!err) {
            rc = show(cli, status, sb_buf_view(&answer), &a);
        } else {
            rc = err == SB_E_INVALID ? SB_EXIT_USAGE : SB_EXIT_FAILED;
            sb_cli_error(err == SB_E_INVALID
                             ? "%s"
                             : "%s; is `sibyl up` running on this data folder (--data)?",
                         sb_errctx_text(&ctx, err));
        }
    }
    sb_buf_fini(&body);
    sb_buf_fini(&answer);
    sb_arena_fini(&a);
    return rc;
}
