#include "reclaim/marker.h"

#include "base/encode.h"
#include "base/str.h"
#include "hash/digest.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1

/** Bytes of the digest that are the name. */
#define DIGEST_SIZE 16

#define KEY_SIZE_MAX 1024
#define ETAG_SIZE_MAX 256

/** A hundred years, as for `after` of a policy. */
#define AFTER_MAX_S ((uint64_t)100 * 366 * 86400)

static const char head[] = "{\"version\": 1, \"objects\": [";
static const char tail[] = "]}\n";

/* --- names and keys --- */

void ps_marker_name(const char *text, size_t size_bytes, char *name)
{
    uint8_t digest[PS_SHA256_SIZE];

    ps_sha256(text, size_bytes, digest);
    (void)ps_hex_encode(digest, DIGEST_SIZE, name);
    ps_str_copy(name + 2 * (size_t)DIGEST_SIZE, sizeof(".json"), ".json");
}

static bool is_own_part(const char *part, size_t length)
{
    static const char *const parts[] = { ".", "..", ".purser" };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strlen(parts[i]) == length && strncmp(parts[i], part, length) == 0) {
            return true;
        }
    }
    return false;
}

bool ps_marker_takes_key(const char *key)
{
    if (key[0] == '\0' || key[0] == '/' || strlen(key) > KEY_SIZE_MAX) {
        return false;
    }
    for (const char *at = key; *at != '\0';) {
        size_t length = strcspn(at, "/");

        if (is_own_part(at, length)) {
            return false;
        }
        at += length + (at[length] == '/' ? 1 : 0);
    }
    return true;
}

/* --- writing --- */

