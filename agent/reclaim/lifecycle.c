#include "reclaim/lifecycle.h"

#include "base/str.h"
#include "base/xml_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- rules of policies --- */

enum ps_code ps_lifecycle_rules_push(struct ps_lifecycle_rules *rules,
                                     const struct ps_lifecycle_rule *rule, struct ps_err *err)
{
    if (rules->count == PS_LIFECYCLE_RULES_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "more than %d lifecycle rules",
                          PS_LIFECYCLE_RULES_MAX);
    }
    if (rules->count == rules->capacity) {
        size_t capacity = rules->capacity != 0 ? rules->capacity * 2 : 8;
        struct ps_lifecycle_rule *items = realloc(rules->items, capacity * sizeof(*items));

        if (items == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "lifecycle: out of memory");
        }
        rules->items = items;
        rules->capacity = capacity;
    }
    rules->items[rules->count++] = *rule;
    return PS_OK;
}

void ps_lifecycle_rules_clear(struct ps_lifecycle_rules *rules)
{
    free(rules->items);
    memset(rules, 0, sizeof(*rules));
}

/* --- comparing --- */

static bool is_same_tags(const struct ps_lifecycle_rule *a, const struct ps_lifecycle_rule *b)
{
    if (a->tag_count != b->tag_count) {
        return false;
    }
    for (size_t i = 0; i < a->tag_count; i++) {
        if (strcmp(a->tags[i].name, b->tags[i].name) != 0 ||
            strcmp(a->tags[i].value, b->tags[i].value) != 0) {
            return false;
        }
    }
    return true;
}

/* Stores write a rule in their own words: what it says is compared. */
static bool is_same(const struct ps_lifecycle_entry *entry, const struct ps_lifecycle_rule *rule)
{
    const struct ps_lifecycle_rule *has = &entry->rule;

    return entry->enabled && !entry->has_more && strcmp(has->id, rule->id) == 0 &&
           strcmp(has->prefix, rule->prefix) == 0 && is_same_tags(has, rule) &&
           has->expire_days == rule->expire_days && has->archives == rule->archives &&
           has->archive_days == rule->archive_days &&
           strcmp(has->archive_class, rule->archive_class) == 0 &&
           has->abort_days == rule->abort_days && has->noncurrent_days == rule->noncurrent_days;
}

static const struct ps_lifecycle_entry *find_own(const struct ps_lifecycle_config *config,
                                                 const char *id)
{
    for (size_t i = 0; i < config->count; i++) {
        if (config->entries[i].own && strcmp(config->entries[i].rule.id, id) == 0) {
            return &config->entries[i];
        }
    }
    return NULL;
}

static const struct ps_lifecycle_rule *find_rule(const struct ps_lifecycle_rules *rules,
                                                 const char *id)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (strcmp(rules->items[i].id, id) == 0) {
            return &rules->items[i];
        }
    }
    return NULL;
}

void ps_lifecycle_diff(const struct ps_lifecycle_config *config,
                       const struct ps_lifecycle_rules *rules,
                       void (*each)(void *user, enum ps_lifecycle_change change,
                                    const struct ps_lifecycle_entry *entry,
                                    const struct ps_lifecycle_rule *rule),
                       void *user)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct ps_lifecycle_entry *entry = &config->entries[i];
        const struct ps_lifecycle_rule *rule = find_rule(rules, entry->rule.id);

        if (!entry->own) {
            each(user, PS_LIFECYCLE_FOREIGN, entry, NULL);
        } else if (rule == NULL) {
            each(user, PS_LIFECYCLE_REMOVE, entry, NULL);
        } else {
            each(user, is_same(entry, rule) ? PS_LIFECYCLE_SAME : PS_LIFECYCLE_REPLACE, entry,
                 rule);
        }
    }
    for (size_t i = 0; i < rules->count; i++) {
        if (find_own(config, rules->items[i].id) == NULL) {
            each(user, PS_LIFECYCLE_ADD, NULL, &rules->items[i]);
        }
    }
}

static void note_change(void *user, enum ps_lifecycle_change change,
                        const struct ps_lifecycle_entry *entry,
                        const struct ps_lifecycle_rule *rule)
{
    bool *changes = user;

    (void)entry;
    (void)rule;
    *changes = *changes || (change != PS_LIFECYCLE_SAME && change != PS_LIFECYCLE_FOREIGN);
}

