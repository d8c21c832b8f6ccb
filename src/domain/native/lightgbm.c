/* LightGBM's models from their text (src/boosting/gbdt_model_text.cpp, src/io/tree.cpp), as a file
 * of a Booster and inside the pickled scikit-learn classes.
 *
 * The text is lines of key=value: a header, then a block per tree that ends with an empty line,
 * then "end of trees". Everything is double. The decisions are those of include/LightGBM/tree.h:
 * where a feature's missing type is not NaN, NaN is 0.0; where it is zero, |x| <= 1e-35f goes to
 * the default side; a category is the truncated value, NaN and negative ones go right. Rows reach
 * the trees with |x| <= 1e-35f as 0.0 (src/c_api.cpp). Links are those of src/objective. */
#include <math.h>

#include "base/mem.h"
#include "codec/json.h"
#include "domain/native/spec.h"

enum {
    CATEGORICAL = 1, /* bits of decision_type */
    DEFAULT_LEFT = 2,
    MISSING_SHIFT = 2,
    MISSING_MASK = 3,
    MISSING_ZERO = 1,
    MISSING_NAN = 2,
};

/* How a feature is used, to find uses that contradict each other. */
enum { USED_AS_NUMBER = 1, USED_ZERO_MISSING = 2, USED_AS_CATEGORY = 4 };

static const struct objective {
    const char *name;
    enum sb_forest_post post;
    bool takes_sqrt; /* "regression sqrt" */
    bool classes;    /* one group per class */
    bool probability;
} objectives[] = {
    {"regression", SB_FOREST_IDENTITY, true, false, false},
    {"regression_l1", SB_FOREST_IDENTITY, true, false, false},
    {"huber", SB_FOREST_IDENTITY, false, false, false},
    {"fair", SB_FOREST_IDENTITY, false, false, false},
    {"quantile", SB_FOREST_IDENTITY, false, false, false},
    {"mape", SB_FOREST_IDENTITY, false, false, false},
    {"lambdarank", SB_FOREST_IDENTITY, false, false, false},
    {"rank_xendcg", SB_FOREST_IDENTITY, false, false, false},
    {"poisson", SB_FOREST_EXP64, false, false, false},
    {"gamma", SB_FOREST_EXP64, false, false, false},
    {"tweedie", SB_FOREST_EXP64, false, false, false},
    {"binary", SB_FOREST_LOGISTIC64, false, false, true},
    {"cross_entropy", SB_FOREST_LOGISTIC64, false, false, true},
    {"cross_entropy_lambda", SB_FOREST_LOG1P_EXP, false, false, false},
    {"multiclass", SB_FOREST_SOFTMAX64, false, true, true},
    {"multiclassova", SB_FOREST_LOGISTIC64, false, true, true},
};

struct header {
    struct sb_str version, num_class, num_tree_per_iteration, max_feature_idx, objective,
        feature_names, tree_sizes;
    bool average_output;
};

/* The lines of one tree that matter. */
struct block {
    struct sb_str num_leaves, num_cat, split_feature, threshold, decision_type, left_child,
        right_child, leaf_value, cat_boundaries, cat_threshold, is_linear;
};

struct reader {
    struct native_job *j;
    struct sb_str text, rest; /* of the text: what has not been read */
    struct header head;
    const struct objective *objective; /* NULL: a custom one, whose output is the sums */
    uint32_t groups;
    uint32_t ntrees; /* that were read */
    uint8_t *used;   /* per feature */
};

static sb_err damaged(struct reader *r, struct sb_str at, const char *what) {
    long pos = at.p ? (long)(at.p - r->text.p) : (long)(r->text.n - r->rest.n);
    (void)sb_fail_at(r->j->ctx, SB_E_CORRUPT, pos, "damaged LightGBM model: tree %u: %s (byte %ld)",
                     r->ntrees, what, pos);
    return SB_E_CORRUPT;
}

