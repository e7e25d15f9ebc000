#include "base/encode.h"
#include "base/str.h"
#include "store/s3_answer.h"
#include "store/s3_checksum.h"
#include "store/s3_internal.h"
#include "store/s3_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** CopyObject or UploadPartCopy: the store copies, and may answer 200 long before it knows whether it could. */
struct copy_op {
    struct ps_s3_op op;
    struct ps_s3_pairs headers;
    char *upload_id; /* NULL = CopyObject */
    uint32_t part_number;
    bool create_only;
    enum ps_checksum_algorithm algorithm; /* that the answer may tell */
    char *etag;
    struct ps_checksum checksum;
    ps_store_put_fn done;
    void *user;
};

static void finish(struct copy_op *copy, const struct ps_err *err)
{
    ps_s3_op_enter(&copy->op);
    copy->done(copy->user, err == NULL ? copy->etag : NULL, &copy->checksum, err);
    ps_s3_op_end(&copy->op);
}

/* --- the answer --- */

/* "/CopyObjectResult/ETag" or "/CopyPartResult/ETag" */
static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct copy_op *copy = user;
    const char *name = strchr(path + 1, '/');
    const char *wire_name = ps_s3_checksum_wire_name(copy->algorithm);

    if (name == NULL) {
        return PS_OK;
    }
    name++;
    if (strcmp(name, "ETag") == 0) {
        free(copy->etag);
        copy->etag = ps_strdup(text);
        return copy->etag != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (wire_name != NULL && ps_str_has_prefix(name, "Checksum") &&
        strcmp(name + strlen("Checksum"), wire_name) == 0 && strchr(text, '-') == NULL &&
        !ps_checksum_from_base64(copy->algorithm, text, &copy->checksum)) {
        memset(&copy->checksum, 0, sizeof(copy->checksum));
    }
    return PS_OK;
}

static enum ps_code check_copy(void *user, const struct ps_http_answer *answer, struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .end = on_end };
    struct copy_op *copy = user;
    const char *answered = ps_s3_checksum_answered(answer, copy->algorithm);
    enum ps_code code =
        ps_s3_xml_read(answer, copy->upload_id != NULL ? "/CopyPartResult" : "/CopyObjectResult",
                       &handler, copy, err);

    if (answered != NULL && !ps_checksum_parse(copy->algorithm, answered, &copy->checksum)) {
        memset(&copy->checksum, 0, sizeof(copy->checksum));
    }
    if (code == PS_OK && copy->etag == NULL) {
        code = ps_err_set(err, PS_E_PARSE, "the answer has no ETag");
    }
    return code;
}

static void on_copy_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct copy_op *copy = user;
    struct ps_err err;

    copy->op.call = NULL;
    if (outcome->err == NULL) {
        finish(copy, NULL);
        return;
    }
    /* 412: the source has changed, or with create_only perhaps the target is there. */
    err = *outcome->err;
    if (copy->create_only) {
        ps_s3_write_error(outcome, true, &err);
    }
    finish(copy, &err);
}

/* --- the request --- */

static enum ps_code add_source(struct copy_op *copy, const struct ps_copy_request *request,
                               struct ps_err *err)
{
    const struct ps_s3_store *store = copy->op.store;
    const char *bucket = request->from_bucket != NULL ? request->from_bucket : store->bucket;
    struct ps_buf source = { 0 };
    enum ps_code code = ps_buf_append_format(&source, err, "/%s/", bucket);

    if (code == PS_OK) {
        code = ps_uri_encode(&source, request->from_key, PS_URI_KEEP_SLASH, err);
    }
    if (code == PS_OK) {
        code =
            ps_s3_pairs_add(&copy->headers, store->dialect->copy_source, ps_buf_peek(&source), err);
    }
    if (code == PS_OK && request->from_if_match != NULL && request->from_if_match[0] != '\0') {
        code = ps_s3_pairs_add(&copy->headers, store->dialect->copy_source_if_match,
                               request->from_if_match, err);
    }
    ps_buf_clear(&source);
    return code;
}

static enum ps_code add_range(struct copy_op *copy, const struct ps_copy_request *request,
                              struct ps_err *err)
{
    char range[64];

    if (request->length_bytes == 0 || request->offset_bytes > UINT64_MAX - request->length_bytes) {
        return ps_err_set(err, PS_E_INVALID, "copy: a part has no bytes");
    }
    (void)snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, request->offset_bytes,
                   request->offset_bytes + request->length_bytes - 1);
    return ps_s3_pairs_add(&copy->headers, copy->op.store->dialect->copy_source_range, range, err);
}

/* What is not given anew comes along with the object; REPLACE drops all of its kind. */
static enum ps_code add_options(struct copy_op *copy, const struct ps_write_options *options,
                                struct ps_err *err)
{
    const struct ps_s3_store *store = copy->op.store;
    const struct ps_s3_dialect *dialect = store->dialect;
    bool replaces = options->metadata_count != 0 || options->content_type != NULL;
    struct ps_write_options written = *options;
    enum ps_code code = PS_OK;

