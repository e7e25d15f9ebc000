#include "transfer/upload.h"

#include "base/str.h"
#include "transfer/upload_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/**
 * Memory for the parts of a stream that wait for the store's word. Two parts must fit or reading and sending take
 * turns. Lower: slower. Higher: more memory than a container's sidecar should take without being asked.
 */
#define STREAM_BUDGET_BYTES ((uint64_t)16 * 1024 * 1024)

enum {
    PARTS_FIRST_CAPACITY = 64
};

static void read_part(struct slot *slot);

/* --- the table of parts --- */

struct part *ps_upload_part_at(struct ps_upload *upload, uint32_t part_index)
{
    if (part_index >= upload->part_capacity) {
        uint32_t capacity =
            upload->part_capacity != 0 ? upload->part_capacity : PARTS_FIRST_CAPACITY;
        struct part *parts;

        while (capacity <= part_index) {
            capacity *= 2;
        }
        parts = realloc(upload->parts, capacity * sizeof(*parts));
        if (parts == NULL) {
            return NULL;
        }
        memset(parts + upload->part_capacity, 0,
               (capacity - upload->part_capacity) * sizeof(*parts));
        upload->parts = parts;
        upload->part_capacity = capacity;
    }
    if (part_index >= upload->part_laid) {
        upload->part_laid = part_index + 1;
    }
    return &upload->parts[part_index];
}

enum ps_code ps_upload_parts_init(struct ps_upload *upload, struct ps_err *err)
{
    for (uint32_t i = 0; i < upload->plan.part_count; i++) {
        struct part *part = ps_upload_part_at(upload, i);

        if (part == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory for %" PRIu32 " parts",
                              upload->url, upload->plan.part_count);
        }
        part->offset_bytes = ps_part_plan_offset(&upload->plan, i);
        part->size_bytes = ps_part_plan_size(&upload->plan, i);
    }
    upload->part_count = upload->plan.part_count;
    return PS_OK;
}

void ps_upload_parts_clear(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->part_laid; i++) {
        free(upload->parts[i].etag);
    }
    free(upload->parts);
    upload->parts = NULL;
    upload->part_count = 0;
    upload->part_laid = 0;
    upload->part_capacity = 0;
    upload->next_part = 0;
}

void ps_upload_parts_reset(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->part_laid; i++) {
        struct part *part = &upload->parts[i];

        free(part->etag);
        part->etag = NULL;
        part->confirmed = false;
        part->check = CHECK_NONE;
        /* What a stream has read waits in its slot. */
        part->state = upload->file == NULL && i < upload->part_count ? PART_BUSY : PART_TODO;
        part->checksum = (struct ps_checksum){ .algorithm = PS_CHECKSUM_NONE };
    }
    upload->next_part = 0;
    upload->done_count = 0;
    upload->done_bytes = 0;
    upload->resumed_count = 0;
    upload->resumed_bytes = 0;
    upload->note_count = 0;
}

/* --- slots --- */

enum ps_code ps_upload_slots_init(struct ps_upload *upload, uint32_t concurrency,
                                  struct ps_err *err)
{
    if (upload->file != NULL && concurrency > upload->plan.part_count) {
        concurrency = upload->plan.part_count;
    }
    upload->slots = calloc(concurrency, sizeof(*upload->slots));
    if (upload->slots == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", upload->url);
    }
    upload->slot_count = concurrency;
    for (uint32_t i = 0; i < concurrency; i++) {
        upload->slots[i].upload = upload;
    }
    return PS_OK;
}

void ps_upload_slots_clear(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->slot_count; i++) {
        free(upload->slots[i].buffer);
    }
    free(upload->slots);
    upload->slots = NULL;
    upload->slot_count = 0;
}

static void release(struct slot *slot)
{
    slot->in_use = false;
    slot->ready = false;
    slot->resend_count = 0;
    slot->sent_bytes = 0;
    slot->warm_size_bytes = 0;
    slot->upload->busy_count--;
}

void ps_upload_slot_drop(struct ps_upload *upload, uint32_t slot_index)
{
    struct slot *slot = &upload->slots[slot_index];

    ps_store_cancel(slot->op);
    slot->op = NULL;
    if (slot->in_use && !slot->reading && !slot->ready) {
        release(slot);
    }
}

static struct slot *free_slot(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->slot_count; i++) {
        if (!upload->slots[i].in_use && !upload->slots[i].warming && !upload->slots[i].reading) {
            return &upload->slots[i];
        }
    }
    return NULL;
}

