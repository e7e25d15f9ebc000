#include "store/file_internal.h"

#include "base/str.h"
#include "hash/crc64_nvme.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One record: version, algorithm, part_number, offset, size, checksum, and a CRC of all before it; little-endian. */
enum {
    RECORD_SIZE = 1 + 1 + 4 + 8 + 8 + PS_CHECKSUM_SIZE_MAX + 8,
    RECORD_VERSION = 1,
    PART_NUMBER_MAX = 10000,
};

static unsigned char *put_number(unsigned char *at, uint64_t value, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        *at++ = (unsigned char)(value >> (8 * i));
    }
    return at;
}

static uint64_t get_number(const unsigned char **at, size_t size_bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size_bytes; i++) {
        value |= (uint64_t) * (*at)++ << (8 * i);
    }
    return value;
}

static void encode(const struct file_note *note, unsigned char record[RECORD_SIZE])
{
    unsigned char *at = record;

    *at++ = RECORD_VERSION;
    *at++ = (unsigned char)note->checksum.algorithm;
    at = put_number(at, note->part_number, 4);
    at = put_number(at, note->offset_bytes, 8);
    at = put_number(at, note->size_bytes, 8);
    memcpy(at, note->checksum.bytes, PS_CHECKSUM_SIZE_MAX);
    at += PS_CHECKSUM_SIZE_MAX;
    (void)put_number(at, ps_crc64_nvme(0, record, RECORD_SIZE - 8), 8);
}

static bool decode(const unsigned char record[RECORD_SIZE], struct file_note *note)
{
    const unsigned char *at = record + 2;
    const unsigned char *crc = record + RECORD_SIZE - 8;

    if (record[0] != RECORD_VERSION || record[1] > PS_CHECKSUM_SHA256 ||
        get_number(&crc, 8) != ps_crc64_nvme(0, record, RECORD_SIZE - 8)) {
        return false;
    }
    memset(note, 0, sizeof(*note));
    note->checksum.algorithm = (enum ps_checksum_algorithm)record[1];
    note->part_number = (uint32_t)get_number(&at, 4);
    note->offset_bytes = get_number(&at, 8);
    note->size_bytes = get_number(&at, 8);
    memcpy(note->checksum.bytes, at, PS_CHECKSUM_SIZE_MAX);
    return true;
}

enum ps_code file_notes_append(const struct file_store *store, const char *upload_id,
                               const struct file_note *note, struct ps_err *err)
{
    unsigned char record[RECORD_SIZE];
    char *path = file_upload_path(store, upload_id, "parts");
    enum ps_code code = PS_OK;
    int fd;

    if (path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", upload_id);
    }
    encode(note, record);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        code = errno == ENOENT ? ps_err_set(err, PS_E_NO_UPLOAD, "NoSuchUpload: %s", upload_id)
                               : ps_err_set_errno(err, errno, "%s", path);
    } else if (write(fd, record, sizeof(record)) != (ssize_t)sizeof(record) || fdatasync(fd) != 0) {
        code = ps_err_set_errno(err, errno != 0 ? errno : ENOSPC, "%s", path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(path);
    return code;
}

static int by_part_number(const void *left, const void *right)
{
    const struct file_note *a = left;
    const struct file_note *b = right;

    return a->part_number < b->part_number ? -1 : a->part_number > b->part_number;
}

/* A part that was sent twice has two notes: the later one counts. */
static size_t keep_last(struct file_note *notes, size_t count)
{
    bool seen[PART_NUMBER_MAX + 1] = { false };
    size_t first = count;

    for (size_t i = count; i > 0; i--) {
        uint32_t part_number = notes[i - 1].part_number;

        if (part_number <= PART_NUMBER_MAX && !seen[part_number]) {
            seen[part_number] = true;
            notes[--first] = notes[i - 1];
        }
    }
    memmove(notes, notes + first, (count - first) * sizeof(*notes));
    return count - first;
}

static size_t decode_all(const struct ps_buf *text, struct file_note *notes)
{
    size_t count = 0;

    for (size_t at = 0; at + RECORD_SIZE <= text->size_bytes;) {
        if (decode((const unsigned char *)text->data + at, &notes[count])) {
            count++;
            at += RECORD_SIZE;
        } else {
            at++; /* a torn record before this one: find the next whole one */
        }
    }
    return count;
}

enum ps_code file_notes_read(const struct file_store *store, const char *upload_id,
                             struct file_note **notes_out, size_t *count_out, struct ps_err *err)
{
    char *path = file_upload_path(store, upload_id, "parts");
    struct file_note *notes = NULL;
    struct ps_buf text;
    enum ps_code code;

    ps_buf_init(&text, 0);
    code = path != NULL ? file_read_small(path, &text, err)
                        : ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", upload_id);
    if (code == PS_E_NOT_FOUND) {
        code = ps_err_set(err, PS_E_NO_UPLOAD, "NoSuchUpload: %s", upload_id);
    }
    if (code == PS_OK) {
        notes = calloc(text.size_bytes / RECORD_SIZE + 1, sizeof(*notes));
        code =
            notes != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", upload_id);
    }
    if (code == PS_OK) {
        *count_out = keep_last(notes, decode_all(&text, notes));
        qsort(notes, *count_out, sizeof(*notes), by_part_number);
        *notes_out = notes;
    }
    ps_buf_clear(&text);
    free(path);
    return code;
}

const char *file_part_etag(const struct file_note *note, char *text)
{
    char hex[2 * PS_CHECKSUM_SIZE_MAX + 1];

    (void)snprintf(text, 96, "\"%s\"", ps_checksum_to_hex(&note->checksum, hex));
    return text;
}
