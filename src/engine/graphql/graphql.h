/* Reading GraphQL requests: executable documents of the specification of October 2021
 * (https://spec.graphql.org/October2021/, section 2 and appendix B), into a tree. What fields,
 * types and directives mean is the caller's.
 *
 * Refused with SB_E_SYNTAX, ctx->pos = byte offset and a message in the form graphql-core has
 * ("Syntax Error: Expected Name, found <EOF>."): anything that is not a document, type definitions
 * too. Refused with SB_E_LIMIT: more than SB_GRAPHQL_TEXT_MAX bytes, deeper nesting than
 * SB_GRAPHQL_DEPTH_MAX, or more than the arena may hold. Block strings keep their white space.
 *
 * Strings of the tree are NUL-terminated and in the arena. Any thread. */
#ifndef SB_ENGINE_GRAPHQL_GRAPHQL_H
#define SB_ENGINE_GRAPHQL_GRAPHQL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { SB_GRAPHQL_TEXT_MAX = 64 << 10, SB_GRAPHQL_DEPTH_MAX = 24 };

enum sb_graphql_kind {
    SB_GRAPHQL_INT,   /* text: the token */
    SB_GRAPHQL_FLOAT, /* text: the token */
    SB_GRAPHQL_STRING,
    SB_GRAPHQL_BOOL,     /* text: "true" or "false" */
    SB_GRAPHQL_NULL,     /* text: "null" */
    SB_GRAPHQL_ENUM,     /* text: its name */
    SB_GRAPHQL_VARIABLE, /* text: its name, without $ */
    SB_GRAPHQL_LIST,     /* child: its values */
    SB_GRAPHQL_OBJECT,   /* child: its fields */
};

/* A value; in a list of arguments or fields it has a name. */
struct sb_graphql_value {
    enum sb_graphql_kind kind;
    struct sb_str name, text;
    struct sb_graphql_value *child, *next;
    size_t n; /* of child */
};

struct sb_graphql_directive {
    struct sb_str name;
    struct sb_graphql_value *args;
    struct sb_graphql_directive *next;
};

struct sb_graphql_selection {
    enum sb_graphql_selection_kind {
        SB_GRAPHQL_FIELD,
        SB_GRAPHQL_SPREAD, /* name: of the fragment */
        SB_GRAPHQL_INLINE, /* on: its type, .p NULL when it has none */
    } kind;
    struct sb_str alias, name, on; /* alias: .p NULL when there is none */
    struct sb_graphql_value *args;
    struct sb_graphql_directive *directives;
    struct sb_graphql_selection *child, *next;
};

struct sb_graphql_variable {
    struct sb_str name, type;          /* type: as written, without white space: "[String!]!" */
    struct sb_graphql_value *fallback; /* NULL when it has none */
    struct sb_graphql_variable *next;
};

struct sb_graphql_operation {
    struct sb_str type, name; /* "query", "mutation", "subscription"; name .p NULL: anonymous */
    struct sb_graphql_variable *variables;
    struct sb_graphql_directive *directives;
    struct sb_graphql_selection *child;
    struct sb_graphql_operation *next;
};

struct sb_graphql_fragment {
    struct sb_str name, on;
    struct sb_graphql_directive *directives;
    struct sb_graphql_selection *child;
    struct sb_graphql_fragment *next;
};

struct sb_graphql_document {
    struct sb_graphql_operation *operations;
    struct sb_graphql_fragment *fragments;
};

SB_MUST_CHECK sb_err sb_graphql_parse(struct sb_graphql_document *out, struct sb_str text,
                                      struct sb_arena *arena, struct sb_errctx *ctx);

#endif
