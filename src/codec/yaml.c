/* libyaml's events, one loop over an explicit stack. An alias is replaced by a copy of the node it
 * names; copies count as nodes, so no nest of aliases can grow without bound. */
#include "codec/yaml.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "codec/json_int.h"

struct frame {
    struct sb_json *node;
    struct sb_json **tail;
    struct sb_str anchor; /* of this container, known from its end on */
    struct sb_str key;    /* read, waiting for its value */
    size_t key_line;
    bool has_key;
};

struct anchor {
    struct sb_str name;
    const struct sb_json *node;
    size_t levels; /* of nesting below it */
    struct anchor *next;
};

struct loader {
    yaml_parser_t parser;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    struct frame stack[SB_YAML_DEPTH];
    size_t depth, nodes, aliases, documents;
    struct anchor *anchors; /* newest first */
    struct sb_json *root;
    yaml_mark_t at; /* of the event at hand */
};

SB_PRINTF(3, 4)
static sb_err fail(struct loader *l, sb_err code, const char *fmt, ...) {
    char msg[SB_ERRMSG_MAX - 48];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return sb_fail_at(l->ctx, code, (int64_t)l->at.line + 1, "%s at line %zu, column %zu", msg,
                      l->at.line + 1, l->at.column + 1);
}

static sb_err no_memory(struct loader *l) {
    return fail(l, SB_E_LIMIT, "no memory for this document");
}

/* ---- scalars ---- */

static bool one_of(struct sb_str s, const char *words) {
    struct sb_str rest = sb_str_of(words), w;
    while (sb_str_split(&rest, ' ', &w)) {
        if (sb_str_eq(s, w)) return true;
    }
    return false;
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Fills v when s is an integer. One over int64 keeps only its value as a double. */
static bool resolve_int(struct sb_str s, struct sb_json *v) {
    bool neg = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) s = sb_str_sub(s, 1, s.n);
    int base = 10;
    if (s.n > 1 && s.p[0] == '0') {
        char c = s.p[1];
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        s = sb_str_sub(s, c == 'x' || c == 'b' || c == 'o' ? 2 : 1, s.n);
    }
    if (!s.n || (base == 10 && s.p[0] == '_')) return false;
    uint64_t w = 0;
    double d = 0;
    bool fits = true, any = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_') continue;
        int digit = digit_value(s.p[i]);
        if (digit >= base) return false;
        any = true;
        d = d * base + digit;
        fits = fits && !__builtin_mul_overflow(w, (uint64_t)base, &w) &&
               !__builtin_add_overflow(w, (uint64_t)digit, &w);
    }
    v->is_int = fits && w <= (uint64_t)INT64_MAX + neg;
    v->i = !v->is_int ? 0 : neg ? (int64_t)(0 - w) : (int64_t)w;
    v->d = v->is_int ? (double)v->i : neg ? -d : d;
    return any;
}

/* Digits of s from *i on, without their underscores, at to; returns how many. */
static size_t copy_digits(struct sb_str s, size_t *i, char *to) {
    size_t n = 0;
    for (; *i < s.n && (digit_value(s.p[*i]) < 10 || s.p[*i] == '_'); ++*i) {
        if (s.p[*i] != '_') to[n++] = s.p[*i];
    }
    return n;
}

