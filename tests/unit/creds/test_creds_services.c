#include "base/str.h"
#include "creds/creds.h"
#include "creds/creds_container.h"
#include "creds/creds_sts.h"
#include "http/http_client.h"
#include "tests/support/http_server.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 2026-01-02T03:04:05Z */
#define NOW_UNIX_MS INT64_C(1767323045000)

enum {
    LINES_MAX = 8,
    LINE_SIZE = 256,
};

/* A chain of one family whose every service is the scripted server. */
struct rig {
    uv_loop_t loop;
    struct http_server *server;
    struct ps_http_client *http;
    struct ps_creds_chain *chain;
    struct ps_clock clock;
    int64_t now_ms;
    char lines[LINES_MAX][LINE_SIZE]; /* "NAME=value" */
    char dir[64];
    unsigned count;
    char text[512]; /* "id secret token source" */
    struct ps_err err;
};

TestSuite(creds_services, .timeout = 20);

static const char *rig_getenv(void *user, const char *name)
{
    const struct rig *rig = user;
    size_t length = strlen(name);

    for (size_t i = 0; i < LINES_MAX; i++) {
        if (strncmp(rig->lines[i], name, length) == 0 && rig->lines[i][length] == '=') {
            return rig->lines[i] + length + 1;
        }
    }
    return NULL;
}

static int64_t rig_now(void *user)
{
    return ((const struct rig *)user)->now_ms;
}

static uint64_t rig_random(void *user)
{
    (void)user;
    return 7;
}

static void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->server = http_server_new(&rig->loop);
    cr_assert_eq(ps_http_client_new(&rig->http, &rig->loop, "test", NULL), PS_OK);
    rig->clock = (struct ps_clock){ rig, rig_now, rig_now, rig_random };
    rig->now_ms = NOW_UNIX_MS;
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/purser-creds-XXXXXX");
    cr_assert_not_null(mkdtemp(rig->dir));
}

/* format may hold one %s, for value. */
static void rig_set(struct rig *rig, const char *name, const char *value, const char *rest)
{
    for (size_t i = 0; i < LINES_MAX; i++) {
        if (rig->lines[i][0] == '\0') {
            (void)snprintf(rig->lines[i], LINE_SIZE, "%s=%s%s", name, value, rest);
            return;
        }
    }
    cr_assert_fail("too many variables");
}

static void rig_chain(struct rig *rig, enum ps_creds_family family)
{
    const struct ps_creds_options options = {
        .family = family,
        .getenv = rig_getenv,
        .getenv_user = rig,
        .clock = &rig->clock,
        .loop = &rig->loop,
        .http = rig->http,
    };

    cr_assert_eq(ps_creds_chain_new(&rig->chain, &options, NULL), PS_OK);
}

static void rig_close(struct rig *rig)
{
    static const char *const files[] = { "token", "config", "credentials", "" };

    ps_creds_chain_free(rig->chain);
    ps_http_client_free(rig->http);
    http_server_free(rig->server);
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", rig->dir, files[i]);
        (void)remove(path);
    }
}

static char *rig_file(struct rig *rig, const char *name, const char *content)
{
    char *path = ps_str_format("%s/%s", rig->dir, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(content, file), 0);
    (void)fclose(file);
    return path;
}

static void on_creds(void *user, const struct ps_creds *creds, const struct ps_err *err)
{
    struct rig *rig = user;

    rig->count++;
    memset(&rig->err, 0, sizeof(rig->err));
    rig->text[0] = '\0';
    if (err != NULL) {
        rig->err = *err;
        return;
    }
    (void)snprintf(rig->text, sizeof(rig->text), "%s %s %s %s", creds->access_key_id,
                   creds->secret_access_key,
                   creds->session_token != NULL ? creds->session_token : "-", creds->source);
}

static void rig_wait(struct rig *rig, unsigned count)
{
    while (rig->count < count) {
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    }
}

static void rig_get(struct rig *rig, uint64_t refused_number)
{
    unsigned before = rig->count;

    ps_creds_get(rig->chain, refused_number, on_creds, rig);
    rig_wait(rig, before + 1);
}

