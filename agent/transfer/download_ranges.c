#include "transfer/download.h"

#include "base/str.h"
#include "transfer/download_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/** Bytes that are read back at a time when an earlier run's range is verified. */
#define READ_BACK_BYTES ((size_t)128 * 1024)

/* One block on its way to the disk. */
struct block_write {
    struct ps_job job;
    struct fetch *fetch;
    void *block;
    size_t size_bytes;
    uint64_t offset_bytes;
};

static void next_ranges(struct ps_download *download);

enum ps_code ps_download_ranges_init(struct ps_download *download, struct ps_err *err)
{
    uint32_t count = download->plan.part_count;

    download->fetch_count = download->concurrency < count ? download->concurrency : count;
    download->ranges = calloc(count, sizeof(*download->ranges));
    download->notes = calloc(count, sizeof(*download->notes));
    download->fetches = calloc(download->fetch_count, sizeof(*download->fetches));
    if (download->ranges == NULL || download->notes == NULL || download->fetches == NULL) {
        download->fetch_count = download->fetches != NULL ? download->fetch_count : 0;
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory for %" PRIu32 " ranges",
                          download->url, count);
    }
    for (uint32_t i = 0; i < download->fetch_count; i++) {
        download->fetches[i].download = download;
    }
    for (size_t i = 0; i < download->noted_before_count; i++) {
        const struct ps_range_record *noted = &download->noted_before[i];

        if (noted->range_index < count &&
            noted->size_bytes == ps_part_plan_size(&download->plan, noted->range_index)) {
            struct range *range = &download->ranges[noted->range_index];

            range->noted = true;
            range->checksum.algorithm = download->algorithm;
            memcpy(range->checksum.bytes, noted->checksum, sizeof(range->checksum.bytes));
        }
    }
    return PS_OK;
}

static void give_blocks(struct fetch *fetch)
{
    ps_block_pool_give(fetch->download->pool, &fetch->block);
    ps_block_pool_give(fetch->download->pool, &fetch->spare);
    fetch->block_used_bytes = 0;
}

void ps_download_ranges_clear(struct ps_download *download)
{
    for (uint32_t i = 0; i < download->fetch_count; i++) {
        ps_hasher_clear(&download->fetches[i].hasher);
        if (download->fetches[i].download != NULL) {
            give_blocks(&download->fetches[i]);
        }
    }
    free(download->fetches);
    free(download->ranges);
    download->fetches = NULL;
    download->ranges = NULL;
    download->fetch_count = 0;
}

void ps_download_ranges_cancel(struct ps_download *download)
{
    for (uint32_t i = 0; i < download->fetch_count; i++) {
        struct fetch *fetch = &download->fetches[i];

        ps_store_cancel(fetch->op);
        fetch->op = NULL;
    }
}

bool ps_download_ranges_idle(const struct ps_download *download)
{
    for (uint32_t i = 0; i < download->fetch_count; i++) {
        if (download->fetches[i].verifying) {
            return false;
        }
    }
    return download->writing_count == 0;
}

/* --- notes --- */

static void run_note(struct ps_job *job)
{
    struct ps_download *download = job->user;

    job->code = ps_file_writer_sync(download->writer, &job->err);
    if (job->code == PS_OK) {
        job->code =
            ps_checkpoint_ranges_done(download->state_db, download->path, download->note_batch,
                                      download->note_batch_count, &job->err);
    }
}

static void on_noted(struct ps_job *job)
{
    struct ps_download *download = job->user;

    download->noting = false;
    if (job->code != PS_OK) {
        download->note_count = 0; /* nothing more can be made durable */
        ps_download_fail(download, &job->err);
    }
    if (ps_download_is_ending(download)) {
        ps_download_try_end(download);
    } else {
        ps_download_note_flush(download);
        ps_download_ranges_step(download);
    }
}

