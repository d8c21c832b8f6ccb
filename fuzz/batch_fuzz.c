/* Two lines: the inputs of a signature, and a list of rows: objects, arrays, or (after a leading
 * "=") whole tensors. */
#include <stdint.h>

#include "base/buf.h"
#include "codec/json.h"
#include "domain/model/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sb_err set_row(struct sb_batch_builder *b, struct sb_json_reader *r, size_t row) {
    enum sb_json_type t;
    bool more;
    SB_TRY(sb_json_peek(r, &t));
    if (t == SB_JSON_OBJECT) {
        SB_TRY(sb_json_enter_object(r));
        for (struct sb_str key;;) {
            SB_TRY(sb_json_next_key(r, &key, &more));
            if (!more) return SB_OK;
            SB_TRY(sb_batch_set_cell(b, sb_batch_column(b, key), row, r));
        }
    }
    SB_TRY(sb_json_enter_array(r));
    for (size_t i = 0;; i++) {
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) return SB_OK;
        SB_TRY(sb_batch_set_cell(b, sb_batch_column_at(b, i), row, r));
    }
}

static sb_err decode(struct sb_batch_builder *b, struct sb_json_reader *r, bool whole,
                     struct sb_batch *out) {
    bool more;
    size_t row = 0;
    SB_TRY(sb_json_enter_array(r));
    for (;; row++) {
        SB_TRY(sb_json_next_item(r, &more));
        if (!more) break;
        SB_TRY(whole ? sb_batch_set_cell(b, 0, row, r) : set_row(b, r, row));
    }
    SB_TRY(sb_json_finish(r));
    return sb_batch_finish(b, row, out);
}

static void look_at(const struct sb_batch *batch) {
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    for (size_t c = 0; c < batch->ncols; c++)
        for (size_t row = 0; row < batch->nrows; row++)
            sb_column_add_json(&b, &batch->cols[c], row);
    sb_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_str rows = {(const char *)data, size}, inputs;
    if (!size || !sb_str_split(&rows, '\n', &inputs) || !rows.p) return 0;
    bool whole = rows.n && rows.p[0] == '=';
    if (whole) rows = sb_str_sub(rows, 1, rows.n - 1);
    struct sb_errctx ctx = {0};
    struct sb_signature *s = NULL;
    struct sb_arena a;
    if (sb_signature_parse(&s, inputs, SB_STR(""), SB_STR(""), &ctx) != SB_OK) return 0;
    if (whole && s->ninputs == 0) {
        sb_signature_free(s);
        return 0;
    }
    sb_arena_init(&a, 8 << 20);
    struct sb_batch_builder b;
    struct sb_batch batch;
    struct sb_json_reader r;
    sb_json_reader_init(&r, rows, &a, &ctx);
    r.nonfinite = true;
    sb_err err = sb_batch_begin(&b, &(struct sb_batch_opts){.signature = s,
                                                            .arena = &a,
                                                            .ctx = &ctx,
                                                            .max_rows = 1000,
                                                            .tokens = true,
                                                            .rows_complete = size % 2 == 0});
    if (!err) err = decode(&b, &r, whole, &batch);
    if (!err)
        look_at(&batch);
    else
        SB_ASSERT(ctx.msg[0] != 0);
    sb_arena_fini(&a);
    sb_signature_free(s);
    return 0;
}
