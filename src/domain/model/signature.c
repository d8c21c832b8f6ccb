#include "domain/model/signature.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"

enum {
    ARENA_MAX = 8 << 20,
    JSON_MAX = 4 << 20,     /* text of one part of a signature */
    EXAMPLE_MAX = 64 << 10, /* text of one input's example */
    WIDTH_MAX = 1 << 24,    /* values of one row of one tensor */
};

struct sb_signature *sb_signature_new(void) {
    struct sb_signature *s = sb_calloc(1, sizeof *s);
    sb_arena_init(&s->arena, ARENA_MAX);
    return s;
}

static void free_fields(struct sb_field *f, size_t n) {
    for (size_t i = 0; i < n; i++) {
        sb_free(f[i].name);
        sb_free(f[i].tensor_dtype);
        sb_free(f[i].json_spec);
        sb_free(f[i].example_json);
    }
    sb_free(f);
}

void sb_signature_free(struct sb_signature *s) {
    if (!s) return;
    free_fields(s->inputs, s->ninputs);
    free_fields(s->outputs, s->noutputs);
    sb_free(s->params_json);
    sb_free(s->index);
    sb_arena_fini(&s->arena);
    sb_free(s);
}

static struct sb_field *add_field(struct sb_field **fields, size_t *n, struct sb_str name,
                                  enum sb_dtype type) {
    if ((*n & (*n - 1)) == 0) /* full at each power of two */
        *fields = sb_realloc(*fields, (*n ? *n * 2 : 1) * sizeof **fields);
    struct sb_field *f = *fields + (*n)++;
    *f = (struct sb_field){.name = name.n ? sb_strndup(name.p, name.n) : NULL,
                           .type = type,
                           .required = true,
                           .width = 1,
                           .rows = -1};
    return f;
}

struct sb_field *sb_signature_add_input(struct sb_signature *s, struct sb_str name,
                                        enum sb_dtype type) {
    return add_field(&s->inputs, &s->ninputs, name, type);
}

struct sb_field *sb_signature_add_output(struct sb_signature *s, struct sb_str name,
                                         enum sb_dtype type) {
    return add_field(&s->outputs, &s->noutputs, name, type);
}

ptrdiff_t sb_signature_find(const struct sb_signature *s, struct sb_str name) {
    if (!s->index_cap) return -1;
    size_t at = sb_hash(name.p, name.n) & (s->index_cap - 1);
    for (; s->index[at]; at = (at + 1) & (s->index_cap - 1)) {
        const struct sb_field *f = &s->inputs[s->index[at] - 1];
        if (sb_str_is(name, f->name)) return (ptrdiff_t)s->index[at] - 1;
    }
    return -1;
}

sb_err sb_signature_seal(struct sb_signature *s, struct sb_errctx *ctx) {
    s->named = s->ninputs > 0 && s->inputs[0].name;
    for (size_t i = 0; i < s->ninputs; i++)
        if ((s->inputs[i].name != NULL) != s->named)
            return sb_fail(ctx, SB_E_INVALID, "signature mixes named and unnamed inputs");
    if (!s->named) return SB_OK;
    size_t cap = 8;
    while (cap < s->ninputs * 2) cap *= 2;
    sb_free(s->index);
    s->index = sb_calloc(cap, sizeof *s->index);
    s->index_cap = cap;
    for (size_t i = 0; i < s->ninputs; i++) {
        struct sb_str name = sb_str_of(s->inputs[i].name);
        if (sb_signature_find(s, name) >= 0)
            return sb_fail(ctx, SB_E_INVALID, "signature names input '%.80s' twice",
                           s->inputs[i].name);
        size_t at = sb_hash(name.p, name.n) & (cap - 1);
        while (s->index[at]) at = (at + 1) & (cap - 1);
        s->index[at] = (uint32_t)i + 1;
    }
    return SB_OK;
}