void ps_download_note_flush(struct ps_download *download)
{
    size_t count =
        download->note_count < PS_DOWNLOAD_NOTES_MAX ? download->note_count : PS_DOWNLOAD_NOTES_MAX;

    if (download->noting || count == 0 || download->state_db == NULL) {
        return;
    }
    memcpy(download->note_batch, download->notes, count * sizeof(*download->notes));
    memmove(download->notes, download->notes + count,
            (download->note_count - count) * sizeof(*download->notes));
    download->note_count -= count;
    download->note_batch_count = count;
    download->noting = true;
    ps_job_start(&download->note_job, download->loop, download, run_note, on_noted);
}

static void note(struct ps_download *download, uint32_t range_index)
{
    const struct range *range = &download->ranges[range_index];
    struct ps_range_record *record = &download->notes[download->note_count++];

    memset(record, 0, sizeof(*record));
    record->range_index = range_index;
    record->size_bytes = ps_part_plan_size(&download->plan, range_index);
    memcpy(record->checksum, range->checksum.bytes, sizeof(record->checksum));
    ps_download_note_flush(download);
}

/* --- one range --- */

static void range_done(struct fetch *fetch, const struct ps_checksum *checksum, bool resumed)
{
    struct ps_download *download = fetch->download;
    struct range *range = &download->ranges[fetch->range_index];
    uint64_t size_bytes = ps_part_plan_size(&download->plan, fetch->range_index);

    range->done = true;
    range->checksum = *checksum;
    download->done_count++;
    download->done_bytes += size_bytes;
    download->busy_count--;
    fetch->in_use = false;
    fetch->received = false;
    if (resumed) {
        download->resumed_count++;
        download->resumed_bytes += size_bytes;
    } else if (download->state_db != NULL) {
        note(download, fetch->range_index);
    }
    ps_download_ranges_step(download);
}

static void try_range_done(struct fetch *fetch)
{
    struct ps_checksum checksum;

    if (!fetch->received || fetch->writing_count != 0) {
        return;
    }
    checksum = ps_hasher_finish(&fetch->hasher);
    ps_hasher_clear(&fetch->hasher);
    range_done(fetch, &checksum, false);
}

static void wake_paused(struct ps_download *download)
{
    for (uint32_t i = 0; i < download->fetch_count; i++) {
        struct fetch *fetch = &download->fetches[i];

        if (fetch->paused && fetch->op != NULL) {
            fetch->paused = false;
            ps_store_wake(fetch->op);
        }
    }
}

static void run_write(struct ps_job *job)
{
    struct block_write *write = job->user;

    job->code = ps_file_writer_write(write->fetch->download->writer, write->offset_bytes,
                                     write->block, write->size_bytes, &job->err);
}

static void on_written(struct ps_job *job)
{
    struct block_write *write = job->user;
    struct fetch *fetch = write->fetch;
    struct ps_download *download = fetch->download;

    ps_block_pool_give(download->pool, &write->block);
    fetch->writing_count--;
    download->writing_count--;
    if (job->code != PS_OK) {
        ps_download_fail(download, &job->err);
    }
    free(write);
    if (ps_download_is_ending(download)) {
        ps_download_try_end(download);
        return;
    }
    wake_paused(download);
    try_range_done(fetch);
}

/* Hand the block to a worker; false when memory is out. */
static bool write_block(struct fetch *fetch)
{
    struct ps_download *download = fetch->download;
    struct block_write *write;

    if (fetch->block_used_bytes == 0) {
        return true;
    }
    write = calloc(1, sizeof(*write));
    if (write == NULL) {
        return false;
    }
    write->fetch = fetch;
    write->block = fetch->block;
    write->size_bytes = fetch->block_used_bytes;
    write->offset_bytes = ps_part_plan_offset(&download->plan, fetch->range_index) +
                          fetch->taken_bytes - fetch->block_used_bytes;
    fetch->block = fetch->spare;
    fetch->spare = NULL;
    fetch->block_used_bytes = 0;
    fetch->writing_count++;
    download->writing_count++;
    ps_job_start(&write->job, download->loop, write, run_write, on_written);
    return true;
}

