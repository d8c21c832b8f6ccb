/* Characters and words. */
#include "codec/utf8.h"
#include "engine/column/pattern_int.h"
#include "engine/column/search.h"

uint32_t sb_text_next(const char **p, const char *end) {
    int n = sb_utf8_step(*p, end);
    const uint8_t *s = (const uint8_t *)*p;
    if (n < 0) {
        (*p)++;
        return 0xfffd;
    }
    *p += n;
    switch (n) {
    case 1: return s[0];
    case 2: return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    case 3: return (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    default: return (s[0] & 7u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
    }
}

/* ---- case: ranges of capitals of Unicode's simple case mapping ---- */

static const struct {
    uint32_t from, to;
    int32_t delta; /* to the small letter; 0: capitals and small letters take turns */
} capitals[] = {
    {'A', 'Z', 32},       {0xc0, 0xd6, 32},     {0xd8, 0xde, 32},       {0x100, 0x12f, 0},
    {0x132, 0x137, 0},    {0x139, 0x148, 0},    {0x14a, 0x177, 0},      {0x178, 0x178, -121},
    {0x179, 0x17e, 0},    {0x1cd, 0x1dc, 0},    {0x1de, 0x1ef, 0},      {0x1f8, 0x21f, 0},
    {0x222, 0x233, 0},    {0x386, 0x386, 38},   {0x388, 0x38a, 37},     {0x38c, 0x38c, 64},
    {0x38e, 0x38f, 63},   {0x391, 0x3a1, 32},   {0x3a3, 0x3ab, 32},     {0x3d8, 0x3ef, 0},
    {0x400, 0x40f, 80},   {0x410, 0x42f, 32},   {0x460, 0x481, 0},      {0x48a, 0x4bf, 0},
    {0x4c1, 0x4ce, 0},    {0x4d0, 0x52f, 0},    {0x531, 0x556, 48},     {0x10a0, 0x10c5, 7264},
    {0x1e00, 0x1e95, 0},  {0x1ea0, 0x1eff, 0},  {0x2160, 0x216f, 16},   {0x24b6, 0x24cf, 26},
    {0x2c00, 0x2c2f, 48}, {0xff21, 0xff3a, 32}, {0x10400, 0x10427, 40},
};

uint32_t sb_text_lower(uint32_t c) {
    for (size_t i = 0; i < SB_COUNT(capitals) && c >= capitals[i].from; i++) {
        if (c > capitals[i].to) continue;
        if (capitals[i].delta) return (uint32_t)((int32_t)c + capitals[i].delta);
        return c + ((c - capitals[i].from) % 2 == 0);
    }
    return c;
}

uint32_t sb_text_swap(uint32_t c) {
    uint32_t lower = sb_text_lower(c);
    if (lower != c) return lower;
    for (size_t i = 0; i < SB_COUNT(capitals); i++) {
        uint32_t up = capitals[i].delta ? (uint32_t)((int32_t)c - capitals[i].delta) : c - 1;
        if (up >= capitals[i].from && up <= capitals[i].to && sb_text_lower(up) == c) return up;
    }
    return c;
}

/* ---- words: the rules of UAX #29 that matter for letters and digits ---- */

enum kind { NOTHING, LETTER, DIGIT, ALONE, JOIN_LETTERS, JOIN_DIGITS, JOIN_BOTH, JOIN_ALL };

static enum kind ascii_kind(uint32_t c) {
    if ((c | 32) >= 'a' && (c | 32) <= 'z') return LETTER;
    if (c >= '0' && c <= '9') return DIGIT;
    switch (c) {
    case '_': return JOIN_ALL;     /* ExtendNumLet */
    case ':': return JOIN_LETTERS; /* MidLetter */
    case ',':                      /* MidNum */
    case ';': return JOIN_DIGITS;  /* MidNum */
    case '.':                      /* MidNumLet */
    case '\'': return JOIN_BOTH;   /* Single_Quote */
    default: return NOTHING;
    }
}

static const struct {
    uint32_t from, to;
    enum kind kind;
} kinds[] = {
    /* What is above ASCII and stands in no row is taken for a letter. */
    {0x80, 0xa9, NOTHING},          {0xab, 0xb4, NOTHING},       {0xb6, 0xb6, NOTHING},
    {0xb7, 0xb7, JOIN_LETTERS},     {0xb8, 0xb9, NOTHING},       {0xbb, 0xbf, NOTHING},
    {0xd7, 0xd7, NOTHING},          {0xf7, 0xf7, NOTHING},       {0x660, 0x669, DIGIT},
    {0x6f0, 0x6f9, DIGIT},          {0x966, 0x96f, DIGIT},       {0x1680, 0x1680, NOTHING},
    {0x2000, 0x200b, NOTHING},      {0x200e, 0x2017, NOTHING},   {0x2018, 0x2019, JOIN_BOTH},
    {0x201a, 0x2023, NOTHING},      {0x2024, 0x2024, JOIN_BOTH}, {0x2025, 0x2026, NOTHING},
    {0x2027, 0x2027, JOIN_LETTERS}, {0x2028, 0x203e, NOTHING},   {0x203f, 0x2040, JOIN_ALL},
    {0x2041, 0x206f, NOTHING},      {0x2070, 0x2070, NOTHING},   {0x2074, 0x207e, NOTHING},
    {0x2080, 0x208e, NOTHING},      {0x20a0, 0x20cf, NOTHING},   {0x2190, 0x245f, NOTHING},
    {0x2500, 0x2bff, NOTHING},      {0x2e00, 0x2e7f, NOTHING},   {0x2e80, 0x2fdf, ALONE},
    {0x3000, 0x3004, NOTHING},      {0x3005, 0x3005, LETTER},    {0x3006, 0x3007, ALONE},
    {0x3008, 0x3020, NOTHING},      {0x3021, 0x3029, ALONE},     {0x302a, 0x3040, NOTHING},
    {0x3041, 0x309f, ALONE},        {0x3400, 0x4dbf, ALONE},     {0x4e00, 0x9fff, ALONE},
    {0xe000, 0xf8ff, NOTHING},      {0xf900, 0xfaff, ALONE},     {0xfe10, 0xfe32, NOTHING},
    {0xfe33, 0xfe34, JOIN_ALL},     {0xfe35, 0xfe6f, NOTHING},   {0xff01, 0xff0f, NOTHING},
    {0xff10, 0xff19, DIGIT},        {0xff1a, 0xff20, NOTHING},   {0xff3b, 0xff40, NOTHING},
    {0xff5b, 0xff65, NOTHING},      {0xfff0, 0xffff, NOTHING},   {0x1f000, 0x1faff, NOTHING},
    {0x20000, 0x3ffff, ALONE},
};

static enum kind kind_of(uint32_t c) {
    if (c < 128) return ascii_kind(c);
    for (size_t i = 0; i < SB_COUNT(kinds) && c >= kinds[i].from; i++)
        if (c <= kinds[i].to) return kinds[i].kind;
    return LETTER;
}

/* Does the joiner hold together what stands before and behind it? */
static bool joins(enum kind before, enum kind joiner, enum kind behind) {
    if (before == LETTER && behind == LETTER) return joiner == JOIN_LETTERS || joiner == JOIN_BOTH;
    if (before == DIGIT && behind == DIGIT) return joiner == JOIN_DIGITS || joiner == JOIN_BOTH;
    return false;
}

bool sb_words_next(struct sb_str text, size_t *at, struct sb_str *word) {
    const char *p = text.p + *at, *end = text.p + text.n, *from = NULL;
    enum kind last = NOTHING;
    bool solid = false; /* holds more than joiners */
    if (*at >= text.n) return false;
    while (p < end) {
        const char *here = p;
        enum kind k = kind_of(sb_text_next(&p, end));
        if (from) {
            if (k == LETTER || k == DIGIT || k == JOIN_ALL) {
                last = k;
                solid |= k != JOIN_ALL;
                continue;
            }
            const char *behind = p;
            if (p < end && joins(last, k, kind_of(sb_text_next(&behind, end)))) continue;
            if (solid) {
                *word = sb_str_make(from, (size_t)(here - from));
                *at = (size_t)(here - text.p);
                return true;
            }
            from = NULL;
        }
        if (k == ALONE) {
            *word = sb_str_make(here, (size_t)(p - here));
            *at = (size_t)(p - text.p);
            return true;
        }
        if (k == LETTER || k == DIGIT || k == JOIN_ALL) {
            from = here;
            last = k;
            solid = k != JOIN_ALL;
        }
    }
    *at = text.n;
    if (!from || !solid) return false;
    *word = sb_str_make(from, (size_t)(end - from));
    return true;
}

/* ---- a query's words ---- */

enum { WORDS_MAX = 256 };

struct sb_words {
    struct sb_str word[WORDS_MAX];
    uint32_t n;
    enum sb_query_words mode;
};

sb_err sb_words_new(struct sb_words **out, struct sb_arena *a, struct sb_str text, int mode,
                    struct sb_errctx *ctx) {
    struct sb_words *w = sb_arena_try_array(a, 1, sizeof *w);
    if (!w) return sb_fail(ctx, SB_E_LIMIT, "the query needs too much memory");
    w->mode = (enum sb_query_words)mode;
    struct sb_str word;
    for (size_t at = 0; sb_words_next(text, &at, &word);) {
        if (w->n == WORDS_MAX)
            return sb_fail(ctx, SB_E_LIMIT, "a query has more than %d words", WORDS_MAX);
        w->word[w->n++] = word;
    }
    *out = w;
    return SB_OK;
}

/* Equal but for case; prefix: a may go on. */
static bool equal(struct sb_str a, struct sb_str b, bool prefix) {
    const char *p = a.p, *pe = a.p + a.n, *q = b.p, *qe = b.p + b.n;
    while (p < pe && q < qe)
        if (sb_text_lower(sb_text_next(&p, pe)) != sb_text_lower(sb_text_next(&q, qe)))
            return false;
    return q == qe && (p == pe || prefix);
}

static bool phrase_at(const struct sb_words *w, struct sb_str value, size_t at) {
    struct sb_str word;
    for (uint32_t i = 0; i < w->n; i++) {
        bool prefix = w->mode == SB_WORDS_PHRASE_PREFIX && i + 1 == w->n;
        if (!sb_words_next(value, &at, &word) || !equal(word, w->word[i], prefix)) return false;
    }
    return true;
}

bool sb_words_match(const struct sb_words *w, struct sb_str value) {
    bool found[WORDS_MAX] = {false};
    uint32_t nfound = 0;
    struct sb_str word;
    if (!w->n) return false;
    for (size_t at = 0, before = 0; sb_words_next(value, &at, &word); before = at) {
        if (w->mode == SB_WORDS_PHRASE || w->mode == SB_WORDS_PHRASE_PREFIX) {
            if (phrase_at(w, value, before)) return true;
            continue;
        }
        for (uint32_t i = 0; i < w->n; i++) {
            if (found[i] || !equal(word, w->word[i], false)) continue;
            if (w->mode == SB_WORDS_ANY) return true;
            found[i] = true;
            nfound++;
        }
    }
    return nfound == w->n;
}
