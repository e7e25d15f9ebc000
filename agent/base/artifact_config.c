#include "base/artifact_config.h"

#include "base/settings_table.h"
#include "base/str.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define STORE_NAME "plugin"

#define FIELD(field) offsetof(struct ps_artifact_config, field)
static const struct ps_setting rows[] = {
    { "part_size", PS_SETTING_SIZE, FIELD(part_size_bytes), "", "", 0, "of an upload" },
    { "concurrency", PS_SETTING_NUMBER, FIELD(concurrency), "", "", 0, "parts at once" },
};

/* The URL ends in one '/', so that a key is below it and not beside it. */
static enum ps_code set_url(struct ps_artifact_config *config, struct ps_err *err)
{
    const struct ps_store_settings *store = &config->settings.stores[0];
    size_t length = strlen(store->url);

    if (length == 0) {
        return ps_err_set(err, PS_E_INVALID,
                          "configuration: no url: write e.g. url: s3://bucket/prefix");
    }
    while (length > 0 && store->url[length - 1] == '/') {
        length--;
    }
    config->url = ps_str_format("%.*s/", (int)length, store->url);
    return config->url != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

enum ps_code ps_artifact_config_read(struct ps_artifact_config *config, const char *text,
                                     struct ps_err *err)
{
    enum ps_code code;

    memset(config, 0, sizeof(*config));
    code =
        ps_settings_read_store(&config->settings, STORE_NAME, text, strlen(text), "configuration",
                               rows, sizeof(rows) / sizeof(rows[0]), config, err);
    return code == PS_OK ? set_url(config, err) : code;
}

void ps_artifact_config_clear(struct ps_artifact_config *config)
{
    ps_settings_clear(&config->settings);
    free(config->url);
    config->url = NULL;
}
