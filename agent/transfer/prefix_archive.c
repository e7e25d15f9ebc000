#include "transfer/prefix_archive.h"

#include "base/str.h"
#include "hash/checksum.h"
#include "transfer/job.h"
#include "transfer/prefix_archive_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/** Keys asked for at once. Lower: more requests. Higher: memory, 1.1 KiB a key at most. */
#define PAGE_KEYS_MAX 250U

/** What the store reads ahead. */
#define RECEIVE_BYTES ((size_t)64 * 1024)

/** What an entry costs in a zip's directory besides its name, twice, as libarchive holds it to the end. */
#define ZIP_ENTRY_BYTES ((uint64_t)256)
/** Asked of reserve at a time. */
#define RESERVE_STEP_BYTES ((uint64_t)64 * 1024)

enum state {
    STATE_LISTING, /* a page is under way */
    STATE_BETWEEN, /* the page's next key is to be looked at */
    STATE_OPENING, /* a get is under way, its headers are not there */
    STATE_BODY,    /* bytes of an object come */
    STATE_ENDING,  /* the end is with the encoder */
    STATE_ENDED,
    STATE_FAILED,
};

/** One key of the page. */
struct entry {
    char *key;
    uint64_t size_bytes;
    int64_t mtime_unix_ms;
};

struct ps_prefix_archive {
    uv_loop_t *loop;
    struct ps_store *store;
    char *prefix;
    bool zip;
    bool (*may_add)(void *user, const struct ps_object_info *info, struct ps_err *err);
    bool (*reserve)(void *user, uint64_t size_bytes);
    void (*on_ready)(void *user);
    void *user;

    enum state state;
    bool freed; /* by its owner; the worker's end frees it */
    bool stepping;
    struct ps_err err; /* in STATE_FAILED */
    struct ps_store_op *op;
    bool paused;

    struct entry *entries;
    size_t entry_count;
    size_t entry_index; /* the next one; the one before it is being fetched */
    char *last_key;     /* of the page; NULL = none was there */
    bool more;          /* pages follow */
    bool any;           /* some key was found */
    uint64_t reserved_bytes;
    uint64_t directory_bytes;

    uint64_t object_size_bytes;
    uint64_t object_received_bytes;
    uint64_t received_bytes;
    struct ps_hasher hasher;
    struct ps_checksum expected; /* PS_CHECKSUM_NONE = not known */

    struct ps_prefix_batch batches[2];
    struct ps_prefix_batch *filling;
    struct ps_job job; /* while it runs the other batch and the encoder are the worker's */
    bool encoding;
    struct ps_prefix_encoder encoder;
    size_t taken_bytes; /* of encoder.out */
};

static void step(struct ps_prefix_archive *archive);

static void entries_clear(struct ps_prefix_archive *archive)
{
    for (size_t i = 0; i < archive->entry_count; i++) {
        free(archive->entries[i].key);
    }
    free(archive->entries);
    archive->entries = NULL;
    archive->entry_count = 0;
    archive->entry_index = 0;
}

static void archive_free(struct ps_prefix_archive *archive)
{
    entries_clear(archive);
    ps_hasher_clear(&archive->hasher);
    ps_prefix_encoder_clear(&archive->encoder);
    free(archive->batches[0].bytes);
    free(archive->batches[1].bytes);
    free(archive->last_key);
    free(archive->prefix);
    free(archive);
}

/* Not from within a get's calls. */
static void cancel_op(struct ps_prefix_archive *archive)
{
    ps_store_cancel(archive->op);
    archive->op = NULL;
}

static void fail(struct ps_prefix_archive *archive, const struct ps_err *err)
{
    if (archive->state != STATE_FAILED && archive->state != STATE_ENDED) {
        archive->err = *err;
        archive->state =
            STATE_FAILED; /* a get under way is stopped by its next bytes, or at the end */
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

    if (archive->encoding || batch->count == 0 || archive->state == STATE_FAILED ||
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
        fail(archive, &job->err);
        return;
    }
    if (archive->state == STATE_ENDING && archive->filling->count == 0) {
        archive->state = STATE_ENDED;
    }
    if (archive->encoder.out.size_bytes > 0 || archive->state == STATE_ENDED) {
        archive->on_ready(archive->user);
    }
    step(archive);
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

static const char *name_of(const struct ps_prefix_archive *archive, const char *key)
{
    return key + strlen(archive->prefix);
}

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
    const struct entry *entry = &archive->entries[archive->entry_index - 1];
    struct ps_err err;

    if (archive->state != STATE_OPENING) {
        return;
    }
    archive->state = STATE_BODY;
    archive->object_size_bytes = info->size_bytes;
    archive->object_received_bytes = 0;
    archive->expected = info->checksum;
    ps_hasher_clear(&archive->hasher);
    if (ps_hasher_init(&archive->hasher, info->checksum.algorithm, &err) != PS_OK ||
        !push_entry(archive, name_of(archive, entry->key), info->size_bytes, info->mtime_unix_ms)) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        fail(archive, &err);
    }
}

