/* KServe's version 1, TensorFlow Serving's shape: POST /v1/models/NAME:predict.
 *
 *     {"instances": [[5.1, 3.5, 1.4, 0.2]]}  ->  {"predictions": ["setosa"]}
 *
 * Rows are lists in the order of the model's columns, objects by name, or values of its only
 * column; "inputs" takes the same rows, or {column: [values]}. Errors: {"error": "..."}. */
#include "api/serving/serving_int.h"

static sb_err decode(struct call *c) {
    return sb_decode_forms(c, SB_FORM_INSTANCES | SB_FORM_INPUTS, true);
}

const struct dialect sb_dialect_v1 = {.name = "v1",
                                      .decode = decode,
                                      .begin = sb_predictions_begin,
                                      .row = sb_predictions_row,
                                      .end = sb_predictions_end,
                                      .error = sb_error_member};
