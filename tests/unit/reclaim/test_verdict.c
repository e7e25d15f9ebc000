/* Is it still the object that was recorded? Every difference, and every doubt, keeps. */
#include "reclaim/verdict.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(verdict, .timeout = 10);

#define RECORDED ((int64_t)1000000)

struct row {
    const char *name;
    const char *etag; /* on record */
    bool has_size;
    uint64_t size_bytes;
    uint8_t crc; /* first byte of a CRC64NVME; 0 = none */
    const char *now_etag;
    uint64_t now_size_bytes;
    int64_t now_unix_s;
    uint8_t now_crc;
    bool same;
};

static const struct row rows[] = {
    { "all is the same", "\"a\"", true, 5, 7, "\"a\"", 5, RECORDED, 7, true },
    { "quotes do not matter", "a", true, 5, 0, "\"a\"", 5, RECORDED, 0, true },
    { "another ETag", "\"a\"", true, 5, 0, "\"b\"", 5, RECORDED, 0, false },
    { "an ETag that begins the same", "\"a\"", true, 5, 0, "\"ab\"", 5, RECORDED, 0, false },
    { "no ETag any more", "\"a\"", true, 5, 0, "", 5, RECORDED, 0, false },
    { "another size", "\"a\"", true, 5, 0, "\"a\"", 6, RECORDED, 0, false },
    { "another checksum", "\"a\"", true, 5, 7, "\"a\"", 5, RECORDED, 8, false },
    { "a checksum that only the record has", "\"a\"", true, 5, 7, "\"a\"", 5, RECORDED, 0, true },
    { "written within the clocks' tolerance", "\"a\"", true, 5, 0, "\"a\"", 5, RECORDED + 900, 0,
      true },
    { "the same bytes written again", "\"a\"", true, 5, 0, "\"a\"", 5, RECORDED + 901, 0, false },
    { "no ETag on record: time and size agree", "", true, 5, 0, "\"b\"", 5, RECORDED - 5, 0, true },
    { "no ETag on record: written later", "", true, 5, 0, "\"b\"", 5, RECORDED + 1000, 0, false },
    { "no ETag on record and no time", "", true, 5, 0, "\"b\"", 5, 0, 0, false },
    { "nothing but a time", "", false, 0, 0, "\"b\"", 5, RECORDED, 0, true },
};

Test(verdict, only_the_recorded_object_is_the_same)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct ps_artifact artifact = { .url = "s3://b/k",
                                        .etag = row->etag,
                                        .has_size = row->has_size,
                                        .size_bytes = row->size_bytes,
                                        .recorded_unix_s = RECORDED };
        struct ps_object_info info = { .key = "k",
                                       .size_bytes = row->now_size_bytes,
                                       .mtime_unix_ms = row->now_unix_s * 1000,
                                       .etag = row->now_etag };
        char why[200] = "";

        if (row->crc != 0) {
            artifact.checksum_algorithm = PS_CHECKSUM_CRC64_NVME;
            artifact.checksum[0] = row->crc;
        }
        if (row->now_crc != 0) {
            info.checksum.algorithm = PS_CHECKSUM_CRC64_NVME;
            info.checksum.bytes[0] = row->now_crc;
        }

        cr_expect_eq(ps_verdict_is_same(&artifact, &info, why, sizeof(why)), row->same, "%s: %s",
                     row->name, why);
        cr_expect_eq(why[0] == '\0', row->same, "%s: %s", row->name, why);
    }
}
