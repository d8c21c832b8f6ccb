/* The machine: a stack, a memo and one function per instruction.
 *
 * Instructions are those of Python's pickletools (protocols 0-5). Those that would need a registry,
 * another stream or an old-style class are refused by name. Containers stay open for APPEND and
 * SETITEM as in Python, so a value may be shared or contain itself; nothing here walks a graph. */
#include "engine/pickle/pickle_int.h"

#include <stdlib.h>

#include "base/mem.h"

size_t sb_pickle_memory_max(size_t n) {
    size_t max;
    if (!sb_mul_ok(n, SB_PICKLE_MEMORY_FACTOR, &max)) return SIZE_MAX;
    return max < SB_PICKLE_MEMORY_FLOOR ? SB_PICKLE_MEMORY_FLOOR : max;
}

void vm_report(struct vm *m, sb_err err, const char *what) {
    (void)sb_fail_at(m->ctx, err, (int64_t)m->at, "damaged pickle: %s (byte %zu)", what, m->at);
}

struct sb_pv *vm_new(struct vm *m, enum sb_pv_type type) {
    return sb_pv_new(m->arena, type, m->at);
}

/* ---- stack and memo ---- */

static sb_err push(struct vm *m, struct sb_pv *v) {
    if (!v) return vm_nomem(m);
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 256;
        struct sb_pv **more =
            m->n < SB_PICKLE_STACK_MAX ? sb_try_realloc(m->stack, cap * sizeof *more) : NULL;
        if (!more) {
            vm_report(m, SB_E_LIMIT, "stack is too deep");
            return SB_E_LIMIT;
        }
        m->stack = more;
        m->cap = cap;
    }
    m->stack[m->n++] = v;
    return SB_OK;
}

/* Height below which the current frame may not reach. */
static size_t floor_of(const struct vm *m) {
    return m->nmarks ? m->marks[m->nmarks - 1] : 0;
}

static sb_err pop(struct vm *m, struct sb_pv **out) {
    if (m->n <= floor_of(m)) return vm_corrupt(m, "stack is empty");
    *out = m->stack[--m->n];
    return SB_OK;
}

static sb_err top(struct vm *m, enum sb_pv_type want, struct sb_pv **out) {
    if (m->n <= floor_of(m)) return vm_corrupt(m, "stack is empty");
    *out = m->stack[m->n - 1];
    if ((*out)->type != want) return vm_corrupt(m, "wrong type on the stack");
    return SB_OK;
}

/* The values above the last mark, which goes away; they stay valid until the next push. */
static sb_err pop_mark(struct vm *m, struct sb_pv ***v, size_t *n) {
    if (!m->nmarks) return vm_corrupt(m, "no mark on the stack");
    size_t from = m->marks[--m->nmarks];
    SB_ASSERT(from <= m->n);
    *n = m->n - from;
    *v = *n ? m->stack + from : NULL;
    m->n = from;
    return SB_OK;
}

static sb_err memo_put(struct vm *m, uint64_t index) {
    if (m->n <= floor_of(m)) return vm_corrupt(m, "stack is empty");
    /* Every pickler numbers its memo upwards; an index beyond the bytes read is an attack. */
    if (index > sb_cursor_pos(&m->in)) return vm_corrupt(m, "memo index");
    if (index >= m->nmemo) {
        size_t cap = m->nmemo ? m->nmemo : 256;
        while (cap <= index) cap *= 2;
        struct sb_pv **more = sb_try_realloc(m->memo, cap * sizeof *more);
        if (!more) return vm_nomem(m);
        memset(more + m->nmemo, 0, (cap - m->nmemo) * sizeof *more);
        m->memo = more;
        m->nmemo = cap;
    }
    m->memo[index] = m->stack[m->n - 1];
    m->puts++;
    return SB_OK;
}

static sb_err memo_get(struct vm *m, uint64_t index) {
    if (index >= m->nmemo || !m->memo[index]) return vm_corrupt(m, "memo has no such value");
    return push(m, m->memo[index]);
}

/* ---- reading arguments ---- */

/* A line without its newline. */
static sb_err line(struct vm *m, struct sb_str *out) {
    const uint8_t *p = m->in.p;
    const uint8_t *nl = sb_cursor_left(&m->in) ? memchr(p, '\n', sb_cursor_left(&m->in)) : NULL;
    if (!nl) return vm_corrupt(m, "line without an end");
    *out = sb_cursor_str(&m->in, (size_t)(nl - p));
    (void)sb_cursor_u8(&m->in);
    return SB_OK;
}