/* The next line without its end; false after the last. */
static bool next_line(struct reader *r, struct sb_str *line) {
    if (!sb_str_split(&r->rest, '\n', line)) return false;
    if (line->n && line->p[line->n - 1] == '\r') line->n--;
    return true;
}

struct key {
    const char *name;
    size_t offset; /* of a struct sb_str */
};

/* Puts the value of a "key=value" line where the table says; others are skipped. */
static void take(const struct key *keys, size_t n, void *to, struct sb_str line) {
    struct sb_str value = line, key;
    if (!sb_str_split(&value, '=', &key) || !value.p) return;
    for (size_t i = 0; i < n; i++)
        if (sb_str_is(key, keys[i].name))
            *(struct sb_str *)(void *)((char *)to + keys[i].offset) = value;
}

/* ---- numbers ---- */

static sb_err number(struct reader *r, struct sb_str s, const char *what, uint64_t max,
                     uint64_t *out) {
    if (!s.p || !sb_str_to_u64(s, out) || *out > max) return damaged(r, s, what);
    return SB_OK;
}

/* printf's text: what strtod reads, without its hexadecimal forms. */
static bool real(struct sb_str s, double *out) {
    static const struct {
        const char *text;
        double value;
    } odd[] = {{"inf", INFINITY}, {"-inf", -INFINITY}, {"nan", NAN}, {"-nan", NAN}};
    for (size_t i = 0; i < SB_COUNT(odd); i++)
        if (sb_str_is(s, odd[i].text)) {
            *out = odd[i].value;
            return true;
        }
    return sb_double_parse(s, out);
}

/* A list of n numbers. n comes from the file: it is held against the text before anything is
 * allocated. */
static sb_err reals(struct reader *r, struct sb_str s, const char *what, size_t n, double **out) {
    struct sb_str item, all = s;
    if (n == 0) {
        *out = NULL;
        return SB_OK;
    }
    if (!s.p || n > s.n / 2 + 1) return damaged(r, s, what);
    double *v = sb_arena_try_array(r->j->arena, n, sizeof *v);
    if (!v) return native_nomem(r->j);
    for (size_t i = 0; i < n; i++)
        if (!sb_str_split(&s, ' ', &item) || !real(item, &v[i])) return damaged(r, all, what);
    if (s.p && sb_str_trim(s).n) return damaged(r, all, what);
    *out = v;
    return SB_OK;
}

/* The same of whole numbers from min to max. */
static sb_err wholes(struct reader *r, struct sb_str s, const char *what, size_t n, int64_t min,
                     int64_t max, int64_t **out) {
    struct sb_str item, all = s;
    if (n == 0) {
        *out = NULL;
        return SB_OK;
    }
    if (!s.p || n > s.n / 2 + 1) return damaged(r, s, what);
    int64_t *v = sb_arena_try_array(r->j->arena, n, sizeof *v);
    if (!v) return native_nomem(r->j);
    for (size_t i = 0; i < n; i++)
        if (!sb_str_split(&s, ' ', &item) || !sb_str_to_i64(item, &v[i]) || v[i] < min ||
            v[i] > max)
            return damaged(r, all, what);
    if (s.p && sb_str_trim(s).n) return damaged(r, all, what);
    *out = v;
    return SB_OK;
}

/* ---- the header ---- */

static sb_err read_header(struct reader *r) {
    static const struct key keys[] = {
        {"version", offsetof(struct header, version)},
        {"num_class", offsetof(struct header, num_class)},
        {"num_tree_per_iteration", offsetof(struct header, num_tree_per_iteration)},
        {"max_feature_idx", offsetof(struct header, max_feature_idx)},
        {"objective", offsetof(struct header, objective)},
        {"feature_names", offsetof(struct header, feature_names)},
        {"tree_sizes", offsetof(struct header, tree_sizes)},
    };
    struct sb_str line;
    if (!next_line(r, &line) || !sb_str_is(line, "tree"))
        return damaged(r, r->text, "it does not begin with \"tree\"");
    for (;;) {
        struct sb_str before = r->rest;
        if (!next_line(r, &line)) return damaged(r, line, "text ends in the header");
        if (sb_str_starts(line, SB_STR("Tree=")) || sb_str_is(line, "end of trees")) {
            r->rest = before;
            return SB_OK;
        }
        if (sb_str_is(line, "average_output")) r->head.average_output = true;
        take(keys, SB_COUNT(keys), &r->head, line);
    }
}

