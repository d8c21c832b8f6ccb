/* Documents by id. */
#include "api/search/api_int.h"
#include "base/clock.h"

/* The document of that id, with its text; *found = false when there is none (any more). */
static sb_err doc_find(struct call *c, const struct target *t, struct sb_str id, bool *found,
                       struct sb_search_hit *hit, struct sb_str *text) {
    struct es_parse p = parse_of(c, &c->arena, t);
    struct sb_search q = {.size = 1,
                          .deadline_ns = c->deadline_ns,
                          .cancel = &c->cancel,
                          .memory_max = c->api->o.memory_max};
    struct sb_search_result r;
    struct sb_errctx ctx = {0};
    struct sb_index_texts *texts = NULL;
    *found = false;
    SB_TRY(es_leaf_ids(&p, &id, 1, &q.query));
    sb_err err = sb_search_run(t->snap, &q, &c->arena, &r, &ctx);
    if (err) return es_fail_engine(&c->error, err, &ctx);
    if (!r.nhits) return SB_OK;
    *hit = r.hits[0];
    err = sb_index_texts_open(&texts, t->index, &ctx);
    if (!err) err = sb_index_text(texts, hit->offset, &c->arena, text);
    sb_index_texts_close(texts);
    if (err == SB_E_MISSING) return SB_OK;
    if (err) return es_fail_engine(&c->error, err, &ctx);
    *found = true;
    return SB_OK;
}

static sb_err one_target(struct call *c, struct targets *t) {
    SB_TRY(targets_of_path(c, t));
    if (t->n == 1) return SB_OK;
    targets_release(c, t);
    return es_fail_argument(&c->error, "one index must be named");
}

/* Which parts of the source the URL asks for. */
static sb_err source_of(struct call *c, const struct target *t, struct es_source *out) {
    struct es_parse p = parse_of(c, &c->arena, t);
    struct es_search es;
    es_search_init(&es);
    SB_TRY(es_search_parse_url(&p, &c->params, &es));
    *out = es.hits.source;
    return SB_OK;
}

static void write_doc(struct call *c, const struct target *t, struct sb_str id,
                      const struct es_source *source, const struct sb_search_hit *hit,
                      const struct sb_str *text) {
    struct sb_arena scratch;
    struct es_view v = {&t->fields, NULL, &scratch};
    sb_arena_init(&scratch, 64 << 20);
    sb_json_str(&c->w, "_index", t->fields.index);
    sb_json_str(&c->w, "_id", id);
    if (hit) {
        sb_json_int(&c->w, "_version", 1);
        sb_json_int(&c->w, "_seq_no", hit->offset);
        sb_json_int(&c->w, "_primary_term", 1);
    }
    sb_json_bool(&c->w, "found", hit != NULL);
    if (hit && !source->off) es_source_write(&c->w, &v, source, *text);
    sb_arena_fini(&scratch);
}

static sb_err get_doc(struct call *c, const struct target *t, struct sb_str id,
                      const struct es_source *source, bool *found) {
    struct sb_search_hit hit;
    struct sb_str text;
    SB_TRY(doc_find(c, t, id, found, &hit, &text));
    sb_json_obj(&c->w, NULL);
    write_doc(c, t, id, source, *found ? &hit : NULL, &text);
    sb_json_end(&c->w);
    return SB_OK;
}

sb_err run_doc(struct call *c) {
    struct targets t;
    struct es_source source;
    bool found = false;
    SB_TRY(one_target(c, &t));
    sb_err err = source_of(c, &t.list[0], &source);
    if (!err) err = get_doc(c, &t.list[0], c->req->params[1], &source, &found);
    if (!found) c->status = 404;
    targets_release(c, &t);
    return err;
}

sb_err run_source(struct call *c) {
    struct targets t;
    struct sb_search_hit hit;
    struct sb_str text, id = c->req->params[1];
    bool found = false;
    SB_TRY(one_target(c, &t));
    sb_err err = doc_find(c, &t.list[0], id, &found, &hit, &text);
    if (!err && found) sb_buf_adds(&c->body, text);
    if (!err && !found)
        err = es_fail(&c->error, 404, "resource_not_found_exception",
                      "Document not found [%s]/[%.*s]", t.list[0].index->name,
                      id.n < 100 ? (int)id.n : 100, id.p);
    targets_release(c, &t);
    return err;
}

/* ---- _mget ---- */

enum { MGET_MAX = 1000 };

static sb_err mget_one(struct call *c, struct sb_str index, struct sb_str id,
                       const struct sb_json *source_json) {
    struct targets t;
    struct es_source source = {0};
    bool found;
    if (!id.n) return es_fail_argument(&c->error, "_mget: a document has no [_id]");
    SB_TRY(targets_find(c, index, false, &t));
    sb_err err = t.n == 1 ? SB_OK : es_fail_argument(&c->error, "_mget: [_index] is missing");
    if (!err) {
        struct es_parse p = parse_of(c, &c->arena, &t.list[0]);
        err = source_json ? es_source_parse(&p, source_json, &source)
                          : source_of(c, &t.list[0], &source);
    }
    if (!err) err = get_doc(c, &t.list[0], id, &source, &found);
    targets_release(c, &t);
    return err;
}

sb_err run_mget(struct call *c) {
    const struct sb_json *body, *docs = NULL, *ids = NULL;
    struct sb_str usual = c->req->nparams ? c->req->params[0] : SB_STR("");
    const struct es_option rows[] = {
        {"docs", ES_OPT_JSON, &docs}, {"ids", ES_OPT_JSON, &ids}, {NULL, 0, NULL}};
    SB_TRY(body_of(c, &body));
    if (!body) return es_fail_parse(&c->error, "request body is required");
    SB_TRY(es_options_read(&c->error, "_mget", body, rows));
    const struct sb_json *list = docs ? docs : ids;
    if (!list || list->type != SB_JSON_ARRAY || (docs && ids))
        return es_fail_argument(&c->error, "_mget needs an array of [docs] or [ids]");
    if (list->n > MGET_MAX)
        return es_fail_argument(&c->error, "_mget: at most %d documents", MGET_MAX);
    sb_json_obj(&c->w, NULL);
    sb_json_arr(&c->w, "docs");
    for (const struct sb_json *v = list->child; v; v = v->next) {
        struct sb_str index = usual, id = {0}, routing = {0};
        const struct sb_json *source = NULL;
        const struct es_option doc[] = {{"_index", ES_OPT_STR, &index},
                                        {"_id", ES_OPT_STR, &id},
                                        {"_source", ES_OPT_JSON, &source},
                                        {"routing", ES_OPT_STR, &routing},
                                        {NULL, 0, NULL}};
        if (v->type == SB_JSON_OBJECT)
            SB_TRY(es_options_read(&c->error, "_mget: a document", v, doc));
        else if (!es_json_text(v, &id))
            return es_fail_parse(&c->error, "_mget: an id must be a string");
        SB_TRY(mget_one(c, index, id, source));
    }
    sb_json_end(&c->w);
    sb_json_end(&c->w);
    return SB_OK;
}
