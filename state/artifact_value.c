#include "state/artifact_value.h"

#include "state/field.h"

#include <string.h>

/* A size that is not known. No object is that large. */
#define NO_SIZE UINT64_MAX

const char *ps_gc_strategy_name(enum ps_gc_strategy strategy)
{
    switch (strategy) {
    case PS_GC_UNSET:
        return "";
    case PS_GC_NEVER:
        return "Never";
    case PS_GC_ON_COMPLETION:
        return "OnWorkflowCompletion";
    case PS_GC_ON_DELETION:
        return "OnWorkflowDeletion";
    }
    return "";
}

bool ps_gc_strategy_parse(const char *name, enum ps_gc_strategy *strategy_out)
{
    for (int i = PS_GC_UNSET; i <= PS_GC_ON_DELETION; i++) {
        if (strcmp(name, ps_gc_strategy_name((enum ps_gc_strategy)i)) == 0) {
            *strategy_out = (enum ps_gc_strategy)i;
            return true;
        }
    }
    return false;
}

const char *ps_reclaim_event_name(enum ps_reclaim_event event)
{
    switch (event) {
    case PS_EVENT_AGE:
        return "age";
    case PS_EVENT_COMPLETED:
        return "completed";
    case PS_EVENT_DELETED:
        return "deleted";
    case PS_EVENT_CLEARED:
        return "cleared";
    }
    return "unknown";
}

static void write_labels(struct ps_field_writer *writer, const struct ps_labels *labels)
{
    ps_field_write_number(writer, labels->count, 1);
    for (size_t i = 0; i < labels->count; i++) {
        ps_field_write_text(writer, labels->items[i].name);
        ps_field_write_text(writer, labels->items[i].value);
    }
}

static void read_labels(struct ps_field_reader *reader, struct ps_labels *labels)
{
    labels->count = (size_t)ps_field_read_number(reader, 1);
    if (labels->count > PS_LABELS_MAX) {
        reader->failed = true;
        labels->count = 0;
    }
    for (size_t i = 0; i < labels->count; i++) {
        labels->items[i].name = ps_field_read_text(reader);
        labels->items[i].value = ps_field_read_text(reader);
    }
}

static enum ps_gc_strategy read_strategy(struct ps_field_reader *reader)
{
    uint64_t number = ps_field_read_number(reader, 1);

    if (number > PS_GC_ON_DELETION) {
        reader->failed = true;
        number = 0;
    }
    return (enum ps_gc_strategy)number;
}

/* The bytes behind the checksum are 0 and are left out. */
static size_t checksum_length(const uint8_t *checksum)
{
    size_t length = 32;

    while (length > 0 && checksum[length - 1] == 0) {
        length--;
    }
    return length;
}

enum ps_code ps_artifact_encode(const struct ps_artifact *artifact, struct ps_buf *buf,
                                struct ps_err *err)
{
    struct ps_field_writer writer = ps_field_writer_begin(buf, err);
    size_t checksum_size = checksum_length(artifact->checksum);

    ps_field_write_text(&writer, artifact->url);
    ps_field_write_number(&writer, artifact->workflow_number, 8);
    ps_field_write_number(&writer, artifact->has_size ? artifact->size_bytes : NO_SIZE, 8);
    ps_field_write_number(&writer, artifact->checksum_algorithm, 1);
    ps_field_write_number(&writer, checksum_size, 1);
    ps_field_write_bytes(&writer, artifact->checksum, checksum_size);
    ps_field_write_text(&writer, artifact->etag);
    ps_field_write_text(&writer, artifact->storage_class);
    ps_field_write_text(&writer, artifact->node_id);
    ps_field_write_text(&writer, artifact->node_status);
    ps_field_write_text(&writer, artifact->name);
    ps_field_write_number(&writer, artifact->strategy, 1);
    ps_field_write_time(&writer, artifact->created_unix_s);
    ps_field_write_time(&writer, artifact->recorded_unix_s);
    write_labels(&writer, &artifact->labels);
    return writer.code;
}

