/**
 * s3_checksum - checksums as S3 carries them: header names, what an answer confirms, and stores that take none.
 *
 * Flow:    s3_put.c, s3_multipart.c, s3_delete.c, s3_head.c -> [s3_checksum] -> hash/checksum.h
 * Thread:  the loop thread
 * Source:  S3 "Checking object integrity": x-amz-checksum-*, x-amz-checksum-type; RFC 1864 (Content-MD5)
 */
#ifndef PS_STORE_S3_CHECKSUM_H
#define PS_STORE_S3_CHECKSUM_H

#include "store/s3_internal.h"

/** "CRC64NVME", as in x-amz-checksum-algorithm and <ChecksumCRC64NVME>; NULL where S3 has no such checksum. Static. */
const char *ps_s3_checksum_wire_name(enum ps_checksum_algorithm algorithm);

/** "x-amz-checksum-crc64nvme"; NULL where S3 has no such header. Static. */
const char *ps_s3_checksum_header(enum ps_checksum_algorithm algorithm);

/** The value that an answer carries for algorithm, as text; NULL = none. Borrowed of answer. */
const char *ps_s3_checksum_answered(const struct ps_http_answer *answer,
                                    enum ps_checksum_algorithm algorithm);

/** True when a store of the dialect may take algorithm: what ps_s3_checksum_is_taken starts from. */
bool ps_s3_checksum_is_known(const struct ps_s3_dialect *dialect,
                             enum ps_checksum_algorithm algorithm);

/** Add the header that proves sum: x-amz-checksum-* or content-md5; nothing for NONE. Errors as ps_s3_pairs_add. */
PS_MUST_USE enum ps_code ps_s3_checksum_add(struct ps_s3_pairs *headers,
                                            const struct ps_checksum *sum, struct ps_err *err);

/** Add the header that proves text by algorithm. Errors as ps_s3_checksum_add. */
PS_MUST_USE enum ps_code ps_s3_checksum_add_of(struct ps_s3_pairs *headers,
                                               enum ps_checksum_algorithm algorithm,
                                               const struct ps_buf *text, struct ps_err *err);

/**
 * Compare what the answer to a write says with sum.
 *
 * *confirmed_out is true when the answer carried the same value. Without a value the store is marked as one that does
 * not confirm, with a warning the first time. An MD5 (sent as Content-MD5) is never answered as such: it counts as
 * confirmed when the ETag is that MD5, or where the vendor (AWS, Aliyun) documents that it is checked.
 * Errors:  PS_E_CORRUPT, retry RESEND_PART, when the value differs.
 */
PS_MUST_USE enum ps_code ps_s3_checksum_confirm(struct ps_s3_store *store,
                                                const struct ps_http_answer *answer,
                                                const struct ps_checksum *sum, bool *confirmed_out,
                                                struct ps_err *err);

/**
 * True when the outcome is a refusal of the checksum header itself (auto only, never AWS): the store's capabilities
 * are MD5 only from then on, and the request is to be sent again without it.
 */
PS_MUST_USE bool ps_s3_checksum_refused(struct ps_s3_store *store, enum ps_checksum_algorithm sent,
                                        const struct ps_s3_outcome *outcome);

/** True when the store still takes algorithm, or it needs nothing from the store. */
bool ps_s3_checksum_is_taken(const struct ps_s3_store *store, enum ps_checksum_algorithm algorithm);

/** The algorithm of "CRC64NVME" and its like (any case); PS_CHECKSUM_NONE for another. */
enum ps_checksum_algorithm ps_s3_checksum_parse_wire_name(const char *name);

#endif
