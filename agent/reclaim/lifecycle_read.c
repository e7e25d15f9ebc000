#include "reclaim/lifecycle.h"

#include "base/str.h"
#include "base/xml_read.h"

#include <stdlib.h>
#include <string.h>

#define ROOT "/LifecycleConfiguration"
#define RULE ROOT "/Rule"

/** Largest configuration: 1,000 rules of a prefix of 1,024 bytes and ten tags. */
#define CONFIG_SIZE_MAX ((size_t)8 * 1024 * 1024)

enum field {
    FIELD_CONTAINER,
    FIELD_ID,
    FIELD_STATUS,
    FIELD_PREFIX,
    FIELD_TAG_NAME,
    FIELD_TAG_VALUE,
    FIELD_EXPIRE,
    FIELD_ARCHIVE_DAYS,
    FIELD_ARCHIVE_CLASS,
    FIELD_ABORT,
    FIELD_NONCURRENT,
    FIELD_UNKNOWN,
};

static enum field field_of(const char *path)
{
    static const struct {
        const char *path;
        enum field field;
    } rows[] = {
        { "/ID", FIELD_ID },
        { "/Status", FIELD_STATUS },
        { "/Prefix", FIELD_PREFIX },
        { "/Filter", FIELD_CONTAINER },
        { "/Filter/Prefix", FIELD_PREFIX },
        { "/Filter/And", FIELD_CONTAINER },
        { "/Filter/And/Prefix", FIELD_PREFIX },
        { "/Tag", FIELD_CONTAINER },
        { "/Tag/Key", FIELD_TAG_NAME },
        { "/Tag/Value", FIELD_TAG_VALUE },
        { "/Filter/Tag", FIELD_CONTAINER },
        { "/Filter/Tag/Key", FIELD_TAG_NAME },
        { "/Filter/Tag/Value", FIELD_TAG_VALUE },
        { "/Filter/And/Tag", FIELD_CONTAINER },
        { "/Filter/And/Tag/Key", FIELD_TAG_NAME },
        { "/Filter/And/Tag/Value", FIELD_TAG_VALUE },
        { "/Expiration", FIELD_CONTAINER },
        { "/Expiration/Days", FIELD_EXPIRE },
        { "/Transition", FIELD_CONTAINER },
        { "/Transition/Days", FIELD_ARCHIVE_DAYS },
        { "/Transition/StorageClass", FIELD_ARCHIVE_CLASS },
        { "/AbortIncompleteMultipartUpload", FIELD_CONTAINER },
        { "/AbortIncompleteMultipartUpload/DaysAfterInitiation", FIELD_ABORT },
        { "/AbortMultipartUpload", FIELD_CONTAINER },
        { "/AbortMultipartUpload/Days", FIELD_ABORT },
        { "/NoncurrentVersionExpiration", FIELD_CONTAINER },
        { "/NoncurrentVersionExpiration/NoncurrentDays", FIELD_NONCURRENT },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(path, rows[i].path) == 0) {
            return rows[i].field;
        }
    }
    return FIELD_UNKNOWN;
}

static void take_text(struct ps_lifecycle_entry *entry, char *into, size_t into_size_bytes,
                      const char *text)
{
    entry->has_more = entry->has_more || strlen(text) >= into_size_bytes;
    ps_str_copy(into, into_size_bytes, text);
}

static void take_days(struct ps_lifecycle_entry *entry, uint32_t *days, const char *text)
{
    uint64_t number = 0;

    if (!ps_u64_parse(text, &number) || number > INT32_MAX) {
        entry->has_more = true;
    } else {
        *days = (uint32_t)number;
    }
}

/* By name, as rows of policies are. */
static void take_tag_name(struct ps_lifecycle_entry *entry, const char *text)
{
    if (entry->rule.tag_count == PS_LIFECYCLE_TAGS_MAX) {
        entry->has_more = true;
        return;
    }
    take_text(entry, entry->rule.tags[entry->rule.tag_count].name, sizeof(entry->rule.tags[0].name),
              text);
    entry->rule.tags[entry->rule.tag_count].value[0] = '\0';
    entry->rule.tag_count++;
}

static void take_tag_value(struct ps_lifecycle_entry *entry, const char *text)
{
    struct ps_lifecycle_tag *tags = entry->rule.tags;
    struct ps_lifecycle_tag last;
    size_t at;

    if (entry->rule.tag_count == 0) { /* a value before its name: nobody writes that */
        entry->has_more = true;
        return;
    }
    at = entry->rule.tag_count - 1;
    take_text(entry, tags[at].value, sizeof(tags[at].value), text);
    last = tags[at];
    for (; at > 0 && strcmp(tags[at - 1].name, last.name) > 0; at--) {
        tags[at] = tags[at - 1];
    }
    tags[at] = last;
}

