#include "transfer/download.h"

#include "base/str.h"
#include "transfer/download_internal.h"

#include <stdlib.h>
#include <string.h>

/** As for uploads: a range that is lost costs this much again. */
#define RANGE_SIZE_DEFAULT_BYTES ((uint64_t)16 * 1024 * 1024)

/** Ranges of one object; their table is the only thing that grows with it. */
enum {
    RANGE_COUNT_MAX = 10000,
    CONCURRENCY_DEFAULT = 8
};

static const char *state_name(enum ps_download_state state)
{
    switch (state) {
    case PS_DOWNLOAD_STATE_HEADING:
        return "asking";
    case PS_DOWNLOAD_STATE_CLAIMING:
        return "reading the checkpoint";
    case PS_DOWNLOAD_STATE_FETCHING:
        return "fetching";
    case PS_DOWNLOAD_STATE_PUBLISHING:
        return "publishing";
    case PS_DOWNLOAD_STATE_ENDING:
        return "ending";
    case PS_DOWNLOAD_STATE_DONE:
        return "done";
    }
    return "unknown";
}

void ps_download_set_state(struct ps_download *download, enum ps_download_state state)
{
    ps_log(download->log, PS_LOG_DEBUG, "download", "%s: %s -> %s", download->url,
           state_name(download->state), state_name(state));
    download->state = state;
}

bool ps_download_is_ending(const struct ps_download *download)
{
    return download->state == PS_DOWNLOAD_STATE_ENDING || download->state == PS_DOWNLOAD_STATE_DONE;
}

static void download_free(struct ps_download *download)
{
    if (download == NULL) {
        return;
    }
    ps_download_ranges_clear(download);
    ps_file_writer_close(download->writer);
    ps_block_pool_free(download->pool);
    ps_download_record_clear(&download->record);
    free(download->noted_before);
    free(download->notes);
    free(download->etag);
    free(download->key);
    free(download->url);
    free(download->path);
    free(download);
}

static void run_end(struct ps_job *job)
{
    struct ps_download *download = job->user;

    if (download->writer != NULL && download->err.code != PS_OK &&
        (download->discard || download->state_db == NULL)) {
        ps_file_writer_discard(download->writer);
        if (download->state_db != NULL) {
            job->code = ps_checkpoint_download_end(download->state_db, download->path, &job->err);
        }
    }
    ps_file_writer_close(download->writer);
    download->writer = NULL;
}

static void on_ended(struct ps_job *job)
{
    struct ps_download *download = job->user;
    const struct ps_download_result result = {
        .etag = download->etag != NULL ? download->etag : "",
        .size_bytes = download->plan.object_size_bytes,
        .checksum = download->whole,
        .verified = download->verified,
        .range_count = download->plan.part_count,
        .resumed_count = download->resumed_count,
        .resumed_bytes = download->resumed_bytes,
    };

    download->on_done(download->user, &result, download->err.code != PS_OK ? &download->err : NULL);
    download_free(download);
}

void ps_download_try_end(struct ps_download *download)
{
    if (download->state != PS_DOWNLOAD_STATE_ENDING || download->control_running ||
        !ps_download_ranges_idle(download)) {
        return;
    }
    if (!download->discard) {
        ps_download_note_flush(download);
    }
    if (!download->noting) {
        ps_download_set_state(download, PS_DOWNLOAD_STATE_DONE);
        ps_job_start(&download->control_job, download->loop, download, run_end, on_ended);
    }
}

void ps_download_fail(struct ps_download *download, const struct ps_err *err)
{
    if (ps_download_is_ending(download)) {
        return;
    }
    download->err = *err;
    if (err->code == PS_E_CHANGED || err->code == PS_E_CORRUPT || err->code == PS_E_NOT_FOUND) {
        download->discard = true; /* these bytes will never be part of the object */
    }
    ps_download_set_state(download, PS_DOWNLOAD_STATE_ENDING);
    ps_store_cancel(download->op);
    download->op = NULL;
    ps_download_ranges_cancel(download);
    ps_download_try_end(download);
}

static void on_control_done(struct ps_job *job)
{
    struct ps_download *download = job->user;

    download->control_running = false;
    if (ps_download_is_ending(download)) {
        ps_download_try_end(download);
    } else if (job->code != PS_OK) {
        ps_download_fail(download, &job->err);
    } else {
        download->after_control(download);
    }
}

void ps_download_control(struct ps_download *download, void (*run)(struct ps_job *job),
                         void (*after)(struct ps_download *download))
{
    download->after_control = after;
    download->control_running = true;
    ps_job_start(&download->control_job, download->loop, download, run, on_control_done);
}

/* --- publish --- */

static void after_publish(struct ps_download *download)
{
    ps_download_set_state(download, PS_DOWNLOAD_STATE_ENDING);
    ps_download_try_end(download);
}

