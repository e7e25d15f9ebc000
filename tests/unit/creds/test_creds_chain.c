#include "creds/creds.h"

#include "base/str.h"
#include "creds/creds_provider.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[64];

static void make_home(void)
{
    static const char *const dirs[] = { ".aws", ".aliyun", ".alibabacloud" };

    (void)snprintf(home, sizeof(home), "/tmp/purser-creds-XXXXXX");
    cr_assert_not_null(mkdtemp(home));
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", home, dirs[i]);
        cr_assert_eq(mkdir(path, 0700), 0);
    }
}

static void drop_home(void)
{
    static const char *const names[] = { ".aws/credentials",
                                         ".aws/config",
                                         ".aliyun/config.json",
                                         ".alibabacloud/credentials",
                                         "other",
                                         ".aws",
                                         ".aliyun",
                                         ".alibabacloud",
                                         "" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", home, names[i]);
        (void)remove(path);
    }
}

TestSuite(creds_chain, .timeout = 20, .init = make_home, .fini = drop_home);

static void write_file(const char *name, const char *content)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", home, name);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(content, file), 0);
    (void)fclose(file);
}

/* "NAME=value" lines; HOME is always there unless said otherwise. */
struct env {
    const char *lines[8];
    bool no_home;
};

static const char *env_get(void *user, const char *name)
{
    const struct env *env = user;
    size_t length = strlen(name);

    if (strcmp(name, "HOME") == 0 && !env->no_home) {
        return home;
    }
    for (size_t i = 0; i < 8 && env->lines[i] != NULL; i++) {
        if (strncmp(env->lines[i], name, length) == 0 && env->lines[i][length] == '=') {
            return env->lines[i] + length + 1;
        }
    }
    return NULL;
}

static int64_t now_ms = 1369353600000;

static int64_t fake_ms(void *user)
{
    (void)user;
    return now_ms;
}

static const struct ps_clock fake_clock = { .unix_ms = fake_ms, .mono_ms = fake_ms };

struct seen {
    unsigned count;
    char text[256]; /* "id secret token source" */
    struct ps_err err;
};

static void on_creds(void *user, const struct ps_creds *creds, const struct ps_err *err)
{
    struct seen *seen = user;

    seen->count++;
    memset(&seen->err, 0, sizeof(seen->err));
    if (err != NULL) {
        cr_assert_null(creds);
        seen->err = *err;
        seen->text[0] = '\0';
        return;
    }
    (void)snprintf(seen->text, sizeof(seen->text), "%s %s %s %.18s", creds->access_key_id,
                   creds->secret_access_key,
                   creds->session_token != NULL ? creds->session_token : "-", creds->source);
}

static struct ps_creds_chain *chain_of_family(enum ps_creds_family family, struct env *env,
                                              const char *profile)
{
    const struct ps_creds_options options = {
        .family = family,
        .getenv = env_get,
        .getenv_user = env,
        .profile = profile,
        .clock = &fake_clock,
    };
    struct ps_creds_chain *chain = NULL;

    cr_assert_eq(ps_creds_chain_new(&chain, &options, NULL), PS_OK);
    return chain;
}

static struct ps_creds_chain *chain_of(struct env *env, const char *profile)
{
    return chain_of_family(PS_CREDS_AWS, env, profile);
}

#define ENV_KEYS "AWS_ACCESS_KEY_ID=envid", "AWS_SECRET_ACCESS_KEY=envsecret"

struct row {
    const char *name;
    enum ps_creds_family family;
    struct env env;
    const char *profile;
    const char *credentials; /* NULL = no such file */
    const char *config;
    const char *aliyun_config;
    const char *aliyun_credentials;
    const char *text;   /* "" = an error */
    const char *region; /* NULL = none */
    enum ps_code code;
    const char *said[3]; /* parts of the message */
};

#define TWO_PROFILES                                                                               \
    "[default]\naws_access_key_id = did\naws_secret_access_key = dsecret\n"                        \
    "[x]\naws_access_key_id = xid\naws_secret_access_key = xsecret\naws_session_token = xt==\n"

