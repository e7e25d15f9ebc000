#include "transfer/archive_download_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <unistd.h>

static void op_free(struct ps_archive_download *op)
{
    ps_archive_download_forget_from(op);
    ps_stream_reader_close(op->reader);
    ps_archive_download_close(&op->pipe_fds[0]);
    ps_archive_download_close(&op->pipe_fds[1]);
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

void ps_archive_download_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

void ps_archive_download_fail(struct ps_archive_download *op, const struct ps_err *err)
{
    if (op->err.code == PS_OK) {
        op->err = *err;
    }
}

/* --- the end --- */

static void finish(struct ps_archive_download *op)
{
    op->state = PS_ARCHIVE_DOWNLOAD_DONE;
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
        ps_archive_download_fail(op, &job->err);
    }
    finish(op);
}

/* The whole object from its start, in the same run. */
static void begin_again(struct ps_archive_download *op)
{
    ps_log(op->log, PS_LOG_INFO, "extract", "%s: cannot go on in the middle: from the start",
           op->url);
    op->begin_again = false;
    op->restart = true;
    ps_stream_reader_close(op->reader);
    op->reader = NULL;
    ps_archive_download_forget_from(op);
    ps_archive_download_claim(op);
}

void ps_archive_download_try_end(struct ps_archive_download *op)
{
    if (op->stream != NULL || op->thread_running || op->job_running || op->op != NULL ||
        op->state == PS_ARCHIVE_DOWNLOAD_FORGETTING) {
        return;
    }
    if (op->begin_again && op->err.code == PS_OK) {
        begin_again(op);
        return;
    }
    op->state = PS_ARCHIVE_DOWNLOAD_FORGETTING;
    op->job_running = true;
    ps_job_start(&op->job, op->loop, op, run_forget, on_forgotten);
}

/* --- the object --- */

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_archive_download *op = user;
    struct ps_err own;

    op->op = NULL;
    if (err != NULL) {
        own = *err;
        ps_store_name_missing(&own, op->url);
        ps_archive_download_fail(op, &own);
        ps_archive_download_try_end(op);
        return;
    }
    op->etag = ps_strdup(info->etag != NULL ? info->etag : "");
    op->size_bytes = info->size_bytes;
    op->expected = info->checksum;
    op->extract.algorithm = info->checksum.algorithm != PS_CHECKSUM_NONE ? info->checksum.algorithm
                                                                         : PS_CHECKSUM_CRC64_NVME;
    if (op->open_state == NULL || op->etag == NULL || op->etag[0] == '\0') {
        ps_archive_download_run(op);
        return;
    }
    op->state_db = op->open_state(op->open_state_user, &own);
    if (op->state_db == NULL) {
        ps_archive_download_fail(op, &own);
        ps_archive_download_try_end(op);
        return;
    }
    ps_archive_download_claim(op);
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
    op->fault = options->fault;
    op->log = options->log;
    op->open_state = options->open_state;
    op->open_state_user = options->open_state_user;
    op->extract = options->extract;
    op->filter = options->filter;
    op->piece_number = 1;
    op->restart = options->restart;
    op->on_done = options->on_done;
    op->user = options->user;
    if (!copy_text(op, options)) {
        free(op->ended);
        op_free(op);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->url);
    }
    if (uv_async_init(op->loop, op->ended, ps_archive_download_thread_ended) != 0) {
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

    if (op->state == PS_ARCHIVE_DOWNLOAD_FORGETTING || op->state == PS_ARCHIVE_DOWNLOAD_DONE) {
        return;
    }
    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", op->url);
    ps_archive_download_fail(op, &err);
    ps_store_cancel(op->op);
    op->op = NULL;
    if (op->reader != NULL) {
        ps_stream_reader_stop(op->reader);
    }
    if (op->stream != NULL) {
        ps_stream_out_stop(op->stream);
    }
    ps_archive_download_try_end(op);
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
