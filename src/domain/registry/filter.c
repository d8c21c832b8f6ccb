/* Reading filters and order_by items. */
#include "domain/registry/filter.h"

#include "codec/json.h"
#include "domain/registry/store_int.h"

/* ---- tokens ---- */

enum token_type {
    TOKEN_END,
    TOKEN_NAME,   /* words and quoted parts joined by dots */
    TOKEN_STRING, /* '...' */
    TOKEN_NUMBER,
    TOKEN_OP,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_BAD,
};

struct token {
    enum token_type type;
    struct sb_str text; /* as written */
    size_t dot;  /* NAME: offset of the first dot outside quotes, text.n when there is none */
    bool quoted; /* NAME: is one quoted part */
};

struct scanner {
    struct sb_registry_call *c;
    const struct sb_filter_table *table;
    enum sb_filter_for what;
    struct sb_str text;
    size_t at;
    struct token now; /* the token looked at */
};

static bool is_digit(char ch) {
    return ch >= '0' && ch <= '9';
}

static bool is_word(char ch) {
    return is_digit(ch) || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' ||
           ((unsigned char)ch & 0x80);
}

static bool is_space(char ch) {
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\f' || ch == '\v';
}

/* The byte n places on, or NUL past the end (a NUL in the text is no token either). */
static char peek(const struct scanner *s, size_t n) {
    return s->at + n < s->text.n ? s->text.p[s->at + n] : '\0';
}

/* Past the closing quote; false when there is none. */
static bool scan_quoted(struct scanner *s) {
    char quote = peek(s, 0);
    s->at++;
    while (s->at < s->text.n) {
        if (peek(s, 0) == quote) {
            s->at++;
            if (peek(s, 0) != quote || s->at >= s->text.n) return true;
        } else if (peek(s, 0) == '\\' && quote != '`' && s->at + 1 < s->text.n) {
            s->at++;
        }
        s->at++;
    }
    return false;
}

static enum token_type scan_name(struct scanner *s, struct token *t) {
    size_t begin = s->at;
    bool first = true;
    t->dot = SIZE_MAX;
    for (;; first = false) {
        char ch = peek(s, 0);
        if (ch == '`' || ch == '"') {
            if (!scan_quoted(s)) return TOKEN_BAD;
            t->quoted = first;
        } else {
            size_t from = s->at;
            while (s->at < s->text.n && is_word(peek(s, 0))) s->at++;
            if (s->at == from) return TOKEN_BAD;
        }
        if (peek(s, 0) != '.') break;
        t->quoted = false;
        if (t->dot == SIZE_MAX) t->dot = s->at - begin;
        s->at++;
    }
    if (t->dot == SIZE_MAX) t->dot = s->at - begin;
    return TOKEN_NAME;
}

/* -1, 1.5, .5, 1., 2e10, -3.5E-7 */
static enum token_type scan_number(struct scanner *s) {
    if (peek(s, 0) == '-' || peek(s, 0) == '+') s->at++;
    size_t digits = 0;
    for (; is_digit(peek(s, 0)); digits++) s->at++;
    if (peek(s, 0) == '.') {
        s->at++;
        for (; is_digit(peek(s, 0)); digits++) s->at++;
    }
    if (digits == 0) return TOKEN_BAD;
    if (peek(s, 0) == 'e' || peek(s, 0) == 'E') {
        size_t sign = peek(s, 1) == '-' || peek(s, 1) == '+';
        if (!is_digit(peek(s, 1 + sign))) return TOKEN_BAD;
        s->at += 1 + sign;
        while (is_digit(peek(s, 0))) s->at++;
    }
    return is_word(peek(s, 0)) || peek(s, 0) == '.' ? TOKEN_BAD : TOKEN_NUMBER;
}

static enum token_type scan_token(struct scanner *s, struct token *t) {
    char ch = peek(s, 0);
    if (s->at >= s->text.n) return TOKEN_END;
    if (is_digit(ch) || ch == '-' || ch == '+' || ch == '.') return scan_number(s);
    if (is_word(ch) || ch == '`' || ch == '"') return scan_name(s, t);
    if (ch == '\'') return scan_quoted(s) ? TOKEN_STRING : TOKEN_BAD;
    if (ch != '\0' && strchr("=!<>~", ch)) {
        while (peek(s, 0) != '\0' && strchr("=!<>~", peek(s, 0))) s->at++;
        return TOKEN_OP;
    }
    s->at++;
    if (ch == '(') return TOKEN_OPEN;
    if (ch == ')') return TOKEN_CLOSE;
    return ch == ',' ? TOKEN_COMMA : TOKEN_BAD;
}

