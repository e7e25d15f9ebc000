#include "transfer/copy.h"

#include "base/str.h"
#include "transfer/copy_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *state_name(enum ps_copy_state state)
{
    switch (state) {
    case PS_COPY_LOOKING:
        return "looking";
    case PS_COPY_WHOLE:
        return "copying";
    case PS_COPY_TAGS:
        return "reading tags";
    case PS_COPY_CLAIMING:
        return "claiming";
    case PS_COPY_ABORTING:
        return "aborting";
    case PS_COPY_LISTING:
        return "listing parts";
    case PS_COPY_BEGINNING:
        return "beginning";
    case PS_COPY_COPYING:
        return "copying parts";
    case PS_COPY_COMPLETING:
        return "completing";
    case PS_COPY_CHECKING:
        return "checking";
    case PS_COPY_ENDING:
        return "ending";
    case PS_COPY_DONE:
        break;
    }
    return "done";
}

void ps_copy_set_state(struct ps_copy *copy, enum ps_copy_state state)
{
    ps_log(copy->options.log, PS_LOG_DEBUG, "copy", "%s: %s -> %s", copy->options.url,
           state_name(copy->state), state_name(state));
    copy->state = state;
}

void ps_copy_tell(const struct ps_copy *copy, enum ps_transfer_event_kind kind, const char *text)
{
    const struct ps_transfer_event event = {
        .kind = kind,
        .text = text,
        .part_count = copy->resumed_count,
        .size_bytes = copy->done_bytes,
    };

    if (copy->options.on_event != NULL) {
        copy->options.on_event(copy->options.user, &event);
    }
}

/* --- the end --- */

static void copy_free(struct ps_copy *copy)
{
    ps_copy_parts_clear(copy);
    ps_source_object_clear(&copy->source);
    ps_source_object_clear(&copy->given);
    free(copy->given_class);
    for (size_t i = 0; i < sizeof(copy->texts) / sizeof(copy->texts[0]); i++) {
        free(copy->texts[i]);
    }
    free(copy->etag);
    free(copy);
}

void ps_copy_cancel_requests(struct ps_copy *copy)
{
    if (copy->op != NULL) {
        ps_store_cancel(copy->op);
        copy->op = NULL;
    }
    for (size_t i = 0; i < PS_COPY_CONCURRENCY_MAX; i++) {
        if (copy->slots[i].op != NULL) {
            ps_store_cancel(copy->slots[i].op);
            copy->slots[i].op = NULL;
        }
    }
}

static void end(struct ps_copy *copy)
{
    struct ps_copy_result result = {
        .etag = copy->etag != NULL ? copy->etag : "",
        .checksum = copy->checksum,
        .verified = copy->checksum.algorithm != PS_CHECKSUM_NONE &&
                    ps_checksum_equal(&copy->checksum, &copy->source.checksum),
        .size_bytes = copy->source.size_bytes,
        .part_count = copy->parts != NULL ? copy->plan.part_count : 0,
        .resumed_count = copy->resumed_count,
    };

    ps_copy_set_state(copy, PS_COPY_DONE);
    copy->options.on_done(copy->options.user, &result, copy->failed ? &copy->end_err : NULL);
    copy_free(copy);
}

void ps_copy_fail(struct ps_copy *copy, const struct ps_err *err)
{
    if (copy->failed) {
        return;
    }
    copy->failed = true;
    copy->end_err = *err;
    if (err->code == PS_E_EXISTS) {
        (void)snprintf(copy->end_err.message, sizeof(copy->end_err.message),
                       "%s: exists already, and was to be created only", copy->options.url);
    }
    ps_copy_cancel_requests(copy);
    if (!copy->job_runs) { /* else when it is done */
        end(copy);
    }
}

void ps_copy_succeed(struct ps_copy *copy)
{
    end(copy);
}

/* --- what came out --- */

static enum ps_code compare(const struct ps_copy *copy, const struct ps_object_info *info,
                            struct ps_err *err)
{
    const struct ps_checksum *theirs = &info->checksum;
    const struct ps_checksum *ours = &copy->source.checksum;