static bool ensure_buffer(struct slot *slot, size_t size_bytes)
{
    if (slot->buffer_size_bytes < size_bytes) {
        free(slot->buffer);
        slot->buffer = malloc(size_bytes);
        slot->buffer_size_bytes = slot->buffer != NULL ? size_bytes : 0;
    }
    return slot->buffer != NULL;
}

/* --- notes: done parts on their way into the checkpoint --- */

static void run_note(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_parts_done(upload->state_db, upload->record.number,
                                         upload->note_batch, upload->note_batch_count, &job->err);
}

static void on_noted(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    upload->noting = false;
    if (job->code != PS_OK) {
        upload->note_count =
            0; /* nothing more can be made durable: those parts are verified next time */
        ps_upload_fail(upload, &job->err);
    }
    if (ps_upload_is_ending(upload)) {
        ps_upload_try_end(upload);
    } else {
        ps_upload_note_flush(upload);
        ps_upload_parts_step(upload);
    }
}

void ps_upload_note_flush(struct ps_upload *upload)
{
    size_t count =
        upload->note_count < PS_UPLOAD_NOTES_MAX ? upload->note_count : PS_UPLOAD_NOTES_MAX;

    if (upload->noting || count == 0) {
        return;
    }
    memcpy(upload->note_batch, upload->notes, count * sizeof(*upload->notes));
    memmove(upload->notes, upload->notes + count,
            (upload->note_count - count) * sizeof(*upload->notes));
    upload->note_count -= count;
    upload->note_batch_count = count;
    upload->noting = true;
    ps_job_start(&upload->note_job, upload->loop, upload, run_note, on_noted);
}

static bool note(struct ps_upload *upload, uint32_t part_index)
{
    const struct part *part = &upload->parts[part_index];
    struct ps_part_record *record;

    if (upload->note_count == upload->note_capacity) {
        size_t capacity = upload->note_capacity != 0 ? upload->note_capacity * 2 : 16;
        struct ps_part_record *notes = realloc(upload->notes, capacity * sizeof(*notes));

        if (notes == NULL) {
            return false;
        }
        upload->notes = notes;
        upload->note_capacity = capacity;
    }
    record = &upload->notes[upload->note_count++];
    memset(record, 0, sizeof(*record));
    record->part_number = part_index + 1;
    record->size_bytes = part->size_bytes;
    memcpy(record->checksum, part->checksum.bytes, sizeof(record->checksum));
    ps_str_copy(record->etag, sizeof(record->etag), part->etag);
    ps_upload_note_flush(upload);
    return true;
}

/* --- one part: read and hash, compare, send --- */

/* The part is at the store and equal to the source. */
static void part_done(struct slot *slot, bool resumed)
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
    release(slot);
    if (upload->state == PS_UPLOAD_STATE_SENDING && !(resumed && noted) &&
        !note(upload, part_index)) {
        ps_upload_fail_memory(upload);
    }
}

static void single_done(struct slot *slot, const char *etag, bool confirmed)
{
    struct ps_upload *upload = slot->upload;

    upload->etag = ps_strdup(etag);
    upload->whole = slot->checksum;
    upload->confirmed = confirmed;
    part_done(slot, false);
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
    read_part(slot);
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
        release(slot);
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
    part_done(slot, false);
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

static void send_slot(struct slot *slot)
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

static bool is_as_expected(const struct slot *slot)
{
    const struct part *part = &slot->upload->parts[slot->part_index];

    return ps_checksum_equal(&part->checksum, &slot->checksum) ||
           ps_checksum_equal(&part->checksum, &slot->other);
}

static void fail_changed(struct slot *slot)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CHANGED,
                     "%s: part %" PRIu32 " differs from what the interrupted run sent: the source "
                     "changed; --restart sends it anew",
                     slot->upload->source_path, slot->part_index + 1);
    ps_upload_fail(slot->upload, &err);
}

/* A part that is not the candidate's; or one that the candidate does not have, which says nothing. */
static void part_differs(struct slot *slot)
{
    struct ps_upload *upload = slot->upload;

    if (upload->file == NULL && upload->parts[slot->part_index].check == CHECK_NONE) {
        release(slot);
        return;
    }
    upload->verify_failed = true;
    if (upload->file == NULL && upload->part_count == 1) {
        slot->ready = true; /* for the next candidate, or to be sent */
        slot->resend_count = 0;
        ps_upload_verify_done(upload);
    } else {
        release(slot);
    }
}

