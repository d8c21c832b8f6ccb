#include "domain/backup/manifest.h"

#include <stdlib.h>

#include "codec/json.h"
#include "codec/time.h"
#include "sys/path.h"

static const char format_name[] = "sibyl-backup";

static void sha256_of(struct sb_str text, char hex[SB_SHA256_TEXT]) {
    struct sb_sha256 h;
    sb_sha256_init(&h);
    sb_sha256_add(&h, text.p, text.n);
    sb_sha256_hex(&h, hex);
}

bool sb_backup_path_ok(struct sb_str path) {
    struct sb_str rest = path, part;
    int parts = 0;
    if (path.n > SB_BACKUP_PATH_MAX) return false;
    if (sb_str_is(path, "config.yaml")) return true;
    if (!sb_str_starts(path, SB_STR("data/"))) return false;
    while (sb_str_split(&rest, '/', &part))
        if (!sb_path_name_ok(part) || ++parts > SB_BACKUP_DEPTH_MAX) return false;
    return true;
}

/* ---- reading ---- */

/* Members of one line; what a line must have is checked by whoever asked for it. */
struct line {
    struct sb_str format, created, sibyl, node, path, sha256;
    int64_t version, data_version, size, files, bytes, first_offset, next_offset;
    bool end;
};

static sb_err read_int(struct sb_json_reader *r, int64_t *out) {
    double d;
    struct sb_str token;
    SB_TRY(sb_json_read_double(r, &d, &token));
    return sb_str_to_i64(token, out) && *out >= 0 ? SB_OK : SB_E_CORRUPT;
}

static sb_err read_member(struct sb_json_reader *r, struct sb_str key, struct line *l) {
    const struct {
        const char *key;
        struct sb_str *text;
        int64_t *number;
    } members[] = {
        {"format", &l->format, NULL},
        {"version", NULL, &l->version},
        {"created", &l->created, NULL},
        {"sibyl", &l->sibyl, NULL},
        {"node", &l->node, NULL},
        {"data_version", NULL, &l->data_version},
        {"path", &l->path, NULL},
        {"size", NULL, &l->size},
        {"sha256", &l->sha256, NULL},
        {"files", NULL, &l->files},
        {"bytes", NULL, &l->bytes},
        {"first_offset", NULL, &l->first_offset},
        {"next_offset", NULL, &l->next_offset},
    };
    if (sb_str_is(key, "end")) return sb_json_read_bool(r, &l->end);
    for (size_t i = 0; i < SB_COUNT(members); i++) {
        if (!sb_str_is(key, members[i].key)) continue;
        return members[i].text ? sb_json_read_string(r, members[i].text)
                               : read_int(r, members[i].number);
    }
    struct sb_str raw; /* of a later program of this format */
    return sb_json_skip(r, &raw);
}

static sb_err read_line(struct sb_str text, struct sb_arena *a, struct line *l) {
    struct sb_json_reader r;
    struct sb_str key;
    *l = (struct line){.version = -1, .data_version = -1, .size = -1, .files = -1, .bytes = -1};
    l->first_offset = l->next_offset = -1;
    sb_json_reader_init(&r, text, a, NULL);
    SB_TRY(sb_json_enter_object(&r));
    for (bool more;;) {
        SB_TRY(sb_json_next_key(&r, &key, &more));
        if (!more) break;
        SB_TRY(read_member(&r, key, l));
    }
    return sb_json_finish(&r);
}

struct parse {
    struct sb_backup_manifest *out;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    int64_t line;
    bool events; /* their line has come: no file's may follow */
};

static sb_err damaged(struct parse *p, const char *what) {
    return sb_fail_at(p->ctx, SB_E_CORRUPT, p->line, "line %lld of " SB_BACKUP_MANIFEST ": %s",
                      (long long)p->line, what);
}

static sb_err take_head(struct parse *p, const struct line *l) {
    struct sb_backup_head *h = &p->out->head;
    int64_t ns;
    if (!sb_str_is(l->format, format_name) || l->version < 1)
        return damaged(p, "not a backup of sibyl");
    if (l->version > SB_BACKUP_VERSION)
        return sb_fail(p->ctx, SB_E_VERSION,
                       "this backup has format %lld, this program knows %d: use the newer sibyl",
                       (long long)l->version, SB_BACKUP_VERSION);
    if (!sb_time_parse(l->created, &ns) || l->data_version < 0 || !l->sibyl.p || !l->node.p)
        return damaged(p, "the head is not whole");
    h->created_ms = ns / 1000000;
    h->data_version = l->data_version;
    h->sibyl = sb_arena_dup(p->arena, l->sibyl).p;
    h->node = sb_arena_dup(p->arena, l->node).p;
    return h->sibyl && h->node ? SB_OK : damaged(p, "too large");
}

static bool is_sha256(struct sb_str s) {
    if (s.n != SB_SHA256_TEXT - 1) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f')) return false;
    return true;
}

/* A file's line, or the events' one behind all of them. */
static sb_err take_middle(struct parse *p, const struct line *l) {
    struct sb_backup_manifest *m = p->out;
    struct sb_backup_file *f = &m->file[m->n];
    if (l->first_offset >= 0 && l->next_offset >= l->first_offset && !p->events) {
        p->events = true;
        m->first_offset = l->first_offset;
        m->next_offset = l->next_offset;
        return SB_OK;
    }
    if (p->events || l->size < 0 || !is_sha256(l->sha256)) return damaged(p, "not a file's line");
    if (!sb_backup_path_ok(l->path)) return damaged(p, "a path that cannot be part of a backup");
    if (__builtin_add_overflow(m->bytes, l->size, &m->bytes)) return damaged(p, "sizes");
    f->path = sb_arena_dup(p->arena, l->path).p;
    if (!f->path) return damaged(p, "too large");
    f->size = l->size;
    memcpy(f->sha256, l->sha256.p, l->sha256.n);
    f->sha256[l->sha256.n] = 0;
    m->n++;
    return SB_OK;
}

