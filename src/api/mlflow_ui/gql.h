/* GraphQL over the registry's API: a request is parsed (engine/graphql), planned against the
 * schema's tables, and only when all of it is right the plan is carried out (graphql.c): each root
 * field is one call of the API, whose document gives the values. */
#ifndef SB_API_MLFLOW_UI_GQL_H
#define SB_API_MLFLOW_UI_GQL_H

#include "codec/json.h"
#include "engine/graphql/graphql.h"

/* What MLflow allows of a request (mlflow/server/graphql/graphql_no_batching.py). */
enum {
    GQL_DEPTH_MAX = 10,
    GQL_SELECTIONS_MAX = 1000,
    GQL_ROOT_FIELDS_MAX = 10,
    GQL_ALIASES_MAX = 10, /* in one selection set */
    GQL_SPREADS_MAX = 16, /* fragments within fragments */
};

/* ---- schema: const tables ---- */

enum gql_kind {
    GQL_STRING = 1, /* absent: "" (the default of proto2, also below) */
    GQL_LONG,       /* an integer as a string, so that JavaScript keeps its digits; "0" */
    GQL_FLOAT,      /* not a number: null */
    GQL_BOOL,       /* false */
    GQL_ENUM,       /* its name; absent: the field's default, or null */
    GQL_OBJECT,     /* absent: all members absent */
    GQL_API_ERROR,  /* null: what goes wrong is told in "errors" */
};

/* Where a field's value comes from, if not from its parent's document. */
enum gql_source {
    GQL_MEMBER,
    GQL_CALL,           /* root: the API's call `call` */
    GQL_ECHO,           /* root: its argument */
    GQL_RUN_EXPERIMENT, /* of a run */
    GQL_RUN_VERSIONS,
};

struct gql_field {
    const char *name; /* in snake_case, as in the document; queries write it in camelCase */
    enum gql_kind kind;
    bool list;
    const struct gql_type *type; /* OBJECT */
    const char *fallback;        /* ENUM */
    enum gql_source source;
    const char *call;
    const struct gql_input *input; /* type of the argument "input" */
};

struct gql_type {
    const char *name;
    const struct gql_field *fields; /* ended by a row without name */
};

enum gql_input_kind {
    GQL_IN_STRING = 1,
    GQL_IN_INT,  /* 32 bits */
    GQL_IN_LONG, /* 64 bits */
    GQL_IN_STRINGS,
    GQL_IN_VIEW, /* a name of MlflowViewType */
};
struct gql_input_field {
    const char *name;
    enum gql_input_kind kind;
};
struct gql_input {
    const char *name;
    const struct gql_input_field *fields;
};

extern const struct gql_type gql_query, gql_mutation;
extern const struct gql_input *const gql_inputs[]; /* NULL-terminated */
/* Whether camel is name (in snake_case) in camelCase. */
bool gql_name_is(const char *name, struct sb_str camel);

/* ---- the plan ---- */

/* A field to answer; several selections of one response key are one node. */
struct gql_node {
    const char *key;
    const struct gql_type *parent;
    const struct gql_field *field;          /* NULL: __typename */
    const struct sb_graphql_value *written; /* arguments as in the query */
    struct sb_json *args;                   /* root fields; NULL: none were given */
    struct gql_node *child, *next;
    unsigned aliases, fields; /* in its selection set */
};

struct gql_plan {
    struct sb_arena *arena;
    struct sb_graphql_document doc;
    const struct sb_graphql_operation *operation;
    const struct sb_json *variables; /* an object, or NULL */
    unsigned long used;              /* bit per variable of the operation */
    struct gql_node root;            /* child: the root fields */
    unsigned selections;
    const char *error; /* what is wrong with the request */
};

/* The text, the name of the operation (.p NULL: the only one) and the variables of a request.
 * SB_E_INVALID and p->error: the request is wrong, nothing of it is done. */
SB_MUST_CHECK sb_err gql_plan_make(struct gql_plan *p, struct sb_str query, struct sb_str operation,
                                   const struct sb_json *variables, struct sb_arena *arena);

sb_err gql_fail(struct gql_plan *p, const char *fmt, ...) SB_PRINTF(2, 3);

/* gql_input.c: the arguments of a root field as the members that the API's call takes. */
SB_MUST_CHECK sb_err gql_variables_check(struct gql_plan *p);
SB_MUST_CHECK sb_err gql_variables_used(struct gql_plan *p);
SB_MUST_CHECK sb_err gql_args_read(struct gql_plan *p, const struct gql_type *parent,
                                   const struct gql_field *f, const struct sb_graphql_selection *s,
                                   struct sb_json **out);

#endif
