/**
 * archive_lib - libarchive, loaded when the first archive is made or read, not with the program.
 *
 * Flow:    source/archive_encoder.c, sink/archive_writer.c, sink/archive_members.c -> [archive_lib] -> libarchive.so.13
 * Thread:  any; a table belongs to who loaded it
 * Source:  dlopen(3); libarchive 3.6
 *
 * It brings libxml2, ICU and the C++ library along, for formats that are not used here: 2 ms of every start, also of a
 * put of one file, whose whole run takes 9. The static library needs them too.
 */
#ifndef PS_BASE_ARCHIVE_LIB_H
#define PS_BASE_ARCHIVE_LIB_H

#include "base/err.h"

#include <archive.h>
#include <archive_entry.h>

/** What is used of it. */
#define PS_ARCHIVE_LIB(X)                                                                          \
    X(archive_entry_clear)                                                                         \
    X(archive_entry_copy_hardlink)                                                                 \
    X(archive_entry_copy_pathname)                                                                 \
    X(archive_entry_copy_symlink)                                                                  \
    X(archive_entry_filetype)                                                                      \
    X(archive_entry_free)                                                                          \
    X(archive_entry_gid)                                                                           \
    X(archive_entry_hardlink)                                                                      \
    X(archive_entry_is_data_encrypted)                                                             \
    X(archive_entry_mtime)                                                                         \
    X(archive_entry_mtime_is_set)                                                                  \
    X(archive_entry_mtime_nsec)                                                                    \
    X(archive_entry_new)                                                                           \
    X(archive_entry_pathname)                                                                      \
    X(archive_entry_perm)                                                                          \
    X(archive_entry_set_filetype)                                                                  \
    X(archive_entry_set_gid)                                                                       \
    X(archive_entry_set_mtime)                                                                     \
    X(archive_entry_set_perm)                                                                      \
    X(archive_entry_set_size)                                                                      \
    X(archive_entry_set_uid)                                                                       \
    X(archive_entry_size)                                                                          \
    X(archive_entry_size_is_set)                                                                   \
    X(archive_entry_sparse_add_entry)                                                              \
    X(archive_entry_symlink)                                                                       \
    X(archive_entry_uid)                                                                           \
    X(archive_entry_xattr_add_entry)                                                               \
    X(archive_entry_xattr_next)                                                                    \
    X(archive_entry_xattr_reset)                                                                   \
    X(archive_errno)                                                                               \
    X(archive_error_string)                                                                        \
    X(archive_filter_code)                                                                         \
    X(archive_format_name)                                                                         \
    X(archive_read_data_block)                                                                     \
    X(archive_read_data_skip)                                                                      \
    X(archive_read_free)                                                                           \
    X(archive_read_header_position)                                                                \
    X(archive_read_new)                                                                            \
    X(archive_read_next_header)                                                                    \
    X(archive_read_open)                                                                           \
    X(archive_read_open1)                                                                          \
    X(archive_read_set_callback_data)                                                              \
    X(archive_read_set_read_callback)                                                              \
    X(archive_read_set_seek_callback)                                                              \
    X(archive_read_support_filter_zstd)                                                            \
    X(archive_read_support_format_tar)                                                             \
    X(archive_read_support_format_zip_seekable)                                                    \
    X(archive_read_support_format_zip_streamable)                                                  \
    X(archive_set_error)                                                                           \
    X(archive_version_number)                                                                      \
    X(archive_write_close)                                                                         \
    X(archive_write_data)                                                                          \
    X(archive_write_finish_entry)                                                                  \
    X(archive_write_free)                                                                          \
    X(archive_write_header)                                                                        \
    X(archive_write_new)                                                                           \
    X(archive_write_open)                                                                          \
    X(archive_write_set_bytes_per_block)                                                           \
    X(archive_write_set_format_option)                                                             \
    X(archive_write_set_format_pax_restricted)                                                     \
    X(archive_write_set_format_zip)

#define PS_ARCHIVE_LIB_FIELD(name) __typeof__ (&(name))(name);

/** Its functions under their own names. */
struct ps_archive_lib {
    PS_ARCHIVE_LIB(PS_ARCHIVE_LIB_FIELD)
};

/**
 * Fill *lib. The library stays loaded.
 *
 * Errors:  PS_E_UNSUPPORTED with the package to install, when it is not there or lacks a function.
 */
PS_MUST_USE enum ps_code ps_archive_lib_load(struct ps_archive_lib *lib, struct ps_err *err);

#endif
