#include "base/str.h"
#include "base/xml_read.h"
#include "store/s3_answer.h"
#include "store/s3_checksum.h"
#include "store/s3_internal.h"
#include "store/s3_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * CompleteMultipartUpload. It is sent again while its answer is lost or says so; what then stays unknown is
 * PS_E_UNKNOWN_OUTCOME, never success and never failure: the caller looks at the object.
 */
struct complete_op {
    struct ps_s3_op op;
    char *upload_id;
    struct part {
        uint32_t part_number;
        char *etag;
        struct ps_checksum checksum;
    } * parts;
    size_t part_count;
    uint64_t size_bytes;
    struct ps_checksum checksum; /* of the whole; NONE = not known */
    bool create_only;
    char *etag;
    struct ps_checksum confirmed;
    bool differs;
    char theirs[PS_CHECKSUM_TEXT_SIZE];
    ps_store_put_fn done;
    void *user;
};

static enum ps_code start_complete(struct complete_op *complete, struct ps_err *err);

static void finish(struct complete_op *complete, const struct ps_err *err)
{
    ps_s3_op_enter(&complete->op);
    complete->done(complete->user, err == NULL ? complete->etag : NULL, &complete->confirmed, err);
    ps_s3_op_end(&complete->op);
}

/* --- the answer --- */

static void compare(struct complete_op *complete, const char *text)
{
    struct ps_checksum theirs;

    if (ps_checksum_parse(complete->checksum.algorithm, text, &theirs) &&
        ps_checksum_equal(&theirs, &complete->checksum)) {
        complete->confirmed = complete->checksum;
    } else if (strchr(text, '-') == NULL) { /* a composite value says nothing of the whole */
        complete->differs = true;
        ps_str_copy(complete->theirs, sizeof(complete->theirs), text);
    }
}

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    static const char prefix[] = "/CompleteMultipartUploadResult/";
    struct complete_op *complete = user;
    const char *name = path + sizeof(prefix) - 1;
    const char *wire_name = ps_s3_checksum_wire_name(complete->checksum.algorithm);

    if (!ps_str_has_prefix(path, prefix)) {
        return PS_OK;
    }
    if (strcmp(name, "ETag") == 0) {
        free(complete->etag);
        complete->etag = ps_strdup(text);
        if (complete->etag == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    } else if (wire_name != NULL && ps_str_has_prefix(name, "Checksum") &&
               strcmp(name + strlen("Checksum"), wire_name) == 0) {
        compare(complete, text);
    }
    return PS_OK;
}

static enum ps_code check_complete(void *user, const struct ps_http_answer *answer,
                                   struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .end = on_end };
    struct complete_op *complete = user;
    enum ps_code code;

    const char *answered = ps_s3_checksum_answered(answer, complete->checksum.algorithm);

    complete->differs = false;
    code = ps_s3_xml_read(answer, "/CompleteMultipartUploadResult", &handler, complete, err);
    if (code == PS_OK && answered != NULL) {
        compare(complete, answered);
    }
    if (code == PS_OK && complete->differs) {
        char text[PS_CHECKSUM_TEXT_SIZE];

        return ps_err_set(err, PS_E_CORRUPT, "the store has %s %s for the object, we sent %s",
                          ps_checksum_name(complete->checksum.algorithm), complete->theirs,
                          ps_checksum_format(&complete->checksum, text));
    }
    if (code == PS_OK && complete->etag == NULL) {
        complete->etag = ps_strdup("");
        if (complete->etag == NULL) {
            code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    return code;
}

/* What the outcome means: an answer that was lost may have been a success. */
static void judge(const struct complete_op *complete, const struct ps_s3_outcome *outcome,
                  struct ps_err *err)
{
    bool lost = outcome->maybe_done;

    ps_s3_write_error(outcome, complete->create_only, err);
    switch (err->code) {
    case PS_E_NO_UPLOAD:
        /* The second Complete of one that succeeded is answered like that by MinIO and most others. */
        lost = lost || outcome->sent_count > 1;
        break;
    case PS_E_TEMPORARY:
    case PS_E_PARSE:
    case PS_E_TOO_LARGE:
    case PS_E_CHANGED:
        break;
    default:
        lost = false; /* the store says what it is */
        break;
    }
    if (lost) {
        err->code = PS_E_UNKNOWN_OUTCOME;
        err->retry = PS_RETRY_NEVER;
    }
}

static void on_complete_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct complete_op *complete = user;
    struct ps_err err;

    complete->op.call = NULL;
    if (outcome->err == NULL) {
        finish(complete, NULL);
        return;
    }
    if (ps_s3_checksum_refused(complete->op.store, complete->checksum.algorithm, outcome)) {
        if (start_complete(complete, &err) != PS_OK) {
            finish(complete, &err);
        }
        return;
    }
    judge(complete, outcome, &err);
    finish(complete, &err);
}

/* --- the request --- */

static bool sends_checksums(const struct complete_op *complete)
{
    const struct ps_s3_store *store = complete->op.store;

    /* A store that did not answer the checksums of parts would not find them here. */
    return !store->checksum_unconfirmed &&
           ps_s3_checksum_is_taken(store, complete->checksum.algorithm);
}

static enum ps_code write_part(const struct complete_op *complete, const struct part *part,
                               struct ps_buf *text, struct ps_err *err)
{
    const struct ps_s3_store *store = complete->op.store;
    const char *name = ps_s3_checksum_wire_name(part->checksum.algorithm);
    char value[PS_CHECKSUM_TEXT_SIZE];
    enum ps_code code = ps_buf_append_format(
        text, err, "<Part><PartNumber>%" PRIu32 "</PartNumber><ETag>", part->part_number);

