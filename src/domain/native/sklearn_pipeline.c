/* scikit-learn's Pipeline and ColumnTransformer: which step gets which columns. */
#include "base/mem.h"
#include "domain/native/program_int.h"
#include "domain/native/sklearn_int.h"

/* ---- steps ---- */

static bool is_text(const struct sb_pv *v, const char *text) {
    return v && v->type == SB_PV_STR && sb_str_is(v->s, text);
}

static bool passes(const struct sb_pv *v) {
    return !v || v->type == SB_PV_NONE || is_text(v, "passthrough");
}

static const struct native_transformer *const tables[] = {native_scalers, native_encoders,
                                                          native_composers};

static const struct native_transformer *find(const struct sb_pv *obj) {
    for (size_t i = 0; i < SB_COUNT(tables); i++)
        for (const struct native_transformer *t = tables[i]; t->name; t++)
            if (sb_pv_is_class(obj, t->module, t->name) ||
                (t->old_module && sb_pv_is_class(obj, t->old_module, t->name)))
                return t;
    return NULL;
}

/* set_output("pandas") makes every array between the steps a frame again. */
static bool gives_frames(const struct sb_pv *obj) {
    const struct sb_pv *config = sb_pv_get(obj, "_sklearn_output_config");
    const struct sb_pv *transform = sb_pv_get(config, "transform");
    return transform && !is_text(transform, "default");
}

sb_err program_step(struct program *p, const struct sb_pv *obj, struct columns *c) {
    if (passes(obj)) return SB_OK;
    const struct native_transformer *t = find(obj);
    int version = p->j->version;
    const struct sb_pv *whole = p->j->object;
    if (!t && obj->type == SB_PV_OBJECT)
        return native_for_worker(p->j, "a pipeline with %.*s.%.*s (at byte %zu)",
                                 SB_ARG(sb_str_sub(obj->object->module, 0, 60)),
                                 SB_ARG(sb_str_sub(obj->object->name, 0, 40)), obj->pos);
    if (!t) return native_damaged(p->j, "a step that is no transformer");
    if (gives_frames(obj)) return native_for_worker(p->j, "a pipeline with set_output(\"pandas\")");
    if (p->depth >= NATIVE_NESTING_MAX || ++p->steps > NATIVE_STEPS_MAX)
        return native_damaged(p->j, "pipelines nested too deep");
    uint32_t width = program_width(obj);
    if (width && width != c->n)
        return native_damaged(p->j, "a transformer of another number of columns");
    SB_TRY(native_version_read(p->j, obj, true));
    p->depth++;
    p->j->object = obj;
    sb_err err = t->read(p, obj, c);
    p->j->object = whole;
    p->depth--;
    p->j->version = version;
    return err;
}

/* Step i of a Pipeline. */
static const struct sb_pv *step_at(const struct sb_pv *steps, uint32_t i) {
    const struct sb_pv *pair = steps->seq.v[i];
    if ((pair->type != SB_PV_TUPLE && pair->type != SB_PV_LIST) || pair->seq.n != 2) return NULL;
    return pair->seq.v[1];
}

static sb_err steps_of(struct native_job *j, const struct sb_pv *obj, const struct sb_pv **out) {
    const struct sb_pv *steps = sb_pv_get(obj, "steps");
    if (!steps || (steps->type != SB_PV_LIST && steps->type != SB_PV_TUPLE) || steps->seq.n == 0)
        return native_damaged(j, "pipeline without steps");
    for (uint32_t i = 0; i < steps->seq.n; i++)
        if (!step_at(steps, i)) return native_damaged(j, "a step that is not (name, estimator)");
    *out = steps;
    return SB_OK;
}

/* A pipeline of transformers inside a column transformer. */
static sb_err pipeline(struct program *p, const struct sb_pv *obj, struct columns *c) {
    const struct sb_pv *steps = NULL;
    SB_TRY(steps_of(p->j, obj, &steps));
    for (uint32_t i = 0; i < steps->seq.n; i++) SB_TRY(program_step(p, step_at(steps, i), c));
    return SB_OK;
}

/* partial(check_array, ...): HistGradientBoosting's own, which makes numbers of its columns. */
static bool checks_array(const struct sb_pv *func) {
    if (!sb_pv_is_class(func, "functools", "partial")) return false;
    const struct sb_pv *args = func->object->args;
    return args && args->seq.n == 1 && args->seq.v[0]->type == SB_PV_GLOBAL &&
           sb_str_is(args->seq.v[0]->global.module, "sklearn.utils.validation") &&
           sb_str_is(args->seq.v[0]->global.name, "check_array");
}

