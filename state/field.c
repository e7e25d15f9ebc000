#include "state/field.h"

#include "base/encode.h"
#include "state/record.h"

#include <string.h>

struct ps_field_writer ps_field_writer_begin(struct ps_buf *buf, struct ps_err *err)
{
    struct ps_field_writer writer = { buf, err, PS_OK };

    ps_field_write_number(&writer, PS_RECORD_VERSION, 1);
    return writer;
}

void ps_field_write_bytes(struct ps_field_writer *writer, const void *data, size_t size_bytes)
{
    if (writer->code == PS_OK) {
        writer->code = ps_buf_append(writer->buf, data, size_bytes, writer->err);
    }
}

void ps_field_write_number(struct ps_field_writer *writer, uint64_t value, size_t size_bytes)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    ps_field_write_bytes(writer, bytes, size_bytes);
}

void ps_field_write_text(struct ps_field_writer *writer, const char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;

    if (writer->code == PS_OK && length >= 0xffff) {
        writer->code =
            ps_err_set(writer->err, PS_E_TOO_LARGE, "text of %zu bytes in a state record", length);
    }
    ps_field_write_number(writer, length, 2);
    ps_field_write_bytes(writer, text != NULL ? text : "", length + 1);
}

void ps_field_write_time(struct ps_field_writer *writer, int64_t unix_s)
{
    int64_t time = unix_s < 0 ? 0 : unix_s;

    ps_field_write_number(writer, (uint64_t)(time < PS_FIELD_TIME_MAX ? time : PS_FIELD_TIME_MAX),
                          5);
}

static unsigned hex_value(char digit)
{
    return digit >= '0' && digit <= '9'   ? (unsigned)(digit - '0')
           : digit >= 'a' && digit <= 'f' ? (unsigned)(digit - 'a') + 10
                                          : 16;
}

void ps_field_write_digest(struct ps_field_writer *writer, const char *hex)
{
    uint8_t bytes[8] = { 0 };

    for (size_t i = 0; hex != NULL && strlen(hex) == 16 && i < 16; i++) {
        bytes[i / 2] = (uint8_t)((unsigned)bytes[i / 2] << 4 | (hex_value(hex[i]) & 15U));
    }
    ps_field_write_bytes(writer, bytes, sizeof(bytes));
}

enum ps_code ps_field_reader_begin(struct ps_field_reader *reader, const void *value,
                                   size_t size_bytes, struct ps_err *err)
{
    uint64_t version;

    *reader = (struct ps_field_reader){ .at = value, .left_bytes = size_bytes };
    version = ps_field_read_number(reader, 1);
    if (!reader->failed && version != PS_RECORD_VERSION) {
        return ps_err_set(err, PS_E_PARSE,
                          "a record of version %u in the state database; this purser reads %u",
                          (unsigned)version, PS_RECORD_VERSION);
    }
    return PS_OK;
}

const void *ps_field_read_bytes(struct ps_field_reader *reader, size_t size_bytes)
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

uint64_t ps_field_read_number(struct ps_field_reader *reader, size_t size_bytes)
{
    const unsigned char *bytes = ps_field_read_bytes(reader, size_bytes);
    uint64_t value = 0;

    for (size_t i = 0; bytes != NULL && i < size_bytes; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

int64_t ps_field_read_time(struct ps_field_reader *reader)
{
    return (int64_t)ps_field_read_number(reader, 5);
}

void ps_field_read_digest(struct ps_field_reader *reader, char *text)
{
    static const uint8_t none[8];
    const void *bytes = ps_field_read_bytes(reader, sizeof(none));

    if (bytes == NULL || memcmp(bytes, none, sizeof(none)) == 0) {
        text[0] = '\0';
    } else {
        (void)ps_hex_encode(bytes, sizeof(none), text);
    }
}

const char *ps_field_read_text(struct ps_field_reader *reader)
{
    size_t length = (size_t)ps_field_read_number(reader, 2);
    const char *text = ps_field_read_bytes(reader, length + 1);

    /* The NUL must be where the length says, and nowhere before. */
    if (text == NULL || strnlen(text, length + 1) != length) {
        reader->failed = true;
        return "";
    }
    return text;
}

enum ps_code ps_field_reader_end(const struct ps_field_reader *reader, const char *what,
                                 struct ps_err *err)
{
    if (reader->failed || reader->left_bytes != 0) {
        return ps_err_set(err, PS_E_PARSE, "a damaged %s record in the state database", what);
    }
    return PS_OK;
}
