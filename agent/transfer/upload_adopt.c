#include "transfer/upload.h"

#include "base/str.h"
#include "transfer/upload_internal.h"

#include <stdlib.h>
#include <string.h>

/* No usable record: look for the upload at the store. It is adopted when every part that it has is one of ours. */

/**
 * How much older than its record an upload without a known upload_id may look: clocks of stores differ from ours.
 */
#define CLOCK_TOLERANCE_MS ((int64_t)15 * 60 * 1000)

static void try_candidate(struct ps_upload *upload);

/* What a byte source has made to verify them is gone: noted, they are compared by size and CRC when it is read again. */
static enum ps_code note_verified(struct ps_upload *upload, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (uint32_t i = 0; i < upload->part_laid && code == PS_OK; i++) {
        const struct part *part = &upload->parts[i];
        struct ps_part_record record = { .part_number = i + 1, .size_bytes = part->size_bytes };

        if (part->state == PART_DONE && part->etag != NULL) {
            memcpy(record.checksum, part->checksum.bytes, sizeof(record.checksum));
            ps_str_copy(record.etag, sizeof(record.etag), part->etag);
            code =
                ps_checkpoint_parts_done(upload->state_db, upload->record.number, &record, 1, err);
        }
    }
    return code;
}

static void run_adopt(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_begin(upload->state_db, &upload->record, &job->err);
    if (job->code == PS_OK) {
        job->code = ps_checkpoint_update(upload->state_db, &upload->record, &job->err);
    }
    if (job->code == PS_OK && upload->file == NULL) {
        job->code = note_verified(upload, &job->err);
    }
}

static void after_adopt(struct ps_upload *upload)
{
    /* The verified parts become durable notes now that there is a record to hang them on. */
    for (uint32_t i = 0; i < upload->part_count; i++) {
        if (upload->parts[i].state == PART_DONE) {
            upload->parts[i].state = PART_TODO;
            upload->parts[i].check = CHECK_STORED;
        }
    }
    upload->done_count = 0;
    upload->done_bytes = 0;
    upload->resumed_count = 0;
    upload->resumed_bytes = 0;
    ps_log(upload->log, PS_LOG_INFO, "upload",
           "%s: the checkpoint was lost; upload %s was found at the store and every part verified",
           upload->url, upload->record.upload_id);
    if (upload->file != NULL) {
        ps_upload_start_sending(upload);
    } else {
        ps_upload_read_again(upload);
    }
}

static void adopt(struct ps_upload *upload)
{
    const struct candidate *candidate = &upload->candidates[upload->candidate_index];

    upload->adopted = !upload->claim_found;
    if (!ps_upload_fill_record(upload, PS_UPLOAD_SENDING, candidate->upload_id)) {
        ps_upload_fail_memory(upload);
        return;
    }
    ps_upload_control(upload, run_adopt, after_adopt);
}

static void next_candidate(struct ps_upload *upload)
{
    upload->candidate_index++;
    upload->listed_count = 0;
    upload->listed_end = 0;
    ps_upload_parts_reset(upload);
    ps_upload_set_state(upload, PS_UPLOAD_STATE_FINDING);
    try_candidate(upload);
}

void ps_upload_verify_done(struct ps_upload *upload)
{
    bool read_on = upload->file == NULL && upload->part_count > 1;

    if (upload->file == NULL && upload->done_count != upload->listed_count) {
        upload->verify_failed = true; /* the source ended before a part that is listed */
    }
    if (!upload->verify_failed) {
        adopt(upload);
        return;
    }
    ps_log(upload->log, PS_LOG_INFO, "upload",
           "%s: upload %s at the store is of other content: left alone", upload->url,
           upload->candidates[upload->candidate_index].upload_id);
    if (read_on) {
        upload->adopt_refused = true;
        ps_upload_read_again(upload);
    } else {
        next_candidate(upload);
    }
}

/* All parts but the last of an upload have one size: the plan follows from the largest. */
static enum ps_code plan_from_listed(struct ps_upload *upload, uint64_t part_size_bytes,
                                     struct ps_err *err)
{
    const struct ps_part_limits limits = { 1, UINT64_MAX,
                                           upload->store->capabilities.part_count_max };
    enum ps_code code = ps_part_plan_init(&upload->plan, upload->plan.object_size_bytes,
                                          part_size_bytes, &limits, err);

    if (code == PS_OK) {
        ps_upload_parts_clear(upload);
        code = ps_upload_parts_init(upload, err);
    }
    return code;
}

/* Take over a page of a file's parts; one that does not fit ends the candidate. */
static void take_file_parts(struct ps_upload *upload, const struct ps_part_info *parts,
                            size_t count)
{
    if (count > 0 && upload->part_laid > 0 && upload->parts[0].etag == NULL &&
        parts[0].size_bytes != upload->plan.part_size_bytes &&
        plan_from_listed(upload, parts[0].size_bytes, NULL) != PS_OK) {
        upload->verify_failed = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!ps_upload_take_stored_part(upload, &parts[i]) ||
            upload->parts[parts[i].part_number - 1].check == CHECK_NONE) {
            upload->verify_failed = true;
        }
    }
}

