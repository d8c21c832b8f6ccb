/* Doubles and floats as text: against strtod and printf, which are slow and right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "codec/json.h"

static double from_bits(uint64_t bits) {
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}
static uint64_t to_bits(double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}
static uint32_t float_bits(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* The significant digits of a number's text, without zeros at either end; how many. */
static int significant(const char *text, char to[40]) {
    int n = 0, keep = 0;
    for (const char *p = text; *p && *p != 'e'; p++) {
        if (*p < '0' || *p > '9' || (*p == '0' && !n)) continue;
        to[n++] = *p;
        if (*p != '0') keep = n;
    }
    to[keep] = 0;
    return keep;
}

/* Reads back as the same double, by strtod and by our own parser. */
static void check_double(double v) {
    char text[40];
    size_t n = sb_double_format(text, v);
    assert_true(n <= 32);
    text[n] = 0;
    double back = strtod(text, NULL), ours = 0;
    if (!sb_double_parse(sb_str_make(text, n), &ours) || to_bits(ours) != to_bits(v))
        fail_msg("%s: parsed as %.17g, is %.17g", text, ours, v);
    if (to_bits(back) != to_bits(v)) fail_msg("%.17g written as %s", v, text);
}

/* No shorter one reads back, and among the shortest it is the nearest (what %.*e gives). */
static void check_shortest(double v) {
    char text[40], other[40], ours[40], theirs[40];
    text[sb_double_format(text, v)] = 0;
    int n = significant(text, ours);
    if (n > 1) {
        snprintf(other, sizeof other, "%.*e", n - 2, v);
        if (strtod(other, NULL) == v) fail_msg("%s is shorter than %s", other, text);
    }
    /* the nearest of that length is printf's; ours differs only when that one reads back otherwise
     */
    snprintf(other, sizeof other, "%.*e", n - 1, v);
    significant(other, theirs);
    if (strtod(other, NULL) == v && strcmp(ours, theirs) != 0)
        fail_msg("%s is not nearest, %s is", text, other);
}

static void check_float(float v) {
    char text[40], other[40], all[40];
    size_t n = sb_float_format(text, v);
    assert_true(n <= 32);
    text[n] = 0;
    if (float_bits(strtof(text, NULL)) != float_bits(v)) fail_msg("%.9g written as %s", v, text);
    int digits = significant(text, all);
    if (digits < 2) return;
    snprintf(other, sizeof other, "%.*e", digits - 2, v);
    if (strtof(other, NULL) == v) fail_msg("%s is shorter than %s", other, text);
}

static void two_million_bit_patterns(void **state) {
    (void)state;
    struct sb_rng rng;
    sb_rng_seed(&rng, 20240601);
    for (int i = 0; i < 2000000; i++) {
        double v = from_bits(sb_rng_next(&rng));
        if (!isfinite(v)) continue;
        check_double(v);
        if (i % 20 == 0) check_shortest(v);
    }
}

static void floats_of_random_bits(void **state) {
    (void)state;
    struct sb_rng rng;
    sb_rng_seed(&rng, 7);
    for (int i = 0; i < 400000; i++) {
        uint32_t bits = (uint32_t)(sb_rng_next(&rng) >> 32);
        float v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v)) check_float(v);
    }
}

static void powers_and_their_neighbours(void **state) {
    (void)state;
    for (int e = -1074; e <= 1023; e++) {
        double v = ldexp(1, e);
        double near[] = {v, nextafter(v, 0), nextafter(v, HUGE_VAL), -v};
        for (size_t i = 0; i < SB_COUNT(near); i++) {
            check_double(near[i]);
            if (near[i] != 0) check_shortest(near[i]);
        }
        if (e >= -149 && e <= 127) {
            check_float((float)v);
            check_float(nextafterf((float)v, 0));
            check_float(nextafterf((float)v, 1e30F));
        }
    }
    for (int e = -323; e <= 308; e++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", e);
        double v = strtod(text, NULL), ours = 0;
        assert_true(sb_double_parse(sb_str_of(text), &ours) && ours == v);
        check_double(v);
        check_shortest(v);
        check_double(nextafter(v, 0));
        check_double(nextafter(v, HUGE_VAL));
    }
}

