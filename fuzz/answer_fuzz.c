/* Stored answers of requests with a key, as a record's header holds them: what is read is written
 * back as the same bytes. */
#include "api/serving/idempotency.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_answer a;
    struct sb_str text = sb_str_make((const char *)data, size);
    if (sb_answer_read(&a, text) != SB_OK) return 0;
    struct sb_buf b;
    sb_buf_init(&b, SB_IDEMPOTENCY_ANSWER_MAX);
    sb_answer_write(&b, &a);
    if (!sb_buf_err(&b)) SB_ASSERT(sb_str_eq(sb_buf_view(&b), text));
    sb_buf_fini(&b);
    return 0;
}
