#include "serve/media_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *suffix;
    const char *type;
} rows[] = {
    { "avif", "image/avif" },
    { "bin", "application/octet-stream" },
    { "bz2", "application/x-bzip2" },
    { "css", "text/css; charset=utf-8" },
    { "csv", "text/csv; charset=utf-8" },
    { "gif", "image/gif" },
    { "gz", "application/gzip" },
    { "htm", "text/html; charset=utf-8" },
    { "html", "text/html; charset=utf-8" },
    { "ico", "image/vnd.microsoft.icon" },
    { "jpeg", "image/jpeg" },
    { "jpg", "image/jpeg" },
    { "js", "text/javascript; charset=utf-8" },
    { "json", "application/json" },
    { "jsonl", "application/jsonl" },
    { "log", "text/plain; charset=utf-8" },
    { "md", "text/markdown; charset=utf-8" },
    { "mjs", "text/javascript; charset=utf-8" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "ogg", "audio/ogg" },
    { "parquet", "application/vnd.apache.parquet" },
    { "pdf", "application/pdf" },
    { "png", "image/png" },
    { "py", "text/x-python; charset=utf-8" },
    { "svg", "image/svg+xml" },
    { "tar", "application/x-tar" },
    { "tgz", "application/gzip" },
    { "tsv", "text/tab-separated-values; charset=utf-8" },
    { "txt", "text/plain; charset=utf-8" },
    { "wasm", "application/wasm" },
    { "wav", "audio/wav" },
    { "webm", "video/webm" },
    { "webp", "image/webp" },
    { "xml", "application/xml" },
    { "xz", "application/x-xz" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "zip", "application/zip" },
    { "zst", "application/zstd" },
};

const char *ps_media_type_of(const char *key)
{
    const char *slash = strrchr(key, '/');
    const char *dot = strrchr(slash != NULL ? slash : key, '.');

    for (size_t i = 0; dot != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcasecmp(dot + 1, rows[i].suffix) == 0) {
            return rows[i].type;
        }
    }
    return "application/octet-stream";
}
