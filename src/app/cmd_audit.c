/* sibyl audit: whether what was answered, what the journal holds and what the index finds are the
 * same; sibyl audit --verify: whether sealed bytes are what they were. */
#include <stdio.h>

#include "app/audit_count.h"
#include "app/commands.h"
#include "app/datadir.h"
#include "app/text.h"
#include "base/clock.h"
#include "codec/json.h"
#include "codec/time.h"
#include "engine/journal/journal.h"
#include "sys/file.h"
#include "sys/process.h"

enum { TEXT_MAX = 64 << 20 };

const struct sb_option sb_audit_options[] = {
    {"verify", 0, NULL, "Recompute the hash chain of every topic instead."},
    {"journal-only", 0, NULL, "Leave the index out: the platform need not run."},
    {"json", 0, NULL, "Print JSON."},
    {NULL, 0, NULL, NULL},
};

/* ---- --verify ---- */

struct shown {
    const char *topic;
    int percent;
};

/* On a terminal only: one line that is written over. */
static void show_progress(void *arg, int64_t done, int64_t total) {
    struct shown *s = arg;
    int percent = total ? (int)(done * 100 / total) : 100;
    if (percent == s->percent) return;
    s->percent = percent;
    fprintf(stderr, "\r%s: %d %% ", s->topic, percent > 100 ? 100 : percent);
    if (percent >= 100) fprintf(stderr, "\r%60s\r", "");
}

static void write_verified(struct sb_json_writer *w, const char *topic,
                           const struct sb_journal_verify *v) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "topic", sb_str_of(topic));
    sb_json_bool(w, "ok", !v->why[0]);
    sb_json_int(w, "chained", (int64_t)v->chained);
    sb_json_int(w, "unchained", (int64_t)v->unchained);
    sb_json_int(w, "rewritten", (int64_t)v->rewritten);
    sb_json_int(w, "bytes", v->bytes);
    sb_json_int(w, "differ", (int64_t)v->differ);
    if (v->first >= 0) sb_json_int(w, "first_offset", v->first);
    if (v->why[0]) sb_json_str(w, "why", sb_str_of(v->why));
    if (v->link[0]) sb_json_str(w, "link", sb_str_of(v->link));
    sb_json_end(w);
}

static void add_verified(struct sb_table *t, const char *topic, const struct sb_journal_verify *v) {
    char cell[80];
    struct sb_buf bytes;
    sb_buf_init(&bytes, 64);
    sb_text_add_bytes(&bytes, v->bytes);
    sb_table_add(t, sb_str_of(topic));
    snprintf(cell, sizeof cell, "%llu", (unsigned long long)v->chained);
    sb_table_add(t, sb_str_of(cell));
    snprintf(cell, sizeof cell, "%llu", (unsigned long long)v->rewritten);
    sb_table_add(t, sb_str_of(cell));
    snprintf(cell, sizeof cell, "%llu", (unsigned long long)v->unchained);
    sb_table_add(t, sb_str_of(cell));
    sb_table_add(t, sb_buf_view(&bytes));
    sb_table_add(t, sb_str_of(v->link[0] ? v->link : "-"));
    sb_table_add(t, sb_str_of(v->why[0] ? v->why : "ok"));
    sb_buf_fini(&bytes);
}

/* The topics of the data folder. SB_E_MISSING: there is no journal. */
static sb_err list_topics(struct sb_cli *cli, const char **dir, struct sb_dir_names *names,
                          struct sb_errctx *ctx) {
    *dir = sb_datadir_path(&cli->config.arena, cli->config.data, "journal");
    if (!sb_file_exists(*dir))
        return sb_fail(ctx, SB_E_MISSING, "no journal in %s: name the data folder with --data",
                       cli->config.data);
    return sb_dir_list(*dir, names, ctx);
}

static enum sb_exit verify(struct sb_cli *cli) {
    static const char *const titles[] = {"TOPIC", "CHAINED", "REWRITTEN", "NOT YET",
                                         "BYTES", "LINK",    ""};
    struct sb_errctx ctx = {0};
    struct sb_dir_names names = {0};
    const char *dir;
    bool ok = true, json = sb_cli_option(cli, "json") != NULL;
    sb_err err = list_topics(cli, &dir, &names, &ctx);
    struct sb_table t;
    struct sb_buf out;
    sb_buf_init(&out, TEXT_MAX);
    sb_table_init(&t, titles, SB_COUNT(titles));
    struct sb_json_writer w = {.b = &out};
    if (json) sb_json_arr(&w, NULL);
    for (size_t i = 0; i < names.n && !err; i++) {
        struct shown shown = {names.name[i], -1};
        struct sb_journal_verify v = {.progress = sb_process_is_terminal(2) ? show_progress : NULL,
                                      .arg = &shown};
        err = sb_journal_verify(&v, sb_datadir_path(&cli->config.arena, dir, names.name[i]), &ctx);
        if (err) break;
        ok = ok && !v.why[0];
        if (json)
            write_verified(&w, names.name[i], &v);
        else
            add_verified(&t, names.name[i], &v);
    }
    if (json) sb_json_end(&w);
    if (json && !err)
        sb_buf_addc(&out, '\n');
    else if (!err)
        sb_table_print(&t, &out);
    if (err)
        sb_cli_error("%s", sb_errctx_text(&ctx, err));
    else
        sb_text_print(&out);
    sb_table_fini(&t);
    sb_buf_fini(&out);
    sb_dir_names_fini(&names);
    return err || !ok ? SB_EXIT_FAILED : SB_EXIT_OK;
}

/* ---- the three books ---- */

static void add_number(struct sb_table *t, int64_t n) {
    char cell[24];
    snprintf(cell, sizeof cell, "%lld", (long long)n);
    sb_table_add(t, sb_str_of(cell));
}