/* AWS SDKs and Tools Reference Guide: precedence of places, names of sections and settings. */
static const struct row rows[] = {
    { .name = "environment",
      .env.lines = { ENV_KEYS },
      .credentials = TWO_PROFILES,
      .text = "envid envsecret - environment" },
    { .name = "environment with a token",
      .env.lines = { ENV_KEYS, "AWS_SESSION_TOKEN=t", "AWS_SECURITY_TOKEN=old" },
      .text = "envid envsecret t environment" },
    { .name = "environment with the token's old name",
      .env.lines = { ENV_KEYS, "AWS_SECURITY_TOKEN=old" },
      .text = "envid envsecret old environment" },
    { .name = "half an environment is a mistake",
      .env.lines = { "AWS_ACCESS_KEY_ID=envid" },
      .credentials = TWO_PROFILES,
      .text = "",
      .code = PS_E_INVALID,
      .said = { "AWS_SECRET_ACCESS_KEY is not" } },
    { .name = "the other half too",
      .env.lines = { "AWS_SECRET_ACCESS_KEY=hunter2" },
      .text = "",
      .code = PS_E_INVALID,
      .said = { "AWS_ACCESS_KEY_ID is not" } },
    { .name = "empty variables are not set",
      .env.lines = { "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_PROFILE=" },
      .credentials = TWO_PROFILES,
      .text = "did dsecret - profile default in" },
    { .name = "default profile",
      .credentials = TWO_PROFILES,
      .text = "did dsecret - profile default in" },
    { .name = "AWS_PROFILE beats the keys in the environment",
      .env.lines = { ENV_KEYS, "AWS_PROFILE=x" },
      .credentials = TWO_PROFILES,
      .text = "xid xsecret xt== profile x in /tmp/" },
    { .name = "the option beats AWS_PROFILE",
      .env.lines = { "AWS_PROFILE=x" },
      .profile = "default",
      .credentials = TWO_PROFILES,
      .text = "did dsecret - profile default in" },
    { .name = "keys and region in the config file",
      .env.lines = { "AWS_PROFILE=x" },
      .config = "[default]\nregion = eu-west-1\n[profile x]\nregion = eu-west-2\n"
                "s3 =\n  region = nested\naws_access_key_id = cid\naws_secret_access_key = cs\n",
      .text = "cid cs - profile x in /tmp/",
      .region = "eu-west-2" },
    { .name = "the credentials file goes before the config file",
      .credentials = TWO_PROFILES,
      .config = "[default]\naws_access_key_id = cid\naws_secret_access_key = cs\nregion = r1\n",
      .text = "did dsecret - profile default in",
      .region = "r1" },
    { .name = "[profile default] is the default profile",
      .config = "[profile default]\naws_access_key_id = cid\naws_secret_access_key = cs\n",
      .text = "cid cs - profile default in" },
    { .name = "quoted and spaced profile names",
      .profile = "a b",
      .config = "[profile   'a b']\naws_access_key_id = cid\naws_secret_access_key = cs\n",
      .text = "cid cs - profile a b in /tm" },
    { .name = "names of settings in capitals",
      .credentials = "[default]\r\nAWS_Access_Key_Id=did\r\nAWS_SECRET_ACCESS_KEY=ds\r\n",
      .text = "did ds - profile default in" },
    { .name = "[x] in the config file is no profile",
      .profile = "x",
      .config = "[x]\naws_access_key_id = cid\naws_secret_access_key = cs\n",
      .text = "",
      .code = PS_E_DENIED,
      .said = { "no credentials: profile x is not in ", "/.aws/credentials or ", "/.aws/config" } },
    { .name = "every place is named",
      .text = "",
      .code = PS_E_DENIED,
      .said = { "no credentials: AWS_ACCESS_KEY_ID is not set; profile default is not in ",
                "/.aws/credentials or ", "/.aws/config" } },
    { .name = "a chosen profile that is nowhere does not fall back",
      .env.lines = { ENV_KEYS },
      .profile = "nowhere",
      .credentials = TWO_PROFILES,
      .text = "",
      .code = PS_E_DENIED,
      .said = { "no credentials: profile nowhere is not in " } },
    { .name = "a profile without keys",
      .config = "[default]\nregion = eu-west-1\n",
      .text = "",
      .region = "eu-west-1",
      .code = PS_E_DENIED,
      .said = { "profile default has no keys in " } },
    { .name = "one key of two",
      .credentials = "[default]\n\n[x]\naws_secret_access_key = hunter2\n",
      .profile = "x",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "/.aws/credentials:3: profile x has aws_secret_access_key, but no "
                "aws_access_key_id" } },
    { .name = "a bad file, with its line",
      .credentials = "[default]\naws_access_key_id = did\nhunter2\n",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "/.aws/credentials:3: " } },
    { .name = "a bad file matters not when the environment has keys",
      .env.lines = { ENV_KEYS },
      .credentials = "hunter2\n",
      .text = "envid envsecret - environment" },
    { .name = "a role is not taken for the keys beside it",
      .credentials = TWO_PROFILES,
      .config = "[profile x]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n",
      .profile = "x",
      .text = "",
      .code = PS_E_UNSUPPORTED,
      .said = { "role arn:aws:iam::1:role/r: nothing is asked over the network here" } },
    { .name = "keys go before credential_process",
      .credentials = TWO_PROFILES,
      .config = "[default]\ncredential_process = /bin/false\n",
      .text = "did dsecret - profile default in" },
    { .name = "credential_process alone",
      .config = "[default]\ncredential_process = /bin/false\n",
      .text = "",
      .code = PS_E_NO_MEMORY,
      .said = { "credential_process: no loop" } },
    { .name = "a circle of source_profile",
      .profile = "x",
      .config = "[profile x]\nrole_arn = arn:a\nsource_profile = y\n"
                "[profile y]\nrole_arn = arn:b\nsource_profile = x\n",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "source_profile of y leads back to x" } },
    { .name = "a role without a source",
      .profile = "x",
      .config = "[profile x]\nrole_arn = arn:a\n",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "neither source_profile nor" } },
    { .name = "a role whose source is nowhere",
      .profile = "x",
      .config = "[profile x]\nrole_arn = arn:a\nsource_profile = nowhere\n",
      .text = "",
      .code = PS_E_DENIED,
      .said = { "profile nowhere is not in" } },
    { .name = "a role that wants a token of a person's",
      .profile = "x",
      .config = "[profile x]\nrole_arn = arn:a\nsource_profile = x\nmfa_serial = m\n"
                "aws_access_key_id = i\naws_secret_access_key = hunter2\n",
      .text = "",
      .code = PS_E_DENIED,
      .said = { "profile x uses mfa_serial, which purser cannot" } },
    { .name = "single sign-on alone",
      .config = "[default]\nsso_session = s\n",
      .text = "",
      .code = PS_E_DENIED,
      .said = { "uses sso_session" } },
    { .name = "a duration that no role has",
      .profile = "x",
      .config = "[profile x]\nrole_arn = arn:a\nsource_profile = d\nduration_seconds = 12\n",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "duration_seconds 12 is not 900 to 43200" } },
    { .name = "no HOME",
      .env = { .no_home = true },
      .text = "",
      .code = PS_E_DENIED,
      .said = { "HOME is not set" } },
    { .name = "region of the environment",
      .env.lines = { ENV_KEYS, "AWS_DEFAULT_REGION=r2", "AWS_REGION=r1" },
      .config = "[default]\nregion = r3\n",
      .text = "envid envsecret - environment",
      .region = "r1" },
    { .name = "default region of the environment",
      .env.lines = { ENV_KEYS, "AWS_DEFAULT_REGION=r2" },
      .config = "[default]\nregion = r3\n",
      .text = "envid envsecret - environment",
      .region = "r2" },
    { .name = "region of the profile beside keys of the environment",
      .env.lines = { ENV_KEYS },
      .config = "[default]\nregion = r3\n",
      .text = "envid envsecret - environment",
      .region = "r3" },
    { .name = "Aliyun: environment with a token",
      .family = PS_CREDS_ALIYUN,
      .env.lines = { ENV_KEYS, "ALIBABA_CLOUD_ACCESS_KEY_ID=aid",
                     "ALIBABA_CLOUD_ACCESS_KEY_SECRET=as", "ALIBABA_CLOUD_SECURITY_TOKEN=at",
                     "ALIBABA_CLOUD_REGION_ID=cn-hangzhou", "AWS_REGION=r1" },
      .text = "aid as at environment",
      .region = "cn-hangzhou" },
    { .name = "Aliyun: the variables of OSS go first",
      .family = PS_CREDS_ALIYUN,
      .env.lines = { "OSS_ACCESS_KEY_ID=oid", "OSS_ACCESS_KEY_SECRET=os", "OSS_SESSION_TOKEN=ot",
                     "ALIBABA_CLOUD_ACCESS_KEY_ID=aid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=as",
                     "ALIBABA_CLOUD_SECURITY_TOKEN=at" },
      .text = "oid os ot environment" },
    { .name = "Aliyun: half an environment is a mistake",
      .family = PS_CREDS_ALIYUN,
      .env.lines = { "ALIBABA_CLOUD_ACCESS_KEY_SECRET=hunter2" },
      .text = "",
      .code = PS_E_INVALID,
      .said = { "ALIBABA_CLOUD_ACCESS_KEY_ID is not" } },
    { .name = "Aliyun: the CLI's current profile, and its region",
      .family = PS_CREDS_ALIYUN,
      .config = NULL,
      .aliyun_config = "{\"current\":\"b\",\"profiles\":[{\"name\":\"a\",\"mode\":\"AK\","
                       "\"access_key_id\":\"aid\",\"access_key_secret\":\"as\"},"
                       "{\"name\":\"b\",\"mode\":\"StsToken\",\"access_key_id\":\"bid\","
                       "\"access_key_secret\":\"bs\",\"sts_token\":\"bt\","
                       "\"region_id\":\"cn-beijing\"}]}",
      .text = "bid bs bt profile (current)",
      .region = "cn-beijing" },
    { .name = "Aliyun: ALIBABA_CLOUD_PROFILE says which",
      .family = PS_CREDS_ALIYUN,
      .env.lines = { "ALIBABA_CLOUD_PROFILE=a" },
      .aliyun_config = "{\"current\":\"b\",\"profiles\":[{\"name\":\"a\",\"mode\":\"AK\","
                       "\"access_key_id\":\"aid\",\"access_key_secret\":\"as\"}]}",
      .text = "aid as - profile a in" },
    { .name = "Aliyun: a mode that purser cannot, then the credentials file",
      .family = PS_CREDS_ALIYUN,
      .aliyun_config = "{\"profiles\":[{\"name\":\"default\",\"mode\":\"CloudSSO\"}]}",
      .aliyun_credentials = "[default]\nenable = true\ntype = access_key\n"
                            "access_key_id = iid\naccess_key_secret = is\n",
      .text = "iid is - profile default in" },
    { .name = "Aliyun: a section that is not enabled",
      .family = PS_CREDS_ALIYUN,
      .aliyun_credentials = "[default]\nenable = false\ntype = access_key\n"
                            "access_key_id = iid\naccess_key_secret = is\n",
      .text = "",
      .code = PS_E_DENIED,
      .said = { "profile default is not in" } },
    { .name = "Aliyun: one key of two",
      .family = PS_CREDS_ALIYUN,
      .aliyun_config = "{\"profiles\":[{\"name\":\"default\",\"mode\":\"AK\","
                       "\"access_key_secret\":\"hunter2\"}]}",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "has one of access_key_id and access_key_secret only" } },
    { .name = "Aliyun: a bad file, without its text",
      .family = PS_CREDS_ALIYUN,
      .aliyun_config = "{\"profiles\":[\nhunter2",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "/.aliyun/config.json:2: not JSON" } },
    { .name = "Aliyun: a circle of source_profile",
      .family = PS_CREDS_ALIYUN,
      .aliyun_config = "{\"profiles\":[{\"name\":\"default\",\"mode\":\"ChainableRamRoleArn\","
                       "\"ram_role_arn\":\"acs:ram::1:role/r\",\"source_profile\":\"default\"}]}",
      .text = "",
      .code = PS_E_INVALID,
      .said = { "in a circle" } },
    { .name = "Aliyun: nothing of AWS counts",
      .family = PS_CREDS_ALIYUN,
      .env.lines = { ENV_KEYS },
      .credentials = TWO_PROFILES,
      .text = "",
      .code = PS_E_DENIED,
      .said = { "no credentials: ALIBABA_CLOUD_ACCESS_KEY_ID is not set" } },
};

