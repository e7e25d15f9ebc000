/* store_url: any bytes. What is taken apart must go together again to the same text. */
#include "store/store_url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

/* s3 and oss: scheme://bucket[/key]; file: the host may be localhost. */
static void check_round_trip(const char *text, const struct ps_store_url *url)
{
    const char *rest = text + strlen(url->scheme);
    size_t bucket_length = strlen(url->bucket);

    require(strncmp(text, url->scheme, strlen(url->scheme)) == 0);
    require(strncmp(rest, "://", 3) == 0);
    rest += 3;
    if (strcmp(url->scheme, "file") == 0) {
        require(bucket_length == 0);
        rest += strncmp(rest, "localhost", 9) == 0 ? 9 : 0;
    } else {
        require(bucket_length > 0 && strchr(url->bucket, '/') == NULL);
        require(strncmp(rest, url->bucket, bucket_length) == 0);
        rest += bucket_length;
    }
    require(*rest == '/' || (*rest == '\0' && url->key[0] == '\0'));
    require(*rest == '\0' || strcmp(rest + 1, url->key) == 0);
}

/* A path of a file never leaves its directory, nor enters the one for uploads. */
static void check_path(const char *key)
{
    while (*key != '\0') {
        size_t length = strcspn(key, "/");

        require(length != 0);
        require(!(length == 1 && key[0] == '.'));
        require(!(length == 2 && memcmp(key, "..", 2) == 0));
        require(!(length == 7 && memcmp(key, ".purser", 7) == 0));
        key += length;
        key += *key == '/' ? 1 : 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_store_url url = { .key = NULL };
    struct ps_err err = { .code = PS_OK };
    char *text = malloc(size + 1);
    enum ps_code code;

    if (text == NULL) {
        return 0;
    }
    if (size != 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    code = ps_store_url_parse(text, &url, &err);
    if (code == PS_OK) {
        check_round_trip(text, &url);
        if (strcmp(url.scheme, "file") == 0) {
            check_path(url.key);
        }
    } else {
        require(code == PS_E_INVALID && err.code == code && err.message[0] != '\0');
        require(url.key == NULL && url.bucket == NULL);
    }
    ps_store_url_clear(&url);
    free(text);
    return 0;
}
