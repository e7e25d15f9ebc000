#include "store/aws_chunked.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(aws_chunked, .timeout = 20);

/*
 * S3 API reference, "Signature calculations: transferring payload in multiple chunks" and "... including trailing
 * headers": 66,560 bytes of 'a' in chunks of 64 KiB and 1 KiB.
 */
#define EXAMPLE_SIZE 66560
#define EXAMPLE_ENCODED_SIZE 66824
#define SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define CHUNK_1 "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
#define CHUNK_2 "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
#define CHUNK_3 "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"

#define TRAILER_SEED "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
#define TRAILER_CHUNK_1 "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"
#define TRAILER_CHUNK_2 "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"
#define TRAILER_CHUNK_3 "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
#define TRAILER "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"

/* How a body gives its bytes: at most step at a time, LATER on every other call, and cut short at end. */
struct source {
    uint64_t size;
    size_t step;
    bool says_later;
    bool later_now;
    uint64_t end;
    unsigned fail_count; /* of calls left before it fails; 0 = never */
    uint64_t read_bytes;
};

static uint8_t byte_at(uint64_t size, uint64_t offset)
{
    return size == EXAMPLE_SIZE ? 'a' : (uint8_t)(offset * 7 + offset / 251);
}

static ssize_t source_read(void *user, uint64_t offset, void *into, size_t size)
{
    struct source *source = user;
    uint8_t *out = into;
    size_t count = size < source->step ? size : source->step;

    if (source->says_later) {
        source->later_now = !source->later_now;
        if (source->later_now) {
            return PS_BODY_LATER;
        }
    }
    if (source->fail_count != 0 && --source->fail_count == 0) {
        return PS_BODY_FAILED;
    }
    if (offset + count > source->end) {
        count = offset < source->end ? (size_t)(source->end - offset) : 0;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = byte_at(source->size, offset + i);
    }
    source->read_bytes += count;
    return (ssize_t)count;
}

static struct source source_of(uint64_t size)
{
    return (struct source){ .size = size, .step = SIZE_MAX, .end = size };
}

static struct ps_aws_chunked_signer example_signer(void)
{
    const struct ps_sign_request request = {
        .unix_ms = 1369353600000,
        .region = "us-east-1",
        .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    };
    struct ps_aws_chunked_signer signer;

    cr_assert_eq(ps_aws_chunked_signer_init(&signer, &request, NULL, NULL), PS_OK);
    return signer;
}

static struct ps_aws_chunked_options options_of(enum ps_aws_chunked_form form,
                                                struct source *source,
                                                const struct ps_aws_chunked_signer *signer)
{
    return (struct ps_aws_chunked_options){
        .form = form,
        .body = { .size_bytes = source->size, .read = source_read, .user = source },
        .checksum = form == PS_AWS_CHUNKED_SIGNED ? PS_CHECKSUM_NONE : PS_CHECKSUM_CRC32C,
        .signer = signer,
        .seed_signature = form == PS_AWS_CHUNKED_SIGNED ? SEED : TRAILER_SEED,
    };
}

