#include "transfer/tree_download.h"

#include "base/str.h"
#include "sink/dest_tree.h"
#include "transfer/job.h"
#include "transfer/tree_text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/**
 * Small objects under way at once, and how large one may be that is held whole. Lower: slower over a network. Higher:
 * more memory (slots times size) and more connections.
 */
enum {
    SMALL_MIN = 32,
    SMALL_MAX = 64,
    SMALL_BYTES = 256 * 1024,
    BIG_MAX = 2,
    /** Listed objects that wait: a page is asked for when fewer do. */
    WAITING_MIN = 500,
    HOPELESS_COUNT = 16
};

struct listed {
    char *path; /* below the prefix */
    uint64_t size_bytes;
};

enum slot_state {
    SLOT_FREE,
    SLOT_FETCHING, /* get under way, or a download */
    SLOT_WAITING,  /* received; the writer's next batch takes it */
    SLOT_WRITING,  /* the worker's */
};

struct slot {
    struct ps_tree_download *op;
    enum slot_state state;
    char *path;
    char *key;
    char *local; /* of a big object */
    uint64_t size_bytes;
    struct ps_store_op *get;
    struct ps_download *download;
    char *data;
    size_t used_bytes;
    bool has_info;
    struct ps_checksum expected;
    struct ps_dest_attributes attributes;
    uint32_t mode;   /* with the type; 0 = unknown */
    bool apply_only; /* big: the file is there, its attributes are to be set */
    struct ps_err err;
};

struct ps_tree_download {
    struct ps_download_options options; /* its text is copied */
    const struct ps_tree_filter *filter;
    bool outside_links;
    void (*on_failed)(void *user, const char *path, const struct ps_err *err);
    void (*on_done)(void *user, const struct ps_tree_download_result *result,
                    const struct ps_err *err);
    void *user;

    struct ps_dest_tree *dest; /* the writer's */
    struct ps_job write_job;
    bool writing;
    struct ps_store_op *list;
    struct listed
        *listed; /* a ring would do; it is emptied before a page comes, so it grows to a page */
    size_t listed_count;
    size_t listed_next;
    char *last_key;
    bool more; /* pages are left to ask for */
    bool any;

    struct slot slots[SMALL_MAX];
    uint32_t slot_count;
    uint32_t busy_count;
    uint32_t big_count;
    bool ended;
    bool ending;
    struct ps_err err;
    struct ps_tree_download_result result;
};

static void pump(struct ps_tree_download *op);

