#include "serve/plugin_internal.h"

#include "base/str.h"

#include "artifact.pb-c.h"

#include <stdlib.h>
#include <string.h>

/**
 * Data of one message. Lower: more messages, each costs the client some microseconds. Higher: the reader waits for a
 * message to fill; gRPC clients refuse 4 MiB.
 */
#define BLOCK_BYTES ((size_t)64 * 1024)

/**
 * So much may wait for the client before the store is paused. Lower: the store's connection stops and starts. Higher:
 * what a reader that went away holds.
 */
#define WAITING_BYTES_MAX ((size_t)192 * 1024)

/** A reader that has taken nothing for this long loses its place when another one needs it. */
#define STALLED_MS 10000

struct ps_plugin_stream {
    char *block; /* BLOCK_BYTES; what is not in a message yet */
    size_t block_bytes;
    bool paused;
    bool hashing;
    struct ps_hasher hasher;
    struct ps_checksum expected;
    uint64_t size_bytes;
    uint64_t taken_bytes;
};

void ps_plugin_stream_free(struct ps_plugin_task *task)
{
    if (task->stream == NULL) {
        return;
    }
    if (task->stream->hashing) {
        ps_hasher_clear(&task->stream->hasher);
    }
    free(task->stream->block);
    free(task->stream);
    task->stream = NULL;
}

static enum ps_code send_block(struct ps_plugin_task *task, struct ps_err *err)
{
    struct ps_plugin_stream *stream = task->stream;
    Artifact__OpenStreamResponse response;

    if (stream->block_bytes == 0) {
        return PS_OK;
    }
    artifact__open_stream_response__init(&response);
    response.data.data = (uint8_t *)stream->block;
    response.data.len = stream->block_bytes;
    stream->block_bytes = 0;
    return ps_grpc_call_send(task->call, &response.base, err);
}

static enum ps_push on_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_plugin_task *task = user;
    struct ps_plugin_stream *stream = task->stream;
    const char *at = data;
    struct ps_err err;

    if (ps_grpc_call_waiting_bytes(task->call) > WAITING_BYTES_MAX) {
        stream->paused = true;
        return PS_PUSH_PAUSE;
    }
    ps_hasher_update(&stream->hasher, data, size_bytes);
    stream->taken_bytes += size_bytes;
    while (size_bytes > 0) {
        size_t room = BLOCK_BYTES - stream->block_bytes;
        size_t take = size_bytes < room ? size_bytes : room;

        memcpy(stream->block + stream->block_bytes, at, take);
        stream->block_bytes += take;
        at += take;
        size_bytes -= take;
        /* A client that waits gets what there is: the first byte does not wait for a block to fill. */
        if ((stream->block_bytes == BLOCK_BYTES || ps_grpc_call_waiting_bytes(task->call) == 0) &&
            send_block(task, &err) != PS_OK) {
            return PS_PUSH_STOP;
        }
    }
    return PS_PUSH_TAKEN;
}

static void on_drain(void *user)
{
    struct ps_plugin_task *task = user;
    struct ps_plugin_stream *stream = task->stream;

    if (stream != NULL && stream->paused && task->op != NULL &&
        ps_grpc_call_waiting_bytes(task->call) < WAITING_BYTES_MAX / 2) {
        stream->paused = false;
        ps_store_wake(task->op);
    }
}

static enum ps_code verify(const struct ps_plugin_task *task, struct ps_err *err)
{
    struct ps_plugin_stream *stream = task->stream;
    struct ps_checksum have = ps_hasher_finish(&stream->hasher);

    if (stream->taken_bytes != stream->size_bytes) {
        return ps_err_set(err, PS_E_CORRUPT, "%s: the store sent %llu of %llu bytes", task->url,
                          (unsigned long long)stream->taken_bytes,
                          (unsigned long long)stream->size_bytes);
    }
    if (stream->expected.algorithm != PS_CHECKSUM_NONE &&
        !ps_checksum_equal(&have, &stream->expected)) {
        return ps_err_set(err, PS_E_CORRUPT,
                          "%s: the bytes sent differ from the store's %s: do not use them",
                          task->url, ps_checksum_name(stream->expected.algorithm));
    }
    return PS_OK;
}

static void on_received(void *user, const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_err own;
    enum ps_code code = PS_OK;

    task->op = NULL;
    if (err == NULL) {
        code = send_block(task, &own);
        code = code == PS_OK ? verify(task, &own) : code;
        err = code != PS_OK ? &own : NULL;
    }
    ps_plugin_task_end(task, err);
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_plugin_stream *stream = task->stream;
    struct ps_get_request request = {
        .key = task->key,
        .sink = { .write = on_data, .user = task },
    };
    struct ps_err own;

    task->op = NULL;
    if (err != NULL) {
        own = *err;
        ps_store_name_missing(&own, task->url);
        ps_plugin_task_end(task, &own);
        return;
    }
    stream->size_bytes = info->size_bytes;
    stream->expected = info->checksum;
    if (ps_hasher_init(&stream->hasher,
                       info->checksum.algorithm != PS_CHECKSUM_NONE ? info->checksum.algorithm
                                                                    : PS_CHECKSUM_CRC64_NVME,
                       &own) != PS_OK) {
        ps_plugin_task_end(task, &own);
        return;
    }
    stream->hashing = true;
    if (info->size_bytes == 0) {
        ps_plugin_task_end(task, NULL);
        return;
    }
    request.if_match = info->etag[0] != '\0' ? info->etag : NULL;
    task->op = ps_store_get(task->config->open.store, &request, on_received, task, &own);
    if (task->op == NULL) {
        ps_plugin_task_end(task, &own);
    }
}

static void on_client_gone(void *user)
{
    struct ps_plugin_task *task = user;

    task->call = NULL;
    ps_plugin_task_stop(task);
}

void ps_plugin_stream(struct ps_plugin_task *task)
{
    const struct ps_grpc_watch watch = {
        .on_end = on_client_gone,
        .on_drain = on_drain,
        .user = task,
    };
    struct ps_err err;

    task->stream = calloc(1, sizeof(*task->stream));
    if (task->stream != NULL) {
        task->stream->block = malloc(BLOCK_BYTES);
    }
    if (task->stream == NULL || task->stream->block == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_plugin_task_end(task, &err);
        return;
    }
    ps_grpc_call_watch(task->call, &watch);
    task->op = ps_store_head(task->config->open.store, task->key, on_head, task, &err);
    if (task->op == NULL) {
        ps_plugin_task_end(task, &err);
    }
}

bool ps_plugin_stream_make_room(struct ps_plugin *plugin)
{
    struct ps_plugin_task *worst = NULL;
    uint64_t worst_ms = STALLED_MS;

    for (struct ps_plugin_task *task = plugin->tasks; task != NULL; task = task->next) {
        if (task->kind == PS_PLUGIN_STREAM && task->call != NULL &&
            ps_grpc_call_stalled_ms(task->call) >= worst_ms) {
            worst_ms = ps_grpc_call_stalled_ms(task->call);
            worst = task;
        }
    }
    if (worst == NULL) {
        return false;
    }
    ps_grpc_call_abandon(worst->call);
    return true;
}
