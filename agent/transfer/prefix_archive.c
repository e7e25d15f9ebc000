#include "transfer/prefix_archive_internal.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/** What the store reads ahead. */
#define RECEIVE_BYTES ((size_t)64 * 1024)

static void archive_free(struct ps_prefix_archive *archive)
{
    ps_prefix_archive_entries_clear(archive);
    ps_hasher_clear(&archive->hasher);
    ps_prefix_encoder_clear(&archive->encoder);
    free(archive->batches[0].bytes);
    free(archive->batches[1].bytes);
    free(archive->last_key);
    free(archive->prefix);
    free(archive);
}

void ps_prefix_archive_cancel_op(struct ps_prefix_archive *archive)
{
    ps_store_cancel(archive->op);
    archive->op = NULL;
}

void ps_prefix_archive_fail(struct ps_prefix_archive *archive, const struct ps_err *err)
{
    if (archive->state != PS_PREFIX_STATE_FAILED && archive->state != PS_PREFIX_STATE_ENDED) {
        archive->err = *err;
        /* A get under way is stopped by its next bytes, or at the end. */
        archive->state = PS_PREFIX_STATE_FAILED;
        archive->on_ready(archive->user);
    }
}

/* --- to the worker --- */

static void run_encode(struct ps_job *job)
{
    struct ps_prefix_archive *archive = job->user;
    const struct ps_prefix_batch *batch =
        archive->filling == &archive->batches[0] ? &archive->batches[1] : &archive->batches[0];

    job->code = ps_prefix_encoder_run(&archive->encoder, batch, &job->err);
}

static void on_encoded(struct ps_job *job);

/* The encoder writes where the reader has taken all: nothing is copied, and a reader that stops stops all. */
static void start_encode(struct ps_prefix_archive *archive)
{
    struct ps_prefix_batch *batch = archive->filling;

    if (archive->encoding || batch->count == 0 || archive->state == PS_PREFIX_STATE_FAILED ||
        archive->taken_bytes < archive->encoder.out.size_bytes) {
        return;
    }
    ps_buf_rewind(&archive->encoder.out);
    archive->taken_bytes = 0;
    archive->filling = batch == &archive->batches[0] ? &archive->batches[1] : &archive->batches[0];
    archive->filling->count = 0;
    archive->filling->used_bytes = 0;
    archive->encoding = true;
    ps_job_start(&archive->job, archive->loop, archive, run_encode, on_encoded);
    if (archive->paused) {
        archive->paused = false;
        ps_store_wake(archive->op);
    }
}

static void on_encoded(struct ps_job *job)
{
    struct ps_prefix_archive *archive = job->user;

    archive->encoding = false;
    if (archive->freed) {
        archive_free(archive);
        return;
    }
    if (job->code != PS_OK) {
        ps_prefix_archive_fail(archive, &job->err);
        return;
    }
    if (archive->state == PS_PREFIX_STATE_ENDING && archive->filling->count == 0) {
        archive->state = PS_PREFIX_STATE_ENDED;
    }
    if (archive->encoder.out.size_bytes > 0 || archive->state == PS_PREFIX_STATE_ENDED) {
        archive->on_ready(archive->user);
    }
    ps_prefix_archive_step(archive);
}

/* False: no room before the worker has taken what is there. */
static bool push(struct ps_prefix_archive *archive, const struct ps_prefix_command *command,
                 const void *bytes)
{
    struct ps_prefix_batch *batch = archive->filling;

    if (batch->count == PS_PREFIX_COMMANDS_MAX ||
        batch->used_bytes + command->size_bytes > PS_PREFIX_BATCH_BYTES) {
        return false;
    }
    batch->commands[batch->count] = *command;
    batch->commands[batch->count].offset_bytes = batch->used_bytes;
    if (command->size_bytes > 0) {
        memcpy(batch->bytes + batch->used_bytes, bytes, command->size_bytes);
    }
    batch->used_bytes += command->size_bytes;
    batch->count++;
    return true;
}

static bool has_room(const struct ps_prefix_archive *archive)
{
    const struct ps_prefix_batch *batch = archive->filling;

    /* For a name, and for the end behind it. */
    return batch->count + 3 <= PS_PREFIX_COMMANDS_MAX &&
           batch->used_bytes + 4096 <= PS_PREFIX_BATCH_BYTES;
}

/* --- one object --- */

