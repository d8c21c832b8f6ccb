/* Groups are encoded as they are filled: `records` begins with room for a batch header, so that a
 * group committed alone is written as it lies. */
#include "base/limits.h"
#include "codec/varint.h"
#include "engine/journal/batch_int.h"

enum { FIRST_GUESS = 600 };

void sb_journal_group_init(struct sb_journal_group *g) {
    *g = (struct sb_journal_group){.guess = FIRST_GUESS};
    sb_buf_init(&g->records, SB_BATCH_MAX);
}

void sb_journal_group_reset(struct sb_journal_group *g) {
    sb_buf_reset(&g->records);
    g->count = 0;
    g->err = SB_OK;
}

void sb_journal_group_fini(struct sb_journal_group *g) {
    sb_buf_fini(&g->records);
}

/* Layout: length, attributes, timestamp delta, offset delta, key length, key, value length, value,
 * header count. The two lengths stand before the value and their width depends on it: it is guessed
 * from the value before, and `end` moves the value when the guess was wrong. */
char *sb_journal_group_begin(struct sb_journal_group *g, int64_t ts_ms, struct sb_str key,
                             size_t max, size_t headers) {
    struct sb_buf *b = &g->records;
    if (max > SB_LIMIT_EVENT_BYTES || key.n > SB_LIMIT_EVENT_BYTES) return NULL;
    size_t head = b->n ? 0 : SB_BATCH_HEADER;
    size_t need = head + 5 * SB_VARINT_MAX + 2 + key.n + max + headers;
    if (need > b->max - b->n) return NULL;
    char *p = sb_buf_reserve(b, need);
    if (!p) return NULL;
    if (head) memset(p, 0, head);
    sb_buf_commit(b, head);
    if (!g->count) g->base_ts_ms = g->max_ts_ms = ts_ms;
    if (ts_ms > g->max_ts_ms) g->max_ts_ms = ts_ms;

    size_t guess = g->guess < max ? g->guess : max;
    g->value_width = (uint8_t)sb_varint_size((int64_t)guess);
    g->length_width = (uint8_t)sb_varint_size((int64_t)(guess + key.n + 10));
    g->record_at = b->n;
    char *q = b->p + b->n + g->length_width;
    *q++ = 0;
    q = sb_varint_put(q, (int64_t)((uint64_t)ts_ms - (uint64_t)g->base_ts_ms));
    q = sb_varint_put(q, (int64_t)g->count);
    q = sb_varint_put(q, key.p ? (int64_t)key.n : -1);
    if (key.n) memcpy(q, key.p, key.n);
    q += key.n + g->value_width;
    g->value_at = (size_t)(q - b->p);
    return q;
}

void sb_journal_group_end(struct sb_journal_group *g, size_t n) {
    struct sb_buf *b = &g->records;
    char *record = b->p + g->record_at, *middle = record + g->length_width;
    char *value = b->p + g->value_at;
    size_t middle_n = (size_t)(value - middle) - g->value_width;
    size_t value_width = sb_varint_size((int64_t)n);
    size_t length = middle_n + value_width + n + 1;
    size_t length_width = sb_varint_size((int64_t)length);
    char *new_middle = record + length_width, *new_value = new_middle + middle_n + value_width;
    if (new_value > value) {
        memmove(new_value, value, n);
        memmove(new_middle, middle, middle_n);
    } else if (new_value != value || new_middle != middle) {
        memmove(new_middle, middle, middle_n);
        memmove(new_value, value, n);
    }
    sb_varint_put(record, (int64_t)length);
    sb_varint_put(new_middle + middle_n, (int64_t)n);
    g->length_width = (uint8_t)length_width;
    new_value[n] = 0; /* no headers */
    b->n = g->record_at + length_width + length;
    g->count++;
    g->guess = (uint32_t)n;
}

size_t sb_journal_header_bound(struct sb_str name, struct sb_str value) {
    return 3 * SB_VARINT_MAX + name.n + value.n;
}

/* The count of headers is the record's last byte so far; the record's length, before all, may need
 * a byte more than it did. */
void sb_journal_group_header(struct sb_journal_group *g, struct sb_str name, struct sb_str value) {
    struct sb_buf *b = &g->records;
    char *record = b->p + g->record_at;
    size_t length = b->n - g->record_at - g->length_width;
    size_t added =
        sb_varint_size((int64_t)name.n) + name.n + sb_varint_size((int64_t)value.n) + value.n;
    size_t width = sb_varint_size((int64_t)(length + added));
    memmove(record + width, record + g->length_width, length);
    sb_varint_put(record, (int64_t)(length + added));
    char *p = sb_varint_put(record + width + length - 1, 1);
    p = sb_varint_put(p, (int64_t)name.n);
    memcpy(p, name.p, name.n);
    p = sb_varint_put(p + name.n, (int64_t)value.n);
    if (value.n) memcpy(p, value.p, value.n);
    b->n = g->record_at + width + length + added;
    SB_ASSERT(b->n <= b->cap);
}

sb_err sb_journal_group_add(struct sb_journal_group *g, int64_t ts_ms, struct sb_str key,
                            struct sb_str value) {
    char *p = sb_journal_group_begin(g, ts_ms, key, value.n, 0);
    if (!p) return g->records.err == SB_E_NOMEM ? SB_E_NOMEM : SB_E_LIMIT;
    if (value.n) memcpy(p, value.p, value.n);
    sb_journal_group_end(g, value.n);
    return SB_OK;
}
