#include "tests/support/memory_store.h"

#include "base/str.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory_store {
    struct ps_store store;
    uv_loop_t *loop;
    struct memory_object *objects;
    size_t count;
    size_t capacity;
    unsigned empty_pages;
    unsigned failing_page; /* UINT_MAX = none */
    size_t block_bytes;    /* 0 = as asked */
    struct memory_counts counts;
};

struct op {
    struct ps_store_op base;
    struct memory_store *memory;
    uv_timer_t timer; /* its next step; a part of it, so that it is freed by its close */
    void (*step)(struct op *op);
    void *user;
    bool inside; /* of a callback: it must not be cancelled */

    ps_store_done_fn done;
    struct ps_sink sink;
    void (*on_info)(void *user, const struct ps_object_info *info);
    struct memory_object *object; /* NULL = there is none */
    char *if_match;
    uint64_t at_bytes;
    uint64_t end_bytes;
    size_t block_bytes;
    bool informed;
    bool paused;

    ps_store_list_fn page;
    char *prefix;
    size_t index; /* of the next object */
    size_t page_size;
    unsigned page_index;
    unsigned empty_left;
};

static const struct ps_store_ops ops;

/* --- operations --- */

static void on_closed(uv_handle_t *handle)
{
    struct op *op = handle->data;

    free(op->if_match);
    free(op->prefix);
    free(op);
}

