#include "domain/monitor/store.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/age.h"
#include "codec/time.h"
#include "domain/monitor/rule_int.h"

#define SILENCE_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

struct reading {
    const char *file;   /* NULL: from the API */
    struct sb_str *key; /* out, or NULL */
    struct sb_arena *a;
    struct sb_errctx *ctx;
};

SB_PRINTF(3, 4)
static sb_err fail(struct reading *r, const struct sb_json *at, const char *fmt, ...) {
    char what[SB_ERRMSG_MAX], where[80] = "";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    size_t line = at->key_pos ? at->key_pos : at->pos;
    if (r->file) snprintf(where, sizeof where, "%.40s line %zu: ", r->file, line);
    if (r->key) *r->key = sb_arena_dup(r->a, sb_str_sub(at->key, 0, 100));
    return sb_fail_at(r->ctx, SB_E_INVALID, r->file ? (int64_t)line : -1, "%s%.*s%s%s", where,
                      SB_ARG(sb_str_sub(at->key, 0, 60)), at->key.n ? ": " : "", what);
}

static sb_err read_text(struct reading *r, const struct sb_json *v, struct sb_str *out) {
    if (v->type != SB_JSON_STRING || v->s.n > SB_MONITOR_STRING_MAX)
        return fail(r, v, "must be text of at most %d bytes", SB_MONITOR_STRING_MAX);
    *out = sb_arena_dup(r->a, v->s);
    return out->p ? SB_OK : sb_fail(r->ctx, SB_E_LIMIT, "silences: too large");
}

static sb_err read_time(struct reading *r, const struct sb_json *v, int64_t *out) {
    int64_t ns;
    if (v->type != SB_JSON_STRING || !sb_time_parse(v->s, &ns))
        return fail(r, v, "must be a time like 2026-11-24T08:00:00Z");
    *out = ns / SB_MS;
    return SB_OK;
}

static sb_err read_labels(struct reading *r, const struct sb_json *v,
                          struct sb_monitor_silence *s) {
    if (v->type != SB_JSON_OBJECT || v->n > SB_MONITOR_PAIRS_MAX)
        return fail(r, v, "must be a mapping of at most %d labels", SB_MONITOR_PAIRS_MAX);
    struct sb_monitor_pair *p = sb_arena_zalloc(r->a, (v->n + 1) * sizeof *p);
    s->labels = p;
    for (const struct sb_json *e = v->child; e; e = e->next, p++) {
        p->key = sb_arena_dup(r->a, e->key);
        SB_TRY(read_text(r, e, &p->value));
        s->nlabels++;
    }
    return SB_OK;
}

/* ---- silences ---- */

static sb_err read_stored_silence(struct reading *r, const struct sb_json *o,
                                  struct sb_monitor_silence *s) {
    if (o->type != SB_JSON_OBJECT) return fail(r, o, "a silence must be a mapping");
    for (const struct sb_json *v = o->child; v; v = v->next) {
        struct sb_str *text = sb_str_is(v->key, "id")     ? &s->id
                              : sb_str_is(v->key, "rule") ? &s->rule
                              : sb_str_is(v->key, "by")   ? &s->by
                              : sb_str_is(v->key, "why")  ? &s->why
                                                          : NULL;
        if (text)
            SB_TRY(read_text(r, v, text));
        else if (sb_str_is(v->key, "labels"))
            SB_TRY(read_labels(r, v, s));
        else if (sb_str_is(v->key, "created"))
            SB_TRY(read_time(r, v, &s->created_ms));
        else if (sb_str_is(v->key, "until"))
            SB_TRY(read_time(r, v, &s->until_ms));
        else
            return fail(r, v, "there is no such key of a silence");
    }
    return s->id.n ? SB_OK : fail(r, o, "a silence needs an id");
}

static sb_err read_span(struct reading *r, const struct sb_json *v, int64_t now_ms,
                        int64_t *until_ms) {
    int64_t ms;
    if (v->type != SB_JSON_STRING || !sb_age_parse(v->s, &ms) || ms < 1000 || ms > SILENCE_MAX_MS)
        return fail(r, v, "must be a time from 1s to 366d, like 30m or 2h");
    *until_ms = now_ms + ms;
    return SB_OK;
}

