#include "transfer/copy_internal.h"

#include "base/str.h"
#include "hash/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void abort_upload(struct ps_copy *copy);

/* --- jobs --- */

static void on_job(struct ps_job *job)
{
    struct ps_copy *copy = job->user;

    copy->job_runs = false;
    if (copy->failed) {
        copy->failed = false; /* now it can end */
        ps_copy_fail(copy, &copy->end_err);
    } else if (job->code != PS_OK) {
        ps_copy_fail(copy, &job->err);
    } else {
        copy->after_job(copy);
    }
}

static void run_job(struct ps_copy *copy, void (*run)(struct ps_job *job),
                    void (*after)(struct ps_copy *copy))
{
    copy->after_job = after;
    copy->job_runs = true;
    ps_job_start(&copy->job, copy->options.loop, copy, run, on_job);
}

/* --- ending --- */

static void run_end(struct ps_job *job)
{
    struct ps_copy *copy = job->user;

    job->code =
        ps_checkpoint_end(copy->state_db, copy->record.number, copy->options.url, &job->err);
}

void ps_copy_end_record(struct ps_copy *copy)
{
    ps_copy_set_state(copy, PS_COPY_ENDING);
    run_job(copy, run_end, ps_copy_succeed);
}

/* --- refused for good: the target is there, or the store cannot copy parts. Nobody would complete this upload --- */

static void fail_refused(struct ps_copy *copy)
{
    const struct ps_err err = copy->refused_err;

    ps_copy_fail(copy, &err);
}

static void end_refused(struct ps_copy *copy)
{
    run_job(copy, run_end, fail_refused);
}

static bool is_refusal(const struct ps_err *err)
{
    return err->code == PS_E_EXISTS || err->code == PS_E_UNSUPPORTED;
}

/* The end of a copy with a record of its own. */
void ps_copy_fail_with_record(struct ps_copy *copy, const struct ps_err *err)
{
    if (!is_refusal(err)) {
        ps_copy_fail(copy, err); /* the next run goes on */
        return;
    }
    ps_copy_cancel_requests(copy);
    copy->refused_err = *err;
    if (copy->record.upload_id != NULL) {
        abort_upload(copy);
    } else {
        end_refused(copy);
    }
}

/* --- a new upload --- */

static void run_update(struct ps_job *job)
{
    struct ps_copy *copy = job->user;

    job->code = ps_checkpoint_update(copy->state_db, &copy->record, &job->err);
}

static void on_begun(void *user, const char *upload_id, const struct ps_err *err)
{
    struct ps_copy *copy = user;
    struct ps_err failure;

    copy->op = NULL;
    if (err != NULL) {
        ps_copy_fail_with_record(copy, err);
        return;
    }
    copy->record.upload_id = ps_strdup(upload_id);
    copy->record.phase = PS_UPLOAD_SENDING;
    if (copy->record.upload_id == NULL) {
        (void)ps_err_set(&failure, PS_E_NO_MEMORY, "out of memory");
        ps_copy_fail(copy, &failure);
        return;
    }
    run_job(copy, run_update, ps_copy_send_parts);
}

static void after_begin_record(struct ps_copy *copy)
{
    struct ps_begin_request request = {
        .key = copy->options.key,
        .options = copy->options.write,
        .has_size = true,
        .size_bytes = copy->source.size_bytes,
        .part_size_bytes = copy->plan.part_size_bytes,
    };
    struct ps_err err;

    ps_source_object_complete(&copy->source, &request.options);
    copy->op = ps_store_begin_multipart(copy->options.store, &request, on_begun, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}

static void run_begin(struct ps_job *job)
{
    struct ps_copy *copy = job->user;

    job->code = ps_checkpoint_begin(copy->state_db, &copy->record, &job->err);
}

/* The source as it is now: its URL, version and size. */
static void identify(const struct ps_copy *copy, struct ps_source_identity *identity)
{
    char size[32];
    char *text;

    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)copy->source.size_bytes);
    text = ps_str_format("copy\n%s\n%s\n%s", copy->options.from_url, copy->source.etag, size);
    memset(identity, 0, sizeof(*identity));
    identity->kind = PS_SOURCE_TREE;
    identity->size_bytes = copy->source.size_bytes;
    ps_sha256(text, text != NULL ? strlen(text) : 0, identity->digest);
    free(text);
}

static enum ps_code fill_record(struct ps_copy *copy, struct ps_err *err)
{
    struct ps_upload_record *record = &copy->record;
    struct ps_owner owner = record->owner;

