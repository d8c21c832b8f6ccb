/* Text from outside on its way to a terminal. Names of models, events and files are chosen by
 * others: what a terminal would obey (control characters, also as UTF-8 of U+0080 to U+009F) or
 * what turns the direction of text around is written as an escape, and so are bytes that are no
 * UTF-8. Everything this program prints that it did not write itself goes through here. */
#ifndef SB_APP_TEXT_H
#define SB_APP_TEXT_H

#include "base/buf.h"

/* For people: "\x1b", "\n", "\u{202e}". A line stays a line. */
void sb_text_add(struct sb_buf *out, struct sb_str s);
/* JSON text stays the same JSON: such characters can only stand in its strings, as \u001b there. */
void sb_text_add_json(struct sb_buf *out, struct sb_str json);

/* "12 B", "3.4 kB", "1.2 GB" */
void sb_text_add_bytes(struct sb_buf *out, int64_t bytes);

/* Columns for people: each as wide as its widest cell, the last one open. Cells are safe text. */
enum { SB_TABLE_COLUMNS_MAX = 12 };
struct sb_table {
    struct sb_buf text; /* all cells, one after the other, each ended by NUL */
    size_t columns, cells;
    size_t width[SB_TABLE_COLUMNS_MAX];
};
/* The first row. */
void sb_table_init(struct sb_table *t, const char *const *titles, size_t columns);
void sb_table_add(struct sb_table *t, struct sb_str cell);
void sb_table_print(struct sb_table *t, struct sb_buf *out);
void sb_table_fini(struct sb_table *t);

/* Prints the buffer's text on standard output. */
void sb_text_print(struct sb_buf *out);

#endif