static void add_text(struct sb_table *t, struct sb_str s) {
    struct sb_buf safe;
    sb_buf_init(&safe, TEXT_MAX);
    sb_text_add(&safe, s);
    sb_table_add(t, sb_buf_view(&safe));
    sb_buf_fini(&safe);
}

static void print_table(const struct sb_audit_count *c, struct sb_buf *out) {
    static const char *const titles[] = {"ROUTE",    "MODEL",      "VERSION", "HOUR",
                                         "ANSWERED", "JOURNALLED", "INDEXED", ""};
    struct sb_table t;
    char hour[SB_TIME_TEXT];
    sb_table_init(&t, titles, SB_COUNT(titles));
    for (size_t i = 0; i < c->tally.n; i++) {
        const struct sb_tally_group *g = c->tally.group[i];
        if (!sb_audit_group_counts(g)) continue;
        add_text(&t, g->route);
        add_text(&t, g->model);
        add_text(&t, g->version);
        sb_time_format_ms(hour, g->hour_ms);
        sb_table_add(&t, sb_str_make(hour, 13)); /* 2026-11-24T08 */
        add_number(&t, g->journalled + g->lost);
        add_number(&t, g->journalled);
        if (c->journal_only)
            sb_table_add(&t, SB_STR("-"));
        else
            add_number(&t, g->indexed);
        sb_table_add(&t, sb_audit_group_equal(c, g) ? SB_STR("") : SB_STR("differs"));
    }
    sb_table_print(&t, out);
    sb_table_fini(&t);
    for (size_t i = 0; i < c->ngaps; i++)
        sb_buf_addf(out, "\nnot journalled: numbers %llu to %llu of run %llu of serving",
                    (unsigned long long)c->gap[i].from, (unsigned long long)c->gap[i].to - 1,
                    (unsigned long long)c->gap[i].life);
    for (size_t i = 0; i < c->nmissing; i++)
        sb_buf_addf(out, "\nnot indexed: %.*s", SB_ARG(c->missing[i]));
    if (c->ngaps || c->nmissing) sb_buf_addc(out, '\n');
    sb_buf_addf(out, "\n%lld answered, %lld journalled", (long long)(c->journalled + c->lost),
                (long long)c->journalled);
    if (!c->journal_only) sb_buf_addf(out, ", %lld indexed", (long long)c->indexed);
    sb_buf_addz(out, sb_audit_count_equal(c) ? ": equal\n" : ": they differ\n");
}

static void write_group(struct sb_json_writer *w, const struct sb_audit_count *c,
                        const struct sb_tally_group *g) {
    char hour[SB_TIME_TEXT];
    sb_json_obj(w, NULL);
    sb_json_str(w, "route", g->route);
    sb_json_str(w, "model", g->model);
    sb_json_str(w, "model_version", g->version);
    sb_json_str(w, "hour", sb_str_make(hour, sb_time_format_ms(hour, g->hour_ms)));
    sb_json_int(w, "answered", g->journalled + g->lost);
    sb_json_int(w, "journalled", g->journalled);
    if (!c->journal_only) sb_json_int(w, "indexed", g->indexed);
    sb_json_bool(w, "equal", sb_audit_group_equal(c, g));
    sb_json_end(w);
}

static void print_json(const struct sb_audit_count *c, struct sb_buf *out) {
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_bool(&w, "equal", sb_audit_count_equal(c));
    sb_json_int(&w, "answered", c->journalled + c->lost);
    sb_json_int(&w, "journalled", c->journalled);
    if (!c->journal_only) sb_json_int(&w, "indexed", c->indexed);
    sb_json_arr(&w, "groups");
    for (size_t i = 0; i < c->tally.n; i++)
        if (sb_audit_group_counts(c->tally.group[i])) write_group(&w, c, c->tally.group[i]);
    sb_json_end(&w);
    sb_json_arr(&w, "not_journalled");
    for (size_t i = 0; i < c->ngaps; i++) {
        sb_json_obj(&w, NULL);
        sb_json_int(&w, "run", (int64_t)c->gap[i].life);
        sb_json_int(&w, "from", (int64_t)c->gap[i].from);
        sb_json_int(&w, "to", (int64_t)c->gap[i].to);
        sb_json_end(&w);
    }
    sb_json_end(&w);
    sb_json_arr(&w, "not_indexed");
    for (size_t i = 0; i < c->nmissing; i++) sb_json_str(&w, NULL, c->missing[i]);
    sb_json_end(&w);
    sb_json_end(&w);
    sb_buf_addc(out, '\n');
}

enum sb_exit sb_audit_run(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct sb_audit_count c;
    struct sb_buf out;
    if (sb_cli_option(cli, "verify")) return verify(cli);
    sb_audit_count_init(&c, &cli->config);
    c.journal_only = sb_cli_option(cli, "journal-only") != NULL;
    c.progress = sb_process_is_terminal(2);
    sb_buf_init(&out, TEXT_MAX);
    sb_err err = sb_audit_count_run(&c, &ctx);
    if (err) {
        sb_cli_error("%s%s", sb_errctx_text(&ctx, err),
                     err == SB_E_UNAVAILABLE
                         ? "; is `sibyl up` running on this data folder (--data)? --journal-only "
                           "leaves the index out"
                         : "");
    } else {
        if (sb_cli_option(cli, "json"))
            print_json(&c, &out);
        else
            print_table(&c, &out);
        sb_text_print(&out);
    }
    bool equal = !err && sb_audit_count_equal(&c);
    sb_buf_fini(&out);
    sb_audit_count_fini(&c);
    return equal ? SB_EXIT_OK : SB_EXIT_FAILED;
}
