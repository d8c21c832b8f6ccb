#include "codec/yaml.h"
#include "flow/requirements.h"
#include "sys/file.h"

/* Empty when there is none. */
static sb_err read_text(const char *folder, struct sb_str name, struct sb_arena *a,
                        struct sb_str *out, struct sb_errctx *ctx) {
    struct sb_buf b;
    *out = (struct sb_str){"", 0};
    if (!sb_mlmodel_path_ok(name))
        return sb_fail(ctx, SB_E_DENIED, "\"%.*s\" leaves the model's folder",
                       SB_ARG(sb_str_sub(name, 0, 100)));
    char *path = sb_arena_printf(a, "%s/%.*s", folder, SB_ARG(name));
    if (!sb_file_exists(path)) return SB_OK;
    sb_buf_init(&b, SB_REQUIREMENTS_BYTES_MAX);
    sb_err err = sb_file_read_all(path, &b, ctx);
    if (!err) *out = sb_arena_dup(a, sb_buf_view(&b));
    sb_buf_fini(&b);
    return err;
}

/* "3.11.7" -> "3.11" */
static const char *minor_of(struct sb_str version, struct sb_arena *a) {
    struct sb_str rest = version, major, minor;
    int64_t n;
    if (!sb_str_split(&rest, '.', &major) || !sb_str_split(&rest, '.', &minor)) return "";
    if (!sb_str_to_i64(major, &n) || !sb_str_to_i64(minor, &n)) return "";
    return sb_arena_printf(a, "%.*s.%.*s", SB_ARG(major), SB_ARG(minor));
}

static sb_err read_python(struct sb_requirements *out, const char *folder,
                          const struct sb_mlmodel *m, struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_str named = m->pyfunc.virtualenv, text, version = {0};
    struct sb_json *o;
    SB_TRY(read_text(folder, named.n ? named : SB_STR("python_env.yaml"), a, &text, ctx));
    if (text.n) SB_TRY(sb_yaml_parse(&o, text, a, ctx));
    if (!text.n || !sb_json_get_str(o, "python", &version)) version = m->pyfunc.python_version;
    out->python = minor_of(version, a);
    return SB_OK;
}

sb_err sb_requirements_read(struct sb_requirements *out, const char *folder,
                            const struct sb_mlmodel *m, struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_requirements found = {.constraints = "", .python = ""};
    struct sb_str text, file;
    SB_TRY(read_python(&found, folder, m, a, ctx));
    SB_TRY(read_text(folder, SB_STR("requirements.txt"), a, &text, ctx));
    SB_TRY(sb_requirements_parse(text, m->mlflow_version, a, &found.lines, &file, ctx));
    if (file.n) {
        SB_TRY(read_text(folder, file, a, &text, ctx));
        SB_TRY(sb_requirements_parse_constraints(text, a, &found.constraints, ctx));
    }
    *out = found;
    return SB_OK;
}
