/**
 * tree_upload - a directory as one object a file: small files in parallel over kept-alive connections.
 *
 * Flow:    source/tree_batch.h (worker) -> [tree_upload] -> store/ put; big files -> transfer/upload.h
 * Thread:  the loop thread; reading and hashing on workers
 * Source:  S3 PutObject, ListObjectsV2; metadata names of rclone and s3fs
 *
 * A small file is one PUT, with no other request and nothing in the state; a big one is an upload of its own, which
 * resumes. Metadata: `mtime` (unix seconds, with a fraction), `mode` (octal, with the file's type, as st_mode). A
 * symbolic link is an object with its target as bytes and a mode of 012xxxx, a directory that is kept (tree_batch.h says
 * which) one without bytes whose key ends in '/'. A file that fails does not stop the others.
 */
#ifndef PS_TRANSFER_TREE_UPLOAD_H
#define PS_TRANSFER_TREE_UPLOAD_H

#include "source/tree_walk.h"
#include "transfer/upload.h"

struct ps_tree_upload;

struct ps_tree_upload_result {
    uint64_t sent_count; /* objects */
    uint64_t sent_bytes;
    uint64_t
        same_count; /* not sent: the store has them with equal content, or a policy said skip */
    uint64_t failed_count;
    uint64_t special_count; /* devices, fifos, sockets: told, not sent */
};

/** An object of the tree that the store has now. */
struct ps_tree_stored {
    const char *path; /* below the prefix */
    uint64_t size_bytes;
    const char *etag;            /* "" = none */
    struct ps_checksum checksum; /* NONE = not known */
};

struct ps_tree_upload_options {
    /**
     * key and url are those of the prefix: "" or ending in '/'; source_path is the directory. wishes.metadata comes to
     * that of the files. on_done, user, byte_source and stream_fd are not used.
     */
    struct ps_upload_options upload;
    const struct ps_tree_filter *filter; /* NULL = all; borrowed until on_done */
    bool all_directories; /* each as an object, not only those that would be lost or altered */
    bool skip_existing;   /* not what the store has with equal size and checksum */
    /**
     * Objects that were sent, or were there already; at most PS_TREE_BATCH_ITEMS, on a worker, one call at a time. NULL =
     * nobody wants to know. A failure ends the whole with its error.
     */
    enum ps_code (*record)(void *user, const struct ps_tree_stored *stored, size_t count,
                           struct ps_err *err);
    /** One that was not sent and why; may be NULL. Text is borrowed for the call. */
    void (*on_failed)(void *user, const char *path, const struct ps_err *err);
    /** The end, once. PS_E_PARTIAL when some failed. Freed when it returns. */
    void (*on_done)(void *user, const struct ps_tree_upload_result *result,
                    const struct ps_err *err);
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY. Through on_done: those of tree_walk's open, PS_E_PARTIAL, PS_E_CANCELLED. */
PS_MUST_USE enum ps_code ps_tree_upload_start(struct ps_tree_upload **op_out,
                                              const struct ps_tree_upload_options *options,
                                              struct ps_err *err);

/** Stop: uploads of big files make durable what is done, then on_done comes with PS_E_CANCELLED. */
void ps_tree_upload_stop(struct ps_tree_upload *op);

void ps_tree_upload_progress(const struct ps_tree_upload *op, struct ps_progress *progress_out);

#endif
