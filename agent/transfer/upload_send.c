#include "transfer/upload_internal.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The part is at the store and equal to the source. */
void ps_upload_part_done(struct slot *slot, bool resumed)
{
    struct ps_upload *upload = slot->upload;
    struct part *part = &upload->parts[slot->part_index];
    bool noted = part->check == CHECK_NOTED;
    uint32_t part_index = slot->part_index;

    part->state = PART_DONE;
    part->checksum = slot->checksum;
    upload->done_count++;
    upload->done_bytes += part->size_bytes;
    if (resumed) {
        upload->resumed_count++;
        upload->resumed_bytes += part->size_bytes;
    } else {
        upload->sent_bytes += part->size_bytes;
    }
    ps_upload_slot_release(slot);
    if (upload->state == PS_UPLOAD_STATE_SENDING && !(resumed && noted) &&
        !ps_upload_note(upload, part_index)) {
        ps_upload_fail_memory(upload);
    }
}

static void single_done(struct slot *slot, const char *etag, bool confirmed)
{
    struct ps_upload *upload = slot->upload;

    upload->etag = ps_strdup(etag);
    upload->whole = slot->checksum;
    upload->confirmed = confirmed;
    ps_upload_part_done(slot, false);
    ps_upload_succeed(upload);
}

static bool resend(struct slot *slot, const struct ps_err *err)
{
    if (err->code != PS_E_CORRUPT || err->retry != PS_RETRY_RESEND_PART || slot->resend_count > 0) {
        return false;
    }
    slot->resend_count++;
    ps_log(slot->upload->log, PS_LOG_WARN, "upload", "%s: part %" PRIu32 ": sent again: %s",
           slot->upload->url, slot->part_index + 1, err->message);
    ps_upload_read_part(slot);
    return true;
}

static void on_looked(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_upload *upload = slot->upload;
    uint64_t size_bytes = upload->parts[slot->part_index].size_bytes;

    upload->op = NULL;
    if (err == NULL && info->size_bytes == size_bytes &&
        ps_checksum_equal(&info->checksum, &slot->checksum)) {
        single_done(slot, info->etag, true);
        return;
    }
    if (err == NULL &&
        (info->size_bytes != size_bytes || info->checksum.algorithm == slot->checksum.algorithm)) {
        upload->unknown_err.code = PS_E_EXISTS;
    }
    ps_upload_fail(upload, &upload->unknown_err);
}

/* A create-only PUT went out a second time, as the answer to the first was lost, and found an object there: ours, or
 * one that was there before? Its checksum tells. */
static void look_at_object(struct slot *slot, const struct ps_err *err)
{
    struct ps_upload *upload = slot->upload;

    upload->unknown_err = *err;
    upload->op = ps_store_head(upload->store, upload->key, on_looked, slot, NULL);
    if (upload->op == NULL) {
        ps_upload_fail(upload, err);
    }
}

static void send_failed(struct slot *slot, const struct ps_err *err)
{
    struct ps_upload *upload = slot->upload;
    struct ps_err wrapped = slot->body_err.code != PS_OK ? slot->body_err : *err;

    slot->sent_bytes = 0;
    if (wrapped.code == PS_E_NO_UPLOAD && upload->file != NULL) {
        ps_upload_slot_release(slot);
        ps_upload_begin_afresh(upload, err);
    } else if (wrapped.code == PS_E_UNKNOWN_OUTCOME && upload->state == PS_UPLOAD_STATE_SINGLE) {
        look_at_object(slot, &wrapped);
    } else if (!resend(slot, &wrapped)) {
        if (upload->state != PS_UPLOAD_STATE_SINGLE) {
            (void)ps_err_wrap(&wrapped, wrapped.code, "part %" PRIu32, slot->part_index + 1);
        }
        ps_upload_fail(upload, &wrapped);
    }
}

static void on_sent(void *user, const char *etag, const struct ps_checksum *checksum,
                    const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_upload *upload = slot->upload;
    struct part *part = &upload->parts[slot->part_index];

    slot->op = NULL;
    if (err != NULL) {
        send_failed(slot, err);
        return;
    }
    part->confirmed =
        checksum->algorithm != PS_CHECKSUM_NONE; /* it was compared by the store's code */
    if (upload->state == PS_UPLOAD_STATE_SINGLE) {
        single_done(slot, etag, part->confirmed);
        return;
    }
    free(part->etag);
    part->etag = ps_strdup(etag);
    if (part->etag == NULL) {
        ps_upload_fail_memory(upload);
        return;
    }
    part->check = CHECK_NONE; /* whatever was noted of it is written anew */
    ps_upload_part_done(slot, false);
    ps_upload_parts_step(upload);
}

