/* Rules of three origins into one list: what is stored stands before the user's file, and that
 * before what is shipped. A file that is broken leaves the rules it had. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "flow/alerts_int.h"
#include "sys/file.h"

enum { SET_MAX = 256 << 20 };

static void set_error(char **to, const char *text) {
    sb_free(*to);
    *to = text ? sb_strdup(text) : NULL;
}

struct sb_alert_entry *sb_alerts_find(struct sb_alerts *a, struct sb_str name) {
    size_t lo = 0, hi = a->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = sb_str_cmp(a->entries[mid]->rule.name, name);
        if (c == 0) return a->entries[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* ---- entries ---- */

static void stop_tracks(struct sb_alert_entry *e) {
    for (int i = 0; i < 2; i++) {
        sb_monitor_track_free(e->track[i]);
        e->track[i] = NULL;
    }
}

static void entry_free(struct sb_alert_entry *e) {
    stop_tracks(e);
    sb_arena_fini(&e->arena);
    sb_free(e->error);
    sb_free(e);
}

static bool switched(const struct sb_alerts *a, const struct sb_monitor_rule *r) {
    for (size_t i = 0; i < a->store.nswitches; i++)
        if (sb_str_eq(a->store.switches[i].name, r->name)) return a->store.switches[i].on;
    return r->enabled;
}

/* What the last run knew, when it is the same rule still. */
static void remember(struct sb_alerts *a, struct sb_alert_entry *e) {
    for (const struct sb_monitor_kept *k = a->memory.alerts; k; k = k->next)
        if (sb_str_is(e->rule.name, k->rule) && strcmp(k->digest, e->digest) == 0)
            e->alert = k->alert;
}

static struct sb_alert_entry *entry_new(struct sb_alerts *a, const struct sb_monitor_rule *r) {
    struct sb_alert_entry *e = sb_calloc(1, sizeof *e);
    sb_arena_init(&e->arena, 1 << 20);
    e->rule = *r;
    sb_monitor_digest(r, e->digest);
    remember(a, e);
    return e;
}

static void start_tracks(struct sb_alert_entry *e) {
    stop_tracks(e);
    if (!e->enabled) return;
    if (e->rule.of.kind == SB_MONITOR_METRIC) e->track[0] = sb_monitor_track_new(&e->rule, false);
    if (e->rule.has_per && e->rule.per.kind == SB_MONITOR_METRIC)
        e->track[1] = sb_monitor_track_new(&e->rule, true);
}

/* The entry for a rule: the one there is when the rule is the same, with the rule's new memory. */
static struct sb_alert_entry *entry_for(struct sb_alerts *a, struct sb_alert_entry **old,
                                        size_t nold, const struct sb_monitor_rule *r) {
    char digest[17];
    sb_monitor_digest(r, digest);
    for (size_t i = 0; i < nold; i++) {
        struct sb_alert_entry *e = old[i];
        if (!e || strcmp(e->digest, digest) != 0 || !sb_str_eq(e->rule.name, r->name)) continue;
        old[i] = NULL;
        e->rule = *r;
        return e;
    }
    return entry_new(a, r);
}

static int by_name(const void *x, const void *y) {
    return sb_str_cmp((*(struct sb_alert_entry *const *)x)->rule.name,
                      (*(struct sb_alert_entry *const *)y)->rule.name);
}

static bool stands_before(const struct sb_alerts *a, enum sb_alert_origin than,
                          struct sb_str name) {
    for (int o = than + 1; o < SB_ALERT_ORIGINS; o++)
        if (sb_monitor_rules_find(&a->sets[o].rules, name)) return true;
    return false;
}

static int replaced_by(const struct sb_alerts *a, enum sb_alert_origin origin, struct sb_str name) {
    for (int o = (int)origin - 1; o >= 0; o--)
        if (sb_monitor_rules_find(&a->sets[o].rules, name)) return o;
    return -1;
}

/* A rule that is measured already goes on, unless its memory moves: tracks point into the rule,
 * which the entry holds, so they stay. */
