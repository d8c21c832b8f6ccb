/* Checks of `sibyl doctor` around the data folder: what is kept, and what it is kept on. */
#include <stdio.h>
#include <stdlib.h>

#include "app/datadir.h"
#include "app/doctor_int.h"
#include "app/text.h"
#include "base/clock.h"
#include "codec/time.h"
#include "engine/journal/journal.h"
#include "engine/sql/sql.h"
#include "sys/file.h"
#include "sys/host.h"

#define MIB (INT64_C(1) << 20)

static const char *in_data(const struct sb_doctor *d, const char *part) {
    return sb_datadir_path(d->arena, d->config->data, part);
}

/* The data folder, or what is there of the way to it: where it will be made. */
static const char *nearest_folder(const struct sb_doctor *d) {
    char *path = sb_arena_printf(d->arena, "%s", d->config->data);
    while (!sb_file_exists(path)) {
        char *slash = strrchr(path, '/');
        if (!slash) return ".";
        *slash = 0;
        if (slash == path) return "/";
    }
    return path;
}

static void add_bytes(struct sb_finding *f, int64_t bytes, const char *what) {
    sb_text_add_bytes(&f->text, bytes);
    sb_buf_addf(&f->text, " %s", what);
}

/* ---- settings, folder ---- */

void sb_check_settings(struct sb_doctor *d, struct sb_finding *f) {
    const struct sb_cli *cli = d->cli;
    if (cli->settings_problem)
        sb_finding_set(f, SB_FINDING_BROKEN, "%s", cli->settings_problem);
    else if (cli->config_file)
        sb_finding_set(f, SB_FINDING_OK, "understood, with the file %s", cli->config_file);
    else
        sb_finding_set(f, SB_FINDING_OK, "understood; no settings file");
}

void sb_check_data_folder(struct sb_doctor *d, struct sb_finding *f) {
    struct sb_errctx ctx = {0};
    const char *dir = d->config->data;
    sb_err err = sb_datadir_look(dir, &ctx);
    if (err == SB_E_MISSING)
        sb_finding_set(f, SB_FINDING_OK, "%s is not there yet; `sibyl up` makes it", dir);
    else if (err)
        sb_finding_set(f, SB_FINDING_BROKEN, "%s", sb_errctx_text(&ctx, err));
    else
        sb_finding_set(f, SB_FINDING_OK, "%s, format %d", dir, SB_DATADIR_VERSION);
}

void sb_check_permissions(struct sb_doctor *d, struct sb_finding *f) {
    static const char *const parts[] = {"VERSION",
                                        "lock",
                                        "run",
                                        "models",
                                        SB_DATADIR_ARTIFACTS,
                                        "registry",
                                        SB_DATADIR_REGISTRY,
                                        SB_DATADIR_PREDICTIONS};
    const char *dir = nearest_folder(d);
    struct sb_file_stat st, part;
    unsigned user = sb_host_user();
    if (!sb_host_may_write(dir)) {
        sb_finding_set(f, SB_FINDING_BROKEN, "user %u may not write in %s", user, dir);
        return;
    }
    if (!d->has_data || sb_file_stat(dir, &st, NULL) != SB_OK) {
        sb_finding_set(f, SB_FINDING_OK, "user %u may write in %s", user, dir);
        return;
    }
    for (size_t i = 0; i < SB_COUNT(parts); i++) {
        const char *path = in_data(d, parts[i]);
        if (sb_file_stat(path, &part, NULL) != SB_OK) continue;
        if (!sb_host_may_write(path)) {
            sb_finding_set(f, SB_FINDING_BROKEN, "user %u may not write %s", user, path);
            return;
        }
        if (part.owner != st.owner) {
            sb_finding_set(f, SB_FINDING_WARNING, "%s belongs to user %u, the folder to user %u",
                           path, part.owner, st.owner);
            return;
        }
    }
    if (st.owner != user)
        sb_finding_set(f, SB_FINDING_WARNING,
                       "the folder belongs to user %u and this is user %u: files made by one may "
                       "be closed to the other",
                       st.owner, user);
    else
        sb_finding_set(f, SB_FINDING_OK, "user %u owns it and may write", user);
}

