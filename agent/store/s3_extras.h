/**
 * s3_extras - headers that a setting adds to many requests: encryption at the store, and who pays.
 *
 * Flow:    store_open.h -> s3_store.h -> [s3_extras] -> s3_call.c
 * Thread:  the loop thread
 * Source:  S3 "Protecting data with server-side encryption" (SSE-S3, SSE-KMS, DSSE-KMS, SSE-C), "Using Requester Pays
 *          buckets"; OSS x-oss-server-side-encryption (AES256, KMS), x-oss-request-payer
 */
#ifndef PS_STORE_S3_EXTRAS_H
#define PS_STORE_S3_EXTRAS_H

#include "store/s3_dialect.h"
#include "store/s3_pairs.h"

#include <stdbool.h>

/** A key of 32 bytes as base64, and its MD5, with their NULs. */
#define PS_S3_CUSTOMER_KEY_SIZE 45
#define PS_S3_CUSTOMER_MD5_SIZE 25

/** What a store is made with; borrowed for the call. NULL and "" = not set. */
struct ps_s3_extras_options {
    const char *encryption;          /* "AES256", "aws:kms", "aws:kms:dsse", "customer" */
    const char *encryption_key;      /* of KMS; NULL = the bucket's or the account's */
    const char *encryption_key_file; /* for "customer": 32 bytes, raw or as base64 */
    bool requester_pays;
};

/** Zeroed = none. Holds a secret. */
struct ps_s3_extras {
    char *encryption; /* as the dialect writes it; NULL = none, or a customer's key */
    char *kms_key;
    bool has_customer_key;
    char customer_key[PS_S3_CUSTOMER_KEY_SIZE];
    char customer_md5[PS_S3_CUSTOMER_MD5_SIZE];
    bool requester_pays;
};

/**
 * Check and take options. endpoint_is_safe: the key may be sent there: https, or this machine.
 *
 * Errors:  PS_E_INVALID for options that do not fit together, a key file that holds no key, or a key that would be sent
 *          in clear; PS_E_UNSUPPORTED where the dialect has no such thing; those of open(2); PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_s3_extras_init(struct ps_s3_extras *extras,
                                           const struct ps_s3_extras_options *options,
                                           const struct ps_s3_dialect *dialect,
                                           bool endpoint_is_safe, struct ps_err *err);

/** Wipe and free. Safe twice. */
void ps_s3_extras_clear(struct ps_s3_extras *extras);

/** Add what operation ("put_part") takes. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_s3_extras_add(const struct ps_s3_extras *extras,
                                          const struct ps_s3_dialect *dialect,
                                          const char *operation, struct ps_s3_pairs *headers,
                                          struct ps_err *err);

#endif
