/**
 * source_object - what is kept of an object that is copied elsewhere: size, etag, checksum, type, metadata, tags.
 *
 * Flow:    store/ head, get_tags -> [source_object] -> copy.h, relay.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TRANSFER_SOURCE_OBJECT_H
#define PS_TRANSFER_SOURCE_OBJECT_H

#include "store/store.h"

/** Most pairs of a kind; S3 allows 2 KiB of metadata and 10 tags. */
#define PS_SOURCE_PAIRS_MAX 64

/** Heap text, owned. Zeroed = empty. */
struct ps_source_object {
    uint64_t size_bytes;
    char *etag;
    char *content_type;
    struct ps_checksum checksum;
    struct ps_store_pair metadata[PS_SOURCE_PAIRS_MAX];
    size_t metadata_count;
    struct ps_store_pair tags[PS_SOURCE_PAIRS_MAX];
    size_t tag_count;
    bool has_tags; /* they were read, or are to be none */
};

/** Copy what head told. Errors: PS_E_NO_MEMORY, PS_E_TOO_LARGE; then *source holds some. */
PS_MUST_USE enum ps_code ps_source_object_take(struct ps_source_object *source,
                                               const struct ps_object_info *info,
                                               struct ps_err *err);
PS_MUST_USE enum ps_code ps_source_object_take_tags(struct ps_source_object *source,
                                                    const struct ps_store_pair *tags, size_t count,
                                                    struct ps_err *err);
void ps_source_object_clear(struct ps_source_object *source);

/** Fill what write leaves open (type, metadata, tags) from source; its text is borrowed from there. */
void ps_source_object_complete(const struct ps_source_object *source,
                               struct ps_write_options *write);

/** A deep copy of write in *kept, whose text write then points to: source's fields hold it. */
PS_MUST_USE enum ps_code ps_write_options_keep(struct ps_write_options *write,
                                               struct ps_source_object *kept, char **class_out,
                                               struct ps_err *err);

#endif
