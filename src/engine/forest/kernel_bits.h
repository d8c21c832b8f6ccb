/* The bit-sliced kernel for one width of blocks and one set of instructions: kernel_bits.c defines
 * what is missing and includes this once for each.
 *
 *   NAME(x)  x with a suffix of its own     TARGET  attribute of its functions
 *   WORDS    rows of a block / 64           VEC     a type of as many bits, with & | ~
 *   CPU      the enum sb_forest_cpu
 *   MASKS    (const uint8_t *codes, uint8_t k, uint64_t *to): bit r of to[r / 64] = codes[r] <= k
 *   LEAVES   (const uint64_t *planes, uint32_t n, uint8_t *ids): ids of 64 rows; bit p of an id is
 *            the row's bit in planes[p * WORDS]
 *   ADD32, ADD64  (const uint8_t *ids, const T *values, uint32_t planes, T *sums): sums[r] +=
 *            values[ids[r]] for 64 rows */

#ifdef NAME

enum { NAME(ROWS) = 64 * WORDS };

/* Which leaf each row of a block reaches in a tree. */
static TARGET void NAME(walk)(const struct layout_bits *l, const struct layout_bits_tree *t,
                              const uint8_t *const *codes, size_t nwords, uint8_t *ids) {
    VEC reached[2 * BITS_LEAVES_MAX], planes[BITS_PLANES_MAX];
    const struct layout_bits_node *nodes = l->nodes + t->nodes;
    for (uint32_t i = 0; i < t->nnodes; i++)
        MASKS(codes[nodes[i].column], nodes[i].k, (uint64_t *)&reached[nodes[i].left]);
    memset(&reached[0], 0xff, sizeof reached[0]);
    for (uint32_t i = 0; i < t->nnodes; i++) {
        VEC here = reached[nodes[i].self], left = reached[nodes[i].left];
        reached[nodes[i].left] = here & left;
        reached[nodes[i].left + 1] = here & ~left;
    }
    const uint16_t *list = l->ors + t->ors;
    for (uint32_t p = 0; p < t->planes; p++) {
        VEC plane = {0};
        uint32_t n = *list++;
        for (uint32_t i = 0; i < n; i++) plane |= reached[list[i]];
        list += n;
        planes[p] = plane;
    }
    for (size_t w = 0; w < nwords; w++)
        LEAVES((const uint64_t *)planes + w, t->planes, ids + 64 * w);
}

/* Sums of a block of n <= NAME(ROWS) rows into out. */
static TARGET void NAME(block)(const struct sb_forest *f, const char *rows, size_t n, bool has_nan,
                               struct scratch *s, double *out) {
    const struct sb_forest_layouts *l = f->layouts;
    const size_t nwords = (n + 63) / 64;
    const uint8_t *codes[COLUMNS_MAX];
    for (uint32_t i = 0; i < l->codes.ncolumns; i++) {
        bool same = l->codes.columns[i].twin && !has_nan;
        codes[i] = same ? codes[i - 1] : s->codes + (size_t)i * NAME(ROWS);
    }
    for (size_t r = 0; r < n; r++)
        kernel_encode(f, CPU, rows + r * kernel_row_bytes(f), s->codes + r, NAME(ROWS));
    for (uint32_t g = 0; g < f->ngroups; g++)
        for (size_t r = 0; r < NAME(ROWS); r++) {
            if (f->f32)
                s->sums.f[g * NAME(ROWS) + r] = (float)f->base[g];
            else
                s->sums.d[g * NAME(ROWS) + r] = f->base[g];
        }
    for (uint32_t i = 0; i < f->ntrees; i++) {
        const struct layout_bits_tree *t = &l->bits.trees[i];
        NAME(walk)(&l->bits, t, codes, nwords, s->ids);
        for (uint32_t k = 0; k < f->width; k++) {
            size_t sums = (f->width == 1 ? t->group : k) * (size_t)NAME(ROWS);
            size_t values = t->values + ((size_t)k << t->planes);
            for (size_t w = 0; w < nwords; w++, sums += 64) {
                const uint8_t *ids = s->ids + 64 * w;
                if (f->f32)
                    ADD32(ids, (const float *)l->bits.values + values, t->planes, s->sums.f + sums);
                else
                    ADD64(ids, (const double *)l->bits.values + values, t->planes,
                          s->sums.d + sums);
            }
        }
    }
    for (size_t r = 0; r < n; r++)
        for (uint32_t g = 0; g < f->ngroups; g++) {
            size_t at = g * NAME(ROWS) + r;
            out[r * f->ngroups + g] = f->f32 ? (double)s->sums.f[at] : s->sums.d[at];
        }
}

#endif