/* FunctionTransformer without a function: how 1.4 and later store 'passthrough'. */
static sb_err function(struct program *p, const struct sb_pv *obj, struct columns *c) {
    const struct sb_pv *func = sb_pv_get(obj, "func");
    if (func && func->type != SB_PV_NONE && !(p->boosting && checks_array(func)))
        return native_for_worker(p->j, "a pipeline with a function of its own");
    if (func && func->type != SB_PV_NONE) return program_numbers(p, c, SB_LOAD_INFINITY);
    if (program_flag(obj, "validate", false)) SB_TRY(program_numbers(p, c, 0));
    return SB_OK;
}

/* ---- ColumnTransformer ---- */

struct selection {
    uint32_t *v;
    uint32_t n;
};

static sb_err select_one(struct program *p, struct selection *s, int64_t at, uint32_t n) {
    if (at < 0) at += n;
    if (at < 0 || at >= n) return native_damaged(p->j, "columns of a transformer");
    if (s->n >= n) return native_for_worker(p->j, "a transformer that is given a column twice");
    s->v[s->n++] = (uint32_t)at;
    return SB_OK;
}

static int64_t name_index(const struct native_meta *m, struct sb_str name) {
    for (uint32_t i = 0; m->features && i < m->nfeatures; i++)
        if (sb_str_eq(m->features[i], name)) return i;
    return -1;
}

/* A list or array: whole numbers, names, or one bool per column. */
static sb_err select_list(struct program *p, struct selection *s, const struct sb_pv *cols,
                          uint32_t n) {
    bool array = cols->type == SB_PV_ARRAY;
    size_t count = array ? cols->array->count : cols->seq.n;
    for (size_t i = 0; i < count; i++) {
        struct sb_columnprog_cell c;
        bool mask = array && cols->array->dtype && cols->array->dtype->kind == 'b';
        const struct sb_pv *item = array ? NULL : cols->seq.v[i];
        if (array ? !cols->array->dtype || !program_item(p, cols->array, i, &c)
                  : !program_cell(p, item, &c))
            return native_damaged(p->j, "columns of a transformer");
        if (item && item->type == SB_PV_BOOL) mask = true;
        if (c.tag == SB_CELL_TEXT) {
            int64_t at = name_index(&p->j->out->meta, c.s);
            if (at < 0) return native_damaged(p->j, "name of a column");
            SB_TRY(select_one(p, s, at, n));
        } else if (c.tag != SB_CELL_NUMBER || c.d != c.d || c.d < -0x1p31 || c.d > 0x1p31) {
            return native_damaged(p->j, "columns of a transformer");
        } else if (!mask) {
            SB_TRY(select_one(p, s, (int64_t)c.d, n));
        } else if (c.d != 0) {
            SB_TRY(select_one(p, s, (int64_t)i, n));
        }
    }
    return SB_OK;
}

/* slice(start, stop, step) of whole numbers or, with its end included, of names. */
static sb_err select_slice(struct program *p, struct selection *s, const struct sb_pv *cols,
                           uint32_t n) {
    const struct sb_pv *args = cols->object->args;
    if (!args || args->seq.n != 3) return native_damaged(p->j, "slice of columns");
    int64_t part[3] = {0, n, 1};
    for (uint32_t i = 0; i < 3; i++) {
        const struct sb_pv *v = args->seq.v[i];
        if (v->type == SB_PV_NONE) continue;
        if (v->type == SB_PV_STR && i < 2) {
            part[i] = name_index(&p->j->out->meta, v->s);
            if (part[i] < 0) return native_damaged(p->j, "name of a column");
            part[i] += i;
        } else if (!sb_pv_to_i64(v, &part[i])) {
            return native_damaged(p->j, "slice of columns");
        } else if (i < 2 && part[i] < 0) {
            part[i] += n;
        }
    }
    if (part[2] < 1) return native_for_worker(p->j, "a slice of columns that runs backwards");
    if (part[0] < 0) part[0] = 0;
    if (part[1] > n) part[1] = n;
    for (int64_t at = part[0]; at<part[1]; at += part[2]> n ? n : part[2])
        SB_TRY(select_one(p, s, at, n));
    return SB_OK;
}

