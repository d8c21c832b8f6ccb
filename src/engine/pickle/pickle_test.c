/* engine/pickle: the machine, numpy's values, .npy headers and skops trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "engine/pickle/npy.h"
#include "engine/pickle/pickle.h"
#include "engine/pickle/skops.h"

/* A pickle as a literal: embedded NULs count. */
#define P(lit) SB_STR(lit)

static const struct sb_pickle_class classes[] = {{"shop", "Item"}};
static const struct sb_pickle_options opt = {.classes = classes, .nclasses = SB_COUNT(classes)};

/* repr() of a value, depth bounded. */
static void show(struct sb_buf *b, const struct sb_pv *v, int depth) {
    if (depth > 20) {
        SB_BUF_LIT(b, "...");
        return;
    }
    struct sb_np_array *a = v->type == SB_PV_ARRAY ? v->array : NULL;
    static const char *const open[] = {
        [SB_PV_LIST] = "[", [SB_PV_TUPLE] = "(", [SB_PV_SET] = "{", [SB_PV_DICT] = "{"};
    static const char *const close[] = {
        [SB_PV_LIST] = "]", [SB_PV_TUPLE] = ")", [SB_PV_SET] = "}", [SB_PV_DICT] = "}"};
    switch (v->type) {
    case SB_PV_NONE: SB_BUF_LIT(b, "None"); break;
    case SB_PV_BOOL: sb_buf_addz(b, v->b ? "True" : "False"); break;
    case SB_PV_INT: sb_buf_addi(b, v->i); break;
    case SB_PV_BIGINT: sb_buf_addf(b, "big%zu", v->s.n); break;
    case SB_PV_FLOAT: sb_buf_addf(b, "%g", v->d); break;
    case SB_PV_STR: sb_buf_addf(b, "'%.*s'", SB_ARG(v->s)); break;
    case SB_PV_BYTES: sb_buf_addf(b, "b'%.*s'", SB_ARG(v->s)); break;
    case SB_PV_GLOBAL:
        sb_buf_addf(b, "<%.*s.%.*s>", SB_ARG(v->global.module), SB_ARG(v->global.name));
        break;
    case SB_PV_DTYPE: sb_buf_addf(b, "%c%u", v->dtype->kind, v->dtype->size); break;
    case SB_PV_ARRAY:
        sb_buf_addf(b, "array%u[", a->ndim);
        for (size_t i = 0; i < a->count; i++) {
            double d = 0;
            if (i) sb_buf_addc(b, ' ');
            if (a->objects)
                show(b, a->objects->seq.v[i], depth + 1);
            else if (sb_np_get_double(a, i, &d))
                sb_buf_addf(b, "%g", d);
            else
                sb_buf_addc(b, '?');
        }
        sb_buf_addc(b, ']');
        break;
    case SB_PV_OBJECT:
        sb_buf_addf(b, "%.*s", SB_ARG(v->object->name));
        if (v->object->args) show(b, v->object->args, depth + 1);
        if (v->object->state) show(b, v->object->state, depth + 1);
        break;
    default:
        sb_buf_addz(b, open[v->type]);
        for (uint32_t i = 0; i < v->seq.n; i++) {
            if (i) sb_buf_addz(b, v->type == SB_PV_DICT && i % 2 ? ": " : ", ");
            show(b, v->seq.v[i], depth + 1);
        }
        sb_buf_addz(b, close[v->type]);
    }
}

static void check_reads(const char *name, struct sb_str file, const char *want) {
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    const struct sb_pv *v = NULL;
    struct sb_buf b;
    sb_arena_init(&a, 1 << 20);
    sb_buf_init(&b, 4096);
    if (sb_pickle_read(&v, file, &opt, &a, &ctx) != SB_OK)
        fail_msg("%s: %s at %lld", name, ctx.msg, (long long)ctx.pos);
    show(&b, v, 0);
    if (strcmp(sb_buf_cstr(&b), want) != 0) fail_msg("%s: %s, not %s", name, sb_buf_cstr(&b), want);
    sb_buf_fini(&b);
    sb_arena_fini(&a);
}

