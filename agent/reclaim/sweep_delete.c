#include "reclaim/sweep_delete.h"

#include "base/str.h"
#include "reclaim/verdict.h"

#include <stdlib.h>
#include <string.h>

/** Requests under way at once. Higher: a store with one disk works on them in turn anyway. */
#define REQUESTS_MAX 8

/** Keys of one DeleteObjects, and keys in the first second of a limited rate. */
#define BATCH_MAX 1000

struct request {
    struct ps_sweep_delete *owner;
    struct ps_sweep_entry *entries[BATCH_MAX];
    const char *keys[BATCH_MAX];
    size_t count; /* 0 = free */
    bool single;  /* a second try */
};

struct ps_sweep_delete {
    struct ps_sweep_delete_options options;
    struct ps_sweep_order order;
    bool *failed; /* by index: to be tried once more, alone */
    uv_timer_t timer;
    uint64_t next_send_ms; /* when the rate allows the next key */

    size_t begin; /* the group under way */
    size_t end;
    size_t at;
    bool singles; /* the second round of the group */
    struct ps_open_store *store;
    struct request *requests; /* REQUESTS_MAX */
    size_t request_count;
};

static void step(struct ps_sweep_delete *own);

static void postpone(const struct ps_sweep_delete *own, struct ps_reclaim_item *item,
                     const char *message)
{
    item->next_due_unix_s = ps_verdict_retry_unix_s(item, own->options.now_unix_s);
    ps_verdict_set(item, PS_OUTCOME_POSTPONE, "%s", message);
}

static size_t index_of(const struct ps_sweep_delete *own, const struct ps_sweep_entry *entry)
{
    return (size_t)(entry - own->order.entries);
}

/* --- deleting --- */

static void take_failure(struct ps_sweep_delete *own, const struct request *request,
                         struct ps_sweep_entry *entry, const char *message)
{
    postpone(own, entry->item, message);
    own->failed[index_of(own, entry)] = !request->single;
}

static const struct ps_delete_result *find_result(const struct ps_delete_result *results,
                                                  size_t count, const char *key, size_t hint)
{
    if (hint < count && strcmp(results[hint].key, key) == 0) {
        return &results[hint];
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(results[i].key, key) == 0) {
            return &results[i];
        }
    }
    return NULL;
}

static void take_result(struct ps_sweep_delete *own, const struct request *request, size_t index,
                        const struct ps_delete_result *result)
{
    struct ps_sweep_entry *entry = request->entries[index];

    if (result == NULL) {
        take_failure(own, request, entry, "the store did not say what became of it");
    } else if (result->code != PS_OK) {
        take_failure(own, request, entry, result->message);
    } else {
        entry->item->outcome = PS_OUTCOME_DELETED;
        entry->item->delete_marker = result->delete_marker;
    }
}

static void on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct request *request = user;
    struct ps_sweep_delete *own = request->owner;

    ps_fault_point(own->options.fault, "sweep.deleted");
    for (size_t i = 0; i < request->count; i++) {
        if (err != NULL) {
            /* The network is down, or the store is: a thousand single tries would tell the same. */
            take_failure(own, request, request->entries[i], err->message);
            own->failed[index_of(own, request->entries[i])] =
                !request->single && err->code != PS_E_TEMPORARY && err->code != PS_E_DENIED;
        } else {
            take_result(own, request, i, find_result(results, count, request->keys[i], i));
        }
    }
    request->count = 0;
    own->request_count--;
    step(own);
}

/* --- archiving --- */

