#include "serve/object_headers.h"

#include "base/encode.h"
#include "base/str.h"
#include "http/http_date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- conditions --- */

static bool is_weak(const char *etag)
{
    return etag[0] == 'W' && etag[1] == '/';
}

/* One entity-tag at *at, moved behind it. False: there is none. */
static bool take_etag(const char **at, const char **etag_out, size_t *length_out)
{
    const char *start = *at + strspn(*at, " \t,");
    const char *quote = is_weak(start) ? start + 2 : start;
    const char *end = *quote == '"' ? strchr(quote + 1, '"') : NULL;

    if (end == NULL) {
        return false;
    }
    *etag_out = start;
    *length_out = (size_t)(end + 1 - start);
    *at = end + 1;
    return true;
}

/* Whether the list has the object's; weakly, W/"x" and "x" are the same (RFC 9110 8.8.3.2). */
static bool list_has(const char *list, const char *etag, bool weakly)
{
    const char *own = weakly && is_weak(etag) ? etag + 2 : etag;
    const char *item = NULL;
    size_t length = 0;

    if (strcmp(list, "*") == 0) {
        return true;
    }
    if (etag[0] == '\0' || (!weakly && is_weak(etag))) {
        return false;
    }
    while (take_etag(&list, &item, &length)) {
        if (weakly && is_weak(item)) {
            item += 2;
            length -= 2;
        }
        if (strlen(own) == length && memcmp(own, item, length) == 0) {
            return true;
        }
    }
    return false;
}

/* HTTP's times are in seconds. */
static int64_t whole_seconds(int64_t unix_ms)
{
    return unix_ms / 1000 * 1000;
}

enum ps_condition_answer ps_conditions_check(const struct ps_conditions *conditions,
                                             const struct ps_object_validators *object)
{
    int64_t mtime_ms = whole_seconds(object->mtime_unix_ms);
    int64_t given_ms = 0;

    if (conditions->if_match != NULL) {
        if (!list_has(conditions->if_match, object->etag, false)) {
            return PS_CONDITION_FAILED;
        }
    } else if (conditions->if_unmodified_since != NULL && mtime_ms != 0 &&
               ps_http_date_parse_imf(conditions->if_unmodified_since, &given_ms) &&
               mtime_ms > given_ms) {
        return PS_CONDITION_FAILED;
    }
    if (conditions->if_none_match != NULL) {
        return list_has(conditions->if_none_match, object->etag, true) ? PS_CONDITION_NOT_MODIFIED
                                                                       : PS_CONDITION_SEND;
    }
    if (conditions->if_modified_since != NULL && mtime_ms != 0 &&
        ps_http_date_parse_imf(conditions->if_modified_since, &given_ms) && mtime_ms <= given_ms) {
        return PS_CONDITION_NOT_MODIFIED;
    }
    return PS_CONDITION_SEND;
}

bool ps_conditions_range_counts(const struct ps_conditions *conditions,
                                const struct ps_object_validators *object)
{
    const char *if_range = conditions->if_range;
    int64_t given_ms = 0;

    if (if_range == NULL) {
        return true;
    }
    if (if_range[0] == '"') {
        return strcmp(if_range, object->etag) == 0;
    }
    return object->mtime_unix_ms != 0 && ps_http_date_parse_imf(if_range, &given_ms) &&
           given_ms == whole_seconds(object->mtime_unix_ms);
}

/* --- Content-Disposition --- */

/* The name without what would end a header or a UTF-8 text. */
static char *clean_name(const char *name)
{
    char *clean = ps_strdup(name);

    for (char *c = clean; c != NULL && *c != '\0';) {
        size_t length = ps_utf8_length(c);

        if (length == 0 || (unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '_';
            length = 1;
        }
        c += length;
    }
    return clean;
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80) {
            return false;
        }
    }
    return true;
}

/* quoted-string (RFC 9110 5.6.4). '%' reads as an escape in some browsers: RFC 6266 appendix D says to avoid it. */
static enum ps_code append_quoted(struct ps_buf *buf, const char *name, struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(buf, "filename=\"", err);

    for (const char *c = name; *c != '\0' && code == PS_OK; c++) {
        if (*c == '"' || *c == '\\') {
            code = ps_buf_append(buf, "\\", 1, err);
        }
        if (code == PS_OK) {
            code = ps_buf_append(buf, (unsigned char)*c >= 0x80 || *c == '%' ? "_" : c, 1, err);
        }
    }
    return code == PS_OK ? ps_buf_append_str(buf, "\"", err) : code;
}

enum ps_code ps_disposition_format(struct ps_buf *buf, const char *key, bool attachment,
                                   struct ps_err *err)
{
    const char *slash = strrchr(key, '/');
    char *name = clean_name(slash != NULL ? slash + 1 : key);
    enum ps_code code = name != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    if (code == PS_OK) {
        code = ps_buf_append_str(buf, attachment ? "attachment" : "inline", err);
    }
    if (code == PS_OK && name[0] != '\0') {
        code = ps_buf_append_str(buf, "; ", err);
        if (code == PS_OK) {
            code = append_quoted(buf, name, err);
        }
        if (code == PS_OK && (!is_ascii(name) || strchr(name, '%') != NULL)) {
            code = ps_buf_append_str(buf, "; filename*=UTF-8''", err);
            if (code == PS_OK) {
                code = ps_uri_encode(buf, name, PS_URI_KEEP_NONE, err);
            }
        }
    }
    free(name);
    return code;
}

enum ps_restore_state ps_restore_parse(const char *value, char *expiry)
{
    const char *date = strstr(value, "expiry-date=\"");
    size_t length;

    expiry[0] = '\0';
    if (strstr(value, "ongoing-request=\"true\"") != NULL) {
        return PS_RESTORE_ONGOING;
    }
    if (strstr(value, "ongoing-request=\"false\"") == NULL) {
        return PS_RESTORE_NONE;
    }
    if (date != NULL) {
        date += strlen("expiry-date=\"");
        length = strcspn(date, "\"");
        if (length < 40) {
            memcpy(expiry, date, length);
            expiry[length] = '\0';
        }
    }
    return PS_RESTORE_DONE;
}
