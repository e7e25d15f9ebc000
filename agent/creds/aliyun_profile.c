#include "creds/aliyun_profile.h"

#include "base/str.h"
#include "creds/shared_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A setting's name in either file; NULL = it has none there. */
static const struct {
    const char *json;
    const char *ini;
} names[PS_ALIYUN_SETTING_COUNT] = {
    [PS_ALIYUN_MODE] = { "mode", "type" },
    [PS_ALIYUN_ID] = { "access_key_id", "access_key_id" },
    [PS_ALIYUN_SECRET] = { "access_key_secret", "access_key_secret" },
    [PS_ALIYUN_TOKEN] = { "sts_token", "security_token" },
    [PS_ALIYUN_ROLE_NAME] = { "ram_role_name", "role_name" },
    [PS_ALIYUN_ROLE_ARN] = { "ram_role_arn", "role_arn" },
    [PS_ALIYUN_SESSION_NAME] = { "ram_session_name", "role_session_name" },
    [PS_ALIYUN_EXTERNAL_ID] = { "external_id", "external_id" },
    [PS_ALIYUN_SOURCE_PROFILE] = { "source_profile", NULL },
    [PS_ALIYUN_OIDC_PROVIDER_ARN] = { "oidc_provider_arn", "oidc_provider_arn" },
    [PS_ALIYUN_OIDC_TOKEN_FILE] = { "oidc_token_file", "oidc_token_file_path" },
    [PS_ALIYUN_PROCESS_COMMAND] = { "process_command", NULL },
    [PS_ALIYUN_CREDENTIALS_URI] = { "credentials_uri", NULL },
    [PS_ALIYUN_REGION] = { "region_id", "region_id" },
    [PS_ALIYUN_ENABLE] = { NULL, "enable" },
};

/* Words of "mode" and "type". */
static const struct {
    const char *word;
    enum ps_aliyun_kind kind;
} kinds[] = {
    { "AK", PS_ALIYUN_KEYS },
    { "StsToken", PS_ALIYUN_KEYS },
    { "RamRoleArn", PS_ALIYUN_ROLE },
    { "EcsRamRole", PS_ALIYUN_ECS_ROLE },
    { "RamRoleArnWithRoleName", PS_ALIYUN_ROLE_BY_ECS },
    { "ChainableRamRoleArn", PS_ALIYUN_CHAIN },
    { "OIDC", PS_ALIYUN_OIDC },
    { "External", PS_ALIYUN_PROCESS },
    { "CredentialsURI", PS_ALIYUN_URI },
    { "access_key", PS_ALIYUN_KEYS },
    { "sts", PS_ALIYUN_KEYS },
    { "ecs_ram_role", PS_ALIYUN_ECS_ROLE },
    { "ram_role_arn", PS_ALIYUN_ROLE },
    { "oidc_role_arn", PS_ALIYUN_OIDC },
};

static void set_kind(struct ps_aliyun_profile *profile)
{
    const char *mode = profile->values[PS_ALIYUN_MODE];

    profile->kind = mode == NULL ? PS_ALIYUN_KEYS : PS_ALIYUN_UNKNOWN;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && mode != NULL; i++) {
        if (strcmp(mode, kinds[i].word) == 0) {
            profile->kind = kinds[i].kind;
        }
    }
}

static void wipe(char **field)
{
    if (*field != NULL) {
        explicit_bzero(*field, strlen(*field));
        free(*field);
        *field = NULL;
    }
}

void ps_aliyun_profile_clear(struct ps_aliyun_profile *profile)
{
    for (size_t i = 0; i < PS_ALIYUN_SETTING_COUNT; i++) {
        wipe(&profile->values[i]);
    }
    memset(profile, 0, sizeof(*profile));
}

