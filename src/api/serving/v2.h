/* Inside api/serving: the Open Inference Protocol, version 2, over REST (docs/DIALECTS.md). */
#ifndef SB_API_SERVING_V2_H
#define SB_API_SERVING_V2_H

#include "api/serving/serving_int.h"
#include "domain/model/tensor.h"

/* An output that the request names. */
struct v2_wanted {
    struct sb_str name;
    bool binary, says; /* says: binary was given for it */
};

/* What an infer request says beside its rows. In the request's arena, as c->form. */
struct v2_request {
    struct sb_str id; /* empty = none */
    bool binary;      /* outputs go as raw bytes unless one says otherwise */
    struct v2_wanted *wanted;
    size_t nwanted;
    bool selects; /* outputs were named; false: all of them */
};

enum { V2_DIMS_MAX = SB_TENSOR_DIMS_MAX + 1 };

struct v2_tensor {
    struct sb_str name, data; /* data: JSON text, or raw bytes */
    enum sb_tensor_type type;
    int ndims; /* -1 = no shape was given */
    size_t dims[V2_DIMS_MAX];
    size_t count; /* product of dims */
    bool typed, raw;
    uint64_t raw_size;
};

struct v2_tensors {
    struct v2_tensor *all;
    size_t n, cap;
    struct sb_str text; /* that their JSON is part of */
    bool table;         /* columns of a frame: others than the model's are left out */
};

/* v2_request.c: fills q and ts; what they point to is in json and the request's arena. */
SB_MUST_CHECK sb_err sb_v2_request_read(struct call *c, struct sb_str json, struct v2_request *q,
                                        struct v2_tensors *ts);
/* Gives the raw tensors their bytes, to the last one. */
SB_MUST_CHECK sb_err sb_v2_raw_share(struct call *c, struct sb_str raw, struct v2_tensors *ts);
/* "input 'x' ..." */
sb_err sb_v2_bad(struct call *c, const struct v2_tensor *t, const char *what);

/* v2_decode.c: the body, JSON with or without raw tensors behind it, into c->batch and c->form. */
SB_MUST_CHECK sb_err sb_v2_decode(struct call *c);

/* The same for a table as tensors, in which columns that the model does not have are left out. json
 * and raw must outlive the call. */
SB_MUST_CHECK sb_err sb_v2_decode_table(struct call *c, struct sb_str json, struct sb_str raw);

/* Name of an unnamed input or output: its place. tmp has 24 bytes. */
struct sb_str sb_v2_field_name(const struct sb_field *f, size_t i, char *tmp);

/* Name of the further output with the classes' probabilities. */
#define SB_V2_PROBABILITIES "probabilities"

#endif