static sb_err counted(struct vm *m, uint64_t n, struct sb_str *out) {
    if (n > sb_cursor_left(&m->in)) return vm_corrupt(m, "length beyond the end of the file");
    *out = sb_cursor_str(&m->in, (size_t)n);
    return SB_OK;
}

/* ---- numbers and constants ---- */

static sb_err push_int(struct vm *m, int64_t i) {
    struct sb_pv *v = vm_new(m, SB_PV_INT);
    if (v) v->i = i;
    return push(m, v);
}

static sb_err push_bool(struct vm *m, bool b) {
    struct sb_pv *v = vm_new(m, SB_PV_BOOL);
    if (v) v->b = b;
    return push(m, v);
}

static sb_err push_bytes(struct vm *m, enum sb_pv_type type, struct sb_str s) {
    struct sb_pv *v = vm_new(m, type);
    if (v) v->s = s;
    return push(m, v);
}

static sb_err push_double(struct vm *m, double d) {
    struct sb_pv *v = vm_new(m, SB_PV_FLOAT);
    if (v) v->d = d;
    return push(m, v);
}

static sb_err op_none(struct vm *m) {
    return push(m, vm_new(m, SB_PV_NONE));
}
static sb_err op_true(struct vm *m) {
    return push_bool(m, true);
}
static sb_err op_false(struct vm *m) {
    return push_bool(m, false);
}
static sb_err op_binint(struct vm *m) {
    return push_int(m, (int32_t)sb_cursor_le32(&m->in));
}
static sb_err op_binint1(struct vm *m) {
    return push_int(m, sb_cursor_u8(&m->in));
}
static sb_err op_binint2(struct vm *m) {
    return push_int(m, sb_cursor_le16(&m->in));
}

/* Decimal text of any length: beyond 64 bits the digits themselves stay. */
static sb_err push_decimal(struct vm *m, struct sb_str s) {
    int64_t i;
    if (sb_str_to_i64(s, &i)) return push_int(m, i);
    struct sb_str digits = s.n && s.p[0] == '-' ? sb_str_sub(s, 1, s.n) : s;
    for (size_t k = 0; k < digits.n; k++)
        if (digits.p[k] < '0' || digits.p[k] > '9') return vm_corrupt(m, "not a whole number");
    if (digits.n < 19) return vm_corrupt(m, "not a whole number");
    return push_bytes(m, SB_PV_BIGINT, s);
}

static sb_err op_int(struct vm *m) {
    struct sb_str s;
    SB_TRY(line(m, &s));
    if (sb_str_is(s, "00") || sb_str_is(s, "01")) return push_bool(m, s.p[1] == '1');
    return push_decimal(m, s);
}

static sb_err op_long(struct vm *m) {
    struct sb_str s;
    SB_TRY(line(m, &s));
    if (s.n && s.p[s.n - 1] == 'L') s.n--;
    return push_decimal(m, s);
}

static sb_err push_long(struct vm *m, uint64_t n) {
    struct sb_str s;
    SB_TRY(counted(m, n, &s));
    if (s.n > 8) return push_bytes(m, SB_PV_BIGINT, s);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) v |= (uint64_t)(uint8_t)s.p[i] << (8 * i);
    if (s.n && s.n < 8 && (s.p[s.n - 1] & 0x80)) v |= ~UINT64_C(0) << (8 * s.n);
    return push_int(m, (int64_t)v);
}
static sb_err op_long1(struct vm *m) {
    return push_long(m, sb_cursor_u8(&m->in));
}
static sb_err op_long4(struct vm *m) {
    int32_t n = (int32_t)sb_cursor_le32(&m->in);
    if (n < 0) return vm_corrupt(m, "negative length");
    return push_long(m, (uint64_t)n);
}

static sb_err op_float(struct vm *m) {
    struct sb_str s;
    SB_TRY(line(m, &s));
    char text[64], *end;
    if (s.n == 0 || s.n >= sizeof text) return vm_corrupt(m, "not a number");
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    double d = strtod(text, &end);
    if (end != text + s.n) return vm_corrupt(m, "not a number");
    return push_double(m, d);
}
static sb_err op_binfloat(struct vm *m) {
    uint64_t bits = sb_cursor_be64(&m->in);
    double d;
    memcpy(&d, &bits, sizeof d);
    return push_double(m, d);
}

