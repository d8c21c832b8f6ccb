/* Tokens by a scanner that looks one ahead, above it one function for each production. */
#include "engine/graphql/graphql.h"

#include "base/buf.h"
#include "codec/utf8.h"

enum token_kind {
    T_END,
    T_PUNCTUATOR, /* text: "{", "..." */
    T_NAME,
    T_INT,
    T_FLOAT,
    T_STRING, /* text: decoded */
};

struct token {
    enum token_kind kind;
    struct sb_str text;
    size_t pos;
};

struct parser {
    struct sb_str text;
    size_t at; /* after `now` */
    struct token now;
    size_t depth;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
};

/* ---- characters ---- */

static int peek(const struct parser *p, size_t ahead) {
    return p->at + ahead < p->text.n ? (unsigned char)p->text.p[p->at + ahead] : -1;
}

static bool is_digit(int c) {
    return c >= '0' && c <= '9';
}

static bool name_start(int c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_part(int c) {
    return name_start(c) || is_digit(c);
}

static sb_err fail(struct parser *p, size_t pos, const char *what) {
    return sb_fail_at(p->ctx, SB_E_SYNTAX, (int64_t)pos, "Syntax Error: %s.", what);
}

static sb_err over_limit(struct parser *p) {
    return sb_fail_at(p->ctx, SB_E_LIMIT, (int64_t)p->at, "The query is too large.");
}

static void *try_new(struct parser *p, size_t size) {
    return sb_arena_try_array(p->arena, 1, size);
}
/* Memory for a node of the tree. */
#define NEW(p, to)                                                                                 \
    do {                                                                                           \
        (to) = try_new((p), sizeof *(to));                                                         \
        if (!(to)) return over_limit(p);                                                           \
    } while (0)

static sb_err keep(struct parser *p, struct sb_str s, struct sb_str *out) {
    *out = sb_arena_dup(p->arena, s);
    return out->p ? SB_OK : over_limit(p);
}

/* White space, commas, comments and a BOM mean nothing between tokens. */
static void skip_ignored(struct parser *p) {
    for (;;) {
        int c = peek(p, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',')
            p->at++;
        else if (c == 0xEF && peek(p, 1) == 0xBB && peek(p, 2) == 0xBF)
            p->at += 3;
        else if (c == '#')
            while (peek(p, 0) >= 0 && peek(p, 0) != '\n' && peek(p, 0) != '\r') p->at++;
        else
            return;
    }
}

/* ---- numbers: section 2.9.1 and 2.9.2 ---- */

static bool take_digits(struct parser *p) {
    size_t from = p->at;
    while (is_digit(peek(p, 0))) p->at++;
    return p->at > from;
}

static sb_err scan_number(struct parser *p) {
    bool real = false;
    size_t from = p->at;
    if (peek(p, 0) == '-') p->at++;
    if (peek(p, 0) == '0' && is_digit(peek(p, 1)))
        return fail(p, p->at, "Invalid number, unexpected digit after 0");
    if (!take_digits(p)) return fail(p, p->at, "Invalid number, expected digit");
    if (peek(p, 0) == '.') {
        real = true;
        p->at++;
        if (!take_digits(p)) return fail(p, p->at, "Invalid number, expected digit");
    }
    if (peek(p, 0) == 'e' || peek(p, 0) == 'E') {
        real = true;
        p->at++;
        if (peek(p, 0) == '+' || peek(p, 0) == '-') p->at++;
        if (!take_digits(p)) return fail(p, p->at, "Invalid number, expected digit");
    }
    if (peek(p, 0) == '.' || name_start(peek(p, 0)))
        return fail(p, p->at, "Invalid number, expected digit");
    p->now.kind = real ? T_FLOAT : T_INT;
    return keep(p, sb_str_sub(p->text, from, p->at - from), &p->now.text);
}

/* ---- strings: section 2.9.4 ---- */

static int hex_value(int c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hex digits after \u, or one to six in braces. */
static bool scan_hex(struct parser *p, uint32_t *out) {
    bool braces = peek(p, 0) == '{';
    size_t n = 0, max = braces ? 6 : 4;
    *out = 0;
    p->at += braces;
    for (; n < max && hex_value(peek(p, 0)) >= 0; n++, p->at++)
        *out = *out << 4 | (uint32_t)hex_value(peek(p, 0));
    if (!braces) return n == 4;
    return n > 0 && peek(p, 0) == '}' && p->at++ > 0;
}

static bool scan_unicode(struct parser *p, uint32_t *out) {
    uint32_t low;
    if (!scan_hex(p, out)) return false;
    if (*out >= 0xD800 && *out <= 0xDBFF) { /* a pair of surrogates */
        if (peek(p, 0) != '\\' || peek(p, 1) != 'u') return false;
        p->at += 2;
        if (!scan_hex(p, &low) || low < 0xDC00 || low > 0xDFFF) return false;
        *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
        return true;
    }
    return *out <= 0x10FFFF && !(*out >= 0xDC00 && *out <= 0xDFFF);
}

/* After the backslash. */
static sb_err scan_escape(struct parser *p, struct sb_buf *to) {
    static const char from[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    int c = peek(p, 0);
    const char *at = c > 0 ? strchr(from, c) : NULL;
    p->at++;
    if (at) {
        sb_buf_addc(to, meaning[at - from]);
        return SB_OK;
    }
    uint32_t point;
    char bytes[4];
    size_t pos = p->at - 1;
    if (c != 'u') return fail(p, pos, "Invalid character escape sequence");
    if (!scan_unicode(p, &point)) return fail(p, pos, "Invalid Unicode escape sequence");
    sb_buf_add(to, bytes, sb_utf8_put(bytes, point));
    return SB_OK;
}

/* After the opening quote. */
static sb_err scan_string(struct parser *p, struct sb_buf *to) {
    for (;;) {
        int c = peek(p, 0);
        if (c < 0 || c == '\n' || c == '\r') return fail(p, p->at, "Unterminated string");
        if (c < ' ' && c != '\t') return fail(p, p->at, "Invalid character within String");
        p->at++;
        if (c == '"') return SB_OK;
        if (c == '\\')
            SB_TRY(scan_escape(p, to));
        else
            sb_buf_addc(to, (char)c);
    }
}

static bool at_quotes(const struct parser *p, size_t ahead) {
    return peek(p, ahead) == '"' && peek(p, ahead + 1) == '"' && peek(p, ahead + 2) == '"';
}

/* After the opening three. */
static sb_err scan_block(struct parser *p, struct sb_buf *to) {
    for (;;) {
        int c = peek(p, 0);
        if (c < 0) return fail(p, p->at, "Unterminated string");
        if (at_quotes(p, 0)) {
            p->at += 3;
            return SB_OK;
        }
        if (c == '\\' && at_quotes(p, 1)) {
            SB_BUF_LIT(to, "\"\"\"");
            p->at += 4;
            continue;
        }
        sb_buf_addc(to, (char)c);
        p->at++;
    }
}

static sb_err scan_any_string(struct parser *p) {
    struct sb_buf b;
    bool block = at_quotes(p, 0);
    size_t pos = p->at;
    sb_buf_init(&b, SB_GRAPHQL_TEXT_MAX);
    p->at += block ? 3 : 1;
    sb_err err = block ? scan_block(p, &b) : scan_string(p, &b);
    if (!err && !sb_utf8_valid(sb_buf_view(&b))) err = fail(p, pos, "Invalid UTF-8");
    if (!err) err = keep(p, sb_buf_view(&b), &p->now.text);
    p->now.kind = T_STRING;
    sb_buf_fini(&b);
    return err;
}

/* ---- tokens ---- */

static sb_err next(struct parser *p) {
    skip_ignored(p);
    int c = peek(p, 0);
    p->now = (struct token){.kind = T_END, .text = SB_STR(""), .pos = p->at};
    if (c < 0) return SB_OK;
    if (name_start(c)) {
        while (name_part(peek(p, 0))) p->at++;
        p->now.kind = T_NAME;
        return keep(p, sb_str_sub(p->text, p->now.pos, p->at - p->now.pos), &p->now.text);
    }
    if (c == '-' || is_digit(c)) return scan_number(p);
    if (c == '"') return scan_any_string(p);
    size_t n = c == '.' && peek(p, 1) == '.' && peek(p, 2) == '.' ? 3 : 1;
    if (n == 1 && (c == 0 || !strchr("!$&()=:@[]{|}", c)))
        return fail(p, p->at, "Unexpected character");
    p->now.kind = T_PUNCTUATOR;
    p->now.text = sb_str_sub(p->text, p->at, n);
    p->at += n;
    return SB_OK;
}

/* The token looked at, as messages name it. */
static const char *shown(struct parser *p) {
    static const char *const kinds[] = {
        [T_NAME] = "Name ", [T_INT] = "Int ", [T_FLOAT] = "Float ", [T_STRING] = "String "};
    if (p->now.kind == T_END) return "<EOF>";
    struct sb_str t = sb_str_sub(p->now.text, 0, 60);
    return sb_arena_printf(p->arena, "%s'%.*s'",
                           p->now.kind == T_PUNCTUATOR ? "" : kinds[p->now.kind], SB_ARG(t));
}

static sb_err expected(struct parser *p, const char *what) {
    return fail(p, p->now.pos, sb_arena_printf(p->arena, "Expected %s, found %s", what, shown(p)));
}

static sb_err unexpected(struct parser *p) {
    return fail(p, p->now.pos, sb_arena_printf(p->arena, "Unexpected %s", shown(p)));
}

static bool is(const struct parser *p, const char *punctuator) {
    return p->now.kind == T_PUNCTUATOR && sb_str_is(p->now.text, punctuator);
}

static bool is_word(const struct parser *p, const char *word) {
    return p->now.kind == T_NAME && sb_str_is(p->now.text, word);
}

static sb_err expect(struct parser *p, const char *punctuator) {
    if (!is(p, punctuator)) return expected(p, sb_arena_printf(p->arena, "'%s'", punctuator));
    return next(p);
}

static sb_err take_name(struct parser *p, struct sb_str *out) {
    if (p->now.kind != T_NAME) return expected(p, "Name");
    *out = p->now.text;
    return next(p);
}

/* The depth of selections, values and types together. */
static sb_err enter(struct parser *p) {
    return ++p->depth > SB_GRAPHQL_DEPTH_MAX ? over_limit(p) : SB_OK;
}

/* ---- values: section 2.9 ---- */

static sb_err parse_value(struct parser *p, bool constant, struct sb_graphql_value *v);

static sb_err parse_variable_use(struct parser *p, bool constant, struct sb_graphql_value *v) {
    if (constant) return unexpected(p);
    v->kind = SB_GRAPHQL_VARIABLE;
    SB_TRY(next(p));
    return take_name(p, &v->text);
}

static sb_err parse_word(struct parser *p, struct sb_graphql_value *v) {
    v->kind = SB_GRAPHQL_ENUM;
    if (is_word(p, "true") || is_word(p, "false")) v->kind = SB_GRAPHQL_BOOL;
    if (is_word(p, "null")) v->kind = SB_GRAPHQL_NULL;
    return take_name(p, &v->text);
}

/* name: value ... up to the closing one; at least one where `some`. */
static sb_err parse_named(struct parser *p, const char *close, bool some, bool constant,
                          struct sb_graphql_value **first, size_t *n) {
    struct sb_graphql_value **at = first;
    if (some && is(p, close)) return expected(p, "Name");
    for (; !is(p, close); at = &(*at)->next, (*n)++) {
        NEW(p, *at);
        SB_TRY(take_name(p, &(*at)->name));
        SB_TRY(expect(p, ":"));
        SB_TRY(parse_value(p, constant, *at));
    }
    return next(p);
}

static sb_err parse_list(struct parser *p, bool constant, struct sb_graphql_value *v) {
    struct sb_graphql_value **at = &v->child;
    for (; !is(p, "]"); at = &(*at)->next, v->n++) {
        NEW(p, *at);
        SB_TRY(parse_value(p, constant, *at));
    }
    return next(p);
}

static sb_err parse_value(struct parser *p, bool constant, struct sb_graphql_value *v) {
    static const enum sb_graphql_kind kinds[] = {
        [T_INT] = SB_GRAPHQL_INT, [T_FLOAT] = SB_GRAPHQL_FLOAT, [T_STRING] = SB_GRAPHQL_STRING};
    if (is(p, "$")) return parse_variable_use(p, constant, v);
    if (p->now.kind == T_NAME) return parse_word(p, v);
    if (p->now.kind >= T_INT) {
        v->kind = kinds[p->now.kind];
        v->text = p->now.text;
        return next(p);
    }
    if (!is(p, "[") && !is(p, "{")) return unexpected(p);
    v->kind = is(p, "[") ? SB_GRAPHQL_LIST : SB_GRAPHQL_OBJECT;
    SB_TRY(enter(p));
    SB_TRY(next(p));
    if (v->kind == SB_GRAPHQL_LIST)
        SB_TRY(parse_list(p, constant, v));
    else
        SB_TRY(parse_named(p, "}", false, constant, &v->child, &v->n));
    p->depth--;
    return SB_OK;
}

static sb_err parse_arguments(struct parser *p, bool constant, struct sb_graphql_value **out) {
    size_t n = 0;
    if (!is(p, "(")) return SB_OK;
    SB_TRY(next(p));
    return parse_named(p, ")", true, constant, out, &n);
}

static sb_err parse_directives(struct parser *p, bool constant, struct sb_graphql_directive **at) {
    for (; is(p, "@"); at = &(*at)->next) {
        NEW(p, *at);
        SB_TRY(next(p));
        SB_TRY(take_name(p, &(*at)->name));
        SB_TRY(parse_arguments(p, constant, &(*at)->args));
    }
    return SB_OK;
}

/* ---- selections: section 2.4 ---- */

static sb_err parse_set(struct parser *p, struct sb_graphql_selection **at);

static sb_err parse_field(struct parser *p, struct sb_graphql_selection *s) {
    s->kind = SB_GRAPHQL_FIELD;
    SB_TRY(take_name(p, &s->name));
    if (is(p, ":")) {
        SB_TRY(next(p));
        s->alias = s->name;
        SB_TRY(take_name(p, &s->name));
    }
    SB_TRY(parse_arguments(p, false, &s->args));
    SB_TRY(parse_directives(p, false, &s->directives));
    return is(p, "{") ? parse_set(p, &s->child) : SB_OK;
}

/* After the three dots. */
static sb_err parse_fragment_use(struct parser *p, struct sb_graphql_selection *s) {
    if (p->now.kind == T_NAME && !is_word(p, "on")) {
        s->kind = SB_GRAPHQL_SPREAD;
        SB_TRY(take_name(p, &s->name));
        return parse_directives(p, false, &s->directives);
    }
    s->kind = SB_GRAPHQL_INLINE;
    if (is_word(p, "on")) {
        SB_TRY(next(p));
        SB_TRY(take_name(p, &s->on));
    }
    SB_TRY(parse_directives(p, false, &s->directives));
    return parse_set(p, &s->child);
}

static sb_err parse_set(struct parser *p, struct sb_graphql_selection **at) {
    SB_TRY(enter(p));
    SB_TRY(expect(p, "{"));
    do {
        NEW(p, *at);
        if (is(p, "...")) {
            SB_TRY(next(p));
            SB_TRY(parse_fragment_use(p, *at));
        } else {
            SB_TRY(parse_field(p, *at));
        }
        at = &(*at)->next;
    } while (!is(p, "}"));
    p->depth--;
    return next(p);
}

/* ---- definitions: sections 2.3, 2.8, 2.10 ---- */

static sb_err parse_type(struct parser *p, struct sb_buf *to) {
    struct sb_str name;
    if (is(p, "[")) {
        SB_TRY(enter(p));
        SB_TRY(next(p));
        sb_buf_addc(to, '[');
        SB_TRY(parse_type(p, to));
        SB_TRY(expect(p, "]"));
        sb_buf_addc(to, ']');
        p->depth--;
    } else {
        SB_TRY(take_name(p, &name));
        sb_buf_adds(to, name);
    }
    if (!is(p, "!")) return SB_OK;
    sb_buf_addc(to, '!');
    return next(p);
}

static sb_err parse_variable(struct parser *p, struct sb_graphql_variable *v) {
    struct sb_buf type;
    SB_TRY(expect(p, "$"));
    SB_TRY(take_name(p, &v->name));
    SB_TRY(expect(p, ":"));
    sb_buf_init(&type, SB_GRAPHQL_TEXT_MAX);
    sb_err err = parse_type(p, &type);
    if (!err) err = keep(p, sb_buf_view(&type), &v->type);
    sb_buf_fini(&type);
    SB_TRY(err);
    if (is(p, "=")) {
        NEW(p, v->fallback);
        SB_TRY(next(p));
        SB_TRY(parse_value(p, true, v->fallback));
    }
    struct sb_graphql_directive *directives = NULL;
    SB_TRY(parse_directives(p, true, &directives));
    return directives ? fail(p, p->now.pos, "Unexpected directive of a variable") : SB_OK;
}

static sb_err parse_operation(struct parser *p, struct sb_graphql_operation *o) {
    struct sb_graphql_variable **at = &o->variables;
    o->type = SB_STR("query");
    if (is(p, "{")) return parse_set(p, &o->child);
    SB_TRY(take_name(p, &o->type));
    if (p->now.kind == T_NAME) SB_TRY(take_name(p, &o->name));
    if (is(p, "(")) {
        SB_TRY(next(p));
        do {
            NEW(p, *at);
            SB_TRY(parse_variable(p, *at));
            at = &(*at)->next;
        } while (!is(p, ")"));
        SB_TRY(next(p));
    }
    SB_TRY(parse_directives(p, false, &o->directives));
    return parse_set(p, &o->child);
}

static sb_err parse_fragment(struct parser *p, struct sb_graphql_fragment *f) {
    SB_TRY(next(p));
    if (is_word(p, "on")) return unexpected(p);
    SB_TRY(take_name(p, &f->name));
    if (!is_word(p, "on")) return expected(p, "'on'");
    SB_TRY(next(p));
    SB_TRY(take_name(p, &f->on));
    SB_TRY(parse_directives(p, false, &f->directives));
    return parse_set(p, &f->child);
}

static bool is_operation(const struct parser *p) {
    return is(p, "{") || is_word(p, "query") || is_word(p, "mutation") ||
           is_word(p, "subscription");
}

sb_err sb_graphql_parse(struct sb_graphql_document *out, struct sb_str text, struct sb_arena *arena,
                        struct sb_errctx *ctx) {
    struct parser p = {.text = text, .arena = arena, .ctx = ctx};
    struct sb_graphql_document d = {0};
    struct sb_graphql_operation **operation = &d.operations;
    struct sb_graphql_fragment **fragment = &d.fragments;
    if (text.n > SB_GRAPHQL_TEXT_MAX) return over_limit(&p);
    SB_TRY(next(&p));
    do {
        if (is_operation(&p)) {
            NEW(&p, *operation);
            SB_TRY(parse_operation(&p, *operation));
            operation = &(*operation)->next;
        } else if (is_word(&p, "fragment")) {
            NEW(&p, *fragment);
            SB_TRY(parse_fragment(&p, *fragment));
            fragment = &(*fragment)->next;
        } else {
            return unexpected(&p);
        }
    } while (p.now.kind != T_END);
    *out = d;
    return SB_OK;
}