static void answer(struct rig *rig, int status, const char *type, const char *body)
{
    char *text = ps_str_format("HTTP/1.1 %d X\ncontent-type: %s\ncontent-length: auto\n\n%s",
                               status, type, body);

    http_server_answer(rig->server, text);
    free(text);
}

#define HAS_PREFIX(text, prefix) (strncmp((text), (prefix), strlen(prefix)) == 0)

static void check_header(const struct rig *rig, size_t index, const char *name, const char *value)
{
    char *is = http_seen_header(http_server_request(rig->server, index), name);

    cr_expect_str_eq(is, value, "request %zu: %s", index, name);
    free(is);
}

static void check_line(const struct rig *rig, size_t index, const char *method, const char *target)
{
    const struct http_seen *seen = http_server_request(rig->server, index);

    cr_expect_str_eq(seen->method, method, "request %zu", index);
    cr_expect_str_eq(seen->target, target, "request %zu", index);
}

/* --- container --- */

/* AWS: "Container credential provider"; the form of the answer is that of the ECS agent. */
#define CONTAINER_ANSWER(id)                                                                       \
    "{\"RoleArn\":\"arn\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"hunter2\","             \
    "\"Token\":\"tok\",\"Expiration\":\"2026-01-02T04:04:05Z\"}"

Test(creds_services, container_is_asked_with_the_token_of_the_file_as_it_is_now)
{
    struct rig rig;
    char *path;

    rig_open(&rig);
    path = rig_file(&rig, "token", "first\n");
    rig_set(&rig, "AWS_CONTAINER_CREDENTIALS_FULL_URI", http_server_url(rig.server), "/v1/creds");
    rig_set(&rig, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, "");
    rig_chain(&rig, PS_CREDS_AWS);
    answer(&rig, 200, "application/json", CONTAINER_ANSWER("one"));
    answer(&rig, 200, "application/json", CONTAINER_ANSWER("two"));

    rig_get(&rig, 0);
    cr_expect(HAS_PREFIX(rig.text, "one hunter2 tok http://127.0.0.1:"), "%s", rig.text);
    free(rig_file(&rig, "token", "second"));
    rig.now_ms += INT64_C(55) * 60 * 1000; /* 5 minutes before the end: waited for */
    rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "two hunter2 tok "), "%s", rig.text);
    check_line(&rig, 0, "GET", "/v1/creds");
    check_header(&rig, 0, "authorization", "first");
    check_header(&rig, 1, "authorization", "second");
    free(path);
    rig_close(&rig);
}

Test(creds_services, all_waiters_share_one_question)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "AWS_CONTAINER_CREDENTIALS_FULL_URI", http_server_url(rig.server), "/");
    rig_chain(&rig, PS_CREDS_AWS);
    answer(&rig, 200, "application/json", CONTAINER_ANSWER("one"));

    for (unsigned i = 0; i < 50; i++) {
        ps_creds_get(rig.chain, 0, on_creds, &rig);
    }
    rig_wait(&rig, 50);

    cr_expect_eq(http_server_request_count(rig.server), 1);
    rig_close(&rig);
}

Test(creds_services, container_in_trouble_is_asked_again_and_a_refusal_is_told)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "AWS_CONTAINER_CREDENTIALS_FULL_URI", http_server_url(rig.server), "/");
    rig_set(&rig, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter3", "");
    rig_chain(&rig, PS_CREDS_AWS);
    answer(&rig, 503, "text/plain", "busy");
    http_server_answer_nothing(rig.server);
    answer(&rig, 403, "application/json",
           "{\"code\":\"AccessDenied\",\"message\":\"no association\\nfor pod\"}");

    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "AccessDenied: no association for pod"), "%s",
                       rig.err.message);
    cr_expect_null(strstr(rig.err.message, "hunter3"));
    cr_expect_eq(http_server_request_count(rig.server), 3);
    rig_close(&rig);
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

Test(creds_services, a_token_goes_over_plain_http_to_this_machine_only)
{
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        cr_expect_eq(ps_creds_container_is_safe(urls[i].url), urls[i].safe, "%s", urls[i].url);
    }
}