/* body: all lines before the last one. */
static sb_err take_end(struct parse *p, const struct line *l, struct sb_str body) {
    struct sb_backup_manifest *m = p->out;
    char hex[SB_SHA256_TEXT];
    sha256_of(body, hex);
    if (!l->end) return damaged(p, "it ends too early: the backup was not finished or is cut");
    if (!sb_str_is(l->sha256, hex)) return damaged(p, "the checksum does not fit: it was changed");
    if (l->files != (int64_t)m->n || l->bytes != m->bytes || !p->events)
        return damaged(p, "its sums do not fit");
    return SB_OK;
}

static int by_path(const void *a, const void *b) {
    const struct sb_backup_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static sb_err check_unique(struct parse *p) {
    struct sb_backup_manifest *m = p->out;
    if (m->n) qsort(m->file, m->n, sizeof *m->file, by_path);
    for (size_t i = 1; i < m->n; i++)
        if (strcmp(m->file[i - 1].path, m->file[i].path) == 0)
            return damaged(p, "a file is named twice");
    return SB_OK;
}

static size_t count_lines(struct sb_str text) {
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '\n';
    return n;
}

sb_err sb_backup_manifest_parse(struct sb_backup_manifest *out, struct sb_str text,
                                struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_backup_manifest m = {0};
    struct parse p = {.out = &m, .arena = a, .ctx = ctx};
    m.file = sb_arena_try_array(a, count_lines(text), sizeof *m.file);
    if (!m.file) return sb_fail(ctx, SB_E_LIMIT, SB_BACKUP_MANIFEST " is too large");
    struct sb_str rest = text;
    for (bool done = false; !done;) {
        struct line l;
        const char *nl = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
        p.line++;
        if (!nl) return damaged(&p, "it ends too early: the backup was not finished or is cut");
        struct sb_str one = {rest.p, (size_t)(nl - rest.p)};
        if (read_line(one, a, &l) != SB_OK) return damaged(&p, "not a line of a manifest");
        rest = sb_str_sub(rest, one.n + 1, rest.n);
        done = rest.n == 0;
        if (p.line == 1)
            SB_TRY(take_head(&p, &l));
        else if (done)
            SB_TRY(take_end(&p, &l, sb_str_make(text.p, (size_t)(one.p - text.p))));
        else
            SB_TRY(take_middle(&p, &l));
    }
    if (p.line < 2) return damaged(&p, "it ends too early: the backup was not finished or is cut");
    SB_TRY(check_unique(&p));
    *out = m;
    return SB_OK;
}

/* ---- writing ---- */

static void end_line(struct sb_backup_writer *w) {
    sb_buf_addc(&w->text, '\n');
}

void sb_backup_writer_init(struct sb_backup_writer *w, const struct sb_backup_head *head) {
    char created[SB_TIME_TEXT];
    *w = (struct sb_backup_writer){0};
    sb_buf_init(&w->text, SB_BACKUP_MANIFEST_MAX);
    struct sb_json_writer j = {.b = &w->text};
    sb_json_obj(&j, NULL);
    sb_json_str(&j, "format", sb_str_of(format_name));
    sb_json_int(&j, "version", SB_BACKUP_VERSION);
    size_t n = sb_time_format_ms(created, head->created_ms);
    sb_json_str(&j, "created", sb_str_make(created, n));
    sb_json_str(&j, "sibyl", sb_str_of(head->sibyl));
    sb_json_str(&j, "node", sb_str_of(head->node));
    sb_json_int(&j, "data_version", head->data_version);
    sb_json_end(&j);
    end_line(w);
}

void sb_backup_writer_file(struct sb_backup_writer *w, const struct sb_backup_file *f) {
    struct sb_json_writer j = {.b = &w->text};
    sb_json_obj(&j, NULL);
    sb_json_str(&j, "path", sb_str_of(f->path));
    sb_json_int(&j, "size", f->size);
    sb_json_str(&j, "sha256", sb_str_of(f->sha256));
    sb_json_end(&j);
    end_line(w);
    w->files++;
    w->bytes += f->size;
}

sb_err sb_backup_writer_end(struct sb_backup_writer *w, int64_t first_offset, int64_t next_offset) {
    char hex[SB_SHA256_TEXT];
    struct sb_json_writer j = {.b = &w->text};
    sb_json_obj(&j, NULL);
    sb_json_int(&j, "first_offset", first_offset);
    sb_json_int(&j, "next_offset", next_offset);
    sb_json_end(&j);
    end_line(w);
    SB_TRY(sb_buf_err(&w->text));
    sha256_of(sb_buf_view(&w->text), hex);
    j = (struct sb_json_writer){.b = &w->text};
    sb_json_obj(&j, NULL);
    sb_json_bool(&j, "end", true);
    sb_json_int(&j, "files", w->files);
    sb_json_int(&j, "bytes", w->bytes);
    sb_json_str(&j, "sha256", sb_str_of(hex));
    sb_json_end(&j);
    end_line(w);
    return sb_buf_err(&w->text);
}

void sb_backup_writer_fini(struct sb_backup_writer *w) {
    sb_buf_fini(&w->text);
}
