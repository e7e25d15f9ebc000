#include "store/s3_extras.h"

#include "base/encode.h"
#include "base/str.h"
#include "creds/shared_file.h"
#include "hash/checksum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES ((size_t)32)

enum wants {
    WANTS_SSE = 1 << 0,             /* how the object is to be encrypted */
    WANTS_CUSTOMER_KEY = 1 << 1,    /* the key that it is encrypted with */
    WANTS_CUSTOMER_SOURCE = 1 << 2, /* the key of what is copied */
};

/* All others want the payer only. Complete and ListParts want the key for the checksums they tell. */
static const struct {
    const char *operation;
    unsigned wants;
} operations[] = {
    { "put", WANTS_SSE | WANTS_CUSTOMER_KEY },
    { "begin_multipart", WANTS_SSE | WANTS_CUSTOMER_KEY },
    { "put_part", WANTS_CUSTOMER_KEY },
    { "complete", WANTS_CUSTOMER_KEY },
    { "list_parts", WANTS_CUSTOMER_KEY },
    { "get", WANTS_CUSTOMER_KEY },
    { "head", WANTS_CUSTOMER_KEY },
    { "copy", WANTS_SSE | WANTS_CUSTOMER_KEY | WANTS_CUSTOMER_SOURCE },
    { "copy_part", WANTS_CUSTOMER_KEY | WANTS_CUSTOMER_SOURCE },
};

/* --- the key of a customer --- */

/* 32 bytes as they are, or the 44 characters of their base64, with or without a line end. */
static bool take_key(const char *text, size_t size_bytes, uint8_t key[KEY_BYTES])
{
    size_t decoded_bytes = 0;
    char base64[PS_S3_CUSTOMER_KEY_SIZE];

    if (size_bytes == KEY_BYTES) {
        memcpy(key, text, KEY_BYTES);
        return true;
    }
    while (size_bytes > 0 && (text[size_bytes - 1] == '\n' || text[size_bytes - 1] == '\r')) {
        size_bytes--;
    }
    if (size_bytes != sizeof(base64) - 1) {
        return false;
    }
    memcpy(base64, text, size_bytes);
    base64[size_bytes] = '\0';
    size_bytes = ps_base64_decode(base64, key, KEY_BYTES, &decoded_bytes) ? decoded_bytes : 0;
    explicit_bzero(base64, sizeof(base64));
    return size_bytes == KEY_BYTES;
}

static enum ps_code write_key(struct ps_s3_extras *extras, const uint8_t key[KEY_BYTES],
                              struct ps_err *err)
{
    char md5_text[PS_CHECKSUM_TEXT_SIZE];
    struct ps_checksum md5;
    struct ps_hasher hasher;
    enum ps_code code = ps_hasher_init(&hasher, PS_CHECKSUM_MD5, err);

    if (code != PS_OK) {
        return code;
    }
    ps_hasher_update(&hasher, key, KEY_BYTES);
    md5 = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
    (void)ps_base64_encode(key, KEY_BYTES, extras->customer_key);
    ps_str_copy(extras->customer_md5, sizeof(extras->customer_md5),
                ps_checksum_to_base64(&md5, md5_text));
    extras->has_customer_key = true;
    return PS_OK;
}

static enum ps_code read_key(struct ps_s3_extras *extras, const char *path, struct ps_err *err)
{
    uint8_t key[KEY_BYTES];
    char *text = NULL;
    size_t size_bytes = 0;
    enum ps_code code = ps_shared_file_load(path, &text, &size_bytes, err);

    if (code == PS_OK && !take_key(text, size_bytes, key)) {
        code = ps_err_set(err, PS_E_INVALID, "%s: a customer's key has 32 bytes, raw or as base64",
                          path);
    }
    if (code == PS_OK) {
        code = write_key(extras, key, err);
    }
    ps_shared_file_wipe(text);
    explicit_bzero(key, sizeof(key));
    return code;
}

/* --- settings --- */

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    while (*words != '\0') {
        size_t next = strcspn(words, " ");

        if (next == length && memcmp(words, word, length) == 0) {
            return true;
        }
        words += next + (words[next] == ' ' ? 1 : 0);
    }
    return false;
}

static enum ps_code init_customer(struct ps_s3_extras *extras,
                                  const struct ps_s3_extras_options *options,
                                  const struct ps_s3_dialect *dialect, bool endpoint_is_safe,
                                  struct ps_err *err)
{
    if (dialect->sse_customer == NULL) {
        return ps_err_set(err, PS_E_UNSUPPORTED, "encryption customer: %s has none", dialect->name);
    }
    if (!is_set(options->encryption_key_file)) {
        return ps_err_set(err, PS_E_INVALID,
                          "encryption customer: set encryption_key_file to a file with the key");
    }
    if (!endpoint_is_safe) {
        return ps_err_set(err, PS_E_INVALID,
                          "encryption customer: the key would be sent in clear: use an https "
                          "endpoint");
    }
    return read_key(extras, options->encryption_key_file, err);
}

