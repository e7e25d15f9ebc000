#include "transfer/upload_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/**
 * Memory for the parts of a stream that wait for the store's word. Two parts must fit or reading and sending take
 * turns. Lower: slower. Higher: more memory than a container's sidecar should take without being asked.
 */
#define STREAM_BUDGET_BYTES ((uint64_t)16 * 1024 * 1024)

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

void ps_upload_slot_release(struct slot *slot)
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
        ps_upload_slot_release(slot);
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

/* --- a part that was read --- */

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
        ps_upload_slot_release(slot);
        return;
    }
    upload->verify_failed = true;
    if (upload->file == NULL && upload->part_count == 1) {
        slot->ready = true; /* for the next candidate, or to be sent */
        slot->resend_count = 0;
        ps_upload_verify_done(upload);
    } else {
        ps_upload_slot_release(slot);
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
        ps_upload_part_done(slot, true);
    } else if (verifying) {
        part_differs(slot);
    } else if (part->check == CHECK_NOTED && (upload->file != NULL || upload->repeatable)) {
        fail_changed(slot);
    } else {
        ps_upload_send_slot(slot);
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
        ps_upload_slot_release(slot);
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

void ps_upload_on_read(struct ps_job *job)
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
        ps_upload_slot_release(slot);
        return;
    }
    part_ready(slot);
    ps_upload_parts_step(upload);
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
        ps_upload_read_part(slot);
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
