/* An MLmodel file, and after a NUL the text of its input_example.json. */
#include <stdint.h>

#include "domain/model/mlmodel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sb_str text = {(const char *)data, size}, example = {0};
    ptrdiff_t cut = sb_str_find(text, 0);
    if (cut >= 0) {
        example = sb_str_sub(text, (size_t)cut + 1, size);
        text.n = (size_t)cut;
    }
    struct sb_errctx ctx = {0};
    struct sb_mlmodel *m = NULL;
    if (sb_mlmodel_parse(&m, text, &ctx) != SB_OK) {
        SB_ASSERT(ctx.msg[0] != 0);
        return 0;
    }
    SB_ASSERT(m->nflavors > 0 && sb_mlmodel_main_flavor(m).n < size);
    SB_ASSERT(!m->pyfunc.path.n || sb_mlmodel_path_ok(m->pyfunc.path));
    struct sb_signature *s = sb_mlmodel_take_signature(m);
    sb_signature_set_examples(s, example);
    for (size_t i = 0; i < s->ninputs && s->named; i++)
        SB_ASSERT(sb_signature_find(s, sb_str_of(s->inputs[i].name)) == (ptrdiff_t)i);
    SB_ASSERT(sb_signature_takes(s, s, NULL) == SB_OK);
    sb_signature_free(s);
    sb_mlmodel_free(m);
    return 0;
}
