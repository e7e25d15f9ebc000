#include "transfer/upload_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static void list_parts(struct ps_upload *upload);

/* --- what the store says of one part --- */

/* Without a checksum of its own, a part's ETag is its MD5 on most S3 stores (not with SSE-KMS or SSE-C: then it does
 * not match and the part is sent again). */
static struct ps_checksum checksum_of_etag(const char *etag)
{
    struct ps_checksum sum = { .algorithm = PS_CHECKSUM_NONE };
    size_t length = strlen(etag);

    if (length != 34 || etag[0] != '"' || etag[33] != '"') {
        return sum;
    }
    for (size_t i = 0; i < 16; i++) {
        char pair[3] = { etag[1 + 2 * i], etag[2 + 2 * i], '\0' };
        char *end = NULL;
        unsigned long value = strtoul(pair, &end, 16);

        if (end != pair + 2) {
            return (struct ps_checksum){ .algorithm = PS_CHECKSUM_NONE };
        }
        sum.bytes[i] = (uint8_t)value;
    }
    sum.algorithm = PS_CHECKSUM_MD5;
    return sum;
}

/* Take over what ListParts says of a part; false when it cannot belong to this plan. */
bool ps_upload_take_stored_part(struct ps_upload *upload, const struct ps_part_info *info)
{
    struct part *part;

    if (info->part_number == 0 || info->part_number > upload->store->capabilities.part_count_max ||
        (upload->file != NULL && info->part_number > upload->part_count)) {
        return false;
    }
    part = ps_upload_part_at(upload, info->part_number - 1);
    if (part == NULL) {
        return false;
    }
    if (part->state != PART_TODO && upload->file != NULL) {
        return true;
    }
    if (upload->file == NULL && part->state == PART_TODO) {
        part->size_bytes = info->size_bytes;
    }
    if (part->size_bytes != info->size_bytes) {
        return false;
    }
    free(part->etag);
    part->etag = ps_strdup(info->etag);
    part->checksum = info->checksum.algorithm != PS_CHECKSUM_NONE ? info->checksum
                                                                  : checksum_of_etag(info->etag);
    part->check = part->etag != NULL && part->checksum.algorithm != PS_CHECKSUM_NONE ? CHECK_STORED
                                                                                     : CHECK_NONE;
    part->confirmed = part->check == CHECK_STORED;
    return true;
}

/* What the checkpoint says counts where the store has the same part: its checksum was computed from the source. */
static void join_noted_parts(struct ps_upload *upload)
{
    for (size_t i = 0; i < upload->noted_before_count; i++) {
        const struct ps_part_record *noted = &upload->noted_before[i];
        struct ps_checksum stored;
        struct part *part;

        if (noted->part_number == 0 || noted->part_number > upload->part_laid) {
            continue;
        }
        part = &upload->parts[noted->part_number - 1];
        if (part->etag == NULL || strcmp(part->etag, noted->etag) != 0 ||
            part->size_bytes != noted->size_bytes) {
            continue; /* the store lost it, or another one took its place: compare with what is there now */
        }
        part->check = CHECK_NOTED;
        stored = part->checksum;
        part->checksum.algorithm = upload->algorithm;
        memcpy(part->checksum.bytes, noted->checksum, sizeof(part->checksum.bytes));
        part->confirmed = ps_checksum_equal(&stored, &part->checksum);
    }
}

static void forget_uploads_end(struct ps_upload *upload)
{
    for (size_t i = 0; i < upload->candidate_count; i++) {
        free(upload->candidates[i].upload_id);
    }
    upload->candidate_count = 0;
    upload->candidate_index = 0;
}

void ps_upload_start_sending(struct ps_upload *upload)
{
    forget_uploads_end(upload);
    upload->next_part = 0;
    ps_upload_set_state(upload, PS_UPLOAD_STATE_SENDING);
    ps_upload_parts_step(upload);
}

/* --- claim: is there a checkpoint of ours? --- */

static void run_claim(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_owner_self(&upload->record.owner, &job->err);
    if (job->code != PS_OK) {
        return;
    }
    const struct ps_owner owner = upload->record.owner;

    job->code = ps_checkpoint_claim(upload->state_db, upload->url, &owner, &upload->claim_found,
                                    &upload->record, &job->err);
    if (job->code == PS_OK && upload->claim_found) {
        job->code =
            ps_checkpoint_parts(upload->state_db, upload->record.number, &upload->noted_before,
                                &upload->noted_before_count, &job->err);
    }
    upload->record.owner = owner;
}

static const char *what_changed(const struct ps_source_identity *then,
                                const struct ps_source_identity *now)
{
    if (then->kind != now->kind) {
        return "was another kind of source";
    }
    if (then->size_bytes != now->size_bytes) {
        return "had another size";
    }
    if (then->device != now->device || then->inode != now->inode) {
        return "was another file";
    }
    if (memcmp(then->digest, now->digest, PS_BYTE_SOURCE_CONTENT_BYTES) != 0) {
        return "had other files, times or options";
    }
    return then->mtime_ns != now->mtime_ns ? "was written to since" : NULL;
}

/* The same content, made to other bytes: by another version of a compressor, or for another CPU. */
static bool is_made_otherwise(const struct ps_upload *upload, const struct ps_source_identity *now)
{
    return memcmp(upload->record.source.digest, now->digest, sizeof(now->digest)) != 0;
}

