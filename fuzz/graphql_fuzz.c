/* GraphQL requests: a text, and after a NUL its variables. Whatever comes, the plan keeps within
 * its limits or is refused with a reason, and what is in it fits the schema. */
#include <stdint.h>

#include "api/mlflow_ui/gql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_args(const struct gql_node *node) {
    if (!node->args) return;
    SB_ASSERT(node->args->type == SB_JSON_OBJECT);
    size_t count = 0;
    for (const struct sb_json *m = node->args->child; m; m = m->next, count++)
        SB_ASSERT(m->key.n && m->type != SB_JSON_NULL && m->type != SB_JSON_OBJECT);
    SB_ASSERT(count == node->args->n);
}

static size_t check_node(const struct gql_node *node, int depth) {
    size_t count = 0;
    SB_ASSERT(depth <= GQL_DEPTH_MAX);
    for (const struct gql_node *c = node->child; c; c = c->next) {
        SB_ASSERT(c->key[0] && c->parent);
        SB_ASSERT((c->field && c->field->type) == (c->child != NULL));
        check_args(c);
        for (const struct gql_node *d = c->next; d; d = d->next)
            SB_ASSERT(strcmp(c->key, d->key) != 0);
        count += 1 + check_node(c, depth + 1);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_str text = {(const char *)data, n}, rest = {0};
    ptrdiff_t nul = n ? sb_str_find(text, 0) : -1;
    if (nul >= 0) {
        rest = sb_str_sub(text, (size_t)nul + 1, n);
        text.n = (size_t)nul;
    }
    struct sb_arena a;
    struct sb_json *variables = NULL;
    struct gql_plan p;
    sb_arena_init(&a, 32 << 20);
    if (sb_json_parse(&variables, rest, &a, NULL) || variables->type != SB_JSON_OBJECT)
        variables = NULL;
    for (int i = 0; i < 2; i++) {
        sb_err err = gql_plan_make(&p, text, i ? SB_STR("A") : (struct sb_str){0}, variables, &a);
        SB_ASSERT((err == SB_OK) == (p.error == NULL));
        if (err) SB_ASSERT(p.error[0]);
        if (!err) SB_ASSERT(check_node(&p.root, 0) <= GQL_SELECTIONS_MAX && p.root.child);
    }
    sb_arena_fini(&a);
    return 0;
}
