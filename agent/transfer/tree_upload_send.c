#include "transfer/tree_upload_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* --- one item's end --- */

void ps_tree_upload_release(struct slot *slot)
{
    slot->batch->open_count--;
    free(slot->key);
    free(slot->path);
    free(slot->listed_etag);
    slot->listed_etag = NULL;
    slot->key = NULL;
    slot->path = NULL;
    slot->item = NULL;
    if (slot->decided) {
        ps_upload_decision_clear(&slot->decision);
        slot->decided = false;
    }
    slot->op->busy_count--;
}

void ps_tree_upload_tell_failed(struct ps_tree_upload *op, const struct ps_tree_item *item,
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
        ps_tree_upload_stop_with(op, err);
    }
}

static void note_stored(const struct slot *slot, uint64_t size_bytes, const char *etag,
                        const struct ps_checksum *checksum)
{
    struct batch *batch = slot->batch;

    if (slot->op->record == NULL) {
        return;
    }
    batch->stored[batch->stored_count++] = (struct ps_tree_stored){
        .path = slot->item->path,
        .size_bytes = size_bytes,
        .etag = ps_strdup(etag != NULL ? etag : ""), /* without memory: not known, so it is kept */
        .checksum = *checksum,
    };
}

static void item_sent(struct slot *slot, uint64_t size_bytes)
{
    slot->op->result.sent_count++;
    slot->op->result.sent_bytes += size_bytes;
    ps_tree_upload_release(slot);
}

void ps_tree_upload_item_same(struct slot *slot)
{
    slot->op->result.same_count++;
    ps_tree_upload_release(slot);
}

void ps_tree_upload_item_failed(struct slot *slot, const struct ps_err *err)
{
    ps_tree_upload_tell_failed(slot->op, slot->item, err);
    ps_tree_upload_release(slot);
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

    (void)checksum; /* compared by the store already */
    slot->store_op = NULL;
    if (err != NULL) {
        ps_tree_upload_item_failed(slot, err);
    } else {
        note_stored(slot, slot->item->size_bytes, etag, &slot->item->checksum);
        item_sent(slot, slot->item->size_bytes);
    }
    ps_tree_upload_pump(op);
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
        .body = {
            .size_bytes = slot->item->size_bytes,
            .read = read_small,
            .user = slot,
            .bytes = slot->item->data,
        },
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
        ps_tree_upload_item_failed(slot, &err);
    }
}

static void on_big_done(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct slot *slot = user;
    struct ps_tree_upload *op = slot->op;

    slot->upload = NULL;
    op->big_count--;
    if (err != NULL) {
        ps_tree_upload_item_failed(slot, err);
    } else if (result->skipped) {
        ps_tree_upload_item_same(slot);
    } else {
        note_stored(slot, result->size_bytes, result->etag, &result->checksum);
        item_sent(slot, result->size_bytes);
    }
    ps_tree_upload_pump(op);
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
        ps_tree_upload_item_failed(slot, &err);
    } else if (ps_upload_start(&slot->upload, &options, &err) != PS_OK) {
        slot->upload = NULL;
        ps_tree_upload_item_failed(slot, &err);
    } else {
        op->big_count++;
    }
    free(url);
}

void ps_tree_upload_send(struct slot *slot)
{
    if (slot->item->data != NULL) {
        put_small(slot);
    } else {
        put_big(slot);
    }
}

/* --- what the store has --- */

static void found_same(struct slot *slot, const char *etag)
{
    static const struct ps_checksum unknown = { .algorithm = PS_CHECKSUM_NONE };

    note_stored(slot, slot->item->size_bytes, etag,
                slot->item->data != NULL ? &slot->item->checksum : &unknown);
    ps_tree_upload_item_same(slot);
}

static void on_compared(void *user, bool same)
{
    struct slot *slot = user;
    struct ps_tree_upload *op = slot->op;

    slot->compare = NULL;
    if (op->ended) {
        ps_tree_upload_release(slot);
    } else if (same) {
        found_same(slot, slot->listed_etag);
    } else {
        ps_tree_upload_send(slot);
    }
    ps_tree_upload_pump(op);
}

/* With skip_existing: a listed object of this key and size is looked at more closely. */
void ps_tree_upload_compare(struct slot *slot, const struct ps_tree_listed *listed)
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
    bool alike = listed != NULL && listed->size_bytes == slot->item->size_bytes;

    if (alike && op->record != NULL) {
        slot->listed_etag = ps_strdup(listed->etag);
    }
    if (alike && ps_tree_is_listed_md5(slot->item, listed->etag)) {
        found_same(slot, listed->etag);
    } else if (!alike || ps_tree_compare_start(&slot->compare, &options, NULL) != PS_OK) {
        ps_tree_upload_send(slot);
    }
}
