/* Which indexes a request is about, and reading its body. */
#include "api/search/api_int.h"
#include "base/clock.h"

static int cut(struct sb_str s) {
    return s.n < 100 ? (int)s.n : 100;
}

static sb_err no_such_index(struct call *c, struct sb_str name) {
    c->error.index = sb_arena_dup(&c->arena, sb_str_sub(name, 0, 255));
    return es_fail(&c->error, 404, "index_not_found_exception", "no such index [%.*s]", cut(name),
                   name.n ? name.p : "");
}

/* Which of the indexes one part of an expression names: a bit each. */
static sb_err match_part(struct call *c, struct sb_str part, bool ignore_missing, unsigned *bits) {
    struct sb_indexes *x = c->api->o.indexes;
    bool pattern = sb_str_find(part, '*') >= 0 || sb_str_is(part, "_all") || part.n == 0;
    *bits = 0;
    if (part.n > 255 || (part.n && part.p[0] == '_' && !sb_str_is(part, "_all")))
        return es_fail(&c->error, 400, "invalid_index_name_exception",
                       "Invalid index name [%.*s], must not start with '_' or be longer than 255 "
                       "bytes",
                       cut(part), part.p);
    for (size_t i = 0; i < sb_indexes_count(x) && i < ES_TARGETS_MAX; i++) {
        struct sb_str name = sb_str_of(sb_indexes_at(x, i)->name);
        if (part.n == 0 || sb_str_is(part, "_all") || es_name_matches(part, name)) *bits |= 1u << i;
    }
    if (!*bits && !pattern && !ignore_missing) return no_such_index(c, part);
    return SB_OK;
}

void target_add(struct call *c, struct targets *t, struct sb_index *ix,
                struct sb_column_snapshot *snap, bool borrowed) {
    struct target *to = &t->list[t->n++];
    size_t n = sb_column_field_count(snap);
    struct sb_column_field *list = sb_arena_alloc(&c->arena, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = *sb_column_field_at(snap, i);
    *to = (struct target){.index = ix,
                          .snap = snap,
                          .borrowed = borrowed,
                          .fields = {.list = list, .n = n, .index = sb_str_of(ix->name)}};
}

sb_err targets_find(struct call *c, struct sb_str expression, bool ignore_missing,
                    struct targets *out) {
    struct sb_str rest = expression.p ? expression : SB_STR(""), part;
    unsigned all = 0, bits;
    out->n = 0;
    out->pit = NULL;
    for (bool first = true; sb_str_split(&rest, ',', &part); first = false) {
        bool not = part.n > 1 && part.p[0] == '-' && !first;
        if (not ) part = sb_str_sub(part, 1, part.n);
        SB_TRY(match_part(c, part, ignore_missing || not, &bits));
        all = not ? all & ~bits : all | bits;
    }
    for (size_t i = 0; i < sb_indexes_count(c->api->o.indexes) && i < ES_TARGETS_MAX; i++) {
        struct sb_index *ix = sb_indexes_at(c->api->o.indexes, i);
        if (all & 1u << i) target_add(c, out, ix, sb_index_snapshot(ix), false);
    }
    return SB_OK;
}

sb_err targets_of_path(struct call *c, struct targets *out) {
    struct sb_str name = c->req->nparams ? c->req->params[0] : SB_STR("");
    return targets_find(c, name, es_param_on(&c->params, "ignore_unavailable"), out);
}

void targets_release(struct call *c, struct targets *t) {
    for (size_t i = 0; i < t->n; i++)
        if (!t->list[i].borrowed) sb_column_snapshot_release(t->list[i].snap);
    if (t->pit) pit_unref(c->api, t->pit);
    t->n = 0;
    t->pit = NULL;
}

struct es_parse parse_of(struct call *c, struct sb_arena *a, const struct target *t) {
    return (struct es_parse){
        .arena = a, .fields = &t->fields, .error = &c->error, .now_ms = sb_wall_ms()};
}

sb_err parse_text(struct call *c, struct sb_arena *a, struct sb_str text, struct sb_json **out) {
    struct sb_errctx ctx = {0};
    struct sb_json_reader r;
    sb_json_reader_init(&r, text, a, &ctx);
    r.max_depth = 200; /* queries and aggregations count their own depth */
    if (sb_json_parse_with(out, &r) == SB_OK) return SB_OK;
    return es_fail(&c->error, 400, "x_content_parse_exception", "[byte %lld] %s",
                   (long long)ctx.pos, ctx.msg);
}

sb_err body_of(struct call *c, const struct sb_json **out) {
    struct sb_json *v;
    struct sb_str text = c->req->body;
    *out = NULL;
    if (!sb_str_trim(text).n) return SB_OK;
    SB_TRY(parse_text(c, &c->arena, text, &v));
    if (v->type != SB_JSON_OBJECT)
        return es_fail_parse(&c->error, "the request's body must be an object");
    *out = v;
    return SB_OK;
}

void write_shards(struct sb_json_writer *w, size_t n) {
    sb_json_obj(w, "_shards");
    sb_json_int(w, "total", (int64_t)n);
    sb_json_int(w, "successful", (int64_t)n);
    sb_json_int(w, "skipped", 0);
    sb_json_int(w, "failed", 0);
    sb_json_end(w);
}