Test(creds_services, foreign_container_url_is_refused_before_a_byte_is_sent)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/", "");
    rig_chain(&rig, PS_CREDS_AWS);
    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_INVALID, "%s", rig.err.message);
    rig_close(&rig);
}

/* Aliyun credentials SDK: credentials URI. */
Test(creds_services, aliyun_credentials_uri)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "ALIBABA_CLOUD_CREDENTIALS_URI", http_server_url(rig.server), "/creds");
    rig_set(&rig, "ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true", "");
    rig_chain(&rig, PS_CREDS_ALIYUN);
    answer(&rig, 200, "application/json",
           "{\"Code\":\"Success\",\"AccessKeyId\":\"aid\",\"AccessKeySecret\":\"as\","
           "\"SecurityToken\":\"at\",\"Expiration\":\"2026-01-02T04:04:05Z\"}");
    rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "aid as at http://127"), "%s %s", rig.text, rig.err.message);
    rig_close(&rig);
}

Test(creds_services, a_set_that_was_refused_late_does_not_cost_the_next_one)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "AWS_CONTAINER_CREDENTIALS_FULL_URI", http_server_url(rig.server), "/");
    rig_chain(&rig, PS_CREDS_AWS);
    answer(&rig, 200, "application/json", CONTAINER_ANSWER("one"));
    answer(&rig, 200, "application/json", CONTAINER_ANSWER("two"));

    rig_get(&rig, 0);
    rig_get(&rig, 1);
    rig_get(&rig, 1); /* sent before the second set came, answered after */

    cr_expect(HAS_PREFIX(rig.text, "two "), "%s %s", rig.text, rig.err.message);
    cr_expect_eq(http_server_request_count(rig.server), 2);
    rig_close(&rig);
}

/* --- metadata services --- */

#define IMDS_ANSWER(id, end)                                                                       \
    "{\"Code\":\"Success\",\"LastUpdated\":\"2026-01-02T03:00:00Z\",\"Type\":\"AWS-HMAC\","        \
    "\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"" end   \
    "\"}"

static void open_imds(struct rig *rig)
{
    rig_open(rig);
    rig_set(rig, "AWS_EC2_METADATA_SERVICE_ENDPOINT", http_server_url(rig->server), "");
    rig_chain(rig, PS_CREDS_AWS);
}

Test(creds_services, imds_gives_the_role_of_the_machine_by_version_2)
{
    struct rig rig;

    open_imds(&rig);
    answer(&rig, 200, "text/plain", "session-token==");
    answer(&rig, 200, "text/plain", "my-role\n");
    answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T09:04:05Z"));
    rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "one s t role my-role of http"), "%s", rig.text);
    check_line(&rig, 0, "PUT", "/latest/api/token");
    check_header(&rig, 0, "x-aws-ec2-metadata-token-ttl-seconds", "21600");
    check_line(&rig, 1, "GET", "/latest/meta-data/iam/security-credentials/");
    check_header(&rig, 1, "x-aws-ec2-metadata-token", "session-token==");
    check_line(&rig, 2, "GET", "/latest/meta-data/iam/security-credentials/my-role");
    check_header(&rig, 2, "x-aws-ec2-metadata-token", "session-token==");
    rig_close(&rig);
}

Test(creds_services, imds_token_is_kept_and_replaced_when_it_is_void)
{
    struct rig rig;

    open_imds(&rig);
    answer(&rig, 200, "text/plain", "first");
    answer(&rig, 200, "text/plain", "r");
    answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T09:04:05Z"));
    rig_get(&rig, 0);
    answer(&rig, 401, "text/plain", "");
    answer(&rig, 200, "text/plain", "second");
    answer(&rig, 200, "text/plain", "r");
    answer(&rig, 200, "application/json", IMDS_ANSWER("two", "2026-01-02T09:04:05Z"));
    rig_get(&rig, 1);

    cr_expect(HAS_PREFIX(rig.text, "two "), "%s %s", rig.text, rig.err.message);
    check_header(&rig, 3, "x-aws-ec2-metadata-token", "first");
    check_line(&rig, 4, "PUT", "/latest/api/token");
    check_header(&rig, 5, "x-aws-ec2-metadata-token", "second");
    rig_close(&rig);
}

