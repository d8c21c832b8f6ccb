/* The command line: one const table of commands, their options, and the settings each of them
 * takes. Help texts and docs/CLI.md come from the tables. */
#ifndef SB_APP_CLI_H
#define SB_APP_CLI_H

#include <stdbool.h>

#include "app/config.h"

/* Exit codes, the same for every command. */
enum sb_exit {
    SB_EXIT_OK = 0,
    SB_EXIT_FAILED = 1, /* it was tried and did not work */
    SB_EXIT_USAGE = 2,  /* the command line or a setting is wrong; nothing was done */
    SB_EXIT_BUSY = 3,   /* a port or the data folder is in use by another process */
};

struct sb_option {
    const char *name;  /* "json" -> --json */
    char letter;       /* 'f' -> -f; 0 = none */
    const char *value; /* what its value is called, "N"; NULL = a switch */
    const char *doc;
};

enum { SB_CLI_OPTIONS_MAX = 16 };

/* An option as it stood on the command line. */
struct sb_option_given {
    const struct sb_option *option;
    const char *value; /* "" of a switch */
};

struct sb_cli {
    const char *program; /* as it was called */
    const struct sb_command *command;
    struct sb_config config;
    const char *config_file;      /* as given by flag or variable; NULL = none */
    const char *settings_problem; /* why they could not be loaded, for a command that says so */
    const struct sb_option_given *options; /* in the order given */
    size_t noptions;
    const char *const *words; /* what is neither option nor setting; NULL-terminated */
    size_t nwords;
};

struct sb_command {
    const char *name;
    const char *usage; /* of its words: "NAME [JSON]"; "" when it takes none */
    size_t min_words, max_words;
    /* What the first word can be, for completion: "tail|show", "@models" of the running platform,
     * "@files", "@folders", "@commands"; NULL = nothing that is known. */
    const char *words;
    const char *summary; /* one line */
    const char *details; /* paragraph(s) of `--help`; NULL when the summary says all */
    const char *json;    /* what `--json` prints, field by field; NULL when there is no such flag */
    const char *examples; /* command lines with a word of what they do, one a line */
    /* NULL, or ends with a row whose name is NULL */
    const struct sb_option *options;
    /* Settings it takes as flags: NULL-terminated list of keys or groups ("serving."); "*" = all.
     */
    const char *const *settings;
    bool hidden;           /* started by other commands, not by people */
    bool reports_settings; /* runs with wrong settings too: cli->settings_problem */
    enum sb_exit (*run)(struct sb_cli *cli);
};

/* Ends with a row whose name is NULL. In main.c: the only place that knows all commands. */
extern const struct sb_command sb_commands[];

/* Parses, loads settings, runs. Everything people read goes to standard output, problems to
 * standard error. */
enum sb_exit sb_cli_main(int argc, char **argv);

/* Value of the command's option of that name, "" for a switch; NULL when absent, the last one when
 * it is given again. */
const char *sb_cli_option(const struct sb_cli *cli, const char *name);
/* Each value of an option, in order: start with *at = 0; NULL at the end. */
const char *sb_cli_option_next(const struct sb_cli *cli, const char *name, size_t *at);
/* The same as sb_cli_option for a whole number: *out stays when it is absent. false, and said, when
 * it is no such number from min to max. */
bool sb_cli_number(const struct sb_cli *cli, const char *name, int64_t min, int64_t max,
                   int64_t *out);

/* "sibyl: text" on standard error, made safe for a terminal. */
void sb_cli_error(const char *fmt, ...) SB_PRINTF(1, 2);

/* Pages made from tables. */
void sb_help_overview(struct sb_buf *out);
void sb_help_command(struct sb_buf *out, const struct sb_command *c);
bool sb_command_takes(const struct sb_command *c, const struct sb_setting *s);

/* `sibyl docs`: CONFIGURATION, CLI, ... as Markdown. */
enum sb_exit sb_docs_run(struct sb_cli *cli);

#endif
