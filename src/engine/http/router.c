/* A tree of path segments. A node has literal children sorted by name (binary search), at most one
 * {param} child, a few {param}:verb children, and at most one {rest*} child. So a match costs the
 * depth of the path times the logarithm of the fan-out, however many routes there are. Where both a
 * literal and a {param} fit, the literal is tried first, then a {param}:verb, and the walk comes
 * back; depth bounds the recursion. */
#include "engine/http/router.h"

#include <stdlib.h>

#include "base/mem.h"

enum { DEPTH_MAX = 16 };

struct node {
    struct sb_str name; /* into the pattern */
    struct node **kids; /* sorted by name */
    size_t nkids;
    struct node *param, *rest;
    struct node *verbs; /* {param} with a text behind it, which is their name */
    struct node *next;  /* of verbs */
    const struct sb_http_route *routes[SB_HTTP_METHOD_COUNT];
    size_t table[SB_HTTP_METHOD_COUNT]; /* of each */
    unsigned allowed;
};

struct sb_http_router {
    struct node root;
};

static size_t lower_bound(const struct node *n, struct sb_str name) {
    size_t lo = 0, hi = n->nkids;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (sb_str_cmp(n->kids[mid]->name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct node *literal_kid(const struct node *n, struct sb_str name) {
    size_t i = lower_bound(n, name);
    return i < n->nkids && sb_str_eq(n->kids[i]->name, name) ? n->kids[i] : NULL;
}

static struct node *node_new(struct sb_str name) {
    struct node *n = sb_calloc(1, sizeof *n);
    n->name = name;
    return n;
}

static struct node *add_literal(struct node *n, struct sb_str name) {
    struct node *kid = literal_kid(n, name);
    if (kid) return kid;
    size_t at = lower_bound(n, name);
    n->kids = sb_realloc(n->kids, (n->nkids + 1) * sizeof(struct node *));
    memmove(n->kids + at + 1, n->kids + at, (n->nkids - at) * sizeof(struct node *));
    n->nkids++;
    return n->kids[at] = node_new(name);
}

/* "{name}:predict" -> ":predict"; empty when part is no such thing. */
static struct sb_str verb_of(struct sb_str part) {
    ptrdiff_t end = sb_str_find(part, '}');
    if (part.n < 4 || part.p[0] != '{' || end < 2 || part.p[end - 1] == '*')
        return (struct sb_str){0};
    return sb_str_sub(part, (size_t)end + 1, part.n);
}

static struct node *add_verb(struct node *n, struct sb_str verb) {
    for (struct node *v = n->verbs; v; v = v->next)
        if (sb_str_eq(v->name, verb)) return v;
    struct node *v = node_new(verb);
    v->next = n->verbs;
    return n->verbs = v;
}

/* Where a route is being put. */
struct place {
    struct node *n;
    size_t params, depth;
    bool ended; /* by a {rest*} */
};

static sb_err descend(struct place *at, struct sb_str path) {
    struct sb_str rest = sb_str_sub(path, 1, path.n), part;
    while (sb_str_split(&rest, '/', &part)) {
        bool param = part.n > 2 && part.p[0] == '{' && part.p[part.n - 1] == '}';
        bool star = param && part.p[part.n - 2] == '*';
        struct sb_str verb = param ? (struct sb_str){0} : verb_of(part);
        struct node *n = at->n;
        at->params += param || verb.n;
        if (at->ended || at->params > SB_LIMIT_HTTP_PARAMS || ++at->depth > DEPTH_MAX)
            return SB_E_BUG;
        if (star) {
            if (!n->rest) n->rest = node_new(part);
            at->n = n->rest;
            at->ended = true;
        } else if (param) {
            if (!n->param) n->param = node_new(part);
            at->n = n->param;
        } else if (verb.n) {
            at->n = add_verb(n, verb);
        } else {
            at->n = add_literal(n, part);
        }
    }
    return SB_OK;
}

static sb_err add_route(struct sb_http_router *r, const struct sb_http_route *route,
                        const char *prefix, size_t table, struct sb_errctx *ctx) {
    struct place at = {.n = &r->root};
    if (route->pattern[0] != '/' || (prefix && prefix[0] != '/'))
        return sb_fail(ctx, SB_E_BUG, "route pattern %s does not start with /", route->pattern);
    if ((prefix && descend(&at, sb_str_of(prefix))) || descend(&at, sb_str_of(route->pattern)))
        return sb_fail(ctx, SB_E_BUG, "bad route pattern %s", route->pattern);
    struct node *n = at.n;
    if (n->routes[route->method])
        return sb_fail(ctx, SB_E_BUG, "two routes for %s", route->pattern);
    n->routes[route->method] = route;
    n->table[route->method] = table;
    n->allowed |= 1u << route->method;
    if (route->method == SB_HTTP_GET) n->allowed |= 1u << SB_HTTP_HEAD;
    return SB_OK;
}

/* Depth of the tree is that of our own patterns. */
static void node_fini(struct node *n) {
    for (size_t i = 0; i < n->nkids; i++) {
        node_fini(n->kids[i]);
        sb_free(n->kids[i]);
    }
    sb_free(n->kids);
    for (struct node *v = n->verbs, *next; v; v = next) {
        next = v->next;
        node_fini(v);
        sb_free(v);
    }
    if (n->param) node_fini(n->param);
    if (n->rest) node_fini(n->rest);
    sb_free(n->param);
    sb_free(n->rest);
}

sb_err sb_http_router_new(struct sb_http_router **out, const struct sb_http_route *const *tables,
                          const char *const *prefixes, struct sb_errctx *ctx) {
    struct sb_http_router *r = sb_calloc(1, sizeof *r);
    for (size_t i = 0; tables[i]; i++)
        for (const struct sb_http_route *route = tables[i]; route->pattern; route++) {
            sb_err err = add_route(r, route, prefixes ? prefixes[i] : NULL, i, ctx);
            if (err) {
                sb_http_router_free(r);
                return err;
            }
        }
    *out = r;
    return SB_OK;
}

void sb_http_router_free(struct sb_http_router *r) {
    if (!r) return;
    node_fini(&r->root);
    sb_free(r);
}

/* The node that path (without its leading slash; .p NULL = nothing left) ends at. Recursion goes no
 * deeper than the patterns. */
static const struct node *walk(const struct node *n, struct sb_str path, struct sb_http_match *m) {
    struct sb_str rest = path, part;
    size_t nparams = m->nparams;
    if (!sb_str_split(&rest, '/', &part)) return n->allowed ? n : NULL;
    const struct node *kid = literal_kid(n, part), *found = NULL;
    if (kid) found = walk(kid, rest, m);
    for (const struct node *v = n->verbs; v && !found; v = v->next) {
        if (part.n <= v->name.n || !sb_str_ends(part, v->name)) continue;
        m->nparams = nparams;
        m->params[m->nparams++] = sb_str_sub(part, 0, part.n - v->name.n);
        found = walk(v, rest, m);
    }
    if (!found && n->param && part.n) {
        m->nparams = nparams;
        m->params[m->nparams++] = part;
        found = walk(n->param, rest, m);
    }
    if (!found && n->rest) {
        m->nparams = nparams;
        m->params[m->nparams++] = path;
        found = n->rest;
    }
    return found;
}

bool sb_http_router_find(const struct sb_http_router *r, enum sb_http_method method,
                         struct sb_str path, struct sb_http_match *out) {
    out->nparams = 0;
    out->route = NULL;
    out->allowed = 0;
    if (path.n == 0 || path.p[0] != '/') return false;
    const struct node *n = walk(&r->root, sb_str_sub(path, 1, path.n), out);
    if (!n) return false;
    out->allowed = n->allowed;
    if (method == SB_HTTP_HEAD && !n->routes[method]) method = SB_HTTP_GET;
    out->route = n->routes[method];
    out->table = n->table[method];
    return true;
}
