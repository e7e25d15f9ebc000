/**
 * member_stream_internal - the struct behind member_stream.h, for member_stream*.c only.
 *
 * Flow:    member_stream.c (start, read, the end) -> member_stream_feed.c (the store into the thread's pipe)
 *          -> member_stream_thread.c (libarchive)
 * Thread:  the loop thread, but for what belongs to the thread
 * Source:  none
 */
#ifndef PS_TRANSFER_MEMBER_STREAM_INTERNAL_H
#define PS_TRANSFER_MEMBER_STREAM_INTERNAL_H

#include "transfer/member_stream.h"

#include <stdatomic.h>

/** What the store reads ahead. */
#define PS_MEMBER_STREAM_RECEIVE_BYTES ((size_t)64 * 1024)

struct ps_member_stream {
    uv_loop_t *loop;
    struct ps_store *store;
    char *key;
    char *etag;
    uint64_t size_bytes;
    bool (*reserve)(void *user, uint64_t size_bytes);
    void (*on_open)(void *user, const struct ps_member *member);
    void (*on_ready)(void *user);
    void *user;

    struct ps_store_op *op;
    uint64_t received_bytes;
    uint64_t range_size_bytes; /* of the range that was asked for last */
    uint64_t range_received_bytes;
    uint8_t first[4]; /* bytes of the archive: what it is packed by */
    size_t first_size_bytes;
    uint64_t reserved_bytes; /* by reserve */
    uint64_t asked_count;    /* requests of the thread that were answered */
    int feed_fd;             /* where bytes of the store go; -1 = none is open */
    uv_poll_t *feed_poll;    /* while a block waits for room in the pipe */
    char *block;             /* PS_MEMBER_STREAM_RECEIVE_BYTES */
    size_t block_used_bytes;
    size_t block_taken_bytes;
    bool received;      /* the whole range is in the block or the pipe */
    int descriptors_fd; /* where descriptors go to the thread */
    int out_fd;         /* what the thread made */
    uv_poll_t *out_poll;
    bool opened;
    bool ended; /* the thread has */
    struct ps_err store_err;
    struct ps_err err;
    uv_async_t *async;
    uv_thread_t thread;

    /* The thread's, but for what is atomic. */
    struct ps_extract_limits limits;
    char *member;
    enum ps_code (*format)(void *user, const struct ps_member *member, struct ps_buf *buf,
                           struct ps_err *err);
    void *format_user;
    int thread_descriptors_fd;
    int thread_in_fd;
    int thread_out_fd;
    struct ps_buf rows;
    struct ps_member found;
    bool has_found;
    enum ps_code thread_code;
    struct ps_err thread_err;
    atomic_uint_fast64_t wanted_offset_bytes;
    atomic_uint_fast64_t wanted_count;
    atomic_bool has_begun; /* a member was told of: a zip's directory is read */
    atomic_bool is_found;  /* found may be read */
    atomic_bool is_cut;    /* the loop's: what is in the pipe is not all that was asked for */
    atomic_bool has_ended;
    atomic_bool is_stopped;
};

/* member_stream.c */
/** *fd is -1 then, and may be so before. */
void ps_member_stream_close_fd(int *fd);
/** *poll is NULL then, and may be so before. It stops at once: its descriptor may be closed. */
void ps_member_stream_close_poll(uv_poll_t **poll);

/* member_stream_feed.c */
/** The thread waits for a descriptor: give it one. */
void ps_member_stream_answer_thread(struct ps_member_stream *stream);
/** No more bytes of the store. Not from within a call of the store. */
void ps_member_stream_stop_feed(struct ps_member_stream *stream);

/* member_stream_thread.c */
/** The thread; user is the stream. */
void ps_member_stream_run_thread(void *user);

#endif
