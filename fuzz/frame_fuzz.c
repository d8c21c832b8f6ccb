/* The body of a worker's frame: as an answer, an error, a failed load, a greeting. What an answer
 * holds is written back as a request. */
#include <stdint.h>

#include "base/buf.h"
#include "domain/worker/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct sb_result *r) {
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    for (size_t c = 0; c < r->noutputs; c++)
        for (size_t row = 0; row < r->nrows; row++) sb_column_add_json(&b, &r->outputs[c], row);
    for (size_t i = 0; i < r->nclasses; i++) sb_buf_adds(&b, r->classes[i]);
    sb_buf_fini(&b);
}

/* Twice the same rows: the frame has both. */
static void write_back(const struct sb_result *r) {
    struct sb_batch rows = {.nrows = r->nrows, .ncols = r->noutputs, .cols = r->outputs};
    const struct sb_batch *both[] = {&rows, &rows};
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    SB_ASSERT(sb_frame_batches_agree(&rows, &rows));
    if (sb_frame_add_predict(&b, 1, both, 2, true) == SB_OK) SB_ASSERT(b.n > SB_FRAME_HEAD);
    sb_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_str body = {(const char *)data, size}, json;
    struct sb_frame_answer head;
    struct sb_frame_error e;
    struct sb_result out;
    struct sb_arena a;
    size_t rows = 0;
    sb_arena_init(&a, 8 << 20);
    if (sb_frame_answer_head(body, &head) == SB_OK) SB_ASSERT(head.compute_ns >= 0);
    if (sb_frame_result_rows(body, &rows) == SB_OK) {
        size_t from = rows / 3, n = rows - from;
        if (n > 1000) n = 1000;
        if (sb_frame_result_slice(body, from, n, &a, &out, NULL) == SB_OK) {
            look_at(&out);
            write_back(&out);
        }
        SB_ASSERT(sb_frame_result_slice(body, rows, 1, &a, &out, NULL) != SB_OK);
    }
    if (sb_frame_error_read(body, &e) == SB_OK) SB_ASSERT(e.message.n <= size);
    if (sb_frame_failed_read(body, &e) == SB_OK) SB_ASSERT(e.message.n <= size);
    if (sb_frame_ready_read(body, &json) == SB_OK) SB_ASSERT(json.n <= size);
    sb_arena_fini(&a);
    return 0;
}
