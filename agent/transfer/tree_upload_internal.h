/**
 * tree_upload_internal - the struct behind tree_upload.h, for its own files tree_upload*.c only.
 *
 * Flow:    tree_upload.c (batches, which item is next, the end) -> tree_upload_send.c (one item)
 * Thread:  the loop's, except a batch while its job runs
 * Source:  none
 */
#ifndef PS_TRANSFER_TREE_UPLOAD_INTERNAL_H
#define PS_TRANSFER_TREE_UPLOAD_INTERNAL_H

#include "source/tree_batch.h"
#include "transfer/job.h"
#include "transfer/tree_compare.h"
#include "transfer/tree_text.h"
#include "transfer/tree_upload.h"

/**
 * Small files under way at once: what the user wishes for parts, but at least this: a request of a small file is mostly
 * waiting. Lower: slower over a network. Higher: more connections than a small server likes.
 */
enum {
    SMALL_MIN = 32,
    SMALL_MAX = 64,
    BIG_MAX = 2, /* uploads of big files, each with its own parts */
    BATCHES = 2,
    /** With nothing sent and this many failed it is no file that is wrong. */
    HOPELESS_COUNT = 16
};

struct slot {
    struct ps_tree_upload *op;
    const struct ps_tree_item *item; /* NULL = free */
    struct batch *batch;
    char *key;
    char *path; /* local, of a big file */
    struct ps_store_op *store_op;
    struct ps_upload *upload;
    struct ps_upload_decision decision;
    bool decided;
    struct ps_tree_compare *compare; /* with skip_existing */
    char *listed_etag;               /* of what it is compared with, where there is a record */
    char mtime[PS_TREE_TIME_SIZE];
    char mode[PS_TREE_MODE_SIZE];
    struct ps_store_pair metadata[PS_PAIRS_MAX];
    struct ps_store_pair tags[PS_PAIRS_MAX];
};

struct batch {
    struct ps_tree_upload *op;
    struct ps_tree_batch tree;
    struct ps_job job;                                 /* while it runs it owns tree and stored */
    struct ps_tree_stored stored[PS_TREE_BATCH_ITEMS]; /* to be recorded; path is the item's */
    size_t stored_count;
    bool filled;
    size_t next;       /* item to start */
    size_t open_count; /* items started and not ended */
};

struct ps_tree_upload {
    struct ps_upload_options options; /* its text is copied */
    const struct ps_tree_filter *filter;
    enum ps_tree_directories directories;
    bool skip_existing;
    enum ps_code (*record)(void *user, const struct ps_tree_stored *stored, size_t count,
                           struct ps_err *err);
    void (*on_failed)(void *user, const char *path, const struct ps_err *err);
    void (*on_done)(void *user, const struct ps_tree_upload_result *result,
                    const struct ps_err *err);
    void *user;
    enum ps_checksum_algorithm algorithm;

    struct ps_tree_reader *reader;
    struct batch batches[BATCHES];
    size_t batch_index; /* whose items are being started */
    size_t fill_index;  /* which is read into next: in turn, so that the order of the tree stays */
    bool filling;
    bool read_all;
    struct ps_tree_listing *listing; /* with skip_existing */
    bool listing_waits;

    struct slot slots[SMALL_MAX];
    uint32_t slot_count;
    uint32_t busy_count;
    uint32_t big_count;
    bool ended; /* nothing new is started */
    struct ps_err err;
    struct ps_tree_upload_result result;
    struct ps_job end_job;
    bool ending;
};

/* tree_upload.c */
/** Start what can be started; ends the whole when nothing is left. Not from within itself. */
void ps_tree_upload_pump(struct ps_tree_upload *op);
/** Nothing new is started; the first error stays. */
void ps_tree_upload_stop_with(struct ps_tree_upload *op, const struct ps_err *err);

/* tree_upload_send.c; none of these pumps, but what comes later from the loop does */
void ps_tree_upload_tell_failed(struct ps_tree_upload *op, const struct ps_tree_item *item,
                                const struct ps_err *err);
/** The slot is free again. */
void ps_tree_upload_release(struct slot *slot);
void ps_tree_upload_item_same(struct slot *slot);
void ps_tree_upload_item_failed(struct slot *slot, const struct ps_err *err);
void ps_tree_upload_send(struct slot *slot);
/** With skip_existing: a listed object of this key and size is looked at more closely; listed NULL = there is none. */
void ps_tree_upload_compare(struct slot *slot, const struct ps_tree_listed *listed);

#endif