    if (code == PS_OK) {
        code = ps_xml_escape(text, part->etag, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(text, "</ETag>", err);
    }
    if (code == PS_OK && name != NULL && !store->checksum_unconfirmed &&
        ps_s3_checksum_is_taken(store, part->checksum.algorithm)) {
        code = ps_buf_append_format(text, err, "<Checksum%s>%s</Checksum%s>", name,
                                    ps_checksum_to_base64(&part->checksum, value), name);
    }
    return code == PS_OK ? ps_buf_append_str(text, "</Part>", err) : code;
}

static enum ps_code write_text(const struct complete_op *complete, struct ps_buf *text,
                               struct ps_err *err)
{
    enum ps_code code = ps_buf_append_format(text, err, "<CompleteMultipartUpload%s>",
                                             complete->op.store->dialect->xml_namespace);

    for (size_t i = 0; i < complete->part_count && code == PS_OK; i++) {
        code = write_part(complete, &complete->parts[i], text, err);
    }
    return code == PS_OK ? ps_buf_append_str(text, "</CompleteMultipartUpload>", err) : code;
}

static enum ps_code add_headers(const struct complete_op *complete, struct ps_s3_pairs *headers,
                                struct ps_err *err)
{
    const struct ps_s3_dialect *dialect = complete->op.store->dialect;
    char size[24];
    enum ps_code code = ps_s3_pairs_add(headers, "content-type", "application/xml", err);

    if (code == PS_OK && complete->create_only) {
        code = ps_s3_write_check_create_only(complete->op.store, complete->op.key, err);
    }
    if (code == PS_OK && complete->create_only) {
        code = ps_s3_pairs_add(headers, dialect->create_only, dialect->create_only_value, err);
    }
    if (code == PS_OK && ps_s3_checksum_header(complete->checksum.algorithm) != NULL &&
        ps_checksum_can_combine(complete->checksum.algorithm) && sends_checksums(complete)) {
        code = ps_s3_checksum_add(headers, &complete->checksum, err);
        if (code == PS_OK) {
            code = ps_s3_pairs_add(headers, "x-amz-checksum-type", "FULL_OBJECT", err);
        }
    }
    if (code == PS_OK && complete->op.store->kind->takes_object_size) {
        (void)snprintf(size, sizeof(size), "%" PRIu64, complete->size_bytes);
        code = ps_s3_pairs_add(headers, "x-amz-mp-object-size", size, err);
    }
    return code;
}

static enum ps_code start_complete(struct complete_op *complete, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = "complete",
        .method = "POST",
        .key = complete->op.key,
        .patient = true,
        .check = check_complete,
        .done = on_complete_done,
        .user = complete,
    };
    enum ps_code code = ps_s3_query_add(&call.query, "uploadId", complete->upload_id, err);

    ps_buf_init(&call.text, 0);
    if (code == PS_OK) {
        code = add_headers(complete, &call.headers, err);
    }
    if (code == PS_OK) {
        code = write_text(complete, &call.text, err);
    }
    if (code == PS_OK) {
        return ps_s3_call_start(complete->op.store, &call, &complete->op.call, err);
    }
    ps_s3_pairs_clear(&call.query);
    ps_s3_pairs_clear(&call.headers);
    ps_buf_clear(&call.text);
    return code;
}

static void complete_clear(struct ps_s3_op *op)
{
    struct complete_op *complete = (struct complete_op *)op;

    for (size_t i = 0; complete->parts != NULL && i < complete->part_count; i++) {
        free(complete->parts[i].etag);
    }
    free(complete->parts);
    free(complete->upload_id);
    free(complete->etag);
}

static enum ps_code copy_parts(struct complete_op *complete,
                               const struct ps_complete_request *request, struct ps_err *err)
{
    complete->upload_id = ps_strdup(request->upload_id);
    complete->parts = calloc(request->part_count, sizeof(*complete->parts));
    if (complete->upload_id == NULL || complete->parts == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    complete->part_count = request->part_count;
    for (size_t i = 0; i < request->part_count; i++) {
        complete->parts[i].part_number = request->parts[i].part_number;
        complete->parts[i].checksum = request->parts[i].checksum;
        complete->parts[i].etag = ps_strdup(request->parts[i].etag);
        if (complete->parts[i].etag == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    return PS_OK;
}

struct ps_store_op *ps_s3_complete(struct ps_store *store,
                                   const struct ps_complete_request *request, ps_store_put_fn done,
                                   void *user, struct ps_err *err)
{
    struct complete_op *complete = NULL;
    enum ps_code code;

    if (request->part_count == 0 || request->part_count > store->capabilities.part_count_max) {
        (void)ps_err_set(err, PS_E_INVALID, "complete: %zu parts; the store takes 1 to %u",
                         request->part_count, store->capabilities.part_count_max);
        return NULL;
    }
    complete = ps_s3_op_new(store, sizeof(*complete), request->key, err);
    if (complete == NULL) {
        return NULL;
    }
    complete->op.clear = complete_clear;
    complete->size_bytes = request->size_bytes;
    complete->checksum = request->checksum;
    complete->create_only = request->options.create_only;
    complete->done = done;
    complete->user = user;
    code = copy_parts(complete, request, err);
    if (code == PS_OK) {
        code = start_complete(complete, err);
    }
    return ps_s3_op_started(&complete->op, code);
}
