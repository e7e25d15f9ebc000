#include "transfer/archive_download_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* What an earlier run has left. */

#define FNV_OFFSET 0xcbf29ce484222325U
#define FNV_PRIME 0x100000001b3U

/** One a second of an extraction, with thousands of entries each. More: from the start again. */
#define PIECES_MAX ((size_t)1000000)

void ps_archive_download_forget_from(struct ps_archive_download *op)
{
    for (size_t i = 0; i < op->piece_count; i++) {
        ps_buf_clear(&op->pieces[i]);
    }
    free(op->pieces);
    free(op->from);
    op->pieces = NULL;
    op->piece_count = 0;
    op->piece_capacity = 0;
    op->from = NULL;
    op->piece_number = 1;
    op->extract.from = NULL;
    op->extract.pieces = NULL;
    op->extract.piece_count = 0;
}

/* --- which options would make other files --- */

static uint64_t add_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
    } while (*text++ != '\0');
    return hash;
}

static uint64_t add_number(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * FNV_PRIME;
}

static uint64_t identity_of(const struct ps_archive_download *op)
{
    const struct ps_extract_options *extract = &op->extract;
    uint64_t hash = FNV_OFFSET;

    hash = add_number(hash, extract->outside_links ? 1 : 0);
    hash = add_number(hash, extract->attributes ? 1 : 0);
    hash = add_number(hash, extract->same_owner ? 1 : 0);
    hash = add_number(hash, (uint64_t)(int64_t)extract->mode);
    if (op->filter != NULL) {
        for (size_t i = 0; i < op->filter->include_count; i++) {
            hash = add_text(add_number(hash, 1), op->filter->include[i]);
        }
        for (size_t i = 0; i < op->filter->exclude_count; i++) {
            hash = add_text(add_number(hash, 2), op->filter->exclude[i]);
        }
    }
    return hash;
}

/* --- reading --- */

static enum ps_code keep_piece(struct ps_archive_download *op, const void *data, size_t size_bytes,
                               struct ps_err *err)
{
    struct ps_buf *pieces = op->pieces;

    if (op->piece_count == op->piece_capacity) {
        size_t capacity = op->piece_capacity != 0 ? op->piece_capacity * 2 : 16;

        pieces = capacity <= PIECES_MAX ? realloc(op->pieces, capacity * sizeof(*pieces)) : NULL;
        if (pieces == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", op->dest);
        }
        op->pieces = pieces;
        op->piece_capacity = capacity;
    }
    ps_buf_init(&pieces[op->piece_count], SIZE_MAX);
    return ps_buf_append(&pieces[op->piece_count++], data, size_bytes, err);
}

static enum ps_code take_row(void *user, uint32_t row_index, const void *data, size_t size_bytes,
                             struct ps_err *err)
{
    struct ps_archive_download *op = user;

    if (row_index == 0) {
        ps_archive_download_forget_from(op);
        op->from = malloc(sizeof(*op->from));
        if (op->from == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", op->dest);
        }
        return ps_extract_point_decode(data, size_bytes, op->from)
                   ? PS_OK
                   : ps_err_set(err, PS_E_PARSE, "%s: its checkpoint is damaged", op->dest);
    }
    op->piece_number = row_index + 1;
    return keep_piece(op, data, size_bytes, err);
}

/* A point that fits the object and the options; else there is none. */
static bool is_of_use(const struct ps_archive_download *op)
{
    const struct ps_extract_point *from = op->from;

    return from != NULL && from->identity == op->extract.identity &&
           (!from->restartable || (from->mark.offset_bytes < op->size_bytes &&
                                   from->mark.before.algorithm == op->extract.algorithm));
}

/* What cannot be read is no checkpoint: the extraction begins at the start. */
static bool read_from(struct ps_archive_download *op, struct ps_err *err)
{
    enum ps_code code = ps_checkpoint_extract_each(op->state_db, op->dest, take_row, op, err);

    if (code != PS_OK || (op->from != NULL && !is_of_use(op))) {
        ps_archive_download_forget_from(op);
        return false;
    }
    op->extract.from = op->from;
    op->extract.pieces = op->pieces;
    op->extract.piece_count = op->piece_count;
    return true;
}

/* --- the record --- */

static enum ps_code begin_record(struct ps_archive_download *op, const struct ps_owner *owner,
                                 struct ps_err *err)
{
    const struct ps_download_record record = {
        .path = op->dest,
        .url = op->url,
        .etag = op->etag,
        .size_bytes = op->size_bytes,
        .range_size_bytes = 0, /* no ranges: a point and pieces */
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

    op->extract.identity = identity_of(op);
    job->code = ps_owner_self(&owner, &job->err);
    if (job->code == PS_OK) {
        job->code = ps_checkpoint_download_claim(op->state_db, op->dest, &owner, &found, &record,
                                                 &job->err);
    }
    if (job->code != PS_OK) {
        return;
    }
    if (!found || op->restart || record.range_size_bytes != 0 ||
        !ps_str_equal(record.url, op->url) || !ps_str_equal(record.etag, op->etag) ||
        record.size_bytes != op->size_bytes || !read_from(op, &job->err)) {
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
        ps_archive_download_fail(op, &job->err);
    }
    if (op->err.code != PS_OK) {
        ps_archive_download_try_end(op);
    } else {
        ps_archive_download_run(op);
    }
}

void ps_archive_download_claim(struct ps_archive_download *op)
{
    op->state = PS_ARCHIVE_DOWNLOAD_CLAIMING;
    op->job_running = true;
    ps_job_start(&op->job, op->loop, op, run_claim, on_claimed);
}