/* ---- text and bytes ---- */

static sb_err push_counted(struct vm *m, enum sb_pv_type type, uint64_t n) {
    struct sb_str s;
    SB_TRY(counted(m, n, &s));
    return push_bytes(m, type, s);
}
static sb_err op_short_unicode(struct vm *m) {
    return push_counted(m, SB_PV_STR, sb_cursor_u8(&m->in));
}
static sb_err op_unicode4(struct vm *m) {
    return push_counted(m, SB_PV_STR, sb_cursor_le32(&m->in));
}
static sb_err op_unicode8(struct vm *m) {
    return push_counted(m, SB_PV_STR, sb_cursor_le64(&m->in));
}
static sb_err op_short_bytes(struct vm *m) {
    return push_counted(m, SB_PV_BYTES, sb_cursor_u8(&m->in));
}
static sb_err op_bytes4(struct vm *m) {
    return push_counted(m, SB_PV_BYTES, sb_cursor_le32(&m->in));
}
static sb_err op_bytes8(struct vm *m) {
    return push_counted(m, SB_PV_BYTES, sb_cursor_le64(&m->in));
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* A line in Python's raw-unicode-escape: latin-1 bytes, \uXXXX and \UXXXXXXXX. */
static sb_err op_unicode(struct vm *m) {
    struct sb_str s;
    SB_TRY(line(m, &s));
    char *to = sb_arena_try(m->arena, 2 * s.n + 1), *end = to;
    if (!to) return vm_nomem(m);
    for (size_t i = 0; i < s.n;) {
        uint32_t c = (uint8_t)s.p[i++];
        size_t digits = i < s.n && c == '\\' ? (s.p[i] == 'u' ? 4 : s.p[i] == 'U' ? 8 : 0) : 0;
        if (digits) {
            if (s.n - i <= digits) return vm_corrupt(m, "escape in text");
            c = 0;
            for (size_t k = 1; k <= digits; k++) {
                int h = hex_value(s.p[i + k]);
                if (h < 0) return vm_corrupt(m, "escape in text");
                c = c << 4 | (uint32_t)h;
            }
            if (c > 0x10ffff) return vm_corrupt(m, "escape in text");
            i += digits + 1;
        }
        end += sb_pv_utf8_put(end, c);
    }
    return push_bytes(m, SB_PV_STR, sb_str_make(to, (size_t)(end - to)));
}

/* ---- containers ---- */

static sb_err op_mark(struct vm *m) {
    if (m->nmarks == m->capmarks) {
        size_t cap = m->capmarks ? m->capmarks * 2 : 64;
        size_t *more =
            m->nmarks < SB_PICKLE_MARKS_MAX ? sb_try_realloc(m->marks, cap * sizeof *more) : NULL;
        if (!more) {
            vm_report(m, SB_E_LIMIT, "nested too deep");
            return SB_E_LIMIT;
        }
        m->marks = more;
        m->capmarks = cap;
    }
    m->marks[m->nmarks++] = m->n;
    return SB_OK;
}

/* A container of the n values at v. */
static sb_err push_seq(struct vm *m, enum sb_pv_type type, struct sb_pv **v, size_t n) {
    struct sb_pv *s = vm_new(m, type);
    if (!s) return vm_nomem(m);
    if (n) {
        s->seq.v = sb_arena_try_array(m->arena, n, sizeof *s->seq.v);
        if (!s->seq.v) return vm_nomem(m);
        memcpy(s->seq.v, v, n * sizeof *v);
        s->seq.n = s->seq.cap = (uint32_t)n;
    }
    return push(m, s);
}

static sb_err push_marked(struct vm *m, enum sb_pv_type type) {
    struct sb_pv **v;
    size_t n;
    SB_TRY(pop_mark(m, &v, &n));
    if (type == SB_PV_DICT && n % 2) return vm_corrupt(m, "dict with a key without a value");
    return push_seq(m, type, v, n);
}
static sb_err op_tuple(struct vm *m) {
    return push_marked(m, SB_PV_TUPLE);
}
static sb_err op_list(struct vm *m) {
    return push_marked(m, SB_PV_LIST);
}
static sb_err op_dict(struct vm *m) {
    return push_marked(m, SB_PV_DICT);
}
static sb_err op_frozenset(struct vm *m) {
    return push_marked(m, SB_PV_SET);
}
static sb_err op_empty_tuple(struct vm *m) {
    return push(m, vm_new(m, SB_PV_TUPLE));
}
static sb_err op_empty_list(struct vm *m) {
    return push(m, vm_new(m, SB_PV_LIST));
}
static sb_err op_empty_dict(struct vm *m) {
    return push(m, vm_new(m, SB_PV_DICT));
}
static sb_err op_empty_set(struct vm *m) {
    return push(m, vm_new(m, SB_PV_SET));
}

static sb_err push_last(struct vm *m, size_t n) {
    if (m->n - floor_of(m) < n) return vm_corrupt(m, "stack is empty");
    m->n -= n;
    return push_seq(m, SB_PV_TUPLE, m->stack + m->n, n);
}
static sb_err op_tuple1(struct vm *m) {
    return push_last(m, 1);
}
static sb_err op_tuple2(struct vm *m) {
    return push_last(m, 2);
}
static sb_err op_tuple3(struct vm *m) {
    return push_last(m, 3);
}

static sb_err extend(struct vm *m, struct sb_pv_seq *q, struct sb_pv **v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!sb_pv_seq_push(m->arena, q, v[i])) return vm_nomem(m);
    return SB_OK;
}

