/* The program of a pipeline, as the section of an image: whatever opens must run, on numbers, text
 * and nulls. */
#include <stdint.h>
#include <string.h>

#include "model_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_image img = {0};
    char *copy = sb_alloc(size + 1); /* aligned, as a section is */
    memcpy(copy, data, size);
    img.section[SB_IMAGE_PROGRAM] = sb_str_make(copy, size);
    struct sb_columnprog p;
    const struct sb_linear none = {0};
    if (sb_columnprog_open(&p, &img, NULL) == SB_OK) fuzz_program(&p, &none);
    sb_free(copy);
    return 0;
}
