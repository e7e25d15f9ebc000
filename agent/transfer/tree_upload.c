#include "transfer/tree_upload.h"

#include "base/str.h"
#include "source/tree_batch.h"
#include "transfer/job.h"
#include "transfer/tree_compare.h"
#include "transfer/tree_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/**
 * Small files under way at once: what the user wishes for parts, but at least this: a request of a small file is mostly
 * waiting. Lower: slower over a network. Higher: more connections than a small server likes.
 */
enum {
    SMALL_MIN = 32,
    SMALL_MAX = 64,
    BIG_MAX = 2, /* uploads of big files, each with its own parts */
    BATCHES = 2,
    /** With nothing sent and this many failed it is no file that is wrong. */
    HOPELESS_COUNT = 16
};

struct slot {
    struct ps_tree_upload *op;
    const struct ps_tree_item *item; /* NULL = free */
    struct batch *batch;
    char *key;
    char *path; /* local, of a big file */
    struct ps_store_op *store_op;
    struct ps_upload *upload;
    struct ps_upload_decision decision;
    bool decided;
    struct ps_tree_compare *compare; /* with skip_existing */
    char mtime[PS_TREE_TIME_SIZE];
    char mode[PS_TREE_MODE_SIZE];
    struct ps_store_pair metadata[PS_PAIRS_MAX];
    struct ps_store_pair tags[PS_PAIRS_MAX];
};

struct batch {
    struct ps_tree_upload *op;
    struct ps_tree_batch tree;
    struct ps_job job; /* while it runs it owns tree */
    bool filled;
    size_t next;       /* item to start */
    size_t open_count; /* items started and not ended */
};

struct ps_tree_upload {
    struct ps_upload_options options; /* its text is copied */
    const struct ps_tree_filter *filter;
    bool skip_existing;
    void (*on_failed)(void *user, const char *path, const struct ps_err *err);
    void (*on_done)(void *user, const struct ps_tree_upload_result *result,
                    const struct ps_err *err);
    void *user;
    enum ps_checksum_algorithm algorithm;

    struct ps_tree_reader *reader;
    struct batch batches[BATCHES];
    size_t batch_index; /* whose items are being started */
    size_t fill_index;  /* which is read into next: in turn, so that the order of the tree stays */
    bool filling;
    bool read_all;
    struct ps_tree_listing *listing; /* with skip_existing */
    bool listing_waits;

    struct slot slots[SMALL_MAX];
    uint32_t slot_count;
    uint32_t busy_count;
    uint32_t big_count;
    bool ended; /* nothing new is started */
    struct ps_err err;
    struct ps_tree_upload_result result;
    struct ps_job end_job;
    bool ending;
};

static void pump(struct ps_tree_upload *op);

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

/* --- the end --- */

static void run_end(struct ps_job *job)
{
    struct ps_tree_upload *op = job->user;

    ps_tree_reader_close(op->reader);
    op->reader = NULL;
}

