#include "domain/artifact/path.h"

#include <ctype.h>

#include "codec/utf8.h"

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One round of decoding in place; false when nothing changed. */
static bool decode_round(char *p, size_t *n) {
    size_t to = 0;
    bool changed = false;
    for (size_t i = 0; i < *n;) {
        if (p[i] == '%' && *n - i >= 3 && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
            p[to++] = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
            i += 3;
            changed = true;
        } else {
            p[to++] = p[i++];
        }
    }
    *n = to;
    return changed;
}

static sb_err check_whole(struct sb_str s, struct sb_errctx *ctx) {
    if (sb_str_find(s, '\0') >= 0) return sb_fail(ctx, SB_E_DENIED, "Invalid path: it has a NUL");
    if (sb_str_find(s, '#') >= 0) return sb_fail(ctx, SB_E_DENIED, "Invalid path: it has a '#'");
    if (sb_str_find(s, '\\') >= 0)
        return sb_fail(ctx, SB_E_DENIED, "Invalid path: it has a backslash");
    if (s.n && s.p[0] == '/') return sb_fail(ctx, SB_E_DENIED, "Invalid path: it is absolute");
    if (s.n >= 2 && isalpha((unsigned char)s.p[0]) && s.p[1] == ':' && (s.n == 2 || s.p[2] == '/'))
        return sb_fail(ctx, SB_E_DENIED, "Invalid path: it names a drive");
    if (sb_str_ieq(sb_str_sub(s, 0, 5), SB_STR("file:")))
        return sb_fail(ctx, SB_E_DENIED, "Invalid path: it is a URI");
    if (!sb_utf8_valid(s)) return sb_fail(ctx, SB_E_INVALID, "Invalid path: it is not UTF-8");
    return SB_OK;
}

/* Appends a part to out, control characters as %xx. */
static char *put_part(char *to, struct sb_str part) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < part.n; i++) {
        unsigned char c = (unsigned char)part.p[i];
        if (c < 32 || c == 127) {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    return to;
}

sb_err sb_artifact_path_clean(struct sb_str in, struct sb_arena *arena, struct sb_str *out,
                              struct sb_errctx *ctx) {
    if (in.n > SB_ARTIFACT_PATH_MAX) return sb_fail(ctx, SB_E_LIMIT, "Invalid path: too long");
    struct sb_str s = sb_arena_dup(arena, in);
    char *to = sb_arena_try(arena, in.n * 3 + 1);
    if (!s.p || !to) return sb_fail(ctx, SB_E_LIMIT, "Invalid path: too long");
    int round = 0;
    while (decode_round((char *)(uintptr_t)s.p, &s.n))
        if (++round > SB_ARTIFACT_DECODE_MAX)
            return sb_fail(ctx, SB_E_DENIED, "Invalid path: encoded too often");
    SB_TRY(check_whole(s, ctx));

    char *end = to;
    int depth = 0;
    struct sb_str rest = s, part;
    while (sb_str_split(&rest, '/', &part)) {
        if (!part.n || sb_str_is(part, ".")) continue;
        if (sb_str_is(part, "..")) return sb_fail(ctx, SB_E_DENIED, "Invalid path: it has a '..'");
        if (!depth && sb_str_is(part, SB_ARTIFACT_UPLOAD_DIR))
            return sb_fail(ctx, SB_E_DENIED, "Invalid path: this name is reserved");
        if (end > to) *end++ = '/';
        char *begin = end;
        end = put_part(end, part);
        if (end - begin > 255 || ++depth > SB_ARTIFACT_PATH_DEPTH)
            return sb_fail(ctx, SB_E_LIMIT, "Invalid path: a part too long, or too many parts");
    }
    *end = '\0';
    *out = (struct sb_str){to, (size_t)(end - to)};
    return SB_OK;
}

struct sb_str sb_artifact_path_join(struct sb_arena *arena, struct sb_str root,
                                    struct sb_str path) {
    if (!root.n) return path;
    if (!path.n) return root;
    return sb_str_of(sb_arena_printf(arena, "%.*s/%.*s", SB_ARG(root), SB_ARG(path)));
}

/* What follows "://host" or ":" of a URI; false when it has not that scheme. */
static bool after_scheme(struct sb_str uri, struct sb_str scheme, struct sb_str *path) {
    if (!sb_str_ieq(sb_str_sub(uri, 0, scheme.n), scheme)) return false;
    struct sb_str rest = sb_str_sub(uri, scheme.n, uri.n);
    if (sb_str_starts(rest, SB_STR("//"))) {
        rest = sb_str_sub(rest, 2, rest.n);
        ptrdiff_t slash = sb_str_find(rest, '/');
        rest = slash < 0 ? SB_STR("") : sb_str_sub(rest, (size_t)slash, rest.n);
    }
    *path = rest;
    return true;
}

sb_err sb_artifact_path_of_uri(struct sb_str uri, struct sb_arena *arena, struct sb_str *out,
                               struct sb_errctx *ctx) {
    const struct sb_str anchor = SB_STR("/api/2.0/mlflow-artifacts/artifacts");
    struct sb_str path;
    if (after_scheme(uri, SB_STR("http:"), &path) || after_scheme(uri, SB_STR("https:"), &path)) {
        if (!sb_str_starts(path, anchor))
            return sb_fail(ctx, SB_E_UNSUPPORTED, "the files of this URI are not here");
        path = sb_str_sub(path, anchor.n, path.n);
    } else if (!after_scheme(uri, SB_STR("mlflow-artifacts:"), &path)) {
        return sb_fail(ctx, SB_E_UNSUPPORTED, "the files of this URI are not here");
    }
    while (path.n && path.p[0] == '/') path = sb_str_sub(path, 1, path.n);
    return sb_artifact_path_clean(path, arena, out, ctx);
}

struct sb_str sb_artifact_path_base(struct sb_str path) {
    ptrdiff_t slash = sb_str_rfind(path, '/');
    return slash < 0 ? path : sb_str_sub(path, (size_t)slash + 1, path.n);
}
