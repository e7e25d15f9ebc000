#include "transfer/tree_download_internal.h"

#include "base/str.h"

#include <stdlib.h>

static void on_compared(void *user, bool same)
{
    struct slot *slot = user;
    struct ps_tree_download *op = slot->op;

    slot->compare = NULL;
    free(slot->local);
    slot->local = NULL;
    if (same && !op->ended) {
        op->result.same_count++;
        ps_tree_download_release(slot);
    } else {
        slot->state = SLOT_CHOSEN;
    }
    ps_tree_download_pump(op);
}

void ps_tree_download_looked(struct slot *slot)
{
    struct ps_tree_download *op = slot->op;
    struct ps_tree_compare_options options = {
        .loop = op->options.loop,
        .store = op->options.store,
        .key = slot->key,
        .item = &slot->local_item,
        .etag = slot->etag,
        .etag_first = true,
        .on_done = on_compared,
        .user = slot,
    };

    slot->look = false;
    slot->state = SLOT_CHOSEN;
    if (!slot->there || op->ended) {
        return;
    }
    slot->local_item = (struct ps_tree_item){ .size_bytes = slot->size_bytes };
    slot->local = ps_str_format("%s/%s", op->options.path, slot->path);
    options.path = slot->local;
    if (slot->local != NULL && ps_tree_compare_start(&slot->compare, &options, NULL) == PS_OK) {
        slot->state = SLOT_FETCHING;
    }
}

void ps_tree_download_fetch_chosen(struct ps_tree_download *op)
{
    for (uint32_t i = 0; i < op->slot_count; i++) {
        struct slot *slot = &op->slots[i];

        if (slot->state != SLOT_CHOSEN) {
            continue;
        }
        if (op->ended) {
            ps_tree_download_release(slot);
        } else if (slot->size_bytes <= SMALL_BYTES) {
            slot->state = SLOT_FETCHING;
            ps_tree_download_get_small(slot);
        } else if (op->big_count < BIG_MAX && !op->writing) {
            slot->state = SLOT_FETCHING;
            ps_tree_download_get_big(slot);
        }
    }
}
