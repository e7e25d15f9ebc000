#include "transfer/upload.h"

#include "base/str.h"
#include "transfer/upload_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *state_name(enum ps_upload_state state)
{
    switch (state) {
    case PS_UPLOAD_STATE_STARTING:
        return "starting";
    case PS_UPLOAD_STATE_SINGLE:
        return "sending";
    case PS_UPLOAD_STATE_CLAIMING:
        return "reading the checkpoint";
    case PS_UPLOAD_STATE_LISTING:
        return "listing parts";
    case PS_UPLOAD_STATE_FINDING:
        return "looking for an interrupted upload";
    case PS_UPLOAD_STATE_VERIFYING:
        return "verifying an interrupted upload";
    case PS_UPLOAD_STATE_BEGINNING:
        return "beginning";
    case PS_UPLOAD_STATE_SENDING:
        return "sending parts";
    case PS_UPLOAD_STATE_COMPLETING:
        return "completing";
    case PS_UPLOAD_STATE_CONFIRMING:
        return "confirming";
    case PS_UPLOAD_STATE_ENDING:
        return "ending";
    case PS_UPLOAD_STATE_DONE:
        return "done";
    }
    return "unknown";
}

void ps_upload_set_state(struct ps_upload *upload, enum ps_upload_state state)
{
    ps_log(upload->log, PS_LOG_DEBUG, "upload", "%s: %s -> %s", upload->url,
           state_name(upload->state), state_name(state));
    upload->state = state;
}

bool ps_upload_is_ending(const struct ps_upload *upload)
{
    return upload->state == PS_UPLOAD_STATE_ENDING || upload->state == PS_UPLOAD_STATE_DONE;
}

void ps_upload_event(struct ps_upload *upload, enum ps_transfer_event_kind kind, const char *text)
{
    const struct ps_transfer_event event = {
        .kind = kind,
        .text = text,
        .part_count = upload->resumed_count,
        .size_bytes = upload->resumed_bytes,
    };

    if (upload->on_event != NULL) {
        upload->on_event(upload->user, &event);
    }
}

static void upload_free(struct ps_upload *upload)
{
    if (upload == NULL) {
        return;
    }
    ps_upload_slots_clear(upload);
    ps_upload_parts_clear(upload);
    ps_file_reader_close(upload->file);
    ps_stream_reader_close(upload->stream);
    ps_upload_record_clear(&upload->record);
    ps_upload_decision_clear(&upload->decision);
    for (size_t i = 0; i < upload->candidate_count; i++) {
        free(upload->candidates[i].upload_id);
    }
    for (size_t i = 0; i < upload->pair_text_count; i++) {
        free(upload->pair_text[i]);
    }
    free(upload->noted_before);
    free(upload->notes);
    free(upload->key);
    free(upload->url);
    free(upload->store_name);
    free(upload->bucket);
    free(upload->source_path);
    free(upload->policy_digest);
    free(upload->etag);
    free(upload);
}

static uint64_t object_size(const struct ps_upload *upload)
{
    return upload->file != NULL ? upload->plan.object_size_bytes : upload->stream_next_offset_bytes;
}

static void run_nothing(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    ps_file_reader_close(upload->file); /* closing may wait for a network file system */
    upload->file = NULL;
}

static void on_ended(struct ps_job *job)
{
    struct ps_upload *upload = job->user;
    const struct ps_upload_result result = {
        .etag = upload->etag != NULL ? upload->etag : "",
        .checksum = upload->whole,
        .confirmed = upload->confirmed,
        .size_bytes = upload->done_bytes,
        .part_count = upload->record.number != 0 ? upload->part_count : 0,
        .resumed_count = upload->resumed_count,
        .resumed_bytes = upload->resumed_bytes,
        .sent_bytes = upload->sent_bytes,
        .adopted = upload->adopted,
        .skipped = upload->decision.skip,
    };

    upload->on_done(upload->user, &result, upload->err.code != PS_OK ? &upload->err : NULL);
    upload_free(upload);
}

static void finish(struct ps_upload *upload)
{
    ps_upload_set_state(upload, PS_UPLOAD_STATE_DONE);
    /* Through a worker, so that no callback is left on the stack that still looks at the upload. */
    ps_job_start(&upload->control_job, upload->loop, upload, run_nothing, on_ended);
}

void ps_upload_try_end(struct ps_upload *upload)
{
    if (upload->state != PS_UPLOAD_STATE_ENDING || upload->control_running) {
        return;
    }
    for (uint32_t i = 0; i < upload->slot_count; i++) {
        if (upload->slots[i].reading || upload->slots[i].warming) {
            return;
        }
    }
    ps_upload_note_flush(upload);
    if (!upload->noting) {
        finish(upload);
    }
}

