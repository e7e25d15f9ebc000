#include "creds/sign_v4_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* --- a sorted list of names and values --- */

struct entry {
    char *name;
    char *value;
    size_t order; /* as given: names that repeat keep it (headers) */
};

struct entries {
    struct entry *items;
    size_t count;
    char *texts; /* of all items; NULL = each has its own */
};

static void entries_clear(struct entries *entries)
{
    for (size_t i = 0; i < entries->count && entries->texts == NULL; i++) {
        free(entries->items[i].name);
        free(entries->items[i].value);
    }
    free(entries->texts);
    free(entries->items);
    memset(entries, 0, sizeof(*entries));
}

/* Room for count entries, all empty. */
static enum ps_code entries_init(struct entries *entries, size_t count, struct ps_err *err)
{
    entries->items = calloc(count + 1, sizeof(*entries->items)); /* + 1: never 0 bytes */
    entries->count = entries->items != NULL ? count : 0;
    return entries->items != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static int compare_parameters(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->value, right->value);
}

static int compare_headers(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    int order = strcmp(left->name, right->name);

    if (order != 0) {
        return order;
    }
    return left->order < right->order ? -1 : 1;
}

/* --- query --- */

static char *encode_heap(const char *s, struct ps_err *err)
{
    struct ps_buf buf = { 0 };
    char *text = NULL;

    if (ps_buf_append_str(&buf, "", err) == PS_OK &&
        ps_uri_encode(&buf, s, PS_URI_KEEP_NONE, err) == PS_OK) {
        text = ps_buf_steal(&buf);
    }
    ps_buf_clear(&buf);
    return text;
}

/* Encode first, then sort: '%' sorts before the letters (SigV4 step 1). */
static enum ps_code sort_query(const struct ps_sign_pair *query, size_t count,
                               struct entries *entries_out, struct ps_err *err)
{
    struct ps_err failure = { 0 };
    enum ps_code code = entries_init(entries_out, count, err);

    for (size_t i = 0; i < entries_out->count; i++) {
        struct entry *entry = &entries_out->items[i];

        entry->name = encode_heap(query[i].name, &failure);
        entry->value = encode_heap(query[i].value != NULL ? query[i].value : "", &failure);
        if (entry->name == NULL || entry->value == NULL) {
            entries_clear(entries_out);
            return ps_err_set(err, failure.code, "query: %s", failure.message);
        }
    }
    if (code == PS_OK) {
        qsort(entries_out->items, count, sizeof(*entries_out->items), compare_parameters);
    }
    return code;
}

/* --- headers --- */

/* Space and tab only; no locale. */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Trimmed, and each run of blanks inside made one space. Returns what is behind it. */
static char *normalise_value(const char *value, char *out)
{
    const char *start = out;

    for (const char *in = value; *in != '\0'; in++) {
        if (!is_blank(*in)) {
            *out++ = *in;
        } else if (out != start && !is_blank(in[1]) && in[1] != '\0') {
            *out++ = ' ';
        }
    }
    *out++ = '\0';
    return out;
}

static char *lower_name(const char *name, char *out)
{
    for (const char *in = name; *in != '\0'; in++) {
        *out++ = (char)(*in >= 'A' && *in <= 'Z' ? *in - 'A' + 'a' : *in);
    }
    *out++ = '\0';
    return out;
}

static size_t texts_size(const struct ps_sign_request *request)
{
    size_t size_bytes = 1;

    for (size_t i = 0; i < request->header_count; i++) {
        size_bytes += strlen(request->headers[i].name) + strlen(request->headers[i].value) + 2;
    }
    return size_bytes;
}

static enum ps_code sort_headers(const struct ps_sign_request *request, struct entries *entries_out,
                                 struct ps_err *err)
{
    enum ps_code code = entries_init(entries_out, request->header_count, err);
    bool has_host = false;
    char *text = malloc(texts_size(request));

    entries_out->texts = text;
    if (code != PS_OK || text == NULL) {
        entries_out->count = 0;
        entries_clear(entries_out);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < entries_out->count; i++) {
        struct entry *entry = &entries_out->items[i];

        entry->name = text;
        text = lower_name(request->headers[i].name, text);
        entry->value = text;
        text = normalise_value(request->headers[i].value, text);
        entry->order = i;
        has_host = has_host || strcmp(entry->name, "host") == 0;
    }
    if (!has_host) {
        entries_clear(entries_out);
        return ps_err_set(err, PS_E_INVALID, "signature: no host header");
    }
    qsort(entries_out->items, entries_out->count, sizeof(*entries_out->items), compare_headers);
    return PS_OK;
}

