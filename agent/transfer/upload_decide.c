#include "transfer/upload_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void ps_upload_object_facts(const struct ps_upload *upload, struct ps_object_facts *facts)
{
    const char *slash = strrchr(upload->key, '/');

    memset(facts, 0, sizeof(*facts));
    facts->url = upload->url;
    facts->store = upload->store_name;
    facts->bucket = upload->bucket;
    facts->key = upload->key;
    facts->name = slash != NULL ? slash + 1 : upload->key;
    facts->path = upload->source_path;
    facts->has_size = upload->file != NULL;
    if (upload->file != NULL) {
        const struct ps_file_identity *identity = ps_file_reader_identity(upload->file);

        facts->size_bytes = identity->size_bytes;
        facts->mtime_unix_s = identity->mtime_ns / 1000000000;
    }
    facts->sent_bytes = upload->stream_next_offset_bytes;
}

static void report_decision(struct ps_upload *upload, const char *field, const char *value,
                            const struct ps_origin *origin)
{
    const struct ps_transfer_event event = {
        .kind = PS_TRANSFER_DECIDED,
        .text = origin->reason,
        .field = field,
        .value = value,
        .origin = origin,
    };

    ps_log(upload->log, PS_LOG_DEBUG, "policy", "%s = %s: %s (%s%s%s)", field, value,
           origin->reason, origin->policy, origin->where[0] != '\0' ? ", " : "", origin->where);
    if (upload->on_event != NULL) {
        upload->on_event(upload->user, &event);
    }
}

static void report_upload_decision(struct ps_upload *upload)
{
    const struct ps_upload_decision *decision = &upload->decision;
    char text[32];

    if ((decision->set & PS_UPLOAD_FIELD_THRESHOLD) != 0) {
        (void)snprintf(text, sizeof(text), "%" PRIu64, decision->threshold_bytes);
        report_decision(upload, "threshold", text, &decision->origins[0]);
    }
    if ((decision->set & PS_UPLOAD_FIELD_CONCURRENCY) != 0) {
        (void)snprintf(text, sizeof(text), "%" PRIu32, decision->concurrency);
        report_decision(upload, "concurrency", text, &decision->origins[1]);
    }
    if ((decision->set & PS_UPLOAD_FIELD_CHECKSUM) != 0) {
        report_decision(upload, "checksum", decision->checksum, &decision->origins[2]);
    }
    if ((decision->set & PS_UPLOAD_FIELD_STORAGE_CLASS) != 0) {
        report_decision(upload, "storage_class", decision->storage_class, &decision->origins[3]);
    }
    if ((decision->set & PS_UPLOAD_FIELD_TAGS) != 0) {
        (void)snprintf(text, sizeof(text), "%zu entries", decision->tags.count);
        report_decision(upload, "tags", text, &decision->origins[4]);
    }
    if ((decision->set & PS_UPLOAD_FIELD_METADATA) != 0) {
        (void)snprintf(text, sizeof(text), "%zu entries", decision->metadata.count);
        report_decision(upload, "metadata", text, &decision->origins[5]);
    }
    if ((decision->set & PS_UPLOAD_FIELD_SKIP) != 0) {
        report_decision(upload, "skip", decision->skip ? "true" : "false", &decision->origins[6]);
    }
}

static uint64_t decide_part_size(struct ps_upload *upload)
{
    struct ps_object_facts facts;
    struct ps_part_size_decision decision;
    char text[24];

    if (upload->wishes.part_size_bytes != 0) {
        return upload->wishes.part_size_bytes;
    }
    ps_upload_object_facts(upload, &facts);
    upload->decider->part_size(upload->decider->user, &facts,
                               ps_clock_unix_ms(upload->clock) / 1000, &decision);
    if (upload->file != NULL) {
        (void)snprintf(text, sizeof(text), "%" PRIu64, decision.bytes);
        report_decision(upload, "part_size", text, &decision.origin);
    }
    return decision.bytes;
}

uint64_t ps_upload_stream_part_size(struct ps_upload *upload)
{
    const struct ps_store_capabilities *can = &upload->store->capabilities;
    uint64_t size_bytes = upload->record.part_size_bytes;

    /* Asked for every part, except where the store wants all parts alike. */
    if (size_bytes == 0 || !can->equal_parts_only) {
        size_bytes = decide_part_size(upload);
    }
    if (size_bytes < can->part_size_min_bytes) {
        size_bytes = can->part_size_min_bytes;
    }
    return size_bytes < can->part_size_max_bytes ? size_bytes : can->part_size_max_bytes;
}

static enum ps_code choose_algorithm(struct ps_upload *upload, struct ps_err *err)
{
    const struct ps_store_capabilities *can = &upload->store->capabilities;
    enum ps_checksum_algorithm algorithm = can->checksum_default;
    bool fixed = upload->wishes.checksum != PS_CHECKSUM_NONE;