    if (replaces) {
        code = ps_s3_pairs_add(&copy->headers, dialect->metadata_directive, "REPLACE", err);
        if (code == PS_OK) {
            code = ps_s3_write_headers(store, &copy->headers, &written, err);
        }
    } else if (options->storage_class != NULL && options->storage_class[0] != '\0') {
        code = ps_s3_pairs_add(&copy->headers, dialect->storage_class, options->storage_class, err);
    }
    if (code == PS_OK && options->tag_count != 0) {
        code = ps_s3_pairs_add(&copy->headers, dialect->tagging_directive,
                               dialect->tagging_directive_replace, err);
        if (code == PS_OK && !replaces) {
            code = ps_s3_write_tags(store, &copy->headers, options, err);
        }
    }
    if (code == PS_OK && options->create_only) {
        copy->create_only = true;
        code =
            ps_s3_pairs_add(&copy->headers, dialect->create_only, dialect->create_only_value, err);
    }
    return code;
}

/* The store makes the checksum of the copy as it writes it. */
static enum ps_code add_algorithm(struct copy_op *copy, enum ps_checksum_algorithm algorithm,
                                  struct ps_err *err)
{
    const char *name = ps_s3_checksum_wire_name(algorithm);
    const struct ps_s3_store *store = copy->op.store;

    copy->algorithm = algorithm;
    if (name == NULL || store->dialect->checksum_mode == NULL ||
        !ps_s3_checksum_is_taken(store, algorithm)) {
        return PS_OK;
    }
    return ps_s3_pairs_add(&copy->headers, "x-amz-checksum-algorithm", name, err);
}

static enum ps_code add_headers(struct copy_op *copy, const struct ps_copy_request *request,
                                struct ps_err *err)
{
    enum ps_code code = add_source(copy, request, err);

    if (code != PS_OK) {
        return code;
    }
    copy->algorithm = request->options.checksum;
    if (request->upload_id != NULL && copy->op.store->kind->no_part_copy_percent &&
        strchr(request->from_key, '%') != NULL) {
        return ps_err_set(err, PS_E_UNSUPPORTED, "%s: %s reads another object for a key with %%",
                          request->from_key, copy->op.store->kind->title);
    }
    if (request->upload_id != NULL) {
        return add_range(copy, request, err);
    }
    code = add_options(copy, &request->options, err);
    return code == PS_OK ? add_algorithm(copy, request->options.checksum, err) : code;
}

static enum ps_code start_copy(struct copy_op *copy, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = copy->upload_id != NULL ? "copy_part" : "copy",
        .method = "PUT",
        .key = copy->op.key,
        .part_number = copy->part_number,
        .headers = copy->headers,
        .patient = true,
        .check = check_copy,
        .done = on_copy_done,
        .user = copy,
    };
    char number[16];
    enum ps_code code = PS_OK;

    memset(&copy->headers, 0, sizeof(copy->headers));
    if (copy->upload_id != NULL) {
        (void)snprintf(number, sizeof(number), "%" PRIu32, copy->part_number);
        code = ps_s3_query_add(&call.query, "partNumber", number, err);
        if (code == PS_OK) {
            code = ps_s3_query_add(&call.query, "uploadId", copy->upload_id, err);
        }
    }
    if (code == PS_OK) {
        return ps_s3_call_start(copy->op.store, &call, &copy->op.call, err);
    }
    ps_s3_pairs_clear(&call.query);
    ps_s3_pairs_clear(&call.headers);
    return code;
}

static void copy_clear(struct ps_s3_op *op)
{
    struct copy_op *copy = (struct copy_op *)op;

    ps_s3_pairs_clear(&copy->headers);
    free(copy->upload_id);
    free(copy->etag);
}

struct ps_store_op *ps_s3_copy(struct ps_store *store, const struct ps_copy_request *request,
                               ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct copy_op *copy = ps_s3_op_new(store, sizeof(*copy), request->key, err);
    enum ps_code code;

    if (copy == NULL) {
        return NULL;
    }
    copy->op.clear = copy_clear;
    copy->part_number = request->upload_id != NULL ? request->part_number : 0;
    copy->upload_id = ps_strdup(request->upload_id);
    copy->done = done;
    copy->user = user;
    if (request->upload_id != NULL && copy->upload_id == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "S3 operation: out of memory");
    } else if (request->upload_id != NULL &&
               (request->part_number == 0 ||
                request->part_number > store->capabilities.part_count_max)) {
        code = ps_err_set(err, PS_E_INVALID, "part %" PRIu32 ": parts count from 1 to %" PRIu32,
                          request->part_number, store->capabilities.part_count_max);
    } else {
        code = add_headers(copy, request, err);
    }
    if (code == PS_OK) {
        code = start_copy(copy, err);
    }
    return ps_s3_op_started(&copy->op, code);
}
