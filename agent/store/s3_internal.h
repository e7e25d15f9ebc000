/**
 * s3_internal - what the files s3_*.c share: the store, an operation, and the entries of the table.
 *
 * Flow:    s3_store.c <-> [s3_internal] <-> s3_call, s3_put, s3_get, s3_multipart, s3_list, s3_delete
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_STORE_S3_INTERNAL_H
#define PS_STORE_S3_INTERNAL_H

#include "store/oss_endpoint.h"
#include "store/s3_call.h"
#include "store/s3_dialect.h"
#include "store/s3_kind.h"
#include "store/s3_store.h"

#define PS_S3_REGION_SIZE 64

/** S3: "Object key name ... at most 1,024 bytes long". */
#define PS_S3_KEY_MAX_BYTES 1024

struct ps_s3_store {
    struct ps_store base;
    const struct ps_s3_dialect *dialect;
    uv_loop_t *loop;
    struct ps_http_client *http;
    struct ps_creds_chain *creds;
    struct ps_retrier *retry;
    const struct ps_clock *clock;
    const struct ps_log *log;
    char *bucket;
    char *scheme;    /* "https" */
    char *host;      /* "host[:port]" of the endpoint, without the bucket; NULL = by the region */
    char *base_path; /* "" or "/path" */
    bool is_aws;
    const struct ps_s3_kind *kind;
    struct ps_s3_extras extras;
    bool path_style;
    bool checksum_is_auto;
    bool checksum_unconfirmed; /* the warning was written */
    bool sign_payload;
    bool continue_is_ignored; /* no 100 Continue came: bodies go out at once */
    char *ca_bundle;
    uint32_t connect_timeout_ms;
    uint32_t stall_timeout_ms;
    enum ps_oss_network oss_network; /* of region_host, OSS only */
    char region[PS_S3_REGION_SIZE];  /* corrected by answers */
    struct ps_sign_v4_key sign_key;
    char lifecycle_minimum[64]; /* header beside the lifecycle rules as they were got; "" = none */
    int64_t clock_offset_ms;    /* server minus local time; for signing only */
};

/** First member of every operation of this store. */
struct ps_s3_op {
    struct ps_store_op base;
    struct ps_s3_store *store;
    char *key;               /* NULL where the operation has none */
    struct ps_s3_call *call; /* the request under way; NULL = none */
    /** Free what this kind of operation holds, not the op itself. May be NULL. */
    void (*clear)(struct ps_s3_op *op);
    /** The caller said wake and no call is under way. May be NULL. */
    void (*wake)(struct ps_s3_op *op);
    bool in_callback; /* a function of the user's is on the stack */
    bool cancelled;   /* from within it: freed when it has returned */
};

/**
 * Allocate an operation of size_bytes (its first member is a struct ps_s3_op) with a copy of key (NULL = none).
 *
 * NULL: PS_E_INVALID for a key that is empty or too long, PS_E_NO_MEMORY.
 */
void *ps_s3_op_new(struct ps_store *store, size_t size_bytes, const char *key, struct ps_err *err);

/** Cancel its call and free it. NULL is allowed. */
void ps_s3_op_free(struct ps_s3_op *op);

/** Around a call of the user's function. leave is false when the user has cancelled: op is gone then. */
void ps_s3_op_enter(struct ps_s3_op *op);
PS_MUST_USE bool ps_s3_op_leave(struct ps_s3_op *op);

/** After the last call of the user's function: free op, also when the user has cancelled it from within. */
void ps_s3_op_end(struct ps_s3_op *op);

/** What the starting functions end with: op itself when code is PS_OK, else it is freed and NULL returned. */
struct ps_store_op *ps_s3_op_started(struct ps_s3_op *op, enum ps_code code);

/* The table, one function an operation; contracts in store.h. */
struct ps_store_op *ps_s3_put(struct ps_store *store, const struct ps_put_request *request,
                              ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_put_part(struct ps_store *store, const struct ps_part_request *request,
                                   ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_begin_multipart(struct ps_store *store,
                                          const struct ps_begin_request *request,
                                          ps_store_begin_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_list_parts(struct ps_store *store, const char *key, const char *upload_id,
                                     ps_store_parts_fn page, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_list_uploads(struct ps_store *store, const char *prefix,
                                       ps_store_uploads_fn page, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_complete(struct ps_store *store,
                                   const struct ps_complete_request *request, ps_store_put_fn done,
                                   void *user, struct ps_err *err);
struct ps_store_op *ps_s3_abort(struct ps_store *store, const char *key, const char *upload_id,
                                ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_get(struct ps_store *store, const struct ps_get_request *request,
                              ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_head(struct ps_store *store, const char *key, ps_store_head_fn done,
                               void *user, struct ps_err *err);
struct ps_store_op *ps_s3_list(struct ps_store *store, const struct ps_list_request *request,
                               ps_store_list_fn page, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_copy(struct ps_store *store, const struct ps_copy_request *request,
                               ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_presign(struct ps_store *store, const struct ps_presign_request *request,
                                  ps_store_text_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_restore(struct ps_store *store, const struct ps_restore_request *request,
                                  ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_get_tags(struct ps_store *store, const char *key, ps_store_tags_fn done,
                                   void *user, struct ps_err *err);
struct ps_store_op *ps_s3_put_tags(struct ps_store *store, const struct ps_tags_request *request,
                                   ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_get_lifecycle(struct ps_store *store, ps_store_text_fn done, void *user,
                                        struct ps_err *err);
struct ps_store_op *ps_s3_put_lifecycle(struct ps_store *store, const char *xml, size_t size_bytes,
                                        ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_s3_delete_batch(struct ps_store *store, const char *const *keys,
                                       size_t count, ps_store_delete_fn done, void *user,
                                       struct ps_err *err);

#endif
