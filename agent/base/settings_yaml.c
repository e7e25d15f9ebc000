#include "base/settings.h"

#include "base/buf.h"
#include "base/settings_table.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/**
 * A settings file is a page. Lower: a file with many stores fails. Higher: an hour of parsing for a file that was
 * named by mistake.
 */
#define FILE_LIMIT_BYTES ((size_t)1024 * 1024)

struct reader {
    struct ps_settings *settings;
    const char *path;
    yaml_document_t document;
    struct ps_err *err;
    const struct ps_setting *extra_rows; /* of a store's map that stands alone */
    size_t extra_count;
    void *extra;
};

static const char *scalar(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static enum ps_code fail(struct reader *reader, const yaml_node_t *node, const char *key,
                         const char *what)
{
    return ps_err_set(reader->err, PS_E_INVALID, "%s:%zu: key `%s`: %s", reader->path,
                      node->start_mark.line + 1, key, what);
}

/* "\0" can be written in YAML; the text behind it would be lost without a word. */
static bool holds_nul(const yaml_node_t *node)
{
    return strlen(scalar(node)) != node->data.scalar.length;
}

static enum ps_code refuse_nul(struct reader *reader, const yaml_node_t *node, const char *key)
{
    return fail(reader, node, key, "holds a NUL byte");
}

static enum ps_code assign(struct reader *reader, const yaml_node_t *node, void *base,
                           const struct ps_setting *row, const char *name, const char *value)
{
    struct ps_err why;
    enum ps_code code = ps_setting_assign(base, row, value, &why);

    return code == PS_OK ? PS_OK : fail(reader, node, name, why.message);
}

static enum ps_code assign_list(struct reader *reader, const yaml_node_t *node, void *base,
                                const struct ps_setting *row, const char *name)
{
    struct ps_buf joined;
    enum ps_code code = PS_OK;

    ps_buf_init(&joined, FILE_LIMIT_BYTES);
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top && code == PS_OK; item++) {
        const yaml_node_t *entry = yaml_document_get_node(&reader->document, *item);

        if (entry->type != YAML_SCALAR_NODE) {
            code = fail(reader, entry, name, "a list of texts is wanted");
        } else if (holds_nul(entry)) {
            code = refuse_nul(reader, entry, name);
        } else {
            const char joint[2] = { joined.size_bytes > 0 ? row->joint : '\0', '\0' };

            code = ps_buf_append_format(&joined, reader->err, "%s%s", joint, scalar(entry));
        }
    }
    if (code == PS_OK) {
        code = assign(reader, node, base, row, name, ps_buf_peek(&joined));
    }
    ps_buf_clear(&joined);
    return code;
}

static enum ps_code read_value(struct reader *reader, const yaml_node_t *node, void *base,
                               const struct ps_setting *row, const char *name)
{
    if (node->type == YAML_SCALAR_NODE && holds_nul(node)) {
        return refuse_nul(reader, node, name);
    }
    if (node->type == YAML_SCALAR_NODE) {
        return assign(reader, node, base, row, name, scalar(node));
    }
    if (node->type == YAML_SEQUENCE_NODE && row->type == PS_SETTING_LIST) {
        return assign_list(reader, node, base, row, name);
    }
    return fail(reader, node, name, "one value is wanted here");
}

static bool is_doubled(const struct reader *reader, const yaml_node_t *map,
                       const yaml_node_pair_t *pair)
{
    yaml_document_t *document = (yaml_document_t *)(uintptr_t)&reader->document;
    const char *key = scalar(yaml_document_get_node(document, pair->key));

    for (const yaml_node_pair_t *other = map->data.mapping.pairs.start; other < pair; other++) {
        const yaml_node_t *node = yaml_document_get_node(document, other->key);

        if (node->type == YAML_SCALAR_NODE && strcmp(scalar(node), key) == 0) {
            return true;
        }
    }
    return false;
}

/* Check a pair's key; the message of a doubled one names its second place. */
static enum ps_code take_key(struct reader *reader, const yaml_node_t *map,
                             const yaml_node_pair_t *pair, const char **key_out)
{
    const yaml_node_t *node = yaml_document_get_node(&reader->document, pair->key);

    if (node->type != YAML_SCALAR_NODE) {
        return fail(reader, node, "?", "a key is a plain text");
    }
    if (holds_nul(node)) {
        return refuse_nul(reader, node, scalar(node));
    }
    if (is_doubled(reader, map, pair)) {
        return fail(reader, node, scalar(node), "stands here a second time");
    }
    *key_out = scalar(node);
    return PS_OK;
}