    if (info->size_bytes != copy->source.size_bytes) {
        return ps_err_set(err, copy->outcome_unknown ? PS_E_TEMPORARY : PS_E_CORRUPT,
                          "%s: the copy has %llu bytes, its source %llu", copy->options.url,
                          (unsigned long long)info->size_bytes,
                          (unsigned long long)copy->source.size_bytes);
    }
    if (ours->algorithm != PS_CHECKSUM_NONE && ours->algorithm == theirs->algorithm &&
        !ps_checksum_equal(ours, theirs)) {
        return ps_err_set(err, PS_E_CORRUPT, "%s: the copy has another %s than its source",
                          copy->options.url, ps_checksum_name(ours->algorithm));
    }
    if (copy->outcome_unknown &&
        (ours->algorithm == PS_CHECKSUM_NONE || ours->algorithm != theirs->algorithm)) {
        return ps_err_set(err, PS_E_TEMPORARY,
                          "%s: the store did not say whether the copy was completed; run the same "
                          "command again",
                          copy->options.url);
    }
    return PS_OK;
}

static void on_checked(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_copy *copy = user;
    struct ps_err failure;

    copy->op = NULL;
    if (err != NULL) {
        ps_copy_fail(copy, err);
        return;
    }
    if (compare(copy, info, &failure) != PS_OK) {
        ps_copy_fail(copy, &failure);
        return;
    }
    if (info->checksum.algorithm != PS_CHECKSUM_NONE) {
        copy->checksum = info->checksum;
    }
    free(copy->etag);
    copy->etag = ps_strdup(info->etag);
    if (copy->parts != NULL) {
        ps_copy_end_record(copy);
    } else {
        ps_copy_succeed(copy);
    }
}

