/**
 * tree_compare - whether a store has a file already: its list, a page at a time beside the sorted tree, then checksums.
 *
 * Flow:    store/ list, head -> [tree_compare] -> transfer/tree_upload.h
 * Thread:  the loop thread; big files are hashed on workers
 * Source:  S3 ListObjectsV2 (keys in byte order, start-after), HeadObject; the ETag of a single PUT is its MD5 on most
 *          stores: where it is not (SSE-KMS), it is equal to nothing and the object's checksum is asked for
 */
#ifndef PS_TRANSFER_TREE_COMPARE_H
#define PS_TRANSFER_TREE_COMPARE_H

#include "source/tree_batch.h"
#include "store/store.h"

#include <stdbool.h>
#include <uv.h>

/* --- the list --- */

struct ps_tree_listing;

struct ps_tree_listed {
    const char *path; /* below the prefix */
    uint64_t size_bytes;
    const char *etag;
};

enum ps_tree_listing_state {
    PS_TREE_LISTING_FOUND,
    PS_TREE_LISTING_MISSING,
    PS_TREE_LISTING_LATER,  /* on_ready comes */
    PS_TREE_LISTING_FAILED, /* ps_tree_listing_error says why */
};

/** Of what lies below prefix. on_ready: after LATER, ask again. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_tree_listing_new(struct ps_tree_listing **listing_out,
                                             struct ps_store *store, const char *prefix,
                                             void (*on_ready)(void *user), void *user,
                                             struct ps_err *err);
/** NULL is allowed. */
void ps_tree_listing_free(struct ps_tree_listing *listing);

/** Look for path; paths must come in ascending byte order. *listed_out is borrowed until the next call. */
enum ps_tree_listing_state ps_tree_listing_find(struct ps_tree_listing *listing, const char *path,
                                                const struct ps_tree_listed **listed_out);

/** Borrowed. */
const struct ps_err *ps_tree_listing_error(const struct ps_tree_listing *listing);

/* --- one object --- */

/** A small file against the listed ETag; true = surely the same. */
bool ps_tree_is_listed_md5(const struct ps_tree_item *item, const char *etag);

struct ps_tree_compare;

struct ps_tree_compare_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char *key;                 /* copied */
    const struct ps_tree_item *item; /* borrowed until on_done */
    const char *path;                /* local file of an item without data; borrowed */
    const char *etag;                /* copied */
    bool etag_first;                 /* ask the store only when the ETag is not the file's MD5 */
    /** same = false also when that could not be found out. Freed when it returns. */
    void (*on_done)(void *user, bool same);
    void *user;
};

/** Ask for the object's checksum and compare. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_tree_compare_start(struct ps_tree_compare **compare_out,
                                               const struct ps_tree_compare_options *options,
                                               struct ps_err *err);

#endif
