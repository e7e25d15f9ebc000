#include "base/str.h"
#include "store/s3_checksum.h"
#include "store/s3_page.h"

#include <stdlib.h>
#include <string.h>

struct parts_op {
    struct ps_s3_list list;
    char *upload_id;
    ps_store_parts_fn page;
    void *user;
};

static enum ps_code add_query(struct ps_s3_list *base, struct ps_s3_pairs *query,
                              struct ps_err *err)
{
    struct parts_op *list = (struct parts_op *)base;
    enum ps_code code = ps_s3_query_add(query, "max-parts", "1000", err);

    if (code == PS_OK && base->token != NULL) {
        code = ps_s3_query_add(query, "part-number-marker", base->token, err);
    }
    return code == PS_OK ? ps_s3_query_add(query, "uploadId", list->upload_id, err) : code;
}

static void begin_entry(struct ps_s3_list *base, void *entry, bool is_other)
{
    struct ps_part_info *info = entry;

    (void)base;
    (void)is_other;
    info->etag = "";
}

static enum ps_code take_number(const struct ps_s3_list *base, struct ps_part_info *info,
                                const char *text, struct ps_err *err)
{
    uint64_t number = 0;

    if (!ps_u64_parse(text, &number) || number == 0 ||
        number > base->op.store->base.capabilities.part_count_max) {
        return ps_err_set(err, PS_E_PARSE, "PartNumber \"%.32s\"", text);
    }
    info->part_number = (uint32_t)number;
    return PS_OK;
}

static enum ps_code take_field(struct ps_s3_list *base, struct ps_part_info *info, const char *name,
                               const char *text, struct ps_err *err)
{
    enum ps_checksum_algorithm algorithm;

    if (strcmp(name, "PartNumber") == 0) {
        return take_number(base, info, text, err);
    }
    if (strcmp(name, "ETag") == 0) {
        return ps_s3_list_keep(base, &info->etag, text, err);
    }
    if (strcmp(name, "Size") == 0 && !ps_u64_parse(text, &info->size_bytes)) {
        return ps_err_set(err, PS_E_PARSE, "Size \"%.32s\" of a part", text);
    }
    if (strcmp(name, "HashCrc64ecma") == 0 &&
        !ps_checksum_parse(PS_CHECKSUM_CRC64_ECMA, text, &info->checksum)) {
        memset(&info->checksum, 0, sizeof(info->checksum)); /* then it counts as not told */
    }
    if (ps_str_has_prefix(name, "Checksum")) {
        algorithm = ps_s3_checksum_parse_wire_name(name + strlen("Checksum"));
        if (algorithm != PS_CHECKSUM_NONE &&
            !ps_checksum_from_base64(algorithm, text, &info->checksum)) {
            memset(&info->checksum, 0, sizeof(info->checksum)); /* then it counts as not told */
        }
    }
    return PS_OK;
}

static enum ps_code take(struct ps_s3_list *base, void *entry, const char *path, const char *text,
                         struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (strcmp(path, "/NextPartNumberMarker") == 0) {
        code = ps_s3_list_keep(base, &base->page.next_token, text, err);
    } else if (entry != NULL && ps_str_has_prefix(path, "/Part/")) {
        code = take_field(base, entry, path + strlen("/Part/"), text, err);
    }
    return code;
}

/* The marker must grow, and each part must have a number. */
static enum ps_code end_page(struct ps_s3_list *base, struct ps_err *err)
{
    uint64_t before = 0;
    uint64_t next = 0;

    for (size_t i = 0; i < base->page.count; i++) {
        const struct ps_part_info *info = ps_s3_list_entry(base, i);

        if (info->part_number == 0) {
            return ps_err_set(err, PS_E_PARSE, "a part without a number");
        }
    }
    if (!base->page.truncated) {
        return PS_OK;
    }
    if (base->token != NULL && !ps_u64_parse(base->token, &before)) {
        before = 0;
    }
    if (base->page.next_token == NULL || !ps_u64_parse(base->page.next_token, &next) ||
        next <= before) {
        return ps_err_set(err, PS_E_PARSE, "NextPartNumberMarker does not go on");
    }
    return PS_OK;
}

static void deliver(struct ps_s3_list *base, bool more, const struct ps_err *err)
{
    struct parts_op *list = (struct parts_op *)base;

    list->page(list->user, (const struct ps_part_info *)(const void *)base->page.entries,
               base->page.count, more, err);
}

static const struct ps_s3_list_kind parts_kind = {
    .operation = "list_parts",
    .root = "/ListPartsResult",
    .entry = "/ListPartsResult/Part",
    .entry_size_bytes = sizeof(struct ps_part_info),
    .add_query = add_query,
    .begin_entry = begin_entry,
    .take = take,
    .end_page = end_page,
    .deliver = deliver,
};

static void clear(struct ps_s3_list *base)
{
    free(((struct parts_op *)base)->upload_id);
}

struct ps_store_op *ps_s3_list_parts(struct ps_store *store, const char *key, const char *upload_id,
                                     ps_store_parts_fn page, void *user, struct ps_err *err)
{
    struct parts_op *list = ps_s3_op_new(store, sizeof(*list), key, err);

    if (list == NULL) {
        return NULL;
    }
    list->list.clear = clear;
    list->page = page;
    list->user = user;
    list->upload_id = ps_strdup(upload_id);
    if (list->upload_id == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return ps_s3_op_started(&list->list.op, PS_E_NO_MEMORY);
    }
    return ps_s3_list_start(&list->list, &parts_kind, err);
}