static enum ps_push on_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_prefix_archive *archive = user;
    const struct ps_prefix_command command = { .kind = PS_PREFIX_DATA, .size_bytes = size_bytes };
    const struct ps_prefix_batch *batch = archive->filling;

    if (archive->state != STATE_BODY || size_bytes > PS_PREFIX_BATCH_BYTES) {
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
    const char *name = name_of(archive, archive->entries[archive->entry_index - 1].key);
    struct ps_err own = { .code = PS_OK };

    archive->op = NULL;
    if (archive->state != STATE_OPENING && archive->state != STATE_BODY) {
        return;
    }
    if (err != NULL) {
        own = *err;
    } else if (archive->state == STATE_OPENING) {
        (void)ps_err_set(&own, PS_E_PARSE, "the store sent no headers");
    } else if (check_object(archive, &own) == PS_OK && !push_end(archive, PS_PREFIX_FILE_END)) {
        (void)ps_err_set(&own, PS_E_BUG, "no room for an object's end");
    }
    if (own.code != PS_OK) {
        (void)ps_err_wrap(&own, own.code, "%s", name);
        fail(archive, &own);
        return;
    }
    archive->state = STATE_BETWEEN;
    step(archive);
}

static void fetch(struct ps_prefix_archive *archive, const struct entry *entry)
{
    const struct ps_get_request request = {
        .key = entry->key,
        .sink = { .write = on_data, .user = archive },
        .buffer_bytes = RECEIVE_BYTES,
        .on_info = on_info,
    };
    struct ps_err err;

    archive->state = STATE_OPENING;
    archive->op = ps_store_get(archive->store, &request, on_got, archive, &err);
    if (archive->op == NULL) {
        fail(archive, &err);
    }
}

/* --- keys --- */

/* What an extractor would put elsewhere, or not at all: such a key has no name in an archive. */
static bool is_safe(const char *name, bool zip)
{
    for (const char *at = name; *at != '\0';) {
        size_t length = strcspn(at, "/");

        if (length == 0 || (length == 1 && at[0] == '.') ||
            (length == 2 && at[0] == '.' && at[1] == '.')) {
            return false;
        }
        at += length + (at[length] == '/' ? 1 : 0);
    }
    for (const char *at = name; zip && *at != '\0'; at += ps_utf8_length(at)) {
        if (ps_utf8_length(at) == 0 || *at == '\\') {
            return false;
        }
    }
    return true;
}

static enum ps_code reserve(struct ps_prefix_archive *archive, const char *name, struct ps_err *err)
{
    archive->directory_bytes += archive->zip ? 2 * strlen(name) + ZIP_ENTRY_BYTES : 0;
    while (archive->reserved_bytes < archive->directory_bytes) {
        if (archive->reserve != NULL && !archive->reserve(archive->user, RESERVE_STEP_BYTES)) {
            return ps_err_set(err, PS_E_NO_MEMORY,
                              "a zip's directory needs more memory than there is: ask for a tar");
        }
        archive->reserved_bytes += RESERVE_STEP_BYTES;
    }
    return PS_OK;
}

static enum ps_code take_key(struct ps_prefix_archive *archive, const struct ps_object_info *info,
                             struct ps_err *err)
{
    struct entry *entry = &archive->entries[archive->entry_count];
    const char *name = name_of(archive, info->key);
    enum ps_code code = PS_OK;

