/**
 * record - values of the state database as bytes: versioned, little-endian, length-checked on read.
 *
 * Flow:    checkpoint.h -> [record] -> LMDB values
 * Thread:  any; holds no state
 * Source:  README.md of this folder
 */
#ifndef PS_STATE_RECORD_H
#define PS_STATE_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "state/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** First byte of every value. A value of a later version is refused, never guessed at. */
#define PS_RECORD_VERSION 1

/** Append the value of *record to buf. Errors: PS_E_NO_MEMORY; PS_E_TOO_LARGE for text of 65,535 bytes and more. */
PS_MUST_USE enum ps_code ps_upload_record_encode(const struct ps_upload_record *record,
                                                 struct ps_buf *buf, struct ps_err *err);

/**
 * Fill *record_out (all text on the heap, ps_upload_record_clear frees it) from a value.
 *
 * Errors:  PS_E_PARSE for a later version, a short value, bytes left over, an unknown phase or kind; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_upload_record_decode(const void *value, size_t size_bytes,
                                                 struct ps_upload_record *record_out,
                                                 struct ps_err *err);

/** The same for parts (the part_number is in the key), downloads and ranges (the range_index is in the key). */
PS_MUST_USE enum ps_code ps_part_record_encode(const struct ps_part_record *record,
                                               struct ps_buf *buf, struct ps_err *err);
PS_MUST_USE enum ps_code ps_part_record_decode(const void *value, size_t size_bytes,
                                               struct ps_part_record *record_out,
                                               struct ps_err *err);
PS_MUST_USE enum ps_code ps_download_record_encode(const struct ps_download_record *record,
                                                   struct ps_buf *buf, struct ps_err *err);
PS_MUST_USE enum ps_code ps_download_record_decode(const void *value, size_t size_bytes,
                                                   struct ps_download_record *record_out,
                                                   struct ps_err *err);
PS_MUST_USE enum ps_code ps_range_record_encode(const struct ps_range_record *record,
                                                struct ps_buf *buf, struct ps_err *err);
PS_MUST_USE enum ps_code ps_range_record_decode(const void *value, size_t size_bytes,
                                                struct ps_range_record *record_out,
                                                struct ps_err *err);

/** A sequence's last number. Errors as above. */
PS_MUST_USE enum ps_code ps_number_record_encode(uint64_t number, struct ps_buf *buf,
                                                 struct ps_err *err);
PS_MUST_USE enum ps_code ps_number_record_decode(const void *value, size_t size_bytes,
                                                 uint64_t *number_out, struct ps_err *err);

/** Whether the upload or download that value holds is that of text, its URL or path. Errors: PS_E_PARSE. */
PS_MUST_USE enum ps_code ps_record_is_of(const void *value, size_t size_bytes, const char *text,
                                         bool *same_out, struct ps_err *err);

#endif