bool ps_lifecycle_is_applied(const struct ps_lifecycle_config *config,
                             const struct ps_lifecycle_rules *rules)
{
    bool changes = false;

    ps_lifecycle_diff(config, rules, note_change, &changes);
    return !changes;
}

/* --- writing --- */

struct writer {
    struct ps_buf *buf;
    struct ps_err *err;
    enum ps_code code;
};

static void write_text(struct writer *writer, const char *text)
{
    if (writer->code == PS_OK) {
        writer->code = ps_buf_append_str(writer->buf, text, writer->err);
    }
}

static void write_element(struct writer *writer, const char *name, const char *value)
{
    write_text(writer, "<");
    write_text(writer, name);
    write_text(writer, ">");
    if (writer->code == PS_OK) {
        writer->code = ps_xml_escape(writer->buf, value, writer->err);
    }
    write_text(writer, "</");
    write_text(writer, name);
    write_text(writer, ">");
}

static void write_days(struct writer *writer, const char *outer, const char *inner, uint32_t days)
{
    if (writer->code == PS_OK && days != 0) {
        writer->code =
            ps_buf_append_format(writer->buf, writer->err, "<%s><%s>%" PRIu32 "</%s></%s>", outer,
                                 inner, days, inner, outer);
    }
}

static void write_tags(struct writer *writer, const struct ps_lifecycle_rule *rule)
{
    for (size_t i = 0; i < rule->tag_count; i++) {
        write_text(writer, "<Tag>");
        write_element(writer, "Key", rule->tags[i].name);
        write_element(writer, "Value", rule->tags[i].value);
        write_text(writer, "</Tag>");
    }
}

/* A Filter holds exactly one of Prefix, Tag and And; And holds two or more of the others. */
static void write_filter(struct writer *writer, const struct ps_lifecycle_rule *rule)
{
    bool has_prefix = rule->prefix[0] != '\0' || rule->tag_count == 0;
    bool wraps = rule->tag_count + (has_prefix ? 1 : 0) > 1;

    write_text(writer, wraps ? "<Filter><And>" : "<Filter>");
    if (has_prefix) {
        write_element(writer, "Prefix", rule->prefix);
    }
    write_tags(writer, rule);
    write_text(writer, wraps ? "</And></Filter>" : "</Filter>");
}

static void write_archive(struct writer *writer, const struct ps_lifecycle_rule *rule)
{
    char days[16];

    if (rule->archives) {
        (void)snprintf(days, sizeof(days), "%" PRIu32, rule->archive_days);
        write_text(writer, "<Transition>");
        write_element(writer, "Days", days);
        write_element(writer, "StorageClass", rule->archive_class);
        write_text(writer, "</Transition>");
    }
}

static void write_rule(struct writer *writer, const struct ps_lifecycle_rule *rule, bool is_flat)
{
    write_text(writer, "<Rule>");
    write_element(writer, "ID", rule->id);
    if (is_flat) {
        write_element(writer, "Prefix", rule->prefix);
        write_tags(writer, rule);
    } else {
        write_filter(writer, rule);
    }
    write_element(writer, "Status", "Enabled");
    write_days(writer, "Expiration", "Days", rule->expire_days);
    write_archive(writer, rule);
    if (is_flat) {
        write_days(writer, "AbortMultipartUpload", "Days", rule->abort_days);
    } else {
        write_days(writer, "AbortIncompleteMultipartUpload", "DaysAfterInitiation",
                   rule->abort_days);
    }
    write_days(writer, "NoncurrentVersionExpiration", "NoncurrentDays", rule->noncurrent_days);
    write_text(writer, "</Rule>");
}

static void write_bytes(struct writer *writer, const struct ps_lifecycle_config *config,
                        size_t begin, size_t past)
{
    if (writer->code == PS_OK && past > begin) {
        writer->code =
            ps_buf_append(writer->buf, config->text.data + begin, past - begin, writer->err);
    }
}

/* Where the root's end tag begins; its begin when it is <LifecycleConfiguration/>, which has no end tag. */
static size_t root_end(const struct ps_lifecycle_config *config)
{
    size_t at = config->root_past;

    while (at > config->root_begin && config->text.data[at] != '<') {
        at--;
    }
    return at;
}

static size_t count_foreign(const struct ps_lifecycle_config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->count; i++) {
        count += config->entries[i].own ? 0 : 1;
    }
    return count;
}

