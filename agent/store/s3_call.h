/**
 * s3_call - one signed request to S3 with its retries: sent until there is an answer that stands.
 *
 * Flow:    s3_put, s3_get, s3_multipart, s3_list, s3_delete -> [s3_call] -> s3_request.h, s3_error.h, http/
 * Thread:  the loop thread
 * Source:  AWS SDK standard retry mode; SigV4 (each attempt is signed anew)
 *
 * State machine of a call:
 * | from    | event                      | to      |
 * |---------|----------------------------|---------|
 * | WAITING | timer, store is throttled  | WAITING |
 * | WAITING | timer                      | CREDS   |
 * | CREDS   | credentials                | SENDING |
 * | CREDS   | none to be had             | (done)  |
 * | SENDING | failure, to be sent again  | WAITING |
 * | SENDING | answer or final failure    | (done)  |
 * Nothing is durable here: a process that dies loses its calls, and the store decides what took effect.
 */
#ifndef PS_STORE_S3_CALL_H
#define PS_STORE_S3_CALL_H

#include "http/http_client.h"
#include "store/s3_pairs.h"
#include "store/store.h"

struct ps_s3_call;
struct ps_s3_store;

/** How a call ended; borrowed for done. */
struct ps_s3_outcome {
    const struct ps_http_answer *answer; /* NULL when err is set and no answer came */
    const struct ps_err *err;            /* NULL = an answer 2xx that check accepted */
    uint32_t sent_count;                 /* attempts which reached the store, or may have */
    bool maybe_done; /* an attempt before, or this one, may have taken effect unseen */
};

/** What to send. operation, method are static; key is borrowed until the end; all else is copied or moved. */
struct ps_s3_call_options {
    const char *operation; /* "put_part" */
    const char *method;
    const char *key;                  /* NULL = the bucket */
    uint32_t part_number;             /* 0 = none; for messages and the policy */
    struct ps_s3_pairs query;         /* moved: empty after start, also on failure */
    struct ps_s3_pairs headers;       /* moved; names in lower case */
    struct ps_buf text;               /* moved: a small body that is kept; empty = none */
    const struct ps_body *data;       /* or a body that is pulled; NULL = none */
    const struct ps_checksum *sha256; /* of data; NULL or NONE = UNSIGNED-PAYLOAD */
    bool patient; /* the store works long before it answers: no stall timeout, 10 minutes in all */
    bool sink;    /* on_data gets the body of a 2xx answer */
    size_t receive_buffer_bytes; /* for on_data; 0 = http_client's choice */
    uint64_t wait_ms;            /* before the first attempt */

    /** Before each attempt but the first: change the headers (a range). May be NULL. */
    enum ps_code (*before_resend)(void *user, struct ps_s3_pairs *headers, struct ps_err *err);
    /** A 2xx answer begins. With sink only; a code other than PS_OK ends the call, unless err->retry allows more. */
    enum ps_code (*on_answer)(void *user, const struct ps_http_answer *answer, struct ps_err *err);
    enum ps_push (*on_data)(void *user, const void *data, size_t size_bytes);
    /** See struct ps_sink. May be NULL. */
    void (*on_flush)(void *user);
    /** Look at a whole 2xx answer: a failure with err->retry TRANSIENT is tried again. May be NULL. */
    enum ps_code (*check)(void *user, const struct ps_http_answer *answer, struct ps_err *err);
    /** The end, never from within start; the call is freed after it and must not be cancelled from there. */
    void (*done)(void *user, const struct ps_s3_outcome *outcome);
    void *user;
};

/**
 * Start. *call_out is valid until done is called or ps_s3_call_cancel.
 *
 * Errors:  PS_E_NO_MEMORY: nothing was started.
 */
PS_MUST_USE enum ps_code ps_s3_call_start(struct ps_s3_store *store,
                                          struct ps_s3_call_options *options,
                                          struct ps_s3_call **call_out, struct ps_err *err);

/** Body or sink can go on. */
void ps_s3_call_wake(struct ps_s3_call *call);

/** Bytes were delivered that will not be asked for again: the count of failures starts anew. */
void ps_s3_call_progress(struct ps_s3_call *call);

/** End it; done is not called. NULL is allowed. Allowed from all hooks but done. */
void ps_s3_call_cancel(struct ps_s3_call *call);

#endif
