#include "tests/support/creds_rig.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(creds_imds, .timeout = 20);

#define IMDS_ANSWER(id, end)                                                                       \
    "{\"Code\":\"Success\",\"LastUpdated\":\"2026-01-02T03:00:00Z\",\"Type\":\"AWS-HMAC\","        \
    "\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"" end   \
    "\"}"

static void open_imds(struct creds_rig *rig)
{
    creds_rig_open(rig, PS_CREDS_AWS, "AWS_EC2_METADATA_SERVICE_ENDPOINT=$SERVER");
}

Test(creds_imds, imds_gives_the_role_of_the_machine_by_version_2)
{
    struct creds_rig rig;

    open_imds(&rig);
    creds_rig_answer(&rig, 200, "text/plain", "session-token==");
    creds_rig_answer(&rig, 200, "text/plain", "my-role\n");
    creds_rig_answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T09:04:05Z"));
    creds_rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "one s t role my-role of http"), "%s", rig.text);
    creds_rig_check_line(&rig, 0, "PUT", "/latest/api/token");
    creds_rig_check_header(&rig, 0, "x-aws-ec2-metadata-token-ttl-seconds", "21600");
    creds_rig_check_line(&rig, 1, "GET", "/latest/meta-data/iam/security-credentials/");
    creds_rig_check_header(&rig, 1, "x-aws-ec2-metadata-token", "session-token==");
    creds_rig_check_line(&rig, 2, "GET", "/latest/meta-data/iam/security-credentials/my-role");
    creds_rig_check_header(&rig, 2, "x-aws-ec2-metadata-token", "session-token==");
    creds_rig_close(&rig);
}

Test(creds_imds, imds_token_is_kept_and_replaced_when_it_is_void)
{
    struct creds_rig rig;

    open_imds(&rig);
    creds_rig_answer(&rig, 200, "text/plain", "first");
    creds_rig_answer(&rig, 200, "text/plain", "r");
    creds_rig_answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T09:04:05Z"));
    creds_rig_get(&rig, 0);
    creds_rig_answer(&rig, 401, "text/plain", "");
    creds_rig_answer(&rig, 200, "text/plain", "second");
    creds_rig_answer(&rig, 200, "text/plain", "r");
    creds_rig_answer(&rig, 200, "application/json", IMDS_ANSWER("two", "2026-01-02T09:04:05Z"));
    creds_rig_get(&rig, 1);

    cr_expect(HAS_PREFIX(rig.text, "two "), "%s %s", rig.text, rig.err.message);
    creds_rig_check_header(&rig, 3, "x-aws-ec2-metadata-token", "first");
    creds_rig_check_line(&rig, 4, "PUT", "/latest/api/token");
    creds_rig_check_header(&rig, 5, "x-aws-ec2-metadata-token", "second");
    creds_rig_close(&rig);
}

Test(creds_imds, imds_of_version_1_is_asked_unless_that_is_disabled)
{
    struct creds_rig rig;

    open_imds(&rig);
    creds_rig_answer(&rig, 405, "text/plain", "");
    creds_rig_answer(&rig, 200, "text/plain", "r");
    creds_rig_answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T09:04:05Z"));
    creds_rig_get(&rig, 0);
    cr_expect(HAS_PREFIX(rig.text, "one "), "%s %s", rig.text, rig.err.message);
    creds_rig_check_header(&rig, 1, "x-aws-ec2-metadata-token", "");

    creds_rig_set(&rig, "AWS_EC2_METADATA_V1_DISABLED=true");
    creds_rig_answer(&rig, 405, "text/plain", "");
    creds_rig_get(&rig, 1);
    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "no token, and IMDSv1 is disabled"), "%s",
                       rig.err.message);
    creds_rig_close(&rig);
}

