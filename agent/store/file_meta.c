#include "store/file_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ATTRIBUTE "user.purser.object"

/** S3 allows 2 KiB of metadata and 10 tags; ext4 has one block of 4 KiB for all attributes. */
#define META_LIMIT_BYTES ((size_t)64 * 1024)
enum {
    PAIRS_MAX = 64
};

void file_meta_clear(struct file_meta *meta)
{
    free(meta->metadata);
    free(meta->tags);
    free(meta->text);
    memset(meta, 0, sizeof(*meta));
}

/* --- writing: lines of "name value", percent-encoded --- */

static enum ps_code append_line(struct ps_buf *buf, const char *name, const char *a, const char *b,
                                struct ps_err *err)
{
    enum ps_code code = ps_buf_append_format(buf, err, "%s ", name);

    if (code == PS_OK) {
        code = ps_uri_encode(buf, a, PS_URI_KEEP_SLASH, err);
    }
    if (code == PS_OK && b != NULL) {
        code = ps_buf_append_str(buf, " ", err);
    }
    if (code == PS_OK && b != NULL) {
        code = ps_uri_encode(buf, b, PS_URI_KEEP_SLASH, err);
    }
    return code == PS_OK ? ps_buf_append_str(buf, "\n", err) : code;
}

enum ps_code file_options_encode(const struct ps_write_options *options, struct ps_buf *buf,
                                 struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (options->content_type != NULL && options->content_type[0] != '\0') {
        code = append_line(buf, "content-type", options->content_type, NULL, err);
    }
    if (code == PS_OK && options->storage_class != NULL && options->storage_class[0] != '\0') {
        code = append_line(buf, "storage-class", options->storage_class, NULL, err);
    }
    for (size_t i = 0; i < options->metadata_count && code == PS_OK; i++) {
        code = append_line(buf, "meta", options->metadata[i].name, options->metadata[i].value, err);
    }
    for (size_t i = 0; i < options->tag_count && code == PS_OK; i++) {
        code = append_line(buf, "tag", options->tags[i].name, options->tags[i].value, err);
    }
    return code;
}

static enum ps_code encode(int fd, const struct ps_write_options *options,
                           const struct ps_checksum *checksum, struct ps_buf *buf,
                           struct ps_err *err)
{
    char text[PS_CHECKSUM_TEXT_SIZE];
    char etag[64];
    struct stat status;
    enum ps_code code;

    if (fstat(fd, &status) != 0) {
        return ps_err_set_errno(err, errno, "attributes");
    }
    code = ps_buf_append_format(buf, err, "purser 1\nfor %s\n", file_etag(&status, etag));
    if (code == PS_OK && checksum->algorithm != PS_CHECKSUM_NONE) {
        code = ps_buf_append_format(buf, err, "checksum %s %s\n",
                                    ps_checksum_name(checksum->algorithm),
                                    ps_checksum_to_base64(checksum, text));
    }
    return code == PS_OK ? file_options_encode(options, buf, err) : code;
}

static char *side_path(const struct file_store *store, const char *key)
{
    struct ps_buf name;
    char *path = NULL;

    ps_buf_init(&name, 0);
    if (ps_uri_encode(&name, key, PS_URI_KEEP_SLASH, NULL) == PS_OK) {
        path = ps_str_format("%s/" FILE_DIR_NAME "/meta/%s#", store->root_dir, ps_buf_peek(&name));
    }
    ps_buf_clear(&name);
    return path;
}

static enum ps_code write_side_file(const struct file_store *store, const char *key,
                                    const struct ps_buf *text, struct ps_err *err)
{
    char *path = side_path(store, key);
    enum ps_code code = path != NULL
                            ? file_write_small(store, path, text->data, text->size_bytes, err)
                            : ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", key);

    free(path);
    return code;
}

enum ps_code file_meta_write(const struct file_store *store, int fd, const char *key,
                             const struct ps_write_options *options,
                             const struct ps_checksum *checksum, struct ps_err *err)
{
    struct ps_buf text;
    enum ps_code code;

    ps_buf_init(&text, META_LIMIT_BYTES);
    code = encode(fd, options, checksum, &text, err);
    if (code == PS_OK && fsetxattr(fd, ATTRIBUTE, text.data, text.size_bytes, 0) == 0) {
        file_meta_remove(store, key); /* that of an older object */
    } else if (code == PS_OK) {
        /* No attributes here, or too many for this file system. */
        code = write_side_file(store, key, &text, err);
    }
    ps_buf_clear(&text);
    return code;
}