void ps_upload_fail(struct ps_upload *upload, const struct ps_err *err)
{
    if (ps_upload_is_ending(upload)) {
        return;
    }
    upload->err = *err;
    if (err->code == PS_E_EXISTS) {
        (void)snprintf(upload->err.message, sizeof(upload->err.message),
                       "%s: exists already, and was to be created only", upload->url);
    }
    ps_upload_set_state(upload, PS_UPLOAD_STATE_ENDING);
    ps_store_cancel(upload->op);
    upload->op = NULL;
    for (uint32_t i = 0; i < upload->slot_count; i++) {
        ps_store_cancel(upload->slots[i].op);
        upload->slots[i].op = NULL;
    }
    if (upload->stream != NULL) {
        ps_stream_reader_stop(upload->stream);
    }
    if (upload->made.stop != NULL) {
        upload->made.stop(upload->made.user);
    }
    ps_upload_try_end(upload);
}

void ps_upload_fail_memory(struct ps_upload *upload)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_NO_MEMORY, "%s: out of memory", upload->url);
    ps_upload_fail(upload, &err);
}

void ps_upload_succeed(struct ps_upload *upload)
{
    ps_upload_set_state(upload, PS_UPLOAD_STATE_ENDING);
    ps_upload_try_end(upload);
}

static void on_control_done(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    upload->control_running = false;
    if (ps_upload_is_ending(upload)) {
        ps_upload_try_end(upload);
    } else if (job->code != PS_OK) {
        ps_upload_fail(upload, &job->err);
    } else {
        upload->after_control(upload);
    }
}

void ps_upload_control(struct ps_upload *upload, void (*run)(struct ps_job *job),
                       void (*after)(struct ps_upload *upload))
{
    upload->after_control = after;
    upload->control_running = true;
    ps_job_start(&upload->control_job, upload->loop, upload, run, on_control_done);
}

/* *text becomes the upload's own copy; NULL stays. False when memory is out. */
static bool keep_text(struct ps_upload *upload, const char **text)
{
    if (*text == NULL) {
        return true;
    }
    *text = ps_strdup(*text);
    upload->pair_text[upload->pair_text_count] = (char *)(uintptr_t)*text;
    upload->pair_text_count += *text != NULL ? 1 : 0;
    return *text != NULL;
}

static void start_stream(struct ps_upload *upload)
{
    struct ps_err err;

    if (ps_upload_slots_init(upload, ps_upload_concurrency(upload), &err) != PS_OK) {
        ps_upload_fail(upload, &err);
        return;
    }
    ps_upload_parts_step(upload); /* the first part tells whether there will be a second */
}

static void start_file(struct ps_upload *upload)
{
    struct ps_err err;
    bool single = false;

    if (ps_upload_plan_file(upload, &single, &err) != PS_OK ||
        ps_upload_slots_init(upload, single ? 1 : ps_upload_concurrency(upload), &err) != PS_OK ||
        ps_upload_parts_init(upload, &err) != PS_OK) {
        ps_upload_fail(upload, &err);
        return;
    }
    if (single) {
        ps_upload_set_state(upload, PS_UPLOAD_STATE_SINGLE);
        ps_upload_parts_step(upload);
    } else {
        ps_upload_claim(upload);
    }
}

static void after_open(struct ps_upload *upload)
{
    struct ps_err err;

    if (ps_upload_decide(upload, &err) != PS_OK) {
        ps_upload_fail(upload, &err);
    } else if (upload->decision.skip) {
        ps_upload_succeed(upload);
    } else if (upload->file != NULL) {
        start_file(upload);
    } else {
        start_stream(upload);
    }
}

static void run_open(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    if (upload->source_path != NULL && upload->made.open == NULL) {
        job->code = ps_file_reader_open(&upload->file, upload->source_path, &job->err);
    }
}

static void on_made_open(void *user, const uint8_t *identity, const struct ps_err *err)
{
    struct ps_upload *upload = user;

    upload->control_running = false;
    if (ps_upload_is_ending(upload)) {
        ps_upload_try_end(upload);
    } else if (err != NULL) {
        ps_upload_fail(upload, err);
    } else {
        upload->repeatable = identity != NULL;
        if (identity != NULL) {
            memcpy(upload->made_identity, identity, sizeof(upload->made_identity));
        }
        after_open(upload);
    }
}

/* *pairs becomes the upload's own copy of at most PS_PAIRS_MAX, at into. */
static bool keep_pairs(struct ps_upload *upload, struct ps_store_pair *into,
                       const struct ps_store_pair **pairs, size_t *count)
{
    bool kept = true;

    if (*count > PS_PAIRS_MAX) {
        *count = PS_PAIRS_MAX;
    }
    for (size_t i = 0; i < *count && kept; i++) {
        into[i] = (*pairs)[i];
        kept = keep_text(upload, &into[i].name) && keep_text(upload, &into[i].value);
    }
    *pairs = into;
    return kept;
}

