/* Arguments and variables: from the query's text or the request's JSON to the members that a call
 * of the API takes, in snake_case. */
#include "api/mlflow_ui/gql.h"

enum { VARIABLES_MAX = 8 * sizeof(unsigned long) };

static const char *const scalar_types[] = {"String",     "[String]",       "Int",
                                           "LongString", "MlflowViewType", NULL};

/* ---- variables ---- */

static struct sb_str without_bang(struct sb_str type) {
    return sb_str_ends(type, SB_STR("!")) ? sb_str_sub(type, 0, type.n - 1) : type;
}

static bool known_type(struct sb_str type) {
    type = without_bang(type);
    for (size_t i = 0; gql_inputs[i]; i++)
        if (sb_str_is(type, gql_inputs[i]->name)) return true;
    for (size_t i = 0; scalar_types[i]; i++)
        if (sb_str_is(type, scalar_types[i])) return true;
    return sb_str_is(type, "[String!]");
}

static const struct sb_json *given(const struct gql_plan *p, struct sb_str name) {
    const struct sb_json *m = p->variables ? p->variables->child : NULL;
    while (m && !sb_str_eq(m->key, name)) m = m->next;
    return m;
}

sb_err gql_variables_check(struct gql_plan *p) {
    unsigned n = 0;
    for (const struct sb_graphql_variable *v = p->operation->variables; v; v = v->next) {
        const struct sb_json *value = given(p, v->name);
        if (++n > VARIABLES_MAX) return gql_fail(p, "The query has too many variables.");
        for (const struct sb_graphql_variable *b = v->next; b; b = b->next)
            if (sb_str_eq(v->name, b->name))
                return gql_fail(p, "There can be only one variable named '$%.*s'.",
                                SB_ARG(v->name));
        if (!known_type(v->type))
            return gql_fail(p, "Unknown type '%.*s'.", SB_ARG(without_bang(v->type)));
        if (!sb_str_ends(v->type, SB_STR("!"))) continue;
        if (!value && !v->fallback)
            return gql_fail(p, "Variable '$%.*s' of required type '%.*s' was not provided.",
                            SB_ARG(v->name), SB_ARG(v->type));
        if (value && value->type == SB_JSON_NULL)
            return gql_fail(p, "Variable '$%.*s' of non-null type '%.*s' must not be null.",
                            SB_ARG(v->name), SB_ARG(v->type));
    }
    return SB_OK;
}

static sb_err find_variable(struct gql_plan *p, struct sb_str name,
                            const struct sb_graphql_variable **out) {
    const struct sb_graphql_variable *v = p->operation->variables;
    unsigned i = 0;
    for (; v && !sb_str_eq(v->name, name); v = v->next) i++;
    if (!v) return gql_fail(p, "Variable '$%.*s' is not defined.", SB_ARG(name));
    p->used |= 1ul << i;
    *out = v;
    return SB_OK;
}

sb_err gql_variables_used(struct gql_plan *p) {
    unsigned i = 0;
    for (const struct sb_graphql_variable *v = p->operation->variables; v; v = v->next, i++)
        if (!(p->used >> i & 1))
            return gql_fail(p, "Variable '$%.*s' is never used.", SB_ARG(v->name));
    return SB_OK;
}

/* ---- values as JSON ---- */

static struct sb_json *new_json(struct gql_plan *p, enum sb_json_type type, struct sb_str text) {
    struct sb_json *v = sb_arena_zalloc(p->arena, sizeof *v);
    v->type = type;
    v->s = text;
    return v;
}

static struct sb_json *json_of(struct gql_plan *p, const struct sb_graphql_value *v);

static struct sb_json *children_of(struct gql_plan *p, const struct sb_graphql_value *v,
                                   struct sb_json *to) {
    struct sb_json **at = &to->child;
    for (const struct sb_graphql_value *i = v->child; i; i = i->next, to->n++) {
        *at = json_of(p, i);
        (*at)->key = i->name;
        at = &(*at)->next;
    }
    return to;
}

static sb_err read_variable(struct gql_plan *p, struct sb_str name, struct sb_json **out);

/* Values nest no deeper than SB_GRAPHQL_DEPTH_MAX. What goes wrong is in p->error. */
static struct sb_json *json_of(struct gql_plan *p, const struct sb_graphql_value *v) {
    struct sb_json *to;
    switch (v->kind) {
    case SB_GRAPHQL_INT:
    case SB_GRAPHQL_FLOAT:
        to = new_json(p, SB_JSON_NUMBER, v->text);
        to->is_int = v->kind == SB_GRAPHQL_INT && sb_str_to_i64(v->text, &to->i);
        (void)sb_double_parse(v->text, &to->d);
        return to;
    case SB_GRAPHQL_BOOL:
        return new_json(p, sb_str_is(v->text, "true") ? SB_JSON_TRUE : SB_JSON_FALSE, v->text);
    case SB_GRAPHQL_VARIABLE:
        if (read_variable(p, v->text, &to) == SB_OK && to) return to;
        return new_json(p, SB_JSON_NULL, SB_STR("null"));
    case SB_GRAPHQL_NULL: return new_json(p, SB_JSON_NULL, v->text);
    case SB_GRAPHQL_LIST: return children_of(p, v, new_json(p, SB_JSON_ARRAY, v->text));
    case SB_GRAPHQL_OBJECT: return children_of(p, v, new_json(p, SB_JSON_OBJECT, v->text));
    default: return new_json(p, SB_JSON_STRING, v->text); /* STRING, ENUM */
    }
}

