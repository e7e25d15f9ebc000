/**
 * archive_upload - a directory to one object, as an archive that is made while it is sent.
 *
 * Flow:    transfer/archive_feed.h -> [archive_upload] -> transfer/upload.h
 * Thread:  the loop thread
 * Source:  as upload.h
 *
 * The archive is made anew by every run. What the store has of an interrupted one is compared by CRC and not sent
 * again; a tree with other names, modes, sizes or times is PS_E_CHANGED. Other versions of the compressors, or another
 * CPU where that matters, start afresh. When the checkpoint is lost, an upload found at the store is adopted if all
 * parts it has are made again from the tree; the archive is then made twice.
 */
#ifndef PS_TRANSFER_ARCHIVE_UPLOAD_H
#define PS_TRANSFER_ARCHIVE_UPLOAD_H

#include "source/archive_reader.h"
#include "transfer/upload.h"

struct ps_archive_upload;

struct ps_archive_upload_result {
    const struct ps_upload_result *upload;
    const struct ps_archive_summary *tree;
};

struct ps_archive_upload_options {
    /** source_path is the directory; byte_source, on_done and user are set by this module. */
    struct ps_upload_options upload;
    enum ps_archive_format format;
    int level;                           /* as archive_reader.h, for tar.gz 0..9; -1 = default */
    bool attributes;                     /* the user.* extended attributes too */
    const struct ps_tree_filter *filter; /* NULL = all; borrowed until on_done */
    /** The end, once; both parts of result are borrowed for the call. The op is freed when it returns. */
    void (*on_done)(void *user, const struct ps_archive_upload_result *result,
                    const struct ps_err *err);
    void *user;
};

/** Start. Errors: as ps_upload_start; PS_E_INVALID for the level. Through on_done also those of archive_reader.h. */
PS_MUST_USE enum ps_code ps_archive_upload_start(struct ps_archive_upload **op_out,
                                                 const struct ps_archive_upload_options *options,
                                                 struct ps_err *err);

/** Stop: what is done is made durable, then on_done comes with PS_E_CANCELLED. */
void ps_archive_upload_stop(struct ps_archive_upload *op);

void ps_archive_upload_progress(const struct ps_archive_upload *op,
                                struct ps_progress *progress_out);

#endif