static void advance(struct scanner *s) {
    while (s->at < s->text.n && is_space(s->text.p[s->at])) s->at++;
    size_t begin = s->at;
    struct token t = {0};
    t.type = scan_token(s, &t);
    /* For messages, what is no token reaches to the next space. */
    while (t.type == TOKEN_BAD && s->at < s->text.n && !is_space(s->text.p[s->at])) s->at++;
    t.text = sb_str_sub(s->text, begin, s->at - begin);
    s->now = t;
}

static bool at_word(const struct scanner *s, const char *word) {
    return s->now.type == TOKEN_NAME && !s->now.quoted && sb_str_ieq(s->now.text, sb_str_of(word));
}

static sb_err bad_clause(struct scanner *s) {
    size_t from = s->now.text.p ? (size_t)(s->now.text.p - s->text.p) : s->text.n;
    struct sb_str rest = sb_str_trim(sb_str_sub(s->text, from, s->text.n - from));
    return sb_call_invalid(s->c, "Invalid clause(s) in filter string: '%.*s'",
                           SB_ARG(sb_str_sub(rest, 0, 200)));
}

/* ---- names ---- */

static struct sb_str without_quotes(struct sb_str s) {
    static const char quotes[] = "'\"`";
    for (int i = 0; quotes[i]; i++)
        if (s.n >= 2 && s.p[0] == quotes[i] && s.p[s.n - 1] == quotes[i])
            return sb_str_sub(s, 1, s.n - 2);
    return s;
}

static bool entity_of(const struct sb_filter_table *table, struct sb_str word,
                      enum sb_filter_entity *out) {
    for (int e = 0; e < SB_ENTITY_COUNT; e++)
        for (const char *const *w = table->entities[e]; w && *w; w++)
            if (sb_str_is(word, *w)) {
                *out = (enum sb_filter_entity)e;
                return true;
            }
    return false;
}

static const struct sb_filter_attribute *attribute_of(const struct sb_filter_attribute *a,
                                                      struct sb_str name, bool order) {
    for (; a->name; a++)
        if (sb_str_is(name, a->name) && (order ? a->order : a->filter)) return a;
    return NULL;
}

static const char *attribute_list(struct sb_arena *arena, const struct sb_filter_attribute *a,
                                  bool order) {
    const char *text = "";
    for (; a->name; a++)
        if (order ? a->order : a->filter)
            text = sb_arena_printf(arena, "%s%s'%s'", text, *text ? ", " : "", a->name);
    return text;
}

struct name {
    enum sb_filter_entity entity;
    struct sb_str key;
    const struct sb_filter_attribute *attribute;
};

static sb_err resolve_name(struct sb_registry_call *c, const struct sb_filter_table *table,
                           const struct token *t, bool order, struct name *out) {
    struct name n = {.entity = SB_ENTITY_ATTRIBUTE, .key = t->text};
    if (t->dot < t->text.n) {
        struct sb_str word = without_quotes(sb_str_sub(t->text, 0, t->dot));
        if (!entity_of(table, word, &n.entity))
            return sb_call_invalid(c, "Invalid entity type '%.*s'. %s", SB_ARG(word), table->valid);
        n.key = sb_str_sub(t->text, t->dot + 1, t->text.n);
    }
    n.key = without_quotes(n.key);
    if (n.entity == SB_ENTITY_ATTRIBUTE) {
        n.attribute = attribute_of(table->attributes, n.key, order);
        if (!n.attribute)
            return sb_call_invalid(
                c, "Invalid attribute key '%.*s' specified. Valid keys are '{%s}'", SB_ARG(n.key),
                attribute_list(c->arena, table->attributes, order));
    } else if (n.entity == SB_ENTITY_DATASET) {
        n.attribute = attribute_of(sb_filter_dataset_attributes, n.key, false);
        if (!n.attribute)
            return sb_call_invalid(c, "Invalid dataset key '%.*s' specified. Valid keys are '{%s}'",
                                   SB_ARG(n.key),
                                   attribute_list(c->arena, sb_filter_dataset_attributes, false));
    }
    *out = n;
    return SB_OK;
}

/* ---- operators ---- */

