/* The owner thread and what it is asked. */
#include "flow/alerts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/uuid.h"
#include "codec/yaml.h"
#include "flow/alerts_int.h"
#include "sys/file.h"

enum { STATE_MAX = 64 << 20, TREE_MAX = 16 << 20, BODY_MAX = 1 << 20 };

#define EVERY_NS (5 * SB_SEC)
/* Of alerts that are over and not told to all: */
#define KEEP_MS (INT64_C(24) * 3600 * 1000)
enum { KEEP_MAX = 1000 };

/* ---- state on disk ---- */

static void load_state(struct sb_alerts *a) {
    struct sb_errctx ctx = {0};
    struct sb_buf b;
    sb_buf_init(&b, STATE_MAX);
    sb_err err = sb_file_read_all(a->state_path, &b, &ctx);
    if (!err) err = sb_monitor_memory_parse(&a->memory, sb_buf_view(&b), &ctx);
    if (err && err != SB_E_MISSING)
        SB_LOG(SB_LOG_WARN, "alerts", "state_lost", SB_KS("file", a->state_path), SB_KE(&ctx, err),
               SB_KS("next", "alerts begin anew; what fires is announced again"));
    a->sender.notices = a->memory.notices;
    a->memory.notices = NULL;
    sb_buf_fini(&b);
}

/* Notices that everybody knows the end of go; and, of a destination that does not come back, those
 * that are over and old, or too many. Newest first. */
static void forget_done(struct sb_alerts *a) {
    struct sb_alert_sender *s = &a->sender;
    int64_t old_ms = sb_wall_ms() - KEEP_MS;
    size_t over = 0;
    for (struct sb_monitor_notice **at = &s->notices, *n; (n = *at);) {
        over += n->ends_ms != 0;
        bool given_up = n->ends_ms && (n->ends_ms < old_ms || over > KEEP_MAX);
        if (!given_up && !sb_monitor_notice_done(n, s->wanted)) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        sb_monitor_notice_free(n);
        s->changed = true;
    }
}

/* The alert of a notice whose rule went while the program was down never ends by itself. */
static void end_orphans(struct sb_alerts *a) {
    int64_t now_ms = sb_wall_ms();
    sb_mutex_lock(&a->sender.lock);
    for (struct sb_monitor_notice *n = a->sender.notices; n; n = n->next) {
        const struct sb_alert_entry *e = sb_alerts_find(a, sb_str_of(n->rule));
        if (n->ends_ms || (e && e->alert.state == SB_MONITOR_STATE_FIRING)) continue;
        n->ends_ms = now_ms;
        a->sender.changed = true;
    }
    sb_mutex_unlock(&a->sender.lock);
}

static void write_state(struct sb_alerts *a, struct sb_buf *out) {
    struct sb_monitor_memory m = {.notices = a->sender.notices};
    struct sb_monitor_kept *kept = sb_calloc(a->n + 1, sizeof *kept);
    for (size_t i = 0; i < a->n; i++) {
        const struct sb_alert_entry *e = a->entries[i];
        kept[i].rule = sb_strndup(e->rule.name.p, e->rule.name.n);
        memcpy(kept[i].digest, e->digest, sizeof kept[i].digest);
        kept[i].alert = e->alert;
        kept[i].next = i + 1 < a->n ? &kept[i + 1] : NULL;
    }
    m.alerts = a->n ? kept : NULL;
    sb_monitor_memory_write(&m, out);
    for (size_t i = 0; i < a->n; i++) sb_free(kept[i].rule);
    sb_free(kept);
}