/* The same of a source whose first part is read and waits. Only a candidate that has that part can be told from others
 * before the rest is made. */
static void take_made_parts(struct ps_upload *upload, const struct ps_part_info *parts,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ps_upload_take_stored_part(upload, &parts[i]) ||
            upload->parts[parts[i].part_number - 1].check == CHECK_NONE) {
            upload->verify_failed = true;
        }
        upload->listed_count++;
        if (parts[i].part_number > upload->listed_end) {
            upload->listed_end = parts[i].part_number;
        }
    }
    if (upload->parts[0].check == CHECK_NONE) {
        upload->verify_failed = true;
    }
}

static void verify_candidate(struct ps_upload *upload, size_t count)
{
    bool own = upload->claim_found; /* our record says that an upload was being created */

    if (count == 0 && !own) {
        upload->verify_failed = true; /* nothing proves that an empty upload is not another pod's */
    }
    if (upload->file == NULL && !own && !upload->verify_failed) {
        ps_upload_set_state(upload, PS_UPLOAD_STATE_VERIFYING);
        ps_upload_verify_first(upload);
        return;
    }
    if (upload->file == NULL) {
        /* Ours and empty, as nothing is sent before its record has an upload_id; or another's. */
        ps_upload_verify_done(upload);
        return;
    }
    ps_upload_set_state(upload, PS_UPLOAD_STATE_VERIFYING);
    upload->next_part = 0;
    ps_upload_parts_step(upload);
}

static void on_candidate_parts(void *user, const struct ps_part_info *parts, size_t count,
                               bool more, const struct ps_err *err)
{
    struct ps_upload *upload = user;

    if (err != NULL) {
        upload->op = NULL;
        next_candidate(upload); /* gone or not ours to see */
        return;
    }
    if (upload->file != NULL) {
        take_file_parts(upload, parts, count);
    } else if (upload->claim_found && count > 0) {
        upload->verify_failed = true; /* a record without upload_id: nothing of ours was sent */
    } else if (!upload->claim_found) {
        take_made_parts(upload, parts, count);
    }
    if (!more) {
        upload->op = NULL;
        verify_candidate(upload, count);
    }
}

static void try_candidate(struct ps_upload *upload)
{
    const struct candidate *candidate;
    struct ps_err err;

    if (upload->candidate_index >= upload->candidate_count) {
        ps_upload_begin(upload);
        return;
    }
    candidate = &upload->candidates[upload->candidate_index];
    upload->verify_failed =
        candidate->checksum != PS_CHECKSUM_NONE && candidate->checksum != upload->algorithm;
    if (upload->verify_failed ||
        (upload->claim_found &&
         candidate->initiated_unix_ms + CLOCK_TOLERANCE_MS < upload->record.created_unix_ms)) {
        next_candidate(upload);
        return;
    }
    upload->op = ps_store_list_parts(upload->store, upload->key, candidate->upload_id,
                                     on_candidate_parts, upload, &err);
    if (upload->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}

static int newest_first(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;

    if (a->initiated_unix_ms == b->initiated_unix_ms) {
        return 0;
    }
    return a->initiated_unix_ms < b->initiated_unix_ms ? 1 : -1;
}

static void keep_candidate(struct ps_upload *upload, const struct ps_upload_info *info)
{
    struct candidate *candidate = &upload->candidates[upload->candidate_count];

    if (strcmp(info->key, upload->key) != 0 ||
        upload->candidate_count == PS_UPLOAD_CANDIDATES_MAX) {
        return;
    }
    candidate->upload_id = ps_strdup(info->upload_id);
    candidate->initiated_unix_ms = info->initiated_unix_ms;
    candidate->checksum = info->checksum;
    if (candidate->upload_id != NULL) {
        upload->candidate_count++;
    }
}

static void on_found_uploads(void *user, const struct ps_upload_info *uploads, size_t count,
                             bool more, const struct ps_err *err)
{
    struct ps_upload *upload = user;

    if (err != NULL) {
        upload->op = NULL;
        if (err->code == PS_E_DENIED || err->code == PS_E_UNSUPPORTED) {
            ps_log(upload->log, PS_LOG_INFO, "upload",
                   "%s: interrupted uploads cannot be looked for: %s", upload->url, err->message);
            ps_upload_begin(upload);
        } else {
            ps_upload_fail(upload, err);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        keep_candidate(upload, &uploads[i]);
    }
    if (!more) {
        upload->op = NULL;
        qsort(upload->candidates, upload->candidate_count, sizeof(upload->candidates[0]),
              newest_first);
        try_candidate(upload);
    }
}

void ps_upload_find(struct ps_upload *upload)
{
    struct ps_err err;

    ps_upload_set_state(upload, PS_UPLOAD_STATE_FINDING);
    if (upload->file == NULL && !upload->claim_found && !upload->repeatable) {
        /* What comes once cannot be read to verify, and parts may only be replaced in an upload of our own. */
        ps_upload_begin(upload);
        return;
    }
    upload->op = ps_store_list_uploads(upload->store, upload->key, on_found_uploads, upload, &err);
    if (upload->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}
