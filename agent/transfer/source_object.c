#include "transfer/source_object.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static enum ps_code no_memory(struct ps_err *err)
{
    return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static void clear_pairs(struct ps_store_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)pairs[i].name);
        free((char *)(uintptr_t)pairs[i].value);
    }
}

static enum ps_code copy_pairs(struct ps_store_pair *into, size_t *count_out,
                               const struct ps_store_pair *pairs, size_t count, struct ps_err *err)
{
    if (count > PS_SOURCE_PAIRS_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "more than %d entries of metadata or tags",
                          PS_SOURCE_PAIRS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        into[i].name = ps_strdup(pairs[i].name);
        into[i].value = ps_strdup(pairs[i].value);
        *count_out = i + 1;
        if (into[i].name == NULL || into[i].value == NULL) {
            return no_memory(err);
        }
    }
    return PS_OK;
}

enum ps_code ps_source_object_take(struct ps_source_object *source,
                                   const struct ps_object_info *info, struct ps_err *err)
{
    source->size_bytes = info->size_bytes;
    source->checksum = info->checksum;
    source->etag = ps_strdup(info->etag);
    source->content_type = info->content_type != NULL && info->content_type[0] != '\0'
                               ? ps_strdup(info->content_type)
                               : NULL;
    if (source->etag == NULL) {
        return no_memory(err);
    }
    return copy_pairs(source->metadata, &source->metadata_count, info->metadata,
                      info->metadata_count, err);
}

enum ps_code ps_source_object_take_tags(struct ps_source_object *source,
                                        const struct ps_store_pair *tags, size_t count,
                                        struct ps_err *err)
{
    source->has_tags = true;
    return copy_pairs(source->tags, &source->tag_count, tags, count, err);
}

void ps_source_object_clear(struct ps_source_object *source)
{
    clear_pairs(source->metadata, source->metadata_count);
    clear_pairs(source->tags, source->tag_count);
    free(source->etag);
    free(source->content_type);
    memset(source, 0, sizeof(*source));
}

void ps_source_object_complete(const struct ps_source_object *source,
                               struct ps_write_options *write)
{
    if (write->metadata_count == 0) {
        write->metadata = source->metadata;
        write->metadata_count = source->metadata_count;
    }
    if (write->content_type == NULL) {
        write->content_type = source->content_type;
    }
    if (write->tag_count == 0) {
        write->tags = source->tags;
        write->tag_count = source->tag_count;
    }
}

enum ps_code ps_write_options_keep(struct ps_write_options *write, struct ps_source_object *kept,
                                   char **class_out, struct ps_err *err)
{
    const struct ps_write_options given = *write;
    enum ps_code code = copy_pairs(kept->metadata, &kept->metadata_count, given.metadata,
                                   given.metadata_count, err);

    if (code == PS_OK) {
        code = copy_pairs(kept->tags, &kept->tag_count, given.tags, given.tag_count, err);
    }
    kept->content_type = ps_strdup(given.content_type);
    *class_out = ps_strdup(given.storage_class);
    if (code == PS_OK && ((given.content_type != NULL && kept->content_type == NULL) ||
                          (given.storage_class != NULL && *class_out == NULL))) {
        code = no_memory(err);
    }
    write->metadata = kept->metadata;
    write->tags = kept->tags;
    write->content_type = kept->content_type;
    write->storage_class = *class_out;
    return code;
}
