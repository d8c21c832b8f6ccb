/* What the machine knows of Python's and numpy's own helpers.
 *
 * Each row of the table below is a callable that pickles of numpy data contain, with the function
 * that turns its arguments into a value. Names are kept in all spellings: Python 2's (protocol
 * 0-2), numpy.core (before numpy 2) and numpy._core. The layout of each state tuple is what numpy's
 * __reduce__ writes (numpy/_core/src/multiarray/methods.c, descriptor.c). */
#include "engine/pickle/pickle_int.h"

#include "base/mem.h"

typedef sb_err (*ctor_fn)(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                          struct sb_pv **out);

static struct sb_pv *arg(const struct sb_pv *args, uint32_t i) {
    return i < args->seq.n ? args->seq.v[i] : NULL;
}

static bool is_type(const struct sb_pv *v, enum sb_pv_type t) {
    return v && v->type == t;
}

/* ---- arrays ---- */

static bool shape_of(const struct sb_pv *v, struct sb_np_array *a) {
    if (is_type(v, SB_PV_INT)) {
        if (v->i < 0) return false;
        a->ndim = 1;
        a->shape[0] = (size_t)v->i;
        return sb_np_shape_count(a->shape, 1, &a->count);
    }
    if (!is_type(v, SB_PV_TUPLE) || v->seq.n > SB_NP_DIMS_MAX) return false;
    a->ndim = v->seq.n;
    for (uint32_t i = 0; i < a->ndim; i++) {
        int64_t d;
        if (!sb_pv_to_i64(v->seq.v[i], &d) || d < 0) return false;
        a->shape[i] = (size_t)d;
    }
    return sb_np_shape_count(a->shape, a->ndim, &a->count);
}

/* Points a at its bytes, or at its list of objects, after checking that they are all there. */
static sb_err array_data(struct vm *m, struct sb_np_array *a, const struct sb_pv *data) {
    if (a->dtype->kind == 'O') {
        if (!is_type(data, SB_PV_LIST) || data->seq.n != a->count)
            return vm_corrupt(m, "object array without a list of its length");
        /* the list may still change under a later APPEND: the array keeps what it is now */
        struct sb_pv *list = vm_new(m, SB_PV_LIST);
        if (!list) return vm_nomem(m);
        list->seq = data->seq;
        a->objects = list;
        return SB_OK;
    }
    size_t need;
    if (!is_type(data, SB_PV_BYTES)) return vm_corrupt(m, "array data is not bytes");
    if (!sb_mul_ok(a->count, a->dtype->size, &need) || data->s.n != need)
        return vm_corrupt(m, "array data does not fit its shape and type");
    a->data = (const uint8_t *)data->s.p;
    return SB_OK;
}

static sb_err new_array(struct vm *m, struct sb_pv **out, struct sb_np_array **a) {
    struct sb_pv *v = vm_new(m, SB_PV_ARRAY);
    if (!v) return vm_nomem(m);
    v->array = sb_arena_try_array(m->arena, 1, sizeof *v->array);
    if (!v->array) return vm_nomem(m);
    *a = v->array;
    *out = v;
    return SB_OK;
}

/* _reconstruct(ndarray, (0,), b'b'): an empty array; BUILD fills it. Subclasses (matrix, memmap)
 * are arrays here too. */
static sb_err np_reconstruct(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                             struct sb_pv **out) {
    SB_UNUSED(callable);
    const struct sb_pv *cls = arg(args, 0);
    if (!is_type(cls, SB_PV_GLOBAL)) return vm_corrupt(m, "_reconstruct without a class");
    if (!sb_str_is(cls->global.name, "ndarray") || !sb_str_is(cls->global.module, "numpy"))
        return vm_refuse(m, cls->global.module, cls->global.name);
    struct sb_np_array *a;
    return new_array(m, out, &a);
}

