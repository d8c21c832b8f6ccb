/* sibyl backup PATH [--verify], sibyl restore PATH */
#include <stdio.h>

#include "app/commands.h"
#include "app/datadir.h"
#include "app/text.h"
#include "app/version.h"
#include "base/clock.h"
#include "codec/json.h"
#include "codec/time.h"
#include "domain/backup/backup.h"
#include "sys/lock.h"
#include "sys/process.h"

enum {
    TEXT_MAX = 1 << 16,
    RATE_MAX = 1000000, /* MB a second */
    /* While predictions are served: reading leaves them most of any disk. */
    RATE_IN_USE = 64,
    STDERR = 2,
};

#define PROGRESS_NS (200 * SB_MS)

const struct sb_option sb_backup_options[] = {
    {"verify", 0, NULL, "Make none; read the one at PATH and say whether it is whole."},
    {"rate", 0, "N",
     "Read at most N MB a second; 0 = no limit. Without it: 64 while the data folder is in use, no "
     "limit otherwise."},
    {"json", 0, NULL, "Say what was done as JSON."},
    {NULL, 0, NULL, NULL},
};

const struct sb_option sb_restore_options[] = {
    {"json", 0, NULL, "Say what was done as JSON."},
    {NULL, 0, NULL, NULL},
};

/* ---- progress: one line that is written over, for a person who looks ---- */

struct line {
    bool shown;
    int64_t next_ns;
};

static void show(void *arg, const char *doing, int64_t done, int64_t total) {
    struct line *l = arg;
    int64_t now = sb_mono_ns();
    if (now < l->next_ns) return;
    l->next_ns = now + PROGRESS_NS;
    l->shown = true;
    struct sb_buf b;
    sb_buf_init(&b, TEXT_MAX);
    sb_text_add(&b, sb_str_of(doing));
    sb_buf_addz(&b, "  ");
    sb_text_add_bytes(&b, done);
    if (total > 0 && done <= total)
        sb_buf_addf(&b, ", %d %%", (int)(100.0 * (double)done / (double)total));
    fprintf(stderr, "\r\x1b[K%s", sb_buf_cstr(&b));
    fflush(stderr);
    sb_buf_fini(&b);
}

static struct sb_backup_progress progress_of(struct line *l) {
    struct sb_backup_progress none = {0}, some = {show, l};
    return sb_process_is_terminal(STDERR) ? some : none;
}

static void clear_line(const struct line *l) {
    if (l->shown) fputs("\r\x1b[K", stderr);
}

/* ---- results ---- */

static enum sb_exit complain(const struct sb_errctx *ctx, sb_err err) {
    sb_cli_error("%s", sb_errctx_text(ctx, err));
    return err == SB_E_LOCKED ? SB_EXIT_BUSY : SB_EXIT_FAILED;
}

static void add_json(struct sb_buf *out, const char *path, const char *data,
                     const struct sb_backup_result *r, int64_t ms) {
    char created[SB_TIME_TEXT];
    struct sb_json_writer w = {.b = out};
    size_t n = sb_time_format_ms(created, r->created_ms);
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "backup", sb_str_of(path));
    if (data) sb_json_str(&w, "data", sb_str_of(data));
    sb_json_str(&w, "created", sb_str_make(created, n));
    sb_json_int(&w, "files", r->files);
    sb_json_int(&w, "bytes", r->bytes);
    sb_json_int(&w, "linked", r->linked);
    sb_json_int(&w, "left_out", r->left_out);
    sb_json_int(&w, "first_offset", r->first_offset);
    sb_json_int(&w, "next_offset", r->next_offset);
    sb_json_bool(&w, "config", r->has_config);
    sb_json_int(&w, "ms", ms);
    sb_json_end(&w);
    sb_buf_addc(out, '\n');
}

/* "123 files, 4.5 MB, 1000 events (offsets 0 to 999), made 2026-..." */
static void add_sums(struct sb_buf *out, const struct sb_backup_result *r) {
    char created[SB_TIME_TEXT];
    size_t n = sb_time_format_ms(created, r->created_ms);
    sb_buf_addf(out, "%lld files, ", (long long)r->files);
    sb_text_add_bytes(out, r->bytes);
    sb_buf_addf(out, ", %lld events up to offset %lld, begun %.*s",
                (long long)(r->next_offset - r->first_offset), (long long)r->next_offset, (int)n,
                created);
}

static void print_json(const char *path, const char *data, const struct sb_backup_result *r,
                       int64_t began) {
    struct sb_buf b;
    sb_buf_init(&b, TEXT_MAX);
    add_json(&b, path, data, r, (sb_mono_ns() - began) / SB_MS);
    sb_text_print(&b);
    sb_buf_fini(&b);
}

/* ---- backup ---- */

