/* The program's settings: one const table, four sources.
 *
 * A setting is named by its YAML path ("serving.timeout"); its flag (--serving-timeout) and its own
 * environment variable (SIBYL_SERVING_TIMEOUT) follow from that, and a row may name more variables
 * that such stacks use already. Later sources win: default, YAML file, environment, flag. Help
 * texts, CONFIGURATION.md and validation come from the table. */
#ifndef SB_APP_CONFIG_H
#define SB_APP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "domain/route/rules.h"

struct sb_addr {
    const char *text; /* as given */
    const char *host; /* IP literal */
    uint16_t port;    /* port_offset added; 0 = any free one */
};

/* Sizes in bytes, times in ns. Strings live in `arena`. */
struct sb_config {
    const char *data;
    int64_t port_offset;
    bool insecure_no_auth;
    const char *const *allowed_hosts; /* NULL-terminated */
    const char *python;
    const char *home;
    const char *log_level, *log_format;

    struct sb_addr serving_listen;
    int64_t serving_threads; /* never 0 after loading */
    int64_t serving_timeout, serving_max_body, serving_queue_target;
    const char *serving_default_model; /* "" = the only one */
    int64_t serving_idempotency_window;

    struct sb_addr registry_listen;
    const char *registry_url; /* never "" after loading */
    bool registry_is_ours;    /* the URL was not set: the platform process serves it */
    struct sb_addr dashboard_listen, search_listen;
    struct sb_route_rules routes;
    const char *alerts_file; /* "" = DATA/alerts.yaml when it is there */
    int64_t alerts_every;
    const char *alerts_webhook_url, *alerts_alertmanager_url;

    const char *privacy_key_file; /* "" = none */
    int64_t journal_segment_size, journal_retain_size, journal_retain_time;
    int64_t metrics_retain_size, metrics_retain_time;

    int64_t worker_processes, worker_memory;
    int64_t worker_start_timeout, worker_max_rows, worker_max_bytes;
    const char *worker_environment;
    int64_t worker_environment_keep; /* ns; 0 = for ever */

    struct sb_arena arena;
    uint8_t source[64];   /* enum sb_source by row of sb_settings */
    const char *text[64]; /* each row's value as it was given */
};

enum sb_setting_type {
    SB_SETTING_TEXT,
    SB_SETTING_INT,
    SB_SETTING_SIZE, /* 512, 64KiB, 16MiB, 2GiB */
    SB_SETTING_TIME, /* 250ms, 30s, 5m, 12h, 7d */
    SB_SETTING_BOOL,
    SB_SETTING_CHOICE,
    SB_SETTING_ADDR,       /* 127.0.0.1:8000, [::1]:8000 */
    SB_SETTING_URL,        /* http or https, or empty */
    SB_SETTING_LIST,       /* words separated by commas */
    SB_SETTING_SECRET_URL, /* the same; may hold a password: never a flag of our own processes */
    SB_SETTING_ROUTES,     /* a mapping, in YAML or JSON: domain/route/rules.h */
};

struct sb_setting {
    const char *key;
    enum sb_setting_type type;
    const char *fallback; /* as it would be written */
    int64_t min, max;     /* INT; bytes of SIZE; ns of TIME; length of TEXT */
    const char *choices;  /* CHOICE: "text|json" */
    const char *env[3];   /* further environment variables, after the own one */
    size_t at;            /* offset in struct sb_config */
    const char *doc;
};

/* Ends with a row whose key is NULL. */
extern const struct sb_setting sb_settings[];
size_t sb_setting_count(void);

enum sb_source { SB_SOURCE_DEFAULT, SB_SOURCE_FILE, SB_SOURCE_ENV, SB_SOURCE_FLAG };

/* All defaults. */
void sb_config_init(struct sb_config *c);
void sb_config_fini(struct sb_config *c);

/* One value, as text. SB_E_INVALID names the setting, the value, where it came from (`origin`: "env
 * LOG_LEVEL") and what is allowed. */
SB_MUST_CHECK sb_err sb_config_set(struct sb_config *c, const struct sb_setting *s,
                                   const char *value, enum sb_source source, const char *origin,
                                   struct sb_errctx *ctx);
/* A YAML document; file is its name for messages. Unknown keys are refused with the nearest one. */
SB_MUST_CHECK sb_err sb_config_yaml(struct sb_config *c, struct sb_str text, const char *file,
                                    struct sb_errctx *ctx);
/* One setting from its variables. get is getenv or a test's own. An empty one counts as unset. */
SB_MUST_CHECK sb_err sb_config_env(struct sb_config *c, const struct sb_setting *s,
                                   const char *(*get)(const char *name), struct sb_errctx *ctx);
/* After all sources: adds port_offset, fills what depends on other settings and refuses what does
 * not go together (a listener that others can reach without authentication, two on one port). */
SB_MUST_CHECK sb_err sb_config_finish(struct sb_config *c, struct sb_errctx *ctx);

/* After finish: whoever loads sb_config_flags gets just the ports that the listeners have now. */
void sb_config_fix_ports(struct sb_config *c);

/* The setting of a key ("serving.timeout") or of a flag's name ("serving-timeout"); or NULL. */
const struct sb_setting *sb_setting_of_key(struct sb_str key);
const struct sb_setting *sb_setting_of_flag(struct sb_str flag);

/* "serving-timeout" / "SIBYL_SERVING_TIMEOUT" */
void sb_setting_flag(const struct sb_setting *s, char to[64]);
void sb_setting_env(const struct sb_setting *s, char to[64]);

/* The flags that make another process load the same settings: everything not at its default, one
 * "--flag=value" each in the arena. *n counts them. */
const char *const *sb_config_flags(struct sb_config *c, size_t *n);
/* What the flags leave out, since every user can read the flags of a process: "NAME=value" for its
 * environment, NULL-terminated; empty values (unset) for a process that needs none of them. */
const char *const *sb_config_secrets(struct sb_config *c, bool needed);

/* "TIME, 1ms to 10m, default 30s": for help and docs. */
void sb_setting_describe(const struct sb_setting *s, struct sb_buf *out);

#endif
