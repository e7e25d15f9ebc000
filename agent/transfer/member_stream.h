/**
 * member_stream - a stored archive is read as it comes from the store: the list of its members, or the bytes of one.
 *
 * Flow:    store/ (ranged gets) -> a pipe -> sink/archive_members.h on a thread of its own -> a pipe -> [member_stream]
 *          -> serve/
 * Thread:  the loop thread; libarchive on the thread
 * Source:  pipe(7)
 *
 * The thread asks for bytes from an offset on and gets a descriptor to read them from; what it makes goes into a second
 * pipe. Both hold 64 KiB, so a reader that stops stops the thread and that the store. A tar is read from its start. A
 * zip costs its directory, what is wanted and, as libarchive looks at their headers, its way past the members before:
 * what is larger than 1 MiB is passed over by a new range, the rest is read through.
 */
#ifndef PS_TRANSFER_MEMBER_STREAM_H
#define PS_TRANSFER_MEMBER_STREAM_H

#include "base/buf.h"
#include "base/err.h"
#include "sink/archive_members.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct ps_member_stream;

/** What one needs at most: pipes, buffers, zlib's window; more is asked of reserve, for a zip's directory and for zstd: */
#define PS_MEMBER_STREAM_MEMORY_BYTES ((uint64_t)2 * 1024 * 1024)
#define PS_MEMBER_STREAM_ZSTD_MEMORY_BYTES PS_MEMBERS_ZSTD_MEMORY_BYTES

/** What read answers instead of a count of bytes. */
#define PS_MEMBER_STREAM_LATER ((ssize_t)-1)
#define PS_MEMBER_STREAM_END ((ssize_t)-2)
#define PS_MEMBER_STREAM_FAILED ((ssize_t)-3)

struct ps_member_stream_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char *key;
    const char *etag; /* with quotes: all gets are of this version; "" = any */
    uint64_t size_bytes;
    struct ps_extract_limits limits;

    const char *member; /* the first of this name is read; NULL = the list */
    /** Of the list, on the thread: append a member's row. member NULL: what stands behind the last one. */
    enum ps_code (*format)(void *user, const struct ps_member *member, struct ps_buf *buf,
                           struct ps_err *err);
    void *format_user; /* until free; the thread's alone between start and free */

    /** More is held until the end; asked before. False: there is none, it fails. NULL = there always is. */
    bool (*reserve)(void *user, uint64_t size_bytes);
    /** The member was found (or the list begins): read will give its bytes. member has no name and link_target. */
    void (*on_open)(void *user, const struct ps_member *member);
    /** read has something new to say. Neither is called from within a call of these functions; free not from within. */
    void (*on_ready)(void *user);
    void *user;
};

/** Start. Text is copied. Errors: PS_E_NO_MEMORY, PS_E_IO (descriptors, threads). */
PS_MUST_USE enum ps_code ps_member_stream_start(struct ps_member_stream **stream_out,
                                                const struct ps_member_stream_options *options,
                                                struct ps_err *err);

/** Stop: the thread's waits end at once, and it is waited for. NULL is allowed. */
void ps_member_stream_free(struct ps_member_stream *stream);

/** The next bytes, 1..size of them, or one of PS_MEMBER_STREAM_*. */
ssize_t ps_member_stream_read(struct ps_member_stream *stream, void *into, size_t size);

/** Why it failed: PS_E_NOT_FOUND without such a member; PS_E_NO_MEMORY from reserve; those of ps_archive_members and the
 * store. */
const struct ps_err *ps_member_stream_error(const struct ps_member_stream *stream);

/** Bytes received from the store so far. */
uint64_t ps_member_stream_received(const struct ps_member_stream *stream);

#endif
