#include "transfer/upload.h"

#include "base/str.h"
#include "transfer/upload_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Complete is sent again this often when its outcome stays unknown and the upload is still there. */
enum {
    COMPLETE_COUNT_MAX = 3
};

static void send_complete(struct ps_upload *upload);

enum ps_code ps_upload_whole_checksum(const struct ps_upload *upload, struct ps_checksum *whole_out,
                                      struct ps_err *err)
{
    struct ps_checksum whole = upload->parts[0].checksum;

    if (upload->part_count > 1 && !ps_checksum_can_combine(upload->algorithm)) {
        *whole_out = (struct ps_checksum){ .algorithm = PS_CHECKSUM_NONE };
        return PS_OK;
    }
    for (uint32_t i = 1; i < upload->part_count; i++) {
        enum ps_code code = ps_checksum_combine(&whole, &upload->parts[i].checksum,
                                                upload->parts[i].size_bytes, err);

        if (code != PS_OK) {
            return code;
        }
    }
    *whole_out = whole;
    return PS_OK;
}

static void run_end_record(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_end(upload->state_db, upload->record.number, upload->url, &job->err);
}

static void after_end_record(struct ps_upload *upload)
{
    ps_upload_succeed(upload);
}

static void object_is_there(struct ps_upload *upload, const char *etag)
{
    free(upload->etag);
    upload->etag = ps_strdup(etag);
    ps_upload_control(upload, run_end_record, after_end_record);
}

/* --- after an unknown outcome: is the object there, and is it ours? --- */

/* The ETag that S3 gives to a multipart object: MD5 of the parts' MD5s, and their count. */
static bool is_predicted_etag(const struct ps_upload *upload, const char *etag)
{
    struct ps_hasher hasher;
    struct ps_checksum md5;
    char hex[2 * PS_CHECKSUM_SIZE_MAX + 1];
    char predicted[64];

    if (upload->algorithm != PS_CHECKSUM_MD5 ||
        ps_hasher_init(&hasher, PS_CHECKSUM_MD5, NULL) != PS_OK) {
        return false;
    }
    for (uint32_t i = 0; i < upload->part_count; i++) {
        ps_hasher_update(&hasher, upload->parts[i].checksum.bytes, 16);
    }
    md5 = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
    (void)snprintf(predicted, sizeof(predicted), "\"%s-%" PRIu32 "\"",
                   ps_checksum_to_hex(&md5, hex), upload->part_count);
    return strcmp(predicted, etag) == 0;
}

static bool is_our_object(const struct ps_upload *upload, const struct ps_object_info *info)
{
    uint64_t size_bytes =
        upload->file != NULL ? upload->plan.object_size_bytes : upload->stream_next_offset_bytes;

    return info->size_bytes == size_bytes && (ps_checksum_equal(&info->checksum, &upload->whole) ||
                                              is_predicted_etag(upload, info->etag));
}

static void fail_unknown(struct ps_upload *upload)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_TEMPORARY,
                     "%s: the store did not say whether the upload was completed; run the same "
                     "command again",
                     upload->url);
    ps_upload_fail(upload, &err);
}

static void on_still_there(void *user, const struct ps_part_info *parts, size_t count, bool more,
                           const struct ps_err *err)
{
    struct ps_upload *upload = user;

    (void)parts;
    (void)count;
    if (err != NULL) {
        upload->op = NULL;
        if (err->code == PS_E_NO_UPLOAD && upload->file != NULL) {
            ps_upload_begin_afresh(upload, err);
        } else if (err->code == PS_E_NO_UPLOAD && upload->repeatable) {
            struct ps_err lost;

            (void)ps_err_set(&lost, PS_E_NO_UPLOAD,
                             "%s: the store has neither the interrupted upload nor its object any "
                             "more; --restart sends it anew",
                             upload->url);
            ps_upload_fail(upload, &lost);
        } else {
            ps_upload_fail(upload, err);
        }
        return;
    }
    if (more) {
        return;
    }
    upload->op = NULL;
    if (upload->complete_count < COMPLETE_COUNT_MAX) {
        send_complete(upload);
    } else {
        fail_unknown(upload);
    }
}

