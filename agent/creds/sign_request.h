/**
 * sign_request - one request as every signature of purser takes it: AWS V4, OSS V4 and OSS V1.
 *
 * Flow:    store/s3_request.c, creds_sts.c -> [sign_request] -> sign_v4.h, store/sign_oss4.h, store/sign_oss1.h
 * Thread:  any; a struct without functions
 * Source:  what AWS Signature Version 4 and Aliyun's signatures are made of
 */
#ifndef PS_CREDS_SIGN_REQUEST_H
#define PS_CREDS_SIGN_REQUEST_H

#include <stddef.h>
#include <stdint.h>

struct ps_sign_pair {
    const char *name;
    const char *value;
};

/** All borrowed for the call; what a signature does not look at may be left out. */
struct ps_sign_request {
    const char *method; /* "PUT" */
    const char *path;   /* AWS: as sent, encoded already: "/bucket/a%20b"; "" counts as "/" */
    const char *bucket; /* OSS: NULL = the service itself */
    const char *key;    /* OSS: not encoded; NULL = the bucket */
    const struct ps_sign_pair *query; /* decoded, any order; value NULL = "" */
    size_t query_count;
    /** AWS: when query_count is 0: encoded and sorted already; NULL = none. */
    const char *canonical_query;
    /** AWS: those to be signed, in any order and any case; the values of a name that repeats are joined. OSS: all that
     * are sent, names in lower case. */
    const struct ps_sign_pair *headers;
    size_t header_count;
    const char *additional;   /* OSS V4: further headers to sign, "abc;zabc", sorted; NULL = none */
    const char *payload_hash; /* AWS: the value of x-amz-content-sha256; NULL = UNSIGNED-PAYLOAD */
    int64_t unix_ms;          /* V4: the time of x-amz-date or x-oss-date, by the server's clock */
    const char *region;       /* V4; OSS: "cn-hangzhou", or the ID of a CloudBox */
    const char *service;      /* V4: NULL = "s3", "oss"; OSS: "oss-cloudbox" */
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* when presigning: NULL or "" = none; else it is a header */
};

#endif
