#include "domain/registry/source_check.h"

#include "codec/hex.h"
#include "domain/registry/source_int.h"

/* ---- decoding ---- */

/* One round of percent-decoding in place; true when something was decoded. A '%' without two hex
 * digits stands for itself. */
static bool decode_once(char *p, size_t *n) {
    size_t to = 0;
    for (size_t i = 0; i < *n; i++) {
        if (p[i] == '%' && i + 2 < *n && sb_hex_digit(p[i + 1]) >= 0 &&
            sb_hex_digit(p[i + 2]) >= 0) {
            p[to++] = (char)(sb_hex_digit(p[i + 1]) << 4 | sb_hex_digit(p[i + 2]));
            i += 2;
        } else {
            p[to++] = p[i];
        }
    }
    bool changed = to < *n;
    *n = to;
    return changed;
}

/* Every round that changes something makes the text shorter, so this ends. */
static sb_err decode_fully(struct sb_str s, struct sb_arena *arena, struct sb_str *out) {
    struct sb_str copy = sb_arena_dup(arena, s.p ? s : SB_STR(""));
    if (!copy.p) return SB_E_LIMIT;
    char *p = sb_arena_alloc(arena, copy.n + 1);
    memcpy(p, copy.p, copy.n + 1);
    size_t n = copy.n;
    while (decode_once(p, &n)) {
    }
    p[n] = '\0';
    *out = sb_str_make(p, n);
    return SB_OK;
}

/* ---- the parts of a URI ---- */

/* Length of "scheme:" (RFC 3986 section 3.1), 0 when there is none. */
static size_t scheme_length(struct sb_str s) {
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool alpha = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (ch == ':') return i ? i + 1 : 0;
        if (!alpha &&
            (i == 0 || !((ch >= '0' && ch <= '9') || ch == '+' || ch == '.' || ch == '-')))
            return 0;
    }
    return 0;
}

struct sb_uri_parts sb_uri_parts_of(struct sb_str s) {
    struct sb_uri_parts u = {0};
    size_t n = scheme_length(s);
    if (n) u.scheme = sb_str_sub(s, 0, n - 1);
    u.path = sb_str_sub(s, n, s.n);
    if (sb_str_starts(u.path, SB_STR("//"))) {
        struct sb_str rest = sb_str_sub(u.path, 2, u.path.n);
        ptrdiff_t slash = sb_str_find(rest, '/');
        size_t end = slash < 0 ? rest.n : (size_t)slash;
        u.authority = sb_str_sub(rest, 0, end);
        u.path = sb_str_sub(rest, end, rest.n);
    }
    return u;
}

bool sb_source_is_local(struct sb_str uri) {
    size_t n = scheme_length(uri);
    if (n == 0 || n == 2) return true; /* a path; "C:" is a drive */
    return sb_str_ieq(sb_str_sub(uri, 0, n - 1), SB_STR("file"));
}

/* ---- checks ---- */

static sb_err check_bytes(struct sb_str s, struct sb_errctx *ctx) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        if (ch < 0x20 || ch == 0x7f)
            return sb_fail_at(ctx, SB_E_DENIED, (int64_t)i, "has a control character");
        if (ch == '\\') return sb_fail_at(ctx, SB_E_DENIED, (int64_t)i, "has a backslash");
        if (ch == '#' || ch == '?')
            return sb_fail_at(ctx, SB_E_DENIED, (int64_t)i, "has a '%c'", ch);
    }
    return SB_OK;
}

static sb_err check_segments(struct sb_str path, struct sb_errctx *ctx) {
    struct sb_str rest = path, part;
    while (sb_str_split(&rest, '/', &part))
        if (sb_str_is(part, "..") || sb_str_is(part, "."))
            return sb_fail(ctx, SB_E_DENIED, "has a relative part '%.*s'", SB_ARG(part));
    return SB_OK;
}

static sb_err check_decoded(struct sb_str s, struct sb_errctx *ctx) {
    if (s.n == 0) return sb_fail(ctx, SB_E_DENIED, "is empty");
    SB_TRY(check_bytes(s, ctx));
    return check_segments(sb_str_sub(s, scheme_length(s), s.n), ctx);
}