static const char *const op_names[SB_OP_COUNT] = {
    [SB_OP_EQ] = "=",
    [SB_OP_NE] = "!=",
    [SB_OP_LT] = "<",
    [SB_OP_LE] = "<=",
    [SB_OP_GT] = ">",
    [SB_OP_GE] = ">=",
    [SB_OP_LIKE] = "LIKE",
    [SB_OP_ILIKE] = "ILIKE",
    [SB_OP_IN] = "IN",
    [SB_OP_NOT_IN] = "NOT IN",
    [SB_OP_IS_NULL] = "IS NULL",
    [SB_OP_IS_NOT_NULL] = "IS NOT NULL",
};

const char *sb_filter_op_name(enum sb_filter_op op) {
    return op_names[op];
}

static sb_err read_op(struct scanner *s, enum sb_filter_op *out) {
    if (s->now.type == TOKEN_OP) {
        for (int i = 0; i <= SB_OP_GE; i++)
            if (sb_str_is(s->now.text, op_names[i])) {
                *out = (enum sb_filter_op)i;
                advance(s);
                return SB_OK;
            }
        return sb_call_invalid(s->c, "Invalid comparator '%.*s' not one of '=, !=, <, <=, >, >='",
                               SB_ARG(s->now.text));
    }
    bool not = false;
    if (at_word(s, "LIKE") || at_word(s, "ILIKE")) {
        *out = at_word(s, "LIKE") ? SB_OP_LIKE : SB_OP_ILIKE;
    } else if (at_word(s, "IS")) {
        advance(s);
        if ((not = at_word(s, "NOT"))) advance(s);
        if (!at_word(s, "NULL")) return bad_clause(s);
        *out = not ? SB_OP_IS_NOT_NULL : SB_OP_IS_NULL;
    } else {
        if ((not = at_word(s, "NOT"))) advance(s);
        if (!at_word(s, "IN")) return bad_clause(s);
        *out = not ? SB_OP_NOT_IN : SB_OP_IN;
    }
    advance(s);
    return SB_OK;
}

#define OP(x)      (1u << SB_OP_##x)
#define NUMBER_OPS (OP(EQ) | OP(NE) | OP(LT) | OP(LE) | OP(GT) | OP(GE))
#define STRING_OPS (OP(EQ) | OP(NE) | OP(LIKE) | OP(ILIKE))
#define LIST_OPS   (OP(IN) | OP(NOT_IN))
#define NULL_OPS   (OP(IS_NULL) | OP(IS_NOT_NULL))
#define ID_OPS     (OP(EQ) | OP(NE))

static unsigned allowed_ops(const struct scanner *s, const struct name *n) {
    switch (n->entity) {
    case SB_ENTITY_METRIC: return NUMBER_OPS;
    case SB_ENTITY_PARAM:
    case SB_ENTITY_TAG:
        return STRING_OPS | (s->table->null_tests ? NULL_OPS : 0) |
               (s->table->lists ? LIST_OPS : 0);
    default: break;
    }
    unsigned list = n->attribute->list ? LIST_OPS : 0;
    switch (n->attribute->type) {
    case SB_ATTRIBUTE_NUMBER:
    case SB_ATTRIBUTE_INTEGER: return NUMBER_OPS;
    case SB_ATTRIBUTE_EXPERIMENT_ID:
    case SB_ATTRIBUTE_MODEL_STATUS: return ID_OPS | list;
    default: return STRING_OPS | list;
    }
}

static sb_err check_op(struct scanner *s, const struct name *n, enum sb_filter_op op) {
    unsigned allowed = allowed_ops(s, n);
    if (allowed & 1u << op) return SB_OK;
    if (NULL_OPS & 1u << op)
        return sb_call_invalid(s->c,
                               s->table->null_tests
                                   ? "IS NULL / IS NOT NULL is only supported for tags and params, "
                                     "not for '%.*s'"
                                   : "Invalid comparison clause. Expected 3 tokens found 2 at "
                                     "'%.*s'",
                               SB_ARG(n->key));
    const char *text = "";
    for (int i = 0; i < SB_OP_COUNT; i++)
        if (allowed & 1u << i)
            text = sb_arena_printf(s->c->arena, "%s%s'%s'", text, *text ? ", " : "", op_names[i]);
    return sb_call_invalid(s->c, "Invalid comparator '%s' not one of '{%s}'", op_names[op], text);
}

/* ---- values ---- */

