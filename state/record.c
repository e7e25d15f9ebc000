#include "state/record.h"

#include <string.h>

static enum ps_code put_u64(struct ps_buf *buf, uint64_t value, size_t size_bytes,
                            struct ps_err *err)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    return ps_buf_append(buf, bytes, size_bytes, err);
}

/* NULL and "" are told apart: a length of 0xffff is NULL. */
static enum ps_code put_text(struct ps_buf *buf, const char *text, struct ps_err *err)
{
    size_t length = text != NULL ? strlen(text) : 0xffff;
    enum ps_code code;

    if (text != NULL && length >= 0xffff) {
        return ps_err_set(err, PS_E_TOO_LARGE, "text of %zu bytes in a state record", length);
    }
    code = put_u64(buf, length, 2, err);
    if (code == PS_OK && text != NULL) {
        code = ps_buf_append(buf, text, length, err);
    }
    return code;
}

/* Runs until one fails; keeps the encoders flat. */
struct writer {
    struct ps_buf *buf;
    struct ps_err *err;
    enum ps_code code;
};

static void write_u64(struct writer *writer, uint64_t value, size_t size_bytes)
{
    if (writer->code == PS_OK) {
        writer->code = put_u64(writer->buf, value, size_bytes, writer->err);
    }
}

static void write_text(struct writer *writer, const char *text)
{
    if (writer->code == PS_OK) {
        writer->code = put_text(writer->buf, text, writer->err);
    }
}

static void write_bytes(struct writer *writer, const void *data, size_t size_bytes)
{
    if (writer->code == PS_OK) {
        writer->code = ps_buf_append(writer->buf, data, size_bytes, writer->err);
    }
}

static void write_owner(struct writer *writer, const struct ps_owner *owner)
{
    write_text(writer, owner->boot_id);
    write_u64(writer, (uint64_t)owner->pid, 8);
    write_u64(writer, owner->start_ticks, 8);
}

static void write_source(struct writer *writer, const struct ps_source_identity *source)
{
    write_u64(writer, source->kind, 1);
    write_u64(writer, source->device, 8);
    write_u64(writer, source->inode, 8);
    write_u64(writer, source->size_bytes, 8);
    write_u64(writer, (uint64_t)source->mtime_ns, 8);
    write_bytes(writer, source->digest, sizeof(source->digest));
}

enum ps_code ps_upload_record_encode(const struct ps_upload_record *record, struct ps_buf *buf,
                                     struct ps_err *err)
{
    struct writer writer = { buf, err, PS_OK };

    if (record->url == NULL || record->policy_digest == NULL) {
        return ps_err_set(err, PS_E_BUG, "an upload record without url or policy_digest");
    }
    write_u64(&writer, PS_RECORD_VERSION, 1);
    write_text(&writer, record->url);
    write_u64(&writer, record->number, 8);
    write_u64(&writer, record->phase, 1);
    write_text(&writer, record->upload_id);
    write_source(&writer, &record->source);
    write_text(&writer, record->source_path);
    write_u64(&writer, record->part_size_bytes, 8);
    write_u64(&writer, record->part_count, 4);
    write_u64(&writer, record->checksum_algorithm, 1);
    write_owner(&writer, &record->owner);
    write_text(&writer, record->policy_digest);
    write_u64(&writer, (uint64_t)record->created_unix_ms, 8);
    write_u64(&writer, (uint64_t)record->updated_unix_ms, 8);
    return writer.code;
}

enum ps_code ps_part_record_encode(const struct ps_part_record *record, struct ps_buf *buf,
                                   struct ps_err *err)
{
    struct writer writer = { buf, err, PS_OK };

    write_u64(&writer, PS_RECORD_VERSION, 1);
    write_u64(&writer, record->size_bytes, 8);
    write_bytes(&writer, record->checksum, sizeof(record->checksum));
    write_text(&writer, record->etag);
    return writer.code;
}

enum ps_code ps_download_record_encode(const struct ps_download_record *record, struct ps_buf *buf,
                                       struct ps_err *err)
{
    struct writer writer = { buf, err, PS_OK };

    if (record->path == NULL || record->url == NULL || record->etag == NULL) {
        return ps_err_set(err, PS_E_BUG, "a download record without path, url or etag");
    }
    write_u64(&writer, PS_RECORD_VERSION, 1);
    write_text(&writer, record->path);
    write_u64(&writer, record->number, 8);
    write_text(&writer, record->url);
    write_text(&writer, record->etag);
    write_u64(&writer, record->size_bytes, 8);
    write_u64(&writer, record->range_size_bytes, 8);
    write_u64(&writer, record->checksum_algorithm, 1);
    write_owner(&writer, &record->owner);
    write_u64(&writer, (uint64_t)record->created_unix_ms, 8);
    return writer.code;
}

enum ps_code ps_range_record_encode(const struct ps_range_record *record, struct ps_buf *buf,
                                    struct ps_err *err)
{
    struct writer writer = { buf, err, PS_OK };

    write_u64(&writer, PS_RECORD_VERSION, 1);
    write_u64(&writer, record->size_bytes, 8);
    write_bytes(&writer, record->checksum, sizeof(record->checksum));
    return writer.code;
}

enum ps_code ps_number_record_encode(uint64_t number, struct ps_buf *buf, struct ps_err *err)
{
    struct writer writer = { buf, err, PS_OK };

    write_u64(&writer, PS_RECORD_VERSION, 1);
    write_u64(&writer, number, 8);
    return writer.code;
}
