/* sibyl doctor: the table of checks, and how findings are shown. */
#include <stdarg.h>
#include <stdio.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/datadir.h"
#include "app/doctor_int.h"
#include "app/text.h"
#include "sys/process.h"

enum { TEXT_MAX = 1 << 20, STDOUT = 1 };

/* In this order: what comes later may rest on what comes before. */
static const struct sb_check checks[] = {
    {"settings", "Flags, SIBYL_ variables and the settings file are understood.",
     "correct it; docs/CONFIGURATION.md lists all settings with what is allowed",
     sb_check_settings},
    {"data folder", "All that is kept lies in one folder of a format that this program knows.",
     "name the right folder with --data, or use the sibyl that wrote it", sb_check_data_folder},
    {"permissions", "The user that runs sibyl writes the data folder and owns its files.",
     "run sibyl as the folder's owner, or give it to this user with chown -R",
     sb_check_permissions},
    {"lock", "One supervisor owns the data folder at a time.",
     "stop that process, or name another folder with --data", sb_check_lock},
    {"file system", "What is acknowledged must outlive a restart of the machine or container.",
     "put the data folder on a local disk (in a container: on a volume)", sb_check_file_system},
    {"free space", "Without space nothing is acknowledged: predictions get 503.",
     "make room, or limit the journal with --journal-retain-size or --journal-retain-time",
     sb_check_free_space},
    {"disk speed", "Every prediction waits until its event is on disk (fdatasync).",
     "use a faster disk; network and thin-provisioned volumes are often slow to sync",
     sb_check_disk_speed},
    {"journal", "Every prediction that was answered is in it.",
     "damaged ranges are kept in journal/predictions/quarantine; restore a backup if you need them",
     sb_check_journal},
    {"registry", "Models, runs and experiments are in one database.",
     "restore a backup: `sibyl restore BACKUP --data NEW_FOLDER`", sb_check_registry},
    {"clock", "Events carry the machine's time.",
     "run a time service (chrony, systemd-timesyncd), and set the clock", sb_check_clock},
    {"port of serving", "Clients ask for predictions there.",
     "stop that process, or move all ports with --port-offset 1000", sb_check_port_serving},
    {"port of registry", "MLflow clients register models there.",
     "stop that process, or move all ports with --port-offset 1000", sb_check_port_registry},
    {"port of dashboard", "Browsers look at the live page there.",
     "stop that process, or move all ports with --port-offset 1000", sb_check_port_dashboard},
    {"port of search", "Clients of Elasticsearch search events there.",
     "stop that process, or move all ports with --port-offset 1000", sb_check_port_search},
    {"serving", "The running process answers, and what it answers of its own health.",
     "read its log; `sibyl models` says why a version is not live", sb_check_health_serving},
    {"registry API", "The running process answers.", "read its log", sb_check_health_registry},
    {"dashboard", "The running process answers.", "read its log", sb_check_health_dashboard},
    {"indexes", "What was recorded can be searched a moment later.",
     "read the log of platform; `sibyl reindex` builds them anew", sb_check_indexes},
    {"program files", "python/ and share/ lie beside the program.",
     "name the folder that holds them with --home", sb_check_program_files},
    {"python", "Models that are not computed natively run in this interpreter, with mlflow.",
     "install mlflow there, or name another interpreter with --python; --worker-processes 0 does "
     "without",
     sb_check_python},
    {"model packages", "A model may answer differently with other versions than it was made with.",
     "install these versions, or use --worker-environment model", sb_check_packages},
    {"converter", "Model files are read in a child process that the kernel holds back (seccomp).",
     "allow seccomp filters and new processes (in a container: its security profile)",
     sb_check_converter},
    {"open files", "Each connection and each journal file takes one.",
     "raise it: ulimit -Hn, LimitNOFILE= of the systemd unit", sb_check_open_files},
    {"memory", "Python models take hundreds of MB each.",
     "stop something else, or serve fewer models", sb_check_memory},
};

const struct sb_option sb_doctor_options[] = {
    SB_CLIENT_JSON_OPTION,
    {"list", 0, NULL, "Check nothing; print what is checked, why, and what to do."},
    {NULL, 0, NULL, NULL},
};

void sb_finding_set(struct sb_finding *f, enum sb_finding_state state, const char *fmt, ...) {
    va_list ap;
    f->state = state;
    va_start(ap, fmt);
    sb_buf_vaddf(&f->text, fmt, ap);
    va_end(ap);
}

/* ---- what is shown ---- */

static const char *const states[] = {
    [SB_FINDING_OK] = "ok", [SB_FINDING_WARNING] = "warning", [SB_FINDING_BROKEN] = "broken"};

