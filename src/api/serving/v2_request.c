/* The JSON of an infer request, read once: names, datatypes, shapes, and where the data of each
 * tensor lies; its data is read by v2_decode.c. Raw tensors follow the JSON in the order of the
 * inputs that have binary_data_size. */
#include "api/serving/v2.h"
#include "base/mem.h"

sb_err sb_v2_bad(struct call *c, const struct v2_tensor *t, const char *what) {
    c->field = t->name;
    return sb_fail(&c->ctx, SB_E_INVALID, "input '%.*s' %s", SB_ARG(sb_str_sub(t->name, 0, 80)),
                   what);
}

/* ---- the request's JSON ---- */

static sb_err read_text(struct sb_json_reader *r, struct sb_str *out, const char *what) {
    enum sb_json_type type;
    SB_TRY(sb_json_peek(r, &type));
    if (type != SB_JSON_STRING) return sb_fail(r->ctx, SB_E_INVALID, "%s is not a string", what);
    return sb_json_read_string(r, out);
}

/* Whole numbers as shapes and sizes have them. */
static sb_err read_size(struct sb_json_reader *r, uint64_t *out, const char *what) {
    struct sb_str token;
    SB_TRY(sb_json_skip(r, &token));
    if (!sb_str_to_u64(token, out) || *out > INT64_MAX)
        return sb_fail(r->ctx, SB_E_INVALID, "%s is no whole number: %.*s", what,
                       SB_ARG(sb_str_sub(token, 0, 40)));
    return SB_OK;
}

static sb_err read_flag(struct sb_json_reader *r, bool *out, const char *what) {
    enum sb_json_type type;
    SB_TRY(sb_json_peek(r, &type));
    if (type != SB_JSON_TRUE && type != SB_JSON_FALSE)
        return sb_fail(r->ctx, SB_E_INVALID, "%s is neither true nor false", what);
    return sb_json_read_bool(r, out);
}

/* The parameters that mean something here; the others are the client's own. */
struct parameters {
    uint64_t binary_data_size;
    bool sized, binary_data, says_binary, binary_data_output;
};

static sb_err read_parameters(struct sb_json_reader *r, struct parameters *p) {
    SB_TRY(sb_json_enter_object(r));
    for (;;) {
        struct sb_str key, raw;
        bool more;
        SB_TRY(sb_json_next_key(r, &key, &more));
        if (!more) return SB_OK;
        if (sb_str_is(key, "binary_data_size")) {
            SB_TRY(read_size(r, &p->binary_data_size, "binary_data_size"));
            p->sized = true;
        } else if (sb_str_is(key, "binary_data")) {
            SB_TRY(read_flag(r, &p->binary_data, "binary_data"));
            p->says_binary = true;
        } else if (sb_str_is(key, "binary_data_output")) {
            SB_TRY(read_flag(r, &p->binary_data_output, "binary_data_output"));
        } else if (sb_str_is(key, "shared_memory_region")) {
            return sb_fail(r->ctx, SB_E_INVALID,
                           "shared memory is not offered: send the tensor's bytes");
        } else {
            SB_TRY(sb_json_skip(r, &raw));
        }
    }
}

static sb_err read_shape(struct sb_json_reader *r, struct v2_tensor *t) {
    SB_TRY(sb_json_enter_array(r));
    t->count = 1;
    for (t->ndims = 0;; t->ndims++) {
        bool more;
        uint64_t dim;
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) return SB_OK;
        if (t->ndims == V2_DIMS_MAX)
            return sb_fail(r->ctx, SB_E_INVALID, "a shape has more than %d dimensions",
                           V2_DIMS_MAX);
        SB_TRY(read_size(r, &dim, "a shape's dimension"));
        t->dims[t->ndims] = (size_t)dim;
        if (!sb_mul_ok(t->count, (size_t)dim, &t->count) || t->count > INT64_MAX)
            return sb_fail(r->ctx, SB_E_INVALID, "a shape has more elements than can be counted");
    }
}

static sb_err read_tensor(struct sb_json_reader *r, struct v2_tensor *t) {
    *t = (struct v2_tensor){.ndims = -1};
    SB_TRY(sb_json_enter_object(r));
    for (;;) {
        struct sb_str key, raw, type;
        bool more;
        SB_TRY(sb_json_next_key(r, &key, &more));
        if (!more) return SB_OK;
        if (sb_str_is(key, "name")) {
            SB_TRY(read_text(r, &t->name, "an input's name"));
        } else if (sb_str_is(key, "shape")) {
            SB_TRY(read_shape(r, t));
        } else if (sb_str_is(key, "datatype")) {
            SB_TRY(read_text(r, &type, "a datatype"));
            if (!sb_tensor_type_parse(type, &t->type))
                return sb_fail(r->ctx, SB_E_INVALID, "there is no datatype %.*s",
                               SB_ARG(sb_str_sub(type, 0, 40)));
            t->typed = true;
        } else if (sb_str_is(key, "data")) {
            SB_TRY(sb_json_skip(r, &t->data));
        } else if (sb_str_is(key, "parameters")) {
            struct parameters p = {0};
            SB_TRY(read_parameters(r, &p));
            t->raw = p.sized;
            t->raw_size = p.binary_data_size;
        } else {
            SB_TRY(sb_json_skip(r, &raw));
        }
    }
}

