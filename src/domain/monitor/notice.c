#include "domain/monitor/notice.h"

#include "base/mem.h"
#include "codec/hex.h"
#include "codec/sha256.h"
#include "codec/time.h"

const char *const sb_monitor_destination_names[] = {"webhook", "alertmanager", NULL};
static const char *const told_names[] = {"nothing", "firing", "resolved", NULL};

enum { NOTICE_MAX = 1 << 20, MEMORY_MAX = 64 << 20, KEPT_MAX = 10000, FORMAT = 1 };

static void add_pairs(struct sb_json_writer *w, const struct sb_monitor_pair *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        sb_json_key(w, p[i].key);
        sb_json_str(w, NULL, p[i].value);
    }
}

static char *labels_of(const struct sb_monitor_rule *rule) {
    struct sb_buf b;
    struct sb_json_writer w = {.b = &b};
    sb_buf_init(&b, NOTICE_MAX);
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "alertname", rule->name);
    sb_json_str(&w, "severity", sb_str_of(sb_monitor_severity_names[rule->severity]));
    add_pairs(&w, rule->labels, rule->nlabels);
    sb_json_end(&w);
    return sb_buf_take(&b, NULL);
}

static char *annotations_of(const struct sb_monitor_rule *rule, const struct sb_monitor_value *v,
                            struct sb_str summary) {
    struct sb_buf b, number;
    struct sb_json_writer w = {.b = &b};
    const struct sb_monitor_pair *a = rule->annotations;
    bool own_summary = false, own_value = false;
    for (size_t i = 0; i < rule->nannotations; i++) {
        own_summary |= sb_str_is(a[i].key, "summary");
        own_value |= sb_str_is(a[i].key, "value");
    }
    sb_buf_init(&b, NOTICE_MAX);
    sb_json_obj(&w, NULL);
    if (!own_summary) sb_json_str(&w, "summary", summary);
    if (v->has && !own_value) {
        sb_buf_init(&number, 64);
        sb_json_add_double(&number, v->value);
        sb_json_str(&w, "value", sb_buf_view(&number));
        sb_buf_fini(&number);
    }
    add_pairs(&w, a, rule->nannotations);
    sb_json_end(&w);
    return sb_buf_take(&b, NULL);
}

struct sb_monitor_notice *sb_monitor_notice_new(const struct sb_monitor_rule *rule,
                                                const struct sb_monitor_value *v, int64_t now_ms) {
    struct sb_monitor_notice *n = sb_calloc(1, sizeof *n);
    struct sb_buf summary;
    sb_buf_init(&summary, NOTICE_MAX / 8);
    sb_monitor_summary(rule, v, &summary);
    n->rule = sb_strndup(rule->name.p, rule->name.n);
    n->summary = sb_buf_take(&summary, NULL);
    n->labels = labels_of(rule);
    n->annotations = annotations_of(rule, v, sb_str_of(n->summary));
    n->starts_ms = now_ms;
    return n;
}

void sb_monitor_notice_free(struct sb_monitor_notice *n) {
    if (!n) return;
    sb_free(n->rule);
    sb_free(n->summary);
    sb_free(n->labels);
    sb_free(n->annotations);
    sb_free(n);
}

enum sb_monitor_told sb_monitor_notice_due(const struct sb_monitor_notice *n,
                                           enum sb_monitor_destination to) {
    enum sb_monitor_told want = n->ends_ms ? SB_MONITOR_TOLD_RESOLVED : SB_MONITOR_TOLD_FIRING;
    if (n->told[to] >= want || (n->muted && n->told[to] == SB_MONITOR_UNTOLD))
        return SB_MONITOR_UNTOLD;
    return want;
}

bool sb_monitor_notice_done(const struct sb_monitor_notice *n,
                            const bool wanted[SB_MONITOR_DESTINATIONS]) {
    if (!n->ends_ms) return false;
    for (int i = 0; i < SB_MONITOR_DESTINATIONS; i++)
        if (wanted[i] && sb_monitor_notice_due(n, (enum sb_monitor_destination)i)) return false;
    return true;
}

/* ---- texts ---- */

static void add_time(struct sb_json_writer *w, const char *key, int64_t ms) {
    char text[SB_TIME_TEXT];
    sb_json_str(w, key, sb_str_make(text, sb_time_format_ms(text, ms)));
}

/* Alertmanager names alerts by a hash of their labels; receivers use it as an id only. */
static void fingerprint(const struct sb_monitor_notice *n, char to[17]) {
    struct sb_sha256 h;
    uint8_t digest[32];
    sb_sha256_init(&h);
    sb_sha256_add(&h, n->labels, strlen(n->labels));
    sb_sha256_final(&h, digest);
    sb_hex_encode(to, digest, 8);
    to[16] = 0;
}