void sb_check_lock(struct sb_doctor *d, struct sb_finding *f) {
    struct sb_buf text;
    if (!d->running) {
        sb_finding_set(f, SB_FINDING_OK, "no process uses the data folder");
        return;
    }
    sb_buf_init(&text, 4096);
    sb_err err = sb_file_read_all(in_data(d, "lock"), &text, NULL);
    struct sb_str holder = err ? SB_STR("?") : sb_buf_view(&text);
    ptrdiff_t nl = sb_str_find(holder, '\n');
    if (nl >= 0) holder.n = (size_t)nl;
    sb_finding_set(f, SB_FINDING_OK, "a platform runs on it: process %.*s", SB_ARG(holder));
    sb_buf_fini(&text);
}

/* ---- the disk ---- */

void sb_check_file_system(struct sb_doctor *d, struct sb_finding *f) {
    struct sb_host_fs fs;
    struct sb_errctx ctx = {0};
    sb_err err = sb_host_fs_get(nearest_folder(d), &fs, &ctx);
    if (err)
        sb_finding_set(f, SB_FINDING_WARNING, "%s", sb_errctx_text(&ctx, err));
    else if (fs.read_only)
        sb_finding_set(f, SB_FINDING_BROKEN, "%s, mounted read-only", fs.type);
    else if (fs.memory)
        sb_finding_set(f, SB_FINDING_WARNING, "%s: in memory, gone after a restart", fs.type);
    else if (fs.layer)
        sb_finding_set(f, SB_FINDING_WARNING, "%s: a container's own layer, gone with it", fs.type);
    else if (fs.network)
        sb_finding_set(f, SB_FINDING_WARNING,
                       "%s: locks and syncs are only as good as the other side's", fs.type);
    else
        sb_finding_set(f, SB_FINDING_OK, "%s", fs.type);
}

