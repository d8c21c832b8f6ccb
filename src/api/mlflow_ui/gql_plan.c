/* From a parsed request to a plan, with the rules of the specification's section 5 that can matter
 * here, told in graphql-core's words. The costs are bounded before anything is read: depth, fields,
 * aliases and root fields have MLflow's limits, and fragments count where they are used. */
#include <stdarg.h>

#include "api/mlflow_ui/gql.h"

sb_err gql_fail(struct gql_plan *p, const char *fmt, ...) {
    struct sb_buf b;
    va_list ap;
    if (p->error) return SB_E_INVALID;
    sb_buf_init(&b, 4096);
    va_start(ap, fmt);
    sb_buf_vaddf(&b, fmt, ap);
    va_end(ap);
    struct sb_str text = sb_buf_err(&b) ? SB_STR("The query is too large.") : sb_buf_view(&b);
    p->error = sb_arena_printf(p->arena, "%.*s", SB_ARG(text));
    sb_buf_fini(&b);
    return SB_E_INVALID;
}

/* ---- which operation ---- */

static sb_err check_names(struct gql_plan *p) {
    for (const struct sb_graphql_operation *o = p->doc.operations; o; o = o->next)
        for (const struct sb_graphql_operation *b = o->next; b; b = b->next) {
            if (!o->name.p || !b->name.p)
                return gql_fail(p, "This anonymous operation must be the only defined operation.");
            if (sb_str_eq(o->name, b->name))
                return gql_fail(p, "There can be only one operation named '%.*s'.",
                                SB_ARG(o->name));
        }
    return SB_OK;
}

static sb_err choose(struct gql_plan *p, struct sb_str name) {
    const struct sb_graphql_operation *o = p->doc.operations;
    if (!o) return gql_fail(p, "Must provide an operation.");
    if (!name.p && o->next)
        return gql_fail(p, "Must provide operation name if query contains multiple operations.");
    while (name.p && o && !(o->name.p && sb_str_eq(o->name, name))) o = o->next;
    if (!o) return gql_fail(p, "Unknown operation named '%.*s'.", SB_ARG(name));
    p->operation = o;
    return SB_OK;
}

/* MLflow's own directive, which says which of its parts asks, is the only one. */
static sb_err check_directives(struct gql_plan *p, const struct sb_graphql_directive *d, bool top) {
    for (; d; d = d->next) {
        if (!sb_str_is(d->name, "component"))
            return gql_fail(p, "Unknown directive '@%.*s'.", SB_ARG(d->name));
        if (!top) return gql_fail(p, "Directive '@component' may not be used here.");
    }
    return SB_OK;
}

/* ---- selections ---- */

static sb_err plan_set(struct gql_plan *p, const struct gql_type *type,
                       const struct sb_graphql_selection *s, struct gql_node *into, unsigned depth,
                       unsigned spreads);

static const char *kind_name(const struct gql_field *f) {
    static const char *const names[] = {
        [GQL_STRING] = "String", [GQL_LONG] = "LongString", [GQL_FLOAT] = "Float",
        [GQL_BOOL] = "Boolean",  [GQL_ENUM] = "enum",
    };
    return f->type ? f->type->name : names[f->kind];
}

static const struct gql_field *find_field(const struct gql_type *t, struct sb_str name) {
    for (const struct gql_field *f = t->fields; f->name; f++)
        if (gql_name_is(f->name, name)) return f;
    return NULL;
}

static bool same_values(const struct sb_graphql_value *a, const struct sb_graphql_value *b) {
    for (; a && b; a = a->next, b = b->next)
        if (a->kind != b->kind || !sb_str_eq(a->name, b->name) || !sb_str_eq(a->text, b->text) ||
            !same_values(a->child, b->child)) /* values are SB_GRAPHQL_DEPTH_MAX deep at most */
            return false;
    return !a && !b;
}

/* The node of a response key in a set: made, or the one that is there and means the same. */
static sb_err node_of(struct gql_plan *p, const struct gql_type *type, const struct gql_field *f,
                      const struct sb_graphql_selection *s, struct gql_node *into,
                      struct gql_node **out) {
    struct sb_str key = s->alias.p ? s->alias : s->name;
    struct gql_node **at = &into->child;
    while (*at && !sb_str_is(key, (*at)->key)) at = &(*at)->next;
    if (*at) {
        if ((*at)->field != f)
            return gql_fail(p,
                            "Fields '%.*s' conflict because they are different fields. Use "
                            "different aliases on the fields to fetch both if this was "
                            "intentional.",
                            SB_ARG(key));
        if (!same_values((*at)->written, s->args))
            return gql_fail(p,
                            "Fields '%.*s' conflict because they have differing arguments. Use "
                            "different aliases on the fields to fetch both if this was "
                            "intentional.",
                            SB_ARG(key));
    } else {
        struct gql_node *node = sb_arena_zalloc(p->arena, sizeof *node);
        *node = (struct gql_node){.key = key.p, .parent = type, .field = f, .written = s->args};
        *at = node;
        into->fields++;
    }
    *out = *at;
    return SB_OK;
}

static sb_err check_subfields(struct gql_plan *p, const struct gql_field *f,
                              const struct sb_graphql_selection *s) {
    bool has_fields = f && f->type;
    if (has_fields && !s->child)
        return gql_fail(p,
                        "Field '%.*s' of type '%s' must have a selection of subfields. Did you "
                        "mean '%.*s { ... }'?",
                        SB_ARG(s->name), kind_name(f), SB_ARG(s->name));
    if (!has_fields && s->child)
        return gql_fail(p,
                        "Field '%.*s' must not have a selection since type '%s' has no subfields.",
                        SB_ARG(s->name), f ? kind_name(f) : "String!");
    return SB_OK;
}