static bool copy_wishes(struct ps_upload *upload, const struct ps_upload_wishes *from)
{
    struct ps_upload_wishes *wishes = &upload->wishes;

    *wishes = *from;
    return keep_pairs(upload, upload->pairs, &wishes->metadata, &wishes->metadata_count) &&
           keep_pairs(upload, upload->pairs + PS_PAIRS_MAX, &wishes->tags, &wishes->tag_count) &&
           keep_text(upload, &wishes->storage_class) && keep_text(upload, &wishes->content_type);
}

static void on_made_again(void *user, const uint8_t *identity, const struct ps_err *err)
{
    struct ps_upload *upload = user;
    struct ps_err changed;

    upload->control_running = false;
    if (ps_upload_is_ending(upload)) {
        ps_upload_try_end(upload);
    } else if (err != NULL) {
        ps_upload_fail(upload, err);
    } else if (identity == NULL ||
               memcmp(identity, upload->made_identity, sizeof(upload->made_identity)) != 0) {
        (void)ps_err_set(&changed, PS_E_CHANGED, "%s: changed while it was read",
                         upload->source_path);
        ps_upload_fail(upload, &changed);
    } else {
        ps_upload_set_state(upload, PS_UPLOAD_STATE_STARTING);
        ps_upload_parts_step(upload);
    }
}

void ps_upload_read_again(struct ps_upload *upload)
{
    ps_upload_set_state(upload, PS_UPLOAD_STATE_FINDING);
    ps_upload_parts_reset(upload);
    ps_upload_parts_clear(upload);
    upload->stream_next_offset_bytes = 0;
    upload->stream_ended = false;
    upload->claim_found = false;
    ps_upload_record_clear(&upload->record); /* it is claimed anew */
    memset(&upload->record, 0, sizeof(upload->record));
    upload->control_running = true;
    upload->made.open(upload->made.user, on_made_again, upload);
}

static bool copy_text(struct ps_upload *upload, const struct ps_upload_options *options)
{
    upload->key = ps_strdup(options->key);
    upload->url = ps_strdup(options->url);
    upload->store_name = ps_strdup(options->store_name);
    upload->bucket = ps_strdup(options->bucket);
    upload->source_path = ps_strdup(options->source_path);
    upload->policy_digest = ps_strdup(options->policy_digest);
    return upload->key != NULL && upload->url != NULL && upload->store_name != NULL &&
           upload->bucket != NULL && upload->policy_digest != NULL &&
           (upload->source_path != NULL || options->source_path == NULL);
}

enum ps_code ps_upload_start(struct ps_upload **upload_out, const struct ps_upload_options *options,
                             struct ps_err *err)
{
    struct ps_upload *upload = calloc(1, sizeof(*upload));
    enum ps_code code = PS_OK;

    if (upload == NULL || !copy_text(upload, options) || !copy_wishes(upload, &options->wishes)) {
        upload_free(upload);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->url);
    }
    upload->loop = options->loop;
    upload->store = options->store;
    upload->decider = options->decider;
    upload->clock = options->clock;
    upload->log = options->log;
    upload->open_state = options->open_state;
    upload->open_state_user = options->open_state_user;
    upload->memory_limit_bytes = options->memory_limit_bytes;
    upload->on_event = options->on_event;
    upload->on_done = options->on_done;
    upload->user = options->user;
    ps_upload_decision_init(&upload->decision);
    if (options->byte_source != NULL) {
        upload->made = *options->byte_source;
    } else if (upload->source_path == NULL) {
        code = ps_stream_reader_open(&upload->stream, options->stream_fd, err);
    }
    if (code != PS_OK) {
        upload_free(upload);
        return code;
    }
    if (upload->made.open != NULL) {
        upload->control_running = true;
        upload->made.open(upload->made.user, on_made_open, upload);
    } else {
        ps_upload_control(upload, run_open, after_open);
    }
    *upload_out = upload;
    return PS_OK;
}

void ps_upload_stop(struct ps_upload *upload)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", upload->url);
    ps_upload_fail(upload, &err);
}

void ps_upload_progress(const struct ps_upload *upload, struct ps_progress *progress_out)
{
    uint64_t moving_bytes = 0;

    for (uint32_t i = 0; i < upload->slot_count; i++) {
        moving_bytes += upload->slots[i].sent_bytes;
    }
    *progress_out = (struct ps_progress){
        .state = state_name(upload->state),
        .has_total = upload->file != NULL || upload->stream_ended,
        .total_bytes = object_size(upload),
        .done_bytes = upload->done_bytes,
        .moved_bytes = upload->sent_bytes + moving_bytes,
        .resumed_bytes = upload->resumed_bytes,
        .resumed_count = upload->resumed_count,
        .part_count = upload->file != NULL || upload->stream_ended ? upload->part_count : 0,
        .done_count = upload->done_count,
        .active_count = upload->busy_count,
    };
}
