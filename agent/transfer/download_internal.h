/**
 * download_internal - the struct behind download.h, for its own files download*.c only.
 *
 * Flow:    download.c (start, head, claim, end) -> download_ranges.c
 * Thread:  fields are the loop's, except those that a running job owns (said there)
 * Source:  none
 */
#ifndef PS_TRANSFER_DOWNLOAD_INTERNAL_H
#define PS_TRANSFER_DOWNLOAD_INTERNAL_H

#include "base/block_pool.h"
#include "sink/file_writer.h"
#include "source/part_plan.h"
#include "state/checkpoint.h"
#include "transfer/download.h"
#include "transfer/job.h"

enum ps_download_state {
    PS_DOWNLOAD_STATE_HEADING,
    PS_DOWNLOAD_STATE_CLAIMING,
    PS_DOWNLOAD_STATE_FETCHING,
    PS_DOWNLOAD_STATE_PUBLISHING,
    PS_DOWNLOAD_STATE_ENDING,
    PS_DOWNLOAD_STATE_DONE,
};

/**
 * Bytes that a worker writes at once, and the memory for all blocks. Lower: more turns of the loop a GiB. Higher: more
 * memory without gain (measured up to 1 MiB).
 */
#define PS_DOWNLOAD_BLOCK_BYTES ((size_t)256 * 1024)
#define PS_DOWNLOAD_BUDGET_BYTES ((size_t)8 * 1024 * 1024)

#define PS_DOWNLOAD_NOTES_MAX 64

struct range {
    bool done;
    bool noted; /* an earlier run's record says so: to be verified */
    struct ps_checksum checksum;
};

struct fetch {
    struct ps_download *download;
    bool in_use;
    uint32_t range_index;
    struct ps_store_op *op;
    bool received; /* all bytes came; some may still be on their way to the disk */
    bool paused;
    struct ps_hasher hasher;
    uint64_t taken_bytes;
    void *block;
    size_t block_used_bytes;
    void *spare; /* taken ahead, so that a push is taken whole or not at all */
    uint32_t writing_count;
    struct ps_job verify_job; /* while it runs it owns checksum */
    bool verifying;
    struct ps_checksum checksum;
};

struct ps_download {
    uv_loop_t *loop;
    struct ps_store *store;
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_state *(*open_state)(void *user, struct ps_err *err);
    void *open_state_user;
    ps_transfer_event_fn on_event;
    void (*on_info)(void *user, const struct ps_object_info *info);
    void (*on_done)(void *user, const struct ps_download_result *result, const struct ps_err *err);
    void *user;
    char *key;
    char *url;
    char *path;
    uint32_t concurrency;
    uint64_t range_size_bytes;
    bool restart;
    const struct ps_dest_attributes *attributes;

    enum ps_download_state state;
    struct ps_err err;
    bool discard; /* what was fetched is of no use: remove file and record at the end */
    struct ps_store_op *op;
    struct ps_job control_job;
    bool control_running;
    void (*after_control)(struct ps_download *download);

    char *etag;
    struct ps_checksum expected; /* NONE = the store keeps none */
    enum ps_checksum_algorithm algorithm;
    struct ps_part_plan plan;
    struct range *ranges;
    uint32_t next_range;
    uint32_t done_count;
    uint64_t done_bytes;
    uint64_t moved_bytes;
    uint32_t resumed_count;
    uint64_t resumed_bytes;
    struct ps_checksum whole;
    bool verified;

    struct fetch *fetches;
    uint32_t fetch_count;
    uint32_t busy_count;
    uint32_t writing_count; /* blocks on their way to the disk */
    struct ps_block_pool *pool;
    struct ps_file_writer *writer;

    struct ps_state *state_db; /* NULL: one range only, nothing to resume */
    struct ps_download_record record;
    struct ps_range_record *noted_before;
    size_t noted_before_count;
    bool claim_found;

    struct ps_job note_job;
    bool noting;
    struct ps_range_record *notes;
    size_t note_count;
    struct ps_range_record note_batch[PS_DOWNLOAD_NOTES_MAX]; /* owned by note_job while it runs */
    size_t note_batch_count;
};

/* download.c */
void ps_download_set_state(struct ps_download *download, enum ps_download_state state);
void ps_download_fail(struct ps_download *download, const struct ps_err *err);
void ps_download_try_end(struct ps_download *download);
bool ps_download_is_ending(const struct ps_download *download);
void ps_download_control(struct ps_download *download, void (*run)(struct ps_job *job),
                         void (*after)(struct ps_download *download));
/** All ranges are done: verify the whole and publish it. */
void ps_download_publish(struct ps_download *download);

/* download_ranges.c */
PS_MUST_USE enum ps_code ps_download_ranges_init(struct ps_download *download, struct ps_err *err);
void ps_download_ranges_clear(struct ps_download *download);
void ps_download_ranges_step(struct ps_download *download);
void ps_download_note_flush(struct ps_download *download);
/** Cancel all gets; false while workers still hold something. */
void ps_download_ranges_cancel(struct ps_download *download);
bool ps_download_ranges_idle(const struct ps_download *download);

#endif
