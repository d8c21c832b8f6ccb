/* UBJSON: any bytes; every array of numbers in the tree is unpacked. */
#include <stdint.h>

#include "codec/ubjson.h"

static void look(const struct sb_ubj *v, struct sb_arena *a) {
    double *d;
    size_t n;
    (void)sb_ubj_numbers(v, a, &d, &n);
    (void)sb_ubj_get(v, "a");
    if (v->type != SB_UBJ_ARRAY && v->type != SB_UBJ_OBJECT) return;
    for (const struct sb_ubj *m = v->child; m; m = m->next) look(m, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    struct sb_ubj *v = NULL;
    sb_arena_init(&a, 16 << 20);
    if (sb_ubj_parse(&v, sb_str_make((const char *)data, size), &a, &ctx) == SB_OK) look(v, &a);
    sb_arena_fini(&a);
    return 0;
}