/* ---- checks against the type ---- */

/* Where a value stands, for messages: in a variable, or in the query when the name is empty. */
struct place {
    struct sb_str variable;
    const char *field;
};

static sb_err wrong(struct gql_plan *p, struct place at, const struct sb_json *v,
                    const char *what) {
    struct sb_buf b;
    sb_buf_init(&b, 2048);
    if (v) sb_json_add_tree(&b, v);
    struct sb_str text = sb_buf_err(&b) ? SB_STR("...") : sb_buf_view(&b);
    sb_err err;
    if (at.variable.n)
        err = gql_fail(p, "Variable '$%.*s' got invalid value %.*s at '%.*s.%s'; %s %.*s",
                       SB_ARG(at.variable), SB_ARG(text), SB_ARG(at.variable), at.field, what,
                       SB_ARG(text));
    else
        err = gql_fail(p, "%s %.*s", what, SB_ARG(text));
    sb_buf_fini(&b);
    return err;
}

static bool view_name(struct sb_str s) {
    return sb_str_is(s, "ACTIVE_ONLY") || sb_str_is(s, "DELETED_ONLY") || sb_str_is(s, "ALL");
}

static sb_err check_scalar(struct gql_plan *p, struct place at, enum gql_input_kind kind,
                           const struct sb_json *v) {
    int64_t i;
    switch (kind) {
    case GQL_IN_INT:
        if (v->type != SB_JSON_NUMBER || !v->is_int)
            return wrong(p, at, v, "Int cannot represent non-integer value:");
        if (v->i != (int32_t)v->i)
            return wrong(p, at, v, "Int cannot represent non 32-bit signed integer value:");
        return SB_OK;
    case GQL_IN_LONG:
        if (v->type == SB_JSON_NUMBER && v->is_int) return SB_OK;
        if (v->type == SB_JSON_STRING && sb_str_to_i64(v->s, &i)) return SB_OK;
        return wrong(p, at, v, "LongString cannot represent value:");
    case GQL_IN_VIEW:
        if (v->type == SB_JSON_STRING && view_name(v->s)) return SB_OK;
        return wrong(p, at, v, "Enum 'MlflowViewType' cannot represent value:");
    default:
        if (v->type == SB_JSON_STRING) return SB_OK;
        return wrong(p, at, v, "String cannot represent a non string value:");
    }
}

/* One value instead of a list is a list of it (section 3.11). */
static sb_err check_list(struct gql_plan *p, struct place at, struct sb_json **v) {
    if ((*v)->type != SB_JSON_ARRAY) {
        struct sb_json *list = new_json(p, SB_JSON_ARRAY, (struct sb_str){0});
        list->child = *v;
        list->n = 1;
        *v = list;
    }
    for (const struct sb_json *i = (*v)->child; i; i = i->next)
        SB_TRY(check_scalar(p, at, GQL_IN_STRING, i));
    return SB_OK;
}

/* Adds a checked member to the arguments, with the name that the API has for it. */
static sb_err add_member(struct gql_plan *p, struct place at, const struct gql_input_field *f,
                         struct sb_json *v, struct sb_json *to) {
    if (v->type == SB_JSON_NULL) return SB_OK;
    struct sb_json *own = sb_arena_alloc(p->arena, sizeof *own);
    *own = *v;
    own->next = NULL;
    if (f->kind == GQL_IN_STRINGS)
        SB_TRY(check_list(p, at, &own));
    else
        SB_TRY(check_scalar(p, at, f->kind, own));
    own->key = sb_str_of(f->name);
    own->next = to->child; /* their order means nothing */
    to->child = own;
    to->n++;
    return SB_OK;
}

static const struct gql_input_field *find_input(const struct gql_input *in, struct sb_str name) {
    for (const struct gql_input_field *f = in->fields; f->name; f++)
        if (gql_name_is(f->name, name)) return f;
    return NULL;
}

/* ---- the argument "input" ---- */

static sb_err read_object(struct gql_plan *p, const struct gql_input *in, struct sb_str variable,
                          const struct sb_json *v, struct sb_json *to) {
    struct place at = {variable, ""};
    if (v->type != SB_JSON_OBJECT)
        return gql_fail(p, "Expected type '%s' to be a mapping.", in->name);
    for (struct sb_json *m = v->child; m; m = m->next) {
        const struct gql_input_field *f = find_input(in, m->key);
        if (!f && variable.n)
            return gql_fail(p,
                            "Variable '$%.*s' got invalid value; Field '%.*s' is not defined by "
                            "type '%s'.",
                            SB_ARG(variable), SB_ARG(m->key), in->name);
        if (!f)
            return gql_fail(p, "Field '%.*s' is not defined by type '%s'.", SB_ARG(m->key),
                            in->name);
        at.field = sb_arena_printf(p->arena, "%.*s", SB_ARG(m->key));
        SB_TRY(add_member(p, at, f, m, to));
    }
    return SB_OK;
}