/* The list under construction: a LIST, or the items of an allowed list subclass. */
static sb_err extend_list(struct vm *m, struct sb_pv **v, size_t n) {
    if (m->n <= floor_of(m)) return vm_corrupt(m, "stack is empty");
    struct sb_pv *list = m->stack[m->n - 1];
    if (list->type == SB_PV_OBJECT) return extend(m, &list->object->items, v, n);
    if (list->type != SB_PV_LIST) return vm_corrupt(m, "APPEND to something else than a list");
    return extend(m, &list->seq, v, n);
}
static sb_err op_append(struct vm *m) {
    struct sb_pv *v;
    SB_TRY(pop(m, &v));
    return extend_list(m, &v, 1);
}
static sb_err op_appends(struct vm *m) {
    struct sb_pv **v;
    size_t n;
    SB_TRY(pop_mark(m, &v, &n));
    return extend_list(m, v, n);
}

static sb_err extend_dict(struct vm *m, struct sb_pv **v, size_t n) {
    if (n % 2) return vm_corrupt(m, "SETITEMS with a key without a value");
    if (m->n <= floor_of(m)) return vm_corrupt(m, "stack is empty");
    struct sb_pv *dict = m->stack[m->n - 1];
    if (dict->type == SB_PV_OBJECT) return extend(m, &dict->object->items, v, n);
    if (dict->type != SB_PV_DICT) return vm_corrupt(m, "SETITEM on something else than a dict");
    return extend(m, &dict->seq, v, n);
}
static sb_err op_setitem(struct vm *m) {
    if (m->n - floor_of(m) < 3) return vm_corrupt(m, "stack is empty");
    m->n -= 2;
    return extend_dict(m, m->stack + m->n, 2);
}
static sb_err op_setitems(struct vm *m) {
    struct sb_pv **v;
    size_t n;
    SB_TRY(pop_mark(m, &v, &n));
    return extend_dict(m, v, n);
}
static sb_err op_additems(struct vm *m) {
    struct sb_pv **v, *set;
    size_t n;
    SB_TRY(pop_mark(m, &v, &n));
    SB_TRY(top(m, SB_PV_SET, &set));
    return extend(m, &set->seq, v, n);
}

/* ---- stack ---- */

static sb_err op_pop(struct vm *m) {
    if (m->n > floor_of(m))
        m->n--;
    else if (m->nmarks)
        m->nmarks--;
    else
        return vm_corrupt(m, "stack is empty");
    return SB_OK;
}
static sb_err op_pop_mark(struct vm *m) {
    struct sb_pv **v;
    size_t n;
    return pop_mark(m, &v, &n);
}
static sb_err op_dup(struct vm *m) {
    if (m->n <= floor_of(m)) return vm_corrupt(m, "stack is empty");
    return push(m, m->stack[m->n - 1]);
}

