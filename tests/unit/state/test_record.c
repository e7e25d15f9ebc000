#include "state/record.h"

#include "state_fixture.h"

TestSuite(record, .timeout = 20);

static const struct ps_owner owner = { "00000000-1111-2222-3333-444444444444", 4242, 987654321 };

/* By the table of state/README.md, by hand. */
static const unsigned char part_value[] = {
    1,                                              /* version */
    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* size */
    0xa0, 0,    0,    0,    0,    0,    0,    0,    /* checksum: 32 bytes */
    0,    0,    0,    0,    0,    0,    0,    0,    /* */
    0,    0,    0,    0,    0,    0,    0,    0,    /* */
    0,    0,    0,    0,    0,    0,    0,    0xaf, /* */
    4,    0,    '"',  'e',  '1',  '"',              /* etag */
};

static void encode_upload(const struct ps_upload_record *record, struct ps_buf *buf)
{
    ps_buf_init(buf, 0);
    cr_assert_eq(ps_upload_record_encode(record, buf, NULL), PS_OK);
}

Test(record, part_is_laid_out_as_documented)
{
    struct ps_part_record part = { .size_bytes = 0x0102030405060708, .etag = "\"e1\"" };
    struct ps_part_record back = { .part_number = 5 };
    struct ps_buf buf;

    part.checksum[0] = 0xa0;
    part.checksum[31] = 0xaf;
    ps_buf_init(&buf, 0);
    cr_assert_eq(ps_part_record_encode(&part, &buf, NULL), PS_OK);

    cr_expect_eq(buf.size_bytes, sizeof(part_value));
    cr_expect_arr_eq(buf.data, part_value, sizeof(part_value));
    cr_expect_eq(ps_part_record_decode(part_value, sizeof(part_value), &back, NULL), PS_OK);
    cr_expect_eq(back.size_bytes, part.size_bytes);
    cr_expect_eq(back.part_number, 5, "the number is the key's, not the value's");
    cr_expect_str_eq(back.etag, "\"e1\"");
    ps_buf_clear(&buf);
}

Test(record, upload_comes_back_field_by_field)
{
    struct ps_upload_record record = fixture_upload("s3://b/k\xc3\xa9y", &owner);
    struct ps_upload_record back = { 0 };
    struct ps_buf buf;

    record.number = 0xfedcba9876543210;
    record.phase = PS_UPLOAD_COMPLETING;
    record.source.kind = PS_SOURCE_TREE;
    record.source.mtime_ns = -5;
    record.source.digest[31] = 9;
    record.created_unix_ms = INT64_MIN;
    encode_upload(&record, &buf);
    cr_assert_eq(ps_upload_record_decode(buf.data, buf.size_bytes, &back, NULL), PS_OK);

    cr_expect_eq(back.number, record.number);
    cr_expect_eq(back.phase, record.phase);
    cr_expect_str_eq(back.url, record.url);
    cr_expect_null(back.upload_id);
    cr_expect_str_eq(back.source_path, record.source_path);
    cr_expect_arr_eq(back.source.digest, record.source.digest, 32);
    cr_expect_eq(back.source.mtime_ns, -5);
    cr_expect_eq(back.part_count, record.part_count);
    cr_expect_eq(back.owner.pid, owner.pid);
    cr_expect_eq(back.owner.start_ticks, owner.start_ticks);
    cr_expect_str_eq(back.owner.boot_id, owner.boot_id);
    cr_expect_eq(back.created_unix_ms, INT64_MIN);
    cr_expect_eq(back.updated_unix_ms, record.updated_unix_ms);
    ps_upload_record_clear(&back);
    ps_buf_clear(&buf);
}

Test(record, text_that_is_missing_and_text_that_is_empty_are_told_apart)
{
    struct ps_upload_record record = fixture_upload("u", &owner);
    struct ps_upload_record back = { 0 };
    struct ps_buf buf;

    record.upload_id = fixture_text("");
    record.source_path = NULL;
    encode_upload(&record, &buf);
    cr_assert_eq(ps_upload_record_decode(buf.data, buf.size_bytes, &back, NULL), PS_OK);

    cr_expect_not_null(back.upload_id);
    cr_expect_null(back.source_path);
    ps_upload_record_clear(&back);
    ps_buf_clear(&buf);
}

