/**
 * file_store - file:///dir: the store interface on a directory, the embedded default.
 *
 * Flow:    store_open.h -> [file_store] -> the file system, on workers
 * Thread:  the loop thread; the work is done by uv_queue_work
 * Source:  rename(2) and fsync(2) for atomic durable writes; renameat2(2) RENAME_NOREPLACE; xattr(7)
 *
 * An object is the file ROOT/KEY. An upload under way is the directory ROOT/.purser/uploads/ID with three files: `data`
 * (the object's bytes, each part at its offset), `upload` (key and options as text) and `parts` (one fixed-size record
 * a durable part; a torn last one is ignored). A part is synced before its record is written, a record before the part is
 * answered. Complete checks, syncs, renames `data` to the key and syncs the directory. What belongs to an object beside
 * its bytes is one extended attribute, user.purser.object, or the file ROOT/.purser/meta/KEY where there are none; it names
 * the size and mtime it was written for, so that a file changed by others does not keep an old checksum.
 *
 * A copy shares the blocks of its source where the file system can (reflink), else they are copied in the kernel and
 * hashed; the source may lie below another root (from_bucket is that directory). There is no restore and no presign, as
 * there is nobody to sign for. Lifecycle rules are kept as they are given, in ROOT/.purser/lifecycle.xml, and never acted
 * on here: reclaim/lifecycle_local.h does.
 *
 * Keys: no empty, "." or ".." component and none named ".purser", but for ".purser/reclaim/NAME". Links are not
 * followed out of ROOT.
 */
#ifndef PS_STORE_FILE_STORE_H
#define PS_STORE_FILE_STORE_H

#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"

struct ps_file_store_options {
    uv_loop_t *loop;
    const char *root_dir; /* absolute; made on the first write, with its parents */
    const struct ps_clock *clock;
    const struct ps_log *log; /* NULL = silent */
};

/** Make the store; nothing is touched. Errors: PS_E_INVALID (root_dir not absolute), PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_file_store_new(struct ps_store **store_out,
                                           const struct ps_file_store_options *options,
                                           struct ps_err *err);

/**
 * The lifecycle rules of root_dir as they were put, appended to text; nothing when there are none. Blocks: for workers.
 *
 * Errors:  PS_E_IO, PS_E_DENIED, PS_E_TOO_LARGE, PS_E_NO_MEMORY.
 */
struct ps_buf;
PS_MUST_USE enum ps_code ps_file_store_read_lifecycle(const char *root_dir, struct ps_buf *text,
                                                      struct ps_err *err);

#endif