static void after_abandoned(struct ps_upload *upload)
{
    ps_upload_event(upload, PS_TRANSFER_AFRESH,
                    upload->wishes.restart
                        ? "the interrupted upload was thrown away"
                        : "the interrupted upload was made by another version or "
                          "CPU, whose bytes differ: starting afresh");
    ps_upload_begin(upload);
}

static void run_end_record(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_end(upload->state_db, upload->record.number, upload->url, &job->err);
}

static void on_abandoned(void *user, const struct ps_err *err)
{
    struct ps_upload *upload = user;

    upload->op = NULL;
    if (err != NULL && err->code != PS_E_NO_UPLOAD) {
        ps_upload_fail(upload, err);
        return;
    }
    ps_upload_control(upload, run_end_record, after_abandoned);
}

/* The parts at the store, which our own record names, go away before new ones are sent. */
static void abandon(struct ps_upload *upload)
{
    struct ps_err err;

    ps_upload_set_state(upload, PS_UPLOAD_STATE_LISTING);
    if (upload->record.upload_id == NULL) {
        ps_upload_control(upload, run_end_record, after_abandoned);
        return;
    }
    upload->op = ps_store_abort(upload->store, upload->key, upload->record.upload_id, on_abandoned,
                                upload, &err);
    if (upload->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}

/* The plan of the interrupted run stays, whatever the policy says today: parts of two plans do not fit together. */
static enum ps_code take_recorded_plan(struct ps_upload *upload, struct ps_err *err)
{
    const struct ps_store_capabilities *can = &upload->store->capabilities;
    const struct ps_part_limits limits = { 1, UINT64_MAX, can->part_count_max };
    enum ps_code code;

    upload->algorithm = (enum ps_checksum_algorithm)upload->record.checksum_algorithm;
    upload->write_options.checksum = upload->algorithm;
    if (upload->file == NULL || upload->record.part_size_bytes == upload->plan.part_size_bytes) {
        return PS_OK;
    }
    code = ps_part_plan_init(&upload->plan, upload->plan.object_size_bytes,
                             upload->record.part_size_bytes, &limits, err);
    if (code != PS_OK) {
        return code;
    }
    ps_upload_parts_clear(upload);
    return ps_upload_parts_init(upload, err);
}

static void check_claimed(struct ps_upload *upload)
{
    const struct ps_source_identity now = ps_upload_identity(upload);
    const char *change = what_changed(&upload->record.source, &now);
    struct ps_err err;

    if (upload->wishes.restart || (change == NULL && is_made_otherwise(upload, &now))) {
        abandon(upload);
    } else if (change != NULL) {
        (void)ps_err_set(&err, PS_E_CHANGED,
                         "%s: the source of the interrupted upload %s; --restart sends the new one",
                         upload->url, change);
        ps_upload_fail(upload, &err);
    } else if (take_recorded_plan(upload, &err) != PS_OK) {
        ps_upload_fail(upload, &err);
    } else if (upload->record.upload_id == NULL) {
        ps_upload_find(upload);
    } else {
        ps_upload_set_state(upload, PS_UPLOAD_STATE_LISTING);
        list_parts(upload);
    }
}

static void after_claim(struct ps_upload *upload)
{
    if (upload->claim_found) {
        check_claimed(upload);
    } else if (upload->wishes.restart || upload->adopt_refused) {
        ps_upload_begin(upload);
    } else {
        ps_upload_find(upload);
    }
}

void ps_upload_claim(struct ps_upload *upload)
{
    struct ps_err err;

    ps_upload_set_state(upload, PS_UPLOAD_STATE_CLAIMING);
    free(upload->noted_before); /* of a claim before a byte source was read again */
    upload->noted_before = NULL;
    upload->noted_before_count = 0;
    upload->state_db = upload->open_state(upload->open_state_user, &err);
    if (upload->state_db == NULL) {
        ps_upload_fail(upload, &err);
        return;
    }
    ps_upload_control(upload, run_claim, after_claim);
}

/* --- a recorded upload: reconcile with ListParts --- */

static void reconciled(struct ps_upload *upload)
{
    join_noted_parts(upload);
    ps_log(upload->log, PS_LOG_INFO, "upload", "%s: resumes upload %s", upload->url,
           upload->record.upload_id);
    ps_upload_start_sending(upload);
}

static void on_listed_parts(void *user, const struct ps_part_info *parts, size_t count, bool more,
                            const struct ps_err *err)
{
    struct ps_upload *upload = user;

    if (err != NULL) {
        upload->op = NULL;
        if (err->code != PS_E_NO_UPLOAD) {
            ps_upload_fail(upload, err);
        } else if (upload->record.phase == PS_UPLOAD_COMPLETING) {
            ps_upload_confirm(upload); /* gone because it was completed? */
        } else {
            ps_upload_begin_afresh(upload, err);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        (void)ps_upload_take_stored_part(upload,
                                         &parts[i]); /* one that does not fit is sent again */
    }
    if (!more) {
        upload->op = NULL;
        reconciled(upload);
    }
}

static void list_parts(struct ps_upload *upload)
{
    struct ps_err err;

    upload->op = ps_store_list_parts(upload->store, upload->key, upload->record.upload_id,
                                     on_listed_parts, upload, &err);
    if (upload->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}
