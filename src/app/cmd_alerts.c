/* sibyl alerts: what the page shows and does, for a terminal. */
#include <stdio.h>
#include <stdlib.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/instance.h"
#include "app/text.h"
#include "codec/time.h"
#include "codec/url.h"
#include "domain/monitor/state.h"
#include "sys/file.h"

enum { ANSWER_MAX = 64 << 20, TREE_MAX = 256 << 20, TEXT_MAX = 16 << 20 };

const struct sb_option sb_alerts_options[] = {
    {"for", 0, "TIME", "silence: for how long: 30m, 2h, 1d (default 1h)."},
    {"why", 0, "TEXT", "silence: the reason, for others to read."},
    {"by", 0, "NAME", "silence: who asks (default: the user of the system)."},
    SB_CLIENT_JSON_OPTION,
    {"url", 0, "URL",
     "Ask the dashboard there, also on another machine, instead of the data "
     "folder's."},
    {NULL, 0, NULL, NULL},
};

/* ---- asking ---- */

struct alerts {
    struct sb_cli *cli;
    struct sb_fetch *fetch;
    struct sb_arena arena;
    bool json;
};

static bool connect_to(struct alerts *x) {
    struct sb_errctx ctx = {0};
    struct sb_config *c = &x->cli->config;
    const char *url = sb_cli_option(x->cli, "url");
    int64_t pid;
    if (!url && !sb_instance_read(&c->arena, sb_instance_path(&c->arena, c->data, "platform"), &pid,
                                  "dashboard", &url))
        url = sb_instance_url_of(&c->arena, c->dashboard_listen.host, c->dashboard_listen.port);
    sb_err err = sb_fetch_new(&x->fetch, url, &ctx);
    if (err) sb_cli_error("%s", sb_errctx_text(&ctx, err));
    return !err;
}

/* The parsed answer; NULL when it is an error, which was said. */
static const struct sb_json *ask(struct alerts *x, const char *method, const char *target,
                                 struct sb_str body) {
    struct sb_errctx ctx = {0};
    struct sb_json *doc = NULL;
    struct sb_buf answer;
    int status = 0;
    struct sb_fetch_request r = {
        .method = method, .target = target, .body = body, .max_bytes = ANSWER_MAX};
    sb_buf_init(&answer, ANSWER_MAX);
    sb_err err = sb_fetch_call(x->fetch, &r, &status, &answer, &ctx);
    struct sb_str text = err ? (struct sb_str){0} : sb_arena_dup(&x->arena, sb_buf_view(&answer));
    sb_buf_fini(&answer);
    if (err) {
        sb_cli_error("%s; is `sibyl up` running on this data folder (--data)?",
                     sb_errctx_text(&ctx, err));
        return NULL;
    }
    if (!text.p || sb_json_parse(&doc, text, &x->arena, &ctx) != SB_OK) {
        sb_cli_error("the dashboard answered %d to %s %s, and no JSON", status, method, target);
        return NULL;
    }
    if (status < 200 || status > 299) {
        struct sb_str why = sb_client_text(doc, "error");
        sb_cli_error("%.*s", SB_ARG(why.n ? why : sb_str_sub(text, 0, 500)));
        return NULL;
    }
    if (x->json) sb_client_print_json(text);
    return doc;
}

/* before + name, escaped, + after */
static const char *path(struct alerts *x, const char *before, struct sb_str name,
                        const char *after) {
    struct sb_buf b;
    sb_buf_init(&b, TEXT_MAX);
    sb_buf_addz(&b, before);
    sb_url_encode(&b, name);
    sb_buf_addz(&b, after);
    const char *text = sb_arena_dup(&x->arena, sb_buf_view(&b)).p;
    sb_buf_fini(&b);
    return text;
}

/* ---- words for people ---- */

static void add_time(struct sb_buf *out, const struct sb_json *o, const char *key) {
    char text[SB_TIME_TEXT];
    int64_t ms = 0;
    if (!sb_json_get_i64(o, key, &ms) || !ms)
        sb_buf_addc(out, '-');
    else
        sb_buf_add(out, text, sb_time_format_ms(text, ms));
}

static bool is_true(const struct sb_json *o, const char *key) {
    bool b = false;
    return sb_json_get_bool(o, key, &b) && b;
}

