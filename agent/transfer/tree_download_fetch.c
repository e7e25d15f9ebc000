#include "transfer/tree_download_internal.h"

#include "base/str.h"
#include "transfer/tree_text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

    if (slot->look) {
        slot->there = ps_dest_tree_has_file(dest, slot->path, slot->size_bytes, INT64_MIN);
        code = PS_OK;
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

static void written(struct slot *slot)
{
    slot->op->result.file_count++;
    slot->op->result.size_bytes += slot->size_bytes;
    ps_tree_download_release(slot);
}

static void on_written(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    op->writing = false;
    if (job->code != PS_OK) {
        ps_tree_download_stop_with(op, &job->err);
    }
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->state != SLOT_WRITING) {
            continue;
        }
        if (slot->look) {
            ps_tree_download_looked(slot);
        } else if (slot->err.code != PS_OK) {
            ps_tree_download_failed(slot, &slot->err);
        } else {
            written(slot);
        }
    }
    ps_tree_download_pump(op);
}

void ps_tree_download_write(struct ps_tree_download *op)
{
    uint32_t waiting_count = 0;
    bool more_come = false;

    for (uint32_t i = 0; i < op->slot_count; i++) {
        waiting_count += op->slots[i].state == SLOT_WAITING ? 1 : 0;
        more_come = more_come || op->slots[i].get != NULL;
    }
    if (op->writing || waiting_count == 0 || (waiting_count < WRITE_MIN && more_come)) {
        return;
    }
    for (uint32_t i = 0; i < op->slot_count; i++) {
        if (op->slots[i].state == SLOT_WAITING) {
            op->slots[i].state = SLOT_WRITING;
        }
    }
    op->writing = true;
    ps_job_start(&op->write_job, op->options.loop, op, run_write, on_written);
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
        ps_tree_download_failed(slot, slot->err.code != PS_OK ? &slot->err : err);
    } else if (verify(slot, &own) != PS_OK) {
        ps_tree_download_failed(slot, &own);
    } else {
        slot->size_bytes = slot->used_bytes;
        slot->state = SLOT_WAITING;
    }
    ps_tree_download_pump(op);
}

void ps_tree_download_get_small(struct slot *slot)
{
    const struct ps_get_request request = {
        .key = slot->key,
        .sink = { .write = on_data, .user = slot },
        .buffer_bytes = slot->size_bytes <= RECEIVE_BYTES / 2 ? RECEIVE_BYTES : 0,
        .on_info = on_get_info,
    };
    struct ps_err err;

    if (slot->data == NULL) {
        slot->data = malloc(SMALL_BYTES);
    }
    if (slot->data == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_tree_download_failed(slot, &err);
        return;
    }
    slot->get = ps_store_get(slot->op->options.store, &request, on_got, slot, &err);
    if (slot->get == NULL) {
        ps_tree_download_failed(slot, &err);
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
        ps_tree_download_failed(slot, err);
    } else {
        written(slot);
    }
    ps_tree_download_pump(op);
}

/* Its directory is made first, by way of dest_tree, which follows no link. */
static void on_big_ready(struct ps_job *job)
{
    struct ps_tree_download *op = job->user;

    op->writing = false;
    if (job->code != PS_OK) {
        ps_tree_download_stop_with(op, &job->err);
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
        options.attributes = &slot->attributes;
        options.on_info = on_get_info;
        options.on_event = NULL;
        options.on_done = on_downloaded;
        options.user = slot;
        op->big_count++;
        if (slot->err.code != PS_OK || op->ended ||
            ps_download_start(&slot->download, &options, &slot->err) != PS_OK) {
            op->big_count--;
            ps_tree_download_failed(slot, &slot->err);
        }
        free(url);
    }
    ps_tree_download_pump(op);
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

void ps_tree_download_get_big(struct slot *slot)
{
    struct ps_tree_download *op = slot->op;
    struct ps_err err;

    free(slot->local);
    slot->local = ps_str_format("%s/%s", op->options.path, slot->path);
    if (slot->local == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_tree_download_failed(slot, &err);
        return;
    }
    slot->state = SLOT_WRITING;
    op->writing = true;
    ps_job_start(&op->write_job, op->options.loop, op, run_make_parent, on_big_ready);
}
