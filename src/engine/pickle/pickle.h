/* A pickle machine that cannot execute: it has no instruction that calls anything.
 *
 * Protocols 0 to 5 become a graph of values (value.h). A class or function name is inert data; what
 * uses it (REDUCE, NEWOBJ, BUILD ...) must find it in the table of numpy's and Python's own
 * helpers, which are decoded here, or in the caller's table of classes, which become records. Any
 * other use is refused by name at the byte where it happens. */
#ifndef SB_ENGINE_PICKLE_PICKLE_H
#define SB_ENGINE_PICKLE_PICKLE_H

#include "engine/pickle/value.h"

/* A class whose instances may appear. */
struct sb_pickle_class {
    const char *module, *name;
};
/* A class that is refused with a reason of its own. */
struct sb_pickle_refusal {
    const char *module, *name, *why;
};

struct sb_pickle_options {
    const struct sb_pickle_class *classes; /* allowed besides Python's and numpy's own */
    size_t nclasses;
    const struct sb_pickle_refusal *refusals; /* ends with a row without a name; NULL = none */
};

enum {
    SB_PICKLE_MEMORY_FACTOR = 20,      /* bytes of graph per byte of file */
    SB_PICKLE_MEMORY_FLOOR = 16 << 20, /* and at least that */
    SB_PICKLE_STACK_MAX = 4 << 20,     /* values on the stack */
    SB_PICKLE_MARKS_MAX = 10000,       /* nesting of containers while they are built */
};

/* Bytes a graph of a file of n bytes may take: what the caller sets as the arena's maximum. */
size_t sb_pickle_memory_max(size_t n);

/* The value that the pickle in `file` describes; nothing may follow its STOP. Errors carry the byte
 * offset: SB_E_UNSUPPORTED for a name or instruction that is refused ("class a.b.C is not
 * supported"), SB_E_CORRUPT for bytes that are no pickle, SB_E_LIMIT. */
SB_MUST_CHECK sb_err sb_pickle_read(const struct sb_pv **out, struct sb_str file,
                                    const struct sb_pickle_options *opt, struct sb_arena *arena,
                                    struct sb_errctx *ctx);

/* Fails with SB_E_UNSUPPORTED "class a.b.C is not supported (WHERE pos)", with the reason when
 * there is one. */
sb_err sb_pickle_class_refuse(const struct sb_pickle_options *opt, struct sb_str module,
                              struct sb_str name, const char *where, size_t pos,
                              struct sb_errctx *ctx);
/* true when the table allows module.name. */
bool sb_pickle_class_allowed(const struct sb_pickle_options *opt, struct sb_str module,
                             struct sb_str name);

#endif