static sb_err plan_field(struct gql_plan *p, const struct gql_type *type,
                         const struct sb_graphql_selection *s, struct gql_node *into,
                         unsigned depth) {
    struct gql_node *node;
    const struct gql_field *f = find_field(type, s->name);
    if (!f && !sb_str_is(s->name, "__typename"))
        return gql_fail(p, "Cannot query field '%.*s' on type '%s'.", SB_ARG(s->name), type->name);
    into->aliases += s->alias.p != NULL;
    if (into->aliases > GQL_ALIASES_MAX)
        return gql_fail(p, "GraphQL queries should have at most %d aliases, got more.",
                        GQL_ALIASES_MAX);
    SB_TRY(check_subfields(p, f, s));
    SB_TRY(node_of(p, type, f, s, into, &node));
    if (depth == 1 && into->fields > GQL_ROOT_FIELDS_MAX)
        return gql_fail(p, "GraphQL queries should have at most %d root fields, got more.",
                        GQL_ROOT_FIELDS_MAX);
    if (f && f->source != GQL_MEMBER && depth == 1) {
        if (!node->args) SB_TRY(gql_args_read(p, type, f, s, &node->args));
    } else if (s->args) {
        return gql_fail(p, "Unknown argument '%.*s' on field '%s.%.*s'.", SB_ARG(s->args->name),
                        type->name, SB_ARG(s->name));
    }
    return s->child ? plan_set(p, f->type, s->child, node, depth + 1, 0) : SB_OK;
}

static sb_err plan_spread(struct gql_plan *p, const struct gql_type *type,
                          const struct sb_graphql_selection *s, struct gql_node *into,
                          unsigned depth, unsigned spreads) {
    const struct sb_graphql_fragment *f = p->doc.fragments;
    while (f && !sb_str_eq(f->name, s->name)) f = f->next;
    if (!f) return gql_fail(p, "Unknown fragment '%.*s'.", SB_ARG(s->name));
    if (!sb_str_is(f->on, type->name))
        return gql_fail(p,
                        "Fragment '%.*s' cannot be spread here as objects of type '%s' can never "
                        "be of type '%.*s'.",
                        SB_ARG(s->name), type->name, SB_ARG(f->on));
    SB_TRY(check_directives(p, f->directives, false));
    return plan_set(p, type, f->child, into, depth, spreads + 1);
}

static sb_err plan_inline(struct gql_plan *p, const struct gql_type *type,
                          const struct sb_graphql_selection *s, struct gql_node *into,
                          unsigned depth, unsigned spreads) {
    if (s->on.p && !sb_str_is(s->on, type->name))
        return gql_fail(p,
                        "Fragment cannot be spread here as objects of type '%s' can never be of "
                        "type '%.*s'.",
                        type->name, SB_ARG(s->on));
    return plan_set(p, type, s->child, into, depth, spreads + 1);
}

/* Adds the fields of a selection set to a node. */
static sb_err plan_set(struct gql_plan *p, const struct gql_type *type,
                       const struct sb_graphql_selection *s, struct gql_node *into, unsigned depth,
                       unsigned spreads) {
    if (depth > GQL_DEPTH_MAX)
        return gql_fail(p, "Query exceeds maximum depth of %d", GQL_DEPTH_MAX);
    if (spreads > GQL_SPREADS_MAX)
        return gql_fail(p, "Fragments are spread within each other more than %d deep.",
                        GQL_SPREADS_MAX);
    for (; s; s = s->next) {
        if (++p->selections > GQL_SELECTIONS_MAX)
            return gql_fail(p, "Query exceeds maximum total selections of %d", GQL_SELECTIONS_MAX);
        SB_TRY(check_directives(p, s->directives, false));
        switch (s->kind) {
        case SB_GRAPHQL_FIELD: SB_TRY(plan_field(p, type, s, into, depth)); break;
        case SB_GRAPHQL_SPREAD: SB_TRY(plan_spread(p, type, s, into, depth, spreads)); break;
        case SB_GRAPHQL_INLINE: SB_TRY(plan_inline(p, type, s, into, depth, spreads)); break;
        }
    }
    return SB_OK;
}

sb_err gql_plan_make(struct gql_plan *p, struct sb_str query, struct sb_str operation,
                     const struct sb_json *variables, struct sb_arena *arena) {
    struct sb_errctx ctx = {0};
    *p = (struct gql_plan){.arena = arena, .variables = variables};
    sb_err err = sb_graphql_parse(&p->doc, query, arena, &ctx);
    if (err) return gql_fail(p, "%s", sb_errctx_text(&ctx, err));
    SB_TRY(check_names(p));
    SB_TRY(choose(p, operation));
    SB_TRY(check_directives(p, p->operation->directives, true));
    if (sb_str_is(p->operation->type, "subscription"))
        return gql_fail(p, "Schema is not configured to execute subscription operation.");
    SB_TRY(gql_variables_check(p));
    bool query_type = sb_str_is(p->operation->type, "query");
    SB_TRY(
        plan_set(p, query_type ? &gql_query : &gql_mutation, p->operation->child, &p->root, 1, 0));
    return gql_variables_used(p);
}
