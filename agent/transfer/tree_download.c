#include "transfer/tree_download_internal.h"

#include "base/str.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void op_free(struct ps_tree_download *op)
{
    for (size_t i = 0; i < op->listed_count; i++) {
        free(op->listed[i].path);
        free(op->listed[i].etag);
    }
    for (size_t i = 0; i < SMALL_MAX; i++) {
        free(op->slots[i].data);
    }
    free(op->listed);
    free(op->last_key);
    free((void *)(uintptr_t)op->options.key);
    free((void *)(uintptr_t)op->options.url);
    free((void *)(uintptr_t)op->options.path);
    free(op);
}

void ps_tree_download_stop_with(struct ps_tree_download *op, const struct ps_err *err)
{
    if (op->err.code == PS_OK) {
        op->err = *err;
    }
    op->ended = true;
    ps_store_cancel(op->list);
    op->list = NULL;
}

/* --- the end --- */

static void run_end(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    if (op->dest != NULL && op->err.code == PS_OK) {
        job->code = ps_dest_tree_finish(op->dest, NULL, &job->err);
    }
    ps_dest_tree_close(op->dest);
    op->dest = NULL;
}

static void on_ended(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    if (job->code != PS_OK) {
        ps_tree_download_stop_with(op, &job->err);
    }
    if (op->err.code == PS_OK && !op->any) {
        (void)ps_err_set(&op->err, PS_E_NOT_FOUND, "%s: nothing there", op->options.url);
    }
    if (op->err.code == PS_OK && op->result.failed_count > 0) {
        (void)ps_err_set(&op->err, PS_E_PARTIAL, "%s: %" PRIu64 " of %" PRIu64 " objects failed",
                         op->options.url, op->result.failed_count,
                         op->result.failed_count + op->result.file_count + op->result.same_count);
    }
    op->on_done(op->user, &op->result, op->err.code != PS_OK ? &op->err : NULL);
    op_free(op);
}

static void try_end(struct ps_tree_download *op)
{
    bool all = op->listed_next == op->listed_count && !op->more && op->list == NULL;

    if ((op->ended || all) && op->busy_count == 0 && !op->writing && !op->ending) {
        op->ending = true;
        ps_job_start(&op->write_job, op->options.loop, op, run_end, on_ended);
    }
}

/* --- one object's end --- */

static void tell_failed(struct ps_tree_download *op, const char *path, const struct ps_err *err)
{
    if (op->ended) {
        return;
    }
    op->result.failed_count++;
    if (op->on_failed != NULL) {
        op->on_failed(op->user, path, err);
    }
    if (op->result.failed_count >= HOPELESS_COUNT && op->result.file_count == 0 &&
        op->result.same_count == 0) {
        ps_tree_download_stop_with(op, err);
    }
}

void ps_tree_download_release(struct slot *slot)
{
    free(slot->path);
    free(slot->key);
    free(slot->local);
    free(slot->etag);
    slot->etag = NULL;
    slot->path = NULL;
    slot->key = NULL;
    slot->local = NULL;
    slot->state = SLOT_FREE;
    slot->op->busy_count--;
}

void ps_tree_download_failed(struct slot *slot, const struct ps_err *err)
{
    tell_failed(slot->op, slot->path, err);
    ps_tree_download_release(slot);
}

/* --- starting --- */

/* A key that is no clean path cannot be a file's name. */
static enum ps_code check_path(const char *path, struct ps_err *err)
{
    char clean[PATH_MAX];
    size_t length = strlen(path);
    enum ps_code code = ps_dest_path_clean(path, clean, err);

    if (code != PS_OK) {
        return code;
    }
    if (length > 0 && path[length - 1] == '/') {
        length--;
    }
    return strlen(clean) == length && length > 0 && strncmp(clean, path, length) == 0
               ? PS_OK
               : ps_err_set(err, PS_E_REFUSED, "is no path of a file");
}

static struct slot *free_slot(struct ps_tree_download *op)
{
    for (uint32_t i = 0; i < op->slot_count; i++) {
        if (op->slots[i].state == SLOT_FREE) {
            return &op->slots[i];
        }
    }
    return NULL;
}

static void start_object(struct slot *slot, char *path, char *etag, uint64_t size_bytes)
{
    struct ps_tree_download *op = slot->op;
    struct ps_err err;

    op->busy_count++;
    slot->state = SLOT_FETCHING;
    slot->path = path;
    slot->etag = etag;
    slot->size_bytes = size_bytes;
    slot->used_bytes = 0;
    slot->look = false;
    slot->mode = 0;
    slot->has_info = false;
    slot->expected = (struct ps_checksum){ .algorithm = PS_CHECKSUM_NONE };
    slot->attributes = (struct ps_dest_attributes){ .mode = -1, .mtime_ns = INT64_MIN };
    ps_err_clear(&slot->err);
    slot->key = ps_str_format("%s%s", op->options.key, path);
    if (slot->key == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_tree_download_failed(slot, &err);
    } else if (check_path(path, &err) != PS_OK) {
        ps_tree_download_failed(slot, &err);
    } else if (op->skip_existing && !ps_str_has_suffix(path, "/")) {
        slot->look = true;
        slot->state = SLOT_WAITING;
    } else if (size_bytes > SMALL_BYTES) {
        ps_tree_download_get_big(slot);
    } else {
        ps_tree_download_get_small(slot);
    }
}

