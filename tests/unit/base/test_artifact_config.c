#include "base/artifact_config.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(artifact_config, .timeout = 10);

#define URL "url: s3://bucket/prefix\n"
#define IDS                                                                                        \
    "credentials:\n  access_key_id_env: TEAM_ACCESS_KEY_ID\n  secret_access_key_env: "             \
    "TEAM_SECRET\n"

/* The pod's environment: every variable but those that begin with NOT_ has its own name as its value. */
static const char *get_variable(void *user, const char *name)
{
    (void)user;
    return strncmp(name, "NOT_", 4) == 0 ? NULL : name;
}

/* What the SDKs' variable name stands for: "(own)" = the pod's own, "(none)" = it is hidden. */
static const char *variable(const struct ps_artifact_config *config, const char *name)
{
    const char *value = NULL;

    if (!ps_artifact_config_variable(config, name, get_variable, NULL, &value)) {
        return "(own)";
    }
    return value != NULL ? value : "(none)";
}

static void read_good(struct ps_artifact_config *config, const char *text)
{
    struct ps_err err = { 0 };

    cr_assert_eq(ps_artifact_config_read(config, text, &err), PS_OK, "%s: %s", text, err.message);
}

Test(artifact_config, without_credentials_the_pod_has_them)
{
    struct ps_artifact_config config = { 0 };

    read_good(&config, URL "policies: [/a, /b]\n");

    cr_expect_str_eq(config.url, "s3://bucket/prefix/");
    cr_expect_str_eq(config.policies, "/a:/b");
    cr_expect_str_eq(variable(&config, "AWS_ACCESS_KEY_ID"), "(own)");
    cr_expect_str_eq(variable(&config, "AWS_SESSION_TOKEN"), "(own)");
    cr_expect_str_eq(variable(&config, "PURSER_NO_CREDENTIAL_PROCESS"), "(own)");
    ps_artifact_config_clear(&config);
}

Test(artifact_config, keys_of_its_own_are_not_mixed_with_those_of_the_pod)
{
    struct ps_artifact_config config = { 0 };

    read_good(&config, URL IDS);

    cr_expect_str_eq(variable(&config, "AWS_ACCESS_KEY_ID"), "TEAM_ACCESS_KEY_ID");
    cr_expect_str_eq(variable(&config, "OSS_ACCESS_KEY_ID"), "TEAM_ACCESS_KEY_ID");
    cr_expect_str_eq(variable(&config, "OSS_ACCESS_KEY_SECRET"), "TEAM_SECRET");
    cr_expect_str_eq(variable(&config, "AWS_SESSION_TOKEN"), "(none)");
    cr_expect_str_eq(variable(&config, "AWS_PROFILE"), "(none)");
    cr_expect_str_eq(variable(&config, "AWS_REGION"), "(own)");
    ps_artifact_config_clear(&config);
}

Test(artifact_config, a_file_of_its_own_starts_no_program)
{
    struct ps_artifact_config config = { 0 };

    read_good(&config, URL "credentials: { file: /keys, profile: team }\n");

    cr_expect_str_eq(config.settings.stores[0].profile, "team");
    cr_expect_str_eq(variable(&config, "AWS_SHARED_CREDENTIALS_FILE"), "/keys");
    cr_expect_str_eq(variable(&config, "ALIBABA_CLOUD_CREDENTIALS_FILE"), "/keys");
    cr_expect_str_eq(variable(&config, "PURSER_NO_CREDENTIAL_PROCESS"), "1");
    ps_artifact_config_clear(&config);
}

Test(artifact_config, a_secret_cannot_be_sent_as_an_id)
{
    static const char *const texts[] = {
        URL
        "credentials:\n  access_key_id_env: AWS_SECRET_ACCESS_KEY\n  secret_access_key_env: X\n",
        URL IDS "  session_token_env: GITHUB_TOKEN\n",
        URL "credentials:\n  access_key_id_env: TEAM_ACCESS_KEY_ID\n",
        URL "credentials:\n  session_token_env: TEAM_SESSION_TOKEN\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ps_artifact_config config = { 0 };

        cr_expect_eq(ps_artifact_config_read(&config, texts[i], NULL), PS_E_INVALID, "%s",
                     texts[i]);
        ps_artifact_config_clear(&config);
    }
}