/* Read all, at most step bytes a call, on the heap with a NUL; LATER is asked again. */
static char *read_all(struct ps_aws_chunked *chunked, size_t step, size_t *size_out)
{
    size_t capacity = 4 * 1024 * 1024;
    char *text = malloc(capacity + 1);
    size_t size = 0;

    for (;;) {
        size_t room = capacity - size;
        ssize_t got = ps_aws_chunked_read(chunked, size, text + size, step < room ? step : room);

        if (got == PS_BODY_LATER) {
            continue;
        }
        cr_assert_geq(got, 0);
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    text[size] = '\0';
    *size_out = size;
    return text;
}

static char *encode(const struct ps_aws_chunked_options *options, size_t step, size_t *size_out)
{
    struct ps_aws_chunked *chunked = NULL;
    char *text;

    cr_assert_eq(ps_aws_chunked_new(&chunked, options, NULL), PS_OK);
    text = read_all(chunked, step, size_out);
    ps_aws_chunked_free(chunked);
    return text;
}

/* The published messages, put together. */
static char *expected(const char *head_1, const char *head_2, const char *end, size_t *size_out)
{
    char *text = malloc(EXAMPLE_SIZE + 1024);
    char *at = text;

    at = stpcpy(at, head_1);
    memset(at, 'a', 65536);
    at = stpcpy(at + 65536, "\r\n");
    at = stpcpy(at, head_2);
    memset(at, 'a', 1024);
    at = stpcpy(at + 1024, "\r\n");
    at = stpcpy(at, end);
    *size_out = (size_t)(at - text);
    return text;
}

Test(aws_chunked, signs_the_published_chunks)
{
    struct ps_aws_chunked_signer signer = example_signer();
    char data[65536];
    char signature[PS_SIGN_V4_HEX_SIZE] = SEED;

    memset(data, 'a', sizeof(data));
    ps_aws_chunked_sign_chunk(&signer, signature, data, 65536, signature);
    cr_expect_str_eq(signature, CHUNK_1);
    ps_aws_chunked_sign_chunk(&signer, signature, data, 1024, signature);
    cr_expect_str_eq(signature, CHUNK_2);
    ps_aws_chunked_sign_chunk(&signer, signature, NULL, 0, signature);
    cr_expect_str_eq(signature, CHUNK_3);
}

Test(aws_chunked, signs_the_published_trailer)
{
    struct ps_aws_chunked_signer signer = example_signer();
    char data[65536];
    char signature[PS_SIGN_V4_HEX_SIZE] = TRAILER_SEED;

    memset(data, 'a', sizeof(data));
    ps_aws_chunked_sign_chunk(&signer, signature, data, 65536, signature);
    cr_expect_str_eq(signature, TRAILER_CHUNK_1);
    ps_aws_chunked_sign_chunk(&signer, signature, data, 1024, signature);
    cr_expect_str_eq(signature, TRAILER_CHUNK_2);
    ps_aws_chunked_sign_chunk(&signer, signature, NULL, 0, signature);
    cr_expect_str_eq(signature, TRAILER_CHUNK_3);
    ps_aws_chunked_sign_trailer(&signer, signature, "x-amz-checksum-crc32c", "sOO8/Q==", signature);
    cr_expect_str_eq(signature, TRAILER);
}

Test(aws_chunked, encodes_the_published_signed_body)
{
    struct ps_aws_chunked_signer signer = example_signer();
    struct source source = source_of(EXAMPLE_SIZE);
    struct ps_aws_chunked_options options = options_of(PS_AWS_CHUNKED_SIGNED, &source, &signer);
    uint64_t told = 0;
    size_t size;
    size_t wanted_size;
    char *wanted =
        expected("10000;chunk-signature=" CHUNK_1 "\r\n", "400;chunk-signature=" CHUNK_2 "\r\n",
                 "0;chunk-signature=" CHUNK_3 "\r\n\r\n", &wanted_size);
    char *text = encode(&options, SIZE_MAX, &size);

    cr_assert_eq(ps_aws_chunked_size(&options, &told, NULL), PS_OK);
    cr_expect_eq(told, EXAMPLE_ENCODED_SIZE); /* the content-length that AWS signed */
    cr_assert_eq(size, wanted_size);
    cr_expect_eq(size, told);
    cr_expect_arr_eq(text, wanted, size);
    free(text);
    free(wanted);
}

Test(aws_chunked, encodes_the_published_body_with_a_signed_trailer)
{
    struct ps_aws_chunked_signer signer = example_signer();
    struct source source = source_of(EXAMPLE_SIZE);
    struct ps_aws_chunked_options options =
        options_of(PS_AWS_CHUNKED_SIGNED_TRAILER, &source, &signer);
    uint64_t told = 0;
    size_t size;
    size_t wanted_size;
    char *wanted = expected("10000;chunk-signature=" TRAILER_CHUNK_1 "\r\n",
                            "400;chunk-signature=" TRAILER_CHUNK_2 "\r\n",
                            "0;chunk-signature=" TRAILER_CHUNK_3 "\r\n"
                            "x-amz-checksum-crc32c:sOO8/Q==\r\n"
                            "x-amz-trailer-signature:" TRAILER "\r\n\r\n",
                            &wanted_size);
    char *text = encode(&options, SIZE_MAX, &size);

    cr_assert_eq(ps_aws_chunked_size(&options, &told, NULL), PS_OK);
    cr_assert_eq(size, wanted_size);
    cr_expect_eq(size, told);
    cr_expect_arr_eq(text, wanted, size);
    free(text);
    free(wanted);
}

Test(aws_chunked, encodes_an_unsigned_trailer)
{
    struct source source = source_of(EXAMPLE_SIZE);
    struct ps_aws_chunked_options options =
        options_of(PS_AWS_CHUNKED_UNSIGNED_TRAILER, &source, NULL);
    size_t size;
    size_t wanted_size;
    /* CRC64NVME of 66,560 times 'a' is a517fe7a6ae72fe0 (computed by a bitwise loop elsewhere), in base64. */
    char *wanted = expected("10000\r\n", "400\r\n",
                            "0\r\nx-amz-checksum-crc64nvme:pRf+emrnL+A=\r\n\r\n", &wanted_size);
    char *text;

    options.checksum = PS_CHECKSUM_CRC64_NVME;
    options.seed_signature = NULL;
    text = encode(&options, SIZE_MAX, &size);

    cr_assert_eq(size, wanted_size);
    cr_expect_arr_eq(text, wanted, size);
    free(text);
    free(wanted);
}

Test(aws_chunked, uses_the_checksum_that_was_given)
{
    struct source source = source_of(3);
    struct ps_aws_chunked_options options =
        options_of(PS_AWS_CHUNKED_UNSIGNED_TRAILER, &source, NULL);
    struct ps_checksum sum;
    size_t size;
    char *text;

    cr_assert(ps_checksum_from_base64(PS_CHECKSUM_CRC32C, "sOO8/Q==", &sum));
    options.checksum_value = &sum;
    text = encode(&options, SIZE_MAX, &size);

    cr_expect_not_null(strstr(text + 3 + 3 + 2, "0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"));
    free(text);
}

static const enum ps_aws_chunked_form forms[] = {
    PS_AWS_CHUNKED_SIGNED,
    PS_AWS_CHUNKED_SIGNED_TRAILER,
    PS_AWS_CHUNKED_UNSIGNED_TRAILER,
};

static const uint64_t sizes[] = { 0, 1, 8191, 8192, 8193, 16384, 40000 };

/* By another road than the encoder's: walk the frames and put the data together again. */
static void check_frames(const char *text, size_t size, uint64_t body_size)
{
    const char *at = text;
    uint64_t data = 0;
    unsigned long length;

    do {
        char *end;

        length = strtoul(at, &end, 16);
        at = strstr(end, "\r\n") + 2;
        cr_assert_leq(data + length, body_size);
        for (unsigned long i = 0; i < length; i++) {
            cr_assert_eq((uint8_t)at[i], byte_at(body_size, data + i));
        }
        data += length;
        at += length;
        if (length != 0) {
            cr_assert_eq(memcmp(at, "\r\n", 2), 0);
            at += 2;
        }
    } while (length != 0);
    cr_expect_eq(data, body_size);
    cr_expect_eq(memcmp(text + size - 2, "\r\n", 2), 0);
}

Test(aws_chunked, length_is_known_ahead_for_every_size_and_form)
{
    struct ps_aws_chunked_signer signer = example_signer();

    for (size_t f = 0; f < 3; f++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            struct source source = source_of(sizes[s]);
            struct ps_aws_chunked_options options = options_of(forms[f], &source, &signer);
            uint64_t told = 0;
            size_t size;
            char *text;

            options.chunk_size_bytes = PS_AWS_CHUNKED_CHUNK_MIN_BYTES;
            cr_assert_eq(ps_aws_chunked_size(&options, &told, NULL), PS_OK);
            text = encode(&options, SIZE_MAX, &size);

            cr_expect_eq(size, told, "form %zu, size %zu", f, s);
            check_frames(text, size, sizes[s]);
            free(text);
        }
    }
}