Test(creds_services, imds_of_version_1_is_asked_unless_that_is_disabled)
{
    struct rig rig;

    open_imds(&rig);
    answer(&rig, 405, "text/plain", "");
    answer(&rig, 200, "text/plain", "r");
    answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T09:04:05Z"));
    rig_get(&rig, 0);
    cr_expect(HAS_PREFIX(rig.text, "one "), "%s %s", rig.text, rig.err.message);
    check_header(&rig, 1, "x-aws-ec2-metadata-token", "");

    rig_set(&rig, "AWS_EC2_METADATA_V1_DISABLED", "true", "");
    answer(&rig, 405, "text/plain", "");
    rig_get(&rig, 1);
    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "no token, and IMDSv1 is disabled"), "%s",
                       rig.err.message);
    rig_close(&rig);
}

Test(creds_services, imds_that_gives_what_has_ended_is_believed_for_a_while)
{
    struct rig rig;

    open_imds(&rig);
    answer(&rig, 200, "text/plain", "t");
    answer(&rig, 200, "text/plain", "r");
    answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T03:04:04Z"));
    rig_get(&rig, 0);
    rig_get(&rig, 0); /* held: nothing is asked */

    cr_expect(HAS_PREFIX(rig.text, "one "), "%s %s", rig.text, rig.err.message);
    cr_expect_eq(http_server_request_count(rig.server), 3);
    rig_close(&rig);
}

Test(creds_services, imds_that_is_down_does_not_end_a_transfer)
{
    struct rig rig;

    open_imds(&rig);
    answer(&rig, 200, "text/plain", "t");
    answer(&rig, 200, "text/plain", "r");
    answer(&rig, 200, "application/json", IMDS_ANSWER("one", "2026-01-02T04:04:05Z"));
    rig_get(&rig, 0);
    rig.now_ms += INT64_C(61) * 60 * 1000; /* ended */
    answer(&rig, 200, "text/plain", "r");
    for (int i = 0; i < 3; i++) {
        answer(&rig, 500, "text/plain", "");
    }
    rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "one "), "%s %s", rig.text, rig.err.message);
    rig_close(&rig);
}

Test(creds_services, machine_without_a_role_has_no_credentials)
{
    struct rig rig;

    open_imds(&rig);
    answer(&rig, 200, "text/plain", "t");
    answer(&rig, 404, "text/plain", "");
    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "the machine has no role"), "%s", rig.err.message);
    rig_close(&rig);
}

Test(creds_services, service_that_is_switched_off_has_no_credentials)
{
    struct rig rig;

    open_imds(&rig);
    answer(&rig, 403, "text/plain", "");
    answer(&rig, 403, "text/plain", "");
    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect(HAS_PREFIX(rig.err.message, "no credentials: "), "%s", rig.err.message);
    cr_expect_not_null(strstr(rig.err.message, "the metadata service refuses"), "%s",
                       rig.err.message);
    rig_close(&rig);
}

Test(creds_services, machine_without_the_service_has_no_credentials)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", "");
    rig_chain(&rig, PS_CREDS_AWS);
    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "no metadata service"), "%s", rig.err.message);
    rig_close(&rig);
}

/* Aliyun: "ECS instance RAM role", hardened mode. */
Test(creds_services, aliyun_ecs_role_by_its_token)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", http_server_url(rig.server), "");
    rig_set(&rig, "ALIBABA_CLOUD_ECS_METADATA", "ram-role", "");
    rig_chain(&rig, PS_CREDS_ALIYUN);
    answer(&rig, 200, "text/plain", "ecs-token");
    answer(&rig, 200, "application/json",
           "{\"AccessKeyId\":\"STS.a\",\"AccessKeySecret\":\"b\",\"Expiration\":"
           "\"2026-01-02T09:04:05Z\",\"SecurityToken\":\"c\",\"LastUpdated\":"
           "\"2026-01-02T03:04:05Z\",\"Code\":\"Success\"}");
    rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "STS.a b c role ram-role of"), "%s %s", rig.text,
              rig.err.message);
    check_header(&rig, 0, "x-aliyun-ecs-metadata-token-ttl-seconds", "21600");
    check_line(&rig, 1, "GET", "/latest/meta-data/ram/security-credentials/ram-role");
    check_header(&rig, 1, "x-aliyun-ecs-metadata-token", "ecs-token");
    rig_close(&rig);
}