/* Read and hashed: compare with what is known of the part, then send it if it must be. */
static void part_ready(struct slot *slot)
{
    struct ps_upload *upload = slot->upload;
    const struct part *part = &upload->parts[slot->part_index];
    bool verifying = upload->state == PS_UPLOAD_STATE_VERIFYING;

    slot->ready = false;
    if (part->check != CHECK_NONE && is_as_expected(slot)) {
        part_done(slot, true);
    } else if (verifying) {
        part_differs(slot);
    } else if (part->check == CHECK_NOTED && (upload->file != NULL || upload->repeatable)) {
        fail_changed(slot);
    } else {
        send_slot(slot);
    }
}

/* A stream's end is seen when a part comes out short. */
static bool take_stream_part(struct slot *slot)
{
    struct ps_upload *upload = slot->upload;
    struct part *part = &upload->parts[slot->part_index];

    if (slot->resend_count > 0) {
        return true; /* it was taken before */
    }
    upload->stream_filling = false;
    upload->stream_ended = slot->at_end;
    if (slot->filled_bytes == 0 && slot->part_index > 0) {
        upload->part_count--;
        release(slot);
        return false;
    }
    if (part->check != CHECK_NONE && part->size_bytes != slot->filled_bytes) {
        part->check = CHECK_NONE;
    }
    part->offset_bytes = upload->stream_next_offset_bytes;
    part->size_bytes = slot->filled_bytes;
    upload->stream_next_offset_bytes += slot->filled_bytes;
    return true;
}

/* The first part of a stream decides between a PUT and a multipart upload. */
static void first_stream_part(struct slot *slot)
{
    struct ps_upload *upload = slot->upload;

    if (upload->stream_ended) {
        ps_upload_set_state(upload, PS_UPLOAD_STATE_SINGLE);
        part_ready(slot);
    } else {
        slot->ready = true;
        ps_upload_claim(upload);
    }
}

static void on_read(struct ps_job *job)
{
    struct slot *slot = job->user;
    struct ps_upload *upload = slot->upload;

    slot->reading = false;
    if (ps_upload_is_ending(upload)) {
        ps_upload_try_end(upload);
        return;
    }
    if (job->code != PS_OK) {
        ps_upload_fail(upload, &job->err);
        return;
    }
    if (upload->file == NULL && !take_stream_part(slot)) {
        ps_upload_parts_step(upload);
        return;
    }
    if (upload->state == PS_UPLOAD_STATE_STARTING) {
        first_stream_part(slot);
        return;
    }
    if (upload->state == PS_UPLOAD_STATE_BEGINNING) { /* begun afresh meanwhile */
        upload->parts[slot->part_index].state = PART_TODO;
        release(slot);
        return;
    }
    part_ready(slot);
    ps_upload_parts_step(upload);
}

/* --- what the worker does --- */

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
    ps_job_start(&slot->read_job, upload->loop, slot, run_read, on_read);
}

static void read_part(struct slot *slot)
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
        ps_job_start(&slot->read_job, upload->loop, slot, run_read, on_read);
    }
}

/* --- who is next --- */

static bool next_file_part(struct ps_upload *upload, uint32_t *part_index_out)
{
    bool verifying = upload->state == PS_UPLOAD_STATE_VERIFYING;

    if (verifying && upload->verify_failed) {
        return false;
    }
    while (upload->next_part < upload->part_count) {
        const struct part *part = &upload->parts[upload->next_part];

        if (part->state == PART_TODO && (!verifying || part->check != CHECK_NONE)) {
            *part_index_out = upload->next_part++;
            return true;
        }
        upload->next_part++;
    }
    return false;
}

/* What the interrupted run cut stays, whatever the policy says today: only equal parts can be compared. */
static uint64_t next_size(struct ps_upload *upload, const struct part *part)
{
    bool known = part->check == CHECK_NOTED ||
                 (part->check != CHECK_NONE && upload->state == PS_UPLOAD_STATE_VERIFYING);

    return upload->repeatable && known ? part->size_bytes : ps_upload_stream_part_size(upload);
}

/* All that the candidate has was read, or it is none of ours. */
static bool is_verified(const struct ps_upload *upload)
{
    return upload->verify_failed || upload->part_count >= upload->listed_end;
}

