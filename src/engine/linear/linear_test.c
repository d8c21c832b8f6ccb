/* engine/linear: sums, links, and damaged sections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/linear/linear.h"

static void sums_run_from_left_to_right(void **state) {
    (void)state;
    const double coef[] = {1, 1, 1, 2, 0, -1}, intercept[] = {0.5, -1};
    const struct sb_linear l = {
        .nfeatures = 3, .noutputs = 2, .coef = coef, .intercept = intercept};
    const double x[] = {1e16, 1, -1e16};
    double out[2];
    sb_linear_sum(&l, x, out);
    assert_true(out[0] == ((1e16 + 1) - 1e16) + 0.5);
    assert_true(out[1] == 2e16 + 1e16 - 1);
}

static void links_answer_as_the_library(void **state) {
    (void)state;
    const struct {
        const char *name;
        enum sb_linear_post post;
        uint32_t n;
        double scores[3], want[3];
    } rows[] = {
        {"as they are", SB_LINEAR_IDENTITY, 2, {-1, 2}, {-1, 2}},
        {"the middle", SB_LINEAR_EXPIT, 1, {0}, {0.5}},
        {"far below", SB_LINEAR_EXPIT, 1, {-800}, {0}},
        {"far above", SB_LINEAR_EXPIT, 1, {800}, {1}},
        {"shifted by the largest", SB_LINEAR_SOFTMAX, 3, {1000, 1000, -1000}, {0.5, 0.5, 0}},
        {"two of one score", SB_LINEAR_PAIR, 1, {0}, {0.5, 0.5}},
        {"divided by their sum", SB_LINEAR_OVR, 3, {0, 0, 800}, {0.25, 0.25, 0.5}},
        {"all zero is uniform", SB_LINEAR_OVR, 2, {-800, -800}, {0.5, 0.5}},
        {"clipped", SB_LINEAR_HUBER, 1, {7}, {1}},
        {"in between", SB_LINEAR_HUBER, 1, {0.5}, {0.75}},
        {"several", SB_LINEAR_HUBER, 3, {-5, 0, 0}, {0, 0.5, 0.5}},
        {"none of several", SB_LINEAR_HUBER, 2, {-5, -1}, {0.5, 0.5}},
        {"a log link", SB_LINEAR_EXP, 2, {0, 800}, {1, INFINITY}},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        const struct sb_linear l = {.nfeatures = 1, .noutputs = rows[i].n, .post = rows[i].post};
        double out[3];
        sb_linear_finish(&l, 1, rows[i].scores, out);
        for (uint32_t k = 0; k < sb_linear_width(&l); k++)
            if (out[k] != rows[i].want[k]) fail_msg("%s: %u: %a", rows[i].name, k, out[k]);
    }
}

static void not_a_number_stays_one(void **state) {
    (void)state;
    const struct sb_linear l = {.nfeatures = 1, .noutputs = 3, .post = SB_LINEAR_SOFTMAX};
    double v[] = {1, NAN, 2};
    sb_linear_finish(&l, 1, v, v);
    assert_true(isnan(v[0]) && isnan(v[1]) && isnan(v[2]));
}

static struct sb_str section(struct sb_image_writer *w, struct sb_image *img,
                             const struct sb_linear *l) {
    struct sb_str file;
    sb_image_writer_init(w, 1 << 20);
    sb_linear_write(w, l);
    assert_int_equal(sb_image_finish(w, &file), SB_OK);
    assert_int_equal(sb_image_open(img, file, NULL), SB_OK);
    return img->section[SB_IMAGE_LINEAR];
}

static void what_is_written_is_read(void **state) {
    (void)state;
    const double coef[] = {1, 2, 3, 4, 5, 6}, intercept[] = {7, 8};
    const struct sb_linear l = {3, 2, SB_LINEAR_OVR, coef, intercept};
    struct sb_image_writer w;
    struct sb_image img;
    struct sb_linear got;
    (void)section(&w, &img, &l);
    assert_int_equal(sb_linear_open(&got, &img, NULL), SB_OK);
    assert_int_equal(got.nfeatures, 3);
    assert_int_equal(got.noutputs, 2);
    assert_int_equal(got.post, SB_LINEAR_OVR);
    assert_memory_equal(got.coef, coef, sizeof coef);
    assert_memory_equal(got.intercept, intercept, sizeof intercept);
    sb_image_writer_fini(&w);
}

static void damaged_sections_do_not_open(void **state) {
    (void)state;
    const double coef[] = {1, 2}, intercept[] = {3};
    const struct sb_linear l = {2, 1, SB_LINEAR_EXPIT, coef, intercept};
    const struct {
        const char *name;
        size_t at;
        uint32_t value;
    } rows[] = {
        {"no features", 0, 0},
        {"more features", 0, 3},
        {"so many that their size wraps", 0, UINT32_MAX},
        {"no outputs", 4, 0},
        {"more outputs", 4, 2},
        {"an unknown link", 8, SB_LINEAR_POST_COUNT},
    };
    struct sb_image_writer w;
    struct sb_image img;
    struct sb_linear got;
    struct sb_str s = section(&w, &img, &l);
    _Alignas(8) char copy[64];
    assert_true(s.n <= sizeof copy);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        memcpy(copy, s.p, s.n);
        memcpy(copy + rows[i].at, &rows[i].value, 4);
        img.section[SB_IMAGE_LINEAR] = sb_str_make(copy, s.n);
        if (sb_linear_open(&got, &img, NULL) != SB_E_CORRUPT) fail_msg("%s", rows[i].name);
    }
    for (size_t n = 0; n < s.n; n++) {
        img.section[SB_IMAGE_LINEAR] = sb_str_make(s.p, n);
        assert_int_equal(sb_linear_open(&got, &img, NULL), SB_E_CORRUPT);
    }
    sb_image_writer_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_run_from_left_to_right),
        cmocka_unit_test(links_answer_as_the_library),
        cmocka_unit_test(not_a_number_stays_one),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(damaged_sections_do_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