static void take_rule(struct sb_alerts *a, struct sb_alert_entry *e, enum sb_alert_origin origin) {
    bool was = e->enabled, fresh = !e->track[0] && !e->track[1];
    e->origin = origin;
    e->replaces = replaced_by(a, origin, e->rule.name);
    e->enabled = switched(a, &e->rule);
    if (fresh || was != e->enabled) start_tracks(e);
    if (!e->enabled) sb_alerts_entry_end(a, e, "disabled");
}

/* From the sets to entries; alerts of rules that are gone end. */
static void rebuild(struct sb_alerts *a) {
    struct sb_alert_entry **old = a->entries;
    size_t nold = a->n, max = 0;
    for (int o = 0; o < SB_ALERT_ORIGINS; o++) max += a->sets[o].rules.n;
    a->entries = sb_calloc(max + 1, sizeof(struct sb_alert_entry *));
    a->n = 0;
    for (int o = 0; o < SB_ALERT_ORIGINS; o++)
        for (size_t i = 0; i < a->sets[o].rules.n; i++) {
            const struct sb_monitor_rule *r = &a->sets[o].rules.rule[i];
            if (stands_before(a, (enum sb_alert_origin)o, r->name)) continue;
            struct sb_alert_entry *e = entry_for(a, old, nold, r);
            take_rule(a, e, (enum sb_alert_origin)o);
            a->entries[a->n++] = e;
        }
    qsort(a->entries, a->n, sizeof(struct sb_alert_entry *), by_name);
    for (size_t i = 0; i < nold; i++) {
        if (!old[i]) continue;
        sb_alerts_entry_end(a, old[i], "the rule is gone or another one now");
        entry_free(old[i]);
    }
    sb_free(old);
}

void sb_alerts_unload(struct sb_alerts *a) {
    for (size_t i = 0; i < a->n; i++) entry_free(a->entries[i]);
    sb_free(a->entries);
    for (int o = 0; o < SB_ALERT_ORIGINS; o++) sb_arena_fini(&a->sets[o].arena);
    set_error(&a->file_error, NULL);
    set_error(&a->store_error, NULL);
    set_error(&a->metrics_error, NULL);
}

/* ---- the sets ---- */

static void replace_set(struct sb_alerts *a, enum sb_alert_origin o, struct sb_alert_set *set) {
    struct sb_arena old = a->sets[o].arena;
    a->sets[o] = *set;
    rebuild(a); /* entries that go on take the new memory */
    sb_arena_fini(&old);
}

