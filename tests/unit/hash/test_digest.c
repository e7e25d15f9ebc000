#include "hash/digest.h"

#include "base/encode.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(digest, .timeout = 20);

/* FIPS 180-2 B.2 */
Test(digest, sha256_of_a_two_block_message)
{
    const char *text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t out[PS_SHA256_SIZE];
    char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];

    ps_sha256(text, strlen(text), out);
    cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex),
                     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 4231 4.3 and 4.7 (a key longer than a block); RFC 2202 3 case 2 for SHA-1 */
Test(digest, hmacs_of_the_rfcs)
{
    uint8_t out[PS_SHA256_SIZE];
    uint8_t long_key[131];
    char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];
    const char *data = "what do ya want for nothing?";
    const char *big = "Test Using Larger Than Block-Size Key - Hash Key First";

    ps_hmac_sha256("Jefe", 4, data, strlen(data), out);
    cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex),
                     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(long_key, 0xaa, sizeof(long_key));
    ps_hmac_sha256(long_key, sizeof(long_key), big, strlen(big), out);
    cr_assert_str_eq(ps_hex_encode(out, sizeof(out), hex),
                     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    ps_hmac_sha1("Jefe", 4, data, strlen(data), out);
    cr_assert_str_eq(ps_hex_encode(out, PS_SHA1_SIZE, hex),
                     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}