void sb_check_free_space(struct sb_doctor *d, struct sb_finding *f) {
    struct sb_host_fs fs;
    struct sb_errctx ctx = {0};
    sb_err err = sb_host_fs_get(nearest_folder(d), &fs, &ctx);
    if (err) {
        sb_finding_set(f, SB_FINDING_WARNING, "%s", sb_errctx_text(&ctx, err));
        return;
    }
    int64_t segment = d->config->journal_segment_size; /* what the journal wants at once, twice */
    if (fs.free_bytes < 2 * segment || (fs.free_files >= 0 && fs.free_files < 100))
        f->state = SB_FINDING_BROKEN;
    else if (fs.free_bytes < 16 * segment || (fs.free_files >= 0 && fs.free_files < 10000))
        f->state = SB_FINDING_WARNING;
    add_bytes(f, fs.free_bytes, "free");
    if (fs.free_files >= 0 && fs.free_files < 10000)
        sb_buf_addf(&f->text, ", and room for only %lld more files", (long long)fs.free_files);
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Appends and syncs as the journal does. */
static sb_err time_syncs(const char *path, int64_t *ns, size_t n, struct sb_errctx *ctx) {
    static const char block[4096];
    struct sb_file file;
    SB_TRY(sb_file_open(&file, path, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_TRUNC, ctx));
    sb_err err = sb_file_allocate(&file, (int64_t)(n * sizeof block), ctx);
    if (!err) err = sb_file_sync(&file, ctx);
    for (size_t i = 0; i < n && !err; i++) {
        int64_t began = sb_mono_ns();
        err = sb_file_pwrite(&file, block, sizeof block, (int64_t)(i * sizeof block), ctx);
        if (!err) err = sb_file_datasync(&file, ctx);
        ns[i] = sb_mono_ns() - began;
    }
    sb_file_close(&file);
    return err;
}

void sb_check_disk_speed(struct sb_doctor *d, struct sb_finding *f) {
    enum { SYNCS = 31 };
    static const int64_t slow_ns = 10 * SB_MS; /* a service's request then feels it */
    int64_t ns[SYNCS];
    struct sb_errctx ctx = {0};
    const char *dir = nearest_folder(d);
    if (!sb_host_may_write(dir)) {
        sb_finding_set(f, SB_FINDING_WARNING, "not measured: %s cannot be written", dir);
        return;
    }
    /* run/ is the place for what is worth nothing later; else beside the folder that is to be */
    const char *place = d->has_data && sb_file_exists(in_data(d, SB_DATADIR_RUN))
                            ? in_data(d, SB_DATADIR_RUN)
                            : dir;
    const char *path = sb_arena_printf(d->arena, "%s/.sibyl-doctor.tmp", place);
    sb_err err = time_syncs(path, ns, SYNCS, &ctx);
    sb_err gone = sb_file_unlink(path, NULL);
    SB_UNUSED(gone);
    if (err) {
        sb_finding_set(f, SB_FINDING_BROKEN, "%s", sb_errctx_text(&ctx, err));
        return;
    }
    qsort(ns, SYNCS, sizeof *ns, by_value);
    bool slow = ns[SYNCS / 2] > slow_ns;
    sb_finding_set(f, slow ? SB_FINDING_WARNING : SB_FINDING_OK,
                   "a sync takes %.2f ms, at most %.1f ms of %d", (double)ns[SYNCS / 2] / SB_MS,
                   (double)ns[SYNCS - 1] / SB_MS, SYNCS);
}

/* ---- what is kept ---- */

static int64_t count_quarantined(struct sb_doctor *d) {
    struct sb_dir_names names;
    int64_t n = 0;
    if (sb_dir_list(in_data(d, SB_DATADIR_PREDICTIONS "/quarantine"), &names, NULL)) return 0;
    for (size_t i = 0; i < names.n; i++) n += sb_str_ends(sb_str_of(names.name[i]), SB_STR(".bad"));
    sb_dir_names_fini(&names);
    return n;
}

/* The newest record's time in ms, 0 when there is none; *skipped: records near it lost to damage.
 */
static sb_err read_newest(struct sb_journal_reader *r, int64_t next, int64_t *ts_ms,
                          int64_t *skipped) {
    enum { NEAR = 1000 };
    struct sb_journal_record rec;
    sb_err err;
    *ts_ms = 0;
    SB_TRY(sb_journal_seek(r, next > NEAR ? next - NEAR : 0));
    while ((err = sb_journal_next(r, &rec)) == SB_OK) {
        *ts_ms = rec.ts_ms;
        if (rec.offset + 1 >= next) break;
    }
    *skipped = sb_journal_skipped(r);
    return err == SB_E_END ? SB_OK : err;
}

/* SB_E_MISSING: there is no journal yet. */
static sb_err look_at_journal(struct sb_doctor *d, int64_t *first, int64_t *next, int64_t *ts_ms,
                              int64_t *skipped, struct sb_errctx *ctx) {
    struct sb_journal_reader *r;
    const char *dir = in_data(d, SB_DATADIR_PREDICTIONS);
    if (!d->has_data || !sb_file_exists(sb_arena_printf(d->arena, "%s/format", dir)))
        return SB_E_MISSING;
    SB_TRY(sb_journal_reader_open(&r, dir, ctx));
    sb_err err = sb_journal_range(r, first, next);
    if (!err) err = read_newest(r, *next, ts_ms, skipped);
    sb_journal_reader_close(r);
    return err ? sb_fail(ctx, err, "%s: %s", dir, sb_err_text(err)) : SB_OK;
}

static bool has_segments(struct sb_doctor *d) {
    struct sb_dir_names names;
    const char *dir = in_data(d, SB_DATADIR_PREDICTIONS);
    if (sb_dir_list(dir, &names, NULL)) return false;
    bool any = false;
    for (size_t i = 0; i < names.n; i++) {
        struct sb_str name = sb_str_of(names.name[i]);
        any = any || sb_str_ends(name, SB_STR(".log"));
    }
    sb_dir_names_fini(&names);
    return any;
}

void sb_check_journal(struct sb_doctor *d, struct sb_finding *f) {
    int64_t first = 0, next = 0, ts = 0, skipped = 0;
    struct sb_errctx ctx = {0};
    const char *dir = in_data(d, SB_DATADIR_PREDICTIONS);
    bool segments = has_segments(d);
    sb_err err = look_at_journal(d, &first, &next, &ts, &skipped, &ctx);
    int64_t bad = count_quarantined(d);
    if (err == SB_E_MISSING && segments)
        sb_finding_set(f, SB_FINDING_BROKEN, "%s holds segments but its file \"format\" is lost",
                       dir);
    else if (err == SB_E_MISSING)
        sb_finding_set(f, SB_FINDING_OK, "none yet");
    else if (err)
        sb_finding_set(f, SB_FINDING_BROKEN, "%s", sb_errctx_text(&ctx, err));
    else if (!segments && next > 0)
        sb_finding_set(f, SB_FINDING_BROKEN,
                       "all its segments are gone; events up to offset %lld were recorded",
                       (long long)next);
    else if (bad || skipped)
        sb_finding_set(f, SB_FINDING_WARNING,
                       "%lld damaged range%s kept aside, %lld of the newest events unreadable",
                       (long long)bad, bad == 1 ? "" : "s", (long long)skipped);
    else
        sb_finding_set(f, SB_FINDING_OK, "offsets %lld to %lld, nothing quarantined",
                       (long long)first, (long long)next);
}

static bool has_artifacts(struct sb_doctor *d) {
    struct sb_dir_names names;
    if (sb_dir_list(in_data(d, SB_DATADIR_ARTIFACTS), &names, NULL)) return false;
    bool any = false;
    for (size_t i = 0; i < names.n; i++) any = any || names.name[i][0] != '.';
    sb_dir_names_fini(&names);
    return any;
}

void sb_check_registry(struct sb_doctor *d, struct sb_finding *f) {
    struct sb_errctx ctx = {0};
    struct sb_sql *db;
    struct sb_file_stat st;
    const char *path = in_data(d, SB_DATADIR_REGISTRY);
    if (!d->has_data || sb_file_stat(path, &st, NULL) != SB_OK || !st.size) {
        if (d->has_data && has_artifacts(d))
            sb_finding_set(f, SB_FINDING_BROKEN, "%s is lost or empty, but artifacts are there",
                           path);
        else
            sb_finding_set(f, SB_FINDING_OK, "none yet");
        return;
    }
    sb_err err = sb_sql_open(&db, path, SB_SQL_READ, &ctx);
    if (!err) {
        sb_sql_deadline_set(db, sb_mono_ns() + 3 * SB_SEC);
        err = sb_sql_check(db, &ctx);
        sb_sql_close(db);
    }
    if (err == SB_E_TIMEOUT)
        sb_finding_set(f, SB_FINDING_OK, "too large to be read through in 3 s; what was is whole");
    else if (err == SB_E_DENIED || err == SB_E_MISSING)
        sb_finding_set(f, SB_FINDING_WARNING, "cannot be read: %s", sb_errctx_text(&ctx, err));
    else if (err)
        sb_finding_set(f, SB_FINDING_BROKEN, "damaged: %s", sb_errctx_text(&ctx, err));
    else
        add_bytes(f, st.size, "database, every page is whole");
}

void sb_check_clock(struct sb_doctor *d, struct sb_finding *f) {
    static const int64_t plausible_ms = 1767225600000; /* 2026: this program is not older */
    enum { JUMP_MS = 5000 };
    int64_t first, next, ts = 0, skipped, now = sb_wall_ms();
    char text[SB_TIME_TEXT];
    size_t n = sb_time_format_ms(text, now);
    sb_err err = look_at_journal(d, &first, &next, &ts, &skipped, NULL);
    if (err) ts = 0;
    if (now < plausible_ms)
        sb_finding_set(f, SB_FINDING_BROKEN, "it says %.*s", (int)n, text);
    else if (ts > now + JUMP_MS)
        sb_finding_set(f, SB_FINDING_BROKEN,
                       "it jumped back: the newest event is %lld s in the future of %.*s",
                       (long long)((ts - now) / 1000), (int)n, text);
    else if (!sb_host_clock_synchronised())
        sb_finding_set(f, SB_FINDING_WARNING, "%.*s, and nobody keeps it synchronised", (int)n,
                       text);
    else
        sb_finding_set(f, SB_FINDING_OK, "%.*s, synchronised", (int)n, text);
}