/* _frombuffer(bytes, dtype, shape, order) */
static sb_err np_frombuffer(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                            struct sb_pv **out) {
    SB_UNUSED(callable);
    const struct sb_pv *type = arg(args, 1), *order = arg(args, 3);
    struct sb_np_array *a;
    struct sb_pv *v;
    SB_TRY(new_array(m, &v, &a));
    if (!is_type(type, SB_PV_DTYPE) || type->dtype->kind == 'O' || !shape_of(arg(args, 2), a) ||
        !is_type(order, SB_PV_STR))
        return vm_corrupt(m, "array arguments are not (bytes, dtype, shape, order)");
    a->dtype = type->dtype;
    a->fortran = sb_str_is(order->s, "F");
    SB_TRY(array_data(m, a, arg(args, 0)));
    *out = v;
    return SB_OK;
}

/* state (1, shape, dtype, is_fortran, bytes | list); the version is absent in very old files */
static sb_err array_build(struct vm *m, struct sb_pv *v, const struct sb_pv *state) {
    if (!is_type(state, SB_PV_TUPLE) || state->seq.n < 4 || state->seq.n > 5)
        return vm_corrupt(m, "array state is not a tuple of five");
    struct sb_pv *const *part = state->seq.v + (state->seq.n - 4);
    struct sb_np_array a = {.ndim = 0};
    int64_t fortran;
    if (!shape_of(part[0], &a) || !is_type(part[1], SB_PV_DTYPE) ||
        !sb_pv_to_i64(part[2], &fortran) || fortran < 0 || fortran > 1)
        return vm_corrupt(m, "array state is not (version, shape, dtype, order, data)");
    a.dtype = part[1]->dtype;
    a.fortran = fortran == 1;
    SB_TRY(array_data(m, &a, part[3]));
    *v->array = a;
    return SB_OK;
}

/* scalar(dtype, bytes | object): an array without dimensions */
static sb_err np_scalar(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                        struct sb_pv **out) {
    SB_UNUSED(callable);
    const struct sb_pv *type = arg(args, 0);
    if (!is_type(type, SB_PV_DTYPE)) return vm_corrupt(m, "scalar without a dtype");
    if (type->dtype->kind == 'O' && args->seq.n == 2) {
        *out = args->seq.v[1];
        return SB_OK;
    }
    struct sb_np_array *a;
    struct sb_pv *v;
    SB_TRY(new_array(m, &v, &a));
    a->dtype = type->dtype;
    a->count = 1;
    SB_TRY(array_data(m, a, arg(args, 1)));
    *out = v;
    return SB_OK;
}

/* ---- dtypes ---- */

static sb_err np_dtype(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                       struct sb_pv **out) {
    SB_UNUSED(callable);
    const struct sb_pv *name = arg(args, 0);
    struct sb_np_dtype *t = is_type(name, SB_PV_STR) ? sb_np_dtype_parse(m->arena, name->s) : NULL;
    if (!t) {
        struct sb_str shown = is_type(name, SB_PV_STR) ? sb_str_sub(name->s, 0, 40) : SB_STR("?");
        return sb_fail_at(m->ctx, SB_E_UNSUPPORTED, (int64_t)m->at,
                          "numpy type \"%.*s\" is not supported (byte %zu)", SB_ARG(shown), m->at);
    }
    struct sb_pv *v = vm_new(m, SB_PV_DTYPE);
    if (!v) return vm_nomem(m);
    v->dtype = t;
    *out = v;
    return SB_OK;
}