static bool reserve(struct fetch *fetch, size_t size_bytes)
{
    struct ps_block_pool *pool = fetch->download->pool;

    if (fetch->block == NULL) {
        fetch->block = ps_block_pool_take(pool);
    }
    if (fetch->block == NULL) {
        return false;
    }
    if (fetch->block_used_bytes + size_bytes > PS_DOWNLOAD_BLOCK_BYTES && fetch->spare == NULL) {
        fetch->spare = ps_block_pool_take(pool);
        return fetch->spare != NULL;
    }
    return true;
}

static enum ps_push on_data(void *user, const void *data, size_t size_bytes)
{
    struct fetch *fetch = user;
    const char *at = data;

    /* Blocks of a fetch that waits are of no use to the others: what is full must have gone out before it waits. */
    if (size_bytes > PS_DOWNLOAD_BLOCK_BYTES) {
        return PS_PUSH_STOP;
    }
    if (!reserve(fetch, size_bytes)) {
        fetch->paused = true;
        return PS_PUSH_PAUSE;
    }
    ps_hasher_update(&fetch->hasher, data, size_bytes);
    fetch->download->moved_bytes += size_bytes;
    while (size_bytes > 0) {
        size_t room_bytes = PS_DOWNLOAD_BLOCK_BYTES - fetch->block_used_bytes;
        size_t step_bytes = size_bytes < room_bytes ? size_bytes : room_bytes;

        memcpy((char *)fetch->block + fetch->block_used_bytes, at, step_bytes);
        fetch->block_used_bytes += step_bytes;
        fetch->taken_bytes += step_bytes;
        at += step_bytes;
        size_bytes -= step_bytes;
        if (fetch->block_used_bytes == PS_DOWNLOAD_BLOCK_BYTES && !write_block(fetch)) {
            return PS_PUSH_STOP;
        }
    }
    return PS_PUSH_TAKEN;
}

static void fetch_failed(struct fetch *fetch, const struct ps_err *err)
{
    struct ps_err wrapped = *err;

    if (err->code == PS_E_CHANGED) {
        (void)ps_err_set(&wrapped, PS_E_CHANGED,
                         "%s: the object changed while it was fetched: run the same command again",
                         fetch->download->url);
    }
    ps_download_fail(fetch->download, &wrapped);
}

static void on_fetched(void *user, const struct ps_err *err)
{
    struct fetch *fetch = user;
    struct ps_download *download = fetch->download;
    uint64_t size_bytes = ps_part_plan_size(&download->plan, fetch->range_index);
    struct ps_err own;

    fetch->op = NULL;
    if (err != NULL) {
        fetch_failed(fetch, err);
        return;
    }
    if (fetch->taken_bytes != size_bytes) {
        (void)ps_err_set(&own, PS_E_TEMPORARY, "%s: %" PRIu64 " bytes came instead of %" PRIu64,
                         download->url, fetch->taken_bytes, size_bytes);
        ps_download_fail(download, &own);
        return;
    }
    fetch->received = true;
    if (!write_block(fetch)) {
        (void)ps_err_set(&own, PS_E_NO_MEMORY, "%s: out of memory", download->url);
        ps_download_fail(download, &own);
        return;
    }
    give_blocks(fetch);
    wake_paused(download);
    try_range_done(fetch);
}

