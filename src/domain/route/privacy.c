#include "domain/route/privacy.h"

#include "base/mem.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "codec/sha256.h"

enum { TEXT_MAX = 1 << 20, VALUE_MAX = 16 << 20, HMAC_SHOWN = 16 };

static const char *const action_names[] = {"keep", "drop", "mask", "hmac"};

struct rule {
    struct sb_str name;
    enum sb_privacy_action action;
};

struct sb_privacy {
    uint8_t *of_input; /* action by place in the signature */
    size_t ninputs;
    struct sb_arena arena; /* of the rules */
    struct rule *rule;
    size_t nrules;
    char *key;
    size_t key_n;
};

/* ---- rules ---- */

struct rules {
    struct sb_arena *arena;
    struct rule *rule;
    size_t n;
    struct sb_errctx *ctx;
};

static sb_err add_rule(struct rules *r, struct sb_str name, struct sb_str action) {
    size_t a = 0;
    while (a < SB_COUNT(action_names) && !sb_str_is(action, action_names[a])) a++;
    if (a == SB_COUNT(action_names))
        return sb_fail(r->ctx, SB_E_INVALID,
                       "privacy: \"%.*s\" of feature \"%.*s\" is not keep, drop, mask or hmac",
                       SB_ARG(sb_str_sub(action, 0, 40)), SB_ARG(sb_str_sub(name, 0, 60)));
    if (!name.n) return sb_fail(r->ctx, SB_E_INVALID, "privacy: a feature without a name");
    for (size_t i = 0; i < r->n; i++)
        if (sb_str_eq(r->rule[i].name, name)) return SB_OK; /* an earlier text decided */
    if (r->n == SB_PRIVACY_RULES_MAX)
        return sb_fail(r->ctx, SB_E_LIMIT, "privacy: more than %d rules", SB_PRIVACY_RULES_MAX);
    r->rule[r->n++] = (struct rule){sb_arena_dup(r->arena, name), (enum sb_privacy_action)a};
    return SB_OK;
}

static sb_err add_json(struct rules *r, struct sb_str text) {
    struct sb_json *o;
    struct sb_errctx why = {0};
    sb_err err = sb_json_parse(&o, text, r->arena, &why);
    if (err)
        return sb_fail(r->ctx, SB_E_INVALID, "privacy: not JSON: %s", sb_errctx_text(&why, err));
    for (const struct sb_json *v = o->child; v; v = v->next) {
        if (v->type != SB_JSON_STRING)
            return sb_fail(r->ctx, SB_E_INVALID, "privacy: feature \"%.*s\" has no action",
                           SB_ARG(sb_str_sub(v->key, 0, 60)));
        SB_TRY(add_rule(r, v->key, v->s));
    }
    return SB_OK;
}

static sb_err add_text(struct rules *r, struct sb_str text) {
    struct sb_str part;
    text = sb_str_trim(text);
    if (sb_str_starts(text, SB_STR("{"))) return add_json(r, text);
    while (text.n && sb_str_split(&text, ',', &part)) {
        ptrdiff_t eq = sb_str_rfind(part, '=');
        if (eq < 0)
            return sb_fail(r->ctx, SB_E_INVALID,
                           "privacy: \"%.*s\" is not feature=action (keep, drop, mask, hmac)",
                           SB_ARG(sb_str_sub(part, 0, 60)));
        SB_TRY(add_rule(r, sb_str_trim(sb_str_sub(part, 0, (size_t)eq)),
                        sb_str_trim(sb_str_sub(part, (size_t)eq + 1, part.n))));
    }
    return SB_OK;
}

sb_err sb_privacy_merge(const struct sb_str *texts, size_t n, struct sb_arena *a,
                        struct sb_str *out, struct sb_errctx *ctx) {
    struct rules r = {.arena = a, .ctx = ctx};
    bool any = false;
    for (size_t i = 0; i < n; i++) any = any || texts[i].n;
    *out = (struct sb_str){0};
    if (!any) return SB_OK;
    r.rule = sb_arena_alloc(a, SB_PRIVACY_RULES_MAX * sizeof *r.rule);
    for (size_t i = 0; i < n; i++) SB_TRY(add_text(&r, texts[i]));
    struct sb_buf b;
    sb_buf_init(&b, TEXT_MAX);
    struct sb_json_writer w = {.b = &b};
    any = false;
    sb_json_obj(&w, NULL);
    for (size_t i = 0; i < r.n; i++) {
        if (r.rule[i].action == SB_PRIVACY_KEEP) continue;
        any = true;
        sb_json_key(&w, r.rule[i].name);
        sb_json_str(&w, NULL, sb_str_of(action_names[r.rule[i].action]));
    }
    sb_json_end(&w);
    sb_err err = sb_buf_err(&b);
    if (!err && any) *out = sb_arena_dup(a, sb_buf_view(&b));
    sb_buf_fini(&b);
    return err ? sb_fail(ctx, err, "privacy: too many rules") : SB_OK;
}