Test(creds_imds, imds_that_gives_what_has_ended_is_believed_for_a_while)
{
    struct creds_rig rig;

    open_imds(&rig);
    creds_rig_answer(&rig, 200, "text/plain", "t");
    creds_rig_answer(&rig, 200, "text/plain", "r");
    creds_rig_answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T03:04:04Z"));
    creds_rig_get(&rig, 0);
    creds_rig_get(&rig, 0); /* held: nothing is asked */

    cr_expect(HAS_PREFIX(rig.text, "one "), "%s %s", rig.text, rig.err.message);
    cr_expect_eq(http_server_request_count(rig.server), 3);
    creds_rig_close(&rig);
}

Test(creds_imds, imds_that_is_down_does_not_end_a_transfer)
{
    struct creds_rig rig;

    open_imds(&rig);
    creds_rig_answer(&rig, 200, "text/plain", "t");
    creds_rig_answer(&rig, 200, "text/plain", "r");
    creds_rig_answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T04:04:05Z"));
    creds_rig_get(&rig, 0);
    rig.now_ms += INT64_C(61) * 60 * 1000; /* ended */
    creds_rig_answer(&rig, 200, "text/plain", "r");
    for (int i = 0; i < 3; i++) {
        creds_rig_answer(&rig, 500, "text/plain", "");
    }
    creds_rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "one "), "%s %s", rig.text, rig.err.message);
    creds_rig_close(&rig);
}

Test(creds_imds, machine_without_a_role_has_no_credentials)
{
    struct creds_rig rig;

    open_imds(&rig);
    creds_rig_answer(&rig, 200, "text/plain", "t");
    creds_rig_answer(&rig, 404, "text/plain", "");
    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "the machine has no role"), "%s", rig.err.message);
    creds_rig_close(&rig);
}

Test(creds_imds, service_that_is_switched_off_has_no_credentials)
{
    struct creds_rig rig;

    open_imds(&rig);
    creds_rig_answer(&rig, 403, "text/plain", "");
    creds_rig_answer(&rig, 403, "text/plain", "");
    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect(HAS_PREFIX(rig.err.message, "no credentials: "), "%s", rig.err.message);
    cr_expect_not_null(strstr(rig.err.message, "the metadata service refuses"), "%s",
                       rig.err.message);
    creds_rig_close(&rig);
}

Test(creds_imds, machine_without_the_service_has_no_credentials)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS, "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1");
    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "no metadata service"), "%s", rig.err.message);
    creds_rig_close(&rig);
}

/* Aliyun: "ECS instance RAM role", hardened mode. */
Test(creds_imds, aliyun_ecs_role_by_its_token)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_ALIYUN,
                   "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT=$SERVER\n"
                   "ALIBABA_CLOUD_ECS_METADATA=ram-role");
    creds_rig_answer(&rig, 200, "text/plain", "ecs-token");
    creds_rig_answer(&rig, 200, "application/json",
                     "{\"AccessKeyId\":\"STS.a\",\"AccessKeySecret\":\"b\",\"Expiration\":"
                     "\"2026-01-02T09:04:05Z\",\"SecurityToken\":\"c\",\"LastUpdated\":"
                     "\"2026-01-02T03:04:05Z\",\"Code\":\"Success\"}");
    creds_rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "STS.a b c role ram-role of"), "%s %s", rig.text,
              rig.err.message);
    creds_rig_check_header(&rig, 0, "x-aliyun-ecs-metadata-token-ttl-seconds", "21600");
    creds_rig_check_line(&rig, 1, "GET", "/latest/meta-data/ram/security-credentials/ram-role");
    creds_rig_check_header(&rig, 1, "x-aliyun-ecs-metadata-token", "ecs-token");
    creds_rig_close(&rig);
}

Test(creds_imds, aliyun_ecs_role_that_is_not_ready)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_ALIYUN,
                   "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT=$SERVER\n"
                   "ALIBABA_CLOUD_ECS_METADATA=ram-role");
    creds_rig_answer(&rig, 200, "text/plain", "ecs-token");
    creds_rig_answer(&rig, 200, "application/json", "{\"Code\":\"Failed\"}");
    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "the service says Failed"), "%s", rig.err.message);
    creds_rig_close(&rig);
}
