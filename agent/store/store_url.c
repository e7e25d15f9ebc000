#include "store/store_url.h"

#include "base/str.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/** What the staging directory of the file store is called: a key in it would be an upload in progress. */
#define STAGING_NAME ".purser"

/** A URL is shown up to here, so that the advice after it fits into a message. */
#define SHOWN "%.100s"

/* Letters, digits, '-', '.', '_' and more can be in a bucket's name; what would change the URL or a header cannot. */
static bool is_bucket_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static bool is_bucket(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_bucket_byte(name[i])) {
            return false;
        }
    }
    return length > 0 && name[0] != '.' && name[0] != '-';
}

/* Take over *bucket and *key, or free them. */
static enum ps_code finish(const char *scheme, char *bucket, char *key,
                           struct ps_store_url *url_out, struct ps_err *err)
{
    if (bucket == NULL || key == NULL) {
        free(bucket);
        free(key);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    ps_str_copy(url_out->scheme, sizeof(url_out->scheme), scheme);
    url_out->bucket = bucket;
    url_out->key = key;
    return PS_OK;
}

/* rest is what follows "s3://": a bucket, and a key byte for byte ("s3://b//a" has the key "/a"). */
static enum ps_code parse_bucket_url(const char *url, const char *scheme, const char *rest,
                                     struct ps_store_url *url_out, struct ps_err *err)
{
    size_t length = strcspn(rest, "/");

    if (length == 0) {
        return ps_err_set(err, PS_E_INVALID, SHOWN ": no bucket; write %s://BUCKET/KEY", url,
                          scheme);
    }
    if (memchr(rest, '@', length) != NULL) {
        return ps_err_set(err, PS_E_INVALID,
                          "%s://...@...: credentials do not belong in a URL; write %s://BUCKET/KEY",
                          scheme, scheme);
    }
    if (!is_bucket(rest, length)) {
        return ps_err_set(
            err, PS_E_INVALID,
            SHOWN ": no bucket is called %.*s; write %s://BUCKET/KEY with letters, digits, '-', "
                  "'.' and '_' in BUCKET",
            url, length < 64 ? (int)length : 64, rest, scheme);
    }
    return finish(scheme, ps_strndup(rest, length),
                  ps_strdup(rest[length] == '/' ? rest + length + 1 : ""), url_out, err);
}

static bool component_is(const char *component, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(component, name, length) == 0;
}

/* The reason why path cannot be the name of a file in the store, NULL = it can. A '/' at the end is a directory. */
static const char *fault_of_path(const char *path)
{
    const char *component = path;

    while (*component != '\0') {
        size_t length = strcspn(component, "/");

        if (length == 0) {
            return "two slashes follow one another; write one";
        }
        if (component_is(component, length, ".") || component_is(component, length, "..")) {
            return "a component is '.' or '..'; write the path without it";
        }
        if (component_is(component, length, STAGING_NAME)) {
            return "a component is '" STAGING_NAME "', which holds uploads in progress";
        }
        component += length;
        if (*component == '/') {
            component++;
        }
    }
    return NULL;
}

/* rest is what follows "file:". */
static enum ps_code parse_file_url(const char *url, const char *rest, struct ps_store_url *url_out,
                                   struct ps_err *err)
{
    const char *path;
    const char *fault;

    if (!ps_str_has_prefix(rest, "//")) {
        return ps_err_set(err, PS_E_INVALID, SHOWN ": write file:///DIR/FILE", url);
    }
    path = rest + 2;
    if (ps_str_has_prefix(path, "localhost/")) {
        path += strlen("localhost");
    }
    if (*path != '/') {
        return ps_err_set(
            err, PS_E_INVALID,
            SHOWN ": a file URL has no host; write file:///DIR/FILE with three slashes", url);
    }
    path++;
    fault = fault_of_path(path);
    if (fault != NULL) {
        return ps_err_set(err, PS_E_INVALID, SHOWN ": %s", url, fault);
    }
    return finish("file", ps_strdup(""), ps_strdup(path), url_out, err);
}

/* What follows "https://" may be signed, or hold a password: it is not shown. */
static enum ps_code refuse(const char *url, struct ps_err *err)
{
    const char *scheme_end = strstr(url, "://");
    size_t shown = 0;

    if (scheme_end != NULL) {
        shown = (size_t)(scheme_end - url) + 3;
    } else if (strchr(url, '@') == NULL) {
        shown = strcspn(url, "?");
    }
    return ps_err_set(err, PS_E_INVALID,
                      "%.*s%s: not a URL of a store; write s3://BUCKET/KEY, oss://BUCKET/KEY or "
                      "file:///DIR/FILE",
                      shown < 64 ? (int)shown : 64, url, url[shown] != '\0' ? "..." : "");
}

enum ps_code ps_store_url_parse(const char *url, struct ps_store_url *url_out, struct ps_err *err)
{
    if (ps_str_has_prefix(url, "s3://")) {
        return parse_bucket_url(url, "s3", url + strlen("s3://"), url_out, err);
    }
    if (ps_str_has_prefix(url, "oss://")) {
        return parse_bucket_url(url, "oss", url + strlen("oss://"), url_out, err);
    }
    if (ps_str_has_prefix(url, "file:")) {
        return parse_file_url(url, url + strlen("file:"), url_out, err);
    }
    return refuse(url, err);
}

void ps_store_url_clear(struct ps_store_url *url)
{
    free(url->bucket);
    free(url->key);
    memset(url, 0, sizeof(*url));
}
