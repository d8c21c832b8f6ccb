/* Hits are asked for one by one, mostly newest first, and a seek in the topic costs a file and part
 * of a batch. So what is read stays, in one run of consecutive records, and a seek goes some way
 * before the offset that is wanted, as far as the last ones were apart. */
#include "base/buf.h"
#include "base/mem.h"
#include "domain/index/index.h"

enum {
    NEAR = 256,          /* offsets: so far ahead reading on is cheaper than a seek */
    BEFORE = 16,         /* read before the first one wanted */
    BYTES_MAX = 4 << 20, /* of the run; a single document may be larger */
    RECORDS_MAX = 4 * NEAR,
};

struct kept {
    int64_t offset;
    size_t at, n; /* in bytes */
};

struct sb_index_texts {
    char *topic_dir;
    struct sb_event_source source; /* ops NULL: not open yet */
    struct kept *kept;             /* ascending */
    size_t nkept;
    struct sb_buf bytes;
    int64_t from, next; /* offsets the run covers: all records in [from, next) are kept */
    int64_t wanted;     /* last */
};

sb_err sb_index_texts_open(struct sb_index_texts **out, const struct sb_index *ix,
                           struct sb_errctx *ctx) {
    SB_UNUSED(ctx); /* the topic may come later */
    struct sb_index_texts *t = sb_calloc(1, sizeof *t);
    t->topic_dir = sb_strdup(ix->topic_dir);
    t->kept = sb_alloc(RECORDS_MAX * sizeof *t->kept);
    t->wanted = -1;
    sb_buf_init(&t->bytes, SIZE_MAX);
    *out = t;
    return SB_OK;
}

void sb_index_texts_close(struct sb_index_texts *t) {
    if (!t) return;
    sb_event_source_close(&t->source);
    sb_buf_fini(&t->bytes);
    sb_free(t->kept);
    sb_free(t->topic_dir);
    sb_free(t);
}

static void forget(struct sb_index_texts *t, int64_t from) {
    t->nkept = 0;
    sb_buf_reset(&t->bytes);
    t->from = t->next = from;
}

static sb_err seek(struct sb_index_texts *t, int64_t offset) {
    if (!t->source.ops) SB_TRY(sb_event_source_journal(&t->source, t->topic_dir, NULL));
    bool back = t->wanted > offset && t->wanted - offset <= NEAR;
    int64_t before = back ? NEAR : BEFORE;
    forget(t, offset > before ? offset - before : 0);
    return t->source.ops->seek(t->source.self, t->from);
}

/* The next record joins the run. */
static sb_err read_one(struct sb_index_texts *t) {
    struct sb_event_record r;
    SB_TRY(t->source.ops->next(t->source.self, &r));
    if (t->nkept == RECORDS_MAX || t->bytes.n + r.json.n > BYTES_MAX) forget(t, r.offset);
    t->kept[t->nkept++] = (struct kept){r.offset, t->bytes.n, r.json.n};
    sb_buf_adds(&t->bytes, r.json);
    t->next = r.offset + 1;
    return sb_buf_err(&t->bytes);
}

static sb_err read_up_to(struct sb_index_texts *t, int64_t offset) {
    bool here = offset >= t->from && offset < t->next + NEAR && t->source.ops;
    if (!here) SB_TRY(seek(t, offset));
    while (t->next <= offset) SB_TRY(read_one(t));
    return SB_OK;
}

static const struct kept *find(const struct sb_index_texts *t, int64_t offset) {
    size_t lo = 0, hi = t->nkept;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->kept[mid].offset < offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < t->nkept && t->kept[lo].offset == offset ? &t->kept[lo] : NULL;
}

sb_err sb_index_text(struct sb_index_texts *t, int64_t offset, struct sb_arena *arena,
                     struct sb_str *json) {
    sb_err err = read_up_to(t, offset);
    t->wanted = offset;
    if (err) { /* the reader may stand anywhere: begin anew next time */
        forget(t, 0);
        sb_event_source_close(&t->source);
        return err == SB_E_END ? SB_E_MISSING : err;
    }
    const struct kept *k = find(t, offset);
    if (!k) return SB_E_MISSING;
    *json = sb_arena_dup(arena, sb_str_make(t->bytes.p + k->at, k->n));
    return json->p ? SB_OK : SB_E_LIMIT;
}