static void save_state(struct sb_alerts *a) {
    struct sb_errctx ctx = {0};
    struct sb_buf b;
    sb_mutex_lock(&a->sender.lock);
    forget_done(a);
    bool changed = a->state_changed || a->sender.changed;
    a->sender.changed = false;
    sb_buf_init(&b, STATE_MAX);
    if (changed) write_state(a, &b);
    sb_mutex_unlock(&a->sender.lock);
    sb_err err = changed ? sb_buf_err(&b) : SB_OK;
    if (changed && !err) err = sb_file_replace(a->state_path, b.p, b.n, &ctx);
    a->state_changed = err != SB_OK; /* tried again after the next evaluation */
    if (err)
        SB_LOG(SB_LOG_ERROR, "alerts", "state_not_written", SB_KS("file", a->state_path),
               SB_KE(&ctx, err));
    sb_buf_fini(&b);
}

/* ---- the thread ---- */

static void answer(struct sb_alerts *a, struct sb_alert_message *m) {
    for (struct sb_alert_message *next; m; m = next) {
        next = m->next;
        m->err = m->fn(a, m->call);
        sb_alerts_apply_silences(a, sb_wall_ms());
        save_state(a);
        sb_alerts_show(a);
        sb_alert_sender_wake(&a->sender);
        sb_mutex_lock(&a->lock);
        m->done = true;
        sb_cond_broadcast(&a->answered);
        sb_mutex_unlock(&a->lock);
    }
}

/* In the order in which they came. */
static struct sb_alert_message *take_inbox(struct sb_alerts *a) {
    struct sb_alert_message *all = NULL;
    for (struct sb_alert_message *m = a->inbox, *next; m; m = next) {
        next = m->next;
        m->next = all;
        all = m;
    }
    a->inbox = NULL;
    return all;
}

static void run(void *arg) {
    struct sb_alerts *a = arg;
    int64_t due = sb_mono_ns();
    sb_mutex_lock(&a->lock);
    while (!a->stop) {
        struct sb_alert_message *m = take_inbox(a);
        if (m) {
            sb_mutex_unlock(&a->lock);
            answer(a, m);
            sb_mutex_lock(&a->lock);
            due = sb_mono_ns(); /* a changed rule has a value at once */
            continue;
        }
        if (sb_mono_ns() < due) {
            sb_cond_wait_until(&a->wake, &a->lock, due);
            continue;
        }
        sb_mutex_unlock(&a->lock);
        sb_alerts_reload_file(a);
        sb_alerts_evaluate(a);
        save_state(a);
        sb_alerts_show(a);
        due += a->o.every_ns;
        if (due < sb_mono_ns()) due = sb_mono_ns() + a->o.every_ns;
        sb_mutex_lock(&a->lock);
    }
    for (struct sb_alert_message *m = a->inbox; m; m = m->next) {
        m->err = SB_E_CLOSED;
        m->done = true;
    }
    a->inbox = NULL;
    sb_cond_broadcast(&a->answered);
    sb_mutex_unlock(&a->lock);
}

/* Runs fn on the owner thread and waits. */
static sb_err ask(struct sb_alerts *a, sb_alerts_fn *fn, struct sb_alerts_call *c) {
    struct sb_alert_message m = {.fn = fn, .call = c};
    sb_mutex_lock(&a->lock);
    if (a->stop) {
        sb_mutex_unlock(&a->lock);
        return sb_fail(c->ctx, SB_E_CLOSED, "the platform is stopping");
    }
    m.next = a->inbox;
    a->inbox = &m;
    sb_cond_broadcast(&a->wake);
    while (!m.done) sb_cond_wait(&a->answered, &a->lock);
    sb_mutex_unlock(&a->lock);
    return m.err;
}