/* numpy's type names of tensors; each maps to the column type that holds all its values. */
static const struct {
    const char *numpy;
    enum sb_dtype type;
} TENSOR_TYPES[] = {
    {"float64", SB_DTYPE_FLOAT64},
    {"float32", SB_DTYPE_FLOAT32},
    {"float16", SB_DTYPE_FLOAT32},
    {"int64", SB_DTYPE_INT64},
    {"int32", SB_DTYPE_INT32},
    {"int16", SB_DTYPE_INT32},
    {"int8", SB_DTYPE_INT32},
    {"uint64", SB_DTYPE_INT64},
    {"uint32", SB_DTYPE_INT64},
    {"uint16", SB_DTYPE_INT32},
    {"uint8", SB_DTYPE_INT32},
    {"bool", SB_DTYPE_BOOL},
    {"str", SB_DTYPE_STRING},
    {"object", SB_DTYPE_JSON},
    {"datetime64[ns]", SB_DTYPE_DATETIME},
    {"datetime64", SB_DTYPE_DATETIME},
    {"bytes", SB_DTYPE_BINARY},
};

static sb_err tensor_shape(struct sb_field *f, const struct sb_json *shape, struct sb_errctx *ctx) {
    if (!shape || shape->type != SB_JSON_ARRAY || shape->n > SB_TENSOR_DIMS_MAX + 1)
        return sb_fail(ctx, SB_E_INVALID, "tensor spec needs a shape of at most %d dims",
                       SB_TENSOR_DIMS_MAX + 1);
    bool first = true;
    for (const struct sb_json *d = shape->child; d; d = d->next, first = false) {
        if (!d->is_int || d->i < -1 || d->i > WIDTH_MAX)
            return sb_fail(ctx, SB_E_INVALID, "tensor spec has a bad dim in its shape");
        if (first) {
            f->rows = d->i;
            continue;
        }
        f->dims[f->ndims++] = d->i;
        f->width = d->i < 0 || f->width < 0 ? -1 : f->width * d->i;
        if (f->width > WIDTH_MAX)
            return sb_fail(ctx, SB_E_LIMIT, "tensor has more than %d values a row", WIDTH_MAX);
    }
    /* Rows of unknown width cannot lie in one array: they stay JSON and the worker builds them. */
    if (f->width < 0) f->type = SB_DTYPE_JSON;
    return SB_OK;
}

static sb_err tensor_field(struct sb_field *f, const struct sb_json *spec, struct sb_errctx *ctx) {
    const struct sb_json *t = sb_json_get(spec, "tensor-spec");
    struct sb_str dtype = {0};
    if (!sb_json_get_str(t, "dtype", &dtype) || !dtype.n)
        return sb_fail(ctx, SB_E_INVALID, "tensor spec needs a dtype");
    bool known = false;
    for (size_t i = 0; i < SB_COUNT(TENSOR_TYPES) && !known; i++)
        if (sb_str_is(dtype, TENSOR_TYPES[i].numpy)) {
            f->type = TENSOR_TYPES[i].type;
            known = true;
        }
    if (!known)
        return sb_fail(ctx, SB_E_UNSUPPORTED, "tensor dtype '%.*s' is not supported",
                       SB_ARG(dtype));
    f->tensor_dtype = sb_strndup(dtype.p, dtype.n);
    return tensor_shape(f, sb_json_get(t, "shape"), ctx);
}

static sb_err column_field(struct sb_field *f, const struct sb_json *spec, struct sb_str type,
                           struct sb_errctx *ctx) {
    if (sb_dtype_parse(type, &f->type) && f->type != SB_DTYPE_JSON) return SB_OK;
    static const char *const NESTED[] = {"array", "object", "map", "any", "sparkml vector"};
    for (size_t i = 0; i < SB_COUNT(NESTED); i++) {
        if (!sb_str_is(type, NESTED[i])) continue;
        struct sb_buf b;
        sb_buf_init(&b, JSON_MAX);
        sb_json_add_tree(&b, spec);
        sb_err err = sb_buf_err(&b);
        f->type = SB_DTYPE_JSON;
        f->spec = spec;
        if (!err) f->json_spec = sb_buf_take(&b, &(size_t){0});
        sb_buf_fini(&b);
        return err ? sb_fail(ctx, err, "type of a nested column is too large") : SB_OK;
    }
    return sb_fail(ctx, SB_E_UNSUPPORTED, "column type '%.*s' is not supported", SB_ARG(type));
}