    if (name[0] == '\0') {
        return PS_OK; /* the marker of the prefix itself */
    }
    if (!is_safe(name, archive->zip) || (ps_str_has_suffix(name, "/") && info->size_bytes > 0)) {
        return ps_err_set(err, PS_E_INVALID, "%s: this key cannot be a name in an archive", name);
    }
    if (archive->may_add != NULL && !archive->may_add(archive->user, info, err)) {
        return err->code;
    }
    code = reserve(archive, name, err);
    entry->key = ps_strdup(info->key);
    entry->size_bytes = info->size_bytes;
    entry->mtime_unix_ms = info->mtime_unix_ms;
    if (entry->key == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    archive->entry_count++;
    archive->any = true;
    return code;
}

static enum ps_code take_page(struct ps_prefix_archive *archive,
                              const struct ps_object_info *objects, size_t count,
                              struct ps_err *err)
{
    enum ps_code code = PS_OK;

    entries_clear(archive);
    archive->entries = calloc(count + 1, sizeof(*archive->entries));
    if (archive->entries == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (count > 0) {
        free(archive->last_key);
        archive->last_key = ps_strdup(objects[count - 1].key);
        code = archive->last_key != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count && code == PS_OK; i++) {
        if (ps_str_has_prefix(objects[i].key, archive->prefix)) {
            code = take_key(archive, &objects[i], err);
        }
    }
    if (code == PS_OK && !archive->any && !archive->more) {
        code = ps_err_set(err, PS_E_NOT_FOUND, "nothing lies below it");
    }
    return code;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_prefix_archive *archive = user;
    struct ps_err own;

    if (err != NULL || !more) {
        archive->op = NULL; /* it ends by itself */
    }
    if (archive->state != STATE_LISTING) {
        return;
    }
    if (err != NULL) {
        fail(archive, err);
        return;
    }
    /* The next page would come by itself, wanted or not: it is asked for when this one is used up. */
    cancel_op(archive);
    archive->more = more && count > 0;
    if (take_page(archive, objects, count, &own) != PS_OK) {
        fail(archive, &own);
        return;
    }
    archive->state = STATE_BETWEEN;
    step(archive);
}

static enum ps_code list(struct ps_prefix_archive *archive, struct ps_err *err)
{
    const struct ps_list_request request = {
        .prefix = archive->prefix,
        .start_after = archive->last_key,
        .page_size = PAGE_KEYS_MAX,
    };

    archive->state = STATE_LISTING;
    archive->op = ps_store_list(archive->store, &request, on_page, archive, err);
    return archive->op != NULL ? PS_OK : err->code;
}

/* --- what comes next --- */

static void next_key(struct ps_prefix_archive *archive)
{
    const struct entry *entry = &archive->entries[archive->entry_index++];
    const char *name = name_of(archive, entry->key);
    struct ps_err err;

    if (entry->size_bytes > 0) {
        fetch(archive, entry);
    } else if (!push_entry(archive, name, 0, entry->mtime_unix_ms) ||
               (!ps_str_has_suffix(name, "/") && !push_end(archive, PS_PREFIX_FILE_END))) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        fail(archive, &err);
    }
}

/* Go on as far as there is room for what comes. */
static void step(struct ps_prefix_archive *archive)
{
    struct ps_err err;

    if (archive->stepping) {
        return;
    }
    archive->stepping = true;
    while (archive->state == STATE_BETWEEN && has_room(archive)) {
        if (archive->entry_index < archive->entry_count) {
            next_key(archive);
        } else if (archive->more) {
            if (list(archive, &err) != PS_OK) {
                fail(archive, &err);
            }
        } else {
            archive->state = STATE_ENDING;
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
        code = list(archive, err);
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
    cancel_op(archive);
    archive->freed = true;
    if (!archive->encoding) {
        archive_free(archive);
    }
}

ssize_t ps_prefix_archive_read(struct ps_prefix_archive *archive, void *into, size_t size)
{
    size_t left_bytes;
    size_t got_bytes;

    if (archive->state == STATE_FAILED) {
        return PS_PREFIX_ARCHIVE_FAILED;
    }
    if (archive->encoding) {
        return PS_PREFIX_ARCHIVE_LATER;
    }
    left_bytes = archive->encoder.out.size_bytes - archive->taken_bytes;
    if (left_bytes == 0) {
        return archive->state == STATE_ENDED ? PS_PREFIX_ARCHIVE_END : PS_PREFIX_ARCHIVE_LATER;
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
