#include "engine/zip/zip.h"

#include <zip.h>

#include "base/map.h"
#include "base/mem.h"

struct entry {
    zip_uint64_t index;
    zip_uint64_t size;
    struct sb_str bytes; /* once read */
    bool read;
};

struct sb_zip {
    zip_t *zip;
    struct sb_map entries;
};

static sb_err refuse(struct sb_errctx *ctx, sb_err err, const char *what) {
    (void)sb_fail(ctx, err, "zip archive: %s", what);
    return err;
}

static bool name_ok(struct sb_str name) {
    if (name.n == 0 || name.n > 512 || name.p[0] == '/') return false;
    return !sb_str_contains(name, SB_STR("..")) && sb_str_find(name, '\\') < 0;
}

static sb_err add_entry(struct sb_zip *z, zip_uint64_t i, size_t max, size_t *total,
                        struct sb_errctx *ctx) {
    const zip_uint64_t need =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t st;
    zip_stat_init(&st);
    if (zip_stat_index(z->zip, i, ZIP_FL_ENC_RAW, &st) != 0 || (st.valid & need) != need)
        return refuse(ctx, SB_E_CORRUPT, "entry without a name or size");
    if (st.encryption_method != ZIP_EM_NONE)
        return refuse(ctx, SB_E_UNSUPPORTED, "encrypted entry");
    if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
        return refuse(ctx, SB_E_UNSUPPORTED, "compression other than deflate");
    struct sb_str name = sb_str_of(st.name);
    if (!name_ok(name)) return refuse(ctx, SB_E_CORRUPT, "name of an entry");
    if (!sb_add_ok(*total, st.size, total) || *total > max)
        return refuse(ctx, SB_E_LIMIT, "entries larger than an archive of its length may hold");
    struct entry *e = sb_calloc(1, sizeof *e);
    e->index = i;
    e->size = st.size;
    struct entry *old = sb_map_put(&z->entries, name, e);
    if (!old) return SB_OK;
    sb_free(old);
    return refuse(ctx, SB_E_CORRUPT, "two entries of the same name");
}

static sb_err list(struct sb_zip *z, size_t length, struct sb_errctx *ctx) {
    size_t max, total = 0;
    zip_int64_t n = zip_get_num_entries(z->zip, 0);
    if (n < 0) return refuse(ctx, SB_E_CORRUPT, "no directory");
    if (n > SB_ZIP_ENTRIES_MAX) return refuse(ctx, SB_E_LIMIT, "too many entries");
    if (!sb_mul_ok(length, SB_ZIP_RATIO_MAX, &max)) max = SIZE_MAX;
    if (max < SB_ZIP_RATIO_FLOOR) max = SB_ZIP_RATIO_FLOOR;
    for (zip_uint64_t i = 0; i < (zip_uint64_t)n; i++) SB_TRY(add_entry(z, i, max, &total, ctx));
    return SB_OK;
}

sb_err sb_zip_open(struct sb_zip **out, struct sb_str bytes, struct sb_errctx *ctx) {
    zip_error_t ze;
    zip_error_init(&ze);
    zip_source_t *src = zip_source_buffer_create(bytes.p, bytes.n, 0, &ze);
    zip_t *zip = src ? zip_open_from_source(src, ZIP_RDONLY | ZIP_CHECKCONS, &ze) : NULL;
    if (!zip) {
        (void)sb_fail(ctx, SB_E_CORRUPT, "zip archive: %s", zip_error_strerror(&ze));
        zip_source_free(src);
        zip_error_fini(&ze);
        return SB_E_CORRUPT;
    }
    zip_error_fini(&ze);
    struct sb_zip *z = sb_calloc(1, sizeof *z);
    z->zip = zip;
    sb_map_init(&z->entries);
    sb_err err = list(z, bytes.n, ctx);
    if (err)
        sb_zip_close(z);
    else
        *out = z;
    return err;
}

void sb_zip_close(struct sb_zip *z) {
    if (!z) return;
    sb_map_fini(&z->entries, sb_free);
    zip_discard(z->zip);
    sb_free(z);
}

sb_err sb_zip_read(struct sb_zip *z, struct sb_str name, struct sb_arena *arena, struct sb_str *out,
                   struct sb_errctx *ctx) {
    struct entry *e = sb_map_get(&z->entries, name);
    if (!e) return sb_fail(ctx, SB_E_MISSING, "zip archive: no entry %.*s", SB_ARG(name));
    if (!e->read) {
        char *to = sb_arena_try(arena, e->size + 1);
        if (!to) return refuse(ctx, SB_E_LIMIT, "entry needs more memory than it may");
        zip_file_t *f = zip_fopen_index(z->zip, e->index, 0);
        if (!f) return refuse(ctx, SB_E_CORRUPT, zip_strerror(z->zip));
        /* one byte more than stated: an entry that goes on is a lie, and reading to the end makes
         * libzip compare the CRC */
        zip_int64_t got = zip_fread(f, to, e->size + 1);
        if (got >= 0 && (zip_uint64_t)got == e->size && zip_fread(f, to + e->size, 1) != 0)
            got = -1;
        zip_fclose(f);
        if (got < 0 || (zip_uint64_t)got != e->size)
            return refuse(ctx, SB_E_CORRUPT, "entry that is not as long as stated, or damaged");
        e->bytes = sb_str_make(to, e->size);
        e->read = true;
    }
    *out = e->bytes;
    return SB_OK;
}
