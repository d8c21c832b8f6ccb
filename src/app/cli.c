/* Command line -> command, settings, options and words. */
#include "app/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/text.h"
#include "base/log.h"
#include "base/mem.h"
#include "sys/file.h"

enum { OUTPUT_MAX = 1 << 20, CONFIG_FILE_MAX = 1 << 20 };

void sb_cli_error(const char *fmt, ...) {
    struct sb_buf said, safe;
    va_list ap;
    sb_buf_init(&said, OUTPUT_MAX);
    sb_buf_init(&safe, OUTPUT_MAX);
    va_start(ap, fmt);
    sb_buf_vaddf(&said, fmt, ap);
    va_end(ap);
    sb_text_add(&safe, sb_buf_view(&said));
    fprintf(stderr, "sibyl: %s\n", sb_buf_cstr(&safe));
    sb_buf_fini(&said);
    sb_buf_fini(&safe);
}

static const struct sb_command *command_of(const char *name) {
    for (const struct sb_command *c = sb_commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

const char *sb_cli_option(const struct sb_cli *cli, const char *name) {
    const char *last = NULL, *value;
    for (size_t at = 0; (value = sb_cli_option_next(cli, name, &at));) last = value;
    return last;
}

const char *sb_cli_option_next(const struct sb_cli *cli, const char *name, size_t *at) {
    while (*at < cli->noptions) {
        const struct sb_option_given *g = &cli->options[(*at)++];
        if (strcmp(g->option->name, name) == 0) return g->value;
    }
    return NULL;
}

bool sb_cli_number(const struct sb_cli *cli, const char *name, int64_t min, int64_t max,
                   int64_t *out) {
    int64_t n;
    const char *text = sb_cli_option(cli, name);
    if (!text) return true;
    if (!sb_str_to_i64(sb_str_of(text), &n) || n < min || n > max) {
        sb_cli_error("--%s \"%s\": allowed is a whole number, %lld to %lld", name, text,
                     (long long)min, (long long)max);
        return false;
    }
    *out = n;
    return true;
}

bool sb_command_takes(const struct sb_command *c, const struct sb_setting *s) {
    for (const char *const *p = c->settings; p && *p; p++) {
        size_t n = strlen(*p);
        if (strcmp(*p, "*") == 0 || strcmp(*p, s->key) == 0) return true;
        if ((*p)[n - 1] == '.' && strncmp(*p, s->key, n) == 0) return true;
    }
    return false;
}

/* ---- one pass over the arguments ---- */

struct given {
    const struct sb_setting *setting;
    const char *flag, *value;
};

struct parse {
    struct sb_cli *cli;
    char **argv;
    int argc, at;
    const char *config_file;
    struct given *given; /* settings given as flags: they win, so they are applied last */
    size_t ngiven;
    struct sb_option_given *options;
    const char **words;
    bool help, only_words;
};

/* All names that may stand after "--" for this command. */
static const char *const *flag_names(struct sb_arena *a, const struct sb_command *c) {
    const char **names =
        sb_arena_zalloc(a, (SB_CLI_OPTIONS_MAX + sb_setting_count() + 3) * sizeof *names);
    size_t n = 0;
    names[n++] = "help";
    if (c->settings) names[n++] = "config";
    for (const struct sb_option *o = c->options; o && o->name; o++) names[n++] = o->name;
    for (const struct sb_setting *s = sb_settings; s->key; s++) {
        if (!sb_command_takes(c, s)) continue;
        char name[64];
        sb_setting_flag(s, name);
        names[n++] = sb_arena_dup(a, sb_str_of(name)).p;
    }
    return names;
}

static enum sb_exit unknown_flag(const struct parse *p, struct sb_str name) {
    const struct sb_command *c = p->cli->command;
    const char *near = sb_nearest(name, flag_names(&p->cli->config.arena, c));
    if (near)
        sb_cli_error("%s has no flag --%.*s; is --%s meant?", c->name, SB_ARG(name), near);
    else
        sb_cli_error("%s has no flag --%.*s; `sibyl %s --help` lists them", c->name, SB_ARG(name),
                     c->name);
    return SB_EXIT_USAGE;
}

/* The value behind "=" or the next argument. */
static enum sb_exit take_value(struct parse *p, struct sb_str name, struct sb_str inline_value,
                               const char **out) {
    if (inline_value.p) {
        *out = inline_value.p;
        return SB_EXIT_OK;
    }
    if (p->at + 1 >= p->argc) {
        sb_cli_error("--%.*s needs a value", SB_ARG(name));
        return SB_EXIT_USAGE;
    }
    *out = p->argv[++p->at];
    return SB_EXIT_OK;
}

static enum sb_exit take_option(struct parse *p, size_t row, struct sb_str name,
                                struct sb_str inline_value) {
    const struct sb_option *o = &p->cli->command->options[row];
    struct sb_option_given *g = &p->options[p->cli->noptions];
    *g = (struct sb_option_given){o, ""};
    if (o->value) {
        enum sb_exit rc = take_value(p, name, inline_value, &g->value);
        if (rc) return rc;
    } else if (inline_value.p) {
        sb_cli_error("--%s takes no value", o->name);
        return SB_EXIT_USAGE;
    }
    p->cli->noptions++;
    return SB_EXIT_OK;
}

static enum sb_exit take_setting(struct parse *p, const struct sb_setting *s, struct sb_str name,
                                 struct sb_str inline_value) {
    struct given *g = &p->given[p->ngiven++];
    *g = (struct given){s, sb_arena_dup(&p->cli->config.arena, name).p, "true"};
    if (s->type == SB_SETTING_BOOL && !inline_value.p) return SB_EXIT_OK;
    return take_value(p, name, inline_value, &g->value);
}

static enum sb_exit take_long(struct parse *p, const char *text) {
    struct sb_str rest = sb_str_of(text), name;
    sb_str_split(&rest, '=', &name);
    const struct sb_command *c = p->cli->command;
    if (sb_str_is(name, "help")) {
        p->help = true;
        return SB_EXIT_OK;
    }
    if (c->settings && sb_str_is(name, "config")) return take_value(p, name, rest, &p->config_file);
    for (size_t i = 0; c->options && c->options[i].name; i++)
        if (sb_str_is(name, c->options[i].name)) return take_option(p, i, name, rest);
    const struct sb_setting *s = sb_setting_of_flag(name);
    if (s && sb_command_takes(c, s)) return take_setting(p, s, name, rest);
    return unknown_flag(p, name);
}

static enum sb_exit take_letters(struct parse *p, const char *letters) {
    const struct sb_command *c = p->cli->command;
    for (const char *l = letters; *l; l++) {
        size_t i = 0;
        if (*l == 'h') {
            p->help = true;
            continue;
        }
        while (c->options && c->options[i].name && c->options[i].letter != *l) i++;
        if (!c->options || !c->options[i].name) {
            sb_cli_error("%s has no flag -%c; `sibyl %s --help` lists them", c->name, *l, c->name);
            return SB_EXIT_USAGE;
        }
        struct sb_str rest = {l[1] ? l + 1 : NULL, strlen(l + 1)};
        bool takes = c->options[i].value != NULL;
        enum sb_exit rc = take_option(p, i, sb_str_of(c->options[i].name),
                                      takes ? rest : (struct sb_str){NULL, 0});
        if (rc || takes) return rc;
    }
    return SB_EXIT_OK;
}

static enum sb_exit parse_arguments(struct parse *p) {
    for (; p->at < p->argc; p->at++) {
        const char *a = p->argv[p->at];
        enum sb_exit rc = SB_EXIT_OK;
        if (p->only_words || a[0] != '-' || a[1] == 0)
            p->words[p->cli->nwords++] = a;
        else if (strcmp(a, "--") == 0)
            p->only_words = true;
        else if (a[1] == '-')
            rc = take_long(p, a + 2);
        else
            rc = take_letters(p, a + 1);
        if (rc) return rc;
    }
    return SB_EXIT_OK;
}

static enum sb_exit check_words(const struct sb_cli *cli) {
    const struct sb_command *c = cli->command;
    if (cli->nwords >= c->min_words && cli->nwords <= c->max_words) return SB_EXIT_OK;
    if (cli->nwords > c->max_words && c->max_words == 0)
        sb_cli_error("%s takes no arguments, got \"%s\"", c->name, cli->words[0]);
    else
        sb_cli_error("usage: sibyl %s %s", c->name, c->usage);
    return SB_EXIT_USAGE;
}

/* ---- settings: file, environment, flags ---- */

static const char *environment(const char *name) {
    return getenv(name);
}

static sb_err load_file(struct sb_config *c, const char *file, struct sb_errctx *ctx) {
    struct sb_buf text;
    sb_buf_init(&text, CONFIG_FILE_MAX);
    sb_err err = sb_file_read_all(file, &text, ctx);
    if (!err) err = sb_config_yaml(c, sb_buf_view(&text), file, ctx);
    sb_buf_fini(&text);
    return err;
}

static sb_err load_environment(struct parse *p, struct sb_errctx *ctx) {
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        if (sb_command_takes(p->cli->command, s))
            SB_TRY(sb_config_env(&p->cli->config, s, environment, ctx));
    return SB_OK;
}

static sb_err load_flags(struct parse *p, struct sb_errctx *ctx) {
    struct sb_config *c = &p->cli->config;
    for (size_t i = 0; i < p->ngiven; i++) {
        const char *origin = sb_arena_printf(&c->arena, "--%s", p->given[i].flag);
        SB_TRY(
            sb_config_set(c, p->given[i].setting, p->given[i].value, SB_SOURCE_FLAG, origin, ctx));
    }
    return SB_OK;
}

static sb_err load_config_file(struct parse *p, struct sb_errctx *ctx) {
    const char *file = p->config_file ? p->config_file : getenv("SIBYL_CONFIG");
    if (!file || !*file) return SB_OK;
    p->cli->config_file = file;
    return load_file(&p->cli->config, file, ctx);
}

static sb_err finish_settings(struct parse *p, struct sb_errctx *ctx) {
    return sb_config_finish(&p->cli->config, ctx);
}

/* In the order in which later sources win. The first failure ends it, unless the command reports
 * what is wrong: then the rest is loaded all the same. */
static sb_err load_settings(struct parse *p, struct sb_errctx *ctx) {
    sb_err (*const steps[])(struct parse *, struct sb_errctx *) = {
        load_config_file, load_environment, load_flags, finish_settings};
    sb_err first = SB_OK;
    for (size_t i = 0; i < SB_COUNT(steps); i++) {
        sb_err err = steps[i](p, ctx);
        if (!first) first = err;
        if (err && !p->cli->command->reports_settings) return err;
    }
    return first;
}

static void set_up_log(const struct sb_config *c) {
    enum sb_log_level level = SB_LOG_INFO;
    SB_ASSERT(sb_log_level_parse(sb_str_of(c->log_level), &level));
    sb_log_setup(level, strcmp(c->log_format, "json") == 0, 2);
}

/* ---- main ---- */

static enum sb_exit print_help(const struct sb_command *c) {
    struct sb_buf out;
    sb_buf_init(&out, OUTPUT_MAX);
    if (c)
        sb_help_command(&out, c);
    else
        sb_help_overview(&out);
    fputs(sb_buf_cstr(&out), stdout);
    sb_buf_fini(&out);
    return SB_EXIT_OK;
}

static enum sb_exit unknown_command(const char *name) {
    const char *names[64];
    size_t n = 0;
    for (const struct sb_command *c = sb_commands; c->name && n + 1 < SB_COUNT(names); c++)
        if (!c->hidden) names[n++] = c->name;
    names[n] = NULL;
    const char *near = sb_nearest(sb_str_of(name), names);
    if (near)
        sb_cli_error("there is no command \"%s\"; is `sibyl %s` meant?", name, near);
    else
        sb_cli_error("there is no command \"%s\"; `sibyl --help` lists them", name);
    return SB_EXIT_USAGE;
}

static enum sb_exit run_command(struct parse *p) {
    struct sb_cli *cli = p->cli;
    struct sb_errctx ctx = {0};
    enum sb_exit rc = parse_arguments(p);
    if (rc) return rc;
    if (p->help) return print_help(cli->command);
    cli->words = p->words;
    rc = check_words(cli);
    if (rc) return rc;
    sb_err err = load_settings(p, &ctx);
    if (err && !cli->command->reports_settings) {
        sb_cli_error("%s", sb_errctx_text(&ctx, err));
        return SB_EXIT_USAGE;
    }
    if (err) cli->settings_problem = sb_arena_printf(&cli->config.arena, "%s", ctx.msg);
    set_up_log(&cli->config);
    return cli->command->run(cli);
}

enum sb_exit sb_cli_main(int argc, char **argv) {
    if (argc < 2) {
        print_help(NULL);
        return SB_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return print_help(NULL);
    if (strcmp(name, "--version") == 0) name = "version";
    if (strcmp(name, "help") == 0) {
        const struct sb_command *about = argc > 2 ? command_of(argv[2]) : NULL;
        return argc > 2 && !about ? unknown_command(argv[2]) : print_help(about);
    }
    struct sb_cli cli = {.program = argv[0], .command = command_of(name)};
    if (!cli.command) return unknown_command(name);
    sb_config_init(&cli.config);
    struct parse p = {.cli = &cli, .argv = argv, .argc = argc, .at = 2};
    p.given = sb_arena_zalloc(&cli.config.arena, (size_t)argc * sizeof *p.given);
    size_t letters = (size_t)argc; /* each may be an option: -fn */
    for (int i = 0; i < argc; i++) letters += strlen(argv[i]);
    p.options = sb_arena_zalloc(&cli.config.arena, letters * sizeof *p.options);
    cli.options = p.options;
    p.words = sb_arena_zalloc(&cli.config.arena, (size_t)(argc + 1) * sizeof *p.words);
    enum sb_exit rc = run_command(&p);
    sb_config_fini(&cli.config);
    return rc;
}
