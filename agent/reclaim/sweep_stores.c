#include "reclaim/sweep_stores.h"

#include "base/str.h"
#include "reclaim/reclaim_question.h"

#include <stdlib.h>
#include <string.h>

/* --- stores --- */

static void give_up(struct ps_sweep_stores *stores, size_t index)
{
    ps_store_close(&stores->open[index]);
    free(stores->roots[index]);
    stores->roots[index] = NULL;
}

enum ps_code ps_sweep_stores_get(struct ps_sweep_stores *stores, const char *url,
                                 struct ps_open_store **store_out, struct ps_err *err)
{
    char *root = ps_strndup(url, ps_reclaim_root_length(url));
    size_t index = stores->next;
    enum ps_code code;

    if (root == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "sweep: out of memory");
    }
    for (size_t i = 0; i < PS_SWEEP_STORES_MAX; i++) {
        if (ps_str_equal(stores->roots[i], root)) {
            free(root);
            *store_out = &stores->open[i];
            return PS_OK;
        }
    }
    give_up(stores, index);
    code = stores->opener.open(stores->opener.user, url, &stores->open[index], err);
    if (code != PS_OK) {
        free(root);
        return code;
    }
    stores->roots[index] = root;
    stores->next = (index + 1) % PS_SWEEP_STORES_MAX;
    *store_out = &stores->open[index];
    return PS_OK;
}

void ps_sweep_stores_clear(struct ps_sweep_stores *stores)
{
    for (size_t i = 0; i < PS_SWEEP_STORES_MAX; i++) {
        give_up(stores, i);
    }
}

/* --- order --- */

static int by_root_and_key(const void *left, const void *right)
{
    const struct ps_sweep_entry *a = left;
    const struct ps_sweep_entry *b = right;
    size_t least = a->root_length < b->root_length ? a->root_length : b->root_length;
    int order = memcmp(a->url, b->url, least);

    if (order != 0) {
        return order;
    }
    if (a->root_length != b->root_length) {
        return a->root_length < b->root_length ? -1 : 1;
    }
    return strcmp(a->key, b->key);
}

enum ps_code ps_sweep_order_init(struct ps_sweep_order *order, struct ps_reclaim_batch *batch,
                                 struct ps_err *err)
{
    order->count = 0;
    order->entries = calloc(batch->count + 1, sizeof(*order->entries));
    if (order->entries == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "sweep: out of memory");
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct ps_sweep_entry *entry = &order->entries[order->count];
        struct ps_artifact artifact;

        if (batch->items[i].outcome == PS_OUTCOME_MARK &&
            ps_reclaim_item_artifact(&batch->items[i], &artifact)) {
            entry->item = &batch->items[i];
            entry->url = artifact.url;
            entry->root_length = ps_reclaim_root_length(artifact.url);
            entry->key = artifact.url + entry->root_length;
            entry->key += entry->key[0] == '/' ? 1 : 0;
            order->count++;
        }
    }
    qsort(order->entries, order->count, sizeof(*order->entries), by_root_and_key);
    return PS_OK;
}

void ps_sweep_order_clear(struct ps_sweep_order *order)
{
    free(order->entries);
    memset(order, 0, sizeof(*order));
}

size_t ps_sweep_order_group_end(const struct ps_sweep_order *order, size_t begin)
{
    const struct ps_sweep_entry *first = &order->entries[begin];
    size_t end = begin;

    while (end < order->count && order->entries[end].root_length == first->root_length &&
           memcmp(order->entries[end].url, first->url, first->root_length) == 0) {
        end++;
    }
    return end;
}
