/* Files about alerts: rules, what is stored, states, and the metrics they look at. What is read is
 * written and read again as the same. */
#include <stdint.h>

#include "domain/monitor/notice.h"
#include "domain/monitor/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void store(struct sb_str text) {
    struct sb_arena a;
    struct sb_monitor_store s, again;
    struct sb_errctx ctx = {0};
    struct sb_buf first, second;
    sb_arena_init(&a, 256 << 20);
    sb_buf_init(&first, 64 << 20);
    sb_buf_init(&second, 64 << 20);
    sb_err err = sb_monitor_store_parse(&s, text, "rules.yaml", &a, &ctx);
    if (err) {
        SB_ASSERT(ctx.code == err && ctx.msg[0]);
    } else {
        sb_monitor_store_write(&s, &first);
        if (first.n <= SB_MONITOR_TEXT_MAX) {
            SB_ASSERT(sb_monitor_store_parse(&again, sb_buf_view(&first), "again", &a, NULL) ==
                      SB_OK);
            sb_monitor_store_write(&again, &second);
            SB_ASSERT(sb_str_eq(sb_buf_view(&first), sb_buf_view(&second)));
        }
        for (size_t i = 0; i < s.nsilences; i++)
            for (size_t k = 0; k < s.rules.n; k++)
                sb_monitor_silence_matches(&s.silences[i], &s.rules.rule[k]);
    }
    sb_buf_fini(&first);
    sb_buf_fini(&second);
    sb_arena_fini(&a);
}

static void tell(struct sb_monitor_notice *n) {
    struct sb_buf b;
    sb_buf_init(&b, 16 << 20);
    sb_monitor_notice_webhook(n, SB_STR("http://page/"), &b);
    n->ends_ms = 2;
    sb_monitor_notice_webhook(n, SB_STR(""), &b);
    sb_monitor_notice_alertmanager(n, SB_STR("http://page/"), 1, 1, &b);
    SB_ASSERT(sb_buf_err(&b) == SB_OK);
    sb_buf_fini(&b);
    sb_monitor_notice_free(n);
}

/* A rule that was read can be measured, summed up and told of. */
static void use(const struct sb_monitor_rule *rule, const struct sb_monitor_samples *s) {
    struct sb_monitor_track *t = sb_monitor_track_new(rule, false);
    struct sb_monitor_alert al = {0};
    struct sb_monitor_value v;
    struct sb_arena a;
    sb_arena_init(&a, 16 << 20);
    for (int64_t i = 1; i < 4; i++) {
        (void)!sb_monitor_track_add(t, s, i * 5000, NULL);
        sb_monitor_track_get(t, &a, &v);
        v = sb_monitor_combine(rule, &v, &v);
        sb_monitor_alert_step(&al, rule, &v, i * 5000);
    }
    tell(sb_monitor_notice_new(rule, &v, 1));
    sb_monitor_track_free(t);
    sb_arena_fini(&a);
}

static void rules(struct sb_str text) {
    static const char exposition[] =
        "m{a=\"b\"} 1\nm_bucket{le=\"1\"} 2\nm_bucket{le=\"+Inf\"} 3\n";
    struct sb_arena a;
    struct sb_monitor_rules r;
    struct sb_monitor_samples s;
    sb_arena_init(&a, 256 << 20);
    SB_ASSERT(sb_monitor_exposition(sb_str_of(exposition), &a, &s, NULL) == SB_OK);
    if (sb_monitor_rules_parse(&r, text, "alerts.yaml", &a, NULL) == SB_OK)
        for (size_t i = 0; i < r.n; i++) {
            SB_ASSERT(sb_monitor_rules_find(&r, r.rule[i].name) == &r.rule[i]);
            use(&r.rule[i], &s);
        }
    sb_arena_fini(&a);
}

/* The body of a request. */
static void silence(struct sb_str text) {
    struct sb_arena a;
    struct sb_json *tree;
    struct sb_monitor_silence s;
    struct sb_monitor_rule rule;
    struct sb_str key;
    sb_arena_init(&a, 64 << 20);
    if (sb_json_parse(&tree, text, &a, NULL) == SB_OK) {
        if (sb_monitor_silence_read(&s, tree, "id", 1, &a, &key, NULL) == SB_OK)
            SB_ASSERT(s.until_ms > 1);
        (void)!sb_monitor_rule_read(&rule, tree, NULL, &a, &key, NULL);
    }
    sb_arena_fini(&a);
}

static void memory(struct sb_str text) {
    struct sb_monitor_memory m, again;
    struct sb_buf first, second;
    if (sb_monitor_memory_parse(&m, text, NULL) != SB_OK) return;
    sb_buf_init(&first, 64 << 20);
    sb_buf_init(&second, 64 << 20);
    sb_monitor_memory_write(&m, &first);
    SB_ASSERT(sb_monitor_memory_parse(&again, sb_buf_view(&first), NULL) == SB_OK);
    sb_monitor_memory_write(&again, &second);
    SB_ASSERT(sb_str_eq(sb_buf_view(&first), sb_buf_view(&second)));
    sb_monitor_memory_fini(&again);
    sb_monitor_memory_fini(&m);
    sb_buf_fini(&first);
    sb_buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_str text = {(const char *)data, n};
    struct sb_arena a;
    struct sb_monitor_samples s;
    rules(text);
    store(text);
    memory(text);
    silence(text);
    sb_arena_init(&a, 64 << 20);
    (void)!sb_monitor_exposition(text, &a, &s, NULL);
    sb_arena_fini(&a);
    return 0;
}
