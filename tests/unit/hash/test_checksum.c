#include "hash/checksum.h"

#include "base/encode.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(checksum, .timeout = 20);

static struct ps_checksum sum_of(enum ps_checksum_algorithm algorithm, const void *data,
                                 size_t size)
{
    struct ps_hasher hasher;
    struct ps_checksum sum;

    cr_assert_eq(ps_hasher_init(&hasher, algorithm, NULL), PS_OK);
    ps_hasher_update(&hasher, data, size);
    sum = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
    return sum;
}

/* Published check values: catalogue of CRC algorithms (reveng), RFC 1321 A.5, FIPS 180-2 B.1, OSS SDK tests. */
Test(checksum, gives_the_published_values)
{
    static const struct row {
        const char *name;
        enum ps_checksum_algorithm algorithm;
        const char *text;
        const char *hex;
    } rows[] = {
        { "nvme check", PS_CHECKSUM_CRC64_NVME, "123456789", "ae8b14860a799888" },
        { "nvme fox", PS_CHECKSUM_CRC64_NVME, "The quick brown fox jumps over the lazy dog",
          "d76c54054954c143" },
        { "nvme empty", PS_CHECKSUM_CRC64_NVME, "", "0000000000000000" },
        { "xz check", PS_CHECKSUM_CRC64_ECMA, "123456789", "995dc9bbdf1939fa" },
        { "xz oss", PS_CHECKSUM_CRC64_ECMA, "This is a test of the emergency broadcast system.",
          "27db187fc15bbc72" },
        { "xz empty", PS_CHECKSUM_CRC64_ECMA, "", "0000000000000000" },
        { "crc32c check", PS_CHECKSUM_CRC32C, "123456789", "e3069283" },
        { "crc32c fox", PS_CHECKSUM_CRC32C, "The quick brown fox jumps over the lazy dog",
          "22620404" },
        { "crc32c empty", PS_CHECKSUM_CRC32C, "", "00000000" },
        { "crc32 check", PS_CHECKSUM_CRC32, "123456789", "cbf43926" },
        { "md5 empty", PS_CHECKSUM_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
        { "md5 a", PS_CHECKSUM_MD5, "a", "0cc175b9c0f1b6a831c399e269772661" },
        { "md5 abc", PS_CHECKSUM_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72" },
        { "md5 message", PS_CHECKSUM_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
        { "md5 alphabet", PS_CHECKSUM_MD5, "abcdefghijklmnopqrstuvwxyz",
          "c3fcd3d76192e4007dfb496cca67e13b" },
        { "md5 letters", PS_CHECKSUM_MD5,
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
          "d174ab98d277d9f5a5611c2c9f419d9f" },
        { "md5 digits", PS_CHECKSUM_MD5,
          "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
          "57edf4a22be3c955ac49da2e2107b67a" },
        { "sha256 abc", PS_CHECKSUM_SHA256, "abc",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "sha256 empty", PS_CHECKSUM_SHA256, "",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_checksum sum = sum_of(rows[i].algorithm, rows[i].text, strlen(rows[i].text));
        char hex[80];

        cr_assert_str_eq(ps_checksum_to_hex(&sum, hex), rows[i].hex, "%s: %s", rows[i].name, hex);
    }
}

/* However the bytes come in, and wherever they lie, the value is the same. */
Test(checksum, does_not_depend_on_how_the_bytes_come)
{
    static unsigned char data[5003];
    static const size_t steps[] = { 1, 3, 7, 64, 333, 4096 };

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (unsigned char)(i * i >> 3);
    }
    for (int i = PS_CHECKSUM_CRC64_NVME; i <= PS_CHECKSUM_SHA256; i++) {
        enum ps_checksum_algorithm algorithm = (enum ps_checksum_algorithm)i;
        struct ps_checksum whole = sum_of(algorithm, data, sizeof(data));

        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            struct ps_hasher hasher;
            struct ps_checksum sum;

            cr_assert_eq(ps_hasher_init(&hasher, algorithm, NULL), PS_OK);
            ps_hasher_update(&hasher, data, 0);
            for (size_t at = 0; at < sizeof(data); at += steps[k]) {
                size_t left = sizeof(data) - at;

                ps_hasher_update(&hasher, data + at, left < steps[k] ? left : steps[k]);
            }
            sum = ps_hasher_finish(&hasher);
            cr_assert(ps_checksum_equal(&sum, &whole), "%s by %zu", ps_checksum_name(algorithm),
                      steps[k]);
            ps_hasher_clear(&hasher);
            ps_hasher_clear(&hasher);
        }
    }
}

Test(checksum, a_crc_may_be_asked_for_and_go_on)
{
    for (int i = PS_CHECKSUM_CRC64_NVME; i <= PS_CHECKSUM_CRC32; i++) {
        enum ps_checksum_algorithm algorithm = (enum ps_checksum_algorithm)i;
        struct ps_checksum whole = sum_of(algorithm, "123456789", 9);
        struct ps_checksum half = sum_of(algorithm, "12345", 5);
        struct ps_checksum sum;
        struct ps_hasher hasher;

        cr_assert_eq(ps_hasher_init(&hasher, algorithm, NULL), PS_OK);
        ps_hasher_update(&hasher, "12345", 5);
        sum = ps_hasher_finish(&hasher);
        cr_assert(ps_checksum_equal(&sum, &half), "%s", ps_checksum_name(algorithm));
        ps_hasher_update(&hasher, "6789", 4);
        sum = ps_hasher_finish(&hasher);
        cr_assert(ps_checksum_equal(&sum, &whole), "%s", ps_checksum_name(algorithm));
        ps_hasher_clear(&hasher);
    }
}

Test(checksum, the_empty_value_is_that_of_no_bytes)
{
    for (int i = PS_CHECKSUM_CRC64_NVME; i <= PS_CHECKSUM_SHA256; i++) {
        enum ps_checksum_algorithm algorithm = (enum ps_checksum_algorithm)i;
        struct ps_checksum none = sum_of(algorithm, "", 0);
        struct ps_checksum empty = ps_checksum_empty(algorithm);

        cr_assert(ps_checksum_equal(&none, &empty), "%s", ps_checksum_name(algorithm));
    }
}

/* OSS writes CRCs in decimal: values of the OSS SDK's tests. */
Test(checksum, writes_and_reads_decimal_as_oss_does)
{
    const char *fox = "The quick brown fox jumps over the lazy dog";
    struct ps_checksum sum = sum_of(PS_CHECKSUM_CRC64_ECMA, fox, strlen(fox));
    struct ps_checksum back;
    char text[PS_CHECKSUM_TEXT_SIZE];

    cr_assert_str_eq(ps_checksum_to_decimal(&sum, text), "6583902852472283588");
    cr_assert(ps_checksum_from_decimal(PS_CHECKSUM_CRC64_ECMA, text, &back));
    cr_assert(ps_checksum_equal(&sum, &back));
    cr_assert(ps_checksum_from_decimal(PS_CHECKSUM_CRC64_ECMA, "11051210869376104954", &back));
    cr_assert_eq(ps_checksum_to_u64(&back), 0x995dc9bbdf1939faU);
    cr_assert(!ps_checksum_from_decimal(PS_CHECKSUM_CRC64_ECMA, "18446744073709551616", &back));
    cr_assert(!ps_checksum_from_decimal(PS_CHECKSUM_CRC64_ECMA, "-1", &back));
    cr_assert(!ps_checksum_from_decimal(PS_CHECKSUM_CRC32C, "4294967296", &back));
    cr_assert(!ps_checksum_from_decimal(PS_CHECKSUM_MD5, "1", &back));
}

/* 66,560 bytes of 'a': the body of the published chunked-upload example. */
Test(checksum, gives_the_values_of_the_chunked_example)
{
    static char body[66560];
    struct ps_checksum sum;
    char text[PS_CHECKSUM_TEXT_SIZE];

    memset(body, 'a', sizeof(body));
    sum = sum_of(PS_CHECKSUM_CRC32C, body, sizeof(body));
    cr_assert_str_eq(ps_checksum_to_base64(&sum, text), "sOO8/Q==");
    sum = sum_of(PS_CHECKSUM_CRC64_NVME, body, sizeof(body));
    cr_assert_eq(ps_checksum_to_u64(&sum), 0xa517fe7a6ae72fe0U);
    sum = sum_of(PS_CHECKSUM_CRC64_ECMA, body, sizeof(body));
    cr_assert_str_eq(ps_checksum_to_decimal(&sum, text), "12050849701803370962");
}

/* The multipart vector: part 1 is 5 MiB of 'a', part 2 is 1 MiB of 'b'. */
Test(checksum, combines_parts_to_the_published_whole)
{
    static const struct row {
        enum ps_checksum_algorithm algorithm;
        const char *part_1;
        const char *part_2;
        const char *whole;
    } rows[] = {
        { PS_CHECKSUM_CRC32C, "WpuOeg==", "6MFSVQ==", "nArKlg==" },
        { PS_CHECKSUM_CRC32, "r/zBbw==", "k3be1g==", "eYkE2A==" },
        { PS_CHECKSUM_CRC64_NVME, "PbvLEkWUSgg=", "2rj+Wt6pcEQ=", "f2FxstrKPf0=" },
    };
    const size_t size_1 = 5 * 1024 * 1024;
    const size_t size_2 = 1024 * 1024;
    char *a = malloc(size_1);
    char *b = malloc(size_2);
    char text[PS_CHECKSUM_TEXT_SIZE];
    struct ps_checksum ecma_1;
    struct ps_checksum ecma_2;

    memset(a, 'a', size_1);
    memset(b, 'b', size_2);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_checksum one = sum_of(rows[i].algorithm, a, size_1);
        struct ps_checksum two = sum_of(rows[i].algorithm, b, size_2);

        cr_assert_str_eq(ps_checksum_to_base64(&one, text), rows[i].part_1);
        cr_assert_str_eq(ps_checksum_to_base64(&two, text), rows[i].part_2);
        cr_assert_eq(ps_checksum_combine(&one, &two, size_2, NULL), PS_OK);
        cr_assert_str_eq(ps_checksum_to_base64(&one, text), rows[i].whole);
    }
    ecma_1 = sum_of(PS_CHECKSUM_CRC64_ECMA, a, size_1);
    ecma_2 = sum_of(PS_CHECKSUM_CRC64_ECMA, b, size_2);
    cr_assert_str_eq(ps_checksum_to_decimal(&ecma_1, text), "2368817460909046045");
    cr_assert_str_eq(ps_checksum_to_decimal(&ecma_2, text), "4085814139916291200");
    cr_assert_eq(ps_checksum_combine(&ecma_1, &ecma_2, size_2, NULL), PS_OK);
    cr_assert_str_eq(ps_checksum_to_decimal(&ecma_1, text), "14945743540798809801");
    free(a);
    free(b);
}

/* ETags and composite checksums of the same two parts. */
Test(checksum, gives_the_etag_and_composites_of_the_multipart_vector)
{
    const size_t size_1 = 5 * 1024 * 1024;
    const size_t size_2 = 1024 * 1024;
    char *a = malloc(size_1);
    char *b = malloc(size_2);
    char text[80];
    uint8_t both[64];
    struct ps_checksum one;
    struct ps_checksum two;
    struct ps_checksum all;

    memset(a, 'a', size_1);
    memset(b, 'b', size_2);
    one = sum_of(PS_CHECKSUM_MD5, a, size_1);
    two = sum_of(PS_CHECKSUM_MD5, b, size_2);
    cr_assert_str_eq(ps_checksum_to_hex(&one, text), "79b281060d337b9b2b84ccf390adcf74");
    cr_assert_str_eq(ps_checksum_to_hex(&two, text), "96767d2b46489f3520698a6df536dc4c");
    memcpy(both, one.bytes, 16);
    memcpy(both + 16, two.bytes, 16);
    all = sum_of(PS_CHECKSUM_MD5, both, 32);
    cr_assert_str_eq(ps_checksum_to_hex(&all, text), "88fc978485924ccd87ceb19c90195b35");

    one = sum_of(PS_CHECKSUM_SHA256, a, size_1);
    two = sum_of(PS_CHECKSUM_SHA256, b, size_2);
    memcpy(both, one.bytes, 32);
    memcpy(both + 32, two.bytes, 32);
    all = sum_of(PS_CHECKSUM_SHA256, both, 64);
    cr_assert_str_eq(ps_checksum_to_base64(&all, text),
                     "4b0o13OGbYmXv5QenBgYkQfFFWwZUxaxssJCW8WXE9w=");

    one = sum_of(PS_CHECKSUM_CRC32C, a, size_1);
    two = sum_of(PS_CHECKSUM_CRC32C, b, size_2);
    memcpy(both, one.bytes, 4);
    memcpy(both + 4, two.bytes, 4);
    all = sum_of(PS_CHECKSUM_CRC32C, both, 8);
    cr_assert_str_eq(ps_checksum_to_base64(&all, text), "7M7tqg==");
    free(a);
    free(b);
}

/* DeleteObjects' body vector. */
Test(checksum, gives_the_content_md5_of_the_delete_vector)
{
    const char *body =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Delete><Quiet>true</Quiet><Object>"
        "<Key>a/1.bin</Key></Object><Object><Key>a/2 &amp; 3.bin</Key></Object>"
        "</Delete>";
    struct ps_checksum sum = sum_of(PS_CHECKSUM_MD5, body, strlen(body));
    char text[PS_CHECKSUM_TEXT_SIZE];

    cr_assert_eq(strlen(body), 152);
    cr_assert_str_eq(ps_checksum_to_base64(&sum, text), "Z/yhwpRH6U1Ld7IcJXwnfA==");
}

Test(checksum, refuses_text_that_does_not_fit)
{
    static const char *const bad[] = {
        "", "AAAA", "AAAAAAAAAAA", "f2FxstrKPf0=-3", "????????????", "AAAAAAAAAAAAAAAA"
    };
    struct ps_checksum sum;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert(!ps_checksum_from_base64(PS_CHECKSUM_CRC64_NVME, bad[i], &sum), "%s", bad[i]);
    }
    cr_assert(ps_checksum_from_base64(PS_CHECKSUM_CRC64_NVME, "f2FxstrKPf0=", &sum));
}