Test(aws_chunked, gives_the_same_bytes_however_they_are_asked_for)
{
    static const size_t steps[] = { 1, 7, 4096, 8300 };
    struct ps_aws_chunked_signer signer = example_signer();

    for (size_t f = 0; f < 3; f++) {
        struct source source = source_of(20000);
        struct ps_aws_chunked_options options = options_of(forms[f], &source, &signer);
        size_t wanted_size;
        char *wanted;

        options.chunk_size_bytes = PS_AWS_CHUNKED_CHUNK_MIN_BYTES;
        wanted = encode(&options, SIZE_MAX, &wanted_size);
        for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
            size_t size;
            char *text;

            source.step = 1000 + s;
            source.says_later = true;
            text = encode(&options, steps[s], &size);

            cr_assert_eq(size, wanted_size, "form %zu, step %zu", f, steps[s]);
            cr_expect_arr_eq(text, wanted, size, "form %zu, step %zu", f, steps[s]);
            free(text);
        }
        free(wanted);
    }
}

Test(aws_chunked, rewinds_to_any_offset)
{
    struct ps_aws_chunked_signer signer = example_signer();

    for (size_t f = 0; f < 3; f++) {
        struct source source = source_of(20000);
        struct ps_aws_chunked_options options = options_of(forms[f], &source, &signer);
        struct ps_aws_chunked *chunked = NULL;
        char piece[100];
        size_t wanted_size;
        char *wanted;

        options.chunk_size_bytes = PS_AWS_CHUNKED_CHUNK_MIN_BYTES;
        wanted = encode(&options, SIZE_MAX, &wanted_size);
        cr_assert_eq(ps_aws_chunked_new(&chunked, &options, NULL), PS_OK);
        for (size_t i = 0; i < 200; i++) {
            size_t offset = i * 7919 % wanted_size;
            size_t left = wanted_size - offset;
            ssize_t got = ps_aws_chunked_read(chunked, offset, piece, sizeof(piece));

            cr_assert_eq(got, left < sizeof(piece) ? (ssize_t)left : (ssize_t)sizeof(piece));
            cr_expect_arr_eq(piece, wanted + offset, (size_t)got, "form %zu, offset %zu", f,
                             offset);
        }
        cr_expect_eq(ps_aws_chunked_read(chunked, wanted_size, piece, sizeof(piece)), 0);
        cr_expect_eq(ps_aws_chunked_read(chunked, UINT64_MAX, piece, sizeof(piece)), 0);
        ps_aws_chunked_free(chunked);
        free(wanted);
    }
}

