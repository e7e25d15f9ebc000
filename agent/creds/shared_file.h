/**
 * shared_file - the section files of the AWS tools, ~/.aws/credentials and ~/.aws/config, as a run of settings.
 *
 * Flow:    creds_profile.c -> [shared_file] -> a file
 * Thread:  any; holds no state
 * Source:  AWS SDKs and Tools Reference Guide, "Shared config and credentials files"; where it is silent, what the
 *          AWS CLI reads (a line indented deeper than the setting before it belongs to that setting)
 *
 * "[section]" lines, "name = value" lines; '#' or ';' begin a comment at the start of a line, and after a blank;
 * blanks around names and values do not count; CRLF and a byte order mark are allowed. Nested settings are left out.
 */
#ifndef PS_CREDS_SHARED_FILE_H
#define PS_CREDS_SHARED_FILE_H

#include "base/err.h"

#include <stddef.h>

/** Files of people have some KiB. Lower: large ones of companies fail. Higher: a wrong path (a log) is read for long. */
#define PS_SHARED_FILE_MAX_BYTES ((size_t)1024 * 1024)

struct ps_shared_file_handler {
    /** "[profile x]" is "profile x"; blanks inside are as written. May be NULL. */
    void (*on_section)(void *user, const char *section, unsigned line);
    /** name as written, value may be "". Both are borrowed for the call, and wiped afterwards. */
    void (*on_setting)(void *user, const char *section, const char *name, const char *value,
                       unsigned line);
};

/**
 * Read all of path, which is a regular file, with a NUL after it. *text_out is freed by ps_shared_file_wipe.
 *
 * Errors:  PS_E_NOT_FOUND, PS_E_DENIED, PS_E_IO; PS_E_INVALID for another kind of file; PS_E_TOO_LARGE;
 *          PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_shared_file_load(const char *path, char **text_out,
                                             size_t *size_bytes_out, struct ps_err *err);

/** Wipe and free what ps_shared_file_load gave, changed in place or not. NULL is allowed. */
void ps_shared_file_wipe(char *text);

/**
 * Read all of path and call handler in the order of the file. What it held in memory is wiped.
 *
 * Errors:  PS_E_NOT_FOUND no such file; PS_E_INVALID "path:line: what is wrong", without the line's text, which may be
 *          a secret, (some calls may have come); PS_E_TOO_LARGE; PS_E_DENIED, PS_E_IO, PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_shared_file_read(const char *path,
                                             const struct ps_shared_file_handler *handler,
                                             void *user, struct ps_err *err);

/**
 * The same for text[0..size_bytes), which is cut up in place; text[size_bytes] must be there to be written to.
 * path: for messages.
 */
PS_MUST_USE enum ps_code ps_shared_file_parse(const char *path, char *text, size_t size_bytes,
                                              const struct ps_shared_file_handler *handler,
                                              void *user, struct ps_err *err);

#endif