static sb_err parse_field(struct sb_signature *s, const struct sb_json *spec, bool output,
                          bool *tensor, struct sb_errctx *ctx) {
    struct sb_str type = {0}, name = {0};
    bool required = true, optional = false;
    if (spec->type != SB_JSON_OBJECT || !sb_json_get_str(spec, "type", &type) || !type.n)
        return sb_fail(ctx, SB_E_INVALID, "signature has a spec without a type");
    if (!sb_json_get_str(spec, "name", &name) || !sb_json_get_bool(spec, "required", &required) ||
        !sb_json_get_bool(spec, "optional", &optional))
        return sb_fail(ctx, SB_E_INVALID, "signature has a spec with a bad name or required");
    if (memchr(name.n ? name.p : "", 0, name.n))
        return sb_fail(ctx, SB_E_INVALID, "signature has a name with a NUL");
    struct sb_field *f = output ? sb_signature_add_output(s, name, SB_DTYPE_FLOAT64)
                                : sb_signature_add_input(s, name, SB_DTYPE_FLOAT64);
    f->required = required && !optional;
    *tensor = sb_str_is(type, "tensor");
    return *tensor ? tensor_field(f, spec, ctx) : column_field(f, spec, type, ctx);
}

static sb_err parse_part(struct sb_signature *s, struct sb_str text, bool output,
                         struct sb_errctx *ctx) {
    text = sb_str_trim(text);
    if (!text.n || sb_str_is(text, "null")) return SB_OK;
    if (text.n > JSON_MAX) return sb_fail(ctx, SB_E_LIMIT, "signature is over %d bytes", JSON_MAX);
    text = sb_arena_dup(&s->arena, text);
    if (!text.p) return sb_fail(ctx, SB_E_LIMIT, "signature is too large");
    struct sb_json *list;
    SB_TRY(sb_json_parse(&list, text, &s->arena, ctx));
    if (list->type != SB_JSON_ARRAY)
        return sb_fail(ctx, SB_E_INVALID, "signature %s is not a list",
                       output ? "outputs" : "inputs");
    if (list->n > SB_LIMIT_PREDICT_FEATURES)
        return sb_fail(ctx, SB_E_LIMIT, "signature has more than %d columns",
                       SB_LIMIT_PREDICT_FEATURES);
    size_t tensors = 0;
    for (const struct sb_json *spec = list->child; spec; spec = spec->next) {
        bool tensor = false;
        SB_TRY(parse_field(s, spec, output, &tensor, ctx));
        tensors += tensor;
    }
    if (tensors && tensors != list->n)
        return sb_fail(ctx, SB_E_INVALID, "signature mixes tensors and columns");
    if (!output) {
        s->tensor = tensors > 0;
        s->enforce = list->n > 0;
    }
    return SB_OK;
}

static sb_err parse_params(struct sb_signature *s, struct sb_str text, struct sb_errctx *ctx) {
    text = sb_str_trim(text);
    if (!text.n || sb_str_is(text, "null")) return SB_OK;
    if (text.n > JSON_MAX) return sb_fail(ctx, SB_E_LIMIT, "params are over %d bytes", JSON_MAX);
    struct sb_json *list;
    SB_TRY(sb_json_parse(&list, text, &s->arena, ctx));
    if (list->type != SB_JSON_ARRAY)
        return sb_fail(ctx, SB_E_INVALID, "signature params is not a list");
    s->params_json = sb_strndup(text.p, text.n);
    return SB_OK;
}

sb_err sb_signature_parse(struct sb_signature **out, struct sb_str inputs_json,
                          struct sb_str outputs_json, struct sb_str params_json,
                          struct sb_errctx *ctx) {
    struct sb_signature *s = sb_signature_new();
    sb_err err = parse_part(s, inputs_json, false, ctx);
    if (!err) err = parse_part(s, outputs_json, true, ctx);
    if (!err) err = parse_params(s, params_json, ctx);
    if (!err) err = sb_signature_seal(s, ctx);
    if (!err && s->tensor && !s->named && s->ninputs > 1)
        err = sb_fail(ctx, SB_E_INVALID, "signature has several tensors without names");
    if (err) {
        sb_signature_free(s);
        return err;
    }
    s->present = s->ninputs || s->noutputs || s->params_json;
    *out = s;
    return SB_OK;
}

/* ---- examples ---- */

static void set_example(struct sb_field *f, const struct sb_json *v) {
    struct sb_buf b;
    sb_buf_init(&b, EXAMPLE_MAX);
    sb_json_add_tree(&b, v);
    if (sb_buf_err(&b) == SB_OK) {
        sb_free(f->example_json);
        f->example_json = sb_buf_take(&b, &(size_t){0});
    }
    sb_buf_fini(&b);
}