/* False when nothing can be started now. */
static bool start_next(struct ps_tree_download *op)
{
    struct listed *next = &op->listed[op->listed_next];
    bool big = next->size_bytes > SMALL_BYTES;
    struct slot *slot = free_slot(op);
    char *path = next->path;
    char *etag = next->etag;

    if (slot == NULL || (big && !op->skip_existing && (op->big_count >= BIG_MAX || op->writing))) {
        return false;
    }
    next->path = NULL;
    next->etag = NULL;
    op->listed_next++;
    if (path[0] == '\0' || !ps_tree_filter_takes_path(op->filter, path)) {
        free(path); /* the prefix's own marker, or not wanted */
        free(etag);
    } else {
        start_object(slot, path, etag, next->size_bytes);
    }
    return true;
}

/* --- the list --- */

static bool take_page(struct ps_tree_download *op, const struct ps_object_info *objects,
                      size_t count)
{
    size_t kept = op->listed_count - op->listed_next;
    size_t prefix_length = strlen(op->options.key);
    struct listed *listed = calloc(kept + count + 1, sizeof(*listed));

    if (listed == NULL) {
        return false;
    }
    if (kept > 0) {
        memcpy(listed, op->listed + op->listed_next, kept * sizeof(*listed));
    }
    free(op->listed);
    op->listed = listed;
    op->listed_next = 0;
    op->listed_count = kept;
    for (size_t i = 0; i < count; i++) {
        listed[op->listed_count].path = ps_strdup(objects[i].key + prefix_length);
        listed[op->listed_count].size_bytes = objects[i].size_bytes;
        if (op->skip_existing) {
            listed[op->listed_count].etag = ps_strdup(objects[i].etag);
        }
        op->listed_count++;
        if (listed[op->listed_count - 1].path == NULL ||
            (op->skip_existing && listed[op->listed_count - 1].etag == NULL)) {
            return false;
        }
    }
    if (count > 0) {
        free(op->last_key);
        op->last_key = ps_strdup(objects[count - 1].key);
        op->any = true;
    }
    return count == 0 || op->last_key != NULL;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_tree_download *op = user;
    struct ps_store_op *list = op->list;
    struct ps_err own;

    op->list = NULL;
    op->more = more && err == NULL;
    if (op->more) {
        ps_store_cancel(list); /* the next page is asked for when this one is nearly used up */
    }
    if (err != NULL) {
        ps_tree_download_stop_with(op, err);
    } else if (!take_page(op, objects, count)) {
        (void)ps_err_set(&own, PS_E_NO_MEMORY, "out of memory");
        ps_tree_download_stop_with(op, &own);
    }
    ps_tree_download_pump(op);
}

static void list_more(struct ps_tree_download *op)
{
    const struct ps_list_request request = { .prefix = op->options.key,
                                             .start_after = op->last_key };
    struct ps_err err;

    if (op->ended || !op->more || op->list != NULL ||
        op->listed_count - op->listed_next >= WAITING_MIN) {
        return;
    }
    op->list = ps_store_list(op->options.store, &request, on_page, op, &err);
    if (op->list == NULL) {
        ps_tree_download_stop_with(op, &err);
    }
}

void ps_tree_download_pump(struct ps_tree_download *op)
{
    ps_tree_download_fetch_chosen(op);
    while (!op->ended && op->listed_next < op->listed_count) {
        if (!start_next(op)) {
            break;
        }
    }
    ps_tree_download_write(op);
    list_more(op);
    try_end(op);
}

/* --- start and stop --- */

static uint32_t slots_of(const struct ps_tree_download *op)
{
    uint32_t wished = op->options.concurrency;

    if (wished == 0) {
        return SMALL_MIN;
    }
    return wished < SMALL_MAX ? wished : SMALL_MAX;
}

enum ps_code ps_tree_download_start(struct ps_tree_download **op_out,
                                    const struct ps_tree_download_options *options,
                                    struct ps_err *err)
{
    struct ps_tree_download *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->download.url);
    }
    op->options = options->download;
    op->options.key = ps_strdup(options->download.key);
    op->options.url = ps_strdup(options->download.url);
    op->options.path = ps_strdup(options->download.path);
    op->filter = options->filter;
    op->skip_existing = options->skip_existing;
    op->outside_links = options->outside_links;
    op->on_failed = options->on_failed;
    op->on_done = options->on_done;
    op->user = options->user;
    op->more = true;
    if (op->options.key == NULL || op->options.url == NULL || op->options.path == NULL) {
        op_free(op);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->download.url);
    }
    op->slot_count = slots_of(op);
    for (size_t i = 0; i < SMALL_MAX; i++) {
        op->slots[i].op = op;
    }
    ps_tree_download_pump(op);
    *op_out = op;
    return PS_OK;
}

void ps_tree_download_stop(struct ps_tree_download *op)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", op->options.url);
    ps_tree_download_stop_with(op, &err);
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->download != NULL) {
            ps_download_stop(slot->download); /* its end comes */
        } else if (slot->get != NULL) {
            ps_store_cancel(slot->get);
            slot->get = NULL;
            ps_tree_download_release(slot);
        }
    }
    ps_tree_download_pump(op);
}

void ps_tree_download_progress(const struct ps_tree_download *op, struct ps_progress *progress_out)
{
    struct ps_progress progress = {
        .state = "fetching files",
        .done_bytes = op->result.size_bytes,
        .moved_bytes = op->result.size_bytes,
        .active_count = op->busy_count,
        .has_files = true,
        .file_count = op->result.file_count + op->result.same_count,
    };

    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct ps_progress big;

        if (op->slots[i].download != NULL) {
            ps_download_progress(op->slots[i].download, &big);
            progress.done_bytes += big.done_bytes;
            progress.moved_bytes += big.moved_bytes;
        }
    }
    *progress_out = progress;
}