/* A map within a store: "credentials", whose rows are "credentials.profile" and so on. */
static enum ps_code read_extra_map(struct reader *reader, const yaml_node_t *map, const char *name)
{
    enum ps_code code = PS_OK;

    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top && code == PS_OK; pair++) {
        const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        const struct ps_setting *row;
        const char *key = NULL;
        char dotted[128];

        code = take_key(reader, map, pair, &key);
        if (code != PS_OK) {
            break;
        }
        (void)snprintf(dotted, sizeof(dotted), "%s.%s", name, key);
        row = ps_setting_find(reader->extra_rows, reader->extra_count, dotted);
        code = row != NULL ? read_value(reader, value, reader->extra, row, dotted)
                           : fail(reader, yaml_document_get_node(&reader->document, pair->key),
                                  dotted, "unknown; see purser help plugin");
    }
    return code;
}

static bool is_extra_map(const struct reader *reader, const yaml_node_t *node, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < reader->extra_count && node->type == YAML_MAPPING_NODE; i++) {
        if (strncmp(reader->extra_rows[i].name, name, length) == 0 &&
            reader->extra_rows[i].name[length] == '.') {
            return true;
        }
    }
    return false;
}

static enum ps_code read_store(struct reader *reader, const yaml_node_t *node, const char *name,
                               struct ps_store_settings *store)
{
    enum ps_code code = PS_OK;

    if (node->type != YAML_MAPPING_NODE) {
        return fail(reader, node, name, "a map of url, endpoint, region ... is wanted");
    }
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top && code == PS_OK; pair++) {
        const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        const struct ps_setting *row;
        const char *key = NULL;
        void *base = store;

        code = take_key(reader, node, pair, &key);
        if (code != PS_OK) {
            break;
        }
        row = ps_setting_find(ps_settings_store_rows, ps_settings_store_row_count, key);
        if (row == NULL) {
            base = reader->extra;
            row = ps_setting_find(reader->extra_rows, reader->extra_count, key);
        }
        if (row == NULL && is_extra_map(reader, value, key)) {
            code = read_extra_map(reader, value, key);
        } else if (row == NULL) {
            code = fail(reader, yaml_document_get_node(&reader->document, pair->key), key,
                        "unknown in a store; see purser help settings");
        } else {
            code = read_value(reader, value, base, row, key);
        }
    }
    return code;
}

static enum ps_code read_stores(struct reader *reader, const yaml_node_t *node)
{
    enum ps_code code = PS_OK;

    if (node->type != YAML_MAPPING_NODE) {
        return fail(reader, node, "stores", "a map of named stores is wanted");
    }
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top && code == PS_OK; pair++) {
        const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        struct ps_store_settings *store = NULL;
        struct ps_err why;
        const char *name = NULL;

        code = take_key(reader, node, pair, &name);
        if (code != PS_OK) {
            break;
        }
        if (ps_settings_store(reader->settings, name) != NULL) {
            store =
                (struct ps_store_settings *)(uintptr_t)ps_settings_store(reader->settings, name);
        } else if (ps_settings_add_store(reader->settings, name, &store, &why) != PS_OK) {
            return fail(reader, value, name, why.message);
        }
        code = read_store(reader, value, name, store);
    }
    return code;
}

/* A map at depth 1 or 2 ("reclaim", "reclaim.fuse"); prefix ends in a dot or is empty. */
static enum ps_code read_map(struct reader *reader, const yaml_node_t *map, const char *prefix)
{
    enum ps_code code = PS_OK;

    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top && code == PS_OK; pair++) {
        const yaml_node_t *key_node = yaml_document_get_node(&reader->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        const struct ps_setting *row;
        const char *key = NULL;
        char name[128];

        code = take_key(reader, map, pair, &key);
        if (code != PS_OK) {
            break;
        }
        (void)snprintf(name, sizeof(name), "%s%s", prefix, key);
        row = ps_setting_find(ps_settings_rows, ps_settings_row_count, name);
        if (strcmp(name, "stores") == 0) {
            code = read_stores(reader, value);
        } else if (row != NULL) {
            code = read_value(reader, value, reader->settings, row, name);
        } else if (value->type == YAML_MAPPING_NODE && strlen(name) + 2 < sizeof(name) &&
                   ps_settings_is_section(name)) {
            (void)snprintf(name, sizeof(name), "%s%s.", prefix, key);
            code = read_map(reader, value, name);
        } else {
            code = fail(reader, key_node, name,
                        ps_settings_is_section(name) ? "a map is wanted here"
                                                     : "unknown; see purser help settings");
        }
    }
    return code;
}