/* Since 1.0 the positions are stored by the transformer's name; before, as the user gave them. */
static const struct sb_pv *stored_indices(const struct sb_pv *obj, struct sb_str name) {
    const struct sb_pv *all = sb_pv_get(obj, "_transformer_to_input_indices");
    if (!all || all->type != SB_PV_DICT) return NULL;
    for (uint32_t i = 0; i + 1 < all->seq.n; i += 2)
        if (all->seq.v[i]->type == SB_PV_STR && sb_str_eq(all->seq.v[i]->s, name))
            return all->seq.v[i + 1];
    return NULL;
}

static sb_err select_columns(struct program *p, const struct sb_pv *obj, const struct sb_pv *entry,
                             uint32_t n, struct selection *s) {
    struct sb_str name = entry->seq.v[0]->type == SB_PV_STR ? entry->seq.v[0]->s : SB_STR("");
    const struct sb_pv *cols = stored_indices(obj, name);
    if (!cols) cols = entry->seq.v[2];
    s->n = 0;
    if (cols->type == SB_PV_OBJECT && sb_str_is(cols->object->name, "_RemainderColsList"))
        cols = sb_pv_get(cols, "data");
    if (!cols) return native_damaged(p->j, "columns of the remainder");
    if (cols->type == SB_PV_OBJECT && sb_str_is(cols->object->name, "slice"))
        return select_slice(p, s, cols, n);
    if (cols->type == SB_PV_LIST || cols->type == SB_PV_ARRAY) return select_list(p, s, cols, n);
    return native_for_worker(p->j, "a column transformer with columns of such a kind");
}

/* A register or cell that several transformers get must not be changed by any but the last. */
static sb_err own_columns(struct program *p, struct columns *c, const struct selection *s,
                          uint32_t *uses) {
    for (uint32_t i = 0; i < s->n; i++) {
        struct column *col = &c->v[i];
        if (col->kind == COLUMN_RAW || --uses[s->v[i]] == 0) continue;
        struct sb_columnprog_op op = {
            .code = col->kind == COLUMN_REG ? SB_OP_COPY : SB_OP_COPY_CELLS, .n = 1};
        op.a = sb_columnprog_list_add(p->ir, &col->at, 1);
        op.dst = col->kind == COLUMN_REG ? sb_columnprog_regs(p->ir, 1, col->origin)
                                         : sb_columnprog_cells(p->ir, 1, col->origin);
        col->at = op.dst;
        sb_columnprog_op_add(p->ir, &op);
    }
    return p->ir->failed ? native_nomem(p->j) : SB_OK;
}

static sb_err append(struct program *p, struct columns *to, const struct columns *part) {
    uint32_t n = to->n + part->n;
    if (part->n > SB_FOREST_FEATURES_MAX - to->n)
        return native_for_worker(p->j, "a pipeline of more than a million columns");
    if (n > to->cap) {
        struct columns more = *to;
        SB_TRY(program_columns(p, &more, 2 * n));
        if (to->n) memcpy(more.v, to->v, to->n * sizeof *to->v);
        *to = more;
    }
    if (part->n) memcpy(to->v + n - part->n, part->v, part->n * sizeof *part->v);
    to->n = n;
    return SB_OK;
}

/* Which columns one (name, transformer, columns) takes; none when it is dropped. */
static sb_err select_branch(struct program *p, const struct sb_pv *obj, const struct sb_pv *entry,
                            uint32_t n, struct selection *s, uint32_t *uses) {
    s->v = sb_arena_try_array(p->j->arena, (size_t)n + 1, sizeof *s->v);
    if (!s->v) return native_nomem(p->j);
    if ((entry->type != SB_PV_TUPLE && entry->type != SB_PV_LIST) || entry->seq.n != 3)
        return native_damaged(p->j, "transformers_");
    if (is_text(entry->seq.v[1], "drop")) return SB_OK;
    SB_TRY(select_columns(p, obj, entry, n, s));
    for (uint32_t i = 0; i < s->n; i++) uses[s->v[i]]++;
    return SB_OK;
}

/* Its columns' way to the output. */
static sb_err branch(struct program *p, const struct sb_pv *transformer, const struct columns *in,
                     const struct selection *s, uint32_t *uses, struct columns *out) {
    struct columns c = {.frame = in->frame, .sparse = in->sparse};
    if (s->n == 0) return SB_OK;
    SB_TRY(program_columns(p, &c, s->n));
    for (uint32_t i = 0; i < s->n; i++) c.v[i] = in->v[s->v[i]];
    SB_TRY(own_columns(p, &c, s, uses));
    SB_TRY(program_step(p, transformer, &c));
    /* what is passed through is needed all the same */
    for (uint32_t i = 0; i < c.n; i++)
        if (c.v[i].kind == COLUMN_RAW) p->ir->required[c.v[i].at] = 1;
    return append(p, out, &c);
}

