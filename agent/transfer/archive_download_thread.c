#include "transfer/archive_download_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* The extraction: the object comes through a pipe to a thread of its own. */

/** What the pipe holds where the system allows it: fewer changes between the two threads. */
#define PIPE_BYTES (1024 * 1024)

/**
 * How often it is made durable how far it came: not before this, and not before ten times what that last took. Lower:
 * the disk is asked too often. Higher: more is fetched and written again after a kill.
 */
#define NOTE_INTERVAL_MS ((int64_t)1000)

/* --- on the thread --- */

static bool pull(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err)
{
    struct ps_archive_download *op = user;

    return ps_stream_reader_fill(op->reader, into, size, got_out, err) == PS_OK;
}

static bool wanted(void *user, const char *path, bool directory)
{
    const struct ps_archive_download *op = user;

    char with_slash[PATH_MAX + 1];

    if (!directory) {
        return ps_tree_filter_takes_path(op->filter, path);
    }
    (void)snprintf(with_slash, sizeof(with_slash), "%s/", path);
    return ps_tree_filter_takes_path(op->filter, with_slash);
}

static bool on_entry(void *user, uint64_t finished_count, uint64_t written_bytes)
{
    struct ps_archive_download *op = user;

    atomic_store(&op->entries_done, finished_count);
    atomic_store(&op->bytes_written, written_bytes);
    return ps_clock_mono_ms(op->clock) >= op->next_note_ms;
}

static enum ps_code note(void *user, const struct ps_extract_note *note, int dest_fd,
                         struct ps_err *err)
{
    struct ps_archive_download *op = user;
    int64_t before_ms = ps_clock_mono_ms(op->clock);
    enum ps_code code;
    int64_t after_ms;

    if (syncfs(dest_fd) != 0) {
        return ps_err_set_errno(err, errno, "%s: syncfs", op->dest);
    }
    code = ps_checkpoint_extract_note(op->state_db, op->dest, note->point, op->piece_number,
                                      note->piece, err);
    if (code == PS_OK) {
        ps_fault_point(op->fault, "extract.noted");
    }
    op->piece_number += note->piece->size_bytes > 0 ? 1 : 0;
    after_ms = ps_clock_mono_ms(op->clock);
    op->next_note_ms = after_ms + 10 * (after_ms - before_ms);
    if (op->next_note_ms < after_ms + NOTE_INTERVAL_MS) {
        op->next_note_ms = after_ms + NOTE_INTERVAL_MS;
    }
    return code;
}

static void run_thread(void *user)
{
    struct ps_archive_download *op = user;

    op->thread_code = ps_archive_extract(&op->extract, &op->tree, &op->thread_err);
    (void)uv_async_send(op->ended);
}

/* --- on the loop --- */

/* A place to go on from that is none: a zip with bytes between its entries, a damaged record, a directory that was
 * removed meanwhile. Nothing was written. */
static bool is_from_at_fault(const struct ps_archive_download *op)
{
    return op->extract.from != NULL && op->extract.from->restartable && !op->tree.begun &&
           (op->thread_code == PS_E_CORRUPT || op->thread_code == PS_E_PARSE);
}

/* The thread has read to the end of the bytes; the stream says whether that is the object's. */
static void verify(struct ps_archive_download *op)
{
    char want[PS_CHECKSUM_TEXT_SIZE];
    char have[PS_CHECKSUM_TEXT_SIZE];
    struct ps_err err;

    op->result.checksum = op->tree.checksum;
    op->result.size_bytes = op->tree.pulled_bytes;
    if (op->expected.algorithm == PS_CHECKSUM_NONE) {
        return;
    }
    op->result.verified = ps_checksum_equal(&op->tree.checksum, &op->expected);
    if (!op->result.verified) {
        (void)ps_err_set(&err, PS_E_CORRUPT,
                         "%s: the bytes received have %s %s, the store says %s: do not use them",
                         op->url, ps_checksum_name(op->expected.algorithm),
                         ps_checksum_format(&op->tree.checksum, have),
                         ps_checksum_format(&op->expected, want));
        ps_archive_download_fail(op, &err);
    }
}

void ps_archive_download_thread_ended(uv_async_t *async)
{
    struct ps_archive_download *op = async->data;

    if (!op->thread_running) {
        return;
    }
    (void)uv_thread_join(&op->thread);
    op->thread_running = false;
    op->begin_again = op->err.code == PS_OK && is_from_at_fault(op);
    if (op->thread_code == PS_OK) {
        verify(op);
    } else if (!op->begin_again) {
        (void)ps_err_wrap(&op->thread_err, op->thread_code, "%s", op->url);
        ps_archive_download_fail(op, &op->thread_err);
    }
    if (op->thread_code != PS_OK && op->stream != NULL) {
        ps_stream_out_stop(op->stream);
    }
    ps_archive_download_close(&op->pipe_fds[0]); /* a write that waits for room ends by this */
    ps_archive_download_try_end(op);
}

static void on_streamed(void *user, const struct ps_stream_out_result *result,
                        const struct ps_err *err)
{
    struct ps_archive_download *op = user;

    (void)result; /* the thread counts and hashes */
    op->stream = NULL;
    if (err != NULL && !op->begin_again) {
        ps_archive_download_fail(op, err);
    }
    ps_archive_download_close(&op->pipe_fds[1]); /* the thread's end of the bytes */
    ps_archive_download_try_end(op);
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
    op->extract.note = op->claimed ? note : NULL;
    op->extract.wanted = op->filter != NULL ? wanted : NULL;
    op->extract.needed_directories = op->filter != NULL && op->filter->include_count > 0;
    op->extract.user = op;
    op->extract.dest = op->dest;
    op->next_note_ms = ps_clock_mono_ms(op->clock) + NOTE_INTERVAL_MS;
    if (uv_thread_create(&op->thread, run_thread, op) != 0) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: no thread to be had", op->url);
    }
    op->thread_running = true;
    return PS_OK;
}

void ps_archive_download_run(struct ps_archive_download *op)
{
    const struct ps_object_info info = {
        .size_bytes = op->size_bytes,
        .etag = op->etag,
        .checksum = op->expected,
    };
    struct ps_stream_out_options options = {
        .loop = op->loop,
        .store = op->store,
        .key = op->key,
        .url = op->url,
        .info = &info,
        .unhashed = true,
        .on_done = on_streamed,
        .user = op,
    };
    struct ps_err err;

    op->state = PS_ARCHIVE_DOWNLOAD_RUNNING;
    if (op->extract.from != NULL && op->extract.from->restartable) {
        options.offset_bytes = op->extract.from->mark.offset_bytes;
    }
    op->result.resumed_bytes = options.offset_bytes;
    if (open_pipe(op, &err) != PS_OK) {
        ps_archive_download_fail(op, &err);
        ps_archive_download_try_end(op);
        return;
    }
    options.fd = op->pipe_fds[1];
    if (ps_stream_out_start(&op->stream, &options, &err) != PS_OK) {
        ps_archive_download_fail(op, &err);
    } else if (start_thread(op, &err) != PS_OK) {
        ps_archive_download_fail(op, &err);
        ps_stream_out_stop(op->stream);
    }
    ps_archive_download_try_end(op);
}