static void on_ended(struct ps_job *job)
{
    struct ps_tree_upload *op = job->user;

    if (op->err.code == PS_OK && op->result.failed_count > 0) {
        (void)ps_err_set(&op->err, PS_E_PARTIAL,
                         "%s: %" PRIu64 " of %" PRIu64
                         " files failed; the same command with --skip-existing sends only those",
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

static void stop_with(struct ps_tree_upload *op, const struct ps_err *err)
{
    if (op->err.code == PS_OK) {
        op->err = *err;
    }
    op->ended = true;
}

/* --- one item's end --- */

static void release(struct slot *slot)
{
    slot->batch->open_count--;
    free(slot->key);
    free(slot->path);
    slot->key = NULL;
    slot->path = NULL;
    slot->item = NULL;
    if (slot->decided) {
        ps_upload_decision_clear(&slot->decision);
        slot->decided = false;
    }
    slot->op->busy_count--;
}

static void tell_failed(struct ps_tree_upload *op, const struct ps_tree_item *item,
                        const struct ps_err *err)
{
    if (op->ended) {
        return; /* stopped: it did not fail by itself */
    }
    if (item->kind == PS_TREE_SPECIAL && err->code == PS_E_UNSUPPORTED) {
        op->result.special_count++;
    } else {
        op->result.failed_count++;
    }
    if (op->on_failed != NULL) {
        op->on_failed(op->user, item->path, err);
    }
    if (op->result.failed_count >= HOPELESS_COUNT && op->result.sent_count == 0 &&
        op->result.same_count == 0) {
        stop_with(op, err);
    }
}

static void item_sent(struct slot *slot, uint64_t size_bytes)
{
    slot->op->result.sent_count++;
    slot->op->result.sent_bytes += size_bytes;
    release(slot);
}

static void item_same(struct slot *slot)
{
    slot->op->result.same_count++;
    release(slot);
}

static void item_failed(struct slot *slot, const struct ps_err *err)
{
    tell_failed(slot->op, slot->item, err);
    release(slot);
}

/* --- sending --- */

static ssize_t read_small(void *user, uint64_t offset, void *into, size_t size)
{
    const struct slot *slot = user;

    memcpy(into, slot->item->data + offset, size);
    return (ssize_t)size;
}

static void on_put(void *user, const char *etag, const struct ps_checksum *checksum,
                   const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_tree_upload *op = slot->op;

    (void)etag;
    (void)checksum; /* compared by the store already */
    slot->store_op = NULL;
    if (err != NULL) {
        item_failed(slot, err);
    } else {
        item_sent(slot, slot->item->size_bytes);
    }
    pump(op);
}

static size_t merge(struct ps_store_pair *into, size_t count, const struct ps_store_pair *wished,
                    size_t wished_count, const struct ps_pairs *more)
{
    for (size_t i = 0; i < wished_count && count < PS_PAIRS_MAX; i++) {
        into[count++] = wished[i];
    }
    for (size_t i = 0; i < more->count && count < PS_PAIRS_MAX; i++) {
        into[count++] = (struct ps_store_pair){ more->items[i].name, more->items[i].value };
    }
    return count;
}

static size_t fill_metadata(struct slot *slot)
{
    ps_tree_time_format(slot->item->mtime_ns, slot->mtime);
    ps_tree_mode_format(slot->item->mode, slot->mode);
    slot->metadata[0] = (struct ps_store_pair){ "mtime", slot->mtime };
    slot->metadata[1] = (struct ps_store_pair){ "mode", slot->mode };
    return 2;
}

static void put_small(struct slot *slot)
{
    const struct ps_upload_wishes *wishes = &slot->op->options.wishes;
    struct ps_put_request request = {
        .key = slot->key,
        .body = { .size_bytes = slot->item->size_bytes, .read = read_small, .user = slot },
        .checksum = slot->item->checksum,
        .options = {
            .checksum = slot->op->algorithm,
            .storage_class = wishes->storage_class != NULL ? wishes->storage_class
                                                           : slot->decision.storage_class,
            .content_type = wishes->content_type,
            .metadata = slot->metadata,
            .tags = slot->tags,
            .create_only = wishes->create_only,
        },
    };
    struct ps_hasher hasher;
    struct ps_err err;

    request.options.metadata_count = merge(slot->metadata, fill_metadata(slot), wishes->metadata,
                                           wishes->metadata_count, &slot->decision.metadata);
    request.options.tag_count =
        merge(slot->tags, 0, wishes->tags, wishes->tag_count, &slot->decision.tags);
    if (wishes->sign_payload && ps_hasher_init(&hasher, PS_CHECKSUM_SHA256, &err) == PS_OK) {
        ps_hasher_update(&hasher, slot->item->data, (size_t)slot->item->size_bytes);
        request.sha256 = ps_hasher_finish(&hasher);
        ps_hasher_clear(&hasher);
    }
    slot->store_op = ps_store_put(slot->op->options.store, &request, on_put, slot, &err);
    if (slot->store_op == NULL) {
        item_failed(slot, &err);
    }
}

static void on_big_done(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_tree_upload *op = slot->op;

    slot->upload = NULL;
    op->big_count--;
    if (err != NULL) {
        item_failed(slot, err);
    } else if (result->skipped) {
        item_same(slot);
    } else {
        item_sent(slot, result->size_bytes);
    }
    pump(op);
}

static void put_big(struct slot *slot)
{
    struct ps_tree_upload *op = slot->op;
    struct ps_upload_options options = op->options;
    char *url = ps_str_format("%s%s", op->options.url, slot->item->path);
    struct ps_err err;

    options.key = slot->key;
    options.url = url;
    options.source_path = slot->path;
    options.wishes.metadata = slot->metadata;
    options.wishes.metadata_count =
        merge(slot->metadata, fill_metadata(slot), op->options.wishes.metadata,
              op->options.wishes.metadata_count, &(const struct ps_pairs){ .count = 0 });
    options.on_event = NULL;
    options.on_done = on_big_done;
    options.user = slot;
    if (url == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        item_failed(slot, &err);
    } else if (ps_upload_start(&slot->upload, &options, &err) != PS_OK) {
        slot->upload = NULL;
        item_failed(slot, &err);
    } else {
        op->big_count++;
    }
    free(url);
}

static void send_item(struct slot *slot)
{
    if (slot->item->data != NULL) {
        put_small(slot);
    } else {
        put_big(slot);
    }
}

/* --- what the store has --- */

static void on_compared(void *user, bool same)
{
    struct slot *slot = user;
    struct ps_tree_upload *op = slot->op;

    slot->compare = NULL;
    if (op->ended) {
        release(slot);
    } else if (same) {
        item_same(slot);
    } else {
        send_item(slot);
    }
    pump(op);
}

/* With skip_existing: a listed object of this key and size is looked at more closely. */
static void compare_or_send(struct slot *slot, const struct ps_tree_listed *listed)
{
    struct ps_tree_upload *op = slot->op;
    const struct ps_tree_compare_options options = {
        .loop = op->options.loop,
        .store = op->options.store,
        .key = slot->key,
        .item = slot->item,
        .path = slot->path,
        .etag = listed != NULL ? listed->etag : "",
        .on_done = on_compared,
        .user = slot,
    };

    if (listed == NULL || listed->size_bytes != slot->item->size_bytes) {
        send_item(slot);
    } else if (ps_tree_is_listed_md5(slot->item, listed->etag)) {
        item_same(slot);
    } else if (ps_tree_compare_start(&slot->compare, &options, NULL) != PS_OK) {
        send_item(slot);
    }
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
        item_failed(slot, &err);
    } else if (slot->item->data != NULL && !decide(slot)) {
        item_same(slot); /* a big file's upload asks by itself */
    } else if (slot->op->skip_existing) {
        compare_or_send(slot, listed);
    } else {
        send_item(slot);
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
    pump(op);
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
        stop_with(op, ps_tree_listing_error(op->listing));
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
        tell_failed(op, item, &item->err);
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

    if (op->reader == NULL) {
        job->code = ps_tree_reader_open(&op->reader, op->options.source_path, op->filter,
                                        !op->options.store->capabilities.local &&
                                            (op->filter == NULL || op->filter->include_count == 0),
                                        &job->err);
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
        stop_with(op, &job->err);
    }
    op->read_all = job->code != PS_OK || batch->tree.last;
    pump(op);
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

static void pump(struct ps_tree_upload *op)
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
    op->slot_count = slots_of(op);
    for (size_t i = 0; i < SMALL_MAX; i++) {
        op->slots[i].op = op;
    }
    for (size_t i = 0; i < BATCHES; i++) {
        op->batches[i].op = op;
    }
    pump(op);
    *op_out = op;
    return PS_OK;
}

void ps_tree_upload_stop(struct ps_tree_upload *op)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", op->options.url);
    stop_with(op, &err);
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->upload != NULL) {
            ps_upload_stop(slot->upload); /* its end comes */
        } else if (slot->store_op != NULL) {
            ps_store_cancel(slot->store_op);
            slot->store_op = NULL;
            release(slot);
        }
    }
    pump(op);
}

void ps_tree_upload_progress(const struct ps_tree_upload *op, struct ps_progress *progress_out)
{
    *progress_out = (struct ps_progress){
        .state = "sending files",
        .done_bytes = op->result.sent_bytes,
        .moved_bytes = op->result.sent_bytes,
        .done_count = (uint32_t)op->result.sent_count,
        .active_count = op->busy_count,
    };
}