static sb_err line_index(struct vm *m, uint64_t *out) {
    struct sb_str s;
    SB_TRY(line(m, &s));
    if (!sb_str_to_u64(s, out)) return vm_corrupt(m, "memo index");
    return SB_OK;
}
static sb_err op_put(struct vm *m) {
    uint64_t i;
    SB_TRY(line_index(m, &i));
    return memo_put(m, i);
}
static sb_err op_get(struct vm *m) {
    uint64_t i;
    SB_TRY(line_index(m, &i));
    return memo_get(m, i);
}
static sb_err op_binput(struct vm *m) {
    return memo_put(m, sb_cursor_u8(&m->in));
}
static sb_err op_long_binput(struct vm *m) {
    return memo_put(m, sb_cursor_le32(&m->in));
}
static sb_err op_memoize(struct vm *m) {
    return memo_put(m, m->puts);
}
static sb_err op_binget(struct vm *m) {
    return memo_get(m, sb_cursor_u8(&m->in));
}
static sb_err op_long_binget(struct vm *m) {
    return memo_get(m, sb_cursor_le32(&m->in));
}

/* ---- names and objects ---- */

static sb_err push_global(struct vm *m, struct sb_str module, struct sb_str name) {
    struct sb_pv *v = vm_new(m, SB_PV_GLOBAL);
    if (v) {
        v->global.module = module;
        v->global.name = name;
    }
    return push(m, v);
}
static sb_err op_global(struct vm *m) {
    struct sb_str module, name;
    SB_TRY(line(m, &module));
    SB_TRY(line(m, &name));
    return push_global(m, module, name);
}
static sb_err op_stack_global(struct vm *m) {
    struct sb_pv *module, *name;
    SB_TRY(pop(m, &name));
    SB_TRY(pop(m, &module));
    if (module->type != SB_PV_STR || name->type != SB_PV_STR)
        return vm_corrupt(m, "name that is not text");
    return push_global(m, module->s, name->s);
}

static sb_err op_reduce(struct vm *m) {
    struct sb_pv *args, *callable, *v;
    SB_TRY(pop(m, &args));
    SB_TRY(pop(m, &callable));
    SB_TRY(vm_call(m, callable, args, &v));
    return push(m, v);
}
static sb_err op_newobj_ex(struct vm *m) {
    struct sb_pv *kw;
    SB_TRY(pop(m, &kw));
    if (kw->type != SB_PV_DICT || kw->seq.n) return vm_corrupt(m, "keyword arguments");
    return op_reduce(m);
}
static sb_err op_build(struct vm *m) {
    struct sb_pv *state;
    SB_TRY(pop(m, &state));
    if (m->n <= floor_of(m)) return vm_corrupt(m, "stack is empty");
    return vm_build(m, m->stack[m->n - 1], state);
}

/* ---- stream ---- */

static sb_err op_proto(struct vm *m) {
    uint8_t v = sb_cursor_u8(&m->in);
    if (v > 5)
        return sb_fail_at(m->ctx, SB_E_UNSUPPORTED, (int64_t)m->at,
                          "pickle protocol %u is not supported", v);
    return SB_OK;
}
static sb_err op_frame(struct vm *m) {
    if (sb_cursor_le64(&m->in) > sb_cursor_left(&m->in))
        return vm_corrupt(m, "frame beyond the end of the file");
    return SB_OK;
}
static sb_err op_stop(struct vm *m) {
    m->stopped = true;
    if (m->n != 1 || m->nmarks) return vm_corrupt(m, "STOP with an unfinished value");
    return SB_OK;
}

