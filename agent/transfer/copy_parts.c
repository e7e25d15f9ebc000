#include "transfer/copy_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static void copy_next(struct ps_copy *copy);

void ps_copy_parts_clear(struct ps_copy *copy)
{
    for (uint32_t i = 0; copy->parts != NULL && i < copy->plan.part_count; i++) {
        free((char *)(uintptr_t)copy->parts[i].etag);
    }
    free(copy->parts);
    copy->parts = NULL;
    ps_upload_record_clear(&copy->record);
}

void ps_copy_forget_parts(struct ps_copy *copy)
{
    for (uint32_t i = 0; i < copy->plan.part_count; i++) {
        free((char *)(uintptr_t)copy->parts[i].etag);
    }
    memset(copy->parts, 0, copy->plan.part_count * sizeof(*copy->parts));
    copy->done_count = 0;
    copy->done_bytes = 0;
}

/* --- complete --- */

static void on_complete(void *user, const char *etag, const struct ps_checksum *checksum,
                        const struct ps_err *err)
{
    struct ps_copy *copy = user;

    (void)etag;
    copy->op = NULL;
    if (err != NULL && err->code != PS_E_UNKNOWN_OUTCOME) {
        ps_copy_fail_with_record(copy, err);
        return;
    }
    copy->outcome_unknown = err != NULL;
    if (err == NULL) {
        copy->checksum = *checksum;
    }
    ps_copy_check(copy);
}

static bool all_parts_have_checksums(const struct ps_copy *copy)
{
    for (uint32_t i = 0; i < copy->plan.part_count; i++) {
        if (copy->parts[i].checksum.algorithm == PS_CHECKSUM_NONE) {
            return false;
        }
    }
    return true;
}