Test(aws_chunked, reads_the_body_once_when_it_is_not_rewound)
{
    struct source source = source_of(40000);
    struct ps_aws_chunked_options options =
        options_of(PS_AWS_CHUNKED_UNSIGNED_TRAILER, &source, NULL);
    size_t size;
    char *text = encode(&options, 777, &size);

    cr_expect_eq(source.read_bytes, 40000);
    free(text);
}

Test(aws_chunked, body_that_ends_early_or_fails_is_a_failure)
{
    struct source sources[2] = { source_of(40000), source_of(40000) };

    sources[0].end = 39999;
    sources[1].fail_count = 2;
    sources[1].step = 8192;
    for (size_t i = 0; i < 2; i++) {
        struct ps_aws_chunked_options options =
            options_of(PS_AWS_CHUNKED_UNSIGNED_TRAILER, &sources[i], NULL);
        struct ps_aws_chunked *chunked = NULL;
        char piece[50000];

        options.chunk_size_bytes = PS_AWS_CHUNKED_CHUNK_MIN_BYTES;
        cr_assert_eq(ps_aws_chunked_new(&chunked, &options, NULL), PS_OK);
        cr_expect_eq(ps_aws_chunked_read(chunked, 0, piece, sizeof(piece)), PS_BODY_FAILED,
                     "row %zu", i);
        ps_aws_chunked_free(chunked);
    }
}

Test(aws_chunked, refuses_options_that_do_not_fit)
{
    struct ps_aws_chunked_signer signer = example_signer();
    struct source source = source_of(10);
    struct ps_aws_chunked_options options[7];
    struct ps_checksum sum = ps_checksum_empty(PS_CHECKSUM_SHA256);

    for (size_t i = 0; i < 7; i++) {
        options[i] = options_of(PS_AWS_CHUNKED_SIGNED_TRAILER, &source, &signer);
    }
    options[0].chunk_size_bytes = 8191;
    options[1].chunk_size_bytes = PS_AWS_CHUNKED_CHUNK_MAX_BYTES + 1;
    options[2].checksum = PS_CHECKSUM_CRC64_ECMA;
    options[3].form = PS_AWS_CHUNKED_SIGNED;
    options[4].signer = NULL;
    options[5].seed_signature = NULL;
    options[6].checksum_value = &sum;

    for (size_t i = 0; i < 7; i++) {
        struct ps_aws_chunked *chunked = NULL;
        struct ps_err err;

        cr_expect_eq(ps_aws_chunked_new(&chunked, &options[i], &err), PS_E_INVALID, "row %zu", i);
        cr_expect_null(chunked);
    }
}

Test(aws_chunked, size_does_not_overflow)
{
    struct source source = source_of(UINT64_MAX);
    struct ps_aws_chunked_options options =
        options_of(PS_AWS_CHUNKED_UNSIGNED_TRAILER, &source, NULL);
    uint64_t size = 1;

    cr_expect_eq(ps_aws_chunked_size(&options, &size, NULL), PS_E_TOO_LARGE);
    cr_expect_eq(size, 1);
}
