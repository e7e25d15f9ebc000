#include "transfer/upload_internal.h"

#include "base/str.h"

#include <string.h>

struct ps_source_identity ps_upload_identity(const struct ps_upload *upload)
{
    struct ps_source_identity identity = { .kind = PS_SOURCE_STREAM };

    if (upload->file != NULL) {
        const struct ps_file_identity *file = ps_file_reader_identity(upload->file);

        identity.kind = PS_SOURCE_FILE;
        identity.device = file->device;
        identity.inode = file->inode;
        identity.size_bytes = file->size_bytes;
        identity.mtime_ns = file->mtime_ns;
    } else if (upload->repeatable) {
        identity.kind = PS_SOURCE_TREE;
        memcpy(identity.digest, upload->made_identity, sizeof(identity.digest));
    }
    return identity;
}

bool ps_upload_fill_record(struct ps_upload *upload, enum ps_upload_phase phase,
                           const char *upload_id)
{
    struct ps_upload_record *record = &upload->record;
    const struct ps_owner owner = record->owner;

    ps_upload_record_clear(record);
    memset(record, 0, sizeof(*record));
    record->owner = owner;
    record->url = ps_strdup(upload->url);
    record->upload_id = ps_strdup(upload_id);
    record->source_path = ps_strdup(upload->source_path);
    record->policy_digest = ps_strdup(upload->policy_digest);
    record->phase = phase;
    record->source = ps_upload_identity(upload);
    record->checksum_algorithm = (uint8_t)upload->algorithm;
    record->created_unix_ms = ps_clock_unix_ms(upload->clock);
    record->updated_unix_ms = record->created_unix_ms;
    if (upload->file != NULL) {
        record->part_size_bytes = upload->plan.part_size_bytes;
        record->part_count = upload->plan.part_count;
    } else {
        record->part_size_bytes = upload->parts[0].size_bytes;
    }
    return record->url != NULL && record->policy_digest != NULL &&
           (record->upload_id != NULL || upload_id == NULL);
}

static void run_end_record(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_end(upload->state_db, upload->record.number, upload->url, &job->err);
}

static void after_begun(struct ps_upload *upload)
{
    ps_upload_start_sending(upload);
}

static void run_update(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_update(upload->state_db, &upload->record, &job->err);
}

static void after_refused(struct ps_upload *upload)
{
    const struct ps_err err = upload->refused_err;

    ps_upload_fail(upload, &err);
}

static void on_begun(void *user, const char *upload_id, const struct ps_err *err)
{
    struct ps_upload *upload = user;

    upload->op = NULL;
    if (err != NULL && err->code != PS_E_TEMPORARY && err->code != PS_E_UNKNOWN_OUTCOME) {
        /* Surely nothing was created: no record needs to remember it. */
        upload->refused_err = *err;
        ps_upload_control(upload, run_end_record, after_refused);
        return;
    }
    if (err != NULL) {
        ps_upload_fail(upload, err);
        return;
    }
    upload->record.upload_id = ps_strdup(upload_id);
    upload->record.phase = PS_UPLOAD_SENDING;
    if (upload->record.upload_id == NULL) {
        ps_upload_fail_memory(upload);
        return;
    }
    ps_upload_control(upload, run_update, after_begun);
}

static void after_recorded(struct ps_upload *upload)
{
    const struct ps_begin_request request = {
        .key = upload->key,
        .options = upload->write_options,
        .has_size = upload->file != NULL,
        .size_bytes = upload->file != NULL ? upload->plan.object_size_bytes : 0,
        .part_size_bytes = upload->record.part_size_bytes,
    };
    struct ps_err err;

    upload->op = ps_store_begin_multipart(upload->store, &request, on_begun, upload, &err);
    if (upload->op == NULL) {
        on_begun(upload, NULL, &err);
    }
}

static void run_begin(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_begin(upload->state_db, &upload->record, &job->err);
}

static void record_and_begin(struct ps_upload *upload)
{
    if (!ps_upload_fill_record(upload, PS_UPLOAD_CREATING, NULL)) {
        ps_upload_fail_memory(upload);
        return;
    }
    ps_upload_control(upload, run_begin, after_recorded);
}

/* Only what is surely there ends it: who may not look may still write. */
static void on_target(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_upload *upload = user;
    const struct ps_err exists = { .code = PS_E_EXISTS }; /* which ps_upload_fail words */

    (void)info;
    upload->op = NULL;
    if (err == NULL) {
        ps_upload_fail(upload, &exists);
    } else {
        record_and_begin(upload);
    }
}

void ps_upload_begin(struct ps_upload *upload)
{
    ps_upload_set_state(upload, PS_UPLOAD_STATE_BEGINNING);
    if (!upload->write_options.create_only) {
        record_and_begin(upload);
        return;
    }
    /* S3 refuses at Complete only, when all parts have been sent for nothing. */
    upload->op = ps_store_head(upload->store, upload->key, on_target, upload, NULL);
    if (upload->op == NULL) {
        record_and_begin(upload);
    }
}

void ps_upload_begin_afresh(struct ps_upload *upload, const struct ps_err *err)
{
    if (upload->begun_afresh || ps_upload_is_ending(upload)) {
        ps_upload_fail(upload, err);
        return;
    }
    upload->begun_afresh = true;
    ps_upload_set_state(upload, PS_UPLOAD_STATE_BEGINNING);
    for (uint32_t i = 0; i < upload->slot_count; i++) {
        ps_upload_slot_drop(upload, i);
    }
    if (upload->file != NULL) {
        ps_upload_parts_reset(upload);
    }
    ps_log(upload->log, PS_LOG_WARN, "upload",
           "%s: the store has forgotten the interrupted upload: starting afresh", upload->url);
    ps_upload_event(upload, PS_TRANSFER_AFRESH,
                    "the store has forgotten the interrupted upload: starting afresh");
    ps_upload_begin(upload);
}
