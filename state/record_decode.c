#include "state/record.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* Reads one value from front to back. Once failed, all further reads give 0, which keeps the decoders flat. */
struct reader {
    const unsigned char *at;
    size_t left_bytes;
    bool failed; /* read past the end, or a bad length or value */
    bool no_memory;
};

static const unsigned char *take(struct reader *reader, size_t size_bytes)
{
    const unsigned char *at = reader->at;

    if (reader->failed || size_bytes > reader->left_bytes) {
        reader->failed = true;
        return NULL;
    }
    reader->at += size_bytes;
    reader->left_bytes -= size_bytes;
    return at;
}

static uint64_t read_u64(struct reader *reader, size_t size_bytes)
{
    const unsigned char *bytes = take(reader, size_bytes);
    uint64_t value = 0;

    for (size_t i = 0; bytes != NULL && i < size_bytes; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static void read_bytes(struct reader *reader, void *into, size_t size_bytes)
{
    const unsigned char *bytes = take(reader, size_bytes);

    if (bytes != NULL) {
        memcpy(into, bytes, size_bytes);
    }
}

/* A heap copy, or NULL for a text that was NULL. A NUL inside makes the record bad. */
static char *read_text(struct reader *reader)
{
    size_t length = (size_t)read_u64(reader, 2);
    const unsigned char *bytes;
    char *text;

    if (reader->failed || length == 0xffff) {
        return NULL;
    }
    bytes = take(reader, length);
    if (bytes == NULL || memchr(bytes, '\0', length) != NULL) {
        reader->failed = true;
        return NULL;
    }
    text = ps_strndup((const char *)bytes, length);
    if (text == NULL) {
        reader->failed = true;
        reader->no_memory = true;
    }
    return text;
}

static void read_fixed_text(struct reader *reader, char *into, size_t into_size_bytes)
{
    char *text = read_text(reader);

    if (text == NULL || strlen(text) >= into_size_bytes) {
        reader->failed = true;
    } else {
        ps_str_copy(into, into_size_bytes, text);
    }
    free(text);
}

static void read_owner(struct reader *reader, struct ps_owner *owner)
{
    read_fixed_text(reader, owner->boot_id, sizeof(owner->boot_id));
    owner->pid = (int64_t)read_u64(reader, 8);
    owner->start_ticks = read_u64(reader, 8);
}

static void read_source(struct reader *reader, struct ps_source_identity *source)
{
    uint64_t kind = read_u64(reader, 1);

    if (kind < PS_SOURCE_FILE || kind > PS_SOURCE_TREE) {
        reader->failed = true;
        return;
    }
    source->kind = (enum ps_source_kind)kind;
    source->device = read_u64(reader, 8);
    source->inode = read_u64(reader, 8);
    source->size_bytes = read_u64(reader, 8);
    source->mtime_ns = (int64_t)read_u64(reader, 8);
    read_bytes(reader, source->digest, sizeof(source->digest));
}

static enum ps_code reader_init(struct reader *reader, const void *value, size_t size_bytes,
                                struct ps_err *err)
{
    uint64_t version;

    *reader = (struct reader){ .at = value, .left_bytes = size_bytes };
    version = read_u64(reader, 1);
    if (!reader->failed && version != PS_RECORD_VERSION) {
        return ps_err_set(err, PS_E_PARSE,
                          "a record of version %u in the state database; this purser reads %u",
                          (unsigned)version, PS_RECORD_VERSION);
    }
    return PS_OK;
}

static enum ps_code check_end(const struct reader *reader, const char *what, struct ps_err *err)
{
    if (reader->no_memory) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory for a state record");
    }
    if (reader->failed || reader->left_bytes != 0) {
        return ps_err_set(err, PS_E_PARSE, "a damaged %s record in the state database", what);
    }
    return PS_OK;
}

enum ps_code ps_record_is_of(const void *value, size_t size_bytes, const char *text, bool *same_out,
                             struct ps_err *err)
{
    struct reader reader;
    enum ps_code code = reader_init(&reader, value, size_bytes, err);
    const unsigned char *bytes;
    size_t length;

    if (code != PS_OK) {
        return code;
    }
    length = (size_t)read_u64(&reader, 2);
    bytes = take(&reader, length);
    if (bytes == NULL) {
        return ps_err_set(err, PS_E_PARSE, "a damaged record in the state database");
    }
    *same_out = length == strlen(text) && memcmp(bytes, text, length) == 0;
    return PS_OK;
}

enum ps_code ps_number_record_decode(const void *value, size_t size_bytes, uint64_t *number_out,
                                     struct ps_err *err)
{
    struct reader reader;
    enum ps_code code = reader_init(&reader, value, size_bytes, err);
    uint64_t number;

    if (code != PS_OK) {
        return code;
    }
    number = read_u64(&reader, 8);
    code = check_end(&reader, "number", err);
    if (code == PS_OK) {
        *number_out = number;
    }
    return code;
}

enum ps_code ps_upload_record_decode(const void *value, size_t size_bytes,
                                     struct ps_upload_record *record_out, struct ps_err *err)
{
    struct ps_upload_record record = { 0 };
    struct reader reader;
    enum ps_code code = reader_init(&reader, value, size_bytes, err);
    uint64_t phase;

    if (code != PS_OK) {
        return code;
    }
    record.url = read_text(&reader);
    record.number = read_u64(&reader, 8);
    phase = read_u64(&reader, 1);
    if (phase < PS_UPLOAD_CREATING || phase > PS_UPLOAD_COMPLETING) {
        reader.failed = true;
    }
    record.phase = (enum ps_upload_phase)phase;
    record.upload_id = read_text(&reader);
    read_source(&reader, &record.source);
    record.source_path = read_text(&reader);
    record.part_size_bytes = read_u64(&reader, 8);
    record.part_count = (uint32_t)read_u64(&reader, 4);
    record.checksum_algorithm = (uint8_t)read_u64(&reader, 1);
    read_owner(&reader, &record.owner);
    record.policy_digest = read_text(&reader);
    record.created_unix_ms = (int64_t)read_u64(&reader, 8);
    record.updated_unix_ms = (int64_t)read_u64(&reader, 8);
    if (record.url == NULL || record.policy_digest == NULL) {
        reader.failed = true;
    }
    code = check_end(&reader, "upload", err);
    if (code != PS_OK) {
        ps_upload_record_clear(&record);
        return code;
    }
    *record_out = record;
    return PS_OK;
}

enum ps_code ps_part_record_decode(const void *value, size_t size_bytes,
                                   struct ps_part_record *record_out, struct ps_err *err)
{
    struct ps_part_record record = { 0 };
    struct reader reader;
    enum ps_code code = reader_init(&reader, value, size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    record.part_number = record_out->part_number;
    record.size_bytes = read_u64(&reader, 8);
    read_bytes(&reader, record.checksum, sizeof(record.checksum));
    read_fixed_text(&reader, record.etag, sizeof(record.etag));
    code = check_end(&reader, "part", err);
    if (code == PS_OK) {
        *record_out = record;
    }
    return code;
}

enum ps_code ps_download_record_decode(const void *value, size_t size_bytes,
                                       struct ps_download_record *record_out, struct ps_err *err)
{
    struct ps_download_record record = { 0 };
    struct reader reader;
    enum ps_code code = reader_init(&reader, value, size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    record.path = read_text(&reader);
    record.number = read_u64(&reader, 8);
    record.url = read_text(&reader);
    record.etag = read_text(&reader);
    record.size_bytes = read_u64(&reader, 8);
    record.range_size_bytes = read_u64(&reader, 8);
    record.checksum_algorithm = (uint8_t)read_u64(&reader, 1);
    read_owner(&reader, &record.owner);
    record.created_unix_ms = (int64_t)read_u64(&reader, 8);
    if (record.path == NULL || record.url == NULL || record.etag == NULL) {
        reader.failed = true;
    }
    code = check_end(&reader, "download", err);
    if (code != PS_OK) {
        ps_download_record_clear(&record);
        return code;
    }
    *record_out = record;
    return PS_OK;
}

enum ps_code ps_range_record_decode(const void *value, size_t size_bytes,
                                    struct ps_range_record *record_out, struct ps_err *err)
{
    struct ps_range_record record = { .range_index = record_out->range_index };
    struct reader reader;
    enum ps_code code = reader_init(&reader, value, size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    record.size_bytes = read_u64(&reader, 8);
    read_bytes(&reader, record.checksum, sizeof(record.checksum));
    code = check_end(&reader, "range", err);
    if (code == PS_OK) {
        *record_out = record;
    }
    return code;
}

void ps_upload_record_clear(struct ps_upload_record *record)
{
    free(record->url);
    free(record->upload_id);
    free(record->source_path);
    free(record->policy_digest);
    record->url = NULL;
    record->upload_id = NULL;
    record->source_path = NULL;
    record->policy_digest = NULL;
}

void ps_download_record_clear(struct ps_download_record *record)
{
    free(record->path);
    free(record->url);
    free(record->etag);
    record->path = NULL;
    record->url = NULL;
    record->etag = NULL;
}