static sb_err read_file(const char *path, struct sb_buf *to, struct sb_errctx *ctx) {
    sb_buf_init(to, SB_MONITOR_TEXT_MAX);
    return sb_file_read_all(path, to, ctx);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void load_file(struct sb_alerts *a) {
    struct sb_alert_set set = {0};
    struct sb_errctx ctx = {0};
    struct sb_buf text;
    sb_arena_init(&set.arena, SET_MAX);
    sb_err err = read_file(a->o.file, &text, &ctx);
    if (!err)
        err = sb_monitor_rules_parse(&set.rules, sb_buf_view(&text), base_name(a->o.file),
                                     &set.arena, &ctx);
    sb_buf_fini(&text);
    if (err) {
        sb_arena_fini(&set.arena);
        set_error(&a->file_error, sb_errctx_text(&ctx, err));
        SB_LOG(SB_LOG_ERROR, "alerts", "rules_not_read", SB_KS("file", a->o.file),
               SB_KS("error", a->file_error), SB_KS("next", "the last good rules stay in force"));
        return;
    }
    set_error(&a->file_error, NULL);
    replace_set(a, SB_ALERT_FILE, &set);
    a->file_loaded_ms = sb_wall_ms();
    SB_LOG(SB_LOG_INFO, "alerts", "rules_read", SB_KS("file", a->o.file),
           SB_KI("rules", a->sets[SB_ALERT_FILE].rules.n));
}

static void file_gone(struct sb_alerts *a) {
    struct sb_alert_set none = {0};
    if (a->o.file_required) {
        if (!a->file_error) SB_LOG(SB_LOG_ERROR, "alerts", "no_file", SB_KS("file", a->o.file));
        set_error(&a->file_error, "the file is not there");
        return;
    }
    set_error(&a->file_error, NULL);
    if (!a->file_there) return;
    sb_arena_init(&none.arena, SET_MAX);
    replace_set(a, SB_ALERT_FILE, &none);
}

void sb_alerts_reload_file(struct sb_alerts *a) {
    struct sb_file_stat st;
    if (sb_file_stat(a->o.file, &st, NULL) != SB_OK) {
        file_gone(a);
        a->file_there = false;
        return;
    }
    bool same = a->file_there && st.mtime_ms == a->file_mtime_ms && st.size == a->file_size;
    a->file_there = true;
    a->file_mtime_ms = st.mtime_ms;
    a->file_size = st.size;
    if (!same) load_file(a);
}

static void load_store(struct sb_alerts *a) {
    struct sb_alert_set set = {0};
    struct sb_monitor_store store = {0};
    struct sb_errctx ctx = {0};
    struct sb_buf text;
    sb_arena_init(&set.arena, SET_MAX);
    sb_err err = read_file(a->store_path, &text, &ctx);
    if (!err)
        err = sb_monitor_store_parse(&store, sb_buf_view(&text), base_name(a->store_path),
                                     &set.arena, &ctx);
    sb_buf_fini(&text);
    if (err && err != SB_E_MISSING) {
        set_error(&a->store_error, sb_errctx_text(&ctx, err));
        SB_LOG(SB_LOG_ERROR, "alerts", "store_not_read", SB_KS("file", a->store_path),
               SB_KS("error", a->store_error),
               SB_KS("next", "correct the file, or move it away to lose its rules, and restart"));
    }
    if (err) store = (struct sb_monitor_store){0};
    set.rules = store.rules;
    a->store = store;
    replace_set(a, SB_ALERT_STORED, &set);
}

sb_err sb_alerts_store_save(struct sb_alerts *a, const struct sb_monitor_store *s,
                            struct sb_errctx *ctx) {
    struct sb_alert_set set = {0};
    struct sb_monitor_store again;
    struct sb_buf text;
    if (a->store_error)
        return sb_fail(ctx, SB_E_STATE, "rules.yaml is damaged and would be lost: %s",
                       a->store_error);
    sb_buf_init(&text, SB_MONITOR_TEXT_MAX);
    sb_arena_init(&set.arena, SET_MAX);
    sb_monitor_store_write(s, &text);
    sb_err err = sb_buf_err(&text);
    if (err) sb_fail(ctx, err, "too many rules and silences are stored");
    if (!err)
        err = sb_monitor_store_parse(&again, sb_buf_view(&text), "rules.yaml", &set.arena, ctx);
    if (!err) err = sb_file_replace(a->store_path, text.p, text.n, ctx);
    sb_buf_fini(&text);
    if (err) {
        sb_arena_fini(&set.arena);
        return err;
    }
    set.rules = again.rules;
    a->store = again;
    replace_set(a, SB_ALERT_STORED, &set);
    return SB_OK;
}

void sb_alerts_apply_silences(struct sb_alerts *a, int64_t now_ms) {
    sb_mutex_lock(&a->sender.lock);
    for (size_t i = 0; i < a->n; i++) {
        struct sb_alert_entry *e = a->entries[i];
        e->silenced = false;
        for (size_t k = 0; k < a->store.nsilences && !e->silenced; k++)
            e->silenced = a->store.silences[k].until_ms > now_ms &&
                          sb_monitor_silence_matches(&a->store.silences[k], &e->rule);
        for (struct sb_monitor_notice *n = a->sender.notices; n; n = n->next)
            if (!n->ends_ms && sb_str_is(e->rule.name, n->rule)) n->muted = e->silenced;
    }
    sb_mutex_unlock(&a->sender.lock);
}

void sb_alerts_load(struct sb_alerts *a) {
    struct sb_errctx ctx = {0};
    for (int o = 0; o < SB_ALERT_ORIGINS; o++) sb_arena_init(&a->sets[o].arena, SET_MAX);
    sb_err err = sb_monitor_defaults(&a->sets[SB_ALERT_DEFAULT].rules,
                                     &a->sets[SB_ALERT_DEFAULT].arena, &ctx);
    if (err) SB_LOG(SB_LOG_ERROR, "alerts", "defaults_not_read", SB_KE(&ctx, err));
    load_store(a);
    sb_alerts_reload_file(a);
    sb_monitor_memory_fini(&a->memory);
}
