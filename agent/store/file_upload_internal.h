/**
 * file_upload_internal - one struct for begin, list_parts, list_uploads, complete and abort: each one turn on a worker.
 *
 * Flow:    file_upload.c (life, begin, abort), file_upload_list.c, file_upload_complete.c <-> [file_upload_internal]
 * Thread:  an operation's fields belong to its worker while it runs, else to the loop
 * Source:  none
 */
#ifndef PS_STORE_FILE_UPLOAD_INTERNAL_H
#define PS_STORE_FILE_UPLOAD_INTERNAL_H

#include "store/file_internal.h"

struct file_found_upload {
    char *key;
    char *upload_id;
    int64_t initiated_unix_ms;
    enum ps_checksum_algorithm checksum;
};

struct file_upload_op {
    struct file_op op;
    ps_store_begin_fn begin_done;
    ps_store_parts_fn parts_page;
    ps_store_uploads_fn uploads_page;
    ps_store_put_fn complete_done;
    ps_store_done_fn abort_done;
    void *user;
    char *key; /* list_uploads: the prefix */
    char *upload_id;

    struct ps_buf text; /* begin: contents of `upload` */
    bool has_size;
    uint64_t size_bytes;

    struct ps_part_info *parts; /* complete */
    size_t part_count;
    struct ps_checksum checksum;
    bool create_only;
    char etag[64];

    struct file_note *notes;
    size_t note_count;

    struct file_found_upload *found; /* list_uploads */
    size_t found_count;
};

/** With copies of key and upload_id (NULL = none). NULL and *err when memory is out. */
struct file_upload_op *file_upload_op_new(struct ps_store *store, const char *key,
                                          const char *upload_id, struct ps_err *err);
void file_upload_op_free(struct file_op *base);
struct ps_store_op *file_upload_op_start(struct file_upload_op *op, void (*run)(struct file_op *op),
                                         void (*done)(struct file_op *op));

/** An ID becomes part of a path. */
bool file_upload_is_id(const char *upload_id);
/** Whether only what a kill has left of it is there; it is swept up then. */
bool file_upload_was_ended(const struct file_store *store, const char *upload_id);
void file_upload_remove(const struct file_store *store, const char *upload_id);
/** On a worker: fill notes. PS_E_NO_UPLOAD when there is no such upload. */
void file_upload_read_notes(struct file_op *base);

#endif