/* ---- for one version ---- */

static ptrdiff_t input_of(const struct sb_signature *s, struct sb_str name) {
    for (size_t i = 0; i < s->ninputs; i++)
        if (s->inputs[i].name && sb_str_is(name, s->inputs[i].name)) return (ptrdiff_t)i;
    return -1;
}

static sb_err place_rules(struct sb_privacy *p, const struct sb_signature *s,
                          struct sb_errctx *ctx) {
    p->ninputs = s->ninputs;
    p->of_input = sb_calloc(s->ninputs + 1, 1);
    for (size_t i = 0; i < p->nrules; i++) {
        const struct rule *r = &p->rule[i];
        ptrdiff_t at = input_of(s, r->name);
        if (r->action == SB_PRIVACY_HMAC && p->key_n < SB_PRIVACY_KEY_MIN)
            return sb_fail(ctx, SB_E_INVALID,
                           "privacy: feature \"%.*s\" is to be hmac, and privacy.key_file names no "
                           "key of at least %d bytes",
                           SB_ARG(sb_str_sub(r->name, 0, 60)), SB_PRIVACY_KEY_MIN);
        if (at < 0 && s->ninputs)
            return sb_fail(ctx, SB_E_INVALID, "privacy: the model has no feature \"%.*s\"",
                           SB_ARG(sb_str_sub(r->name, 0, 60)));
        if (at >= 0) p->of_input[at] = (uint8_t)r->action;
    }
    return SB_OK;
}

sb_err sb_privacy_new(struct sb_privacy **out, struct sb_str merged, const struct sb_signature *s,
                      struct sb_str key, struct sb_errctx *ctx) {
    *out = NULL;
    if (!merged.n) return SB_OK;
    struct sb_privacy *p = sb_calloc(1, sizeof *p);
    sb_arena_init(&p->arena, 8 << 20);
    struct rules r = {.arena = &p->arena, .ctx = ctx};
    r.rule = sb_arena_alloc(&p->arena, SB_PRIVACY_RULES_MAX * sizeof *r.rule);
    sb_err err = add_text(&r, sb_arena_dup(&p->arena, merged));
    p->rule = r.rule;
    p->nrules = r.n;
    if (key.n) {
        p->key = sb_strndup(key.p, key.n);
        p->key_n = key.n;
    }
    if (!err) err = place_rules(p, s, ctx);
    if (err) {
        sb_privacy_free(p);
        return err;
    }
    *out = p;
    return SB_OK;
}

void sb_privacy_free(struct sb_privacy *p) {
    if (!p) return;
    if (p->key) sb_wipe(p->key, p->key_n);
    sb_free(p->key);
    sb_free(p->of_input);
    sb_arena_fini(&p->arena);
    sb_free(p);
}

/* ---- cells ---- */

enum sb_privacy_action sb_privacy_of_input(const struct sb_privacy *p, size_t index) {
    return index < p->ninputs ? (enum sb_privacy_action)p->of_input[index] : SB_PRIVACY_KEEP;
}

enum sb_privacy_action sb_privacy_of_name(const struct sb_privacy *p, struct sb_str name) {
    for (size_t i = 0; i < p->nrules; i++)
        if (sb_str_eq(p->rule[i].name, name)) return p->rule[i].action;
    return SB_PRIVACY_KEEP;
}

static void add_hmac(struct sb_buf *b, const struct sb_privacy *p, const struct sb_column *column,
                     size_t row) {
    struct sb_buf value;
    uint8_t mac[32];
    char hex[2 * HMAC_SHOWN];
    sb_buf_init(&value, VALUE_MAX);
    sb_column_add_json(&value, column, row);
    sb_hmac_sha256(sb_str_make(p->key, p->key_n), sb_buf_view(&value), mac);
    sb_buf_fini(&value);
    sb_hex_encode(hex, mac, HMAC_SHOWN);
    SB_BUF_LIT(b, "\"hmac:");
    sb_buf_add(b, hex, sizeof hex);
    sb_buf_addc(b, '"');
}

void sb_privacy_add(struct sb_buf *b, const struct sb_privacy *p, enum sb_privacy_action action,
                    const struct sb_column *column, size_t row) {
    bool missing = column->null && column->null[row];
    if (missing)
        SB_BUF_LIT(b, "null");
    else if (action == SB_PRIVACY_HMAC)
        add_hmac(b, p, column, row);
    else if (column->type == SB_DTYPE_STRING || column->type == SB_DTYPE_BINARY)
        SB_BUF_LIT(b, "\"***\"");
    else
        SB_BUF_LIT(b, "null");
}
