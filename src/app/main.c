/* sibyl: the table of commands. Each is a row; what they do is in the files named by their run
 * functions. */
#include <stdio.h>

#include "app/commands.h"
#include "app/daemon.h"
#include "domain/native/native.h"

static enum sb_exit run_serving(struct sb_cli *cli) {
    return sb_daemon_run(cli, &sb_role_serving);
}

static enum sb_exit run_platform(struct sb_cli *cli) {
    return sb_daemon_run(cli, &sb_role_platform);
}

static const char *const all_settings[] = {"*", NULL};
static const char *const client_settings[] = {"data", "serving.listen", "port_offset", NULL};
static const char *const alerts_settings[] = {"data", "dashboard.listen", "port_offset", NULL};
static const char *const search_settings[] = {"data", "search.listen", "port_offset", NULL};
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
     .examples = "  sibyl models\n"
                 "  sibyl models --json | jq -r '.models[].live.version'",
     .json = "the whole answer of GET /models: models, a list with name, live, shadow, "
             "failed_version, failure; live and shadow have model, version, alias, policy, "
             "backend, why, class, run_id, artifact_sha256, memory_bytes, inputs, outputs.",
     .options = sb_models_options,
     .settings = client_settings,
     .run = sb_models_run},
    {.name = "routes",
     .usage = "",
     .summary = "List routes: which version answers, which one shadows it, by which policy.",
     .details = "The policy says where a version's place comes from: an alias or stage in the "
                "registry,\nthe newest version, or the settings.",
     .json = "one object: routes, a list with route, primary, shadow (each model, version, alias, "
             "policy, backend), failed_version, failure, shadow_failure; registry with url, state.",
     .options = sb_routes_options,
     .settings = client_settings,
     .run = sb_routes_run},
    {.name = "predict",
     .usage = "NAME [JSON | @FILE | -]",
     .words = "@models",
     .min_words = 1,
     .max_words = 2,
     .summary = "Ask a model: one object of features, or a list of them.",
     .details =
         "The request is given as it is, in a file, or (-, and without a second word) on\n"
         "standard input. Any form that POST /models/NAME/predict takes will do. The answer\n"
         "is printed as it came: JSON.",
     .examples = "  sibyl predict churn '{\"age\": 41, \"plan\": \"gold\"}'\n"
                 "  sibyl predict iris @rows.json --request-id 42 --tag team=blue\n"
                 "  sibyl predict iris --url http://10.0.0.7:8000 < rows.json",
     .options = sb_predict_options,
     .settings = client_settings,
     .run = sb_predict_run},
    {.name = "events",
     .usage = "tail | show ID | search QUERY",
     .words = "tail|show|search",
     .min_words = 1,
     .max_words = 2,
     .summary = "Read recorded predictions: the newest ones, one by its id, or what a query finds.",
     .details = "tail and show read the data folder; the platform need not run. search asks the\n"
                "running platform, in the language of Elasticsearch's query_string.",
     .examples = "  sibyl events tail -f\n"
                 "  sibyl events tail -n 1000 --json | jq .prediction\n"
                 "  sibyl events show 0198f2c4-6c1e-7a55-9a7e-3f1f0d0c9b11\n"
                 "  sibyl events search 'status:error AND model:iris' --size 5\n"
                 "  sibyl events search 'latency.total_us:>1000' --columns @timestamp,model,user",
     .json = "one event a line (docs/formats/event.md has the fields); show always does.",
     .options = sb_events_options,
     .settings = search_settings,
     .run = sb_events_run},
    {.name = "alerts",
     .usage = "[list | show|silence|unsilence|enable|disable NAME | test | check FILE]",
     .words = "list|show|silence|unsilence|enable|disable|test|check",
     .max_words = 2,
     .summary = "Alert rules: which fire, why, and quiet for a while.",
     .details = "Asks the running platform; check only reads the file. docs/ALERTS.md has the\n"
                "rules' keys. unsilence takes a rule's name or a silence's id; test sends a test\n"
                "alert to every destination of the settings, or to the one named.",
     .examples = "  sibyl alerts\n"
                 "  sibyl alerts show 'latency p99'\n"
                 "  sibyl alerts silence 'error rate' --for 2h --why 'deploying'\n"
                 "  sibyl alerts check alerts.yaml",
     .json = "list: the answer of GET /api/alerts (docs/ALERTS.md); the others: the API's answer "
             "to what was asked; check: one object: ok, rules (how many), error, line.",
     .options = sb_alerts_options,
     .settings = alerts_settings,
     .run = sb_alerts_run},
    {.name = "reindex",
     .usage = "",
     .summary = "Build the indexes anew from the journal; the old ones answer until then.",
     .details =
         "The running platform does it, without a pause for predictions or searches. Works\n"
         "without it too. Indexes that were deleted or damaged are built again without this.",
     .examples = "  sibyl reindex\n"
                 "  sibyl reindex --index predictions --data /srv/sibyl",
     .json = "one object a line: index, documents, ms.",
     .options = sb_reindex_options,
     .settings = reader_settings,
     .run = sb_reindex_run},
    {.name = "audit",
     .usage = "",
     .summary = "Compare what was answered, what is recorded and what the index finds.",
     .details =
         "Counts per route, version and hour, and lists what differs. An index that is behind is\n"
         "waited for. --verify recomputes the hash chain over all sealed segments and names\n"
         "the first one that was changed; nothing needs to run for it. Exit code 1 when\n"
         "something differs.",
     .examples = "  sibyl audit\n"
                 "  sibyl audit --json | jq .equal\n"
                 "  sibyl audit --verify",
     .json = "equal, answered, journalled, indexed, groups (a list with route, model, "
             "model_version, hour, answered, journalled, indexed, equal), not_journalled (a list "
             "with run, from, to), not_indexed (event ids, at most 100). --verify: a list with "
             "topic, ok, chained, unchained, rewritten, bytes, differ, first_offset, why, link.",
     .options = sb_audit_options,
     .settings = search_settings,
     .run = sb_audit_run},
    {.name = "backup",
     .usage = "PATH",
     .words = "@folders",
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
     .words = "@folders",
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
    {.name = "gc",
     .usage = "",
     .summary = "Remove for good the runs, logged models and experiments that were deleted.",
     .details =
         "Rows and artifact files go; what was only marked deleted until now cannot be restored\n"
         "afterwards. Works while the platform runs, and without it. With ids of any kind, only\n"
         "these are removed. Kept unless --force: a run or logged model that holds the files of a\n"
         "registered model version. An experiment takes its deleted runs and its logged models\n"
         "with it, and stays while it has others. Files that are not in this registry's store (of\n"
         "s3://, say) are named and left.",
     .examples = "  sibyl gc --dry-run                    what would go\n"
                 "  sibyl gc --older-than 30d             what was deleted over a month ago\n"
                 "  sibyl gc --experiment-ids 12,15",
     .json = "one object a line: kind (run, logged_model, experiment), id, outcome (removed, "
             "kept, failed), why, files_left, error.",
     .options = sb_gc_options,
     .settings = reader_settings,
     .run = sb_gc_run},
    {.name = "doctor",
     .usage = "",
     .summary = "Look for what is wrong, explain it and say what to do.",
     .details = "Settings, data folder, disk, clock, ports, Python, limits; and what the running\n"
                "platform says, if it runs. Nothing is changed. Exit code 1 when something is\n"
                "broken. Give it the flags that `sibyl up` gets.",
     .examples = "  sibyl doctor --data /srv/sibyl\n"
                 "  sibyl doctor --json | jq '.checks[] | select(.state != \"ok\")'\n"
                 "  sibyl doctor --list                   what is checked, and why",
     .json = "one object: checks, a list with check, state (ok, warning, broken), found, meaning, "
             "next (when the state is not ok); broken and warnings, how many.",
     .options = sb_doctor_options,
     .settings = all_settings,
     .reports_settings = true,
     .run = sb_doctor_run},
    {.name = "completion",
     .usage = "bash | zsh | fish",
     .min_words = 1,
     .max_words = 1,
     .words = "bash|zsh|fish",
     .summary = "Print what makes a shell complete commands, flags, settings and model names.",
     .examples = "  source <(sibyl completion bash)            now; in ~/.bashrc: always\n"
                 "  source <(sibyl completion zsh)             in ~/.zshrc, after compinit\n"
                 "  sibyl completion fish | source",
     .run = sb_completion_run},
    {.name = "version",
     .usage = "",
     .summary = "Print the version.",
     .json = "one object: version, compiler, architecture, c_library, libraries (name: version), "
             "formats (the newest one of each that it writes).",
     .options = sb_version_options,
     .run = sb_version_run},
    {.name = "docs",
     .usage = "[PAGE]",
     .max_words = 1,
     .summary = "Print a page of documentation that is made from the program's tables.",
     .options = docs_options,
     .hidden = true,
     .run = sb_docs_run},
    {.name = "complete",
     .usage = "-- WORD...",
     .max_words = 10000,
     .summary = "Candidates for the last word; called by the shells' completion.",
     .hidden = true,
     .run = sb_complete_run},
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