void ps_copy_check(struct ps_copy *copy)
{
    struct ps_err err;

    ps_copy_set_state(copy, PS_COPY_CHECKING);
    copy->op = ps_store_head(copy->options.store, copy->options.key, on_checked, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}

/* --- one CopyObject --- */

static void on_whole(void *user, const char *etag, const struct ps_checksum *checksum,
                     const struct ps_err *err)
{
    struct ps_copy *copy = user;

    (void)etag;
    copy->op = NULL;
    if (err != NULL) {
        ps_copy_fail(copy, err);
        return;
    }
    copy->checksum = *checksum;
    ps_copy_check(copy);
}

static void copy_whole(struct ps_copy *copy)
{
    struct ps_copy_request request = {
        .from_bucket = copy->options.from_bucket,
        .from_key = copy->options.from_key,
        .from_if_match = copy->source.etag,
        .key = copy->options.key,
        .options = copy->options.write,
    };
    struct ps_err err;

    ps_copy_set_state(copy, PS_COPY_WHOLE);
    /* S3 replaces type and metadata together: what of them is not given anew is given again. */
    if (request.options.metadata_count != 0 || request.options.content_type != NULL) {
        ps_source_object_complete(&copy->source, &request.options);
        request.options.tags = copy->options.write.tags;
        request.options.tag_count = copy->options.write.tag_count;
    }
    copy->op = ps_store_copy(copy->options.store, &request, on_whole, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}

static void go(struct ps_copy *copy)
{
    if (copy->is_whole) {
        copy_whole(copy);
    } else {
        ps_copy_in_parts(copy);
    }
}

/* --- create-only: many a store ignores the condition on a copy, so the target is looked at first --- */

static void on_target(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_copy *copy = user;
    const struct ps_err exists = { .code = PS_E_EXISTS }; /* which ps_copy_fail words */

    (void)info;
    copy->op = NULL;
    if (err == NULL) {
        ps_copy_fail(copy, &exists);
    } else if (err->code != PS_E_NOT_FOUND) {
        ps_copy_fail(copy, err);
    } else {
        go(copy);
    }
}

static void look_at_target(struct ps_copy *copy)
{
    struct ps_err err;

    copy->op = ps_store_head(copy->options.store, copy->options.key, on_target, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}

/* --- the source --- */

static void on_source(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_copy *copy = user;
    struct ps_store_capabilities *can = &copy->options.store->capabilities;
    uint64_t most_bytes = copy->options.threshold_bytes != 0 &&
                                  copy->options.threshold_bytes < can->single_put_max_bytes
                              ? copy->options.threshold_bytes
                              : can->single_put_max_bytes;
    struct ps_err failure;

    copy->op = NULL;
    if (err != NULL) {
        failure = *err;
        (void)ps_err_wrap(&failure, failure.code, "%s", copy->options.from_url);
        if (err->code == PS_E_NOT_FOUND) {
            (void)ps_err_set(&failure, PS_E_NOT_FOUND, "%s: not found", copy->options.from_url);
        }
        ps_copy_fail(copy, &failure);
        return;
    }
    if (ps_source_object_take(&copy->source, info, &failure) != PS_OK) {
        ps_copy_fail(copy, &failure);
        return;
    }
    /* Of the same kind as the source's, so that the two can be compared. */
    if (copy->options.write.checksum == PS_CHECKSUM_NONE) {
        copy->options.write.checksum = copy->source.checksum.algorithm != PS_CHECKSUM_NONE
                                           ? copy->source.checksum.algorithm
                                           : can->checksum_default;
    }
    copy->is_whole = copy->source.size_bytes <= most_bytes;
    if (copy->options.write.create_only) {
        look_at_target(copy);
    } else {
        go(copy);
    }
}

/* --- life --- */

static enum ps_code keep_options(struct ps_copy *copy, const struct ps_copy_options *options,
                                 struct ps_err *err)
{
    const char **const fields[] = { &copy->options.from_key, &copy->options.from_url,
                                    &copy->options.from_bucket, &copy->options.key,
                                    &copy->options.url };

    copy->options = *options;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (*fields[i] != NULL) {
            copy->texts[i] = ps_strdup(*fields[i]);
            *fields[i] = copy->texts[i];
            if (copy->texts[i] == NULL) {
                return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
            }
        }
    }
    if (copy->options.concurrency == 0) {
        copy->options.concurrency = PS_COPY_CONCURRENCY;
    }
    if (copy->options.concurrency > PS_COPY_CONCURRENCY_MAX) {
        return ps_err_set(err, PS_E_INVALID, "concurrency %u: 1 to %u are possible",
                          copy->options.concurrency, PS_COPY_CONCURRENCY_MAX);
    }
    return ps_write_options_keep(&copy->options.write, &copy->given, &copy->given_class, err);
}

enum ps_code ps_copy_start(struct ps_copy **copy_out, const struct ps_copy_options *options,
                           struct ps_err *err)
{
    struct ps_copy *copy = calloc(1, sizeof(*copy));
    enum ps_code code;

    if (copy == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = keep_options(copy, options, err);
    if (code == PS_OK) {
        copy->op = ps_store_head(copy->options.from, copy->options.from_key, on_source, copy, err);
        code = copy->op != NULL ? PS_OK : err->code;
    }
    if (code != PS_OK) {
        copy_free(copy);
        return code;
    }
    *copy_out = copy;
    return PS_OK;
}

void ps_copy_stop(struct ps_copy *copy)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", copy->options.url);
    ps_copy_fail(copy, &err);
}

void ps_copy_progress(const struct ps_copy *copy, struct ps_progress *progress_out)
{
    *progress_out = (struct ps_progress){
        .state = state_name(copy->state),
        .has_total = copy->state != PS_COPY_LOOKING,
        .total_bytes = copy->source.size_bytes,
        .done_bytes = copy->done_bytes,
        .moved_bytes = copy->done_bytes,
        .resumed_count = copy->resumed_count,
        .part_count = copy->parts != NULL ? copy->plan.part_count : 0,
        .done_count = copy->done_count,
        .active_count = copy->busy_count,
    };
}