/* Field names and their (dtype, offset) of a structured type. */
static sb_err dtype_fields(struct vm *m, struct sb_np_dtype *t, const struct sb_pv *names,
                           const struct sb_pv *fields) {
    if (!is_type(names, SB_PV_TUPLE) || !is_type(fields, SB_PV_DICT) || t->kind != 'V')
        return vm_corrupt(m, "structured type without names and fields");
    if (names->seq.n > 256) return vm_corrupt(m, "structured type with too many fields");
    t->fields = sb_arena_try_array(m->arena, names->seq.n + 1, sizeof *t->fields);
    if (!t->fields) return vm_nomem(m);
    for (uint32_t i = 0; i < names->seq.n; i++) {
        const struct sb_pv *name = names->seq.v[i], *def = NULL;
        for (uint32_t k = 0; k + 1 < fields->seq.n && is_type(name, SB_PV_STR); k += 2)
            if (is_type(fields->seq.v[k], SB_PV_STR) && sb_str_eq(fields->seq.v[k]->s, name->s))
                def = fields->seq.v[k + 1];
        int64_t offset;
        if (!is_type(def, SB_PV_TUPLE) || def->seq.n < 2 || !is_type(def->seq.v[0], SB_PV_DTYPE) ||
            !sb_pv_to_i64(def->seq.v[1], &offset))
            return vm_corrupt(m, "field without a type and an offset");
        const struct sb_np_dtype *ft = def->seq.v[0]->dtype;
        if (offset < 0 || ft->size > t->size || offset > (int64_t)(t->size - ft->size))
            return vm_corrupt(m, "field outside its structure");
        if (ft->kind == 'O') return vm_corrupt(m, "object inside a structured type");
        t->fields[t->nfields++] = (struct sb_np_field){name->s, ft, (uint32_t)offset};
    }
    return SB_OK;
}

/* state (version, endian, subarray, names, fields, itemsize, alignment, flags[, metadata]) */
static sb_err dtype_build(struct vm *m, struct sb_pv *v, const struct sb_pv *state) {
    if (!is_type(state, SB_PV_TUPLE) || state->seq.n < 8 || !is_type(state->seq.v[1], SB_PV_STR))
        return vm_corrupt(m, "dtype state is not a tuple of eight");
    struct sb_pv *const *part = state->seq.v;
    if (part[2]->type != SB_PV_NONE) return vm_corrupt(m, "dtype of sub-arrays");
    struct sb_np_dtype *t = sb_arena_try_array(m->arena, 1, sizeof *t);
    if (!t) return vm_nomem(m);
    *t = *v->dtype;
    t->big = sb_str_is(part[1]->s, ">");
    int64_t size;
    if (!sb_pv_to_i64(part[5], &size)) return vm_corrupt(m, "dtype item size");
    /* -1: as the type code says. numpy repeats the size of strings and structures here. */
    if (size != -1 && size != (int64_t)t->size && t->size != 1)
        return vm_corrupt(m, "dtype item size");
    if (part[3]->type != SB_PV_NONE) SB_TRY(dtype_fields(m, t, part[3], part[4]));
    v->dtype = t;
    return SB_OK;
}

/* ---- Python's own ---- */

static sb_err to_object(struct vm *m, struct sb_str module, struct sb_str name, struct sb_pv *args,
                        struct sb_pv **out) {
    struct sb_pv *v = vm_new(m, SB_PV_OBJECT);
    if (!v) return vm_nomem(m);
    v->object = sb_arena_try_array(m->arena, 1, sizeof *v->object);
    if (!v->object) return vm_nomem(m);
    v->object->module = module;
    v->object->name = name;
    v->object->args = args;
    *out = v;
    return SB_OK;
}

/* copyreg._reconstructor(cls, object, None): how protocols 0 and 1 make an instance */
static sb_err py_reconstructor(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                               struct sb_pv **out) {
    SB_UNUSED(callable);
    const struct sb_pv *cls = arg(args, 0), *base = arg(args, 1);
    if (!is_type(cls, SB_PV_GLOBAL)) return vm_corrupt(m, "_reconstructor without a class");
    if (!is_type(base, SB_PV_GLOBAL) || !sb_str_is(base->global.name, "object"))
        return vm_refuse(m, cls->global.module, cls->global.name);
    if (!sb_pickle_class_allowed(m->opt, cls->global.module, cls->global.name))
        return vm_refuse(m, cls->global.module, cls->global.name);
    return to_object(m, cls->global.module, cls->global.name, NULL, out);
}

/* copyreg.__newobj__(cls, *args) */
static sb_err py_newobj(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                        struct sb_pv **out) {
    SB_UNUSED(callable);
    const struct sb_pv *cls = arg(args, 0);
    if (!is_type(cls, SB_PV_GLOBAL)) return vm_corrupt(m, "__newobj__ without a class");
    struct sb_pv *rest = vm_new(m, SB_PV_TUPLE);
    if (!rest) return vm_nomem(m);
    SB_ASSERT(args->seq.n > 0);
    rest->seq.v = args->seq.v + 1;
    rest->seq.n = rest->seq.cap = args->seq.n - 1;
    if (!sb_pickle_class_allowed(m->opt, cls->global.module, cls->global.name))
        return vm_refuse(m, cls->global.module, cls->global.name);
    return to_object(m, cls->global.module, cls->global.name, rest, out);
}