static void run_warm(struct ps_job *job)
{
    struct slot *slot = job->user;
    const struct part *part = &slot->upload->parts[slot->part_index];
    uint64_t left_bytes = part->size_bytes - slot->warm_offset_bytes;
    size_t want_bytes =
        left_bytes < PS_UPLOAD_SCRATCH_BYTES ? (size_t)left_bytes : PS_UPLOAD_SCRATCH_BYTES;

    job->code =
        ps_file_reader_read(slot->upload->file, part->offset_bytes + slot->warm_offset_bytes,
                            slot->buffer, want_bytes, &job->err);
    slot->warm_size_bytes = job->code == PS_OK ? want_bytes : 0;
}

static void on_warm(struct ps_job *job)
{
    struct slot *slot = job->user;

    slot->warming = false;
    if (job->code != PS_OK) {
        ps_upload_fail(slot->upload, &job->err);
    }
    if (ps_upload_is_ending(slot->upload)) {
        ps_upload_try_end(slot->upload);
    } else if (slot->op != NULL) {
        ps_store_wake(slot->op);
    } else {
        ps_upload_parts_step(slot->upload); /* the attempt ended meanwhile; the slot is free now */
    }
}

static bool copy_warm(const struct slot *slot, uint64_t offset, void *into, size_t *size)
{
    uint64_t skip_bytes = offset - slot->warm_offset_bytes;

    if (slot->warming || slot->warm_size_bytes == 0 || offset < slot->warm_offset_bytes ||
        skip_bytes >= slot->warm_size_bytes) {
        return false;
    }
    if (*size > slot->warm_size_bytes - skip_bytes) {
        *size = slot->warm_size_bytes - (size_t)skip_bytes;
    }
    memcpy(into, slot->buffer + skip_bytes, *size);
    return true;
}

/* The loop takes what is in the page cache, where the hashing worker has just brought it. What is not there any
 * more is fetched by a worker, so that the loop never waits for a disk. */
static ssize_t read_file_body(struct slot *slot, uint64_t offset, void *into, size_t size)
{
    struct ps_upload *upload = slot->upload;
    const struct part *part = &upload->parts[slot->part_index];
    size_t got_bytes = size;

    if (copy_warm(slot, offset, into, &got_bytes)) {
        return (ssize_t)got_bytes;
    }
    if (slot->warming) {
        return PS_BODY_LATER;
    }
    if (ps_file_reader_read_cached(upload->file, part->offset_bytes + offset, into, size,
                                   &got_bytes, &slot->body_err) != PS_OK) {
        return PS_BODY_FAILED;
    }
    if (got_bytes == 0) {
        slot->warm_offset_bytes = offset;
        slot->warm_size_bytes = 0;
        slot->warming = true;
        ps_job_start(&slot->warm_job, upload->loop, slot, run_warm, on_warm);
        return PS_BODY_LATER;
    }
    return (ssize_t)got_bytes;
}

static ssize_t slot_read(void *user, uint64_t offset, void *into, size_t size)
{
    struct slot *slot = user;
    ssize_t got_bytes = (ssize_t)size;

    if (slot->upload->file != NULL) {
        got_bytes = read_file_body(slot, offset, into, size);
    } else {
        memcpy(into, slot->buffer + offset, size);
    }
    if (got_bytes > 0) {
        slot->sent_bytes = offset + (uint64_t)got_bytes;
    }
    return got_bytes;
}

static void send_single(struct slot *slot, const struct ps_body *body)
{
    struct ps_upload *upload = slot->upload;
    const struct ps_put_request request = {
        .key = upload->key,
        .body = *body,
        .checksum = slot->checksum,
        .sha256 = slot->sha256,
        .options = upload->write_options,
    };
    struct ps_err err;

    slot->op = ps_store_put(upload->store, &request, on_sent, slot, &err);
    if (slot->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}

static void send_part(struct slot *slot, const struct ps_body *body)
{
    struct ps_upload *upload = slot->upload;
    const struct ps_part_request request = {
        .key = upload->key,
        .upload_id = upload->record.upload_id,
        .part_number = slot->part_index + 1,
        .offset_bytes = upload->parts[slot->part_index].offset_bytes,
        .body = *body,
        .checksum = slot->checksum,
        .sha256 = slot->sha256,
    };
    struct ps_err err;

    slot->op = ps_store_put_part(upload->store, &request, on_sent, slot, &err);
    if (slot->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}

void ps_upload_send_slot(struct slot *slot)
{
    const struct ps_body body = {
        .size_bytes = slot->upload->parts[slot->part_index].size_bytes,
        .read = slot_read,
        .user = slot,
    };

    slot->warm_size_bytes = 0;
    ps_err_clear(&slot->body_err);
    if (slot->upload->state == PS_UPLOAD_STATE_SINGLE) {
        send_single(slot, &body);
    } else {
        send_part(slot, &body);
    }
}