/* "binary sigmoid:1": a word and options. Custom objectives are not written. */
static sb_err read_objective(struct reader *r) {
    struct sb_forest_ir *ir = &r->j->out->ir;
    struct sb_str rest = r->head.objective, word;
    ir->post_param[0] = 1;
    if (!sb_str_split(&rest, ' ', &word) || word.n == 0 || sb_str_is(word, "custom") ||
        sb_str_is(word, "none"))
        return SB_OK;
    for (size_t i = 0; i < SB_COUNT(objectives); i++)
        if (sb_str_is(word, objectives[i].name)) r->objective = &objectives[i];
    if (!r->objective)
        return native_for_worker(r->j, "LightGBM objective %.*s", SB_ARG(sb_str_sub(word, 0, 60)));
    ir->post = r->objective->post;
    while (sb_str_split(&rest, ' ', &word)) {
        if (sb_str_is(word, "sqrt")) {
            if (!r->objective->takes_sqrt)
                return native_for_worker(r->j, "LightGBM objective with a square root");
            ir->post = SB_FOREST_SIGN_SQUARE;
        }
        if (sb_str_starts(word, SB_STR("sigmoid:")) &&
            !sb_double_parse(sb_str_sub(word, 8, word.n - 8), &ir->post_param[0]))
            return damaged(r, word, "sigmoid");
    }
    return SB_OK;
}

static sb_err read_features(struct reader *r) {
    struct native_meta *m = &r->j->out->meta;
    struct sb_str rest = r->head.feature_names, name;
    m->features = sb_arena_try_array(r->j->arena, m->nfeatures, sizeof *m->features);
    r->used = sb_arena_try_array(r->j->arena, m->nfeatures, 1);
    if (!m->features || !r->used) return native_nomem(r->j);
    for (uint32_t i = 0; i < m->nfeatures; i++)
        if (!sb_str_split(&rest, ' ', &m->features[i]))
            return damaged(r, r->head.feature_names, "feature_names");
    return sb_str_split(&rest, ' ', &name) ? damaged(r, name, "feature_names") : SB_OK;
}

static sb_err check_header(struct reader *r) {
    struct native_meta *m = &r->j->out->meta;
    struct sb_forest_ir *ir = &r->j->out->ir;
    const struct header *h = &r->head;
    uint64_t classes, groups, last;
    if (!sb_str_is(h->version, "v2") && !sb_str_is(h->version, "v3") &&
        !sb_str_is(h->version, "v4"))
        return native_for_worker(r->j, "LightGBM text of version %.*s",
                                 SB_ARG(sb_str_sub(h->version, 0, 20)));
    SB_TRY(number(r, h->num_class, "num_class", SB_FOREST_GROUPS_MAX, &classes));
    groups = classes;
    if (h->num_tree_per_iteration.p)
        SB_TRY(number(r, h->num_tree_per_iteration, "num_tree_per_iteration", SB_FOREST_GROUPS_MAX,
                      &groups));
    SB_TRY(number(r, h->max_feature_idx, "max_feature_idx", SB_FOREST_FEATURES_MAX - 1, &last));
    if (groups == 0 || last >= r->text.n) return damaged(r, h->max_feature_idx, "max_feature_idx");
    SB_TRY(read_objective(r));
    if (r->objective && groups != (r->objective->classes ? classes : 1))
        return damaged(r, h->num_class, "num_class of another objective");
    r->groups = (uint32_t)groups;
    m->nfeatures = ir->nfeatures = (uint32_t)last + 1;
    m->library = SB_STR("lightgbm");
    m->version = h->version;
    SB_TRY(read_features(r));
    ir->compare = SB_FOREST_LE64;
    ir->width = 1;
    ir->ngroups = r->groups;
    ir->input.tiny_is_zero = true;
    m->allow_nan = m->allow_inf = true;
    m->positional = true;
    m->answer = NATIVE_VALUE;
    ir->base = sb_arena_try_array(r->j->arena, r->groups, sizeof *ir->base);
    return ir->base ? SB_OK : native_nomem(r->j);
}

