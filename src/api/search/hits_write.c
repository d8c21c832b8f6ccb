/* Hits as JSON: the document's text as it is, or parts of it. */
#include "api/search/search_int.h"

enum { LEAVES_MAX = 2000, DEPTH_MAX = 64 };

/* ---- the document as a tree, for filters and fields ---- */

static struct sb_json *tree_of(const struct es_view *v, struct sb_str text) {
    struct sb_json_reader r;
    struct sb_json *doc = NULL;
    sb_json_reader_init(&r, text, v->scratch, NULL);
    r.nonfinite = true;
    r.number_max = 1 << 16;
    r.string_max = SB_LIMIT_EVENT_BYTES;
    r.max_depth = DEPTH_MAX;
    if (sb_json_parse_with(&doc, &r) != SB_OK || doc->type != SB_JSON_OBJECT) return NULL;
    return doc;
}

static struct sb_str below(struct sb_arena *a, struct sb_str path, struct sb_str key) {
    if (!path.n) return key;
    char *p = sb_arena_alloc(a, path.n + key.n + 1);
    memcpy(p, path.p, path.n);
    p[path.n] = '.';
    if (key.n) memcpy(p + path.n + 1, key.p, key.n);
    return sb_str_make(p, path.n + key.n + 1);
}

/* ---- _source filters ---- */

static bool any_matches(const struct sb_str *patterns, size_t n, struct sb_str path) {
    for (size_t i = 0; i < n; i++)
        if (es_name_matches(patterns[i], path)) return true;
    return false;
}

/* A copy of what the filter keeps, NULL when that is nothing. inside: a container around it is
 * included as a whole. depth is that of the document, which its reader has bounded. */
static struct sb_json *keep(const struct es_view *v, const struct es_source *s,
                            const struct sb_json *from, struct sb_str path, bool inside) {
    if (from->type < SB_JSON_ARRAY && !inside) return NULL;
    struct sb_json *to = sb_arena_alloc(v->scratch, sizeof *to), **tail = &to->child;
    *to = *from;
    to->next = to->child = NULL;
    if (from->type < SB_JSON_ARRAY) return to;
    to->n = 0;
    for (const struct sb_json *m = from->child; m; m = m->next) {
        bool object = from->type == SB_JSON_OBJECT, in = inside;
        struct sb_str at = object ? below(v->scratch, path, m->key) : path;
        if (object && any_matches(s->excludes, s->nexcludes, at)) continue;
        if (object && !in) in = any_matches(s->includes, s->nincludes, at);
        struct sb_json *one = keep(v, s, m, at, in);
        if (!one) continue;
        *tail = one;
        tail = &one->next;
        to->n++;
    }
    return to->n || inside ? to : NULL;
}

bool es_source_write(struct sb_json_writer *w, const struct es_view *v, const struct es_source *s,
                     struct sb_str text) {
    struct sb_json *doc = NULL;
    struct sb_buf b;
    if (!s->nincludes && !s->nexcludes) {
        sb_json_raw(w, "_source", text);
        return true;
    }
    doc = tree_of(v, text);
    if (!doc) return false;
    doc = keep(v, s, doc, (struct sb_str){0}, s->nincludes == 0);
    sb_buf_init(&b, SB_LIMIT_EVENT_BYTES * 8);
    if (doc) sb_json_add_tree(&b, doc);
    sb_json_raw(w, "_source", doc && !sb_buf_err(&b) ? sb_buf_view(&b) : SB_STR("{}"));
    sb_buf_fini(&b);
    return true;
}

/* ---- fields ---- */

struct leaf {
    struct sb_str path;
    const struct sb_json *value;
    bool done;
};
struct leaves {
    struct leaf *list;
    size_t n;
};

static void collect(const struct es_view *v, const struct sb_json *from, struct sb_str path,
                    struct leaves *to) {
    for (const struct sb_json *m = from->child; m && to->n < LEAVES_MAX; m = m->next) {
        struct sb_str at = from->type == SB_JSON_OBJECT ? below(v->scratch, path, m->key) : path;
        if (m->type >= SB_JSON_ARRAY)
            collect(v, m, at, to);
        else if (m->type != SB_JSON_NULL)
            to->list[to->n++] = (struct leaf){.path = at, .value = m};
    }
}