/* _codecs.encode(text, 'latin1'): bytes, as protocols 0 to 2 write them */
static sb_err py_encode(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                        struct sb_pv **out) {
    SB_UNUSED(callable);
    const struct sb_pv *text = arg(args, 0), *codec = arg(args, 1);
    if (!is_type(text, SB_PV_STR) || !is_type(codec, SB_PV_STR) ||
        !(sb_str_is(codec->s, "latin1") || sb_str_is(codec->s, "latin-1")))
        return vm_corrupt(m, "_codecs.encode of something else than latin1 text");
    struct sb_pv *v = vm_new(m, SB_PV_BYTES);
    char *to = sb_arena_try(m->arena, text->s.n + 1);
    if (!v || !to) return vm_nomem(m);
    v->s.p = to;
    struct sb_cursor c = sb_cursor_of(text->s.p, text->s.n);
    while (sb_cursor_left(&c)) {
        uint8_t b = sb_cursor_u8(&c);
        if (b >= 0x80) {
            uint8_t low = sb_cursor_u8(&c);
            if (b < 0xc2 || b > 0xc3 || (low & 0xc0) != 0x80)
                return vm_corrupt(m, "text is not latin1");
            b = (uint8_t)((b & 3) << 6 | (low & 0x3f));
        }
        to[v->s.n++] = (char)b;
    }
    *out = v;
    return SB_OK;
}

/* bytes(), bytearray(b), bytearray(text, 'latin-1') */
static sb_err py_bytes(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                       struct sb_pv **out) {
    if (args->seq.n == 0) {
        struct sb_pv *v = vm_new(m, SB_PV_BYTES);
        if (!v) return vm_nomem(m);
        *out = v;
        return SB_OK;
    }
    if (args->seq.n == 1 && args->seq.v[0]->type == SB_PV_BYTES) {
        *out = args->seq.v[0];
        return SB_OK;
    }
    return py_encode(m, callable, args, out);
}

static sb_err py_set(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                     struct sb_pv **out) {
    SB_UNUSED(callable);
    struct sb_pv *v = vm_new(m, SB_PV_SET);
    if (!v) return vm_nomem(m);
    const struct sb_pv *from = arg(args, 0);
    if (from && (from->type == SB_PV_LIST || from->type == SB_PV_TUPLE)) {
        v->seq = from->seq;
        v->seq.cap = v->seq.n; /* a push makes a copy */
    } else if (from) {
        return vm_corrupt(m, "set of something else than a list");
    }
    *out = v;
    return SB_OK;
}

static sb_err py_dict(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                      struct sb_pv **out) {
    SB_UNUSED(callable);
    if (args->seq.n) return vm_corrupt(m, "dict with arguments");
    *out = vm_new(m, SB_PV_DICT);
    return *out ? SB_OK : vm_nomem(m);
}

/* Kept as a record of what it was given: never matters for a prediction, or is read by the caller.
 */
static sb_err record(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                     struct sb_pv **out) {
    return to_object(m, callable->global.module, callable->global.name, args, out);
}