/* ---- trees ---- */

/* The lines up to an empty one. */
static void read_block(struct reader *r, struct block *b) {
    static const struct key keys[] = {
        {"num_leaves", offsetof(struct block, num_leaves)},
        {"num_cat", offsetof(struct block, num_cat)},
        {"split_feature", offsetof(struct block, split_feature)},
        {"threshold", offsetof(struct block, threshold)},
        {"decision_type", offsetof(struct block, decision_type)},
        {"left_child", offsetof(struct block, left_child)},
        {"right_child", offsetof(struct block, right_child)},
        {"leaf_value", offsetof(struct block, leaf_value)},
        {"cat_boundaries", offsetof(struct block, cat_boundaries)},
        {"cat_threshold", offsetof(struct block, cat_threshold)},
        {"is_linear", offsetof(struct block, is_linear)},
    };
    struct sb_str line;
    while (next_line(r, &line) && line.n) take(keys, SB_COUNT(keys), b, line);
}

/* cat_boundaries cut cat_threshold, words of bits, into num_cat sets. */
static sb_err read_sets(struct reader *r, const struct block *b, size_t ncat) {
    int64_t *bounds, *bits;
    if (ncat == 0) return SB_OK;
    SB_TRY(wholes(r, b->cat_boundaries, "cat_boundaries", ncat + 1, 0, INT32_MAX, &bounds));
    for (size_t i = 0; i < ncat; i++)
        if (bounds[i] > bounds[i + 1]) return damaged(r, b->cat_boundaries, "cat_boundaries");
    if (bounds[0] != 0) return damaged(r, b->cat_boundaries, "cat_boundaries");
    size_t nwords = (size_t)bounds[ncat];
    SB_TRY(wholes(r, b->cat_threshold, "cat_threshold", nwords, 0, UINT32_MAX, &bits));
    uint32_t *words = sb_arena_try_array(r->j->arena, nwords + 1, sizeof *words);
    if (!words) return native_nomem(r->j);
    for (size_t i = 0; i < nwords; i++) words[i] = (uint32_t)bits[i];
    struct sb_forest_ir_set *sets = sb_forest_ir_sets_add(&r->j->out->ir, r->j->arena, ncat);
    if (!sets) return native_nomem(r->j);
    for (size_t i = 0; i < ncat; i++)
        sets[i] =
            (struct sb_forest_ir_set){words + bounds[i], (uint32_t)(bounds[i + 1] - bounds[i])};
    return SB_OK;
}

/* A set's number; the sets of this tree begin at first. */
static sb_err set_categories(struct reader *r, struct sb_forest_ir_node *n, double threshold,
                             uint32_t first, size_t ncat) {
    if (!(threshold >= 0 && threshold < (double)ncat))
        return damaged(r, (struct sb_str){0}, "set of categories");
    n->set = first + (uint32_t)threshold;
    n->test = SB_FOREST_SET_LEFT;
    n->default_left = false;
    r->used[n->feature] |= USED_AS_CATEGORY;
    return SB_OK;
}