static void run_publish(struct ps_job *job)
{
    struct ps_download *download = job->user;

    if (download->attributes != NULL) {
        job->code =
            ps_file_writer_set_attributes(download->writer, download->attributes, &job->err);
    }
    if (job->code == PS_OK) {
        job->code = ps_file_writer_publish(download->writer, &job->err);
    }
    if (job->code == PS_OK && download->state_db != NULL) {
        job->code = ps_checkpoint_download_end(download->state_db, download->path, &job->err);
    }
}

static enum ps_code combine_ranges(struct ps_download *download, struct ps_err *err)
{
    download->whole = download->ranges[0].checksum;
    for (uint32_t i = 1; i < download->plan.part_count; i++) {
        enum ps_code code = ps_checksum_combine(&download->whole, &download->ranges[i].checksum,
                                                ps_part_plan_size(&download->plan, i), err);

        if (code != PS_OK) {
            return code;
        }
    }
    return PS_OK;
}

static enum ps_code verify_whole(struct ps_download *download, struct ps_err *err)
{
    char want[PS_CHECKSUM_TEXT_SIZE];
    char have[PS_CHECKSUM_TEXT_SIZE];
    enum ps_code code = combine_ranges(download, err);

    if (code != PS_OK || download->expected.algorithm != download->algorithm) {
        return code;
    }
    if (!ps_checksum_equal(&download->expected, &download->whole)) {
        return ps_err_set(err, PS_E_CORRUPT,
                          "%s: the bytes received have %s %s, the store says %s: try again; if it "
                          "stays, the object is damaged",
                          download->url, ps_checksum_name(download->algorithm),
                          ps_checksum_format(&download->whole, have),
                          ps_checksum_format(&download->expected, want));
    }
    download->verified = true;
    return PS_OK;
}

void ps_download_publish(struct ps_download *download)
{
    struct ps_err err;

    if (verify_whole(download, &err) != PS_OK) {
        ps_download_fail(download, &err);
        return;
    }
    ps_download_set_state(download, PS_DOWNLOAD_STATE_PUBLISHING);
    ps_download_control(download, run_publish, after_publish);
}

/* --- claim: what did an earlier run leave? --- */

static void start_fetching(struct ps_download *download)
{
    struct ps_err err;

    if (ps_download_ranges_init(download, &err) != PS_OK) {
        ps_download_fail(download, &err);
        return;
    }
    ps_download_set_state(download, PS_DOWNLOAD_STATE_FETCHING);
    ps_download_ranges_step(download);
}

static bool fill_record(struct ps_download *download)
{
    struct ps_download_record *record = &download->record;
    const struct ps_owner owner = record->owner;

    ps_download_record_clear(record);
    memset(record, 0, sizeof(*record));
    record->owner = owner;
    record->path = ps_strdup(download->path);
    record->url = ps_strdup(download->url);
    record->etag = ps_strdup(download->etag);
    record->size_bytes = download->plan.object_size_bytes;
    record->range_size_bytes = download->plan.part_size_bytes;
    record->checksum_algorithm = (uint8_t)download->algorithm;
    record->created_unix_ms = ps_clock_unix_ms(download->clock);
    return record->path != NULL && record->url != NULL && record->etag != NULL;
}

static bool record_fits(const struct ps_download *download)
{
    const struct ps_download_record *record = &download->record;

    return !download->restart && strcmp(record->url, download->url) == 0 &&
           strcmp(record->etag, download->etag) == 0 &&
           record->size_bytes == download->plan.object_size_bytes &&
           record->checksum_algorithm == (uint8_t)download->algorithm;
}

static enum ps_code begin_record(struct ps_download *download, struct ps_err *err)
{
    free(download->noted_before);
    download->noted_before = NULL;
    download->noted_before_count = 0;
    if (!fill_record(download)) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", download->url);
    }
    return ps_checkpoint_download_begin(download->state_db, &download->record, err);
}

/* Open the temporary file, with what it holds when the record fits to the object. */
static enum ps_code open_writer(struct ps_download *download, bool *kept_out, struct ps_err *err)
{
    bool keep = download->claim_found && record_fits(download);

    if (keep) {
        const struct ps_part_limits limits = { 1, UINT64_MAX, RANGE_COUNT_MAX };
        enum ps_code code = ps_part_plan_init(&download->plan, download->plan.object_size_bytes,
                                              download->record.range_size_bytes, &limits, err);

        if (code != PS_OK) {
            return code;
        }
    }
    return ps_file_writer_open(&download->writer, download->path, download->plan.object_size_bytes,
                               keep, kept_out, err);
}

static void run_claim(struct ps_job *job)
{
    struct ps_download *download = job->user;
    struct ps_owner owner;
    bool kept = false;

    job->code = ps_owner_self(&owner, &job->err);
    if (job->code == PS_OK) {
        job->code =
            ps_checkpoint_download_claim(download->state_db, download->path, &owner,
                                         &download->claim_found, &download->record, &job->err);
        download->record.owner = owner;
    }
    if (job->code == PS_OK) {
        job->code = open_writer(download, &kept, &job->err);
    }
    if (job->code == PS_OK && kept) {
        job->code =
            ps_checkpoint_ranges(download->state_db, download->path, &download->noted_before,
                                 &download->noted_before_count, &job->err);
    } else if (job->code == PS_OK) {
        job->code = begin_record(download, &job->err);
    }
}