static void write_around_own(struct writer *writer, const struct ps_lifecycle_config *config)
{
    size_t at = 0;

    for (size_t i = 0; i < config->count; i++) {
        if (config->entries[i].own) {
            write_bytes(writer, config, at, config->entries[i].begin);
            at = config->entries[i].past;
        }
    }
    write_bytes(writer, config, at, root_end(config));
}

enum ps_code ps_lifecycle_merge(const struct ps_lifecycle_config *config,
                                const struct ps_lifecycle_rules *rules, bool is_flat,
                                struct ps_buf *buf, struct ps_err *err)
{
    struct writer writer = { .buf = buf, .err = err, .code = PS_OK };
    size_t foreign_count = count_foreign(config);

    if (foreign_count + rules->count > PS_LIFECYCLE_RULES_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "%zu rules: a bucket takes %d",
                          foreign_count + rules->count, PS_LIFECYCLE_RULES_MAX);
    }
    if (foreign_count + rules->count == 0) {
        return PS_OK;
    }
    if (foreign_count > 0) {
        write_around_own(&writer, config);
    } else {
        write_text(&writer, is_flat ? "<LifecycleConfiguration>"
                                    : "<LifecycleConfiguration "
                                      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    }
    for (size_t i = 0; i < rules->count; i++) {
        write_rule(&writer, &rules->items[i], is_flat);
    }
    if (foreign_count > 0) {
        write_bytes(&writer, config, root_end(config), config->text.size_bytes);
    } else {
        write_text(&writer, "</LifecycleConfiguration>");
    }
    return writer.code;
}

/* --- after it was put --- */

static bool has_bytes(const struct ps_lifecycle_config *config, const char *bytes,
                      size_t size_bytes)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct ps_lifecycle_entry *entry = &config->entries[i];

        if (!entry->own && entry->past - entry->begin == size_bytes &&
            memcmp(config->text.data + entry->begin, bytes, size_bytes) == 0) {
            return true;
        }
    }
    return false;
}

enum ps_code ps_lifecycle_verify(const struct ps_lifecycle_config *before,
                                 const struct ps_lifecycle_config *after,
                                 const struct ps_lifecycle_rules *rules, struct ps_err *err)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct ps_lifecycle_entry *entry = &before->entries[i];

        if (!entry->own &&
            !has_bytes(after, before->text.data + entry->begin, entry->past - entry->begin)) {
            return ps_err_set(err, PS_E_CORRUPT,
                              "rule '%.100s' is not as it was: another wrote at the same time, or "
                              "the store changed it",
                              entry->rule.id);
        }
    }
    if (count_foreign(after) != count_foreign(before)) {
        return ps_err_set(err, PS_E_CORRUPT,
                          "there are other rules now: another wrote at the same time");
    }
    if (!ps_lifecycle_is_applied(after, rules)) {
        return ps_err_set(err, PS_E_CORRUPT, "the store did not take purser's rules as they are");
    }
    return PS_OK;
}

/* --- for people --- */

const char *ps_lifecycle_rule_format(const struct ps_lifecycle_rule *rule, char *text,
                                     size_t text_size_bytes)
{
    struct ps_buf buf;
    struct writer writer = { .buf = &buf, .code = PS_OK };
    char part[160];

    ps_buf_init(&buf, 0);
    write_text(&writer, rule->prefix[0] != '\0' ? "prefix " : "the whole bucket");
    write_text(&writer, rule->prefix);
    for (size_t i = 0; i < rule->tag_count; i++) {
        (void)snprintf(part, sizeof(part), ", tag %.60s=%.60s", rule->tags[i].name,
                       rule->tags[i].value);
        write_text(&writer, part);
    }
    if (rule->archives) {
        (void)snprintf(part, sizeof(part), ", to %s after %" PRIu32 "d", rule->archive_class,
                       rule->archive_days);
        write_text(&writer, part);
    }
    if (rule->expire_days != 0) {
        (void)snprintf(part, sizeof(part), ", expires after %" PRIu32 "d", rule->expire_days);
        write_text(&writer, part);
    }
    if (rule->noncurrent_days != 0) {
        (void)snprintf(part, sizeof(part), ", old versions expire after %" PRIu32 "d",
                       rule->noncurrent_days);
        write_text(&writer, part);
    }
    if (rule->abort_days != 0) {
        (void)snprintf(part, sizeof(part), ", uploads are aborted after %" PRIu32 "d",
                       rule->abort_days);
        write_text(&writer, part);
    }
    ps_str_copy(text, text_size_bytes, ps_buf_peek(&buf));
    ps_buf_clear(&buf);
    return text;
}
