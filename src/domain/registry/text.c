/* Text helpers: lengths as Python counts them, ids, made-up names, page tokens. */
#include <math.h>

#include "base/random.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "domain/registry/store_int.h"

static bool starts_character(char c) {
    return ((unsigned char)c & 0xc0) != 0x80;
}

size_t sb_text_length(struct sb_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += starts_character(s.p[i]);
    return n;
}

struct sb_str sb_text_cut(struct sb_str s, size_t n) {
    size_t seen = 0;
    for (size_t i = 0; i < s.n; i++)
        if (starts_character(s.p[i]) && seen++ == n) return sb_str_sub(s, 0, i);
    return s;
}

const char *sb_text_json(struct sb_arena *a, struct sb_str s) {
    if (!s.p) return "null";
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    sb_json_add_string(&b, sb_str_sub(s, 0, 4096));
    const char *text = sb_arena_printf(a, "%s", sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return text;
}

const char *sb_text_repr(struct sb_arena *a, struct sb_str s) {
    struct sb_buf b;
    char quote = sb_str_find(s, '\'') >= 0 && sb_str_find(s, '"') < 0 ? '"' : '\'';
    sb_buf_init(&b, 1 << 20);
    sb_buf_addc(&b, quote);
    for (size_t i = 0; i < s.n && i < 4096; i++) {
        if (s.p[i] == quote || s.p[i] == '\\') sb_buf_addc(&b, '\\');
        sb_buf_addc(&b, s.p[i]);
    }
    sb_buf_addc(&b, quote);
    const char *text = sb_arena_printf(a, "%s", sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return text;
}

const char *sb_text_repr_double(struct sb_arena *a, double v) {
    if (isnan(v)) return "nan";
    if (isinf(v)) return v < 0 ? "-inf" : "inf";
    struct sb_buf b;
    sb_buf_init(&b, 64);
    sb_json_add_double(&b, v);
    const char *text = sb_buf_cstr(&b);
    text = sb_arena_printf(a, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
    sb_buf_fini(&b);
    return text;
}

struct sb_str sb_text_join(struct sb_arena *a, struct sb_str root, const char *const *parts,
                           size_t n) {
    while (root.n > 1 && root.p[root.n - 1] == '/') root.n--;
    struct sb_buf b;
    sb_buf_init(&b, 64 << 10);
    sb_buf_adds(&b, root);
    for (size_t i = 0; i < n; i++) {
        if (b.n == 0 || b.p[b.n - 1] != '/') sb_buf_addc(&b, '/');
        sb_buf_addz(&b, parts[i]);
    }
    const char *text = sb_arena_printf(a, "%s", sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return sb_str_of(text);
}

struct sb_str sb_text_uuid(struct sb_arena *a, const char *prefix) {
    uint8_t id[16];
    char hex[33];
    sb_random_bytes(id, sizeof id);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 9562 section 5.4: version 4, variant 10 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    sb_hex_encode(hex, id, sizeof id);
    hex[32] = '\0';
    return sb_str_of(sb_arena_printf(a, "%s%s", prefix, hex));
}

/* At most 8 letters each, so that a name with two dashes and a number below 1000 fits 20. */
static const char *const adjectives[] = {
    "amber",   "ample",  "brave",  "breezy", "bright", "brisk",    "candid", "clear",  "clever",
    "cosmic",  "crisp",  "curly",  "daring", "deft",   "eager",    "early",  "fabled", "fair",
    "fleet",   "fond",   "frank",  "fresh",  "gentle", "glad",     "golden", "grand",  "hardy",
    "hazel",   "honest", "humble", "jolly",  "keen",   "kind",     "lively", "loyal",  "lucid",
    "lunar",   "mellow", "merry",  "mighty", "modest", "neat",     "nimble", "noble",  "opal",
    "patient", "polar",  "prime",  "proud",  "quick",  "quiet",    "rapid",  "rosy",   "rustic",
    "sage",    "serene", "sharp",  "silver", "sleek",  "snug",     "sober",  "solar",  "spry",
    "steady",  "stout",  "sunny",  "swift",  "tidy",   "tranquil", "true",   "velvet", "vivid",
    "warm",    "wise",   "witty",  "zesty",
};
static const char *const nouns[] = {
    "alpaca", "ant",    "badger", "bat",    "beaver",  "bison",  "bobcat", "crane",  "cricket",
    "crow",   "deer",   "dingo",  "dove",   "eagle",   "egret",  "elk",    "falcon", "ferret",
    "finch",  "fox",    "gecko",  "gibbon", "goose",   "hare",   "hawk",   "heron",  "horse",
    "ibis",   "iguana", "jackal", "jay",    "kestrel", "kiwi",   "koala",  "lark",   "lemur",
    "lion",   "lizard", "llama",  "lynx",   "magpie",  "marten", "mole",   "moose",  "moth",
    "newt",   "ocelot", "orca",   "osprey", "otter",   "owl",    "panda",  "parrot", "pelican",
    "pika",   "puffin", "puma",   "quail",  "rabbit",  "raven",  "robin",  "salmon", "seal",
    "shrew",  "snail",  "stork",  "swan",   "tapir",   "tern",   "toad",   "trout",  "turtle",
    "viper",  "walrus", "wombat", "wren",   "yak",     "zebra",
};

struct sb_str sb_text_made_up_name(struct sb_arena *a) {
    uint32_t r[3];
    sb_random_bytes(r, sizeof r);
    return sb_str_of(sb_arena_printf(a, "%s-%s-%u", adjectives[r[0] % SB_COUNT(adjectives)],
                                     nouns[r[1] % SB_COUNT(nouns)], r[2] % 1000));
}