sb_err sb_alerts_start(struct sb_alerts **out, const struct sb_alerts_opts *o,
                       struct sb_errctx *ctx) {
    SB_TRY(sb_dir_make_all(o->dir, ctx));
    struct sb_alerts *a = sb_calloc(1, sizeof *a);
    a->o = *o;
    if (!a->o.every_ns) a->o.every_ns = EVERY_NS;
    sb_arena_init(&a->arena, 1 << 16);
    sb_mutex_init(&a->lock);
    sb_cond_init(&a->wake);
    sb_cond_init(&a->answered);
    sb_buf_init(&a->overview, 0);
    a->state_path = sb_arena_printf(&a->arena, "%s/state.json", o->dir);
    a->store_path = sb_arena_printf(&a->arena, "%s/rules.yaml", o->dir);
    sb_err err = sb_alert_sender_init(&a->sender, &a->o, ctx);
    if (!err) {
        load_state(a);
        sb_alerts_load(a);
        end_orphans(a);
        sb_alerts_apply_silences(a, sb_wall_ms());
        sb_alerts_show(a);
        err = sb_alert_sender_start(&a->sender, ctx);
    }
    if (!err && sb_thread_start(&a->thread, "alerts", run, a) != SB_OK)
        err = sb_fail(ctx, SB_E_NOMEM, "the thread of alerts could not be started");
    if (err) {
        sb_alerts_stop(a);
        return err;
    }
    *out = a;
    return SB_OK;
}

void sb_alerts_stop(struct sb_alerts *a) {
    if (!a) return;
    sb_mutex_lock(&a->lock);
    a->stop = true;
    sb_cond_broadcast(&a->wake);
    sb_mutex_unlock(&a->lock);
    bool ran = a->thread.started;
    sb_thread_join(&a->thread);
    a->state_changed = true; /* when alerts were last looked at, and what the sender told last */
    if (ran) save_state(a);
    sb_alert_sender_fini(&a->sender);
    sb_alerts_unload(a);
    sb_monitor_memory_fini(&a->memory);
    sb_buf_fini(&a->overview);
    sb_arena_fini(&a->arena);
    sb_cond_fini(&a->answered);
    sb_cond_fini(&a->wake);
    sb_mutex_fini(&a->lock);
    sb_free(a);
}

void sb_alerts_overview(struct sb_alerts *a, struct sb_buf *out) {
    sb_mutex_lock(&a->lock);
    sb_buf_adds(out, sb_buf_view(&a->overview));
    sb_mutex_unlock(&a->lock);
}

/* ---- what the owner does for others ---- */

static sb_err no_rule(struct sb_alerts_call *c) {
    return sb_fail(c->ctx, SB_E_MISSING, "no rule \"%.*s\"", SB_ARG(sb_str_sub(c->name, 0, 100)));
}

static sb_err say_status(struct sb_alerts *a, struct sb_alerts_call *c, bool whole) {
    struct sb_json_writer w = {.b = c->out};
    const struct sb_alert_entry *e = sb_alerts_find(a, c->name);
    if (!e) return no_rule(c);
    sb_alerts_write_status(e, whole, &w);
    return SB_OK;
}

static sb_err rule_get(struct sb_alerts *a, struct sb_alerts_call *c) {
    return say_status(a, c, true);
}

static sb_err read_body(struct sb_alerts_call *c, struct sb_json **out) {
    if (c->body.n > BODY_MAX) return sb_fail(c->ctx, SB_E_LIMIT, "more than %d bytes", BODY_MAX);
    return sb_json_parse(out, c->body, c->arena, c->ctx);
}

/* A rule's keys, or {"yaml": TEXT}: the rule as a file writes it, with or without "rules:" and the
 * dash before it. */
static sb_err read_definition(struct sb_alerts_call *c, struct sb_json **out, bool *yaml) {
    struct sb_str text;
    SB_TRY(read_body(c, out));
    *yaml = (*out)->type == SB_JSON_OBJECT && (*out)->n == 1 &&
            sb_json_get_str(*out, "yaml", &text) && sb_json_get(*out, "yaml");
    if (!*yaml) return SB_OK;
    SB_TRY(sb_yaml_parse(out, text, c->arena, c->ctx));
    struct sb_json *list = sb_json_get(*out, "rules");
    if (list && (*out)->n == 1) *out = list;
    if ((*out)->type == SB_JSON_ARRAY && (*out)->n == 1) *out = (*out)->child;
    return SB_OK;
}

