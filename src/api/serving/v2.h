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
