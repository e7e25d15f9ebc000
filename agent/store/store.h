/**
 * store - one interface to every object store: asynchronous operations on the libuv loop.
 *
 * Flow:    transfer/, reclaim/, serve/, cli/ -> [store] -> file_store, s3_store, oss_store
 * Thread:  the loop thread only
 * Source:  S3 API operations (the names are theirs); OSS and file:// map to them
 *
 * Every operation copies what it needs from its request, returns a handle, and calls its callback exactly once, later,
 * from the loop; not at all after ps_store_cancel. Retries happen inside: a callback's error is final. Bodies are
 * pulled (struct ps_body) and pushed (struct ps_sink). A key is everything after the store's root, without a
 * leading '/'. All text in answers is borrowed for the callback.
 */
#ifndef PS_STORE_STORE_H
#define PS_STORE_STORE_H

#include "base/err.h"
#include "hash/checksum.h"
#include "http/http_client.h" /* enum ps_push, PS_BODY_LATER, PS_BODY_FAILED */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct ps_store;
struct ps_store_op; /* an operation under way */

/** How the store proves what it got. */
enum ps_checksum_place {
    PS_CHECKSUM_PLACE_NONE,   /* Content-MD5 and ETag only */
    PS_CHECKSUM_PLACE_HEADER, /* known before the body: a signed header */
    PS_CHECKSUM_PLACE_ANSWER, /* the store answers its own value, which is compared */
};

/** What a store can do. No code above asks which store it is. */
struct ps_store_capabilities {
    const char *family; /* "file", "s3", "oss"; for people only */
    const char *kind;   /* "MinIO"; NULL or "" = not known; for people only */
    uint64_t part_size_min_bytes;
    uint64_t part_size_max_bytes;
    uint64_t single_put_max_bytes;
    uint64_t object_size_max_bytes;
    uint32_t part_count_max;
    bool equal_parts_only; /* all parts but the last have one size */
    uint32_t
        checksum_set; /* bit 1 << enum ps_checksum_algorithm: taken and confirmed for parts and objects */
    enum ps_checksum_algorithm checksum_default;
    enum ps_checksum_place checksum_place;
    bool
        object_checksum; /* the whole object's checksum is kept, checked at Complete and answered by head */
    uint32_t delete_batch_max; /* 0 = none, else <= 1000 */
    bool conditional_write;
    bool versioning;
    bool lifecycle; /* keeps bucket rules and acts on them itself */
    bool
        lifecycle_is_flat; /* their prefix and tags stand in the rule, without a Filter around them */
    bool tags;
    bool copy; /* copies within itself, without the bytes passing through here */
    bool
        part_copy_checksums; /* copies parts into an upload with checksums, and tells those of the parts */
    bool restore;            /* has archived objects */
    bool presign;
    bool local; /* bytes go to a local disk: no network, fsync decides the pace */
};

/** Bytes going to the store, read by offset so that a retry can start again. */
struct ps_body {
    uint64_t size_bytes;
    ssize_t (*read)(void *user, uint64_t offset, void *into, size_t size);
    void *user;
    const void
        *bytes; /* the same in memory, where it is; a store need not read then. NULL = it is not */
};

/** Bytes coming from the store. */
struct ps_sink {
    enum ps_push (*write)(void *user, const void *data, size_t size_bytes);
    /** All that came at once was written: time to pass it on. It may wake, and must not cancel. May be NULL. */
    void (*flush)(void *user);
    void *user;
};

struct ps_store_pair {
    const char *name;
    const char *value;
};

/** How an object is to be written; given to put and begin_multipart. Zeroed = all defaults. */
struct ps_write_options {
    enum ps_checksum_algorithm checksum;  /* of parts and object */
    const char *storage_class;            /* NULL or "" = default */
    const char *content_type;             /* NULL = application/octet-stream */
    const struct ps_store_pair *metadata; /* user metadata without prefix */
    size_t metadata_count;
    const struct ps_store_pair *tags;
    size_t tag_count;
    bool create_only; /* fail with PS_E_EXISTS when the object is there */
};

struct ps_object_info {
    const char *key;
    uint64_t size_bytes;
    int64_t mtime_unix_ms;       /* 0 = unknown */
    const char *etag;            /* with quotes as received; "" = none */
    const char *content_type;    /* "" = unknown */
    const char *storage_class;   /* "" = standard */
    const char *version_id;      /* "" = none */
    const char *restore;         /* raw x-amz-restore; "" = none */
    struct ps_checksum checksum; /* of the whole object; PS_CHECKSUM_NONE = not known */
    bool checksum_is_composite;  /* then checksum is NONE and composite holds the text */
    const char *composite;       /* "abc=-3"; "" = none */
    const struct ps_store_pair *metadata;
    size_t metadata_count;
    bool is_prefix; /* list with a delimiter: key is a common prefix */
};