static const struct {
    const char *module, *name;
    ctor_fn make;
} known[] = {
    {"numpy._core.multiarray", "_reconstruct", np_reconstruct},
    {"numpy.core.multiarray", "_reconstruct", np_reconstruct},
    {"numpy._core.multiarray", "scalar", np_scalar},
    {"numpy.core.multiarray", "scalar", np_scalar},
    {"numpy._core.numeric", "_frombuffer", np_frombuffer},
    {"numpy.core.numeric", "_frombuffer", np_frombuffer},
    {"numpy", "dtype", np_dtype},
    {"copyreg", "_reconstructor", py_reconstructor},
    {"copy_reg", "_reconstructor", py_reconstructor},
    {"copyreg", "__newobj__", py_newobj},
    {"copy_reg", "__newobj__", py_newobj},
    {"_codecs", "encode", py_encode},
    {"builtins", "bytes", py_bytes},
    {"__builtin__", "bytes", py_bytes},
    {"builtins", "bytearray", py_bytes},
    {"__builtin__", "bytearray", py_bytes},
    {"builtins", "set", py_set},
    {"__builtin__", "set", py_set},
    {"builtins", "frozenset", py_set},
    {"__builtin__", "frozenset", py_set},
    {"builtins", "dict", py_dict},
    {"__builtin__", "dict", py_dict},
    {"builtins", "slice", record},
    {"__builtin__", "slice", record},
    {"builtins", "complex", record},
    {"__builtin__", "complex", record},
    {"functools", "partial", record},
    {"collections", "OrderedDict", record},
    {"collections", "defaultdict", record},
    /* random states of estimators: not used when predicting */
    {"numpy.random._pickle", "__randomstate_ctor", record},
    {"numpy.random._pickle", "__generator_ctor", record},
    {"numpy.random._pickle", "__bit_generator_ctor", record},
    {"numpy.random", "__RandomState_ctor", record},
    {"numpy.random._mt19937", "MT19937", record},
    {"numpy.random._pcg64", "PCG64", record},
    {"numpy.random.bit_generator", "SeedSequence", record},
    {"numpy.random.bit_generator", "__pyx_unpickle_SeedSequence", record},
};

bool sb_pickle_class_allowed(const struct sb_pickle_options *opt, struct sb_str module,
                             struct sb_str name) {
    for (size_t i = 0; i < opt->nclasses; i++)
        if (sb_str_is(module, opt->classes[i].module) && sb_str_is(name, opt->classes[i].name))
            return true;
    return false;
}

static const char *reason(const struct sb_pickle_options *opt, struct sb_str module,
                          struct sb_str name) {
    for (const struct sb_pickle_refusal *r = opt->refusals; r && r->name; r++)
        if (sb_str_is(module, r->module) && sb_str_is(name, r->name)) return r->why;
    return NULL;
}

sb_err sb_pickle_class_refuse(const struct sb_pickle_options *opt, struct sb_str module,
                              struct sb_str name, const char *where, size_t pos,
                              struct sb_errctx *ctx) {
    const char *why = reason(opt, module, name);
    module = sb_str_sub(module, 0, 100);
    name = sb_str_sub(name, 0, 80);
    return sb_fail_at(ctx, SB_E_UNSUPPORTED, (int64_t)pos,
                      "class %.*s.%.*s is not supported%s%s (%s %zu)", SB_ARG(module), SB_ARG(name),
                      why ? ": " : "", why ? why : "", where, pos);
}

sb_err vm_refuse(struct vm *m, struct sb_str module, struct sb_str name) {
    return sb_pickle_class_refuse(m->opt, module, name, "byte", m->at, m->ctx);
}

sb_err vm_call(struct vm *m, const struct sb_pv *callable, struct sb_pv *args, struct sb_pv **out) {
    if (callable->type != SB_PV_GLOBAL || args->type != SB_PV_TUPLE)
        return vm_corrupt(m, "call of something that is not a name with a tuple");
    struct sb_str module = callable->global.module, name = callable->global.name;
    if (sb_pickle_class_allowed(m->opt, module, name)) return record(m, callable, args, out);
    for (size_t i = 0; i < SB_COUNT(known); i++)
        if (sb_str_is(module, known[i].module) && sb_str_is(name, known[i].name))
            return known[i].make(m, callable, args, out);
    return vm_refuse(m, module, name);
}

sb_err vm_build(struct vm *m, struct sb_pv *target, struct sb_pv *state) {
    switch (target->type) {
    case SB_PV_ARRAY: return array_build(m, target, state);
    case SB_PV_DTYPE: return dtype_build(m, target, state);
    case SB_PV_OBJECT:
        if (target->object->state) return vm_corrupt(m, "object that is built twice");
        target->object->state = state;
        return SB_OK;
    default: return vm_corrupt(m, "BUILD of a plain value");
    }
}