sb_err sb_monitor_silence_read(struct sb_monitor_silence *out, const struct sb_json *tree,
                               const char *id, int64_t now_ms, struct sb_arena *a,
                               struct sb_str *key, struct sb_errctx *ctx) {
    struct reading r = {.key = key, .a = a, .ctx = ctx};
    struct sb_monitor_silence s = {.id = sb_arena_dup(a, sb_str_of(id)), .created_ms = now_ms};
    if (tree->type != SB_JSON_OBJECT)
        return fail(&r, tree, "a silence is an object with rule or labels, for and why");
    for (const struct sb_json *v = tree->child; v; v = v->next) {
        struct sb_str *text = sb_str_is(v->key, "rule")  ? &s.rule
                              : sb_str_is(v->key, "by")  ? &s.by
                              : sb_str_is(v->key, "why") ? &s.why
                                                         : NULL;
        if (v->type == SB_JSON_NULL) continue;
        if (text)
            SB_TRY(read_text(&r, v, text));
        else if (sb_str_is(v->key, "labels"))
            SB_TRY(read_labels(&r, v, &s));
        else if (sb_str_is(v->key, "for"))
            SB_TRY(read_span(&r, v, now_ms, &s.until_ms));
        else
            return fail(&r, v, "there is no such key; a silence has rule, labels, for, why, by");
    }
    if (!s.rule.n && !s.nlabels) return fail(&r, tree, "name a rule or labels to silence");
    if (!s.until_ms) return fail(&r, tree, "say for how long: \"for\": \"2h\"");
    *out = s;
    return SB_OK;
}

static bool has_label(const struct sb_monitor_rule *rule, const struct sb_monitor_pair *l) {
    if (sb_str_is(l->key, "alertname")) return sb_str_eq(l->value, rule->name);
    if (sb_str_is(l->key, "severity"))
        return sb_str_is(l->value, sb_monitor_severity_names[rule->severity]);
    for (size_t i = 0; i < rule->nlabels; i++)
        if (sb_str_eq(rule->labels[i].key, l->key))
            return sb_str_eq(rule->labels[i].value, l->value);
    return l->value.n == 0;
}

bool sb_monitor_silence_matches(const struct sb_monitor_silence *s,
                                const struct sb_monitor_rule *rule) {
    if (s->rule.n && !sb_str_eq(s->rule, rule->name)) return false;
    for (size_t i = 0; i < s->nlabels; i++)
        if (!has_label(rule, &s->labels[i])) return false;
    return true;
}

/* ---- the file ---- */

static sb_err read_silences(struct reading *r, const struct sb_json *list,
                            struct sb_monitor_store *out) {
    if (list->type != SB_JSON_ARRAY || list->n > SB_MONITOR_SILENCES_MAX)
        return fail(r, list, "must be a list of at most %d silences", SB_MONITOR_SILENCES_MAX);
    struct sb_monitor_silence *s = sb_arena_zalloc(r->a, (list->n + 1) * sizeof *s);
    for (const struct sb_json *v = list->child; v; v = v->next)
        SB_TRY(read_stored_silence(r, v, &s[out->nsilences++]));
    out->silences = s;
    return SB_OK;
}

static sb_err read_switches(struct reading *r, const struct sb_json *o,
                            struct sb_monitor_store *out) {
    if (o->type != SB_JSON_OBJECT) return fail(r, o, "must be a mapping of rules to true or false");
    struct sb_monitor_switch *s = sb_arena_zalloc(r->a, (o->n + 1) * sizeof *s);
    for (const struct sb_json *v = o->child; v; v = v->next) {
        if (v->type != SB_JSON_TRUE && v->type != SB_JSON_FALSE)
            return fail(r, v, "must be true or false");
        s[out->nswitches].name = sb_arena_dup(r->a, v->key);
        s[out->nswitches++].on = v->type == SB_JSON_TRUE;
    }
    out->switches = s;
    return SB_OK;
}