static sb_err read_rule(struct sb_alerts_call *c, struct sb_monitor_rule *out) {
    static const struct sb_monitor_origin as_text = {"YAML"};
    struct sb_json *tree;
    bool yaml;
    SB_TRY(read_definition(c, &tree, &yaml));
    return sb_monitor_rule_read(out, tree, yaml ? &as_text : NULL, c->arena, &c->key, c->ctx);
}

/* The stored rules without the one of that name, and with `with` when it is not NULL. */
static struct sb_monitor_rules rules_with(struct sb_alerts *a, struct sb_alerts_call *c,
                                          struct sb_str without,
                                          const struct sb_monitor_rule *with) {
    const struct sb_monitor_rules *old = &a->store.rules;
    struct sb_monitor_rule *r = sb_arena_alloc(c->arena, (old->n + 1) * sizeof *r);
    size_t n = 0;
    for (size_t i = 0; i < old->n; i++)
        if (!sb_str_eq(old->rule[i].name, without)) r[n++] = old->rule[i];
    if (with) r[n++] = *with;
    return (struct sb_monitor_rules){r, n};
}

static struct sb_monitor_store switches_with(const struct sb_alerts *a, struct sb_alerts_call *c,
                                             struct sb_str name, const bool *on) {
    struct sb_monitor_store s = a->store;
    struct sb_monitor_switch *list = sb_arena_alloc(c->arena, (s.nswitches + 1) * sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < s.nswitches; i++)
        if (!sb_str_eq(s.switches[i].name, name)) list[n++] = s.switches[i];
    if (on) list[n++] = (struct sb_monitor_switch){name, *on};
    s.switches = list;
    s.nswitches = n;
    return s;
}

/* A query that is no query would only show later, as the rule's error. That the events cannot be
 * asked now is no mistake of the rule's. */
static sb_err check_query(struct sb_alerts *a, struct sb_alerts_call *c,
                          const struct sb_monitor_source *s) {
    struct sb_errctx why = {0};
    struct sb_monitor_value v;
    int64_t now_ms = sb_wall_ms();
    if (s->kind != SB_MONITOR_EVENTS) return SB_OK;
    sb_err err = a->o.inputs.events(a->o.inputs.self, s, now_ms - 1, now_ms, &v, &why);
    if (err != SB_E_SYNTAX) return SB_OK;
    c->key = SB_STR("events");
    return sb_fail(c->ctx, err, "%s", why.msg);
}

static sb_err put_rule(struct sb_alerts *a, struct sb_alerts_call *c,
                       const struct sb_monitor_rule *rule) {
    SB_TRY(check_query(a, c, &rule->of));
    if (rule->has_per) SB_TRY(check_query(a, c, &rule->per));
    bool there = sb_alerts_find(a, rule->name) != NULL;
    /* a switch of before does not outlive the rule that it was for */
    struct sb_monitor_store s = switches_with(a, c, rule->name, NULL);
    s.rules = rules_with(a, c, rule->name, rule);
    if (s.rules.n > SB_MONITOR_RULES_MAX)
        return sb_fail(c->ctx, SB_E_LIMIT, "more than %d rules", SB_MONITOR_RULES_MAX);
    SB_TRY(sb_alerts_store_save(a, &s, c->ctx));
    sb_alerts_record(a, "alert.rule_changed", c->actor, rule->name, "",
                     there ? "replaced" : "created", (struct sb_str){0}, rule->definition);
    c->name = rule->name;
    return say_status(a, c, true);
}

static sb_err rule_create(struct sb_alerts *a, struct sb_alerts_call *c) {
    struct sb_monitor_rule rule;
    SB_TRY(read_rule(c, &rule));
    if (sb_alerts_find(a, rule.name))
        return sb_fail(c->ctx, SB_E_EXISTS, "there is a rule \"%.*s\" already; PUT replaces it",
                       SB_ARG(sb_str_sub(rule.name, 0, 100)));
    return put_rule(a, c, &rule);
}