Test(creds_services, aliyun_ecs_role_that_is_not_ready)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", http_server_url(rig.server), "");
    rig_set(&rig, "ALIBABA_CLOUD_ECS_METADATA", "ram-role", "");
    rig_chain(&rig, PS_CREDS_ALIYUN);
    answer(&rig, 200, "text/plain", "ecs-token");
    answer(&rig, 200, "application/json", "{\"Code\":\"Failed\"}");
    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_not_null(strstr(rig.err.message, "the service says Failed"), "%s", rig.err.message);
    rig_close(&rig);
}

/* --- security token services --- */

/* AWS STS API reference, AssumeRoleWithWebIdentity, sample response (cut). */
#define STS_ANSWER(action, id)                                                                     \
    "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action "Result>"   \
    "<SubjectFromWebIdentityToken>amzn1</SubjectFromWebIdentityToken><AssumedRoleUser><Arn>a"      \
    "</Arn></AssumedRoleUser><Credentials><SessionToken>AQoDYXdzEE0a8ANX==</SessionToken>"         \
    "<SecretAccessKey>wJalrXUt</SecretAccessKey><Expiration>2026-01-02T04:04:05Z</Expiration>"     \
    "<AccessKeyId>" id "</AccessKeyId></Credentials></" action "Result></" action "Response>"

Test(creds_services, web_identity_is_traded_with_the_token_of_the_file_as_it_is_now)
{
    struct rig rig;
    char *path;

    rig_open(&rig);
    path = rig_file(&rig, "token", "jwt.one.x");
    rig_set(&rig, "AWS_WEB_IDENTITY_TOKEN_FILE", path, "");
    rig_set(&rig, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r+1", "");
    rig_set(&rig, "AWS_ENDPOINT_URL_STS", http_server_url(rig.server), "");
    rig_chain(&rig, PS_CREDS_AWS);
    answer(&rig, 400, "text/xml",
           "<ErrorResponse><Error><Type>Sender</Type><Code>IDPCommunicationError</Code>"
           "<Message>again</Message></Error></ErrorResponse>");
    answer(&rig, 200, "text/xml",
           STS_ANSWER("AssumeRoleWithWebIdentity", "ASgeIAIOSFODNN7EXAMPLE"));
    answer(&rig, 200, "text/xml", STS_ANSWER("AssumeRoleWithWebIdentity", "two"));

    rig_get(&rig, 0);
    cr_expect(HAS_PREFIX(rig.text, "ASgeIAIOSFODNN7EXAMPLE wJalrXUt AQoDYXdzEE0a8ANX== role arn"),
              "%s %s", rig.text, rig.err.message);
    free(rig_file(&rig, "token", "jwt.two.x\n"));
    rig_get(&rig, 1);

    cr_expect(HAS_PREFIX(rig.text, "two "), "%s", rig.text);
    check_line(&rig, 1, "POST", "/");
    check_header(&rig, 1, "authorization", "");
    cr_expect_str_eq(http_server_request(rig.server, 1)->body,
                     "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                     "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr%2B1&"
                     "RoleSessionName=purser&DurationSeconds=3600&WebIdentityToken=jwt.one.x");
    cr_expect_not_null(
        strstr(http_server_request(rig.server, 2)->body, "WebIdentityToken=jwt.two.x"));
    free(path);
    rig_close(&rig);
}

Test(creds_services, refused_web_identity_says_why_without_the_token)
{
    struct rig rig;
    char *path;

    rig_open(&rig);
    path = rig_file(&rig, "token", "hunter2");
    rig_set(&rig, "AWS_WEB_IDENTITY_TOKEN_FILE", path, "");
    rig_set(&rig, "AWS_ROLE_ARN", "arn:r", "");
    rig_set(&rig, "AWS_ENDPOINT_URL_STS", http_server_url(rig.server), "/");
    rig_chain(&rig, PS_CREDS_AWS);
    answer(&rig, 403, "text/xml",
           "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform "
           "sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>");
    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_DENIED);
    cr_expect_str_eq(rig.err.message, "credentials: role arn:r: AccessDenied: Not authorized to "
                                      "perform sts:AssumeRoleWithWebIdentity");
    free(path);
    rig_close(&rig);
}