static void on_copied(void *user, const char *etag, const struct ps_checksum *checksum,
                      const struct ps_err *err)
{
    struct request *request = user;
    struct ps_sweep_delete *own = request->owner;
    struct ps_reclaim_item *item = request->entries[0]->item;

    (void)checksum;
    if (err == NULL) {
        item->outcome = PS_OUTCOME_ARCHIVED;
        ps_str_copy(item->new_etag, sizeof(item->new_etag), etag);
    } else if (err->code == PS_E_CHANGED || err->code == PS_E_TOO_LARGE ||
               err->code == PS_E_UNSUPPORTED || err->code == PS_E_INVALID) {
        ps_verdict_set(item, PS_OUTCOME_KEEP, "cannot be archived: %s", err->message);
    } else if (err->code == PS_E_NOT_FOUND) {
        ps_verdict_set(item, PS_OUTCOME_GONE, "it was gone already");
    } else {
        postpone(own, item, err->message);
    }
    request->count = 0;
    own->request_count--;
    step(own);
}

static bool start_copy(struct ps_sweep_delete *own, struct request *request, struct ps_err *err)
{
    struct ps_sweep_entry *entry = request->entries[0];
    struct ps_artifact artifact;
    struct ps_copy_request copy = { .from_key = entry->key, .key = entry->key };

    if (!ps_reclaim_item_artifact(entry->item, &artifact)) {
        (void)ps_err_set(err, PS_E_PARSE, "a damaged record");
        return false;
    }
    if (own->store->store->capabilities.local) {
        (void)ps_err_set(err, PS_E_UNSUPPORTED, "a directory has no storage classes");
        return false;
    }
    if (artifact.size_bytes > own->store->store->capabilities.single_put_max_bytes) {
        (void)ps_err_set(err, PS_E_TOO_LARGE,
                         "larger than one copy may be: a lifecycle rule (archive) or `purser cp` "
                         "onto itself can");
        return false;
    }
    copy.from_if_match = artifact.etag[0] != '\0' ? artifact.etag : NULL;
    copy.options.storage_class = entry->item->words.storage_class;
    return ps_store_copy(own->store->store, &copy, on_copied, request, err) != NULL;
}

/* --- requests --- */

static struct request *free_request(struct ps_sweep_delete *own)
{
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        if (own->requests[i].count == 0) {
            return &own->requests[i];
        }
    }
    return NULL;
}

static bool is_wanted(const struct ps_sweep_delete *own, size_t index)
{
    const struct ps_reclaim_item *item = own->order.entries[index].item;

    return own->singles ? own->failed[index] : item->outcome == PS_OUTCOME_MARK;
}

static bool is_archive(const struct ps_sweep_entry *entry)
{
    return entry->item->next_what == PS_RECLAIM_ARCHIVE;
}

/* Fill the request with the next keys; an archive goes alone. */
static void fill(struct ps_sweep_delete *own, struct request *request)
{
    size_t most = own->store->store->capabilities.delete_batch_max;

    most = own->singles || most == 0 ? 1 : most;
    most = most < BATCH_MAX ? most : BATCH_MAX;
    request->owner = own;
    request->single = own->singles;
    request->count = 0;
    for (; own->at < own->end && request->count < most; own->at++) {
        struct ps_sweep_entry *entry = &own->order.entries[own->at];

        if (!is_wanted(own, own->at)) {
            continue;
        }
        if (is_archive(entry) && request->count > 0) {
            return;
        }
        request->entries[request->count] = entry;
        request->keys[request->count++] = entry->key;
        if (is_archive(entry)) {
            own->at++;
            return;
        }
    }
}

static bool send_request(struct ps_sweep_delete *own, struct request *request, struct ps_err *err)
{
    struct ps_deleter deleter = { .store = own->store->store };

    if (is_archive(request->entries[0])) {
        return start_copy(own, request, err);
    }
    return ps_deleter_delete_batch(&deleter, request->keys, request->count, on_deleted, request,
                                   err) != NULL;
}

/* True when the keys must wait for the rate; the timer goes on. */
static bool must_wait(struct ps_sweep_delete *own)
{
    uint64_t now_ms = uv_now(own->options.loop);

    if (own->options.rate_per_s == 0 || own->next_send_ms <= now_ms) {
        return false;
    }
    return true;
}

