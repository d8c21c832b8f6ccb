/* sibyl: the table of commands. Each is a row; what they do is in the files named by their run
 * functions. */
#include <stdio.h>

#include "app/cli.h"
#include "app/version.h"

static enum sb_exit run_version(struct sb_cli *cli) {
    SB_UNUSED(cli);
    printf("sibyl %s\n", SB_VERSION);
    return SB_EXIT_OK;
}

static const struct sb_option docs_options[] = {
    {"list", 0, NULL, "Name the pages."},
    {NULL, 0, NULL, NULL},
};

const struct sb_command sb_commands[] = {
    {.name = "version", .usage = "", .summary = "Print the version.", .run = run_version},
    {.name = "docs",
     .usage = "[PAGE]",
     .max_words = 1,
     .summary = "Print a page of documentation that is made from the program's tables.",
     .options = docs_options,
     .hidden = true,
     .run = sb_docs_run},
    {.name = NULL},
};

int main(int argc, char **argv) {
    return sb_cli_main(argc, argv);
}
