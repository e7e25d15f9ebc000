#include "base/str.h"
#include "creds/creds_sts.h"
#include "tests/support/creds_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(creds_sts, .timeout = 20);

/* AWS STS API reference, AssumeRoleWithWebIdentity, sample response (cut). */
#define STS_ANSWER(action, id)                                                                     \
    "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action "Result>"   \
    "<SubjectFromWebIdentityToken>amzn1</SubjectFromWebIdentityToken><AssumedRoleUser><Arn>a"      \
    "</Arn></AssumedRoleUser><Credentials><SessionToken>AQoDYXdzEE0a8ANX==</SessionToken>"         \
    "<SecretAccessKey>wJalrXUt</SecretAccessKey><Expiration>2026-01-02T04:04:05Z</Expiration>"     \
    "<AccessKeyId>" id "</AccessKeyId></Credentials></" action "Result></" action "Response>"

Test(creds_sts, web_identity_is_traded_with_the_token_of_the_file_as_it_is_now)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS,
                   "AWS_WEB_IDENTITY_TOKEN_FILE=$DIR/token\n"
                   "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/r+1\n"
                   "AWS_ENDPOINT_URL_STS=$SERVER");
    creds_rig_file(&rig, "token", "jwt.one.x");
    creds_rig_answer(&rig, 400, "text/xml",
                     "<ErrorResponse><Error><Type>Sender</Type><Code>IDPCommunicationError</Code>"
                     "<Message>again</Message></Error></ErrorResponse>");
    creds_rig_answer(&rig, 200, "text/xml",
                     STS_ANSWER("AssumeRoleWithWebIdentity", "ASgeIAIOSFODNN7EXAMPLE"));
    creds_rig_answer(&rig, 200, "text/xml", STS_ANSWER("AssumeRoleWithWebIdentity", "two"));

    creds_rig_get(&rig, 0);
    cr_expect(HAS_PREFIX(rig.text, "ASgeIAIOSFODNN7EXAMPLE wJalrXUt AQoDYXdzEE0a8ANX== role arn"),
              "%s %s", rig.text, rig.err.message);
    creds_rig_file(&rig, "token", "jwt.two.x\n");
    creds_rig_get(&rig, 1);

    cr_expect(HAS_PREFIX(rig.text, "two "), "%s", rig.text);
    creds_rig_check_line(&rig, 1, "POST", "/");
    creds_rig_check_header(&rig, 1, "authorization", "");
    cr_expect_str_eq(http_server_request(rig.server, 1)->body,
                     "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                     "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr%2B1&"
                     "RoleSessionName=purser&DurationSeconds=3600&WebIdentityToken=jwt.one.x");
    cr_expect_not_null(
        strstr(http_server_request(rig.server, 2)->body, "WebIdentityToken=jwt.two.x"));
    creds_rig_close(&rig);
}

Test(creds_sts, refused_web_identity_says_why_without_the_token)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS,
                   "AWS_WEB_IDENTITY_TOKEN_FILE=$DIR/token\n"
                   "AWS_ROLE_ARN=arn:r\n"
                   "AWS_ENDPOINT_URL_STS=$SERVER/");
    creds_rig_file(&rig, "token", "hunter2");
    creds_rig_answer(
        &rig, 403, "text/xml",
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform "
        "sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>");
    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_str_eq(rig.err.message, "credentials: role arn:r: AccessDenied: Not authorized to "
                                      "perform sts:AssumeRoleWithWebIdentity");
    creds_rig_close(&rig);
}

Test(creds_sts, half_a_web_identity_is_a_mistake)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS, "AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere");
    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_INVALID);
    cr_expect_not_null(strstr(rig.err.message, "AWS_ROLE_ARN is not"), "%s", rig.err.message);
    creds_rig_close(&rig);
}

