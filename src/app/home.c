#include "app/home.h"

#include "sys/file.h"
#include "sys/process.h"

const char *sb_home_path(struct sb_arena *a, const struct sb_config *c, const char *file) {
    static const char *const places[] = {"../..", "../share/sibyl", "."};
    if (c->home[0]) return sb_arena_printf(a, "%s/%s", c->home, file);
    char program[4096];
    sb_process_path(program, sizeof program);
    ptrdiff_t slash = sb_str_rfind(sb_str_of(program), '/');
    const char *first = NULL;
    for (size_t i = 0; i < SB_COUNT(places); i++) {
        const char *path =
            sb_arena_printf(a, "%.*s/%s/%s", slash < 0 ? 0 : (int)slash, program, places[i], file);
        if (sb_file_exists(path)) return path;
        if (!first) first = path;
    }
    return first;
}
