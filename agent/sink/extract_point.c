#include "sink/extract_point.h"

#include <limits.h>
#include <string.h>

enum {
    VERSION = 2
};

struct reader {
    const uint8_t *at;
    size_t left_bytes;
    bool failed;
};

/* --- numbers --- */

static void append_number(struct ps_buf *buf, uint64_t value, size_t size_bytes, enum ps_code *code,
                          struct ps_err *err)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    if (*code == PS_OK) {
        *code = ps_buf_append(buf, bytes, size_bytes, err);
    }
}

static const uint8_t *read_bytes(struct reader *reader, size_t size_bytes)
{
    const uint8_t *at = reader->at;

    if (reader->left_bytes < size_bytes) {
        reader->failed = true;
        return NULL;
    }
    reader->at += size_bytes;
    reader->left_bytes -= size_bytes;
    return at;
}

static uint64_t read_number(struct reader *reader, size_t size_bytes)
{
    const uint8_t *at = read_bytes(reader, size_bytes);
    uint64_t value = 0;

    for (size_t i = 0; at != NULL && i < size_bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

/* --- point --- */

enum ps_code ps_extract_point_encode(const struct ps_extract_point *point, struct ps_buf *buf,
                                     struct ps_err *err)
{
    const struct ps_unpack_point *unpack = &point->unpack;
    enum ps_code code = PS_OK;

    append_number(buf, VERSION, 1, &code, err);
    append_number(buf, point->identity, 8, &code, err);
    append_number(buf, point->entry_count, 8, &code, err);
    append_number(buf, point->file_count, 8, &code, err);
    append_number(buf, point->written_bytes, 8, &code, err);
    append_number(buf, point->seen_key, 8, &code, err);
    append_number(buf, point->restartable ? 1 : 0, 1, &code, err);
    if (!point->restartable) {
        return code;
    }
    append_number(buf, point->next_bytes, 8, &code, err);
    append_number(buf, point->mark.offset_bytes, 8, &code, err);
    append_number(buf, (uint64_t)point->mark.before.algorithm, 1, &code, err);
    append_number(buf, ps_checksum_to_u64(&point->mark.before), 8, &code, err);
    append_number(buf, (uint64_t)unpack->kind, 1, &code, err);
    append_number(buf, unpack->packed_bytes, 8, &code, err);
    append_number(buf, unpack->unpacked_bytes, 8, &code, err);
    append_number(buf, unpack->bit_count, 1, &code, err);
    append_number(buf, unpack->bits, 1, &code, err);
    append_number(buf, unpack->crc32, 4, &code, err);
    append_number(buf, unpack->member_bytes, 4, &code, err);
    append_number(buf, unpack->window_size_bytes, 2, &code, err);
    return code == PS_OK ? ps_buf_append(buf, unpack->window, unpack->window_size_bytes, err)
                         : code;
}

static bool decode_restart(struct reader *reader, struct ps_extract_point *point)
{
    struct ps_unpack_point *unpack = &point->unpack;
    uint64_t algorithm;
    uint64_t kind;
    const uint8_t *window;

    point->next_bytes = read_number(reader, 8);
    point->mark.offset_bytes = read_number(reader, 8);
    algorithm = read_number(reader, 1);
    if (algorithm > PS_CHECKSUM_SHA256 ||
        !ps_checksum_can_combine((enum ps_checksum_algorithm)algorithm)) {
        return false;
    }
    point->mark.before =
        ps_checksum_from_u64((enum ps_checksum_algorithm)algorithm, read_number(reader, 8));
    kind = read_number(reader, 1);
    unpack->packed_bytes = read_number(reader, 8);
    unpack->unpacked_bytes = read_number(reader, 8);
    unpack->bit_count = (uint8_t)read_number(reader, 1);
    unpack->bits = (uint8_t)read_number(reader, 1);
    unpack->crc32 = (uint32_t)read_number(reader, 4);
    unpack->member_bytes = (uint32_t)read_number(reader, 4);
    unpack->window_size_bytes = (uint16_t)read_number(reader, 2);
    if (unpack->window_size_bytes > PS_UNPACK_WINDOW_BYTES || kind > PS_UNPACK_ZSTD) {
        return false;
    }
    unpack->kind = (enum ps_unpack_kind)kind;
    window = read_bytes(reader, unpack->window_size_bytes);
    if (window != NULL) {
        memcpy(unpack->window, window, unpack->window_size_bytes);
    }
    return unpack->packed_bytes >= point->mark.offset_bytes &&
           point->next_bytes >= unpack->unpacked_bytes;
}

bool ps_extract_point_decode(const void *data, size_t size_bytes,
                             struct ps_extract_point *point_out)
{
    struct reader reader = { data, size_bytes, false };

    memset(point_out, 0, sizeof(*point_out));
    if (read_number(&reader, 1) != VERSION) {
        return false;
    }
    point_out->identity = read_number(&reader, 8);
    point_out->entry_count = read_number(&reader, 8);
    point_out->file_count = read_number(&reader, 8);
    point_out->written_bytes = read_number(&reader, 8);
    point_out->seen_key = read_number(&reader, 8);
    point_out->restartable = read_number(&reader, 1) != 0;
    if (point_out->restartable && !decode_restart(&reader, point_out)) {
        return false;
    }
    return !reader.failed && reader.left_bytes == 0;
}

/* --- pieces: u32 count and the slots; then, to the end, directories --- */

enum ps_code ps_extract_piece_begin(struct ps_buf *piece, const struct ps_buf *slots,
                                    struct ps_err *err)
{
    enum ps_code code = PS_OK;

    append_number(piece, slots->size_bytes / 8, 4, &code, err);
    return code == PS_OK ? ps_buf_append(piece, ps_buf_peek(slots), slots->size_bytes, err) : code;
}

enum ps_code ps_extract_piece_add(struct ps_buf *piece, const char *path,
                                  const struct ps_dest_attributes *attributes, struct ps_err *err)
{
    size_t length = strlen(path) + 1;
    enum ps_code code = PS_OK;

    append_number(piece, (uint64_t)(int64_t)attributes->mode, 4, &code, err);
    append_number(piece, (uint64_t)attributes->mtime_ns, 8, &code, err);
    append_number(piece, attributes->owned ? 1 : 0, 1, &code, err);
    append_number(piece, attributes->uid, 4, &code, err);
    append_number(piece, attributes->gid, 4, &code, err);
    append_number(piece, length, 2, &code, err);
    return code == PS_OK ? ps_buf_append(piece, path, length, err) : code;
}

static enum ps_code damaged(struct ps_err *err)
{
    return ps_err_set(err, PS_E_PARSE, "the checkpoint of the extraction is damaged");
}

enum ps_code ps_extract_piece_read(
    const void *data, size_t size_bytes,
    enum ps_code (*slot)(void *user, uint64_t slot, struct ps_err *err),
    enum ps_code (*directory)(void *user, const char *path,
                              const struct ps_dest_attributes *attributes, struct ps_err *err),
    void *user, struct ps_err *err)
{
    struct reader reader = { data, size_bytes, false };
    enum ps_code code = PS_OK;

    for (uint64_t left = read_number(&reader, 4); left > 0 && code == PS_OK; left--) {
        uint64_t value = 0;
        const uint8_t *bytes = read_bytes(&reader, sizeof(value));

        if (bytes == NULL) {
            return damaged(err);
        }
        memcpy(&value, bytes, sizeof(value));
        code = slot(user, value, err);
    }
    while (code == PS_OK && reader.left_bytes > 0 && !reader.failed) {
        struct ps_dest_attributes attributes = { .mode = (int32_t)read_number(&reader, 4) };
        size_t length;
        const char *path;

        attributes.mtime_ns = (int64_t)read_number(&reader, 8);
        attributes.owned = read_number(&reader, 1) != 0;
        attributes.uid = (uint32_t)read_number(&reader, 4);
        attributes.gid = (uint32_t)read_number(&reader, 4);
        length = (size_t)read_number(&reader, 2);
        path = (const char *)read_bytes(&reader, length);
        if (path == NULL || length == 0 || length > PATH_MAX || path[length - 1] != '\0') {
            return damaged(err);
        }
        code = directory(user, path, &attributes, err);
    }
    return code == PS_OK && reader.failed ? damaged(err) : code;
}