static enum ps_code add_text(struct ps_buf *text, const struct ps_marker_entry *entry, bool first,
                             struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(text, first ? "\n{\"key\": \"" : ",\n{\"key\": \"", err);

    if (code == PS_OK) {
        code = ps_uri_encode(text, entry->key, PS_URI_KEEP_SLASH, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(text, "\", \"etag\": \"", err);
    }
    if (code == PS_OK) {
        code = ps_uri_encode(text, entry->etag, PS_URI_KEEP_NONE, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_format(
            text, err, "\", \"size\": %" PRIu64 ", \"mtime\": %" PRId64 ", \"after\": %" PRIu64 "}",
            entry->size_bytes, entry->mtime_unix_s, entry->after_s);
    }
    return code;
}

enum ps_code ps_marker_add(struct ps_marker_writer *writer, const struct ps_marker_entry *entry,
                           struct ps_err *err)
{
    struct ps_marker_entry bounded = *entry;
    size_t before_bytes = writer->text.size_bytes;
    enum ps_code code = PS_OK;

    if (!ps_marker_takes_key(entry->key) || strlen(entry->etag) > ETAG_SIZE_MAX ||
        entry->size_bytes > INT64_MAX) {
        return ps_err_set(err, PS_E_INVALID, "%s: a marker cannot name it", entry->key);
    }
    if (writer->count == PS_MARKER_ENTRIES_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "the marker is full");
    }
    bounded.after_s = entry->after_s < AFTER_MAX_S ? entry->after_s : AFTER_MAX_S;
    bounded.mtime_unix_s = entry->mtime_unix_s > 0 ? entry->mtime_unix_s : 0;
    if (writer->count == 0) {
        ps_buf_init(&writer->text, PS_MARKER_SIZE_MAX - sizeof(tail));
        code = ps_buf_append_str(&writer->text, head, err);
        before_bytes = writer->text.size_bytes;
    }
    if (code == PS_OK) {
        code = add_text(&writer->text, &bounded, writer->count == 0, err);
    }
    if (code != PS_OK && writer->text.data != NULL) { /* without the half of an entry */
        writer->text.size_bytes = before_bytes;
        writer->text.data[before_bytes] = '\0';
    }
    writer->count += code == PS_OK ? 1 : 0;
    return code;
}

enum ps_code ps_marker_end(struct ps_marker_writer *writer, char *name, struct ps_err *err)
{
    enum ps_code code;

    writer->text.limit_bytes = PS_MARKER_SIZE_MAX;
    code = ps_buf_append_str(&writer->text, tail, err);
    if (code == PS_OK) {
        ps_marker_name(writer->text.data, writer->text.size_bytes, name);
    }
    return code;
}

void ps_marker_writer_clear(struct ps_marker_writer *writer)
{
    ps_buf_clear(&writer->text);
    writer->count = 0;
}

/* --- reading --- */

static enum ps_code wrong(struct ps_err *err, size_t index, const char *what)
{
    return ps_err_set(err, PS_E_PARSE, "object %zu: %s", index + 1, what);
}

/* A heap copy, decoded. NULL and *err when it is no such text. */
static char *decode(const char *text, size_t size_max_bytes, size_t index, const char *what,
                    struct ps_err *err)
{
    char *copy = ps_strdup(text);

    if (copy == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else if (!ps_uri_decode(copy, false) || strlen(copy) > size_max_bytes) {
        (void)wrong(err, index, what);
        free(copy);
        copy = NULL;
    }
    return copy;
}

static enum ps_code read_entry(json_t *object, size_t index, struct ps_marker_entry *entry,
                               struct ps_err *err)
{
    const char *key;
    const char *etag;
    json_int_t size = -1;
    json_int_t mtime = -1;
    json_int_t after = -1;

    if (json_unpack_ex(object, NULL, JSON_STRICT, "{s:s, s:s, s:I, s:I, s:I}", "key", &key, "etag",
                       &etag, "size", &size, "mtime", &mtime, "after", &after) != 0) {
        return wrong(err, index, "wanted are key, etag, size, mtime and after, and nothing else");
    }
    if (size < 0 || mtime < 0 || after < 0 || (uint64_t)after > AFTER_MAX_S) {
        return wrong(err, index, "a number out of range");
    }
    entry->size_bytes = (uint64_t)size;
    entry->mtime_unix_s = mtime;
    entry->after_s = (uint64_t)after;
    entry->key = decode(key, KEY_SIZE_MAX, index, "no key", err);
    if (entry->key == NULL) {
        return err->code;
    }
    if (!ps_marker_takes_key(entry->key)) {
        return wrong(err, index, "a key that would leave the prefix");
    }
    entry->etag = decode(etag, ETAG_SIZE_MAX, index, "no ETag", err);
    return entry->etag != NULL ? PS_OK : err->code;
}

static enum ps_code read_objects(json_t *objects, struct ps_marker *marker, struct ps_err *err)
{
    size_t count = json_array_size(objects);
    enum ps_code code = PS_OK;

    if (!json_is_array(objects) || count == 0 || count > PS_MARKER_ENTRIES_MAX) {
        return ps_err_set(err, PS_E_PARSE, "1 to %zu objects are wanted", PS_MARKER_ENTRIES_MAX);
    }
    marker->entries = calloc(count, sizeof(*marker->entries));
    if (marker->entries == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count && code == PS_OK; i++) {
        marker->count = i + 1;
        code = read_entry(json_array_get(objects, i), i, &marker->entries[i], err);
    }
    return code;
}

static enum ps_code read_document(json_t *document, struct ps_marker *marker, struct ps_err *err)
{
    const json_t *version = json_object_get(document, "version");
    json_t *objects = NULL;
    json_int_t number = 0;

    if (json_is_integer(version) && json_integer_value(version) != VERSION) {
        return ps_err_set(err, PS_E_UNSUPPORTED, "version %" JSON_INTEGER_FORMAT ", known is %d",
                          json_integer_value(version), VERSION);
    }
    if (json_unpack_ex(document, NULL, JSON_STRICT, "{s:I, s:o}", "version", &number, "objects",
                       &objects) != 0) {
        return ps_err_set(err, PS_E_PARSE, "wanted are version and objects, and nothing else");
    }
    return read_objects(objects, marker, err);
}

enum ps_code ps_marker_parse(const char *name, const char *text, size_t size_bytes,
                             struct ps_marker *marker_out, struct ps_err *err)
{
    struct ps_marker marker = { 0 };
    struct ps_err own;
    char own_name[PS_MARKER_NAME_SIZE];
    json_t *document;
    enum ps_code code;

    err = err != NULL ? err : &own;
    ps_marker_name(text, size_bytes, own_name);
    if (strcmp(name, own_name) != 0) {
        return ps_err_set(err, PS_E_PARSE, "its name is not that of its text: it is damaged");
    }
    document = json_loadb(text, size_bytes, JSON_REJECT_DUPLICATES, NULL);
    code = document != NULL ? read_document(document, &marker, err)
                            : ps_err_set(err, PS_E_PARSE, "no JSON");
    json_decref(document);
    if (code != PS_OK) {
        ps_marker_clear(&marker);
        return code;
    }
    *marker_out = marker;
    return PS_OK;
}

void ps_marker_clear(struct ps_marker *marker)
{
    for (size_t i = 0; i < marker->count; i++) {
        free((void *)(uintptr_t)marker->entries[i].key);
        free((void *)(uintptr_t)marker->entries[i].etag);
    }
    free(marker->entries);
    *marker = (struct ps_marker){ 0 };
}
