#include "engine/journal/batch_int.h"

#include "codec/crc32c.h"
#include "codec/varint.h"

/* Field offsets in the header. The CRC covers everything from ATTRIBUTES on; what stands before it
 * is held by the chain: base offsets follow each other without a gap. */
enum {
    AT_BASE = 0,
    AT_LENGTH = 8, /* of what follows this field */
    AT_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_DELTA = 23,
    AT_BASE_TS = 27,
    AT_MAX_TS = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_SEQUENCE = 53,
    AT_COUNT = 57,
    LENGTH_END = 12,
    MAGIC = 2,
};

static void put_be(char *p, uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; i++) p[i] = (char)(v >> 8 * (n - 1 - i));
}

void sb_batch_header_put(char *p, const struct sb_batch *b) {
    size_t size = SB_BATCH_HEADER + b->records_n;
    put_be(p + AT_BASE, (uint64_t)b->base, 8);
    put_be(p + AT_LENGTH, size - LENGTH_END, 4);
    put_be(p + AT_EPOCH, 0, 4);
    p[AT_MAGIC] = MAGIC;
    put_be(p + AT_ATTRIBUTES, (uint64_t)b->codec, 2);
    put_be(p + AT_LAST_DELTA, b->count - 1, 4);
    put_be(p + AT_BASE_TS, (uint64_t)b->base_ts, 8);
    put_be(p + AT_MAX_TS, (uint64_t)b->max_ts, 8);
    put_be(p + AT_PRODUCER_ID, UINT64_MAX, 8); /* -1: no idempotent producer */
    put_be(p + AT_PRODUCER_EPOCH, UINT64_MAX, 2);
    put_be(p + AT_SEQUENCE, UINT64_MAX, 4);
    put_be(p + AT_COUNT, b->count, 4);
    put_be(p + AT_CRC, sb_crc32c(0, p + AT_ATTRIBUTES, size - AT_ATTRIBUTES), 4);
}

bool sb_batch_peek(const uint8_t *p, size_t n, int64_t *base, size_t *size) {
    if (n < SB_BATCH_HEADER) return false;
    struct sb_cursor c = sb_cursor_of(p, SB_BATCH_HEADER);
    *base = (int64_t)sb_cursor_be64(&c);
    uint32_t length = sb_cursor_be32(&c);
    *size = (size_t)length + LENGTH_END;
    return p[AT_MAGIC] == MAGIC && *base >= 0 && *size > SB_BATCH_HEADER && *size <= SB_BATCH_MAX;
}

bool sb_batch_parse(const uint8_t *p, size_t n, struct sb_batch *out) {
    int64_t base;
    size_t size;
    if (!sb_batch_peek(p, n, &base, &size) || size > n) return false;
    struct sb_cursor c = sb_cursor_of(p, size);
    sb_cursor_take(&c, AT_CRC);
    if (sb_cursor_be32(&c) != sb_crc32c(0, p + AT_ATTRIBUTES, size - AT_ATTRIBUTES)) return false;
    uint16_t attributes = sb_cursor_be16(&c);
    uint32_t last_delta = sb_cursor_be32(&c);
    int64_t base_ts = (int64_t)sb_cursor_be64(&c), max_ts = (int64_t)sb_cursor_be64(&c);
    sb_cursor_take(&c, AT_COUNT - AT_PRODUCER_ID);
    uint32_t count = sb_cursor_be32(&c);
    if (attributes != SB_BATCH_PLAIN && attributes != SB_BATCH_ZSTD) return false;
    if (count == 0 || count > INT32_MAX || last_delta != count - 1) return false;
    if (base > INT64_MAX - count) return false;
    *out = (struct sb_batch){
        .base = base,
        .count = count,
        .codec = attributes,
        .base_ts = base_ts,
        .max_ts = max_ts,
        .size = size,
        .records = c.p,
        .records_n = sb_cursor_left(&c),
    };
    return true;
}

