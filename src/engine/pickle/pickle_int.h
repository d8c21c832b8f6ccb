/* Between the machine (pickle.c) and what it knows of Python's and numpy's own helpers
 * (construct.c). */
#ifndef SB_ENGINE_PICKLE_PICKLE_INT_H
#define SB_ENGINE_PICKLE_PICKLE_INT_H

#include "base/cursor.h"
#include "engine/pickle/pickle.h"

struct vm {
    struct sb_cursor in;
    size_t at; /* byte offset of the instruction being done */
    const struct sb_pickle_options *opt;
    struct sb_arena *arena;
    struct sb_errctx *ctx;

    struct sb_pv **stack;
    size_t n, cap;
    size_t *marks; /* stack heights */
    size_t nmarks, capmarks;
    struct sb_pv **memo;
    size_t nmemo; /* slots; the highest index that may be put is the file's length */
    size_t puts;
    bool stopped;
};

/* Both return their constant where the compiler sees it. */
void vm_report(struct vm *m, sb_err err, const char *what);
static inline sb_err vm_corrupt(struct vm *m, const char *what) {
    vm_report(m, SB_E_CORRUPT, what);
    return SB_E_CORRUPT;
}
static inline sb_err vm_nomem(struct vm *m) {
    vm_report(m, SB_E_LIMIT, "needs more memory than a file of its size may");
    return SB_E_LIMIT;
}
/* A new value of that type made by the current instruction; NULL after vm_nomem. */
struct sb_pv *vm_new(struct vm *m, enum sb_pv_type type);

/* callable(*args) for REDUCE and NEWOBJ: a value, or a refusal by name. */
SB_MUST_CHECK sb_err vm_call(struct vm *m, const struct sb_pv *callable, struct sb_pv *args,
                             struct sb_pv **out);
/* target.__setstate__(state) for BUILD, in place. */
SB_MUST_CHECK sb_err vm_build(struct vm *m, struct sb_pv *target, struct sb_pv *state);
sb_err vm_refuse(struct vm *m, struct sb_str module, struct sb_str name);

#endif
