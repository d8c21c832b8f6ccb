/* skops files: a zip of schema.json, a tree of nodes that name their class and loader, and .npy
 * files. Becomes the same graph of values as a pickle (value.h), with the same table of classes. */
#ifndef SB_ENGINE_PICKLE_SKOPS_H
#define SB_ENGINE_PICKLE_SKOPS_H

#include "engine/pickle/pickle.h"

enum { SB_SKOPS_DEPTH_MAX = 100 }; /* of nodes */

/* The archive's bytes outlive the graph. Nodes of loaders that do not matter for a prediction
 * (random states) become OBJECTs without state. Errors as sb_pickle_read; the message names class
 * or loader. */
SB_MUST_CHECK sb_err sb_skops_read(const struct sb_pv **out, struct sb_str file,
                                   const struct sb_pickle_options *opt, struct sb_arena *arena,
                                   struct sb_errctx *ctx);

#endif