static void run_open_only(struct ps_job *job)
{
    struct ps_download *download = job->user;
    bool kept = false;

    job->code = ps_file_writer_open(&download->writer, download->path,
                                    download->plan.object_size_bytes, false, &kept, &job->err);
}

static void claim(struct ps_download *download)
{
    struct ps_err err;

    ps_download_set_state(download, PS_DOWNLOAD_STATE_CLAIMING);
    if (download->plan.part_count == 1) {
        ps_download_control(download, run_open_only, start_fetching);
        return;
    }
    download->state_db = download->open_state(download->open_state_user, &err);
    if (download->state_db == NULL) {
        ps_download_fail(download, &err);
        return;
    }
    ps_download_control(download, run_claim, start_fetching);
}

/* --- head --- */

static enum ps_code take_info(struct ps_download *download, const struct ps_object_info *info,
                              struct ps_err *err)
{
    const struct ps_part_limits limits = { 1, UINT64_MAX, RANGE_COUNT_MAX };

    download->etag = ps_strdup(info->etag);
    if (download->etag == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", download->url);
    }
    download->expected = info->checksum;
    /* A checksum that cannot be combined fits only to an object that is read in one piece. */
    download->algorithm = ps_checksum_can_combine(info->checksum.algorithm) ||
                                  (info->checksum.algorithm != PS_CHECKSUM_NONE &&
                                   info->size_bytes <= download->range_size_bytes)
                              ? info->checksum.algorithm
                              : PS_CHECKSUM_CRC64_NVME;
    return ps_part_plan_init(&download->plan, info->size_bytes, download->range_size_bytes, &limits,
                             err);
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_download *download = user;
    struct ps_err own;

    download->op = NULL;
    if (err != NULL) {
        own = *err;
        ps_store_name_missing(&own, download->url);
        ps_download_fail(download, &own);
    } else if (take_info(download, info, &own) != PS_OK) {
        ps_download_fail(download, &own);
    } else {
        if (download->on_info != NULL) {
            download->on_info(download->user, info);
        }
        claim(download);
    }
}

/* Each fetch may hold two blocks while it waits for a third: with fewer, all could wait for each other. */
static size_t budget_of(const struct ps_download *download)
{
    size_t least_bytes = (size_t)download->concurrency * 3 * PS_DOWNLOAD_BLOCK_BYTES;

    return least_bytes > PS_DOWNLOAD_BUDGET_BYTES ? least_bytes : PS_DOWNLOAD_BUDGET_BYTES;
}

enum ps_code ps_download_start(struct ps_download **download_out,
                               const struct ps_download_options *options, struct ps_err *err)
{
    struct ps_download *download = calloc(1, sizeof(*download));

    if (download == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->url);
    }
    download->loop = options->loop;
    download->store = options->store;
    download->clock = options->clock;
    download->log = options->log;
    download->open_state = options->open_state;
    download->open_state_user = options->open_state_user;
    download->on_event = options->on_event;
    download->on_info = options->on_info;
    download->on_done = options->on_done;
    download->user = options->user;
    download->restart = options->restart;
    download->attributes = options->attributes;
    download->concurrency = options->concurrency != 0 ? options->concurrency : CONCURRENCY_DEFAULT;
    download->range_size_bytes =
        options->range_size_bytes != 0 ? options->range_size_bytes : RANGE_SIZE_DEFAULT_BYTES;
    download->key = ps_strdup(options->key);
    download->url = ps_strdup(options->url);
    download->path = ps_strdup(options->path);
    if (download->key == NULL || download->url == NULL || download->path == NULL ||
        ps_block_pool_new(&download->pool, PS_DOWNLOAD_BLOCK_BYTES, budget_of(download), NULL) !=
            PS_OK) {
        download_free(download);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->url);
    }
    download->op = ps_store_head(download->store, download->key, on_head, download, err);
    if (download->op == NULL) {
        enum ps_code code = err != NULL ? err->code : PS_E_BUG;

        download_free(download);
        return code;
    }
    *download_out = download;
    return PS_OK;
}

void ps_download_stop(struct ps_download *download)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", download->url);
    ps_download_fail(download, &err);
}

void ps_download_progress(const struct ps_download *download, struct ps_progress *progress_out)
{
    *progress_out = (struct ps_progress){
        .state = state_name(download->state),
        .has_total = download->plan.part_count != 0,
        .total_bytes = download->plan.object_size_bytes,
        .done_bytes = download->done_bytes,
        .moved_bytes = download->moved_bytes,
        .resumed_bytes = download->resumed_bytes,
        .resumed_count = download->resumed_count,
        .part_count = download->plan.part_count,
        .done_count = download->done_count,
        .active_count = download->busy_count,
    };
}
