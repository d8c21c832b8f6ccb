#include "flow/requirements.h"

#include "base/buf.h"

/* ---- lines ---- */

static bool ends_name(char c) {
    return c == ' ' || c == '\t' || c == '[' || c == '(' || c == ';' || c == '=' || c == '<' ||
           c == '>' || c == '!' || c == '~';
}

/* PEP 503: case does not count, nor which of - _ . stands between words. */
static bool is_package(struct sb_str line, const char *name) {
    size_t n = 0;
    while (n < line.n && !ends_name(line.p[n])) n++;
    if (n != strlen(name)) return false;
    for (size_t i = 0; i < n; i++) {
        char c = line.p[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
        if (c == '_' || c == '.') c = '-';
        if (c != name[i]) return false;
    }
    return true;
}

/* Without comment and blanks around. */
static struct sb_str strip(struct sb_str line) {
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '#' && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
            line = sb_str_sub(line, 0, i);
    }
    return sb_str_trim(line);
}

static const char *refusal(struct sb_str line) {
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') return "it has control characters";
    if (line.p[line.n - 1] == '\\') return "lines that go on are not taken";
    if (line.p[0] == '-') return "no option but -c is taken";
    if (sb_str_contains(line, SB_STR("://")) || sb_str_find(line, '@') >= 0)
        return "it names an address; packages come from where this machine's pip gets them";
    if (sb_str_find(line, '/') >= 0 || line.p[0] == '.') return "it names a path";
    return NULL;
}

static bool is_constraint(struct sb_str line, struct sb_str *file) {
    static const char *const options[] = {"-c ", "--constraint ", "--constraint="};
    for (size_t i = 0; i < SB_COUNT(options); i++) {
        if (!sb_str_starts(line, sb_str_of(options[i]))) continue;
        *file = sb_str_trim(sb_str_sub(line, strlen(options[i]), line.n));
        return true;
    }
    return false;
}

struct wanted {
    bool mlflow, numpy, pandas;
    size_t n;
};

static sb_err take_line(struct sb_str line, int number, struct sb_buf *out, struct wanted *w,
                        struct sb_errctx *ctx) {
    const char *why = refusal(line);
    if (why)
        return sb_fail_at(ctx, SB_E_UNSUPPORTED, number, "requirements, line %d: \"%.*s\": %s",
                          number, SB_ARG(sb_str_sub(line, 0, 60)), why);
    if (++w->n > SB_REQUIREMENTS_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "more than %d requirements", SB_REQUIREMENTS_MAX);
    w->mlflow = w->mlflow || is_package(line, "mlflow") || is_package(line, "mlflow-skinny");
    w->numpy = w->numpy || is_package(line, "numpy");
    w->pandas = w->pandas || is_package(line, "pandas");
    sb_buf_adds(out, line);
    sb_buf_addc(out, '\n');
    return SB_OK;
}

/* constraints_file NULL: it is a file of constraints itself, which may not name another. */
static sb_err take_lines(struct sb_str text, struct sb_buf *out, struct wanted *w,
                         struct sb_str *constraints_file, struct sb_errctx *ctx) {
    struct sb_str line;
    if (text.n > SB_REQUIREMENTS_BYTES_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "requirements of more than %d bytes",
                       SB_REQUIREMENTS_BYTES_MAX);
    for (int number = 1; sb_str_split(&text, '\n', &line); number++) {
        line = strip(line);
        if (!line.n) continue;
        if (constraints_file && !constraints_file->n && is_constraint(line, constraints_file))
            continue;
        SB_TRY(take_line(line, number, out, w, ctx));
    }
    return SB_OK;
}

static sb_err take_out(struct sb_buf *b, struct sb_arena *a, const char **out, sb_err err) {
    if (!err) err = sb_buf_err(b);
    if (!err) *out = sb_arena_printf(a, "%.*s", SB_ARG(sb_buf_view(b)));
    sb_buf_fini(b);
    return err;
}

sb_err sb_requirements_parse(struct sb_str text, struct sb_str mlflow_version, struct sb_arena *a,
                             const char **lines, struct sb_str *constraints_file,
                             struct sb_errctx *ctx) {
    struct wanted w = {0};
    struct sb_buf b;
    *constraints_file = (struct sb_str){0};
    sb_buf_init(&b, 2 * SB_REQUIREMENTS_BYTES_MAX);
    sb_err err = take_lines(text, &b, &w, constraints_file, ctx);
    if (!w.mlflow && mlflow_version.n)
        sb_buf_addf(&b, "mlflow-skinny==%.*s\n", SB_ARG(mlflow_version));
    if (!w.mlflow && !mlflow_version.n) sb_buf_addz(&b, "mlflow-skinny\n");
    if (!w.numpy) sb_buf_addz(&b, "numpy\n");
    if (!w.pandas) sb_buf_addz(&b, "pandas\n");
    return take_out(&b, a, lines, err);
}

sb_err sb_requirements_parse_constraints(struct sb_str text, struct sb_arena *a, const char **lines,
                                         struct sb_errctx *ctx) {
    struct wanted ignored = {0};
    struct sb_buf b;
    sb_buf_init(&b, 2 * SB_REQUIREMENTS_BYTES_MAX);
    sb_err err = take_lines(text, &b, &ignored, NULL, ctx);
    return take_out(&b, a, lines, err);
}