static void add_line(struct sb_buf *out, const struct sb_check *c, const struct sb_finding *f,
                     bool colour) {
    static const char *const marks[] = {
        [SB_FINDING_OK] = "✓", [SB_FINDING_WARNING] = "!", [SB_FINDING_BROKEN] = "✗"};
    static const int colours[] = {
        [SB_FINDING_OK] = 32, [SB_FINDING_WARNING] = 33, [SB_FINDING_BROKEN] = 31};
    if (colour)
        sb_buf_addf(out, "\x1b[%dm%s\x1b[0m", colours[f->state], marks[f->state]);
    else
        sb_buf_addz(out, marks[f->state]);
    sb_buf_addf(out, " %s: ", c->name);
    sb_text_add(out, sb_buf_view(&f->text));
    sb_buf_addc(out, '\n');
    if (f->state != SB_FINDING_OK) sb_buf_addf(out, "    %s\n    next: %s.\n", c->meaning, c->next);
}

static void add_json(struct sb_json_writer *w, const struct sb_check *c,
                     const struct sb_finding *f) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "check", sb_str_of(c->name));
    sb_json_str(w, "state", sb_str_of(states[f->state]));
    sb_json_str(w, "found", sb_buf_view(&f->text));
    sb_json_str(w, "meaning", sb_str_of(c->meaning));
    if (f->state != SB_FINDING_OK) sb_json_str(w, "next", sb_str_of(c->next));
    sb_json_end(w);
}

static void add_sum(struct sb_buf *out, const int counts[3]) {
    if (counts[SB_FINDING_BROKEN])
        sb_buf_addf(out, "\n%d broken, %d to look at, %d fine.\n", counts[SB_FINDING_BROKEN],
                    counts[SB_FINDING_WARNING], counts[SB_FINDING_OK]);
    else if (counts[SB_FINDING_WARNING])
        sb_buf_addf(out, "\nNothing is broken; %d to look at, %d fine.\n",
                    counts[SB_FINDING_WARNING], counts[SB_FINDING_OK]);
    else
        sb_buf_addz(out, "\nAll is fine.\n");
}

static enum sb_exit list_checks(void) {
    struct sb_buf out;
    sb_buf_init(&out, TEXT_MAX);
    for (size_t i = 0; i < SB_COUNT(checks); i++)
        sb_buf_addf(&out, "%s\n    %s\n    next: %s.\n", checks[i].name, checks[i].meaning,
                    checks[i].next);
    sb_text_print(&out);
    sb_buf_fini(&out);
    return SB_EXIT_OK;
}

/* ---- the visit ---- */

static void run_all(struct sb_doctor *d, bool json, int counts[3]) {
    struct sb_buf out;
    bool colour = !json && sb_process_is_terminal(STDOUT);
    sb_buf_init(&out, TEXT_MAX);
    struct sb_json_writer w = {.b = &out};
    if (json) {
        sb_json_obj(&w, NULL);
        sb_json_arr(&w, "checks");
    }
    for (size_t i = 0; i < SB_COUNT(checks); i++) {
        struct sb_finding f = {.state = SB_FINDING_OK};
        sb_buf_init(&f.text, TEXT_MAX);
        checks[i].run(d, &f);
        counts[f.state]++;
        if (json) {
            add_json(&w, &checks[i], &f);
        } else { /* one by one: some take a second */
            add_line(&out, &checks[i], &f, colour);
            sb_text_print(&out);
            fflush(stdout);
            sb_buf_reset(&out);
        }
        sb_buf_fini(&f.text);
    }
    if (json) {
        sb_json_end(&w);
        sb_json_int(&w, "broken", counts[SB_FINDING_BROKEN]);
        sb_json_int(&w, "warnings", counts[SB_FINDING_WARNING]);
        sb_json_end(&w);
        sb_client_print_json(sb_buf_view(&out));
    } else {
        add_sum(&out, counts);
        sb_text_print(&out);
    }
    sb_buf_fini(&out);
}

enum sb_exit sb_doctor_run(struct sb_cli *cli) {
    struct sb_arena *a = &cli->config.arena;
    struct sb_doctor d = {.cli = cli, .config = &cli->config, .arena = a};
    struct sb_file lock;
    int counts[3] = {0};
    if (sb_cli_option(cli, "list")) return list_checks();
    const char *path = sb_datadir_path(a, cli->config.data, "lock");
    if (sb_file_open(&lock, path, SB_OPEN_READ, NULL) == SB_OK) {
        d.running = sb_lock_held(&lock);
        sb_file_close(&lock);
    }
    d.has_data = sb_file_exists(sb_datadir_path(a, cli->config.data, "VERSION"));
    run_all(&d, sb_cli_option(cli, "json") != NULL, counts);
    return counts[SB_FINDING_BROKEN] ? SB_EXIT_FAILED : SB_EXIT_OK;
}