/* --- JSON --- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL && text[0] != '\0' ? text : NULL;
}

static enum ps_code take_json(const json_t *object, struct ps_aliyun_profile *profile,
                              struct ps_err *err)
{
    profile->there = true;
    for (size_t i = 0; i < PS_ALIYUN_SETTING_COUNT; i++) {
        const char *text = names[i].json != NULL ? text_of(object, names[i].json) : NULL;

        if (text == NULL) {
            continue;
        }
        profile->values[i] = ps_strdup(text);
        if (profile->values[i] == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
        }
    }
    set_kind(profile);
    return PS_OK;
}

static enum ps_code find_json(const char *path, const json_t *root, const char *name,
                              struct ps_aliyun_profile *profile, struct ps_err *err)
{
    const json_t *profiles = json_object_get(root, "profiles");
    const json_t *object;
    size_t i;

    if (!json_is_array(profiles)) {
        return ps_err_set(err, PS_E_INVALID, "%s: no list of \"profiles\"", path);
    }
    name = name != NULL ? name : text_of(root, "current");
    name = name != NULL ? name : "default";
    json_array_foreach(profiles, i, object)
    {
        if (ps_str_equal(text_of(object, "name"), name)) {
            return take_json(object, profile, err);
        }
    }
    return PS_OK;
}

enum ps_code ps_aliyun_profile_parse_json(const char *path, const char *text, size_t size_bytes,
                                          const char *name, struct ps_aliyun_profile *profile_out,
                                          struct ps_err *err)
{
    struct ps_aliyun_profile profile = { 0 };
    json_error_t error;
    json_t *root = json_loadb(text, size_bytes, 0, &error);
    enum ps_code code;

    if (root == NULL) { /* the parser's own text would quote the file */
        return ps_err_set(err, PS_E_INVALID, "%s:%d: not JSON", path, error.line);
    }
    code = find_json(path, root, name, &profile, err);
    json_decref(root);
    if (code != PS_OK) {
        ps_aliyun_profile_clear(&profile);
        return code;
    }
    *profile_out = profile;
    return PS_OK;
}

enum ps_code ps_aliyun_profile_read_json(const char *path, const char *name,
                                         struct ps_aliyun_profile *profile_out, struct ps_err *err)
{
    char *text = NULL;
    size_t size_bytes = 0;
    enum ps_code code = ps_shared_file_load(path, &text, &size_bytes, err);

    if (code == PS_E_NOT_FOUND) {
        memset(profile_out, 0, sizeof(*profile_out));
        return PS_OK;
    }
    if (code == PS_OK) {
        code = ps_aliyun_profile_parse_json(path, text, size_bytes, name, profile_out, err);
    }
    ps_shared_file_wipe(text);
    return code;
}

/* --- ini --- */

struct ini {
    const char *name;
    bool no_memory;
    struct ps_aliyun_profile profile;
};

static void on_section(void *user, const char *section, unsigned line)
{
    struct ini *ini = user;

    (void)line;
    ini->profile.there = ini->profile.there || strcmp(section, ini->name) == 0;
}

static void on_setting(void *user, const char *section, const char *name, const char *value,
                       unsigned line)
{
    struct ini *ini = user;

    (void)line;
    for (size_t i = 0; strcmp(section, ini->name) == 0 && i < PS_ALIYUN_SETTING_COUNT; i++) {
        if (names[i].ini == NULL || strcasecmp(names[i].ini, name) != 0) {
            continue;
        }
        wipe(&ini->profile.values[i]);
        if (value[0] != '\0') {
            ini->profile.values[i] = ps_strdup(value);
            ini->no_memory = ini->no_memory || ini->profile.values[i] == NULL;
        }
    }
}

enum ps_code ps_aliyun_profile_read_ini(const char *path, const char *name,
                                        struct ps_aliyun_profile *profile_out, struct ps_err *err)
{
    static const struct ps_shared_file_handler handler = { on_section, on_setting };
    struct ini ini = { .name = name != NULL ? name : "default" };
    enum ps_code code = ps_shared_file_read(path, &handler, &ini, err);
    const char *enable = ini.profile.values[PS_ALIYUN_ENABLE];

    if (code == PS_OK && ini.no_memory) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    if ((code == PS_OK && enable != NULL && strcasecmp(enable, "false") == 0) ||
        code == PS_E_NOT_FOUND) {
        ps_aliyun_profile_clear(&ini.profile);
        code = PS_OK;
    }
    if (code != PS_OK) {
        ps_aliyun_profile_clear(&ini.profile);
        return code;
    }
    set_kind(&ini.profile);
    *profile_out = ini.profile;
    return PS_OK;
}
