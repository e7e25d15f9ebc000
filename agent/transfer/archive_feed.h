/**
 * archive_feed - a directory as an archive, made on all cores while it is sent: a byte source for an upload.
 *
 * Flow:    source/archive_reader.h, source/gzip_block.h (workers) -> [archive_feed] -> transfer/upload.h
 * Thread:  the loop thread; reading and deflating on workers
 * Source:  RFC 1952
 *
 * tar.gz: one worker reads the tree into blocks of 512 KiB, others deflate them side by side, the loop hands them on in
 * their order. Memory is that of the blocks. The other formats are filled straight into the upload's parts.
 */
#ifndef PS_TRANSFER_ARCHIVE_FEED_H
#define PS_TRANSFER_ARCHIVE_FEED_H

#include "base/err.h"
#include "source/archive_reader.h"
#include "transfer/byte_source.h"

#include <uv.h>

struct ps_archive_feed;

/** Make one; options.level is also gzip's (0..9). Errors: PS_E_INVALID (level), PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_archive_feed_new(struct ps_archive_feed **feed_out, uv_loop_t *loop,
                                             const struct ps_archive_reader_options *options,
                                             struct ps_err *err);

/** For struct ps_upload_options; valid until close. */
struct ps_byte_source ps_archive_feed_source(struct ps_archive_feed *feed);

/** What the first walk saw; all 0 before the source was opened. Borrowed until close. */
const struct ps_archive_summary *ps_archive_feed_summary(const struct ps_archive_feed *feed);

/** No fill may be under way. Workers that read ahead are waited for; the memory goes when they are done. NULL allowed. */
void ps_archive_feed_close(struct ps_archive_feed *feed);

#endif
