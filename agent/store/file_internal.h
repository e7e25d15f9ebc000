/**
 * file_internal - what the files file_*.c share; nobody else includes it.
 *
 * Flow:    file_store.c -> file_put.c file_get.c file_upload.c file_list.c -> file_staging.c file_path.c file_meta.c
 * Thread:  an operation's fields belong to its worker while it runs, else to the loop
 * Source:  none
 */
#ifndef PS_STORE_FILE_INTERNAL_H
#define PS_STORE_FILE_INTERNAL_H

#include "base/buf.h"
#include "store/file_store.h"

#include <sys/stat.h>

/** Bytes that go to or from the disk at once; two blocks an operation, so that reading and writing overlap. */
#define FILE_BLOCK_BYTES ((size_t)256 * 1024)

#define FILE_DIR_NAME ".purser"

struct file_store {
    struct ps_store base;
    uv_loop_t *loop;
    const struct ps_clock *clock;
    const struct ps_log *log;
    char *root_dir; /* without a last '/'; "" for the root of the file system */
    unsigned
        working_count; /* operations on workers, cancelled ones included: they still use the store */
    bool closing;      /* freed when the last of them is done */
};

/** An operation. First member of each kind's own struct. */
struct file_op {
    struct ps_store_op base;
    struct file_store *store;
    uv_work_t work;
    bool working;
    bool cancelled;
    enum ps_code code;
    struct ps_err err;
    void (*run)(struct file_op *op);  /* on a worker; sets code and err */
    void (*done)(struct file_op *op); /* on the loop; calls the user and frees, or goes on */
    void (*wake)(struct file_op *op); /* NULL = nothing to wake */
    /** Frees op. Not while it works. Removes what it left half-written. */
    void (*free)(struct file_op *op);
};

/** Run op->run on a worker, then op->done; a cancelled op is freed instead. */
void file_op_work(struct file_op *op);
/** Allocate an op of size_bytes with base, store and the functions set. NULL and *err when memory is out. */
void *file_op_new(struct ps_store *store, size_t size_bytes, struct ps_err *err);

/* file_path.c */
PS_MUST_USE enum ps_code file_check_key(const char *key, struct ps_err *err);
/** ROOT/key on the heap; NULL when memory is out. */
char *file_path(const struct file_store *store, const char *key);
/** ROOT/.purser/uploads/ID/name on the heap. name NULL = the directory. */
char *file_upload_path(const struct file_store *store, const char *upload_id, const char *name);
/** Open ROOT/key; components outside ROOT are never reached by links. Errors as open(2), NOT_FOUND for a directory. */
PS_MUST_USE enum ps_code file_open_object(const struct file_store *store, const char *key,
                                          int *fd_out, struct stat *status_out, struct ps_err *err);
/** Make the directories above path (mode 0777 less umask), each synced into its parent. */
PS_MUST_USE enum ps_code file_make_parents(const struct file_store *store, const char *path,
                                           struct ps_err *err);
PS_MUST_USE enum ps_code file_sync_parent(const char *path, struct ps_err *err);
/** Rename to ROOT/key, durable; create_only: PS_E_EXISTS when it is there. */
PS_MUST_USE enum ps_code file_publish(const struct file_store *store, const char *from,
                                      const char *key, bool create_only, struct ps_err *err);
PS_MUST_USE enum ps_code file_write_all(int fd, const char *path, uint64_t offset, const void *data,
                                        size_t size_bytes, struct ps_err *err);
/** Write a small file whole: beside it, synced, renamed. path.tmp is used for it. */
PS_MUST_USE enum ps_code file_write_small(const struct file_store *store, const char *path,
                                          const void *data, size_t size_bytes, struct ps_err *err);
/** "\"size-mtime_ns-inode\"" in hex. text holds 64 bytes. */
const char *file_etag(const struct stat *status, char *text);

/* file_staging.c: what is being made under ROOT/.purser/tmp, and the sweeping of what kills have left there */
/** ROOT/.purser/tmp/name on the heap; NULL when memory is out. */
char *file_staging_path(const struct file_store *store, const char *name);
/** Make tmp and keep it from being swept until file_staging_leave(lock_fd_out). */
PS_MUST_USE enum ps_code file_staging_enter(const struct file_store *store, int *lock_fd_out,
                                            struct ps_err *err);
