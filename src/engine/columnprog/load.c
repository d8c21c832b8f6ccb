/* Opening a program. Running it indexes without checks, so this proves first that every list,
 * number, register, cell and text an instruction names exists, and that no lookup runs for ever. */
#include "base/cursor.h"
#include "engine/columnprog/columnprog_int.h"

static sb_err damaged(struct sb_errctx *ctx, const char *what) {
    (void)sb_fail(ctx, SB_E_CORRUPT, "damaged model image: %s of the program", what);
    return SB_E_CORRUPT;
}

/* [at, at + n) lies in [0, count). */
static bool within(uint64_t at, uint64_t n, uint64_t count) {
    return at <= count && n <= count - at;
}

static const void *take(struct sb_cursor *c, uint64_t n, size_t size) {
    return sb_cursor_take(c, n * size);
}

static sb_err read_arrays(struct sb_columnprog *p, struct sb_str s, struct sb_errctx *ctx) {
    struct sb_cursor c = sb_cursor_of(s.p, s.n);
    uint32_t head[HEAD_COUNT];
    for (int i = 0; i < HEAD_COUNT; i++) head[i] = sb_cursor_le32(&c);
    p->nsources = head[HEAD_SOURCES];
    p->nregs = head[HEAD_REGS];
    p->ncells = head[HEAD_CELLS];
    p->out = head[HEAD_OUT];
    p->nout = head[HEAD_NOUT];
    p->nops = head[HEAD_OPS];
    p->nlists = head[HEAD_LISTS];
    p->nnumbers = head[HEAD_NUMBERS];
    p->nencoders = head[HEAD_ENCODERS];
    p->nconstants = head[HEAD_CONSTANTS];
    p->ntexts = head[HEAD_TEXTS];
    p->required = head[HEAD_REQUIRED];
    p->extra = head[HEAD_EXTRA] != 0;
    p->numbers = take(&c, p->nnumbers, sizeof *p->numbers);
    p->ops = take(&c, p->nops, sizeof *p->ops);
    p->encoders = take(&c, p->nencoders, sizeof *p->encoders);
    p->lists = take(&c, p->nlists, sizeof *p->lists);
    p->origins = take(&c, (uint64_t)p->nregs + p->ncells, sizeof *p->origins);
    p->constants = take(&c, p->nconstants, 2 * sizeof *p->constants);
    p->ends = take(&c, p->ntexts, sizeof *p->ends);
    p->bytes = sb_cursor_str(&c, head[HEAD_BYTES]);
    if (c.err || sb_cursor_left(&c)) return damaged(ctx, "length");
    return SB_OK;
}

static sb_err check_shape(const struct sb_columnprog *p, struct sb_errctx *ctx) {
    const uint32_t max = SB_COLUMNPROG_COLUMNS_MAX;
    if (p->nsources == 0 || p->nsources > max || p->nregs > max || p->ncells > max ||
        p->nops > SB_COLUMNPROG_OPS_MAX || p->nout == 0 || !within(p->out, p->nout, p->nregs) ||
        !within(p->required, p->nsources, p->nlists))
        return damaged(ctx, "shape");
    for (uint32_t i = 0; i < p->nregs + p->ncells; i++)
        if (p->origins[i] >= p->nsources) return damaged(ctx, "origin");
    uint32_t end = 0;
    for (uint32_t i = 0; i < p->ntexts; i++) {
        if (p->ends[i] < end || p->ends[i] > p->bytes.n) return damaged(ctx, "text");
        end = p->ends[i];
    }
    for (uint32_t i = 0; i < p->nconstants; i++) {
        uint32_t tag = p->constants[2 * i], at = p->constants[2 * i + 1];
        if (tag >= SB_CELL_TAG_COUNT || (tag == SB_CELL_NUMBER && at >= p->nnumbers) ||
            (tag == SB_CELL_TEXT && at >= p->ntexts))
            return damaged(ctx, "constant");
    }
    return SB_OK;
}

/* A text lookup ends at an empty slot, so there has to be one. */
static bool slots_ok(const struct sb_columnprog *p, const struct sb_columnprog_encoder *e) {
    if (e->ntexts == 0) return e->nslots == 0;
    if (e->nslots == 0 || (e->nslots & (e->nslots - 1)) || !within(e->slots, e->nslots, p->nlists))
        return false;
    bool empty = false;
    for (uint32_t i = 0; i < e->nslots; i++) {
        uint32_t v = p->lists[e->slots + i];
        if (v > e->ntexts) return false;
        if (v == 0) empty = true;
    }
    return empty;
}

static bool encoder_ok(const struct sb_columnprog *p, const struct sb_columnprog_encoder *e) {
    return e->unknown < SB_UNKNOWN_COUNT && e->onehot <= 1 &&
           within(e->numbers, 2 * (uint64_t)e->nnumbers, p->nnumbers) &&
           within(e->first_text, e->ntexts, p->ntexts) &&
           within(e->codes, e->ntexts, p->nnumbers) && within(e->special, 3, p->nnumbers) &&
           slots_ok(p, e);
}

/* One-hot codes name a column of the n there are, or none. */
static bool code_ok(double code, uint32_t n) {
    return code == -1 || (code >= 0 && code < n && code == (double)(uint32_t)code);
}

static bool codes_ok(const struct sb_columnprog *p, const struct sb_columnprog_encoder *e,
                     uint32_t n) {
    if (!e->onehot) return n == 1;
    for (uint32_t i = 0; i < e->nnumbers; i++)
        if (!code_ok(p->numbers[e->numbers + e->nnumbers + i], n)) return false;
    for (uint32_t i = 0; i < e->ntexts; i++)
        if (!code_ok(p->numbers[e->codes + i], n)) return false;
    for (uint32_t i = 0; i < 3; i++)
        if (!code_ok(p->numbers[e->special + i], n)) return false;
    return true;
}

