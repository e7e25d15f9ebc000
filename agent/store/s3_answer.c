#include "store/s3_answer.h"

#include "base/str.h"
#include "http/http_date.h"
#include "store/s3_checksum.h"
#include "store/s3_error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/** A page of 1,000 keys of 60 bytes takes two blocks. */
#define TEXT_BLOCK_BYTES ((size_t)64 * 1024)

struct ps_s3_text_block {
    struct ps_s3_text_block *next;
    size_t used_bytes;
    size_t size_bytes;
    char bytes[];
};

char *ps_s3_texts_copy(struct ps_s3_texts *texts, const char *text)
{
    size_t size_bytes = strlen(text) + 1;
    struct ps_s3_text_block *block = texts->blocks;
    char *copy;

    if (block == NULL || block->size_bytes - block->used_bytes < size_bytes) {
        size_t room = size_bytes > TEXT_BLOCK_BYTES ? size_bytes : TEXT_BLOCK_BYTES;

        block = malloc(sizeof(*block) + room);
        if (block == NULL) {
            return NULL;
        }
        block->next = texts->blocks;
        block->used_bytes = 0;
        block->size_bytes = room;
        texts->blocks = block;
    }
    copy = block->bytes + block->used_bytes;
    memcpy(copy, text, size_bytes);
    block->used_bytes += size_bytes;
    return copy;
}

void ps_s3_texts_clear(struct ps_s3_texts *texts)
{
    while (texts->blocks != NULL) {
        struct ps_s3_text_block *block = texts->blocks;

        texts->blocks = block->next;
        free(block);
    }
}

/* --- headers of an object --- */

static const char *header_or(const struct ps_http_answer *answer, const char *name,
                             const char *fallback)
{
    const char *value = ps_http_answer_header(answer, name);

    return value != NULL ? value : fallback;
}

static void read_checksum(struct ps_object_info *info, const struct ps_http_answer *answer)
{
    static const enum ps_checksum_algorithm order[] = {
        PS_CHECKSUM_CRC64_NVME, PS_CHECKSUM_CRC64_ECMA, PS_CHECKSUM_CRC32C,
        PS_CHECKSUM_CRC32,      PS_CHECKSUM_SHA256,
    };
    bool composite =
        strcasecmp(header_or(answer, "x-amz-checksum-type", "FULL_OBJECT"), "COMPOSITE") == 0;

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        const char *value = ps_s3_checksum_answered(answer, order[i]);

        if (value == NULL) {
            continue;
        }
        if (!composite && ps_checksum_parse(order[i], value, &info->checksum)) {
            return;
        }
        if (composite || strchr(value, '-') != NULL) {
            info->checksum_is_composite = true;
            info->composite = value;
            return;
        }
    }
}

static void add_metadata(void *user, const char *name, const char *value)
{
    struct ps_s3_info *info = user;

    if (ps_s3_pairs_add(&info->metadata, name + strlen(info->meta_prefix), value, NULL) ==
        PS_E_NO_MEMORY) {
        info->failed = true;
    }
}

static bool read_metadata(struct ps_s3_info *info, const struct ps_http_answer *answer)
{
    ps_http_answer_each(answer, info->meta_prefix, add_metadata, info);
    if (info->failed || info->metadata.count == 0) {
        return !info->failed;
    }
    info->pairs = calloc(info->metadata.count, sizeof(*info->pairs));
    if (info->pairs == NULL) {
        return false;
    }
    for (size_t i = 0; i < info->metadata.count; i++) {
        info->pairs[i].name = info->metadata.items[i].name;
        info->pairs[i].value = info->metadata.items[i].value;
    }
    info->info.metadata = info->pairs;
    info->info.metadata_count = info->metadata.count;
    return true;
}

