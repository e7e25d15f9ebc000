#include "transfer/tree_upload_internal.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void op_free(struct ps_tree_upload *op)
{
    for (size_t i = 0; i < BATCHES; i++) {
        ps_tree_batch_clear(&op->batches[i].tree);
    }
    ps_tree_listing_free(op->listing);
    ps_tree_reader_close(op->reader);
    free((void *)(uintptr_t)op->options.key);
    free((void *)(uintptr_t)op->options.url);
    free((void *)(uintptr_t)op->options.store_name);
    free((void *)(uintptr_t)op->options.bucket);
    free((void *)(uintptr_t)op->options.source_path);
    free((void *)(uintptr_t)op->options.policy_digest);
    free(op);
}

/* On a worker. The items of the batch, whose paths these are, are still there. */
static enum ps_code record_batch(struct batch *batch, struct ps_err *err)
{
    struct ps_tree_upload *op = batch->op;
    enum ps_code code = PS_OK;

    if (batch->stored_count > 0) {
        code = op->record(op->user, batch->stored, batch->stored_count, err);
    }
    for (size_t i = 0; i < batch->stored_count; i++) {
        free((void *)(uintptr_t)batch->stored[i].etag);
    }
    batch->stored_count = 0;
    return code;
}

/* --- the end --- */

static void run_end(struct ps_job *job)
{
    struct ps_tree_upload *op = job->user;

    for (size_t i = 0; i < BATCHES; i++) {
        enum ps_code code = record_batch(&op->batches[i], &job->err);

        job->code = code != PS_OK ? code : job->code;
    }
    ps_tree_reader_close(op->reader);
    op->reader = NULL;
}

static void on_ended(struct ps_job *job)
{
    struct ps_tree_upload *op = job->user;

    if (job->code != PS_OK) {
        ps_tree_upload_stop_with(op, &job->err);
    }
    if (op->err.code == PS_OK && op->result.failed_count > 0) {
        (void)ps_err_set(&op->err, PS_E_PARTIAL, "%s: %" PRIu64 " of %" PRIu64 " files failed",
                         op->options.url, op->result.failed_count,
                         op->result.failed_count + op->result.sent_count + op->result.same_count);
    }
    op->on_done(op->user, &op->result, op->err.code != PS_OK ? &op->err : NULL);
    op_free(op);
}

static void try_end(struct ps_tree_upload *op)
{
    if (op->busy_count == 0 && !op->filling && !op->ending) {
        op->ending = true;
        ps_job_start(&op->end_job, op->options.loop, op, run_end, on_ended);
    }
}

void ps_tree_upload_stop_with(struct ps_tree_upload *op, const struct ps_err *err)
{
    if (op->err.code == PS_OK) {
        op->err = *err;
    }
    op->ended = true;
}

/* --- starting items --- */

/* False: a policy says skip. */
static bool decide(struct slot *slot)
{
    struct ps_tree_upload *op = slot->op;
    const char *slash = strrchr(slot->key, '/');
    struct ps_object_facts facts = {
        .store = op->options.store_name,
        .bucket = op->options.bucket,
        .key = slot->key,
        .name = slash != NULL ? slash + 1 : slot->key,
        .path = slot->item->path,
        .has_size = true,
        .size_bytes = slot->item->size_bytes,
        .mtime_unix_s = slot->item->mtime_ns / 1000000000,
    };
    char url[1024];

    ps_str_copy(url, sizeof(url), op->options.url);
    ps_str_copy(url + strlen(url), sizeof(url) - strlen(url), slot->item->path);
    facts.url = url;
    ps_upload_decision_init(&slot->decision);
    slot->decided = true;
    op->options.decider->upload(op->options.decider->user, &facts,
                                ps_clock_unix_ms(op->options.clock) / 1000, &slot->decision);
    return !slot->decision.skip;
}

static bool name_slot(struct slot *slot)
{
    slot->key = ps_str_format("%s%s", slot->op->options.key, slot->item->path);
    if (slot->item->data == NULL) {
        slot->path = ps_str_format("%s/%s", slot->op->options.source_path, slot->item->path);
    }
    return slot->key != NULL && (slot->path != NULL || slot->item->data != NULL);
}

