/* `sibyl docs`: pages of docs/ that are made from const tables, as Markdown. */
#include <stdio.h>

#include "api/admin/admin.h"
#include "api/alerts/alerts.h"
#include "api/mlflow/mlflow.h"
#include "api/mlflow_ui/mlflow_ui.h"
#include "api/search/search.h"
#include "api/serving/serving.h"
#include "api/ui/ui.h"
#include "app/cli.h"
#include "domain/metric/metric.h"
#include "domain/monitor/rule.h"
#include "domain/native/native.h"

enum { PAGE_MAX = 1 << 20 };

static void page_head(struct sb_buf *out, const char *title) {
    sb_buf_addf(
        out,
        "# %s\n\n<!-- Made by tools/make-docs from the program's tables; edits are lost. -->\n\n",
        title);
}

static void page_configuration(struct sb_buf *out) {
    page_head(out, "Configuration");
    sb_buf_addz(
        out,
        "Every setting can be given in a YAML file (`--config FILE` or `SIBYL_CONFIG`), as an\n"
        "environment variable and as a flag; a flag wins over a variable, a variable over the "
        "file.\nUnknown settings and values that are not allowed are refused at start.\n\n"
        "```yaml\nserving:\n  listen: 127.0.0.1:8000\n  timeout: 10s\nlog:\n  level: debug\n```\n\n"
        "| setting | flag | environment | allowed; default | what it does "
        "|\n|---|---|---|---|---|\n");
    for (const struct sb_setting *s = sb_settings; s->key; s++) {
        char flag[64], env[64];
        sb_setting_flag(s, flag);
        sb_setting_env(s, env);
        sb_buf_addf(out, "| `%s` | `--%s` | `%s`", s->key, flag, env);
        for (size_t i = 0; i < SB_COUNT(s->env) && s->env[i]; i++)
            sb_buf_addf(out, " `%s`", s->env[i]);
        sb_buf_addz(out, " | ");
        sb_setting_describe(s, out);
        sb_buf_addf(out, " | %s |\n", s->doc);
    }
}

static void page_cli(struct sb_buf *out) {
    page_head(out, "Command line");
    sb_buf_addz(out, "Exit codes: 0 done, 1 failed, 2 wrong command line or setting (nothing was "
                     "done), 3 a port or the\ndata folder is in use.\n");
    for (const struct sb_command *c = sb_commands; c->name; c++) {
        if (c->hidden) continue;
        sb_buf_addf(out, "\n## sibyl %s\n\n```\n", c->name);
        if (c->settings && strcmp(c->settings[0], "*") == 0) {
            struct sb_command brief = *c; /* CONFIGURATION.md has the settings */
            brief.settings = NULL;
            sb_help_command(out, &brief);
            sb_buf_addz(out, "\nand every setting of CONFIGURATION.md\n");
        } else {
            sb_help_command(out, c);
        }
        sb_buf_addz(out, "```\n");
    }
}

static void page_metrics(struct sb_buf *out) {
    static const char *const types[] = {
        [SB_COUNTER] = "counter", [SB_GAUGE] = "gauge", [SB_HISTOGRAM] = "histogram"};
    page_head(out, "Metrics");
    sb_buf_addz(out,
                "`GET /metrics` in Prometheus' text format: of the predictions API, what concerns "
                "predictions; of the registry\nand the dashboard, what concerns indexes, alerts, "
                "cost and capacity. Each metric has at most a fixed number of\nseries: label sets "
                "beyond it are counted under `other`. What both were every 5 s is kept in topic "
                "and index `metrics`\n(formats/metrics.md).\n\n"
                "| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < SB_METRIC_COUNT; i++) {
        const struct sb_metric_desc *m = &sb_metric_table[i];
        sb_buf_addf(out, "| `%s` | %s |", m->name, types[m->type]);
        for (size_t k = 0; k < SB_METRIC_LABELS_MAX && m->labels[k]; k++)
            sb_buf_addf(out, " `%s`", m->labels[k]);
        sb_buf_addf(out, " | %s |\n", m->help);
    }
}

static void add_routes(struct sb_buf *out, const char *title, const struct sb_http_route *routes) {
    static const char *const scopes[] = {[SB_SCOPE_PUBLIC] = "public",
                                         [SB_SCOPE_PREDICT] = "predict",
                                         [SB_SCOPE_READ] = "read",
                                         [SB_SCOPE_WRITE] = "write",
                                         [SB_SCOPE_ADMIN] = "admin"};
    if (title)
        sb_buf_addf(out, "\n## %s\n\n| route | scope | what it does |\n|---|---|---|\n", title);
    for (const struct sb_http_route *r = routes; r->pattern; r++)
        sb_buf_addf(out, "| `%s %s` | %s | %s |\n", sb_http_method_name(r->method), r->pattern,
                    scopes[r->scope], r->doc);
}

static void page_routes(struct sb_buf *out) {
    page_head(out, "Routes");
    sb_buf_addz(out, "The scope says what a caller must be allowed to do; without authentication "
                     "everybody who reaches the\nport may. `GET` routes answer `HEAD` too.\n");
    add_routes(out, "Predictions, port 8000", sb_serving_routes);
    for (size_t i = 0; sb_mlflow_api_tables[i]; i++)
        add_routes(out, i ? NULL : "Registry, port 5000", sb_mlflow_api_tables[i]);
    add_routes(out, NULL, sb_mlflow_ui_routes);
    add_routes(out, NULL, sb_admin_metrics_routes);
    add_routes(out, "Dashboard, port 3000", sb_ui_routes);
    add_routes(out, NULL, sb_admin_routes);
    add_routes(out, NULL, sb_alerts_routes);
    add_routes(out, "Search, port 9200, and below /api/search of port 3000", sb_search_routes);
}

static void page_native_models(struct sb_buf *out) {
    page_head(out, "Native models");
    sb_native_docs(out);
}

static void page_alert_rules(struct sb_buf *out) {
    page_head(out, "Alert rules");
    sb_monitor_docs(out);
}

static const struct page {
    const char *name;
    void (*write)(struct sb_buf *out);
} pages[] = {
    {"configuration", page_configuration},
    {"cli", page_cli},
    {"metrics", page_metrics},
    {"routes", page_routes},
    {"native-models", page_native_models},
    {"alert-rules", page_alert_rules},
};

enum sb_exit sb_docs_run(struct sb_cli *cli) {
    if (sb_cli_option(cli, "list")) {
        for (size_t i = 0; i < SB_COUNT(pages); i++) puts(pages[i].name);
        return SB_EXIT_OK;
    }
    for (size_t i = 0; cli->nwords && i < SB_COUNT(pages); i++) {
        if (strcmp(pages[i].name, cli->words[0])) continue;
        struct sb_buf out;
        sb_buf_init(&out, PAGE_MAX);
        pages[i].write(&out);
        fputs(sb_buf_cstr(&out), stdout);
        sb_buf_fini(&out);
        return SB_EXIT_OK;
    }
    sb_cli_error("usage: sibyl docs PAGE (`sibyl docs --list` names the pages)");
    return SB_EXIT_USAGE;
}