    if (fixed) {
        algorithm = upload->wishes.checksum;
    } else if (strcmp(upload->decision.checksum, "auto") != 0 &&
               !ps_checksum_parse_name(upload->decision.checksum, &algorithm)) {
        algorithm = can->checksum_default;
    }
    if ((can->checksum_set & (1U << algorithm)) == 0) {
        if (fixed) {
            return ps_err_set(err, PS_E_UNSUPPORTED, "%s: this store does not take %s checksums",
                              upload->url, ps_checksum_name(algorithm));
        }
        algorithm = can->checksum_default;
    }
    upload->algorithm = algorithm;
    return PS_OK;
}

/* A store that ignores the condition would overwrite what was to be kept. */
static enum ps_code check_create_only(const struct ps_upload *upload, struct ps_err *err)
{
    if (upload->wishes.create_only && !upload->store->capabilities.conditional_write) {
        return ps_err_set(err, PS_E_UNSUPPORTED,
                          "%s: this store cannot write only where nothing is", upload->url);
    }
    return PS_OK;
}

/* The user's entries first, then the policy's of other names. */
static size_t merge_pairs(struct ps_store_pair *into, size_t count, const struct ps_pairs *more)
{
    for (size_t i = 0; i < more->count && count < PS_PAIRS_MAX; i++) {
        bool known = false;

        for (size_t j = 0; j < count; j++) {
            known = known || strcmp(into[j].name, more->items[i].name) == 0;
        }
        if (!known) {
            into[count++] = (struct ps_store_pair){ more->items[i].name, more->items[i].value };
        }
    }
    return count;
}

static void fill_write_options(struct ps_upload *upload)
{
    struct ps_write_options *options = &upload->write_options;
    struct ps_store_pair *tags = upload->pairs + PS_PAIRS_MAX;

    options->checksum = upload->algorithm;
    options->storage_class = upload->wishes.storage_class != NULL ? upload->wishes.storage_class
                                                                  : upload->decision.storage_class;
    options->content_type = upload->wishes.content_type;
    options->create_only = upload->wishes.create_only;
    options->metadata = upload->pairs;
    options->metadata_count =
        merge_pairs(upload->pairs, upload->wishes.metadata_count, &upload->decision.metadata);
    options->tags = tags;
    options->tag_count = merge_pairs(tags, upload->wishes.tag_count, &upload->decision.tags);
}

enum ps_code ps_upload_decide(struct ps_upload *upload, struct ps_err *err)
{
    struct ps_object_facts facts;
    enum ps_code code;

    ps_upload_object_facts(upload, &facts);
    upload->decider->upload(upload->decider->user, &facts, ps_clock_unix_ms(upload->clock) / 1000,
                            &upload->decision);
    report_upload_decision(upload);
    if (upload->decision.skip) {
        return PS_OK;
    }
    code = choose_algorithm(upload, err);
    if (code == PS_OK) {
        code = check_create_only(upload, err);
    }
    if (code == PS_OK) {
        fill_write_options(upload);
    }
    return code;
}

static uint64_t threshold_of(const struct ps_upload *upload)
{
    uint64_t threshold_bytes = upload->wishes.threshold_bytes != 0
                                   ? upload->wishes.threshold_bytes
                                   : upload->decision.threshold_bytes;
    uint64_t most_bytes = upload->store->capabilities.single_put_max_bytes;

    return threshold_bytes < most_bytes ? threshold_bytes : most_bytes;
}

enum ps_code ps_upload_plan_file(struct ps_upload *upload, bool *single_out, struct ps_err *err)
{
    const struct ps_store_capabilities *can = &upload->store->capabilities;
    struct ps_part_limits limits = { can->part_size_min_bytes, can->part_size_max_bytes,
                                     can->part_count_max };
    uint64_t size_bytes = ps_file_reader_identity(upload->file)->size_bytes;
    uint64_t part_size_bytes;

    *single_out = size_bytes < threshold_of(upload) || size_bytes == 0;
    if (*single_out) {
        limits = (struct ps_part_limits){ 1, UINT64_MAX, 1 };
        part_size_bytes = size_bytes != 0 ? size_bytes : 1;
    } else {
        part_size_bytes = decide_part_size(upload);
    }
    return ps_part_plan_init(&upload->plan, size_bytes, part_size_bytes, &limits, err);
}

uint32_t ps_upload_concurrency(const struct ps_upload *upload)
{
    uint32_t concurrency =
        upload->wishes.concurrency != 0 ? upload->wishes.concurrency : upload->decision.concurrency;

    if (concurrency < 1) {
        return 1;
    }
    return concurrency < 64 ? concurrency : 64;
}
