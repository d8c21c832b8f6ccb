#include "base/mem.h"
#include "codec/json.h"
#include "domain/native/spec.h"

static const char *const answers[NATIVE_ANSWER_COUNT] = {"value",      "argmax",      "threshold",
                                                         "argmax_sum", "sum_above_0", "sum_from_0"};
static const char *const labels[NATIVE_LABEL_COUNT] = {"int", "str", "bool", "float"};

static void strings(struct sb_json_writer *w, const char *key, const struct sb_str *s, uint32_t n) {
    sb_json_arr(w, key);
    for (uint32_t i = 0; s && i < n; i++) sb_json_str(w, NULL, s[i]);
    sb_json_end(w);
}

void native_meta_write(struct sb_buf *b, const struct native_meta *m) {
    struct sb_json_writer w = {.b = b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "library", m->library);
    sb_json_str(&w, "version", m->version);
    sb_json_str(&w, "class", m->class_name);
    sb_json_int(&w, "nfeatures", m->nfeatures);
    strings(&w, "features", m->features, m->nfeatures);
    if (m->positional) sb_json_bool(&w, "positional", true);
    sb_json_bool(&w, "allow_nan", m->allow_nan);
    sb_json_bool(&w, "allow_inf", m->allow_inf);
    sb_json_bool(&w, "f32", m->f32);
    sb_json_str(&w, "answer", sb_str_of(answers[m->answer]));
    sb_json_bool(&w, "proba", m->proba);
    sb_json_str(&w, "label", sb_str_of(labels[m->label]));
    strings(&w, "classes", m->classes, m->nclasses);
    sb_json_end(&w);
}

static sb_err damaged(struct sb_errctx *ctx, const char *key) {
    (void)sb_fail(ctx, SB_E_CORRUPT, "damaged model image: %s in its description", key);
    return SB_E_CORRUPT;
}

static sb_err read_strings(const struct sb_json *root, const char *key, struct sb_arena *arena,
                           struct sb_str **out, uint32_t *n, struct sb_errctx *ctx) {
    const struct sb_json *a = sb_json_get(root, key);
    if (!a || a->type != SB_JSON_ARRAY || a->n > UINT32_MAX) return damaged(ctx, key);
    *n = (uint32_t)a->n;
    *out = NULL;
    if (a->n == 0) return SB_OK;
    struct sb_str *s = sb_arena_try_array(arena, a->n, sizeof *s);
    if (!s) return sb_fail(ctx, SB_E_LIMIT, "model image: description too large");
    size_t i = 0;
    for (const struct sb_json *c = a->child; c; c = c->next) {
        if (c->type != SB_JSON_STRING) return damaged(ctx, key);
        s[i++] = c->s;
    }
    *out = s;
    return SB_OK;
}

/* Index of the member's text in names, or count. */
static int choice(const struct sb_json *root, const char *key, const char *const *names,
                  int count) {
    struct sb_str s = {0};
    if (!sb_json_get_str(root, key, &s)) return count;
    for (int i = 0; i < count; i++)
        if (sb_str_is(s, names[i])) return i;
    return count;
}

sb_err native_meta_read(struct native_meta *m, struct sb_str json, struct sb_arena *arena,
                        struct sb_errctx *ctx) {
    struct sb_json *root = NULL;
    struct native_meta out = {0};
    int64_t nfeatures = 0;
    uint32_t names = 0;
    SB_TRY(sb_json_parse(&root, json, arena, ctx));
    if (!sb_json_get_str(root, "library", &out.library) ||
        !sb_json_get_str(root, "version", &out.version) ||
        !sb_json_get_str(root, "class", &out.class_name))
        return damaged(ctx, "library");
    if (!sb_json_get_i64(root, "nfeatures", &nfeatures) || nfeatures < 1 ||
        nfeatures > SB_FOREST_FEATURES_MAX)
        return damaged(ctx, "nfeatures");
    out.nfeatures = (uint32_t)nfeatures;
    if (!sb_json_get_bool(root, "allow_nan", &out.allow_nan) ||
        !sb_json_get_bool(root, "allow_inf", &out.allow_inf) ||
        !sb_json_get_bool(root, "f32", &out.f32) || !sb_json_get_bool(root, "proba", &out.proba))
        return damaged(ctx, "allow_nan");
    (void)sb_json_get_bool(root, "positional", &out.positional); /* since image version 2 */
    out.answer = (enum native_answer)choice(root, "answer", answers, NATIVE_ANSWER_COUNT);
    out.label = (enum native_label)choice(root, "label", labels, NATIVE_LABEL_COUNT);
    if (out.answer == NATIVE_ANSWER_COUNT || out.label == NATIVE_LABEL_COUNT)
        return damaged(ctx, "answer");
    SB_TRY(read_strings(root, "features", arena, &out.features, &names, ctx));
    if (names && names != out.nfeatures) return damaged(ctx, "features");
    SB_TRY(read_strings(root, "classes", arena, &out.classes, &out.nclasses, ctx));
    if (out.nclasses == 0 && out.answer != NATIVE_VALUE) return damaged(ctx, "classes");
    bool binary = out.answer == NATIVE_THRESHOLD || out.answer == NATIVE_SUM_ABOVE_0 ||
                  out.answer == NATIVE_SUM_FROM_0;
    if (out.nclasses != 2 && binary) return damaged(ctx, "classes");
    *m = out;
    return SB_OK;
}
