#include "cli/wishes.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* "name=value": the name is copied, the value borrowed from argv. */
static bool split_pairs(struct ps_wishes *wishes, const char *const *texts, size_t count,
                        struct ps_store_pair *pairs)
{
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(texts[i], '=');
        char *name = ps_strndup(texts[i], (size_t)(equals - texts[i]));

        if (name == NULL) {
            return false;
        }
        wishes->names[wishes->name_count++] = name;
        pairs[i] = (struct ps_store_pair){ name, equals + 1 };
    }
    return true;
}

static enum ps_code read_numbers(struct ps_upload_wishes *upload, const struct ps_options *options,
                                 struct ps_err *err)
{
    enum ps_code code = ps_options_size(options, PS_OPT_PART_SIZE, &upload->part_size_bytes, err);

    if (code == PS_OK) {
        code = ps_options_size(options, PS_OPT_THRESHOLD, &upload->threshold_bytes, err);
    }
    if (code == PS_OK) {
        code = ps_options_number(options, PS_OPT_CONCURRENCY, &upload->concurrency, err);
    }
    if (code == PS_OK && options->values[PS_OPT_CHECKSUM] != NULL &&
        !ps_checksum_parse_name(options->values[PS_OPT_CHECKSUM], &upload->checksum)) {
        code = ps_err_set(err, PS_E_INVALID,
                          "--checksum %s: it is one of crc64nvme crc32c crc32 sha256 md5",
                          options->values[PS_OPT_CHECKSUM]);
    }
    return code;
}

enum ps_code ps_wishes_read(struct ps_wishes *wishes, const struct ps_app *app, struct ps_err *err)
{
    const struct ps_options *options = &app->options;
    struct ps_upload_wishes *upload = &wishes->upload;
    enum ps_code code;

    upload->concurrency = app->settings.transfer_concurrency;
    code = read_numbers(upload, options, err);
    upload->storage_class = options->values[PS_OPT_STORAGE_CLASS];
    upload->content_type = options->values[PS_OPT_CONTENT_TYPE];
    upload->create_only = ps_options_has(options, PS_OPT_CREATE_ONLY);
    upload->restart = ps_options_has(options, PS_OPT_RESTART);
    upload->sign_payload = ps_options_has(options, PS_OPT_SIGN_PAYLOAD);
    upload->metadata = wishes->metadata;
    upload->metadata_count = options->meta_count;
    upload->tags = wishes->tags;
    upload->tag_count = options->tag_count;
    if (code == PS_OK &&
        (!split_pairs(wishes, options->meta, options->meta_count, wishes->metadata) ||
         !split_pairs(wishes, options->tags, options->tag_count, wishes->tags))) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return code;
}

void ps_wishes_clear(struct ps_wishes *wishes)
{
    for (size_t i = 0; i < wishes->name_count; i++) {
        free(wishes->names[i]);
    }
    memset(wishes, 0, sizeof(*wishes));
}
