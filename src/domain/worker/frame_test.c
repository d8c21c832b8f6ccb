/* domain/worker: frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "domain/worker/frame.h"
#include "sys/file.h"

/* The rows of tests/golden/worker-protocol-1/predict.bin: two requests of two and one row. */
struct rows {
    double x[2];
    struct sb_str s[2];
    int64_t n[2];
    uint8_t null[2];
    struct sb_column cols[4];
    struct sb_batch batch;
};

static void make_rows(struct rows *r, size_t n, double from, const char *a, const char *b,
                      bool null) {
    *r = (struct rows){.x = {from, from + 0.5},
                       .s = {sb_str_of(a), sb_str_of(b)},
                       .n = {-1, INT64_MAX},
                       .null = {0, 1}};
    r->cols[0] =
        (struct sb_column){.name = SB_STR("x"), .type = SB_DTYPE_FLOAT64, .width = 1, .data = r->x};
    r->cols[1] = (struct sb_column){
        .name = SB_STR("caf\xc3\xa9"), .type = SB_DTYPE_STRING, .width = 1, .data = r->s};
    r->cols[2] = (struct sb_column){.name = SB_STR("n"),
                                    .type = SB_DTYPE_INT64,
                                    .width = 1,
                                    .data = r->n,
                                    .null = null ? r->null : NULL};
    r->cols[3] = (struct sb_column){
        .name = SB_STR("gone"), .type = SB_DTYPE_BOOL, .width = 1, .absent = true};
    r->batch =
        (struct sb_batch){.nrows = n, .ncols = 4, .cols = r->cols, .params = SB_STR("{\"k\":1}")};
}

static void requests_are_written_as_the_golden_frame(void **state) {
    (void)state;
    struct rows a, b;
    struct sb_buf out, golden;
    sb_buf_init(&out, 1 << 20);
    sb_buf_init(&golden, 1 << 20);
    make_rows(&a, 2, 1.5, "one", "", true);
    make_rows(&b, 1, 7, "\xe2\x82\xac", "unused", false);
    const struct sb_batch *both[] = {&a.batch, &b.batch};
    assert_true(sb_frame_batches_agree(&a.batch, &b.batch));
    assert_int_equal(sb_frame_add_predict(&out, 42, both, 2, true), SB_OK);
    assert_int_equal(sb_file_read_all("tests/golden/worker-protocol-1/predict.bin", &golden, NULL),
                     SB_OK);
    assert_int_equal(out.n, golden.n);
    assert_memory_equal(out.p, golden.p, golden.n);
    sb_buf_fini(&out);
    sb_buf_fini(&golden);
}

static void batches_that_differ_do_not_go_together(void **state) {
    (void)state;
    struct rows a, b;
    make_rows(&a, 2, 1, "p", "q", true);
    for (int change = 0; change < 7; change++) {
        make_rows(&b, 2, 1, "p", "q", true);
        switch (change) {
        case 0: b.cols[1].name = SB_STR("other"); break;
        case 1: b.cols[1].type = SB_DTYPE_BINARY; break;
        case 2: b.cols[0].width = 2; break;
        case 3: b.cols[3].absent = false; break;
        case 4: b.batch.ncols = 3; break;
        case 5: b.batch.tensor = true; break;
        default: b.batch.params = SB_STR("{\"k\":2}"); break;
        }
        assert_false(sb_frame_batches_agree(&a.batch, &b.batch));
    }
}

static void a_golden_answer_is_read_by_slices(void **state) {
    (void)state;
    struct sb_buf golden;
    struct sb_arena a;
    struct sb_result r;
    struct sb_frame_answer head;
    size_t rows;
    sb_buf_init(&golden, 1 << 20);
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_file_read_all("tests/golden/worker-protocol-1/result.bin", &golden, NULL),
                     SB_OK);
    struct sb_str body = sb_str_sub(sb_buf_view(&golden), SB_FRAME_HEAD, golden.n);
    assert_int_equal(sb_frame_answer_head(body, &head), SB_OK);
    assert_int_equal(head.id, 42);
    assert_int_equal(head.compute_ns, 1234567);
    assert_int_equal(sb_frame_result_rows(body, &rows), SB_OK);
    assert_int_equal(rows, 3);
    assert_int_equal(sb_frame_result_slice(body, 1, 2, &a, &r, NULL), SB_OK);
    assert_int_equal(r.nrows, 2);
    assert_int_equal(r.noutputs, 3);
    assert_true(sb_str_is(r.outputs[0].name, "y"));
    assert_true(r.outputs[0].f64[0] == 2.5 && r.outputs[0].f64[1] == 3.5);
    assert_int_equal(r.outputs[1].type, SB_DTYPE_STRING);
    assert_true(r.outputs[1].null[0] && !r.outputs[1].null[1]);
    assert_true(sb_str_is(r.outputs[1].s[1], "\xe2\x82\xac"));
    assert_int_equal(r.outputs[2].type, SB_DTYPE_INT32);
    assert_int_equal(r.outputs[2].i32[1], 9);
    assert_int_equal(r.nclasses, 2);
    assert_true(sb_str_is(r.classes[1], "no"));
    assert_true(r.proba[0] == 0.25 && r.proba[3] == 0.5);

    struct sb_errctx ctx = {0};
    assert_int_equal(sb_frame_result_slice(body, 2, 2, &a, &r, &ctx), SB_E_CORRUPT);
    for (size_t n = 0; n < body.n; n++) /* every cut is noticed */
        assert_int_equal(sb_frame_result_slice(sb_str_sub(body, 0, n), 0, 3, &a, &r, NULL),
                         SB_E_CORRUPT);
    sb_arena_fini(&a);
    sb_arena_init(&a, 64);
    assert_int_equal(sb_frame_result_slice(body, 0, 3, &a, &r, NULL), SB_E_LIMIT);
    sb_arena_fini(&a);
    sb_buf_fini(&golden);
}

static void another_protocol_is_refused(void **state) {
    (void)state;
    struct sb_str json;
    assert_int_equal(sb_frame_ready_read(sb_str_make("\1\0\0\0\2\0\0\0{}", 10), &json), SB_OK);
    assert_true(sb_str_is(json, "{}"));
    assert_int_equal(sb_frame_ready_read(sb_str_make("\2\0\0\0\2\0\0\0{}", 10), &json),
                     SB_E_VERSION);
    assert_int_equal(sb_frame_ready_read(sb_str_make("\1\0\0\0\3\0\0\0{}", 10), &json),
                     SB_E_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_written_as_the_golden_frame),
        cmocka_unit_test(batches_that_differ_do_not_go_together),
        cmocka_unit_test(a_golden_answer_is_read_by_slices),
        cmocka_unit_test(another_protocol_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