/* dtype f8 little-endian, as protocol 2 and up write it */
#define F8                                                                                         \
    "cnumpy\ndtype\nX\2\0\0\0f8\x89\x88\x87R(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK"  \
    "\0tb"
#define RECONSTRUCT(core)                                                                          \
    "c" core "\n_reconstruct\ncnumpy\nndarray\nK\0\x85"                                            \
    "C\1b\x87R"

static void every_instruction_gives_its_value(void **state) {
    (void)state;
    const struct {
        const char *name;
        struct sb_str file;
        const char *want;
    } rows[] = {
        {"protocol 0 numbers and bools", P("(I01\nI00\nI-7\nL12L\nF2.5\nNl."),
         "[True, False, -7, 12, 2.5, None]"},
        {"protocol 0 list", P("(lp0\nI1\naI01\naF2.5\naNa."), "[1, True, 2.5, None]"},
        {"protocol 0 escapes", P("Va\\u00e9\\U0001f600\n."), "'a\xc3\xa9\xf0\x9f\x98\x80'"},
        {"protocol 0 latin-1", P("V\xe9\n."), "'\xc3\xa9'"},
        {"protocol 0 dict", P("(dp0\nVk\nI1\ns."), "{'k': 1}"},
        {"dict of marked items", P("(Vk\nI1\nd."), "{'k': 1}"},
        {"protocol 0 object",
         P("ccopy_reg\n_reconstructor\n(cshop\nItem\nc__builtin__\nobject\n"
           "NtR(dVprice\nI3\nsb."),
         "Item{'price': 3}"},
        {"binary ints", P("\x80\2(J\xff\xff\xff\xffK\xffM\1\2\x8a\3\1\0\x80t."),
         "(-1, 255, 513, -8388607)"},
        {"long of eight bytes", P("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."),
         "9223372036854775807"},
        {"empty long is zero", P("\x8a\0."), "0"},
        {"long of nine bytes",
         P("\x8b\x9\0\0\0"
           "123456789."),
         "big9"},
        {"float", P("G?\xf8\0\0\0\0\0\0."), "1.5"},
        {"tuples", P(")\x85K\1K\2\x86K\1K\2K\3\x87\x87."), "((()), (1, 2), (1, 2, 3))"},
        {"lists", P("](K\1K\2e]K\3aa."), "[1, 2, [3]]"},
        {"dicts", P("}(X\1\0\0\0aK\1\x8c\1bK\2u."), "{'a': 1, 'b': 2}"},
        {"later key wins in get, both stay", P("}(\x8c\1aK\1\x8c\1aK\2u."), "{'a': 1, 'a': 2}"},
        {"sets", P("\x8f(K\1K\2\x90(K\3\x91\x86."), "({1, 2}, {3})"},
        {"bytes", P("C\2abB\1\0\0\0c\x8e\1\0\0\0\0\0\0\0d\x87."), "(b'ab', b'c', b'd')"},
        {"bytearray", P("\x96\2\0\0\0\0\0\0\0xy."), "b'xy'"},
        {"latin-1 bytes of protocol 2",
         P("c_codecs\nencode\nX\3\0\0\0a\xc3\xbfX\6\0\0\0latin1"
           "\x86R."),
         "b'a\xff'"},
        {"memo put and get", P("K\5q\0h\0\x86r\1\0\0\0j\1\0\0\0\x86."), "((5, 5), (5, 5))"},
        {"memoize", P("\x80\4\x8c\1a\x94h\0\x86."), "('a', 'a')"},
        {"pop, dup, pop mark",
         P("K\1K\2"
           "0(K\3K\4"
           "12\x86."),
         "(1, 1)"},
        {"frame", P("\x80\4\x95\2\0\0\0\0\0\0\0K\1."), "1"},
        {"stack global is inert", P("\x8c\2os\x8c\6system\x93."), "<os.system>"},
        {"newobj with state", P("cshop\nItem\n)\x81}X\1\0\0\0nK\5sb."), "Item(){'n': 5}"},
        {"newobj_ex without keywords", P("cshop\nItem\nK\1\x85}\x92."), "Item(1)"},
        {"array of old numpy",
         P(RECONSTRUCT("numpy.core.multiarray") "(K\1K\2\x85" F8 "\x89"
                                                "C\x10\0\0\0\0\0\0\xf0?\0\0\0\0\0\0\0@tb."),
         "array1[1 2]"},
        {"array of numpy 2",
         P(RECONSTRUCT("numpy._core.multiarray") "(K\1K\1\x85" F8 "\x89"
                                                 "C\x08\0\0\0\0\0\0\xf0?tb."),
         "array1[1]"},
        {"fortran order",
         P(RECONSTRUCT(
             "numpy._core.multiarray") "(K\1K\2K\3\x86"
                                       "cnumpy\ndtype\n\x8c\2u1\x89\x88\x87R(K\3\x8c\1|NNNJ"
                                       "\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x88"
                                       "C\6\1\2\3\4\5\6tb."),
         "array2[1 3 5 2 4 6]"},
        {"frombuffer of protocol 5",
         P("cnumpy._core.numeric\n_frombuffer\n(\x96\x08\0\0\0\0\0\0\0"
           "\0\0\0\0\0\0\xf0?" F8 "K\1\x85\x8c\1CtR."),
         "array1[1]"},
        {"big-endian scalar",
         P("cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\n\x8c\2i2\x89\x88"
           "\x87R(K\3\x8c\1>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbC\2\1\2"
           "\x86R."),
         "array0[258]"},
        {"object array",
         P(RECONSTRUCT("numpy._core.multiarray") "(K\1K\2\x85"
                                                 "cnumpy\ndtype\n\x8c\2O8\x89\x88\x87R(K\3\x8c\1|"
                                                 "NNNJ\xff\xff\xff\xffJ"
                                                 "\xff\xff\xff\xffK?tb\x89](\x8c\1a\x8c\1betb."),
         "array1['a' 'b']"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        check_reads(rows[i].name, rows[i].file, rows[i].want);
}

static void a_list_may_contain_itself(void **state) {
    (void)state;
    struct sb_arena a;
    const struct sb_pv *v = NULL;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_pickle_read(&v, P("]q\0h\0a."), &opt, &a, NULL), SB_OK);
    assert_ptr_equal(v->seq.v[0], v);
    sb_arena_fini(&a);
}

static void what_is_refused_names_itself_and_its_byte(void **state) {
    (void)state;
    const struct {
        const char *name;
        struct sb_str file;
        sb_err code;
        int64_t pos;
        const char *part; /* of the message */
    } rows[] = {
        {"call of os.system", P("cos\nsystem\nX\2\0\0\0id\x85R."), SB_E_UNSUPPORTED, 19,
         "class os.system is not supported"},
        {"call by stack global",
         P("\x8c\x08"
           "builtins\x8c\4eval\x93\x8c\1"
           "1\x85R."),
         SB_E_UNSUPPORTED, 21, "class builtins.eval is not supported"},
        {"call hidden by pop", P("cos\nsystem\n)R0N."), SB_E_UNSUPPORTED, 12, "os.system"},
        {"newobj of an unknown class", P("ca.b\nC\n)\x81."), SB_E_UNSUPPORTED, 8, "a.b.C"},
        {"reconstructor of an unknown class",
         P("ccopy_reg\n_reconstructor\n(cos\nX\nc__builtin__\nobject\nNtR."), SB_E_UNSUPPORTED, 54,
         "os.X"},
        {"array subclass",
         P("cnumpy.core.multiarray\n_reconstruct\ncevil\nndarray\nK\0\x85"
           "C\1b"
           "\x87R."),
         SB_E_UNSUPPORTED, -2, "evil.ndarray"},
        {"newobj of a call's result", P("]K\1\x85R."), SB_E_CORRUPT, 4, "not a name"},
        {"old-style instance", P("(ios\nX\n."), SB_E_UNSUPPORTED, 1, "INST"},
        {"extension registry", P("\x82\1."), SB_E_UNSUPPORTED, 0, "EXT1"},
        {"persistent id", P("Pabc\n."), SB_E_UNSUPPORTED, 0, "PERSID"},
        {"out-of-band buffer", P("\x97."), SB_E_UNSUPPORTED, 0, "NEXT_BUFFER"},
        {"protocol 6", P("\x80\6N."), SB_E_UNSUPPORTED, 0, "protocol 6"},
        {"no instruction", P("\xff."), SB_E_CORRUPT, 0, "unknown instruction"},
        {"empty file", P(""), SB_E_CORRUPT, 0, "ends before STOP"},
        {"no stop", P("N"), SB_E_CORRUPT, 1, "ends before STOP"},
        {"bytes after stop", P("N.N"), SB_E_CORRUPT, 2, "after STOP"},
        {"two values", P("NN."), SB_E_CORRUPT, 2, "unfinished"},
        {"open mark", P("N(."), SB_E_CORRUPT, 2, "unfinished"},
        {"nothing", P("."), SB_E_CORRUPT, 0, "unfinished"},
        {"appends without mark", P("]e."), SB_E_CORRUPT, 1, "no mark"},
        {"append below the mark",
         P("](N"
           "a."),
         SB_E_CORRUPT, 3, "stack is empty"},
        {"append to an int", P("K\1Na."), SB_E_CORRUPT, 3, "list"},
        {"setitem on a list", P("]NNs."), SB_E_CORRUPT, 3, "dict"},
        {"odd setitems", P("}(Nu."), SB_E_CORRUPT, 3, "key"},
        {"odd dict", P("(Nd."), SB_E_CORRUPT, 2, "key"},
        {"additems to a list", P("](N\x90."), SB_E_CORRUPT, 3, "type"},
        {"build of a list", P("]Nb."), SB_E_CORRUPT, 2, "BUILD"},
        {"built twice", P("cshop\nItem\n)\x81}b}b."), SB_E_CORRUPT, 16, "twice"},
        {"keyword arguments", P("cshop\nItem\n)}(NNu\x92."), SB_E_CORRUPT, 17, "keyword"},
        {"pop of nothing", P("0."), SB_E_CORRUPT, 0, "empty"},
        {"dup of nothing", P("2."), SB_E_CORRUPT, 0, "empty"},
        {"get of nothing", P("h\0."), SB_E_CORRUPT, 0, "memo"},
        {"huge memo index", P("Nr\xff\xff\xff\xff."), SB_E_CORRUPT, 1, "memo index"},
        {"memo index that is no number", P("Npx\n."), SB_E_CORRUPT, 1, "memo index"},
        {"line without an end", P("I12"), SB_E_CORRUPT, 0, "line"},
        {"int that is none", P("I1x\n."), SB_E_CORRUPT, 0, "whole number"},
        {"float that is none", P("F1x\n."), SB_E_CORRUPT, 0, "number"},
        {"bad escape", P("V\\u00g0\n."), SB_E_CORRUPT, 0, "escape"},
        {"escape beyond unicode", P("V\\U00110000\n."), SB_E_CORRUPT, 0, "escape"},
        {"cut argument", P("J\1\2"), SB_E_CORRUPT, 0, "inside an instruction"},
        {"string beyond the end", P("X\xff\0\0\0a."), SB_E_CORRUPT, 0, "beyond"},
        {"string of 2^63",
         P("\x8d\0\0\0\0\0\0\0\x80"
           "a."),
         SB_E_CORRUPT, 0, "beyond"},
        {"frame beyond the end", P("\x95\xff\0\0\0\0\0\0\0N."), SB_E_CORRUPT, 0, "frame"},
        {"negative long", P("\x8b\xff\xff\xff\xff."), SB_E_CORRUPT, 0, "negative"},
        {"name that is no text", P("K\1K\2\x93."), SB_E_CORRUPT, 4, "not text"},
        {"unknown dtype", P("cnumpy\ndtype\n\x8c\2f3\x89\x88\x87R."), SB_E_UNSUPPORTED, 20, "f3"},
        {"array data too short",
         P(RECONSTRUCT("numpy._core.multiarray") "(K\1K\2\x85" F8 "\x89"
                                                 "C\1\0tb."),
         SB_E_CORRUPT, -2, "does not fit"},
        {"array of negative length",
         P(RECONSTRUCT("numpy._core.multiarray") "(K\1J\xff\xff\xff\xff\x85" F8 "\x89"
                                                 "C\0tb."),
         SB_E_CORRUPT, -2, "array state"},
        {"array whose shape overflows",
         P(RECONSTRUCT("numpy._core.multiarray") "(K\1(\x8a\6\0\0\0\0\0\1\x8a\6\0\0\0\0\0\1t" F8
                                                 "\x89"
                                                 "C\0tb."),
         SB_E_CORRUPT, -2, "array state"},
        {"field outside its structure",
         P("cnumpy\ndtype\n\x8c\3V16\x89\x88\x87R(K\3\x8c\1|N\x8c\1x\x85}\x8c\1x" F8
           "K\x09\x86sK\x10K\1K\x10tb."),
         SB_E_CORRUPT, -2, "outside"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_errctx ctx = {0};
        const struct sb_pv *v = NULL;
        sb_arena_init(&a, 1 << 20);
        sb_err err = sb_pickle_read(&v, rows[i].file, &opt, &a, &ctx);
        if (err != rows[i].code || (rows[i].pos != -2 && ctx.pos != rows[i].pos) ||
            !strstr(ctx.msg, rows[i].part))
            fail_msg("%s: %s at %lld: %s", rows[i].name, sb_err_name(err), (long long)ctx.pos,
                     ctx.msg);
        sb_arena_fini(&a);
    }
}

static void a_graph_cannot_outgrow_its_budget(void **state) {
    (void)state;
    /* every instruction makes a value of many bytes: a million NONEs in a list */
    struct sb_buf b;
    struct sb_arena a;
    const struct sb_pv *v = NULL;
    sb_buf_init(&b, 4 << 20);
    SB_BUF_LIT(&b, "](");
    for (int i = 0; i < 1000000; i++) sb_buf_addc(&b, 'N');
    SB_BUF_LIT(&b, "e.");
    sb_arena_init(&a, sb_pickle_memory_max(b.n));
    assert_int_equal(sb_pickle_read(&v, sb_buf_view(&b), &opt, &a, NULL), SB_E_LIMIT);
    assert_true(a.used <= a.max);
    sb_arena_fini(&a);
    sb_buf_fini(&b);
}

static void nesting_has_an_end(void **state) {
    (void)state;
    struct sb_buf b;
    struct sb_arena a;
    const struct sb_pv *v = NULL;
    sb_buf_init(&b, 4 << 20);
    for (int i = 0; i < 2 * SB_PICKLE_MARKS_MAX; i++) sb_buf_addc(&b, '(');
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_pickle_read(&v, sb_buf_view(&b), &opt, &a, NULL), SB_E_LIMIT);
    sb_arena_fini(&a);
    sb_buf_fini(&b);
}

/* ---- .npy ---- */

static sb_err read_npy(struct sb_arena *a, const char *head, struct sb_str data,
                       struct sb_pv **out) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    SB_BUF_LIT(&b, "\x93NUMPY\1\0");
    sb_buf_addc(&b, (char)strlen(head));
    sb_buf_addc(&b, 0);
    sb_buf_addz(&b, head);
    sb_buf_adds(&b, data);
    struct sb_str file = sb_arena_dup(a, sb_buf_view(&b));
    sb_buf_fini(&b);
    return sb_npy_read(out, file, a, NULL);
}