static const char *unit_of(struct alerts *x, const struct sb_json *rule) {
    return sb_arena_printf(&x->arena, "%.*s", SB_ARG(sb_client_text(rule, "unit")));
}

static void add_value(struct alerts *x, struct sb_buf *out, const struct sb_json *rule,
                      const char *key) {
    const struct sb_json *v = sb_json_get(rule, key);
    struct sb_buf text;
    if (!v || v->type != SB_JSON_NUMBER) {
        sb_buf_addc(out, '-');
        return;
    }
    sb_buf_init(&text, 1 << 12);
    sb_monitor_number(&text, v->d, unit_of(x, rule));
    sb_text_add(out, sb_buf_view(&text));
    sb_buf_fini(&text);
}

static void add_row(struct alerts *x, struct sb_table *t, const struct sb_json *rule) {
    struct sb_buf cell;
    sb_buf_init(&cell, TEXT_MAX);
    sb_text_add(&cell, sb_client_text(rule, "state"));
    if (is_true(rule, "silenced")) sb_buf_addz(&cell, " (silenced)");
    sb_table_add(t, sb_buf_view(&cell));
    sb_table_add(t, sb_client_text(rule, "severity"));
    sb_buf_reset(&cell);
    sb_text_add(&cell, sb_client_text(rule, "name"));
    sb_table_add(t, sb_buf_view(&cell));
    sb_buf_reset(&cell);
    add_value(x, &cell, rule, "value");
    sb_table_add(t, sb_buf_view(&cell));
    sb_buf_reset(&cell);
    sb_text_add(&cell, sb_client_text(rule, "comparison"));
    sb_buf_addc(&cell, ' ');
    add_value(x, &cell, rule, "threshold");
    sb_table_add(t, sb_buf_view(&cell));
    sb_buf_reset(&cell);
    add_time(&cell, rule, "since_ms");
    sb_table_add(t, sb_buf_view(&cell));
    sb_buf_reset(&cell);
    struct sb_str error = sb_client_text(rule, "error");
    sb_text_add(&cell, error.n ? error : sb_client_text(rule, "summary"));
    sb_table_add(t, sb_buf_view(&cell));
    sb_buf_fini(&cell);
}

static void add_note(struct sb_buf *out, const char *what, struct sb_str text) {
    if (!text.n) return;
    sb_buf_addz(out, what);
    sb_text_add(out, text);
    sb_buf_addc(out, '\n');
}

static enum sb_exit list(struct alerts *x) {
    static const char *const titles[] = {"STATE",     "SEVERITY", "RULE", "VALUE",
                                         "THRESHOLD", "SINCE",    ""};
    const struct sb_json *doc = ask(x, "GET", "/api/alerts", (struct sb_str){0});
    struct sb_table t;
    struct sb_buf out;
    if (!doc) return SB_EXIT_FAILED;
    if (x->json) return SB_EXIT_OK;
    const struct sb_json *rules = sb_json_get(doc, "rules"), *ds = sb_json_get(doc, "destinations");
    sb_table_init(&t, titles, SB_COUNT(titles));
    sb_buf_init(&out, TEXT_MAX);
    for (const struct sb_json *r = rules ? rules->child : NULL; r; r = r->next) add_row(x, &t, r);
    sb_table_print(&t, &out);
    add_note(&out, "\nRules file: ", sb_client_text(sb_json_get(doc, "file"), "error"));
    add_note(&out, "\nStored rules: ", sb_client_text(sb_json_get(doc, "store"), "error"));
    add_note(&out, "\nMetrics: ", sb_client_text(doc, "metrics_error"));
    for (const struct sb_json *d = ds ? ds->child : NULL; d; d = d->next)
        add_note(&out, "\nNot delivered: ", sb_client_text(d, "last_error"));
    sb_text_print(&out);
    sb_buf_fini(&out);
    sb_table_fini(&t);
    return SB_EXIT_OK;
}

