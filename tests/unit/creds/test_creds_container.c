#include "creds/creds_container.h"
#include "tests/support/creds_rig.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(creds_container, .timeout = 20);

/* AWS: "Container credential provider"; the form of the answer is that of the ECS agent. */
#define CONTAINER_ANSWER(id)                                                                       \
    "{\"RoleArn\":\"arn\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"hunter2\","             \
    "\"Token\":\"tok\",\"Expiration\":\"2026-01-02T04:04:05Z\"}"

Test(creds_container, container_is_asked_with_the_token_of_the_file_as_it_is_now)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS,
                   "AWS_CONTAINER_CREDENTIALS_FULL_URI=$SERVER/v1/creds\n"
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$DIR/token");
    creds_rig_file(&rig, "token", "first\n");
    creds_rig_answer(&rig, 200, "application/json", CONTAINER_ANSWER("one"));
    creds_rig_answer(&rig, 200, "application/json", CONTAINER_ANSWER("two"));

    creds_rig_get(&rig, 0);
    cr_expect(HAS_PREFIX(rig.text, "one hunter2 tok http://127.0.0.1:"), "%s", rig.text);
    creds_rig_file(&rig, "token", "second");
    rig.now_ms += INT64_C(55) * 60 * 1000; /* 5 minutes before the end: waited for */
    creds_rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "two hunter2 tok "), "%s", rig.text);
    creds_rig_check_line(&rig, 0, "GET", "/v1/creds");
    creds_rig_check_header(&rig, 0, "authorization", "first");
    creds_rig_check_header(&rig, 1, "authorization", "second");
    creds_rig_close(&rig);
}

Test(creds_container, all_waiters_share_one_question)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS, "AWS_CONTAINER_CREDENTIALS_FULL_URI=$SERVER/");
    creds_rig_answer(&rig, 200, "application/json", CONTAINER_ANSWER("one"));

    for (unsigned i = 0; i < 50; i++) {
        ps_creds_get(rig.chain, 0, creds_rig_on_creds, &rig);
    }
    creds_rig_wait(&rig, 50);

    cr_expect_eq(http_server_request_count(rig.server), 1);
    creds_rig_close(&rig);
}

Test(creds_container, container_in_trouble_is_asked_again_and_a_refusal_is_told)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS,
                   "AWS_CONTAINER_CREDENTIALS_FULL_URI=$SERVER/\n"
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN=hunter3");
    creds_rig_answer(&rig, 503, "text/plain", "busy");
    http_server_answer_nothing(rig.server);
    creds_rig_answer(&rig, 403, "application/json",
                     "{\"code\":\"AccessDenied\",\"message\":\"no association\\nfor pod\"}");

    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "AccessDenied: no association for pod"), "%s",
                       rig.err.message);
    cr_expect_null(strstr(rig.err.message, "hunter3"));
    cr_expect_eq(http_server_request_count(rig.server), 3);
    creds_rig_close(&rig);
}

/* AWS SDKs: which hosts a token may be sent to without TLS. */
static const struct {
    const char *url;
    bool safe;
} urls[] = {
    { "https://example.com/x", true },
    { "http://127.0.0.1:80/x", true },
    { "http://127.3.2.1/x", true },
    { "http://localhost/x", true },
    { "http://[::1]:8080/x", true },
    { "http://169.254.170.2/x", true },
    { "http://169.254.170.23/v1/credentials", true },
    { "http://[fd00:ec2::23]/v1", true },
    { "http://169.254.170.24/x", false },
    { "http://example.com/x", false },
    { "http://127.0.0.1.example.com/", false },
    { "http://localhost@example.com/", false },
    { "http://127.0.0.1\\@example.com/", false },
    { "http://127.1/", false },
    { "http://0x7f000001/", false },
    { "http:///x", false },
    { "http://[::1", false },
    { "ftp://127.0.0.1/", false },
    { "", false },
};

Test(creds_container, a_token_goes_over_plain_http_to_this_machine_only)
{
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        cr_expect_eq(ps_creds_container_is_safe(urls[i].url), urls[i].safe, "%s", urls[i].url);
    }
}

Test(creds_container, foreign_container_url_is_refused_before_a_byte_is_sent)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://10.0.0.1/");
    creds_rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_INVALID, "%s", rig.err.message);
    creds_rig_close(&rig);
}

/* Aliyun credentials SDK: credentials URI. */
Test(creds_container, aliyun_credentials_uri)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_ALIYUN,
                   "ALIBABA_CLOUD_CREDENTIALS_URI=$SERVER/creds\n"
                   "ALIBABA_CLOUD_ECS_METADATA_DISABLED=true");
    creds_rig_answer(&rig, 200, "application/json",
                     "{\"Code\":\"Success\",\"AccessKeyId\":\"aid\",\"AccessKeySecret\":\"as\","
                     "\"SecurityToken\":\"at\",\"Expiration\":\"2026-01-02T04:04:05Z\"}");
    creds_rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "aid as at http://127"), "%s %s", rig.text, rig.err.message);
    creds_rig_close(&rig);
}

Test(creds_container, a_set_that_was_refused_late_does_not_cost_the_next_one)
{
    struct creds_rig rig;

    creds_rig_open(&rig, PS_CREDS_AWS, "AWS_CONTAINER_CREDENTIALS_FULL_URI=$SERVER/");
    creds_rig_answer(&rig, 200, "application/json", CONTAINER_ANSWER("one"));
    creds_rig_answer(&rig, 200, "application/json", CONTAINER_ANSWER("two"));

    creds_rig_get(&rig, 0);
    creds_rig_get(&rig, 1);
    creds_rig_get(&rig, 1); /* sent before the second set came, answered after */

    cr_expect(HAS_PREFIX(rig.text, "two "), "%s %s", rig.text, rig.err.message);
    cr_expect_eq(http_server_request_count(rig.server), 2);
    creds_rig_close(&rig);
}
