#include "engine/pickle/skops.h"

#include "base/mem.h"
#include "codec/json.h"
#include "engine/pickle/npy.h"
#include "engine/zip/zip.h"

/* What skops 0.16 writes is its protocol 2; 0 and 1 differ in loaders that are refused here anyway.
 */
enum { PROTOCOL_MAX = 2 };

struct skops {
    struct sb_zip *zip;
    const struct sb_pickle_options *opt;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
};

typedef sb_err (*loader_fn)(struct skops *s, const struct sb_json *n, int depth,
                            struct sb_pv **out);

static sb_err node(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out);

static sb_err bad(struct skops *s, const struct sb_json *n, const char *what) {
    size_t pos = n ? n->pos : 0;
    (void)sb_fail_at(s->ctx, SB_E_CORRUPT, (int64_t)pos,
                     "damaged skops file: %s (schema.json byte %zu)", what, pos);
    return SB_E_CORRUPT;
}

static sb_err nomem(struct skops *s) {
    (void)sb_fail(s->ctx, SB_E_LIMIT, "skops file needs more memory than a file of its size may");
    return SB_E_LIMIT;
}

static sb_err make(struct skops *s, const struct sb_json *n, enum sb_pv_type type,
                   struct sb_pv **out) {
    *out = sb_pv_new(s->arena, type, n->pos);
    return *out ? SB_OK : nomem(s);
}

static struct sb_str text(const struct sb_json *n, const char *key) {
    const struct sb_json *v = sb_json_get(n, key);
    return v && v->type == SB_JSON_STRING ? v->s : SB_STR("");
}

/* ---- scalars ---- */

/* content is JSON text inside a string: "null", "2", "0.5", "\"gini\"" */
static sb_err load_json(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    SB_UNUSED(depth);
    struct sb_json_reader r;
    sb_json_reader_init(&r, text(n, "content"), s->arena, s->ctx);
    r.nonfinite = true;
    r.number_max = 1000;
    struct sb_json *v = NULL;
    if (sb_json_parse_with(&v, &r) != SB_OK) return bad(s, n, "content that is not JSON");
    struct sb_pv *pv = NULL;
    SB_TRY(make(s, n, SB_PV_NONE, &pv));
    switch (v->type) {
    case SB_JSON_NULL: break;
    case SB_JSON_TRUE:
    case SB_JSON_FALSE:
        pv->type = SB_PV_BOOL;
        pv->b = v->type == SB_JSON_TRUE;
        break;
    case SB_JSON_STRING:
        pv->type = SB_PV_STR;
        pv->s = v->s;
        break;
    case SB_JSON_NUMBER:
        pv->type = v->is_int ? SB_PV_INT : SB_PV_FLOAT;
        if (v->is_int)
            pv->i = v->i;
        else
            pv->d = v->d;
        break;
    default: return bad(s, n, "content that is not a scalar");
    }
    *out = pv;
    return SB_OK;
}

/* ---- containers ---- */

static sb_err items(struct skops *s, const struct sb_json *n, int depth, enum sb_pv_type type,
                    struct sb_pv **out) {
    const struct sb_json *content = sb_json_get(n, "content");
    struct sb_pv *v = NULL;
    SB_TRY(make(s, n, type, &v));
    if (!content || content->type != SB_JSON_ARRAY) return bad(s, n, "list without content");
    for (const struct sb_json *c = content->child; c; c = c->next) {
        struct sb_pv *item = NULL;
        SB_TRY(node(s, c, depth + 1, &item));
        if (!sb_pv_seq_push(s->arena, &v->seq, item)) return nomem(s);
    }
    *out = v;
    return SB_OK;
}

static sb_err load_list(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    return items(s, n, depth, SB_PV_LIST, out);
}
static sb_err load_tuple(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    return items(s, n, depth, SB_PV_TUPLE, out);
}
static sb_err load_set(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    return items(s, n, depth, SB_PV_SET, out);
}

/* Keys stay text: attribute dicts have no others, and no reader looks up another. */
static sb_err load_dict(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    const struct sb_json *content = sb_json_get(n, "content");
    struct sb_pv *v = NULL;
    SB_TRY(make(s, n, SB_PV_DICT, &v));
    if (!content || content->type != SB_JSON_OBJECT) return bad(s, n, "dict without content");
    for (const struct sb_json *c = content->child; c; c = c->next) {
        struct sb_pv *key = NULL, *item = NULL;
        SB_TRY(make(s, c, SB_PV_STR, &key));
        key->s = c->key;
        SB_TRY(node(s, c, depth + 1, &item));
        if (!sb_pv_seq_push(s->arena, &v->seq, key) || !sb_pv_seq_push(s->arena, &v->seq, item))
            return nomem(s);
    }
    *out = v;
    return SB_OK;
}

/* ---- arrays ---- */

