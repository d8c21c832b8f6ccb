/* Tensors of the Open Inference Protocol: their datatypes, elements from JSON or raw bytes as cells
 * of a batch, and columns of an answer back to raw bytes. Raw means little-endian, row-major; BOOL
 * is one byte, each BYTES element its length in four bytes and then itself.
 *
 * Source of the wire rules: KServe "Open Inference Protocol" (required_api.md) and Triton's binary
 * tensor data extension (extension_binary_data.md). One thread. */
#ifndef SB_DOMAIN_MODEL_TENSOR_H
#define SB_DOMAIN_MODEL_TENSOR_H

#include "base/buf.h"
#include "base/cursor.h"
#include "domain/model/columns.h"
#include "domain/model/enforce.h"

enum sb_tensor_type {
    SB_TENSOR_BOOL,
    SB_TENSOR_UINT8,
    SB_TENSOR_UINT16,
    SB_TENSOR_UINT32,
    SB_TENSOR_UINT64,
    SB_TENSOR_INT8,
    SB_TENSOR_INT16,
    SB_TENSOR_INT32,
    SB_TENSOR_INT64,
    SB_TENSOR_FP16,
    SB_TENSOR_BF16,
    SB_TENSOR_FP32,
    SB_TENSOR_FP64,
    SB_TENSOR_BYTES,
    SB_TENSOR_TYPE_COUNT
};

/* "FP32". */
const char *sb_tensor_type_name(enum sb_tensor_type t);
bool sb_tensor_type_parse(struct sb_str name, enum sb_tensor_type *out);
/* Bytes of an element; 0 for BYTES. */
size_t sb_tensor_type_size(enum sb_tensor_type t);
/* How a column of that type travels. Datetimes, JSON and binary are BYTES. */
enum sb_tensor_type sb_tensor_type_of(enum sb_dtype t);

/* The next element of a raw tensor, for a column of type `column`. Text of BYTES is a view of the
 * cursor's bytes, anything else is the arena's. SB_E_INVALID: too few bytes, text that is not UTF-8
 * for a text column, no JSON for a JSON column; SB_E_LIMIT: over the arena's maximum. */
SB_MUST_CHECK sb_err sb_tensor_take(struct sb_cursor *from, enum sb_tensor_type t,
                                    enum sb_dtype column, struct sb_arena *a, struct sb_cell *out,
                                    struct sb_errctx *ctx);

/* The next element of a tensor in JSON. null, and for FP* also "NaN" and the like, are missing or
 * not finite; numbers are rounded to what the datatype holds, as a client's own array would have
 * done. The token stays the request's unless rounding changed what the column gets. SB_E_INVALID:
 * not of that datatype; SB_E_SYNTAX, SB_E_LIMIT from the reader. */
SB_MUST_CHECK sb_err sb_tensor_read(struct sb_json_reader *r, enum sb_tensor_type t,
                                    enum sb_dtype column, struct sb_cell *out,
                                    struct sb_errctx *ctx);

/* Elements of one row of a column, as JSON with commas between them, or as raw bytes. A missing
 * value is null, in raw form NaN, 0 or empty. */
void sb_tensor_add_json(struct sb_buf *b, const struct sb_column *c, size_t row);
void sb_tensor_add_raw(struct sb_buf *b, const struct sb_column *c, size_t row);

#endif
