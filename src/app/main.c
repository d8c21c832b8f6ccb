/* sibyl: the table of commands. Each is a row; what they do is in the files named by their run
 * functions. */
#include <stdio.h>

#include "app/commands.h"
#include "app/daemon.h"
#include "app/version.h"
#include "domain/native/native.h"

static enum sb_exit run_version(struct sb_cli *cli) {
    SB_UNUSED(cli);
    printf("sibyl %s\n", SB_VERSION);
    return SB_EXIT_OK;
}

static enum sb_exit run_serving(struct sb_cli *cli) {
    return sb_daemon_run(cli, &sb_role_serving);
}

static enum sb_exit run_platform(struct sb_cli *cli) {
    return sb_daemon_run(cli, &sb_role_platform);
}

static const char *const all_settings[] = {"*", NULL};
static const char *const client_settings[] = {"data", "serving.listen", "port_offset", NULL};
static const char *const reader_settings[] = {"data", NULL};

static const struct sb_option docs_options[] = {
    {"list", 0, NULL, "Name the pages."},
    {NULL, 0, NULL, NULL},
};

const struct sb_command sb_commands[] = {
    {.name = "up",
     .usage = "",
     .summary = "Start the platform: predictions, registry and dashboard, until Ctrl-C.",
     .details =
         "Everything is kept in one data folder. The processes are restarted when they end by\n"
         "themselves. SIGTERM and Ctrl-C answer what is in flight, at most 10 s; a second Ctrl-C\n"
         "ends at once.",
     .settings = all_settings,
     .run = sb_up_run},
    {.name = "demo",
     .usage = "",
     .summary = "The same with two sample models and sample traffic.",
     .details = "Registers the model `iris`: version 1 is live, version 2 runs in its shadow. The\n"
                "traffic's values drift slowly and come back.",
     .options = sb_demo_options,
     .settings = all_settings,
     .run = sb_demo_run},
    {.name = "models",
     .usage = "",
     .summary = "List models: the live version, where it runs and why.",
     .options = sb_models_options,
     .settings = client_settings,
     .run = sb_models_run},
    {.name = "predict",
     .usage = "NAME [JSON]",
     .min_words = 1,
     .max_words = 2,
     .summary = "Ask a model: one object of features, or a list of them.",
     .details = "Without JSON the request is read from standard input.",
     .settings = client_settings,
     .run = sb_predict_run},
    {.name = "events",
     .usage = "tail | show ID",
     .min_words = 1,
     .max_words = 2,
     .summary = "Read recorded predictions: the newest ones, or one by its id.",
     .details = "Reads the data folder; the platform need not run.",
     .options = sb_events_options,
     .settings = reader_settings,
     .run = sb_events_run},
    {.name = "backup",
     .usage = "PATH",
     .min_words = 1,
     .max_words = 1,
     .summary = "Copy the data folder, also while it is in use, into the new folder PATH.",
     .details =
         "All that was acknowledged before it began is in it, and every artifact its registry\n"
         "names; predictions go on meanwhile. PATH is there when all of it is, or not at all.\n"
         "Artifacts are files that never change: on the same disk they get a second name instead\n"
         "of a copy.",
     .examples = "  sibyl backup /backup/monday           a backup of ./sibyl-data\n"
                 "  sibyl backup /backup/monday --verify  reads it and compares every checksum",
     .json = "one object: backup (path), created, files, bytes, linked (files that are second "
             "names), left_out, first_offset and next_offset (of the events in it), config (the "
             "settings file is in it), ms.",
     .options = sb_backup_options,
     .settings = reader_settings,
     .run = sb_backup_run},
    {.name = "restore",
     .usage = "PATH",
     .min_words = 1,
     .max_words = 1,
     .summary = "Make a data folder of the backup at PATH.",
     .details = "The folder named by --data must not be there, or be empty. Every checksum is\n"
                "verified before anything is written; the folder is there when all of it is, or\n"
                "not at all. Nothing needs to run, and nothing may use the folder.",
     .examples = "  sibyl restore /backup/monday --data /srv/sibyl",
     .json = "the same object as backup's, and data (path).",
     .options = sb_restore_options,
     .settings = reader_settings,
     .run = sb_restore_run},
    {.name = "version", .usage = "", .summary = "Print the version.", .run = run_version},
    {.name = "docs",
     .usage = "[PAGE]",
     .max_words = 1,
     .summary = "Print a page of documentation that is made from the program's tables.",
     .options = docs_options,
     .hidden = true,
     .run = sb_docs_run},
    {.name = "serving",
     .usage = "PARENT",
     .min_words = 1,
     .max_words = 1,
     .summary = "The predictions process; started by `sibyl up`.",
     .settings = all_settings,
     .hidden = true,
     .run = run_serving},
    {.name = "platform",
     .usage = "PARENT",
     .min_words = 1,
     .max_words = 1,
     .summary = "The registry and dashboard process; started by `sibyl up`.",
     .settings = all_settings,
     .hidden = true,
     .run = run_platform},
    {.name = NULL},
};

int main(int argc, char **argv) {
    /* The sandboxed child: nothing of the above, and no settings, concerns it. */
    if (argc > 1 && strcmp(argv[1], "convert") == 0)
        return sb_native_convert_main(argc - 1, argv + 1);
    return (int)sb_cli_main(argc, argv);
}