/* Each field but tags stands once in what purser writes: a second transition is more than a row can say. */
static void note_field(struct ps_lifecycle_entry *entry, enum field field)
{
    unsigned bit = 1U << (unsigned)field;
    bool may_repeat =
        field == FIELD_CONTAINER || field == FIELD_TAG_NAME || field == FIELD_TAG_VALUE;

    entry->has_more = entry->has_more || ((entry->field_count & bit) != 0 && !may_repeat);
    entry->field_count |= bit;
}

static void take_field(struct ps_lifecycle_entry *entry, enum field field, const char *text)
{
    struct ps_lifecycle_rule *rule = &entry->rule;

    note_field(entry, field);
    switch (field) {
    case FIELD_CONTAINER:
        break;
    case FIELD_ID:
        take_text(entry, rule->id, sizeof(rule->id), text);
        entry->own = ps_str_has_prefix(text, PS_LIFECYCLE_ID_PREFIX);
        break;
    case FIELD_STATUS:
        entry->enabled = strcmp(text, "Enabled") == 0;
        break;
    case FIELD_PREFIX:
        take_text(entry, rule->prefix, sizeof(rule->prefix), text);
        break;
    case FIELD_TAG_NAME:
        take_tag_name(entry, text);
        break;
    case FIELD_TAG_VALUE:
        take_tag_value(entry, text);
        break;
    case FIELD_EXPIRE:
        take_days(entry, &rule->expire_days, text);
        break;
    case FIELD_ARCHIVE_DAYS:
        take_days(entry, &rule->archive_days, text);
        break;
    case FIELD_ARCHIVE_CLASS:
        take_text(entry, rule->archive_class, sizeof(rule->archive_class), text);
        rule->archives = true;
        break;
    case FIELD_ABORT:
        take_days(entry, &rule->abort_days, text);
        break;
    case FIELD_NONCURRENT:
        take_days(entry, &rule->noncurrent_days, text);
        break;
    case FIELD_UNKNOWN:
        entry->has_more = true;
        break;
    }
}

/* --- the document --- */

static enum ps_code add_entry(struct ps_lifecycle_config *config, struct ps_err *err)
{
    if (config->count == PS_LIFECYCLE_RULES_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "more than %d lifecycle rules",
                          PS_LIFECYCLE_RULES_MAX);
    }
    if (config->count == config->capacity) {
        size_t capacity = config->capacity != 0 ? config->capacity * 2 : 8;
        struct ps_lifecycle_entry *entries = realloc(config->entries, capacity * sizeof(*entries));

        if (entries == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "lifecycle: out of memory");
        }
        config->entries = entries;
        config->capacity = capacity;
    }
    memset(&config->entries[config->count], 0, sizeof(config->entries[0]));
    config->count++;
    return PS_OK;
}

static enum ps_code on_begin(void *user, const char *path, struct ps_err *err)
{
    struct ps_lifecycle_config *config = user;

    if (strcmp(path, RULE) == 0) {
        return add_entry(config, err);
    }
    if (strchr(path + 1, '/') == NULL && strcmp(path, ROOT) != 0) {
        return ps_err_set(err, PS_E_PARSE, "no lifecycle configuration, but a <%s>", path + 1);
    }
    return PS_OK;
}

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct ps_lifecycle_config *config = user;

    (void)err;
    if (ps_str_has_prefix(path, RULE "/")) {
        take_field(&config->entries[config->count - 1], field_of(path + strlen(RULE)), text);
    }
    return PS_OK;
}

static enum ps_code on_span(void *user, const char *path, size_t begin, size_t past,
                            struct ps_err *err)
{
    struct ps_lifecycle_config *config = user;

    (void)err;
    if (strcmp(path, RULE) == 0) {
        config->entries[config->count - 1].begin = begin;
        config->entries[config->count - 1].past = past;
    } else if (strcmp(path, ROOT) == 0) {
        config->root_begin = begin;
        config->root_past = past;
    }
    return PS_OK;
}

enum ps_code ps_lifecycle_parse(struct ps_lifecycle_config *config, const char *text,
                                size_t size_bytes, struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .begin = on_begin,
                                                   .end = on_end,
                                                   .span = on_span };
    enum ps_code code;

    memset(config, 0, sizeof(*config));
    ps_buf_init(&config->text, CONFIG_SIZE_MAX);
    code = ps_buf_append(&config->text, text, size_bytes, err);
    if (code == PS_OK && size_bytes > 0) {
        code = ps_err_wrap(err, ps_xml_read(text, size_bytes, &handler, config, err),
                           "lifecycle configuration");
    }
    if (code != PS_OK) {
        ps_lifecycle_config_clear(config);
    }
    return code;
}

void ps_lifecycle_config_clear(struct ps_lifecycle_config *config)
{
    ps_buf_clear(&config->text);
    free(config->entries);
    memset(config, 0, sizeof(*config));
}
