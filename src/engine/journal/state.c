#include "engine/journal/state_int.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "codec/crc32c.h"

char *sb_journal_path(const char *dir, const char *name) {
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = sb_alloc(n);
    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

/* Opens dir/name for writing; a file shorter than size is filled up with zeros and made durable
 * with its name, so that later writes in place need no space. */
static sb_err open_fixed(struct sb_file *f, const char *dir, const char *name, size_t size,
                         struct sb_errctx *ctx) {
    char *path = sb_journal_path(dir, name), zeros[8192] = {0};
    SB_ASSERT(size <= sizeof zeros);
    int64_t have = 0;
    sb_err err = sb_file_open(f, path, SB_OPEN_WRITE | SB_OPEN_CREATE, ctx);
    if (!err) {
        err = sb_file_size(f, &have, ctx);
        if (!err && have < (int64_t)size) {
            err = sb_file_pwrite(f, zeros + have, size - (size_t)have, have, ctx);
            if (!err) err = sb_file_sync(f, ctx);
            if (!err) err = sb_dir_sync(dir, ctx);
        }
        if (err) sb_file_close(f);
    }
    sb_free(path);
    return err;
}

/* ---- mark ---- */

enum { MARK_SIZE = 4096, WORD_MAGIC = 0, WORD_GENERATION, WORD_DURABLE, WORD_CHECK };
#define MARK_MAGIC UINT64_C(0x0000000131424d53) /* "SMB1", version 1 */
#define MARK_KEY   UINT64_C(0x9e3779b97f4a7c15)

static uint64_t word(const struct sb_mark *m, int i) {
    return __atomic_load_n((const uint64_t *)m->map.p + i, __ATOMIC_ACQUIRE);
}
static void word_set(const struct sb_mark *m, int i, uint64_t v) {
    __atomic_store_n((uint64_t *)m->map.p + i, v, __ATOMIC_RELEASE);
}

sb_err sb_mark_open_writer(struct sb_mark *m, const char *dir, struct sb_errctx *ctx) {
    struct sb_file f;
    SB_TRY(open_fixed(&f, dir, "mark", MARK_SIZE, ctx));
    sb_err err = sb_mmap_open(&m->map, &f, MARK_SIZE, true, ctx);
    sb_file_close(&f);
    if (err) return err;
    if (word(m, WORD_MAGIC) != MARK_MAGIC) {
        sb_mark_durable_set(m, 0);
        word_set(m, WORD_MAGIC, MARK_MAGIC);
    }
    return SB_OK;
}

sb_err sb_mark_open_reader(struct sb_mark *m, const char *dir, struct sb_errctx *ctx) {
    char *path = sb_journal_path(dir, "mark");
    struct sb_file f;
    sb_err err = sb_file_open(&f, path, SB_OPEN_READ, ctx);
    if (!err) {
        err = sb_mmap_open(&m->map, &f, MARK_SIZE, false, ctx);
        sb_file_close(&f);
    }
    sb_free(path);
    return err;
}

void sb_mark_close(struct sb_mark *m) {
    sb_mmap_close(&m->map);
}

/* The check word is written first: a reader that sees the new durable word sees it too, one that
 * comes between the two tries again. A power cut may keep the page as it was between them: then the
 * mark is just not believed. */
int64_t sb_mark_durable(const struct sb_mark *m) {
    if (word(m, WORD_MAGIC) != MARK_MAGIC) return 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t next = word(m, WORD_DURABLE);
        if (word(m, WORD_CHECK) == (next ^ MARK_KEY)) return (int64_t)next;
    }
    return 0;
}

void sb_mark_durable_set(const struct sb_mark *m, int64_t next) {
    word_set(m, WORD_CHECK, (uint64_t)next ^ MARK_KEY);
    word_set(m, WORD_DURABLE, (uint64_t)next);
}

uint64_t sb_mark_generation(const struct sb_mark *m) {
    return word(m, WORD_GENERATION);
}

void sb_mark_generation_next(const struct sb_mark *m) {
    word_set(m, WORD_GENERATION, word(m, WORD_GENERATION) + 1);
}

/* ---- checkpoint ---- */

enum { SLOT = 4096, SLOT_BYTES = 60, CHECKPOINT_SIZE = 2 * SLOT };
static const char checkpoint_magic[8] = "SBCKPT1";

