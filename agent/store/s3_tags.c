#include "base/str.h"
#include "store/s3_answer.h"
#include "store/s3_document.h"

#include <stdlib.h>
#include <string.h>

/** S3 and OSS: 10 tags an object. An answer with more is no list of tags. */
#define TAGS_MAX 64

/* --- get --- */

struct tags_op {
    struct ps_s3_op op;
    struct ps_s3_texts texts;
    struct ps_store_pair tags[TAGS_MAX];
    size_t count;
    ps_store_tags_fn done;
    void *user;
};

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct tags_op *tags = user;
    bool is_key = strcmp(path, "/Tagging/TagSet/Tag/Key") == 0;
    bool is_value = strcmp(path, "/Tagging/TagSet/Tag/Value") == 0;
    const char **field;

    if (strcmp(path, "/Tagging/TagSet/Tag") == 0) {
        struct ps_store_pair *tag = &tags->tags[tags->count];

        if (tag->name == NULL) {
            return ps_err_set(err, PS_E_PARSE, "a tag has no key");
        }
        tag->value = tag->value != NULL ? tag->value : "";
        tags->count++;
        return PS_OK;
    }
    if (!is_key && !is_value) {
        return PS_OK;
    }
    if (tags->count == TAGS_MAX) {
        return ps_err_set(err, PS_E_PARSE, "more than %d tags", TAGS_MAX);
    }
    field = is_key ? &tags->tags[tags->count].name : &tags->tags[tags->count].value;
    *field = ps_s3_texts_copy(&tags->texts, text);
    return *field != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static enum ps_code check_tags(void *user, const struct ps_http_answer *answer, struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .end = on_end };
    struct tags_op *tags = user;

    tags->count = 0;
    memset(tags->tags, 0, sizeof(tags->tags));
    return ps_s3_xml_read(answer, "/Tagging", &handler, tags, err);
}

static void on_tags_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct tags_op *tags = user;
    const struct ps_err *err = outcome->err;

    tags->op.call = NULL;
    /* MinIO's way to say that there are none. */
    if (err != NULL && strcmp(err->store_code, "NoSuchTagSet") == 0) {
        err = NULL;
        tags->count = 0;
    }
    ps_s3_op_enter(&tags->op);
    tags->done(tags->user, err == NULL ? tags->tags : NULL, err == NULL ? tags->count : 0, err);
    ps_s3_op_end(&tags->op);
}

static void tags_clear(struct ps_s3_op *op)
{
    ps_s3_texts_clear(&((struct tags_op *)op)->texts);
}

struct ps_store_op *ps_s3_get_tags(struct ps_store *store, const char *key, ps_store_tags_fn done,
                                   void *user, struct ps_err *err)
{
    struct tags_op *tags = ps_s3_op_new(store, sizeof(*tags), key, err);
    struct ps_s3_call_options call = {
        .operation = "get_tags",
        .method = "GET",
        .check = check_tags,
        .done = on_tags_done,
        .user = tags,
    };
    enum ps_code code;

    if (tags == NULL) {
        return NULL;
    }
    call.key = tags->op.key;
    tags->op.clear = tags_clear;
    tags->done = done;
    tags->user = user;
    code = ps_s3_query_add(&call.query, "tagging", "", err);
    if (code == PS_OK) {
        code = ps_s3_call_start(tags->op.store, &call, &tags->op.call, err);
    }
    return ps_s3_op_started(&tags->op, code);
}

/* --- put --- */

static enum ps_code write_tag(const struct ps_store_pair *tag, struct ps_buf *text,
                              struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(text, "<Tag><Key>", err);

    if (code == PS_OK) {
        code = ps_xml_escape(text, tag->name, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(text, "</Key><Value>", err);
    }
    if (code == PS_OK) {
        code = ps_xml_escape(text, tag->value, err);
    }
    return code == PS_OK ? ps_buf_append_str(text, "</Value></Tag>", err) : code;
}

struct ps_store_op *ps_s3_put_tags(struct ps_store *store, const struct ps_tags_request *request,
                                   ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct ps_s3_document document = {
        .operation = "put_tags",
        .method = "PUT",
        .key = request->key,
        .subresource = "tagging",
    };
    enum ps_code code = ps_buf_append_format(&document.text, err, "<Tagging%s><TagSet>",
                                             ((struct ps_s3_store *)store)->dialect->xml_namespace);

    for (size_t i = 0; i < request->count && code == PS_OK; i++) {
        code = write_tag(&request->tags[i], &document.text, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(&document.text, "</TagSet></Tagging>", err);
    }
    if (code != PS_OK) {
        ps_buf_clear(&document.text);
        return NULL;
    }
    return ps_s3_document_send(store, &document, done, user, err);
}
