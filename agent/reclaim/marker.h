/**
 * marker - a delete that is to wait, written down next to the artifacts: what a plugin whose pod ends leaves for an agent.
 *
 * Flow:    serve/plugin_delete.c -> [marker] -> an object PREFIX/.purser/reclaim/NAME -> [marker] -> marker_take.h
 * Thread:  any; holds no state
 * Source:  JSON (RFC 8259): {"version": 1, "objects": [{"key", "etag", "size", "mtime", "after"}]}
 *
 * Keys are below the prefix that the marker lies in; keys and ETags are percent-encoded, as they may be any bytes. `after`
 * is in seconds and counts from the time at which the store has the marker. There is no time in it and the name is a
 * digest of the text: the same delete asked for again writes the same marker.
 *
 * What is read is outside input: whoever may write below the prefix may write a marker. So it can name nothing outside of
 * the prefix, an object goes only while it is the one that was named (ETag and size), and policies, holds and the fuse
 * of the agent are asked as for any other reclaim.
 */
#ifndef PS_RECLAIM_MARKER_H
#define PS_RECLAIM_MARKER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Where markers lie, below a prefix. */
#define PS_MARKER_DIR ".purser/reclaim/"

/** Objects of one marker. Lower: more requests for a directory. Higher: memory of who reads it. */
#define PS_MARKER_ENTRIES_MAX ((size_t)1000)

/** A full marker of keys of 1,024 bytes, all of them percent-encoded. A larger one is none of ours. */
#define PS_MARKER_SIZE_MAX ((size_t)4 * 1024 * 1024)

/** "0123456789abcdef0123456789abcdef.json" and a NUL: 16 bytes of the text's SHA-256. */
#define PS_MARKER_NAME_SIZE 38

struct ps_marker_entry {
    const char *key;  /* below the prefix */
    const char *etag; /* as the store told it; "" = it tells none */
    uint64_t size_bytes;
    int64_t mtime_unix_s; /* 0 = not known */
    uint64_t after_s;
};

/** The name that a marker of this text has; name holds PS_MARKER_NAME_SIZE. */
void ps_marker_name(const char *text, size_t size_bytes, char *name);

/** A key that a marker may name: no empty one, no '/' at its begin, no part "." or ".." or ".purser". */
bool ps_marker_takes_key(const char *key);

/** A marker in the making. Zeroed = empty. */
struct ps_marker_writer {
    struct ps_buf text;
    size_t count;
};

/** Errors: PS_E_TOO_LARGE (full: end it and begin another), PS_E_INVALID (key), PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_marker_add(struct ps_marker_writer *writer,
                                       const struct ps_marker_entry *entry, struct ps_err *err);

/** The text is whole, in writer->text; name holds PS_MARKER_NAME_SIZE. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_marker_end(struct ps_marker_writer *writer, char *name,
                                       struct ps_err *err);

/** Empty again. Safe twice. */
void ps_marker_writer_clear(struct ps_marker_writer *writer);

struct ps_marker {
    struct ps_marker_entry *entries;
    size_t count;
};

/**
 * Parse a marker that was found under name. *marker_out is to be cleared.
 *
 * Errors:  PS_E_PARSE "what is wrong" (no JSON, a key too many or too few, a value out of range, a name that is not that of
 *          the text: it is damaged), PS_E_UNSUPPORTED (another version), PS_E_NO_MEMORY. *marker_out is untouched then.
 */
PS_MUST_USE enum ps_code ps_marker_parse(const char *name, const char *text, size_t size_bytes,
                                         struct ps_marker *marker_out, struct ps_err *err);

void ps_marker_clear(struct ps_marker *marker);

#endif