/* Whole seconds: a list and a get of one object tell its time with different fractions. */
static bool push_entry(struct ps_prefix_archive *archive, const char *name, uint64_t size_bytes,
                       int64_t mtime_unix_ms)
{
    size_t length = strlen(name);
    bool directory = ps_str_has_suffix(name, "/");
    struct ps_prefix_command command = {
        .kind = directory ? PS_PREFIX_DIRECTORY : PS_PREFIX_FILE,
        .size_bytes = length + 1,
        .object_size_bytes = size_bytes,
        .mtime_ns = mtime_unix_ms / 1000 * 1000000000,
    };
    char *text = ps_strndup(name, directory ? length - 1 : length);
    bool pushed = false;

    if (text != NULL) {
        command.size_bytes = strlen(text) + 1;
        pushed = push(archive, &command, text);
    }
    free(text);
    return pushed;
}

static bool push_end(struct ps_prefix_archive *archive, enum ps_prefix_command_kind kind)
{
    const struct ps_prefix_command command = { .kind = kind };

    return push(archive, &command, "");
}

static void on_info(void *user, const struct ps_object_info *info)
{
    struct ps_prefix_archive *archive = user;
    const struct ps_prefix_entry *entry = &archive->entries[archive->entry_index - 1];
    struct ps_err err;

    if (archive->state != PS_PREFIX_STATE_OPENING) {
        return;
    }
    archive->state = PS_PREFIX_STATE_BODY;
    archive->object_size_bytes = info->size_bytes;
    archive->object_received_bytes = 0;
    archive->expected = info->checksum;
    ps_hasher_clear(&archive->hasher);
    if (ps_hasher_init(&archive->hasher, info->checksum.algorithm, &err) != PS_OK ||
        !push_entry(archive, ps_prefix_archive_name_of(archive, entry->key), info->size_bytes,
                    info->mtime_unix_ms)) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_prefix_archive_fail(archive, &err);
    }
}

static enum ps_push on_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_prefix_archive *archive = user;
    const struct ps_prefix_command command = { .kind = PS_PREFIX_DATA, .size_bytes = size_bytes };
    const struct ps_prefix_batch *batch = archive->filling;

    if (archive->state != PS_PREFIX_STATE_BODY || size_bytes > PS_PREFIX_BATCH_BYTES) {
        return PS_PUSH_STOP;
    }
    /* Room is kept for the object's end. */
    if (batch->count + 1 >= PS_PREFIX_COMMANDS_MAX || !push(archive, &command, data)) {
        archive->paused = true;
        return PS_PUSH_PAUSE;
    }
    ps_hasher_update(&archive->hasher, data, size_bytes);
    archive->object_received_bytes += size_bytes;
    archive->received_bytes += size_bytes;
    start_encode(archive);
    return PS_PUSH_TAKEN;
}

static enum ps_code check_object(struct ps_prefix_archive *archive, struct ps_err *err)
{
    struct ps_checksum have;

    if (archive->object_received_bytes != archive->object_size_bytes) {
        return ps_err_set(err, PS_E_TEMPORARY, "the store sent %" PRIu64 " of %" PRIu64 " bytes",
                          archive->object_received_bytes, archive->object_size_bytes);
    }
    have = ps_hasher_finish(&archive->hasher);
    if (archive->expected.algorithm != PS_CHECKSUM_NONE &&
        !ps_checksum_equal(&have, &archive->expected)) {
        return ps_err_set(err, PS_E_CORRUPT, "the bytes received do not have the object's %s",
                          ps_checksum_name(archive->expected.algorithm));
    }
    return PS_OK;
}

static void on_got(void *user, const struct ps_err *err)
{
    struct ps_prefix_archive *archive = user;
    const char *name =
        ps_prefix_archive_name_of(archive, archive->entries[archive->entry_index - 1].key);
    struct ps_err own = { .code = PS_OK };

    archive->op = NULL;
    if (archive->state != PS_PREFIX_STATE_OPENING && archive->state != PS_PREFIX_STATE_BODY) {
        return;
    }
    if (err != NULL) {
        own = *err;
    } else if (archive->state == PS_PREFIX_STATE_OPENING) {
        (void)ps_err_set(&own, PS_E_PARSE, "the store sent no headers");
    } else if (check_object(archive, &own) == PS_OK && !push_end(archive, PS_PREFIX_FILE_END)) {
        (void)ps_err_set(&own, PS_E_BUG, "no room for an object's end");
    }
    if (own.code != PS_OK) {
        (void)ps_err_wrap(&own, own.code, "%.100s", name);
        ps_prefix_archive_fail(archive, &own);
        return;
    }
    archive->state = PS_PREFIX_STATE_BETWEEN;
    ps_prefix_archive_step(archive);
}

static void fetch(struct ps_prefix_archive *archive, const struct ps_prefix_entry *entry)
{
    const struct ps_get_request request = {
        .key = entry->key,
        .sink = { .write = on_data, .user = archive },
        .buffer_bytes = RECEIVE_BYTES,
        .on_info = on_info,
    };
    struct ps_err err;

    archive->state = PS_PREFIX_STATE_OPENING;
    archive->op = ps_store_get(archive->store, &request, on_got, archive, &err);
    if (archive->op == NULL) {
        ps_prefix_archive_fail(archive, &err);
    }
}

