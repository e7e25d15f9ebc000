#include "store/s3_kind.h"

#include <criterion/criterion.h>
#include <string.h>

/* Endpoints as the vendors' pages write them. */
static const struct {
    const char *host;
    const char *kind;
} hosts[] = {
    { "", "aws" },
    { "s3.eu-west-1.amazonaws.com", "aws" },
    { "s3.dualstack.eu-west-1.amazonaws.com", "aws" },
    { "s3.cn-north-1.amazonaws.com.cn", "aws" },
    { "s3.amazonaws.com:443", "aws" },
    { "s3.amazonaws.com.evil.example", "auto" },
    { "s3.oss-cn-hangzhou.aliyuncs.com", "oss-s3" },
    { "s3.oss-cn-hangzhou-internal.aliyuncs.com", "oss-s3" },
    { "x.s3.oss-cn-hangzhou.aliyuncs.com", "auto" },
    { "abc.r2.cloudflarestorage.com", "r2" },
    { "abc.eu.r2.cloudflarestorage.com", "r2" },
    { "minio.example:9000", "auto" },
};

Test(s3_kind, is_known_by_the_name_of_the_host)
{
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        cr_expect_str_eq(ps_s3_kind_of_host(hosts[i].host)->name, hosts[i].kind, "%s",
                         hosts[i].host);
    }
}

/* What the servers send; versitygw and MinIO as seen, the others as their sources say. */
static const struct {
    const char *server;
    const char *kind; /* NULL = not told */
} servers[] = {
    { "AmazonS3", "aws" },
    { "AliyunOSS", "oss-s3" },
    { "MinIO", "minio" },
    { "MinIO/RELEASE.2023", "minio" },
    { "VERSITYGW", "versitygw" },
    { "Ceph Object Gateway (squid)", "ceph" },
    { "cloudflare", NULL },
    { "nginx", NULL },
    { "", NULL },
};

/* As AWS, Ceph RGW 16.2.15, OpenStack Swift and MinIO number their answers. */
static const struct {
    const char *id;
    const char *kind; /* NULL = not told */
} ids[] = {
    { "tx000002d33bbd38a12374c-006b06143d-100d-default", "ceph" },
    { "tx00000cae16123f9dee0ff-006b0613e8-100d-eu-west", "ceph" },
    { "txd6a2f4e3ec6b4c86a9f21-0052e8f3a8", NULL },
    { "79104EXAMPLEB723", NULL },
    { "187AB3C4D5E6F708", NULL },
    { "tx", NULL },
    { "", NULL },
};

Test(s3_kind, is_told_by_the_number_of_an_answer)
{
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        const struct ps_s3_kind *kind = ps_s3_kind_of_request_id(ids[i].id);

        cr_expect(kind == NULL ? ids[i].kind == NULL
                               : ids[i].kind != NULL && strcmp(kind->name, ids[i].kind) == 0,
                  "%s", ids[i].id);
    }
}

Test(s3_kind, is_told_by_the_server)
{
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        const struct ps_s3_kind *kind = ps_s3_kind_of_server(servers[i].server);

        cr_expect(kind == NULL
                      ? servers[i].kind == NULL
                      : servers[i].kind != NULL && strcmp(kind->name, servers[i].kind) == 0,
                  "%s", servers[i].server);
    }
}

Test(s3_kind, has_a_row_for_each_word_of_the_setting)
{
    static const char *const names[] = {
        "auto", "aws", "oss-s3", "minio", "ceph", "versitygw", "r2"
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect_str_eq(ps_s3_kind_parse(names[i])->name, names[i]);
    }
    cr_expect_null(ps_s3_kind_parse("swift"));
    cr_expect(ps_s3_kind_is_unknown(ps_s3_kind_parse("")));
    cr_expect(ps_s3_kind_is_unknown(ps_s3_kind_parse(NULL)));
}

Test(s3_kind, only_takes_away)
{
    struct ps_store_capabilities none = { .object_size_max_bytes = 1 };
    struct ps_store_capabilities all = { .conditional_write = true,
                                         .tags = true,
                                         .lifecycle = true,
                                         .restore = true,
                                         .versioning = true,
                                         .part_copy_checksums = true,
                                         .object_size_max_bytes = UINT64_MAX };

    ps_s3_kind_restrict(ps_s3_kind_parse("aws"), &none);
    cr_expect_not(none.tags || none.conditional_write || none.part_copy_checksums);
    cr_expect_eq(none.object_size_max_bytes, 1);
    ps_s3_kind_restrict(ps_s3_kind_parse("r2"), &all);
    cr_expect(all.conditional_write && all.lifecycle && all.equal_parts_only);
    cr_expect_not(all.tags || all.restore || all.versioning || all.part_copy_checksums);
    cr_expect_eq(all.object_size_max_bytes, UINT64_C(5) << 40);
    cr_expect_str_eq(all.kind, "Cloudflare R2");
}
