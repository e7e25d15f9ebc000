#include "transfer/upload_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static void run_note(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    job->code = ps_checkpoint_parts_done(upload->state_db, upload->record.number,
                                         upload->note_batch, upload->note_batch_count, &job->err);
}

static void on_noted(struct ps_job *job)
{
    struct ps_upload *upload = job->user;

    upload->noting = false;
    if (job->code != PS_OK) {
        upload->note_count =
            0; /* nothing more can be made durable: those parts are verified next time */
        ps_upload_fail(upload, &job->err);
    }
    if (ps_upload_is_ending(upload)) {
        ps_upload_try_end(upload);
    } else {
        ps_upload_note_flush(upload);
        ps_upload_parts_step(upload);
    }
}

void ps_upload_note_flush(struct ps_upload *upload)
{
    size_t count =
        upload->note_count < PS_UPLOAD_NOTES_MAX ? upload->note_count : PS_UPLOAD_NOTES_MAX;

    if (upload->noting || count == 0) {
        return;
    }
    memcpy(upload->note_batch, upload->notes, count * sizeof(*upload->notes));
    memmove(upload->notes, upload->notes + count,
            (upload->note_count - count) * sizeof(*upload->notes));
    upload->note_count -= count;
    upload->note_batch_count = count;
    upload->noting = true;
    ps_job_start(&upload->note_job, upload->loop, upload, run_note, on_noted);
}

bool ps_upload_note(struct ps_upload *upload, uint32_t part_index)
{
    const struct part *part = &upload->parts[part_index];
    struct ps_part_record *record;

    if (upload->note_count == upload->note_capacity) {
        size_t capacity = upload->note_capacity != 0 ? upload->note_capacity * 2 : 16;
        struct ps_part_record *notes = realloc(upload->notes, capacity * sizeof(*notes));

        if (notes == NULL) {
            return false;
        }
        upload->notes = notes;
        upload->note_capacity = capacity;
    }
    record = &upload->notes[upload->note_count++];
    memset(record, 0, sizeof(*record));
    record->part_number = part_index + 1;
    record->size_bytes = part->size_bytes;
    memcpy(record->checksum, part->checksum.bytes, sizeof(record->checksum));
    ps_str_copy(record->etag, sizeof(record->etag), part->etag);
    ps_upload_note_flush(upload);
    return true;
}
