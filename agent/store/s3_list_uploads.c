#include "base/str.h"
#include "http/http_date.h"
#include "store/s3_checksum.h"
#include "store/s3_page.h"

#include <stdlib.h>
#include <string.h>

struct uploads_op {
    struct ps_s3_list list;
    char *prefix;
    ps_store_uploads_fn page;
    void *user;
};

static enum ps_code add_query(struct ps_s3_list *base, struct ps_s3_pairs *query,
                              struct ps_err *err)
{
    struct uploads_op *list = (struct uploads_op *)base;
    enum ps_code code = ps_s3_query_add(query, "encoding-type", "url", err);

    if (code == PS_OK && base->token != NULL) {
        code = ps_s3_query_add(query, "key-marker", base->token, err);
    }
    if (code == PS_OK) {
        code = ps_s3_query_add(query, "prefix", list->prefix, err);
    }
    if (code == PS_OK && base->upload_id_marker != NULL) {
        code = ps_s3_query_add(query, "upload-id-marker", base->upload_id_marker, err);
    }
    return code == PS_OK ? ps_s3_query_add(query, "uploads", "", err) : code;
}

static void begin_entry(struct ps_s3_list *base, void *entry, bool is_other)
{
    struct ps_upload_info *info = entry;

    (void)base;
    (void)is_other;
    info->key = "";
    info->upload_id = "";
}

static enum ps_code take_field(struct ps_s3_list *base, struct ps_upload_info *info,
                               const char *name, const char *text, struct ps_err *err)
{
    if (strcmp(name, "Key") == 0) {
        return ps_s3_list_keep(base, &info->key, text, err);
    }
    if (strcmp(name, "UploadId") == 0) {
        return ps_s3_list_keep(base, &info->upload_id, text, err);
    }
    if (strcmp(name, "Initiated") == 0 && !ps_http_date_parse_iso(text, &info->initiated_unix_ms)) {
        info->initiated_unix_ms = 0;
    }
    if (strcmp(name, "ChecksumAlgorithm") == 0) {
        info->checksum = ps_s3_checksum_parse_wire_name(text);
    }
    return PS_OK;
}

static enum ps_code take(struct ps_s3_list *base, void *entry, const char *path, const char *text,
                         struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (strcmp(path, "/NextKeyMarker") == 0) {
        code = ps_s3_list_keep(base, &base->page.next_token, text, err);
    } else if (strcmp(path, "/NextUploadIdMarker") == 0 && text[0] != '\0') {
        code = ps_s3_list_keep(base, &base->page.next_upload_id, text, err);
    } else if (entry != NULL && ps_str_has_prefix(path, "/Upload/")) {
        code = take_field(base, entry, path + strlen("/Upload/"), text, err);
    }
    return code;
}

static enum ps_code end_page(struct ps_s3_list *base, struct ps_err *err)
{
    enum ps_code code = ps_s3_list_decode(base, &base->page.next_token, err);

    for (size_t i = 0; i < base->page.count && code == PS_OK; i++) {
        struct ps_upload_info *info = ps_s3_list_entry(base, i);

        code = info->key[0] != '\0' && info->upload_id[0] != '\0'
                   ? ps_s3_list_decode(base, &info->key, err)
                   : ps_err_set(err, PS_E_PARSE, "an upload without a key or upload ID");
    }
    return code;
}

static void deliver(struct ps_s3_list *base, bool more, const struct ps_err *err)
{
    struct uploads_op *list = (struct uploads_op *)base;

    list->page(list->user, (const struct ps_upload_info *)(const void *)base->page.entries,
               base->page.count, more, err);
}

static const struct ps_s3_list_kind uploads_kind = {
    .operation = "list_uploads",
    .root = "/ListMultipartUploadsResult",
    .entry = "/ListMultipartUploadsResult/Upload",
    .entry_size_bytes = sizeof(struct ps_upload_info),
    .add_query = add_query,
    .begin_entry = begin_entry,
    .take = take,
    .end_page = end_page,
    .deliver = deliver,
};

static void clear(struct ps_s3_list *base)
{
    free(((struct uploads_op *)base)->prefix);
}

struct ps_store_op *ps_s3_list_uploads(struct ps_store *store, const char *prefix,
                                       ps_store_uploads_fn page, void *user, struct ps_err *err)
{
    struct uploads_op *list = ps_s3_op_new(store, sizeof(*list), NULL, err);

    if (list == NULL) {
        return NULL;
    }
    list->list.clear = clear;
    list->page = page;
    list->user = user;
    list->prefix = ps_strdup(prefix != NULL ? prefix : "");
    if (list->prefix == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return ps_s3_op_started(&list->list.op, PS_E_NO_MEMORY);
    }
    return ps_s3_list_start(&list->list, &uploads_kind, err);
}