static bool parse_number(struct sb_str text, struct sb_sql_value *out) {
    int64_t i;
    double d;
    if (text.n && text.p[0] == '+') text = sb_str_sub(text, 1, text.n);
    if (sb_str_to_i64(text, &i)) {
        *out = sb_sql_int(i);
        return true;
    }
    /* JSON has no ".5" and "1.": give the number its digits. */
    char buf[80];
    size_t n = 0;
    if (text.n > 64) return false;
    for (size_t at = 0; at < text.n; at++) {
        bool digit_before = n && is_digit(buf[n - 1]);
        if (text.p[at] == '.' && !digit_before) buf[n++] = '0';
        buf[n++] = text.p[at];
        if (text.p[at] == '.' && (at + 1 == text.n || !is_digit(text.p[at + 1]))) buf[n++] = '0';
    }
    if (!sb_double_parse(sb_str_make(buf, n), &d)) return false;
    *out = sb_sql_double(d);
    return true;
}

static bool is_text_token(const struct token *t) {
    return t->type == TOKEN_STRING || (t->type == TOKEN_NAME && t->quoted && t->text.p[0] == '"');
}

/* A text value as the attribute's table holds it. */
static sb_err convert_text(struct scanner *s, const struct sb_filter_attribute *a,
                           struct sb_str text, struct sb_sql_value *out) {
    int64_t i;
    enum sb_logged_model_status status;
    *out = sb_sql_text(text.p ? text : SB_STR(""));
    if (!a) return SB_OK;
    switch (a->type) {
    case SB_ATTRIBUTE_EXPERIMENT_ID:
        if (!sb_str_to_i64(text, &i))
            return sb_call_invalid(
                s->c, "Invalid experiment ID '%.*s'. Experiment ID must be a valid integer.",
                SB_ARG(text));
        *out = sb_sql_int(i);
        return SB_OK;
    case SB_ATTRIBUTE_INTEGER:
        if (!sb_str_to_i64(text, &i))
            return sb_call_invalid(s->c, "Invalid value for numeric attribute '%s': '%.*s'",
                                   a->name, SB_ARG(text));
        *out = sb_sql_int(i);
        return SB_OK;
    case SB_ATTRIBUTE_MODEL_STATUS:
        /* An unknown name matches nothing. */
        *out = sb_sql_int(sb_logged_model_status_parse(text, &status) ? (int64_t)status : -1);
        return SB_OK;
    default: return SB_OK;
    }
}

static sb_err list_error(struct scanner *s, const char *what) {
    return sb_call_invalid(
        s->c, "While parsing a list in the query, expected a non-empty list of string values, %s",
        what);
}

static const char *list_attributes(const struct scanner *s) {
    const char *text = "";
    for (const struct sb_filter_attribute *a = s->table->attributes; a->name; a++)
        if (a->list)
            text = sb_arena_printf(s->c->arena, "%s%s'%s'", text, *text ? ", " : "", a->name);
    return text;
}

static sb_err read_list(struct scanner *s, const struct name *n, struct sb_filter_clause *out) {
    if (!n->attribute && !s->table->lists)
        return sb_call_invalid(s->c,
                               "Expected a quoted string value for %s (e.g. 'my-value'). Got "
                               "value (",
                               n->entity == SB_ENTITY_TAG ? "tag" : "parameter");
    if (n->attribute && !n->attribute->list)
        return sb_call_invalid(s->c,
                               "Only [%s] attributes support comparison with a list of quoted "
                               "string values.",
                               list_attributes(s));
    struct sb_sql_value *v = sb_arena_try_array(s->c->arena, SB_FILTER_LIST_MAX, sizeof *v);
    if (!v) return list_error(s, "but got one too long.");
    advance(s);
    size_t used = 0;
    while (s->now.type != TOKEN_CLOSE) {
        if (s->now.type == TOKEN_NUMBER)
            return sb_call_invalid(s->c,
                                   "While parsing a list in the query, expected string "
                                   "value, punctuation, or whitespace, but got different "
                                   "type in list: %.*s",
                                   SB_ARG(s->now.text));
        if (!is_text_token(&s->now)) return list_error(s, "but got ill-formed list.");
        if (used == SB_FILTER_LIST_MAX) return list_error(s, "but got one too long.");
        SB_TRY(convert_text(s, n->attribute, without_quotes(s->now.text), &v[used++]));
        advance(s);
        if (s->now.type == TOKEN_COMMA)
            advance(s);
        else if (s->now.type != TOKEN_CLOSE)
            return list_error(s, "but got ill-formed list.");
    }
    advance(s);
    if (used == 0) return list_error(s, "but got empty list");
    out->values = v;
    out->values_n = used;
    return SB_OK;
}

