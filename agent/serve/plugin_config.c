#include "serve/plugin_config.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/** S3 and OSS take keys of 1,024 bytes (S3: of 1,024 bytes of UTF-8). */
#define KEY_BYTES_MAX 1024

static void config_free(struct ps_plugin_config *config)
{
    if (config == NULL) {
        return;
    }
    ps_store_close(&config->open);
    if (config->policies.set != NULL) {
        config->loader->unload(config->loader->user, &config->policies);
    }
    ps_artifact_config_clear(&config->says);
    free(config->text);
    free(config);
}

/* The environment as the configuration has it. */
static const char *get_variable(void *user, const char *name)
{
    const struct ps_plugin_config *config = user;
    const struct ps_store_factory *process = config->process;
    const char *value = NULL;

    return ps_artifact_config_variable(&config->says, name, process->getenv, process->getenv_user,
                                       &value)
               ? value
               : process->getenv(process->getenv_user, name);
}

/* Nobody looks for other keys when these are meant. */
static enum ps_code check_variables(const struct ps_plugin_config *config, struct ps_err *err)
{
    const char *const names[] = { config->says.access_key_id_env,
                                  config->says.secret_access_key_env,
                                  config->says.session_token_env };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = names[i] != NULL && names[i][0] != '\0'
                                ? config->process->getenv(config->process->getenv_user, names[i])
                                : "";

        if (value == NULL) {
            return ps_err_set(err, PS_E_DENIED,
                              "configuration: credentials: %s is not set in the plugin's container",
                              names[i]);
        }
    }
    return PS_OK;
}

static enum ps_code load_policies(struct ps_plugin_config *config, struct ps_err *err)
{
    const char *directories = config->says.policies;
    enum ps_code code;

    if (directories == NULL || directories[0] == '\0') {
        return PS_OK;
    }
    code = config->loader->load != NULL
               ? config->loader->load(config->loader->user, directories, &config->policies, err)
               : ps_err_set(err, PS_E_UNSUPPORTED, "none are loaded here");
    return code == PS_OK ? PS_OK : ps_err_wrap(err, code, "configuration: policies");
}

static enum ps_code read_config(struct ps_plugin_config *config, struct ps_err *err)
{
    enum ps_code code = ps_artifact_config_read(&config->says, config->text, err);

    if (code == PS_OK) {
        code = check_variables(config, err);
    }
    if (code == PS_OK) {
        code = load_policies(config, err);
    }
    if (code == PS_OK) {
        config->factory = *config->process;
        config->factory.settings = &config->says.settings;
        config->factory.getenv = get_variable;
        config->factory.getenv_user = config;
        if (config->policies.set != NULL) {
            config->factory.ask_retry = config->policies.ask_retry;
            config->factory.ask_retry_user = config->policies.ask_retry_user;
        }
        code = ps_store_open(&config->factory, config->says.url, &config->open, err);
        if (code != PS_OK) {
            code = ps_err_wrap(err, code, "configuration");
        }
    }
    return code;
}

/* Forget the ones that were used least recently and are not in use. */
static void forget_old(struct ps_plugin_configs *configs)
{
    struct ps_plugin_config **link = &configs->first;
    size_t idle_count = 0;

    while (*link != NULL) {
        struct ps_plugin_config *config = *link;

        if (config->use_count == 0 && ++idle_count > PS_PLUGIN_CONFIGS_KEPT) {
            *link = config->next;
            config_free(config);
        } else {
            link = &config->next;
        }
    }
}

static struct ps_plugin_config *find(struct ps_plugin_configs *configs, const char *text)
{
    for (struct ps_plugin_config **link = &configs->first; *link != NULL; link = &(*link)->next) {
        struct ps_plugin_config *config = *link;

        if (strcmp(config->text, text) == 0) {
            *link = config->next;
            config->next = configs->first;
            configs->first = config;
            return config;
        }
    }
    return NULL;
}

