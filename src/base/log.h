/* The log: one line per event, logfmt or JSON, to one file descriptor (standard error at first).
 *
 *     SB_LOG(SB_LOG_INFO, "http", "listening", SB_KS("addr", host), SB_KI("port", port));
 *     -> ts=2026-11-24T08:00:00.123Z level=info module=http event=listening addr=127.0.0.1
 * port=8000
 *
 * Each call site is limited to 20 lines a second; what was dropped is counted in the next line that
 * passes (dropped=N). An error names the object and the next step. Values are escaped: text from
 * outside cannot start a new line or field. Any thread; a line is one write(). */
#ifndef SB_BASE_LOG_H
#define SB_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum sb_log_level { SB_LOG_DEBUG, SB_LOG_INFO, SB_LOG_WARN, SB_LOG_ERROR };

struct sb_kv {
    const char *key;
    enum { SB_KV_STR, SB_KV_INT, SB_KV_DOUBLE } type;
    union {
        struct sb_str s;
        int64_t i;
        double d;
    };
};
#define SB_KV(k, v) ((struct sb_kv){.key = (k), .type = SB_KV_STR, .s = (v)})
#define SB_KS(k, z) ((struct sb_kv){.key = (k), .type = SB_KV_STR, .s = sb_str_of(z)})
#define SB_KI(k, v) ((struct sb_kv){.key = (k), .type = SB_KV_INT, .i = (int64_t)(v)})
#define SB_KD(k, v) ((struct sb_kv){.key = (k), .type = SB_KV_DOUBLE, .d = (v)})
/* error=CODE detail="..." as one field */
#define SB_KE(ctx, code) SB_KS("error", sb_errctx_text(ctx, code))

struct sb_log_site {
    _Atomic int64_t window; /* second the count belongs to */
    _Atomic uint32_t count; /* lines in it */
    _Atomic uint64_t dropped;
};

#define SB_LOG(level, module, event, ...)                                                          \
    do {                                                                                           \
        static struct sb_log_site sb_site_;                                                        \
        if ((level) >= sb_log_threshold())                                                         \
            sb_log_write(&sb_site_, (level), (module), (event), (struct sb_kv[]){__VA_ARGS__},     \
                         sizeof((struct sb_kv[]){__VA_ARGS__}) / sizeof(struct sb_kv));            \
    } while (0)

void sb_log_write(struct sb_log_site *site, enum sb_log_level level, const char *module,
                  const char *event, const struct sb_kv *kv, size_t n);

/* Set up once at start, before other threads. fd stays the caller's. */
void sb_log_setup(enum sb_log_level threshold, bool json, int fd);
enum sb_log_level sb_log_threshold(void);
/* false when the name is not debug|info|warn|warning|error (any case). */
bool sb_log_level_parse(struct sb_str name, enum sb_log_level *out);

#endif