Test(creds_services, half_a_web_identity_is_a_mistake)
{
    struct rig rig;

    rig_open(&rig);
    rig_set(&rig, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere", "");
    rig_chain(&rig, PS_CREDS_AWS);
    rig_get(&rig, 0);

    cr_expect_eq(rig.err.code, PS_E_INVALID);
    cr_expect_not_null(strstr(rig.err.message, "AWS_ROLE_ARN is not"), "%s", rig.err.message);
    rig_close(&rig);
}

Test(creds_services, profile_assumes_a_role_with_the_keys_of_another)
{
    struct rig rig;
    char *config;
    char *authorization;

    rig_open(&rig);
    config = rig_file(&rig, "config",
                      "[profile x]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"
                      "external_id = e&1\nduration_seconds = 900\nregion = eu-west-1\n"
                      "[profile base]\naws_access_key_id = AKIDEXAMPLE\n"
                      "aws_secret_access_key = hunter2\naws_session_token = st\n");
    rig_set(&rig, "AWS_CONFIG_FILE", config, "");
    rig_set(&rig, "AWS_PROFILE", "x", "");
    rig_set(&rig, "AWS_ENDPOINT_URL_STS", http_server_url(rig.server), "");
    rig_chain(&rig, PS_CREDS_AWS);
    answer(&rig, 200, "text/xml", STS_ANSWER("AssumeRole", "one"));
    rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "one wJalrXUt AQoDYXdzEE0a8ANX== role arn"), "%s %s", rig.text,
              rig.err.message);
    cr_expect_str_eq(http_server_request(rig.server, 0)->body,
                     "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole"
                     "%2Fr&RoleSessionName=purser&DurationSeconds=900&ExternalId=e%261");
    check_header(&rig, 0, "x-amz-date", "20260102T030405Z");
    check_header(&rig, 0, "x-amz-security-token", "st");
    authorization = http_seen_header(http_server_request(rig.server, 0), "authorization");
    cr_expect(HAS_PREFIX(authorization,
                         "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/sts/"
                         "aws4_request, SignedHeaders=content-type;host;x-amz-date;"
                         "x-amz-security-token, Signature="),
              "%s", authorization);
    free(authorization);
    free(config);
    rig_close(&rig);
}

