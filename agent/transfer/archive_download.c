#include "transfer/archive_download.h"

#include "base/str.h"
#include "source/stream_reader.h"
#include "state/checkpoint.h"
#include "transfer/job.h"
#include "transfer/stream_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What the pipe holds where the system allows it: fewer changes between the two threads. */
#define PIPE_BYTES (1024 * 1024)

/**
 * How often the number of finished entries is made durable: not before this, and not before ten times what the last
 * syncfs took. Lower: the disk is asked too often. Higher: more is written again after a kill.
 */
#define NOTE_INTERVAL_MS ((int64_t)1000)

enum state {
    STATE_HEADING,
    STATE_CLAIMING,
    STATE_RUNNING,
    STATE_FORGETTING,
    STATE_DONE,
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

    enum state state;
    struct ps_err err; /* the first error */
    struct ps_store_op *op;
    char *etag;
    uint64_t size_bytes;
    struct ps_state *(*open_state)(void *user, struct ps_err *err);
    void *open_state_user;
    struct ps_state *state_db;
    bool claimed; /* the record is ours */
    struct ps_job job;
    bool job_running;

    struct ps_stream_out *stream; /* NULL = ended */
    struct ps_stream_reader *reader;
    int pipe_fds[2];
    uv_thread_t thread;
    uv_async_t *ended; /* the thread's last word; freed by the loop */
    bool thread_running;
    struct ps_archive_download_result result;

    /* The thread's while it runs, but for the counters. */
    struct ps_extract_options extract;
    struct ps_extract_result tree;
    enum ps_code thread_code;
    struct ps_err thread_err;
    int64_t next_note_ms;
    atomic_uint_fast64_t entries_done;
    atomic_uint_fast64_t bytes_written;
};

static void op_free(struct ps_archive_download *op)
{
    ps_stream_reader_close(op->reader);
    for (size_t i = 0; i < 2; i++) {
        if (op->pipe_fds[i] >= 0) {
            (void)close(op->pipe_fds[i]);
        }
    }
    free(op->key);
    free(op->url);
    free(op->dest);
    free(op->etag);
    free(op);
}