static void op_free(struct ps_tree_download *op)
{
    for (size_t i = 0; i < op->listed_count; i++) {
        free(op->listed[i].path);
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

static void stop_with(struct ps_tree_download *op, const struct ps_err *err)
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
        stop_with(op, &job->err);
    }
    if (op->err.code == PS_OK && !op->any) {
        (void)ps_err_set(&op->err, PS_E_NOT_FOUND, "%s: nothing there", op->options.url);
    }
    if (op->err.code == PS_OK && op->result.failed_count > 0) {
        (void)ps_err_set(&op->err, PS_E_PARTIAL, "%s: %" PRIu64 " of %" PRIu64 " objects failed",
                         op->options.url, op->result.failed_count,
                         op->result.failed_count + op->result.file_count);
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
    if (op->result.failed_count >= HOPELESS_COUNT && op->result.file_count == 0) {
        stop_with(op, err);
    }
}

static void release(struct slot *slot)
{
    free(slot->path);
    free(slot->key);
    free(slot->local);
    slot->path = NULL;
    slot->key = NULL;
    slot->local = NULL;
    slot->state = SLOT_FREE;
    slot->op->busy_count--;
}

static void object_failed(struct slot *slot, const struct ps_err *err)
{
    tell_failed(slot->op, slot->path, err);
    release(slot);
}

/* --- writing: all that wait, on one worker --- */

static bool is_link(const struct slot *slot)
{
    return (slot->mode & S_IFMT) == S_IFLNK;
}

static enum ps_code write_link(struct slot *slot, const char *path)
{
    char target[PATH_MAX];

    if (slot->used_bytes == 0 || slot->used_bytes >= sizeof(target) ||
        memchr(slot->data, '\0', slot->used_bytes) != NULL) {
        return ps_err_set(&slot->err, PS_E_REFUSED, "is no target of a symbolic link");
    }
    memcpy(target, slot->data, slot->used_bytes);
    target[slot->used_bytes] = '\0';
    if (!slot->op->outside_links && !ps_dest_link_stays_inside(path, target)) {
        return ps_err_set(&slot->err, PS_E_REFUSED,
                          "a symbolic link that may lead out, to %.60s; --outside-links keeps such "
                          "links",
                          target);
    }
    return ps_dest_tree_symlink(slot->op->dest, path, target, slot->attributes.mtime_ns,
                                &slot->err);
}

static enum ps_code write_file(struct slot *slot, const char *path)
{
    struct ps_dest_file file = { .fd = -1 };
    enum ps_code code = ps_dest_tree_file_begin(slot->op->dest, &file, &slot->err);

    for (size_t at = 0; code == PS_OK && at < slot->used_bytes;) {
        ssize_t put_bytes = write(file.fd, slot->data + at, slot->used_bytes - at);

        if (put_bytes < 0 && errno != EINTR) {
            code = ps_err_set_errno(&slot->err, errno, "write");
        }
        at += put_bytes > 0 ? (size_t)put_bytes : 0;
    }
    if (code == PS_OK) {
        code = ps_dest_tree_file_commit(slot->op->dest, &file, path, &slot->attributes, &slot->err);
    }
    ps_dest_tree_file_abort(slot->op->dest, &file);
    return code;
}

static void write_one(struct slot *slot)
{
    enum ps_code code;
    struct ps_dest_tree *dest = slot->op->dest;

    if (slot->apply_only) {
        code = ps_dest_tree_set(dest, slot->path, &slot->attributes, &slot->err);
    } else if (ps_str_has_suffix(slot->path, "/")) {
        slot->path[strlen(slot->path) - 1] = '\0';
        code = ps_dest_tree_directory(dest, slot->path, &slot->attributes, &slot->err);
    } else if (is_link(slot)) {
        code = write_link(slot, slot->path);
    } else {
        code = write_file(slot, slot->path);
    }
    if (code == PS_OK) {
        ps_err_clear(&slot->err);
    }
}

static void run_write(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    if (op->dest == NULL) {
        job->code = ps_dest_tree_open(&op->dest, op->options.path, &job->err);
        if (job->code != PS_OK) {
            return;
        }
    }
    for (uint32_t i = 0; i < op->slot_count; i++) {
        if (op->slots[i].state == SLOT_WRITING) {
            write_one(&op->slots[i]);
        }
    }
}

static void on_written(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    op->writing = false;
    if (job->code != PS_OK) {
        stop_with(op, &job->err);
    }
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->state != SLOT_WRITING) {
            continue;
        }
        if (slot->err.code != PS_OK) {
            object_failed(slot, &slot->err);
        } else {
            op->result.file_count++;
            op->result.size_bytes += slot->size_bytes;
            release(slot);
        }
    }
    pump(op);
}

static void write_waiting(struct ps_tree_download *op)
{
    bool any = false;

    if (op->writing) {
        return;
    }
    for (uint32_t i = 0; i < op->slot_count; i++) {
        if (op->slots[i].state == SLOT_WAITING) {
            op->slots[i].state = SLOT_WRITING;
            any = true;
        }
    }
    if (any) {
        op->writing = true;
        ps_job_start(&op->write_job, op->options.loop, op, run_write, on_written);
    }
}

/* --- fetching --- */

