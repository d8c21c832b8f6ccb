/* The table, and text -> value for each type of it. Sources are in config_load.c. */
#include "app/config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/limits.h"

#define KIB INT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define DAY (24 * 3600 * SB_SEC)

#define AT(field) offsetof(struct sb_config, field)

/* clang-format off */
const struct sb_setting sb_settings[] = {
    {"data", SB_SETTING_TEXT, "./sibyl-data", 1, 1000, NULL, {NULL}, AT(data),
     "Folder that holds everything: events, registry, artifacts, model images."},
    {"port_offset", SB_SETTING_INT, "0", 0, 60000, NULL, {NULL}, AT(port_offset),
     "Added to every port that is not 0, so that several instances fit on one machine."},
    {"insecure_no_auth", SB_SETTING_BOOL, "false", 0, 0, NULL, {NULL}, AT(insecure_no_auth),
     "Allow listeners that other machines can reach, although nothing asks who is calling."},
    {"allowed_hosts", SB_SETTING_LIST, "", 0, 32, NULL, {NULL}, AT(allowed_hosts),
     "Names accepted in Host and Origin besides localhost and the address listened on."},
    {"python", SB_SETTING_TEXT, "python3", 1, 1000, NULL, {NULL}, AT(python),
     "Interpreter of the model workers; its environment needs mlflow and the models' libraries. "
     "The registry shows MLflow's own pages from it."},
    {"home", SB_SETTING_TEXT, "", 0, 1000, NULL, {NULL}, AT(home),
     "Folder with the program's own python/ and share/; empty = found from where it lies."},
    {"log.level", SB_SETTING_CHOICE, "info", 0, 0, "debug|info|warn|warning|error",
     {"LOG_LEVEL"}, AT(log_level),
     "Lines below this level are not written."},
    {"log.format", SB_SETTING_CHOICE, "text", 0, 0, "text|json", {NULL}, AT(log_format),
     "One line per event on standard error: key=value text, or JSON."},
    {"serving.listen", SB_SETTING_ADDR, "127.0.0.1:8000", 0, 0, NULL, {NULL}, AT(serving_listen),
     "Address of the predictions API."},
    {"serving.threads", SB_SETTING_INT, "0", 0, 64, NULL, {NULL}, AT(serving_threads),
     "Event loop threads that own connections; 0 = one per core."},
    {"serving.timeout", SB_SETTING_TIME, "30s", 10 * SB_MS, 600 * SB_SEC, NULL,
     {NULL}, AT(serving_timeout),
     "A prediction that takes longer is answered 504."},
    {"serving.max_body", SB_SETTING_SIZE, "16MiB", KIB, GIB, NULL, {NULL}, AT(serving_max_body),
     "Longest request body, also after gunzip."},
    {"serving.queue_target", SB_SETTING_TIME, "50ms", 0, 10 * SB_SEC, NULL,
     {NULL}, AT(serving_queue_target),
     "Predictions that would wait longer than this for their turn get 503; 0 = never."},
    {"serving.default_model", SB_SETTING_TEXT, "", 0, 256, NULL, {NULL}, AT(serving_default_model),
     "Model that POST /predict and /invocations mean; empty = the only one."},
    {"serving.idempotency_window", SB_SETTING_TIME, "10m", 0, 86400 * SB_SEC, NULL,
     {NULL}, AT(serving_idempotency_window),
     "A request sent again with the same Idempotency-Key within this time gets the stored answer; "
     "0 = keys are not looked at."},
    {"registry.listen", SB_SETTING_ADDR, "127.0.0.1:5000", 0, 0, NULL, {NULL}, AT(registry_listen),
     "Address of the MLflow tracking and registry API."},
    {"registry.url", SB_SETTING_URL, "", 0, 1000, NULL, {"MLFLOW_TRACKING_URI"}, AT(registry_url),
     "MLflow server whose models are served; empty = the built-in one."},
    {"dashboard.listen", SB_SETTING_ADDR, "127.0.0.1:3000", 0, 0, NULL,
     {NULL}, AT(dashboard_listen),
     "Address of the dashboard's pages."},
    {"search.listen", SB_SETTING_ADDR, "127.0.0.1:9200", 0, 0, NULL, {NULL}, AT(search_listen),
     "Address of the search API, Elasticsearch's protocol."},
    {"routes", SB_SETTING_ROUTES, "", 0, 0, NULL, {NULL}, AT(routes),
     "Routes that are not simply a registered model: NAME: {primary: URI, shadow: URI, "
     "environment: current or model, privacy: {FEATURE: drop, mask or hmac}}, each optional. URI "
     "is models:/MODEL/VERSION, models:/MODEL@ALIAS, models:/MODEL/latest or models:/MODEL/STAGE."},
    {"privacy.key_file", SB_SETTING_TEXT, "", 0, 4096, NULL, {NULL}, AT(privacy_key_file),
     "File with the secret of features that are recorded as hmac, at least 16 bytes "
     "(docs/PRIVACY.md)."},
    {"journal.segment_size", SB_SETTING_SIZE, "64MiB", MIB, GIB, NULL,
     {NULL}, AT(journal_segment_size),
     "Size of one file of the journal."},
    {"journal.retain_size", SB_SETTING_SIZE, "0", 0, INT64_MAX, NULL,
     {NULL}, AT(journal_retain_size),
     "Oldest events beyond this are deleted; 0 = no limit."},
    {"journal.retain_time", SB_SETTING_TIME, "0", 0, 36500 * DAY, NULL,
     {NULL}, AT(journal_retain_time),
     "Events older than this are deleted; 0 = no limit."},
    {"metrics.retain_size", SB_SETTING_SIZE, "512MiB", 64 * MIB, INT64_MAX, NULL,
     {NULL}, AT(metrics_retain_size),
     "Oldest part of the metrics' history beyond this is deleted."},
    {"metrics.retain_time", SB_SETTING_TIME, "7d", 3600 * SB_SEC, 36500 * DAY, NULL,
     {NULL}, AT(metrics_retain_time),
     "History of metrics older than this is deleted."},
    {"alerts.file", SB_SETTING_TEXT, "", 0, 1000, NULL, {NULL}, AT(alerts_file),
     "File with alert rules (ALERTS.md); empty = alerts.yaml in the data folder, when it is "
     "there."},
    {"alerts.every", SB_SETTING_TIME, "5s", 100 * SB_MS, 300 * SB_SEC, NULL, {NULL},
     AT(alerts_every),
     "Time between evaluations of the alert rules."},
    {"alerts.webhook_url", SB_SETTING_SECRET_URL, "", 0, 1000, NULL, {NULL}, AT(alerts_webhook_url),
     "Alerts are posted there, in the form of Alertmanager's webhooks; empty = nowhere."},
    {"alerts.alertmanager_url", SB_SETTING_SECRET_URL, "", 0, 1000, NULL, {NULL},
     AT(alerts_alertmanager_url),
     "Alertmanager that is told of alerts, by its API v2; empty = none."},
    {"worker.processes", SB_SETTING_INT, "1", 0, 64, NULL, {NULL}, AT(worker_processes),
     "Python processes for each live model version that needs them. 0 = none: only models that are "
     "computed natively are served, and no code that comes with a model runs."},
    {"worker.memory", SB_SETTING_SIZE, "4GiB", 64 * MIB, 1024 * GIB, NULL,
     {NULL}, AT(worker_memory),
     "Memory limit of one worker process."},
    {"worker.start_timeout", SB_SETTING_TIME, "2m", SB_SEC, 3600 * SB_SEC, NULL,
     {NULL}, AT(worker_start_timeout),
     "A worker that takes longer to load its model is given up."},
    {"worker.max_rows", SB_SETTING_INT, "256", 1, SB_LIMIT_PREDICT_ROWS, NULL,
     {NULL}, AT(worker_max_rows),
     "Waiting rows that go to a worker as one call."},
    {"worker.max_bytes", SB_SETTING_SIZE, "4MiB", 4 * KIB, GIB, NULL, {NULL}, AT(worker_max_bytes),
     "The same limit in bytes."},
    {"worker.environment", SB_SETTING_CHOICE, "current", 0, 0, "current|model", {NULL},
     AT(worker_environment),
     "Python environment of workers: the one of the setting python, or for each model one made "
     "from its requirements.txt. A registered model's tag sibyl.environment and a route's "
     "environment come before this."},
    {"worker.environment_keep", SB_SETTING_TIME, "30d", 0, 36500 * DAY, NULL,
     {NULL}, AT(worker_environment_keep),
     "Environments of models that nothing used for longer are deleted at the next start; 0 = "
     "never."},
    {NULL, 0, NULL, 0, 0, NULL, {NULL}, 0, NULL},
};
/* clang-format on */