sb_err sb_monitor_store_parse(struct sb_monitor_store *out, struct sb_str text, const char *file,
                              struct sb_arena *a, struct sb_errctx *ctx) {
    struct reading r = {.file = file, .a = a, .ctx = ctx};
    struct sb_monitor_origin from = {file};
    struct sb_monitor_store s = {0};
    struct sb_json *root;
    SB_TRY(sb_monitor_yaml(&root, text, file, a, ctx));
    if (root->type != SB_JSON_NULL && root->type != SB_JSON_OBJECT)
        return fail(&r, root, "must be a mapping: rules, switched, silences");
    for (const struct sb_json *v = root->child; v; v = v->next) {
        if (sb_str_is(v->key, "rules"))
            SB_TRY(sb_monitor_rules_read(&s.rules, v, &from, a, ctx));
        else if (sb_str_is(v->key, "switched"))
            SB_TRY(read_switches(&r, v, &s));
        else if (sb_str_is(v->key, "silences"))
            SB_TRY(read_silences(&r, v, &s));
        else
            return fail(&r, v, "there is no such key; there are rules, switched, silences");
    }
    *out = s;
    return SB_OK;
}

static void add_time(struct sb_buf *out, const char *key, int64_t ms) {
    char text[SB_TIME_TEXT];
    sb_buf_addf(out, "    %s: \"%.*s\"\n", key, (int)sb_time_format_ms(text, ms), text);
}

static void add_text(struct sb_buf *out, const char *key, struct sb_str v) {
    if (!v.n) return;
    sb_buf_addf(out, "    %s: ", key);
    sb_json_add_string(out, v);
    sb_buf_addc(out, '\n');
}

static void write_silence(const struct sb_monitor_silence *s, struct sb_buf *out) {
    SB_BUF_LIT(out, "  - id: ");
    sb_json_add_string(out, s->id);
    sb_buf_addc(out, '\n');
    add_text(out, "rule", s->rule);
    if (s->nlabels) {
        struct sb_json_writer w = {.b = out};
        SB_BUF_LIT(out, "    labels: ");
        sb_json_obj(&w, NULL);
        for (size_t i = 0; i < s->nlabels; i++) {
            sb_json_key(&w, s->labels[i].key);
            sb_json_str(&w, NULL, s->labels[i].value);
        }
        sb_json_end(&w);
        sb_buf_addc(out, '\n');
    }
    add_time(out, "created", s->created_ms);
    add_time(out, "until", s->until_ms);
    add_text(out, "by", s->by);
    add_text(out, "why", s->why);
}

void sb_monitor_rule_write_yaml(const struct sb_monitor_rule *r, struct sb_buf *out) {
    struct sb_arena a;
    struct sb_json *tree;
    struct sb_json_reader json;
    sb_arena_init(&a, 256 << 20);
    sb_json_reader_init(&json, r->definition, &a, NULL);
    json.number_max = SB_MONITOR_TEXT_MAX; /* numbers keep their text, of any length */
    SB_ASSERT(sb_json_parse_with(&tree, &json) == SB_OK); /* we wrote it */
    const char *lead = "  - ";
    for (const struct sb_json *v = tree->child; v; v = v->next, lead = "    ") {
        sb_buf_addz(out, lead);
        sb_buf_adds(out, v->key);
        SB_BUF_LIT(out, ": ");
        sb_json_add_tree(out, v);
        sb_buf_addc(out, '\n');
    }
    sb_arena_fini(&a);
}

void sb_monitor_store_write(const struct sb_monitor_store *s, struct sb_buf *out) {
    SB_BUF_LIT(out,
               "# Written by sibyl; rules of your own go into alerts.yaml (docs/ALERTS.md).\n");
    if (s->rules.n) SB_BUF_LIT(out, "rules:\n");
    for (size_t i = 0; i < s->rules.n; i++) sb_monitor_rule_write_yaml(&s->rules.rule[i], out);
    if (s->nswitches) SB_BUF_LIT(out, "switched:\n");
    for (size_t i = 0; i < s->nswitches; i++) {
        SB_BUF_LIT(out, "  ");
        sb_json_add_string(out, s->switches[i].name);
        sb_buf_addz(out, s->switches[i].on ? ": true\n" : ": false\n");
    }
    if (s->nsilences) SB_BUF_LIT(out, "silences:\n");
    for (size_t i = 0; i < s->nsilences; i++) write_silence(&s->silences[i], out);
}
