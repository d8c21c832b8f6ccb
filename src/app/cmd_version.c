/* sibyl version [--json] */
#include <stdio.h>

#include <gnu/libc-version.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/datadir.h"
#include "app/version.h"
#include "engine/sql/sql.h"
#include "sys/process.h"

enum { TEXT_MAX = 1 << 16 };

const struct sb_option sb_version_options[] = {
    SB_CLIENT_JSON_OPTION,
    {NULL, 0, NULL, NULL},
};

static void print_json(void) {
    struct sb_buf out;
    char machine[80];
    sb_buf_init(&out, TEXT_MAX);
    sb_process_machine(machine, sizeof machine);
    struct sb_json_writer w = {.b = &out};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "version", SB_STR(SB_VERSION));
    sb_json_str(&w, "compiler", SB_STR("gcc " __VERSION__));
    sb_json_str(&w, "architecture", sb_str_of(machine));
    sb_json_str(&w, "c_library", sb_str_of(gnu_get_libc_version()));
    sb_json_obj(&w, "libraries");
    sb_json_str(&w, "sqlite", sb_str_of(sb_sql_version()));
    sb_json_str(&w, "curl", sb_str_of(sb_fetch_version()));
    sb_json_end(&w);
    sb_json_obj(&w, "formats");
    sb_json_int(&w, "data_folder", SB_DATADIR_VERSION);
    sb_json_int(&w, "backup", SB_BACKUP_VERSION);
    sb_json_end(&w);
    sb_json_end(&w);
    sb_client_print_json(sb_buf_view(&out));
    sb_buf_fini(&out);
}

enum sb_exit sb_version_run(struct sb_cli *cli) {
    if (sb_cli_option(cli, "json"))
        print_json();
    else
        printf("sibyl %s\n", SB_VERSION);
    return SB_EXIT_OK;
}
