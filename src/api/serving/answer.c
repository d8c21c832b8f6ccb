/* The header of a record that holds the answer of its request, little-endian:
 * version (1), key (32), body (32), status (u16), then strings with a u32 length each: content
 * type, model version, event id, request id, name and value of one more header, body. */
#include "api/serving/idempotency.h"
#include "base/cursor.h"

const struct sb_str sb_answer_header_name = SB_STR("sibyl-answer");

enum { ANSWER_VERSION = 1 };

static void put_str(struct sb_buf *out, struct sb_str s) {
    uint32_t n = (uint32_t)s.n;
    const char le[4] = {(char)n, (char)(n >> 8), (char)(n >> 16), (char)(n >> 24)};
    sb_buf_add(out, le, sizeof le);
    sb_buf_add(out, s.p, s.n);
}

void sb_answer_write(struct sb_buf *out, const struct sb_answer *a) {
    sb_buf_addc(out, ANSWER_VERSION);
    sb_buf_add(out, a->keyed.key, sizeof a->keyed.key);
    sb_buf_add(out, a->keyed.body, sizeof a->keyed.body);
    sb_buf_addc(out, (char)a->status);
    sb_buf_addc(out, (char)(a->status >> 8));
    put_str(out, a->type);
    put_str(out, a->model_version);
    put_str(out, a->event_id);
    put_str(out, a->request_id);
    put_str(out, a->extra.name);
    put_str(out, a->extra.value);
    put_str(out, a->body);
}

static struct sb_str get_str(struct sb_cursor *c) {
    uint32_t n = sb_cursor_le32(c);
    return sb_cursor_str(c, n);
}

sb_err sb_answer_read(struct sb_answer *out, struct sb_str text) {
    struct sb_cursor c = sb_cursor_of(text.p, text.n);
    if (sb_cursor_u8(&c) != ANSWER_VERSION) return SB_E_CORRUPT;
    struct sb_answer a = {0};
    const uint8_t *key = sb_cursor_take(&c, SB_IDEMPOTENCY_DIGEST);
    const uint8_t *body = sb_cursor_take(&c, SB_IDEMPOTENCY_DIGEST);
    a.status = sb_cursor_le16(&c);
    a.type = get_str(&c);
    a.model_version = get_str(&c);
    a.event_id = get_str(&c);
    a.request_id = get_str(&c);
    a.extra.name = get_str(&c);
    a.extra.value = get_str(&c);
    a.body = get_str(&c);
    if (c.err || !key || !body || sb_cursor_left(&c) || a.status < 200 || a.status > 599)
        return SB_E_CORRUPT;
    if (!a.extra.name.n && a.extra.value.n) return SB_E_CORRUPT;
    if (!a.extra.name.n) a.extra = (struct sb_http_header){0};
    memcpy(a.keyed.key, key, sizeof a.keyed.key);
    memcpy(a.keyed.body, body, sizeof a.keyed.body);
    *out = a;
    return SB_OK;
}