enum ps_code ps_plugin_config_get(struct ps_plugin_configs *configs, const char *text,
                                  struct ps_plugin_config **config_out, struct ps_err *err)
{
    struct ps_plugin_config *config = find(configs, text);
    enum ps_code code;

    if (config != NULL) {
        config->use_count++;
        *config_out = config;
        return PS_OK;
    }
    config = calloc(1, sizeof(*config));
    if (config == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    config->process = configs->factory;
    config->loader = &configs->loader;
    config->text = ps_strdup(text);
    code = config->text != NULL ? read_config(config, err)
                                : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    if (code != PS_OK) {
        config_free(config);
        return code;
    }
    config->use_count = 1;
    config->next = configs->first;
    configs->first = config;
    *config_out = config;
    return PS_OK;
}

void ps_plugin_config_release(struct ps_plugin_configs *configs, struct ps_plugin_config *config)
{
    if (config != NULL) {
        config->use_count--;
        forget_old(configs);
    }
}

void ps_plugin_configs_clear(struct ps_plugin_configs *configs)
{
    while (configs->first != NULL) {
        struct ps_plugin_config *config = configs->first;

        configs->first = config->next;
        config_free(config);
    }
}

/* --- keys --- */

/* "." and ".." are just bytes to a store, but not to a gateway before it, nor to a file system behind it. */
static bool has_component(const char *key, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = key; at != NULL; at = strchr(at, '/')) {
        at += *at == '/' ? 1 : 0;
        if (strncmp(at, name, length) == 0 && (at[length] == '/' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static enum ps_code check_key(const char *key, struct ps_err *err)
{
    if (key[0] == '\0') {
        return ps_err_set(err, PS_E_INVALID, "the artifact has no key");
    }
    if (key[0] == '/') {
        return ps_err_set(err, PS_E_INVALID, "key %s: begins with '/': write it without", key);
    }
    if (has_component(key, "..") || has_component(key, ".")) {
        return ps_err_set(err, PS_E_INVALID, "key %s: '.' and '..' would leave the prefix", key);
    }
    if (has_component(key, ".purser")) {
        return ps_err_set(err, PS_E_INVALID, "key %s: .purser is purser's own", key);
    }
    return PS_OK;
}

/* "a/b" of "a/", "/b/"; a directory may be written with a '/' at its end. */
static char *join(const char *key, const char *sub_path)
{
    size_t length = strlen(key);
    size_t sub_length;

    while (length > 0 && key[length - 1] == '/') {
        length--;
    }
    while (*sub_path == '/') {
        sub_path++;
    }
    sub_length = strlen(sub_path);
    while (sub_length > 0 && sub_path[sub_length - 1] == '/') {
        sub_length--;
    }
    return ps_str_format("%.*s%s%.*s", (int)length, key, sub_length > 0 ? "/" : "", (int)sub_length,
                         sub_path);
}

enum ps_code ps_plugin_config_key(const struct ps_plugin_config *config, const char *key,
                                  const char *sub_path, char **store_key_out, char **url_out,
                                  struct ps_err *err)
{
    char *below = join(key, sub_path);
    char *store_key = NULL;
    char *url = NULL;
    enum ps_code code;

    if (below == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = check_key(below, err);
    if (code == PS_OK) {
        store_key = ps_str_format("%s%s", config->open.key, below);
        url = ps_str_format("%s%s", config->says.url, below);
        if (store_key == NULL || url == NULL) {
            code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        } else if (strlen(store_key) > KEY_BYTES_MAX) {
            code = ps_err_set(err, PS_E_INVALID, "the key has %zu bytes: a store takes %d",
                              strlen(store_key), KEY_BYTES_MAX);
        }
    }
    free(below);
    if (code != PS_OK) {
        free(store_key);
        free(url);
        return code;
    }
    *store_key_out = store_key;
    *url_out = url;
    return PS_OK;
}
