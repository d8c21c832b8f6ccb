#include "domain/event/event.h"

#include "base/clock.h"
#include "codec/json.h"
#include "codec/time.h"

static const char *const status_names[SB_EVENT_STATUS_COUNT] = {"ok", "invalid", "error", "timeout",
                                                                "rejected"};

const char *sb_event_status_name(enum sb_event_status s) {
    return status_names[s];
}

static void head_field(struct sb_buf *out, const char *name, struct sb_str value) {
    if (!value.n) return;
    if (out->n) sb_buf_addc(out, ',');
    sb_json_add_string(out, sb_str_of(name));
    sb_buf_addc(out, ':');
    sb_json_add_string(out, value);
}

void sb_event_head_write(struct sb_buf *out, const struct sb_event_source_info *i) {
    sb_buf_reset(out);
    head_field(out, "route", i->route);
    head_field(out, "role", i->role);
    head_field(out, "model", i->model);
    head_field(out, "model_version", i->version);
    head_field(out, "model_alias", i->alias);
    head_field(out, "run_id", i->run_id);
    head_field(out, "artifact_sha256", i->artifact_sha256);
}

/* A byte of text takes at most six as JSON (\u001f). */
static size_t quoted_bound(struct sb_str s) {
    return 6 * s.n + 2;
}

size_t sb_event_size_bound(const struct sb_event *e, const struct sb_event_request *r,
                           struct sb_str node) {
    size_t n = 640 + r->head.n + e->input_json.n + e->prediction_json.n + e->probabilities_json.n +
               quoted_bound(e->error) + quoted_bound(r->request_id) + quoted_bound(r->traceparent) +
               quoted_bound(r->parent_id) + quoted_bound(r->principal) + quoted_bound(r->user) +
               quoted_bound(r->session) + quoted_bound(r->client) + quoted_bound(node);
    for (size_t i = 0; i < r->ntags; i++)
        n += quoted_bound(r->tags[i].name) + quoted_bound(r->tags[i].value) + 2;
    return n;
}

/* ---- a writer without bounds checks: the caller reserved sb_event_size_bound bytes ---- */

#define LIT(p, lit) (memcpy((p), "" lit, sizeof(lit) - 1), (p) + sizeof(lit) - 1)

static char *put(char *p, struct sb_str s) {
    if (s.n) memcpy(p, s.p, s.n);
    return p + s.n;
}

static char *put_u64(char *p, uint64_t v) {
    char tmp[20];
    size_t n = 0;
    do tmp[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n) *p++ = tmp[--n];
    return p;
}

/* v / 10^digits with exactly that many decimals */
static char *put_decimal(char *p, int64_t v, int digits) {
    static const uint64_t pow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    uint64_t u = v > 0 ? (uint64_t)v : 0, frac = u % pow10[digits];
    p = put_u64(p, u / pow10[digits]);
    *p++ = '.';
    for (int d = digits; d-- > 0;) *p++ = (char)('0' + frac / pow10[d] % 10);
    return p;
}

/* Most strings need no escape: copy while that holds, and let the JSON writer do the others. */
static char *put_quoted(char *p, struct sb_str s) {
    size_t i = 0;
    while (i < s.n && (unsigned char)s.p[i] >= 0x20 && (unsigned char)s.p[i] < 0x7f &&
           s.p[i] != '"' && s.p[i] != '\\')
        i++;
    if (i == s.n) {
        *p++ = '"';
        p = put(p, s);
        *p++ = '"';
        return p;
    }
    struct sb_buf b;
    sb_buf_init(&b, quoted_bound(s));
    sb_json_add_string(&b, s);
    p = put(p, sb_buf_view(&b));
    sb_buf_fini(&b);
    return p;
}

static char *put_field(char *p, struct sb_str name_with_colon, struct sb_str value) {
    if (!value.n) return p;
    p = put(p, name_with_colon);
    return put_quoted(p, value);
}

static char *put_raw(char *p, struct sb_str name_with_colon, struct sb_str json) {
    if (!json.n) return p;
    p = put(p, name_with_colon);
    return put(p, json);
}

static char *put_tags(char *p, const struct sb_event_request *r) {
    if (!r->ntags) return p;
    p = LIT(p, ",\"tags\":{");
    for (size_t i = 0; i < r->ntags; i++) {
        if (i) *p++ = ',';
        p = put_quoted(p, r->tags[i].name);
        *p++ = ':';
        p = put_quoted(p, r->tags[i].value);
    }
    *p++ = '}';
    return p;
}

static char *put_times(char *p, const struct sb_event *e) {
    p = LIT(p, ",\"duration\":");
    p = put_decimal(p, e->total_ns / 1000, 6);
    p = LIT(p, ",\"latency\":{\"queue_us\":");
    p = put_decimal(p, e->queue_ns / 10, 2);
    p = LIT(p, ",\"compute_us\":");
    p = put_decimal(p, e->compute_ns / 10, 2);
    p = LIT(p, ",\"total_us\":");
    p = put_decimal(p, e->total_ns / 10, 2);
    return LIT(p, "}");
}

size_t sb_event_write(char *to, const struct sb_event *e, const struct sb_event_request *r,
                      struct sb_str node) {
    char *p = to;
    p = LIT(p, "{\"@timestamp\":\"");
    p += sb_time_format_ms(p, e->wall_ms);
    p = LIT(p, "\",\"event_id\":\"");
    p = put(p, sb_str_make(e->id, SB_UUID_TEXT - 1));
    p = LIT(p, "\",\"request_id\":");
    p = put_quoted(p, r->request_id);
    p = LIT(p, ",\"row\":");
    p = put_u64(p, e->row);
    p = put_field(p, SB_STR(",\"node\":"), node);
    p = LIT(p, ",\"seq\":");
    p = put_u64(p, e->seq);
    p = put_field(p, SB_STR(",\"traceparent\":"), r->traceparent);
    p = put_field(p, SB_STR(",\"parent_id\":"), r->parent_id);
    if (r->head.n) *p++ = ',';
    p = put(p, r->head);
    p = put_raw(p, SB_STR(",\"input\":"), e->input_json);
    p = put_raw(p, SB_STR(",\"prediction\":"), e->prediction_json);
    p = put_raw(p, SB_STR(",\"class_probabilities_map\":"), e->probabilities_json);
    p = put_field(p, SB_STR(",\"status\":"), sb_str_of(status_names[e->status]));
    if (e->http_status && e->http_status != 200) {
        p = LIT(p, ",\"http_status\":");
        p = put_u64(p, (uint64_t)e->http_status);
    }
    p = put_field(p, SB_STR(",\"error\":"), e->error);
    p = put_times(p, e);
    p = put_field(p, SB_STR(",\"principal\":"), r->principal);
    p = put_field(p, SB_STR(",\"user\":"), r->user);
    p = put_field(p, SB_STR(",\"session\":"), r->session);
    p = put_field(p, SB_STR(",\"client\":"), r->client);
    p = put_tags(p, r);
    *p++ = '}';
    return (size_t)(p - to);
}