Test(creds_services, aliyun_role_by_a_web_identity)
{
    struct rig rig;
    char *path;

    rig_open(&rig);
    path = rig_file(&rig, "token", "oidc.jwt");
    rig_set(&rig, "ALIBABA_CLOUD_OIDC_TOKEN_FILE", path, "");
    rig_set(&rig, "ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r", "");
    rig_set(&rig, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/p", "");
    rig_set(&rig, "ALIBABA_CLOUD_STS_ENDPOINT", http_server_url(rig.server), "");
    rig_chain(&rig, PS_CREDS_ALIYUN);
    answer(&rig, 200, "application/json",
           "{\"RequestId\":\"x\",\"Credentials\":{\"AccessKeyId\":\"STS.a\",\"AccessKeySecret\":"
           "\"b\",\"SecurityToken\":\"c\",\"Expiration\":\"2026-01-02T04:04:05Z\"}}");
    rig_get(&rig, 0);

    cr_expect(HAS_PREFIX(rig.text, "STS.a b c role acs:ram::1:role/r"), "%s %s", rig.text,
              rig.err.message);
    check_line(&rig, 0, "POST",
               "/?Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON&Timestamp="
               "2026-01-02T03%3A04%3A05Z&SignatureNonce=00000000000000070000000000000007");
    cr_expect_str_eq(http_server_request(rig.server, 0)->body,
                     "RoleArn=acs%3Aram%3A%3A1%3Arole%2Fr&RoleSessionName=purser&"
                     "DurationSeconds=3600&OIDCProviderArn=acs%3Aram%3A%3A1%3Aoidc-provider%2Fp&"
                     "OIDCToken=oidc.jwt");
    free(path);
    rig_close(&rig);
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

Test(creds_services, security_token_services_are_where_the_vendors_say)
{
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct rig rig = { .now_ms = 0 };
        struct ps_creds_context context = {
            .family = endpoints[i].family,
            .getenv = rig_getenv,
            .getenv_user = &rig,
        };
        char *url;

        for (size_t j = 0; j < 2 && endpoints[i].variables[j] != NULL; j++) {
            ps_str_copy(rig.lines[j], LINE_SIZE, endpoints[i].variables[j]);
        }
        url = ps_creds_sts_endpoint(&context, endpoints[i].region);
        cr_expect_str_eq(url, endpoints[i].url, "%s", endpoints[i].name);
        free(url);
    }
}

/* --- programs --- */

static void open_process(struct rig *rig, const char *command)
{
    char *text = ps_str_format("[default]\ncredential_process = %s\n", command);
    char *path;

    rig_open(rig);
    path = rig_file(rig, "config", text);
    rig_set(rig, "AWS_CONFIG_FILE", path, "");
    rig_chain(rig, PS_CREDS_AWS);
    free(path);
    free(text);
}

/* The form is that of the AWS guide, "Process credential provider". */
static const struct {
    const char *name;
    const char *command;
    const char *text;
    const char *said;
    enum ps_code code;
} processes[] = {
    { "keys", "printf '{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}'",
      "a b - credential_process", "", PS_OK },
    { "keys with an end",
      "printf '{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"SessionToken\":"
      "\"c\",\"Expiration\":\"2026-01-02T05:04:05+01:00\"}'",
      "a b c credential_process", "", PS_OK },
    { "another version", "printf '{\"Version\":2,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}'",
      "", "Version", PS_E_PARSE },
    { "a failure", "exit 3", "", "ended with status 3", PS_E_DENIED },
    { "a signal", "kill -9 $$", "", "ended by signal 9", PS_E_DENIED },
    { "no JSON", "printf hunter2", "", "not JSON", PS_E_PARSE },
    { "too much", "head -c 100000 /dev/zero", "", "more than", PS_E_TOO_LARGE },
};

Test(creds_services, programs_print_credentials)
{
    for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++) {
        struct rig rig;

        open_process(&rig, processes[i].command);
        rig_get(&rig, 0);

        cr_expect_str_eq(rig.text, processes[i].text, "%s: %s", processes[i].name, rig.err.message);
        cr_expect_eq(rig.err.code, processes[i].code, "%s: %s", processes[i].name, rig.err.message);
        cr_expect_not_null(strstr(rig.err.message, processes[i].said), "%s: %s", processes[i].name,
                           rig.err.message);
        cr_expect_null(strstr(rig.err.message, "hunter2"), "%s", processes[i].name);
        rig_close(&rig);
    }
}

Test(creds_services, a_chain_that_is_freed_ends_what_it_asked_and_what_that_has_started)
{
    char pipe_path[96] = "/tmp/purser-alive-XXXXXX";
    struct rig rig;
    char command[160];
    char byte;
    int fd;

    cr_assert_not_null(mkdtemp(pipe_path));
    (void)strncat(pipe_path, "/pipe", sizeof(pipe_path) - strlen(pipe_path) - 1);
    cr_assert_eq(mkfifo(pipe_path, 0600), 0);
    (void)snprintf(command, sizeof(command), "sleep 60 >%s & wait", pipe_path);
    open_process(&rig, command);
    ps_creds_get(rig.chain, 0, on_creds, &rig);
    fd = open(pipe_path, O_RDONLY | O_CLOEXEC); /* waits for the sleeper, the program's child */

    ps_creds_chain_free(rig.chain);

    rig.chain = NULL;
    cr_expect_eq(read(fd, &byte, 1), 0, "it still holds the pipe");
    (void)close(fd);
    (void)unlink(pipe_path);
    *strrchr(pipe_path, '/') = '\0';
    (void)rmdir(pipe_path);
    rig_close(&rig);
    cr_expect_eq(rig.count, 0);
}