static void op_end(struct op *op)
{
    op->memory->counts.under_way--;
    uv_close((uv_handle_t *)&op->timer, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
    struct op *op = timer->data;

    op->step(op);
}

static void go_on(struct op *op)
{
    (void)uv_timer_start(&op->timer, on_timer, 0, 0);
}

static struct op *op_new(struct ps_store *store, void (*step)(struct op *op), void *user)
{
    struct op *op = calloc(1, sizeof(*op));

    assert(op != NULL);
    op->base.ops = &ops;
    op->memory = (struct memory_store *)store;
    op->memory->counts.under_way++;
    op->step = step;
    op->user = user;
    (void)uv_timer_init(op->memory->loop, &op->timer);
    op->timer.data = op;
    go_on(op);
    return op;
}

static void cancel(struct ps_store_op *base)
{
    struct op *op = (struct op *)base;

    assert(!op->inside || op->page != NULL); /* a page may end its list, a block not its get */
    op_end(op);
}

static void wake(struct ps_store_op *base)
{
    struct op *op = (struct op *)base;

    if (op->paused) {
        op->paused = false;
        go_on(op);
    }
}

/* --- get --- */

static void end_get(struct op *op, const struct ps_err *err)
{
    op->inside = true;
    op->done(op->user, err);
    op->inside = false;
    op_end(op);
}

static void fail_get(struct op *op, enum ps_code code, int status, const char *store_code)
{
    struct ps_err err = { .code = PS_OK };

    (void)ps_err_set(&err, code, "get: %s", store_code);
    err.http_status = status;
    ps_str_copy(err.store_code, sizeof(err.store_code), store_code);
    end_get(op, &err);
}

static struct ps_object_info info_of(const struct memory_object *object)
{
    return (struct ps_object_info){
        .key = object->key,
        .size_bytes = object->size_bytes,
        .mtime_unix_ms = object->mtime_unix_ms,
        .etag = object->etag,
        .content_type = "",
        .storage_class = "",
        .version_id = "",
        .restore = "",
        .composite = "",
        .checksum = object->checksum,
    };
}

static void give_info(struct op *op)
{
    const struct ps_object_info info = info_of(op->object);

    op->informed = true;
    if (op->on_info != NULL && op->object->fault != MEMORY_NO_INFO) {
        op->inside = true;
        op->on_info(op->user, &info);
        op->inside = false;
    }
}

/* The next block, with what befalls it; it belongs to the caller. */
static char *block_of(const struct op *op, size_t size_bytes)
{
    const struct memory_object *object = op->object;
    char *block = malloc(size_bytes);

    assert(block != NULL);
    memcpy(block, object->bytes + op->at_bytes, size_bytes);
    if (object->fault == MEMORY_FLIPPED && object->fault_at_bytes >= op->at_bytes &&
        object->fault_at_bytes - op->at_bytes < size_bytes) {
        block[object->fault_at_bytes - op->at_bytes] ^= 1;
    }
    return block;
}

static uint64_t end_of(const struct op *op)
{
    bool ends = op->object->fault == MEMORY_CUT || op->object->fault == MEMORY_SHORT ||
                op->object->fault == MEMORY_STALLED;

    return ends && op->object->fault_at_bytes < op->end_bytes ? op->object->fault_at_bytes
                                                              : op->end_bytes;
}

static void push_block(struct op *op, size_t size_bytes)
{
    char *block = block_of(op, size_bytes);
    enum ps_push push;

    op->inside = true;
    push = op->sink.write(op->sink.user, block, size_bytes);
    op->inside = false;
    free(block);
    if (push == PS_PUSH_STOP) {
        fail_get(op, PS_E_CANCELLED, 0, "stopped by the reader");
        return;
    }
    if (push != PS_PUSH_PAUSE) {
        op->at_bytes += size_bytes;
        op->memory->counts.sent_bytes += size_bytes;
    }
    op->paused = push == PS_PUSH_PAUSE || (push == PS_PUSH_FULL && op->at_bytes < op->end_bytes);
    if (!op->paused) {
        go_on(op);
    }
}

static void step_get(struct op *op)
{
    uint64_t end_bytes;
    uint64_t left_bytes;

    if (op->object == NULL || op->object->fault == MEMORY_GONE) {
        fail_get(op, PS_E_NOT_FOUND, 404, "NoSuchKey");
        return;
    }
    if (op->object->fault == MEMORY_DENIED || op->object->fault == MEMORY_ARCHIVED) {
        fail_get(op, PS_E_DENIED, 403,
                 op->object->fault == MEMORY_DENIED ? "AccessDenied" : "InvalidObjectState");
        return;
    }
    if (op->if_match != NULL && strcmp(op->if_match, op->object->etag) != 0) {
        fail_get(op, PS_E_CHANGED, 412, "PreconditionFailed");
        return;
    }
    if (!op->informed) {
        give_info(op);
        go_on(op);
        return;
    }
    end_bytes = end_of(op);
    left_bytes = end_bytes > op->at_bytes ? end_bytes - op->at_bytes : 0;
    if (left_bytes > 0) {
        push_block(op, left_bytes < op->block_bytes ? (size_t)left_bytes : op->block_bytes);
    } else if (end_bytes < op->end_bytes && op->object->fault == MEMORY_CUT) {
        fail_get(op, PS_E_TEMPORARY, 0, "connection reset");
    } else if (end_bytes == op->end_bytes || op->object->fault == MEMORY_SHORT) {
        end_get(op, NULL);
    }
}

static struct ps_store_op *get(struct ps_store *store, const struct ps_get_request *request,
                               ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct op *op = op_new(store, step_get, user);

    (void)err;
    op->memory->counts.gets++;
    op->done = done;
    op->sink = request->sink;
    op->on_info = request->on_info;
    op->object = memory_store_object(op->memory, request->key);
    op->if_match = ps_strdup(request->if_match);
    op->block_bytes = request->buffer_bytes != 0 ? request->buffer_bytes : (size_t)256 * 1024;
    if (op->memory->block_bytes != 0 && op->memory->block_bytes < op->block_bytes) {
        op->block_bytes = op->memory->block_bytes;
    }
    if (op->object != NULL) {
        op->at_bytes = request->has_range ? request->offset_bytes : 0;
        op->end_bytes = op->object->size_bytes;
        assert(!request->has_range || op->at_bytes < op->end_bytes); /* else the store says 416 */
        if (request->has_range && request->length_bytes < op->end_bytes - op->at_bytes) {
            op->end_bytes = op->at_bytes + request->length_bytes;
        }
    }
    return &op->base;
}

/* --- list --- */

static void give_page(struct op *op, struct ps_object_info *infos, size_t count, bool more)
{
    op->inside = true;
    op->paused = false;
    op->page(op->user, infos, count, more, NULL);
    op->inside = false;
}

static size_t fill_page(struct op *op, struct ps_object_info *infos)
{
    struct memory_store *memory = op->memory;
    size_t count = 0;

    while (op->index < memory->count && count < op->page_size) {
        const struct memory_object *object = &memory->objects[op->index++];

        if (ps_str_has_prefix(object->key, op->prefix)) {
            infos[count] = info_of(object);
            infos[count].checksum.algorithm = PS_CHECKSUM_NONE; /* a list does not tell it */
            infos[count++].size_bytes = object->listed_size_bytes;
        }
    }
    return count;
}

static bool has_more(const struct op *op)
{
    for (size_t i = op->index; i < op->memory->count; i++) {
        if (ps_str_has_prefix(op->memory->objects[i].key, op->prefix)) {
            return true;
        }
    }
    return false;
}

static void step_list(struct op *op)
{
    struct memory_store *memory = op->memory;
    struct ps_object_info *infos;
    size_t count;
    bool more;

    if (op->page_index++ == memory->failing_page) {
        struct ps_err err = { .code = PS_OK };

        (void)ps_err_set(&err, PS_E_TEMPORARY, "list: SlowDown");
        err.http_status = 503;
        op->page(op->user, NULL, 0, false, &err);
        op_end(op);
        return;
    }
    if (op->empty_left > 0) {
        op->empty_left--;
        go_on(op); /* before the call, in which it may be cancelled */
        give_page(op, NULL, 0, true);
        return;
    }
    op->empty_left = memory->empty_pages;
    infos = calloc(op->page_size, sizeof(*infos));
    assert(infos != NULL);
    count = fill_page(op, infos);
    more = has_more(op);
    if (more) {
        go_on(op);
    }
    give_page(op, infos, count, more);
    if (!more) {
        op_end(op);
    }
    free(infos);
}

static struct ps_store_op *list(struct ps_store *store, const struct ps_list_request *request,
                                ps_store_list_fn page, void *user, struct ps_err *err)
{
    struct op *op = op_new(store, step_list, user);

    (void)err;
    op->memory->counts.lists++;
    op->page = page;
    op->prefix = ps_strdup(request->prefix);
    op->page_size = request->page_size != 0 ? request->page_size : 1000;
    op->empty_left = op->memory->empty_pages;
    while (request->start_after != NULL && op->index < op->memory->count &&
           strcmp(op->memory->objects[op->index].key, request->start_after) <= 0) {
        op->index++;
    }
    return &op->base;
}

static void nothing(struct ps_store *store)
{
    (void)store;
}

static const struct ps_store_ops ops = {
    .get = get,
    .list = list,
    .cancel = cancel,
    .wake = wake,
    .free = nothing,
};

/* --- the store --- */

struct memory_store *memory_store_new(uv_loop_t *loop)
{
    struct memory_store *memory = calloc(1, sizeof(*memory));

    assert(memory != NULL);
    memory->store.ops = &ops;
    memory->loop = loop;
    memory->failing_page = UINT32_MAX;
    return memory;
}

void memory_store_free(struct memory_store *memory)
{
    assert(memory->counts.under_way == 0);
    for (size_t i = 0; i < memory->count; i++) {
        free(memory->objects[i].key);
        free(memory->objects[i].bytes);
    }
    free(memory->objects);
    free(memory);
}

struct ps_store *memory_store_get(struct memory_store *memory)
{
    return &memory->store;
}

struct memory_object *memory_store_put(struct memory_store *memory, const char *key,
                                       const void *bytes, size_t size_bytes)
{
    struct memory_object *object;
    struct ps_hasher hasher;

    assert(memory->count == 0 || strcmp(memory->objects[memory->count - 1].key, key) < 0);
    if (memory->count == memory->capacity) {
        memory->capacity = memory->capacity != 0 ? 2 * memory->capacity : 64;
        memory->objects = realloc(memory->objects, memory->capacity * sizeof(*memory->objects));
        assert(memory->objects != NULL);
    }
    object = &memory->objects[memory->count++];
    *object = (struct memory_object){
        .key = ps_strdup(key),
        .bytes = calloc(1, size_bytes + 1),
        .size_bytes = size_bytes,
        .listed_size_bytes = size_bytes,
        .mtime_unix_ms = MEMORY_MTIME_UNIX_MS,
    };
    assert(object->key != NULL && object->bytes != NULL);
    if (bytes != NULL && size_bytes > 0) {
        memcpy(object->bytes, bytes, size_bytes);
    }
    (void)snprintf(object->etag, sizeof(object->etag), "\"%zu\"", memory->count);
    if (ps_hasher_init(&hasher, PS_CHECKSUM_CRC64_NVME, NULL) == PS_OK) {
        ps_hasher_update(&hasher, object->bytes, size_bytes);
        object->checksum = ps_hasher_finish(&hasher);
        ps_hasher_clear(&hasher);
    }
    return object;
}

struct memory_object *memory_store_object(struct memory_store *memory, const char *key)
{
    for (size_t i = 0; i < memory->count; i++) {
        if (strcmp(memory->objects[i].key, key) == 0) {
            return &memory->objects[i];
        }
    }
    return NULL;
}

void memory_store_set_empty_pages(struct memory_store *memory, unsigned count)
{
    memory->empty_pages = count;
}

void memory_store_set_failing_page(struct memory_store *memory, unsigned page_index)
{
    memory->failing_page = page_index;
}

void memory_store_set_block(struct memory_store *memory, size_t block_bytes)
{
    memory->block_bytes = block_bytes;
}

struct memory_counts memory_store_counts(const struct memory_store *memory)
{
    return memory->counts;
}
