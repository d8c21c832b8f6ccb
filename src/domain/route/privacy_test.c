/* domain/route: what may be recorded of a feature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "codec/hex.h"
#include "codec/sha256.h"
#include "domain/route/privacy.h"

static void test_hmac_is_rfc_4231(void **state) {
    (void)state;
    uint8_t mac[32];
    char hex[65] = {0};
    sb_hmac_sha256(SB_STR("Jefe"), SB_STR("what do ya want for nothing?"), mac); /* case 2 */
    sb_hex_encode(hex, mac, 32);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

struct row {
    const char *name;
    const char *texts[3];
    const char *merged; /* NULL: refused */
    const char *message;
};

static const struct row rows[] = {
    {"nothing", {"", "", ""}, "", NULL},
    {"a list", {"a=drop, b=mask"}, "{\"a\":\"drop\",\"b\":\"mask\"}", NULL},
    {"JSON", {"{\"a\": \"hmac\"}"}, "{\"a\":\"hmac\"}", NULL},
    {"all kept", {"a=keep"}, "", NULL},
    {"the first that names it counts", {"a=keep", "a=drop,b=mask"}, "{\"b\":\"mask\"}", NULL},
    {"an equals sign in a name", {"a=b=drop"}, "{\"a=b\":\"drop\"}", NULL},
    {"unknown action", {"a=hide"}, NULL, "\"hide\" of feature \"a\""},
    {"an unknown one behind others", {"a=drop", "", "b=DROP"}, NULL, "\"DROP\" of feature \"b\""},
    {"no action", {"a"}, NULL, "\"a\" is not feature=action"},
    {"no name", {"=drop"}, NULL, "without a name"},
    {"broken JSON", {"{\"a\":"}, NULL, "not JSON"},
    {"an action that is no text", {"{\"a\": 1}"}, NULL, "has no action"},
};

static void test_rules_are_merged(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct sb_arena a;
        struct sb_errctx ctx = {0};
        struct sb_str out, texts[3];
        for (int k = 0; k < 3; k++) texts[k] = sb_str_of(r->texts[k]);
        sb_arena_init(&a, 1 << 22);
        sb_err err = sb_privacy_merge(texts, 3, &a, &out, &ctx);
        if (r->merged ? err || !sb_str_is(out, r->merged) : !err || !strstr(ctx.msg, r->message))
            fail_msg("%s: %s, %.*s", r->name, ctx.msg, SB_ARG(out));
        sb_arena_fini(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac_is_rfc_4231),
        cmocka_unit_test(test_rules_are_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