static bool is_numeric(const struct name *n) {
    return n->entity == SB_ENTITY_METRIC ||
           (n->attribute && (n->attribute->type == SB_ATTRIBUTE_NUMBER ||
                             n->attribute->type == SB_ATTRIBUTE_INTEGER));
}

static sb_err read_numeric(struct scanner *s, const struct name *n, struct sb_sql_value *out) {
    bool whole = n->attribute && n->attribute->type == SB_ATTRIBUTE_INTEGER;
    if (whole && is_text_token(&s->now))
        return convert_text(s, n->attribute, without_quotes(s->now.text), out);
    if (s->now.type != TOKEN_NUMBER || !parse_number(s->now.text, out)) {
        if (n->entity == SB_ENTITY_METRIC)
            return sb_call_invalid(s->c, "Expected numeric value type for metric. Found %.*s",
                                   SB_ARG(s->now.text));
        return sb_call_invalid(s->c,
                               "Expected numeric value type for numeric attribute: %.*s. Found "
                               "%.*s",
                               SB_ARG(n->key), SB_ARG(s->now.text));
    }
    if (whole && out->type != SB_SQL_INT)
        return sb_call_invalid(s->c, "Invalid value for numeric attribute '%.*s': '%.*s'",
                               SB_ARG(n->key), SB_ARG(s->now.text));
    return SB_OK;
}

static sb_err read_text(struct scanner *s, const struct name *n, struct sb_sql_value *out) {
    if (is_text_token(&s->now))
        return convert_text(s, n->attribute, without_quotes(s->now.text), out);
    if (s->now.type == TOKEN_NAME)
        return sb_call_invalid(s->c,
                               "Parameter value is either not quoted or unidentified quote types "
                               "used for string value %.*s. Use either single or double quotes.",
                               SB_ARG(s->now.text));
    static const char *const what[SB_ENTITY_COUNT] = {
        [SB_ENTITY_ATTRIBUTE] = "attributes",
        [SB_ENTITY_METRIC] = "metric",
        [SB_ENTITY_PARAM] = "parameter",
        [SB_ENTITY_TAG] = "tag",
        [SB_ENTITY_DATASET] = "dataset attributes",
    };
    return sb_call_invalid(s->c,
                           "Expected a quoted string value for %s (e.g. 'my-value'). Got "
                           "value %.*s",
                           what[n->entity], SB_ARG(s->now.text));
}

static sb_err read_value(struct scanner *s, const struct name *n, struct sb_filter_clause *out) {
    if (out->op == SB_OP_IS_NULL || out->op == SB_OP_IS_NOT_NULL) return SB_OK;
    bool list = out->op == SB_OP_IN || out->op == SB_OP_NOT_IN;
    if (s->now.type == TOKEN_OPEN && !is_numeric(n)) {
        SB_TRY(read_list(s, n, out));
        return list ? SB_OK
                    : sb_call_invalid(s->c, "Invalid comparator '%s' for a list of values",
                                      op_names[out->op]);
    }
    bool number = is_numeric(n) && s->now.type == TOKEN_BAD;
    if (s->now.type == TOKEN_END || (s->now.type == TOKEN_BAD && !number) || list)
        return bad_clause(s);
    out->values = sb_arena_zalloc(s->c->arena, sizeof *out->values);
    out->values_n = 1;
    SB_TRY(is_numeric(n) ? read_numeric(s, n, out->values) : read_text(s, n, out->values));
    advance(s);
    return SB_OK;
}

/* ---- clauses ---- */

static sb_err read_clause(struct scanner *s, struct sb_filter_clause *out) {
    struct name name;
    if (s->now.type == TOKEN_STRING || s->now.type == TOKEN_NUMBER)
        return sb_call_invalid(s->c,
                               "Invalid comparison clause. Expected 'Identifier' found '%.*s'",
                               SB_ARG(s->now.text));
    if (s->now.type != TOKEN_NAME || at_word(s, "AND")) return bad_clause(s);
    struct token t = s->now;
    advance(s);
    SB_TRY(read_op(s, &out->op));
    SB_TRY(resolve_name(s->c, s->table, &t, false, &name));
    out->entity = name.entity;
    out->key = name.key;
    out->attribute = name.attribute;
    SB_TRY(read_value(s, &name, out));
    return check_op(s, &name, out->op);
}