void file_meta_remove(const struct file_store *store, const char *key)
{
    char *path = side_path(store, key);

    if (path != NULL) {
        (void)unlink(path); /* there is none as a rule */
    }
    free(path);
}

/* --- reading --- */

static char *next_word(char **at)
{
    char *word = *at;
    char *space = word != NULL ? strchr(word, ' ') : NULL;

    if (space != NULL) {
        *space = '\0';
    }
    *at = space != NULL ? space + 1 : NULL;
    return word;
}

static bool add_pair(struct ps_store_pair **pairs, size_t *count, char *name, char *value)
{
    if (*pairs == NULL) {
        *pairs = calloc(PAIRS_MAX, sizeof(**pairs));
    }
    if (*pairs == NULL || *count == PAIRS_MAX || value == NULL || !ps_uri_decode(name, false) ||
        !ps_uri_decode(value, false)) {
        return false;
    }
    (*pairs)[(*count)++] = (struct ps_store_pair){ name, value };
    return true;
}

static bool parse_line(struct file_meta *meta, char *line)
{
    char *name = next_word(&line);
    char *a = next_word(&line);
    char *b = line;

    if (a == NULL) {
        return false;
    }
    if (strcmp(name, "checksum") == 0) {
        enum ps_checksum_algorithm algorithm = PS_CHECKSUM_NONE;

        return b != NULL && ps_checksum_parse_name(a, &algorithm) &&
               ps_checksum_from_base64(algorithm, b, &meta->checksum);
    }
    if (strcmp(name, "meta") == 0) {
        return add_pair(&meta->metadata, &meta->metadata_count, a, b != NULL ? b : a + strlen(a));
    }
    if (strcmp(name, "tag") == 0) {
        return add_pair(&meta->tags, &meta->tag_count, a, b != NULL ? b : a + strlen(a));
    }
    if (strcmp(name, "content-type") == 0) {
        meta->content_type = a;
        return ps_uri_decode(a, false);
    }
    if (strcmp(name, "storage-class") == 0) {
        meta->storage_class = a;
        return ps_uri_decode(a, false);
    }
    return true; /* of a later purser */
}

enum ps_code file_meta_parse(char *text, struct file_meta *meta_out, struct ps_err *err)
{
    struct file_meta meta = { .text = text };
    char *rest = text;

    while (rest != NULL && *rest != '\0') {
        char *line = rest;
        char *end = strchr(line, '\n');

        rest = end != NULL ? end + 1 : NULL;
        if (end != NULL) {
            *end = '\0';
        }
        if (!parse_line(&meta, line)) {
            meta.text = NULL; /* stays the caller's */
            file_meta_clear(&meta);
            return ps_err_set(err, PS_E_PARSE, "damaged attributes");
        }
    }
    *meta_out = meta;
    return PS_OK;
}

static char *read_text(const struct file_store *store, int fd, const char *key)
{
    struct ps_buf text;
    ssize_t size_bytes = fgetxattr(fd, ATTRIBUTE, NULL, 0);
    char *path;

    if (size_bytes > 0 && (size_t)size_bytes <= META_LIMIT_BYTES) {
        char *value = calloc(1, (size_t)size_bytes + 1);

        if (value != NULL && fgetxattr(fd, ATTRIBUTE, value, (size_t)size_bytes) == size_bytes) {
            return value;
        }
        free(value);
    }
    ps_buf_init(&text, META_LIMIT_BYTES);
    path = side_path(store, key);
    if (path == NULL || file_read_small(path, &text, NULL) != PS_OK) {
        ps_buf_clear(&text);
    }
    free(path);
    return ps_buf_steal(&text);
}

/* Attributes of an older version of this file are as good as none. */
static bool is_for(const char *text, const struct stat *status)
{
    char etag[64];
    char head[96];

    (void)snprintf(head, sizeof(head), "purser 1\nfor %s\n", file_etag(status, etag));
    return ps_str_has_prefix(text, head);
}

enum ps_code file_meta_read(const struct file_store *store, int fd, const char *key,
                            const struct stat *status, struct file_meta *meta_out,
                            struct ps_err *err)
{
    char *text = read_text(store, fd, key);
    enum ps_code code;

    memset(meta_out, 0, sizeof(*meta_out));
    if (text == NULL || !is_for(text, status)) {
        free(text);
        return PS_OK;
    }
    code = file_meta_parse(text, meta_out, err);
    if (code != PS_OK) {
        free(text);
    }
    return code;
}
