#include "transfer/upload_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool ensure_buffer(struct slot *slot, size_t size_bytes)
{
    if (slot->buffer_size_bytes < size_bytes) {
        free(slot->buffer);
        slot->buffer = malloc(size_bytes);
        slot->buffer_size_bytes = slot->buffer != NULL ? size_bytes : 0;
    }
    return slot->buffer != NULL;
}

struct hashers {
    struct ps_hasher main;
    struct ps_hasher other;
    struct ps_hasher sha256;
};

static enum ps_code hashers_init(struct hashers *hashers, const struct slot *slot,
                                 struct ps_err *err)
{
    const struct ps_upload *upload = slot->upload;
    const struct part *part = &upload->parts[slot->part_index];
    enum ps_checksum_algorithm other = PS_CHECKSUM_NONE;
    enum ps_code code;

    if (part->check != CHECK_NONE && part->checksum.algorithm != upload->algorithm) {
        other = part->checksum.algorithm;
    }
    memset(hashers, 0, sizeof(*hashers));
    code = ps_hasher_init(&hashers->main, upload->algorithm, err);
    if (code == PS_OK) {
        code = ps_hasher_init(&hashers->other, other, err);
    }
    if (code == PS_OK) {
        code = ps_hasher_init(&hashers->sha256,
                              upload->wishes.sign_payload ? PS_CHECKSUM_SHA256 : PS_CHECKSUM_NONE,
                              err);
    }
    return code;
}

static void hashers_update(struct hashers *hashers, const void *data, size_t size_bytes)
{
    ps_hasher_update(&hashers->main, data, size_bytes);
    ps_hasher_update(&hashers->other, data, size_bytes);
    ps_hasher_update(&hashers->sha256, data, size_bytes);
}

static void hashers_finish(struct hashers *hashers, struct slot *slot)
{
    slot->checksum = ps_hasher_finish(&hashers->main);
    slot->other = ps_hasher_finish(&hashers->other);
    slot->sha256 = ps_hasher_finish(&hashers->sha256);
}

static void hashers_clear(struct hashers *hashers)
{
    ps_hasher_clear(&hashers->main);
    ps_hasher_clear(&hashers->other);
    ps_hasher_clear(&hashers->sha256);
}

static enum ps_code hash_file_part(struct slot *slot, struct hashers *hashers, struct ps_err *err)
{
    const struct part *part = &slot->upload->parts[slot->part_index];

    for (uint64_t done_bytes = 0; done_bytes < part->size_bytes;) {
        uint64_t left_bytes = part->size_bytes - done_bytes;
        size_t want_bytes =
            left_bytes < PS_UPLOAD_SCRATCH_BYTES ? (size_t)left_bytes : PS_UPLOAD_SCRATCH_BYTES;
        enum ps_code code = ps_file_reader_read(slot->upload->file, part->offset_bytes + done_bytes,
                                                slot->buffer, want_bytes, err);

        if (code != PS_OK) {
            return code;
        }
        hashers_update(hashers, slot->buffer, want_bytes);
        done_bytes += want_bytes;
    }
    return PS_OK;
}

/* A byte source has filled the buffer before: on_filled. */
static enum ps_code fill_stream_part(struct slot *slot, struct hashers *hashers, struct ps_err *err)
{
    struct ps_stream_reader *stream = slot->upload->stream;
    const struct part *part = &slot->upload->parts[slot->part_index];
    enum ps_code code = PS_OK;

    if (slot->resend_count == 0 && stream != NULL) {
        code = ps_stream_reader_fill(stream, slot->buffer, (size_t)part->size_bytes,
                                     &slot->filled_bytes, err);
        slot->at_end = slot->filled_bytes < part->size_bytes;
    }
    if (code == PS_OK) {
        hashers_update(hashers, slot->buffer, slot->filled_bytes);
    }
    return code;
}

static void run_read(struct ps_job *job)
{
    struct slot *slot = job->user;
    const struct ps_checksum before = slot->checksum;
    struct hashers hashers;

    job->code = hashers_init(&hashers, slot, &job->err);
    if (job->code == PS_OK) {
        job->code = slot->upload->file != NULL ? hash_file_part(slot, &hashers, &job->err)
                                               : fill_stream_part(slot, &hashers, &job->err);
    }
    if (job->code == PS_OK) {
        hashers_finish(&hashers, slot);
        if (slot->resend_count > 0 && !ps_checksum_equal(&before, &slot->checksum)) {
            job->code = ps_err_set(&job->err, PS_E_CHANGED,
                                   "part %" PRIu32 ": the source changed while it was sent",
                                   slot->part_index + 1);
        }
    }
    hashers_clear(&hashers);
}

static void on_filled(void *user, size_t got_bytes, const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_upload *upload = slot->upload;

    if (ps_upload_is_ending(upload)) {
        slot->reading = false;
        ps_upload_try_end(upload);
        return;
    }
    if (err != NULL) {
        slot->reading = false;
        ps_upload_fail(upload, err);
        return;
    }
    slot->filled_bytes = got_bytes;
    slot->at_end = got_bytes < upload->parts[slot->part_index].size_bytes;
    ps_job_start(&slot->read_job, upload->loop, slot, run_read, ps_upload_on_read);
}

void ps_upload_read_part(struct slot *slot)
{
    struct ps_upload *upload = slot->upload;
    size_t need_bytes = upload->file != NULL ? PS_UPLOAD_SCRATCH_BYTES
                                             : (size_t)upload->parts[slot->part_index].size_bytes;

    if (!ensure_buffer(slot, need_bytes)) {
        ps_upload_fail_memory(upload);
        return;
    }
    slot->reading = true;
    if (upload->made.fill != NULL && slot->resend_count == 0) {
        upload->made.fill(upload->made.user, slot->buffer,
                          (size_t)upload->parts[slot->part_index].size_bytes, on_filled, slot);
    } else {
        ps_job_start(&slot->read_job, upload->loop, slot, run_read, ps_upload_on_read);
    }
}

void ps_upload_verify_first(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->slot_count; i++) {
        struct slot *slot = &upload->slots[i];

        if (slot->ready && slot->part_index == 0) {
            /* Hashed again, as the store may know another checksum of it than the upload's. */
            slot->ready = false;
            slot->reading = true;
            slot->resend_count = 1; /* its bytes are there */
            ps_job_start(&slot->read_job, upload->loop, slot, run_read, ps_upload_on_read);
        }
    }
}