sb_err sb_filter_parse(struct sb_registry_call *c, enum sb_filter_for what, struct sb_str text,
                       struct sb_filter *out) {
    struct scanner s = {.c = c, .table = &sb_filter_tables[what], .what = what, .text = text};
    out->n = 0;
    if (text.n > SB_FILTER_TEXT_MAX)
        return sb_call_invalid(c, "A filter can have at most %d bytes.", SB_FILTER_TEXT_MAX);
    advance(&s);
    if (s.now.type == TOKEN_END) return SB_OK;
    for (;;) {
        if (out->n == SB_FILTER_CLAUSES_MAX)
            return sb_call_invalid(c, "A filter can have at most %d clauses.",
                                   SB_FILTER_CLAUSES_MAX);
        out->v[out->n] = (struct sb_filter_clause){0};
        SB_TRY(read_clause(&s, &out->v[out->n++]));
        if (s.now.type == TOKEN_END) return SB_OK;
        if (!at_word(&s, "AND")) return bad_clause(&s);
        advance(&s);
    }
}

/* ---- order_by ---- */

static sb_err read_order(struct sb_registry_call *c, enum sb_filter_for what, struct sb_str text,
                         struct sb_order *out) {
    struct scanner s = {.c = c, .table = &sb_filter_tables[what], .what = what, .text = text};
    advance(&s);
    struct token t = s.now;
    if (t.type != TOKEN_NAME)
        return sb_call_invalid(c, "Invalid order_by clause '%.*s'. Could not be parsed.",
                               SB_ARG(text));
    advance(&s);
    *out = (struct sb_order){0};
    if (s.now.type == TOKEN_NAME) {
        if (!at_word(&s, "ASC") && !at_word(&s, "DESC"))
            return sb_call_invalid(c, "Invalid ordering key in order_by clause '%.*s'.",
                                   SB_ARG(text));
        out->descending = at_word(&s, "DESC");
        advance(&s);
    }
    if (s.now.type != TOKEN_END)
        return sb_call_invalid(c, "Invalid order_by clause '%.*s'. Could not be parsed.",
                               SB_ARG(text));
    struct name n;
    struct sb_str key = without_quotes(t.text);
    if (what == SB_FOR_MODELS && !attribute_of(s.table->attributes, key, true))
        return sb_call_invalid(c, "Invalid order by key '%.*s' specified. Valid keys are '{%s}'",
                               SB_ARG(key), attribute_list(c->arena, s.table->attributes, true));
    SB_TRY(resolve_name(c, s.table, &t, true, &n));
    if (n.entity == SB_ENTITY_DATASET || (what != SB_FOR_RUNS && n.entity != SB_ENTITY_ATTRIBUTE))
        return sb_call_invalid(c, "Invalid order_by entity in '%.*s'", SB_ARG(text));
    out->entity = n.entity;
    out->key = n.key;
    out->attribute = n.attribute;
    return SB_OK;
}

static bool same_order(const struct sb_order *a, const struct sb_order *b) {
    if (a->entity != b->entity) return false;
    return a->attribute ? strcmp(a->attribute->column, b->attribute->column) == 0
                        : sb_str_eq(a->key, b->key);
}

sb_err sb_order_parse(struct sb_registry_call *c, enum sb_filter_for what,
                      const struct sb_str *items, size_t n, struct sb_orders *out) {
    if (n > SB_FILTER_ORDER_MAX)
        return sb_call_invalid(c, "`order_by` can have at most %d fields.", SB_FILTER_ORDER_MAX);
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        SB_TRY(read_order(c, what, items[i], &out->v[i]));
        for (size_t k = 0; k < i; k++)
            if (same_order(&out->v[k], &out->v[i]))
                return sb_call_invalid(c, "`order_by` contains duplicate fields: %.*s",
                                       SB_ARG(items[i]));
        out->n++;
    }
    return SB_OK;
}

bool sb_order_has(const struct sb_orders *orders, const char *column) {
    for (size_t i = 0; i < orders->n; i++)
        if (orders->v[i].attribute && strcmp(orders->v[i].attribute->column, column) == 0)
            return true;
    return false;
}
