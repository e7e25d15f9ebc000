/**
 * prefix_archive - all objects below a prefix as one archive, made while it is read; nothing is stored on the way.
 *
 * Flow:    store/ (list, get) -> source/archive_encoder.h, gzip_block.h (workers) -> [prefix_archive] -> serve/
 * Thread:  the loop thread; encoding and deflating on workers
 * Source:  POSIX.1-2001 pax, RFC 1952, PKWARE APPNOTE
 *
 * State machine:
 * | from    | event                          | to      |
 * |---------|--------------------------------|---------|
 * | LISTING | a page of keys                 | BETWEEN |
 * | BETWEEN | the next key                   | OPENING, or BETWEEN for what has no bytes |
 * | BETWEEN | the page is used up            | LISTING, or ENDING behind the last page |
 * | OPENING | the object's headers           | BODY    |
 * | BODY    | its last byte                  | BETWEEN |
 * | ENDING  | the archive's end was encoded  | ENDED   |
 * | any     | an error                       | FAILED  |
 * Nothing is durable. The order is that of the keys, owners and modes are fixed and times are those of the objects in
 * whole seconds: the same objects give the same bytes.
 *
 * Memory does not grow with the archive, but for a zip's directory: reserve is asked for that. A reader that takes
 * nothing pauses the encoder, that the store.
 */
#ifndef PS_TRANSFER_PREFIX_ARCHIVE_H
#define PS_TRANSFER_PREFIX_ARCHIVE_H

#include "base/err.h"
#include "source/archive_encoder.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct ps_prefix_archive;

/** What one needs at most while it runs: two blocks of input, one of output, a page of keys, the deflater. */
#define PS_PREFIX_ARCHIVE_MEMORY_BYTES ((uint64_t)3 * 1024 * 1024)

/** What read answers instead of a count of bytes. */
#define PS_PREFIX_ARCHIVE_LATER ((ssize_t)-1)
#define PS_PREFIX_ARCHIVE_END ((ssize_t)-2)
#define PS_PREFIX_ARCHIVE_FAILED ((ssize_t)-3)

struct ps_prefix_archive_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char
        *prefix; /* of keys: "" or ends in '/'; names in the archive are what comes behind it */
    enum ps_archive_format format; /* not PS_ARCHIVE_TAR_ZST */
    /** Asked of every object of a page before one of them is fetched. False and *err: the archive fails. NULL = all. */
    bool (*may_add)(void *user, const struct ps_object_info *info, struct ps_err *err);
    /** More memory is held until the end. False: there is none, the archive fails. */
    bool (*reserve)(void *user, uint64_t size_bytes);
    /** read has something new to say; not called from within a call of these functions. Free not from within it. */
    void (*on_ready)(void *user);
    void *user;
};

/** Start. Text is copied. Errors: PS_E_NO_MEMORY, PS_E_UNSUPPORTED (format); later ones come through read. */
PS_MUST_USE enum ps_code ps_prefix_archive_start(struct ps_prefix_archive **archive_out,
                                                 const struct ps_prefix_archive_options *options,
                                                 struct ps_err *err);

/** Stop and forget; a worker that runs is waited for by the loop. NULL is allowed. */
void ps_prefix_archive_free(struct ps_prefix_archive *archive);

/** The next bytes, 1..size of them, or one of PS_PREFIX_ARCHIVE_*. size 0 only asks: 0 = there are some. */
ssize_t ps_prefix_archive_read(struct ps_prefix_archive *archive, void *into, size_t size);

/**
 * Why it failed: PS_E_NOT_FOUND when nothing lies below the prefix; PS_E_INVALID for a key that no archive can hold
 * safely (".." in it, not UTF-8 in a zip); PS_E_NO_MEMORY from reserve; PS_E_CORRUPT; may_add's; the store's.
 */
const struct ps_err *ps_prefix_archive_error(const struct ps_prefix_archive *archive);

/** Bytes of objects received so far. */
uint64_t ps_prefix_archive_received(const struct ps_prefix_archive *archive);

#endif