static void read_checksum(struct ps_field_reader *reader, struct ps_artifact *artifact)
{
    size_t size_bytes;
    const void *bytes;

    artifact->checksum_algorithm = (uint8_t)ps_field_read_number(reader, 1);
    size_bytes = (size_t)ps_field_read_number(reader, 1);
    bytes =
        size_bytes <= sizeof(artifact->checksum) ? ps_field_read_bytes(reader, size_bytes) : NULL;
    memset(artifact->checksum, 0, sizeof(artifact->checksum));
    if (bytes == NULL) {
        reader->failed = true;
    } else {
        memcpy(artifact->checksum, bytes, size_bytes);
    }
}

enum ps_code ps_artifact_decode(const void *value, size_t size_bytes,
                                struct ps_artifact *artifact_out, struct ps_err *err)
{
    struct ps_field_reader reader;
    enum ps_code code = ps_field_reader_begin(&reader, value, size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    artifact_out->number = 0;
    artifact_out->url = ps_field_read_text(&reader);
    artifact_out->workflow_number = ps_field_read_number(&reader, 8);
    artifact_out->size_bytes = ps_field_read_number(&reader, 8);
    artifact_out->has_size = artifact_out->size_bytes != NO_SIZE;
    read_checksum(&reader, artifact_out);
    artifact_out->etag = ps_field_read_text(&reader);
    artifact_out->storage_class = ps_field_read_text(&reader);
    artifact_out->node_id = ps_field_read_text(&reader);
    artifact_out->node_status = ps_field_read_text(&reader);
    artifact_out->name = ps_field_read_text(&reader);
    artifact_out->strategy = read_strategy(&reader);
    artifact_out->created_unix_s = ps_field_read_time(&reader);
    artifact_out->recorded_unix_s = ps_field_read_time(&reader);
    read_labels(&reader, &artifact_out->labels);
    return ps_field_reader_end(&reader, "artifact", err);
}

enum ps_code ps_workflow_encode(const struct ps_workflow *workflow, struct ps_buf *buf,
                                struct ps_err *err)
{
    struct ps_field_writer writer = ps_field_writer_begin(buf, err);

    ps_field_write_text(&writer, workflow->ns);
    ps_field_write_text(&writer, workflow->name);
    ps_field_write_text(&writer, workflow->uid);
    ps_field_write_text(&writer, workflow->template_name);
    ps_field_write_text(&writer, workflow->status);
    ps_field_write_number(&writer, workflow->strategy, 1);
    ps_field_write_time(&writer, workflow->created_unix_s);
    ps_field_write_time(&writer, workflow->finished_unix_s);
    ps_field_write_time(&writer, workflow->deleted_unix_s);
    ps_field_write_time(&writer, workflow->cleared_unix_s);
    write_labels(&writer, &workflow->labels);
    write_labels(&writer, &workflow->annotations);
    return writer.code;
}

enum ps_code ps_workflow_decode(const void *value, size_t size_bytes,
                                struct ps_workflow *workflow_out, struct ps_err *err)
{
    struct ps_field_reader reader;
    enum ps_code code = ps_field_reader_begin(&reader, value, size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    workflow_out->number = 0;
    workflow_out->ns = ps_field_read_text(&reader);
    workflow_out->name = ps_field_read_text(&reader);
    workflow_out->uid = ps_field_read_text(&reader);
    workflow_out->template_name = ps_field_read_text(&reader);
    workflow_out->status = ps_field_read_text(&reader);
    workflow_out->strategy = read_strategy(&reader);
    workflow_out->created_unix_s = ps_field_read_time(&reader);
    workflow_out->finished_unix_s = ps_field_read_time(&reader);
    workflow_out->deleted_unix_s = ps_field_read_time(&reader);
    workflow_out->cleared_unix_s = ps_field_read_time(&reader);
    read_labels(&reader, &workflow_out->labels);
    read_labels(&reader, &workflow_out->annotations);
    return ps_field_reader_end(&reader, "workflow", err);
}
