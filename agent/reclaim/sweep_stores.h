/**
 * sweep_stores - the stores that a sweep works on, and its items in their order.
 *
 * Flow:    sweeper.c, preview.c -> [sweep_stores] -> store/store_open.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_RECLAIM_SWEEP_STORES_H
#define PS_RECLAIM_SWEEP_STORES_H

#include "state/pending_reclaim.h"
#include "store/store_open.h"

#include <stddef.h>

/** How stores are opened; tests and benches have their own. What open gives is closed by ps_store_close. */
struct ps_store_opener {
    enum ps_code (*open)(void *user, const char *url, struct ps_open_store *open_out,
                         struct ps_err *err);
    void *user;
};

/** Stores that stay open. Lower: a sweep over many buckets looks for credentials again and again. */
#define PS_SWEEP_STORES_MAX 16

struct ps_sweep_stores {
    struct ps_store_opener opener;
    struct ps_open_store open[PS_SWEEP_STORES_MAX];
    char *roots[PS_SWEEP_STORES_MAX];
    size_t next; /* to be given up for another */
};

/** The store of url, opened when it is not yet. No operation of an earlier one may be under way. Borrowed. */
PS_MUST_USE enum ps_code ps_sweep_stores_get(struct ps_sweep_stores *stores, const char *url,
                                             struct ps_open_store **store_out, struct ps_err *err);
void ps_sweep_stores_clear(struct ps_sweep_stores *stores);

/** One item, in order of store and key. */
struct ps_sweep_entry {
    struct ps_reclaim_item *item;
    const char *url; /* borrowed from the item */
    size_t root_length;
    const char *key; /* in url */
};

/** Those items whose outcome is MARK. */
struct ps_sweep_order {
    struct ps_sweep_entry *entries;
    size_t count;
};

/** Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_sweep_order_init(struct ps_sweep_order *order,
                                             struct ps_reclaim_batch *batch, struct ps_err *err);
void ps_sweep_order_clear(struct ps_sweep_order *order);

/** The end of the entries that share their root with the one at begin. */
size_t ps_sweep_order_group_end(const struct ps_sweep_order *order, size_t begin);

#endif
