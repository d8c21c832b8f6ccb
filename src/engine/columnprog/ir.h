/* Building a program. Lives in the converter only; everything is the arena's.
 *
 * Running out of memory is latched and reported by sb_columnprog_write; indexes returned after it
 * are useless but harmless. */
#ifndef SB_ENGINE_COLUMNPROG_IR_H
#define SB_ENGINE_COLUMNPROG_IR_H

#include "base/arena.h"
#include "engine/columnprog/columnprog.h"

struct sb_columnprog_list {
    void *p;
    uint32_t n, cap;
};

struct sb_columnprog_ir {
    struct sb_arena *arena;
    uint32_t nsources, nregs, ncells;
    uint32_t out, nout;
    bool extra;
    uint8_t *required; /* nsources */
    bool failed;       /* no memory, or more than the maxima of columnprog.h */
    struct sb_columnprog_list ops, lists, numbers, encoders, reg_origins, cell_origins, constants,
        ends, bytes;
};

void sb_columnprog_ir_init(struct sb_columnprog_ir *ir, struct sb_arena *arena, uint32_t nsources);

/* n new registers or cells; all come from that source. The first's index. */
uint32_t sb_columnprog_regs(struct sb_columnprog_ir *ir, uint32_t n, uint32_t origin);
uint32_t sb_columnprog_cells(struct sb_columnprog_ir *ir, uint32_t n, uint32_t origin);
/* Appends to a pool; the first's index. */
uint32_t sb_columnprog_list_add(struct sb_columnprog_ir *ir, const uint32_t *v, uint32_t n);
uint32_t sb_columnprog_numbers_add(struct sb_columnprog_ir *ir, const double *v, uint32_t n);
uint32_t sb_columnprog_constant_add(struct sb_columnprog_ir *ir,
                                    const struct sb_columnprog_cell *c);
void sb_columnprog_op_add(struct sb_columnprog_ir *ir, const struct sb_columnprog_op *op);

struct sb_columnprog_category {
    struct sb_columnprog_cell cell; /* NaN and None included */
    double code;
};
struct sb_columnprog_categories {
    struct sb_columnprog_category *v; /* stays as it is */
    uint32_t n;
    bool onehot, objects, integers;
    enum sb_columnprog_unknown unknown;
    double unknown_code;
};
/* An encoder; its index. */
uint32_t sb_columnprog_encoder_add(struct sb_columnprog_ir *ir,
                                   const struct sb_columnprog_categories *c);

/* The program's section. SB_E_LIMIT. */
SB_MUST_CHECK sb_err sb_columnprog_write(struct sb_image_writer *w,
                                         const struct sb_columnprog_ir *ir, struct sb_errctx *ctx);

#endif
