#include "domain/registry/check_int.h"

#include <math.h>

#include "domain/registry/store_int.h"

static bool is_alnum(char ch) {
    return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

/* Python's \w: letters of every script count, so all of non-ASCII does here. */
static bool is_word(char ch) {
    return is_alnum(ch) || ch == '_' || ((unsigned char)ch & 0x80);
}

static bool only(struct sb_str s, const char *extra) {
    for (size_t i = 0; i < s.n; i++)
        if (!is_word(s.p[i]) && (s.p[i] == '\0' || !strchr(extra, s.p[i]))) return false;
    return true;
}

/* A name that, used as a file path, is that path's own normal form and stays below its folder. */
static bool is_plain_path(struct sb_str name) {
    if (name.n == 0 || sb_str_starts(name, SB_STR(".."))) return false;
    struct sb_str rest = name, part;
    while (sb_str_split(&rest, '/', &part))
        if (part.n == 0 || sb_str_is(part, ".") || sb_str_is(part, "..")) return false;
    return true;
}

/* posixpath.normpath, for the message. */
static const char *normal_path(struct sb_arena *a, struct sb_str name) {
    enum { PARTS = 64 };
    struct sb_str parts[PARTS], rest = name, part;
    size_t n = 0;
    bool absolute = sb_str_starts(name, SB_STR("/"));
    while (n < PARTS && sb_str_split(&rest, '/', &part)) {
        if (part.n == 0 || sb_str_is(part, ".")) continue;
        if (!sb_str_is(part, "..") || (n && sb_str_is(parts[n - 1], "..")) || (n == 0 && !absolute))
            parts[n++] = part;
        else if (n)
            n--;
    }
    struct sb_buf b;
    sb_buf_init(&b, 64 << 10);
    if (absolute) sb_buf_addc(&b, '/');
    for (size_t i = 0; i < n; i++) {
        if (i) sb_buf_addc(&b, '/');
        sb_buf_adds(&b, parts[i]);
    }
    if (b.n == 0) sb_buf_addc(&b, '.');
    const char *text = sb_arena_printf(a, "%s", sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return text;
}

static sb_err check_plain_path(struct sb_registry_call *c, struct sb_str name, const char *path) {
    if (is_plain_path(name)) return SB_OK;
    return sb_call_invalid(c,
                           "Invalid value %s for parameter '%s' supplied: Names may be treated as "
                           "files in certain cases, and must not resolve to other names when "
                           "treated as such. This name would resolve to '%s'",
                           sb_text_json(c->arena, name), path, normal_path(c->arena, name));
}

sb_err sb_check_key(struct sb_registry_call *c, struct sb_str key, const char *path) {
    if (!key.p) return sb_call_invalid(c, "Missing value for required parameter '%s'.", path);
    if (!only(key, "/.- :"))
        return sb_call_invalid(c,
                               "Invalid value %s for parameter '%s' supplied: Names may only "
                               "contain alphanumerics, underscores (_), dashes (-), periods (.), "
                               "spaces ( ), colon(:) and slashes (/).",
                               sb_text_json(c->arena, key), path);
    return check_plain_path(c, key, path);
}

sb_err sb_check_length(struct sb_registry_call *c, const char *what, size_t limit,
                       struct sb_str value) {
    if (value.n <= limit || sb_text_length(value) <= limit) return SB_OK;
    return sb_call_invalid(c, "'%s' exceeds the maximum length of %zu characters", what, limit);
}

static const char *below(struct sb_arena *a, const char *path, const char *field) {
    return *path ? sb_arena_printf(a, "%s.%s", path, field) : field;
}

sb_err sb_check_metric(struct sb_registry_call *c, const struct sb_metric *m, const char *path) {
    SB_TRY(sb_check_key(c, m->key, below(c->arena, path, "name")));
    if (m->timestamp < 0)
        return sb_call_invalid(c,
                               "Invalid value %lld for parameter '%s' supplied: metric '%.*s' "
                               "(value=%s). Timestamp must be a nonnegative long (64-bit integer) ",
                               (long long)m->timestamp, below(c->arena, path, "timestamp"),
                               SB_ARG(m->key), sb_text_repr_double(c->arena, m->value));
    return sb_check_length(c, "Metric name", MAX_KEY, m->key);
}

static sb_err check_pair(struct sb_registry_call *c, struct sb_tag *pair, const char *path,
                         const char *key_name, size_t value_max) {
    SB_TRY(sb_check_key(c, pair->key, below(c->arena, path, "key")));
    SB_TRY(sb_check_length(c, key_name, MAX_KEY, pair->key));
    if (!pair->value.p) pair->value = SB_STR("");
    if (pair->value.n > value_max) pair->value = sb_text_cut(pair->value, value_max);
    return SB_OK;
}

sb_err sb_check_param(struct sb_registry_call *c, struct sb_tag *param, const char *path) {
    return check_pair(c, param, path, "Param key", MAX_PARAM_VALUE);
}

sb_err sb_check_run_tag(struct sb_registry_call *c, struct sb_tag *tag, const char *path) {
    return check_pair(c, tag, path, below(c->arena, path, "key"), MAX_TAG_VALUE);
}

sb_err sb_check_experiment_tag(struct sb_registry_call *c, struct sb_tag tag) {
    SB_TRY(sb_check_key(c, tag.key, "key"));
    SB_TRY(sb_check_length(c, "key", MAX_KEY, tag.key));
    return sb_check_length(c, "value", MAX_EXPERIMENT_TAG_VALUE, tag.value);
}

sb_err sb_check_registry_tag(struct sb_registry_call *c, struct sb_tag tag) {
    SB_TRY(sb_check_key(c, tag.key, "key"));
    SB_TRY(sb_check_length(c, "key", MAX_KEY, tag.key));
    return sb_check_length(c, "value", MAX_REGISTRY_TAG_VALUE, tag.value);
}

sb_err sb_check_experiment_name(struct sb_registry_call *c, struct sb_str name) {
    if (name.n == 0) return sb_call_invalid(c, "Invalid experiment name: ''");
    return sb_check_length(c, "name", MAX_EXPERIMENT_NAME, name);
}

sb_err sb_check_experiment_id(struct sb_registry_call *c, struct sb_str id, int64_t *out) {
    *out = 0;
    if (id.n == 0 || sb_str_to_i64(id, out)) return SB_OK;
    return sb_call_invalid(
        c, "Invalid experiment ID '%.*s'. Experiment ID must be a valid integer.", SB_ARG(id));
}

sb_err sb_check_run_id(struct sb_registry_call *c, struct sb_str id) {
    if (id.n > 0 && id.n <= 256 && is_alnum(id.p[0]) && only(id, "-")) return SB_OK;
    return sb_call_invalid(c, "Invalid value %s for parameter 'run_id' supplied.",
                           sb_text_json(c->arena, id));
}

sb_err sb_check_logged_model_name(struct sb_registry_call *c, struct sb_str name) {
    if (!name.p) return SB_OK;
    bool bad = name.n == 0;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '\0' || strchr("/:.%\"'", name.p[i])) bad = true;
    if (bad)
        return sb_call_invalid(c,
                               "Invalid model name (%s) provided. Model name must be a non-empty "
                               "string and cannot contain the following characters: ('/', ':', "
                               "'.', '%%', '\"', \"'\")",
                               sb_text_repr(c->arena, name));
    return sb_check_length(c, "name", MAX_LOCATION, name);
}

static sb_err check_field(struct sb_registry_call *c, const char *what, const char *field,
                          struct sb_str value, size_t limit) {
    if (!value.p) return sb_call_invalid(c, "%s %s cannot be None", what, field);
    return sb_check_length(c, field, limit, value);
}

sb_err sb_check_dataset_input(struct sb_registry_call *c, const struct sb_dataset_input *in) {
    const struct sb_dataset *d = &in->dataset;
    SB_TRY(check_field(c, "Dataset", "name", d->name, 500));
    SB_TRY(check_field(c, "Dataset", "digest", d->digest, 36));
    SB_TRY(check_field(c, "Dataset", "source_type", d->source_type, 36));
    SB_TRY(check_field(c, "Dataset", "source", d->source, 65535));
    SB_TRY(sb_check_length(c, "schema", 1048575, d->schema));
    SB_TRY(sb_check_length(c, "profile", 16777215, d->profile));
    for (size_t i = 0; i < in->tags.n; i++) {
        SB_TRY(check_field(c, "InputTag", "key", in->tags.v[i].key, 255));
        SB_TRY(check_field(c, "InputTag", "value", in->tags.v[i].value, 500));
    }
    return SB_OK;
}

sb_err sb_check_model_name(struct sb_registry_call *c, struct sb_str name, const char *field) {
    if (sb_str_trim(name).n == 0)
        return sb_call_invalid(c, "Missing value for required parameter '%s'.", field);
    if (sb_str_find(name, '/') >= 0 || sb_str_find(name, ':') >= 0)
        return sb_call_invalid(c, "Invalid model name '%.*s'. Names cannot contain '/' or ':'.",
                               SB_ARG(name));
    if (sb_str_find(name, '\0') >= 0)
        return sb_call_invalid(c, "Invalid model name '%.*s'. Names cannot contain NUL.",
                               SB_ARG(name));
    SB_TRY(check_plain_path(c, name, "name"));
    return sb_check_length(c, "name", MAX_MODEL_NAME, name);
}

sb_err sb_check_version(struct sb_registry_call *c, struct sb_str version, int64_t *out) {
    if (sb_str_to_i64(version, out)) return SB_OK;
    return sb_call_invalid(c, "Parameter 'version' must be an integer, got '%.*s'.",
                           SB_ARG(version));
}

static bool is_version_alias(struct sb_str alias) {
    if (alias.n < 2 || (alias.p[0] != 'v' && alias.p[0] != 'V')) return false;
    for (size_t i = 1; i < alias.n; i++)
        if (alias.p[i] < '0' || alias.p[i] > '9') return false;
    return true;
}

sb_err sb_check_alias(struct sb_registry_call *c, struct sb_str alias, bool reserved) {
    if (alias.n == 0) return sb_call_invalid(c, "Registered model alias name cannot be empty.");
    if (!only(alias, "-"))
        return sb_call_invalid(c,
                               "Invalid alias name: '%.*s'. Names may only contain alphanumerics, "
                               "underscores (_), and dashes (-).",
                               SB_ARG(alias));
    SB_TRY(sb_check_length(c, "Registered model alias name", MAX_ALIAS, alias));
    if (!reserved) return SB_OK;
    if (sb_str_ieq(alias, SB_STR("latest")))
        return sb_call_invalid(c, "'latest' alias name (case insensitive) is reserved.");
    if (is_version_alias(alias))
        return sb_call_invalid(c, "Version alias name '%.*s' is reserved.", SB_ARG(alias));
    return SB_OK;
}

sb_err sb_check_stage(struct sb_registry_call *c, struct sb_str stage, struct sb_str *out) {
    static const char *const stages[] = {"None", "Staging", "Production", "Archived"};
    for (size_t i = 0; i < SB_COUNT(stages); i++)
        if (sb_str_ieq(stage, sb_str_of(stages[i]))) {
            *out = sb_str_of(stages[i]);
            return SB_OK;
        }
    return sb_call_invalid(c,
                           "Invalid Model Version stage: %.*s. Value must be one of None, Staging, "
                           "Production, Archived.",
                           SB_ARG(stage));
}
