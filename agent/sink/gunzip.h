/**
 * gunzip - bytes that are pulled, unpacked where they are gzip and as they are where not; CRC and length are checked.
 *
 * Flow:    a pull of bytes -> [gunzip] -> sink/archive_writer.h
 * Thread:  one at a time; blocks in the pull
 * Source:  RFC 1952, several members one after the other included. libarchive's own gzip filter (3.6) checks no CRC.
 */
#ifndef PS_SINK_GUNZIP_H
#define PS_SINK_GUNZIP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_gunzip; /* opaque */

/** pull: as in struct ps_extract_options. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_gunzip_new(struct ps_gunzip **gunzip_out,
                                       bool (*pull)(void *user, void *into, size_t size,
                                                    size_t *got_out, struct ps_err *err),
                                       void *user, struct ps_err *err);
/** NULL is allowed. */
void ps_gunzip_free(struct ps_gunzip *gunzip);

/**
 * Some bytes; *got_out = 0 at the end.
 *
 * Errors:  PS_E_CORRUPT for gzip that is broken, cut, or has another CRC or length; those of pull.
 */
PS_MUST_USE enum ps_code ps_gunzip_read(struct ps_gunzip *gunzip, void *into, size_t size,
                                        size_t *got_out, struct ps_err *err);

/** Bytes that were pulled so far. */
uint64_t ps_gunzip_pulled(const struct ps_gunzip *gunzip);

#endif
