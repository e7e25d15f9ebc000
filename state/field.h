/**
 * field - fields of a value, written and read one after the other; text that was read is borrowed from the value.
 *
 * Flow:    artifact_value.c, reclaim_value.c, decision_log.c -> [field] -> LMDB values
 * Thread:  any; holds no state
 * Source:  README.md of this folder: text here has a NUL behind it, so that a reader needs no copy
 */
#ifndef PS_STATE_FIELD_H
#define PS_STATE_FIELD_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Appends to buf until one fails; then code and err say why, and the others do nothing. */
struct ps_field_writer {
    struct ps_buf *buf;
    struct ps_err *err;
    enum ps_code code;
};

/** Begin a value: its version byte. */
struct ps_field_writer ps_field_writer_begin(struct ps_buf *buf, struct ps_err *err);
void ps_field_write_number(struct ps_field_writer *writer, uint64_t value, size_t size_bytes);
/** NULL is written as "". PS_E_TOO_LARGE from 65,535 bytes on. */
void ps_field_write_text(struct ps_field_writer *writer, const char *text);
void ps_field_write_bytes(struct ps_field_writer *writer, const void *data, size_t size_bytes);

/** Seconds since 1970 in 5 bytes: until the year 36812, which stands for never. Below 0 is written as 0. */
#define PS_FIELD_TIME_MAX (((int64_t)1 << 40) - 1)
void ps_field_write_time(struct ps_field_writer *writer, int64_t unix_s);
/** 16 hex digits in 8 bytes; what is none, as "" is, is written as zeros. */
void ps_field_write_digest(struct ps_field_writer *writer, const char *hex);

/** Reads from front to back. Once failed, all further reads give 0 and "". */
struct ps_field_reader {
    const unsigned char *at;
    size_t left_bytes;
    bool failed;
};

/** Errors: PS_E_PARSE for another version. */
PS_MUST_USE enum ps_code ps_field_reader_begin(struct ps_field_reader *reader, const void *value,
                                               size_t size_bytes, struct ps_err *err);
uint64_t ps_field_read_number(struct ps_field_reader *reader, size_t size_bytes);
int64_t ps_field_read_time(struct ps_field_reader *reader);
/** Zeros are "". text holds 17 bytes. */
void ps_field_read_digest(struct ps_field_reader *reader, char *text);
/** Never NULL; borrowed from the value. */
const char *ps_field_read_text(struct ps_field_reader *reader);
/** NULL when there are not so many. */
const void *ps_field_read_bytes(struct ps_field_reader *reader, size_t size_bytes);
/** Errors: PS_E_PARSE when a read failed or bytes are left over. */
PS_MUST_USE enum ps_code ps_field_reader_end(const struct ps_field_reader *reader, const char *what,
                                             struct ps_err *err);

#endif