static void take_info(struct slot *slot, const struct ps_object_info *info)
{
    slot->has_info = true;
    slot->expected = info->checksum;
    for (size_t i = 0; i < info->metadata_count; i++) {
        const struct ps_store_pair *pair = &info->metadata[i];

        if (strcmp(pair->name, "mtime") == 0 &&
            !ps_tree_time_parse(pair->value, &slot->attributes.mtime_ns)) {
            slot->attributes.mtime_ns = INT64_MIN; /* not ours: it stays as it is */
        }
        if (strcmp(pair->name, "mode") == 0 && ps_tree_mode_parse(pair->value, &slot->mode)) {
            slot->attributes.mode = (int)(slot->mode & 0777);
        }
    }
}

static void on_get_info(void *user, const struct ps_object_info *info)
{
    take_info(user, info);
}

static enum ps_push on_data(void *user, const void *data, size_t size_bytes)
{
    struct slot *slot = user;

    if (size_bytes > SMALL_BYTES - slot->used_bytes) {
        (void)ps_err_set(&slot->err, PS_E_CHANGED, "grew since it was listed");
        return PS_PUSH_STOP;
    }
    memcpy(slot->data + slot->used_bytes, data, size_bytes);
    slot->used_bytes += size_bytes;
    return PS_PUSH_TAKEN;
}

static enum ps_code verify(struct slot *slot, struct ps_err *err)
{
    struct ps_hasher hasher;
    struct ps_checksum sum;

    if (slot->expected.algorithm == PS_CHECKSUM_NONE) {
        return PS_OK;
    }
    if (ps_hasher_init(&hasher, slot->expected.algorithm, err) != PS_OK) {
        return PS_E_NO_MEMORY;
    }
    ps_hasher_update(&hasher, slot->data, slot->used_bytes);
    sum = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
    return ps_checksum_equal(&sum, &slot->expected)
               ? PS_OK
               : ps_err_set(err, PS_E_CORRUPT, "the bytes received are not those the store has");
}

static void on_got(void *user, const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_tree_download *op = slot->op;
    struct ps_err own;

    slot->get = NULL;
    if (err != NULL) {
        object_failed(slot, slot->err.code != PS_OK ? &slot->err : err);
    } else if (verify(slot, &own) != PS_OK) {
        object_failed(slot, &own);
    } else {
        slot->size_bytes = slot->used_bytes;
        slot->state = SLOT_WAITING;
    }
    pump(op);
}

static void get_small(struct slot *slot)
{
    const struct ps_get_request request = {
        .key = slot->key,
        .sink = { .write = on_data, .user = slot },
        .on_info = on_get_info,
    };
    struct ps_err err;

    if (slot->data == NULL) {
        slot->data = malloc(SMALL_BYTES);
    }
    if (slot->data == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        object_failed(slot, &err);
        return;
    }
    slot->get = ps_store_get(slot->op->options.store, &request, on_got, slot, &err);
    if (slot->get == NULL) {
        object_failed(slot, &err);
    }
}

static void on_downloaded(void *user, const struct ps_download_result *result,
                          const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_tree_download *op = slot->op;

    (void)result;
    slot->download = NULL;
    op->big_count--;
    if (err != NULL) {
        object_failed(slot, err);
    } else {
        slot->apply_only = true;
        slot->state = SLOT_WAITING;
    }
    pump(op);
}

/* Its directory is made first, by way of dest_tree, which follows no link. */
static void on_big_ready(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    op->writing = false;
    if (job->code != PS_OK) {
        stop_with(op, &job->err);
    }
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];
        struct ps_download_options options = op->options;
        char *url;

        if (slot->state != SLOT_WRITING || slot->local == NULL) {
            continue;
        }
        slot->state = SLOT_FETCHING;
        url = ps_str_format("%s%s", op->options.url, slot->path);
        options.key = slot->key;
        options.url = url != NULL ? url : op->options.url;
        options.path = slot->local;
        options.on_info = on_get_info;
        options.on_event = NULL;
        options.on_done = on_downloaded;
        options.user = slot;
        op->big_count++;
        if (slot->err.code != PS_OK || op->ended ||
            ps_download_start(&slot->download, &options, &slot->err) != PS_OK) {
            op->big_count--;
            object_failed(slot, &slot->err);
        }
        free(url);
    }
    pump(op);
}