enum ps_code ps_s3_info_read(struct ps_s3_info *info, const struct ps_s3_dialect *dialect,
                             const struct ps_http_answer *answer, const char *key,
                             bool with_checksum, struct ps_err *err)
{
    struct ps_object_info *object = &info->info;
    uint64_t size_bytes = 0;

    memset(info, 0, sizeof(*info));
    info->meta_prefix = dialect->meta_prefix;
    if (ps_u64_parse(header_or(answer, "content-length", ""), &size_bytes)) {
        object->size_bytes = size_bytes;
    }
    object->key = key;
    if (!ps_http_date_parse_imf(header_or(answer, "last-modified", ""), &object->mtime_unix_ms)) {
        object->mtime_unix_ms = 0;
    }
    object->etag = header_or(answer, "etag", "");
    object->content_type = header_or(answer, "content-type", "");
    object->storage_class = header_or(answer, dialect->storage_class, "");
    object->version_id = header_or(answer, dialect->version_id, "");
    object->restore = header_or(answer, dialect->restore, "");
    object->composite = "";
    if (with_checksum) {
        read_checksum(object, answer);
    }
    if (!read_metadata(info, answer)) {
        ps_s3_info_clear(info);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return PS_OK;
}

void ps_s3_info_clear(struct ps_s3_info *info)
{
    ps_s3_pairs_clear(&info->metadata);
    free(info->pairs);
    memset(info, 0, sizeof(*info));
}

/* --- numbers --- */

static bool take_number(const char **at, char end, uint64_t *value_out)
{
    char text[24];
    size_t length = strspn(*at, "0123456789");

    if (length == 0 || length >= sizeof(text) || (*at)[length] != end) {
        return false;
    }
    memcpy(text, *at, length);
    text[length] = '\0';
    *at += length + (end != '\0' ? 1 : 0);
    return ps_u64_parse(text, value_out);
}

bool ps_s3_range_parse(const char *text, uint64_t *first_out, uint64_t *last_out,
                       uint64_t *total_out)
{
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t total = 0;

    if (strncasecmp(text, "bytes ", 6) != 0) {
        return false;
    }
    text += 6;
    if (!take_number(&text, '-', &first) || !take_number(&text, '/', &last) ||
        !take_number(&text, '\0', &total) || first > last || last >= total) {
        return false;
    }
    *first_out = first;
    *last_out = last;
    *total_out = total;
    return true;
}

/* --- XML of a known root --- */

struct rooted {
    const char *root;
    const struct ps_xml_handler *handler;
    void *user;
    bool has_root;
    bool is_error;
};

static enum ps_code on_begin(void *user, const char *path, struct ps_err *err)
{
    struct rooted *rooted = user;

    if (!rooted->has_root) {
        rooted->has_root = true;
        if (strcmp(path, rooted->root) != 0) {
            rooted->is_error = strcmp(path, "/Error") == 0;
            return ps_err_set(err, PS_E_PARSE, "the answer is %.40s and not %s", path + 1,
                              rooted->root + 1);
        }
    }
    return rooted->handler->begin != NULL ? rooted->handler->begin(rooted->user, path, err) : PS_OK;
}

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct rooted *rooted = user;

    return rooted->handler->end != NULL ? rooted->handler->end(rooted->user, path, text, err)
                                        : PS_OK;
}

enum ps_code ps_s3_xml_read(const struct ps_http_answer *answer, const char *root,
                            const struct ps_xml_handler *handler, void *user, struct ps_err *err)
{
    static const struct ps_xml_handler rooted_handler = { .begin = on_begin, .end = on_end };
    struct rooted rooted = { .root = root, .handler = handler, .user = user };
    struct ps_s3_error error;
    size_t size_bytes = 0;
    const char *body = ps_http_answer_body(answer, &size_bytes);
    enum ps_code code;

    /* Complete and Copy: white space comes first, to keep the connection alive while the store works. It may stand
     * before the XML declaration, which XML forbids. */
    while (size_bytes > 0 && isspace((unsigned char)*body)) {
        body++;
        size_bytes--;
    }
    code = ps_xml_read(body, size_bytes, &rooted_handler, &rooted, err);
    if (rooted.is_error) {
        ps_s3_error_read(answer, &error);
        return ps_s3_error_fill(&error, ps_http_answer_status(answer), err);
    }
    return code == PS_E_PARSE ? ps_s3_error_parse(err) : code;
}