static void check_row(const struct row *row)
{
    struct env env = row->env;
    struct seen seen = { 0 };
    struct ps_creds_chain *chain;

    if (row->credentials != NULL) {
        write_file(".aws/credentials", row->credentials);
    }
    if (row->config != NULL) {
        write_file(".aws/config", row->config);
    }
    if (row->aliyun_config != NULL) {
        write_file(".aliyun/config.json", row->aliyun_config);
    }
    if (row->aliyun_credentials != NULL) {
        write_file(".alibabacloud/credentials", row->aliyun_credentials);
    }
    chain = chain_of_family(row->family, &env, row->profile);
    ps_creds_get(chain, 0, on_creds, &seen);

    cr_expect_eq(seen.count, 1, "%s", row->name);
    cr_expect_eq(strncmp(seen.text, row->text, strlen(row->text)), 0, "%s: '%s'", row->name,
                 seen.text);
    cr_expect_eq(seen.err.code, row->code, "%s: %s", row->name, seen.err.message);
    for (size_t i = 0; i < 3 && row->said[i] != NULL; i++) {
        cr_expect_not_null(strstr(seen.err.message, row->said[i]), "%s: %s", row->name,
                           seen.err.message);
    }
    cr_expect_null(strstr(seen.err.message, "hunter2"), "%s: %s", row->name, seen.err.message);
    cr_expect(ps_str_equal(ps_creds_region(chain), row->region), "%s", row->name);
    ps_creds_chain_free(chain);
}