static void set_threshold(struct reader *r, struct sb_forest_ir_node *n, double threshold,
                          int64_t decision) {
    int64_t missing = decision >> MISSING_SHIFT & MISSING_MASK;
    n->threshold = threshold;
    n->test = SB_FOREST_ORDER;
    n->default_left = decision & DEFAULT_LEFT;
    if (missing != MISSING_ZERO && missing != MISSING_NAN) n->default_left = 0.0 <= threshold;
    r->used[n->feature] |= missing == MISSING_ZERO ? USED_ZERO_MISSING : USED_AS_NUMBER;
}

/* Children count inner nodes from 0 and leaves as -1, -2 ...; here the leaves follow the inner
 * nodes. */
static int32_t child(int64_t c, size_t inner) {
    return (int32_t)(c >= 0 ? c : (int64_t)inner - 1 - c);
}

static sb_err read_inner(struct reader *r, const struct block *b, size_t inner, size_t ncat,
                         struct sb_forest_ir_node *nodes) {
    const uint32_t first = r->j->out->ir.nsets - (uint32_t)ncat;
    int64_t *feature, *decision, *left, *right;
    double *threshold;
    const int64_t lowest = -(int64_t)inner - 1, highest = (int64_t)inner - 1;
    SB_TRY(wholes(r, b->split_feature, "split_feature", inner, 0, r->j->out->meta.nfeatures - 1,
                  &feature));
    SB_TRY(wholes(r, b->decision_type, "decision_type", inner, -128, 127, &decision));
    SB_TRY(wholes(r, b->left_child, "left_child", inner, lowest, highest, &left));
    SB_TRY(wholes(r, b->right_child, "right_child", inner, lowest, highest, &right));
    SB_TRY(reals(r, b->threshold, "threshold", inner, &threshold));
    for (size_t i = 0; i < inner; i++) {
        nodes[i].feature = (uint32_t)feature[i];
        nodes[i].left = child(left[i], inner);
        nodes[i].right = child(right[i], inner);
        if (decision[i] & CATEGORICAL)
            SB_TRY(set_categories(r, &nodes[i], threshold[i], first, ncat));
        else
            set_threshold(r, &nodes[i], threshold[i], decision[i]);
    }
    return SB_OK;
}

static sb_err read_tree(struct reader *r, struct sb_forest_ir_tree *out) {
    struct block b = {0};
    uint64_t leaves, ncat = 0, linear = 0;
    read_block(r, &b);
    SB_TRY(number(r, b.num_leaves, "num_leaves", b.leaf_value.n / 2 + 1, &leaves));
    if (leaves == 0) return damaged(r, b.num_leaves, "num_leaves");
    if (b.num_cat.p) SB_TRY(number(r, b.num_cat, "num_cat", leaves - 1, &ncat));
    if (b.is_linear.p) SB_TRY(number(r, b.is_linear, "is_linear", 1, &linear));
    if (linear) return native_for_worker(r->j, "LightGBM model of linear trees");
    const size_t inner = leaves - 1, n = inner + leaves;
    struct sb_forest_ir_node *nodes = sb_arena_try_array(r->j->arena, n, sizeof *nodes);
    double *values = sb_arena_try_array(r->j->arena, n, sizeof *values), *leaf;
    if (!nodes || !values) return native_nomem(r->j);
    SB_TRY(reals(r, b.leaf_value, "leaf_value", leaves, &leaf));
    SB_TRY(read_sets(r, &b, ncat));
    SB_TRY(read_inner(r, &b, inner, ncat, nodes));
    for (size_t i = 0; i < leaves; i++) {
        nodes[inner + i] = (struct sb_forest_ir_node){.left = -1, .right = -1};
        values[inner + i] = leaf[i];
    }
    *out = (struct sb_forest_ir_tree){.nodes = nodes, .n = (uint32_t)n, .values = values};
    out->group = r->ntrees % r->groups;
    return SB_OK;
}

static size_t count_trees(struct sb_str text) {
    size_t n = 0;
    struct sb_str line;
    while (sb_str_split(&text, '\n', &line)) n += sb_str_starts(line, SB_STR("Tree="));
    return n;
}

