/* Text from outside on a terminal: what it would obey is escaped, the rest stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "app/text.h"

struct row {
    const char *name, *in, *text, *json;
};

static const struct row rows[] = {
    {"plain words stay", "iris 3", "iris 3", "iris 3"},
    {"letters of any script stay", "Größe 模型", "Größe 模型", "Größe 模型"},
    {"an escape sequence does nothing", "a\x1b[2Jb", "a\\x1b[2Jb", "a\\u001b[2Jb"},
    {"a new line cannot forge a line", "a\nb\tc", "a\\nb\\tc", "a\nb\tc"},
    {"DEL", "a\x7f", "a\\x7f", "a\\u007f"},
    {"C1 controls, which some terminals obey",
     "a\xc2\x9b"
     "2J",
     "a\\x9b2J", "a\\u009b2J"},
    {"text turned around", "a\xe2\x80\xaegpj.exe", "a\\u{202e}gpj.exe", "a\\u202egpj.exe"},
    {"bytes that are no UTF-8", "a\xff\xfe", "a\\xff\\xfe", "a\\ufffd\\ufffd"},
    {"a sequence that is cut", "a\xe2\x82", "a\\xe2\\x82", "a\\ufffd"},
    {"nothing", "", "", ""},
};

static void what_a_terminal_obeys_is_escaped(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_buf text, json;
        sb_buf_init(&text, 1000);
        sb_buf_init(&json, 1000);
        sb_text_add(&text, sb_str_of(rows[i].in));
        sb_text_add_json(&json, sb_str_of(rows[i].in));
        if (strcmp(sb_buf_cstr(&text), rows[i].text)) fail_msg("%s: %s", rows[i].name, text.p);
        if (strcmp(sb_buf_cstr(&json), rows[i].json)) fail_msg("%s: %s", rows[i].name, json.p);
        sb_buf_fini(&text);
        sb_buf_fini(&json);
    }
}

static void sizes_are_short(void **state) {
    (void)state;
    static const struct {
        int64_t bytes;
        const char *text;
    } sizes[] = {{0, "0 B"},          {999, "999 B"},           {1000, "1.0 kB"},
                 {14528, "15 kB"},    {999499, "999 kB"},       {999500, "1.0 MB"},
                 {1500000, "1.5 MB"}, {INT64_MAX, "9223372 TB"}};
    for (size_t i = 0; i < SB_COUNT(sizes); i++) {
        struct sb_buf b;
        sb_buf_init(&b, 100);
        sb_text_add_bytes(&b, sizes[i].bytes);
        assert_string_equal(sb_buf_cstr(&b), sizes[i].text);
        sb_buf_fini(&b);
    }
}

static void a_table_has_columns_of_its_widest_cells(void **state) {
    (void)state;
    static const char *const titles[] = {"NAME", "VERSION", "WHY"};
    static const char *const cells[] = {"iris", "12", "alias production", "größe\x1b", "", ""};
    struct sb_table t;
    struct sb_buf out;
    sb_table_init(&t, titles, SB_COUNT(titles));
    for (size_t i = 0; i < SB_COUNT(cells); i++) sb_table_add(&t, sb_str_of(cells[i]));
    sb_buf_init(&out, 1000);
    sb_table_print(&t, &out);
    assert_string_equal(sb_buf_cstr(&out), "NAME       VERSION  WHY\n"
                                           "iris       12       alias production\n"
                                           "größe\\x1b           \n");
    sb_buf_fini(&out);
    sb_table_fini(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_obeys_is_escaped),
        cmocka_unit_test(sizes_are_short),
        cmocka_unit_test(a_table_has_columns_of_its_widest_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
