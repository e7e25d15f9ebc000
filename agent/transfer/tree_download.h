/**
 * tree_download - all objects below a prefix as files of a directory: small ones in parallel over kept-alive connections.
 *
 * Flow:    store/ list, get -> [tree_download] -> sink/dest_tree.h (worker); big objects -> transfer/download.h
 * Thread:  the loop thread; writing on one worker at a time
 * Source:  S3 ListObjectsV2, GetObject; metadata as tree_upload.h writes it
 *
 * A small object is one GET, verified by the store's checksum where it keeps one. Modes, times, symbolic links and empty
 * directories come back from the metadata. Keys are strangers' paths: one that leads out, or is no path, fails alone.
 */
#ifndef PS_TRANSFER_TREE_DOWNLOAD_H
#define PS_TRANSFER_TREE_DOWNLOAD_H

#include "source/tree_walk.h"
#include "transfer/download.h"

struct ps_tree_download;

struct ps_tree_download_result {
    uint64_t file_count; /* files, links and directories that were written */
    uint64_t size_bytes;
    uint64_t same_count; /* not fetched: they were there with equal content */
    uint64_t failed_count;
};

struct ps_tree_download_options {
    /** key and url are those of the prefix: "" or ending in '/'; path is the directory (absolute). */
    struct ps_download_options download;
    const struct ps_tree_filter *filter; /* NULL = all; borrowed until on_done */
    bool skip_existing; /* not what is there with equal size and checksum: see tree_compare.h */
    bool outside_links; /* keep symbolic links that lead out; they are never followed */
    /** One that was not fetched and why; may be NULL. Text is borrowed for the call. */
    void (*on_failed)(void *user, const char *path, const struct ps_err *err);
    /** The end, once. PS_E_PARTIAL when some failed; PS_E_NOT_FOUND when nothing is there. Freed when it returns. */
    void (*on_done)(void *user, const struct ps_tree_download_result *result,
                    const struct ps_err *err);
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY. Through on_done: those of dest_tree's open and of the list, PS_E_PARTIAL. */
PS_MUST_USE enum ps_code ps_tree_download_start(struct ps_tree_download **op_out,
                                                const struct ps_tree_download_options *options,
                                                struct ps_err *err);

/** Stop: on_done comes with PS_E_CANCELLED. */
void ps_tree_download_stop(struct ps_tree_download *op);

void ps_tree_download_progress(const struct ps_tree_download *op, struct ps_progress *progress_out);

#endif
