/**
 * media_type - the type of an object by its name, where the store knows none.
 *
 * Flow:    serve/gateway_headers.c -> [media_type]
 * Thread:  any; constant
 * Source:  IANA media types
 */
#ifndef PS_SERVE_MEDIA_TYPE_H
#define PS_SERVE_MEDIA_TYPE_H

/** "application/json" for "a/b.json", any case; "application/octet-stream" for what is not known. Static. */
const char *ps_media_type_of(const char *key);

#endif