Test(creds_sts, profile_assumes_a_role_with_the_keys_of_another)
{
    struct creds_rig rig;
    char *authorization;

    creds_rig_open(&rig, PS_CREDS_AWS,
                   "AWS_CONFIG_FILE=$DIR/config\n"
                   "AWS_PROFILE=x\n"
                   "AWS_ENDPOINT_URL_STS=$SERVER");
    creds_rig_file(&rig, "config",
                   "[profile x]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"
                   "external_id = e&1\nduration_seconds = 900\nregion = eu-west-1\n"
                   "[profile base]\naws_access_key_id = AKIDEXAMPLE\n"
                   "aws_secret_access_key = hunter2\naws_session_token = st\n");
    creds_rig_answer(&rig, 200, "text/xml", STS_ANSWER("AssumeRole", "one"));
    creds_rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "one wJalrXUt AQoDYXdzEE0a8ANX== role arn"), "%s %s", rig.text,
              rig.err.message);
    cr_expect_str_eq(http_server_request(rig.server, 0)->body,
                     "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole"
                     "%2Fr&RoleSessionName=purser&DurationSeconds=900&ExternalId=e%261");
    creds_rig_check_header(&rig, 0, "x-amz-date", "20260102T030405Z");
    creds_rig_check_header(&rig, 0, "x-amz-security-token", "st");
    authorization = http_seen_header(http_server_request(rig.server, 0), "authorization");
    cr_expect(HAS_PREFIX(authorization,
                         "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/sts/"
                         "aws4_request, SignedHeaders=content-type;host;x-amz-date;"
                         "x-amz-security-token, Signature="),
              "%s", authorization);
    free(authorization);
    creds_rig_close(&rig);
}

Test(creds_sts, aliyun_role_by_a_web_identity)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_ALIYUN,
                   "ALIBABA_CLOUD_OIDC_TOKEN_FILE=$DIR/token\n"
                   "ALIBABA_CLOUD_ROLE_ARN=acs:ram::1:role/r\n"
                   "ALIBABA_CLOUD_OIDC_PROVIDER_ARN=acs:ram::1:oidc-provider/p\n"
                   "ALIBABA_CLOUD_STS_ENDPOINT=$SERVER");
    creds_rig_file(&rig, "token", "oidc.jwt");
    creds_rig_answer(
        &rig, 200, "application/json",
        "{\"RequestId\":\"x\",\"Credentials\":{\"AccessKeyId\":\"STS.a\",\"AccessKeySecret\":"
        "\"b\",\"SecurityToken\":\"c\",\"Expiration\":\"2026-01-02T04:04:05Z\"}}");
    creds_rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "STS.a b c role acs:ram::1:role/r"), "%s %s", rig.text,
              rig.err.message);
    creds_rig_check_line(
        &rig, 0, "POST",
        "/?Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON&Timestamp="
        "2026-01-02T03%3A04%3A05Z&SignatureNonce=00000000000000070000000000000007");
    cr_expect_str_eq(http_server_request(rig.server, 0)->body,
                     "RoleArn=acs%3Aram%3A%3A1%3Arole%2Fr&RoleSessionName=purser&"
                     "DurationSeconds=3600&OIDCProviderArn=acs%3Aram%3A%3A1%3Aoidc-provider%2Fp&"
                     "OIDCToken=oidc.jwt");
    creds_rig_close(&rig);
}

static const struct {
    const char *name;
    enum ps_creds_family family;
    const char *region;
    const char *variables[2];
    const char *url;
} endpoints[] = {
    { "AWS, no region", PS_CREDS_AWS, NULL, { NULL }, "https://sts.amazonaws.com" },
    { "AWS, region", PS_CREDS_AWS, "eu-west-1", { NULL }, "https://sts.eu-west-1.amazonaws.com" },
    { "AWS in China",
      PS_CREDS_AWS,
      "cn-north-1",
      { NULL },
      "https://sts.cn-north-1.amazonaws.com.cn" },
    { "Aliyun", PS_CREDS_ALIYUN, NULL, { NULL }, "https://sts.aliyuncs.com" },
    { "Aliyun, region",
      PS_CREDS_ALIYUN,
      NULL,
      { "ALIBABA_CLOUD_STS_REGION=cn-beijing" },
      "https://sts.cn-beijing.aliyuncs.com" },
    { "Aliyun, VPC",
      PS_CREDS_ALIYUN,
      NULL,
      { "ALIBABA_CLOUD_STS_REGION=cn-beijing", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED=true" },
      "https://sts-vpc.cn-beijing.aliyuncs.com" },
};

Test(creds_sts, security_token_services_are_where_the_vendors_say)
{
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct creds_rig rig = { .now_ms = 0 };
        struct ps_creds_context context = {
            .family = endpoints[i].family,
            .getenv = creds_rig_getenv,
            .getenv_user = &rig,
        };
        char *url;

        for (size_t j = 0; j < 2 && endpoints[i].variables[j] != NULL; j++) {
            ps_str_copy(rig.lines[j], CREDS_RIG_LINE_SIZE, endpoints[i].variables[j]);
        }
        url = ps_creds_sts_endpoint(&context, endpoints[i].region);
        cr_expect_str_eq(url, endpoints[i].url, "%s", endpoints[i].name);
        free(url);
    }
}