static bool resolve_nonfinite(struct sb_str s, struct sb_json *v) {
    bool sign = s.n && (s.p[0] == '-' || s.p[0] == '+');
    if (one_of(sb_str_sub(s, sign, s.n), ".inf .Inf .INF")) {
        v->d = s.p[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    v->d = (double)NAN;
    return one_of(s, ".nan .NaN .NAN");
}

/* PyYAML's form: digits, a point, and an exponent only with its sign. Read as a JSON number, which
 * has digits on both sides of the point and no zeros before them. */
static bool resolve_float(struct sb_str s, struct sb_json *v) {
    char text[128], digits[128];
    size_t n = 0, i = 0;
    if (s.n > sizeof text - 8) return false;
    if (s.n && s.p[0] == '-') text[n++] = '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) i++;
    if (i < s.n && s.p[i] == '_') return false;
    size_t whole = copy_digits(s, &i, digits), zeros = 0;
    while (zeros + 1 < whole && digits[zeros] == '0') zeros++;
    memcpy(text + n, whole ? digits + zeros : "0", whole ? whole - zeros : 1);
    n += whole ? whole - zeros : 1;
    if (i == s.n || s.p[i++] != '.') return false;
    text[n++] = '.';
    size_t fraction = copy_digits(s, &i, text + n);
    if (!whole && !fraction) return false;
    n += fraction;
    if (!fraction) text[n++] = '0';
    if (i + 1 < s.n && (s.p[i] | 0x20) == 'e' && (s.p[i + 1] == '-' || s.p[i + 1] == '+')) {
        memcpy(text + n, s.p + i, s.n - i);
        n += s.n - i;
        i = s.n;
    }
    return i == s.n && sb_double_parse(sb_str_make(text, n), &v->d);
}

static bool resolve_number(struct sb_str s, struct sb_json *v) {
    if (resolve_int(s, v)) return true;
    v->is_int = false;
    return resolve_float(s, v) || resolve_nonfinite(s, v);
}

/* The type of a plain scalar. v->s is its text already. */
static void resolve(struct sb_json *v) {
    struct sb_str s = v->s;
    struct sb_json number = {0};
    v->type = SB_JSON_STRING;
    if (!s.n || one_of(s, "~ null Null NULL")) {
        v->type = SB_JSON_NULL;
    } else if (one_of(s, "yes Yes YES true True TRUE on On ON")) {
        v->type = SB_JSON_TRUE;
    } else if (one_of(s, "no No NO false False FALSE off Off OFF")) {
        v->type = SB_JSON_FALSE;
    } else if (resolve_number(s, &number)) {
        double d;
        v->type = SB_JSON_NUMBER;
        v->is_int = number.is_int;
        v->i = number.i;
        v->d = number.d;
        if (!sb_double_parse(s, &d)) v->s = (struct sb_str){0};
    }
    if (v->type < SB_JSON_NUMBER) v->s = (struct sb_str){0};
}

/* The name behind "tag:yaml.org,2002:"; empty when there is no tag. */
static sb_err core_tag(struct loader *l, const yaml_char_t *tag, const char *allowed,
                       struct sb_str *name) {
    static const char prefix[] = "tag:yaml.org,2002:";
    struct sb_str t = sb_str_of((const char *)tag);
    *name = (struct sb_str){0};
    if (!t.n || sb_str_is(t, "!")) return SB_OK;
    if (sb_str_starts(t, sb_str_of(prefix))) {
        *name = sb_str_sub(t, sizeof prefix - 1, t.n);
        if (one_of(*name, allowed)) return SB_OK;
    }
    int shown = t.n < 80 ? (int)t.n : 80;
    return fail(l, SB_E_UNSUPPORTED, "tag %.*s is not allowed here", shown, t.p);
}

static sb_err scalar(struct loader *l, const yaml_event_t *e, struct sb_json *v) {
    struct sb_str tag;
    SB_TRY(core_tag(l, e->data.scalar.tag, "null bool int float str", &tag));
    if (e->data.scalar.tag && !tag.n) tag = SB_STR("str");
    v->s = sb_arena_dup(l->arena,
                        sb_str_make((const char *)e->data.scalar.value, e->data.scalar.length));
    if (!v->s.p) return no_memory(l);
    v->type = SB_JSON_STRING;
    if (sb_str_is(tag, "str") || (!tag.n && e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE))
        return SB_OK;
    resolve(v);
    if (!tag.n) return SB_OK;
    bool fits = sb_str_is(tag, "null")   ? v->type == SB_JSON_NULL
                : sb_str_is(tag, "bool") ? v->type == SB_JSON_TRUE || v->type == SB_JSON_FALSE
                : sb_str_is(tag, "int")  ? v->type == SB_JSON_NUMBER && v->is_int
                                         : v->type == SB_JSON_NUMBER;
    return fits ? SB_OK : fail(l, SB_E_INVALID, "this scalar is no %.*s", SB_ARG(tag));
}

/* ---- nodes ---- */

static sb_err new_node(struct loader *l, struct sb_json **out) {
    if (++l->nodes > SB_YAML_NODES)
        return fail(l, SB_E_LIMIT, "more than %d values", SB_YAML_NODES);
    *out = sb_arena_try(l->arena, sizeof **out);
    if (!*out) return no_memory(l);
    **out = (struct sb_json){.pos = l->at.line + 1};
    return SB_OK;
}

/* Links v into the container at hand, or as the root. */
static void attach(struct loader *l, struct sb_json *v) {
    if (!l->depth) {
        l->root = v;
        return;
    }
    struct frame *f = &l->stack[l->depth - 1];
    v->key = f->key;
    v->key_pos = f->key_line;
    f->key = (struct sb_str){0};
    f->has_key = false;
    *f->tail = v;
    f->tail = &v->next;
    f->node->n++;
}

static bool key_expected(const struct loader *l) {
    const struct frame *f = l->depth ? &l->stack[l->depth - 1] : NULL;
    return f && f->node->type == SB_JSON_OBJECT && !f->has_key;
}

static size_t levels_below(const struct sb_json *v) {
    const struct sb_json *open[SB_YAML_DEPTH];
    size_t depth = 0, most = 0;
    if (v->type < SB_JSON_ARRAY) return 0;
    open[depth++] = v;
    most = 1;
    for (const struct sb_json *at = v->child; depth;) {
        if (!at) {
            at = open[--depth]->next;
            if (!depth) break;
        } else if (at->type >= SB_JSON_ARRAY) {
            open[depth++] = at;
            if (depth > most) most = depth;
            at = at->child;
        } else {
            at = at->next;
        }
    }
    return most;
}

static sb_err remember(struct loader *l, struct sb_str name, const struct sb_json *node) {
    if (!name.n) return SB_OK;
    struct anchor *a = sb_arena_try(l->arena, sizeof *a);
    if (!a) return no_memory(l);
    *a = (struct anchor){name, node, levels_below(node), l->anchors};
    l->anchors = a;
    return SB_OK;
}

static sb_err anchor_name(struct loader *l, const yaml_char_t *name, struct sb_str *out) {
    *out = (struct sb_str){0};
    if (!name) return SB_OK;
    *out = sb_arena_dup(l->arena, sb_str_of((const char *)name));
    return out->p ? SB_OK : no_memory(l);
}

/* A deep copy of what the anchor names, in document order. */
static sb_err copy_tree(struct loader *l, const struct sb_json *from, struct sb_json **out) {
    struct {
        const struct sb_json *from;
        struct sb_json *to;
    } open[SB_YAML_DEPTH];
    size_t depth = 0;
    struct sb_json **slot = out;
    for (;;) {
        struct sb_json *v;
        SB_TRY(new_node(l, &v));
        *v = *from;
        v->child = v->next = NULL;
        if (!depth) v->key = (struct sb_str){0};
        *slot = v;
        const struct sb_json *next = from->type >= SB_JSON_ARRAY ? from->child : NULL;
        if (next) {
            open[depth].from = from;
            open[depth++].to = v;
            slot = &v->child;
        } else {
            next = depth ? from->next : NULL;
            slot = &v->next;
        }
        while (!next && depth) {
            depth--;
            slot = &open[depth].to->next;
            next = depth ? open[depth].from->next : NULL;
        }
        if (!next) return SB_OK;
        from = next;
    }
}

static sb_err alias(struct loader *l, const yaml_event_t *e) {
    struct sb_str name = sb_str_of((const char *)e->data.alias.anchor);
    int shown = name.n < 80 ? (int)name.n : 80;
    if (key_expected(l)) return fail(l, SB_E_UNSUPPORTED, "a key may not be an alias");
    if (++l->aliases > SB_YAML_ALIASES)
        return fail(l, SB_E_LIMIT, "more than %d aliases", SB_YAML_ALIASES);
    struct anchor *a = l->anchors;
    while (a && !sb_str_eq(a->name, name)) a = a->next;
    if (!a) return fail(l, SB_E_INVALID, "no finished value has the anchor &%.*s", shown, name.p);
    if (l->depth + a->levels > SB_YAML_DEPTH)
        return fail(l, SB_E_LIMIT, "nested deeper than %d levels", SB_YAML_DEPTH);
    struct sb_json *v;
    SB_TRY(copy_tree(l, a->node, &v));
    attach(l, v);
    return SB_OK;
}

/* ---- events ---- */

static sb_err on_scalar(struct loader *l, const yaml_event_t *e) {
    struct sb_str anchor;
    SB_TRY(anchor_name(l, e->data.scalar.anchor, &anchor));
    if (!key_expected(l)) {
        struct sb_json *v;
        SB_TRY(new_node(l, &v));
        SB_TRY(scalar(l, e, v));
        attach(l, v);
        return remember(l, anchor, v);
    }
    struct sb_str text = {(const char *)e->data.scalar.value, e->data.scalar.length}, tag;
    SB_TRY(core_tag(l, e->data.scalar.tag, "null bool int float str", &tag));
    if (anchor.n) return fail(l, SB_E_UNSUPPORTED, "a key may not have an anchor");
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && sb_str_is(text, "<<"))
        return fail(l, SB_E_UNSUPPORTED, "merge keys (<<) are not supported");
    struct frame *f = &l->stack[l->depth - 1];
    f->key = sb_arena_dup(l->arena, text);
    f->key_line = l->at.line + 1;
    f->has_key = true;
    return f->key.p ? SB_OK : no_memory(l);
}

static sb_err on_start(struct loader *l, enum sb_json_type type, const yaml_char_t *tag,
                       const yaml_char_t *anchor) {
    struct sb_str name;
    struct sb_json *v;
    SB_TRY(core_tag(l, tag, type == SB_JSON_OBJECT ? "map" : "seq", &name));
    if (key_expected(l)) return fail(l, SB_E_UNSUPPORTED, "a key must be a scalar");
    if (l->depth == SB_YAML_DEPTH)
        return fail(l, SB_E_LIMIT, "nested deeper than %d levels", SB_YAML_DEPTH);
    SB_TRY(anchor_name(l, anchor, &name));
    SB_TRY(new_node(l, &v));
    v->type = type;
    attach(l, v);
    l->stack[l->depth++] = (struct frame){.node = v, .tail = &v->child, .anchor = name};
    return SB_OK;
}

static sb_err on_end(struct loader *l) {
    struct frame *f = &l->stack[--l->depth];
    if (f->node->type == SB_JSON_OBJECT) {
        const struct sb_json *dup;
        if (sb_json_find_duplicate(f->node, &dup) != SB_OK) return no_memory(l);
        if (dup) {
            int shown = dup->key.n < 80 ? (int)dup->key.n : 80;
            return fail(l, SB_E_SYNTAX, "duplicate key \"%.*s\" in the mapping that ends", shown,
                        dup->key.p);
        }
    }
    return remember(l, f->anchor, f->node);
}

static sb_err on_event(struct loader *l, const yaml_event_t *e) {
    l->at = e->start_mark;
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (l->documents++) return fail(l, SB_E_SYNTAX, "more than one document");
        return SB_OK;
    case YAML_SCALAR_EVENT: return on_scalar(l, e);
    case YAML_ALIAS_EVENT: return alias(l, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(l, SB_JSON_ARRAY, e->data.sequence_start.tag,
                        e->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return on_start(l, SB_JSON_OBJECT, e->data.mapping_start.tag, e->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return on_end(l);
    default: return SB_OK;
    }
}

static sb_err load(struct loader *l) {
    for (bool end = false; !end;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&l->parser, &e)) {
            bool reader = l->parser.error == YAML_READER_ERROR;
            l->at = reader ? l->parser.mark : l->parser.problem_mark;
            return fail(l, l->parser.error == YAML_MEMORY_ERROR ? SB_E_NOMEM : SB_E_SYNTAX, "%s",
                        l->parser.problem ? l->parser.problem : "not YAML");
        }
        end = e.type == YAML_STREAM_END_EVENT;
        sb_err err = on_event(l, &e);
        yaml_event_delete(&e);
        if (err) return err;
    }
    return l->root ? SB_OK : new_node(l, &l->root);
}

sb_err sb_yaml_parse(struct sb_json **out, struct sb_str text, struct sb_arena *arena,
                     struct sb_errctx *ctx) {
    if (text.n > SB_YAML_BYTES)
        return sb_fail_at(ctx, SB_E_LIMIT, 0, "YAML longer than %d bytes", SB_YAML_BYTES);
    struct loader l = {.arena = arena, .ctx = ctx};
    if (!yaml_parser_initialize(&l.parser))
        return sb_fail(ctx, SB_E_NOMEM, "no memory for a YAML parser");
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    sb_err err = load(&l);
    yaml_parser_delete(&l.parser);
    if (!err) *out = l.root;
    return err;
}