static void spend(struct ps_sweep_delete *own, size_t count)
{
    uint64_t now_ms = uv_now(own->options.loop);

    if (own->options.rate_per_s != 0) {
        own->next_send_ms = own->next_send_ms > now_ms ? own->next_send_ms : now_ms;
        own->next_send_ms += count * 1000 / own->options.rate_per_s;
    }
}

static void start_requests(struct ps_sweep_delete *own)
{
    while (own->at < own->end && own->request_count < REQUESTS_MAX && !must_wait(own)) {
        struct request *request = free_request(own);
        struct ps_err err;

        fill(own, request);
        if (request->count == 0) {
            return;
        }
        ps_fault_point(own->options.fault, "sweep.sending");
        spend(own, request->count);
        if (send_request(own, request, &err)) {
            own->request_count++;
            continue;
        }
        for (size_t i = 0; i < request->count; i++) {
            if (is_archive(request->entries[i])) {
                ps_verdict_set(request->entries[i]->item, PS_OUTCOME_KEEP, "cannot be archived: %s",
                               err.message);
            } else {
                take_failure(own, request, request->entries[i], err.message);
            }
        }
        request->count = 0;
    }
}

/* --- groups --- */

static void on_closed(uv_handle_t *handle)
{
    struct ps_sweep_delete *own = handle->data;

    own->options.on_done(own->options.user);
    ps_sweep_order_clear(&own->order);
    free(own->failed);
    free(own->requests);
    free(own);
}

static void on_timer(uv_timer_t *timer)
{
    step(timer->data);
}

static void start_group(struct ps_sweep_delete *own)
{
    struct ps_err err;

    own->begin = own->end;
    own->at = own->begin;
    own->singles = false;
    own->end = ps_sweep_order_group_end(&own->order, own->begin);
    if (ps_sweep_stores_get(own->options.stores, own->order.entries[own->begin].url, &own->store,
                            &err) != PS_OK) {
        for (size_t i = own->begin; i < own->end; i++) {
            postpone(own, own->order.entries[i].item, err.message);
        }
        own->at = own->end;
        own->singles = true;
    }
}

/* Goes on until something is under way, or all is done. */
static void step(struct ps_sweep_delete *own)
{
    for (;;) {
        start_requests(own);
        if (own->at < own->end && must_wait(own)) {
            (void)uv_timer_start(&own->timer, on_timer,
                                 own->next_send_ms - uv_now(own->options.loop), 0);
            return;
        }
        if (own->request_count > 0) {
            return;
        }
        if (own->at >= own->end && !own->singles) {
            own->singles = true;
            own->at = own->begin;
        } else if (own->end < own->order.count) {
            start_group(own);
        } else {
            uv_close((uv_handle_t *)&own->timer, on_closed);
            return;
        }
    }
}

enum ps_code ps_sweep_delete_start(struct ps_sweep_delete **delete_out,
                                   const struct ps_sweep_delete_options *options,
                                   struct ps_err *err)
{
    struct ps_sweep_delete *own = calloc(1, sizeof(*own));
    enum ps_code code;

    if (own == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "sweep: out of memory");
    }
    own->options = *options;
    own->failed = calloc(options->batch->count + 1, sizeof(*own->failed));
    own->requests = calloc(REQUESTS_MAX, sizeof(*own->requests));
    code = ps_sweep_order_init(&own->order, options->batch, err);
    if (code != PS_OK || own->failed == NULL || own->requests == NULL) {
        ps_sweep_order_clear(&own->order);
        free(own->failed);
        free(own->requests);
        free(own);
        return ps_err_set(err, PS_E_NO_MEMORY, "sweep: out of memory");
    }
    own->singles = true; /* of the empty group before the first */
    (void)uv_timer_init(options->loop, &own->timer);
    own->timer.data = own;
    (void)uv_timer_start(&own->timer, on_timer, 0, 0);
    *delete_out = own;
    return PS_OK;
}
