/**
 * checkpoint - what is durable about running uploads and downloads, so that a kill costs only the parts in flight.
 *
 * Flow:    transfer/upload.h, transfer/download.h -> [checkpoint] -> LMDB databases uploads, parts, downloads, download_ranges
 * Thread:  as state.h: reads anywhere, writes off the loop
 * Source:  README.md of this folder
 */
#ifndef PS_STATE_CHECKPOINT_H
#define PS_STATE_CHECKPOINT_H

#include "base/buf.h"
#include "base/err.h"
#include "state/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ps_source_kind {
    PS_SOURCE_FILE = 1, /* stored: never renumber */
    PS_SOURCE_STREAM = 2,
    PS_SOURCE_TREE = 3,
};

/** What was uploaded from, so that a changed source is seen. Unused fields are 0. */
struct ps_source_identity {
    enum ps_source_kind kind;
    uint64_t device;
    uint64_t inode;
    uint64_t size_bytes;
    int64_t mtime_ns;
    uint8_t digest[32]; /* tree */
};

enum ps_upload_phase {
    PS_UPLOAD_CREATING =
        1, /* CreateMultipartUpload may have reached the store; upload_id is empty */
    PS_UPLOAD_SENDING = 2,    /* upload_id is known; parts say what is done */
    PS_UPLOAD_COMPLETING = 3, /* all parts are done; Complete may have taken effect */
};

/** One upload. Text of a record that was read is owned by the record: ps_upload_record_clear. */
struct ps_upload_record {
    uint64_t number; /* given by ps_checkpoint_begin; keys of the parts */
    char *url;       /* target */
    char *upload_id; /* NULL while CREATING */
    enum ps_upload_phase phase;
    struct ps_source_identity source;
    char *source_path; /* absolute, for people; NULL for a stream */
    uint64_t part_size_bytes;
    uint32_t part_count;        /* 0 = stream */
    uint8_t checksum_algorithm; /* enum ps_checksum_algorithm */
    struct ps_owner owner;
    char *policy_digest; /* "" = built-in */
    int64_t created_unix_ms;
    int64_t updated_unix_ms;
    uint32_t done_part_count; /* filled by reads */
    uint64_t done_size_bytes; /* filled by reads */
};

void ps_upload_record_clear(struct ps_upload_record *record);

/** One durable part. */
struct ps_part_record {
    uint32_t part_number;
    uint64_t size_bytes;
    uint8_t checksum[32]; /* as struct ps_checksum.bytes, of the record's algorithm */
    char etag[96];        /* as the store sent it, with quotes */
};

/**
 * Take the lock on record->url for record->owner and write the record anew (as it is, without parts), with a fresh
 * number that is set in *record. A record of the same url is replaced with its parts, if its owner is dead or the same.
 *
 * Errors:  PS_E_LOCKED ("locked by pid N") when a living owner holds url; PS_E_PARSE when the record to be replaced is
 *          damaged (nobody knows whether it is locked); PS_E_NO_SPACE; PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_checkpoint_begin(struct ps_state *state,
                                             struct ps_upload_record *record, struct ps_err *err);

/**
 * Take over the record of url for this owner and read it. *found_out = false when there is none.
 *
 * Errors:  PS_E_LOCKED as above; PS_E_PARSE for a damaged record (it is left as it is).
 */
PS_MUST_USE enum ps_code ps_checkpoint_claim(struct ps_state *state, const char *url,
                                             const struct ps_owner *owner, bool *found_out,
                                             struct ps_upload_record *record_out,
                                             struct ps_err *err);

/** Write phase, upload_id, part_size_bytes and part_count of *record (matched by number). NOT_FOUND when it is gone. */
PS_MUST_USE enum ps_code ps_checkpoint_update(struct ps_state *state,
                                              const struct ps_upload_record *record,
                                              struct ps_err *err);

/** Note done parts in one commit. NOT_FOUND when the upload is gone; INVALID for a part_number of 0. */
PS_MUST_USE enum ps_code ps_checkpoint_parts_done(struct ps_state *state, uint64_t number,
                                                  const struct ps_part_record *parts, size_t count,
                                                  struct ps_err *err);