static void start_item(struct slot *slot, const struct ps_tree_listed *listed)
{
    struct ps_err err;

    if (!name_slot(slot)) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_tree_upload_item_failed(slot, &err);
    } else if (slot->item->data != NULL && !decide(slot)) {
        ps_tree_upload_item_same(slot); /* a big file's upload asks by itself */
    } else if (slot->op->skip_existing) {
        ps_tree_upload_compare(slot, listed);
    } else {
        ps_tree_upload_send(slot);
    }
}

static struct slot *free_slot(struct ps_tree_upload *op)
{
    for (uint32_t i = 0; i < op->slot_count; i++) {
        if (op->slots[i].item == NULL) {
            return &op->slots[i];
        }
    }
    return NULL;
}

static void on_listing_ready(void *user)
{
    struct ps_tree_upload *op = user;

    op->listing_waits = false;
    ps_tree_upload_pump(op);
}

/* False: the list must first come so far. */
static bool find_listed(struct ps_tree_upload *op, const struct ps_tree_item *item,
                        const struct ps_tree_listed **listed_out)
{
    *listed_out = NULL;
    if (!op->skip_existing) {
        return true;
    }
    switch (ps_tree_listing_find(op->listing, item->path, listed_out)) {
    case PS_TREE_LISTING_FOUND:
    case PS_TREE_LISTING_MISSING:
        return true;
    case PS_TREE_LISTING_LATER:
        op->listing_waits = true;
        return false;
    case PS_TREE_LISTING_FAILED:
        ps_tree_upload_stop_with(op, ps_tree_listing_error(op->listing));
        return false;
    }
    return false;
}

/* Start the next item of the batch; false when nothing can be started now. */
static bool start_next(struct ps_tree_upload *op, struct batch *batch)
{
    const struct ps_tree_item *item = &batch->tree.items[batch->next];
    const struct ps_tree_listed *listed = NULL;
    struct slot *slot = free_slot(op);

    if (item->err.code != PS_OK) {
        batch->next++;
        ps_tree_upload_tell_failed(op, item, &item->err);
        return true;
    }
    if (slot == NULL || op->listing_waits || (item->data == NULL && op->big_count >= BIG_MAX) ||
        !find_listed(op, item, &listed)) {
        return false;
    }
    batch->next++;
    batch->open_count++;
    op->busy_count++;
    slot->item = item;
    slot->batch = batch;
    start_item(slot, listed);
    return true;
}

/* --- batches --- */

static void run_fill(struct ps_job *job)
{
    struct batch *batch = job->user;
    struct ps_tree_upload *op = batch->op;

    job->code = record_batch(batch, &job->err);
    if (job->code == PS_OK && op->reader == NULL) {
        job->code = ps_tree_reader_open(&op->reader, op->options.source_path, op->filter,
                                        op->directories, &job->err);
    }
    if (job->code == PS_OK) {
        job->code = ps_tree_reader_fill(op->reader, &batch->tree, op->algorithm, op->skip_existing,
                                        &job->err);
    }
}

static void on_filled(struct ps_job *job)
{
    struct batch *batch = job->user;
    struct ps_tree_upload *op = batch->op;

    op->filling = false;
    batch->filled = job->code == PS_OK;
    batch->next = 0;
    if (job->code != PS_OK) {
        ps_tree_upload_stop_with(op, &job->err);
    }
    op->read_all = job->code != PS_OK || batch->tree.last;
    ps_tree_upload_pump(op);
}

/* Read into the next batch when it has nothing left under way. */
static void fill_next(struct ps_tree_upload *op)
{
    struct batch *batch = &op->batches[op->fill_index];

    if (!op->filling && !op->read_all && !op->ended && !batch->filled && batch->open_count == 0) {
        op->filling = true;
        op->fill_index = (op->fill_index + 1) % BATCHES;
        ps_job_start(&batch->job, op->options.loop, batch, run_fill, on_filled);
    }
}

void ps_tree_upload_pump(struct ps_tree_upload *op)
{
    struct batch *batch = &op->batches[op->batch_index];

    while (!op->ended && batch->filled) {
        if (batch->next < batch->tree.count) {
            if (!start_next(op, batch)) {
                break;
            }
            continue;
        }
        batch->filled = false; /* all are started; it is read into again when they have ended */
        op->batch_index = (op->batch_index + 1) % BATCHES;
        batch = &op->batches[op->batch_index];
    }
    fill_next(op);
    if (op->ended || (op->read_all && !batch->filled)) {
        try_end(op);
    }
}

