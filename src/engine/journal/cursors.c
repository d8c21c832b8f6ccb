/* Durable cursors: DIR/cursors/NAME = magic, offset, CRC; replaced whole. */
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "codec/crc32c.h"
#include "engine/journal/journal.h"
#include "engine/journal/state_int.h"

enum { BYTES = 20, NAME_MAX_BYTES = 64 };
static const char cursor_magic[8] = "SBCUR01";

static char *cursor_path(const char *dir, const char *name) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(name);
    if (n == 0 || n > NAME_MAX_BYTES || strspn(name, allowed) != n || name[0] == '.') return NULL;
    char *cursors = sb_journal_path(dir, "cursors"), *path = sb_journal_path(cursors, name);
    sb_free(cursors);
    return path;
}

sb_err sb_journal_cursor_load(const char *dir, const char *name, int64_t *offset) {
    char *path = cursor_path(dir, name);
    if (!path) return SB_E_INVALID;
    struct sb_buf b;
    sb_buf_init(&b, BYTES);
    sb_err err = sb_file_read_all(path, &b, NULL);
    if (err == SB_E_LIMIT || (!err && b.n != BYTES)) err = SB_E_CORRUPT;
    if (!err) {
        struct sb_cursor c = sb_cursor_of(b.p, b.n);
        const uint8_t *magic = sb_cursor_take(&c, 8);
        int64_t at = (int64_t)sb_cursor_le64(&c);
        uint32_t crc = sb_cursor_le32(&c);
        if (memcmp(magic, cursor_magic, 8) || crc != sb_crc32c(0, b.p, 16))
            err = SB_E_CORRUPT;
        else
            *offset = at;
    }
    sb_buf_fini(&b);
    sb_free(path);
    return err;
}

sb_err sb_journal_cursor_save(const char *dir, const char *name, int64_t offset) {
    char *path = cursor_path(dir, name), bytes[BYTES];
    if (!path) return SB_E_INVALID;
    memcpy(bytes, cursor_magic, 8);
    memcpy(bytes + 8, &offset, 8);
    uint32_t crc = sb_crc32c(0, bytes, 16);
    memcpy(bytes + 16, &crc, 4);
    char *cursors = sb_journal_path(dir, "cursors");
    sb_err err = sb_dir_make_all(cursors, NULL);
    if (!err) err = sb_file_replace(path, bytes, BYTES, NULL);
    sb_free(cursors);
    sb_free(path);
    return err;
}
