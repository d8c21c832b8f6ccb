/* Range headers: what is to be sent always lies within the file. The size is the first 8 bytes. */
#include <string.h>

#include "api/mlflow/range.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int64_t size, begin = -1, end = -1;
    if (n < sizeof size) return 0;
    memcpy(&size, data, sizeof size);
    size &= INT64_MAX;
    struct sb_str value = {(const char *)data + sizeof size, n - sizeof size};
    enum range_kind k = range_parse(value, size, &begin, &end);
    if (k == RANGE_SOME)
        SB_ASSERT(begin >= 0 && begin < end && end <= size);
    else
        SB_ASSERT(begin == -1 && end == -1);
    return 0;
}
