/* strcpy(a, b) and malloc(3) in a comment are fine, open("x") in a string too. */
#include "base/b.h"

static const char *text = "sprintf(x); rename(a, b)";

int sb_a_get(struct sb_a *a) {
    return a->ops->read(a) + text[0];
}
