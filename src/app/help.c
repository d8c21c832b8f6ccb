/* Help texts, all from the tables of commands and settings. */
#include "app/cli.h"

#include <stdio.h>

enum { WIDTH = 96, COLUMN = 30 };

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
        [SB_SETTING_TEXT] = "TEXT",      [SB_SETTING_INT] = "N",       [SB_SETTING_SIZE] = "SIZE",
        [SB_SETTING_TIME] = "TIME",      [SB_SETTING_BOOL] = NULL,     [SB_SETTING_CHOICE] = "WORD",
        [SB_SETTING_ADDR] = "ADDR",      [SB_SETTING_URL] = "URL",     [SB_SETTING_LIST] = "A,B",
        [SB_SETTING_SECRET_URL] = "URL", [SB_SETTING_ROUTES] = "YAML",
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
    if (c->examples) sb_buf_addf(out, "\nexamples:\n%s\n", c->examples);
    if (c->options) sb_buf_addz(out, "\nflags:\n");
    for (const struct sb_option *o = c->options; o && o->name; o++) add_option(out, o);
    if (c->json) {
        sb_buf_addz(out, "\n--json prints: ");
        add_wrapped(out, c->json, 15, 2);
    }
    if (!c->settings) return;
    sb_buf_addz(out,
                "\nsettings (also in a YAML file, and as SIBYL_... variables; a flag wins):\n");
    add_row(out, "--config FILE", "YAML file with settings; also SIBYL_CONFIG.");
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        if (sb_command_takes(c, s)) add_setting(out, s);
}
