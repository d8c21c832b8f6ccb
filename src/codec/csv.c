#include "codec/csv.h"

#include <csv.h>

#include "codec/utf8.h"

/* libcsv calls back for each field and each row, and cannot be stopped from there: after an error
 * nothing more is taken, and the text goes in pieces so that not much more is read. */
enum { PIECE = 1 << 16 };

struct reading {
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    sb_csv_row_fn *row;
    void *arg;
    struct sb_str *fields;
    size_t nfields, max_fields, rows;
    char *room; /* where texts are packed */
    size_t left;
    sb_err err;
};

static bool keep(struct reading *r, const void *p, size_t n, struct sb_str *out) {
    if (n > r->left) {
        size_t size = n > PIECE ? n : PIECE;
        r->room = sb_arena_try(r->arena, size);
        if (!r->room) return false;
        r->left = size;
    }
    *out = sb_str_make(n ? r->room : "", n);
    if (!n) return true;
    memcpy(r->room, p, n);
    r->room += n;
    r->left -= n;
    return true;
}

static void on_field(void *p, size_t n, void *arg) {
    struct reading *r = arg;
    if (r->err) return;
    if (r->nfields == r->max_fields)
        r->err = sb_fail(r->ctx, SB_E_LIMIT, "more than %zu fields in a row", r->max_fields);
    else if (!keep(r, p, n, &r->fields[r->nfields++]))
        r->err = sb_fail(r->ctx, SB_E_LIMIT, "the rows take more memory than one request may");
}

static void on_row(int c, void *arg) {
    SB_UNUSED(c);
    struct reading *r = arg;
    if (!r->err) r->err = r->row(r->arg, r->fields, r->nfields);
    r->nfields = 0;
    r->rows++;
}

/* Spaces belong to their field. */
static int no_space(unsigned char c) {
    SB_UNUSED(c);
    return 0;
}

static sb_err fail_syntax(struct reading *r, struct csv_parser *p, size_t pos) {
    if (csv_error(p) == CSV_ENOMEM || csv_error(p) == CSV_ETOOBIG)
        return sb_fail(r->ctx, SB_E_LIMIT, "a field takes more memory than there is");
    return sb_fail_at(r->ctx, SB_E_INVALID, (int64_t)pos,
                      "not CSV at byte %zu, line %zu: a quote that belongs to no quoted field, or "
                      "one that is not closed",
                      pos, r->rows + 1);
}

static sb_err feed(struct reading *r, struct csv_parser *p, struct sb_str text, size_t skipped) {
    for (size_t at = 0; at < text.n && !r->err; at += PIECE) {
        size_t n = text.n - at < PIECE ? text.n - at : PIECE;
        size_t done = csv_parse(p, text.p + at, n, on_field, on_row, r);
        if (!r->err && done != n) return fail_syntax(r, p, skipped + at + done);
    }
    if (!r->err && csv_fini(p, on_field, on_row, r) != 0)
        return fail_syntax(r, p, skipped + text.n);
    return r->err;
}

sb_err sb_csv_read(struct sb_str text, size_t max_fields, struct sb_arena *arena,
                   sb_csv_row_fn *row, void *arg, struct sb_errctx *ctx) {
    struct reading r = {
        .arena = arena, .ctx = ctx, .row = row, .arg = arg, .max_fields = max_fields};
    struct csv_parser p;
    size_t mark = sb_str_starts(text, SB_STR("\xef\xbb\xbf")) ? 3 : 0;
    ptrdiff_t bad = sb_utf8_check(text);
    if (bad >= 0)
        return sb_fail_at(ctx, SB_E_INVALID, bad, "the CSV is not UTF-8 at byte %td", bad);
    r.fields = sb_arena_try_array(arena, max_fields, sizeof *r.fields);
    if (!r.fields) return sb_fail(ctx, SB_E_LIMIT, "too many fields");
    if (csv_init(&p, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return sb_fail(ctx, SB_E_NOMEM, "no memory for a CSV reader");
    csv_set_space_func(&p, no_space);
    sb_err err = feed(&r, &p, sb_str_sub(text, mark, text.n), mark);
    csv_free(&p);
    return err;
}
