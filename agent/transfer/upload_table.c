#include "transfer/upload_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTS_FIRST_CAPACITY = 64
};

struct part *ps_upload_part_at(struct ps_upload *upload, uint32_t part_index)
{
    if (part_index >= upload->part_capacity) {
        uint32_t capacity =
            upload->part_capacity != 0 ? upload->part_capacity : PARTS_FIRST_CAPACITY;
        struct part *parts;

        while (capacity <= part_index) {
            capacity *= 2;
        }
        parts = realloc(upload->parts, capacity * sizeof(*parts));
        if (parts == NULL) {
            return NULL;
        }
        memset(parts + upload->part_capacity, 0,
               (capacity - upload->part_capacity) * sizeof(*parts));
        upload->parts = parts;
        upload->part_capacity = capacity;
    }
    if (part_index >= upload->part_laid) {
        upload->part_laid = part_index + 1;
    }
    return &upload->parts[part_index];
}

enum ps_code ps_upload_parts_init(struct ps_upload *upload, struct ps_err *err)
{
    for (uint32_t i = 0; i < upload->plan.part_count; i++) {
        struct part *part = ps_upload_part_at(upload, i);

        if (part == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory for %" PRIu32 " parts",
                              upload->url, upload->plan.part_count);
        }
        part->offset_bytes = ps_part_plan_offset(&upload->plan, i);
        part->size_bytes = ps_part_plan_size(&upload->plan, i);
    }
    upload->part_count = upload->plan.part_count;
    return PS_OK;
}

void ps_upload_parts_clear(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->part_laid; i++) {
        free(upload->parts[i].etag);
    }
    free(upload->parts);
    upload->parts = NULL;
    upload->part_count = 0;
    upload->part_laid = 0;
    upload->part_capacity = 0;
    upload->next_part = 0;
}

void ps_upload_parts_reset(struct ps_upload *upload)
{
    for (uint32_t i = 0; i < upload->part_laid; i++) {
        struct part *part = &upload->parts[i];

        free(part->etag);
        part->etag = NULL;
        part->confirmed = false;
        part->check = CHECK_NONE;
        /* What a stream has read waits in its slot. */
        part->state = upload->file == NULL && i < upload->part_count ? PART_BUSY : PART_TODO;
        part->checksum = (struct ps_checksum){ .algorithm = PS_CHECKSUM_NONE };
    }
    upload->next_part = 0;
    upload->done_count = 0;
    upload->done_bytes = 0;
    upload->resumed_count = 0;
    upload->resumed_bytes = 0;
    upload->note_count = 0;
}
