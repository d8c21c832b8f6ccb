#include "codec/mime.h"

#include "base/compiler.h"

static const struct {
    const char *ext, *type;
} types[] = {
    {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},
    {"conf", "text/plain"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"eot", "application/vnd.ms-fontobject"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h5", "application/x-hdf5"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ipynb", "application/x-ipynb+json"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"log", "text/plain"},
    {"md", "text/markdown"},
    {"mjs", "text/javascript"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"parquet", "application/vnd.apache.parquet"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"py", "text/x-python"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"tsv", "text/tab-separated-values"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain"},
    {"wasm", "application/wasm"},
    {"wav", "audio/x-wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xml", "text/xml"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
};

const char *sb_mime_of(struct sb_str name) {
    ptrdiff_t slash = sb_str_rfind(name, '/');
    name = sb_str_sub(name, (size_t)(slash + 1), name.n);
    ptrdiff_t dot = sb_str_rfind(name, '.');
    if (dot > 0) {
        struct sb_str ext = sb_str_sub(name, (size_t)dot + 1, name.n);
        for (size_t i = 0; i < SB_COUNT(types); i++) {
            if (sb_str_ieq(ext, sb_str_of(types[i].ext))) return types[i].type;
        }
    }
    return sb_str_is(name, "MLmodel") ? "text/plain" : "application/octet-stream";
}
