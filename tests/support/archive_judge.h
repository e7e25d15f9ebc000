/**
 * archive_judge - archives as Python and GNU tar see and make them, so that ours are never judged by ourselves.
 *
 * Flow:    tests/unit/transfer -> [archive_judge] -> archive_judge.py
 * Thread:  any
 * Source:  none
 */
#ifndef PS_TESTS_SUPPORT_ARCHIVE_JUDGE_H
#define PS_TESTS_SUPPORT_ARCHIVE_JUDGE_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/** What is in an archive of that format, a line a member: "file NAME SIZE MTIME MODE CRC32". Fails the test where it is broken. */
void archive_judge_list(const char *format, const struct ps_buf *archive, struct ps_buf *rows_out);

/** The archive of that name in archive_judge.py. */
void archive_judge_make(const char *name, struct ps_buf *archive_out);

/** A row as archive_judge_list has it, of a file. */
void archive_judge_row(struct ps_buf *rows, const char *name, const void *bytes, size_t size_bytes,
                       int64_t mtime_unix_s);

/** The same bytes each time, which no deflater makes smaller: those of archive_judge.py. free(). */
char *archive_judge_noise(size_t size_bytes);

#endif
