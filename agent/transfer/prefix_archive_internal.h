/**
 * prefix_archive_internal - what prefix_archive.c, prefix_archive_keys.c (the loop's side) and prefix_archive_encode.c
 * (the worker's) share.
 *
 * Flow:    prefix_archive_keys.c (pages of keys) -> prefix_archive.c (objects) -> batches of commands
 *          -> prefix_archive_encode.c -> bytes
 * Thread:  the loop thread, but for a batch and the encoder, which are the worker's while its job runs
 * Source:  none
 */
#ifndef PS_TRANSFER_PREFIX_ARCHIVE_INTERNAL_H
#define PS_TRANSFER_PREFIX_ARCHIVE_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "source/archive_encoder.h"
#include "source/gzip_block.h"
#include "transfer/job.h"
#include "transfer/prefix_archive.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Input of one job. Lower: more hops to workers. Higher: memory. */
#define PS_PREFIX_BATCH_BYTES ((size_t)256 * 1024)
/** Small objects share a job: a header, data and an end each. */
#define PS_PREFIX_COMMANDS_MAX 192

enum ps_prefix_command_kind {
    PS_PREFIX_FILE,      /* bytes: the name with its NUL */
    PS_PREFIX_DIRECTORY, /* the same; has no data and no end of its own */
    PS_PREFIX_DATA,      /* bytes: the object's */
    PS_PREFIX_FILE_END,
    PS_PREFIX_LAST,
};

struct ps_prefix_command {
    enum ps_prefix_command_kind kind;
    size_t offset_bytes; /* in the batch */
    size_t size_bytes;
    uint64_t object_size_bytes;
    int64_t mtime_ns;
};

struct ps_prefix_batch {
    char *bytes; /* PS_PREFIX_BATCH_BYTES */
    size_t used_bytes;
    struct ps_prefix_command commands[PS_PREFIX_COMMANDS_MAX];
    size_t count;
};

/** Makes an archive of commands; holds no store and no loop. */
struct ps_prefix_encoder {
    enum ps_archive_format format;
    struct ps_archive_encoder *archive; /* made by the first batch */
    struct ps_buf raw;                  /* of a tar.gz: the tar's bytes that are not deflated yet */
    struct ps_buf out;                  /* what the reader gets */

    struct ps_gzip_deflater *deflater;
    uint8_t window[PS_GZIP_WINDOW_BYTES];
    size_t window_size_bytes;
    uint8_t *deflated; /* PS_GZIP_BLOCK_MAX_BYTES */
    uint64_t raw_bytes;
    uint32_t crc32;
};

void ps_prefix_encoder_init(struct ps_prefix_encoder *encoder, enum ps_archive_format format);
void ps_prefix_encoder_clear(struct ps_prefix_encoder *encoder);

/** Do what the batch says; appends to encoder->out. Errors: those of the encoder and the deflater. */
PS_MUST_USE enum ps_code ps_prefix_encoder_run(struct ps_prefix_encoder *encoder,
                                               const struct ps_prefix_batch *batch,
                                               struct ps_err *err);

enum ps_prefix_archive_state {
    PS_PREFIX_STATE_LISTING, /* a page is under way */
    PS_PREFIX_STATE_BETWEEN, /* the page's next key is to be looked at */
    PS_PREFIX_STATE_OPENING, /* a get is under way, its headers are not there */
    PS_PREFIX_STATE_BODY,    /* bytes of an object come */
    PS_PREFIX_STATE_ENDING,  /* the end is with the encoder */
    PS_PREFIX_STATE_ENDED,
    PS_PREFIX_STATE_FAILED,
};

/** One key of the page. */
struct ps_prefix_entry {
    char *key;
    uint64_t size_bytes;
    int64_t mtime_unix_ms;
};

struct ps_prefix_archive {
    uv_loop_t *loop;
    struct ps_store *store;
    char *prefix;
    bool zip;
    bool (*may_add)(void *user, const struct ps_object_info *info, struct ps_err *err);
    bool (*reserve)(void *user, uint64_t size_bytes);
    void (*on_ready)(void *user);
    void *user;

    enum ps_prefix_archive_state state;
    bool freed; /* by its owner; the worker's end frees it */
    bool stepping;
    struct ps_err err; /* in PS_PREFIX_STATE_FAILED */
    struct ps_store_op *op;
    bool paused;

    struct ps_prefix_entry *entries;
    size_t entry_count;
    size_t entry_index; /* the next one; the one before it is being fetched */
    char *last_key;     /* of the page; NULL = none was there */
    bool more;          /* pages follow */
    bool any;           /* some key was found */
    uint64_t reserved_bytes;
    uint64_t directory_bytes;

    uint64_t object_size_bytes;
    uint64_t object_received_bytes;
    uint64_t received_bytes;
    struct ps_hasher hasher;
    struct ps_checksum expected; /* PS_CHECKSUM_NONE = not known */

    struct ps_prefix_batch batches[2];
    struct ps_prefix_batch *filling;
    struct ps_job job; /* while it runs the other batch and the encoder are the worker's */
    bool encoding;
    struct ps_prefix_encoder encoder;
    size_t taken_bytes; /* of encoder.out */
};

/* prefix_archive.c */
/** The first error wins. */
void ps_prefix_archive_fail(struct ps_prefix_archive *archive, const struct ps_err *err);
/** Go on as far as there is room for what comes. */
void ps_prefix_archive_step(struct ps_prefix_archive *archive);
/** Not from within a get's calls. */
void ps_prefix_archive_cancel_op(struct ps_prefix_archive *archive);

/* prefix_archive_keys.c */
/** Ask for the page behind last_key. Errors: those of ps_store_list. */
PS_MUST_USE enum ps_code ps_prefix_archive_list(struct ps_prefix_archive *archive,
                                                struct ps_err *err);
/** The key without the prefix: its name in the archive. Borrowed from key. */
const char *ps_prefix_archive_name_of(const struct ps_prefix_archive *archive, const char *key);
void ps_prefix_archive_entries_clear(struct ps_prefix_archive *archive);

#endif
