/**
 * archive_writer_internal - the struct behind archive_writer.h, for archive_writer*.c only.
 *
 * Flow:    archive_writer.c (libarchive, limits, the whole) -> archive_writer_entry.c (one entry),
 *          archive_writer_resume.c (where a later run can go on)
 * Thread:  as archive_writer.h
 * Source:  none
 */
#ifndef PS_SINK_ARCHIVE_WRITER_INTERNAL_H
#define PS_SINK_ARCHIVE_WRITER_INTERNAL_H

#include "base/archive_lib.h"
#include "sink/archive_writer.h"
#include "sink/dest_tree.h"
#include "sink/path_set.h"
#include "sink/unpack.h"

struct ps_extract {
    struct ps_archive_lib lib;
    const struct ps_extract_options *options;
    struct archive *archive;
    bool begun; /* a header was read: it is an archive */
    struct ps_object_pull pull;
    struct ps_unpack *unpack;
    struct ps_dest_tree *tree;
    struct ps_path_set seen;
    struct ps_err pull_err; /* why on_read said no */
    char *buffer;
    uint64_t written_bytes;
    struct ps_extract_result result;

    /* archive_writer_resume.c */
    uint64_t base_bytes;    /* of the unpacked archive: where libarchive's first byte lies */
    uint64_t discard_bytes; /* unpacked bytes before that, still to be passed over */
    bool note_wanted;
    bool has_unpack;                /* point->unpack and mark fit each other */
    struct ps_extract_point *point; /* the next one; NULL = nothing is noted */
    struct ps_buf fresh;            /* slots of seen paths that no piece told yet */
    size_t fresh_wanted_bytes;      /* of fresh: from then on a note is wanted */
    bool placed;        /* a place to go on at was noted, by this run or the one before */
    bool marked;        /* the directory says that points of this run are of it */
    size_t given_count; /* directories that pieces told */
};

/* archive_writer.c */
/** Bytes are to be written; PS_E_REFUSED over a limit. */
PS_MUST_USE enum ps_code ps_extract_count_bytes(struct ps_extract *extract, uint64_t size_bytes,
                                                struct ps_err *err);
/** libarchive's last error. */
enum ps_code ps_extract_fail(const struct ps_extract *extract, struct ps_err *err);

/* archive_writer_entry.c */
/** Refuse, pass over or write one entry. */
PS_MUST_USE enum ps_code ps_extract_take(struct ps_extract *extract, struct archive_entry *entry,
                                         struct ps_err *err);

/* archive_writer_resume.c */
/** Set pull, unpack and counts to where options->from says; the tree is open. */
PS_MUST_USE enum ps_code ps_extract_begin(struct ps_extract *extract, struct ps_err *err);
/** Unpacked bytes for libarchive; keeps the point that unpack has taken. */
PS_MUST_USE enum ps_code ps_extract_read(struct ps_extract *extract, void *into, size_t size,
                                         size_t *got_out, struct ps_err *err);
/** An entry is finished: tell, and ask whether to note. */
void ps_extract_finished(struct ps_extract *extract);
/** A header was read and its entry not begun: note where it lies, if that is wanted and possible. */
PS_MUST_USE enum ps_code ps_extract_note_here(struct ps_extract *extract, struct ps_err *err);
void ps_extract_end(struct ps_extract *extract);

#endif