static void add_alert(const struct sb_monitor_notice *n, struct sb_str url,
                      struct sb_json_writer *w) {
    char id[17];
    fingerprint(n, id);
    sb_json_obj(w, NULL);
    sb_json_str(w, "status", n->ends_ms ? SB_STR("resolved") : SB_STR("firing"));
    sb_json_raw(w, "labels", sb_str_of(n->labels));
    sb_json_raw(w, "annotations", sb_str_of(n->annotations));
    add_time(w, "startsAt", n->starts_ms);
    if (n->ends_ms)
        add_time(w, "endsAt", n->ends_ms);
    else
        sb_json_str(w, "endsAt", SB_STR("0001-01-01T00:00:00Z")); /* as Alertmanager has it */
    sb_json_str(w, "generatorURL", url);
    sb_json_str(w, "fingerprint", sb_str_of(id));
    sb_json_end(w);
}

/* https://prometheus.io/docs/alerting/latest/configuration/#webhook_config; a group of one. */
void sb_monitor_notice_webhook(const struct sb_monitor_notice *n, struct sb_str url,
                               struct sb_buf *out) {
    struct sb_json_writer w = {.b = out};
    struct sb_buf key;
    sb_buf_init(&key, 1 << 12);
    SB_BUF_LIT(&key, "{}:{alertname=");
    sb_json_add_string(&key, sb_str_of(n->rule));
    SB_BUF_LIT(&key, "}");
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "version", SB_STR("4"));
    sb_json_str(&w, "groupKey", sb_buf_view(&key));
    sb_json_int(&w, "truncatedAlerts", 0);
    sb_json_str(&w, "status", n->ends_ms ? SB_STR("resolved") : SB_STR("firing"));
    sb_json_str(&w, "receiver", SB_STR("sibyl"));
    sb_json_obj(&w, "groupLabels");
    sb_json_str(&w, "alertname", sb_str_of(n->rule));
    sb_json_end(&w);
    sb_json_raw(&w, "commonLabels", sb_str_of(n->labels));
    sb_json_raw(&w, "commonAnnotations", sb_str_of(n->annotations));
    sb_json_str(&w, "externalURL", url);
    sb_json_arr(&w, "alerts");
    add_alert(n, url, &w);
    sb_json_end(&w);
    sb_json_end(&w);
    sb_buf_fini(&key);
}

void sb_monitor_notice_alertmanager(const struct sb_monitor_notice *n, struct sb_str url,
                                    int64_t now_ms, int64_t lasts_ms, struct sb_buf *out) {
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_raw(&w, "labels", sb_str_of(n->labels));
    sb_json_raw(&w, "annotations", sb_str_of(n->annotations));
    add_time(&w, "startsAt", n->starts_ms);
    add_time(&w, "endsAt", n->ends_ms ? n->ends_ms : now_ms + lasts_ms);
    if (url.n) sb_json_str(&w, "generatorURL", url);
    sb_json_end(&w);
}

/* ---- the file ---- */

void sb_monitor_digest(const struct sb_monitor_rule *rule, char to[17]) {
    struct sb_sha256 h;
    uint8_t digest[32];
    sb_sha256_init(&h);
    sb_sha256_add(&h, rule->definition.p, rule->definition.n);
    sb_sha256_final(&h, digest);
    sb_hex_encode(to, digest, 8);
    to[16] = 0;
}

static void write_alert(struct sb_json_writer *w, const struct sb_monitor_kept *k) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "rule", sb_str_of(k->rule));
    sb_json_str(w, "digest", sb_str_of(k->digest));
    sb_json_str(w, "state", sb_str_of(sb_monitor_state_names[k->alert.state]));
    sb_json_int(w, "since_ms", k->alert.since_ms);
    sb_json_int(w, "seen_ms", k->alert.seen_ms);
    sb_json_int(w, "fired_ms", k->alert.fired_ms);
    sb_json_int(w, "resolved_ms", k->alert.resolved_ms);
    sb_json_end(w);
}

static void write_notice(struct sb_json_writer *w, const struct sb_monitor_notice *n) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "rule", sb_str_of(n->rule));
    sb_json_str(w, "summary", sb_str_of(n->summary));
    sb_json_raw(w, "labels", sb_str_of(n->labels));
    sb_json_raw(w, "annotations", sb_str_of(n->annotations));
    sb_json_int(w, "starts_ms", n->starts_ms);
    sb_json_int(w, "ends_ms", n->ends_ms);
    sb_json_obj(w, "told");
    for (int i = 0; i < SB_MONITOR_DESTINATIONS; i++)
        sb_json_str(w, sb_monitor_destination_names[i], sb_str_of(told_names[n->told[i]]));
    sb_json_end(w);
    sb_json_end(w);
}

void sb_monitor_memory_write(const struct sb_monitor_memory *m, struct sb_buf *out) {
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "version", FORMAT);
    sb_json_arr(&w, "alerts");
    for (const struct sb_monitor_kept *k = m->alerts; k; k = k->next) write_alert(&w, k);
    sb_json_end(&w);
    sb_json_arr(&w, "notices");
    for (const struct sb_monitor_notice *n = m->notices; n; n = n->next) write_notice(&w, n);
    sb_json_end(&w);
    sb_json_end(&w);
}

