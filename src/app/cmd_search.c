/* sibyl events search QUERY: through the running platform's search API. */
#include <stdio.h>

#include "app/client.h"
#include "app/cmd_events_int.h"
#include "app/search_client.h"
#include "app/text.h"

enum { SIZE_DEFAULT = 20, WINDOW_MAX = 10000, BODY_MAX = 1 << 20, TREE_MAX = 512 << 20 };

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

/* false: no index can be called so. */
static bool write_target(struct sb_cli *cli, char *to, size_t room) {
    const char *index = sb_cli_option(cli, "index");
    if (index &&
        (strlen(index) > 64 || strspn(index, "abcdefghijklmnopqrstuvwxyz_-*,") != strlen(index))) {
        sb_cli_error("--index \"%.64s\": there is no such index", index);
        return false;
    }
    snprintf(to, room, "/%s/_search", index ? index : "predictions");
    return true;
}

static enum sb_exit show(struct sb_cli *cli, const struct sb_json *doc) {
    const char *columns = sb_cli_option(cli, "columns");
    const struct sb_json *hits = sb_json_get(doc, "hits"), *list = sb_json_get(hits, "hits");
    if (!list) {
        sb_cli_error("the search API answered without hits");
        return SB_EXIT_FAILED;
    }
    if (columns)
        print_columns(list, columns);
    else
        print_hits(cli, list);
    say_total(hits, list);
    return SB_EXIT_OK;
}

static enum sb_exit failed(sb_err err, const struct sb_errctx *ctx) {
    sb_cli_error(err == SB_E_INVALID || err == SB_E_MISSING || err == SB_E_STATE
                     ? "%s"
                     : "%s; is `sibyl up` running on this data folder (--data)?",
                 sb_errctx_text(ctx, err));
    return err == SB_E_INVALID ? SB_EXIT_USAGE : SB_EXIT_FAILED;
}

enum sb_exit sb_events_search(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct sb_search_client client = {0};
    const struct sb_json *doc;
    struct sb_buf body;
    struct sb_arena a;
    char target[128];
    enum sb_exit rc = SB_EXIT_USAGE;
    sb_buf_init(&body, BODY_MAX);
    sb_arena_init(&a, TREE_MAX);
    if (write_target(cli, target, sizeof target) && write_request(cli, &body)) {
        sb_err err = sb_search_client_call(&client, &cli->config, "POST", target,
                                           sb_buf_view(&body), &a, &doc, &ctx);
        rc = err ? failed(err, &ctx) : show(cli, doc);
    }
    sb_search_client_fini(&client);
    sb_buf_fini(&body);
    sb_arena_fini(&a);
    return rc;
}