Test(creds_chain, finds_keys_and_region_where_the_aws_tools_do)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(&rows[i]);
        drop_home();
        make_home();
    }
}

Test(creds_chain, files_can_be_named)
{
    char credentials_line[128];
    struct env env = { .lines = { credentials_line, "AWS_CONFIG_FILE=~/.aws/config" } };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain;

    (void)snprintf(credentials_line, sizeof(credentials_line),
                   "AWS_SHARED_CREDENTIALS_FILE=%s/other", home);
    write_file("other", TWO_PROFILES);
    write_file(".aws/config", "[default]\nregion = r\n");
    chain = chain_of(&env, NULL);
    ps_creds_get(chain, 0, on_creds, &seen);

    cr_expect_eq(strncmp(seen.text, "did dsecret", strlen("did dsecret")), 0, "%s", seen.text);
    cr_expect_str_eq(ps_creds_region(chain), "r");
    ps_creds_chain_free(chain);
}

Test(creds_chain, holds_what_it_found_until_forced)
{
    struct env env = { .no_home = false };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain;

    write_file(".aws/credentials", TWO_PROFILES);
    chain = chain_of(&env, NULL);
    ps_creds_get(chain, 0, on_creds, &seen);
    write_file(".aws/credentials",
               "[default]\naws_access_key_id = new\naws_secret_access_key = newsecret\n");

    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(strncmp(seen.text, "did ", 4), 0, "%s", seen.text);
    ps_creds_get(chain, 1, on_creds, &seen);
    cr_expect_eq(strncmp(seen.text, "new ", 4), 0, "%s", seen.text);
    cr_expect_eq(seen.count, 3);
    ps_creds_chain_free(chain);
}