/* The value of a variable; *out is NULL when it has none. */
static sb_err read_variable(struct gql_plan *p, struct sb_str name, struct sb_json **out) {
    const struct sb_graphql_variable *v;
    SB_TRY(find_variable(p, name, &v));
    const struct sb_json *value = given(p, name);
    *out = NULL;
    if (value) {
        *out = sb_arena_alloc(p->arena, sizeof **out);
        **out = *value;
        (*out)->next = NULL;
    } else if (v->fallback) {
        *out = json_of(p, v->fallback);
    }
    return SB_OK;
}

/* A bare word stands for one of an enum's names only. */
static sb_err check_words(struct gql_plan *p, const struct gql_input_field *f,
                          const struct sb_graphql_value *v) {
    bool view = f->kind == GQL_IN_VIEW;
    if (view && v->kind != SB_GRAPHQL_VARIABLE && v->kind != SB_GRAPHQL_NULL &&
        (v->kind != SB_GRAPHQL_ENUM || !view_name(v->text)))
        return gql_fail(p, "Value '%.*s' does not exist in 'MlflowViewType' enum.",
                        SB_ARG(v->text));
    const struct sb_graphql_value *i = v->kind == SB_GRAPHQL_LIST ? v->child : v;
    for (; i && !view; i = v->kind == SB_GRAPHQL_LIST ? i->next : NULL)
        if (i->kind == SB_GRAPHQL_ENUM)
            return gql_fail(p, "String cannot represent a non string value: %.*s", SB_ARG(i->text));
    return SB_OK;
}

static sb_err read_literal(struct gql_plan *p, const struct gql_input *in,
                           const struct sb_graphql_value *v, struct sb_json *to) {
    if (v->kind != SB_GRAPHQL_OBJECT)
        return gql_fail(p, "Expected value of type '%s', found %.*s.", in->name, SB_ARG(v->text));
    for (const struct sb_graphql_value *m = v->child; m; m = m->next) {
        const struct gql_input_field *f = find_input(in, m->name);
        if (!f)
            return gql_fail(p, "Field '%.*s' is not defined by type '%s'.", SB_ARG(m->name),
                            in->name);
        bool variable = m->kind == SB_GRAPHQL_VARIABLE;
        struct place at = {variable ? m->text : (struct sb_str){0}, f->name};
        SB_TRY(check_words(p, f, m));
        SB_TRY(add_member(p, at, f, json_of(p, m), to));
    }
    return SB_OK;
}

static sb_err read_input(struct gql_plan *p, const struct gql_input *in,
                         const struct sb_graphql_value *v, struct sb_json **out) {
    struct sb_json *value;
    *out = new_json(p, SB_JSON_OBJECT, (struct sb_str){0});
    if (v->kind != SB_GRAPHQL_VARIABLE) return read_literal(p, in, v, *out);
    const struct sb_graphql_variable *variable;
    SB_TRY(find_variable(p, v->text, &variable));
    if (!sb_str_is(without_bang(variable->type), in->name))
        return gql_fail(p, "Variable '$%.*s' of type '%.*s' used in position expecting type '%s'.",
                        SB_ARG(v->text), SB_ARG(variable->type), in->name);
    SB_TRY(read_variable(p, v->text, &value));
    if (!value || value->type == SB_JSON_NULL) return SB_OK;
    return read_object(p, in, v->text, value, *out);
}

static sb_err read_echo(struct gql_plan *p, const struct sb_graphql_value *v,
                        struct sb_json **out) {
    static const struct gql_input_field output = {"output", GQL_IN_STRING};
    struct place at = {v->kind == SB_GRAPHQL_VARIABLE ? v->text : (struct sb_str){0},
                       "inputString"};
    *out = new_json(p, SB_JSON_OBJECT, (struct sb_str){0});
    SB_TRY(check_words(p, &output, v));
    return add_member(p, at, &output, json_of(p, v), *out);
}

sb_err gql_args_read(struct gql_plan *p, const struct gql_type *parent, const struct gql_field *f,
                     const struct sb_graphql_selection *s, struct sb_json **out) {
    const char *name = f->source == GQL_ECHO ? "inputString" : "input";
    const struct sb_graphql_value *args = s->args;
    *out = NULL;
    for (const struct sb_graphql_value *a = args; a; a = a->next) {
        if (!sb_str_is(a->name, name))
            return gql_fail(p, "Unknown argument '%.*s' on field '%s.%.*s'.", SB_ARG(a->name),
                            parent->name, SB_ARG(s->name));
        if (a != args) return gql_fail(p, "There can be only one argument named '%s'.", name);
    }
    if (!args) return SB_OK;
    SB_TRY(f->source == GQL_ECHO ? read_echo(p, args, out) : read_input(p, f->input, args, out));
    return p->error ? SB_E_INVALID : SB_OK;
}
