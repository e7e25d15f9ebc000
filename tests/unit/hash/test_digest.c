#include "hash/digest.h"

#include "base/encode.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(digest, .timeout = 20);

/* FIPS 180-4, by its examples of one and two blocks and the million letters; the empty text by NIST's CAVP. */
Test(digest, sha256_gives_the_examples_of_the_standard)
{
    static const struct row {
        const char *text;
        const char *hex;
    } rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    uint8_t out[PS_SHA256_SIZE];
    char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];
    char *letters = malloc(1000000);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ps_sha256(rows[i].text, strlen(rows[i].text), out);
        cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex), rows[i].hex, "'%s'", rows[i].text);
    }
    ps_sha256(NULL, 0, out);
    cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex), rows[0].hex);
    memset(letters, 'a', 1000000);
    ps_sha256(letters, 1000000, out);
    cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex),
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}

/* A row's key or data: the text, or count times the byte; count 0 with byte 1 is 01 02 .. 19. */
struct bytes {
    const char *text;
    uint8_t byte;
    size_t count;
};

static size_t expand(const struct bytes *bytes, uint8_t *out)
{
    if (bytes->text != NULL) {
        memcpy(out, bytes->text, strlen(bytes->text));
        return strlen(bytes->text);
    }
    if (bytes->count == 0) {
        for (uint8_t i = 0; i < 25; i++) {
            out[i] = (uint8_t)(bytes->byte + i);
        }
        return 25;
    }
    memset(out, bytes->byte, bytes->count);
    return bytes->count;
}

struct hmac_row {
    const char *name;
    struct bytes key;
    struct bytes data;
    const char *hex;
};

#define FIRST_KEY "Test Using Larger Than Block-Size Key - Hash Key First"

/* RFC 4231 4.2 to 4.8, without the truncated case 5 */
static const struct hmac_row sha256_rows[] = {
    { "case 1",
      { NULL, 0x0b, 20 },
      { "Hi There", 0, 0 },
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "case 2",
      { "Jefe", 0, 0 },
      { "what do ya want for nothing?", 0, 0 },
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { "case 3",
      { NULL, 0xaa, 20 },
      { NULL, 0xdd, 50 },
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { "case 4",
      { NULL, 1, 0 },
      { NULL, 0xcd, 50 },
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { "case 6",
      { NULL, 0xaa, 131 },
      { FIRST_KEY, 0, 0 },
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { "case 7",
      { NULL, 0xaa, 131 },
      { "This is a test using a larger than block-size key and a larger than block-size data. The "
        "key needs to be hashed before being used by the HMAC algorithm.",
        0, 0 },
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

/* RFC 2202 3, without the truncated case 5 */
static const struct hmac_row sha1_rows[] = {
    { "case 1",
      { NULL, 0x0b, 20 },
      { "Hi There", 0, 0 },
      "b617318655057264e28bc0b6fb378c8ef146be00" },
    { "case 2",
      { "Jefe", 0, 0 },
      { "what do ya want for nothing?", 0, 0 },
      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
    { "case 3",
      { NULL, 0xaa, 20 },
      { NULL, 0xdd, 50 },
      "125d7342b9ac11cd91a39af48aa17b4f63f175d3" },
    { "case 4", { NULL, 1, 0 }, { NULL, 0xcd, 50 }, "4c9007f4026250c6bc8414f9bf50c86c2d7235da" },
    { "case 6",
      { NULL, 0xaa, 80 },
      { FIRST_KEY, 0, 0 },
      "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
    { "case 7",
      { NULL, 0xaa, 80 },
      { "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data", 0, 0 },
      "e8e99d0f45237d786d6bbaa7965c7808bbff1a91" },
};

Test(digest, hmac_sha256_gives_the_cases_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(sha256_rows) / sizeof(sha256_rows[0]); i++) {
        const struct hmac_row *row = &sha256_rows[i];
        uint8_t key[256];
        uint8_t data[256];
        uint8_t out[PS_SHA256_SIZE];
        char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];

        ps_hmac_sha256(key, expand(&row->key, key), data, expand(&row->data, data), out);
        cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex), row->hex, "%s", row->name);
    }
}

Test(digest, hmac_sha1_gives_the_cases_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(sha1_rows) / sizeof(sha1_rows[0]); i++) {
        const struct hmac_row *row = &sha1_rows[i];
        uint8_t key[256];
        uint8_t data[256];
        uint8_t out[PS_SHA1_SIZE];
        char hex[PS_HEX_SIZE(PS_SHA1_SIZE)];

        ps_hmac_sha1(key, expand(&row->key, key), data, expand(&row->data, data), out);
        cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex), row->hex, "%s", row->name);
    }
}
