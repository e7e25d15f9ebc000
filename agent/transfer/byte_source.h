/**
 * byte_source - bytes that are made as they are sent: a directory as an archive, a request's body.
 *
 * Flow:    transfer/archive_feed.h, serve/ -> [byte_source] -> transfer/upload.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TRANSFER_BYTE_SOURCE_H
#define PS_TRANSFER_BYTE_SOURCE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** Of an identity: what is to be sent. The bytes behind it: what makes it to bytes, as versions and CPUs may differ. */
#define PS_BYTE_SOURCE_CONTENT_BYTES 24

/**
 * It is open. identity (32 bytes, borrowed for the call): equal ones give equal bytes, so an interrupted upload resumes;
 * NULL = the bytes come once.
 */
typedef void (*ps_byte_source_open_fn)(void *user, const uint8_t *identity,
                                       const struct ps_err *err);

/** A fill is done: got_bytes less than was asked for = the end. */
typedef void (*ps_byte_source_fill_fn)(void *user, size_t got_bytes, const struct ps_err *err);

/** Callbacks come later, from the loop, exactly once a call, also after stop. One call is under way at a time. */
struct ps_byte_source {
    /** One with an identity is opened again, when no fill is under way, to be read from its start. */
    void (*open)(void *user, ps_byte_source_open_fn done, void *done_user);
    /** into is the source's until done. */
    void (*fill)(void *user, void *into, size_t size, ps_byte_source_fill_fn done, void *done_user);
    /** Make what is under way, and every later call, end soon; with an error. */
    void (*stop)(void *user);
    void *user;
};

#endif