sb_err sb_source_check_uri(struct sb_str uri, struct sb_arena *arena, struct sb_errctx *ctx) {
    struct sb_str decoded;
    SB_TRY(decode_fully(uri, arena, &decoded));
    return check_decoded(decoded, ctx);
}

sb_err sb_source_check_path(struct sb_str path, struct sb_arena *arena, struct sb_errctx *ctx) {
    struct sb_str s;
    SB_TRY(decode_fully(path, arena, &s));
    SB_TRY(check_decoded(s, ctx));
    SB_TRY(check_segments(s, ctx));
    bool drive = s.n >= 2 && s.p[1] == ':' &&
                 ((s.p[0] >= 'a' && s.p[0] <= 'z') || (s.p[0] >= 'A' && s.p[0] <= 'Z'));
    if (s.p[0] == '/' || drive) return sb_fail(ctx, SB_E_DENIED, "is an absolute path");
    return SB_OK;
}

/* ---- inside a root ---- */

/* The next part of a path that is not empty. */
static bool next_part(struct sb_str *rest, struct sb_str *part) {
    while (sb_str_split(rest, '/', part))
        if (part->n) return true;
    return false;
}

static bool path_within(struct sb_str path, struct sb_str root) {
    struct sb_str a, b;
    size_t shared = 0;
    for (; next_part(&root, &b); shared++)
        if (!next_part(&path, &a) || !sb_str_eq(a, b)) return false;
    return shared > 0; /* a root of "/" is no confinement */
}

static bool is_this_host(struct sb_str authority) {
    return authority.n == 0 || sb_str_ieq(authority, SB_STR("localhost"));
}

static bool within(struct sb_str source, struct sb_str root) {
    struct sb_uri_parts s = sb_uri_parts_of(source), r = sb_uri_parts_of(root);
    if (sb_source_is_local(source)) {
        if (!sb_source_is_local(root) || !is_this_host(s.authority) || !is_this_host(r.authority))
            return false;
        if (!sb_str_starts(s.path, SB_STR("/")) || !sb_str_starts(r.path, SB_STR("/")))
            return false;
    } else if (!sb_str_ieq(s.scheme, r.scheme) || !sb_str_eq(s.authority, r.authority)) {
        return false;
    }
    return path_within(s.path, r.path);
}

bool sb_source_is_proxied(struct sb_str uri) {
    struct sb_uri_parts u = sb_uri_parts_of(uri);
    if (sb_str_ieq(u.scheme, SB_STR("mlflow-artifacts"))) return true;
    if (!sb_str_ieq(u.scheme, SB_STR("http")) && !sb_str_ieq(u.scheme, SB_STR("https")))
        return false;
    /* Doubled slashes do not hide the route. */
    static const char *const route[] = {"api", "2.0", "mlflow-artifacts", "artifacts"};
    struct sb_str rest = u.path, part;
    for (size_t at = 0; next_part(&rest, &part);) {
        if (sb_str_is(part, route[at]))
            at++;
        else
            at = sb_str_is(part, route[0]);
        if (at == SB_COUNT(route)) return true;
    }
    return false;
}

sb_err sb_source_check_version(struct sb_str source, struct sb_str root, struct sb_arena *arena,
                               struct sb_errctx *ctx) {
    struct sb_str s, r;
    SB_TRY(decode_fully(source, arena, &s));
    SB_TRY(check_decoded(s, ctx));
    /* Both spellings must agree on what they are: a scheme may not hide in an encoding. */
    if (!sb_str_eq(sb_uri_parts_of(source).scheme, sb_uri_parts_of(s).scheme))
        return sb_fail(ctx, SB_E_DENIED, "has an encoded scheme");
    bool local = sb_source_is_local(s);
    if (!local && !sb_source_is_proxied(s)) return SB_OK;
    SB_TRY(decode_fully(root, arena, &r));
    if (r.n && within(s, r)) return SB_OK;
    return sb_fail(ctx, SB_E_DENIED, "is not inside the artifacts of its run or logged model");
}