static void print_rule(struct alerts *x, const struct sb_json *rule) {
    struct sb_buf out;
    struct sb_str yaml = sb_client_text(rule, "yaml"), line;
    sb_buf_init(&out, TEXT_MAX);
    while (sb_str_split(&yaml, '\n', &line)) {
        if (!yaml.p && !line.n) break;
        sb_text_add(&out, line);
        sb_buf_addc(&out, '\n');
    }
    add_note(&out, "\nstate      ", sb_client_text(rule, "state"));
    add_note(&out, "origin     ", sb_client_text(rule, "origin"));
    if (is_true(rule, "silenced")) sb_buf_addz(&out, "silenced   yes\n");
    sb_buf_addz(&out, "since      ");
    add_time(&out, rule, "since_ms");
    sb_buf_addz(&out, "\nvalue      ");
    add_value(x, &out, rule, "value");
    sb_buf_addz(&out, "\nlast fired ");
    add_time(&out, rule, "fired_ms");
    sb_buf_addc(&out, '\n');
    add_note(&out, "summary    ", sb_client_text(rule, "summary"));
    add_note(&out, "error      ", sb_client_text(rule, "error"));
    sb_text_print(&out);
    sb_buf_fini(&out);
}

static enum sb_exit show(struct alerts *x, struct sb_str name) {
    const struct sb_json *doc =
        ask(x, "GET", path(x, "/api/alerts/rules/", name, ""), (struct sb_str){0});
    if (doc && !x->json) print_rule(x, doc);
    return doc ? SB_EXIT_OK : SB_EXIT_FAILED;
}

static enum sb_exit turn(struct alerts *x, struct sb_str name, bool on) {
    const char *target = path(x, "/api/alerts/rules/", name, on ? "/enable" : "/disable");
    const struct sb_json *doc = ask(x, "POST", target, SB_STR("{}"));
    if (doc && !x->json) printf("%s\n", on ? "enabled" : "disabled");
    return doc ? SB_EXIT_OK : SB_EXIT_FAILED;
}

/* ---- silences ---- */

static enum sb_exit silence(struct alerts *x, struct sb_str name) {
    const char *span = sb_cli_option(x->cli, "for"), *why = sb_cli_option(x->cli, "why");
    const char *by = sb_cli_option(x->cli, "by");
    struct sb_buf body;
    struct sb_json_writer w = {.b = &body};
    if (!by) by = getenv("USER");
    sb_buf_init(&body, TEXT_MAX);
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "rule", name);
    sb_json_str(&w, "for", sb_str_of(span ? span : "1h"));
    sb_json_str(&w, "why", sb_str_of(why ? why : ""));
    sb_json_str(&w, "by", sb_str_of(by ? by : ""));
    sb_json_end(&w);
    const struct sb_json *doc = ask(x, "POST", "/api/alerts/silences", sb_buf_view(&body));
    sb_buf_fini(&body);
    if (doc && !x->json) {
        struct sb_buf out;
        sb_buf_init(&out, TEXT_MAX);
        sb_buf_addz(&out, "silenced until ");
        add_time(&out, doc, "until_ms");
        sb_buf_addc(&out, '\n');
        sb_text_print(&out);
        sb_buf_fini(&out);
    }
    return doc ? SB_EXIT_OK : SB_EXIT_FAILED;
}

/* All silences of that id, or for just that rule. */
static enum sb_exit unsilence(struct alerts *x, struct sb_str name) {
    bool json = x->json;
    int64_t ended = 0;
    x->json = false;
    const struct sb_json *doc = ask(x, "GET", "/api/alerts", (struct sb_str){0});
    const struct sb_json *all = sb_json_get(doc, "silences");
    for (const struct sb_json *s = all ? all->child : NULL; s; s = s->next) {
        struct sb_str id = sb_client_text(s, "id");
        if (!sb_str_eq(id, name) && !sb_str_eq(sb_client_text(s, "rule"), name)) continue;
        if (!ask(x, "DELETE", path(x, "/api/alerts/silences/", id, ""), (struct sb_str){0}))
            return SB_EXIT_FAILED;
        ended++;
    }
    if (!doc) return SB_EXIT_FAILED;
    if (!ended) {
        sb_cli_error("\"%.*s\" is neither a silenced rule nor the id of a silence", SB_ARG(name));
        return SB_EXIT_FAILED;
    }
    printf(json ? "{\"ended\":%lld}\n" : "silences ended: %lld\n", (long long)ended);
    return SB_EXIT_OK;
}

/* ---- destinations ---- */