/* False when the memory for another part is in use; the upload fails when a part never fits. */
static bool stream_part_fits(struct ps_upload *upload, uint64_t size_bytes)
{
    uint64_t budget_bytes = STREAM_BUDGET_BYTES;
    struct ps_err err;

    if (size_bytes > upload->memory_limit_bytes) {
        (void)ps_err_set(&err, PS_E_TOO_LARGE,
                         "%s: a stream this long needs parts of %" PRIu64
                         " MiB in memory: raise transfer.memory_limit",
                         upload->url, size_bytes >> 20);
        ps_upload_fail(upload, &err);
        return false;
    }
    if (budget_bytes < 2 * size_bytes) {
        budget_bytes = 2 * size_bytes;
    }
    if (budget_bytes > upload->memory_limit_bytes) {
        budget_bytes = upload->memory_limit_bytes;
    }
    return (upload->busy_count + 1) * size_bytes <= budget_bytes || upload->busy_count == 0;
}

static bool next_stream_part(struct ps_upload *upload, uint32_t *part_index_out)
{
    uint64_t size_bytes;
    struct part *part;
    struct ps_err err;

    if (upload->stream_filling || upload->stream_ended ||
        (upload->state == PS_UPLOAD_STATE_VERIFYING && is_verified(upload))) {
        return false;
    }
    if (upload->part_count == upload->store->capabilities.part_count_max) {
        (void)ps_err_set(&err, PS_E_TOO_LARGE,
                         "%s: the stream does not fit into %" PRIu32
                         " parts: choose a larger part size",
                         upload->url, upload->part_count);
        ps_upload_fail(upload, &err);
        return false;
    }
    part = ps_upload_part_at(upload, upload->part_count);
    if (part == NULL) {
        ps_upload_fail_memory(upload);
        return false;
    }
    size_bytes = next_size(upload, part);
    if (!stream_part_fits(upload, size_bytes)) {
        return false;
    }
    if (part->check != CHECK_NONE && part->size_bytes > size_bytes) {
        part->check = CHECK_NONE;
    }
    part->size_bytes = size_bytes;
    upload->stream_filling = true;
    *part_index_out = upload->part_count++;
    return true;
}

static void start_parts(struct ps_upload *upload)
{
    while (!ps_upload_is_ending(upload)) {
        struct slot *slot = free_slot(upload);
        uint32_t part_index = 0;

        if (slot == NULL || !(upload->file != NULL ? next_file_part(upload, &part_index)
                                                   : next_stream_part(upload, &part_index))) {
            return;
        }
        slot->in_use = true;
        slot->part_index = part_index;
        upload->busy_count++;
        upload->parts[part_index].state = PART_BUSY;
        read_part(slot);
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
            ps_job_start(&slot->read_job, upload->loop, slot, run_read, on_read);
        }
    }
}

static void send_ready_slots(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->slot_count; i++) {
        if (upload->slots[i].ready && upload->state == PS_UPLOAD_STATE_SENDING) {
            part_ready(&upload->slots[i]);
        }
    }
}

static void all_parts_done(struct ps_upload *upload)
{
    if (upload->state == PS_UPLOAD_STATE_VERIFYING) {
        ps_upload_verify_done(upload);
    } else if (upload->state == PS_UPLOAD_STATE_SENDING) {
        ps_upload_note_flush(upload);
        if (!upload->noting) {
            ps_upload_complete(upload);
        }
    }
}

void ps_upload_parts_step(struct ps_upload *upload)
{
    bool source_ended;

    switch (upload->state) {
    case PS_UPLOAD_STATE_SENDING:
        send_ready_slots(upload);
        start_parts(upload);
        break;
    case PS_UPLOAD_STATE_STARTING:
    case PS_UPLOAD_STATE_SINGLE:
    case PS_UPLOAD_STATE_VERIFYING:
        start_parts(upload);
        break;
    case PS_UPLOAD_STATE_CLAIMING:
    case PS_UPLOAD_STATE_LISTING:
    case PS_UPLOAD_STATE_FINDING:
    case PS_UPLOAD_STATE_BEGINNING:
    case PS_UPLOAD_STATE_COMPLETING:
    case PS_UPLOAD_STATE_CONFIRMING:
    case PS_UPLOAD_STATE_ENDING:
    case PS_UPLOAD_STATE_DONE:
        return;
    }
    source_ended = upload->file != NULL || upload->stream_ended ||
                   (upload->state == PS_UPLOAD_STATE_VERIFYING && is_verified(upload));
    if (!ps_upload_is_ending(upload) && upload->busy_count == 0 && source_ended) {
        all_parts_done(upload);
    }
}
