/**
 * s3_answer - what answers of S3 hold: an object's headers, an XML document of a known root, owned text.
 *
 * Flow:    http/http_client.h -> [s3_answer] -> s3_get.c, s3_head.c, s3_list.c, s3_multipart.c, s3_delete.c
 * Thread:  the loop thread
 * Source:  S3 HeadObject, GetObject; RFC 9110 14.4 (Content-Range)
 */
#ifndef PS_STORE_S3_ANSWER_H
#define PS_STORE_S3_ANSWER_H

#include "base/xml_read.h"
#include "store/s3_internal.h"

/** Copies of many short texts, freed at once; they stay where they are. Zeroed = empty. */
struct ps_s3_texts {
    struct ps_s3_text_block *blocks;
};

/** A copy, valid until ps_s3_texts_clear; NULL when memory is out. */
char *ps_s3_texts_copy(struct ps_s3_texts *texts, const char *text);
void ps_s3_texts_clear(struct ps_s3_texts *texts);

/** An object as headers describe it. info borrows from the answer and from this struct. Zeroed = empty. */
struct ps_s3_info {
    struct ps_object_info info;
    const char *meta_prefix;
    struct ps_s3_pairs metadata;
    struct ps_store_pair *pairs; /* info.metadata */
    bool failed;                 /* while reading: memory is out */
};

/**
 * Read the headers of a 2xx answer to HEAD or GET; info.key = key; info.size_bytes is Content-Length.
 *
 * with_checksum: false for a range, whose checksum may be that of one part.
 * Errors:  PS_E_NO_MEMORY. Headers that make no sense count as absent.
 */
PS_MUST_USE enum ps_code ps_s3_info_read(struct ps_s3_info *info,
                                         const struct ps_s3_dialect *dialect,
                                         const struct ps_http_answer *answer, const char *key,
                                         bool with_checksum, struct ps_err *err);
void ps_s3_info_clear(struct ps_s3_info *info);

/** "bytes 0-9/100"; false for anything else, an unknown total ('*') or first > last >= total. */
PS_MUST_USE bool ps_s3_range_parse(const char *text, uint64_t *first_out, uint64_t *last_out,
                                   uint64_t *total_out);

/**
 * Read the body of answer, whose root must be root ("/ListPartsResult"), as ps_xml_read.
 *
 * Errors:  the store's own error when the root is Error; PS_E_PARSE, retry TRANSIENT, when it is cut, empty or
 *          another document; what a handler returned.
 */
PS_MUST_USE enum ps_code ps_s3_xml_read(const struct ps_http_answer *answer, const char *root,
                                        const struct ps_xml_handler *handler, void *user,
                                        struct ps_err *err);

#endif
