#include "base/log.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { LINES_PER_SECOND = 20, LINE_MAX_BYTES = 65536 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static struct {
    enum sb_log_level threshold;
    bool json;
    int fd;
} the_log = {SB_LOG_INFO, false, 2};

void sb_log_setup(enum sb_log_level threshold, bool json, int fd) {
    the_log.threshold = threshold;
    the_log.json = json;
    the_log.fd = fd;
}

enum sb_log_level sb_log_threshold(void) {
    return the_log.threshold;
}

bool sb_log_level_parse(struct sb_str name, enum sb_log_level *out) {
    for (size_t i = 0; i < SB_COUNT(level_names); i++) {
        if (sb_str_ieq(name, sb_str_of(level_names[i]))) {
            *out = (enum sb_log_level)i;
            return true;
        }
    }
    if (!sb_str_ieq(name, SB_STR("warning"))) return false;
    *out = SB_LOG_WARN;
    return true;
}

/* Passes at most LINES_PER_SECOND per site; *dropped is what was held back since the last line. */
static bool site_passes(struct sb_log_site *site, int64_t second, uint64_t *dropped) {
    int64_t window = site->window;
    if (window != second && __atomic_compare_exchange_n((int64_t *)&site->window, &window, second,
                                                        0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        site->count = 0;
    if (__atomic_fetch_add((uint32_t *)&site->count, 1, __ATOMIC_SEQ_CST) >= LINES_PER_SECOND) {
        __atomic_fetch_add((uint64_t *)&site->dropped, 1, __ATOMIC_SEQ_CST);
        return false;
    }
    *dropped = __atomic_exchange_n((uint64_t *)&site->dropped, 0, __ATOMIC_SEQ_CST);
    return true;
}

static bool needs_quotes(struct sb_str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) return true;
    }
    return s.n == 0;
}

static void add_quoted(struct sb_buf *b, struct sb_str s) {
    sb_buf_addc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\') {
            sb_buf_addc(b, '\\');
            sb_buf_addc(b, (char)c);
        } else if (c == '\n') {
            SB_BUF_LIT(b, "\\n");
        } else if (c < ' ' || c == 0x7f) {
            sb_buf_addf(b, "\\u%04x", c);
        } else {
            sb_buf_addc(b, (char)c);
        }
    }
    sb_buf_addc(b, '"');
}

static void add_field(struct sb_buf *b, const struct sb_kv *kv) {
    if (the_log.json) {
        SB_BUF_LIT(b, ",\"");
        sb_buf_addz(b, kv->key);
        SB_BUF_LIT(b, "\":");
    } else {
        sb_buf_addc(b, ' ');
        sb_buf_addz(b, kv->key);
        sb_buf_addc(b, '=');
    }
    switch (kv->type) {
    case SB_KV_INT: sb_buf_addi(b, kv->i); break;
    case SB_KV_DOUBLE: sb_buf_addf(b, "%.6g", kv->d); break;
    case SB_KV_STR:
        if (the_log.json || needs_quotes(kv->s))
            add_quoted(b, kv->s);
        else
            sb_buf_adds(b, kv->s);
        break;
    }
}

static void add_head(struct sb_buf *b, int64_t wall_ms, const char *level, const char *module,
                     const char *event) {
    time_t sec = (time_t)(wall_ms / 1000);
    struct tm tm;
    char stamp[32];
    gmtime_r(&sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    sb_buf_addf(b, the_log.json ? "{\"ts\":\"%s.%03dZ\"" : "ts=%s.%03dZ", stamp,
                (int)(wall_ms % 1000));
    add_field(b, &SB_KS("level", level));
    add_field(b, &SB_KS("module", module));
    add_field(b, &SB_KS("event", event));
}

void sb_log_write(struct sb_log_site *site, enum sb_log_level level, const char *module,
                  const char *event, const struct sb_kv *kv, size_t n) {
    int64_t ms = sb_wall_ms();
    uint64_t dropped;
    if (!site_passes(site, ms / 1000, &dropped)) return;
    struct sb_buf b;
    sb_buf_init(&b, LINE_MAX_BYTES);
    add_head(&b, ms, level_names[level], module, event);
    for (size_t i = 0; i < n; i++) {
        struct sb_kv one = kv[i];
        if (one.type == SB_KV_STR && one.s.n > 2048) one.s.n = 2048;
        add_field(&b, &one);
    }
    if (dropped) add_field(&b, &SB_KI("dropped", dropped));
    if (the_log.json) sb_buf_addc(&b, '}');
    sb_buf_addc(&b, '\n');
    ssize_t wrote = write(the_log.fd, b.p, b.n);
    SB_UNUSED(wrote); /* nowhere left to complain */
    sb_buf_fini(&b);
}