/** All done parts, ascending; the caller frees *parts_out. */
PS_MUST_USE enum ps_code ps_checkpoint_parts(struct ps_state *state, uint64_t number,
                                             struct ps_part_record **parts_out, size_t *count_out,
                                             struct ps_err *err);

/** Forget these parts (the store lost them). What is not there is success; INVALID for a part_number of 0. */
PS_MUST_USE enum ps_code ps_checkpoint_parts_forget(struct ps_state *state, uint64_t number,
                                                    const uint32_t *part_numbers, size_t count,
                                                    struct ps_err *err);

/** Remove the record and its parts. Nothing there is success. */
PS_MUST_USE enum ps_code ps_checkpoint_end(struct ps_state *state, uint64_t number, const char *url,
                                           struct ps_err *err);

/**
 * Call each for every upload, by URL; the record is borrowed for the call, which may read and write the state. each
 * returns false to stop.
 *
 * Errors:  PS_E_PARSE when there were damaged records: they were passed over, the others were not.
 */
PS_MUST_USE enum ps_code ps_checkpoint_each(struct ps_state *state,
                                            bool (*each)(void *user,
                                                         const struct ps_upload_record *record),
                                            void *user, struct ps_err *err);

/** One download into a file. Text of a record that was read is owned by it: ps_download_record_clear. */
struct ps_download_record {
    char *path; /* absolute target path; the key */
    char *url;
    char *etag;
    uint64_t size_bytes;
    uint64_t range_size_bytes; /* ranges are cut like parts: index 0 starts at 0 */
    uint64_t number;           /* given when it begins; keys of the ranges; filled by reads */
    uint8_t checksum_algorithm;
    struct ps_owner owner;
    int64_t created_unix_ms;
};

void ps_download_record_clear(struct ps_download_record *record);

/** One range whose bytes are durable in the temporary file. */
struct ps_range_record {
    uint32_t range_index; /* from 0 */
    uint64_t size_bytes;
    uint8_t checksum[32];
};

/**
 * As ps_checkpoint_begin, claim, parts_done, parts, end, for downloads. The key is record->path. Ranges of a download
 * that is gone are NOT_FOUND when noted, none when read.
 */
PS_MUST_USE enum ps_code ps_checkpoint_download_begin(struct ps_state *state,
                                                      const struct ps_download_record *record,
                                                      struct ps_err *err);
PS_MUST_USE enum ps_code ps_checkpoint_download_claim(struct ps_state *state, const char *path,
                                                      const struct ps_owner *owner, bool *found_out,
                                                      struct ps_download_record *record_out,
                                                      struct ps_err *err);
PS_MUST_USE enum ps_code ps_checkpoint_ranges_done(struct ps_state *state, const char *path,
                                                   const struct ps_range_record *ranges,
                                                   size_t count, struct ps_err *err);
PS_MUST_USE enum ps_code ps_checkpoint_ranges(struct ps_state *state, const char *path,
                                              struct ps_range_record **ranges_out,
                                              size_t *count_out, struct ps_err *err);
PS_MUST_USE enum ps_code ps_checkpoint_download_end(struct ps_state *state, const char *path,
                                                    struct ps_err *err);

/**
 * What an extraction has come to, for a download whose range_size_bytes is 0: row 0 is a point, which is replaced, the
 * rows behind it are pieces, which stay. Their bytes are the extraction's own affair.
 *
 * piece_number counts from 1; an empty piece = none. Errors: PS_E_NOT_FOUND when the download is gone; PS_E_NO_SPACE; PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_checkpoint_extract_note(struct ps_state *state, const char *path,
                                                    const struct ps_buf *point,
                                                    uint32_t piece_number,
                                                    const struct ps_buf *piece, struct ps_err *err);

/**
 * Call each for the point and then the pieces of path; data is borrowed for the call. None when there is no download. It
 * may begin again at row 0, when another process has made the map larger.
 *
 * Errors:  those of each; PS_E_PARSE for a damaged row.
 */
PS_MUST_USE enum ps_code
ps_checkpoint_extract_each(struct ps_state *state, const char *path,
                           enum ps_code (*each)(void *user, uint32_t row_index, const void *data,
                                                size_t size_bytes, struct ps_err *err),
                           void *user, struct ps_err *err);

#endif
