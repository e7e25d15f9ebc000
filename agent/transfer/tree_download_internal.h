/**
 * tree_download_internal - the struct behind tree_download.h, for its own files tree_download*.c only.
 *
 * Flow:    tree_download.c (list, which object is next, the end) -> tree_download_fetch.c (one object, writing)
 * Thread:  the loop's; dest and the slots in SLOT_WRITING are the worker's while the write job runs
 * Source:  none
 */
#ifndef PS_TRANSFER_TREE_DOWNLOAD_INTERNAL_H
#define PS_TRANSFER_TREE_DOWNLOAD_INTERNAL_H

#include "sink/dest_tree.h"
#include "transfer/job.h"
#include "transfer/tree_compare.h"
#include "transfer/tree_download.h"

/**
 * Small objects under way at once, and how large one may be that is held whole. Lower: slower over a network. Higher:
 * more memory (slots times size) and more connections.
 */
enum {
    SMALL_MIN = 32,
    SMALL_MAX = 64,
    SMALL_BYTES = 256 * 1024,
    /** Taken by one recv(2) of what is small enough; with the head it fits. */
    RECEIVE_BYTES = 16 * 1024,
    /** Received objects are written when so many wait, or no other small one is under way: each hop to a worker costs. */
    WRITE_MIN = 8,
    BIG_MAX = 2,
    /** Listed objects that wait: a page is asked for when fewer do. */
    WAITING_MIN = 500,
    HOPELESS_COUNT = 16
};

struct listed {
    char *path; /* below the prefix */
    char *etag; /* with skip_existing, else NULL */
    uint64_t size_bytes;
};

enum slot_state {
    SLOT_FREE,
    SLOT_CHOSEN,   /* the file that is there differs: to be fetched */
    SLOT_FETCHING, /* get under way, or a download */
    SLOT_WAITING,  /* received; the writer's next batch takes it */
    SLOT_WRITING,  /* the worker's */
};

struct slot {
    struct ps_tree_download *op;
    enum slot_state state;
    char *path;
    char *key;
    char *local; /* of a big object */
    uint64_t size_bytes;
    struct ps_store_op *get;
    struct ps_download *download;
    char *data;
    size_t used_bytes;
    bool has_info;
    struct ps_checksum expected;
    struct ps_dest_attributes attributes;
    uint32_t mode; /* with the type; 0 = unknown */
    bool look;     /* the writer is to say whether a file of this size is there */
    bool there;    /* it is */
    char *etag;
    struct ps_tree_item local_item;  /* what is compared */
    struct ps_tree_compare *compare; /* its end comes */
    struct ps_err err;
};

struct ps_tree_download {
    struct ps_download_options options; /* its text is copied */
    const struct ps_tree_filter *filter;
    bool skip_existing;
    bool outside_links;
    void (*on_failed)(void *user, const char *path, const struct ps_err *err);
    void (*on_done)(void *user, const struct ps_tree_download_result *result,
                    const struct ps_err *err);
    void *user;

    struct ps_dest_tree *dest; /* the writer's */
    struct ps_job write_job;
    bool writing;
    struct ps_store_op *list;
    struct listed
        *listed; /* a ring would do; it is emptied before a page comes, so it grows to a page */
    size_t listed_count;
    size_t listed_next;
    char *last_key;
    bool more; /* pages are left to ask for */
    bool any;

    struct slot slots[SMALL_MAX];
    uint32_t slot_count;
    uint32_t busy_count;
    uint32_t big_count;
    bool ended;
    bool ending;
    struct ps_err err;
    struct ps_tree_download_result result;
};

/* tree_download.c */
/** Start what can be started; ends the whole when nothing is left. Not from within itself. */
void ps_tree_download_pump(struct ps_tree_download *op);
/** Nothing new is started; the first error stays. */
void ps_tree_download_stop_with(struct ps_tree_download *op, const struct ps_err *err);
/** The slot is free again. */
void ps_tree_download_release(struct slot *slot);
/** Told, counted, released. */
void ps_tree_download_failed(struct slot *slot, const struct ps_err *err);

/* tree_download_fetch.c */
/** Write all that waits, unless a write is under way. */
void ps_tree_download_write(struct ps_tree_download *op);
void ps_tree_download_get_small(struct slot *slot);
void ps_tree_download_get_big(struct slot *slot);

/* tree_download_compare.c: with skip_existing */
/** The writer has looked: compare what is there, or fetch. */
void ps_tree_download_looked(struct slot *slot);
/** Fetch what differs, as far as it can be started now. */
void ps_tree_download_fetch_chosen(struct ps_tree_download *op);

#endif
