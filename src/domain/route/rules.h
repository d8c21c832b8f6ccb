/* Routes by configuration: what answers under a name when that is not simply the registered model
 * of that name, and which other version shadows it.
 *
 *     routes:
 *       iris:  {shadow: "models:/iris-next@champion"}
 *       fraud: {primary: models:/fraud-eu/7, environment: model, privacy: {name: drop, iban: hmac}}
 *
 * Versions are named as MLflow names them (docs: models:/NAME/VERSION, models:/NAME@ALIAS,
 * models:/NAME/latest, models:/NAME/STAGE). Pure; any thread. */
#ifndef SB_DOMAIN_ROUTE_RULES_H
#define SB_DOMAIN_ROUTE_RULES_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    SB_ROUTE_RULES_MAX = 1000,
    SB_ROUTE_RULES_TEXT_MAX = 100 << 10 /* goes to processes as an argument */
};

enum sb_model_uri_kind {
    SB_MODEL_URI_NONE,
    SB_MODEL_URI_VERSION,
    SB_MODEL_URI_ALIAS,
    SB_MODEL_URI_LATEST, /* the newest READY version */
    SB_MODEL_URI_STAGE,
};

struct sb_model_uri {
    enum sb_model_uri_kind kind;
    struct sb_str text;        /* as written */
    struct sb_str name, which; /* views of text; which is the version, alias or stage */
};

/* The URI is a view of text. SB_E_INVALID says what is wrong with it. */
SB_MUST_CHECK sb_err sb_model_uri_parse(struct sb_model_uri *out, struct sb_str text,
                                        struct sb_errctx *ctx);

/* Which Python environment workers run in. */
enum sb_environment {
    SB_ENVIRONMENT_UNSET,   /* the next wider setting decides */
    SB_ENVIRONMENT_CURRENT, /* the configured interpreter's */
    SB_ENVIRONMENT_MODEL,   /* one made from the model's requirements.txt */
};
/* "current" and "model"; anything else is UNSET. */
enum sb_environment sb_environment_of(struct sb_str text);

struct sb_route_rule {
    const char *name;
    struct sb_model_uri primary; /* NONE: the registered model of the route's name, by policy */
    struct sb_model_uri shadow;  /* NONE: that model's alias shadow */
    enum sb_environment environment;
    struct sb_str privacy; /* JSON object of features and actions (privacy.h); empty = none */
};

/* Sorted by name, each name once; all memory is the arena's. */
struct sb_route_rules {
    const struct sb_route_rule *rule;
    size_t n;
};

/* From YAML or JSON: a mapping of routes; empty text and null are no rules. The message of a
 * failure names the route and the key. */
SB_MUST_CHECK sb_err sb_route_rules_parse(struct sb_route_rules *out, struct sb_str text,
                                          struct sb_arena *a, struct sb_errctx *ctx);
/* NULL = there is none. */
const struct sb_route_rule *sb_route_rules_find(const struct sb_route_rules *r, struct sb_str name);

#endif
