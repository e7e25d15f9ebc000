#include "store/s3_write.h"

#include "base/encode.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/** The longest prefix of user metadata, with its NUL: "x-amz-meta-". */
#define META_PREFIX_SIZE 16

/** A name of user metadata: S3 takes 2 KiB for all of it together. */
#define META_NAME_MAX_BYTES 512

static enum ps_code add_one(struct ps_s3_pairs *headers, const char *prefix,
                            const struct ps_store_pair *pair, struct ps_err *err)
{
    char name[META_PREFIX_SIZE + META_NAME_MAX_BYTES];
    size_t used = strlen(prefix);
    size_t length = strlen(pair->name);

    if (length == 0 || length > META_NAME_MAX_BYTES) {
        return ps_err_set(err, PS_E_INVALID, "metadata: a name has 1 to %d bytes",
                          META_NAME_MAX_BYTES);
    }
    memcpy(name, prefix, used);
    for (const char *at = pair->name; *at != '\0'; at++) {
        /* RFC 9110 5.6.2 token; S3 stores names in lower case */
        if (!isalnum((unsigned char)*at) && strchr("!#$%&'*+-.^_`|~", *at) == NULL) {
            return ps_err_set(err, PS_E_INVALID,
                              "metadata \"%.64s\": a name has letters, digits, '-' and '_'",
                              pair->name);
        }
        name[used++] = (char)tolower((unsigned char)*at);
    }
    name[used] = '\0';
    return ps_s3_pairs_add(headers, name, pair->value, err);
}

enum ps_code ps_s3_write_tags(const struct ps_s3_store *store, struct ps_s3_pairs *headers,
                              const struct ps_write_options *options, struct ps_err *err)
{
    struct ps_buf text;
    enum ps_code code = PS_OK;

    ps_buf_init(&text, 0);
    for (size_t i = 0; i < options->tag_count && code == PS_OK; i++) {
        code = i != 0 ? ps_buf_append_str(&text, "&", err) : PS_OK;
        if (code == PS_OK) {
            code = ps_uri_encode(&text, options->tags[i].name, PS_URI_KEEP_NONE, err);
        }
        if (code == PS_OK) {
            code = ps_buf_append_str(&text, "=", err);
        }
        if (code == PS_OK) {
            code = ps_uri_encode(&text, options->tags[i].value, PS_URI_KEEP_NONE, err);
        }
    }
    if (code == PS_OK && options->tag_count != 0) {
        code = ps_s3_pairs_add(headers, store->dialect->tagging, ps_buf_peek(&text), err);
    }
    ps_buf_clear(&text);
    return code;
}

enum ps_code ps_s3_write_headers(const struct ps_s3_store *store, struct ps_s3_pairs *headers,
                                 const struct ps_write_options *options, struct ps_err *err)
{
    const struct ps_s3_dialect *dialect = store->dialect;
    const char *type = options->content_type;
    enum ps_code code =
        ps_s3_pairs_add(headers, "content-type",
                        type != NULL && type[0] != '\0' ? type : "application/octet-stream", err);

    if (code == PS_OK && options->storage_class != NULL && options->storage_class[0] != '\0') {
        code = ps_s3_pairs_add(headers, dialect->storage_class, options->storage_class, err);
    }
    for (size_t i = 0; i < options->metadata_count && code == PS_OK; i++) {
        code = add_one(headers, dialect->meta_prefix, &options->metadata[i], err);
    }
    return code == PS_OK ? ps_s3_write_tags(store, headers, options, err) : code;
}

enum ps_code ps_s3_write_check_create_only(const struct ps_s3_store *store, const char *key,
                                           struct ps_err *err)
{
    if (!store->kind->no_conditional_complete && store->base.capabilities.conditional_write) {
        return PS_OK;
    }
    return ps_err_set(
        err, PS_E_UNSUPPORTED,
        "%s/%s: %s cannot write in parts only where nothing is: leave out create-only",
        store->base.root_url, key, store->kind->title);
}

void ps_s3_write_error(const struct ps_s3_outcome *outcome, bool create_only, struct ps_err *err)
{
    *err = *outcome->err;
    if (!create_only || (err->http_status != 412 && err->code != PS_E_EXISTS)) {
        return;
    }
    err->code = PS_E_EXISTS;
    if (outcome->maybe_done) {
        err->code = PS_E_UNKNOWN_OUTCOME;
        (void)ps_err_wrap(err, err->code, "the object is there now, perhaps by an earlier try");
    }
}