/* Not our object: either Complete had no effect and the upload is still there, or it is lost. */
static void look_for_upload(struct ps_upload *upload)
{
    struct ps_err err;

    upload->op = ps_store_list_parts(upload->store, upload->key, upload->record.upload_id,
                                     on_still_there, upload, &err);
    if (upload->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_upload *upload = user;

    upload->op = NULL;
    if (err != NULL && err->code != PS_E_NOT_FOUND) {
        ps_upload_fail(upload, err);
    } else if (err == NULL && is_our_object(upload, info)) {
        upload->confirmed = true;
        object_is_there(upload, info->etag);
    } else {
        look_for_upload(upload);
    }
}

static void head_object(struct ps_upload *upload)
{
    struct ps_err err;

    upload->op = ps_store_head(upload->store, upload->key, on_head, upload, &err);
    if (upload->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}

/* The checkpoint of an earlier run says COMPLETING and the store does not know the upload: what the object must be
 * follows from the noted parts alone. */
static bool take_noted_parts(struct ps_upload *upload)
{
    if (upload->noted_before_count == 0 ||
        (upload->file != NULL && upload->noted_before_count != upload->part_count)) {
        return false;
    }
    for (size_t i = 0; i < upload->noted_before_count; i++) {
        const struct ps_part_record *noted = &upload->noted_before[i];
        struct part *part = ps_upload_part_at(upload, noted->part_number - 1);

        if (noted->part_number != i + 1 || part == NULL) {
            return false;
        }
        part->checksum.algorithm = upload->algorithm;
        memcpy(part->checksum.bytes, noted->checksum, sizeof(part->checksum.bytes));
        part->size_bytes = noted->size_bytes;
    }
    return true;
}

/* A byte source's parts are known from the notes only: all of them, as the record says COMPLETING. */
static void count_noted_parts(struct ps_upload *upload)
{
    if (upload->file != NULL) {
        return;
    }
    upload->part_count = (uint32_t)upload->noted_before_count;
    upload->stream_next_offset_bytes = 0;
    for (size_t i = 0; i < upload->noted_before_count; i++) {
        upload->stream_next_offset_bytes += upload->noted_before[i].size_bytes;
    }
}

static void confirm_earlier_run(struct ps_upload *upload)
{
    bool known = upload->file != NULL || upload->repeatable;
    struct ps_err err;

    if (known && take_noted_parts(upload)) {
        count_noted_parts(upload);
    } else {
        known = false;
    }
    if (!known || ps_upload_whole_checksum(upload, &upload->whole, &err) != PS_OK) {
        (void)ps_err_set(&err, PS_E_NO_UPLOAD, "%s: the store has forgotten the upload",
                         upload->url);
        ps_upload_begin_afresh(upload, &err);
        return;
    }
    upload->done_bytes =
        upload->file != NULL ? upload->plan.object_size_bytes : upload->stream_next_offset_bytes;
    upload->done_count = upload->part_count;
    upload->resumed_count = upload->part_count;
    upload->resumed_bytes = upload->done_bytes;
    head_object(upload);
}

void ps_upload_confirm(struct ps_upload *upload)
{
    bool earlier = upload->state == PS_UPLOAD_STATE_LISTING;

    ps_upload_set_state(upload, PS_UPLOAD_STATE_CONFIRMING);
    if (earlier) {
        confirm_earlier_run(upload);
    } else {
        head_object(upload);
    }
}

/* --- refused: what was to be created only is there; nobody will complete these parts --- */

static void after_refused(struct ps_upload *upload)
{
    const struct ps_err err = upload->refused_err;

    ps_upload_fail(upload, &err);
}

static void on_aborted(void *user, const struct ps_err *err)
{
    struct ps_upload *upload = user;

    upload->op = NULL;
    if (err != NULL) {
        /* The record stays, so that `purser uploads` shows what is left. */
        ps_log(upload->log, PS_LOG_WARN, "upload", "%s: its parts stay at the store: %s",
               upload->url, err->message);
        after_refused(upload);
        return;
    }
    ps_upload_control(upload, run_end_record, after_refused);
}

static void abort_refused(struct ps_upload *upload, const struct ps_err *err)
{
    upload->refused_err = *err;
    upload->op = ps_store_abort(upload->store, upload->key, upload->record.upload_id, on_aborted,
                                upload, NULL);
    if (upload->op == NULL) {
        ps_upload_fail(upload, err);
    }
}

/* --- complete --- */

static bool all_parts_confirmed(const struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->part_count; i++) {
        if (!upload->parts[i].confirmed) {
            return false;
        }
    }
    return true;
}

static void on_completed(void *user, const char *etag, const struct ps_checksum *checksum,
                         const struct ps_err *err)
{
    struct ps_upload *upload = user;

    upload->op = NULL;
    if (err == NULL) {
        upload->confirmed = checksum->algorithm != PS_CHECKSUM_NONE || all_parts_confirmed(upload);
        object_is_there(upload, etag);
    } else if (err->code == PS_E_UNKNOWN_OUTCOME || err->code == PS_E_NO_UPLOAD) {
        ps_log(upload->log, PS_LOG_WARN, "upload", "%s: complete: %s: looking at the object",
               upload->url, err->message);
        ps_upload_confirm(upload);
    } else if (err->code == PS_E_EXISTS) {
        abort_refused(upload, err);
    } else {
        ps_upload_fail(upload, err);
    }
}

static struct ps_part_info *part_list(const struct ps_upload *upload)
{
    struct ps_part_info *list = calloc(upload->part_count, sizeof(*list));

    for (uint32_t i = 0; list != NULL && i < upload->part_count; i++) {
        list[i].part_number = i + 1;
        list[i].size_bytes = upload->parts[i].size_bytes;
        list[i].etag = upload->parts[i].etag;
        list[i].checksum = upload->parts[i].checksum;
    }
    return list;
}

static void send_complete(struct ps_upload *upload)
{
    struct ps_part_info *list = part_list(upload);
    struct ps_complete_request request = {
        .key = upload->key,
        .upload_id = upload->record.upload_id,
        .parts = list,
        .part_count = upload->part_count,
        .size_bytes = upload->done_bytes,
        .checksum = upload->whole,
        .options = upload->write_options,
    };
    struct ps_err err;

    upload->complete_count++;
    ps_upload_set_state(upload, PS_UPLOAD_STATE_COMPLETING);
    if (list == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "%s: out of memory", upload->url);
    } else {
        upload->op = ps_store_complete(upload->store, &request, on_completed, upload, &err);
    }
    free(list);
    if (upload->op == NULL) {
        ps_upload_fail(upload, &err);
    }
}

static void after_recorded(struct ps_upload *upload)
{
    send_complete(upload);
}

static void run_record_completing(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    /* The last moment at which a changed source can still be told from a whole object. */
    if (upload->file != NULL) {
        job->code = ps_file_reader_check(upload->file, &job->err);
    }
    if (job->code == PS_OK) {
        upload->record.phase = PS_UPLOAD_COMPLETING;
        job->code = ps_checkpoint_update(upload->state_db, &upload->record, &job->err);
    }
}

void ps_upload_complete(struct ps_upload *upload)
{
    struct ps_err err;

    if (ps_upload_whole_checksum(upload, &upload->whole, &err) != PS_OK) {
        ps_upload_fail(upload, &err);
        return;
    }
    if (upload->resumed_count > 0) {
        ps_upload_event(upload, upload->adopted ? PS_TRANSFER_ADOPTED : PS_TRANSFER_RESUMED,
                        "resumed");
    }
    ps_upload_set_state(upload, PS_UPLOAD_STATE_COMPLETING);
    ps_upload_control(upload, run_record_completing, after_recorded);
}
