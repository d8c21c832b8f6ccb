#include "codec/trace.h"

#include <string.h>

enum { TRACE_AT = 3, TRACE_N = 32, SPAN_AT = 36, SPAN_N = 16, FLAGS_AT = 53 };

static bool is_hex(struct sb_str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f')) return false;
    }
    return true;
}

static bool is_id(struct sb_str s) {
    size_t zeros = 0;
    while (zeros < s.n && s.p[zeros] == '0') zeros++;
    return is_hex(s) && zeros < s.n;
}

static bool well_formed(struct sb_str in) {
    struct sb_str version = sb_str_sub(in, 0, 2);
    if (in.n < SB_TRACEPARENT || !is_hex(version) || sb_str_is(version, "ff")) return false;
    if (in.n > SB_TRACEPARENT && (sb_str_is(version, "00") || in.p[SB_TRACEPARENT] != '-'))
        return false;
    return in.p[TRACE_AT - 1] == '-' && in.p[SPAN_AT - 1] == '-' && in.p[FLAGS_AT - 1] == '-' &&
           is_id(sb_str_sub(in, TRACE_AT, TRACE_N)) && is_id(sb_str_sub(in, SPAN_AT, SPAN_N)) &&
           is_hex(sb_str_sub(in, FLAGS_AT, 2));
}

bool sb_traceparent_continue(struct sb_str in, uint64_t span, char to[SB_TRACEPARENT],
                             struct sb_str *parent) {
    static const char hex[] = "0123456789abcdef";
    if (!well_formed(in)) return false;
    memcpy(to, in.p, SB_TRACEPARENT);
    memcpy(to, "00", 2);
    for (size_t i = 0; i < SPAN_N; i++) to[SPAN_AT + i] = hex[span >> (60 - 4 * i) & 15];
    *parent = sb_str_sub(in, SPAN_AT, SPAN_N);
    return true;
}