Test(checksum, combines_only_crcs_of_one_kind)
{
    struct ps_checksum md5 = sum_of(PS_CHECKSUM_MD5, "a", 1);
    struct ps_checksum crc = sum_of(PS_CHECKSUM_CRC32C, "a", 1);
    struct ps_checksum other = sum_of(PS_CHECKSUM_CRC64_NVME, "a", 1);
    const struct ps_checksum before = crc;
    struct ps_checksum none = { .algorithm = PS_CHECKSUM_NONE };

    cr_assert_eq(ps_checksum_combine(&md5, &md5, 1, NULL), PS_E_INVALID);
    cr_assert_eq(ps_checksum_combine(&crc, &other, 1, NULL), PS_E_INVALID);
    cr_assert_eq(ps_checksum_combine(&none, &none, 1, NULL), PS_E_INVALID);
    cr_assert(ps_checksum_equal(&crc, &before), "unchanged on failure");
}

Test(checksum, none_is_equal_to_nothing)
{
    const struct ps_checksum none = { .algorithm = PS_CHECKSUM_NONE };

    cr_assert(!ps_checksum_equal(&none, &none));
}

Test(checksum, knows_the_names)
{
    for (int i = PS_CHECKSUM_NONE; i <= PS_CHECKSUM_SHA256; i++) {
        enum ps_checksum_algorithm back = PS_CHECKSUM_NONE;

        cr_assert(ps_checksum_parse_name(ps_checksum_name((enum ps_checksum_algorithm)i), &back));
        cr_assert_eq((int)back, i);
    }
    cr_assert(ps_checksum_parse_name("CRC64NVME", &(enum ps_checksum_algorithm){ 0 }));
    cr_assert(!ps_checksum_parse_name("", &(enum ps_checksum_algorithm){ 0 }));
    cr_assert(!ps_checksum_parse_name("sha1", &(enum ps_checksum_algorithm){ 0 }));
}