struct ps_part_info {
    uint32_t part_number;
    uint64_t size_bytes;
    const char *etag;            /* as received */
    struct ps_checksum checksum; /* PS_CHECKSUM_NONE = the store did not say */
};

struct ps_upload_info {
    const char *key;
    const char *upload_id;
    int64_t initiated_unix_ms;
    enum ps_checksum_algorithm checksum; /* NONE = not told */
};

/* Callbacks. err NULL = success; then the other arguments are valid. */
typedef void (*ps_store_done_fn)(void *user, const struct ps_err *err);
typedef void (*ps_store_put_fn)(void *user, const char *etag, const struct ps_checksum *checksum,
                                const struct ps_err *err);
typedef void (*ps_store_begin_fn)(void *user, const char *upload_id, const struct ps_err *err);
/** A page of a list. Called once a page, more = true when the next page follows by itself; err ends the list. */
typedef void (*ps_store_parts_fn)(void *user, const struct ps_part_info *parts, size_t count,
                                  bool more, const struct ps_err *err);
typedef void (*ps_store_uploads_fn)(void *user, const struct ps_upload_info *uploads, size_t count,
                                    bool more, const struct ps_err *err);
typedef void (*ps_store_list_fn)(void *user, const struct ps_object_info *objects, size_t count,
                                 bool more, const struct ps_err *err);
typedef void (*ps_store_head_fn)(void *user, const struct ps_object_info *info,
                                 const struct ps_err *err);

struct ps_put_request {
    const char *key;
    struct ps_body body;
    struct ps_checksum checksum; /* of the body; the store confirms it */
    struct ps_checksum sha256;   /* only where sign_payload is set; else NONE */
    struct ps_write_options options;
};

struct ps_part_request {
    const char *key;
    const char *upload_id;
    uint32_t part_number;  /* from 1 */
    uint64_t offset_bytes; /* of the part in the object (file:// writes there) */
    struct ps_body body;
    struct ps_checksum checksum;
    struct ps_checksum sha256;
};

struct ps_begin_request {
    const char *key;
    struct ps_write_options options;
    bool has_size;       /* false for a stream */
    uint64_t size_bytes; /* of the whole object: file:// preallocates */
    uint64_t part_size_bytes;
};

struct ps_complete_request {
    const char *key;
    const char *upload_id;
    const struct ps_part_info *parts; /* ascending part_number */
    size_t part_count;
    uint64_t size_bytes;
    struct ps_checksum checksum; /* of the whole object; NONE = not known */
    struct ps_write_options options;
};

struct ps_get_request {
    const char *key;
    const char *if_match; /* etag with quotes; NULL = any */
    bool has_range;
    uint64_t offset_bytes;
    uint64_t length_bytes; /* > 0 when has_range */
    struct ps_sink sink;
    size_t
        buffer_bytes; /* most that is read ahead of the sink, 1 KiB or more; 0 = the store's choice */
    /** Called once before the first byte; may be NULL. size_bytes is the whole object's. */
    void (*on_info)(void *user, const struct ps_object_info *info);
};

/** Within one store: the bytes do not pass through here. */
struct ps_copy_request {
    const char *from_bucket;   /* NULL = this store's own; file://: its root directory */
    const char *from_key;      /* of the source */
    const char *from_if_match; /* etag with quotes: PS_E_CHANGED when it differs; NULL = any */
    const char *key;
    struct ps_write_options options; /* of a whole copy: metadata and tags replace the source's */
    const char
        *upload_id; /* NULL = the whole object, at most single_put_max_bytes; else one part: */
    uint32_t part_number;
    uint64_t offset_bytes; /* of the source */
    uint64_t length_bytes;
};

/** A URL that needs no credentials of its reader. */
struct ps_presign_request {
    const char *method; /* "GET", "HEAD" or "PUT" */
    const char *key;
    const char *content_type; /* of a PUT: its sender must send it; NULL = not signed */
    uint32_t expires_s;       /* 1..604800, cut to the life of temporary credentials */
};

/** All tags of an object, in place of those that it has. */
struct ps_tags_request {
    const char *key;
    const struct ps_store_pair *tags;
    size_t count;
};

struct ps_restore_request {
    const char *key;
    uint32_t days;    /* how long the restored copy stays */
    const char *tier; /* NULL = the store's default; "Standard", "Bulk", "Expedited" */
};

