#include "app/text.h"

#include <stdio.h>

#include "codec/utf8.h"

enum { TABLE_MAX = 64 << 20 };

/* Of a well-formed sequence of n bytes. */
static uint32_t code_point(const char *p, int n) {
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)p[0] & masks[n];
    for (int i = 1; i < n; i++) c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

/* Controls (C0, DEL, C1), line and paragraph separators, and what changes the direction of text
 * (Unicode's Bidi_Control, UAX #9). */
static bool is_obeyed(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void add_escape(struct sb_buf *out, uint32_t c) {
    if (c == '\n')
        sb_buf_addz(out, "\\n");
    else if (c == '\t')
        sb_buf_addz(out, "\\t");
    else if (c < 0x100)
        sb_buf_addf(out, "\\x%02x", c);
    else
        sb_buf_addf(out, "\\u{%x}", c);
}

void sb_text_add(struct sb_buf *out, struct sb_str s) {
    for (const char *p = s.p, *end = p + s.n; s.n && p < end;) {
        int n = sb_utf8_step(p, end);
        if (n < 0) {
            for (int i = 0; i < -n; i++) sb_buf_addf(out, "\\x%02x", (unsigned char)p[i]);
            p -= n;
            continue;
        }
        uint32_t c = code_point(p, n);
        if (is_obeyed(c))
            add_escape(out, c);
        else
            sb_buf_add(out, p, (size_t)n);
        p += n;
    }
}

void sb_text_add_json(struct sb_buf *out, struct sb_str json) {
    for (const char *p = json.p, *end = p + json.n; json.n && p < end;) {
        int n = sb_utf8_step(p, end);
        bool space = *p == '\n' || *p == '\t' || *p == '\r'; /* between tokens */
        if (n < 0) {                                         /* not JSON at all */
            sb_buf_addz(out, "\\ufffd");
            p -= n;
            continue;
        }
        uint32_t c = code_point(p, n);
        if (is_obeyed(c) && !space)
            sb_buf_addf(out, "\\u%04x", c);
        else
            sb_buf_add(out, p, (size_t)n);
        p += n;
    }
}

void sb_text_add_bytes(struct sb_buf *out, int64_t bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 999.5 && u + 1 < SB_COUNT(units)) {
        v /= 1000;
        u++;
    }
    sb_buf_addf(out, u && v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

/* ---- tables ---- */

/* Code points: near enough to columns for names in most scripts. */
static size_t width_of(struct sb_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

void sb_table_init(struct sb_table *t, const char *const *titles, size_t columns) {
    SB_ASSERT(columns && columns <= SB_TABLE_COLUMNS_MAX);
    *t = (struct sb_table){.columns = columns};
    sb_buf_init(&t->text, TABLE_MAX);
    for (size_t i = 0; i < columns; i++) sb_table_add(t, sb_str_of(titles[i]));
}

void sb_table_add(struct sb_table *t, struct sb_str cell) {
    size_t from = t->text.n, column = t->cells++ % t->columns;
    sb_text_add(&t->text, cell);
    size_t width = width_of(sb_str_make(t->text.p + from, t->text.n - from));
    sb_buf_addc(&t->text, 0);
    if (width > t->width[column]) t->width[column] = width;
}

void sb_table_print(struct sb_table *t, struct sb_buf *out) {
    const char *cell = sb_buf_cstr(&t->text);
    if (sb_buf_err(&t->text)) return;
    for (size_t i = 0; i < t->cells; i++) {
        struct sb_str s = sb_str_of(cell);
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns;
        sb_buf_adds(out, s);
        if (last)
            sb_buf_addc(out, '\n');
        else
            sb_buf_addf(out, "%*s", (int)(t->width[column] - width_of(s) + 2), "");
        cell += s.n + 1;
    }
}

void sb_table_fini(struct sb_table *t) {
    sb_buf_fini(&t->text);
}

void sb_text_print(struct sb_buf *out) {
    fputs(sb_buf_cstr(out), stdout);
}
