#include "domain/model/model.h"

#include "base/mem.h"

struct sb_model *sb_model_new(const struct sb_model_ops *ops, void *self,
                              struct sb_signature *signature, const struct sb_model_info *info) {
    struct sb_model *m = sb_calloc(1, sizeof *m);
    sb_refs_init(&m->refs);
    m->ops = ops;
    m->self = self;
    m->signature = signature ? signature : sb_signature_new();
    m->info = *info;
    return m;
}

void sb_model_info_fini(struct sb_model_info *i) {
    char *strings[] = {i->name,   i->version,    i->run_id, i->model_id, i->artifact_sha256,
                       i->flavor, i->class_name, i->why};
    for (size_t k = 0; k < SB_COUNT(strings); k++) sb_free(strings[k]);
    *i = (struct sb_model_info){0};
}

void sb_model_unref(struct sb_model *m) {
    if (!m || !sb_refs_put(&m->refs)) return;
    if (m->ops->free) m->ops->free(m->self);
    sb_signature_free(m->signature);
    sb_model_info_fini(&m->info);
    sb_free(m);
}