Test(creds_chain, forced_search_that_fails_does_not_give_what_was_refused)
{
    struct env env = { .no_home = false };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain;

    write_file(".aws/credentials", TWO_PROFILES);
    chain = chain_of(&env, NULL);
    ps_creds_get(chain, 0, on_creds, &seen);
    write_file(".aws/credentials", "");

    ps_creds_get(chain, 1, on_creds, &seen);
    cr_expect_eq(seen.err.code, PS_E_DENIED);
    ps_creds_chain_free(chain);
}

Test(creds_chain, looks_again_after_it_found_nothing)
{
    struct env env = { .no_home = false };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain = chain_of(&env, NULL);

    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(seen.err.code, PS_E_DENIED);
    write_file(".aws/credentials", TWO_PROFILES);
    ps_creds_get(chain, 0, on_creds, &seen);

    cr_expect_eq(seen.err.code, PS_OK);
    cr_expect_eq(strncmp(seen.text, "did ", 4), 0, "%s", seen.text);
    ps_creds_chain_free(chain);
}

/* A place that answers when the test says so, as a metadata service does. */
struct slow {
    struct ps_creds_provider base;
    ps_creds_reply_fn reply;
    void *user;
    unsigned look_count;
    bool freed;
};

static void slow_look(struct ps_creds_provider *provider, ps_creds_reply_fn reply, void *user)
{
    struct slow *slow = (struct slow *)provider;

    slow->reply = reply;
    slow->user = user;
    slow->look_count++;
}

