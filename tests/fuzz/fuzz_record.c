/* record: the first byte says which record, the rest are its bytes. What is read must be written as the same bytes. */
#include "state/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

/* A bad value: says so, and leaves the outputs alone. */
static void check_refused(enum ps_code code, const struct ps_err *err)
{
    require(code == PS_E_PARSE && err->code == code && err->message[0] != '\0');
}

static void upload(const uint8_t *data, size_t size, struct ps_buf *buf, struct ps_err *err)
{
    struct ps_upload_record record = { .url = NULL };
    enum ps_code code = ps_upload_record_decode(data, size, &record, err);
    bool same = false;

    if (code == PS_OK) {
        require(ps_upload_record_encode(&record, buf, err) == PS_OK);
        require(ps_record_is_of(data, size, record.url, &same, err) == PS_OK && same);
    } else {
        check_refused(code, err);
        require(record.url == NULL);
    }
    ps_upload_record_clear(&record);
}

static void download(const uint8_t *data, size_t size, struct ps_buf *buf, struct ps_err *err)
{
    struct ps_download_record record = { .path = NULL };
    enum ps_code code = ps_download_record_decode(data, size, &record, err);
    bool same = false;

    if (code == PS_OK) {
        require(ps_download_record_encode(&record, buf, err) == PS_OK);
        require(ps_record_is_of(data, size, record.path, &same, err) == PS_OK && same);
    } else {
        check_refused(code, err);
        require(record.path == NULL);
    }
    ps_download_record_clear(&record);
}

static void part(const uint8_t *data, size_t size, struct ps_buf *buf, struct ps_err *err)
{
    struct ps_part_record record = { .part_number = 7 };
    enum ps_code code = ps_part_record_decode(data, size, &record, err);

    if (code == PS_OK) {
        require(ps_part_record_encode(&record, buf, err) == PS_OK);
    } else {
        check_refused(code, err);
    }
    require(record.part_number == 7);
}

static void range(const uint8_t *data, size_t size, struct ps_buf *buf, struct ps_err *err)
{
    struct ps_range_record record = { .range_index = 7 };
    enum ps_code code = ps_range_record_decode(data, size, &record, err);

    if (code == PS_OK) {
        require(ps_range_record_encode(&record, buf, err) == PS_OK);
    } else {
        check_refused(code, err);
    }
    require(record.range_index == 7);
}

static void number(const uint8_t *data, size_t size, struct ps_buf *buf, struct ps_err *err)
{
    uint64_t value = 7;
    enum ps_code code = ps_number_record_decode(data, size, &value, err);

    if (code == PS_OK) {
        require(ps_number_record_encode(value, buf, err) == PS_OK);
    } else {
        check_refused(code, err);
        require(value == 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const records[])(const uint8_t *data, size_t size, struct ps_buf *buf,
                                   struct ps_err *err) = { upload, part, download, range, number };
    struct ps_err err = { .code = PS_OK };
    struct ps_buf buf;

    if (size == 0) {
        return 0;
    }
    ps_buf_init(&buf, 0);
    records[data[0] % (sizeof(records) / sizeof(records[0]))](data + 1, size - 1, &buf, &err);
    if (buf.size_bytes != 0) {
        require(buf.size_bytes == size - 1 && memcmp(buf.data, data + 1, size - 1) == 0);
    }
    ps_buf_clear(&buf);
    return 0;
}