/* The shape of an object array: a tuple of whole numbers. */
static sb_err shape_of(struct skops *s, const struct sb_json *n, int depth, struct sb_np_array *a) {
    const struct sb_json *shape = sb_json_get(n, "shape");
    struct sb_pv *v = NULL;
    SB_TRY(node(s, shape, depth + 1, &v));
    if (v->type != SB_PV_TUPLE || v->seq.n == 0 || v->seq.n > SB_NP_DIMS_MAX)
        return bad(s, n, "shape of an array");
    a->ndim = v->seq.n;
    for (uint32_t i = 0; i < a->ndim; i++) {
        int64_t d;
        if (!sb_pv_to_i64(v->seq.v[i], &d) || d < 0) return bad(s, n, "shape of an array");
        a->shape[i] = (size_t)d;
    }
    return sb_np_shape_count(a->shape, a->ndim, &a->count) ? SB_OK : bad(s, n, "shape of an array");
}

/* Lists of n items each, one after the other: the items. */
static sb_err flatten(struct skops *s, const struct sb_json *n, const struct sb_pv *lists,
                      size_t length, struct sb_pv **out) {
    struct sb_pv *flat = NULL;
    SB_TRY(make(s, n, SB_PV_LIST, &flat));
    for (uint32_t i = 0; i < lists->seq.n; i++) {
        const struct sb_pv *list = lists->seq.v[i];
        if (list->type != SB_PV_LIST || list->seq.n != length)
            return bad(s, n, "array that is not as long as its shape says");
        for (uint32_t k = 0; k < list->seq.n; k++)
            if (!sb_pv_seq_push(s->arena, &flat->seq, list->seq.v[k])) return nomem(s);
    }
    *out = flat;
    return SB_OK;
}

/* Object arrays: rows of rows of nodes, and their shape. */
static sb_err object_array(struct skops *s, const struct sb_json *n, int depth,
                           struct sb_pv **out) {
    struct sb_pv *list = NULL, *v = NULL;
    SB_TRY(items(s, n, depth, SB_PV_LIST, &list));
    SB_TRY(make(s, n, SB_PV_ARRAY, &v));
    struct sb_np_dtype *t = sb_np_dtype_parse(s->arena, SB_STR("O8"));
    v->array = sb_arena_try_array(s->arena, 1, sizeof *v->array);
    if (!v->array || !t) return nomem(s);
    v->array->dtype = t;
    SB_TRY(shape_of(s, n, depth, v->array));
    for (uint32_t d = 1; d < v->array->ndim; d++)
        SB_TRY(flatten(s, n, list, v->array->shape[d], &list));
    if (list->seq.n != v->array->count)
        return bad(s, n, "array that is not as long as its shape says");
    v->array->objects = list;
    *out = v;
    return SB_OK;
}

static sb_err load_array(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    struct sb_str type = text(n, "type");
    if (sb_str_is(type, "json")) return object_array(s, n, depth, out);
    if (!sb_str_is(type, "numpy")) return bad(s, n, "array of unknown type");
    struct sb_str bytes;
    SB_TRY(sb_zip_read(s->zip, text(n, "file"), s->arena, &bytes, s->ctx));
    return sb_npy_read(out, bytes, s->arena, s->ctx);
}

/* ---- names and objects ---- */

static sb_err load_name(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    SB_UNUSED(depth);
    struct sb_pv *v = NULL;
    SB_TRY(make(s, n, SB_PV_GLOBAL, &v));
    v->global.module = text(n, "__module__");
    v->global.name = text(n, "__class__");
    *out = v;
    return SB_OK;
}

static sb_err load_ignored(struct skops *s, const struct sb_json *n, int depth,
                           struct sb_pv **out) {
    SB_UNUSED(depth);
    struct sb_pv *v = NULL;
    SB_TRY(make(s, n, SB_PV_OBJECT, &v));
    v->object = sb_arena_try_array(s->arena, 1, sizeof *v->object);
    if (!v->object) return nomem(s);
    v->object->module = text(n, "__module__");
    v->object->name = text(n, "__class__");
    *out = v;
    return SB_OK;
}

static sb_err load_object(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    struct sb_str module = text(n, "__module__"), name = text(n, "__class__");
    if (!sb_pickle_class_allowed(s->opt, module, name))
        return sb_pickle_class_refuse(s->opt, module, name, "schema.json byte", n->pos, s->ctx);
    struct sb_pv *v = NULL;
    SB_TRY(load_ignored(s, n, depth, &v));
    const struct sb_json *content = sb_json_get(n, "content");
    const struct sb_json *args = sb_json_get(sb_json_get(n, "__reduce__"), "args");
    if (args) {
        SB_TRY(node(s, args, depth + 1, &v->object->args));
        if (v->object->args->type != SB_PV_TUPLE) return bad(s, args, "arguments");
    }
    if (content && content->type == SB_JSON_OBJECT)
        SB_TRY(node(s, content, depth + 1, &v->object->state));
    *out = v;
    return SB_OK;
}

static sb_err load_bytes(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    SB_UNUSED(depth);
    struct sb_pv *v = NULL;
    SB_TRY(make(s, n, SB_PV_BYTES, &v));
    SB_TRY(sb_zip_read(s->zip, text(n, "file"), s->arena, &v->s, s->ctx));
    *out = v;
    return SB_OK;
}