/** *lock_fd -1 is allowed, and is what it becomes. */
void file_staging_leave(int *lock_fd);
/** Remove all of tmp, unless somebody is making something there. What cannot be removed stays for the next time. */
void file_staging_sweep(const struct file_store *store);

/* file_meta.c */
struct file_meta {
    struct ps_checksum checksum;
    char *content_type;  /* NULL = none */
    char *storage_class; /* NULL = none */
    struct ps_store_pair *metadata;
    size_t metadata_count;
    struct ps_store_pair *tags;
    size_t tag_count;
    char *text; /* what the pointers point into */
};
void file_meta_clear(struct file_meta *meta);
/** Attach to the open file what put or complete was told; key for the side file. */
PS_MUST_USE enum ps_code file_meta_write(const struct file_store *store, int fd, const char *key,
                                         const struct ps_write_options *options,
                                         const struct ps_checksum *checksum, struct ps_err *err);
/** Read it back; an object that others wrote has none, which is no error. */
PS_MUST_USE enum ps_code file_meta_read(const struct file_store *store, int fd, const char *key,
                                        const struct stat *status, struct file_meta *meta_out,
                                        struct ps_err *err);
void file_meta_remove(const struct file_store *store, const char *key);
/** Options as text lines, and back: the `upload` file has the same form. */
PS_MUST_USE enum ps_code file_options_encode(const struct ps_write_options *options,
                                             struct ps_buf *buf, struct ps_err *err);
PS_MUST_USE enum ps_code file_meta_parse(char *text, struct file_meta *meta_out,
                                         struct ps_err *err);

/* the operations, as in store.h */
struct ps_store_op *file_put(struct ps_store *store, const struct ps_put_request *request,
                             ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_put_part(struct ps_store *store, const struct ps_part_request *request,
                                  ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_begin(struct ps_store *store, const struct ps_begin_request *request,
                               ps_store_begin_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_list_parts(struct ps_store *store, const char *key, const char *upload_id,
                                    ps_store_parts_fn page, void *user, struct ps_err *err);
struct ps_store_op *file_list_uploads(struct ps_store *store, const char *prefix,
                                      ps_store_uploads_fn page, void *user, struct ps_err *err);
struct ps_store_op *file_complete(struct ps_store *store, const struct ps_complete_request *request,
                                  ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_abort(struct ps_store *store, const char *key, const char *upload_id,
                               ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_get(struct ps_store *store, const struct ps_get_request *request,
                             ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_head(struct ps_store *store, const char *key, ps_store_head_fn done,
                              void *user, struct ps_err *err);
struct ps_store_op *file_list(struct ps_store *store, const struct ps_list_request *request,
                              ps_store_list_fn page, void *user, struct ps_err *err);
struct ps_store_op *file_delete_batch(struct ps_store *store, const char *const *keys, size_t count,
                                      ps_store_delete_fn done, void *user, struct ps_err *err);

struct ps_store_op *file_copy(struct ps_store *store, const struct ps_copy_request *request,
                              ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_get_tags(struct ps_store *store, const char *key, ps_store_tags_fn done,
                                  void *user, struct ps_err *err);
struct ps_store_op *file_put_tags(struct ps_store *store, const struct ps_tags_request *request,
                                  ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *file_get_lifecycle(struct ps_store *store, ps_store_text_fn done, void *user,
                                       struct ps_err *err);
struct ps_store_op *file_put_lifecycle(struct ps_store *store, const char *xml, size_t size_bytes,
                                       ps_store_done_fn done, void *user, struct ps_err *err);

/* file_notes.c: the `parts` file */
struct file_note {
    uint32_t part_number;
    uint64_t offset_bytes;
    uint64_t size_bytes;
    struct ps_checksum checksum;
};
PS_MUST_USE enum ps_code file_notes_append(const struct file_store *store, const char *upload_id,
                                           const struct file_note *note, struct ps_err *err);
/** The last note of each part, ascending; the caller frees *notes_out. PS_E_NO_UPLOAD when the upload is not there. */
PS_MUST_USE enum ps_code file_notes_read(const struct file_store *store, const char *upload_id,
                                         struct file_note **notes_out, size_t *count_out,
                                         struct ps_err *err);
/** The etag of a part: its checksum in hex, in quotes. text holds 96 bytes. */
const char *file_part_etag(const struct file_note *note, char *text);
/** Read a small file whole into buf. NOT_FOUND when it is not there. */
PS_MUST_USE enum ps_code file_read_small(const char *path, struct ps_buf *buf, struct ps_err *err);

#endif
