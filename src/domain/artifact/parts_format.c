#include "domain/artifact/parts_format.h"

#include <stdio.h>

#include "codec/hex.h"
#include "codec/json.h"
#include "domain/artifact/artifact.h"

static bool hex_number(struct sb_str s, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < s.n; i++) {
        int digit = sb_hex_digit(s.p[i]);
        if (digit < 0 || *out >> 59) return false;
        *out = *out << 4 | (uint64_t)digit;
    }
    return s.n > 0;
}

bool sb_parts_mark_read(struct sb_str name, struct sb_parts_mark *out) {
    struct sb_str field[3];
    uint64_t size, crc;
    int64_t number;
    for (size_t i = 0; i < 3; i++)
        if (!sb_str_split(&name, '-', &field[i])) return false;
    if (name.p || !sb_str_to_i64(field[0], &number) || number < 1 || !hex_number(field[1], &size) ||
        !hex_number(field[2], &crc) || crc > UINT32_MAX || size > INT64_MAX / SB_ARTIFACT_PARTS_MAX)
        return false;
    *out = (struct sb_parts_mark){number, (int64_t)size, (uint32_t)crc};
    return true;
}

void sb_parts_mark_write(const struct sb_parts_mark *m, char to[SB_PARTS_MARK]) {
    snprintf(to, SB_PARTS_MARK, "%lld-%llx-%08x", (long long)m->number, (unsigned long long)m->size,
             m->crc);
}

bool sb_parts_info_read(struct sb_str text, struct sb_arena *arena, struct sb_str *path,
                        int64_t *parts) {
    struct sb_json *doc;
    return sb_json_parse(&doc, text, arena, NULL) == SB_OK && sb_json_get(doc, "path") &&
           sb_json_get_str(doc, "path", path) && path->n && sb_json_get(doc, "parts") &&
           sb_json_get_i64(doc, "parts", parts) && *parts > 0 && *parts <= SB_ARTIFACT_PARTS_MAX;
}

void sb_parts_info_write(struct sb_buf *to, struct sb_str path, int64_t parts) {
    struct sb_json_writer w = {.b = to};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "path", path);
    sb_json_int(&w, "parts", parts);
    sb_json_end(&w);
}
