/**
 * stream_reader - standard input (or any pipe) as the source of an upload: filled into buffers, in order.
 *
 * Flow:    a descriptor -> [stream_reader] -> transfer/upload.h
 * Thread:  fill on one worker at a time; stop on the loop
 * Source:  poll(2), eventfd(2)
 */
#ifndef PS_SOURCE_STREAM_READER_H
#define PS_SOURCE_STREAM_READER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct ps_stream_reader; /* opaque */

/** fd is borrowed and not closed. Errors: PS_E_NO_MEMORY, PS_E_IO. */
PS_MUST_USE enum ps_code ps_stream_reader_open(struct ps_stream_reader **reader_out, int fd,
                                               struct ps_err *err);

/** NULL is allowed. No fill may be under way. */
void ps_stream_reader_close(struct ps_stream_reader *reader);

/**
 * Read until size bytes are there or the stream ends (*got_out < size). Blocks.
 *
 * Errors:  PS_E_CANCELLED after ps_stream_reader_stop; PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_stream_reader_fill(struct ps_stream_reader *reader, void *into,
                                               size_t size, size_t *got_out, struct ps_err *err);

/** Make a fill under way, and every later one, end with PS_E_CANCELLED. */
void ps_stream_reader_stop(struct ps_stream_reader *reader);

#endif
