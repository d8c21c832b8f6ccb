/* Model images: as they are, and with all checksums made right, so that what lies behind them is
 * reached. */
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

#include "model_fuzz.h"

enum { HEAD = SB_IMAGE_HEADER + SB_IMAGE_ENTRY * SB_IMAGE_SECTIONS_MAX };

/* The same sections written again must read the same. */
static void rewrite(const struct sb_image *img, const struct native_meta *meta) {
    struct sb_image_writer w;
    struct sb_image again;
    struct sb_str file;
    struct sb_buf b;
    sb_image_writer_init(&w, 64 << 20);
    sb_buf_init(&b, 64 << 20);
    native_meta_write(&b, meta);
    for (int i = 1; i < SB_IMAGE_SECTIONS_MAX; i++) {
        sb_image_begin(&w, (enum sb_image_section)i);
        sb_buf_adds(&w.out, i == SB_IMAGE_META ? sb_buf_view(&b) : img->section[i]);
    }
    SB_ASSERT(sb_image_finish(&w, &file) == SB_OK);
    SB_ASSERT(sb_image_open(&again, file, NULL) == SB_OK);
    for (int i = 1; i < SB_IMAGE_SECTIONS_MAX; i++)
        SB_ASSERT(i == SB_IMAGE_META || sb_str_eq(again.section[i], img->section[i]));
    sb_buf_fini(&b);
    sb_image_writer_fini(&w);
}

static void load(struct sb_str file) {
    struct sb_image img;
    struct native_meta meta;
    struct sb_errctx ctx = {0};
    struct sb_arena a;
    sb_arena_init(&a, 16 << 20);
    if (sb_image_open(&img, file, &ctx) == SB_OK) {
        if (native_meta_read(&meta, img.section[SB_IMAGE_META], &a, &ctx) == SB_OK)
            rewrite(&img, &meta);
        fuzz_sections(&img, false);
    }
    sb_arena_fini(&a);
}

/* Checksums and length, where the table's rows point inside the file. */
static void mend(char *p, size_t n) {
    uint32_t count;
    uint64_t length = n, zero = 0, sum;
    memcpy(&count, p + 12, sizeof count);
    memcpy(p + 16, &length, sizeof length);
    for (uint32_t i = 0; i < count && i < SB_IMAGE_SECTIONS_MAX; i++) {
        char *row = p + SB_IMAGE_HEADER + SB_IMAGE_ENTRY * i;
        uint64_t at, len;
        memcpy(&at, row + 8, sizeof at);
        memcpy(&len, row + 16, sizeof len);
        if (at > n || len > n - at) continue;
        sum = XXH3_64bits(p + at, len);
        memcpy(row + 24, &sum, sizeof sum);
    }
    memcpy(p + 32, &zero, sizeof zero);
    sum = XXH3_64bits(p, HEAD);
    memcpy(p + 32, &sum, sizeof sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    load(sb_str_make((const char *)data, size));
    if (size < HEAD) return 0;
    char *copy = sb_alloc(size);
    memcpy(copy, data, size);
    mend(copy, size);
    load(sb_str_make(copy, size));
    sb_free(copy);
    return 0;
}
