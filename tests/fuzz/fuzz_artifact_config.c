/* Configurations of artifacts as any author of a workflow might write them: any bytes. What is taken names a prefix, and
 * no variable that is to be kept from an endpoint. */
#include "base/artifact_config.h"

#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *get_variable(void *user, const char *name)
{
    (void)user;
    return name;
}

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void look(const struct ps_artifact_config *config)
{
    const char *value = NULL;

    must(ps_str_has_suffix(config->url, "/"));
    if (ps_artifact_config_variable(config, "AWS_ACCESS_KEY_ID", get_variable, NULL, &value)) {
        must(value != NULL && ps_str_has_suffix(value, "ACCESS_KEY_ID"));
        must(ps_artifact_config_variable(config, "AWS_SECRET_ACCESS_KEY", get_variable, NULL,
                                         &value));
    }
    if (ps_artifact_config_variable(config, "AWS_SESSION_TOKEN", get_variable, NULL, &value)) {
        must(value == NULL || ps_str_has_suffix(value, "_TOKEN"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_artifact_config config = { 0 };
    char *text = ps_strndup((const char *)data, size);

    if (text != NULL && memchr(data, 0, size) == NULL &&
        ps_artifact_config_read(&config, text, NULL) == PS_OK) {
        look(&config);
    }
    ps_artifact_config_clear(&config);
    free(text);
    return 0;
}