static sb_err read_trees(struct reader *r) {
    struct sb_forest_ir *ir = &r->j->out->ir;
    const size_t n = count_trees(r->rest);
    struct sb_str line;
    if (n > SB_FOREST_TREES_MAX) return native_for_worker(r->j, "LightGBM model of %zu trees", n);
    ir->trees = sb_arena_try_array(r->j->arena, n + 1, sizeof *ir->trees);
    if (!ir->trees) return native_nomem(r->j);
    for (;;) {
        if (!next_line(r, &line)) return damaged(r, line, "text ends before \"end of trees\"");
        if (sb_str_is(line, "end of trees")) break;
        if (line.n == 0) continue;
        if (!sb_str_starts(line, SB_STR("Tree="))) return damaged(r, line, "a tree is expected");
        SB_TRY(read_tree(r, &ir->trees[r->ntrees]));
        r->ntrees++;
    }
    size_t sizes = 0;
    for (struct sb_str rest = r->head.tree_sizes; sb_str_split(&rest, ' ', &line);)
        sizes += line.n != 0;
    if (r->head.tree_sizes.p && sizes != r->ntrees) return damaged(r, line, "number of trees");
    return SB_OK;
}

/* ---- inputs and output ---- */

/* What happens to a value before the trees is decided per feature, so no two trees may differ. */
static sb_err set_rules(struct reader *r) {
    struct sb_forest_ir *ir = &r->j->out->ir;
    bool any = false;
    for (uint32_t i = 0; i < ir->nfeatures; i++) {
        const uint8_t used = r->used[i];
        if (used & (used - 1))
            return native_for_worker(
                r->j, "LightGBM model that reads missing values of a feature in two ways");
        r->used[i] = used == USED_ZERO_MISSING  ? SB_FOREST_ZERO_MISSING
                     : used == USED_AS_CATEGORY ? SB_FOREST_FRACTION_IS_0
                                                : 0;
        if (r->used[i]) any = true;
    }
    if (any) ir->input.rules = r->used;
    return SB_OK;
}

/* iterations: how many are used, 0 = all. */
static sb_err cut(struct reader *r, uint64_t iterations) {
    struct sb_forest_ir *ir = &r->j->out->ir;
    uint64_t whole = r->ntrees / r->groups;
    if (iterations == 0 || iterations > whole) iterations = whole;
    ir->ntrees = (uint32_t)(iterations * r->groups);
    if (!r->head.average_output) return SB_OK;
    if (iterations == 0) return native_for_worker(r->j, "LightGBM forest without trees");
    ir->divisor = (double)iterations;
    return SB_OK;
}

/* After the parameters: the categories of pandas columns, whose codes the trees know. */
static sb_err check_pandas(struct reader *r) {
    static const struct sb_str key = SB_STR("pandas_categorical:");
    struct sb_str line;
    while (next_line(r, &line)) {
        if (!sb_str_starts(line, key)) continue;
        line = sb_str_trim(sb_str_sub(line, key.n, line.n - key.n));
        if (!sb_str_is(line, "null") && !sb_str_is(line, "[]"))
            return native_for_worker(r->j, "LightGBM model with categories of pandas");
    }
    return SB_OK;
}

static sb_err read_text(struct reader *r, struct sb_str text, uint64_t iterations) {
    r->text = r->rest = text;
    SB_TRY(read_header(r));
    SB_TRY(check_header(r));
    SB_TRY(read_trees(r));
    SB_TRY(set_rules(r));
    SB_TRY(cut(r, iterations));
    return check_pandas(r);
}

sb_err native_lightgbm_read(struct native_job *j, struct sb_str text) {
    struct reader r = {.j = j};
    j->out->meta.class_name = SB_STR("lightgbm.basic.Booster");
    return read_text(&r, text, 0);
}