static void slow_free(struct ps_creds_provider *provider)
{
    struct slow *slow = (struct slow *)provider;

    slow->freed = true;
}

static void slow_find(struct slow *slow, const char *id, int64_t expires_unix_ms)
{
    struct ps_creds creds = {
        .access_key_id = ps_strdup(id),
        .secret_access_key = ps_strdup("s"),
        .expires_unix_ms = expires_unix_ms,
        .source = "slow",
    };

    slow->reply(slow->user, PS_CREDS_FOUND, &creds, NULL);
}

static void slow_fail(struct slow *slow, enum ps_creds_reply reply)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_TEMPORARY, "metadata service: no answer");
    slow->reply(slow->user, reply, NULL, &err);
}

static struct ps_creds_chain *slow_chain(struct slow *slow, struct env *env)
{
    struct ps_creds_chain *chain = chain_of(env, NULL);
    struct ps_creds_provider *provider = &slow->base;

    slow->base.look = slow_look;
    slow->base.free = slow_free;
    cr_assert_eq(ps_creds_chain_push(chain, &provider, NULL), PS_OK);
    cr_expect_null(provider);
    return chain;
}

#define MINUTE_MS (INT64_C(60) * 1000)

Test(creds_chain, all_who_ask_during_a_search_wait_for_its_end)
{
    struct env env = { .no_home = false };
    struct slow slow = { .look_count = 0 };
    struct seen seen[3] = { { 0 } };
    struct ps_creds_chain *chain = slow_chain(&slow, &env);

    ps_creds_get(chain, 0, on_creds, &seen[0]);
    ps_creds_get(chain, 1, on_creds, &seen[1]);
    ps_creds_get(chain, 0, on_creds, &seen[2]);
    cr_expect_eq(slow.look_count, 1);
    cr_expect_eq(seen[0].count + seen[1].count + seen[2].count, 0);
    slow_find(&slow, "id", 0);

    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(seen[i].count, 1, "%zu", i);
        cr_expect_str_eq(seen[i].text, "id s - slow", "%zu", i);
    }
    ps_creds_chain_free(chain);
    cr_expect(slow.freed);
}

Test(creds_chain, a_place_that_fails_ends_the_search)
{
    struct env env = { .no_home = false };
    struct slow slow = { .look_count = 0 };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain = slow_chain(&slow, &env);

    ps_creds_get(chain, 0, on_creds, &seen);
    slow_fail(&slow, PS_CREDS_FAILED);

    cr_expect_eq(seen.err.code, PS_E_TEMPORARY);
    cr_expect_str_eq(seen.err.message, "credentials: metadata service: no answer");
    ps_creds_chain_free(chain);
}

Test(creds_chain, says_what_each_place_said)
{
    struct env env = { .no_home = true };
    struct slow slow = { .look_count = 0 };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain = slow_chain(&slow, &env);

    ps_creds_get(chain, 0, on_creds, &seen);
    slow_fail(&slow, PS_CREDS_NONE);

    cr_expect_eq(seen.err.code, PS_E_DENIED);
    cr_expect_str_eq(seen.err.message,
                     "no credentials: AWS_ACCESS_KEY_ID is not set; no shared files: HOME is not "
                     "set; metadata service: no answer");
    ps_creds_chain_free(chain);
}

Test(creds_chain, free_during_a_search_calls_nobody)
{
    struct env env = { .no_home = false };
    struct slow slow = { .look_count = 0 };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain = slow_chain(&slow, &env);

    ps_creds_get(chain, 0, on_creds, &seen);
    ps_creds_chain_free(chain);

    cr_expect(slow.freed);
    cr_expect_eq(seen.count, 0);
}