static int index_of(const struct sb_json *o, const char *key, const char *const *names) {
    struct sb_str s = {0};
    if (!sb_json_get_str(o, key, &s)) return -1;
    for (int i = 0; names[i]; i++)
        if (sb_str_is(s, names[i])) return i;
    return -1;
}

static bool get_name(const struct sb_json *o, const char *key, char **out) {
    struct sb_str s = {0};
    if (!sb_json_get_str(o, key, &s) || !s.p) return false;
    *out = sb_strndup(s.p, s.n);
    return true;
}

static bool read_alert(const struct sb_json *o, struct sb_monitor_kept *k) {
    struct sb_str digest = {0};
    int state = index_of(o, "state", sb_monitor_state_names);
    if (state < 0 || !sb_json_get_str(o, "digest", &digest) || digest.n != sizeof k->digest - 1)
        return false;
    memcpy(k->digest, digest.p, digest.n);
    k->alert.state = (enum sb_monitor_state)state;
    return get_name(o, "rule", &k->rule) && sb_json_get_i64(o, "since_ms", &k->alert.since_ms) &&
           sb_json_get_i64(o, "seen_ms", &k->alert.seen_ms) &&
           sb_json_get_i64(o, "fired_ms", &k->alert.fired_ms) &&
           sb_json_get_i64(o, "resolved_ms", &k->alert.resolved_ms);
}

static bool get_object(const struct sb_json *o, const char *key, char **out) {
    const struct sb_json *v = sb_json_get(o, key);
    struct sb_buf b;
    if (!v || v->type != SB_JSON_OBJECT) return false;
    sb_buf_init(&b, NOTICE_MAX);
    sb_json_add_tree(&b, v);
    bool ok = sb_buf_err(&b) == SB_OK;
    if (ok) *out = sb_buf_take(&b, NULL);
    sb_buf_fini(&b);
    return ok;
}

static bool read_notice(const struct sb_json *o, struct sb_monitor_notice *n) {
    const struct sb_json *told = sb_json_get(o, "told");
    for (int i = 0; i < SB_MONITOR_DESTINATIONS; i++) {
        int t = index_of(told, sb_monitor_destination_names[i], told_names);
        if (t < 0) return false;
        n->told[i] = (enum sb_monitor_told)t;
    }
    return get_name(o, "rule", &n->rule) && get_name(o, "summary", &n->summary) &&
           get_object(o, "labels", &n->labels) && get_object(o, "annotations", &n->annotations) &&
           sb_json_get_i64(o, "starts_ms", &n->starts_ms) &&
           sb_json_get_i64(o, "ends_ms", &n->ends_ms);
}

static bool read_lists(const struct sb_json *root, struct sb_monitor_memory *m) {
    const struct sb_json *alerts = sb_json_get(root, "alerts");
    const struct sb_json *notices = sb_json_get(root, "notices");
    struct sb_monitor_kept **last = &m->alerts;
    struct sb_monitor_notice **end = &m->notices;
    if (!alerts || !notices || alerts->n > KEPT_MAX || notices->n > KEPT_MAX) return false;
    for (const struct sb_json *v = alerts->child; v; v = v->next, last = &(*last)->next) {
        *last = sb_calloc(1, sizeof **last);
        if (!read_alert(v, *last)) return false;
    }
    for (const struct sb_json *v = notices->child; v; v = v->next, end = &(*end)->next) {
        *end = sb_calloc(1, sizeof **end);
        if (!read_notice(v, *end)) return false;
    }
    return true;
}

sb_err sb_monitor_memory_parse(struct sb_monitor_memory *out, struct sb_str json,
                               struct sb_errctx *ctx) {
    struct sb_arena a;
    struct sb_json *root;
    struct sb_monitor_memory m = {0};
    int64_t version = 0;
    sb_arena_init(&a, MEMORY_MAX);
    sb_err err = sb_json_parse(&root, json, &a, ctx);
    if (!err && (!sb_json_get_i64(root, "version", &version) || version != FORMAT))
        err = sb_fail(ctx, SB_E_VERSION, "alerts' state has format %lld, known is %d",
                      (long long)version, FORMAT);
    if (!err && !read_lists(root, &m)) err = sb_fail(ctx, SB_E_CORRUPT, "alerts' state is damaged");
    if (err)
        sb_monitor_memory_fini(&m);
    else
        *out = m;
    sb_arena_fini(&a);
    return err;
}

void sb_monitor_memory_fini(struct sb_monitor_memory *m) {
    for (struct sb_monitor_kept *k = m->alerts, *next; k; k = next) {
        next = k->next;
        sb_free(k->rule);
        sb_free(k);
    }
    for (struct sb_monitor_notice *n = m->notices, *next; n; n = next) {
        next = n->next;
        sb_monitor_notice_free(n);
    }
    *m = (struct sb_monitor_memory){0};
}
