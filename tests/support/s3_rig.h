/**
 * s3_rig - an s3:// store before a scripted server, and callbacks that write down what they are given.
 *
 * Flow:    tests -> [s3_rig] -> store/s3_store.h, http_server.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TESTS_SUPPORT_S3_RIG_H
#define PS_TESTS_SUPPORT_S3_RIG_H

#include "creds/creds.h"
#include "store/s3_store.h"
#include "tests/support/http_server.h"

#include <stdbool.h>

/* 2026-01-02T03:04:05Z, the Date of the answers in tests/vectors/http. */
#define SERVER_UNIX_MS 1767323045000

/* The published CRC-64/NVME check value of "123456789". */
#define DIGITS "123456789"
#define DIGITS_CRC "rosUhgp5mIg="
/* "a" x 5 MiB, "b" x 1 MiB and both: published multipart vector. */
#define PART_1_CRC "PbvLEkWUSgg="
#define PART_2_CRC "2rj+Wt6pcEQ="
#define WHOLE_CRC "f2FxstrKPf0="

struct seen {
    unsigned calls;
    unsigned infos;
    bool ended;
    struct ps_err err; /* code PS_OK = success */
    char text[4096];   /* what the callback was given, line by line */
    char body[256];
    size_t body_size;
    struct ps_store_op *cancel_in_page;
};

struct rig {
    uv_loop_t loop;
    struct http_server *server;
    struct ps_http_client *http;
    struct ps_creds_chain *creds;
    struct ps_retrier retry;
    struct ps_clock clock;
    struct ps_store *store;
    int64_t unix_ms;
    const char *token; /* AWS_SESSION_TOKEN */
    struct seen seen;
};

/* Open zeroes but what the test has set before: rig must be zeroed for open_with. Close also checks for handles left open. */
void s3_rig_open_with(struct rig *rig, struct ps_s3_options options);
void s3_rig_open(struct rig *rig);
void s3_rig_close(struct rig *rig);
/** Run the loop until the operation has ended. */
void s3_rig_wait(struct rig *rig);
/* Checks; index counts requests from 0. check_requests: so many came, and the script is used up. */
void s3_rig_check_code(const struct rig *rig, enum ps_code code);
void s3_rig_check_requests(const struct rig *rig, size_t count);
void s3_rig_check_header(const struct rig *rig, size_t index, const char *name, const char *value);
bool s3_rig_header_has(const struct rig *rig, size_t index, const char *name, const char *part);
/* Callbacks; user is &rig->seen. */
void s3_rig_on_put(void *user, const char *etag, const struct ps_checksum *checksum,
                   const struct ps_err *err);
void s3_rig_on_begin(void *user, const char *upload_id, const struct ps_err *err);
void s3_rig_on_done(void *user, const struct ps_err *err);
void s3_rig_on_parts(void *user, const struct ps_part_info *parts, size_t count, bool more,
                     const struct ps_err *err);
void s3_rig_on_uploads(void *user, const struct ps_upload_info *uploads, size_t count, bool more,
                       const struct ps_err *err);
void s3_rig_on_list(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err);
void s3_rig_on_head(void *user, const struct ps_object_info *info, const struct ps_err *err);
void s3_rig_on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err);
/* A body of "123456789", and a sink and on_info that note what they get. */
ssize_t s3_rig_read_digits(void *user, uint64_t offset, void *into, size_t size);
enum ps_push s3_rig_write_body(void *user, const void *data, size_t size_bytes);
void s3_rig_on_info(void *user, const struct ps_object_info *info);
/** A CRC64NVME from base64. */
struct ps_checksum s3_rig_crc(const char *base64);
/* Operations on the key "a/b": seen is zeroed, the request sent, and the end awaited (but for start_put). */
struct ps_put_request s3_rig_digits_request(void);
struct ps_store_op *s3_rig_start_put(struct rig *rig);
void s3_rig_put(struct rig *rig);
void s3_rig_complete(struct rig *rig);
struct ps_get_request s3_rig_get_request(struct rig *rig);
void s3_rig_get(struct rig *rig, const struct ps_get_request *request);
void s3_rig_list(struct rig *rig);
void s3_rig_begin(struct rig *rig);
void s3_rig_put_part(struct rig *rig, uint32_t part_number);

#endif
