/* Names from Aliyun OSS "Regions and endpoints" and "CloudBox". */
#include "store/oss_endpoint.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(oss_endpoint, .timeout = 20);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

Test(oss_endpoint, finds_the_region_of_a_host)
{
    static const struct {
        const char *host;
        const char *region; /* NULL = none */
    } rows[] = {
        { "oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou" },
        { "oss-cn-hangzhou-internal.aliyuncs.com", "cn-hangzhou" },
        { "oss-us-west-1.aliyuncs.com:443", "us-west-1" },
        { "bucket.oss-ap-southeast-1.aliyuncs.com/x", "ap-southeast-1" },
        { "cn-shanghai.oss.aliyuncs.com", "cn-shanghai" },
        { "bucket.cn-shanghai.oss.aliyuncs.com", "cn-shanghai" },
        { "cb-123.cn-hangzhou.oss-cloudbox.aliyuncs.com", "cb-123" },
        { "bucket.cb-123.cn-hangzhou.oss-cloudbox.aliyuncs.com", "cb-123" },
        { "cn-hangzhou.oss-cloudbox.aliyuncs.com", NULL },
        { "oss-accelerate.aliyuncs.com", NULL },
        { "oss-accelerate-overseas.aliyuncs.com", NULL },
        { "oss-.aliyuncs.com", NULL },
        { ".oss.aliyuncs.com", NULL },
        { "sts.aliyuncs.com", NULL },
        { "oss-cn-hangzhou.aliyuncs.com.evil.example", NULL },
        { "oss-cn-hangzhou.evil.example", NULL },
        { "127.0.0.1:9000", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char region[64] = "";

        cr_assert_eq(ps_oss_endpoint_region(rows[i].host, region, sizeof(region)),
                     rows[i].region != NULL, "%s", rows[i].host);
        cr_assert_str_eq(region, rows[i].region != NULL ? rows[i].region : "", "%s", rows[i].host);
    }
}

Test(oss_endpoint, refuses_a_region_that_does_not_fit)
{
    char region[8] = "";

    cr_assert(!ps_oss_endpoint_region("oss-cn-hangzhou.aliyuncs.com", region, sizeof(region)));
    cr_assert_str_eq(region, "");
}

Test(oss_endpoint, names_the_host_of_a_region)
{
    static const struct {
        const char *network;
        const char *host;
    } rows[] = {
        { "public", "oss-cn-hangzhou.aliyuncs.com" },
        { "internal", "oss-cn-hangzhou-internal.aliyuncs.com" },
        { "accelerate", "oss-accelerate.aliyuncs.com" },
        { "dual-stack", "cn-hangzhou.oss.aliyuncs.com" },
    };
    enum ps_oss_network network = PS_OSS_NETWORK_PUBLIC;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *host;

        cr_assert(ps_oss_network_parse(rows[i].network, &network));
        host = ps_oss_endpoint_host("cn-hangzhou", network);
        cr_assert_str_eq(host, rows[i].host);
        free(host);
    }
    cr_assert(!ps_oss_network_parse("vpc", &network));
}

Test(oss_endpoint, knows_the_face_that_speaks_s3)
{
    cr_assert(ps_oss_endpoint_speaks_s3("s3.oss-cn-hangzhou.aliyuncs.com"));
    cr_assert(ps_oss_endpoint_speaks_s3("bucket.s3.oss-cn-hangzhou-internal.aliyuncs.com"));
    cr_assert(!ps_oss_endpoint_speaks_s3("oss-cn-hangzhou.aliyuncs.com"));
    cr_assert(!ps_oss_endpoint_speaks_s3("bucks3.oss-cn-hangzhou.aliyuncs.com"));
}