static void npy_headers_are_parsed_not_evaluated(void **state) {
    (void)state;
    const struct {
        const char *name, *head;
        struct sb_str data;
        sb_err err;
    } rows[] = {
        {"plain", "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", P("\1\0\2\0"),
         SB_OK},
        {"no dimensions", "{'descr': '<i2', 'fortran_order': False, 'shape': (), }", P("\1\0"),
         SB_OK},
        {"structured with padding",
         "{'descr': [('a', '<i2'), ('', '|V2')], 'fortran_order': False, 'shape': (1,)}",
         P("\1\0\0\0"), SB_OK},
        {"python 2 long", "{'descr': '<i2', 'fortran_order': False, 'shape': (2L,), }",
         P("\1\0\2\0"), SB_OK},
        {"object", "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", P("        "),
         SB_E_UNSUPPORTED},
        {"data too short", "{'descr': '<i2', 'fortran_order': False, 'shape': (3,)}", P("\1\0"),
         SB_E_CORRUPT},
        {"negative shape", "{'descr': '<i2', 'fortran_order': False, 'shape': (-1,)}", P(""),
         SB_E_CORRUPT},
        {"an expression", "{'descr': exit(), 'fortran_order': False, 'shape': (1,)}", P(""),
         SB_E_CORRUPT},
        {"an open string", "{'descr': '<i2", P(""), SB_E_CORRUPT},
        {"an escape", "{'d\\x65scr': '<i2'}", P(""), SB_E_CORRUPT},
        {"no comma", "{'descr': '<i2' 'shape': (1,)}", P(""), SB_E_CORRUPT},
        {"too deep", "((((((((((((1,),),),),),),),),),),),)", P(""), SB_E_CORRUPT},
        {"text after it", "{'descr': '<i2', 'fortran_order': False, 'shape': ()} x", P("\1\0"),
         SB_E_CORRUPT},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_pv *v = NULL;
        sb_arena_init(&a, 1 << 20);
        sb_err err = read_npy(&a, rows[i].head, rows[i].data, &v);
        if (err != rows[i].err) fail_msg("%s: %s", rows[i].name, sb_err_name(err));
        int64_t n = 0;
        if (!err && v->array->dtype->kind == 'i')
            assert_true(sb_np_get_i64(v->array, 0, &n) && n == 1);
        sb_arena_fini(&a);
    }
}