Test(record, cut_at_any_byte_or_with_one_more_is_damaged)
{
    struct ps_upload_record record = fixture_upload("s3://b/k", &owner);
    struct ps_upload_record untouched = { .number = 31337 };
    struct ps_err err;
    struct ps_buf buf;

    record.upload_id = fixture_text("id");
    encode_upload(&record, &buf);
    cr_assert_eq(ps_buf_append(&buf, "x", 1, NULL), PS_OK);

    for (size_t size = 0; size <= buf.size_bytes; size++) {
        void *exact = malloc(size + 1); /* so that ASan sees a read past the end */

        memcpy(exact, buf.data, size);
        exact = realloc(exact, size > 0 ? size : 1);
        if (size == buf.size_bytes - 1) {
            struct ps_upload_record back = { 0 };

            cr_expect_eq(ps_upload_record_decode(exact, size, &back, &err), PS_OK);
            ps_upload_record_clear(&back);
        } else {
            cr_expect_eq(ps_upload_record_decode(exact, size, &untouched, &err), PS_E_PARSE,
                         "%zu bytes", size);
        }
        free(exact);
    }
    cr_expect_eq(untouched.number, 31337);
    ps_buf_clear(&buf);
}

Test(record, any_byte_changed_is_refused_or_read_but_never_trusted_past_its_end)
{
    struct ps_upload_record record = fixture_upload("s3://b/k", &owner);
    struct ps_buf buf;

    encode_upload(&record, &buf);
    for (size_t i = 0; i < buf.size_bytes; i++) {
        for (unsigned value = 0; value < 256; value += 5) {
            struct ps_upload_record back = { 0 };
            char was = buf.data[i];
            enum ps_code code;

            buf.data[i] = (char)value;
            code = ps_upload_record_decode(buf.data, buf.size_bytes, &back, NULL);
            cr_assert(code == PS_OK || code == PS_E_PARSE, "byte %zu = %u", i, value);
            ps_upload_record_clear(&back);
            buf.data[i] = was;
        }
    }
    ps_buf_clear(&buf);
}

Test(record, later_version_is_refused_with_both_versions)
{
    unsigned char value[sizeof(part_value)];
    struct ps_part_record part = { 0 };
    struct ps_upload_record upload = { 0 };
    struct ps_download_record download = { 0 };
    struct ps_range_record range = { 0 };
    struct ps_err err = { 0 };
    uint64_t number;
    bool same;

    memcpy(value, part_value, sizeof(value));
    value[0] = 2;

    cr_expect_eq(ps_part_record_decode(value, sizeof(value), &part, &err), PS_E_PARSE);
    cr_expect_not_null(strstr(err.message, "version 2"), "%s", err.message);
    cr_expect_not_null(strstr(err.message, "reads 1"), "%s", err.message);
    cr_expect_eq(ps_upload_record_decode(value, sizeof(value), &upload, &err), PS_E_PARSE);
    cr_expect_eq(ps_download_record_decode(value, sizeof(value), &download, &err), PS_E_PARSE);
    cr_expect_eq(ps_range_record_decode(value, sizeof(value), &range, &err), PS_E_PARSE);
    cr_expect_eq(ps_number_record_decode(value, sizeof(value), &number, &err), PS_E_PARSE);
    cr_expect_eq(ps_record_is_of(value, sizeof(value), "x", &same, &err), PS_E_PARSE);
}

Test(record, text_that_no_reader_would_take_is_not_written)
{
    struct ps_upload_record record = fixture_upload("u", &owner);
    struct ps_download_record download = { .path = fixture_text("/p"), .url = fixture_text("u") };
    char *long_text = malloc(0xffff + 1);
    struct ps_buf buf;

    memset(long_text, 'x', 0xffff);
    long_text[0xffff] = '\0';
    ps_buf_init(&buf, 0);

    record.source_path = long_text;
    cr_expect_eq(ps_upload_record_encode(&record, &buf, NULL), PS_E_TOO_LARGE);
    record.source_path = NULL;
    record.policy_digest = NULL;
    cr_expect_eq(ps_upload_record_encode(&record, &buf, NULL), PS_E_BUG);
    cr_expect_eq(ps_download_record_encode(&download, &buf, NULL), PS_E_BUG, "without an etag");
    free(long_text);
    ps_buf_clear(&buf);
}