static void free_async(uv_handle_t *handle)
{
    free(handle);
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void fail(struct ps_archive_download *op, const struct ps_err *err)
{
    if (op->err.code == PS_OK) {
        op->err = *err;
    }
}

/* --- the end --- */

static void finish(struct ps_archive_download *op)
{
    op->state = STATE_DONE;
    op->result.tree = op->tree;
    if (op->ended != NULL) {
        uv_close((uv_handle_t *)op->ended, free_async);
        op->ended = NULL;
    }
    op->on_done(op->user, &op->result, op->err.code != PS_OK ? &op->err : NULL);
    op_free(op);
}

static void run_forget(struct ps_job *job)
{
    struct ps_archive_download *op = job->user;

    /* What is refused or broken will be so again; after all other errors the next run goes on from the record. */
    if (op->state_db != NULL && op->claimed &&
        (op->err.code == PS_OK || op->err.code == PS_E_REFUSED || op->err.code == PS_E_CORRUPT)) {
        job->code = ps_checkpoint_download_end(op->state_db, op->dest, &job->err);
    }
}

static void on_forgotten(struct ps_job *job)
{
    struct ps_archive_download *op = job->user;

    op->job_running = false;
    if (job->code != PS_OK) {
        fail(op, &job->err);
    }
    finish(op);
}

static void try_end(struct ps_archive_download *op)
{
    if (op->stream == NULL && !op->thread_running && !op->job_running && op->op == NULL &&
        op->state != STATE_FORGETTING) {
        op->state = STATE_FORGETTING;
        op->job_running = true;
        ps_job_start(&op->job, op->loop, op, run_forget, on_forgotten);
    }
}

/* --- the thread --- */

static bool pull(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err)
{
    struct ps_archive_download *op = user;

    return ps_stream_reader_fill(op->reader, into, size, got_out, err) == PS_OK;
}

static enum ps_code note(struct ps_archive_download *op, uint64_t finished_count, int dest_fd,
                         struct ps_err *err)
{
    const struct ps_range_record record = { .range_index = 0, .size_bytes = finished_count };
    int64_t before_ms = ps_clock_mono_ms(op->clock);
    enum ps_code code;
    int64_t after_ms;

    if (syncfs(dest_fd) != 0) {
        return ps_err_set_errno(err, errno, "%s: syncfs", op->dest);
    }
    code = ps_checkpoint_ranges_done(op->state_db, op->dest, &record, 1, err);
    after_ms = ps_clock_mono_ms(op->clock);
    op->next_note_ms = after_ms + 10 * (after_ms - before_ms);
    if (op->next_note_ms < after_ms + NOTE_INTERVAL_MS) {
        op->next_note_ms = after_ms + NOTE_INTERVAL_MS;
    }
    return code;
}

static bool on_entry(void *user, uint64_t finished_count, uint64_t written_bytes, int dest_fd,
                     struct ps_err *err)
{
    struct ps_archive_download *op = user;

    atomic_store(&op->entries_done, finished_count);
    atomic_store(&op->bytes_written, written_bytes);
    if (op->state_db == NULL || finished_count <= op->extract.finished_count ||
        ps_clock_mono_ms(op->clock) < op->next_note_ms) {
        return true;
    }
    return note(op, finished_count, dest_fd, err) == PS_OK;
}

/* What comes behind the archive's end belongs to the object: it is read, so that the whole is verified. */
static enum ps_code drain(struct ps_archive_download *op, struct ps_err *err)
{
    char bytes[16 * 1024];
    size_t got_bytes = sizeof(bytes);
    enum ps_code code = PS_OK;

    while (code == PS_OK && got_bytes == sizeof(bytes)) {
        code = ps_stream_reader_fill(op->reader, bytes, sizeof(bytes), &got_bytes, err);
    }
    return code;
}

static void run_thread(void *user)
{
    struct ps_archive_download *op = user;

    op->thread_code = ps_archive_extract(&op->extract, &op->tree, &op->thread_err);
    if (op->thread_code == PS_OK) {
        op->thread_code = drain(op, &op->thread_err);
    }
    (void)uv_async_send(op->ended);
}

static void on_thread_ended(uv_async_t *async)
{
    struct ps_archive_download *op = async->data;

    if (!op->thread_running) {
        return;
    }
    (void)uv_thread_join(&op->thread);
    op->thread_running = false;
    if (op->thread_code != PS_OK) {
        (void)ps_err_wrap(&op->thread_err, op->thread_code, "%s", op->url);
        fail(op, &op->thread_err);
        if (op->stream != NULL) {
            ps_stream_out_stop(op->stream);
        }
    }
    close_fd(&op->pipe_fds[0]); /* a write that waits for room ends by this */
    try_end(op);
}

/* --- running --- */

static void on_streamed(void *user, const struct ps_stream_out_result *result,
                        const struct ps_err *err)
{
    struct ps_archive_download *op = user;

    op->stream = NULL;
    op->result.size_bytes = result->size_bytes;
    op->result.checksum = result->checksum;
    op->result.verified = result->verified;
    if (err != NULL) {
        fail(op, err);
    }
    close_fd(&op->pipe_fds[1]); /* the thread's end of the bytes */
    try_end(op);
}

static enum ps_code open_pipe(struct ps_archive_download *op, struct ps_err *err)
{
    if (pipe2(op->pipe_fds, O_CLOEXEC) != 0) {
        return ps_err_set_errno(err, errno, "pipe");
    }
    (void)fcntl(op->pipe_fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* else it stays at 64 KiB */
    return ps_stream_reader_open(&op->reader, op->pipe_fds[0], err);
}

static enum ps_code start_thread(struct ps_archive_download *op, struct ps_err *err)
{
    op->extract.pull = pull;
    op->extract.on_entry = on_entry;
    op->extract.user = op;
    op->extract.dest = op->dest;
    op->next_note_ms = ps_clock_mono_ms(op->clock) + NOTE_INTERVAL_MS;
    if (uv_thread_create(&op->thread, run_thread, op) != 0) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: no thread to be had", op->url);
    }
    op->thread_running = true;
    return PS_OK;
}

static void start_running(struct ps_archive_download *op)
{
    struct ps_stream_out_options options = {
        .loop = op->loop,
        .store = op->store,
        .key = op->key,
        .url = op->url,
        .on_done = on_streamed,
        .user = op,
    };
    struct ps_err err;

    op->state = STATE_RUNNING;
    if (open_pipe(op, &err) != PS_OK) {
        fail(op, &err);
        try_end(op);
        return;
    }
    options.fd = op->pipe_fds[1];
    if (ps_stream_out_start(&op->stream, &options, &err) != PS_OK) {
        fail(op, &err);
    } else if (start_thread(op, &err) != PS_OK) {
        fail(op, &err);
        ps_stream_out_stop(op->stream);
    }
    try_end(op);
}

/* --- claim --- */

static enum ps_code read_finished(struct ps_archive_download *op, struct ps_err *err)
{
    struct ps_range_record *ranges = NULL;
    size_t count = 0;
    enum ps_code code = ps_checkpoint_ranges(op->state_db, op->dest, &ranges, &count, err);

    if (code == PS_OK && count > 0) {
        op->extract.finished_count = ranges[0].size_bytes;
    }
    free(ranges);
    return code;
}

static enum ps_code begin_record(struct ps_archive_download *op, const struct ps_owner *owner,
                                 struct ps_err *err)
{
    const struct ps_download_record record = {
        .path = op->dest,
        .url = op->url,
        .etag = op->etag,
        .size_bytes = op->size_bytes,
        .range_size_bytes = 0, /* range 0 counts finished entries */
        .owner = *owner,
        .created_unix_ms = ps_clock_unix_ms(op->clock),
    };

    return ps_checkpoint_download_begin(op->state_db, &record, err);
}

static void run_claim(struct ps_job *job)
{
    struct ps_archive_download *op = job->user;
    struct ps_download_record record = { 0 };
    struct ps_owner owner;
    bool found = false;

    job->code = ps_owner_self(&owner, &job->err);
    if (job->code == PS_OK) {
        job->code = ps_checkpoint_download_claim(op->state_db, op->dest, &owner, &found, &record,
                                                 &job->err);
    }
    if (job->code != PS_OK) {
        return;
    }
    if (found && !op->restart && record.range_size_bytes == 0 &&
        ps_str_equal(record.url, op->url) && ps_str_equal(record.etag, op->etag) &&
        record.size_bytes == op->size_bytes) {
        job->code = read_finished(op, &job->err);
    } else {
        job->code = begin_record(op, &owner, &job->err);
    }
    ps_download_record_clear(&record);
}

static void on_claimed(struct ps_job *job)
{
    struct ps_archive_download *op = job->user;

    op->job_running = false;
    op->claimed = job->code == PS_OK;
    if (job->code != PS_OK) {
        fail(op, &job->err);
    }
    if (op->err.code != PS_OK) {
        try_end(op);
    } else {
        start_running(op);
    }
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_archive_download *op = user;
    struct ps_err own;

    op->op = NULL;
    if (err != NULL) {
        own = *err;
        ps_store_name_missing(&own, op->url);
        fail(op, &own);
        try_end(op);
        return;
    }
    op->etag = ps_strdup(info->etag);
    op->size_bytes = info->size_bytes;
    if (op->open_state == NULL || op->etag == NULL || op->etag[0] == '\0') {
        start_running(op);
        return;
    }
    op->state = STATE_CLAIMING;
    op->state_db = op->open_state(op->open_state_user, &own);
    if (op->state_db == NULL) {
        fail(op, &own);
        try_end(op);
        return;
    }
    op->job_running = true;
    ps_job_start(&op->job, op->loop, op, run_claim, on_claimed);
}

/* --- start and stop --- */

static bool copy_text(struct ps_archive_download *op,
                      const struct ps_archive_download_options *options)
{
    op->key = ps_strdup(options->key);
    op->url = ps_strdup(options->url);
    op->dest = ps_strdup(options->dest);
    op->ended = calloc(1, sizeof(*op->ended));
    return op->key != NULL && op->url != NULL && op->dest != NULL && op->ended != NULL;
}

enum ps_code ps_archive_download_start(struct ps_archive_download **op_out,
                                       const struct ps_archive_download_options *options,
                                       struct ps_err *err)
{
    struct ps_archive_download *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->url);
    }
    op->pipe_fds[0] = -1;
    op->pipe_fds[1] = -1;
    op->loop = options->loop;
    op->store = options->store;
    op->clock = options->clock;
    op->log = options->log;
    op->open_state = options->open_state;
    op->open_state_user = options->open_state_user;
    op->extract = options->extract;
    op->extract.finished_count = 0;
    op->restart = options->restart;
    op->on_done = options->on_done;
    op->user = options->user;
    if (!copy_text(op, options)) {
        free(op->ended);
        op_free(op);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->url);
    }
    if (uv_async_init(op->loop, op->ended, on_thread_ended) != 0) {
        free(op->ended);
        op_free(op);
        return ps_err_set(err, PS_E_IO, "%s: no descriptor to be had", options->url);
    }
    op->ended->data = op;
    op->op = ps_store_head(op->store, op->key, on_head, op, err);
    if (op->op == NULL) {
        uv_close((uv_handle_t *)op->ended, free_async);
        op_free(op);
        return err != NULL ? err->code : PS_E_BUG;
    }
    *op_out = op;
    return PS_OK;
}

void ps_archive_download_stop(struct ps_archive_download *op)
{
    struct ps_err err;

    if (op->state == STATE_FORGETTING || op->state == STATE_DONE) {
        return;
    }
    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", op->url);
    fail(op, &err);
    ps_store_cancel(op->op);
    op->op = NULL;
    if (op->reader != NULL) {
        ps_stream_reader_stop(op->reader);
    }
    if (op->stream != NULL) {
        ps_stream_out_stop(op->stream);
    }
    try_end(op);
}

void ps_archive_download_progress(const struct ps_archive_download *op,
                                  struct ps_progress *progress_out)
{
    struct ps_progress stream = { .done_bytes = 0 };

    if (op->stream != NULL) {
        ps_stream_out_progress(op->stream, &stream);
    }
    *progress_out = (struct ps_progress){
        .state = "extracting",
        .has_total = op->size_bytes > 0,
        .total_bytes = op->size_bytes,
        .done_bytes = op->stream != NULL ? stream.done_bytes : op->result.size_bytes,
        .moved_bytes = op->stream != NULL ? stream.moved_bytes : op->result.size_bytes,
    };
}
