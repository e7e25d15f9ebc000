/**
 * xml_read - XML answers as a flat run of (element path, text) pairs, with every size bounded.
 *
 * Flow:    http/http_client.h body -> [xml_read] -> s3_list, s3_multipart, s3_delete, s3_call, oss_*, creds
 * Thread:  any; holds no state
 * Source:  XML 1.0 (fifth edition) by expat; S3 and OSS answers use elements and text only
 *
 * A document type declaration is an error, so no entity but the predefined five can exist ("billion laughs" and
 * external entities are refused before they are read). Attributes, comments and namespaces are ignored; a prefix
 * ("ns:Key") is cut off.
 */
#ifndef PS_BASE_XML_READ_H
#define PS_BASE_XML_READ_H

#include "base/err.h"

#include <stddef.h>

/**
 * Deepest nesting. S3 lifecycle rules reach 6. Lower: real answers fail. Higher: a hostile answer costs more memory.
 */
#define PS_XML_DEPTH_MAX 16

/**
 * Longest text of one element. The longest that S3 sends is a key of 1,024 bytes, URL-encoded 3,072, or a message.
 * Lower: odd error texts fail. Higher: a hostile answer makes us hold it.
 */
#define PS_XML_TEXT_MAX_BYTES ((size_t)64 * 1024)

/** Longest path, with its slashes. */
#define PS_XML_PATH_MAX_BYTES ((size_t)512)

struct ps_xml_handler {
    /** An element begins; path is "/Root/Child". May be NULL. */
    enum ps_code (*begin)(void *user, const char *path, struct ps_err *err);
    /**
     * An element ends. text is its own text for an element without children, else "". May be NULL.
     *
     * Both are borrowed for the call. A code other than PS_OK stops the reading and is returned by ps_xml_read.
     */
    enum ps_code (*end)(void *user, const char *path, const char *text, struct ps_err *err);
    /** After end: the element's bytes are [begin, past) of the document, tags included. May be NULL. */
    enum ps_code (*span)(void *user, const char *path, size_t begin, size_t past,
                         struct ps_err *err);
};

/**
 * Read a whole document. Handlers are called as it goes, also before an error further on is seen.
 *
 * Errors:  PS_E_PARSE when it is empty, cut, not well-formed, has a document type, or goes over a limit above;
 *          PS_E_NO_MEMORY; what a handler returned.
 */
PS_MUST_USE enum ps_code ps_xml_read(const char *data, size_t size_bytes,
                                     const struct ps_xml_handler *handler, void *user,
                                     struct ps_err *err);

/**
 * Append text to buf with & < > " ' and CR escaped, as XML 1.0 allows it in an element.
 *
 * Errors:  PS_E_INVALID when text has a byte that XML 1.0 cannot carry (below 0x20 but TAB, LF, CR; or no UTF-8);
 *          as ps_buf_append. buf may then hold a beginning of it.
 */
struct ps_buf;
PS_MUST_USE enum ps_code ps_xml_escape(struct ps_buf *buf, const char *text, struct ps_err *err);

#endif