    ps_upload_record_clear(record);
    record->owner = owner;
    record->url = ps_strdup(copy->options.url);
    record->source_path = ps_strdup(copy->options.from_url);
    record->policy_digest = ps_strdup("");
    record->phase = PS_UPLOAD_CREATING;
    record->part_size_bytes = copy->plan.part_size_bytes;
    record->part_count = copy->plan.part_count;
    record->checksum_algorithm = (uint8_t)copy->options.write.checksum;
    record->created_unix_ms = ps_clock_unix_ms(copy->options.clock);
    record->updated_unix_ms = record->created_unix_ms;
    identify(copy, &record->source);
    if (record->url == NULL || record->source_path == NULL || record->policy_digest == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return PS_OK;
}

static void begin(struct ps_copy *copy)
{
    struct ps_err err;

    ps_copy_set_state(copy, PS_COPY_BEGINNING);
    if (fill_record(copy, &err) != PS_OK) {
        ps_copy_fail(copy, &err);
        return;
    }
    run_job(copy, run_begin, after_begin_record);
}

/* --- an earlier run's upload --- */

static void on_parts(void *user, const struct ps_part_info *parts, size_t count, bool more,
                     const struct ps_err *err)
{
    struct ps_copy *copy = user;
    struct ps_err failure;

    if (err != NULL) {
        copy->op = NULL;
        if (err->code == PS_E_NO_UPLOAD) {
            ps_copy_tell(copy, PS_TRANSFER_AFRESH, "the store has forgotten the interrupted copy");
            ps_copy_forget_parts(copy);
            begin(copy);
        } else {
            ps_copy_fail(copy, err);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t index = parts[i].part_number - 1;

        if (ps_copy_is_of_whole(copy, &parts[i].checksum)) {
            ps_store_cancel(copy->op);
            copy->op = NULL;
            ps_copy_begin_without_checksums(copy);
            return;
        }

        if (parts[i].part_number == 0 || index >= copy->plan.part_count ||
            copy->parts[index].etag != NULL ||
            parts[i].size_bytes != ps_part_plan_size(&copy->plan, index)) {
            continue;
        }
        if (!ps_copy_keep_part(copy, index, parts[i].etag, &parts[i].checksum)) {
            (void)ps_err_set(&failure, PS_E_NO_MEMORY, "out of memory");
            ps_copy_fail(copy, &failure);
            return;
        }
    }
    if (!more) {
        copy->op = NULL;
        copy->resumed_count = copy->done_count;
        ps_copy_tell(copy, PS_TRANSFER_RESUMED, "goes on where an earlier run stopped");
        ps_copy_send_parts(copy);
    }
}

static void list_parts(struct ps_copy *copy)
{
    struct ps_err err;

    ps_copy_set_state(copy, PS_COPY_LISTING);
    copy->op = ps_store_list_parts(copy->options.store, copy->options.key, copy->record.upload_id,
                                   on_parts, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}

static void on_aborted(void *user, const struct ps_err *err)
{
    struct ps_copy *copy = user;

    copy->op = NULL;
    if (err != NULL && copy->refused_err.code != PS_OK) {
        ps_log(copy->options.log, PS_LOG_WARN, "copy", "%s: its parts stay at the store: %s",
               copy->options.url, err->message);
        fail_refused(copy);
    } else if (err != NULL) {
        ps_copy_fail(copy, err);
    } else if (copy->refused_err.code != PS_OK) {
        end_refused(copy);
    } else {
        begin(copy);
    }
}

static void abort_upload(struct ps_copy *copy)
{
    struct ps_err err;

    ps_copy_set_state(copy, PS_COPY_ABORTING);
    copy->op = ps_store_abort(copy->options.store, copy->options.key, copy->record.upload_id,
                              on_aborted, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}

void ps_copy_begin_without_checksums(struct ps_copy *copy)
{
    ps_log(copy->options.log, PS_LOG_INFO, "copy",
           "%s: the store cannot copy parts with checksums: copying without them",
           copy->options.url);
    copy->options.write.checksum = PS_CHECKSUM_NONE;
    ps_copy_forget_parts(copy);
    abort_upload(copy);
}

/* Whether the record is of this very copy, cut alike. */
static bool is_ours(const struct ps_copy *copy)
{
    struct ps_source_identity identity;

    identify(copy, &identity);
    return copy->record.source.kind == identity.kind &&
           memcmp(copy->record.source.digest, identity.digest, sizeof(identity.digest)) == 0;
}

static void after_claim(struct ps_copy *copy)
{
    bool has_upload =
        copy->claim_found && copy->record.upload_id != NULL && copy->record.upload_id[0] != '\0';
    bool is_cut_alike = copy->record.part_size_bytes == copy->plan.part_size_bytes;
    struct ps_err err;

    if (copy->claim_found && !copy->options.restart && !is_ours(copy)) {
        (void)ps_err_set(&err, PS_E_CHANGED,
                         "%s: an interrupted upload to it has another source, or the source has "
                         "changed since: --restart begins anew",
                         copy->options.url);
        ps_copy_fail(copy, &err);
    } else if (has_upload && is_cut_alike && !copy->options.restart) {
        copy->options.write.checksum =
            (enum ps_checksum_algorithm)copy->record.checksum_algorithm; /* it was begun with */
        list_parts(copy);
    } else if (has_upload) {
        abort_upload(copy);
    } else {
        begin(copy);
    }
}

static void run_claim(struct ps_job *job)
{
    struct ps_copy *copy = job->user;
    struct ps_owner owner;

    job->code = ps_owner_self(&owner, &job->err);
    if (job->code == PS_OK) {
        job->code = ps_checkpoint_claim(copy->state_db, copy->options.url, &owner,
                                        &copy->claim_found, &copy->record, &job->err);
    }
    copy->record.owner = owner;
}

void ps_copy_claim(struct ps_copy *copy)
{
    struct ps_err err;

    ps_copy_set_state(copy, PS_COPY_CLAIMING);
    copy->state_db = copy->options.open_state(copy->options.open_state_user, &err);
    if (copy->state_db == NULL) {
        ps_copy_fail(copy, &err);
        return;
    }
    run_job(copy, run_claim, after_claim);
}