static enum ps_code init_encryption(struct ps_s3_extras *extras,
                                    const struct ps_s3_extras_options *options,
                                    const struct ps_s3_dialect *dialect, bool endpoint_is_safe,
                                    struct ps_err *err)
{
    const char *wanted = is_set(options->encryption) ? options->encryption : "none";
    bool is_kms = ps_str_has_prefix(wanted, "aws:kms");

    if (!is_kms && is_set(options->encryption_key)) {
        return ps_err_set(err, PS_E_INVALID,
                          "encryption_key is the name of a KMS key: set encryption to aws:kms");
    }
    if (strcmp(wanted, "customer") != 0 && is_set(options->encryption_key_file)) {
        return ps_err_set(err, PS_E_INVALID, "encryption_key_file is for encryption customer only");
    }
    if (strcmp(wanted, "none") == 0) {
        return PS_OK;
    }
    if (strcmp(wanted, "customer") == 0) {
        return init_customer(extras, options, dialect, endpoint_is_safe, err);
    }
    if (!has_word(dialect->sse_words, wanted)) {
        return ps_err_set(err, PS_E_INVALID, "encryption %.40s is none of %s%s", wanted,
                          dialect->sse_words, dialect->sse_customer != NULL ? " customer" : "");
    }
    extras->encryption = ps_strdup(strcmp(wanted, "aws:kms") == 0 ? dialect->sse_kms_word : wanted);
    extras->kms_key = is_set(options->encryption_key) ? ps_strdup(options->encryption_key) : NULL;
    if (extras->encryption == NULL ||
        (is_set(options->encryption_key) && extras->kms_key == NULL)) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return PS_OK;
}

enum ps_code ps_s3_extras_init(struct ps_s3_extras *extras,
                               const struct ps_s3_extras_options *options,
                               const struct ps_s3_dialect *dialect, bool endpoint_is_safe,
                               struct ps_err *err)
{
    memset(extras, 0, sizeof(*extras));
    extras->requester_pays = options->requester_pays && dialect->request_payer != NULL;
    return init_encryption(extras, options, dialect, endpoint_is_safe, err);
}

void ps_s3_extras_clear(struct ps_s3_extras *extras)
{
    free(extras->encryption);
    free(extras->kms_key);
    explicit_bzero(extras, sizeof(*extras));
}

/* --- headers --- */

static enum ps_code add_customer(const struct ps_s3_extras *extras, const char *prefix,
                                 struct ps_s3_pairs *headers, struct ps_err *err)
{
    const struct {
        const char *name;
        const char *value;
    } lines[] = { { "algorithm", "AES256" },
                  { "key", extras->customer_key },
                  { "key-md5", extras->customer_md5 } };
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]) && code == PS_OK; i++) {
        char name[96];

        (void)snprintf(name, sizeof(name), "%s%s", prefix, lines[i].name);
        code = ps_s3_pairs_add(headers, name, lines[i].value, err);
    }
    return code;
}

static unsigned wants_of(const char *operation)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].operation, operation) == 0) {
            return operations[i].wants;
        }
    }
    return 0;
}

enum ps_code ps_s3_extras_add(const struct ps_s3_extras *extras,
                              const struct ps_s3_dialect *dialect, const char *operation,
                              struct ps_s3_pairs *headers, struct ps_err *err)
{
    unsigned wants = wants_of(operation);
    enum ps_code code = PS_OK;

    if (extras->requester_pays) {
        code = ps_s3_pairs_add(headers, dialect->request_payer, "requester", err);
    }
    if (code == PS_OK && extras->encryption != NULL && (wants & WANTS_SSE) != 0) {
        code = ps_s3_pairs_add(headers, dialect->sse, extras->encryption, err);
    }
    if (code == PS_OK && extras->kms_key != NULL && (wants & WANTS_SSE) != 0) {
        code = ps_s3_pairs_add(headers, dialect->sse_key, extras->kms_key, err);
    }
    if (code == PS_OK && extras->has_customer_key && (wants & WANTS_CUSTOMER_KEY) != 0) {
        code = add_customer(extras, dialect->sse_customer, headers, err);
    }
    if (code == PS_OK && extras->has_customer_key && (wants & WANTS_CUSTOMER_SOURCE) != 0) {
        code = add_customer(extras, dialect->sse_customer_source, headers, err);
    }
    return code;
}
