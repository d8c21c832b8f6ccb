/* MANIFEST of a backup. The first byte says whether the rest is the whole text, or the lines before
 * the last one, to which the fitting end is added: a fuzzer does not guess checksums. What is
 * accepted names each file once, only below "data/", and is the same after writing and reading. */
#include <stdint.h>

#include "codec/json.h"
#include "domain/backup/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_again(const struct sb_backup_manifest *m) {
    struct sb_backup_writer w;
    struct sb_backup_manifest again;
    struct sb_arena a;
    sb_arena_init(&a, 64 << 20);
    sb_backup_writer_init(&w, &m->head);
    for (size_t i = 0; i < m->n; i++) {
        SB_ASSERT(sb_backup_path_ok(sb_str_of(m->file[i].path)));
        SB_ASSERT(!i || strcmp(m->file[i - 1].path, m->file[i].path) < 0);
        sb_backup_writer_file(&w, &m->file[i]);
    }
    SB_ASSERT(sb_backup_writer_end(&w, m->first_offset, m->next_offset) == SB_OK);
    SB_ASSERT(sb_backup_manifest_parse(&again, sb_buf_view(&w.text), &a, NULL) == SB_OK);
    SB_ASSERT(again.n == m->n && again.bytes == m->bytes && again.next_offset == m->next_offset);
    for (size_t i = 0; i < m->n; i++)
        SB_ASSERT(!strcmp(again.file[i].path, m->file[i].path) &&
                  again.file[i].size == m->file[i].size);
    sb_backup_writer_fini(&w);
    sb_arena_fini(&a);
}

/* The end line that fits `lines`, as far as its sums can be told from outside. */
static void add_end(struct sb_buf *text) {
    char hex[SB_SHA256_TEXT];
    int64_t files = -2, bytes = 0; /* neither the head nor the events' line is one */
    struct sb_sha256 h;
    struct sb_str rest = sb_buf_view(text), line;
    while (sb_str_split(&rest, '\n', &line)) {
        struct sb_arena a;
        struct sb_json *doc;
        int64_t size = 0;
        if (!line.n) continue;
        sb_arena_init(&a, 1 << 20);
        if (sb_json_parse(&doc, line, &a, NULL) == SB_OK && sb_json_get_i64(doc, "size", &size) &&
            __builtin_add_overflow(bytes, size, &bytes))
            bytes = 0;
        sb_arena_fini(&a);
        files++;
    }
    sb_sha256_init(&h);
    sb_sha256_add(&h, text->p, text->n);
    sb_sha256_hex(&h, hex);
    sb_buf_addf(text, "{\"end\":true,\"files\":%lld,\"bytes\":%lld,\"sha256\":\"%s\"}\n",
                (long long)files, (long long)bytes, hex);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_backup_manifest m;
    struct sb_arena a;
    struct sb_buf text;
    struct sb_errctx ctx = {0};
    if (!n) return 0;
    sb_arena_init(&a, 64 << 20);
    sb_buf_init(&text, 16 << 20);
    sb_buf_add(&text, data + 1, n - 1);
    if (data[0] == 'e' && text.n) add_end(&text);
    sb_err err = sb_backup_manifest_parse(&m, sb_buf_view(&text), &a, &ctx);
    if (err)
        SB_ASSERT(ctx.msg[0]);
    else
        check_again(&m);
    sb_buf_fini(&text);
    sb_arena_fini(&a);
    return 0;
}