/* lists[at ... at + n) are all below max. */
static bool list_ok(const struct sb_columnprog *p, uint32_t at, uint32_t n, uint32_t max) {
    if (!within(at, n, p->nlists)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (p->lists[at + i] >= max) return false;
    return true;
}

/* As list_ok for sources, which the request must then have. */
static bool sources_ok(const struct sb_columnprog *p, uint32_t at, uint32_t n) {
    if (!list_ok(p, at, n, p->nsources)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!sb_columnprog_needs(p, p->lists[at + i])) return false;
    return true;
}

static bool encode_ok(const struct sb_columnprog *p, const struct sb_columnprog_op *op) {
    if (op->a >= p->nencoders || !within(op->dst, op->n, p->nregs)) return false;
    switch (op->flags) {
    case 0:
        if (op->b >= p->nregs) return false;
        break;
    case 1:
        if (op->b >= p->nsources || !sb_columnprog_needs(p, op->b)) return false;
        break;
    case 2:
        if (op->b >= p->ncells) return false;
        break;
    default: return false;
    }
    return codes_ok(p, &p->encoders[op->a], op->n);
}

/* What an instruction's a and b name. */
enum operand {
    NOTHING,
    SOURCES, /* a list of n */
    REGS,
    CELLS,
    NUMBERS, /* n of them */
    MAYBE_NUMBERS,
    TWO_NUMBERS,
    ONE_NUMBER,
    CONSTANTS,
    ONE_CONSTANT
};
static const struct {
    bool cells; /* dst is cells, not registers */
    enum operand a, b;
} shapes[SB_OP_COUNT] = {
    [SB_OP_LOAD] = {false, SOURCES, NOTHING},
    [SB_OP_CELLS] = {true, SOURCES, NOTHING},
    [SB_OP_COPY] = {false, REGS, NOTHING},
    [SB_OP_COPY_CELLS] = {true, CELLS, NOTHING},
    [SB_OP_NUMBERS] = {false, CELLS, NOTHING},
    [SB_OP_TO_CELLS] = {true, REGS, NOTHING},
    [SB_OP_CHECK] = {false, NOTHING, NOTHING},
    [SB_OP_STANDARD] = {false, MAYBE_NUMBERS, MAYBE_NUMBERS},
    [SB_OP_MINMAX] = {false, NUMBERS, NUMBERS},
    [SB_OP_MULTIPLY] = {false, NUMBERS, NOTHING},
    [SB_OP_CLIP] = {false, TWO_NUMBERS, NOTHING},
    [SB_OP_FILL] = {false, NUMBERS, ONE_NUMBER},
    [SB_OP_MISSING] = {false, REGS, ONE_NUMBER},
    [SB_OP_FILL_CELLS] = {true, CONSTANTS, ONE_CONSTANT},
    [SB_OP_MISSING_CELLS] = {false, CELLS, ONE_CONSTANT},
};

static bool operand_ok(const struct sb_columnprog *p, enum operand kind, uint32_t at, uint32_t n) {
    switch (kind) {
    case SOURCES: return sources_ok(p, at, n);
    case REGS: return list_ok(p, at, n, p->nregs);
    case CELLS: return list_ok(p, at, n, p->ncells);
    case MAYBE_NUMBERS: return at == NO_INDEX || within(at, n, p->nnumbers);
    case NUMBERS: return within(at, n, p->nnumbers);
    case TWO_NUMBERS: return within(at, 2, p->nnumbers);
    case ONE_NUMBER: return within(at, 1, p->nnumbers);
    case CONSTANTS: return within(at, n, p->nconstants);
    case ONE_CONSTANT: return within(at, 1, p->nconstants);
    default: return true;
    }
}

static bool op_ok(const struct sb_columnprog *p, const struct sb_columnprog_op *op) {
    if (op->code >= SB_OP_COUNT || (op->nf32 && !sources_ok(p, op->f32, op->nf32))) return false;
    if (op->code == SB_OP_ENCODE) return encode_ok(p, op);
    return within(op->dst, op->n, shapes[op->code].cells ? p->ncells : p->nregs) &&
           operand_ok(p, shapes[op->code].a, op->a, op->n) &&
           operand_ok(p, shapes[op->code].b, op->b, op->n);
}

sb_err sb_columnprog_open(struct sb_columnprog *out, const struct sb_image *img,
                          struct sb_errctx *ctx) {
    struct sb_columnprog p = {0};
    *out = p;
    if (!img->section[SB_IMAGE_PROGRAM].p) return SB_OK;
    SB_TRY(read_arrays(&p, img->section[SB_IMAGE_PROGRAM], ctx));
    SB_TRY(check_shape(&p, ctx));
    for (uint32_t i = 0; i < p.nencoders; i++)
        if (!encoder_ok(&p, &p.encoders[i])) return damaged(ctx, "encoder");
    for (uint32_t i = 0; i < p.nops; i++)
        if (!op_ok(&p, &p.ops[i])) return damaged(ctx, "instruction");
    /* a block's registers are to stay in the cache */
    p.block = (32 << 10) / (p.nregs + 4 * p.ncells + 1);
    if (p.block < 1) p.block = 1;
    if (p.block > SB_COLUMNPROG_BLOCK_MAX) p.block = SB_COLUMNPROG_BLOCK_MAX;
    *out = p;
    return SB_OK;
}
