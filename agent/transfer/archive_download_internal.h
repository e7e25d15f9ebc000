/**
 * archive_download_internal - the struct behind archive_download.h, for archive_download*.c only.
 *
 * Flow:    archive_download.c (start, the object, the end) -> archive_download_claim.c (the record of an earlier run)
 *          -> archive_download_thread.c (the extraction, its notes)
 * Thread:  the loop thread, but for what belongs to the extraction's thread while it runs
 * Source:  none
 */
#ifndef PS_TRANSFER_ARCHIVE_DOWNLOAD_INTERNAL_H
#define PS_TRANSFER_ARCHIVE_DOWNLOAD_INTERNAL_H

#include "source/stream_reader.h"
#include "state/checkpoint.h"
#include "transfer/archive_download.h"
#include "transfer/job.h"
#include "transfer/stream_out.h"

#include <stdatomic.h>

enum ps_archive_download_state {
    PS_ARCHIVE_DOWNLOAD_HEADING,
    PS_ARCHIVE_DOWNLOAD_CLAIMING,
    PS_ARCHIVE_DOWNLOAD_RUNNING,
    PS_ARCHIVE_DOWNLOAD_FORGETTING,
    PS_ARCHIVE_DOWNLOAD_DONE,
};

struct ps_archive_download {
    uv_loop_t *loop;
    struct ps_store *store;
    const struct ps_clock *clock;
    const struct ps_log *log;
    char *key;
    char *url;
    char *dest;
    bool restart;
    void (*on_done)(void *user, const struct ps_archive_download_result *result,
                    const struct ps_err *err);
    void *user;

    enum ps_archive_download_state state;
    struct ps_err err; /* the first error */
    struct ps_store_op *op;
    char *etag;
    uint64_t size_bytes;
    struct ps_checksum expected; /* NONE = the store does not say */
    struct ps_state *(*open_state)(void *user, struct ps_err *err);
    void *open_state_user;
    struct ps_state *state_db;
    struct ps_fault *fault;
    bool claimed; /* the record is ours */
    struct ps_job job;
    bool job_running;

    struct ps_stream_out *stream; /* NULL = ended */
    struct ps_stream_reader *reader;
    int pipe_fds[2];
    uv_thread_t thread;
    uv_async_t *ended; /* the thread's last word; freed by the loop */
    bool thread_running;
    bool begin_again; /* what the record said was of no use */
    struct ps_archive_download_result result;

    /* The thread's while it runs, but for the counters. */
    struct ps_extract_options extract;
    const struct ps_tree_filter *filter;
    struct ps_extract_point *from; /* NULL = none; extract.from where it is of use */
    struct ps_buf *pieces;
    size_t piece_count;
    size_t piece_capacity;
    uint32_t piece_number; /* of the next one */
    struct ps_extract_result tree;
    enum ps_code thread_code;
    struct ps_err thread_err;
    int64_t next_note_ms;
    atomic_uint_fast64_t entries_done;
    atomic_uint_fast64_t bytes_written;
};

/* archive_download.c */
/** The first error wins. */
void ps_archive_download_fail(struct ps_archive_download *op, const struct ps_err *err);
/** Call after anything that might have been the last thing an ending download waits for. */
void ps_archive_download_try_end(struct ps_archive_download *op);
void ps_archive_download_close(int *fd);

/* archive_download_claim.c */
/** Take over the record of an earlier run, or begin one; then run. */
void ps_archive_download_claim(struct ps_archive_download *op);
/** Forget what the record says: from, pieces. */
void ps_archive_download_forget_from(struct ps_archive_download *op);

/* archive_download_thread.c */
/** Fetch and extract. */
void ps_archive_download_run(struct ps_archive_download *op);
/** The extraction's thread is at its end. */
void ps_archive_download_thread_ended(uv_async_t *async);

#endif