static enum ps_code bad_yaml(struct reader *reader, const yaml_parser_t *parser)
{
    return ps_err_set(reader->err, PS_E_INVALID, "%s:%zu: %s", reader->path,
                      parser->problem_mark.line + 1,
                      parser->problem != NULL ? parser->problem : "no YAML");
}

/* YAML allows many documents in a file. Those behind the first would look as if they were in force. */
static enum ps_code expect_end(struct reader *reader, yaml_parser_t *parser)
{
    yaml_document_t more;
    const yaml_node_t *root;
    enum ps_code code = PS_OK;

    if (yaml_parser_load(parser, &more) == 0) {
        return bad_yaml(reader, parser);
    }
    root = yaml_document_get_root_node(&more);
    if (root != NULL) {
        code = ps_err_set(reader->err, PS_E_INVALID, "%s:%zu: a second document: write one",
                          reader->path, root->start_mark.line + 1);
    }
    yaml_document_delete(&more);
    return code;
}

static enum ps_code load_document(struct reader *reader, const char *text, size_t size_bytes)
{
    yaml_parser_t parser;
    enum ps_code code = PS_OK;

    if (yaml_parser_initialize(&parser) == 0) {
        return ps_err_set(reader->err, PS_E_NO_MEMORY, "%s: out of memory", reader->path);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size_bytes);
    if (yaml_parser_load(&parser, &reader->document) == 0) {
        code = bad_yaml(reader, &parser);
    } else {
        code = expect_end(reader, &parser);
        if (code != PS_OK) {
            yaml_document_delete(&reader->document);
        }
    }
    yaml_parser_delete(&parser);
    return code;
}

enum ps_code ps_settings_read_text(struct ps_settings *settings, const char *text,
                                   size_t size_bytes, const char *path, struct ps_err *err)
{
    struct reader reader = { .settings = settings, .path = path, .err = err };
    const yaml_node_t *root;
    enum ps_code code = load_document(&reader, text, size_bytes);

    if (code != PS_OK) {
        return code;
    }
    root = yaml_document_get_root_node(&reader.document);
    if (root != NULL && root->type == YAML_MAPPING_NODE) {
        code = read_map(&reader, root, "");
    } else if (root != NULL) {
        code = ps_err_set(err, PS_E_INVALID, "%s:1: a map of settings is wanted", path);
    }
    yaml_document_delete(&reader.document);
    return code;
}

enum ps_code ps_settings_read_store(struct ps_settings *settings, const char *name,
                                    const char *text, const char *path,
                                    const struct ps_settings_extra *extra, struct ps_err *err)
{
    struct reader reader = {
        .settings = settings,
        .path = path,
        .err = err,
        .extra_rows = extra->rows,
        .extra_count = extra->count,
        .extra = extra->base,
    };
    struct ps_store_settings *store = NULL;
    const yaml_node_t *root;
    enum ps_code code = load_document(&reader, text, strlen(text));

    if (code != PS_OK) {
        return code;
    }
    root = yaml_document_get_root_node(&reader.document);
    if (root == NULL || root->type != YAML_MAPPING_NODE) {
        code =
            ps_err_set(err, PS_E_INVALID, "%s:1: a map is wanted: url, endpoint, region ...", path);
    } else {
        code = ps_settings_add_store(settings, name, &store, err);
    }
    if (code == PS_OK) {
        code = read_store(&reader, root, name, store);
    }
    yaml_document_delete(&reader.document);
    return code;
}

enum ps_code ps_settings_read_file(struct ps_settings *settings, const char *path,
                                   struct ps_err *err)
{
    FILE *file = fopen(path, "re");
    struct ps_buf text;
    char chunk[4096];
    size_t got_bytes;
    enum ps_code code = PS_OK;

    if (file == NULL) {
        return ps_err_set_errno(err, errno, "settings %s", path);
    }
    ps_buf_init(&text, FILE_LIMIT_BYTES);
    for (got_bytes = fread(chunk, 1, sizeof(chunk), file); got_bytes > 0 && code == PS_OK;
         got_bytes = fread(chunk, 1, sizeof(chunk), file)) {
        code = ps_buf_append(&text, chunk, got_bytes, err);
    }
    if (code == PS_OK && ferror(file) != 0) {
        code = ps_err_set_errno(err, errno, "settings %s", path);
    } else if (code != PS_OK) {
        code = ps_err_wrap(err, code, "settings %s", path);
    }
    if (code == PS_OK) {
        code = ps_settings_read_text(settings, ps_buf_peek(&text), text.size_bytes, path, err);
    }
    ps_buf_clear(&text);
    (void)fclose(file); /* only read */
    return code;
}