static bool repeats(const struct entries *entries, size_t index)
{
    return index > 0 && strcmp(entries->items[index - 1].name, entries->items[index].name) == 0;
}

/* "name:value\n" each; the values of a name that repeats are joined by ','. */
static enum ps_code append_headers(struct ps_buf *out, const struct entries *entries,
                                   struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < entries->count && code == PS_OK; i++) {
        if (repeats(entries, i)) {
            code = ps_buf_append_texts(out, err, ",", entries->items[i].value, NULL);
        } else {
            code = ps_buf_append_texts(out, err, i > 0 ? "\n" : "", entries->items[i].name, ":",
                                       entries->items[i].value, NULL);
        }
    }
    return code == PS_OK ? ps_buf_append_str(out, "\n", err) : code;
}

static enum ps_code append_signed_names(struct ps_buf *out, const struct entries *entries,
                                        struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < entries->count && code == PS_OK; i++) {
        if (!repeats(entries, i)) {
            code = ps_buf_append_texts(out, err, i > 0 ? ";" : "", entries->items[i].name, NULL);
        }
    }
    return code;
}

/* --- the canonical request --- */

static enum ps_code append_canonical(struct ps_buf *out, const struct ps_sign_request *request,
                                     const struct entries *headers, struct ps_err *err)
{
    enum ps_code code =
        ps_buf_append_texts(out, err, request->method, "\n",
                            request->path[0] != '\0' ? request->path : "/", "\n", NULL);

    if (code == PS_OK) {
        code = ps_sign_v4_append_query(out, request, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(out, "\n", err);
    }
    if (code == PS_OK) {
        code = append_headers(out, headers, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(out, "\n", err);
    }
    if (code == PS_OK) {
        code = append_signed_names(out, headers, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_texts(out, err, "\n",
                                   request->payload_hash != NULL ? request->payload_hash
                                                                 : PS_SIGN_V4_UNSIGNED_PAYLOAD,
                                   NULL);
    }
    return code;
}

/* names may be NULL. */
static enum ps_code canonical_named(const struct ps_sign_request *request, struct ps_buf *canonical,
                                    struct ps_buf *names, struct ps_err *err)
{
    struct entries headers = { 0 };
    enum ps_code code = sort_headers(request, &headers, err);

    if (code == PS_OK) {
        code = append_canonical(canonical, request, &headers, err);
    }
    if (code == PS_OK && names != NULL) {
        code = append_signed_names(names, &headers, err);
    }
    entries_clear(&headers);
    return code;
}

/* --- public --- */

enum ps_code ps_sign_v4_append_query(struct ps_buf *out, const struct ps_sign_request *request,
                                     struct ps_err *err)
{
    struct entries entries = { 0 };
    enum ps_code code;

    if (request->query_count == 0) {
        return ps_buf_append_str(
            out, request->canonical_query != NULL ? request->canonical_query : "", err);
    }
    code = sort_query(request->query, request->query_count, &entries, err);
    for (size_t i = 0; i < entries.count && code == PS_OK; i++) {
        code = ps_buf_append_texts(out, err, i > 0 ? "&" : "", entries.items[i].name, "=",
                                   entries.items[i].value, NULL);
    }
    entries_clear(&entries);
    return code;
}

enum ps_code ps_sign_v4_append_names(struct ps_buf *out, const struct ps_sign_request *request,
                                     struct ps_err *err)
{
    struct entries headers = { 0 };
    enum ps_code code = sort_headers(request, &headers, err);

    if (code == PS_OK) {
        code = append_signed_names(out, &headers, err);
    }
    entries_clear(&headers);
    return code;
}

enum ps_code ps_sign_v4_canonical(const struct ps_sign_request *request, struct ps_buf *canonical,
                                  struct ps_err *err)
{
    return canonical_named(request, canonical, NULL, err);
}

enum ps_code ps_sign_v4_canonical_hash(const struct ps_sign_request *request,
                                       char hash[PS_SIGN_V4_HEX_SIZE], struct ps_err *err)
{
    return ps_sign_v4_hash_named(request, hash, NULL, err);
}

enum ps_code ps_sign_v4_hash_named(const struct ps_sign_request *request,
                                   char hash[PS_SIGN_V4_HEX_SIZE], struct ps_buf *names,
                                   struct ps_err *err)
{
    struct ps_buf canonical = { 0 };
    uint8_t digest[PS_SHA256_SIZE];
    enum ps_code code = canonical_named(request, &canonical, names, err);

    if (code == PS_OK) {
        ps_sha256(canonical.data, canonical.size_bytes, digest);
        (void)ps_hex_encode(digest, sizeof(digest), hash);
    }
    ps_buf_clear(&canonical);
    return code;
}