static sb_err check_tensor(struct call *c, const struct v2_tensor *t) {
    if (!t->name.n) return sb_fail(&c->ctx, SB_E_INVALID, "an input has no name");
    if (t->ndims < 1) return sb_v2_bad(c, t, "has no shape: [rows] or [rows, columns] is wanted");
    if (!t->typed) return sb_v2_bad(c, t, "has no datatype");
    if (t->raw && t->data.p) return sb_v2_bad(c, t, "has both data and binary_data_size");
    if (!t->raw && !t->data.p) return sb_v2_bad(c, t, "has neither data nor binary_data_size");
    if (!t->raw && t->data.p[0] != '[') return sb_v2_bad(c, t, "has data that is no list");
    if (!t->count) return sb_v2_bad(c, t, "has no elements");
    if (!t->raw && t->count > t->data.n)
        return sb_v2_bad(c, t, "has other data than its shape says");
    return SB_OK;
}

static sb_err read_inputs(struct call *c, struct sb_json_reader *r, struct v2_tensors *ts) {
    SB_TRY(sb_json_enter_array(r));
    for (;;) {
        bool more;
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) return SB_OK;
        if (ts->n == SB_LIMIT_PREDICT_FEATURES)
            return sb_fail(&c->ctx, SB_E_LIMIT, "more than %d inputs", SB_LIMIT_PREDICT_FEATURES);
        if (ts->n == ts->cap) {
            size_t cap = ts->cap ? ts->cap * 2 : 8;
            struct v2_tensor *to = sb_arena_alloc(c->r->arena, cap * sizeof *to);
            if (ts->n) memcpy(to, ts->all, ts->n * sizeof *to);
            ts->all = to;
            ts->cap = cap;
        }
        SB_TRY(read_tensor(r, &ts->all[ts->n]));
        SB_TRY(check_tensor(c, &ts->all[ts->n]));
        ts->n++;
    }
}

static sb_err read_output(struct sb_json_reader *r, struct v2_wanted *w) {
    *w = (struct v2_wanted){0};
    SB_TRY(sb_json_enter_object(r));
    for (;;) {
        struct sb_str key, raw;
        bool more;
        SB_TRY(sb_json_next_key(r, &key, &more));
        if (!more) break;
        if (sb_str_is(key, "name")) {
            SB_TRY(read_text(r, &w->name, "an output's name"));
        } else if (sb_str_is(key, "parameters")) {
            struct parameters p = {0};
            SB_TRY(read_parameters(r, &p));
            w->binary = p.binary_data;
            w->says = p.says_binary;
        } else {
            SB_TRY(sb_json_skip(r, &raw));
        }
    }
    return w->name.n ? SB_OK : sb_fail(r->ctx, SB_E_INVALID, "an output has no name");
}

static sb_err read_outputs(struct call *c, struct sb_json_reader *r, struct v2_request *q) {
    enum { OUTPUTS_MAX = 256 };
    q->wanted = sb_arena_alloc(c->r->arena, OUTPUTS_MAX * sizeof *q->wanted);
    q->nwanted = 0;
    SB_TRY(sb_json_enter_array(r));
    for (;; q->nwanted++) {
        bool more;
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) break;
        if (q->nwanted == OUTPUTS_MAX)
            return sb_fail(&c->ctx, SB_E_LIMIT, "more than %d outputs", OUTPUTS_MAX);
        SB_TRY(read_output(r, &q->wanted[q->nwanted]));
    }
    q->selects = q->nwanted > 0;
    return SB_OK;
}

sb_err sb_v2_request_read(struct call *c, struct sb_str json, struct v2_request *q,
                          struct v2_tensors *ts) {
    struct sb_json_reader r;
    struct parameters p = {0};
    bool inputs = false;
    sb_json_reader_init(&r, json, c->r->arena, &c->ctx);
    r.nonfinite = true;
    enum sb_json_type type;
    SB_TRY(sb_json_peek(&r, &type));
    if (type != SB_JSON_OBJECT)
        return sb_fail(&c->ctx, SB_E_INVALID, "the request is not a JSON object with inputs");
    SB_TRY(sb_json_enter_object(&r));
    for (;;) {
        struct sb_str key, raw;
        bool more;
        SB_TRY(sb_json_next_key(&r, &key, &more));
        if (!more) break;
        if (sb_str_is(key, "inputs")) {
            if (inputs) return sb_fail(&c->ctx, SB_E_INVALID, "inputs are given twice");
            SB_TRY(read_inputs(c, &r, ts));
            inputs = true;
        } else if (sb_str_is(key, "outputs")) {
            SB_TRY(read_outputs(c, &r, q));
        } else if (sb_str_is(key, "id")) {
            SB_TRY(read_text(&r, &q->id, "the id"));
        } else if (sb_str_is(key, "parameters")) {
            SB_TRY(read_parameters(&r, &p));
        } else {
            SB_TRY(sb_json_skip(&r, &raw));
        }
    }
    SB_TRY(sb_json_finish(&r));
    q->binary = p.binary_data_output;
    return ts->n ? SB_OK : sb_fail(&c->ctx, SB_E_INVALID, "the request has no inputs");
}

/* ---- raw tensors ---- */

sb_err sb_v2_raw_share(struct call *c, struct sb_str raw, struct v2_tensors *ts) {
    struct sb_cursor from = sb_cursor_of(raw.p, raw.n);
    for (size_t i = 0; i < ts->n; i++) {
        struct v2_tensor *t = &ts->all[i];
        size_t want, size = sb_tensor_type_size(t->type);
        if (!t->raw) continue;
        if (t->raw_size > sb_cursor_left(&from))
            return sb_v2_bad(c, t, "is longer than what follows the JSON");
        t->data = sb_cursor_str(&from, (size_t)t->raw_size);
        bool fits = size ? sb_mul_ok(t->count, size, &want) && want == t->data.n
                         : t->count <= t->data.n / 4;
        if (!fits)
            return sb_v2_bad(c, t, "has another binary_data_size than its shape and type take");
    }
    if (!sb_cursor_left(&from)) return SB_OK;
    return sb_fail(&c->ctx, SB_E_INVALID, "%zu bytes follow that are no input's",
                   sb_cursor_left(&from));
}