static const struct {
    const char *name;
    sb_err (*run)(struct vm *m); /* NULL: known, and refused */
} ops[256] = {
    ['('] = {"MARK", op_mark},
    ['.'] = {"STOP", op_stop},
    ['0'] = {"POP", op_pop},
    ['1'] = {"POP_MARK", op_pop_mark},
    ['2'] = {"DUP", op_dup},
    ['F'] = {"FLOAT", op_float},
    ['I'] = {"INT", op_int},
    ['J'] = {"BININT", op_binint},
    ['K'] = {"BININT1", op_binint1},
    ['L'] = {"LONG", op_long},
    ['M'] = {"BININT2", op_binint2},
    ['N'] = {"NONE", op_none},
    ['P'] = {"PERSID", NULL},
    ['Q'] = {"BINPERSID", NULL},
    ['R'] = {"REDUCE", op_reduce},
    ['S'] = {"STRING", NULL},
    ['T'] = {"BINSTRING", NULL},
    ['U'] = {"SHORT_BINSTRING", NULL},
    ['V'] = {"UNICODE", op_unicode},
    ['X'] = {"BINUNICODE", op_unicode4},
    ['a'] = {"APPEND", op_append},
    ['b'] = {"BUILD", op_build},
    ['c'] = {"GLOBAL", op_global},
    ['d'] = {"DICT", op_dict},
    ['}'] = {"EMPTY_DICT", op_empty_dict},
    ['e'] = {"APPENDS", op_appends},
    ['g'] = {"GET", op_get},
    ['h'] = {"BINGET", op_binget},
    ['i'] = {"INST", NULL},
    ['j'] = {"LONG_BINGET", op_long_binget},
    ['l'] = {"LIST", op_list},
    [']'] = {"EMPTY_LIST", op_empty_list},
    ['o'] = {"OBJ", NULL},
    ['p'] = {"PUT", op_put},
    ['q'] = {"BINPUT", op_binput},
    ['r'] = {"LONG_BINPUT", op_long_binput},
    ['s'] = {"SETITEM", op_setitem},
    ['t'] = {"TUPLE", op_tuple},
    [')'] = {"EMPTY_TUPLE", op_empty_tuple},
    ['u'] = {"SETITEMS", op_setitems},
    ['G'] = {"BINFLOAT", op_binfloat},
    ['B'] = {"BINBYTES", op_bytes4},
    ['C'] = {"SHORT_BINBYTES", op_short_bytes},
    [0x80] = {"PROTO", op_proto},
    [0x81] = {"NEWOBJ", op_reduce}, /* cls.__new__(cls, *args): the same record */
    [0x82] = {"EXT1", NULL},
    [0x83] = {"EXT2", NULL},
    [0x84] = {"EXT4", NULL},
    [0x85] = {"TUPLE1", op_tuple1},
    [0x86] = {"TUPLE2", op_tuple2},
    [0x87] = {"TUPLE3", op_tuple3},
    [0x88] = {"NEWTRUE", op_true},
    [0x89] = {"NEWFALSE", op_false},
    [0x8a] = {"LONG1", op_long1},
    [0x8b] = {"LONG4", op_long4},
    [0x8c] = {"SHORT_BINUNICODE", op_short_unicode},
    [0x8d] = {"BINUNICODE8", op_unicode8},
    [0x8e] = {"BINBYTES8", op_bytes8},
    [0x8f] = {"EMPTY_SET", op_empty_set},
    [0x90] = {"ADDITEMS", op_additems},
    [0x91] = {"FROZENSET", op_frozenset},
    [0x92] = {"NEWOBJ_EX", op_newobj_ex},
    [0x93] = {"STACK_GLOBAL", op_stack_global},
    [0x94] = {"MEMOIZE", op_memoize},
    [0x95] = {"FRAME", op_frame},
    [0x96] = {"BYTEARRAY8", op_bytes8},
    [0x97] = {"NEXT_BUFFER", NULL},
    [0x98] = {"READONLY_BUFFER", NULL},
};

static sb_err step(struct vm *m) {
    m->at = sb_cursor_pos(&m->in);
    if (!sb_cursor_left(&m->in)) return vm_corrupt(m, "file ends before STOP");
    uint8_t op = sb_cursor_u8(&m->in);
    if (!ops[op].name) return vm_corrupt(m, "unknown instruction");
    if (!ops[op].run)
        return sb_fail_at(m->ctx, SB_E_UNSUPPORTED, (int64_t)m->at,
                          "pickle instruction %s is not supported (byte %zu)", ops[op].name, m->at);
    SB_TRY(ops[op].run(m));
    /* an argument read past the end gave zeros: found here, once */
    if (m->in.err) return vm_corrupt(m, "file ends inside an instruction");
    return SB_OK;
}

sb_err sb_pickle_read(const struct sb_pv **out, struct sb_str file,
                      const struct sb_pickle_options *opt, struct sb_arena *arena,
                      struct sb_errctx *ctx) {
    struct vm m = {.in = sb_cursor_of(file.p, file.n), .opt = opt, .arena = arena, .ctx = ctx};
    sb_err err = SB_OK;
    while (!err && !m.stopped) err = step(&m);
    if (!err && sb_cursor_left(&m.in)) {
        m.at = sb_cursor_pos(&m.in);
        err = vm_corrupt(&m, "bytes after STOP");
    }
    if (!err) *out = m.stack[0];
    sb_free(m.stack);
    sb_free(m.marks);
    sb_free(m.memo);
    return err;
}
