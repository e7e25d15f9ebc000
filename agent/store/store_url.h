/**
 * store_url - s3://bucket/key and file:///dir/key taken apart.
 *
 * Flow:    cli/, settings -> [store_url] -> store_open.h
 * Thread:  any; holds no state
 * Source:  RFC 8089 (file), the s3:// form of the AWS CLI: everything after the bucket is the key, byte for byte
 */
#ifndef PS_STORE_STORE_URL_H
#define PS_STORE_STORE_URL_H

#include "base/err.h"

struct ps_store_url {
    char scheme[16]; /* "s3", "oss", "file" */
    char *bucket;    /* "" for file */
    char *
        key; /* without a leading '/'; for file the absolute path without its first '/'; may be "" */
};

/**
 * Parse url. A file URL has an empty host or "localhost"; "file:relative" and "//" paths are refused; keys are not
 * percent-decoded (s3 and oss keys are bytes; a file URL names the path as it is, so that "a%20b" is a file "a%20b").
 * A file path may not hold "..", "." or empty components, nor a component ".purser".
 *
 * Errors:  PS_E_INVALID with what to write instead. *url_out is untouched then.
 */
PS_MUST_USE enum ps_code ps_store_url_parse(const char *url, struct ps_store_url *url_out,
                                            struct ps_err *err);

void ps_store_url_clear(struct ps_store_url *url);

#endif