static bool test_one(struct alerts *x, struct sb_str name) {
    const struct sb_json *doc =
        ask(x, "POST", path(x, "/api/alerts/destinations/", name, "/test"), SB_STR("{}"));
    struct sb_buf out;
    if (!doc || x->json) return doc && is_true(doc, "ok");
    sb_buf_init(&out, TEXT_MAX);
    sb_text_add(&out, name);
    if (is_true(doc, "ok"))
        sb_buf_addz(&out, ": a test alert was taken");
    else
        add_note(&out, ": ", sb_client_text(doc, "error"));
    if (is_true(doc, "ok")) sb_buf_addc(&out, '\n');
    sb_text_print(&out);
    sb_buf_fini(&out);
    return is_true(doc, "ok");
}

static enum sb_exit test(struct alerts *x, struct sb_str name) {
    bool json = x->json, good = true;
    if (name.n) return test_one(x, name) ? SB_EXIT_OK : SB_EXIT_FAILED;
    x->json = false;
    const struct sb_json *doc = ask(x, "GET", "/api/alerts", (struct sb_str){0});
    const struct sb_json *all = sb_json_get(doc, "destinations");
    x->json = json;
    if (!doc) return SB_EXIT_FAILED;
    if (!all || !all->child) {
        sb_cli_error("no destination is set: alerts.webhook_url or alerts.alertmanager_url");
        return SB_EXIT_FAILED;
    }
    for (const struct sb_json *d = all->child; d; d = d->next)
        good &= test_one(x, sb_client_text(d, "name"));
    return good ? SB_EXIT_OK : SB_EXIT_FAILED;
}

/* ---- a file of rules ---- */

static enum sb_exit check(struct alerts *x, const char *file) {
    struct sb_errctx ctx = {.pos = -1};
    struct sb_monitor_rules rules = {0};
    struct sb_buf text;
    sb_buf_init(&text, SB_MONITOR_TEXT_MAX + 1);
    sb_err err = sb_file_read_all(file, &text, &ctx);
    if (!err) err = sb_monitor_rules_parse(&rules, sb_buf_view(&text), file, &x->arena, &ctx);
    sb_buf_fini(&text);
    if (x->json) {
        struct sb_buf out;
        struct sb_json_writer w = {.b = &out};
        sb_buf_init(&out, TEXT_MAX);
        sb_json_obj(&w, NULL);
        sb_json_bool(&w, "ok", !err);
        sb_json_int(&w, "rules", (int64_t)rules.n);
        if (err) sb_json_str(&w, "error", sb_str_of(sb_errctx_text(&ctx, err)));
        if (err && ctx.pos > 0) sb_json_int(&w, "line", ctx.pos);
        sb_json_end(&w);
        sb_client_print_json(sb_buf_view(&out));
        sb_buf_fini(&out);
    } else if (err) {
        sb_cli_error("%s", sb_errctx_text(&ctx, err));
    } else {
        printf("%zu rules, no mistake found\n", rules.n);
    }
    return err ? SB_EXIT_FAILED : SB_EXIT_OK;
}

/* ---- which of them ---- */

static enum sb_exit run(struct alerts *x, const char *what, const char *word) {
    struct sb_str name = sb_str_of(word);
    if (!strcmp(what, "list") && !word) return list(x);
    if (!strcmp(what, "test")) return test(x, name);
    if (word && !strcmp(what, "show")) return show(x, name);
    if (word && !strcmp(what, "silence")) return silence(x, name);
    if (word && !strcmp(what, "unsilence")) return unsilence(x, name);
    if (word && !strcmp(what, "enable")) return turn(x, name, true);
    if (word && !strcmp(what, "disable")) return turn(x, name, false);
    sb_cli_error("usage: sibyl alerts %s", x->cli->command->usage);
    return SB_EXIT_USAGE;
}

enum sb_exit sb_alerts_run(struct sb_cli *cli) {
    struct alerts x = {.cli = cli, .json = sb_cli_option(cli, "json") != NULL};
    const char *what = cli->nwords > 0 ? cli->words[0] : "list";
    const char *word = cli->nwords > 1 ? cli->words[1] : NULL;
    enum sb_exit rc = SB_EXIT_FAILED;
    sb_arena_init(&x.arena, TREE_MAX);
    if (word && !strcmp(what, "check"))
        rc = check(&x, word);
    else if (connect_to(&x))
        rc = run(&x, what, word);
    sb_fetch_free(x.fetch);
    sb_arena_fini(&x.arena);
    return rc;
}