/** Text of a known length: a URL, a lifecycle configuration as XML ("" = the bucket has none). */
typedef void (*ps_store_text_fn)(void *user, const char *text, size_t size_bytes,
                                 const struct ps_err *err);
typedef void (*ps_store_tags_fn)(void *user, const struct ps_store_pair *tags, size_t count,
                                 const struct ps_err *err);

struct ps_list_request {
    const char *prefix;      /* "" = all */
    const char *delimiter;   /* NULL or "" = recursive */
    const char *start_after; /* NULL = from the start */
    uint32_t page_size;      /* 0 = 1000 */
};

/** One key to delete and what became of it. */
struct ps_delete_result {
    const char *key;
    enum ps_code code; /* PS_OK also when it was not there */
    const char *message;
    bool delete_marker; /* the bucket is versioned: a marker was added, the bytes stay */
};
typedef void (*ps_store_delete_fn)(void *user, const struct ps_delete_result *results, size_t count,
                                   const struct ps_err *err);

/**
 * The table a store fills in; a NULL entry = PS_E_UNSUPPORTED. Each returns NULL and sets *err when nothing was
 * started (then no callback comes).
 */
struct ps_store_ops {
    struct ps_store_op *(*put)(struct ps_store *store, const struct ps_put_request *request,
                               ps_store_put_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*begin_multipart)(struct ps_store *store,
                                           const struct ps_begin_request *request,
                                           ps_store_begin_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*put_part)(struct ps_store *store, const struct ps_part_request *request,
                                    ps_store_put_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*list_parts)(struct ps_store *store, const char *key,
                                      const char *upload_id, ps_store_parts_fn page, void *user,
                                      struct ps_err *err);
    struct ps_store_op *(*list_uploads)(struct ps_store *store, const char *prefix,
                                        ps_store_uploads_fn page, void *user, struct ps_err *err);
    struct ps_store_op *(*complete)(struct ps_store *store,
                                    const struct ps_complete_request *request, ps_store_put_fn done,
                                    void *user, struct ps_err *err);
    struct ps_store_op *(*abort_multipart)(struct ps_store *store, const char *key,
                                           const char *upload_id, ps_store_done_fn done, void *user,
                                           struct ps_err *err);
    struct ps_store_op *(*get)(struct ps_store *store, const struct ps_get_request *request,
                               ps_store_done_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*head)(struct ps_store *store, const char *key, ps_store_head_fn done,
                                void *user, struct ps_err *err);
    struct ps_store_op *(*list)(struct ps_store *store, const struct ps_list_request *request,
                                ps_store_list_fn page, void *user, struct ps_err *err);
    struct ps_store_op *(*copy)(struct ps_store *store, const struct ps_copy_request *request,
                                ps_store_put_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*presign)(struct ps_store *store, const struct ps_presign_request *request,
                                   ps_store_text_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*restore)(struct ps_store *store, const struct ps_restore_request *request,
                                   ps_store_done_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*get_tags)(struct ps_store *store, const char *key, ps_store_tags_fn done,
                                    void *user, struct ps_err *err);
    struct ps_store_op *(*put_tags)(struct ps_store *store, const struct ps_tags_request *request,
                                    ps_store_done_fn done, void *user, struct ps_err *err);
    struct ps_store_op *(*get_lifecycle)(struct ps_store *store, ps_store_text_fn done, void *user,
                                         struct ps_err *err);
    struct ps_store_op *(*put_lifecycle)(struct ps_store *store, const char *xml, size_t size_bytes,
                                         ps_store_done_fn done, void *user, struct ps_err *err);
    void (*cancel)(struct ps_store_op *op);
    /** Body or sink can go on after LATER or PAUSE. */
    void (*wake)(struct ps_store_op *op);
    void (*free)(struct ps_store *store);
};

/** First member of every store's own struct. */
struct ps_store {
    const struct ps_store_ops *ops;
    struct ps_store_capabilities capabilities;
    bool has_clock_skew;   /* the store told its time with some answer */
    int64_t clock_skew_ms; /* its time minus ours, to a second; for doctor */
    char *root_url;        /* "s3://bucket", "file:///dir"; what a key is appended to with '/' */
    struct ps_deleter_ops const
        *deleter_ops; /* NULL = cannot delete; reached through ps_deleter only */
};

/** First member of every operation. */
struct ps_store_op {
    const struct ps_store_ops *ops;
};