static sb_err column_transformer(struct program *p, const struct sb_pv *obj, struct columns *c) {
    const struct sb_pv *list = sb_pv_get(obj, "transformers_");
    const struct sb_pv *weights = sb_pv_get(obj, "transformer_weights");
    struct columns out = {.sparse = program_flag(obj, "sparse_output_", false)};
    if (!list || list->type != SB_PV_LIST)
        return native_damaged(p->j, "column transformer without transformers_ (not fitted?)");
    if (weights && weights->type != SB_PV_NONE)
        return native_for_worker(p->j, "a column transformer with weights");
    uint32_t n = list->seq.n, *uses = sb_arena_try_array(p->j->arena, (size_t)c->n + 1, 4);
    struct selection *s = sb_arena_try_array(p->j->arena, (size_t)n + 1, sizeof *s);
    if (!uses || !s) return native_nomem(p->j);
    for (uint32_t i = 0; i < n; i++)
        SB_TRY(select_branch(p, obj, list->seq.v[i], c->n, &s[i], uses));
    for (uint32_t i = 0; i < n; i++)
        SB_TRY(branch(p, list->seq.v[i]->seq.v[1], c, &s[i], uses, &out));
    /* a frame's further columns are nobody's */
    if (c->frame) p->ir->extra = true;
    *c = out;
    return SB_OK;
}

const struct native_transformer native_composers[] = {
    {"sklearn.pipeline", "Pipeline", NULL, "of native transformers; 'passthrough' steps", pipeline},
    {"sklearn.compose._column_transformer", "ColumnTransformer", NULL,
     "columns by name, position, mask or slice; remainder of every kind; no transformer_weights",
     column_transformer},
    {"sklearn.preprocessing._function_transformer", "FunctionTransformer", NULL,
     "without a function (passthrough)", function},
    {0},
};

/* ---- the whole model ---- */

/* The columns the pipeline is given: named by the first step that was fitted. */
static sb_err read_input(struct native_job *j, const struct sb_pv *steps) {
    for (uint32_t i = 0; i < steps->seq.n; i++) {
        const struct sb_pv *step = step_at(steps, i);
        if (passes(step)) continue;
        const struct sb_pv *inner = NULL;
        if (sb_pv_is_class(step, "sklearn.pipeline", "Pipeline")) {
            SB_TRY(steps_of(j, step, &inner));
            const struct sb_pv *first = step_at(inner, 0);
            if (!passes(first)) step = first;
        }
        uint32_t n = program_width(step);
        if (n == 0)
            return native_for_worker(j, "a pipeline that does not say how many columns "
                                        "it takes");
        return native_names_read(j, step, n);
    }
    return native_damaged(j, "pipeline without a fitted step");
}

static sb_err start(struct program *p, struct columns *c) {
    struct native_job *j = p->j;
    uint32_t n = j->out->meta.nfeatures;
    p->ir = sb_arena_try_array(j->arena, 1, sizeof *p->ir);
    if (!p->ir) return native_nomem(j);
    sb_columnprog_ir_init(p->ir, j->arena, n);
    SB_TRY(program_columns(p, c, n));
    c->frame = true;
    for (uint32_t i = 0; i < n; i++)
        c->v[i] = (struct column){.kind = COLUMN_RAW,
                                  .at = i,
                                  .origin = i,
                                  .f32 = sb_columnprog_list_add(p->ir, &i, 1),
                                  .nf32 = 1};
    return p->ir->failed ? native_nomem(j) : SB_OK;
}

/* The last step is read as if it were alone; then the pipeline's own input takes the place of its.
 */
static sb_err read_last(struct program *p, const struct sb_pv *last, const struct columns *c) {
    struct native_meta *m = &p->j->out->meta, own = *m;
    const struct native_reader *r = native_reader_find(last);
    if (r && r->read == NULL) return native_for_worker(p->j, "a pipeline that ends in %s", r->name);
    /* what is not stored in a sparse matrix is missing for some libraries */
    if (r && c->sparse && strncmp(r->module, "sklearn.", 8) != 0)
        return native_for_worker(p->j, "a pipeline that gives %s a sparse matrix", r->name);
    p->j->sparse = c->sparse;
    SB_TRY(native_object_read(p->j, last));
    if (m->nfeatures != c->n)
        return native_damaged(p->j, "a last step of another number of columns");
    m->class_name = own.class_name;
    m->library = own.library;
    m->version = own.version;
    m->nfeatures = own.nfeatures;
    m->features = own.features;
    m->positional = own.positional;
    return SB_OK;
}

