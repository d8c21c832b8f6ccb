/* Help texts and generated pages, all from the tables of commands, settings and routes. */
#include "app/cli.h"

#include <stdio.h>

#include "base/mem.h"

enum { WIDTH = 96, COLUMN = 30, PAGE_MAX = 1 << 20 };

/* Appends text wrapped at WIDTH, with lines after the first indented by `indent`. The first line
 * starts at column `at`. */
static void add_wrapped(struct sb_buf *out, const char *text, size_t at, size_t indent) {
    struct sb_str rest = sb_str_of(text), word;
    bool first = true;
    while (sb_str_split(&rest, ' ', &word)) {
        if (!first && at + 1 + word.n > WIDTH) {
            sb_buf_addf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            sb_buf_addc(out, ' ');
            at++;
        }
        sb_buf_adds(out, word);
        at += word.n;
        first = false;
    }
    sb_buf_addc(out, '\n');
}

/* "  left ......  text" */
static void add_row(struct sb_buf *out, const char *left, const char *text) {
    size_t n = strlen(left) + 2;
    sb_buf_addf(out, "  %s", left);
    if (n + 2 > COLUMN) {
        sb_buf_addf(out, "\n%*s", COLUMN, "");
    } else {
        sb_buf_addf(out, "%*s", (int)(COLUMN - n), "");
    }
    add_wrapped(out, text, COLUMN, COLUMN);
}

void sb_help_overview(struct sb_buf *out) {
    sb_buf_addz(out, "sibyl serves machine-learning models and keeps every prediction.\n\n"
                     "usage: sibyl COMMAND [FLAGS]\n\n");
    for (const struct sb_command *c = sb_commands; c->name; c++)
        if (!c->hidden) add_row(out, c->name, c->summary);
    sb_buf_addz(out,
                "\n`sibyl COMMAND --help` lists a command's flags. Exit codes: 0 done, 1 failed,\n"
                "2 wrong command line or setting, 3 port or data folder in use.\n");
}

static const char *metavar(const struct sb_setting *s) {
    static const char *const names[] = {
        [SB_SETTING_TEXT] = "TEXT", [SB_SETTING_INT] = "N",   [SB_SETTING_SIZE] = "SIZE",
        [SB_SETTING_TIME] = "TIME", [SB_SETTING_BOOL] = NULL, [SB_SETTING_CHOICE] = "WORD",
        [SB_SETTING_ADDR] = "ADDR", [SB_SETTING_URL] = "URL", [SB_SETTING_LIST] = "A,B",
    };
    return names[s->type];
}

static void add_option(struct sb_buf *out, const struct sb_option *o) {
    char left[80], letter[8] = "";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
    add_row(out, left, o->doc);
}

static void add_setting(struct sb_buf *out, const struct sb_setting *s) {
    char flag[64], left[80];
    const char *value = metavar(s);
    struct sb_buf text;
    sb_buf_init(&text, 4096);
    sb_setting_flag(s, flag);
    snprintf(left, sizeof left, "--%s%s%s", flag, value ? " " : "", value ? value : "");
    sb_buf_addf(&text, "%s (", s->doc);
    sb_setting_describe(s, &text);
    sb_buf_addc(&text, ')');
    add_row(out, left, sb_buf_cstr(&text));
    sb_buf_fini(&text);
}

void sb_help_command(struct sb_buf *out, const struct sb_command *c) {
    sb_buf_addf(out, "%s\n\nusage: sibyl %s%s%s [FLAGS]\n", c->summary, c->name,
                c->usage[0] ? " " : "", c->usage);
    if (c->details) sb_buf_addf(out, "\n%s\n", c->details);
    if (c->options) sb_buf_addz(out, "\nflags:\n");
    for (const struct sb_option *o = c->options; o && o->name; o++) add_option(out, o);
    if (!c->settings) return;
    sb_buf_addz(out,
                "\nsettings (also in a YAML file, and as SIBYL_... variables; a flag wins):\n");
    add_row(out, "--config FILE", "YAML file with settings; also SIBYL_CONFIG.");
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        if (sb_command_takes(c, s)) add_setting(out, s);
}

/* ---- Markdown pages ---- */

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

static const struct page {
    const char *name;
    void (*write)(struct sb_buf *out);
} pages[] = {
    {"configuration", page_configuration},
    {"cli", page_cli},
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