/* AWS SDKs: advisory refresh from 15 minutes before expiry, mandatory from 10 minutes. */
Test(creds_chain, renews_ahead_of_expiry)
{
    struct env env = { .no_home = false };
    struct slow slow = { .look_count = 0 };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain = slow_chain(&slow, &env);
    int64_t expires_ms = now_ms + 60 * MINUTE_MS;

    ps_creds_get(chain, 0, on_creds, &seen);
    slow_find(&slow, "first", expires_ms);

    now_ms = expires_ms - 16 * MINUTE_MS; /* far off: nothing is asked */
    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(slow.look_count, 1);

    now_ms = expires_ms - 14 * MINUTE_MS; /* in passing */
    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(slow.look_count, 2);
    cr_expect_eq(seen.count, 3);
    cr_expect_str_eq(seen.text, "first s - slow");

    now_ms = expires_ms - 9 * MINUTE_MS; /* now it is waited for */
    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(slow.look_count, 2);
    cr_expect_eq(seen.count, 3);
    slow_find(&slow, "second", expires_ms + 60 * MINUTE_MS);
    cr_expect_eq(seen.count, 4);
    cr_expect_str_eq(seen.text, "second s - slow");
    ps_creds_chain_free(chain);
}

Test(creds_chain, early_renewal_that_failed_is_not_tried_at_once_again)
{
    struct env env = { .no_home = false };
    struct slow slow = { .look_count = 0 };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain = slow_chain(&slow, &env);

    ps_creds_get(chain, 0, on_creds, &seen);
    slow_find(&slow, "first", now_ms + 60 * MINUTE_MS);
    now_ms += 48 * MINUTE_MS;
    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(slow.look_count, 2);
    slow_fail(&slow, PS_CREDS_FAILED);
    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(slow.look_count, 2);

    now_ms += MINUTE_MS;
    ps_creds_get(chain, 0, on_creds, &seen);
    cr_expect_eq(slow.look_count, 3);
    cr_expect_str_eq(seen.text, "first s - slow");
    ps_creds_chain_free(chain);
}

Test(creds_chain, uses_what_it_holds_to_the_end_when_renewal_fails)
{
    struct env env = { .no_home = false };
    struct slow slow = { .look_count = 0 };
    struct seen seen = { 0 };
    struct ps_creds_chain *chain = slow_chain(&slow, &env);

    ps_creds_get(chain, 0, on_creds, &seen);
    slow_find(&slow, "first", now_ms + 60 * MINUTE_MS);
    now_ms += 55 * MINUTE_MS;
    ps_creds_get(chain, 0, on_creds, &seen);
    slow_fail(&slow, PS_CREDS_FAILED);
    cr_expect_eq(seen.err.code, PS_OK);
    cr_expect_str_eq(seen.text, "first s - slow");

    now_ms += 5 * MINUTE_MS; /* expired */
    ps_creds_get(chain, 0, on_creds, &seen);
    slow_fail(&slow, PS_CREDS_FAILED);
    cr_expect_eq(seen.err.code, PS_E_TEMPORARY);
    ps_creds_chain_free(chain);
}

Test(creds_chain, has_room_for_a_named_number_of_places)
{
    struct env env = { .no_home = false };
    struct ps_creds_chain *chain = chain_of(&env, NULL);
    struct slow slow[PS_CREDS_PROVIDERS_MAX] = { { .look_count = 0 } };
    struct ps_creds_provider *provider = NULL;

    for (size_t i = 0; i < PS_CREDS_PROVIDERS_MAX - 2;
         i++) { /* environment and profile are there */
        slow[i].base.free = slow_free;
        provider = &slow[i].base;
        cr_assert_eq(ps_creds_chain_push(chain, &provider, NULL), PS_OK);
    }
    provider = &slow[PS_CREDS_PROVIDERS_MAX - 1].base;
    cr_expect_eq(ps_creds_chain_push(chain, &provider, NULL), PS_E_TOO_LARGE);
    cr_expect_not_null(provider);
    ps_creds_chain_free(chain);
}

Test(creds_chain, free_and_clear_take_nothing)
{
    struct ps_creds creds = { 0 };

    ps_creds_chain_free(NULL);
    ps_creds_clear(&creds);
    ps_creds_clear(&creds);
    cr_expect_null(creds.access_key_id);
}