/* ---- the scikit-learn classes: python-package/lightgbm/sklearn.py ---- */

struct wrapper {
    bool classifier;
};
static const struct wrapper classifier = {true}, regressor = {false};

/* Parameters that reach the prediction. */
static bool predicts_otherwise(const struct sb_pv *obj) {
    const struct sb_pv *other = sb_pv_get(obj, "_other_params");
    for (uint32_t i = 0; other && other->type == SB_PV_DICT && i + 1 < other->seq.n; i += 2)
        if (other->seq.v[i]->type == SB_PV_STR &&
            (sb_str_starts(other->seq.v[i]->s, SB_STR("pred")) ||
             sb_str_starts(other->seq.v[i]->s, SB_STR("start_iteration"))))
            return true;
    return false;
}

static sb_err read_labels(struct reader *r, const struct sb_pv *obj) {
    struct native_meta *m = &r->j->out->meta;
    const struct sb_pv *encoder = sb_pv_get(obj, "_le");
    if (!sb_pv_is_class(encoder, "sklearn.preprocessing._label", "LabelEncoder"))
        return native_for_worker(r->j, "LightGBM classifier without its label encoder");
    SB_TRY(native_classes_read(r->j, encoder));
    if (!r->objective || !r->objective->probability ||
        m->nclasses != (r->groups == 1 ? 2 : r->groups))
        return native_for_worker(r->j, "LightGBM classifier with an objective of its own");
    m->answer = r->groups == 1 ? NATIVE_THRESHOLD : NATIVE_ARGMAX;
    m->proba = true;
    return SB_OK;
}

static sb_err read_wrapper(struct native_job *j, const struct native_reader *me,
                           const struct sb_pv *obj) {
    const struct wrapper *kind = me->kind;
    struct reader r = {.j = j};
    int64_t best = 0;
    const struct sb_pv *booster = sb_pv_get(obj, "_Booster");
    const struct sb_pv *text = sb_pv_get(booster, "_handle");
    if (!sb_pv_is_class(booster, "lightgbm.basic", "Booster") || !text || text->type != SB_PV_STR)
        return native_for_worker(j, "%s without a model (not fitted?)", me->name);
    if (!sb_pv_to_i64(sb_pv_get(booster, "best_iteration"), &best) || best < 0) best = 0;
    if (predicts_otherwise(obj))
        return native_for_worker(j, "%s with parameters of prediction", me->name);
    SB_TRY(read_text(&r, text->s, (uint64_t)best));
    return kind->classifier ? read_labels(&r, obj) : SB_OK;
}

sb_err native_lightgbm_format(struct native_job *j, const struct sb_mlmodel *m,
                              struct sb_str file) {
    const struct sb_mlmodel_flavor *f = sb_mlmodel_flavor(m, "lightgbm");
    struct sb_str class_name = SB_STR("lightgbm.basic.Booster");
    if (f) (void)sb_json_get_str(f->keys, "model_class", &class_name);
    if (sb_str_is(class_name, "lightgbm.basic.Booster")) return native_lightgbm_read(j, file);
    return native_sklearn_read(j, file);
}

#define WRAPPER(class, what, of)                                                                   \
    {                                                                                              \
        .module = "lightgbm.sklearn", .name = class, .formats = NATIVE_PICKLES, .output = what,    \
        .read = read_wrapper, .kind = of                                                           \
    }
static const struct native_reader readers[] = {
    {.module = "lightgbm.basic",
     .name = "Booster",
     .formats = "LightGBM text (v2, v3, v4)",
     .output = "the objective's output"},
    WRAPPER("LGBMClassifier", "label, probabilities", &classifier),
    WRAPPER("LGBMRegressor", "value", &regressor),
    WRAPPER("LGBMRanker", "value", &regressor),
    {0},
};
static const struct sb_pickle_class parts[] = {{"lightgbm.basic", "Booster"}, {0}};
const struct native_family native_lightgbm_family = {readers, parts};
