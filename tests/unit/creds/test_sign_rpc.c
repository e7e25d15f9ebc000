#include "creds/sign_rpc.h"

#include <criterion/criterion.h>

/* Aliyun, "RPC style and signature": the worked example DescribeRegions, access key testid / testsecret. */
Test(sign_rpc, signs_the_published_example)
{
    static const struct ps_sign_pair parameters[] = {
        { "Timestamp", "2016-02-23T12:46:24Z" },
        { "Format", "XML" },
        { "AccessKeyId", "testid" },
        { "Action", "DescribeRegions" },
        { "SignatureMethod", "HMAC-SHA1" },
        { "SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf" },
        { "Version", "2014-05-26" },
        { "SignatureVersion", "1.0" },
    };
    char signature[PS_SIGN_RPC_SIZE];

    cr_assert_eq(ps_sign_rpc("GET", parameters, sizeof(parameters) / sizeof(parameters[0]),
                             "testsecret", signature, NULL),
                 PS_OK);
    cr_expect_str_eq(signature, "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
}