static void complete(struct ps_copy *copy)
{
    struct ps_complete_request request = {
        .key = copy->options.key,
        .upload_id = copy->record.upload_id,
        .parts = copy->parts,
        .part_count = copy->plan.part_count,
        .size_bytes = copy->source.size_bytes,
        .options = copy->options.write,
    };
    struct ps_err err;

    ps_copy_set_state(copy, PS_COPY_COMPLETING);
    ps_source_object_complete(&copy->source, &request.options);
    /* What the source has is what the store must have put together; it checks that itself. */
    if (all_parts_have_checksums(copy) &&
        copy->source.checksum.algorithm == copy->options.write.checksum &&
        ps_checksum_can_combine(copy->source.checksum.algorithm)) {
        request.checksum = copy->source.checksum;
    }
    copy->op = ps_store_complete(copy->options.store, &request, on_complete, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}

/* --- parts --- */

/* The first part goes alone: it shows whether the store can copy into an upload with checksums. */
static bool is_trial(const struct ps_copy *copy)
{
    return copy->options.write.checksum != PS_CHECKSUM_NONE && copy->done_count == 0;
}

bool ps_copy_is_of_whole(const struct ps_copy *copy, const struct ps_checksum *checksum)
{
    return copy->plan.part_count > 1 && checksum->algorithm != PS_CHECKSUM_NONE &&
           ps_checksum_equal(checksum, &copy->source.checksum);
}

bool ps_copy_keep_part(struct ps_copy *copy, uint32_t index, const char *etag,
                       const struct ps_checksum *checksum)
{
    struct ps_part_info *part = &copy->parts[index];

    part->part_number = index + 1;
    part->size_bytes = ps_part_plan_size(&copy->plan, index);
    part->checksum = *checksum;
    part->etag = ps_strdup(etag);
    if (part->etag == NULL) {
        return false;
    }
    copy->done_count++;
    copy->done_bytes += part->size_bytes;
    return true;
}

static void on_part(void *user, const char *etag, const struct ps_checksum *checksum,
                    const struct ps_err *err)
{
    struct ps_copy_slot *slot = user;
    struct ps_copy *copy = slot->copy;
    struct ps_err failure;

    slot->op = NULL;
    copy->busy_count--;
    /* MinIO refuses to copy a part into an upload with checksums ("InvalidArgument"). */
    if (is_trial(copy) &&
        (err != NULL ? err->code == PS_E_INVALID : ps_copy_is_of_whole(copy, checksum))) {
        ps_copy_begin_without_checksums(copy);
        return;
    }
    if (err != NULL) {
        ps_copy_fail_with_record(copy, err);
        return;
    }
    if (!ps_copy_keep_part(copy, slot->part_index, etag, checksum)) {
        (void)ps_err_set(&failure, PS_E_NO_MEMORY, "out of memory");
        ps_copy_fail(copy, &failure);
        return;
    }
    copy_next(copy);
}

static enum ps_code start_part(struct ps_copy *copy, struct ps_copy_slot *slot, uint32_t index,
                               struct ps_err *err)
{
    const struct ps_copy_request request = {
        .from_bucket = copy->options.from_bucket,
        .from_key = copy->options.from_key,
        .from_if_match = copy->source.etag,
        .key = copy->options.key,
        .options = { .checksum = copy->options.write.checksum },
        .upload_id = copy->record.upload_id,
        .part_number = index + 1,
        .offset_bytes = ps_part_plan_offset(&copy->plan, index),
        .length_bytes = ps_part_plan_size(&copy->plan, index),
    };

    slot->copy = copy;
    slot->part_index = index;
    slot->op = ps_store_copy(copy->options.store, &request, on_part, slot, err);
    if (slot->op == NULL) {
        return err->code;
    }
    copy->busy_count++;
    return PS_OK;
}

static struct ps_copy_slot *free_slot(struct ps_copy *copy)
{
    uint32_t count = is_trial(copy) ? 1 : copy->options.concurrency;

    for (uint32_t i = 0; i < count; i++) {
        if (copy->slots[i].op == NULL) {
            return &copy->slots[i];
        }
    }
    return NULL;
}

static void copy_next(struct ps_copy *copy)
{
    struct ps_copy_slot *slot = free_slot(copy);
    struct ps_err err;

    while (slot != NULL && copy->next_index < copy->plan.part_count) {
        uint32_t index = copy->next_index++;

        if (copy->parts[index].etag != NULL) {
            continue; /* of an earlier run */
        }
        if (start_part(copy, slot, index, &err) != PS_OK) {
            ps_copy_fail_with_record(copy, &err);
            return;
        }
        slot = free_slot(copy);
    }
    if (copy->done_count == copy->plan.part_count) {
        complete(copy);
    }
}

void ps_copy_send_parts(struct ps_copy *copy)
{
    ps_copy_set_state(copy, PS_COPY_COPYING);
    copy->next_index = 0;
    copy_next(copy);
}

/* --- tags: UploadPartCopy carries none --- */

static void on_tags(void *user, const struct ps_store_pair *tags, size_t count,
                    const struct ps_err *err)
{
    struct ps_copy *copy = user;
    struct ps_err failure;

    copy->op = NULL;
    if (err != NULL && err->code != PS_E_DENIED && err->code != PS_E_UNSUPPORTED) {
        ps_copy_fail(copy, err);
        return;
    }
    if (err != NULL) {
        ps_copy_tell(copy, PS_TRANSFER_NOTICE,
                     "the tags of the source cannot be read: the copy has none");
    } else if (ps_source_object_take_tags(&copy->source, tags, count, &failure) != PS_OK) {
        ps_copy_fail(copy, &failure);
        return;
    }
    ps_copy_claim(copy);
}

void ps_copy_in_parts(struct ps_copy *copy)
{
    const struct ps_store_capabilities *can = &copy->options.store->capabilities;
    const struct ps_part_limits limits = {
        .part_size_min_bytes = can->part_size_min_bytes,
        .part_size_max_bytes = can->part_size_max_bytes,
        .part_count_max = can->part_count_max,
    };
    uint64_t wanted_bytes = copy->options.part_size_bytes != 0 ? copy->options.part_size_bytes
                                                               : PS_COPY_PART_SIZE_BYTES;
    struct ps_err err;

    if (ps_part_plan_init(&copy->plan, copy->source.size_bytes, wanted_bytes, &limits, &err) !=
        PS_OK) {
        ps_copy_fail(copy, &err);
        return;
    }
    if (!can->part_copy_checksums) {
        copy->options.write.checksum = PS_CHECKSUM_NONE;
    }
    copy->parts = calloc(copy->plan.part_count, sizeof(*copy->parts));
    if (copy->parts == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_copy_fail(copy, &err);
        return;
    }
    if (copy->options.write.tag_count != 0 || !copy->options.from->capabilities.tags) {
        ps_copy_claim(copy);
        return;
    }
    ps_copy_set_state(copy, PS_COPY_TAGS);
    copy->op = ps_store_get_tags(copy->options.from, copy->options.from_key, on_tags, copy, &err);
    if (copy->op == NULL) {
        ps_copy_fail(copy, &err);
    }
}