sb_err sb_batch_unpack(struct sb_batch *b, struct sb_zstd *z, struct sb_buf *to) {
    if (b->codec == SB_BATCH_PLAIN) return SB_OK;
    sb_buf_reset(to);
    SB_TRY(sb_zstd_decompress(z, sb_str_make((const char *)b->records, b->records_n), to));
    b->codec = SB_BATCH_PLAIN;
    b->records = (const uint8_t *)to->p;
    b->records_n = to->n;
    return SB_OK;
}

void sb_batch_records_init(struct sb_batch_records *r, const struct sb_batch *b) {
    *r = (struct sb_batch_records){sb_cursor_of(b->records, b->records_n), b->base, b->base_ts,
                                   b->count};
}

/* A record: length, attributes, timestamp delta, offset delta, key, value, headers. */
struct record {
    struct sb_cursor rest; /* behind the offset delta */
    uint8_t attributes;
    int64_t ts_delta, offset_delta;
};

static bool record_open(struct sb_cursor *c, struct record *r) {
    int64_t length = sb_cursor_varint(c);
    if (c->err || length < 0) return false;
    const uint8_t *p = sb_cursor_take(c, (size_t)length);
    if (!p) return false;
    r->rest = sb_cursor_of(p, (size_t)length);
    r->attributes = sb_cursor_u8(&r->rest);
    r->ts_delta = sb_cursor_varint(&r->rest);
    r->offset_delta = sb_cursor_varint(&r->rest);
    return !r->rest.err;
}

static struct sb_str record_bytes(struct sb_cursor *c) {
    int64_t n = sb_cursor_varint(c);
    if (n == -1) return (struct sb_str){NULL, 0};
    if (n < 0) {
        sb_cursor_fail(c, SB_E_CORRUPT);
        return (struct sb_str){NULL, 0};
    }
    return sb_cursor_str(c, (size_t)n);
}

sb_err sb_batch_records_next(struct sb_batch_records *r, struct sb_journal_record *out) {
    struct record rec;
    if (r->left == 0) return SB_E_END;
    r->left--;
    if (!record_open(&r->c, &rec)) return SB_E_CORRUPT;
    struct sb_str key = record_bytes(&rec.rest), value = record_bytes(&rec.rest);
    if (rec.rest.err) return SB_E_CORRUPT;
    out->offset = (int64_t)((uint64_t)r->base + (uint64_t)rec.offset_delta);
    out->ts_ms = (int64_t)((uint64_t)r->base_ts + (uint64_t)rec.ts_delta);
    out->key = key;
    out->value = value;
    out->headers = sb_cursor_str(&rec.rest, sb_cursor_left(&rec.rest));
    return SB_OK;
}

struct sb_str sb_journal_record_header(const struct sb_journal_record *r, struct sb_str name) {
    struct sb_cursor c = sb_cursor_of(r->headers.p, r->headers.n);
    int64_t n = sb_cursor_varint(&c);
    for (; n > 0 && !c.err; n--) {
        struct sb_str at = record_bytes(&c), value = record_bytes(&c);
        if (!c.err && sb_str_eq(at, name)) return value;
    }
    return (struct sb_str){NULL, 0};
}

sb_err sb_batch_rebase(const struct sb_batch *b, int64_t base, int64_t base_ts, struct sb_buf *to) {
    struct sb_cursor c = sb_cursor_of(b->records, b->records_n);
    for (uint32_t i = 0; i < b->count; i++) {
        struct record rec;
        if (!record_open(&c, &rec)) return SB_E_CORRUPT;
        int64_t ts = (int64_t)((uint64_t)rec.ts_delta + (uint64_t)b->base_ts - (uint64_t)base_ts);
        int64_t offset = b->base - base + rec.offset_delta;
        size_t n = sb_cursor_left(&rec.rest);
        size_t length = 1 + sb_varint_size(ts) + sb_varint_size(offset) + n;
        char *p = sb_buf_reserve(to, sb_varint_size((int64_t)length) + length);
        if (!p) return sb_buf_err(to);
        char *q = sb_varint_put(p, (int64_t)length);
        *q++ = (char)rec.attributes;
        q = sb_varint_put(q, ts);
        q = sb_varint_put(q, offset);
        memcpy(q, rec.rest.p, n);
        sb_buf_commit(to, (size_t)(q - p) + n);
    }
    return SB_OK;
}