static sb_err rule_put(struct sb_alerts *a, struct sb_alerts_call *c) {
    struct sb_monitor_rule rule;
    SB_TRY(read_rule(c, &rule));
    if (!sb_str_eq(rule.name, c->name)) {
        c->key = SB_STR("name");
        return sb_fail(c->ctx, SB_E_INVALID,
                       "the rule's name is not the path's; a new name is a new rule");
    }
    return put_rule(a, c, &rule);
}

static sb_err rule_delete(struct sb_alerts *a, struct sb_alerts_call *c) {
    if (!sb_alerts_find(a, c->name)) return no_rule(c);
    if (!sb_monitor_rules_find(&a->store.rules, c->name))
        return sb_fail(c->ctx, SB_E_STATE,
                       "\"%.*s\" is not stored here but in alerts.yaml or the program: disable it",
                       SB_ARG(sb_str_sub(c->name, 0, 100)));
    struct sb_monitor_store s = switches_with(a, c, c->name, NULL);
    s.rules = rules_with(a, c, c->name, NULL);
    SB_TRY(sb_alerts_store_save(a, &s, c->ctx));
    sb_alerts_record(a, "alert.rule_changed", c->actor, c->name, "", "deleted", (struct sb_str){0},
                     (struct sb_str){0});
    SB_BUF_LIT(c->out, "{}");
    return SB_OK;
}

static sb_err turn(struct sb_alerts *a, struct sb_alerts_call *c, bool on) {
    struct sb_alert_entry *e = sb_alerts_find(a, c->name);
    if (!e) return no_rule(c);
    bool own = e->rule.enabled == on; /* then no switch is needed */
    struct sb_monitor_store s = switches_with(a, c, c->name, own ? NULL : &on);
    bool changes = e->enabled != on;
    SB_TRY(sb_alerts_store_save(a, &s, c->ctx));
    if (changes)
        sb_alerts_record(a, "alert.rule_changed", c->actor, c->name, on ? "disabled" : "enabled",
                         on ? "enabled" : "disabled", (struct sb_str){0}, (struct sb_str){0});
    return say_status(a, c, false);
}

static sb_err rule_enable(struct sb_alerts *a, struct sb_alerts_call *c) {
    return turn(a, c, true);
}

static sb_err rule_disable(struct sb_alerts *a, struct sb_alerts_call *c) {
    return turn(a, c, false);
}

static bool beyond(const struct sb_monitor_rule *r, const struct sb_monitor_value *v) {
    return v->has && (r->above ? v->value > r->threshold : v->value < r->threshold);
}

static sb_err rule_check(struct sb_alerts *a, struct sb_alerts_call *c) {
    struct sb_monitor_rule rule;
    struct sb_monitor_value v = {0};
    struct sb_json_writer w = {.b = c->out};
    sb_err err = read_rule(c, &rule);
    if (!err) err = sb_alerts_try(a, &rule, c->arena, &v, c->ctx);
    sb_json_obj(&w, NULL);
    sb_json_bool(&w, "ok", !err);
    if (err)
        sb_json_str(&w, "error", sb_str_of(sb_errctx_text(c->ctx, err)));
    else
        sb_json_null(&w, "error");
    if (c->key.n)
        sb_json_str(&w, "key", c->key);
    else
        sb_json_null(&w, "key");
    if (v.has)
        sb_json_double(&w, "value", v.value);
    else
        sb_json_null(&w, "value");
    sb_json_bool(&w, "no_data", !err && !v.has);
    sb_json_obj(&w, "series");
    for (size_t i = 0; i < v.nlabels; i++) {
        sb_json_key(&w, v.labels[i].key);
        sb_json_str(&w, NULL, v.labels[i].value);
    }
    sb_json_end(&w);
    sb_json_bool(&w, "would_fire", !err && beyond(&rule, &v));
    sb_json_end(&w);
    return SB_OK;
}

/* ---- silences ---- */