/* --- start and stop --- */

static bool copy_text(struct ps_tree_upload *op)
{
    struct ps_upload_options *options = &op->options;

    options->key = ps_strdup(options->key);
    options->url = ps_strdup(options->url);
    options->store_name = ps_strdup(options->store_name);
    options->bucket = ps_strdup(options->bucket);
    options->source_path = ps_strdup(options->source_path);
    options->policy_digest = ps_strdup(options->policy_digest);
    return options->key != NULL && options->url != NULL && options->store_name != NULL &&
           options->bucket != NULL && options->source_path != NULL &&
           options->policy_digest != NULL;
}

static void choose_algorithm(struct ps_tree_upload *op)
{
    const struct ps_store_capabilities *can = &op->options.store->capabilities;
    enum ps_checksum_algorithm wished = op->options.wishes.checksum;

    op->algorithm = wished != PS_CHECKSUM_NONE && (can->checksum_set & (1U << wished)) != 0
                        ? wished
                        : can->checksum_default;
}

/* A local store has directories of its own. With patterns to include, only what matches is wanted. */
static void choose_directories(struct ps_tree_upload *op, bool all)
{
    if (!op->options.store->capabilities.local &&
        (op->filter == NULL || op->filter->include_count == 0)) {
        op->directories = all ? PS_TREE_DIRECTORIES_ALL : PS_TREE_DIRECTORIES_ODD;
    }
}

static uint32_t slots_of(const struct ps_tree_upload *op)
{
    uint32_t wished = op->options.wishes.concurrency;

    if (wished == 0) {
        return SMALL_MIN;
    }
    return wished < SMALL_MAX ? wished : SMALL_MAX;
}

enum ps_code ps_tree_upload_start(struct ps_tree_upload **op_out,
                                  const struct ps_tree_upload_options *options, struct ps_err *err)
{
    struct ps_tree_upload *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->upload.url);
    }
    op->options = options->upload;
    op->filter = options->filter;
    op->skip_existing = options->skip_existing;
    op->record = options->record;
    op->on_failed = options->on_failed;
    op->on_done = options->on_done;
    op->user = options->user;
    if (!copy_text(op) ||
        (op->skip_existing && ps_tree_listing_new(&op->listing, op->options.store, op->options.key,
                                                  on_listing_ready, op, err) != PS_OK)) {
        op_free(op);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->upload.url);
    }
    choose_algorithm(op);
    choose_directories(op, options->all_directories);
    op->slot_count = slots_of(op);
    for (size_t i = 0; i < SMALL_MAX; i++) {
        op->slots[i].op = op;
    }
    for (size_t i = 0; i < BATCHES; i++) {
        op->batches[i].op = op;
    }
    ps_tree_upload_pump(op);
    *op_out = op;
    return PS_OK;
}

void ps_tree_upload_stop(struct ps_tree_upload *op)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", op->options.url);
    ps_tree_upload_stop_with(op, &err);
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->upload != NULL) {
            ps_upload_stop(slot->upload); /* its end comes */
        } else if (slot->store_op != NULL) {
            ps_store_cancel(slot->store_op);
            slot->store_op = NULL;
            ps_tree_upload_release(slot);
        }
    }
    ps_tree_upload_pump(op);
}

void ps_tree_upload_progress(const struct ps_tree_upload *op, struct ps_progress *progress_out)
{
    struct ps_progress progress = {
        .state = "sending files",
        .done_bytes = op->result.sent_bytes,
        .moved_bytes = op->result.sent_bytes,
        .active_count = op->busy_count,
        .has_files = true,
        .file_count = op->result.sent_count + op->result.same_count,
    };

    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct ps_progress big;

        if (op->slots[i].upload != NULL) {
            ps_upload_progress(op->slots[i].upload, &big);
            progress.done_bytes += big.done_bytes;
            progress.moved_bytes += big.moved_bytes;
        }
    }
    *progress_out = progress;
}