/* --- what comes next --- */

static void next_key(struct ps_prefix_archive *archive)
{
    const struct ps_prefix_entry *entry = &archive->entries[archive->entry_index++];
    const char *name = ps_prefix_archive_name_of(archive, entry->key);
    struct ps_err err;

    if (entry->size_bytes > 0) {
        fetch(archive, entry);
    } else if (!push_entry(archive, name, 0, entry->mtime_unix_ms) ||
               (!ps_str_has_suffix(name, "/") && !push_end(archive, PS_PREFIX_FILE_END))) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_prefix_archive_fail(archive, &err);
    }
}

void ps_prefix_archive_step(struct ps_prefix_archive *archive)
{
    struct ps_err err;

    if (archive->stepping) {
        return;
    }
    archive->stepping = true;
    while (archive->state == PS_PREFIX_STATE_BETWEEN && has_room(archive)) {
        if (archive->entry_index < archive->entry_count) {
            next_key(archive);
        } else if (archive->more) {
            if (ps_prefix_archive_list(archive, &err) != PS_OK) {
                ps_prefix_archive_fail(archive, &err);
            }
        } else {
            archive->state = PS_PREFIX_STATE_ENDING;
            (void)push_end(archive, PS_PREFIX_LAST);
        }
    }
    archive->stepping = false;
    start_encode(archive);
}

/* --- public --- */

enum ps_code ps_prefix_archive_start(struct ps_prefix_archive **archive_out,
                                     const struct ps_prefix_archive_options *options,
                                     struct ps_err *err)
{
    struct ps_prefix_archive *archive = calloc(1, sizeof(*archive));
    enum ps_code code = PS_OK;

    if (options->format == PS_ARCHIVE_TAR_ZST) {
        free(archive);
        return ps_err_set(err, PS_E_UNSUPPORTED, "tar.zst is not made here: tar, tar.gz or zip");
    }
    if (archive == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    archive->loop = options->loop;
    archive->store = options->store;
    archive->zip = options->format == PS_ARCHIVE_ZIP;
    archive->may_add = options->may_add;
    archive->reserve = options->reserve;
    archive->on_ready = options->on_ready;
    archive->user = options->user;
    archive->prefix = ps_strdup(options->prefix);
    archive->filling = &archive->batches[0];
    archive->batches[0].bytes = malloc(PS_PREFIX_BATCH_BYTES);
    archive->batches[1].bytes = malloc(PS_PREFIX_BATCH_BYTES);
    ps_prefix_encoder_init(&archive->encoder, options->format);
    if (archive->prefix == NULL || archive->batches[0].bytes == NULL ||
        archive->batches[1].bytes == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else {
        code = ps_prefix_archive_list(archive, err);
    }
    if (code != PS_OK) {
        archive_free(archive);
        return code;
    }
    *archive_out = archive;
    return PS_OK;
}

void ps_prefix_archive_free(struct ps_prefix_archive *archive)
{
    if (archive == NULL) {
        return;
    }
    ps_prefix_archive_cancel_op(archive);
    archive->freed = true;
    if (!archive->encoding) {
        archive_free(archive);
    }
}

ssize_t ps_prefix_archive_read(struct ps_prefix_archive *archive, void *into, size_t size)
{
    size_t left_bytes;
    size_t got_bytes;

    if (archive->state == PS_PREFIX_STATE_FAILED) {
        return PS_PREFIX_ARCHIVE_FAILED;
    }
    if (archive->encoding) {
        return PS_PREFIX_ARCHIVE_LATER;
    }
    left_bytes = archive->encoder.out.size_bytes - archive->taken_bytes;
    if (left_bytes == 0) {
        return archive->state == PS_PREFIX_STATE_ENDED ? PS_PREFIX_ARCHIVE_END
                                                       : PS_PREFIX_ARCHIVE_LATER;
    }
    got_bytes = left_bytes < size ? left_bytes : size;
    if (got_bytes > 0) {
        memcpy(into, archive->encoder.out.data + archive->taken_bytes, got_bytes);
        archive->taken_bytes += got_bytes;
    }
    if (got_bytes == left_bytes) {
        start_encode(archive);
    }
    return (ssize_t)got_bytes;
}

const struct ps_err *ps_prefix_archive_error(const struct ps_prefix_archive *archive)
{
    return &archive->err;
}

uint64_t ps_prefix_archive_received(const struct ps_prefix_archive *archive)
{
    return archive->received_bytes;
}