static void numpy_strings_become_text(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_pv *v = NULL;
    struct sb_str s;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(read_npy(&a, "{'descr': '>U2', 'fortran_order': False, 'shape': (2,)}",
                              P("\0\0\0a\0\0\0\xe9\0\1\xf6\0\0\0\0\0"), &v),
                     SB_OK);
    assert_true(sb_np_get_str(v->array, 0, &a, &s) && sb_str_is(s, "a\xc3\xa9"));
    assert_true(sb_np_get_str(v->array, 1, &a, &s) && sb_str_is(s, "\xf0\x9f\x98\x80"));
    assert_int_equal(read_npy(&a, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}",
                              P("\0\xd8\0\0"), &v),
                     SB_OK);
    assert_false(sb_np_get_str(v->array, 0, &a, &s));
    sb_arena_fini(&a);
}

static void a_file_that_is_no_zip_is_no_skops(void **state) {
    (void)state;
    struct sb_arena a;
    const struct sb_pv *v = NULL;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_skops_read(&v, P("PK\3\4 and so on"), &opt, &a, NULL), SB_E_CORRUPT);
    sb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_gives_its_value),
        cmocka_unit_test(a_list_may_contain_itself),
        cmocka_unit_test(what_is_refused_names_itself_and_its_byte),
        cmocka_unit_test(a_graph_cannot_outgrow_its_budget),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(npy_headers_are_parsed_not_evaluated),
        cmocka_unit_test(numpy_strings_become_text),
        cmocka_unit_test(a_file_that_is_no_zip_is_no_skops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
