/* Versions that are loaded, or being loaded: each once, however many routes use it. Inside flow/
 * only; any of its threads. */
#ifndef SB_FLOW_SHELF_H
#define SB_FLOW_SHELF_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "base/thread.h"
#include "domain/model/model.h"

struct sb_shelf;

/* A version and its loaded model. Immutable once it is ready, shared by its users. */
struct sb_place {
    char *id;  /* the version's key, and how it is loaded */
    char *key; /* of the version alone: its folder */
    char *name, *version, *dir, *sha256, *run_id, *model_id;
    struct sb_model *model; /* NULL while it is being loaded */

    struct sb_shelf *shelf; /* the shelf's, as the rest */
    struct sb_place *next;
    unsigned users;
};

struct sb_shelf *sb_shelf_new(void);
void sb_shelf_free(struct sb_shelf *s); /* after its last place */

/* The place of that id, once nobody is loading it any more. *fresh: it has no model yet, and the
 * caller is the one who loads it and then calls sb_shelf_fill, or gives it back empty, in which
 * case the next who waits tries it. */
struct sb_place *sb_shelf_take(struct sb_shelf *s, const char *id, const char *key, bool *fresh);
/* Fills in name to model from `with`, whose strings and model are the place's now. */
void sb_shelf_fill(struct sb_place *p, const struct sb_place *with);
struct sb_place *sb_place_ref(struct sb_place *p);
void sb_place_unref(struct sb_place *p); /* NULL is fine */

/* Whether some place has that key, loaded or not. */
bool sb_shelf_uses(struct sb_shelf *s, struct sb_str key);

#endif
