#include "transfer/prefix_archive_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/** Keys asked for at once. Lower: more requests. Higher: memory, 1.1 KiB a key at most. */
#define PAGE_KEYS_MAX 250U

/**
 * What an entry costs in a zip's directory besides its name. Three times, as libarchive holds it to the end, and then it
 * comes in one piece, into a buffer that grows by doubling.
 */
#define ZIP_ENTRY_BYTES ((uint64_t)256)
#define ZIP_NAME_COPIES 3
/** Asked of reserve at a time. */
#define RESERVE_STEP_BYTES ((uint64_t)64 * 1024)

const char *ps_prefix_archive_name_of(const struct ps_prefix_archive *archive, const char *key)
{
    return key + strlen(archive->prefix);
}

void ps_prefix_archive_entries_clear(struct ps_prefix_archive *archive)
{
    for (size_t i = 0; i < archive->entry_count; i++) {
        free(archive->entries[i].key);
    }
    free(archive->entries);
    archive->entries = NULL;
    archive->entry_count = 0;
    archive->entry_index = 0;
}

/* What an extractor would put elsewhere, or not at all: such a key has no name in an archive. */
static bool is_safe(const char *name, bool zip)
{
    for (const char *at = name; *at != '\0';) {
        size_t length = strcspn(at, "/");

        if (length == 0 || (length == 1 && at[0] == '.') ||
            (length == 2 && at[0] == '.' && at[1] == '.')) {
            return false;
        }
        at += length + (at[length] == '/' ? 1 : 0);
    }
    for (const char *at = name; zip && *at != '\0'; at += ps_utf8_length(at)) {
        if (ps_utf8_length(at) == 0 || *at == '\\') {
            return false;
        }
    }
    return true;
}

static enum ps_code reserve(struct ps_prefix_archive *archive, const char *name, struct ps_err *err)
{
    archive->directory_bytes += archive->zip ? ZIP_NAME_COPIES * strlen(name) + ZIP_ENTRY_BYTES : 0;
    while (archive->reserved_bytes < archive->directory_bytes) {
        if (archive->reserve != NULL && !archive->reserve(archive->user, RESERVE_STEP_BYTES)) {
            return ps_err_set(err, PS_E_NO_MEMORY,
                              "a zip's directory needs more memory than there is: ask for a tar");
        }
        archive->reserved_bytes += RESERVE_STEP_BYTES;
    }
    return PS_OK;
}

static enum ps_code take_key(struct ps_prefix_archive *archive, const struct ps_object_info *info,
                             struct ps_err *err)
{
    struct ps_prefix_entry *entry = &archive->entries[archive->entry_count];
    const char *name = ps_prefix_archive_name_of(archive, info->key);
    enum ps_code code = PS_OK;

    if (name[0] == '\0') {
        return PS_OK; /* the marker of the prefix itself */
    }
    if (!is_safe(name, archive->zip) || (ps_str_has_suffix(name, "/") && info->size_bytes > 0)) {
        return ps_err_set(err, PS_E_INVALID, "%.150s: this key cannot be a name in an archive",
                          name);
    }
    if (archive->may_add != NULL && !archive->may_add(archive->user, info, err)) {
        return err->code;
    }
    code = reserve(archive, name, err);
    entry->key = ps_strdup(info->key);
    entry->size_bytes = info->size_bytes;
    entry->mtime_unix_ms = info->mtime_unix_ms;
    if (entry->key == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    archive->entry_count++;
    archive->any = true;
    return code;
}

static enum ps_code take_page(struct ps_prefix_archive *archive,
                              const struct ps_object_info *objects, size_t count,
                              struct ps_err *err)
{
    enum ps_code code = PS_OK;

    ps_prefix_archive_entries_clear(archive);
    archive->entries = calloc(count + 1, sizeof(*archive->entries));
    if (archive->entries == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (count > 0) {
        free(archive->last_key);
        archive->last_key = ps_strdup(objects[count - 1].key);
        code = archive->last_key != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count && code == PS_OK; i++) {
        if (ps_str_has_prefix(objects[i].key, archive->prefix)) {
            code = take_key(archive, &objects[i], err);
        }
    }
    if (code == PS_OK && !archive->any && !archive->more) {
        code = ps_err_set(err, PS_E_NOT_FOUND, "nothing lies below it");
    }
    return code;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_prefix_archive *archive = user;
    struct ps_err own;

    if (err != NULL || !more) {
        archive->op = NULL; /* it ends by itself */
    }
    if (archive->state != PS_PREFIX_STATE_LISTING) {
        return;
    }
    if (err != NULL) {
        ps_prefix_archive_fail(archive, err);
        return;
    }
    if (more && count == 0) {
        return; /* of keys that were deleted, say: the next page comes by itself */
    }
    /* The next page would come by itself, wanted or not: it is asked for when this one is used up. */
    ps_prefix_archive_cancel_op(archive);
    archive->more = more;
    if (take_page(archive, objects, count, &own) != PS_OK) {
        ps_prefix_archive_fail(archive, &own);
        return;
    }
    archive->state = PS_PREFIX_STATE_BETWEEN;
    ps_prefix_archive_step(archive);
}

enum ps_code ps_prefix_archive_list(struct ps_prefix_archive *archive, struct ps_err *err)
{
    const struct ps_list_request request = {
        .prefix = archive->prefix,
        .start_after = archive->last_key,
        .page_size = PAGE_KEYS_MAX,
    };

    archive->state = PS_PREFIX_STATE_LISTING;
    archive->op = ps_store_list(archive->store, &request, on_page, archive, err);
    return archive->op != NULL ? PS_OK : err->code;
}