static void run_make_parent(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    if (op->dest == NULL) {
        job->code = ps_dest_tree_open(&op->dest, op->options.path, &job->err);
    }
    for (uint32_t i = 0; job->code == PS_OK && i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->state == SLOT_WRITING && slot->local != NULL) {
            if (ps_dest_tree_make_parent(op->dest, slot->path, &slot->err) == PS_OK) {
                ps_err_clear(&slot->err);
            }
        }
    }
}

static void get_big(struct slot *slot)
{
    struct ps_tree_download *op = slot->op;
    struct ps_err err;

    slot->local = ps_str_format("%s/%s", op->options.path, slot->path);
    if (slot->local == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        object_failed(slot, &err);
        return;
    }
    slot->state = SLOT_WRITING;
    op->writing = true;
    ps_job_start(&op->write_job, op->options.loop, op, run_make_parent, on_big_ready);
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

static void start_object(struct slot *slot, char *path, uint64_t size_bytes)
{
    struct ps_tree_download *op = slot->op;
    struct ps_err err;

    op->busy_count++;
    slot->state = SLOT_FETCHING;
    slot->path = path;
    slot->size_bytes = size_bytes;
    slot->used_bytes = 0;
    slot->apply_only = false;
    slot->mode = 0;
    slot->has_info = false;
    slot->expected = (struct ps_checksum){ .algorithm = PS_CHECKSUM_NONE };
    slot->attributes = (struct ps_dest_attributes){ .mode = -1, .mtime_ns = INT64_MIN };
    ps_err_clear(&slot->err);
    slot->key = ps_str_format("%s%s", op->options.key, path);
    if (slot->key == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        object_failed(slot, &err);
    } else if (check_path(path, &err) != PS_OK) {
        object_failed(slot, &err);
    } else if (size_bytes > SMALL_BYTES) {
        get_big(slot);
    } else {
        get_small(slot);
    }
}

/* False when nothing can be started now. */
static bool start_next(struct ps_tree_download *op)
{
    struct listed *next = &op->listed[op->listed_next];
    bool big = next->size_bytes > SMALL_BYTES;
    struct slot *slot = free_slot(op);
    char *path = next->path;

    if (slot == NULL || (big && (op->big_count >= BIG_MAX || op->writing))) {
        return false;
    }
    next->path = NULL;
    op->listed_next++;
    if (path[0] == '\0' || !ps_tree_filter_takes_path(op->filter, path)) {
        free(path); /* the prefix's own marker, or not wanted */
    } else {
        start_object(slot, path, next->size_bytes);
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
        if (listed[op->listed_count].path == NULL) {
            return false;
        }
        op->listed_count++;
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
        stop_with(op, err);
    } else if (!take_page(op, objects, count)) {
        (void)ps_err_set(&own, PS_E_NO_MEMORY, "out of memory");
        stop_with(op, &own);
    }
    pump(op);
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
        stop_with(op, &err);
    }
}

static void pump(struct ps_tree_download *op)
{
    write_waiting(op);
    while (!op->ended && op->listed_next < op->listed_count) {
        if (!start_next(op)) {
            break;
        }
    }
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
    pump(op);
    *op_out = op;
    return PS_OK;
}

void ps_tree_download_stop(struct ps_tree_download *op)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", op->options.url);
    stop_with(op, &err);
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->download != NULL) {
            ps_download_stop(slot->download); /* its end comes */
        } else if (slot->get != NULL) {
            ps_store_cancel(slot->get);
            slot->get = NULL;
            release(slot);
        }
    }
    pump(op);
}

void ps_tree_download_progress(const struct ps_tree_download *op, struct ps_progress *progress_out)
{
    *progress_out = (struct ps_progress){
        .state = "fetching files",
        .done_bytes = op->result.size_bytes,
        .moved_bytes = op->result.size_bytes,
        .done_count = (uint32_t)op->result.file_count,
        .active_count = op->busy_count,
    };
}
