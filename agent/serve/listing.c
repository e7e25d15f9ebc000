#include "serve/listing.h"

#include "base/encode.h"
#include "base/str.h"
#include "http/http_date.h"
#include "serve/json_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* NULL: it stands for itself. */
static const char *entity_of(char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

enum ps_code ps_html_escape(struct ps_buf *buf, const char *text, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    while (*text != '\0' && code == PS_OK) {
        size_t length = ps_utf8_length(text);
        const char *entity = length == 0 ? "\xef\xbf\xbd" : entity_of(*text);

        code = entity != NULL ? ps_buf_append_str(buf, entity, err)
                              : ps_buf_append(buf, text, length, err);
        text += length > 0 ? length : 1;
    }
    return code;
}

enum ps_code ps_listing_html_head(struct ps_buf *buf, const char *title, struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(
        buf,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<link rel=\"stylesheet\" href=\"/page/style.css\">\n"
        "<link rel=\"icon\" href=\"/page/icon.svg\">\n<title>",
        err);

    if (code == PS_OK) {
        code = ps_html_escape(buf, title, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(buf, "</title></head>\n<body><main><h1>", err);
    }
    if (code == PS_OK) {
        code = ps_html_escape(buf, title, err);
    }
    return code == PS_OK ? ps_buf_append_str(buf, "</h1>\n", err) : code;
}

static const char *name_of(const struct ps_listing *listing, size_t index)
{
    return listing->objects[index].key + listing->hidden_length;
}

/* The "2026-02-03 04:05" of a time. */
static void format_time(int64_t unix_ms, char text[24])
{
    char amz[PS_HTTP_DATE_AMZ_SIZE];

    text[0] = '\0';
    if (unix_ms > 0 && ps_http_date_format_amz(unix_ms, amz)) {
        (void)snprintf(text, 24, "%.4s-%.2s-%.2s %.2s:%.2s", amz, amz + 4, amz + 6, amz + 9,
                       amz + 11);
    }
}

enum ps_code ps_listing_link_end(struct ps_buf *buf, const char *separator, const char *query,
                                 const char *text, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (query[0] != '\0') {
        code = ps_buf_append_str(buf, separator, err);
        if (code == PS_OK) {
            code = ps_html_escape(buf, query, err);
        }
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(buf, "\">", err);
    }
    if (code == PS_OK) {
        code = ps_html_escape(buf, text, err);
    }
    return code == PS_OK ? ps_buf_append_str(buf, "</a>", err) : code;
}

static enum ps_code append_link(struct ps_buf *buf, const struct ps_listing *listing,
                                const char *name, struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(buf, "<a href=\"./", err);

    if (code == PS_OK) {
        code = ps_uri_encode(buf, name, PS_URI_KEEP_SLASH, err);
    }
    return code == PS_OK ? ps_listing_link_end(buf, "?", listing->query, name, err) : code;
}

bool ps_listing_is_archive(const char *name)
{
    static const char *const suffixes[] = {
        ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".zip"
    };

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (ps_str_has_suffix(name, suffixes[i])) {
            return true;
        }
    }
    return false;
}

static enum ps_code append_contents_link(struct ps_buf *buf, const struct ps_listing *listing,
                                         const char *name, struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(buf, " <a class=\"faint\" href=\"./", err);

    if (code == PS_OK) {
        code = ps_uri_encode(buf, name, PS_URI_KEEP_SLASH, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(buf, "?members", err);
    }
    return code == PS_OK ? ps_listing_link_end(buf, "&amp;", listing->query, "contents", err)
                         : code;
}

static enum ps_code append_row(struct ps_buf *buf, const struct ps_listing *listing, size_t index,
                               struct ps_err *err)
{
    const struct ps_object_info *object = &listing->objects[index];
    char size[16] = "";
    char time[24] = "";
    enum ps_code code = ps_buf_append_str(buf, "<tr><td>", err);

    if (!object->is_prefix) {
        (void)ps_size_format(object->size_bytes, size, sizeof(size));
        format_time(object->mtime_unix_ms, time);
    }
    if (code == PS_OK) {
        code = append_link(buf, listing, name_of(listing, index), err);
    }
    if (code == PS_OK && !object->is_prefix && ps_listing_is_archive(name_of(listing, index))) {
        code = append_contents_link(buf, listing, name_of(listing, index), err);
    }
    return code == PS_OK
               ? ps_buf_append_format(buf, err, "</td><td class=\"n\">%s</td><td>%s</td></tr>\n",
                                      size, time)
               : code;
}

static enum ps_code append_head(struct ps_buf *buf, const struct ps_listing *listing,
                                struct ps_err *err)
{
    char *title = ps_str_format("%s/%s", listing->store, listing->prefix);
    enum ps_code code = title != NULL ? ps_listing_html_head(buf, title, err)
                                      : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    free(title);
    return code == PS_OK
               ? ps_buf_append_str(buf,
                                   "<table><thead><tr><th>Name</th><th "
                                   "class=\"n\">Size</th><th>Changed (UTC)</th></tr></thead>\n"
                                   "<tbody>\n",
                                   err)
               : code;
}

static enum ps_code append_up(struct ps_buf *buf, const struct ps_listing *listing,
                              struct ps_err *err)
{
    if (listing->query[0] != '\0') {
        return PS_OK; /* a signed link opens nothing above */
    }
    return ps_buf_append_format(buf, err,
                                "<tr><td><a href=\"%s\">..</a></td><td></td><td></td></tr>\n",
                                listing->prefix[0] != '\0' ? "../" : "/");
}

/* Links to all of it as one file. */
static enum ps_code append_archives(struct ps_buf *buf, const struct ps_listing *listing,
                                    struct ps_err *err)
{
    static const char *const formats[] = { "tar.gz", "tar", "zip" };
    enum ps_code code = ps_buf_append_str(buf, "<p class=\"faint\">All of it as", err);

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && code == PS_OK; i++) {
        code = ps_buf_append_format(buf, err, "%s <a href=\"?archive=%s", i > 0 ? "," : "",
                                    formats[i]);
        if (code == PS_OK && listing->query[0] != '\0') {
            code = ps_buf_append_str(buf, "&amp;", err);
            if (code == PS_OK) {
                code = ps_html_escape(buf, listing->query, err);
            }
        }
        if (code == PS_OK) {
            code = ps_buf_append_format(buf, err, "\">%s</a>", formats[i]);
        }
    }
    return code == PS_OK ? ps_buf_append_str(buf, "</p>\n", err) : code;
}

static enum ps_code append_tail(struct ps_buf *buf, const struct ps_listing *listing,
                                struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(buf, "</tbody></table>\n", err);

    if (code == PS_OK && listing->count == 0) {
        code = ps_buf_append_str(buf, "<p>Nothing is here.</p>\n", err);
    }
    if (code == PS_OK && listing->more) {
        code = ps_buf_append_str(buf, "<p><a rel=\"next\" href=\"?after=", err);
        if (code == PS_OK) {
            code = ps_uri_encode(buf, name_of(listing, listing->count - 1), PS_URI_KEEP_NONE, err);
        }
        if (code == PS_OK && listing->query[0] != '\0') {
            code = ps_buf_append_str(buf, "&amp;", err);
            if (code == PS_OK) {
                code = ps_html_escape(buf, listing->query, err);
            }
        }
        if (code == PS_OK) {
            code = ps_buf_append_str(buf, "\">More</a></p>\n", err);
        }
    }
    if (code == PS_OK && listing->count > 0) {
        code = append_archives(buf, listing, err);
    }
    return code == PS_OK ? ps_buf_append_str(buf, "</main></body></html>\n", err) : code;
}

enum ps_code ps_listing_html(struct ps_buf *buf, const struct ps_listing *listing,
                             struct ps_err *err)
{
    enum ps_code code = append_head(buf, listing, err);

    if (code == PS_OK) {
        code = append_up(buf, listing, err);
    }
    for (size_t i = 0; i < listing->count && code == PS_OK; i++) {
        if (name_of(listing, i)[0] != '\0') { /* else the marker of the directory itself */
            code = append_row(buf, listing, i, err);
        }
    }
    return code == PS_OK ? append_tail(buf, listing, err) : code;
}

enum ps_code ps_listing_json(struct ps_buf *buf, const struct ps_listing *listing,
                             struct ps_err *err)
{
    json_t *entries = json_array();
    json_t *json = NULL;
    char *text = NULL;
    enum ps_code code;

    for (size_t i = 0; i < listing->count; i++) {
        const struct ps_object_info *object = &listing->objects[i];

        if (name_of(listing, i)[0] == '\0') {
            continue;
        }
        (void)json_array_append_new(
            entries,
            object->is_prefix
                ? json_pack("{s:o, s:b}", "name", ps_json_text(name_of(listing, i)), "directory", 1)
                : json_pack("{s:o, s:b, s:I, s:I, s:o}", "name", ps_json_text(name_of(listing, i)),
                            "directory", 0, "size_bytes", (json_int_t)object->size_bytes,
                            "mtime_unix_ms", (json_int_t)object->mtime_unix_ms, "etag",
                            ps_json_text(object->etag)));
    }
    json = json_pack("{s:o, s:o, s:o, s:o}", "store", ps_json_text(listing->store), "prefix",
                     ps_json_text(listing->prefix), "entries", entries, "next",
                     listing->more && listing->count > 0
                         ? ps_json_text(name_of(listing, listing->count - 1))
                         : json_null());
    text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    code = text != NULL ? ps_buf_append_str(buf, text, err)
                        : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    free(text);
    json_decref(json);
    return code;
}
