/* Patterns on strings, and words in them. One thread per object. */
#ifndef SB_ENGINE_COLUMN_PATTERN_INT_H
#define SB_ENGINE_COLUMN_PATTERN_INT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* A compiled pattern. Lives in the arena, and so do the states it makes as it meets strings. */
struct sb_pattern;

/* Lucene's regular expressions (RegExp of Lucene 9, all its optional operators): . ? + * {n,m} | ()
 * [] "" ~ & <n-m> @ # and \ before any character; anchored at both ends. SB_E_SYNTAX (pos: byte of
 * the pattern), SB_E_LIMIT: too large. */
SB_MUST_CHECK sb_err sb_pattern_regexp(struct sb_pattern **out, struct sb_arena *a,
                                       struct sb_str text, bool ignore_case, struct sb_errctx *ctx);
/* ? one character, * any number of them, \ before a character that means itself. */
SB_MUST_CHECK sb_err sb_pattern_wildcard(struct sb_pattern **out, struct sb_arena *a,
                                         struct sb_str text, bool ignore_case,
                                         struct sb_errctx *ctx);
/* Starts with text, or (whole) equals it; for when case does not matter. */
SB_MUST_CHECK sb_err sb_pattern_text(struct sb_pattern **out, struct sb_arena *a,
                                     struct sb_str text, bool whole, struct sb_errctx *ctx);

/* Time is linear in the length of s. SB_E_LIMIT: the pattern needs more states than allowed. */
SB_MUST_CHECK sb_err sb_pattern_match(struct sb_pattern *p, struct sb_str s, bool *out);

/* One code point; an ill-formed byte reads as U+FFFD. *p < end moves on. */
uint32_t sb_text_next(const char **p, const char *end);
/* Simple lower case: ASCII, Latin, Greek, Cyrillic, Armenian, Georgian and wide forms; others stay.
 */
uint32_t sb_text_lower(uint32_t c);
/* The other case of c where there is one, else c. */
uint32_t sb_text_swap(uint32_t c);

/* The next word in text from *at, which moves behind it; false when there is none. Words are cut as
 * UAX #29 does for letters and digits: "can't", "3.14" and "a_b" are one, each ideograph is one. */
bool sb_words_next(struct sb_str text, size_t *at, struct sb_str *word);

/* A query's words, to be found in values. */
struct sb_words;
SB_MUST_CHECK sb_err sb_words_new(struct sb_words **out, struct sb_arena *a, struct sb_str text,
                                  int mode /* enum sb_query_words */, struct sb_errctx *ctx);
bool sb_words_match(const struct sb_words *w, struct sb_str value);

#endif