/** Deletes: a separate object, so that code which must not delete is never given one. */
struct ps_deleter {
    struct ps_store *store;
};
struct ps_deleter_ops {
    /** At most delete_batch_max keys. */
    struct ps_store_op *(*delete_batch)(struct ps_store *store, const char *const *keys,
                                        size_t count, ps_store_delete_fn done, void *user,
                                        struct ps_err *err);
};

/* What callers use; each checks for an entry that is missing. Contracts as above. */
struct ps_store_op *ps_store_put(struct ps_store *store, const struct ps_put_request *request,
                                 ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_store_begin_multipart(struct ps_store *store,
                                             const struct ps_begin_request *request,
                                             ps_store_begin_fn done, void *user,
                                             struct ps_err *err);
struct ps_store_op *ps_store_put_part(struct ps_store *store, const struct ps_part_request *request,
                                      ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_store_list_parts(struct ps_store *store, const char *key,
                                        const char *upload_id, ps_store_parts_fn page, void *user,
                                        struct ps_err *err);
struct ps_store_op *ps_store_list_uploads(struct ps_store *store, const char *prefix,
                                          ps_store_uploads_fn page, void *user, struct ps_err *err);
/**
 * Errors worth knowing: PS_E_NO_UPLOAD; PS_E_UNKNOWN_OUTCOME when the answer was lost (head and compare);
 * PS_E_CORRUPT when the store's checksum of the whole differs.
 */
struct ps_store_op *ps_store_complete(struct ps_store *store,
                                      const struct ps_complete_request *request,
                                      ps_store_put_fn done, void *user, struct ps_err *err);
/** Repeats until the store knows the upload no more; one that is unknown already is success. */
struct ps_store_op *ps_store_abort(struct ps_store *store, const char *key, const char *upload_id,
                                   ps_store_done_fn done, void *user, struct ps_err *err);
/** PS_E_CHANGED when if_match fails (412). A body cut short is resumed inside, from the byte it stopped at. */
struct ps_store_op *ps_store_get(struct ps_store *store, const struct ps_get_request *request,
                                 ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_store_head(struct ps_store *store, const char *key, ps_store_head_fn done,
                                  void *user, struct ps_err *err);
struct ps_store_op *ps_store_list(struct ps_store *store, const struct ps_list_request *request,
                                  ps_store_list_fn page, void *user, struct ps_err *err);
/** A whole copy, or one part of a multipart upload (with upload_id). PS_E_CHANGED when from_if_match fails. */
struct ps_store_op *ps_store_copy(struct ps_store *store, const struct ps_copy_request *request,
                                  ps_store_put_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_store_presign(struct ps_store *store,
                                     const struct ps_presign_request *request,
                                     ps_store_text_fn done, void *user, struct ps_err *err);
/** Ask for an archived object back. Success also when it is back already or on its way. */
struct ps_store_op *ps_store_restore(struct ps_store *store,
                                     const struct ps_restore_request *request,
                                     ps_store_done_fn done, void *user, struct ps_err *err);
struct ps_store_op *ps_store_get_tags(struct ps_store *store, const char *key,
                                      ps_store_tags_fn done, void *user, struct ps_err *err);
/** Replaces all tags of the object; count 0 removes them. */
struct ps_store_op *ps_store_put_tags(struct ps_store *store, const struct ps_tags_request *request,
                                      ps_store_done_fn done, void *user, struct ps_err *err);
/** The bucket's whole configuration, byte for byte; a bucket without one answers "". */
struct ps_store_op *ps_store_get_lifecycle(struct ps_store *store, ps_store_text_fn done,
                                           void *user, struct ps_err *err);
/** Replaces the bucket's whole configuration; size_bytes 0 removes it. No store offers a conditional write of it. */
struct ps_store_op *ps_store_put_lifecycle(struct ps_store *store, const char *xml,
                                           size_t size_bytes, ps_store_done_fn done, void *user,
                                           struct ps_err *err);
struct ps_store_op *ps_deleter_delete_batch(struct ps_deleter *deleter, const char *const *keys,
                                            size_t count, ps_store_delete_fn done, void *user,
                                            struct ps_err *err);
/**
 * Give a head's PS_E_NOT_FOUND of an object the message "URL: not found"; a missing bucket and all other errors keep
 * theirs. A HEAD has no body, so the store's own words say no more than a status.
 */
void ps_store_name_missing(struct ps_err *err, const char *url);
/** NULL is allowed. The callback does not come any more; the handle is gone. */
void ps_store_cancel(struct ps_store_op *op);
/** NULL is allowed. */
void ps_store_wake(struct ps_store_op *op);
/** All operations must have ended or been cancelled. NULL is allowed. */
void ps_store_free(struct ps_store *store);

#endif