static bool slot_parse(const uint8_t *p, struct sb_checkpoint_state *s) {
    struct sb_cursor c = sb_cursor_of(p, SLOT_BYTES);
    if (memcmp(sb_cursor_take(&c, 8), checkpoint_magic, 8)) return false;
    s->seq = sb_cursor_le64(&c);
    s->clean = sb_cursor_le64(&c) == 1;
    s->base = (int64_t)sb_cursor_le64(&c);
    s->pos = (int64_t)sb_cursor_le64(&c);
    s->next = (int64_t)sb_cursor_le64(&c);
    s->retain_now_ms = (int64_t)sb_cursor_le64(&c);
    return sb_cursor_le32(&c) == sb_crc32c(0, p, SLOT_BYTES - 4) && s->base >= 0 && s->pos >= 0 &&
           s->next >= s->base;
}

sb_err sb_checkpoint_open(struct sb_checkpoint *c, const char *dir, bool *found,
                          struct sb_errctx *ctx) {
    uint8_t bytes[CHECKPOINT_SIZE];
    size_t got;
    SB_TRY(open_fixed(&c->file, dir, "checkpoint", CHECKPOINT_SIZE, ctx));
    sb_err err = sb_file_pread(&c->file, bytes, sizeof bytes, 0, &got, ctx);
    if (err) {
        sb_file_close(&c->file);
        return err;
    }
    *found = false;
    c->last = (struct sb_checkpoint_state){0};
    for (int i = 0; i < 2; i++) {
        struct sb_checkpoint_state s;
        if (!slot_parse(bytes + i * SLOT, &s) || (*found && s.seq < c->last.seq)) continue;
        c->last = s;
        *found = true;
    }
    return SB_OK;
}

void sb_checkpoint_close(struct sb_checkpoint *c) {
    sb_file_close(&c->file);
}

sb_err sb_checkpoint_write(struct sb_checkpoint *c, bool sync, struct sb_errctx *ctx) {
    uint8_t b[SLOT_BYTES];
    struct sb_checkpoint_state *s = &c->last;
    s->seq++;
    uint64_t words[] = {s->seq,           s->clean,          (uint64_t)s->base,
                        (uint64_t)s->pos, (uint64_t)s->next, (uint64_t)s->retain_now_ms};
    memcpy(b, checkpoint_magic, 8);
    memcpy(b + 8, words, sizeof words);
    uint32_t crc = sb_crc32c(0, b, SLOT_BYTES - 4);
    memcpy(b + SLOT_BYTES - 4, &crc, 4);
    SB_TRY(sb_file_pwrite(&c->file, b, sizeof b, (int64_t)(s->seq & 1) * SLOT, ctx));
    return sync ? sb_file_datasync(&c->file, ctx) : SB_OK;
}

/* ---- format ---- */

static int format_line(char *to, size_t n, int version) {
    char head[40];
    int k = snprintf(head, sizeof head, "sibyl-journal %d", version);
    return snprintf(to, n, "%s %08x\n", head, sb_crc32c(0, head, (size_t)k));
}

sb_err sb_format_check(const char *dir, struct sb_errctx *ctx) {
    char *path = sb_journal_path(dir, "format");
    struct sb_buf b;
    sb_buf_init(&b, 64);
    struct sb_errctx detail = {0};
    sb_err err = sb_file_read_all(path, &b, &detail);
    if (err == SB_E_LIMIT) err = SB_E_CORRUPT;
    if (!err) {
        int version = 0;
        char want[64];
        if (sscanf(sb_buf_cstr(&b), "sibyl-journal %9d ", &version) != 1 ||
            format_line(want, sizeof want, version) != (int)b.n || memcmp(want, b.p, b.n))
            err = sb_fail(ctx, SB_E_CORRUPT, "%s: damaged", path);
        else if (version > SB_JOURNAL_VERSION)
            err = sb_fail(ctx, SB_E_VERSION,
                          "%s: format %d was written by a newer sibyl; this one knows %d: "
                          "start the newer one, nothing was changed",
                          path, version, SB_JOURNAL_VERSION);
    } else {
        sb_fail(ctx, err, "%s", sb_errctx_text(&detail, err));
    }
    sb_buf_fini(&b);
    sb_free(path);
    return err;
}

sb_err sb_format_write(const char *dir, struct sb_errctx *ctx) {
    char *path = sb_journal_path(dir, "format"), line[64];
    int n = format_line(line, sizeof line, SB_JOURNAL_VERSION);
    sb_err err = sb_file_replace(path, line, (size_t)n, ctx);
    sb_free(path);
    return err;
}
