#include "base/str.h"
#include "http/http_date.h"
#include "store/s3_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** S3: "max-keys ... up to 1,000". */
#define PAGE_SIZE_MAX 1000U

struct list_op {
    struct ps_s3_list list;
    char *prefix;
    char *delimiter;   /* NULL = none */
    char *start_after; /* NULL = none */
    uint32_t page_size;
    ps_store_list_fn page;
    void *user;
};

static enum ps_code add_query(struct ps_s3_list *base, struct ps_s3_pairs *query,
                              struct ps_err *err)
{
    struct list_op *list = (struct list_op *)base;
    char size[16];
    enum ps_code code = ps_s3_query_add(query, "list-type", "2", err);

    (void)snprintf(size, sizeof(size), "%u", list->page_size);
    if (code == PS_OK && base->token != NULL) {
        code = ps_s3_query_add(query, "continuation-token", base->token, err);
    }
    if (code == PS_OK && list->delimiter != NULL) {
        code = ps_s3_query_add(query, "delimiter", list->delimiter, err);
    }
    if (code == PS_OK) {
        code = ps_s3_query_add(query, "encoding-type", "url", err);
    }
    if (code == PS_OK) {
        code = ps_s3_query_add(query, "max-keys", size, err);
    }
    if (code == PS_OK) {
        code = ps_s3_query_add(query, "prefix", list->prefix, err);
    }
    if (code == PS_OK && list->start_after != NULL && base->token == NULL) {
        code = ps_s3_query_add(query, "start-after", list->start_after, err);
    }
    return code;
}

static void begin_entry(struct ps_s3_list *base, void *entry, bool is_other)
{
    struct ps_object_info *info = entry;

    (void)base;
    info->key = "";
    info->etag = "";
    info->content_type = "";
    info->storage_class = "";
    info->version_id = "";
    info->restore = "";
    info->composite = "";
    info->is_prefix = is_other;
}

static enum ps_code take_field(struct ps_s3_list *base, struct ps_object_info *info,
                               const char *name, const char *text, struct ps_err *err)
{
    if (strcmp(name, "Key") == 0) {
        return ps_s3_list_keep(base, &info->key, text, err);
    }
    if (strcmp(name, "ETag") == 0) {
        return ps_s3_list_keep(base, &info->etag, text, err);
    }
    if (strcmp(name, "StorageClass") == 0) {
        return ps_s3_list_keep(base, &info->storage_class, text, err);
    }
    if (strcmp(name, "LastModified") == 0 && !ps_http_date_parse_iso(text, &info->mtime_unix_ms)) {
        info->mtime_unix_ms = 0;
    }
    if (strcmp(name, "Size") == 0 && !ps_u64_parse(text, &info->size_bytes)) {
        return ps_err_set(err, PS_E_PARSE, "Size \"%.32s\" of an object", text);
    }
    return PS_OK;
}

static enum ps_code take(struct ps_s3_list *base, void *entry, const char *path, const char *text,
                         struct ps_err *err)
{
    struct ps_object_info *info = entry;
    if (strcmp(path, "/NextContinuationToken") == 0) {
        return ps_s3_list_keep(base, &base->page.next_token, text, err);
    }
    if (info != NULL && strcmp(path, "/CommonPrefixes/Prefix") == 0) {
        return ps_s3_list_keep(base, &info->key, text, err);
    }
    if (info != NULL && ps_str_has_prefix(path, "/Contents/")) {
        return take_field(base, info, path + strlen("/Contents/"), text, err);
    }
    return PS_OK;
}

static enum ps_code end_page(struct ps_s3_list *base, struct ps_err *err)
{
    enum ps_code code = base->op.store->dialect->tokens_are_encoded
                            ? ps_s3_list_decode(base, &base->page.next_token, err)
                            : PS_OK;

    for (size_t i = 0; i < base->page.count && code == PS_OK; i++) {
        struct ps_object_info *info = ps_s3_list_entry(base, i);

        code = info->key[0] != '\0' ? ps_s3_list_decode(base, &info->key, err)
                                    : ps_err_set(err, PS_E_PARSE, "an object without a key");
    }
    return code;
}

static void deliver(struct ps_s3_list *base, bool more, const struct ps_err *err)
{
    struct list_op *list = (struct list_op *)base;

    list->page(list->user, (const struct ps_object_info *)(const void *)base->page.entries,
               base->page.count, more, err);
}

static const struct ps_s3_list_kind objects_kind = {
    .operation = "list",
    .root = "/ListBucketResult",
    .entry = "/ListBucketResult/Contents",
    .other_entry = "/ListBucketResult/CommonPrefixes",
    .entry_size_bytes = sizeof(struct ps_object_info),
    .add_query = add_query,
    .begin_entry = begin_entry,
    .take = take,
    .end_page = end_page,
    .deliver = deliver,
};

static void clear(struct ps_s3_list *base)
{
    struct list_op *list = (struct list_op *)base;

    free(list->prefix);
    free(list->delimiter);
    free(list->start_after);
}

static bool has_text(const char *s)
{
    return s != NULL && s[0] != '\0';
}

struct ps_store_op *ps_s3_list(struct ps_store *store, const struct ps_list_request *request,
                               ps_store_list_fn page, void *user, struct ps_err *err)
{
    struct list_op *list = ps_s3_op_new(store, sizeof(*list), NULL, err);

    if (list == NULL) {
        return NULL;
    }
    list->list.clear = clear;
    list->page = page;
    list->user = user;
    list->page_size = request->page_size != 0 && request->page_size < PAGE_SIZE_MAX
                          ? request->page_size
                          : PAGE_SIZE_MAX;
    list->prefix = ps_strdup(request->prefix != NULL ? request->prefix : "");
    list->delimiter = has_text(request->delimiter) ? ps_strdup(request->delimiter) : NULL;
    list->start_after = has_text(request->start_after) ? ps_strdup(request->start_after) : NULL;
    if (list->prefix == NULL || (has_text(request->delimiter) && list->delimiter == NULL) ||
        (has_text(request->start_after) && list->start_after == NULL)) {
        clear(&list->list);
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return ps_s3_op_started(&list->list.op, PS_E_NO_MEMORY);
    }
    return ps_s3_list_start(&list->list, &objects_kind, err);
}