static void get_range(struct fetch *fetch)
{
    struct ps_download *download = fetch->download;
    const struct ps_get_request request = {
        .key = download->key,
        .if_match = download->etag[0] != '\0' ? download->etag : NULL,
        .has_range = download->plan.part_count > 1,
        .offset_bytes = ps_part_plan_offset(&download->plan, fetch->range_index),
        .length_bytes = ps_part_plan_size(&download->plan, fetch->range_index),
        .sink = { .write = on_data, .user = fetch },
    };
    struct ps_err err;

    fetch->received = false;
    fetch->paused = false;
    fetch->taken_bytes = 0;
    if (ps_hasher_init(&fetch->hasher, download->algorithm, &err) != PS_OK) {
        ps_download_fail(download, &err);
        return;
    }
    fetch->op = ps_store_get(download->store, &request, on_fetched, fetch, &err);
    if (fetch->op == NULL) {
        ps_download_fail(download, &err);
    }
}

/* --- a range that an earlier run has noted --- */

static void run_verify(struct ps_job *job)
{
    struct fetch *fetch = job->user;
    const struct ps_download *download = fetch->download;
    uint64_t offset_bytes = ps_part_plan_offset(&download->plan, fetch->range_index);
    uint64_t left_bytes = ps_part_plan_size(&download->plan, fetch->range_index);
    struct ps_hasher hasher;
    char *buffer = malloc(READ_BACK_BYTES);

    job->code = ps_hasher_init(&hasher, download->algorithm, &job->err);
    if (job->code == PS_OK && buffer == NULL) {
        job->code = ps_err_set(&job->err, PS_E_NO_MEMORY, "%s: out of memory", download->url);
    }
    while (job->code == PS_OK && left_bytes > 0) {
        size_t step_bytes = left_bytes < READ_BACK_BYTES ? (size_t)left_bytes : READ_BACK_BYTES;

        job->code =
            ps_file_writer_read(download->writer, offset_bytes, buffer, step_bytes, &job->err);
        if (job->code == PS_OK) {
            ps_hasher_update(&hasher, buffer, step_bytes);
            offset_bytes += step_bytes;
            left_bytes -= step_bytes;
        }
    }
    fetch->checksum = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
    free(buffer);
}

static void on_verified(struct ps_job *job)
{
    struct fetch *fetch = job->user;
    struct ps_download *download = fetch->download;
    struct range *range = &download->ranges[fetch->range_index];

    fetch->verifying = false;
    if (ps_download_is_ending(download)) {
        ps_download_try_end(download);
    } else if (job->code != PS_OK) {
        ps_download_fail(download, &job->err);
    } else if (ps_checksum_equal(&fetch->checksum, &range->checksum)) {
        range_done(fetch, &fetch->checksum, true);
    } else {
        ps_log(download->log, PS_LOG_WARN, "download",
               "%s: range %" PRIu32 " of the interrupted run is not what was noted: fetched again",
               download->path, fetch->range_index);
        get_range(fetch);
    }
}

/* --- who is next --- */

static void next_ranges(struct ps_download *download)
{
    for (uint32_t i = 0; i < download->fetch_count && !ps_download_is_ending(download); i++) {
        struct fetch *fetch = &download->fetches[i];

        if (fetch->in_use || download->next_range == download->plan.part_count) {
            continue;
        }
        fetch->in_use = true;
        fetch->range_index = download->next_range++;
        download->busy_count++;
        if (download->ranges[fetch->range_index].noted) {
            fetch->verifying = true;
            ps_job_start(&fetch->verify_job, download->loop, fetch, run_verify, on_verified);
        } else if (download->plan.object_size_bytes == 0) {
            const struct ps_checksum empty = ps_checksum_empty(download->algorithm);

            range_done(fetch, &empty, false);
        } else {
            get_range(fetch);
        }
    }
}

void ps_download_ranges_step(struct ps_download *download)
{
    if (download->state != PS_DOWNLOAD_STATE_FETCHING) {
        return;
    }
    next_ranges(download);
    if (download->state == PS_DOWNLOAD_STATE_FETCHING &&
        download->done_count == download->plan.part_count) {
        ps_download_note_flush(download);
        if (!download->noting) {
            ps_download_publish(download);
        }
    }
}
