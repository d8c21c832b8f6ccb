/* Events: one JSON document per prediction, the record of what was asked and answered.
 *
 * Fields (docs/formats/event.md): @timestamp event_id request_id row node seq traceparent parent_id
 * route role model model_version model_alias run_id artifact_sha256 input prediction
 * class_probabilities_map status error duration latency principal user session client tags.
 * Optional ones are left out when they are empty. Values of `input` keep the bytes of the request's
 * own tokens. */
#ifndef SB_DOMAIN_EVENT_EVENT_H
#define SB_DOMAIN_EVENT_EVENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "codec/uuid.h"

enum sb_event_status {
    SB_EVENT_OK,
    SB_EVENT_INVALID,  /* the request was wrong: 4xx */
    SB_EVENT_ERROR,    /* the model or the platform failed: 5xx */
    SB_EVENT_TIMEOUT,  /* no answer before the deadline */
    SB_EVENT_REJECTED, /* not taken in: overload, draining, disk full */
    SB_EVENT_STATUS_COUNT
};
const char *sb_event_status_name(enum sb_event_status s);

/* What is the same for all events of a live version, written once when it goes live:
 * route, role, model, model_version, model_alias, run_id, artifact_sha256.
 */
struct sb_event_source_info {
    struct sb_str route, role, model, version, alias, run_id, artifact_sha256;
};
void sb_event_head_write(struct sb_buf *out, const struct sb_event_source_info *i);

struct sb_event_tag {
    struct sb_str name, value;
};

/* What is the same for all rows of a request. */
struct sb_event_request {
    struct sb_str request_id, principal, user, session, client;
    struct sb_str traceparent, parent_id; /* the prediction's span, and the caller's span id */
    const struct sb_event_tag *tags;
    size_t ntags;
    struct sb_str head; /* from sb_event_head_write, or just the route */
};

/* One row. JSON pieces are written as they are. */
struct sb_event {
    int64_t wall_ms;
    char id[SB_UUID_TEXT];
    uint32_t row;
    uint64_t seq; /* see sb_event_seq_first */
    enum sb_event_status status;
    int http_status;                  /* of the answer; 200 is left out */
    struct sb_str input_json;         /* {"feature":token,...}, or empty */
    struct sb_str prediction_json;    /* {"output":value,...}, or empty */
    struct sb_str probabilities_json; /* {"label":p,...}, or empty */
    struct sb_str error;              /* plain text, or empty */
    int64_t queue_ns, compute_ns, total_ns;
};

/* Upper bound of the document's size, for reserving room. */
size_t sb_event_size_bound(const struct sb_event *e, const struct sb_event_request *r,
                           struct sb_str node);

/* Writes the document at to (room for sb_event_size_bound bytes); returns its length. */
size_t sb_event_write(char *to, const struct sb_event *e, const struct sb_event_request *r,
                      struct sb_str node);

/* Numbers of events: life << SB_EVENT_SEQ_BITS, plus the events before it in that life of the
 * serving process. So a missing number shows, and whose it was. */
enum { SB_EVENT_SEQ_BITS = 40 };
static inline uint64_t sb_event_seq_first(uint64_t life) {
    return life << SB_EVENT_SEQ_BITS;
}

#endif