static sb_err read_pipeline(struct native_job *j, const struct native_reader *me,
                            const struct sb_pv *obj) {
    struct program p = {.j = j};
    struct columns c = {0};
    const struct sb_pv *steps = NULL;
    SB_UNUSED(me);
    if (j->nesting++) return native_for_worker(j, "a pipeline at the end of a pipeline");
    SB_TRY(steps_of(j, obj, &steps));
    const struct sb_pv *last = step_at(steps, steps->seq.n - 1);
    if (passes(last)) return native_for_worker(j, "a pipeline without a predictor at its end");
    SB_TRY(read_input(j, steps));
    SB_TRY(start(&p, &c));
    for (uint32_t i = 0; i + 1 < steps->seq.n; i++) SB_TRY(program_step(&p, step_at(steps, i), &c));
    if (c.n == 0) return native_damaged(j, "a pipeline that leaves no columns");
    SB_TRY(read_last(&p, last, &c));
    SB_TRY(program_finish(&p, &c));
    j->out->columns = p.ir;
    return SB_OK;
}

sb_err native_preprocessor_read(struct native_job *j, const struct sb_pv *obj, uint32_t *n) {
    struct program p = {.j = j, .boosting = true};
    struct columns c = {0};
    if (j->nesting) return native_for_worker(j, "categorical boosting at the end of a pipeline");
    if (!sb_pv_is_class(obj, "sklearn.compose._column_transformer", "ColumnTransformer"))
        return native_damaged(j, "_preprocessor");
    SB_TRY(start(&p, &c));
    SB_TRY(program_step(&p, obj, &c));
    SB_TRY(program_finish(&p, &c));
    j->out->columns = p.ir;
    *n = c.n;
    return SB_OK;
}

/* Linear models read doubles from columns of any kind: the program that only loads them. */
sb_err native_identity_program(struct native_job *j) {
    struct program p = {.j = j};
    struct columns c = {0};
    SB_TRY(start(&p, &c));
    SB_TRY(program_finish(&p, &c));
    j->out->columns = p.ir;
    return SB_OK;
}

static const struct native_reader readers[] = {
    {.module = "sklearn.pipeline",
     .name = "Pipeline",
     .formats = NATIVE_PICKLES,
     .output = "what its last step answers",
     .read = read_pipeline},
    {0},
};

/* The transformers, for the pickle machine, and what their attributes consist of. */
static const struct sb_pickle_class parts[] = {
    {"sklearn.preprocessing._data", "StandardScaler"},
    {"sklearn.preprocessing._data", "MinMaxScaler"},
    {"sklearn.preprocessing._data", "MaxAbsScaler"},
    {"sklearn.preprocessing._data", "RobustScaler"},
    {"sklearn.preprocessing.data", "StandardScaler"},
    {"sklearn.preprocessing.data", "MinMaxScaler"},
    {"sklearn.preprocessing.data", "MaxAbsScaler"},
    {"sklearn.preprocessing.data", "RobustScaler"},
    {"sklearn.impute._base", "SimpleImputer"},
    {"sklearn.impute._base", "MissingIndicator"},
    {"sklearn.impute", "SimpleImputer"},
    {"sklearn.impute", "MissingIndicator"},
    {"sklearn.preprocessing._encoders", "OneHotEncoder"},
    {"sklearn.preprocessing._encoders", "OrdinalEncoder"},
    {"sklearn.preprocessing._function_transformer", "FunctionTransformer"},
    {"sklearn.compose._column_transformer", "ColumnTransformer"},
    {"sklearn.compose._column_transformer", "_RemainderColsList"},
    {"sklearn.compose._column_transformer", "make_column_selector"},
    {"sklearn.utils._bunch", "Bunch"},
    {"sklearn.utils", "Bunch"},
    /* frame.columns as the columns of a transformer: a pandas Index, which stays unread */
    {"pandas.core.indexes.base", "_new_Index"},
    {"pandas", "StringDtype"},
    {"pandas.arrays", "ArrowStringArray"},
    {"pandas.arrays", "StringArray"},
    {"pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"},
    {"pyarrow.lib", "_restore_array"},
    {"pyarrow.lib", "type_for_alias"},
    {"pyarrow.lib", "py_buffer"},
    {0},
};
const struct native_family native_pipeline_family = {readers, parts};