/* What is stored with the silences that are not over, without the one of that id, and one more. */
static struct sb_monitor_store silences_with(const struct sb_alerts *a, struct sb_alerts_call *c,
                                             struct sb_str without,
                                             const struct sb_monitor_silence *with) {
    struct sb_monitor_store s = a->store;
    struct sb_monitor_silence *list = sb_arena_alloc(c->arena, (s.nsilences + 1) * sizeof *list);
    int64_t now_ms = sb_wall_ms();
    size_t n = 0;
    for (size_t i = 0; i < s.nsilences; i++)
        if (s.silences[i].until_ms > now_ms && !sb_str_eq(s.silences[i].id, without))
            list[n++] = s.silences[i];
    if (with) list[n++] = *with;
    s.silences = list;
    s.nsilences = n;
    return s;
}

static sb_err silence(struct sb_alerts *a, struct sb_alerts_call *c) {
    struct sb_monitor_silence s;
    struct sb_json *tree;
    struct sb_rng rng;
    char id[SB_UUID_TEXT];
    sb_rng_init(&rng);
    sb_uuid4(&rng, id);
    SB_TRY(read_body(c, &tree));
    SB_TRY(sb_monitor_silence_read(&s, tree, id, sb_wall_ms(), c->arena, &c->key, c->ctx));
    if (s.rule.n && !sb_alerts_find(a, s.rule)) {
        c->key = SB_STR("rule");
        return sb_fail(c->ctx, SB_E_MISSING, "no rule \"%.*s\"",
                       SB_ARG(sb_str_sub(s.rule, 0, 100)));
    }
    if (!s.by.n) s.by = c->actor;
    struct sb_monitor_store store = silences_with(a, c, (struct sb_str){0}, &s);
    if (store.nsilences > SB_MONITOR_SILENCES_MAX)
        return sb_fail(c->ctx, SB_E_LIMIT, "more than %d silences", SB_MONITOR_SILENCES_MAX);
    SB_TRY(sb_alerts_store_save(a, &store, c->ctx));
    struct sb_json_writer w = {.b = c->out};
    sb_alerts_write_silence(a, &s, &w);
    sb_alerts_record(a, "alert.silenced", s.by, s.rule.n ? s.rule : SB_STR("*"), "", "silenced",
                     s.why, sb_buf_view(c->out));
    return SB_OK;
}

static sb_err unsilence(struct sb_alerts *a, struct sb_alerts_call *c) {
    int64_t now_ms = sb_wall_ms();
    for (size_t i = 0; i < a->store.nsilences; i++) {
        struct sb_monitor_silence s = a->store.silences[i];
        if (!sb_str_eq(s.id, c->name) || s.until_ms <= now_ms) continue;
        struct sb_str rule = sb_arena_dup(c->arena, s.rule);
        struct sb_monitor_store store = silences_with(a, c, c->name, NULL);
        SB_TRY(sb_alerts_store_save(a, &store, c->ctx));
        sb_alerts_record(a, "alert.unsilenced", c->actor, rule.n ? rule : SB_STR("*"), "silenced",
                         "", (struct sb_str){0}, (struct sb_str){0});
        SB_BUF_LIT(c->out, "{}");
        return SB_OK;
    }
    return sb_fail(c->ctx, SB_E_MISSING, "no silence \"%.*s\", or it is over",
                   SB_ARG(sb_str_sub(c->name, 0, 60)));
}

/* ---- from other threads ---- */

#define ASKED(name, fn)                                                                            \
    sb_err sb_alerts_##name(struct sb_alerts *a, struct sb_alerts_call *c) {                       \
        return ask(a, fn, c);                                                                      \
    }
ASKED(rule_get, rule_get)
ASKED(rule_create, rule_create)
ASKED(rule_put, rule_put)
ASKED(rule_delete, rule_delete)
ASKED(rule_enable, rule_enable)
ASKED(rule_disable, rule_disable)
ASKED(rule_check, rule_check)
ASKED(silence, silence)
ASKED(unsilence, unsilence)

sb_err sb_alerts_destination_test(struct sb_alerts *a, struct sb_alerts_call *c) {
    return sb_alert_sender_test(&a->sender, c->name, c->out, c->ctx);
}