static bool in_use(struct sb_cli *cli) {
    struct sb_file f;
    const char *path = sb_datadir_path(&cli->config.arena, cli->config.data, "lock");
    if (sb_file_open(&f, path, SB_OPEN_READ, NULL) != SB_OK) return false;
    bool held = sb_lock_held(&f);
    sb_file_close(&f);
    return held;
}

static enum sb_exit verify(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    struct line line = {0};
    struct sb_backup_progress progress = progress_of(&line);
    int64_t began = sb_mono_ns();
    sb_err err = sb_backup_verify(cli->words[0], SB_DATADIR_VERSION, &progress, &r, &ctx);
    clear_line(&line);
    if (err) return complain(&ctx, err);
    if (sb_cli_option(cli, "json")) {
        print_json(cli->words[0], NULL, &r, began);
        return SB_EXIT_OK;
    }
    struct sb_buf b;
    sb_buf_init(&b, TEXT_MAX);
    sb_text_add(&b, sb_str_of(cli->words[0]));
    sb_buf_addz(&b, " is whole: ");
    add_sums(&b, &r);
    sb_buf_addz(&b, ".\n");
    sb_text_print(&b);
    sb_buf_fini(&b);
    return SB_EXIT_OK;
}

static void print_backup(struct sb_cli *cli, const struct sb_backup_result *r) {
    struct sb_buf b;
    sb_buf_init(&b, TEXT_MAX);
    sb_buf_addz(&b, "Backup in ");
    sb_text_add(&b, sb_str_of(cli->words[0]));
    sb_buf_addz(&b, ": ");
    add_sums(&b, r);
    sb_buf_addz(&b, ".\n");
    if (r->linked)
        sb_buf_addf(&b,
                    "%lld artifact files are further names of the data folder's own files; on "
                    "another disk they would be copies.\n",
                    (long long)r->linked);
    if (r->left_out)
        sb_buf_addf(&b, "%lld entries are neither files nor folders and were left out.\n",
                    (long long)r->left_out);
    sb_buf_addz(&b, "Restore it with `sibyl restore ");
    sb_text_add(&b, sb_str_of(cli->words[0]));
    sb_buf_addz(&b, " --data NEW_FOLDER`.\n");
    sb_text_print(&b);
    sb_buf_fini(&b);
}

enum sb_exit sb_backup_run(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    struct line line = {0};
    char node[256];
    int64_t rate = in_use(cli) ? RATE_IN_USE : 0, began = sb_mono_ns();
    if (!sb_cli_number(cli, "rate", 0, RATE_MAX, &rate)) return SB_EXIT_USAGE;
    if (sb_cli_option(cli, "verify")) return verify(cli);
    sb_process_go_last();
    sb_process_host_name(node, sizeof node);
    struct sb_backup_opts o = {.data = cli->config.data,
                               .path = cli->words[0],
                               .parts = sb_datadir_parts,
                               .config_file = cli->config_file,
                               .head = {.created_ms = sb_wall_ms(),
                                        .sibyl = SB_VERSION,
                                        .node = node,
                                        .data_version = SB_DATADIR_VERSION},
                               .bytes_per_second = rate * 1000000,
                               .progress = progress_of(&line)};
    sb_err err = sb_backup_make(&o, &r, &ctx);
    clear_line(&line);
    if (err) return complain(&ctx, err);
    if (sb_cli_option(cli, "json"))
        print_json(cli->words[0], NULL, &r, began);
    else
        print_backup(cli, &r);
    return SB_EXIT_OK;
}

/* ---- restore ---- */

static void print_restored(struct sb_cli *cli, const struct sb_backup_result *r) {
    struct sb_buf b;
    struct sb_str path = sb_str_of(cli->words[0]), data = sb_str_of(cli->config.data);
    sb_buf_init(&b, TEXT_MAX);
    sb_buf_addz(&b, "Restored into ");
    sb_text_add(&b, data);
    sb_buf_addz(&b, ": ");
    add_sums(&b, r);
    sb_buf_addz(&b, ".\nStart it with `sibyl up --data ");
    sb_text_add(&b, data);
    if (r->has_config) {
        sb_buf_addz(&b, " --config ");
        sb_text_add(&b, path);
        sb_buf_addz(&b, "/config.yaml");
    }
    sb_buf_addz(&b, "`.\n");
    sb_text_print(&b);
    sb_buf_fini(&b);
}

enum sb_exit sb_restore_run(struct sb_cli *cli) {
    struct sb_errctx ctx = {0};
    struct sb_backup_result r;
    struct line line = {0};
    struct sb_backup_progress progress = progress_of(&line);
    int64_t began = sb_mono_ns();
    sb_err err =
        sb_backup_restore(cli->words[0], cli->config.data, SB_DATADIR_VERSION, &progress, &r, &ctx);
    clear_line(&line);
    if (err) return complain(&ctx, err);
    if (sb_cli_option(cli, "json"))
        print_json(cli->words[0], cli->config.data, &r, began);
    else
        print_restored(cli, &r);
    return SB_EXIT_OK;
}
