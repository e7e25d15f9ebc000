/**
 * tree_text - a file's time and mode as object metadata, and back.
 *
 * Flow:    source/tree_batch.h -> [tree_text] -> metadata `mtime`, `mode` -> sink/dest_tree.h
 * Thread:  any; holds no state
 * Source:  rclone: `mtime` in seconds with a fraction, `mode` in octal as st_mode; s3fs: the same names, `mode` decimal
 */
#ifndef PS_TRANSFER_TREE_TEXT_H
#define PS_TRANSFER_TREE_TEXT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/** Room for the texts with their NULs. */
enum {
    PS_TREE_TIME_SIZE = 40,
    PS_TREE_MODE_SIZE = 16
};

/** "1700000000.000000001"; a whole second has no fraction. */
void ps_tree_time_format(int64_t mtime_ns, char text[PS_TREE_TIME_SIZE]);
/** False for what is no such time. */
PS_MUST_USE bool ps_tree_time_parse(const char *text, int64_t *mtime_ns_out);

/** "0100644": st_mode in octal. */
void ps_tree_mode_format(uint32_t mode, char text[PS_TREE_MODE_SIZE]);
/** Octal when it begins with 0 (rclone), else decimal (s3fs). False for what is no mode. */
PS_MUST_USE bool ps_tree_mode_parse(const char *text, uint32_t *mode_out);

#endif