size_t sb_setting_count(void) {
    return SB_COUNT(sb_settings) - 1;
}

/* ---- names ---- */

void sb_setting_flag(const struct sb_setting *s, char to[64]) {
    size_t i = 0;
    for (; s->key[i] && i < 63; i++) to[i] = s->key[i] == '.' || s->key[i] == '_' ? '-' : s->key[i];
    to[i] = 0;
}

void sb_setting_env(const struct sb_setting *s, char to[64]) {
    static const char prefix[] = "SIBYL_";
    memcpy(to, prefix, sizeof prefix);
    size_t n = sizeof prefix - 1;
    for (const char *k = s->key; *k && n < 63; k++)
        to[n++] = *k == '.' ? '_' : (char)(*k >= 'a' && *k <= 'z' ? *k - 32 : *k);
    to[n] = 0;
}

const struct sb_setting *sb_setting_of_key(struct sb_str key) {
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        if (sb_str_is(key, s->key)) return s;
    return NULL;
}

const struct sb_setting *sb_setting_of_flag(struct sb_str flag) {
    char name[64];
    for (const struct sb_setting *s = sb_settings; s->key; s++) {
        sb_setting_flag(s, name);
        if (sb_str_is(flag, name)) return s;
    }
    return NULL;
}

/* ---- numbers with units ---- */

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit size_units[] = {
    {"TiB", GIB * 1024}, {"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}, {"B", 1}, {NULL, 0},
};
static const struct unit time_units[] = {
    {"d", DAY},    {"h", 3600 * SB_SEC}, {"m", 60 * SB_SEC}, {"s", SB_SEC},
    {"ms", SB_MS}, {"us", SB_US},        {"ns", 1},          {NULL, 0},
};

/* "64MiB" -> bytes; without a unit only 0, and for sizes plain bytes. */
static bool parse_units(struct sb_str text, const struct unit *units, bool plain, int64_t *out) {
    size_t digits = 0;
    int64_t n;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9') digits++;
    if (!sb_str_to_i64(sb_str_sub(text, 0, digits), &n)) return false;
    struct sb_str unit = sb_str_sub(text, digits, text.n);
    if (unit.n == 0) {
        *out = n;
        return plain || n == 0;
    }
    for (const struct unit *u = units; u->name; u++) {
        if (!sb_str_is(unit, u->name)) continue;
        return !__builtin_mul_overflow(n, u->factor, out);
    }
    return false;
}

/* Largest unit that divides v, for messages and docs: 16777216 -> 16MiB. */
static void add_units(struct sb_buf *b, int64_t v, const struct unit *units) {
    const struct unit *u = units;
    while (u->factor > 1 && (v == 0 || v % u->factor)) u++;
    sb_buf_addi(b, v);
    if (v) {
        b->n = 0;
        sb_buf_addf(b, "%lld%s", (long long)(v / u->factor), u->name);
    }
}

static void add_bound(struct sb_buf *out, const struct sb_setting *s, int64_t v) {
    struct sb_buf b;
    sb_buf_init(&b, 64);
    if (s->type == SB_SETTING_SIZE)
        add_units(&b, v, size_units);
    else if (s->type == SB_SETTING_TIME)
        add_units(&b, v, time_units);
    else
        sb_buf_addi(&b, v);
    sb_buf_adds(out, sb_buf_view(&b));
    sb_buf_fini(&b);
}

/* ---- what is allowed, in words ---- */

static void add_choices(struct sb_buf *out, const char *choices) {
    struct sb_str rest = sb_str_of(choices), one;
    for (const char *sep = ""; sb_str_split(&rest, '|', &one);
         sep = rest.p && !sb_str_contains(rest, SB_STR("|")) ? " or " : ", ") {
        sb_buf_addz(out, sep);
        sb_buf_adds(out, one);
    }
}

static void add_allowed(struct sb_buf *out, const struct sb_setting *s) {
    static const char *const kinds[] = {
        [SB_SETTING_TEXT] = "text",
        [SB_SETTING_INT] = "a whole number",
        [SB_SETTING_SIZE] = "a size (B, KiB, MiB, GiB, TiB)",
        [SB_SETTING_TIME] = "a time (us, ms, s, m, h, d)",
        [SB_SETTING_BOOL] = "true or false",
        [SB_SETTING_ADDR] = "an IP address and a port, like 127.0.0.1:8000 or [::1]:8000",
        [SB_SETTING_URL] = "an http:// or https:// URL",
        [SB_SETTING_SECRET_URL] = "an http:// or https:// URL",
        [SB_SETTING_LIST] = "names separated by commas",
        [SB_SETTING_ROUTES] = "a mapping of routes, in YAML",
    };
    if (s->type == SB_SETTING_CHOICE) {
        add_choices(out, s->choices);
        return;
    }
    sb_buf_addz(out, kinds[s->type]);
    if (s->type == SB_SETTING_TEXT) {
        if (s->min) SB_BUF_LIT(out, ", not empty");
    } else if (s->type == SB_SETTING_LIST) {
        sb_buf_addf(out, ", at most %lld", (long long)s->max);
    } else if (s->type == SB_SETTING_INT || s->type == SB_SETTING_SIZE ||
               s->type == SB_SETTING_TIME) {
        sb_buf_addz(out, s->max == INT64_MAX ? ", at least " : ", ");
        add_bound(out, s, s->min);
        if (s->max != INT64_MAX) {
            SB_BUF_LIT(out, " to ");
            add_bound(out, s, s->max);
        }
    }
}

void sb_setting_describe(const struct sb_setting *s, struct sb_buf *out) {
    add_allowed(out, s);
    if (s->fallback[0]) sb_buf_addf(out, "; default %s", s->fallback);
}

/* ---- text -> value ---- */

static bool parse_bool(struct sb_str v, bool *out) {
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    for (size_t i = 0; i < SB_COUNT(words); i++) {
        if (!sb_str_ieq(v, sb_str_of(words[i]))) continue;
        *out = i >= 4;
        return true;
    }
    return false;
}

static bool parse_addr(struct sb_arena *a, struct sb_str v, struct sb_addr *out) {
    ptrdiff_t colon = sb_str_rfind(v, ':');
    uint64_t port;
    if (colon < 1 || !sb_str_to_u64(sb_str_sub(v, (size_t)colon + 1, v.n), &port)) return false;
    struct sb_str host = sb_str_sub(v, 0, (size_t)colon);
    unsigned char bits[16];
    bool six = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (six) host = sb_str_sub(host, 1, host.n - 2);
    const char *text = sb_arena_dup(a, host).p;
    if (port > 65535 || inet_pton(six ? AF_INET6 : AF_INET, text, bits) != 1) return false;
    *out = (struct sb_addr){sb_arena_dup(a, v).p, text, (uint16_t)port};
    return true;
}

static bool parse_list(struct sb_arena *a, struct sb_str v, size_t max, const char *const **out) {
    const char **words = sb_arena_zalloc(a, (max + 1) * sizeof *words);
    size_t n = 0;
    for (struct sb_str one; sb_str_split(&v, ',', &one);) {
        one = sb_str_trim(one);
        if (one.n == 0) continue;
        if (n == max) return false;
        words[n++] = sb_arena_dup(a, one).p;
    }
    *out = words;
    return true;
}

static bool is_choice(const char *choices, struct sb_str v) {
    struct sb_str rest = sb_str_of(choices), one;
    while (sb_str_split(&rest, '|', &one))
        if (sb_str_eq(one, v)) return true;
    return false;
}

static bool is_url(struct sb_str v) {
    return v.n == 0 || (sb_str_starts(v, SB_STR("http://")) && v.n > 7) ||
           (sb_str_starts(v, SB_STR("https://")) && v.n > 8);
}

static bool set_number(void *to, const struct sb_setting *s, struct sb_str v) {
    int64_t n = 0;
    bool ok = s->type == SB_SETTING_INT    ? sb_str_to_i64(v, &n)
              : s->type == SB_SETTING_SIZE ? parse_units(v, size_units, true, &n)
                                           : parse_units(v, time_units, false, &n);
    if (!ok || n < s->min || n > s->max) return false;
    memcpy(to, &n, sizeof n);
    return true;
}

static bool set_text(struct sb_config *c, void *to, const struct sb_setting *s, struct sb_str v) {
    if (s->type == SB_SETTING_CHOICE && !is_choice(s->choices, v)) return false;
    bool url = s->type == SB_SETTING_URL || s->type == SB_SETTING_SECRET_URL;
    if (url && !is_url(v)) return false;
    if (s->type != SB_SETTING_CHOICE && (v.n < (size_t)s->min || v.n > (size_t)s->max))
        return false;
    const char *p = sb_arena_dup(&c->arena, v).p;
    memcpy(to, &p, sizeof p);
    return true;
}

static bool set_value(struct sb_config *c, const struct sb_setting *s, struct sb_str v) {
    void *to = (char *)c + s->at;
    switch (s->type) {
    case SB_SETTING_INT:
    case SB_SETTING_SIZE:
    case SB_SETTING_TIME: return set_number(to, s, v);
    case SB_SETTING_BOOL: return parse_bool(v, to);
    case SB_SETTING_ADDR: return parse_addr(&c->arena, v, to);
    case SB_SETTING_LIST: return parse_list(&c->arena, v, (size_t)s->max, to);
    case SB_SETTING_TEXT:
    case SB_SETTING_CHOICE:
    case SB_SETTING_URL:
    case SB_SETTING_SECRET_URL: return set_text(c, to, s, v);
    case SB_SETTING_ROUTES: break; /* says more than yes or no */
    }
    return false;
}

static sb_err set_routes(struct sb_config *c, const struct sb_setting *s, const char *value,
                         const char *origin, struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    void *to = (char *)c + s->at;
    sb_err err = sb_route_rules_parse(to, sb_str_of(value), &c->arena, &why);
    return err ? sb_fail(ctx, err, "%s: %s", origin, why.msg) : SB_OK;
}

sb_err sb_config_set(struct sb_config *c, const struct sb_setting *s, const char *value,
                     enum sb_source source, const char *origin, struct sb_errctx *ctx) {
    if (s->type == SB_SETTING_ROUTES) {
        SB_TRY(set_routes(c, s, value, origin, ctx));
    } else if (!set_value(c, s, sb_str_of(value))) {
        struct sb_buf allowed;
        sb_buf_init(&allowed, SB_ERRMSG_MAX);
        add_allowed(&allowed, s);
        const char *shown = s->type == SB_SETTING_SECRET_URL ? "..." : value;
        sb_err err = sb_fail(ctx, SB_E_INVALID, "%s = \"%.60s\" (%s): allowed is %s", s->key, shown,
                             origin, sb_buf_cstr(&allowed));
        sb_buf_fini(&allowed);
        return err;
    }
    c->source[s - sb_settings] = (uint8_t)source;
    c->text[s - sb_settings] = sb_arena_dup(&c->arena, sb_str_of(value)).p;
    return SB_OK;
}

void sb_config_init(struct sb_config *c) {
    _Static_assert(SB_COUNT(sb_settings) <= SB_COUNT(c->source), "room for every row");
    *c = (struct sb_config){0};
    sb_arena_init(&c->arena, MIB);
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        SB_ASSERT(sb_config_set(c, s, s->fallback, SB_SOURCE_DEFAULT, "default", NULL) == SB_OK);
}

void sb_config_fini(struct sb_config *c) {
    sb_arena_fini(&c->arena);
}
