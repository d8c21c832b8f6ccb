/* Regular expressions, wildcards and words of searches: the first byte says which, then the pattern
 * up to a NUL, then a value. Whatever the pattern, both its compiler and its matcher end soon; a
 * regular expression and its complement never agree. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/column/pattern_int.h"
#include "engine/column/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void complement(struct sb_arena *a, struct sb_str pattern, struct sb_str value, bool yes) {
    struct sb_pattern *p;
    bool other;
    const char *text = sb_arena_printf(a, "~(%.*s)", SB_ARG(pattern));
    if (sb_pattern_regexp(&p, a, sb_str_of(text), false, NULL)) return;
    if (sb_pattern_match(p, value, &other)) return;
    if (other == yes) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    struct sb_pattern *p = NULL;
    struct sb_words *w;
    bool yes = false;
    if (n < 1 || n > 4000) return 0;
    struct sb_str rest = sb_str_make((const char *)data + 1, n - 1), pattern, value = rest;
    sb_str_split(&rest, 0, &pattern);
    if (rest.p) value = rest;
    if (pattern.n > SB_SEARCH_PATTERN_MAX) pattern.n = SB_SEARCH_PATTERN_MAX;
    sb_arena_init(&a, 64 << 20);
    sb_err err = SB_OK;
    switch (data[0] % 4) {
    case 0: err = sb_pattern_regexp(&p, &a, pattern, false, &ctx); break;
    case 1: err = sb_pattern_regexp(&p, &a, pattern, true, &ctx); break;
    case 2: err = sb_pattern_wildcard(&p, &a, pattern, data[0] & 4, &ctx); break;
    default:
        if (!sb_words_new(&w, &a, pattern, data[0] / 4 % 4, &ctx)) sb_words_match(w, value);
    }
    if (err && ctx.pos > (int64_t)pattern.n) abort();
    if (!err && p && !sb_pattern_match(p, value, &yes) && data[0] % 4 == 0 &&
        sb_str_find(pattern, 0) < 0)
        complement(&a, pattern, value, yes);
    sb_arena_fini(&a);
    return 0;
}