/* slice(start, stop, step), as the record that a pickle gives. */
static sb_err load_slice(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    static const char *const parts[] = {"start", "stop", "step"};
    const struct sb_json *content = sb_json_get(n, "content");
    struct sb_pv *v = NULL, *args = NULL;
    SB_TRY(load_ignored(s, n, depth, &v));
    SB_TRY(make(s, n, SB_PV_TUPLE, &args));
    for (size_t i = 0; i < SB_COUNT(parts); i++) {
        const struct sb_json *part = sb_json_get(content, parts[i]);
        struct sb_pv *item = NULL;
        SB_TRY(make(s, n, SB_PV_NONE, &item));
        if (!part || (part->type != SB_JSON_NULL && part->type != SB_JSON_STRING &&
                      !(part->type == SB_JSON_NUMBER && part->is_int)))
            return bad(s, n, "slice");
        if (part->type == SB_JSON_NUMBER) {
            item->type = SB_PV_INT;
            item->i = part->i;
        } else if (part->type == SB_JSON_STRING) {
            item->type = SB_PV_STR;
            item->s = part->s;
        }
        if (!sb_pv_seq_push(s->arena, &args->seq, item)) return nomem(s);
    }
    v->object->args = args;
    *out = v;
    return SB_OK;
}

/* functools.partial: a record whose first argument is the function's name; what is bound stays
 * unread. */
static sb_err load_partial(struct skops *s, const struct sb_json *n, int depth,
                           struct sb_pv **out) {
    struct sb_pv *v = NULL, *args = NULL, *func = NULL;
    SB_TRY(load_ignored(s, n, depth, &v));
    SB_TRY(make(s, n, SB_PV_TUPLE, &args));
    SB_TRY(node(s, sb_json_get(sb_json_get(n, "content"), "func"), depth + 1, &func));
    if (!sb_pv_seq_push(s->arena, &args->seq, func)) return nomem(s);
    v->object->args = args;
    *out = v;
    return SB_OK;
}

static const struct {
    const char *name;
    loader_fn load;
} loaders[] = {
    {"JsonNode", load_json},
    {"ListNode", load_list},
    {"TupleNode", load_tuple},
    {"SetNode", load_set},
    {"DictNode", load_dict},
    {"NdArrayNode", load_array},
    {"ObjectNode", load_object},
    {"TreeNode", load_object},
    {"LossNode", load_object},
    {"BytesNode", load_bytes},
    {"BytearrayNode", load_bytes},
    {"SliceNode", load_slice},
    {"PartialNode", load_partial},
    {"TypeNode", load_name},
    {"FunctionNode", load_name},
    {"DTypeNode", load_ignored},
    {"DefaultDictNode", load_ignored},
    {"RandomStateNode", load_ignored},
    {"RandomGeneratorNode", load_ignored},
    {"MaskedArrayNode", load_ignored},
};

static sb_err node(struct skops *s, const struct sb_json *n, int depth, struct sb_pv **out) {
    if (!n || n->type != SB_JSON_OBJECT) return bad(s, n, "node that is not an object");
    if (depth > SB_SKOPS_DEPTH_MAX) return bad(s, n, "nested too deep");
    struct sb_str loader = text(n, "__loader__");
    for (size_t i = 0; i < SB_COUNT(loaders); i++)
        if (sb_str_is(loader, loaders[i].name)) return loaders[i].load(s, n, depth, out);
    return sb_pickle_class_refuse(s->opt, text(n, "__module__"), text(n, "__class__"),
                                  "schema.json byte", n->pos, s->ctx);
}

static sb_err read_schema(struct skops *s, struct sb_pv **out) {
    struct sb_str schema;
    SB_TRY(sb_zip_read(s->zip, SB_STR("schema.json"), s->arena, &schema, s->ctx));
    struct sb_json_reader r;
    sb_json_reader_init(&r, schema, s->arena, s->ctx);
    r.max_depth = 4 * SB_SKOPS_DEPTH_MAX;
    struct sb_json *root = NULL;
    SB_TRY(sb_json_parse_with(&root, &r));
    int64_t protocol = 0;
    if (!sb_json_get_i64(root, "protocol", &protocol) || protocol < 0 || protocol > PROTOCOL_MAX)
        return sb_fail(s->ctx, SB_E_UNSUPPORTED, "skops protocol %lld is not supported",
                       (long long)protocol);
    return node(s, root, 0, out);
}

sb_err sb_skops_read(const struct sb_pv **out, struct sb_str file,
                     const struct sb_pickle_options *opt, struct sb_arena *arena,
                     struct sb_errctx *ctx) {
    struct skops s = {.opt = opt, .arena = arena, .ctx = ctx};
    SB_TRY(sb_zip_open(&s.zip, file, ctx));
    struct sb_pv *v = NULL;
    sb_err err = read_schema(&s, &v);
    sb_zip_close(s.zip);
    if (!err) *out = v;
    return err;
}