static void subnormals(void **state) {
    (void)state;
    struct sb_rng rng;
    sb_rng_seed(&rng, 3);
    for (uint64_t i = 1; i < 20000; i++) check_double(from_bits(i));
    for (int i = 0; i < 100000; i++) {
        double v = from_bits(sb_rng_next(&rng) >> (12 + sb_rng_next(&rng) % 52));
        check_double(v);
        if (i % 10 == 0 && v != 0) check_shortest(v);
    }
}

static void decimals_of_few_digits_keep_their_text(void **state) {
    (void)state;
    for (int i = 1; i < 100000; i++) {
        char text[32], out[40];
        snprintf(text, sizeof text, "0.%05d", i);
        size_t n = strlen(text);
        while (text[n - 1] == '0') text[--n] = 0;
        out[sb_double_format(out, i / 1e5)] = 0;
        if (i >= 10 && strcmp(text, out) != 0) fail_msg("%s written as %s", text, out);
        check_double(i / 1e5);
    }
}

static void layout_is_pythons(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {5.0, "5.0"},
        {-100.0, "-100.0"},
        {0.1, "0.1"},
        {0.97, "0.97"},
        {5.1, "5.1"},
        {123.456, "123.456"},
        {1e15, "1000000000000000.0"},
        {9007199254740993.0, "9007199254740992.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e16"},
        {1.5e16, "1.5e16"},
        {1e21, "1e21"},
        {1e22, "1e22"},
        {1e23, "1e23"},
        {9e-5, "9e-5"},
        {1e-4, "0.0001"},
        {0.00012345678901234567, "0.00012345678901234567"},
        {1.5e-7, "1.5e-7"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {-1.7976931348623157e308, "-1.7976931348623157e308"},
        {4.35, "4.35"},
        {1.0 / 3, "0.3333333333333333"},
        {2e-44, "2e-44"},
        {9.5e-3, "0.0095"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char text[40];
        text[sb_double_format(text, rows[i].v)] = 0;
        assert_string_equal(text, rows[i].text);
    }
    static const struct {
        float v;
        const char *text;
    } floats[] = {
        {0.1F, "0.1"},
        {0.3F, "0.3"},
        {16777216.0F, "16777216.0"},
        {1e-45F, "1e-45"},
        {-0.0F, "-0.0"},
        {3.4028235e38F, "3.4028235e38"},
        {1e10F, "10000000000.0"},
        {8.5F, "8.5"},
    };
    for (size_t i = 0; i < SB_COUNT(floats); i++) {
        char text[40];
        text[sb_float_format(text, floats[i].v)] = 0;
        assert_string_equal(text, floats[i].text);
        assert_true(strtof(text, NULL) == floats[i].v);
    }
}

/* Texts whose rounding is hard: ties, near ties, many digits, ends of the range. */
static void hard_texts_round_as_strtod_does(void **state) {
    (void)state;
    static const char *const rows[] = {
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740992.99999999999999999999",
        "9007199254740993.00000000000000000000000000000000001",
        "9007199254740995",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.225073858507201e-308",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "4.9e-324",
        "7.4e-324",
        "2.470328229206232720882843964341106861825299013071623822127928412503377536351043759326499"
        "1818081799618989828234772285886546332835517796989819938739800539093906315035659515570226"
        "392290858392449105184435931802849936536152500319370457678249219365623669863658480757001"
        "5769269990370631192827955855133292783433840935197801553124659726357957462276646527282722"
        "0056374006485499977096599470454020828166226237857393450736339007967761930577506740176324"
        "673600968951340535537458516661134223766678604816215968046191446729184030053005753084904"
        "8769172806130082064352e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.797693134862315807e308",
        "1.7976931348623159e308",
        "1e309",
        "-1e400",
        "1e-400",
        "0e400",
        "123456789012345678901",
        "6.0221407600000000000000000000000000000000001e23",
        "0.000000000000000000000000000001",
        "100000000000000000000000000000000000000000000000000",
        "1e23",
        "8.5e22",
        "9.5e-23",
        "3.5844466002796428e298",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "0.500000000000000166533453693773481063544750213623046875",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649"
        "0179775872070963302864166928879109465555478519404026306574886715058206819089020007083836"
        "762738548458177115317644757302700698555713669596228429148198608349364752927190741684443"
        "65510704342711559699508093042880",
        "0.000000000000000000000000000000000000000000000000000000000000000000000000012345678901234"
        "56789e60",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "0.1e-323",
        "5e-325",
        "18014398509481985",
        "18014398509481986",
        "18446744073709551615",
        "18446744073709551616",
        "9999999999999999999",
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        double v = 0, want = strtod(rows[i], NULL);
        if (!sb_double_parse(sb_str_of(rows[i]), &v) || to_bits(v) != to_bits(want))
            fail_msg("%s: %.17g, not %.17g", rows[i], v, want);
    }
}

/* Exactly halfway between two doubles, and a digit above and below: the last digits decide. */
static void random_ties_and_texts(void **state) {
    (void)state;
    struct sb_rng rng;
    sb_rng_seed(&rng, 11);
    for (int i = 0; i < 60000; i++) {
        char text[1400];
        uint64_t r = sb_rng_next(&rng);
        int form = (int)(r % 4);
        size_t n;
        if (form == 0) { /* a tie, written out */
            uint64_t c = (sb_rng_next(&rng) >> 11) | UINT64_C(1) << 52;
            long double tie = ldexpl((long double)c + 0.5L, (int)(r >> 8 & 255) - 128);
            n = (size_t)snprintf(text, sizeof text, "%.250Lf", tie);
            if (r >> 20 & 1) text[n - 1] = '1';
        } else if (form == 1) {
            n = (size_t)snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(r >> 20),
                                 (unsigned long long)sb_rng_next(&rng), (int)(r >> 3 & 1023) - 512);
        } else if (form == 2) {
            n = (size_t)snprintf(text, sizeof text, "%llue%d",
                                 (unsigned long long)sb_rng_next(&rng), (int)(r >> 3 & 63) - 40);
        } else {
            n = (size_t)snprintf(text, sizeof text, "%.*e", (int)(r >> 3 & 31),
                                 from_bits(sb_rng_next(&rng) & ~(UINT64_C(1) << 62)));
        }
        double v = 0, want = strtod(text, NULL);
        if (!sb_double_parse(sb_str_make(text, n), &v) || to_bits(v) != to_bits(want))
            fail_msg("%s: %.17g, not %.17g", text, v, want);
    }
}

static void texts_that_are_no_numbers(void **state) {
    (void)state;
    static const char *const rows[] = {"",    "-",   "+1",   "01",   ".5",    "5.", "1e",
                                       "1e+", "inf", "nan",  "0x10", "1 ",    " 1", "1.5x",
                                       "1,5", "--1", "1e5.", "1__0", "1e5e5", "-e", "1.e5"};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        double v = 42;
        if (sb_double_parse(sb_str_of(rows[i]), &v)) fail_msg("'%s' parsed", rows[i]);
        assert_true(v == 42);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_million_bit_patterns),
        cmocka_unit_test(floats_of_random_bits),
        cmocka_unit_test(powers_and_their_neighbours),
        cmocka_unit_test(subnormals),
        cmocka_unit_test(decimals_of_few_digits_keep_their_text),
        cmocka_unit_test(layout_is_pythons),
        cmocka_unit_test(hard_texts_round_as_strtod_does),
        cmocka_unit_test(random_ties_and_texts),
        cmocka_unit_test(texts_that_are_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