static void write_leaf(struct sb_json_writer *w, struct es_field f, const struct sb_json *v,
                       struct sb_str format) {
    struct es_date d = {0};
    struct sb_buf b;
    int64_t ms;
    if (f.at < 0 || f.type != SB_COLUMN_DATE || v->type != SB_JSON_STRING ||
        es_date_parse(&d, v->s, &ms, NULL) != SB_OK) {
        sb_buf_init(&b, SB_LIMIT_EVENT_BYTES * 8);
        sb_json_add_tree(&b, v);
        if (!sb_buf_err(&b)) sb_json_raw(w, NULL, sb_buf_view(&b));
        sb_buf_fini(&b);
        return;
    }
    sb_buf_init(&b, 1024);
    es_date_add(&b, ms, format, (struct es_zone){0});
    sb_json_str(w, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

static void write_field(struct sb_json_writer *w, const struct es_view *v, struct leaves *l,
                        size_t first, struct sb_str name, struct sb_str format) {
    struct sb_str path = l->list[first].path;
    struct es_field f = es_field_find(v->fields, name);
    sb_json_key(w, name);
    sb_json_arr(w, NULL);
    for (size_t i = first; i < l->n; i++)
        if (sb_str_eq(l->list[i].path, path)) write_leaf(w, f, l->list[i].value, format);
    sb_json_end(w);
}

static bool is_first(const struct leaves *l, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (sb_str_eq(l->list[k].path, l->list[i].path)) return false;
    return true;
}

/* Names are those of the document's leaves; each also stands for its .keyword. */
static void write_fields(struct sb_json_writer *w, const struct es_view *v, const struct es_hits *h,
                         struct leaves *l) {
    const struct es_doc_fields *lists[] = {&h->fields, &h->docvalues};
    sb_json_obj(w, "fields");
    for (size_t i = 0; i < l->n; i++) {
        struct sb_str path = l->list[i].path;
        struct sb_str sub = below(v->scratch, path, SB_STR("keyword"));
        bool plain = false, exact = false;
        if (!is_first(l, i)) continue;
        bool text = es_field_find(v->fields, path).words;
        for (size_t k = 0; k < 2; k++)
            for (size_t n = 0; n < lists[k]->n; n++) {
                const struct es_doc_field *f = &lists[k]->list[n];
                if (!plain && es_name_matches(f->name, path)) {
                    plain = true;
                    write_field(w, v, l, i, path, f->format);
                }
                if (!exact && text && es_name_matches(f->name, sub)) {
                    exact = true;
                    write_field(w, v, l, i, sub, f->format);
                }
            }
    }
    sb_json_end(w);
}

/* ---- highlight ---- */

static bool word_char(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c & 0x80);
}

static bool is_word(const struct es_highlight *h, struct sb_str word) {
    for (size_t i = 0; i < h->nwords; i++) {
        struct sb_str want = h->words[i].text;
        if (h->words[i].prefix ? word.n < want.n : word.n != want.n) continue;
        if (sb_str_ieq(sb_str_sub(word, 0, want.n), want)) return true;
    }
    return false;
}

/* Appends text with its words marked; how many were. */
static size_t mark_words(struct sb_buf *b, const struct es_highlight *h, struct sb_str text) {
    size_t marked = 0;
    for (size_t i = 0; i < text.n;) {
        size_t from = i;
        while (i < text.n && word_char(text.p[i])) i++;
        struct sb_str word = sb_str_sub(text, from, i - from);
        bool hit = word.n && is_word(h, word);
        if (hit) sb_buf_adds(b, h->pre);
        sb_buf_adds(b, word);
        if (hit) sb_buf_adds(b, h->post);
        marked += hit;
        if (i < text.n && !word_char(text.p[i])) sb_buf_addc(b, text.p[i++]);
    }
    return marked;
}

static void write_highlight(struct sb_json_writer *w, const struct es_view *v,
                            const struct es_highlight *h, const struct leaves *l) {
    struct sb_buf b;
    bool open = false;
    sb_buf_init(&b, SB_LIMIT_EVENT_BYTES * 8);
    for (size_t i = 0; i < l->n && h->nwords; i++) {
        const struct leaf *f = &l->list[i];
        if (f->value->type != SB_JSON_STRING || !is_first(l, i)) continue;
        if (!any_matches(h->fields, h->nfields, f->path)) continue;
        if (!es_field_find(v->fields, f->path).words) continue;
        sb_buf_reset(&b);
        if (!mark_words(&b, h, f->value->s) || sb_buf_err(&b)) continue;
        if (!open) sb_json_obj(w, "highlight");
        open = true;
        sb_json_key(w, f->path);
        sb_json_arr(w, NULL);
        sb_json_str(w, NULL, sb_buf_view(&b));
        sb_json_end(w);
    }
    if (open) sb_json_end(w);
    sb_buf_fini(&b);
}

/* ---- a hit ---- */

void es_value_write(struct sb_json_writer *w, const char *key, const struct sb_search_value *v,
                    struct sb_str format) {
    struct sb_buf b;
    switch (v->type) {
    case SB_COLUMN_KEYWORD: sb_json_str(w, key, v->s); return;
    case SB_COLUMN_DOUBLE: sb_json_double(w, key, v->f); return;
    case SB_COLUMN_DATE:
        if (!format.n) break;
        sb_buf_init(&b, 1024);
        es_date_add(&b, v->i, format, (struct es_zone){0});
        sb_json_str(w, key, sb_buf_view(&b));
        sb_buf_fini(&b);
        return;
    default: break;
    }
    sb_json_int(w, key, v->i);
}

static void write_sort(struct sb_json_writer *w, const struct es_sorts *s,
                       const struct sb_search_hit *hit) {
    size_t at = 0;
    sb_json_arr(w, "sort");
    for (size_t i = 0; i < s->n; i++) {
        if (s->list[i].by == ES_SORT_SCORE) {
            sb_json_double(w, NULL, 1);
        } else if (!hit->has[at]) {
            sb_json_null(w, NULL);
            at++;
        } else {
            es_value_write(w, NULL, &hit->sort[at++], s->list[i].format);
        }
    }
    sb_json_end(w);
}

static void write_document(struct sb_json_writer *w, const struct es_view *v,
                           const struct es_hits *h, const struct sb_search_hit *hit) {
    bool parts = h->fields.n || h->docvalues.n || h->highlight;
    struct sb_str text;
    if (h->source.off && !parts) return;
    if (!v->texts || sb_index_text(v->texts, hit->offset, v->scratch, &text) != SB_OK) return;
    if (!h->source.off) es_source_write(w, v, &h->source, text);
    struct sb_json *doc = parts ? tree_of(v, text) : NULL;
    if (!doc) return;
    struct leaves l = {.list = sb_arena_alloc(v->scratch, LEAVES_MAX * sizeof *l.list)};
    collect(v, doc, (struct sb_str){0}, &l);
    if (h->fields.n || h->docvalues.n) write_fields(w, v, h, &l);
    if (h->highlight) write_highlight(w, v, h->highlight, &l);
}

void es_hit_write(struct sb_json_writer *w, const struct es_view *v, const struct es_hits *h,
                  const struct sb_search_hit *hit) {
    bool scored = h->sorts.n == 0;
    for (size_t i = 0; i < h->sorts.n; i++) scored |= h->sorts.list[i].by == ES_SORT_SCORE;
    sb_arena_reset(v->scratch);
    sb_json_obj(w, NULL);
    sb_json_str(w, "_index", v->fields->index);
    sb_json_str(w, "_id", hit->id);
    if (h->version) sb_json_int(w, "_version", 1);
    if (h->seq_no) {
        sb_json_int(w, "_seq_no", hit->offset);
        sb_json_int(w, "_primary_term", 1);
    }
    if (scored)
        sb_json_double(w, "_score", 1);
    else
        sb_json_null(w, "_score");
    write_document(w, v, h, hit);
    if (h->sorts.n) write_sort(w, &h->sorts, hit);
    sb_json_end(w);
}