/* The k-th input's example is the k-th value of the row, or the one that columns names. */
static void set_row(struct sb_signature *s, const struct sb_json *columns,
                    const struct sb_json *row) {
    if (!row || row->type != SB_JSON_ARRAY) return;
    const struct sb_json *name = columns ? columns->child : NULL;
    size_t k = 0;
    for (const struct sb_json *v = row->child; v; v = v->next, k++) {
        ptrdiff_t at = k < s->ninputs ? (ptrdiff_t)k : -1;
        if (name) {
            if (s->named) at = name->type == SB_JSON_STRING ? sb_signature_find(s, name->s) : -1;
            name = name->next;
        }
        if (at >= 0) set_example(&s->inputs[at], v);
    }
}

void sb_signature_set_examples(struct sb_signature *s, struct sb_str input_example_json) {
    struct sb_arena arena;
    sb_arena_init(&arena, ARENA_MAX);
    struct sb_json_reader r;
    struct sb_errctx ctx = {0};
    sb_json_reader_init(&r, input_example_json, &arena, &ctx);
    r.nonfinite = true;
    struct sb_json *doc;
    if (input_example_json.n > JSON_MAX || sb_json_parse_with(&doc, &r) != SB_OK) {
        sb_arena_fini(&arena);
        return;
    }
    const struct sb_json *data = sb_json_get(doc, "data");
    if (data && data->type == SB_JSON_ARRAY)
        set_row(s, sb_json_get(doc, "columns"), data->child);
    else if (doc->type == SB_JSON_ARRAY && s->tensor && s->ninputs == 1 && doc->child)
        set_example(&s->inputs[0], doc->child);
    else if (doc->type == SB_JSON_ARRAY && doc->child)
        set_row(s, NULL, doc->child->type == SB_JSON_ARRAY ? doc->child : doc);
    else if (doc->type == SB_JSON_OBJECT)
        for (const struct sb_json *m = doc->child; m; m = m->next) {
            ptrdiff_t at = sb_signature_find(s, m->key);
            if (at >= 0) set_example(&s->inputs[at], s->tensor && m->child ? m->child : m);
        }
    sb_arena_fini(&arena);
}

/* ---- rows of another model ---- */

static bool same_text(const char *a, const char *b) {
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static bool same_shape(const struct sb_field *a, const struct sb_field *b) {
    return a->type == b->type && a->ndims == b->ndims && a->width == b->width &&
           a->rows == b->rows &&
           memcmp(a->dims, b->dims, (size_t)a->ndims * sizeof a->dims[0]) == 0 &&
           same_text(a->tensor_dtype, b->tensor_dtype) && same_text(a->json_spec, b->json_spec);
}

static sb_err field_takes(const struct sb_field *f, const struct sb_field *from, size_t i,
                          struct sb_errctx *ctx) {
    const char *ours = f->name ? f->name : "(unnamed)";
    const char *theirs = from->name ? from->name : "(unnamed)";
    if (!same_text(f->name, from->name))
        return sb_fail(ctx, SB_E_INVALID, "input %zu is \"%.50s\" and not \"%.50s\"", i + 1, ours,
                       theirs);
    if (!same_shape(f, from))
        return sb_fail(ctx, SB_E_INVALID, "input \"%.50s\" is %s and not %s%s", ours,
                       sb_dtype_name(f->type), sb_dtype_name(from->type),
                       f->type == from->type ? " of the same shape" : "");
    if (f->required && !from->required)
        return sb_fail(ctx, SB_E_INVALID, "input \"%.50s\" is required and not optional", ours);
    return SB_OK;
}

sb_err sb_signature_takes(const struct sb_signature *s, const struct sb_signature *read_for,
                          struct sb_errctx *ctx) {
    if (!s->ninputs) return SB_OK;
    if (s->ninputs != read_for->ninputs)
        return sb_fail(ctx, SB_E_INVALID, "%zu inputs and not %zu", s->ninputs, read_for->ninputs);
    if (s->tensor != read_for->tensor)
        return sb_fail(ctx, SB_E_INVALID, "its inputs are %s", s->tensor ? "tensors" : "columns");
    for (size_t i = 0; i < s->ninputs; i++)
        SB_TRY(field_takes(&s->inputs[i], &read_for->inputs[i], i, ctx));
    return SB_OK;
}
